//! The second way to feed the media listener: the files of a running ffmpeg, as they appear and vanish.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use segproof_core::exchange::{Framing, Reply, Step};
use segproof_core::media::{self, Track};
use segproof_core::trace::{Content, Listing, Resource};

/// The folder into which ffmpeg writes `live.m3u8`, `live.mp4` and `live<N>.m4s`.
pub struct LiveFiles {
    folder: PathBuf,
    attempts: BTreeMap<Resource, u64>,
    tracks: Option<Vec<Track>>,
}

impl LiveFiles {
    pub fn new(folder: PathBuf) -> LiveFiles {
        LiveFiles { folder, attempts: BTreeMap::new(), tracks: None }
    }

    /// Answers with the file as it is at this moment, or 404.
    pub fn handle(&mut self, path: &str) -> Reply {
        let resource = resource(path);
        let attempt = self.attempts.entry(resource).or_insert(0);
        *attempt += 1;
        let attempt = *attempt;
        // The resource decides the name: a path can't leave the folder.
        let name = match resource {
            Resource::Playlist { .. } => Some("live.m3u8".to_string()),
            Resource::Init { .. } => Some(INIT_FILE.to_string()),
            Resource::Segment { msn, .. } => Some(format!("live{msn}.m4s")),
            Resource::Multivariant | Resource::Unknown => None,
        };
        let bytes = name.and_then(|name| std::fs::read(self.folder.join(name)).ok());
        let (status, body, content) = match bytes {
            Some(bytes) => {
                let content = self.content(resource, &bytes);
                (200, bytes, content)
            }
            None => (404, b"status 404\n".to_vec(), Content::Nothing),
        };
        Reply {
            resource,
            attempt,
            status,
            headers: segproof_core::origin::headers(match resource {
                Resource::Playlist { .. } => "application/vnd.apple.mpegurl",
                _ => "video/mp4",
            }),
            framing: Framing::Length(body.len()),
            steps: vec![Step::Head, Step::BodyTo(body.len())],
            whole: body.len(),
            body: Arc::from(body),
            content,
            fired: Vec::new(),
        }
    }

    fn content(&mut self, resource: Resource, bytes: &[u8]) -> Content {
        match resource {
            Resource::Playlist { .. } => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                Content::Playlist { listings: listings(&text), text }
            }
            Resource::Init { .. } => {
                let moov = media::top_level(bytes, b"moov").unwrap_or(bytes);
                Content::Init { digest: media::digest(moov), is_spoiled: false }
            }
            Resource::Segment { .. } => {
                // A player may ask for a segment before the init; ffmpeg wrote the init first.
                if self.tracks.is_none() {
                    let init = std::fs::read(self.folder.join(INIT_FILE)).ok();
                    self.tracks = init.and_then(|init| media::tracks(&init).ok());
                }
                let facts = self.tracks.as_ref().and_then(|t| media::segment_facts(bytes, t).ok());
                facts.map_or(Content::Nothing, Content::Segment)
            }
            Resource::Multivariant | Resource::Unknown => Content::Nothing,
        }
    }
}

/// What a path means: ffmpeg names everything from KEY = `live`.
fn resource(path: &str) -> Resource {
    let path = path.split('?').next().unwrap_or("");
    match path.strip_prefix("/live/live") {
        Some(".m3u8") => Resource::Playlist { variant: 0 },
        Some(".mp4") => Resource::Init { variant: 0, run: 1 },
        Some(rest) => {
            let digits = rest.strip_suffix(".m4s").unwrap_or("");
            match digits.parse::<u64>().ok().filter(|msn| msn.to_string() == digits) {
                Some(msn) => Resource::Segment { variant: 0, run: 1, msn },
                None => Resource::Unknown,
            }
        }
        None => Resource::Unknown,
    }
}

fn listings(text: &str) -> Vec<Listing> {
    let segments = text.lines().filter_map(|line| Some((resource(&format!("/live/{line}")).msn()?, line)));
    segments
        .map(|(msn, line)| Listing {
            msn,
            uri: line.to_string(),
            range: None,
            gap: false,
            same_as: None,
            init: INIT_FILE.to_string(),
            init_range: None,
        })
        .collect()
}

const INIT_FILE: &str = "live.mp4";
