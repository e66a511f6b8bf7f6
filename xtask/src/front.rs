//! The WebDriver front: the one door by which trials reach browsers.
//!
//! It speaks W3C WebDriver on a port of 127.0.0.1. New Session lends a browser that has served before, or starts a
//! driver (or asks the remote end that `--webdriver` names); Delete Session takes it back, to be lent again or ended
//! with its whole process group and its profile; every other command is handed on unread. A trial learns the front's
//! URL and nothing about drivers. On the same listener, apart from WebDriver, trials post their finished report for the
//! progress display, and ask for their browser's processes to be stopped and continued.

mod display;
mod driver;
mod ledger;
mod pace;
mod remote;
mod session;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as UrlPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use segproof_core::report::TrialReport;
use segproof_harness::engine::{Engine, Window};
use segproof_harness::plan::{Begin, Begun, Processes, Signal};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{RwLock, Semaphore, broadcast, mpsc, oneshot, watch};

use display::Display;
use ledger::Ledger;
pub use ledger::{Group, kill_group, sweep};
use pace::Pace;
pub use pace::Pacing;
pub use remote::Remote;
use session::{Browser, Session, WireError};

/// How the front shall be.
#[derive(Debug)]
pub struct Settings {
    /// How many sessions may be open at a time.
    pub sessions: usize,
    /// How many trials play at a time.
    pub pacing: Pacing,
    pub window: Window,
    /// A WebDriver to use in place of our own drivers.
    pub remote: Option<Remote>,
    /// Who looks at trials that are no plain pass, before their browsers are closed.
    pub viewer: Option<mpsc::UnboundedSender<Held>>,
    /// Folder of the drivers' logs.
    pub logs: PathBuf,
    /// Folder of the ledgers.
    pub state: PathBuf,
}

impl Settings {
    /// For one page after the other in browsers of this machine, which nobody sees.
    pub fn one_at_a_time(logs: PathBuf) -> Settings {
        Settings {
            sessions: 1,
            pacing: Pacing::ONE_AT_A_TIME,
            window: Window::Headless,
            remote: None,
            viewer: None,
            logs,
            state: crate::conformance::state_folder(),
        }
    }
}

/// A trial that is judged and whose browser is still open, until the answer.
#[derive(Debug)]
pub struct Held {
    pub report: TrialReport,
    pub looked_at: oneshot::Sender<()>,
}

/// A front that listens until it is closed. Dropping it kills what it started.
#[derive(Debug)]
pub struct Front {
    /// Base URL for WebDriver clients.
    pub url: String,
    /// Where trials POST their reports.
    pub notify: String,
    /// Where trials POST that they want to begin.
    pub pace: String,
    /// Where trials POST what shall become of their browser's processes; `None` with a remote end.
    pub signals: Option<String>,
    /// Where trials POST their reports to have their browsers looked at; `None` if nobody does.
    pub hold: Option<String>,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    slots: Arc<Semaphore>,
    client: reqwest::Client,
    ledger: Mutex<Ledger>,
    temporary: TempDir,
    pace: watch::Sender<Pace>,
    sessions: Mutex<HashMap<String, Slot>>,
    idle: Mutex<Idle>,
    opened: AtomicUsize,
    /// Started for the first browser that needs one.
    display: tokio::sync::Mutex<Option<Display>>,
    /// Becomes true when no session may be opened any more.
    closing: watch::Sender<bool>,
    /// Held for reading while a session is being opened or taken back.
    under_way: RwLock<()>,
    verdicts: mpsc::UnboundedSender<TrialReport>,
    /// Ids of sessions as they load a page.
    pages: broadcast::Sender<String>,
}

/// Browsers that wait to be lent again: with those that are lent, never more than there are slots.
#[derive(Debug, Default)]
struct Idle {
    browsers: Vec<Arc<Browser>>,
    /// How many sessions are being opened because there was none.
    asking: usize,
}

/// A session by its id: what became of it is remembered, so that a late command gets a true answer.
#[derive(Debug, Clone)]
enum Slot {
    Open(Arc<Session>),
    Ended(String),
}

impl Front {
    /// Starts listening. Finished reports go to `verdicts`.
    pub async fn open(
        settings: Settings,
        verdicts: mpsc::UnboundedSender<TrialReport>,
    ) -> anyhow::Result<Front> {
        // Not below the target folder: browsers put sockets here, whose paths must stay short.
        let temporary = tempfile::Builder::new().prefix("segproof-").tempdir()?;
        let ledger =
            Ledger::open(&settings.state, temporary.path()).context("the record of running drivers")?;
        std::fs::create_dir_all(&settings.logs)?;
        let shared = Arc::new(Shared {
            slots: Arc::new(Semaphore::new(settings.sessions)),
            pace: watch::Sender::new(Pace::new(settings.pacing)),
            settings,
            client: reqwest::Client::builder().no_proxy().build()?,
            ledger: Mutex::new(ledger),
            temporary,
            sessions: Mutex::default(),
            idle: Mutex::default(),
            opened: AtomicUsize::new(0),
            display: tokio::sync::Mutex::default(),
            closing: watch::Sender::new(false),
            under_way: RwLock::default(),
            verdicts,
            pages: broadcast::Sender::new(PAGES_MAX),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let signals = shared.settings.remote.is_none().then(|| format!("{url}{SIGNAL_PATH}"));
        let hold = shared.settings.viewer.is_some().then(|| format!("{url}{HOLD_PATH}"));
        let routes = routes(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            let _never_ends = axum::serve(listener, routes).await;
        });
        let notify = format!("{url}{VERDICT_PATH}");
        let pace = format!("{url}{PACE_PATH}");
        Ok(Front { notify, pace, url, signals, hold, shared, server })
    }

    /// A function that kills at once everything the front started.
    pub fn killer(&self) -> impl Fn() + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.kill_everything()
    }

    /// Who can stop the browsers of open sessions for a while.
    pub fn stopper(&self) -> Stopper {
        Stopper { shared: Arc::clone(&self.shared), pages: self.shared.pages.subscribe() }
    }

    /// Notes the process group that runs the trials, and a path that its command line names, so that a later
    /// run can end it if this one is killed; `None` when it has ended.
    pub fn note_trials(&self, trials: Option<(u32, &Path)>) -> std::io::Result<()> {
        self.shared.lock_ledger().set_trials(trials)
    }

    /// Ends every session, politely first, and stops listening.
    pub async fn close(self) {
        self.server.abort();
        // No session can be opened from here on, and those that are being opened are given up.
        self.shared.closing.send_replace(true);
        let _all_given_up = self.shared.under_way.write().await;
        let open: Vec<String> = self.shared.lock_sessions().keys().cloned().collect();
        let idle = std::mem::take(&mut self.shared.lock_idle().browsers);
        let mut closing = tokio::task::JoinSet::new();
        for id in open {
            let shared = Arc::clone(&self.shared);
            closing.spawn(async move { shared.end_session(&id, "the run is over", Manner::Polite).await });
        }
        for browser in idle {
            let shared = Arc::clone(&self.shared);
            closing.spawn(async move { browser.end(&shared, Manner::Polite).await });
        }
        while closing.join_next().await.is_some() {}
        if let Some(display) = self.shared.display.lock().await.take() {
            display.end().await;
        }
    }
}

/// Stops browsers as an overloaded machine would.
#[derive(Debug)]
pub struct Stopper {
    shared: Arc<Shared>,
    pages: broadcast::Receiver<String>,
}

impl Clone for Stopper {
    fn clone(&self) -> Stopper {
        Stopper { shared: Arc::clone(&self.shared), pages: self.pages.resubscribe() }
    }
}

impl Stopper {
    /// The next session that has loaded a page; `None` when no other will.
    pub async fn next_on_page(&mut self) -> Option<String> {
        loop {
            match self.pages.recv().await {
                Ok(session) => return Some(session),
                // Those that were missed play on undisturbed.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Stops a session's browser, if it is still open, and continues it after that time.
    pub async fn stop_for(&self, session: &str, time: Duration) {
        let Ok(session) = self.shared.find(session) else { return };
        if session.browser.signal(Processes::Stop).is_ok() {
            tokio::time::sleep(time).await;
            // It may have ended meanwhile.
            let _gone = session.browser.signal(Processes::Continue);
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
        self.shared.kill_everything();
    }
}

/// How a session is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// SIGTERM, a moment, SIGKILL.
    Polite,
    /// SIGKILL: the browser is gone already, or shall be.
    AtOnce,
}

impl Shared {
    fn lock_sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends at once what would outlive this process.
    fn kill_everything(&self) {
        self.lock_ledger().clear();
        let open = self.lock_sessions();
        let open = open.values().filter_map(|slot| match slot {
            Slot::Open(session) => Some(Arc::clone(&session.browser)),
            Slot::Ended(_) => None,
        });
        let browsers: Vec<Arc<Browser>> = open.chain(self.lock_idle().browsers.iter().cloned()).collect();
        remote::delete_at_once(browsers.iter().filter_map(|browser| browser.remote_session()).collect());
    }

    /// Waits until the front is closed.
    async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // The sender is ours, so it cannot be gone.
        let _closing = closing.wait_for(|closing| *closing).await;
    }

    fn find(&self, id: &str) -> Result<Arc<Session>, WireError> {
        match self.lock_sessions().get(id) {
            Some(Slot::Open(session)) => Ok(Arc::clone(session)),
            Some(Slot::Ended(why)) => Err(WireError::unknown(why.clone())),
            None => Err(WireError::no_such_session(id)),
        }
    }

    fn has_ended(&self, id: &str) -> bool {
        matches!(self.lock_sessions().get(id), Some(Slot::Ended(_)))
    }

    /// Takes a session out of the table, once.
    fn take_session(&self, id: &str, why: &str) -> Option<Arc<Session>> {
        let mut sessions = self.lock_sessions();
        match sessions.insert(id.to_owned(), Slot::Ended(why.to_owned())) {
            Some(Slot::Open(session)) => Some(session),
            Some(ended) => {
                sessions.insert(id.to_owned(), ended);
                None
            }
            None => None,
        }
    }

    /// Takes a session out of the table, once, and ends what it holds.
    async fn end_session(&self, id: &str, why: &str, manner: Manner) {
        if let Some(session) = self.take_session(id, why) {
            session.browser.end(self, manner).await;
        }
    }

    /// An idle browser that was opened with these capabilities. If there is none, another idle one is ended, a dead
    /// one first, to make room for a new one, which is counted as asked for from here on.
    async fn take_idle(&self, engine: &Engine, asked: &Map<String, Value>) -> Option<Arc<Browser>> {
        let (found, other) = {
            let mut idle = self.lock_idle();
            let Idle { browsers, asking } = &mut *idle;
            match browsers.iter().position(|browser| browser.suits(engine, asked)) {
                Some(place) => (Some(browsers.remove(place)), None),
                None => {
                    *asking += 1;
                    let dead = browsers.iter().position(|browser| browser.is_dead());
                    (None, dead.map(|place| browsers.remove(place)).or_else(|| browsers.pop()))
                }
            }
        };
        if let Some(other) = other {
            other.end(self, Manner::AtOnce).await;
        }
        found
    }

    /// Makes a browser that was given back ready to be lent again, or ends it.
    async fn take_back(&self, session: Arc<Session>) {
        let _on_its_way = self.under_way.read().await;
        let browser = &session.browser;
        let has_forgotten = browser.is_reusable()
            && tokio::select! {
                forgotten = tokio::time::timeout(FORGET_DEADLINE, browser.forget(self)) => matches!(forgotten, Ok(Ok(()))),
                () = self.closed() => false,
            };
        let is_kept = has_forgotten && {
            let mut idle = self.lock_idle();
            // A remote end may have fewer places than sessions are asked for here: who waits for one there would wait for ever.
            let is_wanted = self.settings.remote.is_none() || idle.asking == 0;
            if is_wanted {
                idle.browsers.push(Arc::clone(browser));
            }
            is_wanted
        };
        if !is_kept {
            browser.end(self, Manner::AtOnce).await;
        }
    }

    /// The name of the display for browsers that need one: the user's, if windows are to be seen, else one of our own.
    async fn display(&self) -> Result<String, String> {
        let of_user = std::env::var("DISPLAY").ok().filter(|name| !name.is_empty());
        if let (Window::Headed, Some(name)) = (self.settings.window, of_user) {
            return Ok(name);
        }
        let mut display = self.display.lock().await;
        if !display.as_mut().is_some_and(Display::lives) {
            let note = |group| self.lock_ledger().add(group, &self.temporary.path().join("display"));
            *display = Some(Display::start(&self.settings.logs.join("display.log"), note).await?);
        }
        Ok(display.as_ref().map(|display| display.name.clone()).unwrap_or_default())
    }

    /// The folder of a new browser.
    fn session_folder(&self) -> std::io::Result<PathBuf> {
        let number = self.opened.fetch_add(1, Ordering::SeqCst);
        // All of one width, so that no folder's path begins with another's.
        let folder = self.temporary.path().join(format!("{number:06}"));
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// Where a driver's output goes while it serves a trial.
    fn log_path(&self, trial: &str) -> PathBuf {
        free_path(&self.settings.logs, &crate::report::log_stem(trial))
    }
}

/// The first path of `stem.log`, `stem.2.log`... that is free: a rerun keeps the first run's log.
fn free_path(folder: &Path, stem: &str) -> PathBuf {
    let numbered = (2..).map(|number| folder.join(format!("{stem}.{number}.log")));
    let mut paths = std::iter::once(folder.join(format!("{stem}.log"))).chain(numbered);
    paths.find(|path| !path.exists()).unwrap_or_default()
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(VERDICT_PATH, post(take_verdict))
        .route(PACE_PATH, post(begin))
        .route(SIGNAL_PATH, post(pass_signal))
        .route(HOLD_PATH, post(hold))
        .route("/status", get(status))
        .route("/session", post(new_session))
        .route("/session/{id}", any(command))
        .route("/session/{id}/{*rest}", any(command))
        // Screenshots and pages that are set as a whole pass through here.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn take_verdict(State(shared): State<Arc<Shared>>, Json(report): Json<TrialReport>) -> StatusCode {
    shared.pace.send_modify(|pace| pace.finished(&report));
    // The file counts, not this message: when nobody listens any more, nothing is lost.
    let _nobody_listens = shared.verdicts.send(report);
    StatusCode::NO_CONTENT
}

/// Answers when there is a place for the trial.
async fn begin(State(shared): State<Arc<Shared>>, Json(begin): Json<Begin>) -> Json<Begun> {
    let Begin { trial, speed, half_places, pid } = begin;
    let mut changes = shared.pace.subscribe();
    let speed = loop {
        let mut granted = None;
        shared.pace.send_if_modified(|pace| {
            granted = pace.begin(&trial, speed, half_places);
            // Who waits is told of places that become free.
            false
        });
        match granted {
            Some(speed) => break speed,
            // The sender is ours, so it cannot be gone.
            None => drop(changes.changed().await),
        }
    };
    tokio::spawn(async move {
        session::process_gone(pid).await;
        shared.pace.send_modify(|pace| pace.gone(&trial));
    });
    Json(Begun { speed })
}

/// Stops or continues a session's driver and browser, when a trial's laptop sleeps or wakes. A stopped group is
/// ended like any other: SIGKILL does not wait for it.
async fn pass_signal(
    State(shared): State<Arc<Shared>>,
    Json(Signal { session, processes }): Json<Signal>,
) -> Result<StatusCode, WireError> {
    shared.find(&session)?.browser.signal(processes)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers when somebody has looked at the browser.
async fn hold(State(shared): State<Arc<Shared>>, Json(report): Json<TrialReport>) -> StatusCode {
    let (looked_at, looking) = oneshot::channel();
    if let Some(viewer) = &shared.settings.viewer {
        // When the viewer is gone, so is the other end, and nobody is waited for.
        let _gone = viewer.send(Held { report, looked_at });
        let _gone = looking.await;
    }
    StatusCode::NO_CONTENT
}

async fn status(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let free = shared.slots.available_permits();
    Json(json!({"value": {"ready": free > 0, "message": format!("{free} sessions are free")}}))
}

async fn new_session(
    State(shared): State<Arc<Shared>>,
    Json(body): Json<Value>,
) -> Result<Response, WireError> {
    // A task of its own, so that a client that gives up does not leave a driver half started.
    let opening = tokio::spawn(session::open(shared, body));
    let value = opening.await.map_err(|error| WireError::not_created(error.to_string()))??;
    Ok(Json(json!({ "value": value })).into_response())
}

async fn command(
    State(shared): State<Arc<Shared>>,
    UrlPath(parts): UrlPath<HashMap<String, String>>,
    request: Request,
) -> Result<Response, WireError> {
    let id = parts.get("id").map(String::as_str).unwrap_or_default();
    if request.method() == Method::DELETE && !parts.contains_key("rest") {
        return delete_session(&shared, id);
    }
    let session = shared.find(id)?;
    let answer = forward(&shared, &session.browser, id, request).await;
    if parts.get("rest").is_some_and(|rest| rest == "url") {
        // Who hinders a run listens, and nobody else.
        let _nobody_listens = shared.pages.send(id.to_owned());
    }
    answer
}

/// Takes a session back; the trial need not wait until its browser has ended or is ready for the next one. One that
/// has ended already is deleted with success: a client that sees its Delete Session fail may try again for minutes.
fn delete_session(shared: &Arc<Shared>, id: &str) -> Result<Response, WireError> {
    match shared.take_session(id, "the session was deleted") {
        Some(session) => {
            let shared = Arc::clone(shared);
            tokio::spawn(async move { shared.take_back(session).await });
        }
        None if shared.has_ended(id) => {}
        None => return Err(WireError::no_such_session(id)),
    }
    Ok(Json(json!({"value": null})).into_response())
}

/// Hands a command on; `id` is what the trial knows its session by.
async fn forward(
    shared: &Shared,
    browser: &Browser,
    id: &str,
    request: Request,
) -> Result<Response, WireError> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let body = body.map_err(|error| WireError::unknown(error.to_string()))?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let rest = path.strip_prefix(&format!("/session/{id}")).unwrap_or_default();
    let url = format!("{}{rest}", browser.url);
    let mut outgoing = shared.client.request(parts.method, url).body(body);
    if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
        outgoing = outgoing.header(header::CONTENT_TYPE, kind);
    }
    let exchange = async {
        let answer = outgoing.send().await?;
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
        Ok::<(StatusCode, Option<header::HeaderValue>, Bytes), reqwest::Error>((
            status,
            kind,
            answer.bytes().await?,
        ))
    };
    let (status, kind, body) = browser.while_alive(exchange).await?;
    let mut response = (status, body).into_response();
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
}

/// More than load a page before anybody who listens has looked.
const PAGES_MAX: usize = 256;

/// Where signals for a browser's processes are posted.
const SIGNAL_PATH: &str = "/segproof/signal";

/// Where trials wait for somebody to look.
const HOLD_PATH: &str = "/segproof/hold";

/// Where trials ask whether there is room for them.
const PACE_PATH: &str = "/segproof/pace";

/// Where reports are posted.
const VERDICT_PATH: &str = "/segproof/verdict";

/// How long a browser may take to close its tabs and forget.
const FORGET_DEADLINE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
