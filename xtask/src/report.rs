//! What a run leaves to read: report.json, junit.xml, report.html and a page for each trial.
//!
//! Everything here is computed from the trials' reports. Nothing judges.

mod beside;
mod github;
mod html;
mod junit;
pub mod merge;
mod scenario;
mod summary;
pub mod table;
mod timeline;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use segproof_core::report::{Report, TrialReport, Verdict};

pub use github::{escaped, tell as tell_github, tell_compared};
pub use html::page;
pub use junit::{Case, read_cases};
pub use summary::{
    Counts, by_player, conclude, end, exit_code, json_line, print, print_counts, told, trial_line,
};

/// What can be done with reports.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make one report of the output folders that several runs left.
    Merge(merge::Options),
    /// Draw two trials on one time axis.
    Compare(beside::Options),
}

/// Runs the command and gives its exit code.
pub fn command(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Merge(options) => merge::command(options),
        Command::Compare(options) => beside::command(&options),
    }
}

/// Writes every form of the report below `out`; `beside` is a page that it links to.
pub fn write(report: &Report, out: &Path, beside: Option<&str>) -> anyhow::Result<()> {
    let json = serde_json::to_vec_pretty(report)?;
    write_file(&out.join("report.json"), &json).context("report.json")?;
    write_file(&out.join("junit.xml"), junit::render(report)?.as_bytes()).context("junit.xml")?;
    html::write(report, out, beside)
}

/// Writes a file whole or not at all: to a neighbour first, which then takes its name.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull => {
            io::Error::new(error.kind(), format!("the disk is full: {} is not written", path.display()))
        }
        kind => io::Error::new(kind, format!("{}: {error}", path.display())),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(told)?;
    file.write_all(bytes).map_err(told)?;
    file.persist(path).map_err(|error| told(error.error))?;
    Ok(())
}

/// The trial's name: `player@browser/scenario`.
pub fn name(trial: &TrialReport) -> String {
    format!("{}@{}/{}", trial.player, trial.browser, trial.scenario)
}

/// The name of a trial's driver log, without its ending.
pub fn log_stem(trial: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "@-._".contains(letter);
    trial.chars().map(|letter| if plain(letter) { letter } else { '~' }).collect()
}

/// Why a trial that was not run any more has no verdict.
pub const INTERRUPTED: &str = "interrupted";

/// A verdict in the words of the report.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Known => "known",
        Verdict::UnexpectedPass => "unexpected-pass",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Skipped => "skipped",
    }
}

#[cfg(test)]
pub mod sample {
    use segproof_core::report::{Level, Stream, ViolationReport};

    use super::*;

    /// A report of one trial.
    pub fn trial(scenario: &str, verdict: Verdict) -> TrialReport {
        TrialReport {
            player: "reference".into(),
            browser: "chromium".into(),
            browser_version: "1".into(),
            scenario: scenario.into(),
            verdict,
            violations: Vec::new(),
            reason: None,
            stream_ms: 8000,
            wall_ms: 2000,
            start_ms: 500,
            run_ms: 1300,
            judge_ms: 150,
            speed: 4.0,
            late_ms: 0,
            kept: false,
            picture: None,
            sound: None,
            dir: format!("trials/reference@chromium/{scenario}"),
            repro: "cargo xtask conformance".into(),
            summary: "An edge miss & more.".into(),
            coverage: Default::default(),
            own_fault: None,
            first: None,
        }
    }

    /// Of a run that had these.
    pub fn report(trials: Vec<TrialReport>) -> Report {
        Report {
            version: 1,
            made: Vec::new(),
            wall_ms: 1000,
            stream_ms: 8000,
            selected: Default::default(),
            trials,
        }
    }

    pub fn violation() -> ViolationReport {
        ViolationReport {
            rule: "hls/in-order".into(),
            level: Level::Must,
            stream: Stream::Legal,
            what: "segment 7 was appended after segment 8 <b>".into(),
            says: "Segments are appended in order.".into(),
            rests_on: "RFC 8216, 6.3.5".into(),
            around: Vec::new(),
            at_ms: Some(1234.0),
            known: false,
            binding: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_keeps_its_old_content() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("report.json");
        write_file(&path, b"old").expect("write");
        let missing = folder.path().join("missing/report.json");
        let error = write_file(&missing, b"new").expect_err("no folder");
        assert!(error.to_string().contains("missing/report.json"), "{error}");
        write_file(&path, b"new").expect("write");
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1, "no neighbour is left");
    }

    #[test]
    fn every_form_is_written() {
        let folder = tempfile::tempdir().expect("folder");
        let mut failed = sample::trial("a/fails", Verdict::Fail);
        failed.violations.push(sample::violation());
        let mut again = sample::trial("a/again", Verdict::Pass);
        again.first = Some(Box::new(sample::trial("a/again", Verdict::Inconclusive)));
        let report = sample::report(vec![failed.clone(), again]);
        write(&report, folder.path(), None).expect("write");
        let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).expect(path);
        let back: Report = serde_json::from_str(&read("report.json")).expect("json");
        assert_eq!(back, report);
        let overview = read("report.html");
        // The template engine writes a slash as a reference, which browsers read back.
        let overview = overview.replace("&#x2f;", "/");
        assert!(overview.contains("hls/in-order") && overview.contains("a/fails/index.html"));
        assert!(!overview.contains("Player and engine"), "there is one of each");
        let page = read(&format!("{}/index.html", failed.dir));
        assert!(page.contains("after segment 8 &lt;b&gt;"), "the sentence is escaped");
        assert!(!overview.contains("http://") && !page.contains("http://"), "nothing is fetched");
        std::fs::write(folder.path().join(&failed.dir).join("trace.jsonl"), "{").expect("write");
        write(&report, folder.path(), None).expect("half a trace is no reason for no report");
        assert!(read(&format!("{}/index.html", failed.dir)).contains("There is no timeline"));
        let cases = read_cases(&folder.path().join("junit.xml")).expect("junit");
        assert_eq!(cases.iter().filter(|case| case.failed).count(), 1);
        assert_eq!(cases.len(), 2);
    }

    #[test]
    fn several_players_or_engines_are_summed_up_apart() {
        let mut trials = vec![sample::trial("a/b", Verdict::Pass), sample::trial("a/b", Verdict::Fail)];
        trials[1].browser = "firefox".into();
        let report = sample::report(trials);
        let folder = tempfile::tempdir().expect("folder");
        write(&report, folder.path(), None).expect("write");
        let overview = std::fs::read_to_string(folder.path().join("report.html")).expect("page");
        assert!(overview.contains("<td>reference@firefox<td class=\"number\">0"), "{overview}");
    }
}
