//! What the origin answers in every scenario of the suite, asked as players ask: an answer that has changed changes a line
//! of the snapshot. The conversations themselves are written to `target/tmp/answers`: run the test before and after, and
//! compare the two folders.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use segproof_core::exchange::{Ask, Host, Reply};
use segproof_core::hls;
use segproof_core::media;
use segproof_core::origin::Origin;
use segproof_core::scenario::Scenario;
use segproof_core::trace::Content;

use super::{hosts, presentation};

#[test]
fn every_scenario_is_answered_as_before() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers");
    std::fs::create_dir_all(&folder).unwrap();
    let mut digests = String::new();
    for file in glob::glob(root.join("**/scenario.toml").to_str().unwrap()).unwrap() {
        let file = file.unwrap();
        let name = file.parent().unwrap().strip_prefix(&root).unwrap().to_str().unwrap().to_string();
        let mut scenario = Scenario::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for beside in scenario.files() {
            scenario.attach(&beside, &std::fs::read_to_string(file.with_file_name(&beside)).unwrap());
        }
        let conversation = Conversation::new(&scenario).held();
        std::fs::write(folder.join(name.replace('/', "~")), &conversation).unwrap();
        let _ = writeln!(digests, "{name} {}", media::digest(conversation.as_bytes()));
    }
    insta::assert_snapshot!(digests);
}

/// A player that reloads each target duration and tries everything that is listed twice, and what was listed longest
/// ago once more.
struct Conversation {
    origin: Origin,
    /// URL and range -> how often it was asked for.
    asked: BTreeMap<(Host, String, Option<String>), u32>,
    text: String,
}

impl Conversation {
    fn new(scenario: &Scenario) -> Conversation {
        let mut origin = Origin::new(scenario, presentation(scenario));
        origin.bases = hosts();
        origin.zero_unix_ms = 1.7e12;
        let mut text = String::new();
        for span in origin.refusals() {
            let _ = writeln!(text, "refused {span:?}");
        }
        let _ = writeln!(text, "{:?}", origin.impossible_edits());
        Conversation { origin, asked: BTreeMap::new(), text }
    }

    fn held(mut self) -> String {
        let td_ms = self.origin.timeline.target_duration_ms;
        for reload in 0..RELOADS {
            // Not where the publications are: a little later each time.
            let now_ms = f64::from(reload) * td_ms * 1.01;
            let entry = self.origin.entry_path().to_string();
            self.follow(now_ms, Host::First, &entry, None);
        }
        // Long afterwards, on the other host, and in the other folder: what has expired, is gone, or was never there.
        let known: Vec<_> = self.asked.keys().take(ASKED_AGAIN).cloned().collect();
        let later_ms = f64::from(RELOADS) * td_ms * 1.01;
        for (host, path, range) in known {
            let other = if host == Host::First { Host::Second } else { Host::First };
            let elsewhere = path.replace("/live/", "/moved/elsewhere/");
            for (host, path) in [(host, &path), (other, &path), (host, &elsewhere)] {
                self.ask(later_ms, host, path, range.as_deref());
            }
        }
        self.text
    }

    /// Asks, and then for what the answer leads to.
    fn follow(&mut self, now_ms: f64, host: Host, path: &str, range: Option<String>) {
        let reply = self.ask(now_ms, host, path, range.as_deref());
        if let Some(location) = reply.header("location").map(str::to_string) {
            let (host, path) = self.resolve(host, path, &location);
            self.once_or_twice(now_ms, host, path, range);
            return;
        }
        match &reply.content {
            Content::Multivariant { text } => {
                let variants = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
                let renditions =
                    text.lines().filter_map(|line| line.split_once("URI=\"")?.1.strip_suffix('"'));
                for uri in variants.chain(renditions) {
                    let (host, path) = self.resolve(host, path, uri);
                    self.follow(now_ms, host, &path, None);
                }
            }
            Content::Playlist { listings, .. } => {
                let bytes = |range: Option<(u64, u64)>| {
                    range.map(|(from, end)| format!("bytes={from}-{}", end.saturating_sub(1)))
                };
                let oldest = listings.first().map(|oldest| (oldest.uri.clone(), bytes(oldest.range)));
                for listing in listings.iter().rev().take(NEWEST) {
                    for (uri, range) in [(&listing.init, listing.init_range), (&listing.uri, listing.range)] {
                        let (host, path) = self.resolve(host, path, uri);
                        self.once_or_twice(now_ms, host, path, bytes(range));
                    }
                }
                if let Some((uri, range)) = oldest {
                    let (host, path) = self.resolve(host, path, &uri);
                    self.ask(now_ms, host, &path, range.as_deref());
                }
            }
            _ => {}
        }
    }

    fn once_or_twice(&mut self, now_ms: f64, host: Host, path: String, range: Option<String>) {
        for _ in 0..2 {
            let times = self.asked.entry((host, path.clone(), range.clone())).or_default();
            *times += 1;
            if *times > TIMES {
                return;
            }
            self.ask(now_ms, host, &path, range.as_deref());
        }
    }

    fn resolve(&self, host: Host, path: &str, uri: &str) -> (Host, String) {
        let host = match uri {
            _ if uri.starts_with(&self.origin.bases.second) => Host::Second,
            _ if uri.starts_with(&self.origin.bases.first) => Host::First,
            _ => host,
        };
        (host, hls::resolve(path, uri).to_string())
    }

    fn ask(&mut self, now_ms: f64, host: Host, path: &str, range: Option<&str>) -> Reply {
        let ask = Ask { path, host, range, ..Ask::default() };
        let is_granted = self.origin.preflight(now_ms, ask);
        let reply = self.origin.handle(now_ms, ask);
        let Reply { resource, attempt, status, framing, whole, steps, fired, .. } = &reply;
        let _ = writeln!(
            self.text,
            "{now_ms:.0} {host:?} {path} {range:?}\n  {resource} ({attempt}) {status} {framing:?} {whole} {} {steps:?} {fired:?} {}",
            media::digest(&reply.body),
            if is_granted { "" } else { "preflight refused" }
        );
        for (name, value) in &reply.headers {
            let _ = writeln!(self.text, "  {name}: {value}");
        }
        match &reply.content {
            Content::Playlist { text, listings } => {
                // Windows of thousands would fill the disk.
                let written = format!("{text}{listings:?}");
                let is_short = written.len() <= WRITTEN_MAX;
                let _ = writeln!(
                    self.text,
                    "{}",
                    if is_short { written } else { media::digest(written.as_bytes()) }
                );
            }
            other => {
                let _ = writeln!(self.text, "  {other:?}");
            }
        }
        reply
    }
}

const RELOADS: u32 = 12;
/// Of what is listed, this many from the end are asked for.
const NEWEST: usize = 3;
const TIMES: u32 = 4;
const ASKED_AGAIN: usize = 8;
/// Bytes.
const WRITTEN_MAX: usize = 4000;
