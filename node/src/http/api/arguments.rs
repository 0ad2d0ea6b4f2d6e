//! Arguments of a call, out of a query or a body.
//!
//! Texts enter and JSON leaves that the method can read: what is a number or a truth value for the schema becomes
//! one. A text that is none stays as it is, and the method says what is wrong with it. Pure.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::MethodSpec;
use serde_json::{Map, Value};

use super::exact;

/// What the arguments of the methods that were asked so far look like, by the method's name.
static SCHEMAS: LazyLock<Mutex<HashMap<&'static str, Arc<Value>>>> = LazyLock::new(Mutex::default);

/// What becomes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It stays one.
    Text,
    /// It is JSON: a number, a truth value, or something with parts.
    Json,
}

/// The arguments in a query.
///
/// # Errors
/// If a name is there twice, or is none of the method's.
pub(super) fn of_query(method: &'static MethodSpec, query: &str) -> Result<Value, RpcError> {
    if query.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let schema = schema(method);
    let known = schema.get("properties").and_then(Value::as_object);
    let mut arguments = Map::new();
    for (name, text) in form_urlencoded(query)? {
        let schema = known.and_then(|known| known.get(&name)).ok_or_else(|| {
            let known = method.arguments.join(", ");
            RpcError::bad_request(format!("{} takes no argument {name:?}; it takes: {known}", method.name))
        })?;
        let value = match kind(schema) {
            Kind::Text => Value::String(text),
            Kind::Json => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        if arguments.insert(name.clone(), value).is_some() {
            return Err(RpcError::bad_request(format!("the argument {name:?} is there twice")));
        }
    }
    Ok(Value::Object(arguments))
}

/// The arguments in a body: an object; an empty body for none.
///
/// # Errors
/// If it is no JSON object, or says something twice.
pub(super) fn of_body(method: &'static MethodSpec, body: &[u8]) -> Result<Value, RpcError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let wrong = |error| RpcError::bad_request(format!("the body: {error}"));
    match exact::from_slice(body).map_err(wrong)? {
        value @ Value::Object(_) => check(method, &value).map(|()| value),
        _ => Err(RpcError::bad_request("the body is no object with the arguments by their names")),
    }
}

/// That no list stands where the method takes named parts: serde would take the list for the parts in order.
///
/// # Errors
/// If one does.
pub(super) fn check(method: &'static MethodSpec, arguments: &Value) -> Result<(), RpcError> {
    unlisted(&schema(method), arguments)
}

/// It is written out once a method: that takes longer than most calls.
fn schema(method: &'static MethodSpec) -> Arc<Value> {
    let mut known = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(known.entry(method.name).or_insert_with(|| Arc::new((method.schemas)().args.to_value())))
}

fn unlisted(schema: &Value, value: &Value) -> Result<(), RpcError> {
    match (value, schema.get("type")) {
        (Value::Array(_), Some(kinds)) if kinds != "array" && !holds(kinds, "array") => {
            Err(RpcError::bad_request("a list stands where named parts belong"))
        }
        (Value::Array(items), _) => match schema.get("items") {
            Some(schema) => items.iter().try_for_each(|item| unlisted(schema, item)),
            None => Ok(()),
        },
        (Value::Object(parts), _) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let of_part = |(name, part)| match known.and_then(|known| known.get(name)) {
                Some(schema) => unlisted(schema, part),
                None => Ok(()),
            };
            parts.iter().try_for_each(of_part)
        }
        _ => Ok(()),
    }
}

fn holds(kinds: &Value, kind: &str) -> bool {
    kinds.as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind))
}

fn kind(schema: &Value) -> Kind {
    let is_text = |kind: &Value| kind == "string";
    let texts = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_text),
        Some(kind) => is_text(kind),
        None => schema
            .get("anyOf")
            .or_else(|| schema.get("oneOf"))
            .and_then(Value::as_array)
            .is_some_and(|any| any.iter().any(|schema| kind(schema) == Kind::Text)),
    };
    if texts { Kind::Text } else { Kind::Json }
}

/// Names and texts, as forms write them.
fn form_urlencoded(query: &str) -> Result<Vec<(String, String)>, RpcError> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            Ok((decoded(name)?, decoded(text)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, RpcError> {
    let broken = || RpcError::bad_request("the query is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit().ok_or_else(broken)?, digit().ok_or_else(broken)?);
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use p2p_shared::error::Code;
    use p2p_shared::services;
    use serde_json::json;

    use super::*;

    fn query(method: &str, query: &str) -> Result<Value, RpcError> {
        of_query(services::method(method).unwrap(), query)
    }

    #[test]
    fn a_query_becomes_what_the_method_takes() {
        assert_eq!(query("process.list", ""), Ok(json!({})));
        assert_eq!(
            query("process.list", "filter=cpu%3E50+and+name%3Dx"),
            Ok(json!({"filter": "cpu>50 and name=x"}))
        );
        assert_eq!(
            query("process.list", "filter=7"),
            Ok(json!({"filter": "7"})),
            "a text that looks like a number"
        );
        assert_eq!(
            query("process.inspect", "boot_id=b&pid=7&start_ticks=9"),
            Ok(json!({"boot_id": "b", "pid": 7, "start_ticks": 9}))
        );
        assert_eq!(query("process.inspect", "pid=seven"), Ok(json!({"pid": "seven"})), "the method will say");
    }

    #[test]
    fn what_is_no_query_of_the_method_is_refused() {
        for broken in ["filtre=x", "filter=a&filter=b", "filter=%", "filter=%4", "filter=%zz", "filter=%ff"] {
            assert!(query("process.list", broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_body_is_an_object_or_nothing() {
        let list = services::method("process.list").unwrap();
        assert_eq!(of_body(list, b""), Ok(json!({})));
        assert_eq!(of_body(list, b"{\"a\": 1}"), Ok(json!({"a": 1})));
        for body in [&b"[]"[..], b"7", b"null", b"{", b"\xff", &[b'['; 100_000]] {
            assert!(of_body(list, body).is_err());
        }
    }

    #[test]
    fn a_list_is_not_taken_for_the_parts_of_an_object() {
        let define = services::method("program.define").unwrap();
        let with =
            |limits: Value| json!({"definition": {"name": "web", "command": "sleep", "limits": limits}});
        assert_eq!(check(define, &with(json!({}))), Ok(()));
        assert_eq!(check(define, &with(json!([null, null]))).unwrap_err().code, Code::BadRequest);
        assert_eq!(check(define, &json!([])).unwrap_err().code, Code::BadRequest);
        let arguments = json!({"definition": {"name": "web", "command": "sleep", "arguments": ["1"]}});
        assert_eq!(check(define, &arguments), Ok(()));
    }
}
