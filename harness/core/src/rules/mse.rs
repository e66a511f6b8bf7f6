//! What Media Source Extensions ask of the appends.

use std::collections::BTreeMap;

use super::{Case, Violation};
use crate::report::Level;
use crate::trace::{AppendedBox, PageEvent, Unsettled};

pub fn init_first(case: &Case) -> Vec<Violation> {
    let mut has_init: BTreeMap<u64, bool> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &case.trace.page {
        match &entry.event {
            PageEvent::ChangeType { buffer, .. } => {
                has_init.insert(*buffer, false);
            }
            // What threw never reached the segment parser: neither init nor media.
            PageEvent::Append { buffer, boxes, error: None, .. } => {
                let ready = has_init.entry(*buffer).or_insert(false);
                for b in boxes {
                    match b {
                        AppendedBox::Init { .. } => *ready = true,
                        AppendedBox::Moof | AppendedBox::Mdat { .. } if !*ready => {
                            found.push(Violation::new(
                                entry.at_ms,
                                format!("media was appended to SourceBuffer {buffer} before an initialization segment"),
                            ));
                            break;
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// A repeat is lawful after anything that may have dropped or changed what the first one set up.
pub fn init_once(case: &Case) -> Vec<Violation> {
    let mut last: BTreeMap<u64, String> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in &case.trace.page {
        match entry.event.unsettles() {
            Some(Unsettled::One(buffer)) => {
                last.remove(&buffer);
            }
            Some(Unsettled::All) => last.clear(),
            None => {}
        }
        let PageEvent::Append { buffer, boxes, error: None, .. } = &entry.event else { continue };
        for b in boxes {
            let AppendedBox::Init { digest } = b else { continue };
            if last.insert(*buffer, digest.clone()).as_ref() == Some(digest) {
                found.push(Violation::new(
                    entry.at_ms,
                    format!("the same initialization segment was appended again to SourceBuffer {buffer}"),
                ));
            }
        }
    }
    found
}

pub fn no_append_while_updating(case: &Case) -> Vec<Violation> {
    let mut found = Vec::new();
    for (i, entry) in case.trace.page.iter().enumerate() {
        let PageEvent::Append { buffer, boxes, bytes, updating: true, .. } = &entry.event else { continue };
        let mut later = case.trace.page[i + 1..].iter().filter_map(|later| match &later.event {
            PageEvent::Append { buffer: other, boxes, bytes, error: None, .. } if other == buffer => {
                Some((boxes, bytes))
            }
            _ => None,
        });
        let told: Vec<&AppendedBox> = boxes.iter().filter(|b| is_told_by_its_digest(b)).collect();
        // Lost is what others went in for. A piece of a segment, which no digest tells, would be the next to go in; where the
        // trial ended before anything did, nobody knows.
        let is_lost = match later.next() {
            None => false,
            Some((_, next)) if told.is_empty() => next != bytes,
            Some(next) => {
                let later: Vec<&Vec<AppendedBox>> =
                    [next].into_iter().chain(later).map(|(boxes, _)| boxes).collect();
                told.iter().any(|b| !later.iter().any(|boxes| boxes.contains(b)))
            }
        };
        let level = if is_lost { Level::Must } else { Level::Should };
        found.push(
            Violation::new(
                entry.at_ms,
                format!("appendBuffer was called on SourceBuffer {buffer} while it was updating"),
            )
            .level(level),
        );
    }
    found
}

fn is_told_by_its_digest(b: &AppendedBox) -> bool {
    matches!(b, AppendedBox::Init { .. } | AppendedBox::Mdat { .. })
}

/// Media data whose digest nobody served is a cut segment completed by the bytes of the next one, or no media. A player that
/// appends none as it was served writes its own, which is its right: then this tells nothing for sure.
pub fn whole_segments(case: &Case) -> Vec<Violation> {
    let mut appended = case.trace.page.iter().flat_map(|entry| case.view.segments_in(entry));
    let level = if appended.any(|segments| !segments.is_empty()) { None } else { Some(Level::Should) };
    let mut found = Vec::new();
    for entry in &case.trace.page {
        let PageEvent::Append { buffer, boxes, error: None, .. } = &entry.event else { continue };
        if boxes.contains(&AppendedBox::Garbage) {
            found.push(Violation::new(
                entry.at_ms,
                format!("bytes that are no ISO BMFF box were appended to SourceBuffer {buffer}"),
            ));
        }
        if case.view.segments_in(entry).iter().any(|segments| segments.is_empty()) {
            let what =
                format!("media data was appended to SourceBuffer {buffer} that no segment was served with");
            found.push(Violation { level, ..Violation::new(entry.at_ms, what) });
        }
    }
    found
}
