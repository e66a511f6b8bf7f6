//! A movie fragment taken apart into samples, and put together again after some were taken away or moved.

use std::ops::Range;

use mp4_atom::{Atom, Decode, Encode, Mfhd, Moof, Tfdt, Traf, Trun, TrunEntry};

use super::boxes::{boxed, boxes, rewrite};
use super::{MediaError, Track};

/// One moof with the samples of its mdat.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    pub sequence_number: u32,
    pub tracks: Vec<TrackSamples>,
}

/// What a fragment holds of one track.
#[derive(Debug, Clone)]
pub(super) struct TrackSamples {
    pub track: Track,
    /// Ticks of the track's timescale.
    pub decode_time: u64,
    pub samples: Vec<Sample>,
    /// Everything else that the traf said; its tfdt and truns are written anew.
    traf: Traf,
}

#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// With duration, size and flags, whoever of trun, tfhd and trex said them.
    pub entry: TrunEntry,
    /// Where it lies in the bytes that the fragment was read from.
    pub at: Range<usize>,
}

impl Sample {
    pub fn is_sync(&self) -> bool {
        is_sync(&self.entry)
    }

    /// Ticks.
    pub fn duration(&self) -> u64 {
        u64::from(self.entry.duration.unwrap_or(0))
    }
}

/// sample_is_non_sync_sample of ISO/IEC 14496-12, 8.8.3.1.
const SAMPLE_IS_NON_SYNC: u32 = 0x0001_0000;

pub(super) fn is_sync(entry: &TrunEntry) -> bool {
    entry.flags.unwrap_or(0) & SAMPLE_IS_NON_SYNC == 0
}

/// The samples of a traf, with what they inherit from tfhd and trex filled in.
pub(super) fn resolved(traf: &Traf, track: &Track) -> impl Iterator<Item = TrunEntry> {
    let tfhd = &traf.tfhd;
    let duration = tfhd.default_sample_duration.unwrap_or(track.default_sample_duration);
    let size = tfhd.default_sample_size.unwrap_or(track.default_sample_size);
    let flags = tfhd.default_sample_flags.unwrap_or(track.default_sample_flags);
    traf.trun.iter().flat_map(|trun| trun.samples.iter()).map(move |entry| TrunEntry {
        duration: Some(entry.duration.unwrap_or(duration)),
        size: Some(entry.size.unwrap_or(size)),
        flags: Some(entry.flags.unwrap_or(flags)),
        cts: entry.cts,
    })
}

/// All fragments of a segment.
pub(super) fn fragments(segment: &[u8], tracks: &[Track]) -> Result<Vec<Fragment>, MediaError> {
    let moofs = boxes(segment).into_iter().filter(|(kind, _)| kind == b"moof");
    let fragments: Vec<_> =
        moofs.map(|(_, range)| fragment(segment, range, tracks)).collect::<Result<_, _>>()?;
    if fragments.is_empty() { Err(MediaError::Missing("moof")) } else { Ok(fragments) }
}

fn fragment(segment: &[u8], range: Range<usize>, tracks: &[Track]) -> Result<Fragment, MediaError> {
    let moof = Moof::decode(&mut &segment[range.clone()])?;
    // Where a traf's data begins that does not say it: at the moof, or where the data of the traf before it
    // ends (ISO/IEC 14496-12, 8.8.7.1).
    let mut end_before = range.start;
    let mut held = Vec::with_capacity(moof.traf.len());
    for traf in moof.traf {
        let track_id = traf.tfhd.track_id;
        let track = tracks
            .iter()
            .find(|track| track.id == track_id)
            .ok_or(MediaError::Samples { track_id, why: "the init segment has no such track" })?;
        if traf.tfhd.base_data_offset.is_some() {
            // MSE byte stream format ISO BMFF, section 4.
            let why = "it has a base_data_offset, which Media Source Extensions forbid";
            return Err(MediaError::Samples { track_id, why });
        }
        let base = if traf.tfhd.default_base_is_moof { range.start } else { end_before };
        let samples = samples(segment.len(), &traf, track, base)
            .ok_or(MediaError::Samples { track_id, why: "they reach beyond the segment" })?;
        end_before = samples.last().map_or(base, |sample| sample.at.end);
        let decode_time = traf.tfdt.as_ref().ok_or(MediaError::Missing("tfdt"))?.base_media_decode_time;
        held.push(TrackSamples { track: track.clone(), decode_time, samples, traf });
    }
    Ok(Fragment { sequence_number: moof.mfhd.sequence_number, tracks: held })
}

/// `None` if one of them is not in the segment.
fn samples(segment_len: usize, traf: &Traf, track: &Track, base: usize) -> Option<Vec<Sample>> {
    let mut entries = resolved(traf, track);
    let mut found = Vec::new();
    let mut at = base;
    for trun in &traf.trun {
        if let Some(offset) = trun.data_offset {
            at = base.checked_add_signed(offset as isize)?;
        }
        for entry in entries.by_ref().take(trun.samples.len()) {
            let end = at.checked_add(entry.size? as usize)?;
            if end > segment_len {
                return None;
            }
            found.push(Sample { entry, at: at..end });
            at = end;
        }
    }
    Some(found)
}

/// The segment with each of its fragments replaced by what `edit` makes of it, a moof and an mdat each; what
/// stands between them stays. A `sidx`, which would no longer be true, is left out.
pub(super) fn refragment(
    segment: &[u8],
    tracks: &[Track],
    mut edit: impl FnMut(Fragment) -> Result<Vec<Fragment>, MediaError>,
) -> Result<Vec<u8>, MediaError> {
    let mut old = fragments(segment, tracks)?.into_iter();
    let mut rewritten = Vec::with_capacity(segment.len());
    let mut is_empty = true;
    for (kind, range) in boxes(segment) {
        match &kind {
            b"moof" => {
                for fragment in edit(old.next().expect("one for each moof"))? {
                    is_empty &= fragment.tracks.iter().all(|track| track.samples.is_empty());
                    rewritten.extend(write(segment, fragment)?);
                }
            }
            b"mdat" | b"sidx" => (),
            _ => rewritten.extend(&segment[range]),
        }
    }
    if is_empty { Err(MediaError::Missing("sample that would be left")) } else { Ok(rewritten) }
}

/// The segment without its `sidx` boxes, of which one that contradicts the tfdt would be a fault of its own.
pub(super) fn without_index(segment: &[u8]) -> Result<Vec<u8>, MediaError> {
    rewrite(segment, &[b"sidx"], &mut |_| Ok(Vec::new()))
}

/// Moof and mdat; tracks without samples are left out.
fn write(segment: &[u8], fragment: Fragment) -> Result<Vec<u8>, MediaError> {
    let tracks: Vec<_> = fragment.tracks.iter().filter(|track| !track.samples.is_empty()).collect();
    let data: Vec<Vec<u8>> = tracks
        .iter()
        .map(|track| track.samples.iter().flat_map(|s| &segment[s.at.clone()]).copied().collect())
        .collect();
    let moof = |moof_len: usize| {
        let mut offset = moof_len + MDAT_HEADER;
        let traf = tracks.iter().zip(&data).map(|(track, data)| {
            let data_offset = i32::try_from(offset).ok();
            offset += data.len();
            let samples = track.samples.iter().map(|sample| sample.entry).collect::<Vec<_>>().into();
            let mut traf = track.traf.clone();
            traf.tfhd.default_base_is_moof = true;
            traf.tfdt = Some(Tfdt { base_media_decode_time: track.decode_time });
            traf.trun = vec![Trun { data_offset, samples }];
            traf
        });
        let mfhd = Mfhd { sequence_number: fragment.sequence_number };
        Moof { mfhd, traf: traf.collect() }
    };
    let mut measured = Vec::new();
    moof(0).encode(&mut measured)?;
    let mut written = Vec::with_capacity(segment.len());
    moof(measured.len()).encode(&mut written)?;
    debug_assert_eq!(written.len(), measured.len(), "offsets have a fixed size in {}", Moof::KIND);
    written.extend(boxed(b"mdat", &data.concat()));
    Ok(written)
}

/// Bytes.
const MDAT_HEADER: usize = 8;
