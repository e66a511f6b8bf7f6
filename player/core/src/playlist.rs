//! Reading a Media Playlist (RFC 8216, section 4) without keeping any of it.
//!
//! The text is read again whenever something in it is asked for: a few lines cost microseconds, and a retry
//! then always uses the newest URI. Unknown tags are ignored (RFC 8216, section 6.3.1). Absent on purpose:
//! Multivariant Playlists, keys, and everything of Low-Latency HLS.

/// A sub-range of a resource, in bytes. A length of zero stands for the whole resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub offset: u64,
    pub length: u64,
}

impl ByteRange {
    pub const WHOLE: ByteRange = ByteRange { offset: 0, length: 0 };
}

/// The Media Initialization Section that applies to a segment (EXT-X-MAP). An empty URI stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map<'a> {
    pub uri: &'a [u8],
    pub range: ByteRange,
}

/// One Media Segment as listed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment<'a> {
    pub msn: u64,
    pub uri: &'a [u8],
    pub duration_s: f64,
    pub range: ByteRange,
    pub map: Map<'a>,
    /// An EXT-X-MAP tag stands between the segment before and this one.
    pub map_stated: bool,
    /// An EXT-X-DISCONTINUITY tag applies to this segment.
    pub discontinuity: bool,
    /// The segment is absent and must not be requested (EXT-X-GAP).
    pub gap: bool,
}

/// A Media Playlist being read, segment by segment: see [`Playlist::advance`]. The header fields hold what has
/// been read so far; they are complete once there are no more segments.
#[derive(Debug, Clone)]
pub struct Playlist<'a> {
    rest: &'a [u8],
    /// The segment that has been read last.
    pub segment: Segment<'a>,
    /// Where a BYTERANGE without an offset begins.
    range_end: u64,
    /// Seconds; zero until the tag has been read.
    pub target_duration_s: u64,
    pub end_list: bool,
}

/// What a reload has to know of a whole Media Playlist.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub target_duration_s: u64,
    pub end_list: bool,
    /// The Media Sequence Number of the first segment.
    pub first_msn: u64,
    /// One more than the number of the last segment; equal to `first_msn` if nothing is listed.
    pub end_msn: u64,
    /// `Map::key` of the last segment.
    pub map_key: u32,
}

impl<'a> Playlist<'a> {
    /// A text that is no playlist has no segments and no target duration. A byte order mark is tolerated,
    /// because servers send one.
    pub fn read(text: &'a [u8]) -> Self {
        let rest = after(text, b"\xef\xbb\xbf").unwrap_or(text);
        let rest = after(rest, b"#EXTM3U").unwrap_or(&[]);
        let segment = Segment {
            msn: 0,
            uri: &[],
            duration_s: 0.0,
            range: ByteRange::WHOLE,
            map: Map { uri: &[], range: ByteRange::WHOLE },
            map_stated: false,
            discontinuity: false,
            gap: false,
        };
        Playlist { rest, segment, range_end: 0, target_duration_s: 0, end_list: false }
    }

    /// Reads on to the next segment; false at the end of the list. Not an iterator, so that the segment need
    /// not be copied: that is a tenth of the player.
    #[inline(never)]
    pub fn advance(&mut self) -> bool {
        let segment = &mut self.segment;
        self.range_end = segment.range.offset + segment.range.length;
        segment.range = ByteRange::WHOLE;
        segment.map_stated = false;
        segment.discontinuity = false;
        segment.gap = false;
        if !segment.uri.is_empty() {
            segment.uri = &[];
            segment.msn += 1;
        }
        while !self.rest.is_empty() {
            let (mut line, rest) = cut(self.rest, b'\n');
            self.rest = rest;
            while let [start @ .., b'\r' | b' ' | b'\t'] = line {
                line = start;
            }
            match line {
                [] => {}
                [b'#', ..] => self.tag(line),
                _ => {
                    self.segment.uri = line;
                    return true;
                }
            }
        }
        false
    }

    fn tag(&mut self, line: &'a [u8]) {
        let segment = &mut self.segment;
        if let Some(value) = after(line, b"#EXTINF:") {
            segment.duration_s = decimal(value);
        } else if let Some(value) = after(line, b"#EXT-X-") {
            if let Some(value) = after(value, b"TARGETDURATION:") {
                // Zero is no time to wait between two requests.
                self.target_duration_s = integer(value).max(1);
            } else if let Some(value) = after(value, b"MEDIA-SEQUENCE:") {
                segment.msn = integer(value);
            } else if let Some(value) = after(value, b"BYTERANGE:") {
                segment.range = byte_range(value, self.range_end);
            } else if let Some(value) = after(value, b"MAP:") {
                let uri = attribute(value, b"URI");
                segment.map = Map { uri, range: byte_range(attribute(value, b"BYTERANGE"), 0) };
                segment.map_stated = true;
            } else if value == b"DISCONTINUITY" {
                segment.discontinuity = true;
            } else if value == b"GAP" {
                segment.gap = true;
            } else if value == b"ENDLIST" {
                self.end_list = true;
            }
        }
    }
}

impl Map<'_> {
    /// What makes EXT-X-MAP tags of two texts the same section. Never zero.
    pub fn key(&self) -> u32 {
        key(self.uri, self.range)
    }
}

impl Segment<'_> {
    /// What makes entries of two texts the same segment, as far as that can be told without numbers.
    pub fn key(&self) -> u32 {
        key(self.uri, self.range)
    }
}

impl Summary {
    /// `None` if the text is no Media Playlist: it lacks EXTM3U or EXT-X-TARGETDURATION, both required
    /// (RFC 8216, sections 4.3.1.1 and 4.3.3.1).
    pub fn read(text: &[u8]) -> Option<Summary> {
        let mut playlist = Playlist::read(text);
        let mut count = 0;
        while playlist.advance() {
            count += 1;
        }
        let end_msn = playlist.segment.msn;
        (playlist.target_duration_s > 0).then_some(Summary {
            target_duration_s: playlist.target_duration_s,
            end_list: playlist.end_list,
            first_msn: end_msn - count,
            end_msn,
            map_key: playlist.segment.map.key(),
        })
    }
}

/// The first segment that can be had at or after `msn`, with the marks of the absent ones before it: a
/// discontinuity stays one even if the segment that carried it is a gap.
pub fn pick(text: &[u8], msn: u64) -> Option<Segment<'_>> {
    let mut playlist = Playlist::read(text);
    let mut discontinuity = false;
    let mut map_stated = false;
    while playlist.advance() {
        let segment = &playlist.segment;
        if segment.msn >= msn {
            discontinuity |= segment.discontinuity;
            map_stated |= segment.map_stated;
            if !segment.gap {
                return Some(Segment { discontinuity, map_stated, ..playlist.segment });
            }
        }
    }
    None
}

/// Where the segment with this number and key is listed, and the EXT-X-MAP that applies to it in this text. Its
/// number may be another one: an entry that is missing in the middle of the list shifts those behind it, until it
/// has left. Names may repeat, so the expected number comes first, then the nearest one; and a list without the
/// expected number, as after an outage, says nothing.
pub fn find(text: &[u8], msn: u64, key: u32) -> Option<(u64, Map<'_>)> {
    let mut playlist = Playlist::read(text);
    let mut expected = None;
    let mut moved: Option<(u64, Map)> = None;
    while playlist.advance() {
        let segment = &playlist.segment;
        let is_same = segment.key() == key;
        if segment.msn == msn {
            expected = Some((msn, segment.map));
            if is_same {
                return expected;
            }
        } else if is_same && moved.is_none_or(|(other, _)| other.abs_diff(msn) > segment.msn.abs_diff(msn)) {
            moved = Some((segment.msn, segment.map));
        }
    }
    expected.and(moved).or(expected)
}

/// The last of the segments from which on there are at least `distance_s` seconds up to `end_msn`.
pub fn segment_before(text: &[u8], end_msn: u64, distance_s: f64) -> Option<u64> {
    // The distance is asked from the end, and the list is read from its start: hence two passes.
    let mut duration_s = 0.0;
    let mut found = None;
    for is_measured in [false, true] {
        let mut playlist = Playlist::read(text);
        let mut at_s = 0.0;
        while playlist.advance() && playlist.segment.msn < end_msn {
            // Sums of decimal fractions are inexact; a microsecond is no distance.
            if is_measured && duration_s - at_s + 1e-6 >= distance_s {
                found = Some(playlist.segment.msn);
            }
            at_s += playlist.segment.duration_s;
        }
        duration_s = at_s;
    }
    found
}

/// The path and the byte range. The query part is left out, because signed URIs have another one in each text.
#[inline(never)]
fn key(uri: &[u8], range: ByteRange) -> u32 {
    hash(cut(uri, b'?').0) ^ (range.offset as u32).rotate_left(8) ^ (range.length as u32).rotate_left(20) | 1
}

/// FNV-1a.
pub fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What follows a prefix. Not the slice's own method: that one is compiled anew for every length of prefix.
#[inline(never)]
fn after<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    (start == prefix).then_some(rest)
}

/// Cuts a text at the first `mark`, which belongs to neither part.
#[inline(never)]
fn cut(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| byte == mark).unwrap_or(text.len());
    let (start, rest) = text.split_at(end);
    (start, rest.get(1..).unwrap_or(&[]))
}

/// The quoted or bare value of an attribute in an attribute list (RFC 8216, section 4.2); empty if absent.
#[inline(never)]
fn attribute<'a>(mut list: &'a [u8], name: &[u8]) -> &'a [u8] {
    while !list.is_empty() {
        let (found, value) = cut(list, b'=');
        let (value, rest) = match value {
            [b'"', quoted @ ..] => {
                let (value, rest) = cut(quoted, b'"');
                (value, cut(rest, b',').1)
            }
            _ => cut(value, b','),
        };
        if found == name {
            return value;
        }
        // Some writers put a space behind the comma.
        list = after(rest, b" ").unwrap_or(rest);
    }
    &[]
}

/// `<n>[@<o>]` (RFC 8216, section 4.3.2.2).
#[inline(never)]
fn byte_range(value: &[u8], default_offset: u64) -> ByteRange {
    let (length, offset) = cut(value, b'@');
    let offset = if offset.is_empty() { default_offset } else { integer(offset) };
    ByteRange { offset, length: integer(length) }
}

/// The leading decimal-integer.
#[inline(never)]
fn integer(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u64, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

/// The leading decimal-floating-point number; lists in the wild also have plain integers here.
fn decimal(text: &[u8]) -> f64 {
    let (whole, fraction) = cut(cut(text, b',').0, b'.');
    let mut number = integer(whole) as f64;
    let mut weight = 1.0;
    for &digit in fraction {
        weight /= 10.0;
        number += weight * f64::from(digit.wrapping_sub(b'0'));
    }
    number
}
