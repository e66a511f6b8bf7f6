//! The remote end that `--webdriver` names: a Selenium Grid, or any other WebDriver that somebody else runs.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Url;
use segproof_harness::engine::Engine;
use serde_json::Value;
use tokio::task::JoinSet;

/// A remote end's URL. It is shown without the password that it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    url: Url,
}

impl FromStr for Remote {
    type Err = String;

    fn from_str(text: &str) -> Result<Remote, String> {
        let url: Url = text.parse().map_err(|error| format!("{error}; http://HOST:PORT is meant"))?;
        match (url.scheme(), url.host_str()) {
            ("http", Some(_)) => Ok(Remote { url }),
            ("https", _) => Err("only http is spoken with a WebDriver: put it behind a tunnel".to_owned()),
            _ => Err("http://HOST:PORT is meant".to_owned()),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        if !url.username().is_empty() || url.password().is_some() {
            // An http URL has a place for both.
            let _set = url.set_username("USER").and_then(|()| url.set_password(Some("PASSWORD")));
        }
        f.write_str(url.as_str().trim_end_matches('/'))
    }
}

impl Remote {
    /// The URL that commands' paths are appended to.
    pub fn base(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Whether it is on this machine, by its name.
    pub fn is_here(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_localhost = host == "localhost" || host.ends_with(".localhost");
        is_localhost || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Asks whether it serves WebDriver, so that what nobody answers is said once and not by every trial. A Grid may
    /// start its nodes when they are asked for, so one that has no place now is no error, but is told of.
    pub async fn look(&self, engines: &[&'static Engine]) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(STATUS_DEADLINE).build()?;
        let hint = "is it running, and is that its URL?";
        let answer = client.get(format!("{}/status", self.base())).send().await;
        let answer = answer.with_context(|| format!("the WebDriver at {self} does not answer: {hint}"))?;
        let code = answer.status();
        let status: Value = answer.json().await.unwrap_or_default();
        let is_ready = status["value"]["ready"].as_bool();
        ensure!(is_ready.is_some(), "{self}/status answers with {code}, and not as a WebDriver does: {hint}");
        if is_ready == Some(false) {
            let why = status["value"]["message"].as_str().unwrap_or("no reason is given");
            eprintln!(
                "warning: the WebDriver at {self} says that it is not ready ({why}): sessions may wait"
            );
        }
        let offered = offered(&status["value"]);
        let named = |engine: &Engine| engine.browser_name();
        for engine in engines.iter().filter(|engine| !offered.is_empty() && !offered.contains(&named(engine)))
        {
            let browsers = offered.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            eprintln!(
                "warning: the Grid at {self} has no {} now, but {browsers}: its sessions wait there, or are refused",
                named(engine),
            );
        }
        Ok(())
    }
}

/// The browsers of a Grid's slots, as its status tells; none if that is no Grid's.
fn offered(status: &Value) -> BTreeSet<String> {
    let of = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let slots = of(status, "nodes").into_iter().flat_map(|node| of(&node, "slots"));
    slots.filter_map(|slot| slot["stereotype"]["browserName"].as_str().map(str::to_owned)).collect()
}

/// Deletes sessions of a remote end when there is no time left. In a thread with a runtime of its own, since the caller may
/// be about to leave one.
pub fn delete_at_once(sessions: Vec<String>) {
    if sessions.is_empty() {
        return;
    }
    let deleting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let client = reqwest::Client::builder().no_proxy().timeout(AT_ONCE_DEADLINE).build();
        let (Ok(runtime), Ok(client)) = (runtime, client) else { return };
        runtime.block_on(async {
            let mut under_way: JoinSet<_> =
                sessions.into_iter().map(|session| client.delete(session).send()).collect();
            while under_way.join_next().await.is_some() {}
        });
    });
    // What could not be deleted, the remote end ends by its own time limit.
    let _panicked = deleting.join();
}

/// How long New Session may take: longer than a Selenium Grid keeps a request in its queue (300 s, if nobody says
/// otherwise), so that it is the Grid that gives up, and no session is opened for nobody.
pub const SESSION_DEADLINE: Duration = Duration::from_secs(330);

/// How long it may take to say whether it is ready.
const STATUS_DEADLINE: Duration = Duration::from_secs(10);

/// How long deleting may take when the run is quit at once.
const AT_ONCE_DEADLINE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn remote(text: &str) -> Remote {
        text.parse().expect(text)
    }

    #[test]
    fn only_what_names_this_machine_is_here() {
        for here in
            ["http://127.0.0.1:4444", "http://localhost:4444/wd/hub", "http://[::1]:4444", "http://127.9.9.9"]
        {
            assert!(remote(here).is_here(), "{here}");
        }
        for elsewhere in ["http://grid:4444", "http://192.0.2.7:4444", "http://localhost.example"] {
            assert!(!remote(elsewhere).is_here(), "{elsewhere}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_webdriver_is_refused() {
        for (text, why) in
            [("localhost:4444", "http://HOST"), ("https://grid", "only http"), ("4444", "http://HOST")]
        {
            assert!(text.parse::<Remote>().expect_err(text).contains(why), "{text}");
        }
    }

    #[test]
    fn a_password_is_used_but_not_shown() {
        let grid = remote("http://me:secret@grid:4444/");
        assert_eq!(grid.base(), "http://me:secret@grid:4444");
        assert_eq!(grid.to_string(), "http://USER:PASSWORD@grid:4444");
    }

    #[test]
    fn the_browsers_of_a_grid_are_in_its_status() {
        let slot = |name: &str| json!({"stereotype": {"browserName": name}});
        let nodes = json!([{"slots": [slot("chrome"), slot("chrome")]}, {"slots": [slot("firefox")]}]);
        let status = json!({"ready": true, "nodes": nodes});
        assert_eq!(offered(&status).into_iter().collect::<Vec<_>>(), ["chrome", "firefox"]);
        assert!(offered(&json!({"ready": true})).is_empty());
    }
}
