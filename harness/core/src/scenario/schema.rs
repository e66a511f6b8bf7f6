//! The scenario file as a JSON Schema, for editors: made from the types that read it, with their doc comments.
//!
//! It knows which keys there are and how their values are written. What contradicts what is only known to
//! [`check`](super::check), and a notation may be read more leniently than it is described here.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::Scenario;
use crate::selfcheck::FINDINGS;

/// The schema of a scenario file. Draft 7: it is what the editors' TOML servers know.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(without_json));
    let mut schema = settings.into_generator().into_root_schema_for::<Scenario>();
    schema.insert("title".into(), "segproof scenario".into());
    schema.to_value()
}

/// The schema as the text of its file.
pub fn file() -> String {
    let text = serde_json::to_string_pretty(&schema()).expect("a schema is plain data");
    format!("{text}\n")
}

/// The name of one of the self-check's findings; what can be written in `illegal`.
pub struct Finding;

impl JsonSchema for Finding {
    fn schema_name() -> Cow<'static, str> {
        "Finding".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names =
            FINDINGS.iter().map(|(name, what)| json!({"const": name, "description": what, "type": "string"}));
        json_schema!({"description": "A finding of the self-check.", "oneOf": names.collect::<Vec<_>>()})
    }
}

/// TOML has no null, and its integers have one size: what is left out is left out, and only bounds matter.
fn without_json(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("format");
    if let Some(Value::String(text)) = object.get_mut("description") {
        // Where the source breaks its lines is nobody's business.
        *text = text.replace('\n', " ");
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    let Some(Value::Array(mut forms)) = object.remove("anyOf") else { return };
    forms.retain(|form| form.get("type").is_none_or(|kind| kind != "null"));
    match (forms.as_slice(), object.is_empty()) {
        ([Value::Object(only)], true) => *object = only.clone(),
        // Draft 7 reads nothing beside a reference.
        ([_], _) => drop(object.insert("allOf".into(), forms.into())),
        _ => drop(object.insert("anyOf".into(), forms.into())),
    }
}
