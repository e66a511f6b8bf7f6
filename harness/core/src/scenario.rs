//! The scenario file: a stream, its faults, and what a viewer may expect.
//!
//! Read with `deny_unknown_fields` throughout; every mistake is shown at its line with the way out.

pub(crate) mod check;
mod expect;
mod hint;
pub mod reference;
pub mod schema;
mod stream;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::Spanned;

use crate::action::{Action, AppSettings, PageSettings};
use crate::fault::Fault;
use crate::notation::{Moment, Span};
pub use expect::{ExpectSettings, Outcome};
pub use stream::{
    Audio, Byterange, Cache, Clock, Dates, Encoder, Init, Kind, LineEnds, List, MapPlace, Names, Naming,
    Packager, PlaylistSettings, Restart, Retain, Sequence, StreamSettings, TagOrder, Timestamps, Uris,
    Variant,
};

/// One `scenario.toml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence: what happens, and what a right player makes of it.
    #[schemars(extend("examples" = ["An edge miss: the first answer for a segment is 404, the second is right."]))]
    pub summary: String,
    /// The sections it rests on.
    #[schemars(extend("examples" = [["RFC 8216 6.3.5"]]))]
    #[serde(default)]
    pub cites: Vec<String>,
    /// The field bug it reproduces, as `owner/repo#number`.
    #[schemars(extend("examples" = ["owner/repo#123"]))]
    pub source: Option<String>,
    /// The trial ends when the last frame of this segment has passed the playhead: `segment 112`.
    #[schemars(with = "Option<Moment>", extend("examples" = ["segment 112"]))]
    pub until: Option<Spanned<Moment>>,
    /// Stream time after which a trial that has not ended has failed; default: three times the expected time.
    #[schemars(extend("examples" = ["60s"]))]
    pub limit: Option<Span>,
    /// Above this speed the scenario is run at this speed.
    #[schemars(range(min = 1.0, max = check::SPEED_MAX), extend("examples" = [2.0]))]
    pub max_speed: Option<f64>,
    /// What a player must be able to do; others skip the scenario.
    #[schemars(extend("examples" = [["stop"]]))]
    #[serde(default)]
    pub needs: Vec<Need>,
    /// How the stream breaks RFC 8216 on purpose, by the names of the self-check's findings.
    #[schemars(with = "Vec<schema::Finding>", extend("examples" = [["sequence-decreased"]]))]
    #[serde(default)]
    pub illegal: Vec<String>,
    /// What a player does wrong that this scenario would catch, where no player at hand does it.
    #[schemars(extend("examples" = ["Plays the end of the window twice after a rewind."]))]
    pub guards: Option<String>,
    /// What is published, and when.
    #[serde(default)]
    pub stream: StreamSettings,
    /// How the Media Playlist is written down.
    #[serde(default)]
    pub playlist: PlaylistSettings,
    /// From which segment on the media are others.
    #[serde(default)]
    #[schemars(with = "Vec<Restart>", length(max = check::RESTARTS_MAX))]
    pub restart: Vec<Spanned<Restart>>,
    /// Further variants of a Multivariant Playlist.
    #[serde(default)]
    #[schemars(length(max = check::VARIANTS_MAX - 1))]
    pub variant: Vec<Variant>,
    /// The sound has a Media Playlist of its own, and the stream's fixture has none.
    pub audio: Option<Audio>,
    /// What goes wrong.
    #[serde(default)]
    #[schemars(with = "Vec<Fault>")]
    pub fault: Vec<Spanned<Fault>>,
    /// What the viewer, the machine or the engine does meanwhile.
    #[serde(default)]
    #[schemars(with = "Vec<Action>")]
    pub action: Vec<Spanned<Action>>,
    /// What holds for the page from its beginning.
    #[serde(default)]
    pub page: PageSettings,
    /// Settings of the app around the player.
    #[serde(default)]
    pub app: AppSettings,
    /// What must be so.
    #[serde(default)]
    pub expect: ExpectSettings,
}

/// An ability of a player, as `can` in player.toml and `needs` in a scenario name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// `window.segproof.stop()` and `start(url)`.
    Stop,
    /// Reports errors by the event `segproof-error`.
    Errors,
    /// Plays a Multivariant Playlist.
    Multivariant,
    /// Plays the sound of an Audio Rendition (EXT-X-MEDIA).
    Renditions,
    /// Goes to another variant of a Multivariant Playlist where the one that it plays is lost.
    Failover,
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Need::Stop => "stop",
            Need::Errors => "errors",
            Need::Multivariant => "multivariant",
            Need::Renditions => "renditions",
            Need::Failover => "failover",
        })
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
            .map_err(|error| ScenarioError { message: hint::hinted(error.message()), span: error.span() })?;
        check::check(&scenario, text)?;
        Ok(scenario)
    }

    /// The number of the segment that `until` names.
    pub fn until_msn(&self) -> Option<u64> {
        match self.until.as_ref().map(|until| until.get_ref()) {
            Some(Moment::Published(msn)) => Some(*msn),
            _ => None,
        }
    }

    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.fault.iter().map(|fault| fault.get_ref())
    }

    /// The files beside it that its faults want as the text of a playlist.
    pub fn files(&self) -> Vec<String> {
        self.faults().filter_map(|fault| fault.file.clone()).collect()
    }

    /// Gives the faults that want this file its text.
    pub fn attach(&mut self, file: &str, text: &str) {
        for fault in self.fault.iter_mut().map(Spanned::get_mut).filter(|f| f.file.as_deref() == Some(file)) {
            fault.text = Some(text.to_string());
        }
    }

    /// The player is given a Multivariant Playlist.
    pub fn is_multivariant(&self) -> bool {
        self.stream.multivariant || self.has_more_playlists()
    }

    /// There are Media Playlists beside the stream's own.
    pub fn has_more_playlists(&self) -> bool {
        !self.variant.is_empty() || self.audio.is_some()
    }

    /// The stream breaks RFC 8216 by design: ffmpeg's own retention keeps only one delisted segment, where
    /// 6.2.2 asks for the length of a playlist and more.
    pub fn is_illegal(&self) -> bool {
        self.stream.retain != Retain::Rfc || self.stream.packager == Packager::Ffmpeg
    }

    /// The last segment ever published, where a fault ends the stream.
    pub fn last_msn(&self) -> Option<u64> {
        self.faults().filter(|fault| fault.endlist).find_map(|fault| match fault.from {
            Some(Moment::Published(msn)) => Some(msn),
            _ => None,
        })
    }
}

const FILE_BYTES_MAX: usize = 1 << 20;

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
            ("[[fault]]\non = \"segment 105\"\nsame_as = \"segment 7\"\n", "never published"),
            ("[[fault]]\non = \"playlist\"\nendlist = true\n", "wants `from"),
            ("[[fault]]\non = \"playlist\"\nnth = \"1\"\nstale = true\n", "nothing older"),
            ("[[fault]]\non = \"init\"\nstatus = 99\n", "no final HTTP status"),
            ("[expect]\nav_sync = \"1s\"\n", "40 ms to 400 ms"),
            ("[[fault]]\non = \"playlist\"\nstale = true\n", "nothing older"),
            ("[[fault]]\non = \"playlist\"\nfrom = \"segment 103\"\nstale = true\n", "nothing older"),
            ("[[fault]]\non = \"segment 105\"\nrange = \"ignored\"\n", "set `byterange`"),
            ("[[fault]]\non = \"segment 105\"\nswap = true\n", "several entries"),
            ("[[fault]]\non = \"segment 105\"\nsame_as = \"segment 105\"\n", "another segment"),
            ("[expect]\nnot_shown = [\"segment 5\"]\n", "no trial comes to"),
            ("[expect]\nshown = [\"segment 100..18446744073709551615\"]\n", "no trial comes to"),
            (
                "[[fault]]\non = \"segment 105\"\nfor = \"3td\"\nstatus = 503\n[expect]\nrecover = \"1td\"\n",
                "give one an `until`",
            ),
            (
                "[[fault]]\non = \"playlist\"\nfrom = \"segment 106\"\nendlist = true\n",
                "segment 108 is never published",
            ),
            ("[[fault]]\non = \"playlist\"\nfrom = \"segment 108\"\nendlist = true\n", "the stream's last"),
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
            ("[stream]\nwindow = 0\n", "`window` must be"),
            ("[expect.requests]\n\"sgement\" = \"1\"\n", "names nothing"),
        ] {
            let shown = error(&format!("{head}{body}"));
            assert!(shown.contains(part), "{shown}");
        }
        assert!(error("summary = \"x\"").contains("`until` is missing"));
        assert!(error("summary = \"x\"\n[expect]\noutcome = \"ended\"").contains("shown last"));
    }
}
