//! Orders to measure between two nodes, with the grants of this operator that the second one asks for.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::load;
use p2p_shared::services::network::{self, LoadRequest, ThroughputOrder};
use p2p_shared::services::node::Member;

use super::transfer::{Operator, granted};

/// The order for the node `holder` to measure with `to`, so long each way.
///
/// # Errors
/// If the grants cannot be signed.
pub fn order(
    operator: Operator<'_>,
    holder: NodeId,
    to: &Member,
    time_ms: u32,
) -> Result<ThroughputOrder, RpcError> {
    let grant = |request: LoadRequest| {
        let arguments = network::load::Args { request };
        granted(operator, (to.id, holder), &network::load::METHOD, &arguments)
    };
    let [echo, down, up] = load::requests(time_ms);
    Ok(ThroughputOrder {
        node: to.name.clone(),
        id: to.id,
        time_ms: Some(time_ms),
        echo: grant(echo)?,
        down: grant(down)?,
        up: grant(up)?,
    })
}
