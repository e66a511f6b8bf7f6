//! How an edit is written in a scenario.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::{Edit, Edits, Extent, Form, Inserted, Kind, Place, Share, Time};

/// Every edit, as it is written: for whoever wrote one wrong.
pub const FORMS: &[&str] = &[
    "garbage",
    "garbage 25%..50%",
    "garbage 100..200",
    "garbage mdat",
    "corrupt 10%",
    "corrupt audio 10%",
    "corrupt frame 1",
    "corrupt audio frame 1",
    "cut moof",
    "cut mdat",
    "cut moov",
    "cut inside moof",
    "cut inside mdat",
    "cut inside moov",
    "mdat size 50%",
    "mdat size 200%",
    "mdat size 0",
    "tfdt +300s",
    "tfdt -1.5s 32bit",
    "tfdt video +180ms",
    "tfdt audio -20ms",
    "tfdt 0",
    "tfdt audio 0",
    "tfdt wrap 8s",
    "tfdt wrap audio 8s",
    "tfdt 32bit",
    "tfdt 64bit",
    "no key frame",
    "no first key frame",
    "without audio",
    "without video",
    "audio shorter 200ms",
    "video shorter 200ms",
    "audio late 180ms",
    "video late 180ms",
    "audio first",
    "two fragments",
    "box unknown",
    "box emsg",
    "box prft",
    "box sidx",
    "box styp",
    "box unknown in moof",
    "box unknown in traf",
    "box unknown in moov",
    "box unknown in trak",
    "track timecode",
    "avcC profile 100",
];

/// A text that is no edit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no edit of media: {why}; write {}", forms(.text))]
pub struct EditError {
    text: String,
    why: &'static str,
}

/// The forms that begin with the same word, or all.
fn forms(text: &str) -> String {
    let first = text.split_whitespace().next();
    let alike: Vec<_> = FORMS.iter().filter(|form| form.split(' ').next() == first).collect();
    let chosen = if alike.is_empty() { FORMS.iter().collect() } else { alike };
    let quoted: Vec<String> = chosen.iter().map(|form| format!("{form:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

impl TryFrom<String> for Edit {
    type Error = EditError;

    fn try_from(text: String) -> Result<Edit, EditError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        read(&words).map_err(|why| EditError { text, why })
    }
}

fn read(words: &[&str]) -> Result<Edit, &'static str> {
    Ok(match words {
        ["garbage"] => Edit::Garbage(Extent::Body),
        ["garbage", "mdat"] => Edit::Garbage(Extent::Mdat),
        ["garbage", stretch] => Edit::Garbage(extent(stretch)?),
        ["corrupt", "frame", n] => Edit::Corrupt { track: Kind::Video, samples: one(n)? },
        ["corrupt", track, "frame", n] => Edit::Corrupt { track: kind(track)?, samples: one(n)? },
        ["corrupt", share] => Edit::Corrupt { track: Kind::Video, samples: some(share)? },
        ["corrupt", track, share] => Edit::Corrupt { track: kind(track)?, samples: some(share)? },
        ["cut", "inside", kind] => Edit::Cut(Place::Inside(cuttable(kind)?)),
        ["cut", kind] => Edit::Cut(Place::Whole(cuttable(kind)?)),
        ["mdat", "size", size] => Edit::MdatSize { percent: mdat_size(size)? },
        ["tfdt", rest @ ..] => tfdt(rest)?,
        ["no", "key", "frame"] => Edit::NoKeyFrame,
        ["no", "first", "key", "frame"] => Edit::NoFirstKeyFrame,
        ["without", track] => Edit::Without(kind(track)?),
        ["audio", "first"] => Edit::AudioFirst,
        [track @ ("audio" | "video"), "shorter", by] => {
            Edit::Shorter { track: kind(track)?, by_us: positive(by)? }
        }
        [track @ ("audio" | "video"), "late", by] => Edit::Late { track: kind(track)?, by_us: positive(by)? },
        ["two", "fragments"] => Edit::TwoFragments,
        ["box", "unknown", "in", parent] => Edit::Insert(Inserted::UnknownIn(match *parent {
            "moof" => *b"moof",
            "traf" => *b"traf",
            "moov" => *b"moov",
            "trak" => *b"trak",
            _ => return Err("a box goes into moof, traf, moov or trak"),
        })),
        ["box", what] => Edit::Insert(match *what {
            "unknown" => Inserted::Unknown,
            "emsg" => Inserted::Emsg,
            "prft" => Inserted::Prft,
            "sidx" => Inserted::Sidx,
            "styp" => Inserted::Styp,
            _ => return Err("there is no such box to insert"),
        }),
        ["track", "timecode"] => Edit::TimecodeTrack,
        ["avcC", "profile", byte] => Edit::AvcProfile(byte.parse().map_err(|_| "a profile is 0 to 255")?),
        _ => return Err("there is none of this form"),
    })
}

fn kind(word: &str) -> Result<Kind, &'static str> {
    match word {
        "video" => Ok(Kind::Video),
        "audio" => Ok(Kind::Audio),
        _ => Err("a track is \"video\" or \"audio\""),
    }
}

fn cuttable(word: &str) -> Result<[u8; 4], &'static str> {
    match word {
        "moof" => Ok(*b"moof"),
        "mdat" => Ok(*b"mdat"),
        "moov" => Ok(*b"moov"),
        _ => Err("what can be cut is moof, mdat or moov"),
    }
}

fn percent(word: &str) -> Option<f64> {
    let digits = word.strip_suffix('%')?;
    digits.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| digits.parse().ok())?
}

fn one(word: &str) -> Result<Share, &'static str> {
    let n = word.parse().ok().filter(|n| *n > 0).ok_or("frames are counted from 1")?;
    Ok(Share::One(n))
}

fn some(word: &str) -> Result<Share, &'static str> {
    let share = percent(word).filter(|p| *p > 0.0 && *p <= 100.0);
    share.map(Share::Percent).ok_or("a share of samples is above 0% and at most 100%")
}

fn mdat_size(word: &str) -> Result<f64, &'static str> {
    let size = if word == "0" { Some(0.0) } else { percent(word) };
    size.filter(|p| *p <= 1000.0 && *p != 100.0).ok_or("a size is 0 to 1000 % of the true one, and not 100%")
}

fn extent(word: &str) -> Result<Extent, &'static str> {
    const WRONG: &str = "a stretch is two percentages or two byte counts, the first below the second";
    let (from, to) = word.split_once("..").ok_or(WRONG)?;
    let extent = match (percent(from), percent(to)) {
        (Some(from), Some(to)) if from < to && to <= 100.0 => Extent::Percent(from, to),
        (None, None) => {
            let (from, to) = (from.parse().map_err(|_| WRONG)?, to.parse().map_err(|_| WRONG)?);
            if from >= to {
                return Err(WRONG);
            }
            Extent::Bytes(from, to)
        }
        _ => return Err(WRONG),
    };
    Ok(extent)
}

fn tfdt(words: &[&str]) -> Result<Edit, &'static str> {
    let (words, form) = match words {
        [rest @ .., "32bit"] => (rest, Some(Form::Bits32)),
        [rest @ .., "64bit"] => (rest, Some(Form::Bits64)),
        _ => (words, None),
    };
    if let ["wrap", rest @ ..] = words {
        let (track, at) = match rest {
            [at] => (None, at),
            [track, at] => (Some(kind(track)?), at),
            _ => return Err("a wrap has a time"),
        };
        return match form {
            None => Ok(Edit::Tfdt { track, to: Time::Wrap(positive(at)?), form }),
            Some(_) => Err("what wraps is 32 bits long in any case"),
        };
    }
    let (track, words) = match words {
        [track @ ("video" | "audio"), rest @ ..] => (Some(kind(track)?), rest),
        _ => (None, words),
    };
    let to = match words {
        [] if form.is_some() => Time::Same,
        ["0"] => Time::Zero,
        [shift] => Time::Shift(match (shift.strip_prefix('+'), shift.strip_prefix('-')) {
            (Some(by), _) => positive(by)?,
            (_, Some(by)) => -positive(by)?,
            _ => return Err("a shift begins with + or -"),
        }),
        _ => return Err("a tfdt is shifted, set to 0, or written in another form"),
    };
    Ok(Edit::Tfdt { track, to, form })
}

/// A span of time above zero, in microseconds.
fn positive(word: &str) -> Result<i64, &'static str> {
    const WRONG: &str = "a span of time is written \"1.5s\" or \"180ms\", above 0 and at most 1000000s";
    let (digits, us_per_unit) = match (word.strip_suffix("ms"), word.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1e3),
        (_, Some(digits)) => (digits, 1e6),
        _ => return Err(WRONG),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(WRONG);
    }
    let us = digits.parse::<f64>().map_err(|_| WRONG)? * us_per_unit;
    if (1.0..=SPAN_US_MAX).contains(&us) { Ok(us.round() as i64) } else { Err(WRONG) }
}

/// Eleven days.
const SPAN_US_MAX: f64 = 1e12;

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Garbage(Extent::Body) => f.write_str("garbage"),
            Edit::Garbage(Extent::Mdat) => f.write_str("garbage mdat"),
            Edit::Garbage(Extent::Bytes(from, to)) => write!(f, "garbage {from}..{to}"),
            Edit::Garbage(Extent::Percent(from, to)) => write!(f, "garbage {from}%..{to}%"),
            Edit::Corrupt { track, samples } => {
                f.write_str("corrupt ")?;
                if *track == Kind::Audio {
                    write!(f, "{track} ")?;
                }
                match samples {
                    Share::Percent(percent) => write!(f, "{percent}%"),
                    Share::One(n) => write!(f, "frame {n}"),
                }
            }
            Edit::Cut(Place::Whole(kind)) => write!(f, "cut {}", name(kind)),
            Edit::Cut(Place::Inside(kind)) => write!(f, "cut inside {}", name(kind)),
            Edit::MdatSize { percent } => {
                write!(f, "mdat size {percent}{}", if *percent == 0.0 { "" } else { "%" })
            }
            Edit::Tfdt { track, to, form } => write_tfdt(f, *track, *to, *form),
            Edit::NoKeyFrame => f.write_str("no key frame"),
            Edit::NoFirstKeyFrame => f.write_str("no first key frame"),
            Edit::Without(track) => write!(f, "without {track}"),
            Edit::Shorter { track, by_us } => write!(f, "{track} shorter {}", Span(*by_us)),
            Edit::Late { track, by_us } => write!(f, "{track} late {}", Span(*by_us)),
            Edit::AudioFirst => f.write_str("audio first"),
            Edit::TwoFragments => f.write_str("two fragments"),
            Edit::Insert(what) => match what {
                Inserted::Unknown => f.write_str("box unknown"),
                Inserted::UnknownIn(parent) => write!(f, "box unknown in {}", name(parent)),
                Inserted::Emsg => f.write_str("box emsg"),
                Inserted::Prft => f.write_str("box prft"),
                Inserted::Sidx => f.write_str("box sidx"),
                Inserted::Styp => f.write_str("box styp"),
            },
            Edit::TimecodeTrack => f.write_str("track timecode"),
            Edit::AvcProfile(profile) => write!(f, "avcC profile {profile}"),
        }
    }
}

fn write_tfdt(f: &mut fmt::Formatter<'_>, track: Option<Kind>, to: Time, form: Option<Form>) -> fmt::Result {
    f.write_str(if matches!(to, Time::Wrap(_)) { "tfdt wrap" } else { "tfdt" })?;
    if let Some(track) = track {
        write!(f, " {track}")?;
    }
    match to {
        Time::Same => (),
        Time::Zero => f.write_str(" 0")?,
        Time::Wrap(us) => write!(f, " {}", Span(us))?,
        Time::Shift(us) => write!(f, " {}{}", if us < 0 { '-' } else { '+' }, Span(us.abs()))?,
    }
    match form {
        None => Ok(()),
        Some(Form::Bits32) => f.write_str(" 32bit"),
        Some(Form::Bits64) => f.write_str(" 64bit"),
    }
}

fn name(kind: &[u8; 4]) -> &str {
    std::str::from_utf8(kind).expect("kinds of box that can be named are ASCII")
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Video => "video",
            Kind::Audio => "audio",
        })
    }
}

/// Microseconds, in the unit that a reader would choose.
struct Span(i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us if us < 1_000_000 => write!(f, "{}ms", us as f64 / 1e3),
            us => write!(f, "{}s", us as f64 / 1e6),
        }
    }
}

impl From<Edit> for String {
    fn from(edit: Edit) -> String {
        edit.to_string()
    }
}

/// A text or a list of texts, told apart by hand so that a mistake keeps its own message.
impl<'de> Deserialize<'de> for Edits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Edits, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Edits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an edit of media, or a list of them, such as \"no key frame\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Edits, E> {
                Ok(Edits(vec![Edit::try_from(text.to_owned()).map_err(E::custom)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Edits, A::Error> {
                let mut edits = Vec::new();
                while let Some(edit) = texts.next_element()? {
                    edits.push(edit);
                }
                match edits.is_empty() {
                    true => Err(de::Error::invalid_length(0, &"at least one edit")),
                    false => Ok(Edits(edits)),
                }
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl Serialize for Edits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}
