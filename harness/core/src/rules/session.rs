//! How a session begins, goes on and ends.

use super::viewer::engine_ms;
use super::{Case, Violation};
use crate::conduct::{Absence, Conduct};
use crate::expect::Profile;
use crate::notation::Target;
use crate::report::Level;
use crate::scenario::Outcome;
use crate::trace::{AUDIO, PageEvent, Request, Resource};

pub fn starts(case: &Case) -> Vec<Violation> {
    let limit = case.expect.start_limit_ms;
    // A stream that nobody could have started is no reproach.
    if !limit.is_finite() {
        return Vec::new();
    }
    let Some(first) = case.view.shown.first() else {
        return vec![Violation::new(0.0, "no frame was ever shown")];
    };
    let engine_ms = engine_ms(case, 0.0, first.at_ms);
    if first.at_ms - engine_ms <= limit {
        return Vec::new();
    }
    vec![Violation::new(
        first.at_ms,
        format!(
            "the first frame was shown after {:.0} ms, {engine_ms:.0} ms of them the engine's; the limit is {limit:.0} ms",
            first.at_ms
        ),
    )]
}

/// The last segment's last frame passed the playhead, or everything was played out.
pub fn recovers(case: &Case) -> Vec<Violation> {
    [reaches_the_end(case), advances_in_time(case)].concat()
}

fn reaches_the_end(case: &Case) -> Vec<Violation> {
    let Some(until) = case.expect.until_msn else { return Vec::new() };
    if case.expect.outcome != Outcome::Playing || case.expect.until_frame().is_none() {
        return Vec::new();
    }
    if crate::judge::is_until_reached(case.trace, case.expect) {
        return Vec::new();
    }
    let last = case.view.shown.iter().map(|s| s.msn).max();
    let seen =
        last.map_or("no segment was shown".to_string(), |msn| format!("the last frame was of segment {msn}"));
    let what = format!("the picture should have gone on to the end of segment {until}; {seen}");
    let ended_s = case.trace.ended_at_ms / 1000.0;
    vec![Violation::new(case.trace.ended_at_ms, format!("{what} when the trial was ended at {ended_s:.1} s"))]
}

/// After the last fault that ends, the picture advances again within the limit.
fn advances_in_time(case: &Case) -> Vec<Violation> {
    let Some((over_ms, limit_ms)) = case.expect.recover else { return Vec::new() };
    let before = case.view.shown.iter().filter(|shown| shown.at_ms <= over_ms).map(|shown| shown.frame).max();
    let next =
        case.view.shown.iter().find(|s| s.at_ms > over_ms && before.is_none_or(|frame| s.frame > frame));
    let took_ms = next.map_or(case.trace.ended_at_ms, |shown| shown.at_ms) - over_ms;
    if took_ms <= limit_ms {
        return Vec::new();
    }
    let what = match next {
        Some(_) => format!("the picture went on {took_ms:.0} ms after the last fault"),
        None => format!("the picture did not go on in the {took_ms:.0} ms after the last fault"),
    };
    vec![Violation::new(over_ms + took_ms, format!("{what}; the limit is {limit_ms:.0} ms"))]
}

pub fn terminates(case: &Case) -> Vec<Violation> {
    let ended = first_ended(case);
    let fatal = first_fatal(case);
    let td = case.expect.target_duration_ms;
    match case.expect.outcome {
        Outcome::Playing => {
            let mut found = Vec::new();
            if let Some(at) = ended {
                found.push(Violation::new(at, "the media element ended although the stream went on"));
            }
            if let Some(at) = fatal {
                found.push(Violation::new(at, "the player gave up although the stream went on"));
            }
            found
        }
        Outcome::Ended => {
            let last_frame = case.view.shown.last().map_or(0.0, |s| s.at_ms);
            match (ended, fatal) {
                (None, _) => vec![Violation::new(
                    case.trace.ended_at_ms,
                    "the stream was over, but the media element never ended",
                )],
                (Some(at), _) if at - last_frame > ENDED_TD * td => vec![Violation::new(
                    at,
                    format!("the media element ended {:.0} ms after its last frame", at - last_frame),
                )],
                (Some(_), Some(at)) => {
                    vec![Violation::new(at, "the player reported a fatal error for a stream that just ended")]
                }
                (Some(_), None) => Vec::new(),
            }
        }
        Outcome::Failed if ended.is_none() && fatal.is_none() && !is_broken_off(case) => {
            vec![Violation::new(
                case.trace.ended_at_ms,
                "playing was impossible, but the player neither reported a fatal error nor ended",
            )]
        }
        Outcome::Failed | Outcome::Open => Vec::new(),
    }
}

/// When the session was over first, by what, and how a request after that weighs. For the seed's profile a missing
/// playlist is the end, at once; among variants one that is there may still be looked for.
pub fn over(case: &Case) -> Option<(f64, &'static str, Level)> {
    let missing_ms = |variant: u8| {
        let of_it = Resource::Playlist { variant };
        let missing = |r: &&Request| r.resource == of_it && matches!(r.status, 404 | 410);
        case.trace.requests.iter().find(missing).map_or(f64::INFINITY, |r| r.ended_ms)
    };
    let all_missing_ms = (0..case.expect.variants).map(missing_ms).fold(0.0, f64::max);
    let seed_end_ms = all_missing_ms.min(missing_ms(AUDIO));
    let is_bound = case.expect.profile == Profile::Seed && seed_end_ms.is_finite();
    let seed_end = is_bound.then_some((seed_end_ms, "the playlist's 404", Level::Seed));
    let ends =
        [(first_ended(case), "the media element's end"), (first_fatal(case), "the player's fatal error")]
            .into_iter()
            .filter_map(|(at, what)| Some((at?, what, Level::Viewer)));
    seed_end.into_iter().chain(ends).min_by(|a, b| a.0.total_cmp(&b.0))
}

/// Silence from the end on.
pub fn no_request_after_end(case: &Case) -> Vec<Violation> {
    let Some((end_ms, what, level)) = over(case) else { return Vec::new() };
    // What was already under way, and what the clocks can't tell apart, is no reproach.
    let grace_ms = IN_FLIGHT_WALL_MS * case.trace.speed + case.trace.clock_error_ms;
    let late: Vec<&Request> = case.trace.requests.iter().filter(|r| r.at_ms > end_ms + grace_ms).collect();
    late.first()
        .map(|r| {
            Violation::new(
                r.at_ms,
                format!(
                    "{} request(s) after {what}, the first for {} {:.0} ms later",
                    late.len(),
                    r.resource,
                    r.at_ms - end_ms
                ),
            )
            .level(level)
        })
        .into_iter()
        .collect()
}

pub fn requests(case: &Case) -> Vec<Violation> {
    let mut found = Vec::new();
    for (target, counts) in &case.expect.requests {
        let resources: Vec<(String, u64)> = match *target {
            Target::Segments { first, last } => (first..=last)
                .map(|msn| (format!("segment {msn}"), count(case, |r| r.msn() == Some(msn))))
                .collect(),
            Target::Playlist => vec![("the playlist".into(), count(case, |r| r.is_playlist()))],
            Target::Multivariant => {
                vec![("the Multivariant Playlist".into(), count(case, |r| r == Resource::Multivariant))]
            }
            Target::Init => vec![("the init".into(), count(case, |r| matches!(r, Resource::Init { .. })))],
            Target::Any => vec![("all resources".into(), count(case, |_| true))],
        };
        for (name, seen) in resources {
            if !counts.contains(seen) {
                found.push(Violation::new(
                    case.trace.ended_at_ms,
                    format!("{seen} request(s) for {name}; {counts} expected"),
                ));
            }
        }
    }
    found
}

fn count(case: &Case, is: impl Fn(Resource) -> bool) -> u64 {
    case.trace.requests.iter().filter(|r| is(r.resource)).count() as u64
}

/// What it was told to leave off, it leaves off.
pub fn obeys(case: &Case) -> Vec<Violation> {
    let grace_ms = OBEY_WALL_MS * case.trace.speed;
    let told = Conduct::read(case.trace).stretches;
    told.iter()
        .filter_map(|stretch| {
            let within = |at_ms: f64| at_ms > stretch.from_ms + grace_ms && at_ms < stretch.to_ms;
            match stretch.of {
                Absence::Paused => {
                    // A seek, or a new MediaSource, shows a frame also of what is paused.
                    let shown = case.view.shown.iter().filter(|shown| within(shown.at_ms));
                    let (count, first) = (shown.clone().count(), shown.clone().next()?);
                    (count > PAUSED_FRAMES_MAX).then(|| {
                        Violation::new(
                            first.at_ms,
                            format!("{count} frames were shown while the viewer had paused"),
                        )
                    })
                }
                Absence::Stopped => {
                    let mut asked = case.trace.requests.iter().filter(|request| within(request.at_ms));
                    let first = asked.next()?;
                    let what = format!(
                        "{} request(s) after the player was told to stop, the first for {}",
                        asked.count() + 1,
                        first.resource
                    );
                    Some(Violation::new(first.at_ms, what))
                }
                Absence::Hidden | Absence::Asleep | Absence::Blocked | Absence::Offline => None,
            }
        })
        .collect()
}

fn first_ended(case: &Case) -> Option<f64> {
    case.trace.page.iter().find_map(|entry| match &entry.event {
        PageEvent::Media { event, .. } if event == "ended" => Some(entry.at_ms),
        _ => None,
    })
}

/// `endOfStream` with an error is how a player says it to the media element (MSE, end of stream algorithm).
fn is_broken_off(case: &Case) -> bool {
    case.trace.page.iter().any(|entry| matches!(entry.event, PageEvent::EndOfStream { error: Some(_) }))
}

fn first_fatal(case: &Case) -> Option<f64> {
    case.trace.page.iter().find_map(|entry| match &entry.event {
        PageEvent::PlayerError { fatal: true, .. } => Some(entry.at_ms),
        _ => None,
    })
}

/// How long after the last frame the element may take to end, in target durations.
const ENDED_TD: f64 = 2.0;
/// A request that left the page before the end was known there.
const IN_FLIGHT_WALL_MS: f64 = 30.0;
/// From a word to the player until the last frame or request from before it.
const OBEY_WALL_MS: f64 = 250.0;
/// Frames that may be shown while the viewer has paused: some seeks and restarts, but no playback.
const PAUSED_FRAMES_MAX: usize = 5;
