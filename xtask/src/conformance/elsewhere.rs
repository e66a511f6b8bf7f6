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
