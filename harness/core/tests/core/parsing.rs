//! Whatever is in a scenario file: it is read, or its mistake is shown; nothing panics.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use segproof_core::origin::{Origin, PLAYLIST_PATH};
use segproof_core::scenario::{Scenario, ScenarioError};

use crate::origin::presentation;

/// Every scenario of the suite.
pub static SCENARIOS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let pattern = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/**/scenario.toml");
    let files = glob::glob(pattern.to_str().unwrap()).unwrap();
    files.map(|file| fs::read_to_string(file.unwrap()).unwrap()).collect()
});

/// Reads a text; a scenario that is accepted must also be playable, an error must be presentable.
fn read(text: &str) -> Result<Scenario, ScenarioError> {
    let read = Scenario::parse(text);
    match &read {
        Ok(scenario) => {
            let mut origin = Origin::new(scenario, presentation(scenario));
            for moment in scenario.faults().flat_map(|f| [f.from, f.until]).flatten() {
                assert!(!origin.timeline.moment_ms(moment).is_nan());
            }
            for at_ms in [0.0, 1e3, 1e5] {
                origin.handle(at_ms, PLAYLIST_PATH);
                let msn = origin.timeline.end_at(at_ms) - 1;
                origin.handle(at_ms, &format!("/live/live{msn}.m4s"));
            }
        }
        Err(error) => {
            assert!(!error.message.trim().is_empty());
            let shown = error.render("scenario.toml", text);
            assert!(shown.starts_with("scenario.toml:") && shown.contains(error.message.trim()), "{shown}");
        }
    }
    read
}

#[test]
fn every_scenario_of_the_suite_is_read() {
    assert!(SCENARIOS.len() >= 50, "{} scenarios", SCENARIOS.len());
    for text in SCENARIOS.iter() {
        if let Err(error) = read(text) {
            panic!("{}", error.render("scenario.toml", text));
        }
    }
}

#[test]
fn a_mistake_is_shown_at_its_place_in_any_script_and_with_any_line_ends() {
    let shown = |text: &str| read(text).unwrap_err().render("scenario.toml", text);
    insta::assert_snapshot!(shown("summary = \"größer → 日本\" # ü\r\nuntil = \"segment 108\"\r\n[[fault]]\r\non = \"пример\"\r\nstatus = 404\r\n"), @r#"
    scenario.toml:4:6: "пример" names nothing; write "playlist", "multivariant", "init", "segment 105", "segment 105..107" or "*"
      |
    4 | on = "пример"
      |      ^^^^^^^^
    "#);
    insta::assert_snapshot!(shown("summary = \"x\"\r\nuntil = \"segment 108\"\r\n[stream]\r\nphase = 3.0\r\n"), @r"
    scenario.toml:4:1: `phase` must be 0 up to, but not including, 1
      |
    4 | phase = 3.0
      | ^^^^^^^^^^^
    ");
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let error = read(&"#".repeat((1 << 20) + 1)).unwrap_err();
    assert!(error.message.contains("larger than"), "{}", error.message);
}

/// A place in a text, whatever its length, moved to the next character's beginning.
fn place(text: &str, at: prop::sample::Index) -> usize {
    let at = at.index(text.len() + 1);
    (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap()
}

/// What people type, and what they don't.
const TYPED: &[&str] = &[
    "\"",
    "[",
    "]",
    "[[fault]]\n",
    "=",
    "\n",
    "\r\n",
    "..",
    "-",
    "0",
    "999999999999999999999",
    "nan",
    "1e308",
    "segment 105",
    "segment 18446744073709551615",
    "segment 0..",
    "td",
    "%",
    "ideal +",
    "true",
    "\u{0}",
    "é",
    "日",
    "\u{1f600}",
    "\u{202e}",
    "jump = 9223372036854775807\n",
    "gap = true\n",
    "nth = \"0\"\n",
    "window = 0\n",
    "media_sequence = 9223372036854775807\n",
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![3 => prop::sample::select(TYPED).prop_map(String::from), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, rng_seed: RngSeed::Fixed(crate::SEED), ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_read_or_refused(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn scenarios_with_typing_errors_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, piece()), 1..5),
    ) {
        let mut text = which.get(&SCENARIOS).clone();
        for (at, removed, piece) in edits {
            let begin = place(&text, at);
            let end = text[begin..].char_indices().nth(removed).map_or(text.len(), |(i, _)| begin + i);
            text.replace_range(begin..end, &piece);
        }
        let _ = read(&text);
    }

    #[test]
    fn scenarios_with_other_values_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        line in any::<prop::sample::Index>(),
        value in prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| format!("\"segment {n}\"")),
            any::<u64>().prop_map(|n| format!("\"{n}\"")),
            any::<f64>().prop_map(|n| n.to_string()),
            (90u64..120, 90u64..120).prop_map(|(a, b)| format!("\"segment {a}..{b}\"")),
            (90u64..120).prop_map(|n| format!("\"segment {n}\"")),
            (0u64..9, 0u64..9).prop_map(|(a, b)| format!("\"{a}..{b}\"")),
            any::<f64>().prop_map(|n| format!("\"{n}s\"")),
            any::<u64>().prop_map(|n| format!("\"{n}%\"")),
        ],
    ) {
        let mut lines: Vec<String> = which.get(&SCENARIOS).lines().map(String::from).collect();
        let settings: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].contains('=')).collect();
        let line = &mut lines[*line.get(&settings)];
        *line = format!("{}= {value}", &line[..line.find('=').unwrap()]);
        let _ = read(&lines.join("\r\n"));
    }

    /// Spans come from other crates: whatever they are, showing them doesn't fail.
    #[test]
    fn any_span_can_be_shown(text in "(\\PC|\r\n|\n|é|日|\u{1f600}){0,40}", start in 0usize..80, length in 0usize..80) {
        let error = ScenarioError { message: "no".into(), span: Some(start..start + length) };
        prop_assert!(error.render("f", &text).starts_with("f:"));
        #[expect(clippy::reversed_empty_ranges, reason = "a span may be wrong, too")]
        let error = ScenarioError { span: Some(9..3), ..error };
        prop_assert!(error.render("f", &text).contains('^'));
    }
}
