//! The ideal player: what the best player at the permitted reload rate could have had of this stream.
//!
//! It knows which answers will be right and which will never come: it repeats a bad request at once, gives up
//! a hanging one at once, and downloads everything as soon as it is listed. Limits are derived from it, a
//! segment that even it could not get is excused, and players can be compared by their regret against it.
//! It is simulated against a copy of the origin, in no time at all: here is what it loads, `playback` is its playhead,
//! `viewer` what the scenario's actions do to both.

mod playback;
mod viewer;

use std::collections::{BTreeMap, BTreeSet};

use crate::action::Action;
use crate::exchange::{Ask, Bases, Host, Reply, Step};
use crate::hls;
use crate::origin::{MULTIVARIANT_PATH, Origin, PLAYLIST_PATH};
use crate::trace::{Content, Listing, Resource};
use playback::{Material, Played};
use viewer::Effects;
pub use viewer::Viewer;

/// What the ideal player reaches; stream milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Ideal {
    /// The segment to begin with: three target durations from the end of the first playlist, if one came.
    pub start_msn: Option<u64>,
    /// The first frame could be shown.
    pub start_ms: f64,
    /// Longest stall after that.
    pub stall_ms: f64,
    /// The furthest that it is ever behind the camera.
    pub latency_ms: f64,
    /// The last frame of the last segment within the horizon has been shown.
    pub finish_ms: f64,
    /// When each segment could first be had.
    pub ready_ms: BTreeMap<u64, f64>,
    /// Listed, but no request in its life would have worked.
    pub never: BTreeSet<u64>,
}

/// Plays the stream up to segment `until`, or, where it ends by itself, for `horizon_ms`, to a viewer.
pub fn ideal(origin: &Origin, viewer: &Viewer, until: Option<u64>, horizon_ms: f64) -> Ideal {
    let td_ms = origin.timeline.target_duration_ms;
    let mut waiting: Vec<&Action> = viewer.actions.iter().collect();
    let mut due: Vec<(f64, &Action)> = Vec::new();
    loop {
        let effects = viewer::effects(viewer, &due, td_ms);
        let (ideal, played) = session(origin, &effects, until, horizon_ms);
        // What is due now can't be moved by what is due later.
        let since_ms = due.last().map_or(0.0, |(at_ms, _)| *at_ms);
        let at_ms = |action: &Action| Some(viewer::due_ms(action, &played, td_ms)?.max(since_ms));
        let times = waiting.iter().enumerate().filter_map(|(place, action)| Some((place, at_ms(action)?)));
        let Some((place, at_ms)) = times.min_by(|(_, a), (_, b)| a.total_cmp(b)) else { return ideal };
        due.push((at_ms, waiting.remove(place)));
    }
}

fn session(origin: &Origin, effects: &Effects, until: Option<u64>, horizon_ms: f64) -> (Ideal, Played) {
    let follow = |path: &str| {
        let mut player = Player::new(origin.clone(), effects);
        player.follow_playlist(path, until, horizon_ms);
        player
    };
    // It goes from one variant to another wherever that helps.
    let mut player = follow(PLAYLIST_PATH);
    for path in origin.other_variant_paths() {
        player.take_variant(follow(&path));
    }
    if let Some(path) = origin.audio_path() {
        player.take_sound(&follow(&path));
    }
    player.play(effects)
}

struct Player {
    origin: Origin,
    td_ms: f64,
    /// No request gets through.
    cut_off: Vec<std::ops::Range<f64>>,
    /// URI of an init -> when it could be had.
    inits_ms: BTreeMap<String, f64>,
    start_msn: Option<u64>,
    listed_ms: BTreeMap<u64, f64>,
    ready_ms: BTreeMap<u64, f64>,
    never: BTreeSet<u64>,
}

/// A resource as a playlist names it.
#[derive(Debug, Clone, PartialEq)]
struct Locator {
    host: Host,
    path: String,
    range: Option<(u64, u64)>,
}

impl Locator {
    fn at(host: Host, path: &str) -> Locator {
        Locator { host, path: path.to_string(), range: None }
    }

    /// What a URI means that was found in the answer to this one.
    fn resolve(&self, bases: &Bases, uri: &str) -> Locator {
        let host = match uri {
            _ if uri.starts_with(&bases.second) => Host::Second,
            _ if uri.starts_with(&bases.first) => Host::First,
            _ => self.host,
        };
        Locator { host, path: hls::resolve(&self.path, uri), range: None }
    }
}

impl Player {
    fn new(mut origin: Origin, effects: &Effects) -> Player {
        origin.bases = Bases { first: "http://first".into(), second: "http://second".into() };
        let refused = origin.refusals().into_iter();
        Player {
            td_ms: origin.timeline.target_duration_ms,
            cut_off: refused.chain(effects.cut_off.iter().cloned()).collect(),
            origin,
            inits_ms: BTreeMap::new(),
            start_msn: None,
            listed_ms: BTreeMap::new(),
            ready_ms: BTreeMap::new(),
            never: BTreeSet::new(),
        }
    }

    /// Each segment is taken from the variant that has it first.
    fn take_variant(&mut self, other: Player) {
        let earliest = |all: &mut BTreeMap<u64, f64>, others: BTreeMap<u64, f64>| {
            for (msn, at_ms) in others {
                all.entry(msn).and_modify(|first_ms| *first_ms = at_ms.min(*first_ms)).or_insert(at_ms);
            }
        };
        earliest(&mut self.ready_ms, other.ready_ms);
        earliest(&mut self.listed_ms, other.listed_ms);
        self.never.extend(other.never);
        self.never.retain(|msn| !self.ready_ms.contains_key(msn));
        self.start_msn = self.start_msn.or(other.start_msn);
    }

    /// Of a segment nothing can be shown without its sound.
    fn take_sound(&mut self, sound: &Player) {
        for (msn, ready_ms) in std::mem::take(&mut self.ready_ms) {
            match sound.ready_ms.get(&msn) {
                Some(sound_ms) => {
                    self.ready_ms.insert(msn, ready_ms.max(*sound_ms));
                }
                None => {
                    self.never.insert(msn);
                }
            }
        }
    }

    fn follow_playlist(&mut self, path: &str, until: Option<u64>, horizon_ms: f64) {
        let (mut now, mut last_text) = (0.0, String::new());
        if self.origin.entry_path() == MULTIVARIANT_PATH {
            let entry = Locator::at(Host::First, MULTIVARIANT_PATH);
            now = self.fetch(now, &entry).unwrap_or(0.0);
        }
        let playlist = Locator::at(Host::First, path);
        for _ in 0..RELOADS_MAX {
            let (reply, at) = self.get(now, &playlist);
            match reply.as_ref().map(|reply| (good_after_ms(reply), &reply.content)) {
                Some((Some(wait), Content::Playlist { text, listings })) => {
                    self.take(now + wait, text, listings, &at);
                    let is_over = text.contains("#EXT-X-ENDLIST")
                        || until.is_some_and(|u| self.ready_ms.contains_key(&u) || self.never.contains(&u));
                    if is_over {
                        return;
                    }
                    let arrived = now + wait;
                    // RFC 8216, 6.3.4: one target duration after a change, half of it after none.
                    now += if *text == last_text { self.td_ms / 2.0 } else { self.td_ms };
                    // The next reload waits for this one's answer.
                    now = now.max(arrived);
                    last_text.clone_from(text);
                }
                _ => now += RETRY_TD * self.td_ms,
            }
            if now > horizon_ms {
                return;
            }
        }
    }

    /// Downloads what is new in a playlist that arrived at `now`.
    fn take(&mut self, now_ms: f64, text: &str, listings: &[Listing], from: &Locator) {
        let bases = self.origin.bases.clone();
        for listing in listings {
            let msn = listing.msn;
            self.listed_ms.entry(msn).or_insert(now_ms);
            if self.ready_ms.contains_key(&msn) || self.never.contains(&msn) {
                continue;
            }
            let init_ms = match self.inits_ms.get(&listing.init) {
                Some(init_ms) => *init_ms,
                None => {
                    let init = Locator { range: listing.init_range, ..from.resolve(&bases, &listing.init) };
                    let init_ms = self.fetch(now_ms, &init).unwrap_or(f64::INFINITY);
                    self.inits_ms.insert(listing.init.clone(), init_ms);
                    init_ms
                }
            };
            let segment = Locator { range: listing.range, ..from.resolve(&bases, &listing.uri) };
            let ready = if listing.gap { None } else { self.fetch(now_ms, &segment) };
            match ready {
                Some(at) if init_ms.is_finite() => {
                    self.ready_ms.insert(msn, at.max(init_ms));
                }
                _ => {
                    self.never.insert(msn);
                }
            }
        }
        if self.start_msn.is_none() {
            self.start_msn = start(text, listings, self.td_ms);
        }
    }

    /// The earliest moment at which a GET from `now_ms` on has returned the right bytes.
    fn fetch(&mut self, now_ms: f64, what: &Locator) -> Option<f64> {
        let patience_ms = now_ms + PATIENCE_TD * self.td_ms;
        let mut at = now_ms;
        let mut best: Option<f64> = None;
        let mut gone_ms = patience_ms;
        while at < gone_ms && at < patience_ms {
            for _ in 0..ATTEMPTS_AT_ONCE {
                let (reply, _) = self.get(at, what);
                let Some(reply) = reply else { break };
                if let Resource::Segment { msn, .. } = reply.resource {
                    gone_ms = self.origin.timeline.gone_ms(msn);
                }
                if let Some(done) = good_after_ms(&reply).map(|wait| at + wait) {
                    best = Some(best.map_or(done, |best| best.min(done)));
                    if done == at {
                        return best;
                    }
                }
            }
            if best.is_some_and(|best| best <= at + RETRY_TD * self.td_ms) {
                return best;
            }
            at += RETRY_TD * self.td_ms;
        }
        best
    }

    /// The answer after all redirects, and from where it came; none while connections are refused.
    fn get(&mut self, at_ms: f64, what: &Locator) -> (Option<Reply>, Locator) {
        let mut from = what.clone();
        if self.cut_off.iter().any(|span| span.contains(&at_ms)) {
            return (None, from);
        }
        for _ in 0..REDIRECTS_MAX {
            // The last byte is part of a Range header's range.
            let range = from.range.map(|(first, end)| format!("bytes={first}-{}", end.saturating_sub(1)));
            let ask = Ask { path: &from.path, host: from.host, range: range.as_deref(), ..Ask::default() };
            let reply = self.origin.handle(at_ms, ask);
            let Some(location) = reply.header("location").map(str::to_string) else {
                return (Some(reply), from);
            };
            from = Locator { range: from.range, ..from.resolve(&self.origin.bases, &location) };
        }
        (None, from)
    }

    fn play(self, effects: &Effects) -> (Ideal, Played) {
        let timeline = &self.origin.timeline;
        let of_each =
            |what: &dyn Fn(u64) -> f64| self.ready_ms.keys().map(|msn| (*msn, what(*msn))).collect();
        let material = Material {
            start_msn: self.start_msn.unwrap_or_default(),
            duration_ms: of_each(&|msn| timeline.duration_ms(msn)),
            began_ms: of_each(&|msn| timeline.began_ms(msn)),
            hold_back_ms: HOLD_BACK_TD * self.td_ms,
            ready_ms: self.ready_ms,
        };
        let played = Played { listed_ms: self.listed_ms, ..playback::play(&material, effects) };
        let ideal = Ideal {
            start_msn: self.start_msn,
            start_ms: played.start_ms,
            stall_ms: played.stall_ms,
            latency_ms: played.latency_ms,
            finish_ms: played.finish_ms,
            ready_ms: material.ready_ms,
            never: self.never,
        };
        (ideal, played)
    }
}

/// RFC 8216, 6.3.3: not less than three target durations from the end. Durations are those that the text says.
fn start(text: &str, listings: &[Listing], td_ms: f64) -> Option<u64> {
    let is_over = text.contains("#EXT-X-ENDLIST");
    let mut from_end_ms = 0.0;
    for (listing, duration_ms) in listings.iter().zip(hls::durations_ms(text)).rev() {
        from_end_ms += duration_ms;
        if from_end_ms >= HOLD_BACK_TD * td_ms && !is_over {
            return Some(listing.msn);
        }
    }
    listings.first().map(|listing| listing.msn)
}

/// How long after the request the whole, right body has arrived; `None` if it never does.
fn good_after_ms(reply: &Reply) -> Option<f64> {
    let is_right = matches!(reply.status, 200..=299) && reply.content != Content::Nothing;
    if !is_right || reply.content.is_spoiled() || !reply.is_readable() {
        return None;
    }
    let (mut wait_ms, mut sent, mut throttle): (f64, usize, _) = (0.0, 0, (f64::INFINITY, 0.0));
    for step in &reply.steps {
        match step {
            Step::Wait(ms) => wait_ms += ms,
            Step::Head => {}
            Step::Throttle { bits_per_s, until_ms } => throttle = (*bits_per_s, *until_ms),
            Step::BodyTo(to) => {
                let (bits_per_s, until_ms) = throttle;
                let all_ms = wait_ms + to.saturating_sub(sent) as f64 * 8.0 / bits_per_s * 1000.0;
                // Behind it the rest comes at once.
                wait_ms = all_ms.min(until_ms).max(wait_ms);
                sent = *to;
            }
            Step::Hang | Step::Reset => return None,
            // Complete all the same if nothing is missing.
            Step::Close => {}
        }
    }
    (sent == reply.body.len()).then_some(wait_ms)
}

/// RFC 8216, 6.3.3.
const HOLD_BACK_TD: f64 = 3.0;
/// Between two tries of a request that failed, in target durations.
const RETRY_TD: f64 = 0.1;
/// More tries at the same moment would find nothing new: `nth` faults of a scenario stay below.
const ATTEMPTS_AT_ONCE: usize = 16;
/// How long the ideal player tries for one resource.
const PATIENCE_TD: f64 = 60.0;
const REDIRECTS_MAX: usize = 5;
const RELOADS_MAX: usize = 100_000;
