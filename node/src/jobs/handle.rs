//! The way to the queue for services: orders go in, what became of every job comes out.

use std::sync::Arc;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::services::job::{JobId, JobInfo, JobStatus};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::core::{Input, Refusal};
use super::output::Outputs;
use super::table::{Row, Table};

/// Orders that wait; beyond, who asks waits too.
pub const ORDERS_QUEUE: usize = 256;

/// What somebody wants of the queue, and where the answer goes: after it is on disk.
#[derive(Debug)]
pub enum Asked {
    /// Something that changes.
    Order {
        /// What.
        input: Input,
        /// Whether it was done, and of a submission, which job it is.
        answer: oneshot::Sender<Result<Option<JobId>, RpcError>>,
    },
    /// Everything about one job.
    Status {
        /// Which.
        id: JobId,
        /// It, if there is such a job.
        answer: oneshot::Sender<Option<JobStatus>>,
    },
}

/// The handle. Clones lead to the same queue.
#[derive(Clone, Debug)]
pub struct JobsHandle {
    asked: mpsc::Sender<Asked>,
    table: Arc<Table>,
    outputs: Outputs,
}

impl From<Refusal> for RpcError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Unknown(_) => Self::not_found(message),
            Refusal::Bad(_) => Self::bad_request(message),
            Refusal::Conflict(_) => Self::conflict(message),
            Refusal::Full(_) => Self::new(Code::RateLimited, message),
        }
    }
}

fn stopped<E>(_: E) -> RpcError {
    RpcError::unavailable("this node is shutting down: it takes no more jobs")
}

impl JobsHandle {
    pub(super) const fn new(asked: mpsc::Sender<Asked>, table: Arc<Table>, outputs: Outputs) -> Self {
        Self { asked, table, outputs }
    }

    /// What is seen of all jobs.
    pub const fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// What jobs write.
    pub const fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// One job as it is seen.
    ///
    /// # Errors
    /// `not_found`.
    pub fn row(&self, id: &JobId) -> Result<Arc<Row>, RpcError> {
        Ok(self.table.get(id).ok_or_else(|| Refusal::Unknown(id.clone()))?)
    }

    /// Everything about one job.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn status(&self, id: &JobId) -> Result<JobStatus, RpcError> {
        let (answer, answered) = oneshot::channel();
        self.asked.send(Asked::Status { id: id.clone(), answer }).await.map_err(stopped)?;
        Ok(answered.await.map_err(stopped)?.ok_or_else(|| Refusal::Unknown(id.clone()))?)
    }

    /// Has something done; answers once it is on disk.
    ///
    /// # Errors
    /// As the queue refuses; `unavailable` if it cannot be kept.
    pub async fn order(&self, input: Input) -> Result<Option<JobId>, RpcError> {
        let (answer, answered) = oneshot::channel();
        self.asked.send(Asked::Order { input, answer }).await.map_err(stopped)?;
        answered.await.map_err(stopped)?
    }

    /// Lets another number of jobs run at a time: more begin at once, and none is ended for it.
    pub async fn limit(&self, running: usize) {
        // A queue that has stopped begins nothing more at all.
        let _ = self.order(Input::Limit { running }).await;
    }

    /// Waits until a job has ended or is gone, or until `deadline`; what it is then.
    ///
    /// # Errors
    /// `not_found` if it is gone.
    pub async fn ended(&self, id: &JobId, deadline: Instant) -> Result<JobInfo, RpcError> {
        let mut follower = self.follow(id);
        // Late or not, what it is then is the answer.
        let _ = timeout_at(deadline, async {
            while follower.next().await.is_some_and(|row| !row.info.state.is_final()) {}
        })
        .await;
        self.row(id).map(|row| row.info.clone())
    }

    /// One job now, and whenever it changes.
    pub fn follow(&self, id: &JobId) -> Follower {
        Follower { changes: self.table.changes(), table: Arc::clone(&self.table), id: id.clone(), last: None }
    }
}

/// Follows one job.
#[derive(Debug)]
pub struct Follower {
    changes: tokio::sync::broadcast::Receiver<Arc<[JobId]>>,
    table: Arc<Table>,
    id: JobId,
    last: Option<Arc<Row>>,
}

impl Follower {
    /// What it is, once that is another thing than was told before; `None` if it is no more. May be dropped and
    /// called again.
    pub async fn next(&mut self) -> Option<Arc<Row>> {
        loop {
            let row = self.table.get(&self.id)?;
            if self.last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &row)) {
                self.last = Some(Arc::clone(&row));
                return Some(row);
            }
            // Whatever was missed shows in the table.
            if let Err(tokio::sync::broadcast::error::RecvError::Closed) = self.changes.recv().await {
                return None;
            }
        }
    }
}
