//! `cargo xtask hunt`: looks for a fault that a player does not survive, and makes the scenario as small as it gets.
//!
//! Scenarios are drawn from a seed and played. Of one that the player fails, parts are left out as long as it still breaks the
//! same rule: many at a time, each round as one run of the suite.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use segproof_core::hunt::{self, Parts, Shrinking};
use segproof_core::report::{TrialReport, Verdict, ViolationReport};
use segproof_core::scenario::Need;
use segproof_core::selfcheck;
use segproof_core::trace::Trace;
use segproof_harness::engine::ENGINES;
use segproof_harness::plan::TRACE_FILE;
use segproof_harness::run::{check_media, read_scenario};

use crate::conformance::{self, OWN_PLAYER, Speed, select};
use crate::{fixtures, machine, paths, report};

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// In place of drawing any: scenario files that the player fails, to be made as small as they get
    #[arg(value_name = "FILE", conflicts_with_all = ["seed", "count"])]
    files: Vec<PathBuf>,
    /// What to draw from: the same number gives the same scenarios [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// How many scenarios are drawn; each takes about ten seconds
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    count: u32,
    /// A player of harness/players by name, or any folder with an index.html
    #[arg(long, value_name = "NAME|DIR", default_value = OWN_PLAYER)]
    player: String,
    /// The browser engine
    #[arg(long, value_name = "NAME", default_value = ENGINES[0].name)]
    browser: String,
    /// Stream seconds per second, or `auto`
    #[arg(long, value_name = "N", default_value = "auto")]
    speed: Speed,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// Runs the command and gives its exit code: 1 if something was found.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let hunt = Hunt { options, out: paths::target().join("hunt") };
    let (engines, browser) = (conformance::engines(&hunt.conformance(PathBuf::new()))?, &options.browser);
    ensure!(engines.len() == 1, "--browser {browser}: a hunt is in one browser");
    let scenarios = match options.files.as_slice() {
        [] => hunt.drawn()?,
        files => files.iter().map(|file| given(file)).collect::<anyhow::Result<_>>()?,
    };
    let trials = hunt.play(&scenarios)?;
    let undecided = trials.iter().filter(|trial| is_open(trial)).count();
    println!("{} scenarios, {} of them played, {undecided} undecided", scenarios.len(), trials.len());
    let mut found = failing(&trials);
    for (name, violation) in &found {
        println!("{name}: {}: {}", violation.rule, violation.what);
    }
    if found.is_empty() {
        println!("nothing found");
        return Ok(ExitCode::SUCCESS);
    }
    let more = found.keys().nth(FEW).cloned().map(|first| found.split_off(&first)).unwrap_or_default();
    let game = |(name, violation): (String, &ViolationReport)| {
        let shrinking = Shrinking::begin(scenarios[&name].clone());
        Game { name, rule: violation.rule.clone(), shrinking }
    };
    let mut games: Vec<Game> = found.into_iter().map(game).collect();
    // Before the rest, which takes minutes: what was found is kept, whatever comes.
    games.iter().try_for_each(|game| hunt.keep(game, &game.shrinking.smallest()))?;
    hunt.shrink(&mut games)?;
    hunt.confirm(&games)?;
    if !more.is_empty() {
        let count = more.len();
        let names = more.into_keys().collect::<Vec<_>>().join(", ");
        println!("{count} more were found, which `cargo xtask hunt FILE..` makes smaller: {names}");
    }
    Ok(ExitCode::from(1))
}

/// A scenario that the player fails.
struct Game {
    name: String,
    /// What is to be broken by what is left of it.
    rule: String,
    shrinking: Shrinking,
}

struct Hunt<'a> {
    options: &'a Options,
    out: PathBuf,
}

impl Hunt<'_> {
    /// What the seed gives.
    fn drawn(&self) -> anyhow::Result<BTreeMap<String, Parts>> {
        let Options { count, player, .. } = self.options;
        let seed = self.options.seed.unwrap_or_else(|| machine::seconds() as u32);
        let players = select::players(std::slice::from_ref(player))?;
        let can = |need: &Need| players.iter().any(|player| player.can.contains(&need.to_string()));
        let can: Vec<Need> = [Need::Multivariant, Need::Renditions].into_iter().filter(can).collect();
        println!("seed {seed}: {count} scenarios for {player} in {}", self.options.browser);
        let drawn = (1..=*count).map(|nth| (format!("{seed}-{nth:03}"), hunt::draw(seed.into(), nth, &can)));
        let drawn = drawn.filter_map(|(name, text)| Some((name, Parts::read(&text)?))).collect();
        // To be looked at, when the next round has taken the place of what is played.
        self.write("drawn", &drawn)?;
        Ok(drawn)
    }

    /// Plays scenarios, but for those that can't be: with an edit of media that are not there, for example.
    fn play(&self, scenarios: &BTreeMap<String, Parts>) -> anyhow::Result<Vec<TrialReport>> {
        let folder = self.write("scenarios", scenarios)?;
        let options = self.conformance(folder.clone());
        let selection = conformance::prepare(&options)?;
        let made = fixtures::make(&selection.fixtures())?;
        let mut left = selection.trials.len();
        for trial in &selection.trials {
            if check_media(&made, &trial.plan).is_err() {
                std::fs::remove_dir_all(folder.join(&trial.plan.scenario))?;
                left -= 1;
            }
        }
        if left == 0 { Ok(Vec::new()) } else { Ok(conformance::run_whole(options)?.trials) }
    }

    /// Leaves out what can be left out, until nothing more can.
    fn shrink(&self, games: &mut [Game]) -> anyhow::Result<()> {
        for round in 1..=ROUNDS {
            let tries: Vec<Vec<Parts>> = games.iter().map(|game| game.shrinking.tries()).collect();
            let named = games.iter().zip(&tries).flat_map(|(game, tries)| {
                tries.iter().enumerate().map(|(i, parts)| (game.try_name(i), parts.clone()))
            });
            let named: BTreeMap<String, Parts> = named.collect();
            if named.is_empty() {
                break;
            }
            println!("\nround {round}: {} scenarios, each with less in it", named.len());
            let trials = self.play(&named)?;
            let broken = failing(&trials);
            for (game, tries) in games.iter_mut().zip(tries) {
                let still = |i: usize| broken.get(&game.try_name(i)).is_some_and(|v| v.rule == game.rule);
                let fails: Vec<bool> = (0..tries.len()).map(still).collect();
                game.shrinking.learn(&fails);
                self.keep(game, &game.shrinking.smallest())?;
            }
        }
        Ok(())
    }

    /// Plays what is left some times more, which also tells how its stream is illegal, and prints it.
    fn confirm(&self, games: &[Game]) -> anyhow::Result<()> {
        let kept = games.iter().map(|game| (game.name.clone(), game.shrinking.smallest())).collect();
        let folder = self.write("scenarios", &kept)?;
        let options = conformance::Options { repeat: REPEAT, ..self.conformance(folder) };
        let report = conformance::run_whole(options)?;
        println!();
        for game in games {
            let of_it: Vec<&TrialReport> =
                report.trials.iter().filter(|trial| trial.scenario == game.name).collect();
            let failed =
                of_it.iter().filter(|trial| broken(trial).is_some_and(|v| v.rule == game.rule)).count();
            let illegal = self.illegal(&of_it)?;
            let kept = game.kept(self.options.files.is_empty(), &illegal);
            self.keep(game, &kept)?;
            println!("{}: {} broken, {failed} of {REPEAT} times", game.name, game.rule);
            println!("{}", indented(&kept.text()));
        }
        let Options { player, browser, .. } = self.options;
        let found = paths::short(&self.out.join(FOUND));
        let names: Vec<&str> = games.iter().map(|game| game.name.as_str()).collect();
        println!(
            "as files, of which one belongs into scenarios/ when its summary says what it is about: {found}"
        );
        println!(
            "  cargo xtask conformance --scenarios {found} --player {player} --browser {browser} {}",
            names.join(" ")
        );
        Ok(())
    }

    /// In which ways the stream of these trials was illegal.
    fn illegal(&self, trials: &[&TrialReport]) -> anyhow::Result<Vec<&'static str>> {
        let mut names: Vec<&'static str> = Vec::new();
        for trial in trials {
            let file = self.out.join(RUN).join(&trial.dir).join(TRACE_FILE);
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let trace = Trace::from_jsonl(&text).map_err(anyhow::Error::msg)?;
            names.extend(selfcheck::findings(&trace).iter().map(|finding| finding.name));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn conformance(&self, scenarios: PathBuf) -> conformance::Options {
        conformance::Options {
            scenarios: Some(scenarios),
            players: vec![self.options.player.clone()],
            browsers: vec![self.options.browser.clone()],
            speed: self.options.speed,
            out: Some(self.out.join(RUN)),
            yes: self.options.yes,
            tells_ci: false,
            is_quiet: true,
            is_needed: is_open,
            ..conformance::Options::default()
        }
    }

    /// Writes scenarios, and nothing else, into a folder.
    fn write(&self, folder: &str, scenarios: &BTreeMap<String, Parts>) -> anyhow::Result<PathBuf> {
        let folder = self.out.join(folder);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        for (name, parts) in scenarios {
            write_scenario(&folder.join(name), parts)?;
        }
        Ok(folder)
    }

    fn keep(&self, game: &Game, parts: &Parts) -> anyhow::Result<()> {
        write_scenario(&self.out.join(FOUND).join(&game.name), parts)
    }
}

impl Game {
    fn try_name(&self, nth: usize) -> String {
        format!("{}/{nth}", self.name)
    }

    fn kept(&self, is_drawn: bool, illegal: &[&str]) -> Parts {
        let summary = format!("Drawn by chance ({}): breaks {}.", self.name, self.rule);
        self.shrinking.smallest().kept(is_drawn.then_some(&*summary), illegal)
    }
}

/// What was broken first in each scenario that the player fails, by their names.
fn failing(trials: &[TrialReport]) -> BTreeMap<String, &ViolationReport> {
    trials.iter().filter_map(|trial| Some((trial.scenario.clone(), broken(trial)?))).collect()
}

/// What a trial was failed for, first of all.
fn broken(trial: &TrialReport) -> Option<&ViolationReport> {
    let violation = trial.violations.iter().find(|violation| violation.binding && !violation.known);
    violation.filter(|_| trial.verdict == Verdict::Fail)
}

/// Whether nothing is known of the player by it. A legal stream is none of what a drawn scenario allows itself: that is a pass.
fn is_open(trial: &TrialReport) -> bool {
    matches!(trial.verdict, Verdict::Inconclusive | Verdict::Skipped) && !trial.is_beside_the_point()
}

/// A scenario of the user's own.
fn given(file: &Path) -> anyhow::Result<(String, Parts)> {
    let file = if file.is_dir() { file.join("scenario.toml") } else { file.to_owned() };
    // With file, line and caret, where it is none.
    let scenario = read_scenario(&file)?;
    ensure!(
        scenario.files().is_empty(),
        "{}: its faults name files beside it, and smaller ones would lie elsewhere: give them the `text`",
        file.display()
    );
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let parts = Parts::read(&text).with_context(|| format!("{} is no scenario", file.display()))?;
    let name = file.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    Ok((name.unwrap_or_else(|| "given".into()), parts))
}

fn write_scenario(folder: &Path, parts: &Parts) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    Ok(report::write_file(&folder.join("scenario.toml"), parts.text().as_bytes())?)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect()
}

/// The folder of the runs, one after the other.
const RUN: &str = "run";
const FOUND: &str = "found";
const MOST: i64 = 10_000;
/// Each leaves out at least one part; what is left after so many is small enough to be read.
const ROUNDS: u32 = 12;
const REPEAT: u16 = 3;
/// So many are made smaller in one hunt.
const FEW: usize = 6;
