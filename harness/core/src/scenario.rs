//! The scenario file: a stream, its faults, and what a viewer may expect.
//!
//! Read with `deny_unknown_fields` throughout; every mistake is shown at its line with the way out.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use crate::action::{self, Action, AppSettings, PageSettings};
use crate::fault::Fault;
use crate::notation::{Counts, Limit, Moment, Span, Target};

/// One `scenario.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence: what happens, and what a right player makes of it.
    pub summary: String,
    /// The sections it rests on.
    #[serde(default)]
    pub cites: Vec<String>,
    /// The field bug it reproduces, as `owner/repo#number`.
    pub source: Option<String>,
    /// The trial ends when the last frame of this segment has passed the playhead: `segment 112`.
    pub until: Option<Spanned<Moment>>,
    /// Stream time after which a trial that has not ended has failed; default: three times the expected time.
    pub limit: Option<Span>,
    /// Above this speed the scenario is run at this speed.
    pub max_speed: Option<f64>,
    /// What a player must be able to do; others skip the scenario.
    #[serde(default)]
    pub needs: Vec<Need>,
    #[serde(default)]
    pub stream: StreamSettings,
    #[serde(default)]
    pub fault: Vec<Spanned<Fault>>,
    /// What the viewer, the machine or the engine does meanwhile.
    #[serde(default)]
    pub action: Vec<Spanned<Action>>,
    /// What holds for the page from its beginning.
    #[serde(default)]
    pub page: PageSettings,
    /// Settings of the app around the player.
    #[serde(default)]
    pub app: AppSettings,
    #[serde(default)]
    pub expect: ExpectSettings,
}

/// An ability of a player, as `can` in player.toml and `needs` in a scenario name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// `window.segproof.stop()` and `start(url)`.
    Stop,
    /// Reports errors by the event `segproof-error`.
    Errors,
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Need::Stop => "stop",
            Need::Errors => "errors",
        })
    }
}

/// `[stream]`: what is published, and when.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSettings {
    /// The name of a folder in fixtures/.
    pub fixture: String,
    /// Who makes playlist and segments.
    pub packager: Packager,
    /// Segments listed, as ffmpeg's -hls_list_size.
    pub window: u64,
    /// Media Sequence Number of the first segment listed in the first playlist.
    pub media_sequence: u64,
    pub clock: Clock,
    /// How far into the newest segment's life the first request falls, 0 up to 1.
    pub phase: f64,
    pub retain: Retain,
}

/// Who makes playlist and segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packager {
    /// The origin, from the fixture's segments.
    Origin,
    /// A real `ffmpeg -re` with the documented command; its files are served as they appear and vanish.
    Ffmpeg,
}

/// When a segment appears in the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// When the durations before it have passed.
    Wall,
    /// As `wall`, but a publication due within 0.4 target durations of a reload moves to that reload.
    Reload,
}

/// How long a segment still answers after it has left the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retain {
    /// As RFC 8216, 6.2.2 asks: its own duration plus that of the longest playlist that listed it.
    Rfc,
    /// As ffmpeg's delete_segments does by default: until one more segment has been published.
    Ffmpeg,
}

/// `[expect]`: what must be so; everything has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectSettings {
    pub outcome: Outcome,
    /// Longest time without an advancing picture, after the first frame.
    pub stall: Limit,
    /// From the first playlist request to the first frame.
    pub start: Limit,
    /// How many GETs there may be for a resource.
    pub requests: BTreeMap<String, Counts>,
    /// Segments that need not be shown although they could have been.
    pub may_skip: Vec<Target>,
}

/// How the session is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Still playing when `until` is reached.
    Playing,
    /// Everything is played out and the media element has ended.
    Ended,
    /// The player has given up, and says so.
    Failed,
}

impl Default for StreamSettings {
    fn default() -> StreamSettings {
        StreamSettings {
            fixture: "bars".into(),
            packager: Packager::Origin,
            window: 5,
            media_sequence: 100,
            clock: Clock::Reload,
            phase: 0.0,
            retain: Retain::Rfc,
        }
    }
}

impl Default for ExpectSettings {
    fn default() -> ExpectSettings {
        let ideal_plus_td = |n| Limit { relative_to_ideal: true, span: Span::TargetDurations(n) };
        ExpectSettings {
            outcome: Outcome::Playing,
            stall: ideal_plus_td(2.0),
            start: ideal_plus_td(3.0),
            requests: BTreeMap::new(),
            may_skip: Vec::new(),
        }
    }
}

/// A mistake in a scenario file.
#[derive(Debug, Clone, Error, PartialEq)]
#[error("{message}")]
pub struct ScenarioError {
    pub message: String,
    /// Bytes of the file it is about.
    pub span: Option<std::ops::Range<usize>>,
}

impl ScenarioError {
    fn at(span: std::ops::Range<usize>, message: impl Into<String>) -> ScenarioError {
        ScenarioError { message: message.into(), span: Some(span) }
    }

    /// The mistake with file, line and caret, as a person wants to read it.
    pub fn render(&self, file: &str, text: &str) -> String {
        let Some(span) = &self.span else { return format!("{file}: {}", self.message) };
        // A span may end up inside a character: it is made to begin and end with whole ones.
        let start = text.floor_char_boundary(span.start);
        let end = text.ceil_char_boundary(span.end);
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_number = text[..start].matches('\n').count() + 1;
        let line = text[line_start..].lines().next().unwrap_or("");
        let column = text[line_start..start].chars().count();
        let carets = text[start..end.clamp(start, (line_start + line.len()).max(start))].chars().count();
        let gutter = " ".repeat(line_number.to_string().len());
        format!(
            "{file}:{line_number}:{}: {}\n{gutter} |\n{line_number} | {line}\n{gutter} | {}{}",
            column + 1,
            self.message,
            " ".repeat(column),
            "^".repeat(carets.max(1))
        )
    }
}

impl Scenario {
    /// Reads and checks a scenario's text.
    pub fn parse(text: &str) -> Result<Scenario, ScenarioError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(ScenarioError {
                message: format!("the file is larger than {FILE_BYTES_MAX} bytes"),
                span: None,
            });
        }
        let scenario: Scenario = toml::from_str(text)
            .map_err(|error| ScenarioError { message: error.message().to_string(), span: error.span() })?;
        scenario.check(text)?;
        Ok(scenario)
    }

    /// The Media Sequence Number that `until` names.
    pub fn until_msn(&self) -> Option<u64> {
        match self.until.as_ref().map(|until| until.get_ref()) {
            Some(Moment::Published(msn)) => Some(*msn),
            _ => None,
        }
    }

    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.fault.iter().map(|fault| fault.get_ref())
    }

    /// The stream breaks RFC 8216 by design: ffmpeg's own retention keeps only one delisted segment, where
    /// 6.2.2 asks for the length of a playlist and more.
    pub fn is_illegal(&self) -> bool {
        self.stream.retain == Retain::Ffmpeg || self.stream.packager == Packager::Ffmpeg
    }

    fn check(&self, text: &str) -> Result<(), ScenarioError> {
        self.check_stream(text)?;
        for fault in &self.fault {
            self.check_fault(fault.get_ref()).map_err(|message| ScenarioError::at(fault.span(), message))?;
        }
        self.check_end(text)?;
        action::check(self).map_err(|(span, message)| ScenarioError { message, span })?;
        for target in self.expect.requests.keys() {
            Target::try_from(target.clone()).map_err(|message| whole_line(text, target, message))?;
        }
        Ok(())
    }

    fn check_stream(&self, text: &str) -> Result<(), ScenarioError> {
        let stream = &self.stream;
        let bounds = [
            ("window", (WINDOW_MIN..=WINDOW_MAX).contains(&stream.window), "3 to 5000 segments"),
            ("media_sequence", stream.media_sequence <= MEDIA_SEQUENCE_MAX, "at most 2^53"),
            ("phase", (0.0..1.0).contains(&stream.phase), "0 up to, but not including, 1"),
            ("max_speed", self.max_speed.is_none_or(|s| (1.0..=16.0).contains(&s)), "1 to 16"),
        ];
        for (key, holds, range) in bounds {
            if !holds {
                return Err(whole_line(text, key, format!("`{key}` must be {range}")));
            }
        }
        if stream.packager == Packager::Ffmpeg && !self.fault.is_empty() {
            return Err(ScenarioError::at(
                self.fault[0].span(),
                "with `packager = \"ffmpeg\"` the files are served as ffmpeg makes them: faults are not possible",
            ));
        }
        Ok(())
    }

    fn check_fault(&self, fault: &Fault) -> Result<(), String> {
        if !fault.acts() {
            return Err("this fault does nothing; give it one of `status`, `delay`, `truncate`, `hang`, `reset`, `stale`, `gap`, `endlist`, `jump`".into());
        }
        if let Some(status) = fault.status
            && !(200..=599).contains(&status)
        {
            return Err(format!("`status = {status}` is no final HTTP status; 200 to 599"));
        }
        if fault.nth.is_some_and(|nth| nth.first == 0) {
            return Err("`nth` counts from 1".into());
        }
        if fault.content_length.is_some() && fault.truncate.is_none() {
            return Err("`content_length` goes with `truncate`".into());
        }
        if fault.gap && !matches!(fault.on, Target::Segments { .. }) {
            return Err("`gap` goes with `on = \"segment N\"`".into());
        }
        if fault.gap && (fault.nth.is_some() || fault.from.is_some() || fault.until.is_some()) {
            return Err("a gap is one for ever: `nth`, `from` and `until` don't go with `gap`".into());
        }
        for (is, name) in [(fault.stale, "stale"), (fault.endlist, "endlist"), (fault.jump.is_some(), "jump")]
        {
            if is && fault.on != Target::Playlist {
                return Err(format!("`{name}` goes with `on = \"playlist\"`"));
            }
        }
        for (is, name) in [(fault.endlist, "endlist"), (fault.jump.is_some(), "jump")] {
            if is && (!matches!(fault.from, Some(Moment::Published(_))) || fault.nth.is_some()) {
                return Err(format!("`{name}` wants `from = \"segment N\"`, and no `nth`"));
            }
        }
        if fault.stale && fault.nth.is_some_and(|nth| nth.first == 1) {
            return Err("the first playlist can't be stale: nothing older was delivered".into());
        }
        if fault.jump.is_some_and(|n| !(1..=JUMP_MAX).contains(&n)) {
            return Err(format!("`jump` is 1 to {JUMP_MAX} segments"));
        }
        if let (Some(Moment::Published(msn)), Some(_)) = (fault.from, fault.jump)
            && msn < self.stream.media_sequence + self.stream.window
        {
            return Err(format!("segment {msn} is in the first playlist already: a jump begins after it"));
        }
        let first_msn = self.stream.media_sequence;
        let horizon = first_msn.saturating_add(UNTIL_SEGMENTS_MAX);
        for moment in [fault.from, fault.until].into_iter().flatten() {
            if let Moment::Published(msn) = moment
                && !(first_msn..=horizon).contains(&msn)
            {
                return Err(format!(
                    "segment {msn} is no moment of this stream: it begins at segment {first_msn} and is followed for {UNTIL_SEGMENTS_MAX} segments"
                ));
            }
        }
        let before_stream = match fault.on {
            Target::Segments { last, .. } => last < first_msn,
            _ => false,
        };
        if before_stream {
            return Err(format!(
                "`{}` is never published: the stream begins at segment {first_msn}",
                fault.on
            ));
        }
        if let (Some(last), Target::Segments { first, .. }) = (self.last_msn(), fault.on)
            && first > last
        {
            return Err(format!("`{}` is never published: the stream ends at segment {last}", fault.on));
        }
        Ok(())
    }

    fn check_end(&self, text: &str) -> Result<(), ScenarioError> {
        match (&self.until, self.expect.outcome) {
            (None, Outcome::Playing) => {
                return Err(ScenarioError {
                    message: "`until` is missing: say when the trial ends, for example until = \"segment 112\" (only `outcome = \"ended\"` or `\"failed\"` can do without)".into(),
                    span: None,
                });
            }
            (Some(until), _) if self.until_msn().is_none() => {
                return Err(ScenarioError::at(until.span(), "`until` names a segment: \"segment 112\""));
            }
            _ => {}
        }
        let Some(until) = self.until_msn() else { return Ok(()) };
        let span = self.until.as_ref().map(|until| until.span()).unwrap_or_default();
        if until < self.stream.media_sequence || self.last_msn().is_some_and(|last| until > last) {
            return Err(ScenarioError::at(span, format!("segment {until} is never published")));
        }
        if until - self.stream.media_sequence > UNTIL_SEGMENTS_MAX {
            return Err(ScenarioError::at(
                span,
                format!("segment {until} is more than {UNTIL_SEGMENTS_MAX} segments into the stream"),
            ));
        }
        let _ = text;
        Ok(())
    }

    /// The last segment ever published, where a fault ends the stream.
    pub fn last_msn(&self) -> Option<u64> {
        self.faults().filter(|fault| fault.endlist).find_map(|fault| match fault.from {
            Some(Moment::Published(msn)) => Some(msn),
            _ => None,
        })
    }
}

/// Points at the line that sets `key`; used for values whose types carry no place of their own.
fn whole_line(text: &str, key: &str, message: String) -> ScenarioError {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let name = line.split('=').next().unwrap_or("").trim().trim_matches('"');
        if name == key {
            return ScenarioError::at(start..start + line.trim_end().len(), message);
        }
        start += line.len();
    }
    ScenarioError { message, span: None }
}

const FILE_BYTES_MAX: usize = 1 << 20;
/// RFC 8216, 6.2.2: a live playlist never gets shorter than three target durations.
const WINDOW_MIN: u64 = 3;
const WINDOW_MAX: u64 = 5_000;
const UNTIL_SEGMENTS_MAX: u64 = 10_000;
const JUMP_MAX: u64 = 5_000;
/// Times of a stream stay exact far below this; above it, sums of sequence numbers would overflow.
const MEDIA_SEQUENCE_MAX: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match Scenario::parse(text) {
            Ok(_) => panic!("accepted:\n{text}"),
            Err(error) => error.render("scenario.toml", text),
        }
    }

    #[test]
    fn the_shortest_scenario_has_strict_defaults() {
        let scenario = Scenario::parse("summary = \"plays\"\nuntil = \"segment 108\"").unwrap();
        assert_eq!(scenario.stream.window, 5);
        assert_eq!(scenario.expect.stall.ms(100.0, 2000.0), 4100.0);
        assert_eq!(scenario.expect.outcome, Outcome::Playing);
    }

    #[test]
    fn a_typo_is_shown_at_its_place_with_the_allowed_keys() {
        insta::assert_snapshot!(error(
            "summary = \"x\"\nuntil = \"segment 108\"\n\n[[fault]]\non = \"segment 105\"\nstauts = 404\n"
        ));
    }

    #[test]
    fn a_wrong_value_is_shown_at_its_place() {
        insta::assert_snapshot!(error(
            "summary = \"x\"\nuntil = \"segment 108\"\n[[fault]]\non = \"sgement 105\"\nstatus = 404\n"
        ));
    }

    #[test]
    fn contradictions_are_found() {
        let head = "summary = \"x\"\nuntil = \"segment 108\"\n";
        for (body, part) in [
            ("[[fault]]\non = \"init\"\n", "does nothing"),
            ("[[fault]]\non = \"init\"\nstale = true\n", "goes with `on = \"playlist\"`"),
            ("[[fault]]\non = \"segment 7\"\nstatus = 404\n", "never published"),
            ("[[fault]]\non = \"playlist\"\nendlist = true\n", "wants `from"),
            ("[[fault]]\non = \"playlist\"\nnth = \"1\"\nstale = true\n", "nothing older"),
            ("[[fault]]\non = \"init\"\nstatus = 99\n", "no final HTTP status"),
            (
                "[[fault]]\non = \"playlist\"\nfrom = \"segment 106\"\nendlist = true\n",
                "segment 108 is never published",
            ),
            (
                "[[fault]]\non = \"playlist\"\nfrom = \"segment 7\"\nstatus = 404\n",
                "no moment of this stream",
            ),
            ("[[fault]]\non = \"playlist\"\nfrom = \"segment 106\"\njump = 90000\n", "`jump` is 1 to"),
            (
                "[[fault]]\non = \"playlist\"\nfrom = \"segment 104\"\njump = 3\n",
                "in the first playlist already",
            ),
            ("[stream]\nmedia_sequence = 9223372036854775807\n", "`media_sequence` must be"),
            ("[stream]\nphase = 1.5\n", "`phase` must be"),
            ("[stream]\nwindow = 1\n", "`window` must be"),
            ("[expect.requests]\n\"sgement\" = \"1\"\n", "names nothing"),
        ] {
            let shown = error(&format!("{head}{body}"));
            assert!(shown.contains(part), "{shown}");
        }
        assert!(error("summary = \"x\"").contains("`until` is missing"));
    }
}
