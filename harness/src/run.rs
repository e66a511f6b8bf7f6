//! One trial: fixture -> packager -> origin (+ faults) -> browser (+ probe) -> trace -> judge -> report.

mod conduct;
mod explain;
mod record;
mod scene;
mod serve;
mod stream;

use std::collections::BTreeSet;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

use anyhow::Context;
use segproof_core::action::{self, Cues};
use segproof_core::coverage;
use segproof_core::expect::Expect;
use segproof_core::judge::{self, Judgement, Terms};
use segproof_core::lanes;
use segproof_core::regret;
use segproof_core::report::{NOT_REACHED, TrialReport, Verdict};
use segproof_core::scenario::{Outcome, Scenario};
use segproof_core::selfcheck;
use segproof_core::trace::{PageEvent, Trace};
use segproof_core::view::Progress;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::browser::{Probing, Session};
use crate::engine;
use crate::plan::{
    Begin, Begun, FIRED_FILE, LANES_FILE, MadeFixture, RunPlan, SCENARIO_FILE, TRACE_FILE, TrialPlan,
    VERDICT_FILE,
};
use crate::player::{Home, Player};
use crate::serve::{Fired, PageMessage, Stage};
use conduct::{Conductor, Signals};
use record::Record;
use scene::{Hand, Scene};
pub use serve::{News, serve_trial};

/// Runs a trial, writes its files and returns what verdict.json says. An error is our own fault (an unreadable
/// scenario, a full disk), never the player's.
pub async fn run_trial(plan: &RunPlan, trial: &TrialPlan) -> anyhow::Result<TrialReport> {
    if let Some(evidence) = &trial.evidence {
        return judge_again(plan, trial, evidence);
    }
    let trial = &begin(plan, trial).await?;
    let began = Instant::now();
    let folder = trial.dir(&plan.out);
    std::fs::create_dir_all(&folder)?;
    let scenario = scenario_of(trial)?;
    let player = Player::at(&trial.home)?;
    let mut report = match skip_reason(plan, &scenario, &player) {
        Some(why) => {
            let report = blank(plan, trial, &scenario);
            TrialReport { verdict: Verdict::Skipped, reason: Some(why), ..report }
        }
        None => perform(plan, trial, &scenario, &player).await?,
    };
    report.wall_ms = began.elapsed().as_millis() as u64;
    write_verdict(&folder, &report)?;
    Ok(report)
}

/// Judges what an earlier run has left; it was played as long as it was played then, by that run's rules.
fn judge_again(plan: &RunPlan, trial: &TrialPlan, evidence: &Path) -> anyhow::Result<TrialReport> {
    let read = |name: &str| {
        let file = evidence.join(name);
        std::fs::read_to_string(&file).with_context(|| file.display().to_string())
    };
    let before: TrialReport = serde_json::from_str(&read(VERDICT_FILE)?)?;
    let trace = Trace::from_jsonl(&read(TRACE_FILE)?)
        .map_err(|why| anyhow::anyhow!("{}: {why}", evidence.join(TRACE_FILE).display()))?;
    let fired = read(FIRED_FILE)?;
    let fired = fired.lines().map(serde_json::from_str).collect::<Result<Vec<Fired>, _>>()?;
    let scenario = scenario_of(trial)?;
    let player = Player::at(&trial.home)?;
    let expect = stream::expect(plan, &scenario, player.settings.profile)?;
    let trial = &TrialPlan { speed: trace.speed, ..trial.clone() };
    std::fs::create_dir_all(trial.dir(&plan.out))?;
    let report = conclude(plan, trial, &scenario, &player, &expect, &fired, &trace)?;
    let report = TrialReport {
        browser_version: before.browser_version,
        wall_ms: before.wall_ms,
        start_ms: before.start_ms,
        run_ms: before.run_ms,
        judge_ms: before.judge_ms,
        first: before.first,
        kept: true,
        ..report
    };
    write_verdict(&trial.dir(&plan.out), &report)?;
    Ok(report)
}

/// The trial at the speed that the machine has room for, when it has.
async fn begin(plan: &RunPlan, trial: &TrialPlan) -> anyhow::Result<TrialPlan> {
    let Some(url) = &plan.pace else { return Ok(trial.clone()) };
    let half_places = engine::engine(&trial.browser).map_or(2, |e| e.weight.half_places);
    let asked = Begin { trial: trial.name(), speed: trial.speed, half_places, pid: std::process::id() };
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.post(url).json(&asked).send().await?.error_for_status()?;
    let Begun { speed } = answer.json().await.context("the runner's answer")?;
    Ok(TrialPlan { speed, ..trial.clone() })
}

/// Takes back a verdict that rests on nothing: a mistake of ours, or a fault that was never met.
fn question(report: &mut TrialReport) {
    let unreached = &report.coverage.unreached;
    if let Some(fault) = &report.own_fault {
        report.verdict = Verdict::Inconclusive;
        report.reason = Some(format!("the suite's own fault: {fault}"));
    } else if !unreached.is_empty() && report.verdict == Verdict::Pass {
        // What failed was judged by its other rules.
        report.verdict = Verdict::Inconclusive;
        report.reason = Some(format!("{NOT_REACHED}{}", unreached.join("; ")));
    }
}

/// Why the trial does not apply to this player on these browsers, if so.
fn skip_reason(plan: &RunPlan, scenario: &Scenario, player: &Player) -> Option<String> {
    let lacking = player.lacks(&scenario.needs);
    if !lacking.is_empty() {
        return Some(format!("the player can't: {lacking:?}"));
    }
    if let Some(setting) = player.ignores(&scenario.app).first() {
        return Some(format!("the player's page does not map the setting `{setting}`"));
    }
    let is_foreign = action::sleeps(scenario) && plan.signals.is_none();
    is_foreign.then(|| "browsers that are not ours can't be put to sleep".to_string())
}

/// A trial's scenario, with what the trial changes of it.
fn scenario_of(trial: &TrialPlan) -> anyhow::Result<Scenario> {
    let mut scenario = read_scenario(&trial.scenario_file)?;
    trial.instead.in_place_of(&mut scenario);
    Ok(scenario)
}

/// Whether the media that a scenario names can be what it makes of them; the error names the file.
pub fn check_media(made: &[MadeFixture], trial: &TrialPlan) -> anyhow::Result<()> {
    stream::check(made, &scenario_of(trial)?).with_context(|| trial.scenario_file.display().to_string())
}

/// Reads a scenario; the error shows file, line and caret.
pub fn read_scenario(path: &Path) -> anyhow::Result<Scenario> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{shown}: {error}"))?;
    let mut scenario =
        Scenario::parse(&text).map_err(|error| anyhow::anyhow!("{}", error.render(&shown, &text)))?;
    for file in scenario.files() {
        // Beside the scenario, and nowhere else: a scenario is handed on as a folder.
        let is_name = Path::new(&file).components().all(|part| matches!(part, Component::Normal(_)));
        let beside = path.with_file_name(&file);
        let text = match is_name {
            true => std::fs::read_to_string(&beside).map_err(|error| error.to_string()),
            false => {
                Err("a file beside the scenario is meant, without `/` at its beginning and `..`".to_string())
            }
        };
        let text = text.map_err(|why| anyhow::anyhow!("{shown}: file = {file:?}: {why}"))?;
        scenario.attach(&file, &text);
    }
    Ok(scenario)
}

async fn perform(
    plan: &RunPlan,
    trial: &TrialPlan,
    scenario: &Scenario,
    player: &Player,
) -> anyhow::Result<TrialReport> {
    let folder = trial.dir(&plan.out);
    // Before the scene: a session may be waited for, and a live source runs on meanwhile.
    let asked = Instant::now();
    let probing = match player.home {
        Home::Folder(_) => Probing::Served,
        Home::Elsewhere(_) => Probing::Preloaded,
    };
    let session = Session::open(&plan.webdriver, &trial.browser, &trial.name(), probing).await;
    let given = Instant::now();
    let session = match session {
        Ok(session) if probing == Probing::Preloaded && !session.can_preload() => {
            session.quit().await;
            let reason = Some(format!("the remote WebDriver's session has no BiDi, {NEEDS_BIDI}"));
            return Ok(TrialReport { verdict: Verdict::Skipped, reason, ..blank(plan, trial, scenario) });
        }
        session => session,
    };
    let scene = match Scene::open(plan, trial, scenario, player, Hand::Nobodys).await {
        Ok(scene) => scene,
        Err(error) => {
            if let Ok(session) = session {
                session.quit().await;
            }
            return Err(error);
        }
    };
    let Scene { stage, mut messages, expect, limit_ms, url, preload, _live } = scene;
    let clock_step_ms = engine::engine(&trial.browser).map_or(engine::CLOCK_STEP_MS_MAX, |e| e.clock_step_ms);
    let mut record = Record::begin(trial.speed, clock_step_ms);

    let (browser_version, session) = match session {
        Ok(session) => (session.version.clone(), Some(session)),
        Err(error) => {
            record.lose(format!("the browser gave no session: {error:#}"));
            (String::new(), None)
        }
    };
    if let Some(session) = &session {
        let cues = Cues::new(action::actions(scenario), &expect);
        let mut conductor = Conductor::new(&stage, cues, Signals::new(plan.signals.clone(), session.id()));
        let start = if preload.is_some() { START_WALL_ELSEWHERE } else { START_WALL };
        let limits = Limits { start, stream_ms: limit_ms };
        let watching = watch(&stage, &mut messages, &mut record, &mut conductor, &expect, limits);
        let is_past = tokio::select! {
            is_past = watching => is_past,
            lost = show(session, &url, preload.as_deref()) => {
                record.lose(lost);
                false
            }
        };
        conductor.finish(is_past).await.into_iter().for_each(|why| record.lose(why));
        if record.is_out_of_sight() {
            record.lose("the page has a SourceBuffer, and the media element of it was not seen".into());
        }
        if preload.is_some() && stage.requests().is_empty() && record.has_asked(&stage.stream_url()) {
            record.lose("the page asked for the stream, and its browser let no request come to it".into());
        }
    }

    let watched = Instant::now();
    let trace = record.finish(&stage);
    let report =
        conclude(plan, trial, scenario, player, &expect, &stage.fired(), &trace).map(|report| TrialReport {
            browser_version,
            start_ms: (given - asked).as_millis() as u64,
            run_ms: (watched - given).as_millis() as u64,
            judge_ms: watched.elapsed().as_millis() as u64,
            ..report
        });
    if let Some(session) = session {
        // Before anything that can fail: a session that is dropped blocks.
        let picture = match &report {
            Ok(report) if !is_plain(report) => {
                let picture = session.screenshot().await.ok();
                held_open(plan, report, &mut messages).await;
                picture
            }
            _ => None,
        };
        session.quit().await;
        if let Some(picture) = picture {
            std::fs::write(folder.join("page.png"), picture)?;
        }
    }
    report
}

/// Opens the page. Returns only if it can't be watched, and says why.
async fn show(session: &Session, url: &str, preload: Option<&str>) -> String {
    let opened = async {
        match session.open_page(url).await {
            // The end of the trial is the watcher's business.
            Ok(()) => std::future::pending().await,
            Err(error) => format!("the page could not be opened: {error:#}"),
        }
    };
    let Some(function) = preload else { return opened.await };
    let mut told = match session.preload(function).await {
        Ok(told) => told,
        Err(error) => return format!("the probe could not be put before the page's scripts: {error:#}"),
    };
    tokio::select! {
        why = opened => why,
        Some(why) = told.next() => why,
    }
}

/// Judges what was recorded, and writes down the evidence.
fn conclude(
    plan: &RunPlan,
    trial: &TrialPlan,
    scenario: &Scenario,
    player: &Player,
    expect: &Expect,
    fired: &[Fired],
    trace: &Trace,
) -> anyhow::Result<TrialReport> {
    let terms = Terms {
        scenario: &trial.scenario,
        browser: &trial.browser,
        known: &player.known,
        strict: plan.strict,
    };
    let Judgement { verdict, mut violations, reason, late_ms } = judge::judge(trace, expect, terms);
    explain::explain(&mut violations, trace, scenario, fired);
    write_evidence(&trial.dir(&plan.out), trace, fired)?;
    std::fs::copy(&trial.scenario_file, trial.dir(&plan.out).join(SCENARIO_FILE))?;
    if lanes::are_fixed(scenario) {
        std::fs::write(trial.dir(&plan.out).join(LANES_FILE), lanes::lanes(trace, expect))?;
    }
    let mut report =
        TrialReport { verdict, violations, reason, late_ms: late_ms as u64, ..blank(plan, trial, scenario) };
    report.stream_ms = match verdict {
        Verdict::Pass | Verdict::Fail | Verdict::Known => judge::verified_ms(trace, expect),
        _ => 0,
    };
    report.picture = judge::picture(trace, expect);
    report.sound = judge::sound(trace, expect);
    let fired: BTreeSet<usize> = fired.iter().map(|fired| fired.fault).collect();
    report.coverage = coverage::coverage(scenario, &fired, trace, expect);
    let undeclared = selfcheck::undeclared(trace, &scenario.illegal);
    report.own_fault = undeclared
        .first()
        .map(|what| format!("the stream is illegal and the scenario does not say so: {what}"))
        // Evidence that is not enough for a verdict is not enough for this either.
        .or_else(|| (verdict != Verdict::Inconclusive).then(|| regret::surpassed(trace, expect)).flatten());
    question(&mut report);
    Ok(report)
}

/// Whether there is nothing to look into.
fn is_plain(report: &TrialReport) -> bool {
    matches!(report.verdict, Verdict::Pass | Verdict::Known)
}

/// Where the plan wants it, leaves the browser as it is until somebody has looked at it.
async fn held_open(plan: &RunPlan, report: &TrialReport, messages: &mut UnboundedReceiver<PageMessage>) {
    let Some(url) = &plan.hold else { return };
    let folder = plan.out.join(&report.dir);
    let asked = async {
        // The run may be ended meanwhile, and this trial's process with it: the verdict stands already.
        write_verdict(&folder, report)?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        client.post(url).json(report).send().await?.error_for_status()?;
        anyhow::Ok(())
    };
    tokio::select! {
        // A runner that is gone wants nothing held.
        _ = asked => {}
        // What the page says now is for nobody, but must not pile up.
        () = async { while messages.recv().await.is_some() {} } => {}
    }
}

/// Replaces a trial's verdict by what was found out after it.
pub fn amend(plan: &RunPlan, trial: &TrialPlan, report: &TrialReport) -> anyhow::Result<()> {
    write_verdict(&trial.dir(&plan.out), report)
}

fn write_verdict(folder: &Path, report: &TrialReport) -> anyhow::Result<()> {
    Ok(std::fs::write(folder.join(VERDICT_FILE), serde_json::to_vec_pretty(report)?)?)
}

/// How long a trial is watched.
struct Limits {
    /// From now to the first playlist request.
    start: Duration,
    /// From there on, stream milliseconds.
    stream_ms: f64,
}

/// Follows the trial to its end, and after an end of the session for some target durations more. Says whether
/// the trial's last frame has passed.
async fn watch(
    stage: &Stage,
    messages: &mut UnboundedReceiver<PageMessage>,
    record: &mut Record,
    conductor: &mut Conductor<'_>,
    expect: &Expect,
    limits: Limits,
) -> bool {
    let mut progress = Progress::new(expect);
    let stream = |ms: f64| Duration::from_secs_f64(ms / 1000.0 / stage.clock().speed());
    // Loading the page comes before stream time: the limit runs from the first playlist request on.
    let deadline = tokio::time::sleep(limits.start);
    tokio::pin!(deadline);
    let mut pulse = tokio::time::interval(HEARTBEAT);
    let mut has_begun = false;
    let mut is_over = false;
    loop {
        tokio::select! {
            () = &mut deadline => return false,
            at = pulse.tick() => {
                record.origin_beat(stage, at.into_std());
                if !has_begun && stage.clock().zero_ms().is_some() {
                    has_begun = true;
                    deadline.as_mut().reset(tokio::time::Instant::now() + stream(limits.stream_ms));
                }
            }
            message = messages.recv() => {
                let Some(message) = message else { return false };
                let end = record.take(message, |sign| {
                    if let Sign::Event(event) = sign {
                        conductor.page(event);
                    }
                    ends(sign, &mut progress, expect)
                });
                match end {
                    Some(End::Past) => return true,
                    Some(End::Lost) => return false,
                    Some(End::AfterSilence) if !is_over => {
                        is_over = true;
                        let silence = stream(WATCH_AFTER_END_TD * expect.target_duration_ms);
                        deadline.as_mut().reset(tokio::time::Instant::now() + silence);
                    }
                    _ => {}
                }
            }
        }
        conductor.act();
    }
}

/// What the watcher makes of a sign from the page.
#[derive(Clone, Copy)]
pub(crate) enum Sign<'a> {
    Event(&'a PageEvent),
    /// currentTime of a heartbeat.
    Time(f64),
}

pub(crate) enum End {
    /// The trial's last frame has passed.
    Past,
    /// There is nothing left to watch.
    Lost,
    /// The session is over; a request after the end can only be seen by waiting for it.
    AfterSilence,
}

fn ends(sign: Sign, progress: &mut Progress, expect: &Expect) -> Option<End> {
    let is_past = match sign {
        Sign::Event(PageEvent::Frame { run, number, media_time, .. }) => {
            progress.frame(*run, *number, *media_time);
            progress.is_past_until(*media_time)
        }
        Sign::Event(PageEvent::Media { event, .. }) if event == "ended" => return Some(End::AfterSilence),
        Sign::Event(PageEvent::PlayerError { fatal: true, .. }) => {
            // With the buffer playing out, the end of the media is still to come.
            return (expect.outcome != Outcome::Ended).then_some(End::AfterSilence);
        }
        Sign::Event(_) => false,
        Sign::Time(time) => progress.is_past_until(time),
    };
    (is_past && expect.outcome == Outcome::Playing).then_some(End::Past)
}

fn write_evidence(folder: &Path, trace: &Trace, fired: &[Fired]) -> anyhow::Result<()> {
    std::fs::write(folder.join(TRACE_FILE), trace.to_jsonl())?;
    std::fs::write(folder.join("trace.txt"), trace.to_text())?;
    let fired: Result<Vec<String>, _> = fired.iter().map(serde_json::to_string).collect();
    std::fs::write(folder.join(FIRED_FILE), fired?.join("\n"))?;
    Ok(())
}

fn blank(plan: &RunPlan, trial: &TrialPlan, scenario: &Scenario) -> TrialReport {
    let folder = trial.dir(&plan.out);
    TrialReport {
        player: trial.player.clone(),
        browser: trial.browser.clone(),
        browser_version: String::new(),
        scenario: trial.scenario.clone(),
        verdict: Verdict::Inconclusive,
        violations: Vec::new(),
        reason: None,
        stream_ms: 0,
        wall_ms: 0,
        start_ms: 0,
        run_ms: 0,
        judge_ms: 0,
        speed: trial.speed,
        late_ms: 0,
        kept: false,
        picture: None,
        sound: None,
        dir: folder.strip_prefix(&plan.out).unwrap_or(&folder).display().to_string(),
        repro: trial.repro.clone(),
        summary: scenario.summary.clone(),
        coverage: Default::default(),
        own_fault: None,
        first: None,
    }
}

/// How long a page may take to ask for the playlist.
const START_WALL: Duration = Duration::from_secs(10);
/// The same where the page and its scripts come from somebody else's server.
const START_WALL_ELSEWHERE: Duration = Duration::from_secs(30);
/// What is told of a browser that has no WebDriver BiDi.
pub const NEEDS_BIDI: &str =
    "by which alone the probe comes into a page that is served elsewhere (--player URL)";
const HEARTBEAT: Duration = Duration::from_millis(50);
const WATCH_AFTER_END_TD: f64 = 3.0;
