//! `cargo xtask conformance`: from a command line to a report.
//!
//! The trials themselves are processes of the harness, run by nextest; they know a plan and a WebDriver URL.
//! What they found is read from the verdict files they leave, never from how nextest or they ended.

mod baseline;
mod collect;
pub mod compare;
mod elsewhere;
mod kept;
mod nextest;
pub mod options;
mod progress;
mod repeats;
mod round;
pub mod select;
mod speed;
mod viewer;

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use segproof_core::report::{Report, TrialReport, Verdict};
use segproof_harness::engine::{Engine, Window};
use segproof_harness::plan::{MadeFixture, RunPlan};
use segproof_harness::serve::Listen;
use tokio::sync::mpsc;

use crate::doctor::{self, Consent, Need};
use crate::front::{self, Front, Remote};
use crate::machine::{self, Machine};
use crate::overload::{Hindered, Hindrance};
use crate::stop::Stop;
use crate::{fixtures, paths, player, report};
use kept::Kept;
use nextest::Keeper;
pub use options::{Options, engines, positive};
use progress::{Form, Progress};
use round::Round;
use select::Selection;
pub use speed::Speed;

/// Runs the command and gives its exit code.
pub fn command(options: Options) -> anyhow::Result<ExitCode> {
    code(options).map(ExitCode::from)
}

/// The same, as a number.
pub fn code(options: Options) -> anyhow::Result<u8> {
    let out = options.out();
    if options.list {
        let selection = select(&options)?;
        for trial in &selection.trials {
            println!("{}  {}", trial.plan.name(), trial.summary);
        }
        selection.complain()?;
        return Ok(0);
    }
    if let Some(base) = &options.baseline {
        return baseline::command(&options, base);
    }
    if options.compare_speeds {
        return compare::command(&options);
    }
    let (is_for_programs, tells_ci) = (options.json, options.tells_ci);
    let report = run(options)?;
    if is_for_programs {
        return Ok(report::end(&report));
    }
    let code = report::conclude(&report, &out);
    if tells_ci {
        report::tell_github(&report);
    }
    Ok(code)
}

/// Runs the trials that the options select, and writes the report. A failing player is no error.
pub fn run(options: Options) -> anyhow::Result<Report> {
    ensure!(
        !options.keep_open || std::io::stdin().is_terminal(),
        "--keep-open waits for Enter: start it in a terminal"
    );
    let listen = options.listen()?;
    let engines = engines(&options)?;
    let selection = prepare(&options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if options.webdriver.as_ref().is_none_or(Remote::is_here) {
        runtime.block_on(elsewhere::look(&selection))?;
    }
    let fixtures = fixtures::make(&selection.fixtures())?;
    selection.check_media(&fixtures)?;

    let out = options.out();
    // Held until the report is written: the lock ends with the file.
    let lock = take_folder(&out)?;
    let target = paths::target();
    player::build(&paths::root(), &target, player::Form::at_hand())?;
    nextest::build(&out)?;
    let ground = Ground { fixtures, listen };
    runtime.block_on(async {
        if let Some(remote) = &options.webdriver {
            remote.look(&engines).await?;
        }
        run_selected(&options, selection, ground, &out, &lock).await
    })
}

/// As `run`, for a command that has more to do afterwards: an interrupted run is an error, so that it ends as well.
pub fn run_whole(options: Options) -> anyhow::Result<Report> {
    let goes_on = if options.resume { ": the same command goes on there" } else { "" };
    let report = run(options)?;
    let is_cut = |trial: &TrialReport| trial.reason.as_deref() == Some(report::INTERRUPTED);
    ensure!(!report.trials.iter().any(is_cut), "interrupted{goes_on}");
    Ok(report)
}

/// What trials stand on: their media, and where it is served.
struct Ground {
    fixtures: Vec<MadeFixture>,
    listen: Listen,
}

/// What the options select, when everything is here that it takes and nothing is left of a run that was killed.
pub fn prepare(options: &Options) -> anyhow::Result<Selection> {
    let engines = engines(options)?;
    let selection = select(options)?;
    selection.complain()?;
    let mut needs = needs(options, &engines);
    needs.extend(select::needs(&select::players(&options.players)?));
    doctor::provide(&needs, Consent::from_yes(options.yes))?;
    // Before the folder is taken: trials of a run that was killed hold its lock.
    match front::sweep(&state_folder()).context("the leftovers of an earlier run")? {
        0 => {}
        runs => eprintln!("swept what {runs} interrupted run(s) had left"),
    }
    Ok(selection)
}

/// Drops what `--resume` would take over of these trials.
pub fn forget(options: &Options, selection: &Selection) -> anyhow::Result<()> {
    // What is kept is found by what the player is now.
    player::build(&paths::root(), &paths::target(), player::Form::at_hand())?;
    let engines = selection.trials.iter().map(|trial| trial.plan.browser.as_str());
    let kept = Kept::open(engines, options.strict)?;
    for trial in &selection.trials {
        (1..=options.repeat).try_for_each(|round| kept.forget(&trial.plan, round))?;
    }
    Ok(())
}

/// The run proper: front, trials, reruns, report. Its wall time is the report's.
async fn run_selected(
    options: &Options,
    selection: Selection,
    ground: Ground,
    out: &Path,
    lock: &File,
) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let pacing = options.pacing();
    let (hold, held) = mpsc::unbounded_channel();
    let (verdicts, finished) = mpsc::unbounded_channel();
    let settings = front::Settings {
        // One more than trials, so that none waits until a browser has forgotten the trial before. Of somebody else's, not
        // more than were asked for.
        sessions: pacing.most() + usize::from(options.webdriver.is_none()),
        pacing,
        window: if options.headed || options.keep_open { Window::Headed } else { Window::Headless },
        remote: options.webdriver.clone(),
        viewer: options.keep_open.then_some(hold),
        logs: out.join("drivers"),
        state: state_folder(),
    };
    let front = Front::open(settings, verdicts).await?;
    let stop = Stop::listen(front.killer())?;
    let _until_the_end = Hindered::begin(options.hindrance, &front);
    let engines = selection.trials.iter().map(|trial| trial.plan.browser.as_str());
    let kept = match options.resume {
        true => Some(Arc::new(Kept::open(engines, options.strict)?)),
        false => None,
    };
    let all = selection.trials.len() * usize::from(options.repeat);
    let form = match options.json {
        true => Form::Programs,
        false if options.is_quiet => Form::Nobody,
        false => Form::People,
    };
    // Each round of a repetition has a folder of its own.
    let pages = (options.repeat == 1).then(|| out.to_owned());
    let progress = Progress::start(all, form, pages, finished, kept.clone());
    viewer::start(held, out.to_owned(), progress.clone());

    let mut trials: Vec<TrialReport> = Vec::new();
    let mut rounds: Vec<RunPlan> = Vec::new();
    for round in 1..=options.repeat {
        let round_out =
            if options.repeat == 1 { out.to_owned() } else { out.join(format!("repeat/{round}")) };
        let plan = plan(options, &selection, &front, &ground, round_out);
        let keeper = Keeper { stop: &stop, front: &front, lock };
        rounds.push(plan.clone());
        let kept = kept.as_deref().map(|kept| (kept, round));
        let is_hindered = options.hindrance != Hindrance::None;
        let selection = &selection;
        let round = Round {
            plan,
            selection,
            pacing,
            keeper,
            progress: &progress,
            root: out,
            kept,
            is_hindered,
            is_needed: options.is_needed,
        };
        trials.extend(round.run().await?);
    }
    progress.finish();
    front.close().await;
    if form == Form::People {
        repeats::compare(&rounds);
    }

    let stream_ms = trials.iter().filter(|trial| counts(trial)).map(|trial| trial.stream_ms).sum();
    let wall_ms = begun.elapsed().as_millis() as u64;
    let report = Report {
        version: 1,
        made: vec![format!("{} on {}", machine::date(), Machine::here())],
        wall_ms,
        stream_ms,
        selected: select::selected(options),
        trials,
    };
    report::write(&report, out, options.beside)?;
    Ok(report)
}

/// The player that every scenario is first run with.
pub const OWN_PLAYER: &str = "reference";

/// Where runs note what they have running.
pub fn state_folder() -> PathBuf {
    paths::target().join("segproof-runs")
}

/// Stream time counts where something was verified, in this run.
fn counts(trial: &TrialReport) -> bool {
    !trial.kept && matches!(trial.verdict, Verdict::Pass | Verdict::Fail | Verdict::Known)
}

fn plan(options: &Options, selection: &Selection, front: &Front, ground: &Ground, out: PathBuf) -> RunPlan {
    RunPlan {
        webdriver: front.url.clone(),
        notify: Some(front.notify.clone()),
        pace: None,
        signals: front.signals.clone(),
        hold: front.hold.clone(),
        listen: ground.listen,
        out,
        fixtures: ground.fixtures.clone(),
        target: paths::target(),
        strict: options.strict,
        bless: options.bless,
        trials: selection.trials.iter().map(|trial| trial.plan.clone()).collect(),
    }
}

fn select(options: &Options) -> anyhow::Result<Selection> {
    let scenarios = options.scenarios.clone().unwrap_or_else(|| paths::root().join("scenarios"));
    let players = select::players(&options.players)?;
    let engines = engines(options)?;
    select::trials(options, &scenarios, &players, &engines)
}

/// What running trials in these engines takes.
pub fn needs(options: &Options, engines: &[&'static Engine]) -> Vec<Need> {
    let mut needs = vec![Need::Nextest, Need::WasmTarget, Need::Ffmpeg];
    if options.webdriver.is_none() {
        let here = engines.iter().filter(|engine| !engine.is_remote_only());
        needs.extend(here.map(|engine| Need::Engine(engine.name)));
    }
    needs
}

/// Takes the output folder for this run alone and empties it of an earlier run's results.
pub fn take_folder(out: &Path) -> anyhow::Result<File> {
    let lock = out.join(LOCK_FILE);
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let foreign = !lock.exists() && std::fs::read_dir(out)?.next().is_some();
    if foreign {
        bail!("{} holds files that no run has written: choose an empty folder", paths::short(out));
    }
    let file = File::options().create(true).truncate(false).write(true).open(&lock)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!(
                "another run is writing to {}: wait for it, or choose another folder with --out",
                paths::short(out)
            )
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(error).context(lock.display().to_string()),
    }
    for entry in std::fs::read_dir(out)? {
        let path = entry?.path();
        if path == lock {
            continue;
        }
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.with_context(|| path.display().to_string())?;
    }
    Ok(file)
}

/// The file that marks a folder as a run's, and whose lock makes it one run's.
const LOCK_FILE: &str = ".segproof-run";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_into_one_folder_refuse() {
        let folder = tempfile::tempdir().expect("folder");
        let out = folder.path().join("out");
        let lock = take_folder(&out).expect("first");
        std::fs::write(out.join("report.json"), "{}").expect("write");
        let error = take_folder(&out).expect_err("second");
        assert!(error.to_string().contains("another run"), "{error}");
        assert!(out.join("report.json").exists(), "the first run's file is left alone");
        drop(lock);
        take_folder(&out).expect("third");
        assert!(!out.join("report.json").exists());
    }

    #[test]
    fn a_folder_of_the_user_is_not_emptied() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("thesis.tex"), "").expect("write");
        assert!(take_folder(folder.path()).is_err());
        assert!(folder.path().join("thesis.tex").exists());
    }
}
