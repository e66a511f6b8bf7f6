//! What is so at a higher speed only, through no fault of the player's.
//!
//! Engines stop a moment before a hole in what is buffered, and that moment is wall time: Chromium's is 0.1 s, which is
//! 0.8 s of media at speed 8. A player that leaps over holes does so when the playhead is near enough to the edge, nearer
//! than that mostly. Whoever waits there for ever at speed 8 may well go on at speed 1.

use crate::tolerance::STOPS_WALL_S;
use crate::trace::{Beat, PageEvent, Trace, Witness};

/// Where the playhead stood still farther before a hole than it would at speed 1, if it did: a sentence for the report.
pub fn stopped_before_a_hole(trace: &Trace) -> Option<String> {
    let beats: Vec<&Beat> = trace.beats.iter().filter(|beat| beat.of == Witness::Page).collect();
    let is_still = |a: &Beat, b: &Beat| a.playing && b.playing && a.time == b.time;
    let early = STOPS_WALL_S..STOPS_WALL_S * trace.speed;
    let stops = beats.chunk_by(|a, b| is_still(a, b)).filter_map(|still| {
        let (first, last) = (still.first()?, still.last()?);
        let edge_s = last.time? + last.ahead;
        let is_long = last.at_ms - first.at_ms > STILL_WALL_MS * trace.speed;
        (is_long && early.contains(&last.ahead) && has_more(trace, edge_s, last.at_ms)).then_some(*last)
    });
    let stop = stops.into_iter().next()?;
    Some(format!(
        "at speed {} the engine stopped {:.2} s before a hole, which is farther than at speed 1: what a player does there \
         can't be judged",
        trace.speed, stop.ahead
    ))
}

/// Why what was too late, by so much stream time each, may not be at speed 1, if so: a sentence for the report. `None` stands
/// for what is wrong at any time.
///
/// A script's own work takes as long at each speed, so at a higher one it is more of the stream.
pub fn too_late_by_little(over_ms: &[Option<f64>], speed: f64) -> Option<String> {
    let most_ms = over_ms.iter().copied().reduce(|a, b| Some(a?.max(b?)))??;
    (most_ms <= SCRIPT_WALL_MS * (speed - 1.0)).then(|| {
        format!(
            "at speed {speed} something was {most_ms:.0} ms too late, no more than a script's own work may be at that speed"
        )
    })
}

/// Whether something is buffered behind a hole that begins at `edge_s`, as far as was last told before.
fn has_more(trace: &Trace, edge_s: f64, before_ms: f64) -> bool {
    let told = trace.page.iter().rev().filter(|entry| entry.at_ms <= before_ms);
    let ranges = told.filter_map(|entry| match &entry.event {
        PageEvent::UpdateEnd { buffered, .. } => Some(buffered),
        _ => None,
    });
    ranges.take(1).flatten().any(|(start_s, _)| *start_s > edge_s)
}

/// What a player's scripts may take for themselves: hls.js took 0.27 s from its first playlist request to its first frame, the
/// fetching and decoding among them, at speed 8 on two busy cores.
const SCRIPT_WALL_MS: f64 = 250.0;
/// Shorter stands are not waits.
const STILL_WALL_MS: f64 = 250.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::PageEntry;

    /// At speed 8 the playhead stands at 6 s from 1 s to 4 s of the session, so far before the edge of what is buffered,
    /// and these ranges are buffered.
    fn trace(speed: f64, ahead: f64, buffered: &[(f64, f64)]) -> Trace {
        let beat = |at_ms: f64, time| Beat {
            at_ms,
            of: Witness::Page,
            lag_ms: 0.0,
            time: Some(time),
            ahead,
            playing: true,
        };
        let event = PageEvent::UpdateEnd { buffer: 0, buffered: buffered.to_vec() };
        let moving = (0..10).map(|n| beat(f64::from(n) * 100.0, 5.0 + f64::from(n) * 0.1));
        let still = (0..30).map(|n| beat(1000.0 + f64::from(n) * 100.0, 6.0));
        Trace {
            speed,
            clock_error_ms: 1.0,
            ended_at_ms: 4000.0,
            requests: Vec::new(),
            page: vec![PageEntry { n: 0, at_ms: 500.0, event }],
            beats: moving.chain(still).collect(),
            lost: Vec::new(),
        }
    }

    const HOLE: [(f64, f64); 2] = [(0.0, 6.8), (8.0, 12.0)];

    #[test]
    fn a_stop_far_before_a_hole_is_the_speeds() {
        let why = stopped_before_a_hole(&trace(8.0, 0.8, &HOLE)).expect("it is");
        assert!(why.contains("at speed 8") && why.contains("0.80 s before a hole"), "{why}");
    }

    #[test]
    fn a_stop_where_it_would_be_at_speed_1_is_the_players() {
        assert_eq!(stopped_before_a_hole(&trace(8.0, 0.1, &HOLE)), None);
        assert_eq!(stopped_before_a_hole(&trace(1.0, 0.1, &HOLE)), None);
        assert_eq!(stopped_before_a_hole(&trace(1.0, 0.8, &HOLE)), None);
    }

    #[test]
    fn a_stop_in_the_middle_of_media_is_the_players() {
        assert_eq!(stopped_before_a_hole(&trace(8.0, 2.0, &HOLE)), None);
    }

    #[test]
    fn without_a_hole_there_is_nothing_to_leap_over() {
        assert_eq!(stopped_before_a_hole(&trace(8.0, 0.8, &HOLE[..1])), None);
    }

    #[test]
    fn what_is_too_late_by_little_may_be_the_speeds() {
        let why = too_late_by_little(&[Some(157.0), Some(1000.0)], 8.0).expect("it may");
        assert!(why.contains("at speed 8 something was 1000 ms too late"), "{why}");
        assert_eq!(too_late_by_little(&[Some(2000.0)], 8.0), None);
        assert_eq!(too_late_by_little(&[Some(1.0)], 1.0), None);
        assert_eq!(too_late_by_little(&[Some(157.0), None], 8.0), None);
        assert_eq!(too_late_by_little(&[], 8.0), None);
    }

    #[test]
    fn a_short_stand_is_no_wait() {
        let mut trace = trace(8.0, 0.8, &HOLE);
        trace.beats.truncate(25);
        assert_eq!(stopped_before_a_hole(&trace), None);
    }
}
