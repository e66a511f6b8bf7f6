//! The playlist reader: every tag it knows, the texts that servers really send, and an independent reader.

use std::fmt::Write;

use proptest::prelude::*;
use segproof_player_core::playlist::{Reader, Segment};
use segproof_player_core::{Place, Text};

/// A text as a page holds it.
struct Page<'a>(&'a str);

impl Text for Page<'_> {
    fn char_at(&self, index: u32) -> u32 {
        self.0.as_bytes().get(index as usize).map_or(0, |&byte| byte.into())
    }
}

impl<'a> Page<'a> {
    /// What stands at a place, up to the end of its line; nothing at none.
    fn at(&self, place: Place) -> &'a str {
        let line = self.0[place as usize..].split(['\r', '\n']).next().unwrap_or("");
        if place == 0 { "" } else { line }
    }
}

fn segments(text: &str) -> Vec<Segment> {
    read(text).0
}

/// The segments, and the reader at the end.
fn read(text: &str) -> (Vec<Segment>, Reader) {
    let mut reader = Reader::NEW;
    let mut segments = Vec::new();
    while reader.advance(&Page(text)) {
        segments.push(reader.segment);
    }
    (segments, reader)
}

fn uris(text: &str) -> Vec<&str> {
    segments(text).iter().map(|segment| Page(text).at(segment.uri)).collect()
}

fn picked(text: &str, msn: u64) -> Option<Segment> {
    let mut reader = Reader::NEW;
    reader.pick(&Page(text), msn).then_some(reader.segment)
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
    let segments = segments(FULL);
    assert_eq!(segments.len(), 4);
    assert_eq!(segments[0].msn, 18_446_744_073_709_551_000);
    let ranges = segments.iter().map(|segment| Page(FULL).at(segment.range));
    assert_eq!(ranges.collect::<Vec<_>>(), ["1000@600", "500", "", ""]);
    let maps = segments.iter().map(|segment| Page(FULL).at(segment.map));
    let first = "BYTERANGE=\"600@0\",X-NOTE=\"a,URI=b\",URI=\"all.mp4\"";
    assert_eq!(maps.collect::<Vec<_>>(), [first, first, first, "URI=\"two.mp4\""]);
    let marks: Vec<_> =
        segments.iter().map(|segment| (segment.gap, segment.discontinuity, segment.map_stated)).collect();
    assert_eq!(
        marks,
        [(false, false, true), (false, false, false), (true, false, false), (false, true, true)]
    );
    assert!((segments[0].duration_s - 3.984).abs() < 1e-9);
    assert_eq!((segments[1].duration_s, segments[2].duration_s), (4.0, 1.5));
    let (_, end) = read(FULL);
    assert_eq!((end.target_duration_s, end.end_list), (4.0, true));
    assert_eq!(end.segment.msn - segments[0].msn, 4);
}

#[test]
fn line_ends_and_marks_do_not_matter() {
    let crlf = FULL.replace('\n', "\r\n");
    assert_eq!(uris(&crlf), uris(FULL));
    assert_eq!(uris(FULL.trim_end()), uris(FULL));
    assert_eq!(uris("#EXTM3U\n#EXTINF:2,\nlast"), ["last"], "no final line end");
}

#[test]
fn what_is_no_media_playlist_has_no_target_duration() {
    for text in ["", "\n", "<!doctype html>\n<p>gone", "#EXTM3U\n#EXTINF:2,\na.m4s\n", "#EXTM3"] {
        assert_eq!(read(text).1.target_duration_s, 0.0, "{text:?}");
    }
}

#[test]
fn maps_differ_by_uri_and_range() {
    let key = |line: &str| {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:{line}\na\n");
        read(&text).1.map_key(&Page(&text))
    };
    let keys =
        ["URI=\"a\"", "URI=\"b\"", "URI=\"a\",BYTERANGE=\"9@0\"", "URI=\"a\",BYTERANGE=\"9@9\""].map(key);
    for (index, one) in keys.iter().enumerate() {
        assert!(keys[..index].iter().all(|other| other != one));
    }
}

#[test]
fn picks_behind_gaps_and_keeps_their_marks() {
    let text = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:5\na\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\nb\nc\n";
    let marks = |msn| picked(text, msn).map(|segment| (segment.msn, segment.discontinuity));
    assert_eq!([marks(0), marks(6), marks(8)], [Some((5, false)), Some((7, true)), None]);
}

#[test]
fn finds_a_place_by_its_distance_from_an_end() {
    let text = "#EXTINF:1.9,\na\n#EXTINF:1.9,\nb\n#EXTINF:2.1,\nc\n#EXTINF:2,\nd\n#EXTINF:0.1,\ne\n";
    let place = |end, distance_s| {
        let mut reader = Reader::NEW;
        reader.place_before(&Page(text), end, distance_s);
        (reader.found_msn, (reader.found_s * 1000.0).round())
    };
    assert_eq!(place(5, 6.0), (1, 100.0));
    assert_eq!(place(5, 6.2), (0, 1800.0));
    assert_eq!(place(5, 9.0), (0, 0.0));
    assert_eq!(place(4, 2.0), (3, 0.0));
}

/// Every tag of RFC 8216 and of its second edition, and what else is met; those that this reader knows come first.
const TAGS: &str = "INF -X-TARGETDURATION -X-MEDIA-SEQUENCE -X-BYTERANGE -X-MAP -X-DISCONTINUITY -X-GAP -X-ENDLIST M3U -X-VERSION \
    -X-KEY -X-PROGRAM-DATE-TIME -X-DATERANGE -X-DISCONTINUITY-SEQUENCE -X-PLAYLIST-TYPE -X-I-FRAMES-ONLY -X-MEDIA -X-STREAM-INF \
    -X-I-FRAME-STREAM-INF -X-SESSION-DATA -X-SESSION-KEY -X-INDEPENDENT-SEGMENTS -X-START -X-DEFINE -X-BITRATE -X-PART-INF \
    -X-SERVER-CONTROL -X-PART -X-SKIP -X-PRELOAD-HINT -X-RENDITION-REPORT -X-CONTENT-STEERING -X-ALLOW-CACHE -X-CUE-OUT -X-CUE-IN \
    -X-CUE-OUT-CONT -X-ASSET -X-SCTE35 -X-TILES -X-IMAGES-ONLY -X-TWITCH-PREFETCH -X-TIMESTAMP-MAP -X-CUE -X-SPLICEPOINT-SCTE35";

/// Goal: no tag is taken for another, which hashes might do. Method: each is read alone, in front of a segment.
#[test]
fn tags_are_told_apart() {
    let alone = |tag: &str| segments(&format!("#EXT{tag}:7\ns"))[0];
    let nothing = alone("-X-NOTHING");
    for (index, tag) in TAGS.split_whitespace().enumerate() {
        let text = format!("#EXT{tag}:7\ns");
        let (_, end) = read(&text);
        let is_known = Segment { uri: nothing.uri, ..alone(tag) } != nothing
            || end.target_duration_s > 0.0
            || end.end_list;
        assert_eq!(is_known, index < 8, "{tag}");
    }
}

proptest! {
    /// Goal: the reader agrees with an independent one, in every order of tags that the RFC allows.
    #[test]
    fn agrees_with_m3u8_rs(
        target_duration in 1u64..10,
        msn in 0u64..1 << 62,
        entries in prop::collection::vec(entry(), 0..9),
        is_over: bool,
        is_crlf: bool,
    ) {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target_duration}\n#EXT-X-MEDIA-SEQUENCE:{msn}\n");
        text += "#EXT-X-MAP:URI=\"i.mp4\"\n";
        for (index, tags) in entries.iter().enumerate() {
            writeln!(text, "{tags}s{index}.m4s").expect("a string takes everything");
        }
        if is_over {
            text += "#EXT-X-ENDLIST\n";
        }
        if is_crlf {
            text = text.replace('\n', "\r\n");
        }
        compare_with_m3u8_rs(&text);
    }

    /// Goal: no text brings the reader to a stop, and what it finds lies in the text.
    #[test]
    fn reads_any_text(text in "(#EXT(INF|-X-(MAP|BYTERANGE|GAP|MEDIA-SEQUENCE))?[:=,@\"0-9.a-z\n ]{0,9}){0,40}") {
        for segment in segments(&text) {
            prop_assert!(!Page(&text).at(segment.uri).is_empty());
            Page(&text).at(segment.map);
            Page(&text).at(segment.range);
        }
    }
}

/// The tags in front of one entry.
fn entry() -> impl Strategy<Value = String> {
    let inf = (0u32..9, 0u32..1000).prop_map(|(s, ms)| format!("#EXTINF:{s}.{ms:03},\n"));
    let range = (1u32..999, 0u32..999).prop_map(|(length, at)| format!("#EXT-X-BYTERANGE:{length}@{at}\n"));
    let map = (0u8..3, 1u8..99)
        .prop_map(|(name, length)| format!("#EXT-X-MAP:URI=\"{name}.mp4\",BYTERANGE=\"{length}@7\"\n"));
    let other = prop::sample::select(vec![
        "#EXT-X-DISCONTINUITY\n",
        "#EXT-X-UNKNOWN:A=\"b,c\"\n",
        "#EXT-X-PROGRAM-DATE-TIME:2020-01-01T00:00:00.000Z\n",
        "# a comment\n",
        "\n",
    ]);
    let parts = (inf, prop::option::of(range), prop::option::of(map), prop::collection::vec(other, 0..3));
    let parts = parts.prop_map(|(inf, range, map, others)| {
        let others = others.into_iter().map(str::to_owned);
        [Some(inf), range, map].into_iter().flatten().chain(others).collect::<Vec<_>>()
    });
    parts.prop_shuffle().prop_map(|tags| tags.concat())
}

fn compare_with_m3u8_rs(text: &str) {
    let (_, other) = m3u8_rs::parse_media_playlist(text.as_bytes()).expect("a valid text");
    let (ours, end) = read(text);
    assert_eq!(end.target_duration_s, other.target_duration as f64, "{text}");
    assert_eq!(
        (end.segment.msn - ours.len() as u64, end.end_list),
        (other.media_sequence, other.end_list),
        "{text}"
    );
    assert_eq!(ours.len(), other.segments.len(), "{text}");
    let mut map_uri = "i.mp4".to_owned();
    for (ours, theirs) in ours.iter().zip(&other.segments) {
        assert_eq!(Page(text).at(ours.uri), theirs.uri, "{text}");
        assert!((ours.duration_s - f64::from(theirs.duration)).abs() < 1e-3, "{text}");
        assert_eq!(ours.discontinuity, theirs.discontinuity, "{text}");
        let range = theirs
            .byte_range
            .as_ref()
            .map_or(String::new(), |range| format!("{}@{}", range.length, range.offset.unwrap_or(0)));
        assert_eq!(Page(text).at(ours.range), range, "{text}");
        if let Some(map) = &theirs.map {
            map_uri.clone_from(&map.uri);
        }
        let map = Page(text).at(ours.map);
        assert!(map.starts_with(&format!("URI=\"{map_uri}\"")), "{text}");
    }
}
