//! One topic of one node, delivered for as long as the screen shows it: a task each.
//!
//! Watches are streams; what has no watch is asked for. When a stream breaks it begins anew, after a wait that
//! grows, or at once when the directory says that the node came back. While the console is slow, the task
//! waits, and with it the node.

use std::time::Duration;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::backoff::Backoff;
use p2p_shared::mesh::failure::LinkError;
use p2p_shared::services::Services;
use p2p_shared::time::Millis;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::beat;
use super::way::Way;
use crate::command::{Subscription, Topic};
use crate::event::MeshEvent;
use crate::fleet::NetTables;

/// The task that delivers a subscription.
#[derive(Debug)]
pub struct Feed {
    /// How it connects.
    pub way: Way,
    /// What it delivers.
    pub subscription: Subscription,
    /// To whom.
    pub events: mpsc::Sender<MeshEvent>,
}

impl Feed {
    /// Runs for ever; ends when it is dropped, or nobody listens.
    pub async fn run(self) {
        let Subscription { node, .. } = self.subscription;
        let _use = self.way.uses.begin(node);
        let seed = node.as_bytes().iter().fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(*byte));
        let mut backoff = Backoff::new(seed);
        let hung_up = LinkError::Local.to_string();
        loop {
            let epoch = self.way.directory.epoch(node);
            let mut delivered = false;
            let Err(error) = self.deliver(&mut delivered).await else { return };
            if delivered {
                backoff.succeeded();
            }
            let wait = (!is_final(error.code)).then(|| backoff.failed().to_duration());
            // What was hung up here says nothing; the next attempt finds the reason, if there is one.
            if error.message != hung_up {
                let failed = MeshEvent::Failed { subscription: self.subscription, error };
                if self.gone(failed).await {
                    return;
                }
            }
            tokio::select! {
                () = pause(wait) => {}
                () = self.way.directory.renewed(node, epoch) => backoff.succeeded(),
            }
        }
    }

    /// Delivers until something fails; `Ok` once nobody listens.
    async fn deliver(&self, delivered: &mut bool) -> Result<(), RpcError> {
        let Subscription { node, topic } = self.subscription;
        let handle = self.way.node(node).await?;
        let ended =
            || RpcError::unavailable(format!("{} ended the watch of its {}", handle.name(), topic.as_str()));
        match topic {
            Topic::Sample => {
                let mut samples = handle.monitor().watch(topic.interval_ms()).await?;
                while let Some(sample) = samples.next().await? {
                    *delivered = true;
                    if self.gone(MeshEvent::Sample { node, sample: Box::new(sample) }).await {
                        return Ok(());
                    }
                }
                Err(ended())
            }
            Topic::Processes => {
                let mut deltas = handle.process().watch(topic.interval_ms()).await?;
                while let Some(delta) = deltas.next().await? {
                    *delivered = true;
                    if self.gone(MeshEvent::Processes { node, delta }).await {
                        return Ok(());
                    }
                }
                Err(ended())
            }
            Topic::Units => {
                let mut deltas = handle.unit().watch().await?;
                while let Some(delta) = deltas.next().await? {
                    *delivered = true;
                    if self.gone(MeshEvent::Units { node, delta }).await {
                        return Ok(());
                    }
                }
                Err(ended())
            }
            Topic::Jobs => {
                let mut deltas = handle.job().watch().await?;
                while let Some(delta) = deltas.next().await? {
                    *delivered = true;
                    if self.gone(MeshEvent::Jobs { node, delta }).await {
                        return Ok(());
                    }
                }
                Err(ended())
            }
            Topic::Alerts => {
                let mut deltas = handle.alert().watch().await?;
                while let Some(delta) = deltas.next().await? {
                    *delivered = true;
                    if self.gone(MeshEvent::Alerts { node, delta }).await {
                        return Ok(());
                    }
                }
                Err(ended())
            }
            Topic::Audit => super::record::deliver(self, &handle, delivered).await,
            Topic::Peers
            | Topic::Routing
            | Topic::Refused
            | Topic::Programs
            | Topic::Shells
            | Topic::Recordings
            | Topic::Rules
            | Topic::Network => self.poll(&handle, delivered).await,
        }
    }

    async fn poll(&self, handle: &NodeHandle, delivered: &mut bool) -> Result<(), RpcError> {
        let every = every(self.subscription.topic);
        loop {
            let event = self.ask(handle).await?;
            *delivered = true;
            if self.gone(event).await {
                return Ok(());
            }
            beat::wait(every).await;
        }
    }

    async fn ask(&self, handle: &NodeHandle) -> Result<MeshEvent, RpcError> {
        let Subscription { node, topic } = self.subscription;
        Ok(match topic {
            Topic::Routing => MeshEvent::Routing { node, buckets: handle.node().routing().await? },
            Topic::Refused => MeshEvent::Refused { node, handshakes: handle.node().refused().await? },
            Topic::Shells => MeshEvent::Shells { node, shells: handle.shell().list().await? },
            Topic::Recordings => {
                MeshEvent::Recordings { node, recordings: handle.shell().recordings().await? }
            }
            Topic::Rules => MeshEvent::Rules { node, rules: Box::new(handle.alert().rules().await?) },
            Topic::Network => MeshEvent::Network { node, tables: Box::new(tables(handle).await?) },
            Topic::Programs => MeshEvent::Programs { node, programs: handle.program().list().await? },
            _ => MeshEvent::Peers { node, peers: handle.node().peers().await? },
        })
    }

    /// Sends; says whether nobody listens any more.
    pub(super) async fn gone(&self, event: MeshEvent) -> bool {
        self.events.send(event).await.is_err()
    }
}

/// All that a node has of the network.
async fn tables(handle: &NodeHandle) -> Result<NetTables, RpcError> {
    let network = handle.network();
    Ok(NetTables {
        interfaces: network.interfaces().await?,
        sockets: network.sockets(None, None, None).await?.sockets,
        routes: network.routes(None).await?,
        neighbours: network.neighbours().await?,
    })
}

/// How often a topic is asked for, in whole beats.
pub(super) fn every(topic: Topic) -> Millis {
    beat::beats(u64::from(topic.interval_ms()) / 1_000)
}

/// Whether asking again cannot help before the node is another one.
pub(super) const fn is_final(code: Code) -> bool {
    matches!(code, Code::Forbidden | Code::Unauthenticated | Code::Unsupported | Code::BadRequest)
}

pub(super) async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
