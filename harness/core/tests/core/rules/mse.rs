//! Sessions around the rules of Media Source Extensions.

use std::collections::BTreeSet;

use segproof_core::report::Level;
use segproof_core::trace::{AppendedBox, PageEvent};

use super::{Pairs, bent, broken, levels};
use crate::session::{Plan, Session, UPDATE_MS, append, media_boxes, segment};

pub const PAIRS: &[Pairs] = &[
    Pairs {
        rule: "mse/init-first",
        bad: &[
            ("media without an init", || bent(without_init)),
            ("an init whose append threw is none", || {
                bent(|s| init_appends(s, |e| throws(e, "QuotaExceededError")))
            }),
            ("changeType asks for a new init", || bent(|s| s.page(9000.0, change_type()))),
            ("each SourceBuffer needs its own", || bent(|s| s.page(9000.0, append(2, media_boxes(103, 31))))),
        ],
        fair: &[
            ("init and media in one append", || bent(init_and_media_in_one)),
            ("changeType and a new init", || {
                bent(|s| {
                    s.page(9000.0, change_type());
                    s.append_init(9010.0);
                })
            }),
            ("media that never got in, for the append threw", || {
                bent(|s| {
                    s.page(30.0, append(1, media_boxes(103, 31)));
                    let entry = s.trace.page.last_mut().unwrap();
                    throws(&mut entry.event, "InvalidStateError");
                })
            }),
        ],
    },
    Pairs {
        rule: "mse/init-once",
        bad: &[
            ("at once", || bent(|s| s.append_init(50.0))),
            ("before each segment", || {
                bent(|s| (103..=110).for_each(|msn| s.append_init(s.appended_ms(msn) - 6.0)))
            }),
            ("an abort of another SourceBuffer excuses nothing", || {
                bent(|s| {
                    s.page(9000.0, PageEvent::Abort { buffer: 2 });
                    s.append_init(9010.0);
                })
            }),
        ],
        fair: &[
            ("after remove", || repeat_after(remove())),
            ("after abort", || repeat_after(PageEvent::Abort { buffer: 1 })),
            ("after changeType", || repeat_after(change_type())),
            ("after an error of the SourceBuffer", || repeat_after(PageEvent::BufferError { buffer: 1 })),
            ("after a seek", || {
                bent(|s| {
                    s.media(9000.0, "seeking");
                    s.append_init(9010.0);
                })
            }),
            ("after the first one threw", || {
                bent(|s| {
                    s.append_init(30.0);
                    init_appends(s, |e| throws(e, "QuotaExceededError"));
                    s.append_init(50.0);
                })
            }),
            ("into another SourceBuffer", || {
                bent(|s| s.page(9000.0, append(2, vec![AppendedBox::Init { digest: "the init".into() }])))
            }),
            ("another one", || {
                bent(|s| s.append(9000.0, vec![AppendedBox::Init { digest: "another init".into() }]))
            }),
        ],
    },
    Pairs {
        rule: "mse/no-append-while-updating",
        bad: &[
            ("and again later", || bent(|s| append_while_updating(s, 105))),
            ("and lost", || bent(lose_while_updating)),
        ],
        fair: &[("in the moment of updateend", || {
            bent(|s| {
                let asked = s.trace.requests.iter_mut().find(|r| r.resource == segment(104));
                asked.unwrap().at_ms -= 40.0;
                let at = s.append_at(104);
                s.trace.page[at].at_ms = s.appended_ms(103) + UPDATE_MS;
            })
        })],
    },
    Pairs {
        rule: "mse/whole-segments",
        bad: &[
            ("bytes that nobody served", || {
                bent(|s| {
                    s.append(9000.0, vec![AppendedBox::Moof, AppendedBox::Mdat { digest: "half".into() }])
                })
            }),
            ("garbage", || bent(|s| s.append(9000.0, vec![AppendedBox::Garbage]))),
            ("a segment that was served only later", || {
                bent(|s| {
                    let at = s.append_at(107);
                    s.trace.page[at].at_ms -= 100.0;
                })
            }),
        ],
        fair: &[
            ("box by box", || bent(box_by_box)),
            ("garbage that threw", || {
                bent(|s| {
                    s.append(9000.0, vec![AppendedBox::Garbage]);
                    let at = s.trace.page.len() - 2;
                    throws(&mut s.trace.page[at].event, "InvalidStateError");
                })
            }),
            ("appended before it was asked for, by less than the clocks can tell", || {
                bent(|s| {
                    let at = s.append_at(107);
                    s.trace.page[at].at_ms -= 13.0;
                })
            }),
            ("the bytes of an earlier lap", || Session::new(Plan { lap_segments: 4, ..Plan::LIVE })),
        ],
    },
];

#[test]
fn an_append_while_updating_weighs_by_what_is_lost() {
    assert_eq!(levels(&bent(|s| append_while_updating(s, 105))), [Level::Should]);
    assert_eq!(levels(&bent(lose_while_updating)), [Level::Must]);
    // What a fresh parser makes of a piece tells nothing: it is the next to go in, or it is lost.
    let piece = |bytes: u64, boxes: Vec<AppendedBox>| {
        bent(|s| {
            let mut refused = append(1, boxes);
            refuse(&mut refused);
            if let PageEvent::Append { bytes: of_it, .. } = &mut refused {
                *of_it = bytes;
            }
            s.page(s.appended_ms(105) - 1.0, refused);
        })
    };
    assert_eq!(levels(&piece(1000, vec![AppendedBox::Garbage])), [Level::Should]);
    assert_eq!(levels(&piece(1000, vec![AppendedBox::Moof])), [Level::Should]);
    assert_eq!(levels(&piece(700, vec![AppendedBox::Moof])), [Level::Must]);
    assert_eq!(levels(&piece(700, Vec::new())), [Level::Must]);
    // The trial ended before it could go in.
    let at_the_end = bent(|s| {
        let mut refused = append(1, vec![AppendedBox::Mdat { digest: "the next one".into() }]);
        refuse(&mut refused);
        s.page(s.appended_ms(113) + 6.0, refused);
    });
    assert_eq!(levels(&at_the_end), [Level::Should]);
}

#[test]
fn a_player_that_writes_its_own_media_data_is_told_no_more_than_that() {
    let writes_its_own = bent(|s| {
        s.edit_appends(|event| {
            let PageEvent::Append { boxes, .. } = event else { unreachable!() };
            for b in boxes.iter_mut() {
                if let AppendedBox::Mdat { digest } = b {
                    digest.push_str(", written anew");
                }
            }
        });
    });
    let levels: BTreeSet<_> = levels(&writes_its_own).into_iter().collect();
    assert_eq!(levels, BTreeSet::from([Level::Should]));
}

#[test]
fn the_init_promise_is_the_seeds_own() {
    assert_eq!(levels(&bent(|s| s.append_init(50.0))), [Level::Seed]);
}

#[test]
fn media_before_an_init_is_told_once_for_each_append() {
    let session = bent(without_init);
    let appends = 113 - 101;
    assert_eq!(broken(&session).len(), appends);
}

fn without_init(s: &mut Session) {
    s.trace.page.retain(|e| !is_init(&e.event));
}

fn is_init(event: &PageEvent) -> bool {
    matches!(event, PageEvent::Append { boxes, .. } if matches!(boxes[..], [AppendedBox::Init { .. }]))
}

fn init_appends(s: &mut Session, edit: impl Fn(&mut PageEvent)) {
    s.edit_appends(|event| {
        if is_init(event) {
            edit(event);
        }
    });
}

fn throws(event: &mut PageEvent, name: &str) {
    let PageEvent::Append { error, .. } = event else { panic!("{event:?} is no append") };
    *error = Some(name.into());
}

fn init_and_media_in_one(s: &mut Session) {
    without_init(s);
    let at = s.append_at(102);
    let PageEvent::Append { boxes, .. } = &mut s.trace.page[at].event else { unreachable!() };
    boxes.insert(0, AppendedBox::Init { digest: "the init".into() });
}

fn change_type() -> PageEvent {
    PageEvent::ChangeType { buffer: 1, mime: "video/mp4".into() }
}

fn remove() -> PageEvent {
    PageEvent::Remove { buffer: 1, start: 0.0, end: 4.0, error: None }
}

fn repeat_after(event: PageEvent) -> Session {
    bent(|s| {
        s.page(9000.0, event);
        s.append_init(9010.0);
    })
}

fn append_while_updating(s: &mut Session, msn: u64) {
    let at = s.append_at(msn);
    let mut early = s.trace.page[at].clone();
    early.at_ms -= 1.0;
    refuse(&mut early.event);
    s.trace.page.insert(at, early);
}

fn lose_while_updating(s: &mut Session) {
    let at = s.append_at(105);
    refuse(&mut s.trace.page[at].event);
}

fn refuse(event: &mut PageEvent) {
    throws(event, "InvalidStateError");
    let PageEvent::Append { updating, .. } = event else { unreachable!() };
    *updating = true;
}

/// The moof in one append, the mdat in the next.
fn box_by_box(s: &mut Session) {
    for msn in 103..=106 {
        let at = s.append_at(msn);
        let PageEvent::Append { boxes, .. } = &mut s.trace.page[at].event else { unreachable!() };
        let mdat = boxes.split_off(1);
        s.append(s.trace.page[at].at_ms + 6.0, mdat);
    }
}
