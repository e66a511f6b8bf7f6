//! `--compare-speeds`: is everything judged alike at speed 1 and faster?

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, ensure};
use segproof_core::report::{Report, TrialReport, Verdict};
use serde::Serialize;

use super::{Options, Speed};
use crate::{machine, paths, report};

/// Runs what is selected at both speeds and gives the exit code: 1 if anything was judged otherwise.
pub fn command(options: &Options) -> anyhow::Result<u8> {
    ensure!(
        !matches!(options.speed, Speed::Fixed(speed) if speed <= 1.0),
        "--compare-speeds compares speed 1 with a higher one: give that with --speed"
    );
    let out = options.out.clone().unwrap_or_else(|| paths::target().join("compare-speeds"));
    let out = std::path::absolute(&out).unwrap_or(out);
    let selection = super::prepare(options)?;
    let (fast, slow): (Vec<_>, Vec<_>) =
        selection.trials.iter().map(|trial| &trial.plan).partition(|plan| plan.speed > 1.0);
    ensure!(!fast.is_empty(), "nothing of what is selected may be run at a speed above 1");
    let _lock = super::take_folder(&out)?;
    let one = Options {
        filters: fast.iter().map(|plan| plan.name()).collect(),
        partition: None,
        compare_speeds: false,
        beside: Some("../index.html"),
        ..options.clone()
    };
    let at_one = (machine::cores() * SLOW_JOBS_PER_CORE).max(options.jobs.map_or(0, usize::from));
    let slow_jobs = u16::try_from(at_one).unwrap_or(u16::MAX);
    let folder = |speed: Speed| format!("speed-{speed}");
    let run = |options: Options| -> anyhow::Result<Report> {
        println!("at speed {}:", options.speed);
        super::run_whole(Options { out: Some(out.join(folder(options.speed))), ..options })
    };
    let fast = run(one.clone())?;
    let slow_report = run(Options { speed: Speed::Fixed(1.0), jobs: Some(slow_jobs), ..one.clone() })?;
    let compared = Compared {
        speed: options.speed.to_string(),
        one: folder(Speed::Fixed(1.0)),
        other: folder(options.speed),
        only_at_one: slow.len(),
        trials: compare(&slow_report, &fast),
    };
    write(&compared, &out)?;
    compared.print();
    println!("{}", paths::short(&out.join(PAGE)));
    let own_fault =
        [&slow_report, &fast].iter().any(|report| report.trials.iter().any(|t| t.own_fault.is_some()));
    Ok(if own_fault { crate::OWN_FAULT } else { compared.exit_code() })
}

/// Both runs, side by side. `compare.json` has this shape: keys may be added, none renamed.
#[derive(Debug, Serialize)]
struct Compared {
    speed: String,
    /// The folders of both runs' reports, beside the page.
    one: String,
    other: String,
    /// Trials that may not be run faster, which were left out.
    only_at_one: usize,
    trials: Vec<Pair>,
}

/// One trial at both speeds.
#[derive(Debug, Serialize)]
struct Pair {
    name: String,
    outcome: Outcome,
    at_one: Side,
    faster: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Alike,
    Different,
    /// At one speed the evidence allowed no judgement: that says nothing of the other.
    Inconclusive,
}

#[derive(Debug, Serialize)]
struct Side {
    verdict: &'static str,
    rules: BTreeSet<String>,
    /// What there is to say: the first violation, or the reason.
    says: String,
    link: String,
}

fn compare(slow: &Report, fast: &Report) -> Vec<Pair> {
    let of_slow = |name: &str| slow.trials.iter().find(|trial| report::name(trial) == name);
    let pair = |fast: &TrialReport| {
        let name = report::name(fast);
        let slow = of_slow(&name)?;
        // Where the faster run was inconclusive and was run again, that was at speed 1.
        let faster = fast.runs().last().unwrap_or(fast);
        Some(Pair { outcome: outcome(slow, faster), at_one: side(slow), faster: side(faster), name })
    };
    fast.trials.iter().filter_map(pair).collect()
}

/// Whether two runs of a trial were judged alike: the verdict and the set of rules broken.
pub fn outcome(one: &TrialReport, other: &TrialReport) -> Outcome {
    if [one, other].iter().any(|trial| trial.verdict == Verdict::Inconclusive) {
        return Outcome::Inconclusive;
    }
    let is_alike = one.verdict == other.verdict && binding_rules(one) == binding_rules(other);
    if is_alike { Outcome::Alike } else { Outcome::Different }
}

/// The rules that bind the player and that it broke.
pub fn binding_rules(trial: &TrialReport) -> BTreeSet<&str> {
    trial.violations.iter().filter(|v| v.binding).map(|v| v.rule.as_str()).collect()
}

fn side(trial: &TrialReport) -> Side {
    let broken = trial.violations.iter().find(|violation| violation.binding && !violation.known);
    let says = match (trial.verdict, broken) {
        (Verdict::Fail, Some(violation)) => format!("{}: {}", violation.rule, violation.what),
        _ => trial.reason.clone().unwrap_or_default(),
    };
    Side {
        verdict: report::word(trial.verdict),
        rules: binding_rules(trial).into_iter().map(str::to_owned).collect(),
        says,
        link: format!("{}/index.html", trial.dir),
    }
}

impl Compared {
    fn of(&self, outcome: Outcome) -> Vec<&Pair> {
        self.trials.iter().filter(|pair| pair.outcome == outcome).collect()
    }

    fn exit_code(&self) -> u8 {
        match () {
            () if !self.of(Outcome::Different).is_empty() => 1,
            () if !self.of(Outcome::Inconclusive).is_empty() => 3,
            () => 0,
        }
    }

    fn print(&self) {
        println!();
        for (outcome, word) in [(Outcome::Different, "differs"), (Outcome::Inconclusive, "inconclusive")] {
            for pair in self.of(outcome) {
                println!("{word} {}", pair.name);
                for (speed, side) in [("1", &pair.at_one), (self.speed.as_str(), &pair.faster)] {
                    println!("     at speed {speed}: {}", side.words());
                }
            }
        }
        println!(
            "{} judged alike at speed 1 and {}, {} otherwise, {} inconclusive at one of them; \
             {} may be run at speed 1 only",
            self.of(Outcome::Alike).len(),
            self.speed,
            self.of(Outcome::Different).len(),
            self.of(Outcome::Inconclusive).len(),
            self.only_at_one,
        );
    }
}

impl Side {
    fn words(&self) -> String {
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        let mut words = format!("{} {}", self.verdict, rules.join(", ")).trim_end().to_owned();
        if !self.says.is_empty() {
            words.push_str(&format!(" ({})", self.says.replace('\n', " ")));
        }
        words
    }
}

fn write(compared: &Compared, out: &Path) -> anyhow::Result<()> {
    let json = serde_json::to_vec_pretty(compared)?;
    report::write_file(&out.join("compare.json"), &json).context("compare.json")?;
    report::write_file(&out.join(PAGE), page(compared)?.as_bytes()).context(PAGE)
}

fn page(compared: &Compared) -> anyhow::Result<String> {
    let values = serde_json::json!({
        "compared": compared,
        "different": compared.of(Outcome::Different),
        "inconclusive": compared.of(Outcome::Inconclusive),
        "alike": compared.of(Outcome::Alike).len(),
    });
    report::page("compare.html", &values)
}

const PAGE: &str = "index.html";

/// At speed 1 a trial takes a fraction of a core: with three for each, none of twelve was inconclusive, with four seven
/// were (Chromium, two cores that had other work as well).
const SLOW_JOBS_PER_CORE: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn compared(slow: Vec<TrialReport>, fast: Vec<TrialReport>) -> Compared {
        let report = |trials| sample::report(trials);
        Compared {
            speed: "4".to_owned(),
            one: "speed-1".into(),
            other: "speed-4".into(),
            only_at_one: 0,
            trials: compare(&report(slow), &report(fast)),
        }
    }

    fn failing(rule: &str) -> TrialReport {
        let mut trial = sample::trial("a/b", Verdict::Fail);
        trial.violations.push(sample::violation());
        trial.violations[0].rule = rule.into();
        trial
    }

    #[test]
    fn verdicts_and_sets_of_rules_are_compared() {
        let pass = || vec![sample::trial("a/b", Verdict::Pass)];
        let code = |slow, fast| compared(slow, fast).exit_code();
        assert_eq!(code(pass(), pass()), 0);
        assert_eq!(code(pass(), vec![failing("a/a")]), 1);
        assert_eq!(code(vec![failing("a/a")], vec![failing("a/a")]), 0);
        assert_eq!(code(vec![failing("a/a")], vec![failing("b/b")]), 1);
        let mut unbound = failing("a/a");
        unbound.violations.push(sample::violation());
        unbound.violations[1].binding = false;
        assert_eq!(code(vec![failing("a/a")], vec![unbound]), 0, "what does not bind has no weight");
    }

    #[test]
    fn what_was_run_again_at_speed_1_proves_nothing_of_the_other() {
        let doubtful = sample::trial("a/b", Verdict::Inconclusive);
        let again =
            TrialReport { first: Some(Box::new(doubtful.clone())), ..sample::trial("a/b", Verdict::Pass) };
        let slow = || vec![sample::trial("a/b", Verdict::Pass)];
        let compared_again = compared(slow(), vec![again.clone()]);
        assert_eq!(
            (compared_again.trials[0].outcome, compared_again.exit_code()),
            (Outcome::Inconclusive, 3)
        );
        assert_eq!(compared(vec![doubtful], slow()).exit_code(), 3);
        // At speed 1 a second run is as good as a first.
        assert_eq!(compared(vec![again], slow()).exit_code(), 0);
    }

    #[test]
    fn the_page_names_what_differs() {
        let page = page(&compared(vec![sample::trial("a/b", Verdict::Pass)], vec![failing("a/a")]));
        let page = page.expect("page").replace("&#x2f;", "/");
        assert!(
            page.contains("reference@chromium/a/b") && page.contains("after segment 8 &lt;b&gt;"),
            "{page}"
        );
        assert!(page.contains("href=\"speed-4/trials/reference@chromium/a/b/index.html\""), "{page}");
        assert!(page.contains("href=\"speed-1/report.html\""), "{page}");
    }
}
