//! What RFC 8216 asks of a client.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Violation};
use crate::hls::{durations_ms, resolve, target_duration_ms, without_query};
use crate::report::Level;
use crate::trace::{AppendedBox, Listing, PageEvent, Request, Resource, Trace, Unsettled};
use crate::witness::begun;

/// In segments mode a player may fill backwards: there only the picture counts. In sequence mode it may where it says so, by
/// where the next group is to start (MSE, `timestampOffset`).
pub fn in_order(case: &Case) -> Vec<Violation> {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut ends = Ends::default();
    let mut found = Vec::new();
    for entry in &case.trace.page {
        if let Some(buffer) = ends.put_back(&entry.event) {
            last.remove(&buffer);
        }
        match &entry.event {
            PageEvent::Media { event, .. } if event == "seeking" => last.clear(),
            PageEvent::Append { buffer, error: None, mode, .. } if mode == "sequence" => {
                for segments in case.view.segments_in(entry) {
                    let newest = last.get(buffer).copied();
                    // The same bytes may be listed more than once: any lawful reading is taken.
                    let next = segments.iter().copied().find(|msn| newest.is_none_or(|n| *msn >= n));
                    match (next, segments.last(), newest) {
                        (Some(msn), _, _) => {
                            last.insert(*buffer, msn);
                        }
                        (None, Some(msn), Some(newest)) => found.push(Violation::new(
                            entry.at_ms,
                            format!("segment {msn} was appended after segment {newest}"),
                        )),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    found
}

pub fn no_duplicate(case: &Case) -> Vec<Violation> {
    let mut buffers: BTreeMap<u64, Held> = BTreeMap::new();
    let mut ends = Ends::default();
    let mut found = Vec::new();
    for entry in &case.trace.page {
        // What is put over what is there replaces it.
        if let Some(buffer) = ends.put_back(&entry.event) {
            buffers.remove(&buffer);
        }
        match (&entry.event, entry.event.unsettles()) {
            (PageEvent::Remove { buffer, start, end, .. }, Some(_)) => {
                // A removal goes on to the next random access point (MSE, coded frame removal), and where a segment lies is
                // known by what it added: so what is near may have gone, too.
                let near_s = case.expect.target_duration_ms / 1000.0;
                buffers.entry(*buffer).or_default().remove(start - near_s, end + near_s);
            }
            (_, Some(Unsettled::One(buffer))) => {
                buffers.remove(&buffer);
            }
            (_, Some(Unsettled::All)) => buffers.clear(),
            (PageEvent::UpdateEnd { buffer, buffered }, None) => {
                buffers.entry(*buffer).or_default().settle(buffered);
            }
            (_, None) => {}
        }
        let PageEvent::Append { buffer, error: None, mode, .. } = &entry.event else { continue };
        let held = buffers.entry(*buffer).or_default();
        for segments in case.view.segments_in(entry) {
            match segments.iter().find(|msn| !held.segments.contains_key(msn)) {
                Some(msn) => {
                    held.segments.insert(*msn, None);
                    held.unsettled.push(*msn);
                }
                // Whose bytes nobody served is another rule's business.
                None if segments.is_empty() => {}
                None => {
                    let msn = segments.last().copied().unwrap_or_default();
                    let again = Violation::new(
                        entry.at_ms,
                        format!("segment {msn} was appended again while it was still buffered"),
                    );
                    // In sequence mode the viewer sees it twice.
                    let level = if mode == "sequence" { Level::Must } else { Level::Should };
                    found.push(again.level(level));
                }
            }
        }
    }
    found
}

/// The segments that a SourceBuffer has been given.
#[derive(Debug, Default)]
struct Held {
    /// With where each lies, seconds, as far as that can be told.
    segments: BTreeMap<u64, Option<(f64, f64)>>,
    /// Those that were appended since the last `updateend`.
    unsettled: Vec<u64>,
    buffered: Vec<(f64, f64)>,
}

impl Held {
    /// What has come to be buffered is what was appended.
    fn settle(&mut self, buffered: &[(f64, f64)]) {
        let added = added(&self.buffered, buffered);
        for msn in self.unsettled.drain(..) {
            // What has been forgotten meanwhile stays so: a player may hear of the end of an append before it is noted.
            self.segments.entry(msn).and_modify(|at| *at = added);
        }
        self.buffered = buffered.to_vec();
    }

    /// Forgets what lies there, or nobody knows where.
    fn remove(&mut self, start_s: f64, end_s: f64) {
        self.segments.retain(|_, at| at.is_some_and(|(from_s, to_s)| to_s <= start_s || from_s >= end_s));
    }
}

/// From where to where ranges cover what others did not.
fn added(before: &[(f64, f64)], now: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mut rest = now.to_vec();
    for (from_s, to_s) in before {
        let parts = rest
            .into_iter()
            .flat_map(|(start_s, end_s)| [(start_s, end_s.min(*from_s)), (start_s.max(*to_s), end_s)]);
        rest = parts.filter(|(start_s, end_s)| start_s < end_s).collect();
    }
    Some((rest.first()?.0, rest.last()?.1))
}

/// Where each SourceBuffer's media ends, while it is in sequence mode.
#[derive(Debug, Default)]
struct Ends {
    in_sequence: BTreeSet<u64>,
    end_s: BTreeMap<u64, f64>,
}

impl Ends {
    /// The SourceBuffer whose next media is put before the end of what it has.
    fn put_back(&mut self, event: &PageEvent) -> Option<u64> {
        match event {
            PageEvent::Append { buffer, mode, .. } => {
                if mode == "sequence" {
                    self.in_sequence.insert(*buffer);
                } else {
                    self.in_sequence.remove(buffer);
                }
            }
            PageEvent::UpdateEnd { buffer, buffered } => {
                let end_s = buffered.last().map_or(0.0, |(_, end_s)| *end_s);
                self.end_s.insert(*buffer, end_s);
            }
            PageEvent::TimestampOffset { buffer, seconds } => {
                let is_before = self.end_s.get(buffer).is_some_and(|end_s| *seconds < end_s - PUT_BACK_S);
                return (is_before && self.in_sequence.contains(buffer)).then_some(*buffer);
            }
            _ => {}
        }
        None
    }
}

pub fn listed_only(case: &Case) -> Vec<Violation> {
    let playlists = case.trace.requests.iter().filter_map(|r| Some((r, r.delivered_playlist()?)));
    let mut delivered: Vec<(&Request, &str)> = playlists.collect();
    delivered.sort_by(|(a, _), (b, _)| a.ended_ms.total_cmp(&b.ended_ms));
    let mut delivered = delivered.into_iter().peekable();
    let mut paths: BTreeSet<String> = BTreeSet::new();
    let mut redirects: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::new();
    for request in &case.trace.requests {
        // What was sent before this request came in is what the player can know. A playlist is sent to its
        // last byte before a request that follows from it can arrive.
        while let Some((playlist, text)) = delivered.next_if(|(r, _)| r.ended_ms <= request.at_ms) {
            paths.extend(
                uris(text).iter().map(|uri| without_query(&resolve(&playlist.path, uri)).to_string()),
            );
        }
        let is_list = matches!(request.resource, Resource::Playlist { .. } | Resource::Multivariant);
        // The query may be a superset of the listed one. Where a listed one leads by a redirect, it may be asked for.
        let path = without_query(&request.path).to_string();
        if !is_list && !paths.contains(&path) && !redirects.contains(&path) {
            found.push(Violation::new(
                request.at_ms,
                format!("{} was requested, which no delivered playlist lists", request.path),
            ));
        }
        if let Some(location) = &request.location {
            redirects.insert(without_query(&resolve(&request.path, location)).to_string());
        }
    }
    found
}

fn uris(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}');
    let map = text.lines().filter_map(|l| {
        let attributes = l.strip_prefix("#EXT-X-MAP:")?;
        attributes.split_once("URI=\"")?.1.split('"').next()
    });
    text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).chain(map).map(str::to_string).collect()
}

/// Only from the playlist on that marks it: before, the player could not know.
pub fn gap_not_loaded(case: &Case) -> Vec<Violation> {
    let gap_ms = |resource: Resource| match resource {
        Resource::Segment { variant, msn, .. } => case.view.gaps.get(&(variant, msn)).copied(),
        _ => None,
    };
    case.trace
        .requests
        .iter()
        .filter(|r| gap_ms(r.resource).is_some_and(|gap_ms| gap_ms <= r.at_ms))
        .map(|r| Violation::new(r.at_ms, format!("{} was requested although it is a GAP", r.resource)))
        .collect()
}

/// The initialization section in force when media is appended is one that its EXT-X-MAP points to. One that nobody
/// served, because the player has changed it, says nothing.
pub fn map_applies(case: &Case) -> Vec<Violation> {
    let is_served = |digest: &String| case.view.inits.values().any(|of_segment| of_segment.contains(digest));
    let mut in_force: BTreeMap<u64, &String> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &case.trace.page {
        let PageEvent::Append { buffer, boxes, error: None, .. } = &entry.event else { continue };
        for b in boxes {
            let digest = match b {
                AppendedBox::Init { digest } => {
                    in_force.insert(*buffer, digest);
                    continue;
                }
                AppendedBox::Mdat { digest } => digest,
                AppendedBox::Moof | AppendedBox::Garbage => continue,
            };
            let Some(init) = in_force.get(buffer).filter(|digest| is_served(digest)) else { continue };
            let segments = case.view.segments_of(digest, entry.at_ms).unwrap_or_default();
            let of_segment = |segment: &(u8, u64)| case.view.inits.get(segment);
            let is_right =
                |segment: &(u8, u64)| of_segment(segment).is_none_or(|digests| digests.contains(*init));
            if let Some(segment) = segments.last().filter(|_| !segments.iter().any(is_right)) {
                let was_asked_for = of_segment(segment).is_some_and(|digests| !digests.is_empty());
                let what = match was_asked_for {
                    true => "another initialization section than its EXT-X-MAP names",
                    false => {
                        "the last initialization section, and the one its EXT-X-MAP names was never served"
                    }
                };
                let (_, msn) = segment;
                found.push(Violation::new(entry.at_ms, format!("segment {msn} was appended behind {what}")));
            }
        }
    }
    found
}

/// Where a session begins: the first segment that is appended, seen in the playlists that had come before it was asked
/// for. A list of which nothing is there that far from the end leaves no choice, and one that is over has no end to be near
/// to.
pub fn hold_back(case: &Case) -> Vec<Violation> {
    let mut appends = case.trace.page.iter().filter_map(|entry| {
        let segments = case.view.segments_in(entry);
        Some((entry.at_ms, segments.into_iter().find(|segments| !segments.is_empty())?))
    });
    let Some((at_ms, segments)) = appends.next() else { return Vec::new() };
    let asked_ms =
        |msn: &u64| case.trace.requests.iter().find(|r| r.resource.msn() == Some(*msn)).map(|r| r.at_ms);
    let Some((msn, asked_ms)) = segments.iter().find_map(|msn| Some((*msn, asked_ms(msn)?))) else {
        return Vec::new();
    };
    let known = case.trace.requests.iter().filter(|r| r.ended_ms <= asked_ms);
    let from_end_ms = known.filter_map(|request| {
        let text = request.delivered_playlist()?;
        let (said_ms, td_ms) = (durations_ms(text), target_duration_ms(text)?);
        let listings = request.delivered_listings();
        let from_end_ms = |place: usize| said_ms.iter().skip(place).sum::<f64>();
        let is_there = |listing: &Listing| !listing.gap && !case.expect.excused.contains(&listing.msn);
        let mut there = (0..listings.len()).filter(|place| is_there(&listings[*place]));
        let has_choice = there.any(|place| from_end_ms(place) >= HOLD_BACK_TD * td_ms);
        let is_free = !has_choice || text.contains("#EXT-X-ENDLIST");
        let from_end_ms = from_end_ms(listings.iter().position(|listing| listing.msn == msn)?);
        Some(if is_free { (f64::INFINITY, td_ms) } else { (from_end_ms, td_ms) })
    });
    let furthest = from_end_ms.max_by(|a, b| a.0.total_cmp(&b.0));
    furthest
        .filter(|(from_end_ms, td_ms)| *from_end_ms < (HOLD_BACK_TD - HOLD_BACK_GRACE_TD) * td_ms)
        .map(|(from_end_ms, td_ms)| {
            let asked_ms = HOLD_BACK_TD * td_ms;
            Violation::new(
                at_ms,
                format!(
                    "playback began with segment {msn}, {from_end_ms:.0} ms from the end; {asked_ms:.0} ms are asked for"
                ),
            )
        })
        .into_iter()
        .collect()
}

/// From begin to begin as the page sees it, each rendition by itself; a retry after an error is another matter.
pub fn reload_interval(case: &Case) -> Vec<Violation> {
    let resources: BTreeSet<Resource> = case.trace.requests.iter().map(|request| request.resource).collect();
    let playlists = resources.into_iter().filter(|resource| resource.is_playlist());
    playlists.flat_map(|playlist| reloads_too_soon(case, playlist)).collect()
}

fn reloads_too_soon(case: &Case, playlist: Resource) -> Vec<Violation> {
    let of_it = case.trace.requests.iter().filter(|request| request.resource == playlist);
    let mut newest = None;
    let delivered = of_it.filter_map(|request| {
        newest = match request.status {
            // What the page has is confirmed.
            NOT_MODIFIED => newest,
            _ => Some(request.delivered_playlist()?),
        };
        Some((request.n, newest?))
    });
    let delivered: Vec<(u64, &str)> = delivered.collect();
    let mut found = Vec::new();
    let mut floods = 0;
    let (loads, is_seen) = loads(case.trace, playlist);
    // By how much the load before came later than it might have, where its begin is not seen: what held it up on its
    // way makes the time to the next one look short.
    let mut late_ms = None;
    for pair in loads.windows(2) {
        let credit_ms = if is_seen { Some(0.0) } else { late_ms.take() };
        let [(began_ms, load), (next_ms, next)] = pair else { continue };
        let Some(place) = delivered.iter().position(|(n, _)| *n == load.n) else { continue };
        let has_changed = place == 0 || delivered[place - 1].1 != delivered[place].1;
        // What is no playlist is an error, and tried again as such.
        let Some(said_ms) = target_duration_ms(delivered[place].1) else { continue };
        let td = said_ms.min(case.expect.target_duration_ms);
        let permitted_ms = if has_changed { td } else { td / 2.0 };
        let waited_ms = next_ms - began_ms;
        late_ms = Some((waited_ms - permitted_ms).max(0.0));
        let Some(credit_ms) = credit_ms else { continue };
        // Request handling is not warped: it costs more stream time at a higher speed. And a page that was held up while it
        // asked has asked later than it meant to.
        let held_up_ms = case.trace.page_lags_ms(*began_ms, *next_ms).fold(0.0, f64::max);
        let grace_ms = REQUEST_WALL_MS * case.trace.speed + permitted_ms * INTERVAL_GRACE + held_up_ms;
        floods = if waited_ms < permitted_ms / 2.0 - grace_ms { floods + 1 } else { 0 };
        if waited_ms + credit_ms < permitted_ms - grace_ms {
            let what = format!(
                "the playlist was reloaded after {waited_ms:.0} ms, {permitted_ms:.0} ms are asked for after {} playlist",
                if has_changed { "a changed" } else { "an unchanged" }
            );
            let level = if floods >= FLOOD_TIMES { Level::Must } else { Level::Should };
            found.push(Violation::new(next.at_ms, what).level(level));
        }
    }
    found
}

/// Loads of a Media Playlist in order, each with the time at which it began, and whether the page was seen to ask for
/// them: otherwise a worker does, and the times are those of the origin.
fn loads(trace: &Trace, playlist: Resource) -> (Vec<(f64, &Request)>, bool) {
    let begun = begun(trace);
    let loads = || trace.requests.iter().zip(&begun).filter(|(request, _)| request.resource == playlist);
    let is_seen = loads().any(|(_, begun)| begun.in_page_ms.is_some());
    let times = loads().filter_map(|(request, begun)| match is_seen {
        // One without a call of the page is the browser's own repetition.
        true => Some((begun.in_page_ms?, request)),
        false => Some((begun.at_origin_ms, request)),
    });
    (times.collect(), is_seen)
}

/// RFC 8216, 6.3.3. Segments are a bit shorter than the target duration, and counting them is common practice.
const HOLD_BACK_TD: f64 = 3.0;
const HOLD_BACK_GRACE_TD: f64 = 0.5;
/// A timer's jitter, as part of the wait.
const INTERVAL_GRACE: f64 = 0.1;
const REQUEST_WALL_MS: f64 = 15.0;
/// Under half the permitted wait, this often running, is a flood.
const FLOOD_TIMES: u32 = 3;
const NOT_MODIFIED: u16 = 304;
/// Less than that before the end, an offset is the end, as the player has computed it.
const PUT_BACK_S: f64 = 0.1;
