//! What is answered before any fault touches its transfer: status, body, and the headers of every reply.

use std::sync::Arc;

use super::Origin;
use crate::exchange::Ask;
use crate::media;
use crate::scenario::Cache;
use crate::trace::{Content, Resource};

/// A reply before any fault touches its transfer.
pub struct Whole {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Arc<[u8]>,
    pub content: Content,
    /// Beside those of every reply.
    pub headers: Vec<(String, String)>,
}

impl Whole {
    /// A status with a short body, as servers send it.
    pub fn status(status: u16) -> Whole {
        Whole {
            status,
            content_type: "text/plain",
            body: format!("status {status}\n").into_bytes().into(),
            content: Content::Nothing,
            headers: Vec::new(),
        }
    }
}

/// The headers of every reply: another origin may read it, and nobody keeps it.
pub fn headers(content_type: &str) -> Vec<(String, String)> {
    let mut headers = pairs(&[("content-type", content_type), ("access-control-allow-origin", "*")]);
    headers.extend(pairs(&[("cache-control", "no-store")]));
    headers
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

impl Origin {
    /// The headers of a reply as the stream's caching wants them, and 304 in its place where the client has it.
    pub(super) fn with_caching(
        &self,
        whole: Whole,
        resource: Resource,
        ask: &Ask,
    ) -> (Whole, Vec<(String, String)>) {
        let mut headers = headers(whole.content_type);
        if whole.status != 200 || resource == Resource::Unknown {
            return (whole, headers);
        }
        let instead = match self.scenario.stream.cache {
            Cache::NoStore => return (whole, headers),
            Cache::Revalidate => {
                let tag = format!("\"{}\"", media::digest(&whole.body));
                let has_it = ask.if_none_match == Some(tag.as_str());
                headers.retain(|(name, _)| name != "cache-control");
                headers.extend(pairs(&[("cache-control", "no-cache"), ("etag", &tag)]));
                return if has_it { (Whole::status(304), headers) } else { (whole, headers) };
            }
            Cache::Heuristic => ("last-modified", LAST_MODIFIED),
            Cache::Minute => ("cache-control", "max-age=60"),
        };
        headers.retain(|(name, _)| name != "cache-control");
        headers.extend(pairs(&[instead]));
        (whole, headers)
    }
}

/// Long ago: a tenth of its age may pass before it counts as stale (RFC 9111, 4.2.2).
const LAST_MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
