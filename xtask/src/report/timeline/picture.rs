//! Which frames were shown when, and where the picture stood.

use std::fmt::Write;

use segproof_core::trace::{PageEntry, PageEvent, Trace};

use super::{Axis, Lane, Names, Path, ROW_PX, Shape, bar, label_percent};

/// A line for each frame that was shown, over bars that name the segments, and say where the picture stood still.
pub fn lane(axis: &Axis, trace: &Trace, names: &Names) -> Lane {
    let mut shapes: Vec<Shape> = Vec::new();
    // The segment that is shown, since when, and when its last frame came.
    let mut shown: Option<(Option<u64>, f64, f64)> = None;
    let mut lines = String::new();
    let of = |msn: u64, from_ms: f64, to_ms: f64| {
        let title =
            format!("segment {msn} was shown from {:.3} s to {:.3} s", from_ms / 1000.0, to_ms / 1000.0);
        let class = if msn.is_multiple_of(2) { "shown even" } else { "shown odd" };
        bar(axis, (from_ms, to_ms), class, msn.to_string(), title)
    };
    let still = |msn: Option<u64>, from_ms: f64, to_ms: f64| {
        let long_s = (to_ms - from_ms) / 1000.0;
        let title = format!("no new frame for {long_s:.3} s, from {:.3} s on", from_ms / 1000.0);
        let label = msn.map(|msn| format!("{msn} ")).unwrap_or_default();
        bar(axis, (from_ms, to_ms), "stands", format!("{label}stands {long_s:.1} s"), title)
    };
    for entry in &trace.page {
        let now = match entry.event {
            PageEvent::Frame { run, number, .. } => names.segment_of(run, number).map(|found| found.0),
            PageEvent::Unreadable { .. } => None,
            _ => continue,
        };
        let _infallible = write!(lines, "M{} {}v8", axis.place_in_box(entry.at_ms), ROW_PX);
        let Some((msn, from_ms, last_ms)) = shown else {
            shown = Some((now, entry.at_ms, entry.at_ms));
            continue;
        };
        let stood = entry.at_ms - last_ms >= FREEZE_MS;
        if msn == now && !stood {
            shown = Some((msn, from_ms, entry.at_ms));
            continue;
        }
        // A frame is shown until the next one.
        shapes.extend(msn.map(|msn| of(msn, from_ms, if stood { last_ms } else { entry.at_ms })));
        shapes.extend(stood.then(|| still(msn, last_ms, entry.at_ms)));
        shown = Some((now, entry.at_ms, entry.at_ms));
    }
    if let Some((msn, from_ms, last_ms)) = shown {
        shapes.extend(msn.map(|msn| of(msn, from_ms, last_ms)));
        // Behind the end it may.
        let has_ended = |entry: &PageEntry| {
            entry.at_ms >= last_ms
                && matches!(&entry.event, PageEvent::Media { event, .. } if event == "ended")
        };
        if trace.ended_at_ms - last_ms >= FREEZE_MS && !trace.page.iter().any(has_ended) {
            shapes.push(still(msn, last_ms, trace.ended_at_ms));
        }
    }
    // One after the other; a label that has no room before the next bar is left out.
    for at in 0..shapes.len() {
        let next = shapes.get(at + 1).map_or(100.0, |next| next.x);
        if shapes[at].x + label_percent(&shapes[at].label) > next {
            shapes[at].label = String::new();
        }
    }
    let paths = if lines.is_empty() { Vec::new() } else { vec![Path { class: "frames", d: lines }] };
    Lane {
        name: "picture".to_owned(),
        top: 0.0,
        height: ROW_PX + 10.0,
        shapes,
        paths,
        scale: Vec::new(),
        stills: Vec::new(),
    }
}

/// A frame that is shown for longer has an end of its own.
const FREEZE_MS: f64 = 1000.0;
