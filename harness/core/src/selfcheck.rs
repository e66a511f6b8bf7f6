//! The origin's check of itself: was what this player was served a legal stream?
//!
//! It reads the bytes served, not the scenario, so that a mistake of ours shows as well.

use std::collections::BTreeMap;

use m3u8_rs::MediaPlaylist;

use crate::report::Stream;
use crate::trace::{End, Resource, Trace};

/// Judges the stream of a trial by its origin lane.
pub fn check(trace: &Trace) -> (Stream, Vec<String>) {
    let illegal = playlists(trace);
    if !illegal.is_empty() {
        return (Stream::Illegal, illegal);
    }
    let broken = broken_answers(trace);
    if broken.is_empty() { (Stream::Legal, broken) } else { (Stream::ServerError, broken) }
}

fn playlists(trace: &Trace) -> Vec<String> {
    let mut found = Vec::new();
    let mut previous: Option<MediaPlaylist> = None;
    for request in &trace.requests {
        let Some(text) = request.delivered_playlist() else { continue };
        let Ok((_, playlist)) = m3u8_rs::parse_media_playlist(text.as_bytes()) else {
            found.push(format!("request {}: no Media Playlist (RFC 8216, 4.3)", request.n));
            continue;
        };
        let mut complain = |what: &str| found.push(format!("request {}: {what}", request.n));
        // 4.3.3.1: EXTINF, rounded to the nearest integer, is not above the target duration.
        if playlist.segments.iter().any(|s| s.duration.round() as u64 > playlist.target_duration) {
            complain("an EXTINF exceeds the target duration (RFC 8216, 4.3.3.1)");
        }
        if let Some(old) = &previous {
            if playlist.media_sequence < old.media_sequence {
                complain("EXT-X-MEDIA-SEQUENCE has decreased (RFC 8216, 6.2.1)");
            }
            if old.end_list && *old != playlist {
                complain("the playlist changed after EXT-X-ENDLIST (RFC 8216, 6.2.1)");
            }
            if entries(old).any(|(msn, s)| {
                entries(&playlist).any(|(m, t)| m == msn && (t.uri != s.uri || t.duration != s.duration))
            }) {
                complain("a listed segment has changed (RFC 8216, 6.2.1)");
            }
        }
        let duration: f32 = playlist.segments.iter().map(|s| s.duration).sum();
        // 6.2.2, for a window that has removed segments.
        if playlist.media_sequence > 0
            && !playlist.end_list
            && duration < 3.0 * playlist.target_duration as f32
        {
            complain("a live playlist is shorter than three target durations (RFC 8216, 6.2.2)");
        }
        previous = Some(playlist);
    }
    found
}

/// Answers that a request for a listed resource should not get.
fn broken_answers(trace: &Trace) -> Vec<String> {
    let mut listed: BTreeMap<String, ()> = BTreeMap::new();
    let mut found = Vec::new();
    for request in &trace.requests {
        let name = request.path.rsplit('/').next().unwrap_or("").split('?').next().unwrap_or("");
        let expected = match request.resource {
            Resource::Playlist | Resource::Init { .. } => true,
            Resource::Segment { .. } => listed.contains_key(name),
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
        if expected && (is_broken || is_hung) {
            found.push(format!("request {}: {} was answered badly", request.n, request.resource));
        }
        if let Some(text) = request.delivered_playlist()
            && let Ok((_, playlist)) = m3u8_rs::parse_media_playlist(text.as_bytes())
        {
            listed = playlist
                .segments
                .iter()
                .filter(|s| !s.unknown_tags.iter().any(|t| t.tag == "X-GAP"))
                .map(|s| (s.uri.clone(), ()))
                .collect();
        }
    }
    found
}

fn entries(playlist: &MediaPlaylist) -> impl Iterator<Item = (u64, &m3u8_rs::MediaSegment)> {
    playlist.segments.iter().enumerate().map(|(i, s)| (playlist.media_sequence + i as u64, s))
}

/// A transfer cut short by the client or the trial's end within this time says nothing of the server.
const HUNG_STREAM_MS: f64 = 1000.0;
