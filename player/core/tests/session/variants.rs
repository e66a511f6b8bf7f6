//! Changing from one variant to another when the link carries less, or more.

use crate::world::{Answer, World, list, number, window};
use crate::{is_warning, msns};

const NEEDS: [f64; 2] = [300e3, 1e6];

/// Two variants, whose segments are called `light106.m4s` and `heavy106.m4s`; the light one's numbers are `shift` higher, and its
/// list ends so many segments earlier.
fn two(shift: u64, lag: u64, heavy: impl Fn(u64) -> u64 + 'static) -> World {
    let mut world = World::new(move |uri, _, now_ms| {
        let (first, end) = window(now_ms);
        let line = |name: &'static str| move |msn| format!("#EXTINF:2.000,\n{name}{msn}.m4s\n");
        let map = |list: String, name: &str| list.replace("init", name);
        match uri {
            "v0" => {
                let list = list(first + shift - lag, end + shift - lag, line("light"));
                Answer::Body(map(list, "light0"), 30)
            }
            "v1" => Answer::Body(map(list(first, end, line("heavy")), "heavy0"), 30),
            _ if uri.starts_with("heavy") => Answer::Body(String::new(), heavy(now_ms)),
            _ => Answer::Body(String::new(), 50),
        }
    });
    world.variants = NEEDS.into();
    world.variant = 1;
    world.bits_per_s = Box::new(|_| 2e6);
    world.media = Box::new(move |uri| {
        let msn = if uri.starts_with("light") { number(uri) - shift } else { number(uri) };
        (2.0 * msn as f64, 2.0)
    });
    world
}

fn switches(world: &World) -> Vec<&str> {
    world.log.iter().filter_map(|line| line.split_once(" variant ").map(|(_, to)| to)).collect()
}

/// The numbers of the heavy variant's segments of what was appended.
fn shown(world: &World, shift: u64) -> Vec<u64> {
    let number_of = |uri: &String| if uri.starts_with("light") { number(uri) - shift } else { number(uri) };
    world.appended.iter().map(number_of).collect()
}

/// Goal: a segment that the link does not carry is left for a lighter one, and the better variant comes again, each segment
/// shown once. Method: heavy segments hang from 8 to 16 s.
#[test]
fn it_goes_down_in_time_and_up_again() {
    let mut world = two(0, 0, |now_ms| if (8_000..16_000).contains(&now_ms) { 60_000 } else { 50 });
    world.run(60_000);
    let log = world.log.join("\n");
    assert_eq!(switches(&world), ["0", "1"], "{log}");
    let msns = msns(&world);
    assert_eq!(msns, (102..=*msns.last().unwrap()).collect::<Vec<_>>(), "{log}");
    assert!(*msns.last().unwrap() >= 133, "{log}");
    assert_eq!(world.buffered.len(), 1, "{log}");
    assert!(world.played_s > 58.0 && world.reports.iter().all(is_warning), "{} {log}", world.played_s);
    assert_eq!(world.count("heavy0.mp4"), 2);
}

/// Goal: each variant gets its own init. Method: both are listed by the same relative name.
#[test]
fn inits_of_the_same_name_are_two() {
    let mut world = two(0, 0, |now_ms| if (8_000..16_000).contains(&now_ms) { 60_000 } else { 50 });
    let mut server = std::mem::replace(&mut world.server, Box::new(|_, _, _| Answer::Never));
    world.server = Box::new(move |uri, nth, now_ms| match server(uri, nth, now_ms) {
        Answer::Body(list, wait_ms) => {
            Answer::Body(list.replace("light0", "init").replace("heavy0", "init"), wait_ms)
        }
        other => other,
    });
    world.one_init = true;
    world.run(60_000);
    assert_eq!((switches(&world).len(), world.count("init.mp4")), (2, 3), "{}", world.log.join("\n"));
}

/// Goal: numbers that differ between the variants show nothing twice and leave nothing out. Method: they are shifted, and the
/// lists end at different segments.
#[test]
fn numbers_of_variants_need_not_agree() {
    let mut corrected = 0;
    for (shift, lag) in [(0, 0), (0, 1), (0, 3), (1, 0), (7, 0), (7, 2), (1000, 0), (1000, 1), (1000, 2)] {
        let mut world = two(shift, lag, |now_ms| if (8_000..16_000).contains(&now_ms) { 60_000 } else { 50 });
        world.run(60_000);
        let log = world.log.join("\n");
        assert_eq!(switches(&world), ["0", "1"], "{log}");
        let shown = shown(&world, shift);
        assert_eq!(
            shown,
            (102..=*shown.last().unwrap()).collect::<Vec<_>>(),
            "shift {shift}, lag {lag}\n{log}"
        );
        assert_eq!(world.buffered.len(), 1, "{log}");
        // One that is listed is asked for as soon as it is known which, not at the next look at the playhead.
        let up = log.split_once(" variant 1").unwrap().1;
        let loads: Vec<(u64, u64)> = up.lines().filter_map(heavy_load).collect();
        let [(first_ms, first), (second_ms, second)] = loads[..2] else { panic!("{log}") };
        assert!(second > first || second_ms - first_ms < 60, "shift {shift}, lag {lag}: {loads:?}");
        corrected += u32::from(second < first);
    }
    assert!(corrected > 0, "no case goes back");
}

/// When a heavy segment was asked for, and its number.
fn heavy_load(line: &str) -> Option<(u64, u64)> {
    let (at_ms, uri) = line.trim().split_once(" load heavy")?;
    Some((at_ms.parse().ok()?, uri.strip_suffix(".m4s")?.parse().ok()?))
}

/// Goal: what is measured decides, too, and a better variant is tried now and then only.
#[test]
fn a_link_that_carries_less_gets_the_light_one() {
    let mut world = two(0, 0, |_| 50);
    // One that comes fast shows little.
    world.bits_per_s = Box::new(|uri| if uri == "light112.m4s" { 1e9 } else { 0.9e6 });
    world.run(60_000);
    let log = world.log.join("\n");
    assert_eq!(switches(&world), ["0"], "{log}");
    assert!(!log.split_once(" variant 0").unwrap().1.contains("load heavy"), "{log}");
    let msns = msns(&world);
    assert_eq!(msns, (102..=*msns.last().unwrap()).collect::<Vec<_>>(), "{log}");
}

/// The heavy variant, of two that agree, with other answers from 9 s on: `None` is the usual one.
fn heavy_lost(other: impl Fn(&str) -> Option<Answer> + 'static) -> World {
    let mut world = two(0, 0, |_| 50);
    let mut server = std::mem::replace(&mut world.server, Box::new(|_, _, _| Answer::Never));
    world.server = Box::new(move |uri, nth, now_ms| {
        let lost = if now_ms >= 9_000 { other(uri) } else { None };
        lost.unwrap_or_else(|| server(uri, nth, now_ms))
    });
    world
}

/// Goal: what one variant has lost costs nothing where another one has it, and is not tried again at once. Method: playlist or
/// segments fail in each way for ever.
#[test]
fn a_variant_that_is_lost_is_left() {
    type Lost = fn(&str) -> Option<Answer>;
    let ways: [(&str, Lost); 6] = [
        ("playlist 404", |uri| (uri == "v1").then_some(Answer::Status(404, 10))),
        ("playlist 503", |uri| (uri == "v1").then_some(Answer::Status(503, 10))),
        ("playlist hangs", |uri| (uri == "v1").then_some(Answer::Never)),
        ("playlist stands still", |uri| {
            let (first, end) = window(8_000);
            let line = |msn| format!("#EXTINF:2.000,\nheavy{msn}.m4s\n");
            (uri == "v1").then(|| Answer::Body(list(first, end, line).replace("init", "heavy0"), 10))
        }),
        ("segments 404", |uri| uri.starts_with("heavy1").then_some(Answer::Status(404, 10))),
        ("segments 503", |uri| uri.starts_with("heavy1").then_some(Answer::Status(503, 10))),
    ];
    for (way, lost) in ways {
        let mut world = heavy_lost(lost);
        world.run(60_000);
        let log = world.log.join("\n");
        assert_eq!(switches(&world), ["0"], "{way}\n{log}");
        let msns = msns(&world);
        assert_eq!(msns, (102..=*msns.last().unwrap()).collect::<Vec<_>>(), "{way}\n{log}");
        assert!(*msns.last().unwrap() >= 130 && world.played_s > 55.0, "{way}: {}\n{log}", world.played_s);
        assert!(world.reports.is_empty(), "{way}: {:?}", world.reports);
    }
}

/// Goal: where no variant is there the stream is over, each having been asked for once; and what no variant has is left out.
#[test]
fn what_all_variants_have_lost_is_lost() {
    let mut world = heavy_lost(|uri| matches!(uri, "v0" | "v1").then_some(Answer::Status(404, 10)));
    world.run(60_000);
    let log = world.log.join("\n");
    let asked = |uri| world.request_times.iter().filter(|(of, at_ms)| of == uri && *at_ms >= 9_000).count();
    assert!(world.is_ended && world.is_closed, "{log}");
    assert_eq!((asked("v1"), asked("v0"), switches(&world).len()), (1, 1, 1), "{log}");

    let mut world = heavy_lost(|uri| uri.ends_with("109.m4s").then_some(Answer::Status(404, 10)));
    world.run(40_000);
    let msns = msns(&world);
    let log = world.log.join("\n");
    assert_eq!(msns, (102..=*msns.last().unwrap()).filter(|msn| *msn != 109).collect::<Vec<_>>(), "{log}");
    assert_eq!(switches(&world), ["0"], "{log}");
}

/// Goal: an encoder that stands still sends nobody from one variant to the other for ever, nor does a lost connection.
#[test]
fn an_outage_of_all_changes_little() {
    for (is_cut, switches_max) in [(false, 1), (true, 0)] {
        let mut world = two(0, 0, |_| 50);
        let mut server = std::mem::replace(&mut world.server, Box::new(|_, _, _| Answer::Never));
        world.server = Box::new(move |uri, nth, now_ms| match now_ms {
            9_000..24_000 if is_cut => Answer::Status(0, 10),
            9_000..24_000 if uri.starts_with('v') => server(uri, nth, 9_000),
            _ => server(uri, nth, now_ms),
        });
        world.run(60_000);
        let log = world.log.join("\n");
        assert!(switches(&world).len() <= switches_max, "{log}");
        assert!(*msns(&world).last().unwrap() >= 128, "{log}");
    }
}

/// Goal: encoders whose clocks have nothing to do with each other can stand in for each other. Method: the light variant's
/// media time is 300 s ahead, and behind, and such that nobody can read it, when the heavy one's playlist is gone.
#[test]
fn a_variant_with_a_clock_of_its_own_goes_on_where_the_other_one_was() {
    for (shift_s, unreadable) in [(300.0, None), (-150.0, None), (300.0, Some("light"))] {
        let mut world = two(0, 0, |_| 50);
        world.unreadable = unreadable;
        let mut server = std::mem::replace(&mut world.server, Box::new(|_, _, _| Answer::Never));
        world.server = Box::new(move |uri, nth, now_ms| match uri {
            "v1" if now_ms >= 8_000 => Answer::Status(404, 20),
            _ => server(uri, nth, now_ms),
        });
        world.media = Box::new(move |uri| {
            let shift_s = if uri.starts_with("light") { shift_s } else { 0.0 };
            (2.0 * number(uri) as f64 + shift_s, 2.0)
        });
        world.run(40_000);
        let log = world.log.join("\n");
        let shown = shown(&world, 0);
        assert!(shown.windows(2).all(|pair| pair[1] == pair[0] + 1) && shown.len() > 20, "{log}");
        assert_eq!(world.buffered.len(), 1, "{log}");
    }
}

/// Goal: where another variant begins with a restart its clock says nothing of where it belongs. Method: the heavy variant's playlist
/// is gone when 107 is listed, with which the clock begins anew, a few segments away.
#[test]
fn a_change_of_variant_at_a_restart_leaves_nothing_out() {
    let mut world = two(0, 0, |_| 50);
    let mut server = std::mem::replace(&mut world.server, Box::new(|_, _, _| Answer::Never));
    world.server = Box::new(move |uri, nth, now_ms| match server(uri, nth, now_ms) {
        _ if uri == "v1" && now_ms >= 5_500 => Answer::Status(404, 20),
        Answer::Body(list, wait_ms) => {
            let first_of_run = "#EXTINF:2.000,\nlight107";
            Answer::Body(
                list.replace(first_of_run, &format!("#EXT-X-DISCONTINUITY\n{first_of_run}")),
                wait_ms,
            )
        }
        other => other,
    });
    world.media = Box::new(|uri| {
        let msn = number(uri);
        (2.0 * (msn - if msn < 107 { 100 } else { 107 }) as f64, 2.0)
    });
    world.run(40_000);
    let log = world.log.join("\n");
    assert_eq!(switches(&world), ["0"], "{log}");
    let shown = shown(&world, 0);
    assert_eq!(shown, (102..=*shown.last().unwrap()).collect::<Vec<_>>(), "{log}");
    assert!(shown.len() > 17 && world.played_s > 36.0, "{log}");
}

/// Goal: nothing of a variant whose init is missing is appended behind another one's. Method: its segment has come meanwhile.
#[test]
fn a_variant_without_its_init_is_left_with_its_segment() {
    let mut world = two(0, 0, |_| 50);
    let mut server = std::mem::replace(&mut world.server, Box::new(|_, _, _| Answer::Never));
    world.server = Box::new(move |uri, nth, now_ms| match uri {
        "heavy0.mp4" => Answer::Status(404, 20),
        _ => server(uri, nth, now_ms),
    });
    world.run(20_000);
    let log = world.log.join("\n");
    assert!(world.count("heavy102.m4s") > 0 && world.appended.len() > 8, "{log}");
    assert!(world.appended.iter().all(|uri| uri.starts_with("light")), "{log}");
    assert!(world.reports.is_empty(), "{log}");
}

/// Goal: a change of variant is made in a list that has ended, too, which nobody reloads otherwise. Method: 21 segments are all there
/// are, and the link carries less from the fourth on.
#[test]
fn a_list_that_has_ended_may_be_left_for_another_one() {
    let mut world = World::new(|uri, _, _| match uri {
        "v0" | "v1" => {
            let name = if uri == "v0" { "light" } else { "heavy" };
            let line = |msn| format!("#EXTINF:2.000,\n{name}{msn}.m4s\n");
            let text = list(100, 121, line).replace("init", &format!("{name}0"));
            Answer::Body(text + "#EXT-X-ENDLIST\n", 30)
        }
        _ => Answer::Body(String::new(), 50),
    });
    world.variants = NEEDS.into();
    world.variant = 1;
    world.bits_per_s = Box::new(|uri| if number(uri) < 103 { 2e6 } else { 0.9e6 });
    world.run(60_000);
    let log = world.log.join("\n");
    assert_eq!(switches(&world), ["0"], "{log}");
    assert_eq!(msns(&world), (100..=120).collect::<Vec<_>>(), "{log}");
    assert!(world.is_ended && world.is_closed && world.reports.is_empty(), "{log}");
    assert_eq!((world.count("v0"), world.count("v1")), (1, 1), "{log}");
}
