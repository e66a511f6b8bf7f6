//! What RFC 8216 asks of a client.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Violation};
use crate::hls::resolve;
use crate::report::Level;
use crate::trace::{PageEvent, Request, Resource, Unsettled};

/// In segments mode a player may fill backwards: there only the picture counts.
pub fn in_order(case: &Case) -> Vec<Violation> {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &case.trace.page {
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
    let mut appended: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &case.trace.page {
        match entry.event.unsettles() {
            Some(Unsettled::One(buffer)) => {
                appended.remove(&buffer);
            }
            Some(Unsettled::All) => appended.clear(),
            None => {}
        }
        let PageEvent::Append { buffer, error: None, mode, .. } = &entry.event else { continue };
        let seen = appended.entry(*buffer).or_default();
        for segments in case.view.segments_in(entry) {
            match segments.iter().find(|msn| !seen.contains(msn)) {
                Some(msn) => {
                    seen.insert(*msn);
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
            paths.extend(uris(text).iter().map(|uri| plain(&resolve(&playlist.path, uri)).to_string()));
        }
        let is_list = matches!(request.resource, Resource::Playlist { .. } | Resource::Multivariant);
        // Where a listed one leads by a redirect, it may be asked for.
        let path = plain(&request.path).to_string();
        if !is_list && !paths.contains(&path) && !redirects.contains(&path) {
            found.push(Violation::new(
                request.at_ms,
                format!("{} was requested, which no delivered playlist lists", request.path),
            ));
        }
        if let Some(location) = &request.location {
            redirects.insert(plain(&resolve(&request.path, location)).to_string());
        }
    }
    found
}

/// The query may be a superset of the listed one; the path is what counts.
fn plain(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
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
    let gap_ms = |msn: u64| case.view.listed.get(&msn).and_then(|listed| listed.gap_ms);
    case.trace
        .requests
        .iter()
        .filter(|r| r.resource.msn().and_then(gap_ms).is_some_and(|gap_ms| gap_ms <= r.at_ms))
        .map(|r| Violation::new(r.at_ms, format!("{} was requested although it is a GAP", r.resource)))
        .collect()
}

/// From begin to begin; a retry after an error is another matter.
pub fn reload_interval(case: &Case) -> Vec<Violation> {
    let td = case.expect.target_duration_ms;
    let loads: Vec<_> = case.trace.requests.iter().filter(|r| r.resource.is_playlist()).collect();
    let mut found = Vec::new();
    let mut previous_text = None;
    let mut floods = 0;
    for pair in loads.windows(2) {
        let Some(text) = pair[0].delivered_playlist() else { continue };
        let has_changed = previous_text != Some(text);
        previous_text = Some(text);
        let permitted_ms = if has_changed { td } else { td / 2.0 };
        let waited_ms = pair[1].at_ms - pair[0].at_ms;
        // Request handling is not warped: it costs more stream time at a higher speed.
        let grace_ms = REQUEST_WALL_MS * case.trace.speed + permitted_ms * INTERVAL_GRACE;
        floods = if waited_ms < permitted_ms / 2.0 - grace_ms { floods + 1 } else { 0 };
        if waited_ms < permitted_ms - grace_ms {
            let what = format!(
                "the playlist was reloaded after {waited_ms:.0} ms, {permitted_ms:.0} ms are asked for after {} playlist",
                if has_changed { "a changed" } else { "an unchanged" }
            );
            let level = if floods >= FLOOD_TIMES { Level::Must } else { Level::Should };
            found.push(Violation::new(pair[1].at_ms, what).level(level));
        }
    }
    found
}

/// A timer's jitter, as part of the wait.
const INTERVAL_GRACE: f64 = 0.1;
const REQUEST_WALL_MS: f64 = 15.0;
/// Under half the permitted wait, this often running, is a flood.
const FLOOD_TIMES: u32 = 3;
