//! When each segment is published, and when it is gone: the stream without any request.

use std::ops::Range;

use crate::fault::Fault;
use crate::notation::Moment;
use crate::scenario::{Retain, Scenario};

/// The life of every segment of a stream, in stream milliseconds; zero is the first playlist request.
#[derive(Debug, Clone)]
pub struct Timeline {
    pub media_sequence: u64,
    pub window: u64,
    pub target_duration_ms: f64,
    pub retain: Retain,
    /// The last segment ever published.
    pub last_msn: Option<u64>,
    phase: f64,
    /// Segments that come in the same instant as the one before them; in order, none within another.
    at_once: Vec<Range<u64>>,
    /// Durations of one lap of the fixture.
    lap_ms: Vec<f64>,
    /// Sum of the durations before each segment of a lap, and last that of the whole lap: a stream may list
    /// thousands of segments and go on for thousands, and asking for one's time must not add them all up.
    lap_sums_ms: Vec<f64>,
}

impl Timeline {
    pub fn new(scenario: &Scenario, lap_ms: Vec<f64>, target_duration_ms: f64) -> Timeline {
        let stream = &scenario.stream;
        let mut lap_sums_ms = vec![0.0];
        for duration_ms in &lap_ms {
            lap_sums_ms.push(lap_sums_ms[lap_sums_ms.len() - 1] + duration_ms);
        }
        Timeline {
            media_sequence: stream.media_sequence,
            window: stream.window,
            target_duration_ms,
            retain: stream.retain,
            last_msn: scenario.last_msn(),
            phase: stream.phase,
            at_once: at_once(scenario),
            lap_ms,
            lap_sums_ms,
        }
    }

    pub fn duration_ms(&self, msn: u64) -> f64 {
        let i = (msn - self.media_sequence) as usize % self.lap_ms.len();
        self.lap_ms[i]
    }

    /// The durations of these segments together.
    fn durations_ms(&self, msns: Range<u64>) -> f64 {
        let before = |msn: u64| {
            let (n, lap) = (msn - self.media_sequence, self.lap_ms.len() as u64);
            (n / lap) as f64 * self.lap_sums_ms[self.lap_ms.len()] + self.lap_sums_ms[(n % lap) as usize]
        };
        if msns.is_empty() { 0.0 } else { before(msns.end) - before(msns.start) }
    }

    /// When the segment is complete and may be listed. Segments of the first playlist: before zero.
    pub fn published_ms(&self, msn: u64) -> f64 {
        let first_new = self.media_sequence + self.window;
        let zero = -self.phase * self.duration_ms(first_new);
        if msn < first_new {
            // They came one by one before the first request.
            return zero - self.durations_ms(msn + 1..first_new);
        }
        let skipped: f64 =
            self.at_once.iter().map(|range| self.durations_ms(range.start..range.end.min(msn + 1))).sum();
        zero + self.durations_ms(first_new..msn + 1) - skipped
    }

    /// The newest segment at `now`.
    pub fn newest_at(&self, now_ms: f64) -> u64 {
        let first = self.media_sequence + self.window - 1;
        let newest = last_that(first, |msn| {
            self.last_msn.is_none_or(|last| msn <= last) && self.published_ms(msn) <= now_ms
        });
        self.last_msn.map_or(newest, |last| newest.min(last))
    }

    /// The first segment of the playlist whose newest is `newest`.
    pub fn first_listed(&self, newest: u64) -> u64 {
        (newest + 1).saturating_sub(self.window).max(self.media_sequence)
    }

    /// When the segment stops answering.
    pub fn gone_ms(&self, msn: u64) -> f64 {
        let delisting = msn + self.window;
        if self.last_msn.is_some_and(|last| delisting > last) {
            return f64::INFINITY;
        }
        match self.retain {
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
    let mut end = scenario.stream.media_sequence + scenario.stream.window;
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

/// The last number from `first` on that `holds`, where it holds for all up to some number and for none after;
/// `first` if it holds for none. Asks about twice the logarithm of the distance.
fn last_that(first: u64, mut holds: impl FnMut(u64) -> bool) -> u64 {
    let mut step = 1;
    while step <= DISTANCE_MAX && holds(first + step) {
        step *= 2;
    }
    let (mut last, mut beyond) = (first + step / 2, first + step);
    while last + 1 < beyond {
        let middle = last + (beyond - last) / 2;
        if holds(middle) {
            last = middle;
        } else {
            beyond = middle;
        }
    }
    // One step is no halving: it may not have held.
    if step == 1 { first } else { last }
}

/// No stream is this long: the search ends even where durations are zero.
const DISTANCE_MAX: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(body: &str) -> Timeline {
        let text = format!("summary = \"x\"\nuntil = \"segment 104\"\n{body}");
        Timeline::new(&Scenario::parse(&text).unwrap(), vec![2002.0; 31], 2000.0)
    }

    #[test]
    fn publications_follow_the_sum_of_durations() {
        let t = timeline("");
        assert!((t.published_ms(105) - 2002.0).abs() < 1e-6);
        assert!((t.published_ms(140) - 36.0 * 2002.0).abs() < 1e-6);
        assert_eq!(t.newest_at(0.0), 104);
        assert_eq!(t.newest_at(2001.0), 104);
        assert_eq!(t.newest_at(2003.0), 105);
        assert_eq!(t.first_listed(105), 101);
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
        assert_eq!(t.newest_at(4100.0), 116);
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
        let text = "summary = \"x\"\nuntil = \"segment 104\"\n[stream]\nphase = 0.3\nwindow = 7";
        let lap = vec![2000.0, 1500.0, 2002.0, 40.0];
        let t = Timeline::new(&Scenario::parse(text).unwrap(), lap.clone(), 2000.0);
        let duration = |msn: u64| lap[(msn - 100) as usize % 4];
        let mut at = -0.3 * duration(107) - (101..107).map(duration).sum::<f64>();
        for msn in 100..140 {
            assert!((t.published_ms(msn) - at).abs() < 1e-6, "{msn}");
            assert_eq!(t.newest_at(at + 0.01), msn.max(106));
            at += duration(msn + 1);
        }
    }

    #[test]
    fn the_newest_segment_is_found_without_asking_for_each() {
        for distance in [0, 1, 2, 3, 4, 5, 100, 5_000, 1 << 30] {
            let mut asked = 0;
            let newest = last_that(100, |msn| {
                asked += 1;
                msn <= 100 + distance
            });
            assert_eq!(newest, 100 + distance);
            assert!(asked <= 2 * (64 - distance.leading_zeros()) + 1, "{asked} for {distance}");
        }
        let mut asked = 0;
        last_that(100, |_| {
            asked += 1;
            asked < 1000
        });
        assert!(asked < 100, "a search without end asked {asked} times");
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
