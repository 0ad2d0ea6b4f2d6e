//! Commands on nodes, without input: each item is handed on as it comes, and for the console all is put together.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::exec::{ExecExit, ExecItem, ExecRequest};

use super::errand::Means;
use crate::command::Errand;
use crate::event::{Answer, MeshEvent};

/// Runs it on one node without input and hands on each item.
///
/// # Errors
/// If the node or the way to it fails; how the command ended is no error.
pub async fn command(
    node: &NodeHandle,
    request: &ExecRequest,
    mut said: impl FnMut(ExecItem),
) -> Result<ExecExit, RpcError> {
    let mut call = node.exec().run(request.clone()).await?;
    call.finish().await?;
    loop {
        match call.output.next().await? {
            Some(ExecItem::Exit(exit)) => return Ok(exit),
            Some(item) => said(item),
            None => return Err(RpcError::internal("the node did not say how the command ended")),
        }
    }
}

/// Runs it and tells what it wrote, stderr after stdout; dropped, it is killed on its node.
pub(super) async fn run(
    means: &Means,
    (errand, node): (Errand, NodeId),
    request: ExecRequest,
) -> Result<(), RpcError> {
    let node = means.way.node(node).await?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = command(&node, &request, |item| match item {
        ExecItem::Stdout(bytes) => out.extend(bytes),
        ExecItem::Stderr(bytes) => err.extend(bytes),
        ExecItem::Exit(_) => {}
    });
    let exit = exit.await?;
    out.extend(err);
    let answer = Answer { text: String::from_utf8_lossy(&out).into_owned(), is_cut: exit.cut_bytes > 0 };
    // The console ends: nobody looks any more.
    let _ = means.events.send(MeshEvent::Answer { errand, answer: Box::new(answer) }).await;
    match exit {
        ExecExit { problem: Some(problem), .. } => Err(RpcError::conflict(problem)),
        ExecExit { timed_out: true, .. } => Err(RpcError::conflict("its time ran out")),
        ExecExit { code: Some(0), .. } => Ok(()),
        ExecExit { code: Some(code), .. } => Err(RpcError::conflict(format!("exit code {code}"))),
        ExecExit { signal, .. } => {
            Err(RpcError::conflict(format!("ended by signal {}", signal.unwrap_or_default())))
        }
    }
}
