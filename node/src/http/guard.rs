//! What stands around every route: an id, the host check, limits on bodies and time, one form of failure, and a line
//! in the log.
//!
//! Requests enter before any handler sees them, with the address of the client behind a trusted proxy; responses
//! leave after it. A panic of a handler ends here as 500, with its details in the log under the request's id. What
//! is logged is the pattern of the route, never a path, a query or a header of a client.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum_server::accept::LocalAddr;
use futures::FutureExt;
use p2p_shared::access::Caller;
use p2p_shared::mesh::new_request_id;
use p2p_shared::rpc::frame::RequestId;
use tokio::time::{Instant, timeout};

use super::body::check_length;
use super::origin::preflight;
use super::requests::Requests;
use super::{HEAD_SERVED_BYTES_MAX, Hosts, Origins, Problem, Proxies};
use crate::clock;

/// Header that carries the request's id back.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a request may take to be answered: longer than any call that has an end.
const ANSWER_MAX: Duration = Duration::from_secs(660);
/// Headers that are added to every response.
const HEADERS: usize = 8;
/// How long a client is to wait that is told no better.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("30");

/// What holds for every request.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The names that the node answers to.
    pub hosts: Hosts,
    /// Who is believed about who asks.
    pub proxies: Proxies,
    /// Pages that may speak with it.
    pub origins: Origins,
}

/// What kind of caller a request has, once that is known: for the log.
#[derive(Clone, Debug, Default)]
pub(super) struct CallerKind(Arc<OnceLock<&'static str>>);

impl CallerKind {
    /// Says it.
    pub(super) fn is(&self, caller: &Caller) {
        let kind = match caller {
            Caller::Node { .. } => "node",
            Caller::Operator { .. } => "operator",
            Caller::User { .. } => "user",
            Caller::Unix { .. } => "unix",
        };
        // Of one request there is one caller.
        let _ = self.0.set(kind);
    }
}

/// What the guard holds: the rules, and what is counted.
#[derive(Clone)]
struct Guard {
    rules: Arc<Rules>,
    requests: Requests,
}

/// `routes` behind the guard, which counts in `requests`.
pub(super) fn around(routes: Router, rules: Rules, requests: Requests) -> Router {
    let guarding = Guard { rules: Arc::new(rules), requests };
    routes.layer(from_fn_with_state(guarding, guard))
}

async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let Guard { rules, requests } = guard;
    let (id, began) = (new_id(), Instant::now());
    if let Some(&ConnectInfo(from)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let client = rules.proxies.client(from, request.headers());
        if client != from {
            request.extensions_mut().insert(ConnectInfo(client));
        }
    }
    let kind = CallerKind::default();
    request.extensions_mut().insert(kind.clone());
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let allowed = rules.origins.allowed(request.headers()).cloned();
    let response = match admit(&rules.hosts, &request) {
        Err(problem) => problem.into_response(),
        Ok(()) if allowed.is_some() && preflight::is(&request) => preflight::answer(),
        Ok(()) => run(request, next, (&id, route.as_ref())).await,
    };
    let mut response = finish(response, &id);
    share(response.headers_mut(), allowed);
    let took = began.elapsed();
    requests.note(route.as_ref(), response.status(), took);
    let status = response.status().as_u16();
    let (route, caller) = (named(route.as_ref()), kind.0.get().unwrap_or(&"none"));
    let elapsed_ms = took.as_millis() as u64;
    // A reader that asks every second would drown what else there is to be read, and so would a stranger.
    let is_read = status < 400 && (method == Method::GET || method == Method::HEAD);
    let is_stranger = kind.0.get().is_none() && status < 500;
    if is_read || is_stranger {
        tracing::debug!(request_id = id, %method, route, status, elapsed_ms, caller, "request");
    } else {
        let method = known(&method);
        tracing::info!(request_id = id, method, route, status, elapsed_ms, caller, "request");
    }
    response
}

/// Sorts by time (version 7). Its randomness is drawn for many at once: asking the system each time costs more than
/// the rest of it.
fn new_id() -> String {
    let RequestId([_, _, _, _, _, _, random @ ..]) = new_request_id();
    uuid::Builder::from_unix_timestamp_millis(clock::wall().0, &random).into_uuid().to_string()
}

fn named(route: Option<&MatchedPath>) -> &str {
    route.map_or("none", MatchedPath::as_str)
}

/// A method's name, unless the client made it up.
fn known(method: &Method) -> &str {
    let names = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::PUT, Method::DELETE];
    if names.contains(method) { method.as_str() } else { "other" }
}

/// Lets a page that the owner named read the answer.
fn share(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        let exposed = HeaderValue::from_static("x-request-id, retry-after, idempotency-replayed");
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// That the head is no larger than any client needs.
fn check_head(request: &Request) -> Result<(), Problem> {
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    if uri + headers.sum::<usize>() <= HEAD_SERVED_BYTES_MAX {
        return Ok(());
    }
    let why = format!("path, query and headers are of more than {HEAD_SERVED_BYTES_MAX} bytes");
    Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why))
}

fn admit(hosts: &Hosts, request: &Request) -> Result<(), Problem> {
    check_head(request)?;
    let local = request.extensions().get::<LocalAddr>().map(|&LocalAddr(address)| SocketAddr::ip(&address));
    hosts.check(request.uri(), request.headers(), local)?;
    check_length(request.headers())?;
    match request.headers().get(EXPECT) {
        Some(expected) if !expected.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(Problem::new(StatusCode::EXPECTATION_FAILED, "Expect is 100-continue, or is not there"))
        }
        _ => Ok(()),
    }
}

async fn run(request: Request, next: Next, (id, route): (&str, Option<&MatchedPath>)) -> Response {
    let mut running = pin!(AssertUnwindSafe(next.run(request)).catch_unwind());
    // Most are answered at once, and need no timer.
    let answered = match running.as_mut().now_or_never() {
        Some(answered) => Ok(answered),
        None => timeout(ANSWER_MAX, running).await,
    };
    match answered {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(request_id = id, route = named(route), "a handler panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

/// JSON is a handler's own answer, in the form that its protocol has for failures.
fn is_json(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

fn finish(mut response: Response, id: &str) -> Response {
    let status = response.status();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.render(id, response);
    } else if (status.is_client_error() || status.is_server_error()) && !is_json(&response) {
        response = Problem::of_status(status).render(id, response);
    }
    let status = response.status();
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.entry(axum::http::header::RETRY_AFTER).or_insert(RETRY_AFTER);
    }
    // For whoever opens an answer in a browser; a page of ours says for itself what it needs.
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(nothing);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.extend(HeaderValue::from_str(id).ok().map(|id| (REQUEST_ID, id)));
    response
}
