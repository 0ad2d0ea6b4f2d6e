//! WebSockets: topics of any nodes by one connection (`GET /ws`), and methods that stream both ways.
//!
//! A handshake enters; after it, texts of JSON in both directions. Who is there is said by the `Authorization`
//! header, or by the first message. The calls are those of every other route: here is no permission of its own.
//! A page of another origin opens nothing, and a client that does not read holds up nobody.

mod channel;
mod duplex;
mod feed;
mod held;
mod session;
mod topics;
mod wire;

use std::net::SocketAddr;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::bearer::{self, Bearer};
use crate::http::Problem;
use p2p_shared::rpc::service::MethodSpec;

pub use feed::Feeds;

/// Largest message of a client at `/ws`: they say what they want, no more.
const TOLD_BYTES_MAX: usize = 64 << 10;
/// Largest item of a client to a method that streams both ways.
const ITEM_IN_BYTES_MAX: usize = 1 << 20;
/// Most that is written and not yet taken, of a client of `/ws`.
const WRITE_BYTES_MAX: usize = 512 << 10;
/// The same of a method that streams both ways: it holds one item at a time.
const ITEM_OUT_BYTES_MAX: usize = 4 << 20;
/// Bytes that each connection has ready for reading: thousands of them are open.
const READ_BYTES: usize = 4 << 10;
/// Written at once from here on.
const WRITE_BYTES: usize = 0;

/// What a handshake comes with.
pub(super) type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// `GET /ws`.
pub(super) async fn get(
    State(api): State<Api>,
    headers: HeaderMap,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    bearer: Result<Bearer, Problem>,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let upgrade = admitted(&api, &headers, upgrade, "/ws")?;
    let bearer = known(&headers, bearer)?;
    let upgrade = upgrade
        .max_message_size(TOLD_BYTES_MAX)
        .max_frame_size(TOLD_BYTES_MAX)
        .max_write_buffer_size(WRITE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| session::run(api, socket, bearer, from)).into_response())
}

/// The handshake for a method that streams both ways.
pub(super) fn both_ways(
    (api, from): (Api, SocketAddr),
    headers: &HeaderMap,
    bearer: Result<Bearer, Problem>,
    upgrade: Upgrade,
    (method, node): (&'static MethodSpec, String),
) -> Result<Response, Problem> {
    let upgrade = admitted(&api, headers, upgrade, method.name)?;
    let bearer = known(headers, bearer)?;
    let upgrade = upgrade
        .max_message_size(ITEM_IN_BYTES_MAX)
        .max_frame_size(ITEM_IN_BYTES_MAX)
        .max_write_buffer_size(ITEM_OUT_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| duplex::run((api, from), socket, bearer, (method, node))))
}

fn admitted(
    api: &Api,
    headers: &HeaderMap,
    upgrade: Upgrade,
    what: &str,
) -> Result<WebSocketUpgrade, Problem> {
    api.0.origins.check(headers)?;
    let upgrade = upgrade.map_err(|rejection| {
        let status = match rejection {
            WebSocketUpgradeRejection::WebSocketKeyHeaderMissing(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::UPGRADE_REQUIRED,
        };
        let why = format!("{what} is a WebSocket (RFC 6455, version 13): {}", rejection.body_text());
        Problem::new(status, why)
    })?;
    Ok(upgrade.read_buffer_size(READ_BYTES).write_buffer_size(WRITE_BYTES))
}

/// Who the header says; `None` leaves it to the first message.
fn known(headers: &HeaderMap, bearer: Result<Bearer, Problem>) -> Result<Option<Bearer>, Problem> {
    if bearer::is_given(headers) { bearer.map(|bearer| Some(bearer.standing())) } else { Ok(None) }
}
