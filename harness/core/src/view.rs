//! Facts that several rules need, read once from the trace: what was appended, listed and shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::expect::Expect;
use crate::hls::{resolve, without_query};
use crate::trace::{AppendedBox, Content, PageEntry, PageEvent, Resource, Trace};

/// The trace, read.
#[derive(Debug, Clone)]
pub struct View {
    /// Digest of media data -> the segments of variants that were served with it, and since when.
    by_digest: BTreeMap<String, BTreeMap<(u8, u64), f64>>,
    /// Digests of media data that follow the first of their segment.
    followers: BTreeSet<String>,
    clock_error_ms: f64,
    /// Every segment in any delivered playlist, with EXT-X-GAP or without.
    pub listed: BTreeSet<u64>,
    /// Variant and segment -> when the first playlist that marks it with EXT-X-GAP had been sent.
    pub gaps: BTreeMap<(u8, u64), f64>,
    /// Variant and segment -> digests of the Media Initialization Sections that were served where its EXT-X-MAP points to.
    pub inits: BTreeMap<(u8, u64), BTreeSet<String>>,
    pub shown: Vec<Shown>,
}

/// A frame that the viewer saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    pub at_ms: f64,
    /// Counted on through laps and restarts.
    pub frame: u64,
    pub media_time: f64,
    pub msn: u64,
    /// Frames that the engine has presented so far, and dropped.
    pub presented: u64,
    pub dropped: u64,
}

impl View {
    pub fn new(trace: &Trace, expect: &Expect) -> View {
        let mut view = View {
            by_digest: BTreeMap::new(),
            followers: BTreeSet::new(),
            clock_error_ms: trace.clock_error_ms,
            listed: BTreeSet::new(),
            gaps: BTreeMap::new(),
            inits: inits(trace),
            shown: shown(trace, expect),
        };
        // Segment -> those that list its URI as theirs, as slates do.
        let mut repeated: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for request in &trace.requests {
            for listing in request.delivered_listings() {
                view.listed.insert(listing.msn);
                if let (true, Some(variant)) = (listing.gap, request.resource.variant()) {
                    view.gaps.entry((variant, listing.msn)).or_insert(request.ended_ms);
                }
                if let Some(same_as) = listing.same_as {
                    repeated.entry(same_as).or_default().insert(listing.msn);
                }
            }
        }
        for request in &trace.requests {
            if let (Content::Segment(facts), Resource::Segment { variant, msn, .. }) =
                (&request.content, request.resource)
            {
                let digests = view.by_digest.entry(facts.mdat.clone()).or_default();
                view.followers.extend(facts.more_mdats.iter().cloned());
                let also = repeated.get(&msn).into_iter().flatten().copied();
                for msn in also.chain([msn]) {
                    digests.entry((variant, msn)).or_insert(request.at_ms);
                }
            }
        }
        view
    }

    /// Whether any playlist marks it with EXT-X-GAP: of its picture, in one variant, or of its sound.
    pub fn is_gap(&self, msn: u64) -> bool {
        self.gaps.keys().any(|(_, gap)| *gap == msn)
    }

    /// The segments that an append's media data can be, one set per mdat box: whatever was served with these
    /// bytes before. Laps and slates make it more than one; bytes that nobody served make it none.
    pub fn segments_in(&self, entry: &PageEntry) -> Vec<BTreeSet<u64>> {
        let PageEvent::Append { boxes, .. } = &entry.event else { return Vec::new() };
        let media = boxes.iter().filter_map(|b| match b {
            AppendedBox::Mdat { digest } => self.segments_of(digest, entry.at_ms),
            _ => None,
        });
        media.map(|segments| segments.into_iter().map(|(_, msn)| msn).collect()).collect()
    }

    /// The same of the media data of one box that was appended then, with the variant of each; `None` for one that only
    /// follows the first of its segment, by which that was told.
    pub fn segments_of(&self, digest: &str, at_ms: f64) -> Option<BTreeSet<(u8, u64)>> {
        let served = self.by_digest.get(digest);
        if served.is_none() && self.followers.contains(digest) {
            return None;
        }
        let before = served.into_iter().flatten().filter(|(_, since)| **since <= at_ms + self.clock_error_ms);
        Some(before.map(|(segment, _)| *segment).collect())
    }
}

fn inits(trace: &Trace) -> BTreeMap<(u8, u64), BTreeSet<String>> {
    // A query may be a signature, new with each playlist.
    let plain = |path: &str| without_query(path).to_string();
    let mut served: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut redirects: BTreeMap<String, String> = BTreeMap::new();
    for request in &trace.requests {
        if let Content::Init { digest, .. } = &request.content {
            served.entry(plain(&request.path)).or_default().insert(digest.clone());
        }
        if let Some(location) = &request.location {
            redirects.insert(plain(&request.path), plain(&resolve(&request.path, location)));
        }
    }
    let mut inits: BTreeMap<(u8, u64), BTreeSet<String>> = BTreeMap::new();
    for request in &trace.requests {
        let Resource::Playlist { variant } = request.resource else { continue };
        for listing in request.delivered_listings() {
            let path = plain(&resolve(&request.path, &listing.init));
            let places = [redirects.get(&path), Some(&path)].into_iter().flatten();
            let digests = places.filter_map(|place| served.get(place)).flatten().cloned();
            inits.entry((variant, listing.msn)).or_default().extend(digests);
        }
    }
    inits
}

fn shown(trace: &Trace, expect: &Expect) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for entry in &trace.page {
        let PageEvent::Frame { run, number, media_time, presented, dropped } = entry.event else { continue };
        let near = all.last().map_or(expect.start_frame, |s| s.frame);
        if let Some((msn, frame)) = expect.pictures.find(run, u64::from(number), near) {
            all.push(Shown { at_ms: entry.at_ms, frame, media_time, msn, presented, dropped });
        }
    }
    all
}

/// Follows the playhead: has the last frame of the trial's last segment passed?
#[derive(Debug, Clone)]
pub struct Progress<'a> {
    expect: &'a Expect,
    until_frame: Option<u64>,
    frame_ms: f64,
    last: Option<(u64, f64)>,
}

impl<'a> Progress<'a> {
    pub fn new(expect: &'a Expect) -> Progress<'a> {
        Progress { until_frame: expect.until_frame(), frame_ms: expect.frame_ms(), last: None, expect }
    }

    /// A frame was shown.
    pub fn frame(&mut self, run: u8, number: u16, media_time: f64) {
        let near = self.last.map_or(self.expect.start_frame, |(frame, _)| frame);
        if let Some((_, frame)) = self.expect.pictures.find(run, u64::from(number), near) {
            self.last = Some((frame, media_time));
        }
    }

    /// Whether the playhead at `time` (currentTime, seconds) has passed the trial's last frame.
    pub fn is_past_until(&self, time: f64) -> bool {
        let (Some(until), Some((frame, media_time))) = (self.until_frame, self.last) else { return false };
        // Half a frame of grace: the last frame begins one frame before its segment's end.
        frame as f64 + (time - media_time) * 1000.0 / self.frame_ms >= until as f64 - 0.5
            // The clock alone is no proof that the picture got there.
            && frame as f64 >= until as f64 - UNTIL_REACH_MS / self.frame_ms
    }
}

/// At high speeds the compositor shows only some of the frames; one this near to the last will do.
const UNTIL_REACH_MS: f64 = 700.0;
