//! The codecs string from sample entries as encoders write them.

use segproof_player_core::codecs::Codecs;

fn make_box(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &body].concat()
}

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
    let init = [make_box(b"ftyp", &[b"iso5\0\0\0\0"]), make_box(b"moov", &[&tracks.concat()])].concat();
    String::from_utf8(Codecs::read(&init).as_bytes().to_vec()).unwrap()
}

/// ES_Descriptor with lengths of four bytes, as ffmpeg writes them.
fn esds(object_type: u8, specific: &[u8]) -> Vec<u8> {
    let length = |n: usize| [0x80, 0x80, 0x80, n as u8];
    let specific = [&[5], length(specific.len()).as_slice(), specific].concat();
    let config = [&[object_type], [0; 12].as_slice(), &specific].concat();
    let config = [&[4], length(config.len()).as_slice(), &config].concat();
    [&[0, 0, 0, 0, 3], length(config.len() + 3).as_slice(), &[0, 1, 0], &config].concat()
}

#[test]
fn reads_h264_and_aac() {
    let h264 = video(b"avc1", b"avcC", &[1, 0x42, 0xc0, 0x1e, 0xff, 0xe1]);
    let aac = audio(b"mp4a", b"esds", &esds(0x40, &[0x11, 0x90]));
    assert_eq!(codecs(&[h264.clone(), aac]), "avc1.42C01E,mp4a.40.2");
    assert_eq!(codecs(&[h264]), "avc1.42C01E");
}

#[test]
fn reads_other_audio() {
    assert_eq!(codecs(&[audio(b"mp4a", b"esds", &esds(0x40, &[0x2b, 0x92]))]), "mp4a.40.5");
    assert_eq!(codecs(&[audio(b"mp4a", b"esds", &esds(0x40, &[0xf9, 0x48]))]), "mp4a.40.42");
    assert_eq!(codecs(&[audio(b"mp4a", b"esds", &esds(0x6b, &[]))]), "mp4a.6B");
    assert_eq!(codecs(&[audio(b"Opus", b"dOps", &[0; 11])]), "opus");
    assert_eq!(codecs(&[audio(b"fLaC", b"dfLa", &[0; 42])]), "flac");
    assert_eq!(codecs(&[audio(b"ec-3", b"dec3", &[0; 5])]), "ec-3");
}

/// The strings are the examples that ISO/IEC 14496-15, the AV1 and the VP9 in ISOBMFF bindings give.
#[test]
fn reads_other_video() {
    let hevc = [1, 0x01, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93, 0xf0];
    assert_eq!(codecs(&[video(b"hvc1", b"hvcC", &hevc)]), "hvc1.1.6.L93.B0");
    let high_tier = [1, 0x62, 0x20, 0, 0, 0, 0x90, 0x40, 0, 0, 0, 0, 153, 0xf0];
    assert_eq!(codecs(&[video(b"hev1", b"hvcC", &high_tier)]), "hev1.A2.4.H153.90.40");
    assert_eq!(codecs(&[video(b"av01", b"av1C", &[0x81, 0x04, 0x0c, 0])]), "av01.0.04M.08");
    assert_eq!(codecs(&[video(b"av01", b"av1C", &[0x81, 0x2d, 0xcc, 0])]), "av01.1.13H.10");
    assert_eq!(codecs(&[video(b"vp09", b"vpcC", &[1, 0, 0, 0, 2, 31, 0xa3, 1])]), "vp09.02.31.10");
}

#[test]
fn survives_any_cut() {
    let h264 = video(b"avc1", b"avcC", &[1, 0x42, 0xc0, 0x1e, 0xff, 0xe1]);
    let aac = audio(b"mp4a", b"esds", &esds(0x40, &[0x11, 0x90]));
    let init = make_box(b"moov", &[&h264, &aac]);
    for end in 0..init.len() {
        assert_eq!(Codecs::read(&init[..end]).as_bytes(), b"");
    }
    let many: Vec<Vec<u8>> = (0..20).map(|_| h264.clone()).collect();
    assert!(codecs(&many).starts_with("avc1.42C01E,avc1"), "what does not fit is dropped");
}
