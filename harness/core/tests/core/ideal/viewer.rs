//! The ideal player and its viewer: what pausing, seeking and going away makes of a session.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use segproof_core::action::{Action, Cue, Deed, Place};
use segproof_core::ideal::{Ideal, Viewer, ideal};
use segproof_core::origin::Origin;
use segproof_core::scenario::Scenario;

use super::{HORIZON_MS, fault, near};
use crate::origin::presentation;

/// Segments of 2 s, each published as the one three before it begins to play.
fn under(body: &str) -> Ideal {
    let (origin, viewer) = both(body);
    ideal(&origin, &viewer, Some(112), HORIZON_MS)
}

fn both(body: &str) -> (Origin, Viewer) {
    let text = format!("summary = \"x\"\nuntil = \"segment 112\"\nneeds = [\"stop\"]\n{body}");
    let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{}", error.render("x", &text)));
    (Origin::new(&scenario, presentation(&scenario)), Viewer::of(&scenario))
}

fn action(at: &str, rest: &str) -> String {
    format!("[[action]]\nat = \"{at}\"\n{rest}\n")
}

#[test]
fn a_pause_is_no_stall_and_makes_it_late() {
    let ideal = under(&action("segment 106", "page = \"pause\"\nfor = \"5s\""));
    near(ideal.stall_ms, 0.0);
    near(ideal.finish_ms, 27_000.0);
    near(ideal.latency_ms, under("").latency_ms + 5000.0);
}

#[test]
fn it_waits_for_the_viewers_word() {
    let ideal = under(&format!("[page]\nautoplay = \"denied\"\n{}", action("5s", "page = \"play\"")));
    near(ideal.start_ms, 5000.0);
    near(ideal.finish_ms, 27_000.0);
}

#[test]
fn without_a_network_it_plays_what_it_has() {
    // 102 to 106 are there at 4 s, and end at 10 s.
    let short = under(&action("4.1s", "page = \"offline\"\nfor = \"5.5s\""));
    near(short.stall_ms, 0.0);
    let long = under(&action("4.1s", "page = \"offline\"\nfor = \"9s\""));
    assert!((3100.0..=3300.0).contains(&long.stall_ms), "{}", long.stall_ms);
    // The opposite as an action of its own is the same.
    let words = action("4.1s", "page = \"offline\"") + &action("13.1s", "page = \"online\"");
    assert_eq!(under(&words), long);
    // What left the playlist meanwhile was never listed to it.
    assert!((107..=109).all(|msn| long.ready_ms.contains_key(&msn)), "{:?}", long.ready_ms);
}

#[test]
fn asleep_it_neither_plays_nor_loads_and_nobody_minds() {
    let ideal = under(&action("segment 104", "page = \"sleep\"\nfor = \"3s\""));
    near(ideal.stall_ms, 0.0);
    near(ideal.finish_ms, 25_000.0);
}

#[test]
fn a_seek_back_shows_it_again() {
    let ideal = under(&action("segment 106", "page = \"seek\"\nto = \"segment 103\""));
    near(ideal.finish_ms, 28_000.0);
    near(ideal.stall_ms, 0.0);
}

#[test]
fn at_the_live_edge_the_next_segment_is_waited_for() {
    // Shown at 6 s, as 107 comes: 108 comes at 8 s.
    let ideal = under(&action("segment 105", "page = \"seek\"\nto = \"live\""));
    near(ideal.stall_ms, 2000.0);
}

#[test]
fn a_session_that_begins_anew_begins_at_its_distance() {
    let ideal = under(&action("segment 104", "page = \"stop\"\nfor = \"6s\""));
    // At 10 s, 107 to 109 are the last three target durations.
    near(ideal.finish_ms, 22_000.0);
    near(ideal.stall_ms, 0.0);
}

/// The same, tick by tick: longest stall and finish.
fn ticked(ideal: &Ideal, viewer: &Viewer, duration_ms: f64) -> (f64, f64) {
    let mut waiting = viewer.actions.clone();
    let (mut now_ms, mut still_until_ms) = (0.0, 0.0);
    let (mut msn, mut inside_ms) = (ideal.start_msn.unwrap(), 0.0);
    let (mut furthest, mut waited_ms, mut stall_ms) = (None, 0.0, 0f64);
    while now_ms < 10.0 * HORIZON_MS {
        let Some((&next, &ready_ms)) = ideal.ready_ms.range(msn..).next() else { break };
        if next != msn {
            (msn, inside_ms) = (next, 0.0);
        }
        let is_there = ready_ms <= now_ms && now_ms >= ideal.start_ms;
        if is_there {
            furthest = furthest.max(Some(msn));
        }
        let has_come = |action: &Action| match action.at {
            Cue::At(span) => span.ms(2000.0) <= now_ms,
            Cue::Shown(msn) => furthest.is_some_and(|furthest| furthest >= msn),
            _ => unreachable!("not made here"),
        };
        let Some(due) = waiting.iter().position(has_come).map(|place| waiting.remove(place)) else {
            if now_ms < still_until_ms || now_ms < ideal.start_ms {
            } else if is_there {
                inside_ms += TICK_MS;
                waited_ms = 0.0;
                if inside_ms >= duration_ms {
                    (msn, inside_ms) = (msn + 1, 0.0);
                }
            } else {
                waited_ms += TICK_MS;
                stall_ms = stall_ms.max(waited_ms);
            }
            now_ms += TICK_MS;
            continue;
        };
        if due.page == Deed::Pause {
            still_until_ms = f64::max(still_until_ms, now_ms + due.lasts.unwrap().ms(2000.0));
        } else if now_ms >= ideal.start_ms {
            waited_ms = 0.0;
            (msn, inside_ms) = match due.to.unwrap() {
                Place::Segment(msn) => (msn, 0.0),
                Place::By(by) => {
                    let first = *ideal.ready_ms.keys().next().unwrap();
                    let from_first_ms = (msn - first) as f64 * duration_ms + inside_ms + by.ms(2000.0);
                    let whole = (from_first_ms.max(0.0) / duration_ms).floor();
                    (first + whole as u64, from_first_ms.max(0.0) - whole * duration_ms)
                }
                Place::Live => {
                    let there = ideal.ready_ms.iter().filter(|(_, ready_ms)| **ready_ms <= now_ms);
                    (there.map(|(msn, _)| msn + 1).max().unwrap(), 0.0)
                }
            };
        }
    }
    (stall_ms, now_ms)
}

const TICK_MS: f64 = 2.0;

fn actions() -> impl Strategy<Value = String> {
    let at = prop_oneof![
        (103u64..110).prop_map(|msn| format!("segment {msn}")),
        (0u32..180).prop_map(|n| format!("{}ms", 100 * n + 37)),
    ];
    let what = prop_oneof![
        (1u32..60).prop_map(|n| format!("page = \"pause\"\nfor = \"{}ms\"", 100 * n + 11)),
        (101u64..111).prop_map(|msn| format!("page = \"seek\"\nto = \"segment {msn}\"")),
        (1u32..60).prop_map(|n| format!("page = \"seek\"\nto = \"-{}ms\"", 100 * n + 23)),
        (1u32..60).prop_map(|n| format!("page = \"seek\"\nto = \"+{}ms\"", 100 * n + 23)),
        Just("page = \"seek\"\nto = \"live\"".to_string()),
    ];
    let one = (at, what).prop_map(|(at, what)| action(&at, &what));
    proptest::collection::vec(one, 0..4).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(crate::SEED), ..ProptestConfig::default()
    })]

    #[test]
    fn its_playhead_is_where_small_steps_lead(actions in actions(), is_late in any::<bool>()) {
        let late = if is_late { fault("segment 106", "delay = \"7.3s\"") } else { String::new() };
        let body = format!("[stream]\nclock = \"wall\"\nphase = 0.313\n{late}{actions}");
        let (origin, viewer) = both(&body);
        let ideal = ideal(&origin, &viewer, Some(112), HORIZON_MS);
        let (stall_ms, finish_ms) = ticked(&ideal, &viewer, 2000.0);
        prop_assert!((ideal.stall_ms - stall_ms).abs() < 50.0, "stall {} and {}\n{}", ideal.stall_ms, stall_ms, body);
        prop_assert!((ideal.finish_ms - finish_ms).abs() < 50.0, "finish {} and {}\n{}", ideal.finish_ms, finish_ms, body);
    }
}
