//! Reading a Media Playlist (RFC 8216, section 4) without keeping any of it.
//!
//! The text is read again whenever something in it is asked for: a few lines cost microseconds, and a retry
//! then always uses the newest URI. Unknown tags are ignored (RFC 8216, section 6.3.1). Absent on purpose:
//! Multivariant Playlists, keys, and everything of Low-Latency HLS.

/// A sub-range of a resource, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub offset: u64,
    pub length: u64,
}

/// The Media Initialization Section that applies to a segment (EXT-X-MAP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map<'a> {
    pub uri: &'a [u8],
    pub range: Option<ByteRange>,
}

/// One Media Segment as listed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment<'a> {
    pub msn: u64,
    pub uri: &'a [u8],
    pub duration_s: f64,
    pub range: Option<ByteRange>,
    pub map: Option<Map<'a>>,
    /// An EXT-X-MAP tag stands between the segment before and this one.
    pub map_stated: bool,
    /// An EXT-X-DISCONTINUITY tag applies to this segment.
    pub discontinuity: bool,
    /// The segment is absent and must not be requested (EXT-X-GAP).
    pub gap: bool,
}

/// A Media Playlist being read: an iterator over its segments. The header fields hold what has been read so
/// far; they are complete once the iterator is exhausted.
#[derive(Debug, Clone)]
pub struct Playlist<'a> {
    rest: &'a [u8],
    segment: Segment<'a>,
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
    /// The sum of the segment durations.
    pub duration_s: f64,
    /// `Map::key` of the last segment.
    pub map_key: u32,
}

impl<'a> Playlist<'a> {
    /// `None` if the text is no playlist at all. A byte order mark is tolerated, because servers send one.
    pub fn read(text: &'a [u8]) -> Option<Self> {
        let rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).strip_prefix(b"#EXTM3U")?;
        let segment = Segment {
            msn: 0,
            uri: &[],
            duration_s: 0.0,
            range: None,
            map: None,
            map_stated: false,
            discontinuity: false,
            gap: false,
        };
        Some(Playlist { rest, segment, range_end: 0, target_duration_s: 0, end_list: false })
    }

    fn tag(&mut self, line: &'a [u8]) {
        let segment = &mut self.segment;
        if let Some(value) = line.strip_prefix(b"#EXTINF:") {
            segment.duration_s = decimal(value);
        } else if let Some(value) = line.strip_prefix(b"#EXT-X-") {
            if let Some(value) = value.strip_prefix(b"TARGETDURATION:") {
                self.target_duration_s = integer(&mut { value });
            } else if let Some(value) = value.strip_prefix(b"MEDIA-SEQUENCE:") {
                segment.msn = integer(&mut { value });
            } else if let Some(value) = value.strip_prefix(b"BYTERANGE:") {
                segment.range = Some(byte_range(value, self.range_end));
            } else if let Some(value) = value.strip_prefix(b"MAP:") {
                let range = attribute(value, b"BYTERANGE").map(|range| byte_range(range, 0));
                segment.map = attribute(value, b"URI").map(|uri| Map { uri, range });
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

impl<'a> Iterator for Playlist<'a> {
    type Item = Segment<'a>;

    // One copy of the parser is enough, however many loops read with it.
    #[inline(never)]
    fn next(&mut self) -> Option<Segment<'a>> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|&byte| byte == b'\n').unwrap_or(self.rest.len());
            let (line, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or(&[]);
            let line = line.trim_ascii();
            match line.first() {
                None => {}
                Some(b'#') => self.tag(line),
                Some(_) => {
                    let segment = Segment { uri: line, ..self.segment };
                    self.range_end = segment.range.map_or(0, |range| range.offset + range.length);
                    self.segment = Segment {
                        msn: segment.msn + 1,
                        range: None,
                        map_stated: false,
                        discontinuity: false,
                        gap: false,
                        ..segment
                    };
                    return Some(segment);
                }
            }
        }
        None
    }
}

impl Map<'_> {
    /// What makes two EXT-X-MAP tags the same section: the URI and the byte range. Never zero.
    pub fn key(&self) -> u32 {
        let mut key = hash(self.uri);
        if let Some(range) = self.range {
            key ^= hash(&range.offset.to_le_bytes()) ^ (range.length as u32).rotate_left(16);
        }
        key | 1
    }
}

impl Summary {
    /// `None` if the text is no Media Playlist: it lacks EXTM3U or EXT-X-TARGETDURATION, both required
    /// (RFC 8216, sections 4.3.1.1 and 4.3.3.1).
    pub fn read(text: &[u8]) -> Option<Summary> {
        let mut playlist = Playlist::read(text)?;
        let mut duration_s = 0.0;
        let mut count = 0;
        for segment in &mut playlist {
            duration_s += segment.duration_s;
            count += 1;
        }
        let end_msn = playlist.segment.msn;
        (playlist.target_duration_s > 0).then_some(Summary {
            target_duration_s: playlist.target_duration_s,
            end_list: playlist.end_list,
            first_msn: end_msn - count,
            end_msn,
            duration_s,
            map_key: playlist.segment.map.map_or(0, |map| map.key()),
        })
    }
}

/// The first segment that can be had at or after `msn`, with the marks of the absent ones before it: a
/// discontinuity stays one even if the segment that carried it is a gap.
pub fn pick(text: &[u8], msn: u64) -> Option<Segment<'_>> {
    let mut discontinuity = false;
    let mut map_stated = false;
    for segment in Playlist::read(text)? {
        if segment.msn >= msn {
            discontinuity |= segment.discontinuity;
            map_stated |= segment.map_stated;
            if !segment.gap {
                return Some(Segment { discontinuity, map_stated, ..segment });
            }
        }
    }
    None
}

/// The last segment that begins at least `distance_s` before the end of the list, else the first one; `None`
/// for an empty list.
pub fn segment_before_end(text: &[u8], summary: &Summary, distance_s: f64) -> u64 {
    let mut remaining_s = summary.duration_s;
    let mut msn = summary.first_msn;
    for segment in Playlist::read(text).into_iter().flatten() {
        // Sums of decimal fractions are inexact; a microsecond is no distance.
        if remaining_s + 1e-6 >= distance_s {
            msn = segment.msn;
        }
        remaining_s -= segment.duration_s;
    }
    msn
}

/// FNV-1a.
pub fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The quoted or bare value of an attribute in an attribute list (RFC 8216, section 4.2).
fn attribute<'a>(mut list: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    loop {
        let equals = list.iter().position(|&byte| byte == b'=')?;
        let (found, value) = list.split_at_checked(equals)?;
        let value = value.get(1..)?;
        let (value, mark) = match value.strip_prefix(b"\"") {
            Some(quoted) => (quoted, b'"'),
            None => (value, b','),
        };
        let end = value.iter().position(|&byte| byte == mark).unwrap_or(value.len());
        let (value, rest) = value.split_at_checked(end)?;
        if found.trim_ascii() == name {
            return Some(value);
        }
        let comma = rest.iter().position(|&byte| byte == b',')?;
        list = rest.get(comma + 1..)?;
    }
}

/// `<n>[@<o>]` (RFC 8216, section 4.3.2.2).
fn byte_range(mut value: &[u8], default_offset: u64) -> ByteRange {
    let length = integer(&mut value);
    let offset = value.strip_prefix(b"@").map_or(default_offset, |mut offset| integer(&mut offset));
    ByteRange { offset, length }
}

/// The leading decimal-integer; `text` is left behind it.
fn integer(text: &mut &[u8]) -> u64 {
    let mut number = 0u64;
    while let [digit @ b'0'..=b'9', rest @ ..] = *text {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        *text = rest;
    }
    number
}

/// The leading decimal-floating-point number; lists in the wild also have plain integers here.
fn decimal(mut text: &[u8]) -> f64 {
    let whole = integer(&mut text) as f64;
    let mut number = whole;
    let mut weight = 0.1;
    if let [b'.', rest @ ..] = text {
        for &digit in rest.iter().take_while(|byte| byte.is_ascii_digit()) {
            number += weight * f64::from(digit - b'0');
            weight /= 10.0;
        }
    }
    number
}
