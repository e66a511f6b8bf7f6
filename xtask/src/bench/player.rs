//! `cargo xtask bench player`: how soon a player shows its first frame on a link, what it downloads for that, and how it goes on;
//! our own beside what a user would pick instead, and a floor: init and one segment straight into Media Source Extensions.
//!
//! All players are measured in turns, each load in a browser that has seen nothing before (cold) and then once more in
//! the same one (warm). Every page, script and medium goes through one link.

mod link;
mod site;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use segproof_core::presentation::Source;
use segproof_harness::engine::{ENGINES, Engine};
use serde::{Deserialize, Serialize};
use thirtyfour::{Capabilities, WebDriver};
use tokio::sync::mpsc::unbounded_channel;

use crate::conformance::select;
use crate::doctor::{self, Consent, Need};
use crate::front::{Front, Settings};
use crate::machine::{self, Machine};
use crate::stop::Stop;
use crate::{conformance, fixtures, paths, player, report};
use link::{LINKS, Link};
use site::Site;

#[derive(Debug, Args)]
pub struct Options {
    /// A browser engine by name
    #[arg(long, value_name = "NAME", default_value = ENGINES[0].name)]
    browser: String,
    /// A player by name; may be repeated [default: all]
    #[arg(long = "player", value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(PLAYERS))]
    players: Vec<String>,
    /// A link by name; may be repeated [default: all]
    #[arg(long = "link", value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(LINKS.map(|link| link.name)))]
    links: Vec<String>,
    /// How often each player is loaded on each link, cold and warm
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// For how many seconds it is watched after the first frame
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=40))]
    seconds: u64,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// The floor, our own, the one that it came from, and those from npm.
const PLAYERS: [&str; 8] =
    [FLOOR, "reference", "reference-full", "segplayer", "hls.js", "hls.js-light", "shaka-player", "video.js"];
const FLOOR: &str = "floor";
/// What the others are compared with.
const RIVAL: &str = "hls.js-light";

/// `player.json`. Keys may be added, none renamed.
#[derive(Debug, Serialize)]
struct Bench {
    date: String,
    machine: Machine,
    engine: String,
    version: String,
    rounds: u16,
    watched_s: u64,
    links: Vec<OfLink>,
}

#[derive(Debug, Serialize)]
struct OfLink {
    link: Link,
    players: Vec<OfPlayer>,
}

#[derive(Debug, Serialize)]
struct OfPlayer {
    player: String,
    cold: Summary,
    warm: Summary,
}

/// Over the rounds: medians, and of the first frame the 95th percentile, too.
#[derive(Debug, Serialize)]
struct Summary {
    rounds: Vec<Load>,
    failed: usize,
    first_frame_ms: f64,
    first_frame_ms_p95: f64,
    bytes_before: f64,
    waits: f64,
    behind_s: f64,
}

/// One load of a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Load {
    /// From the beginning of the navigation.
    first_frame_ms: f64,
    /// What had gone through the link by then, headers included.
    bytes_before: f64,
    /// How often the element waited after that.
    waits: f64,
    /// How far the playhead was from the end of what was buffered, at the end of the watch.
    behind_s: f64,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let trials = conformance::Options {
        browsers: vec![options.browser.clone()],
        players: chosen(&options.players, &PLAYERS)
            .into_iter()
            .filter(|name| *name != FLOOR)
            .map(str::to_owned)
            .collect(),
        yes: options.yes,
        ..conformance::Options::default()
    };
    let engine = *conformance::engines(&trials)?.first().context("one browser was named")?;
    let needs = [
        conformance::needs(&trials, &[engine]),
        vec![Need::Npm, Need::PlayerTools],
        select::needs(&select::players(&trials.players)?).to_vec(),
    ]
    .concat();
    doctor::provide(&needs, Consent::from_yes(options.yes))?;
    player::build(&paths::root(), &paths::target(), player::Form::Shipped)?;
    let source = Source { fixture: FIXTURE.to_owned(), run: 1 };
    let fixture = fixtures::make(&[source].into())?.remove(0);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bench = runtime.block_on(measure(options, engine, &fixture.folder))?;
    let file = paths::target().join("bench").join(FILE);
    std::fs::create_dir_all(file.parent().unwrap_or(&file))?;
    report::write_file(&file, &serde_json::to_vec_pretty(&bench)?).context(FILE)?;
    bench.print();
    println!("{}", paths::short(&file));
    Ok(ExitCode::SUCCESS)
}

async fn measure(
    options: &Options,
    engine: &'static Engine,
    media: &std::path::Path,
) -> anyhow::Result<Bench> {
    let settings = Settings::one_at_a_time(paths::target().join("bench/drivers"));
    // No trial posts a verdict here.
    let (verdicts, _) = unbounded_channel();
    let front = Front::open(settings, verdicts).await?;
    let stop = Stop::listen(front.killer())?;
    let mut bench = Bench {
        date: machine::date(),
        machine: Machine::here(),
        engine: engine.name.to_owned(),
        version: String::new(),
        rounds: options.rounds,
        watched_s: options.seconds,
        links: Vec::new(),
    };
    let players = chosen(&options.players, &PLAYERS);
    let mut measured = Ok(());
    'links: for link in LINKS
        .into_iter()
        .filter(|link| options.links.is_empty() || options.links.iter().any(|name| name == link.name))
    {
        let mut loads: BTreeMap<&str, [Vec<anyhow::Result<Load>>; 2]> = BTreeMap::new();
        for round in 0..options.rounds {
            // In turns, so that whatever the machine does meanwhile is everybody's, and nobody is always the first.
            for nth in 0..players.len() {
                let name = players[(nth + usize::from(round)) % players.len()];
                let watch = Watch { front: &front.url, engine, link, name, media, seconds: options.seconds };
                if stop.asked() {
                    measured = Err(anyhow::anyhow!("interrupted"));
                    break 'links;
                }
                match watch.twice(&mut bench.version).await {
                    Ok([cold, warm]) => {
                        let of = loads.entry(name).or_default();
                        println!("{} {name}: {} cold, {} warm", link.name, said(&cold), said(&warm));
                        of[0].push(cold);
                        of[1].push(warm);
                    }
                    Err(error) => {
                        measured = Err(error);
                        break 'links;
                    }
                }
            }
        }
        let players = players.iter().filter_map(|name| {
            let [cold, warm] = loads.remove(name)?;
            Some(OfPlayer { player: (*name).to_owned(), cold: Summary::of(cold), warm: Summary::of(warm) })
        });
        bench.links.push(OfLink { link, players: players.collect() });
    }
    front.close().await;
    measured.map(|()| bench)
}

fn chosen<'a>(asked: &'a [String], all: &[&'a str]) -> Vec<&'a str> {
    all.iter().filter(|name| asked.is_empty() || asked.iter().any(|asked| asked == *name)).copied().collect()
}

fn said(load: &anyhow::Result<Load>) -> String {
    match load {
        Ok(load) => format!("{:.0} ms", load.first_frame_ms),
        Err(error) => format!("{error:#}"),
    }
}

struct Watch<'a> {
    front: &'a str,
    engine: &'static Engine,
    link: Link,
    name: &'a str,
    media: &'a std::path::Path,
    seconds: u64,
}

impl Watch<'_> {
    /// In a browser that has seen nothing, and again there. What fails is one load, unless there is no browser.
    async fn twice(&self, version: &mut String) -> anyhow::Result<[anyhow::Result<Load>; 2]> {
        let capabilities = Capabilities::from(self.engine.session_request(&format!("bench/{}", self.name)));
        let driver = WebDriver::builder(self.front, capabilities).connect().await?;
        if let Some(found) = driver.capabilities().get("browserVersion").and_then(|version| version.as_str())
        {
            found.clone_into(version);
        }
        // The same origin both times, or no cache would know it.
        let site = Site::open(self.name, self.media).await;
        let loads = match site {
            Ok(site) => [self.once(&driver, &site).await, self.once(&driver, &site).await],
            Err(error) => {
                let _lost = driver.quit().await;
                return Err(error);
            }
        };
        // Dropping it would block.
        let _lost = driver.quit().await;
        Ok(loads)
    }

    async fn once(&self, driver: &WebDriver, site: &Site) -> anyhow::Result<Load> {
        driver.goto("about:blank").await?;
        let road = site.road(self.link).await?;
        site.begin();
        driver.goto(&road.url()).await?;
        let first = tokio::time::timeout(FIRST_FRAME_LIMIT, driver.execute_async(FIRST_FRAME, Vec::new()));
        let first_frame_ms: f64 = first.await.context("no frame was shown in time")??.convert()?;
        let bytes_before = road.bytes_until(site.begun() + Duration::from_secs_f64(first_frame_ms / 1000.0));
        tokio::time::sleep(Duration::from_secs(self.seconds)).await;
        let [waits, behind_s]: [f64; 2] = driver.execute(AT_THE_END, Vec::new()).await?.convert()?;
        Ok(Load { first_frame_ms, bytes_before: bytes_before as f64, waits, behind_s })
    }
}

/// The page is not asked again and again, which would cost it time.
const FIRST_FRAME: &str = "globalThis.firstFrame.then(arguments[0]);";
const AT_THE_END: &str = "
    const video = document.querySelector('video'), ranges = video.buffered;
    return [globalThis.waits, ranges.length ? ranges.end(ranges.length - 1) - video.currentTime : 0];";

impl Summary {
    fn of(loads: Vec<anyhow::Result<Load>>) -> Summary {
        let all = loads.len();
        let rounds: Vec<Load> = loads.into_iter().flatten().collect();
        let values = |of: fn(&Load) -> f64| rounds.iter().map(of).collect::<Vec<f64>>();
        let middle = |of| super::median(values(of)).unwrap_or(f64::NAN);
        let mut first_frames = values(|load| load.first_frame_ms);
        first_frames.sort_by(f64::total_cmp);
        let nth = (0.95 * first_frames.len() as f64).ceil() as usize;
        Summary {
            failed: all - rounds.len(),
            first_frame_ms: middle(|load| load.first_frame_ms),
            first_frame_ms_p95: first_frames.get(nth.saturating_sub(1)).copied().unwrap_or(f64::NAN),
            bytes_before: middle(|load| load.bytes_before),
            waits: middle(|load| load.waits),
            behind_s: middle(|load| load.behind_s),
            rounds,
        }
    }
}

impl Bench {
    fn print(&self) {
        println!("\n{} {}, medians of {} rounds", self.engine, self.version, self.rounds);
        for OfLink { link, players } in &self.links {
            println!("\n{}", link.says);
            println!(
                "{:16}{:>12}{:>8}{:>12}{:>8}{:>14}{:>14}{:>8}{:>10}",
                "", "first frame", "p95", "warm", "p95", "times sooner", "KB before it", "waits", "behind"
            );
            let rival =
                players.iter().find(|player| player.player == RIVAL).map(|rival| rival.cold.first_frame_ms);
            for OfPlayer { player, cold, warm } in players {
                let ratio =
                    rival.map_or("-".to_owned(), |rival| format!("{:.2}", rival / cold.first_frame_ms));
                println!(
                    "{player:16}{:>9.0} ms{:>8.0}{:>9.0} ms{:>8.0}{ratio:>14}{:>14.1}{:>8}{:>8.1} s{}",
                    cold.first_frame_ms,
                    cold.first_frame_ms_p95,
                    warm.first_frame_ms,
                    warm.first_frame_ms_p95,
                    cold.bytes_before / 1000.0,
                    cold.waits + warm.waits,
                    cold.behind_s,
                    if cold.failed + warm.failed > 0 {
                        format!("  {} failed", cold.failed + warm.failed)
                    } else {
                        String::new()
                    }
                );
            }
        }
        println!("\ntimes sooner: than {RIVAL}, cold");
    }
}

const FIXTURE: &str = "bars";
const FILE: &str = "player.json";
/// A little less than what a driver waits for a script (WebDriver, section 9.1).
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(25);
