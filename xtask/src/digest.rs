//! What tells whether anything has changed since a result was kept.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest as _, Sha256};

/// A digest of many parts, in their order.
#[derive(Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Behind its length, so that nothing can move from one part to the next unnoticed.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// A file, or all files below a folder in the order of their names.
    pub fn add_files(&mut self, path: &Path) -> anyhow::Result<()> {
        self.add_files_without(path, &[])
    }

    /// The same, but for these files and folders.
    pub fn add_files_without(&mut self, path: &Path, without: &[PathBuf]) -> anyhow::Result<()> {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
            let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
            entries.sort();
            for entry in entries.into_iter().filter(|entry| !without.contains(entry)) {
                self.add(entry.file_name().unwrap_or_default().as_encoded_bytes());
                self.add_files_without(&entry, without)?;
            }
            return Ok(());
        }
        self.add(&std::fs::read(path).with_context(|| path.display().to_string())?);
        Ok(())
    }

    pub fn hex(self) -> String {
        self.0.finalize().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

const BYTES: usize = 16;
