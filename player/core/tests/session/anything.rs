//! Whatever happens for forty seconds: half a minute later the stream is played, or the page has been told why not.

use proptest::prelude::*;
use segproof_player_core::{Event, Report};

use crate::is_warning;
use crate::world::{Answer, World, list, number, window};

/// What an answer may be in place of the right one.
#[derive(Debug, Clone)]
enum Fault {
    Status(u16),
    Late(u64),
    Never,
    /// The playlist of so many segments before, or of a stream that counts from one again; for other resources, nothing.
    Old(u64),
}

#[derive(Debug, Clone)]
struct Case {
    /// In force for the answers of these times, in milliseconds, for what is asked for: the playlist, inits, segments.
    faults: Vec<(u64, u64, usize, Fault)>,
    /// Discontinuities, and clocks that begin anew, at these segments.
    discontinuities: Vec<u64>,
    restarts: Vec<u64>,
    breaks_at_ms: u64,
    sticks_at_ms: u64,
    resumes_ms: u64,
    asleep_ms: std::ops::Range<u64>,
    seek_at: Option<(u64, f64)>,
    refused: Vec<(u64, bool)>,
    undecodable: u64,
}

const TROUBLE_MS: u64 = 40_000;
const END_MS: u64 = 110_000;

fn case() -> impl Strategy<Value = Case> {
    let fault = prop_oneof![
        prop::sample::select(vec![403, 404, 408, 410, 429, 500, 503]).prop_map(Fault::Status),
        (100u64..9_000).prop_map(Fault::Late),
        Just(Fault::Never),
        (1u64..40).prop_map(Fault::Old),
    ];
    let faults = prop::collection::vec((0..TROUBLE_MS, 1..9_000u64, 0..3usize, fault), 0..6);
    let msns = || prop::collection::vec(100u64..125, 0..3);
    let at = |likely: u32| prop_oneof![3 => Just(u64::MAX), likely => 1_000..TROUBLE_MS];
    (
        (faults, msns(), msns(), at(1), at(1), prop_oneof![3 => Just(0), 1 => 1_000..TROUBLE_MS]),
        (0..TROUBLE_MS, prop_oneof![3 => Just(0u64), 1 => 1..15_000u64]),
        prop_oneof![3 => Just(None), 1 => (1_000..TROUBLE_MS, 190.0..260.0f64).prop_map(Some)],
        prop::collection::vec((100u64..125, any::<bool>()), 0..2),
        prop_oneof![3 => Just(u64::MAX), 1 => 103u64..125],
    )
        .prop_map(
            |(
                (faults, discontinuities, restarts, breaks, sticks, resumes),
                sleep,
                seek,
                refused,
                undecodable,
            )| Case {
                faults,
                discontinuities,
                restarts,
                breaks_at_ms: breaks,
                sticks_at_ms: sticks,
                resumes_ms: resumes,
                asleep_ms: sleep.0..sleep.0 + sleep.1,
                seek_at: seek,
                refused,
                undecodable,
            },
        )
}

fn world(case: Case) -> World {
    let Case { faults, discontinuities, restarts, refused, .. } = case;
    let mut world = World::new(move |uri, _, now_ms| {
        let (kind, wait_ms) = match uri {
            "" => (0, 30),
            _ if uri.starts_with("init") => (1, 20),
            _ => (2, 50),
        };
        let body = |back: u64| {
            let (first, end) = window(now_ms);
            list(first.saturating_sub(back), end.saturating_sub(back), |msn| {
                let mark = if discontinuities.contains(&msn) { "#EXT-X-DISCONTINUITY\n" } else { "" };
                format!("{mark}#EXTINF:2.000,\ns{msn}.m4s\n")
            })
        };
        let right = || if kind == 0 { body(0) } else { String::new() };
        let fault = faults
            .iter()
            .find(|(from_ms, for_ms, of, _)| *of == kind && (*from_ms..from_ms + for_ms).contains(&now_ms));
        match fault.map(|(.., fault)| fault) {
            None => Answer::Body(right(), wait_ms),
            Some(Fault::Status(status)) => Answer::Status(*status, wait_ms),
            Some(Fault::Late(late_ms)) => Answer::Body(right(), *late_ms),
            Some(Fault::Never) => Answer::Never,
            Some(Fault::Old(back)) if kind == 0 => Answer::Body(body(*back), wait_ms),
            Some(Fault::Old(_)) => Answer::Body(right(), wait_ms),
        }
    });
    world.media = Box::new(move |uri| {
        let msn = number(uri);
        let since = restarts.iter().filter(|at| **at <= msn).max().copied().unwrap_or(0);
        (2.0 * (msn - since) as f64, 2.0)
    });
    // A segment that is refused once as too much, or always as broken.
    let mut full = Vec::new();
    world.refuse = Box::new(move |uri, _| {
        let (_, is_full) = refused.iter().find(|(msn, _)| uri.starts_with('s') && number(uri) == *msn)?;
        if !is_full {
            return Some(Event::Broken);
        }
        let is_first = !full.contains(&uri.to_owned());
        full.push(uri.to_owned());
        is_first.then_some(Event::QuotaExceeded)
    });
    world.breaks_at_ms = case.breaks_at_ms;
    world.sticks_at_ms = case.sticks_at_ms;
    world.is_paused = case.resumes_ms > 0;
    world.resumes_ms = case.resumes_ms;
    world.asleep_ms = case.asleep_ms;
    world.seek_at = case.seek_at;
    world.undecodable = (case.undecodable, 0.0);
    // What a missing playlist is waited for is another matter.
    world.patience_ms = 20_000.0;
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn it_plays_on_or_says_why_not(case in case()) {
        // Whoever has gone back is left there.
        let behind_s_max = if case.seek_at.is_some() { 75.0 } else { 24.0 };
        let mut world = world(case);
        world.run(END_MS - 20_000);
        let log = |world: &World| world.log.join("\n");
        let fatal: Vec<Report> = world.reports.iter().copied().filter(|report| !is_warning(report)).collect();
        prop_assert!(fatal.len() <= 1, "{fatal:?}\n{}", log(&world));
        if world.is_closed || world.is_ended {
            prop_assert!(fatal.len() == 1, "it ended without a word\n{}", log(&world));
            return Ok(());
        }
        prop_assert!(fatal.is_empty(), "it goes on after {fatal:?}\n{}", log(&world));
        // By now all is well, and the last seconds have been played.
        let end_s = world.buffered.last().map_or(0.0, |range| range.1);
        let behind_s = end_s - world.playhead_s;
        prop_assert!((0.0..=behind_s_max).contains(&behind_s), "{behind_s} s behind\n{}", log(&world));
        prop_assert!(world.played_s > 30.0, "{} s played\n{}", world.played_s, log(&world));
        let last = world.appended.last().map_or(0, |uri| number(uri));
        let (_, live) = window(END_MS - 20_000);
        prop_assert!(last + 3 >= live || behind_s_max > 50.0, "{last} of {live}\n{}", log(&world));
        let requests = world.request_times.len();
        prop_assert!(requests < 400, "{requests} requests\n{}", log(&world));
    }
}
