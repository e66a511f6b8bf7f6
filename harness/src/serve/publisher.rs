//! What answers on the media hosts.

use std::ops::Range;
use std::sync::Mutex;

use segproof_core::exchange::{Ask, Bases, Reply};
use segproof_core::origin::Origin;

use super::{LiveFiles, lock};

/// Decides what the media listeners send. Times are stream milliseconds.
pub trait Publish: Send {
    /// Answers a GET.
    fn handle(&mut self, now_ms: f64, ask: &Ask) -> Reply;

    /// What a GET would be answered with now, if HEAD is known at all.
    fn head(&self, _now_ms: f64, _ask: &Ask) -> Option<Reply> {
        None
    }

    /// Whether a CORS preflight is granted.
    fn preflight(&self, _now_ms: f64, _ask: &Ask) -> bool {
        true
    }

    /// When the media hosts take no connection and end those they have; in order, none within another.
    fn refusals(&self) -> Vec<Range<f64>> {
        Vec::new()
    }

    /// The path that a player is given.
    fn entry_path(&self) -> &'static str {
        segproof_core::origin::PLAYLIST_PATH
    }

    /// Stream time begins now, which is this many milliseconds after 1970 began.
    fn begin(&mut self, _unix_ms: f64) {}

    /// Where the media hosts are reached; said once, before any request.
    fn set_bases(&mut self, _bases: Bases) {}
}

pub enum Publisher {
    Origin(Box<Mutex<Origin>>),
    /// The files of a running ffmpeg.
    Files(Mutex<LiveFiles>),
    Other(Mutex<Box<dyn Publish>>),
}

impl Publisher {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut dyn Publish) -> T) -> T {
        match self {
            Publisher::Origin(origin) => act(&mut *lock(origin)),
            Publisher::Files(files) => act(&mut *lock(files)),
            Publisher::Other(other) => act(lock(other).as_mut()),
        }
    }
}

impl Publish for Origin {
    fn handle(&mut self, now_ms: f64, ask: &Ask) -> Reply {
        Origin::handle(self, now_ms, *ask)
    }

    fn head(&self, now_ms: f64, ask: &Ask) -> Option<Reply> {
        Some(Origin::head(self, now_ms, *ask))
    }

    fn preflight(&self, now_ms: f64, ask: &Ask) -> bool {
        Origin::preflight(self, now_ms, *ask)
    }

    fn refusals(&self) -> Vec<Range<f64>> {
        Origin::refusals(self)
    }

    fn entry_path(&self) -> &'static str {
        Origin::entry_path(self)
    }

    fn begin(&mut self, unix_ms: f64) {
        self.zero_unix_ms = unix_ms;
    }

    fn set_bases(&mut self, bases: Bases) {
        self.bases = bases;
    }
}

impl Publish for LiveFiles {
    fn handle(&mut self, _now_ms: f64, ask: &Ask) -> Reply {
        LiveFiles::handle(self, ask.path)
    }
}
