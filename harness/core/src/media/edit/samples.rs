//! Edits of the coded samples.

use super::super::fragment::{Sample, TrackSamples, fragments, refragment};
use super::super::{MediaError, Nal, NalCodec, Track};
use super::bytes::Noise;
use super::{Kind, Share};

pub fn corrupt(bytes: &[u8], tracks: &[Track], kind: Kind, share: Share) -> Result<Vec<u8>, MediaError> {
    let fragments = fragments(bytes, tracks)?;
    let of_kind = fragments.iter().flat_map(|f| &f.tracks).filter(|held| Kind::of(&held.track) == kind);
    let samples: Vec<_> =
        of_kind.flat_map(|held| held.samples.iter().map(|sample| (held.track.nal, sample))).collect();
    let chosen: Vec<_> = match share {
        Share::One(n) => samples.into_iter().skip(n as usize - 1).take(1).collect(),
        Share::Percent(percent) => {
            // One in so many, and the last one of each group, so that the key frame is spared below 100 %.
            let count = samples.len() as f64;
            let wanted = (count * percent / 100.0).round().clamp(1.0, count.max(1.0));
            let reached = |i: usize| (i as f64 * wanted / count) as usize;
            let chosen = samples.into_iter().enumerate().filter(|(i, _)| reached(i + 1) > reached(*i));
            chosen.map(|(_, sample)| sample).collect()
        }
    };
    if chosen.is_empty() {
        return Err(MediaError::Missing("such sample"));
    }
    let mut edited = bytes.to_vec();
    let mut noise = Noise::of(bytes);
    for (nal, sample) in chosen {
        let data = &mut edited[sample.at.clone()];
        match nal {
            Some(nal) => corrupt_slices(data, nal, &mut noise),
            None => noise.fill(data),
        }
    }
    Ok(edited)
}

/// Fills what follows the header of each NAL unit that is a slice; lengths and parameter sets stay.
fn corrupt_slices(sample: &mut [u8], nal: Nal, noise: &mut Noise) {
    let mut rest = sample;
    while rest.len() > nal.length_bytes {
        let (length, units) = rest.split_at_mut(nal.length_bytes);
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (unit, after) = units.split_at_mut(length.min(units.len()));
        let header = match nal.codec {
            NalCodec::H264 => 1,
            NalCodec::Hevc => 2,
        };
        if is_slice(unit, nal.codec) {
            noise.fill(unit.get_mut(header..).unwrap_or_default());
        }
        rest = after;
    }
}

/// H.264, table 7-1; H.265, table 7-1.
fn is_slice(unit: &[u8], codec: NalCodec) -> bool {
    unit.first().is_some_and(|header| match codec {
        NalCodec::H264 => (1..=5).contains(&(header & 0x1f)),
        NalCodec::Hevc => header >> 1 & 0x3f < 32,
    })
}

/// Drops the first `count` sync samples of the video. The samples after a dropped one stay where they are in
/// time: if it was the first of its fragment, the tfdt says so, otherwise the sample before lasts longer.
pub fn drop_key_frames(bytes: &[u8], tracks: &[Track], count: usize) -> Result<Vec<u8>, MediaError> {
    let mut left = count;
    let edited = refragment(bytes, tracks, |mut fragment| {
        for held in fragment.tracks.iter_mut().filter(|held| held.track.is_video) {
            let mut kept: Vec<Sample> = Vec::with_capacity(held.samples.len());
            for sample in std::mem::take(&mut held.samples) {
                if !sample.is_sync() || left == 0 {
                    kept.push(sample);
                    continue;
                }
                left -= 1;
                match kept.last_mut() {
                    Some(before) => {
                        let both = before.duration() + sample.duration();
                        before.entry.duration = u32::try_from(both).ok();
                    }
                    None => held.decode_time += sample.duration(),
                }
            }
            held.samples = kept;
        }
        Ok(vec![fragment])
    })?;
    if left < count { Ok(edited) } else { Err(MediaError::Missing("key frame")) }
}

pub fn without(bytes: &[u8], tracks: &[Track], kind: Kind) -> Result<Vec<u8>, MediaError> {
    edit_track(bytes, tracks, kind, |held, _| held.samples.clear())
}

pub fn shorter(bytes: &[u8], tracks: &[Track], kind: Kind, by_us: i64) -> Result<Vec<u8>, MediaError> {
    edit_track(bytes, tracks, kind, |held, turn| {
        let (mut dropped, wanted) = (0, if turn.is_last { ticks(by_us, held) } else { 0 });
        while !held.samples.is_empty() && dropped < wanted {
            dropped += held.samples.pop().map_or(0, |sample| sample.duration());
        }
    })
}

pub fn late(bytes: &[u8], tracks: &[Track], kind: Kind, by_us: i64) -> Result<Vec<u8>, MediaError> {
    edit_track(bytes, tracks, kind, |held, turn| {
        let (mut dropped, wanted) = (0, if turn.is_first { ticks(by_us, held) } else { 0 });
        while !held.samples.is_empty() && dropped < wanted {
            dropped += held.samples.remove(0).duration();
        }
        held.decode_time += dropped;
    })
}

/// Two fragments of each. Both keep the number of the one they were: the next segment's is already taken.
pub fn two_fragments(bytes: &[u8], tracks: &[Track]) -> Result<Vec<u8>, MediaError> {
    refragment(bytes, tracks, |fragment| {
        let leading = fragment.tracks.iter().find(|held| held.track.is_video).or(fragment.tracks.first());
        let leading = leading.ok_or(MediaError::Missing("traf"))?;
        let at_s = split_s(leading).ok_or(MediaError::Missing("second sample to cut at"))?;
        let (mut first, mut second) = (fragment.clone(), fragment);
        for (before, after) in first.tracks.iter_mut().zip(&mut second.tracks) {
            let many = before_time(before, at_s);
            after.decode_time += before.samples[..many].iter().map(|sample| sample.duration()).sum::<u64>();
            after.samples.drain(..many);
            before.samples.truncate(many);
        }
        Ok(vec![first, second])
    })
}

/// Where to cut, seconds: at the key frame nearest to the middle, if there is one but the first.
fn split_s(held: &TrackSamples) -> Option<f64> {
    let middle = held.samples.len() / 2;
    let keys = held.samples.iter().enumerate().skip(1).filter(|(_, sample)| sample.is_sync());
    let nearest = keys.map(|(i, _)| i).min_by_key(|i| i.abs_diff(middle));
    let at = nearest.unwrap_or(middle);
    (at > 0).then(|| seconds(held, at))
}

/// Decode time of a sample, seconds.
fn seconds(held: &TrackSamples, at: usize) -> f64 {
    let ticks = held.decode_time + held.samples[..at].iter().map(|sample| sample.duration()).sum::<u64>();
    ticks as f64 / f64::from(held.track.timescale)
}

fn before_time(held: &TrackSamples, at_s: f64) -> usize {
    (0..held.samples.len()).take_while(|i| seconds(held, *i) < at_s - HALF_TICK_S).count()
}

/// Which of a segment's fragments it is.
struct Turn {
    is_first: bool,
    is_last: bool,
}

/// Edits what each fragment holds of the tracks of a kind.
fn edit_track(
    bytes: &[u8],
    tracks: &[Track],
    kind: Kind,
    mut edit: impl FnMut(&mut TrackSamples, Turn),
) -> Result<Vec<u8>, MediaError> {
    let of_kind = |held: &TrackSamples| Kind::of(&held.track) == kind;
    let count = fragments(bytes, tracks)?.iter().flat_map(|f| &f.tracks).filter(|held| of_kind(held)).count();
    if count == 0 {
        return Err(MediaError::Missing("such track"));
    }
    let mut at = 0;
    refragment(bytes, tracks, |mut fragment| {
        for held in fragment.tracks.iter_mut().filter(|held| of_kind(held)) {
            edit(held, Turn { is_first: at == 0, is_last: at + 1 == count });
            at += 1;
        }
        Ok(vec![fragment])
    })
}

/// Microseconds in ticks, rounded up: at least as much as was asked for.
fn ticks(us: i64, held: &TrackSamples) -> u64 {
    (us.max(0) as u128 * u128::from(held.track.timescale)).div_ceil(1_000_000) as u64
}

/// Less than half a tick of any timescale in use.
const HALF_TICK_S: f64 = 1e-6;
