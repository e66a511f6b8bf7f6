//! A browser session for one trial, through whatever WebDriver URL the plan names.

use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use serde_json::{Value, json};
use thirtyfour::bidi::events::ScriptMessage;
use thirtyfour::bidi::modules::script::AddPreloadScript;
use thirtyfour::bidi::{BrowsingContextId, EventStream};
use thirtyfour::{By, Capabilities, WebDriver};

use crate::engine::{BIDI_CAPABILITY, engine};

/// How the probe comes into the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probing {
    /// The page is served by us, with the probe in it.
    Served,
    /// The browser puts it there ([`Session::preload`]).
    Preloaded,
}

/// An open session. It must be [`quit`](Session::quit): dropping a WebDriver would block the executor.
pub struct Session {
    driver: WebDriver,
    pub version: String,
}

impl Session {
    /// Asks for a session; fails with the driver's own words.
    pub async fn open(
        webdriver: &str,
        browser: &str,
        trial: &str,
        probing: Probing,
    ) -> anyhow::Result<Session> {
        let engine = engine(browser).with_context(|| format!("there is no browser {browser:?}"))?;
        let mut request = engine.session_request(trial);
        if probing == Probing::Preloaded {
            request.insert(BIDI_CAPABILITY.to_owned(), json!(true));
        }
        let capabilities = Capabilities::from(request);
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

    /// Whether [`preload`](Session::preload) is possible: a remote end may pass over the wish for it.
    pub fn can_preload(&self) -> bool {
        self.driver.capabilities().get(BIDI_CAPABILITY).is_some_and(Value::is_string)
    }

    /// Has a function run in each document of the session's tab from now on, before the document's own scripts. Gives
    /// what it says through the channel that is its argument.
    pub async fn preload(&self, function: &str) -> anyhow::Result<Told> {
        let adding = async {
            let bidi = self.driver.bidi().await?;
            let messages = bidi.subscribe().await?;
            // Of other tabs, which the page may open, nothing is to be recorded.
            let tab = BrowsingContextId::from(self.driver.window().await?.to_string());
            let script = AddPreloadScript {
                function_declaration: function.to_owned(),
                arguments: vec![json!({"type": "channel", "value": {"channel": "segproof"}})],
                sandbox: None,
                contexts: vec![tab],
            };
            bidi.send(script).await?;
            anyhow::Ok(Told { messages })
        };
        tokio::time::timeout(PAGE_LIMIT, adding).await.context("no answer in time")?
    }

    /// The WebDriver session's id.
    pub fn id(&self) -> String {
        self.driver.session_id().to_string()
    }

    /// Presses the pointer in the middle of the element, as a hand does.
    pub async fn press(&self, css: &str) -> anyhow::Result<()> {
        let pressing = async { self.driver.find(By::Css(css)).await?.click().await };
        Ok(tokio::time::timeout(PAGE_LIMIT, pressing).await.context("it could not be pressed in time")??)
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

/// What a preloaded function says.
pub struct Told {
    messages: EventStream<ScriptMessage>,
}

impl Told {
    /// Its next words; `None` when the connection is closed.
    pub async fn next(&mut self) -> Option<String> {
        let message = self.messages.next().await?;
        Some(message.data["value"].as_str().unwrap_or_default().to_owned())
    }
}

/// Longer than the front's own limits, so that its explanation arrives first. Includes waiting for a place, here and in
/// the queue of a Selenium Grid.
const OPEN_LIMIT: Duration = Duration::from_secs(450);
const PAGE_LIMIT: Duration = Duration::from_secs(20);
