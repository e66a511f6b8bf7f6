//! The reference of the scenario file as a page: every key with its notation, default, bounds and an example.
//!
//! Made from the [`schema`](super::schema), which has all that from the types that read a scenario.

use std::fmt::Write;

use serde_json::Value;

use super::schema::schema;

/// A table of the scenario file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Keys before the first table.
    Top,
    /// `[name]`
    One,
    /// `[[name]]`
    Many,
}

/// One key of one table.
#[derive(Debug, Clone)]
pub struct Key {
    /// The table's name; empty at the top.
    pub table: String,
    pub place: Place,
    pub name: String,
    pub is_required: bool,
    /// Its own schema, without references.
    pub schema: Value,
    /// `None` would be a gap in the schema: neither the key nor its type shows what can be written.
    pub example: Option<Value>,
}

impl Key {
    /// What can stand in the file: `window = 3`.
    pub fn line(&self, value: &Value) -> String {
        format!("{} = {}", self.name, toml(value))
    }
}

/// Every key of the scenario file, tables in their order.
pub fn keys() -> Vec<Key> {
    let schema = schema();
    let mut all = keys_of(&schema, &schema, "", Place::Top);
    for (name, place, table) in tables(&schema) {
        all.extend(keys_of(&schema, table, name, place));
    }
    all
}

/// The page.
pub fn page() -> String {
    let schema = schema();
    let mut page = INTRODUCTION.to_string();
    section(&mut page, "At the top", "", keys_of(&schema, &schema, "", Place::Top));
    for (name, place, table) in tables(&schema) {
        let title = if place == Place::Many { format!("`[[{name}]]`") } else { format!("`[{name}]`") };
        section(&mut page, &title, about(table), keys_of(&schema, table, name, place));
    }
    page.push_str("\n## Notations\n\n| notation | what it is | for example |\n|---|---|---|\n");
    let definitions = schema["definitions"].as_object().into_iter().flatten();
    for (name, definition) in
        definitions.clone().filter(|(_, definition)| definition.get("pattern").is_some())
    {
        let examples: Vec<String> = examples_of(definition).map(|example| code(&toml(example))).collect();
        row(&mut page, &[anchor(name), about(definition).into(), examples.join(" ")]);
    }
    page.push_str("\n## Choices\n");
    for (name, definition) in definitions {
        let Some(choices) = definition["oneOf"].as_array() else { continue };
        let _ = write!(page, "\n### {name}\n\n{}\n\n", about(definition));
        for choice in choices {
            let _ = writeln!(page, "- {}: {}", code(&toml(&choice["const"])), about(choice));
        }
    }
    page
}

/// The tables with their names and schemas, in the order in which a scenario has them.
fn tables(schema: &Value) -> impl Iterator<Item = (&'static str, Place, &Value)> {
    let resolved = |name: &str| {
        let property = &schema["properties"][name];
        let (place, target) = match property.get("items") {
            Some(items) => (Place::Many, items),
            None => (Place::One, property),
        };
        (place, definition_of(schema, target).1)
    };
    TABLES.iter().map(move |name| {
        let (place, table) = resolved(name);
        (*name, place, table)
    })
}

fn keys_of(root: &Value, table: &Value, name: &str, place: Place) -> Vec<Key> {
    let required = |key: &str| table["required"].as_array().is_some_and(|keys| keys.iter().any(|k| k == key));
    let properties = table["properties"].as_object().into_iter().flatten();
    let own = properties.filter(|(key, _)| place != Place::Top || !TABLES.contains(&key.as_str()));
    own.map(|(key, schema)| {
        let of_type = definition_of(root, schema).1;
        Key {
            table: name.into(),
            place,
            name: key.clone(),
            is_required: required(key),
            schema: schema.clone(),
            example: example(schema, of_type),
        }
    })
    .collect()
}

/// The name and the schema of the definition that a schema refers to; itself if to none.
fn definition_of<'a>(root: &'a Value, schema: &'a Value) -> (Option<&'a str>, &'a Value) {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    match reference.and_then(|path| path.strip_prefix("#/definitions/")) {
        Some(name) => (Some(name), &root["definitions"][name]),
        None => (None, schema),
    }
}

/// An example of the key's own, else of its type; else what is not the default.
fn example(schema: &Value, of_type: &Value) -> Option<Value> {
    if let Some(own) = examples_of(schema).chain(examples_of(of_type)).next() {
        return Some(own.clone());
    }
    let default = schema.get("default");
    if of_type["type"] == "boolean" {
        return Some(Value::Bool(default != Some(&Value::Bool(true))));
    }
    let choices = of_type["oneOf"].as_array()?.iter().map(|choice| &choice["const"]);
    choices.into_iter().find(|choice| Some(*choice) != default).cloned()
}

fn examples_of(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["examples"].as_array().into_iter().flatten()
}

fn section(page: &mut String, title: &str, about: &str, keys: Vec<Key>) {
    let root = schema();
    let _ = write!(page, "\n## {title}\n\n");
    if !about.is_empty() {
        // The table's name stands in the title already.
        let about = about.split_once("`: ").map_or(about, |(_, about)| about);
        let mut letters = about.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        let _ = write!(page, "{first}{}\n\n", letters.as_str());
    }
    page.push_str("| key | value | default | what it says | for example |\n|---|---|---|---|---|\n");
    for key in keys {
        let of_type = definition_of(&root, &key.schema).1;
        let what = key.schema.get("description").or(of_type.get("description"));
        let default = match key.schema.get("default") {
            Some(default) => code(&toml(default)),
            None if key.is_required => "required".into(),
            None => String::new(),
        };
        let example = key.example.as_ref().map(|example| code(&key.line(example)));
        row(
            page,
            &[
                code(&key.name),
                values(&root, &key.schema),
                default,
                what.and_then(Value::as_str).unwrap_or_default().into(),
                example.unwrap_or_default(),
            ],
        );
    }
}

fn row(page: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', r"\|")).collect();
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

/// What can be written, in words.
fn values(root: &Value, schema: &Value) -> String {
    let (name, of_type) = definition_of(root, schema);
    if let Some(name) = name {
        if let Some(choices) = of_type["oneOf"].as_array() {
            let all: Vec<String> = choices.iter().map(|choice| code(&toml(&choice["const"]))).collect();
            return match all.len() {
                ..=CHOICES_MAX => format!("[{}](#{})", all.join(" "), name.to_lowercase()),
                _ => format!("[{name}](#{})", name.to_lowercase()),
            };
        }
        if let Some(forms) = of_type["anyOf"].as_array() {
            return forms.iter().map(|form| values(root, form)).collect::<Vec<_>>().join(", or ");
        }
        return link(name);
    }
    if let Some(items) = schema.get("items") {
        let bounds = match (schema["minItems"].as_u64(), schema["maxItems"].as_u64()) {
            (Some(min), _) => format!(" of at least {min}"),
            (_, Some(max)) => format!(" of up to {max}"),
            _ => String::new(),
        };
        return format!("list{bounds}: {}", values(root, items));
    }
    if let Some(patterns) = schema["patternProperties"].as_object()
        && let Some(value) = patterns.values().next()
    {
        return format!("table: {} = {}", link("Target"), values(root, value));
    }
    match schema["type"].as_str().unwrap_or_default() {
        "object" => format!("table of {}", values(root, &schema["additionalProperties"])),
        kind => format!("{kind}{}", bounds(schema)),
    }
}

fn bounds(schema: &Value) -> String {
    let bound = |key: &str| schema.get(key).map(toml);
    match (bound("minimum"), bound("maximum"), bound("exclusiveMaximum")) {
        (Some(min), Some(max), _) => format!(", {min} to {max}"),
        (Some(min), None, Some(below)) => format!(", {min} up to, but not including, {below}"),
        (Some(min), None, None) if min == "0" => String::new(),
        (Some(min), None, None) => format!(", at least {min}"),
        _ => String::new(),
    }
}

fn about(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

/// A table has no headings: what links lead to.
fn anchor(name: &str) -> String {
    format!("<a id=\"{}\"></a>{name}", name.to_lowercase())
}

/// A value as TOML, on one line.
pub fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{} = {}", toml_key(name), toml(value))).collect();
            if pairs.is_empty() { "{}".into() } else { format!("{{ {} }}", pairs.join(", ")) }
        }
        // Strings, numbers and booleans are written alike in JSON.
        plain => plain.to_string(),
    }
}

fn toml_key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if is_bare { name.into() } else { Value::from(name).to_string() }
}

const INTRODUCTION: &str = include_str!("reference.md");
const TABLES: &[&str] =
    &["stream", "playlist", "restart", "variant", "audio", "fault", "action", "page", "app", "expect"];
/// More choices are listed in a place of their own only.
const CHOICES_MAX: usize = 6;
