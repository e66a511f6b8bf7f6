//! The trials of a run, one process each under nextest. Which ones there are is said by the plan; without one
//! there are none (`cargo xtask conformance` writes it).

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use segproof_core::lanes::difference;
use segproof_core::report::{TrialReport, Verdict};
use segproof_harness::plan::{LANES_FILE, RunPlan, TrialPlan};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    let trials = match RunPlan::from_env()? {
        Some(plan) => {
            let plan = Arc::new(plan);
            plan.trials.iter().cloned().map(|trial| as_test(plan.clone(), trial)).collect()
        }
        None => Vec::new(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn as_test(plan: Arc<RunPlan>, trial: TrialPlan) -> Trial {
    Trial::test(trial.name(), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let report = runtime.block_on(async {
            let mut report = segproof_harness::run::run_trial(&plan, &trial).await?;
            if let Some(why) = differs(&plan, &trial, &report)? {
                // Faster than life, a machine that is late is late by more: there another run decides.
                let verdict = if report.speed == 1.0 { Verdict::Fail } else { Verdict::Inconclusive };
                report = TrialReport { verdict, reason: Some(why), ..report };
                segproof_harness::run::amend(&plan, &trial, &report)?;
            }
            notify(&plan, &report).await;
            anyhow::Ok(report)
        });
        match report {
            Ok(report) => outcome(&report),
            Err(error) => Err(Failed::from(format!("{error:#}"))),
        }
    })
}

/// Compares a pass with the snapshot beside its scenario, where there is one: what must come again.
fn differs(plan: &RunPlan, trial: &TrialPlan, report: &TrialReport) -> anyhow::Result<Option<String>> {
    let lanes_file = trial.dir(&plan.out).join(LANES_FILE);
    let (Some(name), Verdict::Pass, true) = (&trial.snapshot, report.verdict, lanes_file.is_file()) else {
        return Ok(None);
    };
    let folder = trial.scenario_file.parent().unwrap_or(Path::new(""));
    let kept = folder.join(format!("{name}.snap"));
    if !plan.bless && !kept.is_file() {
        return Ok(None);
    }
    let lanes = std::fs::read_to_string(lanes_file)?;
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let compared =
        settings.bind(|| std::panic::catch_unwind(|| insta::assert_snapshot!(name.as_str(), lanes)));
    if compared.is_ok() {
        return Ok(None);
    }
    let wanted = std::fs::read_to_string(&kept)?;
    // Behind the two lines of dashes and what is between them.
    let wanted = wanted.splitn(3, "---\n").nth(2).unwrap_or_default();
    let first = difference(wanted, &lanes).unwrap_or_default();
    Ok(Some(format!("it was played otherwise than {} says; first in {first}", kept.display())))
}

/// The verdict file is what counts; this only moves the progress bar.
async fn notify(plan: &RunPlan, report: &TrialReport) {
    if let Some(url) = &plan.notify
        && let Err(error) = reqwest::Client::new().post(url).json(report).send().await
    {
        eprintln!("the runner could not be told: {error}");
    }
}

fn outcome(report: &TrialReport) -> Result<(), Failed> {
    match report.verdict {
        Verdict::Pass | Verdict::Known | Verdict::Skipped => Ok(()),
        verdict => {
            let what: Vec<_> = report.violations.iter().map(|v| format!("{}: {}", v.rule, v.what)).collect();
            Err(format!("{verdict:?} {} {}", report.reason.as_deref().unwrap_or(""), what.join("\n")).into())
        }
    }
}
