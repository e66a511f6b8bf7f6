//! `--hours`: what a player keeps of an endless stream. The heap is looked at after each hour of it, garbage collected.

use std::time::Duration;

use anyhow::{Context, ensure};
use segproof_harness::engine::Engine;
use segproof_harness::run::{News, serve_trial};
use serde::Serialize;
use thirtyfour::{Capabilities, WebDriver};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::Cost;
use crate::front::Front;
use crate::machine::{self, Machine};
use crate::serve;
use crate::stop::Stop;

/// `hours.json`. Keys may be added, none renamed.
#[derive(Debug, Serialize)]
pub struct Hours {
    date: String,
    machine: Machine,
    engine: String,
    version: String,
    speed: f64,
    players: Vec<OfPlayer>,
}

#[derive(Debug, Serialize)]
struct OfPlayer {
    player: String,
    /// After each hour of the stream, from the first on.
    heap_bytes: Vec<f64>,
}

pub async fn measure(
    front: &Front,
    stop: &Stop,
    engine: &Engine,
    players: &[&str],
    hours: u32,
) -> anyhow::Result<Hours> {
    let mut measured = Hours {
        date: machine::date(),
        machine: Machine::here(),
        engine: engine.name.to_owned(),
        version: String::new(),
        speed: SPEED,
        players: Vec::new(),
    };
    for player in players {
        println!("{player}: {hours} hours of stream, some {:.0} minutes", f64::from(hours) * 60.0 / SPEED);
        let capabilities = Capabilities::from(engine.session_request(&format!("bench/hours/{player}")));
        let driver = WebDriver::builder(&front.url, capabilities).connect().await?;
        if let Some(found) = driver.capabilities().get("browserVersion").and_then(|version| version.as_str())
        {
            found.clone_into(&mut measured.version);
        }
        let heap_bytes = watch(&driver, stop, player, hours).await;
        // Dropping it would block.
        let _lost = driver.quit().await;
        measured.players.push(OfPlayer { player: (*player).to_owned(), heap_bytes: heap_bytes? });
    }
    Ok(measured)
}

/// Serves the player a stream without a fault, which goes on as long as it is watched.
async fn watch(driver: &WebDriver, stop: &Stop, player: &str, hours: u32) -> anyhow::Result<Vec<f64>> {
    let folder = crate::paths::target().join("bench/hours");
    let (plan, _lock) = serve::prepare(&serve::Options::of(SCENARIO, player, SPEED, folder))?;
    let trial = plan.trials.first().context("a plan has a trial")?;
    let (opened, url) = oneshot::channel();
    let mut opened = Some(opened);
    let tell = |news: News| {
        if let (News::Open { url, .. }, Some(opened)) = (news, opened.take()) {
            let _gone = opened.send(url.to_owned());
        }
    };
    let (done, is_done) = oneshot::channel::<()>();
    let served = serve_trial(&plan, trial, tell, async { is_done.await.unwrap_or_default() });
    let watched = async {
        let heaps = sample(driver, stop, &url.await?, hours).await;
        let _gone = done.send(());
        heaps
    };
    let (served, heaps) = tokio::join!(served, watched);
    served?;
    heaps
}

async fn sample(driver: &WebDriver, stop: &Stop, url: &str, hours: u32) -> anyhow::Result<Vec<f64>> {
    let cost = Cost(driver.cdp());
    driver.goto(url).await?;
    cost.begin().await?;
    let begun = Instant::now();
    let mut heaps = Vec::new();
    for hour in 1..=hours {
        let due_s = f64::from(hour) * 3600.0;
        loop {
            ensure!(!stop.asked(), "interrupted");
            let played_s: f64 = driver.execute(PLAYED, Vec::new()).await?.convert()?;
            if played_s >= due_s {
                break;
            }
            ensure!(
                begun.elapsed().as_secs_f64() < 2.0 * due_s / SPEED + 60.0,
                "only {played_s:.0} s of the stream were played in {:.0} s at speed {SPEED}",
                begun.elapsed().as_secs_f64()
            );
            sleep(Duration::from_secs(2)).await;
        }
        let heap_bytes = cost.heap_bytes().await?.context("Chromium tells the size of the heap")?;
        println!("     hour {hour}: {:.0} KB", heap_bytes / 1000.0);
        heaps.push(heap_bytes);
    }
    Ok(heaps)
}

impl Hours {
    pub fn print(&self) {
        println!("\n{} {}, speed {}", self.engine, self.version, self.speed);
        println!("{:16}{:>14}{:>14}{:>14}", "", "hour 1", "last hour", "grown");
        for OfPlayer { player, heap_bytes } in &self.players {
            if let (Some(first), Some(last)) = (heap_bytes.first(), heap_bytes.last()) {
                let kb = |bytes: f64| format!("{:.0} KB", bytes / 1000.0);
                println!("{player:16}{:>14}{:>14}{:>14}", kb(*first), kb(*last), kb(last - first));
            }
        }
    }
}

const SCENARIO: &str = "session/undisturbed";
/// As fast as engines play.
const SPEED: f64 = 16.0;
const PLAYED: &str = "return document.querySelector('video')?.currentTime ?? 0;";
