//! The two media hosts: what the origin gets to know of a request, what it says of preflights, and when the hosts
//! refuse connections.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use segproof_core::exchange::{Framing, Host, Protocol, Step};
use segproof_core::trace::End;
use segproof_harness::serve::Door;
use tokio::net::TcpStream;

use crate::client::{Client, Farewell, within};
use crate::stand::{INIT, PLAYLIST, SEGMENT, Script, Stand, body, reply};

#[tokio::test]
async fn the_origin_is_told_what_a_request_says_and_whom_it_asks() {
    type Heard = (String, Host, Option<String>, Option<String>, Option<String>);
    let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
    let hears = heard.clone();
    let script = Script::new(move |ask| {
        let owned = |field: Option<&str>| field.map(str::to_string);
        hears.lock().expect("nobody panicked").push((
            ask.path.to_string(),
            ask.host,
            owned(ask.range),
            owned(ask.if_none_match),
            owned(ask.if_modified_since),
        ));
        reply(Framing::Length(0), &[Step::Head])
    });
    let stand = Stand::open_script(script, 1.0, Protocol::Http1).await;
    let mut first = Client::connect(stand.stage.media).await;
    first.get("/live/live100.m4s?a=b").await;
    first.head().await;
    let mut second = Client::connect(stand.stage.media_second).await;
    second
        .send(&format!(
            "GET {INIT} HTTP/1.1\r\nHost: localhost\r\nRANGE: bytes=0-9\r\nIf-None-Match: \"x\"\r\n\
             if-modified-since: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
        ))
        .await;
    second.head().await;
    let some = |text: &str| Some(text.to_string());
    assert_eq!(
        *heard.lock().expect("nobody panicked"),
        [
            ("/live/live100.m4s?a=b".to_string(), Host::First, None, None, None),
            (
                INIT.to_string(),
                Host::Second,
                some("bytes=0-9"),
                some("\"x\""),
                some("Thu, 01 Jan 1970 00:00:00 GMT")
            ),
        ]
    );
    // One lane for both; the path is what was asked, without a host.
    let paths: Vec<String> = stand.stage.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/live/live100.m4s?a=b", INIT]);
}

#[tokio::test]
async fn the_origin_knows_where_its_hosts_are() {
    for (protocol, scheme) in [(Protocol::Http1, "http"), (Protocol::Http2, "https")] {
        let script = Script::playing(Framing::Length(0), &[Step::Head]);
        let bases = script.bases.clone();
        let stand = Stand::open_script(script, 1.0, protocol).await;
        let bases = bases.lock().expect("nobody panicked").clone();
        assert_eq!(bases.first, format!("{scheme}://{}", stand.stage.media));
        assert_eq!(bases.second, format!("{scheme}://{}", stand.stage.media_second));
        assert_eq!((bases.of(Host::First), bases.of(Host::Second)), (&*bases.first, &*bases.second));
        let page = stand.stage.page().playing(&stand.stage.stream_url(), &[]);
        assert!(page.starts_with("http://127.0.0.1:"), "{page}");
        assert!(page.contains(&format!("?src={scheme}%3A%2F%2F127.0.0.1%3A")), "{page}");
    }
}

#[tokio::test]
async fn a_preflight_that_the_origin_refuses_is_403_without_cors() {
    let mut script = Script::playing(Framing::Length(0), &[Step::Head]);
    script.grants_preflights = false;
    let stand = Stand::open_script(script, 1.0, Protocol::Http1).await;
    for address in [stand.stage.media, stand.stage.media_second] {
        let mut client = Client::connect(address).await;
        client
            .send(&format!(
                "OPTIONS {SEGMENT} HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
                 access-control-request-method: GET\r\n\r\n"
            ))
            .await;
        let head = client.reply().await.head;
        assert_eq!(head.status, 403);
        assert!(!head.headers.keys().any(|name| name.starts_with("access-control-")), "{head:?}");
        // The connection answers the request that a page may make all the same.
        client.get(SEGMENT).await;
        assert_eq!(client.reply().await.head.status, 200);
    }
    assert_eq!(stand.stage.requests().len(), 2);
}

/// A stage at this speed that refuses in these spans of stream time, and connections to both of its hosts.
async fn open_refusing(refusals: &[Range<f64>], speed: f64) -> (Stand, [Client; 2]) {
    let mut script = Script::playing(Framing::Chunked, &[Step::Head, Step::BodyTo(10), Step::Hang]);
    script.refusals = refusals.to_vec();
    let stand = Stand::open_script(script, speed, Protocol::Http1).await;
    let clients = [Client::connect(stand.stage.media).await, Client::connect(stand.stage.media_second).await];
    (stand, clients)
}

/// The request with which stream time begins.
async fn begin(client: &mut Client) {
    client.get(PLAYLIST).await;
    assert_eq!(client.reply().await.body, body());
}

#[tokio::test]
async fn refusals_shut_both_hosts_once_stream_time_has_come_to_them() {
    let (stand, [mut first, mut second]) = open_refusing(&[3000.0..f64::INFINITY], 10.0).await;
    second.get(SEGMENT).await;
    second.head().await;
    assert_eq!(second.chunk().await, &body()[..10]);
    // 300 ms of wall time after the stage was opened nothing happens: stream time has not begun.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(first.hears_nothing().await);
    let asked = Instant::now();
    begin(&mut first).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.rest().await, (Vec::new(), Farewell::Closed));
    }
    assert!(asked.elapsed() >= Duration::from_millis(300), "{:?}", asked.elapsed());
    for address in [stand.stage.media, stand.stage.media_second] {
        let refused = TcpStream::connect(address).await.expect_err("it is shut");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    // An action that opens its own door doesn't open this one.
    stand.stage.set_media_door(Door::Open);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(stand.stage.media).await.is_err());
    // What it cut was not the client's doing.
    assert_eq!(stand.ended(2).await[0].end, End::Cut);
}

#[tokio::test]
async fn after_each_refusal_the_hosts_answer_again() {
    // The first two touch: between them nothing is answered.
    let (stand, [mut client, _other]) =
        open_refusing(&[2000.0..4000.0, 4000.0..5000.0, 9000.0..10_000.0], 10.0).await;
    begin(&mut client).await;
    for end_ms in [5000.0, 10_000.0] {
        assert_eq!(client.rest().await, (Vec::new(), Farewell::Closed));
        for address in [stand.stage.media, stand.stage.media_second] {
            client = reconnect(address).await;
        }
        let clock = stand.stage.clock();
        let zero_ms = clock.zero_ms().expect("stream time has begun");
        let now_ms = (clock.wall_ms(Instant::now()) - zero_ms) * clock.speed();
        assert!(now_ms >= end_ms, "open again at {now_ms}, not {end_ms}");
        begin(&mut client).await;
    }
}

#[tokio::test]
async fn a_refusal_that_ends_leaves_a_door_shut_that_an_action_shut() {
    let (stand, [mut client, _other]) = open_refusing(&[3000.0..3500.0], 10.0).await;
    begin(&mut client).await;
    stand.stage.set_media_door(Door::Shut);
    assert_eq!(client.rest().await, (Vec::new(), Farewell::Closed));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert!(TcpStream::connect(stand.stage.media).await.is_err());
    stand.stage.set_media_door(Door::Open);
    begin(&mut reconnect(stand.stage.media).await).await;
}

async fn reconnect(address: std::net::SocketAddr) -> Client {
    within("the door to open", async { while TcpStream::connect(address).await.is_err() {} }).await;
    Client::connect(address).await
}
