//! The ideal player against a search through what players can do: reload as early as permitted or somewhat later, and
//! try each segment again and again, on streams so small that all of it can be tried.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use segproof_core::exchange::{Reply, Step};
use segproof_core::ideal::{Viewer, ideal};
use segproof_core::origin::{Origin, PLAYLIST_PATH};
use segproof_core::trace::{Content, Listing};

use super::{HORIZON_MS, faults};
use crate::origin::origin;

const TD_MS: f64 = 2000.0;
/// How far the search follows the stream.
const SEARCHED_MS: f64 = 13_000.0;
/// The last segment whose whole life is searched.
const LAST_MSN: u64 = 106;
/// Between two tries.
const STEP_MS: f64 = 200.0;
/// More than what any of the faults here counts.
const TRIES: usize = 4;
/// A reload is made as early as permitted, or so much later.
const LATER_MS: [f64; 2] = [0.0, 700.0];

/// Segment -> the earliest time at which any player has it.
fn search(origin: &Origin) -> BTreeMap<u64, f64> {
    let mut best = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let player = Player { origin: origin.clone(), last_text: String::new(), inits_ms: BTreeMap::new() };
    reload(player, 0.0, &mut best, &mut seen);
    best
}

/// One of the players that are tried.
#[derive(Clone)]
struct Player {
    origin: Origin,
    last_text: String,
    /// An init is kept once it is there.
    inits_ms: BTreeMap<String, Option<f64>>,
}

fn reload(
    mut player: Player,
    now_ms: f64,
    best: &mut BTreeMap<u64, f64>,
    seen: &mut BTreeSet<(u64, u64, String)>,
) {
    let reply = player.origin.handle(now_ms, PLAYLIST_PATH);
    // The same answer at the same time leads to nothing new.
    let text = match &reply.content {
        Content::Playlist { text, .. } => text.clone(),
        _ => String::new(),
    };
    if now_ms > SEARCHED_MS || !seen.insert((now_ms as u64, reply.attempt, text.clone())) {
        return;
    }
    let (Some(wait_ms), Content::Playlist { listings, .. }) = (arrives_ms(&reply), &reply.content) else {
        return reload(player, now_ms + STEP_MS, best, seen);
    };
    for listing in listings.iter().filter(|listing| listing.msn <= LAST_MSN && !listing.gap) {
        if let Some(ready_ms) = ready(&mut player, now_ms + wait_ms, listing) {
            let known = best.entry(listing.msn).or_insert(ready_ms);
            *known = known.min(ready_ms);
        }
    }
    let permitted_ms = now_ms + if text == player.last_text { TD_MS / 2.0 } else { TD_MS };
    player.last_text = text;
    for later_ms in LATER_MS {
        reload(player.clone(), permitted_ms.max(now_ms + wait_ms) + later_ms, best, seen);
    }
}

/// When segment and init have both come, asked for from `from_ms` on.
fn ready(player: &mut Player, from_ms: f64, listing: &Listing) -> Option<f64> {
    let first = |uri: &str| first(&player.origin, from_ms, &format!("/live/{uri}"));
    let init_ms = *player.inits_ms.entry(listing.init.clone()).or_insert_with(|| first(&listing.init));
    Some(first(&listing.uri)?.max(init_ms?))
}

fn first(origin: &Origin, from_ms: f64, path: &str) -> Option<f64> {
    let mut best: Option<f64> = None;
    let mut at_ms = from_ms;
    while at_ms < SEARCHED_MS + 2.0 * TD_MS && best.is_none_or(|best| at_ms < best) {
        let mut origin = origin.clone();
        for _ in 0..TRIES {
            if let Some(wait_ms) = arrives_ms(&origin.handle(at_ms, path)) {
                best = Some(best.map_or(at_ms + wait_ms, |best| best.min(at_ms + wait_ms)));
            }
        }
        at_ms += STEP_MS;
    }
    best
}

/// How long after the request the whole, right body has arrived, if it does.
fn arrives_ms(reply: &Reply) -> Option<f64> {
    let mut waited_ms = 0.0;
    let mut sent = 0;
    for step in &reply.steps {
        match step {
            Step::Wait(ms) => waited_ms += ms,
            Step::BodyTo(to) => sent = *to,
            Step::Hang | Step::Reset => return None,
            Step::Head | Step::Close => {}
            Step::Throttle { .. } => unreachable!("none of the faults here is slow"),
        }
    }
    (reply.status == 200 && sent == reply.body.len()).then_some(waited_ms)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(crate::SEED), ..ProptestConfig::default()
    })]

    /// What the ideal player has, somebody can have at that time; what nobody can have, it does not have; and nobody is
    /// ahead of it by more than a reload.
    #[test]
    fn nobody_is_ahead_of_it_by_more_than_a_reload(faults in faults(), phase in 0.0..0.99f64, is_reload in any::<bool>()) {
        let clock = if is_reload { "reload" } else { "wall" };
        let body = format!("[stream]\nclock = \"{clock}\"\nphase = {phase}\n{faults}");
        let origin = origin(&body);
        let ideal = ideal(&origin, &Viewer::default(), Some(LAST_MSN + 4), HORIZON_MS);
        let best = search(&origin);
        for msn in 100..=LAST_MSN {
            let (ideal_ms, best_ms) = (ideal.ready_ms.get(&msn), best.get(&msn));
            // Beyond what is searched nothing is known.
            let ideal_ms = ideal_ms.filter(|ms| **ms < SEARCHED_MS);
            let what = format!("segment {msn}: ideal {ideal_ms:?}, best {best_ms:?}\n{body}");
            match (ideal_ms, best_ms) {
                (Some(ideal_ms), Some(best_ms)) => {
                    prop_assert!(*ideal_ms >= best_ms - STEP_MS - LATER_MS[1], "too good: {}", what);
                    prop_assert!(*ideal_ms <= best_ms + TD_MS, "too late: {}", what);
                }
                (Some(_), None) => prop_assert!(false, "nobody can have it: {}", what),
                (None, Some(best_ms)) => prop_assert!(*best_ms > SEARCHED_MS - TD_MS, "given up: {}", what),
                (None, None) => {}
            }
        }
    }
}
