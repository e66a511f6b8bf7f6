//! A browser session for one trial, through whatever WebDriver URL the plan names.

use std::time::Duration;

use anyhow::Context;
use thirtyfour::{Capabilities, WebDriver};

use crate::engine::engine;

/// An open session. It must be [`quit`](Session::quit): dropping a WebDriver would block the executor.
pub struct Session {
    driver: WebDriver,
    pub version: String,
}

impl Session {
    /// Asks for a session; fails with the driver's own words.
    pub async fn open(webdriver: &str, browser: &str, trial: &str) -> anyhow::Result<Session> {
        let engine = engine(browser).with_context(|| format!("there is no browser {browser:?}"))?;
        let capabilities = Capabilities::from(engine.session_request(trial));
        let opening = WebDriver::builder(webdriver, capabilities).request_timeout(OPEN_LIMIT).connect();
        let driver = tokio::time::timeout(OPEN_LIMIT, opening).await.context("no session in time")??;
        let version =
            driver.capabilities().get("browserVersion").and_then(|v| v.as_str()).unwrap_or("").to_string();
        Ok(Session { driver, version })
    }

    /// Loads the page and returns when its load event has fired.
    pub async fn open_page(&self, url: &str) -> anyhow::Result<()> {
        tokio::time::timeout(PAGE_LIMIT, self.driver.goto(url))
            .await
            .context("the page did not load in time")??;
        Ok(())
    }

    /// The WebDriver session's id.
    pub fn id(&self) -> String {
        self.driver.session_id().to_string()
    }

    /// A PNG of the page.
    pub async fn screenshot(&self) -> anyhow::Result<Vec<u8>> {
        Ok(tokio::time::timeout(PAGE_LIMIT, self.driver.screenshot_as_png()).await??)
    }

    /// Ends the session; one that is lost already is no matter.
    pub async fn quit(self) {
        let _ = tokio::time::timeout(PAGE_LIMIT, self.driver.quit()).await;
    }
}

/// Longer than the front's own limits, so that its explanation arrives first. Includes waiting for a place, here and in
/// the queue of a Selenium Grid.
const OPEN_LIMIT: Duration = Duration::from_secs(450);
const PAGE_LIMIT: Duration = Duration::from_secs(20);
