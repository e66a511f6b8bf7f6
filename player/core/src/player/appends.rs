//! What goes into the SourceBuffer and out of it.

use super::limits::*;
use super::playhead::buffered_end_s;
use super::{Busy, Phase, Player, State};
use crate::playlist;
use crate::{Resource, Severity, Shell};

impl Player {
    pub(super) fn feed(&mut self, now_ms: f64, shell: &mut impl Shell) {
        let segment = *self.request(Resource::Segment);
        match self.phase {
            Phase::Ending => return self.end_of_stream(shell),
            Phase::Playing => {}
            Phase::Ended | Phase::Closed => return,
        }
        if now_ms < self.full_until_ms {
            return;
        }
        // Later on it waits for what follows it, which may never come.
        let is_segment_ready = segment.state == State::Ready;
        if self.needs_init && (is_segment_ready || !self.has_media) {
            if self.request(Resource::Init).state == State::Ready {
                if !self.codecs_set {
                    self.codecs_set = true;
                    shell.set_codecs(self.codecs.as_bytes());
                }
                self.busy = Busy::Init;
                shell.append(Resource::Init, None);
            }
        } else if is_segment_ready {
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

    pub(super) fn updated(&mut self, shell: &mut impl Shell) {
        match self.busy {
            Busy::Init => self.needs_init = false,
            Busy::Segment => {
                self.has_media = true;
                self.skips = 0;
                let end_s = buffered_end_s(shell).unwrap_or(0.0);
                let has_extended = end_s > self.end_before_append_s + EXTENDED_S_MIN;
                if self.begins_run || has_extended {
                    // Behind one that added nothing even as a run there would be a hole.
                    self.begins_run = false;
                    if !has_extended {
                        self.begin_run();
                    }
                    self.next_msn += 1;
                    self.cancel(Resource::Segment, shell);
                } else {
                    self.begin_run();
                }
            }
            Busy::Idle | Busy::Removal => {}
        }
        self.busy = Busy::Idle;
    }

    pub(super) fn quota_exceeded(&mut self, now_ms: f64, shell: &mut impl Shell) {
        self.busy = Busy::Idle;
        self.full_until_ms = now_ms + FULL_RETRY_TD * self.td_ms;
        let end_s = shell.playhead_s() - BEHIND_FULL_S_KEPT;
        if shell.buffered_s(0).is_some_and(|(start_s, _)| start_s < end_s) {
            self.remove_before(end_s, shell);
        }
    }

    pub(super) fn remove_before(&mut self, end_s: f64, shell: &mut impl Shell) {
        self.busy = Busy::Removal;
        shell.remove_before(end_s);
    }

    /// The MediaSource is lost, and what was buffered with it. A new one takes its place, which goes on behind
    /// the segment that was being shown. A segment that did this gets one more chance with fresh bytes; those right
    /// behind one that was left out get none. It is the one whose append failed, or else, because decoders find out
    /// late, the one that comes next to the screen.
    pub(super) fn broken(&mut self, now_ms: f64, playlist: &[u8], shell: &mut impl Shell) {
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
        let mut suspect_msn = self.next_msn;
        let lost_s = buffered_end_s(shell).map_or(0.0, |end_s| end_s - shell.playhead_s());
        // What the playhead has all but finished counts as shown.
        self.next_msn = playlist::segment_before(playlist, self.next_msn, lost_s + RANGE_END_S)
            .map_or(self.first_msn, |shown_msn| shown_msn + 1);
        if self.busy == Busy::Init {
            self.failed(Resource::Init, 0, 1, now_ms, shell);
        } else {
            if self.busy != Busy::Segment {
                suspect_msn = self.next_msn;
            }
            if suspect_msn == self.refused_end_msn {
                self.refused_end_msn += 1;
            } else if suspect_msn == self.suspect_msn {
                self.refused_msn = suspect_msn;
                self.refused_end_msn = suspect_msn + 1;
            }
            self.suspect_msn = suspect_msn;
        }
        self.cancel(Resource::Segment, shell);
        self.begin_run();
        self.codecs_set = false;
        self.is_open = false;
        self.busy = Busy::Idle;
        shell.rebuild();
    }
}
