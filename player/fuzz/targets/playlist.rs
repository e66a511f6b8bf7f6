//! Any text is read to its end, and what is found in it lies in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use segproof_player_core::Text;
use segproof_player_core::playlist::{Reader, text_hash};

struct Chars(Vec<u32>);

impl Text for Chars {
    fn char_at(&self, index: u32) -> u32 {
        self.0.get(index as usize).copied().unwrap_or(0)
    }
}

fuzz_target!(|input: (String, u64, f64)| {
    let (text, msn, distance_s) = input;
    // As JavaScript counts.
    let text = Chars(text.encode_utf16().map(u32::from).collect());
    let length = text.0.len() as u32;
    let mut reader = Reader::NEW;
    let mut segments = 0;
    while reader.advance(&text) {
        segments += 1;
        let segment = reader.segment;
        assert!(segments <= length, "more segments than characters");
        // A segment begins in the text, and the tags that it has before it.
        assert!(segment.uri < length && segment.map <= segment.uri && segment.range <= segment.uri);
        let _keys = (reader.map_key(&text), reader.exact_map_key(&text), reader.segment_key(&text));
    }
    let end_msn = reader.segment.msn;
    assert!(!(reader.target_duration_s < 0.0));
    if reader.pick(&text, msn) {
        assert!(reader.segment.uri < length && !reader.segment.gap);
    }
    reader.place_before(&text, end_msn, distance_s);
    let key = reader.segment_key(&text);
    let _found = reader.find(&text, msn, key);
    let _hash = text_hash(&text);
});
