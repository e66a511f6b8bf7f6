//! The evidence: what was asked of the media origin and sent by it, and what the page was seen to do.
//!
//! Two lanes, each numbered densely from 0. A time is stream milliseconds on the origin's clock, zero being
//! the first playlist request; page times are mapped to it with the error bound in [`Trace::clock_error_ms`].
//! No fault is named here: a judge that knows the crime can't be trusted.

mod text;

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::action::What;
use crate::exchange::Host;
use crate::media::SegmentFacts;
pub use text::{Line, around};

/// All evidence of one trial.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Stream seconds per wall second.
    pub speed: f64,
    /// How far a page time may be off the origin's clock, stream milliseconds.
    pub clock_error_ms: f64,
    /// When watching stopped.
    pub ended_at_ms: f64,
    pub requests: Vec<Request>,
    pub page: Vec<PageEntry>,
    /// Heartbeats of page and origin, in order of time.
    pub beats: Vec<Beat>,
    /// Evidence that is known to be missing, in words.
    pub lost: Vec<String>,
}

/// In place of a variant's number: the Audio Rendition.
pub const AUDIO: u8 = u8::MAX;

/// What a request on the media listener is for. Segments are counted on through restarts
/// ([`Presentation`](crate::presentation::Presentation)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// The Multivariant Playlist.
    Multivariant,
    /// The Media Playlist of a variant, counted from 0, or of the Audio Rendition.
    Playlist {
        variant: u8,
    },
    /// The Media Initialization Section of an encoder run.
    Init {
        variant: u8,
        run: u8,
    },
    Segment {
        variant: u8,
        run: u8,
        msn: u64,
    },
    Unknown,
}

impl Resource {
    pub fn msn(self) -> Option<u64> {
        match self {
            Resource::Segment { msn, .. } => Some(msn),
            _ => None,
        }
    }

    pub fn variant(self) -> Option<u8> {
        match self {
            Resource::Playlist { variant }
            | Resource::Init { variant, .. }
            | Resource::Segment { variant, .. } => Some(variant),
            Resource::Multivariant | Resource::Unknown => None,
        }
    }

    pub fn is_playlist(self) -> bool {
        matches!(self, Resource::Playlist { .. })
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Resource::Multivariant => f.write_str("multivariant playlist"),
            Resource::Playlist { .. } => f.write_str("playlist"),
            Resource::Init { run: 1, .. } => f.write_str("init"),
            Resource::Init { run, .. } => write!(f, "init of run {run}"),
            Resource::Segment { msn, .. } => write!(f, "segment {msn}"),
            Resource::Unknown => f.write_str("unknown resource"),
        }?;
        match self.variant() {
            None | Some(0) => Ok(()),
            Some(AUDIO) => f.write_str(" of the audio"),
            Some(variant) => write!(f, " of variant {variant}"),
        }
    }
}

/// One GET on the media listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub n: u64,
    /// When its head had been read.
    pub at_ms: f64,
    /// Path and query.
    pub path: String,
    pub host: Host,
    /// Its Range header.
    pub range: Option<String>,
    pub resource: Resource,
    /// Which GET for this resource, from 1.
    pub attempt: u64,
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// A page of another origin, as the player's is, may not read the answer (Fetch, CORS check).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opaque: bool,
    /// What the body is, where one was meant.
    pub content: Content,
    /// Length of the body had it been sent whole.
    pub whole_bytes: u64,
    pub sent_bytes: u64,
    pub ended_ms: f64,
    pub end: End,
}

/// What a body is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    Nothing,
    Multivariant {
        text: String,
    },
    Playlist {
        text: String,
        /// What its entries are, in order, as far as they are ours.
        listings: Vec<Listing>,
    },
    Init {
        digest: String,
        /// Nobody can play anything with it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_spoiled: bool,
    },
    Segment(SegmentFacts),
}

impl Content {
    /// Whether nobody can play it.
    pub fn is_spoiled(&self) -> bool {
        match self {
            Content::Init { is_spoiled, .. } => *is_spoiled,
            Content::Segment(facts) => facts.is_spoiled,
            Content::Nothing | Content::Multivariant { .. } | Content::Playlist { .. } => false,
        }
    }
}

/// What an entry of a playlist stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// Its segment, counted on through restarts; the playlist may number it otherwise.
    pub msn: u64,
    /// As listed.
    pub uri: String,
    /// The sub-range of the resource: first byte, and the one after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(u64, u64)>,
    /// Marked with EXT-X-GAP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gap: bool,
    /// The segment whose media it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<u64>,
    /// URI of the EXT-X-MAP in force.
    pub init: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_range: Option<(u64, u64)>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The whole body was handed to the socket.
    Complete,
    /// Less than the whole body was sent, and the response or connection ended.
    Cut,
    /// The origin reset the connection.
    Reset,
    /// The client closed the connection first.
    ClientGone,
    /// Still open when watching stopped.
    Open,
}

impl Request {
    /// The client got the right bytes, all of them, and could read them.
    pub fn is_good(&self) -> bool {
        let is_answered = matches!(self.status, 200..=299) && self.status != 204 && !self.opaque;
        is_answered && self.end == End::Complete && self.content != Content::Nothing
    }

    /// The text of the playlist, if the client got all of it with status 200.
    pub fn delivered_playlist(&self) -> Option<&str> {
        match &self.content {
            Content::Playlist { text, .. } if self.is_good() => Some(text),
            _ => None,
        }
    }

    /// Whether a good status came with what is of use to nobody, or with something else than was asked for.
    pub fn is_spoiled(&self) -> bool {
        self.content.is_spoiled() || (200..300).contains(&self.status) && self.content == Content::Nothing
    }

    /// What the playlist lists, if the client got all of it.
    pub fn delivered_listings(&self) -> &[Listing] {
        match &self.content {
            Content::Playlist { listings, .. } if self.is_good() => listings,
            _ => &[],
        }
    }
}

/// One entry of the page's lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageEntry {
    pub n: u64,
    pub at_ms: f64,
    #[serde(flatten)]
    pub event: PageEvent,
}

/// What the probe saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PageEvent {
    /// The probe runs, before any script of the page.
    Hello {
        agent: String,
    },
    /// fetch or XMLHttpRequest was called.
    Fetch {
        id: u64,
        url: String,
        /// The page's frames of the stack, a line each, the innermost first.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// Headers arrived (`status`), or the call failed (`error`).
    FetchDone {
        id: u64,
        status: Option<u16>,
        error: Option<String>,
    },
    AddSourceBuffer {
        buffer: u64,
        mime: String,
    },
    Append {
        buffer: u64,
        bytes: u64,
        boxes: Vec<AppendedBox>,
        updating: bool,
        error: Option<String>,
        mode: String,
        /// As of a `Fetch`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    UpdateEnd {
        buffer: u64,
        buffered: Vec<(f64, f64)>,
    },
    /// The SourceBuffer fired `error`.
    BufferError {
        buffer: u64,
    },
    Remove {
        buffer: u64,
        start: f64,
        end: f64,
        error: Option<String>,
    },
    Abort {
        buffer: u64,
    },
    ChangeType {
        buffer: u64,
        mime: String,
    },
    TimestampOffset {
        buffer: u64,
        seconds: f64,
    },
    EndOfStream {
        error: Option<String>,
    },
    /// An event of the media element.
    Media {
        event: String,
        time: f64,
        error: Option<String>,
    },
    /// A frame was presented; its code could be read.
    Frame {
        run: u8,
        number: u16,
        media_time: f64,
        /// How many frames the engine has presented on this element so far, those without a callback included
        /// (HTMLVideoElement.requestVideoFrameCallback).
        #[serde(default)]
        presented: u64,
        /// How many it has dropped because they came too late (Media Playback Quality).
        #[serde(default)]
        dropped: u64,
    },
    /// A frame was presented whose code could not be read.
    Unreadable {
        media_time: f64,
    },
    /// What the element showed at that event of its own.
    Still {
        event: String,
        /// A data URL, for people.
        image: String,
    },
    /// The page's sound is listened to from here on, or can't be.
    Ear {
        error: Option<String>,
    },
    /// A beep of the fixture began.
    Beep {
        /// So many wall milliseconds before this entry was made.
        ago_ms: f64,
    },
    /// The page spoke to its console.
    Console {
        level: String,
        text: String,
    },
    /// An uncaught exception or unhandled rejection.
    Uncaught {
        message: String,
    },
    /// The player's own report (`segproof-error`).
    PlayerError {
        fatal: bool,
        message: String,
    },
    /// Something happened on the viewer's side, as the scenario wanted it.
    Action {
        what: What,
        note: String,
        /// Why it could not happen.
        error: Option<String>,
    },
}

/// SourceBuffers whose contents may no longer be what was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsettled {
    One(u64),
    All,
}

impl PageEvent {
    /// After some events a player may lawfully append again what it has appended before.
    pub fn unsettles(&self) -> Option<Unsettled> {
        match self {
            PageEvent::ChangeType { buffer, .. }
            | PageEvent::Abort { buffer }
            | PageEvent::BufferError { buffer }
            // What threw has removed nothing.
            | PageEvent::Remove { buffer, error: None, .. } => Some(Unsettled::One(*buffer)),
            PageEvent::Media { event, .. } if event == "seeking" => Some(Unsettled::All),
            PageEvent::Action { what: What::Evict, .. } => Some(Unsettled::All),
            _ => None,
        }
    }
}

/// A box that became complete with an append (or that an abort left incomplete).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "box", rename_all = "kebab-case")]
pub enum AppendedBox {
    /// A moov; digest of the whole box.
    Init {
        digest: String,
    },
    Moof,
    /// Digest of the payload.
    Mdat {
        digest: String,
    },
    /// Bytes that are no box.
    Garbage,
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    pub at_ms: f64,
    pub of: Witness,
    /// How late it was, wall milliseconds.
    pub lag_ms: f64,
    /// The media element's currentTime, if the page has one.
    pub time: Option<f64>,
    /// Seconds buffered ahead of that, in the range that holds it.
    pub ahead: f64,
    /// The element is meant to advance: neither paused nor ended.
    pub playing: bool,
}

/// Whose heartbeat it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Witness {
    Page,
    Origin,
}

impl Trace {
    /// By how much the page's heartbeats between two moments were late, stream milliseconds; those that were in time are
    /// left out.
    pub fn page_lags_ms(&self, from_ms: f64, to_ms: f64) -> impl Iterator<Item = f64> {
        let beats = self.beats.iter().filter(move |beat| {
            beat.of == Witness::Page
                && (from_ms..=to_ms).contains(&beat.at_ms)
                && beat.lag_ms > JITTER_WALL_MS
        });
        beats.map(|beat| beat.lag_ms * self.speed)
    }

    /// Every entry as JSON, one a line, both lanes and the heartbeats.
    pub fn to_jsonl(&self) -> String {
        let mut text = String::new();
        let head = serde_json::json!({
            "lane": "trial", "speed": self.speed, "clock_error_ms": self.clock_error_ms,
            "ended_at_ms": self.ended_at_ms, "lost": self.lost,
        });
        let _ = writeln!(text, "{head}");
        let mut line = |lane: &str, value: Result<serde_json::Value, serde_json::Error>| {
            // These types hold no map with odd keys: the conversion cannot fail.
            let mut value = value.expect("trace entries are plain data");
            value["lane"] = lane.into();
            let _ = writeln!(text, "{value}");
        };
        for request in &self.requests {
            line("origin", serde_json::to_value(request));
        }
        for entry in &self.page {
            line("page", serde_json::to_value(entry));
        }
        for beat in &self.beats {
            line("beat", serde_json::to_value(beat));
        }
        text
    }

    /// What [`Trace::to_jsonl`] has written. The error names the line, counted from 1.
    pub fn from_jsonl(text: &str) -> Result<Trace, String> {
        let mut trace = Trace::default();
        for (n, line) in text.lines().enumerate() {
            trace.read_line(line).map_err(|error| format!("line {}: {error}", n + 1))?;
        }
        Ok(trace)
    }

    fn read_line(&mut self, line: &str) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "lane", rename_all = "kebab-case")]
        enum Entry {
            Trial { speed: f64, clock_error_ms: f64, ended_at_ms: f64, lost: Vec<String> },
            Origin(Box<Request>),
            Page(PageEntry),
            Beat(Beat),
        }
        match serde_json::from_str(line)? {
            Entry::Trial { speed, clock_error_ms, ended_at_ms, lost } => {
                (self.speed, self.clock_error_ms, self.ended_at_ms, self.lost) =
                    (speed, clock_error_ms, ended_at_ms, lost);
            }
            Entry::Origin(request) => self.requests.push(*request),
            Entry::Page(entry) => self.page.push(entry),
            Entry::Beat(beat) => self.beats.push(beat),
        }
        Ok(())
    }
}

/// By how much a timer on a quiet machine is late.
const JITTER_WALL_MS: f64 = 10.0;
