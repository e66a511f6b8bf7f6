//! Media that is broken though it was delivered whole.

use segproof_player_core::Event;

use crate::world::{World, number, plain};
use crate::{is_warning, msns};

/// Goal: a segment that shows no more than its absence leaves no hole. Method: one without a key frame, so that
/// nothing of it is buffered; what follows is placed at the end of what is.
#[test]
fn a_segment_of_which_nothing_can_be_shown_leaves_no_hole() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.media = Box::new(|uri| match number(uri) {
        106 => (0.0, 0.0),
        msn => (2.0 * msn as f64, 2.0),
    });
    world.run(31_000);
    assert_eq!(world.buffered, [(204.0, 238.0)]);
    assert_eq!(*msns(&world).last().unwrap(), 119);
}

/// Goal: in front of the first picture, too, and then the init is not due again. Method: so does sound by itself begin that would
/// come before the picture.
#[test]
fn segments_of_which_nothing_is_shown_at_first_need_no_other_init() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.media = Box::new(|uri| match number(uri) {
        102 | 103 => (0.0, 0.0),
        msn => (2.0 * msn as f64, 2.0),
    });
    world.run(21_000);
    let log = world.log.join("\n");
    assert_eq!(world.buffered, [(208.0, 230.0)], "{log}");
    assert_eq!(log.matches("append init").count(), 1, "{log}");
}

/// Goal: a segment that fails when it is decoded, long after its append, is left out. Method: the element breaks
/// whenever the playhead is about to enter it.
#[test]
fn a_segment_that_cannot_be_decoded_is_left_out() {
    for ahead_s in [0.0, 0.3, 1.0] {
        let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
        world.undecodable = (106, ahead_s);
        world.run(40_000);
        let log = world.log.join("\n");
        assert!(world.reports.iter().all(is_warning), "{log}");
        assert!(world.log.iter().filter(|line| line.ends_with(" rebuild")).count() <= 4, "{log}");
        assert!(world.appended.contains(&"s122.m4s".into()), "{log}");
    }
}

#[test]
fn three_segments_in_a_row_that_break_the_append_are_left_out() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.refuse =
        Box::new(|uri, _| ["s106.m4s", "s107.m4s", "s108.m4s"].contains(&uri).then_some(Event::Broken));
    world.run(31_000);
    assert!(world.appended.contains(&"s119.m4s".into()), "{}", world.log.join("\n"));
    assert!(world.reports.iter().all(is_warning));
}
