//! `cargo xtask bench suite`: how many stream seconds the suite verifies in a second, and what a trial costs; against the
//! same scenarios at speed 1, one at a time. Both are run in turns, a few times, and the median counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail, ensure};
use clap::Args;
use segproof_core::report::{Report, TrialReport, Verdict};
use serde::Serialize;

use super::tree::{self, Cost};
use crate::conformance::{self, OWN_PLAYER, Speed, select};
use crate::machine::{self, Machine};
use crate::stop::Signals;
use crate::{doctor, paths, report};

#[derive(Debug, Args)]
pub struct Options {
    /// A browser engine by name, or `all`
    #[arg(long = "browser", value_name = "NAME", default_value = "chromium")]
    browsers: Vec<String>,
    /// A scenario by name, in place of the sample
    #[arg(long = "scenario", value_name = "NAME", default_values_t = SAMPLE.map(str::to_owned))]
    scenarios: Vec<String>,
    /// The suite's speed, or `auto`
    #[arg(long, value_name = "N", default_value = "auto")]
    speed: Speed,
    /// The suite's trials at the same time [default: as many as the machine carries]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// How often both sides are run, in turns
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// Some of each kind: what goes well, is late, is cut off, is missing, ends, and changes in mid-stream.
const SAMPLE: [&str; 8] = [
    "ads/break-from-another-host",
    "init/delayed",
    "playlist/404-ends",
    "playlist/endlist",
    "segment/404-once",
    "segment/gap",
    "segment/truncated",
    "session/round-numbers",
];

/// The suite runs each scenario so often: it is long enough then for its start and its end, where not all places are
/// taken, to weigh as little as in a whole run.
const COPIES: usize = 6;

/// One run's figures by name.
type Figures = BTreeMap<&'static str, f64>;

/// `suite.json`. Keys may be added, none renamed.
#[derive(Debug, Serialize)]
struct Bench {
    date: String,
    machine: Machine,
    speed: String,
    /// `None`: as many as the machine carries.
    jobs: Option<u16>,
    scenarios: Vec<String>,
    copies: usize,
    engines: Vec<OfEngine>,
}

#[derive(Debug, Serialize)]
struct OfEngine {
    engine: String,
    version: String,
    /// As the suite is run.
    suite: Side,
    /// Each scenario once, at speed 1, one at a time.
    alone: Side,
    /// The median of the suite's figure over the median of the other.
    ratio: Figures,
}

#[derive(Debug, Default, Serialize)]
struct Side {
    rounds: Vec<Figures>,
    median: Figures,
    /// How many trials came to which verdict, over all rounds.
    verdicts: BTreeMap<&'static str, usize>,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let asked = conformance::Options {
        browsers: options.browsers.clone(),
        yes: options.yes,
        ..conformance::Options::default()
    };
    let engines = conformance::engines(&asked)?;
    // What is missing is said, or installed, before anything is measured.
    let browsers: Vec<String> = engines.iter().map(|engine| engine.name.to_owned()).collect();
    conformance::prepare(&asked)?;
    let out = paths::target().join("bench");
    let scenarios = out.join("scenarios");
    copy_scenarios(&options.scenarios, &scenarios)?;
    let interrupted = listen()?;
    let mut bench = Bench {
        date: machine::date(),
        machine: Machine::here(),
        speed: options.speed.to_string(),
        jobs: options.jobs,
        scenarios: options.scenarios.clone(),
        copies: COPIES,
        engines: Vec::new(),
    };
    println!("{}", bench.machine);
    for browser in browsers {
        let (mut suite, mut alone) = (Side::default(), Side::default());
        for round in 1..=options.rounds {
            let measure = |name: &str, arguments: &[String]| {
                let folder = out.join(&browser).join(format!("{name}-{round}"));
                let run = Run { browser: &browser, scenarios: &scenarios, folder: &folder, arguments };
                run.measure(&interrupted)
            };
            let mut arguments = vec!["--speed".to_owned(), options.speed.to_string()];
            arguments.extend(options.jobs.iter().flat_map(|jobs| ["--jobs".to_owned(), jobs.to_string()]));
            suite.add(measure("suite", &arguments)?);
            let first = format!("@{browser}/{}/", copy(1));
            alone.add(measure("alone", &["--speed", "1", "--jobs", "1", &first].map(str::to_owned))?);
            println!(
                "{browser}, round {round} of {}: {:.1} stream s per s, {:.2} alone at speed 1",
                options.rounds,
                suite.rounds[suite.rounds.len() - 1][RATE],
                alone.rounds[alone.rounds.len() - 1][RATE],
            );
        }
        suite.median = median(&suite.rounds);
        alone.median = median(&alone.rounds);
        let ratio = suite.median.iter().filter_map(|(name, suite)| {
            let alone = alone.median.get(name).filter(|alone| **alone > 0.0)?;
            Some((*name, suite / alone))
        });
        let ratio = ratio.collect();
        let version = doctor::version(&browser).unwrap_or_default();
        bench.engines.push(OfEngine { engine: browser, version, suite, alone, ratio });
        // What has been measured is kept, whatever becomes of the next engine.
        let json = serde_json::to_vec_pretty(&bench)?;
        report::write_file(&out.join(FILE), &json).context(FILE)?;
    }
    bench.engines.iter().for_each(OfEngine::print);
    println!("{}", paths::short(&out.join(FILE)));
    Ok(ExitCode::SUCCESS)
}

/// Each scenario as often as the suite runs it, below `to`.
fn copy_scenarios(names: &[String], to: &Path) -> anyhow::Result<()> {
    let all = select::find_scenarios(&paths::root().join("scenarios"))?;
    match std::fs::remove_dir_all(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    for name in names {
        let file = all.get(name).with_context(|| {
            format!("there is no scenario {name}; `cargo xtask conformance --list` shows all")
        })?;
        let speed = select::read_scenario(file).map_err(anyhow::Error::msg)?.max_speed;
        ensure!(speed.is_none(), "{name} may not be run at every speed: the two sides would be the same");
        let folder = file.parent().unwrap_or(Path::new(""));
        for nth in 1..=COPIES {
            let copy = to.join(copy(nth)).join(name);
            std::fs::create_dir_all(&copy)?;
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                // What our player did must come again in the suite; here it is only timed.
                if entry.path().is_file() && entry.path().extension().is_none_or(|ending| ending != "snap") {
                    std::fs::copy(entry.path(), copy.join(entry.file_name()))?;
                }
            }
        }
    }
    Ok(())
}

/// The folder of the n-th copy.
fn copy(nth: usize) -> String {
    format!("copy-{nth}")
}

/// One run of the conformance suite, in a process of its own: then its cost is the cost of that.
struct Run<'a> {
    browser: &'a str,
    scenarios: &'a Path,
    folder: &'a PathBuf,
    arguments: &'a [String],
}

impl Run<'_> {
    fn measure(&self, interrupted: &Arc<AtomicBool>) -> anyhow::Result<(Figures, Report)> {
        std::fs::create_dir_all(self.folder.parent().unwrap_or(self.folder))?;
        let log = self.folder.with_extension("log");
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let plan = self.folder.join("plan.json");
        // Of an earlier run: this one's says that building is over and the trials begin.
        match std::fs::remove_file(&plan) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["conformance", "--player", OWN_PLAYER, "--browser", self.browser]);
        command.arg("--scenarios").arg(self.scenarios).arg("--out").arg(self.folder).args(self.arguments);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let ended = tree::run(&mut command, Some(&plan), interrupted)?;
        ensure!(!interrupted.load(Ordering::SeqCst), "interrupted");
        if !matches!(ended.code, Some(0 | 1 | 3)) {
            bail!("the run failed: see {}", paths::short(&log));
        }
        let report: Report = serde_json::from_slice(&std::fs::read(self.folder.join("report.json"))?)?;
        Ok((figures(&report, ended.cost), report))
    }
}

fn figures(report: &Report, cost: Cost) -> Figures {
    let runs: Vec<&TrialReport> = report
        .trials
        .iter()
        .flat_map(TrialReport::runs)
        .filter(|trial| trial.verdict != Verdict::Skipped)
        .collect();
    let count = runs.len().max(1) as f64;
    let sum = |of: fn(&TrialReport) -> u64| runs.iter().map(|trial| of(trial)).sum::<u64>() as f64;
    let (start, run, judge) = (sum(|t| t.start_ms), sum(|t| t.run_ms), sum(|t| t.judge_ms));
    let all = sum(|t| t.wall_ms);
    let (stream_s, wall_s) = (report.stream_ms as f64 / 1000.0, report.wall_ms as f64 / 1000.0);
    Figures::from([
        (RATE, stream_s / wall_s.max(0.001)),
        ("stream_s", stream_s),
        ("wall_s", wall_s),
        ("start_ms", start / count),
        ("run_ms", run / count),
        ("judge_ms", judge / count),
        // Listeners, the page's files, and the browser that is given back.
        ("other_ms", (all - start - run - judge) / count),
        ("start_share", start / all.max(1.0)),
        ("cpu_s_per_stream_s", cost.cpu.as_secs_f64() / stream_s.max(0.001)),
        ("memory_peak_mb", cost.memory_peak_bytes as f64 / 1e6),
    ])
}

const RATE: &str = "stream_s_per_s";

/// The figures in the order of the table, and what they are.
const TABLE: &[(&str, &str)] = &[
    (RATE, "stream seconds verified per second"),
    ("stream_s", "stream seconds verified"),
    ("wall_s", "seconds"),
    ("start_ms", "ms of a trial until there is a browser"),
    ("run_ms", "ms of a trial while the page is watched"),
    ("judge_ms", "ms of a trial for the judge"),
    ("other_ms", "ms of a trial for the rest"),
    ("start_share", "share of the start in a trial"),
    ("cpu_s_per_stream_s", "processor seconds per stream second"),
    ("memory_peak_mb", "MB of memory at most, all processes"),
];

fn median(rounds: &[Figures]) -> Figures {
    let middle = |name: &&'static str| {
        let all = rounds.iter().filter_map(|round| round.get(name).copied()).collect();
        Some((*name, super::median(all)?))
    };
    TABLE.iter().filter_map(|(name, _)| middle(name)).collect()
}

impl Side {
    fn add(&mut self, (figures, report): (Figures, Report)) {
        self.rounds.push(figures);
        for trial in &report.trials {
            *self.verdicts.entry(report::word(trial.verdict)).or_default() += 1;
        }
    }

    fn verdicts(&self) -> String {
        self.verdicts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    }
}

impl OfEngine {
    fn print(&self) {
        println!("\n{} ({}), medians of {} rounds", self.engine, self.version, self.suite.rounds.len());
        println!("{:44}{:>12}{:>18}{:>9}", "", "suite", "alone, speed 1", "ratio");
        for (name, says) in TABLE {
            let value = |figures: &Figures| figures.get(name).map_or("-".to_owned(), |value| short(*value));
            let (suite, alone) = (value(&self.suite.median), value(&self.alone.median));
            println!("{says:44}{suite:>12}{alone:>18}{:>9}", value(&self.ratio));
        }
        println!("suite: {}; alone: {}", self.suite.verdicts(), self.alone.verdicts());
    }
}

/// Three digits, or the whole number.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Becomes true at Ctrl-C.
fn listen() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let listening = || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut signals = Signals::listen()?;
                let _waited_for = ready.send(());
                signals.next().await;
                eprintln!("interrupted: ending the trials");
                flag.store(true, Ordering::SeqCst);
                // Whoever asks twice means it.
                signals.next().await;
                std::process::exit(130)
            })
        };
        // Without it Ctrl-C ends this process as it would any other.
        let _deaf = listening();
    });
    is_ready.recv().context("signals cannot be listened to")?;
    Ok(interrupted)
}

const FILE: &str = "suite.json";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::sample;

    #[test]
    fn a_trials_wall_time_is_split_and_a_rerun_counts() {
        let mut again = sample::trial("a/b", Verdict::Pass);
        let first = sample::trial("a/b", Verdict::Inconclusive);
        again.first = Some(Box::new(TrialReport { start_ms: 1500, wall_ms: 3000, ..first }));
        let trials = vec![again, sample::trial("a/c", Verdict::Skipped)];
        let report = Report {
            version: 1,
            made: Vec::new(),
            wall_ms: 2000,
            stream_ms: 8000,
            selected: Default::default(),
            trials,
        };
        let cost = Cost { cpu: Duration::from_secs(4), memory_peak_bytes: 5_000_000 };
        let figures = figures(&report, cost);
        let of = |name: &str| figures[name];
        assert_eq!((of(RATE), of("cpu_s_per_stream_s"), of("memory_peak_mb")), (4.0, 0.5, 5.0));
        assert_eq!(
            (of("start_ms"), of("run_ms"), of("judge_ms"), of("other_ms")),
            (1000.0, 1300.0, 150.0, 50.0)
        );
        assert_eq!(of("start_share"), 0.4);
        let told: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
        assert!(figures.keys().all(|name| told.contains(name)), "each figure is in the table");
        assert_eq!(figures.len(), told.len());
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let round = |rate: f64| Figures::from([(RATE, rate)]);
        assert_eq!(median(&[round(9.0), round(1.0), round(2.0)])[RATE], 2.0);
        assert_eq!(median(&[round(9.0), round(1.0)])[RATE], 5.0);
    }

    #[test]
    fn the_sample_may_be_run_at_any_speed() {
        let folder = tempfile::tempdir().expect("folder");
        let sample = SAMPLE.map(str::to_owned);
        copy_scenarios(&sample, folder.path()).expect("copies");
        let found = select::find_scenarios(folder.path()).expect("scenarios");
        assert_eq!(found.len(), SAMPLE.len() * COPIES);
        let error = copy_scenarios(&["no/such".to_owned()], folder.path()).expect_err("unknown");
        assert!(error.to_string().contains("no/such"), "{error}");
    }
}
