//! What the bytes of an init segment or a media segment hold, as far as the suite has to know: tracks, decode
//! times, sample counts, and a digest that page and origin compute alike.
//!
//! Boxes are read with mp4-atom. A lap's tfdt shift is done here, in place so that no other byte changes; what a
//! scenario does to media on purpose is in [`edit`].

mod boxes;
pub mod edit;
mod fragment;

pub use edit::{Edit, Edits};

use std::ops::Range;

use mp4_atom::{Codec, Decode, Moof, Moov, Trak, Trex};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use boxes::{boxes, children, find, payload, word};

#[derive(Debug, Error)]
pub enum MediaError {
    #[error("not a sequence of complete ISO BMFF boxes")]
    Boxes,
    #[error("no {0}")]
    Missing(&'static str),
    #[error("box cannot be read")]
    Box(#[from] mp4_atom::Error),
    /// A traf's samples cannot be found in the bytes.
    #[error("samples of track {track_id} are not where its traf says: {why}")]
    Samples { track_id: u32, why: &'static str },
    /// An edit that these bytes have nothing for.
    #[error("cannot apply \"{edit}\", which is for {subject}: {source}")]
    Edit { edit: Edit, subject: edit::Subject, source: Box<MediaError> },
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
    /// Bytes, of the `trex` box; 0 if it gives none.
    pub default_sample_size: u32,
    /// Of the `trex` box; 0, a sync sample, if it gives none.
    pub default_sample_flags: u32,
    /// How the samples are divided into NAL units; `None` if they are not, as those of VP9, AV1 and sound.
    pub nal: Option<Nal>,
}

/// How a sample is divided into NAL units, each preceded by its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nal {
    /// Bytes of each length.
    pub length_bytes: usize,
    pub codec: NalCodec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalCodec {
    H264,
    Hevc,
}

/// What a media segment says of its video track, and the digest of its media data. Of a segment without
/// video the times are the sound's, and its digest alone tells it from others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentFacts {
    /// Digest of the first mdat's payload, as [`digest`] computes it.
    pub mdat: String,
    /// Digests of those after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_mdats: Vec<String>,
    /// Decode time of the first sample, seconds, by the first movie fragment's tfdt.
    pub start_s: f64,
    /// Sum of the samples' durations over all movie fragments, seconds.
    pub duration_s: f64,
    /// Number of video samples; 0 if there are none.
    pub frames: u32,
    /// Seconds of the picture that no sound of the same segment accompanies; 0 below 0.1 s, and where there
    /// is only one of them. An engine may not play them: a SourceBuffer has buffered what all its tracks have (MSE, 3.1).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unaccompanied_s: f64,
    /// The bytes are not what the encoder made, and no player can make good of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_spoiled: bool,
}

impl SegmentFacts {
    /// Number of its first frame, counted from the beginning of the stream's time; 0 without video. It goes by
    /// the tfdt, so of a segment whose tfdt was edited it says which frame should be there, not which is.
    pub fn first_frame(&self) -> u64 {
        (self.start_s * f64::from(self.frames) / self.duration_s).round() as u64
    }
}

/// What a media segment holds of one track, all its movie fragments taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackFragment {
    /// baseMediaDecodeTime of its first tfdt, in ticks of the track's timescale.
    pub decode_time: u64,
    /// Sum of the sample durations, in ticks of the track's timescale.
    pub duration: u64,
    pub samples: u32,
    /// Whether decoding can begin with its first sample.
    pub starts_with_sync_sample: bool,
}

/// The tracks of an init segment.
pub fn tracks(init: &[u8]) -> Result<Vec<Track>, MediaError> {
    let moov = find(init, b"moov").ok_or(MediaError::Missing("moov"))?;
    let moov = Moov::decode(&mut &init[moov])?;
    let trex = moov.mvex.map(|mvex| mvex.trex).unwrap_or_default();
    let trex_of = |id| trex.iter().find(|trex| trex.track_id == id).cloned().unwrap_or_default();
    // Whatever else there may be is played by nobody.
    let is_played = |trak: &&Trak| [b"vide".into(), b"soun".into()].contains(&trak.mdia.hdlr.handler);
    Ok(moov.trak.iter().filter(is_played).map(|trak| track(trak, &trex_of(trak.tkhd.track_id))).collect())
}

fn track(trak: &Trak, trex: &Trex) -> Track {
    let nal = |codec, length_bytes: u8| Some(Nal { length_bytes: usize::from(length_bytes), codec });
    Track {
        id: trak.tkhd.track_id,
        is_video: trak.mdia.hdlr.handler == b"vide".into(),
        timescale: trak.mdia.mdhd.timescale,
        default_sample_duration: trex.default_sample_duration,
        default_sample_size: trex.default_sample_size,
        default_sample_flags: trex.default_sample_flags,
        nal: match trak.mdia.minf.stbl.stsd.codecs.first() {
            Some(Codec::Avc1(avc1)) => nal(NalCodec::H264, avc1.avcc.length_size),
            Some(Codec::Avc3(avc3)) => nal(NalCodec::H264, avc3.avcc.length_size),
            Some(Codec::Hvc1(hvc1)) => nal(NalCodec::Hevc, hvc1.hvcc.length_size_minus_one + 1),
            Some(Codec::Hev1(hev1)) => nal(NalCodec::Hevc, hev1.hvcc.length_size_minus_one + 1),
            _ => None,
        },
    }
}

/// Reads a media segment in the light of its init segment's tracks.
pub fn segment_facts(segment: &[u8], tracks: &[Track]) -> Result<SegmentFacts, MediaError> {
    let held = tracks.iter().map(|track| Ok((track, track_fragment(segment, track)?)));
    let held: Vec<_> = held.collect::<Result<_, MediaError>>()?;
    let of_kind = |is_video| {
        let of_kind = held.iter().filter(move |(track, _)| track.is_video == is_video);
        of_kind.filter_map(|(track, fragment)| Some((*track, (*fragment)?))).next()
    };
    let (track, fragment) = of_kind(true).or(of_kind(false)).ok_or(MediaError::Missing("sample"))?;
    let mut mdats = mdats(segment).into_iter();
    Ok(SegmentFacts {
        mdat: mdats.next().unwrap_or_default(),
        more_mdats: mdats.collect(),
        start_s: fragment.decode_time as f64 / f64::from(track.timescale),
        duration_s: fragment.duration as f64 / f64::from(track.timescale),
        frames: if track.is_video { fragment.samples } else { 0 },
        unaccompanied_s: match (of_kind(true), of_kind(false)) {
            (Some(picture), Some(sound)) => unaccompanied_s(&span_s(picture), &span_s(sound)),
            _ => 0.0,
        },
        is_spoiled: false,
    })
}

fn span_s((track, fragment): (&Track, TrackFragment)) -> Range<f64> {
    let s = |ticks: u64| ticks as f64 / f64::from(track.timescale);
    s(fragment.decode_time)..s(fragment.decode_time + fragment.duration)
}

fn unaccompanied_s(picture: &Range<f64>, sound: &Range<f64>) -> f64 {
    let together_s = picture.end.min(sound.end) - picture.start.max(sound.start);
    let alone_s = picture.end - picture.start - together_s.max(0.0);
    if alone_s < UNACCOMPANIED_S { 0.0 } else { alone_s }
}

fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

/// A sound's frames never end with the picture's: less than this is a matter of course, seconds.
const UNACCOMPANIED_S: f64 = 0.1;

/// What a segment holds after edits; where it can no longer be read, `before` with the digests of what is left.
pub fn facts_of_edited(segment: &[u8], tracks: &[Track], before: SegmentFacts) -> SegmentFacts {
    segment_facts(segment, tracks).unwrap_or_else(|_| {
        let mut mdats = mdats(segment).into_iter();
        SegmentFacts { mdat: mdats.next().unwrap_or_default(), more_mdats: mdats.collect(), ..before }
    })
}

/// Digests of the payloads of all mdat boxes.
fn mdats(segment: &[u8]) -> Vec<String> {
    let mdats = boxes(segment).into_iter().filter(|(kind, _)| kind == b"mdat");
    mdats.map(|(_, range)| digest(&segment[payload(segment, &range)])).collect()
}

/// What a media segment holds of `track`; `None` if there is no sample of it.
pub fn track_fragment(segment: &[u8], track: &Track) -> Result<Option<TrackFragment>, MediaError> {
    let mut whole: Option<TrackFragment> = None;
    for (_, range) in boxes(segment).into_iter().filter(|(kind, _)| kind == b"moof") {
        let moof = Moof::decode(&mut &segment[range])?;
        for traf in moof.traf.iter().filter(|traf| traf.tfhd.track_id == track.id) {
            let tfdt = traf.tfdt.as_ref().ok_or(MediaError::Missing("tfdt"))?;
            for entry in fragment::resolved(traf, track) {
                let whole = whole.get_or_insert(TrackFragment {
                    decode_time: tfdt.base_media_decode_time,
                    duration: 0,
                    samples: 0,
                    starts_with_sync_sample: fragment::is_sync(&entry),
                });
                whole.samples += 1;
                whole.duration += u64::from(entry.duration.unwrap_or(0));
            }
        }
    }
    Ok(whole)
}

/// Whether `bytes` are complete boxes from the first to the last byte.
pub fn is_whole(bytes: &[u8]) -> bool {
    boxes(bytes).last().map_or(0, |(_, range)| range.end) == bytes.len()
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

/// The first top-level box of this kind, whole.
pub fn top_level<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    find(bytes, kind).map(|range| &bytes[range])
}
