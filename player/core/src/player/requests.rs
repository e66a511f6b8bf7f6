//! What is requested when, and what the answers mean.

use super::limits::*;
use super::{Player, Request, State};
use crate::playlist::{self, Place};
use crate::{Report, Resource, Shell};

impl Player {
    pub(super) fn request(&mut self, resource: Resource) -> &mut Request {
        &mut self.requests[resource as usize]
    }

    pub(super) fn is_due(&mut self, resource: Resource, now_ms: f64) -> bool {
        let request = self.request(resource);
        // One that is idle is due at zero.
        matches!(request.state, State::Idle | State::Waiting) && request.at_ms <= now_ms
    }

    pub(super) fn load(&mut self, resource: Resource, place: Place, now_ms: f64, shell: &mut impl Shell) {
        let timeout_td = if self.is_slow[resource as usize] { TIMEOUT_SLOW_TD } else { TIMEOUT_TD };
        let at_ms = now_ms + timeout_td * self.td_ms;
        let request = self.request(resource);
        request.state = State::Loading;
        request.at_ms = at_ms;
        shell.load(resource, place);
    }

    /// There is an answer in time. If it would have come so without the longer wait, the next one is waited for as others are.
    pub(super) fn has_come(&mut self, resource: Resource, now_ms: f64) {
        let at_ms = self.request(resource).at_ms;
        self.is_slow[resource as usize] &= now_ms > at_ms - (TIMEOUT_SLOW_TD - TIMEOUT_TD) * self.td_ms;
    }

    /// Aborts what may be over already, which does nothing then.
    #[inline(never)]
    pub(super) fn cancel(&mut self, resource: Resource, shell: &mut impl Shell) {
        shell.cancel(resource);
        *self.request(resource) = Request::NONE;
    }

    /// Requests the next segment, and the init along with it where one is needed.
    pub(super) fn request_media(&mut self, now_ms: f64, shell: &mut impl Shell) {
        let init_due = self.needs_init && self.is_due(Resource::Init, now_ms);
        let state = self.request(Resource::Segment).state;
        if !(self.is_due(Resource::Segment, now_ms) || (init_due && state != State::Idle)) {
            return;
        }
        if state == State::Idle && (self.view.ahead_s > AHEAD_S_MAX || shell.is_full()) {
            return;
        }
        if (self.refused_msn..self.refused_end_msn).contains(&self.next_msn) {
            return self.skip_segment(shell);
        }
        let is_last_listed = self.reader.find(shell, self.last_msn, self.last_key);
        let last_map = self.reader.found_map;
        if is_last_listed {
            self.next_msn = self.next_msn.wrapping_add(self.reader.found_msn.wrapping_sub(self.last_msn));
            self.last_msn = self.reader.found_msn;
        }
        let is_listed = self.reader.pick(shell, self.next_msn);
        self.has_all = self.end_list && !is_listed;
        if !is_listed {
            return;
        }
        let segment = self.reader.segment;
        // It was asked for in vain until it left the list.
        if segment.msn != self.next_msn && self.request(Resource::Segment).failures > 0 {
            return self.skip_segment(shell);
        }
        if state == State::Idle || segment.msn != self.next_msn {
            self.cancel(Resource::Segment, shell);
            if segment.msn != self.next_msn {
                self.begin_elsewhere();
            } else if segment.discontinuity {
                self.begin_run();
            }
            self.next_msn = segment.msn;
            // A discontinuity that states its EXT-X-MAP anew is an encoder that may have written other bytes
            // under the same name; one that doesn't is served from the bytes that are here.
            let map_key = self.reader.map_key(shell);
            let is_other = if is_last_listed {
                last_map != self.reader.exact_map_key(shell)
            } else {
                map_key != self.map_key
            };
            self.map_key = map_key;
            if is_other || (segment.discontinuity && segment.map_stated) {
                self.cancel(Resource::Init, shell);
                self.needs_init = true;
            }
        }
        if self.needs_init && self.is_due(Resource::Init, now_ms) {
            if segment.map == 0 {
                return self.fatal(Report::NoMap, shell);
            }
            self.load(Resource::Init, segment.map, now_ms, shell);
        }
        if self.is_due(Resource::Segment, now_ms) {
            self.last_msn = segment.msn;
            self.last_key = self.reader.segment_key(shell);
            self.load(Resource::Segment, segment.uri, now_ms, shell);
        }
    }

    pub(super) fn playlist_loaded(&mut self, now_ms: f64, took_ms: f64, shell: &mut impl Shell) {
        self.reader.reset();
        let mut count = 0;
        while self.reader.advance(shell) {
            count += 1;
        }
        let mut td_s = self.reader.target_duration_s;
        self.is_listed = td_s > 0.0;
        if !self.is_listed {
            return self.failed(Resource::Playlist, 0, 1, now_ms, shell);
        }
        let end_msn = self.reader.segment.msn;
        let first_msn = end_msn - count;
        let map_key = self.reader.map_key(shell);
        if td_s > TARGET_DURATION_S_MAX {
            td_s = TARGET_DURATION_S_MAX;
        }
        self.td_ms = td_s * 1000.0;
        let end_list = self.reader.end_list;
        self.has_come(Resource::Playlist, now_ms);

        // RFC 8216, section 6.3.4: counted from the beginning of the last request.
        let text_hash = playlist::text_hash(shell);
        let is_new = text_hash != self.text_hash;
        let wait_td = if is_new { 1.0 } else { 0.5 };
        self.text_hash = text_hash;
        #[cfg(feature = "full")]
        {
            self.switch.stale += 1;
            if is_new || end_list || self.next_msn < self.end_msn {
                self.switch.stale = 0;
            } else if self.switch.stale >= VARIANT_STALE_MAX && self.fail_over(shell) {
                return;
            }
        }
        let at_ms = now_ms - took_ms + wait_td * self.td_ms;
        *self.request(Resource::Playlist) = Request { state: State::Waiting, at_ms, failures: 0 };

        if end_msn == first_msn {
            self.end_list = end_list;
            self.is_listed = end_list;
            return;
        }
        #[cfg(feature = "full")]
        if self.switch.is_asked {
            self.switch_lists(first_msn, end_msn, shell);
        }
        if end_msn < self.end_msn {
            self.rollbacks += 1;
            let is_far = end_msn + RESTART_MSN_GAP < self.first_msn;
            // What was listed first, under the same number: another edge, which will come to what is next.
            let is_behind =
                self.reader.pick(shell, self.first_msn) && self.reader.segment_key(shell) == self.first_key;
            let answers = if is_behind {
                count
            } else if map_key != self.map_key {
                0
            } else if is_far {
                RESTART_ANSWERS_FAR
            } else {
                RESTART_ANSWERS
            };
            if self.rollbacks < answers {
                return;
            }
            // A new stream under the old name, and an init whose bytes may be others.
            self.cancel(Resource::Segment, shell);
            self.map_key = 0;
            self.last_msn = u64::MAX;
            self.begin_elsewhere();
            self.end_msn = 0;
            // What was wrong with segments of these numbers was with others.
            self.careful_end_msn = 0;
            self.refused_end_msn = 0;
            self.is_lost = false;
        }
        self.rollbacks = 0;
        self.end_list = end_list;
        self.reader.pick(shell, first_msn);
        self.first_key = self.reader.segment_key(shell);
        self.first_msn = first_msn;
        if self.end_msn == 0 {
            let hold_back_s = if self.end_list { f64::INFINITY } else { HOLD_BACK_TD * td_s };
            self.reader.place_before(shell, end_msn, hold_back_s);
            self.next_msn = self.reader.found_msn;
        }
        self.end_msn = end_msn;
        if self.has_media {
            shell.report_latency(self.left_s + td_s * (end_msn - self.next_msn) as f64);
        }
    }

    pub(super) fn failed(
        &mut self,
        resource: Resource,
        status: u32,
        weight: u32,
        now_ms: f64,
        shell: &mut impl Shell,
    ) {
        let td_ms = self.td_ms;
        let request = self.request(resource);
        let wait_td = match request.failures {
            0 => BACKOFF_TD,
            1 => 2.0 * BACKOFF_TD,
            _ => BACKOFF_TD_MAX,
        };
        request.state = State::Waiting;
        // What has timed out has waited already.
        request.at_ms = now_ms + wait_td * td_ms / f64::from(weight);
        request.failures += weight;
        let failures = request.failures;
        // Not what a lost connection may be to blame for, and others would share.
        #[cfg(feature = "full")]
        let has_other = (status > 0 || resource != Resource::Segment && weight > 1)
            && failures
                >= match resource {
                    Resource::Playlist if matches!(status, 404 | 410) => 1,
                    Resource::Segment => SEGMENT_TRIES_MIN,
                    _ => VARIANT_TRIES_MAX,
                }
            && self.fail_over(shell);
        #[cfg(feature = "full")]
        if has_other {
            return;
        }
        match resource {
            Resource::Playlist => {
                if failures == weight {
                    self.failing_since_ms = now_ms;
                }
                let failing_ms = now_ms - self.failing_since_ms;
                // What the page did not give is NaN, and no time is less.
                if failing_ms < self.patience_ms {
                    return;
                }
                if matches!(status, 404 | 410) {
                    if self.has_media {
                        self.end(shell);
                    } else {
                        self.fatal(Report::NoPlaylist, shell);
                    }
                } else if failing_ms > PLAYLIST_LOST_MS {
                    self.fatal(Report::PlaylistLost, shell);
                }
            }
            // Without a connection it is not their fault.
            _ if status == 0 && self.request(Resource::Playlist).failures > 0 => {}
            Resource::Init => {
                if failures >= INIT_TRIES_MAX {
                    self.fatal(Report::InitLost, shell);
                }
            }
            Resource::Segment => {
                if failures >= SEGMENT_TRIES_MIN && self.view.ahead_s * 1000.0 < td_ms {
                    self.skip_segment(shell);
                }
            }
        }
    }

    pub(super) fn skip_segment(&mut self, shell: &mut impl Shell) {
        self.cancel(Resource::Segment, shell);
        self.next_msn += 1;
        self.begin_elsewhere();
        shell.report(Report::SegmentLost);
        self.skips += 1;
        if self.skips >= SKIPS_MAX {
            self.fatal(Report::SegmentsLost, shell);
        }
    }
}
