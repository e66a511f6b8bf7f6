//! Which variant of a Multivariant Playlist is played (RFC 8216, section 6.2.4).

use super::limits::*;
use super::{Player, Request, State, Switch};
use crate::{Resource, Shell};

impl Player {
    /// A segment has come, or was given up because it took too long.
    pub(super) fn weigh(&mut self, bits_per_s: f64, shell: &mut impl Shell) {
        // What a link did not do it cannot; what it did once it need not do again.
        let most = self.switch.bits_per_s * BITS_GROWTH;
        self.switch.bits_per_s = if bits_per_s < most || most == 0.0 { bits_per_s } else { most };
        self.switch.age += 1;
        let limit = self.switch.bits_per_s * BITS_SHARE;
        let goes_up = self.switch.age >= UP_AGE_MIN;
        if shell.choose(limit, goes_up) {
            self.change(0, shell);
        }
    }

    /// What is played is not there, or no longer. Whether another one takes its place, which may not be there either.
    #[inline(never)]
    pub(super) fn fail_over(&mut self, shell: &mut impl Shell) -> bool {
        let has_other = shell.fail_over(self.switch.bits_per_s * BITS_SHARE);
        if has_other {
            self.change(LOST_AGE, shell);
        }
        has_other
    }

    fn change(&mut self, age: i32, shell: &mut impl Shell) {
        self.switch = Switch { age, is_asked: true, stale: 0, ..self.switch };
        self.cancel(Resource::Playlist, shell);
        // Nothing more of the old one.
        self.is_listed = false;
    }

    /// The list is another variant's. Its numbers need not be those of the one before, but both lists end at about the same
    /// moment; the segment itself will tell.
    pub(super) fn switch_lists(&mut self, first_msn: u64, end_msn: u64, shell: &mut impl Shell) {
        // Of the old one nothing more is appended, whose init may never have come.
        self.cancel(Resource::Segment, shell);
        self.switch.is_asked = false;
        self.switch.is_new = true;
        if self.next_msn < first_msn || self.next_msn > end_msn {
            self.next_msn = end_msn - (self.end_msn - self.next_msn).min(end_msn - first_msn);
        }
        self.end_msn = end_msn;
        self.last_msn = u64::MAX;
        self.map_key = 0;
    }

    /// The first segment of a variant is ready, and would begin there. Whether it is another one than the next: then that is
    /// what is wanted now.
    pub(super) fn is_misplaced(&mut self, start_s: f64, now_ms: f64) -> bool {
        let is_new = self.switch.is_new;
        self.switch.is_new = false;
        let gap_s = start_s - self.view.end_s - FITS_S;
        // What cannot be read begins at infinity.
        let segments = ((gap_s * 1000.0 / self.td_ms) as i64).wrapping_add(i64::from(gap_s > 0.0));
        // The clock of another run says nothing.
        if !is_new || self.begins_run || self.view.end_s < 0.0 || segments == 0 {
            return false;
        }
        // The clocks of its media are other ones: more than so many away, either way.
        if segments.wrapping_add(RESTART_MSN_GAP as i64) as u64 > 2 * RESTART_MSN_GAP {
            self.begin_run();
            return false;
        }
        self.next_msn = self.next_msn.wrapping_sub(segments as u64);
        // Asked for as soon as may be: what is requested in this event has been.
        *self.request(Resource::Segment) =
            Request { state: State::Waiting, at_ms: now_ms + 1.0, failures: 0 };
        true
    }
}
