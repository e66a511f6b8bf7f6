//! The same two demands of players that others wrote: are one-line patches of them caught, and are they themselves accused of
//! nothing that no player of their rank gets wrong, where nothing is wrong with the stream?

use segproof_core::judge;
use segproof_core::report::{Level, TrialReport, Verdict};
use segproof_core::scenario::Scenario;
use segproof_harness::run::read_scenario;

use super::{MUTANTS_OF_OTHERS, caught, mutants_in, word};
use crate::check::Check;
use crate::conformance::select::find_scenarios;
use crate::{conformance, paths, report};

/// Runs the patched players in the scenarios they name, and the unpatched ones in every legal scenario without a fault,
/// begun at ten phases: these players, or all if none is named.
pub fn run(browser: &str, players: &[String], yes: bool) -> anyhow::Result<Vec<Check>> {
    let all = PLAYERS.map(str::to_owned);
    let mut checks = guilt(browser, yes)?;
    checks.extend(innocence(browser, if players.is_empty() { &all } else { players }, yes)?);
    Ok(checks)
}

fn guilt(browser: &str, yes: bool) -> anyhow::Result<Vec<Check>> {
    let patched = mutants_in(MUTANTS_OF_OTHERS)?;
    let filters = patched.iter().flat_map(|(name, mutant)| {
        mutant.scenarios.iter().map(move |scenario| format!("{name}@{browser}/{scenario}"))
    });
    let report = conformance::run_whole(conformance::Options {
        filters: filters.collect(),
        players: patched.iter().map(|(name, _)| format!("{MUTANTS_OF_OTHERS}/{name}")).collect(),
        browsers: vec![browser.to_owned()],
        out: Some(paths::target().join("mutants-npm")),
        strict: true,
        yes,
        ..conformance::Options::default()
    })?;
    let of_each = patched.iter().flat_map(|(name, mutant)| {
        mutant.scenarios.iter().map(|scenario| caught(&report, name, mutant, scenario)).collect::<Vec<_>>()
    });
    Ok(of_each.collect())
}

fn innocence(browser: &str, players: &[String], yes: bool) -> anyhow::Result<Vec<Check>> {
    let scenarios = find_scenarios(&paths::root().join("scenarios"))?;
    let is_quiet =
        |file: &std::path::Path| read_scenario(file).is_ok_and(|scenario| is_undisturbed(&scenario));
    let quiet: Vec<String> =
        scenarios.into_iter().filter(|(_, file)| is_quiet(file)).map(|(name, _)| name).collect();
    let trials =
        players.iter().flat_map(|player| quiet.iter().map(move |s| format!("{player}@{browser}/{s}")));
    let filters: Vec<String> = trials.collect();
    let mut checks = Vec::new();
    for tenth in 0..PHASES {
        let report = conformance::run_whole(conformance::Options {
            filters: filters.clone(),
            players: players.to_vec(),
            browsers: vec![browser.to_owned()],
            out: Some(paths::target().join(format!("innocence/{tenth}"))),
            phase: Some(f64::from(tenth) / f64::from(PHASES)),
            resume: true,
            is_needed: is_open,
            yes,
            ..conformance::Options::default()
        })?;
        let played = report.trials.iter().filter(|trial| trial.verdict != Verdict::Skipped);
        checks.extend(played.map(|trial| is_innocent(trial, tenth)));
    }
    Ok(checks)
}

/// A legal stream that nobody and nothing disturbs.
fn is_undisturbed(scenario: &Scenario) -> bool {
    scenario.fault.is_empty()
        && scenario.action.is_empty()
        && scenario.illegal.is_empty()
        && scenario.page == Default::default()
}

fn is_innocent(trial: &TrialReport, tenth: u8) -> Check {
    Check {
        what: format!("{} breaks no MUST, begun {tenth} tenths late", report::name(trial)),
        wrong: (breaks_a_must(trial) || is_open(trial)).then(|| word(trial)),
    }
}

fn breaks_a_must(trial: &TrialReport) -> bool {
    trial.violations.iter().any(|violation| violation.level == Level::Must && !violation.known)
}

/// Whether it is undecided if a MUST is broken. Where all that is left to speed 1 is what the viewer saw, the evidence is good
/// and it is not; a trial that a busy machine spoiled, or that saw nothing, has said nothing.
fn is_open(trial: &TrialReport) -> bool {
    trial.verdict == Verdict::Inconclusive && (breaks_a_must(trial) || !judge::is_left_to_speed_1(trial))
}

pub const PLAYERS: [&str; 3] = ["hls.js", "shaka-player", "video.js"];
const PHASES: u8 = 10;

#[cfg(test)]
mod tests {
    use segproof_core::report::ViolationReport;

    use super::*;
    use crate::report::sample;

    #[test]
    fn only_evidence_makes_a_player_innocent() {
        let trial = |verdict, reason: &str, violations| TrialReport {
            violations,
            reason: Some(reason.into()),
            ..sample::trial("a/b", verdict)
        };
        let of = |level, known| vec![ViolationReport { level, known, ..sample::violation() }];
        let is_innocent = |trial: &TrialReport| super::is_innocent(trial, 0).wrong.is_none();
        let left = "what is a matter of time is decided at speed 1; at speed 8, view/stall: it stood";
        let viewer = trial(Verdict::Inconclusive, left, of(Level::Viewer, false));
        assert!(is_innocent(&viewer) && !is_open(&viewer));
        let must = trial(Verdict::Inconclusive, left, of(Level::Must, false));
        assert!(!is_innocent(&must) && is_open(&must));
        for nothing in [
            "the machine could not keep up: a heartbeat was 514 ms late",
            "no browser session",
            "interrupted",
        ] {
            let trial = trial(Verdict::Inconclusive, nothing, vec![]);
            assert!(!is_innocent(&trial) && is_open(&trial), "{nothing}");
        }
        assert!(is_innocent(&trial(Verdict::Fail, "", of(Level::Viewer, false))));
        assert!(is_innocent(&trial(Verdict::Known, "", of(Level::Must, true))));
        assert!(!is_innocent(&trial(Verdict::Fail, "", of(Level::Must, false))));
    }
}
