//! A link between the browser and a site: all connections share what it carries, and each way takes its time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Link {
    pub name: &'static str,
    pub says: &'static str,
    /// Towards the browser; zero for as much as there is.
    pub bits_per_s: u64,
    /// From a request to its answer, beside what the bytes take.
    pub delay_ms: u64,
}

pub const LINKS: [Link; 3] = [
    Link { name: "free", says: "As fast as the machine is", bits_per_s: 0, delay_ms: 0 },
    Link { name: "10M", says: "10 Mb/s, 60 ms for each answer", bits_per_s: 10_000_000, delay_ms: 60 },
    Link { name: "1.6M", says: "1.6 Mb/s, 150 ms for each answer", bits_per_s: 1_600_000, delay_ms: 150 },
];

/// A link that is open; dropping it closes it.
pub struct Road {
    address: SocketAddr,
    path: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    link: Link,
    /// When the link is free again.
    free: Mutex<Instant>,
    /// What has gone through, and when.
    passed: Mutex<Vec<(Instant, u64)>>,
}

impl Road {
    /// From a port to a site, whose page has that path.
    pub fn open(listener: TcpListener, link: Link, site: SocketAddr, path: String) -> anyhow::Result<Road> {
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { link, free: Mutex::new(Instant::now()), passed: Mutex::new(Vec::new()) });
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((browser, _)) = listener.accept().await {
                    connections.spawn(carry(browser, site, Arc::clone(&shared)));
                }
            }
        });
        Ok(Road { address, path, shared, task })
    }

    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// How many bytes had gone to the browser by then.
    pub fn bytes_until(&self, when: Instant) -> u64 {
        let passed = self.shared.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.iter().filter(|(at, _)| *at <= when).map(|(_, bytes)| bytes).sum()
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, both ways, until either side ends it.
async fn carry(browser: TcpStream, site: SocketAddr, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(site).await else { return };
    let _small = (browser.set_nodelay(true), server.set_nodelay(true));
    let (mut from_browser, mut to_browser) = browser.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (later, mut due) = unbounded_channel::<(Instant, Vec<u8>)>();
    let delay = Duration::from_millis(shared.link.delay_ms);
    let asked = async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = from_browser.read(&mut buffer).await {
            if later.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    };
    let delayed = async move {
        while let Some((when, bytes)) = due.recv().await {
            sleep_until(when).await;
            if to_server.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    let answered = async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            sleep_until(shared.take(count)).await;
            if to_browser.write_all(&buffer[..count]).await.is_err() {
                break;
            }
            shared.passed.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), count as u64));
        }
    };
    // When the browser asks no more, the answer may still be under way.
    tokio::join!(async { tokio::join!(asked, delayed) }, answered);
}

impl Shared {
    /// When so many bytes have passed, of which each waits for those before it, whosever they are.
    fn take(&self, bytes: usize) -> Instant {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if self.link.bits_per_s == 0 {
            return now;
        }
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / self.link.bits_per_s as f64);
        *free = (*free).max(now) + takes;
        *free
    }
}

/// Small enough that a connection does not hold the link for long.
const CHUNK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// How long two connections at once take to bring so many bytes each over a link.
    async fn takes(link: Link, bytes: usize) -> (Duration, u64) {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let site = server.local_addr().expect("its address");
        tokio::spawn(async move {
            while let Ok((mut asked, _)) = server.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 1];
                    asked.read_exact(&mut request).await.expect("a request");
                    asked.write_all(&vec![7; bytes]).await.expect("an answer");
                });
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let road = Road::open(listener, link, site, String::new()).expect("a link");
        let began = Instant::now();
        let load = || async {
            let mut connection = TcpStream::connect(road.address).await.expect("it listens");
            connection.write_all(&[1]).await.expect("asked");
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).await.expect("answered");
            assert_eq!(answer.len(), bytes);
        };
        tokio::join!(load(), load());
        (began.elapsed(), road.bytes_until(Instant::now()))
    }

    #[tokio::test]
    async fn connections_share_what_it_carries() {
        let link = Link { name: "", says: "", bits_per_s: 1_600_000, delay_ms: 50 };
        // 80,000 bytes take 0.4 s there.
        let (took, bytes) = takes(link, 40_000).await;
        assert!(took >= Duration::from_millis(450), "{took:?}");
        assert!(took < Duration::from_millis(3000), "{took:?}");
        assert_eq!(bytes, 80_000);
    }
}
