//! What a trial must show again whenever it is repeated, lane by lane: which playlists came, which inits and segments
//! were asked for, what was appended, how it ended.
//!
//! It names runs, Media Sequence Numbers and laps; no digests, sizes, times, evictions or frames, which a machine or an
//! engine decides. Nor does it say what came before what in another lane: that is a matter of rules. It ends with the
//! trial's last segment, because how much is loaded beyond it depends on the moment at which watching stops.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::expect::Expect;
use crate::fault::Fault;
use crate::notation::Target;
use crate::scenario::{Clock, Outcome, Packager, Scenario};
use crate::trace::{AppendedBox, Content, PageEvent, Request, Resource, Trace};
use crate::view::View;

/// Whether a scenario leaves nothing to the moment: the same reload sees the same playlist, nothing happens at a time of
/// its own, and no reload fails, because what the next one sees depends on when it comes.
pub fn are_fixed(scenario: &Scenario) -> bool {
    let fails_reloads = |fault: &Fault| {
        let edits = fault.edits_playlist() || fault.edits_entries();
        matches!(fault.on, Target::Playlist | Target::Multivariant | Target::Any) && !edits
    };
    // Where the MediaSource is lost to media that can't be played, the picture's place decides what is loaded again.
    let breaks_media = |fault: &Fault| fault.media.is_some();
    let is_timed = scenario
        .faults()
        .any(|fault: &Fault| fault.is_timed() || fails_reloads(fault) || breaks_media(fault));
    let stream = &scenario.stream;
    let has_end = matches!(scenario.expect.outcome, Outcome::Playing | Outcome::Ended);
    let has_actions = !scenario.action.is_empty();
    // A SourceBuffer is full when the picture has not come far enough.
    let has_quota = scenario.page.quota_bytes.is_some();
    has_end
        && stream.clock == Clock::Reload
        && stream.packager == Packager::Origin
        && !has_actions
        && !has_quota
        && !is_timed
}

/// The lanes as text.
pub fn lanes(trace: &Trace, expect: &Expect) -> String {
    let last = expect.until_msn.unwrap_or(u64::MAX);
    let view = View::new(trace, expect);
    let mut text = String::new();
    lane(&mut text, "playlists", playlists(trace, last));
    // A player may ask for an init and a segment at once, and either may come first.
    let is_init = |resource: Resource| matches!(resource, Resource::Init { .. });
    lane(&mut text, "inits", requests(trace, expect, last, is_init));
    lane(&mut text, "segments", requests(trace, expect, last, |resource| !is_init(resource)));
    lane(&mut text, "appends", appends(trace, expect, &view, last));
    lane(&mut text, "end", terminal(trace));
    text
}

/// The same entry again and again is written once.
fn lane(text: &mut String, name: &str, mut entries: Vec<String>) {
    entries.dedup();
    let _ = writeln!(text, "{name}");
    for entry in entries {
        let _ = writeln!(text, "  {entry}");
    }
}

fn playlists(trace: &Trace, last: u64) -> Vec<String> {
    let mut entries = Vec::new();
    for request in trace.requests.iter().filter(|r| r.resource.is_playlist()) {
        let is_beyond =
            |listings: &[crate::trace::Listing]| listings.iter().any(|listing| listing.msn > last);
        if is_beyond(request.delivered_listings()) {
            break;
        }
        entries.push(match &request.content {
            Content::Playlist { text, listings } if request.is_good() => {
                let numbers: Vec<u64> = listings.iter().map(|listing| listing.msn).collect();
                let mut entry = spans(&numbers);
                for tag in ["EXT-X-GAP", "EXT-X-DISCONTINUITY", "EXT-X-ENDLIST"] {
                    if text.lines().any(|line| line.trim_end() == format!("#{tag}")) {
                        let _ = write!(entry, ", {tag}");
                    }
                }
                entry
            }
            _ => answer(request),
        });
    }
    entries
}

/// Runs of numbers that follow each other: `100..104, 106`.
fn spans(numbers: &[u64]) -> String {
    let follows = |a: &u64, b: &u64| a.checked_add(1) == Some(*b);
    let span = |span: &[u64]| match span {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}..{last}"),
        [] => String::new(),
    };
    let spans: Vec<String> = numbers.chunk_by(follows).map(span).collect();
    if spans.is_empty() { "no segment".to_owned() } else { spans.join(", ") }
}

/// Inits or segments, each with which request for it this was and what came of it.
fn requests(trace: &Trace, expect: &Expect, last: u64, is: impl Fn(Resource) -> bool) -> Vec<String> {
    let media = trace.requests.iter().filter(|request| is(request.resource)).filter_map(|request| {
        let name = match request.resource {
            Resource::Init { .. } => request.resource.to_string(),
            Resource::Segment { msn, .. } if msn <= last => segment(expect, request.resource, msn),
            _ => return None,
        };
        Some(format!("{name}, attempt {}: {}", request.attempt, answer(request)))
    });
    media.collect()
}

fn answer(request: &Request) -> String {
    let end = match request.end {
        crate::trace::End::Complete => "",
        crate::trace::End::Cut => " cut",
        crate::trace::End::Reset => " reset",
        crate::trace::End::ClientGone | crate::trace::End::Open => " given up",
    };
    format!("{}{end}", request.status)
}

fn segment(expect: &Expect, resource: Resource, msn: u64) -> String {
    let run = match resource {
        Resource::Segment { run: 1, .. } => String::new(),
        Resource::Segment { run, .. } => format!(" of run {run}"),
        _ => String::new(),
    };
    let lap = expect.pictures.lap(msn).filter(|lap| *lap > 1).map(|lap| format!(" in lap {lap}"));
    format!("segment {msn}{run}{}", lap.unwrap_or_default())
}

fn appends(trace: &Trace, expect: &Expect, view: &View, last: u64) -> Vec<String> {
    let mut entries = Vec::new();
    // Bytes that come again with each lap are told apart by what was appended before.
    let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in &trace.page {
        let PageEvent::Append { buffer, boxes, error, .. } = &entry.event else { continue };
        let mut names: Vec<String> = boxes
            .iter()
            .filter_map(|b| match b {
                AppendedBox::Init { .. } => Some("init".to_owned()),
                AppendedBox::Garbage => Some("no box".to_owned()),
                AppendedBox::Moof | AppendedBox::Mdat { .. } => None,
            })
            .collect();
        for segments in view.segments_in(entry) {
            let behind = newest.get(buffer).copied().unwrap_or(0);
            let msn = segments.iter().find(|msn| **msn >= behind).or(segments.last());
            match msn {
                Some(msn) if *msn > last => return entries,
                Some(msn) => {
                    newest.insert(*buffer, *msn);
                    let run = expect.pictures.of(*msn).map_or(1, |picture| picture.run);
                    let resource = Resource::Segment { variant: 0, run, msn: *msn };
                    names.push(segment(expect, resource, *msn));
                }
                None => names.push("what nobody served".to_owned()),
            }
        }
        if !names.is_empty() {
            let threw = error.as_ref().map(|error| format!(", threw {error}")).unwrap_or_default();
            entries.push(format!("{}{threw}", names.join(", ")));
        }
    }
    entries
}

fn terminal(trace: &Trace) -> Vec<String> {
    let ends = trace.page.iter().filter_map(|entry| match &entry.event {
        PageEvent::Media { event, .. } if event == "ended" => Some("the media element ended".to_owned()),
        PageEvent::PlayerError { fatal: true, .. } => Some("the player gave up".to_owned()),
        PageEvent::EndOfStream { error } => {
            let error = error.as_ref().map(|error| format!(", {error}")).unwrap_or_default();
            Some(format!("endOfStream{error}"))
        }
        _ => None,
    });
    ends.collect()
}

/// The first line in which two lanes differ, side by side; `None` if there is none.
pub fn difference(left: &str, right: &str) -> Option<String> {
    let (mut lane, mut a, mut b) = ("", left.lines(), right.lines());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (left, right) if left == right => {
                lane = left.filter(|line| !line.starts_with(' ')).unwrap_or(lane);
            }
            (left, right) => {
                let shown = |line: Option<&str>| line.unwrap_or("nothing").trim().to_owned();
                return Some(format!("{lane}: {} | {}", shown(left), shown(right)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_are_a_span() {
        assert_eq!(spans(&[100, 101, 102, 104, 106, 107]), "100..102, 104, 106..107");
        assert_eq!(spans(&[]), "no segment");
        assert_eq!(spans(&[u64::MAX, 0]), format!("{}, 0", u64::MAX));
    }

    #[test]
    fn the_first_difference_is_told_with_its_lane() {
        assert_eq!(difference("a\n  1\nb\n  2\n", "a\n  1\nb\n  3\n").as_deref(), Some("b: 2 | 3"));
        assert_eq!(difference("a\n  1\n", "a\n").as_deref(), Some("a: 1 | nothing"));
        assert_eq!(difference("a\n", "a\n"), None);
    }
}
