//! The live origin as a state machine with a clock argument.
//!
//! It knows no socket and no clock: a request and the stream time go in, a reply made of steps comes out, and
//! the shell plays it back. Whatever it decides depends on the scenario, the fixture, the time given and the
//! requests before, so the same requests at the same times get the same replies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::exchange::{Ask, Bases, Framing, Reply, Step};
use crate::fault::{ContentLength, Fault};
use crate::hls::{MediaPlaylist, MediaSegment};
use crate::media::{self, MediaError, SegmentFacts, Track};
use crate::notation::{Moment, Part, Target};
use crate::scenario::{Clock, Scenario};
use crate::timeline::Timeline;
use crate::trace::{Content, Resource};

/// The media that an origin publishes: one encoder run, cut into segments, played in laps.
#[derive(Debug, Clone)]
pub struct Media {
    pub target_duration_s: u32,
    pub init: Arc<[u8]>,
    pub tracks: Vec<Track>,
    pub segments: Vec<MediaPart>,
}

/// One segment of the fixture.
#[derive(Debug, Clone)]
pub struct MediaPart {
    pub bytes: Arc<[u8]>,
    pub duration_s: f64,
    pub facts: SegmentFacts,
}

impl Media {
    /// Reads what the suite has to know of a fixture's bytes; `segments` come with their durations in seconds.
    pub fn new(
        target_duration_s: u32,
        init: Vec<u8>,
        segments: Vec<(Vec<u8>, f64)>,
    ) -> Result<Media, MediaError> {
        let tracks = media::tracks(&init)?;
        let segments = segments
            .into_iter()
            .map(|(bytes, duration_s)| {
                let facts = media::segment_facts(&bytes, &tracks)?;
                Ok(MediaPart { bytes: bytes.into(), duration_s, facts })
            })
            .collect::<Result<Vec<_>, MediaError>>()?;
        if segments.is_empty() {
            return Err(MediaError::Missing("moof"));
        }
        Ok(Media { target_duration_s, init: init.into(), tracks, segments })
    }

    /// One lap's length, seconds: the video's, so that picture and sound stay together over laps.
    pub fn lap_s(&self) -> f64 {
        self.segments.iter().map(|s| s.facts.duration_s).sum()
    }
}

#[derive(Debug, Clone)]
pub struct Origin {
    pub timeline: Timeline,
    /// Where its hosts are reached, for the URLs that name one.
    pub bases: Bases,
    faults: Vec<Fault>,
    clock: Clock,
    media: Arc<Media>,
    attempts: BTreeMap<Resource, u64>,
    /// The newest segment of any playlist delivered so far.
    listed_newest: Option<u64>,
    /// The newest segment of the last playlist delivered that was not stale.
    fresh_newest: Option<u64>,
}

/// The names under which the origin publishes, as the documented command makes them from KEY = `live`.
pub const PLAYLIST_PATH: &str = "/live/live.m3u8";
const INIT_NAME: &str = "live.mp4";
const FOLDER: &str = "/live/";

/// A publication due within this part of a target duration of a reload moves to that reload (`clock = "reload"`).
const RELOAD_REACH_TD: f64 = 0.4;

impl Origin {
    pub fn new(scenario: &Scenario, media: Arc<Media>) -> Origin {
        let lap_ms = media.segments.iter().map(|s| s.duration_s * 1000.0).collect();
        let target_duration_ms = f64::from(media.target_duration_s) * 1000.0;
        Origin {
            timeline: Timeline::new(scenario, lap_ms, target_duration_ms),
            bases: Bases::default(),
            faults: scenario.faults().cloned().collect(),
            clock: scenario.stream.clock,
            media,
            attempts: BTreeMap::new(),
            listed_newest: None,
            fresh_newest: None,
        }
    }

    /// Answers a GET that arrives at `now_ms` stream milliseconds.
    pub fn handle<'a>(&mut self, now_ms: f64, ask: impl Into<Ask<'a>>) -> Reply {
        let ask = ask.into();
        let resource = resource(ask.path);
        let attempt = self.attempts.entry(resource).or_insert(0);
        *attempt += 1;
        let attempt = *attempt;
        let newest = self.newest(now_ms, resource);
        let fired: Vec<usize> = self
            .faults
            .iter()
            .enumerate()
            .filter(|(_, fault)| self.meets(fault, resource, attempt, newest, now_ms))
            .map(|(i, _)| i)
            .collect();
        let whole = match resource {
            Resource::Playlist => self.playlist(newest, &fired),
            Resource::Init { .. } => self.init(),
            Resource::Segment { msn, .. } => self.segment(msn, newest, now_ms),
            Resource::Unknown => not_found(),
        };
        self.disturb(whole, resource, attempt, fired)
    }

    /// Whether a CORS preflight for this resource is granted.
    pub fn preflight<'a>(&self, _now_ms: f64, _ask: impl Into<Ask<'a>>) -> bool {
        true
    }

    /// When the media hosts take no connection and end those they have, stream milliseconds; in order, none
    /// within another.
    pub fn refusals(&self) -> Vec<std::ops::Range<f64>> {
        Vec::new()
    }

    /// The newest segment that this request may know of.
    fn newest(&self, now_ms: f64, resource: Resource) -> u64 {
        let reach = match (self.clock, resource) {
            (Clock::Reload, Resource::Playlist) => RELOAD_REACH_TD * self.timeline.target_duration_ms,
            _ => 0.0,
        };
        let newest = self.timeline.newest_at(now_ms + reach);
        self.listed_newest.map_or(newest, |listed| newest.max(listed))
    }

    fn meets(&self, fault: &Fault, resource: Resource, attempt: u64, newest: u64, now_ms: f64) -> bool {
        // A gap is said by the playlist, too.
        let touched = touches(fault, resource) || (fault.gap && resource == Resource::Playlist);
        let reached = |moment: Moment| match moment {
            Moment::Published(msn) => newest >= msn,
            Moment::At(_) => now_ms >= self.timeline.moment_ms(moment),
        };
        touched
            && fault.nth.is_none_or(|nth| nth.contains(attempt))
            && fault.from.is_none_or(reached)
            && !fault.until.is_some_and(reached)
    }

    fn playlist(&mut self, newest: u64, fired: &[usize]) -> Whole {
        let is_stale = fired.iter().any(|i| self.faults[*i].stale);
        let newest = match (is_stale, self.fresh_newest) {
            (true, Some(old)) => old,
            _ => newest,
        };
        let answered = !fired.iter().any(|i| self.faults[*i].status.is_some());
        if answered && !is_stale {
            self.fresh_newest = Some(newest);
        }
        if answered {
            self.listed_newest = self.listed_newest.max(Some(newest));
        }
        let first = self.timeline.first_listed(newest);
        let entry = |msn| MediaSegment {
            uri: format!("live{msn}.m4s"),
            duration_s: self.timeline.duration_ms(msn) / 1000.0,
            gap: self.is_gap(msn),
        };
        let text = MediaPlaylist {
            target_duration_s: self.media.target_duration_s,
            media_sequence: first,
            map_uri: INIT_NAME.to_string(),
            segments: (first..=newest).map(entry).collect(),
            ended: self.timeline.last_msn == Some(newest),
        }
        .render();
        Whole {
            status: 200,
            content_type: "application/vnd.apple.mpegurl",
            body: text.as_bytes().into(),
            content: Content::Playlist { text },
        }
    }

    fn init(&self) -> Whole {
        Whole {
            status: 200,
            content_type: "video/mp4",
            body: self.media.init.clone(),
            content: Content::Init { digest: media::digest(moov(&self.media.init)) },
        }
    }

    fn segment(&self, msn: u64, newest: u64, now_ms: f64) -> Whole {
        let published = msn >= self.timeline.media_sequence && msn <= newest;
        if !published || self.is_gap(msn) || now_ms >= self.timeline.gone_ms(msn) {
            return not_found();
        }
        let index = msn - self.timeline.media_sequence;
        let laps = index / self.media.segments.len() as u64;
        let part = &self.media.segments[index as usize % self.media.segments.len()];
        let (mut body, mut facts) = (part.bytes.clone(), part.facts.clone());
        if laps > 0 {
            let offset_s = laps as f64 * self.media.lap_s();
            let mut shifted = body.to_vec();
            if media::shift_tfdt(&mut shifted, &self.media.tracks, offset_s).is_ok() {
                body = shifted.into();
                facts.start_s += offset_s;
            }
        }
        Whole { status: 200, content_type: "video/iso.segment", body, content: Content::Segment(facts) }
    }

    fn is_gap(&self, msn: u64) -> bool {
        self.faults.iter().any(|f| {
            f.gap && matches!(f.on, Target::Segments { first, last } if (first..=last).contains(&msn))
        })
    }

    /// Applies the faults that touch the transfer, in the order that [`crate::fault`] documents.
    fn disturb(&self, mut whole: Whole, resource: Resource, attempt: u64, fired: Vec<usize>) -> Reply {
        // A gap that the playlist says leaves the playlist's own transfer alone.
        let faults = || fired.iter().map(|i| &self.faults[*i]).filter(|fault| touches(fault, resource));
        if let Some(status) = faults().filter_map(|f| f.status).next_back() {
            whole = Whole::status(status);
        }
        let length = whole.body.len();
        let part = |get: fn(&Fault) -> Option<Part>, of: usize| {
            faults().filter_map(get).next_back().map(|p| p.of(of))
        };
        let cut = part(|f| f.truncate, length);
        // What a hang or a reset leaves of a body that is cut is a part of what was left.
        let left = cut.unwrap_or(length);
        let is_lying = faults().filter_map(|f| f.content_length).next_back() == Some(ContentLength::Lying);
        let td = self.timeline.target_duration_ms;
        let wait_ms: f64 = faults().filter_map(|f| f.delay).map(|delay| delay.ms(td)).sum();

        let mut steps = Vec::new();
        if wait_ms > 0.0 {
            steps.push(Step::Wait(wait_ms));
        }
        steps.push(Step::Head);
        match (part(|f| f.reset, left), part(|f| f.hang, left), cut) {
            (Some(at), _, _) => steps.extend([Step::BodyTo(at), Step::Reset]),
            (_, Some(at), _) => steps.extend([Step::BodyTo(at), Step::Hang]),
            (_, _, Some(at)) if is_lying => steps.extend([Step::BodyTo(at), Step::Close]),
            (_, _, Some(at)) => steps.push(Step::BodyTo(at)),
            _ => steps.push(Step::BodyTo(length)),
        }
        let content_length = if is_lying { length } else { left };
        Reply {
            resource,
            attempt,
            status: whole.status,
            headers: headers(whole.content_type),
            framing: framing(whole.status, content_length),
            body: whole.body,
            content: whole.content,
            steps,
            fired,
        }
    }
}

/// The headers of every reply: another origin may read it, and nobody keeps it.
pub fn headers(content_type: &str) -> Vec<(String, String)> {
    [("content-type", content_type), ("access-control-allow-origin", "*"), ("cache-control", "no-store")]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .to_vec()
}

fn framing(status: u16, content_length: usize) -> Framing {
    match status {
        204 | 304 => Framing::Bodiless,
        _ => Framing::Length(content_length),
    }
}

/// Whether the fault is about this resource.
fn touches(fault: &Fault, resource: Resource) -> bool {
    match (fault.on, resource) {
        (Target::Any, Resource::Playlist | Resource::Init { .. } | Resource::Segment { .. }) => true,
        (Target::Playlist, Resource::Playlist) | (Target::Init, Resource::Init { .. }) => true,
        (Target::Segments { first, last }, Resource::Segment { msn, .. }) => (first..=last).contains(&msn),
        _ => false,
    }
}

/// A reply before any fault touches its transfer.
struct Whole {
    status: u16,
    content_type: &'static str,
    body: Arc<[u8]>,
    content: Content,
}

impl Whole {
    /// A status with a short body, as servers send it.
    fn status(status: u16) -> Whole {
        Whole {
            status,
            content_type: "text/plain",
            body: format!("status {status}\n").into_bytes().into(),
            content: Content::Nothing,
        }
    }
}

fn not_found() -> Whole {
    Whole::status(404)
}

/// What a request path names; a query is ignored.
pub fn resource(path: &str) -> Resource {
    let path = path.split('?').next().unwrap_or("");
    let Some(name) = path.strip_prefix(FOLDER) else { return Resource::Unknown };
    if path == PLAYLIST_PATH {
        return Resource::Playlist;
    }
    if name == INIT_NAME {
        return Resource::Init { run: 1 };
    }
    let number = name.strip_prefix("live").and_then(|rest| rest.strip_suffix(".m4s"));
    // Only the name that a playlist lists is one: no sign, no leading zero.
    match number.and_then(|n| n.parse::<u64>().ok().filter(|msn| msn.to_string() == n)) {
        Some(msn) => Resource::Segment { run: 1, msn },
        None => Resource::Unknown,
    }
}

/// The part of an init segment that says what it is; the page digests the same.
fn moov(init: &[u8]) -> &[u8] {
    media::top_level(init, b"moov").unwrap_or(init)
}
