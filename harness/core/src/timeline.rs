//! When each segment is published, and when it is gone: the stream without any request.

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
    /// After segment `.0`, `.1` segments come at once; in order of `.0`.
    jumps: Vec<(u64, u64)>,
    /// Durations of one lap of the fixture.
    lap_ms: Vec<f64>,
}

impl Timeline {
    pub fn new(scenario: &Scenario, lap_ms: Vec<f64>, target_duration_ms: f64) -> Timeline {
        let stream = &scenario.stream;
        let mut jumps: Vec<_> = scenario.faults().filter_map(jump).collect();
        jumps.sort_unstable();
        Timeline {
            media_sequence: stream.media_sequence,
            window: stream.window,
            target_duration_ms,
            retain: stream.retain,
            last_msn: scenario.last_msn(),
            phase: stream.phase,
            jumps,
            lap_ms,
        }
    }

    pub fn duration_ms(&self, msn: u64) -> f64 {
        let i = (msn - self.media_sequence) as usize % self.lap_ms.len();
        self.lap_ms[i]
    }

    /// When the segment is complete and may be listed. Segments of the first playlist: before zero.
    pub fn published_ms(&self, msn: u64) -> f64 {
        let first_new = self.media_sequence + self.window;
        if msn < first_new {
            // They came one by one before the first request.
            let ahead: f64 = (msn + 1..first_new).map(|m| self.duration_ms(m)).sum();
            return -ahead - self.phase * self.duration_ms(first_new);
        }
        let mut at = -self.phase * self.duration_ms(first_new);
        let mut m = first_new;
        while m <= msn {
            at += self.duration_ms(m);
            // A jump publishes the segments that follow in the same instant.
            if let Some((_, at_once)) = self.jumps.iter().find(|(after, _)| *after == m) {
                m += at_once;
            }
            m += 1;
        }
        at
    }

    /// The newest segment at `now`.
    pub fn newest_at(&self, now_ms: f64) -> u64 {
        let mut newest = self.media_sequence + self.window - 1;
        while self.last_msn.is_none_or(|last| newest < last) && self.published_ms(newest + 1) <= now_ms {
            newest += 1;
        }
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
                let playlist: f64 = (msn..delisting).map(|m| self.duration_ms(m)).sum();
                self.published_ms(delisting) + self.duration_ms(msn) + playlist
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

fn jump(fault: &Fault) -> Option<(u64, u64)> {
    match (fault.from, fault.jump) {
        (Some(Moment::Published(msn)), Some(n)) => Some((msn, n)),
        _ => None,
    }
}

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
    fn a_segment_outlives_its_listing_as_the_rfc_asks() {
        let t = timeline("");
        // 100 leaves the list when 105 comes (2.002 s); then its own duration and the playlist's.
        assert!((t.gone_ms(100) - 2002.0 * 7.0).abs() < 1e-6);
        let t = timeline("[stream]\nretain = \"ffmpeg\"");
        assert!((t.gone_ms(100) - 2002.0 * 2.0).abs() < 1e-6);
    }
}
