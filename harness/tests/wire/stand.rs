//! A stage over a small fixture, and what a test wants to know of it.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use segproof_core::exchange::{Ask, Bases, Framing, Protocol, Reply, Step};
use segproof_core::origin::Origin;
use segproof_core::presentation::{Media, Presentation};
use segproof_core::scenario::Scenario;
use segproof_core::trace::{Content, End, Request, Resource};
use segproof_harness::fixtures;
use segproof_harness::serve::{PageFiles, PageMessage, Publish, Publisher, Stage};
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
        let publisher = Publisher::Origin(Box::new(Mutex::new(Origin::new(&scenario, presentation))));
        Stand::open_publishing(publisher, media, speed, Protocol::Http1).await
    }

    /// Opens a stage that answers as a test says.
    pub async fn open_script(script: Script, speed: f64, protocol: Protocol) -> Stand {
        let nothing = Media {
            target_duration_s: 2,
            init: Arc::from([].as_slice()),
            tracks: Vec::new(),
            segments: Vec::new(),
        };
        let publisher = Publisher::Other(Mutex::new(Box::new(script)));
        Stand::open_publishing(publisher, Arc::new(nothing), speed, protocol).await
    }

    async fn open_publishing(
        publisher: Publisher,
        media: Arc<Media>,
        speed: f64,
        protocol: Protocol,
    ) -> Stand {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("players/innocents/plain");
        let files = PageFiles::new(vec![folder], Vec::new(), speed);
        let (stage, page) = Stage::open(publisher, files, protocol).await.expect("three listeners");
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

/// What a test says in the origin's place.
pub struct Script {
    pub answer: Box<dyn FnMut(&Ask) -> Reply + Send>,
    pub grants_preflights: bool,
    pub refusals: Vec<Range<f64>>,
    pub bases: Arc<Mutex<Bases>>,
}

impl Script {
    pub fn new(answer: impl FnMut(&Ask) -> Reply + Send + 'static) -> Script {
        Script {
            answer: Box::new(answer),
            grants_preflights: true,
            refusals: Vec::new(),
            bases: Arc::default(),
        }
    }

    /// Answers `SEGMENT` with these steps, anything else with `BODY` whole.
    pub fn playing(framing: Framing, steps: &[Step]) -> Script {
        let steps = steps.to_vec();
        Script::new(move |ask| match ask.path {
            SEGMENT => reply(framing, &steps),
            _ => reply(Framing::Length(body().len()), &[Step::Head, Step::BodyTo(body().len())]),
        })
    }
}

impl Publish for Script {
    fn handle(&mut self, _now_ms: f64, ask: &Ask) -> Reply {
        (self.answer)(ask)
    }

    fn preflight(&self, _now_ms: f64, _ask: &Ask) -> bool {
        self.grants_preflights
    }

    fn refusals(&self) -> Vec<Range<f64>> {
        self.refusals.clone()
    }

    fn set_bases(&mut self, bases: Bases) {
        *self.bases.lock().expect("the test still runs") = bases;
    }
}

/// A reply with `body`.
pub fn reply(framing: Framing, steps: &[Step]) -> Reply {
    Reply {
        resource: Resource::Unknown,
        attempt: 1,
        status: 200,
        headers: vec![("access-control-allow-origin".to_string(), "*".to_string())],
        framing,
        body: body().into(),
        whole: body().len(),
        content: Content::Nothing,
        steps: steps.to_vec(),
        fired: Vec::new(),
    }
}

/// 40,000 bytes, none of them where it could be taken for another.
pub fn body() -> Vec<u8> {
    (0..20_000u16).flat_map(u16::to_be_bytes).collect()
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
