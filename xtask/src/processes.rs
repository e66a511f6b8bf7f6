//! What the operating system says about processes: who lives in a group, what was started with which words.
//!
//! A driver's group is its own (`front`), so that one signal reaches the driver and its whole browser.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// One living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub group: u32,
    /// Its arguments, joined by spaces.
    pub command: String,
}

/// All living processes. Zombies are dead: they hold nothing and wait only for their parent.
#[cfg(target_os = "linux")]
pub fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(one).collect()
}

#[cfg(target_os = "linux")]
fn one(pid: u32) -> Option<Process> {
    let [state, _parent, group] = stat_fields(pid)?.try_into().ok()?;
    if state == "Z" || state == "X" {
        return None;
    }
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    Some(Process { pid, group: group.parse().ok()?, command })
}

/// State, parent and group: what follows the program's name, which is in parentheses and may hold anything.
#[cfg(target_os = "linux")]
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().take(3).map(str::to_owned).collect())
}

/// All living processes, as `ps` tells them.
#[cfg(not(target_os = "linux"))]
pub fn all() -> Vec<Process> {
    ps()
}

#[cfg(any(test, not(target_os = "linux")))]
fn ps() -> Vec<Process> {
    let listed = std::process::Command::new("ps")
        .args(["-axww", "-o", "pid=", "-o", "pgid=", "-o", "stat=", "-o", "command="])
        .output();
    let Ok(listed) = listed else { return Vec::new() };
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (pid, group) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let state = words.next()?;
            let command = words.collect::<Vec<_>>().join(" ");
            (!state.starts_with('Z')).then_some(Process { pid, group, command })
        })
        .collect()
}

/// When a process was started, in a form that is only good for comparing: with the process id it tells one
/// process from a later one that got the same id.
pub fn started(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Field 22, counted from the program's name, which is field 2.
        return stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned);
    }
    let pid = pid.to_string();
    let listed = std::process::Command::new("ps").args(["-o", "lstart=", "-p", &pid]).output().ok()?;
    Some(String::from_utf8_lossy(&listed.stdout).trim().to_owned()).filter(|text| !text.is_empty())
}

/// Whether a process exists (a zombie still does).
pub fn exists(pid: u32) -> bool {
    kill(Pid::from_raw(pid as i32), None) != Err(Errno::ESRCH)
}

/// Sends a signal to a group; a group that is gone is no error.
pub fn signal_group(group: u32, signal: Signal) {
    // 0 and 1 would mean our own group and everybody.
    if group > 1 {
        let _gone = killpg(Pid::from_raw(group as i32), signal);
    }
}

/// Sends SIGKILL to a process; one that is gone is no error.
pub fn kill_process(pid: u32) {
    if pid > 1 {
        let _gone = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tellers_see_this_process() {
        let own = std::process::id();
        let (listed, by_ps) = (all(), ps());
        let own_of = |processes: &[Process]| processes.iter().find(|process| process.pid == own).cloned();
        let told = own_of(&listed).expect("listed");
        assert!(!told.command.is_empty());
        assert_eq!(own_of(&by_ps).expect("listed by ps").group, told.group);
        assert!(exists(own));
        assert_eq!(started(own), started(own));
        assert!(started(own).is_some());
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().expect("true");
        // The end of the process closes nothing we hold, so its state is asked for until it is a zombie.
        while all().iter().any(|process| process.pid == child.id()) {
            std::thread::yield_now();
        }
        assert!(exists(child.id()));
        child.wait().expect("wait");
        assert!(!exists(child.id()));
    }
}
