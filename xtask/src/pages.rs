//! The pages that assert what the suite's own scripts make of a page's world, opened in a real browser at several
//! speeds: probe and warp leave it as it is, but for its speed (`harness/tests/pages/warp`), the conditions
//! change what they are to change (`harness/tests/pages/conditions`), the ear leaves the page its loudness
//! (`harness/tests/pages/ear`), the hand tells what a person does and begins where autoplay is denied
//! (`harness/tests/pages/hand`, `denied`), and a browser that is lent again has forgotten (`harness/tests/pages/fresh`).
//! Behind them the pages of players: one that may not compile WebAssembly, such as are served elsewhere, and our own one's
//! demo.

mod demo;
mod elsewhere;
mod policy;
pub mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use segproof_core::action::{Conditions, What};
use segproof_core::exchange::Protocol;
use segproof_core::trace::PageEvent;
use segproof_harness::browser::{Probing, Session};
use segproof_harness::engine::{ENGINES, Engine};
use segproof_harness::serve::{Ear, LiveFiles, PageFiles, PageMessage, Publisher, Stage};
use thirtyfour::{Capabilities, WebDriver};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::check::{self, Check};
use crate::doctor::{self, Consent};
use crate::front::{Front, Settings};
use crate::stop::Stop;
use crate::{conformance, paths};

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// A browser engine by name, or `all`
    #[arg(long = "browser", value_name = "NAME", default_value = ENGINES[0].name)]
    browsers: Vec<String>,
    /// Look at the report in an output folder, and at nothing else; it must have a trial that failed
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// The highest is left out where an engine is never driven so fast.
const SPEEDS: [f64; 3] = [1.0, 4.0, 8.0];
/// Higher ones leave the timers of a hidden page too little wall time to be told apart.
const CONDITIONS_SPEEDS: [f64; 2] = [1.0, 4.0];
const CONDITIONS: Conditions = Conditions { autoplay_denied: true, quota_bytes: None, clock_ms: 3_600_000.0 };
/// Pages that a hand presses, what they show, and what is told of it.
const BY_HAND: [(&str, &str, &[What]); 2] = [
    ("hand", "what a hand does to a page is told, and what the page does is not", &[What::Play, What::Pause]),
    (
        "denied",
        "where nothing may play before a gesture, the first one begins",
        &[What::AutoplayDenied, What::Play],
    ),
];
const PAGE_LIMIT: Duration = Duration::from_secs(60);

/// Runs the command and gives its exit code.
pub fn command(options: Options) -> anyhow::Result<ExitCode> {
    let trials = conformance::Options {
        browsers: options.browsers,
        yes: options.yes,
        ..conformance::Options::default()
    };
    let engines = conformance::engines(&trials)?;
    // Pages that are served elsewhere are trials.
    doctor::provide(&conformance::needs(&trials, &engines), Consent::from_yes(options.yes))?;
    let mut checks = Vec::new();
    for engine in engines {
        checks.extend(match &options.report {
            Some(folder) => report::run(engine, &folder.canonicalize().context(paths::short(folder))?)?,
            None => run(engine)?,
        });
    }
    Ok(check::conclude(&checks))
}

/// Opens each page at each speed; what it asserts in vain is what is wrong.
pub fn run(engine: &'static Engine) -> anyhow::Result<Vec<Check>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut checks = runtime.block_on(lent("pages", async |webdriver| {
        let mut checks = Vec::new();
        let mut check = |what: String, wrong| {
            checks.push(Check { what: format!("{}: {what}", engine.name), wrong });
        };
        for speed in SPEEDS.into_iter().filter(|speed| *speed <= engine.speed_max) {
            let wrong = page(webdriver, engine, "warp", speed, None).await;
            check(format!("a page's world is as it was at speed {speed}"), wrong);
        }
        for speed in CONDITIONS_SPEEDS {
            let wrong = page(webdriver, engine, "conditions", speed, Some(CONDITIONS)).await;
            check(format!("a page sees its conditions at speed {speed}"), wrong);
        }
        let wrong = page(webdriver, engine, "ear", 1.0, None).await;
        check("a page that is listened to is as loud as it says".to_owned(), wrong);
        for (name, what, wanted) in BY_HAND {
            let wrong = by_hand(webdriver, engine, name, wanted).await;
            check(what.to_owned(), wrong);
        }
        // The pages before have left nothing; what the first one leaves is for the second one to find.
        for nth in ["once", "again"] {
            let wrong = page(webdriver, engine, "fresh", 1.0, None).await;
            check(format!("a browser that is lent {nth} has nothing of a page before"), wrong);
        }
        checks.extend(policy::run(webdriver, engine).await);
        Ok(checks)
    }))?;
    if engine.has_bidi {
        checks.extend(elsewhere::run(engine)?);
    }
    checks.extend(demo::run(engine)?);
    Ok(checks)
}

/// Lends the front of browsers, one at a time, which may not outlive what is done with them: a signal ends both.
async fn lent<T>(logs: &str, work: impl AsyncFnOnce(&str) -> anyhow::Result<T>) -> anyhow::Result<T> {
    // No trial posts a verdict here.
    let (verdicts, _) = unbounded_channel();
    let front = Front::open(Settings::one_at_a_time(paths::target().join(logs)), verdicts).await?;
    let mut stop = Stop::listen(front.killer())?;
    let done = tokio::select! {
        done = work(&front.url) => done,
        () = stop.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    front.close().await;
    done
}

/// What the page found wrong, or why it could not look.
async fn page(
    webdriver: &str,
    engine: &Engine,
    name: &str,
    speed: f64,
    conditions: Option<Conditions>,
) -> Option<String> {
    let files = files(name, speed).under(conditions).heard((name == "ear").then_some(Ear { error: None }));
    found_in(webdriver, engine, name, files).await.unwrap_or_else(|error| Some(format!("{error:#}")))
}

async fn found_in(
    webdriver: &str,
    engine: &Engine,
    name: &str,
    files: PageFiles,
) -> anyhow::Result<Option<String>> {
    let mut open = Open::new(webdriver, engine, name, files).await?;
    let found = tokio::time::timeout(PAGE_LIMIT, outcome(&open.stage, &mut open.messages)).await;
    open.session.quit().await;
    found.context("the page did not come to an end")?.context("the page went away")
}

/// The same of a page that a hand presses where it asks for it: whether these actions were told of.
async fn by_hand(webdriver: &str, engine: &Engine, name: &str, wanted: &[What]) -> Option<String> {
    match told_by_hand(webdriver, engine, name).await {
        Ok(told) => (told != wanted).then(|| format!("told was {told:?}")),
        Err(error) => Some(format!("{error:#}")),
    }
}

async fn told_by_hand(webdriver: &str, engine: &Engine, name: &str) -> anyhow::Result<Vec<What>> {
    let mut open = Open::new(webdriver, engine, name, files(name, 1.0).touched(true)).await?;
    let told = tokio::time::timeout(PAGE_LIMIT, told(&open.session, &mut open.messages)).await;
    open.session.quit().await;
    told.context("the page did not come to an end")?
}

/// Looks at something in a browser without a probe, which is given back however that ends.
async fn driven<T>(
    webdriver: &str,
    engine: &Engine,
    name: &str,
    look: impl AsyncFnOnce(&WebDriver) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let capabilities = Capabilities::from(engine.session_request(name));
    let driver = WebDriver::builder(webdriver, capabilities).connect().await?;
    let seen = look(&driver).await;
    // Dropping it would block.
    let _lost = driver.quit().await;
    seen
}

fn files(name: &str, speed: f64) -> PageFiles {
    PageFiles::new(vec![folder(name)], Vec::new(), speed)
}

fn folder(name: &str) -> PathBuf {
    paths::root().join("harness/tests/pages").join(name)
}

/// A page that wants no stream, in a browser.
struct Open {
    stage: Stage,
    messages: UnboundedReceiver<PageMessage>,
    session: Session,
}

impl Open {
    async fn new(webdriver: &str, engine: &Engine, name: &str, files: PageFiles) -> anyhow::Result<Open> {
        let nothing = Publisher::Files(Mutex::new(LiveFiles::new(folder(name))));
        let (stage, messages) = Stage::open(nothing, files, Protocol::Http1).await?;
        let session = Session::open(webdriver, engine.name, name, Probing::Served).await?;
        match session.open_page(&stage.page().playing(&stage.stream_url(), &[])).await {
            Ok(()) => Ok(Open { stage, messages, session }),
            Err(error) => {
                session.quit().await;
                Err(error)
            }
        }
    }
}

/// Presses the page whenever it asks for it; what actions are told until it is done.
async fn told(session: &Session, messages: &mut UnboundedReceiver<PageMessage>) -> anyhow::Result<Vec<What>> {
    let mut told = Vec::new();
    while let Some(message) = messages.recv().await {
        let batch = match message {
            PageMessage::Batch(batch) => batch,
            PageMessage::Gone => break,
            _ => continue,
        };
        for entry in batch.entries {
            match entry.event {
                PageEvent::Action { what, .. } => told.push(what),
                PageEvent::PlayerError { message, .. } if message == "done" => return Ok(told),
                PageEvent::PlayerError { .. } => session.press("video, p").await?,
                _ => {}
            }
        }
    }
    bail!("the page went away")
}

/// Does what the page asks for, until it tells its outcome; `None` if it goes away before.
async fn outcome(stage: &Stage, messages: &mut UnboundedReceiver<PageMessage>) -> Option<Option<String>> {
    while let Some(message) = messages.recv().await {
        let batch = match message {
            PageMessage::Batch(batch) => batch,
            PageMessage::Gone => return None,
            _ => continue,
        };
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
