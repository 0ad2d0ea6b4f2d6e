//! What stands around every route: an id, the host check, limits on bodies and time, one form of failure, and a line
//! in the log.
//!
//! Requests enter before any handler sees them, with the address of the client behind a trusted proxy; responses
//! leave after it. What is logged is the pattern of the route, never a path, a query or a header of a client.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::header::{EXPECT, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use axum_server::accept::LocalAddr;
use p2p_shared::access::Caller;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::body::check_length;
use super::headers::{Id, finish, share};
use super::origin::preflight;
use super::requests::{NO_ROUTE, Requests};
use super::run::{Run, Running};
use super::{HEAD_SERVED_BYTES_MAX, Hosts, Origins, Problem, Proxies};

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

/// What stands around every route. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Held>);

#[derive(Debug)]
struct Held {
    rules: Rules,
    requests: Requests,
}

impl Guard {
    /// One that counts in `requests`.
    pub(super) fn new(rules: Rules, requests: Requests) -> Self {
        Self(Arc::new(Held { rules, requests }))
    }

    /// Takes in a request of `route`, or says why not.
    pub(super) fn enter(&self, parts: &mut Parts, route: Pattern) -> (Visit, Result<(), Response>) {
        let (id, began) = (Id::new(), Instant::now());
        let rules = &self.0.rules;
        if let Some(&ConnectInfo(from)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            let client = rules.proxies.client(from, &parts.headers);
            if client != from {
                parts.extensions.insert(ConnectInfo(client));
            }
        }
        let allowed = rules.origins.allowed(&parts.headers).cloned();
        let admitted = match admit(&rules.hosts, parts) {
            Err(problem) => Err(problem.into_response()),
            Ok(()) if allowed.is_some() && preflight::is(parts) => Err(preflight::answer()),
            Ok(()) => Ok(()),
        };
        let (guard, method, kind) = (self.clone(), parts.method.clone(), CallerKind::default());
        (Visit { guard, id, began, method, route, allowed, kind }, admitted)
    }
}

/// The pattern that a request was matched by.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// By the router.
    Matched(MatchedPath),
    /// Before it.
    Known(&'static str),
    /// By none.
    None,
}

impl Pattern {
    fn as_str(&self) -> &str {
        match self {
            Self::Matched(path) => path.as_str(),
            Self::Known(path) => path,
            Self::None => NO_ROUTE,
        }
    }
}

impl Layer<Route> for Guard {
    type Service = Guarded;

    fn layer(&self, route: Route) -> Guarded {
        Guarded { guard: self.clone(), route }
    }
}

/// A route behind the guard.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    guard: Guard,
    route: Route,
}

impl Service<Request> for Guarded {
    type Response = Response;
    type Error = Infallible;
    type Future = Run;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.route, cx)
    }

    fn call(&mut self, request: Request) -> Run {
        let (mut parts, body) = request.into_parts();
        let route = parts.extensions.get().cloned().map_or(Pattern::None, Pattern::Matched);
        let (visit, admitted) = self.guard.enter(&mut parts, route);
        if let Err(response) = admitted {
            return Run::new(visit, Running::Said(Some(response)));
        }
        parts.extensions.insert(visit.kind.clone());
        Run::new(visit, Running::Routed(self.route.call(Request::from_parts(parts, body))))
    }
}

/// One request, from its head to its answer.
pub(super) struct Visit {
    guard: Guard,
    id: Id,
    began: Instant,
    method: Method,
    route: Pattern,
    /// Of a page that may read the answer.
    allowed: Option<HeaderValue>,
    /// Who asks, once that is known.
    pub(super) kind: CallerKind,
}

impl Visit {
    /// For the log.
    pub(super) fn names(&self) -> (&str, &str) {
        (self.id.as_str(), self.route.as_str())
    }

    /// What the client is told, and a line in the log.
    pub(super) fn end(&mut self, response: Response) -> Response {
        let mut response = finish(response, &self.id);
        if let Some(origin) = self.allowed.take() {
            share(response.headers_mut(), origin);
        }
        let (took, status) = (self.began.elapsed(), response.status());
        let route = self.route.as_str();
        self.guard.0.requests.note(route, status, took);
        let (status, elapsed_ms) = (status.as_u16(), took.as_millis() as u64);
        let (request_id, known_caller) = (self.id.as_str(), self.kind.0.get());
        let caller = known_caller.unwrap_or(&"none");
        // A reader that asks every second would drown what else there is to be read, and so would a stranger.
        let is_read = status < 400 && (self.method == Method::GET || self.method == Method::HEAD);
        let is_stranger = known_caller.is_none() && status < 500;
        if is_read || is_stranger {
            let method = &self.method;
            tracing::debug!(request_id, %method, route, status, elapsed_ms, caller, "request");
        } else {
            let method = known(&self.method);
            tracing::info!(request_id, method, route, status, elapsed_ms, caller, "request");
        }
        response
    }
}

/// A method's name, unless the client made it up.
fn known(method: &Method) -> &str {
    let names = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::PUT, Method::DELETE];
    if names.contains(method) { method.as_str() } else { "other" }
}

/// That the head is no larger than any client needs.
fn check_head(parts: &Parts) -> Result<(), Problem> {
    let uri = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if uri + headers.sum::<usize>() <= HEAD_SERVED_BYTES_MAX {
        return Ok(());
    }
    let why = format!("path, query and headers are of more than {HEAD_SERVED_BYTES_MAX} bytes");
    Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why))
}

fn admit(hosts: &Hosts, parts: &Parts) -> Result<(), Problem> {
    check_head(parts)?;
    let local = parts.extensions.get::<LocalAddr>().map(|&LocalAddr(address)| SocketAddr::ip(&address));
    hosts.check(&parts.uri, &parts.headers, local)?;
    check_length(&parts.headers)?;
    match parts.headers.get(EXPECT) {
        Some(expected) if !expected.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(Problem::new(StatusCode::EXPECTATION_FAILED, "Expect is 100-continue, or is not there"))
        }
        _ => Ok(()),
    }
}
