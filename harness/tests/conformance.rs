//! The trials of a run, one process each under nextest. Which ones there are is said by the plan; without one
//! there are none (`cargo xtask conformance` writes it).

use libtest_mimic::{Arguments, Failed, Trial};
use segproof_core::report::{TrialReport, Verdict};
use segproof_harness::plan::{RunPlan, TrialPlan};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    let trials = match RunPlan::from_env()? {
        Some(plan) => plan.trials.clone().into_iter().map(|trial| as_test(plan.clone(), trial)).collect(),
        None => Vec::new(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn as_test(plan: RunPlan, trial: TrialPlan) -> Trial {
    Trial::test(trial.name(), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let report = runtime.block_on(async {
            let report = segproof_harness::run::run_trial(&plan, &trial).await?;
            notify(&plan, &report).await;
            anyhow::Ok(report)
        });
        match report {
            Ok(report) => outcome(&report),
            Err(error) => Err(Failed::from(format!("{error:#}"))),
        }
    })
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
