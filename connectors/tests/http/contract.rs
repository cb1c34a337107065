//! The OpenAPI document as a judge: whether an answer is one that it describes.
//!
//! Stricter than JSON Schema where that lets things through: a field that an answer has and the
//! document does not is a fault, and so is a keyword that nobody here understands.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::http::{HeaderMap, Method, StatusCode};
use schemas::{ErrorCode, Timestamp};
use serde_json::Value;
use uuid::Uuid;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(connectors::http::document()).unwrap());

/// Headers that say something about the API; the rest belongs to HTTP.
const OURS: [&str; 8] = [
    "request-id",
    "x-correlation-id",
    "holdfast-position",
    "idempotency-key",
    "idempotent-replayed",
    "location",
    "preference-applied",
    "retry-after",
];

/// Keywords that describe and do not judge.
const SAID: [&str; 6] = ["description", "examples", "default", "title", "readOnly", "example"];

/// One method of one path.
#[derive(Clone, Copy)]
pub struct Operation {
    /// As the document has it, in lower case.
    pub method: &'static str,
    /// With its blanks.
    pub path: &'static str,
    /// What the document says of it.
    pub described: &'static Value,
}

/// The whole document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Every operation of the document.
pub fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of_path = |(path, item): (&'static String, &'static Value)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, described)| Operation { method, path, described })
    };
    paths.iter().flat_map(of_path).collect()
}

/// The path of the document that this one fits, with the fewest blanks as the router has it.
pub fn path_of(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap();
    let path = if path == "/api/v1/payments/" { "/api/v1/payments" } else { path };
    let fits = |template: &&str| {
        let (given, wanted) = (path.split('/'), template.split('/'));
        let same = |(given, wanted): (&str, &str)| wanted.starts_with('{') || given == wanted;
        given.clone().count() == wanted.clone().count() && given.zip(wanted).all(same)
    };
    let paths = operations().into_iter().map(|operation| operation.path);
    paths.filter(fits).min_by_key(|template| template.matches('{').count())
}

impl Operation {
    /// The operation that this request is for.
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        let (path, method) = (path_of(path)?, method.as_str().to_lowercase());
        operations().into_iter().find(|known| known.path == path && known.method == method)
    }

    /// The codes that it can refuse with.
    pub fn codes(&self) -> BTreeSet<ErrorCode> {
        let answers = self.described["responses"].as_object().unwrap().values();
        let examples = answers.filter_map(|answer| {
            answer.pointer("/content/application~1problem+json/examples")?.as_object()
        });
        examples.flatten().map(|(code, _)| ErrorCode::from_code(code).unwrap()).collect()
    }
}

/// What the document does not say of this answer.
pub fn faults(
    (method, path): (&Method, &str),
    status: StatusCode,
    headers: &HeaderMap,
    body: &Value,
) -> Vec<String> {
    let Some(operation) = Operation::of(method, path) else {
        let elsewhere = match body["code"].as_str() {
            Some("not_found") => path_of(path).is_none(),
            Some("method_not_allowed") => path_of(path).is_some(),
            _ => *method == Method::HEAD,
        };
        return if elsewhere { Vec::new() } else { vec!["no such operation".to_owned()] };
    };
    let answer = &operation.described["responses"][status.as_str()];
    if answer.is_null() {
        return vec![format!("no answer {status}")];
    }
    let mut faults = Vec::new();
    let described: Vec<_> = answer["headers"].as_object().into_iter().flatten().collect();
    for name in OURS.iter().filter(|name| headers.contains_key(**name)) {
        if !described.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            faults.push(format!("no header {name}"));
        }
    }
    let media = headers.get("content-type").map(|media| media.to_str().unwrap());
    let content = &answer["content"][media.unwrap_or_default()];
    if content.is_null() {
        faults.push(format!("no content of type {media:?}"));
    } else {
        judge(&content["schema"], body, "body", &mut faults);
    }
    faults
}

/// Where the value is not what the schema says.
pub fn judge(schema: &'static Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    if schema.get("allOf").is_some() {
        return judge_object(&parts(schema), value, place, faults);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let mut reasons = Vec::new();
        let fitting = choices.iter().filter(|choice| {
            let before = reasons.len();
            judge(choice, value, place, &mut reasons);
            reasons.len() == before
        });
        match fitting.count() {
            1 => {}
            0 => faults.append(&mut reasons),
            several => faults.push(format!("{place}: {several} choices fit")),
        }
        return;
    }
    if let Some(named) = resolved(schema) {
        return judge(named, value, place, faults);
    }
    if !has_type(schema, value) {
        return faults.push(format!("{place}: {value} is not {}", schema["type"]));
    }
    match value {
        Value::Object(_) => judge_object(&[schema], value, place, faults),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                judge(&schema["items"], item, &format!("{place}[{index}]"), faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let wrong = |(name, wanted): (&String, &Value)| keyword(name, wanted, value);
            let wrong = schema.as_object().into_iter().flatten().filter_map(wrong);
            faults.extend(wrong.map(|wrong| format!("{place}: {value}: {wrong}")));
        }
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => panic!("type {name}"),
    };
    match &schema["type"] {
        Value::Null => true,
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        other => panic!("type {other}"),
    }
}

/// What a keyword has against a value that has no parts.
fn keyword(name: &str, wanted: &Value, value: &Value) -> Option<String> {
    let length = || value.as_str().map(|text| text.chars().count() as u64);
    let text = value.as_str();
    let fits = match name {
        "type" => true,
        "enum" => wanted.as_array().unwrap().contains(value),
        "const" => wanted == value,
        "minimum" => value.as_i64().is_none_or(|number| number >= wanted.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|number| number <= wanted.as_i64().unwrap()),
        "minLength" => length().is_none_or(|length| length >= wanted.as_u64().unwrap()),
        "maxLength" => length().is_none_or(|length| length <= wanted.as_u64().unwrap()),
        "format" => match wanted.as_str().unwrap() {
            "date-time" => text.is_none_or(|text| text.parse::<Timestamp>().is_ok()),
            "uuid" => text.is_none_or(|text| text.parse::<Uuid>().is_ok()),
            "int32" | "int64" => true,
            other => panic!("format {other}"),
        },
        // Schemathesis knows regular expressions; here only those that are one word.
        "pattern" => {
            let word = wanted.as_str().unwrap().trim_start_matches('^').trim_end_matches('$');
            let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            !is_word || text.is_none_or(|text| text == word)
        }
        said if SAID.contains(&said) => true,
        // An object may be null as well.
        "properties" | "required" | "items" | "additionalProperties" if value.is_null() => true,
        other => panic!("keyword {other}"),
    };
    (!fits).then(|| format!("{name} {wanted}"))
}

/// An object against all schemas that it must fit at once: together they say which fields it has.
fn judge_object(parts: &[&'static Value], value: &Value, place: &str, faults: &mut Vec<String>) {
    let Some(fields) = value.as_object() else {
        return faults.push(format!("{place}: {value} is not an object"));
    };
    let is_open = parts.iter().all(|part| part.get("properties").is_none());
    for (name, field) in fields {
        let of_field = parts.iter().filter_map(|part| part["properties"].get(name));
        let place = format!("{place}.{name}");
        let mut is_known = is_open;
        for schema in of_field {
            is_known = true;
            judge(schema, field, &place, faults);
        }
        if !is_known {
            faults.push(format!("{place}: no such field"));
        }
    }
    let required = parts.iter().filter_map(|part| part["required"].as_array()).flatten();
    let missing = required.filter(|name| !fields.contains_key(name.as_str().unwrap()));
    faults.extend(missing.map(|name| format!("{place}.{name}: missing")));
}

/// The schemas of an `allOf`, as deep as they go.
fn parts(schema: &'static Value) -> Vec<&'static Value> {
    match (schema["allOf"].as_array(), resolved(schema)) {
        (Some(all), _) => all.iter().flat_map(parts).collect(),
        (None, Some(named)) => parts(named),
        (None, None) => vec![schema],
    }
}

/// The schema that a reference names.
pub fn resolved(schema: &Value) -> Option<&'static Value> {
    let path = schema["$ref"].as_str()?.strip_prefix('#').unwrap();
    Some(DOCUMENT.pointer(path).unwrap_or_else(|| panic!("nothing at {path}")))
}
