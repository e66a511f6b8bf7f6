//! `cargo xtask mutants`: does the judge see each defect, and does it accuse nobody falsely?
//!
//! *Mutants* are players with one promise broken each; the rule that each names must catch it. *Innocents* keep all
//! promises, each in a style of its own; no rule may accuse them, not even of a SHOULD.

mod matrix;
mod npm;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use segproof_core::report::{Report, TrialReport, Verdict};
use segproof_harness::engine::ENGINES;
use segproof_harness::player::{Mutant, Player};

use crate::check::{self, Check};
use crate::conformance::select::find_scenarios;
use crate::{conformance, paths, report};

#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Run the innocents in every scenario, not only in those that a mutant is caught in
    #[arg(long)]
    pub all: bool,
    /// In place of all that: patched players from npm, which must be caught, and the unpatched ones, which may not be
    /// accused of a MUST in any legal scenario without a fault, begun at ten phases (an hour)
    #[arg(long, conflicts_with = "all")]
    pub npm: bool,
    /// With --npm, the browser engine
    #[arg(long, value_name = "NAME", requires = "npm")]
    pub browser: Option<String>,
    /// With --npm, only this unpatched player; may be repeated
    #[arg(long = "player", value_name = "NAME", requires = "npm", value_parser = npm::PLAYERS)]
    pub players: Vec<String>,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    pub yes: bool,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    if options.npm {
        let browser = options.browser.as_deref().unwrap_or(ENGINES[0].name);
        return Ok(check::conclude(&npm::run(browser, &options.players, options.yes)?));
    }
    let checks = run(options)?;
    let code = check::conclude(&checks);
    println!("{}, {}", paths::short(&json_file()), paths::short(&out().join(matrix::PAGE)));
    Ok(code)
}

/// Runs every mutant in the scenarios it names, and the innocents in all of these.
pub fn run(options: &Options) -> anyhow::Result<Vec<Check>> {
    let mutants = mutants_in(MUTANTS)?;
    let innocents = innocents()?;
    let own = |(name, mutant): &(String, Mutant)| {
        mutant.scenarios.iter().map(|scenario| format!("{name}@chromium/{scenario}")).collect::<Vec<_>>()
    };
    let scenarios: BTreeSet<String> = match options.all {
        true => find_scenarios(&paths::root().join("scenarios"))?.into_keys().collect(),
        false => mutants.iter().flat_map(|(_, mutant)| mutant.scenarios.iter().cloned()).collect(),
    };
    let fair =
        innocents.iter().flat_map(|name| scenarios.iter().map(move |s| format!("{name}@chromium/{s}")));
    let players = mutants.iter().map(|(name, _)| format!("{MUTANTS}/{name}"));
    let players = players.chain(innocents.iter().map(|name| format!("{INNOCENTS}/{name}")));
    let report = conformance::run_whole(conformance::Options {
        filters: mutants.iter().flat_map(own).chain(fair).collect(),
        players: players.collect(),
        out: Some(out()),
        strict: true,
        beside: Some(matrix::PAGE),
        yes: options.yes,
        ..conformance::Options::default()
    })?;
    matrix::write(&report, &mutants, &innocents, &out(), &json_file())?;
    let caught = mutants.iter().flat_map(|(name, mutant)| {
        mutant.scenarios.iter().map(|scenario| caught(&report, name, mutant, scenario)).collect::<Vec<_>>()
    });
    let fair = report.trials.iter().filter(|trial| innocents.contains(&trial.player)).map(innocent);
    Ok(caught.chain(fair).collect())
}

const MUTANTS: &str = "mutants";
const MUTANTS_OF_OTHERS: &str = "patched";
const INNOCENTS: &str = "innocents";

fn out() -> PathBuf {
    paths::target().join("mutants")
}

fn json_file() -> PathBuf {
    paths::target().join("mutants.json")
}

fn mutants_in(place: &str) -> anyhow::Result<Vec<(String, Mutant)>> {
    let folders = players_in(place)?.into_iter();
    let read = folders.map(|(name, folder)| {
        let mutant = Player::read(&folder)?.settings.mutant;
        let mutant = mutant.with_context(|| format!("{place}/{name} names no rule that must catch it"))?;
        Ok((name, mutant))
    });
    read.collect()
}

fn innocents() -> anyhow::Result<Vec<String>> {
    Ok(players_in(INNOCENTS)?.into_iter().map(|(name, _)| name).collect())
}

/// Names and folders of the players in a folder of harness/players.
fn players_in(folder: &str) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let folder = paths::root().join("harness/players").join(folder);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if Player::is_in(&entry.path()) {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    found.sort();
    Ok(found)
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
        what: format!("the correct player {} breaks no rule in {}", trial.player, trial.scenario),
        wrong: (!is_clean).then(|| word(trial)),
    }
}

/// A verdict with its reason and the rules that were broken.
pub fn word(trial: &TrialReport) -> String {
    let rules: BTreeSet<&str> = trial.violations.iter().map(|v| v.rule.as_str()).collect();
    let rules: Vec<&str> = rules.into_iter().collect();
    let reason = trial.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}{reason} {}", report::word(trial.verdict), rules.join(", "))
}

/// Which players other than our own there are, for whoever asks what fails a scenario.
#[cfg(test)]
fn others() -> anyhow::Result<Vec<Player>> {
    let players = players_in("")?.into_iter().chain(players_in(MUTANTS)?);
    let others = players.filter(|(name, _)| name != conformance::OWN_PLAYER);
    others.map(|(_, folder)| Player::read(&folder)).collect()
}

#[cfg(test)]
mod tests {
    use segproof_core::judge::Known;
    use segproof_core::rules::RULES;
    use segproof_harness::run::read_scenario;

    use super::*;

    #[test]
    fn every_rule_must_catch_a_mutant() {
        let named: BTreeSet<String> =
            mutants_in(MUTANTS).expect("mutants").into_iter().map(|(_, mutant)| mutant.rule).collect();
        let rules: BTreeSet<String> = RULES.iter().map(|rule| rule.id.to_owned()).collect();
        assert_eq!(named, rules);
    }

    #[test]
    fn every_scenario_is_failed_by_a_player_at_hand_or_says_what_it_guards_against() {
        let others = others().expect("players");
        let fails = |player: &Player, scenario: &String| {
            let is_sure = |known: &Known| known.passes.is_none() && known.is_of(scenario, ENGINES[0].name);
            let known = player.known.iter().any(is_sure);
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
