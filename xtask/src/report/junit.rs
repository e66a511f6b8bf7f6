//! The report as JUnit XML, and the reading of nextest's.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use segproof_core::report::{Report, TrialReport, Verdict};

/// Renders a report: a suite per player and browser, a case per scenario.
pub fn render(report: &Report) -> anyhow::Result<String> {
    let mut document = quick_junit::Report::new("conformance");
    document.set_time(Duration::from_millis(report.wall_ms));
    let mut suites: Vec<TestSuite> = Vec::new();
    for trial in &report.trials {
        let suite = format!("{}@{}", trial.player, trial.browser);
        let place = suites.iter().position(|known| known.name.as_str() == suite).unwrap_or_else(|| {
            suites.push(TestSuite::new(suite.as_str()));
            suites.len() - 1
        });
        suites[place].add_test_case(case(trial, &suite));
    }
    document.add_test_suites(suites);
    Ok(document.to_string()?)
}

fn case(trial: &TrialReport, suite: &str) -> TestCase {
    let mut status = match trial.verdict {
        Verdict::Pass | Verdict::Known => TestCaseStatus::success(),
        Verdict::Skipped => TestCaseStatus::skipped(),
        Verdict::Fail | Verdict::UnexpectedPass => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let broken = trial.violations.iter().filter(|violation| violation.binding && !violation.known);
    let mut sentences: Vec<String> =
        broken.map(|violation| format!("{}: {}", violation.rule, violation.what)).collect();
    sentences.extend(trial.reason.clone());
    if !matches!(trial.verdict, Verdict::Pass | Verdict::Known) {
        status.set_message(sentences.first().cloned().unwrap_or_default());
        sentences.push(trial.repro.clone());
        status.set_description(sentences.join("\n"));
    }
    let mut case = TestCase::new(trial.scenario.as_str(), status);
    case.set_classname(suite).set_time(Duration::from_millis(trial.wall_ms));
    case
}

/// One test of a JUnit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub failed: bool,
    pub skipped: bool,
    /// How its process ended, where that is worth a word.
    pub ended: Option<String>,
    /// What the test printed, where the file keeps it.
    pub output: String,
}

/// Reads the tests of a JUnit file.
pub fn read_cases(path: &Path) -> anyhow::Result<Vec<Case>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let document = quick_junit::Report::deserialize_from_str(&text)
        .with_context(|| format!("{} is no JUnit XML", path.display()))?;
    let cases = document.test_suites.iter().flat_map(|suite| &suite.test_cases);
    Ok(cases.map(read_case).collect())
}

fn read_case(case: &TestCase) -> Case {
    let outputs = [&case.system_out, &case.system_err];
    let output: Vec<&str> = outputs.into_iter().flatten().map(|text| text.as_str()).collect();
    let ended = match &case.status {
        TestCaseStatus::NonSuccess { ty, .. } => ty.as_ref().map(|ty| ty.as_str().to_owned()),
        _ => None,
    };
    Case {
        ended,
        name: case.name.as_str().to_owned(),
        failed: matches!(case.status, TestCaseStatus::NonSuccess { .. }),
        skipped: matches!(case.status, TestCaseStatus::Skipped { .. }),
        output: output.join("\n"),
    }
}
