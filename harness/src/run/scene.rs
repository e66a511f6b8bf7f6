//! A trial's stage, open and expecting a page: whoever brings the browser.

use segproof_core::action;
use segproof_core::expect::Expect;
use segproof_core::scenario::Scenario;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

use super::stream::Stream;
use crate::engine;
use crate::packager::LivePackager;
use crate::plan::{RunPlan, TrialPlan};
use crate::player::{Home, Player};
use crate::serve::{Ear, PageFiles, PageMessage, Stage};

pub struct Scene {
    pub stage: Stage,
    pub messages: UnboundedReceiver<PageMessage>,
    pub expect: Expect,
    /// Stream milliseconds after which a trial that has not ended has failed.
    pub limit_ms: f64,
    /// The page with the player, the stream and the app's settings.
    pub url: String,
    /// What is to run before a page that somebody else serves.
    pub preload: Option<String>,
    /// Ends ffmpeg, then removes its folder, when the trial is over.
    pub _live: Option<(LivePackager, TempDir)>,
}

/// Who is before the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    Nobodys,
    /// Pauses and seeks as it likes.
    OfAPerson,
}

impl Scene {
    pub async fn open(
        plan: &RunPlan,
        trial: &TrialPlan,
        scenario: &Scenario,
        player: &Player,
        hand: Hand,
    ) -> anyhow::Result<Scene> {
        let Stream { publisher, expect, limit_ms, _live } =
            Stream::open(plan, scenario, player.settings.profile, &trial.dir(&plan.out)).await?;
        let td_ms = expect.target_duration_ms;
        let ear = Ear { error: engine::engine(&trial.browser).and_then(|engine| engine.unheard) };
        let files = PageFiles::new(player.folders(), player.extra_files(&plan.target), trial.speed)
            .with(player.patched(&plan.target)?)
            .under(action::conditions(scenario, td_ms))
            .heard(action::hears(scenario).then_some(ear))
            .touched(hand == Hand::OfAPerson);
        let protocol = scenario.stream.protocol;
        let (stage, messages) = Stage::open_on(plan.listen, publisher, files, protocol).await?;
        let (page, preload) = match &player.home {
            Home::Folder(_) => (stage.page(), None),
            Home::Elsewhere(page) => (page.clone(), Some(stage.preload())),
        };
        let parameters = player.parameters(&scenario.app, td_ms, trial.speed);
        let url = page.playing(&stage.stream_url(), &parameters);
        Ok(Scene { stage, messages, expect, limit_ms, url, preload, _live })
    }
}
