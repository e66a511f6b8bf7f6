//! `cargo xtask bench player`: how soon a player shows its first frame on a link, what it downloads for that, and how it goes on;
//! our own beside what a user would pick instead, and a floor: init and one segment straight into Media Source Extensions.
//!
//! All players are measured in turns, each load in a browser that has seen nothing before (cold) and then once more in
//! the same one (warm). Every page, script and medium goes through one link. The first load of each is watched for a
//! while.

mod hours;
mod link;
mod plot;
mod site;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use segproof_core::origin::Origin;
use segproof_core::presentation::Source;
use segproof_harness::engine::{ENGINES, Engine};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thirtyfour::cdp::Cdp;
use thirtyfour::{Capabilities, WebDriver};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use crate::conformance::select;
use crate::doctor::{self, Consent, Need};
use crate::front::{Front, Settings};
use crate::machine::{self, Machine};
use crate::stop::Stop;
use crate::{conformance, fixtures, paths, player, report};
use hours::Hours;
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
    /// Only with the page as it is, or only with a page that asks for the playlist beside the scripts [default: both]
    #[arg(long, value_name = "FORM", value_enum)]
    form: Option<Form>,
    /// For how many seconds the first load of each is watched after its first frame; of both forms, that of the page as it is
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// In place of all that: what the heap has grown to after each of so many hours of a stream at speed 16
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=24), conflicts_with_all = ["links", "rounds", "form", "seconds"])]
    hours: Option<u32>,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// The floor, our own, the one that it came from, and those from npm.
const PLAYERS: [&str; 9] = [
    FLOOR,
    "reference",
    "reference-full",
    "segplayer",
    "hls.js",
    TUNED,
    "hls.js-light",
    "shaka-player",
    "video.js",
];
const OURS: [&str; 2] = ["reference", "reference-full"];
const FLOOR: &str = "floor";
/// hls.js with `startFragPrefetch` and without the test of the bandwidth.
const TUNED: &str = "hls.js-tuned";
/// What the others are compared with.
const RIVALS: [&str; 2] = ["hls.js", "hls.js-light"];

/// How a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// As the player's own documentation has it.
    Plain,
    /// It asks for the playlist before the scripts are there; the floor has none.
    Preloaded,
}

const FORMS: [Form; 2] = [Form::Plain, Form::Preloaded];

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
    form: Form,
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
}

/// One load of a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Load {
    /// From the beginning of the navigation.
    first_frame_ms: f64,
    /// What had gone through the link by then, headers included.
    bytes_before: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    watched: Option<Watched>,
}

/// How it went on behind the first frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watched {
    /// How often the element waited.
    waits: f64,
    /// How far the picture was behind the camera in the end.
    latency_s: f64,
    /// What had gone through the link.
    bytes: f64,
    /// What the page's scripts took of the main thread, and all that was done there; Chromium alone tells.
    script_ms: Option<f64>,
    main_thread_ms: Option<f64>,
    /// Of JavaScript, garbage collected.
    heap_bytes: Option<f64>,
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let players = players(options)?;
    let trials = conformance::Options {
        browsers: vec![options.browser.clone()],
        players: players
            .iter()
            .copied()
            .filter(|name| *name != FLOOR)
            .map(|name| if name == TUNED { "hls.js" } else { name }.to_owned())
            .collect(),
        yes: options.yes,
        ..conformance::Options::default()
    };
    let engine = *conformance::engines(&trials)?.first().context("one browser was named")?;
    ensure!(
        options.hours.is_none() || engine.options_key == CHROMIUM_OPTIONS,
        "only Chromium tells how large the heap is"
    );
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
    if let Some(hours) = options.hours {
        let measured = runtime.block_on(measure_hours(&players, engine, hours))?;
        let file = paths::target().join("bench").join(HOURS_FILE);
        report::write_file(&file, &serde_json::to_vec_pretty(&measured)?).context(HOURS_FILE)?;
        measured.print();
        println!("{}", paths::short(&file));
        return Ok(ExitCode::SUCCESS);
    }
    let bench = runtime.block_on(measure(options, &players, engine, &fixture.folder))?;
    let file = paths::target().join("bench").join(FILE);
    std::fs::create_dir_all(file.parent().unwrap_or(&file))?;
    report::write_file(&file, &serde_json::to_vec_pretty(&bench)?).context(FILE)?;
    let picture = file.with_extension("svg");
    report::write_file(&picture, plot::draw(&bench)?.as_bytes()).context("the plot")?;
    bench.print();
    println!("{}\n{}", paths::short(&file), paths::short(&picture));
    Ok(ExitCode::SUCCESS)
}

/// Those that were named, or all: of the hours our own, whose goal they are.
fn players(options: &Options) -> anyhow::Result<Vec<&'static str>> {
    let all: &[&'static str] = if options.hours.is_some() { &OURS } else { &PLAYERS };
    if options.players.is_empty() {
        return Ok(all.to_vec());
    }
    let named = |name: &&str| options.players.iter().any(|asked| asked == name);
    let players: Vec<&'static str> = PLAYERS.into_iter().filter(named).collect();
    ensure!(
        options.hours.is_none() || !players.iter().any(|name| [FLOOR, TUNED].contains(name)),
        "{FLOOR} and {TUNED} are pages of the bench without --hours alone"
    );
    Ok(players)
}

async fn measure_hours(players: &[&str], engine: &'static Engine, hours: u32) -> anyhow::Result<Hours> {
    let (verdicts, _) = unbounded_channel();
    let front = Front::open(Settings::one_at_a_time(paths::target().join("bench/drivers")), verdicts).await?;
    let stop = Stop::listen(front.killer())?;
    let measured = hours::measure(&front, &stop, engine, players, hours).await;
    front.close().await;
    measured
}

async fn measure(
    options: &Options,
    players: &[&'static str],
    engine: &'static Engine,
    media: &std::path::Path,
) -> anyhow::Result<Bench> {
    let stream = site::stream(media)?;
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
    let mut measured = Ok(());
    let is_asked =
        |link: &Link| options.links.is_empty() || options.links.iter().any(|name| name == link.name);
    let forms = FORMS.into_iter().filter(|form| options.form.is_none_or(|asked| asked == *form));
    let cases =
        LINKS.into_iter().filter(is_asked).flat_map(|link| forms.clone().map(move |form| (link, form)));
    'cases: for (link, form) in cases {
        let mut loads: BTreeMap<&str, [Vec<anyhow::Result<Load>>; 2]> = BTreeMap::new();
        for round in 0..options.rounds {
            // In turns, so that whatever the machine does meanwhile is everybody's, and nobody is always the first.
            for nth in 0..players.len() {
                let name = players[(nth + usize::from(round)) % players.len()];
                let is_watched = round == 0 && (form == Form::Plain || options.form.is_some());
                let seconds = if is_watched { options.seconds } else { 0 };
                let watch = Watch { front: &front.url, engine, link, form, name, stream: &stream, seconds };
                if stop.asked() {
                    measured = Err(anyhow::anyhow!("interrupted"));
                    break 'cases;
                }
                match watch.twice(&mut bench.version).await {
                    Ok([cold, warm]) => {
                        let of = loads.entry(name).or_default();
                        println!("{} {form:?} {name}: {} cold, {} warm", link.name, said(&cold), said(&warm));
                        of[0].push(cold);
                        of[1].push(warm);
                    }
                    Err(error) => {
                        measured = Err(error);
                        break 'cases;
                    }
                }
            }
        }
        let players = players.iter().filter_map(|name| {
            let [cold, warm] = loads.remove(name)?;
            Some(OfPlayer { player: (*name).to_owned(), cold: Summary::of(cold), warm: Summary::of(warm) })
        });
        bench.links.push(OfLink { link, form, players: players.collect() });
    }
    front.close().await;
    measured.map(|()| bench)
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
    form: Form,
    name: &'a str,
    stream: &'a Origin,
    /// How long the cold load is watched; zero for not at all.
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
        let site = Site::open(self.name, self.form, self.stream).await;
        let loads = match site {
            Ok(site) => [self.once(&driver, &site, self.seconds).await, self.once(&driver, &site, 0).await],
            Err(error) => {
                let _lost = driver.quit().await;
                return Err(error);
            }
        };
        // Dropping it would block.
        let _lost = driver.quit().await;
        Ok(loads)
    }

    async fn once(&self, driver: &WebDriver, site: &Site, seconds: u64) -> anyhow::Result<Load> {
        driver.goto("about:blank").await?;
        let cost = (seconds > 0 && self.engine.options_key == CHROMIUM_OPTIONS).then(|| Cost(driver.cdp()));
        if let Some(cost) = &cost {
            cost.begin().await?;
        }
        let road = site.road(self.link).await?;
        let begun = site.begin();
        driver.goto(&road.url()).await?;
        let first = tokio::time::timeout(FIRST_FRAME_LIMIT, driver.execute_async(FIRST_FRAME, Vec::new()));
        let first_frame_ms: f64 = first.await.context("no frame was shown in time")??.convert()?;
        let bytes_before = road.bytes_until(begun + Duration::from_secs_f64(first_frame_ms / 1000.0)) as f64;
        let mut load = Load { first_frame_ms, bytes_before, watched: None };
        if seconds > 0 {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            // Nothing that has been answered may be on its way still: it would be taken for what the picture lacks.
            let at_rest = async {
                loop {
                    let newest_msn = site.newest_msn();
                    let read: [f64; 2] = driver.execute_async(AT_THE_END, Vec::new()).await?.convert()?;
                    if site.newest_msn() == newest_msn {
                        break anyhow::Ok(read);
                    }
                }
            };
            let at_rest = tokio::time::timeout(FIRST_FRAME_LIMIT, at_rest);
            let [waits, behind_s] = at_rest.await.context("what is buffered never came to rest")??;
            let mut watched = Watched {
                waits,
                latency_s: behind_s + site.end_behind_s(),
                bytes: road.bytes_until(Instant::now()) as f64,
                script_ms: None,
                main_thread_ms: None,
                heap_bytes: None,
            };
            if let Some(cost) = &cost {
                cost.tell(&mut watched).await?;
            }
            load.watched = Some(watched);
        }
        Ok(load)
    }
}

/// What Chromium tells of a page (Chrome DevTools Protocol, domains Performance and HeapProfiler).
struct Cost(Cdp);

impl Cost {
    async fn begin(&self) -> anyhow::Result<()> {
        self.0.send_raw("Performance.enable", json!({})).await?;
        Ok(())
    }

    async fn tell(&self, watched: &mut Watched) -> anyhow::Result<()> {
        let took = self.metrics().await?;
        let ms = |name: &str| took.get(name).map(|s| s * 1000.0);
        (watched.script_ms, watched.main_thread_ms) = (ms("ScriptDuration"), ms("TaskDuration"));
        watched.heap_bytes = self.heap_bytes().await?;
        Ok(())
    }

    /// Garbage collected.
    async fn heap_bytes(&self) -> anyhow::Result<Option<f64>> {
        self.0.send_raw("HeapProfiler.collectGarbage", json!({})).await?;
        Ok(self.metrics().await?.get("JSHeapUsedSize").copied())
    }

    async fn metrics(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let answer = self.0.send_raw("Performance.getMetrics", json!({})).await?;
        let metrics = answer["metrics"].as_array().context("Performance.getMetrics tells metrics")?;
        let one = |metric: &Value| Some((metric["name"].as_str()?.to_owned(), metric["value"].as_f64()?));
        Ok(metrics.iter().filter_map(one).collect())
    }
}

/// The page is not asked again and again, which would cost it time.
const FIRST_FRAME: &str = "globalThis.firstFrame.then(arguments[0]);";
/// Once nothing more has come for so long that every link carries a segment meanwhile, and that it fits twice between two.
const AT_THE_END: &str = "
    const done = arguments[0], video = document.querySelector('video');
    const end = () => video.buffered.length ? video.buffered.end(video.buffered.length - 1) : video.currentTime;
    let last = NaN, since = 0;
    (function look() {
        const now = performance.now();
        if (end() !== last) [last, since] = [end(), now];
        if (now - since < 700) return setTimeout(look, 20);
        done([globalThis.waits, last - video.currentTime]);
    })();";

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
            rounds,
        }
    }
}

impl Bench {
    fn print(&self) {
        println!("\n{} {}, medians of {} rounds", self.engine, self.version, self.rounds);
        for OfLink { link, form, players } in &self.links {
            println!("\n{}, {}", link.says, form.says());
            println!(
                "{:16}{:>12}{:>8}{:>12}{:>8}{:>12}{:>14}{:>14}",
                "", "first frame", "p95", "warm", "p95", RIVALS[0], RIVALS[1], "KB before it"
            );
            for OfPlayer { player, cold, warm } in players {
                let ratio = |rival: &str| {
                    let rival = players.iter().find(|player| player.player == rival);
                    rival.map_or("-".to_owned(), |rival| {
                        format!("{:.2}x", rival.cold.first_frame_ms / cold.first_frame_ms)
                    })
                };
                println!(
                    "{player:16}{:>9.0} ms{:>8.0}{:>9.0} ms{:>8.0}{:>12}{:>14}{:>14.1}{}",
                    cold.first_frame_ms,
                    cold.first_frame_ms_p95,
                    warm.first_frame_ms,
                    warm.first_frame_ms_p95,
                    ratio(RIVALS[0]),
                    ratio(RIVALS[1]),
                    cold.bytes_before / 1000.0,
                    match cold.failed + warm.failed {
                        0 => String::new(),
                        failed => format!("  {failed} failed"),
                    }
                );
            }
            let watched: Vec<_> =
                players.iter().filter_map(|of| Some((&of.player, of.cold.watched()?))).collect();
            if !watched.is_empty() {
                println!(
                    "{:16}{:>8}{:>12}{:>12}{:>14}{:>14}{:>12}",
                    "", "waits", "latency", "MB loaded", "script", "main thread", "heap"
                );
            }
            for (player, watched) in watched {
                let known = |value: Option<f64>, unit: &str| {
                    value.map_or("-".to_owned(), |value| format!("{value:.0} {unit}"))
                };
                println!(
                    "{player:16}{:>8}{:>10.1} s{:>12.1}{:>14}{:>14}{:>12}",
                    watched.waits,
                    watched.latency_s,
                    watched.bytes / 1e6,
                    known(watched.script_ms, "ms"),
                    known(watched.main_thread_ms, "ms"),
                    known(watched.heap_bytes.map(|bytes| bytes / 1000.0), "KB"),
                );
            }
        }
        println!(
            "\n{} and {}: how many times sooner than these, cold. Below it, {} s behind one first frame.",
            RIVALS[0], RIVALS[1], self.watched_s
        );
    }
}

impl Summary {
    /// The one load that was watched.
    fn watched(&self) -> Option<&Watched> {
        self.rounds.iter().find_map(|load| load.watched.as_ref())
    }
}

impl Form {
    fn says(self) -> &'static str {
        match self {
            Form::Plain => "pages as they are recommended",
            Form::Preloaded => "the playlist asked for beside the scripts",
        }
    }
}

/// Whose driver passes commands of the Chrome DevTools Protocol on.
const CHROMIUM_OPTIONS: &str = "goog:chromeOptions";
const FIXTURE: &str = "bars";
const FILE: &str = "player.json";
const HOURS_FILE: &str = "hours.json";
/// A little less than what a driver waits for a script (WebDriver, section 9.1).
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(25);
