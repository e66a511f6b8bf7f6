//! The state machine.
//!
//! Reading order: `handle` and `drive`, then requests, the answers to them, appends, the playhead.

use crate::codecs::Codecs;
use crate::playlist::{self, ByteRange, Summary};
use crate::{Event, Resource, Severity, Shell};

/// Taken for the target duration until a playlist told it, in seconds.
const TARGET_DURATION_UNKNOWN_S: f64 = 2.0;
/// A target duration above this is taken for this, so that no wait is unbounded.
const TARGET_DURATION_S_MAX: u64 = 60;
/// RFC 8216, section 6.3.3: not closer to the end of a live playlist.
const HOLD_BACK_TD: f64 = 3.0;
/// A request that takes longer is cancelled and counts as failed. A link that is too slow for the stream would
/// then never deliver anything, so a segment gets longer as long as the one before needed more than this.
const TIMEOUT_TD: f64 = 1.5;
const TIMEOUT_SLOW_TD: f64 = 2.5;
/// The waits between tries double from here up to `BACKOFF_TD_MAX`.
const BACKOFF_PLAYLIST_TD: f64 = 0.25;
const BACKOFF_MEDIA_TD: f64 = 0.1;
const BACKOFF_TD_MAX: f64 = 1.0;
/// A playlist that has failed for longer than this is lost.
const PLAYLIST_LOST_TD: f64 = 10.0;
/// Requests for one init.
const INIT_TRIES_MAX: u32 = 8;
/// Requests for one segment that fails for reasons that may pass, and for one that the server says is absent.
const SEGMENT_TRIES_MAX: u32 = 6;
const SEGMENT_ABSENT_TRIES_MAX: u32 = 4;
/// A timeout costs more patience than a quick answer: two of them are enough.
const TIMEOUT_TRIES: u32 = 3;
/// A list whose sequence numbers went back may be an old one from a cache; it is a restart of the stream if
/// that many answers in a row say so, or at once if it ends that far before what was listed.
const RESTART_ANSWERS: u32 = 3;
const RESTART_MSN_GAP: u64 = 16;
/// Nothing is requested while this much is buffered ahead of the playhead, in seconds.
const AHEAD_S_MAX: f64 = 60.0;
/// Media behind the playhead is removed down to `BEHIND_S_KEPT` once there are `BEHIND_S_MAX` of it.
const BEHIND_S_MAX: f64 = 40.0;
const BEHIND_S_KEPT: f64 = 30.0;
/// What a full SourceBuffer leaves behind the playhead, in seconds, and when the append is tried again.
const BEHIND_FULL_S_KEPT: f64 = 2.0;
const FULL_RETRY_TD: f64 = 0.5;
/// How often a stuck playhead is looked for.
const TICK_TD: f64 = 0.25;
/// A playhead that starves this close to the end of a range has played it, in seconds.
const RANGE_END_S: f64 = 0.3;
/// How far into a range a jump lands: exactly its start may be rounded to before it.
const JUMP_INTO_S: f64 = 0.01;
/// An append that extends the buffer by less has put its media elsewhere, in seconds.
const EXTENDED_S_MIN: f64 = 0.02;
/// Lost MediaSources within `REBUILDS_TD` of each other.
const REBUILDS_MAX: u32 = 4;
const REBUILDS_TD: f64 = 10.0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Requests and appends.
    Playing,
    /// No requests; the end is declared as soon as the SourceBuffer is idle.
    Ending,
    /// What is buffered plays out.
    Ended,
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// Until `Request::at_ms` at most.
    Loading,
    /// The next try is due at `Request::at_ms`.
    Waiting,
    /// The shell has the body.
    Ready,
}

#[derive(Clone, Copy)]
struct Request {
    state: State,
    at_ms: f64,
    /// Failures in a row.
    failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Busy {
    Idle,
    Init,
    Segment,
    Removal,
}

/// One session: one playlist, one media element.
pub struct Player {
    phase: Phase,
    td_ms: f64,
    requests: [Request; 3],

    // The playlist.
    load_began_ms: f64,
    failing_since_ms: f64,
    text_hash: u32,
    /// The text that the shell holds is a Media Playlist.
    is_listed: bool,
    end_list: bool,
    /// The list is complete and nothing of it is missing any more.
    has_all: bool,
    first_msn: u64,
    end_msn: u64,
    rollbacks: u32,

    // The cursor.
    has_joined: bool,
    /// The lowest Media Sequence Number that is still wanted; what the segment request is for, if there is one.
    next_msn: u64,
    /// The next segment begins a run.
    begins_run: bool,
    segment_began_ms: f64,
    /// The last segment took longer than `TIMEOUT_TD`.
    is_slow: bool,

    // The init.
    /// `Map::key` of the init that was requested last; zero for none.
    map_key: u32,
    codecs: Codecs,
    codecs_set: bool,
    /// It has to be appended before the next segment.
    needs_init: bool,

    // The SourceBuffer.
    is_open: bool,
    busy: Busy,
    /// Nothing is appended before this time, because the SourceBuffer was full.
    full_until_ms: f64,
    has_media: bool,
    end_before_append_s: f64,
    rebuilds: u32,
    rebuilt_ms: f64,
    /// The last segment whose append cost the MediaSource, and one that did so twice.
    suspect_msn: u64,
    refused_msn: u64,

    tick_ms: f64,
}

impl Default for Player {
    fn default() -> Self {
        Self::new()
    }
}

impl Player {
    pub const fn new() -> Self {
        Player {
            phase: Phase::Playing,
            td_ms: TARGET_DURATION_UNKNOWN_S * 1000.0,
            requests: [Request { state: State::Idle, at_ms: 0.0, failures: 0 }; 3],
            load_began_ms: 0.0,
            failing_since_ms: f64::NAN,
            text_hash: 0,
            is_listed: false,
            end_list: false,
            has_all: false,
            first_msn: 0,
            end_msn: 0,
            rollbacks: 0,
            has_joined: false,
            next_msn: 0,
            begins_run: true,
            segment_began_ms: 0.0,
            is_slow: false,
            map_key: 0,
            codecs: Codecs::NONE,
            codecs_set: false,
            needs_init: true,
            is_open: false,
            busy: Busy::Idle,
            full_until_ms: 0.0,
            has_media: false,
            end_before_append_s: 0.0,
            rebuilds: 0,
            rebuilt_ms: f64::NEG_INFINITY,
            suspect_msn: u64::MAX,
            refused_msn: u64::MAX,
            tick_ms: 0.0,
        }
    }

    /// Takes in one event and does what can be done. `playlist` is the body of the last playlist request that
    /// succeeded. Returns the time at which to send `Event::Woken`; infinite if the session is over.
    pub fn handle(&mut self, event: Event, now_ms: f64, playlist: &[u8], shell: &mut impl Shell) -> f64 {
        if self.phase == Phase::Closed {
            return f64::INFINITY;
        }
        match event {
            Event::Woken => {}
            Event::Opened => self.is_open = true,
            Event::PlaylistLoaded => self.playlist_loaded(now_ms, playlist, shell),
            Event::InitLoaded(init) => {
                self.codecs = Codecs::read(init);
                self.codecs_set = false;
                self.request(Resource::Init).state = State::Ready;
            }
            Event::SegmentLoaded => {
                self.is_slow = now_ms - self.segment_began_ms > TIMEOUT_TD * self.td_ms;
                self.request(Resource::Segment).state = State::Ready;
            }
            Event::Failed(resource, status) => self.failed(resource, status, 1, now_ms, shell),
            Event::Updated => self.updated(shell),
            Event::QuotaExceeded => self.quota_exceeded(now_ms, shell),
            Event::Broken => self.broken(now_ms, playlist, shell),
            Event::Unsupported => self.fatal("codecs not supported", shell),
            // A stream that declares its duration may seem to end before its list does.
            Event::Ended if self.phase == Phase::Ended => self.close(shell),
            Event::Ended => {}
        }
        self.drive(now_ms, playlist, shell)
    }

    fn drive(&mut self, now_ms: f64, playlist: &[u8], shell: &mut impl Shell) -> f64 {
        for resource in [Resource::Playlist, Resource::Init, Resource::Segment] {
            let request = *self.request(resource);
            if request.state == State::Loading && request.at_ms <= now_ms {
                shell.cancel(resource);
                self.is_slow |= resource == Resource::Segment;
                self.failed(resource, 0, TIMEOUT_TRIES, now_ms, shell);
            }
        }
        if self.phase == Phase::Playing {
            if !self.end_list && self.is_due(Resource::Playlist, now_ms) {
                self.load_began_ms = now_ms;
                self.load(Resource::Playlist, &[], ByteRange::WHOLE, now_ms, shell);
            }
            if self.is_listed {
                self.request_media(now_ms, playlist, shell);
            }
        }
        if self.is_open && self.busy == Busy::Idle {
            self.feed(now_ms, shell);
        }
        if self.has_media {
            unstick(shell);
        }
        self.wake_at(now_ms)
    }

    // Requests.

    fn request(&mut self, resource: Resource) -> &mut Request {
        let [playlist, init, segment] = &mut self.requests;
        match resource {
            Resource::Playlist => playlist,
            Resource::Init => init,
            Resource::Segment => segment,
        }
    }

    fn is_due(&mut self, resource: Resource, now_ms: f64) -> bool {
        let request = self.request(resource);
        match request.state {
            State::Idle => true,
            State::Waiting => request.at_ms <= now_ms,
            State::Loading | State::Ready => false,
        }
    }

    fn load(
        &mut self,
        resource: Resource,
        uri: &[u8],
        range: ByteRange,
        now_ms: f64,
        shell: &mut impl Shell,
    ) {
        let mut timeout_td = TIMEOUT_TD;
        if resource == Resource::Segment {
            self.segment_began_ms = now_ms;
            if self.is_slow {
                timeout_td = TIMEOUT_SLOW_TD;
            }
        }
        let at_ms = now_ms + timeout_td * self.td_ms;
        let request = self.request(resource);
        request.state = State::Loading;
        request.at_ms = at_ms;
        shell.load(resource, uri, range);
    }

    fn cancel(&mut self, resource: Resource, shell: &mut impl Shell) {
        let request = self.request(resource);
        if request.state == State::Loading {
            shell.cancel(resource);
        }
        *request = Request { state: State::Idle, at_ms: 0.0, failures: 0 };
    }

    /// Requests the next segment, and the init along with it where one is needed.
    fn request_media(&mut self, now_ms: f64, playlist: &[u8], shell: &mut impl Shell) {
        let init_due = self.needs_init && self.is_due(Resource::Init, now_ms);
        let segment = *self.request(Resource::Segment);
        if !(self.is_due(Resource::Segment, now_ms) || (init_due && segment.state != State::Idle)) {
            return;
        }
        if segment.state == State::Idle && ahead_s(shell) > AHEAD_S_MAX {
            return;
        }
        if self.next_msn == self.refused_msn {
            self.skip_segment(shell);
        }
        let pick = playlist::pick(playlist, self.next_msn);
        self.has_all = self.end_list && pick.is_none();
        let Some(pick) = pick else { return };
        if segment.state == State::Idle || pick.msn != self.next_msn {
            self.cancel(Resource::Segment, shell);
            if pick.msn != self.next_msn {
                self.begins_run = true;
                self.next_msn = pick.msn;
            }
            self.begins_run |= pick.discontinuity;
            let map_key = pick.map.key();
            // A discontinuity that states its EXT-X-MAP anew is an encoder that may have written other bytes
            // under the same name; one that doesn't is served from the bytes that are here.
            if map_key != self.map_key || (pick.discontinuity && pick.map_stated) {
                self.cancel(Resource::Init, shell);
                self.map_key = map_key;
                self.needs_init = true;
            }
            self.needs_init |= pick.discontinuity;
        }
        if self.needs_init && self.is_due(Resource::Init, now_ms) {
            if pick.map.uri.is_empty() {
                return self.fatal("no EXT-X-MAP", shell);
            }
            self.load(Resource::Init, pick.map.uri, pick.map.range, now_ms, shell);
        }
        if self.is_due(Resource::Segment, now_ms) {
            self.load(Resource::Segment, pick.uri, pick.range, now_ms, shell);
        }
    }

    // Answers.

    fn playlist_loaded(&mut self, now_ms: f64, text: &[u8], shell: &mut impl Shell) {
        let summary = Summary::read(text);
        self.is_listed = summary.is_some();
        let Some(summary) = summary else { return self.failed(Resource::Playlist, 0, 1, now_ms, shell) };
        self.td_ms = summary.target_duration_s.min(TARGET_DURATION_S_MAX) as f64 * 1000.0;
        self.end_list = summary.end_list;
        self.failing_since_ms = f64::NAN;

        // RFC 8216, section 6.3.4: counted from the beginning of the last request.
        let text_hash = playlist::hash(text);
        let wait_td = if text_hash == self.text_hash { 0.5 } else { 1.0 };
        self.text_hash = text_hash;
        let at_ms = self.load_began_ms + wait_td * self.td_ms;
        *self.request(Resource::Playlist) = Request { state: State::Waiting, at_ms, failures: 0 };

        if summary.end_msn == summary.first_msn {
            return;
        }
        if self.has_joined && summary.end_msn < self.end_msn {
            self.rollbacks += 1;
            let is_far = summary.end_msn + RESTART_MSN_GAP < self.first_msn;
            if self.rollbacks < RESTART_ANSWERS && !is_far && summary.map_key == self.map_key {
                return;
            }
            // A new stream under the old name, and an init whose bytes may be others.
            self.cancel(Resource::Segment, shell);
            self.map_key = 0;
            self.begins_run = true;
            self.needs_init = true;
            self.has_joined = false;
        }
        self.rollbacks = 0;
        self.first_msn = summary.first_msn;
        self.end_msn = summary.end_msn;
        if !self.has_joined {
            self.has_joined = true;
            let hold_back_s =
                if summary.end_list { f64::INFINITY } else { HOLD_BACK_TD * self.td_ms / 1000.0 };
            self.next_msn =
                playlist::segment_before(text, summary.end_msn, hold_back_s).unwrap_or(summary.first_msn);
        }
    }

    fn failed(&mut self, resource: Resource, status: u16, weight: u32, now_ms: f64, shell: &mut impl Shell) {
        let td_ms = self.td_ms;
        let mut wait_td = if resource == Resource::Playlist { BACKOFF_PLAYLIST_TD } else { BACKOFF_MEDIA_TD };
        let request = self.request(resource);
        for _ in 0..request.failures.min(SEGMENT_TRIES_MAX) {
            wait_td *= 2.0;
        }
        request.state = State::Waiting;
        request.at_ms = now_ms + wait_td.min(BACKOFF_TD_MAX) * td_ms;
        request.failures += weight;
        let failures = request.failures;
        match resource {
            Resource::Playlist if matches!(status, 404 | 410) => {
                if self.has_media {
                    self.end(shell);
                } else {
                    self.fatal("playlist not found", shell);
                }
            }
            Resource::Playlist => {
                if self.failing_since_ms.is_nan() {
                    self.failing_since_ms = now_ms;
                }
                if now_ms - self.failing_since_ms > PLAYLIST_LOST_TD * td_ms {
                    self.fatal("playlist lost", shell);
                }
            }
            Resource::Init => {
                if failures >= INIT_TRIES_MAX {
                    self.fatal("init lost", shell);
                }
            }
            Resource::Segment => {
                let is_absent = matches!(status, 400..500) && !matches!(status, 408 | 429);
                if failures >= if is_absent { SEGMENT_ABSENT_TRIES_MAX } else { SEGMENT_TRIES_MAX } {
                    self.skip_segment(shell);
                }
            }
        }
    }

    fn skip_segment(&mut self, shell: &mut impl Shell) {
        self.cancel(Resource::Segment, shell);
        self.next_msn += 1;
        self.begins_run = true;
        shell.report(Severity::Warning, "segment skipped");
    }

    // Appends.

    fn feed(&mut self, now_ms: f64, shell: &mut impl Shell) {
        let segment = *self.request(Resource::Segment);
        match self.phase {
            Phase::Ending => return self.end_of_stream(shell),
            Phase::Playing => {}
            Phase::Ended | Phase::Closed => return,
        }
        if now_ms < self.full_until_ms {
            return;
        }
        if self.needs_init {
            if self.request(Resource::Init).state == State::Ready {
                if !self.codecs_set {
                    self.codecs_set = true;
                    shell.set_codecs(self.codecs.as_bytes());
                }
                self.busy = Busy::Init;
                shell.append(Resource::Init, None);
            }
        } else if segment.state == State::Ready {
            self.busy = Busy::Segment;
            self.end_before_append_s = buffered_end_s(shell).unwrap_or(shell.playhead_s());
            let run_start_s = self.begins_run.then_some(self.end_before_append_s);
            shell.append(Resource::Segment, run_start_s);
        } else if let Some((start_s, _)) = shell.buffered_s(0)
            && shell.playhead_s() - start_s > BEHIND_S_MAX
        {
            self.remove_before(shell.playhead_s() - BEHIND_S_KEPT, shell);
        } else if self.has_all {
            self.end_of_stream(shell);
        }
    }

    fn updated(&mut self, shell: &mut impl Shell) {
        match self.busy {
            Busy::Init => self.needs_init = false,
            Busy::Segment => {
                self.has_media = true;
                let end_s = buffered_end_s(shell).unwrap_or(0.0);
                if self.begins_run || end_s > self.end_before_append_s + EXTENDED_S_MIN {
                    self.begins_run = false;
                    self.next_msn += 1;
                    self.cancel(Resource::Segment, shell);
                } else {
                    self.begins_run = true;
                }
            }
            Busy::Idle | Busy::Removal => {}
        }
        self.busy = Busy::Idle;
    }

    fn quota_exceeded(&mut self, now_ms: f64, shell: &mut impl Shell) {
        self.busy = Busy::Idle;
        self.full_until_ms = now_ms + FULL_RETRY_TD * self.td_ms;
        let end_s = shell.playhead_s() - BEHIND_FULL_S_KEPT;
        if shell.buffered_s(0).is_some_and(|(start_s, _)| start_s < end_s) {
            self.remove_before(end_s, shell);
        }
    }

    fn remove_before(&mut self, end_s: f64, shell: &mut impl Shell) {
        self.busy = Busy::Removal;
        shell.remove_before(end_s);
    }

    /// The MediaSource is lost, and what was buffered with it. A new one takes its place, which goes on behind
    /// the segment that was being shown. A segment whose append did this gets one more chance with fresh bytes.
    fn broken(&mut self, now_ms: f64, playlist: &[u8], shell: &mut impl Shell) {
        if now_ms - self.rebuilt_ms > REBUILDS_TD * self.td_ms {
            self.rebuilds = 0;
        }
        self.rebuilt_ms = now_ms;
        self.rebuilds += 1;
        if self.phase != Phase::Playing || self.rebuilds > REBUILDS_MAX {
            shell.report(Severity::Fatal, "media error");
            return self.close(shell);
        }
        shell.report(Severity::Warning, "media error");
        match self.busy {
            Busy::Init => self.failed(Resource::Init, 0, 1, now_ms, shell),
            Busy::Segment if self.suspect_msn == self.next_msn => self.refused_msn = self.next_msn,
            Busy::Segment => self.suspect_msn = self.next_msn,
            Busy::Idle | Busy::Removal => {}
        }
        let lost_s = buffered_end_s(shell).map_or(0.0, |end_s| end_s - shell.playhead_s());
        // What the playhead has all but finished counts as shown.
        self.next_msn = playlist::segment_before(playlist, self.next_msn, lost_s + RANGE_END_S)
            .map_or(self.first_msn, |shown_msn| shown_msn + 1);
        self.cancel(Resource::Segment, shell);
        self.begins_run = true;
        self.needs_init = true;
        self.codecs_set = false;
        self.is_open = false;
        self.busy = Busy::Idle;
        shell.rebuild();
    }

    // The end.

    fn fatal(&mut self, message: &str, shell: &mut impl Shell) {
        if self.phase == Phase::Playing {
            shell.report(Severity::Fatal, message);
            self.end(shell);
        }
    }

    /// Ends the session: no request from now on.
    fn end(&mut self, shell: &mut impl Shell) {
        for resource in [Resource::Playlist, Resource::Init, Resource::Segment] {
            self.cancel(resource, shell);
        }
        self.phase = Phase::Ending;
        if !self.has_media {
            self.close(shell);
        }
    }

    fn end_of_stream(&mut self, shell: &mut impl Shell) {
        self.phase = Phase::Ended;
        shell.end_of_stream();
    }

    fn close(&mut self, shell: &mut impl Shell) {
        self.phase = Phase::Closed;
        shell.close();
    }

    fn wake_at(&mut self, now_ms: f64) -> f64 {
        if self.phase == Phase::Closed {
            return f64::INFINITY;
        }
        if self.tick_ms <= now_ms {
            self.tick_ms = now_ms + TICK_TD * self.td_ms;
        }
        let mut at_ms = self.tick_ms;
        for request in self.requests {
            if matches!(request.state, State::Loading | State::Waiting) && request.at_ms > now_ms {
                at_ms = at_ms.min(request.at_ms);
            }
        }
        at_ms
    }
}

// The playhead.

fn buffered_end_s(shell: &impl Shell) -> Option<f64> {
    let mut end_s = None;
    let mut index = 0;
    while let Some((_, range_end_s)) = shell.buffered_s(index) {
        end_s = Some(range_end_s);
        index += 1;
    }
    end_s
}

/// How long the playhead could go on without a hole.
fn ahead_s(shell: &impl Shell) -> f64 {
    let playhead_s = shell.playhead_s();
    let mut index = 0;
    while let Some((start_s, end_s)) = shell.buffered_s(index) {
        if start_s <= playhead_s && playhead_s < end_s {
            return end_s - playhead_s;
        }
        index += 1;
    }
    0.0
}

/// Moves a playhead that stands before a hole, or in one, to the next range.
fn unstick(shell: &mut impl Shell) {
    if !shell.is_starving() || ahead_s(shell) > RANGE_END_S {
        return;
    }
    let playhead_s = shell.playhead_s();
    let mut index = 0;
    while let Some((start_s, _)) = shell.buffered_s(index) {
        if start_s > playhead_s {
            return shell.seek(start_s + JUMP_INTO_S);
        }
        index += 1;
    }
}
