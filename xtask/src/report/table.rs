//! From a report to the table: what each player did in each engine. Computed from the trials' reports; nothing judges.

use std::collections::{BTreeMap, BTreeSet};

use segproof_core::report::{Level, Report, Stream, TrialReport, Verdict, ViolationReport};
use serde::Serialize;

use crate::report::{self, Counts, INTERRUPTED};

/// What stands above the table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Header {
    pub date: String,
    /// Each player with its version, in the order of the columns.
    pub players: Vec<Named>,
    /// Each engine with its version, in the order of the columns.
    pub engines: Vec<Named>,
    /// Engines that were left out, with the reason.
    pub absent: Vec<Named>,
    pub machine: String,
    pub speed: String,
}

/// A name and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    pub name: String,
    pub says: String,
}

/// The whole table.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    pub header: Header,
    /// `true` if a cell that was asked for has not been run.
    pub is_partial: bool,
    pub stream_s: u64,
    pub wall: String,
    /// Trials, and how many of them are of earlier runs.
    pub trials: usize,
    pub kept: usize,
    pub summary: Vec<Line>,
    pub groups: Vec<Group>,
}

/// One player in one engine.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub player: String,
    pub engine: String,
    pub counts: Counts,
    pub not_run: usize,
    /// Scenarios asked for.
    pub of: usize,
    /// Of those that failed or are known to: by what was broken, the gravest first.
    pub broke_must: usize,
    pub broke_viewer: usize,
    pub broke_resilience: usize,
}

/// The scenarios of one folder.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    pub name: String,
    /// For each column, how many passed and how many came to a verdict.
    pub tallies: Vec<Tally>,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub passed: usize,
    pub of: usize,
}

/// One scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub scenario: String,
    pub summary: String,
    /// One for each player in each engine, engines first to change.
    pub cells: Vec<Cell>,
}

/// One trial, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub player: String,
    pub engine: String,
    /// A verdict's word, `not-run`, or `not-asked-for`.
    pub verdict: &'static str,
    pub mark: char,
    /// What there is to say: the first violation, or the reason.
    pub says: String,
    pub link: Option<String>,
}

/// The cells that were asked for, and what became of them. `asked` are names (`player@engine/scenario`).
pub fn table(report: &Report, asked: &BTreeSet<String>, header: Header) -> Table {
    let found: BTreeMap<String, &TrialReport> =
        report.trials.iter().map(|trial| (report::name(trial), trial)).collect();
    let columns: Vec<(&str, &str)> = header
        .players
        .iter()
        .flat_map(|player| header.engines.iter().map(|e| (player.name.as_str(), e.name.as_str())))
        .collect();
    let scenarios: BTreeSet<&str> = asked.iter().filter_map(|name| Some(name.split_once('/')?.1)).collect();
    let mut groups: Vec<Group> = Vec::new();
    for scenario in scenarios {
        let group = scenario.split_once('/').map_or("", |(group, _)| group);
        let cells = columns.iter().map(|(player, engine)| {
            let name = format!("{player}@{engine}/{scenario}");
            let cell = Cell::blank(player, engine);
            match found.get(&name) {
                Some(trial) => Cell::of(trial, cell),
                None if asked.contains(&name) => Cell { verdict: NOT_RUN, ..cell }.marked(),
                None => cell,
            }
        });
        let cells: Vec<Cell> = cells.collect();
        let summary = columns.iter().find_map(|(p, e)| found.get(&format!("{p}@{e}/{scenario}")));
        let summary = summary.map(|trial| trial.summary.clone()).unwrap_or_default();
        let row = Row { scenario: scenario.to_owned(), summary, cells };
        match groups.last_mut() {
            Some(last) if last.name == group => last.rows.push(row),
            _ => groups.push(Group { name: group.to_owned(), tallies: Vec::new(), rows: vec![row] }),
        }
    }
    for group in &mut groups {
        group.tallies = (0..columns.len()).map(|column| tally(&group.rows, column)).collect();
    }
    let lines = columns.iter().enumerate();
    let summary: Vec<Line> = lines
        .map(|(column, (player, engine))| {
            let cells = groups.iter().flat_map(|group| &group.rows).map(|row| &row.cells[column]);
            let of_column = |trial: &&TrialReport| trial.player == *player && trial.browser == *engine;
            line(player, engine, cells, report.trials.iter().filter(of_column))
        })
        .filter(|line| line.of > 0)
        .collect();
    Table {
        is_partial: summary.iter().any(|line| line.not_run > 0),
        stream_s: report.stream_ms / 1000,
        wall: duration(report.wall_ms),
        trials: report.trials.iter().filter(|trial| !is_cut(trial)).count(),
        kept: report.trials.iter().filter(|trial| trial.kept).count(),
        header,
        summary,
        groups,
    }
}

impl Table {
    /// Where one player's columns end and the next one's begin.
    pub fn engines(&self) -> usize {
        self.header.engines.len()
    }
}

fn tally(rows: &[Row], column: usize) -> Tally {
    let cells = rows.iter().map(|row| row.cells[column].verdict);
    let of = cells.clone().filter(|verdict| ![NOT_RUN, NOT_ASKED_FOR, "skipped"].contains(verdict)).count();
    Tally { passed: cells.filter(|verdict| *verdict == "pass").count(), of }
}

fn line<'a>(
    player: &str,
    engine: &str,
    cells: impl Iterator<Item = &'a Cell>,
    trials: impl Iterator<Item = &'a TrialReport>,
) -> Line {
    let trials: Vec<&TrialReport> = trials.filter(|trial| !is_cut(trial)).collect();
    let broke = |wanted: Broke| trials.iter().filter(|trial| broke(trial) == Some(wanted)).count();
    let (mut of, mut not_run) = (0, 0);
    for cell in cells.filter(|cell| cell.verdict != NOT_ASKED_FOR) {
        of += 1;
        not_run += usize::from(cell.verdict == NOT_RUN);
    }
    Line {
        player: player.to_owned(),
        engine: engine.to_owned(),
        counts: Counts::of_trials(trials.iter().copied()),
        not_run,
        of,
        broke_must: broke(Broke::Must),
        broke_viewer: broke(Broke::Other),
        broke_resilience: broke(Broke::Resilience),
    }
}

/// What a trial that failed, or is known to, was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broke {
    /// A MUST, while the stream was legal and complete: whoever does that breaks a standard.
    Must,
    /// On such a stream, what the viewer or the player's profile asks for.
    Other,
    /// The stream was illegal, or answers were errors or cut off.
    Resilience,
}

pub fn broke(trial: &TrialReport) -> Option<Broke> {
    let binding = || trial.violations.iter().filter(|violation| violation.binding);
    let is_legal = |violation: &&ViolationReport| violation.stream == Stream::Legal;
    match trial.verdict {
        Verdict::Fail | Verdict::Known => {}
        _ => return None,
    }
    if binding().any(|violation| is_legal(&violation) && violation.level == Level::Must) {
        return Some(Broke::Must);
    }
    if binding().any(|violation| is_legal(&violation)) {
        return Some(Broke::Other);
    }
    binding().next().map(|_| Broke::Resilience)
}

/// Whether the run ended before the trial did.
fn is_cut(trial: &TrialReport) -> bool {
    trial.verdict == Verdict::Inconclusive && trial.reason.as_deref() == Some(INTERRUPTED)
}

impl Cell {
    fn blank(player: &str, engine: &str) -> Cell {
        Cell {
            player: player.to_owned(),
            engine: engine.to_owned(),
            verdict: NOT_ASKED_FOR,
            mark: MARKS[0].1,
            says: String::new(),
            link: None,
        }
        .marked()
    }

    fn of(trial: &TrialReport, blank: Cell) -> Cell {
        if is_cut(trial) {
            return Cell { verdict: NOT_RUN, ..blank }.marked();
        }
        let broken = trial.violations.iter().find(|violation| violation.binding && !violation.known);
        let says = match (trial.verdict, broken) {
            (Verdict::Fail, Some(violation)) => format!("{}: {}", violation.rule, violation.what),
            _ => trial.reason.clone().unwrap_or_default(),
        };
        let link = Some(format!("{}/index.html", trial.dir));
        Cell { verdict: report::word(trial.verdict), says, link, ..blank }.marked()
    }

    fn marked(self) -> Cell {
        let (_, mark, _) = MARKS.iter().find(|(word, ..)| *word == self.verdict).unwrap_or(&MARKS[0]);
        Cell { mark: *mark, ..self }
    }
}

/// Hours, minutes and seconds, as many of them as it takes.
fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

const NOT_RUN: &str = "not-run";
const NOT_ASKED_FOR: &str = "not-asked-for";

/// What a cell is, its mark, and what that means.
pub const MARKS: &[(&str, char, &str)] = &[
    (NOT_ASKED_FOR, '·', "not asked for"),
    ("pass", '✓', "pass"),
    ("known", 'k', "fails, as known.toml says"),
    ("fail", '✗', "fail"),
    ("unexpected-pass", '!', "passes, and known.toml says otherwise"),
    ("inconclusive", '?', "the evidence does not allow a judgement"),
    ("skipped", '–', "skipped: the player cannot do what it takes"),
    (NOT_RUN, '○', "not run"),
];

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::report::sample;

    pub fn named(name: &str, says: &str) -> Named {
        Named { name: name.into(), says: says.into() }
    }

    fn trial(player: &str, engine: &str, scenario: &str, verdict: Verdict) -> TrialReport {
        TrialReport {
            player: player.into(),
            browser: engine.into(),
            dir: format!("{engine}/trials/{player}@{engine}/{scenario}"),
            ..sample::trial(scenario, verdict)
        }
    }

    /// Two players, two engines, three scenarios; the second engine was not begun, and one cell not asked for.
    pub fn partial() -> Table {
        let mut fails = trial("p<1>", "chromium", "b/one", Verdict::Fail);
        let known = ViolationReport { known: true, rule: "view/stall".into(), ..sample::violation() };
        fails.violations = vec![known.clone(), sample::violation()];
        let mut survives_not = trial("q|2", "chromium", "a/one", Verdict::Known);
        survives_not.violations = vec![ViolationReport { stream: Stream::ServerError, ..known }];
        survives_not.reason = Some("view/stall: it never <asks> again".into());
        let mut cut = trial("q|2", "chromium", "b/one", Verdict::Inconclusive);
        cut.reason = Some(INTERRUPTED.into());
        let trials = vec![
            trial("p<1>", "chromium", "a/one", Verdict::Pass),
            trial("p<1>", "chromium", "a/two", Verdict::Skipped),
            fails,
            survives_not,
            cut,
        ];
        let mut asked: BTreeSet<String> = trials.iter().map(report::name).collect();
        asked.insert("p<1>@firefox/a/one".into());
        let header = Header {
            date: "2026-11-26 01:02 UTC".into(),
            players: vec![named("p<1>", "1.0"), named("q|2", "2.0 <beta>")],
            engines: vec![named("chromium", "Chromium 156"), named("firefox", "Firefox 140")],
            absent: vec![named("wpe", "it is not here")],
            machine: "2 cores".into(),
            speed: "4".into(),
        };
        table(
            &Report {
                version: 1,
                made: Vec::new(),
                wall_ms: 61_500,
                stream_ms: 8000,
                selected: Default::default(),
                trials,
            },
            &asked,
            header,
        )
    }

    #[test]
    fn what_was_not_run_is_told_from_what_was_not_asked_for() {
        let table = partial();
        let verdicts = |row: &Row| row.cells.iter().map(|cell| cell.verdict).collect::<Vec<_>>();
        let names: Vec<&str> = table.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(verdicts(&table.groups[0].rows[0]), ["pass", NOT_RUN, "known", NOT_ASKED_FOR]);
        assert_eq!(
            verdicts(&table.groups[0].rows[1]),
            ["skipped", NOT_ASKED_FOR, NOT_ASKED_FOR, NOT_ASKED_FOR]
        );
        assert_eq!(verdicts(&table.groups[1].rows[0]), ["fail", NOT_ASKED_FOR, NOT_RUN, NOT_ASKED_FOR]);
        assert!(table.is_partial);
        assert_eq!((table.trials, table.wall.as_str()), (4, "1 min 1 s"));
        assert_eq!(table.groups[0].tallies[0], Tally { passed: 1, of: 1 });
        assert_eq!(table.groups[0].tallies[2], Tally { passed: 0, of: 1 });
        let marks: Vec<char> = table.groups[0].rows[0].cells.iter().map(|cell| cell.mark).collect();
        assert_eq!(marks, ['✓', '○', 'k', '·']);
    }

    #[test]
    fn a_cell_says_what_was_broken_and_leads_there() {
        let table = partial();
        let cell = &table.groups[1].rows[0].cells[0];
        assert_eq!(
            cell.says, "hls/in-order: segment 7 was appended after segment 8 <b>",
            "not what is known"
        );
        assert_eq!(cell.link.as_deref(), Some("chromium/trials/p<1>@chromium/b/one/index.html"));
        assert_eq!(table.groups[0].rows[0].cells[2].says, "view/stall: it never <asks> again");
    }

    #[test]
    fn a_must_on_a_legal_stream_is_counted_apart_from_resilience() {
        let table = partial();
        let counts = |line: &Line| (line.broke_must, line.broke_viewer, line.broke_resilience);
        let lines: Vec<_> = table.summary.iter().map(|l| (l.player.as_str(), l.engine.as_str())).collect();
        assert_eq!(lines, [("p<1>", "chromium"), ("p<1>", "firefox"), ("q|2", "chromium")]);
        assert_eq!(counts(&table.summary[0]), (1, 0, 0));
        assert_eq!(counts(&table.summary[2]), (0, 0, 1));
        assert_eq!((table.summary[0].of, table.summary[0].not_run), (3, 0));
        assert_eq!((table.summary[1].of, table.summary[1].not_run), (1, 1));
        assert_eq!((table.summary[2].of, table.summary[2].not_run), (2, 1));
        assert_eq!(table.summary[2].counts.inconclusive, 0, "what was cut off is not inconclusive");
        let mut seen = trial("p", "chromium", "a/b", Verdict::Fail);
        seen.violations = vec![ViolationReport { level: Level::Viewer, ..sample::violation() }];
        assert_eq!(broke(&seen), Some(Broke::Other));
        seen.violations[0].binding = false;
        assert_eq!(broke(&seen), None);
    }

    #[test]
    fn times_are_told_as_people_do() {
        assert_eq!(duration(59_999), "59 s");
        assert_eq!(duration(60_000), "1 min 0 s");
        assert_eq!(duration(3_661_000), "1 h 1 min");
    }
}
