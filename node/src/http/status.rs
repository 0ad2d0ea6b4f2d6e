//! The plain endpoints: is it alive, is it ready, who is it, what does it count.
//!
//! Answers come from [`Status`]. Who a node is and what it counts is told to clients of this very machine
//! and to holders of a token; through a proxy everybody looks local, so a proxied request is not.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use p2p_shared::services::node::{NodeInfo, NodeStats};
use serde::Serialize;

use super::Problem;
use super::api::token;
use crate::auth::Auth;

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

/// Who answers, and who knows the tokens of clients that are elsewhere.
#[derive(Clone)]
pub(super) struct Desk {
    /// What the node says of itself.
    pub(super) status: Arc<dyn Status>,
    /// Without it only clients of this machine are told.
    pub(super) auth: Option<Auth>,
}

type Shared = State<Desk>;

pub(super) fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/health", get(async || Json(Health { status: "ok" })))
        .route("/ready", get(ready))
        .route("/api/info", get(info))
        .route("/api/stats", get(stats))
        .with_state(desk)
}

async fn ready(
    State(desk): Shared,
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
    let checks: Vec<Check> = desk.status.checks().into_iter().map(check).collect();
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
    State(desk): Shared,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Json<NodeInfo>, Problem> {
    desk.admit(client, &headers)?;
    Ok(Json(desk.status.info()))
}

async fn stats(
    State(desk): Shared,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Json<NodeStats>, Problem> {
    desk.admit(client, &headers)?;
    Ok(Json(desk.status.stats()))
}

impl Desk {
    /// Lets in clients of this machine, and whoever has a token of any role.
    fn admit(&self, client: SocketAddr, headers: &HeaderMap) -> Result<(), Problem> {
        if is_local(client, headers) {
            return Ok(());
        }
        let words = "without a token this is for clients on the node's own machine";
        let missing = || Problem::new(StatusCode::UNAUTHORIZED, words);
        let (token, auth) = token(headers).zip(self.auth.as_ref()).ok_or_else(missing)?;
        auth.identify(token)?;
        Ok(())
    }
}

fn is_local(client: SocketAddr, headers: &HeaderMap) -> bool {
    let proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
    client.ip().to_canonical().is_loopback() && !proxied
}
