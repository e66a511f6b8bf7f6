//! Two witnesses of one exchange: the page's calls of fetch and XMLHttpRequest, and the origin's requests.
//!
//! The page knows when the player asked; what comes between that and the origin (a connection, a busy browser, a
//! worker that starts) is not the player's. What a worker asks for, only the origin sees.

use std::collections::BTreeMap;

use crate::hls::resolve;
use crate::trace::{PageEvent, Trace};

/// When a request, or the one that led to it by redirects, was begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Begun {
    /// As the page saw it, stream milliseconds; `None` where it was not seen to ask.
    pub in_page_ms: Option<f64>,
    /// As the origin saw it: the number of the first of these requests in its lane, and when that came.
    pub first_n: u64,
    pub at_origin_ms: f64,
}

/// When each of the origin's requests was begun.
pub fn begun(trace: &Trace) -> Vec<Begun> {
    let mut calls: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for entry in &trace.page {
        if let PageEvent::Fetch { url, .. } = &entry.event {
            let path = resolve("", url.split('#').next().unwrap_or(url));
            calls.entry(path).or_default().push(entry.at_ms);
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
        let own = Begun { in_page_ms: call, first_n: request.n, at_origin_ms: request.at_ms };
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
