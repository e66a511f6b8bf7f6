//! What a trial serves, and what may be expected of it: the fixture, its publisher, the ideal player's bounds.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use segproof_core::expect::{Expect, Profile};
use segproof_core::ideal::{Viewer, ideal};
use segproof_core::notation::Moment;
use segproof_core::origin::Origin;
use segproof_core::presentation::{self, Media, Presentation};
use segproof_core::scenario::{Packager, Scenario};
use tempfile::TempDir;

use crate::fixtures::{self, Fixture};
use crate::packager::LivePackager;
use crate::plan::{MadeFixture, RunPlan};
use crate::serve::{LiveFiles, Publisher};

pub struct Stream {
    pub publisher: Publisher,
    pub expect: Expect,
    /// Stream milliseconds after which a trial that has not ended has failed.
    pub limit_ms: f64,
    /// Ends ffmpeg, then removes its folder, when the trial is over.
    pub _live: Option<(LivePackager, TempDir)>,
}

/// A stream before it is served.
struct Prepared {
    fixture: Fixture,
    origin: Origin,
    expect: Expect,
    limit_ms: f64,
}

/// What may be expected of a scenario's stream.
pub fn expect(plan: &RunPlan, scenario: &Scenario, profile: Profile) -> anyhow::Result<Expect> {
    Ok(Prepared::new(plan, scenario, profile)?.expect)
}

/// Whether the media that a scenario names can be what it makes of them: what only they can tell.
pub fn check(made: &[MadeFixture], scenario: &Scenario) -> anyhow::Result<()> {
    if !scenario.has_more_playlists() && scenario.faults().all(|fault| fault.media.is_none()) {
        return Ok(());
    }
    published(made, scenario).map(|_| ())
}

/// The stream's own fixture, what is made of the scenario's, and the origin that publishes that.
fn published(
    made: &[MadeFixture],
    scenario: &Scenario,
) -> anyhow::Result<(Fixture, Arc<Presentation>, Origin)> {
    let mut media = Vec::new();
    let mut own = None;
    for source in presentation::sources(scenario) {
        let fixture = fixtures::load(MadeFixture::folder_of(made, &source)?)?;
        media.push(Arc::new(media_of(&fixture, &scenario.stream.pieces)?));
        own.get_or_insert(fixture);
    }
    let fixture = own.context("a scenario has a source")?;
    let presentation = Arc::new(Presentation::new(scenario, &media));
    if let Some(variant) = presentation.uneven_variant() {
        bail!(
            "[[variant]] fixture = \"{variant}\": its segments are not those of \"{}\" in number, duration and frames; \
             take one that has the same, as bars-small has of bars",
            fixture.name
        );
    }
    if let Some(audio) = presentation.unfit_audio() {
        bail!(
            "[audio] fixture = \"{audio}\": it has a picture, or its segments are not as many and as long as those of \"{}\"; \
             take one that goes beside it, as bars-sound goes beside bars-video",
            fixture.name
        );
    }
    let origin = Origin::new(scenario, presentation.clone());
    match origin.impossible_edits().first() {
        Some(why) => bail!("{why}"),
        None => Ok((fixture, presentation, origin)),
    }
}

impl Prepared {
    fn new(plan: &RunPlan, scenario: &Scenario, profile: Profile) -> anyhow::Result<Prepared> {
        let (fixture, presentation, origin) = published(&plan.fixtures, scenario)?;
        let td_ms = origin.timeline.target_duration_ms;
        let horizon_ms = horizon_ms(scenario, &origin);
        let ideal = ideal(&origin, &Viewer::of(scenario), scenario.until_msn(), horizon_ms);
        let expect = Expect::new(scenario, &presentation, &origin.timeline, &ideal, profile);
        let expected_ms = if ideal.finish_ms.is_finite() { ideal.finish_ms } else { horizon_ms };
        let limit_ms = scenario.limit.map_or(LIMIT_FACTOR * expected_ms + LIMIT_TD * td_ms, |l| l.ms(td_ms));
        Ok(Prepared { fixture, origin, expect, limit_ms })
    }
}

impl Stream {
    /// `folder` is the trial's own: what a live packager writes lies there, so that a trial that is killed leaves nothing
    /// elsewhere.
    pub async fn open(
        plan: &RunPlan,
        scenario: &Scenario,
        profile: Profile,
        folder: &Path,
    ) -> anyhow::Result<Stream> {
        let Prepared { fixture, origin, expect, limit_ms } = Prepared::new(plan, scenario, profile)?;
        let (publisher, live) = match scenario.stream.packager {
            Packager::Origin => (Publisher::Origin(Box::new(Mutex::new(origin))), None),
            Packager::Ffmpeg => {
                let (packager, folder) = broadcast(&fixture, scenario, folder).await?;
                let files = LiveFiles::new(folder.path().to_path_buf());
                (Publisher::Files(Mutex::new(files)), Some((packager, folder)))
            }
        };
        Ok(Stream { publisher, expect, limit_ms, _live: live })
    }
}

fn media_of(fixture: &Fixture, pieces: &[u32]) -> anyhow::Result<Media> {
    let segments = fixture.segments.iter().map(|s| (s.bytes.clone(), s.duration_s)).collect();
    Media::new(fixture.target_duration, fixture.init.clone(), segments)
        .and_then(|media| media.joined(pieces))
        .with_context(|| format!("fixture {}", fixture.name))
}

/// How far the ideal player looks where no `until` ends it: past the last moment the scenario names.
fn horizon_ms(scenario: &Scenario, origin: &Origin) -> f64 {
    let moments = scenario.faults().flat_map(|f| [f.from, f.until]).flatten();
    let until = scenario.until_msn().map(Moment::Published);
    let last = moments.chain(until).map(|m| origin.timeline.moment_ms(m)).fold(0.0, f64::max);
    last + HORIZON_TD * origin.timeline.target_duration_ms
}

/// Starts ffmpeg and waits until its playlist lists enough to begin with.
async fn broadcast(
    fixture: &Fixture,
    scenario: &Scenario,
    folder: &Path,
) -> anyhow::Result<(LivePackager, TempDir)> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let folder = TempDir::with_prefix_in("live-", folder)?;
    let window = u32::try_from(scenario.stream.window)?;
    let packager =
        LivePackager::spawn(&fixture.source, folder.path(), "live", fixture.target_duration, window)?;
    let playlist = folder.path().join("live.m3u8");
    let began = tokio::time::Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(100));
    while listed(&playlist) < LIVE_SEGMENTS_MIN {
        look.tick().await;
        if began.elapsed() > LIVE_START_LIMIT {
            bail!("ffmpeg published no playlist in {LIVE_START_LIMIT:?}: {}", packager.log().join("\n"));
        }
    }
    Ok((packager, folder))
}

fn listed(playlist: &Path) -> usize {
    std::fs::read_to_string(playlist).map_or(0, |text| text.lines().filter(|l| l.ends_with(".m4s")).count())
}

/// A trial that takes three times the ideal player's time has failed.
const LIMIT_FACTOR: f64 = 3.0;
/// Room for a start and an end of their own.
const LIMIT_TD: f64 = 5.0;
const HORIZON_TD: f64 = 12.0;
/// RFC 8216, 6.2.2: a playlist worth joining has three target durations.
const LIVE_SEGMENTS_MIN: usize = 3;
const LIVE_START_LIMIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::DEFAULT_RUN;
    use crate::fixtures::tests::folder_as;

    #[test]
    fn a_lap_of_joined_segments_is_as_long_and_ends_with_what_is_left() {
        let bars = fixtures::tests::made("bars");
        let (single, joined) = (media_of(&bars, &[]).expect("media"), media_of(&bars, &[2]).expect("joined"));
        assert!((joined.lap_s() - single.lap_s()).abs() < 1e-9, "{} {}", joined.lap_s(), single.lap_s());
        let segments = &joined.segments;
        assert_eq!(segments.len(), single.segments.len().div_ceil(2));
        assert_eq!(segments[0].duration_s, single.segments[0].duration_s + single.segments[1].duration_s);
        assert_eq!(
            segments.last().map(|last| last.duration_s),
            single.segments.last().map(|last| last.duration_s)
        );
    }

    #[test]
    fn what_the_media_are_not_made_for_is_refused() {
        let made = ["bars", "bars-small", "bars-long"].map(|name| MadeFixture {
            fixture: name.into(),
            run: DEFAULT_RUN,
            folder: folder_as(name, DEFAULT_RUN),
        });
        let refused = |more: &str| {
            let text = format!("summary = 'x'\nuntil = 'segment 112'\n{more}");
            let checked = check(&made, &Scenario::parse(&text).expect("readable"));
            checked.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let variant = |fixture: &str| refused(&format!("[[variant]]\nfixture = '{fixture}'\nbandwidth = 1"));
        assert_eq!(variant("bars-small"), "");
        assert!(
            variant("bars-long").starts_with("[[variant]] fixture = \"bars-long\": its segments are not")
        );
        let corrupt =
            |frame: u32| refused(&format!("[[fault]]\non = 'segment 104'\nmedia = 'corrupt frame {frame}'"));
        assert_eq!(corrupt(20), "");
        assert!(corrupt(99).contains("\"corrupt frame 99\""), "{}", corrupt(99));
        assert_eq!(refused("[stream]\nfixture = 'elsewhere'"), "", "what is of no consequence is not read");
    }
}
