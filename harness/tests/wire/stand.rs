//! A stage over a small fixture, and what a test wants to know of it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use segproof_core::origin::Origin;
use segproof_core::presentation::{Media, Presentation};
use segproof_core::scenario::Scenario;
use segproof_core::trace::{End, Request};
use segproof_harness::fixtures;
use segproof_harness::serve::{PageFiles, PageMessage, Publisher, Stage};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::client::within;

pub const PLAYLIST: &str = "/live/live.m3u8";
pub const INIT: &str = "/live/live.mp4";
/// The first segment of the first playlist, and another that it lists.
pub const SEGMENT: &str = "/live/live100.m4s";
pub const OTHER_SEGMENT: &str = "/live/live101.m4s";

pub struct Stand {
    pub stage: Stage,
    pub page: UnboundedReceiver<PageMessage>,
    media: Arc<Media>,
}

impl Stand {
    /// Opens a stage with these `[[fault]]`s at speed 1.
    pub async fn open(faults: &str) -> Stand {
        Stand::open_at(faults, 1.0).await
    }

    pub async fn open_at(faults: &str, speed: f64) -> Stand {
        Stand::open_with(media(0), faults, speed).await
    }

    /// Opens a stage whose segments are larger than any socket's buffers.
    pub async fn open_large(faults: &str) -> Stand {
        Stand::open_with(media(LARGE_BYTES), faults, 1.0).await
    }

    async fn open_with(media: Arc<Media>, faults: &str, speed: f64) -> Stand {
        let scenario = format!(
            "summary = \"On the wire.\"\nuntil = \"segment 108\"\n[stream]\nfixture = \"bars-round\"\n{faults}"
        );
        let scenario = Scenario::parse(&scenario).expect("a scenario");
        let presentation = Arc::new(Presentation::new(&scenario, std::slice::from_ref(&media)));
        let publisher = Publisher::Origin(Mutex::new(Origin::new(&scenario, presentation)));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("players/mutants/none");
        let files = PageFiles::new(folder, Vec::new(), speed);
        let (stage, page) = Stage::open(publisher, files, speed).await.expect("two listeners");
        Stand { stage, page, media }
    }

    pub fn init(&self) -> &[u8] {
        &self.media.init
    }

    /// The body of `SEGMENT`.
    pub fn segment(&self) -> &[u8] {
        &self.media.segments[0].bytes
    }

    /// The body of `OTHER_SEGMENT`.
    pub fn other_segment(&self) -> &[u8] {
        &self.media.segments[1].bytes
    }

    /// The records, once there are `count` and none is open any more.
    pub async fn ended(&self, count: usize) -> Vec<Request> {
        self.records("end of requests", |all| {
            all.len() == count && all.iter().all(|request| request.end != End::Open)
        })
        .await
    }

    /// The records, once they are as `ready` wants them. A reply's last byte may arrive before its record ends.
    pub async fn records(&self, what: &str, ready: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        within(what, async {
            let mut look = tokio::time::interval(Duration::from_millis(2));
            loop {
                look.tick().await;
                let requests = self.stage.requests();
                if ready(&requests) {
                    return requests;
                }
            }
        })
        .await
    }
}

/// The fixture's media; each segment ends with a box of so many bytes that players skip (ISO 14496-12, 8.1.2).
fn media(free_bytes: u32) -> Arc<Media> {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bars-round");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures");
    let made = fixtures::ensure(&recipe, fixtures::DEFAULT_RUN, &cache, &mut |_| {}).expect("a fixture");
    let fixture = fixtures::load(&made).expect("the fixture reads back");
    let padded = |mut bytes: Vec<u8>| {
        if free_bytes > 0 {
            bytes.extend(free_bytes.to_be_bytes());
            bytes.extend(b"free");
            bytes.extend((8..free_bytes).map(|i| i as u8));
        }
        bytes
    };
    let segments = fixture.segments.into_iter().map(|s| (padded(s.bytes), s.duration_s)).collect();
    Arc::new(Media::new(fixture.target_duration, fixture.init, segments).expect("the fixture's media"))
}

const LARGE_BYTES: u32 = 12 << 20;
