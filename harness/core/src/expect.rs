//! What a trial is judged by, beside the trace: the scenario's expectations in stream milliseconds.
//!
//! Rules see this and the trace, never the origin or the faults.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::fault::Fault;
use crate::ideal::Ideal;
use crate::notation::{Counts, Moment, Target};
use crate::pictures::{Picture, Pictures};
use crate::presentation::Presentation;
use crate::regret::Best;
use crate::scenario::{Outcome, Scenario};
use crate::timeline::Timeline;

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
    /// How many variants there are: one without a Multivariant Playlist.
    pub variants: u8,
    pub outcome: Outcome,
    pub target_duration_ms: f64,
    /// Count of the frame that the ideal player begins with: which lap a session is in at its beginning.
    pub start_frame: u64,
    /// The segment whose last frame ends the trial.
    pub until_msn: Option<u64>,
    /// When the ideal player has shown all that can be shown; no picture is expected after it where `outcome` is no
    /// success.
    pub finish_ms: f64,
    pub start_limit_ms: f64,
    pub stall_limit_ms: f64,
    /// When the last fault that ends is over, and how long after that the picture may take to advance.
    pub recover: Option<(f64, f64)>,
    pub latency_limit_ms: Option<f64>,
    pub buffered_limit_ms: Option<f64>,
    /// How far sound and picture may be apart.
    pub av_sync_limit_ms: Option<f64>,
    /// What the ideal player had.
    pub best: Best,
    /// Segments that nobody could have had, or that the author lets go.
    pub excused: BTreeSet<u64>,
    pub must_show: BTreeSet<u64>,
    pub must_not_show: BTreeSet<u64>,
    pub requests: Vec<(Target, Counts)>,
    pub requests_per_td: Option<u64>,
    pub errors: Option<Counts>,
    /// The frames of each segment.
    pub pictures: Pictures,
    /// The stream broke the RFC by the scenario's own settings, whatever was requested.
    pub is_illegal: bool,
    /// How the playlists may break the RFC.
    pub illegal: Vec<String>,
    /// When the segments are published that faults name as a moment.
    pub published_ms: BTreeMap<u64, f64>,
}

impl Expect {
    pub fn new(
        scenario: &Scenario,
        presentation: &Presentation,
        timeline: &Timeline,
        ideal: &Ideal,
        profile: Profile,
    ) -> Expect {
        let td = timeline.target_duration_ms;
        let expect = &scenario.expect;
        let must_show = numbers(&expect.shown);
        let mut excused = ideal.never.clone();
        excused.extend(numbers(&expect.may_skip));
        excused.extend(numbers(&expect.not_shown));
        excused.retain(|msn| !must_show.contains(msn));
        let pictures = pictures(scenario, presentation, timeline, ideal);
        Expect {
            profile,
            variants: presentation.variants(),
            outcome: expect.outcome,
            target_duration_ms: td,
            until_msn: scenario.until_msn(),
            start_frame: ideal.start_msn.and_then(|msn| pictures.first_frame(msn)).unwrap_or(0),
            finish_ms: ideal.finish_ms,
            start_limit_ms: expect.start.ms(ideal.start_ms, td),
            stall_limit_ms: expect.stall.ms(ideal.stall_ms, td),
            recover: expect.recover.map(|limit| (last_fault_ends_ms(scenario, timeline), limit.ms(0.0, td))),
            latency_limit_ms: expect.latency.map(|limit| limit.ms(ideal.latency_ms, td)),
            buffered_limit_ms: expect.buffered.map(|span| span.ms(td)),
            av_sync_limit_ms: expect.av_sync.map(|span| span.ms(td)),
            best: Best::of(ideal, scenario.until_msn()),
            excused,
            must_show,
            must_not_show: numbers(&expect.not_shown),
            requests: expect
                .requests
                .iter()
                .filter_map(|(target, counts)| Some((Target::try_from(target.clone()).ok()?, *counts)))
                .collect(),
            requests_per_td: expect.requests_per_td,
            errors: expect.errors,
            pictures,
            is_illegal: scenario.is_illegal(),
            illegal: scenario.illegal.clone(),
            published_ms: moments(scenario, timeline),
        }
    }

    /// A moment that a fault names, as stream time.
    pub fn moment_ms(&self, moment: Moment) -> f64 {
        match moment {
            Moment::At(span) => span.ms(self.target_duration_ms),
            Moment::Published(msn) => self.published_ms.get(&msn).copied().unwrap_or(f64::INFINITY),
        }
    }

    /// Count of the trial's last frame.
    pub fn until_frame(&self) -> Option<u64> {
        self.pictures.of(self.until_msn?).map(Picture::last_frame)
    }

    /// Length of a frame at the trial's end.
    pub fn frame_ms(&self) -> f64 {
        let last = self.until_msn.and_then(|msn| self.pictures.of(msn));
        last.or(self.pictures.any()).map_or(FRAME_MS, |picture| picture.frame_ms)
    }
}

/// When the segments are published that the scenario's faults name as a moment.
fn moments(scenario: &Scenario, timeline: &Timeline) -> BTreeMap<u64, f64> {
    let named = scenario.faults().flat_map(|fault| [fault.from, fault.until]).flatten();
    let published = named.filter_map(|moment| match moment {
        Moment::Published(msn) => Some((msn, timeline.published_ms(msn))),
        Moment::At(_) => None,
    });
    published.collect()
}

fn numbers(targets: &[Target]) -> BTreeSet<u64> {
    let ranges = targets.iter().filter_map(|target| match target {
        Target::Segments { first, last } => Some(*first..=*last),
        _ => None,
    });
    ranges.flatten().collect()
}

/// The frames of all segments that a trial may come to.
fn pictures(
    scenario: &Scenario,
    presentation: &Presentation,
    timeline: &Timeline,
    ideal: &Ideal,
) -> Pictures {
    let first = scenario.stream.media_sequence;
    let known = [scenario.until_msn(), scenario.last_msn(), ideal.ready_ms.keys().next_back().copied()];
    let last = known.into_iter().flatten().max().unwrap_or(first) + BEYOND_UNTIL;
    let same_as = |msn: u64| {
        let slates = scenario.faults().filter(|f: &&Fault| f.same_as.is_some() && f.on.has_segment(msn));
        slates.filter_map(|f| f.same_as?.first_segment()).last()
    };
    Pictures::new((first..=last).map(|msn| {
        let segment = presentation.segment(0, same_as(msn).unwrap_or(msn));
        let facts = &segment.part.facts;
        let frames = u64::from(facts.frames);
        let picture = Picture {
            run: segment.run,
            first: segment.first_frame,
            frames,
            before: 0,
            frame_ms: if frames == 0 { FRAME_MS } else { facts.duration_s * 1000.0 / frames as f64 },
            began_ms: timeline.began_ms(msn),
        };
        (msn, picture)
    }))
}

fn last_fault_ends_ms(scenario: &Scenario, timeline: &Timeline) -> f64 {
    let ends = scenario.faults().filter_map(|fault| Some(timeline.moment_ms(fault.until?)));
    ends.fold(0.0, f64::max)
}

/// A trial is over long before so many segments more have been published.
const BEYOND_UNTIL: u64 = 200;
/// Where there is no picture to tell.
const FRAME_MS: f64 = 40.0;
