//! The browsers a trial can run in, as data: one row per engine.
//!
//! A row says how the engine's WebDriver is started and which capabilities it wants. Nothing here starts a
//! process: the runner's front does, and adds what depends on the machine (`Machine`). A trial asks for a
//! session with `Engine::session_request` and learns nothing else about browsers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One browser engine and its WebDriver.
#[derive(Debug)]
pub struct Engine {
    /// What `--browser` and the reports call it.
    pub name: &'static str,
    /// Names or paths of the browser's program, best first.
    pub browsers: &'static [&'static str],
    /// Names or paths of the driver's program, best first.
    pub drivers: &'static [&'static str],
    /// The driver's arguments: it picks a free port of 127.0.0.1 itself, so that no two can collide.
    pub driver_args: &'static [&'static str],
    /// The environment of driver and browser; `{folder}` stands for the session's folder.
    pub environment: &'static [(&'static str, &'static str)],
    /// What precedes the port's number on the line by which the driver says that it listens.
    pub driver_announces: &'static str,
    /// What the driver says when the port it picked has been taken meanwhile.
    pub driver_port_taken: &'static str,
    /// How many sessions one driver process may serve at a time.
    pub sessions_per_driver: usize,
    /// W3C capabilities that do not depend on the machine, as JSON.
    pub capabilities: &'static str,
    /// The capability that holds the browser's options.
    pub options_key: &'static str,
    /// Arguments that keep the browser from opening a window.
    pub headless_args: &'static [&'static str],
    /// Arguments needed only when the user is root.
    pub root_args: &'static [&'static str],
    /// The argument that names the profile folder, which is appended to it.
    pub profile_arg: &'static str,
    /// How long New Session may take on a loaded machine.
    pub session_timeout: Duration,
    /// What makes a used session forget, once its pages are closed: commands below the session's URL, and their
    /// JSON bodies. `None`: a session serves one trial.
    pub forget: Option<&'static [(&'static str, &'static str)]>,
}

/// All engines, the default first.
///
/// Chromium: without the background flags it talks to its vendor at every start. The features switched off draw
/// suggestions below an address bar that nobody sees, in two renderers more, a seventh of a trial's processor time;
/// and keep pages that were left, of earlier trials. Its crash handler leaves the driver's process group and writes
/// below the user's home, unless the environment names another place: then its command line names the session's
/// folder too, by which it is found. (`--disable-breakpad` and `--disable-crash-reporter` don't keep it away, and
/// with `--disable-crashpad-for-testing` the renderers of Debian's build hang.)
pub const ENGINES: &[Engine] = &[Engine {
    name: "chromium",
    browsers: &[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ],
    drivers: &["chromedriver", "/usr/lib/chromium-browser/chromedriver"],
    driver_args: &["--port=0"],
    environment: &[("TMPDIR", "{folder}"), ("BREAKPAD_DUMP_LOCATION", "{folder}/crashes")],
    driver_announces: "started successfully on port ",
    driver_port_taken: "Address already in use",
    sessions_per_driver: 1,
    capabilities: r#"{
        "browserName": "chrome",
        "acceptInsecureCerts": true,
        "goog:chromeOptions": {
            "args": [
                "--autoplay-policy=no-user-gesture-required",
                "--disable-gpu",
                "--no-first-run",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-features=BackForwardCache,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
                "--disable-background-timer-throttling",
                "--disable-renderer-backgrounding",
                "--disable-backgrounding-occluded-windows"
            ]
        }
    }"#,
    options_key: "goog:chromeOptions",
    headless_args: &["--headless=new"],
    root_args: &["--no-sandbox"],
    profile_arg: "--user-data-dir=",
    session_timeout: Duration::from_secs(30),
    forget: Some(&[
        ("goog/cdp/execute", r#"{"cmd": "Network.clearBrowserCache", "params": {}}"#),
        (
            "goog/cdp/execute",
            r#"{"cmd": "Storage.clearDataForOrigin", "params": {"origin": "*", "storageTypes": "all"}}"#,
        ),
        ("goog/cdp/execute", r#"{"cmd": "Page.resetNavigationHistory", "params": {}}"#),
        ("execute/sync", r#"{"script": "window.name = ''", "args": []}"#),
    ]),
}];

/// The capability by which a trial tells the front who asks; the front removes it.
pub const CLIENT_CAPABILITY: &str = "segproof:client";

/// Who asks the front for a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The engine's name.
    pub engine: String,
    /// The trial's name; names the driver's log.
    pub trial: String,
    /// The trial's process: its session is taken back when it ends without having said so.
    pub pid: u32,
}

/// What the front knows of this machine and adds to a trial's capabilities.
#[derive(Debug, Clone)]
pub struct Machine<'a> {
    /// The browser's program; `None` leaves the choice to the driver.
    pub browser: Option<&'a Path>,
    /// A fresh profile folder; `None` leaves it to the driver.
    pub profile: Option<&'a Path>,
    pub window: Window,
    pub user: User,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Headless,
    Headed,
}

/// Who runs the browser: some refuse their sandbox to root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    Root,
    Ordinary,
}

/// The engine of that name.
pub fn engine(name: &str) -> Option<&'static Engine> {
    ENGINES.iter().find(|engine| engine.name == name)
}

impl Engine {
    /// The capabilities a trial asks the front for (the content of `alwaysMatch`).
    pub fn session_request(&self, trial: &str) -> Map<String, Value> {
        let client =
            Client { engine: self.name.to_owned(), trial: trial.to_owned(), pid: std::process::id() };
        let mut always = self.base_capabilities();
        always.insert(CLIENT_CAPABILITY.to_owned(), json!(client));
        always
    }

    /// Adds to a trial's capabilities what depends on the machine.
    pub fn complete(&self, always: &mut Map<String, Value>, machine: &Machine) {
        let mut args: Vec<String> = Vec::new();
        if machine.window == Window::Headless {
            args.extend(self.headless_args.iter().map(|arg| arg.to_string()));
        }
        if machine.user == User::Root {
            args.extend(self.root_args.iter().map(|arg| arg.to_string()));
        }
        if let Some(profile) = machine.profile {
            args.push(format!("{}{}", self.profile_arg, profile.display()));
        }
        let options = always.entry(self.options_key).or_insert_with(|| json!({}));
        if !options["args"].is_array() {
            options["args"] = json!([]);
        }
        if let Some(list) = options["args"].as_array_mut() {
            list.extend(args.into_iter().map(Value::from));
        }
        if let Some(browser) = machine.browser {
            options["binary"] = json!(browser);
        }
    }

    /// The environment of a session's driver.
    pub fn environment(&self, folder: &Path) -> Vec<(&'static str, String)> {
        let folder = folder.display().to_string();
        self.environment.iter().map(|(key, value)| (*key, value.replace("{folder}", &folder))).collect()
    }

    /// The port that a line of the driver's output announces.
    pub fn announced_port(&self, line: &str) -> Option<u16> {
        let (_, rest) = line.split_once(self.driver_announces)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    }

    /// Where the browser is: the environment's word (`SEGPROOF_CHROMIUM`), else the first of its names found.
    pub fn find_browser(&self) -> Option<PathBuf> {
        find_program(&format!("SEGPROOF_{}", self.name.to_uppercase()), self.browsers)
    }

    /// Where the driver is: the environment's word (`SEGPROOF_CHROMIUM_DRIVER`), else as for the browser.
    pub fn find_driver(&self) -> Option<PathBuf> {
        find_program(&format!("SEGPROOF_{}_DRIVER", self.name.to_uppercase()), self.drivers)
    }

    fn base_capabilities(&self) -> Map<String, Value> {
        match serde_json::from_str(self.capabilities) {
            Ok(Value::Object(map)) => map,
            other => unreachable!("the capabilities of {} are a JSON object: {other:?}", self.name),
        }
    }
}

fn find_program(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
        return Some(PathBuf::from(path)).filter(|path| path.is_file());
    }
    names.iter().find_map(|name| find_in_path(name))
}

/// A program by its name in `PATH`, or by its absolute path. Snap launchers are passed over: their
/// confinement hides the temporary folders that a fresh profile lives in.
pub fn find_in_path(name: &str) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = if Path::new(name).is_absolute() {
        vec![PathBuf::from(name)]
    } else {
        std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).collect()
    };
    candidates.into_iter().find(|path| path.is_file() && !is_snap(path))
}

fn is_snap(path: &Path) -> bool {
    if path.starts_with("/snap") || path.canonicalize().is_ok_and(|real| real.ends_with("usr/bin/snap")) {
        return true;
    }
    // Ubuntu's transitional package is a small shell script that starts the snap.
    let small = path.metadata().is_ok_and(|meta| meta.len() < 16 * 1024);
    small && std::fs::read_to_string(path).is_ok_and(|text| text.contains("/snap/bin/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_complete() {
        for row in ENGINES {
            let request = row.session_request("player@engine/a/b");
            assert!(request[row.options_key]["args"].is_array(), "{}: args", row.name);
            let client: Client = serde_json::from_value(request[CLIENT_CAPABILITY].clone()).expect("client");
            assert_eq!(client.engine, row.name);
            assert_eq!(row.announced_port(&format!("{}4711.", row.driver_announces)), Some(4711));
            assert_eq!(row.announced_port("Starting on port 0"), None, "{}", row.name);
            assert_eq!(engine(row.name).map(|found| found.name), Some(row.name));
            for (_, body) in row.forget.unwrap_or_default() {
                serde_json::from_str::<Value>(body).expect("the body of a command is JSON");
            }
        }
    }

    #[test]
    fn the_machine_adds_its_arguments() {
        let chromium = engine("chromium").expect("chromium");
        let arguments = |window, user| {
            let mut always = chromium.session_request("t");
            let machine = Machine {
                browser: Some(Path::new("/opt/browser")),
                profile: Some(Path::new("/tmp/p")),
                window,
                user,
            };
            chromium.complete(&mut always, &machine);
            assert_eq!(always["goog:chromeOptions"]["binary"], "/opt/browser");
            always["goog:chromeOptions"]["args"].to_string()
        };
        let root = arguments(Window::Headless, User::Root);
        assert!(root.contains("--no-sandbox") && root.contains("--headless=new"));
        assert!(root.contains("--user-data-dir=/tmp/p"));
        let ordinary = arguments(Window::Headed, User::Ordinary);
        assert!(!ordinary.contains("--no-sandbox") && !ordinary.contains("--headless"));
    }
}
