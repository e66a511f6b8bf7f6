//! A connection that hyper parses requests from and the media handler writes to.
//!
//! hyper cuts a body at its Content-Length and can neither reset nor leave a response half sent. So the
//! handler takes the connection over for each reply: it writes the bytes itself and hyper's own, empty response
//! is discarded. When the reply is complete hyper goes on to the next request on the same connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

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
    /// hyper's writes are discarded.
    is_taken: AtomicBool,
    /// The handler is writing.
    is_busy: AtomicBool,
    /// The connection is to be dropped.
    end: Notify,
}

pub fn tap(stream: TcpStream) -> (Tap, Wire) {
    let wire = Wire(Arc::new(Inner {
        stream,
        is_taken: AtomicBool::new(false),
        is_busy: AtomicBool::new(false),
        end: Notify::new(),
    }));
    (Tap(wire.clone()), wire)
}

impl Wire {
    /// From now on only the handler writes, until [`release`](Wire::release) and the next request.
    pub fn take(&self) {
        self.0.is_busy.store(true, Ordering::SeqCst);
        self.0.is_taken.store(true, Ordering::SeqCst);
    }

    /// The reply is complete; what hyper writes for it is still discarded.
    pub fn release(&self) {
        self.0.is_busy.store(false, Ordering::SeqCst);
    }

    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.0.stream.writable().await?;
            match self.0.stream.try_write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Closes the connection; bytes already written are delivered.
    pub fn close(&self) {
        self.0.end.notify_one();
    }

    /// Closes the connection with a TCP reset.
    pub fn reset(&self) -> io::Result<()> {
        self.0.stream.set_zero_linger()?;
        self.0.end.notify_one();
        Ok(())
    }

    /// Resolves when the connection is to be dropped.
    pub async fn ended(&self) {
        self.0.end.notified().await;
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
                    if n > 0 && !inner.is_busy.load(Ordering::SeqCst) {
                        inner.is_taken.store(false, Ordering::SeqCst);
                    }
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
        if inner.is_taken.load(Ordering::SeqCst) {
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
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The socket closes when both sides have dropped it.
        Poll::Ready(Ok(()))
    }
}
