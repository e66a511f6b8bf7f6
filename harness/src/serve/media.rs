//! The media listeners: they take connections while their door is open. Whatever the protocol, a GET is answered
//! and played back as `playback.rs` says, anything else here. What a browser makes of it is in README.md beside
//! this file.

use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use segproof_core::exchange::{Ask, Host, Reply};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::door::shut_until_open;
use super::{Shared, accept, http1, http2};

/// How a media host speaks.
#[derive(Clone)]
pub enum Speech {
    Http1,
    Http2(TlsAcceptor),
}

/// Serves while the door is open. Shut, the listener and all its connections are gone, so that a client is
/// refused by the operating system itself.
pub async fn serve(mut listener: TcpListener, speech: Speech, host: Host, shared: Arc<Shared>) {
    let mut doors = shared.doors.subscribe();
    loop {
        let serving = accept(&listener, |stream| connection(stream, speech.clone(), host, shared.clone()));
        tokio::select! {
            () = serving => {}
            // An error means that the stage is gone, and this task with it.
            _ = doors.wait_for(|doors| !doors.is_open()) => {}
        }
        match shut_until_open(listener, &mut doors).await {
            Some(opened) => listener = opened,
            None => return,
        }
    }
}

async fn connection(stream: TcpStream, speech: Speech, host: Host, shared: Arc<Shared>) {
    match speech {
        Speech::Http1 => http1::serve(stream, host, shared).await,
        Speech::Http2(tls) => http2::serve(stream, tls, host, shared).await,
    }
}

/// What the origin is to know of a GET.
pub fn ask(parts: &Parts, host: Host) -> Ask<'_> {
    let field = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    Ask {
        path: parts.uri.path_and_query().map_or("/", |path| path.as_str()),
        host,
        range: field(header::RANGE),
        if_none_match: field(header::IF_NONE_MATCH),
        if_modified_since: field(header::IF_MODIFIED_SINCE),
    }
}

/// The answer to what is no GET: never recorded, never counted, and without a body.
pub fn answer_besides_get(shared: &Shared, parts: &Parts, host: Host) -> Option<Response<()>> {
    if parts.method == Method::GET {
        return None;
    }
    let now_ms = shared.clock.stream_ms(shared.clock.wall_ms(Instant::now()));
    let ask = ask(parts, host);
    let known = match parts.method {
        Method::OPTIONS => shared.publisher.with(|publisher| match publisher.preflight(now_ms, &ask) {
            true => Some(response(StatusCode::NO_CONTENT, &[READABLE.as_slice(), &PREFLIGHT].concat())),
            false => Some(response(StatusCode::FORBIDDEN, &[])),
        }),
        Method::HEAD => {
            shared.publisher.with(|publisher| publisher.head(now_ms, &ask)).and_then(|reply| head(&reply))
        }
        _ => None,
    };
    Some(known.unwrap_or_else(|| response(StatusCode::METHOD_NOT_ALLOWED, &READABLE)))
}

/// A reply without its body, and with no part of how that is sent but its length. None where a scenario's own headers are none.
fn head(reply: &Reply) -> Option<Response<()>> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if let Some(length) = reply.content_length() {
        response = response.header(header::CONTENT_LENGTH, length);
    }
    response.body(()).ok()
}

fn response(status: StatusCode, headers: &[(HeaderName, HeaderValue)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = HeaderMap::from_iter(headers.iter().cloned());
    response
}

const READABLE: [(HeaderName, HeaderValue); 2] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];
const PREFLIGHT: [(HeaderName, HeaderValue); 2] = [
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS")),
];
