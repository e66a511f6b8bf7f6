//! The front before a remote end that is played here: what it hands on, and what it does by itself.

use segproof_harness::engine::{BIDI_CAPABILITY, CLIENT_CAPABILITY, Client, ENGINES};

use super::*;

/// A remote end that answers New Session with the capabilities it was given, and knows one title; with it, what was
/// asked of it, and how many windows its pages have left open.
async fn remote(windows: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let answer = move |request: Request| {
        let log = Arc::clone(&log);
        async move {
            let (parts, body) = request.into_parts();
            let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            // A Selenium Grid refuses anything else.
            assert!(kind.is_none_or(|kind| kind.contains("charset=utf-8")), "{kind:?}");
            let body = axum::body::to_bytes(body, usize::MAX).await.expect("body");
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let what = format!("{} {}", parts.method, parts.uri.path());
            let value = match what.as_str() {
                "POST /session" => {
                    json!({"sessionId": "s1", "capabilities": body["capabilities"]["alwaysMatch"]})
                }
                "GET /session/s1/title" => json!("hello"),
                "GET /session/s1/window/handles" => (0..windows).map(|n| json!(n.to_string())).collect(),
                _ => Value::Null,
            };
            let detail = body.get("handle").or(body.get("cmd")).map(|detail| format!(" {detail}"));
            log.lock().expect("log").push(format!("{what}{}", detail.unwrap_or_default()));
            Json(json!({ "value": value }))
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let routes = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, asked)
}

/// A front of one session, a client for it, the reports it passes on, and the folder of its files.
async fn front(remote: &str) -> (Front, reqwest::Client, mpsc::UnboundedReceiver<TrialReport>, TempDir) {
    front_of(remote, 1).await
}

async fn front_of(
    remote: &str,
    sessions: usize,
) -> (Front, reqwest::Client, mpsc::UnboundedReceiver<TrialReport>, TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    let settings = Settings {
        sessions,
        pacing: Pacing::ONE_AT_A_TIME,
        window: Window::Headless,
        remote: Some(remote.parse().expect("a URL")),
        viewer: None,
        logs: folder.path().join("logs"),
        state: folder.path().join("state"),
    };
    let (verdicts, finished) = mpsc::unbounded_channel();
    let front = Front::open(settings, verdicts).await.expect("open");
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    (front, client, finished, folder)
}

async fn new_session(front: &Front, client: &reqwest::Client, pid: u32) -> Value {
    new_session_with(front, client, pid, None).await
}

async fn new_session_with(
    front: &Front,
    client: &reqwest::Client,
    pid: u32,
    capability: Option<&str>,
) -> Value {
    let engine = &ENGINES[0];
    let mut always = engine.session_request("trial");
    always.extend(capability.map(|name| (name.to_owned(), json!(true))));
    let asks = Client { engine: engine.name.to_owned(), trial: "trial".to_owned(), pid };
    always.insert(CLIENT_CAPABILITY.to_owned(), json!(asks));
    let body = json!({"capabilities": {"alwaysMatch": always}});
    let answer = client.post(format!("{}/session", front.url)).json(&body).send().await.expect("answer");
    answer.json().await.expect("json")
}

async fn delete(front: &Front, client: &reqwest::Client, id: &str) {
    let deleted = client.delete(format!("{}/session/{id}", front.url)).send().await.expect("answer");
    assert!(deleted.status().is_success(), "{id}");
}

async fn title(front: &Front, client: &reqwest::Client, id: &str) -> Value {
    let answer = client.get(format!("{}/session/{id}/title", front.url)).send().await.expect("answer");
    answer.json().await.expect("json")
}

#[tokio::test]
async fn a_session_is_handed_on_and_taken_back() {
    let (front, client, _finished, _folder) = front(&remote(1).await.0).await;
    let session = new_session(&front, &client, std::process::id()).await;
    let capabilities = &session["value"]["capabilities"];
    assert_eq!(capabilities[CLIENT_CAPABILITY], Value::Null, "the front's own capability goes no further");
    assert!(capabilities["goog:chromeOptions"]["args"].to_string().contains("--headless"));
    assert_eq!(title(&front, &client, "s1").await["value"], "hello");
    // The second time it has ended already.
    delete(&front, &client, "s1").await;
    delete(&front, &client, "s1").await;
    let late = title(&front, &client, "s1").await;
    assert_eq!(late["value"]["error"], "unknown error");
    assert!(late["value"]["message"].to_string().contains("deleted"), "{late}");
    front.close().await;
}

#[tokio::test]
async fn a_browser_is_lent_again_when_it_has_forgotten() {
    let (url, asked) = remote(2).await;
    let (front, client, _finished, _folder) = front(&url).await;
    new_session(&front, &client, std::process::id()).await;
    delete(&front, &client, "s1").await;
    let second = new_session(&front, &client, std::process::id()).await;
    let id = second["value"]["sessionId"].as_str().expect("id").to_owned();
    assert_ne!(id, "s1", "a late command of the first trial must not reach the second");
    assert_eq!(title(&front, &client, &id).await["value"], "hello");
    assert_eq!(title(&front, &client, "s1").await["value"]["error"], "unknown error");
    front.close().await;
    let asked = asked.lock().expect("log").join("\n");
    insta::assert_snapshot!(asked);
}

#[tokio::test]
async fn a_browser_that_had_bidi_is_not_lent_again() {
    let (url, asked) = remote(1).await;
    let (front, client, _finished, _folder) = front(&url).await;
    for _ in 0..2 {
        let session = new_session_with(&front, &client, std::process::id(), Some(BIDI_CAPABILITY)).await;
        assert_eq!(session["value"]["capabilities"][BIDI_CAPABILITY], true, "{session}");
        delete(&front, &client, "s1").await;
    }
    front.close().await;
    let asked = asked.lock().expect("log").join("\n");
    assert_eq!(asked, ["POST /session\nDELETE /session/s1"; 2].join("\n"));
}

/// A remote end of one place, which lets who asks for another one wait until that is free.
async fn remote_of_one_place() -> String {
    let places = Arc::new(Semaphore::new(1));
    let opened = Arc::new(AtomicUsize::new(0));
    let answer = move |request: Request| {
        let (places, opened) = (Arc::clone(&places), Arc::clone(&opened));
        async move {
            let is_session = request.uri().path().matches('/').count() <= 2;
            let value = match *request.method() {
                Method::POST if request.uri().path() == "/session" => {
                    places.acquire().await.expect("open").forget();
                    json!({"sessionId": format!("s{}", opened.fetch_add(1, Ordering::SeqCst))})
                }
                Method::DELETE if is_session => {
                    places.add_permits(1);
                    Value::Null
                }
                _ if request.uri().path().ends_with("/handles") => json!(["0"]),
                _ => Value::Null,
            };
            Json(json!({ "value": value }))
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

#[tokio::test]
async fn a_session_that_another_one_waits_for_is_not_kept() {
    let (front, client, _finished, _folder) = front_of(&remote_of_one_place().await, 2).await;
    let first = new_session(&front, &client, std::process::id()).await;
    assert_eq!(first["value"]["sessionId"], "s0");
    let mut second = Box::pin(new_session(&front, &client, std::process::id()));
    // It is asked for, and waits at the remote end.
    let asked = async {
        while front.shared.lock_idle().asking == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut second => panic!("there is one place"),
        () = asked => {}
    }
    delete(&front, &client, "s0").await;
    let second = tokio::time::timeout(Duration::from_secs(10), second).await.expect("it waits in vain");
    assert_eq!(second["value"]["sessionId"], "s1");
    // Nobody waits any more.
    delete(&front, &client, "s1").await;
    let third = new_session(&front, &client, std::process::id()).await;
    assert!(third["value"]["sessionId"].as_str().is_some_and(|id| id == "s1-1" || id == "s2"), "{third}");
    front.close().await;
}

#[tokio::test]
async fn what_is_open_at_a_remote_end_is_deleted_even_without_an_orderly_end() {
    let (url, asked) = remote(1).await;
    let (front, client, _finished, _folder) = front(&url).await;
    new_session(&front, &client, std::process::id()).await;
    // In a thread that may be waited in, as the one that quits is.
    tokio::task::spawn_blocking(move || drop(front)).await.expect("drop");
    assert_eq!(asked.lock().expect("log").last().map(String::as_str), Some("DELETE /session/s1"));
}

#[tokio::test]
async fn the_session_of_a_dead_trial_is_taken_back() {
    let (front, client, _finished, _folder) = front(&remote(1).await.0).await;
    let mut trial = tokio::process::Command::new("true").spawn().expect("true");
    let pid = trial.id().expect("pid");
    trial.wait().await.expect("wait");
    new_session(&front, &client, pid).await;
    // The slot is the only one, so this waits until the front has seen that the first trial is gone.
    let second = new_session(&front, &client, std::process::id()).await;
    assert_eq!(second["value"]["sessionId"], "s1");
    front.close().await;
}

#[tokio::test]
async fn what_the_front_cannot_do_it_says_in_webdrivers_words() {
    let (front, client, _finished, _folder) = front("http://127.0.0.1:9").await;
    let nobody = new_session(&front, &client, std::process::id()).await;
    assert_eq!(nobody["value"]["error"], "session not created");
    assert_eq!(title(&front, &client, "s1").await["value"]["error"], "invalid session id");
    let body = json!({"capabilities": {"alwaysMatch": {}}});
    let answer = client.post(format!("{}/session", front.url)).json(&body).send().await.expect("answer");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    front.close().await;
}

#[tokio::test]
async fn the_processes_of_a_remote_end_are_not_signalled() {
    let (front, client, _finished, _folder) = front(&remote(1).await.0).await;
    assert_eq!(front.signals, None);
    new_session(&front, &client, std::process::id()).await;
    for (session, error) in [("s1", "unknown error"), ("s2", "invalid session id")] {
        let signal = Signal { session: session.to_owned(), processes: Processes::Stop };
        let answer = client.post(format!("{}{SIGNAL_PATH}", front.url)).json(&signal).send().await;
        let answer: Value = answer.expect("answer").json().await.expect("json");
        assert_eq!(answer["value"]["error"], error);
    }
    front.close().await;
}

#[tokio::test]
async fn reports_are_passed_on() {
    let (front, client, mut finished, _folder) = front("http://127.0.0.1:9").await;
    let report = crate::report::sample::trial("a/b", segproof_core::report::Verdict::Pass);
    let answer = client.post(&front.notify).json(&report).send().await.expect("answer");
    assert!(answer.status().is_success());
    assert_eq!(finished.recv().await, Some(report));
    front.close().await;
}

#[tokio::test]
async fn a_trial_begins_when_the_one_before_is_over_or_gone() {
    let (front, client, _finished, _folder) = front(&remote(1).await.0).await;
    let begin = |name: &str, pid: u32| {
        let asked = Begin { trial: format!("p@chromium/{name}"), speed: 8.0, half_places: 2, pid };
        let asking = client.post(&front.pace).json(&asked).send();
        tokio::spawn(async move { asking.await.expect("answer").json::<Begun>().await.expect("json").speed })
    };
    let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
    assert_eq!(begin("a/first", std::process::id()).await.expect("first"), 8.0);
    let mut second = begin("a/second", sleeper.id());
    tokio::select! {
        biased;
        _ = &mut second => panic!("there was no place for it"),
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
    let mut over = crate::report::sample::trial("a/first", segproof_core::report::Verdict::Pass);
    (over.player, over.browser) = ("p".to_owned(), "chromium".to_owned());
    client.post(&front.notify).json(&over).send().await.expect("answer");
    assert_eq!(second.await.expect("second"), 8.0);
    // It ends without a report.
    sleeper.kill().expect("kill");
    sleeper.wait().expect("wait");
    assert_eq!(begin("a/third", std::process::id()).await.expect("third"), 8.0);
    front.close().await;
}
