//! A watch as server-sent events, as the HTML standard has them.
//!
//! Items of a call enter; events leave: `item` with its JSON and a number, `error` with a problem, and `end`. A
//! comment now and then shows both sides that the other is there.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::once;
use p2p_shared::error::RpcError;
use serde_json::json;

use super::call::Items;

/// How often a silent stream says that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

pub(super) fn respond(items: Items) -> Response {
    let numbered = items.enumerate().map(|(number, item)| match item {
        Ok(bytes) => {
            let data = String::from_utf8_lossy(&bytes).into_owned();
            Event::default().event("item").id(number.to_string()).data(data)
        }
        Err(error) => failed(&error),
    });
    let ended = once(async { Event::default().event("end").data("{}") });
    let events = numbered.chain(ended).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response()
}

fn failed(error: &RpcError) -> Event {
    let status = error.code.http_status();
    let document =
        json!({ "code": error.code, "status": status, "detail": error.message, "node": error.node });
    Event::default().event("error").data(document.to_string())
}
