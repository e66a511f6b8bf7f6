//! A connection that hyper parses requests from and the media handler writes to.
//!
//! hyper cuts a body at its Content-Length and can neither reset nor leave a response half sent. So the
//! handler takes the connection over for each reply: it writes the bytes itself and hyper's own, empty response
//! is discarded. When the reply is complete hyper goes on to the next request on the same connection.
//!
//! Left out: hyper stops watching for the client's close while a pipelined request waits in its buffer. Browsers
//! don't pipeline; an exchange that hangs before such a request is `Open` until the stage is dropped.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// hyper's side of the connection.
pub struct Tap(Wire);

/// The handler's side of the connection; cheap to clone.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

struct Inner {
    stream: TcpStream,
    /// One of the states below. What hyper has read is no sign of one: it reads ahead of what it answers.
    state: AtomicU8,
    /// The connection is to be dropped.
    end: Notify,
}

/// hyper writes.
const HYPERS: u8 = 0;
/// The handler writes, and hyper waits for its response.
const TAKEN: u8 = 1;
/// hyper has been given its response and will write it now.
const RELEASED: u8 = 2;
/// hyper is writing that response, to nowhere; its flush ends it.
const DISCARDING: u8 = 3;

pub fn tap(stream: TcpStream) -> (Tap, Wire) {
    let wire = Wire(Arc::new(Inner { stream, state: AtomicU8::new(HYPERS), end: Notify::new() }));
    (Tap(wire.clone()), wire)
}

impl Wire {
    /// From now on only the handler writes, until [`release`](Wire::release).
    pub fn take(&self) {
        self.0.enter(TAKEN);
    }

    /// The reply is complete. What hyper writes for it is still discarded, and nothing after that.
    pub fn release(&self) {
        self.0.enter(RELEASED);
    }

    /// Hands some of `bytes`, at least one, to the socket and returns how many.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.0.stream.writable().await?;
            match self.0.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// Closes the connection; bytes already written are delivered.
    pub fn close(&self) {
        self.0.end.notify_one();
    }

    /// Makes the connection's close a TCP reset, once all that was written is with the client: a reset throws
    /// away what this side's kernel still holds. A client that never reads it waits for ever, as in a hang.
    pub async fn reset_at_close(&self) -> io::Result<()> {
        // No event tells that the queue is empty.
        let mut look = tokio::time::interval(QUEUE_LOOK);
        while unsent_bytes(&self.0.stream)? > 0 {
            look.tick().await;
        }
        self.0.stream.set_zero_linger()
    }

    /// Resolves when the connection is to be dropped.
    pub async fn ended(&self) {
        self.0.end.notified().await;
    }
}

/// What was written to the socket and has not left it yet, bytes (Linux, tcp(7)).
fn unsent_bytes(stream: &TcpStream) -> io::Result<libc::c_int> {
    let mut unsent: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as `stream` is, and SIOCOUTQNSD writes one int.
    match unsafe { libc::ioctl(stream.as_raw_fd(), SIOCOUTQNSD, &raw mut unsent) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(unsent),
    }
}

impl Inner {
    fn enter(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::SeqCst) == state
    }
}

impl Read for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let inner = &self.0.0;
        let mut chunk = [0u8; 8192];
        let limit = chunk.len().min(buffer.remaining());
        loop {
            ready!(inner.stream.poll_read_ready(cx))?;
            match inner.stream.try_read(&mut chunk[..limit]) {
                Ok(n) => {
                    buffer.put_slice(&chunk[..n]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let inner = &self.0.0;
        if !inner.is(HYPERS) {
            if inner.is(RELEASED) {
                inner.enter(DISCARDING);
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        loop {
            ready!(inner.stream.poll_write_ready(cx))?;
            match inner.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes a response before it looks at the next request, also at one that it has read already.
        let inner = &self.0.0;
        if inner.is(DISCARDING) {
            inner.enter(HYPERS);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The socket closes when both sides have dropped it.
        Poll::Ready(Ok(()))
    }
}

const QUEUE_LOOK: Duration = Duration::from_millis(1);
/// linux/sockios.h; the libc crate has no name for it.
const SIOCOUTQNSD: libc::Ioctl = 0x894B;
