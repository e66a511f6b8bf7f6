//! A good session, made in memory: the trace of a plain player that breaks no rule, to be bent by the tests.
//!
//! Media Sequence Numbers begin at 100, a segment is 2 s or 20 frames long, five are listed. The player reloads
//! each target duration, starts three from the end and appends in sequence mode.

use segproof_core::action::What;
use segproof_core::exchange::Host;
use segproof_core::expect::{Expect, Profile};
use segproof_core::hls::{Map, MediaPlaylist, MediaSegment};
use segproof_core::media::SegmentFacts;
use segproof_core::notation::{Counts, Target};
use segproof_core::origin::PLAYLIST_PATH;
use segproof_core::pictures::{Picture, Pictures};
use segproof_core::regret::Best;
use segproof_core::scenario::{Outcome, PlaylistSettings};
use segproof_core::trace::{
    AppendedBox, Beat, Content, End, Listing, PageEntry, PageEvent, Request, Resource, Trace, Witness,
};

pub const TD_MS: f64 = 2000.0;
pub const FIRST_MSN: u64 = 100;
pub const WINDOW: u64 = 5;
/// The first segment appended: three target durations from the end.
pub const START_MSN: u64 = 102;
pub const UNTIL_MSN: u64 = 110;
pub const FRAMES: u64 = 20;
pub const FRAME_MS: f64 = 100.0;
/// When the first frame is shown.
pub const START_MS: f64 = 200.0;
/// When the last frame of `until` has passed.
pub const UNTIL_MS: f64 = START_MS + (UNTIL_MSN + 1 - START_MSN) as f64 * TD_MS;
/// From an append to its `updateend`.
pub const UPDATE_MS: f64 = 5.0;
const BEAT_MS: f64 = 50.0;
const INIT_DIGEST: &str = "the init";

/// What a test bends.
#[derive(Debug, Clone)]
pub struct Session {
    pub trace: Trace,
    pub expect: Expect,
}

/// How the plain session is to be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Segments of one lap of the fixture.
    pub lap_segments: u64,
    /// The last segment, listed with EXT-X-ENDLIST; the media element ends after it.
    pub endlist: Option<u64>,
}

impl Plan {
    pub const LIVE: Plan = Plan { lap_segments: 31, endlist: None };
    pub const ENDED: Plan = Plan { lap_segments: 31, endlist: Some(UNTIL_MSN) };
}

impl Session {
    /// A live session that plays to the end of segment 110.
    pub fn live() -> Session {
        Session::new(Plan::LIVE)
    }

    /// A session whose stream ends with segment 110, watched for three target durations more.
    pub fn ended() -> Session {
        Session::new(Plan::ENDED)
    }

    pub fn new(plan: Plan) -> Session {
        let is_ended = plan.endlist.is_some();
        let ended_at_ms = if is_ended { UNTIL_MS + 3.0 * TD_MS } else { UNTIL_MS + BEAT_MS };
        let trace = Trace { speed: 1.0, clock_error_ms: 2.0, ended_at_ms, ..Trace::default() };
        let mut session = Session { trace, expect: expect(plan) };
        session.page(-50.0, PageEvent::Hello { agent: "a browser".into() });
        session.page(1.0, PageEvent::AddSourceBuffer { buffer: 1, mime: "video/mp4".into() });
        session.load(plan);
        session.play(plan);
        session.seal();
        session
    }

    /// Reloads and downloads, each segment as soon as it is listed.
    fn load(&mut self, plan: Plan) {
        let mut loaded = START_MSN;
        let mut now = 0.0;
        while now < UNTIL_MS {
            let newest = newest_at(now).min(plan.endlist.unwrap_or(u64::MAX));
            self.request(now, PLAYLIST_PATH, playlist(newest, plan.endlist));
            if now == 0.0 {
                self.request(
                    20.0,
                    "/live/live.mp4",
                    Content::Init { digest: INIT_DIGEST.into(), is_spoiled: false },
                );
                self.append(40.0, vec![AppendedBox::Init { digest: INIT_DIGEST.into() }]);
            }
            while loaded <= newest {
                let at = now + 60.0 + (loaded % WINDOW) as f64 * 20.0;
                self.request(at, &segment_path(loaded), Content::Segment(facts(loaded, plan.lap_segments)));
                self.append(at + 12.0, media_boxes(loaded, plan.lap_segments));
                loaded += 1;
            }
            if plan.endlist == Some(newest) {
                break;
            }
            now += TD_MS;
        }
    }

    /// Frames, heartbeats and, where the stream ends, the media element's end.
    fn play(&mut self, plan: Plan) {
        let is_ended = plan.endlist.is_some();
        let (first, end) = (START_MSN - FIRST_MSN, UNTIL_MSN + 1 - FIRST_MSN);
        for frame in first * FRAMES..end * FRAMES {
            let at = START_MS + (frame - first * FRAMES) as f64 * FRAME_MS;
            self.frame(at, frame % (plan.lap_segments * FRAMES), media_time(frame));
        }
        if is_ended {
            self.media(UNTIL_MS + 20.0, "ended");
        }
        let beats = (self.trace.ended_at_ms / BEAT_MS) as i64;
        for at in (-4..=beats).map(|n| n as f64 * BEAT_MS) {
            let played_s = (at.min(UNTIL_MS + BEAT_MS) - START_MS).max(0.0) / 1000.0;
            let time = media_time(first * FRAMES) + played_s;
            let playing = at < UNTIL_MS || !is_ended;
            self.trace.beats.push(Beat {
                at_ms: at,
                of: Witness::Origin,
                lag_ms: 1.0,
                time: None,
                ahead: 0.0,
                playing: false,
            });
            self.trace.beats.push(Beat {
                at_ms: at,
                of: Witness::Page,
                lag_ms: 1.0,
                time: Some(time),
                // Too little for an engine to begin with.
                ahead: 0.4,
                playing,
            });
        }
    }

    /// Puts both lanes in order of time and numbers them.
    pub fn seal(&mut self) {
        self.trace.requests.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        self.trace.page.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        self.trace.beats.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        for (n, request) in self.trace.requests.iter_mut().enumerate() {
            request.n = n as u64;
        }
        for (n, entry) in self.trace.page.iter_mut().enumerate() {
            entry.n = n as u64;
        }
    }

    /// Adds a GET that is answered with status 200 within 10 ms.
    pub fn request(&mut self, at_ms: f64, path: &str, content: Content) -> &mut Request {
        let resource = resource(path);
        let attempt = 1 + self.trace.requests.iter().filter(|r| r.resource == resource).count() as u64;
        self.trace.requests.push(Request {
            n: 0,
            at_ms,
            path: path.into(),
            host: Host::First,
            range: None,
            resource,
            attempt,
            status: 200,
            location: None,
            opaque: false,
            content,
            whole_bytes: 1000,
            sent_bytes: 1000,
            ended_ms: at_ms + 10.0,
            end: End::Complete,
        });
        self.trace.requests.last_mut().unwrap()
    }

    /// Adds a GET that is answered with an error.
    pub fn refused(&mut self, at_ms: f64, path: &str, status: u16) {
        self.request(at_ms, path, Content::Nothing).status = status;
    }

    /// Adds a reload, answered with what is published at that time.
    pub fn reload(&mut self, at_ms: f64) -> &mut Request {
        self.request(at_ms, PLAYLIST_PATH, playlist(newest_at(at_ms), None))
    }

    pub fn page(&mut self, at_ms: f64, event: PageEvent) {
        self.trace.page.push(PageEntry { n: 0, at_ms, event });
    }

    /// Adds an event of the media element.
    pub fn media(&mut self, at_ms: f64, event: &str) {
        self.page(at_ms, PageEvent::Media { event: event.into(), time: 0.0, error: None });
    }

    /// Something happened on the viewer's side.
    pub fn action(&mut self, at_ms: f64, what: What) {
        self.page(at_ms, PageEvent::Action { what, note: String::new(), error: None });
    }

    pub fn fatal(&mut self, at_ms: f64) {
        self.page(at_ms, PageEvent::PlayerError { fatal: true, message: "no stream".into() });
    }

    pub fn frame(&mut self, at_ms: f64, number: u64, media_time: f64) {
        let shown = |entry: &&PageEntry| matches!(entry.event, PageEvent::Frame { .. });
        let presented = self.trace.page.iter().filter(shown).count() as u64 + 1;
        self.page(
            at_ms,
            PageEvent::Frame { run: 1, number: number as u16, media_time, presented, dropped: 0 },
        );
    }

    /// Adds an append in sequence mode, and its `updateend`.
    pub fn append(&mut self, at_ms: f64, boxes: Vec<AppendedBox>) {
        self.page(at_ms, append(1, boxes));
        self.page(at_ms + UPDATE_MS, PageEvent::UpdateEnd { buffer: 1, buffered: vec![(0.0, 1.0)] });
    }

    /// Adds the append of a segment that was served.
    pub fn append_segment(&mut self, at_ms: f64, msn: u64) {
        self.append(at_ms, media_boxes(msn, Plan::LIVE.lap_segments));
    }

    /// Adds the append of the init segment.
    pub fn append_init(&mut self, at_ms: f64) {
        self.append(at_ms, vec![AppendedBox::Init { digest: INIT_DIGEST.into() }]);
    }

    /// When the segment was appended first.
    pub fn appended_ms(&self, msn: u64) -> f64 {
        self.trace.page[self.append_at(msn)].at_ms
    }

    /// The page entry of the segment's first append.
    pub fn append_at(&self, msn: u64) -> usize {
        let mdat = mdat(msn, Plan::LIVE.lap_segments);
        let is_it = |e: &PageEntry| matches!(&e.event, PageEvent::Append { boxes, .. } if boxes.contains(&AppendedBox::Mdat { digest: mdat.clone() }));
        self.trace.page.iter().position(is_it).unwrap()
    }

    /// Takes the append of `msn` out, leaving its `updateend`.
    pub fn drop_append(&mut self, msn: u64) {
        let at = self.append_at(msn);
        self.trace.page.remove(at);
    }

    /// Gives every append that holds media or init to `edit`.
    pub fn edit_appends(&mut self, mut edit: impl FnMut(&mut PageEvent)) {
        self.trace
            .page
            .iter_mut()
            .filter(|e| matches!(e.event, PageEvent::Append { .. }))
            .for_each(|e| edit(&mut e.event));
    }

    /// Edits the text of every playlist.
    pub fn edit_playlists(&mut self, edit: impl Fn(&str) -> String) {
        for request in &mut self.trace.requests {
            if let Content::Playlist { text, .. } = &request.content {
                request.content = listing(edit(text));
            }
        }
    }

    /// Keeps the frames for which `keep` holds: time shown, number.
    pub fn keep_frames(&mut self, keep: impl Fn(f64, u64) -> bool) {
        self.trace.page.retain(|e| match e.event {
            PageEvent::Frame { number, .. } => keep(e.at_ms, u64::from(number)),
            _ => true,
        });
    }

    /// Takes everything after `at_ms` away: watching stopped here.
    pub fn cut(&mut self, at_ms: f64) {
        self.trace.requests.retain(|r| r.at_ms <= at_ms);
        self.trace.page.retain(|e| e.at_ms <= at_ms);
        self.trace.beats.retain(|b| b.at_ms <= at_ms);
        self.trace.ended_at_ms = at_ms;
    }

    /// The page's heartbeat next to `at_ms` is late by so much, wall time.
    pub fn hold_up(&mut self, at_ms: f64, lag_ms: f64) {
        let mut page = self.trace.beats.iter_mut().filter(|b| b.of == Witness::Page);
        page.find(|beat| beat.at_ms >= at_ms).expect("it plays").lag_ms = lag_ms;
    }

    /// From `from_ms` to `to_ms` currentTime stands still.
    pub fn stand_still(&mut self, from_ms: f64, to_ms: f64) {
        let page = |b: &&mut Beat| b.of == Witness::Page && (from_ms..=to_ms).contains(&b.at_ms);
        let mut still = None;
        for beat in self.trace.beats.iter_mut().filter(page) {
            beat.time = *still.get_or_insert(beat.time);
        }
    }
}

fn expect(plan: Plan) -> Expect {
    Expect {
        profile: Profile::Seed,
        variants: 1,
        outcome: if plan.endlist.is_some() { Outcome::Ended } else { Outcome::Playing },
        target_duration_ms: TD_MS,
        start_frame: (START_MSN - FIRST_MSN) * FRAMES,
        until_msn: Some(UNTIL_MSN),
        finish_ms: UNTIL_MS,
        start_limit_ms: 1000.0,
        stall_limit_ms: 1000.0,
        recover: None,
        latency_limit_ms: None,
        buffered_limit_ms: None,
        av_sync_limit_ms: None,
        best: Best { start_msn: Some(START_MSN), start_ms: START_MS, stall_ms: 0.0, shown: Vec::new() },
        excused: Default::default(),
        must_show: Default::default(),
        must_not_show: Default::default(),
        requests: vec![(Target::Init, Counts { first: 1, last: Some(1) })],
        requests_per_td: None,
        errors: None,
        pictures: Pictures::new((FIRST_MSN..UNTIL_MSN + 50).map(|msn| {
            let first = (msn - FIRST_MSN) % plan.lap_segments * FRAMES;
            (
                msn,
                Picture {
                    run: 1,
                    first,
                    frames: FRAMES,
                    before: 0,
                    frame_ms: FRAME_MS,
                    began_ms: (msn as f64 - (FIRST_MSN + WINDOW) as f64) * TD_MS,
                },
            )
        })),
        is_illegal: false,
        illegal: Vec::new(),
        published_ms: Default::default(),
    }
}

/// The newest segment that a playlist lists at this time.
pub fn newest_at(at_ms: f64) -> u64 {
    FIRST_MSN + WINDOW - 1 + (at_ms / TD_MS) as u64
}

/// The playlist whose last segment is `newest`.
pub fn playlist(newest: u64, endlist: Option<u64>) -> Content {
    let first = newest + 1 - WINDOW;
    let segment = |msn| MediaSegment {
        uri: format!("live{msn}.m4s"),
        duration_s: 2.0,
        map: Map { uri: "live.mp4".into(), range: None },
        ..MediaSegment::default()
    };
    let playlist = MediaPlaylist {
        target_duration_s: 2,
        media_sequence: first,
        segments: (first..=newest).map(segment).collect(),
        ended: endlist == Some(newest),
        ..MediaPlaylist::default()
    };
    listing(playlist.render(&PlaylistSettings::default()))
}

/// A playlist with this text, whose entries are what their names say.
pub fn listing(text: String) -> Content {
    let mut listings = Vec::new();
    let mut gap = false;
    for line in text.lines() {
        gap |= line == "#EXT-X-GAP";
        if let Resource::Segment { msn, .. } = resource(&format!("/live/{line}")) {
            listings.push(Listing {
                msn,
                uri: line.into(),
                range: None,
                gap,
                same_as: None,
                init: "live.mp4".into(),
                init_range: None,
            });
            gap = false;
        }
    }
    Content::Playlist { text, listings }
}

fn resource(path: &str) -> Resource {
    match path.split('?').next().and_then(|path| path.strip_prefix("/live/live")) {
        Some(".m3u8") => Resource::Playlist { variant: 0 },
        Some(".mp4") => Resource::Init { variant: 0, run: 1 },
        Some(name) => match name.strip_suffix(".m4s").and_then(|n| n.parse().ok()) {
            Some(msn) => segment(msn),
            None => Resource::Unknown,
        },
        None => Resource::Unknown,
    }
}

pub fn segment_path(msn: u64) -> String {
    format!("/live/live{msn}.m4s")
}

pub fn segment(msn: u64) -> Resource {
    Resource::Segment { variant: 0, run: 1, msn }
}

/// Media data is the same in each lap; its time goes on.
pub fn facts(msn: u64, lap_segments: u64) -> SegmentFacts {
    SegmentFacts {
        mdat: mdat(msn, lap_segments),
        more_mdats: Vec::new(),
        start_s: (msn - FIRST_MSN) as f64 * TD_MS / 1000.0,
        duration_s: TD_MS / 1000.0,
        frames: FRAMES as u32,
        unaccompanied_s: 0.0,
        is_spoiled: false,
    }
}

fn mdat(msn: u64, lap_segments: u64) -> String {
    format!("media {}", (msn - FIRST_MSN) % lap_segments)
}

pub fn media_boxes(msn: u64, lap_segments: u64) -> Vec<AppendedBox> {
    vec![AppendedBox::Moof, AppendedBox::Mdat { digest: mdat(msn, lap_segments) }]
}

pub fn append(buffer: u64, boxes: Vec<AppendedBox>) -> PageEvent {
    PageEvent::Append {
        buffer,
        bytes: 1000,
        boxes,
        updating: false,
        error: None,
        mode: "sequence".into(),
        by: String::new(),
    }
}

/// Of a frame counted through the laps, seconds.
pub fn media_time(frame: u64) -> f64 {
    frame as f64 * FRAME_MS / 1000.0
}
