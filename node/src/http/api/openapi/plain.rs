//! The paths that are no method of a service: log-in, the owner's short cuts, and what the node says of itself.

use p2p_shared::services::node::{NodeInfo, NodeStats};
use p2p_shared::tls::Envelope;
use serde_json::{Map, Value, json};

use super::super::auth::{Login, Refresh, Tokens};
use super::super::execute::{Execute, Executed};
use super::{of_every_call, problems, responses, schema};

/// All of them.
pub(super) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for part in [of_itself(), logins(), calls(), scrapes()] {
        let Value::Object(part) = part else { continue };
        paths.extend(part);
    }
    paths
}

fn json_of(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn body_of(schema: &Value, example: &Value) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": schema, "example": example } } })
}

fn good(what: &str, schema: &Value) -> Value {
    responses(json!({ "description": what, "content": json_of(schema) }))
}

/// What may come instead of an answer that needs no token and no argument.
fn open(what: &str, schema: &Value, more: &[(u16, &str)]) -> Value {
    let mut responses = problems(more);
    responses.extend(problems(&[
        (400, "The request is malformed."),
        (405, "The path takes another method."),
        (421, "The Host header names no name of this node."),
        (500, "A defect."),
    ]));
    responses.insert("200".to_owned(), json!({ "description": what, "content": json_of(schema) }));
    Value::Object(responses)
}

fn of_itself() -> Value {
    let health = json!({
        "type": "object", "required": ["status"], "properties": { "status": { "const": "ok" } },
    });
    let ready = json!({
        "type": "object", "required": ["ready", "checks"],
        "properties": {
            "ready": { "type": "boolean" },
            "checks": { "type": "array", "items": {
                "type": "object", "required": ["name", "ok"],
                "properties": {
                    "name": { "type": "string" }, "ok": { "type": "boolean" },
                    "detail": { "type": ["string", "null"], "description": "For clients of this machine alone." },
                },
            }},
        },
    });
    let needed = [(401, "Asked from another machine, without a good token."), (403, "The role may not.")];
    json!({
        "/health": { "get": {
            "operationId": "health", "summary": "Whether the process answers", "security": [],
            "responses": open("It does.", &health, &[]),
        }},
        "/ready": { "get": {
            "operationId": "ready", "summary": "Whether the node can serve, by named checks", "security": [],
            "responses": open("It can.", &ready, &[(503, "It cannot; `checks` says why.")]),
        }},
        "/api/info": { "get": {
            "operationId": "info", "summary": "Who this node is", "security": [{}, { "bearer": [] }],
            "description": "Needs no token on the node's own machine.",
            "responses": open("This.", &schema::<NodeInfo>(), &needed),
        }},
        "/api/stats": { "get": {
            "operationId": "stats", "summary": "What this node counts", "security": [{}, { "bearer": [] }],
            "description": "Needs no token on the node's own machine.",
            "responses": open("This.", &schema::<NodeStats>(), &needed),
        }},
        "/ws": { "get": {
            "operationId": "ws", "summary": "Follows topics of any nodes, as a WebSocket",
            "security": [{}, { "bearer": [] }, { "certificate": [] }],
            "description": "Messages are JSON texts: `{\"op\": \"auth\", \"token\": …}` unless a header said it, then \
                `{\"op\": \"subscribe\", \"topic\": …, \"node\": …}`. Each answer has a `seq`; who reads too slowly is \
                told `lagged`, and the connection closes.",
            "responses": socket(),
        }},
        "/openapi.json": { "get": {
            "operationId": "openapi", "summary": "This document", "security": [],
            "responses": open("It.", &json!({ "type": "object" }), &[]),
        }},
    })
}

/// What a WebSocket is answered with.
pub(super) fn socket() -> Value {
    let mut responses = of_every_call();
    responses.extend(problems(&[(426, "It is a WebSocket: ask with Upgrade.")]));
    responses.insert("101".to_owned(), json!({ "description": "The WebSocket is open." }));
    Value::Object(responses)
}

fn logins() -> Value {
    let tokens = good("Tokens.", &schema::<Tokens>());
    let mut ended = of_every_call();
    ended.insert("204".to_owned(), json!({ "description": "The session has ended, if there was one." }));
    let refresh = schema::<Refresh>();
    let old = json!({ "refresh_token": "xL0c4m0yq1s9gkq1wF7r1b3n5d8p2v6t4z0a9e7u5i2" });
    json!({
        "/api/v1/auth/token": { "post": {
            "operationId": "auth.token", "summary": "Tokens for a user's name and password", "security": [],
            "requestBody": body_of(&schema::<Login>(), &json!({ "username": "anna", "password": "correct horse" })),
            "responses": tokens,
        }},
        "/api/v1/auth/refresh": { "post": {
            "operationId": "auth.refresh", "summary": "The next tokens of a session", "security": [],
            "requestBody": body_of(&refresh, &old), "responses": tokens,
        }},
        "/api/v1/auth/logout": { "post": {
            "operationId": "auth.logout", "summary": "Ends a session", "security": [{}, { "bearer": [] }],
            "requestBody": { "required": false, "content": json_of(&refresh) }, "responses": ended,
        }},
    })
}

/// For Prometheus, which brings a scraper's token or an operator's certificate.
fn scrapes() -> Value {
    let text = json!({ "schema": { "type": "string" } });
    let content = json!({
        "text/plain; version=0.0.4; charset=utf-8": text,
        "application/openmetrics-text; version=1.0.0; charset=utf-8": text,
    });
    let targets = json!({ "type": "array", "items": {
        "type": "object", "required": ["targets", "labels"],
        "properties": {
            "targets": { "type": "array", "items": { "type": "string" } },
            "labels": { "type": "object", "additionalProperties": { "type": "string" } },
        },
    }});
    json!({
        "/metrics": { "get": {
            "operationId": "metrics", "summary": "The figures of this node, for Prometheus",
            "description": "As OpenMetrics where Accept asks for that. Needs the permission `monitor_read`, which role \
                viewer has; `not_found` where metrics are switched off.",
            "x-permission": "monitor_read", "x-role": "viewer",
            "responses": responses(json!({ "description": "Its figures.", "content": content })),
        }},
        "/prometheus/sd": { "get": {
            "operationId": "prometheus.sd", "summary": "The fleet as targets, for the HTTP service discovery of Prometheus",
            "description": "A member whose HTTP face serves its own machine alone is left out. Needs the permission \
                `node_read`, which role viewer has.",
            "x-permission": "node_read", "x-role": "viewer",
            "responses": good("The targets.", &targets),
        }},
    })
}

fn calls() -> Value {
    let line = json!({ "command": "uname -r", "timeout": 10 });
    let any = json!({ "type": ["object", "array"] });
    let rpc = json!({ "jsonrpc": "2.0", "id": 1, "method": "node.info", "params": {}, "node": "self" });
    let mut answers = good("The answer, or the answers of a batch.", &any);
    if let Some(answers) = answers.as_object_mut() {
        let mut what_is_none = problems(&[(400, "It is no call, by JSON-RPC's own error; or no request.")]);
        if let Some(content) = what_is_none.get_mut("400").and_then(|answer| answer.get_mut("content")) {
            content["application/json"] = json!({ "schema": { "type": "object" } });
        }
        answers.append(&mut what_is_none);
        answers.insert("204".to_owned(), json!({ "description": "There were notifications alone." }));
    }
    json!({
        "/api/v1/execute": { "post": {
            "operationId": "execute", "summary": "Runs one shell line at this node",
            "description": "As the method `exec.run` does: needs the permission `exec`, which role admin has.",
            "x-permission": "exec", "x-role": "admin",
            "requestBody": body_of(&schema::<Execute>(), &line),
            "responses": good("What came of it.", &schema::<Executed>()),
        }},
        "/p2p/message": { "post": {
            "operationId": "message", "summary": "A call that a member of the mesh signed, for this node",
            "security": [],
            "description": "The signer's certificate says what it may: a node's alone may nothing. Good once, for a \
                minute.",
            "requestBody": { "required": true, "content": json_of(&schema::<Envelope>()) },
            "responses": good("The answer of the method.", &json!({})),
        }},
        "/rpc": { "post": {
            "operationId": "rpc", "summary": "Every method by JSON-RPC 2.0",
            "description": "Batches and notifications; a member `node` says which node is meant.",
            "requestBody": body_of(&any, &rpc), "responses": answers,
        }},
    })
}
