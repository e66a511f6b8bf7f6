//! `cargo xtask fixtures`: the media that scenarios are served from, made by ffmpeg into the target folder.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use segproof_core::presentation::Source;
use segproof_harness::fixtures::DEFAULT_RUN;
use segproof_harness::plan::MadeFixture;

use crate::{doctor, paths};

/// Folder of the recipes.
pub fn recipes() -> PathBuf {
    paths::root().join("fixtures")
}

/// Folder of the generated fixtures.
pub fn cache() -> PathBuf {
    paths::target().join("fixtures")
}

/// Makes every fixture of the project.
pub fn command() -> anyhow::Result<ExitCode> {
    doctor::require(&[doctor::Need::Ffmpeg])?;
    let all: BTreeSet<Source> = match std::fs::read_dir(recipes()) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("fixture.toml").is_file())
            .map(|entry| Source {
                fixture: entry.file_name().to_string_lossy().into_owned(),
                run: DEFAULT_RUN,
            })
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(error).context("the folder fixtures"),
    };
    make(&all)?;
    println!("{} fixtures in {}", all.len(), paths::short(&cache()));
    Ok(ExitCode::SUCCESS)
}

/// Makes the fixtures where they are missing or out of date, each as the encoder run that is wanted; says where they are.
pub fn make(sources: &BTreeSet<Source>) -> anyhow::Result<Vec<MadeFixture>> {
    let mut all = Vec::new();
    for Source { fixture, run } in sources {
        let recipe = recipes().join(fixture);
        ensure!(recipe.join("fixture.toml").is_file(), "there is no fixture {fixture}: {}", recipe.display());
        let bar = ProgressBar::new(100).with_message(format!("fixture {fixture}, run {run}"));
        let folder = segproof_harness::fixtures::ensure(&recipe, *run, &cache(), &mut |part| {
            bar.set_position((part * 100.0) as u64);
        });
        bar.finish_and_clear();
        let folder = folder.with_context(|| format!("fixture {fixture}"))?;
        all.push(MadeFixture { fixture: fixture.clone(), run: *run, folder });
    }
    Ok(all)
}
