//! A watch as server-sent events, as the HTML standard has them.
//!
//! Items of a call enter; events leave: `item` with its JSON and a number, `error` with a problem, and `end`. A
//! comment now and then shows both sides that the other is there. Who asked is asked again every second: nothing is
//! told to a token that ended, a session that was logged out, or a user who has another role now.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::once;
use p2p_shared::error::RpcError;
use serde_json::json;
use tokio::time::timeout;

use super::Api;
use super::bearer::{ASK_EVERY, Bearer};
use super::call::Items;

/// How often a silent stream says that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// `items`, until they end, who asked is no longer there, the node parts, or the client goes away.
pub(super) fn respond(api: Api, bearer: Bearer, items: Items) -> Response {
    let turn = bearer.turn();
    let broken = Arc::new(OnceLock::new());
    let breaks = Arc::clone(&broken);
    let items = items.take_until(async move { breaks.set(broken_off(&api, &bearer.standing()).await) });

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
        broken.get().map_or_else(|| Event::default().event("end").data("{}"), failed)
    });
    let events = numbered.chain(ended).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response()
}

/// Why a stream is broken off that does not end by itself.
async fn broken_off(api: &Api, bearer: &Bearer) -> RpcError {
    loop {
        if timeout(ASK_EVERY, api.0.parting.cancelled()).await.is_ok() {
            return RpcError::unavailable("this node is shutting down");
        }
        if let Err(error) = bearer.still(api) {
            return error;
        }
    }
}

fn failed(error: &RpcError) -> Event {
    let status = error.code.http_status();
    let document =
        json!({ "code": error.code, "status": status, "detail": error.message, "node": error.node });
    Event::default().event("error").data(document.to_string())
}
