//! The report as pages: self-contained, and without network.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::LazyLock;

use anyhow::Context;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use segproof_core::report::{Level, Report, Stream, TrialReport, Verdict, ViolationReport};
use segproof_core::trace::{PageEvent, Trace};
use segproof_harness::plan::{FIRED_FILE, SCENARIO_FILE, TRACE_FILE};
use segproof_harness::serve::Fired;
use serde_json::json;

use super::scenario;
use super::table::{self, Header, Named};
use super::timeline::{Axis, Timeline};
use super::{Counts, by_player, log_stem, name, word, write_file};
use crate::matrix::Published;

/// Writes the page of each trial and the overview of them; `beside` is a page that it links to.
pub fn write(report: &Report, out: &Path, beside: Option<&str>) -> anyhow::Result<()> {
    let mut rows: Vec<&TrialReport> = report.trials.iter().collect();
    // What needs a look comes first; the order is otherwise the report's.
    rows.sort_by_key(|trial| urgency(trial.verdict));
    let others = Others::of(report);
    let mut made = Vec::with_capacity(rows.len());
    for (index, trial) in rows.into_iter().enumerate() {
        let written = || format!("the page of {}", name(trial));
        let body = write_trial(trial, out, &others).with_context(written)?;
        let mut row = row(trial);
        let is_unfolded = trial.verdict != Verdict::Pass && trial.verdict != Verdict::Skipped;
        if is_unfolded && index < UNFOLDED_MAX {
            row["body"] = unfolded(body, index)?.into();
        }
        made.push(row);
    }
    write_file(&out.join("report.html"), overview(report, &made, beside)?.as_bytes()).context("report.html")
}

/// What the overview shows of a trial that is unfolded.
fn unfolded(mut body: serde_json::Value, index: usize) -> anyhow::Result<String> {
    body["id"] = format!("trial-{index}-").into();
    body["up"] = "".into();
    page("body.html", &body)
}

/// The list of all trials.
fn overview(report: &Report, rows: &[serde_json::Value], beside: Option<&str>) -> anyhow::Result<String> {
    let counts = Counts::of(report);
    let each = by_player(report);
    let each = if each.len() > 1 { each } else { Vec::new() };
    let matrix = if each.is_empty() { None } else { Some(matrix(report)?) };
    let rate = if report.wall_ms == 0 { 0.0 } else { report.stream_ms as f64 / report.wall_ms as f64 };
    page(
        "overview.html",
        &json!({
            "rows": rows,
            "each": each,
            "matrix": matrix,
            "filters": filters(report),
            "beside": beside,
            "made": report.made,
            "versions": versions(report),
            "passed": counts.passed(),
            "failed": counts.failed(),
            "skipped": counts.skipped,
            "known": counts.known,
            "inconclusive": counts.inconclusive,
            "stream": seconds(report.stream_ms),
            "wall": seconds(report.wall_ms),
            "rate": format!("{rate:.1}"),
        }),
    )
}

/// What each player did in each scenario, a column for each player and engine.
fn matrix(report: &Report) -> anyhow::Result<String> {
    let named = |of: &dyn Fn(&TrialReport) -> &String| -> Vec<Named> {
        let mut names: Vec<&String> = Vec::new();
        for name in report.trials.iter().map(of) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.into_iter().map(|name| Named { name: name.clone(), says: String::new() }).collect()
    };
    let header =
        Header { players: named(&|t| &t.player), engines: named(&|t| &t.browser), ..Header::default() };
    let all = report.trials.iter().map(name).collect();
    page("cells.html", &json!({ "table": table::table(report, &all, header), "marks": table::MARKS }))
}

/// By what the list can be narrowed down, with the values that occur.
fn filters(report: &Report) -> Vec<serde_json::Value> {
    let filter = |name: &str, of: &dyn Fn(&TrialReport) -> Vec<String>| {
        let values: BTreeSet<String> = report.trials.iter().flat_map(of).collect();
        json!({ "name": name, "of": values })
    };
    vec![
        filter("verdict", &|trial| vec![word(trial.verdict).to_owned()]),
        filter("player", &|trial| vec![trial.player.clone()]),
        filter("engine", &|trial| vec![trial.browser.clone()]),
        filter("rule", &|trial| trial.violations.iter().map(|violation| violation.rule.clone()).collect()),
        filter("fault", &|trial| trial.coverage.faults.iter().cloned().collect()),
    ]
}

/// Of the engines that were there.
fn versions(report: &Report) -> BTreeSet<String> {
    let trials = report.trials.iter().filter(|trial| !trial.browser_version.is_empty());
    trials.map(|trial| format!("{} {}", trial.browser, trial.browser_version)).collect()
}

/// A page of its own, from one of the templates.
pub fn page(template: &str, values: &serde_json::Value) -> anyhow::Result<String> {
    Ok(PAGES.get_template(template)?.render(Serde(values))?)
}

/// Writes the page of one trial, and of the first result that a rerun replaced; gives what the page says.
fn write_trial(trial: &TrialReport, out: &Path, others: &Others) -> anyhow::Result<serde_json::Value> {
    let folder = out.join(&trial.dir);
    std::fs::create_dir_all(&folder)?;
    let up = "../".repeat(Path::new(&trial.dir).components().count());
    let present = |file: &str| folder.join(file).is_file();
    let files: Vec<&str> = FILES.iter().copied().filter(|file| present(file)).collect();
    let trace = match std::fs::read(folder.join("trace.txt")) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).context("trace.txt"),
    };
    // A disk that was full may have left half a trace: there is a page all the same.
    let (evidence, unreadable) = match Evidence::read(&folder) {
        Ok(evidence) => (evidence, None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let axis = evidence.as_ref().map(|evidence| Axis::of(&evidence.trace));
    let mut body = body(trial, evidence.as_ref().zip(axis.as_ref()), &others.than(trial));
    body["unreadable"] = unreadable.into();
    body["rounds"] = others.rounds(trial).into();
    let (own, survivors): (Vec<_>, Vec<_>) = others
        .published
        .passed(&trial.browser, &trial.scenario)
        .into_iter()
        .partition(|p| p.0 == trial.player);
    body["passed"] = own.first().map(|(_, with)| with.as_str()).into();
    body["survivors"] = survivors.iter().map(|(name, _)| *name).collect::<Vec<_>>().into();
    let mut whole = body.clone();
    whole["id"] = "".into();
    whole["files"] = json!(files);
    whole["logs"] = driver_logs(trial, out)
        .into_iter()
        .map(|log| format!("{up}drivers/{log}"))
        .collect::<Vec<_>>()
        .into();
    whole["screenshot"] = present("page.png").into();
    whole["trace"] = trace.into();
    whole["up"] = up.into();
    write_file(&folder.join("index.html"), page("trial.html", &whole)?.as_bytes())?;
    if let Some(first) = &trial.first {
        write_trial(first, out, others)?;
    }
    Ok(body)
}

/// What each page says of a trial, with its timeline on that axis.
pub fn body(
    trial: &TrialReport,
    evidence: Option<(&Evidence, &Axis)>,
    others: &[serde_json::Value],
) -> serde_json::Value {
    let timeline = evidence.map(|(evidence, axis)| evidence.timeline(axis, &in_order(&trial.violations)));
    let evidence = evidence.map(|(evidence, _)| evidence);
    json!({
        "row": row(trial),
        "timeline": timeline,
        "scenario": evidence.map(|evidence| scenario::lines(&evidence.scenario, &evidence.fired)),
        "violations": in_order(&trial.violations).into_iter().map(|v| violation(v, evidence)).collect::<Vec<_>>(),
        "met": evidence.map(|evidence| evidence.met()),
        "legal": trial.violations.first().map(|violation| legal(violation.stream)),
        "others": others,
        "late": trial.late_ms,
        "picture": trial.picture,
        "sound": trial.sound,
        "repro": trial.repro,
        "by_hand": by_hand(trial),
        "browser_version": trial.browser_version,
        "speed": trial.speed,
        "first": trial.first.as_deref().map(row),
    })
}

/// What fails the trial comes first; of that, what was first.
fn in_order(violations: &[ViolationReport]) -> Vec<&ViolationReport> {
    let mut all: Vec<&ViolationReport> = violations.iter().collect();
    let key = |violation: &ViolationReport| {
        (!violation.binding, violation.known, violation.at_ms.unwrap_or(f64::INFINITY))
    };
    all.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(Ordering::Equal));
    all
}

/// Whether the stream was to blame.
fn legal(stream: Stream) -> &'static str {
    match stream {
        Stream::Legal => "The stream was legal: every playlist, and every answer.",
        Stream::Illegal => {
            "The stream was illegal: a playlist broke RFC 8216, which the player has to survive."
        }
        Stream::ServerError => {
            "The playlists were legal. What the server answered was not right, which the player has to survive."
        }
    }
}

/// How to play the same in a browser of one's own.
fn by_hand(trial: &TrialReport) -> Option<String> {
    let after = |option: &str| trial.repro.split_whitespace().skip_while(|word| *word != option).nth(1);
    let player = after("--player").filter(|player| !player.contains("://"))?;
    let scenario = match after("--scenarios") {
        Some(folder) => format!("{}/{}/scenario.toml", folder.trim_end_matches('/'), trial.scenario),
        None => trial.scenario.clone(),
    };
    Some(format!("cargo xtask serve {scenario} --player {player}"))
}

/// What else there is to say of a scenario: its other trials, and what was published of it.
struct Others<'a> {
    by_scenario: HashMap<&'a str, Vec<&'a TrialReport>>,
    published: Published,
}

impl<'a> Others<'a> {
    fn of(report: &'a Report) -> Others<'a> {
        let mut by_scenario: HashMap<&str, Vec<&TrialReport>> = HashMap::new();
        for trial in &report.trials {
            by_scenario.entry(&trial.scenario).or_default().push(trial);
        }
        // What cannot be read says nothing; whoever publishes is told.
        Others { by_scenario, published: Published::read().unwrap_or_default() }
    }

    /// The other trials of a trial's scenario: who survives the same, and whether it comes again.
    fn than(&self, trial: &TrialReport) -> Vec<serde_json::Value> {
        let all = self.by_scenario.get(trial.scenario.as_str()).into_iter().flatten();
        let others =
            all.filter(|other| other.dir != trial.dir && format!("{}/first", other.dir) != trial.dir);
        others
            .map(|other| {
                json!({
                    "name": format!("{}@{}", other.player, other.browser),
                    "verdict": word(other.verdict),
                    "link": link(other),
                })
            })
            .collect()
    }

    /// Where it was repeated: how many of the rounds broke a rule, and how many of those at speed 1.
    fn rounds(&self, trial: &TrialReport) -> Option<String> {
        let all = self.by_scenario.get(trial.scenario.as_str())?.iter().copied();
        let rounds: Vec<&TrialReport> =
            all.filter(|other| other.player == trial.player && other.browser == trial.browser).collect();
        let is_broken = |other: &&&TrialReport| matches!(other.verdict, Verdict::Fail | Verdict::Known);
        let broken: Vec<_> = rounds.iter().filter(is_broken).collect();
        let at_1 = broken.iter().filter(|other| other.speed == 1.0).count();
        let (all, broken) = (rounds.len(), broken.len());
        (all > 1).then(|| format!("{broken} of {all} rounds broke a rule, {at_1} of them at speed 1."))
    }
}

/// What a trial's folder holds for its page.
pub struct Evidence {
    pub trace: Trace,
    pub fired: Vec<Fired>,
    /// The scenario's text; empty where it is not there.
    pub scenario: String,
}

impl Evidence {
    /// `None` where nothing was recorded.
    pub fn read(folder: &Path) -> anyhow::Result<Option<Evidence>> {
        let read = |file: &str| match std::fs::read_to_string(folder.join(file)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context(file.to_owned()),
        };
        let Some(trace) = read(TRACE_FILE)? else { return Ok(None) };
        let trace = Trace::from_jsonl(&trace).map_err(|why| anyhow::anyhow!("{TRACE_FILE}: {why}"))?;
        let fired = read(FIRED_FILE)?.unwrap_or_default();
        let fired = fired.lines().map(serde_json::from_str).collect::<Result<_, _>>().context(FIRED_FILE)?;
        Ok(Some(Evidence { trace, fired, scenario: read(SCENARIO_FILE)?.unwrap_or_default() }))
    }

    /// The stack of what was appended at that moment, or of what made the request that came then.
    fn caller(&self, at_ms: f64) -> Option<&str> {
        let appended = self.trace.page.iter().find_map(|entry| match &entry.event {
            PageEvent::Append { by, .. } if entry.at_ms == at_ms => Some(by.as_str()),
            _ => None,
        });
        let asked = || {
            let request = self.trace.requests.iter().find(|request| request.at_ms == at_ms)?;
            let early = at_ms + self.trace.clock_error_ms;
            self.trace
                .page
                .iter()
                .take_while(|entry| entry.at_ms <= early)
                .filter_map(|entry| match &entry.event {
                    PageEvent::Fetch { url, by, .. } if url.ends_with(&request.path) => Some(by.as_str()),
                    _ => None,
                })
                .last()
        };
        appended.or_else(asked).filter(|by| !by.is_empty())
    }

    fn timeline(&self, axis: &Axis, violations: &[&ViolationReport]) -> Timeline {
        Timeline::new(axis, &self.trace, &self.fired, &scenario::faults(&self.scenario), violations)
    }

    /// Which faults met what.
    fn met(&self) -> Vec<String> {
        let met = scenario::met(&self.trace, &self.fired, &scenario::faults(&self.scenario));
        met.into_iter().map(|met| met.what).collect()
    }
}

fn violation(violation: &ViolationReport, evidence: Option<&Evidence>) -> serde_json::Value {
    let around: Vec<_> = violation
        .around
        .iter()
        .map(|line| {
            let is_here = violation.at_ms.is_some_and(|at_ms| line.at_ms == at_ms);
            json!({ "text": line.to_string(), "is_here": is_here, "is_faulted": line.note.is_some() })
        })
        .collect();
    let mut value = json!(violation);
    value["around"] = json!(around);
    value["means"] = means(violation.level).into();
    value["by"] = evidence.zip(violation.at_ms).and_then(|(evidence, at_ms)| evidence.caller(at_ms)).into();
    value
}

/// What stands behind a level, for who meets its name for the first time.
fn means(level: Level) -> &'static str {
    match level {
        Level::Must => "a MUST of a standard",
        Level::Should => "a SHOULD of a standard, which fails a trial with --strict only",
        Level::Viewer => "no standard says it, the viewer does",
        Level::Seed => "a promise of SegmentationStreaming, which binds players of that profile",
    }
}

fn row(trial: &TrialReport) -> serde_json::Value {
    let mut rules: Vec<&str> = trial.violations.iter().map(|violation| violation.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    json!({
        "name": name(trial),
        "player": trial.player,
        "engine": trial.browser,
        "faults": trial.coverage.faults,
        "summary": trial.summary,
        "verdict": word(trial.verdict),
        "rules": rules,
        "reason": trial.reason,
        "says": in_order(&trial.violations).first().map(|violation| &violation.what),
        "stream": seconds(trial.stream_ms),
        "wall": seconds(trial.wall_ms),
        "link": link(trial),
        "again": trial.first.is_some(),
    })
}

/// From the overview.
fn link(trial: &TrialReport) -> String {
    format!("{}/index.html", trial.dir)
}

fn seconds(milliseconds: u64) -> String {
    format!("{:.1}", milliseconds as f64 / 1000.0)
}

fn urgency(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::UnexpectedPass => 1,
        Verdict::Inconclusive => 2,
        Verdict::Known => 3,
        Verdict::Pass => 4,
        Verdict::Skipped => 5,
    }
}

/// The driver's logs of a trial and of its rerun.
fn driver_logs(trial: &TrialReport, out: &Path) -> Vec<String> {
    let stem = log_stem(&name(trial));
    let entries = std::fs::read_dir(out.join("drivers")).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let own = |log: &String| {
        let rest = log.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(".log"));
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('.').is_some_and(|number| number.parse::<u32>().is_ok())
        })
    };
    let mut logs: Vec<String> = names.filter(own).collect();
    logs.sort_unstable();
    logs
}

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    pages.set_auto_escape_callback(|_| AutoEscape::Html);
    let templates = [
        ("style.css", include_str!("style.css")),
        ("overview.html", include_str!("overview.html")),
        ("trial.html", include_str!("trial.html")),
        ("matrix.html", include_str!("matrix.html")),
        ("compare.html", include_str!("compare.html")),
        ("players.html", include_str!("players.html")),
        ("cells.html", include_str!("cells.html")),
        ("timeline.svg", include_str!("timeline.svg")),
        ("body.html", include_str!("body.html")),
        ("chart.html", include_str!("chart.html")),
        ("beside.html", include_str!("beside.html")),
        ("report.js", include_str!("report.js")),
    ];
    for (name, source) in templates {
        pages.add_template(name, source).unwrap_or_else(|error| unreachable!("{name}: {error:#}"));
    }
    pages
});

/// The files of a trial that its page links to.
const FILES: &[&str] =
    &["trace.txt", TRACE_FILE, FIRED_FILE, SCENARIO_FILE, "verdict.json", "page.png", "output.txt"];

/// So many trials are told of in the overview itself, with their timelines; of the others, it has a line and a link.
const UNFOLDED_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn rounds_are_counted_and_other_players_are_none() {
        let mut fails = sample::trial("a/b", Verdict::Fail);
        fails.speed = 1.0;
        let known = TrialReport { verdict: Verdict::Known, speed: 8.0, ..fails.clone() };
        let passes = TrialReport { verdict: Verdict::Pass, ..fails.clone() };
        let another = TrialReport { player: "another".into(), ..fails.clone() };
        let report = sample::report(vec![fails.clone(), known, passes, another.clone()]);
        let others = Others::of(&report);
        assert_eq!(
            others.rounds(&fails).as_deref(),
            Some("2 of 3 rounds broke a rule, 1 of them at speed 1.")
        );
        assert_eq!(others.rounds(&another), None);
    }

    #[test]
    fn it_is_played_by_hand_where_its_page_is_served_by_us() {
        let of = |repro: &str| {
            let mut trial = sample::trial("a/b", Verdict::Fail);
            trial.repro = format!("cargo xtask conformance p@chromium/a/b {repro}");
            by_hand(&trial)
        };
        assert_eq!(of("--player p --speed 1").as_deref(), Some("cargo xtask serve a/b --player p"));
        assert_eq!(
            of("--player p --scenarios mine/").as_deref(),
            Some("cargo xtask serve mine/a/b/scenario.toml --player p")
        );
        assert_eq!(of("--player http://127.0.0.1/"), None);
    }
}
