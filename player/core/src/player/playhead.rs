//! Where the playhead is in what is buffered, and how it gets across holes.

use super::limits::{BEGINS_BY_ITSELF_S, JUMP_INTO_S, RANGE_END_S};
use crate::Shell;

pub fn buffered_end_s(shell: &impl Shell) -> Option<f64> {
    let mut end_s = None;
    let mut index = 0;
    while let Some((_, range_end_s)) = shell.buffered_s(index) {
        end_s = Some(range_end_s);
        index += 1;
    }
    end_s
}

/// How long the playhead could go on without a hole.
pub fn ahead_s(shell: &impl Shell) -> f64 {
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
pub fn unstick(shell: &mut impl Shell) {
    if !shell.is_starving() || ahead_s(shell) > RANGE_END_S {
        return;
    }
    let playhead_s = shell.playhead_s();
    let mut index = 0;
    while let Some((start_s, _)) = shell.buffered_s(index) {
        if playhead_s <= 0.0 && start_s < BEGINS_BY_ITSELF_S {
            return;
        }
        if start_s > playhead_s {
            return shell.seek(start_s + JUMP_INTO_S);
        }
        index += 1;
    }
}
