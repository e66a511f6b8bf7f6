//! `cargo xtask matrix`: players times scenarios times engines, as a table for people.
//!
//! It is the conformance suite with other players and browsers, an engine after the other, and a page made of the reports.
//! What is finished is kept, so the same command goes on where an interrupted one was.

mod markdown;
mod published;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use segproof_core::report::{Report, TrialReport, Verdict};
use segproof_harness::engine::ENGINES;
use segproof_harness::player::{Home, Player};

use crate::conformance::{self, Speed, select};
use crate::doctor::{self, Consent, Need};
use crate::machine::{self, Machine};
use crate::report::table::{self, Header, Named, Table};
use crate::{paths, report};
pub use published::Published;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Run only the trials whose name (player@browser/scenario) contains this or matches it as a glob
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// A player of harness/players by name, or any folder with an index.html
    #[arg(long = "player", value_name = "NAME|DIR", default_values_t = PLAYERS.map(str::to_owned))]
    players: Vec<String>,
    /// A browser engine by name, or `all` [default: those that are installed; with --yes all]
    #[arg(long = "browser", value_name = "NAME")]
    browsers: Vec<String>,
    /// Stream seconds per second, or `auto`; a scenario may allow less
    #[arg(long, value_name = "N", default_value = "auto")]
    speed: Speed,
    /// Trials at the same time [default: as many as the machine carries]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Run again what has been finished, too
    #[arg(long)]
    fresh: bool,
    /// Write what is whole and explained into docs/matrix.json and docs/matrix.md, a column for each player and engine
    #[arg(long, conflicts_with = "filters")]
    publish: bool,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

/// Our own, the one that it came from, and those from npm.
const PLAYERS: [&str; 8] = [
    "reference",
    "reference-full",
    "segplayer",
    "segplayer-in-turn",
    "hls.js",
    "hls.js-light",
    "shaka-player",
    "video.js",
];

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let folders = folders(options)?;
    let (engines, absent) = engines(options)?;
    for engine in &absent {
        eprintln!("{} is left out: {} (with --yes it is installed)", engine.name, engine.says);
    }
    let all = conformance::Options {
        filters: options.filters.clone(),
        players: options.players.clone(),
        browsers: engines,
        speed: options.speed,
        jobs: options.jobs,
        resume: true,
        yes: options.yes,
        beside: Some("../index.html"),
        ..conformance::Options::default()
    };
    let selection = conformance::prepare(&all)?;
    let asked: BTreeSet<String> = selection.trials.iter().map(|trial| trial.plan.name()).collect();
    let out = out();
    let _lock = conformance::take_folder(&out)?;
    if options.fresh {
        conformance::forget(&all, &selection)?;
    }
    let browsers: Vec<&str> = ENGINES
        .iter()
        .map(|engine| engine.name)
        .filter(|name| all.browsers.iter().any(|b| b == name))
        .collect();
    let header = header(options, &folders, &browsers, absent)?;
    let mut whole = Report {
        version: 1,
        made: Vec::new(),
        wall_ms: 0,
        stream_ms: 0,
        selected: Default::default(),
        trials: Vec::new(),
    };
    // What cannot be run later is written all the same.
    write(&whole, &asked, &header, &out)?;
    for browser in browsers {
        let own = |trial: &&select::Trial| trial.plan.browser == browser;
        let filters: Vec<String> =
            selection.trials.iter().filter(own).map(|trial| trial.plan.name()).collect();
        if filters.is_empty() {
            continue;
        }
        println!("{browser}: {} trials", filters.len());
        let one = conformance::Options {
            filters,
            browsers: vec![browser.to_owned()],
            out: Some(out.join(browser)),
            ..all.clone()
        };
        add(&mut whole, conformance::run(one)?, browser);
        write(&whole, &asked, &header, &out)?;
        if whole.trials.iter().any(is_interrupted) {
            println!("interrupted: the same command goes on there");
            break;
        }
    }
    report::print_counts(&whole);
    println!("{}, {}", paths::short(&out.join(PAGE)), paths::short(&out.join(MARKDOWN)));
    if options.publish {
        publish(&whole, &header)?;
    }
    let is_partial = whole.trials.len() < asked.len();
    let code = match report::exit_code(&whole) {
        0 if is_partial => 3,
        code => code,
    };
    Ok(ExitCode::from(code))
}

/// The engines to be run by name, and those that are left out because they are not here.
fn engines(options: &Options) -> anyhow::Result<(Vec<String>, Vec<Named>)> {
    if !options.browsers.is_empty() {
        let asked =
            conformance::Options { browsers: options.browsers.clone(), ..conformance::Options::default() };
        let engines = conformance::engines(&asked)?;
        return Ok((engines.iter().map(|engine| engine.name.to_owned()).collect(), Vec::new()));
    }
    let local: Vec<_> = ENGINES.iter().filter(|engine| !engine.is_remote_only()).collect();
    if options.yes {
        let needs: Vec<Need> = local.iter().map(|engine| Need::Engine(engine.name)).collect();
        doctor::provide(&needs, Consent::Install)?;
    }
    let mut here = Vec::new();
    let mut absent = Vec::new();
    for engine in local {
        match doctor::version(engine.name) {
            Ok(_) => here.push(engine.name.to_owned()),
            Err(why) => absent.push(Named { name: engine.name.to_owned(), says: why }),
        }
    }
    anyhow::ensure!(!here.is_empty(), "no browser engine is installed; with --yes they are installed");
    Ok((here, absent))
}

/// The players' names and folders.
fn folders(options: &Options) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let folder = |player: select::Player| match player.home {
        Home::Folder(folder) => Ok((player.name, folder)),
        Home::Elsewhere(page) => bail!(
            "{page} is served elsewhere, so that nothing of it can be kept, and what is kept is what the matrix is made \
             of: use `cargo xtask conformance`"
        ),
    };
    select::players(&options.players)?.into_iter().map(folder).collect()
}

fn header(
    options: &Options,
    folders: &[(String, PathBuf)],
    browsers: &[&str],
    absent: Vec<Named>,
) -> anyhow::Result<Header> {
    let players = folders
        .iter()
        .map(|(name, folder)| Ok(Named { name: name.clone(), says: doctor::player_version(folder)? }));
    let engine = |name: &&str| Named {
        name: (*name).to_owned(),
        says: doctor::version(name).unwrap_or_else(|why| format!("of an unknown version: {why}")),
    };
    Ok(Header {
        date: machine::date(),
        players: players.collect::<anyhow::Result<_>>()?,
        engines: browsers.iter().map(engine).collect(),
        absent,
        machine: Machine::here().to_string(),
        speed: options.speed.to_string(),
    })
}

/// Adds an engine's report, which lies in a folder of its own.
fn add(whole: &mut Report, part: Report, folder: &str) {
    whole.made.extend(part.made);
    whole.wall_ms += part.wall_ms;
    whole.stream_ms += part.stream_ms;
    whole.trials.extend(part.trials.into_iter().map(|mut trial| {
        trial.move_folders(&|dir| format!("{folder}/{dir}"));
        trial
    }));
}

fn is_interrupted(trial: &TrialReport) -> bool {
    trial.verdict == Verdict::Inconclusive && trial.reason.as_deref() == Some(report::INTERRUPTED)
}

/// Publishes each column that can be, and says of the others why not.
fn publish(whole: &Report, header: &Header) -> anyhow::Result<()> {
    let scenarios: Vec<String> =
        select::find_scenarios(&paths::root().join("scenarios"))?.into_keys().collect();
    let mut published = Published::read()?;
    for player in &header.players {
        if !Player::is_in(&paths::root().join("harness/players").join(&player.name)) {
            println!("not published: {}, which is no player of this project's", player.name);
            continue;
        }
        for engine in &header.engines {
            let is_of = |trial: &&TrialReport| trial.player == player.name && trial.browser == engine.name;
            let trials: Vec<&TrialReport> = whole.trials.iter().filter(is_of).collect();
            match published.put(&scenarios, &trials, player, engine, header) {
                Ok(()) => println!("published: {} in {}", player.name, engine.name),
                Err(why) => {
                    println!("not published: {} in {}, where", player.name, engine.name);
                    why.iter().for_each(|line| println!("     {line}"));
                }
            }
        }
    }
    published.write()
}

/// Writes all forms of what there is so far.
fn write(whole: &Report, asked: &BTreeSet<String>, header: &Header, out: &Path) -> anyhow::Result<()> {
    let table = table::table(whole, asked, header.clone());
    let file = |name: &str, bytes: &[u8]| report::write_file(&out.join(name), bytes).context(name.to_owned());
    file("report.json", &serde_json::to_vec_pretty(whole)?)?;
    file(MARKDOWN, markdown::whole(&table).as_bytes())?;
    file("matrix-summary.md", markdown::summary(&table).as_bytes())?;
    file(PAGE, page(&table)?.as_bytes())
}

fn page(table: &Table) -> anyhow::Result<String> {
    report::page("players.html", &serde_json::json!({ "table": table, "marks": table::MARKS }))
}

const PAGE: &str = "index.html";
const MARKDOWN: &str = "matrix.md";

fn out() -> PathBuf {
    paths::target().join("matrix")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_page_is_whole_and_escaped() {
        let page = page(&table::tests::partial()).expect("page");
        assert!(page.contains("segment 7 was appended after segment 8 &lt;b&gt;"), "{page}");
        assert!(page.contains("2.0 &lt;beta&gt;") && page.contains("never &lt;asks&gt; again"), "{page}");
        assert!(!page.contains("<b>") && !page.contains("<1>"), "{page}");
        let read_back = page.replace("&#x2f;", "/");
        assert!(read_back.contains("chromium/trials/p&lt;1&gt;@chromium/b/one/index.html"), "{page}");
        assert!(read_back.contains("wpe") && read_back.contains("it is not here"), "{page}");
        assert!(!page.contains("http://") && !page.contains("<script"), "nothing is fetched, nothing runs");
    }

    #[test]
    fn parts_lie_in_folders_of_their_own() {
        let mut again = sample::trial("a/b", Verdict::Pass);
        again.first = Some(Box::new(sample::trial("a/b", Verdict::Inconclusive)));
        let part = Report {
            version: 1,
            made: Vec::new(),
            wall_ms: 10,
            stream_ms: 20,
            selected: Default::default(),
            trials: vec![again],
        };
        let mut whole = part.clone();
        add(&mut whole, part, "chromium");
        assert_eq!((whole.wall_ms, whole.stream_ms, whole.trials.len()), (20, 40, 2));
        let added = &whole.trials[1];
        assert_eq!(added.dir, "chromium/trials/reference@chromium/a/b");
        assert!(added.first.as_ref().expect("first").dir.starts_with("chromium/trials/"));
    }
}
