//! Whether the media hosts take connections: an action may shut them, and so may the scenario for a while.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::{ACCEPT_AGAIN, Door, Shared};

/// Both who may shut the door; it is open if neither does.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    pub action: Door,
    pub scenario: Door,
}

impl Doors {
    pub fn is_open(&self) -> bool {
        self.action == Door::Open && self.scenario == Door::Open
    }
}

/// Shuts the door for the spans of stream time that the publisher names.
pub async fn refuse_in_time(shared: Arc<Shared>) {
    let refusals = shared.publisher.with(|publisher| publisher.refusals());
    shared.clock.begun().await;
    for (i, span) in refusals.iter().enumerate() {
        shared.clock.reached(span.start).await;
        shared.doors.send_modify(|doors| doors.scenario = Door::Shut);
        shared.clock.reached(span.end).await;
        // Between spans that touch the door isn't opened even for an instant.
        if refusals.get(i + 1).is_none_or(|next| next.start > span.end) {
            shared.doors.send_modify(|doors| doors.scenario = Door::Open);
        }
    }
}

/// Keeps the listener's port without listening: connections are refused, and nobody else takes it meanwhile.
/// Returns the listener once the door is open again, or nothing when the stage is gone.
pub async fn shut_until_open(
    listener: TcpListener,
    doors: &mut watch::Receiver<Doors>,
) -> Option<TcpListener> {
    let address = listener.local_addr().ok()?;
    drop(listener);
    let hold = || -> std::io::Result<TcpSocket> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    let mut held = hold().ok();
    doors.wait_for(Doors::is_open).await.ok()?;
    loop {
        let socket = match held.take() {
            Some(socket) => Ok(socket),
            None => hold(),
        };
        match socket.and_then(|socket| socket.listen(BACKLOG)) {
            Ok(listener) => return Some(listener),
            // Somebody took the port meanwhile and may give it back.
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

const BACKLOG: u32 = 1024;
