//! Puts the schemas of commands, operations, gateway results and legs into that of the entry, which
//! names them: the registry and other readers get one schema that stands alone.

use std::collections::BTreeSet;

use serde_json::Value;

/// The entry's schema with every name defined at its first use and named afterwards.
pub(crate) fn entry_schema() -> String {
    composed(
        include_str!("../avro/entry.avsc"),
        &[
            include_str!("../avro/command.avsc"),
            include_str!("../avro/operation.avsc"),
            include_str!("../avro/gateway-result.avsc"),
            include_str!("../avro/transfer-leg.avsc"),
        ],
    )
}

/// The same as version 1 had it.
pub(crate) fn entry_schema_v1() -> String {
    composed(
        include_str!("../avro/v1/entry.avsc"),
        &[
            include_str!("../avro/v1/command.avsc"),
            include_str!("../avro/v1/operation.avsc"),
            include_str!("../avro/v1/gateway-result.avsc"),
        ],
    )
}

fn composed(entry: &str, library: &[&str]) -> String {
    let library: Vec<Value> = library.iter().map(|text| parse(text)).collect();
    let mut entry = parse(entry);
    place(&mut entry, &library, &mut BTreeSet::new());
    serde_json::to_string_pretty(&entry).expect("a JSON value is serialisable")
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("the schemas in avro/ are valid JSON")
}

fn place(schema: &mut Value, library: &[Value], defined: &mut BTreeSet<String>) {
    match schema {
        Value::String(name) => {
            let definition = library.iter().find(|schema| schema["name"] == name.as_str());
            if let Some(definition) = definition.filter(|_| !defined.contains(name)) {
                *schema = definition.clone();
                place(schema, library, defined);
            }
        }
        Value::Array(branches) => {
            for branch in branches {
                place(branch, library, defined);
            }
        }
        Value::Object(object) => {
            if let Some(Value::String(name)) = object.get("name")
                && !defined.insert(name.clone())
            {
                *schema = Value::String(name.clone());
                return;
            }
            for part in ["fields", "items", "type"] {
                match object.get_mut(part) {
                    Some(Value::Array(fields)) if part == "fields" => fields
                        .iter_mut()
                        .filter_map(|field| field.get_mut("type"))
                        .for_each(|field_type| place(field_type, library, defined)),
                    Some(inner) => place(inner, library, defined),
                    None => {}
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
