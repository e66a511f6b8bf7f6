//! One scenario after the other, from a seed.

use oorandom::Rand32;
use toml::{Table, Value};

use crate::media::edit::FORMS;
use crate::scenario::{Need, Scenario};
use crate::selfcheck::FINDINGS;

/// Draws the `nth` scenario of a seed, for a player with these abilities: what it can't do is not asked of it. The same
/// arguments give the same text, which is always a scenario.
pub fn draw(seed: u64, nth: u32, can: &[Need]) -> String {
    // Most draws are scenarios; those that contradict themselves are drawn again.
    for attempt in 0..ATTEMPTS {
        let mut dice = Dice(Rand32::new_inc(seed, u64::from(nth) << 32 | u64::from(attempt)));
        let text = scenario(&mut dice, can).to_string();
        if Scenario::parse(&text).is_ok() {
            return text;
        }
    }
    unreachable!("{ATTEMPTS} draws in a row were no scenario")
}

fn scenario(dice: &mut Dice, can: &[Need]) -> Table {
    let ground = Ground::draw(dice, can);
    let mut playlist = Table::new();
    if dice.hits(25) {
        for _ in 0..dice.from(1, 2) {
            writing(dice, &mut playlist);
        }
    }
    let mut restarts = list(dice, &[50, 35, 15], |dice, i| restart(dice, &ground, i));
    if restarts.iter().any(|restart| restart.contains_key("fixture")) {
        // No init is right for two fixtures.
        restarts.iter_mut().for_each(|restart| put(restart, "init", "new"));
    }
    let faults = list(dice, &[0, 30, 35, 25, 10], |dice, _| fault(dice, &ground));
    let actions = list(dice, &[60, 30, 10], |dice, _| action(dice, &ground));

    let mut table = Table::new();
    put(&mut table, "summary", "Drawn by chance.");
    put(&mut table, "until", format!("segment {}", ground.until));
    // Who has stopped for good is not watched for minutes.
    put(&mut table, "limit", format!("{}td", ground.until - ground.first + PATIENCE_TD));
    // Whatever it may turn out to be: a legal stream is none of it.
    put(&mut table, "illegal", FINDINGS.iter().map(|(name, _)| Value::from(*name)).collect::<Vec<_>>());
    put(&mut table, "stream", ground.stream);
    put_some(&mut table, "playlist", playlist);
    put_all(&mut table, "restart", restarts);
    put_all(&mut table, "variant", ground.variants);
    put_some(&mut table, "audio", ground.audio);
    put_all(&mut table, "fault", faults);
    put_all(&mut table, "action", actions);
    table
}

/// What the rest of a scenario stands on.
struct Ground {
    first: u32,
    stream: Table,
    variants: Vec<Table>,
    audio: Table,
    /// The first segment that is not in the first playlist.
    live: u32,
    until: u32,
}

impl Ground {
    fn draw(dice: &mut Dice, can: &[Need]) -> Ground {
        let window = dice.weighed(&[(3, 10), (4, 10), (5, 45), (6, 15), (8, 10), (15, 10)]);
        let first = dice.weighed(&[(100, 80), (0, 10), (7000, 10)]);
        let mut stream = Table::new();
        put(&mut stream, "window", window);
        put(&mut stream, "media_sequence", first);
        if dice.hits(40) {
            put(&mut stream, "phase", f64::from(dice.from(1, 9)) / 10.0);
        }
        for (key, value, percent) in [
            ("clock", "wall", 25),
            ("retain", "ffmpeg", 10),
            ("retain", "none", 5),
            ("cache", "minute", 3),
            ("protocol", "http2", 5),
        ] {
            if dice.hits(percent) {
                put(&mut stream, key, value);
            }
        }
        let mut variants = Vec::new();
        if can.contains(&Need::Multivariant) && dice.hits(25) {
            let mut variant = Table::new();
            let (fixture, bandwidth) = dice.one(&[("bars-small", 300_000), ("bars", 3_000_000)]);
            put(&mut variant, "fixture", fixture);
            put(&mut variant, "bandwidth", bandwidth);
            variants.push(variant);
        }
        let mut audio = Table::new();
        if can.contains(&Need::Renditions) && dice.hits(20) {
            put(&mut stream, "fixture", "bars-video");
            put(&mut audio, "fixture", "bars-sound");
            variants.clear();
        }
        let live = first + window;
        Ground { first, stream, variants, audio, live, until: live + dice.from(9, 14) }
    }

    /// A segment that comes while somebody watches.
    fn segment(&self, dice: &mut Dice) -> u32 {
        dice.from(self.live - 1, self.until - 2)
    }

    /// One segment, or some in a row.
    fn segments(&self, dice: &mut Dice, many: u32) -> String {
        let first = self.segment(dice);
        match dice.from(1, many) {
            1 => format!("segment {first}"),
            n => format!("segment {first}..{}", first + n - 1),
        }
    }
}

/// One way to write the playlist otherwise.
fn writing(dice: &mut Dice, playlist: &mut Table) {
    let (key, value) = dice.one(&[
        ("names", "other"),
        ("uris", "root"),
        ("uris", "absolute"),
        ("uris", "query"),
        ("uris", "signed"),
        ("map", "each"),
        ("byterange", "offset"),
        ("byterange", "chained"),
        ("program_date_time", "first"),
        ("program_date_time", "each"),
        ("program_date_time", "jitter"),
        ("tag_order", "reversed"),
        ("line_ends", "crlf"),
        ("kind", "event"),
    ]);
    put(playlist, key, value);
}

fn restart(dice: &mut Dice, ground: &Ground, nth: usize) -> Table {
    let mut restart = Table::new();
    let half = (ground.until - ground.live) / 2;
    let at = ground.live + if nth == 0 { dice.from(1, half) } else { half + dice.from(1, half) };
    put(&mut restart, "at", format!("segment {at}"));
    if dice.hits(25) {
        put(&mut restart, "until", format!("segment {}", at + dice.from(1, 3)));
    }
    if dice.hits(25) {
        put(&mut restart, "down", format!("{}td", dice.from(1, 4)));
    }
    // As an encoder does that knows what it does, or anyhow.
    let is_tidy = dice.hits(50);
    let choices: &[(&str, &[&str])] = &[
        ("names", &["keep", "new", "reset"]),
        ("sequence", &["keep", "reset", "7", "101"]),
        ("init", &["keep", "new", "rewrite"]),
        ("timestamps", &["keep", "reset", "+300s", "+3s", "-1s"]),
        ("list", &["keep", "clear"]),
    ];
    for (key, values) in choices {
        match is_tidy {
            true => put(&mut restart, key, values[if *key == "timestamps" { 1 } else { 0 }]),
            false if dice.hits(60) => put(&mut restart, key, dice.one(values)),
            false => {}
        }
    }
    if is_tidy || dice.hits(40) {
        put(&mut restart, "discontinuity", true);
    }
    if dice.hits(15) {
        put(&mut restart, "encoder", "same");
    }
    if dice.hits(15) && nth == 0 && ground.variants.is_empty() && ground.audio.is_empty() {
        put(&mut restart, "fixture", dice.one(&["bars-48k", "bars-small", "bars-video"]));
    }
    // Numbers that go back while what was before them is still listed would be another list's.
    if restart.get("list").is_some_and(|list| list.as_str() == Some("keep")) {
        put(&mut restart, "sequence", "keep");
    }
    restart
}

fn fault(dice: &mut Dice, ground: &Ground) -> Table {
    let mut fault = Table::new();
    match dice.weighed(&[(0, 45), (1, 10), (2, 35), (3, 10)]) {
        0 => {
            put(&mut fault, "on", ground.segments(dice, 3));
            answer(dice, &mut fault, NEVER_FOUND, MEDIA);
            some_tries(dice, &mut fault);
        }
        1 => {
            put(&mut fault, "on", "init");
            answer(dice, &mut fault, NEVER_FOUND, MEDIA);
            // Without one nothing is played at all.
            put(&mut fault, "nth", dice.one(&["1", "2"]));
        }
        2 => {
            put(&mut fault, "on", "playlist");
            playlist_fault(dice, ground, &mut fault);
        }
        _ => everything(dice, ground, &mut fault),
    }
    if !ground.variants.is_empty() && dice.hits(50) && fault.get("on").is_some_and(is_of_one) {
        put(&mut fault, "variant", dice.from(0, 1));
    }
    if !ground.audio.is_empty() && dice.hits(60) && fault.get("on").is_some_and(is_of_one) {
        put(&mut fault, "audio", dice.hits(50));
    }
    put(&mut fault, "never", true);
    fault
}

/// For how many GETs: what makes a player wait does so once, or nobody could do better than lose it.
fn some_tries(dice: &mut Dice, fault: &mut Table) {
    let is_slow =
        ["delay", "delay_body", "stall", "throttle", "hang"].iter().any(|key| fault.contains_key(*key));
    put(fault, "nth", if is_slow { "1" } else { dice.one(&["1", "1", "1..2", "1.."]) });
}

/// Whether what is touched belongs to one rendition, so that the others can be left alone.
fn is_of_one(on: &Value) -> bool {
    on.as_str().is_some_and(|on| on != "*")
}

/// What can be wrong with one answer.
fn answer(dice: &mut Dice, fault: &mut Table, statuses: &[u32], kinds: u32) {
    match dice.from(0, kinds - 1) {
        0 => put(fault, "status", dice.one(statuses)),
        1 => put(fault, "delay", format!("{}td", f64::from(dice.from(1, 6)) / 2.0)),
        2 => put(fault, "delay_body", format!("{}td", f64::from(dice.from(1, 6)) / 2.0)),
        3 => put(
            fault,
            "stall",
            format!("{}td at {}%", f64::from(dice.from(1, 8)) / 2.0, dice.from(1, 9) * 10),
        ),
        4 => put(fault, "throttle", format!("{} kbit/s", dice.from(2, 15) * 100)),
        5 => {
            put(fault, "truncate", format!("{}%", dice.from(0, 9) * 10 + 5));
            put(fault, "content_length", dice.one(&["true", "lying", "none"]));
        }
        6 => put(fault, "hang", format!("{}%", dice.from(0, 9) * 10)),
        7 => put(fault, "reset", format!("{}%", dice.from(0, 9) * 10)),
        8 => put(fault, "body", "<!doctype html><title>Not found</title>"),
        9 => put(fault, dice.one(&["chunked", "gzip", "twice"]), true),
        10 => put(fault, "cors", dice.one(&["missing", "duplicated", "null"])),
        11 => put(fault, "redirect", dice.one(&["same", "folder", "host"])),
        12 => put(fault, "content_type", dice.one(&["text/html", "application/octet-stream"])),
        13 => put(fault, "range", dice.one(&["ignored", "shifted", "whole"])),
        _ => put(fault, "media", dice.one(FORMS)),
    }
}

/// A 404 or 410 of the playlist is the end of a session.
fn playlist_fault(dice: &mut Dice, ground: &Ground, fault: &mut Table) {
    let some_gets = |dice: &mut Dice, fault: &mut Table| {
        let first = dice.from(2, 10);
        put(fault, "nth", format!("{first}..{}", first + dice.from(0, 4)));
    };
    match dice.from(0, 13) {
        0 | 1 => {
            answer(dice, fault, FAILING, ANSWERS);
            some_gets(dice, fault);
        }
        2 => {
            put(fault, "stale", true);
            some_gets(dice, fault);
        }
        3 => {
            put(fault, "behind", dice.from(1, 4));
            some_gets(dice, fault);
        }
        4 => {
            put(fault, "empty", true);
            some_gets(dice, fault);
        }
        5 => {
            put(fault, "target_duration", dice.one(&[1, 4, 10]));
            some_gets(dice, fault);
        }
        6 => {
            put(fault, "text", dice.one(&["", "#EXTM3U\n", "<html></html>", "#EXTM3U\n#EXT-X-VERSION:7\n"]));
            some_gets(dice, fault);
        }
        7 => {
            put(fault, "jump", dice.from(1, 8));
            put(fault, "from", format!("segment {}", ground.live + dice.from(0, 6)));
        }
        8 => {
            put(fault, "pause", format!("{}td", dice.from(1, 8)));
            put(fault, "from", format!("segment {}", ground.live + dice.from(0, 6)));
        }
        _ => {
            put(fault, "on", ground.segments(dice, 3));
            match dice.from(0, 6) {
                0 => put(fault, "same_as", format!("segment {}", ground.segment(dice))),
                1 => put(fault, "extinf", format!("{}s", f64::from(dice.from(0, 40)) / 10.0)),
                n => put(fault, ["gap", "drop", "repeat", "swap", "discontinuity"][n as usize - 2], true),
            }
            if dice.hits(40) {
                some_gets(dice, fault);
            }
        }
    }
}

/// Something that every answer has for a while.
fn everything(dice: &mut Dice, ground: &Ground, fault: &mut Table) {
    put(fault, "on", "*");
    let from = ground.live + dice.from(0, 6);
    put(fault, "from", format!("segment {from}"));
    put(fault, "until", format!("segment {}", from + dice.from(1, 4)));
    match dice.from(0, 3) {
        0 => put(fault, "refuse", true),
        1 => put(fault, "status", dice.one(FAILING)),
        2 => put(fault, "delay", format!("{}ms", dice.from(1, 15) * 100)),
        _ => put(fault, "throttle", format!("{} kbit/s", dice.from(3, 15) * 100)),
    }
}

fn action(dice: &mut Dice, ground: &Ground) -> Table {
    let mut action = Table::new();
    let msn = ground.segment(dice);
    put(&mut action, "at", format!("{} {msn}", dice.one(&["segment", "segment", "listed", "requested"])));
    let page = dice.one(&[
        "pause",
        "seek",
        "seek",
        "hide",
        "offline",
        "sleep",
        "block",
        "clock",
        "quota",
        "lose-updateend",
        "evict",
    ]);
    put(&mut action, "page", page);
    match page {
        "seek" => {
            let to = match dice.from(0, 3) {
                0 => "live".to_string(),
                1 => format!("segment {}", msn - dice.from(1, 3)),
                2 => format!("-{}s", dice.from(1, 8)),
                _ => format!("+{}s", dice.from(1, 6)),
            };
            put(&mut action, "to", to);
        }
        "pause" | "hide" | "offline" => put(&mut action, "for", format!("{}td", dice.from(1, 6))),
        "sleep" => put(&mut action, "for", format!("{}td", dice.from(2, 12))),
        "block" => put(&mut action, "for", format!("{}s", f64::from(dice.from(5, 30)) / 10.0)),
        "clock" => put(&mut action, "by", dice.one(&["1h", "-1h", "+5s", "-5s"])),
        "quota" if dice.hits(50) => put(&mut action, "for", format!("{}td", dice.from(1, 3))),
        "quota" => put(&mut action, "bytes", dice.from(3, 12) * 500_000),
        "evict" if dice.hits(50) => put(&mut action, "to", format!("segment {}", msn + dice.from(0, 1))),
        _ => {}
    }
    action
}

/// As many tables as the weights, in percent, of none, one, two and so on say.
fn list(dice: &mut Dice, weights: &[u32], mut one: impl FnMut(&mut Dice, usize) -> Table) -> Vec<Table> {
    let weights: Vec<(u32, u32)> = (0..).zip(weights.iter().copied()).collect();
    let many = dice.weighed(&weights);
    (0..many as usize).map(|i| one(dice, i)).collect()
}

fn put(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key.to_string(), value.into());
}

fn put_some(table: &mut Table, key: &str, value: Table) {
    if !value.is_empty() {
        put(table, key, value);
    }
}

fn put_all(table: &mut Table, key: &str, values: Vec<Table>) {
    if !values.is_empty() {
        put(table, key, values.into_iter().map(Value::from).collect::<Vec<_>>());
    }
}

struct Dice(Rand32);

impl Dice {
    /// A number from `low` to `high`, both included.
    fn from(&mut self, low: u32, high: u32) -> u32 {
        self.0.rand_range(low..high + 1)
    }

    fn hits(&mut self, percent: u32) -> bool {
        self.from(1, 100) <= percent
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.from(0, all.len() as u32 - 1) as usize]
    }

    /// One of them, by weights whose sum is 100.
    fn weighed(&mut self, all: &[(u32, u32)]) -> u32 {
        let mut left = self.from(1, 100);
        for (value, weight) in all {
            if left <= *weight {
                return *value;
            }
            left -= weight;
        }
        unreachable!("the weights are less than 100 percent")
    }
}

const ATTEMPTS: u32 = 10_000;
/// What may be lost on the way, besides what the scenario itself takes.
const PATIENCE_TD: u32 = 12;
const NEVER_FOUND: &[u32] = &[404, 404, 410, 403, 500, 503];
const FAILING: &[u32] = &[403, 500, 502, 503];
/// How many of the ways of [`answer`] go with a text, and how many with media, whose edits are most of what there is.
const ANSWERS: u32 = 13;
const MEDIA: u32 = 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fault::KINDS;

    const ALL: &[Need] = &[Need::Multivariant, Need::Renditions];

    #[test]
    fn a_seed_is_the_same_scenarios_each_time_and_another_seed_others() {
        assert_eq!(draw(7, 3, ALL), draw(7, 3, ALL));
        assert_ne!(draw(7, 3, ALL), draw(7, 4, ALL));
        assert_ne!(draw(7, 3, ALL), draw(8, 3, ALL));
    }

    #[test]
    fn every_kind_of_fault_is_drawn_sooner_or_later() {
        let drawn: Vec<Scenario> =
            (0..2000).map(|nth| Scenario::parse(&draw(1, nth, ALL)).expect("a scenario")).collect();
        let kinds: BTreeSet<&str> =
            drawn.iter().flat_map(|s| s.faults().flat_map(|f| f.kinds()).collect::<Vec<_>>()).collect();
        let missing: Vec<&&str> = KINDS.iter().filter(|kind| !kinds.contains(**kind)).collect();
        // An end of the list is a session of its own kind; headers are for those who read them.
        assert_eq!(missing, [&"endlist", &"headers"]);
        assert!(drawn.iter().any(|s| s.audio.is_some()));
        assert!(drawn.iter().any(|s| s.restart.len() == 2));
    }

    #[test]
    fn nothing_is_asked_that_a_player_can_t() {
        let drawn = (0..300).map(|nth| Scenario::parse(&draw(1, nth, &[])).expect("a scenario"));
        assert!(drawn.into_iter().all(|scenario| !scenario.is_multivariant()));
    }
}
