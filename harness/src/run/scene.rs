//! A trial's stage, open and expecting a page: whoever brings the browser.

use segproof_core::action;
use segproof_core::expect::Expect;
use segproof_core::scenario::Scenario;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

use super::stream::Stream;
use crate::packager::LivePackager;
use crate::plan::{RunPlan, TrialPlan};
use crate::player::Player;
use crate::serve::{PageFiles, PageMessage, Stage};

pub struct Scene {
    pub stage: Stage,
    pub messages: UnboundedReceiver<PageMessage>,
    pub expect: Expect,
    /// Stream milliseconds after which a trial that has not ended has failed.
    pub limit_ms: f64,
    /// The page with the player, the stream and the app's settings.
    pub url: String,
    /// Ends ffmpeg, then removes its folder, when the trial is over.
    pub _live: Option<(LivePackager, TempDir)>,
}

impl Scene {
    pub async fn open(
        plan: &RunPlan,
        trial: &TrialPlan,
        scenario: &Scenario,
        player: &Player,
    ) -> anyhow::Result<Scene> {
        let Stream { publisher, expect, limit_ms, _live } =
            Stream::open(plan, scenario, player.settings.profile).await?;
        let td_ms = expect.target_duration_ms;
        let files = PageFiles::new(player.folders(), player.extra_files(&plan.target), trial.speed)
            .with(player.patched(&plan.target)?)
            .under(action::conditions(scenario, td_ms))
            .heard(action::hears(scenario));
        let protocol = scenario.stream.protocol;
        let (stage, messages) = Stage::open_on(plan.listen, publisher, files, trial.speed, protocol).await?;
        let url = format!("{}{}", stage.page_url(), app_query(scenario, td_ms));
        Ok(Scene { stage, messages, expect, limit_ms, url, _live })
    }
}

/// The app's settings, to follow the page's URL.
fn app_query(scenario: &Scenario, td_ms: f64) -> String {
    let parameters = scenario.app.parameters(td_ms).into_iter();
    parameters.map(|(setting, value)| format!("&{setting}={value}")).collect()
}
