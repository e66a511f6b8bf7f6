//! Builds the reference player: one ES module with its wasm inside, and `sizes.json` beside it.
//!
//! Nothing but cargo is needed: no Node, no bundler. The wasm goes into the module as a string literal, one
//! character per byte: module scripts are always decoded as UTF-8, and after compression this costs a sixth
//! of what base64 would. The glue is only stripped of comments and indentation, so that it stays readable in a
//! debugger and no minifier can harm the literal.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Serialize;

use crate::paths;

/// What a visitor may have to download, brotli-compressed.
const BROTLI_BYTES_MAX: usize = 8 * 1024;

/// The mark in the glue that the literal replaces.
const WASM_MARK: &str = "@wasm@";

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Bytes of `player.js`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sizes {
    pub raw: usize,
    /// `gzip -9`.
    pub gzip: usize,
    /// `brotli -q 11`.
    pub brotli: usize,
}

/// Builds `player/player.js` and `player/sizes.json` in `target`, the workspace's target folder. Fails if the
/// module is over its budget.
pub fn build(root: &Path, target: &Path) -> anyhow::Result<Sizes> {
    let wasm = build_wasm(root, target)?;
    let glue = fs::read_to_string(root.join("player/glue/player.js")).context("reading the player's glue")?;
    let module = build_module(&glue, &wasm)?;
    let sizes = measure(module.as_bytes())?;

    let folder = target.join("player");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    fs::write(folder.join("player.js"), &module).context("writing player.js")?;
    fs::write(folder.join("sizes.json"), serde_json::to_string(&sizes)? + "\n")
        .context("writing sizes.json")?;
    ensure!(
        sizes.brotli <= BROTLI_BYTES_MAX,
        "the player is {} bytes after brotli, its budget is {BROTLI_BYTES_MAX}",
        sizes.brotli
    );
    Ok(sizes)
}

fn build_wasm(root: &Path, target: &Path) -> anyhow::Result<Vec<u8>> {
    let status = paths::cargo()
        .current_dir(root)
        .args([
            "build",
            "--quiet",
            "--profile",
            "shipped",
            "--target",
            WASM_TARGET,
            "--package",
            "segproof-player",
        ])
        .arg("--target-dir")
        .arg(target)
        // 8 KiB of stack instead of 1 MiB: one page of memory holds everything. Addresses that the linker fills
        // in would otherwise keep the room for the largest one.
        .env(
            "RUSTFLAGS",
            "-C link-arg=-zstack-size=8192 -C link-arg=--no-entry -C link-arg=--compress-relocations",
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("building the player's wasm failed; if the target is missing: rustup target add {WASM_TARGET}");
    }
    let path = target.join(WASM_TARGET).join("shipped/segproof_player.wasm");
    fs::read(&path).with_context(|| format!("reading {}", path.display()))
}

fn build_module(glue: &str, wasm: &[u8]) -> anyhow::Result<String> {
    let (before, after) = glue.split_once(WASM_MARK).context("the glue has no place for the wasm")?;
    Ok([strip(before), literal(wasm), strip(after)].concat())
}

/// Drops comment lines, indentation and blank lines. Whatever follows code on its line stays.
fn strip(source: &str) -> String {
    let lines = source.split('\n').enumerate().map(|(index, line)| match index {
        // The first piece continues the line of the mark.
        0 => line.trim_end(),
        _ => line.trim(),
    });
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The inside of a double-quoted string literal whose characters are the bytes.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            _ => text.push(char::from(byte)),
        }
    }
    text
}

fn measure(bytes: &[u8]) -> anyhow::Result<Sizes> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes)?;
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 24, ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut compressed, &parameters)?;
    Ok(Sizes { raw: bytes.len(), gzip: gzip.finish()?.len(), brotli: compressed.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a literal as JavaScript does.
    fn unescape(literal: &str) -> Vec<u8> {
        let mut chars = literal.chars();
        let mut bytes = Vec::new();
        while let Some(char) = chars.next() {
            let char = match char {
                '\\' => match chars.next().expect("something is escaped") {
                    'n' => '\n',
                    'r' => '\r',
                    other => other,
                },
                '\n' | '\r' | '"' => panic!("a bare {char:?} ends the literal"),
                other => other,
            };
            bytes.push(u8::try_from(u32::from(char)).expect("one byte"));
        }
        bytes
    }

    #[test]
    fn every_byte_survives_the_literal() {
        let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        assert_eq!(unescape(&literal(&bytes)), bytes);
    }

    #[test]
    fn strip_keeps_code_and_urls() {
        let source = "// why\n  const a = 'http://x'; // said\n\n  // gone\n  b();\n";
        assert_eq!(strip(source), "const a = 'http://x'; // said\nb();");
    }

    #[test]
    fn the_module_is_glue_around_the_literal() {
        let module = build_module("// glue\nconst w = \"@wasm@\";\n  play();\n", b"\0asm\n\xff").unwrap();
        assert_eq!(module, "const w = \"\0asm\\n\u{ff}\";\nplay();");
        assert!(build_module("no mark", b"").is_err());
    }
}
