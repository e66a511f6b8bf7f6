//! Running ffmpeg: progress while it works, its own last words when it fails.

use std::collections::VecDeque;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Command, ExitStatus};

use ffmpeg_sidecar::child::FfmpegChild;
use ffmpeg_sidecar::command::FfmpegCommand;
use ffmpeg_sidecar::event::FfmpegEvent;
use ffmpeg_sidecar::paths::ffmpeg_path;

/// Why ffmpeg did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    /// There is no ffmpeg beside this program or in the search path.
    #[error("ffmpeg was not found; install it or put it into the search path")]
    Missing,
    /// ffmpeg could not write for want of space.
    #[error("the disk is full: no space left on device; ffmpeg said:\n{log}")]
    DiskFull { log: String },
    /// ffmpeg ended with an error; `log` holds its last lines.
    #[error("ffmpeg failed ({status}); its last lines:\n{log}")]
    Failed { status: ExitStatus, log: String },
    /// ffmpeg did not end in time after its input had ended, and was killed.
    #[error("ffmpeg did not end within {limit_s} s of the end of its input; its last lines:\n{log}")]
    Stuck { limit_s: u64, log: String },
    /// ffmpeg could not be started or watched.
    #[error("ffmpeg could not be run")]
    Io(#[source] io::Error),
}

/// Runs ffmpeg in `dir` to its end. `on_frame` gets the number of video frames written so far, a few times
/// a second.
pub fn run(dir: &Path, args: &[String], mut on_frame: impl FnMut(u32)) -> Result<(), FfmpegError> {
    let mut child = spawn(dir, &[&strings(&["-nostdin"]), args].concat())?;
    let mut log = LogTail::default();
    let events = child.iter().map_err(|e| FfmpegError::Io(io::Error::other(e)))?;
    for event in events {
        match event {
            FfmpegEvent::Progress(progress) => on_frame(progress.frame),
            event => log.note(event),
        }
    }
    log.judge(child.wait().map_err(FfmpegError::Io)?)
}

/// The first line of `ffmpeg -version`, which names the build.
pub fn version_line() -> Result<String, FfmpegError> {
    let output = Command::new(ffmpeg_path()).arg("-version").output().map_err(spawn_error)?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(FfmpegError::Failed { status: output.status, log });
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// Starts ffmpeg in `dir` with statistics ten times a second and its log reduced to warnings and errors.
pub(super) fn spawn(dir: &Path, args: &[String]) -> Result<Running, FfmpegError> {
    // A missing working folder looks like a missing program to whoever starts one.
    std::fs::metadata(dir).map_err(FfmpegError::Io)?;
    let mut command = FfmpegCommand::new();
    command.args(["-hide_banner", "-loglevel", "level+warning", "-stats", "-stats_period", "0.1"]);
    command.overwrite().args(args).as_inner_mut().current_dir(dir);
    command.spawn().map(Running).map_err(spawn_error)
}

/// An ffmpeg that does not outlive its owner.
pub(super) struct Running(FfmpegChild);

impl Deref for Running {
    type Target = FfmpegChild;

    fn deref(&self) -> &FfmpegChild {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut FfmpegChild {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail harmlessly if ffmpeg has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The last lines of a log, which are where ffmpeg says what went wrong.
#[derive(Debug, Default)]
pub(super) struct LogTail {
    lines: VecDeque<String>,
    disk_full: bool,
}

impl LogTail {
    pub fn note(&mut self, event: FfmpegEvent) {
        let (FfmpegEvent::Log(_, line) | FfmpegEvent::Error(line)) = event else { return };
        if line.is_empty() {
            return;
        }
        // Kept apart from the lines: what follows it may push the line itself out.
        self.disk_full |= line.contains("No space left on device");
        if self.lines.len() == LOG_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The segmenter may end with success after a segment that could not be written, so the log decides too.
    pub fn judge(&self, status: ExitStatus) -> Result<(), FfmpegError> {
        match (self.disk_full, status.success()) {
            (true, _) => Err(FfmpegError::DiskFull { log: self.text() }),
            (false, false) => Err(FfmpegError::Failed { status, log: self.text() }),
            (false, true) => Ok(()),
        }
    }
}

fn spawn_error(error: io::Error) -> FfmpegError {
    match error.kind() {
        io::ErrorKind::NotFound => FfmpegError::Missing,
        _ => FfmpegError::Io(error),
    }
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| arg.to_string()).collect()
}

const LOG_LINES_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn run_here(args: &[&str]) -> Result<(), FfmpegError> {
        run(&std::env::temp_dir(), &strings(args), |_| ())
    }

    #[test]
    fn a_failure_carries_what_ffmpeg_said() {
        let error = run_here(&["-i", "no-such-file.ts", "-f", "null", "-"]).unwrap_err();
        let FfmpegError::Failed { status, log } = &error else { panic!("{error}") };
        assert!(!status.success());
        assert!(log.contains("no-such-file.ts: No such file or directory"), "{log}");
        assert!(error.to_string().contains("no-such-file.ts"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_recognised() {
        let error =
            run_here(&["-f", "lavfi", "-i", "testsrc2=duration=5", "-f", "mpegts", "/dev/full"]).unwrap_err();
        assert!(matches!(error, FfmpegError::DiskFull { .. }), "{error}");
        assert!(error.to_string().contains("No space left on device"), "{error}");
    }

    #[test]
    fn a_missing_ffmpeg_is_its_own_case() {
        let error = FfmpegCommand::new_with_path("no-such-ffmpeg").spawn().map(|_| ()).unwrap_err();
        assert!(matches!(spawn_error(error), FfmpegError::Missing));
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut log = LogTail::default();
        log.note(FfmpegEvent::Error("No space left on device".into()));
        (0..LOG_LINES_MAX).for_each(|n| log.note(FfmpegEvent::Error(format!("line {n}"))));
        assert_eq!(log.lines().len(), LOG_LINES_MAX);
        assert_eq!(log.lines()[0], "line 0");
        assert!(matches!(log.judge(ExitStatus::default()), Err(FfmpegError::DiskFull { .. })));
    }
}
