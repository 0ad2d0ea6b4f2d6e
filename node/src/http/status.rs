//! The plain endpoints: is it alive, is it ready, who is it, what does it count.
//!
//! Answers come from [`Status`]. Who a node is and what it counts is told to clients of this very machine, and to
//! others as the methods `node.info` and `node.stats` tell it; through a proxy everybody looks local, so a proxied
//! request is not.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use p2p_shared::services::node::{self, NodeInfo, NodeStats};
use serde::Serialize;

use super::Problem;
use super::api::own;

/// Headers that a proxy adds.
const PROXY_HEADERS: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// What the node says of itself. All three are quick.
pub trait Status: Send + Sync + 'static {
    /// Who it is.
    fn info(&self) -> NodeInfo;
    /// What it counts.
    fn stats(&self) -> NodeStats;
    /// What must be well for it to be ready, by name; the error is a sentence.
    fn checks(&self) -> Vec<(&'static str, Result<(), String>)>;
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: Option<String>,
}

type Shared = State<Arc<dyn Status>>;

pub(super) fn routes(status: Arc<dyn Status>) -> Router {
    Router::new()
        .route("/health", get(async || Json(Health { status: "ok" })))
        .route("/ready", get(ready))
        .route("/api/info", get(info))
        .route("/api/stats", get(stats))
        .with_state(status)
}

async fn ready(
    State(status): Shared,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let local = is_local(client, &headers);
    // Anybody may ask whether; why not is for those on this machine.
    let check = |(name, result): (_, Result<(), String>)| Check {
        name,
        ok: result.is_ok(),
        detail: result.err().filter(|_| local),
    };
    let checks: Vec<Check> = status.checks().into_iter().map(check).collect();
    let failed: Vec<&str> = checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
    if failed.is_empty() {
        return Json(Ready { ready: true, checks }).into_response();
    }
    let detail = format!("not ready: {}", failed.join(", "));
    let members = serde_json::to_value(&checks).unwrap_or_default();
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .with("ready", false.into())
        .with("checks", members)
        .into_response()
}

async fn info(
    State(status): Shared,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    parts: Parts,
) -> Result<Response, Problem> {
    if is_local(client, &parts.headers) {
        return Ok(Json(status.info()).into_response());
    }
    own(parts, &node::info::METHOD).await
}

async fn stats(
    State(status): Shared,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    parts: Parts,
) -> Result<Response, Problem> {
    if is_local(client, &parts.headers) {
        return Ok(Json(status.stats()).into_response());
    }
    own(parts, &node::stats::METHOD).await
}

fn is_local(client: SocketAddr, headers: &HeaderMap) -> bool {
    let proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
    client.ip().to_canonical().is_loopback() && !proxied
}
