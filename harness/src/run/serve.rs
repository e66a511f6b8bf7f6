//! One trial for a browser that somebody else brings: the same stage, record and judge, without a WebDriver.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use segproof_core::action::{self, Cues};
use segproof_core::report::TrialReport;

use super::conduct::{Conductor, Signals};
use super::record::Record;
use super::scene::{Hand, Scene};
use super::{Limits, conclude, scenario_of, skip_reason, watch, write_verdict};
use crate::engine;
use crate::plan::{RunPlan, TrialPlan};
use crate::player::Player;

/// What there is to tell while a trial is served.
pub enum News<'a> {
    /// The page can be opened.
    Open {
        url: &'a str,
        /// The media hosts, where a browser has to be told first that their certificate is all right.
        to_be_trusted: &'a [&'a str],
    },
    /// The trial is over and judged; its files are written.
    Judged(&'a TrialReport),
    /// The trial came to its end by itself, and the stream goes on.
    GoesOn,
}

/// Serves a trial until `stop`, and judges it at its end or, if that comes first, at `stop`: what was cut off is
/// inconclusive. After the end it goes on serving. One page is judged: the first that is opened.
///
/// # Errors
/// What is our own fault or the command's: an unreadable scenario, an address that can't be listened on, a scenario
/// that is not for this player or not without a WebDriver.
pub async fn serve_trial(
    plan: &RunPlan,
    trial: &TrialPlan,
    mut tell: impl FnMut(News),
    stop: impl Future<Output = ()>,
) -> anyhow::Result<TrialReport> {
    let folder = trial.dir(&plan.out);
    std::fs::create_dir_all(&folder)?;
    let scenario = scenario_of(trial)?;
    let player = Player::at(&trial.home)?;
    if let Some(why) = skip_reason(plan, &scenario, &player) {
        bail!("{} can't be served to {}: {why}", trial.scenario, trial.player);
    }
    let Scene { stage, mut messages, expect, limit_ms, url, preload: _, _live } =
        Scene::open(plan, trial, &scenario, &player, Hand::OfAPerson)
            .await
            .with_context(|| format!("{} can't be served on {}", trial.scenario, plan.listen.host))?;
    let hosts = [stage.bases.first.as_str(), stage.bases.second.as_str()];
    let to_be_trusted = if stage.certificate.is_some() { hosts.as_slice() } else { &[] };
    tell(News::Open { url: &url, to_be_trusted });

    let began = Instant::now();
    let mut record = Record::begin(trial.speed, engine::CLOCK_STEP_MS_MAX);
    let cues = Cues::new(action::actions(&scenario), &expect);
    let mut conductor = Conductor::new(&stage, cues, Signals::new(None, String::new()));
    tokio::pin!(stop);
    let limits = Limits { start: Duration::MAX, stream_ms: limit_ms };
    let end = tokio::select! {
        is_past = watch(&stage, &mut messages, &mut record, &mut conductor, &expect, limits) => Some(is_past),
        () = &mut stop => None,
    };
    if end.is_none() {
        record.lose("it was stopped before the trial's end".into());
    } else if end == Some(false) && conductor.is_held_up {
        record.lose("the time was over, of which the person before the page had taken a part".into());
    }
    conductor.finish(end == Some(true)).await.into_iter().for_each(|why| record.lose(why));

    let trace = record.finish(&stage);
    let mut report = conclude(plan, trial, &scenario, &player, &expect, &stage.fired(), &trace)?;
    report.wall_ms = began.elapsed().as_millis() as u64;
    write_verdict(&folder, &report)?;
    tell(News::Judged(&report));

    if end.is_some() {
        tell(News::GoesOn);
        tokio::select! {
            () = &mut stop => {}
            // What the page says now is for nobody, but must not pile up.
            () = async { while messages.recv().await.is_some() {} } => {}
        }
    }
    Ok(report)
}
