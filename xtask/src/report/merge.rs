//! `cargo xtask report merge`: one report of what several runs left, each with a part of the trials.
//!
//! The parts' folders stay as they are: what belongs to their trials is copied.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;
use segproof_core::report::{Partition, Report, Selected};

use super::{conclude, name, tell_github, write};
use crate::conformance::take_folder;
use crate::paths;

#[derive(Debug, Args)]
pub struct Options {
    /// Output folders of runs that had different trials (`--partition`, another browser or player)
    #[arg(required = true, value_name = "DIR")]
    parts: Vec<PathBuf>,
    /// Where the report goes [default: target/merged]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What one run left.
#[derive(Debug)]
struct Part {
    folder: PathBuf,
    report: Report,
}

/// Merges, and gives the exit code of a run that had all of these trials; a part that is missing is our own fault, not the
/// player's.
pub fn command(options: Options) -> anyhow::Result<ExitCode> {
    let parts = options.parts.iter().map(|folder| read(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    let out = options.out.unwrap_or_else(|| paths::target().join("merged"));
    let out = std::path::absolute(&out).unwrap_or(out);
    for Part { folder, .. } in &parts {
        let real = out.canonicalize().unwrap_or_else(|_| out.clone());
        ensure!(
            !real.starts_with(folder) && !folder.starts_with(&real),
            "{} and {} are in one another: choose another folder with --out",
            paths::short(&out),
            paths::short(folder)
        );
    }
    let missing = missing(&parts)?;
    let report = merged(&parts, &missing)?;
    // Held until the report is written: the lock ends with the file.
    let _lock = take_folder(&out)?;
    for part in &parts {
        copy_evidence(part, &out)?;
    }
    write(&report, &out, None)?;
    let code = conclude(&report, &out);
    tell_github(&report);
    for what in &missing {
        eprintln!("missing: {what}");
    }
    Ok(ExitCode::from(if missing.is_empty() { code } else { crate::OWN_FAULT }))
}

fn read(folder: &Path) -> anyhow::Result<Part> {
    let shown = folder.display();
    let folder = folder.canonicalize().with_context(|| format!("there is no folder {shown}"))?;
    let file = folder.join("report.json");
    let text =
        std::fs::read(&file).with_context(|| format!("{shown} has no report.json that a run has left"))?;
    let report: Report =
        serde_json::from_slice(&text).with_context(|| format!("{shown}/report.json is no report"))?;
    ensure!(report.version == 1, "{shown}/report.json is of version {}, not 1", report.version);
    for trial in &report.trials {
        let is_inside = Path::new(&trial.dir).components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(is_inside, "{shown}/report.json names a folder outside of its own: {}", trial.dir);
    }
    Ok(Part { folder, report })
}

/// One report of all trials; the same one in two parts is an error.
fn merged(parts: &[Part], missing: &[String]) -> anyhow::Result<Report> {
    let mut found: BTreeMap<String, &Path> = BTreeMap::new();
    for part in parts {
        let names: BTreeSet<String> = part.report.trials.iter().map(name).collect();
        for trial in names {
            if let Some(other) = found.insert(trial.clone(), &part.folder) {
                bail!("{trial} is both in {} and in {}", paths::short(other), paths::short(&part.folder));
            }
        }
    }
    let reports = || parts.iter().map(|part| &part.report);
    let mut trials: Vec<_> = reports().flat_map(|report| report.trials.clone()).collect();
    // As a run has them; the rounds of a repeated trial stay in their order.
    trials.sort_by_key(|trial| (trial.scenario.clone(), trial.player.clone(), trial.browser.clone()));
    let options: BTreeSet<&str> = reports().map(|report| report.selected.options.as_str()).collect();
    let is_whole = missing.is_empty() && reports().any(|report| report.selected.is_whole);
    let made: BTreeSet<&String> = reports().flat_map(|report| &report.made).collect();
    Ok(Report {
        version: 1,
        made: made.into_iter().cloned().collect(),
        // The parts ran beside one another: as long as the longest took.
        wall_ms: reports().map(|report| report.wall_ms).max().unwrap_or_default(),
        stream_ms: reports().map(|report| report.stream_ms).sum(),
        selected: Selected {
            options: options.into_iter().collect::<Vec<_>>().join(" | "),
            is_whole,
            partition: None,
        },
        trials,
    })
}

/// The parts that runs were to have and that are not here. Parts of one run were chosen by the same options.
fn missing(parts: &[Part]) -> anyhow::Result<Vec<String>> {
    let mut runs: BTreeMap<&str, Vec<Partition>> = BTreeMap::new();
    for selected in parts.iter().map(|part| &part.report.selected) {
        runs.entry(&selected.options).or_default().extend(selected.partition);
    }
    let mut missing = Vec::new();
    for (options, here) in runs {
        let Some(Partition { parts, .. }) = here.first() else { continue };
        if let Some(other) = here.iter().find(|partition| partition.parts != *parts) {
            bail!("parts of {parts} and parts of {} of one run don't fit together ({options})", other.parts);
        }
        let lacks = |part: &usize| !here.iter().any(|partition| partition.part == *part);
        missing
            .extend((1..=*parts).filter(lacks).map(|part| format!("--partition {part}/{parts} {options}")));
    }
    Ok(missing)
}

/// Copies the trials' folders and their drivers' logs.
fn copy_evidence(part: &Part, out: &Path) -> anyhow::Result<()> {
    let folders = part.report.trials.iter().map(|trial| trial.dir.as_str());
    for folder in folders.chain([DRIVERS]) {
        copy_folder(&part.folder.join(folder), &out.join(folder))
            .with_context(|| format!("{folder} of {}", paths::short(&part.folder)))?;
    }
    Ok(())
}

/// Copies a folder with all that is in it; one that is not there is left out, as a run leaves out what it has not.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    std::fs::create_dir_all(to)?;
    for entry in entries {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// The folder of the drivers' logs in a run's output.
const DRIVERS: &str = "drivers";

#[cfg(test)]
mod tests {
    use segproof_core::report::{TrialReport, Verdict};

    use super::super::sample;
    use super::*;

    /// A folder as a run leaves it.
    fn left(root: &Path, at: &str, part: Option<(usize, usize)>, trials: Vec<TrialReport>) -> PathBuf {
        let folder = root.join(at);
        for trial in &trials {
            std::fs::create_dir_all(folder.join(&trial.dir)).expect("folder");
            std::fs::write(folder.join(&trial.dir).join("trace.txt"), format!("trace of {}", name(trial)))
                .expect("write");
        }
        let partition = part.map(|(part, parts)| Partition { part, parts });
        let selected = Selected { options: "--browser chromium".into(), is_whole: true, partition };
        let wall_ms = 1000 * trials.len() as u64;
        let report = Report { version: 1, made: Vec::new(), wall_ms, stream_ms: 8000, selected, trials };
        write(&report, &folder, None).expect("write");
        folder
    }

    fn merge(parts: &[&PathBuf], out: &Path) -> anyhow::Result<ExitCode> {
        let parts = parts.iter().map(|part| part.to_path_buf()).collect();
        command(Options { parts, out: Some(out.to_owned()) })
    }

    fn code(code: u8) -> String {
        format!("{:?}", ExitCode::from(code))
    }

    #[test]
    fn parts_become_one_report_with_their_traces() {
        let root = tempfile::tempdir().expect("folder");
        let trial = |scenario| sample::trial(scenario, Verdict::Pass);
        let failed = sample::trial("a/fails", Verdict::Fail);
        let one = left(root.path(), "one", Some((1, 2)), vec![trial("b/one"), failed]);
        let two = left(root.path(), "two", Some((2, 2)), vec![trial("a/two")]);
        let out = root.path().join("out");
        // The suite's faults and rules don't come about in two trials.
        assert_eq!(format!("{:?}", merge(&[&two, &one], &out).expect("merged")), code(crate::OWN_FAULT));
        let read = |file: &str| std::fs::read_to_string(out.join(file)).expect(file);
        let report: Report = serde_json::from_str(&read("report.json")).expect("json");
        let names: Vec<&str> = report.trials.iter().map(|trial| trial.scenario.as_str()).collect();
        assert_eq!(names, ["a/fails", "a/two", "b/one"]);
        assert_eq!((report.wall_ms, report.stream_ms), (2000, 16000), "the longest, and all of it");
        assert!(report.selected.is_whole && report.selected.partition.is_none());
        let page = read(&format!("{}/index.html", report.trials[2].dir));
        assert!(page.contains("trace of reference@chromium") && page.contains("one"), "{page}");
        assert_eq!(super::super::read_cases(&out.join("junit.xml")).expect("junit").len(), 3);
        assert!(one.join("report.json").is_file(), "the parts stay");
    }

    #[test]
    fn a_part_that_is_missing_is_named_and_the_rest_is_reported() {
        let root = tempfile::tempdir().expect("folder");
        let one = left(root.path(), "one", Some((1, 3)), vec![sample::trial("a/b", Verdict::Pass)]);
        let three = left(root.path(), "three", Some((3, 3)), vec![sample::trial("a/c", Verdict::Pass)]);
        let parts = [read(&one).expect("one"), read(&three).expect("three")];
        assert_eq!(missing(&parts).expect("they fit"), ["--partition 2/3 --browser chromium"]);
        let out = root.path().join("out");
        assert_eq!(format!("{:?}", merge(&[&one, &three], &out).expect("merged")), code(crate::OWN_FAULT));
        let report: Report =
            serde_json::from_slice(&std::fs::read(out.join("report.json")).expect("report")).expect("json");
        assert!(!report.selected.is_whole);
        assert_eq!(report.trials.len(), 2);
    }

    #[test]
    fn the_same_trial_in_two_parts_is_an_error_that_names_both() {
        let root = tempfile::tempdir().expect("folder");
        let trial = || vec![sample::trial("a/b", Verdict::Pass)];
        let (one, two) = (left(root.path(), "one", None, trial()), left(root.path(), "two", None, trial()));
        let error = merge(&[&one, &two], &root.path().join("out")).expect_err("twice").to_string();
        assert!(
            error.contains("a/b is both in") && error.contains("one") && error.contains("two"),
            "{error}"
        );
    }

    #[test]
    fn what_does_not_fit_or_would_be_lost_is_refused() {
        let root = tempfile::tempdir().expect("folder");
        let half = left(root.path(), "half", Some((1, 2)), vec![sample::trial("a/b", Verdict::Pass)]);
        let third = left(root.path(), "third", Some((1, 3)), vec![sample::trial("a/c", Verdict::Pass)]);
        let refused =
            |parts: &[&PathBuf], out: &Path| format!("{:#}", merge(parts, out).expect_err("refused"));
        let out = root.path().join("out");
        assert!(refused(&[&half, &third], &out).contains("don't fit"));
        assert!(refused(&[&half], &half.join("merged")).contains("in one another"));
        assert!(refused(&[&half], root.path()).contains("in one another"));
        assert!(refused(&[&root.path().join("nowhere")], &out).contains("there is no folder"));
        assert!(refused(&[&root.path().to_path_buf()], &out).contains("has no report.json"));
        assert!(half.join("report.json").is_file());
    }
}
