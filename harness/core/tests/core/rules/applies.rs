//! Whether a trial has anything for a rule to judge: where a rule accuses, it had; and each has trials of which it has
//! nothing to say.

use std::collections::BTreeMap;

use segproof_core::action::What;
use segproof_core::expect::Profile;
use segproof_core::notation::Counts;
use segproof_core::origin::PLAYLIST_PATH;
use segproof_core::rules::{Case, RULES};
use segproof_core::scenario::Outcome;
use segproof_core::trace::{AppendedBox, PageEvent, Resource};
use segproof_core::view::View;

use super::hls::{mark_gap, segments_mode};
use super::{all, bent};
use crate::session::Session;

fn applies(rule: &str, session: &Session) -> bool {
    let view = View::new(&session.trace, &session.expect);
    let case = Case { trace: &session.trace, expect: &session.expect, view: &view };
    let row = RULES.iter().find(|row| row.id == rule).expect("a rule");
    (row.applies)(&case)
}

#[test]
fn where_a_rule_accuses_it_had_something_to_judge() {
    for pairs in all() {
        for (name, session) in pairs.bad {
            assert!(applies(pairs.rule, &session()), "{}: {name}", pairs.rule);
        }
    }
}

/// Sessions of which the rules beside them have nothing to say; all others have.
fn idle() -> Vec<(&'static str, Session, Vec<&'static str>)> {
    let appends = ["mse/init-first", "mse/no-append-while-updating", "mse/whole-segments"];
    let media = ["hls/in-order", "hls/no-duplicate", "hls/map-applies", "hls/hold-back"];
    let unasked = [
        "hls/gap-not-loaded",
        "session/no-request-after-end",
        "session/request-rate",
        "session/obeys",
        "session/errors",
        "session/buffered",
        "view/latency",
        "view/av-sync",
        "view/shown",
    ];
    let looked_at = ["view/frames-forward", "view/no-missing-frames", "view/stall"];
    let and = |more: &[&'static str]| [&unasked[..], more].concat();
    let without = |less: &str| unasked.iter().copied().filter(|rule| *rule != less).collect::<Vec<_>>();
    vec![
        ("a live session", Session::live(), and(&[])),
        (
            "one that ends",
            Session::ended(),
            [&without("session/no-request-after-end")[..], &["session/recovers"]].concat(),
        ),
        (
            "one whose playlist is missing, in the seed's profile",
            bent(|s| s.refused(9000.0, PLAYLIST_PATH, 410)),
            without("session/no-request-after-end"),
        ),
        (
            "one whose playlist is missing, in another",
            bent(|s| {
                s.refused(9000.0, PLAYLIST_PATH, 404);
                s.expect.profile = Profile::Standard;
            }),
            and(&[]),
        ),
        ("one that is given up", bent(|s| s.fatal(9000.0)), without("session/no-request-after-end")),
        (
            "media is never appended",
            bent(|s| keep_boxes(s, |b| matches!(b, AppendedBox::Init { .. }))),
            and(&[&appends[..], &media[..]].concat()),
        ),
        (
            "an init is never appended",
            bent(|s| keep_boxes(s, |b| !matches!(b, AppendedBox::Init { .. }))),
            and(&["mse/init-once"]),
        ),
        ("in segments mode", bent(segments_mode), and(&["hls/in-order"])),
        (
            "only playlists are asked for, one of them",
            bent(|s| {
                s.trace.requests.retain(|r| r.resource.is_playlist());
                s.trace.requests.truncate(1);
            }),
            and(&["hls/listed-only", "hls/reload-interval"]),
        ),
        (
            "two playlists",
            bent(|s| {
                s.trace.requests.retain(|r| r.resource.is_playlist());
                s.trace.requests.truncate(2);
            }),
            and(&["hls/listed-only"]),
        ),
        (
            "segments, and no init",
            bent(|s| s.trace.requests.retain(|r| !matches!(r.resource, Resource::Init { .. }))),
            and(&[]),
        ),
        (
            "an init, and no segment",
            bent(|s| s.trace.requests.retain(|r| !matches!(r.resource, Resource::Segment { .. }))),
            and(&[]),
        ),
        ("a GAP is listed", bent(|s| s.edit_playlists(mark_gap)), without("hls/gap-not-loaded")),
        ("nobody can play it", bent(|s| s.expect.outcome = Outcome::Failed), and(&["session/recovers"])),
        ("nobody can start it", bent(|s| s.expect.start_limit_ms = f64::INFINITY), and(&["session/starts"])),
        (
            "no end is in sight, and the fault outlasts the session",
            bent(|s| {
                s.expect.until_msn = None;
                s.expect.recover = Some((s.trace.ended_at_ms + 1.0, 500.0));
            }),
            and(&["session/recovers"]),
        ),
        (
            "no end is in sight, and a fault is over at the end",
            bent(|s| {
                s.expect.until_msn = None;
                s.expect.recover = Some((s.trace.ended_at_ms, 500.0));
            }),
            and(&[]),
        ),
        ("no end is in sight", bent(|s| s.expect.until_msn = None), and(&["session/recovers"])),
        ("how it ends is open", bent(|s| s.expect.outcome = Outcome::Open), and(&["session/recovers"])),
        ("requests are not counted", bent(|s| s.expect.requests.clear()), and(&["session/requests"])),
        (
            "their rate is limited",
            bent(|s| s.expect.requests_per_td = Some(9)),
            without("session/request-rate"),
        ),
        ("the viewer pauses", bent(|s| s.action(9000.0, What::Pause)), without("session/obeys")),
        ("the page stops the player", bent(|s| s.action(9000.0, What::Stop)), without("session/obeys")),
        ("the viewer hides it", bent(|s| s.action(9000.0, What::Hide)), and(&[])),
        (
            "errors are counted",
            bent(|s| s.expect.errors = Some(Counts { first: 0, last: None })),
            without("session/errors"),
        ),
        (
            "the buffer is limited",
            bent(|s| s.expect.buffered_limit_ms = Some(1e6)),
            without("session/buffered"),
        ),
        ("the latency is limited", bent(|s| s.expect.latency_limit_ms = Some(1e6)), without("view/latency")),
        ("a segment is demanded", bent(|s| s.expect.must_show = [105].into()), without("view/shown")),
        ("a segment is forbidden", bent(|s| s.expect.must_not_show = [99].into()), without("view/shown")),
        ("nothing is shown", bent(|s| s.keep_frames(|_, _| false)), and(&looked_at)),
        (
            "sound is asked for, and there is no ear",
            bent(|s| s.expect.av_sync_limit_ms = Some(100.0)),
            and(&[]),
        ),
        ("there is an ear, and nobody asks", bent(|s| s.page(1.0, PageEvent::Ear { error: None })), and(&[])),
        (
            "there is an ear, and nothing to see",
            bent(|s| {
                s.page(1.0, PageEvent::Ear { error: None });
                s.expect.av_sync_limit_ms = Some(100.0);
                s.keep_frames(|_, _| false);
            }),
            and(&looked_at),
        ),
        (
            "sound is asked for, and heard",
            bent(|s| {
                s.page(1.0, PageEvent::Ear { error: None });
                s.expect.av_sync_limit_ms = Some(100.0);
            }),
            without("view/av-sync"),
        ),
    ]
}

#[test]
fn a_rule_is_idle_where_nothing_is_for_it_to_judge() {
    let mut wrong = BTreeMap::new();
    for (name, session, idle) in idle() {
        for row in RULES {
            let is_idle = idle.contains(&row.id);
            if applies(row.id, &session) == is_idle {
                wrong.insert((name, row.id), if is_idle { "is to be idle" } else { "is idle" });
            }
        }
    }
    assert_eq!(wrong, BTreeMap::new());
}

fn keep_boxes(s: &mut Session, keep: impl Fn(&AppendedBox) -> bool) {
    s.edit_appends(|event| {
        let PageEvent::Append { boxes, .. } = event else { unreachable!() };
        boxes.retain(&keep);
    });
}
