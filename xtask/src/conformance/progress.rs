//! Trials as they finish: a bar on a terminal, a plain line each elsewhere.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use segproof_core::report::{TrialReport, Verdict};
use tokio::sync::mpsc;

use super::kept::Kept;
use crate::report;

/// For whom trials are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    People,
    /// Each on a line of JSON.
    Programs,
    /// For a command that has a story of its own: how far it is, on a terminal.
    Nobody,
}

/// The display of one run.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    form: Form,
    /// Where the trials' pages will be, if that is known of each.
    out: Option<PathBuf>,
    /// Trials of the current pass that have been told: they come by message and again by file.
    told: Arc<Mutex<HashSet<String>>>,
}

impl Progress {
    /// Shows what comes by message, until `finish`, and has it kept.
    pub fn start(
        trials: usize,
        form: Form,
        out: Option<PathBuf>,
        mut finished: mpsc::UnboundedReceiver<TrialReport>,
        kept: Option<Arc<Kept>>,
    ) -> Progress {
        let bar = ProgressBar::new(trials as u64);
        if form == Form::Programs {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        let progress = Progress { bar, form, out, told: Arc::default() };
        let shown = progress.clone();
        tokio::spawn(async move {
            while let Some(report) = finished.recv().await {
                if let Some(kept) = &kept {
                    // What cannot be kept now is tried again at the round's end, which says why.
                    let _later = kept.hear(&report::name(&report));
                }
                shown.say(&report);
            }
        });
        progress
    }

    /// A new pass begins, in which trials that have been told may be told again.
    pub fn begin_pass(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Tells a finished trial, once in each pass.
    pub fn say(&self, trial: &TrialReport) {
        if !self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(report::name(trial)) {
            return;
        }
        self.bar.inc(1);
        match self.form {
            Form::Programs => return println!("{}", report::json_line(trial)),
            Form::Nobody => return,
            Form::People => {}
        }
        let line = report::told(trial, self.out.as_deref());
        if self.bar.is_hidden() {
            println!("{line}");
        } else if matches!(trial.verdict, Verdict::Pass | Verdict::Known | Verdict::Skipped) {
            self.bar.set_message(report::name(trial));
        } else {
            self.bar.println(line);
        }
    }

    /// Says that so many inconclusive trials are run again, and how.
    pub fn rerun(&self, count: usize, how: &str) {
        self.begin_pass();
        self.bar.inc_length(count as u64);
        let line = format!("{count} inconclusive: {how}");
        match self.form {
            Form::Programs => eprintln!("{line}"),
            Form::People if self.bar.is_hidden() => println!("{line}"),
            Form::People => self.bar.println(line),
            Form::Nobody => {}
        }
    }

    /// Prints what is for a person, above the bar.
    pub fn print(&self, text: &str) {
        self.bar.suspend(|| println!("{text}"));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
