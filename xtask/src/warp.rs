//! The page that asserts that probe and warp leave a page's world as it is, but for its speed
//! (`harness/tests/pages/warp`), opened in a real browser at several speeds.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use segproof_core::exchange::Protocol;
use segproof_core::trace::PageEvent;
use segproof_harness::browser::Session;
use segproof_harness::engine::Window;
use segproof_harness::serve::{LiveFiles, PageFiles, PageMessage, Publisher, Stage};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::front::{Front, Settings};
use crate::mutants::Check;
use crate::stop::Stop;
use crate::{conformance, paths};

const SPEEDS: [f64; 3] = [1.0, 4.0, 8.0];
const PAGE_LIMIT: Duration = Duration::from_secs(60);

/// Opens the page at each speed; what it asserts in vain is what is wrong.
pub fn run() -> anyhow::Result<Vec<Check>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let settings = Settings {
            sessions: 1,
            window: Window::Headless,
            remote: None,
            logs: paths::target().join("warp"),
            state: conformance::state_folder(),
        };
        // No trial posts a verdict here.
        let (verdicts, _) = unbounded_channel();
        let front = Front::open(settings, verdicts).await?;
        let _stop = Stop::listen(front.killer())?;
        let mut checks = Vec::new();
        for speed in SPEEDS {
            let wrong = match page(&front.url, speed).await {
                Ok(failures) => failures,
                Err(error) => Some(format!("{error:#}")),
            };
            checks.push(Check { what: format!("a page's world is as it was at speed {speed}"), wrong });
        }
        front.close().await;
        Ok(checks)
    })
}

/// What the page found wrong, if anything.
async fn page(webdriver: &str, speed: f64) -> anyhow::Result<Option<String>> {
    let folder = paths::root().join("harness/tests/pages/warp");
    // The page wants no stream.
    let nothing = Publisher::Files(Mutex::new(LiveFiles::new(folder.clone())));
    let (stage, mut messages) =
        Stage::open(nothing, PageFiles::new(folder, Vec::new(), speed), speed, Protocol::Http1).await?;
    let session = Session::open(webdriver, "chromium", &format!("warp/{speed}")).await?;
    let opened = session.open_page(&stage.page_url()).await;
    let found = tokio::time::timeout(PAGE_LIMIT, outcome(&mut messages)).await;
    session.quit().await;
    opened?;
    found.context("the page did not come to an end")?.context("the page went away")
}

async fn outcome(messages: &mut UnboundedReceiver<PageMessage>) -> Option<Option<String>> {
    while let Some(message) = messages.recv().await {
        let PageMessage::Batch(batch) = message else { continue };
        for entry in batch.entries {
            if let PageEvent::PlayerError { fatal, message } = entry.event {
                return Some(fatal.then_some(message));
            }
        }
    }
    None
}
