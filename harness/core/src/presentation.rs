//! What is published: for each segment its media, name, number and timestamps, through restarts and ad breaks.
//!
//! A segment is known by the number it would have if nothing ever restarted: scenarios, trace and rules count it
//! so. In a plain stream that is its Media Sequence Number; after a restart the playlist may give it another one.
//! When it is published is the [`Timeline`](crate::timeline::Timeline)'s affair.

use std::sync::Arc;

use crate::exchange::Host;
use crate::media::{self, MediaError, SegmentFacts, Track};
use crate::notation::Moment;
use crate::scenario::{Encoder, Init, List, Names, Naming, Restart, Scenario, Sequence, Timestamps};
use crate::trace::AUDIO;

/// The media of one encoder run of a fixture, cut into segments, played in laps.
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

    /// Joins segments: the pattern says how many of them make each new one, in turn. The last one takes what is left of
    /// the lap: picture and sound end together only there, and the next lap must follow without a hole.
    /// Fragments of fMP4 follow each other in one segment as they do in two (ISO/IEC 14496-12, 8.8).
    pub fn joined(self, pattern: &[u32]) -> Result<Media, MediaError> {
        if pattern.is_empty() {
            return Ok(self);
        }
        let mut left = self.segments.into_iter().peekable();
        let mut joined = Vec::new();
        for count in pattern.iter().cycle() {
            if left.peek().is_none() {
                break;
            }
            let parts: Vec<MediaPart> = left.by_ref().take(*count as usize).collect();
            let bytes = parts.iter().flat_map(|part| part.bytes.iter().copied()).collect::<Vec<u8>>();
            joined.push((bytes, parts.iter().map(|part| part.duration_s).sum()));
        }
        let longest_s = joined.iter().map(|(_, duration_s): &(Vec<u8>, f64)| *duration_s).fold(0.0, f64::max);
        // RFC 8216, 4.3.3.1: rounded, no segment is longer.
        Media::new(longest_s.round() as u32, self.init.to_vec(), joined)
    }

    /// One lap's length, seconds: the video's, so that picture and sound stay together over laps.
    pub fn lap_s(&self) -> f64 {
        self.segments.iter().map(|s| s.facts.duration_s).sum()
    }

    /// When the media of the segment `index` begin, laps counted, seconds.
    fn start_s(&self, index: u64) -> f64 {
        let n = self.segments.len() as u64;
        (index / n) as f64 * self.lap_s() + self.segments[(index % n) as usize].facts.start_s
    }

    pub fn has_picture(&self) -> bool {
        self.segments.iter().any(|part| part.facts.frames > 0)
    }
}

/// A fixture, as one encoder run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    pub fixture: String,
    /// The run id that its frames carry.
    pub run: u8,
}

/// The sources of a scenario, in the order in which [`Presentation::new`] wants their media. The first is the
/// stream's own.
pub fn sources(scenario: &Scenario) -> Vec<Source> {
    let mut all: Vec<Source> = Vec::new();
    for epoch in outline(scenario) {
        for source in epoch.sources {
            if !all.contains(&source) {
                all.push(source);
            }
        }
    }
    all
}

#[derive(Debug, Clone)]
pub struct Presentation {
    /// Number of the first segment.
    pub media_sequence: u64,
    epochs: Vec<Epoch>,
    media: Vec<(Source, Arc<Media>)>,
    has_audio: bool,
}

/// A stretch of segments made the same way.
#[derive(Debug, Clone)]
struct Epoch {
    first: u64,
    /// One per variant, then that of the Audio Rendition.
    sources: Vec<Source>,
    /// What EXT-X-MEDIA-SEQUENCE says of its first segment, by each of them.
    sequences: Vec<u64>,
    /// Which segment of the source its first one is, laps counted.
    index: u64,
    timestamps: Timestamps,
    /// Added to the media's own timestamps, seconds; known when the media are.
    offset_s: f64,
    prefix: String,
    /// Its first segment's number within the name.
    name: u64,
    init: String,
    /// Whether its init is the source's own; else that of the epoch before.
    init_run: u8,
    discontinuity: bool,
    clears: bool,
    map_again: bool,
    host: Host,
    /// It goes on with what was before the epoch before it.
    returns: bool,
}

/// All there is to know of one segment of one variant.
#[derive(Debug, Clone)]
pub struct Segment<'a> {
    pub part: &'a MediaPart,
    pub tracks: &'a [Track],
    pub run: u8,
    /// Added to the media's timestamps, seconds.
    pub offset_s: f64,
    /// Number of its first frame, as burnt into the picture.
    pub first_frame: u64,
    pub name: String,
    /// What EXT-X-MEDIA-SEQUENCE would say of it.
    pub sequence: u64,
    pub init: &'a str,
    /// Its epoch: where that changes, other media begin.
    pub epoch: usize,
    pub is_first_of_epoch: bool,
    pub discontinuity: bool,
    pub map_again: bool,
    pub host: Host,
}

impl Presentation {
    /// `media` in the order of [`sources`].
    pub fn new(scenario: &Scenario, media: &[Arc<Media>]) -> Presentation {
        let media: Vec<_> = sources(scenario).into_iter().zip(media.iter().cloned()).collect();
        let mut presentation = Presentation {
            media_sequence: scenario.stream.media_sequence,
            epochs: outline(scenario),
            media,
            has_audio: scenario.audio.is_some(),
        };
        presentation.place(f64::from(presentation.target_duration_s()) * 1000.0);
        presentation
    }

    /// Settles the timestamps of each epoch.
    fn place(&mut self, target_duration_ms: f64) {
        for i in 1..self.epochs.len() {
            let (epoch, before) = (&self.epochs[i], &self.epochs[i - 1]);
            let kept_s = {
                let media = self.media_of(&before.sources[0]);
                media.start_s(before.index + (epoch.first - before.first)) + before.offset_s
            };
            let own_s = self.media_of(&epoch.sources[0]).start_s(epoch.index);
            self.epochs[i].offset_s = match epoch.timestamps {
                // What goes on as before has the timestamps that it would have had.
                Timestamps::Keep if epoch.returns => self.epochs[i - 2].offset_s,
                Timestamps::Keep => kept_s - own_s,
                Timestamps::Reset => -own_s,
                Timestamps::By(shift) => kept_s - own_s + shift.ms(target_duration_ms) / 1000.0,
            };
        }
    }

    fn media_of(&self, source: &Source) -> &Arc<Media> {
        &self.media.iter().find(|(s, _)| s == source).expect("media for each of the scenario's sources").1
    }

    /// The media that a variant, or the Audio Rendition, begins with.
    pub fn first(&self, variant: u8) -> &Arc<Media> {
        self.media_of(&self.epochs[0].sources[self.place_of(variant)])
    }

    /// The media of the stream itself.
    pub fn main(&self) -> &Arc<Media> {
        self.first(0)
    }

    /// EXT-X-TARGETDURATION: no segment of any source is longer.
    pub fn target_duration_s(&self) -> u32 {
        self.media.iter().map(|(_, media)| media.target_duration_s).max().unwrap_or(1)
    }

    /// The fixture of a variant whose segments are not like the stream's, one by one, in duration and, if it has a picture, frames: it could
    /// not be told from another one of the same number once the shorter lap begins anew.
    pub fn uneven_variant(&self) -> Option<&str> {
        let main = self.main();
        let is_even = |part: &MediaPart, other: &MediaPart| {
            let off_s = (part.duration_s - other.duration_s).abs();
            match other.facts.frames {
                // The sound alone, which is cut at frames of its own.
                0 => off_s < AUDIO_OFF_S,
                frames => part.facts.frames == frames && off_s < UNEVEN_S,
            }
        };
        let mut variants = self.epochs[0].sources.iter().take(usize::from(self.variants())).skip(1);
        let uneven = variants.find(|source| {
            let media = self.media_of(source);
            let pairs = || main.segments.iter().zip(&media.segments);
            main.segments.len() != media.segments.len() || !pairs().all(|(a, b)| is_even(a, b))
        });
        uneven.map(|source| source.fixture.as_str())
    }

    /// The fixture of the Audio Rendition, if it does not go beside the stream's own, segment by segment, or has a picture.
    pub fn unfit_audio(&self) -> Option<&str> {
        let source = self.has_audio.then(|| &self.epochs[0].sources[self.place_of(AUDIO)])?;
        let (main, audio) = (self.main(), self.media_of(source));
        let mut pairs = main.segments.iter().zip(&audio.segments);
        let is_beside = pairs.all(|(a, b)| (a.duration_s - b.duration_s).abs() < AUDIO_OFF_S);
        let is_fit = main.segments.len() == audio.segments.len() && is_beside && !audio.has_picture();
        (!is_fit).then_some(source.fixture.as_str())
    }

    pub fn variants(&self) -> u8 {
        self.epochs[0].sources.len() as u8 - u8::from(self.has_audio)
    }

    /// The variants, then the Audio Rendition: each has a Media Playlist.
    pub fn playlists(&self) -> impl Iterator<Item = u8> + use<> {
        (0..self.variants()).chain(self.has_audio.then_some(AUDIO))
    }

    /// Which of the playlists it is.
    pub fn place_of(&self, variant: u8) -> usize {
        usize::from(variant.min(self.variants()))
    }

    fn epoch_of(&self, msn: u64) -> usize {
        self.epochs.partition_point(|epoch| epoch.first <= msn).saturating_sub(1)
    }

    /// The number after the last of the epoch that begins before it.
    fn epoch_end(&self, epoch: usize) -> u64 {
        self.epochs.get(epoch + 1).map_or(u64::MAX, |next| next.first)
    }

    /// The segment of that number, which is not below the first.
    pub fn segment(&self, variant: u8, msn: u64) -> Segment<'_> {
        let number = self.epoch_of(msn);
        let epoch = &self.epochs[number];
        let source = &epoch.sources[self.place_of(variant)];
        let media = self.media_of(source);
        let since = msn - epoch.first;
        let (lap, i) = lap(epoch.index + since, media);
        let part = &media.segments[i];
        Segment {
            part,
            tracks: &media.tracks,
            run: source.run,
            // The laps are the picture's: sound begins anew with it.
            offset_s: lap as f64 * self.media_of(&epoch.sources[0]).lap_s() + epoch.offset_s,
            first_frame: media.segments[..i].iter().map(|part| u64::from(part.facts.frames)).sum(),
            name: format!("{}{}{}.m4s", variant_prefix(variant), epoch.prefix, epoch.name + since),
            sequence: epoch.sequences[self.place_of(variant)].saturating_add(since),
            init: &epoch.init,
            epoch: number,
            is_first_of_epoch: since == 0,
            discontinuity: epoch.discontinuity && since == 0,
            map_again: epoch.map_again,
            host: epoch.host,
        }
    }

    pub fn duration_s(&self, msn: u64) -> f64 {
        self.segment(0, msn).part.duration_s
    }

    /// Durations of these segments together, seconds. Whole laps are not added up one by one: a stream may list
    /// thousands of segments and go on for thousands.
    pub fn durations_s(&self, msns: std::ops::Range<u64>) -> f64 {
        let mut sum = 0.0;
        let mut at = msns.start;
        while at < msns.end {
            let number = self.epoch_of(at);
            let epoch = &self.epochs[number];
            let end = self.epoch_end(number).min(msns.end);
            let media = self.media_of(&epoch.sources[0]);
            let before = |index: u64| {
                let (laps, i) = lap(index, media);
                let lap_s: f64 = media.segments.iter().map(|part| part.duration_s).sum();
                laps as f64 * lap_s + media.segments[..i].iter().map(|part| part.duration_s).sum::<f64>()
            };
            sum += before(epoch.index + (end - epoch.first)) - before(epoch.index + (at - epoch.first));
            at = end;
        }
        sum
    }

    /// The first number that may be listed together with `msn`: a new list began there.
    pub fn list_begins(&self, msn: u64) -> u64 {
        let clearing = self.epochs.iter().filter(|epoch| epoch.clears && epoch.first <= msn);
        clearing.map(|epoch| epoch.first).max().unwrap_or(self.media_sequence)
    }

    /// The number with which the list that holds `msn` is given up, if it ever is.
    pub fn list_ends(&self, msn: u64) -> Option<u64> {
        self.epochs.iter().filter(|epoch| epoch.clears && epoch.first > msn).map(|epoch| epoch.first).min()
    }

    /// Which segment a name means while the segments below `end` are published: names may come again, and what is
    /// newer has taken the place of what was older.
    pub fn find(&self, name: &str, end: u64) -> Option<(u8, u64)> {
        let stem = name.strip_suffix(".m4s")?;
        for variant in self.playlists() {
            let Some(rest) = stem.strip_prefix(variant_prefix(variant).as_str()) else { continue };
            let mut unpublished = None;
            for (i, epoch) in self.epochs.iter().enumerate().rev() {
                let Some(digits) = rest.strip_prefix(epoch.prefix.as_str()) else { continue };
                // Only the name that a playlist lists is one: no sign, no leading zero.
                let number = digits.parse::<u64>().ok().filter(|n| n.to_string() == digits);
                let Some(since) = number.and_then(|n| n.checked_sub(epoch.name)) else { continue };
                let Some(msn) = epoch.first.checked_add(since).filter(|msn| *msn < self.epoch_end(i)) else {
                    continue;
                };
                if msn < end {
                    return Some((variant, msn));
                }
                unpublished = Some((variant, msn));
            }
            if unpublished.is_some() {
                return unpublished;
            }
        }
        None
    }

    /// Which init a name means while the segments below `end` are published: variant, run and bytes.
    pub fn find_init(&self, name: &str, end: u64) -> Option<(u8, u8, &Arc<[u8]>)> {
        for variant in self.playlists() {
            let Some(rest) = name.strip_prefix(variant_prefix(variant).as_str()) else { continue };
            let named = |epoch: &&Epoch| epoch.init == rest;
            let published = self.epochs.iter().rev().filter(named).find(|epoch| epoch.first < end);
            let Some(epoch) = published.or_else(|| self.epochs.iter().find(named)) else { continue };
            let run = epoch.init_run;
            let fixture = |epoch: &&Epoch| epoch.sources[0].run == run;
            let made_by = self.epochs.iter().find(fixture).unwrap_or(epoch);
            let source = &made_by.sources[self.place_of(variant)];
            return Some((variant, run, &self.media_of(source).init));
        }
        None
    }

    /// How many EXT-X-DISCONTINUITY stand before segments below `msn`.
    pub fn discontinuities_before(&self, msn: u64) -> u64 {
        self.epochs.iter().filter(|epoch| epoch.discontinuity && epoch.first < msn).count() as u64
    }
}

/// Laps that have gone by, and the place within the lap.
fn lap(index: u64, media: &Media) -> (u64, usize) {
    let n = media.segments.len() as u64;
    (index / n, (index % n) as usize)
}

/// What stands before a variant's names; the first one's are the documented command's.
pub fn variant_prefix(variant: u8) -> String {
    match variant {
        0 => String::new(),
        AUDIO => "audio-".into(),
        _ => format!("v{variant}-"),
    }
}

/// The epochs as far as they are known without media.
fn outline(scenario: &Scenario) -> Vec<Epoch> {
    let stream = &scenario.stream;
    let first = stream.media_sequence;
    let name = match scenario.playlist.names {
        Naming::Number => first,
        Naming::Other => OTHER_NAMES_FROM,
    };
    let prefix = match scenario.playlist.names {
        Naming::Number => "live",
        Naming::Other => "camera",
    };
    let mut fixtures = vec![stream.fixture.clone()];
    fixtures.extend(scenario.variant.iter().map(|variant| variant.fixture.clone()));
    fixtures.extend(scenario.audio.iter().map(|audio| audio.fixture.clone()));
    let mut sequences = vec![first];
    sequences.extend(scenario.variant.iter().map(|variant| variant.media_sequence.unwrap_or(first)));
    sequences.extend(scenario.audio.iter().map(|audio| audio.media_sequence.unwrap_or(first)));
    let main = Epoch {
        first,
        sources: fixtures.iter().map(|fixture| Source { fixture: fixture.clone(), run: 1 }).collect(),
        index: 0,
        timestamps: Timestamps::Keep,
        offset_s: 0.0,
        prefix: prefix.to_string(),
        name,
        sequences,
        init: INIT_NAME.to_string(),
        init_run: 1,
        discontinuity: false,
        clears: false,
        map_again: false,
        host: Host::First,
        returns: false,
    };
    let mut epochs = vec![main];
    for (restart, run) in scenario.restart.iter().zip(2u8..) {
        let restart = restart.get_ref();
        let Some(at) = published(restart.at) else { continue };
        let before = epochs[epochs.len() - 1].clone();
        let new = restarted(restart, run, at, &before, &fixtures);
        epochs.push(new.clone());
        if let Some(until) = restart.until.and_then(published) {
            epochs.push(Epoch {
                first: until,
                index: before.index + (until - before.first),
                timestamps: Timestamps::Keep,
                name: before.name + (until - before.first),
                sequences: later(&new.sequences, until - at),
                discontinuity: restart.discontinuity,
                clears: false,
                map_again: new.map_again,
                returns: true,
                ..before
            });
        }
    }
    epochs
}

fn restarted(restart: &Restart, run: u8, at: u64, before: &Epoch, fixtures: &[String]) -> Epoch {
    let since = at - before.first;
    let is_new = restart.encoder == Encoder::New;
    let sources: Vec<Source> = match (is_new, &restart.fixture) {
        (false, _) => before.sources.clone(),
        (true, fixture) => fixtures
            .iter()
            .enumerate()
            .map(|(variant, own)| {
                let fixture = if variant == 0 { fixture.as_ref().unwrap_or(own) } else { own };
                Source { fixture: fixture.clone(), run }
            })
            .collect(),
    };
    let (prefix, name) = match restart.names {
        Names::Keep => (before.prefix.clone(), before.name + since),
        Names::Reset => ("live".to_string(), 0),
        Names::New => (format!("run{run}-"), 0),
    };
    let own_run = sources[0].run;
    let (init, init_run) = match restart.init {
        Init::Keep => (before.init.clone(), before.init_run),
        Init::Rewrite => (before.init.clone(), own_run),
        Init::New => (format!("run{run}.mp4"), own_run),
    };
    Epoch {
        first: at,
        sources,
        index: if is_new { 0 } else { before.index + since },
        timestamps: restart.timestamps,
        offset_s: 0.0,
        prefix,
        name,
        sequences: match restart.sequence {
            Sequence::Keep => later(&before.sequences, since),
            Sequence::At(number) => vec![number; before.sequences.len()],
        },
        init,
        init_run,
        discontinuity: restart.discontinuity,
        clears: restart.list == List::Clear,
        map_again: restart.map_again.unwrap_or(restart.discontinuity),
        host: restart.host,
        returns: false,
    }
}

fn later(sequences: &[u64], segments: u64) -> Vec<u64> {
    sequences.iter().map(|sequence| sequence.saturating_add(segments)).collect()
}

fn published(moment: Moment) -> Option<u64> {
    match moment {
        Moment::Published(msn) => Some(msn),
        Moment::At(_) => None,
    }
}

/// As the documented command names it, with KEY = `live`.
pub const INIT_NAME: &str = "live.mp4";
/// Seconds since 1970, as a camera would name its files.
const OTHER_NAMES_FROM: u64 = 1_638_480_953;
/// Less than this between the segments of two variants is rounding.
const UNEVEN_S: f64 = 0.001;
/// Sound is cut at whole frames of it, which last some 20 ms.
const AUDIO_OFF_S: f64 = 0.05;
