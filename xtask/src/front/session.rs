//! One session of the front: a slot, the trial that asked for it, and a browser that is lent to it.
//!
//! Starting a browser costs about as much processor time as playing fifteen stream seconds. So a browser that a
//! trial has given back in good order is made to forget what it saw ([`Engine::forget`]) and is lent again, to a
//! trial that asks for the same capabilities. A browser whose trial died, whose processes were stopped and
//! continued, or that had WebDriver BiDi, is not.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use nix::sys::signal::Signal;
use segproof_harness::engine::{self, CLIENT_CAPABILITY, Client, Engine, Machine, User, Window};
use segproof_harness::plan::Processes;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::driver::{self, Driver};
use super::remote::{self, Remote};
use super::{Manner, Shared, Slot, ledger};
use crate::processes;

/// A browser lent to a trial.
#[derive(Debug)]
pub struct Session {
    pub browser: Arc<Browser>,
    _slot: OwnedSemaphorePermit,
}

/// A browser with its driver: a session of the driver, which may serve several trials one after the other.
#[derive(Debug)]
pub struct Browser {
    /// The session's URL at the WebDriver that serves it.
    pub url: String,
    /// Our own driver; none for a remote session.
    driver: Option<Driver>,
    folder: PathBuf,
    engine: &'static Engine,
    /// The capabilities it was opened with.
    asked: Map<String, Value>,
    /// The value of the driver's answer to New Session.
    answer: Value,
    /// How many trials it was lent to.
    trials: AtomicUsize,
    /// Something was done to it that no page could do.
    is_spent: AtomicBool,
}

/// An error as W3C WebDriver words it.
#[derive(Debug)]
pub struct WireError {
    status: StatusCode,
    error: &'static str,
    message: String,
}

/// Opens a session for the client that the capabilities name; gives the `value` of the answer.
pub async fn open(shared: Arc<Shared>, body: Value) -> Result<Value, WireError> {
    let mut always = match body.pointer("/capabilities/alwaysMatch") {
        Some(Value::Object(map)) => map.clone(),
        _ => return Err(WireError::invalid("capabilities.alwaysMatch is missing")),
    };
    let (client, engine) = take_client(&mut always)?;
    let _opening = shared.under_way.read().await;
    let slot = tokio::select! {
        slot = tokio::time::timeout(SLOT_DEADLINE, Arc::clone(&shared.slots).acquire_owned()) => slot,
        () = shared.closed() => return Err(WireError::over()),
    };
    let slot = slot.map_err(|_| WireError::not_created("no session became free".to_owned()))?;
    let slot = slot.map_err(|error| WireError::not_created(error.to_string()))?;
    let log = shared.log_path(&client.trial);
    let browser = match shared.take_idle(engine, &always).await {
        Some(browser) => {
            if let Some(driver) = &browser.driver {
                driver.log_to(log).await;
            }
            browser
        }
        None => {
            let started = Browser::start(&shared, engine, always, log).await;
            shared.lock_idle().asking -= 1;
            Arc::new(started?)
        }
    };
    let trials = browser.trials.fetch_add(1, Ordering::SeqCst);
    // An id of the trial's own: a late command of an earlier trial must not reach this one.
    let own = browser.answer["sessionId"].as_str().unwrap_or_default();
    let id = if trials == 0 { own.to_owned() } else { format!("{own}-{trials}") };
    let mut value = browser.answer.clone();
    value["sessionId"] = json!(id);
    let session = Arc::new(Session { browser: Arc::clone(&browser), _slot: slot });
    shared.lock_sessions().insert(id.clone(), Slot::Open(session));
    tokio::spawn(watch(Arc::clone(&shared), id, browser, client.pid));
    Ok(value)
}

fn take_client(always: &mut Map<String, Value>) -> Result<(Client, &'static Engine), WireError> {
    let client = always.remove(CLIENT_CAPABILITY).unwrap_or_default();
    let client: Client = serde_json::from_value(client)
        .map_err(|error| WireError::invalid(&format!("capability {CLIENT_CAPABILITY}: {error}")))?;
    let engine = engine::engine(&client.engine)
        .ok_or_else(|| WireError::invalid(&format!("there is no engine {}", client.engine)))?;
    Ok((client, engine))
}

async fn start_driver(
    shared: &Shared,
    engine: &'static Engine,
    folder: &std::path::Path,
    log: &std::path::Path,
) -> Result<Driver, WireError> {
    let mut started = start_driver_once(shared, engine, folder, log).await;
    for _ in 1..PORT_TRIES_MAX {
        match &started {
            // The driver picks a port in one step and takes it in another; somebody came between.
            Err(why) if why.contains(engine.driver_port_taken) => {
                started = start_driver_once(shared, engine, folder, log).await;
            }
            _ => break,
        }
    }
    started.map_err(WireError::not_created)
}

async fn start_driver_once(
    shared: &Shared,
    engine: &'static Engine,
    folder: &std::path::Path,
    log: &std::path::Path,
) -> Result<Driver, String> {
    let program =
        engine.find_driver().ok_or_else(|| format!("the driver of {} is not installed", engine.name))?;
    let display = match engine.needs_display {
        true => Some(shared.display().await?),
        false => None,
    };
    let starting = driver::start(engine, &program, folder, display.as_deref(), log).await?;
    let group = starting.group;
    let noted = shared.lock_ledger().add(group, folder);
    let ready = match noted {
        Ok(()) => tokio::select! {
            ready = starting.ready() => ready,
            () = shared.closed() => Err(OVER.to_owned()),
        },
        Err(error) => Err(format!("the record of running drivers cannot be written: {error}")),
    };
    if ready.is_err() {
        end_group(shared, group, folder).await;
    }
    ready
}

/// How often a driver is asked to pick another port.
const PORT_TRIES_MAX: usize = 5;

impl Browser {
    /// Starts a driver, or takes the remote end, and opens a session there.
    async fn start(
        shared: &Shared,
        engine: &'static Engine,
        asked: Map<String, Value>,
        log: PathBuf,
    ) -> Result<Browser, WireError> {
        let folder = shared
            .session_folder()
            .map_err(|error| WireError::not_created(format!("no folder for the session: {error}")))?;
        let driver = match &shared.settings.remote {
            Some(_) => None,
            None => Some(start_driver(shared, engine, &folder, &log).await?),
        };
        let base = match (&driver, &shared.settings.remote) {
            (Some(driver), _) => driver.url.clone(),
            (None, Some(remote)) => remote.base().to_owned(),
            (None, None) => unreachable!("a driver or a remote end"),
        };
        let mut browser = Browser {
            url: format!("{base}/session"),
            driver,
            folder,
            engine,
            asked,
            answer: Value::Null,
            trials: AtomicUsize::new(0),
            is_spent: AtomicBool::new(false),
        };
        match browser.create(shared).await {
            Ok((id, answer)) => {
                browser.url = format!("{base}/session/{id}");
                browser.answer = answer;
                if let Err(error) = browser.fit_window(shared).await {
                    browser.end(shared, Manner::AtOnce).await;
                    return Err(browser.with_tail(error.message));
                }
                Ok(browser)
            }
            Err(error) => {
                browser.end(shared, Manner::AtOnce).await;
                Err(error)
            }
        }
    }

    /// New Session at the driver.
    async fn create(&self, shared: &Shared) -> Result<(String, Value), WireError> {
        let mut always = self.asked.clone();
        let engine = self.engine;
        let browser = engine.find_browser();
        let profile = self.folder.join("profile");
        let own = self.driver.is_some();
        let remote_end = shared.settings.remote.as_ref();
        // Who is root here and has a Grid on this machine has most likely started it as root, too.
        let may_be_roots = own || remote_end.is_some_and(Remote::is_here);
        let machine = Machine {
            browser: browser.as_deref().filter(|_| own),
            profile: Some(profile.as_path()).filter(|_| own),
            window: shared.settings.window,
            user: if may_be_roots && nix::unistd::geteuid().is_root() { User::Root } else { User::Ordinary },
        };
        engine.complete(&mut always, &machine);
        let body = json!({"capabilities": {"alwaysMatch": always, "firstMatch": [{}]}});
        let exchange = async {
            let request = post(shared, &self.url, &body);
            let limit = if own { engine.session_timeout } else { remote::SESSION_DEADLINE };
            let answer = request.timeout(limit).send().await?;
            let code = answer.status();
            // Before a remote end there may be others who answer in its place, and not in JSON.
            let json = serde_json::from_slice::<Value>(&answer.bytes().await?);
            Ok((code, json.unwrap_or_default()))
        };
        let (code, answer) = tokio::select! {
            answer = self.while_alive(exchange) => answer.map_err(|error| self.with_tail(error.message))?,
            () = shared.closed() => return Err(WireError::over()),
        };
        let value = answer["value"].clone();
        match value["sessionId"].as_str() {
            Some(id) => Ok((id.to_owned(), value)),
            None => {
                let why = value["message"].as_str().and_then(|message| message.lines().next());
                let why =
                    why.map_or_else(|| format!("the answer is {code} without a session"), str::to_owned);
                Err(match remote_end {
                    Some(remote) => WireError::not_created(format!("{remote} opened no session: {why}")),
                    None => self.with_tail(why),
                })
            }
        }
    }

    /// Makes the window of our own browser as small as its engine's row says, where nobody looks at it.
    async fn fit_window(&self, shared: &Shared) -> Result<(), WireError> {
        let is_unseen = self.driver.is_some() && shared.settings.window == Window::Headless;
        if let Some((width, height)) = self.engine.unseen_window.filter(|_| is_unseen) {
            self.ask(shared, "window/rect", json!({"width": width, "height": height})).await?;
        }
        Ok(())
    }

    /// The URL of its session, if that is a remote end's.
    pub fn remote_session(&self) -> Option<String> {
        (self.driver.is_none() && !self.answer.is_null()).then(|| self.url.clone())
    }

    /// Whether it was opened like this, and lives.
    pub fn suits(&self, engine: &Engine, asked: &Map<String, Value>) -> bool {
        self.engine.name == engine.name && self.asked == *asked && !self.is_dead()
    }

    /// Whether its driver has ended by itself.
    pub fn is_dead(&self) -> bool {
        self.driver.as_ref().is_some_and(Driver::is_dead)
    }

    /// Whether it may be lent again once it has forgotten.
    pub fn is_reusable(&self) -> bool {
        let is_worn = self.trials.load(Ordering::SeqCst) >= TRIALS_PER_BROWSER_MAX;
        // What WebDriver BiDi has put before pages outlives the connection that did so.
        let has_bidi = self.asked.contains_key(engine::BIDI_CAPABILITY);
        self.engine.forget.is_some() && !is_worn && !has_bidi && !self.is_spent.load(Ordering::SeqCst)
    }

    /// Leaves one empty tab open, and nothing of what pages stored. An error means that it cannot be lent again. The
    /// tab is the same one, so that its process need not start anew: with a new tab, a trial costs half as much
    /// processor time again. What stays is the session storage of origins that don't come again.
    pub async fn forget(&self, shared: &Shared) -> Result<(), WireError> {
        self.ask(shared, "url", json!({"url": "about:blank"})).await?;
        let handles = self.exchange(shared.client.get(format!("{}/window/handles", self.url))).await?;
        let handles = handles.as_array().map(Vec::as_slice).unwrap_or_default();
        let Some((own, others)) = handles.split_first() else {
            return Err(WireError::unknown("no window is left".to_owned()));
        };
        for other in others {
            self.ask(shared, "window", json!({"handle": other})).await?;
            self.exchange(shared.client.delete(format!("{}/window", self.url))).await?;
        }
        if !others.is_empty() {
            self.ask(shared, "window", json!({"handle": own})).await?;
            self.ask(shared, "url", json!({"url": "about:blank"})).await?;
        }
        for (path, body) in self.engine.forget.unwrap_or_default() {
            let body = serde_json::from_str(body).map_err(|error| WireError::unknown(error.to_string()))?;
            self.ask(shared, path, body).await?;
        }
        Ok(())
    }

    async fn ask(&self, shared: &Shared, path: &str, body: Value) -> Result<Value, WireError> {
        self.exchange(post(shared, &format!("{}/{path}", self.url), &body)).await
    }

    /// One command, and the value of its answer.
    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Value, WireError> {
        let answer = async { request.send().await?.error_for_status()?.json::<Value>().await };
        Ok(self.while_alive(answer).await?["value"].clone())
    }

    fn with_tail(&self, message: String) -> WireError {
        let tail = self.driver.as_ref().map(Driver::last_lines).unwrap_or_default();
        // A driver's death tells its last lines already.
        WireError::not_created(if message.contains(&tail) { message } else { format!("{message}{tail}") })
    }

    /// Runs an exchange with the driver, and ends it with a true sentence when the driver dies meanwhile.
    pub async fn while_alive<T>(
        &self,
        exchange: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, WireError> {
        let failed = tokio::select! {
            done = exchange => match done {
                Ok(done) => return Ok(done),
                Err(error) => error,
            },
            death = self.death() => return Err(WireError::unknown(death)),
        };
        // A dying driver closes its connections a moment before it can be seen to be dead.
        match tokio::time::timeout(DEATH_DEADLINE, self.death()).await {
            Ok(death) => Err(WireError::unknown(death)),
            Err(_) => {
                let who = if self.driver.is_some() { "the driver" } else { "the remote WebDriver" };
                Err(WireError::unknown(format!("{who} did not answer: {}", causes(&failed))))
            }
        }
    }

    /// Stops or continues the driver and its browser.
    pub fn signal(&self, processes: Processes) -> Result<(), WireError> {
        let signal = match processes {
            Processes::Stop => Signal::SIGSTOP,
            Processes::Continue => Signal::SIGCONT,
        };
        let driver = self.driver.as_ref().ok_or_else(|| {
            WireError::unknown("the session's processes belong to the remote end".to_owned())
        })?;
        self.is_spent.store(true, Ordering::SeqCst);
        processes::signal_group(driver.group, signal);
        Ok(())
    }

    async fn death(&self) -> String {
        match &self.driver {
            Some(driver) => driver.death().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the driver with its browser, or the session at the remote end, and removes the folder.
    pub async fn end(&self, shared: &Shared, manner: Manner) {
        match &self.driver {
            Some(driver) => {
                if manner == Manner::Polite {
                    processes::signal_group(driver.group, Signal::SIGTERM);
                    let _killed_below = tokio::time::timeout(POLITE_DEADLINE, driver.death()).await;
                }
                end_group(shared, driver.group, &self.folder).await;
            }
            // Never opened.
            None if self.answer.is_null() => drop(ledger::remove_folder(&self.folder)),
            None => {
                let deleting = shared.client.delete(&self.url).timeout(DELETE_DEADLINE).send();
                let _frees_it_by_itself_in_time = deleting.await;
                let _stays_until_the_run_ends = ledger::remove_folder(&self.folder);
            }
        }
    }
}

/// A command with a body. The charset is redundant, but a Selenium Grid refuses JSON without it.
fn post(shared: &Shared, url: &str, body: &Value) -> reqwest::RequestBuilder {
    shared.client.post(url).header(header::CONTENT_TYPE, "application/json; charset=utf-8").json(body)
}

/// Kills a group, removes its folder and forgets it.
async fn end_group(shared: &Shared, group: u32, folder: &std::path::Path) {
    // Whatever the leader's fate, members of the group may live.
    let noted = ledger::Group { folder: folder.to_owned(), started: processes::started(group) };
    let _panicked = tokio::task::spawn_blocking(move || {
        ledger::kill_group(group, &noted);
        ledger::remove_folder(&noted.folder)
    })
    .await;
    // The ledger only helps a later run; one that cannot be written then costs a look at dead numbers.
    let _stays_noted = shared.lock_ledger().remove(group);
}

/// Ends the session when its driver dies or its trial is gone without having deleted it.
async fn watch(shared: Arc<Shared>, id: String, browser: Arc<Browser>, client: u32) {
    let why = tokio::select! {
        death = browser.death() => death,
        () = process_gone(client) => "the trial's process is gone".to_owned(),
    };
    shared.end_session(&id, &why, Manner::AtOnce).await;
}

pub async fn process_gone(pid: u32) {
    let mut look = tokio::time::interval(CLIENT_LOOK);
    while processes::exists(pid) {
        look.tick().await;
    }
}

/// An error with the errors that caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl WireError {
    pub fn unknown(message: String) -> WireError {
        WireError { status: StatusCode::INTERNAL_SERVER_ERROR, error: "unknown error", message }
    }

    /// For New Session; clients repeat it after an `unknown error`, but not after this one.
    pub fn not_created(message: String) -> WireError {
        WireError { status: StatusCode::INTERNAL_SERVER_ERROR, error: "session not created", message }
    }

    fn over() -> WireError {
        WireError::not_created(OVER.to_owned())
    }

    pub fn no_such_session(id: &str) -> WireError {
        let message = format!("there is no session {id}");
        WireError { status: StatusCode::NOT_FOUND, error: "invalid session id", message }
    }

    fn invalid(message: &str) -> WireError {
        WireError { status: StatusCode::BAD_REQUEST, error: "invalid argument", message: message.to_owned() }
    }
}

impl IntoResponse for WireError {
    fn into_response(self) -> Response {
        let value = json!({"error": self.error, "message": self.message, "stacktrace": ""});
        (self.status, Json(json!({ "value": value }))).into_response()
    }
}

/// Why no session is opened when the front is being closed.
const OVER: &str = "the run is over";

/// How many trials a browser serves: what a page may have left behind does not add up for ever.
const TRIALS_PER_BROWSER_MAX: usize = 32;

/// How long New Session waits for a slot; a trial has one, so this is for sessions that are being closed.
const SLOT_DEADLINE: Duration = Duration::from_secs(60);

/// How long after a failed exchange the driver's death may become visible.
const DEATH_DEADLINE: Duration = Duration::from_millis(500);

/// How long a remote end may take to delete a session.
const DELETE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a driver may take to close its browser after SIGTERM.
const POLITE_DEADLINE: Duration = Duration::from_millis(1000);

/// How often a trial's process is looked for: other processes' children cannot be awaited.
const CLIENT_LOOK: Duration = Duration::from_millis(500);
