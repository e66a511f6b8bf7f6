//! A player's page and a live list that moves, behind one port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use segproof_harness::player::{PAGE_FILE, Player};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::link::{Link, Road};
use super::{FIXTURE, FLOOR};
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
    media: PathBuf,
    /// When the page was asked for: the list moves from then on.
    begun: Mutex<Instant>,
}

impl Site {
    pub async fn open(player: &str, media: &Path) -> anyhow::Result<Site> {
        let (folders, files) = if player == FLOOR {
            (Vec::new(), Vec::new())
        } else {
            let player = Player::read(&paths::root().join("harness/players").join(player))?;
            let files = player.extra_files(&paths::target());
            // Its page would wait for it, and nothing would tell why.
            for (_, place) in &files {
                anyhow::ensure!(place.is_file(), "there is no {}", paths::short(place));
            }
            (player.folders(), files)
        };
        let begun = Mutex::new(Instant::now());
        let shared = Arc::new(Shared { folders, files, media: media.to_owned(), begun });
        let routes = Router::new()
            .route("/page/{*file}", get(page))
            .route("/live/{file}", get(live))
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

    /// The list begins anew.
    pub fn begin(&self) {
        *self.shared.begun.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub fn begun(&self) -> Instant {
        *self.shared.begun.lock().unwrap_or_else(PoisonError::into_inner)
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

async fn live(State(shared): State<Arc<Shared>>, UrlPath(file): UrlPath<String>) -> Response {
    if file == "live.m3u8" {
        return typed("application/vnd.apple.mpegurl", "no-store", shared.list().into_bytes());
    }
    let is_name = file.chars().all(|char| char.is_ascii_alphanumeric() || "-.".contains(char));
    match std::fs::read(shared.media.join(&file)) {
        Ok(bytes) if is_name => typed("video/mp4", "no-store", bytes),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn typed(content_type: &'static str, cache: &'static str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, body).into_response()
}

impl Shared {
    fn page(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        if self.folders.is_empty() && file == PAGE_FILE {
            return Ok([MEASURE, FLOOR_PAGE].concat().into_bytes());
        }
        anyhow::ensure!(!file.contains(".."), "no file");
        let elsewhere = self.files.iter().find(|(name, _)| name == file).map(|(_, place)| place.clone());
        let place = elsewhere
            .or_else(|| self.folders.iter().map(|folder| folder.join(file)).find(|place| place.is_file()));
        let place = place.with_context(|| format!("there is no {file}"))?;
        let bytes = std::fs::read(&place).with_context(|| place.display().to_string())?;
        Ok(if file == PAGE_FILE { [MEASURE.as_bytes(), &bytes].concat() } else { bytes })
    }

    /// A window of six segments, of which another one comes every target duration, first after half of one.
    fn list(&self) -> String {
        let since_s = self.begun.lock().unwrap_or_else(PoisonError::into_inner).elapsed().as_secs_f64();
        let first = ((since_s + SEGMENT_S / 2.0) / SEGMENT_S) as usize;
        let mut list = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-MAP:URI=\"{FIXTURE}.mp4\"\n"
        );
        for msn in first..first + WINDOW {
            list += &format!("#EXTINF:{SEGMENT_S:.3},\n{FIXTURE}{msn}.m4s\n");
        }
        list
    }
}

const SEGMENT_S: f64 = 2.002;
const WINDOW: usize = 6;

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

/// The third segment from the end, without a playlist: nobody can be sooner.
const FLOOR_PAGE: &str = r#"<video autoplay muted></video><script>
const video = document.querySelector('video'), media = new MediaSource();
const body = async (name) => (await fetch('/live/' + name)).arrayBuffer();
const bodies = [body('bars.mp4'), body('bars3.m4s')];
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
