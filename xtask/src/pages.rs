//! The pages that assert what the suite's own scripts make of a page's world, opened in a real browser at several
//! speeds: probe and warp leave it as it is, but for its speed (`harness/tests/pages/warp`), the conditions
//! change what they are to change (`harness/tests/pages/conditions`), the ear leaves the page its loudness
//! (`harness/tests/pages/ear`), and a browser that is lent again has forgotten (`harness/tests/pages/fresh`).

mod elsewhere;

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use segproof_core::action::Conditions;
use segproof_core::exchange::Protocol;
use segproof_core::trace::PageEvent;
use segproof_harness::browser::{Probing, Session};
use segproof_harness::engine::Window;
use segproof_harness::serve::{LiveFiles, PageFiles, PageMessage, Publisher, Stage};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::check::{self, Check};
use crate::front::{Front, Pacing, Settings};
use crate::stop::Stop;
use crate::{conformance, paths};

const SPEEDS: [f64; 3] = [1.0, 4.0, 8.0];
/// Higher ones leave the timers of a hidden page too little wall time to be told apart.
const CONDITIONS_SPEEDS: [f64; 2] = [1.0, 4.0];
const CONDITIONS: Conditions = Conditions { autoplay_denied: true, quota_bytes: None, clock_ms: 3_600_000.0 };
const PAGE_LIMIT: Duration = Duration::from_secs(60);

/// Runs the command and gives its exit code.
pub fn command() -> anyhow::Result<ExitCode> {
    Ok(check::conclude(&run()?))
}

/// Opens the page at each speed; what it asserts in vain is what is wrong.
pub fn run() -> anyhow::Result<Vec<Check>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut checks = runtime.block_on(async {
        let settings = Settings {
            sessions: 1,
            pacing: Pacing::ONE_AT_A_TIME,
            window: Window::Headless,
            remote: None,
            viewer: None,
            logs: paths::target().join("pages"),
            state: conformance::state_folder(),
        };
        // No trial posts a verdict here.
        let (verdicts, _) = unbounded_channel();
        let front = Front::open(settings, verdicts).await?;
        let _stop = Stop::listen(front.killer())?;
        let mut checks = Vec::new();
        for speed in SPEEDS {
            let wrong = page(&front.url, "warp", speed, None).await;
            checks.push(Check { what: format!("a page's world is as it was at speed {speed}"), wrong });
        }
        for speed in CONDITIONS_SPEEDS {
            let wrong = page(&front.url, "conditions", speed, Some(CONDITIONS)).await;
            checks.push(Check { what: format!("a page sees its conditions at speed {speed}"), wrong });
        }
        let wrong = page(&front.url, "ear", 1.0, None).await;
        checks.push(Check { what: "a page that is listened to is as loud as it says".to_owned(), wrong });
        // The pages before have left nothing; what the first one leaves is for the second one to find.
        for nth in ["once", "again"] {
            let wrong = page(&front.url, "fresh", 1.0, None).await;
            checks.push(Check {
                what: format!("a browser that is lent {nth} has nothing of a page before"),
                wrong,
            });
        }
        front.close().await;
        anyhow::Ok(checks)
    })?;
    checks.extend(elsewhere::run()?);
    Ok(checks)
}

/// What the page found wrong, or why it could not look.
async fn page(webdriver: &str, name: &str, speed: f64, conditions: Option<Conditions>) -> Option<String> {
    opened(webdriver, name, speed, conditions).await.unwrap_or_else(|error| Some(format!("{error:#}")))
}

async fn opened(
    webdriver: &str,
    name: &str,
    speed: f64,
    conditions: Option<Conditions>,
) -> anyhow::Result<Option<String>> {
    let folder = paths::root().join("harness/tests/pages").join(name);
    // The page wants no stream.
    let nothing = Publisher::Files(Mutex::new(LiveFiles::new(folder.clone())));
    let files = PageFiles::new(vec![folder], Vec::new(), speed).under(conditions).heard(name == "ear");
    let (stage, mut messages) = Stage::open(nothing, files, speed, Protocol::Http1).await?;
    let session = Session::open(webdriver, "chromium", &format!("{name}/{speed}"), Probing::Served).await?;
    let opened = session.open_page(&stage.page().playing(&stage.stream_url(), &[])).await;
    let found = tokio::time::timeout(PAGE_LIMIT, outcome(&stage, &mut messages)).await;
    session.quit().await;
    opened?;
    found.context("the page did not come to an end")?.context("the page went away")
}

/// Does what the page asks for, until it tells its outcome; `None` if it goes away before.
async fn outcome(stage: &Stage, messages: &mut UnboundedReceiver<PageMessage>) -> Option<Option<String>> {
    while let Some(message) = messages.recv().await {
        let PageMessage::Batch(batch) = message else { continue };
        for entry in batch.entries {
            let PageEvent::PlayerError { fatal, message } = entry.event else { continue };
            match serde_json::from_str(&message) {
                Ok(command) => stage.command(&command),
                Err(_) => return Some(fatal.then_some(message)),
            }
        }
    }
    None
}
