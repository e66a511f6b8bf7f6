//! The origin's check of itself, by what was sent.

use segproof_core::origin::PLAYLIST_PATH;
use segproof_core::report::Stream;
use segproof_core::selfcheck;
use segproof_core::trace::{Content, End, Request};

use crate::session::{Session, listing, playlist, segment, segment_path};

fn check(bend: impl FnOnce(&mut Session)) -> (Stream, Vec<String>) {
    check_from(Session::live(), bend)
}

fn check_from(mut session: Session, bend: impl FnOnce(&mut Session)) -> (Stream, Vec<String>) {
    bend(&mut session);
    session.seal();
    selfcheck::check(&session.trace)
}

type Bend = fn(&mut Request);

/// The one complaint about an illegal stream.
fn complaint((stream, complaints): (Stream, Vec<String>)) -> String {
    assert_eq!((stream, complaints.len()), (Stream::Illegal, 1), "{complaints:#?}");
    complaints[0].clone()
}

/// Answers the reload at this time with another playlist.
fn answer(s: &mut Session, at_ms: f64, content: Content) {
    s.trace.requests.iter_mut().find(|r| r.at_ms == at_ms).unwrap().content = content;
}

fn edited(newest: u64, from: &str, to: &str) -> Content {
    let Content::Playlist { text, .. } = playlist(newest, None) else { unreachable!() };
    assert!(text.contains(from), "{text}");
    listing(text.replace(from, to))
}

#[test]
fn good_sessions_are_legal() {
    assert_eq!(check(|_| {}), (Stream::Legal, vec![]));
    assert_eq!(check_from(Session::ended(), |_| {}), (Stream::Legal, vec![]));
    // The same playlist once more is no change, even after its end.
    let again = |s: &mut Session| {
        s.request(19_000.0, PLAYLIST_PATH, playlist(110, Some(110)));
    };
    assert_eq!(check_from(Session::ended(), again), (Stream::Legal, vec![]));
}

#[test]
fn a_sequence_number_that_falls_is_illegal() {
    let what = complaint(check(|s| answer(s, 18_000.0, playlist(111, None))));
    assert!(what.contains("EXT-X-MEDIA-SEQUENCE has decreased (RFC 8216, 6.2.1)"), "{what}");
}

#[test]
fn a_segment_above_the_target_duration_is_illegal() {
    let longer = |to| complaint(check(|s| answer(s, 18_000.0, edited(113, "EXTINF:2.000000,\nlive113", to))));
    let what = longer("EXTINF:2.500000,\nlive113");
    assert!(what.contains("an EXTINF exceeds the target duration"), "{what}");
    // It is rounded to the nearest integer before it is compared.
    let rounded = edited(113, "EXTINF:2.000000,\nlive113", "EXTINF:2.499000,\nlive113");
    assert_eq!(check(|s| answer(s, 18_000.0, rounded)).0, Stream::Legal);
}

#[test]
fn an_entry_that_changes_is_illegal() {
    for (from, to) in
        [("live112.m4s", "other112.m4s"), ("EXTINF:2.000000,\nlive112", "EXTINF:1.900000,\nlive112")]
    {
        let what = complaint(check(|s| answer(s, 18_000.0, edited(113, from, to))));
        assert!(what.contains("a listed segment has changed (RFC 8216, 6.2.1)"), "{what}");
    }
}

#[test]
fn sound_that_leaves_the_picture_is_a_jump() {
    let sound_lies = |unaccompanied_s: fn(u64) -> f64| {
        check(|s| {
            for request in &mut s.trace.requests {
                let Some(msn) = request.resource.msn() else { continue };
                if let Content::Segment(facts) = &mut request.content {
                    facts.unaccompanied_s = unaccompanied_s(msn);
                }
            }
        })
    };
    // A day from zero, a difference of two times is no longer what was added.
    for unaccompanied_s in
        [|msn| if msn < 107 { 0.0 } else { 2.0 }, |msn| if msn < 107 { 0.0 } else { 2.0 - 1e-11 }]
    {
        let far_off = complaint(sound_lies(unaccompanied_s));
        assert!(far_off.contains("timestamps jump"), "{far_off}");
    }
    // Sound that ends early is no other clock, and a stream whose sound was never there jumps nowhere.
    assert_eq!(sound_lies(|msn| if msn == 107 { 0.3 } else { 0.0 }).0, Stream::Legal);
    assert_eq!(sound_lies(|_| 2.0).0, Stream::Legal);
}

#[test]
fn a_change_after_the_end_is_illegal() {
    let what = complaint(check_from(Session::ended(), |s| {
        s.request(19_000.0, PLAYLIST_PATH, playlist(111, None));
    }));
    assert!(what.contains("changed after EXT-X-ENDLIST"), "{what}");
}

#[test]
fn a_live_playlist_that_is_too_short_is_illegal() {
    let Content::Playlist { text, .. } = playlist(113, None) else { unreachable!() };
    let entries = text.find("#EXTINF").unwrap()..text.find("#EXTINF:2.000000,\nlive112").unwrap();
    let mut short = text.replace("MEDIA-SEQUENCE:109", "MEDIA-SEQUENCE:112");
    short.replace_range(entries, "");
    let what = complaint(check(|s| answer(s, 18_000.0, listing(short.clone()))));
    assert!(what.contains("shorter than three target durations (RFC 8216, 6.2.2)"), "{what}");
    // One that has ended may be as short as it is.
    let ended = listing(short + "#EXT-X-ENDLIST\n");
    assert_eq!(check(|s| answer(s, 18_000.0, ended)).0, Stream::Legal);
}

#[test]
fn what_is_no_playlist_is_illegal() {
    let what = complaint(check(|s| answer(s, 18_000.0, listing("<html>".into()))));
    assert!(what.contains("no Media Playlist"), "{what}");
}

#[test]
fn a_bad_answer_for_what_is_listed_is_the_servers_error() {
    let bends: [(&str, Bend); 5] = [
        ("404", |r| r.status = 404),
        ("503", |r| r.status = 503),
        ("cut", |r| r.end = End::Cut),
        ("reset", |r| r.end = End::Reset),
        ("hung", |r| (r.end, r.sent_bytes, r.ended_ms) = (End::ClientGone, 0, r.at_ms + 3000.0)),
    ];
    for (name, bend) in bends {
        let is_it =
            |r: &&mut Request| r.resource == segment(106) || r.path.ends_with(".mp4") || r.at_ms == 8000.0;
        let (stream, complaints) = check(|s| s.trace.requests.iter_mut().filter(is_it).for_each(bend));
        assert_eq!(stream, Stream::ServerError, "{name}");
        // Segment 108 was asked for without a playlist that lists it: no complaint.
        assert_eq!(complaints.len(), 3, "{name}: {complaints:#?}");
    }
}

#[test]
fn a_bad_answer_for_what_is_not_listed_is_the_clients() {
    let (stream, _) = check(|s| {
        s.refused(9000.0, &segment_path(120), 404);
        s.refused(9001.0, &segment_path(100), 404);
        s.refused(9002.0, "/favicon.ico", 404);
    });
    assert_eq!(stream, Stream::Legal);
    // A GAP is listed, and absent.
    let gap = edited(113, "#EXTINF:2.000000,\nlive113", "#EXT-X-GAP\n#EXTINF:2.000000,\nlive113");
    let (stream, complaints) = check(|s| {
        answer(s, 18_000.0, gap);
        s.trace.requests.iter_mut().filter(|r| r.resource == segment(113)).for_each(|r| r.status = 404);
    });
    assert_eq!((stream, complaints), (Stream::Legal, vec![]));
}

#[test]
fn a_client_that_leaves_after_the_last_byte_was_served_well() {
    let (stream, _) = check(|s| {
        s.trace
            .requests
            .iter_mut()
            .filter(|r| r.resource == segment(106))
            .for_each(|r| r.end = End::ClientGone);
    });
    assert_eq!(stream, Stream::Legal);
}

#[test]
fn a_query_does_not_hide_a_bad_answer() {
    let (stream, _) = check(|s| s.refused(9000.0, "/live/live106.m4s?session=7", 404));
    assert_eq!(stream, Stream::ServerError);
}

#[test]
fn what_nobody_can_use_is_a_bad_answer() {
    let init = |content: Content| {
        let asked = |s: &mut Session| {
            s.request(9000.0, "/live/live.mp4", content);
        };
        check(asked).0
    };
    let good = Content::Init { digest: "d".into(), is_spoiled: false };
    assert_eq!(init(good), Stream::Legal);
    assert_eq!(init(Content::Init { digest: "d".into(), is_spoiled: true }), Stream::ServerError);
    // 200 with a page that says that there is nothing, or 204.
    assert_eq!(init(Content::Nothing), Stream::ServerError);
}

#[test]
fn a_list_of_nothing_is_a_playlist() {
    let empty = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:100\n";
    let (stream, complaints) = check(|s| answer(s, 0.0, listing(empty.into())));
    assert_eq!((stream, complaints), (Stream::Legal, vec![]));
}
