//! The parts of `docs/engines.md` that are written from the code: what each engine is driven like, and what all are allowed.

use std::fmt::Write;

use segproof_harness::engine::{ENGINES, Engine};

use crate::written;

pub const FILE: &str = "docs/engines.md";

/// The page with both parts; none if it has not all marks.
pub fn told_in(page: &str) -> Option<String> {
    written::between(TOLERANCE_MARKS, &written::between(ENGINE_MARKS, page, &engines())?, &tolerances())
}

fn engines() -> String {
    let mut text = String::from(
        "| engine | driver | speed at most | step of the clock, ms | at speed 1 on each core | forgets | `--player URL` is watched by |\n\
         |---|---|--:|--:|--:|---|---|\n",
    );
    for Engine { name, drivers, speed_max, clock_step_ms, weight, forget, has_bidi, .. } in ENGINES {
        let driver = drivers.first().map_or("`--webdriver` only".to_owned(), |driver| format!("`{driver}`"));
        let _infallible = writeln!(
            text,
            "| {name} | {driver} | {speed_max} | {clock_step_ms} | {} | {} | {} |",
            weight.per_core_at_1,
            if forget.is_some() { "yes" } else { "no" },
            if *has_bidi { "BiDi" } else { "nothing: it is skipped" },
        );
    }
    text
}

/// A line for each constant, with what is said before it.
fn tolerances() -> String {
    let mut text = String::from("| tolerance | is | because |\n|---|--:|---|\n");
    let mut said = String::new();
    for line in TOLERANCES.lines() {
        if let Some(more) = line.strip_prefix("/// ") {
            said += if said.is_empty() { "" } else { " " };
            said += more;
        } else if let Some((name, value)) = line.strip_prefix("pub const ").and_then(constant) {
            let _infallible = writeln!(text, "| `{name}` | {value} | {said} |");
            said.clear();
        }
    }
    text
}

/// Name and value of `NAME: type = value;`.
fn constant(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(": ")?;
    Some((name, rest.split_once(" = ")?.1.strip_suffix(';')?))
}

const TOLERANCES: &str = include_str!("../../../harness/core/src/tolerance.rs");

const ENGINE_MARKS: [&str; 2] =
    ["<!-- engines: written by `cargo xtask schema` -->", "<!-- end of engines -->"];
const TOLERANCE_MARKS: [&str; 2] = [
    "<!-- tolerances: written by `cargo xtask schema` from harness/core/src/tolerance.rs -->",
    "<!-- end of tolerances -->",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;

    #[test]
    fn the_page_is_current() {
        let page = std::fs::read_to_string(paths::root().join(FILE)).expect(FILE);
        assert_eq!(told_in(&page).as_ref(), Some(&page), "`cargo xtask schema` writes it");
    }

    #[test]
    fn each_tolerance_is_told_with_its_reason() {
        let told = tolerances();
        assert_eq!(told.lines().count() - 2, TOLERANCES.matches("pub const ").count(), "{told}");
        assert!(
            told.contains("| `FRAMES_UNCOUNTED` | 5 | Frames of a segment that are shown and not counted."),
            "{told}"
        );
        assert!(!told.contains("|  |"), "{told}");
    }
}
