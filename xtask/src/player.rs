//! Builds the reference player: one ES module with its wasm inside, in two forms of the same parts, and the package beside it.
//!
//! Cargo alone builds a player that is read easily. What is shipped is made smaller by two tools from npm, pinned in
//! `player/package-lock.json`: Binaryen goes over the wasm, terser over the glue.

pub mod bundled;
mod globals;
mod literal;
pub mod package;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use segproof_player_core::Player;

use crate::digest::Digest;
use crate::{doctor, paths};
use literal::{RAISES, literal};

/// One of the two modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    /// With the cargo feature of that name, and as `FULL` in the glue.
    is_full: bool,
    /// What a visitor may have to download of what is shipped, brotli-compressed.
    brotli_bytes_max: usize,
}

const KINDS: [Kind; 2] = [
    Kind { name: "player.js", is_full: false, brotli_bytes_max: 5120 },
    Kind { name: "player-full.js", is_full: true, brotli_bytes_max: 6144 },
];

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The glue's files in the order in which they become one. What is hard to compress comes last.
const GLUE: [&str; 4] = ["player.js", "places.js", "boxes.js", "bytes.js"];

/// The marks in the glue that the literal and its raise replace.
const WASM_MARK: &str = "@wasm@";
const RAISE_MARK: &str = "@raise@";

/// Bytes of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub raw: usize,
    /// `gzip -9`.
    pub gzip: usize,
    /// `brotli -q 11`.
    pub brotli: usize,
}

impl Sizes {
    fn of(bytes: &[u8]) -> anyhow::Result<Sizes> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes)?;
        Ok(Sizes { raw: bytes.len(), gzip: gzip.finish()?.len(), brotli: brotli_size(bytes)? })
    }
}

/// How a player is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By cargo alone.
    Plain,
    /// As it is shipped.
    Shipped,
}

impl Form {
    /// What can be built with what is here.
    pub fn at_hand() -> Form {
        match doctor::npm::find(doctor::npm::PLAYER_TOOLS) {
            doctor::Finding::Here(_) => Form::Shipped,
            doctor::Finding::Missing(_) => Form::Plain,
        }
    }
}

/// Builds `player.js`, `player-full.js` and the package in `player` in `target`, the workspace's target folder. Fails if what
/// would be shipped is over its budget. What has been built of the same parts is left as it is.
pub fn build(root: &Path, target: &Path, form: Form) -> anyhow::Result<()> {
    let folder = target.join("player");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let parts = KINDS
        .iter()
        .map(|kind| {
            Ok((kind, build_wasm(root, target, *kind)?, join_glue(&root.join("player/glue"), *kind)?))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let key = key(root, &parts, form)?;
    let key_file = folder.join("player.key");
    let package = folder.join("package");
    let is_there = fs::read_to_string(&key_file).is_ok_and(|found| found == key)
        && package::is_whole(&package)
        && KINDS.iter().all(|kind| folder.join(kind.name).is_file());
    if is_there {
        return Ok(());
    }
    // Half of a new player must not pass for a whole one.
    let _old = fs::remove_file(&key_file);
    let tools = Tools { bin: root.join("player/node_modules/.bin"), folder: &folder };
    let mut modules = Vec::new();
    for (kind, wasm, glue) in &parts {
        let text = match form {
            Form::Plain => smallest(&strip(glue), wasm)?,
            Form::Shipped => smallest(&tools.minify(glue)?, &tools.optimize(wasm)?)?,
        };
        fs::write(folder.join(kind.name), &text).with_context(|| format!("writing {}", kind.name))?;
        let bytes = brotli_size(text.as_bytes())?;
        ensure!(
            form == Form::Plain || bytes < kind.brotli_bytes_max,
            "{} is {bytes} bytes after brotli, it has to be smaller than {}",
            kind.name,
            kind.brotli_bytes_max
        );
        modules.push((kind.name, text));
    }
    let element = read(root, package::ELEMENT)?;
    let element = if form == Form::Plain { strip(&element) } else { tools.minify(&element)? };
    modules.push(("live-video.js", element));
    package::write(root, &package, &modules)?;
    fs::write(&key_file, key).context("writing player.key")?;
    Ok(())
}

/// What decides what a player becomes: its parts, what they are made smaller with, and this program.
fn key(root: &Path, parts: &[(&Kind, Vec<u8>, String)], form: Form) -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    let program = fs::metadata(&program).and_then(|of| of.modified()).with_context(|| {
        format!(
            "{}: this program is no longer where it began (was it built anew meanwhile?)",
            program.display()
        )
    })?;
    let mut digest = Digest::default();
    digest.add(format!("{form:?} {program:?}").as_bytes());
    for (_, wasm, glue) in parts {
        digest.add(wasm);
        digest.add(glue.as_bytes());
    }
    for name in package::SOURCES.iter().chain(&["player/package-lock.json"]) {
        digest.add(read(root, name)?.as_bytes());
    }
    Ok(digest.hex())
}

fn read(root: &Path, name: &str) -> anyhow::Result<String> {
    fs::read_to_string(root.join(name)).with_context(|| format!("reading {name}"))
}

fn build_wasm(root: &Path, target: &Path, kind: Kind) -> anyhow::Result<Vec<u8>> {
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
        .args(if kind.is_full { ["--features", "full"].as_slice() } else { &[] })
        .arg("--target-dir")
        .arg(target)
        // A kilobyte of stack instead of 1 MiB: one page of memory holds everything.
        .env(
            "RUSTFLAGS",
            "-C link-arg=-zstack-size=1024 -C link-arg=--no-entry -C link-arg=--compress-relocations \
             -C link-arg=--export=PLAYER",
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("building the player's wasm failed; if the target is missing: rustup target add {WASM_TARGET}");
    }
    let path = target.join(WASM_TARGET).join("shipped/segproof_player.wasm");
    let wasm = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(
        !wasm.windows(PANIC_IMPORT.len()).any(|bytes| bytes == PANIC_IMPORT),
        "the player's wasm can panic: something in player/core is out of bounds or overflows for all that the compiler knows"
    );
    Ok(wasm)
}

/// What a wasm imports that can panic: see player/src/wasm.rs. Module and name, each behind its length.
const PANIC_IMPORT: &[u8] = b"\x01a\x05panic";

/// The glue as one module: only what the first file exports is exported, and nothing is imported.
fn join_glue(folder: &Path, kind: Kind) -> anyhow::Result<String> {
    let mut joined = format!("const FULL = {};\n", kind.is_full);
    for (index, name) in GLUE.iter().enumerate() {
        let text =
            fs::read_to_string(folder.join(name)).with_context(|| format!("reading the glue's {name}"))?;
        for line in text.lines().filter(|line| !line.starts_with("import ")) {
            let line = if index > 0 { line.strip_prefix("export ").unwrap_or(line) } else { line };
            joined += line;
            joined.push('\n');
        }
    }
    Ok(joined)
}

/// The tools from npm, and where they may write.
struct Tools<'a> {
    bin: PathBuf,
    folder: &'a Path,
}

impl Tools<'_> {
    fn optimize(&self, wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
        let file = |name: &str| self.folder.join(name);
        fs::write(file("core.wasm"), wasm)?;
        // Addresses are constants only when what is called once has been inlined.
        self.run("wasm-opt", [&file("core.wasm"), &file("first.wasm")], &format!("{FEATURES} -O1"))?;
        self.run("wasm-dis", [&file("first.wasm"), &file("first.wat")], "")?;
        let text = fs::read_to_string(file("first.wat"))?;
        let text = globals::promote(&text, Player::IN_MEMORY_BYTES as u64, size_of::<Player>() as u64)
            .context("making globals of the player's fields")?;
        fs::write(file("globals.wat"), text)?;
        self.run("wasm-opt", [&file("globals.wat"), &file("last.wasm")], &format!("{FEATURES} {OPTIMIZE}"))?;
        Ok(fs::read(file("last.wasm"))?)
    }

    fn run(&self, program: &str, [from, to]: [&Path; 2], arguments: &str) -> anyhow::Result<Vec<u8>> {
        let mut command = Command::new(self.bin.join(program));
        run(command.arg(from).arg("-o").arg(to).args(arguments.split_whitespace()))
    }

    fn minify(&self, glue: &str) -> anyhow::Result<String> {
        let from = self.folder.join("glue.js");
        fs::write(&from, glue)?;
        let mut command = Command::new(self.bin.join("terser"));
        command.arg(&from).args(MINIFY.split_whitespace());
        Ok(String::from_utf8(run(&mut command)?)?.trim_end().to_owned())
    }
}

const FEATURES: &str = "--enable-bulk-memory --enable-sign-ext --enable-mutable-globals --enable-nontrapping-float-to-int \
    --enable-multivalue --strip-producers --strip-debug --strip-target-features";
const OPTIMIZE: &str = "-Oz -O4 --flatten --rereloop -Oz -Oz --converge --reorder-globals-always";
const MINIFY: &str = "--module --ecma 2020 --compress passes=3,unsafe_arrows=true,keep_fargs=false --mangle \
    --mangle-props regex=/^_/ --format quote_style=1";

/// What it prints.
fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{program} does not start"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed ({}): {}", output.status, said.trim());
    Ok(output.stdout)
}

/// Drops comment lines, indentation and blank lines. Whatever follows code on its line stays.
fn strip(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The module with the raise that makes it the smallest.
fn smallest(glue: &str, wasm: &[u8]) -> anyhow::Result<String> {
    let mut best: Option<(String, usize)> = None;
    for raise in RAISES {
        let module = with_wasm(glue, wasm, raise)?;
        let size = brotli_size(module.as_bytes())?;
        if best.as_ref().is_none_or(|(_, smallest)| size < *smallest) {
            best = Some((module, size));
        }
    }
    Ok(best.context("some raise is tried")?.0)
}

fn with_wasm(glue: &str, wasm: &[u8], raise: u8) -> anyhow::Result<String> {
    let (before, after) = glue.split_once(WASM_MARK).context("the glue has no place for the wasm")?;
    let mark = format!("'{RAISE_MARK}'");
    ensure!(after.contains(&mark), "the glue does not say where the raise goes");
    Ok([before, &literal(wasm, raise), &after.replace(&mark, &raise.to_string())].concat())
}

fn brotli_size(bytes: &[u8]) -> anyhow::Result<usize> {
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 24, ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut compressed, &parameters)?;
    Ok(compressed.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strip_keeps_code_and_urls() {
        let source = "// why\n  const a = 'http://x'; // said\n\n  // gone\n  b();\n";
        assert_eq!(strip(source), "const a = 'http://x'; // said\nb();");
    }

    #[test]
    fn the_module_is_glue_around_the_literal() {
        let module = with_wasm("f('@wasm@') - '@raise@';", b"\0asm\n", 1).unwrap();
        assert_eq!(module, "f('\u{1}btn\u{b}') - 1;");
        assert!(with_wasm("no mark", b"", 0).is_err());
        assert!(with_wasm("'@wasm@'", b"", 0).is_err());
    }

    #[test]
    fn the_glue_is_one_module() {
        for kind in KINDS {
            let glue = join_glue(&paths::root().join("player/glue"), kind).expect("readable");
            let exports: Vec<&str> = glue.lines().filter(|line| line.starts_with("export ")).collect();
            assert_eq!(exports, ["export function play(url, video, options = {}, main) {"]);
            assert!(!glue.contains("import "), "{glue}");
            assert_eq!(glue.matches("const FULL").count(), 1, "{glue}");
        }
    }
}
