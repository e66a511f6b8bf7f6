//! Two witnesses of one exchange: the page's calls of fetch and XMLHttpRequest, and the origin's requests.
//!
//! The page knows when the player asked; what comes between that and the origin (a connection, a busy browser, a
//! worker that starts) is not the player's. What a worker asks for, only the origin sees.

use std::collections::BTreeMap;

use crate::hls::resolve;
use crate::trace::{AppendedBox, Content, PageEvent, Request, Trace};

/// When a request, or the one that led to it by redirects, was begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Begun {
    /// As the page saw it, stream milliseconds; `None` where it was not seen to ask.
    pub in_page_ms: Option<f64>,
    /// As the origin saw it.
    pub at_origin_ms: f64,
}

/// When each of the origin's requests was begun.
pub fn begun(trace: &Trace) -> Vec<Begun> {
    let mut calls: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for entry in &trace.page {
        if let PageEvent::Fetch { url, .. } = &entry.event {
            calls.entry(path(url)).or_default().push(entry.at_ms);
        }
    }
    let mut redirects: BTreeMap<String, Begun> = BTreeMap::new();
    let mut all = Vec::new();
    for request in &trace.requests {
        let latest_ms = request.at_ms + trace.clock_error_ms;
        // The latest call before it: an earlier one may have been given up before it left the browser.
        let call = calls.get_mut(&request.path).and_then(|calls| {
            let place = calls.iter().rposition(|at_ms| *at_ms <= latest_ms)?;
            Some(calls.remove(place))
        });
        let own = Begun { in_page_ms: call, at_origin_ms: request.at_ms };
        let begun = match redirects.remove(&request.path) {
            Some(led) if call.is_none() => led,
            _ => own,
        };
        if let Some(location) = &request.location {
            redirects.insert(resolve(&request.path, location), begun);
        }
        all.push(begun);
    }
    all
}

/// Path and query of a URL.
fn path(url: &str) -> String {
    resolve("", url.split('#').next().unwrap_or(url))
}

/// Where the two contradict each other, which makes the evidence worthless; in words.
pub fn disagreement(trace: &Trace) -> Option<String> {
    unheard_answer(trace).or_else(|| other_status(trace)).or_else(|| more_than_was_sent(trace))
}

/// A call of the page that was answered.
struct Answered {
    path: String,
    asked_ms: f64,
    done_ms: f64,
    status: u16,
}

/// Calls that the origin's requests are about: those to the hosts that it was asked on.
fn answered(trace: &Trace) -> Vec<Answered> {
    let authority = |url: &str| Some(url.split_once("://")?.1.split('/').next()?.to_string());
    let is_asked = |path: &String| trace.requests.iter().any(|request| request.path == *path);
    let calls: Vec<(u64, f64, String, Option<String>)> = trace
        .page
        .iter()
        .filter_map(|entry| match &entry.event {
            PageEvent::Fetch { id, url, .. } => Some((*id, entry.at_ms, path(url), authority(url))),
            _ => None,
        })
        .collect();
    let media: Vec<&String> = calls
        .iter()
        .filter(|(_, _, path, _)| is_asked(path))
        .filter_map(|(_, _, _, host)| host.as_ref())
        .collect();
    let done = |id: u64| {
        trace.page.iter().find_map(|entry| match &entry.event {
            PageEvent::FetchDone { id: of, status: Some(status), error: None } if *of == id => {
                Some((entry.at_ms, *status))
            }
            _ => None,
        })
    };
    calls
        .iter()
        .filter(|(_, _, _, host)| host.as_ref().is_some_and(|host| media.contains(&host)))
        .filter_map(|(id, asked_ms, path, _)| {
            let (done_ms, status) = done(*id)?;
            Some(Answered { path: path.clone(), asked_ms: *asked_ms, done_ms, status })
        })
        .collect()
}

/// A cache may answer again what the origin has answered before, but nothing else may.
fn unheard_answer(trace: &Trace) -> Option<String> {
    let calls = answered(trace);
    let unheard = calls.iter().find(|call| {
        let came = |request: &&Request| {
            request.path == call.path && request.at_ms <= call.done_ms + trace.clock_error_ms
        };
        !trace.requests.iter().any(|request| came(&request))
    })?;
    Some(format!(
        "the page was answered {} for {}, which the origin was never asked for",
        unheard.status, unheard.path
    ))
}

/// The status that the page saw was sent while it waited, by this path or by what it led to.
fn other_status(trace: &Trace) -> Option<String> {
    let calls = answered(trace);
    let contradicted = calls.iter().find_map(|call| {
        let within = |request: &Request| {
            let error_ms = trace.clock_error_ms;
            (call.asked_ms - error_ms..=call.done_ms + error_ms).contains(&request.at_ms)
        };
        let of_path: Vec<&Request> =
            trace.requests.iter().filter(|request| request.path == call.path && within(request)).collect();
        // Another answer than to a question of its own is a cache's, or that of a redirect.
        let [only] = of_path[..] else { return None };
        let is_redirect = only.location.is_some();
        let is_same = only.status == call.status || only.status == 304;
        (!is_redirect && !is_same && !is_repeated(trace, only, call)).then_some((call, only))
    });
    let (call, request) = contradicted?;
    Some(format!(
        "the page was answered {} for {}, and the origin says that it answered {}",
        call.status, call.path, request.status
    ))
}

/// A browser that repeats a request by itself may have been answered later.
fn is_repeated(trace: &Trace, request: &Request, call: &Answered) -> bool {
    trace.requests.iter().any(|other| {
        other.n > request.n && other.path == call.path && other.at_ms <= call.done_ms + trace.clock_error_ms
    })
}

/// Media data that was appended whole although every body that carried it was cut off.
fn more_than_was_sent(trace: &Trace) -> Option<String> {
    let mut whole: BTreeMap<&str, bool> = BTreeMap::new();
    for request in &trace.requests {
        let Content::Segment(facts) = &request.content else { continue };
        let is_whole = request.sent_bytes >= request.whole_bytes || !facts.more_mdats.is_empty();
        *whole.entry(&facts.mdat).or_default() |= is_whole;
    }
    trace.page.iter().find_map(|entry| {
        let PageEvent::Append { boxes, .. } = &entry.event else { return None };
        let digests = boxes.iter().filter_map(|b| match b {
            AppendedBox::Mdat { digest } => Some(digest.as_str()),
            _ => None,
        });
        let cut = digests.into_iter().find(|digest| whole.get(digest) == Some(&false))?;
        Some(format!("the page appended media data ({cut}) of which the origin says that it never sent all"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Host;
    use crate::media::SegmentFacts;
    use crate::trace::{End, PageEntry, Resource};

    fn request(n: u64, at_ms: f64, path: &str, status: u16) -> Request {
        Request {
            n,
            at_ms,
            path: path.into(),
            host: Host::First,
            range: None,
            resource: Resource::Unknown,
            attempt: 1,
            status,
            location: None,
            opaque: false,
            content: Content::Nothing,
            whole_bytes: 10,
            sent_bytes: 10,
            ended_ms: at_ms + 1.0,
            end: End::Complete,
        }
    }

    fn call(page: &mut Vec<PageEntry>, id: u64, at_ms: f64, url: &str, status: u16) {
        let mut log = |at_ms, event| page.push(PageEntry { n: page.len() as u64, at_ms, event });
        log(at_ms, PageEvent::Fetch { id, url: url.into(), by: String::new() });
        log(at_ms + 5.0, PageEvent::FetchDone { id, status: Some(status), error: None });
    }

    fn trace(requests: Vec<Request>, calls: &[(f64, &str, u16)]) -> Trace {
        let mut trace = Trace { speed: 1.0, clock_error_ms: 1.0, requests, ..Trace::default() };
        for (id, (at_ms, url, status)) in (0..).zip(calls) {
            call(&mut trace.page, id, *at_ms, url, *status);
        }
        trace
    }

    #[test]
    fn what_both_say_is_no_disagreement() {
        let mut led = request(1, 12.0, "/b", 302);
        led.location = Some("/c".into());
        let requests =
            vec![request(0, 2.0, "/a", 404), led, request(2, 13.0, "/c", 200), request(3, 22.0, "/a", 304)];
        let calls = [(0.0, "http://m/a", 404), (10.0, "http://m/b", 200), (20.0, "http://m/a", 200)];
        assert_eq!(disagreement(&trace(requests, &calls)), None);
        // The player's own files are nobody's business.
        let elsewhere = [(0.0, "http://m/a", 200), (5.0, "http://page/config.json", 200)];
        assert_eq!(disagreement(&trace(vec![request(0, 2.0, "/a", 200)], &elsewhere)), None);
    }

    #[test]
    fn an_answer_that_was_never_given_is_one() {
        let calls = [(0.0, "http://m/a", 200), (10.0, "http://m/b", 200)];
        let why = disagreement(&trace(vec![request(0, 2.0, "/a", 200)], &calls)).expect("they disagree");
        assert!(why.contains("/b, which the origin was never asked for"), "{why}");
    }

    #[test]
    fn another_status_is_one() {
        let why = disagreement(&trace(vec![request(0, 2.0, "/a", 404)], &[(0.0, "http://m/a", 200)]));
        assert!(why.expect("they disagree").contains("it answered 404"));
    }

    #[test]
    fn media_data_that_was_cut_cannot_be_appended_whole() {
        let facts = SegmentFacts {
            mdat: "d".into(),
            more_mdats: Vec::new(),
            start_s: 0.0,
            duration_s: 2.0,
            frames: 1,
            unaccompanied_s: 0.0,
            is_spoiled: false,
        };
        let mut cut = request(0, 2.0, "/a", 200);
        (cut.content, cut.sent_bytes) = (Content::Segment(facts), 5);
        let mut trace = trace(vec![cut.clone()], &[]);
        let boxes = vec![AppendedBox::Moof, AppendedBox::Mdat { digest: "d".into() }];
        let event = PageEvent::Append {
            buffer: 0,
            bytes: 10,
            boxes,
            updating: false,
            error: None,
            mode: String::new(),
            by: String::new(),
        };
        trace.page.push(PageEntry { n: 0, at_ms: 9.0, event });
        assert!(disagreement(&trace).expect("they disagree").contains("never sent all"));
        cut.sent_bytes = 10;
        trace.requests.push(cut);
        assert_eq!(disagreement(&trace), None);
    }
}
