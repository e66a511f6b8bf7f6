//! Replies over HTTP/2 and TLS, in the same steps as over HTTP/1.1. One connection carries many responses here, so
//! what ends a connection there ends a stream: a reset is RST_STREAM, a close is END_STREAM. How a body is framed
//! is the protocol's own affair (RFC 9113, 8.1.1), so without a Content-Length every END_STREAM is a regular end.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use segproof_core::exchange::{Framing, Host, Reply};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::playback::{Ending, Exchange, Line, play};
use super::{Shared, media};

/// TLS with a certificate of this moment for the address, and the certificate (DER) for a client that checks it.
pub fn acceptor(host: IpAddr) -> io::Result<(TlsAcceptor, Vec<u8>)> {
    let made = rcgen::generate_simple_self_signed([host.to_string()]).map_err(io::Error::other)?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .map_err(io::Error::other)?;
    // Only this one: who can't speak it is refused in the handshake.
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), certificate.to_vec()))
}

pub async fn serve(stream: TcpStream, tls: TlsAcceptor, host: Host, shared: Arc<Shared>) {
    // A client that vanishes is an ordinary end; the requests' own records say so.
    let Ok(stream) = tls.accept(stream).await else { return };
    let Ok(mut connection) = h2::server::Builder::new().handshake(stream).await else { return };
    // Not tasks of their own: they end with the connection.
    let mut answers = FuturesUnordered::new();
    loop {
        tokio::select! {
            asked = connection.accept() => match asked {
                Some(Ok((request, response))) => answers.push(answer(&shared, host, request, response)),
                Some(Err(_)) | None => return,
            },
            Some(()) = answers.next() => {}
        }
    }
}

async fn answer(
    shared: &Arc<Shared>,
    host: Host,
    request: Request<h2::RecvStream>,
    mut response: SendResponse<Piece>,
) {
    let (parts, _) = request.into_parts();
    if let Some(other) = media::answer_besides_get(shared, &parts, host) {
        // Whether it arrives is the client's affair: nothing of it is recorded.
        let _ = response.send_response(other, true);
        return;
    }
    let (reply, mut exchange) = Exchange::begin(shared, &media::ask(&parts, host));
    let mut line = Http2 { response, body: None, is_ended: false };
    let ending = play(&shared.clock, &reply, &mut exchange, &mut line).await;
    // First the record: who sees the stream's end can rely on it.
    drop(exchange);
    match ending {
        Ok(Ending::Whole | Ending::Closes) => line.close(),
        // The stream is reset already, by one side or the other.
        Ok(Ending::Resets) | Err(_) => {}
    }
}

struct Http2 {
    response: SendResponse<Piece>,
    /// What the body goes to, once the head is out.
    body: Option<SendStream<Piece>>,
    /// END_STREAM has been sent.
    is_ended: bool,
}

impl Http2 {
    fn close(&mut self) {
        match &mut self.body {
            Some(_) if self.is_ended => {}
            // A client that is gone by now has had all that it was to have.
            Some(body) => drop(body.send_data(Piece::default(), true)),
            // No response can end before its head; one that the server gives up can (RFC 9113, 7).
            None => self.response.send_reset(Reason::CANCEL),
        }
    }

    fn stream(&mut self) -> io::Result<&mut SendStream<Piece>> {
        self.body.as_mut().ok_or_else(|| io::Error::other("a body before its head"))
    }
}

impl Line for Http2 {
    async fn head(&mut self, reply: &Reply) -> io::Result<()> {
        self.is_ended = reply.framing == Framing::Bodiless;
        let body = self.response.send_response(head(reply)?, self.is_ended).map_err(io::Error::other)?;
        self.body = Some(body);
        Ok(())
    }

    async fn body(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let body = self.stream()?;
        let wanted = bytes.len().min(PIECE_BYTES_MAX);
        body.reserve_capacity(wanted);
        while body.capacity() == 0 {
            poll_fn(|cx| body.poll_capacity(cx)).await.ok_or_else(gone)?.map_err(io::Error::other)?;
        }
        let granted = wanted.min(body.capacity());
        send(body, Bytes::copy_from_slice(&bytes[..granted])).await?;
        Ok(granted)
    }

    async fn last_chunk(&mut self) -> io::Result<()> {
        // END_STREAM says it.
        Ok(())
    }

    async fn rest(&mut self, until: Option<Instant>) -> io::Result<()> {
        let reset = poll_fn(|cx| match &mut self.body {
            Some(body) => body.poll_reset(cx),
            None => self.response.poll_reset(cx),
        });
        tokio::select! {
            _ = reset => Err(gone()),
            () = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            } => Ok(()),
        }
    }

    async fn reset(&mut self) -> io::Result<()> {
        match &mut self.body {
            // A reset throws away what is still queued. All data has left, but maybe not the head: an empty frame
            // after it tells.
            Some(body) => {
                if !self.is_ended {
                    send(body, Bytes::new()).await?;
                }
                body.send_reset(Reason::INTERNAL_ERROR);
            }
            None => self.response.send_reset(Reason::INTERNAL_ERROR),
        }
        Ok(())
    }

    fn close_ends(framing: Framing) -> bool {
        matches!(framing, Framing::Chunked | Framing::UntilClose)
    }
}

/// Sends a DATA frame and resolves once it has left the stream's queue for the connection.
async fn send(body: &mut SendStream<Piece>, bytes: Bytes) -> io::Result<()> {
    let (left, has_left) = oneshot::channel();
    body.send_data(Piece { bytes, left: Some(left) }, false).map_err(io::Error::other)?;
    has_left.await.map_err(|_| gone())
}

fn head(reply: &Reply) -> io::Result<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(reply.status).map_err(io::Error::other)?;
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
        // RFC 9113, 8.2.2: what speaks of the connection isn't said.
        if name != header::CONNECTION && name != header::TRANSFER_ENCODING && name.as_str() != "keep-alive" {
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(io::Error::other)?;
            response.headers_mut().append(name, value);
        }
    }
    if let Framing::Length(length) = reply.framing {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(response)
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// The bytes of a DATA frame; says when the connection has taken the last of them. h2 has no other sign of it.
#[derive(Default)]
struct Piece {
    bytes: Bytes,
    left: Option<oneshot::Sender<()>>,
}

impl Piece {
    fn tell(&mut self) {
        if self.bytes.is_empty()
            && let Some(left) = self.left.take()
        {
            // Nobody waits any more if the response was given up.
            let _ = left.send(());
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.tell();
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // An empty one is never advanced.
        self.tell();
    }
}

const PIECE_BYTES_MAX: usize = 16 << 10;
