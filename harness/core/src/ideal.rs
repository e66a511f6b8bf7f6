//! The ideal player: what the best player at the permitted reload rate could have had of this stream.
//!
//! It knows which answers will be right and which will never come: it repeats a bad request at once, gives up
//! a hanging one at once, and downloads everything as soon as it is listed. Limits are derived from it, a
//! segment that even it could not get is excused, and players can be compared by their regret against it.
//! It is simulated against a copy of the origin, in no time at all.

use std::collections::{BTreeMap, BTreeSet};

use crate::exchange::{Reply, Step};
use crate::origin::{Origin, PLAYLIST_PATH};
use crate::trace::{Content, Resource};

/// What the ideal player reaches; stream milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Ideal {
    /// The segment to begin with: three target durations from the end of the first playlist, if one came.
    pub start_msn: Option<u64>,
    /// The first frame could be shown.
    pub start_ms: f64,
    /// Longest stall after that.
    pub stall_ms: f64,
    /// The last frame of the last segment within the horizon has been shown.
    pub finish_ms: f64,
    /// When each segment could first be had.
    pub ready_ms: BTreeMap<u64, f64>,
    /// Listed, but no request in its life would have worked.
    pub never: BTreeSet<u64>,
}

/// Plays the stream up to segment `until`, or, where it ends by itself, for `horizon_ms`.
pub fn ideal(origin: &Origin, until: Option<u64>, horizon_ms: f64) -> Ideal {
    let mut player = Player {
        origin: origin.clone(),
        td_ms: origin.timeline.target_duration_ms,
        init_ms: f64::INFINITY,
        start_msn: None,
        ready_ms: BTreeMap::new(),
        never: BTreeSet::new(),
    };
    player.follow_playlist(until, horizon_ms);
    player.play()
}

struct Player {
    origin: Origin,
    td_ms: f64,
    init_ms: f64,
    start_msn: Option<u64>,
    ready_ms: BTreeMap<u64, f64>,
    never: BTreeSet<u64>,
}

impl Player {
    fn follow_playlist(&mut self, until: Option<u64>, horizon_ms: f64) {
        let (mut now, mut last_text) = (0.0, String::new());
        for _ in 0..RELOADS_MAX {
            let reply = self.origin.handle(now, PLAYLIST_PATH);
            match (good_after_ms(&reply), &reply.content) {
                (Some(wait), Content::Playlist { text }) => {
                    self.take(now + wait, text);
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
    fn take(&mut self, now_ms: f64, text: &str) {
        let Ok((_, playlist)) = m3u8_rs::parse_media_playlist(text.as_bytes()) else { return };
        if !self.init_ms.is_finite() {
            self.init_ms = self.fetch(now_ms, "/live/live.mp4").unwrap_or(f64::INFINITY);
        }
        let is_gap = |s: &m3u8_rs::MediaSegment| s.unknown_tags.iter().any(|t| t.tag == "X-GAP");
        for (i, segment) in playlist.segments.iter().enumerate() {
            let msn = playlist.media_sequence + i as u64;
            if self.ready_ms.contains_key(&msn) || self.never.contains(&msn) {
                continue;
            }
            let path = format!("/live/{}", segment.uri);
            let ready = if is_gap(segment) { None } else { self.fetch(now_ms, &path) };
            if let Some(at) = ready {
                self.ready_ms.insert(msn, at);
            } else {
                self.never.insert(msn);
            }
        }
        if self.start_msn.is_none() {
            self.start_msn = Some(start(&playlist, self.td_ms));
        }
    }

    /// The earliest moment at which a GET from `now_ms` on has returned the right bytes.
    fn fetch(&mut self, now_ms: f64, path: &str) -> Option<f64> {
        let gone_ms = match crate::origin::resource(path) {
            Resource::Segment { msn, .. } => self.origin.timeline.gone_ms(msn),
            _ => now_ms + INIT_PATIENCE_TD * self.td_ms,
        };
        let mut at = now_ms;
        let mut best: Option<f64> = None;
        while at < gone_ms && at < now_ms + INIT_PATIENCE_TD * self.td_ms {
            for _ in 0..ATTEMPTS_AT_ONCE {
                let done = good_after_ms(&self.origin.handle(at, path)).map(|wait| at + wait);
                if let Some(done) = done {
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

    fn play(self) -> Ideal {
        let start = self.start_msn.unwrap_or_default();
        let mut playable = self.ready_ms.range(start..).peekable();
        let start_ms = playable.peek().map_or(f64::INFINITY, |(_, ready)| ready.max(self.init_ms));
        let (mut clock, mut stall_ms) = (start_ms, 0f64);
        for (msn, ready) in playable {
            stall_ms = stall_ms.max(ready - clock);
            clock = clock.max(*ready) + self.origin.timeline.duration_ms(*msn);
        }
        Ideal {
            start_msn: self.start_msn,
            start_ms,
            stall_ms,
            finish_ms: clock,
            ready_ms: self.ready_ms,
            never: self.never,
        }
    }
}

/// RFC 8216, 6.3.3: not less than three target durations from the end.
fn start(playlist: &m3u8_rs::MediaPlaylist, td_ms: f64) -> u64 {
    let mut from_end_ms = 0.0;
    for (i, segment) in playlist.segments.iter().enumerate().rev() {
        from_end_ms += f64::from(segment.duration) * 1000.0;
        if from_end_ms >= 3.0 * td_ms {
            return playlist.media_sequence + i as u64;
        }
    }
    playlist.media_sequence
}

/// How long after the request the whole, right body has arrived; `None` if it never does.
fn good_after_ms(reply: &Reply) -> Option<f64> {
    if reply.status != 200 || reply.content == Content::Nothing {
        return None;
    }
    let mut wait_ms = 0.0;
    let mut sent = 0;
    for step in &reply.steps {
        match step {
            Step::Wait(ms) => wait_ms += ms,
            Step::Head | Step::Throttle(_) => {}
            Step::BodyTo(to) => sent = *to,
            Step::Hang | Step::Reset | Step::Close => return None,
        }
    }
    (sent == reply.body.len()).then_some(wait_ms)
}

/// Between two tries of a request that failed, in target durations.
const RETRY_TD: f64 = 0.1;
/// More tries at the same moment would find nothing new: `nth` faults of a scenario stay below.
const ATTEMPTS_AT_ONCE: usize = 16;
/// How long the ideal player tries for one resource.
const INIT_PATIENCE_TD: f64 = 60.0;
const RELOADS_MAX: usize = 100_000;
