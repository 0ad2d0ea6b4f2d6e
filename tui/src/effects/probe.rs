//! Probes that nodes send: their answers are told as they come. Giving one up drops its stream, and the node stops.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::failure::LinkError;
use p2p_shared::services::Services;
use p2p_shared::services::network::PINGS_MAX;

use super::errand::Means;
use crate::command::{Probe, RunId};
use crate::event::{MeshEvent, ProbeSaid};

/// Sends one; ends with it, or once nobody listens any more.
pub(super) async fn run(means: &Means, (run, node): (RunId, NodeId), probe: Probe) -> Result<(), RpcError> {
    let handle = means.way.node(node).await?;
    let sent = send(means, (run, &handle), probe).await;
    sent.map_err(|error| {
        if error.message != LinkError::Local.to_string() {
            return error;
        }
        // The console lets go of who is lost.
        RpcError::unavailable(format!(
            "{} is lost: what it would still have said is not known",
            handle.name()
        ))
    })
}

async fn send(means: &Means, (run, node): (RunId, &NodeHandle), probe: Probe) -> Result<(), RpcError> {
    let network = node.network();
    let tell = async |said| {
        let told = means.events.send(MeshEvent::Probe { run, said }).await;
        told.map_err(|_| RpcError::cancelled("the console ends"))
    };
    match probe {
        Probe::Ping(target) => {
            let mut replies = network.ping(target, Some(PINGS_MAX), None, None, None).await?;
            while let Some(reply) = replies.next().await? {
                tell(ProbeSaid::Ping(reply)).await?;
            }
        }
        Probe::Trace(target) => {
            let mut steps = network.trace(target, None, None, None).await?;
            while let Some(step) = steps.next().await? {
                tell(ProbeSaid::Trace(step)).await?;
            }
        }
        Probe::Scan(request) => {
            // The orders stay here: without them the node could not be told to stop.
            let (mut found, _orders) = network.scan(request).await?.split();
            while let Some(message) = found.next().await? {
                tell(ProbeSaid::Scan(message)).await?;
            }
        }
    }
    Ok(())
}
