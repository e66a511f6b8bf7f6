//! `[expect]`: what must be so.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::notation::{Counts, Limit, Span, Target};

/// `[expect]`: what must be so; everything has a default.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectSettings {
    /// How the session is to go on.
    pub outcome: Outcome,
    /// Longest time without an advancing picture, after the first frame.
    #[schemars(extend("default" = "ideal + 2td"), extend("examples" = ["ideal + 1td"]))]
    pub stall: Limit,
    /// From the first playlist request to the first frame.
    #[schemars(extend("default" = "ideal + 3td"), extend("examples" = ["5s"]))]
    pub start: Limit,
    /// From the end of the last fault that has an `until`, to an advancing picture.
    #[schemars(extend("examples" = ["2td"]))]
    pub recover: Option<Limit>,
    /// How far the picture may be behind the camera, at any time after the first frame. A segment's first frame was
    /// taken one duration before the segment is published.
    #[schemars(extend("examples" = ["ideal + 3td"]))]
    pub latency: Option<Limit>,
    /// How much may be buffered in all.
    #[schemars(extend("examples" = ["30s"]))]
    pub buffered: Option<Span>,
    /// How far sound and picture may be apart, from 40 to 400 ms, heard at the speed of life: the scenario is run at
    /// speed 1. What goes on for less than 300 ms before or after a stall or a skip is not judged.
    #[schemars(extend("examples" = ["100ms"]))]
    pub av_sync: Option<Span>,
    /// How many GETs there may be for a resource, by its name.
    #[schemars(with = "BTreeMap<Target, Counts>", extend("examples" = [{"segment 105": "1", "init": "1..2"}]))]
    pub requests: BTreeMap<String, Counts>,
    /// How many GETs there may be for all resources in any stretch of one target duration. The scenario is run at speed 4 at
    /// most.
    #[schemars(extend("examples" = [4]))]
    pub requests_per_td: Option<u64>,
    /// How many errors the player may report (`segproof-error`), fatal or not.
    #[schemars(extend("examples" = ["0..1"]))]
    pub errors: Option<Counts>,
    /// Segments that must be shown, whatever else would excuse them.
    #[schemars(extend("examples" = [["segment 105"]]))]
    pub shown: Vec<Target>,
    /// Segments of which no frame may be shown.
    #[schemars(extend("examples" = [["segment 105..106"]]))]
    pub not_shown: Vec<Target>,
    /// Segments that need not be shown although they could have been.
    #[schemars(extend("examples" = [["segment 100"]]))]
    pub may_skip: Vec<Target>,
}

/// How the session is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Still playing when `until` is reached.
    Playing,
    /// Everything is played out and the media element has ended.
    Ended,
    /// The player has given up, and says so.
    Failed,
    /// Going on, ending and giving up are all right: it is watched until `limit`.
    Open,
}

impl Default for ExpectSettings {
    fn default() -> ExpectSettings {
        let ideal_plus_td = |n| Limit { relative_to_ideal: true, span: Span::TargetDurations(n) };
        ExpectSettings {
            outcome: Outcome::Playing,
            stall: ideal_plus_td(2.0),
            start: ideal_plus_td(3.0),
            recover: None,
            latency: None,
            buffered: None,
            av_sync: None,
            requests: BTreeMap::new(),
            requests_per_td: None,
            errors: None,
            shown: Vec::new(),
            not_shown: Vec::new(),
            may_skip: Vec::new(),
        }
    }
}
