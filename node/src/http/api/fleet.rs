//! `POST /api/v1/fleet/{service}/{method}`: one call at many nodes.
//!
//! A selector and arguments enter; lines of JSON leave, one a target as it ends, and the counts at the end, which
//! add up to the number of targets. A client that goes away calls off what has not ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{BoxFuture, pending};
use p2p_shared::error::RpcError;
use p2p_shared::fanout::drive::drive;
use p2p_shared::fanout::{Counts, Outcome, Plan, Share};
use p2p_shared::id::NodeName;
use p2p_shared::selector::Selector;
use p2p_shared::time::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::bearer::Bearer;
use super::call::{Asked, method, streamed};
use super::{Api, arguments, exact, once};
use crate::http::Problem;
use crate::http::body::JsonBody;

/// What is to be done, where and how.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// Which nodes: names, globs, labels and facts, as `web-*` or `role=web`. Empty is an error.
    selector: String,
    /// The arguments of the method, by their names.
    #[serde(default, deserialize_with = "exact::map")]
    arguments: Map<String, Value>,
    /// Targets at a time, as `5` or `10%`; without it all.
    batch: Option<String>,
    /// Failures after which nothing more is begun, as `0` or `10%`; without it all are borne.
    max_fail: Option<String>,
    /// How long one target may take.
    target_timeout_ms: Option<u64>,
    /// How long all may take.
    timeout_ms: Option<u64>,
    /// Says the targets and does nothing.
    #[serde(default)]
    dry_run: bool,
}

/// One line of the answer.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Line {
    /// A target that ended.
    Target {
        /// Which.
        node: NodeName,
        /// How.
        outcome: Outcome,
        /// What it answered, if it answered well.
        result: Option<Box<RawValue>>,
        /// Why it did not.
        error: Option<RpcError>,
    },
    /// A target of a dry run.
    Meant {
        /// Which.
        node: NodeName,
    },
    /// The end.
    Counts {
        /// How many ended how.
        counts: Counts,
    },
}

impl Line {
    fn to_bytes(&self) -> Bytes {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text.into()
    }
}

pub(super) async fn post(
    State(api): State<Api>,
    (headers, bearer): (HeaderMap, Bearer),
    Path((service, name)): Path<(String, String)>,
    body: JsonBody,
) -> Result<Response, Problem> {
    once::none(&headers)?;
    let method = method(&format!("{service}.{name}"))?;
    if method.verb.streams() {
        return Err(RpcError::bad_request(format!("{} streams: ask it node by node", method.name)).into());
    }
    let order: Order = body.read()?;
    arguments::check(method, &Value::Object(order.arguments.clone()))?;
    let bad = |what: &str, why: String| RpcError::bad_request(format!("{what}: {why}"));
    let selector: Selector = order.selector.parse().map_err(|error| bad("selector", format!("{error}")))?;
    let share = |name, text: &Option<String>| {
        let share = text.as_deref().map(str::parse::<Share>).transpose();
        share.map_err(|error| bad(name, format!("{error}")))
    };
    let plan = Plan {
        batch: share("batch", &order.batch)?,
        pause: Millis(0),
        fail_max: share("max_fail", &order.max_fail)?,
        target_time: order.target_timeout_ms.map(Millis),
        total_time: order.timeout_ms.map(Millis),
    };
    let targets = api.0.mesh.select(&selector, &api.0.members.members());
    let targets = targets.map_err(|error| RpcError::not_found(error.to_string()))?;
    let names: Vec<NodeName> = targets.iter().map(|target| target.name().clone()).collect();
    if order.dry_run {
        let lines: Vec<u8> = names.into_iter().flat_map(|node| Line::Meant { node }.to_bytes()).collect();
        return Ok(lines_of(lines.into()));
    }
    let asked = |node: &NodeName| {
        Ok(Asked {
            node: api.place(node.as_str())?,
            method,
            arguments: Value::Object(order.arguments.clone()),
        })
    };
    let all = names.iter().map(asked).collect::<Result<Vec<_>, RpcError>>()?;
    let (lines, received) = mpsc::channel(names.len() + 1);
    let turn = bearer.turn();
    let run: BoxFuture<'static, _> = Box::pin(run(api, bearer, (names, all), plan, lines));
    let stream = streamed(received, run).map(move |line| {
        // It counts until the last line is taken: the lines wait in memory for a client that reads slowly.
        let _counts = &turn;
        Ok::<_, Infallible>(line.unwrap_or_default())
    });
    Ok(lines_of(Body::from_stream(stream)))
}

/// What targets ended with, until their outcome is known to be theirs.
type Ends = Arc<Mutex<Vec<Option<Result<Bytes, RpcError>>>>>;

async fn run(
    api: Api,
    bearer: Bearer,
    (names, asked): (Vec<NodeName>, Vec<Asked>),
    plan: Plan,
    lines: mpsc::Sender<Bytes>,
) -> Result<Bytes, RpcError> {
    let ends: Ends = Arc::new(Mutex::new(vec![None; names.len()]));
    let begin = |index: usize| {
        let (api, bearer, asked, ends) = (&api, &bearer, asked[index].clone(), Arc::clone(&ends));
        async move {
            let result = api.call(bearer, asked).await;
            let outcome = result.as_ref().map_or_else(Outcome::of, |_| Outcome::Ok);
            ends.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
            outcome
        }
    };
    let told = |index: usize, outcome: Outcome| {
        let end = ends.lock().unwrap_or_else(PoisonError::into_inner)[index].take();
        let (result, error) = match end {
            Some(Ok(json)) => (serde_json::from_slice(&json).ok(), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let line = Line::Target { node: names[index].clone(), outcome, result, error };
        // There is room for every target.
        lines.try_send(line.to_bytes()).map_err(|_| RpcError::cancelled("the caller went away"))
    };
    let counts = drive(plan, names.len(), begin, pending(), told).await?;
    let _ = lines.try_send(Line::Counts { counts }.to_bytes());
    Ok(Bytes::new())
}

fn lines_of(body: Body) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"))], body).into_response()
}
