//! `cargo xtask overload`: on a machine that can't keep up, no player may be accused.
//!
//! Our own player, which passes, is run while every core is busy, and with a browser that is stopped for two seconds in
//! mid-trial. Each verdict must be a pass or inconclusive; never a failure.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use segproof_core::report::{TrialReport, Verdict};

use crate::check::{self, Check};
use crate::front::{Front, Stopper};
use crate::{conformance, machine, mutants, paths, report};

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Run only the trials whose name contains this or matches it as a glob [default: every scenario]
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// What makes it hard for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hindrance {
    #[default]
    None,
    /// Two threads for each core do nothing but count.
    Busy,
    /// Each browser's processes are stopped for two seconds in mid-trial.
    Stopped,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let checks = run(&options.filters, options.yes)?;
    Ok(check::conclude(&checks))
}

/// Runs the scenarios under each hindrance.
pub fn run(filters: &[String], yes: bool) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (hindrance, name) in [(Hindrance::Busy, "busy"), (Hindrance::Stopped, "stopped")] {
        let report = conformance::run_whole(conformance::Options {
            filters: filters.to_vec(),
            out: Some(paths::target().join("overload").join(name)),
            hindrance,
            yes,
            ..conformance::Options::default()
        })?;
        checks.extend(
            report
                .trials
                .iter()
                .filter(|t| t.verdict != Verdict::Skipped)
                .map(|trial| is_not_accused(trial, name)),
        );
        checks.push(is_seen(&report.trials, hindrance, name));
    }
    Ok(checks)
}

fn is_not_accused(trial: &TrialReport, name: &str) -> Check {
    let accuses = |trial: &&TrialReport| matches!(trial.verdict, Verdict::Fail | Verdict::UnexpectedPass);
    Check {
        what: format!("{name}: {} is not accused", report::name(trial)),
        wrong: trial.runs().find(accuses).map(mutants::word),
    }
}

/// A stop of two seconds must be noticed, or nothing was proven.
fn is_seen(trials: &[TrialReport], hindrance: Hindrance, name: &str) -> Check {
    let doubted = trials
        .iter()
        .flat_map(TrialReport::runs)
        .filter(|trial| trial.verdict == Verdict::Inconclusive)
        .count();
    let is_needed = hindrance == Hindrance::Stopped;
    Check {
        what: format!("{name}: {doubted} runs of {} trials were inconclusive", trials.len()),
        wrong: (is_needed && doubted == 0).then(|| "the hindrance was not noticed".to_owned()),
    }
}

/// What goes on beside a run, until dropped.
pub struct Hindered {
    is_over: Arc<AtomicBool>,
    stopping: Option<tokio::task::JoinHandle<()>>,
}

impl Hindered {
    /// Begins to hinder a run whose browsers are behind `front`.
    pub fn begin(hindrance: Hindrance, front: &Front) -> Hindered {
        let is_over = Arc::new(AtomicBool::new(false));
        if hindrance == Hindrance::Busy {
            let cores = machine::cores();
            for _ in 0..THREADS_PER_CORE * cores {
                let is_over = Arc::clone(&is_over);
                std::thread::spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
        }
        let stopping = (hindrance == Hindrance::Stopped).then(|| tokio::spawn(stop_each(front.stopper())));
        Hindered { is_over, stopping }
    }
}

impl Drop for Hindered {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(stopping) = &self.stopping {
            stopping.abort();
        }
    }
}

/// Stops the browser of each session once, when its page has played for a while.
async fn stop_each(mut stopper: Stopper) {
    while let Some(session) = stopper.next_on_page().await {
        let stopper = stopper.clone();
        tokio::spawn(async move {
            tokio::time::sleep(STOP_AFTER).await;
            stopper.stop_for(&session, STOP).await;
        });
    }
}

const THREADS_PER_CORE: usize = 2;
/// From the page's load on: it has its first frames then, and a short trial is not over yet.
const STOP_AFTER: Duration = Duration::from_millis(1000);
const STOP: Duration = Duration::from_secs(2);
