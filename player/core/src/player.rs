//! The state machine.
//!
//! Reading order: `handle` and `drive` here, then requests and the answers to them, appends, the playhead.

mod appends;
mod limits;
mod playhead;
mod requests;

use crate::codecs::Codecs;
use crate::playlist::ByteRange;
use crate::{Event, Resource, Severity, Shell};
use limits::*;
use playhead::unstick;

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
    /// The segment that was requested last: its number, and `Segment::key`. It is what the init belongs to.
    last_msn: u64,
    last_key: u32,
    /// The next segment begins a run.
    begins_run: bool,
    /// Segments given up since the last append.
    skips: u32,
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
    /// After this time no `updateend` is waited for any more.
    busy_until_ms: f64,
    /// Nothing is appended before this time, because the SourceBuffer was full.
    full_until_ms: f64,
    has_media: bool,
    end_before_append_s: f64,
    rebuilds: u32,
    rebuilt_ms: f64,
    /// The last segment that cost the MediaSource, and those that are left out for it.
    suspect_msn: u64,
    refused_msn: u64,
    refused_end_msn: u64,

    tick_ms: f64,
    /// When the shell was asked to send the next event at the latest.
    wake_ms: f64,
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
            last_msn: u64::MAX,
            last_key: 0,
            begins_run: true,
            skips: 0,
            segment_began_ms: 0.0,
            is_slow: false,
            map_key: 0,
            codecs: Codecs::NONE,
            codecs_set: false,
            needs_init: true,
            is_open: false,
            busy: Busy::Idle,
            busy_until_ms: 0.0,
            full_until_ms: 0.0,
            has_media: false,
            end_before_append_s: 0.0,
            rebuilds: 0,
            rebuilt_ms: f64::NEG_INFINITY,
            suspect_msn: u64::MAX,
            refused_msn: u64::MAX,
            refused_end_msn: u64::MAX,
            tick_ms: 0.0,
            wake_ms: f64::INFINITY,
        }
    }

    /// Takes in one event and does what can be done. `playlist` is the body of the last playlist request that
    /// succeeded. Returns the time at which to send `Event::Woken`; infinite if the session is over.
    pub fn handle(&mut self, event: Event, now_ms: f64, playlist: &[u8], shell: &mut impl Shell) -> f64 {
        if self.phase == Phase::Closed {
            return f64::INFINITY;
        }
        // The computer slept, or the page was busy: nothing was late but the player, and answers may be queued.
        let late_ms = now_ms - self.wake_ms;
        if late_ms > 0.0 {
            for request in &mut self.requests {
                if request.state == State::Loading {
                    request.at_ms += late_ms;
                }
            }
            self.failing_since_ms += late_ms;
            self.busy_until_ms += late_ms;
        }
        match event {
            Event::Woken => {}
            Event::Opened => self.is_open = true,
            Event::PlaylistLoaded(took_ms) => self.playlist_loaded(now_ms, took_ms, playlist, shell),
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
                self.load(Resource::Playlist, &[], ByteRange::WHOLE, now_ms, shell);
            }
            if self.is_listed {
                self.request_media(now_ms, playlist, shell);
            }
        }
        if self.busy != Busy::Idle && self.busy_until_ms <= now_ms {
            self.updated(shell);
            // Its init begins with `abort()`, which ends whatever may still be going on.
            self.begin_run();
        }
        if self.is_open && self.busy == Busy::Idle {
            self.busy_until_ms = now_ms + TIMEOUT_TD * self.td_ms;
            self.feed(now_ms, shell);
        }
        if self.has_media {
            unstick(shell);
        }
        self.wake_ms = self.wake_at(now_ms);
        self.wake_ms
    }

    /// The next segment does not continue what is there.
    fn begin_run(&mut self) {
        self.begins_run = true;
        self.needs_init = true;
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
