//! Where the playhead goes: to the media at first, across holes, after the live edge, and back to where it was.

use segproof_player_core::{Event, Report};

use crate::world::{Answer, World, list, number, plain, segment, window};
use crate::{is_warning, msns};

fn seeks(world: &World) -> Vec<&str> {
    world.log.iter().filter_map(|line| line.split_once("seek ")).map(|(_, to)| to).collect()
}

#[test]
fn the_first_run_keeps_its_times_and_the_playhead_goes_there_once() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.run(31_000);
    assert_eq!(seeks(&world), ["204.008"]);
}

#[test]
fn media_that_begin_at_zero_are_left_to_the_engine() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => Answer::Body(list(0, 3 + now_ms / 2000, segment), 30),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert!(seeks(&world).is_empty(), "{:?}", seeks(&world));
    assert!(world.played_s > 29.5);
}

/// Goal: a hole is left behind as it is reached. Method: the media of one segment lie 0.4 s late; the playhead of this world
/// stands at the hole, that of one that plays on is in it, and that of a fast one starves some time before it.
#[test]
fn a_hole_is_jumped_as_it_is_reached() {
    for (plays_on, stops_short_s) in [(false, 0.0), (true, 0.0), (false, 0.8)] {
        let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
        world.media = Box::new(|uri| match number(uri) {
            106 => (212.4, 1.6),
            msn => (2.0 * msn as f64, 2.0),
        });
        world.plays_on = plays_on;
        world.stops_short_s = stops_short_s;
        world.is_starving = stops_short_s > 0.0;
        world.run(31_000);
        assert_eq!(seeks(&world), ["204.008", "212.408"]);
        assert!(world.played_s > 29.0, "{}", world.played_s);
    }
}

/// Goal: who fell behind a little catches up gently. Method: a pause of a few seconds; afterwards there is more ahead than the
/// player begins with, and it hurries until there is not.
#[test]
fn it_hurries_behind_a_short_pause_and_only_then() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.is_paused = true;
    world.resumes_ms = 6_000;
    world.run(90_000);
    let rates: Vec<&str> =
        world.log.iter().filter_map(|line| line.split_once("rate ")).map(|(_, to)| to).collect();
    assert_eq!(rates, ["1.1", "1"]);
    assert_eq!(seeks(&world).len(), 1, "{:?}", seeks(&world));
    let ahead_s = world.buffered.last().unwrap().1 - world.playhead_s;
    assert!(ahead_s < 8.1, "{ahead_s}");
}

#[test]
fn it_leaps_where_hurrying_would_take_long() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.is_paused = true;
    world.resumes_ms = 40_000;
    world.run(50_000);
    let ahead_s = world.buffered.last().unwrap().1 - world.playhead_s;
    assert!((3.9..=8.1).contains(&ahead_s), "{ahead_s}: {:?}", seeks(&world));
    assert_eq!(seeks(&world).len(), 2, "not while it is paused: {:?}", seeks(&world));
}

/// Goal: who goes back means it. Method: the viewer goes back 20 s and 40 s later to the end; there is neither haste nor a
/// leap in between.
#[test]
fn a_viewer_who_goes_back_is_left_there() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.seek_at = Some((30_000, 206.0));
    world.run(60_000);
    assert_eq!(seeks(&world), ["204.008"]);
    assert!((world.playhead_s - 236.0).abs() < 0.1, "{}", world.playhead_s);
    assert!(world.log.iter().all(|line| !line.contains("rate ")));
}

/// Goal: nothing is shown twice, and nothing left out that could be shown. Method: the element breaks in mid-segment, for a
/// reason that does not come again; the new MediaSource begins where the old one was.
#[test]
fn it_goes_on_in_the_frame_where_the_media_source_was_lost() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.breaks_at_ms = 9_300;
    world.run(31_000);
    let log = world.log.join("\n");
    assert!(world.reports.iter().all(is_warning) && world.reports.len() == 1, "{log}");
    let seeks = seeks(&world);
    let (before_s, after_s) = (world.broke_at_s, seeks[1].parse::<f64>().unwrap());
    assert!((after_s - before_s - 0.01).abs() < 0.02, "{before_s} {after_s}");
    assert_eq!(*msns(&world).last().unwrap(), 119, "{log}");
}

/// Goal: as above, whatever is under way at that moment: a request, an append that is buffered and not done, a seek.
#[test]
fn it_goes_on_there_whenever_that_is() {
    for breaks_at_ms in 8_000..10_100 {
        let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
        world.breaks_at_ms = breaks_at_ms;
        world.run(14_000);
        let after_s: f64 = seeks(&world)[1].parse().unwrap();
        let off_s = after_s - world.broke_at_s;
        assert!((0.0..0.04).contains(&off_s), "at {breaks_at_ms} ms by {off_s} s\n{}", world.log.join("\n"));
    }
}

#[test]
fn segments_are_appended_one_by_one_behind_a_loss() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.breaks_at_ms = 9_300;
    world.run(9_900);
    let ahead_s = world.buffered.last().unwrap().1 - world.playhead_s;
    assert!(world.buffered.len() == 1 && ahead_s < 3.1, "{ahead_s}");
}

#[test]
fn a_playhead_that_stands_still_for_nothing_gets_a_new_media_source() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.sticks_at_ms = 9_300;
    world.run(31_000);
    let log = world.log.join("\n");
    assert_eq!(world.reports, [Report::MediaLost], "{log}");
    assert!(world.log.iter().any(|line| line.starts_with(" 11") && line.ends_with(" rebuild")), "{log}");
    assert!(world.buffered.last().unwrap().1 - world.playhead_s < 10.0, "{log}");
}

/// Paused, without media for ten seconds, asleep, or not yet able to.
#[test]
fn a_playhead_may_stand_still_for_a_reason() {
    for (stops_short_s, is_starving) in [(0.0, false), (0.3, false), (0.0, true)] {
        let mut world = World::new(|uri, _, now_ms| match uri {
            "" if (12_000..22_000).contains(&now_ms) => Answer::Status(503, 30),
            _ => plain(uri, now_ms),
        });
        world.is_paused = stops_short_s == 0.0;
        world.resumes_ms = 8_000;
        world.asleep_ms = 40_000..50_000;
        world.stops_short_s = stops_short_s;
        if is_starving {
            world.is_starving = true;
            world.sticks_at_ms = 30_000;
        }
        world.run(60_000);
        let log = world.log.join("\n");
        assert!(!log.contains("rebuild"), "{log}");
        assert!(world.played_s > 15.0, "{log}");
    }
}

#[test]
fn it_tells_how_far_behind_it_is() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.run(31_000);
    assert!(world.latencies_s.len() > 10);
    assert!(
        world.latencies_s.iter().all(|latency_s| (4.0..8.1).contains(latency_s)),
        "{:?}",
        world.latencies_s
    );
}

#[test]
fn nothing_is_requested_that_the_engine_does_not_want() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.is_full = true;
    world.run(20_000);
    assert!(world.appended.is_empty() && world.count("") > 5);
}

/// Goal: a playlist that is gone is waited for as long as somebody asks for. Method: 404 for 6 s, at the beginning and in
/// mid-session.
#[test]
fn a_playlist_that_is_gone_is_waited_for() {
    for gone_ms in [0..6_000, 10_000..16_000] {
        for (patience_ms, is_over) in [(8_000.0, false), (4_000.0, true), (0.0, true), (f64::NAN, true)] {
            let gone = gone_ms.clone();
            let mut world = World::new(move |uri, _, now_ms| match uri {
                "" if gone.contains(&now_ms) => Answer::Status(404, 30),
                _ => plain(uri, now_ms),
            });
            world.patience_ms = patience_ms;
            world.run(31_000);
            assert_eq!(world.is_closed, is_over, "{}", world.log.join("\n"));
        }
    }
}

#[test]
fn an_append_that_is_refused_for_good_ends_the_session() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.refuse = Box::new(|uri, _| (uri == "init.mp4").then_some(Event::Unsupported));
    world.run(31_000);
    assert_eq!(world.reports, [segproof_player_core::Report::NoDecoder]);
    assert!(world.is_closed);
}

/// Goal: as `it_goes_on_there_whenever_that_is`, while the last answer is one that nobody believes. Method: it is from long ago,
/// two segments old, or empty.
#[test]
fn what_nobody_believes_is_no_measure_for_a_loss() {
    let lists: [fn(u64) -> String; 3] =
        [|_| list(75, 80, segment), |end| list(end - 7, end - 2, segment), |end| list(end, end, segment)];
    for (nth_list, list) in lists.into_iter().enumerate() {
        for breaks_at_ms in (8_050..10_000).step_by(130) {
            let mut world = World::new(move |uri, nth, now_ms| match uri {
                "" if nth == 5 => Answer::Body(list(window(now_ms).1), 30),
                _ => plain(uri, now_ms),
            });
            world.breaks_at_ms = breaks_at_ms;
            world.run(31_000);
            let log = world.log.join("\n");
            let after_s: f64 = seeks(&world)[1].parse().unwrap();
            let off_s = after_s - world.broke_at_s;
            assert!((0.0..0.04).contains(&off_s), "list {nth_list}, {breaks_at_ms} ms: {off_s} s\n{log}");
            assert!(
                world.played_s > 27.0 && *msns(&world).last().unwrap() == 119,
                "{} {log}",
                world.played_s
            );
        }
    }
}

/// Goal: where it was is not forgotten where it cannot be gone to yet. Method: the element breaks, and the shell goes nowhere for some
/// seconds, in which a later segment may be left out.
#[test]
#[cfg(feature = "full")]
fn it_resumes_once_there_is_picture_and_sound() {
    for missing in ["", "s109.m4s"] {
        let mut world = World::new(move |uri, _, now_ms| match uri {
            _ if !uri.is_empty() && uri == missing => Answer::Status(404, 30),
            _ => plain(uri, now_ms),
        });
        world.breaks_at_ms = 9_300;
        world.alone_ms = 9_300..16_000;
        world.run(31_000);
        let log = world.log.join("\n");
        let to = seeks(&world)[1];
        let off_s = to.parse::<f64>().unwrap() - world.broke_at_s;
        assert!((0.0..0.04).contains(&off_s), "{off_s} s\n{log}");
    }
}

/// Goal: the element is where it was, however often it breaks. Method: it does again before anything is in the new MediaSource.
#[test]
fn a_loss_behind_a_loss_changes_no_place() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.breaks_at_ms = 9_300;
    let mut refusals = 0;
    world.refuse = Box::new(move |uri, now_ms| {
        refusals += u32::from(uri == "init.mp4" && now_ms > 9_300);
        (refusals == 1).then_some(Event::Broken)
    });
    world.run(31_000);
    let log = world.log.join("\n");
    assert_eq!(world.reports, [Report::MediaLost; 2], "{log}");
    let after_s: f64 = seeks(&world)[1].parse().unwrap();
    assert!((0.0..0.04).contains(&(after_s - world.broke_at_s)), "{} {after_s}\n{log}", world.broke_at_s);
    assert_eq!(*msns(&world).last().unwrap(), 119, "{log}");
}

/// Goal: what comes in the place of the segment in which the element broke is shown from its beginning. Method: that one never comes,
/// and the stream begins anew.
#[test]
fn another_stream_is_not_begun_where_the_old_one_was_left() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if now_ms >= 9_400 => {
            let end = 3 + (now_ms - 9_400) / 2000;
            Answer::Body(list(end.saturating_sub(5), end, segment).replace("init", "two"), 30)
        }
        "s106.m4s" if now_ms >= 9_300 => Answer::Never,
        _ => plain(uri, now_ms),
    });
    world.breaks_at_ms = 9_300;
    world.run(31_000);
    let log = world.log.join("\n");
    // Media from zero on begin by themselves.
    assert_eq!((seeks(&world).len(), msns(&world).last()), (1, Some(&12)), "{log}");
}

/// Goal: what was wrong with a segment of the old stream says nothing of the new one's. Method: an element breaks, and then the numbers
/// begin anew.
#[test]
fn a_restart_is_trusted_again() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if now_ms >= 12_000 => {
            let end = 1 + (now_ms - 12_000) / 2000;
            Answer::Body(list(end.saturating_sub(5), end, segment).replace("init", "two"), 30)
        }
        _ => plain(uri, now_ms),
    });
    world.breaks_at_ms = 9_300;
    world.run(31_000);
    let log = world.log.join("\n");
    let ahead_s = world.buffered.last().unwrap().1 - world.playhead_s;
    assert_eq!(*msns(&world).last().unwrap(), 9, "{ahead_s} {log}");
}

/// Goal: nor is anything of it loaded before the place is found, which would then be left for it. Method: one by one behind a loss,
/// the append breaks of a segment that an answer lists of which the end is missing.
#[test]
fn behind_a_loss_nothing_comes_from_a_list_that_nobody_believes() {
    let mut world = World::new(|uri, nth, now_ms| match uri {
        "" if nth == 5 => Answer::Body(list(102, 107, segment), 30),
        _ => plain(uri, now_ms),
    });
    world.breaks_at_ms = 7_950;
    let mut is_broken = false;
    world.refuse = Box::new(move |uri, now_ms| {
        let breaks = uri == "s106.m4s" && now_ms > 8_050 && !is_broken;
        is_broken |= breaks;
        breaks.then_some(Event::Broken)
    });
    world.run(31_000);
    let log = world.log.join("\n");
    let appends =
        log.rsplit_once("rebuild").unwrap().1.lines().filter_map(|line| line.split_once("append s"));
    let msns: Vec<u64> = appends.map(|(_, name)| name.split('.').next().unwrap().parse().unwrap()).collect();
    assert_eq!(msns, (105..=119).collect::<Vec<_>>(), "{log}");
}

/// Goal: empty answers say nothing of a list that is old. Method: five, then one that is two segments old.
#[test]
fn an_old_answer_behind_empty_ones_repeats_nothing() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if (8_000..14_000).contains(&now_ms) => Answer::Body(list(109, 109, segment), 30),
        "" if (14_000..14_900).contains(&now_ms) => Answer::Body(list(102, 107, segment), 30),
        _ => plain(uri, now_ms),
    });
    world.run(41_000);
    let log = world.log.join("\n");
    let msns = msns(&world);
    assert!(msns.windows(2).all(|pair| pair[0] < pair[1]), "{log}");
}
