//! Contradictions and limits, found when the file is read, each at its place and with the way out.

use super::{Byterange, Kind, Outcome, Packager, Restart, Scenario, ScenarioError, Uris};
use crate::fault::{Before, Fault, KINDS};
use crate::media::edit::Subject;
use crate::notation::{Moment, Target};
use crate::selfcheck::FINDINGS;

pub fn check(scenario: &Scenario, text: &str) -> Result<(), ScenarioError> {
    check_stream(scenario, text)?;
    let mut before = scenario.stream.media_sequence;
    for restart in &scenario.restart {
        let span = || restart.span();
        before = check_restart(scenario, restart.get_ref(), before)
            .map_err(|message| ScenarioError::at(span(), message))?;
    }
    for fault in &scenario.fault {
        check_fault(scenario, fault.get_ref()).map_err(|message| ScenarioError::at(fault.span(), message))?;
    }
    check_end(scenario)?;
    crate::action::check(scenario).map_err(|(span, message)| ScenarioError { message, span })?;
    for name in &scenario.illegal {
        if !FINDINGS.iter().any(|(known, _)| known == name) {
            let known: Vec<_> = FINDINGS.iter().map(|(known, _)| *known).collect();
            let message =
                format!("`{name}` is no finding of the self-check; they are `{}`", known.join("`, `"));
            return Err(whole_line(text, "illegal", message));
        }
    }
    for target in scenario.expect.requests.keys() {
        Target::try_from(target.clone()).map_err(|message| whole_line(text, target, message))?;
    }
    check_expect(scenario, text)
}

fn check_stream(scenario: &Scenario, text: &str) -> Result<(), ScenarioError> {
    let stream = &scenario.stream;
    let playlist = &scenario.playlist;
    let bounds = [
        ("window", (1..=WINDOW_MAX).contains(&stream.window), "1 to 5000 segments"),
        ("first", stream.first() <= stream.window, "at most `window` segments"),
        ("media_sequence", stream.media_sequence <= MEDIA_SEQUENCE_MAX, "at most 2^62"),
        ("phase", (0.0..1.0).contains(&stream.phase), "0 up to, but not including, 1"),
        ("max_speed", scenario.max_speed.is_none_or(|s| (1.0..=SPEED_MAX).contains(&s)), "1 to 16"),
        (
            "pieces",
            stream.pieces.len() <= PIECES_MAX
                && stream.pieces.iter().all(|n| (1..=PIECES_MAX as u32).contains(n)),
            "up to 16 numbers from 1 to 16",
        ),
    ];
    for (key, holds, range) in bounds {
        if !holds {
            return Err(whole_line(text, key, format!("`{key}` must be {range}")));
        }
    }
    let contradictions = [
        (
            "expires",
            playlist.expires.is_some() && playlist.uris != Uris::Signed,
            "`expires` goes with `uris = \"signed\"`",
        ),
        (
            "byterange",
            playlist.byterange != Byterange::None
                && (!scenario.restart.is_empty() || scenario.has_more_playlists()),
            "with `byterange` there is one file: `[[restart]]`, `[[variant]]` and `[audio]` don't go with it",
        ),
        (
            "byterange",
            playlist.byterange != Byterange::None && scenario.faults().any(|f| f.media.is_some()),
            "`media` edits the bytes of a file of its own: it doesn't go with `byterange`",
        ),
        (
            "kind",
            playlist.kind == Kind::Event
                && scenario.restart.iter().any(|r| r.get_ref().list == super::List::Clear),
            "an EVENT playlist only grows: give each `[[restart]]` `list = \"keep\"`",
        ),
        (
            "packager",
            stream.packager == Packager::Ffmpeg
                && (!scenario.restart.is_empty() || scenario.has_more_playlists()),
            "with `packager = \"ffmpeg\"` the stream is ffmpeg's: no `[[restart]]`, no `[[variant]]`, no `[audio]`",
        ),
        (
            "pieces",
            stream.packager == Packager::Ffmpeg && !stream.pieces.is_empty(),
            "with `packager = \"ffmpeg\"` the segments are the fixture's own: no `pieces`",
        ),
    ];
    for (key, is, message) in contradictions {
        if is {
            return Err(whole_line(text, key, message.to_string()));
        }
    }
    if stream.packager == Packager::Ffmpeg
        && let Some(fault) = scenario.fault.first()
    {
        return Err(ScenarioError::at(
            fault.span(),
            "with `packager = \"ffmpeg\"` the files are served as ffmpeg makes them: faults are not possible",
        ));
    }
    if scenario.variant.len() >= VARIANTS_MAX {
        return Err(whole_line(text, "[[variant]]", format!("at most {} variants", VARIANTS_MAX - 1)));
    }
    Ok(())
}

/// Returns the number that the next restart must be above.
fn check_restart(scenario: &Scenario, restart: &Restart, before: u64) -> Result<u64, String> {
    let number = |moment: Moment, name: &str| match moment {
        Moment::Published(msn) => Ok(msn),
        Moment::At(_) => Err(format!("`{name}` names a segment: \"segment 106\"")),
    };
    if scenario.restart.len() > RESTARTS_MAX {
        return Err(format!("at most {RESTARTS_MAX} restarts: a frame's code has room for so many runs"));
    }
    let at = number(restart.at, "at")?;
    if at <= before {
        return Err(format!(
            "segment {at} does not come after segment {before}: restarts stand in order, and not at the beginning"
        ));
    }
    if at - scenario.stream.media_sequence > UNTIL_SEGMENTS_MAX {
        return Err(format!("segment {at} is more than {UNTIL_SEGMENTS_MAX} segments into the stream"));
    }
    let Some(until) = restart.until else { return Ok(at) };
    let until = number(until, "until")?;
    if until <= at {
        return Err(format!("`until` comes after `at`: segment {until} is not after segment {at}"));
    }
    Ok(until)
}

fn check_fault(scenario: &Scenario, fault: &Fault) -> Result<(), String> {
    if fault.kinds().is_empty() {
        return Err(format!("this fault does nothing; give it one of `{}`", KINDS.join("`, `")));
    }
    check_answer(scenario, fault)?;
    check_playlist_fault(scenario, fault)?;
    check_reach(scenario, fault)
}

fn check_answer(scenario: &Scenario, fault: &Fault) -> Result<(), String> {
    if let Some(status) = fault.status
        && !(200..=599).contains(&status)
    {
        return Err(format!("`status = {status}` is no final HTTP status; 200 to 599"));
    }
    if fault.content_length == Some(crate::fault::ContentLength::True) && fault.truncate.is_none() {
        return Err("`content_length = \"true\"` goes with `truncate`".into());
    }
    if fault.content_length == Some(crate::fault::ContentLength::Lying) && fault.truncate.is_none() {
        return Err("`content_length = \"lying\"` goes with `truncate`".into());
    }
    if fault.before == Some(Before::Headers) && fault.reset.is_none() && fault.hang.is_none() {
        return Err("`before` goes with `reset` or `hang`".into());
    }
    if fault.before == Some(Before::Headers) && fault.nth.is_none() {
        return Err("`before = \"headers\"` wants an `nth`: browsers repeat such a request by themselves, and each repeat counts".into());
    }
    if fault.refuse {
        let others = fault.kinds().len() > 1 || fault.nth.is_some() || fault.lasting.is_some();
        if fault.on != Target::Any || others {
            return Err("a connection is refused before anything is asked: `refuse` goes with `on = \"*\"`, `from` and `until`, and nothing else".into());
        }
    }
    if fault.media.is_some() && !matches!(fault.on, Target::Init | Target::Segments { .. }) {
        return Err("`media` goes with segments and the init".into());
    }
    for edit in fault.media.iter().flat_map(|edits| &edits.0) {
        let fits = match (edit.subject(), fault.on) {
            (Subject::Either, _) => true,
            (Subject::Init, on) => on == Target::Init,
            (Subject::Segment, on) => on != Target::Init,
        };
        if !fits {
            return Err(format!(
                "`{edit}` cannot be done to {}",
                if fault.on == Target::Init { "an init" } else { "a segment" }
            ));
        }
    }
    if fault.range.is_some() && !matches!(fault.on, Target::Init | Target::Segments { .. } | Target::Any) {
        return Err("`range` goes with segments and the init".into());
    }
    if fault.range.is_some() && scenario.playlist.byterange == Byterange::None {
        return Err("`range` is about what is asked for by its bytes: set `byterange` in [playlist]".into());
    }
    for (name, value) in &fault.headers {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_value = value.bytes().all(|b| (b' '..0x7f).contains(&b));
        if !is_name || !is_value {
            return Err(format!("`{name}: {value}` is no HTTP header"));
        }
    }
    Ok(())
}

fn check_playlist_fault(scenario: &Scenario, fault: &Fault) -> Result<(), String> {
    let is_segments = matches!(fault.on, Target::Segments { .. });
    if fault.edits_entries() && !is_segments {
        return Err(format!("`{}` goes with `on = \"segment N\"`", fault.kinds().join("`, `")));
    }
    if is_segments && fault.edits_entries() {
        let of_entries = ["gap", "drop", "repeat", "swap", "same_as", "discontinuity", "extinf"];
        if let Some(other) = fault.kinds().iter().find(|kind| !of_entries.contains(kind)) {
            return Err(format!(
                "`{other}` is about the segment's own request, the rest about its entry in the playlist: write two faults"
            ));
        }
    }
    if fault.gap
        && (fault.nth.is_some() || fault.from.is_some() || fault.until.is_some() || fault.lasting.is_some())
    {
        return Err("a gap is one for ever: `nth`, `from`, `until` and `for` don't go with `gap`".into());
    }
    if fault
        .same_as
        .is_some_and(|target| !matches!(target, Target::Segments { first, last } if first == last))
    {
        return Err("`same_as` names one segment: \"segment 104\"".into());
    }
    if let Some(slate) = fault.same_as
        && slate.first_segment().is_some_and(|msn| msn < scenario.stream.media_sequence)
    {
        return Err(format!(
            "`{slate}` is never published: the stream begins at segment {}",
            scenario.stream.media_sequence
        ));
    }
    let of_playlist = [
        (fault.stale, "stale"),
        (fault.behind.is_some(), "behind"),
        (fault.empty, "empty"),
        (fault.target_duration.is_some(), "target_duration"),
        (fault.endlist, "endlist"),
        (fault.jump.is_some(), "jump"),
        (fault.pause.is_some(), "pause"),
        (fault.replaces_playlist(), "text"),
    ];
    if let Some((_, name)) = of_playlist.iter().find(|(is, _)| *is && fault.on != Target::Playlist) {
        return Err(format!("`{name}` goes with `on = \"playlist\"`"));
    }
    for (is, name) in
        [(fault.endlist, "endlist"), (fault.jump.is_some(), "jump"), (fault.pause.is_some(), "pause")]
    {
        if is && (!matches!(fault.from, Some(Moment::Published(_))) || fault.nth.is_some()) {
            return Err(format!("`{name}` wants `from = \"segment N\"`, and no `nth`"));
        }
    }
    if fault.stale && is_met_at_first(scenario, fault) {
        return Err(
            "the first playlist can't be stale: nothing older was delivered; give the fault an `nth` above 1, or a `from`"
                .into(),
        );
    }
    if fault.swap && matches!(fault.on, Target::Segments { first, last } if first == last) {
        return Err("`swap` turns several entries round: \"segment 105..106\"".into());
    }
    if fault.same_as.is_some_and(|target| target.first_segment().is_some_and(|msn| fault.on.has_segment(msn)))
    {
        return Err("`same_as` names another segment".into());
    }
    if fault.text.is_some() && fault.file.is_some() {
        return Err("`text` or `file`, not both".into());
    }
    if fault.behind.is_some_and(|n| !(1..=JUMP_MAX).contains(&n)) {
        return Err(format!("`behind` is 1 to {JUMP_MAX} segments"));
    }
    if fault.jump.is_some_and(|n| !(1..=JUMP_MAX).contains(&n)) {
        return Err(format!("`jump` is 1 to {JUMP_MAX} segments"));
    }
    let first_new = scenario.stream.media_sequence + scenario.stream.first();
    if let (Some(Moment::Published(msn)), true) = (fault.from, fault.jump.is_some() || fault.pause.is_some())
        && msn < first_new
    {
        let what = if fault.jump.is_some() { "jump" } else { "pause" };
        return Err(format!("segment {msn} is in the first playlist already: a {what} begins after it"));
    }
    Ok(())
}

/// Whether the fault is about the first answer of all.
fn is_met_at_first(scenario: &Scenario, fault: &Fault) -> bool {
    let is_first = fault.nth.is_none_or(|nth| nth.first() == 1);
    let listed_at_first = scenario.stream.media_sequence + scenario.stream.first();
    let is_from_the_start = match fault.from {
        None => true,
        Some(Moment::At(span)) => span.ms(f64::INFINITY) <= 0.0,
        Some(Moment::Published(msn)) => msn < listed_at_first,
    };
    is_first && is_from_the_start
}

/// Whether the stream ever gets to what the fault is about.
fn check_reach(scenario: &Scenario, fault: &Fault) -> Result<(), String> {
    let first_msn = scenario.stream.media_sequence;
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
    if let (Some(Moment::Published(from)), Some(Moment::Published(until))) = (fault.from, fault.until)
        && until <= from
    {
        return Err(format!("`until` comes after `from`: segment {until} is not after segment {from}"));
    }
    let variants = scenario.variant.len() as u8 + 1;
    if fault.variant.is_some_and(|variant| variant >= variants) {
        return Err(format!("there are {variants} variants, counted from 0"));
    }
    if fault.audio.is_some() && scenario.audio.is_none() {
        return Err("there is no Audio Rendition: give the scenario a table `[audio]`".into());
    }
    if fault.audio == Some(true) && fault.variant.is_some() {
        return Err(
            "`variant` is about the picture, and `audio = true` about the sound alone: take one of them"
                .into(),
        );
    }
    if fault.on == Target::Multivariant && !scenario.is_multivariant() {
        return Err("there is no Multivariant Playlist: set `multivariant = true` in [stream]".into());
    }
    if let Target::Segments { first, last } = fault.on {
        if last < first_msn {
            return Err(format!(
                "`{}` is never published: the stream begins at segment {first_msn}",
                fault.on
            ));
        }
        let end = scenario.last_msn().or(scenario.until_msn().map(|until| until + REACH_BEYOND_UNTIL));
        if let Some(end) = end
            && first > end
        {
            return Err(match scenario.last_msn() {
                Some(last) => format!("`{}` is never published: the stream ends at segment {last}", fault.on),
                None => format!("`{}` comes after the trial has ended at `until`", fault.on),
            });
        }
    }
    Ok(())
}

fn check_end(scenario: &Scenario) -> Result<(), ScenarioError> {
    match (&scenario.until, scenario.expect.outcome) {
        (None, Outcome::Playing) => {
            return Err(ScenarioError {
                message: "`until` is missing: say when the trial ends, for example until = \"segment 112\" (only `outcome = \"failed\"` or `\"open\"` can do without)".into(),
                span: None,
            });
        }
        (None, Outcome::Ended) => {
            return Err(ScenarioError {
                message: "`until` is missing: say which segment is shown last before the stream is over"
                    .into(),
                span: None,
            });
        }
        (None, Outcome::Open) if scenario.limit.is_none() => {
            return Err(ScenarioError {
                message:
                    "`limit` is missing: with `outcome = \"open\"` it says how long the trial is watched"
                        .into(),
                span: None,
            });
        }
        (Some(until), _) if scenario.until_msn().is_none() => {
            return Err(ScenarioError::at(until.span(), "`until` names a segment: \"segment 112\""));
        }
        _ => {}
    }
    let Some(until) = scenario.until_msn() else { return Ok(()) };
    let span = scenario.until.as_ref().map(|until| until.span()).unwrap_or_default();
    if until < scenario.stream.media_sequence || scenario.last_msn().is_some_and(|last| until > last) {
        return Err(ScenarioError::at(span, format!("segment {until} is never published")));
    }
    if scenario.last_msn() == Some(until) && scenario.expect.outcome == Outcome::Playing {
        return Err(ScenarioError::at(
            span,
            format!(
                "segment {until} is the stream's last: give [expect] `outcome = \"ended\"`, or end the trial with a segment before"
            ),
        ));
    }
    if until - scenario.stream.media_sequence > UNTIL_SEGMENTS_MAX {
        return Err(ScenarioError::at(
            span,
            format!("segment {until} is more than {UNTIL_SEGMENTS_MAX} segments into the stream"),
        ));
    }
    Ok(())
}

/// Expectations that cannot hold, or that nothing can come of.
fn check_expect(scenario: &Scenario, text: &str) -> Result<(), ScenarioError> {
    let expect = &scenario.expect;
    let first_msn = scenario.stream.media_sequence;
    let end = scenario.last_msn().or(scenario.until_msn()).unwrap_or(first_msn + UNTIL_SEGMENTS_MAX);
    for (key, targets) in
        [("shown", &expect.shown), ("not_shown", &expect.not_shown), ("may_skip", &expect.may_skip)]
    {
        for target in targets {
            let Target::Segments { first, last } = *target else {
                let message = format!("`{key}` lists segments: \"segment 105\", not \"{target}\"");
                return Err(whole_line(text, key, message));
            };
            if first > end + REACH_BEYOND_UNTIL || last < first_msn || last > first_msn + UNTIL_SEGMENTS_MAX {
                let message = format!(
                    "no trial comes to `{target}`: it goes from segment {first_msn} to segment {end}"
                );
                return Err(whole_line(text, key, message));
            }
        }
    }
    let overlap = expect.shown.iter().find(|shown| {
        let Target::Segments { first, last } = shown else { return false };
        (*first..=*last).any(|msn| expect.not_shown.iter().any(|t| t.has_segment(msn)))
    });
    if let Some(target) = overlap {
        return Err(whole_line(text, "not_shown", format!("`{target}` is in `shown` and in `not_shown`")));
    }
    let gapped = scenario.faults().filter(|f| f.gap).map(|f| f.on);
    for gap in gapped {
        if let Target::Segments { first, last } = gap
            && let Some(target) = expect.shown.iter().find(
                |t| matches!(t, Target::Segments { first: from, last: to } if *from <= last && first <= *to),
            )
        {
            return Err(whole_line(text, "shown", format!("`{target}` cannot be shown: it is a gap")));
        }
    }
    if expect.av_sync.is_some_and(|span| !AV_SYNC_MS.contains(&span.ms(f64::NAN))) {
        return Err(whole_line(text, "av_sync", "`av_sync` must be 40 ms to 400 ms".into()));
    }
    if expect.recover.is_some() && !scenario.faults().any(|f| f.until.is_some()) {
        return Err(whole_line(
            text,
            "recover",
            "`recover` is counted from the end of a fault: give one an `until`".into(),
        ));
    }
    if expect.recover.is_some() && scenario.faults().any(|f| f.lasting.is_some()) {
        return Err(whole_line(
            text,
            "recover",
            "when a fault with `for` ends depends on who asks for what: with `recover`, give it an `until` instead"
                .into(),
        ));
    }
    Ok(())
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

/// What is nearer than a frame can't be told, and what is further away belongs to another second.
const AV_SYNC_MS: std::ops::RangeInclusive<f64> = 40.0..=400.0;
pub(crate) const SPEED_MAX: f64 = 16.0;
pub(crate) const WINDOW_MAX: u64 = 5_000;
const UNTIL_SEGMENTS_MAX: u64 = 10_000;
pub(crate) const JUMP_MAX: u64 = 5_000;
pub(crate) const PIECES_MAX: usize = 16;
pub(crate) const VARIANTS_MAX: usize = 8;
/// Run ids end at 15, and the first is the stream's own.
pub(crate) const RESTARTS_MAX: usize = 14;
/// A player may well have loaded so many segments more when the trial ends.
const REACH_BEYOND_UNTIL: u64 = 8;
/// Above it, sums of sequence numbers would overflow.
pub(crate) const MEDIA_SEQUENCE_MAX: u64 = 1 << 62;
