//! What the trials left: one verdict file each. A missing one is missing evidence, never a pass.

use std::path::Path;

use anyhow::Context;
use segproof_core::judge;
use segproof_core::report::{TrialReport, Verdict, ViolationReport};
use segproof_harness::plan::{TrialPlan, VERDICT_FILE};

use super::nextest::{Outputs, last_lines};
use crate::report::{self, Case};

/// Reads a trial's report, or makes one that says what is missing.
pub fn read(trial: &TrialPlan, out: &Path, outputs: &Outputs, interrupted: bool) -> TrialReport {
    let quoted = outputs.get(&trial.name()).map(quoted).unwrap_or_default();
    let path = trial.dir(out).join(VERDICT_FILE);
    let reason = match std::fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(report) => return report,
            Err(error) => format!("the verdict cannot be read: {error}{quoted}"),
        },
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            format!("the verdict cannot be read: {error}{quoted}")
        }
        Err(_) if interrupted => report::INTERRUPTED.to_owned(),
        Err(_) => format!("no verdict: the trial process ended without one{quoted}"),
    };
    without_evidence(trial, Verdict::Inconclusive, reason)
}

/// How a process ended and what it said last: its panic, if it had one, since a backtrace would hide it.
fn quoted(case: &Case) -> String {
    let lines: Vec<&str> = case.output.lines().collect();
    let said = match lines.iter().rposition(|line| line.contains("panicked at ")) {
        Some(panic) => last_lines(&lines[panic..lines.len().min(panic + 2)].join("\n"), 2),
        None => last_lines(&case.output, QUOTED_LINES),
    };
    let ended = case.ended.as_ref().map(|ended| format!(" ({ended})")).unwrap_or_default();
    if said.is_empty() { ended } else { format!("{ended}; it said: {}", said.replace('\n', " | ")) }
}

/// The report of a trial that does not apply.
pub fn skipped(trial: &TrialPlan, reason: String) -> TrialReport {
    without_evidence(trial, Verdict::Skipped, reason)
}

fn without_evidence(trial: &TrialPlan, verdict: Verdict, reason: String) -> TrialReport {
    TrialReport {
        player: trial.player.clone(),
        browser: trial.browser.clone(),
        browser_version: String::new(),
        scenario: trial.scenario.clone(),
        verdict,
        violations: Vec::new(),
        reason: Some(reason),
        stream_ms: 0,
        wall_ms: 0,
        start_ms: 0,
        run_ms: 0,
        judge_ms: 0,
        speed: trial.speed,
        late_ms: 0,
        kept: false,
        picture: None,
        sound: None,
        dir: String::new(),
        repro: String::new(),
        summary: String::new(),
        coverage: Default::default(),
        own_fault: None,
        first: None,
    }
}

/// Writes a report into its trial's folder, as the run tells it.
pub fn keep(report: &TrialReport, trial: &TrialPlan, out: &Path) -> anyhow::Result<()> {
    let folder = trial.dir(out);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    report::write_file(&folder.join(VERDICT_FILE), &serde_json::to_vec_pretty(report)?)?;
    Ok(())
}

/// Keeps what a trial's process printed beside its report.
pub fn keep_output(trial: &TrialPlan, out: &Path, outputs: &Outputs) -> anyhow::Result<()> {
    match outputs.get(&trial.name()) {
        Some(case) if !case.output.is_empty() => {
            report::write_file(&trial.dir(out).join("output.txt"), case.output.as_bytes())
                .context("output.txt")
        }
        _ => Ok(()),
    }
}

/// Moves what a trial left into a folder `first` of its own folder, so that the rerun finds that empty.
pub fn set_aside(folder: &Path) -> anyhow::Result<()> {
    let aside = tempfile::Builder::new().tempdir_in(folder.parent().unwrap_or(folder))?.keep();
    // A rename onto an empty folder replaces it.
    std::fs::rename(folder, &aside).with_context(|| folder.display().to_string())?;
    std::fs::create_dir(folder)?;
    std::fs::rename(&aside, folder.join("first")).with_context(|| folder.display().to_string())?;
    Ok(())
}

/// The report of a trial that was run again, with the one before in it.
pub fn second(mut first: TrialReport, second: TrialReport) -> TrialReport {
    first.move_folders(&|dir| format!("{dir}/first"));
    with_proven(TrialReport { first: Some(Box::new(first)), ..second })
}

/// Adds what requests and appends had proven in earlier runs: it is so, even if it does not happen each time.
pub fn with_proven(mut report: TrialReport) -> TrialReport {
    let is_proven = |v: &&ViolationReport| v.binding && !judge::is_of_time(v);
    let good = report.runs().skip(1).filter(|earlier| judge::is_left_to_speed_1(earlier));
    let proven = good.flat_map(|earlier| earlier.violations.iter()).filter(is_proven);
    let is_new = |v: &&ViolationReport| report.violations.iter().all(|known| known.rule != v.rule);
    let proven: Vec<ViolationReport> = proven.filter(is_new).cloned().collect();
    let is_mild = matches!(report.verdict, Verdict::Pass | Verdict::Known | Verdict::UnexpectedPass);
    if is_mild && proven.iter().any(|violation| !violation.known) {
        (report.verdict, report.reason) = (Verdict::Fail, None);
    }
    report.violations.extend(proven);
    report
}

/// Whether another run may find the evidence that this one lacks. Where a fault met no request, a foreign player may be
/// led elsewhere by a higher speed: frames are dropped, and it chooses another variant.
pub fn is_worth_another_run(report: &TrialReport) -> bool {
    let may_be_met = report.speed > 1.0 || !report.is_beside_the_point();
    report.verdict == Verdict::Inconclusive && report.own_fault.is_none() && may_be_met
}

/// How many of a trial's last lines a reason quotes.
const QUOTED_LINES: usize = 6;

#[cfg(test)]
mod tests {
    use segproof_core::report::Level;
    use segproof_harness::plan::Instead;

    use super::*;
    use crate::report::sample;

    fn trial() -> TrialPlan {
        TrialPlan {
            player: "p".into(),
            home: segproof_harness::player::Home::Folder("p".into()),
            browser: "b".into(),
            scenario: "a/b".into(),
            scenario_file: "s".into(),
            speed: 4.0,
            instead: Instead::default(),
            snapshot: None,
            repro: String::new(),
            evidence: None,
        }
    }

    #[test]
    fn a_missing_verdict_is_inconclusive_and_says_why() {
        let out = tempfile::tempdir().expect("out");
        let case = Case {
            name: trial().name(),
            failed: true,
            skipped: false,
            ended: Some("failed with exit code 101".into()),
            output: "one\nthread 't' panicked at src/a.rs:1:2:\nno way\nstack backtrace:\n 0: x\n".into(),
        };
        let outputs = Outputs::from([(case.name.clone(), case)]);
        let report = read(&trial(), out.path(), &outputs, false);
        assert_eq!(report.verdict, Verdict::Inconclusive);
        let reason = report.reason.expect("reason");
        assert!(
            reason.contains("ended without one (failed with exit code 101)")
                && reason.ends_with("src/a.rs:1:2: | no way"),
            "{reason}"
        );
        let report = read(&trial(), out.path(), &outputs, true);
        assert_eq!(report.reason.as_deref(), Some(report::INTERRUPTED));
    }

    #[test]
    fn half_a_verdict_is_inconclusive() {
        let out = tempfile::tempdir().expect("out");
        let folder = trial().dir(out.path());
        std::fs::create_dir_all(&folder).expect("folder");
        std::fs::write(folder.join(VERDICT_FILE), "{\"player\":").expect("write");
        let report = read(&trial(), out.path(), &Outputs::new(), false);
        assert_eq!(report.verdict, Verdict::Inconclusive);
    }

    #[test]
    fn what_was_proven_faster_than_life_stays_so() {
        let violation = |rule: &str, level| ViolationReport {
            rule: rule.into(),
            level,
            known: false,
            ..sample::violation()
        };
        let first = |reason: &str| TrialReport {
            violations: vec![
                violation("mse/init-first", Level::Must),
                violation("view/stall", Level::Viewer),
            ],
            reason: Some(reason.into()),
            ..sample::trial("a/b", Verdict::Inconclusive)
        };
        let left = "what is a matter of time is decided at speed 1; at speed 8, view/stall: it stood";
        let pass = sample::trial("a/b", Verdict::Pass);
        let report = second(first(left), pass.clone());
        let rules =
            |report: &TrialReport| report.violations.iter().map(|v| v.rule.clone()).collect::<Vec<_>>();
        assert_eq!((report.verdict, rules(&report)), (Verdict::Fail, vec!["mse/init-first".to_string()]));
        assert_eq!(with_proven(report.clone()), report, "once is enough");
        let late = sample::trial("a/b", Verdict::Inconclusive);
        let third = second(second(first(left), late), pass.clone());
        assert_eq!((third.verdict, rules(&third)), (Verdict::Fail, vec!["mse/init-first".to_string()]));
        let places: Vec<&str> = third.runs().skip(1).map(|report| report.dir.as_str()).collect();
        let place = sample::trial("a/b", Verdict::Pass).dir;
        assert_eq!(places, [format!("{place}/first"), format!("{place}/first/first")]);
        // Evidence that was not good has proven nothing.
        assert_eq!(second(first("a heartbeat was late"), pass).verdict, Verdict::Pass);
    }

    #[test]
    fn what_is_set_aside_is_kept_as_first() {
        let out = tempfile::tempdir().expect("out");
        let kept = skipped(&trial(), "why".into());
        keep(&kept, &trial(), out.path()).expect("keep");
        let folder = trial().dir(out.path());
        set_aside(&folder).expect("set aside");
        assert!(!folder.join(VERDICT_FILE).exists());
        assert!(folder.join("first").join(VERDICT_FILE).exists());
        assert_eq!(std::fs::read_dir(folder.parent().expect("parent")).expect("list").count(), 1);
    }
}
