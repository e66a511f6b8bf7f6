//! Whether a trial has anything for a rule to judge: a rule that never has is no evidence of anything.

use super::Case;
use super::session::over;
use crate::conduct::{Absence, Conduct};
use crate::coverage::asked_for;
use crate::scenario::Outcome;
use crate::trace::{AppendedBox, PageEvent, Resource};

pub fn always(_: &Case) -> bool {
    true
}

pub fn appends_media(case: &Case) -> bool {
    appends(case, |boxes, _| boxes.iter().any(|b| matches!(b, AppendedBox::Mdat { .. })))
}

pub fn appends_init(case: &Case) -> bool {
    appends(case, |boxes, _| boxes.iter().any(|b| matches!(b, AppendedBox::Init { .. })))
}

pub fn appends_in_sequence(case: &Case) -> bool {
    appends(case, |boxes, mode| {
        mode == "sequence" && boxes.iter().any(|b| matches!(b, AppendedBox::Mdat { .. }))
    })
}

fn appends(case: &Case, is: impl Fn(&[AppendedBox], &str) -> bool) -> bool {
    case.trace.page.iter().any(|entry| match &entry.event {
        PageEvent::Append { boxes, mode, .. } => is(boxes, mode),
        _ => false,
    })
}

pub fn requests_media(case: &Case) -> bool {
    asked_for(case.trace, |resource| matches!(resource, Resource::Segment { .. } | Resource::Init { .. }))
}

pub fn lists_gap(case: &Case) -> bool {
    !case.view.gaps.is_empty()
}

pub fn reloads(case: &Case) -> bool {
    case.trace.requests.iter().filter(|request| request.resource.is_playlist()).count() > 1
}

pub fn is_to_start(case: &Case) -> bool {
    case.expect.start_limit_ms.is_finite()
}

pub fn is_to_go_on(case: &Case) -> bool {
    let is_to_reach_until = case.expect.outcome == Outcome::Playing && case.expect.until_msn.is_some();
    is_to_reach_until || case.expect.recover.is_some_and(|(over_ms, _)| over_ms <= case.trace.ended_at_ms)
}

pub fn ends(case: &Case) -> bool {
    over(case).is_some()
}

pub fn counts_requests(case: &Case) -> bool {
    !case.expect.requests.is_empty()
}

pub fn limits_rate(case: &Case) -> bool {
    case.expect.requests_per_td.is_some()
}

pub fn is_told(case: &Case) -> bool {
    let conduct = Conduct::read(case.trace);
    conduct.stretches.iter().any(|stretch| matches!(stretch.of, Absence::Paused | Absence::Stopped))
}

pub fn counts_errors(case: &Case) -> bool {
    case.expect.errors.is_some()
}

pub fn limits_buffer(case: &Case) -> bool {
    case.expect.buffered_limit_ms.is_some()
}

pub fn limits_latency(case: &Case) -> bool {
    case.expect.latency_limit_ms.is_some()
}

pub fn names_segments(case: &Case) -> bool {
    !case.expect.must_show.is_empty() || !case.expect.must_not_show.is_empty()
}

pub fn shows(case: &Case) -> bool {
    !case.view.shown.is_empty()
}
