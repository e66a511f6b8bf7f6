//! A player's page and a live list that moves, behind one port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use segproof_core::origin::Origin;
use segproof_core::presentation::{Media, Presentation};
use segproof_core::scenario::Scenario;
use segproof_harness::fixtures;
use segproof_harness::player::{PAGE_FILE, Player};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::link::{Link, Road};
use super::{FLOOR, Form, OURS, TUNED};
use crate::paths;

pub struct Site {
    address: SocketAddr,
    /// Where the browser reaches it: the same for each load, as a cache wants it.
    front: Mutex<Option<SocketAddr>>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    /// Of the page: where its files are looked for, and those that are somewhere else.
    folders: Vec<PathBuf>,
    files: Vec<(String, PathBuf)>,
    /// A player's recommended page, in other words: each is replaced.
    instead: Vec<(&'static str, &'static str)>,
    form: Form,
    /// As it is before the first request.
    fresh: Origin,
    live: Mutex<Live>,
}

/// The stream, which begins when the page is asked for.
struct Live {
    begun: Instant,
    origin: Origin,
    /// The newest segment that was asked for and answered.
    newest_msn: u64,
}

impl Site {
    pub async fn open(player: &str, form: Form, stream: &Origin) -> anyhow::Result<Site> {
        let (folder, instead) = match player {
            TUNED => (
                "hls.js",
                vec![(
                    "const settings = { ",
                    "const settings = { startFragPrefetch: true, testBandwidth: false, ",
                )],
            ),
            // As player/README.md has it. The others ask in the mode that a preload has.
            ours if OURS.contains(&ours) && form == Form::Preloaded => {
                (ours, vec![("play(url, video)", "play(url, video, { fetch: { cache: 'default' } })")])
            }
            other => (other, Vec::new()),
        };
        let (folders, files) = if player == FLOOR {
            (Vec::new(), Vec::new())
        } else {
            let player = Player::read(&paths::root().join("harness/players").join(folder))?;
            let files = player.extra_files(&paths::target());
            // Its page would wait for it, and nothing would tell why.
            for (_, place) in &files {
                anyhow::ensure!(place.is_file(), "there is no {}", paths::short(place));
            }
            (player.folders(), files)
        };
        let live = Mutex::new(Live { begun: Instant::now(), origin: stream.clone(), newest_msn: 0 });
        let shared = Arc::new(Shared { folders, files, instead, form, fresh: stream.clone(), live });
        // Told before anything is measured.
        shared.page(PAGE_FILE)?;
        let routes = Router::new()
            .route("/page/{*file}", get(page))
            .route("/live/{file}", get(media))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap_or_default() });
        Ok(Site { address, front: Mutex::new(None), shared, task })
    }

    /// The way to it over a link.
    pub async fn road(&self, link: Link) -> anyhow::Result<Road> {
        let known = *self.front.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = TcpListener::bind(known.unwrap_or(([127, 0, 0, 1], 0).into())).await?;
        let address = listener.local_addr()?;
        *self.front.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
        let stream = format!("http%3A%2F%2F{address}%2Flive%2Flive.m3u8");
        Road::open(listener, link, self.address, format!("/page/{PAGE_FILE}?src={stream}"))
    }

    /// The stream begins anew.
    pub fn begin(&self) -> Instant {
        let begun = Instant::now();
        *self.shared.live() = Live { begun, origin: self.shared.fresh.clone(), newest_msn: 0 };
        begun
    }

    /// The newest segment that was asked for and answered.
    pub fn newest_msn(&self) -> u64 {
        self.shared.live().newest_msn
    }

    /// How far the end of the newest segment that was asked for is behind the camera, seconds.
    pub fn end_behind_s(&self) -> f64 {
        let live = self.shared.live();
        let timeline = &live.origin.timeline;
        let now_ms = live.now_ms();
        // A segment is published when its last frame has been taken.
        (now_ms - timeline.published_ms(live.newest_msn)) / 1000.0
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn page(State(shared): State<Arc<Shared>>, UrlPath(file): UrlPath<String>) -> Response {
    let found = shared.page(&file);
    match found {
        // As a site would have it: the page is asked for each time, and its scripts stay.
        Ok(text) if file == PAGE_FILE => typed("text/html; charset=utf-8", "no-store", text),
        Ok(text) => typed("text/javascript; charset=utf-8", "max-age=3600", text),
        Err(error) => (StatusCode::NOT_FOUND, format!("{error:#}")).into_response(),
    }
}

async fn media(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let mut live = shared.live();
    let now_ms = live.now_ms();
    let reply = live.origin.handle(now_ms, uri.path());
    live.newest_msn = live.newest_msn.max(reply.resource.msn().filter(|_| reply.status == 200).unwrap_or(0));
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let body = Body::from(reply.body.to_vec());
    response.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn typed(content_type: &'static str, cache: &'static str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, body).into_response()
}

impl Live {
    fn now_ms(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1000.0
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        let preload = if self.form == Form::Preloaded { PRELOAD } else { "" };
        if self.folders.is_empty() && file == PAGE_FILE {
            return Ok([MEASURE, FLOOR_PAGE].concat().into_bytes());
        }
        anyhow::ensure!(!file.contains(".."), "no file");
        let elsewhere = self.files.iter().find(|(name, _)| name == file).map(|(_, place)| place.clone());
        let place = elsewhere
            .or_else(|| self.folders.iter().map(|folder| folder.join(file)).find(|place| place.is_file()));
        let place = place.with_context(|| format!("there is no {file}"))?;
        let bytes = std::fs::read(&place).with_context(|| place.display().to_string())?;
        if file != PAGE_FILE {
            return Ok(bytes);
        }
        let mut text = String::from_utf8(bytes).with_context(|| place.display().to_string())?;
        for (known, other) in &self.instead {
            anyhow::ensure!(
                text.contains(known),
                "{}: there is no `{known}` to be replaced",
                place.display()
            );
            text = text.replace(known, other);
        }
        Ok([MEASURE, preload, &text].concat().into_bytes())
    }
}

/// A live stream as everybody is given it.
pub fn stream(media: &Path) -> anyhow::Result<Origin> {
    let scenario =
        Scenario::parse(STREAM).map_err(|error| anyhow::anyhow!("{}", error.render("stream", STREAM)))?;
    let fixture = fixtures::load(media)?;
    let segments = fixture.segments.into_iter().map(|segment| (segment.bytes, segment.duration_s)).collect();
    let media = Media::new(fixture.target_duration, fixture.init, segments)?;
    Ok(Origin::new(&scenario, Arc::new(Presentation::new(&scenario, &[Arc::new(media)]))))
}

/// Six segments are listed, and another one comes every target duration, first after half of one.
const STREAM: &str = r#"
summary = "A plain live stream."
until = "segment 130"

[stream]
window = 6
clock = "wall"
phase = 0.5
"#;

/// Stands before everything else in a page: when the first frame was shown, from the beginning of the navigation.
const MEASURE: &str = "<!doctype html><script>
globalThis.waits = 0;
globalThis.firstFrame = new Promise((shown) => {
  (function look() {
    const video = document.querySelector('video');
    if (!video) return requestAnimationFrame(look);
    video.muted = true;
    video.requestVideoFrameCallback((now, { presentationTime }) => {
      shown(presentationTime);
      video.addEventListener('waiting', () => globalThis.waits++);
    });
  })();
});
</script>
";

/// The playlist is on its way while the scripts are.
const PRELOAD: &str = r#"<link rel="preload" as="fetch" crossorigin href="/live/live.m3u8">
"#;

/// The third segment from the end, without a playlist: nobody can be sooner.
const FLOOR_PAGE: &str = r#"<video autoplay muted></video><script>
const video = document.querySelector('video'), media = new MediaSource();
const body = async (name) => (await fetch('/live/' + name)).arrayBuffer();
const bodies = [body('live.mp4'), body('live103.m4s')];
media.addEventListener('sourceopen', async () => {
  const buffer = media.addSourceBuffer('video/mp4;codecs="avc1.4d400d,mp4a.40.2"');
  for (const body of bodies) {
    buffer.appendBuffer(await body);
    await new Promise((done) => buffer.addEventListener('updateend', done, { once: true }));
  }
  video.currentTime = video.buffered.start(0) + 0.01;
});
video.src = URL.createObjectURL(media);
</script>
"#;
