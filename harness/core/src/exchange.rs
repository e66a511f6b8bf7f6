//! What goes in and out of the origin: a request as far as it matters, and a reply as a list of steps.
//!
//! The shell plays the steps back on a real socket. Nothing here knows one.

use std::sync::Arc;

use crate::trace::{Content, Resource};

/// A GET as the origin sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ask<'a> {
    /// Path and query.
    pub path: &'a str,
    pub host: Host,
    /// The Range header.
    pub range: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    pub if_modified_since: Option<&'a str>,
}

impl<'a> From<&'a str> for Ask<'a> {
    fn from(path: &'a str) -> Ask<'a> {
        Ask { path, ..Ask::default() }
    }
}

impl<'a> From<&'a String> for Ask<'a> {
    fn from(path: &'a String) -> Ask<'a> {
        Ask::from(path.as_str())
    }
}

/// Which of the two media hosts: they differ in their port, so that a page sees two origins (RFC 6454).
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Host {
    /// The one the player is given.
    #[default]
    First,
    /// Another one, as a CDN or an ad server would be.
    Second,
}

/// Where the two media hosts are reached: URLs without a slash at the end, to which a path is appended. Empty until
/// the shell has bound them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bases {
    pub first: String,
    pub second: String,
}

impl Bases {
    pub fn of(&self, host: Host) -> &str {
        match host {
            Host::First => &self.first,
            Host::Second => &self.second,
        }
    }
}

/// What the media hosts speak.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1 over TCP.
    #[default]
    Http1,
    /// HTTP/2 over TLS, as browsers want it.
    Http2,
}

/// What the shell is to do with a request.
#[derive(Debug, Clone)]
pub struct Reply {
    pub resource: Resource,
    pub attempt: u64,
    pub status: u16,
    /// All headers but those of the framing, in order; a name may come twice.
    pub headers: Vec<(String, String)>,
    pub framing: Framing,
    pub body: Arc<[u8]>,
    /// Bytes of the whole answer as it is coded. What the body has beyond them is too much, as when it is sent twice.
    pub whole: usize,
    pub content: Content,
    /// To be carried out in order. At their end a body that is complete by its framing leaves the connection open
    /// for the next request, any other closes it.
    pub steps: Vec<Step>,
    /// Indices of the scenario's faults that met this request.
    pub fired: Vec<usize>,
}

impl Reply {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a page of another origin may read it (Fetch, CORS check): exactly one header says so.
    pub fn is_readable(&self) -> bool {
        let allowed = self.headers.iter().filter(|(name, _)| name == "access-control-allow-origin");
        allowed.map(|(_, value)| value.as_str()).eq(["*"])
    }

    /// What Content-Length says, if there is one.
    pub fn content_length(&self) -> Option<usize> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose | Framing::Bodiless => None,
        }
    }
}

/// How the client is to find the body's end (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Content-Length; may lie.
    Length(usize),
    /// Transfer-Encoding: chunked. Each `BodyTo` is a chunk or more; the last chunk comes at the end of the steps,
    /// and doesn't come where they end the connection.
    Chunked,
    /// No length at all: the body ends where the connection does.
    UntilClose,
    /// A status that has none: 204 and 304 (RFC 9110, 15.3.5 and 15.4.5).
    Bodiless,
}

/// One step of a reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Stream milliseconds.
    Wait(f64),
    /// Status line and headers.
    Head,
    /// Send the body up to this offset.
    BodyTo(usize),
    /// Send what follows no faster than this, bits per second of stream time, until so many stream milliseconds have passed
    /// since the request.
    Throttle { bits_per_s: f64, until_ms: f64 },
    /// Send nothing more and leave the connection open until the client closes it.
    Hang,
    /// Abort the connection with a TCP reset.
    Reset,
    /// Close the connection.
    Close,
}
