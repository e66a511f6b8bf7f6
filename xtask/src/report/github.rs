//! The report where GitHub Actions shows it: failures as annotations, and the summary of the job.
//!
//! The runner reads annotations as lines on stdout ("workflow commands"), and Markdown from the file that
//! `GITHUB_STEP_SUMMARY` names.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::Context;
use segproof_core::report::{Report, TrialReport, Verdict};

use super::{Counts, by_player, name, word};

/// Tells the runner, if there is one.
pub fn tell(report: &Report) {
    say(&annotations(report), &format!("{}{}", table(report), details(report)));
}

/// Tells it what a comparison found: `worse` has the trials that fail the job, `fixed` a sentence for each that is no news to
/// fail for, and `summary` is Markdown for the top.
pub fn tell_compared(worse: &Report, fixed: &[String], summary: &str) {
    let notices =
        fixed.iter().take(ANNOTATIONS_MAX).map(|what| format!("::notice title=fixed::{}\n", data(what)));
    let annotations = annotations(worse) + notices.collect::<String>().as_str();
    say(&annotations, &format!("{summary}{}", details(worse)));
}

/// A summary that cannot be written is said, and changes no verdict.
fn say(annotations: &str, summary: &str) {
    if std::env::var("GITHUB_ACTIONS").as_deref() == Ok("true") {
        print!("{annotations}");
    }
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") {
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(summary.as_bytes()));
        if let Err(error) = written.with_context(|| path.display().to_string()) {
            eprintln!("the job's summary is not written: {error:#}");
        }
    }
}

fn annotations(report: &Report) -> String {
    let mut lines = String::new();
    for trial in wrong(report).take(ANNOTATIONS_MAX) {
        let level = if trial.verdict == Verdict::Inconclusive { "warning" } else { "error" };
        let file = format!("scenarios/{}/scenario.toml", trial.scenario);
        let title = format!("{} {}", word(trial.verdict), name(trial));
        let what = sentences(trial).join("\n");
        let _ =
            writeln!(lines, "::{level} file={},title={}::{}", property(&file), property(&title), data(&what));
    }
    lines
}

fn table(report: &Report) -> String {
    let counts = Counts::of(report);
    let mut text = format!(
        "### Conformance: {} passed, {} failed, {} skipped\n\n",
        counts.passed(),
        counts.failed(),
        counts.skipped
    );
    text += "| player and engine | pass | known | fail | unexpected pass | inconclusive | skipped |\n|---|--:|--:|--:|--:|--:|--:|\n";
    for (name, counts) in by_player(report) {
        let Counts { pass, fail, known, unexpected_pass, inconclusive, skipped } = counts;
        let _ = writeln!(
            text,
            "| {} | {pass} | {known} | {fail} | {unexpected_pass} | {inconclusive} | {skipped} |",
            escaped(&name)
        );
    }
    text.push('\n');
    text
}

fn details(report: &Report) -> String {
    let mut text = String::new();
    for trial in wrong(report).take(SUMMARY_MAX) {
        let title = format!("{}: {}", word(trial.verdict), name(trial));
        let _ = writeln!(text, "<details><summary>{}</summary>\n", escaped(&title));
        for sentence in sentences(trial) {
            let _ = writeln!(text, "- {}", escaped(&sentence));
        }
        let _ = writeln!(text, "\n```\n{}\n```\n</details>\n", trial.repro);
    }
    let left = wrong(report).count().saturating_sub(SUMMARY_MAX);
    if left > 0 {
        let _ = writeln!(text, "And {left} more: see report.html.");
    }
    text
}

/// Trials that are not as expected; violations come before missing evidence.
fn wrong(report: &Report) -> impl Iterator<Item = &TrialReport> {
    let of =
        |verdicts: &'static [Verdict]| report.trials.iter().filter(|trial| verdicts.contains(&trial.verdict));
    of(&[Verdict::Fail, Verdict::UnexpectedPass]).chain(of(&[Verdict::Inconclusive]))
}

/// Why it is not: each broken rule that weighs, and the reason.
fn sentences(trial: &TrialReport) -> Vec<String> {
    let broken = trial.violations.iter().filter(|violation| violation.binding && !violation.known);
    let broken = broken.map(|violation| format!("{}: {}", violation.rule, violation.what));
    broken.chain(trial.reason.clone()).collect()
}

/// The text of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of one.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Words in Markdown, where what looks like HTML would be read as such.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace('\n', " ")
}

/// GitHub shows ten annotations of a kind and step.
const ANNOTATIONS_MAX: usize = 10;
/// A summary may have a MiB.
const SUMMARY_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn report() -> Report {
        let mut failed = sample::trial("a/fails", Verdict::Fail);
        failed.violations = vec![sample::violation(), sample::violation()];
        failed.violations[1].binding = false;
        let mut inconclusive = sample::trial("a/unclear", Verdict::Inconclusive);
        inconclusive.reason = Some("100% busy,\nin vain".to_owned());
        let trials = vec![inconclusive, sample::trial("a/passes", Verdict::Pass), failed];
        sample::report(trials)
    }

    #[test]
    fn each_failure_is_annotated_at_its_scenario() {
        assert_eq!(
            annotations(&report()),
            "::error file=scenarios/a/fails/scenario.toml,title=fail reference@chromium/a/fails::hls/in-order: segment 7 \
             was appended after segment 8 <b>\n\
             ::warning file=scenarios/a/unclear/scenario.toml,title=inconclusive reference@chromium/a/unclear::100%25 \
             busy,%0Ain vain\n"
        );
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }

    #[test]
    fn the_summary_is_markdown() {
        insta::assert_snapshot!(format!("{}{}", table(&report()), details(&report())));
    }
}
