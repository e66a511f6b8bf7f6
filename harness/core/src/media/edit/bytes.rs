//! Edits of bytes and boxes that leave every sample where it is in its box.

use std::ops::Range;

use mp4_atom::{Emsg, EmsgTimestamp, Encode, Prft, ReferenceTime, SegmentReference, Sidx, Styp};

use super::super::boxes::{BoxEdit, boxed, boxes, boxes_in, children, find, payload, rewrite, word};
use super::super::{Digest, MediaError, Track, TrackFragment, track_fragment};
use super::{Extent, Inserted, Kind, Place};

pub fn garbage(bytes: &[u8], extent: Extent) -> Result<Vec<u8>, MediaError> {
    let percent = |p: f64| (bytes.len() as f64 * p / 100.0) as usize;
    let clamped = |from: usize, to: usize| from.min(bytes.len())..to.min(bytes.len());
    let stretches: Vec<Range<usize>> = match extent {
        Extent::Mdat => {
            let mdats = boxes(bytes).into_iter().filter(|(kind, _)| kind == b"mdat");
            mdats.map(|(_, range)| payload(bytes, &range)).collect()
        }
        Extent::Body => Vec::from([clamped(0, bytes.len())]),
        Extent::Bytes(from, to) => Vec::from([clamped(from, to)]),
        Extent::Percent(from, to) => Vec::from([clamped(percent(from), percent(to))]),
    };
    if stretches.iter().all(Range::is_empty) {
        return Err(MediaError::Missing(match extent {
            Extent::Mdat => "mdat",
            _ => "byte in that stretch",
        }));
    }
    let mut edited = bytes.to_vec();
    let mut noise = Noise::of(bytes);
    for stretch in stretches {
        noise.fill(&mut edited[stretch]);
    }
    if edited[0] != bytes[0] {
        edited[0] |= ABOVE_2_GIB;
    }
    Ok(edited)
}

/// In the first byte of what is read as a box. A random size below 2 GiB makes Chromium wait for the rest of the box and
/// swallow all that is appended after it, one above is an error at once: what an edit does must not depend on such a bit.
const ABOVE_2_GIB: u8 = 0x80;

pub fn cut(bytes: &[u8], place: Place) -> Result<Vec<u8>, MediaError> {
    match place {
        Place::Whole(kind) => {
            find(bytes, &kind).ok_or_else(|| missing(&kind))?;
            rewrite(bytes, &[&kind], &mut |_| Ok(Vec::new()))
        }
        Place::Inside(kind) => {
            let range = find(bytes, &kind).ok_or_else(|| missing(&kind))?;
            Ok(bytes[..range.start + range.len() / 2].to_vec())
        }
    }
}

pub fn mdat_size(bytes: &[u8], percent: f64) -> Result<Vec<u8>, MediaError> {
    find(bytes, b"mdat").ok_or(MediaError::Missing("mdat"))?;
    rewrite(bytes, &[b"mdat"], &mut |mdat| {
        let size = (mdat.len() as f64 * percent / 100.0) as u32;
        let mut edited = [&size.to_be_bytes(), &mdat[4..]].concat();
        // What lies behind a box that is said to be shorter is read as the next box.
        let is_box = size >= 8; // With 0 it reaches up to the end.
        if let Some(next) = edited.get_mut(size as usize).filter(|_| is_box) {
            *next |= ABOVE_2_GIB;
        }
        Ok(edited)
    })
}

/// The trafs in another order. Each says where its own data is, so nothing else has to move.
pub fn audio_first(bytes: &[u8], tracks: &[Track]) -> Result<Vec<u8>, MediaError> {
    find(bytes, b"moof").ok_or(MediaError::Missing("moof"))?;
    rewrite(bytes, &[b"moof"], &mut |moof| {
        let inner = children(moof, &(0..moof.len()));
        let mut sorted = Vec::with_capacity(inner.len());
        for (kind, range) in inner {
            let of_kind = match &kind {
                b"traf" => track_of_traf(&moof[range.clone()], tracks)?.map(Kind::of),
                _ => None,
            };
            // The mfhd, and whatever else is no traf of these tracks, stays in front.
            let rank = match of_kind {
                None => 0,
                Some(Kind::Audio) => 1,
                Some(Kind::Video) => 2,
            };
            sorted.push((rank, range));
        }
        sorted.sort_by_key(|(rank, _)| *rank);
        if !sorted.iter().any(|(rank, _)| *rank == 1) || !sorted.iter().any(|(rank, _)| *rank == 2) {
            return Err(MediaError::Missing("moof with an audio and a video traf"));
        }
        let payload: Vec<u8> = sorted.into_iter().flat_map(|(_, range)| &moof[range]).copied().collect();
        Ok(boxed(b"moof", &payload))
    })
}

/// The track that this traf belongs to.
pub fn track_of_traf<'a>(traf: &[u8], tracks: &'a [Track]) -> Result<Option<&'a Track>, MediaError> {
    let inner = children(traf, &(0..traf.len()));
    let (_, tfhd) = inner.iter().find(|(kind, _)| kind == b"tfhd").ok_or(MediaError::Missing("tfhd"))?;
    let id = u32::from_be_bytes(word(traf, payload(traf, tfhd).start + 4)?);
    Ok(tracks.iter().find(|track| track.id == id))
}

pub fn is_init(bytes: &[u8]) -> bool {
    find(bytes, b"moov").is_some()
}

pub fn without_trak(bytes: &[u8], tracks: &[Track], kind: Kind) -> Result<Vec<u8>, MediaError> {
    let is_of_kind = |id: u32| tracks.iter().any(|track| track.id == id && Kind::of(track) == kind);
    if !tracks.iter().any(|track| Kind::of(track) == kind) {
        return Err(MediaError::Missing("such track"));
    }
    let trak_left = &mut |trak: &[u8]| {
        let id = u32::from_be_bytes(word(trak, track_id_at(trak)?)?);
        Ok(if is_of_kind(id) { Vec::new() } else { trak.to_vec() })
    };
    let trex_left = &mut |trex: &[u8]| {
        let id = u32::from_be_bytes(word(trex, payload(trex, &(0..trex.len())).start + 4)?);
        Ok(if is_of_kind(id) { Vec::new() } else { trex.to_vec() })
    };
    let bytes = rewrite(bytes, &[b"moov", b"trak"], trak_left)?;
    rewrite(&bytes, &[b"moov", b"mvex", b"trex"], trex_left)
}

/// Where a trak says which one it is.
fn track_id_at(trak: &[u8]) -> Result<usize, MediaError> {
    let inner = children(trak, &(0..trak.len()));
    let (_, tkhd) = inner.iter().find(|(kind, _)| kind == b"tkhd").ok_or(MediaError::Missing("tkhd"))?;
    let body = payload(trak, tkhd).start;
    // After the times, which have twice the size in version 1.
    Ok(body + if trak[body] == 1 { 20 } else { 12 })
}

/// One more track behind the others, made of the last one: what it is named and what is in it are other things.
pub fn with_timecode(bytes: &[u8]) -> Result<Vec<u8>, MediaError> {
    let (mut traks, mut last) = (0, None);
    rewrite(bytes, &[b"moov", b"trak"], &mut |trak| {
        traks += 1;
        last = Some(trak.to_vec());
        Ok(Vec::new())
    })?;
    let mut trak = last.ok_or(MediaError::Missing("trak"))?;
    let id = TIMECODE_TRACK.to_be_bytes();
    let at = track_id_at(&trak)?;
    trak[at..at + 4].copy_from_slice(&id);
    let trak = rewrite(&trak, &[b"trak", b"mdia", b"hdlr"], &mut |hdlr| {
        let mut hdlr = hdlr.to_vec();
        // Box header, version and flags, four bytes of zero.
        hdlr.get_mut(16..20).ok_or(MediaError::Boxes)?.copy_from_slice(b"tmcd");
        Ok(hdlr)
    })?;
    let no_media_header = &mut |_: &[u8]| Ok(boxed(b"nmhd", &[0; 4]));
    let trak = rewrite(&trak, &[b"trak", b"mdia", b"minf", b"vmhd"], no_media_header)?;
    let trak = rewrite(&trak, &[b"trak", b"mdia", b"minf", b"smhd"], no_media_header)?;
    let entry = boxed(b"tmcd", &[[0, 0, 0, 0, 0, 0, 0, 1].as_slice(), &[0; 8], &TIMECODE_RATE].concat());
    let entries = boxed(b"stsd", &[[0, 0, 0, 0, 0, 0, 0, 1].as_slice(), &entry].concat());
    let trak = rewrite(&trak, &[b"trak", b"mdia", b"minf", b"stbl", b"stsd"], &mut |_| Ok(entries.clone()))?;
    // Its defaults for fragments, which are those of the first.
    let mut trex = Vec::new();
    rewrite(bytes, &[b"moov", b"mvex", b"trex"], &mut |first| {
        if trex.is_empty() {
            trex = first.to_vec();
            trex.get_mut(12..16).ok_or(MediaError::Boxes)?.copy_from_slice(&id);
        }
        Ok(Vec::new())
    })?;
    let bytes = rewrite(bytes, &[b"moov", b"mvex"], &mut |mvex| {
        let inside = &mvex[payload(mvex, &(0..mvex.len()))];
        Ok(boxed(b"mvex", &[inside, &trex].concat()))
    })?;
    rewrite(&bytes, &[b"moov", b"trak"], &mut |old| {
        traks -= 1;
        Ok(if traks == 0 { [old, &trak].concat() } else { old.to_vec() })
    })
}

pub fn avc_profile(bytes: &[u8], profile: u8) -> Result<Vec<u8>, MediaError> {
    let stsd = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"];
    let mut found = false;
    let edited = rewrite(bytes, &stsd.map(|kind| kind as &[u8; 4]), &mut |stsd| {
        let mut stsd = stsd.to_vec();
        let entries = boxes_in(&stsd, STSD_HEADER..stsd.len());
        for (_, entry) in entries.into_iter().filter(|(kind, _)| matches!(kind, b"avc1" | b"avc3")) {
            let inner = boxes_in(&stsd, (entry.start + VISUAL_ENTRY_HEADER).min(entry.end)..entry.end);
            for (_, avcc) in inner.into_iter().filter(|(kind, _)| kind == b"avcC") {
                // After configurationVersion; ISO/IEC 14496-15, 5.3.3.1.
                if let Some(byte) = stsd.get_mut(avcc.start + 9) {
                    *byte = profile;
                    found = true;
                }
            }
        }
        Ok(stsd)
    })?;
    if found { Ok(edited) } else { Err(MediaError::Missing("avcC")) }
}

pub fn insert(bytes: &[u8], tracks: &[Track], what: Inserted) -> Result<Vec<u8>, MediaError> {
    let before = |inserted: Vec<u8>| {
        let first = boxes(bytes).into_iter().find(|(kind, _)| matches!(kind, b"moof" | b"moov"));
        let (_, range) = first.ok_or(MediaError::Missing("moof or moov"))?;
        Ok([&bytes[..range.start], &inserted, &bytes[range.start..]].concat())
    };
    match what {
        Inserted::UnknownIn(parent) => insert_in(bytes, &parent),
        Inserted::Unknown => before(boxed(UNKNOWN, UNKNOWN_PAYLOAD)),
        Inserted::Styp => {
            let brands = vec![b"msdh".into(), b"msix".into()];
            let styp = Styp { major_brand: b"msdh".into(), minor_version: 0, compatible_brands: brands };
            Ok([encoded(&styp)?, bytes.to_vec()].concat())
        }
        Inserted::Emsg => before(encoded(&Emsg {
            timescale: 1000,
            presentation_time: EmsgTimestamp::Relative(0),
            event_duration: 0,
            id: 1,
            scheme_id_uri: "urn:segproof:event".into(),
            value: "1".into(),
            message_data: b"segproof".to_vec(),
        })?),
        Inserted::Prft => {
            let (track, fragment) = first_track(bytes, tracks)?;
            before(encoded(&Prft {
                reference_track_id: track.id,
                ntp_timestamp: NTP_2020,
                media_time: fragment.decode_time,
                utc_time_semantics: ReferenceTime::Input,
            })?)
        }
        Inserted::Sidx => {
            let (track, fragment) = first_track(bytes, tracks)?;
            let first = find(bytes, b"moof").ok_or(MediaError::Missing("moof"))?.start;
            before(encoded(&Sidx {
                reference_id: track.id,
                timescale: track.timescale,
                earliest_presentation_time: fragment.decode_time,
                first_offset: 0,
                references: vec![SegmentReference {
                    reference_type: false,
                    referenced_size: (bytes.len() - first) as u32,
                    subsegment_duration: fragment.duration as u32,
                    starts_with_sap: fragment.starts_with_sync_sample,
                    sap_type: 1,
                    sap_delta_time: 0,
                }],
            })?)
        }
    }
}

fn first_track<'a>(bytes: &[u8], tracks: &'a [Track]) -> Result<(&'a Track, TrackFragment), MediaError> {
    for track in tracks {
        if let Some(fragment) = track_fragment(bytes, track)? {
            return Ok((track, fragment));
        }
    }
    Err(MediaError::Missing("sample"))
}

fn insert_in(bytes: &[u8], parent: &[u8; 4]) -> Result<Vec<u8>, MediaError> {
    let path: &[&[u8; 4]] = match parent {
        b"moof" => &[b"moof"],
        b"traf" => &[b"moof", b"traf"],
        b"trak" => &[b"moov", b"trak"],
        _ => &[b"moov"],
    };
    find(bytes, path[0]).ok_or_else(|| missing(path[0]))?;
    let unknown = boxed(UNKNOWN, UNKNOWN_PAYLOAD);
    rewrite_moofs(bytes, path, &mut |parent| {
        let inside = &parent[payload(parent, &(0..parent.len()))];
        let kind = word(parent, 4)?;
        Ok(boxed(&kind, &[inside, &unknown].concat()))
    })
}

/// As [`rewrite`], and where a moof has become longer or shorter by it, the truns in it say so of their data,
/// which comes after it.
pub fn rewrite_moofs(bytes: &[u8], path: &[&[u8; 4]], edit: &mut BoxEdit<'_>) -> Result<Vec<u8>, MediaError> {
    if path[0] != b"moof" {
        return rewrite(bytes, path, edit);
    }
    rewrite(bytes, &[b"moof"], &mut |old| {
        let mut new = rewrite(old, path, edit)?;
        let longer = new.len() as i32 - old.len() as i32;
        move_data(&mut new, longer)?;
        Ok(new)
    })
}

fn move_data(moof: &mut [u8], by: i32) -> Result<(), MediaError> {
    let whole = 0..moof.len();
    for (_, traf) in children(moof, &whole).into_iter().filter(|(kind, _)| kind == b"traf") {
        for (_, trun) in children(moof, &traf).into_iter().filter(|(kind, _)| kind == b"trun") {
            let body = payload(moof, &trun).start;
            let [.., flags]: [u8; 4] = word(moof, body)?;
            if flags & TRUN_DATA_OFFSET != 0 {
                let at = body + 8;
                let offset = i32::from_be_bytes(word(moof, at)?) + by;
                moof[at..at + 4].copy_from_slice(&offset.to_be_bytes());
            }
        }
    }
    Ok(())
}

fn encoded(atom: &impl Encode) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes)?;
    Ok(bytes)
}

/// The kinds of box that can be cut are few, and known when the scenario is read.
fn missing(kind: &[u8; 4]) -> MediaError {
    MediaError::Missing(match kind {
        b"moof" => "moof",
        b"mdat" => "mdat",
        _ => "moov",
    })
}

/// Bytes without a pattern, the same for the same seed: SplitMix64.
pub struct Noise(u64);

impl Noise {
    /// Seeded with the bytes themselves, so that two segments get different garbage.
    pub fn of(bytes: &[u8]) -> Noise {
        let mut digest = Digest::new();
        digest.update(bytes);
        Noise(u64::from(digest.0) << 32 | u64::from(digest.1))
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_be_bytes()[..chunk.len()]);
        }
    }
}

/// A kind of box that no registered specification has.
const UNKNOWN: &[u8; 4] = b"sgpf";
const UNKNOWN_PAYLOAD: &[u8] = b"not known to anybody";
/// 2020-01-01 00:00 UTC as an NTP timestamp; no clock is known here.
const NTP_2020: u64 = 3_786_825_600 << 32;
const TIMECODE_TRACK: u32 = 9;
/// Timescale, duration of a frame, frames in a second, and a byte of zero.
const TIMECODE_RATE: [u8; 10] = [0, 0, 0x75, 0x30, 0, 0, 0x03, 0xe9, 30, 0];
/// data-offset-present; ISO/IEC 14496-12, 8.8.8.1.
const TRUN_DATA_OFFSET: u8 = 1;
/// Box header, version and flags, entry count.
const STSD_HEADER: usize = 16;
/// Box header and the fields of a VisualSampleEntry; ISO/IEC 14496-12, 12.1.3.
const VISUAL_ENTRY_HEADER: usize = 86;
