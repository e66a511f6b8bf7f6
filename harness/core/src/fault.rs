//! A fault: what it touches, which requests it meets, and what it does to them.
//!
//! Faults are keyed to requests and sequence numbers, never to chance, list position or wall clock. When
//! several meet one request they compose in this order, whatever their order in the file:
//! what the playlist says (`stale`, `jump`, `gap`, `endlist`), the `status`, the body (`truncate`), the time
//! before the first byte (`delay`, added up), and last how the transfer ends (`hang`, then `reset`). Where two
//! faults set the same thing the later one in the file wins.

use serde::Deserialize;

use crate::notation::{Counts, Moment, Part, Span, Target};

/// One `[[fault]]` of a scenario. A fault does at least one thing; what it leaves out stays as it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What it touches.
    pub on: Target,
    /// Which GET for the resource, counted from 1 per resource; all if absent.
    pub nth: Option<Counts>,
    /// From which moment on; always if absent.
    pub from: Option<Moment>,
    /// Up to which moment; for ever if absent.
    pub until: Option<Moment>,

    /// Answer with this status and an empty body.
    pub status: Option<u16>,
    /// Wait before the response headers.
    pub delay: Option<Span>,
    /// Send only this part of the body and end the response.
    pub truncate: Option<Part>,
    /// What Content-Length says of a truncated body.
    pub content_length: Option<ContentLength>,
    /// Send the headers and this part of the body, then nothing more, without closing.
    pub hang: Option<Part>,
    /// Send the headers and this part of the body, then reset the connection.
    pub reset: Option<Part>,
    /// Repeat the playlist that was delivered last before this fault began.
    #[serde(default)]
    pub stale: bool,
    /// Mark the segments with EXT-X-GAP; a request for one is answered 404.
    #[serde(default)]
    pub gap: bool,
    /// The playlist that first lists `from`'s segment is the last version and carries EXT-X-ENDLIST.
    #[serde(default)]
    pub endlist: bool,
    /// After `from`'s segment this many segments are published at once.
    pub jump: Option<u64>,
}

/// What Content-Length says of a body that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentLength {
    /// The length of what is sent: the response is complete by HTTP's measure, and its media is not.
    True,
    /// The length of the whole body: the connection closes before it is reached.
    Lying,
}

impl Fault {
    /// Changes the text of the playlist rather than the fate of a transfer.
    pub fn edits_playlist(&self) -> bool {
        self.stale || self.gap || self.endlist || self.jump.is_some()
    }

    /// Whether it does anything at all.
    pub fn acts(&self) -> bool {
        self.edits_playlist()
            || self.status.is_some()
            || self.delay.is_some()
            || self.truncate.is_some()
            || self.hang.is_some()
            || self.reset.is_some()
    }

    /// The name of its (first) kind, for reports and coverage.
    pub fn kind(&self) -> &'static str {
        let kinds = [
            (self.stale, "stale"),
            (self.jump.is_some(), "jump"),
            (self.gap, "gap"),
            (self.endlist, "endlist"),
            (self.status.is_some(), "status"),
            (self.truncate.is_some(), "truncate"),
            (self.hang.is_some(), "hang"),
            (self.reset.is_some(), "reset"),
            (self.delay.is_some(), "delay"),
        ];
        kinds.iter().find(|(is, _)| *is).map_or("nothing", |(_, name)| name)
    }
}
