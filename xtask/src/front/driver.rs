//! One driver process in a process group of its own, and what it last said.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use segproof_harness::engine::{DriverPort, Engine};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// A driver that listens.
#[derive(Debug)]
pub struct Driver {
    /// Its process group: the driver itself and every process of its browser that did not leave.
    pub group: u32,
    /// Base URL.
    pub url: String,
    /// How it ended, once it has.
    pub ended: watch::Receiver<Option<String>>,
    tail: Tail,
    drained: watch::Receiver<bool>,
    /// Weak: the log ends when the driver's output does.
    log: mpsc::WeakSender<Entry>,
}

/// What the log's writer is told.
#[derive(Debug)]
enum Entry {
    Line(String),
    /// The lines from here on go to this file.
    File(PathBuf),
}

/// A process that has been started and may not listen yet; its group must be noted before it is waited for.
#[derive(Debug)]
pub struct Starting {
    pub group: u32,
    child: Box<dyn ChildWrapper>,
    tail: Tail,
    drained: watch::Receiver<bool>,
    port: Port,
    log: mpsc::WeakSender<Entry>,
}

/// Where a driver will listen.
#[derive(Debug)]
enum Port {
    /// Where it says.
    Announced(mpsc::Receiver<u16>),
    Given(u16),
}

/// The last lines of the driver's output.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<String>>>);

/// Starts a driver whose temporary files, and its browser's, go to `folder`, and whose browser shows itself on `display`,
/// if it needs one. Its output goes to `log`.
pub async fn start(
    engine: &'static Engine,
    program: &Path,
    folder: &Path,
    display: Option<&str>,
    log: &Path,
) -> Result<Starting, String> {
    let given = match engine.driver_port {
        DriverPort::Announced(_) => None,
        DriverPort::Given(argument) => {
            let port = free_port().map_err(|error| format!("there is no free port: {error}"))?;
            Some((port, format!("{argument}{port}")))
        }
    };
    let spawned = CommandWrap::with_new(program, |command| {
        command.args(engine.driver_args).envs(engine.environment(folder));
        command.args(given.iter().map(|(_, argument)| argument));
        command.envs(display.map(|display| ("DISPLAY", display)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    })
    .wrap(ProcessGroup::leader())
    .wrap(KillOnDrop)
    .spawn();
    let mut child = spawned.map_err(|error| format!("{} does not start: {error}", program.display()))?;
    let group = child.id().ok_or("the driver ended at once")?;
    let tail = Tail::default();
    let (announce, ports) = mpsc::channel(1);
    let (lines, written) = mpsc::channel(LOG_QUEUE);
    let (drain, drained) = watch::channel(false);
    let log_sender = lines.downgrade();
    let _empty_queue = lines.try_send(Entry::File(log.to_owned()));
    tokio::spawn(write_log(written, tail.clone(), drain));
    if let Some(stdout) = child.stdout().take() {
        tokio::spawn(read_lines(engine, stdout, lines.clone(), Some(announce)));
    }
    if let Some(stderr) = child.stderr().take() {
        tokio::spawn(read_lines(engine, stderr, lines, None));
    }
    let port = given.map_or(Port::Announced(ports), |(port, _)| Port::Given(port));
    Ok(Starting { group, child, tail, drained, port, log: log_sender })
}

/// A port of 127.0.0.1 that nobody has. Somebody may take it before the driver does, which then ends and is started anew.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Resolves when something answers at the port: there is nothing to wait for but its answer.
async fn answers(port: u16) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return;
        }
    }
}

impl Starting {
    /// Waits until the driver says that it listens.
    pub async fn ready(mut self) -> Result<Driver, String> {
        let (end, ended) = watch::channel(None);
        let mut child = self.child;
        tokio::spawn(async move {
            let status = child.wait().await;
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            end.send_replace(Some(how));
        });
        let mut ending = ended.clone();
        let listening = async {
            match &mut self.port {
                // The channel closes when the driver's output does.
                Port::Announced(ports) => ports.recv().await,
                Port::Given(port) => tokio::select! {
                    () = answers(*port) => Some(*port),
                    _ = ending.wait_for(Option::is_some) => None,
                },
            }
        };
        let port = match tokio::time::timeout(READY_DEADLINE, listening).await {
            Ok(Some(port)) => port,
            Ok(None) => {
                drained_soon(&self.drained).await;
                return Err(format!("the driver ended before it listened{}", self.tail.quoted()));
            }
            Err(_) => {
                let seconds = READY_DEADLINE.as_secs();
                return Err(format!("the driver did not listen within {seconds} s{}", self.tail.quoted()));
            }
        };
        let Starting { group, tail, drained, log, .. } = self;
        Ok(Driver { group, url: format!("http://127.0.0.1:{port}"), ended, tail, drained, log })
    }
}

impl Driver {
    /// Waits for the driver's end and says it in one sentence with its last lines.
    pub async fn death(&self) -> String {
        let mut ended = self.ended.clone();
        // An error means that the sender is gone, which it is only after it has spoken.
        let how = ended.wait_for(Option::is_some).await.ok().and_then(|how| how.clone()).unwrap_or_default();
        drained_soon(&self.drained).await;
        format!("the driver died ({how}){}", self.tail.quoted())
    }

    /// Sends what the driver says from now on to another file.
    pub async fn log_to(&self, path: PathBuf) {
        if let Some(log) = self.log.upgrade() {
            let _nobody_writes = log.send(Entry::File(path)).await;
        }
    }

    /// Whether its process is seen to have ended.
    pub fn is_dead(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// The driver's last lines, ready to follow a sentence.
    pub fn last_lines(&self) -> String {
        self.tail.quoted()
    }
}

impl Tail {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    fn quoted(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return "; it said nothing".to_owned();
        }
        format!("; its last lines: {}", lines.iter().cloned().collect::<Vec<_>>().join(" | "))
    }
}

async fn read_lines(
    engine: &'static Engine,
    output: impl AsyncRead + Unpin,
    lines: mpsc::Sender<Entry>,
    announce: Option<mpsc::Sender<u16>>,
) {
    let mut reader = BufReader::new(output);
    let mut bytes = Vec::new();
    // By bytes: a browser's message need not be UTF-8, and reading must go on so that nobody blocks.
    while reader.read_until(b'\n', &mut bytes).await.is_ok_and(|count| count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        bytes.clear();
        if let (Some(announce), Some(port)) = (&announce, engine.announced_port(&line)) {
            let _known_already = announce.try_send(port);
        }
        let _nobody_writes = lines.send(Entry::Line(line)).await;
    }
}

async fn write_log(mut entries: mpsc::Receiver<Entry>, tail: Tail, drain: watch::Sender<bool>) {
    // A log that cannot be written costs nothing but the log: the tail is kept either way.
    let mut file: Option<File> = None;
    while let Some(entry) = entries.recv().await {
        match entry {
            Entry::File(path) => {
                if let Some(open) = &mut file {
                    let _lost = open.flush().await;
                }
                file = File::create(&path).await.ok();
            }
            Entry::Line(line) => {
                tail.push(&line);
                if let Some(open) = &mut file
                    && open.write_all(format!("{line}\n").as_bytes()).await.is_err()
                {
                    file = None;
                }
            }
        }
        if entries.is_empty()
            && let Some(open) = &mut file
        {
            let _lost = open.flush().await;
        }
    }
    drain.send_replace(true);
}

/// Waits until the output of a driver that has ended is read, so that its last lines are known. A browser
/// that lives on may hold the output open, hence the limit.
async fn drained_soon(drained: &watch::Receiver<bool>) {
    let mut drained = drained.clone();
    let _either_way = tokio::time::timeout(DRAIN_DEADLINE, drained.wait_for(|drained| *drained)).await;
}

/// How long a driver may take until it listens.
const READY_DEADLINE: Duration = Duration::from_secs(10);

/// How often it is looked whether a driver listens that does not say so.
const LOOK: Duration = Duration::from_millis(10);

/// How many of the driver's last lines a report quotes.
const TAIL_LINES: usize = 8;

/// How many lines may wait for the log's file.
const LOG_QUEUE: usize = 256;

/// How long the last lines of a driver that has ended are waited for.
const DRAIN_DEADLINE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use segproof_harness::engine::ENGINES;

    use super::*;

    const LISTENS_AND_DIES: Engine =
        Engine { driver_args: &["-c", "echo started successfully on port 4711.; kill -9 $$"], ..ENGINES[0] };
    const CANNOT_START: Engine = Engine { driver_args: &["-c", "echo no display >&2; exit 3"], ..ENGINES[0] };
    static PLAYS_DRIVER: [Engine; 2] = [LISTENS_AND_DIES, CANNOT_START];

    async fn ready(engine: &'static Engine) -> (Result<Driver, String>, String) {
        let folder = tempfile::tempdir().expect("folder");
        let log = folder.path().join("driver.log");
        let starting = start(engine, Path::new("/bin/sh"), folder.path(), None, &log).await.expect("sh");
        let ready = starting.ready().await;
        if let Ok(driver) = &ready {
            driver.death().await;
        }
        (ready, std::fs::read_to_string(&log).expect("log"))
    }

    #[tokio::test]
    async fn a_driver_that_dies_says_how_and_what_it_said_last() {
        let (driver, log) = ready(&PLAYS_DRIVER[0]).await;
        let driver = driver.expect("listens");
        assert_eq!(driver.url, "http://127.0.0.1:4711");
        let death = driver.death().await;
        assert!(death.contains("SIGKILL") && death.contains("on port 4711"), "{death}");
        assert!(log.contains("on port 4711"), "{log}");
    }

    #[tokio::test]
    async fn a_driver_that_cannot_start_says_why() {
        let (driver, log) = ready(&PLAYS_DRIVER[1]).await;
        let why = driver.expect_err("does not listen");
        assert!(why.contains("before it listened") && why.contains("no display"), "{why}");
        assert!(log.contains("no display"), "{log}");
    }
}
