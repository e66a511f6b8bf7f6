//! Whether sound and picture belong together: the fixture beeps at each whole second of its picture.

use super::{Case, Violation};
use crate::pictures::Pictures;
use crate::report::Sound;
use crate::tolerance::CALLBACK_MS;
use crate::trace::{PageEvent, Trace};
use crate::view::{Shown, View};

/// One beep that was due.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Due {
    /// When the picture came to it.
    at_ms: f64,
    msn: u64,
    /// How much later the sound came; `None` if it did not.
    late_ms: Option<f64>,
}

/// The beeps of what was shown steadily.
pub fn in_sync(case: &Case) -> Vec<Violation> {
    let Some(limit_ms) = case.expect.av_sync_limit_ms else { return Vec::new() };
    let due = due(case.trace, case.view, &case.expect.pictures);
    let is_wrong = |due: &&Due| due.late_ms.is_none_or(|late_ms| late_ms.abs() > limit_ms);
    due.iter()
        .filter(is_wrong)
        .map(|due| {
            let what = match due.late_ms {
                None => format!("segment {} was seen, but its sound was not heard", due.msn),
                Some(late_ms) => {
                    let order = if late_ms > 0.0 { "after" } else { "before" };
                    let msn = due.msn;
                    let off_ms = late_ms.abs();
                    format!("the sound of segment {msn} came {off_ms:.0} ms {order} its picture; the limit is {limit_ms:.0} ms")
                }
            };
            Violation::new(due.at_ms, what)
        })
        .collect()
}

/// Whether there was an ear, and anything to hear.
pub fn applies(case: &Case) -> bool {
    case.expect.av_sync_limit_ms.is_some() && !due(case.trace, case.view, &case.expect.pictures).is_empty()
}

/// What was heard, for the report.
pub fn sound(case: &Case) -> Option<Sound> {
    case.expect.av_sync_limit_ms?;
    if let Err(why) = ear(case.trace) {
        return Some(Sound::Unheard { why });
    }
    let due = due(case.trace, case.view, &case.expect.pictures);
    let late: Vec<f64> = due.iter().filter_map(|due| due.late_ms).collect();
    let largest = late.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    Some(Sound::Heard {
        beeps: late.len() as u64,
        due: due.len() as u64,
        largest_offset_ms: largest.map(|ms| ms.round() as i64),
    })
}

/// Since when there has been an ear; or why there was none.
fn ear(trace: &Trace) -> Result<f64, String> {
    let opened = trace.page.iter().find_map(|entry| match &entry.event {
        PageEvent::Ear { error } => Some(match error {
            None => Ok(entry.at_ms),
            Some(why) => Err(why.clone()),
        }),
        _ => None,
    });
    opened.unwrap_or_else(|| Err("the engine never ran the page's AudioContext".into()))
}

/// A beep is due where the picture went steadily through a whole second, heard or not.
fn due(trace: &Trace, view: &View, pictures: &Pictures) -> Vec<Due> {
    let Ok(since_ms) = ear(trace) else { return Vec::new() };
    let heard: Vec<f64> = trace
        .page
        .iter()
        .filter_map(|entry| match entry.event {
            PageEvent::Beep { ago_ms } => Some(entry.at_ms - ago_ms * trace.speed),
            _ => None,
        })
        .collect();
    let mut segments: Vec<u64> = view.shown.iter().map(|shown| shown.msn).collect();
    segments.sort_unstable();
    segments.dedup();
    let mut due = Vec::new();
    let mut last_beep = f64::NEG_INFINITY;
    for msn in segments {
        let Some(picture) = pictures.of(msn) else { continue };
        let (from_ms, frames) = (picture.first as f64 * picture.frame_ms, picture.frames as f64);
        let mut second = (from_ms / 1000.0).ceil();
        while (second * 1000.0 - from_ms) / picture.frame_ms < frames {
            let frame = picture.before as f64 + (second * 1000.0 - from_ms) / picture.frame_ms;
            // Where another run begins, the rest of a beep is in a segment that is never published.
            let is_whole = pictures.holds(msn, frame, BEEP_MS);
            second += 1.0;
            // At the seam of two laps or runs, two beeps may run into each other.
            let is_alone = (frame - last_beep) * picture.frame_ms > ALONE_MS;
            last_beep = frame;
            let times = steady(&view.shown, frame, picture.frame_ms);
            let Some(times) =
                times.filter(|[at_ms, _]| is_alone && is_whole && *at_ms > since_ms + STEADY_MS)
            else {
                continue;
            };
            let at_ms = times[0];
            let late = heard.iter().flat_map(|heard_ms| times.map(|at_ms| heard_ms - at_ms));
            let late = late.min_by(|a, b| a.abs().total_cmp(&b.abs()));
            due.push(Due { at_ms, msn, late_ms: late.filter(|late_ms| late_ms.abs() <= NEAR_MS) });
        }
    }
    due
}

/// When the picture was at this frame, as those before it say and as those from it on do, if it was there once and went on
/// steadily on either side.
///
/// A callback may come late but never early: the earliest of each side tells the time. Where the element has halted for a
/// moment on one side, sound and all, the other one says later.
fn steady(shown: &[Shown], frame: f64, frame_ms: f64) -> Option<[f64; 2]> {
    let away_ms = |shown: &Shown| (shown.frame as f64 - frame) * frame_ms;
    let near: Vec<&Shown> = shown.iter().filter(|shown| away_ms(shown).abs() <= STEADY_MS).collect();
    let time = |shown: &&Shown| shown.at_ms - away_ms(shown);
    let earliest = |is_before: bool| {
        let side = near.iter().filter(|shown| (away_ms(shown) < 0.0) == is_before);
        side.map(time).fold(f64::INFINITY, f64::min)
    };
    let (said_before, said_after) = (earliest(true), earliest(false));
    let last = near.iter().map(time).fold(f64::NEG_INFINITY, f64::max);
    let first = said_before.min(said_after);
    let before = near.iter().filter(|shown| away_ms(shown) < 0.0).count();
    let is_steady = before >= FRAMES_MIN && near.len() - before >= FRAMES_MIN && last - first <= CALLBACK_MS;
    is_steady.then_some([first, said_before.max(said_after)])
}

/// How far before and behind a beep the picture must have gone steadily.
const STEADY_MS: f64 = 300.0;
/// Frames to be seen on either side.
const FRAMES_MIN: usize = 2;
/// How long a beep is, and the time that an AAC frame may be off.
const BEEP_MS: f64 = 75.0;
/// From one beep to the next, so that they can be told apart.
const ALONE_MS: f64 = 500.0;
/// A sound further away than this belongs to another second.
const NEAR_MS: f64 = 450.0;
