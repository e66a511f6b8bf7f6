//! The control listener: the player's page with the probe in front, its files, and the probe's WebSocket.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use segproof_core::action::Conditions;
use segproof_core::trace::PageEntry;
use serde::Deserialize;
use tokio::net::TcpListener;

use super::{Shared, accept};

/// Where the page's files come from, how fast its time runs, and what else it is put under.
pub struct PageFiles {
    /// Where they are looked for, first here, then there.
    pub(super) folders: Vec<PathBuf>,
    /// Names that are served from elsewhere, as player.toml's `[files]` says.
    pub(super) extra: Vec<(String, PathBuf)>,
    /// Names that are served from memory.
    pub(super) texts: Vec<(String, String)>,
    pub(super) speed: f64,
    /// `None` leaves the page alone with the probe.
    pub(super) conditions: Option<Conditions>,
    /// What listens to its sound, if anything does.
    pub(super) ear: Option<Ear>,
    /// Whether somebody's hand is at it.
    pub(super) is_touched: bool,
}

/// What listens to the page's sound.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Ear {
    /// Why it does not, if so.
    pub error: Option<&'static str>,
}

/// What the probe has to say; page times are the page's own milliseconds.
#[derive(Debug)]
pub enum PageMessage {
    /// The probe's WebSocket is open.
    Connected,
    Batch(Batch),
    /// Page time `page_ms` fell between `sent_ms` and `received_ms` of wall time.
    Pong {
        sent_ms: f64,
        received_ms: f64,
        page_ms: f64,
    },
    /// Something was said that can't be understood.
    Unreadable(String),
    /// The WebSocket has closed.
    Gone,
}

/// One heartbeat's worth of entries.
#[derive(Debug, Deserialize)]
pub struct Batch {
    pub entries: Vec<PageEntry>,
    pub beat: Option<PageBeat>,
}

/// The page's heartbeat.
#[derive(Debug, Deserialize)]
pub struct PageBeat {
    pub at_ms: f64,
    /// How late it was, wall milliseconds.
    pub lag_ms: f64,
    pub time: Option<f64>,
    /// Seconds buffered ahead of that.
    pub ahead: f64,
    pub playing: bool,
}

#[derive(Deserialize)]
struct Pong {
    pong: u64,
    at_ms: f64,
}

pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let router = Router::new()
        .route("/player/{*path}", get(player_file))
        .route("/probe", get(probe))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .with_state(shared);
    // Not axum::serve: its connections are tasks of their own and would outlive the stage.
    accept(&listener, |stream| {
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        async {
            // A browser that closes in mid-request is no news here: the probe's WebSocket tells.
            let _ = connection.with_upgrades().await;
        }
    })
    .await;
}

async fn player_file(State(shared): State<Arc<Shared>>, UrlPath(path): UrlPath<String>) -> Response {
    let Some(bytes) = shared.files.read(&path).await else { return StatusCode::NOT_FOUND.into_response() };
    let extension = Path::new(&path).extension().and_then(|e| e.to_str()).unwrap_or("");
    let body = match (extension, String::from_utf8(bytes)) {
        ("html", Ok(html)) => with_probe(&html, &shared.files).into_bytes(),
        (_, Ok(text)) => text.into_bytes(),
        (_, Err(binary)) => binary.into_bytes(),
    };
    let content_type = match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

impl PageFiles {
    /// What is served for a request path; `None` if there is nothing.
    async fn read(&self, path: &str) -> Option<Vec<u8>> {
        if let Some((_, text)) = self.texts.iter().find(|(name, _)| name == path) {
            return Some(text.clone().into_bytes());
        }
        tokio::fs::read(self.locate(path)?).await.ok()
    }

    /// What is in the page before its first own script: the probe, and behind it what the trial wants: the ear, the hand,
    /// above speed 1 the warp, and the conditions.
    fn scripts(&self) -> Vec<String> {
        let speed = self.speed;
        let mut scripts = Vec::new();
        if let Some(conditions) = &self.conditions {
            // Plain data cannot fail to be written, and holds nothing that would end a script.
            let json = serde_json::to_string(conditions).expect("conditions are plain data");
            scripts.push(format!("window.__segproofConditions = {json};"));
        }
        if let Some(ear) = &self.ear {
            let json = serde_json::to_string(ear).expect("a text is plain data");
            scripts.push(format!("window.__segproofEar = {json};"));
        }
        if self.is_touched {
            scripts.push("window.__segproofHand = {};".to_owned());
        }
        if speed != 1.0 {
            // The warp takes it away again.
            scripts.push(format!("window.__segproofSpeed = {speed};"));
        }
        scripts.push(PROBE.to_owned());
        if self.ear.is_some() {
            scripts.push(EAR.to_owned());
        }
        if self.is_touched {
            scripts.push(HAND.to_owned());
        }
        if speed != 1.0 {
            scripts.push(WARP.to_owned());
        }
        if self.conditions.is_some() {
            scripts.push(CONDITIONS.to_owned());
        }
        scripts
    }

    /// The same for a page that somebody else serves, as a function that WebDriver BiDi runs there before all others; its
    /// argument is a channel to the trial. The probe reports to its WebSocket all the same: another origin's page may
    /// open one without our leave (no CORS is asked there), it loses nothing, and clock and commands use it as well. The
    /// channel is for what keeps the page from it.
    pub(super) fn preload(&self, control: SocketAddr, media: [SocketAddr; 2]) -> String {
        let probe = format!("ws://{control}/probe");
        let hosts = [control, media[0], media[1]].map(|host| host.to_string());
        let scripts = self.scripts().join("\n");
        format!("(tell) => {{\nif (!({ELSEWHERE})(tell, {probe:?}, {hosts:?})) return;\n{scripts}\n}}")
    }

    /// The file for a request path; `None` if there is none, or it would leave the player's folders.
    fn locate(&self, path: &str) -> Option<PathBuf> {
        if let Some((_, file)) = self.extra.iter().find(|(name, _)| name == path) {
            return Some(file.clone());
        }
        let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
        let places = self.folders.iter().map(|folder| folder.join(path));
        if inside { places.into_iter().find(|place| place.is_file()) } else { None }
    }
}

/// Puts our scripts before the page's first own one.
fn with_probe(html: &str, files: &PageFiles) -> String {
    // Their name is what a stack calls them.
    let tag = |script: &String| format!("<script>{script}\n//# sourceURL=segproof.js</script>");
    let scripts: String = files.scripts().iter().map(tag).collect();
    match head_end(html) {
        Some(at) => format!("{}{scripts}{}", &html[..at], &html[at..]),
        None => format!("<!doctype html><head>{scripts}</head>{html}"),
    }
}

/// Where the content of the page's head element begins, if it has a tag for it.
fn head_end(html: &str) -> Option<usize> {
    let lower = html.to_ascii_lowercase();
    // A <header> is none.
    let ends_name = |at: usize| lower[at..].starts_with(|c: char| c == '>' || c.is_ascii_whitespace());
    let (head, _) = lower.match_indices("<head").find(|(at, tag)| ends_name(at + tag.len()))?;
    lower[head..].find('>').map(|close| head + close + 1)
}

async fn probe(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| listen(shared, socket))
}

async fn listen(shared: Arc<Shared>, mut socket: WebSocket) {
    let say = |message| {
        // The trial is over when nobody listens any more.
        let _ = shared.page.send(message);
    };
    say(PageMessage::Connected);
    let mut pings = Vec::new();
    let mut tick = tokio::time::interval(PING_EVERY);
    let mut open = shared.open.clone();
    let mut commands = shared.commands.subscribe();
    loop {
        tokio::select! {
            // Only ever fails, when the stage is dropped.
            _ = open.changed() => return,
            _ = tick.tick() => {
                pings.push(shared.clock.wall_ms(Instant::now()));
                let id = (pings.len() - 1).to_string();
                if socket.send(Message::Text(id.into())).await.is_err() {
                    break;
                }
            }
            // One that was missed would never be reported as carried out, and the trial finds that.
            Ok(command) = commands.recv() => {
                if socket.send(Message::Text(command.into())).await.is_err() {
                    break;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    let received_ms = shared.clock.wall_ms(Instant::now());
                    say(understand(text.as_str(), &pings, received_ms));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            }
        }
    }
    say(PageMessage::Gone);
}

fn understand(text: &str, pings: &[f64], received_ms: f64) -> PageMessage {
    if let Ok(pong) = serde_json::from_str::<Pong>(text) {
        return match pings.get(pong.pong as usize) {
            Some(sent_ms) => PageMessage::Pong { sent_ms: *sent_ms, received_ms, page_ms: pong.at_ms },
            None => PageMessage::Unreadable(text.to_string()),
        };
    }
    match serde_json::from_str(text) {
        Ok(batch) => PageMessage::Batch(batch),
        Err(error) => {
            PageMessage::Unreadable(format!("{error}: {}", text.chars().take(200).collect::<String>()))
        }
    }
}

const PROBE: &str = include_str!("../probe/probe.js");
const CONDITIONS: &str = include_str!("../probe/conditions.js");
const ELSEWHERE: &str = include_str!("../probe/elsewhere.js");
const EAR: &str = include_str!("../probe/ear.js");
const HAND: &str = include_str!("../probe/hand.js");
const WARP: &str = include_str!("../probe/warp.js");
/// Often enough that the best of the round trips is a quiet one.
const PING_EVERY: Duration = Duration::from_millis(250);
const MESSAGE_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn at_speed(speed: f64) -> PageFiles {
        PageFiles::new(Vec::new(), Vec::new(), speed)
    }

    #[track_caller]
    fn check_head(html: &str, own: &str) {
        let page = with_probe(html, &at_speed(1.0));
        let (probe, rest) = page.split_once("</script>").expect("the probe is there");
        assert!(probe.to_ascii_lowercase().contains("<head"), "{probe}");
        assert_eq!(rest, own);
    }

    #[test]
    fn the_probe_comes_first_in_the_head() {
        check_head("<html><HEAD lang=en><title>x", "<title>x");
        check_head("<title>x", "</head><title>x");
        // Only looks like one.
        check_head("<header>x</header>", "</head><header>x</header>");
    }

    #[test]
    fn the_warp_comes_with_speeds_other_than_1_only() {
        let at_1 = with_probe("<head>", &at_speed(1.0));
        assert!(!at_1.contains("__segproofSpeed = ") && !at_1.contains(WARP));
        let faster = with_probe("<head>", &at_speed(2.5));
        let place = |part: &str| faster.find(part).expect("it is there");
        assert!(place("__segproofSpeed = 2.5;") < place(PROBE) && place(PROBE) < place(WARP));
    }

    #[test]
    fn the_conditions_come_last_and_only_if_there_are_any() {
        assert!(!with_probe("<head>", &at_speed(1.0)).contains(CONDITIONS));
        let conditions = Conditions { autoplay_denied: true, quota_bytes: None, clock_ms: -5.0 };
        let files = at_speed(2.0).under(Some(conditions));
        let page = with_probe("<head>", &files);
        let place = |part: &str| page.find(part).expect("it is there");
        assert!(place("\"autoplay_denied\":true,\"quota_bytes\":null,\"clock_ms\":-5.0") < place(PROBE));
        assert!(place(PROBE) < place(WARP) && place(WARP) < place(CONDITIONS));
    }

    #[test]
    fn the_hand_comes_behind_the_probe_and_only_if_there_is_one() {
        assert!(!with_probe("<head>", &at_speed(2.0)).contains(HAND));
        let page = with_probe("<head>", &at_speed(2.0).touched(true));
        let place = |part: &str| page.find(part).expect("it is there");
        assert!(place("__segproofHand = {};") < place(PROBE));
        assert!(place(PROBE) < place(HAND) && place(HAND) < place(WARP));
    }

    #[test]
    fn a_page_that_is_served_elsewhere_gets_the_same_scripts_behind_what_tells_of_it() {
        let conditions = Conditions { autoplay_denied: true, quota_bytes: None, clock_ms: 0.0 };
        let files = at_speed(2.0).under(Some(conditions));
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let preload = files.preload(address(1), [address(2), address(3)]);
        let told = r#"(tell, "ws://127.0.0.1:1/probe", ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"])"#;
        let (before, behind) = preload.split_once(told).expect("what tells of it is called");
        assert!(before.contains(ELSEWHERE), "{before}");
        assert_eq!(behind, format!(") return;\n{}\n}}", files.scripts().join("\n")));
    }

    #[test]
    fn what_cannot_be_read_is_said_whatever_its_letters() {
        let text = "\u{e4}".repeat(300);
        let PageMessage::Unreadable(why) = understand(&text, &[], 0.0) else { panic!("it was understood") };
        assert!(why.ends_with(&"\u{e4}".repeat(200)), "{why}");
        // A pong for a ping that was never sent.
        assert!(matches!(understand(r#"{"pong":3,"at_ms":1}"#, &[0.0], 0.0), PageMessage::Unreadable(_)));
    }
}
