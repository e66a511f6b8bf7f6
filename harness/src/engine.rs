//! The browsers a trial can run in, as data: one row per engine.
//!
//! A row says how the engine's WebDriver is started and which capabilities it wants. Nothing here starts a
//! process: the runner's front does, and adds what depends on the machine (`Machine`). A trial asks for a
//! session with `Engine::session_request` and learns nothing else about browsers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Where Debian and its descendants keep what depends on the processor.
#[cfg(target_arch = "aarch64")]
macro_rules! multiarch {
    () => {
        "aarch64-linux-gnu"
    };
}
#[cfg(not(target_arch = "aarch64"))]
macro_rules! multiarch {
    () => {
        "x86_64-linux-gnu"
    };
}

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

/// WebKitGTK's sound comes 54 to 68 ms before its picture while nothing happens (ten trials). After a stall it was 55 to 170 ms
/// before it with our player and 115 before to 84 behind with hls.js (five each); at rate 1.1 behind a seek 400 before to 346
/// behind with our player (five), 51 before to 214 behind with hls.js (four). WPE's is 48 to 78 ms before it
/// while nothing happens, and with our player up to 392 ms off, before or behind, after a stall or a hole; with hls.js it stays
/// within 114 ms there (25 trials each), and so it is judged.
const STRAYING_SOUND: &str =
    "this engine's sound strays from its picture by itself, after a stall and at another rate";

/// Where nothing higher was tried. Firefox mutes what plays faster than at rate 4, and WebKit decodes hardly that fast.
const SPEED_MAX: f64 = 4.0;

/// All engines, the default first. One driver serves one session: geckodriver refuses a second one, and WebKit's drivers
/// hang on two that are asked for at the same time.
///
/// Chromium: without the background flags it talks to its vendor at every start. The features switched off draw
/// suggestions below an address bar that nobody sees, in two renderers more, a seventh of a trial's processor time;
/// and keep pages that were left, of earlier trials; and ask a viewer whether a page of the Internet may reach this machine,
/// where the streams are. Its crash handler leaves the driver's process group and writes
/// below the user's home, unless the environment names another place: then its command line names the session's
/// folder too, by which it is found. (`--disable-breakpad` and `--disable-crash-reporter` don't keep it away, and
/// with `--disable-crashpad-for-testing` the renderers of Debian's build hang.) It stops some 0.1 s of wall time before a
/// hole in what is buffered, media that a player must leap over as well: at speed 8 more than the half second that
/// players take for the hole's edge, so the scenarios with such holes have a `max_speed` of 4.
pub const ENGINES: &[Engine] = &[CHROMIUM, FIREFOX, WEBKITGTK, WPE, SAFARI, EDGE];

const CHROMIUM: Engine = Engine {
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
    parts: &[],
    driver_args: &["--port=0"],
    driver_port: DriverPort::Announced("started successfully on port "),
    environment: &[("TMPDIR", "{folder}"), ("BREAKPAD_DUMP_LOCATION", "{folder}/crashes")],
    driver_port_taken: "Address already in use",
    version: Version::OfBoth,
    needs_display: false,
    has_bidi: true,
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
                "--disable-features=BackForwardCache,LocalNetworkAccessChecks,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
                "--disable-background-timer-throttling",
                "--disable-renderer-backgrounding",
                "--disable-backgrounding-occluded-windows"
            ]
        }
    }"#,
    options_key: "goog:chromeOptions",
    unseen_window: None,
    headless_args: &["--headless=new"],
    root_args: &["--no-sandbox"],
    profile_arg: Some("--user-data-dir="),
    clock_step_ms: 0.1,
    unheard: None,
    speed_max: 8.0,
    weight: Weight { half_places: 2, per_core_at_1: 4 },
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
};

/// Firefox. H.264 and AAC come from the system's libavcodec. The preferences about processes spare a third of its memory
/// (`media.rdd-process.enabled` must stay: without it no media can be decoded); `network.lna` would ask a viewer whether a
/// page of the Internet may reach this machine, where the streams are; the others keep it from calling home.
/// It forgets by its own data clearing, which only a driver with system access may ask for.
const FIREFOX: Engine = Engine {
    name: "firefox",
    browsers: &["firefox-esr", "firefox", "/Applications/Firefox.app/Contents/MacOS/firefox"],
    drivers: &["geckodriver"],
    parts: &[],
    driver_args: &["--host=127.0.0.1", "--port=0", "--websocket-port=0", "--allow-system-access"],
    driver_port: DriverPort::Announced("Listening on 127.0.0.1:"),
    environment: &[("TMPDIR", "{folder}"), ("HOME", "{folder}")],
    driver_port_taken: "Address already in use",
    version: Version::OfEach,
    needs_display: false,
    has_bidi: true,
    capabilities: r#"{
        "browserName": "firefox",
        "acceptInsecureCerts": true,
        "moz:firefoxOptions": {
            "args": [],
            "prefs": {
                "media.autoplay.default": 0,
                "media.autoplay.blocking_policy": 0,
                "media.autoplay.block-webaudio": false,
                "network.lna.enabled": false,
                "dom.ipc.processCount": 1,
                "dom.ipc.processPrelaunch.enabled": false,
                "fission.autostart": false,
                "extensions.webextensions.remote": false,
                "network.process.enabled": false,
                "browser.tabs.remote.separatePrivilegedContentProcess": false,
                "network.captive-portal-service.enabled": false,
                "network.connectivity-service.enabled": false,
                "browser.region.network.url": "",
                "services.settings.server": "data:,",
                "media.gmp-manager.updateEnabled": false,
                "app.update.auto": false
            }
        }
    }"#,
    options_key: "moz:firefoxOptions",
    unseen_window: None,
    headless_args: &["-headless"],
    root_args: &[],
    profile_arg: None,
    clock_step_ms: CLOCK_STEP_MS_MAX,
    unheard: None,
    speed_max: SPEED_MAX,
    weight: Weight { half_places: 3, per_core_at_1: 2 },
    session_timeout: Duration::from_secs(60),
    forget: Some(&[
        ("moz/context", r#"{"context": "chrome"}"#),
        (
            "execute/async",
            r#"{"script": "const done = arguments[0]; gBrowser.selectedBrowser.browsingContext.sessionHistory.purgeHistory(gBrowser.selectedBrowser.browsingContext.sessionHistory.count); Services.clearData.deleteData(Ci.nsIClearDataService.CLEAR_ALL, () => done(null));", "args": []}"#,
        ),
        ("moz/context", r#"{"context": "content"}"#),
        ("execute/sync", r#"{"script": "window.name = ''", "args": []}"#),
    ]),
};

/// WebKit's GTK port in its test browser, which comes with the library. Without a display its driver never answers. All of its
/// window is drawn anew, in software, for each frame: in a small one a trial takes half the processor time.
const WEBKITGTK: Engine = Engine {
    name: "webkitgtk",
    browsers: &[concat!("/usr/lib/", multiarch!(), "/webkit2gtk-4.1/MiniBrowser")],
    drivers: &["WebKitWebDriver"],
    parts: &[
        ("Xvfb", "the browser needs an X display"),
        (LIBAV_PLUGIN, "it decodes H.264 and AAC"),
        (PARSERS_PLUGIN, "without its h264parse nothing is played"),
    ],
    driver_args: &[],
    driver_port: DriverPort::Given("--port="),
    environment: WEBKIT_ENVIRONMENT,
    driver_port_taken: "Address already in use",
    version: Version::OfPackage("libwebkit2gtk-4.1-0"),
    needs_display: true,
    has_bidi: false,
    capabilities: r#"{
        "browserName": "MiniBrowser",
        "acceptInsecureCerts": true,
        "webkitgtk:browserOptions": {"args": ["--automation", "--autoplay-policy=allow"]}
    }"#,
    options_key: "webkitgtk:browserOptions",
    unseen_window: Some((480, 320)),
    headless_args: &[],
    root_args: &[],
    profile_arg: None,
    clock_step_ms: CLOCK_STEP_MS_MAX,
    unheard: Some(STRAYING_SOUND),
    speed_max: SPEED_MAX,
    weight: Weight { half_places: 3, per_core_at_1: 2 },
    session_timeout: Duration::from_secs(20),
    forget: None,
};

/// WebKit's port for devices, which needs no display; without GStreamer's GL plugin its canvas stays black. Its test browser
/// draws 1280x720 pixels sixty times a second, and its launcher for devices 800x600 thirty times: with that a trial takes
/// half the processor time.
const WPE: Engine = Engine {
    name: "wpe",
    browsers: &["cog"],
    drivers: &["WPEWebDriver"],
    parts: &[
        (LIBAV_PLUGIN, "it decodes H.264 and AAC"),
        (PARSERS_PLUGIN, "without its h264parse nothing is played"),
        (GL_PLUGIN, "without it no picture can be read"),
    ],
    driver_args: &[],
    driver_port: DriverPort::Given("--port="),
    environment: WEBKIT_ENVIRONMENT,
    driver_port_taken: "Address already in use",
    version: Version::OfPackage("libwpewebkit-1.1-0"),
    needs_display: false,
    has_bidi: false,
    capabilities: r#"{
        "browserName": "cog",
        "acceptInsecureCerts": true,
        "wpe:browserOptions": {"args": ["--automation", "-P", "headless"]}
    }"#,
    options_key: "wpe:browserOptions",
    unseen_window: None,
    headless_args: &[],
    root_args: &[],
    profile_arg: None,
    clock_step_ms: CLOCK_STEP_MS_MAX,
    unheard: None,
    speed_max: SPEED_MAX,
    weight: Weight { half_places: 3, per_core_at_1: 2 },
    session_timeout: Duration::from_secs(20),
    forget: None,
};

/// Apple's, which no system but its own has. It has no options for arguments; `acceptInsecureCerts` is from 15.4 on.
const SAFARI: Engine = Engine {
    name: "safari",
    browsers: &[],
    drivers: &[],
    parts: &[],
    driver_args: &[],
    driver_port: DriverPort::Given("--port="),
    environment: &[],
    driver_port_taken: "Address already in use",
    version: Version::OfEach,
    needs_display: false,
    has_bidi: false,
    capabilities: r#"{"browserName": "safari", "acceptInsecureCerts": true}"#,
    options_key: "safari:options",
    unseen_window: None,
    headless_args: &[],
    root_args: &[],
    profile_arg: None,
    clock_step_ms: CLOCK_STEP_MS_MAX,
    unheard: None,
    speed_max: SPEED_MAX,
    weight: Weight { half_places: 6, per_core_at_1: 1 },
    session_timeout: Duration::from_secs(60),
    forget: None,
};

/// Microsoft's, whose packages are its own. It is a Chromium, but for the names.
const EDGE: Engine = Engine {
    name: "edge",
    browsers: &[],
    drivers: &[],
    capabilities: r#"{
        "browserName": "MicrosoftEdge",
        "acceptInsecureCerts": true,
        "ms:edgeOptions": {
            "args": [
                "--autoplay-policy=no-user-gesture-required",
                "--disable-gpu",
                "--no-first-run",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-features=BackForwardCache,LocalNetworkAccessChecks",
                "--disable-background-timer-throttling",
                "--disable-renderer-backgrounding",
                "--disable-backgrounding-occluded-windows"
            ]
        }
    }"#,
    options_key: "ms:edgeOptions",
    forget: None,
    speed_max: SPEED_MAX,
    ..CHROMIUM
};

/// Looking through all plugins takes GStreamer three seconds: what it found is kept beside the sessions' folders.
const WEBKIT_ENVIRONMENT: &[(&str, &str)] =
    &[("TMPDIR", "{folder}"), ("HOME", "{folder}"), ("GST_REGISTRY", "{folder}/../gstreamer-registry.bin")];

const LIBAV_PLUGIN: &str = concat!("/usr/lib/", multiarch!(), "/gstreamer-1.0/libgstlibav.so");
const PARSERS_PLUGIN: &str = concat!("/usr/lib/", multiarch!(), "/gstreamer-1.0/libgstvideoparsersbad.so");
const GL_PLUGIN: &str = concat!("/usr/lib/", multiarch!(), "/gstreamer-1.0/libgstopengl.so");

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
