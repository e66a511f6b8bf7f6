//! A world in virtual time for the player: a network, a SourceBuffer and a media element, each reduced to what
//! the player can see of it. No threads, no clock: a run of a minute takes microseconds.
//!
//! The world checks the four promises at every step, whatever the test is about: see `Shell::append` and
//! `Shell::load`.

use std::collections::BTreeMap;
use std::ops::Range;

use segproof_player_core::{Event, Place, Player, Report, Resource, Shell, Text};

/// What a request is answered with, and how many milliseconds later.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Body(String, u64),
    Status(u16, u64),
    Never,
}

/// What the server answers: the URI (empty for the playlist), which request for it (from 1), and the time.
pub type Server = Box<dyn FnMut(&str, u32, u64) -> Answer>;

/// Answers an append with this instead of doing it; asked with the URI and the time.
pub type Refusal = Box<dyn FnMut(&str, u64) -> Option<Event>>;

/// Where the media of a URI lies on its own clock, and how long it lasts, in seconds.
pub type Media = Box<dyn Fn(&str) -> (f64, f64)>;

enum Done {
    Answer(Resource, Answer),
    Update,
    Refused(Event),
    Opened,
}

/// Everything outside the player.
pub struct World {
    pub now_ms: u64,
    pub server: Server,
    /// What the player did and when, one line each.
    pub log: Vec<String>,
    pub requests: BTreeMap<String, u32>,
    pub request_times: Vec<(String, u64)>,
    pub reports: Vec<Report>,
    /// What the playlist request brought last.
    pub text: String,
    /// How long a playlist that is gone is waited for; NaN if the page does not say.
    pub patience_ms: f64,
    pub rate: f64,
    pub latencies_s: Vec<f64>,
    /// The viewer goes there, at that time.
    pub seek_at: Option<(u64, f64)>,
    pub is_closed: bool,
    pub is_ended: bool,
    pub is_paused: bool,
    /// When somebody plays it again.
    pub resumes_ms: u64,
    /// The clock goes on in a hole that is not longer than 0.5 s.
    pub plays_on: bool,
    /// When the element breaks, for no reason that comes again, and where it was then.
    pub breaks_at_ms: u64,
    pub broke_at_s: f64,
    /// From this time on the clock of this MediaSource stands still, whatever is buffered.
    pub sticks_at_ms: u64,
    /// It plays to so long before the end of a range, and says of the rest that it is there.
    pub stops_short_s: f64,
    /// It says that it has no frame to show next.
    pub is_starving: bool,
    /// The engine wants no media.
    pub is_full: bool,
    /// Meanwhile it goes nowhere: of picture and sound only one is there.
    #[cfg(feature = "full")]
    pub alone_ms: Range<u64>,
    /// How fast segments come, and what the variants need, which are called `v0` and so on.
    pub bits_per_s: Box<dyn Fn(&str) -> f64>,
    pub variants: Vec<f64>,
    pub variant: usize,
    lost: Vec<usize>,
    /// A MediaSource takes no init behind another one.
    pub keeps_tracks: bool,
    /// Their inits have the same name.
    pub one_init: bool,
    /// Nothing runs and nothing plays meanwhile: the computer sleeps, or the page is busy with itself.
    pub asleep_ms: Range<u64>,
    pub playhead_s: f64,
    /// How much has been played.
    pub played_s: f64,
    pub buffered: Vec<(f64, f64)>,
    pub refuse: Refusal,
    pub media: Media,
    /// Nobody can tell where segments begin whose URI begins so.
    pub unreadable: Option<&'static str>,
    /// From one key frame to the next: a removal goes on up to one.
    pub group_s: f64,
    /// The URI whose append is done without an `updateend`.
    pub loses_update: &'static str,
    /// The number of a segment that cannot be decoded, and how long before its media the decoder finds out.
    pub undecodable: (u64, f64),
    pub appended: Vec<String>,
    undecodable_s: Option<f64>,
    init_appended: bool,
    init_is_last: bool,
    last_init: String,
    offset_s: f64,
    uris: [String; 3],
    in_flight: [bool; 3],
    /// How much of the first answer's time went into what led to the playlist.
    pub led_ms: u64,
    updating: bool,
    due: BTreeMap<(u64, u64), Done>,
    sequence: u64,
}

impl World {
    pub fn new(server: impl FnMut(&str, u32, u64) -> Answer + 'static) -> World {
        let mut world = World {
            now_ms: 0,
            server: Box::new(server),
            log: Vec::new(),
            requests: BTreeMap::new(),
            request_times: Vec::new(),
            reports: Vec::new(),
            text: String::new(),
            patience_ms: f64::NAN,
            rate: 1.0,
            latencies_s: Vec::new(),
            seek_at: None,
            is_closed: false,
            is_ended: false,
            is_paused: false,
            resumes_ms: u64::MAX,
            plays_on: false,
            breaks_at_ms: u64::MAX,
            broke_at_s: 0.0,
            sticks_at_ms: u64::MAX,
            #[cfg(feature = "full")]
            alone_ms: 0..0,
            stops_short_s: 0.0,
            is_starving: false,
            is_full: false,
            bits_per_s: Box::new(|_| 1e6),
            variants: Vec::new(),
            variant: 0,
            lost: Vec::new(),
            keeps_tracks: false,
            one_init: false,
            asleep_ms: 0..0,
            playhead_s: 0.0,
            played_s: 0.0,
            buffered: Vec::new(),
            refuse: Box::new(|_, _| None),
            media: Box::new(|uri| (2.0 * number(uri) as f64, 2.0)),
            unreadable: None,
            group_s: 1.0 / 30.0,
            loses_update: "",
            undecodable: (u64::MAX, 0.0),
            undecodable_s: None,
            appended: Vec::new(),
            init_appended: false,
            init_is_last: false,
            last_init: String::new(),
            offset_s: 0.0,
            uris: Default::default(),
            in_flight: [false; 3],
            led_ms: 0,
            updating: false,
            due: BTreeMap::new(),
            sequence: 0,
        };
        world.after(20, Done::Opened);
        world
    }

    /// Lets a new player play until the time comes or the session is over.
    pub fn run(&mut self, until_ms: u64) {
        let mut player = Player::NEW;
        let mut wake_ms = player.handle(Event::Woken, 0.0, 0.0, self);
        let mut events = 0;
        while !self.is_closed {
            let next = self.due.first_key_value().map_or(u64::MAX, |(key, _)| key.0);
            let wake = wake_ms.ceil() as u64;
            let at_ms = next.min(wake);
            if at_ms > until_ms {
                break;
            }
            events += 1;
            assert!(events < 100 * (until_ms / 1000 + 1), "the player spins at {} ms", self.now_ms);
            let is_late = self.asleep_ms.contains(&at_ms) && self.now_ms < self.asleep_ms.end;
            if is_late {
                self.play_to(self.asleep_ms.start);
                self.now_ms = self.asleep_ms.end;
            } else {
                self.play_to(at_ms.max(self.now_ms));
            }
            // What piled up meanwhile is behind the timer in the queue.
            if self.now_ms >= self.resumes_ms {
                self.is_paused = false;
            }
            let mut value = 0.0;
            let event = if self.now_ms >= self.breaks_at_ms {
                self.breaks_at_ms = u64::MAX;
                self.broke_at_s = self.playhead_s;
                Event::Broken
            } else if let Some((_, to_s)) = self.seek_at.take_if(|(at_ms, _)| *at_ms <= self.now_ms) {
                // Not behind what is seekable (HTML, "seek", step 7).
                self.playhead_s = to_s.clamp(0.0, self.buffered.last().map_or(0.0, |range| range.1));
                Event::Sought
            } else if is_late {
                Event::Woken
            } else if !self.updating && self.undecodable_s.is_some_and(|at_s| self.playhead_s >= at_s) {
                self.undecodable_s = None;
                Event::Broken
            } else if next <= wake {
                let (_, done) = self.due.pop_first().expect("something is due");
                self.event(done, &mut value)
            } else if self.is_ended && self.playhead_s >= self.buffered.last().map_or(0.0, |range| range.1) {
                Event::Ended
            } else {
                Event::Woken
            };
            wake_ms = self.now_ms as f64 + player.handle(event, value, self.now_ms as f64, self);
        }
        self.play_to(until_ms);
    }

    fn event(&mut self, done: Done, value: &mut f64) -> Event {
        match done {
            Done::Opened => {
                *value = self.patience_ms;
                Event::Opened
            }
            Done::Update => {
                self.updating = false;
                Event::Updated
            }
            Done::Refused(event) => event,
            Done::Answer(resource, answer) => {
                self.in_flight[resource as usize] = false;
                match (answer, resource) {
                    (Answer::Status(status, _), _) => {
                        *value = status.into();
                        match resource {
                            Resource::Playlist => Event::PlaylistFailed,
                            Resource::Init => Event::InitFailed,
                            Resource::Segment => Event::SegmentFailed,
                        }
                    }
                    (Answer::Body(body, _), Resource::Playlist) => {
                        self.text = body;
                        let asked_ms = self
                            .request_times
                            .iter()
                            .rfind(|(uri, _)| uri.is_empty() || uri.starts_with('v'));
                        let took_ms = self.now_ms - asked_ms.expect("it was asked for").1;
                        *value = (took_ms - std::mem::take(&mut self.led_ms)) as f64;
                        Event::PlaylistLoaded
                    }
                    (Answer::Body(..), Resource::Init) => Event::InitLoaded,
                    (Answer::Body(..), Resource::Segment) => {
                        *value = (self.bits_per_s)(&self.uris[Resource::Segment as usize]);
                        Event::SegmentLoaded
                    }
                    (Answer::Never, _) => unreachable!("it is never due"),
                }
            }
        }
    }

    /// How often a URI was requested.
    pub fn count(&self, uri: &str) -> u32 {
        self.requests.get(uri).copied().unwrap_or(0)
    }

    fn play_to(&mut self, at_ms: u64) {
        let is_stuck = self.now_ms >= self.sticks_at_ms;
        let wanted_s = self.playhead_s + self.rate * (at_ms - self.now_ms) as f64 / 1000.0;
        self.now_ms = at_ms;
        if let (false, Some(end_s)) = (self.is_paused || is_stuck, self.range_end_s()) {
            let to_s = wanted_s.min(end_s - self.stops_short_s).max(self.playhead_s);
            self.played_s += to_s - self.playhead_s;
            self.playhead_s = to_s;
        }
    }

    fn range_end_s(&self) -> Option<f64> {
        let holds = |range: &&(f64, f64)| range.0 <= self.playhead_s && self.playhead_s <= range.1;
        let end_s = self.buffered.iter().find(holds).map(|range| range.1);
        let hole = self.buffered.windows(2).find(|pair| {
            self.plays_on && (pair[0].1..=pair[1].0).contains(&self.playhead_s) && pair[1].0 - pair[0].1 < 0.5
        });
        hole.map(|pair| pair[1].1).or(end_s)
    }

    fn after(&mut self, wait_ms: u64, done: Done) {
        self.sequence += 1;
        self.due.insert((self.now_ms + wait_ms, self.sequence), done);
    }

    /// Of those that are not lost.
    #[cfg(feature = "full")]
    fn best_variant(&self, bits_per_s: f64) -> Option<usize> {
        let mut there = (0..self.variants.len()).filter(|variant| !self.lost.contains(variant));
        let lightest = there.next()?;
        Some(there.rfind(|variant| self.variants[*variant] <= bits_per_s).unwrap_or(lightest))
    }

    /// A segment of one variant, whose name is the beginning of its init's, behind the init of another.
    fn is_foreign(&self, uri: &str) -> bool {
        let name = uri.split(|char: char| char.is_ascii_digit()).next().unwrap_or("");
        !self.variants.is_empty() && !self.one_init && !self.last_init.starts_with(name)
    }

    fn say(&mut self, what: String) {
        self.log.push(format!("{:>6} {what}", self.now_ms));
    }

    fn buffer(&mut self, start_s: f64, end_s: f64) {
        // The append window begins at zero.
        let start_s = start_s.max(0.0);
        if end_s <= start_s {
            return;
        }
        self.buffered.push((start_s, end_s));
        self.buffered.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for &(start_s, end_s) in &self.buffered {
            match merged.last_mut() {
                Some(last) if start_s <= last.1 + 1e-6 => last.1 = last.1.max(end_s),
                _ => merged.push((start_s, end_s)),
            }
        }
        self.buffered = merged;
    }
}

impl Text for World {
    fn char_at(&self, index: u32) -> u32 {
        self.text.as_bytes().get(index as usize).map_or(0, |&byte| byte.into())
    }
}

impl Shell for World {
    fn load(&mut self, resource: Resource, place: Place) {
        assert!(!self.is_closed && !self.is_ended, "a request after the end");
        assert!(!self.in_flight[resource as usize], "two requests for one resource");
        let line = self.text.get(place as usize..).and_then(|text| text.lines().next()).unwrap_or("");
        let uri = match resource {
            Resource::Playlist if self.variants.is_empty() => String::new(),
            Resource::Playlist => format!("v{}", self.variant),
            Resource::Init => line.strip_prefix("URI=\"").expect("its first attribute").replacen('"', "", 1),
            Resource::Segment => line.to_owned(),
        };
        let nth = self.requests.entry(uri.clone()).or_insert(0);
        *nth += 1;
        let nth = *nth;
        self.request_times.push((uri.clone(), self.now_ms));
        self.say(format!("load {}", if uri.is_empty() { "playlist" } else { &uri }));
        let answer = (self.server)(&uri, nth, self.now_ms);
        self.uris[resource as usize] = uri;
        self.in_flight[resource as usize] = true;
        match answer {
            Answer::Body(_, wait_ms) | Answer::Status(_, wait_ms) => {
                self.after(wait_ms, Done::Answer(resource, answer));
            }
            Answer::Never => {}
        }
    }

    fn cancel(&mut self, resource: Resource) {
        self.in_flight[resource as usize] = false;
        self.due.retain(|_, done| !matches!(done, Done::Answer(other, _) if *other == resource));
        self.say(format!("cancel {resource:?}"));
    }

    fn append(&mut self, resource: Resource, run_start_s: Option<f64>) {
        // An init begins with `abort()`, and so does a run.
        assert!(!self.updating || resource == Resource::Init, "an append while updating");
        assert!(self.init_is_last || run_start_s.is_none(), "a run without its init");
        assert!(!self.is_ended, "an append after the end");
        let uri = self.uris[resource as usize].clone();
        match run_start_s {
            Some(start_s) => self.say(format!("append {uri} as a run at {start_s}")),
            None => self.say(format!("append {uri}")),
        }
        let is_other_init = self.init_appended && resource == Resource::Init && uri != self.last_init;
        let refused = (self.keeps_tracks && is_other_init).then_some(Event::Broken);
        if let Some(event) = refused.or_else(|| (self.refuse)(&uri, self.now_ms)) {
            return self.after(1, Done::Refused(event));
        }
        if resource == Resource::Init {
            self.init_appended = true;
            self.last_init.clone_from(&uri);
        } else {
            assert!(self.init_appended, "media before an init");
            assert!(!self.is_foreign(&uri), "{uri} behind another variant's init\n{}", self.log.join("\n"));
            let (start_s, duration_s) = (self.media)(&uri);
            if let Some(run_start_s) = run_start_s {
                self.offset_s = run_start_s - start_s;
            }
            let start_s = start_s + self.offset_s;
            self.buffer(start_s, start_s + duration_s);
            if number(&uri) == self.undecodable.0 {
                self.undecodable_s = Some((start_s - self.undecodable.1).max(0.0));
            }
            self.appended.push(uri);
        }
        self.init_is_last = resource == Resource::Init;
        self.updating = true;
        if self.loses_update == self.uris[resource as usize] {
            self.loses_update = "";
        } else {
            self.after(5, Done::Update);
        }
    }

    fn remove_before(&mut self, end_s: f64) {
        assert!(!self.updating, "a removal while updating");
        self.say(format!("remove before {end_s:.3}"));
        let end_s = (end_s / self.group_s).ceil() * self.group_s;
        self.buffered.retain(|range| range.1 > end_s);
        for range in &mut self.buffered {
            range.0 = range.0.max(end_s);
        }
        self.updating = true;
        self.after(5, Done::Update);
    }

    fn seek(&mut self, to_s: f64) {
        #[cfg(feature = "full")]
        if self.alone_ms.contains(&self.now_ms) {
            return;
        }
        self.say(format!("seek {to_s:.3}"));
        self.playhead_s = to_s;
    }

    fn end_of_stream(&mut self) {
        assert!(!self.updating, "the end while updating");
        self.say("end of stream".into());
        self.is_ended = true;
    }

    fn rebuild(&mut self) {
        self.say("rebuild".into());
        self.sticks_at_ms = u64::MAX;
        self.is_ended = false;
        self.buffered.clear();
        self.playhead_s = 0.0;
        self.offset_s = 0.0;
        self.init_appended = false;
        self.init_is_last = false;
        self.undecodable_s = None;
        self.updating = false;
        self.due.retain(|_, done| matches!(done, Done::Answer(..)));
        self.after(20, Done::Opened);
    }

    fn close(&mut self) {
        self.say("close".into());
        self.is_closed = true;
    }

    fn report(&mut self, report: Report) {
        self.say(format!("{report:?}"));
        self.reports.push(report);
    }

    fn report_latency(&mut self, latency_s: f64) {
        self.latencies_s.push(latency_s);
    }

    fn hurry(&mut self, is_hurrying: bool) {
        self.rate = if is_hurrying { 1.1 } else { 1.0 };
        self.say(format!("rate {}", self.rate));
    }

    #[cfg(feature = "full")]
    fn choose(&mut self, bits_per_s: f64, goes_up: bool) -> bool {
        if goes_up {
            self.lost.clear();
        }
        self.lost.retain(|lost| *lost != self.variant);
        let best = self.best_variant(bits_per_s).unwrap_or(self.variant);
        let is_other = best < self.variant || (best > self.variant && goes_up);
        if is_other {
            self.variant = best;
            self.say(format!("variant {best}"));
        }
        is_other
    }

    #[cfg(feature = "full")]
    fn fail_over(&mut self, bits_per_s: f64) -> bool {
        self.lost.push(self.variant);
        let Some(best) = self.best_variant(bits_per_s) else { return false };
        self.variant = best;
        self.say(format!("variant {best}"));
        true
    }

    fn segment_start_s(&self) -> f64 {
        let uri = &self.uris[Resource::Segment as usize];
        if self.unreadable.is_some_and(|name| uri.starts_with(name)) {
            return f64::INFINITY;
        }
        (self.media)(uri).0 + self.offset_s
    }

    fn playhead_s(&self) -> f64 {
        self.playhead_s
    }

    fn edge_s(&self, index: u32) -> f64 {
        let range = self.buffered.get(index as usize / 2);
        range.map_or(-1.0, |&(start_s, end_s)| if index.is_multiple_of(2) { start_s } else { end_s })
    }

    fn is_paused(&self) -> bool {
        self.is_paused
    }

    fn is_full(&self) -> bool {
        self.is_full
    }

    fn is_starving(&self) -> bool {
        self.is_starving || self.range_end_s().is_none_or(|end_s| end_s - self.playhead_s < 0.04)
    }
}

/// The number in a segment's name.
pub fn number(uri: &str) -> u64 {
    let digits = uri.trim_start_matches(|char: char| !char.is_ascii_digit());
    let end = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().expect("a name with a number")
}

/// A live playlist: segments `first..end` of two seconds, each line made by `line`.
pub fn list(first: u64, end: u64, line: impl Fn(u64) -> String) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    text += "#EXT-X-MAP:URI=\"init.mp4\"\n";
    for msn in first..end {
        text += &line(msn);
    }
    text
}

pub fn segment(msn: u64) -> String {
    format!("#EXTINF:2.000,\ns{msn}.m4s\n")
}

/// A window of five segments, of which 100..105 are there at the start and one more every two seconds.
pub fn window(now_ms: u64) -> (u64, u64) {
    let end = 105 + now_ms / 2000;
    (end - 5, end)
}

/// The server of the plain stream; tests put their faults before it.
pub fn plain(uri: &str, now_ms: u64) -> Answer {
    let (first, end) = window(now_ms);
    match uri {
        "" => Answer::Body(list(first, end, segment), 30),
        _ => Answer::Body(String::new(), 50),
    }
}
