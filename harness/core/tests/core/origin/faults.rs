//! Faults that touch a transfer.

use segproof_core::exchange::{Ask, Host, Reply, Step};
use segproof_core::origin::{Origin, PLAYLIST_PATH};
use segproof_core::trace::{Content, Resource};

use super::{INIT_PATH, hosts, listed, listings, origin, segment, text, whole};

fn fault(on: &str, what: &str) -> String {
    format!("[[fault]]\non = \"{on}\"\n{what}\n")
}

#[test]
fn what_a_201_lists_can_be_had() {
    let mut origin = origin(&format!("[stream]\nclock = \"reload\"\n{}", fault("playlist", "status = 201")));
    origin.handle(0.0, PLAYLIST_PATH);
    // A little early: the publication is moved to this reload.
    let reply = origin.handle(1800.0, PLAYLIST_PATH);
    let newest = *listed(&reply).last().expect("a list");
    assert_eq!((reply.status, newest), (201, 105));
    assert_eq!(origin.handle(1810.0, &segment(newest)).status, 200);
}

#[test]
fn a_status_comes_with_a_body_of_its_own() {
    let mut origin = origin(&fault("segment 102", "status = 404"));
    let reply = origin.handle(0.0, &segment(102));
    assert_eq!((reply.status, &reply.content, &reply.fired[..]), (404, &Content::Nothing, &[0][..]));
    assert_eq!(&reply.body[..], b"status 404\n");
    assert_eq!((reply.content_length().unwrap(), reply.steps.clone()), (11, whole(&reply).to_vec()));
}

#[test]
fn a_delay_comes_before_the_headers() {
    for (delay, wait_ms) in [("300ms", 300.0), ("1.5s", 1500.0), ("2td", 4000.0)] {
        let reply = origin(&fault("init", &format!("delay = \"{delay}\""))).handle(0.0, INIT_PATH);
        assert_eq!(reply.steps, [vec![Step::Wait(wait_ms)], whole(&reply).to_vec()].concat());
        assert_eq!(reply.status, 200);
    }
}

#[test]
fn a_body_may_be_cut_honestly_or_not() {
    let reply = origin(&fault("segment 102", "truncate = \"50%\"")).handle(0.0, &segment(102));
    let half = reply.body.len() / 2;
    assert_eq!(
        (reply.steps.clone(), reply.content_length().unwrap()),
        (vec![Step::Head, Step::BodyTo(half)], half)
    );
    let honest = fault("segment 102", "truncate = \"10\"\ncontent_length = \"true\"");
    let reply = origin(&honest).handle(0.0, &segment(102));
    assert_eq!(
        (reply.steps.clone(), reply.content_length().unwrap()),
        (vec![Step::Head, Step::BodyTo(10)], 10)
    );
    let lying = fault("segment 102", "truncate = \"10\"\ncontent_length = \"lying\"");
    let reply = origin(&lying).handle(0.0, &segment(102));
    assert_eq!(reply.steps, [Step::Head, Step::BodyTo(10), Step::Close]);
    assert_eq!(reply.content_length().unwrap(), reply.body.len());
    assert_eq!(reply.status, 200);
}

#[test]
fn a_transfer_may_hang_or_be_reset() {
    let reply = origin(&fault("segment 102", "hang = \"0\"")).handle(0.0, &segment(102));
    assert_eq!(reply.steps, [Step::Head, Step::BodyTo(0), Step::Hang]);
    assert_eq!(reply.content_length().unwrap(), reply.body.len());
    let reply = origin(&fault("segment 102", "reset = \"25%\"")).handle(0.0, &segment(102));
    assert_eq!(reply.steps, [Step::Head, Step::BodyTo(reply.body.len() / 4), Step::Reset]);
    assert_eq!(reply.content_length().unwrap(), reply.body.len());
}

#[test]
fn a_fault_meets_only_what_it_is_on() {
    let paths = [PLAYLIST_PATH.to_string(), INIT_PATH.to_string(), segment(102), segment(103)];
    for (on, met) in [
        ("playlist", [true, false, false, false]),
        ("init", [false, true, false, false]),
        ("segment 102", [false, false, true, false]),
        ("segment 102..103", [false, false, true, true]),
        ("segment 104..110", [false, false, false, false]),
        ("*", [true, true, true, true]),
    ] {
        for what in ["status = 503", "delay = \"1s\"", "truncate = \"1\"", "hang = \"1\"", "reset = \"1\""] {
            let (mut faulty, mut plain) = (origin(&fault(on, what)), origin(""));
            let changed = paths.clone().map(|path| {
                let (a, b) = (faulty.handle(0.0, &path), plain.handle(0.0, &path));
                assert_eq!(a.resource, b.resource);
                (a.status, a.steps.clone(), a.content_length().unwrap())
                    != (b.status, b.steps.clone(), b.content_length().unwrap())
            });
            assert_eq!(changed, met, "{what} on {on}");
        }
    }
}

#[test]
fn nth_counts_the_requests_for_each_resource() {
    for (nth, statuses) in
        [("1", [503, 200, 200, 200]), ("2..3", [200, 503, 503, 200]), ("3..", [200, 200, 503, 503])]
    {
        let mut origin = origin(&fault("segment 102..103", &format!("nth = \"{nth}\"\nstatus = 503")));
        for msn in [102, 103] {
            assert_eq!([(); 4].map(|()| origin.handle(0.0, &segment(msn)).status), statuses, "{nth}");
        }
    }
}

#[test]
fn from_and_until_are_moments_of_the_stream() {
    // Segment 105 is published at 2 s, 106 at 4 s.
    let by_segment = fault("init", "from = \"segment 105\"\nuntil = \"segment 106\"\nstatus = 503");
    let by_time = fault("init", "from = \"2s\"\nuntil = \"2td\"\nstatus = 503");
    for body in [by_segment, by_time] {
        let mut origin = origin(&body);
        let statuses = [0.0, 1999.0, 2000.0, 3999.0, 4000.0].map(|at| origin.handle(at, INIT_PATH).status);
        assert_eq!(statuses, [200, 200, 503, 503, 200], "{body}");
    }
}

#[test]
fn faults_compose_in_the_documented_order() {
    // In the file they stand the other way round.
    let all = [
        fault("segment 102", "hang = \"50%\""),
        fault("segment 102", "delay = \"1s\""),
        fault("segment 102", "truncate = \"50%\""),
        fault("segment 102", "delay = \"500ms\""),
        fault("segment 102", "status = 404"),
    ];
    let reply = origin(&all.concat()).handle(0.0, &segment(102));
    // The status's own body, half of it by truncate, half of that before it hangs; delays add up.
    assert_eq!(
        (reply.status, &reply.body[..], reply.content_length().unwrap()),
        (404, &b"status 404\n"[..], 5)
    );
    assert_eq!(reply.steps, [Step::Wait(1500.0), Step::Head, Step::BodyTo(2), Step::Hang]);
    assert_eq!(reply.fired, [0, 1, 2, 3, 4]);
    let reset = origin(&(fault("segment 102", "reset = \"3\"") + &all.concat())).handle(0.0, &segment(102));
    assert_eq!(reset.steps, [Step::Wait(1500.0), Step::Head, Step::BodyTo(3), Step::Reset]);
}

#[test]
fn of_two_that_set_the_same_thing_the_later_wins() {
    for (what, wins) in [("status = 500", "status = 404"), ("truncate = \"9\"", "truncate = \"4\"")] {
        let both = origin(&(fault("init", what) + &fault("init", wins))).handle(0.0, INIT_PATH);
        let one = origin(&fault("init", wins)).handle(0.0, INIT_PATH);
        assert_eq!(
            (both.status, both.steps.clone(), both.content_length().unwrap()),
            (one.status, one.steps.clone(), one.content_length().unwrap())
        );
    }
}

#[test]
fn a_gap_that_is_delayed_leaves_the_playlist_in_time() {
    let mut origin = origin(&(fault("segment 103", "gap = true") + &fault("segment 103", "delay = \"5s\"")));
    let reply = origin.handle(0.0, PLAYLIST_PATH);
    assert_eq!(reply.steps, whole(&reply));
    assert!(text(&reply).contains("#EXT-X-GAP"));
    let reply = origin.handle(0.0, &segment(103));
    assert_eq!((reply.status, reply.steps[0]), (404, Step::Wait(5000.0)));
}

#[test]
fn an_edit_that_can_not_be_made_is_known_before_anybody_asks() {
    assert_eq!(origin(&fault("segment 104", "media = \"corrupt frame 20\"")).impossible_edits(), [""; 0]);
    let why = origin(&fault("segment 104", "media = \"corrupt frame 21\"")).impossible_edits();
    assert!(why.len() == 1 && why[0].contains("21"), "{why:?}");
}

#[test]
fn a_range_that_is_shifted_is_as_long_as_the_one_asked_for() {
    let body = format!("[playlist]\nbyterange = \"offset\"\n{}", fault("segment 102", "range = \"shifted\""));
    let (mut sound, mut shifted) = (origin("[playlist]\nbyterange = \"offset\"\n"), origin(&body));
    let reply = sound.handle(0.0, PLAYLIST_PATH);
    shifted.handle(0.0, PLAYLIST_PATH);
    let (of_102, of_103) = (&listings(&reply)[2], &listings(&reply)[3]);
    let path = format!("/live/{}", of_102.uri);
    let bytes = |origin: &mut Origin, (from, end): (u64, u64)| {
        let range = format!("bytes={from}-{}", end - 1);
        origin.handle(0.0, Ask { path: &path, range: Some(&range), ..Ask::default() }).body
    };
    let (from, end) = of_102.range.unwrap();
    let behind = bytes(&mut sound, (end, 2 * end - from));
    assert_eq!(bytes(&mut shifted, (from, end)), behind);
    assert_eq!(of_103.range.unwrap().0, end);
}

#[test]
fn the_whole_file_comes_under_the_name_of_the_range_and_with_the_part_in_it() {
    let body = format!("[playlist]\nbyterange = \"offset\"\n{}", fault("segment 102", "range = \"whole\""));
    let mut whole = origin(&body);
    let reply = whole.handle(0.0, PLAYLIST_PATH);
    let of_102 = &listings(&reply)[2];
    let path = format!("/live/{}", of_102.uri);
    let (from, end) = of_102.range.unwrap();
    let range = format!("bytes={from}-{}", end - 1);
    let reply = whole.handle(0.0, Ask { path: &path, range: Some(&range), ..Ask::default() });
    let total = reply.body.len() as u64;
    assert!(total > end, "{total}");
    assert_eq!(reply.status, 206);
    assert_eq!(reply.header("content-range"), Some(format!("bytes {from}-{}/{total}", end - 1).as_str()));
    assert!(matches!(reply.content, Content::Segment(_)), "{:?}", reply.content);
}

#[test]
fn refusals_that_touch_are_one() {
    let refuse = |span: &str| fault("*", &format!("{span}\nrefuse = true"));
    let spans = |bodies: &[String]| origin(&bodies.concat()).refusals();
    let (early, late) = (refuse("from = \"1s\"\nuntil = \"3s\""), refuse("from = \"4s\"\nuntil = \"6s\""));
    assert_eq!(spans(&[late.clone(), early.clone()]), [1000.0..3000.0, 4000.0..6000.0]);
    assert_eq!(
        spans(&[early.clone(), refuse("from = \"3s\"\nuntil = \"4s\""), late.clone()]),
        [1000.0..6000.0]
    );
    assert_eq!(
        spans(&[early, refuse("from = \"2s\"\nuntil = \"2500ms\""), late]),
        [1000.0..3000.0, 4000.0..6000.0]
    );
    assert_eq!(spans(&[refuse("until = \"segment 106\"")]), [0.0..4000.0]);
    assert_eq!(spans(&[refuse("from = \"1s\"")]), [1000.0..f64::INFINITY]);
    assert_eq!(spans(&[fault("*", "status = 503")]), [0.0..0.0; 0]);
}

#[test]
fn a_preflight_meets_what_the_request_behind_it_would() {
    let mut origin = origin(&fault("segment 102", "nth = \"2\"\ncors = \"preflight\""));
    let granted = |origin: &Origin, msn| origin.preflight(0.0, &*segment(msn));
    assert!(granted(&origin, 102) && granted(&origin, 103));
    // Asking first is no request.
    assert!(granted(&origin, 102));
    origin.handle(0.0, &segment(102));
    assert!(!granted(&origin, 102) && granted(&origin, 103));
    origin.handle(0.0, &segment(102));
    assert!(granted(&origin, 102));
    let other = super::origin(&fault("segment 102", "cors = \"missing\""));
    assert!(granted(&other, 102));
}

/// Asked of a host, with both hosts known.
fn status_at(origin: &mut Origin, host: Host, path: &str) -> u16 {
    origin.bases = hosts();
    origin.handle(0.0, Ask { path, host, ..Ask::default() }).status
}

#[test]
fn what_a_playlist_lists_that_has_moved_is_where_it_has_moved_to() {
    let (here, there) = (segment(102), segment(102).replace("/live/", "/moved/elsewhere/"));
    let places = [(Host::First, &here), (Host::Second, &here), (Host::First, &there), (Host::Second, &there)];
    let statuses = |body: &str| places.map(|(host, path)| status_at(&mut origin(body), host, path));
    assert_eq!(statuses(""), [200, 404, 404, 404]);
    assert_eq!(statuses(&fault("playlist", "delay = \"1s\"")), [200, 404, 404, 404]);
    assert_eq!(statuses(&fault("playlist", "redirect = \"host\"")), [404, 200, 404, 404]);
    assert_eq!(statuses(&fault("playlist", "redirect = \"folder\"")), [404, 404, 200, 404]);
    assert_eq!(statuses(&fault("playlist", "redirect = \"same\"")), [200, 404, 404, 404]);
    // Only now and then: what is listed stays in its place, and is found where it is sent to all the same.
    assert_eq!(statuses(&fault("playlist", "nth = \"2\"\nredirect = \"host\"")), [200, 200, 404, 404]);
    assert_eq!(statuses(&fault("playlist", "from = \"2s\"\nredirect = \"folder\"")), [200, 404, 200, 404]);
    assert_eq!(statuses(&fault("segment 103", "redirect = \"host\"")), [200, 200, 404, 404]);
}

#[test]
fn a_redirect_to_the_same_place_keeps_the_query() {
    let same = fault("segment 102", "redirect = \"same\"");
    let location = |path: &str| {
        let reply = origin(&same).handle(0.0, path);
        (reply.status, reply.header("location").map(str::to_string))
    };
    let path = segment(102);
    assert_eq!(location(&path), (302, Some(format!("{path}?redirected=1"))));
    assert_eq!(location(&format!("{path}?a=b")), (302, Some(format!("{path}?a=b&redirected=1"))));
    assert_eq!(location(&format!("{path}?redirected=1")), (200, None));
}

#[test]
fn the_file_of_ranges_can_be_had_as_a_whole_and_nothing_beside_it() {
    let mut ranges = origin("[playlist]\nbyterange = \"offset\"\n");
    let file = ranges.handle(0.0, "/live/live.m4s");
    assert_eq!((file.status, file.resource), (200, Resource::Unknown));
    assert!(file.body.len() > crate::media::fixture().segments[0].bytes.len());
    assert_eq!(ranges.handle(0.0, "/live/live2.m4s").status, 404);
    assert_eq!(ranges.handle(0.0, "/moved/elsewhere/live.m4s").status, 404);
    assert_eq!(origin("").handle(0.0, "/live/live.m4s").status, 404);
}

#[test]
fn a_signed_uri_answers_until_it_expires() {
    let mut signed = origin("[playlist]\nuris = \"signed\"\nexpires = \"3s\"\n");
    let uri = listed_uri(&signed.handle(500.0, PLAYLIST_PATH), 102);
    let mut status = |at_ms| signed.handle(at_ms, &uri).status;
    assert_eq!([status(500.0), status(3500.0), status(3501.0)], [200, 200, 403]);
    assert_eq!(signed.handle(500.0, &segment(102)).status, 403, "without a token");
    assert_eq!(
        signed.handle(500.0, &format!("{}?token=7", segment(102))).status,
        403,
        "with one never given out"
    );
}

fn listed_uri(reply: &Reply, msn: u64) -> String {
    format!("/live/{}", listings(reply).iter().find(|listing| listing.msn == msn).expect("listed").uri)
}

#[test]
fn a_lie_about_the_length_closes_only_what_is_cut() {
    let lying =
        |part: &str| fault("segment 102", &format!("truncate = \"{part}\"\ncontent_length = \"lying\""));
    let reply = origin(&lying("9999999")).handle(0.0, &segment(102));
    assert_eq!(reply.steps, whole(&reply));
    let reply = origin(&lying("99%")).handle(0.0, &segment(102));
    assert_eq!(reply.steps.last(), Some(&Step::Close));
}
