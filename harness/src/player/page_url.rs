//! The URL of a player's page that somebody else serves, and what the player is called after it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

/// A page's URL. It is shown without the password that it may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageUrl(Url);

impl FromStr for PageUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<PageUrl, String> {
        let url: Url = text.parse().map_err(|error| format!("{text} is no URL: {error}"))?;
        match url.scheme() {
            "http" | "https" => Ok(PageUrl(url)),
            scheme => Err(format!("{text}: a page is opened by http or https, not by {scheme}")),
        }
    }
}

impl fmt::Display for PageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        if !url.username().is_empty() || url.password().is_some() {
            // An http URL has a place for both.
            let _set = url.set_username("USER").and_then(|()| url.set_password(Some("PASSWORD")));
        }
        f.write_str(url.as_str())
    }
}

impl PageUrl {
    /// Whether a word of a command line is meant as a URL, and not as a name or a folder.
    pub fn is_meant(word: &str) -> bool {
        word.contains("://")
    }

    pub fn url(&self) -> &Url {
        &self.0
    }

    /// What reports, filters and file names call the player: host and path in letters that none of them minds, and a
    /// digest of the whole, so that no other URL is called the same.
    pub fn name(&self) -> String {
        let port = self.0.port().map(|port| format!("-{port}")).unwrap_or_default();
        let place = format!("{}{port}{}", self.0.host_str().unwrap_or_default(), self.0.path());
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let words = place.split(|letter| !plain(letter)).filter(|word| !word.is_empty());
        let place: String = words.collect::<Vec<_>>().join("-").chars().take(PLACE_LETTERS_MAX).collect();
        let digest = Sha256::digest(self.to_string());
        let digest: String = digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{digest}", place.trim_matches(['-', '.']))
    }

    /// The page as it plays a stream. What else its query and its fragment say stays as it is, to the letter: they are the
    /// page's.
    pub fn playing(&self, src: &str, settings: &[(String, String)]) -> String {
        let mut ours = vec![("src".to_owned(), src.to_owned())];
        ours.extend_from_slice(settings);
        let is_ours = |pair: &&str| {
            let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned());
            name.is_some_and(|name| ours.iter().any(|(own, _)| *own == name))
        };
        let pairs = self.0.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let mut query: Vec<String> = pairs.filter(|pair| !is_ours(pair)).map(str::to_owned).collect();
        query.push(form_urlencoded::Serializer::new(String::new()).extend_pairs(&ours).finish());
        let mut url = self.0.clone();
        url.set_query(Some(&query.join("&")));
        url.into()
    }
}

/// File systems take 255 bytes, and a trial's name stands in the names of its driver's log, too.
const PLACE_LETTERS_MAX: usize = 60;
const DIGEST_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> PageUrl {
        text.parse().expect(text)
    }

    #[test]
    fn the_stream_replaces_what_was_named_and_leaves_the_rest() {
        let playing = |text: &str| page(text).playing("http://h:1/a.m3u8?k=v", &[]);
        let src = "src=http%3A%2F%2Fh%3A1%2Fa.m3u8%3Fk%3Dv";
        assert_eq!(playing("http://a:8/watch.html"), format!("http://a:8/watch.html?{src}"));
        assert_eq!(playing("http://a/"), format!("http://a/?{src}"));
        assert_eq!(
            playing("http://a/?src=b&x=%20y&z&%73rc=c#/w?q"),
            format!("http://a/?x=%20y&z&{src}#/w?q")
        );
        let with_delay = page("http://a/?live_delay=1").playing("s", &[("live_delay".into(), "6".into())]);
        assert_eq!(with_delay, "http://a/?src=s&live_delay=6");
    }

    #[test]
    fn no_two_pages_are_called_the_same() {
        let pages = [
            "http://a:8080/watch.html",
            "http://a:8080/watch/html",
            "https://a:8080/watch.html",
            "http://a:8080/watch.html?x=1",
            "http://a:8080/watch.html#x",
            "http://a:8080/%2e%2e/%F0%9F%8D%BF*{}[]@?",
            "http://[::1]:8080/",
        ];
        let names: std::collections::BTreeSet<String> = pages.iter().map(|text| page(text).name()).collect();
        assert_eq!(names.len(), pages.len());
        for name in &names {
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)), "{name}");
            assert!(name.starts_with(|c: char| c.is_ascii_alphanumeric()), "{name}");
        }
        assert!(page(pages[0]).name().starts_with("a-8080-watch.html-"), "{}", page(pages[0]).name());
        assert!(page(&format!("http://a/{}", "b".repeat(300))).name().len() < 80);
    }

    #[test]
    fn only_pages_on_the_web_are_taken() {
        assert!(PageUrl::is_meant("http://a") && !PageUrl::is_meant("hls.js") && !PageUrl::is_meant("a/b"));
        for (text, why) in [("file:///a.html", "not by file"), ("http://", "no URL"), ("ftp://a/b", "by ftp")]
        {
            let error = text.parse::<PageUrl>().expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_password_is_used_but_not_shown() {
        let page = page("https://me:secret@staging.example/");
        assert!(page.playing("s", &[]).starts_with("https://me:secret@"));
        assert_eq!(page.to_string(), "https://USER:PASSWORD@staging.example/");
        assert!(!page.name().contains("secret"), "{}", page.name());
    }
}
