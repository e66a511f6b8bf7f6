//! `cargo xtask conformance`: from a command line to a report.
//!
//! The trials themselves are processes of the harness, run by nextest; they know a plan and a WebDriver URL.
//! What they found is read from the verdict files they leave, never from how nextest or they ended.

mod collect;
pub mod compare;
mod elsewhere;
mod kept;
mod nextest;
mod progress;
mod repeats;
pub mod select;
mod speed;
mod viewer;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::Args;
use segproof_core::report::{Partition, Report, TrialReport, Verdict};
use segproof_harness::engine::{self, Engine, Window};
use segproof_harness::plan::{MadeFixture, RunPlan, TrialPlan};
use segproof_harness::serve::Listen;
use tokio::sync::mpsc;

use crate::doctor::{self, Consent, Need};
use crate::front::{self, Front, Pacing, Remote};
use crate::overload::{Hindered, Hindrance};
use crate::stop::Stop;
use crate::{fixtures, listen, paths, player, report};
use kept::Kept;
use nextest::Keeper;
use progress::Progress;
use select::Selection;
pub use speed::Speed;

/// The command's options.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Run only the trials whose name (player@browser/scenario) contains this or matches it as a glob
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// A player of harness/players by name, any folder with an index.html, or the URL of a page that is served elsewhere
    /// (in browsers with WebDriver BiDi)
    #[arg(long = "player", value_name = "NAME|DIR|URL", default_value = "reference")]
    pub players: Vec<String>,
    /// A browser engine by name, or `all`
    #[arg(long = "browser", value_name = "NAME", default_value = "chromium")]
    pub browsers: Vec<String>,
    /// Stream seconds per second, or `auto`: as fast as engine and machine can; a scenario may allow less
    #[arg(long, value_name = "N", default_value = "auto")]
    pub speed: Speed,
    /// Begin when so much of the newest segment's life has gone (0 up to 1), in place of what each scenario says
    #[arg(long, value_name = "X", value_parser = phase)]
    pub phase: Option<f64>,
    /// Trials at the same time [default: as many as the machine carries, measured as it goes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Run every trial so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub repeat: u16,
    /// Do not run again what an earlier run with this option has finished, unless scenario, player, browser or harness
    /// have changed since; a page that is served elsewhere may have, and is always run
    #[arg(long, conflicts_with = "webdriver")]
    pub resume: bool,
    /// The folder of the scenarios [default: scenarios]
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
    /// SHOULD-level violations fail a trial
    #[arg(long)]
    pub strict: bool,
    /// Write down how our own player plays each scenario that leaves nothing to the moment, as a snapshot beside it, in
    /// place of comparing with that
    #[arg(long)]
    pub bless: bool,
    /// Print the trials and what they are about, and run none
    #[arg(long)]
    pub list: bool,
    /// Where the report goes [default: target/conformance]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Run everything at speed 1, too, and say whether it is judged alike; the report goes to target/compare-speeds
    #[arg(long, conflicts_with_all = ["list", "bless", "keep_open", "repeat"])]
    pub compare_speeds: bool,
    /// Use this WebDriver (a Selenium Grid, for example) in place of drivers of our own
    #[arg(long, value_name = "URL")]
    pub webdriver: Option<Remote>,
    /// The address of this machine at which its browsers reach pages and streams, as does whoever else reaches it
    /// [default: this machine alone]
    #[arg(long, value_name = "ADDR", value_parser = listen::address, requires = "webdriver")]
    pub origin_host: Option<IpAddr>,
    /// Run only every N-th trial, from the K-th
    #[arg(long, value_name = "K/N", value_parser = select::partition)]
    pub partition: Option<Partition>,
    /// Show the browsers' windows
    #[arg(long)]
    pub headed: bool,
    /// Stop with the window open where a trial is no plain pass, until Enter; one trial at a time
    #[arg(long, conflicts_with = "jobs")]
    pub keep_open: bool,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    pub yes: bool,
    /// A page beside the report that it is to link to
    #[arg(skip)]
    pub beside: Option<&'static str>,
    /// What makes it hard for the run
    #[arg(skip)]
    pub hindrance: Hindrance,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            filters: Vec::new(),
            players: vec![OWN_PLAYER.to_owned()],
            browsers: vec![engine::ENGINES[0].name.to_owned()],
            speed: Speed::Auto,
            phase: None,
            jobs: None,
            repeat: 1,
            resume: false,
            scenarios: None,
            strict: false,
            bless: false,
            list: false,
            out: None,
            compare_speeds: false,
            webdriver: None,
            origin_host: None,
            partition: None,
            headed: false,
            keep_open: false,
            yes: false,
            beside: None,
            hindrance: Hindrance::None,
        }
    }
}

/// How many trials run at a time on this machine until it has shown what it carries.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A browser that plays takes a good part of a core.
const PER_CORE: usize = 2;
/// With so many, two cores are busy, and heartbeats still early enough; with four, what is run again costs more than is won.
const PER_CORE_MOST: usize = 3;

/// Runs the command and gives its exit code.
pub fn command(options: Options) -> anyhow::Result<ExitCode> {
    let out = options.out();
    if options.list {
        let selection = select(&options)?;
        for trial in &selection.trials {
            println!("{}  {}", trial.plan.name(), trial.summary);
        }
        selection.complain()?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.compare_speeds {
        return compare::command(&options);
    }
    let report = run(options)?;
    Ok(ExitCode::from(report::conclude(&report, &out)))
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
    let out = options.out();
    // Held until the report is written: the lock ends with the file.
    let lock = take_folder(&out)?;

    let target = paths::target();
    player::build(&paths::root(), &target)?;
    nextest::build(&out)?;
    let fixtures = fixtures::make(&selection.fixtures())?;

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
    player::build(&paths::root(), &paths::target())?;
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
    let progress = Progress::start(all, finished, kept.clone());
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
        let round =
            Round { plan, selection, pacing, keeper, progress: &progress, root: out, kept, is_hindered };
        trials.extend(round.run().await?);
    }
    progress.finish();
    front.close().await;
    repeats::compare(&rounds);

    let stream_ms = trials.iter().filter(|trial| counts(trial)).map(|trial| trial.stream_ms).sum();
    let wall_ms = begun.elapsed().as_millis() as u64;
    let report = Report { version: 1, wall_ms, stream_ms, selected: select::selected(options), trials };
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

/// One pass over the selected trials, with the rerun of those that were inconclusive.
struct Round<'a> {
    plan: RunPlan,
    selection: &'a Selection,
    pacing: Pacing,
    keeper: Keeper<'a>,
    progress: &'a Progress,
    /// The run's output folder, which the reports' paths are relative to.
    root: &'a Path,
    /// What has been finished before, and which round this is; `None` where all is to be run.
    kept: Option<(&'a Kept, u16)>,
    /// Whether something is done to make it hard.
    is_hindered: bool,
}

impl Round<'_> {
    async fn run(&self) -> anyhow::Result<Vec<TrialReport>> {
        self.progress.begin_pass();
        let skipped = |trial: &TrialPlan| self.selection.skip_reason(trial);
        let (skipped, bound): (Vec<_>, Vec<_>) =
            self.plan.trials.iter().cloned().partition(|trial| skipped(trial).is_some());
        let mut reports = Vec::new();
        for trial in &skipped {
            let reason = self.selection.skip_reason(trial).unwrap_or_default();
            let report = self.finish(trial, collect::skipped(trial, reason));
            collect::keep(&report, trial, &self.plan.out)?;
            self.progress.say(&report);
            reports.push(report);
        }
        let mut ahead = Vec::new();
        for trial in bound {
            let folder = trial.dir(&self.plan.out);
            let known =
                self.kept.map(|(kept, round)| kept.find(&trial, round, &folder)).transpose()?.flatten();
            let Some(known) = known else {
                ahead.push(trial);
                continue;
            };
            let report = TrialReport { kept: true, ..self.finish(&trial, known) };
            collect::keep(&report, &trial, &self.plan.out)?;
            self.progress.say(&report);
            reports.push(report);
        }
        let before = reports.len();
        if let Some((kept, round)) = self.kept {
            kept.begin(&self.plan, round, None);
        }
        reports.extend(self.pass("plan", &ahead, Some(&self.keeper.front.pace), self.pacing.most()).await?);
        self.rerun(&mut reports[before..]).await?;
        if let Some((kept, round)) = self.kept {
            kept.end();
            // An interrupted run leaves trials that were not run, or not again.
            let is_final =
                |report: &TrialReport| !self.keeper.stop.asked() || report.verdict != Verdict::Inconclusive;
            for (trial, report) in ahead.iter().zip(&reports[before..]).filter(|(_, report)| is_final(report))
            {
                kept.keep(trial, round, report, &trial.dir(&self.plan.out))?;
            }
        }
        let place = |report: &TrialReport| {
            self.plan.trials.iter().position(|trial| trial.name() == report::name(report))
        };
        reports.sort_by_key(place);
        Ok(reports)
    }

    /// Runs trials once, at most `jobs` at a time and as `pace` lets them begin, and reads what they left.
    async fn pass(
        &self,
        name: &str,
        trials: &[TrialPlan],
        pace: Option<&str>,
        jobs: usize,
    ) -> anyhow::Result<Vec<TrialReport>> {
        if trials.is_empty() {
            return Ok(Vec::new());
        }
        let pace = pace.map(str::to_owned);
        let plan = RunPlan { trials: trials.to_vec(), pace, ..self.plan.clone() };
        let outputs = nextest::run(name, &plan, jobs, &self.keeper).await?;
        // What is posted has been posted before its trial ended, hence before nextest did.
        let mut reports = Vec::new();
        for trial in trials {
            let found = collect::read(trial, &plan.out, &outputs, self.keeper.stop.asked());
            let report = self.finish(trial, found);
            collect::keep(&report, trial, &plan.out)?;
            collect::keep_output(trial, &plan.out, &outputs)?;
            self.progress.say(&report);
            reports.push(report);
        }
        Ok(reports)
    }

    /// Runs what was inconclusive once more, at speed 1 and one for each core. A failure is never run again.
    async fn rerun(&self, reports: &mut [TrialReport]) -> anyhow::Result<()> {
        let again: Vec<TrialPlan> = reports
            .iter()
            .filter(|report| collect::is_worth_another_run(report))
            .filter_map(|report| self.plan.trials.iter().find(|trial| trial.name() == report::name(report)))
            .map(|trial| TrialPlan { speed: 1.0, ..trial.clone() })
            .collect();
        if again.is_empty() || self.keeper.stop.asked() {
            return Ok(());
        }
        if self.is_hindered {
            // It would be again; what is asked is only whether anybody is accused.
            return Ok(());
        }
        self.progress.rerun(again.len());
        for trial in &again {
            collect::set_aside(&trial.dir(&self.plan.out))?;
        }
        if let Some((kept, round)) = self.kept {
            kept.begin(&self.plan, round, Some(reports));
        }
        for second in self.pass("plan-rerun", &again, None, cores()).await? {
            let name = report::name(&second);
            if let Some(slot) = reports.iter_mut().find(|report| report::name(report) == name) {
                *slot = collect::second(slot.clone(), second);
            }
        }
        for (report, trial) in reports.iter().filter_map(|report| {
            let trial = again.iter().find(|trial| trial.name() == report::name(report))?;
            Some((report, trial))
        }) {
            collect::keep(report, trial, &self.plan.out)?;
        }
        Ok(())
    }

    /// Adds what the runner knows better than the trial.
    fn finish(&self, trial: &TrialPlan, mut report: TrialReport) -> TrialReport {
        let dir = trial.dir(&self.plan.out);
        report.dir = dir.strip_prefix(self.root).unwrap_or(&dir).display().to_string();
        report.repro = format!("{} --speed {}", trial.repro, report.speed);
        // Our own player comes to whatever a right scenario is about.
        if report.player == OWN_PLAYER && report.is_beside_the_point() {
            report.own_fault = report.reason.clone();
        }
        if report.summary.is_empty() {
            report.summary = self.selection.summary(trial);
        }
        report
    }
}

impl Options {
    /// How many trials at a time, and whether that is for the machine to say.
    fn pacing(&self) -> Pacing {
        let count = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        match self.jobs {
            _ if self.keep_open => Pacing::ONE_AT_A_TIME,
            Some(jobs) => Pacing::Fixed(count(jobs.into())),
            None => Pacing::Measured {
                first: count(cores() * PER_CORE),
                most: count(cores() * PER_CORE_MOST),
                slows_down: self.speed == Speed::Auto,
            },
        }
    }

    /// Where pages and streams are served.
    fn listen(&self) -> anyhow::Result<Listen> {
        if let (Some(remote), None) = (&self.webdriver, self.origin_host) {
            ensure!(
                remote.is_here(),
                "browsers at {remote} can't reach 127.0.0.1, where pages and streams are served: name the address of this \
                 machine at which they reach it with --origin-host ADDR (docs/remote.md)"
            );
        }
        listen::at(self.origin_host, 0)
    }

    /// The output folder, absolute.
    pub fn out(&self) -> PathBuf {
        let folder = self.out.clone().unwrap_or_else(|| paths::target().join("conformance"));
        std::path::absolute(&folder).unwrap_or(folder)
    }
}

fn select(options: &Options) -> anyhow::Result<Selection> {
    let scenarios = options.scenarios.clone().unwrap_or_else(|| paths::root().join("scenarios"));
    let players = select::players(&options.players)?;
    let engines = engines(options)?;
    select::trials(options, &scenarios, &players, &engines)
}

/// The engines that the options name, each once.
pub fn engines(options: &Options) -> anyhow::Result<Vec<&'static Engine>> {
    let is_here = |engine: &&Engine| options.webdriver.is_some() || !engine.is_remote_only();
    let known: Vec<&str> = engine::ENGINES.iter().map(|engine| engine.name).collect();
    let mut engines: Vec<&'static Engine> = Vec::new();
    for name in &options.browsers {
        let found: Vec<&'static Engine> = match name.as_str() {
            "all" => engine::ENGINES.iter().filter(is_here).collect(),
            name => engine::engine(name).into_iter().collect(),
        };
        if found.is_empty() {
            bail!("there is no browser {name}; known are {} and all", known.join(", "));
        }
        engines.extend(found);
    }
    let mut seen = BTreeSet::new();
    engines.retain(|engine| seen.insert(engine.name));
    Ok(engines)
}

fn needs(options: &Options, engines: &[&'static Engine]) -> Vec<Need> {
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

pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(format!("`{text}` is not a number above 0")),
    }
}

fn phase(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..1.0).contains(number));
    number.ok_or_else(|| format!("`{text}` is no number from 0 up to, but not including, 1"))
}

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

    #[test]
    fn browsers_elsewhere_want_an_address_that_they_reach() {
        let listen = |url: &str, origin_host| {
            let webdriver = Some(url.parse().expect("a URL"));
            Options { webdriver, origin_host, ..Options::default() }.listen()
        };
        let own = std::net::Ipv4Addr::LOCALHOST.into();
        assert_eq!(listen("http://localhost:4444", None).expect("this machine"), Listen::default());
        let error = listen("http://grid:4444", None).expect_err("elsewhere").to_string();
        assert!(error.contains("--origin-host"), "{error}");
        // A name of this machine's that only its owner knows to be one.
        assert_eq!(listen("http://grid:4444", Some(own)).expect("said so").host, own);
    }

    #[test]
    fn engines_are_named_once() {
        let names = |names: &[&str], webdriver: Option<&str>| {
            let browsers = names.iter().map(|name| name.to_string()).collect();
            let webdriver = webdriver.map(|url| url.parse().expect("a URL"));
            engines(&Options { browsers, webdriver, ..Options::default() }).map(|engines| engines.len())
        };
        assert_eq!(names(&["chromium", "chromium"], None).expect("known"), 1);
        let grid = Some("http://127.0.0.1:4444");
        assert_eq!(names(&["all", "chromium"], grid).expect("known"), engine::ENGINES.len());
        let of_here = engine::ENGINES.iter().filter(|engine| !engine.is_remote_only()).count();
        assert_eq!(names(&["all", "chromium"], None).expect("known"), of_here);
        assert_eq!(names(&["all", "safari"], None).expect("known"), of_here + 1);
        assert!(names(&["netscape"], None).expect_err("unknown").to_string().contains("chromium"));
    }
}
