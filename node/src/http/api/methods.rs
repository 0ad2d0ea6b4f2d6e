//! `/api/v1/nodes/{node}/{service}/{method}`: every method at every node.
//!
//! A `get` and a `watch` are asked by GET with a query, a `post` by POST with a body. What streams both ways is a
//! WebSocket at the same path.

use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use p2p_shared::rpc::service::{MethodSpec, Verb};
use serde_json::json;

use super::bearer::{Bearer, address, held};
use super::call::{Asked, Where, method};
use super::{Api, arguments, events, ws};
use crate::http::Problem;
use crate::http::body::JsonBody;

pub(super) type Place = Path<(String, String, String)>;

pub(super) async fn get(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    // By hand and in this order: most requests need neither a copy of their headers nor an upgrade, and what only
    // some wait for is kept out of the future of all.
    let (mut parts, _) = request.into_parts();
    let place = Place::from_request_parts(&mut parts, &api).await;
    let Path((node, service, name)) =
        place.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let method = method(&format!("{service}.{name}"));
    let bearer = Bearer::from_request_parts(&mut parts, &api).await;
    if let Ok(method) = method
        && method.verb == Verb::Duplex
    {
        let upgrade = Box::pin(WebSocketUpgrade::from_request_parts(&mut parts, &api)).await;
        let from = address(&parts)?;
        return ws::both_ways((api, from), &parts.headers, bearer, upgrade, (method, node));
    }
    let (bearer, method) = (bearer?, method?);
    let node = api.place(&node)?;
    match method.verb {
        Verb::Get | Verb::Watch => {}
        verb @ (Verb::Post | Verb::Duplex) => return Ok(not_so(method, allowed(verb))),
    }
    let arguments = arguments::of_query(method, parts.uri.query().unwrap_or_default())?;
    let asked = Asked { node, method, arguments };
    if method.verb == Verb::Watch {
        let items = Box::pin(api.watch(&bearer, asked)).await?;
        return Ok(events::respond(api, bearer, items));
    }
    Ok(answer(held(api.call(&bearer, asked).await?, bearer.turn())))
}

pub(super) async fn post(
    State(api): State<Api>,
    (headers, bearer): (HeaderMap, Bearer),
    Path((node, service, name)): Place,
    body: JsonBody,
) -> Result<Response, Problem> {
    let method = method(&format!("{service}.{name}"))?;
    let node = api.place(&node)?;
    match method.verb {
        Verb::Post => {}
        verb @ (Verb::Get | Verb::Watch | Verb::Duplex) => return Ok(not_so(method, allowed(verb))),
    }
    let body = body.bytes();
    let arguments = arguments::of_body(method, body)?;
    let about = [api.name_of(&node).to_owned(), method.name.to_owned()];
    let about = [about[0].as_bytes(), about[1].as_bytes(), body];
    let asked = Asked { node, method, arguments };
    let (of, by) = (api.clone(), bearer.clone());
    let work = async move { of.call(&by, asked).await.map_err(Problem::from) };
    api.0.once.run((&headers, &bearer), &about, work).await
}

/// Any other way to ask.
pub(super) async fn other(Path((_, service, name)): Place) -> Result<Response, Problem> {
    let method = method(&format!("{service}.{name}"))?;
    Ok(not_so(method, allowed(method.verb)))
}

/// How a method is asked.
const fn allowed(verb: Verb) -> &'static str {
    match verb {
        Verb::Get | Verb::Watch => "GET, HEAD",
        Verb::Post => "POST",
        Verb::Duplex => "GET",
    }
}

/// A method of this node that takes no arguments, under a route of its own.
pub(in crate::http) async fn own(mut parts: Parts, method: &'static MethodSpec) -> Result<Response, Problem> {
    let alone = "this is for clients on the node's own machine";
    let api = parts.extensions.get::<Api>().cloned();
    let api = api.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, alone))?;
    let bearer = Bearer::from_request_parts(&mut parts, &api).await?;
    let asked = Asked { node: Where::Here, method, arguments: json!({}) };
    Ok(answer(held(api.call(&bearer, asked).await?, bearer.turn())))
}

/// The result of a call, which is JSON already.
pub(super) fn answer(json: Bytes) -> Response {
    let mut response = Response::new(Body::from(json));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The method is there, and is asked in another way.
fn not_so(method: &MethodSpec, allowed: &'static str) -> Response {
    let detail = match method.verb {
        Verb::Duplex => format!("{} streams both ways: ask it by GET as a WebSocket", method.name),
        verb => format!("{} is a {}: ask it by {allowed}", method.name, verb.as_str()),
    };
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
    ([(ALLOW, HeaderValue::from_static(allowed))], problem).into_response()
}
