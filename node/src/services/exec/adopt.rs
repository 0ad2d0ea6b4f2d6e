//! Commands of an earlier life of this node, which went on without it: nobody waits for them any more, so their
//! output is read and thrown away until they end, and how they ended is in the log.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::host::run::{End, Ends, Kind, RunId, Runner, Running};

/// Takes up all that an earlier life left, each as a task.
pub async fn adopt(runner: Arc<dyn Runner>, tasks: TaskTracker, stopping: CancellationToken) {
    for id in runner.left(Kind::Exec).await {
        let Some(running) = runner.take_up(&id, None).await else { continue };
        tracing::info!(run = %id, "a command goes on that an earlier life of this node started");
        let stopping = stopping.clone();
        tasks.spawn(async move {
            stopping.run_until_cancelled_owned(see_off(id, running)).await;
        });
    }
}

async fn see_off(id: RunId, Running { ends, leash, .. }: Running) {
    let (stdout, stderr) = match ends {
        Ends::Pipes { stdout, stderr, .. } => (stdout, stderr),
        Ends::Terminal(_) => (None, None),
    };
    let read = async { tokio::join!(drain(stdout), drain(stderr)) };
    let ended = async {
        let End { code, signal, .. } = leash.ended().await;
        tracing::info!(run = %id, code, signal, "a command of an earlier life of this node ended");
        leash.release().await;
    };
    tokio::pin!(read, ended);
    tokio::select! {
        () = &mut ended => {}
        _ = &mut read => ended.await,
    }
}

async fn drain(pipe: Option<OwnedFd>) {
    let Some(Ok(mut pipe)) = pipe.map(Receiver::from_owned_fd) else { return };
    let mut bytes = vec![0; 32 << 10];
    while matches!(pipe.read(&mut bytes).await, Ok(1..)) {}
}
