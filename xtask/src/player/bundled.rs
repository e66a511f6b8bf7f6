//! The package in a page that a bundler makes (`player/tests/vite`), played like anybody's page: a bundler could change the
//! characters in which the wasm is written, or take what nothing seems to use.

use std::fs;
use std::process::Command;

use anyhow::{Context, ensure};
use segproof_core::report::Verdict;

use super::package;
use crate::check::Check;
use crate::doctor::npm::BUNDLER;
use crate::{conformance, paths, report};

/// Makes the page and runs a few trials with it.
pub fn run() -> anyhow::Result<Vec<Check>> {
    let place = paths::target().join("player/bundled");
    let _old = fs::remove_dir_all(&place);
    package::install(&paths::target().join("player/package"), &place)?;
    fs::copy(paths::root().join(BUNDLER).join(PAGE), place.join(PAGE)).context(PAGE)?;
    let bundler = paths::root().join(BUNDLER).join("node_modules/.bin/vite");
    let told = Command::new(&bundler)
        .args(["build", "--base", "./", "--logLevel", "warn"])
        .current_dir(&place)
        .output()
        .with_context(|| format!("starting {}", bundler.display()))?;
    ensure!(told.status.success(), "vite build: {}", String::from_utf8_lossy(&told.stderr));
    let report = conformance::run_whole(conformance::Options {
        filters: SCENARIOS.map(str::to_owned).into(),
        players: vec![place.join("dist").display().to_string()],
        out: Some(paths::target().join("conformance-bundled")),
        ..conformance::Options::default()
    })?;
    let checks = report.trials.iter().map(|trial| Check {
        what: format!("the package in Vite's bundle passes {}", trial.scenario),
        wrong: (trial.verdict != Verdict::Pass).then(|| report::trial_line(trial)),
    });
    Ok(checks.collect())
}

const PAGE: &str = "index.html";
const SCENARIOS: [&str; 2] = ["session/round-numbers", "playlist/404-ends"];
