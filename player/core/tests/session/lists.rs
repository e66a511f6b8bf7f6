//! Lists that are not what they should be: numbers that shift, URIs that are signed anew, a target duration of
//! zero.

use crate::msns;
use crate::world::{Answer, World, list, plain, segment, window};

/// A window of five entries of a stream in which some are absent: the number of an entry is what a player has to
/// take it for, its first one's number plus its place.
fn list_without(now_ms: u64, is_absent: impl Fn(u64, u64) -> bool, line: impl Fn(u64) -> String) -> Answer {
    let (first, end) = window(now_ms);
    let present: Vec<u64> = (first..end).filter(|&msn| !is_absent(msn, now_ms)).collect();
    let first = present[0];
    let text = list(first, first + present.len() as u64, |number| line(present[(number - first) as usize]));
    Answer::Body(text, 30)
}

/// Goal: an entry that is missing in the middle costs nothing but itself. Method: the entries behind it seem to
/// have lower numbers until it leaves the window, and are loaded and appended once nevertheless.
#[test]
fn a_hole_in_the_sequence_repeats_nothing() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => list_without(now_ms, |msn, _| msn == 106, segment),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!(msns(&world), (102..=119).filter(|&msn| msn != 106).collect::<Vec<_>>());
    assert!((107..=119).all(|msn| world.count(&format!("s{msn}.m4s")) == 1));
}

/// The same with an entry that was listed before: for one reload the whole list seems to be an old one.
#[test]
fn an_entry_taken_out_of_the_middle_repeats_nothing() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => list_without(now_ms, |msn, now_ms| msn == 103 && now_ms > 5_000, segment),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>());
    assert_eq!(world.count("init.mp4"), 1);
}

#[test]
fn an_entry_that_turns_up_late_repeats_nothing() {
    for until in [108, 109, 110] {
        let mut world = World::new(move |uri, _, now_ms| match uri {
            "" => list_without(now_ms, |msn, now_ms| msn == 106 && window(now_ms).1 <= until, segment),
            _ => plain(uri, now_ms),
        });
        world.run(31_000);
        assert_eq!(msns(&world), (102..=119).filter(|&msn| msn != 106).collect::<Vec<_>>());
    }
}

/// Goal: RFC 8216, 6.3.4 counts from when the Media Playlist was asked for, not from what led to it.
#[test]
fn the_first_wait_counts_from_the_media_playlist() {
    let mut world = World::new(|uri, nth, now_ms| match (uri, nth, plain(uri, now_ms)) {
        ("", 1, Answer::Body(text, _)) => Answer::Body(text, 700),
        (_, _, answer) => answer,
    });
    world.led_ms = 600;
    world.run(5_000);
    let reloads: Vec<u64> =
        world.request_times.iter().filter(|(uri, _)| uri.is_empty()).map(|(_, at)| *at).collect();
    assert_eq!(reloads[..2], [0, 2600]);
}

/// Goal: names say nothing where numbers do. Method: three names in turn; an outage longer than the window ends
/// with a list in which the name shown last stands for another segment.
#[test]
fn names_that_return_are_other_segments() {
    let name = |msn: u64| format!("#EXTINF:2,\nn{}.m4s\n", msn % 3);
    let mut world = World::new(move |uri, _, now_ms| match now_ms {
        8_000..22_000 => Answer::Status(0, 10),
        _ if uri.is_empty() => {
            let (first, end) = window(now_ms);
            // An old answer in between.
            let old = u64::from(now_ms > 30_000 && (now_ms / 2000) % 4 == 0);
            Answer::Body(list(first - old, end - old, name), 30)
        }
        _ => plain(uri, now_ms),
    });
    world.media = Box::new(|_| (0.0, 2.0));
    world.run(60_000);
    let behind = world.request_times.iter().filter(|(uri, at_ms)| uri.starts_with('n') && *at_ms >= 22_000);
    let names: Vec<_> = behind.map(|(uri, _)| uri.as_str()).collect();
    // The window is 111..116 or 112..117 when the outage ends, and 132 is listed when the test does.
    assert!((134 - 112..=135 - 111).contains(&names.len()), "{names:?}");
    let next = |name: &str| match name {
        "n0.m4s" => "n1.m4s",
        "n1.m4s" => "n2.m4s",
        _ => "n0.m4s",
    };
    assert!(names.windows(2).all(|pair| pair[1] == next(pair[0])), "{names:?}");
}

fn signed(now_ms: u64) -> Answer {
    let (first, end) = window(now_ms);
    let token = now_ms / 500;
    let text = list(first, end, |msn| format!("#EXTINF:2,\ns{msn}.m4s?token={token}\n"));
    Answer::Body(text.replace("init.mp4", &format!("init.mp4?token={token}")), 30)
}

/// Goal: a token that changes is no other init. Method: each answer signs anew, and an old one from a cache is in
/// between; the init is loaded and appended once.
#[test]
fn signed_uris_are_the_same_resources() {
    let mut world = World::new(|uri, nth, now_ms| match uri {
        "" if nth % 4 == 0 => signed(now_ms - 2_000),
        "" => signed(now_ms),
        _ => Answer::Body(String::new(), 50),
    });
    world.run(31_000);
    let shown: Vec<_> = world.appended.iter().map(|uri| uri.split('?').next().unwrap()).collect();
    assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "{shown:?}");
    assert_eq!(world.request_times.iter().filter(|(uri, _)| uri.starts_with("init")).count(), 1);
    assert_eq!(world.log.iter().filter(|line| line.contains("append init")).count(), 1);
}

#[test]
fn within_one_list_another_name_or_query_is_another_init() {
    for other in ["init.mp4?v=2", "two.mp4"] {
        let mut world = World::new(move |uri, _, now_ms| match uri {
            "" => {
                let (first, end) = window(now_ms);
                let line = |msn| match msn {
                    107 => format!("#EXT-X-MAP:URI=\"{other}\"\n{}", segment(msn)),
                    _ => segment(msn),
                };
                let text = list(first, end, line);
                Answer::Body(if first > 107 { text.replace("init.mp4", other) } else { text }, 30)
            }
            _ => plain(uri, now_ms),
        });
        world.run(31_000);
        assert_eq!((world.count("init.mp4"), world.count(other)), (1, 1), "{other}");
    }
}

/// Goal: an expired token is not asked with again. Method: a request that hangs until its token has expired.
#[test]
fn an_expired_uri_is_replaced_by_the_newest() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => signed(now_ms),
        _ if uri.starts_with("s106.m4s") && now_ms < 6_500 => Answer::Never,
        _ => match uri.rsplit('=').next().unwrap().parse::<u64>() {
            Ok(token) if now_ms > token * 500 + 3_500 => Answer::Status(403, 20),
            _ => Answer::Body(String::new(), 50),
        },
    });
    world.run(31_000);
    assert!(world.reports.is_empty(), "{}", world.log.join("\n"));
    assert!(world.played_s > 29.0);
}

#[test]
fn a_target_duration_of_zero_is_taken_for_a_second() {
    let mut world = World::new(|uri, _, now_ms| match plain(uri, now_ms) {
        Answer::Body(text, wait_ms) => Answer::Body(text.replace("DURATION:2", "DURATION:0"), wait_ms),
        other => other,
    });
    world.run(31_000);
    assert_eq!(world.appended.last().unwrap(), "s119.m4s");
    assert!(world.reports.is_empty());
}

#[test]
fn numbers_beyond_a_double_are_exact() {
    for base in [1 << 33, (1 << 53) + 1, u64::MAX - 200] {
        let mut world = World::new(move |uri, _, now_ms| match uri {
            "" => {
                let (first, end) = window(now_ms);
                let text = list(first, end, segment);
                let number = base + first;
                Answer::Body(text.replace(&format!("SEQUENCE:{first}"), &format!("SEQUENCE:{number}")), 30)
            }
            _ => plain(uri, now_ms),
        });
        world.run(31_000);
        assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>());
    }
}

#[test]
fn a_list_grows_from_nothing() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => Answer::Body(list(0, (now_ms / 2000).saturating_sub(1), segment), 30),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!(msns(&world), (0..=13).collect::<Vec<_>>());
    assert!(world.reports.is_empty());
}

/// What a server at the edge of a network knew so many milliseconds ago.
fn edge(now_ms: u64, ago_ms: u64) -> Answer {
    plain("", now_ms.saturating_sub(ago_ms))
}

/// Goal: an edge that stays behind is no other stream. Method: from 10 s on all lists are four segments old.
#[test]
fn an_edge_that_stays_behind_repeats_nothing() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if now_ms >= 10_000 => edge(now_ms, 8_000),
        _ => plain(uri, now_ms),
    });
    world.run(61_000);
    let log = world.log.join("\n");
    assert_eq!(msns(&world), (102..=130).collect::<Vec<_>>(), "{log}");
    assert!(world.reports.is_empty() && world.count("init.mp4") == 1, "{log}");
}

/// Goal: nor is one answer that is far behind. Method: one is 25 segments old.
#[test]
fn one_answer_from_long_ago_repeats_nothing() {
    let long_ago = || Answer::Body(list(75, 80, segment), 30);
    let mut world = World::new(move |uri, nth, now_ms| match uri {
        "" if nth == 6 => long_ago(),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    let log = world.log.join("\n");
    assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>(), "{log}");
    assert!((75..80).all(|msn| world.count(&format!("s{msn}.m4s")) == 0), "{log}");
}

/// Goal: nor is one that does not know of another init yet. Method: from 107 on there is one, and one answer is two segments
/// old.
#[test]
fn one_old_answer_where_the_init_changes_repeats_nothing() {
    let of = |now_ms: u64| {
        let (first, end) = window(now_ms);
        let line = |msn| match msn {
            107 => format!("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"two.mp4\"\n{}", segment(msn)),
            _ => segment(msn),
        };
        let text = list(first, end, line);
        Answer::Body(if first > 107 { text.replace("init", "two") } else { text }, 30)
    };
    let mut world = World::new(move |uri, nth, now_ms| match uri {
        "" if nth == 5 => of(now_ms - 4_000),
        "" => of(now_ms),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    let log = world.log.join("\n");
    assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>(), "{log}");
    assert_eq!((world.count("init.mp4"), world.count("two.mp4")), (1, 1), "{log}");
}

/// Goal: of an old answer nothing is believed, its end neither. Method: one that is two segments old says that it is the last.
#[test]
fn the_end_in_an_old_answer_is_none() {
    let mut world = World::new(|uri, nth, now_ms| match (uri, edge(now_ms, 4_000)) {
        ("", Answer::Body(text, wait_ms)) if nth == 6 => Answer::Body(text + "#EXT-X-ENDLIST\n", wait_ms),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    let log = world.log.join("\n");
    assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>(), "{log}");
    assert!(!world.is_ended, "{log}");
}

#[test]
fn an_empty_list_may_be_the_end() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if now_ms >= 8_000 => Answer::Body(list(110, 110, segment) + "#EXT-X-ENDLIST\n", 30),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert!(world.is_ended && world.reports.is_empty(), "{}", world.log.join("\n"));
}

#[test]
fn spaces_where_none_may_be_change_nothing() {
    let mut world = World::new(|uri, _, now_ms| match plain(uri, now_ms) {
        Answer::Body(text, wait_ms) if uri.is_empty() => {
            let text =
                text.replace("INF:", "INF: ").replace("ION:", "ION: ").replace("SEQUENCE:", "SEQUENCE: ");
            Answer::Body(if now_ms > 20_000 { text + "#EXT-X-ENDLIST \n" } else { text }, wait_ms)
        }
        other => other,
    });
    world.run(61_000);
    let log = world.log.join("\n");
    assert_eq!(msns(&world), (102..=115).collect::<Vec<_>>(), "{log}");
    assert!(world.is_ended && world.reports.is_empty(), "{log}");
}
