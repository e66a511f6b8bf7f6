//! Goal: each edit does what its text says and nothing else.
//! Method: it is applied to the fixture in memory, and the result is read back with mp4-atom.

use mp4_atom::{Any, Decode, Moof, Moov};
use segproof_core::media::edit::{FORMS, Subject};
use segproof_core::media::{self, Edit, Edits, MediaError};
use serde::Deserialize;

use super::*;

pub fn edit(text: &str) -> Edit {
    Edit::try_from(text.to_owned()).unwrap()
}

/// The bytes after the edit, with the fixture's tracks.
pub fn edited(text: &str, bytes: &[u8]) -> Vec<u8> {
    edit(text).apply(bytes, &fixture().tracks).unwrap()
}

/// The third segment of the fixture, which begins at 4 s.
fn segment_2() -> Vec<u8> {
    fixture().segments[2].bytes.to_vec()
}

fn read(mut bytes: &[u8]) -> Vec<Any> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        found.push(Any::decode(&mut bytes).unwrap());
    }
    found
}

fn kinds(bytes: &[u8]) -> Vec<String> {
    read(bytes).iter().map(|any| any.kind().to_string()).collect()
}

fn moofs(bytes: &[u8]) -> Vec<Moof> {
    let moof = |any| match any {
        Any::Moof(moof) => Some(moof),
        _ => None,
    };
    read(bytes).into_iter().filter_map(moof).collect()
}

fn moof(bytes: &[u8]) -> Moof {
    moofs(bytes).remove(0)
}

/// Each sample's bytes by the data offset and the sizes of the trun, for each traf in order.
fn samples(bytes: &[u8]) -> Vec<(u32, Vec<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut at = 0;
    for any in read(bytes) {
        let begin = at;
        at += u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let Any::Moof(moof) = any else { continue };
        for traf in moof.traf {
            let mut held = Vec::new();
            let mut at = begin + traf.trun[0].data_offset.unwrap() as usize;
            for entry in traf.trun[0].samples.iter() {
                let size = entry.size.unwrap() as usize;
                held.push(bytes[at..at + size].to_vec());
                at += size;
            }
            found.push((traf.tfhd.track_id, held));
        }
    }
    found
}

fn pictures(range: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    range.map(|i| picture(2, i)).collect()
}

fn sounds(range: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    range.map(|i| format!("sound {i} of segment 2").into_bytes()).collect()
}

/// Decode times of video and audio.
fn times(bytes: &[u8]) -> (u64, u64) {
    let moof = moof(bytes);
    let of = |id| {
        let traf = moof.traf.iter().find(|traf| traf.tfhd.track_id == id).unwrap();
        traf.tfdt.as_ref().unwrap().base_media_decode_time
    };
    (of(1), of(2))
}

#[test]
fn every_form_is_read_and_written_alike() {
    for form in FORMS {
        assert_eq!(edit(form).to_string(), *form);
        assert_eq!(edit(&format!("  {} ", form.replace(' ', "   "))), edit(form));
    }
    assert_eq!(edit("corrupt video 10%").to_string(), "corrupt 10%");
    assert_eq!(edit("tfdt +1500ms").to_string(), "tfdt +1.5s");
    assert_eq!(
        edit("tfdt wrap 8s"),
        serde_json::from_str(&serde_json::to_string("tfdt wrap 8s").unwrap()).unwrap()
    );
}

#[test]
fn every_form_does_something_to_what_it_is_for_and_refuses_the_rest() {
    let (fixture, segment) = (fixture(), segment_2());
    for form in FORMS {
        let edit = edit(form);
        let on_segment = edit.apply(&segment, &fixture.tracks);
        let on_init = edit.apply(&fixture.init, &fixture.tracks);
        let is_for = |wanted| edit.subject() == wanted || edit.subject() == Subject::Either;
        match on_segment {
            // Both times are 64 bits long as it is.
            Ok(_) if *form == "tfdt 64bit" => (),
            Ok(bytes) => assert!(is_for(Subject::Segment) && bytes != segment, "{form}"),
            Err(error) => assert!(!is_for(Subject::Segment), "{form}: {error}"),
        }
        match on_init {
            Ok(bytes) => assert!(is_for(Subject::Init) && bytes != fixture.init[..], "{form}"),
            Err(error) => {
                assert!(!is_for(Subject::Init), "{form}: {error}");
                assert!(error.to_string().contains("which is for media segments"), "{error}");
            }
        }
        assert_eq!(edit.apply(&segment, &fixture.tracks).ok(), edit.apply(&segment, &fixture.tracks).ok());
    }
}

#[test]
fn mistakes_say_what_is_allowed() {
    let cases = [
        ("tdft +3s", "there is none of this form; write \"garbage\", \"garbage 25%..50%\""),
        ("tfdt 3s", "a shift begins with + or -; write \"tfdt +300s\", \"tfdt -1.5s 32bit\""),
        ("tfdt +3", "\"1.5s\" or \"180ms\""),
        ("tfdt +2000000s", "at most 1000000s"),
        ("tfdt wrap 8s 64bit", "32 bits long in any case"),
        ("tfdt sound +3s", "write \"tfdt +300s\""),
        ("tfdt", "a tfdt is shifted, set to 0"),
        ("garbage 50%..20%", "the first below the second"),
        ("garbage 20%..50", "two percentages or two byte counts"),
        ("corrupt 0%", "above 0% and at most 100%"),
        ("corrupt frame 0", "counted from 1"),
        ("corrupt sound 10%", "a track is \"video\" or \"audio\""),
        ("mdat size 100%", "0 to 1000 % of the true one"),
        ("mdat size -5%", "0 to 1000 % of the true one"),
        ("cut trun", "moof, mdat or moov; write \"cut moof\", \"cut mdat\""),
        ("box free", "no such box to insert; write \"box unknown\", \"box emsg\""),
        ("avcC profile 300", "0 to 255"),
        ("no keyframe", "write \"no key frame\" or \"no first key frame\""),
        ("", "there is none of this form"),
    ];
    for (text, expected) in cases {
        let error = Edit::try_from(text.to_owned()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{text:?} is no edit")) && error.contains(expected), "{error}");
    }
}

#[test]
fn one_edit_or_a_list_stand_in_a_scenario() {
    #[derive(Debug, Deserialize)]
    struct Table {
        media: Edits,
    }
    let read = |text| toml::from_str::<Table>(text).map(|table| table.media);
    assert_eq!(read("media = \"no key frame\"").unwrap().0, [edit("no key frame")]);
    let two = read("media = [\"without audio\", \"tfdt +3s\"]").unwrap();
    assert_eq!(two.0, [edit("without audio"), edit("tfdt +3s")]);
    let bytes = two.apply(&segment_2(), &fixture().tracks).unwrap();
    assert_eq!(moof(&bytes).traf.len(), 1);
    assert_eq!(moof(&bytes).traf[0].tfdt.as_ref().unwrap().base_media_decode_time, 70_000);
    for (text, expected) in [
        ("media = []", "at least one edit"),
        ("media = 3", "expected an edit of media, or a list of them"),
        ("media = [\"garbage\", \"garbag\"]", "\"garbag\" is no edit"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("1 | media"), "{error}");
    }
}

#[test]
fn garbage_stays_where_it_was_asked_for() {
    let segment = segment_2();
    let changed = |text| {
        let after = edited(text, &segment);
        assert_eq!(after.len(), segment.len());
        let at: Vec<_> = (0..segment.len()).filter(|i| after[*i] != segment[*i]).collect();
        (at[0], at[at.len() - 1] + 1, at.len())
    };
    let (from, to, many) = changed("garbage");
    assert!(from < 4 && to > segment.len() - 4 && many > segment.len() * 9 / 10);
    let (from, to, many) = changed("garbage 100..200");
    assert!((100..105).contains(&from) && (195..=200).contains(&to) && many > 85);
    let (from, to, _) = changed("garbage 25%..50%");
    assert!(from >= segment.len() / 4 && to <= segment.len() / 2);
    let moof_len = kinds_and_lengths(&segment)[0].1;
    let (from, to, _) = changed("garbage mdat");
    assert!((moof_len + 8..moof_len + 12).contains(&from) && to > segment.len() - 4);
    let beyond = edit("garbage 100000..100001").apply(&segment, &fixture().tracks).unwrap_err().to_string();
    assert!(beyond.contains("no byte in that stretch"), "{beyond}");
}

#[test]
fn other_bytes_get_other_garbage() {
    let fixture = fixture();
    let [one, two] = [0, 1].map(|n| edited("garbage 100..200", &fixture.segments[n].bytes));
    assert_ne!(one[100..200], two[100..200]);
}

fn kinds_and_lengths(bytes: &[u8]) -> Vec<(String, usize)> {
    let mut at = 0;
    let mut found = Vec::new();
    for kind in kinds(bytes) {
        let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        found.push((kind, len));
        at += len;
    }
    found
}

#[test]
fn corruption_leaves_lengths_headers_and_other_samples() {
    let corrupted = |text| -> Vec<usize> {
        let after = edited(text, &segment_2());
        assert_eq!(moof(&after), moof(&segment_2()));
        let [before, after] = [&segment_2(), &after].map(|b| samples(b).into_iter().flat_map(|(_, s)| s));
        let both = before.zip(after).enumerate();
        both.filter(|(_, (old, new))| {
            if old.starts_with(&[0, 0, 0, 2]) {
                // Delimiter, length of the slice and its header.
                assert_eq!(old[..11], new[..11]);
            }
            old != new
        })
        .map(|(i, _)| i)
        .collect()
    };
    assert_eq!(corrupted("corrupt frame 1"), [0]);
    assert_eq!(corrupted("corrupt frame 20"), [19]);
    assert_eq!(corrupted("corrupt 10%"), [9, 19]);
    assert_eq!(corrupted("corrupt 1%"), [19]);
    assert_eq!(corrupted("corrupt 100%"), (0..20).collect::<Vec<_>>());
    assert_eq!(corrupted("corrupt audio 25%"), [23, 27, 31, 35, 39]);
    assert_eq!(corrupted("corrupt audio frame 2"), [21]);
    let error = edit("corrupt frame 21").apply(&segment_2(), &fixture().tracks).unwrap_err();
    assert!(error.to_string().contains("no such sample"), "{error}");
}

#[test]
fn boxes_are_cut() {
    assert_eq!(kinds(&edited("cut moof", &segment_2())), ["mdat"]);
    assert_eq!(kinds(&edited("cut mdat", &segment_2())), ["moof"]);
    let [moof, mdat] = kinds_and_lengths(&segment_2()).try_into().unwrap();
    assert_eq!(edited("cut inside moof", &segment_2()), segment_2()[..moof.1 / 2]);
    assert_eq!(edited("cut inside mdat", &segment_2()), segment_2()[..moof.1 + mdat.1 / 2]);
    let init = fixture().init;
    assert_eq!(edited("cut inside moov", &init), init[..init.len() / 2]);
    assert!(edited("cut moov", &init).is_empty());
}

#[test]
fn an_mdat_lies_about_its_size() {
    let [(_, moof), (_, mdat)] = kinds_and_lengths(&segment_2()).try_into().unwrap();
    for (text, said) in [("50%", mdat / 2), ("200%", mdat * 2), ("0", 0)] {
        let after = edited(&format!("mdat size {text}"), &segment_2());
        assert_eq!(after[moof..moof + 4], (said as u32).to_be_bytes());
        let mut otherwise = segment_2();
        otherwise[moof..moof + 4].copy_from_slice(&after[moof..moof + 4]);
        if text == "50%" {
            // Read as a box, the other half is larger than 2 GiB, whatever the encoder made.
            otherwise[moof + said] |= 0x80;
        }
        assert_eq!(after, otherwise, "{text}");
    }
}

#[test]
fn decode_times_move() {
    let cases = [
        ("tfdt +300s", (3_040_000, 14_592_000)),
        ("tfdt -1.5s", (25_000, 120_000)),
        ("tfdt -5s", (0, 0)),
        ("tfdt -5s 32bit", ((1 << 32) - 10_000, (1 << 32) - 48_000)),
        ("tfdt video +180ms", (41_800, 192_000)),
        ("tfdt audio -20ms", (40_000, 191_040)),
        ("tfdt 0", (0, 0)),
        ("tfdt audio 0", (40_000, 0)),
        ("tfdt 32bit", (40_000, 192_000)),
    ];
    for (text, expected) in cases {
        let after = edited(text, &segment_2());
        assert_eq!(times(&after), expected, "{text}");
        assert_eq!(samples(&after), samples(&segment_2()), "{text}");
    }
}

#[test]
fn a_tfdt_has_the_form_asked_for() {
    let short = edited("tfdt 32bit", &segment_2());
    assert_eq!(short.len(), segment_2().len() - 8);
    assert_eq!(edited("tfdt 64bit", &short), segment_2());
    // A shift leaves the form as it is.
    assert_eq!(edited("tfdt +1s", &short).len(), short.len());
    assert_eq!(edited("tfdt 64bit", &edited("tfdt +1s", &short)), edited("tfdt +1s", &segment_2()));
}

/// The sound has the larger timescale, so it is the one that wraps, and the picture stays with it.
#[test]
fn the_finer_clock_wraps_and_the_other_stays_with_it() {
    let fixture = fixture();
    let wrapped = |text: &str, n: usize| times(&edited(text, &fixture.segments[n].bytes));
    let limit_s = (1u64 << 32) as f64 / f64::from(AUDIO_TIMESCALE);
    for (n, audio) in [(3, (1 << 32) - 96_000), (4, 0), (5, 96_000)] {
        let (video, at) = wrapped("tfdt wrap 8s", n);
        assert_eq!(at, audio);
        let expected_s = limit_s - 8.0 + n as f64 * 2.0;
        assert!((video as f64 / f64::from(VIDEO_TIMESCALE) - expected_s).abs() < 1e-4, "{video}");
    }
    let (video, audio) = wrapped("tfdt wrap video 8s", 4);
    assert_eq!(video, 0);
    // 2^32 ticks of the picture are more than four times as many of the sound.
    assert_eq!(audio, ((1u128 << 32) * 48_000 / 10_000 % (1 << 32)) as u64);
}

#[test]
fn key_frames_go_and_the_rest_keeps_its_time() {
    let after = edited("no key frame", &segment_2());
    assert_eq!(samples(&after), [(1, [pictures(1..10), pictures(11..20)].concat()), (2, sounds(0..20))]);
    let held = media::track_fragment(&after, &fixture().tracks[0]).unwrap().unwrap();
    assert_eq!((held.decode_time, held.duration, held.samples), (41_000, 19_000, 18));
    assert!(!held.starts_with_sync_sample);
    // The time of the one in the middle went to the frame before it.
    let durations: Vec<_> =
        moof(&after).traf[0].trun[0].samples.iter().map(|s| s.duration.unwrap()).collect();
    assert_eq!((durations[7], durations[8], durations[9]), (1000, 2000, 1000));

    let after = edited("no first key frame", &segment_2());
    assert_eq!(samples(&after)[0].1, pictures(1..20));
    assert_eq!(times(&after), (41_000, 192_000));
    let error = edit("no key frame")
        .apply(&after, &fixture().tracks)
        .and_then(|after| edit("no key frame").apply(&after, &fixture().tracks));
    assert!(error.unwrap_err().to_string().contains("no key frame"));
}

#[test]
fn a_track_goes() {
    assert_eq!(samples(&edited("without audio", &segment_2())), [(1, pictures(0..20))]);
    assert_eq!(samples(&edited("without video", &segment_2())), [(2, sounds(0..20))]);
    let tracks = fixture().tracks;
    assert_eq!(media::tracks(&edited("without audio", &fixture().init)).unwrap(), tracks[..1]);
    let left = edited("without video", &fixture().init);
    assert_eq!(media::tracks(&left).unwrap(), tracks[1..]);
    let moov = Moov::decode(&mut left.as_slice()).unwrap();
    assert_eq!(moov.mvex.unwrap().trex.len(), 1);
    let nothing = edit("without video").apply(&edited("without audio", &segment_2()), &tracks).unwrap_err();
    assert!(nothing.to_string().contains("no sample that would be left"), "{nothing}");
}

#[test]
fn samples_go_at_either_end() {
    assert_eq!(samples(&edited("audio shorter 200ms", &segment_2()))[1].1, sounds(0..18));
    assert_eq!(samples(&edited("audio shorter 201ms", &segment_2()))[1].1, sounds(0..17));
    assert_eq!(samples(&edited("video shorter 1s", &segment_2()))[0].1, pictures(0..10));
    let late = edited("audio late 180ms", &segment_2());
    assert_eq!(samples(&late), [(1, pictures(0..20)), (2, sounds(2..20))]);
    assert_eq!(times(&late), (40_000, 192_000 + 9_600));
    // Of two fragments it is the last or the first that loses.
    let parted = edited("two fragments", &segment_2());
    let trafs: Vec<_> =
        samples(&edited("audio shorter 200ms", &parted)).into_iter().map(|(_, s)| s.len()).collect();
    assert_eq!(trafs, [10, 10, 10, 8]);
    let trafs: Vec<_> =
        samples(&edited("audio late 180ms", &parted)).into_iter().map(|(_, s)| s.len()).collect();
    assert_eq!(trafs, [10, 8, 10, 10]);
}

#[test]
fn what_leaves_no_picture_or_half_of_one_spoils_a_segment() {
    for text in ["video late 180ms", "video shorter 200ms", "without video", "corrupt frame 1"] {
        assert!(edit(text).spoils(), "{text}: the frames behind the key frame hang on it, or are not there");
    }
    assert!(edit("box unknown").spoils(), "no engine takes it");
    for text in ["box unknown in moof", "box emsg"] {
        assert!(!edit(text).spoils(), "{text}: it is passed over");
    }
    for text in ["audio late 180ms", "without audio", "corrupt audio frame 1", "tfdt +300s", "two fragments"]
    {
        assert!(!edit(text).spoils(), "{text}");
    }
}

#[test]
fn a_segment_is_parted_at_its_key_frame() {
    let after = edited("two fragments", &segment_2());
    assert_eq!(kinds(&after), ["moof", "mdat", "moof", "mdat"]);
    let expected = [(1, pictures(0..10)), (2, sounds(0..10)), (1, pictures(10..20)), (2, sounds(10..20))];
    assert_eq!(samples(&after), expected);
    let second = &moofs(&after)[1];
    let times: Vec<_> = second.traf.iter().map(|t| t.tfdt.as_ref().unwrap().base_media_decode_time).collect();
    assert_eq!(times, [50_000, 240_000]);
}

#[test]
fn the_audio_traf_comes_first_and_all_data_stays() {
    let after = edited("audio first", &segment_2());
    assert_eq!(samples(&after), [(2, sounds(0..20)), (1, pictures(0..20))]);
    assert_eq!(after.len(), segment_2().len());
    let [(_, moof), _] = kinds_and_lengths(&after).try_into().unwrap();
    assert_eq!(after[moof..], segment_2()[moof..]);
    let alone =
        edit("audio first").apply(&edited("without audio", &segment_2()), &fixture().tracks).unwrap_err();
    assert!(alone.to_string().contains("an audio and a video traf"), "{alone}");
}

#[test]
fn boxes_are_added() {
    for (what, kind) in
        [("unknown", "sgpf"), ("emsg", "emsg"), ("prft", "prft"), ("sidx", "sidx"), ("styp", "styp")]
    {
        let after = edited(&format!("box {what}"), &segment_2());
        assert_eq!(kinds(&after), [kind, "moof", "mdat"]);
        assert_eq!(samples(&after), samples(&segment_2()));
    }
    // A later edit of time must not be contradicted by the index.
    let after = edited("tfdt +1s", &edited("box sidx", &segment_2()));
    assert_eq!(after, edited("tfdt +1s", &segment_2()));
    assert_eq!(kinds(&edited("box unknown", &fixture().init)), ["sgpf", "moov"]);
    for parent in ["moof", "traf"] {
        let after = edited(&format!("box unknown in {parent}"), &segment_2());
        assert_eq!(samples(&after), samples(&segment_2()), "{parent}");
        let many = after.windows(4).filter(|window| window == b"sgpf").count();
        assert_eq!(many, if parent == "traf" { 2 } else { 1 });
    }
    for parent in ["moov", "trak"] {
        let after = edited(&format!("box unknown in {parent}"), &fixture().init);
        assert_eq!(media::tracks(&after).unwrap(), fixture().tracks, "{parent}");
    }
}

#[test]
fn a_track_that_nobody_plays_is_added_behind_the_others() {
    let after = edited("track timecode", &fixture().init);
    let moov = Moov::decode(&mut after.as_slice()).unwrap();
    let ids = |moov: &Moov| moov.trak.iter().map(|trak| trak.tkhd.track_id).collect::<Vec<_>>();
    let before = Moov::decode(&mut &fixture().init[..]).unwrap();
    assert_eq!(ids(&moov), [ids(&before), vec![9]].concat());
    assert_eq!(&moov.trak.last().unwrap().mdia.hdlr.handler, &b"tmcd".into());
    assert_eq!(moov.mvex.unwrap().trex.last().unwrap().track_id, 9);
    // What the suite reads of it is the same.
    assert_eq!(media::tracks(&after).unwrap(), fixture().tracks);
}

#[test]
fn the_avcc_says_another_profile() {
    let init = edited("avcC profile 100", &fixture().init);
    let changed: Vec<_> = (0..init.len()).filter(|i| init[*i] != fixture().init[*i]).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(init[changed[0]], 100);
    let moov = Moov::decode(&mut init.as_slice()).unwrap();
    let Codec::Avc1(avc1) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else { panic!("no avc1") };
    assert_eq!(avc1.avcc.avc_profile_indication, 100);
}

/// What a scenario cannot rule out beforehand is an error, never a panic.
#[test]
fn no_edit_panics_on_bytes_that_are_no_media() {
    let (fixture, segment) = (fixture(), segment_2());
    let bodies = [
        Vec::new(),
        b"<html>not found</html>".to_vec(),
        segment[..segment.len() / 3].to_vec(),
        segment[..segment.len() - 7].to_vec(),
        fixture.init[..fixture.init.len() / 2].to_vec(),
        edited("garbage", &segment),
        edited("garbage 8..400", &segment),
        edited("mdat size 0", &segment),
        edited("mdat size 200%", &segment),
    ];
    for form in FORMS {
        for body in &bodies {
            for tracks in [&fixture.tracks[..], &fixture.tracks[..1], &[]] {
                let result: Result<_, MediaError> = edit(form).apply(body, tracks);
                if let Err(error) = result {
                    assert!(error.to_string().contains(form), "{error}");
                }
            }
        }
    }
}
