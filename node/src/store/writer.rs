//! Writes that are not urgent, several in one commit.
//!
//! What the mesh tells is written behind its back: the QUIC runtime never waits for a disk. A full queue
//! drops the write, since the mesh tells everything again.

use std::time::Duration;

use p2p_shared::counters::Counter;
use p2p_shared::id::NodeId;
use p2p_shared::time::UnixMillis;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::Store;

/// Writes that wait.
const QUEUE: usize = 1_024;
/// How long the first of them waits for company.
const GATHER: Duration = Duration::from_millis(250);
/// Most writes of one commit.
const BATCH_MAX: usize = 512;

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Keep the signed facts of a member.
    PutMember {
        /// Whose.
        id: NodeId,
        /// The encoded facts.
        bytes: Vec<u8>,
    },
    /// A member was forgotten.
    RemoveMember {
        /// Who.
        id: NodeId,
    },
    /// Remember where somebody answered.
    PutContact {
        /// Who.
        id: NodeId,
        /// When.
        heard: UnixMillis,
        /// The encoded contact.
        bytes: Vec<u8>,
    },
}

/// Takes writes. Clones write to the same queue.
#[derive(Clone, Debug)]
pub struct StoreWriter {
    queue: mpsc::Sender<Write>,
    dropped: std::sync::Arc<Counter>,
}

impl StoreWriter {
    /// A writer and the task behind it, which ends when the last writer is gone and all is written.
    pub fn new(store: Store) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, writes) = mpsc::channel(QUEUE);
        (Self { queue, dropped: std::sync::Arc::default() }, run(store, writes))
    }

    /// Writes soon, or never if the disk cannot keep up.
    pub fn write(&self, write: Write) {
        if self.queue.try_send(write).is_err() {
            self.dropped.increment();
        }
    }

    /// Counts the writes that were dropped. Whoever holds it keeps no task alive.
    pub fn dropped(&self) -> std::sync::Arc<Counter> {
        std::sync::Arc::clone(&self.dropped)
    }
}

async fn run(store: Store, mut writes: mpsc::Receiver<Write>) {
    let mut batch = Vec::new();
    while let Some(first) = writes.recv().await {
        batch.push(first);
        // A closed queue has nothing more to wait for.
        if !writes.is_closed() {
            sleep(GATHER).await;
        }
        while batch.len() < BATCH_MAX
            && let Ok(write) = writes.try_recv()
        {
            batch.push(write);
        }
        let (store, gathered) = (store.clone(), std::mem::take(&mut batch));
        match spawn_blocking(move || store.apply(&gathered)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what the mesh told is not kept"),
            Err(error) => tracing::error!(%error, "the store's writer failed"),
        }
    }
}
