//! Where the playhead is in what is buffered, and how it gets across holes, and nearer to the end.

use super::Player;
use super::limits::*;
use crate::Shell;

/// What is buffered around the playhead, in seconds. It stays as it is while an event is handled: appends and removals are
/// done later.
#[derive(Clone, Copy)]
pub struct View {
    pub playhead_s: f64,
    /// Where the first range begins, and the last one ends; below zero if nothing is buffered.
    pub start_s: f64,
    pub end_s: f64,
    /// How long the playhead could go on without a hole.
    pub ahead_s: f64,
    /// Where the first range behind the playhead begins; infinity if there is none.
    pub next_s: f64,
}

impl View {
    pub const NONE: View = View { playhead_s: 0.0, start_s: 0.0, end_s: 0.0, ahead_s: 0.0, next_s: 0.0 };

    pub fn look(&mut self, shell: &impl Shell) {
        self.playhead_s = shell.playhead_s();
        self.start_s = shell.edge_s(0);
        self.end_s = self.start_s;
        self.ahead_s = 0.0;
        self.next_s = f64::INFINITY;
        let mut index = 0;
        loop {
            let start_s = shell.edge_s(index);
            if start_s < 0.0 {
                return;
            }
            self.end_s = shell.edge_s(index + 1);
            index += 2;
            if start_s > self.playhead_s {
                if start_s < self.next_s {
                    self.next_s = start_s;
                }
            } else if self.playhead_s < self.end_s {
                self.ahead_s = self.end_s - self.playhead_s;
            }
        }
    }
}

impl Player {
    /// Moves the playhead if it has to be moved.
    pub(super) fn move_playhead(&mut self, now_ms: f64, shell: &mut impl Shell) {
        let View { playhead_s, start_s, end_s, ahead_s, next_s } = self.view;
        if !self.has_media || start_s < 0.0 {
            return;
        }
        self.left_s = end_s - playhead_s;
        let mut to_s = next_s;
        let has_to;
        if self.resume_s >= 0.0 {
            // There was nothing before. Where sound may be apart, the shell goes there only once there are both.
            let may_wait = cfg!(feature = "full");
            to_s = start_s + self.resume_s;
            self.left_s = end_s - to_s;
            has_to = to_s >= BEGINS_BY_ITSELF_S && (!may_wait || playhead_s < to_s);
            if !may_wait || !has_to {
                self.resume_s = f64::NAN;
            }
        } else if next_s < f64::INFINITY {
            // A little later, lest one that is paused there is looked at all the time.
            self.wake_by(now_ms + ahead_s * 1000.0 + 20.0);
            has_to = (ahead_s <= 0.0 || ahead_s <= RANGE_END_S && shell.is_starving())
                && (playhead_s > 0.0 || next_s >= BEGINS_BY_ITSELF_S);
        } else {
            let td_s = self.td_ms / 1000.0;
            self.is_away &= ahead_s > HURRY_TD * td_s;
            let from_td = if self.is_hurrying { HURRIED_TD } else { HURRY_TD };
            let is_hurrying = ahead_s > from_td * td_s && !self.is_away && !self.end_list;
            if is_hurrying != self.is_hurrying {
                self.is_hurrying = is_hurrying;
                shell.hurry(is_hurrying);
            }
            to_s = end_s - HURRIED_TD * td_s;
            has_to = is_hurrying && ahead_s > LEAP_TD * td_s && !shell.is_paused();
        }
        if has_to {
            shell.seek(to_s + JUMP_INTO_S);
        }
    }
}
