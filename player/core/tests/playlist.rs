//! The playlist reader: every tag it knows, the texts that servers really send, and an independent reader.

use segproof_player_core::ByteRange;
use segproof_player_core::playlist::{Playlist, Segment, Summary, pick, segment_before};

fn segments(text: &[u8]) -> Vec<Segment<'_>> {
    let mut playlist = Playlist::read(text);
    let mut segments = Vec::new();
    while playlist.advance() {
        segments.push(playlist.segment);
    }
    segments
}

fn uris(text: &str) -> Vec<&str> {
    segments(text.as_bytes()).iter().map(|segment| std::str::from_utf8(segment.uri).unwrap()).collect()
}

const FULL: &str = "#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MAP:BYTERANGE=\"600@0\",X-NOTE=\"a,URI=b\",URI=\"all.mp4\"
#EXT-X-MEDIA-SEQUENCE:18446744073709551000
#EXT-X-TARGETDURATION:4
#EXT-X-DISCONTINUITY-SEQUENCE:9
# a comment
#EXTINF:3.984,a title, with a comma
#EXT-X-BYTERANGE:1000@600
all.mp4
#EXT-X-BYTERANGE:500
#EXTINF:4,
all.mp4
#EXT-X-GAP
#EXTINF:1.5
gone.m4s?x=1
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2020-01-01T00:00:00Z
#EXT-X-MAP:URI=\"two.mp4\"
#EXTINF:4.0,
/root/b.m4s
#EXT-X-ENDLIST
";

#[test]
fn reads_every_tag_in_any_order() {
    let segments = segments(FULL.as_bytes());
    assert_eq!(segments.len(), 4);
    assert_eq!(segments[0].msn, 18_446_744_073_709_551_000);
    assert_eq!(segments[0].range, ByteRange { offset: 600, length: 1000 });
    assert_eq!(segments[1].range, ByteRange { offset: 1600, length: 500 });
    assert_eq!(segments[2].range, ByteRange::WHOLE);
    assert_eq!(segments[0].map.uri, b"all.mp4");
    assert_eq!(segments[0].map.range, ByteRange { offset: 0, length: 600 });
    assert_eq!(segments[3].map.uri, b"two.mp4");
    let marks: Vec<_> =
        segments.iter().map(|segment| (segment.gap, segment.discontinuity, segment.map_stated)).collect();
    assert_eq!(
        marks,
        [(false, false, true), (false, false, false), (true, false, false), (false, true, true)]
    );
    assert!((segments[0].duration_s - 3.984).abs() < 1e-9);
    assert_eq!((segments[1].duration_s, segments[2].duration_s), (4.0, 1.5));
    let summary = Summary::read(FULL.as_bytes()).unwrap();
    assert_eq!((summary.target_duration_s, summary.end_list), (4, true));
    assert_eq!(summary.end_msn - summary.first_msn, 4);
    assert_eq!(summary.map_key, segments[3].map.key());
}

#[test]
fn line_ends_and_marks_do_not_matter() {
    let crlf = FULL.replace('\n', "\r\n");
    let bom = format!("\u{feff}{FULL}");
    assert_eq!(uris(&crlf), uris(FULL));
    assert_eq!(uris(&bom), uris(FULL));
    assert_eq!(uris(FULL.trim_end()), uris(FULL));
    assert_eq!(uris("#EXTM3U\n#EXTINF:2,\nlast"), ["last"], "no final line end");
}

#[test]
fn what_is_no_media_playlist_is_refused() {
    for text in ["", "\n", "<!doctype html>\n<p>gone", "#EXTM3U\n#EXTINF:2,\na.m4s\n", "#EXTM3"] {
        assert_eq!(Summary::read(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn maps_differ_by_uri_and_range() {
    let key = |line: &str| {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:{line}\na\n");
        Summary::read(text.as_bytes()).unwrap().map_key
    };
    let keys =
        ["URI=\"a\"", "URI=\"b\"", "URI=\"a\",BYTERANGE=\"9@0\"", "URI=\"a\",BYTERANGE=\"9@9\""].map(key);
    for (index, one) in keys.iter().enumerate() {
        assert!(keys[..index].iter().all(|other| other != one));
    }
    assert_eq!(key("BYTERANGE=\"9@0\",URI=\"a\""), keys[2]);
}

#[test]
fn picks_behind_gaps_and_keeps_their_marks() {
    let text = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:5\na\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\nb\nc\n";
    assert_eq!(pick(text, 0).map(|segment| (segment.msn, segment.discontinuity)), Some((5, false)));
    assert_eq!(pick(text, 6).map(|segment| (segment.msn, segment.discontinuity)), Some((7, true)));
    assert_eq!(pick(text, 8), None);
}

#[test]
fn holds_back_by_whole_segments() {
    let text =
        b"#EXTM3U\n#EXTINF:1.9,\na\n#EXTINF:1.9,\nb\n#EXTINF:2.1,\nc\n#EXTINF:2,\nd\n#EXTINF:0.1,\ne\n";
    assert_eq!(segment_before(text, 5, 6.0), Some(1));
    assert_eq!(segment_before(text, 5, 6.2), Some(0));
    assert_eq!(segment_before(text, 5, 9.0), None);
    assert_eq!(segment_before(text, 4, 2.0), Some(3));
}

/// Goal: the reader agrees with an independent one. Method: texts put together from tags by a fixed
/// pseudo-random sequence, in every order that the RFC allows.
#[test]
fn agrees_with_m3u8_rs() {
    let mut state = 1u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for _ in 0..500 {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{}\n", 1 + below(9));
        text += &format!("#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-MAP:URI=\"i.mp4\"\n", below(1 << 40));
        for index in 0..1 + below(8) {
            let mut tags = vec![format!("#EXTINF:{}.{:03},\n", below(9), below(1000))];
            for (tag, chance) in [
                ("#EXT-X-DISCONTINUITY\n".to_string(), 4),
                (format!("#EXT-X-BYTERANGE:{}@{}\n", 1 + below(999), below(999)), 3),
                (format!("#EXT-X-MAP:URI=\"{}.mp4\",BYTERANGE=\"{}@7\"\n", below(3), 1 + below(99)), 4),
                ("#EXT-X-UNKNOWN:A=\"b,c\"\n".to_string(), 3),
                ("#EXT-X-PROGRAM-DATE-TIME:2020-01-01T00:00:00.000Z\n".to_string(), 5),
            ] {
                if below(chance) == 0 {
                    tags.insert(below(tags.len() as u64 + 1) as usize, tag);
                }
            }
            text += &(tags.concat() + &format!("s{index}.m4s\n"));
        }
        if below(2) == 0 {
            text += "#EXT-X-ENDLIST\n";
        }
        compare_with_m3u8_rs(&text);
    }
}

fn compare_with_m3u8_rs(text: &str) {
    let (_, other) = m3u8_rs::parse_media_playlist(text.as_bytes()).expect("a valid text");
    let summary = Summary::read(text.as_bytes()).expect("a valid text");
    let ours = segments(text.as_bytes());
    assert_eq!(summary.target_duration_s, other.target_duration, "{text}");
    assert_eq!((summary.first_msn, summary.end_list), (other.media_sequence, other.end_list), "{text}");
    assert_eq!(ours.len(), other.segments.len(), "{text}");
    let mut map_uri = String::new();
    for (ours, theirs) in ours.iter().zip(&other.segments) {
        assert_eq!(ours.uri, theirs.uri.as_bytes(), "{text}");
        assert!((ours.duration_s - f64::from(theirs.duration)).abs() < 1e-3, "{text}");
        assert_eq!(ours.discontinuity, theirs.discontinuity, "{text}");
        let range = theirs.byte_range.as_ref();
        assert_eq!(ours.range.length, range.map_or(0, |range| range.length), "{text}");
        assert_eq!(ours.range.offset, range.and_then(|range| range.offset).unwrap_or(0), "{text}");
        if let Some(map) = &theirs.map {
            map_uri.clone_from(&map.uri);
        }
        assert_eq!(ours.map.uri, map_uri.as_bytes(), "{text}");
    }
}
