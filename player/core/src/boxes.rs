//! ISO/IEC 14496-12 as far as it is the same everywhere.

/// A box type as a number: comparing them letter by letter is half a kilobyte of wasm more.
pub const fn kind(letters: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*letters)
}

const MOOV: u32 = kind(b"moov");
const TRAK: u32 = kind(b"trak");
const MDIA: u32 = kind(b"mdia");
const MINF: u32 = kind(b"minf");
const STBL: u32 = kind(b"stbl");
const MOOF: u32 = kind(b"moof");
const TRAF: u32 = kind(b"traf");

/// From moov to stsd, which is the longest way.
pub const DEPTH_MAX: u32 = 5;

/// Goes through the boxes of inits and segments, and that many times into those that hold boxes only.
pub fn walk(boxes: &[u8], depth: u32, visit: &mut dyn FnMut(u32, &[u8])) {
    for (kind, body) in Boxes(boxes) {
        match kind {
            MOOV | TRAK | MDIA | MINF | STBL | MOOF | TRAF if depth > 0 => walk(body, depth - 1, visit),
            _ => visit(kind, body),
        }
    }
}

/// The boxes of a byte string: their type and body. Stops at the first one that is cut.
pub struct Boxes<'a>(pub &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = (u32, &'a [u8]);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let (&size, rest) = self.0.split_first_chunk()?;
        let (&kind, _) = rest.split_first_chunk()?;
        let size = u32::from_be_bytes(size) as usize;
        let (whole, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some((u32::from_be_bytes(kind), whole.get(8..)?))
    }
}
