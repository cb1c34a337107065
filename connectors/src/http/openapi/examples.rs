//! Examples of bodies, put together from the examples of their parts.
//!
//! A type that says how it looks as a whole is taken at its word.

use serde_json::{Value, json};
use utoipa::openapi::{Content, OpenApi, RefOr};

use super::operations;

const JSON: &str = "application/json";

/// Gives every JSON body that has no example one.
pub(super) fn add(document: &mut OpenApi) {
    let components = serde_json::to_value(&document.components).expect("schemas are JSON");
    let schemas = &components["schemas"];
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            let asked = operation.request_body.iter_mut().filter_map(whole);
            let answered = operation.responses.responses.values_mut().filter_map(whole);
            let asked = asked.filter_map(|body| body.content.get_mut(JSON));
            let answered = answered.filter_map(|answer| answer.content.get_mut(JSON));
            for content in asked.chain(answered).filter_map(whole) {
                give(content, schemas);
            }
        }
    }
}

fn give(content: &mut Content, schemas: &Value) {
    if content.example.is_none() && content.examples.is_empty() {
        let schema = serde_json::to_value(&content.schema).expect("a schema is JSON");
        content.example = Some(example(&schema, schemas));
    }
}

/// What stands there itself, and not elsewhere.
pub(super) fn whole<T>(part: &mut RefOr<T>) -> Option<&mut T> {
    match part {
        RefOr::T(part) => Some(part),
        RefOr::Ref(_) => None,
    }
}

/// A value of this schema.
fn example(schema: &Value, schemas: &Value) -> Value {
    if let Some(first) = schema["examples"].get(0).or_else(|| schema.get("const")) {
        return first.clone();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return example(&schemas[name], schemas);
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| example(part, schemas));
        return parts.fold(json!({}), merged);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| choice["type"] != "null");
        return choice.map_or(Value::Null, |choice| example(choice, schemas));
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let properties = properties.map(|(name, part)| (name.clone(), example(part, schemas)));
            Value::Object(properties.collect())
        }
        Some("array") => json!([example(&schema["items"], schemas)]),
        Some("boolean") => json!(false),
        Some("integer") => json!(0),
        Some("string") => json!("text"),
        // Nothing says what it would be, and it may be null.
        _ => Value::Null,
    }
}

fn merged(mut whole: Value, part: Value) -> Value {
    if let (Some(whole), Value::Object(part)) = (whole.as_object_mut(), part) {
        whole.extend(part);
    }
    whole
}
