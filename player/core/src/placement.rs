//! Where the first segment of a run goes: its `timestampOffset`.
//!
//! Edit lists are left out of account. WebKit ignores them, Chromium all of them but one that begins at media, and
//! Firefox follows them, which moves both tracks by some hundredths of a second.

use crate::boxes::{DEPTH_MAX, kind, walk};

const TKHD: u32 = kind(b"tkhd");
const MDHD: u32 = kind(b"mdhd");
const HDLR: u32 = kind(b"hdlr");
const VIDE: u32 = kind(b"vide");
const TFHD: u32 = kind(b"tfhd");
const TFDT: u32 = kind(b"tfdt");
const TRUN: u32 = kind(b"trun");

/// The offset with which a segment begins a run at `run_start_s`. Behind other media its first frame goes there,
/// whichever track it is in, so that each track goes on where it should. At zero it is the picture's first decode
/// time that goes there, because WebKit shows nothing of a picture that is to be decoded before zero, and begins by
/// itself only if the first picture is due within 83 ms.
///
/// `media` is the init and, right behind it, the segment, which may be cut behind its first moof. What cannot be read is taken to begin at zero.
pub fn timestamp_offset_s(media: &[u8], run_start_s: f64) -> f64 {
    let mut first_s = f64::INFINITY;
    let mut picture_s = f64::INFINITY;
    // Of the track fragment's track; zero if it is not known, or done with.
    let mut timescale = 0;
    let mut is_picture = false;
    let mut time = 0.0;
    walk(media, DEPTH_MAX, &mut |kind, body| match kind {
        TFHD => {
            let track = number(body, 4);
            let mut id = 0;
            timescale = 0;
            time = 0.0;
            walk(media, DEPTH_MAX, &mut |kind, body| match kind {
                TKHD => id = behind_dates(body),
                MDHD if id == track => timescale = behind_dates(body),
                HDLR if id == track => is_picture = number(body, 8) == VIDE,
                _ => {}
            });
        }
        TFDT => {
            time = f64::from(number(body, 4));
            if is_long(body) {
                time = time * 4294967296.0 + f64::from(number(body, 8));
            }
        }
        TRUN if timescale > 0 => {
            let dts_s = time / f64::from(timescale);
            let pts_s = (time + composition_offset(body)) / f64::from(timescale);
            if pts_s < first_s {
                first_s = pts_s;
            }
            if is_picture && dts_s < picture_s {
                picture_s = dts_s;
            }
            // What is in the track fragment's other runs comes later.
            timescale = 0;
        }
        _ => {}
    });
    if run_start_s <= 0.0 && picture_s < f64::INFINITY {
        first_s = picture_s;
    }
    if first_s < f64::INFINITY { run_start_s - first_s } else { run_start_s }
}

/// That of the first sample. It is signed in version 1 only, but whoever writes one above 2^31 in version 0 means a
/// negative one.
fn composition_offset(trun: &[u8]) -> f64 {
    let flags = number(trun, 0);
    if flags & 0x800 == 0 {
        return 0.0;
    }
    // What comes before it: data_offset and first_sample_flags; the sample's duration, size and flags.
    let at = 8 + 4 * (flags & 0x705).count_ones();
    f64::from(number(trun, at as usize) as i32)
}

/// What follows the two dates in tkhd and mdhd: the track's id, the timescale.
fn behind_dates(body: &[u8]) -> u32 {
    number(body, if is_long(body) { 20 } else { 12 })
}

fn is_long(body: &[u8]) -> bool {
    matches!(body, [1, ..])
}

/// Zero behind the end.
#[inline(never)]
fn number(body: &[u8], at: usize) -> u32 {
    body.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
