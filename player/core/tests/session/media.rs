//! Media that is broken though it was delivered whole.

use segproof_player_core::Event;

use crate::world::{Answer, World, list, number, plain, segment, window};
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

/// Goal: nothing of what follows a segment that is left out is left out with it. Method: a decoder that breaks in its middle; where the
/// playhead stood in it is no place in the next one, which begins at 214.
#[test]
fn behind_a_segment_that_cannot_be_decoded_the_next_one_is_shown_from_its_beginning() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.undecodable = (106, -0.6);
    world.run(40_000);
    let seeks =
        world.log.iter().filter_map(|line| line.split_once("seek ")).map(|(_, to)| to).collect::<Vec<_>>();
    assert_eq!(seeks.last().unwrap(), &"214.008", "{}", world.log.join("\n"));
}

/// Goal: of what was before such a segment nothing is shown again. Method: an append that fails 0.7 s after the playhead has come to
/// the segment before, which is loaded again for it.
#[test]
fn before_a_segment_that_is_left_out_the_playhead_goes_on_where_it_was() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "s106.m4s" => Answer::Body(String::new(), 700),
        _ => plain(uri, now_ms),
    });
    world.refuse = Box::new(|uri, _| (uri == "s106.m4s").then_some(Event::Broken));
    world.run(31_000);
    let log = world.log.join("\n");
    let seeks = world
        .log
        .iter()
        .filter_map(|line| line.split_once("seek "))
        .map(|(_, to)| to.parse::<f64>().unwrap());
    let places: Vec<f64> = seeks.collect();
    assert!(places.len() == 3 && (211.3..211.5).contains(&places[2]), "{places:?} {log}");
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

/// Goal: what a decoder finds out when all has been appended is no more than at other times. Method: the last segment but one
/// of a list that has ended.
#[test]
fn a_segment_that_cannot_be_decoded_is_left_out_before_the_end_too() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if now_ms >= 6_000 => Answer::Body(list(103, 110, segment) + "#EXT-X-ENDLIST\n", 30),
        _ => plain(uri, now_ms),
    });
    world.undecodable = (108, 0.0);
    world.run(60_000);
    let log = world.log.join("\n");
    assert!(world.reports.iter().all(is_warning), "{log}");
    assert!(world.appended.contains(&"s109.m4s".into()) && world.is_ended && world.is_closed, "{log}");
}

/// The plain stream behind the inits that `map` names, with a discontinuity where another one begins.
fn behind(map: impl Fn(u64) -> &'static str + 'static) -> World {
    World::new(move |uri, _, now_ms| match uri {
        "" => {
            let (first, end) = window(now_ms);
            let line = |msn| match map(msn) {
                name if name == map(msn - 1) => segment(msn),
                name => format!("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"{name}\"\n{}", segment(msn)),
            };
            Answer::Body(list(first, end, line).replacen("init.mp4", map(first), 1), 30)
        }
        _ => plain(uri, now_ms),
    })
}

fn is_ad(msn: u64) -> bool {
    (107..111).contains(&msn)
}

/// Four segments behind an init that the engine has no decoder for.
fn with_an_ad() -> World {
    let mut world = behind(|msn| if is_ad(msn) { "ad.mp4" } else { "init.mp4" });
    world.refuse = Box::new(|uri, _| (uri == "ad.mp4").then_some(Event::Unsupported));
    world
}

/// Goal: an ad that cannot be played is left out. Method: four segments behind an init that the engine has no decoder for.
#[test]
fn a_break_without_a_decoder_is_left_out() {
    let mut world = with_an_ad();
    world.run(41_000);
    let log = world.log.join("\n");
    assert_eq!(msns(&world), (102..=124).filter(|msn| !is_ad(*msn)).collect::<Vec<_>>(), "{log}");
    assert!(world.reports.iter().all(is_warning), "{log}");
    assert_eq!(world.buffered.len(), 1, "{log}");
}

/// Goal: so it is when the MediaSource is lost before it. Method: it breaks while the segment before the ad is played.
#[test]
fn a_break_without_a_decoder_is_left_out_behind_a_loss() {
    for breaks_at_ms in [12_300, 13_300, 14_300, 15_300, 16_300] {
        let mut world = with_an_ad();
        world.breaks_at_ms = breaks_at_ms;
        world.run(41_000);
        let log = world.log.join("\n");
        assert!(world.reports.iter().all(is_warning), "{breaks_at_ms} {log}");
        let msns = msns(&world);
        assert!(!msns.iter().copied().any(is_ad) && msns.ends_with(&[123, 124]), "{breaks_at_ms} {log}");
        assert!(world.count("ad.mp4") <= 5, "{breaks_at_ms} {log}");
    }
}

/// Goal: several such changes, one after the other, are no broken media. Method: each of six segments has an init of its own.
#[test]
fn changes_of_tracks_are_no_losses() {
    let maps = ["init.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4", "5.mp4", "6.mp4"];
    let mut world = behind(move |msn| maps[(msn.clamp(106, 112) - 106) as usize]);
    world.keeps_tracks = true;
    world.run(61_000);
    let log = world.log.join("\n");
    let shown: std::collections::BTreeSet<u64> = msns(&world).into_iter().collect();
    assert_eq!(shown, (102..=134).collect(), "{log}");
    assert!(world.reports.iter().all(is_warning), "{log}");
}

/// Goal: an init of other tracks, which no SourceBuffer takes behind the one before, is played for all that. Method: it is refused
/// wherever something of the old one is there.
#[test]
fn an_init_that_is_refused_behind_another_gets_a_media_source_of_its_own() {
    let mut world = behind(|msn| if msn < 107 { "init.mp4" } else { "mute.mp4" });
    world.keeps_tracks = true;
    world.run(41_000);
    let log = world.log.join("\n");
    let shown: std::collections::BTreeSet<u64> = msns(&world).into_iter().collect();
    assert_eq!(shown, (102..=124).collect(), "{log}");
    assert!(world.reports.iter().all(is_warning), "{log}");
    assert!(world.played_s > 38.0, "{} {log}", world.played_s);
}

/// Goal: a list that has lost its EXT-X-MAP goes on with the init that is here. Method: it has it up to 8 s, and a discontinuity behind
/// that.
#[test]
fn where_the_map_is_left_out_the_last_init_is_kept() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if now_ms >= 8_000 => {
            let (first, end) = window(now_ms);
            let line = |msn| {
                if msn == 112 { "#EXT-X-DISCONTINUITY\n".to_owned() + &segment(msn) } else { segment(msn) }
            };
            Answer::Body(list(first, end, line).replace("#EXT-X-MAP:URI=\"init.mp4\"\n", ""), 30)
        }
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    let log = world.log.join("\n");
    assert_eq!((world.reports.len(), msns(&world).last()), (0, Some(&119)), "{log}");
}
