//! Where the requests go that the core finds places for.

mod js;

use rquickjs::Array;

/// What is found at the first place that begins so: the URI, and a byte range as `offset+length`.
fn found(text: &str, at: &str, is_init: bool) -> (String, String) {
    let place = text.find(at).expect("it is there");
    js::with(include_str!("../glue/places.js"), "found", |function| {
        let found: Array = function.call((text, place, is_init)).expect("it throws nothing");
        let number = |index| found.get::<f64>(index).expect("a number");
        (found.get(0).expect("a URI"), format!("{}+{}", number(1), number(2)))
    })
}

const TEXT: &str = "#EXTM3U
#EXT-X-MAP:BYTERANGE=\"600@0\",X-NOTE=\"a,URI=b\",X-URI=\"c\", URI=\"all.mp4\"
#EXTINF:4,
#EXT-X-BYTERANGE:1000@600
one.mp4
#EXT-X-BYTERANGE:500
#EXTINF:4,
two.mp4
#EXTINF:4,
three.mp4?a=1
#EXT-X-MAP:URI=\"x.mp4?b,c\",BYTERANGE=\"77\"
#EXT-X-BYTERANGE:9
four.mp4
#EXT-X-BYTERANGE:1@2
five.mp4
";

#[test]
fn an_init_is_what_its_attributes_say() {
    for text in [TEXT, &TEXT.replace('\n', "\r\n")] {
        assert_eq!(found(text, "BYTERANGE=\"600", true), ("all.mp4".into(), "0+600".into()));
        assert_eq!(found(text, "URI=\"x", true), ("x.mp4?b,c".into(), "0+77".into()));
    }
}

#[test]
fn a_segment_is_its_line_and_the_range_in_front_of_it() {
    for text in [TEXT, &TEXT.replace('\n', "\r\n")] {
        let segment = |uri: &str| found(text, &format!("\n{uri}")[1..], false);
        assert_eq!(segment("one.mp4"), ("one.mp4".into(), "600+1000".into()));
        assert_eq!(segment("two.mp4").1, "1600+500", "it begins where the one before ended");
        let (uri, range) = segment("three.mp4");
        assert!(uri == "three.mp4?a=1" && range.ends_with("+0"), "the whole resource: {uri} {range}");
        assert_eq!(segment("four.mp4").1, "2100+9");
        assert_eq!(segment("five.mp4").1, "2+1");
    }
}
