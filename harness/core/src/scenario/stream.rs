//! `[stream]`, `[playlist]`, `[[restart]]` and `[[variant]]`: what is published, when, and how it is written down.

use serde::Deserialize;

use crate::exchange::Host;
use crate::notation::{Moment, Shift, Span};

/// `[stream]`: what is published, and when.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSettings {
    /// The name of a folder in fixtures/.
    pub fixture: String,
    /// Who makes playlist and segments.
    pub packager: Packager,
    /// Segments listed, as ffmpeg's -hls_list_size.
    pub window: u64,
    /// Segments in the first playlist, from 0; default: as many as `window`.
    pub first: Option<u64>,
    /// When the newest segment of the first playlist is published: the encoder starts late. Until then fewer are
    /// listed, down to none.
    pub begins: Option<Span>,
    /// Media Sequence Number of the stream's first segment.
    pub media_sequence: u64,
    pub clock: Clock,
    /// How far into the newest segment's life the first request falls, 0 up to 1.
    pub phase: f64,
    pub retain: Retain,
    /// How many of the fixture's segments make one of the stream's, in turn: `[1, 1, 4]` makes every third segment
    /// four times as long.
    pub pieces: Vec<u32>,
    /// What the HTTP caches on the way are told.
    pub cache: Cache,
    /// The media hosts speak HTTP/1.1, or HTTP/2 over TLS.
    pub protocol: crate::exchange::Protocol,
    /// The player is given a Multivariant Playlist; with `[[variant]]` it always is.
    pub multivariant: bool,
}

/// Who makes playlist and segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packager {
    /// The origin, from the fixture's segments.
    Origin,
    /// A real `ffmpeg -re` with the documented command; its files are served as they appear and vanish.
    Ffmpeg,
}

/// When a segment appears in the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// When the durations before it have passed.
    Wall,
    /// As `wall`, but a publication due within 0.4 target durations of a reload moves to that reload.
    Reload,
}

/// How long a segment still answers after it has left the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retain {
    /// As RFC 8216, 6.2.2 asks: its own duration plus that of the longest playlist that listed it.
    Rfc,
    /// As ffmpeg's delete_segments does by default: until one more segment has been published.
    Ffmpeg,
    /// Not at all: it is deleted at the moment it leaves the playlist.
    None,
}

/// What the HTTP caches on the way are told (RFC 9111).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// `Cache-Control: no-store`.
    NoStore,
    /// An ETag and `Cache-Control: no-cache`: the browser asks each time and may be answered 304.
    Revalidate,
    /// Last-Modified ten days ago and no Cache-Control: the browser may keep it for a day by its own rule.
    Heuristic,
    /// `Cache-Control: max-age=60`, on everything.
    Minute,
}

/// `[playlist]`: how the Media Playlist is written down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlaylistSettings {
    pub kind: Kind,
    /// How segments and init are named.
    pub names: Naming,
    /// How their names become URIs.
    pub uris: Uris,
    /// With `uris = "signed"`: how long a URI answers; after that 403.
    pub expires: Option<Span>,
    /// Where EXT-X-MAP stands.
    pub map: MapPlace,
    /// All segments are sub-ranges of one file that grows.
    pub byterange: Byterange,
    /// EXT-X-PROGRAM-DATE-TIME.
    pub program_date_time: Dates,
    /// The tags before a segment's URI.
    pub tag_order: TagOrder,
    pub line_ends: LineEnds,
    /// Begin with a byte order mark.
    pub bom: bool,
    /// End the last line.
    pub final_newline: bool,
    /// EXT-X-DISCONTINUITY-SEQUENCE is written as soon as a discontinuity has left the list.
    pub discontinuity_sequence: bool,
    /// Tags and attributes that no standard knows, comments and empty lines, everywhere.
    pub unknown_tags: bool,
}

/// EXT-X-PLAYLIST-TYPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// None: a sliding window.
    Live,
    /// EVENT: the list only grows.
    Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// `live105.m4s`, as the documented command does.
    Number,
    /// `camera1638480953.m4s`: numbers that have nothing to do with the Media Sequence Number.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Uris {
    /// `live105.m4s`
    Relative,
    /// `/live/live105.m4s`
    Root,
    /// `http://host/live/live105.m4s`
    Absolute,
    /// `//host/live/live105.m4s`
    Scheme,
    /// `live105.m4s?session=1&path=/a/b`
    Query,
    /// `live105.m4s?token=...`, another one in each answer; without a valid one a request gets 403.
    Signed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapPlace {
    /// Before the first segment, and where it changes.
    First,
    /// Before each segment.
    Each,
    /// Before EXT-X-MEDIA-SEQUENCE.
    BeforeSequence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Byterange {
    /// Each segment is a file.
    None,
    /// Each EXT-X-BYTERANGE says where it begins.
    Offset,
    /// Only the first one does: the others follow on (RFC 8216, 4.3.2.2).
    Chained,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dates {
    None,
    /// Before the first segment listed.
    First,
    /// Before each segment.
    Each,
    /// Before each segment, and up to 200 ms off, another time in each answer.
    Jitter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagOrder {
    /// DISCONTINUITY, MAP, PROGRAM-DATE-TIME, GAP, BYTERANGE, EXTINF.
    Usual,
    /// The reverse; all of them stand before the URI, which is what counts (RFC 8216, 4.3.2).
    Reversed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnds {
    Lf,
    Crlf,
    /// By turns.
    Mixed,
}

/// `[[restart]]`: from a segment on, other media. What is left out is as the documented ffmpeg command does when it
/// is started again: names, numbers and timestamps from 0, the init rewritten under its name, a new list, no tag.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The first segment of the new run, numbered on: `segment 106`.
    pub at: Moment,
    /// The segment with which the stream goes on as it was before, as after an ad break.
    pub until: Option<Moment>,
    /// Nothing is published for so long before it.
    pub down: Option<Span>,
    /// The new run's fixture; default: the stream's.
    pub fixture: Option<String>,
    /// Whether it is another encoder run at all: `same` goes on with the media where they were.
    #[serde(default = "Encoder::new_run")]
    pub encoder: Encoder,
    #[serde(default = "Names::reset")]
    pub names: Names,
    #[serde(default = "Sequence::reset")]
    pub sequence: Sequence,
    #[serde(default = "Init::rewrite")]
    pub init: Init,
    #[serde(default = "Timestamps::reset")]
    pub timestamps: Timestamps,
    #[serde(default = "List::clear")]
    pub list: List,
    /// EXT-X-DISCONTINUITY stands before it (and before the segment with which the stream goes on).
    #[serde(default)]
    pub discontinuity: bool,
    /// EXT-X-MAP is written again although its URI is the same; default: where there is a discontinuity.
    pub map_again: Option<bool>,
    /// Which media host has its files.
    #[serde(default)]
    pub host: Host,
}

impl Restart {
    /// The first segment of the new run.
    pub fn first(&self) -> Option<u64> {
        match self.at {
            Moment::Published(msn) => Some(msn),
            Moment::At(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// A new run: its frames carry another run id, and its media begin anew.
    New,
    /// The same run goes on.
    Same,
}

/// What the new segments are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// Numbered on.
    Keep,
    /// From 0, so that names come again: `live0.m4s`.
    Reset,
    /// Names that were never used: `run2-0.m4s`.
    New,
}

/// What EXT-X-MEDIA-SEQUENCE says of the first new segment: numbered on (`keep`), 0 (`reset`), or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Sequence {
    Keep,
    At(u64),
}

impl TryFrom<String> for Sequence {
    type Error = String;

    fn try_from(text: String) -> Result<Sequence, String> {
        match text.as_str() {
            "keep" => Ok(Sequence::Keep),
            "reset" => Ok(Sequence::At(0)),
            number => number.parse().map(Sequence::At).map_err(|_| {
                format!("{text:?} is no sequence; write \"keep\", \"reset\" or a number in quotes")
            }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// The old init, untouched: right if the new run's is the same.
    Keep,
    /// The new run's bytes under the old URI.
    Rewrite,
    /// The new run's bytes under a new URI.
    New,
}

/// The tfdt of the first new segment: where the media were (`keep`), 0 (`reset`), or that far from `keep`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum Timestamps {
    Keep,
    Reset,
    By(Shift),
}

impl TryFrom<String> for Timestamps {
    type Error = String;

    fn try_from(text: String) -> Result<Timestamps, String> {
        match text.as_str() {
            "keep" => Ok(Timestamps::Keep),
            "reset" => Ok(Timestamps::Reset),
            shift => Shift::try_from(shift.to_string()).map(Timestamps::By).map_err(|_| {
                format!("{text:?}: timestamps are \"keep\", \"reset\" or a shift: \"+300s\", \"-8s\"")
            }),
        }
    }
}

/// What becomes of the segments listed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// They stay until the window has moved on.
    Keep,
    /// The list begins with the first new segment.
    Clear,
}

impl Encoder {
    fn new_run() -> Encoder {
        Encoder::New
    }
}

impl Names {
    fn reset() -> Names {
        Names::Reset
    }
}

impl Sequence {
    fn reset() -> Sequence {
        Sequence::At(0)
    }
}

impl Init {
    fn rewrite() -> Init {
        Init::Rewrite
    }
}

impl Timestamps {
    fn reset() -> Timestamps {
        Timestamps::Reset
    }
}

impl List {
    fn clear() -> List {
        List::Clear
    }
}

/// `[[variant]]`: one more variant of the stream, from another fixture with segments of the same durations.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    pub fixture: String,
    /// What BANDWIDTH says, bits per second.
    pub bandwidth: u64,
    /// What CODECS says; default: what the media are.
    pub codecs: Option<String>,
}

impl Default for StreamSettings {
    fn default() -> StreamSettings {
        StreamSettings {
            fixture: "bars".into(),
            packager: Packager::Origin,
            window: 5,
            first: None,
            begins: None,
            media_sequence: 100,
            clock: Clock::Reload,
            phase: 0.0,
            retain: Retain::Rfc,
            pieces: Vec::new(),
            cache: Cache::NoStore,
            protocol: crate::exchange::Protocol::Http1,
            multivariant: false,
        }
    }
}

impl StreamSettings {
    /// Segments in the first playlist.
    pub fn first(&self) -> u64 {
        self.first.unwrap_or(self.window)
    }
}

impl Default for PlaylistSettings {
    fn default() -> PlaylistSettings {
        PlaylistSettings {
            kind: Kind::Live,
            names: Naming::Number,
            uris: Uris::Relative,
            expires: None,
            map: MapPlace::First,
            byterange: Byterange::None,
            program_date_time: Dates::None,
            tag_order: TagOrder::Usual,
            line_ends: LineEnds::Lf,
            bom: false,
            final_newline: true,
            discontinuity_sequence: true,
            unknown_tags: false,
        }
    }
}
