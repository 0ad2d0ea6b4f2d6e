//! One call that streams both ways, over a WebSocket of its own.
//!
//! The client says who it is, unless a header did, and begins the call; items go both ways, and the last message
//! says how it ended. A side that reads slowly holds up the other. A client that goes away ends the call.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ws::WebSocket;
use bytes::Bytes;
use futures::StreamExt;
use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::MethodSpec;
use serde_json::Value;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::channel::{Channel, Ended, Fault};
use super::held;
use super::wire::{self, Told, Word, meant};
use crate::http::api::Api;
use crate::http::api::arguments;
use crate::http::api::bearer::{ASK_EVERY, Bearer};
use crate::http::api::call::{Asked, Both};

/// How long a client may take to take one item: it holds up the call, and nobody else.
const SAY_MAX: Duration = Duration::from_secs(60);

/// Serves one call until it has ended.
pub(super) async fn run(
    (api, from): (Api, SocketAddr),
    socket: WebSocket,
    bearer: Option<Bearer>,
    (method, node): (&'static MethodSpec, String),
) {
    let mut channel = Channel::new(socket, SAY_MAX);
    let ended = converse((&api, from), &mut channel, bearer, (method, node)).await;
    let ended = match ended {
        Ok(()) => channel.tell(Told::End {}).await,
        failed => failed,
    };
    match ended {
        Ok(()) => channel.close(None).await,
        Err(Ended::Fault(fault)) => channel.close(Some(fault)).await,
        Err(Ended::Gone) => {}
    }
}

async fn converse(
    (api, from): (&Api, SocketAddr),
    channel: &mut Channel,
    bearer: Option<Bearer>,
    (method, node): (&'static MethodSpec, String),
) -> Result<(), Ended> {
    let (bearer, _turn) = held::enter((api, from), channel, bearer).await?;
    let late = || RpcError::deadline("the call was not begun in time");
    let heard = timeout(held::BEGIN_MAX, channel.hear()).await.map_err(|_| Fault::from(late()))??;
    let Word::Start { arguments } = meant(heard.as_str())? else {
        return Err(RpcError::bad_request(r#"a call begins with {"op": "start", "arguments": {..}}"#).into());
    };
    let arguments = Value::Object(arguments);
    arguments::check(method, &arguments)?;
    // Who is not known is not told which nodes there are.
    let node = api.place(&node)?;
    let asked = Asked { node, method, arguments };
    let both = api.both_ways(&bearer, asked).await?;
    channel.tell(Told::Started {}).await?;
    Call { api, bearer: &bearer, inputs: Some(both.inputs.clone()), waiting: None, seq: 0 }
        .serve(channel, both)
        .await
}

struct Call<'a> {
    api: &'a Api,
    bearer: &'a Bearer,
    /// `None` once the client has said its last item.
    inputs: Option<mpsc::Sender<Bytes>>,
    /// An item for which there is no room yet: until there is, the client is not read.
    waiting: Option<Bytes>,
    seq: u64,
}

impl Call<'_> {
    async fn serve(mut self, channel: &mut Channel, both: Both) -> Result<(), Ended> {
        let Both { mut items, inputs, mut pump } = both;
        // The clone in `self` is the one that counts.
        drop(inputs);
        let mut pumping = true;
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let parting = self.api.0.parting.clone();
        loop {
            tokio::select! {
                biased;
                () = parting.cancelled() => return Err(Fault::leaving().into()),
                now = ask.tick() => {
                    held::still(self.api, self.bearer)?;
                    if self.waiting.is_some() {
                        channel.excuse();
                    }
                    channel.tend(now).await?;
                }
                item = items.next() => match item {
                    None => return Ok(()),
                    Some(item) => {
                        channel.say(wire::item(None, self.seq, &item?)?).await?;
                        self.seq += 1;
                    }
                },
                () = &mut pump, if pumping => pumping = false,
                taken = room(self.inputs.clone()), if self.waiting.is_some() => {
                    match (taken, self.waiting.take()) {
                        (Some(permit), Some(item)) => drop(permit.send(item)),
                        // It takes no more; how it ended is still to come.
                        _ => self.inputs = None,
                    }
                    channel.excuse();
                }
                heard = channel.hear(), if self.waiting.is_none() => self.hear(heard?.as_str())?,
            }
        }
    }

    fn hear(&mut self, text: &str) -> Result<(), Fault> {
        match meant(text)? {
            Word::Item { item } if self.inputs.is_some() => {
                let bytes =
                    serde_json::to_vec(&item).map_err(|error| RpcError::bad_request(error.to_string()))?;
                self.waiting = Some(bytes.into());
                Ok(())
            }
            // Sent before the client could know that nothing more is taken.
            Word::Item { .. } => Ok(()),
            Word::End {} => {
                self.inputs = None;
                Ok(())
            }
            Word::Start { .. } => {
                Err(RpcError::bad_request("the call has begun already: items follow, and the end").into())
            }
        }
    }
}

async fn room(inputs: Option<mpsc::Sender<Bytes>>) -> Option<OwnedPermit<Bytes>> {
    inputs?.reserve_owned().await.ok()
}
