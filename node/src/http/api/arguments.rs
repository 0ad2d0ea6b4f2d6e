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
            Kind::Json => exact::from_slice(text.as_bytes()).unwrap_or(Value::String(text)),
        };
        if arguments.insert(name.clone(), value).is_some() {
            return Err(RpcError::bad_request(format!("the argument {name:?} is there twice")));
        }
    }
    let arguments = Value::Object(arguments);
    check(method, &arguments).map(|()| arguments)
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

/// That arguments have the shape which the method takes, where serde would take another in silence: no list stands
/// for named parts in their order, and no part has a name that nobody reads, at any depth.
///
/// # Errors
/// If one does.
pub(super) fn check(method: &'static MethodSpec, arguments: &Value) -> Result<(), RpcError> {
    shaped(&schema(method), arguments)
}

/// It is written out once a method: that takes longer than most calls.
fn schema(method: &'static MethodSpec) -> Arc<Value> {
    let mut known = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(known.entry(method.name).or_insert_with(|| Arc::new((method.schemas)().args.to_value())))
}

fn shaped(schema: &Value, value: &Value) -> Result<(), RpcError> {
    if let Some(ways) = ways(schema) {
        return one_of(ways, value);
    }
    match value {
        Value::Array(_) if !may_be(schema, "array") => {
            Err(RpcError::bad_request("a list stands where named parts belong"))
        }
        Value::Array(items) => match schema.get("items") {
            Some(schema) => items.iter().try_for_each(|item| shaped(schema, item)),
            None => Ok(()),
        },
        Value::Object(parts) => parts.iter().try_for_each(|(name, part)| match of_part(schema, name)? {
            Some(schema) => shaped(schema, part),
            None => Ok(()),
        }),
        _ => Ok(()),
    }
}

/// What a value may be one of.
fn ways(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()
}

/// The one way that knows all names decides. Where there is none, the method says which there are, unless there is
/// only one that has parts at all.
fn one_of(ways: &[Value], value: &Value) -> Result<(), RpcError> {
    let Value::Object(parts) = value else { return Ok(()) };
    let mut with_parts = ways.iter().filter(|way| may_be(way, "object")).peekable();
    let Some(first) = with_parts.peek().copied() else { return Ok(()) };
    let rest = with_parts.clone().count();
    let knows_all = |way: &&Value| parts.keys().all(|name| of_part(way, name).is_ok());
    match with_parts.find(knows_all) {
        Some(way) => shaped(way, value),
        None if rest == 1 => shaped(first, value),
        None => Ok(()),
    }
}

/// The schema of a part of this name, if there is one for it.
fn of_part<'a>(schema: &'a Value, name: &str) -> Result<Option<&'a Value>, RpcError> {
    let Some(known) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(schema.get("additionalProperties"));
    };
    match (known.get(name), schema.get("additionalProperties")) {
        (Some(part), _) => Ok(Some(part)),
        (None, Some(any @ (Value::Object(_) | Value::Bool(true)))) => Ok(Some(any)),
        (None, _) => {
            let known = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            Err(RpcError::bad_request(format!("there is no {name:?} here; there are: {known}")))
        }
    }
}

/// Whether a value of this kind may stand here at all.
fn may_be(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(kinds) => holds(kinds, kind),
        None => true,
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
        assert_eq!(of_body(list, b"{\"filter\": \"a\"}"), Ok(json!({"filter": "a"})));
        for body in [&b"[]"[..], b"7", b"null", b"{", b"\xff", b"{\"filtre\": \"a\"}", &[b'['; 100_000]] {
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

    #[test]
    fn a_part_that_nobody_reads_is_refused_at_any_depth() {
        let says = |method: &str, arguments: Value| {
            check(services::method(method).unwrap(), &arguments).map_err(|error| error.message)
        };
        let define = |more: Value| {
            let mut definition = json!({"name": "web", "command": "sleep"});
            definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            says("program.define", json!({ "definition": definition }))
        };
        assert_eq!(define(json!({"user": "www", "environment": {"ANY": "name"}})), Ok(()));
        let refused = define(json!({"usr": "www"})).unwrap_err();
        assert!(
            refused.starts_with("there is no \"usr\" here; there are: ") && refused.contains("user"),
            "{refused}"
        );
        assert!(
            define(json!({"limits": {"memory": 1}})).is_err()
                && define(json!({"limits": {"files": 1}})).is_ok()
        );
        let run = |command: Value, more: &str| {
            says("exec.run", json!({"request": {"command": command, more: null}}))
        };
        assert_eq!(run(json!({"shell": {"line": "id"}}), "user"), Ok(()));
        assert_eq!(run(json!({"program": {"program": "id", "arguments": ["-u"]}}), "directory"), Ok(()));
        assert!(run(json!({"shell": {"line": "id"}}), "usr").is_err());
        assert!(run(json!({"shell": {"line": "id", "user": "www"}}), "user").is_err());
        assert_eq!(run(json!({"nosuch": {}}), "user"), Ok(()), "the method says what there is");
    }
}
