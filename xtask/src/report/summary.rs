//! The report on the terminal, and the exit code.

use std::path::Path;

use console::style;
use segproof_core::fault::KINDS;
use segproof_core::report::{Report, TrialReport, Verdict};
use segproof_core::rules::RULES;
use serde::Serialize;

use super::{INTERRUPTED, name, word};
use crate::paths;

/// How many trials came to which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub pass: usize,
    pub fail: usize,
    pub known: usize,
    pub unexpected_pass: usize,
    pub inconclusive: usize,
    pub skipped: usize,
}

impl Counts {
    pub fn of(report: &Report) -> Counts {
        Counts::of_trials(&report.trials)
    }

    pub fn of_trials<'a>(trials: impl IntoIterator<Item = &'a TrialReport>) -> Counts {
        let mut counts = Counts::default();
        for trial in trials {
            *counts.slot(trial.verdict) += 1;
        }
        counts
    }

    fn slot(&mut self, verdict: Verdict) -> &mut usize {
        match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Fail => &mut self.fail,
            Verdict::Known => &mut self.known,
            Verdict::UnexpectedPass => &mut self.unexpected_pass,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::Skipped => &mut self.skipped,
        }
    }

    /// Trials that came out as expected.
    pub fn passed(&self) -> usize {
        self.pass + self.known
    }

    /// Trials that did not show what they should: an inconclusive one is never a pass.
    pub fn failed(&self) -> usize {
        self.fail + self.unexpected_pass + self.inconclusive
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { pass, fail, known, unexpected_pass, inconclusive, skipped } = self;
        write!(
            f,
            "{pass} pass, {fail} fail, {known} known, {unexpected_pass} unexpected-pass, \
             {inconclusive} inconclusive, {skipped} skipped"
        )
    }
}

/// The counts of each player in each engine, by `player@browser` in the report's order.
pub fn by_player(report: &Report) -> Vec<(String, Counts)> {
    let mut all: Vec<(String, Counts)> = Vec::new();
    for trial in &report.trials {
        let name = format!("{}@{}", trial.player, trial.browser);
        let place = all.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            all.push((name, Counts::default()));
            all.len() - 1
        });
        *all[place].1.slot(trial.verdict) += 1;
    }
    all
}

/// 2 for a fault of our own, else 1 for violations, else 3 for missing evidence, also where everything was skipped, else 0.
pub fn exit_code(report: &Report) -> u8 {
    let counts = Counts::of(report);
    match counts {
        _ if report.trials.iter().any(|trial| trial.own_fault.is_some()) => crate::OWN_FAULT,
        _ if counts.fail + counts.unexpected_pass > 0 => 1,
        _ if counts.inconclusive > 0 => 3,
        _ if counts.skipped > 0 && counts.skipped == report.trials.len() => 3,
        _ => 0,
    }
}

/// One line for a finished trial, then one for each broken rule that weighs.
pub fn trial_line(trial: &TrialReport) -> String {
    let verdict = word(trial.verdict);
    let verdict = match trial.verdict {
        Verdict::Pass => style(verdict).green(),
        Verdict::Known | Verdict::Skipped => style(verdict).dim(),
        Verdict::Inconclusive => style(verdict).yellow(),
        Verdict::Fail | Verdict::UnexpectedPass => style(verdict).red(),
    };
    let (stream, wall) = (trial.stream_ms as f64 / 1000.0, trial.wall_ms as f64 / 1000.0);
    let kept = if trial.kept { ", kept" } else { "" };
    let mut line = format!("{verdict} {} ({stream:.1} stream s in {wall:.1} s{kept})", name(trial));
    if let Some(reason) = &trial.reason {
        for sentence in reason.lines().take(REASON_LINES) {
            line.push_str(&format!("\n     {sentence}"));
        }
    }
    if matches!(trial.verdict, Verdict::Fail | Verdict::UnexpectedPass) {
        for violation in trial.violations.iter().filter(|violation| violation.binding && !violation.known) {
            let (rule, what, rests_on) = (&violation.rule, &violation.what, &violation.rests_on);
            line.push_str(&format!("\n     {rule}: {what} [{rests_on}]"));
        }
    }
    line
}

/// The same, and of a failure the trace around the first broken rule, and where its page will be.
pub fn told(trial: &TrialReport, out: Option<&Path>) -> String {
    let mut line = trial_line(trial);
    if trial.verdict != Verdict::Fail {
        return line;
    }
    let first = trial.violations.iter().find(|violation| violation.binding && !violation.known);
    for entry in first.into_iter().flat_map(|violation| &violation.around) {
        line.push_str(&format!("\n       {}", style(entry).dim()));
    }
    if let Some(out) = out {
        line.push_str(&format!("\n     {}", paths::short(&out.join(&trial.dir).join("index.html"))));
    }
    line
}

/// A finished trial for a program: its report on one line, without the trace around each violation.
pub fn json_line(trial: &TrialReport) -> String {
    let mut trial = trial.clone();
    trial.violations.iter_mut().for_each(|violation| violation.around.clear());
    // These types hold no map with odd keys: the conversion cannot fail.
    serde_json::to_string(&trial).expect("a report is plain data")
}

/// How much of a reason is shown; a browser's stack trace is for the trial's page.
const REASON_LINES: usize = 4;

/// Prints how many trials came to which verdict, apart for each player and engine if there are several.
pub fn print_counts(report: &Report) {
    println!();
    let each = by_player(report);
    if each.len() > 1 {
        let width = each.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        each.iter().for_each(|(name, counts)| println!("{name:width$}  {counts}"));
    }
    println!("{}", Counts::of(report));
}

/// Prints the counts, the rate, the report's path, and last the line that other programs read.
pub fn print(report: &Report, out: &Path) {
    let counts = Counts::of(report);
    let (stream, wall) = (report.stream_ms as f64 / 1000.0, report.wall_ms as f64 / 1000.0);
    print_counts(report);
    let cut = report.trials.iter().filter(|trial| trial.reason.as_deref() == Some(INTERRUPTED)).count();
    if cut > 0 {
        println!("interrupted: {cut} of the inconclusive trials did not come to an end");
    }
    let rate = if report.wall_ms == 0 { 0.0 } else { stream / wall };
    println!("{stream:.0} stream seconds verified in {wall:.1} s wall: {rate:.1} per second");
    let faults = KINDS.iter().filter(|kind| report.trials.iter().any(|t| t.coverage.faults.contains(**kind)));
    let rules = RULES.iter().filter(|rule| report.trials.iter().any(|t| t.coverage.rules.contains(rule.id)));
    println!(
        "covered: {} of {} kinds of fault, {} of {} rules",
        faults.count(),
        KINDS.len(),
        rules.count(),
        RULES.len()
    );
    println!("{}", paths::short(&out.join("report.html")));
    println!("{} passed, {} failed, {} skipped", counts.passed(), counts.failed(), counts.skipped);
}

/// Prints a report and ends with it.
pub fn conclude(report: &Report, out: &Path) -> u8 {
    print(report, out);
    end(report)
}

/// Says what a report of the whole suite should have covered and has not; gives the exit code.
pub fn end(report: &Report) -> u8 {
    let is_whole = report.selected.is_whole && report.selected.partition.is_none();
    // What an inconclusive trial would have covered is not known.
    let is_complete = is_whole && !report.trials.iter().any(|trial| trial.verdict == Verdict::Inconclusive);
    let uncovered = if is_complete { uncovered(report) } else { Vec::new() };
    for what in &uncovered {
        eprintln!("the suite does not cover {what}");
    }
    if uncovered.is_empty() { exit_code(report) } else { crate::OWN_FAULT }
}

/// Kinds of faults that met no request in the whole run, and rules that had nothing to judge.
fn uncovered(report: &Report) -> Vec<String> {
    let has_fault = |kind: &str| report.trials.iter().any(|trial| trial.coverage.faults.contains(kind));
    let has_rule = |id: &str| report.trials.iter().any(|trial| trial.coverage.rules.contains(id));
    let faults = KINDS.iter().filter(|kind| !has_fault(kind)).map(|kind| format!("the fault `{kind}`"));
    let missing = RULES.iter().filter(|rule| !has_rule(rule.id));
    let rules = missing.map(|rule| format!("the rule {}", rule.id));
    faults.chain(rules).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn report(verdicts: &[Verdict]) -> Report {
        let trials = verdicts.iter().map(|&verdict| sample::trial("a/b", verdict)).collect();
        sample::report(trials)
    }

    #[test]
    fn violations_come_before_missing_evidence() {
        use Verdict::*;
        assert_eq!(exit_code(&report(&[Pass, Known, Skipped])), 0);
        assert_eq!(exit_code(&report(&[Pass, Inconclusive])), 3);
        assert_eq!(exit_code(&report(&[Skipped, Skipped])), 3, "nothing was verified");
        assert_eq!(exit_code(&report(&[Inconclusive, Fail])), 1);
        assert_eq!(exit_code(&report(&[Inconclusive, UnexpectedPass])), 1);
        let mut ours = report(&[Fail, Inconclusive]);
        ours.trials[1].own_fault = Some("an illegal stream".into());
        assert_eq!(exit_code(&ours), 2);
        let counts = Counts::of(&report(&[Pass, Known, Inconclusive, Fail, UnexpectedPass, Skipped]));
        assert_eq!((counts.passed(), counts.failed(), counts.skipped), (2, 3, 1));
    }

    #[test]
    fn a_program_is_told_each_trial_on_a_line() {
        let mut trial = sample::trial("a/b", Verdict::Fail);
        trial.violations = vec![sample::violation()];
        trial.violations[0].around = segproof_core::trace::Trace::default().lines();
        let line = json_line(&trial);
        assert!(!line.contains('\n'));
        let back: TrialReport = serde_json::from_str(&line).expect("json");
        assert_eq!(
            (back.scenario, back.verdict, back.violations.len()),
            ("a/b".to_owned(), Verdict::Fail, 1)
        );
    }

    #[test]
    fn a_failure_is_told_with_the_trace_and_its_page() {
        let mut trial = sample::trial("a/b", Verdict::Fail);
        trial.violations = vec![sample::violation()];
        let request = r#"{"n":7,"at_ms":1234.0,"kind":"abort","buffer":0,"lane":"page"}"#;
        trial.violations[0].around =
            segproof_core::trace::Trace::from_jsonl(request).expect("a trace").lines();
        let text = told(&trial, Some(Path::new("out")));
        assert!(text.contains("1.234s  page      7  abort 0"), "{text}");
        assert!(text.ends_with("out/trials/reference@chromium/a/b/index.html"), "{text}");
        trial.verdict = Verdict::Known;
        assert!(!told(&trial, Some(Path::new("out"))).contains("abort"));
    }

    #[test]
    fn each_player_is_counted_in_each_engine() {
        use Verdict::*;
        let mut report = report(&[Pass, Known, Fail]);
        report.trials[1].browser = "firefox".into();
        let each = by_player(&report);
        let names: Vec<&str> = each.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["reference@chromium", "reference@firefox"]);
        assert_eq!((each[0].1.pass, each[0].1.fail, each[0].1.known), (1, 1, 0));
        assert_eq!((each[1].1.pass, each[1].1.fail, each[1].1.known), (0, 0, 1));
        assert_eq!(
            each[0].1.to_string(),
            "1 pass, 1 fail, 0 known, 0 unexpected-pass, 0 inconclusive, 0 skipped"
        );
    }

    #[test]
    fn what_never_came_about_is_told() {
        use Verdict::*;
        let mut report = report(&[Pass]);
        let all = KINDS.len() + RULES.len();
        assert_eq!(uncovered(&report).len(), all);
        report.trials[0].coverage.faults.insert("stale".into());
        report.trials[0].coverage.rules.insert("view/stall".into());
        assert_eq!(uncovered(&report).len(), all - 2);
    }

    #[test]
    fn a_failure_says_what_was_broken() {
        let mut trial = sample::trial("a/b", Verdict::Fail);
        trial.violations.push(sample::violation());
        let mut silent = sample::violation();
        silent.binding = false;
        silent.rule = "hls/other".into();
        trial.violations.push(silent);
        let line = trial_line(&trial);
        assert!(line.contains("hls/in-order: segment 7"), "{line}");
        assert!(!line.contains("hls/other"), "{line}");
    }
}
