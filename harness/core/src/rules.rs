//! The law: one row a rule, each a plain function of the trace and the expectations.
//!
//! **Invariant:** no rule knows the origin or the faults. A judge that knows the crime can't be trusted.

mod applies;
mod asked;
mod hls;
mod mse;
pub mod page;
mod session;
pub mod sync;
mod viewer;

use crate::expect::Expect;
use crate::report::Level;
use crate::trace::Trace;
use crate::view::View;
pub use viewer::{frames_forward, longest_stall_ms};

/// What a rule is given.
pub struct Case<'a> {
    pub trace: &'a Trace,
    pub expect: &'a Expect,
    pub view: &'a View,
}

/// A broken rule, before it is known whether it binds the player.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Stream milliseconds.
    pub at_ms: f64,
    /// One sentence: what was seen, what was expected.
    pub what: String,
    /// Where it weighs differently from the rule's own level.
    pub level: Option<Level>,
}

impl Violation {
    fn new(at_ms: f64, what: impl Into<String>) -> Violation {
        Violation { at_ms, what: what.into(), level: None }
    }

    fn level(self, level: Level) -> Violation {
        Violation { level: Some(level), ..self }
    }
}

/// One row of the law.
pub struct Rule {
    pub id: &'static str,
    pub level: Level,
    /// The requirement in one sentence.
    pub says: &'static str,
    /// What it rests on.
    pub rests_on: &'static str,
    pub check: fn(&Case) -> Vec<Violation>,
    /// Whether a trial has anything for it to judge.
    pub applies: fn(&Case) -> bool,
}

/// All rules, in the order in which a report lists them.
pub const RULES: &[Rule] = &[
    Rule {
        id: "mse/init-first",
        level: Level::Must,
        says: "A SourceBuffer gets an initialization segment before any media, and a new one after changeType.",
        rests_on: "MSE, segment parser loop; RFC 8216, 3.3",
        check: mse::init_first,
        applies: applies::appends_media,
    },
    Rule {
        id: "mse/init-once",
        level: Level::Seed,
        says: "The same initialization segment is appended once until something makes another one necessary.",
        rests_on: "SegmentationStreaming: the init segment is fed once; MSE, initialization segment received",
        check: mse::init_once,
        applies: applies::appends_init,
    },
    Rule {
        id: "mse/no-append-while-updating",
        level: Level::Must,
        says: "appendBuffer is not called while the SourceBuffer is updating.",
        rests_on: "MSE, prepare append",
        check: mse::no_append_while_updating,
        applies: applies::appends_media,
    },
    Rule {
        id: "mse/whole-segments",
        level: Level::Viewer,
        says: "Media data reaches the SourceBuffer as it was served: no cut segment is glued to the next one.",
        rests_on: "MSE, segment parser loop: an incomplete media segment is continued by the next append",
        check: mse::whole_segments,
        applies: applies::appends_media,
    },
    Rule {
        id: "hls/in-order",
        level: Level::Must,
        says: "Segments are appended in the order of their Media Sequence Numbers (in sequence mode).",
        rests_on: "RFC 8216, 6.3.5",
        check: hls::in_order,
        applies: applies::appends_in_sequence,
    },
    Rule {
        id: "hls/no-duplicate",
        level: Level::Should,
        says: "A segment that is buffered already is not appended again.",
        rests_on: "RFC 8216, 6.3.5",
        check: hls::no_duplicate,
        applies: applies::appends_media,
    },
    Rule {
        id: "hls/listed-only",
        level: Level::Should,
        says: "Only resources that a delivered playlist lists are requested.",
        rests_on: "RFC 8216, 4.1 and 6.3.5",
        check: hls::listed_only,
        applies: applies::requests_media,
    },
    Rule {
        id: "hls/gap-not-loaded",
        level: Level::Should,
        says: "A segment marked with EXT-X-GAP is not requested.",
        rests_on: "draft-pantos-hls-rfc8216bis, 6.3.3",
        check: hls::gap_not_loaded,
        applies: applies::lists_gap,
    },
    Rule {
        id: "hls/map-applies",
        level: Level::Must,
        says: "A segment is decoded with the initialization section that its EXT-X-MAP names.",
        rests_on: "RFC 8216, 4.3.2.5",
        check: hls::map_applies,
        applies: applies::appends_media,
    },
    Rule {
        id: "hls/hold-back",
        level: Level::Should,
        says: "Playback of a live playlist begins not less than three target durations from its end.",
        rests_on: "RFC 8216, 6.3.3",
        check: hls::hold_back,
        applies: applies::appends_media,
    },
    Rule {
        id: "hls/reload-interval",
        level: Level::Should,
        says: "A reload waits one target duration after a changed playlist and half of it after an unchanged one.",
        rests_on: "RFC 8216, 6.3.4",
        check: hls::reload_interval,
        applies: applies::reloads,
    },
    Rule {
        id: "session/starts",
        level: Level::Viewer,
        says: "The first frame is shown within the limit.",
        rests_on: "the viewer; RFC 8216, 6.3.3",
        check: session::starts,
        applies: applies::is_to_start,
    },
    Rule {
        id: "session/recovers",
        level: Level::Viewer,
        says: "The picture goes on to the trial's last segment, whatever happened before, and in time after a fault.",
        rests_on: "the viewer",
        check: session::recovers,
        applies: applies::is_to_go_on,
    },
    Rule {
        id: "session/terminates",
        level: Level::Viewer,
        says: "Where the stream is over, the player ends its session; as long as it goes on, it does not give up.",
        rests_on: "RFC 8216, 4.3.3.4; MSE, end of stream algorithm; SegmentationStreaming: a 404 ends the session",
        check: session::terminates,
        applies: applies::always,
    },
    Rule {
        id: "session/no-request-after-end",
        level: Level::Viewer,
        says: "After its end a session is silent on the network.",
        rests_on: "RFC 8216, 6.3.4; SegmentationStreaming: on a 404 the script terminates",
        check: session::no_request_after_end,
        applies: applies::ends,
    },
    Rule {
        id: "session/requests",
        level: Level::Viewer,
        says: "The scenario's own counts of requests are kept.",
        rests_on: "the scenario's [expect.requests]",
        check: session::requests,
        applies: applies::counts_requests,
    },
    Rule {
        id: "session/request-rate",
        level: Level::Viewer,
        says: "No more requests come within a target duration than the scenario allows.",
        rests_on: "the scenario's [expect] requests_per_td",
        check: asked::request_rate,
        applies: applies::limits_rate,
    },
    Rule {
        id: "session/obeys",
        level: Level::Viewer,
        says: "A picture that the viewer has paused stands still, though loading may go on; a player that was told to stop asks for nothing.",
        rests_on: "the viewer; HTML, media element, pause()",
        check: session::obeys,
        applies: applies::is_told,
    },
    Rule {
        id: "session/errors",
        level: Level::Viewer,
        says: "The player reports as many errors as the scenario expects.",
        rests_on: "the scenario's [expect] errors",
        check: asked::errors,
        applies: applies::counts_errors,
    },
    Rule {
        id: "session/buffered",
        level: Level::Viewer,
        says: "A SourceBuffer never holds more than the scenario allows.",
        rests_on: "the scenario's [expect] buffered",
        check: asked::buffered,
        applies: applies::limits_buffer,
    },
    Rule {
        id: "view/latency",
        level: Level::Viewer,
        says: "The picture is never further behind the camera than the scenario allows.",
        rests_on: "the scenario's [expect] latency",
        check: asked::latency,
        applies: applies::limits_latency,
    },
    Rule {
        id: "view/av-sync",
        level: Level::Viewer,
        says: "Sound and picture of the same moment come together, as nearly as the scenario demands.",
        rests_on: "the scenario's [expect] av_sync; ITU-R BT.1359",
        check: sync::in_sync,
        applies: sync::applies,
    },
    Rule {
        id: "view/shown",
        level: Level::Viewer,
        says: "Segments that the scenario demands are shown, those that it forbids are not.",
        rests_on: "the scenario's [expect] shown and not_shown",
        check: asked::shown,
        applies: applies::names_segments,
    },
    Rule {
        id: "view/frames-forward",
        level: Level::Viewer,
        says: "No frame is shown again, unless the viewer wants it or the media element has lost its source.",
        rests_on: "the viewer; RFC 8216, 6.3.3",
        check: viewer::frames_forward,
        applies: applies::shows,
    },
    Rule {
        id: "view/no-missing-frames",
        level: Level::Viewer,
        says: "Every listed segment from the first one shown to the last is shown.",
        rests_on: "the viewer; RFC 8216, 6.3.3",
        check: viewer::no_missing_frames,
        applies: applies::shows,
    },
    Rule {
        id: "view/stall",
        level: Level::Viewer,
        says: "The picture does not stand still for longer than the limit.",
        rests_on: "the viewer",
        check: viewer::stall,
        applies: applies::shows,
    },
];
