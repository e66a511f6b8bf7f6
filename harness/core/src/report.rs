//! What a run says when it is over: the verdict of each trial and the document made of them.
//!
//! `report.json` and each trial's `verdict.json` have these shapes. Keys may be added, none renamed.

use serde::{Deserialize, Serialize};

use crate::coverage::Coverage;
use crate::trace::Line;

/// The outcome of a trial, in the words of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every rule that applies was kept.
    Pass,
    /// At least one rule that binds this player was broken.
    Fail,
    /// Rules were broken, and each of them is listed in the player's known.toml.
    Known,
    /// known.toml lists a violation that did not happen: counts as a failure.
    UnexpectedPass,
    /// The evidence does not allow a judgement; `reason` says why.
    Inconclusive,
    /// The trial does not apply to this player or engine; `reason` says why.
    Skipped,
}

/// How binding a rule is, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A MUST of RFC 8216, its successor draft, or Media Source Extensions.
    Must,
    /// A SHOULD of these; fails a trial only with `--strict`.
    Should,
    /// No standard says it, the viewer does.
    Viewer,
    /// A promise of SegmentationStreaming beyond the standards; binds players with `profile = "seed"`.
    Seed,
}

/// What the origin's self-check found of the bytes this player was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Every playlist obeys RFC 8216 and every listed resource was answered in full.
    Legal,
    /// A playlist broke RFC 8216: surviving it is resilience, not conformance.
    Illegal,
    /// Playlists were legal, but a request was answered with an error or a broken transfer.
    ServerError,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViolationReport {
    pub rule: String,
    pub level: Level,
    pub stream: Stream,
    /// One sentence: what was seen and what was expected.
    pub what: String,
    /// What the rule asks for, in one sentence, and what that rests on.
    #[serde(default)]
    pub says: String,
    #[serde(default)]
    pub rests_on: String,
    /// Stream time of the offending entry in milliseconds, where there is one.
    #[serde(default)]
    pub at_ms: Option<f64>,
    /// `true` if known.toml lists it.
    #[serde(default)]
    pub known: bool,
    /// `false` if this level does not bind this player (a SHOULD without `--strict`, a SEED promise of
    /// a player with another profile): shown, but without weight in the verdict.
    #[serde(default = "yes")]
    pub binding: bool,
    /// The trace around it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub around: Vec<Line>,
}

fn yes() -> bool {
    true
}

/// What the viewer saw, as the pixels tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    pub judged: Form,
    /// Frames whose code was read.
    pub frames: u64,
    /// The longest time from one frame to the next while the viewer could watch, stream milliseconds.
    pub longest_freeze_ms: u64,
}

/// What was heard, where a scenario asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sound {
    Heard {
        /// Beeps that the picture went through steadily.
        due: u64,
        /// Those of them that were heard.
        beeps: u64,
        /// By how much the sound was later than the picture, where that was most; negative: earlier.
        largest_offset_ms: Option<i64>,
    },
    /// Whether sound and picture belong together was not judged.
    Unheard { why: String },
}

/// How strictly `view/no-missing-frames` has judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// At speed 1.
    EveryFrame,
    /// At other speeds, at which the compositor shows only some of the frames.
    OneFrameOfEachSegment,
}

/// One trial: one player in one browser under one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    pub player: String,
    pub browser: String,
    pub browser_version: String,
    pub scenario: String,
    pub verdict: Verdict,
    pub violations: Vec<ViolationReport>,
    pub reason: Option<String>,
    /// Advance of currentTime while frames of that stretch were seen, in milliseconds.
    pub stream_ms: u64,
    pub wall_ms: u64,
    /// Of `wall_ms`: until there was a browser.
    #[serde(default)]
    pub start_ms: u64,
    /// Of `wall_ms`: while the page was watched.
    #[serde(default)]
    pub run_ms: u64,
    /// Of `wall_ms`: reading the record, judging it and writing it down.
    #[serde(default)]
    pub judge_ms: u64,
    pub speed: f64,
    /// How late the latest heartbeat of page or origin was, in stream milliseconds.
    #[serde(default)]
    pub late_ms: u64,
    /// Taken over from an earlier run (`--resume`): its stream time does not count for this one.
    #[serde(default)]
    pub kept: bool,
    /// `None` where nothing was seen.
    #[serde(default)]
    pub picture: Option<Picture>,
    /// `None` where the scenario does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<Sound>,
    /// Folder of the trial's files, relative to the report.
    #[serde(default)]
    pub dir: String,
    /// The command that repeats this trial.
    #[serde(default)]
    pub repro: String,
    /// One line for the table: the scenario's summary.
    #[serde(default)]
    pub summary: String,
    /// What the trial was about in fact.
    #[serde(default)]
    pub coverage: Coverage,
    /// A mistake of the suite or the scenario, which says nothing of the player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_fault: Option<String>,
    /// The inconclusive result before, if this one is a rerun at speed 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Box<TrialReport>>,
}

impl TrialReport {
    /// A pass that was taken back because the trial never came to what its scenario is about. Another run at that
    /// speed would not come to it either.
    pub fn is_beside_the_point(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| reason.starts_with(NOT_REACHED))
    }

    /// This result and those before it, back to the first.
    pub fn runs(&self) -> impl Iterator<Item = &TrialReport> {
        std::iter::successors(Some(self), |report| report.first.as_deref())
    }

    /// Says of all these that their folders are elsewhere.
    pub fn move_folders(&mut self, place: &impl Fn(&str) -> String) {
        self.dir = place(&self.dir);
        if let Some(first) = &mut self.first {
            first.move_folders(place);
        }
    }
}

/// How the reason of such a trial begins.
pub const NOT_REACHED: &str = "not reached: ";

/// `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub version: u32,
    /// When and on which machine, a line for each part of it.
    #[serde(default)]
    pub made: Vec<String>,
    /// From the command's start, after the build, to the report written.
    pub wall_ms: u64,
    /// Sum over pass, fail and known trials.
    pub stream_ms: u64,
    #[serde(default)]
    pub selected: Selected,
    pub trials: Vec<TrialReport>,
}

/// Which trials a run was to have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// The options that chose them: the same for all parts of a run.
    pub options: String,
    /// Whether all parts together have every scenario of the project with our own player.
    pub is_whole: bool,
    /// The part of them that this run was to have; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
}

/// Every N-th trial (`parts`) from the K-th (`part`, counted from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    pub part: usize,
    pub parts: usize,
}
