//! What a trial is judged by, beside the trace: the scenario's expectations in stream milliseconds.
//!
//! Rules see this and the trace, never the origin or the faults.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::ideal::Ideal;
use crate::notation::{Counts, Target};
use crate::origin::Media;
use crate::scenario::{Outcome, Scenario};

/// Which promises bind a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The promises of SegmentationStreaming bind it, beyond the standards.
    Seed,
    /// The standards and the viewer bind it.
    Standard,
}

/// The expectations of one trial; all times in stream milliseconds.
#[derive(Debug, Clone)]
pub struct Expect {
    pub profile: Profile,
    pub outcome: Outcome,
    pub target_duration_ms: f64,
    /// Number of the frame that the ideal player begins with: which lap a session is in at its beginning.
    pub start_frame: u64,
    /// The segment whose last frame ends the trial.
    pub until_msn: Option<u64>,
    /// Frame number of that last frame.
    pub until_frame: Option<u64>,
    pub start_limit_ms: f64,
    pub stall_limit_ms: f64,
    /// Segments that nobody could have had, or that the author lets go.
    pub excused: BTreeSet<u64>,
    pub requests: Vec<(Target, Counts)>,
    /// Frames of one lap of the fixture, after which the burnt-in numbers begin anew.
    pub lap_frames: u64,
    pub frame_ms: f64,
    /// The stream broke the RFC by the scenario's own settings, whatever was requested.
    pub is_illegal: bool,
}

impl Expect {
    pub fn new(scenario: &Scenario, media: &Media, ideal: &Ideal, profile: Profile) -> Expect {
        let td = f64::from(media.target_duration_s) * 1000.0;
        let expect = &scenario.expect;
        let mut excused = ideal.never.clone();
        for target in &expect.may_skip {
            if let Target::Segments { first, last } = target {
                excused.extend(*first..=*last);
            }
        }
        let frames = || media.segments.iter().map(|s| u64::from(s.facts.frames));
        let lap_frames: u64 = frames().sum();
        let first_msn = scenario.stream.media_sequence;
        let first_frame = |msn: u64| {
            let n = msn - first_msn;
            let (laps, rest) = (n / frames().count() as u64, n % frames().count() as u64);
            laps * lap_frames + frames().take(rest as usize).sum::<u64>()
        };
        Expect {
            profile,
            outcome: expect.outcome,
            target_duration_ms: td,
            until_msn: scenario.until_msn(),
            start_frame: ideal.start_msn.map_or(0, first_frame),
            until_frame: scenario.until_msn().map(|msn| first_frame(msn + 1) - 1),
            start_limit_ms: expect.start.ms(ideal.start_ms, td),
            stall_limit_ms: expect.stall.ms(ideal.stall_ms, td),
            excused,
            requests: expect
                .requests
                .iter()
                .filter_map(|(target, counts)| Some((Target::try_from(target.clone()).ok()?, *counts)))
                .collect(),
            lap_frames,
            frame_ms: media.lap_s() * 1000.0 / lap_frames as f64,
            is_illegal: scenario.is_illegal(),
        }
    }
}
