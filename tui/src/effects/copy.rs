//! Copies between nodes under this operator's grant: what stands in their way is looked at, and how far they are told.

use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::stream::{StreamExt, TryStreamExt, iter};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::file::{FilePath, FileRow};
use p2p_shared::services::transfer::{TransferProgress, TransferSummary};
use p2p_shared::time::UnixMillis;
use tokio::sync::watch;
use tokio::time::interval;

use super::errand::Means;
use super::transfer::{self, End, Move, Operator, There};
use super::way::Way;
use crate::command::{After, Below, CopyId, CopyOrder, CopyPlan, CopyStep, Spot};
use crate::event::{CopySaid, CopyTotal, MeshEvent};

/// Between two words of how far a copy is.
const TOLD: Duration = Duration::from_millis(500);
/// Names that are looked for at a time.
const LOOKS: usize = 16;

/// Looks at what stands at each name that a plan would make.
pub(super) async fn plan(way: &Way, plan: &CopyPlan) -> Result<Vec<CopyStep>, RpcError> {
    let to = there(way, &plan.to).await?;
    let node = to.node.clone();
    let is_below = match plan.below {
        Below::Always => true,
        Below::Directory => transfer::is_directory(&End::There(to)).await? == Some(true),
    };
    let step = |path: FilePath| {
        let node = &node;
        async move {
            let to_path =
                if is_below { transfer::below(&plan.to.path, &path)? } else { plan.to.path.clone() };
            let there = standing(node, &to_path).await?;
            let from = Spot { node: plan.from, path };
            let to = Spot { node: plan.to.node, path: to_path };
            Ok(CopyStep { order: CopyOrder { from, to, after: plan.after }, there })
        }
    };
    iter(plan.paths.clone()).map(step).buffered(LOOKS).try_collect().await
}

async fn standing(node: &NodeHandle, path: &FilePath) -> Result<Option<FileRow>, RpcError> {
    match node.file().stat(path.clone(), None).await {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn there(way: &Way, spot: &Spot) -> Result<There, RpcError> {
    Ok(There { id: spot.node, node: way.node(spot.node).await?, path: spot.path.clone() })
}

/// Copies, and tells how far it is; of a move the source goes once all of it is there. Dropped, it ends; what is in
/// place stays.
pub(super) async fn run(means: &Means, copy: CopyId, order: CopyOrder) -> Result<TransferSummary, RpcError> {
    let from = there(&means.way, &order.from).await?;
    if order.after == After::Keep {
        return transfer(means, copy, &order).await;
    }
    if order.from.node == order.to.node {
        // No byte has to go anywhere.
        from.node.file().rename(from.path, order.to.path, None).await?;
        return Ok(TransferSummary::default());
    }
    let before = count(&from.node, from.path.clone()).await?;
    let summary = transfer(means, copy, &order).await?;
    match summary.failed.first() {
        Some(left) if summary.failed.iter().all(|failed| failed.is_left_out) => {
            Err(RpcError::conflict(format!(
                "what can be copied is there, and {} was not removed, for {} is not copied: {}",
                from.path, left.path, left.why
            )))
        }
        // What failed is said of every copy.
        Some(_) => Ok(summary),
        None => {
            // The same again finds out what changed while the rest was copied.
            let again = transfer(means, copy, &order).await?;
            remove(&from, before, &again).await.map(|()| summary)
        }
    }
}

/// Removes what was moved, if it is what was counted before, and all of that was there when it was looked at again.
async fn remove(from: &There, before: Counted, again: &TransferSummary) -> Result<(), RpcError> {
    let now = count(&from.node, from.path.clone()).await?;
    let is_there = again.progress.received_bytes == 0 && again.progress.entries == now.total.entries;
    if now != before || now.skipped > 0 || !again.failed.is_empty() || !is_there {
        return Err(RpcError::conflict(format!(
            "all of it was copied, and {} was not removed: it changed meanwhile, or holds what is not copied",
            from.path
        )));
    }
    from.node.file().remove(from.path.clone(), Some(now.total.entries)).await.map(drop)
}

async fn transfer(means: &Means, copy: CopyId, order: &CopyOrder) -> Result<TransferSummary, RpcError> {
    let (from, to) = (there(&means.way, &order.from).await?, there(&means.way, &order.to).await?);
    let (source, path) = (from.node.clone(), from.path.clone());
    let what = Move { from: End::There(from), to: End::There(to), tree: true, bytes_per_second_max: None };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let operator = Operator { credentials: means.credentials.as_deref(), now };
    let (told, progress) = watch::channel(TransferProgress::default());
    let mut moving = pin!(transfer::run(what, operator, &told));
    let mut counting = pin!(count(&source, path));
    let (mut looks, mut is_counting) = (interval(TOLD), true);
    loop {
        let said = tokio::select! {
            ended = &mut moving => return ended,
            counted = &mut counting, if is_counting => {
                is_counting = false;
                // Without it there is no share and no time that remains; why is of no matter.
                let Ok(counted) = counted else { continue };
                CopySaid::Total(counted.total)
            }
            _ = looks.tick() => CopySaid::Progress(progress.borrow().clone()),
        };
        // The console ends: nobody looks any more.
        let _ = means.events.send(MeshEvent::Copy { copy, said }).await;
    }
}

/// What a tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    total: CopyTotal,
    /// What could not be counted into, such as other file systems.
    skipped: u64,
}

async fn count(node: &NodeHandle, path: FilePath) -> Result<Counted, RpcError> {
    let mut usage = node.file().usage(path).await?;
    while let Some(so_far) = usage.next().await? {
        if so_far.is_done {
            let total = CopyTotal { entries: so_far.entries, size_bytes: so_far.size_bytes };
            return Ok(Counted { total, skipped: so_far.skipped });
        }
    }
    Err(RpcError::unavailable("the node ended the count"))
}
