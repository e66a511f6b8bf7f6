//! A fault: what it touches, which requests it meets, and what it does to them.
//!
//! Faults are keyed to requests and segment numbers, never to chance, list position or wall clock. When several
//! meet one request they compose in this order, whatever their order in the file:
//! which version of the playlist is told (`stale`, `behind`), what it says (`drop`, `repeat`, `swap`, `same_as`,
//! `gap`, `discontinuity`, `extinf`, `target_duration`, `empty`, `endlist`, `jump`, then `text` or `file` in place
//! of all that), the media (`media`), the answer (`redirect`, `status`, `body`), its coding (`gzip`, `twice`), its
//! headers (`content_type`, `cors`, `headers`), how much is sent (`truncate`), when (`delay`, `delay_body`, `stall`,
//! `throttle`), and last how the transfer ends (`hang`, then `reset`). Where two faults set the same thing the
//! later one in the file wins; `delay`s add up.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::media::edit::Edits;
use crate::notation::{Moment, Nth, Part, Rate, Span, Target, WaitAt};
use crate::scenario::check::{JUMP_MAX, VARIANTS_MAX};

/// One `[[fault]]` of a scenario. A fault does at least one thing; what it leaves out stays as it is.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What it touches.
    pub on: Target,
    /// Only that variant of a Multivariant Playlist, counted from 0; all if absent.
    #[schemars(range(max = VARIANTS_MAX - 1), extend("examples" = [1]))]
    pub variant: Option<u8>,
    /// Only the Audio Rendition, or only what is not; both if absent.
    pub audio: Option<bool>,
    /// Which GET for the resource, counted from 1 per resource; all if absent. For what changes the text of the
    /// playlist, GETs of the playlist are counted, whatever `on` says.
    pub nth: Option<Nth>,
    /// From which moment on; always if absent.
    #[schemars(extend("examples" = ["segment 106"]))]
    pub from: Option<Moment>,
    /// Up to which moment; for ever if absent.
    #[schemars(extend("examples" = ["segment 115"]))]
    pub until: Option<Moment>,
    /// For so long after it first met a request; for ever if absent.
    #[serde(rename = "for")]
    #[schemars(extend("examples" = ["5td"]))]
    pub lasting: Option<Span>,
    /// No player is to meet it, as with a request that should not be made: it need not fire.
    #[serde(default)]
    pub never: bool,

    // The answer.
    /// Answer with this status and a short text.
    #[schemars(range(min = 200, max = 599), extend("examples" = [404]))]
    pub status: Option<u16>,
    /// Headers to set, in place of what would be sent under these names; an empty value removes one.
    #[serde(default)]
    #[schemars(extend("examples" = [{"retry-after": "2"}]))]
    pub headers: BTreeMap<String, String>,
    /// The Content-Type.
    #[schemars(extend("examples" = ["text/html"]))]
    pub content_type: Option<String>,
    /// Answer 200 with this body in place of the right one (a soft 404).
    #[schemars(extend("examples" = ["<h1>Not found</h1>"]))]
    pub body: Option<String>,
    /// Answer 302: to the same path, to another folder, or to the second host.
    pub redirect: Option<Redirect>,
    /// What is wrong with the CORS headers.
    pub cors: Option<Cors>,
    /// What a Range request gets.
    pub range: Option<RangeAnswer>,

    // The transfer.
    /// Wait before the response headers.
    #[schemars(extend("examples" = ["1td"]))]
    pub delay: Option<Span>,
    /// Wait between the response headers and the body.
    pub delay_body: Option<Span>,
    /// Wait in the middle of the body: `2s at 50%`.
    pub stall: Option<WaitAt>,
    /// Send the body no faster than this: `400 kbit/s` of stream time; with `until`, what is under way then comes at once.
    pub throttle: Option<Rate>,
    /// Send only this part of the body and end the response.
    pub truncate: Option<Part>,
    /// What Content-Length says.
    pub content_length: Option<ContentLength>,
    /// Send in chunked encoding, without Content-Length.
    #[serde(default)]
    pub chunked: bool,
    /// Send the headers and this part of the body, then nothing more, without closing.
    #[schemars(extend("examples" = ["50%"]))]
    pub hang: Option<Part>,
    /// Send the headers and this part of the body, then reset the connection.
    pub reset: Option<Part>,
    /// `reset` or `hang` before the response headers. Browsers then repeat the request by themselves on a connection
    /// that was used before, so earlier answers close theirs.
    pub before: Option<Before>,
    /// No connection is accepted, and those that are open are closed.
    #[serde(default)]
    pub refuse: bool,
    /// Send the body in gzip coding.
    #[serde(default)]
    pub gzip: bool,
    /// Send the body twice, with the Content-Length of one.
    #[serde(default)]
    pub twice: bool,

    // The media.
    /// Edit the boxes or samples of a segment or an init: one edit, or a list of them in order.
    #[schemars(extend("examples" = ["no key frame", ["tfdt +300s", "box emsg"]]))]
    pub media: Option<Edits>,

    // The playlist as a whole.
    /// Repeat the playlist that was delivered last before this fault began; one that nobody had asked for by then stands still
    /// where the others of the stream do.
    #[serde(default)]
    pub stale: bool,
    /// Tell the playlist as it was so many segments ago, as another cache would.
    #[schemars(range(min = 1, max = JUMP_MAX), extend("examples" = [2]))]
    pub behind: Option<u64>,
    /// List no segment.
    #[serde(default)]
    pub empty: bool,
    /// What EXT-X-TARGETDURATION says, seconds.
    #[schemars(extend("examples" = [6]))]
    pub target_duration: Option<u32>,
    /// The playlist that first lists `from`'s segment is the last version and carries EXT-X-ENDLIST.
    #[serde(default)]
    pub endlist: bool,
    /// After `from`'s segment this many segments are published at once.
    #[schemars(range(min = 1, max = JUMP_MAX), extend("examples" = [3]))]
    pub jump: Option<u64>,
    /// Nothing is published for so long before `from`'s segment.
    #[schemars(extend("examples" = ["3td"]))]
    pub pause: Option<Span>,
    /// This text in place of the playlist's own.
    #[schemars(extend("examples" = ["#EXTM3U\n"]))]
    pub text: Option<String>,
    /// The text of this file, beside the scenario's, in place of the playlist's own.
    #[schemars(extend("examples" = ["broken.m3u8"]))]
    pub file: Option<String>,

    // Entries of the playlist.
    /// Mark the segments with EXT-X-GAP; a request for one is answered 404.
    #[serde(default)]
    pub gap: bool,
    /// Leave the segments out of the playlist; those after them then seem to have lower numbers.
    #[serde(default)]
    pub drop: bool,
    /// List the segments twice.
    #[serde(default)]
    pub repeat: bool,
    /// List the segments in reverse order.
    #[serde(default)]
    pub swap: bool,
    /// List another segment's URI in their place, as a slate: `segment 104`.
    #[schemars(extend("examples" = ["segment 104"]))]
    pub same_as: Option<Target>,
    /// Put EXT-X-DISCONTINUITY before each of the segments.
    #[serde(default)]
    pub discontinuity: bool,
    /// What EXTINF says.
    #[schemars(extend("examples" = ["2.5s"]))]
    pub extinf: Option<Span>,
}

/// What Content-Length says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContentLength {
    /// The length of what is sent: the response is complete by HTTP's measure, and its media is not.
    True,
    /// The length of the whole body: the connection closes before it is reached.
    Lying,
    /// Nothing: the body ends with the connection.
    None,
}

/// Where a redirect leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Redirect {
    /// The same path with another query.
    Same,
    /// The same name in another folder; what a redirected playlist lists is found there only.
    Folder,
    /// The same path on the second host; what a redirected playlist lists is found there only.
    Host,
}

/// What is wrong with the CORS headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cors {
    /// No Access-Control-Allow-Origin.
    Missing,
    /// Access-Control-Allow-Origin twice, as when two servers add it.
    Duplicated,
    /// `Access-Control-Allow-Origin: null`.
    Null,
    /// The preflight of a request that needs one is refused.
    Preflight,
}

/// What a Range request gets in place of the right 206.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RangeAnswer {
    /// 200 with the whole file.
    Ignored,
    /// 206 with the bytes that follow the range.
    Shifted,
    /// 206 that says it is the range, with the whole file.
    Whole,
}

/// Where in a response something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Before {
    /// Before the response headers.
    Headers,
}

/// Every kind of fault, as its key is called.
pub const KINDS: &[&str] = &[
    "stale",
    "behind",
    "empty",
    "target_duration",
    "endlist",
    "jump",
    "pause",
    "text",
    "gap",
    "drop",
    "repeat",
    "swap",
    "same_as",
    "discontinuity",
    "extinf",
    "media",
    "redirect",
    "status",
    "body",
    "gzip",
    "twice",
    "content_type",
    "cors",
    "headers",
    "range",
    "truncate",
    "chunked",
    "delay",
    "delay_body",
    "stall",
    "throttle",
    "hang",
    "reset",
    "refuse",
];

impl Fault {
    /// What it does, by the names in [`KINDS`].
    pub fn kinds(&self) -> Vec<&'static str> {
        let does = |name: &str| match name {
            "stale" => self.stale,
            "behind" => self.behind.is_some(),
            "empty" => self.empty,
            "target_duration" => self.target_duration.is_some(),
            "endlist" => self.endlist,
            "jump" => self.jump.is_some(),
            "pause" => self.pause.is_some(),
            "text" => self.text.is_some() || self.file.is_some(),
            "gap" => self.gap,
            "drop" => self.drop,
            "repeat" => self.repeat,
            "swap" => self.swap,
            "same_as" => self.same_as.is_some(),
            "discontinuity" => self.discontinuity,
            "extinf" => self.extinf.is_some(),
            "media" => self.media.is_some(),
            "redirect" => self.redirect.is_some(),
            "status" => self.status.is_some(),
            "body" => self.body.is_some(),
            "gzip" => self.gzip,
            "twice" => self.twice,
            "content_type" => self.content_type.is_some(),
            "cors" => self.cors.is_some(),
            "headers" => !self.headers.is_empty(),
            "range" => self.range.is_some(),
            "truncate" => self.truncate.is_some(),
            "chunked" => self.chunked || self.content_length == Some(ContentLength::None),
            "delay" => self.delay.is_some(),
            "delay_body" => self.delay_body.is_some(),
            "stall" => self.stall.is_some(),
            "throttle" => self.throttle.is_some(),
            "hang" => self.hang.is_some(),
            "reset" => self.reset.is_some(),
            "refuse" => self.refuse,
            other => unreachable!("{other} is no kind of fault"),
        };
        KINDS.iter().copied().filter(|name| does(name)).collect()
    }

    /// What it does depends on when a request comes, and not only on which one it is.
    pub fn is_timed(&self) -> bool {
        let is_time = |moment: &Option<Moment>| matches!(moment, Some(Moment::At(_)));
        let waits = self.delay.is_some() || self.delay_body.is_some() || self.stall.is_some();
        let is_slow = waits || self.throttle.is_some() || self.hang.is_some() || self.refuse;
        is_slow || self.lasting.is_some() || is_time(&self.from) || is_time(&self.until)
    }

    /// Changes what the playlist says, rather than the fate of a transfer.
    pub fn edits_playlist(&self) -> bool {
        let whole = self.stale
            || self.behind.is_some()
            || self.empty
            || self.target_duration.is_some()
            || self.endlist
            || self.jump.is_some()
            || self.pause.is_some()
            || self.replaces_playlist();
        whole || self.edits_entries()
    }

    /// Changes what the playlist says of single segments.
    pub fn edits_entries(&self) -> bool {
        self.gap
            || self.drop
            || self.repeat
            || self.swap
            || self.same_as.is_some()
            || self.discontinuity
            || self.extinf.is_some()
    }

    pub fn replaces_playlist(&self) -> bool {
        self.text.is_some() || self.file.is_some()
    }
}
