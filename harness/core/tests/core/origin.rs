//! The origin: each kind of fault changes the reply it is about, in its way, and no other.

mod answers;
mod faults;
mod playlist;

use std::sync::Arc;

use segproof_core::exchange::{Bases, Reply, Step};
use segproof_core::media;
use segproof_core::origin::{Origin, PLAYLIST_PATH};
use segproof_core::presentation::{self, Presentation};
use segproof_core::scenario::Scenario;
use segproof_core::trace::{AUDIO, Content, Listing, Resource};

use crate::media::{LAP_SEGMENTS, SEGMENT_S, fixture};

pub const INIT_PATH: &str = "/live/live.mp4";

/// The origin of a scenario with these lines, until segment 108, with `clock = "wall"`.
pub fn origin(body: &str) -> Origin {
    let head = "summary = \"x\"\nuntil = \"segment 108\"\n";
    let body = match body.contains("[stream]") {
        true => body.to_string(),
        false => format!("[stream]\nclock = \"wall\"\n{body}"),
    };
    let text = format!("{head}{body}");
    let scenario =
        Scenario::parse(&text).unwrap_or_else(|error| panic!("{}", error.render("scenario", &text)));
    Origin::new(&scenario, presentation(&scenario))
}

/// What a scenario publishes if every fixture is the tests' own.
pub fn presentation(scenario: &Scenario) -> Arc<Presentation> {
    let media = Arc::new(fixture());
    let media: Vec<_> = presentation::sources(scenario).iter().map(|_| media.clone()).collect();
    Arc::new(Presentation::new(scenario, &media))
}

pub fn segment(msn: u64) -> String {
    format!("/live/live{msn}.m4s")
}

/// The numbers that a playlist lists, its marks left out.
fn listed(reply: &Reply) -> Vec<u64> {
    let number = |line: &str| line.strip_prefix("live")?.strip_suffix(".m4s")?.parse().ok();
    text(reply).lines().filter_map(number).collect()
}

fn text(reply: &Reply) -> &str {
    match &reply.content {
        Content::Playlist { text, .. } => text,
        other => panic!("{other:?} is no playlist"),
    }
}

/// What a playlist lists, as the origin knows it.
fn listings(reply: &Reply) -> &[Listing] {
    match &reply.content {
        Content::Playlist { listings, .. } => listings,
        other => panic!("{other:?} is no playlist"),
    }
}

/// Both media hosts are known.
fn hosts() -> Bases {
    Bases { first: "http://first".into(), second: "http://second".into() }
}

fn whole(reply: &Reply) -> [Step; 2] {
    [Step::Head, Step::BodyTo(reply.body.len())]
}

#[test]
fn a_variant_of_other_segments_is_named() {
    let text = "summary = \"x\"\nuntil = \"segment 108\"\n[[variant]]\nfixture = \"bars-small\"\nbandwidth = 300000\n";
    let scenario = Scenario::parse(text).expect("it is a scenario");
    assert_eq!(presentation(&scenario).uneven_variant(), None);
    let (whole, mut shorter, mut longer, mut fuller) = (fixture(), fixture(), fixture(), fixture());
    shorter.segments.pop();
    longer.segments[1].duration_s += 0.002;
    fuller.segments[2].facts.frames += 1;
    for other in [shorter, longer, fuller] {
        let media = [Arc::new(whole.clone()), Arc::new(other)];
        assert_eq!(Presentation::new(&scenario, &media).uneven_variant(), Some("bars-small"));
    }
}

/// With an Audio Rendition, whose media are the tests' own without a picture.
pub fn with_audio(body: &str) -> Origin {
    let text = format!(
        "summary = \"x\"\nuntil = \"segment 112\"\n[stream]\nclock = \"wall\"\n[audio]\nfixture = \"bars-sound\"\n{body}"
    );
    let scenario =
        Scenario::parse(&text).unwrap_or_else(|error| panic!("{}", error.render("scenario", &text)));
    let mut sound = fixture();
    sound.segments.iter_mut().for_each(|part| part.facts.frames = 0);
    let media: Vec<_> = presentation::sources(&scenario)
        .iter()
        .map(|source| Arc::new(if source.fixture == "bars-sound" { sound.clone() } else { fixture() }))
        .collect();
    Origin::new(&scenario, Arc::new(Presentation::new(&scenario, &media)))
}

/// With a second variant of the same media.
pub fn with_variant(body: &str) -> Origin {
    let text = format!(
        "summary = \"x\"\nuntil = \"segment 112\"\n[stream]\nclock = \"wall\"\n[[variant]]\nfixture = \"bars-small\"\n\
         bandwidth = 300000\n{body}"
    );
    let scenario =
        Scenario::parse(&text).unwrap_or_else(|error| panic!("{}", error.render("scenario", &text)));
    let media: Vec<_> = presentation::sources(&scenario).iter().map(|_| Arc::new(fixture())).collect();
    Origin::new(&scenario, Arc::new(Presentation::new(&scenario, &media)))
}

/// RFC 8216, section 4.3.3.3: of the tags of that list.
#[test]
fn a_discontinuity_of_one_variant_is_counted_in_its_list_alone() {
    let mut origin = with_variant("[[fault]]\non = \"segment 104\"\nvariant = 1\ndiscontinuity = true\n");
    let paths: Vec<String> = origin.other_variant_paths().collect();
    let late_ms = 20_000.0;
    assert!(!text(&origin.handle(late_ms, PLAYLIST_PATH)).contains("DISCONTINUITY"));
    assert!(text(&origin.handle(late_ms, paths[0].as_str())).contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"));
}

/// RFC 8216, section 4.3.3.2: nobody may take segments of the same number in two playlists for the same.
#[test]
fn a_variant_or_the_sound_may_count_by_itself() {
    let mut origin =
        with_audio("media_sequence = 7000\n[[restart]]\nat = \"segment 108\"\nsequence = \"keep\"\n");
    for (at_ms, number) in [(0.0, 100), (6000.0, 103), (16_000.0, 108)] {
        for (path, number) in [(PLAYLIST_PATH, number), ("/live/audio.m3u8", number + 6900)] {
            let reply = origin.handle(at_ms, path);
            assert!(text(&reply).contains(&format!("#EXT-X-MEDIA-SEQUENCE:{number}\n")), "{}", text(&reply));
        }
    }
    let mut origin =
        with_variant("media_sequence = 7\n[[restart]]\nat = \"segment 108\"\nsequence = \"200\"\n");
    assert!(text(&origin.handle(0.0, "/live/v1.m3u8")).contains("#EXT-X-MEDIA-SEQUENCE:7\n"));
    assert!(text(&origin.handle(16_000.0, "/live/v1.m3u8")).contains("#EXT-X-MEDIA-SEQUENCE:200\n"));
}

#[test]
fn a_variant_that_nobody_has_asked_for_stands_still_with_the_others() {
    let mut origin = with_variant("[[fault]]\non = \"playlist\"\nfrom = \"segment 106\"\nstale = true\n");
    let mut last = |at_ms: f64, path: &str| {
        let reply = origin.handle(at_ms, path);
        text(&reply).lines().last().map(|line| line.trim_start_matches("v1-").to_string())
    };
    let before = last(3000.0, "/live/live.m3u8");
    assert_eq!(before.as_deref(), Some("live105.m4s"));
    for (at_ms, path) in
        [(9000.0, "/live/v1.m3u8"), (13_000.0, "/live/v1.m3u8"), (13_000.0, "/live/live.m3u8")]
    {
        assert_eq!(last(at_ms, path), before, "{path} at {at_ms}");
    }
}

#[test]
fn an_audio_rendition_is_a_playlist_beside_the_stream_s_own() {
    let mut origin = with_audio("");
    let reply = origin.handle(0.0, "/live/main.m3u8");
    insta::assert_snapshot!(String::from_utf8_lossy(&reply.body), @r#"
    #EXTM3U
    #EXT-X-VERSION:7
    #EXT-X-INDEPENDENT-SEGMENTS
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="sound",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"
    #EXT-X-STREAM-INF:BANDWIDTH=600000,CODECS="avc1.4d400d,mp4a.40.2",AUDIO="sound"
    live.m3u8
    "#);
    let reply = origin.handle(0.0, "/live/audio.m3u8");
    assert_eq!(reply.resource, Resource::Playlist { variant: AUDIO });
    let names: Vec<&str> = text(&reply).lines().filter(|line| line.contains("live")).collect();
    assert_eq!(names[0], "#EXT-X-MAP:URI=\"audio-live.mp4\"");
    assert_eq!(names[1..], [100, 101, 102, 103, 104].map(|msn| format!("audio-live{msn}.m4s")));
    let reply = origin.handle(0.0, "/live/audio-live102.m4s");
    assert_eq!((reply.status, reply.resource), (200, Resource::Segment { variant: AUDIO, run: 1, msn: 102 }));
    let reply = origin.handle(0.0, "/live/audio-live.mp4");
    assert_eq!((reply.status, reply.resource), (200, Resource::Init { variant: AUDIO, run: 1 }));
    assert_eq!(reply.resource.to_string(), "init of the audio");
    assert_eq!(origin.audio_path().as_deref(), Some("/live/audio.m3u8"));
}

#[test]
fn a_fault_may_be_about_the_sound_alone_or_about_the_picture() {
    for (audio, statuses) in
        [("", [404, 404]), ("audio = true\n", [200, 404]), ("audio = false\n", [404, 200])]
    {
        let mut origin = with_audio(&format!("[[fault]]\non = \"segment 102\"\n{audio}status = 404\n"));
        let status = |path| origin.handle(0.0, path).status;
        assert_eq!(["/live/live102.m4s", "/live/audio-live102.m4s"].map(status), statuses, "{audio}");
    }
}

#[test]
fn a_gap_may_be_one_of_the_sound_alone_or_of_the_picture() {
    for (audio, gaps) in
        [("", [true, true]), ("audio = true\n", [false, true]), ("audio = false\n", [true, false])]
    {
        let mut origin = with_audio(&format!("[[fault]]\non = \"segment 102\"\n{audio}gap = true\n"));
        let mut is_gap = |playlist, segment| {
            let is_marked = text(&origin.handle(0.0, playlist)).contains("#EXT-X-GAP");
            assert_eq!(
                origin.handle(0.0, segment).status,
                if is_marked { 404 } else { 200 },
                "{audio}{segment}"
            );
            is_marked
        };
        let of_picture = is_gap("/live/live.m3u8", "/live/live102.m4s");
        assert_eq!([of_picture, is_gap("/live/audio.m3u8", "/live/audio-live102.m4s")], gaps, "{audio}");
    }
}

#[test]
fn an_audio_rendition_that_does_not_go_beside_the_picture_is_named() {
    let text = "summary = \"x\"\nuntil = \"segment 108\"\n[audio]\nfixture = \"bars-sound\"\n";
    let scenario = Scenario::parse(text).expect("it is a scenario");
    let mut sound = fixture();
    sound.segments.iter_mut().for_each(|part| part.facts.frames = 0);
    sound.segments[1].duration_s += 0.02;
    let (mut shorter, mut longer) = (sound.clone(), sound.clone());
    shorter.segments.pop();
    longer.segments[1].duration_s += 0.1;
    for (audio, unfit) in [
        (sound, None),
        (shorter, Some("bars-sound")),
        (longer, Some("bars-sound")),
        (fixture(), Some("bars-sound")),
    ] {
        let media = [Arc::new(fixture()), Arc::new(audio)];
        let presentation = Presentation::new(&scenario, &media);
        assert_eq!(presentation.unfit_audio(), unfit);
        assert_eq!((presentation.variants(), presentation.uneven_variant()), (1, None));
    }
}

#[test]
fn undisturbed_everything_is_answered_whole() {
    let mut origin = origin("");
    for (path, content_type) in [
        (PLAYLIST_PATH, "application/vnd.apple.mpegurl"),
        (INIT_PATH, "video/mp4"),
        (&segment(102), "video/iso.segment"),
    ] {
        let reply = origin.handle(0.0, path);
        assert_eq!((reply.status, reply.header("content-type").unwrap()), (200, content_type));
        assert_eq!(reply.steps, whole(&reply));
        assert_eq!(reply.content_length().unwrap(), reply.body.len());
        assert!(reply.fired.is_empty());
    }
}

#[test]
fn what_is_served_is_what_was_packaged() {
    let (mut origin, fixture) = (origin(""), fixture());
    assert_eq!(origin.handle(0.0, INIT_PATH).body, fixture.init);
    let reply = origin.handle(0.0, &segment(102));
    assert_eq!(reply.body, fixture.segments[2].bytes);
    assert_eq!(reply.content, Content::Segment(fixture.segments[2].facts.clone()));
}

#[test]
fn a_segment_answers_from_its_publication_to_the_end_of_its_retention() {
    let mut origin = origin("");
    let mut status = |at_ms, msn| origin.handle(at_ms, &segment(msn)).status;
    assert_eq!((status(1999.0, 105), status(2000.0, 105)), (404, 200));
    // Delisted at 2 s; then its own duration and that of the playlist, five segments.
    assert_eq!((status(13_999.0, 100), status(14_000.0, 100)), (200, 404));
    assert_eq!(status(0.0, 99), 404, "before the stream");
    let reply = origin.handle(0.0, &segment(150));
    assert_eq!((reply.status, reply.content), (404, Content::Nothing));
}

#[test]
fn a_segment_that_a_reload_was_told_of_early_is_there() {
    let mut origin = origin("[stream]\nclock = \"reload\"\n");
    assert_eq!(origin.handle(1300.0, &segment(105)).status, 404);
    assert_eq!(listed(&origin.handle(1100.0, PLAYLIST_PATH)).last(), Some(&104));
    assert_eq!(listed(&origin.handle(1300.0, PLAYLIST_PATH)).last(), Some(&105));
    assert_eq!(origin.handle(1300.0, &segment(105)).status, 200);
}

#[test]
fn attempts_are_counted_per_resource_whatever_the_query() {
    let mut origin = origin("");
    let mut attempt = |path: &str| origin.handle(0.0, path).attempt;
    assert_eq!([attempt(PLAYLIST_PATH), attempt(INIT_PATH), attempt(&segment(102))], [1, 1, 1]);
    assert_eq!([attempt(PLAYLIST_PATH), attempt("/live/live102.m4s?_=7"), attempt(&segment(103))], [2, 2, 1]);
    assert_eq!(attempt("/live/live.m3u8?session=1"), 3);
}

#[test]
fn the_same_requests_at_the_same_times_get_the_same_replies() {
    let faults = "[[fault]]\non = \"segment 102\"\nnth = \"1\"\nstatus = 503\n";
    let run = || {
        let mut origin = origin(faults);
        let paths = [PLAYLIST_PATH, INIT_PATH, &segment(102), &segment(102), PLAYLIST_PATH];
        let replies = paths.iter().zip(0..).map(|(path, n)| origin.handle(f64::from(n) * 900.0, *path));
        replies.map(|r| (r.status, r.steps, r.body, r.content)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn only_the_listed_names_are_resources() {
    for path in [
        "/live/live0105.m4s",
        "/live/live+105.m4s",
        "/live/live-105.m4s",
        "/live/live 105.m4s",
        "/live/live105.m4s/",
        "/live/live105.M4S",
        "/live/live.m4s",
        "/live/live18446744073709551616.m4s",
        "/live/../live105.m4s",
        "/live/../x",
        "../x",
        "/live//live.mp4",
        "/live/",
        "/live.m3u8",
        "live/live.m3u8",
        "",
        "/",
        "?",
        "/live/live\u{661}05.m4s",
    ] {
        let reply = origin("[[fault]]\non = \"*\"\nstatus = 500\n").handle(0.0, path);
        assert_eq!((reply.resource, reply.status), (Resource::Unknown, 404), "{path}");
    }
}

#[test]
fn the_second_laps_time_goes_on() {
    let mut origin = origin("");
    let fixture = fixture();
    let at = |msn: u64| (msn - 104) as f64 * SEGMENT_S * 1000.0;
    for (msn, lap) in [(100 + LAP_SEGMENTS + 3, 1.0), (100 + 2 * LAP_SEGMENTS, 2.0)] {
        let reply = origin.handle(at(msn), &segment(msn));
        let first = &fixture.segments[((msn - 100) % LAP_SEGMENTS) as usize];
        let facts = media::segment_facts(&reply.body, &fixture.tracks).unwrap();
        let start_s = first.facts.start_s + lap * fixture.lap_s();
        assert!((facts.start_s - start_s).abs() < 1e-9, "{} is not {start_s}", facts.start_s);
        let Content::Segment(told) = &reply.content else { panic!("{:?} is no segment", reply.content) };
        assert!((told.start_s - start_s).abs() < 1e-9, "{} is not {start_s}", told.start_s);
        assert_eq!(told.first_frame(), (msn - 100) * u64::from(first.facts.frames));
        assert_eq!((&facts.mdat, facts.frames), (&first.facts.mdat, first.facts.frames));
        // Both tracks go on, and no other byte has changed.
        let audio = &fixture.tracks[1];
        let audio_only = [segproof_core::media::Track { is_video: true, ..audio.clone() }];
        let sound = media::segment_facts(&reply.body, &audio_only).unwrap();
        assert!((sound.start_s - start_s).abs() < 1e-9, "sound is at {} s", sound.start_s);
        let changed = reply.body.iter().zip(first.bytes.iter()).filter(|(a, b)| a != b).count();
        assert_eq!(reply.body.len(), first.bytes.len());
        assert!((1..=16).contains(&changed), "{changed} bytes have changed");
    }
}

#[test]
fn the_last_segments_stay_when_the_stream_has_ended() {
    let mut origin = origin(
        "[[fault]]\non = \"playlist\"\nfrom = \"segment 108\"\nendlist = true\n[expect]\noutcome = \"ended\"\n",
    );
    assert_eq!(listed(&origin.handle(1e6, PLAYLIST_PATH)), [104, 105, 106, 107, 108]);
    assert_eq!(origin.handle(1e6, &segment(108)).status, 200);
    assert_eq!(origin.handle(1e6, &segment(104)).status, 200);
    assert_eq!(origin.handle(1e6, &segment(103)).status, 404);
    assert_eq!(origin.handle(1e6, &segment(109)).status, 404);
}
