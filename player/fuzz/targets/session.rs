//! Whatever a shell tells, in whatever order: the player asks for what it may ask for, and for a bounded number of things.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use segproof_player_core::{Event, Place, Player, Report, Resource, Shell, Text};

#[derive(Debug, Arbitrary)]
struct Step {
    event: u8,
    value: f64,
    after_ms: u16,
    /// What the shell tells of the element while the event is handled.
    playhead_s: f64,
    edges_s: Vec<(f64, f64)>,
    segment_start_s: f64,
    state: u8,
    text: u8,
}

#[derive(Debug, Arbitrary)]
struct Input {
    texts: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Default)]
struct Any {
    text: Vec<u32>,
    playhead_s: f64,
    edges_s: Vec<(f64, f64)>,
    segment_start_s: f64,
    state: u8,
    calls: u32,
    loading: [bool; 3],
    appends: u32,
    is_closed: bool,
    fatals: u32,
}

impl Any {
    fn call(&mut self) {
        assert!(!self.is_closed, "asked for something behind the end");
        self.calls += 1;
        assert!(self.calls < 40, "asks for too much at once");
    }
}

impl Text for Any {
    fn char_at(&self, index: u32) -> u32 {
        self.text.get(index as usize).copied().unwrap_or(0)
    }
}

impl Shell for Any {
    fn load(&mut self, resource: Resource, place: Place) {
        self.call();
        assert!(place as usize <= self.text.len());
        assert!(!self.loading[resource as usize], "two requests for one resource");
        self.loading[resource as usize] = true;
    }
    fn cancel(&mut self, resource: Resource) {
        self.call();
        self.loading[resource as usize] = false;
    }
    fn append(&mut self, _: Resource, run_start_s: Option<f64>) {
        self.call();
        assert!(run_start_s.is_none_or(|start_s| start_s >= 0.0));
        self.appends += 1;
        assert!(self.appends <= 1, "two appends for one event");
    }
    fn remove_before(&mut self, end_s: f64) {
        self.call();
        assert!(end_s > 0.0, "removes nothing");
    }
    fn seek(&mut self, _: f64) {
        self.call();
    }
    fn hurry(&mut self, _: bool) {
        self.call();
    }
    fn end_of_stream(&mut self) {
        self.call();
    }
    fn rebuild(&mut self) {
        self.call();
    }
    fn close(&mut self) {
        self.call();
        self.is_closed = true;
    }
    fn report(&mut self, report: Report) {
        self.call();
        self.fatals += u32::from(report as u32 > Report::MediaLost as u32);
        assert!(self.fatals <= 2, "fatal again and again");
    }
    fn report_latency(&mut self, _: f64) {
        self.call();
    }
    fn choose(&mut self, _: f64, goes_up: bool) -> bool {
        self.call();
        goes_up
    }
    fn fail_over(&mut self, _: f64) -> bool {
        self.call();
        self.state & 1 > 0
    }
    fn segment_start_s(&self) -> f64 {
        self.segment_start_s
    }
    fn playhead_s(&self) -> f64 {
        self.playhead_s
    }
    fn edge_s(&self, index: u32) -> f64 {
        let edges = self.edges_s.get(index as usize / 2);
        edges.map_or(-1.0, |(start_s, end_s)| if index % 2 == 0 { *start_s } else { *end_s })
    }
    fn is_starving(&self) -> bool {
        self.state & 1 > 0
    }
    fn is_paused(&self) -> bool {
        self.state & 2 > 0
    }
    fn is_full(&self) -> bool {
        self.state & 4 > 0
    }
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value.abs() } else { 0.0 }
}

/// An element tells times that are none below zero, in ranges that follow each other.
fn plausible(edges_s: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut from_s = 0.0;
    let mut ranges = Vec::new();
    for (start_s, length_s) in edges_s.iter().filter(|(a, b)| a.is_finite() && b.is_finite()) {
        let start_s = from_s + start_s.abs() % 1000.0;
        from_s = start_s + length_s.abs() % 1000.0;
        ranges.push((start_s, from_s));
    }
    ranges
}

fuzz_target!(|input: Input| {
    let mut player = Player::NEW;
    let mut shell = Any::default();
    let mut now_ms = 0.0;
    player.handle(Event::Woken, 0.0, now_ms, &mut shell);
    for step in &input.steps {
        shell.playhead_s = finite(step.playhead_s) % 1e6;
        shell.edges_s = plausible(&step.edges_s);
        shell.segment_start_s = step.segment_start_s;
        shell.state = step.state;
        (shell.calls, shell.appends) = (0, 0);
        now_ms += f64::from(step.after_ms);
        let answered =
            |resource: Resource, shell: &mut Any| std::mem::take(&mut shell.loading[resource as usize]);
        let value = finite(step.value) % 1e5;
        let event = match step.event % 14 {
            0 => Event::Woken,
            1 if answered(Resource::Playlist, &mut shell) => {
                let text = input.texts.get(usize::from(step.text)).map_or("", String::as_str);
                shell.text = text.encode_utf16().map(u32::from).collect();
                Event::PlaylistLoaded
            }
            2 if answered(Resource::Init, &mut shell) => Event::InitLoaded,
            3 if answered(Resource::Segment, &mut shell) => Event::SegmentLoaded,
            4 if answered(Resource::Playlist, &mut shell) => Event::PlaylistFailed,
            5 if answered(Resource::Init, &mut shell) => Event::InitFailed,
            6 if answered(Resource::Segment, &mut shell) => Event::SegmentFailed,
            7 => Event::Opened,
            8 => Event::Updated,
            9 => Event::QuotaExceeded,
            10 => Event::Broken,
            11 => Event::Unsupported,
            12 => Event::Ended,
            13 => Event::Sought,
            // What was not asked for is not answered.
            _ => continue,
        };
        let wait_ms = player.handle(event, value, now_ms, &mut shell);
        if shell.is_closed {
            return;
        }
        assert!(wait_ms <= 61_000.0, "sleeps for {wait_ms} ms");
    }
});
