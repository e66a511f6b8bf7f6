//! Sessions around the rule of how long the picture may stand still.

use segproof_core::action::What;
use segproof_core::scenario::Outcome;

use super::{Pairs, bent};
use crate::session::{START_MS, Session, TD_MS, UNTIL_MS};

pub const PAIRS: &[Pairs] = &[Pairs {
    rule: "view/stall",
    bad: &[
        ("a player that puts the playhead elsewhere meanwhile, and shows nothing there", || {
            bent(|s| {
                leap_in_a_stand(s, 8900.0);
                s.keep_frames(|at, _| !(8050.0..9850.0).contains(&at));
            })
        }),
        ("a leap that a heartbeat knows of before the page is told", || {
            bent(|s| {
                leap_in_a_stand(s, 9030.0);
                let early = s.trace.beats.iter_mut().find(|beat| beat.at_ms == 9000.0 && beat.time.is_some());
                let early = early.expect("it plays");
                early.time = early.time.map(|time| time + 4.0);
                s.keep_frames(|at, _| !(8150.0..9950.0).contains(&at));
            })
        }),
        ("a picture that stands while the sound goes on", || {
            bent(|s| {
                has_media(s, 8000.0, 9200.0, 0.0);
                s.keep_frames(|at, _| !(8000.0..9200.0).contains(&at));
                s.trace.speed = 8.0;
            })
        }),
        ("a seek that comes to no end", || {
            bent(|s| {
                s.media(8000.0, "seeking");
                s.media(17_000.0, "seeking");
                for beat in s.trace.beats.iter_mut().filter(|beat| beat.at_ms > 8000.0) {
                    beat.playing = false;
                }
                s.keep_frames(|at, _| at < 8000.0);
                s.expect.outcome = Outcome::Open;
                s.expect.finish_ms = f64::INFINITY;
            })
        }),
        ("longer than the limit", || bent(|s| s.stand_still(8000.0, 9100.0))),
        ("paused by nobody", || {
            bent(|s| {
                s.stand_still(8000.0, 9200.0);
                paused(s, 8000.0, 9200.0);
                s.keep_frames(|at, _| !(8000.0..9200.0).contains(&at));
                s.trace.speed = 8.0;
            })
        }),
        ("behind the first frame, where the engine waits for more", || {
            bent(|s| {
                s.stand_still(START_MS, START_MS + 1200.0);
                paused(s, -200.0, START_MS + 1200.0);
                s.keep_frames(|at, _| !(START_MS + 1.0..START_MS + 1200.0).contains(&at));
                s.trace.speed = 8.0;
            })
        }),
        ("behind a seek of the viewer's", || bent(|s| viewer_seeks(s, 9200.0))),
        ("the engine's share of a longer one does not hide it", || {
            bent(|s| {
                s.stand_still(4000.0, 5600.0);
                has_media(s, 4000.0, 5600.0, 2.0);
                s.stand_still(8000.0, 9400.0);
            })
        }),
        ("at the end", || bent(|s| s.stand_still(UNTIL_MS - 1500.0, UNTIL_MS - 50.0))),
        ("after the laptop woke up", || {
            bent(|s| {
                s.stand_still(8000.0, 11_000.0);
                s.action(8000.0, What::Sleep);
                s.action(9500.0, What::Wake);
            })
        }),
        ("after a shorter one", || {
            bent(|s| {
                s.stand_still(4000.0, 5050.0);
                s.stand_still(8000.0, 9200.0);
            })
        }),
        ("before a shorter one", || {
            bent(|s| {
                s.stand_still(4000.0, 5200.0);
                s.stand_still(8000.0, 9050.0);
            })
        }),
        ("with media to play only when it was over", || {
            bent(|s| {
                s.stand_still(8000.0, 9100.0);
                has_media(s, 9150.0, 9900.0, 2.0);
            })
        }),
        ("with too little media to play", || {
            bent(|s| {
                s.stand_still(8000.0, 9500.0);
                has_media(s, 8000.0, 9500.0, 0.45);
            })
        }),
        ("with the media left before which an engine stops at that speed", || {
            bent(|s| {
                s.trace.speed = 8.0;
                s.stand_still(8000.0, 12_100.0);
                has_media(s, 8000.0, 12_100.0, 0.65);
            })
        }),
        ("with media to play, longer than an engine may think at that speed", || {
            bent(|s| {
                s.trace.speed = 4.0;
                s.stand_still(8000.0, 12_100.0);
                has_media(s, 8000.0, 12_100.0, 2.0);
            })
        }),
        ("with media to play, longer than an engine may think", || {
            bent(|s| {
                s.stand_still(8000.0, 10_000.0);
                has_media(s, 8000.0, 10_000.0, 2.0);
            })
        }),
    ],
    fair: &[
        ("few pictures read, while there are more to show", || {
            bent(|s| {
                has_media(s, 8000.0, 9200.0, 2.0);
                s.keep_frames(|at, _| !(8000.0..9200.0).contains(&at));
                s.trace.speed = 8.0;
            })
        }),
        ("a player that puts the playhead elsewhere meanwhile, where there is another picture", || {
            bent(|s| leap_in_a_stand(s, 8900.0))
        }),
        ("after the player has given up", || {
            bent(|s| {
                s.stand_still(8000.0, 12_000.0);
                let beats = s.trace.beats.clone();
                s.cut(8000.0);
                s.trace.beats = beats.into_iter().filter(|beat| beat.at_ms < 12_000.0).collect();
                s.trace.ended_at_ms = 12_000.0;
                s.fatal(8000.0);
                s.expect.outcome = Outcome::Open;
                s.expect.finish_ms = f64::INFINITY;
            })
        }),
        ("with media to play, while the engine makes ready", || {
            bent(|s| {
                s.stand_still(8000.0, 9500.0);
                has_media(s, 8700.0, 9500.0, 0.5);
            })
        }),
        ("with media to play, while the engine makes ready, which takes as long at a higher speed", || {
            bent(|s| {
                s.trace.speed = 4.0;
                s.stand_still(8000.0, 11_900.0);
                has_media(s, 8000.0, 11_900.0, 2.0);
            })
        }),
        ("as long as the limit", || bent(|s| s.stand_still(8000.0, 9000.0))),
        ("twice, each shorter", || {
            bent(|s| {
                s.stand_still(8000.0, 8950.0);
                s.stand_still(9000.0, 9950.0);
            })
        }),
        ("as long as the ideal player's", || {
            bent(|s| {
                s.stand_still(8000.0, 8000.0 + 2.0 * TD_MS);
                s.expect.stall_limit_ms = 2.1 * TD_MS;
            })
        }),
        ("paused by the viewer", || {
            bent(|s| {
                s.stand_still(8000.0, 9900.0);
                paused(s, 8000.0, 9900.0);
                s.action(8000.0, What::Pause);
                s.action(9900.0, What::Play);
                s.keep_frames(|at, _| !(8000.0..9900.0).contains(&at));
                s.trace.speed = 8.0;
            })
        }),
        ("paused by the viewer while it stood still", || {
            bent(|s| {
                s.stand_still(8000.0, 9900.0);
                paused(s, 8500.0, 9700.0);
                s.action(8500.0, What::Pause);
                s.action(9700.0, What::Play);
                s.keep_frames(|at, _| !(8500.0..9700.0).contains(&at));
                s.trace.speed = 8.0;
            })
        }),
        ("until a seek of the viewer's is done", || {
            bent(|s| {
                s.stand_still(7500.0, 8000.0);
                viewer_seeks(s, 8950.0);
            })
        }),
        ("while the laptop slept", || {
            bent(|s| {
                s.stand_still(8000.0, 11_000.0);
                s.action(8000.0, What::Sleep);
                s.action(10_500.0, What::Wake);
            })
        }),
        ("while nobody could see it", || {
            bent(|s| {
                s.stand_still(8000.0, 11_000.0);
                s.action(7500.0, What::Hide);
                s.action(10_500.0, What::Show);
            })
        }),
        ("before the first frame", || {
            bent(|s| {
                s.keep_frames(|at, _| at > 1500.0);
                s.stand_still(-100.0, 1500.0);
                s.expect.start_limit_ms = 2000.0;
            })
        }),
        ("after the end", Session::ended),
    ],
}];

/// The viewer seeks at 8 s, and the picture stands still until that is done.
fn viewer_seeks(s: &mut Session, done_ms: f64) {
    s.action(8000.0, What::Seek);
    s.media(8001.0, "seeking");
    s.media(done_ms, "seeked");
    s.stand_still(8000.0, done_ms);
    paused(s, 8001.0, done_ms - 1.0);
}

/// The media element is paused from then to then.
fn paused(s: &mut Session, from_ms: f64, to_ms: f64) {
    for beat in s.trace.beats.iter_mut().filter(|beat| (from_ms..=to_ms).contains(&beat.at_ms)) {
        beat.playing = false;
    }
}

/// So many seconds of media are buffered ahead of the playhead in this time.
pub fn has_media(s: &mut Session, from_ms: f64, to_ms: f64, ahead: f64) {
    for beat in s.trace.beats.iter_mut().filter(|b| (from_ms..=to_ms).contains(&b.at_ms)) {
        beat.ahead = ahead;
    }
}

/// The playhead stands still for 0.9 s, is put 4 s on by the player at `at_ms`, and stands still there for as long.
fn leap_in_a_stand(s: &mut Session, at_ms: f64) {
    s.stand_still(at_ms - 900.0, at_ms);
    s.media(at_ms + 1.0, "seeking");
    s.media(at_ms + 20.0, "seeked");
    s.stand_still(at_ms + 1.0, at_ms + 900.0);
    for beat in s.trace.beats.iter_mut().filter(|b| (at_ms + 1.0..=at_ms + 900.0).contains(&b.at_ms)) {
        beat.time = beat.time.map(|time| time + 4.0);
    }
}
