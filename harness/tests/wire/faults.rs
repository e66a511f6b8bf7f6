//! Each kind of fault: its bytes, its end, its record, and what becomes of the connection.

use std::time::{Duration, Instant};

use segproof_core::trace::End;

use crate::client::{Client, Farewell, Head};
use crate::stand::{INIT, OTHER_SEGMENT, PLAYLIST, SEGMENT, Stand};

/// Every reply can be read by a page of another origin and is never cached.
fn assert_open_to_pages(head: &Head) {
    assert_eq!(head.headers.get("access-control-allow-origin").map(String::as_str), Some("*"), "{head:?}");
    assert_eq!(head.headers.get("cache-control").map(String::as_str), Some("no-store"), "{head:?}");
}

/// What the record says: status, bytes sent, bytes of the whole, end.
fn facts(request: &segproof_core::trace::Request) -> (u16, u64, u64, End) {
    (request.status, request.sent_bytes, request.whole_bytes, request.end)
}

/// The connection still answers: the segment without a fault, whole.
async fn assert_usable(client: &mut Client, stand: &Stand) {
    client.get(OTHER_SEGMENT).await;
    let reply = client.reply().await;
    assert_eq!((reply.head.status, reply.body.as_slice()), (200, stand.other_segment()));
}

#[tokio::test]
async fn without_a_fault_the_reply_is_whole() {
    let stand = Stand::open("").await;
    let mut client = Client::connect(stand.stage.media).await;
    for (path, whole, content_type) in [
        (PLAYLIST, None, "application/vnd.apple.mpegurl"),
        (INIT, Some(stand.init()), "video/mp4"),
        (SEGMENT, Some(stand.segment()), "video/iso.segment"),
    ] {
        client.get(path).await;
        let reply = client.reply().await;
        assert_eq!(reply.head.status, 200, "{path}");
        assert_open_to_pages(&reply.head);
        assert_eq!(reply.head.headers["content-type"], content_type);
        assert_eq!(reply.head.headers["content-length"], reply.body.len().to_string());
        match whole {
            Some(whole) => assert_eq!(reply.body, whole, "{path}"),
            None => assert!(reply.body.starts_with(b"#EXTM3U\n"), "{path}"),
        }
    }
    for request in stand.ended(3).await {
        let whole = request.whole_bytes;
        assert_eq!(facts(&request), (200, whole, whole, End::Complete), "{request:?}");
        assert_eq!(request.attempt, 1);
    }
}

#[tokio::test]
async fn delay_holds_back_the_first_byte_for_stream_time() {
    let stand = Stand::open_at("[[fault]]\non = \"segment 100\"\ndelay = \"9s\"\n", 30.0).await;
    let mut client = Client::connect(stand.stage.media).await;
    let asked = Instant::now();
    client.get(SEGMENT).await;
    assert!(client.hears_nothing().await, "a byte before the wait was over");
    let head = client.head().await;
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_millis(300), "9 s at speed 30 took {waited:?}");
    assert!(waited < Duration::from_secs(9), "the wait was not scaled: {waited:?}");
    assert_open_to_pages(&head);
    assert_eq!(client.body(stand.segment().len()).await, stand.segment());
    let request = &stand.ended(1).await[0];
    assert_eq!(request.end, End::Complete);
    assert!(request.ended_ms - request.at_ms >= 300.0, "{request:?}");
}

#[tokio::test]
async fn a_client_that_leaves_during_a_delay_is_recorded_without_a_byte() {
    let stand = Stand::open("[[fault]]\non = \"segment 100\"\ndelay = \"60s\"\n").await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    stand.records("arrival", |all| all.len() == 1).await;
    drop(client);
    let request = &stand.ended(1).await[0];
    assert_eq!(facts(request), (200, 0, stand.segment().len() as u64, End::ClientGone));
}

#[tokio::test]
async fn status_replaces_the_reply_and_keeps_the_connection() {
    for status in [404u16, 403, 410, 500, 503] {
        let stand =
            Stand::open(&format!("[[fault]]\non = \"segment 100\"\nnth = \"1\"\nstatus = {status}\n")).await;
        let mut client = Client::connect(stand.stage.media).await;
        client.get(SEGMENT).await;
        let reply = client.reply().await;
        assert_eq!(reply.head.status, status);
        assert_open_to_pages(&reply.head);
        assert_eq!(reply.body, format!("status {status}\n").into_bytes());
        client.get(SEGMENT).await;
        let again = client.reply().await;
        assert_eq!((again.head.status, again.body.as_slice()), (200, stand.segment()));
        let requests = stand.ended(2).await;
        assert_eq!(facts(&requests[0]), (status, 11, 11, End::Complete));
        assert_eq!((requests[0].attempt, requests[1].attempt), (1, 2));
    }
}

/// RFC 9110, 15.3.5 and 15.4.5: these end with their head. A body would be read as the next response.
#[tokio::test]
async fn a_status_that_has_no_body_is_sent_without_one() {
    for status in [204u16, 304] {
        let stand = Stand::open(&format!("[[fault]]\non = \"segment 100\"\nstatus = {status}\n")).await;
        let mut client = Client::connect(stand.stage.media).await;
        client.get(SEGMENT).await;
        let head = client.head().await;
        assert_eq!(head.status, status);
        assert_open_to_pages(&head);
        assert!(!head.headers.contains_key("content-length"), "{head:?}");
        assert_usable(&mut client, &stand).await;
        let request = &stand.ended(2).await[0];
        assert_eq!((request.status, request.sent_bytes, request.end), (status, 0, End::Complete));
    }
}

#[tokio::test]
async fn truncate_with_a_true_length_ends_the_response_and_keeps_the_connection() {
    let stand = Stand::open("[[fault]]\non = \"segment 100\"\ntruncate = \"1000\"\n").await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    let reply = client.reply().await;
    assert_open_to_pages(&reply.head);
    assert_eq!(reply.head.headers["content-length"], "1000");
    assert_eq!(reply.body, &stand.segment()[..1000]);
    assert_usable(&mut client, &stand).await;
    let request = &stand.ended(2).await[0];
    assert_eq!(facts(request), (200, 1000, stand.segment().len() as u64, End::Cut));
}

#[tokio::test]
async fn truncate_with_a_lying_length_closes_the_connection_early() {
    let stand =
        Stand::open("[[fault]]\non = \"segment 100\"\ntruncate = \"1000\"\ncontent_length = \"lying\"\n")
            .await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    let head = client.head().await;
    assert_open_to_pages(&head);
    assert_eq!(head.headers["content-length"], stand.segment().len().to_string());
    let (body, farewell) = client.rest().await;
    assert_eq!((body.as_slice(), farewell), (&stand.segment()[..1000], Farewell::Closed));
    let request = &stand.ended(1).await[0];
    assert_eq!(facts(request), (200, 1000, stand.segment().len() as u64, End::Cut));
}

#[tokio::test]
async fn hang_sends_its_part_and_then_nothing_until_the_client_leaves() {
    for part in [0, 1000] {
        let stand = Stand::open(&format!("[[fault]]\non = \"segment 100\"\nhang = \"{part}\"\n")).await;
        let mut client = Client::connect(stand.stage.media).await;
        client.get(SEGMENT).await;
        let head = client.head().await;
        assert_open_to_pages(&head);
        assert_eq!(head.headers["content-length"], stand.segment().len().to_string());
        assert_eq!(client.body(part).await, &stand.segment()[..part]);
        assert!(client.hears_nothing().await);
        // What is still open when watching stops has to say what was sent.
        let open = &stand.stage.requests()[0];
        assert_eq!(facts(open), (200, part as u64, stand.segment().len() as u64, End::Open));
        drop(client);
        let gone = &stand.ended(1).await[0];
        assert_eq!(facts(gone), (200, part as u64, stand.segment().len() as u64, End::ClientGone));
        assert!(gone.ended_ms > gone.at_ms);
    }
}

/// Nothing is left to hang: for the client the response is complete, and its next request must be answered.
#[tokio::test]
async fn hang_after_the_whole_body_is_a_complete_reply() {
    let stand = Stand::open("[[fault]]\non = \"segment 100\"\nhang = \"1000000\"\n").await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    assert_eq!(client.reply().await.body, stand.segment());
    assert_usable(&mut client, &stand).await;
    assert_eq!(stand.ended(2).await[0].end, End::Complete);
}

#[tokio::test]
async fn reset_comes_after_the_head_and_its_part_of_the_body() {
    for percent in [0, 50] {
        let stand = Stand::open(&format!("[[fault]]\non = \"segment 100\"\nreset = \"{percent}%\"\n")).await;
        let part = stand.segment().len() * percent / 100;
        let mut client = Client::connect(stand.stage.media).await;
        client.get(SEGMENT).await;
        let head = client.head().await;
        assert_open_to_pages(&head);
        assert_eq!(head.headers["content-length"], stand.segment().len().to_string());
        let (body, farewell) = client.rest().await;
        assert_eq!((body.as_slice(), farewell), (&stand.segment()[..part], Farewell::Reset));
        let request = &stand.ended(1).await[0];
        assert_eq!(facts(request), (200, part as u64, stand.segment().len() as u64, End::Reset));
    }
}

#[tokio::test]
async fn a_fault_meets_the_second_request_of_a_connection_as_it_meets_the_first() {
    let stand = Stand::open("[[fault]]\non = \"segment 100\"\nreset = \"1000\"\n").await;
    let mut client = Client::connect(stand.stage.media).await;
    assert_usable(&mut client, &stand).await;
    client.get(SEGMENT).await;
    assert_eq!(client.head().await.status, 200);
    let (body, farewell) = client.rest().await;
    assert_eq!((body.as_slice(), farewell), (&stand.segment()[..1000], Farewell::Reset));
    let ends: Vec<End> = stand.ended(2).await.iter().map(|request| request.end).collect();
    assert_eq!(ends, [End::Complete, End::Reset]);
}

/// A reset throws away what the sender's kernel still holds. All that the record says was sent must arrive, also
/// at a client that is slow to read.
#[tokio::test]
async fn reset_waits_until_the_client_has_its_part() {
    let stand = Stand::open_large("[[fault]]\non = \"segment 100\"\nreset = \"1000000\"\n").await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    // The origin has written all it can before the first byte is read.
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.head().await;
    let (body, farewell) = client.rest().await;
    assert_eq!((body.len(), farewell), (1_000_000, Farewell::Reset));
    assert!(body == stand.segment()[..1_000_000]);
    assert_eq!(stand.ended(1).await[0].sent_bytes, 1_000_000);
}

/// A client that leaves in mid-body: the record says no more than was taken off the origin's hands.
#[tokio::test]
async fn a_client_that_leaves_in_mid_body_is_recorded() {
    let stand = Stand::open_large("").await;
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    client.head().await;
    client.body(1000).await;
    drop(client);
    let request = &stand.ended(1).await[0];
    assert_eq!((request.status, request.end), (200, End::ClientGone));
    assert!((1000..request.whole_bytes).contains(&request.sent_bytes), "{request:?}");
}
