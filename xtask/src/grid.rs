//! `cargo xtask grid`: trials through a real Selenium Grid, standalone and as hub with a node, must end as they do with
//! drivers of our own, in as many sessions at a time as were asked for, and leave none behind, however the run ends.

mod server;

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use segproof_core::report::{Report, TrialReport, Verdict};

use crate::check::{self, Check};
use crate::doctor::{self, Consent, Need};
use crate::{conformance, paths, report};
use server::{Grid, Layout};

#[derive(Debug, Args)]
pub struct Options {
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    pub yes: bool,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    Ok(check::conclude(&run(options)?))
}

/// Goes through all that has to be so, with each layout.
pub fn run(options: &Options) -> anyhow::Result<Vec<Check>> {
    let needs = [doctor::USUAL, &[Need::Java, Need::Npm, Need::Grid]].concat();
    doctor::provide(&needs, Consent::from_yes(options.yes))?;
    let own = conformance::run_whole(trials("own", TRIALS))?;
    let mut checks: Vec<Check> = own.trials.iter().map(is_judged).collect();
    checks.extend(through(&own, Layout::Standalone, JOBS + 1, None)?);
    // Fewer places than trials that want one, as in a Grid that others use, too: who waits is served in the end.
    checks.extend(through(&own, Layout::HubAndNode, JOBS - 1, ELSEWHERE)?);
    Ok(checks)
}

/// The same trials through a Grid of so many places.
fn through(
    own: &Report,
    layout: Layout,
    places: usize,
    origin_host: Option<IpAddr>,
) -> anyhow::Result<Vec<Check>> {
    let grid = Grid::start(layout, places)?;
    let name = layout.name();
    let of_grid = |trials: conformance::Options| conformance::Options {
        webdriver: Some(grid.url.clone()),
        origin_host,
        jobs: Some(JOBS as u16),
        ..trials
    };
    let options = of_grid(trials(name, TRIALS));
    let out = options.out();
    let (report, most) = watched(&grid, || conformance::run_whole(options))?;
    let mut checks: Vec<Check> = own.trials.iter().map(|own| is_alike(own, &report, name)).collect();
    let host = origin_host.unwrap_or(Ipv4Addr::LOCALHOST.into());
    checks.extend(report.trials.iter().map(|trial| is_served_at(host, trial, &out, name)));
    let sessions = JOBS.min(places);
    checks.push(Check {
        what: format!("{name}: {JOBS} jobs with {places} places are {sessions} sessions at a time"),
        wrong: (most != sessions).then(|| format!("there were {most}")),
    });
    checks.push(leaves_none(&grid, format!("{name}: a run leaves no session"))?);

    let asleep = conformance::run_whole(of_grid(trials(&format!("{name}-asleep"), &[ASLEEP])))?;
    checks.extend(asleep.trials.iter().map(|trial| {
        Check {
            what: format!("{name}: {} is skipped, and says why", report::name(trial)),
            wrong: (trial.verdict != Verdict::Skipped || !says(trial, "can't be put to sleep"))
                .then(|| report::trial_line(trial)),
        }
    }));
    let firefox = conformance::Options {
        browsers: vec!["firefox".to_owned()],
        ..of_grid(trials(&format!("{name}-firefox"), &["reference@firefox/segment/404-once"]))
    };
    checks.extend(conformance::run_whole(firefox)?.trials.iter().map(|trial| {
        Check {
            what: format!("{name}: a browser that the Grid has not is no verdict, in the Grid's words"),
            wrong: (trial.verdict != Verdict::Inconclusive
                || !says(trial, "No nodes support the capabilities"))
            .then(|| report::trial_line(trial)),
        }
    }));
    for signals in [&[Signal::SIGINT][..], &[Signal::SIGINT, Signal::SIGTERM]] {
        interrupt(&grid, signals)?;
        let times = signals.len();
        checks.push(leaves_none(
            &grid,
            format!("{name}: a run interrupted {times} time(s) leaves no session"),
        )?);
    }
    Ok(checks)
}

fn trials(out: &str, names: &[&str]) -> conformance::Options {
    conformance::Options {
        filters: names.iter().map(|name| (*name).to_owned()).collect(),
        players: PLAYERS.iter().map(|name| (*name).to_owned()).collect(),
        out: Some(folder(out)),
        ..conformance::Options::default()
    }
}

fn folder(name: &str) -> PathBuf {
    paths::target().join("grid").join(name)
}

fn is_judged(trial: &TrialReport) -> Check {
    Check {
        what: format!("{} comes to a verdict without a Grid", report::name(trial)),
        wrong: matches!(trial.verdict, Verdict::Inconclusive | Verdict::Skipped)
            .then(|| report::trial_line(trial)),
    }
}

fn is_alike(own: &TrialReport, through: &Report, layout: &str) -> Check {
    let name = report::name(own);
    let rules = |trial: &TrialReport| -> BTreeSet<String> {
        trial.violations.iter().filter(|v| v.binding).map(|v| v.rule.clone()).collect()
    };
    let wrong = match through.trials.iter().find(|trial| report::name(trial) == name) {
        None => Some("it was not run".to_owned()),
        Some(there) if there.verdict == own.verdict && rules(there) == rules(own) => None,
        Some(there) => Some(format!("{}; without: {}", report::trial_line(there), report::trial_line(own))),
    };
    Check { what: format!("{layout}: {name} ends as it does without a Grid"), wrong }
}

/// The page's own record names the hosts that it asked.
fn is_served_at(host: IpAddr, trial: &TrialReport, out: &std::path::Path, layout: &str) -> Check {
    let file = out.join(&trial.dir).join("trace.jsonl");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let is_there =
        text.contains(&format!("\"http://{host}:")) || text.contains(&format!("\"https://{host}:"));
    Check {
        what: format!("{layout}: {} is served on {host}", report::name(trial)),
        wrong: (!is_there).then(|| format!("{} names no such URL", paths::short(&file))),
    }
}

fn says(trial: &TrialReport, what: &str) -> bool {
    trial.reason.as_deref().is_some_and(|reason| reason.contains(what))
}

/// What `run` gives, and the most sessions that were open meanwhile.
fn watched<T>(grid: &Grid, run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, usize)> {
    let (over, is_over) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let watching = scope.spawn(move || {
            let mut most = 0;
            // Until the other end is gone.
            while is_over.recv_timeout(LOOK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                most = most.max(grid.runtime.block_on(grid.sessions())?);
            }
            anyhow::Ok(most)
        });
        let done = run();
        drop::<std::sync::mpsc::Sender<()>>(over);
        let most = watching.join().map_err(|_| anyhow::anyhow!("watching the Grid failed"))??;
        Ok((done?, most))
    })
}

/// The Grid notes the end of a session a moment after it has told it.
fn leaves_none(grid: &Grid, what: String) -> anyhow::Result<Check> {
    let left = grid.await_sessions(|open| open == 0, NOTED_DEADLINE)?;
    Ok(Check { what, wrong: (left > 0).then(|| format!("{left} left")) })
}

/// Starts a run, and sends it these signals when it has sessions.
fn interrupt(grid: &Grid, signals: &[Signal]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder("logs"))?;
    let log = File::create(folder("logs").join(format!("interrupted-{}.log", signals.len())))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["conformance", "segment/", "--speed", "1", "--jobs", &JOBS.to_string()]);
    command.args(["--webdriver", grid.url.base(), "--out"]).arg(folder("interrupted"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut run = Ended(command.spawn()?);
    let open = grid.await_sessions(|open| open > 1, START_DEADLINE)?;
    ensure!(open > 1, "the run to be interrupted has no sessions");
    for signal in signals {
        kill(Pid::from_raw(run.0.id() as i32), *signal).context("the run to be interrupted")?;
    }
    let deadline = Instant::now() + END_DEADLINE;
    while run.0.try_wait()?.is_none() {
        ensure!(Instant::now() < deadline, "an interrupted run did not end");
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// A process that does not outlive this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// One that keeps its promises and one that doesn't.
const PLAYERS: &[&str] = &["reference", "mutants/ignores-the-404"];

/// Short ones of each kind: what goes well, what is recovered from, what ends, over both protocols, and a failure.
const TRIALS: &[&str] = &[
    "reference@chromium/session/round-numbers",
    "reference@chromium/segment/404-once",
    "reference@chromium/segment/truncated",
    "reference@chromium/playlist/endlist",
    "reference@chromium/playlist/404-ends",
    "reference@chromium/http2/plays",
    "ignores-the-404@chromium/playlist/404-ends",
];

/// A machine that goes to sleep, which only our own do.
const ASLEEP: &str = "reference@chromium/client/sleep";

const JOBS: usize = 3;

/// Another address of this machine that nobody else reaches; Linux alone has all of 127.0.0.0/8.
const ELSEWHERE: Option<IpAddr> =
    if cfg!(target_os = "linux") { Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))) } else { None };

/// How often the Grid and a run that ends are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How long a Grid may take to note that a session has ended.
const NOTED_DEADLINE: Duration = Duration::from_secs(10);

/// How long a run may take to its first sessions; it looks whether all is built.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// How long an interrupted run may take to end.
const END_DEADLINE: Duration = Duration::from_secs(60);
