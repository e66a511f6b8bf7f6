//! Sessions that are as good as the ideal player's, and such as nobody can have.

use segproof_core::regret::surpassed;

use crate::session::{START_MS, Session, TD_MS, media_time};

#[test]
fn nobody_surpasses_the_ideal_player_by_more_than_a_reload() {
    let mut session = Session::live();
    assert_eq!(surpassed(&session.trace, &session.expect), None);
    session.expect.best.stall_ms = TD_MS - 1.0;
    assert_eq!(surpassed(&session.trace, &session.expect), None);
    session.expect.best.stall_ms = TD_MS + 200.0;
    let what = surpassed(&session.trace, &session.expect).expect("it never stalls");
    assert!(what.contains("the longest stall was 0 ms") && what.contains("2200 ms"), "{what}");
    // It had begun so much earlier.
    session.expect.best.start_ms = START_MS - 200.0;
    assert_eq!(surpassed(&session.trace, &session.expect), None);
    session.expect.best.stall_ms = 0.0;
    session.expect.best.start_ms = START_MS + TD_MS + 1.0;
    let what = surpassed(&session.trace, &session.expect).expect("it starts at once");
    assert!(what.contains("the first frame came after 200 ms"), "{what}");
}

#[test]
fn an_element_that_waits_with_its_first_frame_has_not_begun() {
    let mut session = Session::live();
    session.expect.best.stall_ms = 1.9 * TD_MS;
    assert!(surpassed(&session.trace, &session.expect).is_some());
    session
        .trace
        .beats
        .iter_mut()
        .filter(|beat| beat.at_ms < START_MS + TD_MS)
        .for_each(|beat| beat.playing = false);
    assert_eq!(surpassed(&session.trace, &session.expect), None);
}

#[test]
fn who_begins_elsewhere_or_leaves_something_out_is_another_matter() {
    let mut session = Session::live();
    session.expect.best.stall_ms = 5.0 * TD_MS;
    session.expect.best.shown = vec![105];
    assert!(surpassed(&session.trace, &session.expect).is_some());
    session.expect.best.shown = vec![105, 300];
    assert_eq!(surpassed(&session.trace, &session.expect), None);
    session.expect.best.shown.clear();
    let mut again = session.clone();
    again.frame(9010.0, 118, media_time(118));
    again.seal();
    assert_eq!(surpassed(&again.trace, &again.expect), None);
    session.expect.best.start_msn = Some(101);
    assert_eq!(surpassed(&session.trace, &session.expect), None);
}

#[test]
fn who_goes_on_with_the_sound_alone_waits_for_the_picture_like_everybody() {
    let mut session = Session::live();
    session.expect.best.stall_ms = 2.0 * TD_MS;
    assert!(surpassed(&session.trace, &session.expect).is_some());
    let hole = 8000.0..8000.0 + 1.5 * TD_MS;
    session.keep_frames(|at, _| !hole.contains(&at));
    assert!(surpassed(&session.trace, &session.expect).is_some());
    session
        .trace
        .beats
        .iter_mut()
        .filter(|beat| hole.contains(&beat.at_ms))
        .for_each(|beat| beat.ahead = 0.0);
    assert_eq!(surpassed(&session.trace, &session.expect), None);
}
