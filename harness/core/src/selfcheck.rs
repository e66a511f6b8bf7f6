//! The origin's check of itself: was what this player was served a legal stream?
//!
//! It reads the bytes served, not the scenario, so that a mistake of ours shows as well: what is illegal without
//! the scenario saying so ([`undeclared`]) is no verdict on any player.

use std::collections::BTreeSet;

use m3u8_rs::MediaPlaylist;

use crate::media::SegmentFacts;
use crate::report::Stream;
use crate::trace::{Content, End, Listing, Request, Resource, Trace};

/// One way in which a stream breaks RFC 8216.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its name, as a scenario's `illegal` lists it.
    pub name: &'static str,
    /// One sentence with the section it rests on.
    pub what: String,
}

/// Everything the self-check can find: its name, and what it means.
pub const FINDINGS: &[(&str, &str)] = &[
    ("no-playlist", "no Media Playlist (RFC 8216, 4.3)"),
    ("byte-order-mark", "a playlist begins with a byte order mark (RFC 8216, 4.1)"),
    ("extinf", "an EXTINF exceeds the target duration (RFC 8216, 4.3.3.1)"),
    ("sequence-decreased", "EXT-X-MEDIA-SEQUENCE has decreased (RFC 8216, 6.2.1)"),
    ("changed-after-end", "the playlist changed after EXT-X-ENDLIST (RFC 8216, 6.2.1)"),
    ("entry-changed", "a listed segment has changed (RFC 8216, 6.2.1)"),
    ("target-duration-changed", "EXT-X-TARGETDURATION has changed (RFC 8216, 6.2.1)"),
    ("too-short", "a live playlist is shorter than three target durations (RFC 8216, 6.2.2)"),
    ("removed-from-end", "segments were taken from the end of a playlist (RFC 8216, 6.2.1)"),
    (
        "discontinuity-sequence",
        "a discontinuity left the playlist and EXT-X-DISCONTINUITY-SEQUENCE did not rise (RFC 8216, 6.2.2)",
    ),
    (
        "discontinuity-missing",
        "timestamps jump between segments without EXT-X-DISCONTINUITY (RFC 8216, 4.3.2.3)",
    ),
];

/// Judges the stream of a trial by its origin lane.
pub fn check(trace: &Trace) -> (Stream, Vec<String>) {
    let illegal: Vec<String> = findings(trace).into_iter().map(|finding| finding.what).collect();
    if !illegal.is_empty() {
        return (Stream::Illegal, illegal);
    }
    let broken = broken_answers(trace);
    if broken.is_empty() { (Stream::Legal, broken) } else { (Stream::ServerError, broken) }
}

/// What is illegal although the scenario does not say so.
pub fn undeclared(trace: &Trace, declared: &[String]) -> Vec<String> {
    let unknown =
        findings(trace).into_iter().filter(|finding| !declared.iter().any(|name| name == finding.name));
    unknown.map(|finding| format!("{}: {}", finding.name, finding.what)).collect()
}

/// How the playlists, and the timestamps of the media they list, break RFC 8216.
pub fn findings(trace: &Trace) -> Vec<Finding> {
    let mut found = Vec::new();
    // The variants are playlists of their own.
    let variants: BTreeSet<u8> = trace.requests.iter().filter_map(|r| r.resource.variant()).collect();
    for variant in variants {
        let mut previous: Option<MediaPlaylist> = None;
        let of_variant = |r: &&Request| r.resource == Resource::Playlist { variant };
        for request in trace.requests.iter().filter(of_variant) {
            let Some(text) = request.delivered_playlist() else { continue };
            let mut say = |name| found.push(finding(request.n, name));
            let plain = text.strip_prefix('\u{feff}');
            if plain.is_some() {
                say("byte-order-mark");
            }
            let Ok((_, playlist)) = m3u8_rs::parse_media_playlist(plain.unwrap_or(text).as_bytes()) else {
                say("no-playlist");
                continue;
            };
            // Rounded to the nearest integer, it is not above the target duration.
            if playlist.segments.iter().any(|s| s.duration.round() as u64 > playlist.target_duration) {
                say("extinf");
            }
            if let Some(old) = &previous {
                compare(old, &playlist).into_iter().for_each(&mut say);
            }
            previous = Some(playlist);
        }
    }
    found.extend(timestamps(trace));
    found
}

fn finding(n: u64, name: &'static str) -> Finding {
    let (name, what) = FINDINGS.iter().find(|(known, _)| *known == name).expect("a finding of the list");
    Finding { name, what: format!("request {n}: {what}") }
}

/// What a server may not do between two versions.
fn compare(old: &MediaPlaylist, new: &MediaPlaylist) -> Vec<&'static str> {
    let mut found = Vec::new();
    if new.media_sequence < old.media_sequence {
        found.push("sequence-decreased");
    } else if last(new) < last(old) {
        found.push("removed-from-end");
    }
    if old.end_list && old != new {
        found.push("changed-after-end");
    }
    let has_changed = |(msn, s): (u64, &m3u8_rs::MediaSegment)| {
        entries(new).any(|(m, t)| m == msn && (t.uri != s.uri || t.duration != s.duration))
    };
    if entries(old).any(has_changed) {
        found.push("entry-changed");
    }
    if new.target_duration != old.target_duration {
        found.push("target-duration-changed");
    }
    let duration: f32 = new.segments.iter().map(|s| s.duration).sum();
    // Removing is what must not make it so short; one that has not been filled yet may be.
    let has_removed = new.media_sequence > old.media_sequence;
    if has_removed && !new.end_list && duration < 3.0 * new.target_duration as f32 {
        found.push("too-short");
    }
    let gone = entries(old).filter(|(msn, s)| *msn < new.media_sequence && s.discontinuity).count() as u64;
    if new.media_sequence >= old.media_sequence
        && new.discontinuity_sequence < old.discontinuity_sequence + gone
    {
        found.push("discontinuity-sequence");
    }
    found
}

fn last(playlist: &MediaPlaylist) -> u64 {
    playlist.media_sequence + playlist.segments.len() as u64
}

/// A segment that was served begins where the one listed before it ends, or a discontinuity stands between them.
fn timestamps(trace: &Trace) -> Vec<Finding> {
    let served: Vec<(u64, &SegmentFacts)> = trace
        .requests
        .iter()
        .filter_map(|r| match (&r.content, r.resource) {
            (Content::Segment(facts), Resource::Segment { msn, variant: 0, .. }) if !facts.is_spoiled => {
                Some((msn, facts))
            }
            _ => None,
        })
        .collect();
    let facts = |listing: &Listing| {
        let msn = listing.same_as.unwrap_or(listing.msn);
        served.iter().find(|(n, _)| *n == msn).map(|(_, facts)| *facts)
    };
    // The picture goes on, and the sound lies somewhere else from here on.
    let sound_leaves = |before: &SegmentFacts, after: &SegmentFacts| {
        before.unaccompanied_s == 0.0 && after.unaccompanied_s > after.duration_s - JUMP_S
    };
    let mut found = Vec::new();
    let mut told: BTreeSet<(u64, u64)> = BTreeSet::new();
    for request in &trace.requests {
        let Some(text) = request.delivered_playlist() else { continue };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Ok((_, playlist)) = m3u8_rs::parse_media_playlist(text.as_bytes()) else { continue };
        let listings = request.delivered_listings();
        if listings.len() != playlist.segments.len() {
            continue;
        }
        for (pair, segment) in listings.windows(2).zip(playlist.segments.iter().skip(1)) {
            let (Some(before), Some(after)) = (facts(&pair[0]), facts(&pair[1])) else { continue };
            let off_s = (after.start_s - before.start_s - before.duration_s).abs();
            let jumps = (off_s > JUMP_S || sound_leaves(before, after))
                && !segment.discontinuity
                && !pair[0].gap
                && !pair[1].gap;
            if jumps && told.insert((pair[0].msn, pair[1].msn)) {
                found.push(finding(request.n, "discontinuity-missing"));
            }
        }
    }
    found
}

/// Answers that a request for a listed resource should not get.
fn broken_answers(trace: &Trace) -> Vec<String> {
    let mut listed: BTreeSet<u64> = BTreeSet::new();
    let mut found = Vec::new();
    for request in &trace.requests {
        let expected = match request.resource {
            Resource::Multivariant | Resource::Playlist { .. } | Resource::Init { .. } => true,
            Resource::Segment { msn, .. } => listed.contains(&msn),
            Resource::Unknown => false,
        };
        let is_broken = request.status >= 400 || matches!(request.end, End::Cut | End::Reset);
        // The client gave up on an answer that had not come, or still waits for it.
        let waited_ms = match request.end {
            End::Open => trace.ended_at_ms - request.at_ms,
            _ => request.ended_ms - request.at_ms,
        };
        let is_unfinished = matches!(request.end, End::ClientGone | End::Open);
        let is_hung = is_unfinished && request.sent_bytes < request.whole_bytes && waited_ms > HUNG_STREAM_MS;
        if expected && (is_broken || is_hung || request.is_spoiled()) {
            found.push(format!("request {}: {} was answered badly", request.n, request.resource));
        }
        if request.delivered_playlist().is_some() {
            let listings = request.delivered_listings().iter().filter(|listing| !listing.gap);
            listed = listings.map(|listing| listing.same_as.unwrap_or(listing.msn)).collect();
        }
    }
    found
}

fn entries(playlist: &MediaPlaylist) -> impl Iterator<Item = (u64, &m3u8_rs::MediaSegment)> {
    playlist.segments.iter().enumerate().map(|(i, s)| (playlist.media_sequence + i as u64, s))
}

/// A transfer cut short by the client or the trial's end within this time says nothing of the server.
const HUNG_STREAM_MS: f64 = 1000.0;
/// Less than this between the end of one segment and the beginning of the next is rounding.
const JUMP_S: f64 = 0.1;
