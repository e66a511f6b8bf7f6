//! `cargo xtask player`: the wasm build and its sizes.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::paths;

/// Sizes of the built player in bytes.
pub struct Sizes {
    pub raw: u64,
    pub gzip: u64,
    pub brotli: u64,
}

/// Builds the player into `target`.
pub fn build(root: &Path, target: &Path) -> anyhow::Result<Sizes> {
    let status = Command::new(paths::cargo())
        .args(["build", "--quiet", "--package", "segproof-player", "--profile", "player"])
        .args(["--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(target)
        .current_dir(root)
        .status()?;
    ensure!(status.success(), "the player does not build");
    let file = target.join("wasm32-unknown-unknown/player/segproof_player.wasm");
    let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes)?;
    let mut brotli = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut brotli, &Default::default())?;
    Ok(Sizes { raw: bytes.len() as u64, gzip: gzip.finish()?.len() as u64, brotli: brotli.len() as u64 })
}
