//! The run's memory on disk of what it started, so that a run that was killed leaves nothing for ever.
//!
//! Each run keeps one file in the target folder: its own process, its temporary folder, and each driver's
//! process group with the folder of its session. At the next start `sweep` takes the files whose run is dead
//! and removes what they name. Nothing is killed on its number alone, since numbers are used again: a group
//! must still hold a process whose command line names the session's folder, or its leader's start time must
//! be the recorded one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::processes;

/// What one run has running.
#[derive(Debug)]
pub struct Ledger {
    file: PathBuf,
    record: Record,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The run is over: what is still started must be ended by its starter.
    Cleared,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The run's process and when it started.
    owner: u32,
    owner_started: Option<String>,
    /// The run's temporary folder, which holds the folder of every session.
    temporary: PathBuf,
    groups: BTreeMap<u32, Group>,
    /// The group of nextest while trials run; its `folder` is the path of the configuration it was given.
    #[serde(default)]
    trials: Option<(u32, Group)>,
}

/// A process group of the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    /// The folder of the session: its browser's command lines name it.
    pub folder: PathBuf,
    /// When the group's leader started.
    pub started: Option<String>,
}

impl Ledger {
    /// Opens the ledger of this run in `state`.
    pub fn open(state: &Path, temporary: &Path) -> io::Result<Ledger> {
        std::fs::create_dir_all(state)?;
        let owner = std::process::id();
        let record = Record {
            owner,
            owner_started: processes::started(owner),
            temporary: temporary.to_owned(),
            groups: BTreeMap::new(),
            trials: None,
        };
        let file = state.join(format!("{owner}.json"));
        let ledger = Ledger { file, record, state: State::Open };
        ledger.write()?;
        Ok(ledger)
    }

    /// Notes a group before anything else is done with it.
    pub fn add(&mut self, group: u32, folder: &Path) -> io::Result<()> {
        if self.state == State::Cleared {
            return Err(io::Error::other("the run is over"));
        }
        let started = processes::started(group);
        self.record.groups.insert(group, Group { folder: folder.to_owned(), started });
        self.write()
    }

    /// Forgets a group that is gone.
    pub fn remove(&mut self, group: u32) -> io::Result<()> {
        self.record.groups.remove(&group);
        if self.state == State::Cleared { Ok(()) } else { self.write() }
    }

    /// Notes the group that runs the trials, and a path that its command line names; `None` when it has ended.
    pub fn set_trials(&mut self, trials: Option<(u32, &Path)>) -> io::Result<()> {
        self.record.trials = trials.map(|(group, named)| {
            (group, Group { folder: named.to_owned(), started: processes::started(group) })
        });
        self.write()
    }

    /// Kills at once whatever is left of this run, and forgets the run.
    pub fn clear(&mut self) {
        self.state = State::Cleared;
        self.record.clear();
        self.record.groups.clear();
        let _gone = std::fs::remove_file(&self.file);
    }

    fn write(&self) -> io::Result<()> {
        crate::report::write_file(&self.file, &serde_json::to_vec_pretty(&self.record)?)
    }
}

impl Record {
    fn owner_lives(&self) -> bool {
        processes::exists(self.owner) && processes::started(self.owner) == self.owner_started
    }

    fn clear(&self) {
        if let Some((group, noted)) = &self.trials {
            end_trials(*group, noted);
        }
        for (&group, noted) in &self.groups {
            kill_group(group, noted);
        }
        let _gone = remove_folder(&self.temporary);
    }
}

/// Removes what dead runs left behind; says how many runs that were.
pub fn sweep(state: &Path) -> io::Result<usize> {
    let entries = match std::fs::read_dir(state) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut swept = 0;
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        // A file that cannot be read is of a run that was killed while it wrote its first one.
        let record =
            std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        match record {
            Some(record) if record.owner_lives() => continue,
            Some(record) => {
                record.clear();
                swept += 1;
            }
            None => {}
        }
        std::fs::remove_file(&file)?;
    }
    Ok(swept)
}

/// Ends nextest by SIGTERM, since only then it ends its trials, which are in groups of their own; by SIGKILL
/// if it does not obey in time.
fn end_trials(group: u32, noted: &Group) {
    let named = noted.folder.display().to_string();
    let deadline = Instant::now() + KILL_DEADLINE;
    let mut signal = Some(Signal::SIGTERM);
    while processes::all().iter().any(|process| process.group == group && process.command.contains(&named)) {
        if Instant::now() >= deadline {
            return processes::signal_group(group, Signal::SIGKILL);
        }
        if let Some(signal) = signal.take() {
            processes::signal_group(group, signal);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills a group with SIGKILL if it is the noted one, and every process that works on its folder, then waits
/// for their end.
pub fn kill_group(group: u32, noted: &Group) {
    let folder = noted.folder.display().to_string();
    let names_folder = |process: &processes::Process| process.command.contains(&folder);
    let deadline = Instant::now() + KILL_DEADLINE;
    loop {
        let living = processes::all();
        let of_group = |process: &processes::Process| process.group == group;
        let same_leader = noted.started.is_some() && processes::started(group) == noted.started;
        let is_noted = same_leader || living.iter().any(|process| of_group(process) && names_folder(process));
        let mut left = living.iter().filter(|process| names_folder(process)).collect::<Vec<_>>();
        if is_noted {
            left.extend(living.iter().filter(|process| of_group(process)));
            processes::signal_group(group, Signal::SIGKILL);
        }
        left.iter().for_each(|process| processes::kill_process(process.pid));
        if left.is_empty() || Instant::now() >= deadline {
            return;
        }
        // The kernel offers no event for the end of processes that are not our children.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Removes a folder whose last writers may be dying: tries until it is gone or the deadline has passed.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    let deadline = Instant::now() + KILL_DEADLINE;
    loop {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            done => return done,
        }
    }
}

/// How long the end of killed processes is waited for.
const KILL_DEADLINE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Command, Stdio};

    use super::*;

    fn sleeper(argument: &Path) -> std::process::Child {
        let mut command = Command::new("sh");
        command.args(["-c", "read line", &argument.display().to_string()]).process_group(0);
        command.stdin(Stdio::piped()).spawn().expect("sh")
    }

    #[test]
    fn a_dead_run_is_swept_and_a_stranger_with_its_number_is_not() {
        let state = tempfile::tempdir().expect("state");
        let temporary = tempfile::tempdir().expect("temporary");
        let (session, other) = (temporary.path().join("1"), temporary.path().join("2"));
        std::fs::create_dir(&session).expect("session");
        let config = temporary.path().join("plan.nextest.toml");
        let mut trials = sleeper(&config);
        let (mut noted, mut stranger) = (sleeper(&session), sleeper(Path::new("unrelated")));
        let gone = Group { folder: other, started: Some("never".into()) };
        let mut dead = Command::new("true").spawn().expect("true");
        dead.wait().expect("wait");
        let record = Record {
            owner: dead.id(),
            owner_started: None,
            temporary: temporary.path().to_owned(),
            groups: BTreeMap::from([
                (noted.id(), Group { folder: session, started: None }),
                (stranger.id(), gone),
            ]),
            trials: Some((trials.id(), Group { folder: config, started: None })),
        };
        let file = state.path().join("dead.json");
        std::fs::write(&file, serde_json::to_vec(&record).expect("json")).expect("write");

        assert_eq!(sweep(state.path()).expect("sweep"), 1);

        assert!(!noted.wait().expect("wait").success());
        assert_eq!(trials.wait().expect("wait").signal(), Some(Signal::SIGTERM as i32));
        assert_eq!(stranger.try_wait().expect("try_wait"), None);
        assert!(!temporary.path().exists());
        assert!(!file.exists());
        stranger.kill().expect("kill");
        stranger.wait().expect("wait");
    }

    #[test]
    fn a_living_run_is_left_alone() {
        let state = tempfile::tempdir().expect("state");
        let temporary = tempfile::tempdir().expect("temporary");
        let mut ledger = Ledger::open(state.path(), temporary.path()).expect("open");
        assert_eq!(sweep(state.path()).expect("sweep"), 0);
        assert!(temporary.path().exists());
        ledger.clear();
        assert!(!temporary.path().exists());
    }
}
