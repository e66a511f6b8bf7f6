//! What comes from npm, pinned by a `package-lock.json` in the folder where it is listed and installed.

use std::path::Path;

use anyhow::Context;
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

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| paths::short(path))?;
    serde_json::from_str(&text).with_context(|| paths::short(path))
}

/// The players under test that come from npm.
pub const PLAYERS: &str = "harness/players";

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
