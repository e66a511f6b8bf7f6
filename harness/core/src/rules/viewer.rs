//! What the viewer saw, read from the pixels.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Case, Violation};
use crate::conduct::Conduct;
use crate::scenario::Outcome;
use crate::tolerance::{
    BACK_MS, FRAMES_UNCOUNTED, PLAYABLE_S, PLAYHEAD_AGE_WALL_MS, START_WALL_MS_MAX, STOPS_WALL_S,
};
use crate::trace::{Beat, Content, PageEvent, Trace, Witness};
use crate::view::Shown;

pub fn frames_forward(case: &Case) -> Vec<Violation> {
    // A player's own seek is no excuse: the viewer sees the same again.
    let conduct = Conduct::read(case.trace);
    // A MediaSource that was lost takes its buffer with it: the next one begins with a key frame.
    let is_lost = |from_ms: f64, to_ms: f64| is_emptied(case.trace, from_ms, to_ms);
    let rebuilt_ms = BACK_REBUILT_MS + PLAYHEAD_AGE_WALL_MS * (case.trace.speed - 1.0).max(0.0);
    let permitted_ms = |from_ms, to_ms| if is_lost(from_ms, to_ms) { rebuilt_ms } else { BACK_MS };
    let seeking = seeking_ms(case.trace);
    let mut furthest: Option<(u64, f64)> = None;
    let mut found = Vec::new();
    for shown in &case.view.shown {
        // On its way the engine may show what it comes to first: in a new MediaSource Chromium was seen to show the first
        // frame of all for a moment.
        if seeking.iter().any(|seek| seek.end.is_finite() && seek.contains(&shown.at_ms)) {
            continue;
        }
        if let Some((frame, at_ms)) = furthest {
            if conduct.jumps_within(at_ms, shown.at_ms) {
                furthest = None;
            } else {
                let back_ms = (frame as f64 - shown.frame as f64) * case.expect.frame_ms();
                if back_ms > permitted_ms(at_ms, shown.at_ms) {
                    found.push(Violation::new(
                        shown.at_ms,
                        format!("frame {} was shown after frame {frame}; nobody had sought", shown.frame),
                    ));
                    furthest = None;
                }
            }
        }
        if furthest.is_none_or(|(frame, _)| shown.frame >= frame) {
            furthest = Some((shown.frame, shown.at_ms));
        }
    }
    found
}

/// From when to when the element was seeking, whoever had sought; the last time, perhaps, for ever. A seek within another
/// one goes on with it.
fn seeking_ms(trace: &Trace) -> Vec<Range<f64>> {
    let mut since = None;
    let mut all = Vec::new();
    for entry in &trace.page {
        let PageEvent::Media { event, .. } = &entry.event else { continue };
        match event.as_str() {
            "seeking" => since = since.or(Some(entry.at_ms)),
            "seeked" => all.extend(since.take().map(|begun_ms| begun_ms..entry.at_ms)),
            "emptied" => since = None,
            _ => {}
        }
    }
    all.extend(since.map(|begun_ms| begun_ms..f64::INFINITY));
    all
}

/// Whether the media element lost its MediaSource between these times.
fn is_emptied(trace: &Trace, from_ms: f64, to_ms: f64) -> bool {
    trace.page.iter().any(|entry| {
        let is_it = matches!(&entry.event, PageEvent::Media { event, .. } if event == "emptied");
        is_it && (from_ms..=to_ms).contains(&entry.at_ms)
    })
}

/// From the first segment shown to the trial's last: at any speed one frame of each must have been seen, and of those between
/// the ends at speed 1 every frame; faster, where few are read, no player may have leapt over a part, nor may a part have
/// been overwritten before it was shown.
pub fn no_missing_frames(case: &Case) -> Vec<Violation> {
    let mut found = left_out(case);
    found.extend(overwritten(case));
    found
}

fn left_out(case: &Case) -> Vec<Violation> {
    let Some(first) = case.view.shown.first().map(|s| s.msn) else { return Vec::new() };
    let last_shown = case.view.shown.iter().map(|s| s.msn).max().unwrap_or(first);
    let last = match case.expect.outcome {
        // What could not be reached is `session/recovers`' business.
        Outcome::Playing => case.expect.until_msn.map_or(last_shown, |until| until.min(last_shown)),
        Outcome::Ended => case.expect.until_msn.unwrap_or(last_shown),
        Outcome::Failed | Outcome::Open => last_shown,
    };
    let conduct = Conduct::read(case.trace);
    let is_shown = |msn: u64| case.view.shown.iter().any(|shown| shown.msn == msn);
    (first..=last)
        .filter(|msn| case.view.listed.contains(msn) && !case.view.is_gap(*msn))
        .filter(|msn| !case.expect.excused.contains(msn))
        .filter_map(|msn| {
            // Behind what nobody had to show, one may begin in the middle of a segment, as at first.
            let is_asked_for = |msn| case.view.listed.contains(&msn) && !case.expect.excused.contains(&msn);
            let is_entered = msn > first && !is_asked_for(msn - 1) && !is_shown(msn - 1);
            let is_inside = msn > first && msn < last_shown && !is_entered;
            let is_counted = is_inside && case.trace.speed == 1.0;
            let what = missing(case, msn, is_counted)
                .or_else(|| is_inside.then(|| leapt_over(case, msn, &conduct)).flatten())?;
            if conduct.excuses(msn, &case.view.shown) {
                return None;
            }
            let after = case.view.shown.iter().find(|s| s.msn > msn);
            Some(Violation::new(after.map_or(case.trace.ended_at_ms, |s| s.at_ms), what))
        })
        .collect()
}

fn missing(case: &Case, msn: u64, every: bool) -> Option<String> {
    let shown = &case.view.shown;
    let Some(first) = shown.iter().position(|s| s.msn == msn) else {
        return Some(format!("no frame of segment {msn} was shown"));
    };
    let all = case.expect.pictures.of(msn).map_or(0, |picture| picture.frames);
    let seen: BTreeSet<u64> = shown.iter().filter(|s| s.msn == msn).map(|s| s.frame).collect();
    let last = shown.iter().rposition(|s| s.msn == msn).unwrap_or(first);
    // From the frame before it on, the engine has counted what it showed without a callback, and what it dropped
    // because the machine was too slow.
    let before = &shown[first.saturating_sub(1)];
    let since = |of: fn(&Shown) -> u64| of(&shown[last]).saturating_sub(of(before));
    let presented = since(|s| s.presented).max(seen.len() as u64);
    let dropped = since(|s| s.dropped);
    // A machine that can't keep up for a moment shows fewer, and the engine does not count those it never came to.
    let held_up_ms: f64 = case.trace.page_lags_ms(before.at_ms, shown[last].at_ms).sum();
    let missed = ((held_up_ms + unaccompanied_ms(case, msn)) / case.expect.frame_ms()).ceil() as u64;
    (every && presented + dropped + FRAMES_UNCOUNTED + missed < all).then(|| {
        format!("only {presented} of the {all} frames of segment {msn} were shown, at speed 1, {dropped} were dropped")
    })
}

/// Faster than life: a part of the segment that the player left out where it put the playhead elsewhere.
fn leapt_over(case: &Case, msn: u64, conduct: &Conduct) -> Option<String> {
    if case.trace.speed <= 1.0 {
        return None;
    }
    let picture = case.expect.pictures.of(msn)?;
    let of_it =
        |from: u64, to: u64| to.min(picture.last_frame() + 1).saturating_sub(from.max(picture.before));
    let tolerated_ms = LEAP_MS + LEAP_WALL_MS * case.trace.speed + unaccompanied_ms(case, msn);
    own_seeks_ms(case.trace, conduct).into_iter().find_map(|seek| {
        let before = case.view.shown.iter().rfind(|shown| shown.at_ms <= seek.start)?;
        let behind = case.view.shown.iter().find(|shown| shown.at_ms >= seek.end)?;
        let left_out_ms = of_it(before.frame + 1, behind.frame) as f64 * case.expect.frame_ms();
        (left_out_ms > tolerated_ms)
            .then(|| format!("a leap left {left_out_ms:.0} ms of segment {msn} out, which was there"))
    })
}

/// Faster than life: a picture that goes on further than the media's time does has lost what was between, whether or not the
/// machine came to show the rest. The two are told with each frame, and part only where an append covers what was appended.
fn overwritten(case: &Case) -> Vec<Violation> {
    if case.trace.speed <= 1.0 {
        return Vec::new();
    }
    let seeking = seeking_ms(case.trace);
    // A player that is told to begin anew may do so with another media element.
    let conduct = Conduct::read(case.trace);
    let is_moved = |from_ms: f64, to_ms: f64| {
        seeking.iter().any(|seek| seek.start <= to_ms && seek.end >= from_ms)
            || conduct.jumps_within(from_ms, to_ms)
            || is_emptied(case.trace, from_ms, to_ms)
    };
    let ahead_ms = |shown: &Shown| shown.frame as f64 * case.expect.frame_ms() - shown.media_time * 1000.0;
    let mut found = Vec::new();
    // Pixels may be read a frame before or behind the one that they are told with, so two of them have to agree.
    for four in case.view.shown.windows(4) {
        let [a, b, c, d] = four else { continue };
        let passed = a.msn.min(b.msn)..=c.msn.max(d.msn);
        if is_moved(a.at_ms, d.at_ms) || passed.clone().any(|msn| case.expect.excused.contains(&msn)) {
            continue;
        }
        // What was never shown at all is told of by itself, or nobody had to show it.
        let is_shown = |msn: u64| case.view.shown.iter().any(|shown| shown.msn == msn);
        let not_shown = passed.filter(|msn| !is_shown(*msn));
        let not_shown_ms: f64 = not_shown
            .filter_map(|msn| case.expect.pictures.of(msn))
            .map(|picture| picture.frames as f64 * case.expect.frame_ms())
            .sum();
        let lost_ms = ahead_ms(c).min(ahead_ms(d)) - ahead_ms(a).max(ahead_ms(b)) - not_shown_ms;
        if lost_ms > FRAMES_UNCOUNTED as f64 * case.expect.frame_ms() {
            found.push(Violation::new(
                c.at_ms,
                format!(
                    "between the frames {} and {} {lost_ms:.0} ms of the picture were lost: so much less did the media's time go on",
                    b.frame, c.frame
                ),
            ));
        }
    }
    found
}

/// How much of the segment's picture was served without the sound that goes with it, at most.
fn unaccompanied_ms(case: &Case, msn: u64) -> f64 {
    let of_it = case.trace.requests.iter().filter(|request| request.resource.msn() == Some(msn));
    let facts = of_it.filter_map(|request| match &request.content {
        Content::Segment(facts) => Some(facts.unaccompanied_s * 1000.0),
        _ => None,
    });
    facts.fold(0.0, f64::max)
}

/// The picture of an element that is meant to play stands still.
pub fn stall(case: &Case) -> Vec<Violation> {
    let limit = case.expect.stall_limit_ms;
    let too_long = stands(case).into_iter().filter(|stand| stand.length_ms > limit);
    let blamed = too_long.map(|stand| (stand.length_ms - engine_ms(case, stand.from_ms, stand.to_ms), stand));
    let worst = blamed.filter(|(blamed_ms, _)| *blamed_ms > limit).max_by(|(a, _), (b, _)| a.total_cmp(b));
    worst
        .map(|(_, Stand { from_ms, length_ms, .. })| {
            Violation::new(
                from_ms,
                format!("the picture stood still for {length_ms:.0} ms; the limit is {limit:.0} ms"),
            )
        })
        .into_iter()
        .collect()
}

/// How much of a wait is the engine's: it had media to play at the playhead and was about to. Decoding starts no
/// faster at a higher speed, so this is bounded in wall time; what goes beyond it is the player's affair again.
pub fn engine_ms(case: &Case, from_ms: f64, to_ms: f64) -> f64 {
    let beats = || case.trace.beats.iter().filter(|b| b.of == Witness::Page);
    let playable_s = PLAYABLE_S.max(STOPS_WALL_S * case.trace.speed);
    let seeks = seeking_ms(case.trace);
    let is_seeking = |at_ms: f64| seeks.iter().any(|seek| seek.contains(&at_ms));
    let has_media = |beat: &Beat| (beat.playing || is_seeking(beat.at_ms)) && beat.ahead >= playable_s;
    let with_media_ms = beats()
        .zip(beats().skip(1))
        .filter(|(a, b)| a.at_ms >= from_ms && b.at_ms <= to_ms && has_media(a) && has_media(b))
        .map(|(a, b)| b.at_ms - a.at_ms)
        // The sum of nothing is -0.
        .fold(0.0, |sum, ms| sum + ms);
    with_media_ms.min(START_WALL_MS_MAX * case.trace.speed)
}

/// A time during which the picture stood still, though nobody had wished it to.
#[derive(Debug, Clone, Copy)]
struct Stand {
    from_ms: f64,
    to_ms: f64,
    /// Without what nobody could watch, or had paused.
    length_ms: f64,
}

/// How long the longest one was.
pub fn longest_stall_ms(case: &Case) -> Option<f64> {
    stands(case).into_iter().map(|stand| stand.length_ms).max_by(f64::total_cmp)
}

/// All of them, after the first frame and before the trial's end. A playhead that is put elsewhere, or that begins anew with
/// another MediaSource, has not moved on until another picture is shown; nor has one that goes on with the sound alone, as
/// Chromium's does for three seconds where the picture is missing. Nobody but the viewer may have it stand: an engine
/// that waits with `autoplay` behind the first frame makes the viewer wait, and so does a player that pauses.
fn stands(case: &Case) -> Vec<Stand> {
    let Some(first) = case.view.shown.first() else { return Vec::new() };
    let end = crate::judge::playing_until_ms(case.trace, case.expect);
    let conduct = Conduct::read(case.trace);
    let seeks = seeking_ms(case.trace);
    // Who seeks waits for another picture from then on.
    let is_wished = |from_ms: f64, to_ms: f64| {
        conduct.jumps_ms.iter().any(|(begun_ms, _)| *begun_ms > from_ms && *begun_ms <= to_ms)
    };
    let is_put = |from_ms: f64, to_ms: f64| {
        seeks.iter().any(|seek| seek.start <= to_ms && seek.end >= from_ms)
            || is_emptied(case.trace, from_ms, to_ms)
    };
    let settles_ms = SETTLES_WALL_MS * case.trace.speed;
    let is_shown = |from_ms: f64, to_ms: f64| {
        case.view.shown.iter().any(|shown| (from_ms..=to_ms).contains(&shown.at_ms))
    };
    let mut stands: Vec<Stand> = Vec::new();
    // Where the playhead was at the last heartbeat.
    let mut at = f64::NAN;
    let beats = case.trace.beats.iter().filter(|b| b.of == Witness::Page);
    for beat in beats.filter(|b| b.at_ms >= first.at_ms && b.at_ms <= end) {
        let Some(time) = beat.time else { continue };
        let goes_on = |stand: &Stand| {
            let is_still = (time - at).abs() < STILL_S;
            // A heartbeat may read where the playhead was put before the page is told of it.
            let is_elsewhere = (time - at).abs() > LEAPS * (beat.at_ms - stand.to_ms) / 1000.0;
            let put_until_ms = beat.at_ms + if is_elsewhere { TOLD_WALL_MS * case.trace.speed } else { 0.0 };
            let is_on_its_way =
                is_put(stand.to_ms, put_until_ms) && !is_shown(stand.from_ms + settles_ms, beat.at_ms);
            let is_without_picture = beat.ahead <= 0.0 && !is_shown(stand.from_ms, beat.at_ms);
            (is_still || is_on_its_way || is_without_picture) && !is_wished(stand.to_ms, beat.at_ms)
        };
        match stands.last_mut().filter(|stand| goes_on(stand)) {
            Some(stand) => {
                let absent_ms = conduct.unwatched_or_paused_ms(stand.from_ms, beat.at_ms);
                stand.to_ms = beat.at_ms;
                stand.length_ms = stand.to_ms - stand.from_ms - absent_ms;
            }
            None => stands.push(Stand { from_ms: beat.at_ms, to_ms: beat.at_ms, length_ms: 0.0 }),
        }
        at = time;
    }
    stands
}

/// From when to when the element was seeking without the viewer's wish.
fn own_seeks_ms(trace: &Trace, conduct: &Conduct) -> Vec<Range<f64>> {
    seeking_ms(trace).into_iter().filter(|seek| !conduct.jumps_within(seek.start, seek.end)).collect()
}

/// What is between the last picture that was read before a leap and the first one behind it, though no more was left out: one
/// in a quarter of a second is read (probe.js) ...
const LEAP_MS: f64 = 250.0;
/// ... and a few screens come and go until one is.
const LEAP_WALL_MS: f64 = 50.0;
/// A picture from before a stand may still be told of for so long.
const SETTLES_WALL_MS: f64 = 100.0;
/// How much may be shown again with a new MediaSource: our own player begins the segment anew of which it had shown less.
const BACK_REBUILT_MS: f64 = 500.0;
/// `seeking` is told by a task of its own, behind those that wait.
const TOLD_WALL_MS: f64 = 50.0;
/// A playhead that goes on by so many times as much as the time does was put there.
const LEAPS: f64 = 2.0;
/// Less than this between two heartbeats is no progress.
const STILL_S: f64 = 0.001;
