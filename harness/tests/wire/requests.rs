//! Requests of every sort: in sequence, pipelined, preflights, other methods, paths out of bounds, nonsense.

use segproof_core::trace::{End, Resource};

use crate::client::{Client, Farewell, request, within};
use crate::stand::{INIT, OTHER_SEGMENT, PLAYLIST, SEGMENT, Stand};

#[tokio::test]
async fn requests_in_sequence_share_a_connection_and_are_counted_per_resource() {
    let stand = Stand::open("").await;
    let mut client = Client::connect(stand.stage.media).await;
    for path in [PLAYLIST, SEGMENT, PLAYLIST, "/live/live100.m4s?again=1", SEGMENT] {
        client.get(path).await;
        assert_eq!(client.reply().await.head.status, 200, "{path}");
    }
    let requests = stand.ended(5).await;
    let attempts: Vec<u64> = requests.iter().map(|request| request.attempt).collect();
    assert_eq!(attempts, [1, 1, 2, 2, 3]);
    assert_eq!(requests.iter().map(|r| r.n).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(requests.is_sorted_by(|a, b| a.at_ms <= b.at_ms && a.ended_ms <= b.at_ms), "{requests:?}");
    assert_eq!(requests[3].path, "/live/live100.m4s?again=1");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn_whatever_they_are() {
    let stand = Stand::open("").await;
    let mut client = Client::connect(stand.stage.media).await;
    let all =
        [request("GET", SEGMENT), request("OPTIONS", INIT), request("GET", INIT), request("POST", INIT)];
    client.send(&all.concat()).await;
    assert_eq!(client.reply().await.body, stand.segment());
    assert_eq!(client.reply().await.head.status, 204);
    assert_eq!(client.reply().await.body, stand.init());
    assert_eq!(client.reply().await.head.status, 405);
    assert_eq!(stand.ended(2).await.len(), 2);
}

#[tokio::test]
async fn nonsense_after_a_pipelined_request_is_answered_400_and_closed() {
    let stand = Stand::open("").await;
    let mut client = Client::connect(stand.stage.media).await;
    client.send(&(request("GET", SEGMENT) + "NONSENSE\r\n\r\n")).await;
    assert_eq!(client.reply().await.body, stand.segment());
    assert_eq!(client.head().await.status, 400);
    assert_eq!(client.rest().await.1, Farewell::Closed);
}

#[tokio::test]
async fn nothing_is_answered_after_a_connection_is_cut() {
    for cut in ["truncate = \"10\"\ncontent_length = \"lying\"", "reset = \"10\""] {
        let stand = Stand::open(&format!("[[fault]]\non = \"segment 100\"\n{cut}\n")).await;
        let mut client = Client::connect(stand.stage.media).await;
        client.send(&(request("GET", SEGMENT) + request("GET", INIT).as_str())).await;
        client.head().await;
        assert_eq!(client.rest().await.0, &stand.segment()[..10]);
        assert_eq!(stand.ended(1).await.len(), 1);
    }
}

#[tokio::test]
async fn a_preflight_is_allowed_and_never_counted() {
    let stand = Stand::open("[[fault]]\non = \"segment 100\"\nnth = \"1\"\nstatus = 404\n").await;
    let mut client = Client::connect(stand.stage.media).await;
    client
        .send(&format!(
            "OPTIONS {SEGMENT} HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
             access-control-request-method: GET\r\naccess-control-request-headers: x-own\r\n\r\n"
        ))
        .await;
    let head = client.reply().await.head;
    assert_eq!(head.status, 204);
    assert_eq!(head.headers["access-control-allow-origin"], "*");
    assert_eq!(head.headers["access-control-allow-headers"], "*");
    assert!(head.headers["access-control-allow-methods"].contains("GET"));
    assert_eq!(head.headers["cache-control"], "no-store");
    // The GET after it is the first, and so meets the fault.
    client.get(SEGMENT).await;
    assert_eq!(client.reply().await.head.status, 404);
    let requests = stand.ended(1).await;
    assert_eq!((requests[0].attempt, requests[0].status), (1, 404));
}

#[tokio::test]
async fn a_head_tells_what_a_get_would_and_is_never_counted() {
    let stand = Stand::open("[[fault]]\non = \"segment 100\"\nnth = \"2\"\nstatus = 404\n").await;
    let mut client = Client::connect(stand.stage.media).await;
    for status in [200, 404] {
        client.send(&(request("HEAD", SEGMENT) + request("HEAD", SEGMENT).as_str())).await;
        for _ in 0..2 {
            let head = client.head().await;
            assert_eq!(head.status, status);
            assert_eq!(head.headers["access-control-allow-origin"], "*");
            if status == 200 {
                assert_eq!(head.headers["content-length"], stand.segment().len().to_string());
                assert_eq!(head.headers["content-type"], "video/iso.segment");
            }
        }
        // On the same connection, so that a body behind a head would be taken for a response.
        client.get(SEGMENT).await;
        assert_eq!(client.reply().await.head.status, status);
    }
    assert_eq!(stand.ended(2).await.len(), 2);
}

#[tokio::test]
async fn other_methods_are_refused_with_cors_and_not_recorded() {
    let stand = Stand::open("").await;
    for method in ["POST", "PUT", "DELETE"] {
        let mut client = Client::connect(stand.stage.media).await;
        client.send(&request(method, SEGMENT)).await;
        let head = client.head().await;
        assert_eq!(head.status, 405, "{method}");
        assert_eq!(head.headers["access-control-allow-origin"], "*", "{method}");
        assert_eq!(head.headers["cache-control"], "no-store", "{method}");
    }
    assert!(stand.stage.requests().is_empty());
}

#[tokio::test]
async fn paths_that_name_nothing_are_404_with_cors_on_media() {
    let stand = Stand::open("").await;
    let paths = [
        "/",
        "/live",
        "/live/",
        "/live/live99.m4s",
        "/live/live0100.m4s",
        "/live/live+100.m4s",
        "/live/live18446744073709551616.m4s",
        "/live/../../etc/passwd",
        "/live/%2e%2e/%2e%2e/etc/passwd",
        "/live/../live/live.m3u8",
        "//live/live.m3u8",
        "/LIVE/live.m3u8",
    ];
    let mut client = Client::connect(stand.stage.media).await;
    for path in paths {
        client.get(path).await;
        let reply = client.reply().await;
        assert_eq!(reply.head.status, 404, "{path}");
        assert_eq!(reply.head.headers["access-control-allow-origin"], "*", "{path}");
        assert_eq!(reply.body, b"status 404\n", "{path}");
    }
    let requests = stand.ended(paths.len()).await;
    assert!(requests.iter().all(|r| (r.status, r.end) == (404, End::Complete)));
    // Segment 99 would have come before the stream.
    assert!(requests.iter().all(|r| r.resource == Resource::Unknown));
}

#[tokio::test]
async fn control_serves_the_player_and_nothing_outside_its_folder() {
    let stand = Stand::open("").await;
    let mut client = Client::connect(stand.stage.control).await;
    client.get("/player/index.html?src=x").await;
    let page = client.reply().await;
    assert_eq!(page.head.status, 200);
    let html = String::from_utf8(page.body).expect("a page is text");
    assert!(html.find("new WebSocket") < html.find("<title>"), "the probe comes before the page's own");
    for path in [
        "/",
        "/player",
        "/player/",
        "/player/missing.js",
        "/player/../../../Cargo.toml",
        "/player/..%2f..%2f..%2fCargo.toml",
        "/player/%2e%2e/%2e%2e/%2e%2e/Cargo.toml",
        "/player/x/%2e%2e/index.html",
        "/player/%2fetc%2fpasswd",
        "/player//etc/passwd",
        "/etc/passwd",
    ] {
        client.get(path).await;
        let reply = client.reply().await;
        assert_eq!(reply.head.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_malformed_request_ends_its_own_connection_only() {
    let stand = Stand::open("").await;
    let oversized = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    for address in [stand.stage.media, stand.stage.control] {
        for nonsense in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", &oversized] {
            let mut client = Client::connect(address).await;
            // The listener may close before it has read all of it.
            client.try_send(nonsense).await;
            within("close after nonsense", client.rest()).await;
        }
    }
    let mut client = Client::connect(stand.stage.media).await;
    client.get(SEGMENT).await;
    assert_eq!(client.reply().await.body, stand.segment());
    let mut client = Client::connect(stand.stage.control).await;
    client.get("/player/index.html").await;
    assert_eq!(client.reply().await.head.status, 200);
    assert_eq!(stand.ended(1).await.len(), 1);
}

#[tokio::test]
async fn connections_are_independent() {
    let stand = Stand::open("[[fault]]\non = \"segment 100\"\nhang = \"10\"\n").await;
    let mut hanging = Client::connect(stand.stage.media).await;
    hanging.get(SEGMENT).await;
    hanging.head().await;
    let mut other = Client::connect(stand.stage.media).await;
    other.get(OTHER_SEGMENT).await;
    assert_eq!(other.reply().await.body, stand.other_segment());
    let ends: Vec<End> =
        stand.records("the other's end", |all| all[1].end != End::Open).await.iter().map(|r| r.end).collect();
    assert_eq!(ends, [End::Open, End::Complete]);
}
