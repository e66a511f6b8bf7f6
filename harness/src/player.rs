//! A player under test: a folder with an index.html, and what its two small files say of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use segproof_core::action::{AppSetting, AppSettings};
use segproof_core::expect::Profile;
use segproof_core::judge::{Known, KnownFile};
use segproof_core::scenario::Need;
use serde::Deserialize;

/// One player's folder, read.
#[derive(Debug, Clone)]
pub struct Player {
    pub folder: PathBuf,
    pub settings: PlayerSettings,
    pub known: Vec<Known>,
}

/// `player.toml`; without the file the defaults hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlayerSettings {
    /// Must be the folder's name, if given.
    pub name: Option<String>,
    /// Which promises bind it.
    pub profile: Profile,
    /// What it can do; scenarios that need more are skipped.
    pub can: Vec<Need>,
    /// Which settings of the app its page maps; scenarios that set others are skipped.
    pub app: Vec<AppSetting>,
    /// Served name -> where it comes from; `{target}` is Cargo's target folder, other paths start at the player's folder.
    pub files: std::collections::BTreeMap<String, String>,
    /// For a mutant: the promise it breaks.
    pub mutant: Option<Mutant>,
}

/// The rule that must catch a mutant, and the scenarios in which it must.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    pub rule: String,
    pub scenarios: Vec<String>,
}

impl Default for PlayerSettings {
    fn default() -> PlayerSettings {
        PlayerSettings {
            name: None,
            profile: Profile::Standard,
            can: Vec::new(),
            app: Vec::new(),
            files: Default::default(),
            mutant: None,
        }
    }
}

impl Player {
    /// Reads a player's folder.
    pub fn read(folder: &Path) -> anyhow::Result<Player> {
        if !folder.join("index.html").is_file() {
            bail!("{} is no player: it has no index.html", folder.display());
        }
        let settings: PlayerSettings = read_toml(&folder.join("player.toml"))?.unwrap_or_default();
        let known: KnownFile = read_toml(&folder.join("known.toml"))?.unwrap_or_default();
        for entry in &known.known {
            let is_rule = |id: &&str| segproof_core::rules::RULES.iter().any(|rule| rule.id == *id);
            if let Some(id) = entry.rule.iter().find(|id| !is_rule(id)) {
                bail!("{}: there is no rule {id:?}", folder.join("known.toml").display());
            }
        }
        Ok(Player { folder: folder.to_path_buf(), settings, known: known.known })
    }

    /// The files served from elsewhere, with their places.
    pub fn extra_files(&self, target: &Path) -> Vec<(String, PathBuf)> {
        let place = |source: &str| match source.strip_prefix("{target}/") {
            Some(rest) => target.join(rest),
            None => self.folder.join(source),
        };
        self.settings.files.iter().map(|(name, source)| (name.clone(), place(source))).collect()
    }

    /// The settings that the scenario makes and the player's page does not map.
    pub fn ignores(&self, app: &AppSettings) -> Vec<AppSetting> {
        // Which settings are made does not depend on the target duration.
        let made = app.parameters(0.0).into_iter().map(|(setting, _)| setting);
        made.filter(|setting| !self.settings.app.contains(setting)).collect()
    }

    /// What the scenario needs and the player can't do.
    pub fn lacks(&self, needs: &[Need]) -> Vec<Need> {
        needs.iter().filter(|need| !self.settings.can.contains(need)).copied().collect()
    }
}

/// `None` if there is no such file; a mistake is shown with file, line and caret.
fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    toml::from_str(&text).map(Some).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}
