//! The media listener: plays the origin's replies back on real sockets and records what was sent. What a browser
//! makes of them is in README.md beside this file.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::routing::any;
use http::{Method, Request as HttpRequest, Response, StatusCode};
use hyper::server::conn::http1;
use hyper_util::service::TowerToHyperService;
use segproof_core::exchange::{Framing, Reply, Step};
use segproof_core::trace::{End, Request};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::tap::{Wire, tap};
use super::{ACCEPT_AGAIN, Door, Fired, Publisher, Shared, accept, lock};

/// Serves while the door is open. Shut, the listener and all its connections are gone, so that a client is
/// refused by the operating system itself.
pub async fn serve(mut listener: TcpListener, shared: Arc<Shared>, mut door: watch::Receiver<Door>) {
    // Without an address there is nothing to open again; a bound listener has one.
    let Ok(address) = listener.local_addr() else { return };
    let router = Router::new().fallback(any(answer)).with_state(shared);
    loop {
        let serving = accept(listener, |stream| connection(stream, &router));
        tokio::select! {
            () = serving => {}
            // An error means that the stage is gone, and this task with it.
            _ = door.wait_for(|door| *door == Door::Shut) => {}
        }
        if door.wait_for(|door| *door == Door::Open).await.is_err() {
            return;
        }
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                // Somebody took the port meanwhile and may give it back.
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        };
    }
}

fn connection(stream: TcpStream, router: &Router) -> impl Future<Output = ()> + Send + use<> {
    let (io, wire) = tap(stream);
    let service = TowerToHyperService::new(router.clone().layer(Extension(wire.clone())));
    async move {
        tokio::select! {
            // A client that vanishes is an ordinary end; the request's own record says so.
            _ = http1::Builder::new().serve_connection(io, service) => {}
            () = wire.ended() => {}
        }
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(wire): Extension<Wire>,
    request: HttpRequest<Body>,
) -> Result<Response<Body>, Infallible> {
    match *request.method() {
        Method::GET => {}
        Method::OPTIONS => return Ok(preflight()),
        _ => return Ok(with_status(StatusCode::METHOD_NOT_ALLOWED)),
    }
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_string();
    let (reply, mut exchange) = Exchange::begin(&shared, &path);
    wire.take();
    let connection = carry_out(&shared, &wire, &reply, &mut exchange).await;
    match connection {
        Ok(Connection::Goes | Connection::Closes) => exchange.end = exchange.end_of_body(&reply),
        Ok(Connection::Resets) => exchange.end = End::Reset,
        // Writing failed: the client is gone, as the record says unless it is told otherwise.
        Err(_) => {}
    }
    // First the record: who sees the connection's end can rely on it.
    drop(exchange);
    if !matches!(connection, Ok(Connection::Goes)) {
        wire.close();
        // With a response, hyper might answer a further request that it has read already.
        return std::future::pending().await;
    }
    wire.release();
    // hyper wants a response to go on; the tap discards it.
    Ok(with_status(StatusCode::OK))
}

/// What becomes of the connection after a reply.
enum Connection {
    Goes,
    Closes,
    Resets,
}

/// Carries out the reply's steps; fails when the client is gone.
async fn carry_out(
    shared: &Shared,
    wire: &Wire,
    reply: &Reply,
    exchange: &mut Exchange,
) -> std::io::Result<Connection> {
    let mut sent = 0;
    for step in &reply.steps {
        match *step {
            Step::Wait(stream_ms) => {
                // The wait is the fault itself.
                tokio::time::sleep(Duration::from_secs_f64(stream_ms / 1000.0 / shared.clock.speed)).await;
            }
            Step::Head => {
                let head = head(reply);
                let mut left = head.as_bytes();
                while !left.is_empty() {
                    left = &left[wire.write(left).await?..];
                }
            }
            Step::BodyTo(_) if !has_body(reply.status) => {}
            Step::BodyTo(to) => {
                while sent < to {
                    sent += wire.write(&reply.body[sent..to]).await?;
                    exchange.sent(sent as u64);
                }
            }
            // For the client the response is complete: the connection has to answer its next request.
            Step::Hang if reply.content_length().is_some_and(|length| sent >= length) => {}
            // Until the client closes: hyper then drops this future.
            Step::Hang => std::future::pending::<()>().await,
            // The pace of a body.
            Step::Throttle(_) => {}
            Step::Reset => {
                wire.reset_at_close().await?;
                return Ok(Connection::Resets);
            }
            Step::Close => return Ok(Connection::Closes),
        }
    }
    Ok(Connection::Goes)
}

fn head(reply: &Reply) -> String {
    let reason =
        StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Framing::Length(length) = reply.framing {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head + "\r\n"
}

/// RFC 9110, 15.3.5 and 15.4.5: after the head of these the next response begins.
fn has_body(status: u16) -> bool {
    !matches!(status, 204 | 304)
}

/// One request's record, open from its arrival; a drop before the end means that the client went away.
struct Exchange {
    shared: Arc<Shared>,
    index: usize,
    sent_bytes: u64,
    end: End,
}

impl Exchange {
    /// Has the request answered and recorded as one act, so that the records are in the order of the answers.
    fn begin(shared: &Arc<Shared>, path: &str) -> (Reply, Exchange) {
        let mut requests = lock(&shared.requests);
        let wall_ms = shared.clock.wall_ms(Instant::now());
        let reply = decide(shared, path, wall_ms);
        let n = requests.len() as u64;
        requests.push(Request {
            n,
            at_ms: wall_ms,
            path: path.to_string(),
            host: segproof_core::exchange::Host::First,
            range: None,
            resource: reply.resource,
            attempt: reply.attempt,
            status: reply.status,
            location: reply.header("location").map(str::to_string),
            content: reply.content.clone(),
            whole_bytes: if has_body(reply.status) { reply.body.len() as u64 } else { 0 },
            sent_bytes: 0,
            ended_ms: wall_ms,
            end: End::Open,
        });
        lock(&shared.fired).extend(reply.fired.iter().map(|fault| Fired { request: n, fault: *fault }));
        let exchange =
            Exchange { shared: shared.clone(), index: n as usize, sent_bytes: 0, end: End::ClientGone };
        (reply, exchange)
    }

    /// So many bytes of the body have been sent; recorded at once, for watching may stop at any moment.
    fn sent(&mut self, bytes: u64) {
        self.sent_bytes = bytes;
        lock(&self.shared.requests)[self.index].sent_bytes = bytes;
    }

    /// How an exchange ends of which nothing more is sent.
    fn end_of_body(&self, reply: &Reply) -> End {
        match !has_body(reply.status) || self.sent_bytes == reply.body.len() as u64 {
            true => End::Complete,
            false => End::Cut,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let ended_ms = self.shared.clock.wall_ms(Instant::now());
        let mut requests = lock(&self.shared.requests);
        let record = &mut requests[self.index];
        record.ended_ms = ended_ms;
        record.end = self.end;
    }
}

fn decide(shared: &Shared, path: &str, wall_ms: f64) -> Reply {
    if path.split('?').next() == Some(segproof_core::origin::PLAYLIST_PATH) {
        shared.clock.begin(wall_ms);
    }
    let now_ms = shared.clock.stream_ms(wall_ms);
    match &shared.publisher {
        Publisher::Origin(origin) => lock(origin).handle(now_ms, path),
        Publisher::Files(files) => lock(files).handle(path),
    }
}

fn preflight() -> Response<Body> {
    let mut response = with_status(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert("access-control-allow-headers", http::HeaderValue::from_static("*"));
    headers.insert("access-control-allow-methods", http::HeaderValue::from_static("GET, HEAD, OPTIONS"));
    response
}

fn with_status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("access-control-allow-origin", http::HeaderValue::from_static("*"));
    headers.insert("cache-control", http::HeaderValue::from_static("no-store"));
    response
}
