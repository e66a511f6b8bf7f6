//! Whole sessions in virtual time: what the player asks for, appends and ends with under each fault.

mod absence;
mod anything;
mod lists;
mod media;
mod playhead;
#[cfg(feature = "full")]
mod variants;
mod world;

use segproof_player_core::{Event, Report};
use world::{Answer, World, list, number, plain, segment, window};

fn msns(world: &World) -> Vec<u64> {
    world.appended.iter().map(|uri| number(uri)).collect()
}

/// The session goes on.
fn is_warning(report: &Report) -> bool {
    matches!(report, Report::SegmentLost | Report::MediaLost)
}

fn playlist_gaps_ms(world: &World) -> Vec<u64> {
    let times: Vec<u64> =
        world.request_times.iter().filter(|(uri, _)| uri.is_empty()).map(|(_, at_ms)| *at_ms).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Goal: the plain stream plays without a pause. Method: half a minute; every segment from the hold-back on is
/// requested and appended once, in one run, and the playlist once per target duration.
#[test]
fn plays_a_sliding_window() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.run(31_000);
    assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>());
    assert_eq!(world.count("init.mp4"), 1);
    assert!((102..=119).all(|msn| world.count(&format!("s{msn}.m4s")) == 1));
    assert!(playlist_gaps_ms(&world).iter().all(|&gap_ms| gap_ms == 2000), "{:?}", playlist_gaps_ms(&world));
    assert_eq!(world.buffered, [(204.0, 240.0)]);
    assert!(world.played_s > 29.5);
    assert!(world.reports.is_empty());
}

#[test]
fn reloads_an_unchanged_playlist_after_half_a_target_duration() {
    let mut world = World::new(|uri, _, _| plain(uri, 0));
    world.run(10_000);
    assert_eq!(playlist_gaps_ms(&world)[0], 2000);
    assert!(playlist_gaps_ms(&world)[1..].iter().all(|&gap_ms| gap_ms == 1000));
}

#[test]
fn starts_at_the_first_segment_of_a_short_list() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => Answer::Body(list(7, 9, segment), 30),
        _ => plain(uri, now_ms),
    });
    world.run(1_000);
    assert_eq!(msns(&world), [7, 8]);
}

/// Goal: playlist 404 is the end. Method: the world panics on any request after it; playback goes on to the
/// end of the buffer, and then nothing is left.
#[test]
fn ends_when_the_playlist_is_gone() {
    for status in [404, 410] {
        let mut world = World::new(move |uri, _, now_ms| match uri {
            "" if now_ms >= 8_000 => Answer::Status(status, 30),
            _ => plain(uri, now_ms),
        });
        world.run(31_000);
        assert!(world.is_ended && world.is_closed);
        assert_eq!(world.request_times.last().unwrap(), &(String::new(), 8_000));
        assert_eq!(msns(&world), (102..=107).collect::<Vec<_>>());
        assert!((world.played_s - 12.0).abs() < 0.02, "{}", world.played_s);
        assert!(world.reports.is_empty());
    }
}

#[test]
fn a_playlist_that_never_was_is_fatal() {
    let mut world = World::new(|_, _, _| Answer::Status(404, 30));
    world.run(5_000);
    assert_eq!(world.reports, [Report::NoPlaylist]);
    assert_eq!(world.request_times.len(), 1);
    assert!(world.is_closed);
}

#[test]
fn end_list_plays_everything_and_ends() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if now_ms >= 4_000 => Answer::Body(list(102, 110, segment) + "#EXT-X-ENDLIST\n", 30),
        _ => plain(uri, now_ms),
    });
    world.run(60_000);
    assert_eq!(msns(&world), (102..=109).collect::<Vec<_>>());
    assert_eq!(playlist_gaps_ms(&world), [2000, 2000]);
    assert!(world.is_ended && world.is_closed);
}

#[test]
fn a_complete_list_is_played_from_its_start_even_if_its_last_segment_is_missing() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => Answer::Body(list(0, 6, segment) + "#EXT-X-ENDLIST\n", 30),
        "s5.m4s" => Answer::Status(404, 20),
        _ => plain(uri, now_ms),
    });
    world.run(60_000);
    assert_eq!(msns(&world), [0, 1, 2, 3, 4]);
    assert!(world.is_ended && world.is_closed);
}

/// A fault in the first answers for one segment; it is shown nevertheless and nothing else is disturbed.
fn survives_in_place(fault: impl Fn(u32) -> Option<Answer> + 'static, limit_s: f64) {
    let mut world = World::new(move |uri, nth, now_ms| match uri {
        "s106.m4s" => fault(nth).unwrap_or_else(|| plain(uri, now_ms)),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>(), "{}", world.log.join("\n"));
    assert_eq!(world.buffered.len(), 1);
    assert!(world.played_s > 31.0 - limit_s, "{}", world.played_s);
}

#[test]
fn survives_segment_faults() {
    survives_in_place(|nth| (nth == 1).then_some(Answer::Status(404, 20)), 0.2);
    survives_in_place(|nth| (nth <= 3).then_some(Answer::Status(503, 20)), 0.2);
    survives_in_place(|nth| (nth <= 2).then_some(Answer::Status(0, 500)), 0.2);
    survives_in_place(|nth| (nth == 1).then_some(Answer::Never), 0.5);
}

#[test]
fn skips_a_segment_that_stays_away() {
    for (answer, tries) in [(Answer::Status(404, 20), 4), (Answer::Status(500, 20), 4), (Answer::Never, 2)] {
        let mut world = World::new(move |uri, _, now_ms| match uri {
            "s106.m4s" => answer.clone(),
            _ => plain(uri, now_ms),
        });
        world.run(31_000);
        let expected: Vec<u64> = (102..=119).filter(|&msn| msn != 106).collect();
        assert_eq!(msns(&world), expected);
        assert_eq!(world.count("s106.m4s"), tries);
        assert_eq!(world.buffered.len(), 1, "the next run closes the hole");
        assert_eq!(world.reports, [Report::SegmentLost]);
    }
}

/// Goal: a link at half the bitrate shows what it can. Method: every segment takes two target durations.
#[test]
fn a_slow_link_still_delivers() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" | "init.mp4" => plain(uri, now_ms),
        _ => Answer::Body(String::new(), 4_200),
    });
    world.run(60_000);
    assert!(world.appended.len() >= 12, "{:?}", world.appended);
    assert!(msns(&world).is_sorted());
}

/// Goal: a stream of which nothing can be had is told of, however long each segment is tried: it leaves the list meanwhile.
#[test]
fn segments_lost_for_good_are_fatal_once() {
    for status in [403, 503] {
        let mut world = World::new(move |uri, _, now_ms| match uri {
            "" | "init.mp4" => plain(uri, now_ms),
            _ if now_ms < 5_000 => plain(uri, now_ms),
            _ => Answer::Status(status, 20),
        });
        world.run(120_000);
        let fatal: Vec<_> = world.reports.iter().filter(|report| !is_warning(report)).collect();
        assert_eq!(fatal, [&Report::SegmentsLost], "{status}");
        assert!(world.is_ended && world.is_closed);
        assert!((30_000..80_000).contains(&world.request_times.last().unwrap().1), "{status}");
    }
}

/// Goal: who lists a segment before it is there takes nobody's patience with the stream. Method: each comes 2 s after it was
/// listed.
#[test]
fn what_is_listed_before_it_is_there_is_waited_for() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" | "init.mp4" => plain(uri, now_ms),
        _ if number(uri) + 1 >= window(now_ms).1 => Answer::Status(403, 20),
        _ => plain(uri, now_ms),
    });
    world.run(61_000);
    assert_eq!(msns(&world), (102..=133).collect::<Vec<_>>(), "{}", world.log.join("\n"));
    assert!(world.reports.is_empty() && world.played_s > 58.0, "{}", world.played_s);
}

/// Goal: as long as there is something to play, a segment is asked for. Method: one is missing for 10 s, in which the viewer has paused.
#[test]
fn nothing_is_given_up_while_there_is_something_to_play() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => {
            let (first, end) = window(now_ms);
            Answer::Body(list(first - 20, end, segment), 30)
        }
        "s106.m4s" if now_ms < 14_000 => Answer::Status(404, 20),
        _ => plain(uri, now_ms),
    });
    world.is_paused = true;
    world.resumes_ms = 15_000;
    world.run(31_000);
    assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>(), "{}", world.log.join("\n"));
    assert!(world.reports.is_empty());
}

/// Goal: who has waited for an answer in vain need not wait before asking again. Method: two playlists in a row never come.
#[test]
fn a_timeout_is_wait_enough() {
    let mut world = World::new(|uri, nth, now_ms| match uri {
        "" if nth == 3 || nth == 4 => Answer::Never,
        _ => plain(uri, now_ms),
    });
    world.run(61_000);
    let asked: Vec<u64> =
        world.log.iter().filter(|line| line.ends_with("load playlist")).map(|line| number(line)).collect();
    // Asked at 4 s, for 3 s and 5 s.
    assert_eq!(asked[2..5], [4_000, 7_250, 13_250], "{}", world.log.join("\n"));
}

/// Goal: a source that is away while the playlist goes on is no end. Method: twelve segments in a row are not there.
#[test]
fn twelve_missing_segments_are_survived() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" | "init.mp4" => plain(uri, now_ms),
        _ if (106..118).contains(&number(uri)) => Answer::Status(404, 20),
        _ => plain(uri, now_ms),
    });
    world.run(61_000);
    let expected: Vec<u64> = (102..=134).filter(|msn| !(106..118).contains(msn)).collect();
    assert_eq!(msns(&world), expected, "{}", world.log.join("\n"));
    assert!(world.reports.iter().all(is_warning));
}

/// Goal: answers that always take longer than a timeout are got nevertheless. Method: playlists after 1.6 target durations.
#[test]
fn a_playlist_that_is_always_slow_is_waited_for() {
    let mut world = World::new(|uri, _, now_ms| match plain(uri, now_ms) {
        Answer::Body(text, _) if uri.is_empty() => Answer::Body(text, 3_200),
        other => other,
    });
    world.run(61_000);
    let log = world.log.join("\n");
    assert!(world.reports.is_empty(), "{log}");
    assert!(msns(&world).windows(2).all(|pair| pair[1] == pair[0] + 1), "{log}");
    assert!(world.log.iter().filter(|line| line.contains("cancel Playlist")).count() < 4, "{log}");
    assert!(world.played_s > 50.0, "{} {log}", world.played_s);
}

#[test]
fn a_retry_uses_the_newest_uri() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => {
            let (first, end) = window(now_ms);
            Answer::Body(list(first, end, |msn| format!("#EXTINF:2,\n{msn}?{}\n", now_ms / 2000)), 30)
        }
        "104?0" => Answer::Never,
        _ => Answer::Body(String::new(), 50),
    });
    world.media = Box::new(|uri| (2.0 * number(uri.split('?').next().unwrap()) as f64, 2.0));
    world.run(5_000);
    assert_eq!(world.count("104?1") + world.count("104?2"), 1, "{}", world.log.join("\n"));
}

#[test]
fn never_requests_a_gap() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => {
            let (first, end) = window(now_ms);
            let line =
                |msn| if msn == 106 { "#EXT-X-GAP\n".to_string() + &segment(msn) } else { segment(msn) };
            Answer::Body(list(first, end, line), 30)
        }
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!(world.count("s106.m4s"), 0);
    assert_eq!(msns(&world), (102..=119).filter(|&msn| msn != 106).collect::<Vec<_>>());
}

/// Goal: an outage longer than the window. Method: nothing answers for 14 s; then playback goes on with the
/// first listed segment, in one buffered range.
#[test]
fn goes_on_with_the_first_listed_segment_behind_an_outage() {
    let mut world = World::new(|uri, _, now_ms| match now_ms {
        8_000..22_000 => Answer::Status(0, 10),
        _ => plain(uri, now_ms),
    });
    world.run(40_000);
    let msns = msns(&world);
    let at = msns.iter().position(|&msn| msn > 107).unwrap();
    assert!((111..=113).contains(&msns[at]), "{msns:?}");
    assert!(msns[at..].windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(world.buffered.len(), 1);
    assert!(world.played_s > 24.0);
}

#[test]
fn a_playlist_lost_for_ten_target_durations_is_fatal_once() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" if now_ms >= 6_000 => Answer::Status(503, 20),
        _ => plain(uri, now_ms),
    });
    world.run(60_000);
    assert_eq!(world.reports, [Report::PlaylistLost]);
    assert!(world.is_ended && world.is_closed);
    let gaps_ms = playlist_gaps_ms(&world);
    assert!(gaps_ms.iter().all(|&gap_ms| gap_ms >= 500), "{gaps_ms:?}");
}

#[test]
fn an_init_that_never_comes_is_fatal_and_one_that_comes_late_is_not() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "init.mp4" => Answer::Status(404, 20),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!(world.reports, [Report::InitLost]);
    assert_eq!(world.count("init.mp4"), 8);
    assert!(world.is_closed);

    let mut world = World::new(|uri, nth, now_ms| match uri {
        "init.mp4" if nth < 5 => Answer::Status(404, 20),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!(msns(&world)[..3], [102, 103, 104]);
    assert_eq!(world.count("init.mp4"), 5);
}

#[test]
fn a_discontinuity_gets_its_init_again_and_a_new_run() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => {
            let (first, end) = window(now_ms);
            let line = |msn| match msn {
                107 => "#EXT-X-DISCONTINUITY\n".to_string() + &segment(msn),
                _ => segment(msn),
            };
            Answer::Body(list(first, end, line), 30)
        }
        _ => plain(uri, now_ms),
    });
    world.media = Box::new(|uri| (2.0 * (number(uri) % 107) as f64, 2.0));
    world.run(31_000);
    assert_eq!(world.count("init.mp4"), 1, "the bytes are here");
    assert_eq!(world.log.iter().filter(|line| line.ends_with("append init.mp4")).count(), 2);
    assert_eq!(world.buffered, [(204.0, 240.0)]);
}

#[test]
fn another_map_is_loaded_before_its_media() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        "" => {
            let (first, end) = window(now_ms);
            let line = |msn| match msn {
                107 => "#EXT-X-MAP:URI=\"two.mp4\",BYTERANGE=\"600@40\"\n".to_string() + &segment(msn),
                _ => segment(msn),
            };
            let text = list(first, end, line);
            let text = if first > 107 {
                text.replace("\"init.mp4\"", "\"two.mp4\",BYTERANGE=\"600@40\"")
            } else {
                text
            };
            Answer::Body(text, 30)
        }
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!((world.count("init.mp4"), world.count("two.mp4,BYTERANGE=\"600@40\"")), (1, 1));
    let line = |end: &str| world.log.iter().position(|line| line.ends_with(end)).unwrap();
    assert!(line("append s106.m4s") < line("append two.mp4,BYTERANGE=\"600@40\""));
    assert!(line("append two.mp4,BYTERANGE=\"600@40\"") < line("append s107.m4s"));
}

#[test]
fn a_clock_that_goes_back_without_a_mark_begins_a_run() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.media = Box::new(|uri| (2.0 * (number(uri) % 107) as f64, 2.0));
    world.run(31_000);
    assert_eq!(world.buffered, [(204.0, 240.0)]);
    assert!((102..=119).all(|msn| world.count(&format!("s{msn}.m4s")) == 1));
    assert!(world.played_s > 29.5);
}

#[test]
fn an_old_playlist_from_a_cache_is_no_restart() {
    let mut world = World::new(|uri, nth, now_ms| match uri {
        "" if nth % 4 == 0 => plain(uri, now_ms.saturating_sub(6_000)),
        _ => plain(uri, now_ms),
    });
    world.run(40_000);
    let msns = msns(&world);
    assert!(msns.windows(2).all(|pair| pair[1] == pair[0] + 1), "{msns:?}");
    assert_eq!(world.count("init.mp4"), 1);
}

#[test]
fn a_sequence_that_starts_over_is_a_new_stream() {
    for (base, limit_ms) in [(1_000, 2_500), (3, 7_000)] {
        let mut world = World::new(move |uri, _, now_ms| match uri {
            "" => {
                let count = now_ms / 2000;
                let (first, end) =
                    if count < 5 { (base + count, base + count + 3) } else { (0, (count - 4).min(5)) };
                let prefix = if count < 5 { "a" } else { "b" };
                Answer::Body(list(first, end, |msn| format!("#EXTINF:2,\n{prefix}{msn}\n")), 30)
            }
            _ => Answer::Body(String::new(), 50),
        });
        world.run(31_000);
        let at_ms = world.request_times.iter().find(|(uri, _)| uri.starts_with('b')).unwrap().1;
        assert!((10_000..10_000 + limit_ms).contains(&at_ms), "{at_ms}");
        assert_eq!(world.count("init.mp4"), 2, "its bytes may be others");
        assert!(world.played_s > 15.0);
    }
}

#[test]
fn a_full_source_buffer_gets_the_same_bytes_later() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.refuse =
        Box::new(|uri, now_ms| (uri == "s106.m4s" && now_ms < 8_000).then_some(Event::QuotaExceeded));
    world.run(31_000);
    assert_eq!(msns(&world), (102..=119).collect::<Vec<_>>());
    assert_eq!(world.count("s106.m4s"), 1);
    assert!(world.log.iter().any(|line| line.contains("remove before")));
    assert!(world.reports.is_empty());
}

#[test]
fn removes_what_is_far_behind() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.run(120_000);
    assert!(world.playhead_s - world.buffered[0].0 <= 42.0, "{:?}", world.buffered);
    assert!(world.playhead_s - world.buffered[0].0 >= 30.0, "{:?}", world.buffered);
}

/// Goal: a segment that destroys the MediaSource. Method: twice in a row by its bytes; it is fetched again
/// once, then left out, and what was buffered is fetched again behind the playhead.
/// Goal: what is shown is not removed. Method: a full SourceBuffer, and segments of ten seconds with one key frame each, to which a
/// removal goes on from wherever it ends.
#[test]
fn a_full_buffer_keeps_the_group_that_is_shown() {
    for full_ms in (20_000..30_000).step_by(700) {
        let long = |msn| segment(msn).replace("2.000", "10.000");
        let mut world = World::new(move |uri, _, now_ms| match uri {
            "" => {
                let end = 105 + now_ms / 10_000;
                Answer::Body(list(end - 5, end, long).replace("DURATION:2", "DURATION:10"), 30)
            }
            _ => plain(uri, now_ms),
        });
        world.media = Box::new(|uri| (10.0 * number(uri) as f64, 10.0));
        world.group_s = 10.0;
        world.refuse = Box::new(move |uri, now_ms| {
            (uri == "s106.m4s" && now_ms < full_ms).then_some(Event::QuotaExceeded)
        });
        world.run(60_000);
        let log = world.log.join("\n");
        assert!(log.contains("remove before 1"), "{full_ms}\n{log}");
        assert_eq!(log.matches("seek ").count(), 1, "{full_ms}\n{log}");
    }
}

#[test]
fn rebuilds_and_leaves_out_a_segment_that_breaks_it_twice() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.refuse = Box::new(|uri, _| (uri == "s106.m4s").then_some(Event::Broken));
    world.run(31_000);
    assert_eq!(world.count("s106.m4s"), 2);
    assert_eq!(world.log.iter().filter(|line| line.ends_with(" rebuild")).count(), 2);
    assert!(world.appended.contains(&"s119.m4s".into()), "{}", world.log.join("\n"));
    assert!(world.reports.iter().all(is_warning));
}

#[test]
fn gives_up_when_nothing_can_be_appended() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.refuse = Box::new(|_, _| Some(Event::Broken));
    world.run(31_000);
    assert_eq!(world.reports.last().unwrap(), &Report::MediaError);
    assert!(world.is_closed);
}

#[test]
fn a_paused_player_stops_requesting_media_and_goes_on() {
    let mut world = World::new(|uri, _, now_ms| plain(uri, now_ms));
    world.is_paused = true;
    world.run(120_000);
    let ahead_s = world.buffered.last().unwrap().1 - world.playhead_s;
    assert!((60.0..64.1).contains(&ahead_s), "{ahead_s}");
}

#[test]
fn a_text_that_is_no_playlist_is_a_failure_not_the_end() {
    let mut world = World::new(|uri, nth, now_ms| match uri {
        "" if (3..6).contains(&nth) => Answer::Body("<!doctype html>".into(), 30),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    assert_eq!(msns(&world), (102..=118).collect::<Vec<_>>());
}

/// Goal: what is missing holds up nobody for longer than it lasts. Method: five segments in a row are never there.
#[test]
fn behind_five_missing_segments_it_goes_on_at_once() {
    let mut world = World::new(|uri, _, now_ms| match uri {
        _ if (105..110).any(|msn| uri == format!("s{msn}.m4s")) => Answer::Status(404, 10),
        _ => plain(uri, now_ms),
    });
    world.run(31_000);
    let log = world.log.join("\n");
    // 110 is listed at 12 s.
    let at_ms = world.request_times.iter().find(|(uri, _)| uri == "s110.m4s").unwrap().1;
    assert!(at_ms < 12_500, "{at_ms} {log}");
    assert_eq!(world.reports, [Report::SegmentLost; 5], "{log}");
}
