//! Sessions around the rules of RFC 8216.

use segproof_core::origin::PLAYLIST_PATH;
use segproof_core::report::Level;
use segproof_core::trace::{AppendedBox, Content, End, Listing, PageEvent, Resource};

use super::{Pairs, bent, bent_from, levels};
use crate::session::{Plan, Session, append, listing, media_boxes, playlist, segment, segment_path};

pub const PAIRS: &[Pairs] = &[
    Pairs {
        rule: "hls/in-order",
        bad: &[
            ("two change places", || bent(|s| swap(s, 103, 104))),
            ("one comes late, which a picture that waits excuses no more than anything but a seek", || {
                bent(|s| {
                    s.drop_append(103);
                    s.media(8999.0, "waiting");
                    s.append_segment(9000.0, 103);
                })
            }),
            ("where the next one was put at the end, which is no place for it", || {
                bent_from(put_back(1.0, 104), |s| s.drop_append(104))
            }),
        ],
        fair: &[
            ("where the player has put the next one back", || put_back(0.5, 104)),
            ("in segments mode a player may fill backwards", || {
                bent(|s| {
                    swap(s, 103, 104);
                    segments_mode(s);
                })
            }),
            ("after a seek back", || {
                bent(|s| {
                    s.media(9000.0, "seeking");
                    s.append_segment(9010.0, 104);
                    s.append_segment(9020.0, 105);
                })
            }),
            ("another SourceBuffer has an order of its own", || {
                bent(|s| {
                    let init = AppendedBox::Init { digest: "the init".into() };
                    s.page(9000.0, append(2, vec![init]));
                    s.page(9010.0, append(2, media_boxes(103, 31)));
                })
            }),
            ("the same bytes are listed three times", || bent(|s| slate(s, &[104, 105, 107]))),
            ("an append that threw is done again after the next", || {
                bent(|s| {
                    let at = s.append_at(104);
                    let mut threw = s.trace.page[at].clone();
                    threw.at_ms = s.appended_ms(106) + 1.0;
                    let PageEvent::Append { error, .. } = &mut threw.event else { unreachable!() };
                    *error = Some("QuotaExceededError".into());
                    s.trace.page.push(threw);
                })
            }),
            ("the bytes of the first lap come again", || {
                Session::new(Plan { lap_segments: 4, ..Plan::LIVE })
            }),
        ],
    },
    Pairs {
        rule: "hls/no-duplicate",
        bad: &[
            ("in sequence mode", || bent(|s| s.append_segment(s.appended_ms(105) + 6.0, 105))),
            ("in segments mode", || {
                bent(|s| {
                    s.append_segment(s.appended_ms(105) + 6.0, 105);
                    segments_mode(s);
                })
            }),
            ("the same bytes once more than they are listed", || {
                bent(|s| {
                    slate(s, &[104, 105]);
                    s.append(s.appended_ms(106) - 6.0, slate_boxes());
                })
            }),
            ("after a removal that threw", || {
                let error = Some("InvalidStateError".into());
                again_after(PageEvent::Remove { buffer: 1, start: 0.0, end: 9.0, error })
            }),
            ("after a removal of what came long before", || removed_to(-4.0)),
            ("after a removal of what comes behind it", || removed_from(2.5)),
        ],
        fair: &[
            ("the same bytes are listed twice", || bent(|s| slate(s, &[104, 105]))),
            ("over what is there", || put_back(0.5, 107)),
            ("after abort", || again_after(PageEvent::Abort { buffer: 1 })),
            ("after remove", || removed_to(1.0)),
            ("after a removal that may have gone on to its beginning", || removed_to(-1.5)),
            ("after a removal that is noted before the end of the append", removed_before_the_end),
            ("after a removal that began right behind it", || removed_from(1.5)),
            ("after a removal, and nobody knows where it lies", || {
                again_after(PageEvent::Remove { buffer: 1, start: 0.0, end: 0.5, error: None })
            }),
            ("after an error of the SourceBuffer", || again_after(PageEvent::BufferError { buffer: 1 })),
            ("after a seek", || {
                again_after(PageEvent::Media { event: "seeking".into(), time: 0.0, error: None })
            }),
            ("after the first one threw", || {
                bent(|s| {
                    let at = s.append_at(105);
                    s.append_segment(s.trace.page[at].at_ms + 6.0, 105);
                    let PageEvent::Append { error, .. } = &mut s.trace.page[at].event else { unreachable!() };
                    *error = Some("QuotaExceededError".into());
                })
            }),
        ],
    },
    Pairs {
        rule: "hls/listed-only",
        bad: &[
            ("a guess at the next segment", || bent(|s| s.refused(9000.0, &segment_path(120), 404))),
            ("a folder of the player's own", || bent(|s| s.refused(9000.0, "/favicon.ico", 404))),
            ("a segment is asked for before the playlist that lists it has come", || {
                bent(|s| {
                    s.trace
                        .requests
                        .iter_mut()
                        .filter(|r| r.resource == segment(106))
                        .for_each(|r| r.at_ms -= 200.0)
                })
            }),
            ("a playlist that was cut lists nothing", || {
                bent(|s| {
                    s.request(9980.0, PLAYLIST_PATH, playlist(120, None)).end = End::Cut;
                    s.refused(10_050.0, &segment_path(120), 404);
                })
            }),
        ],
        fair: &[
            ("a query is added", || {
                bent(|s| s.trace.requests.iter_mut().for_each(|r| r.path.push_str("?session=7")))
            }),
            ("as soon as the playlist that lists it has come", || {
                bent(|s| {
                    let asked_ms =
                        s.trace.requests.iter().find(|r| r.resource == segment(106)).unwrap().at_ms;
                    let newest =
                        s.trace.requests.iter_mut().rfind(|r| r.resource.is_playlist() && r.at_ms < asked_ms);
                    newest.unwrap().ended_ms = asked_ms;
                })
            }),
            ("where a listed one has led", || {
                bent(|s| {
                    s.trace.requests.iter_mut().find(|r| r.resource == segment(104)).unwrap().location =
                        Some("/elsewhere/104?to=7".into());
                    s.refused(9000.0, "/elsewhere/104", 404);
                })
            }),
            ("a segment that has left the playlist", || {
                bent(|s| {
                    s.request(9000.0, &segment_path(100), Content::Nothing).status = 404;
                })
            }),
        ],
    },
    Pairs {
        rule: "hls/gap-not-loaded",
        bad: &[("a GAP is asked for", || {
            bent(|s| {
                s.edit_playlists(mark_gap);
                s.trace
                    .requests
                    .iter_mut()
                    .filter(|r| r.resource == segment(107))
                    .for_each(|r| r.status = 404);
            })
        })],
        fair: &[
            ("a GAP is left alone", || {
                bent(|s| {
                    s.edit_playlists(mark_gap);
                    s.drop_append(107);
                    s.trace.requests.retain(|r| r.resource != segment(107));
                    s.keep_frames(|_, n| !(140..160).contains(&n));
                })
            }),
            ("it is a GAP of another variant's", || {
                bent(|s| {
                    s.edit_playlists(mark_gap);
                    for request in &mut s.trace.requests {
                        if let Resource::Playlist { variant } = &mut request.resource {
                            *variant = 1;
                        }
                    }
                })
            }),
            ("it was no GAP yet when it was asked for", || {
                bent(|s| {
                    let asked = s.trace.requests.iter().find(|r| r.resource == segment(107)).unwrap().at_ms;
                    for request in s.trace.requests.iter_mut().filter(|r| r.at_ms > asked) {
                        if let Content::Playlist { text, .. } = &request.content {
                            request.content = listing(mark_gap(text));
                        }
                    }
                })
            }),
        ],
    },
    Pairs {
        rule: "hls/map-applies",
        bad: &[
            ("the EXT-X-MAP changes and the old one stays in force", || {
                bent(|s| other_init(s, "the other init"))
            }),
            ("the new one is never even asked for", || {
                bent(|s| {
                    other_init(s, "the other init");
                    s.trace.requests.retain(|r| r.path != "/live/other.mp4");
                })
            }),
            ("the new one comes in the same append, behind the media", || {
                bent(|s| {
                    other_init(s, "the other init");
                    let other = AppendedBox::Init { digest: "the other init".into() };
                    add_box(s, 107, 2, other);
                })
            }),
            ("another variant's stays in force, for a segment of the same number", || {
                bent(|s| {
                    of_another_variant(s, 107);
                })
            }),
        ],
        fair: &[
            ("the new one comes in the same append, behind what is before it", || {
                bent(|s| {
                    other_init(s, "the other init");
                    let other = AppendedBox::Init { digest: "the other init".into() };
                    add_box(s, 106, 2, other);
                })
            }),
            ("the new one is appended", || {
                bent(|s| {
                    other_init(s, "the other init");
                    let other = AppendedBox::Init { digest: "the other init".into() };
                    s.append(s.appended_ms(107) - 6.0, vec![other]);
                })
            }),
            ("another URI leads to the same one", || bent(|s| other_init(s, "the init"))),
            ("the player has changed it", || {
                bent(|s| {
                    other_init(s, "the other init");
                    s.edit_appends(|event| {
                        let PageEvent::Append { boxes, .. } = event else { unreachable!() };
                        for b in boxes.iter_mut() {
                            if let AppendedBox::Init { digest } = b {
                                *digest = "the player's own".into();
                            }
                        }
                    });
                })
            }),
        ],
    },
    Pairs {
        rule: "hls/hold-back",
        bad: &[
            ("two thirds of it from the end", || bent(|s| says_target_duration(s, 3))),
            ("of what is there, the oldest lies as far from the end as it should", || {
                bent(|s| {
                    says_target_duration(s, 3);
                    says_durations(s, "1.8");
                })
            }),
        ],
        fair: &[
            ("half a target duration less, for segments are shorter than that", || {
                bent(|s| {
                    says_target_duration(s, 3);
                    says_durations(s, "2.5");
                })
            }),
            ("a list that is shorter than that", || bent(|s| says_target_duration(s, 4))),
            ("what lies that far from the end is a GAP", || {
                bent(|s| {
                    says_target_duration(s, 3);
                    for msn in [100, 101] {
                        let entry = format!("#EXTINF:2.000000,\nlive{msn}.m4s");
                        s.edit_playlists(|text| text.replace(&entry, &format!("#EXT-X-GAP\n{entry}")));
                    }
                })
            }),
            ("a list that is over", || {
                bent(|s| {
                    says_target_duration(s, 3);
                    s.edit_playlists(|text| format!("{text}#EXT-X-ENDLIST\n"));
                })
            }),
        ],
    },
    Pairs {
        rule: "hls/reload-interval",
        bad: &[
            ("half the wait after a changed playlist", || {
                bent(|s| {
                    s.reload(7000.0);
                })
            }),
            ("a quarter of it after an unchanged one", || {
                bent(|s| {
                    s.reload(7990.0);
                })
            }),
            ("a little more than a timer's jitter", || bent(|s| two_reloads(s, 1784.0))),
            ("a little more than a timer's jitter at speed 4", || {
                bent(|s| {
                    s.trace.speed = 4.0;
                    two_reloads(s, 1739.0);
                })
            }),
            ("too early, and the page was held up another time", || {
                bent(|s| {
                    s.trace.speed = 4.0;
                    s.hold_up(13_000.0, 90.0);
                    two_reloads(s, 1739.0);
                })
            }),
            ("earlier than it was held up", || {
                bent(|s| {
                    s.trace.speed = 4.0;
                    s.hold_up(14_100.0, 90.0);
                    two_reloads(s, 1370.0);
                })
            }),
            ("again and again, but not by half", || {
                bent(|s| {
                    last_reloads(s);
                    for n in 0..5 {
                        s.reload(14_000.0 + f64::from(n) * 400.0);
                    }
                })
            }),
            ("a flood", || bent(flood)),
            ("a worker that is early again and again", || {
                bent(|s| {
                    for request in s.trace.requests.iter_mut().filter(|r| r.resource.is_playlist()) {
                        request.at_ms *= 0.7;
                    }
                })
            }),
            ("what the page asks for too soon, though it comes late", || {
                bent(|s| {
                    s.reload(8100.0);
                    calls(s, |at_ms| if at_ms == 8100.0 { 7700.0 } else { at_ms - 5.0 });
                })
            }),
        ],
        fair: &[
            ("the page was held up while it asked", || {
                bent(|s| {
                    s.trace.speed = 4.0;
                    s.hold_up(14_100.0, 90.0);
                    two_reloads(s, 1390.0);
                })
            }),
            ("an answer that the page may not read is tried again", || {
                bent(|s| {
                    last_reloads(s);
                    s.reload(14_000.0).opaque = true;
                    s.reload(14_100.0);
                })
            }),
            ("what is no playlist is tried again", || {
                bent(|s| {
                    last_reloads(s);
                    s.request(14_000.0, PLAYLIST_PATH, listing("<html>".into()));
                    s.reload(14_100.0);
                })
            }),
            ("the playlist says a shorter target duration", || {
                bent(|s| {
                    s.reload(7000.0);
                    says_target_duration(s, 1);
                })
            }),
            ("another rendition is loaded in between", || {
                bent(|s| {
                    let other = s.reload(6500.0);
                    other.resource = Resource::Playlist { variant: 1 };
                })
            }),
            ("a request that was held up on its way", || {
                bent(|s| calls(s, |at_ms| if at_ms == 0.0 { -600.0 } else { at_ms - 600.0 }))
            }),
            ("a worker that took long to start", || {
                bent(|s| {
                    let second = s.trace.requests.iter_mut().filter(|r| r.resource.is_playlist()).nth(1);
                    second.unwrap().at_ms = 1415.0;
                })
            }),
            ("a worker's load that was held up on its way", || {
                bent(|s| {
                    let of_6s =
                        s.trace.requests.iter_mut().find(|r| r.resource.is_playlist() && r.at_ms == 6000.0);
                    of_6s.unwrap().at_ms = 6600.0;
                })
            }),
            ("half of it after one that was not modified", || {
                bent(|s| {
                    last_reloads(s);
                    s.reload(14_000.0);
                    s.refused(16_000.0, PLAYLIST_PATH, 304);
                    s.reload(17_000.0);
                })
            }),
            ("the browser's own repetition", || {
                bent(|s| {
                    calls(s, |at_ms| at_ms - 5.0);
                    s.reload(6050.0);
                })
            }),
            ("half of it after an unchanged playlist", || {
                bent(|s| {
                    last_reloads(s);
                    s.reload(14_000.0);
                    s.request(16_000.0, PLAYLIST_PATH, playlist(111, None));
                    s.reload(17_000.0);
                })
            }),
            ("errors are retried at once", || {
                bent(|s| {
                    last_reloads(s);
                    [14_000.0, 14_050.0, 14_100.0]
                        .into_iter()
                        .for_each(|at| s.refused(at, PLAYLIST_PATH, 503));
                    s.reload(14_150.0);
                })
            }),
            ("a cut answer is retried at once", || {
                bent(|s| {
                    last_reloads(s);
                    s.reload(14_000.0).end = End::Cut;
                    s.reload(14_020.0);
                })
            }),
            ("one is still under way at the end", || {
                bent(|s| {
                    last_reloads(s);
                    s.reload(14_000.0);
                    s.reload(16_000.0).end = End::Open;
                })
            }),
            ("a slow answer is followed at once", || {
                bent(|s| {
                    last_reloads(s);
                    s.reload(14_000.0).ended_ms = 15_990.0;
                    s.reload(16_000.0);
                })
            }),
            ("a timer's jitter", || bent(|s| two_reloads(s, 1785.0))),
            ("a timer's jitter at speed 4", || {
                bent(|s| {
                    s.trace.speed = 4.0;
                    two_reloads(s, 1740.0);
                })
            }),
        ],
    },
];

#[test]
fn a_duplicate_weighs_by_what_the_viewer_sees() {
    let twice = || bent(|s| s.append_segment(s.appended_ms(105) + 6.0, 105));
    assert_eq!(levels(&twice()), [Level::Must]);
    let mut session = twice();
    segments_mode(&mut session);
    assert_eq!(levels(&session), [Level::Should]);
}

#[test]
fn the_third_reload_in_a_row_under_half_the_wait_is_a_flood() {
    let levels = levels(&bent(flood));
    assert_eq!(levels.first(), Some(&Level::Should));
    assert!(levels.contains(&Level::Must), "{levels:?}");
}

/// `a` is appended after `b`.
fn swap(s: &mut Session, a: u64, b: u64) {
    let (a, b) = (s.append_at(a), s.append_at(b));
    s.trace.page[a].at_ms = s.trace.page[b].at_ms + 6.0;
}

pub fn segments_mode(s: &mut Session) {
    s.edit_appends(|event| {
        let PageEvent::Append { mode, .. } = event else { unreachable!() };
        *mode = "segments".into();
    });
}

/// These segments all carry the same media data.
fn slate(s: &mut Session, msns: &[u64]) {
    for msn in msns {
        let at = s.append_at(*msn);
        let PageEvent::Append { boxes, .. } = &mut s.trace.page[at].event else { unreachable!() };
        *boxes = slate_boxes();
        for request in s.trace.requests.iter_mut().filter(|r| r.resource == segment(*msn)) {
            let Content::Segment(facts) = &mut request.content else { unreachable!() };
            facts.mdat = "the slate".into();
        }
    }
}

fn slate_boxes() -> Vec<AppendedBox> {
    vec![AppendedBox::Moof, AppendedBox::Mdat { digest: "the slate".into() }]
}

/// Behind segment 107 the player says where the next group starts, and appends this one.
fn put_back(seconds: f64, msn: u64) -> Session {
    bent(|s| {
        let at = s.appended_ms(107) + 6.0;
        s.page(at, PageEvent::TimestampOffset { buffer: 1, seconds });
        s.append_segment(at + 2.0, msn);
    })
}

/// One box more in the append of a segment.
fn add_box(s: &mut Session, msn: u64, place: usize, more: AppendedBox) {
    let at = s.append_at(msn);
    let PageEvent::Append { boxes, .. } = &mut s.trace.page[at].event else { unreachable!() };
    boxes.insert(place, more);
}

/// The segment is another variant's, which has an init of its own and is behind the first variant's.
fn of_another_variant(s: &mut Session, msn: u64) {
    let variant = 1;
    let at_ms = s.appended_ms(msn) - 30.0;
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"v1.mp4\"\n";
    let request = s.request(at_ms, "/live/v1.m3u8", listing(text.into()));
    request.resource = Resource::Playlist { variant };
    if let Content::Playlist { listings, .. } = &mut request.content {
        *listings = vec![Listing {
            msn,
            uri: format!("v1-{msn}.m4s"),
            range: None,
            gap: false,
            same_as: None,
            init: "v1.mp4".into(),
            init_range: None,
        }];
    }
    s.request(at_ms + 12.0, "/live/v1.mp4", Content::Init { digest: "v1's init".into(), is_spoiled: false });
    let of_it = s.trace.requests.iter_mut().find(|r| r.resource == segment(msn)).unwrap();
    of_it.resource = Resource::Segment { variant, run: 1, msn };
}

fn again_after(event: PageEvent) -> Session {
    bent(|s| {
        let at = s.appended_ms(105);
        s.page(at + 6.0, event);
        s.append_segment(at + 8.0, 105);
    })
}

/// Everything up to that many seconds from the end of segment 105 is removed, where each segment adds what it lasts.
fn removed_to(from_end_s: f64) -> Session {
    removed(|end_s| (0.0, end_s + from_end_s))
}

/// Segment 105 is removed by a player that heard of the end of its append before the probe did.
fn removed_before_the_end() -> Session {
    bent(|s| {
        let at = s.appended_ms(105);
        s.page(at + 1.0, PageEvent::Remove { buffer: 1, start: 0.0, end: 99.0, error: None });
        s.append_segment(at + 8.0, 105);
    })
}

/// Everything from there on is.
fn removed_from(from_end_s: f64) -> Session {
    removed(|end_s| (end_s + from_end_s, f64::INFINITY))
}

fn removed(what: impl Fn(f64) -> (f64, f64)) -> Session {
    bent(|s| {
        let at = s.appended_ms(105);
        let mut end_s = 0.0;
        let mut of_105_s = 0.0;
        for entry in &mut s.trace.page {
            match &mut entry.event {
                PageEvent::Append { boxes, .. }
                    if boxes.iter().any(|b| matches!(b, AppendedBox::Mdat { .. })) =>
                {
                    end_s += 2.0;
                    if entry.at_ms <= at {
                        of_105_s = end_s;
                    }
                }
                PageEvent::UpdateEnd { buffered, .. } if end_s > 0.0 => *buffered = vec![(0.0, end_s)],
                _ => {}
            }
        }
        let (start, end) = what(of_105_s);
        s.page(at + 6.0, PageEvent::Remove { buffer: 1, start, end, error: None });
        s.append_segment(at + 8.0, 105);
    })
}

/// From segment 107 on the playlists name another init, which is served with that digest.
fn other_init(s: &mut Session, digest: &str) {
    let at = s.appended_ms(107) - 10.0;
    for request in &mut s.trace.requests {
        if let Content::Playlist { text, listings } = &mut request.content {
            let entry = "#EXTINF:2.000000,\nlive107.m4s";
            *text = text.replace(entry, &format!("#EXT-X-MAP:URI=\"other.mp4\"\n{entry}"));
            listings.iter_mut().filter(|l| l.msn >= 107).for_each(|l| l.init = "other.mp4".into());
        }
    }
    s.request(at, "/live/other.mp4", Content::Init { digest: digest.into(), is_spoiled: false });
}

/// The page is seen to ask for each playlist, at the time that `when` makes of the origin's.
fn calls(s: &mut Session, when: impl Fn(f64) -> f64) {
    let loads: Vec<f64> =
        s.trace.requests.iter().filter(|r| r.resource.is_playlist()).map(|r| r.at_ms).collect();
    for (id, at_ms) in (0..).zip(loads) {
        s.page(
            when(at_ms),
            PageEvent::Fetch { id, url: format!("http://one{PLAYLIST_PATH}"), by: String::new() },
        );
    }
}

fn says_target_duration(s: &mut Session, seconds: u32) {
    s.edit_playlists(|text| {
        text.replace("#EXT-X-TARGETDURATION:2", &format!("#EXT-X-TARGETDURATION:{seconds}"))
    });
}

/// What EXTINF says, in seconds.
fn says_durations(s: &mut Session, seconds: &str) {
    s.edit_playlists(|text| text.replace("#EXTINF:2.000000", &format!("#EXTINF:{seconds}")));
}

fn two_reloads(s: &mut Session, apart_ms: f64) {
    last_reloads(s);
    s.reload(14_000.0);
    s.reload(14_000.0 + apart_ms);
}

pub fn mark_gap(text: &str) -> String {
    text.replace("#EXTINF:2.000000,\nlive107.m4s", "#EXT-X-GAP\n#EXTINF:2.000000,\nlive107.m4s")
}

fn flood(s: &mut Session) {
    for n in 1..10 {
        s.reload(6000.0 + f64::from(n) * 200.0);
    }
}

/// Takes away what is loaded after the trial's last segment, so that a test can reload in its own way.
fn last_reloads(s: &mut Session) {
    s.trace.requests.retain(|r| r.at_ms < 14_000.0);
    (111..=113).for_each(|msn| s.drop_append(msn));
}
