//! The computer sleeps, the page is busy, the network is away, an `updateend` never comes.

use crate::world::{Answer, World, list, number, plain, segment, window};
use crate::{is_warning, msns};

/// Goal: what was answered during a pause of everything is not taken for a timeout. Method: the timer fires first.
#[test]
fn a_busy_page_repeats_no_request() {
    let mut world = World::new(|uri, _, now_ms| match plain(uri, now_ms) {
        Answer::Body(text, _) if !uri.is_empty() => Answer::Body(text, 1_000),
        other => other,
    });
    world.asleep_ms = 6_500..12_000;
    world.run(31_000);
    assert!(
        msns(&world).iter().all(|msn| world.count(&format!("s{msn}.m4s")) == 1),
        "{}",
        world.log.join("\n")
    );
    assert!(world.reports.is_empty());
}

/// Goal: a sleep is no failure. Method: the playlist fails just before it and for a while after.
#[test]
fn a_long_sleep_is_survived() {
    let mut world = World::new(|uri, _, now_ms| match now_ms {
        6_000..61_000 if uri.is_empty() => Answer::Status(0, 10),
        _ => plain(uri, now_ms),
    });
    world.asleep_ms = 7_000..60_000;
    world.run(90_000);
    assert!(!world.is_closed, "{}", world.log.join("\n"));
    assert!(world.reports.iter().all(is_warning));
    assert_eq!(*msns(&world).last().unwrap(), 148);
}

/// Goal: a connection that is away costs no segment that is still listed when it is back. Method: it is lost between
/// a playlist and the segment that the playlist has brought.
#[test]
fn nothing_is_given_up_while_the_playlist_fails_too() {
    let mut world = World::new(|uri, _, now_ms| match now_ms {
        6_010..12_000 => Answer::Status(0, 10),
        _ => plain(uri, now_ms),
    });
    world.run(40_000);
    let shown = msns(&world);
    assert!(shown.windows(2).all(|pair| pair[1] == pair[0] + 1), "{shown:?}");
    assert!(world.reports.is_empty(), "{:?}", world.reports);
}

#[test]
fn an_updateend_that_never_comes_is_not_waited_for() {
    for uri in ["s102.m4s", "s106.m4s", "init.mp4"] {
        let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
        world.loses_update = uri;
        world.run(31_000);
        assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>(), "{}", world.log.join("\n"));
        assert_eq!(world.buffered.len(), 1);
    }
}

/// Goal: a network is gone for no shorter where segments are short. Method: target durations of a second, and twelve of them
/// without an answer.
#[test]
fn an_outage_is_survived_whatever_the_target_duration() {
    let mut world = World::new(|uri, _, now_ms| match now_ms {
        5_000..17_000 => Answer::Status(0, 10),
        _ if uri.is_empty() => {
            let end = 105 + now_ms / 1000;
            let text = list(end - 5, end, |msn| format!("#EXTINF:1.0,\ns{msn}.m4s\n"));
            Answer::Body(text.replace("DURATION:2", "DURATION:1"), 30)
        }
        _ => plain(uri, now_ms),
    });
    world.media = Box::new(|uri| (number(uri) as f64, 1.0));
    world.run(40_000);
    let log = world.log.join("\n");
    assert!(world.reports.iter().all(is_warning) && !world.is_closed, "{log}");
    assert_eq!(*msns(&world).last().unwrap(), 143, "{log}");
}

/// Goal: an init is no more to blame for a lost connection than a segment. Method: it goes while the one of a new run is asked
/// for.
#[test]
fn an_init_is_not_given_up_while_the_playlist_fails_too() {
    let mut world = World::new(|uri, _, now_ms| match (uri, now_ms) {
        ("two.mp4", ..4_500) => Answer::Never,
        (_, 4_500..18_500) => Answer::Status(0, 10),
        ("", _) => {
            let (first, end) = window(now_ms);
            let line = |msn| match msn {
                106 => format!("#EXT-X-MAP:URI=\"two.mp4\"\n{}", segment(msn)),
                _ => segment(msn),
            };
            let text = list(first, end, line);
            Answer::Body(if first > 106 { text.replace("init", "two") } else { text }, 30)
        }
        _ => plain(uri, now_ms),
    });
    world.run(40_000);
    let log = world.log.join("\n");
    assert!(world.reports.iter().all(is_warning) && !world.is_closed, "{log}");
    assert_eq!(*msns(&world).last().unwrap(), 123, "{log}");
}
