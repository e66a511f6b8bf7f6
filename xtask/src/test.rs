//! `cargo xtask test`: every test of the workspace, then trials in a browser.

use std::path::Path;
use std::process::{ExitCode, Stdio};

use anyhow::Context;
use clap::Args;
use segproof_core::report::{Report, TrialReport, Verdict};
use segproof_harness::engine::ENGINES;

use crate::check::{self, Check};
use crate::conformance::Speed;
use crate::conformance::compare::{Outcome, binding_rules, outcome};
use crate::doctor::{self, Consent, Need};
use crate::{conformance, grid, guide, mutants, overload, pages, paths, player, report};

#[derive(Debug, Args)]
pub struct Options {
    /// Also what takes many minutes: trials through a Selenium Grid, every scenario in every browser engine
    #[arg(long)]
    all: bool,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// Tests that came out well and those that did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
}

/// Runs the command and gives its exit code.
pub fn command(options: Options) -> anyhow::Result<ExitCode> {
    let needs = [doctor::USUAL, &[Need::Npm, Need::PlayerTools, Need::Bundler]].concat();
    doctor::provide(&needs, Consent::from_yes(options.yes))?;
    let mut tally = unit_tests()?.and(doc_tests()?);
    let mut checks =
        mutants::run(&mutants::Options { all: options.all, yes: options.yes, ..Default::default() })?;
    checks.extend(same_at_any_speed()?);
    checks.extend(pages::run(&ENGINES[0])?);
    checks.extend(pages::report::run(&ENGINES[0], &paths::target().join("mutants"))?);
    checks.extend(guide::run()?);
    checks.extend(player::package::check(&paths::root(), &paths::target().join("player/package"))?);
    checks.extend(player::bundled::run()?);
    checks.extend(overload::run(&OVERLOAD_TRIALS.map(str::to_owned), options.yes)?);
    if options.all {
        checks.extend(grid::run(&grid::Options { yes: options.yes })?);
    }
    check::print(&checks);
    let wrong = check::wrong(&checks);
    tally = tally.and(Tally { passed: checks.len() - wrong, failed: wrong });
    let mut code = u8::from(tally.failed > 0);
    if options.all {
        let everything = conformance::Options {
            browsers: vec!["all".to_owned()],
            out: Some(paths::target().join("conformance-all")),
            ..conformance::Options::default()
        };
        let out = everything.out();
        let report = conformance::run_whole(everything)?;
        report::print(&report, &out);
        tally = tally.and(Tally::of(&report));
        // 1 comes before 3: a violation weighs more than missing evidence.
        code = match (code, report::exit_code(&report)) {
            (1, _) | (_, 1) => 1,
            (one, other) => one.max(other),
        };
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(ExitCode::from(code))
}

/// A few scenarios for a player that keeps its promises and one that doesn't, at the speed of life and faster:
/// the verdicts and the rules broken must be the same.
fn same_at_any_speed() -> anyhow::Result<Vec<Check>> {
    let run = |speed: Speed| {
        conformance::run_whole(conformance::Options {
            filters: SPEED_TRIALS.iter().map(|name| (*name).to_owned()).collect(),
            players: vec!["reference".to_owned(), "mutants/ignores-the-404".to_owned()],
            out: Some(paths::target().join(format!("speed-{speed}"))),
            speed,
            ..conformance::Options::default()
        })
    };
    let (slow, fast) = (run(Speed::Fixed(1.0))?, run(Speed::Auto)?);
    let checks = slow.trials.iter().zip(&fast.trials).map(|(slow, fast)| {
        let words = |trial: &TrialReport| {
            format!("{} at speed {} {:?}", report::word(trial.verdict), trial.speed, binding_rules(trial))
        };
        Check {
            what: format!("{} is judged alike at speed 1 and {}", report::name(slow), fast.speed),
            wrong: (outcome(slow, fast) != Outcome::Alike)
                .then(|| format!("{}, {}", words(slow), words(fast))),
        }
    });
    let reference_passes =
        slow.trials.iter().filter(|trial| trial.player == "reference").map(|trial| Check {
            what: format!("{} passes", report::name(trial)),
            wrong: (trial.verdict != Verdict::Pass).then(|| report::word(trial.verdict).to_owned()),
        });
    Ok(checks.chain(reference_passes).collect())
}

/// Short ones of each kind: what goes well, what is recovered from, what ends.
const OVERLOAD_TRIALS: [&str; 3] = [
    "reference@chromium/session/round-numbers",
    "reference@chromium/segment/404-once",
    "reference@chromium/playlist/404-ends",
];

const SPEED_TRIALS: &[&str] = &[
    "reference@chromium/session/round-numbers",
    "reference@chromium/segment/404-once",
    "reference@chromium/segment/truncated",
    "reference@chromium/segment/gap",
    "reference@chromium/init/delayed",
    "reference@chromium/playlist/endlist",
    "reference@chromium/playlist/404-ends",
    "ignores-the-404@chromium/playlist/404-ends",
];

fn unit_tests() -> anyhow::Result<Tally> {
    let junit = paths::target().join("nextest/default/junit.xml");
    // Only a file of this run may be counted.
    match std::fs::remove_file(&junit) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("junit.xml"),
        _ => {}
    }
    let arguments =
        ["nextest", "run", "--workspace", "--profile", "default", "--no-fail-fast", "--no-tests", "pass"];
    let status = paths::cargo().args(arguments).status()?;
    if !status.success() && !junit.exists() {
        anyhow::bail!("the tests do not build ({status})");
    }
    let tally = if junit.exists() { count(&junit)? } else { Tally::default() };
    // nextest knows of failures that are no test's, such as a list that could not be made.
    anyhow::ensure!(status.success() || tally.failed > 0, "nextest failed ({status}) though no test did");
    Ok(tally)
}

fn count(junit: &Path) -> anyhow::Result<Tally> {
    let cases = report::read_cases(junit)?;
    let failed = cases.iter().filter(|case| case.failed).count();
    let skipped = cases.iter().filter(|case| case.skipped).count();
    Ok(Tally { passed: cases.len() - failed - skipped, failed })
}

/// Doc tests are beyond nextest's reach; libtest's own result lines are counted.
fn doc_tests() -> anyhow::Result<Tally> {
    let output = paths::cargo()
        .args(["test", "--workspace", "--doc", "--no-fail-fast", "--color", "never"])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let tally = text.lines().filter_map(result_line).fold(Tally::default(), Tally::and);
    anyhow::ensure!(output.status.success() || tally.failed > 0, "the doc tests do not build");
    Ok(tally)
}

/// Counts of a line like `test result: ok. 3 passed; 0 failed; 0 ignored; ...`.
fn result_line(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(word));
        part.and_then(|number| number.trim().parse().ok())
    };
    Some(Tally { passed: number("passed")?, failed: number("failed")? })
}

impl Tally {
    fn of(report: &Report) -> Tally {
        let counts = report::Counts::of(report);
        Tally { passed: counts.passed(), failed: counts.failed() }
    }

    fn and(self, other: Tally) -> Tally {
        Tally { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_lines_are_counted() {
        let line = "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(result_line(line), Some(Tally { passed: 3, failed: 1 }));
        assert_eq!(result_line("running 3 tests"), None);
    }
}
