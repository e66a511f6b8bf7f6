//! How many trials play at a time, and how fast: as many as the machine carries, which heartbeats tell.
//!
//! A trial asks for a place before it begins. What its latest heartbeat was late by says, when it is over, whether there
//! was room for more. A slow one takes half a place. A late one costs a rerun at speed 1, so places are given up sooner than
//! they are added; with one place left, it is the speed that goes down. No clock and no socket is known here.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use segproof_core::report::{TrialReport, Verdict};

use crate::report;

/// How a run is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// So many at a time, at the speed that each was planned with.
    Fixed(NonZeroUsize),
    /// So many to begin with, and never more than `most`.
    Measured {
        first: NonZeroUsize,
        most: NonZeroUsize,
        /// Whether a trial may be played more slowly than it was planned with, where one at a time is too much.
        slows_down: bool,
    },
}

/// Places, who has them, and what was learnt.
#[derive(Debug)]
pub struct Pace {
    pacing: Pacing,
    places: usize,
    /// Speeds are divided by it.
    slowness: f64,
    playing: BTreeMap<String, Playing>,
    changes: usize,
    /// Trials in a row that left the machine time to spare.
    calm: usize,
}

/// A trial that has begun.
#[derive(Debug)]
struct Playing {
    /// How many changes had been made when it began.
    changes: usize,
    half_places: usize,
}

impl Pacing {
    pub const ONE_AT_A_TIME: Pacing = Pacing::Fixed(NonZeroUsize::MIN);

    pub fn most(self) -> usize {
        match self {
            Pacing::Fixed(places) => places.get(),
            Pacing::Measured { most, .. } => most.get(),
        }
    }

    /// How many where the machine carries so many: what is fixed is never exceeded.
    pub fn within(self, carried: usize) -> usize {
        match self {
            Pacing::Fixed(places) => places.get().min(carried),
            Pacing::Measured { .. } => carried,
        }
    }
}

impl Pace {
    pub fn new(pacing: Pacing) -> Pace {
        let places = match pacing {
            Pacing::Fixed(places) => places,
            Pacing::Measured { first, .. } => first,
        };
        Pace { pacing, places: places.get(), slowness: 1.0, playing: BTreeMap::new(), changes: 0, calm: 0 }
    }

    /// Takes places for a trial that may play `speed` stream seconds per second and weighs so many half places, and
    /// gives the speed that it is to play at; `None` if too many are taken. One at a time plays, whatever it weighs.
    pub fn begin(&mut self, trial: &str, speed: f64, weight: usize) -> Option<f64> {
        let half_places = match self.pacing {
            Pacing::Measured { .. } if speed <= SLOW => weight.div_ceil(2),
            Pacing::Measured { .. } => weight,
            Pacing::Fixed(_) => 2,
        };
        let taken: usize = self.playing.values().map(|playing| playing.half_places).sum();
        if taken > 0 && taken + half_places > 2 * self.places {
            return None;
        }
        self.playing.insert(trial.to_owned(), Playing { changes: self.changes, half_places });
        // What is slow already is not made slower than life.
        Some((speed / self.slowness).max(speed.min(1.0)))
    }

    /// The trial's process is gone, whatever it found.
    pub fn gone(&mut self, trial: &str) {
        self.playing.remove(trial);
    }

    /// A trial is over.
    pub fn finished(&mut self, report: &TrialReport) {
        let Some(Playing { changes: begun, .. }) = self.playing.remove(&report::name(report)) else { return };
        let Pacing::Measured { most, slows_down, .. } = self.pacing else { return };
        if report.speed <= 1.0 || report.verdict == Verdict::Skipped {
            return;
        }
        match report.late_ms {
            0..CALM_MS => {
                self.calm += 1;
                if self.calm >= CALM_TRIALS_PER_PLACE * self.places && self.places < most.get() {
                    self.change(self.places + 1, self.slowness);
                }
            }
            CALM_MS..LATE_MS => self.calm = 0,
            // One that began before the last change says nothing of what came of it.
            LATE_MS.. if begun < self.changes => self.calm = 0,
            LATE_MS.. if self.places > 1 => self.change(self.places * 3 / 4, self.slowness),
            LATE_MS.. if slows_down => self.change(self.places, (self.slowness * 2.0).min(SLOWNESS_MAX)),
            LATE_MS.. => {}
        }
    }

    fn change(&mut self, places: usize, slowness: f64) {
        (self.places, self.slowness) = (places, slowness);
        self.changes += 1;
        self.calm = 0;
    }
}

/// Heartbeats that are never later than this, in stream milliseconds, leave time to spare.
const CALM_MS: u64 = 250;
/// The judge doubts a failure from 500 ms of lateness on, and a pass from half a target duration on, mostly 1,000 ms.
const LATE_MS: u64 = 700;
/// So many calm trials for each place, until there is one more.
const CALM_TRIALS_PER_PLACE: usize = 2;
const SLOWNESS_MAX: f64 = 8.0;
/// A trial that plays at this speed, or more slowly, leaves a core much to spare.
const SLOW: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn count(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).expect("not zero")
    }

    fn measured(first: usize, most: usize) -> Pace {
        Pace::new(Pacing::Measured { first: count(first), most: count(most), slows_down: true })
    }

    /// Runs trials one after the other that are late by so much.
    fn run(pace: &mut Pace, trials: usize, late_ms: u64) {
        for _ in 0..trials {
            let mut report = sample::trial("a/b", Verdict::Pass);
            (report.speed, report.late_ms) = (8.0, late_ms);
            pace.begin(&report::name(&report), 8.0, 2).expect("a place");
            pace.finished(&report);
        }
    }

    /// How many can begin now.
    fn free(pace: &mut Pace) -> usize {
        let names: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
        let begun: Vec<_> = names.iter().take_while(|name| pace.begin(name, 8.0, 2).is_some()).collect();
        begun.iter().for_each(|name| pace.gone(name));
        begun.len()
    }

    #[test]
    fn calm_trials_make_room_up_to_the_most() {
        let mut pace = measured(2, 4);
        run(&mut pace, 3, 100);
        assert_eq!(free(&mut pace), 2);
        run(&mut pace, 1, 100);
        assert_eq!(free(&mut pace), 3);
        run(&mut pace, 100, 100);
        assert_eq!(free(&mut pace), 4);
    }

    #[test]
    fn what_is_neither_calm_nor_late_changes_nothing() {
        let mut pace = measured(2, 4);
        for _ in 0..10 {
            run(&mut pace, 3, 100);
            run(&mut pace, 1, CALM_MS);
        }
        assert_eq!(free(&mut pace), 2);
    }

    #[test]
    fn late_trials_give_places_up_and_at_last_speed() {
        let mut pace = measured(4, 8);
        run(&mut pace, 1, LATE_MS);
        assert_eq!(free(&mut pace), 3);
        run(&mut pace, 2, LATE_MS);
        assert_eq!(free(&mut pace), 1);
        assert_eq!(pace.begin("x", 8.0, 2), Some(8.0));
        pace.gone("x");
        run(&mut pace, 1, LATE_MS);
        assert_eq!(pace.begin("x", 8.0, 2), Some(4.0));
        pace.gone("x");
        run(&mut pace, 9, LATE_MS);
        assert_eq!(pace.begin("x", 4.0, 2), Some(1.0), "never slower than life");
        pace.gone("x");
        assert_eq!(pace.begin("x", 0.5, 2), Some(0.5), "unless it was planned so");
    }

    #[test]
    fn a_slow_trial_takes_half_a_place_where_places_are_measured() {
        let mut pace = measured(2, 2);
        let begun = |pace: &mut Pace, name: &str, speed| pace.begin(name, speed, 2).is_some();
        assert!(begun(&mut pace, "a", 1.0) && begun(&mut pace, "b", 8.0) && begun(&mut pace, "c", SLOW));
        assert!(!begun(&mut pace, "d", 1.0));
        pace.gone("a");
        assert!(!begun(&mut pace, "d", 8.0));
        assert!(begun(&mut pace, "d", 1.0));
        let mut pace = Pace::new(Pacing::ONE_AT_A_TIME);
        assert!(begun(&mut pace, "a", 1.0) && !begun(&mut pace, "b", 1.0));
    }

    #[test]
    fn who_weighs_more_takes_more_and_may_always_play_alone() {
        let mut pace = measured(4, 4);
        let begun = |pace: &mut Pace, name: &str, weight| pace.begin(name, 8.0, weight).is_some();
        assert!(begun(&mut pace, "a", 3) && begun(&mut pace, "b", 3) && !begun(&mut pace, "c", 3));
        assert!(begun(&mut pace, "c", 2));
        let mut pace = measured(1, 1);
        assert!(begun(&mut pace, "a", 6) && !begun(&mut pace, "b", 2));
    }

    #[test]
    fn one_burst_of_lateness_counts_once() {
        let mut pace = measured(4, 4);
        let reports: Vec<TrialReport> = ["a/a", "a/b", "a/c", "a/d"]
            .iter()
            .map(|name| TrialReport {
                speed: 8.0,
                late_ms: 5000,
                ..sample::trial(name, Verdict::Inconclusive)
            })
            .collect();
        for report in &reports {
            assert_eq!(pace.begin(&report::name(report), 8.0, 2), Some(8.0));
        }
        assert_eq!(pace.begin("one too many", 8.0, 2), None);
        reports.iter().for_each(|report| pace.finished(report));
        assert_eq!(free(&mut pace), 3);
    }

    #[test]
    fn what_is_fixed_holds_for_what_is_run_again() {
        assert_eq!([1, 9].map(|places| Pacing::Fixed(count(places)).within(8)), [1, 8]);
        let measured = Pacing::Measured { first: count(2), most: count(4), slows_down: true };
        assert_eq!(measured.within(8), 8);
    }

    #[test]
    fn a_fixed_pace_stays() {
        let mut pace = Pace::new(Pacing::Fixed(count(3)));
        run(&mut pace, 20, 100);
        run(&mut pace, 20, 9000);
        assert_eq!(free(&mut pace), 3);
        assert_eq!(pace.begin("x", 8.0, 2), Some(8.0));
    }
}
