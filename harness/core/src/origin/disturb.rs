//! What faults do to the answer and its transfer, in the order that [`crate::fault`] documents.

use std::io::Write;
use std::sync::Arc;

use super::response::Whole;
use super::{OTHER_FOLDER, Origin, REDIRECTED};
use crate::exchange::{Ask, Framing, Host, Reply, Step};
use crate::fault::{Before, ContentLength, Cors, Fault, Redirect};
use crate::notation::Part;
use crate::trace::{Content, Resource};

impl Origin {
    pub(super) fn disturb(
        &self,
        whole: Whole,
        resource: Resource,
        attempt: u64,
        fired: Vec<usize>,
        ask: &Ask,
        now_ms: f64,
    ) -> Reply {
        let faults: Vec<&Fault> = fired.iter().map(|i| &self.faults[*i]).collect();
        let (whole, mut headers) = self.with_caching(self.answer(whole, &faults, ask), resource, ask);
        let (body, mut length) = code(&whole.body, &faults, &mut headers);
        let whole_bytes = length;
        set_headers(&mut headers, &whole.headers, &faults);

        let cut = last(&faults, |f| f.truncate).map(|part| part.of(body.len()));
        // What a hang or a reset leaves of a body that is cut is a part of what was left.
        let left = cut.unwrap_or(body.len());
        let says = last(&faults, |f| f.content_length);
        if says != Some(ContentLength::Lying) && cut.is_some() {
            length = left;
        }
        let framing = match whole.status {
            204 | 304 => Framing::Bodiless,
            _ if faults.iter().any(|f| f.chunked) => Framing::Chunked,
            _ if says == Some(ContentLength::None) => Framing::UntilClose,
            _ => Framing::Length(length),
        };
        if self.must_close_after() {
            headers.push(("connection".into(), "close".into()));
        }
        let mut steps = self.steps(
            &faults,
            body.len(),
            left,
            says == Some(ContentLength::Lying) && cut.is_some(),
            now_ms,
        );
        if self.must_close_after()
            && !steps.iter().any(|s| matches!(s, Step::Hang | Step::Reset | Step::Close))
        {
            steps.push(Step::Close);
        }
        Reply {
            resource,
            attempt,
            status: whole.status,
            headers,
            framing,
            body,
            whole: whole_bytes,
            content: whole.content,
            steps,
            fired,
        }
    }

    /// Another answer in place of the right one.
    fn answer(&self, whole: Whole, faults: &[&Fault], ask: &Ask) -> Whole {
        if let Some(status) = last(faults, |f| f.status) {
            let mut answer = Whole::status(status);
            if let Some(body) = last(faults, |f| f.body.clone()) {
                answer.body = body.into_bytes().into();
            }
            if keeps_body(status) {
                answer = Whole { status, ..whole };
            }
            return answer;
        }
        if let Some(body) = last(faults, |f| f.body.clone()) {
            return Whole {
                status: 200,
                content_type: "text/html",
                body: body.into_bytes().into(),
                content: Content::Nothing,
                headers: Vec::new(),
            };
        }
        let Some(redirect) = last(faults, |f| f.redirect) else { return whole };
        let path = ask.path;
        let name = path.rsplit('/').next().unwrap_or("");
        let location = match redirect {
            Redirect::Same if path.contains('?') => format!("{path}&{REDIRECTED}"),
            Redirect::Same => format!("{path}?{REDIRECTED}"),
            // A query may hold a slash; the name is what the path ends with.
            Redirect::Folder => {
                let (path, query) =
                    path.split_once('?').map_or((path, String::new()), |(p, q)| (p, format!("?{q}")));
                format!("{OTHER_FOLDER}{}{query}", path.rsplit('/').next().unwrap_or(name))
            }
            Redirect::Host => format!("{}{path}", self.bases.of(Host::Second)),
        };
        Whole { headers: vec![("location".into(), location)], ..Whole::status(302) }
    }

    fn steps(&self, faults: &[&Fault], whole: usize, left: usize, is_lying: bool, now_ms: f64) -> Vec<Step> {
        let td = self.timeline.target_duration_ms;
        let wait_ms: f64 = faults.iter().filter_map(|f| f.delay).map(|delay| delay.ms(td)).sum();
        let is_before = faults.iter().any(|f| f.before == Some(Before::Headers));
        let part = |get: fn(&Fault) -> Option<Part>| last(faults, get).map(|part| part.of(left));
        let (reset, hang) = (part(|f| f.reset), part(|f| f.hang));

        let mut steps = Vec::new();
        if wait_ms > 0.0 {
            steps.push(Step::Wait(wait_ms));
        }
        if is_before {
            steps.push(if reset.is_some() { Step::Reset } else { Step::Hang });
            return steps;
        }
        steps.push(Step::Head);
        if let Some(delay) = last(faults, |f| f.delay_body) {
            steps.push(Step::Wait(delay.ms(td)));
        }
        // The link is as it was when the fault is over, for what is under way, too.
        let throttle = |f: &Fault| Some((f.throttle?, f.until.map(|until| self.timeline.moment_ms(until))));
        if let Some((rate, until_ms)) = last(faults, throttle) {
            let until_ms = until_ms.map_or(f64::INFINITY, |until_ms| until_ms - now_ms);
            steps.push(Step::Throttle { bits_per_s: rate.bits_per_s, until_ms });
        }
        let to = reset.or(hang).unwrap_or(left);
        if let Some(stall) = last(faults, |f| f.stall) {
            let at = stall.at.of(left).min(to);
            steps.extend([Step::BodyTo(at), Step::Wait(stall.wait.ms(td))]);
        }
        steps.push(Step::BodyTo(to));
        match (reset, hang) {
            (Some(_), _) => steps.push(Step::Reset),
            (_, Some(_)) => steps.push(Step::Hang),
            _ if is_lying && left < whole => steps.push(Step::Close),
            _ => {}
        }
        steps
    }

    /// Some request is to lose its connection before the headers: every browser repeats that by itself on a connection
    /// that was used before, so no connection is used twice.
    fn must_close_after(&self) -> bool {
        self.faults.iter().any(|f| f.before.is_some())
    }
}

/// 206 without a range asked for, or 201: the body is the right one all the same.
pub(super) fn keeps_body(status: u16) -> bool {
    matches!(status, 200..=299) && status != 204
}

fn last<T>(faults: &[&Fault], get: impl Fn(&Fault) -> Option<T>) -> Option<T> {
    faults.iter().rev().find_map(|fault| get(fault))
}

/// The body as it is coded, and the length that its Content-Length says.
fn code(body: &Arc<[u8]>, faults: &[&Fault], headers: &mut Vec<(String, String)>) -> (Arc<[u8]>, usize) {
    let mut body = body.clone();
    if faults.iter().any(|f| f.gzip) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        // Writing into memory cannot fail.
        if encoder.write_all(&body).is_ok()
            && let Ok(coded) = encoder.finish()
        {
            body = coded.into();
            headers.push(("content-encoding".into(), "gzip".into()));
        }
    }
    let length = body.len();
    if faults.iter().any(|f| f.twice) {
        body = [&body[..], &body[..]].concat().into();
    }
    (body, length)
}

fn set_headers(headers: &mut Vec<(String, String)>, own: &[(String, String)], faults: &[&Fault]) {
    headers.extend(own.iter().cloned());
    let set = |headers: &mut Vec<(String, String)>, name: &str, value: &str| {
        headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            headers.push((name.to_string(), value.to_string()));
        }
    };
    for fault in faults {
        if let Some(content_type) = &fault.content_type {
            set(headers, "content-type", content_type);
        }
        let allow = "access-control-allow-origin";
        match fault.cors {
            Some(Cors::Missing) => set(headers, allow, ""),
            Some(Cors::Null) => set(headers, allow, "null"),
            Some(Cors::Duplicated) => headers.push((allow.into(), "*".into())),
            Some(Cors::Preflight) | None => {}
        }
        for (name, value) in &fault.headers {
            set(headers, &name.to_ascii_lowercase(), value);
        }
    }
}
