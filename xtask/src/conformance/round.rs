//! One pass over the selected trials: what is kept, what is run, what is run again.

use std::path::Path;

use segproof_core::judge;
use segproof_core::report::{TrialReport, Verdict};
use segproof_harness::engine::{ENGINES, Engine};
use segproof_harness::plan::{RunPlan, TrialPlan};

use super::kept::{Found, Kept};
use super::nextest::{self, Keeper};
use super::progress::Progress;
use super::select::Selection;
use super::{OWN_PLAYER, collect};
use crate::front::Pacing;
use crate::{machine, report};

/// One pass over the selected trials, with the rerun of those that were inconclusive.
pub struct Round<'a> {
    pub plan: RunPlan,
    pub selection: &'a Selection,
    pub pacing: Pacing,
    pub keeper: Keeper<'a>,
    pub progress: &'a Progress,
    /// The run's output folder, which the reports' paths are relative to.
    pub root: &'a Path,
    /// What has been finished before, and which round this is; `None` where all is to be run.
    pub kept: Option<(&'a Kept, u16)>,
    /// Whether something is done to make it hard.
    pub is_hindered: bool,
    /// Whether an inconclusive trial is worth another run to whoever asks.
    pub is_needed: fn(&TrialReport) -> bool,
}

impl Round<'_> {
    pub async fn run(&self) -> anyhow::Result<Vec<TrialReport>> {
        self.progress.begin_pass();
        let skipped = |trial: &TrialPlan| self.selection.skip_reason(trial);
        let (skipped, bound): (Vec<_>, Vec<_>) =
            self.plan.trials.iter().cloned().partition(|trial| skipped(trial).is_some());
        let mut reports = Vec::new();
        for trial in &skipped {
            let reason = self.selection.skip_reason(trial).unwrap_or_default();
            let report = self.finish(trial, collect::skipped(trial, reason));
            collect::keep(&report, trial, &self.plan.out)?;
            self.progress.say(&report);
            reports.push(report);
        }
        let mut ahead = Vec::new();
        for trial in bound {
            let folder = trial.dir(&self.plan.out);
            let found = match self.kept {
                Some((kept, round)) => kept.find(&trial, round, &folder)?,
                None => Found::Nothing,
            };
            let known = match found {
                // Undecided after its last run is no answer either: that machine was too busy, this one may not be.
                Found::Report(report) if !is_open(&report, self.is_needed) => *report,
                found => {
                    let evidence = match found {
                        Found::Evidence(evidence) => Some(evidence),
                        Found::Report(_) | Found::Nothing => None,
                    };
                    ahead.push(TrialPlan { evidence, ..trial });
                    continue;
                }
            };
            let report = TrialReport { kept: true, ..self.finish(&trial, known) };
            collect::keep(&report, &trial, &self.plan.out)?;
            self.progress.say(&report);
            reports.push(report);
        }
        let before = reports.len();
        if let Some((kept, round)) = self.kept {
            kept.begin(&self.plan, round, None);
        }
        reports.extend(self.pass("plan", &ahead, Some(&self.keeper.front.pace), self.pacing.most()).await?);
        self.rerun(&mut reports[before..]).await?;
        if let Some((kept, round)) = self.kept {
            kept.end();
            // An interrupted run leaves trials that were not run, or not again.
            let is_final =
                |report: &TrialReport| !self.keeper.stop.asked() || report.verdict != Verdict::Inconclusive;
            for (trial, report) in ahead.iter().zip(&reports[before..]).filter(|(_, report)| is_final(report))
            {
                kept.keep(trial, round, report, &trial.dir(&self.plan.out))?;
            }
        }
        let place = |report: &TrialReport| {
            self.plan.trials.iter().position(|trial| trial.name() == report::name(report))
        };
        reports.sort_by_key(place);
        Ok(reports)
    }

    /// Runs trials once, at most `jobs` at a time and as `pace` lets them begin, and reads what they left.
    async fn pass(
        &self,
        name: &str,
        trials: &[TrialPlan],
        pace: Option<&str>,
        jobs: usize,
    ) -> anyhow::Result<Vec<TrialReport>> {
        if trials.is_empty() {
            return Ok(Vec::new());
        }
        let pace = pace.map(str::to_owned);
        let plan = RunPlan { trials: trials.to_vec(), pace, ..self.plan.clone() };
        let outputs = nextest::run(name, &plan, jobs, &self.keeper).await?;
        // What is posted has been posted before its trial ended, hence before nextest did.
        let mut reports = Vec::new();
        for trial in trials {
            let found = collect::read(trial, &plan.out, &outputs, self.keeper.stop.asked());
            let report = collect::with_proven(self.finish(trial, found));
            collect::keep(&report, trial, &plan.out)?;
            collect::keep_output(trial, &plan.out, &outputs)?;
            self.progress.say(&report);
            reports.push(report);
        }
        Ok(reports)
    }

    /// Runs what was inconclusive once more, at speed 1, and where the machine could not keep up even then, a last time with
    /// the machine to itself. A failure that is none of the speed's is never run again.
    async fn rerun(&self, reports: &mut [TrialReport]) -> anyhow::Result<()> {
        if self.is_hindered {
            // It would be again; what is asked is only whether anybody is accused.
            return Ok(());
        }
        let at_a_time = |engine: &Engine| self.pacing.within(machine::cores() * engine.weight.per_core_at_1);
        let (once_more, alone) = ("once more, at speed 1", "a last time, at speed 1, one after another");
        self.again("rerun", once_more, reports, |report| is_open(report, self.is_needed), at_a_time).await?;
        let is_late = |report: &TrialReport| judge::is_late(report) && (self.is_needed)(report);
        self.again("alone", alone, reports, is_late, |_| 1).await
    }

    /// Runs those trials again, at speed 1, engine by engine.
    async fn again(
        &self,
        name: &str,
        how: &str,
        reports: &mut [TrialReport],
        is_open: impl Fn(&TrialReport) -> bool,
        jobs: impl Fn(&Engine) -> usize,
    ) -> anyhow::Result<()> {
        let again: Vec<TrialPlan> = reports
            .iter()
            .filter(|report| is_open(report))
            .filter_map(|report| self.plan.trials.iter().find(|trial| trial.name() == report::name(report)))
            .map(|trial| TrialPlan { speed: 1.0, ..trial.clone() })
            .collect();
        if again.is_empty() || self.keeper.stop.asked() {
            return Ok(());
        }
        self.progress.rerun(again.len(), how);
        for trial in &again {
            collect::set_aside(&trial.dir(&self.plan.out))?;
        }
        if let Some((kept, round)) = self.kept {
            kept.begin(&self.plan, round, Some(reports));
        }
        for engine in ENGINES {
            let of_it: Vec<TrialPlan> =
                again.iter().filter(|trial| trial.browser == engine.name).cloned().collect();
            let plan = format!("plan-{name}-{}", engine.name);
            for second in self.pass(&plan, &of_it, None, jobs(engine)).await? {
                let name = report::name(&second);
                if let Some(slot) = reports.iter_mut().find(|report| report::name(report) == name) {
                    *slot = collect::second(slot.clone(), second);
                }
            }
        }
        for (report, trial) in reports.iter().filter_map(|report| {
            let trial = again.iter().find(|trial| trial.name() == report::name(report))?;
            Some((report, trial))
        }) {
            collect::keep(report, trial, &self.plan.out)?;
        }
        Ok(())
    }

    /// Adds what the runner knows better than the trial.
    fn finish(&self, trial: &TrialPlan, mut report: TrialReport) -> TrialReport {
        let dir = trial.dir(&self.plan.out);
        report.dir = dir.strip_prefix(self.root).unwrap_or(&dir).display().to_string();
        report.repro = format!("{} --speed {}", trial.repro, report.speed);
        // Our own player comes to whatever a right scenario is about.
        if report.player == OWN_PLAYER && report.is_beside_the_point() {
            report.own_fault = report.reason.clone();
        }
        if report.summary.is_empty() {
            report.summary = self.selection.summary(trial);
        }
        report
    }
}

/// Whether another run would tell what is asked.
fn is_open(report: &TrialReport, is_needed: fn(&TrialReport) -> bool) -> bool {
    collect::is_worth_another_run(report) && is_needed(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_kept_trial_without_an_answer_is_played_where_somebody_asks() {
        let kept = |verdict, speed| TrialReport { speed, ..sample::trial("a/b", verdict) };
        let undecided = kept(Verdict::Inconclusive, 4.0);
        assert!(is_open(&undecided, |_| true));
        assert!(!is_open(&undecided, |_| false), "nobody asks");
        assert!(is_open(&kept(Verdict::Inconclusive, 1.0), |_| true), "the machine was too busy twice");
        for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Known] {
            assert!(!is_open(&kept(verdict, 4.0), |_| true));
        }
    }
}
