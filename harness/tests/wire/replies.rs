//! All that a reply can ask of its connection, whatever scenario it may come from: each framing, each step where
//! it may stand, and what the record says of it.

use std::time::{Duration, Instant};

use segproof_core::exchange::{Framing, Protocol, Step};
use segproof_core::trace::End;

use crate::client::{Client, Farewell};
use crate::stand::{OTHER_SEGMENT, SEGMENT, Script, Stand, body, reply};

const LENGTH: usize = 40_000;
const WHOLE: [Step; 2] = [Step::Head, Step::BodyTo(LENGTH)];

async fn open(framing: Framing, steps: &[Step]) -> (Stand, Client) {
    open_at(framing, steps, 1.0).await
}

/// Opens a stage that answers so, and asks it.
async fn open_at(framing: Framing, steps: &[Step], speed: f64) -> (Stand, Client) {
    let stand = Stand::open_script(Script::playing(framing, steps), speed, Protocol::Http1).await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    (stand, client)
}

/// The record of the first request, once it has ended: bytes sent and how it ended.
async fn record(stand: &Stand) -> (u64, End) {
    let records =
        stand.records("the record's end", |all| all.first().is_some_and(|r| r.end != End::Open)).await;
    (records[0].sent_bytes, records[0].end)
}

/// The connection answers a further request.
async fn assert_usable(client: &mut Client) {
    client.get(OTHER_SEGMENT).await;
    assert_eq!(client.reply().await.body, body());
}

#[tokio::test]
async fn headers_come_in_order_and_as_often_as_they_are_said() {
    let said = [("x-one", "1"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-Empty", "")];
    let script = Script::new(move |_| {
        let headers = said.map(|(name, value)| (name.to_string(), value.to_string())).to_vec();
        segproof_core::exchange::Reply { headers, status: 206, ..reply(Framing::Length(LENGTH), &WHOLE) }
    });
    let stand = Stand::open_script(script, 1.0, Protocol::Http1).await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    let head = client.head().await;
    assert_eq!(head.status, 206);
    let fields: Vec<(&str, &str)> = head.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let length = ("content-length", "40000");
    assert_eq!(
        fields,
        [("x-one", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-empty", ""), length]
    );
}

#[tokio::test]
async fn a_chunked_body_comes_in_chunks_and_ends_with_the_last_one() {
    let (stand, mut client) = open(Framing::Chunked, &WHOLE).await;
    let head = client.head().await;
    assert_eq!(head.headers["transfer-encoding"], "chunked");
    assert!(!head.headers.contains_key("content-length"), "{head:?}");
    let mut chunks = Vec::new();
    while chunks.last().is_none_or(|chunk: &Vec<u8>| !chunk.is_empty()) {
        chunks.push(client.chunk().await);
    }
    assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [16384, 16384, 7232, 0]);
    assert_eq!(chunks.concat(), body());
    assert_usable(&mut client).await;
    assert_eq!(record(&stand).await, (40_000, End::Complete));
}

#[tokio::test]
async fn a_chunk_ends_where_a_step_does() {
    let steps = [Step::Head, Step::BodyTo(10), Step::BodyTo(10), Step::BodyTo(30)];
    let (stand, mut client) = open(Framing::Chunked, &steps).await;
    client.head().await;
    assert_eq!(client.chunk().await, &body()[..10]);
    assert_eq!(client.chunk().await, &body()[10..30]);
    assert_eq!(client.chunk().await, b"");
    assert_usable(&mut client).await;
    // For the client this is a whole body; for the origin it is a part.
    assert_eq!(record(&stand).await, (30, End::Cut));
}

#[tokio::test]
async fn a_chunked_body_that_is_ended_has_no_last_chunk() {
    for (part, end, farewell, recorded) in [
        (30, Step::Close, Farewell::Closed, End::Cut),
        (30, Step::Reset, Farewell::Reset, End::Reset),
        // All bytes of it, and still the client must take it for a part.
        (LENGTH, Step::Close, Farewell::Closed, End::Cut),
    ] {
        let (stand, mut client) = open(Framing::Chunked, &[Step::Head, Step::BodyTo(part), end]).await;
        client.head().await;
        let mut received = 0;
        while received < part {
            received += client.chunk().await.len();
        }
        assert_eq!(client.rest().await, (Vec::new(), farewell));
        assert_eq!(record(&stand).await, (part as u64, recorded));
    }
}

#[tokio::test]
async fn a_chunked_body_that_hangs_is_never_whole() {
    for part in [0, 30, LENGTH] {
        let (stand, mut client) = open(Framing::Chunked, &[Step::Head, Step::BodyTo(part), Step::Hang]).await;
        client.head().await;
        let mut received = 0;
        while received < part {
            received += client.chunk().await.len();
        }
        assert!(client.hears_nothing().await, "{part}");
        drop(client);
        assert_eq!(record(&stand).await, (part as u64, End::ClientGone));
    }
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    for (steps, sent, recorded) in [
        (WHOLE.as_slice(), LENGTH, End::Complete),
        (&[Step::Head, Step::BodyTo(LENGTH), Step::Close], LENGTH, End::Complete),
        (&[Step::Head, Step::BodyTo(30)], 30, End::Cut),
    ] {
        let (stand, mut client) = open(Framing::UntilClose, steps).await;
        let head = client.head().await;
        assert!(!head.headers.contains_key("content-length"), "{head:?}");
        assert!(!head.headers.contains_key("transfer-encoding"), "{head:?}");
        assert_eq!(client.rest().await, (body()[..sent].to_vec(), Farewell::Closed));
        assert_eq!(record(&stand).await, (sent as u64, recorded));
    }
}

#[tokio::test]
async fn a_reply_without_a_body_sends_none_and_has_nothing_to_hang() {
    for steps in [WHOLE.as_slice(), &[Step::Head, Step::BodyTo(30), Step::Hang]] {
        let (stand, mut client) = open(Framing::Bodiless, steps).await;
        let head = client.head().await;
        assert!(!head.headers.contains_key("content-length"), "{head:?}");
        assert_usable(&mut client).await;
        assert_eq!(record(&stand).await, (0, End::Complete));
        assert_eq!(stand.stage.requests()[0].whole_bytes, 0);
    }
}

/// What exceeds Content-Length is read as the next response, so nothing may come after it.
#[tokio::test]
async fn a_body_longer_than_its_length_is_sent_whole_and_then_the_connection_closes() {
    let (stand, mut client) = open(Framing::Length(1000), &WHOLE).await;
    assert_eq!(client.head().await.headers["content-length"], "1000");
    assert_eq!(client.rest().await, (body(), Farewell::Closed));
    // The client has a part, whatever was sent.
    assert_eq!(record(&stand).await, (40_000, End::Cut));
}

#[tokio::test]
async fn a_body_shorter_than_its_length_closes_the_connection_at_its_end() {
    for part in [0, 30, LENGTH] {
        let (stand, mut client) = open(Framing::Length(50_000), &[Step::Head, Step::BodyTo(part)]).await;
        assert_eq!(client.head().await.headers["content-length"], "50000");
        assert_eq!(client.rest().await, (body()[..part].to_vec(), Farewell::Closed));
        assert_eq!(record(&stand).await, (part as u64, End::Cut));
    }
}

#[tokio::test]
async fn before_the_head_a_connection_ends_without_a_byte() {
    for (end, farewell, recorded) in
        [(Step::Close, Farewell::Closed, End::Cut), (Step::Reset, Farewell::Reset, End::Reset)]
    {
        let (stand, mut client) = open(Framing::Length(LENGTH), &[end]).await;
        assert_eq!(client.rest().await, (Vec::new(), farewell));
        assert_eq!(record(&stand).await, (0, recorded));
    }
}

#[tokio::test]
async fn a_hang_before_the_head_sends_nothing_whatever_the_framing() {
    for framing in [Framing::Length(0), Framing::Length(LENGTH), Framing::Bodiless, Framing::Chunked] {
        let (stand, mut client) = open(framing, &[Step::Hang]).await;
        assert!(client.hears_nothing().await, "{framing:?}");
        drop(client);
        assert_eq!(record(&stand).await, (0, End::ClientGone));
    }
}

#[tokio::test]
async fn a_reply_that_says_so_closes_the_connection_after_it() {
    let script = Script::new(|_| {
        let headers = vec![("Connection".to_string(), "close".to_string())];
        segproof_core::exchange::Reply { headers, ..reply(Framing::Length(LENGTH), &WHOLE) }
    });
    let stand = Stand::open_script(script, 1.0, Protocol::Http1).await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    assert_eq!(client.head().await.headers["connection"], "close");
    assert_eq!(client.rest().await, (body(), Farewell::Closed));
    assert_eq!(record(&stand).await, (40_000, End::Complete));
}

#[tokio::test]
async fn waits_come_where_they_stand() {
    // 300 ms of wall time each.
    let wait = Step::Wait(9000.0);
    let steps = [wait, Step::Head, wait, Step::BodyTo(1000), wait, Step::BodyTo(LENGTH)];
    let (stand, mut client) = open_at(Framing::Length(LENGTH), &steps, 30.0).await;
    assert!(client.hears_nothing().await);
    client.head().await;
    assert!(client.hears_nothing().await);
    assert_eq!(client.body(1000).await, &body()[..1000]);
    assert!(client.hears_nothing().await);
    assert_eq!(client.body(LENGTH - 1000).await, &body()[1000..]);
    assert_usable(&mut client).await;
    assert_eq!(record(&stand).await, (40_000, End::Complete));
}

/// 320,000 bits at 80,000 a second: 4 s of stream time, half a second at speed 8.
#[tokio::test]
async fn a_throttled_body_comes_evenly_and_in_stream_time() {
    const BYTES_PER_WALL_S: f64 = 80_000.0;
    let steps =
        [Step::Head, Step::Throttle { bits_per_s: 80_000.0, until_ms: f64::INFINITY }, Step::BodyTo(LENGTH)];
    let asked = Instant::now();
    let (stand, mut client) = open_at(Framing::Length(LENGTH), &steps, 8.0).await;
    client.head().await;
    let mut largest = 0;
    let mut before = 0;
    while before < LENGTH {
        let arrived = client.arrived().await.expect("the rest of the body");
        let earliest = Duration::from_secs_f64(arrived as f64 / BYTES_PER_WALL_S);
        assert!(asked.elapsed() >= earliest, "{arrived} bytes after {:?}", asked.elapsed());
        largest = largest.max(arrived - before);
        before = arrived;
    }
    assert!(asked.elapsed() < Duration::from_secs(4), "the rate was not scaled: {:?}", asked.elapsed());
    // Late on a busy machine, it may have caught up; but not with half of it at once.
    assert!(largest < LENGTH / 2, "{largest} bytes at once");
    assert_eq!(client.body(LENGTH).await, body());
    assert_usable(&mut client).await;
    assert_eq!(record(&stand).await, (40_000, End::Complete));
}

/// 1,000 bytes a second for 0.2 s of stream time, and the other 39,000 at once.
#[tokio::test]
async fn a_throttle_ends_in_mid_body() {
    let steps = [Step::Head, Step::Throttle { bits_per_s: 8_000.0, until_ms: 200.0 }, Step::BodyTo(LENGTH)];
    let asked = Instant::now();
    let (stand, mut client) = open(Framing::Length(LENGTH), &steps).await;
    client.head().await;
    assert_eq!(client.body(LENGTH).await, body());
    let took = asked.elapsed();
    assert!((Duration::from_millis(200)..Duration::from_secs(20)).contains(&took), "{took:?}");
    assert_eq!(record(&stand).await, (40_000, End::Complete));
}

#[tokio::test]
async fn a_throttle_holds_for_what_follows_it_only() {
    let steps = [
        Step::Head,
        Step::BodyTo(30_000),
        Step::Throttle { bits_per_s: 8_000.0, until_ms: f64::INFINITY },
        Step::BodyTo(LENGTH),
    ];
    let (stand, mut client) = open(Framing::Chunked, &steps).await;
    client.head().await;
    assert_eq!(client.chunk().await.len(), 16384);
    assert_eq!(client.chunk().await.len(), 13616);
    // 1,000 bytes a second: ten at a time.
    assert_eq!(client.chunk().await, &body()[30_000..30_010]);
    drop(client);
    let (sent, end) = record(&stand).await;
    assert!((30_010..40_000).contains(&sent), "{sent}");
    assert_eq!(end, End::ClientGone);
}
