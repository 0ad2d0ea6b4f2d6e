//! Throughput and round trips between this node and another one, as an operator asks for it.
//!
//! The order and the operator's grants enter, what was measured leaves. This node only asks: whether the other one
//! lets it is that node's word, by the grant. One measurement at a time, whichever side a node is on.

use p2p_shared::access::Proof;
use p2p_shared::error::RpcError;
use p2p_shared::load;
use p2p_shared::mesh::Mesh;
use p2p_shared::services::file::FileContent;
use p2p_shared::services::network::{THROUGHPUT_TIME_MS_MAX, ThroughputOrder, ThroughputReport};
use tokio_util::task::AbortOnDropHandle;

use super::{LOADS_MAX, NetworkService, number, place};

impl NetworkService {
    /// Measures on the main runtime, so that the mesh only carries what is measured.
    pub(super) async fn measured(&self, order: ThroughputOrder) -> Result<ThroughputReport, RpcError> {
        let time = number("time_ms", order.time_ms, TIME_MS, (100, THROUGHPUT_TIME_MS_MAX))?;
        let place = place(&self.loads, LOADS_MAX, "measurement of throughput")?;
        let mesh = self.mesh.clone();
        let measuring = async move {
            let _place = place;
            measure(&mesh, order, time).await
        };
        // It ends with whoever asked for it.
        let task = AbortOnDropHandle::new(self.tasks.spawn_on(measuring, &self.runtime));
        task.await.map_err(|error| RpcError::internal(format!("a measurement failed: {error}")))?
    }
}

/// How long each way, unless told.
const TIME_MS: u32 = 2_000;

async fn measure(mesh: &Mesh, order: ThroughputOrder, time_ms: u32) -> Result<ThroughputReport, RpcError> {
    let ThroughputOrder { node, id, echo, down, up, .. } = order;
    let handle = mesh.node(&node);
    if handle.link().await?.peer().id != id {
        return Err(RpcError::conflict(format!(
            "{node} has another key here than where the measurement was asked for: forget the one that it replaced"
        )));
    }
    let under = |grant: FileContent| handle.clone().with_proof(Proof::Grant(grant.0));
    let measured = load::measure([under(echo), under(down), under(up)], load::requests(time_ms)).await;
    // The caller is told by this node, about the other one.
    measured.map_err(|error| RpcError::new(error.code, format!("{node}: {}", error.message)))
}
