//! When an action is due: signs of the trial go in, commands for the page come out.

use serde::{Deserialize, Serialize};

use super::{Action, Cue, Deed, Place, What};
use crate::expect::Expect;
use crate::pictures::Pictures;
use crate::trace::{End, PageEvent, Request};

/// What the page is told to do, in the words of the probe's WebSocket. Times are stream time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Command {
    Pause,
    Play,
    Seek {
        to: SeekTo,
    },
    Stop,
    Start,
    Hide,
    Show,
    Offline,
    Online,
    Sleep,
    Wake,
    Block {
        ms: f64,
    },
    Clock {
        by_ms: f64,
    },
    /// Without bytes every append is refused.
    Quota {
        bytes: Option<u64>,
    },
    QuotaOver,
    LoseUpdateend,
    Evict {
        range_s: (f64, f64),
    },
}

/// Where the playhead is put.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "kebab-case")]
pub enum SeekTo {
    Time { s: f64 },
    By { s: f64 },
    Live,
}

impl Command {
    /// What the page's lane says when it was carried out.
    pub fn what(&self) -> What {
        match self {
            Command::Pause => What::Pause,
            Command::Play => What::Play,
            Command::Seek { .. } => What::Seek,
            Command::Stop => What::Stop,
            Command::Start => What::Start,
            Command::Hide => What::Hide,
            Command::Show => What::Show,
            Command::Offline => What::Offline,
            Command::Online => What::Online,
            Command::Sleep => What::Sleep,
            Command::Wake => What::Wake,
            Command::Block { .. } => What::Block,
            Command::Clock { .. } => What::Clock,
            Command::Quota { .. } => What::Quota,
            Command::QuotaOver => What::QuotaOver,
            Command::LoseUpdateend => What::LoseUpdateend,
            Command::Evict { .. } => What::Evict,
        }
    }
}

/// The actions still to come. Feed it every sign, then ask what is [`due`](Cues::due).
#[derive(Debug)]
pub struct Cues {
    waiting: Vec<Action>,
    /// What ends by itself, and when.
    ends: Vec<(f64, Command)>,
    target_duration_ms: f64,
    playhead: Playhead,
    listed: Vec<u64>,
    requested: Vec<u64>,
    /// Requests before this one have ended and are known.
    settled: usize,
}

impl Cues {
    pub fn new<'a>(actions: impl Iterator<Item = &'a Action>, expect: &Expect) -> Cues {
        Cues {
            waiting: actions.cloned().collect(),
            ends: Vec::new(),
            target_duration_ms: expect.target_duration_ms,
            playhead: Playhead {
                start_frame: expect.start_frame,
                frame_ms: expect.frame_ms(),
                pictures: expect.pictures.clone(),
                last: None,
            },
            listed: Vec::new(),
            requested: Vec::new(),
            settled: 0,
        }
    }

    /// The page has seen something.
    pub fn page(&mut self, event: &PageEvent) {
        if let PageEvent::Frame { run, number, media_time, .. } = event {
            self.playhead.frame(*run, *number, *media_time);
        }
    }

    /// The origin's lane so far, whole.
    pub fn requests(&mut self, requests: &[Request]) {
        let mut all_ended = true;
        for (i, request) in requests.iter().enumerate().skip(self.settled) {
            if let Some(msn) = request.resource.msn() {
                self.requested.push(msn);
            }
            self.listed.extend(request.delivered_listings().iter().map(|listing| listing.msn));
            all_ended &= request.end != End::Open;
            if all_ended {
                self.settled = i + 1;
            }
        }
        for known in [&mut self.listed, &mut self.requested] {
            known.sort_unstable();
            known.dedup();
        }
    }

    /// What is to be done at stream time `now_ms`, in order; an error is an action that can't be placed.
    pub fn due(&mut self, now_ms: f64) -> Vec<Result<Command, String>> {
        let mut due = Vec::new();
        let ended: Vec<_> = self.ends.extract_if(.., |(at_ms, _)| *at_ms <= now_ms).collect();
        due.extend(ended.into_iter().map(|(_, command)| Ok(command)));
        let waiting = std::mem::take(&mut self.waiting);
        let (ready, waiting): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|action| self.has_come(action.at, now_ms));
        self.waiting = waiting;
        for action in ready {
            due.push(self.command(&action));
            if let (Some(lasts), Some(opposite)) = (action.lasts, opposite(action.page)) {
                self.ends.push((now_ms + lasts.ms(self.target_duration_ms), opposite));
            }
        }
        due
    }

    /// The cues that have not come.
    pub fn missed(&self) -> impl Iterator<Item = Cue> + '_ {
        self.waiting.iter().map(|action| action.at)
    }

    fn has_come(&self, cue: Cue, now_ms: f64) -> bool {
        match cue {
            Cue::Shown(msn) => self.playhead.has_reached(msn),
            Cue::Listed(msn) => self.listed.binary_search(&msn).is_ok(),
            Cue::Requested(msn) => self.requested.binary_search(&msn).is_ok(),
            Cue::At(span) => span.ms(self.target_duration_ms) <= now_ms,
        }
    }

    fn command(&self, action: &Action) -> Result<Command, String> {
        let td_ms = self.target_duration_ms;
        let ms = |span: Option<crate::notation::Span>| span.map_or(0.0, |span| span.ms(td_ms));
        Ok(match action.page {
            Deed::Pause => Command::Pause,
            Deed::Play => Command::Play,
            Deed::Seek => Command::Seek { to: self.seek_to(action.to)? },
            Deed::Stop => Command::Stop,
            Deed::Start => Command::Start,
            Deed::Hide => Command::Hide,
            Deed::Show => Command::Show,
            Deed::Offline => Command::Offline,
            Deed::Online => Command::Online,
            Deed::Sleep => Command::Sleep,
            Deed::Block => Command::Block { ms: ms(action.lasts) },
            Deed::Clock => Command::Clock { by_ms: action.by.map_or(0.0, |by| by.ms(td_ms)) },
            Deed::Quota => Command::Quota { bytes: action.bytes },
            Deed::LoseUpdateend => Command::LoseUpdateend,
            Deed::Evict => Command::Evict { range_s: self.evicted(action.to)? },
        })
    }

    /// Engines drop whole groups of pictures: what lies behind the playhead ends with the segment before.
    fn evicted(&self, place: Option<Place>) -> Result<(f64, f64), String> {
        let half_frame_s = self.playhead.frame_ms / 2000.0;
        let (begin, end) = match place {
            Some(Place::Segment(msn)) => self.playhead.place(msn)?,
            _ => {
                let msn =
                    self.playhead.showing().ok_or("nothing was shown yet, so nothing lies behind it")?;
                (0.0, self.playhead.place(msn)?.0)
            }
        };
        // A removal goes on to the next random access point; half a frame earlier, that is the one meant.
        Ok(((begin - half_frame_s).max(0.0), (end - half_frame_s).max(0.0)))
    }

    fn seek_to(&self, place: Option<Place>) -> Result<SeekTo, String> {
        Ok(match place {
            // The middle of the first frame: its very beginning may be rounded to the frame before.
            Some(Place::Segment(msn)) => {
                SeekTo::Time { s: self.playhead.place(msn)?.0 + self.playhead.frame_ms / 2000.0 }
            }
            Some(Place::By(by)) => SeekTo::By { s: by.ms(self.target_duration_ms) / 1000.0 },
            Some(Place::Live) | None => SeekTo::Live,
        })
    }
}

/// What undoes a deed that ends by itself. A block ends in the page, which can't be told anything meanwhile.
fn opposite(deed: Deed) -> Option<Command> {
    match deed {
        Deed::Pause => Some(Command::Play),
        Deed::Stop => Some(Command::Start),
        Deed::Hide => Some(Command::Show),
        Deed::Offline => Some(Command::Online),
        Deed::Sleep => Some(Command::Wake),
        Deed::Quota => Some(Command::QuotaOver),
        _ => None,
    }
}

/// Where the playhead is, and where a segment lies in the element's time.
#[derive(Debug)]
struct Playhead {
    start_frame: u64,
    frame_ms: f64,
    pictures: Pictures,
    /// Frame counted on through the stream, and its media time in seconds.
    last: Option<(u64, f64)>,
}

impl Playhead {
    fn frame(&mut self, run: u8, number: u16, media_time: f64) {
        let near = self.last.map_or(self.start_frame, |(frame, _)| frame);
        if let Some((_, frame)) = self.pictures.find(run, u64::from(number), near) {
            self.last = Some((frame, media_time));
        }
    }

    fn has_reached(&self, msn: u64) -> bool {
        let first = self.pictures.first_frame(msn);
        self.last.zip(first).is_some_and(|((frame, _), first)| frame >= first)
    }

    fn showing(&self) -> Option<u64> {
        self.pictures.segment_at(self.last?.0)
    }

    /// Beginning and end of a segment, seconds of currentTime.
    fn place(&self, msn: u64) -> Result<(f64, f64), String> {
        let (frame, media_time) = self
            .last
            .ok_or_else(|| format!("nothing was shown yet, so nobody knows where segment {msn} lies"))?;
        let picture =
            self.pictures.of(msn).ok_or_else(|| format!("nobody knows where segment {msn} lies"))?;
        let at = |count: u64| media_time + (count as f64 - frame as f64) * self.frame_ms / 1000.0;
        Ok((at(picture.before).max(0.0), at(picture.before + picture.frames).max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::Picture;
    use crate::scenario::Scenario;
    use crate::trace::{Content, Listing, Resource};

    /// Segments of 20 frames of 100 ms; segment 100 begins with frame 0.
    fn cues(actions: &str) -> Cues {
        let text = format!("summary = \"x\"\nuntil = \"segment 130\"\nneeds = [\"stop\"]\n{actions}");
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{}", error.render("x", &text)));
        Cues {
            waiting: super::super::actions(&scenario).cloned().collect(),
            ends: Vec::new(),
            target_duration_ms: 2000.0,
            playhead: Playhead {
                start_frame: 0,
                frame_ms: 100.0,
                pictures: Pictures::new((100..140).map(|msn| {
                    let first = (msn - 100) * 20;
                    (msn, Picture { run: 1, first, frames: 20, before: 0, frame_ms: 100.0, began_ms: 0.0 })
                })),
                last: None,
            },
            listed: Vec::new(),
            requested: Vec::new(),
            settled: 0,
        }
    }

    fn action(at: &str, rest: &str) -> String {
        format!("[[action]]\nat = \"{at}\"\n{rest}\n")
    }

    fn shows(cues: &mut Cues, number: u16) {
        cues.page(&frame(number, f64::from(number) / 10.0));
    }

    fn frame(number: u16, media_time: f64) -> PageEvent {
        PageEvent::Frame { run: 1, number, media_time, presented: 0, dropped: 0 }
    }

    #[test]
    fn a_segment_is_shown_from_its_first_frame_on_and_only_once() {
        let mut cues = cues(&action("segment 102", "page = \"pause\"\nfor = \"3s\""));
        shows(&mut cues, 39);
        assert_eq!(cues.due(4000.0), []);
        shows(&mut cues, 41);
        assert_eq!(cues.due(4200.0), [Ok(Command::Pause)]);
        assert_eq!(cues.due(7100.0), []);
        assert_eq!(cues.due(7200.0), [Ok(Command::Play)]);
        assert_eq!(cues.due(9000.0), []);
        assert_eq!(cues.missed().count(), 0);
    }

    #[test]
    fn stream_time_and_the_ends_of_what_lasts() {
        let mut cues = cues(
            &[
                action("4td", "page = \"hide\"\nfor = \"1td\""),
                action("9s", "page = \"block\"\nfor = \"1s\""),
                action("9s", "page = \"clock\"\nby = \"-1h\""),
            ]
            .concat(),
        );
        assert_eq!(cues.due(7999.0), []);
        assert_eq!(cues.due(8000.0), [Ok(Command::Hide)]);
        let block = Command::Block { ms: 1000.0 };
        assert_eq!(cues.due(9000.0), [Ok(block), Ok(Command::Clock { by_ms: -3_600_000.0 })]);
        assert_eq!(cues.due(10_000.0), [Ok(Command::Show)]);
    }

    #[test]
    fn places_are_reckoned_from_the_frame_shown_last() {
        let mut cues = cues(
            &[
                action("segment 103", "page = \"seek\"\nto = \"segment 101\""),
                action("segment 103", "page = \"seek\"\nto = \"-8s\""),
                action("segment 103", "page = \"evict\"\nto = \"segment 106\""),
                action("segment 103", "page = \"evict\""),
            ]
            .concat(),
        );
        // The element's time is half a second ahead of the stream's.
        cues.page(&frame(60, 6.5));
        let due: Vec<Command> = cues.due(6500.0).into_iter().map(Result::unwrap).collect();
        assert_eq!(
            due,
            [
                Command::Seek { to: SeekTo::Time { s: 2.55 } },
                Command::Seek { to: SeekTo::By { s: -8.0 } },
                Command::Evict { range_s: (12.45, 14.45) },
                Command::Evict { range_s: (0.0, 6.45) },
            ]
        );
    }

    #[test]
    fn a_place_that_nobody_knows_is_said() {
        let mut cues = cues(&action("8s", "page = \"seek\"\nto = \"segment 101\""));
        let due = cues.due(8000.0);
        assert!(due[0].as_ref().is_err_and(|why| why.contains("nothing was shown")), "{due:?}");
    }

    fn request(n: u64, resource: Resource, content: Content, end: End) -> Request {
        Request {
            n,
            at_ms: 0.0,
            path: String::new(),
            host: crate::exchange::Host::First,
            range: None,
            resource,
            attempt: 1,
            status: 200,
            location: None,
            opaque: false,
            content,
            whole_bytes: 1,
            sent_bytes: 1,
            ended_ms: 0.0,
            end,
        }
    }

    #[test]
    fn a_playlist_counts_when_it_is_delivered_and_a_segment_when_it_is_asked_for() {
        let playlist = |end| {
            let listings = [104, 105].map(|msn| Listing {
                msn,
                uri: String::new(),
                range: None,
                gap: false,
                same_as: None,
                init: String::new(),
                init_range: None,
            });
            let content = Content::Playlist { text: String::new(), listings: listings.to_vec() };
            request(0, Resource::Playlist { variant: 0 }, content, end)
        };
        let segment =
            request(1, Resource::Segment { variant: 0, run: 1, msn: 104 }, Content::Nothing, End::Open);
        let mut cues = cues(
            &[
                action("listed 105", "page = \"pause\""),
                action("requested 104", "page = \"play\""),
                action("requested 107", "page = \"play\""),
            ]
            .concat(),
        );
        cues.requests(&[playlist(End::Open)]);
        assert_eq!(cues.due(0.0), []);
        cues.requests(&[playlist(End::Open), segment.clone()]);
        assert_eq!(cues.due(0.0), [Ok(Command::Play)]);
        cues.requests(&[playlist(End::Complete), segment]);
        assert_eq!(cues.due(0.0), [Ok(Command::Pause)]);
        assert_eq!(cues.missed().collect::<Vec<_>>(), [Cue::Requested(107)]);
    }
}
