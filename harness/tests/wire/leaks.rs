//! Where a stage listens, and that nothing of it is left once it is dropped.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use segproof_harness::serve::Door;
use tokio::net::{TcpSocket, TcpStream};

use crate::client::{Client, Farewell, within};
use crate::stand::{INIT, SEGMENT, Stand};

#[tokio::test]
async fn all_listeners_are_on_loopback_only() {
    let stand = Stand::open("").await;
    for address in [stand.stage.control, stand.stage.media, stand.stage.media_second] {
        assert_eq!(address.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        // All of 127/8 is this machine; a listener on 0.0.0.0 would answer here, too.
        let elsewhere = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), address.port()));
        assert!(TcpStream::connect(elsewhere).await.is_err(), "{address} answers on {elsewhere}");
    }
    let ports = [stand.stage.control, stand.stage.media, stand.stage.media_second].map(|a| a.port());
    assert_eq!(BTreeSet::from(ports).len(), 3, "{ports:?}");
}

#[tokio::test]
async fn dropping_the_stage_closes_listeners_and_connections() {
    let mut stand = Stand::open("[[fault]]\non = \"segment 100\"\nhang = \"10\"\n").await;
    let (control, media, second) = (stand.stage.control, stand.stage.media, stand.stage.media_second);
    let mut hanging = Client::connect(media).await;
    hanging.get(SEGMENT).await;
    hanging.head().await;
    hanging.body(10).await;
    let mut idle = Client::connect(media).await;
    idle.get(INIT).await;
    idle.reply().await;
    let mut page = Client::connect(control).await;
    page.get("/player/index.html").await;
    page.reply().await;
    let mut probe = connect_probe(control).await;
    assert!(within("the probe's greeting", stand.page.recv()).await.is_some());

    drop(stand.stage);

    for client in [&mut hanging, &mut idle, &mut page, &mut probe] {
        let (_, farewell) = client.rest().await;
        assert_eq!(farewell, Farewell::Closed);
    }
    within("the end of the page's messages", async { while stand.page.recv().await.is_some() {} }).await;
    for address in [control, media, second] {
        assert!(TcpSocket::new_v4().expect("a socket").connect(address).await.is_err(), "{address} is open");
    }
}

#[tokio::test]
async fn a_shut_door_refuses_and_opens_again_at_the_same_address() {
    let stand = Stand::open("").await;
    let media = stand.stage.media;
    let mut open = Client::connect(media).await;
    open.get(INIT).await;
    open.reply().await;

    stand.stage.set_media_door(Door::Shut);
    let (_, farewell) = open.rest().await;
    assert_eq!(farewell, Farewell::Closed);
    assert!(TcpStream::connect(media).await.is_err(), "{media} still takes connections");

    stand.stage.set_media_door(Door::Open);
    within("the door to open", async { while TcpStream::connect(media).await.is_err() {} }).await;
    let mut again = Client::connect(media).await;
    again.get(SEGMENT).await;
    assert_eq!(again.reply().await.body, stand.segment());
}

/// 200 requests that are reset, left hanging, given up or answered, then the stage is dropped: no task and no
/// socket of it remains.
#[tokio::test]
async fn nothing_remains_of_a_dropped_stage() {
    let tasks_before = tasks();
    let stand = Stand::open(
        "[[fault]]\non = \"segment 100\"\nreset = \"1000\"\n[[fault]]\non = \"segment 101\"\nhang = \"1000\"\n",
    )
    .await;
    let ports = [stand.stage.control, stand.stage.media, stand.stage.media_second].map(|a| a.port());
    assert_eq!(sockets(&ports), 3, "the listeners");
    let mut kept = vec![connect_probe(stand.stage.control).await];
    for i in 0..200 {
        let mut client = Client::connect(stand.stage.media).await;
        client.get(["/live/live100.m4s", "/live/live101.m4s", "/live/live102.m4s"][i % 3]).await;
        assert_eq!(client.head().await.status, 200);
        // Half of the clients leave, the others stay connected beyond the stage.
        if i % 2 == 0 {
            kept.push(client);
        }
    }
    assert_eq!(stand.stage.requests().len(), 200);
    assert!(sockets(&ports) > 3, "some connections are open");

    drop(stand);

    within("end of every task and socket", async {
        let mut look = tokio::time::interval(Duration::from_millis(2));
        while sockets(&ports) > 0 || tasks() > tasks_before {
            look.tick().await;
        }
    })
    .await;
    drop(kept);
}

/// Opens the probe's WebSocket and returns after the handshake.
async fn connect_probe(control: SocketAddr) -> Client {
    let mut client = Client::connect(control).await;
    client
        .send(
            "GET /probe HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    assert_eq!(client.head().await.status, 101);
    client
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// How many of this process's descriptors are sockets whose own port is one of these: the server's ends.
fn sockets(ports: &[u16]) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the kernel's table of sockets");
    let inodes: BTreeSet<&str> = table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = u16::from_str_radix(fields.get(1)?.split(':').nth(1)?, 16).ok()?;
            ports.contains(&port).then(|| fields.get(9).copied())?
        })
        .collect();
    let own = std::fs::read_dir("/proc/self/fd").expect("this process's descriptors");
    own.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| {
            let inode = target.to_str().and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']'));
            inode.is_some_and(|inode| inodes.contains(inode))
        })
        .count()
}
