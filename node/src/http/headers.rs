//! What every response says besides its answer: its id, and what a browser may do with it.
//!
//! A handler's response enters; it leaves with the headers of all, and as a problem if it is a failure. Pure, but for
//! the clock and the randomness of an id.

use std::sync::LazyLock;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use p2p_shared::mesh::new_request_id;
use p2p_shared::rpc::frame::RequestId;
use uuid::fmt::Hyphenated;

use super::Problem;
use crate::clock;

/// Header that carries the request's id back.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a client is to wait that is told no better.
const RETRY_LATER: HeaderValue = HeaderValue::from_static("30");
/// What every response has that does not say otherwise. Copied whole: to add one header after the other costs as
/// much as many a handler.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    // With room for what is added.
    let mut headers = HeaderMap::with_capacity(12);
    // For whoever opens an answer in a browser; a page of ours says for itself what it needs.
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, nothing);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    headers
});

/// A request's id as text. Sorts by time (version 7).
pub(super) struct Id([u8; Hyphenated::LENGTH]);

impl Id {
    /// A new one. Its randomness is drawn for many at once: asking the system each time costs more than the rest of it.
    pub(super) fn new() -> Self {
        let RequestId([_, _, _, _, _, _, random @ ..]) = new_request_id();
        let id = uuid::Builder::from_unix_timestamp_millis(clock::wall().0, &random).into_uuid();
        let mut text = [0; Hyphenated::LENGTH];
        id.hyphenated().encode_lower(&mut text);
        Self(text)
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Lets a page that the owner named read the answer.
pub(super) fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    let exposed = HeaderValue::from_static("x-request-id, retry-after, idempotency-replayed");
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

/// JSON is a handler's own answer, in the form that its protocol has for failures.
fn is_json(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

/// Gives a response what every one has, and a failure its form.
pub(super) fn finish(mut response: Response, id: &Id) -> Response {
    let status = response.status();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.render(id.as_str(), response);
    } else if (status.is_client_error() || status.is_server_error()) && !is_json(&response) {
        response = Problem::of_status(status).render(id.as_str(), response);
    }
    let status = response.status();
    let own = std::mem::replace(response.headers_mut(), HEADERS.clone());
    let headers = response.headers_mut();
    add(headers, own);
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.entry(RETRY_AFTER).or_insert(RETRY_LATER);
    }
    headers.extend(HeaderValue::from_bytes(&id.0).ok().map(|id| (REQUEST_ID, id)));
    response
}

/// Puts what a handler said into the place of what is said otherwise, but for what no handler may take back.
fn add(headers: &mut HeaderMap, own: HeaderMap) {
    let mut last = None;
    for (name, value) in own {
        let is_first = name.is_some();
        last = name.or(last);
        let Some(name) = &last else { continue };
        if [X_FRAME_OPTIONS, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS].contains(name) {
            continue;
        }
        if is_first && *name != VARY {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_says_for_itself_what_it_may_and_adds_to_the_rest() {
        let said = |name: HeaderName, value| (name, HeaderValue::from_static(value));
        let own = [
            said(CACHE_CONTROL, "max-age=60"),
            said(X_FRAME_OPTIONS, "ALLOWALL"),
            said(VARY, "accept"),
            said(CONTENT_TYPE, "text/html"),
        ];
        let mut response = Response::default();
        response.headers_mut().extend(own);
        response.headers_mut().append("x-own", HeaderValue::from_static("1"));
        response.headers_mut().append("x-own", HeaderValue::from_static("2"));
        let id = Id::new();
        let response = finish(response, &id);
        let all = |name: &str| {
            let values = response.headers().get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            (all("cache-control"), all("content-type")),
            (vec!["max-age=60".into()], vec!["text/html".into()])
        );
        assert_eq!(
            (all("x-frame-options"), all("x-own")),
            (vec!["DENY".into()], vec!["1".into(), "2".into()])
        );
        assert_eq!(
            (all("vary"), all("x-request-id")),
            (vec!["origin".into(), "accept".into()], vec![id.as_str().into()])
        );
        assert_eq!(all("x-content-type-options"), ["nosniff"]);
    }
}
