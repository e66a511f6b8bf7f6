//! From broken rules to a verdict: what binds, what is known, what the evidence allows.

use segproof_core::action::What;
use segproof_core::expect::Profile;
use segproof_core::judge::{self, Judgement, Known, KnownFile, OneOrMore, Passes, Terms};
use segproof_core::origin::PLAYLIST_PATH;
use segproof_core::report::{Level, Stream, Verdict};
use segproof_core::trace::{Beat, End, PageEvent, Trace, Witness};

use crate::session::{Session, UNTIL_MS, segment, segment_path};

fn judged(bend: impl FnOnce(&mut Session)) -> Judgement {
    judged_with(bend, &[], false)
}

fn judged_with(bend: impl FnOnce(&mut Session), known: &[Known], strict: bool) -> Judgement {
    let mut session = Session::live();
    bend(&mut session);
    session.seal();
    judge::judge(&session.trace, &session.expect, terms(known, strict))
}

fn terms(known: &[Known], strict: bool) -> Terms<'_> {
    Terms { scenario: "segment/404-once", browser: "chromium", known, strict }
}

/// The reason of a trace that allows no judgement.
fn doubt(bend: impl FnOnce(&mut Session)) -> String {
    // Sealing would mend holes: these bend a sealed session.
    let mut session = Session::live();
    bend(&mut session);
    let judgement = judge::judge(&session.trace, &session.expect, terms(&[], false));
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
    judgement.reason.unwrap()
}

fn known(scenario: &str, rule: &str) -> Known {
    let one = |text: &str| OneOrMore::One(text.into());
    let (scenario, rule) = (one(scenario), one(rule));
    Known { scenario, rule, because: "it polls".into(), browser: None, version: None, passes: None }
}

/// Breaks hls/reload-interval, a SHOULD.
fn eager(s: &mut Session) {
    s.reload(7000.0);
}

/// Breaks mse/init-once, a promise of the seed.
fn second_init(s: &mut Session) {
    s.append_init(9000.0);
}

/// Breaks view/no-missing-frames.
fn hole(s: &mut Session) {
    s.keep_frames(|_, n| !(120..140).contains(&n));
}

#[test]
fn a_good_session_passes() {
    let judgement = judged(|_| {});
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert_eq!((judgement.violations.len(), judgement.reason), (0, None));
}

#[test]
fn a_broken_rule_fails() {
    let judgement = judged(hole);
    assert_eq!(judgement.verdict, Verdict::Fail);
    let violation = &judgement.violations[0];
    assert_eq!((violation.rule.as_str(), violation.level), ("view/no-missing-frames", Level::Viewer));
    assert!(violation.binding && !violation.known);
    assert_eq!(violation.what, "no frame of segment 106 was shown");
}

#[test]
fn frames_that_are_missing_where_the_engine_dropped_others_are_no_evidence() {
    let busy = |count: u64| {
        move |s: &mut Session| {
            hole(s);
            for entry in &mut s.trace.page {
                if let PageEvent::Frame { number, dropped, .. } = &mut entry.event {
                    *dropped = if *number >= 140 { count } else { 0 };
                }
            }
        }
    };
    assert_eq!(judged(busy(4)).verdict, Verdict::Fail);
    let judgement = judged(busy(5));
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert!(judgement.reason.unwrap().contains("the engine dropped 5 frames"));
    // Another rule is broken whatever was dropped.
    let and_another = judged(|s| {
        busy(5)(s);
        second_init(s);
    });
    assert_eq!(and_another.verdict, Verdict::Fail);
}

#[test]
fn a_should_binds_only_with_strict() {
    let lax = judged(eager);
    assert_eq!(lax.verdict, Verdict::Pass);
    assert_eq!((lax.violations[0].level, lax.violations[0].binding), (Level::Should, false));
    let strict = judged_with(eager, &[], true);
    assert_eq!(strict.verdict, Verdict::Fail);
    assert!(strict.violations[0].binding);
}

#[test]
fn a_promise_of_the_seed_binds_only_its_profile() {
    assert_eq!(judged(second_init).verdict, Verdict::Fail);
    let stranger = judged(|s| {
        second_init(s);
        s.expect.profile = Profile::Standard;
    });
    assert_eq!(stranger.verdict, Verdict::Pass);
    assert_eq!((stranger.violations[0].level, stranger.violations[0].binding), (Level::Seed, false));
}

#[test]
fn a_known_violation_is_known_where_its_scenario_matches() {
    let judgement = judged_with(hole, &[known("segment/*", "view/no-missing-frames")], false);
    assert_eq!(judgement.verdict, Verdict::Known);
    assert!(judgement.violations[0].known);
    assert_eq!(judgement.reason.as_deref(), Some("view/no-missing-frames: it polls"));
    let elsewhere = judged_with(hole, &[known("playlist/*", "view/no-missing-frames")], false);
    assert_eq!(elsewhere.verdict, Verdict::Fail);
}

#[test]
fn a_known_violation_of_another_browser_is_none_here() {
    let in_browser = |name: &str| Known {
        browser: Some(OneOrMore::One(name.into())),
        ..known("segment/*", "view/no-missing-frames")
    };
    assert_eq!(judged_with(hole, &[in_browser("chromium")], false).verdict, Verdict::Known);
    assert_eq!(judged_with(hole, &[in_browser("firefox")], false).verdict, Verdict::Fail);
    // Nor is it missed.
    assert_eq!(judged_with(|_| {}, &[in_browser("firefox")], false).verdict, Verdict::Pass);
}

#[test]
fn a_known_violation_does_not_cover_another() {
    let both = |s: &mut Session| {
        hole(s);
        second_init(s);
    };
    assert_eq!(judged_with(both, &[known("*/*", "view/no-missing-frames")], false).verdict, Verdict::Fail);
}

#[test]
fn a_known_violation_that_did_not_happen_is_an_unexpected_pass() {
    let judgement = judged_with(|_| {}, &[known("segment/*", "view/stall")], false);
    assert_eq!(judgement.verdict, Verdict::UnexpectedPass);
    assert!(judgement.reason.unwrap().ends_with("view/stall"));
    let failing = judged_with(hole, &[known("segment/*", "view/stall")], false);
    assert_eq!(failing.verdict, Verdict::Fail);
}

#[test]
fn what_passes_now_and_then_is_neither_a_failure_nor_an_unexpected_pass() {
    let text =
        "[[known]]\nscenario = \"*\"\nrule = \"view/no-missing-frames\"\nbecause = \"b\"\npasses = \"2/5\"\n";
    let known = toml::from_str::<KnownFile>(text).unwrap().known;
    assert_eq!(known[0].passes, Some(Passes { passed: 2, of: 5 }));
    assert_eq!(judged_with(|_| {}, &known, false).verdict, Verdict::Pass);
    assert_eq!(judged_with(hole, &known, false).verdict, Verdict::Known);
    // Another rule that is broken is not covered.
    let other = Known { rule: OneOrMore::One("view/stall".into()), ..known[0].clone() };
    assert_eq!(judged_with(hole, std::slice::from_ref(&other), false).verdict, Verdict::Fail);
    // And the reason speaks of what was broken only.
    let both = [known[0].clone(), other];
    let reason = judged_with(hole, &both, false).reason;
    assert_eq!(reason.as_deref(), Some("view/no-missing-frames: b"));
    // Who says that it always happens means it, whatever another entry says.
    let sure = Known { passes: None, ..known[0].clone() };
    assert_eq!(judged_with(|_| {}, &[known[0].clone(), sure], false).verdict, Verdict::UnexpectedPass);
}

#[test]
fn how_often_something_passes_is_checked() {
    let wrong = |passes: &str| {
        let row = "[[known]]\nscenario = \"*\"\nrule = \"view/stall\"\nbecause = \"b\"\n";
        let read = toml::from_str::<KnownFile>(&format!("{row}passes = \"{passes}\"\n"));
        read.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!((wrong("0/2"), wrong("4/5")), (Ok(()), Ok(())));
    assert!(wrong("5/5").unwrap_err().contains("never seen to fail"));
    assert!(wrong("6/5").unwrap_err().contains("never seen to fail"));
    assert!(wrong("0/1").unwrap_err().contains("at least twice"));
    for text in ["", "2", "2/", "-1/5", "2/5/6", "often"] {
        let error = wrong(text).unwrap_err();
        assert!(error.contains("is not K/N") && error.contains("line 5"), "{error}");
    }
}

#[test]
fn what_it_was_seen_with_is_told() {
    let seen = Known {
        version: Some(OneOrMore::More(vec!["hls.js 1.7.4".into(), "webkitgtk 2.50".into()])),
        ..known("segment/*", "view/no-missing-frames")
    };
    let known = judged_with(hole, std::slice::from_ref(&seen), false).reason.unwrap();
    assert_eq!(known, "view/no-missing-frames: it polls (seen with hls.js 1.7.4, webkitgtk 2.50)");
    let passed = judged_with(|_| {}, &[seen], false).reason.unwrap();
    assert!(passed.ends_with("view/no-missing-frames (seen with hls.js 1.7.4, webkitgtk 2.50)"), "{passed}");
}

#[test]
fn known_toml_is_read_strictly() {
    let row = "[[known]]\nscenario = \"a/*\"\nrule = \"view/stall\"\nbecause = \"b\"\n";
    assert_eq!(toml::from_str::<KnownFile>(row).unwrap().known.len(), 1);
    assert!(toml::from_str::<KnownFile>(&row.replace("because = \"b\"\n", "")).is_err());
    assert!(toml::from_str::<KnownFile>(&format!("{row}until = 3\n")).is_err());
}

#[test]
fn a_hole_in_a_lane_allows_no_judgement() {
    assert_eq!(
        doubt(|s| drop(s.trace.page.remove(40))),
        "evidence was lost: the page's lane has a hole before entry 41"
    );
    assert_eq!(
        doubt(|s| drop(s.trace.requests.remove(3))),
        "evidence was lost: the origin's lane has a hole before entry 4"
    );
    assert_eq!(doubt(|s| s.trace.page.clear()), "evidence was lost: the page never reported");
    assert_eq!(
        doubt(|s| s.trace.lost.push("the browser died".into())),
        "evidence was lost: the browser died"
    );
}

#[test]
fn doubt_outweighs_a_violation_and_keeps_it_in_sight() {
    let judgement = judged(|s| {
        hole(s);
        s.trace.lost.push("the browser died".into());
    });
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert_eq!(judgement.violations.len(), 1);
}

#[test]
fn a_heartbeat_late_by_half_a_target_duration_allows_no_judgement() {
    for (of, name) in [(Witness::Page, "the page"), (Witness::Origin, "the origin")] {
        let reason = doubt(|s| beat_at(s, of, 9000.0).lag_ms = 1001.0);
        assert!(reason.contains(&format!("a heartbeat of {name} was 1001 ms late at 9.0 s")), "{reason}");
    }
    let in_time = judged(|s| beat_at(s, Witness::Page, 9000.0).lag_ms = 999.0);
    assert_eq!(in_time.verdict, Verdict::Pass);
    // The same lag costs four times the stream time at four times the speed.
    let reason = doubt(|s| {
        s.trace.speed = 4.0;
        beat_at(s, Witness::Page, 9000.0).lag_ms = 260.0;
    });
    assert!(reason.ends_with("at speed 4"), "{reason}");
}

#[test]
fn a_player_is_not_accused_of_what_a_late_machine_may_have_done() {
    let failed = |lag_ms| {
        judged(|s| {
            hole(s);
            beat_at(s, Witness::Page, 9000.0).lag_ms = lag_ms;
        })
        .verdict
    };
    assert_eq!(failed(499.0), Verdict::Fail);
    assert_eq!(failed(501.0), Verdict::Inconclusive);
}

#[test]
fn what_was_due_before_stream_time_is_loading_and_not_judged() {
    let late = |at_ms, lag_ms| {
        judged(|s| {
            // The beats between were not sent while the page loaded.
            s.trace.beats.retain(|b| b.of == Witness::Origin || b.at_ms < at_ms - lag_ms || b.at_ms >= at_ms);
            beat_at(s, Witness::Page, at_ms).lag_ms = lag_ms;
        })
        .verdict
    };
    assert_eq!(late(-50.0, 5000.0), Verdict::Pass);
    assert_eq!(late(2600.0, 2601.0), Verdict::Pass);
    assert_eq!(late(2600.0, 2550.0), Verdict::Inconclusive);
}

#[test]
fn heartbeats_that_never_came_allow_no_judgement() {
    for (of, name) in [(Witness::Page, "the page"), (Witness::Origin, "the origin")] {
        let without = |from: f64, to: f64| {
            doubt(|s| s.trace.beats.retain(|b| b.of != of || !(from..to).contains(&b.at_ms)))
        };
        assert_eq!(without(-1e9, 1e9), format!("{name} had no heartbeat"));
        // A page that hangs reports no lag: it is silent.
        let silent = |what| format!("evidence was lost: {name} had no heartbeat for {what}");
        assert_eq!(without(9000.0, 12_000.0), silent("3050 ms from 8.9 s on"));
        assert_eq!(without(15_000.0, 1e9), silent("3300 ms from 14.9 s on"));
        assert_eq!(without(-1e9, 3000.0), silent("2999 ms from 0.0 s on"));
    }
    let short = judged(|s| s.trace.beats.retain(|b| !(9000.0..9400.0).contains(&b.at_ms)));
    assert_eq!(short.verdict, Verdict::Pass);
}

#[test]
fn a_page_that_sleeps_on_purpose_owes_no_heartbeat() {
    let asleep = |woken_ms: f64| {
        judged(|s| {
            s.trace.beats.retain(|b| b.of == Witness::Origin || !(9000.0..11_900.0).contains(&b.at_ms));
            beat_at(s, Witness::Page, 11_900.0).lag_ms = 2900.0;
            s.action(9000.0, What::Sleep);
            s.action(woken_ms, What::Wake);
        })
        .verdict
    };
    assert_eq!(asleep(11_900.0), Verdict::Pass);
    // Awake and still silent.
    assert_eq!(asleep(9200.0), Verdict::Inconclusive);
}

#[test]
fn a_player_that_never_asks_for_the_stream_fails() {
    // Stream time never begins: all evidence comes before its zero, where watching stopped.
    let judgement = judged(|s| {
        s.cut(-1.0);
        s.trace.ended_at_ms = 0.0;
        s.expect.requests.clear();
    });
    let rules: Vec<_> = judgement.violations.iter().map(|v| v.rule.as_str()).collect();
    assert_eq!((judgement.verdict, rules), (Verdict::Fail, vec!["session/starts", "session/recovers"]));
}

#[test]
fn a_violation_says_what_kind_of_stream_it_happened_on() {
    let stream = |bend: fn(&mut Session)| {
        judged(|s| {
            hole(s);
            bend(s);
        })
        .violations[0]
            .stream
    };
    assert_eq!(stream(|_| {}), Stream::Legal);
    assert_eq!(stream(|s| s.refused(9000.0, &segment_path(105), 404)), Stream::ServerError);
    assert_eq!(
        stream(|s| s.edit_playlists(|text| text.replace("EXTINF:2.0", "EXTINF:2.6"))),
        Stream::Illegal
    );
    // The scenario says so itself, whatever was asked for.
    assert_eq!(stream(|s| s.expect.is_illegal = true), Stream::Illegal);
}

#[test]
fn repeated_violations_are_shown_four_times_and_counted() {
    let judgement = judged(|s| (0..9).for_each(|n| s.append_init(9000.0 + 20.0 * f64::from(n))));
    let whats: Vec<_> = judgement.violations.iter().map(|v| v.what.as_str()).collect();
    assert_eq!(whats.len(), 4);
    assert!(whats[3].ends_with("(and 5 times more)"), "{whats:?}");
    assert!(whats[..3].iter().all(|what| !what.contains("more")), "{whats:?}");
    let four = judged(|s| (0..4).for_each(|n| s.append_init(9000.0 + 20.0 * f64::from(n))));
    assert!(four.violations.iter().all(|v| !v.what.contains("more")));
}

#[test]
fn a_grave_violation_does_not_hide_behind_light_ones() {
    let judgement = judged(|s| {
        // Eager five times, then a flood.
        let eager = (0..5).map(|n| 1000.0 + 2000.0 * f64::from(n));
        let flood = (1..8).map(|n| 12_000.0 + 150.0 * f64::from(n));
        for at_ms in eager.chain(flood) {
            s.reload(at_ms);
        }
    });
    assert_eq!(judgement.verdict, Verdict::Fail);
    let musts = judgement.violations.iter().filter(|v| v.level == Level::Must).count();
    assert!(musts > 0, "{:#?}", judgement.violations);
}

#[test]
fn verified_time_is_what_frames_vouch_for() {
    let verified = |bend: fn(&mut Session)| {
        let mut session = Session::live();
        bend(&mut session);
        session.seal();
        judge::verified_ms(&session.trace, &session.expect)
    };
    let whole = UNTIL_MS as u64 - 200 - 100;
    assert!(verified(|_| {}).abs_diff(whole) <= 100, "{}", verified(|_| {}));
    // A segment without frames is not vouched for.
    assert!(verified(hole).abs_diff(whole - 2100) <= 100, "{}", verified(hole));
    assert_eq!(verified(|s| s.keep_frames(|_, _| false)), 0);
}

#[test]
fn what_the_viewer_sees_faster_than_life_is_no_failure_yet() {
    let at_speed = |speed: f64, bend: fn(&mut Session)| {
        judged(|s| {
            s.trace.speed = speed;
            bend(s);
        })
    };
    let judgement = at_speed(8.0, hole);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    let reason = judgement.reason.unwrap();
    assert!(reason.contains("speed 1") && reason.contains("no frame of segment 106"), "{reason}");
    assert_eq!(at_speed(1.0, hole).verdict, Verdict::Fail);
    // What the standards ask of a player is decided by its requests and appends.
    assert_eq!(at_speed(8.0, second_init).verdict, Verdict::Fail);
    let both = |s: &mut Session| {
        hole(s);
        second_init(s);
    };
    assert_eq!(at_speed(8.0, both).verdict, Verdict::Inconclusive, "it is proven, and there may be more");
    // But for how long it waits.
    let flood = |s: &mut Session| {
        for n in 1..8 {
            s.reload(12_000.0 + 150.0 * f64::from(n));
        }
    };
    assert_eq!(at_speed(1.0, flood).verdict, Verdict::Fail);
    assert_eq!(at_speed(8.0, flood).verdict, Verdict::Inconclusive);
}

#[test]
fn what_is_known_and_does_not_happen_faster_than_life_may_at_speed_1() {
    let at_speed =
        |speed: f64| judged_with(|s| s.trace.speed = speed, &[known("segment/*", "view/stall")], false);
    assert_eq!(at_speed(1.0).verdict, Verdict::UnexpectedPass);
    assert_eq!(at_speed(8.0).verdict, Verdict::Inconclusive);
    assert!(at_speed(8.0).reason.unwrap().contains("view/stall"));
}

#[test]
fn an_answer_under_way_at_the_end_is_no_broken_one() {
    let judgement = judged(|s| {
        hole(s);
        let content = s.trace.requests.iter().find(|r| r.resource == segment(106)).unwrap().content.clone();
        let open = s.request(UNTIL_MS, &segment_path(113), content);
        (open.end, open.sent_bytes) = (End::Open, 10);
    });
    assert_eq!(judgement.violations[0].stream, Stream::Legal);
    let judgement = judged(|s| {
        hole(s);
        s.trace.requests.iter_mut().filter(|r| r.resource == segment(106)).for_each(|r| r.end = End::Reset);
        s.refused(17_990.0, PLAYLIST_PATH, 503);
    });
    assert_eq!(judgement.violations[0].stream, Stream::ServerError);
}

fn beat_at(s: &mut Session, of: Witness, at_ms: f64) -> &mut Beat {
    s.trace.beats.iter_mut().find(|b| b.of == of && b.at_ms == at_ms).unwrap()
}

#[test]
fn a_trace_that_was_written_down_is_read_as_it_was() {
    let mut session = Session::live();
    hole(&mut session);
    session.seal();
    session.trace.lost.push("a \"line\"".into());
    session.trace.speed = 1.0 / 3.0;
    let text = session.trace.to_jsonl();
    assert_eq!(Trace::from_jsonl(&text).unwrap(), session.trace);
    let error = Trace::from_jsonl(&text.replacen("\"lane\":\"page\"", "\"lane\":\"pag\"", 1)).unwrap_err();
    assert!(error.starts_with("line ") && error.contains("pag"), "{error}");
}
