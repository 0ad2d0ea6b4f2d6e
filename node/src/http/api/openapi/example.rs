//! An example of what a schema takes: the least that is right, so that it can be tried as it stands.
//!
//! A schema enters, a value leaves. Pure.

use serde_json::{Map, Value, json};

/// Depth past which nothing more is filled in.
const DEPTH_MAX: usize = 8;

/// A value of `schema`: what must be there, with the first of what may be chosen.
pub(super) fn of(schema: &Value) -> Value {
    at(schema, 0)
}

fn at(schema: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    for known in ["example", "const", "default"] {
        if let Some(value) = schema.get(known) {
            return value.clone();
        }
    }
    let first = |name: &str| schema.get(name).and_then(Value::as_array).and_then(|all| all.first());
    if let Some(value) = first("examples").or_else(|| first("enum")) {
        return value.clone();
    }
    if let Some(one) = first("oneOf").or_else(|| first("anyOf")) {
        return at(one, depth + 1);
    }
    match kind(schema) {
        Some("object") => object(schema, depth),
        Some("array") => array(schema, depth),
        Some("string") => Value::String(text(schema).to_owned()),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => Value::Bool(false),
        _ => Value::Null,
    }
}

/// The first type that is not `null`.
pub(super) fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

fn object(schema: &Value, depth: usize) -> Value {
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    let (Some(required), Some(properties)) = (required, properties) else { return json!({}) };
    let filled = required.iter().filter_map(|name| {
        let name = name.as_str()?;
        Some((name.to_owned(), at(properties.get(name)?, depth + 1)))
    });
    Value::Object(filled.collect::<Map<_, _>>())
}

fn array(schema: &Value, depth: usize) -> Value {
    if let Some(parts) = schema.get("prefixItems").and_then(Value::as_array) {
        return parts.iter().map(|part| at(part, depth + 1)).collect();
    }
    match (schema.get("items"), schema.get("minItems").and_then(Value::as_u64)) {
        (Some(items), Some(least)) => (0..least).map(|_| at(items, depth + 1)).collect(),
        _ => json!([]),
    }
}

fn text(schema: &Value) -> &'static str {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-11-25T03:00:00Z",
        Some("uuid") => "0199f0a4-5a3c-7c4e-9f52-3c1b8d6e7f80",
        _ => "example",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_there_is_filled_in_and_what_may_be_is_left_out() {
        let schema = json!({
            "type": "object", "required": ["name", "mode", "count"],
            "properties": {
                "name": { "type": "string" },
                "mode": { "oneOf": [{ "const": "soft" }, { "const": "hard" }] },
                "count": { "type": ["integer", "null"], "minimum": 3 },
                "note": { "type": "string" },
            },
        });
        assert_eq!(of(&schema), json!({ "name": "example", "mode": "soft", "count": 3 }));
    }
}
