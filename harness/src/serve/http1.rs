//! Replies over HTTP/1.1: hyper parses the requests, the bytes of a reply are written past it (`tap.rs`).

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use segproof_core::exchange::{Framing, Host, Reply};
use tokio::net::TcpStream;

use super::playback::{Ending, Exchange, Line, play};
use super::tap::{Wire, tap};
use super::{Shared, media};

pub async fn serve(stream: TcpStream, host: Host, shared: Arc<Shared>) {
    let (io, wire) = tap(stream);
    let service = service_fn(|request| answer(&shared, host, &wire, request));
    tokio::select! {
        // A client that vanishes is an ordinary end; the request's own record says so.
        _ = http1::Builder::new().serve_connection(io, service) => {}
        () = wire.ended() => {}
    }
}

async fn answer(
    shared: &Arc<Shared>,
    host: Host,
    wire: &Wire,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, _) = request.into_parts();
    if let Some(other) = media::answer_besides_get(shared, &parts, host) {
        return Ok(other.map(|()| Body::empty()));
    }
    let (reply, mut exchange) = Exchange::begin(shared, &media::ask(&parts, host));
    wire.take();
    let mut line = Http1 { wire, framing: reply.framing, chunk_left: 0 };
    let ending = play(&shared.clock, &reply, &mut exchange, &mut line).await;
    // First the record: who sees the connection's end can rely on it.
    drop(exchange);
    if !matches!(ending, Ok(Ending::Whole)) || says_close(&reply) {
        wire.close();
        // With a response, hyper might answer a further request that it has read already.
        return std::future::pending().await;
    }
    wire.release();
    // hyper wants a response to go on; the tap discards it.
    Ok(Response::new(Body::empty()))
}

/// RFC 9112, 9.6: who says so has to do so.
fn says_close(reply: &Reply) -> bool {
    reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

struct Http1<'a> {
    wire: &'a Wire,
    framing: Framing,
    /// Bytes of the chunk that has been begun and is not at its end.
    chunk_left: usize,
}

impl Http1<'_> {
    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[self.wire.write(bytes).await?..];
        }
        Ok(())
    }
}

impl Line for Http1<'_> {
    async fn head(&mut self, reply: &Reply) -> io::Result<()> {
        self.write_all(head(reply).as_bytes()).await
    }

    async fn body(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.framing != Framing::Chunked {
            return self.wire.write(bytes).await;
        }
        if self.chunk_left == 0 {
            self.chunk_left = bytes.len().min(CHUNK_BYTES_MAX);
            self.write_all(format!("{:x}\r\n", self.chunk_left).as_bytes()).await?;
        }
        let sent = self.wire.write(&bytes[..self.chunk_left]).await?;
        self.chunk_left -= sent;
        if self.chunk_left == 0 {
            self.write_all(b"\r\n").await?;
        }
        Ok(sent)
    }

    async fn last_chunk(&mut self) -> io::Result<()> {
        self.write_all(b"0\r\n\r\n").await
    }

    async fn rest(&mut self, until: Option<Instant>) -> io::Result<()> {
        // hyper watches for the client's close and drops this future then.
        match until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
        Ok(())
    }

    async fn reset(&mut self) -> io::Result<()> {
        self.wire.reset_at_close().await
    }

    fn close_ends(framing: Framing) -> bool {
        framing == Framing::UntilClose
    }
}

fn head(reply: &Reply) -> String {
    let status = StatusCode::from_u16(reply.status).ok();
    let reason = status.and_then(|status| status.canonical_reason()).unwrap_or("");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match reply.framing {
        Framing::Length(length) => head.push_str(&format!("content-length: {length}\r\n")),
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Framing::UntilClose | Framing::Bodiless => {}
    }
    head + "\r\n"
}

const CHUNK_BYTES_MAX: usize = 16 << 10;
