//! Sessions around what a scenario's own `[expect]` asks.

use segproof_core::judge;
use segproof_core::notation::Counts;
use segproof_core::pictures::{Picture, Pictures};
use segproof_core::report::Sound;
use segproof_core::trace::PageEvent;

use super::{Pairs, bent};
use crate::session::{START_MS, Session, TD_MS, UNTIL_MS};

pub const PAIRS: &[Pairs] = &[
    Pairs {
        rule: "session/request-rate",
        // At the beginning: playlist, init, three segments.
        bad: &[("five at once", || bent(|s| s.expect.requests_per_td = Some(4)))],
        fair: &[("as many as allowed", || bent(|s| s.expect.requests_per_td = Some(5)))],
    },
    Pairs {
        rule: "session/errors",
        bad: &[
            ("one too many", || {
                bent(|s| {
                    errors(s, 2);
                    s.expect.errors = Some(Counts { first: 0, last: Some(1) });
                })
            }),
            ("none where one is due", || bent(|s| s.expect.errors = Some(Counts { first: 1, last: None }))),
        ],
        fair: &[
            ("as many as expected", || {
                bent(|s| {
                    errors(s, 1);
                    s.expect.errors = Some(Counts { first: 1, last: Some(1) });
                })
            }),
            ("nobody asked", || bent(|s| errors(s, 9))),
        ],
    },
    Pairs {
        rule: "session/buffered",
        bad: &[("two ranges are too much together", || {
            bent(|s| {
                hold(s);
                s.expect.buffered_limit_ms = Some(59_000.0);
            })
        })],
        fair: &[("just within the limit", || {
            bent(|s| {
                hold(s);
                s.expect.buffered_limit_ms = Some(60_000.0);
            })
        })],
    },
    Pairs {
        rule: "view/latency",
        // The first frame is that of 102, whose end was published 4 s before, and it is shown after 200 ms.
        bad: &[
            ("the start is too far back", || bent(|s| s.expect.latency_limit_ms = Some(6100.0))),
            ("it falls back later", || {
                bent(|s| {
                    (200..220).for_each(|frame| late(s, frame, 100.0));
                    s.expect.latency_limit_ms = Some(6250.0);
                })
            }),
            ("it was behind for a while", || {
                bent(|s| {
                    (100..200).for_each(|frame| late(s, frame, 90.0));
                    s.expect.latency_limit_ms = Some(6250.0);
                })
            }),
        ],
        fair: &[("just at the limit", || bent(|s| s.expect.latency_limit_ms = Some(6200.0)))],
    },
    Pairs {
        rule: "view/av-sync",
        bad: &[
            ("the sound is late", || bent(|s| beeps(s, |_| Some(120.0)))),
            ("the sound is early", || bent(|s| beeps(s, |_| Some(-120.0)))),
            ("late from a segment on", || {
                bent(|s| beeps(s, |second| Some(if second < 12 { 10.0 } else { 200.0 })))
            }),
            ("so late that it belongs to another second", || bent(|s| beeps(s, |_| Some(455.0)))),
            ("nearly so late", || bent(|s| beeps(s, |_| Some(445.0)))),
            ("one is missing, and a callback came a little late", || {
                bent(|s| {
                    beeps(s, |second| (second != 9).then_some(10.0));
                    late(s, 132, 140.0);
                })
            }),
            ("one is missing, with two frames to tell of either side", || {
                bent(|s| {
                    beeps(s, |second| (second != 9).then_some(10.0));
                    s.keep_frames(|_, number| ![127, 130, 131].contains(&number));
                })
            }),
            ("one is missing, with two frames to tell of behind it", || {
                bent(|s| {
                    beeps(s, |second| (second != 9).then_some(10.0));
                    s.keep_frames(|_, number| ![130, 131].contains(&number));
                })
            }),
            ("one is missing as soon as there is an ear", || {
                bent(|s| {
                    beeps(s, |second| (second > 10).then_some(10.0));
                    ear_since(s, 9800.0);
                })
            }),
            ("one beep is missing", || bent(|s| beeps(s, |second| (second != 9).then_some(10.0)))),
            ("there is no sound at all", || bent(|s| beeps(s, |_| None))),
        ],
        fair: &[
            ("nearly together", || {
                bent(|s| beeps(s, |second| Some(if second % 2 == 0 { 90.0 } else { -90.0 })))
            }),
            ("both halt for a moment, just before a beep", || {
                bent(|s| {
                    beeps(s, |second| Some(if second < 9 { 10.0 } else { 140.0 }));
                    (130..200).for_each(|frame| late(s, frame, 130.0));
                    (200..220).for_each(|frame| late(s, frame, 50.0));
                })
            }),
            ("nobody asked", || {
                bent(|s| {
                    beeps(s, |_| Some(300.0));
                    s.expect.av_sync_limit_ms = None;
                })
            }),
            ("the engine can't be listened to", || {
                bent(|s| {
                    beeps(s, |_| None);
                    s.trace.page.retain(|entry| !matches!(entry.event, PageEvent::Ear { .. }));
                    s.page(1.0, PageEvent::Ear { error: Some("NotSupportedError".into()) });
                })
            }),
            ("what was before there was an ear", || {
                bent(|s| {
                    beeps(s, |second| (second > 9).then_some(10.0));
                    ear_since(s, 9000.0);
                })
            }),
            ("how long ago it was heard is no stream time", || {
                bent(|s| {
                    s.trace.speed = 2.0;
                    beeps(s, |_| Some(0.0));
                    // Told so much later, and so much longer ago in wall time.
                    for entry in &mut s.trace.page {
                        if let PageEvent::Beep { ago_ms } = &mut entry.event {
                            entry.at_ms += 585.0;
                            *ago_ms = 300.0;
                        }
                    }
                })
            }),
            ("two beeps run into each other at a seam", || {
                bent(|s| {
                    beeps(s, |second| (!(6..=8).contains(&second)).then_some(10.0));
                    seam(s);
                    // The first of the two is heard, and the second is lost in it.
                    for at_ms in [6800.0, 7800.0] {
                        s.page(START_MS + at_ms, PageEvent::Beep { ago_ms: 0.0 });
                    }
                })
            }),
            ("the picture did not go steadily", || {
                bent(|s| {
                    beeps(s, |second| (second != 9).then_some(10.0));
                    late(s, 132, 160.0);
                })
            }),
            ("too little to tell of before the beep", || {
                bent(|s| {
                    beeps(s, |second| (second != 9).then_some(10.0));
                    s.keep_frames(|_, number| ![127, 128].contains(&number));
                })
            }),
            ("too little to tell of behind the beep", || {
                bent(|s| {
                    beeps(s, |second| (second != 9).then_some(10.0));
                    s.keep_frames(|_, number| ![130, 131, 132].contains(&number));
                })
            }),
            ("the picture stood still when the beep was due", || {
                bent(|s| {
                    // Beep 9 is that of frame 90 + 40.
                    beeps(s, |second| (second != 9).then_some(10.0));
                    s.keep_frames(|_, number| !(128..=132).contains(&number));
                    s.expect.stall_limit_ms = 10_000.0;
                })
            }),
        ],
    },
    Pairs {
        rule: "view/shown",
        bad: &[
            ("one that is forbidden", || bent(|s| s.expect.must_not_show = [106].into())),
            ("one that is demanded", || bent(|s| s.expect.must_show = [101].into())),
        ],
        fair: &[("as the scenario says", || {
            bent(|s| {
                s.expect.must_show = [102, 110].into();
                s.expect.must_not_show = [101].into();
            })
        })],
    },
];

#[test]
fn what_was_heard_is_told() {
    let told = |bend: fn(&mut Session)| {
        let session = bent(bend);
        judge::sound(&session.trace, &session.expect)
    };
    assert_eq!(told(|_| {}), None);
    let heard = |beeps, largest_offset_ms| Some(Sound::Heard { beeps, due: 17, largest_offset_ms });
    // The first second has nothing before it that could tell.
    assert_eq!(
        told(|s| beeps(s, |second| Some(if second == 9 { -30.0 } else { 10.0 }))),
        heard(17, Some(-30))
    );
    assert_eq!(told(|s| beeps(s, |second| (second != 9).then_some(10.4))), heard(16, Some(10)));
    assert_eq!(told(|s| beeps(s, |_| None)), heard(0, None));
    let deaf = |why: &str| Some(Sound::Unheard { why: why.into() });
    assert_eq!(
        told(|s| s.expect.av_sync_limit_ms = Some(100.0)),
        deaf("the engine never ran the page's AudioContext")
    );
    let refused = told(|s| {
        s.expect.av_sync_limit_ms = Some(100.0);
        s.page(1.0, PageEvent::Ear { error: Some("NotSupportedError".into()) });
    });
    assert_eq!(refused, deaf("NotSupportedError"));
}

fn errors(s: &mut Session, count: usize) {
    for n in 0..count {
        let at_ms = 3.0 * TD_MS + n as f64;
        s.page(at_ms, PageEvent::PlayerError { fatal: false, message: "a 404".into() });
    }
}

fn hold(s: &mut Session) {
    s.page(9000.0, PageEvent::UpdateEnd { buffer: 1, buffered: vec![(0.0, 30.0), (40.0, 70.0)] });
}

/// Segment 105 is of another run, whose beeps come 0.2 s before those of the next segment.
fn seam(s: &mut Session) {
    let (first, shown) = (92, 100..120);
    s.expect.pictures = Pictures::new((100..160).map(|msn| {
        let picture = *s.expect.pictures.of(msn).expect("a picture");
        (msn, if msn == 105 { Picture { run: 2, first, ..picture } } else { picture })
    }));
    for entry in &mut s.trace.page {
        if let PageEvent::Frame { run, number, .. } = &mut entry.event
            && shown.contains(number)
        {
            (*run, *number) = (2, *number - 8);
        }
    }
}

/// The callback of this frame comes so much later than it was shown.
fn late(s: &mut Session, frame: u16, by_ms: f64) {
    for entry in &mut s.trace.page {
        if matches!(entry.event, PageEvent::Frame { number, .. } if number == frame) {
            entry.at_ms += by_ms;
        }
    }
}

/// The page's AudioContext runs only from then on.
fn ear_since(s: &mut Session, at_ms: f64) {
    for entry in &mut s.trace.page {
        if matches!(entry.event, PageEvent::Ear { .. }) {
            entry.at_ms = at_ms;
        }
    }
}

/// Lets the sound be heard, so much later than the picture in each second of the session, and sets the limit to 100 ms.
fn beeps(s: &mut Session, late_ms: impl Fn(u64) -> Option<f64>) {
    s.expect.av_sync_limit_ms = Some(100.0);
    s.page(1.0, PageEvent::Ear { error: None });
    for second in 0..(UNTIL_MS - START_MS) as u64 / 1000 {
        if let Some(late_ms) = late_ms(second) {
            let heard_ms = START_MS + second as f64 * 1000.0 + late_ms;
            s.page(heard_ms + 15.0, PageEvent::Beep { ago_ms: 15.0 });
        }
    }
}
