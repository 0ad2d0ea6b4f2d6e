//! Searches among the files of a node: hits are told as they come. Dropped, a search ends, and the node stops.

use p2p_shared::error::RpcError;
use p2p_shared::services::Services;
use tokio::sync::mpsc;

use super::way::Way;
use crate::command::{SearchFor, SearchId, SearchOrder};
use crate::event::MeshEvent;

/// Most hits.
const HITS_MAX: u32 = 2_000;
/// Longest search.
const TIME_MS_MAX: u32 = 300_000;

/// Searches until its end is told.
pub(super) async fn run(
    way: &Way,
    (search, order): (SearchId, SearchOrder),
    events: &mpsc::Sender<MeshEvent>,
) -> Result<(), RpcError> {
    let SearchOrder { node, path, what } = order;
    let _use = way.uses.begin(node);
    let files = way.node(node).await?.file();
    let (hits, time) = (Some(HITS_MAX), Some(TIME_MS_MAX));
    let mut found = match what {
        SearchFor::Names(glob) => files.find(path, Some(glob), None, None, None, hits, time).await?,
        SearchFor::Lines(regex) => files.grep(path, regex, None, None, hits, time, None).await?,
    };
    while let Some(found) = found.next().await? {
        let is_last = found.end.is_some();
        // The console ends: nobody looks any more.
        let _ = events.send(MeshEvent::Found { search, found: Ok(found) }).await;
        if is_last {
            return Ok(());
        }
    }
    Err(RpcError::unavailable("the node ended the search"))
}
