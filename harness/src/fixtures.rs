//! Fixtures: media that is made from a recipe on first use and kept in a cache folder.
//!
//! `fixtures/NAME/fixture.toml` is the recipe. It is encoded (as MPEG-TS wherever that can carry it) and then packaged
//! with the documented command, the two steps that a user has. Nothing here knows players, faults or windows.

mod encode;
mod make;
mod media;
mod recipe;

pub use make::{DEFAULT_RUN, ensure};
pub use media::{Fixture, FixtureSegment, Picture, Sound, load};
pub use recipe::{Audio, Profile, Recipe, Video, VideoCodec};

use std::io;
use std::path::{Path, PathBuf};

use crate::packager::FfmpegError;

/// Why there is no fixture.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// The recipe is no TOML, or has unknown or missing keys.
    #[error("{}: {source}", path.display())]
    Recipe { path: PathBuf, source: Box<toml::de::Error> },
    /// The recipe asks for something that cannot be made.
    #[error("{}: {why}", path.display())]
    Impossible { path: PathBuf, why: String },
    /// ffmpeg is missing, or failed; carries its own last lines.
    #[error(transparent)]
    Ffmpeg(#[from] FfmpegError),
    /// A file of the cache or the recipe could not be read or written; a full disk shows in the source.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// What was made is not what the recipe promises.
    #[error("{}: {what}", path.display())]
    Media { path: PathBuf, what: String },
}

impl FixtureError {
    /// Whether more space on the disk would help.
    pub fn is_disk_full(&self) -> bool {
        match self {
            FixtureError::Ffmpeg(error) => matches!(error, FfmpegError::DiskFull { .. }),
            FixtureError::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> FixtureError {
        move |source| FixtureError::Io { path: path.to_owned(), source }
    }
}

#[cfg(test)]
pub(crate) mod tests;
