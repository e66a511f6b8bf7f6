//! The state machine.
//!
//! Reading order: `handle` and `drive` here, then requests and the answers to them, appends, the playhead.

mod appends;
mod limits;
mod playhead;
mod requests;
#[cfg(feature = "full")]
mod variants;

use crate::playlist::Reader;
use crate::{Event, Report, Resource, Shell};
use limits::*;
use playhead::View;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
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
#[repr(u32)]
enum State {
    Idle,
    /// The next try is due at `Request::at_ms`.
    Waiting,
    /// Until `Request::at_ms` at most.
    Loading,
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

impl Request {
    const NONE: Request = Request { state: State::Idle, at_ms: 0.0, failures: 0 };
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Busy {
    Idle,
    Init,
    Segment,
    Removal,
}

/// From one variant to another.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "full"), allow(dead_code))]
struct Switch {
    /// What the link is known to carry; zero as long as nothing is known.
    bits_per_s: f64,
    /// Segments since the last one.
    age: i32,
    /// Answers in a row that said nothing new, while nothing else was left to load.
    stale: u32,
    /// The next playlist is another variant's.
    is_asked: bool,
    /// The next segment is the first of another variant.
    is_new: bool,
}

/// One session: one playlist, one media element.
// What is used by a pointer comes first: see `Player::IN_MEMORY_BYTES`.
#[repr(C)]
pub struct Player {
    requests: [Request; 3],
    /// The last one of each resource took longer than `TIMEOUT_TD`.
    is_slow: [bool; 3],
    phase: Phase,
    td_ms: f64,

    // The playlist.
    reader: Reader,
    /// How long one that is gone is waited for; NaN for not at all.
    patience_ms: f64,
    /// When it failed first since there was one, or since another variant's was asked for.
    failing_since_ms: f64,
    text_hash: u32,
    /// The text that the shell holds is a Media Playlist, which lists something or says that nothing follows.
    is_listed: bool,
    end_list: bool,
    /// The list is complete and nothing of it is missing any more.
    has_all: bool,
    first_msn: u64,
    /// Zero as long as nothing was listed, or the stream that was is over.
    end_msn: u64,
    /// `Reader::segment_key` of the first segment that is listed.
    first_key: u32,
    rollbacks: u64,

    // The cursor.
    /// The lowest Media Sequence Number that is still wanted; what the segment request is for, if there is one.
    next_msn: u64,
    /// The segment that was requested last: its number, and `Reader::segment_key`. It is what the init belongs to.
    last_msn: u64,
    last_key: u32,
    /// The next segment begins a run.
    begins_run: bool,
    /// Segments given up since the last append.
    skips: u32,

    // The init.
    /// `Reader::map_key` of the init that was requested last; zero for none.
    map_key: u32,
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

    // The playhead.
    view: View,
    /// Where it goes when there are media again: so far behind their beginning. NaN once it is there.
    resume_s: f64,
    /// How far it was from the end of what was buffered, when that was last asked.
    left_s: f64,
    /// When it last went on, or could not.
    moved_ms: f64,
    is_hurrying: bool,
    /// The viewer has gone somewhere else than to the end.
    is_away: bool,
    /// Where to go on behind a loss is still to be found, in a list that is believed.
    is_lost: bool,

    // A MediaSource that was lost.
    rebuilds: u32,
    rebuilt_ms: f64,
    /// Up to here each segment is appended when the one before it has nearly been played, so that it is known which one
    /// a decoder fails at.
    careful_end_msn: u64,
    /// The last segment that cost the MediaSource, and those that are left out for it.
    suspect_msn: u64,
    refused_msn: u64,
    refused_end_msn: u64,

    switch: Switch,

    // Its own clock.
    late_ms: f64,
    /// When the shell was asked to send the next event at the latest.
    wake_ms: f64,
}

impl Player {
    /// How much of a player has to be in memory: the rest is used field by field, each under its own name.
    pub const IN_MEMORY_BYTES: usize = core::mem::offset_of!(Player, phase);

    pub const NEW: Player = Player {
        phase: Phase::Playing,
        td_ms: TARGET_DURATION_UNKNOWN_S * 1000.0,
        requests: [Request::NONE; 3],
        reader: Reader::NEW,
        patience_ms: 0.0,
        failing_since_ms: 0.0,
        text_hash: 0,
        is_listed: false,
        end_list: false,
        has_all: false,
        first_msn: 0,
        end_msn: 0,
        first_key: 0,
        rollbacks: 0,
        next_msn: 0,
        last_msn: u64::MAX,
        last_key: 0,
        begins_run: true,
        skips: 0,
        is_slow: [false; 3],
        map_key: 0,
        needs_init: true,
        is_open: false,
        busy: Busy::Idle,
        busy_until_ms: 0.0,
        full_until_ms: 0.0,
        has_media: false,
        end_before_append_s: 0.0,
        view: View::NONE,
        resume_s: 0.0,
        left_s: 0.0,
        moved_ms: 0.0,
        is_hurrying: false,
        is_away: false,
        is_lost: false,
        rebuilds: 0,
        rebuilt_ms: f64::NEG_INFINITY,
        careful_end_msn: 0,
        suspect_msn: u64::MAX,
        refused_msn: u64::MAX,
        refused_end_msn: u64::MAX,
        switch: Switch { bits_per_s: 0.0, age: 0, stale: 0, is_asked: false, is_new: false },
        late_ms: 0.0,
        wake_ms: f64::INFINITY,
    };

    /// Takes in one event with its value and does what can be done. Returns after how many milliseconds to send
    /// `Event::Woken`, unless the session has been closed or another event comes before that.
    pub fn handle(&mut self, event: Event, value: f64, now_ms: f64, shell: &mut impl Shell) -> f64 {
        let was_at_s = self.view.playhead_s;
        self.view.look(shell);
        // The computer slept, or the page was busy: nothing was late but the player, and answers may be queued. So a clock of
        // its own stood still meanwhile.
        let mut now_ms = now_ms - self.late_ms;
        if now_ms - self.wake_ms > SLEEP_TD * self.td_ms {
            self.late_ms += now_ms - self.wake_ms;
            now_ms = self.wake_ms;
        }
        let may_play = self.view.ahead_s > RANGE_END_S && !shell.is_starving() && !shell.is_paused();
        if self.view.playhead_s != was_at_s || !may_play {
            self.moved_ms = now_ms;
        }
        match event {
            Event::Woken if now_ms - self.moved_ms < STUCK_TD * self.td_ms => {}
            Event::PlaylistLoaded => self.playlist_loaded(now_ms, value, shell),
            Event::InitLoaded => self.request(Resource::Init).state = State::Ready,
            Event::SegmentLoaded => {
                self.has_come(Resource::Segment, now_ms);
                self.request(Resource::Segment).state = State::Ready;
                #[cfg(feature = "full")]
                self.weigh(value, shell);
            }
            Event::PlaylistFailed => self.failed(Resource::Playlist, value as u32, 1, now_ms, shell),
            Event::InitFailed => self.failed(Resource::Init, value as u32, 1, now_ms, shell),
            Event::SegmentFailed => self.failed(Resource::Segment, value as u32, 1, now_ms, shell),
            Event::Opened => {
                self.patience_ms = value;
                self.is_open = true;
                self.full_until_ms = 0.0;
            }
            Event::Updated => self.updated(shell),
            Event::QuotaExceeded => self.quota_exceeded(now_ms, shell),
            Event::Woken | Event::Broken => self.broken(now_ms, shell),
            // An ad, perhaps, behind which there is more of what can be played.
            Event::Unsupported if self.has_media || self.rebuilds > 0 => {
                self.busy = Busy::Idle;
                if !self.has_media {
                    self.cancel(Resource::Init, shell);
                }
                self.skip_segment(shell);
            }
            Event::Unsupported => self.fatal(Report::NoDecoder, shell),
            // A stream that declares its duration may seem to end before its list does.
            Event::Ended if self.phase == Phase::Ended => self.close(shell),
            Event::Ended => {}
            Event::Sought => self.is_away = true,
        }
        self.drive(now_ms, shell)
    }

    fn drive(&mut self, now_ms: f64, shell: &mut impl Shell) -> f64 {
        if self.phase == Phase::Closed {
            return 0.0;
        }
        self.wake_ms = now_ms + TICK_TD * self.td_ms;
        // Before a segment may be left out: it is the first one's beginning that the playhead resumes behind.
        self.move_playhead(now_ms, shell);
        self.time_out(Resource::Playlist, now_ms, shell);
        self.time_out(Resource::Init, now_ms, shell);
        self.time_out(Resource::Segment, now_ms, shell);
        if self.phase == Phase::Playing {
            if (self.switch.is_asked || !self.end_list) && self.is_due(Resource::Playlist, now_ms) {
                self.load(Resource::Playlist, 0, now_ms, shell);
            }
            if self.is_listed {
                if self.is_lost && self.rollbacks == 0 {
                    self.is_lost = false;
                    self.reader.place_before(shell, self.next_msn, self.left_s);
                    self.next_msn = self.reader.found_msn;
                    self.resume_s = self.reader.found_s;
                }
                // Of what came before that, the place would have to be found once more.
                if !self.is_lost {
                    self.request_media(now_ms, shell);
                }
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
        self.wake_for(Resource::Playlist, now_ms);
        self.wake_for(Resource::Init, now_ms);
        self.wake_for(Resource::Segment, now_ms);
        self.wake_ms - now_ms
    }

    #[inline(never)]
    fn time_out(&mut self, resource: Resource, now_ms: f64, shell: &mut impl Shell) {
        let request = *self.request(resource);
        if request.state == State::Loading && request.at_ms <= now_ms {
            shell.cancel(resource);
            self.is_slow[resource as usize] = true;
            self.failed(resource, 0, TIMEOUT_TRIES, now_ms, shell);
            #[cfg(feature = "full")]
            if resource == Resource::Segment {
                self.weigh(0.0, shell);
            }
        }
    }

    #[inline(never)]
    fn wake_for(&mut self, resource: Resource, now_ms: f64) {
        // Of one that is ready that is once too often.
        let at_ms = self.request(resource).at_ms;
        if at_ms > now_ms {
            self.wake_by(at_ms);
        }
    }

    fn wake_by(&mut self, at_ms: f64) {
        if at_ms < self.wake_ms {
            self.wake_ms = at_ms;
        }
    }

    /// The next segment does not continue what is there.
    fn begin_run(&mut self) {
        self.begins_run = true;
        self.needs_init = true;
    }

    /// Nor is it the one in which the playhead is to resume, unless that is there already.
    fn begin_elsewhere(&mut self) {
        self.resume_s *= f64::from(self.has_media);
        self.begin_run();
    }

    // The end.

    fn fatal(&mut self, report: Report, shell: &mut impl Shell) {
        if self.phase == Phase::Playing {
            shell.report(report);
            self.end(shell);
        }
    }

    /// Ends the session: no request from now on.
    fn end(&mut self, shell: &mut impl Shell) {
        self.cancel(Resource::Playlist, shell);
        self.cancel(Resource::Init, shell);
        self.cancel(Resource::Segment, shell);
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
}
