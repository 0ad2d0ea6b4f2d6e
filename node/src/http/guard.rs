//! What stands around every route: an id, the host check, limits on bodies, and one form of failure.
//!
//! Requests enter before any handler sees them; responses leave after it. A panic of a handler ends here as
//! 500, with its details in the log under the request's id.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum_server::accept::LocalAddr;
use futures::FutureExt;
use tokio::time::Instant;
use uuid::Uuid;

use super::body::{BODY_BYTES_MAX, check_length, with_deadline};
use super::requests::Requests;
use super::{Hosts, Problem};

/// Header that carries the request's id back.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the guard holds: the names that are answered to, and what is counted.
#[derive(Clone)]
struct Guard {
    hosts: Arc<Hosts>,
    requests: Requests,
}

/// `routes` behind the guard. The handlers find its [`Requests`] among the extensions of theirs.
pub(super) fn around(routes: Router, hosts: Hosts) -> Router {
    let guarding = Guard { hosts: Arc::new(hosts), requests: Requests::default() };
    routes.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).layer(from_fn_with_state(guarding, guard))
}

async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let (id, began) = (Uuid::now_v7().to_string(), Instant::now());
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(guard.requests.clone());
    let response = match admit(&guard.hosts, &request) {
        Err(problem) => problem.into_response(),
        Ok(()) => run(request, next, &id).await,
    };
    let response = finish(response, &id);
    guard.requests.note(route.as_ref(), response.status(), began.elapsed());
    response
}

fn admit(hosts: &Hosts, request: &Request) -> Result<(), Problem> {
    let local = request.extensions().get::<LocalAddr>().map(|&LocalAddr(address)| SocketAddr::ip(&address));
    hosts.check(request.uri(), request.headers(), local)?;
    check_length(request.headers())
}

async fn run(request: Request, next: Next, id: &str) -> Response {
    let request = request.map(with_deadline);
    let path = request.uri().path().to_owned();
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(request_id = id, path, "a handler panicked");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
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
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.extend(HeaderValue::from_str(id).ok().map(|id| (REQUEST_ID, id)));
    response
}
