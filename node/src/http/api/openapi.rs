//! `GET /openapi.json`: what this face answers, as OpenAPI 3.1, made from the service definitions.
//!
//! The definitions enter; one document leaves, the same for every node of a version. It is written once.

use std::sync::LazyLock;

use axum::response::Response;
use bytes::Bytes;
use p2p_shared::error::Code;
use p2p_shared::rpc::service::{MethodSpec, ServiceSpec, Verb};
use p2p_shared::services;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::fleet::Order;
use super::methods::answer;

mod example;
mod plain;

/// The document.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

pub(super) async fn get() -> Response {
    answer(DOCUMENT.clone())
}

/// The whole document.
pub fn document() -> Value {
    let mut paths = plain::paths();
    for method in services::methods() {
        let path = format!("/api/v1/nodes/{{node}}/{}", method.name.replace('.', "/"));
        let verb = if method.verb == Verb::Post { "post" } else { "get" };
        paths.insert(path, json!({ verb: operation(method) }));
        if !method.verb.streams() {
            let path = format!("/api/v1/fleet/{}", method.name.replace('.', "/"));
            paths.insert(path, json!({ "post": fleet_operation(method) }));
        }
    }
    let tag = |service: &&ServiceSpec| json!({ "name": service.name, "description": service.doc.trim() });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "P2P Admin",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every node serves this for the whole mesh: `self`, or any other node by its name with \
                an operator's token (`p2p-tui token`). Errors are problems (RFC 9457) with a stable `code`.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "security": [{ "bearer": [] }, { "certificate": [] }],
        "tags": services::ALL.iter().map(tag).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "certificate": {
                    "type": "mutualTLS",
                    "description": "An operator's certificate, over TLS. It counts at this node alone.",
                },
            },
            "schemas": { "Problem": problem() },
            "responses": problems(&OF_EVERY_CALL),
        },
    })
}

pub(super) fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value()
}

/// A schema of what is asked, with no part that it does not name: such a one is refused (`arguments::check`).
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            for member in members.values_mut() {
                *member = closed(member.take());
            }
            // Under `properties` a schema stands by this name, and no list of schemas.
            if members.get("properties").is_some_and(Value::is_object) && members.get("type").is_some() {
                members.entry("additionalProperties").or_insert(false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = closed(item.take())),
        _ => {}
    }
    schema
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": schema::<Code>(),
            "request_id": { "type": "string", "format": "uuid" },
            "node": { "type": "string", "description": "The node that answered so, if it is not this one." },
        },
    })
}

/// What may come instead of the answer, by status.
fn problems(statuses: &[(u16, &str)]) -> Map<String, Value> {
    let content =
        json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    statuses
        .iter()
        .map(|(status, why)| (status.to_string(), json!({ "description": why, "content": content })))
        .collect()
}

const OF_EVERY_CALL: [(u16, &str); 16] = [
    (400, "The request is malformed, or an argument is out of range."),
    (401, "There is no token, or it is not good."),
    (403, "Known, and not allowed: by role, or by the local policy of the node."),
    (404, "What was named is not there."),
    (405, "The method is asked in another way."),
    (408, "The body did not come in time."),
    (409, "It is no longer what the caller saw."),
    (413, "Too large."),
    (415, "The body is not said to be JSON."),
    (421, "The Host header names no name of this node."),
    (429, "Too often."),
    (431, "Path, query and headers are too large."),
    (500, "A defect."),
    (501, "This node cannot do that."),
    (503, "The node that is meant cannot be reached, or cannot serve now."),
    (504, "It did not end in time; it may still have happened."),
];

/// The same as one description for all calls.
fn of_every_call() -> Map<String, Value> {
    let named = |&(status, _): &(u16, _)| {
        (status.to_string(), json!({ "$ref": format!("#/components/responses/{status}") }))
    };
    OF_EVERY_CALL.iter().map(named).collect()
}

fn responses(good: Value) -> Value {
    let mut responses = of_every_call();
    responses.insert("200".to_owned(), good);
    Value::Object(responses)
}

fn node_parameter() -> Value {
    json!({
        "name": "node", "in": "path", "required": true, "example": "self",
        "description": "`self`, or the name of a node.",
        "schema": { "type": "string" },
    })
}

/// A method that streams both ways: its arguments come in the first message.
fn socket_operation(method: &MethodSpec) -> Value {
    let schemas = (method.schemas)();
    let mut operation = described(method, method.name);
    operation.insert("parameters".into(), json!([node_parameter()]));
    operation.insert("x-arguments".into(), closed(schemas.args.to_value()));
    operation.insert("x-item".into(), schemas.output.to_value());
    operation.insert("x-input".into(), schemas.input.map_or(Value::Null, Schema::to_value));
    operation.insert("responses".into(), plain::socket());
    Value::Object(operation)
}

fn operation(method: &MethodSpec) -> Value {
    if method.verb == Verb::Duplex {
        return socket_operation(method);
    }
    let schemas = (method.schemas)();
    let args = closed(schemas.args.to_value());
    let mut parameters = vec![node_parameter()];
    let mut operation = described(method, method.name);
    let good = match method.verb {
        Verb::Watch => json!({
            "description": "Server-sent events: `item` with one of these, `error` with a problem, `end`.",
            "content": { "text/event-stream": { "schema": { "type": "string" } } },
            "x-item": schemas.output.to_value(),
        }),
        _ => json!({
            "description": "The answer.",
            "content": { "application/json": { "schema": schemas.output.to_value() } },
        }),
    };
    if method.verb == Verb::Post {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same key with the same request is answered as before, without doing it again.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
        }));
        let example = example::of(&args);
        let content = json!({ "application/json": { "schema": args, "example": example } });
        operation.insert("requestBody".into(), json!({ "content": content }));
    } else {
        let required = args.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let properties = args.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        parameters.extend(properties.into_iter().map(|(name, schema)| {
            let needed = required.contains(&Value::String(name.clone()));
            in_query(&name, needed.then(|| example::of(&schema)), schema)
        }));
    }
    operation.insert("parameters".into(), parameters.into());
    operation.insert("responses".into(), responses(good));
    Value::Object(operation)
}

/// An argument in a query; `example` of one that must be there. What has parts is written as JSON.
fn in_query(name: &str, example: Option<Value>, schema: Value) -> Value {
    let description = schema.get("description").cloned().unwrap_or_default();
    let mut parameter =
        json!({ "name": name, "in": "query", "required": example.is_some(), "description": description });
    let is_plain = matches!(example::kind(&schema), Some("string" | "integer" | "number" | "boolean"));
    if let Some(parameter) = parameter.as_object_mut() {
        if let Some(example) = example {
            parameter.insert("example".into(), example);
        }
        if is_plain {
            parameter.insert("schema".into(), schema);
        } else {
            parameter.insert("content".into(), json!({ "application/json": { "schema": schema } }));
        }
    }
    parameter
}

fn described(method: &MethodSpec, id: &str) -> Map<String, Value> {
    let permission = method.permission;
    let doc = method.doc.trim().replace("\n ", "\n");
    let summary =
        doc.split_once(". ").map_or(doc.as_str(), |(first, _)| first).replace('\n', " ").replace('`', "");
    let Value::Object(operation) = json!({
        "operationId": id,
        "tags": [method.service.name],
        "summary": summary,
        "description": format!("{doc}\n\nNeeds the permission `{permission}`, which role {} has.", permission.role()),
        "x-permission": permission.as_str(),
        "x-verb": method.verb.as_str(),
        "x-role": permission.role(),
    }) else {
        return Map::new();
    };
    operation
}

fn fleet_operation(method: &MethodSpec) -> Value {
    let mut operation = described(method, &format!("fleet.{}", method.name));
    let example = json!({
        "selector": "all",
        "arguments": example::of(&(method.schemas)().args.to_value()),
        "dry_run": true,
    });
    let content = json!({ "application/json": { "schema": schema::<Order>(), "example": example } });
    let body = json!({ "required": true, "content": content });
    operation.insert("requestBody".into(), body);
    let good = json!({
        "description": "Lines of JSON: one a target as it ends, with `node`, `outcome`, and `result` or `error`; \
            then `counts`, which add up to the number of targets.",
        "content": { "application/jsonl": { "schema": { "type": "string" } } },
    });
    operation.insert("responses".into(), responses(good));
    Value::Object(operation)
}
