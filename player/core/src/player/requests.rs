//! What is requested when, and what the answers mean.

use super::limits::*;
use super::playhead::ahead_s;
use super::{Player, Request, State};
use crate::playlist::{self, ByteRange, Summary};
use crate::{Resource, Severity, Shell};

impl Player {
    pub(super) fn request(&mut self, resource: Resource) -> &mut Request {
        let [playlist, init, segment] = &mut self.requests;
        match resource {
            Resource::Playlist => playlist,
            Resource::Init => init,
            Resource::Segment => segment,
        }
    }

    pub(super) fn is_due(&mut self, resource: Resource, now_ms: f64) -> bool {
        let request = self.request(resource);
        match request.state {
            State::Idle => true,
            State::Waiting => request.at_ms <= now_ms,
            State::Loading | State::Ready => false,
        }
    }

    pub(super) fn load(
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

    pub(super) fn cancel(&mut self, resource: Resource, shell: &mut impl Shell) {
        let request = self.request(resource);
        if request.state == State::Loading {
            shell.cancel(resource);
        }
        *request = Request { state: State::Idle, at_ms: 0.0, failures: 0 };
    }

    /// Requests the next segment, and the init along with it where one is needed.
    pub(super) fn request_media(&mut self, now_ms: f64, playlist: &[u8], shell: &mut impl Shell) {
        let init_due = self.needs_init && self.is_due(Resource::Init, now_ms);
        let segment = *self.request(Resource::Segment);
        if !(self.is_due(Resource::Segment, now_ms) || (init_due && segment.state != State::Idle)) {
            return;
        }
        if segment.state == State::Idle && ahead_s(shell) > AHEAD_S_MAX {
            return;
        }
        if (self.refused_msn..self.refused_end_msn).contains(&self.next_msn) {
            return self.skip_segment(shell);
        }
        let last = playlist::find(playlist, self.last_msn, self.last_key);
        if let Some((msn, _)) = last {
            self.next_msn = self.next_msn.wrapping_add(msn.wrapping_sub(self.last_msn));
            self.last_msn = msn;
        }
        let pick = playlist::pick(playlist, self.next_msn);
        self.has_all = self.end_list && pick.is_none();
        let Some(pick) = pick else { return };
        if segment.state == State::Idle || pick.msn != self.next_msn {
            self.cancel(Resource::Segment, shell);
            if pick.msn != self.next_msn {
                self.begin_run();
                self.next_msn = pick.msn;
            }
            if pick.discontinuity {
                self.begin_run();
            }
            let map_key = pick.map.key();
            // A discontinuity that states its EXT-X-MAP anew is an encoder that may have written other bytes
            // under the same name; one that doesn't is served from the bytes that are here.
            let is_other = last.map_or(map_key != self.map_key, |(_, map)| map != pick.map.exact_key());
            self.map_key = map_key;
            if is_other || (pick.discontinuity && pick.map_stated) {
                self.cancel(Resource::Init, shell);
                self.needs_init = true;
            }
        }
        if self.needs_init && self.is_due(Resource::Init, now_ms) {
            if pick.map.uri.is_empty() {
                return self.fatal("no EXT-X-MAP", shell);
            }
            self.load(Resource::Init, pick.map.uri, pick.map.range, now_ms, shell);
        }
        if self.is_due(Resource::Segment, now_ms) {
            self.last_msn = pick.msn;
            self.last_key = pick.key();
            self.load(Resource::Segment, pick.uri, pick.range, now_ms, shell);
        }
    }

    pub(super) fn playlist_loaded(&mut self, now_ms: f64, took_ms: u32, text: &[u8], shell: &mut impl Shell) {
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
        let at_ms = now_ms - f64::from(took_ms) + wait_td * self.td_ms;
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
            self.last_msn = u64::MAX;
            self.begin_run();
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

    pub(super) fn failed(
        &mut self,
        resource: Resource,
        status: u16,
        weight: u32,
        now_ms: f64,
        shell: &mut impl Shell,
    ) {
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
                // Without a connection it is not the segment's fault.
                let is_offline = status == 0 && self.request(Resource::Playlist).failures > 0;
                let tries_max = if is_absent { SEGMENT_ABSENT_TRIES_MAX } else { SEGMENT_TRIES_MAX };
                if failures >= tries_max && !is_offline {
                    self.skip_segment(shell);
                }
            }
        }
    }

    pub(super) fn skip_segment(&mut self, shell: &mut impl Shell) {
        self.cancel(Resource::Segment, shell);
        self.next_msn += 1;
        self.begin_run();
        shell.report(Severity::Warning, "segment skipped");
        self.skips += 1;
        if self.skips >= SKIPS_MAX {
            self.fatal("segments lost", shell);
        }
    }
}
