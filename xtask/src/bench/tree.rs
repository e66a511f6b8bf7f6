//! What a command and everything it starts cost: processor time and memory of the whole tree.
//!
//! Browsers are in process groups of their own and are killed, so nobody waits for most of their processes, and their
//! times would be lost. But who has lost its parent becomes a child of the nearest *subreaper* above it: that is this
//! process, and so every descendant ends as a child of its own parent or of ours, and its times are added to somebody's
//! who is waited for. Linux only.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a tree of processes cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// User and system time.
    pub cpu: Duration,
    /// The most memory that all of it held at once and that no file backs, as far as was seen.
    pub memory_peak_bytes: u64,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub cost: Cost,
}

/// Runs a command, in a process group of its own, until it and all that it started has ended. What it costs is counted
/// from when `begun` exists, if that ever is, and else from the start. An interruption is handed on to it. This process
/// may have no other children meanwhile.
#[cfg(target_os = "linux")]
pub fn run(
    command: &mut Command,
    begun: Option<&Path>,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<Ended> {
    use std::os::unix::process::CommandExt;

    use anyhow::{Context, ensure};
    use nix::sys::prctl;
    use nix::sys::signal::Signal;

    prctl::set_child_subreaper(true).context("orphans cannot be adopted")?;
    let mut tree = Tree::new()?;
    let child = command.process_group(0).spawn().context("the command does not start")?.id();
    let mut told = false;
    let mut is_counted = begun.is_none();
    let mut ended: Option<(Option<i32>, Instant)> = None;
    loop {
        if interrupted.load(Ordering::SeqCst) && !std::mem::replace(&mut told, true) {
            crate::processes::signal_group(child, Signal::SIGINT);
        }
        let has_children = tree.reap(|pid, code| {
            if pid == child {
                ended = Some((code, Instant::now()));
            }
        })?;
        if !has_children {
            break;
        }
        tree.look()?;
        if !is_counted && begun.is_some_and(Path::exists) {
            is_counted = true;
            tree.count_from_here()?;
        }
        if let Some((_, at)) = ended {
            let left = tree.alive.len();
            ensure!(
                at.elapsed() < LEFT_DEADLINE,
                "{left} processes outlived the command by {LEFT_DEADLINE:?}"
            );
        }
        std::thread::sleep(LOOK);
    }
    let (code, _) = ended.context("the command was not seen to end")?;
    Ok(Ended { code, cost: tree.cost()? })
}

#[cfg(not(target_os = "linux"))]
pub fn run(_: &mut Command, _: Option<&Path>, _: &Arc<AtomicBool>) -> anyhow::Result<Ended> {
    anyhow::bail!(
        "the processor time of a browser's processes is counted on Linux only: run the benchmark there"
    )
}

/// The descendants of this process.
#[derive(Debug, Default)]
struct Tree {
    alive: BTreeSet<u32>,
    /// Of those that are alive.
    alive_cpu: Duration,
    memory_peak_bytes: u64,
    /// What had been spent when counting began.
    before: Duration,
}

#[cfg(target_os = "linux")]
impl Tree {
    fn new() -> anyhow::Result<Tree> {
        let mut tree = Tree::default();
        tree.count_from_here()?;
        Ok(tree)
    }

    /// Waits for the children that have ended; says whether there are others.
    fn reap(&self, mut of: impl FnMut(u32, Option<i32>)) -> anyhow::Result<bool> {
        use nix::errno::Errno;
        use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
        use nix::unistd::Pid;

        loop {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => of(pid.as_raw() as u32, Some(code)),
                Ok(WaitStatus::Signaled(pid, ..)) => of(pid.as_raw() as u32, None),
                Ok(WaitStatus::StillAlive) => return Ok(true),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Looks at who is there.
    fn look(&mut self) -> anyhow::Result<()> {
        let all: Vec<Stat> = std::fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Stat::read)
            .collect();
        let mut found = BTreeSet::from([std::process::id()]);
        loop {
            let before = found.len();
            found.extend(
                all.iter().filter(|stat| found.contains(&stat.parent)).map(|s| s.pid).collect::<Vec<_>>(),
            );
            if found.len() == before {
                break;
            }
        }
        found.remove(&std::process::id());
        let own = || all.iter().filter(|stat| found.contains(&stat.pid));
        self.alive_cpu = own().map(|stat| stat.cpu).sum();
        let memory = own().filter_map(|stat| anonymous_bytes(stat.pid)).sum();
        self.memory_peak_bytes = self.memory_peak_bytes.max(memory);
        self.alive = found;
        Ok(())
    }

    fn count_from_here(&mut self) -> anyhow::Result<()> {
        self.before = self.ended_cpu()? + self.alive_cpu;
        self.memory_peak_bytes = 0;
        Ok(())
    }

    /// When nobody is left.
    fn cost(&self) -> anyhow::Result<Cost> {
        let cpu = self.ended_cpu()?.saturating_sub(self.before);
        Ok(Cost { cpu, memory_peak_bytes: self.memory_peak_bytes })
    }

    /// Of the children that were waited for, and of those that these waited for.
    fn ended_cpu(&self) -> anyhow::Result<Duration> {
        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::TimeVal;

        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let time = |time: TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000);
        Ok(time(usage.user_time()) + time(usage.system_time()))
    }
}

/// What `/proc` says of a process.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Stat {
    pid: u32,
    parent: u32,
    /// Its own, and that of its children that it has waited for.
    cpu: Duration,
}

#[cfg(target_os = "linux")]
impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // What follows the program's name, which is in parentheses and may hold anything: fields 3 and on.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks =
            fields.get(11..15)?.iter().map(|field| field.parse::<u64>().unwrap_or_default()).sum::<u64>();
        // Linux counts in hundredths of a second wherever user space is told.
        Some(Stat { pid, parent: fields.get(1)?.parse().ok()?, cpu: Duration::from_millis(ticks * 10) })
    }
}

/// Memory that no file backs: what is shared, as programs and libraries are, would be counted for each process.
#[cfg(target_os = "linux")]
fn anonymous_bytes(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// How often processes are looked at: nobody tells how much memory they hold.
#[cfg(target_os = "linux")]
const LOOK: Duration = Duration::from_millis(250);
/// How long processes may outlive the command that started them.
#[cfg(target_os = "linux")]
const LEFT_DEADLINE: Duration = Duration::from_secs(15);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn shell(script: &str, begun: Option<&Path>) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(&mut command, begun, &Arc::default()).expect("run")
    }

    /// Counts until it has used a second of processor time, whatever else the machine does.
    const BURN: &str = "ulimit -St 1; trap 'exit 0' XCPU; while :; do :; done";

    #[test]
    fn the_time_of_processes_that_nobody_waited_for_is_counted() {
        // One in a session of its own, whose parent is gone; a signal ends it after a second of processor time.
        let ended = shell(&format!("setsid sh -c \"{BURN}\" & exit 7"), None);
        assert_eq!(ended.code, Some(7));
        assert!(ended.cost.cpu >= Duration::from_millis(900), "{ended:?}");
        assert!(ended.cost.memory_peak_bytes > 0, "{ended:?}");
    }

    #[test]
    fn what_came_before_the_beginning_is_not_counted() {
        let folder = tempfile::tempdir().expect("folder");
        let begun = folder.path().join("begun");
        // The file comes after the second that is burnt, and the look at it before the command ends.
        let script = format!("sh -c \"{BURN}\"; touch {}; sleep 1", begun.display());
        let ended = shell(&script, Some(&begun));
        assert!(ended.cost.cpu < Duration::from_millis(500), "{ended:?}");
    }

    #[test]
    fn an_interruption_is_handed_on() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let ended = run(&mut command, None, &Arc::new(AtomicBool::new(true))).expect("run");
        assert_eq!(ended.code, None);
    }
}
