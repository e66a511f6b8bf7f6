//! The browsers a trial can run in, as data: one row per engine.
//!
//! A row says how the engine's WebDriver is started and which capabilities it wants. Nothing here starts a
//! process: the runner's front does, and adds what depends on the machine (`Machine`). A trial asks for a
//! session with `Engine::session_request` and learns nothing else about browsers.

mod rows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use rows::ENGINES;

/// One browser engine and its WebDriver.
#[derive(Debug)]
pub struct Engine {
    /// What `--browser` and the reports call it.
    pub name: &'static str,
    /// Names or paths of the browser's program, best first.
    pub browsers: &'static [&'static str],
    /// Names or paths of the driver's program, best first; none: it is reached by `--webdriver` only.
    pub drivers: &'static [&'static str],
    /// What else must be here: names or paths, each with the reason.
    pub parts: &'static [(&'static str, &'static str)],
    /// The driver's arguments.
    pub driver_args: &'static [&'static str],
    pub driver_port: DriverPort,
    /// The environment of driver and browser; `{folder}` stands for the session's folder.
    pub environment: &'static [(&'static str, &'static str)],
    /// What the driver says when its port has been taken meanwhile.
    pub driver_port_taken: &'static str,
    pub version: Version,
    /// Whether the browser needs an X display even if nobody looks at it.
    pub needs_display: bool,
    /// Whether its driver speaks WebDriver BiDi.
    pub has_bidi: bool,
    /// W3C capabilities that do not depend on the machine, as JSON.
    pub capabilities: &'static str,
    /// The capability that holds the browser's options.
    pub options_key: &'static str,
    /// Width and height of a window that nobody looks at, CSS pixels, for Set Window Rect; `None` leaves it as it is.
    pub unseen_window: Option<(u16, u16)>,
    /// Arguments that keep the browser from opening a window.
    pub headless_args: &'static [&'static str],
    /// Arguments needed only when the user is root.
    pub root_args: &'static [&'static str],
    /// The argument that names the profile folder, which is appended to it; `None`: it makes one in `TMPDIR` by itself.
    pub profile_arg: Option<&'static str>,
    /// How long New Session may take on a loaded machine.
    pub session_timeout: Duration,
    /// The step of a page's clock, wall time: engines coarsen it against pages that measure what they should not.
    pub clock_step_ms: f64,
    /// Why nobody is accused of its sound, if so.
    pub unheard: Option<&'static str>,
    /// The highest speed at which it plays what it is given as at speed 1 on a machine that has room for it.
    pub speed_max: f64,
    /// How much of a machine its trials take.
    pub weight: Weight,
    /// What makes a used session forget, once its pages are closed: commands below the session's URL, and their
    /// JSON bodies. `None`: a session serves one trial.
    pub forget: Option<&'static [(&'static str, &'static str)]>,
}

/// How much of a machine an engine's trials take, measured.
#[derive(Debug, Clone, Copy)]
pub struct Weight {
    /// Of a trial faster than life, in halves of what one of Chromium's takes.
    pub half_places: usize,
    /// At speed 1, where it takes a tenth of a core in Chromium, and in WebKit so much that two on each core stay in time: so
    /// many each core carries.
    pub per_core_at_1: usize,
}

/// Who says of which version a browser and its driver are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Both say it, and must be of one: with another, New Session fails late and obscurely.
    OfBoth,
    /// Both say it, each its own.
    OfEach,
    /// This package of Debian's: the programs don't say.
    OfPackage(&'static str),
}

/// How a driver comes to the port of 127.0.0.1 that it listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverPort {
    /// It picks a free one itself, so that no two can collide; this precedes the number on the line that says so.
    Announced(&'static str),
    /// A free one is appended to this argument, and the driver is connected to until it takes that.
    Given(&'static str),
}

/// Whole milliseconds, as Firefox and WebKit tell them.
pub const CLOCK_STEP_MS_MAX: f64 = 1.0;

/// The capability by which a trial tells the front who asks; the front removes it.
pub const CLIENT_CAPABILITY: &str = "segproof:client";

/// The capability that asks for WebDriver BiDi; a session that has it is answered with the place.
pub const BIDI_CAPABILITY: &str = "webSocketUrl";

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
        if let (Some(argument), Some(profile)) = (self.profile_arg, machine.profile) {
            args.push(format!("{argument}{}", profile.display()));
        }
        if args.is_empty() && machine.browser.is_none() {
            // Not even an empty entry: who knows no such options may refuse them.
            return;
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
        let DriverPort::Announced(before) = self.driver_port else { return None };
        let (_, rest) = line.split_once(before)?;
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

    /// What WebDriver calls the browser.
    pub fn browser_name(&self) -> String {
        self.base_capabilities()["browserName"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether none is ever started here.
    pub fn is_remote_only(&self) -> bool {
        self.drivers.is_empty()
    }

    /// The first of the other parts that is not here, with what it is for.
    pub fn missing_part(&self) -> Option<(&'static str, &'static str)> {
        self.parts.iter().find(|(part, _)| find_in_path(part).is_none()).copied()
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
            let options = request.get(row.options_key);
            let has_arguments = options.is_some_and(|options| options["args"].is_array());
            assert!(has_arguments || row.name == "safari", "{}: args", row.name);
            let client: Client = serde_json::from_value(request[CLIENT_CAPABILITY].clone()).expect("client");
            assert_eq!(client.engine, row.name);
            if let DriverPort::Announced(before) = row.driver_port {
                assert_eq!(row.announced_port(&format!("{before}4711.")), Some(4711));
            }
            assert_eq!(row.announced_port("Starting on port 0"), None, "{}", row.name);
            assert_eq!(engine(row.name).map(|found| found.name), Some(row.name));
            for (_, body) in row.forget.unwrap_or_default() {
                serde_json::from_str::<Value>(body).expect("the body of a command is JSON");
            }
        }
    }

    #[test]
    fn an_engine_without_options_is_sent_none() {
        let safari = engine("safari").expect("safari");
        let mut always = safari.session_request("t");
        let machine = Machine { browser: None, profile: None, window: Window::Headless, user: User::Root };
        safari.complete(&mut always, &machine);
        always.remove(CLIENT_CAPABILITY);
        assert_eq!(json!(always), json!({"browserName": "safari", "acceptInsecureCerts": true}));
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
