//! What the runner hands to the trial processes: one JSON file, named by the environment.
//!
//! The runner (xtask) writes it and starts the trials through nextest; each trial process reads it, runs the
//! one trial that its arguments select and writes `verdict.json` into that trial's folder. A folder without
//! one is a trial without evidence.

use std::path::{Path, PathBuf};

use anyhow::Context;
use segproof_core::presentation::Source;
use segproof_core::scenario::{Packager, Scenario};
use serde::{Deserialize, Serialize};

use crate::player::Home;
use crate::serve::Listen;

/// The environment variable that holds the path of the plan.
pub const PLAN_ENV: &str = "SEGPROOF_PLAN";

/// The file in a trial's folder that holds its `TrialReport`.
pub const VERDICT_FILE: &str = "verdict.json";

/// The files in a trial's folder that hold its trace, and which fault met which request: with the scenario, all that a judge
/// is told.
pub const TRACE_FILE: &str = "trace.jsonl";
pub const FIRED_FILE: &str = "origin.jsonl";

/// The file in a trial's folder that holds its scenario, for who reads its page elsewhere.
pub const SCENARIO_FILE: &str = "scenario.toml";

/// The file in a trial's folder that holds what must come again at each repetition, where the scenario fixes it.
pub const LANES_FILE: &str = "lanes.txt";

/// One run of the suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunPlan {
    /// Base URL of the WebDriver front; the only thing a trial knows of browsers.
    pub webdriver: String,
    /// Where to POST the finished `TrialReport` (the verdict file is written first, and is what counts).
    pub notify: Option<String>,
    /// Where to POST a [`Begin`] before a trial; the answer, a [`Begun`], comes when the machine has room for it. `None`:
    /// it begins at once, at the speed that it was planned with.
    pub pace: Option<String>,
    /// Where to POST a [`Signal`] for the browser's processes; `None` where the browsers are somebody else's.
    pub signals: Option<String>,
    /// Where to POST the `TrialReport` of a trial that is no plain pass before its browser is closed; the answer comes
    /// when somebody has looked at it. `None`: nobody wants to.
    pub hold: Option<String>,
    /// Where pages and streams are served.
    pub listen: Listen,
    /// The run's output folder.
    pub out: PathBuf,
    /// The fixtures that the trials are served from.
    pub fixtures: Vec<MadeFixture>,
    /// Cargo's target folder, where built players are found.
    pub target: PathBuf,
    /// SHOULD-level violations fail a trial.
    pub strict: bool,
    /// Write snapshots in place of comparing with them.
    pub bless: bool,
    pub trials: Vec<TrialPlan>,
}

/// One trial: one player in one browser under one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialPlan {
    pub player: String,
    pub home: Home,
    pub browser: String,
    pub scenario: String,
    pub scenario_file: PathBuf,
    /// Stream seconds per wall second; less where the machine can't keep up with it ([`RunPlan::pace`]).
    pub speed: f64,
    pub instead: Instead,
    /// The name, in the scenario's folder, of a snapshot of what must come again.
    pub snapshot: Option<String>,
    /// The command that repeats this trial.
    pub repro: String,
    /// A folder with the evidence and the report of an earlier run of it, which is judged anew; nothing is played then.
    #[serde(default)]
    pub evidence: Option<PathBuf>,
}

/// What a run says in place of the scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Instead {
    /// How far the newest segment's life has gone at the beginning: 0 up to 1.
    pub phase: Option<f64>,
    /// How many of the fixture's segments make one of the stream's, where the scenario does not say so itself.
    pub pieces: Option<u32>,
}

impl Instead {
    pub fn in_place_of(&self, scenario: &mut Scenario) {
        let stream = &mut scenario.stream;
        stream.phase = self.phase.unwrap_or(stream.phase);
        // ffmpeg publishes the fixture's own segments.
        if stream.pieces.is_empty() && stream.packager == Packager::Origin {
            stream.pieces.extend(self.pieces);
        }
    }
}

/// A fixture, as one encoder run, and the folder that holds its media. They are made before the trials, which need not
/// ask ffmpeg whether they are of its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFixture {
    pub fixture: String,
    pub run: u8,
    pub folder: PathBuf,
}

/// Asks the runner for a place among the trials that play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// The trial's name.
    pub trial: String,
    pub speed: f64,
    /// What it takes of the machine (`engine::Weight`).
    pub half_places: usize,
    /// The trial's process: its place is free when it is gone, or when its report is posted.
    pub pid: u32,
}

/// The place is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// The speed to play at.
    pub speed: f64,
}

/// Asks the runner to stop a session's browser, as a laptop does that goes to sleep, or to continue it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The WebDriver session's id.
    pub session: String,
    pub processes: Processes,
}

/// What becomes of a browser's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Processes {
    Stop,
    Continue,
}

impl MadeFixture {
    /// The folder of a source's media among those that are made.
    pub fn folder_of<'a>(made: &'a [MadeFixture], source: &Source) -> anyhow::Result<&'a Path> {
        let of_source = made.iter().find(|made| made.fixture == source.fixture && made.run == source.run);
        let made = of_source.with_context(|| format!("fixture {} has not been made", source.fixture))?;
        Ok(&made.folder)
    }
}

impl RunPlan {
    /// Reads the plan that the environment names; `None` if it names none.
    pub fn from_env() -> anyhow::Result<Option<RunPlan>> {
        let Some(path) = std::env::var_os(PLAN_ENV) else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&std::fs::read(path)?)?))
    }
}

impl TrialPlan {
    /// The trial's name in nextest and on the terminal: `player@browser/scenario`.
    pub fn name(&self) -> String {
        format!("{}@{}/{}", self.player, self.browser, self.scenario)
    }

    /// The trial's folder below the run's output folder.
    pub fn dir(&self, out: &Path) -> PathBuf {
        out.join("trials").join(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scenario_says_of_its_pieces_stays() {
        let pieces = |stream: &str| {
            let text = format!("summary = 'x'\nuntil = 'segment 108'\n[stream]\n{stream}");
            let mut scenario = Scenario::parse(&text).expect("readable");
            Instead { phase: Some(0.3), pieces: Some(2) }.in_place_of(&mut scenario);
            assert_eq!(scenario.stream.phase, 0.3);
            scenario.stream.pieces
        };
        assert_eq!(pieces("phase = 0.5"), [2]);
        assert_eq!(pieces("pieces = [1, 1, 4]"), [1, 1, 4]);
        assert_eq!(pieces("packager = 'ffmpeg'"), [0; 0]);
    }
}
