//! Edits of the decode times.

use super::super::boxes::{boxed, payload, rewrite, word};
use super::super::fragment::without_index;
use super::super::{MediaError, Track};
use super::bytes::{rewrite_moofs, track_of_traf};
use super::{Form, Kind, Time};

pub fn tfdt(
    bytes: &[u8],
    tracks: &[Track],
    only: Option<Kind>,
    to: Time,
    form: Option<Form>,
) -> Result<Vec<u8>, MediaError> {
    let change = Change::of(tracks, only, to, form)?;
    let mut found = false;
    let edited = rewrite_moofs(&without_index(bytes)?, &[b"moof", b"traf"], &mut |traf| {
        let track = track_of_traf(traf, tracks)?.filter(|track| change.is_for(track));
        let Some(track) = track else { return Ok(traf.to_vec()) };
        rewrite(traf, &[b"traf", b"tfdt"], &mut |tfdt| {
            found = true;
            change.apply(tfdt, track)
        })
    })?;
    if found { Ok(edited) } else { Err(MediaError::Missing("tfdt of such a track")) }
}

struct Change {
    only: Option<Kind>,
    to: Time,
    form: Option<Form>,
    /// For a wrap: the timescale of the track that wraps.
    wraps: u32,
}

impl Change {
    fn of(tracks: &[Track], only: Option<Kind>, to: Time, form: Option<Form>) -> Result<Change, MediaError> {
        let change = Change { only, to, form, wraps: 0 };
        let Time::Wrap(_) = to else { return Ok(change) };
        let named = tracks.iter().filter(|track| change.is_for(track));
        let wraps = named.map(|track| track.timescale).max().ok_or(MediaError::Missing("such track"))?;
        // Sound and picture stay together: the track named is the one that reaches the limit then.
        Ok(Change { only: None, form: Some(Form::Bits32), wraps, to })
    }

    fn is_for(&self, track: &Track) -> bool {
        self.only.is_none_or(|kind| kind == Kind::of(track))
    }

    fn apply(&self, tfdt: &[u8], track: &Track) -> Result<Vec<u8>, MediaError> {
        let body = payload(tfdt, &(0..tfdt.len())).start;
        let is_64_bit = tfdt.get(body) == Some(&1);
        let old = match is_64_bit {
            true => u64::from_be_bytes(word(tfdt, body + 4)?),
            false => u64::from(u32::from_be_bytes(word(tfdt, body + 4)?)),
        };
        let new = match self.to {
            Time::Same => i128::from(old),
            Time::Shift(us) => i128::from(old) + ticks(us, track.timescale),
            Time::Zero => 0,
            Time::Wrap(us) => {
                // 2^32 ticks of the wrapping track and `us`, both in ticks of this one.
                let limit = (i128::from(TICKS_32) * i128::from(track.timescale)) / i128::from(self.wraps);
                i128::from(old) + limit - ticks(us, track.timescale)
            }
        };
        let form = self.form.unwrap_or(if is_64_bit { Form::Bits64 } else { Form::Bits32 });
        let written = match form {
            Form::Bits32 => [vec![0; 4], (new.rem_euclid(i128::from(TICKS_32)) as u32).to_be_bytes().into()],
            Form::Bits64 => [vec![1, 0, 0, 0], (new.max(0) as u64).to_be_bytes().into()],
        };
        Ok(boxed(b"tfdt", &written.concat()))
    }
}

/// Microseconds in ticks of a timescale, rounded to the nearest.
fn ticks(us: i64, timescale: u32) -> i128 {
    (i128::from(us) * i128::from(timescale) + 500_000).div_euclid(1_000_000)
}

/// What 32 bits can count.
const TICKS_32: u64 = 1 << 32;
