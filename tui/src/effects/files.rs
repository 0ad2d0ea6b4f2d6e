//! Files of nodes: what is looked at, and what is done with them.

mod save;

use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::Services;
use p2p_shared::services::file::{CONTENT_BYTES_MAX, FileChunk, FileKind, FilePage, FilePath};

use tokio::time::sleep;

use super::copy;
use super::errand::Means;
use super::way::Way;
use crate::command::{FileDeed, FilesOrder};
use crate::event::{FilesSaid, MeshEvent, Previewed};

/// Names of a directory that are asked for at once.
const PAGE: u32 = 2_000;
/// Names of a directory that are shown at most; more of them are for a search.
const NAMES_MAX: usize = 10_000;
/// Bytes of a file that are shown.
const VIEW_BYTES: u32 = 64 << 10;
/// Names of a directory that are shown beside it.
const PREVIEW_NAMES: u32 = 200;
/// How long the cursor has to stand before anything is read.
const STANDS: Duration = Duration::from_millis(200);
/// Lines of its end that are shown.
const TAIL_LINES: u32 = 500;

/// Looks, and says what there is.
pub(super) async fn look(way: &Way, node: NodeId, order: FilesOrder) -> FilesSaid {
    match order {
        FilesOrder::List(path) => {
            let listed = list(way, node, &path).await;
            if listed.is_err() && is_file(way, node, &path).await {
                return FilesSaid::Beside(path);
            }
            FilesSaid::Listed(path, listed)
        }
        FilesOrder::View(path) => {
            let viewed =
                async { way.node(node).await?.file().read(path.clone(), None, Some(VIEW_BYTES)).await };
            let viewed = viewed.await;
            FilesSaid::Viewed(path, viewed)
        }
        FilesOrder::Edit(path) => {
            let whole = whole(way, node, &path).await;
            FilesSaid::ToEdit(path, whole)
        }
        FilesOrder::Tail(path) => {
            let viewed = async { way.node(node).await?.file().tail(path.clone(), Some(TAIL_LINES)).await };
            let viewed = viewed.await;
            FilesSaid::Viewed(path, viewed)
        }
        FilesOrder::Preview(path) => {
            sleep(STANDS).await;
            let previewed = preview(way, node, &path).await;
            FilesSaid::Previewed(path, previewed)
        }
        FilesOrder::Plan(plan) => {
            let steps = copy::plan(way, &plan).await;
            FilesSaid::Planned(plan, steps)
        }
        FilesOrder::Follow(path) => {
            let led = async { way.node(node).await?.file().stat(path.clone(), Some(true)).await };
            match led.await {
                Ok(row) if row.kind == FileKind::Directory => FilesSaid::Leads(path),
                Ok(_) => Box::pin(look(way, node, FilesOrder::View(path))).await,
                Err(error) => FilesSaid::Viewed(path, Err(error)),
            }
        }
    }
}

/// Whether what was taken for a directory is something else.
async fn is_file(way: &Way, node: NodeId, path: &FilePath) -> bool {
    let led = async { way.node(node).await?.file().stat(path.clone(), Some(true)).await };
    led.await.is_ok_and(|row| row.kind != FileKind::Directory)
}

/// The first names of a directory, or the beginning of a file; of a link what it leads to.
async fn preview(way: &Way, node: NodeId, path: &FilePath) -> Result<Previewed, RpcError> {
    let files = way.node(node).await?.file();
    match files.stat(path.clone(), Some(true)).await?.kind {
        FileKind::Directory => {
            let page = files.list(path.clone(), None, None, None, Some(PREVIEW_NAMES)).await?;
            Ok(Previewed::Names(page))
        }
        FileKind::File => Ok(Previewed::Part(files.read(path.clone(), None, Some(VIEW_BYTES)).await?)),
        _ => Err(RpcError::bad_request("neither a file nor a directory")),
    }
}

/// As much of a file as a node gives at once, which is as much as it takes.
async fn whole(way: &Way, node: NodeId, path: &FilePath) -> Result<FileChunk, RpcError> {
    way.node(node).await?.file().read(path.clone(), None, Some(CONTENT_BYTES_MAX)).await
}

async fn list(way: &Way, node: NodeId, path: &FilePath) -> Result<FilePage, RpcError> {
    let files = way.node(node).await?.file();
    let mut all = FilePage { rows: Vec::new(), next: None };
    loop {
        let page = files.list(path.clone(), None, None, all.next.take(), Some(PAGE)).await?;
        all.rows.extend(page.rows);
        all.next = page.next;
        if all.next.is_none() || all.rows.len() >= NAMES_MAX {
            return Ok(all);
        }
    }
}

/// Does something, and tells that what is shown may differ now.
pub(super) async fn act(means: &Means, node: NodeId, deed: FileDeed) -> Result<(), RpcError> {
    let done = match deed {
        FileDeed::Remove(path) => means.way.node(node).await?.file().remove(path, None).await.map(drop),
        FileDeed::Undo(path) => undo(means, node, path).await,
        FileDeed::Write(edited) => save::save(means, node, *edited).await,
    };
    if done.is_ok() {
        // The console ends: nobody looks any more.
        let _ = means.events.send(MeshEvent::Files { node, said: FilesSaid::Changed }).await;
    }
    done
}

async fn undo(means: &Means, node: NodeId, path: FilePath) -> Result<(), RpcError> {
    let files = means.way.node(node).await?.file();
    let kept = files.undos(Some(path.clone())).await?;
    let newest = kept
        .into_iter()
        .next()
        .ok_or_else(|| RpcError::not_found(format!("no version of {path} is kept there")))?;
    files.undo(newest.id).await.map(drop)
}
