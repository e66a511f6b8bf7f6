//! `[stream]`, `[playlist]`, `[[restart]]`, `[[variant]]` and `[audio]`: what is published, when, and how it is written down.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{MEDIA_SEQUENCE_MAX, PIECES_MAX, WINDOW_MAX};
use crate::exchange::Host;
use crate::notation::{Moment, Shift, Span, pattern};

/// `[stream]`: what is published, and when.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSettings {
    /// The name of a folder in fixtures/.
    #[schemars(extend("examples" = ["bars"]))]
    pub fixture: String,
    /// Who makes playlist and segments.
    pub packager: Packager,
    /// Segments listed, as ffmpeg's -hls_list_size.
    #[schemars(range(min = 1, max = WINDOW_MAX), extend("examples" = [3]))]
    pub window: u64,
    /// Segments in the first playlist, from 0; default: as many as `window`.
    #[schemars(range(max = WINDOW_MAX), extend("examples" = [1]))]
    pub first: Option<u64>,
    /// When the newest segment of the first playlist is published: the encoder starts late. Until then fewer are
    /// listed, down to none.
    #[schemars(extend("examples" = ["3td"]))]
    pub begins: Option<Span>,
    /// Media Sequence Number of the stream's first segment.
    #[schemars(range(max = MEDIA_SEQUENCE_MAX), extend("examples" = [0]))]
    pub media_sequence: u64,
    /// When a segment appears in the playlist.
    pub clock: Clock,
    /// How far into the newest segment's life the first request falls, 0 up to 1.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0), extend("examples" = [0.5]))]
    pub phase: f64,
    /// How long a segment still answers after it has left the playlist.
    pub retain: Retain,
    /// How many of the fixture's segments make one of the stream's, in turn: `[1, 1, 4]` makes every third segment
    /// four times as long. The last of a lap takes what is left.
    #[schemars(length(max = PIECES_MAX), inner(range(min = 1, max = PIECES_MAX)), extend("examples" = [[1, 1, 4]]))]
    pub pieces: Vec<u32>,
    /// What the HTTP caches on the way are told.
    pub cache: Cache,
    /// The media hosts speak HTTP/1.1, or HTTP/2 over TLS.
    pub protocol: crate::exchange::Protocol,
    /// The player is given a Multivariant Playlist; with `[[variant]]` and `[audio]` it always is.
    pub multivariant: bool,
}

/// Who makes playlist and segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Packager {
    /// The origin, from the fixture's segments.
    Origin,
    /// A real `ffmpeg -re` with the documented command; its files are served as they appear and vanish.
    Ffmpeg,
}

/// When a segment appears in the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// When the durations before it have passed.
    Wall,
    /// As `wall`, but a publication due within 0.4 target durations of a reload moves to that reload.
    Reload,
}

/// How long a segment still answers after it has left the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlaylistSettings {
    /// EXT-X-PLAYLIST-TYPE.
    pub kind: Kind,
    /// How segments and init are named.
    pub names: Naming,
    /// How their names become URIs.
    pub uris: Uris,
    /// With `uris = "signed"`: how long a URI answers; after that 403.
    #[schemars(extend("examples" = ["3td"]))]
    pub expires: Option<Span>,
    /// Where EXT-X-MAP stands.
    pub map: MapPlace,
    /// All segments are sub-ranges of one file that grows.
    pub byterange: Byterange,
    /// EXT-X-PROGRAM-DATE-TIME.
    pub program_date_time: Dates,
    /// The tags before a segment's URI.
    pub tag_order: TagOrder,
    /// What ends a line.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// None: a sliding window.
    Live,
    /// EVENT: the list only grows.
    Event,
}

/// How segments and init are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// `live105.m4s`, as the documented command does.
    Number,
    /// `camera1638480953.m4s`: numbers that have nothing to do with the Media Sequence Number.
    Other,
}

/// How names become URIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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

/// Where EXT-X-MAP stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MapPlace {
    /// Before the first segment, and where it changes.
    First,
    /// Before each segment.
    Each,
    /// Before EXT-X-MEDIA-SEQUENCE.
    BeforeSequence,
}

/// Whether segments are sub-ranges of one file, and how that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Byterange {
    /// Each segment is a file.
    None,
    /// Each EXT-X-BYTERANGE says where it begins.
    Offset,
    /// Only the first one does: the others follow on (RFC 8216, 4.3.2.2).
    Chained,
}

/// Where EXT-X-PROGRAM-DATE-TIME stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dates {
    /// Nowhere.
    None,
    /// Before the first segment listed.
    First,
    /// Before each segment.
    Each,
    /// Before each segment, and up to 200 ms off, another time in each answer.
    Jitter,
}

/// The tags before a segment's URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TagOrder {
    /// DISCONTINUITY, MAP, PROGRAM-DATE-TIME, GAP, BYTERANGE, EXTINF.
    Usual,
    /// The reverse; all of them stand before the URI, which is what counts (RFC 8216, 4.3.2).
    Reversed,
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineEnds {
    /// LF.
    Lf,
    /// CR LF.
    Crlf,
    /// By turns.
    Mixed,
}

/// `[[restart]]`: from a segment on, other media. What is left out is as the documented ffmpeg command does when it
/// is started again: names, numbers and timestamps from 0, the init rewritten under its name, a new list, no tag.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The first segment of the new run, numbered on: `segment 106`.
    #[schemars(extend("examples" = ["segment 106"]))]
    pub at: Moment,
    /// The segment with which the stream goes on as it was before, as after an ad break.
    #[schemars(extend("examples" = ["segment 109"]))]
    pub until: Option<Moment>,
    /// Nothing is published for so long before it.
    #[schemars(extend("examples" = ["3td"]))]
    pub down: Option<Span>,
    /// The new run's fixture; default: the stream's.
    #[schemars(extend("examples" = ["bars"]))]
    pub fixture: Option<String>,
    /// Whether it is another encoder run at all: `same` goes on with the media where they were.
    #[serde(default = "Encoder::new_run")]
    pub encoder: Encoder,
    /// What the new segments are called.
    #[serde(default = "Names::reset")]
    pub names: Names,
    /// What EXT-X-MEDIA-SEQUENCE says of the first new segment: numbered on (`keep`), 0 (`reset`), or a number.
    #[serde(default = "Sequence::reset")]
    #[schemars(extend("default" = "reset"), extend("examples" = ["keep"]))]
    pub sequence: Sequence,
    /// What becomes of the Media Initialization Section.
    #[serde(default = "Init::rewrite")]
    pub init: Init,
    /// The tfdt of the first new segment: where the media were (`keep`), 0 (`reset`), or that far from `keep`.
    #[serde(default = "Timestamps::reset")]
    #[schemars(extend("default" = "reset"), extend("examples" = ["keep"]))]
    pub timestamps: Timestamps,
    /// What becomes of the segments listed before.
    #[serde(default = "List::clear")]
    pub list: List,
    /// EXT-X-DISCONTINUITY stands before it (and before the segment with which the stream goes on).
    #[serde(default)]
    pub discontinuity: bool,
    /// EXT-X-MAP is written again although its URI is the same; default: where there is a discontinuity.
    #[schemars(extend("examples" = [true]))]
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

/// Who makes the media from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// A new run: its frames carry another run id, and its media begin anew.
    New,
    /// The same run goes on.
    Same,
}

/// What the new segments are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!("(keep|reset|[0-9]+)")), extend("examples" = ["keep", "reset", "7"]))]
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

/// What becomes of the Media Initialization Section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!("(keep|reset|[+-]?", span, ")")), extend("examples" = ["keep", "reset", "+300s"]))]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The name of a folder in fixtures/.
    #[schemars(extend("examples" = ["bars"]))]
    pub fixture: String,
    /// What BANDWIDTH says, bits per second.
    #[schemars(extend("examples" = [3_000_000]))]
    pub bandwidth: u64,
    /// What CODECS says; default: what the media are.
    #[schemars(extend("examples" = ["avc1.64001f,mp4a.40.2"]))]
    pub codecs: Option<String>,
    /// What EXT-X-MEDIA-SEQUENCE says of its first segment; default: as the stream's. It is by their times that segments of
    /// variants belong together, and not by these numbers (RFC 8216, 4.3.3.2).
    #[schemars(extend("examples" = [7000]))]
    pub media_sequence: Option<u64>,
}

/// `[audio]`: an Audio Rendition, from a fixture without a picture whose segments go beside the stream's own (RFC 8216,
/// 4.3.4.1).
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audio {
    /// The name of a folder in fixtures/.
    #[schemars(extend("examples" = ["bars-sound"]))]
    pub fixture: String,
    /// What EXT-X-MEDIA-SEQUENCE says of its first segment; default: as the stream's.
    #[schemars(extend("examples" = [7000]))]
    pub media_sequence: Option<u64>,
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
