//! Asks a node for its past.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::Services;
use p2p_shared::time::UnixMillis;

use super::way::Way;
use crate::command::PastOrder;
use crate::fleet::PastAnswer;

/// What the charts draw, over the whole span. A node without swap has no such series: a name must be there, a glob
/// need not.
const COURSE: &str = "cpu_usage_ratio* memory_used_ratio* swap_used_ratio* load1* disk_*_bytes_per_second* \
                      network_receive_bytes_per_second* network_transmit_bytes_per_second*";
/// What stands beside them, at its end.
const MOMENT: &str = "cpu_* memory_* swap_* load* processes* pressure_* filesystem_* disk_* \
                      network_receive_bytes_per_second* network_transmit_bytes_per_second* temperature_celsius*";
/// How far before the end the last values may lie; where only minutes are kept, one of them lies in it.
const MOMENT_MS: u64 = 120_000;
/// Over how long a moment is, as that of the busiest processes.
const MOMENT_STEP_S: u32 = 10;

/// All that is known of a node at a time, and how it came to it.
pub(super) async fn recall(way: &Way, node: NodeId, order: PastOrder) -> Result<PastAnswer, RpcError> {
    let monitor = way.node(node).await?.monitor();
    let before = |ms: u64| UnixMillis(order.at.0.saturating_sub(ms));
    let (course, moment, busiest) = tokio::join!(
        monitor.history(COURSE.to_owned(), before(order.span.0), order.at, None),
        monitor.history(MOMENT.to_owned(), before(MOMENT_MS), order.at, Some(MOMENT_STEP_S)),
        monitor.busiest(order.at),
    );
    // What was busy is kept for six hours only: without it the charts are still worth a look.
    Ok(PastAnswer { course: course?, moment: moment?, busiest: busiest.unwrap_or_default() })
}
