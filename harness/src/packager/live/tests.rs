//! Goal: the live packager shows a sliding window of real files, ends in order, and never outlives its owner.
//! Method: the plain fixture, whose segments are one second, is packaged in real time into an empty folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::*;
use crate::fixtures;

const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn older_segments_vanish_and_a_stop_ends_the_playlist() {
    let folder = tempfile::tempdir().unwrap();
    let mut live = LivePackager::spawn(&source(), folder.path(), "LIVE", 1, 5).unwrap();

    let listed = await_playlist(folder.path(), &mut live, |listed| listed.media_sequence >= 2);
    let names: Vec<_> = listed.segments.iter().map(|segment| segment.uri.clone()).collect();
    let expected: Vec<_> = (0..5).map(|i| format!("LIVE{}.m4s", listed.media_sequence + i)).collect();
    assert_eq!(names, expected);
    assert!(!listed.end_list);
    assert!(!folder.path().join("LIVE0.m4s").exists(), "the oldest segment is still there");
    assert!(folder.path().join("LIVE.mp4").exists());
    assert!(folder.path().join(&names[4]).exists());
    assert_eq!(live.exit_status().unwrap(), None);

    live.stop().unwrap();
    assert!(playlist(folder.path()).unwrap().end_list);
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_it_is_gone_and_the_playlist_stays_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut live = LivePackager::spawn(&source(), folder.path(), "LIVE", 1, 5).unwrap();
    let id = live.ffmpeg.as_inner().id();
    await_playlist(folder.path(), &mut live, |listed| !listed.segments.is_empty());
    drop(live);
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "ffmpeg {id} is still there");
    assert!(!playlist(folder.path()).unwrap().end_list);
}

#[test]
fn a_source_that_is_none_is_told_in_ffmpegs_words() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.ts");
    fs::write(&source, "this is not MPEG-TS").unwrap();
    let live = LivePackager::spawn(&source, folder.path(), "LIVE", 1, 5).unwrap();
    let error = live.stop().unwrap_err();
    assert!(matches!(&error, FfmpegError::Failed { log, .. } if log.contains("pipe:0")), "{error}");
}

fn source() -> PathBuf {
    fixtures::tests::made("bars-round").source
}

fn playlist(folder: &Path) -> Option<m3u8_rs::MediaPlaylist> {
    let text = fs::read(folder.join("LIVE.m3u8")).ok()?;
    Some(m3u8_rs::parse_media_playlist_res(&text).expect("ffmpeg replaces its playlist in one step"))
}

/// Polls, because files are all that the documented command says of its progress.
fn await_playlist(
    folder: &Path,
    live: &mut LivePackager,
    wanted: impl Fn(&m3u8_rs::MediaPlaylist) -> bool,
) -> m3u8_rs::MediaPlaylist {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(listed) = playlist(folder).filter(&wanted) {
            return listed;
        }
        assert_eq!(live.exit_status().unwrap(), None, "ffmpeg ended: {:?}", live.log());
        assert!(Instant::now() < deadline, "no such playlist within {LIMIT:?}: {:?}", live.log());
        thread::sleep(Duration::from_millis(100));
    }
}
