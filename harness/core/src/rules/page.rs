//! `docs/rules.md`: the law for people.

use std::fmt::Write;

use super::{RULES, Rule};
use crate::report::Level;

/// Levels with what they mean for a player, the most binding first.
const LEVELS: [(Level, &str, &str); 4] = [
    (
        Level::Must,
        "MUST",
        "A MUST of RFC 8216, its successor draft or Media Source Extensions. It binds every player.",
    ),
    (Level::Viewer, "Viewer", "No standard says it, the viewer does. It binds every player, too."),
    (
        Level::Seed,
        "Seed",
        "A promise of SegmentationStreaming beyond the standards. It binds players whose `player.toml` says \
         `profile = \"seed\"`; of others it is told.",
    ),
    (Level::Should, "SHOULD", "A SHOULD of these standards. It is told, and binds with `--strict` only."),
];

/// The whole page.
pub fn page() -> String {
    let mut page = format!("{HEAD}\n");
    for (level, title, meaning) in LEVELS {
        let _ = write!(page, "\n## {title}\n\n{meaning}\n\n| rule | asks for | rests on |\n|---|---|---|\n");
        for rule in RULES.iter().filter(|rule| rule.level == level) {
            let Rule { id, says, rests_on, .. } = rule;
            let _ = writeln!(page, "| <a id=\"{id}\"></a>`{id}` | {says} | {rests_on} |");
        }
    }
    page
}

const HEAD: &str = "# The rules

Each trial's record is judged by these, without knowledge of the faults that were in force: a rule is a function of what the
origin sent, what the page was seen to do, and what the scenario expects (`harness/core/src/rules/`). A rule that has nothing
to judge in a trial is not counted for it. A violation says besides whether the stream was legal; where it was not, or the
server failed, surviving it is resilience and no conformance.

Now and then a rule weighs less in a case that the standard leaves open; the report then says the level of the case. How far an
engine's own doings are left out is in `harness/core/src/tolerance.rs`, each with what was measured. A scenario may ask for more or
less by [`[expect]`](scenario.md).

(Written by `cargo xtask schema` from the table in `harness/core/src/rules.rs`.)";
