//! What the glue reads of inits and segments, as encoders write them.

mod js;

use rquickjs::{Array, ArrayBuffer, Ctx, Value};

const BOXES: &str = include_str!("../glue/boxes.js");

fn body<'js>(js: &Ctx<'js>, bytes: &[u8]) -> ArrayBuffer<'js> {
    ArrayBuffer::new(js.clone(), bytes.to_vec()).expect("a body")
}

fn make_box(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &body].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A trak with the dates of version 0 or 1 and what follows them.
fn track(version: u8, id: u32, timescale: u32, entry: &[u8]) -> Vec<u8> {
    let dates = [&[version, 0, 0, 0], vec![0; if version == 1 { 16 } else { 8 }].as_slice()].concat();
    let tkhd = make_box(b"tkhd", &[&dates, &numbers(&[id]), &[0; 68]]);
    let mdhd = make_box(b"mdhd", &[&dates, &numbers(&[timescale, 0, 0])]);
    let stsd = make_box(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], entry]);
    let minf = make_box(b"minf", &[&make_box(b"vmhd", &[&[0; 12]]), &make_box(b"stbl", &[&stsd])]);
    make_box(b"trak", &[&tkhd, &make_box(b"mdia", &[&mdhd, &minf])])
}

fn init(tracks: &[Vec<u8>]) -> Vec<u8> {
    [make_box(b"ftyp", &[b"iso5\0\0\0\0"]), make_box(b"moov", &[&tracks.concat()])].concat()
}

mod codecs {
    use super::*;

    fn video(kind: &[u8; 4], config_kind: &[u8; 4], config: &[u8]) -> Vec<u8> {
        // A box before the configuration, as colour information often is.
        let colour = make_box(b"colr", &[b"nclx", &[0; 7]]);
        track(0, 1, 1000, &make_box(kind, &[&[0; 78], &colour, &make_box(config_kind, &[config])]))
    }

    fn audio(kind: &[u8; 4], config_kind: &[u8; 4], config: &[u8]) -> Vec<u8> {
        track(1, 2, 1000, &make_box(kind, &[&[0; 28], &make_box(config_kind, &[config])]))
    }

    fn codecs(tracks: &[Vec<u8>]) -> String {
        codecs_of(&init(tracks))
    }

    fn codecs_of(init: &[u8]) -> String {
        js::with(BOXES, "tracks", |function| {
            let tracks: Vec<Array> = function.call((body(function.ctx(), init),)).expect("it throws nothing");
            let codecs = tracks.iter().map(|track| track.get(2).expect("a codec"));
            codecs.collect::<Vec<String>>().join(",")
        })
    }

    /// ES_Descriptor with lengths of four bytes, as ffmpeg writes them, or of one.
    fn esds(object_type: u8, specific: &[u8], is_long: bool) -> Vec<u8> {
        let length = |n: usize| if is_long { vec![0x80, 0x80, 0x80, n as u8] } else { vec![n as u8] };
        let specific = [&[5], length(specific.len()).as_slice(), specific].concat();
        let config = [&[object_type], [0; 12].as_slice(), &specific].concat();
        let config = [&[4], length(config.len()).as_slice(), &config].concat();
        [&[0, 0, 0, 0, 3], length(config.len() + 3).as_slice(), &[0, 1, 0], &config].concat()
    }

    #[test]
    fn what_has_neither_picture_nor_sound_is_not_named() {
        let h264 = video(b"avc1", b"avcC", &[1, 0x42, 0xc0, 0x1e, 0xff, 0xe1]);
        let timecodes = track(0, 3, 30_000, &make_box(b"tmcd", &[&[0; 26]]));
        let at = timecodes.windows(4).position(|kind| kind == b"vmhd").expect("its header");
        let timecodes = [&timecodes[..at], b"nmhd", &timecodes[at + 4..]].concat();
        assert_eq!(codecs(&[h264, timecodes]), "avc1.42c01e");
    }

    #[test]
    fn h264_and_aac() {
        let h264 = video(b"avc1", b"avcC", &[1, 0x42, 0xc0, 0x1e, 0xff, 0xe1]);
        for is_long in [false, true] {
            let aac = audio(b"mp4a", b"esds", &esds(0x40, &[0x11, 0x90], is_long));
            assert_eq!(codecs(&[h264.clone(), aac.clone()]), "avc1.42c01e,mp4a.40.2");
            assert_eq!(codecs(&[aac, h264.clone()]), "mp4a.40.2,avc1.42c01e");
        }
        assert_eq!(codecs(&[h264]), "avc1.42c01e");
    }

    #[test]
    fn other_audio() {
        let mpeg = |object_type, specific: &[u8]| {
            codecs(&[audio(b"mp4a", b"esds", &esds(object_type, specific, true))])
        };
        assert_eq!(mpeg(0x40, &[0x2b, 0x92]), "mp4a.40.5");
        assert_eq!(mpeg(0x40, &[0xf9, 0x48]), "mp4a.40.42");
        assert_eq!(mpeg(0x6b, &[]), "mp4a.6b");
        assert_eq!(codecs(&[audio(b"Opus", b"dOps", &[0; 11])]), "opus");
        assert_eq!(codecs(&[audio(b"fLaC", b"dfLa", &[0; 42])]), "flac");
        assert_eq!(codecs(&[audio(b"ec-3", b"dec3", &[0; 5])]), "ec-3");
    }

    /// The strings are the examples that ISO/IEC 14496-15, the AV1 and the VP9 in ISOBMFF bindings give.
    #[test]
    fn other_video() {
        let hevc = [1, 0x01, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93, 0xf0];
        assert_eq!(codecs(&[video(b"hvc1", b"hvcC", &hevc)]), "hvc1.1.6.L93.b0");
        let high_tier = [1, 0x62, 0x20, 0, 0, 0, 0x90, 0x40, 0, 0, 0, 0, 153, 0xf0];
        assert_eq!(codecs(&[video(b"hev1", b"hvcC", &high_tier)]), "hev1.A2.4.H153.90.40");
        assert_eq!(codecs(&[video(b"av01", b"av1C", &[0x81, 0x04, 0x0c, 0])]), "av01.0.04M.08");
        assert_eq!(codecs(&[video(b"av01", b"av1C", &[0x81, 0x2d, 0xcc, 0])]), "av01.1.13H.10");
        assert_eq!(codecs(&[video(b"vp09", b"vpcC", &[1, 0, 0, 0, 2, 31, 0xa3, 1])]), "vp09.02.31.10");
    }

    #[test]
    fn of_what_is_cut_or_no_init() {
        let h264 = video(b"avc1", b"avcC", &[1, 0x42, 0xc0, 0x1e, 0xff, 0xe1]);
        let aac = audio(b"mp4a", b"esds", &esds(0x40, &[0x11, 0x90], true));
        let init = init(&[h264, aac]);
        for end in (0..init.len()).step_by(7) {
            let found = codecs_of(&init[..end]);
            assert!(found.is_empty() || found.starts_with("avc1"), "{found}");
        }
        assert_eq!(codecs_of(b"<!doctype html>"), "");
    }
}

mod decode_time {
    use super::*;

    fn traf(track: u32, tfdt: &[u8]) -> Vec<u8> {
        let tfhd = make_box(b"tfhd", &[&numbers(&[0x020000, track])]);
        make_box(b"traf", &[&tfhd, &make_box(b"tfdt", &[tfdt])])
    }

    fn segment(trafs: &[Vec<u8>]) -> Vec<u8> {
        let mfhd = make_box(b"mfhd", &[&[0; 8]]);
        let moof = make_box(b"moof", &[&mfhd, &trafs.concat()]);
        [make_box(b"styp", &[b"msdh\0\0\0\0"]), moof, make_box(b"mdat", &[&[0xff; 32]])].concat()
    }

    fn of(tracks: &[Vec<u8>], trafs: &[Vec<u8>]) -> f64 {
        decode_time(&init(tracks), &segment(trafs)).0
    }

    /// With what the segment is then.
    fn decode_time(init: &[u8], segment: &[u8]) -> (f64, Vec<u8>) {
        js::with(BOXES, "decodeTime", |function| {
            let js = function.ctx();
            let segment = body(js, segment);
            let found = function.call((body(js, init), segment.clone())).expect("it throws nothing");
            (found, segment.as_bytes().expect("a body").to_vec())
        })
    }

    fn track(version: u8, id: u32, timescale: u32) -> Vec<u8> {
        super::track(version, id, timescale, &make_box(b"none", &[]))
    }

    fn long(time: u64) -> Vec<u8> {
        [[1, 0, 0, 0].as_slice(), &time.to_be_bytes()].concat()
    }

    #[test]
    fn is_of_what_begins_first_in_its_own_timescale() {
        for version in [0, 1] {
            let init = [track(version, 1, 30_000), track(version, 2, 44_100)];
            let (picture, sound) = (traf(1, &long(90_000)), traf(2, &long(88_200)));
            assert_eq!(of(&init, std::slice::from_ref(&picture)), 3.0);
            assert_eq!(of(&init, &[picture.clone(), sound.clone()]), 2.0);
            assert_eq!(of(&init, &[sound, picture]), 2.0);
        }
    }

    #[test]
    fn is_written_in_32_or_64_bits() {
        let init = [track(0, 1, 1000)];
        assert_eq!(of(&init, &[traf(1, &numbers(&[0, u32::MAX]))]), 4_294_967.295);
        assert_eq!(of(&init, &[traf(1, &long(1 << 40))]), 1_099_511_627.776);
    }

    #[test]
    fn of_what_cannot_be_read_is_infinity() {
        assert_eq!(of(&[track(0, 1, 1000)], &[traf(7, &long(0))]), f64::INFINITY);
        assert_eq!(of(&[track(0, 1, 1000)], &[traf(7, &long(0)), traf(1, &long(2000))]), 2.0);
        assert_eq!(of(&[], &[]), f64::INFINITY);
        assert_eq!(decode_time(b"", b"<!doctype html>").0, f64::INFINITY);
    }

    /// Goal: where the clock of 32 bits of one track has wrapped and the other's has not, that one is put where the first one is.
    /// Method: picture in 90 kHz, sound in 48 kHz, of which the picture's wraps first, and the other way round; in either order in
    /// the moof, and with a third fragment behind them.
    #[test]
    fn a_track_that_has_not_wrapped_yet_is_put_where_the_one_is_that_has() {
        let wrap_ms = (1 << 32) / 90;
        for (picture_hz, sound_hz) in [(90_000, 48_000), (48_000, 90_000)] {
            let init = init(&[track(0, 1, picture_hz), track(0, 2, sound_hz)]);
            for (before_ms, is_picture_first) in [(0, true), (0, false), (1_000, true), (60_000, false)] {
                let moofs = |picture_ms: u64, sound_ms: u64| {
                    let at = |ms: u64, hz: u32| traf_at(ms * u64::from(hz) / 1000);
                    let fragment = |ms: u64, id, hz| traf(id, &at(ms, hz));
                    let (picture, sound) =
                        (fragment(picture_ms, 1, picture_hz), fragment(sound_ms, 2, sound_hz));
                    let both = if is_picture_first { [picture, sound] } else { [sound, picture] };
                    segment(&[both.concat(), fragment(picture_ms, 1, picture_hz)])
                };
                // Both before it, then behind that of the faster clock: as sent there, and as mended.
                let agreed = moofs(wrap_ms - 62_000, wrap_ms - 62_000 + before_ms);
                assert_eq!(decode_time(&init, &agreed).1, agreed);
                let (picture_ms, sound_ms) =
                    if picture_hz > sound_hz { (2_000, wrap_ms + 2_000) } else { (wrap_ms + 2_000, 2_000) };
                assert_eq!(decode_time(&init, &moofs(picture_ms, sound_ms)), (2.0, moofs(2_000, 2_000)));
            }
        }
    }

    fn traf_at(ticks: u64) -> Vec<u8> {
        numbers(&[0, u32::try_from(ticks).expect("32 bits")])
    }
}

mod consists_of {
    use super::*;

    /// Whether it is made of whole boxes, with a moof and an mdat behind it; nothing where it fails.
    fn is_segment(bytes: &[u8]) -> Option<bool> {
        js::with(BOXES, "consistsOf", |function| {
            let js = function.ctx();
            let kinds: Value = js.eval("/6d6f6f66.*6d646174/").expect("a pattern");
            function.call((kinds, body(js, bytes))).ok()
        })
    }

    #[test]
    fn whole_boxes_of_the_kinds() {
        let (moof, mdat) = (make_box(b"moof", &[&[0; 8]]), make_box(b"mdat", &[&[0; 99]]));
        let large = [&numbers(&[1]), b"mdat".as_slice(), &numbers(&[0, 20, 7])].concat();
        assert_eq!(is_segment(&[moof.clone(), mdat.clone()].concat()), Some(true));
        assert_eq!(
            is_segment(&[make_box(b"styp", &[]), moof.clone(), large, moof.clone()].concat()),
            Some(true)
        );
        assert_eq!(is_segment(&[mdat, moof.clone()].concat()), Some(false));
        assert_eq!(is_segment(&moof), Some(false));
        assert_eq!(is_segment(&init(&[])), Some(false));
        assert_eq!(is_segment(b""), Some(false));
    }

    #[test]
    fn what_is_cut_or_no_box_is_refused() {
        let segment = [make_box(b"moof", &[&[0; 8]]), make_box(b"mdat", &[&[0; 99]])].concat();
        for end in 1..segment.len() {
            assert_ne!(is_segment(&segment[..end]), Some(true), "{end} bytes");
        }
        assert_eq!(is_segment(&[segment.as_slice(), &[0]].concat()), None);
        // A zero would be an mdat without an end, which no engine takes.
        let endless = [&make_box(b"moof", &[]), numbers(&[0]).as_slice(), b"mdat", &[0; 99]].concat();
        assert_eq!(is_segment(&endless), None);
        assert_eq!(is_segment(b"<!doctype html><title>Not Found</title>"), None);
    }
}
