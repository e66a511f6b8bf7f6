//! The small notations inside a scenario's strings: `2td`, `segment 105`, `2..4`, `50%`, `ideal + 2td`.
//!
//! Each is read once, when the file is read, so that a mistake is shown at its place in the file.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Patterns of the notations, for editors that check a scenario against its schema. They are for the usual way to
/// write a thing; what is right and what is wrong is decided by the readers below.
macro_rules! pattern {
    (@ span) => {
        r"([0-9]+(\.[0-9]+)?|\.[0-9]+) ?(ms|s|min|h|td)"
    };
    (@ counts) => {
        r"[0-9]+(\.\.[0-9]*)?"
    };
    (@ part) => {
        r"([0-9]+|[0-9]+(\.[0-9]+)?%)"
    };
    (@ $text:literal) => {
        $text
    };
    ($($part:tt),+) => {
        concat!("^", $($crate::notation::pattern!(@ $part)),+, "$")
    };
}
pub(crate) use pattern;

/// A duration of stream time: `1.5s`, `250ms` or `2td` (target durations).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = pattern!(span)), extend("examples" = ["1.5s", "250ms", "2td"]))]
pub enum Span {
    Ms(f64),
    TargetDurations(f64),
}

impl Span {
    /// Stream milliseconds, given the target duration in milliseconds.
    pub fn ms(self, target_duration_ms: f64) -> f64 {
        match self {
            Span::Ms(ms) => ms,
            Span::TargetDurations(n) => n * target_duration_ms,
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Span, String> {
        let wrong = || {
            format!(
                "{text:?} is no duration; write for example \"250ms\", \"1.5s\" or \"2td\" (target durations)"
            )
        };
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
        let span = match text[digits..].trim_start() {
            "ms" => Span::Ms(number),
            "s" => Span::Ms(number * 1000.0),
            "min" => Span::Ms(number * 60_000.0),
            "h" => Span::Ms(number * 3_600_000.0),
            "td" => Span::TargetDurations(number),
            _ => return Err(wrong()),
        };
        let too_long = match span {
            Span::Ms(ms) => ms > SPAN_MS_MAX,
            Span::TargetDurations(n) => n > SPAN_TD_MAX,
        };
        if too_long {
            return Err(format!(
                "{text:?} is too long: at most {}s or {SPAN_TD_MAX}td",
                SPAN_MS_MAX / 1000.0
            ));
        }
        Ok(span)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Ms(ms) if *ms >= 1000.0 => write!(f, "{}s", ms / 1000.0),
            Span::Ms(ms) => write!(f, "{ms}ms"),
            Span::TargetDurations(n) => write!(f, "{n}td"),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

/// What a fault or an expectation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = pattern!(r"(playlist|multivariant|init|\*|segment [0-9]+(\.\.[0-9]+)?)")), extend("examples" = ["segment 105", "segment 105..107", "playlist", "multivariant", "init", "*"]))]
pub enum Target {
    /// The Media Playlist.
    Playlist,
    /// The Multivariant Playlist.
    Multivariant,
    Init,
    /// Segments by their numbers, both ends included.
    Segments {
        first: u64,
        last: u64,
    },
    Any,
}

impl Target {
    /// Whether it names this segment, alone or among others.
    pub fn has_segment(self, msn: u64) -> bool {
        matches!(self, Target::Segments { first, last } if (first..=last).contains(&msn))
    }

    pub fn first_segment(self) -> Option<u64> {
        match self {
            Target::Segments { first, .. } => Some(first),
            _ => None,
        }
    }

    /// How many segments it names whose numbers are below `msn`.
    pub fn segments_below(self, msn: u64) -> u64 {
        match self {
            Target::Segments { first, last } => (last.saturating_add(1)).min(msn).saturating_sub(first),
            _ => 0,
        }
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Target, String> {
        match text.trim() {
            "playlist" => Ok(Target::Playlist),
            "multivariant" => Ok(Target::Multivariant),
            "init" => Ok(Target::Init),
            "*" => Ok(Target::Any),
            other => match other.strip_prefix("segment ").and_then(numbers) {
                Some((first, Some(last))) if first <= last => Ok(Target::Segments { first, last }),
                _ => Err(format!(
                    "{text:?} names nothing; write \"playlist\", \"multivariant\", \"init\", \"segment 105\", \"segment 105..107\" or \"*\""
                )),
            },
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Playlist => f.write_str("playlist"),
            Target::Multivariant => f.write_str("multivariant"),
            Target::Init => f.write_str("init"),
            Target::Any => f.write_str("*"),
            Target::Segments { first, last } if first == last => write!(f, "segment {first}"),
            Target::Segments { first, last } => write!(f, "segment {first}..{last}"),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

/// A range of counts, both ends included: `1`, `2..4`, `3..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = pattern!(counts)), extend("examples" = ["1", "2..4", "3.."]))]
pub struct Counts {
    pub first: u64,
    /// `None`: without end.
    pub last: Option<u64>,
}

impl Counts {
    pub fn contains(&self, n: u64) -> bool {
        n >= self.first && self.last.is_none_or(|last| n <= last)
    }
}

impl TryFrom<String> for Counts {
    type Error = String;

    fn try_from(text: String) -> Result<Counts, String> {
        match numbers(&text) {
            Some((first, last)) if last.is_none_or(|last| first <= last) => Ok(Counts { first, last }),
            _ => Err(format!("{text:?} is no range; write for example \"1\", \"2..4\" or \"3..\"")),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) if last == self.first => write!(f, "{last}"),
            Some(last) => write!(f, "{}..{last}", self.first),
            None => write!(f, "{}..", self.first),
        }
    }
}

impl From<Counts> for String {
    fn from(counts: Counts) -> String {
        counts.to_string()
    }
}

/// Which requests, counted from 1: `1`, `2..4`, `3..`, or each so many: `every 4` (4, 8, 12, ...).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!("(", counts, "|every [0-9]+)")), extend("examples" = ["1", "2..4", "3..", "every 4"]))]
pub enum Nth {
    Range(Counts),
    Every(u64),
}

impl Nth {
    pub fn contains(self, n: u64) -> bool {
        match self {
            Nth::Range(counts) => counts.contains(n),
            Nth::Every(step) => n.is_multiple_of(step),
        }
    }

    /// The first request that is meant.
    pub fn first(self) -> u64 {
        match self {
            Nth::Range(counts) => counts.first,
            Nth::Every(step) => step,
        }
    }
}

impl TryFrom<String> for Nth {
    type Error = String;

    fn try_from(text: String) -> Result<Nth, String> {
        if let Some(step) = text.strip_prefix("every ") {
            return match step.trim().parse() {
                Ok(step) if step > 1 => Ok(Nth::Every(step)),
                _ => Err(format!("{text:?}: `every` wants a number above 1")),
            };
        }
        match Counts::try_from(text.clone()) {
            Ok(counts) if counts.first > 0 => Ok(Nth::Range(counts)),
            Ok(_) => Err("`nth` counts from 1".into()),
            Err(_) => Err(format!(
                "{text:?} is no choice of requests; write for example \"1\", \"2..4\", \"3..\" or \"every 4\""
            )),
        }
    }
}

/// A difference of time, forward or back: `+300s`, `-250ms`, `+2td`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!("[+-]?", span)), extend("examples" = ["+300s", "-250ms", "+2td", "1h"]))]
pub struct Shift {
    pub is_back: bool,
    pub by: Span,
}

impl Shift {
    /// Milliseconds, below zero if it is back.
    pub fn ms(self, target_duration_ms: f64) -> f64 {
        let ms = self.by.ms(target_duration_ms);
        if self.is_back { -ms } else { ms }
    }
}

impl TryFrom<String> for Shift {
    type Error = String;

    fn try_from(text: String) -> Result<Shift, String> {
        let (is_back, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => (false, text.as_str()),
        };
        match Span::try_from(rest.to_string()) {
            Ok(by) => Ok(Shift { is_back, by }),
            Err(_) => Err(format!(
                "{text:?} is no shift; write for example \"+300s\", \"-250ms\", \"1h\" or \"-2td\""
            )),
        }
    }
}

/// Bits per second of stream time: `400 kbit/s`, `1.5 Mbit/s`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!(r"[0-9]+(\.[0-9]+)? (kbit|Mbit)/s")), extend("examples" = ["400 kbit/s", "1.5 Mbit/s"]))]
pub struct Rate {
    pub bits_per_s: f64,
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Rate, String> {
        let wrong = || {
            format!(
                "{text:?} is no rate; write for example \"400 kbit/s\" or \"1.5 Mbit/s\", from 1 kbit/s to 1000 Mbit/s"
            )
        };
        let (number, unit) = [(" kbit/s", 1e3), (" Mbit/s", 1e6)]
            .into_iter()
            .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))
            .ok_or_else(wrong)?;
        let bits_per_s = number.trim().parse::<f64>().map_err(|_| wrong())? * unit;
        if (1e3..=1e9).contains(&bits_per_s) { Ok(Rate { bits_per_s }) } else { Err(wrong()) }
    }
}

/// A wait in the middle of a body: `2s at 50%`, `1td at 1000` (bytes).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!(span, " at ", part)), extend("examples" = ["2s at 50%", "1td at 1000"]))]
pub struct WaitAt {
    pub wait: Span,
    pub at: Part,
}

impl TryFrom<String> for WaitAt {
    type Error = String;

    fn try_from(text: String) -> Result<WaitAt, String> {
        let (wait, at) = text
            .split_once(" at ")
            .ok_or_else(|| format!("{text:?} is no wait in a body; write for example \"2s at 50%\""))?;
        Ok(WaitAt {
            wait: Span::try_from(wait.trim().to_string())?,
            at: Part::try_from(at.trim().to_string())?,
        })
    }
}

/// A moment of the stream: when a segment is published (`segment 112`), or stream time (`8s`, `4td`).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!("(segment [0-9]+|", span, ")")), extend("examples" = ["segment 112", "8s", "4td"]))]
pub enum Moment {
    Published(u64),
    At(Span),
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Moment, String> {
        if let Some(msn) = text.strip_prefix("segment ") {
            return msn
                .trim()
                .parse()
                .map(Moment::Published)
                .map_err(|_| format!("{msn:?} is no Media Sequence Number"));
        }
        Span::try_from(text.clone()).map(Moment::At).map_err(|_| {
            format!("{text:?} is no moment; write \"segment 112\" (its publication) or stream time: \"8s\", \"4td\"")
        })
    }
}

/// A part of a body: `1000` bytes or `50%`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!(part)), extend("examples" = ["50%", "1000"]))]
pub enum Part {
    Bytes(usize),
    Percent(f64),
}

impl Part {
    /// How many of `length` bytes it is; never more than there are.
    pub fn of(self, length: usize) -> usize {
        match self {
            Part::Bytes(n) => n.min(length),
            Part::Percent(p) => (length as f64 * p / 100.0) as usize,
        }
    }
}

impl TryFrom<String> for Part {
    type Error = String;

    fn try_from(text: String) -> Result<Part, String> {
        let wrong = || {
            format!(
                "{text:?} is no part of a body; write a percentage below 100 (\"50%\") or a number of bytes (\"1000\")"
            )
        };
        match text.strip_suffix('%') {
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(p) if (0.0..100.0).contains(&p) => Ok(Part::Percent(p)),
                _ => Err(wrong()),
            },
            None => text.trim().parse().map(Part::Bytes).map_err(|_| wrong()),
        }
    }
}

/// A limit: a span, or one relative to what the ideal player reaches (`ideal + 2td`).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = pattern!(r"(ideal|(ideal ?\+ ?)?", span, ")")), extend("examples" = ["ideal + 2td", "3td", "1.5s"]))]
pub struct Limit {
    pub relative_to_ideal: bool,
    pub span: Span,
}

impl Limit {
    /// The limit in stream milliseconds.
    pub fn ms(&self, ideal_ms: f64, target_duration_ms: f64) -> f64 {
        let span = self.span.ms(target_duration_ms);
        if self.relative_to_ideal { ideal_ms + span } else { span }
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Limit, String> {
        let (relative_to_ideal, span) = match text.strip_prefix("ideal") {
            Some("") => (true, "0ms".to_string()),
            Some(rest) => match rest.trim_start().strip_prefix('+') {
                Some(span) => (true, span.trim().to_string()),
                None => {
                    return Err(format!("{text:?} is no limit; write \"ideal + 2td\", \"3td\" or \"1.5s\""));
                }
            },
            None => (false, text.clone()),
        };
        let span = Span::try_from(span)?;
        Ok(Limit { relative_to_ideal, span })
    }
}

/// `3`, `3..5` or `3..`.
fn numbers(text: &str) -> Option<(u64, Option<u64>)> {
    let text = text.trim();
    match text.split_once("..") {
        None => text.parse().ok().map(|n| (n, Some(n))),
        Some((first, "")) => Some((first.trim().parse().ok()?, None)),
        Some((first, last)) => Some((first.trim().parse().ok()?, Some(last.trim().parse().ok()?))),
    }
}

/// No wait of a scenario is longer than ten hours of stream time.
const SPAN_MS_MAX: f64 = 36_000_000.0;
const SPAN_TD_MAX: f64 = 10_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: TryFrom<String>>(text: &str) -> Result<T, T::Error> {
        T::try_from(text.to_string())
    }

    #[test]
    fn spans() {
        assert_eq!(read::<Span>("1.5s"), Ok(Span::Ms(1500.0)));
        assert_eq!(read::<Span>("250ms"), Ok(Span::Ms(250.0)));
        assert_eq!(read::<Span>("2td").unwrap().ms(2000.0), 4000.0);
        for wrong in ["", "2", "s", "-1s", "2 m", "1.2.3s", "99999td"] {
            assert!(read::<Span>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn which_requests() {
        let nth = |text: &str, upto: u64| {
            let nth = read::<Nth>(text).unwrap();
            (1..=upto).filter(|n| nth.contains(*n)).collect::<Vec<_>>()
        };
        assert_eq!(nth("2..3", 9), [2, 3]);
        assert_eq!(nth("every 4", 9), [4, 8]);
        for wrong in ["0", "every 1", "every x", "4..2", "always", "every"] {
            assert!(read::<Nth>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shifts_rates_and_waits() {
        assert_eq!(read::<Shift>("-250ms").unwrap().ms(2000.0), -250.0);
        assert_eq!(read::<Shift>("+2td").unwrap().ms(2000.0), 4000.0);
        assert_eq!(read::<Rate>("400 kbit/s").unwrap().bits_per_s, 400_000.0);
        assert_eq!(read::<Rate>("1.5 Mbit/s").unwrap().bits_per_s, 1_500_000.0);
        let wait = read::<WaitAt>("2s at 50%").unwrap();
        assert_eq!((wait.wait, wait.at.of(9)), (Span::Ms(2000.0), 4));
        for wrong in ["300", "+", "+-3s", ""] {
            assert!(read::<Shift>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["400", "0 kbit/s", "400 kbps", "-1 Mbit/s", "9999 Mbit/s"] {
            assert!(read::<Rate>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["2s", "2s at", "at 50%", "2s at 100%"] {
            assert!(read::<WaitAt>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn targets() {
        assert_eq!(read::<Target>("segment 105"), Ok(Target::Segments { first: 105, last: 105 }));
        assert_eq!(read::<Target>("segment 105..107"), Ok(Target::Segments { first: 105, last: 107 }));
        for wrong in ["segment", "segment x", "segment 7..5", "segment 5..", "segments 5", ""] {
            assert!(read::<Target>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_and_parts_and_limits() {
        assert!(read::<Counts>("2..4").unwrap().contains(4));
        assert!(!read::<Counts>("2..4").unwrap().contains(5));
        assert!(read::<Counts>("3..").unwrap().contains(9));
        assert!(read::<Counts>("4..2").is_err());
        assert_eq!(read::<Part>("50%").unwrap().of(9), 4);
        assert_eq!(read::<Part>("1000").unwrap().of(9), 9);
        assert!(read::<Part>("100%").is_err());
        assert_eq!(read::<Limit>("ideal + 2td").unwrap().ms(500.0, 2000.0), 4500.0);
        assert_eq!(read::<Limit>("3s").unwrap().ms(500.0, 2000.0), 3000.0);
        assert!(read::<Limit>("idea + 2td").is_err());
    }
}
