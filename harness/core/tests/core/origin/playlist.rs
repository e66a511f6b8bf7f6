//! Faults that touch what the playlist says.

use segproof_core::origin::{Origin, PLAYLIST_PATH};

use super::{listed, listings, origin, segment, text};

/// The newest segment listed by a reload at each of these times.
fn newest(origin: &mut Origin, times: &[f64]) -> Vec<u64> {
    times.iter().map(|at| *listed(&origin.handle(*at, PLAYLIST_PATH)).last().unwrap()).collect()
}

#[test]
fn the_first_playlist_is_as_ffmpeg_writes_it() {
    let reply = origin("").handle(0.0, PLAYLIST_PATH);
    insta::assert_snapshot!(text(&reply), @r##"
    #EXTM3U
    #EXT-X-VERSION:7
    #EXT-X-TARGETDURATION:2
    #EXT-X-MEDIA-SEQUENCE:100
    #EXT-X-MAP:URI="live.mp4"
    #EXTINF:2.000000,
    live100.m4s
    #EXTINF:2.000000,
    live101.m4s
    #EXTINF:2.000000,
    live102.m4s
    #EXTINF:2.000000,
    live103.m4s
    #EXTINF:2.000000,
    live104.m4s
    "##);
    assert_eq!(&reply.body[..], text(&reply).as_bytes());
}

#[test]
fn the_window_moves_with_the_stream() {
    let mut origin = origin("");
    assert_eq!(newest(&mut origin, &[0.0, 1999.0, 2000.0, 4100.0, 20_000.0]), [104, 104, 105, 106, 114]);
    assert_eq!(listed(&origin.handle(20_000.0, PLAYLIST_PATH)), [110, 111, 112, 113, 114]);
}

#[test]
fn stale_repeats_what_was_delivered_before() {
    let stale = "[[fault]]\non = \"playlist\"\nnth = \"3..5\"\nstale = true\n";
    let mut faulty = origin(stale);
    assert_eq!(
        newest(&mut faulty, &[0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10_000.0]),
        [104, 105, 105, 105, 105, 109]
    );
    // Word by word.
    let mut faulty = origin(stale);
    let texts = [0.0, 2000.0, 9000.0].map(|at| text(&faulty.handle(at, PLAYLIST_PATH)).to_string());
    assert_eq!(texts[1], texts[2]);
    // The stream itself goes on.
    assert_eq!(faulty.handle(9000.0, &segment(108)).status, 200);
}

#[test]
fn stale_does_not_repeat_what_was_refused() {
    let mut faulty = origin(
        "[[fault]]\non = \"playlist\"\nnth = \"2\"\nstatus = 503\n[[fault]]\non = \"playlist\"\nnth = \"3\"\nstale = true\n",
    );
    assert_eq!(newest(&mut faulty, &[0.0]), [104]);
    assert_eq!(faulty.handle(4000.0, PLAYLIST_PATH).status, 503);
    assert_eq!(newest(&mut faulty, &[6000.0, 8000.0]), [104, 108]);
}

#[test]
fn a_gap_is_listed_and_absent() {
    let mut faulty = origin("[[fault]]\non = \"segment 103..104\"\ngap = true\n");
    insta::assert_snapshot!(text(&faulty.handle(0.0, PLAYLIST_PATH)), @r##"
    #EXTM3U
    #EXT-X-VERSION:8
    #EXT-X-TARGETDURATION:2
    #EXT-X-MEDIA-SEQUENCE:100
    #EXT-X-MAP:URI="live.mp4"
    #EXTINF:2.000000,
    live100.m4s
    #EXTINF:2.000000,
    live101.m4s
    #EXTINF:2.000000,
    live102.m4s
    #EXT-X-GAP
    #EXTINF:2.000000,
    live103.m4s
    #EXT-X-GAP
    #EXTINF:2.000000,
    live104.m4s
    "##);
    assert_eq!(
        [102, 103, 104, 105].map(|msn| faulty.handle(2000.0, &segment(msn)).status),
        [200, 404, 404, 200]
    );
}

#[test]
fn endlist_is_in_the_last_playlist_and_nothing_follows() {
    let mut faulty = origin(
        "[[fault]]\non = \"playlist\"\nfrom = \"segment 108\"\nendlist = true\n[expect]\noutcome = \"ended\"\n",
    );
    let mut ends = |at_ms| {
        let reply = faulty.handle(at_ms, PLAYLIST_PATH);
        (*listed(&reply).last().unwrap(), text(&reply).ends_with("#EXT-X-ENDLIST\n"))
    };
    assert_eq!(ends(6000.0), (107, false));
    assert_eq!([ends(8000.0), ends(10_000.0), ends(1e6)], [(108, true); 3]);
}

#[test]
fn a_jump_publishes_many_at_once() {
    let mut faulty = origin("[[fault]]\non = \"playlist\"\nfrom = \"segment 106\"\njump = 10\n");
    assert_eq!(
        newest(&mut faulty, &[0.0, 2000.0, 3999.0, 4000.0, 5999.0, 6000.0]),
        [104, 105, 105, 116, 116, 117]
    );
    assert_eq!(listed(&faulty.handle(6000.0, PLAYLIST_PATH)), [113, 114, 115, 116, 117]);
    // What was never listed was published all the same.
    assert_eq!(faulty.handle(6000.0, &segment(108)).status, 200);
}

#[test]
fn a_refused_playlist_tells_nothing() {
    let mut faulty = origin("[[fault]]\non = \"playlist\"\nfrom = \"4s\"\nuntil = \"8s\"\nstatus = 404\n");
    let statuses = [0.0, 4000.0, 7999.0, 8000.0].map(|at| faulty.handle(at, PLAYLIST_PATH).status);
    assert_eq!(statuses, [200, 404, 404, 200]);
}

#[test]
fn a_map_is_said_again_where_a_restart_says_so() {
    let restart = |more: &str| {
        let same = "encoder = \"same\"\nnames = \"keep\"\nsequence = \"keep\"\ninit = \"keep\"\ntimestamps = \"keep\"\nlist = \"keep\"\n";
        let mut origin = origin(&format!("[[restart]]\nat = \"segment 106\"\n{same}{more}"));
        let reply = origin.handle(8000.0, PLAYLIST_PATH);
        let lines: Vec<_> =
            text(&reply).lines().skip(4).filter(|line| !line.starts_with("#EXTINF")).collect();
        lines.join(" ").replace("#EXT-X-", "").replace("MAP:URI=\"live.mp4\"", "MAP")
    };
    let plain = "MAP live104.m4s live105.m4s live106.m4s live107.m4s live108.m4s";
    assert_eq!(restart(""), plain);
    assert_eq!(restart("map_again = true\n"), plain.replace("live106", "MAP live106"));
    assert_eq!(restart("discontinuity = true\n"), plain.replace("live106", "DISCONTINUITY MAP live106"));
    assert_eq!(
        restart("discontinuity = true\nmap_again = false\n"),
        plain.replace("live106", "DISCONTINUITY live106")
    );
}

#[test]
fn stale_does_not_repeat_what_had_another_answer_in_its_place() {
    for what in ["status = 404", "body = \"not here\"", "redirect = \"same\""] {
        let mut faulty = origin(&format!(
            "[[fault]]\non = \"playlist\"\nnth = \"2\"\n{what}\n[[fault]]\non = \"playlist\"\nnth = \"3\"\nstale = true\n"
        ));
        assert_eq!(newest(&mut faulty, &[0.0]), [104]);
        faulty.handle(4000.0, PLAYLIST_PATH);
        assert_eq!(newest(&mut faulty, &[6000.0, 8000.0]), [104, 108], "{what}");
    }
    // One with the right body has told of what it lists.
    let mut odd = origin(
        "[[fault]]\non = \"playlist\"\nnth = \"2\"\nstatus = 201\n[[fault]]\non = \"playlist\"\nnth = \"3\"\nstale = true\n",
    );
    assert_eq!(newest(&mut odd, &[0.0, 4000.0, 6000.0]), [104, 106, 106]);
}

#[test]
fn a_playlist_that_is_behind_goes_no_further_back_than_the_stream() {
    let behind = |n: u64| {
        let mut faulty = origin(&format!("[[fault]]\non = \"playlist\"\nbehind = {n}\n"));
        listed(&faulty.handle(2000.0, PLAYLIST_PATH))
    };
    assert_eq!(behind(1), [100, 101, 102, 103, 104]);
    assert_eq!(behind(4), [100, 101]);
    assert_eq!(behind(5), [100]);
    assert_eq!(behind(9), [100]);
}

#[test]
fn what_a_text_of_the_authors_own_lists_is_known() {
    let written = "#EXTM3U\\n#EXT-X-TARGETDURATION:2\\n#EXT-X-MAP:URI=\\\"live.mp4\\\"\\n#EXT-X-OF-TOMORROW\\n#EXTINF:2,\\nlive102.m4s\\n#EXT-X-GAP\\n#EXTINF:2,\\nlive103.m4s\\n#EXTINF:2,\\nelsewhere.m4s\\n";
    let reply =
        origin(&format!("[[fault]]\non = \"playlist\"\ntext = \"{written}\"\n")).handle(0.0, PLAYLIST_PATH);
    let known: Vec<_> =
        listings(&reply).iter().map(|l| (l.msn, l.uri.as_str(), l.gap, l.init.as_str())).collect();
    assert_eq!(known, [(102, "live102.m4s", false, "live.mp4"), (103, "live103.m4s", true, "live.mp4")]);
}
