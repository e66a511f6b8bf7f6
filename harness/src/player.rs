//! A player under test: a folder with an index.html, and what its two small files say of it. A folder may vary
//! another one's player: then its player.toml says so. Of a page that somebody else serves nothing is known but its URL.

mod page_url;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use segproof_core::action::{AppSetting, AppSettings};
use segproof_core::expect::Profile;
use segproof_core::judge::{Known, KnownFile};
use segproof_core::scenario::Need;
use serde::{Deserialize, Serialize};

pub use page_url::PageUrl;

/// Where a player is at home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Home {
    /// The folder with its index.html, which we serve.
    Folder(PathBuf),
    /// Its page is served by somebody else.
    Elsewhere(PageUrl),
}

/// One player, read.
#[derive(Debug, Clone)]
pub struct Player {
    pub home: Home,
    /// The player that this one varies.
    pub base: Option<Box<Player>>,
    pub settings: PlayerSettings,
    pub known: Vec<Known>,
}

/// `player.toml`; without the file the defaults hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlayerSettings {
    /// Must be the folder's name, if given.
    pub name: Option<String>,
    /// Which version it is, for those who read a table of players; what npm has installed says so itself.
    pub version: Option<String>,
    /// The folder of the player that this one varies, seen from its own: what it has no file or setting for is that
    /// player's. Its known.toml is not.
    pub extends: Option<PathBuf>,
    /// Which promises bind it.
    pub profile: Profile,
    /// What it can do; scenarios that need more are skipped.
    pub can: Vec<Need>,
    /// Which settings of the app its page maps; scenarios that set others are skipped.
    pub app: Vec<AppSetting>,
    /// Whether its page takes `debug=true` for the wish to say to the console what the player does. That is made at speed 1,
    /// where a failure is decided: it takes time that there is less of faster than life.
    pub debug: bool,
    /// Served name -> where it comes from; `{target}` is Cargo's target folder, other paths start at the player's folder.
    pub files: std::collections::BTreeMap<String, String>,
    /// Served name -> a patch in the player's folder that is applied to what is served by that name.
    pub patches: std::collections::BTreeMap<String, String>,
    /// For a mutant: the promise it breaks.
    pub mutant: Option<Mutant>,
}

/// The promise that a mutant breaks, the rule that must catch it, and the scenarios in which it must.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The promise, in one sentence.
    pub breaks: String,
    pub rule: String,
    pub scenarios: Vec<String>,
}

impl Default for PlayerSettings {
    fn default() -> PlayerSettings {
        PlayerSettings {
            name: None,
            version: None,
            extends: None,
            profile: Profile::Standard,
            can: Vec::new(),
            app: Vec::new(),
            debug: false,
            files: Default::default(),
            patches: Default::default(),
            mutant: None,
        }
    }
}

impl Player {
    /// Whatever there is to read of it.
    pub fn at(home: &Home) -> anyhow::Result<Player> {
        match home {
            Home::Folder(folder) => Player::read(folder),
            Home::Elsewhere(_) => Ok(Player {
                home: home.clone(),
                base: None,
                settings: PlayerSettings::default(),
                known: Vec::new(),
            }),
        }
    }

    /// Reads a player's folder.
    pub fn read(folder: &Path) -> anyhow::Result<Player> {
        let mut settings: PlayerSettings = read_toml(&folder.join(SETTINGS_FILE))?.unwrap_or_default();
        let base = match &settings.extends {
            Some(base) => {
                let base = Player::read_base(&folder.join(base))
                    .with_context(|| format!("what {} extends", folder.join(SETTINGS_FILE).display()))?;
                let own: toml::Table = read_toml(&folder.join(SETTINGS_FILE))?.unwrap_or_default();
                settings.inherit(&base.settings, &own);
                Some(Box::new(base))
            }
            None => None,
        };
        if base.is_none() && !folder.join(PAGE_FILE).is_file() {
            bail!("{} is no player: it has no {PAGE_FILE}", folder.display());
        }
        let known: KnownFile = read_toml(&folder.join(KNOWN_FILE))?.unwrap_or_default();
        for entry in &known.known {
            let is_rule = |id: &&str| segproof_core::rules::RULES.iter().any(|rule| rule.id == *id);
            if let Some(id) = entry.rule.iter().find(|id| !is_rule(id)) {
                bail!("{}: there is no rule {id:?}", folder.join(KNOWN_FILE).display());
            }
            let mut browsers = entry.browser.iter().flat_map(|browsers| browsers.iter());
            if let Some(name) = browsers.find(|name| crate::engine::engine(name).is_none()) {
                bail!("{}: there is no browser {name:?}", folder.join(KNOWN_FILE).display());
            }
        }
        Ok(Player { home: Home::Folder(folder.to_path_buf()), base, settings, known: known.known })
    }

    /// One that is varied varies no other: nobody should have to follow a chain.
    fn read_base(folder: &Path) -> anyhow::Result<Player> {
        let base = Player::read(folder)?;
        anyhow::ensure!(base.base.is_none(), "{} extends another player itself", folder.display());
        Ok(base)
    }

    /// Whether a folder looks like a player's.
    pub fn is_in(folder: &Path) -> bool {
        [PAGE_FILE, SETTINGS_FILE].iter().any(|name| folder.join(name).is_file())
    }

    /// Where its page's files are looked for, first here, then there.
    pub fn folders(&self) -> Vec<PathBuf> {
        let own = match &self.home {
            Home::Folder(folder) => Some(folder.clone()),
            Home::Elsewhere(_) => None,
        };
        own.into_iter().chain(self.base.iter().flat_map(|base| base.folders())).collect()
    }

    /// A path that one of its files names, seen from its folder.
    fn place(&self, path: &str) -> PathBuf {
        match &self.home {
            Home::Folder(folder) => folder.join(path),
            Home::Elsewhere(_) => PathBuf::from(path),
        }
    }

    /// The files served from elsewhere, with their places.
    pub fn extra_files(&self, target: &Path) -> Vec<(String, PathBuf)> {
        let place = |source: &str| match source.strip_prefix("{target}/") {
            Some(rest) => target.join(rest),
            None => self.place(source),
        };
        let own = self.settings.files.iter().map(|(name, source)| (name.clone(), place(source)));
        own.chain(self.base.iter().flat_map(|base| base.extra_files(target))).collect()
    }

    /// What its patches make of the files that they are for. One that does not apply is an error: unpatched, the player
    /// would be another one.
    pub fn patched(&self, target: &Path) -> anyhow::Result<Vec<(String, String)>> {
        let files = self.extra_files(target);
        let apply = |(name, patch): (&String, &String)| {
            let served = files.iter().find(|(served, _)| served == name).map(|(_, file)| file);
            let file =
                served.with_context(|| format!("player.toml serves no {name} that could be patched"))?;
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            let place = self.place(patch);
            let patch = std::fs::read_to_string(&place).with_context(|| place.display().to_string())?;
            let patch = diffy::Patch::from_str(&patch).with_context(|| place.display().to_string())?;
            let patched = diffy::apply(&text, &patch)
                .with_context(|| format!("{} does not apply to {}", place.display(), file.display()))?;
            Ok((name.clone(), patched))
        };
        self.settings.patches.iter().map(apply).collect()
    }

    /// Whether something that it serves was installed by npm.
    pub fn is_from_npm(&self) -> bool {
        let files = self.extra_files(Path::new(""));
        files.iter().any(|(_, file)| file.components().any(|part| part.as_os_str() == "node_modules"))
    }

    /// The settings that the scenario makes and the player's page does not map.
    pub fn ignores(&self, app: &AppSettings) -> Vec<AppSetting> {
        // Which settings are made does not depend on the target duration.
        let made = app.parameters(0.0).into_iter().map(|(setting, _)| setting);
        made.filter(|setting| !self.settings.app.contains(setting)).collect()
    }

    /// What its page is told in its URL, beside the stream.
    pub fn parameters(
        &self,
        app: &AppSettings,
        target_duration_ms: f64,
        speed: f64,
    ) -> Vec<(String, String)> {
        let made = app.parameters(target_duration_ms).into_iter();
        let debug = (self.settings.debug && speed == 1.0).then(|| ("debug".to_owned(), "true".to_owned()));
        made.map(|(setting, value)| (setting.to_string(), value)).chain(debug).collect()
    }

    /// What the scenario needs and the player can't do.
    pub fn lacks(&self, needs: &[Need]) -> Vec<Need> {
        needs.iter().filter(|need| !self.settings.can.contains(need)).copied().collect()
    }
}

impl PlayerSettings {
    /// Takes over what the player's own file, read as `own`, doesn't set. Files stay with the folder they are seen
    /// from, and which promise is broken is everybody's own.
    fn inherit(&mut self, base: &PlayerSettings, own: &toml::Table) {
        if !own.contains_key("profile") {
            self.profile = base.profile;
        }
        if !own.contains_key("can") {
            self.can.clone_from(&base.can);
        }
        if !own.contains_key("app") {
            self.app.clone_from(&base.app);
        }
        if !own.contains_key("debug") {
            self.debug = base.debug;
        }
    }
}

/// The page that plays.
pub const PAGE_FILE: &str = "index.html";
const SETTINGS_FILE: &str = "player.toml";
/// What is known to be wrong with it.
pub const KNOWN_FILE: &str = "known.toml";

/// `None` if there is no such file; a mistake is shown with file, line and caret.
fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    toml::from_str(&text).map(Some).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folder");
            std::fs::write(path, text).expect("file");
        }
        folder
    }

    #[test]
    fn a_variation_has_what_it_does_not_vary_from_its_base() {
        let all = folder(&[
            ("base/index.html", ""),
            ("base/player.toml", "profile = \"seed\"\ncan = [\"stop\"]\n[files]\n\"a.js\" = \"../a.js\"\n"),
            ("other/player.toml", "extends = \"../base\"\ncan = []\n"),
        ]);
        let player = Player::read(&all.path().join("other")).expect("player");
        assert_eq!((player.settings.profile, player.settings.can.len()), (Profile::Seed, 0));
        assert_eq!(player.folders(), [all.path().join("other"), all.path().join("other/../base")]);
        assert_eq!(
            player.extra_files(Path::new("")),
            [("a.js".to_string(), all.path().join("other/../base/../a.js"))]
        );
    }

    #[test]
    fn a_page_that_offers_it_is_asked_at_speed_1_to_say_what_it_does() {
        let all = folder(&[
            ("base/index.html", ""),
            ("base/player.toml", "debug = true\n"),
            ("other/player.toml", "extends = \"../base\"\n"),
            ("silent/player.toml", "extends = \"../base\"\ndebug = false\n"),
        ]);
        let app = AppSettings { autoplay: Some(false), ..AppSettings::default() };
        let told = |name: &str, speed| {
            let player = Player::read(&all.path().join(name)).expect("player");
            let parameters = player.parameters(&app, 2000.0, speed);
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(told("other", 1.0), ["autoplay=false", "debug=true"]);
        assert_eq!(told("other", 4.0), ["autoplay=false"]);
        assert_eq!(told("silent", 1.0), ["autoplay=false"]);
    }

    #[test]
    fn a_patch_changes_what_is_served_or_is_refused() {
        let served = "[files]\n\"a.js\" = \"a.js\"\n[patches]\n\"a.js\" = \"p.patch\"\n";
        let all = folder(&[
            ("one/index.html", ""),
            ("one/player.toml", served),
            ("one/a.js", "a\nb\n"),
            ("one/p.patch", "--- a.js\n+++ a.js\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
        ]);
        let patched = || Player::read(&all.path().join("one")).expect("player").patched(Path::new(""));
        assert_eq!(patched().expect("it applies"), [("a.js".to_owned(), "a\nc\n".to_owned())]);
        std::fs::write(all.path().join("one/a.js"), "x\ny\n").expect("write");
        assert!(format!("{:#}", patched().expect_err("another text")).contains("does not apply"));
    }

    #[test]
    fn a_known_violation_names_rules_and_browsers_that_exist() {
        let known = |browser: &str| {
            let text = format!(
                "[[known]]\nscenario = \"*\"\nrule = \"view/stall\"\nbrowser = \"{browser}\"\nbecause = \"b\"\n"
            );
            let all = folder(&[("one/index.html", ""), ("one/known.toml", &text)]);
            Player::read(&all.path().join("one")).map(drop)
        };
        assert!(known("firefox").is_ok());
        assert!(format!("{:#}", known("netscape").expect_err("unknown")).contains("no browser \"netscape\""));
    }

    #[test]
    fn a_variation_of_a_variation_or_of_nothing_is_refused() {
        let all = folder(&[
            ("base/index.html", ""),
            ("one/player.toml", "extends = \"../base\"\n"),
            ("two/player.toml", "extends = \"../one\"\n"),
            ("three/player.toml", "extends = \"../nowhere\"\n"),
            ("four/player.toml", ""),
        ]);
        let wrong =
            |name: &str| format!("{:#}", Player::read(&all.path().join(name)).expect_err("it is wrong"));
        assert!(Player::read(&all.path().join("one")).is_ok());
        assert!(wrong("two").contains("extends another player itself"), "{}", wrong("two"));
        assert!(wrong("three").contains("no index.html"), "{}", wrong("three"));
        assert!(wrong("four").contains("no index.html"), "{}", wrong("four"));
    }
}
