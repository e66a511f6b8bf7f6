//! Players whose pages somebody else serves: are they there?

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::redirect::Policy;
use segproof_harness::player::{Home, PageUrl};
use tokio::net::TcpStream;

use super::Selection;

/// Looks at each page, so that one that nobody serves is told once and not by every trial.
pub async fn look(selection: &Selection) -> anyhow::Result<()> {
    let mut seen: Vec<&PageUrl> = Vec::new();
    for trial in &selection.trials {
        if let Home::Elsewhere(page) = &trial.plan.home
            && !seen.contains(&page)
        {
            seen.push(page);
            tokio::time::timeout(DEADLINE, look_at(page))
                .await
                .with_context(|| format!("the page {page} does not answer: {HINT}"))??;
        }
    }
    Ok(())
}

async fn look_at(page: &PageUrl) -> anyhow::Result<()> {
    let no_answer = || format!("the page {page} does not answer: {HINT}");
    let url = page.url();
    if url.scheme() == "https" {
        // What its certificate and its status are worth, the browser says.
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
        let host = host.trim_matches(['[', ']']);
        TcpStream::connect((host, port.unwrap_or_default())).await.with_context(no_answer)?;
        return Ok(());
    }
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build()?;
    let status = client.get(url.clone()).send().await.with_context(no_answer)?.status();
    ensure!(
        !status.is_client_error() && !status.is_server_error(),
        "the page {page} is answered with status {status}: {HINT}"
    );
    Ok(())
}

const HINT: &str = "is its server running, and is that the URL which plays `?src=`?";
const DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::Redirect;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_page_is_there_unless_nobody_answers_or_with_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let here = listener.local_addr().expect("address");
        let routes = Router::new()
            .route("/page", get(|| async { "" }))
            .route("/moved", get(|| async { Redirect::to("https://127.0.0.1:1/") }))
            .route("/broken", get(|| async { StatusCode::BAD_GATEWAY }));
        let server = tokio::spawn(async { axum::serve(listener, routes).await });
        let look =
            async |url: String| look_at(&url.parse().expect("a URL")).await.map_err(|e| format!("{e:#}"));
        for path in ["page?x=1#y", "moved"] {
            assert_eq!(look(format!("http://{here}/{path}")).await, Ok(()), "{path}");
        }
        for (path, why) in [("none", "status 404"), ("broken", "status 502")] {
            let error = look(format!("http://{here}/{path}")).await.expect_err(path);
            assert!(error.contains(why) && error.contains(HINT), "{error}");
        }
        assert_eq!(look(format!("https://{here}/")).await, Ok(()), "the rest is the browser's to find out");
        server.abort();
        drop(server.await);
        for scheme in ["http", "https"] {
            let error = look(format!("{scheme}://{here}/page")).await.expect_err("nobody listens");
            assert!(error.contains("does not answer") && error.contains(HINT), "{error}");
        }
    }
}
