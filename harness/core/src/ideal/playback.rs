//! The ideal player's playhead: from when each segment is there, to when it is shown.

use std::collections::BTreeMap;
use std::ops::Range;

use super::viewer::{Effects, Target};

/// What there is to play.
#[derive(Debug, Clone)]
pub struct Material {
    /// The segment to begin with.
    pub start_msn: u64,
    /// When each segment could first be had.
    pub ready_ms: BTreeMap<u64, f64>,
    /// How long each lasts.
    pub duration_ms: BTreeMap<u64, f64>,
    /// When its first frame was taken.
    pub began_ms: BTreeMap<u64, f64>,
    /// From the end of what is there to where a session begins.
    pub hold_back_ms: f64,
}

/// How it was played; stream milliseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Played {
    /// When a playlist first listed each segment.
    pub listed_ms: BTreeMap<u64, f64>,
    /// When each segment was first shown, from its first frame on or from somewhere in it.
    pub shown_ms: BTreeMap<u64, f64>,
    pub start_ms: f64,
    pub stall_ms: f64,
    pub latency_ms: f64,
    pub finish_ms: f64,
}

impl Played {
    /// When the playhead was first at this segment or behind it.
    pub fn first_shown_ms(&self, msn: u64) -> Option<f64> {
        self.shown_ms.range(msn..).map(|(_, at_ms)| *at_ms).reduce(f64::min)
    }
}

/// Plays everything that there is, as the viewer wants it.
pub fn play(material: &Material, effects: &Effects) -> Played {
    let still = Still(&effects.still);
    let mut jumps = effects.jumps.iter().copied().peekable();
    let first = material.ready_ms.range(material.start_msn..).next();
    let start_ms = first.map_or(f64::INFINITY, |(_, ready_ms)| still.over_ms(*ready_ms));
    let mut played = Played { start_ms, finish_ms: start_ms, ..Played::default() };
    // What was wanted before there was a picture is forgotten.
    while jumps.next_if(|(at_ms, _)| *at_ms < start_ms).is_some() {}
    let (mut now_ms, mut msn, mut inside_ms) = (start_ms, material.start_msn, 0.0);
    while let Some((&next, &ready_ms)) = material.ready_ms.range(msn..).next() {
        if next != msn {
            (msn, inside_ms) = (next, 0.0);
        }
        if ready_ms > now_ms {
            let jump = jumps.next_if(|(at_ms, _)| *at_ms < ready_ms);
            let until_ms = jump.map_or(ready_ms, |(at_ms, _)| at_ms.max(now_ms));
            played.stall_ms = played.stall_ms.max(until_ms - now_ms - still.within_ms(now_ms, until_ms));
            now_ms = until_ms;
            if let Some((_, target)) = jump {
                (msn, inside_ms) = material.place(target, now_ms, (msn, inside_ms));
                continue;
            }
        }
        played.shown_ms.entry(msn).or_insert(now_ms);
        let taken_ms = material.began_ms[&msn] + inside_ms;
        let begins_ms = still.over_ms(now_ms);
        played.latency_ms = played.latency_ms.max(begins_ms - taken_ms);
        let end_ms = still.after_ms(now_ms, material.duration_ms[&msn] - inside_ms);
        if let Some((at_ms, target)) = jumps.next_if(|(at_ms, _)| *at_ms < end_ms) {
            let at_ms = at_ms.max(now_ms);
            inside_ms += at_ms - now_ms - still.within_ms(now_ms, at_ms);
            now_ms = at_ms;
            (msn, inside_ms) = material.place(target, now_ms, (msn, inside_ms));
            continue;
        }
        if end_ms.is_infinite() {
            break;
        }
        (now_ms, msn, inside_ms) = (end_ms, msn + 1, 0.0);
    }
    played.finish_ms = now_ms;
    played
}

impl Material {
    /// The segment and how far into it.
    fn place(&self, target: Target, now_ms: f64, (msn, inside_ms): (u64, f64)) -> (u64, f64) {
        let is_there = |(msn, ready_ms): (&u64, &f64)| (*ready_ms <= now_ms).then_some(*msn);
        match target {
            Target::Segment(msn) => (msn, 0.0),
            Target::By(by_ms) => self.moved(msn, inside_ms + by_ms),
            Target::Live => {
                (self.ready_ms.iter().filter_map(is_there).max().map_or(msn, |last| last + 1), 0.0)
            }
            Target::Start => {
                let mut from_end_ms = 0.0;
                let there: Vec<u64> = self.ready_ms.iter().filter_map(is_there).collect();
                let begins = there.iter().rev().find(|msn| {
                    from_end_ms += self.duration_ms[*msn];
                    from_end_ms >= self.hold_back_ms
                });
                (begins.or(there.first()).copied().unwrap_or(msn), 0.0)
            }
        }
    }

    /// So far from the beginning of a segment, on or back.
    fn moved(&self, msn: u64, mut by_ms: f64) -> (u64, f64) {
        let mut here = msn;
        while by_ms < 0.0 {
            let Some((before, _)) = self.ready_ms.range(..here).next_back() else { return (here, 0.0) };
            here = *before;
            by_ms += self.duration_ms[&here];
        }
        while let Some(duration_ms) = self.duration_ms.get(&here).filter(|duration_ms| **duration_ms <= by_ms)
        {
            by_ms -= duration_ms;
            here = self.ready_ms.range(here + 1..).next().map_or(here + 1, |(next, _)| *next);
        }
        (here, by_ms)
    }
}

/// Spans in which the playhead stands still; they may overlap.
struct Still<'a>(&'a [Range<f64>]);

impl Still<'_> {
    /// The earliest moment from `at_ms` on at which it moves.
    fn over_ms(&self, at_ms: f64) -> f64 {
        let mut at_ms = at_ms;
        while let Some(span) = self.0.iter().find(|span| span.contains(&at_ms)) {
            at_ms = span.end;
        }
        at_ms
    }

    /// When it has moved for so long.
    fn after_ms(&self, from_ms: f64, moving_ms: f64) -> f64 {
        let (mut at_ms, mut left_ms) = (self.over_ms(from_ms), moving_ms);
        loop {
            let next = self.0.iter().map(|span| span.start).filter(|start| *start > at_ms).reduce(f64::min);
            match next {
                Some(start) if start < at_ms + left_ms => {
                    left_ms -= start - at_ms;
                    at_ms = self.over_ms(start);
                }
                _ => return at_ms + left_ms,
            }
        }
    }

    /// How much of a time it stands still.
    fn within_ms(&self, from_ms: f64, to_ms: f64) -> f64 {
        let (mut at_ms, mut still_ms) = (from_ms, 0.0);
        while at_ms < to_ms {
            let over_ms = self.over_ms(at_ms).min(to_ms);
            still_ms += over_ms - at_ms;
            let next = self.0.iter().map(|span| span.start).filter(|start| *start > over_ms).reduce(f64::min);
            at_ms = next.unwrap_or(to_ms).max(over_ms);
            if next.is_none() {
                break;
            }
        }
        still_ms
    }
}
