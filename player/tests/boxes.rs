//! What the glue reads of inits and segments, as encoders write them.

mod js;

use rquickjs::{ArrayBuffer, FromJs};

/// What a function of `glue/boxes.js` makes of bodies.
fn call<T: for<'js> FromJs<'js>>(name: &str, bodies: &[&[u8]]) -> T {
    js::with(include_str!("../glue/boxes.js"), name, |function| {
        let body = |bytes: &&[u8]| ArrayBuffer::new(function.ctx().clone(), bytes.to_vec()).expect("a body");
        match bodies.iter().map(body).collect::<Vec<_>>().as_slice() {
            [one] => function.call((one.clone(),)),
            [one, other] => function.call((one.clone(), other.clone())),
            _ => panic!("no function takes so many"),
        }
        .expect("it throws nothing")
    })
}

fn make_box(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &body].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

mod codecs {
    use super::*;

    fn track(entry: &[u8]) -> Vec<u8> {
        let stsd = make_box(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], entry]);
        let minf = make_box(b"minf", &[&make_box(b"vmhd", &[&[0; 12]]), &make_box(b"stbl", &[&stsd])]);
        make_box(b"trak", &[&make_box(b"tkhd", &[&[0; 84]]), &make_box(b"mdia", &[&minf])])
    }

    fn video(kind: &[u8; 4], config_kind: &[u8; 4], config: &[u8]) -> Vec<u8> {
        // A box before the configuration, as colour information often is.
        let colour = make_box(b"colr", &[b"nclx", &[0; 7]]);
        track(&make_box(kind, &[&[0; 78], &colour, &make_box(config_kind, &[config])]))
    }

    fn audio(kind: &[u8; 4], config_kind: &[u8; 4], config: &[u8]) -> Vec<u8> {
        track(&make_box(kind, &[&[0; 28], &make_box(config_kind, &[config])]))
    }

    fn codecs(tracks: &[Vec<u8>]) -> String {
        call(
            "codecs",
            &[&[make_box(b"ftyp", &[b"iso5\0\0\0\0"]), make_box(b"moov", &[&tracks.concat()])].concat()],
        )
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
        let init = make_box(b"moov", &[&h264, &aac]);
        for end in (0..init.len()).step_by(7) {
            let found: String = call("codecs", &[&init[..end]]);
            assert!(found.is_empty() || found.starts_with("avc1"), "{found}");
        }
        assert_eq!(call::<String>("codecs", &[b"<!doctype html>"]), "");
    }
}

mod decode_time {
    use super::*;

    /// A trak as far as it matters: the dates and what follows them in version 0 or 1.
    fn track(version: u8, id: u32, timescale: u32) -> Vec<u8> {
        let dates = [&[version, 0, 0, 0], vec![0; if version == 1 { 16 } else { 8 }].as_slice()].concat();
        let tkhd = make_box(b"tkhd", &[&dates, &numbers(&[id]), &[0; 68]]);
        let mdhd = make_box(b"mdhd", &[&dates, &numbers(&[timescale, 0, 0])]);
        make_box(b"trak", &[&tkhd, &make_box(b"mdia", &[&mdhd])])
    }

    fn traf(track: u32, tfdt: &[u8]) -> Vec<u8> {
        let tfhd = make_box(b"tfhd", &[&numbers(&[0x020000, track])]);
        make_box(b"traf", &[&tfhd, &make_box(b"tfdt", &[tfdt])])
    }

    fn of(init: &[Vec<u8>], trafs: &[Vec<u8>]) -> f64 {
        let init = [make_box(b"ftyp", &[b"iso5\0\0\0\0"]), make_box(b"moov", &[&init.concat()])].concat();
        let mfhd = make_box(b"mfhd", &[&[0; 8]]);
        let moof = make_box(b"moof", &[&mfhd, &trafs.concat()]);
        let segment =
            [make_box(b"styp", &[b"msdh\0\0\0\0"]), moof, make_box(b"mdat", &[&[0xff; 32]])].concat();
        call("decodeTime", &[&init, &segment])
    }

    fn long(time: u64) -> Vec<u8> {
        [[1, 0, 0, 0].as_slice(), &time.to_be_bytes()].concat()
    }

    #[test]
    fn is_of_the_first_track_in_its_own_timescale() {
        for version in [0, 1] {
            let init = [track(version, 1, 30_000), track(version, 2, 44_100)];
            let (picture, sound) = (traf(1, &long(90_000)), traf(2, &long(88_200)));
            assert_eq!(of(&init, &[picture.clone(), sound.clone()]), 3.0);
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
    fn of_what_cannot_be_read_is_nothing() {
        assert!(of(&[track(0, 1, 1000)], &[traf(7, &long(0))]).is_nan());
        assert!(of(&[], &[]).is_nan());
        assert!(call::<f64>("decodeTime", &[b"", b"<!doctype html>"]).is_nan());
    }
}
