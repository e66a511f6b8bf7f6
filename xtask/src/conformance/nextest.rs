//! The trial processes: built and run by nextest. It schedules; what its exit status says is not asked.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use process_wrap::tokio::{CommandWrap, KillOnDrop, ProcessGroup};
use segproof_harness::plan::{PLAN_ENV, RunPlan, VERDICT_FILE};

use crate::front::Front;
use crate::report::Case;
use crate::stop::Stop;
use crate::{paths, report};

/// What each trial process printed and how it ended, by the trial's name.
pub type Outputs = HashMap<String, Case>;

/// What sees to it that the trials' processes end, however the run does.
#[derive(Debug, Clone, Copy)]
pub struct Keeper<'a> {
    pub stop: &'a Stop,
    pub front: &'a Front,
    /// The output folder's lock.
    pub lock: &'a File,
}

/// Builds the trials' program; the compiler's output goes to a log and is shown when it fails.
pub fn build(out: &Path) -> anyhow::Result<()> {
    let log = out.join("build.log");
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    let spinner = ProgressBar::new_spinner().with_message("building the trials");
    spinner.enable_steady_tick(Duration::from_millis(100));
    let status = paths::cargo()
        .args(arguments())
        .args(["--no-run", "--color", "never"])
        .env_remove(PLAN_ENV)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()?;
    spinner.finish_and_clear();
    if !status.success() {
        eprint!("{}", std::fs::read_to_string(&log).unwrap_or_default());
        bail!("the trials do not build ({status}); the log is {}", paths::short(&log));
    }
    Ok(())
}

/// Runs the plan's trials, and gives what they printed. Each of them that ended well has left its verdict.
pub async fn run(name: &str, plan: &RunPlan, jobs: usize, keeper: &Keeper<'_>) -> anyhow::Result<Outputs> {
    let Keeper { stop, front, lock } = keeper;
    let file = |ending: &str| plan.out.join(format!("{name}{ending}"));
    std::fs::create_dir_all(&plan.out)?;
    report::write_file(&file(".json"), &serde_json::to_vec_pretty(plan)?)?;
    // The place of the JUnit file can be set in a configuration file only, and each run needs its own.
    let junit = file(".nextest.xml");
    let setting =
        toml::Table::from_iter([("path".to_owned(), toml::Value::from(junit.display().to_string()))]);
    let text = format!("[profile.conformance.junit]\n{setting}{}{}", patience(plan), slow_first(plan, jobs));
    report::write_file(&file(".nextest.toml"), text.as_bytes())?;
    let log = File::create(file(".nextest.log"))?;

    let own_settings: Vec<OsString> = std::env::vars_os()
        .map(|(key, _)| key)
        .filter(|key| key.to_string_lossy().starts_with("NEXTEST"))
        .collect();
    let config = file(".nextest.toml");
    let mut tool = OsString::from("segproof:");
    tool.push(&config);
    // nextest never reads its input, but as long as it lives, and so do its trials, it holds the output
    // folder's lock: trials that outlive a run that was killed cannot write into the next one.
    let lock = lock.try_clone()?;
    let mut command = paths::cargo();
    command.args(arguments()).args(["--color", "never", "--no-fail-fast", "--retries", "0"]);
    let threads = if plan.pace.is_some() { jobs + AHEAD } else { jobs };
    command.args(["--no-input-handler", "--no-tests", "fail", "--test-threads", &threads.to_string()]);
    command.arg("--tool-config-file").arg(tool);
    // The user's own settings for nextest are for other tests.
    for key in own_settings {
        command.env_remove(key);
    }
    command.env(PLAN_ENV, file(".json")).stdin(lock);
    // Trials compare snapshots; what the user's environment says of those is for other tests.
    let update = if plan.bless { "always" } else { "no" };
    command.env("INSTA_UPDATE", update).env("INSTA_FORCE_PASS", "0").env("INSTA_OUTPUT", "none");
    command.env("INSTA_WORKSPACE_ROOT", paths::root());
    if let Ok(copy) = log.try_clone() {
        command.stdout(copy);
    }
    command.stderr(log);
    let mut command = CommandWrap::from(tokio::process::Command::from(command));
    let spawned = command.wrap(ProcessGroup::leader()).wrap(KillOnDrop).spawn();
    let mut child = spawned.context("nextest does not start")?;
    let group = child.id().unwrap_or_default();
    stop.forward_to(group);
    front.note_trials(Some((group, &config)))?;
    let status = child.wait().await;
    stop.forward_to(0);
    front.note_trials(None)?;

    // 0 and 100 mean that the tests were run; any other code that they were not, if none has left a verdict.
    let code = status.context("nextest cannot be waited for")?.code();
    let none_spoke = || !plan.trials.iter().any(|trial| trial.dir(&plan.out).join(VERDICT_FILE).exists());
    if code.is_some_and(|code| code != 0 && code != 100) && !stop.asked() && none_spoke() {
        let text = std::fs::read_to_string(file(".nextest.log")).unwrap_or_default();
        bail!(
            "nextest ran no trial (its exit code is {}):\n{}",
            code.unwrap_or_default(),
            last_lines(&text, 20)
        );
    }
    Ok(outputs(&junit))
}

/// A trial that somebody looks at takes as long as that takes.
fn patience(plan: &RunPlan) -> &'static str {
    if plan.hold.is_none() {
        return "";
    }
    "\n[[profile.conformance.overrides]]\nfilter = \"all()\"\nslow-timeout = { period = \"24h\" }\n"
}

/// A trial that may not run at full speed takes longest: begun last, it would keep the run waiting. And it has time to
/// spare: all of them at once would leave the cores idle, so they get half of the places.
fn slow_first(plan: &RunPlan, jobs: usize) -> String {
    let fastest = plan.trials.iter().map(|trial| trial.speed).fold(1.0, f64::max);
    let slow: Vec<_> = plan.trials.iter().filter(|trial| trial.speed < fastest).collect();
    let places = jobs.div_ceil(2);
    let overrides = slow.iter().map(|trial| {
        let filter = toml::Value::from(format!("test(={})", trial.name()));
        format!(
            "\n[[profile.conformance.overrides]]\nfilter = {filter}\npriority = 100\ntest-group = \"{SLOW}\"\n"
        )
    });
    format!("\n[test-groups]\n\"{SLOW}\" = {{ max-threads = {places} }}\n{}", overrides.collect::<String>())
}

/// Trials that have started and wait for a place, so that it is not empty while a process starts.
const AHEAD: usize = 2;

/// The group of the trials that may not run at full speed; the prefix is required of a tool's configuration.
const SLOW: &str = "@tool:segproof:slow";

fn outputs(junit: &Path) -> Outputs {
    // Without the file a reason has fewer words, and that is all.
    let cases = report::read_cases(junit).unwrap_or_default();
    cases.into_iter().map(|case| (case.name.clone(), case)).collect()
}

/// The last lines of a text that are not empty.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn arguments() -> [&'static str; 8] {
    ["nextest", "run", "--package", "segproof-harness", "--test", "conformance", "--profile", "conformance"]
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_are_the_last() {
        assert_eq!(last_lines("a\n\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("", 2), "");
    }
}
