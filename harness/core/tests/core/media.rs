//! A fixture made in memory: real fMP4 boxes with a video and an audio track, and media data of a few bytes.

use mp4_atom::{
    Encode, Hdlr, Mdat, Mdhd, Mdia, Mfhd, Moof, Moov, Mvex, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun,
    TrunEntry,
};
use segproof_core::presentation::Media;

/// Few, so that tests reach the second lap soon.
pub const LAP_SEGMENTS: u64 = 8;
pub const SEGMENT_S: f64 = 2.0;
const FRAMES: u32 = 20;
const VIDEO_TIMESCALE: u32 = 10_000;
const AUDIO_TIMESCALE: u32 = 48_000;

/// Eight segments of 2 s.
pub fn fixture() -> Media {
    let segments = (0..LAP_SEGMENTS).map(|n| (segment(n), SEGMENT_S)).collect();
    Media::new(2, init(), segments).unwrap()
}

fn init() -> Vec<u8> {
    let trak = |track_id, handler: &[u8; 4], timescale| Trak {
        tkhd: Tkhd { track_id, ..Tkhd::default() },
        mdia: Mdia {
            mdhd: Mdhd { timescale, language: "und".into(), ..Mdhd::default() },
            hdlr: Hdlr { handler: handler.into(), name: String::new() },
            ..Mdia::default()
        },
        ..Trak::default()
    };
    let trex =
        |track_id, default_sample_duration| Trex { track_id, default_sample_duration, ..Trex::default() };
    let moov = Moov {
        trak: vec![trak(1, b"vide", VIDEO_TIMESCALE), trak(2, b"soun", AUDIO_TIMESCALE)],
        mvex: Some(Mvex {
            trex: vec![trex(1, VIDEO_TIMESCALE / 10), trex(2, AUDIO_TIMESCALE)],
            ..Mvex::default()
        }),
        ..Moov::default()
    };
    let mut bytes = Vec::new();
    moov.encode(&mut bytes).unwrap();
    bytes
}

fn segment(n: u64) -> Vec<u8> {
    let traf = |track_id, timescale: u32, samples: u32| Traf {
        tfhd: Tfhd { track_id, ..Tfhd::default() },
        tfdt: Some(Tfdt { base_media_decode_time: n * 2 * u64::from(timescale) }),
        trun: vec![Trun { samples: vec![TrunEntry::default(); samples as usize].into(), ..Trun::default() }],
        ..Traf::default()
    };
    let moof = Moof {
        mfhd: Mfhd { sequence_number: n as u32 + 1 },
        traf: vec![traf(1, VIDEO_TIMESCALE, FRAMES), traf(2, AUDIO_TIMESCALE, 2)],
    };
    let mut bytes = Vec::new();
    moof.encode(&mut bytes).unwrap();
    Mdat { data: format!("the media of segment {n}").into_bytes() }.encode(&mut bytes).unwrap();
    bytes
}
