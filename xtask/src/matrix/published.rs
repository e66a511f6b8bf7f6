//! `docs/matrix.json` and `docs/matrix.md`, and a table in the README: what was measured last of each player in each
//! engine, whenever and wherever that was.
//!
//! A whole matrix takes hours of one machine. So what is published is a column (one player in one engine), as soon as
//! every scenario has been run and each failure is explained by known.toml; the other columns stay as they are, each with
//! its date and versions.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Context;
use segproof_core::report::{TrialReport, Verdict};
use segproof_harness::engine::ENGINES;
use serde::{Deserialize, Serialize};

use super::PLAYERS;
use super::markdown::escaped;
use crate::report::table::{Broke, Header, Named, broke};
use crate::{paths, report, written};

/// All columns that were ever published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// In the order of the marks.
    pub scenarios: Vec<String>,
    pub columns: Vec<Column>,
}

/// One player in one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub player: String,
    pub player_version: String,
    pub engine: String,
    pub engine_version: String,
    pub date: String,
    pub machine: String,
    pub speed: String,
    /// A mark for each scenario.
    pub marks: String,
}

/// What keeps a column from being published, a line each.
pub type Obstacles = Vec<String>;

impl Published {
    /// What the project has published.
    pub fn read() -> anyhow::Result<Published> {
        let file = paths::root().join(JSON);
        match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{JSON} is no matrix")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Published::default()),
            Err(error) => Err(error).context(JSON),
        }
    }

    pub fn write(&self) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        report::write_file(&paths::root().join(JSON), json.as_bytes())?;
        report::write_file(&paths::root().join(MARKDOWN), self.page().as_bytes())?;
        let readme = paths::root().join(README);
        let text = std::fs::read_to_string(&readme).context(README)?;
        let text = self.told_in(&text).with_context(|| format!("{README} has not both of {MARKERS:?}"))?;
        report::write_file(&readme, text.as_bytes())?;
        Ok(())
    }

    /// Puts in place of a column what these trials came to, or says why not. `scenarios` are all there are.
    pub fn put(
        &mut self,
        scenarios: &[String],
        trials: &[&TrialReport],
        player: &Named,
        engine: &Named,
        header: &Header,
    ) -> Result<(), Obstacles> {
        let found: BTreeMap<&str, &TrialReport> =
            trials.iter().map(|trial| (trial.scenario.as_str(), *trial)).collect();
        let mut marks = String::new();
        let mut obstacles = Vec::new();
        for scenario in scenarios {
            match found.get(scenario.as_str()).map(|trial| (trial, mark(trial))) {
                None => obstacles.push(format!("{scenario} has not been run")),
                Some((trial, None)) => {
                    obstacles.push(format!("{} {}", report::word(trial.verdict), report::name(trial)))
                }
                Some((_, Some(mark))) => marks.push(mark),
            }
        }
        if !obstacles.is_empty() {
            return Err(obstacles);
        }
        self.follow(scenarios);
        self.columns.retain(|column| column.player != player.name || column.engine != engine.name);
        self.columns.push(Column {
            player: player.name.clone(),
            player_version: player.says.clone(),
            engine: engine.name.clone(),
            engine_version: engine.says.clone(),
            date: header.date.clone(),
            machine: header.machine.clone(),
            speed: header.speed.clone(),
            marks,
        });
        self.columns.sort_by_key(|column| (rank(&PLAYERS, &column.player), engine_rank(&column.engine)));
        Ok(())
    }

    /// Of the players that passed a scenario in an engine when that was published: their names, and with which versions, on
    /// which day.
    pub fn passed(&self, engine: &str, scenario: &str) -> Vec<(&str, String)> {
        let Some(at) = self.scenarios.iter().position(|name| name == scenario) else { return Vec::new() };
        let of_engine = self.columns.iter().filter(|column| column.engine == engine);
        of_engine
            .filter(|column| column.marks.chars().nth(at) == Some(PASS))
            .map(|column| {
                let (player, engine) = (column.player_and_version(), plain(&column.engine_version));
                (column.player.as_str(), format!("{player} in {engine} on {}", column.day()))
            })
            .collect()
    }

    /// Scenarios come and go; a column knows nothing of those that came after it.
    fn follow(&mut self, scenarios: &[String]) {
        for column in &mut self.columns {
            let marks: BTreeMap<&String, char> = self.scenarios.iter().zip(column.marks.chars()).collect();
            column.marks = scenarios.iter().map(|name| marks.get(name).copied().unwrap_or(UNKNOWN)).collect();
        }
        self.scenarios = scenarios.to_vec();
    }

    /// The page for people.
    pub fn page(&self) -> String {
        let mut text = String::from(INTRODUCTION);
        let mut line = |said: String| {
            let _infallible = writeln!(text, "{said}");
        };
        line(format!("\n{}", self.summary()));
        let players: Vec<&str> = self.by_player().map(|columns| columns[0].player.as_str()).collect();
        let engines = self.engines();
        line(format!("Below, a mark for each engine: {}.", engines.join(", ")));
        let mut group = "";
        for (at, scenario) in self.scenarios.iter().enumerate() {
            let of = scenario.split_once('/').map_or("", |(group, _)| group);
            if of != group {
                group = of;
                line(format!("\n## {group}\n\n| scenario | {} |", players.join(" | ")));
                line(format!("|---{}|", "|---".repeat(players.len())));
            }
            let cell = |player: &&str| {
                let mark = |engine: &&str| {
                    let column = self.columns.iter().find(|c| c.player == *player && c.engine == *engine);
                    column.and_then(|column| column.marks.chars().nth(at)).unwrap_or(UNKNOWN)
                };
                engines.iter().map(mark).collect::<String>()
            };
            line(format!("| {scenario} | {} |", players.iter().map(cell).collect::<Vec<_>>().join(" | ")));
        }
        text
    }

    /// The README with a line for each player between its markers; none if it has no markers.
    fn told_in(&self, readme: &str) -> Option<String> {
        written::between(MARKERS, readme, &self.results())
    }

    /// A line for each player: how much passes of what could, in each engine.
    fn results(&self) -> String {
        let engines = self.engines();
        let mut text =
            format!("| player | {} |\n|---{}|\n", engines.join(" | "), "|--:".repeat(engines.len()));
        for columns in self.by_player() {
            let cell = |engine: &&str| match columns.iter().find(|column| column.engine == *engine) {
                Some(column) => {
                    let left_out = column.count(SKIPPED) + column.count(UNKNOWN);
                    format!("{} of {}", column.count(PASS), column.marks.chars().count() - left_out)
                }
                None => UNKNOWN.to_string(),
            };
            let cells: Vec<String> = engines.iter().map(cell).collect();
            let _infallible =
                writeln!(text, "| {} | {} |", escaped(&columns[0].player_and_version()), cells.join(" | "));
        }
        text
    }

    /// A line for each column.
    fn summary(&self) -> String {
        let mut text = String::from(
            "| player | engine | measured | of | pass | MUST, legal stream | viewer, legal stream | resilience | inconclusive | skipped |\n\
             |---|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for column in &self.columns {
            let of = column.marks.chars().count() - column.count(UNKNOWN);
            let counts =
                [PASS, MUST, VIEWER, RESILIENCE, INCONCLUSIVE, SKIPPED].map(|m| column.count(m).to_string());
            let day = column.day();
            let _infallible = writeln!(
                text,
                "| {} | {} | {day} | {of} | {} |",
                escaped(&column.player_and_version()),
                escaped(&plain(&column.engine_version)),
                counts.join(" | "),
            );
        }
        text
    }

    /// The columns of each player.
    fn by_player(&self) -> impl Iterator<Item = &[Column]> {
        self.columns.chunk_by(|one, next| one.player == next.player)
    }

    /// The names of those that there is a column of.
    fn engines(&self) -> Vec<&'static str> {
        let is_there = |name: &&str| self.columns.iter().any(|column| column.engine == *name);
        ENGINES.iter().map(|engine| engine.name).filter(is_there).collect()
    }
}

impl Column {
    fn count(&self, mark: char) -> usize {
        self.marks.chars().filter(|other| *other == mark).count()
    }

    fn day(&self) -> &str {
        self.date.split(' ').next().unwrap_or_default()
    }

    /// Two pages may show one version of a library; what has none is of this checkout.
    fn player_and_version(&self) -> String {
        let (player, version) = (&self.player, &self.player_version);
        if version.starts_with("of this checkout") {
            player.clone()
        } else if version.starts_with(&format!("{player} ")) {
            version.clone()
        } else {
            format!("{player} ({version})")
        }
    }
}

/// What an engine says of itself, without who has built it.
fn plain(version: &str) -> String {
    let parts = version.split("; ").map(|part| part.split(" built on ").next().unwrap_or(part));
    parts.collect::<Vec<_>>().join(", ")
}

/// What is published of a trial; nothing of one that is unexplained or was not finished.
fn mark(trial: &TrialReport) -> Option<char> {
    match trial.verdict {
        Verdict::Pass => Some(PASS),
        Verdict::Skipped => Some(SKIPPED),
        // What is the suite's own fault says nothing of a player.
        _ if trial.own_fault.is_some() => None,
        Verdict::Inconclusive if trial.reason.as_deref() != Some(report::INTERRUPTED) => Some(INCONCLUSIVE),
        Verdict::Known => Some(match broke(trial) {
            // What is known of it does not bind it.
            None => PASS,
            Some(Broke::Must) => MUST,
            Some(Broke::Other) => VIEWER,
            Some(Broke::Resilience) => RESILIENCE,
        }),
        Verdict::Inconclusive | Verdict::Fail | Verdict::UnexpectedPass => None,
    }
}

fn rank(order: &[&str], name: &str) -> usize {
    order.iter().position(|other| *other == name).unwrap_or(order.len())
}

fn engine_rank(name: &str) -> usize {
    ENGINES.iter().position(|engine| engine.name == name).unwrap_or(ENGINES.len())
}

const JSON: &str = "docs/matrix.json";
const MARKDOWN: &str = "docs/matrix.md";

const README: &str = "README.md";
const MARKERS: [&str; 2] =
    ["<!-- matrix: written by `cargo xtask matrix --publish` -->", "<!-- end of matrix -->"];

const PASS: char = '✓';
const MUST: char = 'M';
const VIEWER: char = 'v';
const RESILIENCE: char = 'r';
const INCONCLUSIVE: char = '?';
const SKIPPED: char = '–';
const UNKNOWN: char = '·';

const INTRODUCTION: &str = "\
# Players in every scenario

Written by `cargo xtask matrix --publish`: of each player in each engine what was measured last. Every failure is explained in
the `known.toml` beside the player's page, in `harness/players`; what the viewer saw wrong was decided at speed 1.

`✓` passes. `M` breaks a MUST on a legal stream, `v` lets the viewer down on one, `r` does not survive what a server or an
encoder has broken. `?` inconclusive, `–` skipped: the player or the engine cannot do what it takes, `·` not measured.
";

#[cfg(test)]
mod tests {
    use segproof_core::report::ViolationReport;
    use segproof_harness::player::Player;

    use super::*;
    use crate::conformance::select::find_scenarios;
    use crate::report::sample;
    use crate::report::table::tests::named;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn put(published: &mut Published, scenarios: &[&str], trials: &[TrialReport]) -> Result<(), Obstacles> {
        let header = Header { date: "2026-11-26 01:02 UTC".into(), ..Header::default() };
        let trials: Vec<&TrialReport> = trials.iter().collect();
        let (player, engine) = (named("reference", "ours"), named("chromium", "Chromium 156"));
        published.put(&names(scenarios), &trials, &player, &engine, &header)
    }

    #[test]
    fn a_column_takes_the_place_of_the_one_before_and_of_no_other() {
        let mut published = Published::default();
        put(
            &mut published,
            &["a/b", "b/c"],
            &[sample::trial("a/b", Verdict::Pass), sample::trial("b/c", Verdict::Skipped)],
        )
        .expect("it is whole");
        published.columns.push(Column { player: "other".into(), ..published.columns[0].clone() });
        let mut fails = sample::trial("a/b", Verdict::Known);
        fails.violations = vec![ViolationReport { known: true, ..sample::violation() }];
        put(&mut published, &["a/a", "a/b"], &[sample::trial("a/a", Verdict::Pass), fails])
            .expect("it is whole");
        let marks: Vec<_> = published.columns.iter().map(|c| (c.player.as_str(), c.marks.as_str())).collect();
        assert_eq!(marks, [("reference", "✓M"), ("other", "·✓")]);
        // The one is known to fail.
        let passed = published.passed("chromium", "a/b");
        assert_eq!(passed, [("other", "other (ours) in Chromium 156 on 2026-11-26".to_owned())]);
        assert_eq!(published.passed("firefox", "a/b"), []);
        assert_eq!(published.passed("chromium", "c/d"), []);
        let page = published.page();
        assert!(
            page.contains("| reference (ours) | Chromium 156 | 2026-11-26 | 2 | 1 | 1 | 0 | 0 | 0 | 0 |"),
            "{page}"
        );
        assert!(
            page.contains("## a\n\n| scenario | reference | other |\n|---|---|---|\n| a/a | ✓ | · |"),
            "{page}"
        );
    }

    #[test]
    fn what_is_known_and_does_not_bind_is_a_pass() {
        let mut published = Published::default();
        let mut trial = sample::trial("a/b", Verdict::Known);
        trial.violations = vec![ViolationReport { known: true, binding: false, ..sample::violation() }];
        put(&mut published, &["a/b"], &[trial]).expect("it is whole");
        assert_eq!(published.columns[0].marks, "✓");
    }

    #[test]
    fn versions_are_told_without_where_things_are_and_who_has_built_them() {
        assert_eq!(
            plain("Chromium 156 built on Debian GNU/Linux 12 (bookworm); ChromeDriver 156"),
            "Chromium 156, ChromeDriver 156"
        );
        let mut published = Published::default();
        put(&mut published, &["a/b"], &[sample::trial("a/b", Verdict::Pass)]).expect("it is whole");
        let column = &mut published.columns[0];
        column.player_version = "of this checkout, in harness/players/reference".into();
        assert_eq!(column.player_and_version(), "reference");
        column.player_version = "reference 1.2".into();
        assert_eq!(column.player_and_version(), "reference 1.2");
        column.player_version = "hls.js 1.7.4".into();
        assert_eq!(column.player_and_version(), "reference (hls.js 1.7.4)");
    }

    #[test]
    fn the_readme_is_written_between_its_markers() {
        let mut published = Published::default();
        let trials = [
            sample::trial("a/a", Verdict::Pass),
            sample::trial("a/b", Verdict::Inconclusive),
            sample::trial("a/c", Verdict::Skipped),
        ];
        put(&mut published, &["a/a", "a/b", "a/c"], &trials).expect("it is whole");
        published.columns.push(Column {
            player: "other".into(),
            engine: "firefox".into(),
            ..published.columns[0].clone()
        });
        let readme = ["before ", MARKERS[0], " old ", MARKERS[1], " after"].concat();
        let told = published.told_in(&readme).expect("it has markers");
        let table = "| player | chromium | firefox |\n|---|--:|--:|\n| reference (ours) | 1 of 2 | · |\n| other (ours) | · | 1 of 2 |\n";
        assert!(told.starts_with(&["before ", MARKERS[0], "\n\n", table].concat()), "{told}");
        assert!(told.ends_with(&["\n\n", MARKERS[1], " after"].concat()), "{told}");
        assert_eq!(published.told_in("before"), None);
    }

    #[test]
    fn what_is_not_whole_or_not_explained_is_not_published() {
        let mut published = Published::default();
        let trials = [sample::trial("a/b", Verdict::Pass), sample::trial("b/c", Verdict::Fail)];
        let why = put(&mut published, &["a/b", "b/c", "c/d"], &trials).expect_err("it is not");
        assert_eq!(why, ["fail reference@chromium/b/c", "c/d has not been run"]);
        assert_eq!(published, Published::default());
    }

    #[test]
    fn the_published_page_is_current() {
        let page = std::fs::read_to_string(paths::root().join(MARKDOWN)).expect(MARKDOWN);
        let published = Published::read().expect(JSON);
        assert_eq!(page, published.page(), "`cargo xtask matrix --publish` writes both");
        let readme = std::fs::read_to_string(paths::root().join(README)).expect(README);
        assert_eq!(Some(readme.clone()), published.told_in(&readme), "and the table in the README");
    }

    #[test]
    fn each_published_failure_is_explained_and_each_scenario_is_there() {
        let published = Published::read().expect(JSON);
        let there = find_scenarios(&paths::root().join("scenarios")).expect("scenarios");
        let gone: Vec<_> = published.scenarios.iter().filter(|name| !there.contains_key(*name)).collect();
        assert!(gone.is_empty(), "published, and no scenarios: {gone:?}");
        let mut unexplained = Vec::new();
        for column in &published.columns {
            assert_eq!(column.marks.chars().count(), published.scenarios.len());
            let player =
                Player::read(&paths::root().join("harness/players").join(&column.player)).expect("player");
            for (scenario, mark) in published.scenarios.iter().zip(column.marks.chars()) {
                let is_known = player.known.iter().any(|known| known.is_of(scenario, &column.engine));
                if [MUST, VIEWER, RESILIENCE].contains(&mark) && !is_known {
                    unexplained.push(format!("{}@{}/{scenario}", column.player, column.engine));
                }
            }
        }
        assert!(unexplained.is_empty(), "no known.toml says why: {unexplained:#?}");
    }
}
