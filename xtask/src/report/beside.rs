//! Two trials on one time axis: two players, two engines, before and after.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use segproof_core::report::TrialReport;
use segproof_harness::plan::VERDICT_FILE;
use serde_json::json;

use super::html::{self, Evidence};
use super::timeline::Axis;
use super::{name, word};
use crate::paths;

#[derive(Debug, Args)]
pub struct Options {
    /// A trial's folder, as in target/conformance/trials/PLAYER@ENGINE/SCENARIO
    first: PathBuf,
    /// The one to compare it with
    second: PathBuf,
    /// Where the page goes [default: target/compare.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let trials = [read(&options.first)?, read(&options.second)?];
    let out = options.out.clone().unwrap_or_else(|| paths::target().join("compare.html"));
    super::write_file(&out, page(&trials)?.as_bytes())?;
    println!("{}", paths::short(&out));
    Ok(ExitCode::SUCCESS)
}

fn read(folder: &Path) -> anyhow::Result<(TrialReport, Evidence)> {
    let verdict = folder.join(VERDICT_FILE);
    let text = std::fs::read(&verdict).with_context(|| {
        format!("{}: a trial's folder is wanted, and this has no verdict", paths::short(&verdict))
    })?;
    let report = serde_json::from_slice(&text).with_context(|| paths::short(&verdict))?;
    let evidence =
        Evidence::read(folder)?.with_context(|| format!("{} has no trace", paths::short(folder)))?;
    Ok((report, evidence))
}

fn page(trials: &[(TrialReport, Evidence); 2]) -> anyhow::Result<String> {
    let axes = trials.iter().map(|(_, evidence)| Axis::of(&evidence.trace));
    let axis = axes.reduce(Axis::common).context("there are two")?;
    let of = |(index, (trial, evidence)): (usize, &(TrialReport, Evidence))| {
        let trial = TrialReport { first: None, ..trial.clone() };
        let mut value = html::body(&trial, Some((evidence, &axis)), &[]);
        value["id"] = format!("trial-{index}-").into();
        value["up"] = "".into();
        value["verdict"] = word(trial.verdict).into();
        value["name"] = name(&trial).into();
        value
    };
    html::page("beside.html", &json!({ "trials": trials.iter().enumerate().map(of).collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use segproof_core::report::Verdict;
    use segproof_core::trace::Trace;

    use super::*;
    use crate::report::sample;

    #[test]
    fn both_are_drawn_on_the_longer_axis() {
        let of = |verdict, ended_at_ms| {
            let trace = Trace { ended_at_ms, ..Trace::default() };
            let mut trial = sample::trial("a/b", verdict);
            trial.violations = vec![sample::violation()];
            (trial, Evidence { trace, fired: Vec::new(), scenario: String::new() })
        };
        let page = page(&[of(Verdict::Fail, 4936.0), of(Verdict::Pass, 12_340.0)]).expect("page");
        // 1.234 s of 12.34 s, in both.
        assert_eq!(page.matches("x1=\"10.0%\" x2=\"10.0%\"").count(), 2, "{page}");
        assert!(page.contains("trial-0-violation-1") && page.contains("trial-1-violation-1"));
    }

    #[test]
    fn a_folder_that_is_none_of_a_trial_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let error = read(folder.path()).err().expect("no trial");
        assert!(format!("{error:#}").contains("no verdict"), "{error:#}");
    }
}
