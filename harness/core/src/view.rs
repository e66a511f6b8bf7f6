//! Facts that several rules need, read once from the trace: what was appended, listed and shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::expect::Expect;
use crate::trace::{AppendedBox, Content, PageEntry, PageEvent, Trace};

/// The trace, read.
#[derive(Debug, Clone)]
pub struct View {
    /// Digest of media data -> the segments that were served with it, and since when.
    by_digest: BTreeMap<String, BTreeMap<u64, f64>>,
    clock_error_ms: f64,
    /// Segment -> first frame and number of frames, counted through the laps.
    pub frames_of: BTreeMap<u64, (u64, u64)>,
    /// Every segment in any delivered playlist, with EXT-X-GAP or without.
    pub listed: BTreeMap<u64, Listed>,
    pub shown: Vec<Shown>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Listed {
    /// When the first playlist that lists it had been sent.
    pub at_ms: f64,
    /// When the first playlist that marks it with EXT-X-GAP had been sent, if one did.
    pub gap_ms: Option<f64>,
}

/// A frame that the viewer saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    pub at_ms: f64,
    /// Counted through the laps.
    pub frame: u64,
    pub media_time: f64,
    pub msn: Option<u64>,
}

impl View {
    pub fn new(trace: &Trace, expect: &Expect) -> View {
        let mut view = View {
            by_digest: BTreeMap::new(),
            clock_error_ms: trace.clock_error_ms,
            frames_of: BTreeMap::new(),
            listed: BTreeMap::new(),
            shown: Vec::new(),
        };
        for request in &trace.requests {
            if let (Content::Segment(facts), Some(msn)) = (&request.content, request.resource.msn()) {
                view.by_digest.entry(facts.mdat.clone()).or_default().entry(msn).or_insert(request.at_ms);
                view.frames_of.insert(msn, (facts.first_frame(), u64::from(facts.frames)));
            }
            if let Some(text) = request.delivered_playlist() {
                for (msn, gap) in listed(text) {
                    let new = Listed { at_ms: request.ended_ms, gap_ms: None };
                    let listed = view.listed.entry(msn).or_insert(new);
                    if gap {
                        listed.gap_ms.get_or_insert(request.ended_ms);
                    }
                }
            }
        }
        view.shown = shown(trace, expect, &view.frames_of);
        view
    }

    /// The segments that an append's media data can be, one set per mdat box: whatever was served with these
    /// bytes before. Laps and slates make it more than one; bytes that nobody served make it none.
    pub fn segments_in(&self, entry: &PageEntry) -> Vec<BTreeSet<u64>> {
        let PageEvent::Append { boxes, .. } = &entry.event else { return Vec::new() };
        let at_ms = entry.at_ms + self.clock_error_ms;
        boxes
            .iter()
            .filter_map(|b| match b {
                AppendedBox::Mdat { digest } => Some(self.by_digest.get(digest)),
                _ => None,
            })
            .map(|served| {
                let before = served.into_iter().flatten().filter(|(_, since)| **since <= at_ms);
                before.map(|(msn, _)| *msn).collect()
            })
            .collect()
    }
}

/// The Media Sequence Numbers that a playlist's text lists.
pub fn listed_msns(text: &str) -> impl Iterator<Item = u64> {
    listed(text).into_iter().map(|(msn, _)| msn)
}

/// Number and gap of each entry of a playlist's text.
fn listed(text: &str) -> Vec<(u64, bool)> {
    let Ok((_, playlist)) = m3u8_rs::parse_media_playlist(text.as_bytes()) else { return Vec::new() };
    playlist
        .segments
        .iter()
        .enumerate()
        .map(|(i, s)| (playlist.media_sequence + i as u64, s.unknown_tags.iter().any(|t| t.tag == "X-GAP")))
        .collect()
}

/// The burnt-in numbers begin anew with each lap of the fixture; of the laps possible, the one nearest to the
/// frame before is meant.
fn shown(trace: &Trace, expect: &Expect, frames_of: &BTreeMap<u64, (u64, u64)>) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let first_served = frames_of.values().map(|(first, _)| *first).min().unwrap_or(0);
    for entry in &trace.page {
        let PageEvent::Frame { number, media_time, .. } = &entry.event else { continue };
        let near = all.last().map_or(first_served, |s| s.frame);
        let frame = unwrap(u64::from(*number), expect.lap_frames, near);
        let msn = frames_of
            .iter()
            .find(|(_, (first, count))| (*first..first + count).contains(&frame))
            .map(|(msn, _)| *msn);
        all.push(Shown { at_ms: entry.at_ms, frame, media_time: *media_time, msn });
    }
    all
}

/// The number congruent to `number` modulo `lap` that is nearest to `near`.
pub fn unwrap(number: u64, lap: u64, near: u64) -> u64 {
    let base = near - near % lap;
    [base.checked_sub(lap), Some(base), Some(base + lap)]
        .into_iter()
        .flatten()
        .map(|base| base + number)
        .min_by_key(|candidate| candidate.abs_diff(near))
        .unwrap_or(number)
}

/// Follows the playhead: has the last frame of the trial's last segment passed?
#[derive(Debug, Clone)]
pub struct Progress {
    until_frame: Option<u64>,
    start_frame: u64,
    lap_frames: u64,
    frame_ms: f64,
    last: Option<(u64, f64)>,
}

impl Progress {
    pub fn new(expect: &Expect) -> Progress {
        Progress {
            until_frame: expect.until_frame,
            start_frame: expect.start_frame,
            lap_frames: expect.lap_frames,
            frame_ms: expect.frame_ms,
            last: None,
        }
    }

    /// A frame was shown.
    pub fn frame(&mut self, number: u16, media_time: f64) {
        let near = self.last.map_or(self.start_frame, |(frame, _)| frame);
        self.last = Some((unwrap(u64::from(number), self.lap_frames, near), media_time));
    }

    /// Whether the playhead at `time` (currentTime, seconds) has passed the trial's last frame.
    pub fn is_past_until(&self, time: f64) -> bool {
        let (Some(until), Some((frame, media_time))) = (self.until_frame, self.last) else { return false };
        // Half a frame of grace: the last frame begins one frame before its segment's end.
        frame as f64 + (time - media_time) * 1000.0 / self.frame_ms >= until as f64 - 0.5
            // The clock alone is no proof that the picture got there.
            && frame as f64 >= until as f64 - UNTIL_REACH_MS / self.frame_ms
    }
}

/// At high speeds the compositor shows only some of the frames; one this near to the last will do.
const UNTIL_REACH_MS: f64 = 700.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_through_the_laps() {
        assert_eq!(unwrap(10, 1860, 0), 10);
        assert_eq!(unwrap(1850, 1860, 1849), 1850);
        assert_eq!(unwrap(2, 1860, 1858), 1862);
        assert_eq!(unwrap(1858, 1860, 1862), 1858);
        assert_eq!(unwrap(5, 1860, 3720), 3725);
    }

    /// A window of thousands begins in a later lap: the first number seen there is not the first lap's.
    #[test]
    fn a_session_that_begins_in_a_later_lap_is_counted_from_there() {
        let mut progress = Progress {
            until_frame: Some(3740),
            start_frame: 3700,
            lap_frames: 1860,
            frame_ms: 100.0,
            last: None,
        };
        progress.frame(12, 373.2);
        assert!(!progress.is_past_until(373.2));
        progress.frame(18, 373.8);
        assert!(progress.is_past_until(374.0));
        // The clock alone is no proof.
        progress.frame(1850, 371.0);
        assert!(!progress.is_past_until(999.0));
    }
}
