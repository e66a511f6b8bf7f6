//! `cargo xtask doubt`: would a wrong line in what decides verdicts be noticed by its tests?
//!
//! cargo-mutants breaks the rules and the origin of harness/core, one small place at a time, and runs core's tests
//! each time. That takes an hour or two, so it is done in shards, and a shard is kept until core changes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;

use crate::conformance::select::Partition;
use crate::digest::Digest;
use crate::doctor::{self, Consent, Need};
use crate::paths;

#[derive(Debug, Args)]
pub struct Options {
    /// Run only this shard [default: all that are not kept yet]
    #[arg(long, value_name = "K/N")]
    shard: Option<Partition>,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// What cargo-mutants says of one shard: `outcomes.json`.
#[derive(Debug, Default, Deserialize)]
struct Outcomes {
    caught: usize,
    missed: usize,
    /// Its tests did not come to an end, which is noticed as well.
    timeout: usize,
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    summary: String,
    scenario: serde_json::Value,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    doctor::provide(&[Need::Nextest, Need::CargoMutants], Consent::from_yes(options.yes))?;
    let parts = options.shard.map_or(SHARDS, |shard| shard.parts);
    let shards: Vec<usize> = match options.shard {
        Some(shard) => vec![shard.part],
        None => (1..=parts).collect(),
    };
    let folder = folder()?;
    let place = |part: usize| folder.join(format!("{part}-of-{parts}"));
    let mut missing = Vec::new();
    for part in shards {
        if read(&place(part))?.is_none() {
            missing.push(part);
        }
    }
    // A change is compiled and linked by one core most of the time, so there are as many at a time as cores.
    let lanes = std::thread::available_parallelism().map_or(1, usize::from).min(missing.len());
    let queue = Mutex::new(missing.into_iter());
    std::thread::scope(|scope| {
        let work = |lane: usize| -> anyhow::Result<()> {
            loop {
                let next = queue.lock().expect("no lane panics").next();
                let Some(part) = next else { return Ok(()) };
                run(lane, &place(part), Partition { part, parts })?;
                if self::folder()? != folder {
                    std::fs::remove_dir_all(place(part))?;
                    bail!(
                        "harness/core or the scenarios have changed meanwhile: shard {part} is of both states"
                    );
                }
            }
        };
        let started: Vec<_> = (1..=lanes).map(|lane| scope.spawn(move || work(lane))).collect();
        started.into_iter().try_for_each(|lane| lane.join().expect("no lane panics"))
    })?;
    let mut sum = Outcomes::default();
    let mut kept = 0;
    for part in 1..=parts {
        let Some(shard) = read(&place(part))? else { continue };
        kept += 1;
        sum.caught += shard.caught;
        sum.missed += shard.missed;
        sum.timeout += shard.timeout;
        sum.outcomes.extend(shard.outcomes);
    }
    for outcome in sum.outcomes.iter().filter(|outcome| outcome.summary == "MissedMutant") {
        println!("not noticed: {}", outcome.scenario["Mutant"]["name"].as_str().unwrap_or("?"));
    }
    let noticed = sum.caught + sum.timeout;
    let all = noticed + sum.missed;
    let share = noticed as f64 / all.max(1) as f64;
    println!(
        "{noticed} of {all} changes were noticed ({:.1} %), {kept} of {parts} shards; wanted are {:.0} %",
        share * 100.0,
        SHARE_MIN * 100.0
    );
    println!("{}", paths::short(&folder));
    Ok(ExitCode::from(u8::from(share < SHARE_MIN)))
}

/// Where the shards of this state of core are kept.
fn folder() -> anyhow::Result<PathBuf> {
    let mut digest = Digest::default();
    for part in ["harness/core", "scenarios", "Cargo.lock"] {
        digest.add_files(&paths::root().join(part))?;
    }
    Ok(paths::target().join("doubt").join(digest.hex()))
}

/// A shard's outcomes, if it came to its end.
fn read(place: &Path) -> anyhow::Result<Option<Outcomes>> {
    let file = place.join(DONE);
    match std::fs::read(&file) {
        Ok(bytes) => {
            let read = serde_json::from_slice(&bytes);
            Ok(Some(read.with_context(|| file.display().to_string())?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn run(lane: usize, place: &Path, Partition { part, parts }: Partition) -> anyhow::Result<()> {
    std::fs::create_dir_all(place)?;
    println!("shard {part} of {parts}");
    let mut command = paths::cargo();
    command.args(["mutants", "--package", "segproof-core", "--test-tool", "nextest", "--baseline", "skip"]);
    command.args(["--timeout", TIMEOUT_S, "--profile", "doubt", "--no-shuffle", "--colors", "never"]);
    // Each shard is a sample of everything.
    command.args(["--sharding", "round-robin"]);
    // The tree is copied for each shard, but what it depends on need not be built for each.
    command.env("CARGO_TARGET_DIR", paths::target().join(format!("doubt/build-{lane}")));
    command.args(EXAMINED.iter().flat_map(|glob| ["--file", glob]));
    // cargo-mutants counts them from 0.
    command.arg("--shard").arg(format!("{}/{parts}", part - 1)).arg("--output").arg(place);
    command.args(["--cargo-arg=--test", "--cargo-arg=core", "--", "--filterset", ASKED]);
    let status = command.status().context("cargo mutants")?;
    let outcomes = place.join("mutants.out/outcomes.json");
    match status.code() {
        // All noticed; some not noticed; some without an end.
        Some(0 | 2 | 3) => Ok(std::fs::rename(outcomes, place.join(DONE))?),
        _ => bail!("cargo mutants ended with {status}; its logs are in {}", place.display()),
    }
}

/// What decides verdicts: the law, and the bytes that players are judged by.
const EXAMINED: [&str; 4] = [
    "harness/core/src/rules.rs",
    "harness/core/src/rules/*.rs",
    "harness/core/src/origin.rs",
    "harness/core/src/origin/*.rs",
];
/// The tests that are asked. The others are as slow as all of these together, and about something else: the ideal
/// player, and what is refused in a scenario. They can only notice more.
const ASKED: &str = "not test(/^(ideal|generated|schema)::/)";
const SHARDS: usize = 16;
const SHARE_MIN: f64 = 0.9;
/// Core's tests take a few seconds.
const TIMEOUT_S: &str = "60";
const DONE: &str = "outcomes.json";
