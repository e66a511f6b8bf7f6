//! Where the first segment of a run goes, by the times in its boxes.

use segproof_player_core::codecs::Codecs;
use segproof_player_core::placement;

fn make_box(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &body].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A trak as far as it matters: the dates and what follows them in version 0 or 1, and the handler.
fn track(version: u8, id: u32, timescale: u32, handler: &[u8; 4]) -> Vec<u8> {
    let dates = [&[version, 0, 0, 0], vec![0; if version == 1 { 16 } else { 8 }].as_slice()].concat();
    let tkhd = make_box(b"tkhd", &[&dates, &numbers(&[id]), &[0; 68]]);
    let mdhd = make_box(b"mdhd", &[&dates, &numbers(&[timescale, 0, 0])]);
    let hdlr = make_box(b"hdlr", &[&[0; 8], handler, &[0; 13]]);
    make_box(b"trak", &[&tkhd, &make_box(b"mdia", &[&mdhd, &hdlr])])
}

fn init(tracks: &[Vec<u8>]) -> Vec<u8> {
    [make_box(b"ftyp", &[b"iso5\0\0\0\0"]), make_box(b"moov", &[&tracks.concat()])].concat()
}

/// A picture at 30,000 ticks a second and a sound at 44,100.
fn usual_init() -> Vec<u8> {
    init(&[track(0, 1, 30_000, b"vide"), track(0, 2, 44_100, b"soun")])
}

fn tfdt(time: u64) -> Vec<u8> {
    make_box(b"tfdt", &[&[1, 0, 0, 0], &time.to_be_bytes()])
}

fn short_tfdt(time: u32) -> Vec<u8> {
    make_box(b"tfdt", &[&numbers(&[0, time])])
}

/// One sample with everything that a trun can say of it.
fn trun(offset: i32) -> Vec<u8> {
    make_box(b"trun", &[&numbers(&[0x01000f05, 1, 7, 7, 7, 7, 7, offset as u32])])
}

/// One sample with nothing but its size.
fn plain_trun() -> Vec<u8> {
    make_box(b"trun", &[&numbers(&[0x200, 1, 7])])
}

fn traf(track: u32, boxes: &[Vec<u8>]) -> Vec<u8> {
    make_box(b"traf", &[&make_box(b"tfhd", &[&numbers(&[0x020000, track])]), &boxes.concat()])
}

fn moof(trafs: &[Vec<u8>]) -> Vec<u8> {
    let mfhd = make_box(b"mfhd", &[&[0; 8]]);
    [make_box(b"moof", &[&mfhd, &trafs.concat()]), make_box(b"mdat", &[&[0xff; 32]])].concat()
}

/// With two frames of delay for B-frames. Its sound begins 25.4 ms before its picture is decoded.
fn usual_segment() -> Vec<u8> {
    let boxes = [
        make_box(b"styp", &[b"msdh\0\0\0\0"]),
        make_box(b"sidx", &[&[0; 36]]),
        make_box(b"emsg", &[&[0; 20]]),
    ];
    let picture = traf(1, &[tfdt(300_300), trun(2002)]);
    let sound = traf(2, &[tfdt(440_320), plain_trun()]);
    [boxes.concat(), moof(&[picture, sound])].concat()
}

fn timestamp_offset_s(init: &[u8], segment: &[u8], run_start_s: f64) -> f64 {
    placement::timestamp_offset_s(&[init, segment].concat(), run_start_s)
}

#[track_caller]
fn check(init: &[u8], segment: &[u8], run_start_s: f64, expected_s: f64) {
    let offset_s = timestamp_offset_s(init, segment, run_start_s);
    assert!((offset_s - expected_s).abs() < 1e-6, "{offset_s}");
}

#[test]
fn behind_other_media_the_first_frame_of_all_tracks_goes_to_the_seam() {
    check(&usual_init(), &usual_segment(), 20.0, 20.0 - 440_320.0 / 44_100.0);
    let picture = |offset| moof(&[traf(1, &[tfdt(300_300), trun(offset)])]);
    check(&usual_init(), &picture(2002), 20.0, 20.0 - 302_302.0 / 30_000.0);
    check(&usual_init(), &picture(-1001), 20.0, 20.0 - 299_299.0 / 30_000.0);
}

#[test]
fn at_zero_nothing_of_the_picture_is_decoded_earlier() {
    check(&usual_init(), &usual_segment(), 0.0, -300_300.0 / 30_000.0);
    let sound_alone = moof(&[traf(2, &[tfdt(440_320), plain_trun()])]);
    check(&usual_init(), &sound_alone, 0.0, -440_320.0 / 44_100.0);
}

#[test]
fn reads_either_version_of_every_box_and_tracks_in_any_order() {
    let init = init(&[track(1, 7, 48_000, b"soun"), track(1, 3, 12_800, b"vide")]);
    let segment =
        moof(&[traf(3, &[short_tfdt(3_000_000_000), plain_trun()]), traf(7, &[tfdt(1 << 40), plain_trun()])]);
    check(&init, &segment, 5.0, 5.0 - 234_375.0);
    check(
        &init,
        &moof(&[traf(7, &[tfdt(1 << 40), plain_trun()])]),
        5.0,
        5.0 - (1u64 << 40) as f64 / 48_000.0,
    );
}

/// Goal: what comes first counts, wherever it stands. Method: a moof for each track, and another run of samples,
/// which begins with a frame that is shown at once.
#[test]
fn reads_all_fragments_and_of_each_the_first_run() {
    let sound = |time| moof(&[traf(2, &[tfdt(time), plain_trun()])]);
    let picture = moof(&[traf(1, &[tfdt(30_000), trun(2002), trun(0)])]);
    check(
        &usual_init(),
        &[sound(88_200), picture.clone(), sound(90_000)].concat(),
        1.0,
        1.0 - 32_002.0 / 30_000.0,
    );
    check(&usual_init(), &[picture, sound(44_100)].concat(), 1.0, 0.0);
}

#[test]
fn what_cannot_be_placed_is_taken_to_begin_at_zero() {
    let usual = usual_init();
    for segment in [b"".to_vec(), b"GARBAGE!".to_vec(), moof(&[]), moof(&[traf(9, &[tfdt(1), plain_trun()])])]
    {
        check(&usual, &segment, 12.5, 12.5);
    }
    check(b"", &usual_segment(), 12.5, 12.5);
    check(&init(&[track(0, 1, 0, b"vide")]), &usual_segment(), 12.5, 12.5);
}

/// Goal: no bytes break it, and none make an offset that MSE refuses. Method: a sound init and a sound segment are
/// cut at every byte, and each of their bytes becomes another; boxes are nested deeper than any stack.
#[test]
fn bad_bytes_give_a_finite_offset() {
    let (init, segment) = (usual_init(), usual_segment());
    let survives = |init: &[u8], segment: &[u8]| {
        assert!(timestamp_offset_s(init, segment, 0.0).is_finite());
        assert!(timestamp_offset_s(init, segment, 20.0).is_finite());
    };
    for (bytes, is_init) in [(&init, true), (&segment, false)] {
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1] {
                changed[at] = value;
                if is_init { survives(&changed, &segment) } else { survives(&init, &changed) }
            }
            if is_init { survives(&bytes[..at], &segment) } else { survives(&init, &bytes[..at]) }
        }
    }
    for kind in [b"moof", b"moov"] {
        let length = 100_000 * 8;
        let nested: Vec<u8> =
            (0..100_000).flat_map(|at| [(length - at * 8_u32).to_be_bytes(), *kind].concat()).collect();
        survives(&nested, &nested);
        assert_eq!(Codecs::read(&nested).as_bytes(), b"");
    }
}

#[test]
fn a_cut_behind_the_first_moof_does_not_matter() {
    let segment = usual_segment();
    check(&usual_init(), &segment[..segment.len() - 20], 20.0, 20.0 - 440_320.0 / 44_100.0);
}
