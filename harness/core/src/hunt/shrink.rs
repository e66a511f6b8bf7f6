//! What can be left out of a scenario.

use toml::{Table, Value};

use crate::scenario::Scenario;

/// A scenario that a player fails, as what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    table: Table,
}

/// How far a scenario has been made smaller. Each round has tries, all of which can be played at once: whoever plays them says
/// which still fail.
#[derive(Debug)]
pub struct Shrinking {
    whole: Parts,
    /// What is left out for good.
    gone: Vec<Part>,
    /// What could be left out besides, each alone, as the last round has shown.
    spare: Vec<Part>,
    /// What the current round leaves out, try by try.
    tries: Vec<Vec<Part>>,
    /// Nothing more goes as a whole: it is about single keys now.
    has_come_to_keys: bool,
}

impl Shrinking {
    pub fn begin(whole: Parts) -> Shrinking {
        let mut begun = Shrinking {
            whole,
            gone: Vec::new(),
            spare: Vec::new(),
            tries: Vec::new(),
            has_come_to_keys: false,
        };
        begun.begin_round();
        begun
    }

    /// The smallest scenario so far.
    pub fn smallest(&self) -> Parts {
        self.whole.without(&self.gone).unwrap_or_else(|| self.whole.clone())
    }

    /// The scenarios of this round; none when nothing more can be left out.
    pub fn tries(&self) -> Vec<Parts> {
        self.tries.iter().filter_map(|gone| self.whole.without(gone)).collect()
    }

    /// Goes on to the next round: `fails` says of each of the tries whether it still fails.
    pub fn learn(&mut self, fails: &[bool]) {
        let tries = std::mem::take(&mut self.tries);
        let failing = tries.into_iter().zip(fails).filter(|(_, fails)| **fails).map(|(gone, _)| gone);
        if self.spare.is_empty() {
            self.spare = failing.filter_map(|gone| gone.last().cloned()).collect();
            if self.spare.is_empty() {
                return self.come_to_keys();
            }
            self.tries = self.together();
            if !self.tries.is_empty() {
                return;
            }
        } else if let Some(most) = failing.max_by_key(Vec::len) {
            self.gone = most;
            self.spare.clear();
        }
        // What goes alone need not go together.
        self.gone.extend(self.spare.drain(..).next());
        self.begin_round();
    }

    fn begin_round(&mut self) {
        self.tries = self.alone();
        if self.tries.is_empty() {
            self.come_to_keys();
        }
    }

    fn come_to_keys(&mut self) {
        if !self.has_come_to_keys {
            self.has_come_to_keys = true;
            self.tries = self.alone();
        }
    }

    /// Each part by itself, beside what is gone.
    fn alone(&self) -> Vec<Vec<Part>> {
        let is_key = |part: &Part| part.0.len() > 1 && matches!(part.0.last(), Some(Step::Key(_)));
        let left = self.whole.list().into_iter().filter(|part| {
            is_key(part) == self.has_come_to_keys && !self.gone.iter().any(|gone| gone.has(part))
        });
        let beside = left.map(|part| [self.gone.clone(), vec![part]].concat());
        beside.filter(|gone| self.whole.without(gone).is_some()).collect()
    }

    /// All that could go alone, and each half of it, where that is not one part alone.
    fn together(&self) -> Vec<Vec<Part>> {
        let (first, second) = self.spare.split_at(self.spare.len() / 2);
        let many = [&self.spare, first, second].into_iter().filter(|parts| parts.len() > 1);
        let beside = many.map(|parts| [&self.gone, parts].concat());
        beside.filter(|gone| self.whole.without(gone).is_some()).collect()
    }
}

/// Where in the file a part is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    /// The place in a list of tables.
    Index(usize),
}

impl Parts {
    /// `None` if the text is no scenario.
    pub fn read(text: &str) -> Option<Parts> {
        Scenario::parse(text).ok()?;
        Some(Parts { table: text.parse().ok()? })
    }

    /// The scenario's text.
    pub fn text(&self) -> String {
        self.table.to_string()
    }

    /// What may be left out alone: a fault, a restart, an action, a table, or one key of these. What only bounds a fault is no
    /// part: without it there would be more of the fault, not less.
    fn list(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        for (key, value) in &self.table {
            let here = || vec![Step::Key(key.clone())];
            match value {
                Value::Table(table) => {
                    parts.push(Part(here()));
                    parts.extend(keys(&here(), table));
                }
                Value::Array(entries) => {
                    for (i, entry) in entries.iter().enumerate() {
                        let Value::Table(table) = entry else { continue };
                        let here = [here(), vec![Step::Index(i)]].concat();
                        parts.push(Part(here.clone()));
                        parts.extend(keys(&here, table));
                    }
                }
                _ => parts.extend(keys(&[], &Table::from_iter([(key.clone(), value.clone())]))),
            }
        }
        parts.retain(|part| self.without(std::slice::from_ref(part)).is_some());
        parts
    }

    /// The scenario without these parts; `None` if that is no scenario.
    fn without(&self, parts: &[Part]) -> Option<Parts> {
        let mut parts = parts.to_vec();
        // The last first, so that places in a list stay what they are.
        parts.sort();
        let mut whole = Value::Table(self.table.clone());
        for Part(steps) in parts.iter().rev() {
            let (last, way) = steps.split_last()?;
            remove(&mut whole, way, last);
        }
        let Value::Table(mut table) = whole else { return None };
        table.retain(|_, value| !matches!(value, Value::Array(entries) if entries.is_empty()));
        let smaller = Parts { table };
        Scenario::parse(&smaller.text()).is_ok().then_some(smaller)
    }

    /// As a scenario to be kept: with this summary in place of its own, every fault to be met, and illegal in these ways.
    pub fn kept(&self, summary: Option<&str>, illegal: &[&str]) -> Parts {
        let mut table = self.table.clone();
        if let Some(summary) = summary {
            table.insert("summary".into(), summary.into());
        }
        match illegal {
            [] => drop(table.remove("illegal")),
            names => {
                let names = names.iter().map(|name| Value::from(*name)).collect();
                table.insert("illegal".into(), Value::Array(names));
            }
        }
        if let Some(Value::Array(faults)) = table.get_mut("fault") {
            faults.iter_mut().filter_map(Value::as_table_mut).for_each(|fault| drop(fault.remove("never")));
        }
        Parts { table }
    }
}

impl Part {
    /// Whether `other` is this part, or in it.
    fn has(&self, other: &Part) -> bool {
        other.0.starts_with(&self.0)
    }
}

fn keys(here: &[Step], table: &Table) -> Vec<Part> {
    let keys = table.keys().filter(|key| !BOUNDS.contains(&key.as_str()));
    keys.map(|key| Part([here, &[Step::Key(key.clone())]].concat())).collect()
}

/// Whatever is gone already stays so.
fn remove(whole: &mut Value, way: &[Step], last: &Step) {
    let place = way.iter().try_fold(whole, |at, step| match step {
        Step::Key(key) => at.get_mut(key),
        Step::Index(i) => at.get_mut(*i),
    });
    match (place, last) {
        (Some(Value::Table(table)), Step::Key(key)) => drop(table.remove(key)),
        (Some(Value::Array(entries)), Step::Index(i)) if *i < entries.len() => drop(entries.remove(*i)),
        _ => {}
    }
}

/// Keys that narrow what something is about, or say nothing of it.
const BOUNDS: &[&str] = &[
    "summary", "illegal", "cites", "source", "guards", "on", "nth", "from", "until", "for", "at", "to",
    "variant", "audio", "never", "limit",
];

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
summary = "x"
until = "segment 112"
illegal = ["extinf"]

[stream]
window = 6
phase = 0.5

[[restart]]
at = "segment 105"
names = "keep"

[[fault]]
on = "segment 106"
nth = "1"
status = 404
delay = "1td"
never = true

[[fault]]
on = "playlist"
nth = "3"
stale = true
"#;

    fn parts() -> Parts {
        Parts::read(TEXT).expect("a scenario")
    }

    #[test]
    fn what_can_be_left_out_and_is_still_a_scenario() {
        let step = |step: &Step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(i) => (i + 1).to_string(),
        };
        let name = |part: &Part| part.0.iter().map(step).collect::<Vec<_>>().join(" ");
        let list: Vec<String> = parts().list().iter().map(name).collect();
        let expected = [
            "stream",
            "stream window",
            "stream phase",
            "restart 1",
            "restart 1 names",
            "fault 1",
            "fault 1 status",
            "fault 1 delay",
            "fault 2",
        ];
        assert_eq!(list, expected, "`fault 2 stale` would be a fault that does nothing");
    }

    #[test]
    fn parts_are_left_out_together_whatever_their_order() {
        let all = parts().list();
        let chosen: Vec<Part> = all
            .iter()
            .filter(|part| part.0.len() == 2 && part.0[0] == Step::Key("fault".into()))
            .cloned()
            .collect();
        let reversed: Vec<Part> = chosen.iter().rev().cloned().collect();
        let none = parts().without(&chosen).expect("a scenario");
        assert_eq!(none, parts().without(&reversed).expect("a scenario"));
        assert!(!none.text().contains("fault"), "{}", none.text());
        // A key of what goes as a whole.
        let twice = [all[5].clone(), all[6].clone()];
        assert_eq!(parts().without(&twice), parts().without(&all[5..6]));
    }

    /// Shrinks what fails as long as it says all of `needed`.
    fn shrunk(text: &str, needed: impl Fn(&str) -> bool) -> (String, usize) {
        let mut shrinking = Shrinking::begin(Parts::read(text).expect("a scenario"));
        for round in 0.. {
            let tries = shrinking.tries();
            if tries.is_empty() {
                return (shrinking.smallest().text(), round);
            }
            let fails: Vec<bool> = tries.iter().map(|parts| needed(&parts.text())).collect();
            shrinking.learn(&fails);
        }
        unreachable!()
    }

    #[test]
    fn all_that_is_not_needed_goes_and_the_rest_stays() {
        let (text, rounds) = shrunk(TEXT, |text| text.contains("status") && text.contains("[[restart]]"));
        for gone in ["stream", "names", "delay", "stale"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        assert!(text.contains("status") && text.contains("[[restart]]"), "{text}");
        assert!(rounds <= 6, "{rounds} rounds");
    }

    #[test]
    fn what_goes_alone_and_not_together_stays_in_part() {
        let either = |text: &str| text.contains("[[restart]]") || text.contains("stale");
        let (text, _) = shrunk(TEXT, either);
        assert!(either(&text) && !text.contains("status") && !text.contains("window"), "{text}");
    }

    #[test]
    fn what_fails_only_whole_stays_whole() {
        let whole = Parts::read(TEXT).expect("a scenario").text();
        assert_eq!(shrunk(TEXT, |text| text == whole), (whole.clone(), 2));
    }

    #[test]
    fn what_is_kept_says_what_it_is() {
        let kept = parts().kept(Some("It fails."), &["sequence-decreased"]).text();
        assert!(kept.contains("illegal = [\"sequence-decreased\"]") && !kept.contains("never"), "{kept}");
        assert!(kept.contains("It fails."), "{kept}");
        let legal = parts().kept(None, &[]).text();
        assert!(!legal.contains("illegal") && legal.contains("summary = \"x\""), "{legal}");
        Scenario::parse(&kept).expect("a scenario");
    }
}
