//! The player as a folder that `npm publish` or any web server takes, with the sizes of what is in it in its README.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha384};

use super::Sizes;
use crate::check::Check;
use crate::written;

const MODULES: [&str; 3] = ["player.js", "player-full.js", "live-video.js"];

/// The custom element's module, which is made smaller like the player's.
pub const ELEMENT: &str = "player/package/live-video.js";

/// Files of the checkout that go into the package as they are, and their names there.
const FILES: [(&str, &str); 4] = [
    ("player/package/player.d.ts", "player.d.ts"),
    ("player/package/live-video.d.ts", "live-video.d.ts"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
];
const MANIFEST: &str = "player/package/package.json";
const README: &str = "player/README.md";

/// All that it is made of, besides the player and this program.
pub const SOURCES: [&str; 7] = [ELEMENT, MANIFEST, README, FILES[0].0, FILES[1].0, FILES[2].0, FILES[3].0];

/// Whether all of a package has been written to a folder.
pub fn is_whole(folder: &Path) -> bool {
    folder.join(LAST).is_file()
}

/// What is written last.
const LAST: &str = "package.json";

/// One module of the package.
pub struct Module {
    pub name: &'static str,
    pub sizes: Sizes,
    /// What an `integrity` attribute has to be (Subresource Integrity, section 3.5).
    pub integrity: String,
}

impl Module {
    fn of(name: &'static str, text: &str) -> anyhow::Result<Module> {
        let hash = STANDARD.encode(Sha384::digest(text));
        Ok(Module { name, sizes: Sizes::of(text.as_bytes())?, integrity: format!("sha384-{hash}") })
    }
}

/// The modules of the package that was written to a folder.
pub fn modules(folder: &Path) -> anyhow::Result<Vec<Module>> {
    MODULES.iter().map(|name| Module::of(name, &super::read(folder, name)?)).collect()
}

/// Writes the package of these modules, in place of what is there.
pub fn write(root: &Path, folder: &Path, modules: &[(&str, String)]) -> anyhow::Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| format!("clearing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let put = |name: &str, text: &str| {
        fs::write(folder.join(name), text).with_context(|| format!("writing {name} to {}", folder.display()))
    };
    for (from, to) in FILES {
        put(to, &super::read(root, from)?)?;
    }
    for (name, text) in modules {
        put(name, text)?;
    }
    put("README.md", &with_sizes(&super::read(root, README)?, &self::modules(folder)?)?)?;
    put(LAST, &manifest(&super::read(root, MANIFEST)?)?)
}

/// The manifest with this workspace's version.
fn manifest(text: &str) -> anyhow::Result<String> {
    let mark = "\"version\": \"0.0.0\"";
    ensure!(text.matches(mark).count() == 1, "player/package/package.json has no {mark}");
    Ok(text.replace(mark, &format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"))))
}

/// Writes the sizes of the package in a folder into the checkout's README, too.
pub fn publish(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let readme = with_sizes(&super::read(root, README)?, &modules(folder)?)?;
    fs::write(root.join(README), readme).with_context(|| format!("writing {README}"))
}

/// Whether the checkout's README tells the sizes of the package that is built, but for what another compiler may make of it.
pub fn check(root: &Path, folder: &Path) -> anyhow::Result<Vec<Check>> {
    let readme = super::read(root, README)?;
    let told = |module: &Module| {
        let line = readme.lines().find(|line| line.starts_with(&format!("| `{}` ", module.name)))?;
        line.rsplit('|').find_map(|cell| cell.trim().parse::<usize>().ok())
    };
    let checks = modules(folder)?.into_iter().map(|module| {
        let (told, is) = (told(&module), module.sizes.brotli);
        let is_right = told.is_some_and(|told| told.abs_diff(is) * 100 <= is);
        Check {
            what: format!("{README} tells the size of {}", module.name),
            wrong: (!is_right).then(|| {
                format!("it says {told:?} with brotli, it is {is}: `cargo xtask player --yes --publish` corrects it")
            }),
        }
    });
    Ok(checks.chain([types(root, folder)?]).collect())
}

/// Puts the package in a folder where what is in `place` finds it under its name.
pub fn install(folder: &Path, place: &Path) -> anyhow::Result<()> {
    let package = place.join("node_modules/segproof-player");
    fs::create_dir_all(&package).with_context(|| package.display().to_string())?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        fs::copy(entry.path(), package.join(entry.file_name()))?;
    }
    Ok(())
}

/// Whether a page in TypeScript finds the package, and what its types promise and forbid: by the compiler that is pinned with
/// the tools.
fn types(root: &Path, folder: &Path) -> anyhow::Result<Check> {
    let place = folder.with_file_name("types");
    let _old = fs::remove_dir_all(&place);
    install(folder, &place)?;
    fs::write(place.join("page.ts"), super::read(root, TYPES_TEST)?)?;
    let compiler = root.join("player/node_modules/.bin/tsc");
    let told = Command::new(&compiler)
        .args(["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--types", ""])
        .args(["--module", "nodenext", "page.ts"])
        .current_dir(&place)
        .output()
        .with_context(|| format!("starting {}", compiler.display()))?;
    let wrong = (!told.status.success()).then(|| String::from_utf8_lossy(&told.stdout).trim().to_owned());
    Ok(Check { what: format!("{TYPES_TEST} finds the package's types as they are meant"), wrong })
}

const TYPES_TEST: &str = "player/tests/types.ts";

const MARKERS: [&str; 2] =
    ["<!-- sizes: written by `cargo xtask player --publish` -->", "<!-- end of sizes -->"];

/// The README with the sizes of these modules.
fn with_sizes(readme: &str, modules: &[Module]) -> anyhow::Result<String> {
    written::between(MARKERS, readme, &table(modules))
        .with_context(|| format!("{README} has not both of {MARKERS:?}"))
}

fn table(modules: &[Module]) -> String {
    let mut table = "| file | bytes | with gzip | with brotli |\n|---|--:|--:|--:|\n".to_owned();
    for Module { name, sizes, .. } in modules {
        table += &format!("| `{name}` | {} | {} | {} |\n", sizes.raw, sizes.gzip, sizes.brotli);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;

    #[test]
    fn the_package_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("package");
        for _ in 0..2 {
            let modules = MODULES.map(|name| (name, "export {};\n".to_owned()));
            write(&paths::root(), &folder, &modules).expect("it is written");
            assert!(is_whole(&folder));
            fs::write(folder.join("stray"), "").expect("written");
        }
        fs::remove_file(folder.join("stray")).expect("it is of the last time");
        let manifest: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(folder.join("package.json")).expect("a manifest"))
                .expect("of JSON");
        assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
        // Each file that is named is there, and nothing else.
        let mut named: Vec<String> =
            ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json"].map(str::to_owned).into();
        for export in manifest["exports"].as_object().expect("exports").values() {
            for file in export.as_object().expect("conditions").values() {
                named.push(file.as_str().expect("a file").trim_start_matches("./").to_owned());
            }
        }
        named.sort();
        named.dedup();
        let mut found: Vec<String> = fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        found.sort();
        assert_eq!(found, named);
        let readme = fs::read_to_string(folder.join("README.md")).expect("a README");
        assert!(readme.contains("| `player.js` | 11 | "), "{readme}");
    }

    #[test]
    fn integrity_is_as_openssl_has_it() {
        // printf 'export {};\n' | openssl dgst -sha384 -binary | base64 -w0
        let module = Module::of("player.js", "export {};\n").expect("sizes");
        assert_eq!(
            module.integrity,
            "sha384-z0dQZuTpVhlJhRpzBVjQTCgdq+BUSh89DMD4c8ea5gn4XTF+416jeLVKPWSl2O8q"
        );
    }
}
