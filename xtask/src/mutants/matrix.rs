//! The kill matrix: which rule caught which mutant in which scenario, as a file for programs and a page for people.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use segproof_core::report::{Report, TrialReport};
use segproof_core::rules::RULES;
use segproof_harness::player::Mutant;
use serde::Serialize;

use crate::report;

/// The page's name beside the run's report.
pub const PAGE: &str = "matrix.html";

/// `mutants.json`. Keys may be added, none renamed.
#[derive(Debug, Serialize)]
pub struct Matrix {
    mutants: Vec<Row>,
    innocent: Vec<Innocent>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// The promise that it breaks.
    breaks: String,
    /// The rule that must catch it.
    rule: String,
    /// The rules that bind it and that it broke.
    caught_by: Vec<Catch>,
}

#[derive(Debug, Serialize)]
struct Catch {
    rule: String,
    scenario: String,
}

#[derive(Debug, Serialize)]
struct Innocent {
    name: String,
    /// How many trials came to a verdict.
    trials: usize,
    violations: usize,
}

impl Matrix {
    fn new(report: &Report, mutants: &[(String, Mutant)], innocents: &[String]) -> Matrix {
        let of =
            |name: &str| report.trials.iter().filter(move |trial| trial.player == name).collect::<Vec<_>>();
        let row = |(name, mutant): &(String, Mutant)| Row {
            name: name.clone(),
            breaks: mutant.breaks.clone(),
            rule: mutant.rule.clone(),
            caught_by: of(name).into_iter().flat_map(catches).collect(),
        };
        let innocent = |name: &String| Innocent {
            name: name.clone(),
            trials: of(name).len(),
            violations: of(name).iter().map(|trial| trial.violations.len()).sum(),
        };
        Matrix {
            mutants: mutants.iter().map(row).collect(),
            innocent: innocents.iter().map(innocent).collect(),
        }
    }
}

fn catches(trial: &TrialReport) -> Vec<Catch> {
    let rules: BTreeSet<&str> =
        trial.violations.iter().filter(|v| v.binding).map(|v| v.rule.as_str()).collect();
    let catch = |rule: &str| Catch { rule: rule.to_owned(), scenario: trial.scenario.clone() };
    rules.into_iter().map(catch).collect()
}

/// Writes both forms.
pub fn write(
    report: &Report,
    mutants: &[(String, Mutant)],
    innocents: &[String],
    out: &Path,
    json: &Path,
) -> anyhow::Result<()> {
    let matrix = Matrix::new(report, mutants, innocents);
    report::write_file(json, &serde_json::to_vec_pretty(&matrix)?).context("mutants.json")?;
    let rules: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    let page = report::page("matrix.html", &serde_json::json!({ "rules": rules, "matrix": matrix }))?;
    report::write_file(&out.join(PAGE), page.as_bytes()).context(PAGE)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use segproof_core::report::Verdict;

    use super::*;
    use crate::report::sample;

    #[test]
    fn what_binds_is_a_catch_and_what_does_not_is_none() {
        let mut trial = sample::trial("a/b", Verdict::Fail);
        trial.player = "swaps".into();
        trial.violations = vec![sample::violation(), sample::violation(), sample::violation()];
        trial.violations[2].rule = "hls/other".into();
        trial.violations[2].binding = false;
        let fair = sample::trial("a/b", Verdict::Pass);
        let report = sample::report(vec![trial, fair]);
        let mutant =
            Mutant { breaks: "order".into(), rule: "hls/in-order".into(), scenarios: vec!["a/b".into()] };
        let folder = tempfile::tempdir().expect("folder");
        let json = folder.path().join("mutants.json");
        let mutants = [("swaps".to_owned(), mutant)];
        write(&report, &mutants, &["reference".to_owned()], folder.path(), &json).expect("write");
        let read: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&json).expect("read")).expect("json");
        assert_eq!(
            read,
            serde_json::json!({
                "mutants": [{
                    "name": "swaps", "breaks": "order", "rule": "hls/in-order",
                    "caught_by": [{ "rule": "hls/in-order", "scenario": "a/b" }],
                }],
                "innocent": [{ "name": "reference", "trials": 1, "violations": 0 }],
            })
        );
        let page = std::fs::read_to_string(folder.path().join(PAGE)).expect("page");
        assert!(page.contains("swaps") && page.contains("session&#x2f;recovers"), "{page}");
    }
}
