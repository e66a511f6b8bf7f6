//! One trial's listeners, on loopback unless a person wants another address: *control* (page, player, probe) and two of *media* (the faulty origin).
//!
//! Control is plain and never faulted. Media are other ports, so that CORS is real, and carry out what the
//! [`Origin`](segproof_core::origin::Origin) decides. Each trial has its own: nothing is shared.

mod control;
mod door;
mod http1;
mod http2;
mod live;
mod media;
mod playback;
mod publisher;
mod tap;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use segproof_core::action::{Command, Conditions};
use segproof_core::exchange::{Bases, Host, Protocol};
use segproof_core::trace::Request;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{SetOnce, broadcast, mpsc, watch};
use tokio::task::JoinSet;

use crate::player::PageUrl;

pub use control::{Ear, PageFiles, PageMessage};
pub use live::LiveFiles;
pub use publisher::{Publish, Publisher};

use door::Doors;
use media::Speech;

/// A trial's listeners and what they have recorded. Dropping it closes them and every connection.
pub struct Stage {
    pub control: SocketAddr,
    /// The media host that the player is given.
    pub media: SocketAddr,
    /// The other one.
    pub media_second: SocketAddr,
    /// Where both are reached.
    pub bases: Bases,
    /// The media hosts' own certificate (DER), where they speak TLS.
    pub certificate: Option<Vec<u8>>,
    shared: Arc<Shared>,
    /// Aborted on drop.
    _tasks: JoinSet<()>,
    /// Its drop tells what runs in tasks of its own: axum gives each WebSocket one.
    _open: watch::Sender<()>,
}

/// Where a trial's listeners are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// An address of this machine at which the browser reaches it.
    pub host: IpAddr,
    /// Control's; the media hosts have the two that follow. 0: whatever is free.
    pub port: u16,
}

impl Default for Listen {
    fn default() -> Listen {
        Listen { host: Ipv4Addr::LOCALHOST.into(), port: 0 }
    }
}

impl Listen {
    /// Control's listener and those of the two media hosts.
    async fn bind(self) -> std::io::Result<[TcpListener; 3]> {
        let at = async |place: u16| {
            let port = if self.port == 0 { Some(0) } else { self.port.checked_add(place) };
            let port = port.ok_or_else(|| std::io::Error::other("there are no three ports from there on"))?;
            TcpListener::bind((self.host, port)).await
        };
        Ok([at(0).await?, at(1).await?, at(2).await?])
    }
}

/// Whether the media hosts take connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Open,
    /// Connections are refused, and those that were open are closed.
    Shut,
}

struct Shared {
    clock: Clock,
    publisher: Publisher,
    requests: Mutex<Vec<Request>>,
    fired: Mutex<Vec<Fired>>,
    page: mpsc::UnboundedSender<PageMessage>,
    /// What the page is told to do, as JSON.
    commands: broadcast::Sender<String>,
    files: PageFiles,
    doors: watch::Sender<Doors>,
    /// Closed when the stage is dropped.
    open: watch::Receiver<()>,
}

impl Shared {
    fn is_media_open(&self) -> bool {
        self.doors.borrow().is_open()
    }
}

/// A fault that met a request; goes to origin.jsonl, never into the trace.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Fired {
    /// Number of the request in the origin's lane.
    pub request: u64,
    /// Index of the fault in the scenario.
    pub fault: usize,
}

/// Wall time since the stage was opened, and the stream time that runs on it.
pub struct Clock {
    opened: Instant,
    /// Stream seconds per wall second.
    speed: f64,
    /// Wall milliseconds of the first playlist request.
    zero_ms: SetOnce<f64>,
}

impl Clock {
    /// Wall milliseconds since the stage was opened.
    pub fn wall_ms(&self, at: Instant) -> f64 {
        at.duration_since(self.opened).as_secs_f64() * 1000.0
    }

    /// Wall milliseconds of stream time zero, once it is known.
    pub fn zero_ms(&self) -> Option<f64> {
        self.zero_ms.get().copied()
    }

    /// Stream seconds per wall second.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Stream time now; 0 before the first playlist request.
    pub fn now_ms(&self) -> f64 {
        self.stream_ms(self.wall_ms(Instant::now()))
    }

    fn stream_ms(&self, wall_ms: f64) -> f64 {
        self.zero_ms().map_or(0.0, |zero| (wall_ms - zero) * self.speed)
    }

    fn begin(&self, wall_ms: f64) {
        // Zero is the first playlist request; for every further one it is set already.
        let _ = self.zero_ms.set(wall_ms);
    }

    /// Resolves when stream time has begun.
    async fn begun(&self) {
        self.zero_ms.wait().await;
    }

    /// Resolves at this stream time, once that has begun; never, if the moment is beyond what can be counted.
    async fn reached(&self, stream_ms: f64) {
        let zero_ms = self.zero_ms.wait().await;
        let since_opened = Duration::try_from_secs_f64((zero_ms + stream_ms / self.speed).max(0.0) / 1000.0);
        match since_opened.ok().and_then(|wait| self.opened.checked_add(wait)) {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// What so much stream time takes in wall time; nothing if that is more than can be counted.
    fn wall(&self, stream_ms: f64) -> Option<Duration> {
        Duration::try_from_secs_f64((stream_ms / self.speed / 1000.0).max(0.0)).ok()
    }
}

impl Stage {
    /// Opens all listeners on 127.0.0.1. Page messages arrive on the receiver until the stage is dropped.
    pub async fn open(
        publisher: Publisher,
        files: PageFiles,
        protocol: Protocol,
    ) -> std::io::Result<(Stage, mpsc::UnboundedReceiver<PageMessage>)> {
        Stage::open_on(Listen::default(), publisher, files, protocol).await
    }

    /// Opens all listeners where they are wanted. Stream time goes as fast as the page's.
    pub async fn open_on(
        listen: Listen,
        publisher: Publisher,
        files: PageFiles,
        protocol: Protocol,
    ) -> std::io::Result<(Stage, mpsc::UnboundedReceiver<PageMessage>)> {
        let [control_listener, first, second] = listen.bind().await?;
        let (control, media, media_second) =
            (control_listener.local_addr()?, first.local_addr()?, second.local_addr()?);
        let (scheme, speech, certificate) = match protocol {
            Protocol::Http1 => ("http", Speech::Http1, None),
            Protocol::Http2 => {
                let (tls, certificate) = http2::acceptor(listen.host)?;
                ("https", Speech::Http2(tls), Some(certificate))
            }
        };
        let bases =
            Bases { first: format!("{scheme}://{media}"), second: format!("{scheme}://{media_second}") };
        publisher.with(|publisher| publisher.set_bases(bases.clone()));

        let (page, messages) = mpsc::unbounded_channel();
        let (open, is_open) = watch::channel(());
        let shared = Arc::new(Shared {
            clock: Clock { opened: Instant::now(), speed: files.speed, zero_ms: SetOnce::new() },
            publisher,
            requests: Mutex::new(Vec::new()),
            fired: Mutex::new(Vec::new()),
            page,
            commands: broadcast::Sender::new(COMMANDS_MAX),
            files,
            doors: watch::Sender::new(Doors { action: Door::Open, scenario: Door::Open }),
            open: is_open,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(control::serve(control_listener, shared.clone()));
        for (listener, host) in [(first, Host::First), (second, Host::Second)] {
            tasks.spawn(media::serve(listener, speech.clone(), host, shared.clone()));
        }
        tasks.spawn(door::refuse_in_time(shared.clone()));
        let stage =
            Stage { control, media, media_second, bases, certificate, shared, _tasks: tasks, _open: open };
        Ok((stage, messages))
    }

    /// Opens or shuts the media listeners; their addresses stay the same. They are open if the scenario, too, wants
    /// them to be.
    pub fn set_media_door(&self, door: Door) {
        self.shared.doors.send_modify(|doors| doors.action = door);
    }

    /// Tells the page what to do; whether it did is told by its lane.
    pub fn command(&self, command: &Command) {
        let json = serde_json::to_string(command).expect("commands are plain data");
        // Without a page there is nobody to do it.
        let _ = self.shared.commands.send(json);
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The origin's lane so far; times are wall milliseconds.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Shows the origin's lane so far without a copy of it.
    pub fn look_at_requests<T>(&self, look: impl FnOnce(&[Request]) -> T) -> T {
        look(&lock(&self.shared.requests))
    }

    pub fn fired(&self) -> Vec<Fired> {
        lock(&self.shared.fired).clone()
    }

    /// The URL of the stream's playlist.
    pub fn stream_url(&self) -> String {
        format!("{}{}", self.bases.first, self.shared.publisher.with(|publisher| publisher.entry_path()))
    }

    /// The page with the player, where we serve it.
    pub fn page(&self) -> PageUrl {
        let page = format!("http://{}/player/index.html", self.control);
        page.parse().expect("an address and a path make a URL")
    }

    /// What runs before the scripts of a page that we don't serve (WebDriver BiDi, `script.addPreloadScript`).
    pub fn preload(&self) -> String {
        self.shared.files.preload(self.control, [self.media, self.media_second])
    }
}

/// Where the page's files come from.
impl PageFiles {
    pub fn new(folders: Vec<PathBuf>, extra: Vec<(String, PathBuf)>, speed: f64) -> PageFiles {
        PageFiles { folders, extra, texts: Vec::new(), speed, conditions: None, ear: None, is_touched: false }
    }

    /// Serves these texts by these names, before any file.
    pub fn with(self, texts: Vec<(String, String)>) -> PageFiles {
        PageFiles { texts, ..self }
    }

    /// Puts the page under these conditions.
    pub fn under(self, conditions: Option<Conditions>) -> PageFiles {
        PageFiles { conditions, ..self }
    }

    /// Lets the page's sound be listened to.
    pub fn heard(self, ear: Option<Ear>) -> PageFiles {
        PageFiles { ear, ..self }
    }

    /// Lets the page be in somebody's hand, who may pause and seek.
    pub fn touched(self, is_touched: bool) -> PageFiles {
        PageFiles { is_touched, ..self }
    }
}

/// Gives each connection a task, until dropped: the connections end with it.
async fn accept<C>(listener: &TcpListener, mut connect: impl FnMut(TcpStream) -> C)
where
    C: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Small writes must leave at once: a head without its body is a state that faults need.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connect(stream));
                }
                // Out of descriptors: trying again at once would keep a core busy and mend nothing.
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock is held ends the trial anyway; the data are append-only.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Commands that may wait for the page's connection.
const COMMANDS_MAX: usize = 64;
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
