//! What is so at a higher speed only, through no fault of the player's.
//!
//! Engines stop a moment before a hole in what is buffered, or its end, and that moment is wall time: Chromium's is 0.1 s,
//! which is 0.8 s of media at speed 8. A player that leaps over holes does so when the playhead is near enough to the edge,
//! nearer than that mostly, and one that looks whether new media follow what it plays has its limits, too. Whoever waits
//! there for ever at speed 8 may well go on at speed 1.
//!
//! Behind a seek Chromium says `waiting` for a moment of wall time. A player that answers with another seek is at it again
//! and again at a high speed, and not at all at speed 1.

use crate::conduct::Conduct;
use crate::tolerance::STOPS_WALL_S;
use crate::trace::{Beat, PageEvent, Trace, Witness};

/// What was otherwise than at speed 1, if something was: a sentence for the report.
pub fn is_otherwise(trace: &Trace) -> Option<String> {
    if trace.speed <= 1.0 {
        return None;
    }
    stopped_early(trace).or_else(|| sought_often(trace))
}

/// Where the playhead stood still farther before the end of what is buffered there than it would at speed 1.
fn stopped_early(trace: &Trace) -> Option<String> {
    let beats: Vec<&Beat> = trace.beats.iter().filter(|beat| beat.of == Witness::Page).collect();
    let is_still = |a: &Beat, b: &Beat| a.playing && b.playing && a.time == b.time;
    let early = STOPS_WALL_S..STOPS_WALL_S * trace.speed;
    let stops = beats.chunk_by(|a, b| is_still(a, b)).filter_map(|still| {
        let (first, last) = (still.first()?, still.last()?);
        let is_long = last.at_ms - first.at_ms > STILL_WALL_MS * trace.speed;
        (is_long && early.contains(&last.ahead)).then_some(*last)
    });
    let stop = stops.into_iter().next()?;
    Some(format!(
        "at speed {} the engine stopped {:.2} s before the end of its media, which is farther than at speed 1: what a player \
         does there can't be judged",
        trace.speed, stop.ahead
    ))
}

/// Whether the player sought time and again, without anybody's wish.
fn sought_often(trace: &Trace) -> Option<String> {
    let of_viewer = Conduct::read(trace).jumps_ms;
    let is_own = |at_ms: f64| !of_viewer.iter().any(|(begun, done)| (*begun..=*done).contains(&at_ms));
    let seeks = trace.page.iter().filter(|entry| {
        matches!(&entry.event, PageEvent::Media { event, .. } if event == "seeking") && is_own(entry.at_ms)
    });
    let count = seeks.count();
    (count > SEEKS_MAX).then(|| {
        format!(
            "at speed {} the player sought {count} times: each seek makes the engine wait, for longer than at speed 1",
            trace.speed
        )
    })
}

/// Why what was beyond its limit, by so much stream time each, may not be at speed 1, if so: a sentence for the report. `None`
/// stands for what is wrong at any time.
///
/// A script's own work takes as long at each speed, so at a higher one it is more of the stream.
pub fn beyond_by_little(over_ms: &[Option<f64>], speed: f64) -> Option<String> {
    let most_ms = over_ms.iter().copied().reduce(|a, b| Some(a?.max(b?)))??;
    (most_ms <= SCRIPT_WALL_MS * (speed - 1.0)).then(|| {
        format!(
            "at speed {speed} something was {most_ms:.0} ms beyond its limit, no more than a script's own work may be at that \
             speed"
        )
    })
}

/// What a player's scripts may take for themselves: hls.js took 0.27 s from its first playlist request to its first frame, the
/// fetching and decoding among them, at speed 8 on two busy cores.
const SCRIPT_WALL_MS: f64 = 250.0;
/// A few seeks are a player's own decisions.
const SEEKS_MAX: usize = 4;
/// Shorter stands are not waits.
const STILL_WALL_MS: f64 = 250.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::PageEntry;

    /// At speed 8 the playhead stands at 6 s from 1 s to 4 s of the session, so far before the end of what is buffered.
    fn trace(speed: f64, ahead: f64) -> Trace {
        let beat = |at_ms: f64, time| Beat {
            at_ms,
            of: Witness::Page,
            lag_ms: 0.0,
            time: Some(time),
            ahead,
            playing: true,
        };
        let moving = (0..10).map(|n| beat(f64::from(n) * 100.0, 5.0 + f64::from(n) * 0.1));
        let still = (0..30).map(|n| beat(1000.0 + f64::from(n) * 100.0, 6.0));
        Trace {
            speed,
            clock_error_ms: 1.0,
            ended_at_ms: 4000.0,
            requests: Vec::new(),
            page: Vec::new(),
            beats: moving.chain(still).collect(),
            lost: Vec::new(),
        }
    }

    #[test]
    fn a_stop_far_before_the_end_is_the_speeds() {
        let why = is_otherwise(&trace(8.0, 0.8)).expect("it is");
        assert!(why.contains("at speed 8") && why.contains("0.80 s before the end"), "{why}");
    }

    #[test]
    fn a_stop_where_it_would_be_at_speed_1_is_the_players() {
        assert_eq!(is_otherwise(&trace(8.0, 0.1)), None);
        assert_eq!(is_otherwise(&trace(1.0, 0.1)), None);
        assert_eq!(is_otherwise(&trace(1.0, 0.8)), None);
    }

    #[test]
    fn a_stop_in_the_middle_of_media_is_the_players() {
        assert_eq!(is_otherwise(&trace(8.0, 2.0)), None);
    }

    #[test]
    fn a_cascade_of_seeks_is_the_speeds() {
        let mut trace = trace(8.0, 2.0);
        let seek = |n: u64| PageEntry {
            n,
            at_ms: 600.0 + n as f64,
            event: PageEvent::Media { event: "seeking".into(), time: 1.0, error: None },
        };
        trace.page.extend((0..4).map(seek));
        assert_eq!(is_otherwise(&trace), None);
        trace.page.push(seek(4));
        assert!(is_otherwise(&trace).expect("it is").contains("sought 5 times"));
        trace.speed = 1.0;
        assert_eq!(is_otherwise(&trace), None);
    }

    #[test]
    fn what_is_beyond_by_little_may_be_the_speeds() {
        let why = beyond_by_little(&[Some(157.0), Some(1000.0)], 8.0).expect("it may");
        assert!(why.contains("at speed 8 something was 1000 ms beyond"), "{why}");
        assert_eq!(beyond_by_little(&[Some(2000.0)], 8.0), None);
        assert_eq!(beyond_by_little(&[Some(1.0)], 1.0), None);
        assert_eq!(beyond_by_little(&[Some(157.0), None], 8.0), None);
        assert_eq!(beyond_by_little(&[], 8.0), None);
    }

    #[test]
    fn a_short_stand_is_no_wait() {
        let mut trace = trace(8.0, 0.8);
        trace.beats.truncate(25);
        assert_eq!(is_otherwise(&trace), None);
    }
}
