//! `--baseline`: is a player worse than it was? Only that fails, so that the gate can be left switched on: what has always
//! been wrong is no news, and what comes out differently each time is no proof.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use segproof_core::report::{Report, TrialReport, Verdict};
use segproof_harness::player::Player;
use serde::Serialize;

use super::Options;
use crate::{paths, report};

/// Runs the player and what it is compared with, and gives the exit code: 1 if it is worse anywhere.
pub fn command(options: &Options, base: &str) -> anyhow::Result<u8> {
    let [head] = options.players.as_slice() else {
        bail!("--baseline compares one player: give one --player")
    };
    let out = options.out();
    let source = Source::find(base)?;
    let (players, filters) = match &source {
        // A part of the suite has both or neither.
        Source::Folder if options.partition.is_some() => (both(head, base), in_part(options)?),
        Source::Folder => (both(head, base), options.filters.clone()),
        Source::Report(_) => (vec![head.clone()], options.filters.clone()),
    };
    let partition = options.partition.filter(|_| matches!(source, Source::Report(_)));
    let first =
        Options { players, filters, partition, baseline: None, out: Some(out.clone()), ..options.clone() };
    let mut runs = vec![super::run_whole(first.clone())?];
    let compared = compare(&runs, &source);
    let doubtful: Vec<String> =
        compared.iter().filter(|pair| pair.differs()).flat_map(|pair| pair.names(&source)).collect();
    if !doubtful.is_empty() {
        println!("{} trials where the two come out differently: {} times more", doubtful.len(), ROUNDS - 1);
        let again = Options {
            filters: doubtful,
            partition: None,
            repeat: ROUNDS - 1,
            out: Some(out.join("again")),
            ..first
        };
        runs.push(super::run_whole(again)?);
    }
    let compared = Compared::of(compare(&runs, &source));
    report::write_file(&out.join("baseline.json"), &serde_json::to_vec_pretty(&compared)?)?;
    compared.print(&runs, &out);
    if options.tells_ci {
        report::tell_compared(&compared.wrong(&runs), &compared.fixed(), &compared.summary());
    }
    let own_fault = runs.iter().any(|run| run.trials.iter().any(|trial| trial.own_fault.is_some()));
    Ok(if own_fault { crate::OWN_FAULT } else { compared.exit_code(options.strict) })
}

fn both(head: &str, base: &str) -> Vec<String> {
    vec![head.to_owned(), format!("{BASE}={base}")]
}

/// The names of the head's trials in this part of the suite, and of the base's beside them.
fn in_part(options: &Options) -> anyhow::Result<Vec<String>> {
    let part = super::select(&Options { baseline: None, ..options.clone() })?;
    let names = part.trials.iter().flat_map(|trial| {
        let plan = &trial.plan;
        [plan.name(), format!("{BASE}@{}/{}", plan.browser, plan.scenario)]
    });
    Ok(names.collect())
}

/// What a player is compared with.
enum Source {
    /// A player that is run beside it.
    Folder,
    /// What was found before.
    Report(Report),
}

impl Source {
    fn find(base: &str) -> anyhow::Result<Source> {
        let path = Path::new(base);
        if Player::is_in(path) || Player::is_in(&paths::root().join("harness/players").join(base)) {
            return Ok(Source::Folder);
        }
        ensure!(
            path.is_file(),
            "--baseline {base}: neither a report.json nor the folder of a player, which holds an index.html"
        );
        let read = || serde_json::from_slice(&std::fs::read(path)?).map_err(anyhow::Error::from);
        let report: Report = read().with_context(|| format!("{base} is no report.json"))?;
        let mut players: Vec<&str> = report.trials.iter().map(|trial| trial.player.as_str()).collect();
        players.sort_unstable();
        players.dedup();
        ensure!(players.len() <= 1, "{base} is of several players: {}", players.join(", "));
        Ok(Source::Report(report))
    }
}

/// One scenario in one engine: how often each came out well, of the runs that allow a judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Pair {
    scenario: String,
    engine: String,
    player: String,
    head: Score,
    base: Score,
    change: Change,
}

/// So many good runs of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Score {
    good: u16,
    of: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    /// The base was good each time, the head never.
    Worse,
    /// The other way round.
    Fixed,
    /// Neither the one nor the other each time.
    Unsteady,
    /// One of them never allowed a judgement.
    Inconclusive,
    Alike,
}

impl Score {
    fn add(&mut self, verdict: Verdict) {
        let good = match verdict {
            Verdict::Pass | Verdict::Known | Verdict::UnexpectedPass => 1,
            Verdict::Fail => 0,
            Verdict::Inconclusive | Verdict::Skipped => return,
        };
        self.good += good;
        self.of += 1;
    }

    fn is_always(self) -> bool {
        self.good == self.of
    }

    fn is_never(self) -> bool {
        self.good == 0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.good, self.of)
    }
}

impl Change {
    fn of(head: Score, base: Score) -> Change {
        match () {
            () if head.of == 0 || base.of == 0 => Change::Inconclusive,
            () if head.is_always() == base.is_always() && head.is_never() == base.is_never() => Change::Alike,
            () if head.is_never() && base.is_always() => Change::Worse,
            () if head.is_always() && base.is_never() => Change::Fixed,
            () => Change::Unsteady,
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair { scenario, engine, player, head, base, change } = self;
        let word = format!("{change:?}").to_lowercase();
        write!(f, "{word} {player}@{engine}/{scenario}: good in {head}, the base in {base}")
    }
}

impl Pair {
    fn differs(&self) -> bool {
        matches!(self.change, Change::Worse | Change::Fixed | Change::Unsteady)
    }

    /// Of the trials that are to be run again.
    fn names(&self, source: &Source) -> Vec<String> {
        let Pair { scenario, engine, player, .. } = self;
        let mut names = vec![format!("{player}@{engine}/{scenario}")];
        if matches!(source, Source::Folder) {
            names.push(format!("{BASE}@{engine}/{scenario}"));
        }
        names
    }
}

/// All scenarios that were not skipped, in the order of the first run.
fn compare(runs: &[Report], source: &Source) -> Vec<Pair> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut pairs: Vec<Pair> = Vec::new();
    let is_base = |trial: &TrialReport| matches!(source, Source::Folder) && trial.player == BASE;
    let all = || runs.iter().flat_map(|run| &run.trials).filter(|trial| trial.verdict != Verdict::Skipped);
    for trial in all().filter(|trial| !is_base(trial)) {
        let key = (trial.scenario.as_str(), trial.browser.as_str());
        let place = *places.entry(key).or_insert_with(|| {
            pairs.push(Pair {
                scenario: trial.scenario.clone(),
                engine: trial.browser.clone(),
                player: trial.player.clone(),
                head: Score::default(),
                base: Score::default(),
                change: Change::Alike,
            });
            pairs.len() - 1
        });
        pairs[place].head.add(trial.verdict);
    }
    let before: Vec<&TrialReport> = match source {
        Source::Folder => all().filter(|trial| is_base(trial)).collect(),
        Source::Report(report) => report.trials.iter().collect(),
    };
    for trial in before {
        if let Some(place) = places.get(&(trial.scenario.as_str(), trial.browser.as_str())) {
            pairs[*place].base.add(trial.verdict);
        }
    }
    for pair in &mut pairs {
        pair.change = Change::of(pair.head, pair.base);
    }
    pairs
}

/// `baseline.json` has this shape: keys may be added, none renamed.
#[derive(Debug, Serialize)]
struct Compared {
    alike: usize,
    worse: usize,
    fixed: usize,
    unsteady: usize,
    inconclusive: usize,
    /// All that are not alike.
    trials: Vec<Pair>,
}

impl Compared {
    fn of(mut pairs: Vec<Pair>) -> Compared {
        let count = |change| pairs.iter().filter(|pair| pair.change == change).count();
        let (alike, worse, fixed) = (count(Change::Alike), count(Change::Worse), count(Change::Fixed));
        let (unsteady, inconclusive) = (count(Change::Unsteady), count(Change::Inconclusive));
        pairs.retain(|pair| pair.change != Change::Alike);
        pairs.sort_by_key(|pair| pair.change);
        Compared { alike, worse, fixed, unsteady, inconclusive, trials: pairs }
    }

    fn exit_code(&self, is_strict: bool) -> u8 {
        let all = self.alike + self.worse + self.fixed + self.unsteady + self.inconclusive;
        match () {
            () if self.worse > 0 || is_strict && self.fixed > 0 => 1,
            () if all == 0 || self.inconclusive * 100 > all * INCONCLUSIVE_PERCENT_MAX => 3,
            () => 0,
        }
    }

    /// The head's trials that are worse, as they were last.
    fn wrong(&self, runs: &[Report]) -> Report {
        let worse = self.trials.iter().filter(|pair| pair.change == Change::Worse);
        let trials = worse.filter_map(|pair| failure(pair, runs)).cloned().collect();
        let of_first = runs.first().cloned();
        Report { trials, ..of_first.unwrap_or_else(|| unreachable!("it was run")) }
    }

    fn fixed(&self) -> Vec<String> {
        let fixed = self.trials.iter().filter(|pair| pair.change == Change::Fixed);
        fixed.map(ToString::to_string).collect()
    }

    fn counts(&self) -> String {
        let Compared { alike, worse, fixed, unsteady, inconclusive, .. } = self;
        format!(
            "{alike} alike, {worse} worse, {fixed} fixed, {unsteady} unsteady, {inconclusive} inconclusive"
        )
    }

    /// In Markdown.
    fn summary(&self) -> String {
        let pairs = self.trials.iter().map(|pair| format!("- {}\n", report::escaped(&pair.to_string())));
        format!("### The player and its base: {}\n\n{}\n", self.counts(), pairs.collect::<String>())
    }

    fn print(&self, runs: &[Report], out: &Path) {
        println!();
        for pair in &self.trials {
            println!("{pair}");
            if let Some(trial) = failure(pair, runs).filter(|_| pair.change == Change::Worse) {
                for violation in trial.violations.iter().filter(|v| v.binding && !v.known) {
                    println!("     {}: {}", violation.rule, violation.what);
                }
            }
        }
        println!("{}", self.counts());
        println!("{}", paths::short(&out.join("report.html")));
    }
}

/// A trial of the pair's head that failed.
fn failure<'a>(pair: &Pair, runs: &'a [Report]) -> Option<&'a TrialReport> {
    runs.iter().flat_map(|run| &run.trials).find(|trial| {
        trial.verdict == Verdict::Fail
            && (&trial.scenario, &trial.browser, &trial.player)
                == (&pair.scenario, &pair.engine, &pair.player)
    })
}

/// What the base is called in the report.
const BASE: &str = "base";
/// What differs is run so many times in all.
const ROUNDS: u16 = 3;
const INCONCLUSIVE_PERCENT_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn run(trials: &[(&str, &str, Verdict)]) -> Report {
        let trial = |&(player, scenario, verdict): &(&str, &str, Verdict)| TrialReport {
            player: player.to_owned(),
            ..sample::trial(scenario, verdict)
        };
        let trials = trials.iter().map(trial).collect();
        sample::report(trials)
    }

    fn changes(pairs: &[Pair]) -> Vec<(&str, Change)> {
        pairs.iter().map(|pair| (pair.scenario.as_str(), pair.change)).collect()
    }

    #[test]
    fn only_what_never_works_any_more_is_worse() {
        use Verdict::{Fail, Inconclusive, Known, Pass, Skipped};
        let first = run(&[
            ("base", "a/alike", Fail),
            ("mine", "a/alike", Fail),
            ("base", "a/worse", Pass),
            ("mine", "a/worse", Fail),
            ("base", "a/fixed", Fail),
            ("mine", "a/fixed", Known),
            ("base", "a/unsteady", Pass),
            ("mine", "a/unsteady", Fail),
            ("base", "a/unclear", Pass),
            ("mine", "a/unclear", Inconclusive),
            ("base", "a/skipped", Skipped),
            ("mine", "a/skipped", Skipped),
        ]);
        let again = run(&[("base", "a/unsteady", Pass), ("mine", "a/unsteady", Pass)]);
        let found = compare(&[first.clone(), again], &Source::Folder);
        assert_eq!(
            changes(&found),
            [
                ("a/alike", Change::Alike),
                ("a/worse", Change::Worse),
                ("a/fixed", Change::Fixed),
                ("a/unsteady", Change::Unsteady),
                ("a/unclear", Change::Inconclusive),
            ]
        );
        assert_eq!(found[3].head, Score { good: 1, of: 2 });
        assert_eq!(found[1].names(&Source::Folder), ["mine@chromium/a/worse", "base@chromium/a/worse"]);
        let compared = Compared::of(found);
        assert_eq!((compared.exit_code(false), compared.wrong(&[first]).trials.len()), (1, 1));
    }

    #[test]
    fn what_was_found_before_counts_as_one_run() {
        let before = run(&[("mine", "a/worse", Verdict::Pass), ("mine", "a/gone", Verdict::Pass)]);
        let now = run(&[("mine", "a/worse", Verdict::Fail), ("mine", "a/new", Verdict::Fail)]);
        let found = compare(&[now], &Source::Report(before));
        assert_eq!(changes(&found), [("a/worse", Change::Worse), ("a/new", Change::Inconclusive)]);
    }

    #[test]
    fn a_little_that_is_inconclusive_does_not_block() {
        let of = |alike, fixed, inconclusive| Compared {
            alike,
            worse: 0,
            fixed,
            unsteady: 0,
            inconclusive,
            trials: Vec::new(),
        };
        assert_eq!(of(98, 0, 2).exit_code(false), 0);
        assert_eq!(of(97, 0, 3).exit_code(false), 3);
        assert_eq!((of(9, 1, 0).exit_code(false), of(9, 1, 0).exit_code(true)), (0, 1));
        assert_eq!(of(0, 0, 0).exit_code(false), 3);
    }

    #[test]
    fn a_base_is_a_player_or_a_report() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let error = |name: &str| format!("{:#}", Source::find(&path(name)).err().expect("none"));
        assert!(error("nothing").contains("neither a report.json nor the folder"), "{}", error("nothing"));
        std::fs::write(path("text"), "[]").expect("write");
        assert!(error("text").contains("is no report.json"), "{}", error("text"));
        let two = run(&[("a", "a/b", Verdict::Pass), ("b", "a/b", Verdict::Pass)]);
        std::fs::write(path("two"), serde_json::to_vec(&two).expect("json")).expect("write");
        assert!(error("two").contains("several players: a, b"), "{}", error("two"));
        std::fs::write(path("index.html"), "").expect("write");
        assert!(matches!(Source::find(&path("")), Ok(Source::Folder)));
        assert!(matches!(Source::find("hls.js"), Ok(Source::Folder)));
    }
}
