//! Scenarios made from the schema, with every key and with plausible and implausible values: whatever they say, they
//! are read or refused, and what is read can be published, asked for and played by the ideal player.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::RngSeed;
use segproof_core::ideal::{Viewer, ideal};
use segproof_core::notation::Moment;
use segproof_core::origin::{Origin, PLAYLIST_PATH};
use segproof_core::scenario::Scenario;
use segproof_core::scenario::reference::{self, Key, Place};
use segproof_core::scenario::schema;
use serde_json::Value;

use crate::origin::{INIT_PATH, presentation};
use crate::schema::{companions, complaints};

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(reference::keys);
static SCHEMA: LazyLock<Value> = LazyLock::new(schema::schema);

/// Names the scenario that made something panic.
struct ShownOnPanic<'a>(&'a str);

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this scenario:\n{}", self.0);
        }
    }
}

/// Plays a scenario as far as that goes without a browser. Says whether it was accepted.
fn play(text: &str) -> bool {
    let _shown = ShownOnPanic(text);
    let scenario = match Scenario::parse(text) {
        Ok(scenario) => scenario,
        Err(error) => {
            assert!(error.render("scenario.toml", text).starts_with("scenario.toml:"));
            return false;
        }
    };
    let mut origin = Origin::new(&scenario, presentation(&scenario));
    if !origin.impossible_edits().is_empty() {
        return false;
    }
    for at_ms in [0.0, 1.0, 7e3, 25e3, 25e3, 6e5] {
        origin.handle(at_ms, PLAYLIST_PATH);
        origin.handle(at_ms, INIT_PATH);
        for msn in [origin.timeline.end_at(at_ms).saturating_sub(1), 100, 105] {
            origin.handle(at_ms, &format!("/live/live{msn}.m4s"));
        }
    }
    let moments = scenario.faults().flat_map(|f| [f.from, f.until]).flatten();
    let moments = moments.chain(scenario.until_msn().map(Moment::Published));
    let last_ms = moments.map(|moment| origin.timeline.moment_ms(moment)).fold(0.0, f64::max);
    assert!(!last_ms.is_nan(), "{text}");
    // As the harness does, but not for hours.
    ideal(
        &origin,
        &Viewer::of(&scenario),
        scenario.until_msn(),
        last_ms.min(HORIZON_MS_MAX) + 12.0 * origin.timeline.target_duration_ms,
    );
    true
}

/// A value for a key as the schema describes it: mostly what the key is for.
fn value(schema: &'static Value) -> BoxedStrategy<String> {
    let named = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    let own: Vec<String> = examples(schema);
    let of_type = match named {
        Some(path) => {
            let definition = &SCHEMA["definitions"][path.trim_start_matches("#/definitions/")];
            let mut all = examples(definition);
            let choices = definition["oneOf"].as_array().into_iter().flatten();
            all.extend(choices.map(|choice| choice["const"].to_string()));
            all
        }
        None => Vec::new(),
    };
    let plausible: Vec<String> = own.into_iter().chain(of_type).collect();
    let bounds = [schema.get("minimum"), schema.get("maximum"), schema.get("default")];
    let bounds = bounds.into_iter().flatten().filter(|bound| bound.is_number()).map(Value::to_string);
    let plausible: Vec<String> = plausible.into_iter().chain(bounds).collect();
    if schema["type"] == "boolean" {
        return prop_oneof![20 => any::<bool>().prop_map(|b| b.to_string()), 1 => implausible()].boxed();
    }
    match plausible.is_empty() {
        true => implausible(),
        false => prop_oneof![20 => select(plausible), 3 => alike(), 1 => implausible()].boxed(),
    }
}

fn examples(schema: &Value) -> Vec<String> {
    schema["examples"].as_array().into_iter().flatten().map(reference::toml).collect()
}

/// What many keys take, though perhaps not this one.
fn alike() -> BoxedStrategy<String> {
    prop_oneof![
        (98u64..118).prop_map(|n| format!("\"segment {n}\"")),
        (98u64..112, 0u64..6).prop_map(|(n, more)| format!("\"segment {n}..{}\"", n + more)),
        (0u64..9, 0u64..9).prop_map(|(a, b)| format!("\"{a}..{}\"", a + b)),
        (0u64..12).prop_map(|n| n.to_string()),
        (0.0f64..20.0).prop_map(|n| format!("\"{n:.2}s\"")),
        (0u64..100_000).prop_map(|n| format!("\"{n}td\"")),
        (0u64..120).prop_map(|n| format!("\"{n}%\"")),
        (-40i64..40).prop_map(|n| format!("\"{n:+}s\"")),
    ]
    .boxed()
}

fn implausible() -> BoxedStrategy<String> {
    select(IMPLAUSIBLE).prop_map(String::from).boxed()
}

const IMPLAUSIBLE: &[&str] = &[
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "4611686018427387904",
    "1e308",
    "-0.0",
    "nan",
    "inf",
    "1.5",
    "true",
    "\"\"",
    "\"\\u0000\\n\"",
    "\"10h\"",
    "\"10000td\"",
    "\"0s\"",
    "\"-10h\"",
    "\"segment 0\"",
    "\"segment 18446744073709551615\"",
    "\"segment 0..18446744073709551615\"",
    "\"segment 10100\"",
    "\"18446744073709551615\"",
    "\"0..\"",
    "\"every 18446744073709551615\"",
    "\"99.999999%\"",
    "\"1 kbit/s\"",
    "\"garbage 99.999%..100%\"",
    "\"tfdt -1000000s 32bit\"",
    "\"tfdt wrap 0.001ms\"",
    "\"audio late 1000000s\"",
    "[]",
    "[\"no key frame\", \"cut moof\", \"garbage\"]",
    "{}",
    "1979-05-27",
];

/// Up to so many keys of a table with values, and with what goes with them.
fn lines(table: &'static str, most: usize) -> BoxedStrategy<String> {
    let keys: Vec<&'static Key> = KEYS.iter().filter(|key| key.table == table).collect();
    let count = keys.len().min(most);
    subsequence(keys, 1..=count)
        .prop_flat_map(|chosen| {
            let valued = |key: &'static Key| value(&key.schema).prop_map(move |value| (key, value));
            chosen.into_iter().map(valued).collect::<Vec<_>>()
        })
        .prop_map(|chosen| {
            let mut lines: Vec<(&str, String)> = Vec::new();
            let mut add = |name, line: String| {
                if !lines.iter().any(|(other, _)| *other == name) {
                    lines.push((name, line));
                }
            };
            for (key, value) in &chosen {
                add(&key.name, format!("{} = {value}\n", key.name));
            }
            for line in chosen.iter().flat_map(|(key, _)| companions(key)) {
                add(line.split(" = ").next().unwrap_or_default(), format!("{line}\n"));
            }
            lines.into_iter().map(|(_, line)| line).collect()
        })
        .boxed()
}

/// A whole scenario. Few keys at a time: what contradicts itself is refused, and nothing more is seen of it.
fn scenario() -> BoxedStrategy<String> {
    let mut parts = vec![
        prop_oneof![9 => Just("summary = \"x\"\nuntil = \"segment 110\"\n".to_string()), 1 => lines("", 6)]
            .boxed(),
    ];
    let tables: Vec<(&'static str, Place)> = KEYS
        .iter()
        .map(|key| (key.table.as_str(), key.place))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    for (table, place) in tables {
        match place {
            Place::Top => {}
            Place::One => {
                let body = lines(table, 2).prop_map(move |lines| format!("[{table}]\n{lines}"));
                parts.push(prop_oneof![2 => Just(String::new()), 1 => body].boxed());
            }
            Place::Many => {
                let body = lines(table, 2).prop_map(move |lines| format!("[[{table}]]\n{lines}"));
                let count = if table == "fault" { 0..4usize } else { 0..2 };
                let bodies = vec(body, count).prop_map(|bodies| bodies.concat());
                parts.push(match table {
                    "fault" => bodies.boxed(),
                    _ => prop_oneof![3 => Just(String::new()), 1 => bodies].boxed(),
                });
            }
        }
    }
    parts.prop_map(|parts| parts.concat()).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, rng_seed: RngSeed::Fixed(seed()), ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_scenario_says_it_is_refused_or_played(text in scenario()) {
        play(&text);
    }
}

/// Each key alone, and with each value of its kind: no chance is left out.
#[test]
fn each_key_with_each_value_is_refused_or_played() {
    let mut accepted = 0;
    for key in KEYS.iter() {
        for value in
            IMPLAUSIBLE.iter().map(|value| value.to_string()).chain(key.example.iter().map(reference::toml))
        {
            let text = crate::schema::scenario_with_line(key, &format!("{} = {value}", key.name));
            if play(&text) {
                accepted += 1;
                assert_eq!(complaints(&text), [""; 0], "the schema refuses what is read:\n{text}");
            }
        }
    }
    assert!(accepted > KEYS.len(), "{accepted} were accepted");
}

/// More cases and other seeds for a search by hand: `SEGPROOF_CASES=100000 SEGPROOF_SEED=1`.
fn cases() -> u32 {
    std::env::var("SEGPROOF_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

fn seed() -> u64 {
    std::env::var("SEGPROOF_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(crate::SEED)
}

/// Ten minutes of stream time.
const HORIZON_MS_MAX: f64 = 600_000.0;
