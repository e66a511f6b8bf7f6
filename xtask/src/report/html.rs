//! The report as pages: self-contained, without scripts and without network.

use std::path::Path;
use std::sync::LazyLock;

use anyhow::Context;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use segproof_core::report::{Report, TrialReport, Verdict, ViolationReport};
use segproof_core::trace::Trace;
use segproof_harness::plan::{FIRED_FILE, SCENARIO_FILE, TRACE_FILE};
use segproof_harness::serve::Fired;
use serde_json::json;

use super::scenario;
use super::timeline::Timeline;
use super::{Counts, by_player, log_stem, name, word, write_file};

/// The table of all trials, and a link to a page beside it.
pub fn overview(report: &Report, beside: Option<&str>) -> anyhow::Result<String> {
    let mut rows: Vec<&TrialReport> = report.trials.iter().collect();
    // What needs a look comes first; the order is otherwise the report's.
    rows.sort_by_key(|trial| urgency(trial.verdict));
    let rows: Vec<_> = rows.into_iter().map(row).collect();
    let counts = Counts::of(report);
    let each = by_player(report);
    let each = if each.len() > 1 { each } else { Vec::new() };
    let rate = if report.wall_ms == 0 { 0.0 } else { report.stream_ms as f64 / report.wall_ms as f64 };
    let page = PAGES.get_template("overview.html")?.render(Serde(json!({
        "rows": rows,
        "each": each,
        "beside": beside,
        "passed": counts.passed(),
        "failed": counts.failed(),
        "skipped": counts.skipped,
        "known": counts.known,
        "inconclusive": counts.inconclusive,
        "stream": seconds(report.stream_ms),
        "wall": seconds(report.wall_ms),
        "rate": format!("{rate:.1}"),
    })))?;
    Ok(page)
}

/// A page of its own, from one of the templates.
pub fn page(template: &str, values: &serde_json::Value) -> anyhow::Result<String> {
    Ok(PAGES.get_template(template)?.render(Serde(values))?)
}

/// Writes the page of one trial, and of the first result that a rerun replaced.
pub fn write_trial(trial: &TrialReport, out: &Path) -> anyhow::Result<()> {
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
    let evidence = Evidence::read(&folder).with_context(|| folder.display().to_string())?;
    let page = PAGES.get_template("trial.html")?.render(Serde(json!({
        "row": row(trial),
        "timeline": evidence.as_ref().map(|evidence| evidence.timeline(trial)),
        "scenario": evidence.as_ref().map(|evidence| scenario::lines(&evidence.scenario, &evidence.fired)),
        "violations": trial.violations.iter().map(violation).collect::<Vec<_>>(),
        "late": trial.late_ms,
        "picture": trial.picture,
        "sound": trial.sound,
        "reason": trial.reason,
        "repro": trial.repro,
        "browser_version": trial.browser_version,
        "speed": trial.speed,
        "overview": format!("{up}report.html"),
        "files": files,
        "logs": driver_logs(trial, out).into_iter().map(|log| format!("{up}drivers/{log}")).collect::<Vec<_>>(),
        "screenshot": present("page.png"),
        "trace": trace,
        "first": trial.first.as_deref().map(row),
    })))?;
    write_file(&folder.join("index.html"), page.as_bytes())?;
    match &trial.first {
        Some(first) => write_trial(first, out),
        None => Ok(()),
    }
}

/// What a trial's folder holds for its page.
struct Evidence {
    trace: Trace,
    fired: Vec<Fired>,
    /// The scenario's text; empty where it is not there.
    scenario: String,
}

impl Evidence {
    /// `None` where nothing was recorded.
    fn read(folder: &Path) -> anyhow::Result<Option<Evidence>> {
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

    fn timeline(&self, trial: &TrialReport) -> Timeline {
        Timeline::new(&self.trace, &self.fired, &scenario::faults(&self.scenario), &trial.violations)
    }
}

fn violation(violation: &ViolationReport) -> serde_json::Value {
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
    value
}

fn row(trial: &TrialReport) -> serde_json::Value {
    let mut rules: Vec<&str> = trial.violations.iter().map(|violation| violation.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    json!({
        "name": name(trial),
        "summary": trial.summary,
        "verdict": word(trial.verdict),
        "rules": rules,
        "reason": trial.reason,
        "stream": seconds(trial.stream_ms),
        "wall": seconds(trial.wall_ms),
        "link": format!("{}/index.html", trial.dir),
        "again": trial.first.is_some(),
    })
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
        ("timeline.svg", include_str!("timeline.svg")),
        ("timeline.js", include_str!("timeline.js")),
    ];
    for (name, source) in templates {
        pages.add_template(name, source).unwrap_or_else(|error| unreachable!("{name}: {error:#}"));
    }
    pages
});

/// The files of a trial that its page links to.
const FILES: &[&str] =
    &["trace.txt", TRACE_FILE, FIRED_FILE, SCENARIO_FILE, "verdict.json", "page.png", "output.txt"];
