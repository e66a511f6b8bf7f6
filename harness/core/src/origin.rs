//! The live origin as a state machine with a clock argument.
//!
//! It knows no socket and no clock: a request and the stream time go in, a reply made of steps comes out, and
//! the shell plays it back. Whatever it decides depends on the scenario, the fixture, the time given and the
//! requests before, so the same requests at the same times get the same replies.

mod disturb;
mod media_file;
mod playlist;
mod response;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::exchange::{Ask, Bases, Host, Reply};
use crate::fault::{Cors, Fault, Redirect};
use crate::media::edit::Edit;
use crate::media::{self, SegmentFacts};
use crate::notation::{Moment, Target};
use crate::presentation::Presentation;
use crate::scenario::{Byterange, Clock, Scenario, Uris};
use crate::timeline::Timeline;
use crate::trace::{AUDIO, Content, Resource};
use media_file::MediaFile;
use response::Whole;
pub use response::headers;

#[derive(Debug, Clone)]
pub struct Origin {
    pub timeline: Timeline,
    /// Where its hosts are found; for URIs that say so.
    pub bases: Bases,
    /// Milliseconds since 1970 at stream time zero; for EXT-X-PROGRAM-DATE-TIME.
    pub zero_unix_ms: f64,
    presentation: Arc<Presentation>,
    scenario: Arc<Scenario>,
    faults: Vec<Fault>,
    attempts: BTreeMap<Resource, u64>,
    /// Per fault: when it first met a request.
    first_met_ms: Vec<Option<f64>>,
    /// Per playlist: the number after the newest segment of any version delivered so far.
    listed_end: Vec<Option<u64>>,
    /// Per playlist: the same of the last version delivered that was neither stale nor behind.
    fresh_end: Vec<Option<u64>>,
    /// When the last playlist was answered, by the number of the answer; what a token of a signed URI refers to.
    answered_ms: Vec<f64>,
    file: Option<MediaFile>,
}

/// The names under which the origin publishes, as the documented command makes them from KEY = `live`.
pub const PLAYLIST_PATH: &str = "/live/live.m3u8";
/// The Multivariant Playlist, as `-master_pl_name` would name it.
pub const MULTIVARIANT_PATH: &str = "/live/main.m3u8";
const FOLDER: &str = "/live/";
/// Where a redirect to another folder leads.
const OTHER_FOLDER: &str = "/moved/elsewhere/";
/// With `byterange`, the file that holds init and segments.
const FILE_NAME: &str = "live.m4s";

/// A publication due within this part of a target duration of a reload moves to that reload (`clock = "reload"`).
const RELOAD_REACH_TD: f64 = 0.4;

impl Origin {
    pub fn new(scenario: &Scenario, presentation: Arc<Presentation>) -> Origin {
        let playlists = presentation.playlists().count();
        let faults: Vec<Fault> = scenario.faults().cloned().collect();
        Origin {
            timeline: Timeline::new(scenario, presentation.clone()),
            bases: Bases::default(),
            zero_unix_ms: DATE_UNIX_MS,
            scenario: Arc::new(scenario.clone()),
            attempts: BTreeMap::new(),
            first_met_ms: vec![None; faults.len()],
            listed_end: vec![None; playlists],
            fresh_end: vec![None; playlists],
            answered_ms: Vec::new(),
            file: (scenario.playlist.byterange != Byterange::None).then(|| MediaFile::new(&presentation)),
            faults,
            presentation,
        }
    }

    /// The path that a player is given.
    pub fn entry_path(&self) -> &'static str {
        if self.scenario.is_multivariant() { MULTIVARIANT_PATH } else { PLAYLIST_PATH }
    }

    /// Where the playlists of variants beside the stream's own are found.
    pub fn other_variant_paths(&self) -> impl Iterator<Item = String> + use<> {
        (1..self.presentation.variants()).map(|variant| format!("{FOLDER}{}", playlist_name(variant)))
    }

    /// Where the Audio Rendition's playlist is found, if there is one.
    pub fn audio_path(&self) -> Option<String> {
        self.scenario.audio.as_ref().map(|_| format!("{FOLDER}{}", playlist_name(AUDIO)))
    }

    /// Answers a GET that arrives at `now_ms` stream milliseconds.
    pub fn handle<'a>(&mut self, now_ms: f64, ask: impl Into<Ask<'a>>) -> Reply {
        let ask = ask.into();
        let place = self.place(&ask, now_ms);
        let resource = place.resource;
        let attempt = self.attempts.entry(resource).or_insert(0);
        *attempt += 1;
        let attempt = *attempt;
        let end = self.end(now_ms, resource);
        let fired = self.fired(resource, attempt, end, now_ms, &ask);
        let whole = match resource {
            _ if !place.is_right => not_found(),
            Resource::Multivariant => self.multivariant(),
            Resource::Playlist { variant } => self.playlist(variant, end, now_ms, attempt, &fired, &ask),
            Resource::Init { .. } | Resource::Segment { .. } if self.is_token_bad(&ask, now_ms) => {
                Whole::status(403)
            }
            Resource::Init { variant, .. } => self.init(variant, &ask, end, &fired),
            Resource::Segment { variant, msn, .. } => self.segment(variant, msn, end, now_ms, &fired, &ask),
            Resource::Unknown => self.unknown(&ask, end),
        };
        self.disturb(whole, resource, attempt, fired, &ask, now_ms)
    }

    /// What a GET would be answered with now (RFC 9110, section 9.3.2), which is no request for the media: no attempt is counted, and
    /// no fault has met it.
    pub fn head<'a>(&self, now_ms: f64, ask: impl Into<Ask<'a>>) -> Reply {
        self.clone().handle(now_ms, ask)
    }

    /// Whether a CORS preflight for this resource is granted.
    pub fn preflight<'a>(&self, now_ms: f64, ask: impl Into<Ask<'a>>) -> bool {
        let ask = ask.into();
        let resource = self.place(&ask, now_ms).resource;
        let attempt = self.attempts.get(&resource).copied().unwrap_or(0) + 1;
        let end = self.end(now_ms, resource);
        !(0..self.faults.len()).any(|i| {
            self.faults[i].cors == Some(Cors::Preflight)
                && self.meets(i, resource, attempt, end, now_ms, &ask)
        })
    }

    /// When the media hosts take no connection and end those they have, stream milliseconds; in order, none
    /// within another.
    pub fn refusals(&self) -> Vec<Range<f64>> {
        let ms = |moment: Option<Moment>| moment.map(|moment| self.timeline.moment_ms(moment));
        let mut spans: Vec<Range<f64>> = self
            .faults
            .iter()
            .filter(|fault| fault.refuse)
            .map(|fault| ms(fault.from).unwrap_or(0.0)..ms(fault.until).unwrap_or(f64::INFINITY))
            .collect();
        spans.sort_by(|a, b| a.start.total_cmp(&b.start));
        let mut joined: Vec<Range<f64>> = Vec::new();
        for span in spans {
            match joined.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => joined.push(span),
            }
        }
        joined
    }

    /// The number after the newest segment that this request may know of.
    fn end(&self, now_ms: f64, resource: Resource) -> u64 {
        let reach_ms = match (self.scenario.stream.clock, resource) {
            (Clock::Reload, Resource::Playlist { .. }) => RELOAD_REACH_TD * self.timeline.target_duration_ms,
            _ => 0.0,
        };
        let end = self.timeline.end_at(now_ms + reach_ms);
        self.listed_end.iter().flatten().fold(end, |end, listed| end.max(*listed))
    }

    /// The faults that meet this request, by their index.
    fn fired(&mut self, resource: Resource, attempt: u64, end: u64, now_ms: f64, ask: &Ask) -> Vec<usize> {
        let met: Vec<usize> =
            (0..self.faults.len()).filter(|i| self.meets(*i, resource, attempt, end, now_ms, ask)).collect();
        for i in &met {
            self.first_met_ms[*i].get_or_insert(now_ms);
        }
        met
    }

    fn meets(&self, i: usize, resource: Resource, attempt: u64, end: u64, now_ms: f64, ask: &Ask) -> bool {
        let fault = &self.faults[i];
        let reached = |moment: Moment| match moment {
            Moment::Published(msn) => end > msn,
            Moment::At(_) => now_ms >= self.timeline.moment_ms(moment),
        };
        let is_over = fault.lasting.zip(self.first_met_ms[i]).is_some_and(|(lasting, first_met_ms)| {
            now_ms >= first_met_ms + lasting.ms(self.timeline.target_duration_ms)
        });
        touches(fault, resource)
            && self.is_seen(fault, resource, end)
            && resource.variant().is_none_or(|variant| is_about(fault, variant))
            && fault.nth.is_none_or(|nth| nth.contains(attempt))
            && fault.from.is_none_or(reached)
            && !fault.until.is_some_and(reached)
            && !is_over
            && !self.has_followed(fault, ask)
    }

    /// What changes single entries is said by a playlist that lists them, or would.
    fn is_seen(&self, fault: &Fault, resource: Resource, end: u64) -> bool {
        let Target::Segments { first, last } = fault.on else { return true };
        if !fault.edits_entries() || !resource.is_playlist() {
            return true;
        }
        first < end && last >= self.timeline.first_listed(end)
    }

    /// The request has followed this fault's redirect: another one would send it in circles.
    fn has_followed(&self, fault: &Fault, ask: &Ask) -> bool {
        match fault.redirect {
            None => false,
            Some(Redirect::Folder) => ask.path.starts_with(OTHER_FOLDER),
            Some(Redirect::Host) => ask.host == Host::Second,
            Some(Redirect::Same) => ask.path.contains(REDIRECTED),
        }
    }

    /// What a request is for.
    fn place(&self, ask: &Ask, now_ms: f64) -> Place {
        let (path, _) = ask.path.split_once('?').unwrap_or((ask.path, ""));
        let wrong = Place { resource: Resource::Unknown, is_right: true };
        let Some((folder, name)) =
            [FOLDER, OTHER_FOLDER].into_iter().find_map(|folder| Some((folder, path.strip_prefix(folder)?)))
        else {
            return wrong;
        };
        let end = self.end(now_ms, Resource::Unknown);
        let resource = self.name(name, ask, end);
        // What a playlist lists that is redirected as a whole is found where the redirect leads, and nowhere else.
        let moved = |to: Redirect| {
            self.faults.iter().any(|f| {
                f.redirect == Some(to) && f.on == Target::Playlist && f.nth.is_none() && f.from.is_none()
            })
        };
        let is_list = matches!(resource, Resource::Playlist { .. } | Resource::Multivariant);
        let folder_wanted = if moved(Redirect::Folder) { OTHER_FOLDER } else { FOLDER };
        let host_wanted = match resource {
            _ if moved(Redirect::Host) => Host::Second,
            Resource::Segment { variant, msn, .. } => self.presentation.segment(variant, msn).host,
            _ => ask.host,
        };
        // The ideal player, without hosts, asks where it is.
        let is_host_right = self.bases == Bases::default() || host_wanted == ask.host;
        let redirected = |to: Redirect| self.faults.iter().any(|f| f.redirect == Some(to));
        let is_right = is_list
            || ((folder == folder_wanted || (folder == OTHER_FOLDER && redirected(Redirect::Folder)))
                && (is_host_right || (ask.host == Host::Second && redirected(Redirect::Host))));
        Place { resource, is_right }
    }

    fn name(&self, name: &str, ask: &Ask, end: u64) -> Resource {
        if name == "main.m3u8" {
            return if self.scenario.is_multivariant() { Resource::Multivariant } else { Resource::Unknown };
        }
        for variant in self.presentation.playlists() {
            if name == playlist_name(variant) {
                return Resource::Playlist { variant };
            }
        }
        if self.file.is_some() {
            return self.in_file(name, ask, end);
        }
        if let Some((variant, run, _)) = self.presentation.find_init(name, end) {
            return Resource::Init { variant, run };
        }
        match self.presentation.find(name, end) {
            Some((variant, msn)) => {
                Resource::Segment { variant, run: self.presentation.segment(variant, msn).run, msn }
            }
            None => Resource::Unknown,
        }
    }

    fn init(&self, variant: u8, ask: &Ask, end: u64, fired: &[usize]) -> Whole {
        if self.file.is_some() {
            return self.part_of_file(ask, end, Resource::Init { variant, run: 1 }, fired);
        }
        let name = ask.path.split('?').next().unwrap_or("").rsplit('/').next().unwrap_or("");
        let Some((_, _, bytes)) = self.presentation.find_init(name, end) else { return not_found() };
        let bytes = self.edited(bytes, &[], fired).unwrap_or_else(|| bytes.clone());
        Whole {
            status: 200,
            content_type: "video/mp4",
            content: Content::Init {
                digest: media::digest(moov(&bytes)),
                is_spoiled: self.edits(fired).any(Edit::spoils),
            },
            body: bytes,
            headers: Vec::new(),
        }
    }

    fn segment(&self, variant: u8, msn: u64, end: u64, now_ms: f64, fired: &[usize], ask: &Ask) -> Whole {
        let is_published = msn >= self.timeline.media_sequence && msn < end;
        if !is_published || self.is_gap(variant, msn) || now_ms >= self.timeline.gone_ms(msn) {
            return not_found();
        }
        if self.file.is_some() {
            let run = self.presentation.segment(variant, msn).run;
            return self.part_of_file(ask, end, Resource::Segment { variant, run, msn }, fired);
        }
        let (body, facts) = self.media(variant, msn, fired);
        Whole {
            status: 200,
            content_type: "video/iso.segment",
            body,
            content: Content::Segment(facts),
            headers: Vec::new(),
        }
    }

    /// A segment's bytes as they are served, and what they hold.
    fn media(&self, variant: u8, msn: u64, fired: &[usize]) -> (Arc<[u8]>, SegmentFacts) {
        let segment = self.presentation.segment(variant, msn);
        let (mut body, mut facts) = (segment.part.bytes.clone(), segment.part.facts.clone());
        if segment.offset_s != 0.0 {
            let mut shifted = body.to_vec();
            if media::shift_tfdt(&mut shifted, segment.tracks, segment.offset_s).is_ok() {
                body = shifted.into();
                facts.start_s += segment.offset_s;
            }
        }
        match self.edited(&body, segment.tracks, fired) {
            Some(edited) => {
                let facts = media::facts_of_edited(&edited, segment.tracks, facts);
                let is_spoiled = self.edits(fired).any(Edit::spoils);
                (edited, SegmentFacts { is_spoiled, ..facts })
            }
            None => (body, facts),
        }
    }

    /// The bytes with the media edits of the faults that have met the request.
    fn edited(&self, bytes: &[u8], tracks: &[media::Track], fired: &[usize]) -> Option<Arc<[u8]>> {
        let mut edited: Option<Vec<u8>> = None;
        for edit in self.edits(fired) {
            // Whether an edit can be made of these media was tried when the scenario was opened.
            if let Ok(bytes) = edit.apply(edited.as_deref().unwrap_or(bytes), tracks) {
                edited = Some(bytes);
            }
        }
        edited.map(Arc::from)
    }

    fn edits(&self, fired: &[usize]) -> impl Iterator<Item = &Edit> {
        fired.iter().flat_map(|i| self.faults[*i].media.iter().flat_map(|edits| edits.0.iter()))
    }

    /// Which media edits cannot be made of the media that they are for.
    pub fn impossible_edits(&self) -> Vec<String> {
        let mut impossible = Vec::new();
        for fault in &self.faults {
            let Some(edits) = &fault.media else { continue };
            for variant in self.presentation.playlists().filter(|variant| is_about(fault, *variant)) {
                let (bytes, tracks) = match fault.on.first_segment() {
                    Some(msn) => {
                        let msn = msn.max(self.timeline.media_sequence);
                        let segment = self.presentation.segment(variant, msn);
                        (segment.part.bytes.clone(), segment.tracks)
                    }
                    None => {
                        let media = self.presentation.first(variant);
                        (media.init.clone(), &media.tracks[..])
                    }
                };
                let mut bytes = bytes.to_vec();
                for edit in &edits.0 {
                    match edit.apply(&bytes, tracks) {
                        Ok(edited) => bytes = edited,
                        Err(error) => {
                            let of = if variant == AUDIO { " of the audio" } else { "" };
                            impossible.push(format!("`media = \"{edit}\"` on {}{of}: {error}", fault.on));
                        }
                    }
                }
            }
        }
        impossible
    }

    fn unknown(&self, ask: &Ask, end: u64) -> Whole {
        let path = ask.path.split('?').next().unwrap_or("");
        let is_file = self.file.is_some() && path.strip_prefix(FOLDER) == Some(FILE_NAME);
        if is_file { self.part_of_file(ask, end, Resource::Unknown, &[]) } else { not_found() }
    }

    fn is_gap(&self, variant: u8, msn: u64) -> bool {
        self.faults.iter().any(|f| f.gap && f.on.has_segment(msn) && is_about(f, variant))
    }

    /// A signed URI answers for a while only, and only with a token that was once given out.
    fn is_token_bad(&self, ask: &Ask, now_ms: f64) -> bool {
        if self.scenario.playlist.uris != Uris::Signed {
            return false;
        }
        let issued_ms = token(ask.path).and_then(|answer| self.answered_ms.get(answer).copied());
        let expires_ms = self
            .scenario
            .playlist
            .expires
            .map_or(f64::INFINITY, |expires| expires.ms(self.timeline.target_duration_ms));
        issued_ms.is_none_or(|issued_ms| now_ms > issued_ms + expires_ms)
    }
}

/// What a request is for, and whether it came to the right folder and host for it.
struct Place {
    resource: Resource,
    is_right: bool,
}

/// The number of the answer that a signed URI came with.
fn token(path: &str) -> Option<usize> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("token="))?.parse().ok()
}

/// Whether the fault is about what this variant, or the Audio Rendition, lists.
fn is_about(fault: &Fault, variant: u8) -> bool {
    fault.variant.is_none_or(|of| of == variant)
        && fault.audio.is_none_or(|audio| audio == (variant == AUDIO))
}

/// Whether the fault is about this resource.
fn touches(fault: &Fault, resource: Resource) -> bool {
    let is_playlist = resource.is_playlist();
    match (fault.on, resource) {
        (Target::Any, Resource::Unknown) => false,
        (Target::Any, _) => true,
        (Target::Playlist, _) => is_playlist,
        (Target::Multivariant, Resource::Multivariant) | (Target::Init, Resource::Init { .. }) => true,
        (Target::Segments { .. }, Resource::Playlist { .. }) => fault.edits_entries(),
        // A gap is said by the playlist; a request for it gets its 404, and the fault has met it.
        (Target::Segments { .. }, Resource::Segment { msn, .. }) => {
            fault.on.has_segment(msn) && (fault.gap || !fault.edits_entries())
        }
        _ => false,
    }
}

fn playlist_name(variant: u8) -> String {
    match variant {
        0 => "live.m3u8".into(),
        AUDIO => "audio.m3u8".into(),
        _ => format!("v{variant}.m3u8"),
    }
}

fn not_found() -> Whole {
    Whole::status(404)
}

/// The part of an init segment that says what it is; the page digests the same.
fn moov(init: &[u8]) -> &[u8] {
    media::top_level(init, b"moov").unwrap_or(init)
}

/// The query by which a redirect to the same path is known.
const REDIRECTED: &str = "redirected=1";
/// 2026-01-01T00:00:00Z, where nobody says what time it is.
const DATE_UNIX_MS: f64 = 1_767_225_600_000.0;
