//! The rows themselves: what each engine is called, started with and allowed, and where that was found.

use super::*;

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
