//! `cargo xtask doubt`: would a wrong line in what decides verdicts be noticed by its tests?
//!
//! cargo-mutants breaks the rules and the origin of harness/core, one small place at a time, and runs core's tests
//! each time. That takes an hour or two, so what has been tried is kept, and can be done in shards: a change that was
//! noticed is not tried again while its file stays as it is, one that was not while core and its tests do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use segproof_core::report::Partition;
use serde::{Deserialize, Serialize};

use crate::conformance::select;
use crate::digest::Digest;
use crate::doctor::{self, Consent, Need};
use crate::{machine, paths};

#[derive(Debug, Args)]
pub struct Options {
    /// Only every N-th change from the K-th on
    #[arg(long, value_name = "K/N", value_parser = select::partition)]
    shard: Option<Partition>,
    /// Try everything anew, whatever is kept
    #[arg(long)]
    anew: bool,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// What became of the changes that were tried, by their names: `target/doubt/kept.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept(BTreeMap<String, Tried>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tried {
    end: End,
    of: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum End {
    /// A test failed, or came to no end.
    Noticed,
    Missed,
    /// It does not compile.
    Unviable,
}

/// Digests of what a change was tried with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The file that it is in.
    file: String,
    /// All of core with its tests.
    core: String,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    doctor::provide(&[Need::Nextest, Need::CargoMutants], Consent::from_yes(options.yes))?;
    let folder = paths::target().join("doubt");
    std::fs::create_dir_all(&folder)?;
    let mut kept = Kept::read(&folder)?;
    // What a run that was interrupted has left.
    for lane in 1..=machine::cores() {
        kept.harvest(&folder, lane)?;
    }
    let all = changes()?;
    let states = states(&all)?;
    let Partition { part, parts } = options.shard.unwrap_or(Partition { part: 1, parts: 1 });
    let wanted: Vec<&String> = all.iter().skip(part - 1).step_by(parts).collect();
    let open: Vec<&String> = wanted
        .iter()
        .copied()
        .filter(|name| options.anew || !kept.is_settled(name, &states[*name]))
        .collect();
    println!("{} of {} changes are to be tried", open.len(), wanted.len());
    if !open.is_empty() {
        // A change is compiled and linked by one core most of the time, so there are as many at a time as cores.
        let lanes = machine::cores().min(open.len());
        let ends = std::thread::scope(|scope| {
            let run = |lane: usize| {
                let own: Vec<&String> = open.iter().copied().skip(lane - 1).step_by(lanes).collect();
                run(&place(&folder, lane), lane, &all, &own, &states)
            };
            let started: Vec<_> = (1..=lanes).map(|lane| scope.spawn(move || run(lane))).collect();
            started.into_iter().map(|lane| lane.join().expect("no lane panics")).collect::<Vec<_>>()
        });
        for lane in 1..=lanes {
            kept.harvest(&folder, lane)?;
        }
        ends.into_iter().collect::<anyhow::Result<()>>()?;
    }
    let ends = wanted.iter().filter_map(|name| Some((*name, kept.end(name, &states[*name])?)));
    let missed: Vec<&String> =
        ends.clone().filter(|(_, end)| *end == End::Missed).map(|(name, _)| name).collect();
    let noticed = ends.filter(|(_, end)| *end == End::Noticed).count();
    missed.iter().for_each(|name| println!("not noticed: {name}"));
    let all = noticed + missed.len();
    let share = noticed as f64 / all.max(1) as f64;
    println!(
        "{noticed} of {all} changes were noticed ({:.1} %); wanted are {:.0} %",
        share * 100.0,
        SHARE_MIN * 100.0
    );
    println!("{}", paths::short(&folder.join(KEPT)));
    Ok(ExitCode::from(u8::from(share < SHARE_MIN)))
}

impl Kept {
    fn read(folder: &Path) -> anyhow::Result<Kept> {
        let file = folder.join(KEPT);
        match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| file.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }

    /// Takes over what a lane has tried so far, and clears its place.
    fn harvest(&mut self, folder: &Path, lane: usize) -> anyhow::Result<()> {
        let place = place(folder, lane);
        let Ok(states) = std::fs::read(place.join(STATES)) else { return Ok(()) };
        let states: BTreeMap<String, State> = serde_json::from_slice(&states)?;
        for (file, end) in [
            ("caught.txt", End::Noticed),
            ("timeout.txt", End::Noticed),
            ("missed.txt", End::Missed),
            ("unviable.txt", End::Unviable),
        ] {
            let names = std::fs::read_to_string(place.join("mutants.out").join(file)).unwrap_or_default();
            for name in names.lines() {
                if let Some(of) = states.get(name) {
                    self.0.insert(name.to_string(), Tried { end, of: of.clone() });
                }
            }
        }
        let file = folder.join(KEPT);
        std::fs::write(&file, serde_json::to_string_pretty(self)?)
            .with_context(|| file.display().to_string())?;
        Ok(std::fs::remove_dir_all(place)?)
    }

    /// Whether there is no need to try it again.
    fn is_settled(&self, name: &str, now: &State) -> bool {
        match self.0.get(name) {
            Some(Tried { end: End::Missed, of }) => of == now,
            Some(Tried { of, .. }) => of.file == now.file,
            None => false,
        }
    }

    fn end(&self, name: &str, now: &State) -> Option<End> {
        self.0.get(name).filter(|tried| tried.of.file == now.file).map(|tried| tried.end)
    }
}

fn place(folder: &Path, lane: usize) -> PathBuf {
    folder.join(format!("lane-{lane}"))
}

fn mutants() -> std::process::Command {
    let mut command = paths::cargo();
    command.args(["mutants", "--package", "segproof-core", "--colors", "never"]);
    command.args(EXAMINED.iter().flat_map(|glob| ["--file", glob]));
    command
}

/// The names of all changes; each begins with its file.
fn changes() -> anyhow::Result<Vec<String>> {
    let output = mutants().arg("--list").output().context("cargo mutants")?;
    if !output.status.success() {
        bail!(
            "cargo mutants --list ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_string).collect())
}

fn states(changes: &[String]) -> anyhow::Result<BTreeMap<String, State>> {
    let digest = |parts: &[&str]| -> anyhow::Result<String> {
        let mut digest = Digest::default();
        for part in parts {
            digest.add_files(&paths::root().join(part))?;
        }
        Ok(digest.hex())
    };
    let core = digest(&["harness/core", "scenarios", "Cargo.lock"])?;
    let state = |name: &String| {
        let file = name.split(':').next().unwrap_or_default();
        Ok((name.clone(), State { file: digest(&[file])?, core: core.clone() }))
    };
    changes.iter().map(state).collect()
}

/// Tries a lane's own changes, all others being left out.
fn run(
    place: &Path,
    lane: usize,
    all: &[String],
    own: &[&String],
    states: &BTreeMap<String, State>,
) -> anyhow::Result<()> {
    let left_out: Vec<&str> = all.iter().filter(|name| !own.contains(name)).map(String::as_str).collect();
    std::fs::create_dir_all(place.join("mutants.out"))?;
    std::fs::write(place.join("mutants.out/previously_caught.txt"), left_out.join("\n"))?;
    std::fs::write(place.join(STATES), serde_json::to_string(states)?)?;
    let mut command = mutants();
    // First without any change: where the tests fail anyway, or nothing compiles, all would be noticed, or unviable.
    command.args(["--iterate", "--baseline", "run", "--no-shuffle", "--timeout", TIMEOUT_S]);
    command.args(["--test-tool", "nextest", "--profile", "doubt", "--cargo-arg=--test", "--cargo-arg=core"]);
    command.arg("--output").arg(place).args(["--", "--filterset", ASKED]);
    // The tree is copied for each run, but what it depends on need not be built for each.
    command.env("CARGO_TARGET_DIR", paths::target().join(format!("doubt/build-{lane}")));
    let status = command.status().context("cargo mutants")?;
    match status.code() {
        // All noticed; some not noticed; some without an end.
        Some(0 | 2 | 3) => Ok(()),
        _ => bail!("cargo mutants ended with {status}"),
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
const SHARE_MIN: f64 = 0.9;
/// Core's tests take a few seconds.
const TIMEOUT_S: &str = "60";
const KEPT: &str = "kept.json";
const STATES: &str = "states.json";
