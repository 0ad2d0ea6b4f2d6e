//! The audit record: who did what here, on disk before it is done.
//!
//! Drafts enter from the gate; numbers leave once the record is on disk. One blocking task owns the files and
//! writes everything that waits in one go, so that many calls cost one wait for the disk. What nobody waits for (an
//! outcome, a refusal) waits a moment for company. A record that cannot be written is an error for the caller,
//! never a call without a record.

pub mod chain;
pub mod disk;
pub mod journal;
pub mod list;
pub mod mask;
mod quota;
pub mod receipts;
pub mod record;
pub mod verify;
pub mod witness;
mod writer;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use p2p_shared::counters::Counter;
use p2p_shared::error::RpcError;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::store::Store;
use disk::{Directory, Disk};
use journal::{Draft, Head, Heads, Journal, Limits};
use quota::Quota;
use record::{Asked, Ended, What};
use writer::Writer;

/// Records that wait. Beyond, calls wait for a place, and outcomes and refusals are lost and counted.
const QUEUE: usize = 1_024;
/// How long a call waits for its record.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Under which name the head is kept in the database.
const STORE_KEY: &str = "audit_head";

/// Takes records. Clones write to the same one.
#[derive(Clone, Debug)]
pub struct Audit {
    queue: mpsc::Sender<Job>,
    head: watch::Receiver<Option<Head>>,
    refusals: Arc<Mutex<Quota>>,
    lost: Arc<Counter>,
}

/// What the writer is handed.
#[derive(Debug)]
enum Job {
    /// Write this, and say which number it got, if anybody waits for that.
    Write(Box<Draft>, Option<oneshot::Sender<Result<u64, String>>>),
    /// Say when all before is written.
    Flush(oneshot::Sender<()>),
}

/// What the writer needs to open the files, again if it has to.
pub type Opening<D, H> = Box<dyn FnMut() -> io::Result<(Journal<D, H>, Vec<String>)> + Send>;

impl Audit {
    /// The record of a data directory, written to by a task on `runtime`. It never fails: what cannot be
    /// opened now is tried again at every call that needs it.
    /// Once `stopping` it takes no more, and the task writes what waits, and ends.
    pub fn open(
        (data, node): (&Path, &str),
        store: Store,
        runtime: &Handle,
        stopping: CancellationToken,
    ) -> Self {
        let (data, node) = (data.to_owned(), node.to_owned());
        let open = move || {
            let files = (Directory::of(&data), StoredHead(store.clone()));
            Journal::open(files, &node, Limits::default())
        };
        Self::start(Box::new(open), runtime, stopping)
    }

    /// A record over any files.
    pub fn start<D: Disk, H: Heads>(
        open: Opening<D, H>,
        runtime: &Handle,
        stopping: CancellationToken,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (told, head) = watch::channel(None);
        let writer = Writer::new(open, jobs, told, stopping);
        let waits = runtime.clone();
        drop(runtime.spawn_blocking(move || writer.run(&waits)));
        let refusals = Arc::new(Mutex::new(Quota::new(Instant::now().into_std())));
        Self { queue, head, refusals, lost: Arc::default() }
    }

    /// Records a call that is about to happen; its number. It is on disk when this returns.
    ///
    /// # Errors
    /// `unavailable` if it cannot be: then nothing may happen.
    pub async fn call(&self, asked: Asked) -> Result<u64, RpcError> {
        let method = asked.method.clone();
        let unwritten = |why: &str| {
            RpcError::unavailable(format!(
                "{method} was not done, because its audit record cannot be written: {why}"
            ))
        };
        let (answer, written) = oneshot::channel();
        let job = Job::Write(Box::new(draft(What::Call(asked))), Some(answer));
        let waiting = async {
            self.queue.send(job).await.map_err(|_| "this node is shutting down".to_owned())?;
            written.await.map_err(|_| "this node is shutting down".to_owned())?
        };
        match timeout(WRITE_TIMEOUT, waiting).await {
            Ok(result) => result.map_err(|why| unwritten(&why)),
            Err(_) => Err(unwritten("the disk does not answer")),
        }
    }

    /// Records how a call ended.
    pub fn outcome(&self, ended: Ended) {
        self.offer(What::Outcome(ended));
    }

    /// Records a refusal, unless there were too many: then it is counted in the next one that is recorded.
    pub fn refused(&self, asked: impl FnOnce() -> Asked, error: &RpcError) {
        let now = Instant::now().into_std();
        let taken = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        if let Some(omitted) = taken {
            self.offer(What::refused(asked(), error, omitted));
        }
    }

    /// Records something about the record itself.
    pub fn note(&self, text: String) {
        self.offer(What::Note(text));
    }

    /// The head, now and whenever something is written; `None` until the record is open.
    pub fn head(&self) -> watch::Receiver<Option<Head>> {
        self.head.clone()
    }

    /// Returns when all that was handed over is written, the head too, or cannot be.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.queue.send(Job::Flush(done)).await.is_ok() {
            // A writer that is gone has nothing left to write.
            let _ = flushed.await;
        }
    }

    /// Outcomes and refusals that found no place.
    pub fn lost(&self) -> u64 {
        self.lost.get()
    }

    fn offer(&self, what: What) {
        if self.queue.try_send(Job::Write(Box::new(draft(what)), None)).is_err() {
            self.lost.increment();
            tracing::warn!("the audit record cannot keep up: the outcome of a call is missing in it");
        }
    }
}

fn draft(what: What) -> Draft {
    Draft { at: clock::wall(), what }
}

/// The head in the node's database.
struct StoredHead(Store);

impl Heads for StoredHead {
    fn get(&self) -> Result<Option<Head>, String> {
        head_in(&self.0)
    }

    fn put(&mut self, head: &Head) -> Result<(), String> {
        let bytes = serde_json::to_vec(head).map_err(|error| error.to_string())?;
        self.0.put_meta(STORE_KEY, &bytes).map_err(|error| error.to_string())
    }
}

/// The head that a database keeps.
///
/// # Errors
/// In words, if there is one that cannot be read.
pub fn head_in(store: &Store) -> Result<Option<Head>, String> {
    let bytes = store.meta(STORE_KEY).map_err(|error| error.to_string())?;
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string())).transpose()
}
