//! When each segment is published, and when it is gone: the stream without any request.

use std::ops::Range;
use std::sync::Arc;

use crate::fault::Fault;
use crate::notation::Moment;
use crate::presentation::Presentation;
use crate::scenario::{Kind, Retain, Scenario};

/// The life of every segment of a stream, in stream milliseconds; zero is the first playlist request.
#[derive(Debug, Clone)]
pub struct Timeline {
    pub media_sequence: u64,
    pub target_duration_ms: f64,
    /// The last segment ever published.
    pub last_msn: Option<u64>,
    presentation: Arc<Presentation>,
    /// Segments listed; `None`: all there ever were.
    window: Option<u64>,
    retain: Retain,
    /// The first number after those of the first playlist.
    first_new: u64,
    /// When the last segment of the first playlist is published.
    zero_ms: f64,
    /// Segments that come in the same instant as the one before them; in order, none within another.
    at_once: Vec<Range<u64>>,
    /// Before which segment nothing is published for how long, milliseconds.
    pauses: Vec<(u64, f64)>,
}

impl Timeline {
    pub fn new(scenario: &Scenario, presentation: Arc<Presentation>) -> Timeline {
        let stream = &scenario.stream;
        let target_duration_ms = f64::from(presentation.target_duration_s()) * 1000.0;
        let first_new = stream.media_sequence + stream.first();
        let begins_ms = stream.begins.map_or(0.0, |begins| begins.ms(target_duration_ms));
        let restarts = scenario.restart.iter().map(|restart| restart.get_ref());
        let down = restarts.filter_map(|restart| match (restart.at, restart.down) {
            (Moment::Published(msn), Some(down)) => Some((msn, down.ms(target_duration_ms))),
            _ => None,
        });
        let pause = scenario.faults().filter_map(|f| match (f.from, f.pause) {
            (Some(Moment::Published(msn)), Some(pause)) => Some((msn, pause.ms(target_duration_ms))),
            _ => None,
        });
        Timeline {
            media_sequence: stream.media_sequence,
            target_duration_ms,
            last_msn: scenario.last_msn(),
            window: (scenario.playlist.kind == Kind::Live).then_some(stream.window),
            retain: stream.retain,
            first_new,
            zero_ms: begins_ms - stream.phase * presentation.duration_s(first_new) * 1000.0,
            at_once: at_once(scenario),
            pauses: down.chain(pause).collect(),
            presentation,
        }
    }

    pub fn duration_ms(&self, msn: u64) -> f64 {
        self.presentation.duration_s(msn) * 1000.0
    }

    fn durations_ms(&self, msns: Range<u64>) -> f64 {
        if msns.is_empty() { 0.0 } else { self.presentation.durations_s(msns) * 1000.0 }
    }

    /// When the segment is complete and may be listed.
    pub fn published_ms(&self, msn: u64) -> f64 {
        if msn < self.first_new {
            // They came one by one before.
            return self.zero_ms - self.durations_ms(msn + 1..self.first_new);
        }
        let skipped_ms: f64 =
            self.at_once.iter().map(|range| self.durations_ms(range.start..range.end.min(msn + 1))).sum();
        let paused_ms: f64 = self.pauses.iter().filter(|(before, _)| *before <= msn).map(|(_, ms)| ms).sum();
        self.zero_ms + self.durations_ms(self.first_new..msn + 1) - skipped_ms + paused_ms
    }

    /// When the segment's first frame was taken, as a camera's clock would say: media follow each other without
    /// regard to how many are published at once.
    pub fn began_ms(&self, msn: u64) -> f64 {
        let origin_ms = self.published_ms(self.media_sequence) - self.duration_ms(self.media_sequence);
        let paused_ms: f64 = self.pauses.iter().filter(|(before, _)| *before <= msn).map(|(_, ms)| ms).sum();
        origin_ms + self.durations_ms(self.media_sequence..msn) + paused_ms
    }

    /// The number after the newest segment at `now`; the stream's first if there is none yet.
    pub fn end_at(&self, now_ms: f64) -> u64 {
        first_that_not(self.media_sequence, |msn| {
            self.last_msn.is_none_or(|last| msn <= last) && self.published_ms(msn) <= now_ms
        })
    }

    /// The first segment of the playlist that ends before `end`.
    pub fn first_listed(&self, end: u64) -> u64 {
        let by_window = self.window.map_or(0, |window| end.saturating_sub(window));
        let newest = end.saturating_sub(1).max(self.media_sequence);
        by_window.max(self.presentation.list_begins(newest))
    }

    /// The segment with whose publication this one leaves the playlist.
    fn delisting(&self, msn: u64) -> Option<u64> {
        let by_window = self.window.map(|window| msn + window);
        [by_window, self.presentation.list_ends(msn)].into_iter().flatten().min()
    }

    /// When the segment stops answering.
    pub fn gone_ms(&self, msn: u64) -> f64 {
        let Some(delisting) = self.delisting(msn) else { return f64::INFINITY };
        if self.last_msn.is_some_and(|last| delisting > last) {
            return f64::INFINITY;
        }
        match self.retain {
            Retain::None => self.published_ms(delisting),
            Retain::Ffmpeg => self.published_ms(delisting + 1),
            Retain::Rfc => {
                let playlist_ms = self.durations_ms(msn..delisting);
                self.published_ms(delisting) + self.duration_ms(msn) + playlist_ms
            }
        }
    }

    /// A moment of a scenario as stream time.
    pub fn moment_ms(&self, moment: Moment) -> f64 {
        match moment {
            Moment::At(span) => span.ms(self.target_duration_ms),
            Moment::Published(msn) => self.published_ms(msn),
        }
    }
}

/// The segments after each jump's own. A jump that begins within another one has begun already.
fn at_once(scenario: &Scenario) -> Vec<Range<u64>> {
    let mut jumps: Vec<_> = scenario.faults().filter_map(jump).collect();
    jumps.sort_by_key(|(after, _)| *after);
    let mut end = scenario.stream.media_sequence + scenario.stream.first();
    let mut ranges = Vec::new();
    for (after, segments) in jumps {
        if after >= end {
            end = after + 1 + segments;
            ranges.push(after + 1..end);
        }
    }
    ranges
}

fn jump(fault: &Fault) -> Option<(u64, u64)> {
    match (fault.from, fault.jump) {
        (Some(Moment::Published(msn)), Some(n)) => Some((msn, n)),
        _ => None,
    }
}

/// The first number from `first` on for which `holds` is false, where it is true for all before and false for all
/// after. Asks about twice the logarithm of the distance.
fn first_that_not(first: u64, mut holds: impl FnMut(u64) -> bool) -> u64 {
    let mut step = 1;
    while step <= DISTANCE_MAX && holds(first.saturating_add(step - 1)) {
        step *= 2;
    }
    // All below `low` hold, `high` does not.
    let (mut low, mut high) = (first + step / 2, first.saturating_add(step - 1));
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// No stream is this long: the search ends even where durations are zero.
const DISTANCE_MAX: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::SegmentFacts;
    use crate::presentation::{self, Media, MediaPart};

    fn timeline(body: &str) -> Timeline {
        of(body, vec![2.002; 31])
    }

    /// A timeline over a fixture of segments that long, seconds.
    fn of(body: &str, lap_s: Vec<f64>) -> Timeline {
        let text = format!("summary = \"x\"\nuntil = \"segment 104\"\n{body}");
        let scenario = Scenario::parse(&text).unwrap();
        let parts = lap_s.into_iter().map(|duration_s| MediaPart {
            bytes: Arc::from([]),
            duration_s,
            facts: SegmentFacts {
                mdat: String::new(),
                more_mdats: Vec::new(),
                start_s: 0.0,
                duration_s,
                frames: 1,
                unaccompanied_s: 0.0,
                is_spoiled: false,
            },
        });
        let media = Media {
            target_duration_s: 2,
            init: Arc::from([]),
            tracks: Vec::new(),
            segments: parts.collect(),
        };
        let media = Arc::new(media);
        let media: Vec<_> = presentation::sources(&scenario).iter().map(|_| media.clone()).collect();
        Timeline::new(&scenario, Arc::new(Presentation::new(&scenario, &media)))
    }

    #[test]
    fn publications_follow_the_sum_of_durations() {
        let t = timeline("");
        assert!((t.published_ms(105) - 2002.0).abs() < 1e-6);
        assert!((t.published_ms(140) - 36.0 * 2002.0).abs() < 1e-6);
        assert_eq!(t.end_at(0.0), 105);
        assert_eq!(t.end_at(2001.0), 105);
        assert_eq!(t.end_at(2003.0), 106);
        assert_eq!(t.first_listed(106), 101);
    }

    #[test]
    fn phase_is_how_far_the_newest_segments_life_has_gone() {
        let t = timeline("[stream]\nphase = 0.75");
        assert!((t.published_ms(105) - 500.5).abs() < 1e-6);
        assert!((t.published_ms(104) + 1501.5).abs() < 1e-6);
    }

    #[test]
    fn a_jump_publishes_at_once() {
        let t = timeline("[[fault]]\non=\"playlist\"\nfrom=\"segment 106\"\njump=10");
        assert!((t.published_ms(106) - 4004.0).abs() < 1e-6);
        assert!((t.published_ms(116) - 4004.0).abs() < 1e-6, "{}", t.published_ms(116));
        assert!((t.published_ms(117) - 6006.0).abs() < 1e-6);
        assert_eq!(t.end_at(4100.0), 117);
    }

    #[test]
    fn jumps_add_up_and_one_within_another_has_begun_already() {
        let jump = |msn, n| format!("[[fault]]\non=\"playlist\"\nfrom=\"segment {msn}\"\njump={n}\n");
        let t = timeline(&(jump(115, 3) + &jump(106, 4) + &jump(108, 50)));
        let after = |msn, segments: f64| {
            assert!((t.published_ms(msn) - segments * 2002.0).abs() < 1e-6, "{msn}: {}", t.published_ms(msn));
        };
        after(105, 1.0);
        after(110, 2.0);
        after(111, 3.0);
        after(115, 7.0);
        after(118, 7.0);
        after(119, 8.0);
    }

    /// The publications, added up one by one.
    #[test]
    fn sums_over_laps_are_those_of_the_durations() {
        let lap = [2000.0, 1500.0, 2002.0, 40.0];
        let t = of("[stream]\nphase = 0.3\nwindow = 7", lap.iter().map(|ms| ms / 1000.0).collect());
        let duration = |msn: u64| lap[(msn - 100) as usize % 4];
        let mut at = -0.3 * duration(107) - (101..107).map(duration).sum::<f64>();
        for msn in 100..140 {
            assert!((t.published_ms(msn) - at).abs() < 1e-6, "{msn}");
            assert_eq!(t.end_at(at + 0.01), msn + 1);
            at += duration(msn + 1);
        }
    }

    #[test]
    fn the_newest_segment_is_found_without_asking_for_each() {
        for distance in [0, 1, 2, 3, 4, 5, 100, 5_000, 1 << 30] {
            let mut asked = 0;
            let end = first_that_not(100, |msn| {
                asked += 1;
                msn < 100 + distance
            });
            assert_eq!(end, 100 + distance);
            assert!(asked <= 2 * (64 - distance.leading_zeros()) + 2, "{asked} for {distance}");
        }
        let mut asked = 0;
        first_that_not(100, |_| {
            asked += 1;
            asked < 1000
        });
        assert!(asked < 100, "a search without end asked {asked} times");
    }

    #[test]
    fn an_encoder_that_starts_late_lists_what_there_is() {
        let t = timeline("[stream]\nfirst = 1\nbegins = \"6s\"");
        assert_eq!(
            (t.end_at(0.0), t.end_at(5999.0), t.end_at(6000.0), t.end_at(8002.5)),
            (100, 100, 101, 102)
        );
    }

    #[test]
    fn a_restart_may_take_its_time() {
        let t = timeline("[[restart]]\nat = \"segment 106\"\ndown = \"5s\"\n");
        assert!((t.published_ms(105) - 2002.0).abs() < 1e-6);
        assert!((t.published_ms(106) - 9004.0).abs() < 1e-6);
        assert_eq!(t.first_listed(107), 106, "the list begins anew");
    }

    #[test]
    fn a_segment_outlives_its_listing_as_the_rfc_asks() {
        let t = timeline("");
        // 100 leaves the list when 105 comes (2.002 s); then its own duration and the playlist's.
        assert!((t.gone_ms(100) - 2002.0 * 7.0).abs() < 1e-6);
        let t = timeline("[stream]\nretain = \"ffmpeg\"");
        assert!((t.gone_ms(100) - 2002.0 * 2.0).abs() < 1e-6);
    }
}
