//! The viewer's side of the ideal player's session: what each action does to it, and when.
//!
//! An action is due at a moment that the actions before it move (`at = "segment 106"`). So the session is played again and
//! again, and each time the next action becomes due.

use std::ops::Range;

use super::playback::Played;
use crate::action::{self, Action, Autoplay, Cue, Deed, Place};
use crate::scenario::Scenario;

/// What a scenario has in store for whoever plays it.
#[derive(Debug, Clone, Default)]
pub struct Viewer {
    pub actions: Vec<Action>,
    /// Nothing plays before an action `play`.
    pub is_denied: bool,
}

impl Viewer {
    pub fn of(scenario: &Scenario) -> Viewer {
        Viewer {
            actions: action::actions(scenario).cloned().collect(),
            is_denied: scenario.page.autoplay == Autoplay::Denied,
        }
    }
}

/// What the actions come to; stream milliseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// No request gets through, or nobody could make one.
    pub cut_off: Vec<Range<f64>>,
    /// The playhead stands still, and nobody minds.
    pub still: Vec<Range<f64>>,
    /// The playhead is put elsewhere.
    pub jumps: Vec<(f64, Target)>,
}

/// Where the playhead is put.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    Segment(u64),
    /// So many milliseconds on, or back.
    By(f64),
    /// The end of what is there.
    Live,
    /// Where a session that begins now begins.
    Start,
}

/// When an action is due in a session that goes like this, if it ever is.
pub fn due_ms(action: &Action, played: &Played, td_ms: f64) -> Option<f64> {
    match action.at {
        Cue::At(span) => Some(span.ms(td_ms)),
        Cue::Shown(msn) => played.first_shown_ms(msn),
        // It asks for a segment as soon as it is listed.
        Cue::Listed(msn) | Cue::Requested(msn) => played.listed_ms.get(&msn).copied(),
    }
}

/// What actions come to, each with its time, in order.
pub fn effects(viewer: &Viewer, due: &[(f64, &Action)], td_ms: f64) -> Effects {
    let mut effects = Effects::default();
    let (mut paused, mut offline, mut stopped) = (viewer.is_denied.then_some(0.0), None, None);
    let close = |open: &mut Option<f64>, at_ms: f64| open.take().map(|from_ms: f64| from_ms..at_ms);
    for &(at_ms, action) in due {
        let until_ms = action.lasts.map(|lasts| at_ms + lasts.ms(td_ms));
        match (action.page, until_ms) {
            (Deed::Pause, Some(until_ms)) => effects.still.push(at_ms..until_ms),
            (Deed::Pause, None) => paused = paused.or(Some(at_ms)),
            (Deed::Play, _) => effects.still.extend(close(&mut paused, at_ms)),
            (Deed::Offline, Some(until_ms)) => effects.cut_off.push(at_ms..until_ms),
            (Deed::Offline, None) => offline = offline.or(Some(at_ms)),
            (Deed::Online, _) => effects.cut_off.extend(close(&mut offline, at_ms)),
            (Deed::Sleep, Some(until_ms)) => {
                effects.cut_off.push(at_ms..until_ms);
                effects.still.push(at_ms..until_ms);
            }
            // What is buffered plays on meanwhile; what is refused can't be appended before.
            (Deed::Block | Deed::Quota, Some(until_ms)) => effects.cut_off.push(at_ms..until_ms),
            (Deed::Stop, Some(until_ms)) => {
                effects.still.push(at_ms..until_ms);
                effects.jumps.push((until_ms, Target::Start));
            }
            (Deed::Stop, None) => stopped = stopped.or(Some(at_ms)),
            (Deed::Start, _) => {
                effects.still.extend(close(&mut stopped, at_ms));
                effects.jumps.push((at_ms, Target::Start));
            }
            (Deed::Seek, _) => {
                let target = match action.to {
                    Some(Place::Segment(msn)) => Target::Segment(msn),
                    Some(Place::By(by)) => Target::By(by.ms(td_ms)),
                    Some(Place::Live) | None => Target::Live,
                };
                effects.jumps.push((at_ms, target));
            }
            // It plays on in the background, is right without a clock, and has again what the engine drops, at once.
            _ => {}
        }
    }
    for (open, spans) in [(paused.or(stopped), &mut effects.still), (offline, &mut effects.cut_off)] {
        spans.extend(open.map(|from_ms| from_ms..f64::INFINITY));
    }
    effects.jumps.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    effects
}
