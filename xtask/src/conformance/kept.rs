//! `--resume`: what has been run is not run again, as long as nothing of it has changed.
//!
//! A finished trial is kept by a digest of everything that decides how it goes: scenario, player, browser, speed, and the
//! harness that ran it. Whatever is touched, its trials are run anew; nobody has to say so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use segproof_core::report::TrialReport;
use segproof_harness::plan::{LANES_FILE, TrialPlan};
use segproof_harness::player::Player;

use crate::digest::Digest;
use crate::{doctor, paths, report};

/// The finished trials of earlier runs.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    harness: String,
    /// Engine -> what it and its driver say of their versions.
    browsers: BTreeMap<String, String>,
    is_strict: bool,
}

impl Kept {
    /// Below the target folder. The harness is known by its sources and what they are built with.
    pub fn open<'a>(engines: impl Iterator<Item = &'a str>, is_strict: bool) -> anyhow::Result<Kept> {
        let mut digest = Digest::default();
        for part in ["harness/src", "harness/core/src", "harness/tests", "fixtures", "Cargo.lock"] {
            digest.add_files(&paths::root().join(part))?;
        }
        let names: BTreeSet<&str> = engines.collect();
        let version = |name: &str| (name.to_owned(), doctor::version(name).unwrap_or_default());
        let browsers = names.into_iter().map(version).collect();
        Ok(Kept { folder: paths::target().join("segproof-kept"), harness: digest.hex(), browsers, is_strict })
    }

    /// The report of a trial's n-th run, if nothing has changed since; its lanes are put into `folder`.
    pub fn find(&self, trial: &TrialPlan, round: u16, folder: &Path) -> anyhow::Result<Option<TrialReport>> {
        let file = self.file(trial, round)?;
        // Half a report is none, and the trial is run.
        let report = read(&file)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let (Some(lanes), true) = (read(&lanes(&file))?, report.is_some()) {
            std::fs::create_dir_all(folder)?;
            report::write_file(&folder.join(LANES_FILE), &lanes)?;
        }
        Ok(report)
    }

    /// Keeps a report, and the lanes beside it in `folder`.
    pub fn keep(
        &self,
        trial: &TrialPlan,
        round: u16,
        report: &TrialReport,
        folder: &Path,
    ) -> anyhow::Result<()> {
        let file = self.file(trial, round)?;
        std::fs::create_dir_all(file.parent().unwrap_or(&self.folder))?;
        if let Some(found) = read(&folder.join(LANES_FILE))? {
            report::write_file(&lanes(&file), &found)?;
        }
        report::write_file(&file, &serde_json::to_vec(report)?)?;
        Ok(())
    }

    fn file(&self, trial: &TrialPlan, round: u16) -> anyhow::Result<PathBuf> {
        let mut digest = Digest::default();
        let browser = self.browsers.get(&trial.browser).map_or("", String::as_str);
        let terms = format!("speed {}, phase {:?}, strict: {}", trial.speed, trial.phase, self.is_strict);
        for part in [&trial.name(), self.harness.as_str(), browser, &terms] {
            digest.add(part.as_bytes());
        }
        digest.add_files(trial.scenario_file.parent().unwrap_or(Path::new("")))?;
        let player = Player::read(&trial.player_dir)?;
        let files = player.extra_files(&paths::target()).into_iter().map(|(_, file)| file);
        for place in player.folders().into_iter().chain(files) {
            digest.add_files(&place)?;
        }
        Ok(self.folder.join(digest.hex()).join(format!("{round}.json")))
    }
}

fn lanes(file: &Path) -> PathBuf {
    file.with_extension("lanes")
}

/// `None` if there is no such file.
fn read(file: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use segproof_core::report::Verdict;

    use super::*;
    use crate::report::sample;

    #[test]
    fn what_has_changed_is_not_found() {
        let folder = tempfile::tempdir().expect("folder");
        let place = |name: &str| folder.path().join(name);
        for name in ["scenario", "player"] {
            std::fs::create_dir(place(name)).expect("folder");
        }
        std::fs::write(place("scenario/scenario.toml"), "a").expect("write");
        std::fs::write(place("player/index.html"), "b").expect("write");
        let trial = TrialPlan {
            player: "p".into(),
            player_dir: place("player"),
            browser: "none".into(),
            scenario: "a/b".into(),
            scenario_file: place("scenario/scenario.toml"),
            speed: 4.0,
            phase: None,
            snapshot: None,
            repro: String::new(),
        };
        let kept_by = |harness: &str| Kept {
            folder: place("kept"),
            harness: harness.into(),
            browsers: BTreeMap::new(),
            is_strict: false,
        };
        let kept = kept_by("h");
        std::fs::write(place(LANES_FILE), "l").expect("write");
        kept.keep(&trial, 1, &sample::trial("a/b", Verdict::Pass), folder.path()).expect("keep");
        let again = place("again");
        let is_found =
            |kept: &Kept, trial: &TrialPlan, round| kept.find(trial, round, &again).expect("read").is_some();
        assert!(is_found(&kept, &trial, 1));
        assert_eq!(std::fs::read_to_string(again.join(LANES_FILE)).expect("lanes"), "l");
        assert!(!is_found(&kept, &trial, 2));
        assert!(!is_found(&kept, &TrialPlan { speed: 1.0, ..trial.clone() }, 1));
        assert!(!is_found(&kept, &TrialPlan { phase: Some(0.5), ..trial.clone() }, 1));
        assert!(!is_found(&kept_by("i"), &trial, 1));
        std::fs::write(place("player/index.html"), "c").expect("write");
        assert!(!is_found(&kept, &trial, 1));
        std::fs::write(place("player/index.html"), "b").expect("write");
        std::fs::write(place("scenario/scenario.toml"), "c").expect("write");
        assert!(!is_found(&kept, &trial, 1));
    }
}
