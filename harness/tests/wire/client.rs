//! A client that shows every byte: HTTP/1.1 by hand over one TCP connection.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Client {
    stream: TcpStream,
    /// Received and not yet looked at.
    received: Vec<u8>,
}

/// A response's status line and headers; names are lower case.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// The same as they came: in order, and each as often as it was sent.
    pub fields: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Reply {
    pub head: Head,
    pub body: Vec<u8>,
}

/// How a connection came to its end, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// A FIN.
    Closed,
    /// A RST.
    Reset,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Client {
        Client { stream: TcpStream::connect(address).await.expect("the stage listens"), received: Vec::new() }
    }

    pub async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.expect("the connection takes a request");
    }

    /// Sends what the other side may refuse to read.
    pub async fn try_send(&mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    pub async fn get(&mut self, path: &str) {
        self.send(&request("GET", path)).await;
    }

    /// Reads a response's head.
    pub async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            self.more().await.expect("a response's head");
        };
        let text = String::from_utf8(self.received.drain(..end + 4).collect()).expect("a head is text");
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").expect("a header field"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
            .collect();
        Head {
            status: status.unwrap_or_else(|| panic!("no status line: {text:?}")),
            headers: fields.iter().cloned().collect(),
            fields,
        }
    }

    /// Reads exactly `length` bytes of a body.
    pub async fn body(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            self.more().await.expect("the rest of a body");
        }
        self.received.drain(..length).collect()
    }

    /// Reads one chunk of a chunked body; the last one is empty (RFC 9112, 7.1).
    pub async fn chunk(&mut self) -> Vec<u8> {
        let end = loop {
            match self.received.windows(2).position(|two| two == b"\r\n") {
                Some(at) => break at,
                None => self.more().await.expect("a chunk's size"),
            }
        };
        let line = String::from_utf8(self.received.drain(..end + 2).collect()).expect("a size is text");
        let length =
            usize::from_str_radix(line.trim_end(), 16).unwrap_or_else(|_| panic!("a size: {line:?}"));
        let chunk = self.body(length).await;
        assert_eq!(self.body(2).await, b"\r\n", "a chunk's end");
        chunk
    }

    /// How much of a body has arrived, once more has; nothing at its end.
    pub async fn arrived(&mut self) -> Option<usize> {
        self.more().await.ok().map(|()| self.received.len())
    }

    /// Reads a whole response, as long as its Content-Length says.
    pub async fn reply(&mut self) -> Reply {
        let head = self.head().await;
        let length = head.headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
        let body = self.body(length).await;
        Reply { head, body }
    }

    /// Reads to the connection's end.
    pub async fn rest(&mut self) -> (Vec<u8>, Farewell) {
        let end = async {
            loop {
                if let Err(error) = self.more().await {
                    break error.kind();
                }
            }
        };
        let farewell = match within("end of the connection", end).await {
            io::ErrorKind::UnexpectedEof => Farewell::Closed,
            io::ErrorKind::ConnectionReset => Farewell::Reset,
            kind => panic!("neither closed nor reset: {kind}"),
        };
        (std::mem::take(&mut self.received), farewell)
    }

    /// Whether nothing at all arrives for `QUIET`: what does not happen can only be waited for.
    pub async fn hears_nothing(&mut self) -> bool {
        self.received.is_empty() && tokio::time::timeout(QUIET, self.more()).await.is_err()
    }

    async fn more(&mut self) -> io::Result<()> {
        match within("bytes", self.stream.read_buf(&mut self.received)).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

pub fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\r\n")
}

/// The bound on every wait for what has to happen.
pub async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, happens).await.unwrap_or_else(|_| panic!("no {what} within {LIMIT:?}"))
}

const LIMIT: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_millis(250);
