//! What goes into the SourceBuffer and out of it, and what is done when it is lost.

use super::limits::*;
use super::{Busy, Phase, Player, State};
use crate::{Report, Resource, Shell};

impl Player {
    pub(super) fn feed(&mut self, now_ms: f64, shell: &mut impl Shell) {
        match self.phase {
            Phase::Ending => return self.end_of_stream(shell),
            Phase::Playing => {}
            Phase::Ended | Phase::Closed => return,
        }
        if now_ms < self.full_until_ms {
            return;
        }
        // An init may cost what is left.
        let left_s = if self.needs_init && !shell.is_starving() {
            CAREFUL_INIT_S
        } else {
            CAREFUL_TD * self.td_ms / 1000.0
        };
        let is_early = self.next_msn < self.careful_end_msn && self.view.ahead_s > left_s;
        // Later on an init waits for what follows it, which may never come.
        let is_segment_ready = self.request(Resource::Segment).state == State::Ready && !is_early;
        let is_init_ready = self.request(Resource::Init).state == State::Ready;
        if is_segment_ready && is_init_ready {
            let start_s = shell.segment_start_s();
            #[cfg(feature = "full")]
            if self.is_misplaced(start_s, now_ms) {
                return;
            }
            if !self.begins_run && start_s < self.view.end_s - BACK_S_MIN {
                self.begin_run();
            }
        }
        if self.needs_init && (is_segment_ready || !self.has_media) {
            if is_init_ready {
                self.busy = Busy::Init;
                shell.append(Resource::Init, None);
            }
        } else if is_segment_ready {
            self.busy = Busy::Segment;
            self.end_before_append_s = self.view.end_s;
            let is_placed = self.begins_run && self.view.end_s >= 0.0;
            shell.append(Resource::Segment, is_placed.then_some(self.view.end_s));
        } else if self.view.start_s >= 0.0 && self.view.playhead_s - self.view.start_s > BEHIND_S_MAX {
            self.remove_behind(BEHIND_S_KEPT, shell);
        } else if self.has_all {
            self.end_of_stream(shell);
        }
    }

    pub(super) fn updated(&mut self, shell: &mut impl Shell) {
        match self.busy {
            Busy::Init => self.needs_init = false,
            Busy::Segment => {
                self.has_media = true;
                self.skips = 0;
                // Behind one that added nothing there would be a hole.
                self.begins_run = false;
                if self.view.end_s >= 0.0 && self.view.end_s < self.end_before_append_s + EXTENDED_S_MIN {
                    self.begin_run();
                }
                self.next_msn += 1;
                self.cancel(Resource::Segment, shell);
            }
            Busy::Idle | Busy::Removal => {}
        }
        self.busy = Busy::Idle;
    }

    pub(super) fn quota_exceeded(&mut self, now_ms: f64, shell: &mut impl Shell) {
        self.busy = Busy::Idle;
        self.full_until_ms = now_ms + FULL_RETRY_TD * self.td_ms;
        // A group that begins before that is removed to its end, be it shown or not.
        let kept_s = self.td_ms / 1000.0;
        if self.view.playhead_s - self.view.start_s > kept_s {
            self.remove_behind(kept_s, shell);
        }
    }

    fn remove_behind(&mut self, kept_s: f64, shell: &mut impl Shell) {
        self.busy = Busy::Removal;
        shell.remove_before(self.view.playhead_s - kept_s);
    }

    /// The MediaSource is lost, and what was buffered with it. A new one takes its place, which goes on where the playhead
    /// was. Whoever is to blame gets one more chance with fresh bytes, what is right behind one that was left out gets
    /// none. It is the segment whose append failed, or else, because decoders find out when they come to it, the one that
    /// was appended last, as soon as they are appended one by one.
    pub(super) fn broken(&mut self, now_ms: f64, shell: &mut impl Shell) {
        if now_ms - self.rebuilt_ms > REBUILDS_TD * self.td_ms {
            self.rebuilds = 0;
        }
        self.rebuilt_ms = now_ms;
        self.rebuilds += 1;
        // Where a list has ended, its last segments are decoded when all have been appended.
        if (self.phase != Phase::Playing && !self.has_all) || self.rebuilds > REBUILDS_MAX {
            shell.report(Report::MediaError);
            return self.close(shell);
        }
        self.phase = Phase::Playing;
        shell.report(Report::MediaLost);
        // An element may tell the error of the last MediaSource again, before anything is in this one.
        let is_careful = self.has_media && self.next_msn <= self.careful_end_msn;
        self.careful_end_msn = self.careful_end_msn.max(self.next_msn + 1);
        if self.busy == Busy::Init {
            self.failed(Resource::Init, 0, 1, now_ms, shell);
        } else if self.busy == Busy::Segment || is_careful {
            let suspect_msn = if self.busy == Busy::Segment { self.next_msn } else { self.next_msn - 1 };
            if suspect_msn == self.refused_end_msn {
                self.refused_end_msn += 1;
            } else if suspect_msn == self.suspect_msn {
                self.refused_msn = suspect_msn;
                self.refused_end_msn = suspect_msn + 1;
            }
            self.suspect_msn = suspect_msn;
        }
        // What is being appended may be buffered already, and is not counted.
        let mut end_s = self.view.end_s;
        if self.busy == Busy::Segment && end_s > self.end_before_append_s {
            end_s = self.end_before_append_s;
        }
        // WebKit has forgotten by now what was buffered.
        if end_s >= 0.0 {
            self.left_s = end_s - self.view.playhead_s;
        }
        if is_careful && self.busy == Busy::Init {
            // An init that no SourceBuffer takes behind the one before, as with another number of tracks, gets a MediaSource of
            // its own, once what was before it has nearly been played.
            self.rebuilds = 0;
            self.resume_s = 0.0;
        } else if self.has_media {
            self.is_lost = true;
        }
        self.cancel(Resource::Segment, shell);
        self.begin_run();
        self.is_open = false;
        self.busy = Busy::Idle;
        self.has_media = false;
        shell.rebuild();
    }
}
