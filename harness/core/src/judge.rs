//! From a trace to a verdict.
//!
//! Lost evidence is never a pass: a trace that doesn't allow a judgement is inconclusive, with the reason. Nor is a
//! player accused of what a slow machine may have done: a failure with a late heartbeat is inconclusive. But what
//! passed on a machine that was late by less than half a target duration has passed: every rule has read a whole record,
//! and what a late timer can hide is one wait that was too short. And what a viewer sees faster than life is good evidence
//! of a pass only.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::conduct::Conduct;
use crate::expect::{Expect, Profile};
use crate::report::{Form, Level, Picture, Sound, TrialReport, Verdict, ViolationReport};
use crate::rules::{Case, RULES, Violation, sync};
use crate::scenario::Outcome;
use crate::selfcheck;
use crate::trace::{Beat, PageEvent, Trace, Witness};
use crate::view::{Progress, View};
use crate::witness;

/// `known.toml` of a player: violations that are expected, each with a reason.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFile {
    #[serde(default)]
    pub known: Vec<Known>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Globs on the scenario's name.
    pub scenario: OneOrMore,
    /// The engines it was seen in; without, all of them.
    pub browser: Option<OneOrMore>,
    /// Each of them is broken in each of these scenarios.
    pub rule: OneOrMore,
    pub because: String,
    /// What it was seen with, player or engine, as in `hls.js 1.7.4` or `webkitgtk 2.50`; told with the reason, so that
    /// whoever has another version knows where to look when it passes.
    pub version: Option<OneOrMore>,
    /// How often it was seen to pass nevertheless: then a pass is not unexpected.
    pub passes: Option<Passes>,
}

/// `2/5`: in two of five runs the rule was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Passes {
    pub passed: u32,
    pub of: u32,
}

impl TryFrom<String> for Passes {
    type Error = String;

    fn try_from(text: String) -> Result<Passes, String> {
        let parsed = text
            .split_once('/')
            .and_then(|(passed, of)| Some(Passes { passed: passed.parse().ok()?, of: of.parse().ok()? }));
        match parsed {
            None => Err(format!("`{text}` is not K/N: in K of N runs the rule was kept, as in `2/5`")),
            Some(Passes { of: 0 | 1, .. }) => {
                Err(format!("`{text}` says nothing of how often it passes: run it at least twice"))
            }
            Some(Passes { passed, of }) if passed >= of => {
                Err(format!("`{text}`: what was never seen to fail is not known to; leave the entry out"))
            }
            Some(passes) => Ok(passes),
        }
    }
}

/// A string, or a list of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        };
        all.iter().map(String::as_str)
    }
}

impl Known {
    /// Whether it is about the scenario of that name in that engine.
    pub fn is_of(&self, scenario: &str, browser: &str) -> bool {
        let is_there =
            self.browser.as_ref().is_none_or(|browsers| browsers.iter().any(|name| name == browser));
        let is_of = |glob: &str| glob::Pattern::new(glob).is_ok_and(|glob| glob.matches(scenario));
        is_there && self.scenario.iter().any(is_of)
    }

    fn is_about(&self, rule: &str) -> bool {
        self.rule.iter().any(|known| known == rule)
    }

    /// With what it was seen, in parentheses behind a sentence.
    fn seen_with(&self) -> String {
        let versions: Vec<&str> = self.version.iter().flat_map(OneOrMore::iter).collect();
        if versions.is_empty() { String::new() } else { format!(" (seen with {})", versions.join(", ")) }
    }
}

/// What is decided beside the evidence.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub scenario: &'a str,
    /// The engine's name.
    pub browser: &'a str,
    pub known: &'a [Known],
    /// SHOULD violations fail the trial.
    pub strict: bool,
}

/// A verdict with its grounds.
#[derive(Debug, Clone)]
pub struct Judgement {
    pub verdict: Verdict,
    pub violations: Vec<ViolationReport>,
    pub reason: Option<String>,
    /// How late the latest heartbeat was, stream milliseconds.
    pub late_ms: f64,
}

/// Judges a trial.
pub fn judge(trace: &Trace, expect: &Expect, terms: Terms) -> Judgement {
    let violations = violations(trace, expect, terms);
    let weighed = weigh(&violations, terms);
    let late_ms_max = match weighed {
        Verdict::Pass | Verdict::Known => expect.target_duration_ms / 2.0,
        _ => LATE_MS_MAX,
    };
    let doubt = doubt(trace, late_ms_max)
        .or_else(|| of_the_engine(trace, weighed, &violations, expect.target_duration_ms))
        .or_else(|| of_the_speed(trace, weighed, &violations, terms));
    let verdict = if doubt.is_some() { Verdict::Inconclusive } else { weighed };
    let reason = doubt.or_else(|| because(verdict, &violations, terms));
    let late_ms = pulses(trace).iter().filter_map(|(pulse, _)| Some(pulse.latest()?.1)).fold(0.0, f64::max);
    Judgement { verdict, violations, reason, late_ms }
}

/// Why a failure, or a pass that known.toml does not expect, is left to speed 1, if so. What was proven at this speed stays
/// so, whatever is found there.
///
/// What the viewer sees depends on what does not run faster with the stream: engines stop some wall time before a hole, or
/// the end, of their media, and wait for a moment behind a seek; decoders and the player's own script take what they take.
/// No speed makes a player break what the standards ask of it, but for waits.
fn of_the_speed(
    trace: &Trace,
    weighed: Verdict,
    violations: &[ViolationReport],
    terms: Terms,
) -> Option<String> {
    let what = match weighed {
        _ if trace.speed <= 1.0 => return None,
        Verdict::Fail => {
            let accused = violations.iter().find(|v| v.binding && !v.known && is_of_time(v))?;
            format!("{}: {}", accused.rule, accused.what)
        }
        Verdict::UnexpectedPass => because(weighed, violations, terms)?,
        _ => return None,
    };
    Some(format!("{LEFT_TO_SPEED_1}; at speed {}, {what}", trace.speed))
}

/// Why frames that were not shown at speed 1 are no evidence, if so: the engine has dropped others there, because it could not keep
/// up, and does not count all that it never came to. What a player loses comes to no decoder, and nothing is dropped for it.
fn of_the_engine(
    trace: &Trace,
    weighed: Verdict,
    violations: &[ViolationReport],
    target_duration_ms: f64,
) -> Option<String> {
    if weighed != Verdict::Fail || trace.speed > 1.0 {
        return None;
    }
    let dropped_before = |at_ms: f64| {
        let mut counts =
            trace.page.iter().filter(|entry| entry.at_ms <= at_ms).filter_map(|entry| match entry.event {
                PageEvent::Frame { dropped, .. } => Some(dropped),
                _ => None,
            });
        counts.next_back().unwrap_or(0)
    };
    let dropped_at = |violation: &ViolationReport| {
        let at_ms = violation.at_ms.filter(|_| violation.rule == MISSING_FRAMES)?;
        let dropped =
            dropped_before(at_ms).saturating_sub(dropped_before(at_ms - DROPPED_TD * target_duration_ms));
        (dropped >= DROPPED_MIN).then_some((dropped, at_ms))
    };
    let accused: Vec<_> =
        violations.iter().filter(|violation| violation.binding && !violation.known).collect();
    let all: Option<Vec<(u64, f64)>> = accused.iter().map(|violation| dropped_at(violation)).collect();
    let ((dropped, at_ms), violation) = all?.into_iter().zip(accused).next()?;
    Some(format!(
        "{LATE}: the engine dropped {dropped} frames before {:.1} s, where {}",
        at_ms / 1000.0,
        violation.what
    ))
}

/// The rule of what was not shown.
const MISSING_FRAMES: &str = "view/no-missing-frames";
/// Seen: up to three behind a seek, and five to sixteen in a segment of which a busy machine had shown a half or less.
const DROPPED_MIN: u64 = 5;
/// How long before the frame that comes next.
const DROPPED_TD: f64 = 1.5;

/// Whether a trial is inconclusive for that alone: its evidence is good.
pub fn is_left_to_speed_1(report: &TrialReport) -> bool {
    report.reason.as_deref().is_some_and(|reason| reason.starts_with(LEFT_TO_SPEED_1))
}

/// Whether a trial was inconclusive because the machine was busy with something else.
pub fn is_late(report: &TrialReport) -> bool {
    report.verdict == Verdict::Inconclusive
        && report.reason.as_deref().is_some_and(|reason| reason.starts_with(LATE))
}

const LATE: &str = "the machine could not keep up";
const LEFT_TO_SPEED_1: &str = "what is a matter of time is decided at speed 1";

/// Whether a violation may be one at a higher speed only.
pub fn is_of_time(violation: &ViolationReport) -> bool {
    violation.level == Level::Viewer || WAITS.contains(&violation.rule.as_str())
}

/// Rules of the standards that are about how long somebody waits: a page's timers run faster, its requests don't.
const WAITS: &[&str] = &["hls/reload-interval"];

/// What a judged trial comes to by another known.toml. Without its trace: where it was let pass and would fail now, which
/// asks more of the evidence, there is no answer.
pub fn reweighed(mut report: TrialReport, terms: Terms) -> Option<TrialReport> {
    if !matches!(report.verdict, Verdict::Pass | Verdict::Known | Verdict::Fail | Verdict::UnexpectedPass) {
        return Some(report);
    }
    for violation in &mut report.violations {
        violation.known = applicable(terms).any(|known| known.is_about(&violation.rule));
    }
    let before = std::mem::replace(&mut report.verdict, weigh(&report.violations, terms));
    report.reason = because(report.verdict, &report.violations, terms);
    let is_mild = |verdict| matches!(verdict, Verdict::Pass | Verdict::Known);
    (!is_mild(before) || is_mild(report.verdict)).then_some(report)
}

/// The reason that known.toml gives for a verdict.
fn because(verdict: Verdict, violations: &[ViolationReport], terms: Terms) -> Option<String> {
    match verdict {
        Verdict::UnexpectedPass => {
            let passed = unfulfilled(violations, terms);
            let passed: Vec<_> = passed.map(|(known, rule)| format!("{rule}{}", known.seen_with())).collect();
            Some(format!("known.toml expects a violation that did not happen: {}", passed.join(", ")))
        }
        Verdict::Known => {
            let is_broken = |known: &&Known| violations.iter().any(|v| known.is_about(&v.rule));
            let rules = |known: &Known| known.rule.iter().collect::<Vec<_>>().join(", ");
            let because = |k: &Known| format!("{}: {}{}", rules(k), k.because, k.seen_with());
            Some(applicable(terms).filter(is_broken).map(because).collect::<Vec<_>>().join("; "))
        }
        _ => None,
    }
}

fn violations(trace: &Trace, expect: &Expect, terms: Terms) -> Vec<ViolationReport> {
    let view = View::new(trace, expect);
    let case = Case { trace, expect, view: &view };
    let stream = if expect.is_illegal { crate::report::Stream::Illegal } else { selfcheck::check(trace).0 };
    let mut all = Vec::new();
    for rule in RULES {
        for (level, violation) in collapse(rule.level, (rule.check)(&case)) {
            all.push(ViolationReport {
                rule: rule.id.to_string(),
                level,
                stream,
                what: violation.what,
                says: rule.says.to_string(),
                rests_on: rule.rests_on.to_string(),
                around: Vec::new(),
                at_ms: Some(violation.at_ms),
                known: applicable(terms).any(|known| known.is_about(rule.id)),
                binding: match level {
                    Level::Must | Level::Viewer => true,
                    Level::Should => terms.strict,
                    Level::Seed => expect.profile == Profile::Seed,
                },
            });
        }
    }
    all
}

/// Shows the first few of each level and counts the rest: a grave one must not hide behind many light ones.
fn collapse(of_rule: Level, broken: Vec<Violation>) -> Vec<(Level, Violation)> {
    let level = |violation: &Violation| violation.level.unwrap_or(of_rule);
    let mut counts: BTreeMap<Level, usize> = BTreeMap::new();
    broken.iter().for_each(|violation| *counts.entry(level(violation)).or_default() += 1);
    let mut shown: BTreeMap<Level, usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for mut violation in broken {
        let level = level(&violation);
        let nth = shown.entry(level).or_default();
        *nth += 1;
        let more = counts[&level].saturating_sub(SHOWN_MAX);
        if *nth == SHOWN_MAX && more > 0 {
            violation.what.push_str(&format!(" (and {more} times more)"));
        }
        if *nth <= SHOWN_MAX {
            kept.push((level, violation));
        }
    }
    kept
}

fn weigh(violations: &[ViolationReport], terms: Terms) -> Verdict {
    if violations.iter().any(|v| v.binding && !v.known) {
        return Verdict::Fail;
    }
    if unfulfilled(violations, terms).next().is_some() {
        return Verdict::UnexpectedPass;
    }
    if violations.iter().any(|v| v.known) { Verdict::Known } else { Verdict::Pass }
}

fn applicable<'a>(terms: Terms<'a>) -> impl Iterator<Item = &'a Known> {
    terms.known.iter().filter(move |known| known.is_of(terms.scenario, terms.browser))
}

/// Rules that known.toml expects to be broken, and that were not.
fn unfulfilled<'a>(
    violations: &'a [ViolationReport],
    terms: Terms<'a>,
) -> impl Iterator<Item = (&'a Known, &'a str)> {
    applicable(terms)
        .filter(|known| known.passes.is_none())
        .flat_map(|known| known.rule.iter().map(move |rule| (known, rule)))
        .filter(|(_, rule)| !violations.iter().any(|v| v.rule == *rule))
}

/// Why the evidence does not allow a judgement, if so. Heartbeats may be late by `late_ms_max` stream milliseconds.
fn doubt(trace: &Trace, late_ms_max: f64) -> Option<String> {
    if let Some(lost) = trace.lost.first() {
        return Some(format!("evidence was lost: {lost}"));
    }
    let lanes: [(&str, Vec<u64>); 2] = [
        ("page", trace.page.iter().map(|entry| entry.n).collect()),
        ("origin", trace.requests.iter().map(|request| request.n).collect()),
    ];
    for (lane, numbers) in lanes {
        if let Some((_, n)) = (0..).zip(numbers).find(|(i, n)| i != n) {
            return Some(format!("evidence was lost: the {lane}'s lane has a hole before entry {n}"));
        }
    }
    if trace.page.is_empty() {
        return Some("evidence was lost: the page never reported".into());
    }
    if let Some(why) = witness::disagreement(trace) {
        return Some(format!("page and origin contradict each other: {why}"));
    }
    pulses(trace).iter().find_map(|(pulse, name)| heartbeat_doubt(pulse, name, late_ms_max))
}

/// The heartbeats of one witness.
struct Pulse<'a> {
    trace: &'a Trace,
    of: Witness,
    conduct: Conduct,
}

fn pulses(trace: &Trace) -> [(Pulse<'_>, &'static str); 2] {
    [(Witness::Page, "the page"), (Witness::Origin, "the origin")]
        .map(|(of, name)| (Pulse { trace, of, conduct: Conduct::read(trace) }, name))
}

impl Pulse<'_> {
    fn beats(&self) -> impl Iterator<Item = &Beat> {
        self.trace.beats.iter().filter(|beat| beat.of == self.of)
    }

    /// A page that was meant to be silent is not late.
    fn meant_ms(&self, from_ms: f64, to_ms: f64) -> f64 {
        match self.of {
            Witness::Page => self.conduct.silent_ms(from_ms, to_ms),
            Witness::Origin => 0.0,
        }
    }

    /// Lag is not warped: at a higher speed it costs more stream time.
    fn due_ms(&self, beat: &Beat) -> f64 {
        beat.at_ms - beat.lag_ms * self.trace.speed
    }

    /// The latest one, and how late it was. Loading the page comes before stream time and is not judged.
    fn latest(&self) -> Option<(&Beat, f64)> {
        let judged = self.beats().filter(|beat| self.due_ms(beat) >= 0.0);
        let late = judged.map(|beat| {
            (beat, beat.lag_ms * self.trace.speed - self.meant_ms(self.due_ms(beat), beat.at_ms))
        });
        late.max_by(|(_, a), (_, b)| a.total_cmp(b))
    }
}

fn heartbeat_doubt(pulse: &Pulse, name: &str, late_ms_max: f64) -> Option<String> {
    let trace = pulse.trace;
    let beats: Vec<&Beat> = pulse.beats().collect();
    let Some(last) = beats.last() else { return Some(format!("{name} had no heartbeat")) };
    if let Some((beat, late_ms)) = pulse.latest()
        && late_ms > late_ms_max
    {
        return Some(format!(
            "{LATE}: a heartbeat of {name} was {:.0} ms late at {:.1} s, at speed {}",
            late_ms / trace.speed,
            beat.at_ms / 1000.0,
            trace.speed
        ));
    }
    // One that never came says nothing of its lag.
    let silence_ms_max = late_ms_max + 2.0 * HEARTBEAT_WALL_MS * trace.speed;
    let before_first = (0.0, pulse.due_ms(beats[0]));
    let between =
        beats.windows(2).filter(|pair| pulse.due_ms(pair[1]) >= 0.0).map(|p| (p[0].at_ms, p[1].at_ms));
    let after_last = (last.at_ms, trace.ended_at_ms);
    let (from_ms, to_ms) = [before_first, after_last]
        .into_iter()
        .chain(between)
        .find(|(a, b)| b - a - pulse.meant_ms(*a, *b) > silence_ms_max)?;
    Some(format!(
        "evidence was lost: {name} had no heartbeat for {:.0} ms from {:.1} s on",
        to_ms - from_ms,
        from_ms / 1000.0
    ))
}

/// Whether the trial's last frame has passed the playhead.
pub fn is_until_reached(trace: &Trace, expect: &Expect) -> bool {
    until_reached_ms(trace, expect).is_some()
}

/// Up to when the picture is expected to advance: until the trial's last frame, the end of the media, or the
/// end of the watching, whichever is first.
pub fn playing_until_ms(trace: &Trace, expect: &Expect) -> f64 {
    let is_end = |entry: &&crate::trace::PageEntry| match &entry.event {
        PageEvent::Media { event, .. } => event == "ended",
        // Who has given up plays no more, wrong as it may be to give up: that is `session/terminates`' business.
        PageEvent::PlayerError { fatal, .. } => *fatal,
        _ => false,
    };
    let ended = trace.page.iter().find(is_end).map(|entry| entry.at_ms);
    let is_success = matches!(expect.outcome, Outcome::Playing | Outcome::Ended);
    let finish = (!is_success && expect.finish_ms.is_finite()).then_some(expect.finish_ms);
    [until_reached_ms(trace, expect), ended, finish].into_iter().flatten().fold(trace.ended_at_ms, f64::min)
}

fn until_reached_ms(trace: &Trace, expect: &Expect) -> Option<f64> {
    let mut progress = Progress::new(expect);
    let frames = trace.page.iter().filter_map(|e| match e.event {
        PageEvent::Frame { run, number, media_time, .. } => Some((e.at_ms, run, number, media_time)),
        _ => None,
    });
    let mut frames = frames.peekable();
    for beat in trace.beats.iter().filter(|b| b.of == Witness::Page) {
        while let Some((_, run, number, media_time)) = frames.next_if(|(at, ..)| *at <= beat.at_ms) {
            progress.frame(run, number, media_time);
            if progress.is_past_until(media_time) {
                return Some(beat.at_ms);
            }
        }
        if beat.time.is_some_and(|time| progress.is_past_until(time)) {
            return Some(beat.at_ms);
        }
    }
    None
}

/// What the viewer saw; `None` if nothing.
pub fn picture(trace: &Trace, expect: &Expect) -> Option<Picture> {
    let shown = View::new(trace, expect).shown;
    let conduct = Conduct::read(trace);
    let end_ms = playing_until_ms(trace, expect);
    let ends = shown.last()?.at_ms.max(end_ms);
    let times: Vec<f64> =
        shown.iter().map(|shown| shown.at_ms).chain([ends]).filter(|at| *at <= end_ms).collect();
    let freezes =
        times.windows(2).map(|pair| pair[1] - pair[0] - conduct.unwatched_or_paused_ms(pair[0], pair[1]));
    Some(Picture {
        judged: if trace.speed == 1.0 { Form::EveryFrame } else { Form::OneFrameOfEachSegment },
        frames: shown.len() as u64,
        longest_freeze_ms: freezes.fold(0.0, f64::max) as u64,
    })
}

/// What was heard; `None` if the scenario does not ask.
pub fn sound(trace: &Trace, expect: &Expect) -> Option<Sound> {
    sync::sound(&Case { trace, expect, view: &View::new(trace, expect) })
}

/// The advance of currentTime while frames of that stretch were seen, stream milliseconds.
pub fn verified_ms(trace: &Trace, expect: &Expect) -> u64 {
    let view = View::new(trace, expect);
    let end = playing_until_ms(trace, expect);
    let mut sum = 0.0;
    for pair in view.shown.windows(2) {
        let step = (pair[1].media_time - pair[0].media_time) * 1000.0;
        // A longer step has no frame to vouch for it.
        if pair[1].at_ms <= end && (0.0..SEEN_STEP_MS_MAX).contains(&step) {
            sum += step;
        }
    }
    sum as u64
}

/// A rule broken again and again at the same level is shown this often, then counted.
const SHOWN_MAX: usize = 4;
/// How late a heartbeat of a trial that failed may have been, stream milliseconds.
const LATE_MS_MAX: f64 = 500.0;
/// Page and origin promise a heartbeat this often.
pub const HEARTBEAT_WALL_MS: f64 = 50.0;
const SEEN_STEP_MS_MAX: f64 = 1000.0;
