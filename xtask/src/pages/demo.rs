//! The page that `cargo xtask serve` shows, in a real browser: the stream is played and judged, and what the page draws of it
//! is there.

use std::time::Duration;

use anyhow::{Context, ensure};
use segproof_core::report::Verdict;
use segproof_harness::engine::Engine;
use segproof_harness::run::{News, serve_trial};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::{driven, lent};
use crate::check::Check;
use crate::{paths, report, serve};

/// Watches it to the trial's end.
pub fn run(engine: &'static Engine) -> anyhow::Result<Vec<Check>> {
    let (plan, _lock) = serve::prepare(&serve::Options::to(paths::target().join("demo")))?;
    let trial = plan.trials.first().context("a plan has a trial")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (judged, page) = runtime.block_on(lent("demo/drivers", async |webdriver| {
        let (news, mut heard) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel::<()>();
        let tell = |told: News| {
            let word = match told {
                News::Open { url, .. } => Some(url.to_owned()),
                News::Judged(_) => Some(String::new()),
                News::GoesOn => None,
            };
            // Who looks may have given up.
            word.into_iter().for_each(|word| drop(news.send(word)));
        };
        let serving = serve_trial(&plan, trial, tell, async { drop(ended.await) });
        let looking = async {
            let page = tokio::time::timeout(LIMIT, look(webdriver, engine, &mut heard)).await;
            drop(end);
            page.context("the trial did not end in time")?
        };
        let (judged, page) = tokio::join!(serving, looking);
        Ok((judged?, page))
    }))?;
    let is_drawn = page.and_then(|page| page.check());
    Ok(vec![
        Check {
            what: format!("{}: the demo page plays ffmpeg's stream", engine.name),
            wrong: (judged.verdict != Verdict::Pass).then(|| report::trial_line(&judged)),
        },
        Check {
            what: format!("{}: the demo page shows what it plays", engine.name),
            wrong: is_drawn.err().map(|error| format!("{error:#}")),
        },
    ])
}

/// What the page has come to when the trial has been judged.
async fn look(
    webdriver: &str,
    engine: &Engine,
    heard: &mut mpsc::UnboundedReceiver<String>,
) -> anyhow::Result<Page> {
    let url = heard.recv().await.context("it is not served")?;
    driven(webdriver, engine, "demo", async |driver| {
        driver.goto(&url).await?;
        heard.recv().await.context("it was not judged")?;
        let found = driver.execute(LOOK, Vec::new()).await?;
        Ok(found.convert::<Page>()?)
    })
    .await
}

#[derive(Debug, Deserialize)]
struct Page {
    shown: f64,
    latency: String,
    events: Vec<String>,
    /// Pixels that are drawn of each canvas.
    inked: Vec<u32>,
}

impl Page {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.shown > 100.0, "only {} frames were shown", self.shown);
        ensure!(self.latency.ends_with(" s"), "no latency is told: {:?}", self.latency);
        ensure!(self.events.iter().any(|event| event.ends_with("playing")), "{:?}", self.events);
        ensure!(self.inked.len() == 2 && self.inked.iter().all(|&pixels| pixels > 1000), "{:?}", self.inked);
        Ok(())
    }
}

const LOOK: &str = "
    const inked = (canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, index) => index % 4 == 3 && value).length;
    };
    return {
        shown: Number(document.getElementById('shown').textContent),
        latency: document.getElementById('latency').textContent,
        events: Array.from(document.querySelectorAll('#log li'), (line) => line.textContent),
        inked: Array.from(document.querySelectorAll('canvas'), inked),
    };";

const LIMIT: Duration = Duration::from_secs(120);
