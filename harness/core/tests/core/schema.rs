//! The scenario file's schema and reference: as the code is, true of the suite's scenarios, with examples that hold.

use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use segproof_core::rules;
use segproof_core::scenario::Scenario;
use segproof_core::scenario::reference::{self, Key, Place};
use segproof_core::scenario::schema;
use serde_json::{Value, json};

use crate::parsing::SCENARIOS;

/// The schema, ready to check with.
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema = schema::schema();
    assert!(jsonschema::meta::is_valid(&schema), "the schema is no schema");
    jsonschema::validator_for(&schema).unwrap()
});

/// What an editor would say of a scenario, line by line.
pub fn complaints(text: &str) -> Vec<String> {
    let value: Value = toml::from_str(text).unwrap();
    VALIDATOR.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[track_caller]
fn check_current(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "{file} is not what the code says: run `cargo xtask schema`");
}

#[test]
fn the_committed_schema_is_the_codes() {
    check_current("scenarios/scenario.schema.json", &schema::file());
}

#[test]
fn the_committed_reference_is_the_codes() {
    check_current("docs/scenario.md", &reference::page());
}

#[test]
fn the_committed_rules_are_the_codes() {
    check_current("docs/rules.md", &rules::page::page());
}

#[test]
fn every_scenario_of_the_suite_is_right_by_the_schema() {
    for text in SCENARIOS.iter() {
        assert_eq!(complaints(text), [""; 0], "{text}");
    }
}

#[test]
fn the_schema_knows_wrong_keys_and_wrong_notations() {
    let head = "summary = \"x\"\nuntil = \"segment 108\"\n";
    for wrong in [
        "windw = 3\n",
        "[stream]\nwindow = 0\n",
        "[stream]\nclock = \"reloads\"\n",
        "[[fault]]\non = \"segment 105\"\nstauts = 404\n",
        "[[fault]]\non = \"segment\"\nstatus = 404\n",
        "[[fault]]\non = \"init\"\ndelay = \"2 minutes\"\n",
        "[[fault]]\non = \"init\"\nmedia = \"spoilt\"\n",
        "[[fault]]\nstatus = 404\n",
        "[expect.requests]\n\"sgement 105\" = \"1\"\n",
    ] {
        assert_ne!(complaints(&format!("{head}{wrong}")), [""; 0], "{wrong}");
    }
}

/// A scenario in which the key has this value: with the keys that it goes with.
fn scenario_with(key: &Key, value: &Value) -> String {
    scenario_with_line(key, &key.line(value))
}

/// A scenario in which the key is set by this line.
pub fn scenario_with_line(key: &Key, line: &str) -> String {
    let value = line.split_once(" = ").map_or("", |(_, value)| value);
    let mut lines = vec![line.to_string()];
    let others = companions(key).iter().filter(|line| !line.starts_with(&format!("{} = ", key.name)));
    lines.extend(others.map(|line| line.to_string()));
    let more = match (key.table.as_str(), key.name.as_str()) {
        ("fault", "variant") => {
            (1..=7).map(|n| format!("[[variant]]\nfixture = \"bars\"\nbandwidth = {n}\n")).collect()
        }
        ("fault", "range") => "[playlist]\nbyterange = \"offset\"\n".into(),
        ("fault", "audio") => "[audio]\nfixture = \"bars-sound\"\n".into(),
        ("page", "autoplay") => "[[action]]\nat = \"2s\"\npage = \"play\"\n".into(),
        ("expect", "recover") => "[[fault]]\non = \"segment 105\"\nuntil = \"8s\"\nstatus = 404\n".into(),
        ("expect", "outcome") => {
            "[[fault]]\non = \"playlist\"\nfrom = \"segment 112\"\nendlist = true\n".into()
        }
        _ => String::new(),
    };
    let mut head = String::new();
    for line in ["summary = \"x\"", "until = \"segment 112\"", "limit = \"60s\""] {
        if key.place != Place::Top || !line.starts_with(&format!("{} = ", key.name)) {
            head.push_str(&format!("{line}\n"));
        }
    }
    let table = match key.place {
        Place::Top => String::new(),
        Place::One => format!("[{}]\n", key.table),
        Place::Many => format!("[[{}]]\n", key.table),
    };
    // The first media sequence number moves every segment.
    let head = match (key.table.as_str(), key.name.as_str(), value.parse::<u64>()) {
        ("stream", "media_sequence", Ok(first)) => head.replace("112", &(u128::from(first) + 12).to_string()),
        _ => head,
    };
    format!("{head}{table}{}\n{more}", lines.join("\n"))
}

/// Lines of the same table without which a key means nothing.
pub fn companions(key: &Key) -> &'static [&'static str] {
    match (key.table.as_str(), key.name.as_str()) {
        ("stream", "first") => &["window = 5000"],
        ("playlist", "expires") => &["uris = \"signed\""],
        ("restart", _) => &["at = \"segment 105\""],
        ("variant", _) => &["fixture = \"bars\"", "bandwidth = 1"],
        ("audio", _) => &["fixture = \"bars-sound\""],
        ("fault", "stale" | "behind" | "empty" | "target_duration" | "text" | "file") => {
            &["on = \"playlist\"", "nth = \"2..\""]
        }
        ("fault", "endlist" | "jump" | "pause") => &["on = \"playlist\"", "from = \"segment 113\""],
        ("fault", "content_length") => &["on = \"init\"", "truncate = \"50%\""],
        ("fault", "before") => &["on = \"init\"", "nth = \"1\"", "reset = \"0\""],
        ("fault", "refuse") => &["on = \"*\""],
        ("fault", "on" | "nth" | "from" | "until" | "for" | "never" | "variant" | "audio") => {
            &["on = \"segment 105\"", "status = 404"]
        }
        ("fault", "swap") => &["on = \"segment 105..106\""],
        ("fault", _) => &["on = \"segment 105\""],
        ("action", "to") => &["at = \"segment 104\"", "page = \"seek\""],
        ("action", "by") => &["at = \"segment 104\"", "page = \"clock\""],
        ("action", "bytes") => &["at = \"segment 104\"", "page = \"quota\""],
        ("action", _) => &["at = \"segment 104\"", "page = \"pause\""],
        _ => &[],
    }
}

#[test]
fn every_key_has_an_example_that_is_accepted() {
    let keys = reference::keys();
    assert!(keys.len() > 100, "{} keys", keys.len());
    for key in &keys {
        let Some(example) = &key.example else { panic!("{}.{} has no example", key.table, key.name) };
        let text = scenario_with(key, example);
        if let Err(error) = Scenario::parse(&text) {
            panic!("{}", error.render("example", &text));
        }
        assert_eq!(complaints(&text), [""; 0], "{text}");
    }
}

#[test]
fn every_key_is_described() {
    for key in reference::keys() {
        assert!(key.schema["description"].is_string(), "{}.{} has no comment", key.table, key.name);
    }
}

#[test]
fn the_bounds_of_the_schema_are_the_readers() {
    for key in reference::keys() {
        let shifted = |bound: &Value, by: i64| match bound.as_i64() {
            Some(n) if bound.is_i64() || bound.is_u64() => json!(n + by),
            _ => json!(bound.as_f64().unwrap() + by as f64),
        };
        let is_read = |value: &Value| Scenario::parse(&scenario_with(&key, value)).is_ok();
        let name = format!("{}.{}", key.table, key.name);
        if let Some(min) = key.schema.get("minimum") {
            assert!(is_read(min), "{name} = {min}: {}", scenario_with(&key, min));
            assert!(!is_read(&shifted(min, -1)), "{name} < {min}");
        }
        if let Some(max) = key.schema.get("maximum") {
            assert!(is_read(max), "{name} = {max}: {}", scenario_with(&key, max));
            assert!(!is_read(&shifted(max, 1)), "{name} > {max}");
        }
        if let Some(below) = key.schema.get("exclusiveMaximum") {
            assert!(!is_read(below), "{name} = {below}");
        }
    }
}

#[test]
fn the_defaults_of_the_schema_are_the_readers() {
    // Without the places in the file, which do differ.
    let read = |text: &str| {
        // Unchecked: a fault that does nothing is none, but it can be read.
        let scenario: Scenario = toml::from_str(text).unwrap();
        let shown = format!("{scenario:?}");
        let parts: Vec<&str> = shown.split("span: ").collect();
        let rest = parts.iter().map(|part| {
            part.split_once(", ").filter(|(at, _)| at.contains("..")).map_or(*part, |(_, rest)| rest)
        });
        rest.collect::<String>()
    };
    for key in reference::keys() {
        let Some(default) = key.schema.get("default") else { continue };
        let with = scenario_with(&key, default);
        let line = format!("{}\n", key.line(default));
        assert_eq!(read(&with), read(&with.replacen(&line, "", 1)), "{}.{}", key.table, key.name);
    }
}

#[test]
fn the_examples_of_every_notation_fit_its_pattern() {
    let schema = schema::schema();
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        let validator = jsonschema::validator_for(definition);
        let Some(examples) = definition["examples"].as_array() else { continue };
        let validator = validator.unwrap();
        for example in examples {
            assert!(validator.is_valid(example), "{name}: {example}");
        }
    }
}
