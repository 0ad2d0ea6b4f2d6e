//! `POST /rpc`: the same methods by JSON-RPC 2.0, with batches and notifications.
//!
//! A member `node` beside `method` says where; without it the call is for this node. What the owner called the
//! methods first (`system.process.start_process`) answers too. Errors carry the stable code in `data`.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::iter;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::rpc::service::MethodSpec;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::bearer::Bearer;
use super::call::{Asked, method};
use super::methods::answer;
use super::{Api, arguments, exact};
use crate::http::Problem;
use crate::http::body::JsonBody;

/// Most calls of one batch.
const BATCH_MAX: usize = 100;
/// Calls of one batch that go on at the same time.
const SIDE_BY_SIDE: usize = 8;
/// After so many bytes of answers no more calls of a batch are begun that want one.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// The number of "invalid request" in the specification.
const NO_CALL: i32 = -32_600;

/// The owner's first names for methods, and what they are called now.
const FIRST_NAMES: [(&str, &str); 4] = [
    ("system.process.list_processes", "process.list"),
    ("system.process.start_process", "program.start"),
    ("system.process.stop_process", "program.stop"),
    ("system.monitor.get_status", "monitor.snapshot"),
];

/// One call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    jsonrpc: String,
    method: String,
    #[serde(default)]
    params: Option<Value>,
    /// Absent in a notification, which is not answered; `null` is an id.
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    #[serde(default)]
    node: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// One answer.
#[derive(Serialize)]
struct Answer {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    id: Value,
}

#[derive(Serialize)]
struct Failure {
    code: i32,
    message: String,
    data: Value,
}

impl Answer {
    fn failed(id: Value, code: i32, error: &RpcError) -> Self {
        let data = json!({ "code": error.code, "node": error.node });
        let error = Failure { code, message: error.message.clone(), data };
        Self { jsonrpc: "2.0", result: None, error: Some(error), id }
    }
}

pub(super) async fn post(
    State(api): State<Api>,
    (headers, bearer): (HeaderMap, Bearer),
    body: JsonBody,
) -> Result<Response, Problem> {
    let asked = match Asking::of(body.bytes()) {
        Ok(asked) => asked,
        Err(answer) => return Ok(bad(&answer)),
    };
    let bearer = asked.counted(&api, bearer)?;
    let (of, by) = (api.clone(), bearer.clone());
    let work = async move { Ok(answered(&of, &by, asked).await) };
    api.0.once.run((&headers, &bearer), &[b"rpc", body.bytes()], work).await
}

/// What a body asks.
enum Asking {
    One(Call),
    /// Each is answered for itself, also what is no call.
    Batch(Vec<Value>),
}

impl Asking {
    /// Reads a body; the answer to one that is no call and no batch otherwise.
    fn of(body: &[u8]) -> Result<Self, Box<Answer>> {
        let refused =
            |code, why: String| Box::new(Answer::failed(Value::Null, code, &RpcError::bad_request(why)));
        match exact::from_slice(body) {
            Ok(Value::Array(calls)) if (1..=BATCH_MAX).contains(&calls.len()) => Ok(Self::Batch(calls)),
            Ok(Value::Array(_)) => Err(refused(NO_CALL, format!("a batch has 1 to {BATCH_MAX} calls"))),
            Ok(call) => read(&call).map(Self::One),
            Err(error) => Err(refused(-32_700, format!("no JSON: {error}"))),
        }
    }
}

impl Asking {
    /// Each call of a batch counts as a request: it costs as much.
    fn counted(&self, api: &Api, bearer: Bearer) -> Result<Bearer, Problem> {
        match self {
            Self::One(_) => Ok(bearer),
            Self::Batch(calls) => {
                let calls = calls.len() as u32;
                bearer.counting(api, (calls, calls.min(SIDE_BY_SIDE as u32)))
            }
        }
    }
}

/// The text of the answer; empty if nothing is to be answered.
async fn answered(api: &Api, bearer: &Bearer, asked: Asking) -> Bytes {
    let calls = match asked {
        Asking::One(call) => {
            return one(api, bearer, call).await.map_or_else(Bytes::new, |answer| said(&answer));
        }
        Asking::Batch(calls) => calls,
    };
    let bytes = AtomicUsize::new(0);
    let each = async |call| {
        let answer = match read(&call) {
            Ok(Call { id: Some(id), .. }) if bytes.load(Relaxed) > BATCH_BYTES_MAX => Some(beyond(id)),
            Ok(call) => one(api, bearer, call).await,
            Err(answer) => Some(*answer),
        };
        let result = answer.as_ref().and_then(|answer| answer.result.as_deref());
        bytes.fetch_add(result.map_or(0, |result| result.get().len()), Relaxed);
        answer
    };
    let answers: Vec<Answer> =
        iter(calls).map(each).buffered(SIDE_BY_SIDE).filter_map(std::future::ready).collect().await;
    if answers.is_empty() { Bytes::new() } else { said(&answers) }
}

/// The answer to a call that is not begun, because what those before it answered is too much already.
fn beyond(id: Value) -> Answer {
    let most = BATCH_BYTES_MAX >> 20;
    let why =
        format!("it was not done: the answers before it are of more than {most} MiB, ask in smaller batches");
    let error = RpcError::too_large(why);
    Answer::failed(id, number(error.code), &error)
}

fn said(answers: &impl Serialize) -> Bytes {
    serde_json::to_vec(answers).unwrap_or_default().into()
}

/// The answer to what is no call at all.
fn bad(no_call: &Answer) -> Response {
    (StatusCode::BAD_REQUEST, answer(said(no_call))).into_response()
}

fn read(call: &Value) -> Result<Call, Box<Answer>> {
    if call.is_array() {
        let error = RpcError::bad_request("a call is an object: members by their names");
        return Err(Box::new(Answer::failed(Value::Null, NO_CALL, &error)));
    }
    let asked = Call::deserialize(call).map_err(|error| {
        let id = call.get("id").cloned().unwrap_or_default();
        Box::new(Answer::failed(id, NO_CALL, &RpcError::bad_request(format!("no call: {error}"))))
    })?;
    let is_id = |id: &Value| matches!(id, Value::Null | Value::Number(_) | Value::String(_));
    if asked.jsonrpc != "2.0" || !asked.id.as_ref().is_none_or(is_id) {
        let error = RpcError::bad_request("jsonrpc is \"2.0\", and an id is a text, a number or null");
        return Err(Box::new(Answer::failed(Value::Null, NO_CALL, &error)));
    }
    Ok(asked)
}

/// The answer of one call; `None` for a notification.
async fn one(api: &Api, bearer: &Bearer, call: Call) -> Option<Answer> {
    let Call { method: name, params, id, node, .. } = call;
    let ended = called(api, bearer, (&name, params), node.as_deref().unwrap_or("self")).await;
    let id = id?;
    Some(match ended {
        Ok(result) => Answer { jsonrpc: "2.0", result: Some(result), error: None, id },
        Err((code, error)) => Answer::failed(id, code, &error),
    })
}

async fn called(
    api: &Api,
    bearer: &Bearer,
    (name, params): (&str, Option<Value>),
    node: &str,
) -> Result<Box<RawValue>, (i32, RpcError)> {
    let name = FIRST_NAMES.iter().find(|(first, _)| *first == name).map_or(name, |(_, now)| now);
    let spec = method(name).map_err(|error| (-32_601, error))?;
    if spec.verb.streams() {
        let why = format!("{name} streams: ask GET /api/v1/nodes/{node}/{}", name.replace('.', "/"));
        return Err((-32_601, RpcError::new(Code::Unsupported, why)));
    }
    let arguments = named(spec, params).map_err(|error| (-32_602, error))?;
    arguments::check(spec, &arguments).map_err(|error| (-32_602, error))?;
    let asked = async {
        let node = api.place(node)?;
        let json = api.call(bearer, Asked { node, method: spec, arguments }).await?;
        serde_json::from_slice(&json).map_err(|error| RpcError::internal(error.to_string()))
    };
    asked.await.map_err(|error: RpcError| (number(error.code), error))
}

/// Arguments by their names, also of those that came in order.
fn named(method: &MethodSpec, params: Option<Value>) -> Result<Value, RpcError> {
    match params {
        None => Ok(Value::Object(Map::new())),
        Some(Value::Object(named)) => Ok(Value::Object(named)),
        Some(Value::Array(values)) if values.len() <= method.arguments.len() => {
            let names = method.arguments.iter().map(|name| (*name).to_owned());
            Ok(Value::Object(names.zip(values).collect()))
        }
        Some(Value::Array(values)) => {
            let (most, given) = (method.arguments.len(), values.len());
            Err(RpcError::bad_request(format!("{} takes {most} arguments, not {given}", method.name)))
        }
        Some(_) => Err(RpcError::bad_request("params is an object or an array")),
    }
}

/// The numbers that JSON-RPC gives, and from its range for servers those of our codes.
const fn number(code: Code) -> i32 {
    match code {
        Code::BadRequest => -32_602,
        Code::Internal | Code::Unknown => -32_603,
        Code::Unauthenticated => -32_001,
        Code::Forbidden => -32_003,
        Code::NotFound => -32_004,
        Code::Conflict => -32_009,
        Code::TooLarge => -32_013,
        Code::RateLimited => -32_029,
        Code::Cancelled => -32_049,
        Code::Unsupported => -32_051,
        Code::Unavailable => -32_053,
        Code::Deadline => -32_054,
    }
}
