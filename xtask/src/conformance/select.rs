//! Which trials a run has: scenarios times players times browsers, less what the filters leave out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use globset::{Glob, GlobMatcher};
use segproof_core::presentation::{self, Source};
use segproof_core::report::{Partition, Selected};
use segproof_harness::engine::Engine;
use segproof_harness::plan::{Instead, MadeFixture, TrialPlan};
use segproof_harness::player::{Home, PageUrl, Player as PlayerFolder};
use segproof_harness::run::{NEEDS_BIDI, check_media};

use super::{OWN_PLAYER, Options};
use crate::doctor::Need;
use crate::paths;

/// The trials of a run, in the order of their names' parts.
#[derive(Debug)]
pub struct Selection {
    pub trials: Vec<Trial>,
    /// Scenarios that cannot be read: what is wrong with each.
    pub broken: Vec<String>,
}

/// A selected trial and what its scenario says.
#[derive(Debug, Clone)]
pub struct Trial {
    pub plan: TrialPlan,
    pub summary: String,
    sources: Vec<Source>,
    /// Why the trial does not apply to this player.
    skip: Option<String>,
}

/// What the runner wants to know of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioInfo {
    pub summary: String,
    /// The fixtures that it is served from.
    pub sources: Vec<Source>,
    /// The greatest speed that the scenario allows.
    pub max_speed: Option<f64>,
    /// Abilities the player must have.
    pub needs: Vec<String>,
}

/// A player to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    pub name: String,
    pub home: Home,
    /// The word by which the command line named it.
    pub given: String,
    /// Its abilities, from player.toml.
    pub can: BTreeSet<String>,
    pub is_from_npm: bool,
}

/// Reads what the runner needs of a scenario; the error shows file, line and caret.
pub fn read_scenario(path: &Path) -> Result<ScenarioInfo, String> {
    let scenario = segproof_harness::run::read_scenario(path).map_err(|error| format!("{error:#}"))?;
    Ok(ScenarioInfo {
        summary: scenario.summary.clone(),
        sources: presentation::sources(&scenario),
        max_speed: segproof_core::action::speed_max(&scenario),
        needs: scenario.needs.iter().map(|need| need.to_string()).collect(),
    })
}

/// What must be installed before these players can be served.
pub fn needs(players: &[Player]) -> &'static [Need] {
    if players.iter().any(|player| player.is_from_npm) { &[Need::Npm, Need::NpmPlayers] } else { &[] }
}

/// Finds the players that the command line names.
pub fn players(given: &[String]) -> anyhow::Result<Vec<Player>> {
    let own = paths::root().join("harness/players");
    let mut players: Vec<Player> = Vec::new();
    for word in given {
        if PageUrl::is_meant(word) {
            add(&mut players, elsewhere(word)?)?;
            continue;
        }
        let (called, word) = match word.split_once('=') {
            Some((called, word)) if is_plain(called) => (Some(called), word),
            _ => (None, word.as_str()),
        };
        let named = own.join(word);
        let is_name = Path::new(word).is_relative() && PlayerFolder::is_in(&named);
        let dir = if is_name { named } else { PathBuf::from(word) };
        if !PlayerFolder::is_in(&dir) {
            bail!(
                "there is no player {word}: neither harness/players/{word} nor {word} holds an index.html{}",
                known(&own)
            );
        }
        let dir = dir.canonicalize().with_context(|| dir.display().to_string())?;
        let name = dir.file_name().context("a player's folder has a name")?.to_string_lossy().into_owned();
        let name = called.map_or(name, str::to_owned);
        let folder = PlayerFolder::read(&dir)?;
        let can = folder.settings.can.iter().map(|ability| ability.to_string()).collect();
        let given = if is_name { word.to_owned() } else { paths::short(&dir) };
        let given = called.map_or(given.clone(), |called| format!("{called}={given}"));
        let is_from_npm = folder.is_from_npm();
        add(&mut players, Player { name, home: Home::Folder(dir), given, can, is_from_npm })?;
    }
    Ok(players)
}

/// Whether a word can be a player's name.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

/// Adds a player that is not there yet.
fn add(players: &mut Vec<Player>, player: Player) -> anyhow::Result<()> {
    if players.iter().any(|other| other.home == player.home && other.name == player.name) {
        return Ok(());
    }
    if players.iter().any(|other| other.name == player.name) {
        bail!("two players are called {}: NAME=DIR names one otherwise", player.name);
    }
    players.push(player);
    Ok(())
}

/// A word for a player without the password that it may hold.
fn shown(word: &str) -> String {
    let page = PageUrl::is_meant(word).then(|| word.parse::<PageUrl>().ok()).flatten();
    page.map_or_else(|| word.to_owned(), |page| page.to_string())
}

/// The player of a page that somebody else serves.
fn elsewhere(word: &str) -> anyhow::Result<Player> {
    let page: PageUrl = word.parse().map_err(anyhow::Error::msg)?;
    Ok(Player {
        name: page.name(),
        given: page.to_string(),
        home: Home::Elsewhere(page),
        can: BTreeSet::new(),
        is_from_npm: false,
    })
}

fn known(own: &Path) -> String {
    let entries = std::fs::read_dir(own).into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter(|entry| PlayerFolder::is_in(&entry.path()));
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    if names.is_empty() { String::new() } else { format!("; known are {}", names.join(", ")) }
}

/// Every trial that the options select.
pub fn trials(
    options: &Options,
    folder: &Path,
    players: &[Player],
    engines: &[&'static Engine],
) -> anyhow::Result<Selection> {
    let mut broken = Vec::new();
    let mut trials = Vec::new();
    let scenarios = find_scenarios(folder)?;
    if scenarios.is_empty() {
        bail!("there is no scenario below {}", paths::short(folder));
    }
    for (scenario, file) in scenarios {
        match read_scenario(&file) {
            Ok(info) => {
                for player in players {
                    let of_engine = |engine| trial(options, &scenario, &file, &info, player, engine);
                    trials.extend(engines.iter().copied().map(of_engine));
                }
            }
            Err(why) => broken.push(why),
        }
    }
    let names: Vec<String> = trials.iter().map(|trial: &Trial| trial.plan.name()).collect();
    let filters =
        options.filters.iter().map(|text| Filter::new(text, &names)).collect::<Result<Vec<_>, _>>()?;
    for filter in &filters {
        if broken.is_empty() && !names.iter().any(|name| filter.matches(name)) {
            bail!(
                "no trial matches `{}`; --list shows all, and --scenarios DIR takes scenarios from elsewhere",
                filter.text
            );
        }
    }
    trials.retain(|trial| {
        filters.is_empty() || filters.iter().any(|filter| filter.matches(&trial.plan.name()))
    });
    if let Some(Partition { part, parts }) = options.partition {
        let mine = trials.into_iter().enumerate().filter(|(place, _)| place % parts == part - 1);
        trials = mine.map(|(_, trial)| trial).collect();
    }
    Ok(Selection { trials, broken })
}

/// Every scenario.toml below a folder by its name: the path from there to its folder.
pub fn find_scenarios(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let folder = std::path::absolute(folder)?;
    let mut ahead = vec![folder.clone()];
    while let Some(here) = ahead.pop() {
        for entry in
            std::fs::read_dir(&here).with_context(|| format!("the scenarios' folder {}", here.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.file_name().is_some_and(|name| name == "scenario.toml") {
                let parts = here.strip_prefix(&folder)?.components();
                let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
                found.insert(parts.join("/"), path);
            }
        }
    }
    Ok(found)
}

fn trial(
    options: &Options,
    scenario: &str,
    file: &Path,
    info: &ScenarioInfo,
    player: &Player,
    engine: &'static Engine,
) -> Trial {
    let missing: Vec<&str> =
        info.needs.iter().filter(|need| !player.can.contains(*need)).map(String::as_str).collect();
    let skip = if !missing.is_empty() {
        Some(format!("{} cannot {}", player.name, missing.join(", ")))
    } else if engine.is_remote_only() && options.webdriver.is_none() {
        Some(format!("not installed: {} is reached by --webdriver only (docs/remote.md)", engine.name))
    } else if matches!(player.home, Home::Elsewhere(_)) && !engine.has_bidi {
        Some(format!("{} has no WebDriver BiDi, {NEEDS_BIDI}", engine.name))
    } else {
        None
    };
    let speed = options.speed.in_engine(engine);
    let instead = Instead { phase: options.phase, pieces: options.pieces };
    let mut plan = TrialPlan {
        player: player.name.clone(),
        home: player.home.clone(),
        browser: engine.name.to_owned(),
        scenario: scenario.to_owned(),
        scenario_file: file.to_owned(),
        speed: info.max_speed.map_or(speed, |most| speed.min(most)),
        snapshot: (player.name == OWN_PLAYER && instead == Instead::default()).then(|| OWN_PLAYER.to_owned()),
        instead,
        repro: String::new(),
        evidence: None,
    };
    plan.repro = repro(options, &plan, &player.given);
    Trial { plan, summary: info.summary.clone(), sources: info.sources.clone(), skip }
}

/// The command that runs one trial as this run does, but for the speed, of which the machine has a say.
fn repro(options: &Options, plan: &TrialPlan, player: &str) -> String {
    let mut words = vec!["cargo xtask conformance".to_owned(), quoted(&plan.name())];
    let mut add = |option: &str, value: &str| words.push(format!("{option} {}", quoted(value)));
    add("--player", player);
    add("--browser", &plan.browser);
    if let Some(folder) = &options.scenarios {
        add("--scenarios", &folder.display().to_string());
    }
    if let Some(url) = &options.webdriver {
        add("--webdriver", &url.to_string());
    }
    if let Some(host) = options.origin_host {
        add("--origin-host", &host.to_string());
    }
    if let Some(phase) = options.phase {
        words.push(format!("--phase {phase}"));
    }
    if let Some(pieces) = options.pieces {
        words.push(format!("--pieces {pieces}"));
    }
    if options.strict {
        words.push("--strict".to_owned());
    }
    words.join(" ")
}

/// A word as a POSIX shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "@%+=:,./-_".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// One filter of the command line.
struct Filter {
    text: String,
    kind: FilterKind,
}

enum FilterKind {
    /// The name of a trial, which selects that one and none that only begins like it.
    Name,
    Part,
    Glob(GlobMatcher),
}

impl Filter {
    fn new(text: &str, names: &[String]) -> anyhow::Result<Filter> {
        let kind = if names.iter().any(|name| name == text) {
            FilterKind::Name
        } else if text.contains(['*', '?', '[', '{']) {
            FilterKind::Glob(
                Glob::new(text).with_context(|| format!("the filter `{text}`"))?.compile_matcher(),
            )
        } else {
            FilterKind::Part
        };
        Ok(Filter { text: text.to_owned(), kind })
    }

    fn matches(&self, name: &str) -> bool {
        match &self.kind {
            FilterKind::Name => name == self.text,
            FilterKind::Part => name.contains(&self.text),
            FilterKind::Glob(glob) => {
                // A glob may be written for the whole name or for the scenario alone.
                let scenario = name.split_once('/').map_or(name, |(_, scenario)| scenario);
                glob.is_match(name) || glob.is_match(scenario)
            }
        }
    }
}

impl Selection {
    /// An error if a scenario cannot be read, after telling each.
    pub fn complain(&self) -> anyhow::Result<()> {
        complain(&self.broken, "read")
    }

    /// The fixtures of the trials that will run.
    pub fn fixtures(&self) -> BTreeSet<Source> {
        let run = self.trials.iter().filter(|trial| trial.skip.is_none());
        run.flat_map(|trial| trial.sources.clone()).collect()
    }

    /// As `complain`, of what only the media can tell.
    pub fn check_media(&self, made: &[MadeFixture]) -> anyhow::Result<()> {
        let run = self.trials.iter().filter(|trial| trial.skip.is_none());
        // A scenario is the same for all players.
        let trials: BTreeMap<&Path, &TrialPlan> =
            run.map(|trial| (trial.plan.scenario_file.as_path(), &trial.plan)).collect();
        let errors = trials.into_values().filter_map(|trial| check_media(made, trial).err());
        complain(&errors.map(|error| format!("{error:#}")).collect::<Vec<_>>(), "played")
    }

    pub fn skip_reason(&self, plan: &TrialPlan) -> Option<String> {
        self.find(plan)?.skip.clone()
    }

    pub fn summary(&self, plan: &TrialPlan) -> String {
        self.find(plan).map(|trial| trial.summary.clone()).unwrap_or_default()
    }

    fn find(&self, plan: &TrialPlan) -> Option<&Trial> {
        self.trials.iter().find(|trial| trial.plan.name() == plan.name())
    }
}

/// Says what is wrong with each scenario that cannot be `done`.
fn complain(broken: &[String], done: &str) -> anyhow::Result<()> {
    for why in broken {
        eprintln!("{why}");
    }
    match broken.len() {
        0 => Ok(()),
        1 => bail!("a scenario cannot be {done}"),
        count => bail!("{count} scenarios cannot be {done}"),
    }
}

/// Reads `K/N`.
pub fn partition(text: &str) -> Result<Partition, String> {
    let parsed = text
        .split_once('/')
        .and_then(|(part, parts)| Some(Partition { part: part.parse().ok()?, parts: parts.parse().ok()? }));
    parsed
        .filter(|Partition { part, parts }| (1..=*parts).contains(part))
        .ok_or_else(|| format!("`{text}` is not K/N with K from 1 to N"))
}

/// What the options select, in the words of a command line.
pub fn selected(options: &Options) -> Selected {
    let mut words: Vec<String> = options.filters.iter().map(|filter| quoted(filter)).collect();
    let mut add = |option: &str, value: &str| words.push(format!("{option} {}", quoted(value)));
    options.players.iter().for_each(|player| add("--player", &shown(player)));
    options.browsers.iter().for_each(|browser| add("--browser", browser));
    add("--speed", &options.speed.to_string());
    if let Some(phase) = options.phase {
        add("--phase", &phase.to_string());
    }
    if let Some(pieces) = options.pieces {
        add("--pieces", &pieces.to_string());
    }
    if options.repeat > 1 {
        add("--repeat", &options.repeat.to_string());
    }
    if let Some(folder) = &options.scenarios {
        add("--scenarios", &folder.display().to_string());
    }
    if options.strict {
        words.push("--strict".to_owned());
    }
    let is_own = options.players.iter().any(|player| player == OWN_PLAYER);
    Selected {
        options: words.join(" "),
        is_whole: options.filters.is_empty() && options.scenarios.is_none() && is_own,
        partition: options.partition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenarios a/one, a/one-more and b/two; the last needs `stop` and allows speed 2.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        let more = "needs = ['stop']\nmax_speed = 2.0\n[stream]\nfixture = 'bars'\n";
        for (name, more) in [("a/one", ""), ("a/one-more", ""), ("b/two", more)] {
            let folder = folder.path().join(name);
            std::fs::create_dir_all(&folder).expect("folder");
            let text = format!("summary = 'About {name}.'\nuntil = 'segment 105'\n{more}");
            std::fs::write(folder.join("scenario.toml"), text).expect("write");
        }
        folder
    }

    fn selected(options: &Options, folder: &Path) -> anyhow::Result<Selection> {
        let player = Player {
            name: "p".into(),
            home: Home::Folder("p".into()),
            given: "p".into(),
            can: BTreeSet::new(),
            is_from_npm: false,
        };
        trials(options, folder, &[player], &[&segproof_harness::engine::ENGINES[0]])
    }

    fn names(options: &Options) -> Vec<String> {
        let folder = folder();
        let selection = selected(options, folder.path()).expect("select");
        selection.trials.iter().map(|trial| trial.plan.name()).collect()
    }

    fn filtered(filters: &[&str]) -> Vec<String> {
        let filters = filters.iter().map(|filter| filter.to_string()).collect();
        names(&Options { filters, ..Options::default() })
    }

    #[test]
    fn filters_are_names_parts_or_globs() {
        assert_eq!(filtered(&[]).len(), 3);
        assert_eq!(filtered(&["one"]), ["p@chromium/a/one", "p@chromium/a/one-more"]);
        assert_eq!(filtered(&["p@chromium/a/one"]), ["p@chromium/a/one"]);
        assert_eq!(filtered(&["b/*", "*more"]), ["p@chromium/a/one-more", "p@chromium/b/two"]);
        let folder = folder();
        let options = Options { filters: vec!["nothing".into()], ..Options::default() };
        assert!(selected(&options, folder.path()).is_err());
    }

    #[test]
    fn partitions_share_out_everything_once() {
        let part = |text: &str| {
            names(&Options { partition: Some(partition(text).expect("K/N")), ..Options::default() })
        };
        let mut all = [part("1/2"), part("2/2")].concat();
        all.sort_unstable();
        assert_eq!(all, filtered(&[]));
        assert!(partition("0/2").is_err());
        assert!(partition("3/2").is_err());
    }

    #[test]
    fn parts_of_a_run_say_the_same_of_what_was_chosen() {
        let of = |partition: Option<&str>, filters: &[&str]| {
            let partition = partition.map(|text| super::partition(text).expect("K/N"));
            let filters = filters.iter().map(|filter| filter.to_string()).collect();
            super::selected(&Options { partition, filters, ..Options::default() })
        };
        assert_eq!(of(Some("1/2"), &[]).options, of(None, &[]).options);
        assert!(of(Some("1/2"), &[]).is_whole && of(Some("1/2"), &[]).partition.is_some());
        assert_eq!(of(None, &["a b"]).options, "'a b' --player reference --browser chromium --speed auto");
        assert!(!of(None, &["a b"]).is_whole);
    }

    #[test]
    fn a_broken_scenario_does_not_hide_the_others() {
        let folder = folder();
        std::fs::write(folder.path().join("a/one/scenario.toml"), "summary = 1").expect("write");
        let selection = selected(&Options::default(), folder.path()).expect("select");
        assert_eq!(selection.trials.len(), 2);
        assert_eq!(selection.broken.len(), 1);
        assert!(selection.broken[0].contains("a/one/scenario.toml"));
        assert!(selection.complain().is_err());
    }

    #[test]
    fn what_a_scenario_says_is_heeded() {
        let folder = folder();
        let selection = selected(&Options::default(), folder.path()).expect("select");
        let two = &selection.trials[2];
        assert_eq!(two.plan.speed, 2.0);
        assert_eq!(selection.skip_reason(&two.plan).as_deref(), Some("p cannot stop"));
        let one = Options { filters: vec!["b/two".to_owned()], ..Options::default() };
        let only_two = selected(&one, folder.path()).expect("select");
        assert!(only_two.fixtures().is_empty(), "a skipped trial needs no fixture");
        assert!(two.plan.repro.contains("p@chromium/b/two"));
    }

    #[test]
    fn browsers_elsewhere_are_skipped_unless_somebody_has_them() {
        let folder = folder();
        let skipped = |options: &Options| {
            let player = Player {
                name: "p".into(),
                home: Home::Folder("p".into()),
                given: "p".into(),
                can: BTreeSet::from(["stop".to_owned()]),
                is_from_npm: false,
            };
            let safari = segproof_harness::engine::engine("safari").expect("safari");
            let selection = trials(options, folder.path(), &[player], &[safari]).expect("select");
            let first = selection.trials[0].plan.clone();
            (selection.skip_reason(&first), first.repro)
        };
        let (reason, _) = skipped(&Options::default());
        assert!(reason.expect("skipped").starts_with("not installed: safari"));
        let webdriver = Some("http://me:secret@grid:4444".parse().expect("a URL"));
        let origin_host = Some("192.0.2.7".parse().expect("an address"));
        let (reason, repro) = skipped(&Options { webdriver, origin_host, ..Options::default() });
        assert_eq!(reason, None);
        assert!(
            repro.ends_with("--webdriver http://USER:PASSWORD@grid:4444 --origin-host 192.0.2.7"),
            "{repro}"
        );
    }

    #[test]
    fn a_folder_may_be_given_a_name() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("index.html"), "").expect("write");
        let path = folder.path().display();
        let of =
            |given: &[String]| players(given).map(|all| all.into_iter().map(|p| p.name).collect::<Vec<_>>());
        let named = [format!("mine={path}"), format!("{path}"), "base=hls.js".to_owned()];
        let names = of(&named).expect("players");
        assert_eq!((names[0].as_str(), names[2].as_str(), names.len()), ("mine", "base", 3));
        assert!(players(&named).expect("players")[0].given.starts_with("mine="));
        let error = of(&[format!("hls.js={path}"), "hls.js".to_owned()]).expect_err("two of one name");
        assert!(error.to_string().contains("NAME=DIR"), "{error}");
    }

    #[test]
    fn a_page_that_is_served_elsewhere_is_a_player_of_its_own_name() {
        let given = ["http://a:8/watch.html", "http://me:secret@a:8/watch", "http://a:8/watch.html"];
        let players = players(&given.map(str::to_owned)).expect("pages");
        assert_eq!(players.len(), 2, "{players:?}");
        assert!(players[0].name.starts_with("a-8-watch.html-"), "{players:?}");
        assert_eq!(players[1].given, "http://USER:PASSWORD@a:8/watch");
        let options = Options { players: given.map(str::to_owned).to_vec(), ..Options::default() };
        assert!(!super::selected(&options).options.contains("secret"));
        let folder = folder();
        let engine = |name| segproof_harness::engine::engine(name).expect(name);
        let selection = trials(&options, folder.path(), &players[..1], &[engine("chromium"), engine("wpe")])
            .expect("select");
        let skipped = |browser: &str| {
            let trial = selection.trials.iter().find(|trial| trial.plan.browser == browser);
            selection.skip_reason(&trial.expect(browser).plan)
        };
        assert_eq!(skipped("chromium"), None);
        assert!(skipped("wpe").expect("skipped").starts_with("wpe has no WebDriver BiDi, by which alone"));
        assert!(super::players(&["file:///a/index.html".to_owned()]).is_err());
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("a@b/c"), "a@b/c");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
