//! Goal: a segment's facts are those of its bytes, whatever tracks and fragments it has.
//! Method: the fixture in memory, and what edits make of it.

use segproof_core::media::{self, MediaError, TrackFragment};
use segproof_core::presentation::Media;

use super::edit::edited;
use super::*;

#[test]
fn the_picture_decides_where_there_is_one() {
    let fixture = fixture();
    let facts = &fixture.segments[3].facts;
    assert_eq!((facts.start_s, facts.duration_s, facts.frames), (6.0, 2.0, FRAMES));
    assert_eq!(facts.first_frame(), 60);
}

#[test]
fn sound_alone_has_times_and_no_frames() {
    let fixture = fixture();
    let segments: Vec<_> =
        (0..3).map(|n| (edited("without video", &fixture.segments[n].bytes), SEGMENT_S)).collect();
    // Whether the init still has a picture or not.
    for init in [fixture.init.to_vec(), edited("without video", &fixture.init)] {
        let sound = Media::new(2, init, segments.clone()).unwrap();
        for (n, part) in sound.segments.iter().enumerate() {
            assert_eq!((part.facts.start_s, part.facts.duration_s), (n as f64 * 2.0, 2.0));
            assert_eq!((part.facts.frames, part.facts.first_frame()), (0, 0));
        }
        assert_eq!(sound.lap_s(), 6.0);
        assert_ne!(sound.segments[0].facts.mdat, sound.segments[1].facts.mdat);
    }
}

#[test]
fn several_fragments_are_taken_as_one() {
    let fixture = fixture();
    let whole = &fixture.segments[2].bytes;
    let parted = edited("two fragments", whole);
    for track in &fixture.tracks {
        let [one, two] = [whole.as_ref(), &parted].map(|b| media::track_fragment(b, track).unwrap());
        assert_eq!(one, two);
    }
    let facts = media::segment_facts(&parted, &fixture.tracks).unwrap();
    assert_eq!((facts.start_s, facts.duration_s, facts.frames), (4.0, 2.0, FRAMES));
}

#[test]
fn facts_follow_an_edited_tfdt() {
    let fixture = fixture();
    let late = edited("tfdt video +180ms", &fixture.segments[2].bytes);
    assert_eq!(media::segment_facts(&late, &fixture.tracks).unwrap().start_s, 4.18);
    let restarted = edited("tfdt 0", &fixture.segments[2].bytes);
    let facts = media::segment_facts(&restarted, &fixture.tracks).unwrap();
    assert_eq!((facts.start_s, &facts.mdat), (0.0, &fixture.segments[2].facts.mdat));
}

#[test]
fn what_of_the_picture_has_no_sound_is_known() {
    let fixture = fixture();
    let unaccompanied_s = |edit: &str| {
        let bytes = edited(edit, &fixture.segments[2].bytes);
        media::segment_facts(&bytes, &fixture.tracks).unwrap().unaccompanied_s
    };
    assert_eq!(fixture.segments[2].facts.unaccompanied_s, 0.0);
    for (edit, seconds) in [
        ("audio shorter 300ms", 0.3),
        ("audio late 300ms", 0.3),
        ("tfdt audio +300s", 2.0),
        ("tfdt audio -500ms", 0.5),
        ("video shorter 300ms", 0.0),
        ("without audio", 0.0),
        ("without video", 0.0),
    ] {
        let found_s = unaccompanied_s(edit);
        assert!((found_s - seconds).abs() < 1e-9, "{edit}: {found_s}");
    }
}

#[test]
fn a_segment_without_samples_has_no_facts() {
    let fixture = fixture();
    let error = media::segment_facts(&edited("cut moof", &fixture.segments[0].bytes), &fixture.tracks);
    assert!(matches!(error, Err(MediaError::Missing("sample"))), "{error:?}");
}

#[test]
fn a_track_says_what_it_holds() {
    let fixture = fixture();
    let audio = media::track_fragment(&fixture.segments[1].bytes, &fixture.tracks[1]).unwrap().unwrap();
    let expected = TrackFragment {
        decode_time: 96_000,
        duration: 96_000,
        samples: SOUNDS,
        starts_with_sync_sample: true,
    };
    assert_eq!(audio, expected);
}
