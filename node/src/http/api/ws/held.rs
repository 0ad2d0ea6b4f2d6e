//! For whom a WebSocket stands open, and for how long.
//!
//! The first message or the header says who; asked again every second, so that a token that ended, a session that
//! was logged out, an operator who was revoked and a user who has another role now hold nothing open.

use std::net::SocketAddr;
use std::time::Duration;

use p2p_shared::error::RpcError;
use tokio::time::timeout;

use super::channel::{Channel, Ended, Fault};
use super::wire::{Told, Wish, meant};
use crate::http::api::Api;
use crate::http::api::bearer::{Bearer, stand};
use crate::http::callers::Turn;

/// How long a client may take to say who it is, and what it wants to begin with.
pub(super) const BEGIN_MAX: Duration = Duration::from_secs(10);

/// Closes a connection whose caller is not known, or no longer.
const UNKNOWN: u16 = 4401;

/// Who is there, and that one more connection of that caller stands: as the header said, or as the first message says.
pub(super) async fn enter(
    (api, from): (&Api, SocketAddr),
    channel: &mut Channel,
    bearer: Option<Bearer>,
) -> Result<(Bearer, Turn), Ended> {
    let bearer = match bearer {
        Some(bearer) => bearer,
        None => {
            let late = || RpcError::unauthenticated("no token came in time");
            let heard =
                timeout(BEGIN_MAX, channel.hear()).await.map_err(|_| Fault::new(UNKNOWN, late()))??;
            first(api, from, heard.as_str())?
        }
    };
    let turn = stand(api, bearer.name())?;
    welcome(api, channel, &bearer).await?;
    Ok((bearer, turn))
}

pub(super) async fn welcome(api: &Api, channel: &mut Channel, bearer: &Bearer) -> Result<(), Ended> {
    let (node, caller, until) = (api.0.own.as_str(), bearer.who.caller.to_string(), bearer.who.until);
    channel.tell(Told::Welcome { node, caller, until }).await
}

fn first(api: &Api, from: SocketAddr, text: &str) -> Result<Bearer, Fault> {
    let unknown = |error: RpcError| Fault::new(UNKNOWN, error);
    match meant(text) {
        Ok(Wish::Auth { token }) => Bearer::of(api, token, from).map_err(unknown),
        Ok(_) | Err(_) => {
            let how = r#"the first message is {"op": "auth", "token": TOKEN}"#;
            Err(unknown(RpcError::unauthenticated(how)))
        }
    }
}

/// That the caller is still the one who began.
pub(super) fn still(api: &Api, bearer: &Bearer) -> Result<(), Fault> {
    bearer.still(api).map_err(Fault::from)
}

/// The same caller with another token.
pub(super) fn renewed(api: &Api, bearer: &Bearer, token: String) -> Result<Bearer, Fault> {
    let next = Bearer::of(api, token, bearer.from).map_err(|error| Fault::new(UNKNOWN, error))?;
    bearer.same(&next.who)?;
    Ok(next)
}
