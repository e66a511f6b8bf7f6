//! What a scenario's own `[expect]` asks beyond the defaults.

use super::{Case, Violation};
use crate::trace::PageEvent;

/// How far the picture is behind the camera.
pub fn latency(case: &Case) -> Vec<Violation> {
    let Some(limit_ms) = case.expect.latency_limit_ms else { return Vec::new() };
    let mut worst: Option<(f64, f64)> = None;
    for shown in &case.view.shown {
        let Some(picture) = case.expect.pictures.of(shown.msn) else { continue };
        let taken_ms = picture.began_ms + (shown.frame - picture.before) as f64 * picture.frame_ms;
        let behind_ms = shown.at_ms - taken_ms;
        if worst.is_none_or(|(_, most_ms)| behind_ms > most_ms) {
            worst = Some((shown.at_ms, behind_ms));
        }
    }
    worst
        .filter(|(_, behind_ms)| *behind_ms > limit_ms)
        .map(|(at_ms, behind_ms)| {
            Violation::new(
                at_ms,
                format!("the picture was {behind_ms:.0} ms behind the camera; the limit is {limit_ms:.0} ms"),
            )
        })
        .into_iter()
        .collect()
}

/// How much a SourceBuffer holds.
pub fn buffered(case: &Case) -> Vec<Violation> {
    let Some(limit_ms) = case.expect.buffered_limit_ms else { return Vec::new() };
    let spans = case.trace.page.iter().filter_map(|entry| match &entry.event {
        PageEvent::UpdateEnd { buffered, .. } => {
            Some((entry.at_ms, buffered.iter().map(|(start, end)| end - start).sum::<f64>() * 1000.0))
        }
        _ => None,
    });
    let most = spans.max_by(|(_, a), (_, b)| a.total_cmp(b));
    most.filter(|(_, span_ms)| *span_ms > limit_ms)
        .map(|(at_ms, span_ms)| {
            Violation::new(at_ms, format!("{span_ms:.0} ms were buffered; the limit is {limit_ms:.0} ms"))
        })
        .into_iter()
        .collect()
}

/// How many errors the player reports.
pub fn errors(case: &Case) -> Vec<Violation> {
    let Some(counts) = case.expect.errors else { return Vec::new() };
    let is_error = |entry: &&crate::trace::PageEntry| matches!(entry.event, PageEvent::PlayerError { .. });
    let reported = case.trace.page.iter().filter(is_error).count() as u64;
    if counts.contains(reported) {
        return Vec::new();
    }
    let at_ms = case.trace.page.iter().rfind(is_error).map_or(case.trace.ended_at_ms, |entry| entry.at_ms);
    vec![Violation::new(at_ms, format!("the player reported {reported} error(s); {counts} expected"))]
}

/// Segments that must be seen, and segments that must not.
pub fn shown(case: &Case) -> Vec<Violation> {
    let mut found = Vec::new();
    for msn in &case.expect.must_show {
        if !case.view.shown.iter().any(|shown| shown.msn == *msn) {
            found.push(Violation::new(
                case.trace.ended_at_ms,
                format!("no frame of segment {msn} was shown; the scenario asks for it"),
            ));
        }
    }
    for msn in &case.expect.must_not_show {
        if let Some(shown) = case.view.shown.iter().find(|shown| shown.msn == *msn) {
            found.push(Violation::new(
                shown.at_ms,
                format!("segment {msn} was shown; the scenario forbids it"),
            ));
        }
    }
    found
}

/// How many requests come in a stretch of one target duration.
pub fn request_rate(case: &Case) -> Vec<Violation> {
    let Some(limit) = case.expect.requests_per_td else { return Vec::new() };
    let td_ms = case.expect.target_duration_ms;
    let times: Vec<f64> = case.trace.requests.iter().map(|request| request.at_ms).collect();
    let within =
        |from: usize| times[from..].iter().take_while(|at| **at < times[from] + td_ms).count() as u64;
    let most = (0..times.len()).map(|from| (within(from), times[from])).max_by_key(|(count, _)| *count);
    most.filter(|(count, _)| *count > limit)
        .map(|(count, at_ms)| {
            Violation::new(
                at_ms,
                format!("{count} requests came within one target duration; the limit is {limit}"),
            )
        })
        .into_iter()
        .collect()
}
