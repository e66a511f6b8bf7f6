//! `cargo xtask mutants`: players with one promise broken each, run where it must show, and a correct twin.
//!
//! A judge that lets one of them pass, or accuses the twin, can't be trusted.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use segproof_core::report::{Report, TrialReport, Verdict};
use segproof_harness::player::{Mutant, Player};

use crate::{conformance, paths, report};

/// The correct player that every mutant is a variation of.
const INNOCENT: &str = "none";

/// Runs the command and gives its exit code.
pub fn command(yes: bool) -> anyhow::Result<ExitCode> {
    let checks = run(yes)?;
    report_checks(&checks);
    Ok(ExitCode::from(u8::from(checks.iter().any(|check| check.wrong.is_some()))))
}

/// One thing that had to be so.
#[derive(Debug)]
pub struct Check {
    pub what: String,
    /// Why it is not so.
    pub wrong: Option<String>,
}

/// Runs every mutant in the scenarios it names, and the innocent twin in all of these.
pub fn run(yes: bool) -> anyhow::Result<Vec<Check>> {
    let mutants = mutants()?;
    let filters: Vec<String> = mutants
        .iter()
        .flat_map(|(name, mutant)| {
            let of = |player: &str, scenario: &String| format!("{player}@chromium/{scenario}");
            mutant.scenarios.iter().flat_map(move |s| [of(name, s), of(INNOCENT, s)])
        })
        .collect();
    let players = mutants.iter().map(|(name, _)| name.as_str()).chain([INNOCENT]);
    let options = conformance::Options {
        filters,
        players: players.map(|name| format!("mutants/{name}")).collect(),
        out: Some(paths::target().join("mutants")),
        yes,
        ..conformance::Options::default()
    };
    let report = conformance::run(options)?;
    let caught = mutants.iter().flat_map(|(name, mutant)| {
        mutant.scenarios.iter().map(|scenario| caught(&report, name, mutant, scenario)).collect::<Vec<_>>()
    });
    let innocent = report.trials.iter().filter(|trial| trial.player == INNOCENT).map(innocent);
    Ok(caught.chain(innocent).collect())
}

/// Prints what was checked, a line each.
pub fn report_checks(checks: &[Check]) {
    for check in checks {
        match &check.wrong {
            None => println!("ok    {}", check.what),
            Some(why) => println!("WRONG {}: {why}", check.what),
        }
    }
}

fn mutants() -> anyhow::Result<Vec<(String, Mutant)>> {
    let folder = paths::root().join("harness/players/mutants");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| folder.display().to_string())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("index.html").is_file())
        .collect();
    folders.sort();
    let mut mutants = Vec::new();
    for path in folders {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match Player::read(&path)?.settings.mutant {
            Some(mutant) => mutants.push((name, mutant)),
            None => anyhow::ensure!(name == INNOCENT, "mutants/{name} names no rule that must catch it"),
        }
    }
    Ok(mutants)
}

fn caught(report: &Report, name: &str, mutant: &Mutant, scenario: &str) -> Check {
    let what = format!("mutant {name} is caught by {} in {scenario}", mutant.rule);
    let trial = report.trials.iter().find(|trial| trial.player == name && trial.scenario == scenario);
    let wrong = match trial {
        None => Some("the trial did not run: is the scenario still there?".to_owned()),
        Some(trial) if trial.verdict != Verdict::Fail => Some(format!("its verdict is {}", word(trial))),
        Some(trial) if !trial.violations.iter().any(|v| v.binding && v.rule == mutant.rule) => {
            Some(format!("it is caught by others only: {}", word(trial)))
        }
        Some(_) => None,
    };
    Check { what, wrong }
}

fn innocent(trial: &TrialReport) -> Check {
    let is_clean = trial.verdict == Verdict::Pass && trial.violations.is_empty();
    Check {
        what: format!("the correct twin breaks no rule in {}", trial.scenario),
        wrong: (!is_clean).then(|| word(trial)),
    }
}

fn word(trial: &TrialReport) -> String {
    let rules: Vec<&str> = trial.violations.iter().map(|v| v.rule.as_str()).collect();
    format!("{} {} {}", report::word(trial.verdict), trial.reason.as_deref().unwrap_or(""), rules.join(", "))
}

#[cfg(test)]
mod tests {
    use segproof_harness::run::read_scenario;

    use super::*;
    use crate::conformance::select::find_scenarios;

    /// Every player at hand but our own: folders with an index.html below harness/players and its mutants.
    fn others() -> Vec<Player> {
        let players = paths::root().join("harness/players");
        let folders = [players.clone(), players.join("mutants")].into_iter().flat_map(|folder| {
            let entries = std::fs::read_dir(folder).expect("players");
            entries.map(|entry| entry.expect("entry").path()).filter(|path| path.join("index.html").is_file())
        });
        let others = folders.filter(|path| !path.ends_with(conformance::OWN_PLAYER));
        others.map(|path| Player::read(&path).expect("player")).collect()
    }

    #[test]
    fn every_scenario_is_failed_by_a_player_at_hand_or_says_what_it_guards_against() {
        let others = others();
        let fails = |player: &Player, scenario: &String| {
            let known = player.known.iter().any(|known| known.passes.is_none() && known.is_of(scenario));
            let mutant = player.settings.mutant.as_ref();
            known || mutant.is_some_and(|mutant| mutant.scenarios.contains(scenario))
        };
        let mut toothless: Vec<String> = Vec::new();
        for (name, file) in find_scenarios(&paths::root().join("scenarios")).expect("scenarios") {
            let is_failed = others.iter().any(|player| fails(player, &name));
            if !is_failed && read_scenario(&file).expect("readable").guards.is_none() {
                toothless.push(name);
            }
        }
        assert!(toothless.is_empty(), "nobody fails these, and they do not say what for: {toothless:#?}");
    }
}
