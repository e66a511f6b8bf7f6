//! What the viewer's side did meanwhile, read from the page's lane: stretches in which no picture, or no sign of
//! life, can be asked for, and moments at which the picture may lawfully jump.

use crate::action::What;
use crate::trace::{PageEvent, Trace};
use crate::view::Shown;

/// The conduct of one trial.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conduct {
    pub stretches: Vec<Stretch>,
    /// When the viewer sought, or had the player begin anew, and when that was done: until then a frame from before
    /// it may still be reported.
    pub jumps_ms: Vec<(f64, f64)>,
    playlists: Vec<Delivered>,
}

/// A time of absence, stream milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    pub of: Absence,
    pub from_ms: f64,
    pub to_ms: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// The viewer has paused, or has not been allowed to begin.
    Paused,
    Hidden,
    /// The browser's processes do not run.
    Asleep,
    /// The page's main thread is busy.
    Blocked,
    Offline,
    /// The player was told to stop.
    Stopped,
}

/// The first Media Sequence Number of a playlist that was delivered, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Delivered {
    at_ms: f64,
    first_msn: u64,
}

impl Conduct {
    pub fn read(trace: &Trace) -> Conduct {
        let mut conduct = Conduct::default();
        let mut open: Vec<(Absence, f64)> = Vec::new();
        let mut is_seeking = false;
        for entry in &trace.page {
            if let (PageEvent::Media { event, .. }, true) = (&entry.event, is_seeking)
                && let Some((_, done_ms)) = conduct.jumps_ms.last_mut()
            {
                *done_ms = entry.at_ms;
                // With its MediaSource a player has given up the seek, too: what comes then is another beginning.
                is_seeking = event != "seeked" && event != "emptied";
            }
            let PageEvent::Action { what, error: None, .. } = &entry.event else { continue };
            if matches!(what, What::Seek | What::Start) {
                conduct.jumps_ms.push((entry.at_ms, entry.at_ms));
                is_seeking = *what == What::Seek;
            }
            match edge(*what) {
                Some((of, Edge::Begins)) if !open.iter().any(|(other, _)| *other == of) => {
                    open.push((of, entry.at_ms));
                }
                Some((of, Edge::Ends)) => {
                    for (of, from_ms) in open.extract_if(.., |(other, _)| *other == of) {
                        conduct.stretches.push(Stretch { of, from_ms, to_ms: entry.at_ms });
                    }
                }
                _ => {}
            }
        }
        let unfinished = open.into_iter();
        conduct.stretches.extend(unfinished.map(|(of, from_ms)| Stretch {
            of,
            from_ms,
            to_ms: trace.ended_at_ms,
        }));
        // Without an absence nobody asks for them.
        if !conduct.stretches.is_empty() {
            let delivered = trace.requests.iter().filter_map(|request| {
                let first_msn = request.delivered_listings().first()?.msn;
                Some(Delivered { at_ms: request.ended_ms, first_msn })
            });
            conduct.playlists = delivered.collect();
            conduct.playlists.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        }
        conduct
    }

    /// How much of a time the page could give no sign of life, on purpose.
    pub fn silent_ms(&self, from_ms: f64, to_ms: f64) -> f64 {
        self.overlap_ms(from_ms, to_ms, |of| matches!(of, Absence::Asleep | Absence::Blocked))
    }

    /// How much of a time nobody could watch. A pause needs no excuse, because an element that is paused is not
    /// meant to advance; nor does an offline stretch have one: until its buffer has run out a player plays on.
    pub fn unwatched_ms(&self, from_ms: f64, to_ms: f64) -> f64 {
        self.overlap_ms(from_ms, to_ms, is_unwatched)
    }

    /// How much of a time nobody could watch, or had paused.
    pub fn unwatched_or_paused_ms(&self, from_ms: f64, to_ms: f64) -> f64 {
        self.overlap_ms(from_ms, to_ms, |of| is_unwatched(of) || of == Absence::Paused)
    }

    /// Whether a jump of the viewer's begins, goes on or ends between these times.
    pub fn jumps_within(&self, from_ms: f64, to_ms: f64) -> bool {
        self.jumps_ms.iter().any(|(begun_ms, done_ms)| *begun_ms <= to_ms && *done_ms >= from_ms)
    }

    /// Whether the frames of a segment may be missing: the playhead passed it while nobody could watch, the viewer
    /// jumped over it, or it left the playlist during an absence of the viewer or the network.
    pub fn excuses(&self, msn: u64, shown: &[Shown]) -> bool {
        if self.stretches.is_empty() && self.jumps_ms.is_empty() {
            return false;
        }
        let passed_ms = passing(msn, shown);
        let is_jumped = passed_ms.is_some_and(|(from, to)| self.jumps_within(from, to));
        let is_unwatched = passed_ms.is_some_and(|(from, to)| self.unwatched_ms(from, to) > 0.0);
        // What the playhead had passed before an absence was not lost by it.
        let is_later = |stretch: &Stretch| passed_ms.is_none_or(|(_, to)| to >= stretch.from_ms);
        let mut later = self.stretches.iter().filter(|stretch| is_later(stretch));
        is_jumped || is_unwatched || later.any(|stretch| self.left_during(msn, stretch))
    }

    /// As far as the player can tell from what it was sent: the last playlist before did not lack the segment
    /// yet, and the first one afterwards does.
    fn left_during(&self, msn: u64, stretch: &Stretch) -> bool {
        let before = self.playlists.iter().rfind(|delivered| delivered.at_ms <= stretch.from_ms);
        let after = self.playlists.iter().find(|delivered| delivered.at_ms >= stretch.to_ms);
        before.is_none_or(|delivered| delivered.first_msn <= msn)
            && after.is_some_and(|delivered| delivered.first_msn > msn)
    }

    fn overlap_ms(&self, from_ms: f64, to_ms: f64, counts: impl Fn(Absence) -> bool) -> f64 {
        let mut parts: Vec<(f64, f64)> = self
            .stretches
            .iter()
            .filter(|stretch| counts(stretch.of))
            .map(|stretch| (stretch.from_ms.max(from_ms), stretch.to_ms.min(to_ms)))
            .filter(|(from, to)| from < to)
            .collect();
        parts.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Stretches of two kinds may overlap and count once.
        let (mut sum, mut reached) = (0.0, from_ms);
        for (from, to) in parts {
            sum += (to - from.max(reached)).max(0.0);
            reached = reached.max(to);
        }
        sum
    }
}

enum Edge {
    Begins,
    Ends,
}

fn edge(what: What) -> Option<(Absence, Edge)> {
    Some(match what {
        What::Pause | What::AutoplayDenied => (Absence::Paused, Edge::Begins),
        What::Play => (Absence::Paused, Edge::Ends),
        What::Hide => (Absence::Hidden, Edge::Begins),
        What::Show => (Absence::Hidden, Edge::Ends),
        What::Sleep => (Absence::Asleep, Edge::Begins),
        What::Wake => (Absence::Asleep, Edge::Ends),
        What::Block => (Absence::Blocked, Edge::Begins),
        What::Unblock => (Absence::Blocked, Edge::Ends),
        What::Offline => (Absence::Offline, Edge::Begins),
        What::Online => (Absence::Offline, Edge::Ends),
        What::Stop => (Absence::Stopped, Edge::Begins),
        What::Start => (Absence::Stopped, Edge::Ends),
        What::Seek | What::Clock | What::Quota | What::QuotaOver | What::LoseUpdateend | What::Evict => {
            return None;
        }
    })
}

fn is_unwatched(of: Absence) -> bool {
    matches!(of, Absence::Hidden | Absence::Asleep | Absence::Blocked | Absence::Stopped)
}

/// From the last frame seen before a segment to the first one seen behind it.
fn passing(msn: u64, shown: &[Shown]) -> Option<(f64, f64)> {
    let behind = shown.iter().position(|s| s.msn > msn)?;
    let before = shown[..behind].iter().rfind(|s| s.msn < msn)?;
    Some((before.at_ms, shown[behind].at_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Content, End, Listing, PageEntry, Request, Resource};

    fn trace(actions: &[(f64, What)], playlists: &[(f64, u64)]) -> Trace {
        let page = actions.iter().enumerate().map(|(n, (at_ms, what))| PageEntry {
            n: n as u64,
            at_ms: *at_ms,
            event: PageEvent::Action { what: *what, note: String::new(), error: None },
        });
        let requests = playlists.iter().map(|(ended_ms, first_msn)| Request {
            n: 0,
            at_ms: *ended_ms,
            path: String::new(),
            host: crate::exchange::Host::First,
            range: None,
            resource: Resource::Playlist { variant: 0 },
            attempt: 1,
            status: 200,
            location: None,
            opaque: false,
            content: Content::Playlist {
                text: String::new(),
                listings: vec![Listing {
                    msn: *first_msn,
                    uri: String::new(),
                    range: None,
                    gap: false,
                    same_as: None,
                    init: String::new(),
                    init_range: None,
                }],
            },
            whole_bytes: 1,
            sent_bytes: 1,
            ended_ms: *ended_ms,
            end: End::Complete,
        });
        Trace {
            ended_at_ms: 60_000.0,
            page: page.collect(),
            requests: requests.collect(),
            ..Trace::default()
        }
    }

    fn shown(at_ms: f64, msn: u64) -> Shown {
        Shown { at_ms, frame: msn * 20, media_time: 0.0, msn, presented: 0, dropped: 0 }
    }

    #[test]
    fn stretches_begin_and_end_with_what_was_done() {
        let conduct = Conduct::read(&trace(
            &[
                (-50.0, What::AutoplayDenied),
                (4000.0, What::Play),
                (5000.0, What::Sleep),
                (9000.0, What::Wake),
                (9500.0, What::Hide),
            ],
            &[],
        ));
        let stretch = |of, from_ms, to_ms| Stretch { of, from_ms, to_ms };
        assert_eq!(
            conduct.stretches,
            [
                stretch(Absence::Paused, -50.0, 4000.0),
                stretch(Absence::Asleep, 5000.0, 9000.0),
                stretch(Absence::Hidden, 9500.0, 60_000.0),
            ]
        );
        assert_eq!(conduct.silent_ms(4500.0, 6000.0), 1000.0);
        assert_eq!(conduct.unwatched_ms(8000.0, 10_000.0), 1500.0);
        assert_eq!(conduct.unwatched_ms(0.0, 4000.0), 0.0);
    }

    #[test]
    fn what_could_not_happen_excuses_nothing() {
        let mut trace = trace(&[(1000.0, What::Sleep)], &[]);
        if let PageEvent::Action { error, .. } = &mut trace.page[0].event {
            *error = Some("no".into());
        }
        assert_eq!(Conduct::read(&trace), Conduct::default());
    }

    #[test]
    fn overlapping_stretches_count_once() {
        let conduct = Conduct::read(&trace(
            &[(1000.0, What::Hide), (2000.0, What::Block), (3000.0, What::Unblock), (4000.0, What::Show)],
            &[],
        ));
        assert_eq!(conduct.unwatched_ms(0.0, 5000.0), 3000.0);
        assert_eq!(conduct.silent_ms(0.0, 5000.0), 1000.0);
    }

    #[test]
    fn a_segment_that_the_viewer_jumped_over_is_excused_and_no_other() {
        let conduct = Conduct::read(&trace(&[(5000.0, What::Seek)], &[]));
        let frames = [shown(3000.0, 101), shown(4900.0, 102), shown(5200.0, 105), shown(8000.0, 107)];
        assert!(conduct.excuses(103, &frames) && conduct.excuses(104, &frames));
        assert!(!conduct.excuses(106, &frames));
    }

    #[test]
    fn a_segment_that_left_the_playlist_during_a_pause_is_excused() {
        let actions = [(5000.0, What::Pause), (20_000.0, What::Play)];
        let conduct = Conduct::read(&trace(&actions, &[(4000.0, 100), (21_000.0, 108)]));
        let frames = [shown(4900.0, 102), shown(22_000.0, 111)];
        assert!(conduct.excuses(107, &frames));
        assert!(!conduct.excuses(108, &frames));
        // Gone before the pause.
        assert!(!conduct.excuses(99, &frames));
        // A short pause takes nothing out of the playlist.
        let conduct = Conduct::read(&trace(&actions, &[(4000.0, 100), (21_000.0, 100)]));
        assert!(!conduct.excuses(103, &frames));
    }

    #[test]
    fn what_passes_while_nobody_watches_is_excused() {
        let conduct = Conduct::read(&trace(&[(5000.0, What::Block), (7000.0, What::Unblock)], &[]));
        let frames = [shown(4900.0, 102), shown(7050.0, 104), shown(9000.0, 106)];
        assert!(conduct.excuses(103, &frames));
        assert!(!conduct.excuses(105, &frames));
    }
}
