//! A session against the ideal player's: nobody who begins where it begins and shows what it shows waits less. Who does
//! shows that the ideal player, and with it every limit that is derived from it, is wrong: a mistake of the suite.

use crate::conduct::Conduct;
use crate::expect::Expect;
use crate::ideal::Ideal;
use crate::judge::HEARTBEAT_WALL_MS;
use crate::rules::{Case, frames_forward, longest_stall_ms};
use crate::trace::{Beat, Trace, Witness};
use crate::view::View;

/// What the ideal player had.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// Where it began.
    pub start_msn: Option<u64>,
    pub start_ms: f64,
    pub stall_ms: f64,
    /// What it could show, from there on.
    pub shown: Vec<u64>,
}

impl Best {
    pub fn of(ideal: &Ideal, until: Option<u64>) -> Best {
        let from = ideal.start_msn.unwrap_or_default();
        let all = ideal.ready_ms.keys().copied();
        Best {
            start_msn: ideal.start_msn,
            start_ms: ideal.start_ms,
            stall_ms: ideal.stall_ms,
            shown: all.filter(|msn| *msn >= from && until.is_none_or(|until| *msn <= until)).collect(),
        }
    }
}

/// Where a session was better than the ideal player's, in words.
pub fn surpassed(trace: &Trace, expect: &Expect) -> Option<String> {
    let best = &expect.best;
    let view = View::new(trace, expect);
    let first = view.shown.first()?;
    let conduct = Conduct::read(trace);
    let case = Case { trace, expect, view: &view };
    let is_same_session = Some(first.msn) == best.start_msn
        && conduct.stretches.is_empty()
        && conduct.jumps_ms.is_empty()
        && best.shown.iter().all(|msn| view.shown.iter().any(|shown| shown.msn == *msn))
        // Who shows again what was shown waits with a picture that moves.
        && frames_forward(&case).is_empty();
    if !is_same_session {
        return None;
    }
    let stall_ms = longest_stall_ms(&case)?;
    // Who begins later waits so much less later; an element whose autoplay waits for more shows its first frame before.
    let plays = |beat: &&Beat| beat.of == Witness::Page && beat.playing && beat.at_ms >= first.at_ms;
    let begun_ms = trace.beats.iter().find(plays).map_or(trace.ended_at_ms, |beat| beat.at_ms);
    let begun_ms = first.at_ms.max(begun_ms - HEARTBEAT_WALL_MS * trace.speed);
    let later_ms = (begun_ms - best.start_ms).max(0.0);
    let measured = [
        ("the first frame came after", first.at_ms, best.start_ms),
        ("the longest stall was", stall_ms, best.stall_ms - later_ms),
    ];
    let luck_ms = LUCK_TD * expect.target_duration_ms;
    let (what, ms, best_ms) = measured.into_iter().find(|(_, ms, best_ms)| *ms < best_ms - luck_ms)?;
    Some(format!("{what} {ms:.0} ms, and nobody could do better than {best_ms:.0} ms"))
}

/// A reload at a better moment finds a segment earlier by up to one target duration (RFC 8216, 6.3.4).
const LUCK_TD: f64 = 1.0;
