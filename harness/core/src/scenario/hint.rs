//! What was probably meant by a key or a value that there isn't.

use serde_json::Value;

use super::schema::schema;

/// The reader's message; where it is about an unknown key or value, with what was probably meant in place of a list
/// that is too long to be read.
pub fn hinted(message: &str) -> String {
    let Some(unknown) = Unknown::read(message) else { return message.to_string() };
    let Unknown { kind, name, mut allowed } = unknown;
    allowed.sort_by(|a, b| likeness(name, b).total_cmp(&likeness(name, a)));
    let nearest = allowed.first().copied().filter(|key| likeness(name, key) >= LIKENESS_MIN);
    let home = match kind {
        Kind::Field => homes(name),
        Kind::Variant => Vec::new(),
    };
    let said = match (nearest, home.as_slice()) {
        (Some(key), _) => format!("{kind} `{name}`; did you mean `{key}`?"),
        (None, [table]) => format!("{kind} `{name}`; it is a key of `{table}`."),
        (None, [tables @ .., last]) => {
            format!("{kind} `{name}`; it is a key of `{}` and `{last}`.", tables.join("`, `"))
        }
        (None, []) if allowed.len() <= LIST_MAX => format!("{kind} `{name}`;"),
        (None, []) => {
            let (shown, rest) = allowed.split_at(LIST_MAX);
            let shown = shown.join("`, `");
            return format!(
                "{kind} `{name}`, expected one of `{shown}` or {} others: {REFERENCE}",
                rest.len()
            );
        }
    };
    match allowed.len() {
        ..=LIST_MAX => {
            format!("{said} What there is here: `{}`", allowed.join("`, `")).replace("; What", "; what")
        }
        _ => format!("{said} {REFERENCE}"),
    }
}

/// serde's message about a key or a value that there isn't.
struct Unknown<'a> {
    kind: Kind,
    name: &'a str,
    allowed: Vec<&'a str>,
}

#[derive(Clone, Copy)]
enum Kind {
    Field,
    Variant,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Field => "unknown field",
            Kind::Variant => "unknown variant",
        })
    }
}

impl Unknown<'_> {
    fn read(message: &str) -> Option<Unknown<'_>> {
        let kinds = [("unknown field `", Kind::Field), ("unknown variant `", Kind::Variant)];
        let (rest, kind) =
            kinds.into_iter().find_map(|(head, kind)| Some((message.strip_prefix(head)?, kind)))?;
        let (name, expected) = rest.rsplit_once("`, expected ")?;
        // What is allowed stands between backticks: every other piece.
        let allowed: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        (!allowed.is_empty()).then_some(Unknown { kind, name, allowed })
    }
}

/// 1 for the same word, 0 for one that has nothing in common with it.
fn likeness(name: &str, key: &str) -> f64 {
    // Some write `contentType` or `content-type`.
    let plain = |word: &str| word.replace(['_', '-', ' '], "").to_lowercase();
    let (name, key) = (plain(name), plain(key));
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    strsim::normalized_damerau_levenshtein(&name, &key)
}

/// The tables that have this key, as a scenario heads them.
fn homes(key: &str) -> Vec<String> {
    let schema = schema();
    let Some(root) = schema["properties"].as_object() else { return Vec::new() };
    let has = |part: &Value| {
        let name = part["$ref"].as_str().and_then(|path| path.strip_prefix("#/definitions/"));
        name.is_some_and(|name| schema["definitions"][name]["properties"].get(key).is_some())
    };
    let mut homes = Vec::new();
    for (table, value) in root {
        if has(&value["items"]) {
            homes.push(format!("[[{table}]]"));
        }
        if has(&value["allOf"][0]) {
            homes.push(format!("[{table}]"));
        }
    }
    homes
}

const REFERENCE: &str = "docs/scenario.md lists all there is.";
/// Below it, two words are two words.
const LIKENESS_MIN: f64 = 0.6;
/// So many names are read, and no more.
const LIST_MAX: usize = 8;
/// No key is longer; a name may be as long as a file.
const NAME_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// As serde writes it, with as many other keys as a fault has.
    fn unknown_field(name: &str) -> String {
        let others: Vec<String> = (0..40).map(|n| format!("`other_key_{n}`")).collect();
        format!("unknown field `{name}`, expected one of `status`, `content_type`, {}", others.join(", "))
    }

    #[test]
    fn what_is_near_is_proposed_without_the_list() {
        for (name, meant) in [("stauts", "status"), ("Status", "status"), ("contentType", "content_type")] {
            let said = hinted(&unknown_field(name));
            assert_eq!(said, format!("unknown field `{name}`; did you mean `{meant}`? {REFERENCE}"));
        }
    }

    #[test]
    fn a_key_of_another_table_is_sent_there() {
        let said = hinted(&unknown_field("window"));
        assert_eq!(said, format!("unknown field `window`; it is a key of `[stream]`. {REFERENCE}"));
        assert!(
            hinted(&unknown_field("fixture"))
                .contains("`[stream]`, `[[restart]]`, `[[variant]]` and `[audio]`")
        );
    }

    #[test]
    fn what_is_like_nothing_gets_the_likest_of_a_long_list() {
        let said = hinted(&unknown_field("zzz"));
        assert_eq!(said.matches('`').count(), 2 + 2 * LIST_MAX, "{said}");
        assert!(said.contains("or 34 others"), "{said}");
    }

    #[test]
    fn a_short_list_is_shown() {
        let said = hinted("unknown variant `reloads`, expected `wall` or `reload`");
        assert_eq!(
            said,
            "unknown variant `reloads`; did you mean `reload`? What there is here: `reload`, `wall`"
        );
        let said = hinted("unknown variant `x`, expected `wall` or `reload`");
        assert_eq!(said, "unknown variant `x`; what there is here: `wall`, `reload`");
    }

    #[test]
    fn other_messages_stay() {
        for message in ["missing field `on`", "unknown field `a`, there are no fields", "", "unknown field `"]
        {
            assert_eq!(hinted(message), message);
        }
        // A name may hold anything.
        assert!(hinted("unknown field `a`, expected `b`, expected `c`").contains("field `a`, expected `b`;"));
    }
}
