//! What is buffered, as a curve around the playhead.

use std::collections::BTreeMap;
use std::fmt::Write;

use segproof_core::trace::{PageEvent, Trace};

use super::{Axis, Lane, Names, Path, Tick, round};

/// What is buffered in front of the playhead and behind it, and how far in front the list ends: the playhead is the zero line.
pub fn lane(axis: &Axis, trace: &Trace, names: &Names) -> Lane {
    let steps = buffered_steps(trace);
    let edge = edge_steps(trace, names);
    let in_front = steps.iter().flat_map(|step| step.ranges.iter().map(|range| range.1 - step.playhead));
    let highest = in_front.chain(edge.iter().map(|step| step.1)).fold(4.0, f64::max).min(60.0);
    let scale = BUFFER_PX / (highest + BEHIND_S);
    let y = |seconds: f64| round((highest - seconds.clamp(-BEHIND_S, highest)) * scale);
    let mut ranges = String::new();
    for pair in steps.windows(2) {
        let (x, next_x) = (axis.place_in_box(pair[0].at_ms), axis.place_in_box(pair[1].at_ms));
        for (start, end) in &pair[0].ranges {
            let now = |media: f64| y(media - pair[0].playhead);
            let then = |media: f64| y(media - pair[1].playhead);
            let _infallible = write!(
                ranges,
                "M{x} {}L{next_x} {}L{next_x} {}L{x} {}Z",
                now(*start),
                then(*start),
                then(*end),
                now(*end)
            );
        }
    }
    let mut list = String::new();
    for (index, (at_ms, ahead)) in edge.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let _infallible = write!(list, "{command}{} {}", axis.place_in_box(*at_ms), y(*ahead));
    }
    let paths = [
        Path { class: "ranges", d: ranges },
        Path { class: "edge", d: list },
        Path { class: "playhead", d: format!("M0 {}L1000 {}", y(0.0), y(0.0)) },
    ];
    let tick = |seconds: f64| Tick { at: y(seconds), label: format!("{seconds} s") };
    let step = if highest > 24.0 {
        10.0
    } else if highest > 8.0 {
        4.0
    } else {
        2.0
    };
    Lane {
        name: "buffer".to_owned(),
        top: 0.0,
        height: BUFFER_PX,
        shapes: Vec::new(),
        paths: if steps.is_empty() { Vec::new() } else { paths.into() },
        scale: (0..).map(|nth| f64::from(nth) * step).take_while(|s| *s <= highest).map(tick).collect(),
        stills: Vec::new(),
    }
}

/// What was buffered from a moment on, in the element's time.
struct Step {
    at_ms: f64,
    playhead: f64,
    ranges: Vec<(f64, f64)>,
}

fn buffered_steps(trace: &Trace) -> Vec<Step> {
    enum Seen<'a> {
        Playhead(f64),
        Buffered(u64, &'a [(f64, f64)]),
        Emptied,
    }
    let beats = trace.beats.iter().filter_map(|beat| Some((beat.at_ms, Seen::Playhead(beat.time?))));
    let page = trace.page.iter().filter_map(|entry| {
        let seen = match &entry.event {
            PageEvent::UpdateEnd { buffer, buffered } => Seen::Buffered(*buffer, buffered),
            PageEvent::Media { event, .. } if event == "emptied" || event == "loadstart" => Seen::Emptied,
            PageEvent::Media { time, .. } => Seen::Playhead(*time),
            _ => return None,
        };
        Some((entry.at_ms, seen))
    });
    let mut seen: Vec<(f64, Seen)> = beats.chain(page).collect();
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut buffers: BTreeMap<u64, &[(f64, f64)]> = BTreeMap::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut playhead = 0.0;
    for (at_ms, seen) in seen {
        match seen {
            Seen::Playhead(time) => playhead = time,
            Seen::Buffered(buffer, ranges) => drop(buffers.insert(buffer, ranges)),
            Seen::Emptied => buffers.clear(),
        }
        let ranges = buffers.values().map(|ranges| ranges.to_vec()).reduce(|a, b| common(&a, &b));
        steps.push(Step { at_ms, playhead, ranges: ranges.unwrap_or_default() });
    }
    steps
}

/// What two lists of ranges have in common: an element has buffered what all of its SourceBuffers have.
fn common(a: &[(f64, f64)], b: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let both = |x: &(f64, f64), y: &(f64, f64)| (x.0.max(y.0), x.1.min(y.1));
    let all = a.iter().flat_map(|x| b.iter().map(move |y| both(x, y)));
    all.filter(|range| range.0 < range.1).collect()
}

/// How many seconds behind the frame that is shown the newest list ends that has been delivered: at each frame, and before and
/// after each list.
fn edge_steps(trace: &Trace, names: &Names) -> Vec<(f64, f64)> {
    enum Seen {
        Frame(u64, f64),
        List(u64),
    }
    let lists = trace
        .requests
        .iter()
        .filter_map(|request| Some((request.ended_ms, Seen::List(request.delivered_listings().last()?.msn))));
    let frames = trace.page.iter().filter_map(|entry| {
        let PageEvent::Frame { run, number, .. } = entry.event else { return None };
        let (msn, share) = names.segment_of(run, number)?;
        Some((entry.at_ms, Seen::Frame(msn, share)))
    });
    let mut seen: Vec<(f64, Seen)> = lists.chain(frames).collect();
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut frame = None;
    let mut last = None;
    let behind = |frame: Option<(u64, f64)>, last: Option<u64>| {
        let ((msn, share), last) = frame.zip(last)?;
        let is_of_it = (msn..msn + EDGE_SEGMENTS_MAX).contains(&last);
        let whole = || (msn..=last).map(|msn| names.duration_s(msn)).sum::<f64>();
        is_of_it.then(|| round(whole() - share * names.duration_s(msn)))
    };
    let mut steps = Vec::new();
    for (at_ms, seen) in seen {
        match seen {
            Seen::Frame(msn, share) => frame = Some((msn, share)),
            Seen::List(msn) => {
                steps.extend(behind(frame, last).map(|s| (at_ms, s)));
                last = last.max(Some(msn));
            }
        }
        steps.extend(behind(frame, last).map(|s| (at_ms, s)));
    }
    steps
}

const BUFFER_PX: f64 = 110.0;
/// Of what lies behind the playhead, so much is drawn.
const BEHIND_S: f64 = 2.0;
/// A list that ends further behind what is shown is another stream's.
const EDGE_SEGMENTS_MAX: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffered_is_what_all_have() {
        assert_eq!(common(&[(0.0, 4.0), (6.0, 9.0)], &[(1.0, 7.0)]), [(1.0, 4.0), (6.0, 7.0)]);
        assert_eq!(common(&[(0.0, 4.0)], &[(4.0, 7.0)]), []);
    }
}
