//! Which frames each segment shows: from the code in a picture to the segment that it belongs to.
//!
//! Burnt-in numbers begin anew with each lap of a fixture and with each encoder run. Here frames are counted on
//! through the whole stream, so that "forward" means something.

use std::collections::BTreeMap;

/// The frames of one segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// Run id of its frames.
    pub run: u8,
    /// Burnt-in number of its first frame.
    pub first: u64,
    pub frames: u64,
    /// Frames of all segments before it: where its own count begins.
    pub before: u64,
    pub frame_ms: f64,
    /// When its first frame was taken, as the camera's clock says, stream milliseconds.
    pub began_ms: f64,
}

impl Picture {
    /// Count of its last frame.
    pub fn last_frame(&self) -> u64 {
        (self.before + self.frames).saturating_sub(1)
    }
}

/// The frames of a stream's segments, as far as a trial may get.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pictures {
    of: BTreeMap<u64, Picture>,
    /// Run id -> the segments of it, in order.
    by_run: BTreeMap<u8, Vec<u64>>,
}

impl Pictures {
    /// From what [`Picture`] says of each segment, in order; `before` is counted here.
    pub fn new(pictures: impl IntoIterator<Item = (u64, Picture)>) -> Pictures {
        let mut all = Pictures::default();
        let mut before = 0;
        for (msn, picture) in pictures {
            all.by_run.entry(picture.run).or_default().push(msn);
            all.of.insert(msn, Picture { before, ..picture });
            before += picture.frames;
        }
        all
    }

    pub fn of(&self, msn: u64) -> Option<&Picture> {
        self.of.get(&msn)
    }

    /// The segment and the count of a frame with this code: of all segments that show it, the one nearest to `near`.
    pub fn find(&self, run: u8, number: u64, near: u64) -> Option<(u64, u64)> {
        let segments = self.by_run.get(&run)?;
        let shows = segments.iter().filter_map(|msn| {
            let picture = &self.of[msn];
            let inside = number.checked_sub(picture.first).filter(|inside| *inside < picture.frames)?;
            Some((*msn, picture.before + inside))
        });
        shows.min_by_key(|(_, frame)| frame.abs_diff(near))
    }

    /// Whether what begins between the frames of a segment, at this count, and lasts so long is whole in it and in what
    /// follows of its run.
    pub fn holds(&self, msn: u64, frame: f64, for_ms: f64) -> bool {
        let Some(picture) = self.of.get(&msn) else { return false };
        let left_ms = ((picture.before + picture.frames) as f64 - frame) * picture.frame_ms;
        left_ms >= for_ms || self.of.get(&(msn + 1)).is_some_and(|next| next.run == picture.run)
    }

    /// The segment that shows the frame of this count.
    pub fn segment_at(&self, frame: u64) -> Option<u64> {
        let shows = |picture: &Picture| (picture.before..picture.before + picture.frames).contains(&frame);
        self.of.iter().find(|(_, picture)| shows(picture)).map(|(msn, _)| *msn)
    }

    pub fn any(&self) -> Option<&Picture> {
        self.of.values().next()
    }

    /// Which time round its run's fixture a segment is, from 1: its first frame has been seen so often.
    pub fn lap(&self, msn: u64) -> Option<usize> {
        let picture = self.of.get(&msn)?;
        let is_same = |other: &&u64| **other <= msn && self.of[*other].first == picture.first;
        Some(self.by_run.get(&picture.run)?.iter().filter(is_same).count())
    }

    /// Count of the first frame of a segment.
    pub fn first_frame(&self, msn: u64) -> Option<u64> {
        self.of.get(&msn).map(|picture| picture.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(run: u8, first: u64) -> Picture {
        Picture { run, first, frames: 60, before: 0, frame_ms: 100.0, began_ms: 0.0 }
    }

    #[test]
    fn frames_are_counted_through_laps_and_runs() {
        let laps = (0..6).map(|n| (100 + n, picture(1, n % 2 * 60)));
        let pictures = Pictures::new(laps.chain([(106, picture(2, 0)), (107, picture(2, 60))]));
        assert_eq!(pictures.find(1, 10, 0), Some((100, 10)));
        assert_eq!(pictures.find(1, 10, 119), Some((102, 130)));
        assert_eq!(pictures.find(1, 119, 130), Some((101, 119)));
        assert_eq!(pictures.find(2, 61, 0), Some((107, 421)));
        assert_eq!(pictures.find(2, 120, 0), None);
        assert_eq!(pictures.find(3, 0, 0), None);
        assert_eq!(pictures.of(107).unwrap().last_frame(), 479);
        assert_eq!(
            [101, 102, 105, 107, 108].map(|msn| pictures.lap(msn)),
            [Some(1), Some(2), Some(3), Some(1), None]
        );
    }

    #[test]
    fn what_a_run_cuts_off_is_not_whole() {
        let pictures = Pictures::new([(100, picture(1, 0)), (101, picture(1, 60)), (102, picture(2, 0))]);
        for (msn, end, is_whole) in [(100, 60.0, true), (101, 120.0, false), (102, 180.0, false)] {
            assert_eq!(pictures.holds(msn, end - 0.7, 75.0), is_whole, "{msn}");
            assert!(pictures.holds(msn, end - 0.75, 75.0), "{msn}");
        }
        assert!(!pictures.holds(103, 0.0, 1.0));
    }
}
