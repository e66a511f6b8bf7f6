//! Edits: what a scenario does to the bytes of a segment or an init on purpose.
//!
//! An edit is a short text in the scenario, [`FORMS`] lists them all. The same bytes and the same edit give the
//! same result: garbage comes from a generator seeded with the bytes. An edit sees one body at a time, so what
//! shall hold for a stretch of the stream (a restart, a wrap) has to be said of each of its segments.
//!
//! What only concerns bytes or one field is changed in place. What takes samples away or moves them is read
//! with mp4-atom and written anew: one trun per track, a 64-bit tfdt. Edits of time or of samples leave out the
//! `sidx` boxes, which would contradict what the segment then is.
//!
//! Whether the result is legal is nobody's concern here; most of it is not.
//!
//! # What Chromium makes of them
//!
//! Seen with Chromium 156, sound and picture of `bars` in one SourceBuffer in segments mode, one segment edited and
//! the next ones appended behind it, without `abort()`:
//!
//! - The append fails and the element has an error: `garbage` (but `garbage mdat` only because NAL lengths are broken),
//!   `cut mdat`, `cut inside ...` (with the next append, which is read as the rest), `mdat size 50%` and `0`,
//!   `box unknown` at the top level. Inside a moof, traf, moov or trak an unknown box is passed over.
//! - The append succeeds and the decoder fails when the playhead is near: `corrupt ...`, even of one sample.
//! - Nothing fails, and a hole is left in which playback stops: `cut moof`, `without audio`, `audio late`, `audio
//!   shorter`, `tfdt +...`, `tfdt -...`, `tfdt 0`, `tfdt wrap`. With `mdat size 200%` the next segment is what is lost.
//! - Nothing fails and the clock goes on, but after the hole the picture stands still for good: `without video`, `video
//!   late`, `video shorter`, and `tfdt video +60ms` as well as `+180ms`; 20 ms are bridged.
//! - `no key frame`: no error and no hole in `buffered`; sound and clock go on, the picture stands until the next one.
//! - No difference: `two fragments`, `audio first`, the known boxes, `tfdt 32bit`, `avcC profile 100`.

mod bytes;
mod notation;
mod samples;
mod time;

pub use notation::{EditError, FORMS};

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MediaError, Track};

/// One change to the bytes of a media segment or an init segment.
///
/// | text | what it does |
/// |---|---|
/// | `garbage` | every byte of the body is garbage, which as a box would have a size above 2 GiB; the length stays |
/// | `garbage 25%..50%`, `garbage 100..200` | so is this stretch of the body; bytes are counted from 0, the end is not included |
/// | `garbage mdat` | so is all media data; headers and sizes stay |
/// | `corrupt 10%`, `corrupt audio 10%` | so are this many samples of the video (or the named track), spread evenly; sizes, NAL lengths and NAL headers stay, parameter sets, too |
/// | `corrupt frame 1`, `corrupt audio frame 1` | so is this one sample, counted from 1 in decode order: 1 is the key frame |
/// | `cut moof`, `cut mdat`, `cut moov` | the box is missing, everything after it moves up |
/// | `cut inside moof` (or `mdat`, `moov`) | the body ends in the middle of the box |
/// | `mdat size 50%` (0 to 1000 %) | the mdat says this much of its true size; what then lies behind it would as a box have a size above 2 GiB; 0 means "up to the end" by the standard |
/// | `tfdt +300s`, `tfdt video -180ms` | decode times of both tracks or of one moved; below zero they are zero |
/// | `tfdt 0`, `tfdt audio 0` | decode times set to zero |
/// | `tfdt wrap 8s`, `tfdt wrap audio 8s` | both tracks moved by the same time, so that the one with the larger timescale (or the named one) reaches 2^32 ticks at 8 s of the fixture's time, and written as `32bit` |
/// | `tfdt 32bit`, `tfdt 64bit`, after any other tfdt edit, too | written as version 0 (modulo 2^32, so that below zero is far ahead) or 1 |
/// | `no key frame` | all key frames of the segment are missing |
/// | `no first key frame` | the first is missing; decoding can begin with the next, if there is one |
/// | `without audio`, `without video` | the track is missing: its traf and data, in an init its trak and trex |
/// | `audio shorter 200ms` (or `video`) | the last samples are missing, as many as it takes |
/// | `audio late 180ms` (or `video`) | the first samples are missing, as many as it takes; the tfdt says so |
/// | `audio first` | the audio traf stands before the video's |
/// | `two fragments` | two moof and mdat pairs, cut at a key frame if there is one between |
/// | `box unknown`, `emsg`, `prft`, `sidx`, `styp` | one more box before the first moof or moov; styp at the very beginning |
/// | `box unknown in moof` (or `traf`, `moov`, `trak`) | a box of an unknown kind at the end of each such box |
/// | `track timecode` | the init has one more track, of timecodes, as ffmpeg's fragmented MP4 has of a source with a timecode; no segment has any of it |
/// | `avcC profile 100` (0 to 255) | the profile byte of the init's avcC, from which players make the codec string `avc1.64....`; the SPS in it stays |
///
/// Spans of time are written `1.5s` or `180ms`, up to 1000000s, to the microsecond.
///
/// On "no key frame": the samples are dropped instead of being marked as no sync samples. Chromium reads the NAL
/// units of H.264 and takes no notice of a sample flag that contradicts them, and a picture of IDR slices
/// renamed to plain ones is still an intra picture (or, its slice header being another, a broken one). An encoder
/// that lost its key frame sends pictures that refer to what nobody has, and that is what is left here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(
    description = "One change to the bytes of a media segment or an init segment.",
    extend("pattern" = "^(garbage|corrupt|cut|mdat size|tfdt|no|without|audio|video|two|box|track|avcC profile)( .+)?$", "examples" = FORMS)
)]
pub enum Edit {
    Garbage(Extent),
    Corrupt {
        track: Kind,
        samples: Share,
    },
    Cut(Place),
    MdatSize {
        percent: f64,
    },
    Tfdt {
        track: Option<Kind>,
        to: Time,
        form: Option<Form>,
    },
    NoKeyFrame,
    NoFirstKeyFrame,
    Without(Kind),
    /// Microseconds.
    Shorter {
        track: Kind,
        by_us: i64,
    },
    /// Microseconds.
    Late {
        track: Kind,
        by_us: i64,
    },
    AudioFirst,
    TwoFragments,
    Insert(Inserted),
    TimecodeTrack,
    AvcProfile(u8),
}

/// Which bytes become garbage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    Body,
    Mdat,
    /// From the first byte up to, without, the second.
    Bytes(usize, usize),
    /// Per cent of the body.
    Percent(f64, f64),
}

/// A kind of track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Video,
    Audio,
}

impl Kind {
    fn of(track: &Track) -> Kind {
        if track.is_video { Kind::Video } else { Kind::Audio }
    }
}

/// Which samples of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// Evenly spread; above 0, at most 100. At least one sample.
    Percent(f64),
    /// Counted from 1, in decode order.
    One(u32),
}

/// Where something is cut away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All top-level boxes of this kind.
    Whole([u8; 4]),
    /// Everything from the middle of the first top-level box of this kind on.
    Inside([u8; 4]),
}

/// What becomes of the decode times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// They stay, and only their form changes.
    Same,
    /// Microseconds.
    Shift(i64),
    Zero,
    /// Moved so that 2^32 ticks are reached at this time, microseconds.
    Wrap(i64),
}

/// How a tfdt is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Version 0.
    Bits32,
    /// Version 1.
    Bits64,
}

/// A box that is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    Unknown,
    UnknownIn([u8; 4]),
    Emsg,
    Prft,
    Sidx,
    Styp,
}

/// What an edit can be applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Init,
    Segment,
    Either,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Subject::Init => "init segments",
            Subject::Segment => "media segments",
            Subject::Either => "init and media segments",
        })
    }
}

impl Edit {
    /// Whether no player can show all of a segment that was edited so.
    pub fn spoils(&self) -> bool {
        match self {
            // To a reader of files a box of an unknown kind is nothing; the byte stream format of MSE knows no such box, and
            // engines refuse it.
            Edit::Garbage(_)
            | Edit::Cut(_)
            | Edit::MdatSize { .. }
            | Edit::NoKeyFrame
            | Edit::NoFirstKeyFrame
            | Edit::Insert(Inserted::Unknown) => true,
            Edit::Corrupt { track, .. }
            | Edit::Without(track)
            | Edit::Shorter { track, .. }
            | Edit::Late { track, .. } => *track == Kind::Video,
            Edit::Tfdt { .. }
            | Edit::AudioFirst
            | Edit::TwoFragments
            | Edit::Insert(_)
            | Edit::TimecodeTrack
            | Edit::AvcProfile(_) => false,
        }
    }

    /// What it can be applied to, so that a scenario can be refused when it is read.
    pub fn subject(&self) -> Subject {
        match self {
            Edit::Garbage(Extent::Mdat) => Subject::Segment,
            Edit::Garbage(_) | Edit::Without(_) | Edit::Insert(Inserted::Unknown) => Subject::Either,
            Edit::Cut(Place::Whole(kind) | Place::Inside(kind)) if kind == b"moov" => Subject::Init,
            Edit::Insert(Inserted::UnknownIn(parent)) if parent == b"moov" || parent == b"trak" => {
                Subject::Init
            }
            Edit::AvcProfile(_) | Edit::TimecodeTrack => Subject::Init,
            _ => Subject::Segment,
        }
    }

    /// The edited bytes of a segment, or of the init, whose tracks these are.
    ///
    /// # Errors
    /// [`MediaError::Edit`] if the bytes have nothing that it could change.
    pub fn apply(&self, bytes: &[u8], tracks: &[Track]) -> Result<Vec<u8>, MediaError> {
        self.applied(bytes, tracks).map_err(|source| MediaError::Edit {
            edit: self.clone(),
            subject: self.subject(),
            source: Box::new(source),
        })
    }

    fn applied(&self, bytes: &[u8], tracks: &[Track]) -> Result<Vec<u8>, MediaError> {
        if self.subject() == Subject::Segment && bytes::is_init(bytes) {
            return Err(MediaError::Missing("media in an init segment"));
        }
        match *self {
            Edit::Garbage(extent) => bytes::garbage(bytes, extent),
            Edit::Corrupt { track, samples } => samples::corrupt(bytes, tracks, track, samples),
            Edit::Cut(place) => bytes::cut(bytes, place),
            Edit::MdatSize { percent } => bytes::mdat_size(bytes, percent),
            Edit::Tfdt { track, to, form } => time::tfdt(bytes, tracks, track, to, form),
            Edit::NoKeyFrame => samples::drop_key_frames(bytes, tracks, usize::MAX),
            Edit::NoFirstKeyFrame => samples::drop_key_frames(bytes, tracks, 1),
            Edit::Without(kind) if bytes::is_init(bytes) => bytes::without_trak(bytes, tracks, kind),
            Edit::Without(kind) => samples::without(bytes, tracks, kind),
            Edit::Shorter { track, by_us } => samples::shorter(bytes, tracks, track, by_us),
            Edit::Late { track, by_us } => samples::late(bytes, tracks, track, by_us),
            Edit::AudioFirst => bytes::audio_first(bytes, tracks),
            Edit::TwoFragments => samples::two_fragments(bytes, tracks),
            Edit::Insert(what) => bytes::insert(bytes, tracks, what),
            Edit::TimecodeTrack => bytes::with_timecode(bytes),
            Edit::AvcProfile(profile) => bytes::avc_profile(bytes, profile),
        }
    }
}

/// Edits in the order in which they are applied: one text or a list of texts in the scenario.
#[derive(Debug, Clone, PartialEq, Default, JsonSchema)]
#[schemars(with = "OneOrMany")]
pub struct Edits(pub Vec<Edit>);

impl Edits {
    /// The bytes after all edits.
    pub fn apply(&self, bytes: &[u8], tracks: &[Track]) -> Result<Vec<u8>, MediaError> {
        self.0.iter().try_fold(bytes.to_vec(), |bytes, edit| edit.apply(&bytes, tracks))
    }
}

/// How [`Edits`] are written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum OneOrMany {
    One(Edit),
    Many(#[schemars(length(min = 1))] Vec<Edit>),
}
