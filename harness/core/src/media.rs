//! What the bytes of an init segment or a media segment hold, as far as the suite has to know: tracks, decode
//! times, sample counts, and a digest that page and origin compute alike.
//!
//! Boxes are read with mp4-atom. The only edit is the tfdt shift, done in place so that no other byte changes.

use std::ops::Range;

use mp4_atom::{Atom, Decode, Header, Moof, Moov};
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum MediaError {
    #[error("not a sequence of complete ISO BMFF boxes")]
    Boxes,
    #[error("no {0} box")]
    Missing(&'static str),
    #[error("box cannot be read")]
    Box(#[from] mp4_atom::Error),
    #[error("no video track")]
    NoVideo,
}

/// A track as the init segment declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    pub id: u32,
    pub is_video: bool,
    /// Units per second of this track's decode times.
    pub timescale: u32,
    /// Of the `trex` box; 0 if it gives none.
    pub default_sample_duration: u32,
}

/// What a media segment says of its video track, and the digest of its media data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentFacts {
    /// Digest of the first mdat's payload, as [`digest`] computes it.
    pub mdat: String,
    /// Digests of those after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_mdats: Vec<String>,
    /// Decode time of the first video sample, seconds.
    pub start_s: f64,
    /// Sum of the video samples' durations, seconds.
    pub duration_s: f64,
    /// Number of video samples.
    pub frames: u32,
    /// The bytes are not what the encoder made, and no player can make good of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_spoiled: bool,
}

impl SegmentFacts {
    /// Number of its first frame, counted from the beginning of the stream's time.
    pub fn first_frame(&self) -> u64 {
        (self.start_s * f64::from(self.frames) / self.duration_s).round() as u64
    }
}

/// The tracks of an init segment.
pub fn tracks(init: &[u8]) -> Result<Vec<Track>, MediaError> {
    let moov = find(init, Moov::KIND).ok_or(MediaError::Missing("moov"))?;
    let moov = Moov::decode(&mut &init[moov])?;
    let trex = moov.mvex.map(|mvex| mvex.trex).unwrap_or_default();
    Ok(moov
        .trak
        .iter()
        .map(|trak| Track {
            id: trak.tkhd.track_id,
            is_video: trak.mdia.hdlr.handler == b"vide".into(),
            timescale: trak.mdia.mdhd.timescale,
            default_sample_duration: trex
                .iter()
                .find(|t| t.track_id == trak.tkhd.track_id)
                .map_or(0, |t| t.default_sample_duration),
        })
        .collect())
}

/// Reads a media segment in the light of its init segment's tracks.
pub fn segment_facts(segment: &[u8], tracks: &[Track]) -> Result<SegmentFacts, MediaError> {
    let video = tracks.iter().find(|t| t.is_video).ok_or(MediaError::NoVideo)?;
    let mut facts = SegmentFacts {
        mdat: String::new(),
        more_mdats: Vec::new(),
        start_s: 0.0,
        duration_s: 0.0,
        frames: 0,
        is_spoiled: false,
    };
    let mut mdats = Vec::new();
    let mut first = true;
    for (kind, range) in boxes(segment) {
        if &kind == b"mdat" {
            mdats.push(digest(&segment[payload(segment, &range)]));
        }
        if &kind != b"moof" {
            continue;
        }
        let moof = Moof::decode(&mut &segment[range])?;
        for traf in moof.traf.iter().filter(|traf| traf.tfhd.track_id == video.id) {
            let default = traf.tfhd.default_sample_duration.unwrap_or(video.default_sample_duration);
            if first {
                let tfdt = traf.tfdt.as_ref().ok_or(MediaError::Missing("tfdt"))?;
                facts.start_s = tfdt.base_media_decode_time as f64 / f64::from(video.timescale);
                first = false;
            }
            for sample in traf.trun.iter().flat_map(|trun| trun.samples.iter()) {
                facts.frames += 1;
                facts.duration_s +=
                    f64::from(sample.duration.unwrap_or(default)) / f64::from(video.timescale);
            }
        }
    }
    if facts.frames == 0 {
        return Err(MediaError::Missing("video sample"));
    }
    let mut mdats = mdats.into_iter();
    facts.mdat = mdats.next().unwrap_or_default();
    facts.more_mdats = mdats.collect();
    Ok(facts)
}

/// Adds `offset_s` seconds to every tfdt of the segment, each in its track's timescale, without touching
/// another byte: the media of a second lap continues the time of the first.
pub fn shift_tfdt(segment: &mut [u8], tracks: &[Track], offset_s: f64) -> Result<(), MediaError> {
    let moofs: Vec<_> = boxes(segment).into_iter().filter(|(kind, _)| kind == b"moof").collect();
    for (_, moof) in moofs {
        for (_, traf) in children(segment, &moof).into_iter().filter(|(kind, _)| kind == b"traf") {
            let inner = children(segment, &traf);
            let position =
                |kind: &[u8; 4]| inner.iter().find(|(k, _)| k == kind).map(|(_, r)| payload(segment, r));
            let tfhd = position(b"tfhd").ok_or(MediaError::Missing("tfhd"))?;
            let tfdt = position(b"tfdt").ok_or(MediaError::Missing("tfdt"))?;
            let id = u32::from_be_bytes(word(segment, tfhd.start + 4)?);
            let Some(track) = tracks.iter().find(|t| t.id == id) else { continue };
            let offset = (offset_s * f64::from(track.timescale)).round() as u64;
            let is_64_bit = segment[tfdt.start] == 1;
            let at = tfdt.start + 4;
            if is_64_bit {
                let old = u64::from_be_bytes(word(segment, at)?);
                segment[at..at + 8].copy_from_slice(&(old + offset).to_be_bytes());
            } else {
                let old = u32::from_be_bytes(word(segment, at)?);
                segment[at..at + 4].copy_from_slice(&(old.wrapping_add(offset as u32)).to_be_bytes());
            }
        }
    }
    Ok(())
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], MediaError> {
    bytes.get(at..at + N).and_then(|b| b.try_into().ok()).ok_or(MediaError::Boxes)
}

/// The digest of `bytes` as the page's probe computes it too: two 32-bit multiplicative hashes, cheap in
/// JavaScript without BigInt. It tells segments apart; it is no defence against an adversary.
pub fn digest(bytes: &[u8]) -> String {
    let mut digest = Digest::new();
    digest.update(bytes);
    digest.finish()
}

struct Digest(u32, u32);

impl Digest {
    fn new() -> Digest {
        Digest(0x811c_9dc5, 0x9747_b28c)
    }

    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
            self.1 = (self.1.rotate_left(5) ^ u32::from(*byte)).wrapping_mul(0x9e37_79b1);
        }
    }

    fn finish(&self) -> String {
        format!("{:08x}{:08x}", self.0, self.1)
    }
}

/// The boxes of `bytes`, with their whole ranges; stops at the first that is not complete.
fn boxes(bytes: &[u8]) -> Vec<([u8; 4], Range<usize>)> {
    children(bytes, &(0..bytes.len())).into_iter().collect()
}

/// The boxes inside the box at `parent` (or inside the whole slice, if `parent` is all of it).
fn children(bytes: &[u8], parent: &Range<usize>) -> Vec<([u8; 4], Range<usize>)> {
    let whole = parent.start == 0 && parent.end == bytes.len();
    let inside = if whole { parent.clone() } else { payload(bytes, parent) };
    let (mut at, end) = (inside.start, inside.end);
    let mut found = Vec::new();
    while at + 8 <= end {
        let mut rest = &bytes[at..end];
        let before = rest.len();
        let Ok(header) = Header::decode(&mut rest) else { break };
        let head = before - rest.len();
        let size = header.size.map_or(end - at, |size| size + head);
        if at + size > end {
            break;
        }
        found.push((*header.kind.as_ref(), at..at + size));
        at += size;
    }
    found
}

fn payload(bytes: &[u8], range: &Range<usize>) -> Range<usize> {
    let long = bytes[range.start..range.start + 4] == [0, 0, 0, 1];
    range.start + if long { 16 } else { 8 }..range.end
}

/// The first top-level box of this kind, whole.
pub fn top_level<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).into_iter().find(|(k, _)| k == kind).map(|(_, range)| &bytes[range])
}

fn find(bytes: &[u8], kind: mp4_atom::FourCC) -> Option<Range<usize>> {
    boxes(bytes).into_iter().find(|(k, _)| k == kind.as_ref()).map(|(_, range)| range)
}
