//! The same replies over HTTP/2: what ends a connection over HTTP/1.1 ends a stream here, and the others go on.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Response};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use segproof_core::exchange::{Framing, Protocol, Step};
use segproof_core::trace::End;
use segproof_harness::serve::{Door, Stage};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::within;
use crate::stand::{OTHER_SEGMENT, SEGMENT, Script, Stand, body, reply};

const LENGTH: usize = 40_000;
const WHOLE: [Step; 2] = [Step::Head, Step::BodyTo(LENGTH)];

/// One connection to a stage's first media host.
struct Client {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn connect(stage: &Stage) -> Client {
        let stream = handshake(stage, &[b"h2"]).await.expect("a TLS connection");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        let (requests, connection) = h2::client::handshake(stream).await.expect("an HTTP/2 connection");
        Client { requests, connection: tokio::spawn(connection) }
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Response<RecvStream>, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let request = Request::builder()
            .method(method)
            .uri(format!("https://127.0.0.1{path}"))
            .header("origin", "http://localhost")
            .body(())
            .expect("a request");
        let (response, _) = requests.send_request(request, true)?;
        within("a response or its failure", response).await
    }

    async fn get(&self, path: &str) -> Result<Response<RecvStream>, h2::Error> {
        self.ask(Method::GET, path).await
    }

    /// Another stream of the connection answers.
    async fn assert_usable(&self) {
        let response = self.get(OTHER_SEGMENT).await.expect("a response");
        let (bytes, error) = read(response).await;
        assert!(error.is_none(), "{error:?}");
        assert!(bytes == body());
    }
}

async fn handshake(stage: &Stage, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    let certificate = CertificateDer::from(stage.certificate.clone().expect("the stage speaks TLS"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has a protocol")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("127.0.0.1").expect("an address is a name");
    let stream = TcpStream::connect(stage.media).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Reads a body to its end, or to what ends it.
async fn read(response: Response<RecvStream>) -> (Vec<u8>, Option<h2::Error>) {
    let mut stream = response.into_body();
    let mut received = Vec::new();
    while let Some(data) = within("more of a body", stream.data()).await {
        match data {
            Ok(bytes) => {
                stream.flow_control().release_capacity(bytes.len()).expect("a window");
                received.extend(bytes);
            }
            Err(error) => return (received, Some(error)),
        }
    }
    (received, None)
}

async fn open(framing: Framing, steps: &[Step]) -> (Stand, Client) {
    let stand = Stand::open_script(Script::playing(framing, steps), 1.0, Protocol::Http2).await;
    let client = Client::connect(&stand.stage).await;
    (stand, client)
}

/// The record of the first request, once it has ended: bytes sent and how it ended.
async fn record(stand: &Stand) -> (u64, End) {
    let records = stand.records("record's end", |all| all.first().is_some_and(|r| r.end != End::Open)).await;
    (records[0].sent_bytes, records[0].end)
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(|name| name.as_str()).collect()
}

#[tokio::test]
async fn who_does_not_speak_it_is_refused_in_the_handshake() {
    let (stand, _client) = open(Framing::Length(LENGTH), &WHOLE).await;
    handshake(&stand.stage, &[b"http/1.1"]).await.expect_err("HTTP/1.1 is not spoken");
}

#[tokio::test]
async fn a_whole_body_arrives_whatever_its_framing() {
    for (framing, length) in
        [(Framing::Length(LENGTH), Some("40000")), (Framing::Chunked, None), (Framing::UntilClose, None)]
    {
        let (stand, client) = open(framing, &WHOLE).await;
        let response = client.get(SEGMENT).await.expect("a response");
        assert_eq!(response.status(), 200);
        let said = response.headers().get("content-length").map(|value| value.to_str().expect("text"));
        assert_eq!(said, length, "{framing:?}");
        assert!(!response.headers().contains_key("transfer-encoding"));
        let (bytes, error) = read(response).await;
        assert!(error.is_none(), "{framing:?}: {error:?}");
        assert!(bytes == body());
        client.assert_usable().await;
        assert_eq!(record(&stand).await, (40_000, End::Complete));
        assert_eq!(stand.stage.requests()[0].path, SEGMENT);
    }
}

#[tokio::test]
async fn headers_are_kept_but_those_of_a_connection() {
    let said = [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("connection", "close"), ("X-One", "1")];
    let script = Script::new(move |_| {
        let headers = said.map(|(name, value)| (name.to_string(), value.to_string())).to_vec();
        segproof_core::exchange::Reply { headers, status: 206, ..reply(Framing::Chunked, &WHOLE) }
    });
    let stand = Stand::open_script(script, 1.0, Protocol::Http2).await;
    let client = Client::connect(&stand.stage).await;
    let response = client.get(SEGMENT).await.expect("a response");
    assert_eq!(response.status(), 206);
    assert_eq!(names(response.headers()), ["set-cookie", "x-one"]);
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn a_reply_without_a_body_ends_with_its_head() {
    let (stand, client) = open(Framing::Bodiless, &[Step::Head, Step::BodyTo(30), Step::Hang]).await;
    let response = client.get(SEGMENT).await.expect("a response");
    assert!(response.body().is_end_stream());
    client.assert_usable().await;
    assert_eq!(record(&stand).await, (0, End::Complete));
}

#[tokio::test]
async fn a_stream_that_ends_before_its_length_is_an_error() {
    for steps in [[Step::Head, Step::BodyTo(30)].as_slice(), &[Step::Head, Step::BodyTo(30), Step::Close]] {
        let (stand, client) = open(Framing::Length(LENGTH), steps).await;
        let response = client.get(SEGMENT).await.expect("a response");
        let (_, error) = read(response).await;
        assert_eq!(error.expect("a part is none").reason(), Some(Reason::PROTOCOL_ERROR));
        assert_eq!(record(&stand).await, (30, End::Cut));
        client.assert_usable().await;
    }
}

#[tokio::test]
async fn without_a_length_a_stream_that_ends_early_is_a_regular_end() {
    for framing in [Framing::Chunked, Framing::UntilClose] {
        for (part, recorded) in [(30, End::Cut), (LENGTH, End::Complete)] {
            let (stand, client) = open(framing, &[Step::Head, Step::BodyTo(part), Step::Close]).await;
            let (bytes, error) = read(client.get(SEGMENT).await.expect("a response")).await;
            assert!(error.is_none(), "{error:?}");
            assert!(bytes == body()[..part]);
            assert_eq!(record(&stand).await, (part as u64, recorded));
            client.assert_usable().await;
        }
    }
}

#[tokio::test]
async fn a_reset_comes_after_the_head_and_its_part_of_the_body() {
    for part in [0, 30, LENGTH] {
        let (stand, client) =
            open(Framing::Length(LENGTH), &[Step::Head, Step::BodyTo(part), Step::Reset]).await;
        let response = client.get(SEGMENT).await.expect("a response");
        assert_eq!(response.headers()["content-length"], "40000");
        let (bytes, error) = read(response).await;
        let error = error.expect("a reset");
        assert_eq!((error.is_remote(), error.reason()), (true, Some(Reason::INTERNAL_ERROR)));
        assert_eq!(bytes.len(), part);
        assert_eq!(record(&stand).await, (part as u64, End::Reset));
        client.assert_usable().await;
    }
}

/// h2 throws away what a reset stream has in its queue. All that the record says was sent must arrive, also at a
/// client whose window is small and slow to open.
#[tokio::test]
async fn a_reset_waits_until_the_client_has_its_part() {
    const PART: usize = 1_000_000;
    let script = Script::new(|_| segproof_core::exchange::Reply {
        body: vec![7; 2 * PART].into(),
        ..reply(Framing::Length(2 * PART), &[Step::Head, Step::BodyTo(PART), Step::Reset])
    });
    let stand = Stand::open_script(script, 1.0, Protocol::Http2).await;
    let client = Client::connect(&stand.stage).await;
    let (bytes, error) = read(client.get(SEGMENT).await.expect("a response")).await;
    assert_eq!(error.and_then(|error| error.reason()), Some(Reason::INTERNAL_ERROR));
    assert_eq!(bytes.len(), PART);
    assert_eq!(record(&stand).await, (PART as u64, End::Reset));
}

#[tokio::test]
async fn before_the_head_a_stream_ends_without_one() {
    for (end, reason, recorded) in
        [(Step::Reset, Reason::INTERNAL_ERROR, End::Reset), (Step::Close, Reason::CANCEL, End::Cut)]
    {
        let (stand, client) = open(Framing::Length(LENGTH), &[end]).await;
        let error = client.get(SEGMENT).await.expect_err("there is no response");
        assert_eq!((error.is_remote(), error.reason()), (true, Some(reason)));
        assert_eq!(record(&stand).await, (0, recorded));
        client.assert_usable().await;
    }
}

#[tokio::test]
async fn a_stream_that_hangs_or_waits_is_open_until_the_client_gives_it_up() {
    for (part, steps) in [
        (30, [Step::Head, Step::BodyTo(30), Step::Hang]),
        (0, [Step::Head, Step::BodyTo(0), Step::Wait(60_000.0)]),
    ] {
        let (stand, client) = open(Framing::Chunked, &steps).await;
        let response = client.get(SEGMENT).await.expect("a response");
        // The others are not held up.
        client.assert_usable().await;
        let before = stand.records("its part", |all| all[0].sent_bytes == part).await;
        assert_eq!(before[0].end, End::Open);
        drop(response);
        assert_eq!(record(&stand).await, (part, End::ClientGone));
        client.assert_usable().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_all_its_streams_along() {
    let (stand, client) = open(Framing::Chunked, &[Step::Hang]).await;
    let asked = {
        let requests = client.requests.clone();
        let (path, mut requests) =
            (format!("https://127.0.0.1{SEGMENT}"), requests.ready().await.expect("ready"));
        requests.send_request(Request::get(path).body(()).expect("a request"), true).expect("it is sent")
    };
    stand.records("arrival", |all| all.len() == 1).await;
    client.connection.abort();
    drop(asked);
    assert_eq!(record(&stand).await, (0, End::ClientGone));
}

#[tokio::test]
async fn preflights_and_other_methods_are_answered_and_not_recorded() {
    for grants_preflights in [true, false] {
        let mut script = Script::playing(Framing::Length(LENGTH), &WHOLE);
        script.grants_preflights = grants_preflights;
        let stand = Stand::open_script(script, 1.0, Protocol::Http2).await;
        let client = Client::connect(&stand.stage).await;
        let preflight = client.ask(Method::OPTIONS, SEGMENT).await.expect("a response");
        assert_eq!(preflight.status(), if grants_preflights { 204 } else { 403 });
        assert_eq!(preflight.headers().contains_key("access-control-allow-origin"), grants_preflights);
        let refused = client.ask(Method::POST, SEGMENT).await.expect("a response");
        assert_eq!(refused.status(), 405);
        assert_eq!(refused.headers()["access-control-allow-origin"], "*");
        assert!(stand.stage.requests().is_empty());
    }
}

#[tokio::test]
async fn a_shut_door_ends_the_connection_and_what_it_carries() {
    let (stand, client) = open(Framing::Chunked, &[Step::Head, Step::BodyTo(30), Step::Hang]).await;
    let response = client.get(SEGMENT).await.expect("a response");
    stand.records("its part", |all| all[0].sent_bytes == 30).await;
    stand.stage.set_media_door(Door::Shut);
    let (bytes, error) = read(response).await;
    assert!(error.is_some());
    assert_eq!(bytes.len(), 30);
    assert_eq!(record(&stand).await, (30, End::Cut));
    within("the connection's end", client.connection).await.expect("it was not aborted").unwrap_err();
}
