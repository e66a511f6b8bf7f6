//! The media listener: plays the origin's replies back on real sockets and records what was sent.

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
use segproof_core::origin::{Reply, Step};
use segproof_core::trace::{End, Request};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::tap::{Wire, tap};
use super::{Fired, Publisher, Shared, lock};

pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let router = Router::new().fallback(any(answer)).with_state(shared);
    // Dropped with this task: no connection outlives its trial.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Small writes must leave at once: a head without its body is a state that faults need.
        let _ = stream.set_nodelay(true);
        let (io, wire) = tap(stream);
        let service = TowerToHyperService::new(router.clone().layer(Extension(wire.clone())));
        connections.spawn(async move {
            tokio::select! {
                // A client that vanishes is an ordinary end; the request's own record says so.
                _ = http1::Builder::new().serve_connection(io, service) => {}
                () = wire.ended() => {}
            }
        });
        while connections.try_join_next().is_some() {}
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
    let wall_ms = shared.clock.wall_ms(Instant::now());
    let reply = decide(&shared, &path, wall_ms);
    let mut exchange = Exchange::begin(&shared, &path, wall_ms, &reply);
    wire.take();
    match carry_out(&shared, &wire, &reply, &mut exchange).await {
        Ok(end) => exchange.finish(end),
        // Writing failed: the client is gone, and the drop of `exchange` says so.
        Err(_) => wire.close(),
    }
    drop(exchange);
    wire.release();
    // hyper wants a response to go on; the tap discards it.
    Ok(with_status(StatusCode::OK))
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

/// Carries out the reply's steps; fails when the client is gone.
async fn carry_out(
    shared: &Shared,
    wire: &Wire,
    reply: &Reply,
    exchange: &mut Exchange,
) -> std::io::Result<End> {
    let mut sent = 0;
    for step in &reply.steps {
        match *step {
            Step::Wait(stream_ms) => {
                // The wait is the fault itself.
                tokio::time::sleep(Duration::from_secs_f64(stream_ms / 1000.0 / shared.clock.speed)).await;
            }
            Step::Head => wire.write_all(head(reply).as_bytes()).await?,
            Step::BodyTo(to) => {
                while sent < to {
                    let next = (sent + CHUNK_BYTES).min(to);
                    wire.write_all(&reply.body[sent..next]).await?;
                    sent = next;
                    exchange.sent_bytes = sent as u64;
                }
            }
            // Until the client closes: hyper then drops this future.
            Step::Hang => std::future::pending::<()>().await,
            Step::Reset => {
                wire.reset()?;
                return Ok(End::Reset);
            }
            Step::Close => {
                wire.close();
                return Ok(End::Cut);
            }
        }
    }
    Ok(if sent == reply.body.len() { End::Complete } else { End::Cut })
}

fn head(reply: &Reply) -> String {
    let reason =
        StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\
         access-control-allow-origin: *\r\ncache-control: no-store\r\n\r\n",
        reply.status, reply.content_type, reply.content_length
    )
}

/// One request's record, open from its arrival; a drop before the end means that the client went away.
struct Exchange {
    shared: Arc<Shared>,
    index: usize,
    sent_bytes: u64,
    end: End,
}

impl Exchange {
    fn begin(shared: &Arc<Shared>, path: &str, wall_ms: f64, reply: &Reply) -> Exchange {
        let mut requests = lock(&shared.requests);
        let n = requests.len() as u64;
        requests.push(Request {
            n,
            at_ms: wall_ms,
            path: path.to_string(),
            resource: reply.resource,
            attempt: reply.attempt,
            status: reply.status,
            content: reply.content.clone(),
            whole_bytes: reply.body.len() as u64,
            sent_bytes: 0,
            ended_ms: wall_ms,
            end: End::Open,
        });
        lock(&shared.fired).extend(reply.fired.iter().map(|fault| Fired { request: n, fault: *fault }));
        Exchange { shared: shared.clone(), index: n as usize, sent_bytes: 0, end: End::ClientGone }
    }

    fn finish(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let ended_ms = self.shared.clock.wall_ms(Instant::now());
        let mut requests = lock(&self.shared.requests);
        let record = &mut requests[self.index];
        record.sent_bytes = self.sent_bytes;
        record.ended_ms = ended_ms;
        record.end = self.end;
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

const CHUNK_BYTES: usize = 16 * 1024;
