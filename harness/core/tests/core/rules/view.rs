//! Sessions around the rules of what the viewer sees.

use std::ops::{Range, RangeBounds};

use segproof_core::action::What;
use segproof_core::scenario::Outcome;
use segproof_core::trace::{Content, PageEvent};

use super::{Pairs, bent, bent_from};
use crate::session::{
    FIRST_MSN, FRAME_MS, FRAMES, Plan, START_MS, START_MSN, Session, UNTIL_MS, media_time, playlist, segment,
};

pub const PAIRS: &[Pairs] = &[
    Pairs {
        rule: "view/frames-forward",
        bad: &[
            ("a second back", || bent(|s| s.frame(9010.0, 118, media_time(118)))),
            ("a segment back, over the end of a lap", || {
                let laps = Plan { lap_segments: 8, ..Plan::LIVE };
                // Frame 165 of the stream is the fifth of the second lap.
                bent_from(Session::new(laps), |s| s.frame(12_710.0, 145, media_time(145)))
            }),
            ("a seek before the picture was there excuses nothing", || {
                bent(|s| {
                    s.action(8000.0, What::Seek);
                    s.media(8001.0, "seeking");
                    s.media(8100.0, "seeked");
                    s.frame(9010.0, 118, media_time(118));
                })
            }),
            ("a few frames back", || bent(|s| s.frame(9010.0, 124, media_time(124)))),
            ("more than half a second back with a new MediaSource", || {
                bent(|s| {
                    s.media(9005.0, "emptied");
                    s.frame(9010.0, 122, media_time(122));
                })
            }),
            ("farther back with a new MediaSource than an old playhead explains, at speed 8", || {
                bent(|s| {
                    s.trace.speed = 8.0;
                    s.media(9005.0, "emptied");
                    s.frame(9010.0, 119, media_time(119));
                })
            }),
            ("a MediaSource that was lost long before", || {
                bent(|s| {
                    s.media(8890.0, "emptied");
                    s.frame(9010.0, 124, media_time(124));
                })
            }),
            ("back twice", || {
                bent(|s| {
                    s.frame(9010.0, 118, media_time(118));
                    s.frame(11_010.0, 138, media_time(138));
                })
            }),
            ("where the engine got to by the player's own seek", || {
                bent(|s| {
                    s.media(9005.0, "seeking");
                    s.media(9010.0, "seeked");
                    s.frame(9011.0, 60, media_time(60));
                })
            }),
            ("the player's own seek excuses nothing", || {
                bent(|s| {
                    s.media(9005.0, "seeking");
                    s.frame(9010.0, 60, media_time(60));
                })
            }),
        ],
        fair: &[
            ("what the engine comes to first on its way", || {
                bent(|s| {
                    s.media(9005.0, "seeking");
                    s.frame(9010.0, 100, media_time(100));
                    s.media(9020.0, "seeked");
                })
            }),
            ("half a second back with a new MediaSource", || {
                bent(|s| {
                    s.media(9005.0, "emptied");
                    s.frame(9010.0, 123, media_time(123));
                })
            }),
            (
                "more than half a second back with a new MediaSource, at speed 8, where a playhead is old at once",
                || {
                    bent(|s| {
                        s.trace.speed = 8.0;
                        s.media(9005.0, "emptied");
                        s.frame(9010.0, 121, media_time(121));
                    })
                },
            ),
            ("one frame back", || bent(|s| s.frame(9010.0, 127, media_time(127)))),
            ("the same frame twice", || bent(|s| s.frame(9010.0, 128, media_time(128)))),
            ("back by a viewer's seek", || {
                bent(|s| {
                    s.action(9004.0, What::Seek);
                    s.media(9005.0, "seeking");
                    s.frame(9010.0, 60, media_time(60));
                })
            }),
            ("back by a viewer's seek, with a late frame from before it", || {
                bent(|s| {
                    s.action(9004.0, What::Seek);
                    s.media(9005.0, "seeking");
                    s.frame(9010.0, 128, media_time(128));
                    s.media(9015.0, "seeked");
                    s.frame(9020.0, 60, media_time(60));
                })
            }),
            ("back by a player that was started anew", || {
                bent(|s| {
                    s.action(8950.0, What::Stop);
                    s.action(9005.0, What::Start);
                    s.frame(9010.0, 60, media_time(60));
                })
            }),
            ("the burnt-in number begins anew with a lap", || {
                Session::new(Plan { lap_segments: 8, ..Plan::LIVE })
            }),
        ],
    },
    Pairs {
        rule: "view/no-missing-frames",
        bad: &[
            ("a whole segment", || bent(|s| s.keep_frames(not_of(106)))),
            ("the last one of a stream that ended", || {
                bent_from(Session::ended(), |s| s.keep_frames(not_of(110)))
            }),
            ("one that passed before the tab was hidden", || {
                bent(|s| {
                    s.keep_frames(not_of(106));
                    s.action(14_000.0, What::Hide);
                    s.action(16_000.0, What::Show);
                })
            }),
            ("one over the end of a lap", || {
                let laps = Plan { lap_segments: 8, ..Plan::LIVE };
                // Segment 108 is the first of the second lap.
                bent_from(Session::new(laps), |s| s.keep_frames(|_, n| !(0..20).contains(&n)))
            }),
            ("the engine has shown or dropped too few of one", || bent(|s| engine_counts(s, 9, 5))),
            ("the machine was held up at another time", || {
                bent(|s| {
                    s.hold_up(4000.0, 300.0);
                    engine_counts(s, 9, 5);
                })
            }),
            ("another one was served with less sound than picture", || {
                bent(|s| {
                    served_unaccompanied(s, 107, 0.4);
                    engine_counts(s, 9, 5);
                })
            }),
            ("what comes behind one that could have been had begins in the middle", || {
                bent(|s| leap_into(s, 107))
            }),
            ("one at which the viewer had looked away no longer", || {
                bent(|s| {
                    s.keep_frames(not_of(106));
                    s.action(6000.0, What::Hide);
                    s.action(8000.0, What::Show);
                })
            }),
            ("at speed 8 more than half of one, by a player that puts the playhead on", || {
                bent(|s| leap_over(s, 8.0, 124..136))
            }),
            ("at speed 8 the next append covers more than half a second of one", || {
                bent(|s| covered(s, 8.0, 134..140))
            }),
            ("as much of one before another that nobody had to show", || {
                bent(|s| {
                    covered(s, 8.0, 134..140);
                    s.keep_frames(|_, n| !(140..160).contains(&n));
                    moved_back(s, 160.., 2.0);
                    s.edit_playlists(|text| {
                        text.replace("#EXTINF:2.000000,\nlive107", "#EXT-X-GAP\n#EXTINF:2.000000,\nlive107")
                    });
                    s.trace.requests.retain(|r| r.resource != segment(107));
                    s.drop_append(107);
                })
            }),
            ("at speed 1 one frame of it is too little", || {
                bent(|s| s.keep_frames(|at, n| not_of(106)(at, n) || n == 127))
            }),
        ],
        fair: &[
            ("the engine has shown enough of one, without telling each time", || {
                bent(|s| engine_counts(s, 15, 0))
            }),
            ("the machine was held up for as long as the rest would have been shown", || {
                bent(|s| {
                    engine_counts(s, 6, 5);
                    let last =
                        s.trace.page.iter().find(|e| matches!(e.event, PageEvent::Frame { number: 139, .. }));
                    let at_ms = last.expect("it is told").at_ms;
                    s.hold_up(at_ms - 1000.0, 400.0);
                })
            }),
            ("the rest of it was served without sound", || {
                bent(|s| {
                    served_unaccompanied(s, 106, 0.4);
                    engine_counts(s, 6, 5);
                })
            }),
            ("the engine has shown or dropped enough of one", || bent(|s| engine_counts(s, 9, 6))),
            ("of the first one only its end", || {
                bent(|s| {
                    s.keep_frames(|at, _| at > START_MS + 1450.0);
                    s.expect.start_limit_ms = 3000.0;
                })
            }),
            ("of the last one only its beginning", || {
                bent_from(Session::ended(), |s| s.keep_frames(|at, _| at < UNTIL_MS - 1450.0))
            }),
            ("at speed 4 one frame of it is enough", || {
                bent(|s| {
                    s.trace.speed = 4.0;
                    s.keep_frames(|at, n| not_of(106)(at, n) || n == 127);
                })
            }),
            ("at speed 8 no more by a player's leap than what is read of a picture leaves open", || {
                bent(|s| leap_over(s, 8.0, 124..130))
            }),
            ("at speed 8 the next append covers just half a second of one", || {
                bent(|s| covered(s, 8.0, 135..140))
            }),
            ("at speed 8 one frame is told with another's time", || {
                bent(|s| {
                    s.trace.speed = 8.0;
                    moved_back(s, 134..135, 0.6);
                })
            }),
            ("what begins in a new MediaSource has a time of its own", || {
                bent(|s| {
                    s.trace.speed = 8.0;
                    s.media(frame_ms(140) - 1.0, "emptied");
                    moved_back(s, 140.., 6.0);
                })
            }),
            ("what begins anew in another media element has a time of its own", || {
                bent(|s| {
                    s.trace.speed = 8.0;
                    s.action(frame_ms(140) - 2.0, What::Stop);
                    s.action(frame_ms(140) - 1.0, What::Start);
                    moved_back(s, 140.., 6.0);
                })
            }),
            ("where the player has put the playhead back to it, it has another time", || {
                bent(|s| {
                    s.trace.speed = 8.0;
                    s.media(frame_ms(140) - 2.0, "seeking");
                    s.media(frame_ms(140) - 1.0, "seeked");
                    moved_back(s, 140.., 6.0);
                })
            }),
            ("one of which nobody could have had all is covered", || {
                bent(|s| {
                    covered(s, 8.0, 134..140);
                    s.expect.excused.insert(106);
                })
            }),
            ("where one is a GAP, the next begins at once", || {
                bent(|s| {
                    s.edit_playlists(|text| {
                        text.replace("#EXTINF:2.000000,\nlive106", "#EXT-X-GAP\n#EXTINF:2.000000,\nlive106")
                    });
                    skip(s, 106);
                    moved_back(s, 140.., 2.0);
                })
            }),
            ("at speed 8 more of one, where nobody has sought", || {
                bent(|s| {
                    s.trace.speed = 8.0;
                    s.keep_frames(|_, n| !(124..136).contains(&n));
                })
            }),
            ("at speed 8 more of one, which the viewer has left out", || {
                bent(|s| {
                    s.action(frame_ms(124), What::Seek);
                    leap_over(s, 8.0, 124..136);
                })
            }),
            ("what comes behind one that nobody could have had begins in the middle", || {
                bent(|s| {
                    leap_into(s, 107);
                    s.expect.excused.insert(106);
                })
            }),
            ("nobody could have had it", || {
                bent(|s| {
                    s.keep_frames(not_of(106));
                    s.expect.excused.insert(106);
                })
            }),
            ("it was marked as a GAP", || {
                bent(|s| {
                    s.edit_playlists(|text| {
                        text.replace("#EXTINF:2.000000,\nlive106", "#EXT-X-GAP\n#EXTINF:2.000000,\nlive106")
                    });
                    skip(s, 106);
                })
            }),
            ("what comes before the first one shown is not asked for", || {
                bent(|s| {
                    s.keep_frames(not_of(START_MSN));
                    s.expect.start_limit_ms = 3000.0;
                })
            }),
            ("no delivered playlist listed it", || {
                bent(|s| {
                    // The window jumps from 101..105 to 107..111.
                    for request in
                        s.trace.requests.iter_mut().filter(|r| (4000.0..14_000.0).contains(&r.at_ms))
                    {
                        if request.resource.is_playlist() {
                            request.content = playlist(111, None);
                        }
                    }
                    skip(s, 106);
                })
            }),
            ("it passed while the page was busy", || {
                bent(|s| {
                    s.keep_frames(not_of(106));
                    s.action(8200.0, What::Block);
                    s.action(10_200.0, What::Unblock);
                })
            }),
            ("the viewer jumped over it", || {
                bent(|s| {
                    s.keep_frames(not_of(106));
                    s.action(8300.0, What::Seek);
                })
            }),
            ("the viewer jumped over it, and a frame from before came late", || {
                bent(|s| {
                    s.keep_frames(not_of(106));
                    s.action(8050.0, What::Seek);
                    s.media(8051.0, "seeking");
                    s.media(8350.0, "seeked");
                })
            }),
            ("after a failure only what was shown counts", || {
                bent(|s| {
                    s.cut(9000.0);
                    s.fatal(9000.0);
                    s.expect.outcome = Outcome::Failed;
                })
            }),
        ],
    },
];

fn not_of(msn: u64) -> impl Fn(f64, u64) -> bool + Copy {
    let first = (msn - 100) * 20;
    move |_, number| !(first..first + 20).contains(&number)
}

/// The player seeks over these frames, faster than life.
fn leap_over(s: &mut Session, speed: f64, frames: Range<u64>) {
    s.trace.speed = speed;
    s.expect.stall_limit_ms = 2000.0;
    s.media(frame_ms(frames.start) + 5.0, "seeking");
    s.media(frame_ms(frames.end) - 5.0, "seeked");
    s.keep_frames(|_, number| !frames.contains(&number));
}

/// What is appended next covers these frames, so that its own are shown in their place.
fn covered(s: &mut Session, speed: f64, frames: Range<u64>) {
    s.trace.speed = speed;
    s.keep_frames(|_, number| !frames.contains(&number));
    moved_back(s, frames.end.., (frames.end - frames.start) as f64 * FRAME_MS / 1000.0);
}

/// These frames are so much earlier in the media, seconds.
fn moved_back(s: &mut Session, frames: impl RangeBounds<u64>, by_s: f64) {
    for entry in &mut s.trace.page {
        if let PageEvent::Frame { number, media_time, .. } = &mut entry.event
            && frames.contains(&u64::from(*number))
        {
            *media_time -= by_s;
        }
    }
}

/// When a frame is shown.
fn frame_ms(number: u64) -> f64 {
    START_MS + (number - (START_MSN - FIRST_MSN) * FRAMES) as f64 * FRAME_MS
}

/// The player leaves this segment out altogether.
fn skip(s: &mut Session, msn: u64) {
    s.trace.requests.retain(|r| r.resource != segment(msn));
    s.drop_append(msn);
    s.keep_frames(not_of(msn));
}

/// The player goes from the last frame of the segment before the last to the middle of this one.
fn leap_into(s: &mut Session, msn: u64) {
    let first = (msn - 100) * 20;
    s.keep_frames(|_, n| !(first - 20..first + 10).contains(&n));
    for entry in &mut s.trace.page {
        if let PageEvent::Frame { number, presented, .. } = &mut entry.event
            && u64::from(*number) >= first
        {
            *presented -= 30;
        }
    }
}

/// The segment was served with so much picture beyond its sound, seconds.
fn served_unaccompanied(s: &mut Session, msn: u64, unaccompanied_s: f64) {
    for request in s.trace.requests.iter_mut().filter(|r| r.resource == segment(msn)) {
        if let Content::Segment(facts) = &mut request.content {
            facts.unaccompanied_s = unaccompanied_s;
        }
    }
}

/// One frame of segment 106 is told, its last; the engine has counted so many as shown, and as dropped.
fn engine_counts(s: &mut Session, shown: u64, lost: u64) {
    s.keep_frames(|at, n| not_of(106)(at, n) || n == 139);
    let mut before = 0;
    for entry in &mut s.trace.page {
        let PageEvent::Frame { number, presented, dropped, .. } = &mut entry.event else { continue };
        match *number {
            119 => before = *presented,
            139 => *presented = before + shown,
            _ => {}
        }
        *dropped = if *number >= 139 { lost } else { 0 };
    }
}
