//! What comes from npm, pinned by a `package-lock.json` in the folder where it is listed and installed.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use segproof_harness::player::Player;
use serde_json::Value;

use super::Finding;
use crate::paths;

/// Whether the packages that are pinned are installed, each in that version.
pub fn find(folder: &str) -> Finding {
    match compare(&paths::root().join(folder)) {
        Ok(finding) => finding,
        Err(error) => Finding::Missing(format!("{error:#}")),
    }
}

fn compare(folder: &Path) -> anyhow::Result<Finding> {
    let wanted = read(&folder.join("package.json"))?;
    let lock = read(&folder.join("package-lock.json"))?;
    let mut here = Vec::new();
    for name in wanted["dependencies"].as_object().into_iter().flat_map(|all| all.keys()) {
        let place = format!("node_modules/{name}");
        let pinned =
            lock["packages"][&place]["version"].as_str().context("package-lock.json is not npm's")?;
        let found = read(&folder.join(&place).join("package.json"));
        match found.as_ref().ok().and_then(|found| found["version"].as_str()) {
            Some(version) if version == pinned => here.push(format!("{name} {version}")),
            Some(version) => {
                return Ok(Finding::Missing(format!("{name} is {version} in place of {pinned}")));
            }
            None => return Ok(Finding::Missing(format!("{name} {pinned} is not installed"))),
        }
    }
    Ok(Finding::Here(here.join(", ")))
}

/// Which version of which package a player's folder serves, or what else it is.
pub fn player_version(folder: &Path) -> anyhow::Result<String> {
    let player = Player::read(folder)?;
    let files = player.extra_files(&paths::target());
    let packages: BTreeSet<String> = files.iter().filter_map(|(_, file)| package(file)).collect();
    if packages.is_empty() {
        return Ok(match player.settings.version {
            Some(version) => version,
            None => format!("of this checkout, in {}", paths::short(folder)),
        });
    }
    let lock = read(&paths::root().join(PLAYERS).join("package-lock.json"))?;
    let version = |name: &String| {
        let version = lock["packages"][format!("node_modules/{name}")]["version"].as_str();
        format!("{name} {}", version.unwrap_or("of an unknown version"))
    };
    Ok(packages.iter().map(version).collect::<Vec<_>>().join(", "))
}

/// The package that a file was installed with, as in `@scope/name`.
fn package(file: &Path) -> Option<String> {
    let mut parts = file.components().map(|part| part.as_os_str().to_string_lossy());
    parts.find(|part| part == "node_modules")?;
    let first = parts.next()?.into_owned();
    if first.starts_with('@') { Some(format!("{first}/{}", parts.next()?)) } else { Some(first) }
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| paths::short(path))?;
    serde_json::from_str(&text).with_context(|| paths::short(path))
}

/// The players under test that come from npm.
pub const PLAYERS: &str = "harness/players";

/// What the player is made smaller with.
pub const PLAYER_TOOLS: &str = "player";

/// What puts the player into a page in a test.
pub const BUNDLER: &str = "player/tests/vite";

/// The Selenium Grid of the tests.
pub const GRID: &str = "xtask/grid";

/// What installs a folder's packages. Their own scripts are not run.
pub fn install(folder: &'static str) -> Vec<&'static str> {
    vec!["npm", "ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_is_of_the_version_that_is_pinned() {
        let version = |name: &str| player_version(&paths::root().join(PLAYERS).join(name)).expect("readable");
        let is_pinned = |said: &str| {
            let number = said.strip_prefix("hls.js ").expect("the package's name");
            number.starts_with(|letter: char| letter.is_ascii_digit())
        };
        assert!(is_pinned(&version("hls.js")) && is_pinned(&version("hls.js-light")));
        assert!(version("reference").contains("checkout"));
        assert_eq!(package(Path::new("a/../node_modules/@b/c/d.js")).as_deref(), Some("@b/c"));
        assert_eq!(package(Path::new("a/b.js")), None);
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("index.html"), "").expect("write");
        std::fs::write(folder.path().join("player.toml"), "version = \"3.1\"\n").expect("write");
        assert_eq!(player_version(folder.path()).expect("readable"), "3.1");
    }

    #[test]
    fn what_is_not_of_the_pinned_version_is_missing() {
        let folder = tempfile::tempdir().expect("folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("in the folder")).expect("folder");
            std::fs::write(path, text).expect("write");
        };
        write("package.json", r#"{"dependencies": {"a.js": "1.0.0"}}"#);
        write("package-lock.json", r#"{"packages": {"node_modules/a.js": {"version": "1.0.0"}}}"#);
        let found = || compare(folder.path()).expect("readable");
        assert_eq!(found(), Finding::Missing("a.js 1.0.0 is not installed".to_owned()));
        write("node_modules/a.js/package.json", r#"{"version": "0.9.0"}"#);
        assert_eq!(found(), Finding::Missing("a.js is 0.9.0 in place of 1.0.0".to_owned()));
        write("node_modules/a.js/package.json", r#"{"version": "1.0.0"}"#);
        assert_eq!(found(), Finding::Here("a.js 1.0.0".to_owned()));
    }
}
