//! The codecs string of a Media Initialization Section, in the form that MSE's `addSourceBuffer` wants
//! (RFC 6381 and the codecs' own registrations).

use crate::boxes::{Boxes, DEPTH_MAX, kind, walk};

/// The longest codecs string that is kept; two tracks need about half of it.
pub const CODECS_BYTES_MAX: usize = 96;

const STSD: u32 = kind(b"stsd");
const MP4A: u32 = kind(b"mp4a");
const OPUS: u32 = kind(b"Opus");
const FLAC: u32 = kind(b"fLaC");
const AC_3: u32 = kind(b"ac-3");
const EC_3: u32 = kind(b"ec-3");
const AVCC: u32 = kind(b"avcC");
const ESDS: u32 = kind(b"esds");
const HVCC: u32 = kind(b"hvcC");
const AV1C: u32 = kind(b"av1C");
const VPCC: u32 = kind(b"vpcC");

/// A comma-separated list of codecs, one per track.
#[derive(Debug, Clone, Copy)]
pub struct Codecs {
    bytes: [u8; CODECS_BYTES_MAX],
    length: usize,
}

impl Codecs {
    pub const NONE: Codecs = Codecs { bytes: [0; CODECS_BYTES_MAX], length: 0 };

    /// Reads the codecs of every track. A sample entry without a rule here is listed by its four characters
    /// alone, so that the browser decides. Empty if there is no sample entry.
    pub fn read(init: &[u8]) -> Codecs {
        let mut codecs = Codecs::NONE;
        walk(init, DEPTH_MAX, &mut |kind, body| {
            if kind == STSD {
                // version, flags and the number of entries come first.
                codecs.entries(body.get(8..).unwrap_or(&[]));
            }
        });
        codecs
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn entries(&mut self, entries: &[u8]) {
        for (kind, body) in Boxes(entries) {
            if self.length > 0 {
                self.push(b',');
            }
            // Browsers know `opus` and `flac` in lower case only; the others are in lower case already.
            for byte in kind.to_be_bytes() {
                self.push(byte.to_ascii_lowercase());
            }
            // What precedes the boxes in a visual and in an audio sample entry (ISO/IEC 14496-12, 12.1 and 12.2).
            let header = if matches!(kind, MP4A | OPUS | FLAC | AC_3 | EC_3) { 28 } else { 78 };
            for (config, body) in Boxes(body.get(header..).unwrap_or(&[])) {
                match (config, body) {
                    (AVCC, &[_, profile, constraints, level, ..]) => {
                        self.push(b'.');
                        self.hex(profile);
                        self.hex(constraints);
                        self.hex(level);
                    }
                    (ESDS, body) => self.esds(body),
                    (HVCC, body) => self.hvcc(body),
                    (AV1C, &[_, profile_level, bits, ..]) => {
                        self.push(b'.');
                        self.decimal(profile_level >> 5, 1);
                        self.push(b'.');
                        self.decimal(profile_level & 31, 2);
                        self.push(if bits & 0x80 != 0 { b'H' } else { b'M' });
                        self.push(b'.');
                        // high_bitdepth and twelve_bit.
                        self.decimal(8 + ((bits >> 6) & 1) * 2 + ((bits >> 5) & 1) * 2, 2);
                    }
                    (VPCC, &[_, _, _, _, profile, level, depth, ..]) => {
                        for number in [profile, level, depth >> 4] {
                            self.push(b'.');
                            self.decimal(number, 2);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// `.40.2` and the like: the object type indication, and for MPEG-4 audio the audio object type.
    fn esds(&mut self, body: &[u8]) {
        let mut rest = body.get(4..).unwrap_or(&[]);
        while let [tag, after @ ..] = rest {
            let mut after = after;
            // The length is written in up to four bytes of seven bits.
            while let [0x80..=0xff, next @ ..] = after {
                after = next;
            }
            after = after.get(1..).unwrap_or(&[]);
            match (tag, after) {
                // ES_Descriptor: identifier and flags; what the flags announce is absent in fMP4.
                (3, [_, _, _, next @ ..]) => rest = next,
                // DecoderConfigDescriptor: its fixed part is 13 bytes.
                (4, [object_type, ..]) => {
                    self.push(b'.');
                    self.hex(*object_type);
                    if *object_type != 0x40 {
                        return;
                    }
                    rest = after.get(13..).unwrap_or(&[]);
                }
                // DecoderSpecificInfo: five bits of audio object type, 31 announces six more.
                (5, [first, second, ..]) => {
                    self.push(b'.');
                    let kind = first >> 3;
                    let extended = 32 + ((first & 7) << 3) + (second >> 5);
                    self.decimal(if kind == 31 { extended } else { kind }, 1);
                    return;
                }
                _ => return,
            }
        }
    }

    /// `.1.6.L93.B0`: profile, compatibility flags in reverse bit order, tier and level, constraint bytes
    /// without trailing zeros (ISO/IEC 14496-15, annex E).
    fn hvcc(&mut self, body: &[u8]) {
        let [_, profile, rest @ ..] = body else { return };
        let Some((&flags, rest)) = rest.split_first_chunk() else { return };
        let Some((constraints, &[level, ..])) = rest.split_at_checked(6) else { return };
        self.push(b'.');
        if profile >> 6 != 0 {
            self.push(b'@' + (profile >> 6));
        }
        self.decimal(profile & 31, 1);
        self.push(b'.');
        let flags = u32::from_be_bytes(flags).reverse_bits();
        for digit in (0..8).rev() {
            if digit == 0 || flags >> (digit * 4) != 0 {
                self.hex_digit((flags >> (digit * 4)) as u8);
            }
        }
        self.push(b'.');
        self.push(if profile & 0x20 != 0 { b'H' } else { b'L' });
        self.decimal(level, 1);
        let mut constraints = constraints;
        while let [rest @ .., 0] = constraints {
            constraints = rest;
        }
        for &byte in constraints {
            self.push(b'.');
            self.hex(byte);
        }
    }

    #[inline(never)]
    fn hex(&mut self, byte: u8) {
        self.hex_digit(byte >> 4);
        self.hex_digit(byte);
    }

    fn hex_digit(&mut self, digit: u8) {
        let digit = digit & 15;
        self.push(digit + if digit < 10 { b'0' } else { b'A' - 10 });
    }

    /// At least `digits` digits, at most three.
    #[inline(never)]
    fn decimal(&mut self, number: u8, digits: u8) {
        if number > 99 {
            self.push(b'0' + number / 100);
        }
        if digits > 1 || number > 9 {
            self.push(b'0' + number / 10 % 10);
        }
        self.push(b'0' + number % 10);
    }

    /// What does not fit is dropped: the browser then refuses the type, which is reported.
    #[inline(never)]
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }
}
