//! The documented command as a broadcaster runs it: a source in real time, a window of segments in a folder.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{ChildStdin, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use ffmpeg_sidecar::iter::FfmpegIterator;

use super::ffmpeg::{FfmpegError, LogTail, Running, spawn};
use super::live_args;

/// An ffmpeg that packages a source in real time until the source ends or it is stopped.
///
/// ffmpeg reads from a pipe that this process feeds, so it also ends when this process is killed. Dropped,
/// it is killed at once and leaves a playlist without EXT-X-ENDLIST, as a broadcaster that dies does.
pub struct LivePackager {
    ffmpeg: Running,
    feeder: Option<JoinHandle<io::Result<()>>>,
    stop_feeding: Arc<AtomicBool>,
    log: Arc<Mutex<LogTail>>,
    /// Closed once ffmpeg has closed its log, which it does by ending.
    log_open: Receiver<()>,
}

impl LivePackager {
    /// Starts packaging `source_ts` into `folder` as `KEY.m3u8`, `KEY.mp4`, `KEY0.m4s`, ...
    ///
    /// `hls_time` is in seconds, `list_size` in segments. An error here says that the source cannot be
    /// opened or ffmpeg not be started; what ffmpeg thinks of the source is found in [`Self::log`].
    pub fn spawn(
        source_ts: &Path,
        folder: &Path,
        key: &str,
        hls_time: u32,
        list_size: u32,
    ) -> Result<LivePackager, FfmpegError> {
        let source = File::open(source_ts).map_err(FfmpegError::Io)?;
        let mut ffmpeg = spawn(folder, &live_args(key, hls_time, list_size))?;
        let events = ffmpeg.iter().map_err(|e| FfmpegError::Io(io::Error::other(e)))?;
        let stdin = ffmpeg.take_stdin().expect("a new child has its standard input");

        let log = Arc::new(Mutex::new(LogTail::default()));
        let log_open = follow_log(events, Arc::clone(&log));
        let stop_feeding = Arc::new(AtomicBool::new(false));
        let feeder = Some(thread::spawn({
            let stop_feeding = Arc::clone(&stop_feeding);
            move || feed(source, stdin, &stop_feeding)
        }));
        Ok(LivePackager { ffmpeg, feeder, stop_feeding, log, log_open })
    }

    /// The last lines of ffmpeg's log, oldest first; warnings and errors only.
    pub fn log(&self) -> Vec<String> {
        lock(&self.log).lines()
    }

    /// How ffmpeg ended, or `None` while it runs.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>, FfmpegError> {
        self.ffmpeg.as_inner_mut().try_wait().map_err(FfmpegError::Io)
    }

    /// Ends the broadcast in order: ffmpeg packages what it has already been fed, which takes up to a few
    /// seconds because it does so in real time, and closes the playlist with EXT-X-ENDLIST.
    ///
    /// Blocks meanwhile; an ffmpeg that needs longer than [`STOP_LIMIT`] is killed and reported as stuck.
    pub fn stop(mut self) -> Result<(), FfmpegError> {
        self.stop_feeding.store(true, Ordering::Relaxed);
        if self.log_open.recv_timeout(STOP_LIMIT) == Err(RecvTimeoutError::Timeout) {
            return Err(FfmpegError::Stuck { limit_s: STOP_LIMIT.as_secs(), log: lock(&self.log).text() });
        }
        let status = self.ffmpeg.wait().map_err(FfmpegError::Io)?;
        // An ffmpeg that failed also broke the feeder's pipe: its own reason is the one worth telling.
        lock(&self.log).judge(status)?;
        self.join_feeder().map_err(FfmpegError::Io)
    }

    fn join_feeder(&mut self) -> io::Result<()> {
        let Some(feeder) = self.feeder.take() else { return Ok(()) };
        feeder.join().unwrap_or_else(|_| Err(io::Error::other("the thread that feeds ffmpeg panicked")))
    }
}

impl Drop for LivePackager {
    fn drop(&mut self) {
        self.stop_feeding.store(true, Ordering::Relaxed);
        // Its death breaks the pipe, which is what frees a feeder that waits for it to read.
        let _ = self.ffmpeg.kill();
        let _ = self.join_feeder();
    }
}

/// Writes the source into ffmpeg's input and closes it; ffmpeg's reading sets the pace.
fn feed(mut source: File, mut stdin: ChildStdin, stop: &AtomicBool) -> io::Result<()> {
    let mut chunk = [0; FEED_CHUNK_BYTES];
    while !stop.load(Ordering::Relaxed) {
        let read = source.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        stdin.write_all(&chunk[..read])?;
    }
    Ok(())
}

/// Keeps the log's tail current; the channel closes with the log.
fn follow_log(events: FfmpegIterator, log: Arc<Mutex<LogTail>>) -> Receiver<()> {
    let (open, log_open) = channel();
    thread::spawn(move || {
        events.for_each(|event| lock(&log).note(event));
        drop(open);
    });
    log_open
}

fn lock(log: &Mutex<LogTail>) -> MutexGuard<'_, LogTail> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long ffmpeg may take to package what it was fed before the end of its input; the pipe and its own
/// buffer hold some seconds of a low bitrate.
pub const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Seven packets of MPEG-TS, as it is sent over UDP.
const FEED_CHUNK_BYTES: usize = 7 * 188;

#[cfg(test)]
mod tests;
