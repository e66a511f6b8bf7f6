//! The X display for browsers that need one even if nobody looks at it.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::processes;

/// A virtual display of the run's own. Dropping it kills it.
#[derive(Debug)]
pub struct Display {
    /// What `DISPLAY` names it.
    pub name: String,
    pub group: u32,
    child: Box<dyn ChildWrapper>,
}

impl Display {
    /// Starts a display under a number that nobody has, reachable from this machine only. `note` is told its process group
    /// before it is waited for.
    pub async fn start(log: &Path, note: impl FnOnce(u32) -> std::io::Result<()>) -> Result<Display, String> {
        let failed = |error: std::io::Error| format!("Xvfb does not start: {error}");
        let log = File::create(log).map_err(failed)?;
        let spawned = CommandWrap::with_new("Xvfb", |command| {
            command.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        })
        .wrap(ProcessGroup::leader())
        .wrap(KillOnDrop)
        .spawn();
        let mut child = spawned.map_err(failed)?;
        let group = child.id().ok_or("Xvfb ended at once")?;
        note(group).map_err(|error| format!("the record of running drivers cannot be written: {error}"))?;
        let output = child.stdout().take().ok_or("Xvfb has no output")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        let reading = output.read_line(&mut line);
        match tokio::time::timeout(READY_DEADLINE, reading).await {
            Ok(Ok(_)) if line.trim().parse::<u32>().is_ok() => {}
            _ => return Err("Xvfb did not say which display it serves".to_owned()),
        }
        Ok(Display { name: format!(":{}", line.trim()), group, child })
    }

    /// Whether it still serves.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it so that it removes its socket and its lock.
    pub async fn end(mut self) {
        processes::signal_group(self.group, Signal::SIGTERM);
        // Killed when dropped, if it does not obey.
        let _either_way = tokio::time::timeout(END_DEADLINE, self.child.wait()).await;
    }
}

const READY_DEADLINE: Duration = Duration::from_secs(10);
const END_DEADLINE: Duration = Duration::from_secs(2);
