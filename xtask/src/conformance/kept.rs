//! `--resume`: what has been run is not run again, as long as nothing of it has changed.
//!
//! A finished trial is kept by a digest of everything that decides how it goes: scenario, player, browser, speed, and the
//! harness that ran it. Whatever is touched, its trials are run anew; nobody has to say so. Where only the judge has changed,
//! the evidence is as good as it was, and is judged anew. A trial is kept as soon as it is finished, so that a run that is
//! killed loses only what was under way; what another run may decide (an inconclusive trial) is finished when that is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use segproof_core::judge::{self, Known, Terms};
use segproof_core::report::{TrialReport, Verdict};
use segproof_harness::plan::{FIRED_FILE, LANES_FILE, RunPlan, TRACE_FILE, TrialPlan, VERDICT_FILE};
use segproof_harness::player::{Home, KNOWN_FILE, Player};

use super::collect;
use crate::digest::Digest;
use crate::{doctor, paths, report};

/// The finished trials of earlier runs, and of this one.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    harness: String,
    /// Of the sources that judge, and do not play.
    judge: String,
    /// Engine -> what it and its driver say of their versions.
    browsers: BTreeMap<String, String>,
    is_strict: bool,
    /// A player's folder -> what it serves and what is known of it, as it was at first.
    players: Mutex<BTreeMap<PathBuf, Facts>>,
    under_way: Mutex<Option<Pass>>,
}

/// What there is to know of a player's folder.
#[derive(Debug, Clone)]
struct Facts {
    digest: String,
    known: Vec<Known>,
}

/// What there is of an earlier run.
#[derive(Debug, PartialEq)]
pub enum Found {
    Nothing,
    /// The folder of evidence that is to be judged anew.
    Evidence(PathBuf),
    Report(Box<TrialReport>),
}

/// Trials that are being run.
#[derive(Debug)]
struct Pass {
    plan: RunPlan,
    round: u16,
    /// If they are run again: what was found first, by the trial's name.
    firsts: Option<HashMap<String, TrialReport>>,
}

impl Kept {
    /// Below the target folder. The harness is known by its sources and what they are built with.
    pub fn open<'a>(engines: impl Iterator<Item = &'a str>, is_strict: bool) -> anyhow::Result<Kept> {
        let judging: Vec<PathBuf> = JUDGING.iter().map(|place| paths::root().join(place)).collect();
        let mut digest = Digest::default();
        for part in ["harness/src", "harness/core/src", "harness/tests", "fixtures", "Cargo.lock"] {
            digest.add_files_without(&paths::root().join(part), &judging)?;
        }
        let mut judge = Digest::default();
        for place in &judging {
            judge.add_files(place)?;
        }
        let names: BTreeSet<&str> = engines.collect();
        let version = |name: &str| (name.to_owned(), doctor::version(name).unwrap_or_default());
        let browsers = names.into_iter().map(version).collect();
        Ok(Kept {
            folder: paths::target().join("segproof-kept"),
            harness: digest.hex(),
            judge: judge.hex(),
            browsers,
            is_strict,
            players: Mutex::default(),
            under_way: Mutex::default(),
        })
    }

    /// What there is of a trial's n-th run, if nothing has changed since; what was kept with a report is put into `folder`.
    pub fn find(&self, trial: &TrialPlan, round: u16, folder: &Path) -> anyhow::Result<Found> {
        let Some(kept) = self.evidence(trial, round)? else { return Ok(Found::Nothing) };
        // Half a report is none, and the trial is run.
        let report = read(&kept.join(VERDICT_FILE))?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(report) = report else { return Ok(Found::Nothing) };
        let to_judge = || {
            if ![TRACE_FILE, FIRED_FILE].iter().all(|name| kept.join(name).is_file()) {
                return Ok(Found::Nothing);
            }
            share(&kept, folder, &[PICTURE_FILE])?;
            Ok(Found::Evidence(kept.clone()))
        };
        if read(&kept.join(JUDGE_FILE))?.as_deref() != Some(self.judge.as_bytes()) {
            return to_judge();
        }
        let known = self.facts(trial)?.map(|facts| facts.known).unwrap_or_default();
        let terms = Terms {
            scenario: &trial.scenario,
            browser: &trial.browser,
            known: &known,
            strict: self.is_strict,
        };
        let Some(report) = judge::reweighed(report, terms) else { return to_judge() };
        share(&kept, folder, FILES)?;
        Ok(Found::Report(Box::new(report)))
    }

    /// Keeps a report; with it the evidence that lies in `folder`, and of what needs a look all that does.
    pub fn keep(
        &self,
        trial: &TrialPlan,
        round: u16,
        report: &TrialReport,
        folder: &Path,
    ) -> anyhow::Result<()> {
        let Some(kept) = self.evidence(trial, round)? else { return Ok(()) };
        std::fs::create_dir_all(&kept)?;
        let files = if report.verdict == Verdict::Pass { &FILES[..EVIDENCE_FILES] } else { FILES };
        share(folder, &kept, files)?;
        report::write_file(&kept.join(VERDICT_FILE), &serde_json::to_vec(report)?)?;
        // The last: what was judged before is not to pass for this judge's, should the run be killed in between.
        report::write_file(&kept.join(JUDGE_FILE), self.judge.as_bytes())?;
        Ok(())
    }

    /// Drops what is kept of a trial's n-th run.
    pub fn forget(&self, trial: &TrialPlan, round: u16) -> anyhow::Result<()> {
        let Some(kept) = self.evidence(trial, round)? else { return Ok(()) };
        match std::fs::remove_file(kept.join(VERDICT_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// From now on these trials are run, for the first time or, if that is given, after what was found first; each
    /// that is finished can be told by [`Kept::hear`].
    pub fn begin(&self, plan: &RunPlan, round: u16, firsts: Option<&[TrialReport]>) {
        let named = |first: &TrialReport| (report::name(first), first.clone());
        let firsts = firsts.map(|firsts| firsts.iter().map(named).collect());
        *self.under_way() = Some(Pass { plan: plan.clone(), round, firsts });
    }

    /// What is told from now on is not heard.
    pub fn end(&self) {
        *self.under_way() = None;
    }

    /// Keeps a trial that is said to be finished, unless it is to be run again. What counts is the verdict that it has
    /// left: what is said late is of another pass.
    pub fn hear(&self, name: &str) -> anyhow::Result<()> {
        let pass = self.under_way();
        let Some(Pass { plan, round, firsts }) = pass.as_ref() else { return Ok(()) };
        let Some(trial) = plan.trials.iter().find(|trial| trial.name() == name) else { return Ok(()) };
        let folder = trial.dir(&plan.out);
        let left = read(&folder.join(VERDICT_FILE))?;
        let Some(report) = left.and_then(|bytes| serde_json::from_slice::<TrialReport>(&bytes).ok()) else {
            return Ok(());
        };
        match firsts {
            None if collect::is_worth_another_run(&report) => Ok(()),
            // A report that was judged anew may have a first run's.
            None => self.keep(trial, *round, &collect::with_proven(report), &folder),
            // It may be that the run is being interrupted: whoever ends it knows.
            Some(_) if report.verdict == Verdict::Inconclusive => Ok(()),
            Some(firsts) => {
                let first = firsts.get(name).cloned();
                let report = match first {
                    Some(first) => collect::second(first, report),
                    None => report,
                };
                self.keep(trial, *round, &report, &folder)
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, Option<Pass>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of what is kept of a trial's n-th run. `None` for a player whose page is served elsewhere: nobody can tell
    /// whether that has changed.
    fn evidence(&self, trial: &TrialPlan, round: u16) -> anyhow::Result<Option<PathBuf>> {
        let Some(facts) = self.facts(trial)? else { return Ok(None) };
        let mut digest = Digest::default();
        let browser = self.browsers.get(&trial.browser).map_or("", String::as_str);
        let terms = format!("speed {}, {:?}, strict: {}", trial.speed, trial.instead, self.is_strict);
        for part in [&trial.name(), self.harness.as_str(), browser, &terms] {
            digest.add(part.as_bytes());
        }
        digest.add_files(trial.scenario_file.parent().unwrap_or(Path::new("")))?;
        digest.add(facts.digest.as_bytes());
        Ok(Some(self.folder.join(digest.hex()).join(round.to_string())))
    }

    fn facts(&self, trial: &TrialPlan) -> anyhow::Result<Option<Facts>> {
        let Home::Folder(folder) = &trial.home else { return Ok(None) };
        let mut players = self.players.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = players.get(folder) {
            return Ok(Some(known.clone()));
        }
        let mut digest = Digest::default();
        let player = Player::read(folder)?;
        let files = player.extra_files(&paths::target()).into_iter().map(|(_, file)| file);
        for place in player.folders().into_iter().chain(files) {
            // What is known of a player changes nothing of how it plays.
            digest.add_files_without(&place, &[place.join(KNOWN_FILE)])?;
        }
        let facts = Facts { digest: digest.hex(), known: player.known };
        players.insert(folder.to_owned(), facts.clone());
        Ok(Some(facts))
    }
}

/// Has those of the files that are in one folder in the other, too. They are written once and never changed, so the
/// disk need not hold them twice.
fn share(from: &Path, to: &Path, files: &[&str]) -> anyhow::Result<()> {
    for file in files {
        let (from, to) = (from.join(file), to.join(file));
        if !from.is_file() {
            continue;
        }
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        match std::fs::remove_file(&to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        // Not every file system has links.
        if std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// What is kept with a report: of a pass the first only, which are what it can be judged by anew.
const FILES: &[&str] = &[TRACE_FILE, FIRED_FILE, LANES_FILE, "trace.txt", PICTURE_FILE, "output.txt"];
const EVIDENCE_FILES: usize = 3;

/// What the page looked like at the end.
const PICTURE_FILE: &str = "page.png";

/// Beside a kept report: the digest of the sources that judged it.
const JUDGE_FILE: &str = "judge";

/// The sources that are asked only when a trial is over: a change there leaves its evidence as good as it was.
const JUDGING: &[&str] = &[
    "harness/core/src/conduct.rs",
    "harness/core/src/coverage.rs",
    "harness/core/src/judge.rs",
    "harness/core/src/lanes.rs",
    "harness/core/src/regret.rs",
    "harness/core/src/rules",
    "harness/core/src/rules.rs",
    "harness/core/src/selfcheck.rs",
    "harness/core/src/tolerance.rs",
    "harness/core/src/witness.rs",
    "harness/src/run/explain.rs",
];

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
    use segproof_harness::plan::Instead;

    use super::*;
    use crate::report::sample;

    /// A folder with one scenario and one player, and the trial of these.
    fn place() -> (tempfile::TempDir, TrialPlan) {
        let folder = tempfile::tempdir().expect("folder");
        let place = |name: &str| folder.path().join(name);
        for name in ["scenario", "player"] {
            std::fs::create_dir(place(name)).expect("folder");
        }
        std::fs::write(place("scenario/scenario.toml"), "a").expect("write");
        std::fs::write(place("player/index.html"), "b").expect("write");
        let trial = TrialPlan {
            player: "p".into(),
            home: Home::Folder(place("player")),
            browser: "none".into(),
            scenario: "a/b".into(),
            scenario_file: place("scenario/scenario.toml"),
            speed: 4.0,
            instead: Instead::default(),
            snapshot: None,
            repro: String::new(),
            evidence: None,
        };
        (folder, trial)
    }

    fn kept_by(harness: &str, folder: &Path) -> Kept {
        Kept {
            folder: folder.join("kept"),
            harness: harness.into(),
            judge: "j".into(),
            browsers: BTreeMap::new(),
            is_strict: false,
            players: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    #[test]
    fn what_has_changed_is_not_found() {
        let (folder, trial) = place();
        let place = |name: &str| folder.path().join(name);
        let kept = |harness: &str| kept_by(harness, folder.path());
        std::fs::write(place(LANES_FILE), "l").expect("write");
        kept("h").keep(&trial, 1, &sample::trial("a/b", Verdict::Pass), folder.path()).expect("keep");
        let again = place("again");
        // Each time anew, as a run does: it looks at a player once.
        let is_found = |harness: &str, trial: &TrialPlan, round| {
            kept(harness).find(trial, round, &again).expect("read") != Found::Nothing
        };
        assert!(is_found("h", &trial, 1));
        assert_eq!(std::fs::read_to_string(again.join(LANES_FILE)).expect("lanes"), "l");
        assert!(!is_found("h", &trial, 2));
        assert!(!is_found("h", &TrialPlan { speed: 1.0, ..trial.clone() }, 1));
        let instead = Instead { phase: Some(0.5), ..trial.instead.clone() };
        assert!(!is_found("h", &TrialPlan { instead, ..trial.clone() }, 1));
        assert!(!is_found("i", &trial, 1));
        std::fs::write(place("player/index.html"), "c").expect("write");
        assert!(!is_found("h", &trial, 1));
        std::fs::write(place("player/index.html"), "b").expect("write");
        std::fs::write(place("scenario/scenario.toml"), "c").expect("write");
        assert!(!is_found("h", &trial, 1));
    }

    #[test]
    fn of_a_page_that_is_served_elsewhere_nothing_is_kept() {
        let (folder, trial) = place();
        let home = Home::Elsewhere("http://127.0.0.1:1/".parse().expect("a URL"));
        let trial = TrialPlan { home, ..trial };
        let kept = kept_by("h", folder.path());
        kept.keep(&trial, 1, &sample::trial("a/b", Verdict::Pass), folder.path()).expect("keep");
        assert_eq!(kept.find(&trial, 1, &folder.path().join("again")).expect("read"), Found::Nothing);
        kept.forget(&trial, 1).expect("forget");
    }

    #[test]
    fn what_is_kept_is_weighed_by_what_is_known_now() {
        let (folder, trial) = place();
        let report =
            TrialReport { violations: vec![sample::violation()], ..sample::trial("a/b", Verdict::Fail) };
        kept_by("h", folder.path()).keep(&trial, 1, &report, folder.path()).expect("keep");
        let found =
            || match kept_by("h", folder.path()).find(&trial, 1, &folder.path().join("again")).expect("read")
            {
                Found::Report(report) => *report,
                other => panic!("{other:?}"),
            };
        assert_eq!(found(), report);
        let known = format!(
            "[[known]]\nscenario = \"a/*\"\nrule = \"{}\"\nbecause = \"it is old\"\n",
            sample::violation().rule
        );
        std::fs::write(folder.path().join("player/known.toml"), known).expect("write");
        let now = found();
        assert_eq!(now.verdict, Verdict::Known);
        assert!(now.reason.expect("a reason").contains("it is old"));
        // Nor does what is known of the player that this one varies.
        std::fs::create_dir(folder.path().join("base")).expect("folder");
        std::fs::write(folder.path().join("base/index.html"), "b").expect("write");
        std::fs::write(folder.path().join("player/player.toml"), "extends = \"../base\"").expect("write");
        kept_by("h", folder.path()).keep(&trial, 3, &report, folder.path()).expect("keep");
        std::fs::write(folder.path().join("base/known.toml"), "").expect("write");
        let varied = kept_by("h", folder.path()).find(&trial, 3, &folder.path().join("again")).expect("read");
        assert!(matches!(varied, Found::Report(_)), "{varied:?}");
        std::fs::remove_file(folder.path().join("player/player.toml")).expect("remove");
        // A failure asks more of the evidence than a pass does.
        kept_by("h", folder.path())
            .keep(&trial, 2, &sample::trial("a/b", Verdict::Pass), folder.path())
            .expect("keep");
        let passed = kept_by("h", folder.path()).find(&trial, 2, &folder.path().join("again")).expect("read");
        assert_eq!(passed, Found::Nothing, "known.toml expects it to fail");
    }

    #[test]
    fn what_another_judge_has_judged_is_judged_anew() {
        let (folder, trial) = place();
        let report = sample::trial("a/b", Verdict::Pass);
        let find = |round| {
            let kept = Kept { judge: "k".into(), ..kept_by("h", folder.path()) };
            kept.find(&trial, round, &folder.path().join("again")).expect("read")
        };
        let keep = |round| {
            kept_by("h", folder.path()).keep(&trial, round, &report, folder.path()).expect("keep");
        };
        keep(1);
        assert_eq!(find(1), Found::Nothing, "without evidence it is to be run");
        for name in [TRACE_FILE, FIRED_FILE] {
            std::fs::write(folder.path().join(name), name).expect("write");
        }
        keep(2);
        let Found::Evidence(evidence) = find(2) else { panic!("{:?}", find(2)) };
        for name in [TRACE_FILE, FIRED_FILE] {
            assert_eq!(std::fs::read_to_string(evidence.join(name)).expect("kept"), name);
        }
        let left: TrialReport =
            serde_json::from_slice(&std::fs::read(evidence.join(VERDICT_FILE)).expect("kept"))
                .expect("a report");
        assert_eq!(left, report);
    }

    #[test]
    fn the_judging_sources_are_there() {
        for place in JUDGING {
            assert!(paths::root().join(place).exists(), "{place}");
        }
    }

    #[test]
    fn what_needs_a_look_is_kept_with_its_evidence() {
        let (folder, trial) = place();
        let kept = kept_by("h", folder.path());
        std::fs::write(folder.path().join("trace.txt"), "t").expect("write");
        let again = |round: u16, verdict| {
            let violations = if verdict == Verdict::Fail { vec![sample::violation()] } else { Vec::new() };
            let report = TrialReport { violations, ..sample::trial("a/b", verdict) };
            kept.keep(&trial, round, &report, folder.path()).expect("keep");
            let again = folder.path().join(format!("again{round}"));
            assert_eq!(kept.find(&trial, round, &again).expect("read"), Found::Report(Box::new(report)));
            std::fs::read_to_string(again.join("trace.txt")).ok()
        };
        assert_eq!(again(1, Verdict::Fail).as_deref(), Some("t"));
        assert_eq!(again(2, Verdict::Pass), None);
    }

    #[test]
    fn a_trial_is_kept_as_soon_as_nothing_more_can_change_it() {
        let (folder, trial) = place();
        let kept = kept_by("h", folder.path());
        let out = folder.path().join("out");
        let plan = RunPlan {
            webdriver: String::new(),
            notify: None,
            pace: None,
            signals: None,
            hold: None,
            listen: Default::default(),
            out: out.clone(),
            fixtures: Vec::new(),
            target: PathBuf::new(),
            strict: false,
            bless: false,
            trials: vec![trial.clone()],
        };
        let finishes = |report: &TrialReport| {
            collect::keep(report, &trial, &out).expect("verdict");
            kept.hear(&trial.name()).expect("hear");
        };
        let found = || match kept.find(&trial, 1, &folder.path().join("again")).expect("read") {
            Found::Report(report) => Some(*report),
            _ => None,
        };
        let (doubtful, passes) =
            (sample::trial("a/b", Verdict::Inconclusive), sample::trial("a/b", Verdict::Pass));
        finishes(&passes);
        assert_eq!(found(), None, "no pass has begun");
        kept.begin(&plan, 1, None);
        finishes(&doubtful);
        assert_eq!(found(), None, "it is to be run again");
        collect::set_aside(&trial.dir(&out)).expect("aside");
        let first = TrialReport { player: "p".into(), browser: "none".into(), ..doubtful.clone() };
        kept.begin(&plan, 1, Some(std::slice::from_ref(&first)));
        kept.hear(&trial.name()).expect("hear");
        assert_eq!(found(), None, "that was said of the first run");
        finishes(&doubtful);
        assert_eq!(found(), None, "whether that is the last word is known at the end");
        finishes(&passes);
        let kept_now = found().expect("kept");
        assert_eq!(
            (kept_now.verdict, kept_now.first.expect("first").verdict),
            (Verdict::Pass, Verdict::Inconclusive)
        );
        kept.end();
        finishes(&sample::trial("a/b", Verdict::Fail));
        assert_eq!(found().expect("kept").verdict, Verdict::Pass);
        kept.forget(&trial, 1).expect("forget");
        assert_eq!(found(), None);
    }
}
