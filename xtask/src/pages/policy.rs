//! A page whose Content Security Policy forbids WebAssembly: the player says so, once, and asks for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::Router;
use axum::http::header;
use axum::response::Html;
use axum::routing::get;
use segproof_harness::engine::Engine;
use serde::Deserialize;
use tokio::net::TcpListener;

use super::driven;
use crate::check::Check;
use crate::paths;

/// Opens it with each module of the player.
pub async fn run(webdriver: &str, engine: &Engine) -> Vec<Check> {
    let mut checks = Vec::new();
    for module in ["player.js", "player-full.js"] {
        let wrong = check(webdriver, engine, module).await.err().map(|error| format!("{error:#}"));
        let what = format!("{}: {module} says that WebAssembly is forbidden", engine.name);
        checks.push(Check { what, wrong });
    }
    checks
}

async fn check(webdriver: &str, engine: &Engine, module: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let site = format!("http://{}/", listener.local_addr()?);
    let text = std::fs::read_to_string(paths::target().join("player").join(module)).context("the player")?;
    let asked = Arc::new(AtomicUsize::new(0));
    let server = tokio::spawn({
        let routes = routes(text, Arc::clone(&asked));
        async { axum::serve(listener, routes).await }
    });
    let told = tokio::time::timeout(LIMIT, told(webdriver, engine, &site)).await;
    server.abort();
    let told = told.context("nothing was said in time")??;
    ensure!(
        told == [Told { code: 9, fatal: true, message: "no WebAssembly".to_owned() }],
        "told was {told:?}"
    );
    let asked = asked.load(Ordering::Relaxed);
    ensure!(asked == 0, "the playlist was asked for {asked} times");
    Ok(())
}

fn routes(module: String, asked: Arc<AtomicUsize>) -> Router {
    let page = || async { ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)) };
    let module = || async { ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], module) };
    let playlist = || async move {
        asked.fetch_add(1, Ordering::Relaxed);
        "#EXTM3U\n"
    };
    Router::new().route("/", get(page)).route("/player.js", get(module)).route("/live.m3u8", get(playlist))
}

/// What the page's player has said a second after its first words.
async fn told(webdriver: &str, engine: &Engine, site: &str) -> anyhow::Result<Vec<Told>> {
    driven(webdriver, engine, "policy", async |driver| {
        driver.goto(site).await?;
        let found = driver.execute_async(LOOK, Vec::new()).await?;
        Ok(found.convert::<Vec<Told>>()?)
    })
    .await
}

/// The detail of a `playererror`.
#[derive(Debug, PartialEq, Deserialize)]
struct Told {
    code: u32,
    fatal: bool,
    message: String,
}

const POLICY: &str = "default-src 'self' 'unsafe-inline'; media-src blob:";

const PAGE: &str = "<!doctype html><video></video><script type=module>
    import { play } from './player.js';
    const video = document.querySelector('video');
    window.told = [];
    video.addEventListener('playererror', ({ detail }) => told.push(detail));
    play('live.m3u8', video);
</script>";

const LOOK: &str = "
    const [done] = arguments;
    const look = () => (window.told?.length ? setTimeout(() => done(window.told), 1000) : setTimeout(look, 50));
    look();";

const LIMIT: Duration = Duration::from_secs(60);
