//! `cargo xtask fixtures`: the media that scenarios are served from, made by ffmpeg into the target folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use indicatif::ProgressBar;

use crate::{doctor, paths};

/// Folder of the generated fixtures.
pub fn cache() -> PathBuf {
    paths::target().join("fixtures")
}

/// Makes every fixture of the project.
pub fn command() -> anyhow::Result<ExitCode> {
    doctor::require(&[doctor::Need::Ffmpeg])?;
    let all: BTreeSet<String> = match std::fs::read_dir(paths::root().join("fixtures")) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("fixture.toml").is_file())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(error).context("the folder fixtures"),
    };
    make(&all)?;
    println!("{} fixtures in {}", all.len(), paths::short(&cache()));
    Ok(ExitCode::SUCCESS)
}

/// Makes the named fixtures where they are missing or out of date.
pub fn make(names: &BTreeSet<String>) -> anyhow::Result<()> {
    for name in names {
        let recipe = paths::root().join("fixtures").join(name);
        ensure!(recipe.join("fixture.toml").is_file(), "there is no fixture {name}: {}", recipe.display());
        let bar = ProgressBar::new(100).with_message(format!("fixture {name}"));
        let made = ensure_fixture(&recipe, &cache(), &mut |part| bar.set_position((part * 100.0) as u64));
        bar.finish_and_clear();
        made.with_context(|| format!("fixture {name}"))?;
    }
    Ok(())
}

/// Makes one fixture from its recipe below the cache, and says where it is.
fn ensure_fixture(recipe: &Path, cache: &Path, progress: &mut dyn FnMut(f64)) -> anyhow::Result<PathBuf> {
    progress(0.0);
    anyhow::bail!("nothing here makes {} in {} yet", recipe.display(), cache.display())
}
