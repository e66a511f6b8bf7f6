//! Sessions around the rules of how a session begins, goes on and ends.

use segproof_core::action::What;
use segproof_core::expect::Profile;
use segproof_core::notation::{Counts, Target};
use segproof_core::origin::PLAYLIST_PATH;
use segproof_core::report::Level;
use segproof_core::scenario::Outcome;
use segproof_core::trace::{Content, PageEvent, Resource};

use super::stall::has_media;
use super::{Pairs, bent, bent_from, levels};
use crate::session::{FRAME_MS, Session, TD_MS, UNTIL_MS, UNTIL_MSN, media_time, segment_path};

pub const PAIRS: &[Pairs] = &[
    Pairs {
        rule: "session/starts",
        bad: &[
            ("the first frame comes late", || bent(|s| s.keep_frames(|at, _| at > 1100.0))),
            ("no frame ever comes", || {
                bent_from(Session::ended(), |s| {
                    s.keep_frames(|_, _| false);
                    s.trace.page.retain(|e| !is_ended(&e.event));
                    s.media(1500.0, "ended");
                    s.trace.requests.retain(|r| r.at_ms < 1500.0);
                    s.trace.page.retain(|e| e.at_ms <= 1500.0);
                })
            }),
            ("no frame ever comes of what fails only later", || {
                bent_from(gives_up(Outcome::Failed), |s| s.expect.start_limit_ms = 1000.0)
            }),
        ],
        fair: &[
            ("just at the limit", || bent(|s| s.keep_frames(|at, _| at >= 1000.0))),
            ("the engine had media and made ready", || {
                bent(|s| {
                    s.keep_frames(|at, _| at > 1650.0);
                    has_media(s, 0.0, 1700.0, 2.0);
                })
            }),
            ("nobody could have played this", || gives_up(Outcome::Failed)),
            ("nobody could have started", || {
                bent_from(gives_up(Outcome::Ended), |s| {
                    s.expect.start_limit_ms = f64::INFINITY;
                    s.trace.page.retain(|e| !matches!(e.event, PageEvent::PlayerError { .. }));
                    s.media(1500.0, "ended");
                })
            }),
        ],
    },
    Pairs {
        rule: "session/recovers",
        bad: &[
            ("watching stopped before the picture got there", || bent(|s| s.cut(15_000.0))),
            ("too late after a fault", || {
                bent(|s| {
                    s.keep_frames(|at, _| !(8000.0..8900.0).contains(&at));
                    s.expect.recover = Some((8000.0, 800.0));
                })
            }),
            ("the same frame again is no advance", || {
                bent(|s| {
                    s.keep_frames(|at, _| !(8000.0..8900.0).contains(&at));
                    s.frame(8300.0, 117, media_time(117));
                    s.trace.speed = 4.0;
                    s.expect.recover = Some((8000.0, 800.0));
                })
            }),
            ("nothing after a fault", || {
                bent_from(Session::ended(), |s| s.expect.recover = Some((UNTIL_MS + 1000.0, 500.0)))
            }),
            ("one segment short", || bent(|s| s.cut(UNTIL_MS - TD_MS))),
            ("the clock gets there, the picture does not", || {
                bent(|s| s.keep_frames(|at, _| at < UNTIL_MS - 1000.0))
            }),
        ],
        fair: &[
            ("the picture went on just in time after a fault", || {
                bent(|s| {
                    s.keep_frames(|at, _| !(8000.0..8900.0).contains(&at));
                    s.expect.recover = Some((8000.0, 900.0));
                })
            }),
            ("the fault outlasts the session", || bent(|s| s.expect.recover = Some((30_000.0, 100.0)))),
            ("the compositor leaves the last frames out", || {
                bent(|s| s.keep_frames(|at, _| at < UNTIL_MS - 400.0))
            }),
            ("a session that ends is another rule's business", Session::ended),
        ],
    },
    Pairs {
        rule: "session/terminates",
        bad: &[
            ("the element ends although the stream goes on", || bent(|s| s.media(UNTIL_MS + 10.0, "ended"))),
            ("the player gives up although the stream goes on", || bent(|s| s.fatal(UNTIL_MS + 10.0))),
            ("the stream is over, the element does not end", || {
                bent_from(Session::ended(), |s| s.trace.page.retain(|e| !is_ended(&e.event)))
            }),
            ("it ends late", || {
                bent_from(Session::ended(), |s| {
                    s.trace.page.retain(|e| !is_ended(&e.event));
                    s.media(UNTIL_MS + 2.5 * TD_MS, "ended");
                    s.expect.stall_limit_ms = 3.0 * TD_MS;
                })
            }),
            ("an end is reported as an error", || bent_from(Session::ended(), |s| s.fatal(UNTIL_MS + 50.0))),
            ("playing is impossible and nobody says so", || {
                bent_from(gives_up(Outcome::Failed), |s| {
                    s.trace.page.retain(|e| !matches!(e.event, PageEvent::PlayerError { .. }))
                })
            }),
        ],
        fair: &[
            ("it ends when everything is played", Session::ended),
            ("it ends two target durations after its last frame", || {
                bent_from(Session::ended(), |s| {
                    s.trace.page.retain(|e| !is_ended(&e.event));
                    s.media(UNTIL_MS - FRAME_MS + 2.0 * TD_MS, "ended");
                    s.expect.stall_limit_ms = 3.0 * TD_MS;
                })
            }),
            ("an error that is not fatal", || {
                bent(|s| s.page(9000.0, PageEvent::PlayerError { fatal: false, message: "a 404".into() }))
            }),
            ("what can't be played may end or be given up", || gives_up(Outcome::Failed)),
        ],
    },
    Pairs {
        rule: "session/no-request-after-end",
        bad: &[
            ("the playlist, after the media element's end", || {
                bent_from(Session::ended(), |s| {
                    s.request(UNTIL_MS + 1000.0, PLAYLIST_PATH, crate::session::playlist(110, Some(110)));
                })
            }),
            ("a segment, after the player gave up", || {
                bent_from(gives_up(Outcome::Failed), |s| s.refused(1600.0, &segment_path(104), 404))
            }),
            ("the seed's player asks again after a 404", || bent(missing_playlist)),
            ("the seed's player asks again when each variant is missing", || {
                bent(|s| {
                    missing_playlist(s);
                    s.expect.variants = 2;
                    s.request(11_970.0, "/live/v1.m3u8", Content::Nothing).resource =
                        Resource::Playlist { variant: 1 };
                    s.trace.requests.last_mut().unwrap().status = 404;
                })
            }),
        ],
        fair: &[
            ("silence", Session::ended),
            ("it was already under way", || {
                bent_from(Session::ended(), |s| {
                    s.request(UNTIL_MS + 45.0, PLAYLIST_PATH, crate::session::playlist(110, Some(110)));
                })
            }),
            ("the clocks can't tell it from the end", || {
                bent_from(Session::ended(), |s| {
                    s.request(UNTIL_MS + 52.0, PLAYLIST_PATH, crate::session::playlist(110, Some(110)));
                })
            }),
            ("it was under way, for longer at a higher speed", || {
                bent_from(Session::ended(), |s| {
                    s.trace.speed = 4.0;
                    s.request(UNTIL_MS + 130.0, PLAYLIST_PATH, crate::session::playlist(110, Some(110)));
                })
            }),
            ("another player may try again", || {
                bent(|s| {
                    missing_playlist(s);
                    s.expect.profile = Profile::Standard;
                })
            }),
            ("another variant may be there", || {
                bent(|s| {
                    missing_playlist(s);
                    s.expect.variants = 2;
                })
            }),
            ("a 503 is no end", || {
                bent(|s| {
                    missing_playlist(s);
                    s.trace.requests.iter_mut().filter(|r| r.status == 404).for_each(|r| r.status = 503);
                })
            }),
        ],
    },
    Pairs {
        rule: "session/requests",
        bad: &[
            ("the init twice", || bent(second_init)),
            ("a segment never", || {
                bent(|s| s.expect.requests.push((Target::Segments { first: 101, last: 103 }, exactly(1))))
            }),
            ("the playlist too often", || {
                bent(|s| s.expect.requests.push((Target::Playlist, Counts { first: 1, last: Some(9) })))
            }),
            ("the Multivariant Playlist never", || {
                bent(|s| s.expect.requests.push((Target::Multivariant, exactly(1))))
            }),
            ("the Multivariant Playlist once", || {
                bent(|s| {
                    s.request(1.0, "/live/main.m3u8", Content::Nothing).resource = Resource::Multivariant;
                    s.expect.requests.push((Target::Multivariant, exactly(0)));
                })
            }),
            ("too much of anything", || bent(|s| s.expect.requests.push((Target::Any, exactly(3))))),
        ],
        fair: &[
            ("the init twice where that is allowed", || {
                bent(|s| {
                    second_init(s);
                    s.expect.requests = vec![(Target::Init, Counts { first: 1, last: Some(2) })];
                })
            }),
            ("each segment once", || {
                bent(|s| {
                    s.expect.requests.push((Target::Segments { first: 102, last: UNTIL_MSN }, exactly(1)))
                })
            }),
            ("ten playlists", || {
                bent(|s| s.expect.requests.push((Target::Playlist, Counts { first: 10, last: None })))
            }),
        ],
    },
    Pairs {
        rule: "session/obeys",
        bad: &[
            ("it plays on though the viewer has paused", || bent(|s| s.action(9000.0, What::Pause))),
            ("it shows six frames though the viewer has paused", || {
                bent(|s| told(s, What::Pause, 9000.0, What::Play, 9890.0))
            }),
            ("it loads on though it was told to stop", || {
                bent(|s| told(s, What::Stop, 9000.0, What::Start, 12_500.0))
            }),
        ],
        fair: &[
            ("five frames of seeks and restarts", || {
                bent(|s| told(s, What::Pause, 9050.0, What::Play, 9900.0))
            }),
            ("a word takes as long to get there at a higher speed", || {
                bent(|s| {
                    s.trace.speed = 4.0;
                    told(s, What::Pause, 9000.0, What::Play, 10_490.0);
                })
            }),
            ("it asked before it was told, and after it was let go on", || {
                bent(|s| told(s, What::Stop, 8140.0, What::Start, 10_000.0))
            }),
            ("paused and played on in one go", || bent(|s| told(s, What::Pause, 9000.0, What::Play, 9240.0))),
            ("stopped and started in one go", || {
                bent(|s| told(s, What::Stop, 9990.0, What::Start, 10_230.0))
            }),
        ],
    },
];

#[test]
fn requests_after_the_end_are_one_violation_and_weigh_by_the_end() {
    let after_404 = bent(missing_playlist);
    assert_eq!(levels(&after_404), [Level::Seed]);
    let after_end = bent_from(Session::ended(), |s| {
        for n in 1..5 {
            s.refused(UNTIL_MS + 500.0 * f64::from(n), &segment_path(110), 404);
        }
    });
    assert_eq!(levels(&after_end), [Level::Viewer]);
}

fn told(s: &mut Session, what: What, at_ms: f64, back: What, back_ms: f64) {
    s.action(at_ms, what);
    s.action(back_ms, back);
}

fn exactly(n: u64) -> Counts {
    Counts { first: n, last: Some(n) }
}

fn second_init(s: &mut Session) {
    s.request(9000.0, "/live/live.mp4", Content::Nothing);
}

fn is_ended(event: &PageEvent) -> bool {
    matches!(event, PageEvent::Media { event, .. } if event == "ended")
}

/// The playlist is missing once, in the middle; the player goes on as if nothing had been.
fn missing_playlist(s: &mut Session) {
    s.refused(11_950.0, PLAYLIST_PATH, 404);
}

/// The init is missing for ever: no frame, and after a while a fatal error and silence.
fn gives_up(outcome: Outcome) -> Session {
    bent(|s| {
        s.cut(1500.0);
        s.trace.ended_at_ms = 8000.0;
        s.keep_frames(|_, _| false);
        s.trace.page.retain(|e| !matches!(e.event, PageEvent::Append { .. } | PageEvent::UpdateEnd { .. }));
        s.trace.requests.iter_mut().filter(|r| r.path.ends_with(".mp4")).for_each(|r| r.status = 404);
        s.fatal(1490.0);
        s.expect.outcome = outcome;
        if outcome == Outcome::Failed {
            s.expect.start_limit_ms = f64::INFINITY;
        }
    })
}
