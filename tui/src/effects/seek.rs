//! The process that something leads to: who holds the other end of a connection, or whether one still lives.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::Services;
use p2p_shared::services::process::ProcessInfo;
use p2p_shared::time::UnixMillis;

use super::way::Way;
use crate::command::Sought;

/// How far off the time is at which a process is said to have begun, in milliseconds.
const BEGAN_MS: u64 = 2_000;

/// The process and its node; `None` if there is none.
pub(super) async fn seek(way: &Way, sought: Sought) -> Result<Option<(NodeId, ProcessInfo)>, RpcError> {
    match sought {
        Sought::Living { node, key, at, .. } => {
            let list = way.node(node).await?.process().list(None).await?;
            let same = |info: &ProcessInfo| info.key == key && info.started <= at;
            Ok(list.processes.into_iter().find(same).map(|info| (node, info)))
        }
        Sought::Numbered { node, pid, at, .. } => {
            let list = way.node(node).await?.process().list(None).await?;
            // Another one of that number began later. When a process began is known to a moment only.
            let latest = UnixMillis(at.0.saturating_add(BEGAN_MS));
            let same = |info: &ProcessInfo| info.key.pid == pid && info.started <= latest;
            Ok(list.processes.into_iter().find(same).map(|info| (node, info)))
        }
        Sought::Holder { nodes, protocol, local, remote } => {
            let mut failed = None;
            for node in nodes {
                let ask = async {
                    let process = way.node(node).await?.process();
                    process.holders(protocol.clone(), local.to_string(), remote.to_string()).await
                };
                match ask.await {
                    Ok(list) => {
                        if let Some(info) = list.processes.into_iter().next() {
                            return Ok(Some((node, info)));
                        }
                    }
                    Err(error) => failed = Some(error),
                }
            }
            failed.map_or(Ok(None), Err)
        }
    }
}
