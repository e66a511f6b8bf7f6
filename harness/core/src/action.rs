//! What happens on the viewer's side of a scenario: actions of the viewer, the machine or the engine, conditions
//! of the page, and settings of the app around the player.
//!
//! Here are the words of the scenario file and the checks on them. [`cues`] decides when an action is due; what
//! it means for the judge is read from the trace by [`conduct`](crate::conduct).

pub mod cues;

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::notation::{Moment, Shift, Span, pattern};
use crate::scenario::{Need, Outcome, Scenario};
pub use cues::{Command, Cues, SeekTo};

/// One `[[action]]`: something happens in the page, to its machine or in its engine.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// When it is due; once.
    pub at: Cue,
    /// What happens.
    #[schemars(extend("examples" = ["pause"]))]
    pub page: Deed,
    /// `seek`: where to; `evict`: the segment that is dropped (without it, what lies behind the playhead).
    pub to: Option<Place>,
    /// After so much stream time the opposite happens by itself.
    #[serde(rename = "for")]
    pub lasts: Option<Span>,
    /// `clock`: how far Date jumps.
    #[schemars(extend("examples" = ["1h"]))]
    pub by: Option<Shift>,
    /// `quota`: what a SourceBuffer may hold. Without it every append is refused.
    #[schemars(range(min = 1), extend("examples" = [3_000_000]))]
    pub bytes: Option<u64>,
}

/// What happens, as the scenario file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// The viewer pauses.
    Pause,
    /// The viewer presses play: a gesture, too, where `autoplay` is denied.
    Play,
    /// The viewer seeks, `to` a place.
    Seek,
    /// `window.segproof.stop()`.
    Stop,
    /// `window.segproof.start(url)`.
    Start,
    /// The tab goes to the background.
    Hide,
    /// The tab comes back.
    Show,
    /// The network is gone, and the browser says so.
    Offline,
    /// The network is back.
    Online,
    /// The laptop's lid is shut: the browser's processes are stopped.
    Sleep,
    /// The page's main thread is busy.
    Block,
    /// Date jumps.
    Clock,
    /// Appends throw QuotaExceededError.
    Quota,
    /// The next `updateend` never reaches the page.
    LoseUpdateend,
    /// The engine drops media that nobody asked it to drop.
    Evict,
}

/// What is known to have happened in the page: the deeds of the file, their ends, and what held from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Pause,
    Play,
    Seek,
    Stop,
    Start,
    Hide,
    Show,
    Offline,
    Online,
    Sleep,
    Wake,
    Block,
    Unblock,
    Clock,
    Quota,
    QuotaOver,
    LoseUpdateend,
    Evict,
    /// Nothing plays before an action `play`.
    AutoplayDenied,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// When an action is due.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!("((segment|listed|requested) [0-9]+|", span, ")")), extend("examples" = ["segment 108", "listed 108", "requested 108", "8s"]))]
pub enum Cue {
    /// The segment's first frame has reached the playhead.
    Shown(u64),
    /// The first playlist that lists the segment has been delivered.
    Listed(u64),
    /// The segment has been asked for.
    Requested(u64),
    /// Stream time.
    At(Span),
}

impl Cue {
    fn msn(self) -> Option<u64> {
        match self {
            Cue::Shown(msn) | Cue::Listed(msn) | Cue::Requested(msn) => Some(msn),
            Cue::At(_) => None,
        }
    }
}

impl TryFrom<String> for Cue {
    type Error = String;

    fn try_from(text: String) -> Result<Cue, String> {
        let number =
            |msn: &str| msn.trim().parse().map_err(|_| format!("{msn:?} is no Media Sequence Number"));
        match text.split_once(' ') {
            Some(("segment", msn)) => return Ok(Cue::Shown(number(msn)?)),
            Some(("listed", msn)) => return Ok(Cue::Listed(number(msn)?)),
            Some(("requested", msn)) => return Ok(Cue::Requested(number(msn)?)),
            _ => {}
        }
        Span::try_from(text.clone()).map(Cue::At).map_err(|_| {
            format!(
                "{text:?} is no moment of a session; write \"segment 108\" (its first frame is shown), \"listed 108\", \"requested 108\", or stream time: \"8s\", \"4td\""
            )
        })
    }
}

impl std::fmt::Display for Cue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cue::Shown(msn) => write!(f, "segment {msn}"),
            Cue::Listed(msn) => write!(f, "listed {msn}"),
            Cue::Requested(msn) => write!(f, "requested {msn}"),
            Cue::At(span) => write!(f, "{span}"),
        }
    }
}

/// A place in the media.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!("(segment [0-9]+|live|[+-]", span, ")")), extend("examples" = ["segment 104", "-8s", "live"]))]
pub enum Place {
    /// The segment's first frame.
    Segment(u64),
    /// From where the playhead is.
    By(Shift),
    /// The end of what can be sought.
    Live,
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Place, String> {
        let wrong = || {
            format!(
                "{text:?} is no place; write \"segment 104\", \"-8s\" or \"+6s\" (from the playhead), or \"live\""
            )
        };
        if text == "live" {
            return Ok(Place::Live);
        }
        if let Some(msn) = text.strip_prefix("segment ") {
            return msn.trim().parse().map(Place::Segment).map_err(|_| wrong());
        }
        if !text.starts_with(['+', '-']) {
            return Err(wrong());
        }
        Shift::try_from(text.clone()).map(Place::By).map_err(|_| wrong())
    }
}

/// `[page]`: what holds from the page's beginning.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PageSettings {
    /// Whether the page may play without a gesture.
    pub autoplay: Autoplay,
    /// As the action `quota`, from the beginning.
    #[schemars(range(min = 1), extend("examples" = [3_000_000]))]
    pub quota_bytes: Option<u64>,
    /// How far Date is off.
    #[schemars(extend("examples" = ["1h"]))]
    pub clock: Option<Shift>,
}

/// Whether a page may play without a gesture of the viewer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Autoplay {
    /// As the browser is started by the suite: everything plays.
    #[default]
    Allowed,
    /// play() rejects with NotAllowedError, muted or not, and the attribute has no effect, until an action `play`.
    Denied,
}

/// `[app]`: settings of the app around the player, as a reporter of a bug would name them. They reach the page
/// as query parameters; a player's shim maps those that its player.toml lists.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AppSettings {
    /// How far behind the live edge it plays.
    pub live_delay: Option<Span>,
    /// How much it keeps behind the playhead.
    pub back_buffer: Option<Span>,
    /// Where it begins to play.
    pub start: Option<Start>,
    /// Whether it begins to play by itself.
    #[schemars(extend("examples" = [false]))]
    pub autoplay: Option<bool>,
}

/// The name of one of the [`AppSettings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AppSetting {
    LiveDelay,
    BackBuffer,
    Start,
    Autoplay,
}

impl std::fmt::Display for AppSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// Where the app begins to play.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!("(live|first|-", span, ")")), extend("examples" = ["live", "first", "-10s"]))]
pub enum Start {
    Live,
    /// The first segment listed.
    First,
    /// So far before the live edge.
    Before(Span),
}

impl TryFrom<String> for Start {
    type Error = String;

    fn try_from(text: String) -> Result<Start, String> {
        match text.as_str() {
            "live" => Ok(Start::Live),
            "first" => Ok(Start::First),
            _ => text
                .strip_prefix('-')
                .and_then(|span| Span::try_from(span.to_string()).ok())
                .map(Start::Before)
                .ok_or_else(|| {
                    format!(
                        "{text:?} is no start; write \"live\", \"first\" or \"-10s\" (from the live edge)"
                    )
                }),
        }
    }
}

impl AppSettings {
    /// The settings that are made, as query parameters: durations in seconds.
    pub fn parameters(&self, target_duration_ms: f64) -> Vec<(AppSetting, String)> {
        let seconds = |span: Span| (span.ms(target_duration_ms) / 1000.0).to_string();
        let start = |start| match start {
            Start::Live => "live".to_string(),
            Start::First => "first".to_string(),
            Start::Before(span) => format!("-{}", seconds(span)),
        };
        let all = [
            (AppSetting::LiveDelay, self.live_delay.map(seconds)),
            (AppSetting::BackBuffer, self.back_buffer.map(seconds)),
            (AppSetting::Start, self.start.map(start)),
            (AppSetting::Autoplay, self.autoplay.map(|autoplay| autoplay.to_string())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// What the page's conditions script is told; times are stream milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conditions {
    pub autoplay_denied: bool,
    pub quota_bytes: Option<u64>,
    pub clock_ms: f64,
}

/// The conditions a page is put under; `None` leaves the page alone with the probe.
pub fn conditions(scenario: &Scenario, target_duration_ms: f64) -> Option<Conditions> {
    let page = &scenario.page;
    if scenario.action.is_empty() && *page == PageSettings::default() {
        return None;
    }
    Some(Conditions {
        autoplay_denied: page.autoplay == Autoplay::Denied,
        quota_bytes: page.quota_bytes,
        clock_ms: page.clock.map_or(0.0, |shift| shift.ms(target_duration_ms)),
    })
}

/// The highest speed at which the scenario's actions and expectations still are what they say, with its own `max_speed`.
///
/// After a stretch without a running page its scripts have much to make up for, and they are not warped: at a high
/// speed that alone would look like a stall. Before a hole that an eviction leaves, Chromium stops a tenth of a
/// second of wall time early: at speed 4 that is so far away that players don't see the hole as the cause.
pub fn speed_max(scenario: &Scenario) -> Option<f64> {
    let is_hard = |action: &Action| match action.page {
        Deed::Hide | Deed::Sleep | Deed::Block => true,
        Deed::Evict => action.to.is_some(),
        _ => false,
    };
    let of_actions = actions(scenario).any(is_hard).then_some(HARD_SPEED_MAX);
    // Faster, engines stretch sound, and beeps are no beeps any more.
    let of_sound = hears(scenario).then_some(1.0);
    let of_rate = scenario.expect.requests_per_td.map(|_| RATE_SPEED_MAX);
    [scenario.max_speed, of_actions, of_sound, of_rate].into_iter().flatten().reduce(f64::min)
}

/// Whether the page's sound is to be listened to.
pub fn hears(scenario: &Scenario) -> bool {
    scenario.expect.av_sync.is_some()
}

/// Whether the trial must be able to stop the browser's processes.
pub fn sleeps(scenario: &Scenario) -> bool {
    actions(scenario).any(|action| action.page == Deed::Sleep)
}

pub fn actions(scenario: &Scenario) -> impl Iterator<Item = &Action> {
    scenario.action.iter().map(|action| action.get_ref())
}

/// A mistake, and the bytes of the file it is about.
type Mistake = (Option<Range<usize>>, String);

/// Finds what the scenario's actions and conditions can't mean.
pub fn check(scenario: &Scenario) -> Result<(), Mistake> {
    for action in &scenario.action {
        check_action(scenario, action.get_ref()).map_err(|message| (Some(action.span()), message))?;
    }
    if scenario.page.quota_bytes == Some(0) {
        return Err((None, "`quota_bytes = 0` leaves no room at all".into()));
    }
    let is_denied = scenario.page.autoplay == Autoplay::Denied;
    let plays = actions(scenario).any(|action| action.page == Deed::Play);
    if is_denied && !plays && scenario.expect.outcome != Outcome::Failed {
        let message = "with `autoplay = \"denied\"` nothing ever plays: add an action with `page = \"play\"`";
        return Err((None, message.into()));
    }
    Ok(())
}

fn check_action(scenario: &Scenario, action: &Action) -> Result<(), String> {
    check_keys(action)?;
    check_cue(scenario, action.at)?;
    if let Some(Place::Segment(msn)) = action.to
        && msn < scenario.stream.media_sequence
    {
        return Err(format!(
            "segment {msn} is never published: the stream begins at segment {}",
            scenario.stream.media_sequence
        ));
    }
    if matches!(action.page, Deed::Stop | Deed::Start) && !scenario.needs.contains(&Need::Stop) {
        return Err(
            "not every player can be stopped from outside: add `needs = [\"stop\"]` to the scenario".into()
        );
    }
    let before = match action.page {
        Deed::Show => Some((Deed::Hide, "hide")),
        Deed::Online => Some((Deed::Offline, "offline")),
        Deed::Start => Some((Deed::Stop, "stop")),
        _ => None,
    };
    if let Some((deed, name)) = before
        && !actions(scenario).any(|other| other.page == deed)
    {
        return Err(format!("there is no action `{name}` that this one would undo"));
    }
    Ok(())
}

/// Which keys go with which deed.
fn check_keys(action: &Action) -> Result<(), String> {
    use Deed::*;
    let page = action.page;
    let keys: [(&str, bool, &[Deed], &str); 4] = [
        ("to", action.to.is_some(), &[Seek, Evict], "`seek` and `evict`"),
        (
            "for",
            action.lasts.is_some(),
            &[Pause, Stop, Hide, Offline, Sleep, Block, Quota],
            "`pause`, `stop`, `hide`, `offline`, `sleep`, `block` and `quota`",
        ),
        ("by", action.by.is_some(), &[Clock], "`clock`"),
        ("bytes", action.bytes.is_some(), &[Quota], "`quota`"),
    ];
    for (key, is_there, deeds, names) in keys {
        if is_there && !deeds.contains(&page) {
            return Err(format!("`{key}` goes with {names}"));
        }
    }
    let missing = match page {
        Seek if action.to.is_none() => {
            "`seek` wants `to`, for example to = \"segment 104\", \"-8s\" or \"live\""
        }
        Sleep | Block if action.lasts.is_none() => "it must end: add for example for = \"2s\"",
        Clock if action.by.is_none() => "`clock` wants `by`, for example by = \"1h\"",
        Quota if action.bytes.is_none() && action.lasts.is_none() => {
            "`quota` wants `bytes` (what a SourceBuffer may hold), `for` (how long every append is refused), or both"
        }
        _ => "",
    };
    if !missing.is_empty() {
        return Err(missing.into());
    }
    if let (Evict, Some(to)) = (page, action.to)
        && !matches!(to, Place::Segment(_))
    {
        return Err("what the engine drops is named by `to = \"segment 104\"`; without `to` it is what lies behind the playhead".into());
    }
    if let (Block, Some(Span::Ms(ms))) = (page, action.lasts)
        && !(BLOCK_MS_MIN..=BLOCK_MS_MAX).contains(&ms)
    {
        return Err(
            "a main thread is blocked for 0.5s to 3s; a machine that is away for longer is `sleep`".into()
        );
    }
    if action.bytes == Some(0) {
        return Err("`bytes = 0` leaves no room at all; without `bytes` every append is refused for the time of `for`".into());
    }
    Ok(())
}

fn check_cue(scenario: &Scenario, cue: Cue) -> Result<(), String> {
    let Some(msn) = cue.msn() else { return Ok(()) };
    let first = scenario.stream.media_sequence;
    if msn < first {
        return Err(format!("`{cue}` never comes: the stream begins at segment {first}"));
    }
    if let Some(Moment::Published(until)) = scenario.until.as_ref().map(|until| *until.get_ref())
        && msn > until
    {
        return Err(format!("`{cue}` never comes: the trial ends with segment {until}"));
    }
    Ok(())
}

const HARD_SPEED_MAX: f64 = 2.0;
/// A flood asks again when it was answered, and answers come no faster: at speed 8 a machine with much to do was seen to hold one
/// up to twelve requests a target duration, where it made a hundred and more at speed 4.
const RATE_SPEED_MAX: f64 = 4.0;
/// What lasts less is no block that a viewer would notice.
const BLOCK_MS_MIN: f64 = 500.0;
const BLOCK_MS_MAX: f64 = 3_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: TryFrom<String>>(text: &str) -> Result<T, T::Error> {
        T::try_from(text.to_string())
    }

    #[test]
    fn cues_and_places() {
        assert_eq!(read::<Cue>("segment 108"), Ok(Cue::Shown(108)));
        assert_eq!(read::<Cue>("listed 108"), Ok(Cue::Listed(108)));
        assert_eq!(read::<Cue>("requested 108"), Ok(Cue::Requested(108)));
        assert_eq!(read::<Cue>("4td"), Ok(Cue::At(Span::TargetDurations(4.0))));
        for wrong in ["segment", "segment x", "shown 108", "", "-4s"] {
            assert!(read::<Cue>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read::<Place>("segment 104"), Ok(Place::Segment(104)));
        assert_eq!(read::<Place>("live"), Ok(Place::Live));
        assert!(matches!(read::<Place>("-8s"), Ok(Place::By(by)) if by.ms(0.0) == -8000.0));
        for wrong in ["8s", "edge", "segment -1"] {
            assert!(read::<Place>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shifts() {
        for (text, ms) in [
            ("1h", 3_600_000.0),
            ("-90min", -5_400_000.0),
            ("+6s", 6000.0),
            ("-2td", -4000.0),
            ("250ms", 250.0),
        ] {
            assert_eq!(read::<Shift>(text).map(|shift| shift.ms(2000.0)), Ok(ms), "{text}");
        }
        for wrong in ["", "h", "--1h", "1d", "-", "999999999999h"] {
            assert!(read::<Shift>(wrong).is_err(), "{wrong}");
        }
    }

    fn parse(more: &str) -> Result<Scenario, String> {
        let text = format!("summary = \"x\"\nuntil = \"segment 112\"\n{more}");
        Scenario::parse(&text).map_err(|error| error.render("scenario.toml", &text))
    }

    #[test]
    fn settings_become_query_parameters_in_seconds() {
        let scenario = parse("[app]\nlive_delay = \"3td\"\nstart = \"-10s\"\nautoplay = true\n").unwrap();
        let parameters = scenario.app.parameters(2000.0);
        let shown: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["live_delay=6", "start=-10", "autoplay=true"]);
        assert!(parse("[app]\nstart = \"soon\"\n").unwrap_err().contains("is no start"));
    }

    #[test]
    fn a_page_is_left_alone_unless_something_is_asked() {
        assert_eq!(conditions(&parse("").unwrap(), 2000.0), None);
        let scenario = parse("[page]\nclock = \"-1h\"\nquota_bytes = 5\n").unwrap();
        let conditions = conditions(&scenario, 2000.0).unwrap();
        assert_eq!((conditions.clock_ms, conditions.quota_bytes), (-3_600_000.0, Some(5)));
        assert!(conditions_of("at = \"8s\"\npage = \"pause\"").is_some());
    }

    fn conditions_of(action: &str) -> Option<Conditions> {
        conditions(&parse(&format!("[[action]]\n{action}\n")).unwrap(), 2000.0)
    }

    #[test]
    fn what_stops_the_page_limits_the_speed_and_moves_the_end() {
        let sleep = "[[action]]\nat = \"segment 104\"\npage = \"sleep\"\nfor = \"10td\"\n";
        let scenario = parse(sleep).unwrap();
        assert_eq!(speed_max(&scenario), Some(2.0));
        assert!(sleeps(&scenario));
        assert_eq!(speed_max(&parse(&format!("max_speed = 1.0\n{sleep}")).unwrap()), Some(1.0));
        assert_eq!(speed_max(&parse("[[action]]\nat = \"8s\"\npage = \"pause\"\n").unwrap()), None);
    }

    #[test]
    fn a_limit_on_the_rate_of_requests_limits_the_speed() {
        let scenario = parse("[expect]\nrequests_per_td = 12\n").unwrap();
        assert_eq!(speed_max(&scenario), Some(RATE_SPEED_MAX));
    }

    #[test]
    fn contradictions_are_found_and_say_the_way_out() {
        for (body, part) in [
            ("at = \"segment 104\"\npage = \"seek\"", "`seek` wants `to`"),
            ("at = \"segment 104\"\npage = \"pause\"\nto = \"live\"", "`to` goes with `seek` and `evict`"),
            ("at = \"segment 104\"\npage = \"seek\"\nto = \"segment 7\"", "never published"),
            ("at = \"segment 104\"\npage = \"sleep\"", "it must end"),
            ("at = \"segment 104\"\npage = \"block\"\nfor = \"1td\"\nby = \"1h\"", "`by` goes with `clock`"),
            ("at = \"segment 104\"\npage = \"block\"\nfor = \"9s\"", "0.5s to 3s"),
            ("at = \"segment 104\"\npage = \"clock\"", "`clock` wants `by`"),
            ("at = \"segment 104\"\npage = \"quota\"", "`quota` wants `bytes`"),
            ("at = \"segment 104\"\npage = \"evict\"\nto = \"live\"", "behind the playhead"),
            ("at = \"segment 104\"\npage = \"stop\"", "needs = [\"stop\"]"),
            ("at = \"segment 104\"\npage = \"show\"", "no action `hide`"),
            ("at = \"segment 7\"\npage = \"pause\"", "begins at segment 100"),
            ("at = \"listed 113\"\npage = \"pause\"", "ends with segment 112"),
            ("at = \"segment 104\"\npage = \"freeze\"", "unknown variant"),
            ("at = \"segment 104\"\npage = \"pause\"\nuntil = \"8s\"", "unknown field"),
        ] {
            let shown = parse(&format!("[[action]]\n{body}\n")).expect_err(body);
            assert!(shown.contains(part), "{shown}");
        }
        let denied = parse("[page]\nautoplay = \"denied\"\n").unwrap_err();
        assert!(denied.contains("add an action with `page = \"play\"`"), "{denied}");
    }
}
