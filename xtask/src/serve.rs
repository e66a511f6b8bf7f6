//! `cargo xtask serve`: one scenario at a URL, for the browser at hand, a phone or a debugger; without one, our own player's
//! demo page on a stream that ffmpeg makes as it is watched.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::Args;
use segproof_core::report::{Report, TrialReport, Verdict};
use segproof_harness::plan::{Instead, RunPlan, TrialPlan};
use segproof_harness::player::Home;
use segproof_harness::run::{News, serve_trial};

use crate::conformance::{positive, select, take_folder};
use crate::doctor::{self, Consent, Need};
use crate::stop::Signals;
use crate::{fixtures, listen, paths, player, report};

#[derive(Debug, Default, Args)]
pub struct Options {
    /// A scenario's name below scenarios/, its folder, or its scenario.toml [default: a live stream of ffmpeg's, in player/demo]
    scenario: Option<String>,
    /// A player of harness/players by name, or any folder with an index.html [default: reference]
    #[arg(long, value_name = "NAME|DIR")]
    player: Option<String>,
    /// An address of this machine at which the browser reaches it [default: this machine alone]
    #[arg(long, value_name = "ADDR", value_parser = listen::address)]
    host: Option<IpAddr>,
    /// The page's port; the media hosts take the two that follow [default: what is free]
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u16).range(1..=65533))]
    port: Option<u16>,
    /// Stream seconds per second; a scenario may allow less [default: 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    speed: Option<f64>,
    /// SHOULD-level violations fail the trial
    #[arg(long)]
    strict: bool,
    /// Where the report goes [default: target/serve]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

impl Options {
    /// As a bench wants it.
    pub fn of(scenario: &str, player: &str, speed: f64, out: PathBuf) -> Options {
        let (scenario, player) = (Some(scenario.to_owned()), Some(player.to_owned()));
        Options { scenario, player, speed: Some(speed), out: Some(out), ..Options::default() }
    }

    /// As when nothing is said but where the report goes.
    pub fn to(out: PathBuf) -> Options {
        Options { out: Some(out), ..Options::default() }
    }
}

/// Serves until Ctrl-C; the exit code is the verdict's.
pub fn command(options: Options) -> anyhow::Result<ExitCode> {
    let (plan, _lock) = prepare(&options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(serve(&plan))?;
    Ok(ExitCode::from(report::exit_code(&report)))
}

/// Makes all that is wanted for it. What is given beside the plan holds the folder of the report as long as it lives.
pub fn prepare(options: &Options) -> anyhow::Result<(RunPlan, impl Sized + use<>)> {
    let given = options.scenario.as_deref().unwrap_or(LIVE);
    let (name, file) = find(given, &paths::root().join("scenarios"))?;
    let scenario = select::read_scenario(&file).map_err(anyhow::Error::msg)?;
    let default = if options.scenario.is_some() { "reference".to_owned() } else { demo() };
    let players = select::players(&[options.player.clone().unwrap_or(default)])?;
    let chosen = players.first().context("one player was named")?;
    ensure!(
        matches!(chosen.home, Home::Folder(_)),
        "{} is served elsewhere: a page that is served here has the probe in it, another one gets it from `cargo xtask \
         conformance` only",
        chosen.given
    );
    let asked = options.speed.unwrap_or(1.0);
    let speed = scenario.max_speed.map_or(asked, |most| asked.min(most));
    if speed < asked {
        println!("{name} is served at speed {speed}: more would not be what it says");
    }
    let out = options.out.clone().unwrap_or_else(|| paths::target().join("serve"));
    let out = std::path::absolute(&out).unwrap_or(out);
    let needs = [&[Need::WasmTarget, Need::Ffmpeg], select::needs(&players)].concat();
    doctor::provide(&needs, Consent::from_yes(options.yes))?;
    let lock = take_folder(&out)?;
    player::build(&paths::root(), &paths::target(), player::Form::at_hand())?;
    let fixtures = fixtures::make(&scenario.sources.into_iter().collect())?;

    let trial = TrialPlan {
        player: chosen.name.clone(),
        home: chosen.home.clone(),
        browser: BROWSER.to_owned(),
        instead: Instead::default(),
        snapshot: None,
        repro: repro(options, &name, &chosen.given),
        evidence: None,
        scenario: name,
        scenario_file: file,
        speed,
    };
    let plan = RunPlan {
        // Whose browser it is, is not known.
        webdriver: String::new(),
        notify: None,
        pace: None,
        signals: None,
        hold: None,
        listen: listen::at(options.host, options.port.unwrap_or_default())?,
        out,
        fixtures,
        target: paths::target(),
        bless: false,
        strict: options.strict,
        trials: vec![trial],
    };
    Ok((plan, lock))
}

async fn serve(plan: &RunPlan) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let mut signals = Signals::listen()?;
    let mut written = None;
    let report_of = |trial: &TrialReport| Report {
        version: 1,
        made: Vec::new(),
        wall_ms: begun.elapsed().as_millis() as u64,
        stream_ms: trial.stream_ms,
        selected: Default::default(),
        trials: vec![trial.clone()],
    };
    let tell = |news: News| match news {
        News::Open { url, to_be_trusted } => announce(url, to_be_trusted),
        News::Judged(trial) => {
            println!("{}", report::trial_line(trial));
            show_what_was_seen(trial);
            written = Some(report::write(&report_of(trial), &plan.out, None));
            println!("{}", paths::short(&plan.out.join("report.html")));
        }
        News::GoesOn => println!("the trial is over; the stream goes on until Ctrl-C"),
    };
    let trial = plan.trials.first().context("a plan has a trial")?;
    let trial = serve_trial(plan, trial, tell, signals.next()).await?;
    written.unwrap_or(Ok(()))?;
    Ok(report_of(&trial))
}

fn announce(url: &str, to_be_trusted: &[&str]) {
    for host in to_be_trusted {
        println!("first open {host}/ there and accept the certificate, which is of this moment");
    }
    println!("open in any browser:\n\n    {url}\n");
    println!("the first page that is opened is judged, at the trial's end or at Ctrl-C;");
    println!("if nothing moves, click into it: browsers play nothing with sound before");
}

/// An inconclusive trial was watched by somebody: what it broke up to then may be what they were after.
fn show_what_was_seen(trial: &TrialReport) {
    if trial.verdict == Verdict::Inconclusive {
        for violation in trial.violations.iter().filter(|violation| violation.binding) {
            println!("     up to then, {}: {}", violation.rule, violation.what);
        }
    }
}

/// The scenario's name and its file: by its name below `scenarios`, its folder, or its file.
fn find(given: &str, scenarios: &Path) -> anyhow::Result<(String, PathBuf)> {
    let path = Path::new(given);
    let places = [path.to_owned(), path.join(FILE), scenarios.join(path).join(FILE)];
    let Some(file) = places.iter().find(|place| place.is_file()) else {
        bail!(
            "there is no scenario {given}: neither {given}, nor {given}/{FILE}, nor scenarios/{given}/{FILE}{}",
            near(given, scenarios)
        );
    };
    let file = file.canonicalize().with_context(|| file.display().to_string())?;
    let folder = file.parent().context("a file has a folder")?;
    let below = scenarios
        .canonicalize()
        .ok()
        .and_then(|scenarios| folder.strip_prefix(scenarios).ok().map(Path::to_owned));
    let name = match below {
        Some(below) => below.display().to_string(),
        None => folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    ensure!(!name.is_empty(), "{} has no folder of its own, which would be its name", paths::short(&file));
    Ok((name, file))
}

/// Scenarios whose names hold the last word of what was given.
fn near(given: &str, scenarios: &Path) -> String {
    let word = given.rsplit('/').next().unwrap_or(given);
    let all = select::find_scenarios(scenarios).unwrap_or_default();
    let names: Vec<&str> = all
        .keys()
        .map(String::as_str)
        .filter(|name| !word.is_empty() && name.contains(word))
        .take(5)
        .collect();
    if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) }
}

/// The page that shows what our own player is doing.
fn demo() -> String {
    paths::root().join("player/demo").display().to_string()
}

/// The command that serves this again.
fn repro(options: &Options, name: &str, player: &str) -> String {
    let quoted = select::quoted;
    let speed = options.speed.unwrap_or(1.0);
    format!("cargo xtask serve {} --player {} --speed {speed}", quoted(name), quoted(player))
}

const FILE: &str = "scenario.toml";
/// Where a newcomer sees most.
const LIVE: &str = "session/ffmpeg-live";
/// What stands in the report where a browser of the suite would.
const BROWSER: &str = "any";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_named_in_three_ways() {
        let scenarios = paths::root().join("scenarios");
        let folder = scenarios.join("segment/404-once");
        let file = folder.join(FILE);
        for given in ["segment/404-once", &folder.display().to_string(), &file.display().to_string()] {
            let (name, found) = find(given, &scenarios).expect(given);
            assert_eq!(
                (name.as_str(), found),
                ("segment/404-once", file.canonicalize().expect("it is there"))
            );
        }
        let error = find("404-once", &scenarios).expect_err("no such folder").to_string();
        assert!(error.contains("init/404-once, segment/404-once"), "{error}");
    }

    #[test]
    fn three_ports_are_wanted() {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let parse = |port: &str| Line::try_parse_from(["serve", "a", "--port", port]);
        assert_eq!(parse("65533").expect("the last that has two to follow").options.port, Some(65533));
        assert!(parse("65534").is_err());
    }
}
