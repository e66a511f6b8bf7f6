//! Reading a Media Playlist (RFC 8216, section 4) without keeping any of it.
//!
//! The text is read again whenever something in it is asked for: a few lines cost microseconds, and a retry
//! then always uses the newest URI. Unknown tags are ignored (RFC 8216, section 6.3.1). Absent on purpose:
//! Multivariant Playlists, keys, and everything of Low-Latency HLS.
//!
//! A text is asked for its characters, so that it can stay where it is, and what is found in it is told by its place. The
//! names of tags and attributes are known by their hashes: so nobody has to keep the names.

/// A text, by its characters.
pub trait Text {
    /// The character at an index, zero behind the end.
    fn char_at(&self, index: u32) -> u32;
}

/// A part of the text, which goes to the end of its line: the index of its first character. Nothing that is asked for is at
/// zero, where every playlist has its first tag.
pub type Place = u32;

/// One Media Segment as listed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    pub msn: u64,
    pub uri: Place,
    pub duration_s: f64,
    /// What EXT-X-BYTERANGE says.
    pub range: Place,
    /// The attributes of the EXT-X-MAP that applies to it.
    pub map: Place,
    /// An EXT-X-MAP tag stands between the segment before and this one.
    pub map_stated: bool,
    /// An EXT-X-DISCONTINUITY tag applies to this segment.
    pub discontinuity: bool,
    /// The segment is absent and must not be requested (EXT-X-GAP).
    pub gap: bool,
}

/// A Media Playlist being read, segment by segment: see [`Reader::advance`]. The header fields hold what has
/// been read so far; they are complete once there are no more segments.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// The character that is read next.
    at: u32,
    /// The segment that has been read last.
    pub segment: Segment,
    /// Seconds; zero until the tag has been read, which is required (RFC 8216, section 4.3.3.1).
    pub target_duration_s: f64,
    pub end_list: bool,
    /// What was found last, see [`Reader::find`] and [`Reader::place_before`].
    pub found_msn: u64,
    pub found_map: u32,
    pub found_s: f64,
}

const EXTINF: u32 = name("#EXTINF");
const TARGETDURATION: u32 = name("#EXT-X-TARGETDURATION");
const MEDIA_SEQUENCE: u32 = name("#EXT-X-MEDIA-SEQUENCE");
const BYTERANGE: u32 = name("#EXT-X-BYTERANGE");
const MAP: u32 = name("#EXT-X-MAP");
const DISCONTINUITY: u32 = name("#EXT-X-DISCONTINUITY");
const GAP: u32 = name("#EXT-X-GAP");
const ENDLIST: u32 = name("#EXT-X-ENDLIST");

impl Reader {
    /// At the beginning of a text.
    pub const NEW: Reader = Reader {
        at: 0,
        segment: Segment {
            msn: 0,
            uri: 0,
            duration_s: 0.0,
            range: 0,
            map: 0,
            map_stated: false,
            discontinuity: false,
            gap: false,
        },
        target_duration_s: 0.0,
        end_list: false,
        found_msn: 0,
        found_map: 0,
        found_s: 0.0,
    };

    /// Goes back to the beginning.
    #[inline(never)]
    pub fn reset(&mut self) {
        *self = Reader::NEW;
    }

    /// Reads on to the next segment; false at the end of the list. Not an iterator, so that the segment need
    /// not be copied: that is a tenth of the player.
    #[inline(never)]
    pub fn advance(&mut self, text: &impl Text) -> bool {
        if self.segment.uri > 0 {
            self.segment.uri = 0;
            self.segment.msn += 1;
        }
        self.segment.range = 0;
        self.segment.map_stated = false;
        self.segment.discontinuity = false;
        self.segment.gap = false;
        loop {
            while matches!(self.char(text), 1..=32) {
                self.at += 1;
            }
            if self.char(text) == 0 {
                return false;
            }
            if self.char(text) != u32::from(b'#') {
                self.segment.uri = self.rest_of_line(text);
                return true;
            }
            match self.word(text) {
                EXTINF => self.segment.duration_s = self.decimal(text),
                TARGETDURATION => {
                    self.target_duration_s = self.decimal(text);
                    // Zero is no time to wait between two requests.
                    if self.target_duration_s < 1.0 {
                        self.target_duration_s = 1.0;
                    }
                }
                MEDIA_SEQUENCE => self.segment.msn = self.integer(text),
                BYTERANGE => self.segment.range = self.rest_of_line(text),
                MAP => {
                    self.segment.map = self.rest_of_line(text);
                    self.segment.map_stated = true;
                }
                DISCONTINUITY => self.segment.discontinuity = true,
                GAP => self.segment.gap = true,
                ENDLIST => self.end_list = true,
                _ => {}
            }
            self.rest_of_line(text);
        }
    }

    fn char(&self, text: &impl Text) -> u32 {
        text.char_at(self.at)
    }

    #[inline(never)]
    fn rest_of_line(&mut self, text: &impl Text) -> Place {
        let start = self.at;
        while self.char(text) >= LINE_END {
            self.at += 1;
        }
        start
    }

    /// The hash of what stands before a colon or the end of the line, and goes on behind that.
    #[inline(never)]
    fn word(&mut self, text: &impl Text) -> u32 {
        let mut hash = 0;
        loop {
            let char = self.char(text);
            if char <= SPACE {
                return hash;
            }
            self.at += 1;
            if char == u32::from(b':') {
                return hash;
            }
            hash = hashed(hash, char);
        }
    }

    /// The leading decimal-integer.
    #[inline(never)]
    fn integer(&mut self, text: &impl Text) -> u64 {
        let mut number = 0u64;
        while self.char(text) == SPACE {
            self.at += 1;
        }
        loop {
            let digit = self.char(text).wrapping_sub(u32::from(b'0'));
            if digit > 9 {
                return number;
            }
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
    }

    /// The leading decimal-floating-point number; lists in the wild also have plain integers here.
    fn decimal(&mut self, text: &impl Text) -> f64 {
        let whole = self.integer(text) as f64;
        if self.char(text) != u32::from(b'.') {
            return whole;
        }
        self.at += 1;
        let start = self.at;
        let mut fraction = self.integer(text) as f64;
        for _ in start..self.at {
            fraction /= 10.0;
        }
        whole + fraction
    }

    /// Reads on to the first segment that can be had at or after `msn`, with the marks of the absent ones before it: a
    /// discontinuity stays one even if the segment that carried it is a gap. False if there is none.
    pub fn pick(&mut self, text: &impl Text, msn: u64) -> bool {
        self.reset();
        let mut discontinuity = false;
        let mut map_stated = false;
        while self.advance(text) {
            if self.segment.msn >= msn {
                self.segment.discontinuity |= discontinuity;
                self.segment.map_stated |= map_stated;
                if !self.segment.gap {
                    return true;
                }
                discontinuity = self.segment.discontinuity;
                map_stated = self.segment.map_stated;
            }
        }
        false
    }

    /// Finds the segment with this number and key, and leaves in `found_msn` and `found_map` where it is listed and the
    /// `exact_map_key` that applies to it there. Its number may be another one: an entry that is missing in the middle of
    /// the list shifts those behind it, until it has left. Names may repeat, so the expected number comes first, then the
    /// nearest one; and a list without the expected number, as after an outage, says nothing.
    pub fn find(&mut self, text: &impl Text, msn: u64, key: u32) -> bool {
        self.reset();
        let mut is_listed = false;
        let mut has_moved = false;
        let mut expected_map = 0;
        while self.advance(text) {
            let is_same = self.segment_key(text) == key;
            let at = self.segment.msn;
            if at == msn {
                is_listed = true;
                expected_map = self.exact_map_key(text);
                if is_same {
                    has_moved = false;
                    break;
                }
            } else if is_same && (!has_moved || self.found_msn.abs_diff(msn) > at.abs_diff(msn)) {
                has_moved = true;
                self.found_msn = at;
                self.found_map = self.exact_map_key(text);
            }
        }
        if !has_moved {
            self.found_msn = msn;
            self.found_map = expected_map;
        }
        is_listed
    }

    /// Finds the last of the segments from which on there are at least `distance_s` seconds up to `end_msn`, or else the
    /// first, and leaves it in `found_msn`, and in `found_s` how far into it that distance begins.
    pub fn place_before(&mut self, text: &impl Text, end_msn: u64, distance_s: f64) {
        // The distance is asked from the end, and the list is read from its start: hence two passes.
        let mut duration_s = 0.0;
        let mut is_measured = false;
        loop {
            self.reset();
            let mut at_s = 0.0;
            while self.advance(text) && self.segment.msn < end_msn {
                // Sums of decimal fractions are inexact; a microsecond is no distance.
                let into_s = duration_s - at_s + MICROSECOND_S - distance_s;
                if into_s >= 0.0 || at_s == 0.0 {
                    self.found_msn = self.segment.msn;
                    self.found_s = if into_s < 0.0 { 0.0 } else { into_s };
                }
                at_s += self.segment.duration_s;
            }
            if is_measured {
                return;
            }
            is_measured = true;
            duration_s = at_s;
        }
    }

    /// What makes entries of two texts the same segment, as far as that can be told without numbers: the path and the byte
    /// range. The query part is left out, because signed URIs have another one in each text.
    pub fn segment_key(&self, text: &impl Text) -> u32 {
        hash(text, self.segment.uri, QUERY, LINE_END) ^ hash(text, self.segment.range, 0, LINE_END)
    }

    /// What makes EXT-X-MAP tags of two texts the same section: all but the query part, and what is behind it.
    pub fn map_key(&self, text: &impl Text) -> u32 {
        hash(text, self.segment.map, QUERY, LINE_END)
    }

    /// What makes EXT-X-MAP tags of one text the same section: there, another query part is another one.
    pub fn exact_map_key(&self, text: &impl Text) -> u32 {
        hash(text, self.segment.map, 0, LINE_END)
    }
}

/// In a power of two, as in player/limits.rs.
const MICROSECOND_S: f64 = 1.0 / 1_048_576.0;

/// What a query part begins with.
const QUERY: u32 = b'?' as u32;

/// What is below this ends a line.
const LINE_END: u32 = 32;

/// Not to be behind a name or before a number (RFC 8216, section 4.1), but it is.
const SPACE: u32 = 32;

/// Of a whole text: what makes two texts the same.
pub fn text_hash(text: &impl Text) -> u32 {
    hash(text, 0, 0, TEXT_END)
}

/// What is below this ends a text.
const TEXT_END: u32 = 1;

/// Of what is before the first character below `behind`, or such a mark.
#[inline(never)]
fn hash(text: &impl Text, place: Place, mark: u32, behind: u32) -> u32 {
    let mut hash = 0;
    let mut at = place;
    loop {
        let char = text.char_at(at);
        if char < behind || char == mark {
            return hash;
        }
        hash = hashed(hash, char);
        at += 1;
    }
}

/// Multiplication by an odd number loses nothing, and this one spreads the letters of a name over all bits.
const fn hashed(hash: u32, char: u32) -> u32 {
    (hash ^ char).wrapping_mul(0x0100_0193)
}

/// The hash of a name.
const fn name(text: &str) -> u32 {
    let mut hash = 0;
    let mut at = 0;
    while at < text.len() {
        hash = hashed(hash, text.as_bytes()[at] as u32);
        at += 1;
    }
    hash
}
