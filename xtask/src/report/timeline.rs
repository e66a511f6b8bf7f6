//! A trial's evidence drawn to scale: lanes over one axis of stream time, from what the origin sent to what the viewer saw.
//!
//! Here the shapes are computed; `timeline.svg` writes them down. A place along the axis is a share of its length, in percent,
//! so that a page may stretch the drawing without drawing it anew; heights are CSS pixels.

mod buffer;
mod picture;

use std::collections::{BTreeMap, HashMap};

use segproof_core::action::What;
use segproof_core::report::ViolationReport;
use segproof_core::trace::{
    AUDIO, AppendedBox, Content, End, Line, PageEntry, PageEvent, Request, Resource, Trace,
};
use segproof_harness::serve::Fired;
use serde::Serialize;

use super::scenario::{self, Met};

/// What `timeline.svg` draws.
#[derive(Debug, Serialize)]
pub struct Timeline {
    height: f64,
    lanes: Vec<Lane>,
    ticks: Vec<Tick>,
    violations: Vec<Mark>,
}

/// A stretch of the drawing's height with a name.
#[derive(Debug, Serialize)]
struct Lane {
    name: String,
    top: f64,
    height: f64,
    shapes: Vec<Shape>,
    /// In a box of 1000 by `height`, which is stretched over the axis.
    paths: Vec<Path>,
    /// Words at the left end of a curve's scale.
    scale: Vec<Tick>,
    stills: Vec<Still>,
}

/// A small picture, whose left edge is its moment.
#[derive(Debug, Serialize)]
struct Still {
    x: f64,
    image: String,
    title: String,
}

/// A bar with a label.
#[derive(Debug, Serialize)]
struct Shape {
    x: f64,
    width: f64,
    /// From the lane's top.
    y: f64,
    height: f64,
    class: &'static str,
    label: String,
    /// Whether the label stands before the bar, for want of room behind it.
    is_before: bool,
    /// The exact entry.
    title: String,
}

#[derive(Debug, Serialize)]
struct Path {
    class: &'static str,
    d: String,
}

#[derive(Debug, Serialize)]
struct Tick {
    at: f64,
    label: String,
}

/// The place of violations, which are numbered on the page from 1.
#[derive(Debug, PartialEq, Serialize)]
struct Mark {
    x: f64,
    first: usize,
    last: usize,
    title: String,
}

impl Timeline {
    /// Of a trial whose faults are called so, by their index in the scenario.
    pub fn new(
        axis: &Axis,
        trace: &Trace,
        fired: &[Fired],
        faults: &[String],
        violations: &[&ViolationReport],
    ) -> Timeline {
        let names = Names::of(trace);
        let mut lanes = vec![faults_lane(axis, trace, fired, faults)];
        lanes.extend(requests(axis, trace, fired, "playlists", |resource| {
            matches!(resource, Resource::Playlist { .. } | Resource::Multivariant)
        }));
        lanes.extend(requests(axis, trace, fired, "segments", |resource| {
            !matches!(resource, Resource::Playlist { .. } | Resource::Multivariant)
        }));
        lanes.push(appends(axis, trace, &names));
        lanes.push(buffer::lane(axis, trace, &names));
        lanes.push(picture::lane(axis, trace, &names));
        lanes.push(stills(axis, trace));
        lanes.push(viewer(axis, trace));
        lanes.push(events(axis, trace));
        lanes.push(console(axis, trace));
        lanes.retain(|lane| !lane.shapes.is_empty() || !lane.paths.is_empty() || !lane.stills.is_empty());
        let mut top = AXIS_PX;
        for lane in &mut lanes {
            lane.top = top;
            top += lane.height + GAP_PX;
        }
        Timeline { height: top, lanes, ticks: axis.ticks(), violations: marks(axis, violations) }
    }
}

/// Those that would cover each other have one mark.
fn marks(axis: &Axis, violations: &[&ViolationReport]) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (number, violation) in (1..).zip(violations) {
        let Some(at_ms) = violation.at_ms else { continue };
        let x = axis.place(at_ms);
        let title = format!("{:.3} s  {}: {}", at_ms / 1000.0, violation.rule, violation.what);
        let near = |mark: &&mut Mark| mark.last + 1 == number && (mark.x - x).abs() < MARK_PERCENT;
        match marks.last_mut().filter(near) {
            Some(mark) => {
                mark.last = number;
                mark.title += &format!("; {title}");
            }
            None => marks.push(Mark { x, first: number, last: number, title }),
        }
    }
    marks
}

/// Stream time from left to right.
pub struct Axis {
    from_ms: f64,
    to_ms: f64,
}

impl Axis {
    /// From the page's first step to the end.
    pub fn of(trace: &Trace) -> Axis {
        let steps = trace.page.iter().filter(|entry| !matches!(entry.event, PageEvent::Hello { .. }));
        let from_ms = steps.map(|entry| entry.at_ms).fold(0.0, f64::min);
        Axis { from_ms, to_ms: trace.ended_at_ms.max(from_ms + 1000.0) }
    }

    /// One that has room for both.
    pub fn common(self, other: Axis) -> Axis {
        Axis { from_ms: self.from_ms.min(other.from_ms), to_ms: self.to_ms.max(other.to_ms) }
    }

    fn place(&self, at_ms: f64) -> f64 {
        let share = (at_ms - self.from_ms) / (self.to_ms - self.from_ms);
        round(share.clamp(0.0, 1.0) * 100.0)
    }

    /// In the box of a curve.
    fn place_in_box(&self, at_ms: f64) -> f64 {
        self.place(at_ms) * 10.0
    }

    /// Whole seconds, not more than two dozen of them.
    fn ticks(&self) -> Vec<Tick> {
        let seconds = (self.to_ms - self.from_ms) / 1000.0;
        let steps = [1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0];
        let step = steps.into_iter().find(|step| seconds / step <= 24.0).unwrap_or(3600.0);
        let first = (self.from_ms / 1000.0 / step).ceil() as i64;
        let last = (self.to_ms / 1000.0 / step).floor() as i64;
        let tick = |nth: i64| {
            let second = nth as f64 * step;
            Tick { at: self.place(second * 1000.0), label: format!("{second} s") }
        };
        (first..=last).map(tick).collect()
    }
}

/// A thousandth of a percent is less than a pixel.
fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// What media are called, as far as the origin has sent them.
struct Names {
    by_mdat: HashMap<String, Resource>,
    /// By run and first frame: the segment, and how many frames it has.
    by_frame: BTreeMap<(u8, u64), (u64, u64)>,
    /// Seconds, by segment.
    durations: HashMap<u64, f64>,
}

impl Names {
    fn of(trace: &Trace) -> Names {
        let mut names =
            Names { by_mdat: HashMap::new(), by_frame: BTreeMap::new(), durations: HashMap::new() };
        for request in &trace.requests {
            let Content::Segment(facts) = &request.content else { continue };
            names.by_mdat.insert(facts.mdat.clone(), request.resource);
            let Resource::Segment { run, msn, .. } = request.resource else { continue };
            if facts.frames > 0 {
                names.by_frame.insert((run, facts.first_frame()), (msn, u64::from(facts.frames)));
                names.durations.insert(msn, facts.duration_s);
            }
        }
        names
    }

    /// The segment that has a frame, and which share of it lies before that.
    fn segment_of(&self, run: u8, number: u16) -> Option<(u64, f64)> {
        let number = u64::from(number);
        let (&(found, first), &(msn, frames)) = self.by_frame.range(..=(run, number)).next_back()?;
        let is_its = found == run && number < first + frames;
        is_its.then(|| (msn, (number - first) as f64 / frames as f64))
    }

    fn duration_s(&self, msn: u64) -> f64 {
        let any = || self.durations.values().next().copied().unwrap_or(0.0);
        self.durations.get(&msn).copied().unwrap_or_else(any)
    }
}

/// Puts bars into rows so that neither they nor their labels meet, as long as there are rows; a label that then has no room is
/// left out.
fn in_rows(mut shapes: Vec<Shape>, rows_max: usize) -> (Vec<Shape>, f64) {
    shapes.sort_by(|a, b| a.x.total_cmp(&b.x));
    let mut ends: Vec<f64> = Vec::new();
    for shape in &mut shapes {
        let label = label_percent(&shape.label);
        shape.is_before = shape.x + label > 100.0;
        let from = if shape.is_before { shape.x - label } else { shape.x };
        let with_label =
            if shape.is_before { shape.x + shape.width } else { shape.x + shape.width.max(label) };
        let free = |end: f64| end <= from;
        let row = match ends.iter().position(|end| free(*end)) {
            Some(row) => row,
            None if ends.len() < rows_max => {
                ends.push(0.0);
                ends.len() - 1
            }
            None => {
                shape.label = String::new();
                rows_max - 1
            }
        };
        let end = if shape.label.is_empty() { shape.x + shape.width } else { with_label };
        ends[row] = ends[row].max(end);
        shape.y = row as f64 * ROW_PX;
    }
    let height = ends.len().max(1) as f64 * ROW_PX;
    (shapes, height)
}

/// About as much of the axis as a label takes.
fn label_percent(label: &str) -> f64 {
    0.4 + label.chars().count() as f64 * 0.62
}

fn bars(name: &str, shapes: Vec<Shape>) -> Lane {
    let (shapes, height) = in_rows(shapes, ROWS_MAX);
    Lane {
        name: name.to_owned(),
        top: 0.0,
        height,
        shapes,
        paths: Vec::new(),
        scale: Vec::new(),
        stills: Vec::new(),
    }
}

fn bar(
    axis: &Axis,
    (from_ms, to_ms): (f64, f64),
    class: &'static str,
    label: String,
    title: String,
) -> Shape {
    let x = axis.place(from_ms);
    let width = round((axis.place(to_ms) - x).max(0.15));
    Shape { x, width, y: 0.0, height: ROW_PX - 2.0, class, label, is_before: false, title }
}

/// An entry by itself, not in a column of them.
fn told(line: &Line) -> String {
    line.to_string().trim().to_owned()
}

/// From the first request that a fault met to the end of the last one.
fn faults_lane(axis: &Axis, trace: &Trace, fired: &[Fired], faults: &[String]) -> Lane {
    let shapes = scenario::met(trace, fired, faults).into_iter().filter_map(|Met { what, requests }| {
        let from_ms = requests.first()?.at_ms;
        let to_ms = requests.iter().map(|request| request.ended_ms).reduce(f64::max)?;
        let title = format!("{what}; first: {}", told(&requests.first()?.line()));
        Some(bar(axis, (from_ms, to_ms), "fault", what, title))
    });
    bars("faults", shapes.collect())
}

/// A lane for each variant.
fn requests(
    axis: &Axis,
    trace: &Trace,
    fired: &[Fired],
    name: &str,
    is_of_it: impl Fn(Resource) -> bool,
) -> Vec<Lane> {
    let mut by_variant: BTreeMap<u8, Vec<Shape>> = BTreeMap::new();
    for request in trace.requests.iter().filter(|request| is_of_it(request.resource)) {
        let is_met = fired.iter().any(|fired| fired.request == request.n);
        let class = match request.end {
            _ if !request.is_good() || request.is_spoiled() => "bad",
            _ if is_met => "met",
            _ => "good",
        };
        let to_ms = if request.end == End::Open { trace.ended_at_ms } else { request.ended_ms };
        let label = request_label(request);
        let shape = bar(axis, (request.at_ms, to_ms), class, label, told(&request.line()));
        by_variant.entry(request.resource.variant().unwrap_or(0)).or_default().push(shape);
    }
    let of = |variant: u8| match variant {
        0 => name.to_owned(),
        AUDIO => format!("{name}, audio"),
        variant => format!("{name}, variant {variant}"),
    };
    by_variant.into_iter().map(|(variant, shapes)| bars(&of(variant), shapes)).collect()
}

/// What an answer has, or its status.
fn request_label(request: &Request) -> String {
    let failed = !(200..300).contains(&request.status);
    let name = match request.resource {
        Resource::Segment { msn, .. } => msn.to_string(),
        Resource::Init { .. } => "init".to_owned(),
        Resource::Multivariant => "variants".to_owned(),
        Resource::Playlist { .. } if failed => String::new(),
        Resource::Playlist { .. } => match request.delivered_listings().last() {
            Some(last) => format!("…{}", last.msn),
            None => String::new(),
        },
        Resource::Unknown => request.path.clone(),
    };
    if failed { format!("{name} {}", request.status).trim().to_owned() } else { name }
}

fn appends(axis: &Axis, trace: &Trace, names: &Names) -> Lane {
    let shapes = trace.page.iter().filter_map(|entry| {
        let (class, label) = match &entry.event {
            PageEvent::Append { boxes, updating, error, .. } => {
                let is_bad = *updating || error.is_some() || boxes.contains(&AppendedBox::Garbage);
                (if is_bad { "bad" } else { "good" }, append_label(boxes, names))
            }
            PageEvent::AddSourceBuffer { .. } => ("event", "buffer".to_owned()),
            PageEvent::Remove { .. } => ("event", "remove".to_owned()),
            PageEvent::Abort { .. } => ("event", "abort".to_owned()),
            PageEvent::ChangeType { .. } => ("event", "type".to_owned()),
            PageEvent::EndOfStream { .. } => ("event", "end of stream".to_owned()),
            PageEvent::BufferError { .. } => ("bad", "error".to_owned()),
            _ => return None,
        };
        Some(instant(axis, entry, class, label))
    });
    bars("appends", shapes.collect())
}

/// The first thing in it that has a name.
fn append_label(boxes: &[AppendedBox], names: &Names) -> String {
    let named = boxes.iter().find_map(|part| match part {
        AppendedBox::Init { .. } => Some("init".to_owned()),
        AppendedBox::Mdat { digest } => names.by_mdat.get(digest)?.msn().map(|msn| msn.to_string()),
        AppendedBox::Garbage => Some("garbage".to_owned()),
        AppendedBox::Moof => None,
    });
    named.unwrap_or_default()
}

fn instant(axis: &Axis, entry: &PageEntry, class: &'static str, label: String) -> Shape {
    bar(axis, (entry.at_ms, entry.at_ms), class, label, told(&entry.line()))
}

/// What the viewer saw, as far as there is room.
fn stills(axis: &Axis, trace: &Trace) -> Lane {
    let mut stills: Vec<Still> = Vec::new();
    for entry in &trace.page {
        let PageEvent::Still { image, .. } = &entry.event else { continue };
        // The one that crosses the right edge is moved.
        let x = axis.place(entry.at_ms).min(100.0 - STILL_PERCENT);
        if stills.last().is_none_or(|last| last.x + STILL_PERCENT <= x) {
            stills.push(Still { x, image: image.clone(), title: told(&entry.line()) });
        }
    }
    let lane = bars("seen", Vec::new());
    Lane { height: STILL_PX, stills, ..lane }
}

/// What was done in the viewer's place, and how long it lasted.
fn viewer(axis: &Axis, trace: &Trace) -> Lane {
    let mut shapes: Vec<Shape> = Vec::new();
    for (at, entry) in trace.page.iter().enumerate() {
        let PageEvent::Action { what, .. } = &entry.event else { continue };
        let to_ms = match over(*what) {
            Some(over) => {
                let is_over = |other: &&PageEntry| matches!(other.event, PageEvent::Action { what, .. } if what == over);
                trace.page[at..].iter().find(is_over).map_or(trace.ended_at_ms, |other| other.at_ms)
            }
            None => entry.at_ms,
        };
        shapes.push(bar(axis, (entry.at_ms, to_ms), "action", what.to_string(), told(&entry.line())));
    }
    bars("viewer", shapes)
}

/// Until when it lasts.
fn over(what: What) -> Option<What> {
    Some(match what {
        What::Pause | What::AutoplayDenied => What::Play,
        What::Stop => What::Start,
        What::Hide => What::Show,
        What::Offline => What::Online,
        What::Sleep => What::Wake,
        What::Block => What::Unblock,
        What::Quota => What::QuotaOver,
        _ => return None,
    })
}

/// What the element and the player said, and how long the element waited for media.
fn events(axis: &Axis, trace: &Trace) -> Lane {
    let mut shapes = Vec::new();
    let mut waiting: Option<&PageEntry> = None;
    for entry in &trace.page {
        let (class, label) = match &entry.event {
            PageEvent::Media { event, error, .. } => match event.as_str() {
                "waiting" => {
                    waiting = waiting.or(Some(entry));
                    continue;
                }
                "playing" | "ended" | "emptied" => {
                    shapes.extend(waiting.take().map(|from| stall(axis, from, entry.at_ms)));
                    ("event", event.clone())
                }
                "seeking" | "pause" | "play" => ("event", event.clone()),
                "error" => ("bad", error.clone().unwrap_or_else(|| event.clone())),
                _ => continue,
            },
            PageEvent::PlayerError { fatal, message } => {
                (if *fatal { "bad" } else { "event" }, message.clone())
            }
            PageEvent::Uncaught { message } => ("bad", message.clone()),
            _ => continue,
        };
        let short: String = label.chars().take(LABEL_MAX).collect();
        shapes.push(instant(axis, entry, class, short));
    }
    shapes.extend(waiting.map(|from| stall(axis, from, trace.ended_at_ms)));
    bars("events", shapes)
}

/// What the page said to its console. A player that tells all it does would bury the drawing: what it says within a moment
/// has one mark.
fn console(axis: &Axis, trace: &Trace) -> Lane {
    let mut shapes: Vec<Shape> = Vec::new();
    let mut lines = 0;
    for entry in &trace.page {
        let PageEvent::Console { level, text } = &entry.event else { continue };
        let class = if level == "error" { "bad" } else { "event" };
        let said = || instant(axis, entry, class, text.chars().take(LABEL_MAX).collect());
        match shapes.last_mut().filter(|last| axis.place(entry.at_ms) - last.x < MOMENT_PERCENT) {
            Some(last) => {
                lines += 1;
                if class == "bad" {
                    last.class = class;
                }
                if lines <= LINES_MAX {
                    last.title += &format!("; {}", text.chars().take(TEXT_MAX).collect::<String>());
                } else if lines == LINES_MAX + 1 {
                    last.title += "; ...";
                }
            }
            None => {
                lines = 1;
                shapes.push(said());
            }
        }
    }
    bars("console", shapes)
}

fn stall(axis: &Axis, from: &PageEntry, to_ms: f64) -> Shape {
    let title = format!("{}, until {:.3} s", told(&from.line()), to_ms / 1000.0);
    bar(axis, (from.at_ms, to_ms), "stall", "waiting".to_owned(), title)
}

const AXIS_PX: f64 = 20.0;
const GAP_PX: f64 = 8.0;
const ROW_PX: f64 = 16.0;
const ROWS_MAX: usize = 5;
const LABEL_MAX: usize = 24;
const STILL_PX: f64 = 54.0;
/// As wide as a still is on a page of common width.
const STILL_PERCENT: f64 = 10.5;
/// Marks nearer than this would cover each other.
const MARK_PERCENT: f64 = 1.7;
/// Lines of the console that are nearer have one mark, which tells so many of them, each so far.
const MOMENT_PERCENT: f64 = 0.4;
const LINES_MAX: usize = 12;
const TEXT_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use segproof_core::report::{Level, Stream};

    use super::*;
    use crate::report::{html, sample};

    fn shape(x: f64, width: f64, label: &str) -> Shape {
        Shape {
            label: label.to_owned(),
            ..bar(&Axis { from_ms: 0.0, to_ms: 100.0 }, (x, x + width), "good", String::new(), String::new())
        }
    }

    #[test]
    fn neither_bars_nor_labels_meet() {
        let rows = |shapes| {
            let (shapes, height) = in_rows(shapes, 2);
            let of = |shape: &Shape| (shape.x, shape.y / ROW_PX, shape.label.clone());
            (shapes.iter().map(of).collect::<Vec<_>>(), height / ROW_PX)
        };
        let word = "word".to_owned();
        assert_eq!(rows(Vec::new()), (Vec::new(), 1.0));
        assert_eq!(
            rows(vec![shape(10.0, 0.1, "word"), shape(0.0, 0.1, "word")]),
            (vec![(0.0, 0.0, word.clone()), (10.0, 0.0, word.clone())], 1.0)
        );
        // The third has no room for words, and no row.
        assert_eq!(
            rows(vec![shape(0.0, 0.1, "word"), shape(1.0, 5.0, ""), shape(2.0, 1.0, "word")]),
            (vec![(0.0, 0.0, word), (1.0, 1.0, String::new()), (2.0, 1.0, String::new())], 2.0)
        );
    }

    #[test]
    fn a_label_without_room_behind_its_bar_stands_before_it() {
        let (shapes, height) = in_rows(vec![shape(90.0, 0.1, "word"), shape(99.0, 0.1, "word")], 2);
        assert_eq!(shapes.iter().map(|shape| shape.is_before).collect::<Vec<_>>(), [false, true]);
        assert_eq!(height / ROW_PX, 1.0, "they do not meet");
        let (shapes, _) = in_rows(vec![shape(97.0, 0.1, "word"), shape(99.0, 0.1, "word")], 2);
        assert_eq!(shapes.iter().map(|shape| shape.y / ROW_PX).collect::<Vec<_>>(), [0.0, 1.0]);
    }

    #[test]
    fn violations_that_would_cover_each_other_have_one_mark() {
        let at = |at_ms| ViolationReport {
            at_ms,
            level: Level::Must,
            stream: Stream::Legal,
            ..sample::violation()
        };
        let axis = Axis { from_ms: 0.0, to_ms: 10_000.0 };
        let all = [at(Some(1000.0)), at(Some(1100.0)), at(None), at(Some(1150.0)), at(Some(5000.0))];
        let marks = marks(&axis, &all.iter().collect::<Vec<_>>());
        let found: Vec<_> = marks.iter().map(|mark| (mark.x, mark.first, mark.last)).collect();
        assert_eq!(found, [(10.0, 1, 2), (11.5, 4, 4), (50.0, 5, 5)]);
    }

    /// A page that is late by one second asks for the list and for a segment whose first answer is a 404, and shows two
    /// frames of it.
    #[test]
    fn what_happened_is_drawn_where_it_happened() {
        let lines = r##"{"lane":"trial","speed":1.0,"clock_error_ms":1.0,"ended_at_ms":9000.0,"lost":[]}
{"n":0,"at_ms":0.0,"path":"/live.m3u8","host":"first","range":null,"resource":{"playlist":{"variant":0}},"attempt":1,"status":200,"location":null,"content":{"playlist":{"text":"#EXTM3U","listings":[{"msn":4,"uri":"4","init":"i"},{"msn":5,"uri":"5","init":"i"}]}},"whole_bytes":7,"sent_bytes":7,"ended_ms":10.0,"end":"complete","lane":"origin"}
{"n":1,"at_ms":1000.0,"path":"/4","host":"first","range":null,"resource":{"segment":{"variant":0,"run":1,"msn":4}},"attempt":1,"status":404,"location":null,"content":"nothing","whole_bytes":0,"sent_bytes":0,"ended_ms":1010.0,"end":"complete","lane":"origin"}
{"n":2,"at_ms":2000.0,"path":"/4","host":"first","range":null,"resource":{"segment":{"variant":0,"run":1,"msn":4}},"attempt":2,"status":200,"location":null,"content":{"segment":{"mdat":"aa","start_s":8.0,"duration_s":2.0,"frames":60}},"whole_bytes":9,"sent_bytes":9,"ended_ms":2500.0,"end":"complete","lane":"origin"}
{"n":0,"at_ms":-5000.0,"kind":"hello","agent":"a","lane":"page"}
{"n":1,"at_ms":-1000.0,"kind":"media","event":"waiting","time":0.0,"error":null,"lane":"page"}
{"n":2,"at_ms":2600.0,"kind":"append","buffer":0,"bytes":9,"boxes":[{"box":"moof"},{"box":"mdat","digest":"aa"}],"updating":false,"error":null,"mode":"segments","lane":"page"}
{"n":3,"at_ms":2700.0,"kind":"update-end","buffer":0,"buffered":[[8.0,10.0]],"lane":"page"}
{"n":4,"at_ms":3000.0,"kind":"media","event":"playing","time":8.0,"error":null,"lane":"page"}
{"n":5,"at_ms":3000.0,"kind":"frame","run":1,"number":240,"media_time":8.0,"lane":"page"}
{"n":6,"at_ms":3000.0,"kind":"still","event":"playing","image":"data:image/jpeg;base64,AA==","lane":"page"}
{"n":7,"at_ms":3100.0,"kind":"still","event":"seeked","image":"data:image/jpeg;base64,BB==","lane":"page"}
{"n":8,"at_ms":4000.0,"kind":"frame","run":1,"number":270,"media_time":9.0,"lane":"page"}
{"at_ms":4000.0,"of":"page","lag_ms":0.0,"time":9.0,"ahead":1.0,"playing":true,"lane":"beat"}
"##;
        let trace = Trace::from_jsonl(lines).expect("a trace");
        let fired = [Fired { request: 1, fault: 0 }];
        let drawn = Timeline::new(&Axis::of(&trace), &trace, &fired, &["status = 404".to_owned()], &[]);
        let drawn = html::page("timeline.svg", &serde_json::json!({ "timeline": drawn }));
        insta::assert_snapshot!(drawn.expect("drawn"));
    }
}
