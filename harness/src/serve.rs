//! One trial's two listeners on loopback: *control* (page, player, probe) and *media* (the faulty origin).
//!
//! Control is plain and never faulted. Media is another port, so that CORS is real, and carries out what the
//! [`Origin`](segproof_core::origin::Origin) decides. Each trial has its own pair: nothing is shared.

mod control;
mod live;
mod media;
mod tap;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use segproof_core::action::{Command, Conditions};
use segproof_core::origin::Origin;
use segproof_core::trace::Request;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

pub use control::{PageFiles, PageMessage};
pub use live::LiveFiles;

/// What answers on the media listener.
pub enum Publisher {
    Origin(Mutex<Origin>),
    /// The files of a running ffmpeg.
    Files(Mutex<LiveFiles>),
}

/// A trial's listeners and what they have recorded. Dropping it closes both and every connection.
pub struct Stage {
    pub control: SocketAddr,
    pub media: SocketAddr,
    shared: Arc<Shared>,
    /// Aborted on drop.
    _tasks: JoinSet<()>,
    door: watch::Sender<Door>,
    /// Its drop tells what runs in tasks of its own: axum gives each WebSocket one.
    _open: watch::Sender<()>,
}

/// Whether the media listener takes connections.
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
    /// Closed when the stage is dropped.
    open: watch::Receiver<()>,
}

/// A fault that met a request; goes to origin.jsonl, never into the trace.
#[derive(Debug, Clone, serde::Serialize)]
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
    zero_ms: OnceLock<f64>,
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
        self.zero_ms.get_or_init(|| wall_ms);
    }
}

impl Stage {
    /// Opens both listeners on 127.0.0.1. Page messages arrive on the receiver until the stage is dropped.
    pub async fn open(
        publisher: Publisher,
        files: PageFiles,
        speed: f64,
    ) -> std::io::Result<(Stage, mpsc::UnboundedReceiver<PageMessage>)> {
        let control = TcpListener::bind(LOOPBACK).await?;
        let media = TcpListener::bind(LOOPBACK).await?;
        let (control_address, media_address) = (control.local_addr()?, media.local_addr()?);
        let (page, messages) = mpsc::unbounded_channel();
        let (open, is_open) = watch::channel(());
        let shared = Arc::new(Shared {
            clock: Clock { opened: Instant::now(), speed, zero_ms: OnceLock::new() },
            publisher,
            requests: Mutex::new(Vec::new()),
            fired: Mutex::new(Vec::new()),
            page,
            commands: broadcast::Sender::new(COMMANDS_MAX),
            files,
            open: is_open,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(control::serve(control, shared.clone()));
        let (door, media_door) = watch::channel(Door::Open);
        tasks.spawn(media::serve(media, shared.clone(), media_door));
        let (control, media) = (control_address, media_address);
        Ok((Stage { control, media, shared, _tasks: tasks, door, _open: open }, messages))
    }

    /// Opens or shuts the media listener; its address stays the same.
    pub fn set_media_door(&self, door: Door) {
        self.door.send_replace(door);
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

    /// The URL of the page with the player, playing this stage's stream.
    pub fn page_url(&self) -> String {
        let src = format!("http://{}{}", self.media, segproof_core::origin::PLAYLIST_PATH);
        let encoded = src.replace(':', "%3A").replace('/', "%2F");
        format!("http://{}/player/index.html?src={encoded}", self.control)
    }
}

/// Where the page's files come from.
impl PageFiles {
    pub fn new(folder: PathBuf, extra: Vec<(String, PathBuf)>, speed: f64) -> PageFiles {
        PageFiles { folder, extra, speed, conditions: None }
    }

    /// Puts the page under these conditions.
    pub fn under(self, conditions: Option<Conditions>) -> PageFiles {
        PageFiles { conditions, ..self }
    }
}

/// Gives each connection a task, until dropped: the connections end with it.
async fn accept<C>(listener: TcpListener, mut connect: impl FnMut(TcpStream) -> C)
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
const LOOPBACK: (std::net::Ipv4Addr, u16) = (std::net::Ipv4Addr::LOCALHOST, 0);
