//! A watch as server-sent events, as the HTML standard has them.
//!
//! Items of a call enter; events leave: `item` with its JSON and a number, `error` with a problem, and `end`. A
//! comment now and then shows both sides that the other is there.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::once;
use p2p_shared::error::RpcError;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::call::Items;
use crate::http::callers::Turn;

/// How often a silent stream says that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// `items`, until they end, `parting` is cancelled, or the client goes away. `turn` is held as long.
pub(super) fn respond(items: Items, parting: CancellationToken, turn: Option<Arc<Turn>>) -> Response {
    let until = parting.clone();
    let items = items.take_until(async move { until.cancelled().await });

    let numbered = items.enumerate().map(move |(number, item)| match item {
        Ok(bytes) => {
            let data = String::from_utf8_lossy(&bytes).into_owned();
            Event::default().event("item").id(number.to_string()).data(data)
        }
        Err(error) => failed(&error),
    });
    let ended = once(async move {
        // Until here the stream counts as a request that runs.
        drop(turn);
        if parting.is_cancelled() {
            return failed(&RpcError::unavailable("this node is shutting down"));
        }
        Event::default().event("end").data("{}")
    });
    let events = numbered.chain(ended).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response()
}

fn failed(error: &RpcError) -> Event {
    let status = error.code.http_status();
    let document =
        json!({ "code": error.code, "status": status, "detail": error.message, "node": error.node });
    Event::default().event("error").data(document.to_string())
}
