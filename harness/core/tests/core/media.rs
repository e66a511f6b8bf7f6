//! A fixture made in memory: real fMP4 boxes with a video and an audio track, and samples of a few bytes.

mod edit;
mod facts;

use mp4_atom::{
    Avc1, Avcc, Codec, Encode, Hdlr, Mdat, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mvex, Stbl, Stsd, Tfdt, Tfhd,
    Tkhd, Traf, Trak, Trex, Trun, TrunEntry,
};
use segproof_core::presentation::Media;

/// Few, so that tests reach the second lap soon.
pub const LAP_SEGMENTS: u64 = 8;
pub const SEGMENT_S: f64 = 2.0;
pub const FRAMES: u32 = 20;
/// Frames from one key frame to the next.
pub const GROUP: u32 = 10;
pub const SOUNDS: u32 = 20;
pub const VIDEO_TIMESCALE: u32 = 10_000;
pub const AUDIO_TIMESCALE: u32 = 48_000;

/// Eight segments of 2 s.
pub fn fixture() -> Media {
    let segments = (0..LAP_SEGMENTS).map(|n| (segment(n), SEGMENT_S)).collect();
    Media::new(2, init(), segments).unwrap()
}

fn init() -> Vec<u8> {
    let avcc = Avcc {
        configuration_version: 1,
        avc_profile_indication: 77,
        profile_compatibility: 0,
        avc_level_indication: 13,
        length_size: 4,
        sequence_parameter_sets: Vec::new(),
        picture_parameter_sets: Vec::new(),
        ext: None,
    };
    let avc1 = Avc1 {
        visual: Default::default(),
        avcc,
        btrt: None,
        colr: None,
        pasp: None,
        taic: None,
        fiel: None,
        spatial: None,
    };
    let trak = |track_id, handler: &[u8; 4], timescale, codecs| Trak {
        tkhd: Tkhd { track_id, ..Tkhd::default() },
        mdia: Mdia {
            mdhd: Mdhd { timescale, language: "und".into(), ..Mdhd::default() },
            hdlr: Hdlr { handler: handler.into(), name: String::new() },
            minf: Minf { stbl: Stbl { stsd: Stsd { codecs }, ..Stbl::default() }, ..Minf::default() },
        },
        ..Trak::default()
    };
    let trex =
        |track_id, default_sample_duration| Trex { track_id, default_sample_duration, ..Trex::default() };
    let moov = Moov {
        trak: vec![
            trak(1, b"vide", VIDEO_TIMESCALE, vec![Codec::from(avc1)]),
            trak(2, b"soun", AUDIO_TIMESCALE, Vec::new()),
        ],
        mvex: Some(Mvex {
            trex: vec![trex(1, VIDEO_TIMESCALE / 10), trex(2, AUDIO_TIMESCALE / 10)],
            ..Mvex::default()
        }),
        ..Moov::default()
    };
    let mut bytes = Vec::new();
    moov.encode(&mut bytes).unwrap();
    bytes
}

fn segment(n: u64) -> Vec<u8> {
    let pictures: Vec<Vec<u8>> = (0..FRAMES).map(|i| picture(n, i)).collect();
    let sounds: Vec<Vec<u8>> =
        (0..SOUNDS).map(|i| format!("sound {i} of segment {n}").into_bytes()).collect();
    let traf = |track_id, timescale: u32, samples: &[Vec<u8>], data_offset: usize| {
        let entry = |(i, sample): (usize, &Vec<u8>)| TrunEntry {
            size: Some(sample.len() as u32),
            flags: Some(if track_id == 2 || (i as u32).is_multiple_of(GROUP) { SYNC } else { NOT_SYNC }),
            ..TrunEntry::default()
        };
        let entries: Vec<_> = samples.iter().enumerate().map(entry).collect();
        Traf {
            tfhd: Tfhd { track_id, default_base_is_moof: true, ..Tfhd::default() },
            tfdt: Some(Tfdt { base_media_decode_time: n * 2 * u64::from(timescale) }),
            trun: vec![Trun { data_offset: Some(data_offset as i32), samples: entries.into() }],
            ..Traf::default()
        }
    };
    let pictures_len: usize = pictures.iter().map(Vec::len).sum();
    let moof = |len: usize| Moof {
        mfhd: Mfhd { sequence_number: n as u32 + 1 },
        traf: vec![
            traf(1, VIDEO_TIMESCALE, &pictures, len + 8),
            traf(2, AUDIO_TIMESCALE, &sounds, len + 8 + pictures_len),
        ],
    };
    let mut measured = Vec::new();
    moof(0).encode(&mut measured).unwrap();
    let mut bytes = Vec::new();
    moof(measured.len()).encode(&mut bytes).unwrap();
    Mdat { data: [pictures, sounds].concat().concat() }.encode(&mut bytes).unwrap();
    bytes
}

/// A NAL unit that would be an IDR slice or another, after an access unit delimiter.
pub fn picture(n: u64, i: u32) -> Vec<u8> {
    let slice = [
        &[if i.is_multiple_of(GROUP) { 0x65 } else { 0x41 }],
        format!("picture {i} of segment {n}").as_bytes(),
    ]
    .concat();
    [&[0, 0, 0, 2, 0x09, 0xf0], (slice.len() as u32).to_be_bytes().as_slice(), &slice].concat()
}

const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;
