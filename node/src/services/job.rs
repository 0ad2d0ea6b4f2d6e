//! The service `job`: orders to the queue, what is seen of it, and what jobs write.

pub mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::job::{
    Job, JobDelta, JobId, JobInfo, JobOutput, JobOwner, JobPage, JobRequest, JobStatus, LIST_DEFAULT,
    LIST_MAX,
};
use p2p_shared::services::program::{LogChunk, OutputStream};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::followed::{Followed, check_lines, reading, text};
use crate::jobs::core::{Author, Input, Order};
use crate::jobs::filter::Filter;
use crate::jobs::handle::{Follower, JobsHandle};
use crate::jobs::hands::SharedRules;
use crate::jobs::table::{Row, Table};

/// An answer comes so long before the caller stops waiting for it.
const MARGIN: Duration = Duration::from_millis(500);
/// How long an order without a deadline may take to be carried out.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// Rows of one item of a watch.
const ROWS_MAX: usize = 128;
/// Changes within this are told together.
const GATHER: Duration = Duration::from_millis(100);

/// The implementation.
pub struct JobService {
    jobs: JobsHandle,
    rules: SharedRules,
}

impl JobService {
    /// A service over this queue, for what these rules allow.
    pub const fn new(jobs: JobsHandle, rules: SharedRules) -> Self {
        Self { jobs, rules }
    }

    /// The queue.
    pub fn queue(&self) -> JobsHandle {
        self.jobs.clone()
    }

    /// What is seen of all jobs.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(self.jobs.table())
    }

    async fn ask(&self, context: &CallContext, id: &JobId, order: Order) -> Result<(), RpcError> {
        let by = context.caller.to_string();
        self.jobs.order(Input::Ask { id: id.clone(), order, by }).await.map(|_| ())
    }
}

impl Job for JobService {
    async fn list(
        &self,
        _: &CallContext,
        filter: Option<String>,
        before: Option<JobId>,
        limit: Option<u32>,
    ) -> Result<JobPage, RpcError> {
        let limit = limit.unwrap_or(LIST_DEFAULT);
        if !(1..=LIST_MAX).contains(&limit) {
            return Err(RpcError::bad_request(format!("limit is 1 to {LIST_MAX}, not {limit}")));
        }
        let filter = Filter::parse(filter.as_deref().unwrap_or_default()).map_err(RpcError::bad_request)?;
        Ok(self.jobs.table().page(&filter, before.as_ref(), limit as usize))
    }

    async fn inspect(&self, _: &CallContext, id: JobId) -> Result<JobStatus, RpcError> {
        self.jobs.status(&id).await
    }

    async fn watch(&self, _: &CallContext, items: Items<JobDelta>) -> Result<(), RpcError> {
        let table = self.jobs.table();
        loop {
            let mut changes = table.changes();
            send_all(&self.jobs, &items).await?;
            // One that falls too far behind begins anew.
            loop {
                let first = tokio::select! {
                    first = changes.recv() => first,
                    () = items.closed() => return Err(gone()),
                };
                let mut changed: BTreeSet<JobId> = match first {
                    Ok(ids) => ids.iter().cloned().collect(),
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Ok(()),
                };
                sleep(GATHER).await;
                let rest = loop {
                    match changes.try_recv() {
                        Ok(ids) => changed.extend(ids.iter().cloned()),
                        Err(end) => break end,
                    }
                };
                if matches!(rest, TryRecvError::Lagged(_)) {
                    break;
                }
                send_changed(&self.jobs, changed, &items).await?;
            }
        }
    }

    async fn track(&self, _: &CallContext, id: JobId, items: Items<JobInfo>) -> Result<(), RpcError> {
        self.jobs.row(&id)?;
        let mut follower = self.jobs.follow(&id);
        loop {
            let row = tokio::select! {
                row = follower.next() => row,
                () = items.closed() => return Err(gone()),
            };
            let row = row.ok_or_else(|| removed(&id))?;
            items.send(&row.info).await?;
            if row.info.state.is_final() {
                return Ok(());
            }
        }
    }

    async fn output(&self, _: &CallContext, id: JobId, lines: u32) -> Result<JobOutput, RpcError> {
        let status = self.jobs.status(&id).await?;
        check_lines(lines, 1)?;
        let [out, err] = self.jobs.outputs().of(&id);
        let lost_bytes = out.lost() + err.lost();
        let (stdout, stderr) = reading(id.as_str(), move || Ok((out.tail(lines)?, err.tail(lines)?))).await?;
        let dropped = status.output_dropped;
        Ok(JobOutput { stdout: text(&stdout), stderr: text(&stderr), lost_bytes, dropped })
    }

    async fn follow(
        &self,
        _: &CallContext,
        id: JobId,
        lines: u32,
        items: Items<LogChunk>,
    ) -> Result<(), RpcError> {
        check_lines(lines, 0)?;
        let row = self.jobs.row(&id)?;
        let outputs = self.jobs.outputs();
        let [out, err] = if row.info.state.is_final() { outputs.of(&id) } else { outputs.held(&id) };
        let mut streams = Both {
            out: Followed::begin(id.as_str(), OutputStream::Stdout, out, lines).await?,
            err: Followed::begin(id.as_str(), OutputStream::Stderr, err, lines).await?,
            open: [true, true],
        };
        streams.out.send_first(&items).await?;
        streams.err.send_first(&items).await?;
        let mut follower = self.jobs.follow(&id);
        {
            let ended = ended(&mut follower);
            tokio::pin!(ended);
            loop {
                tokio::select! {
                    () = &mut ended => break,
                    chunk = streams.next() => match chunk {
                        Some(chunk) => items.send(&chunk).await?,
                        None => return Ok(()),
                    },
                    () = items.closed() => return Err(gone()),
                }
            }
        }
        // Whoever held the streams last lets go of them: then they end, once all of it was read.
        outputs.close(&id);
        while let Some(chunk) = streams.next().await {
            items.send(&chunk).await?;
        }
        Ok(())
    }

    async fn submit(&self, context: &CallContext, request: JobRequest) -> Result<JobInfo, RpcError> {
        let author = Author { owner: JobOwner::new(&context.caller), until: context.caller_until };
        let (rules, asked, named) = (Arc::clone(&self.rules), request.clone(), author.clone());
        // It looks for the program on disk.
        let judged = spawn_blocking(move || rules.judge(&asked, &named)).await;
        // One that cannot be run is taken on all the same: that is how it ends.
        let _ = judged.map_err(|error| RpcError::internal(format!("judging a job failed: {error}")))??;
        let submitted = self.jobs.order(Input::Submit { request: Box::new(request), author }).await?;
        let id = submitted.ok_or_else(|| RpcError::internal("the queue did not name the job"))?;
        self.jobs.row(&id).map(|row| row.info.clone())
    }

    async fn cancel(&self, context: &CallContext, id: JobId) -> Result<JobInfo, RpcError> {
        self.ask(context, &id, Order::Cancel).await?;
        let most = Instant::now() + SETTLE_MAX;
        let deadline = context.deadline.map_or(most, |deadline| (deadline - MARGIN).min(most));
        self.jobs.ended(&id, deadline).await
    }

    async fn retry(&self, context: &CallContext, id: JobId) -> Result<JobInfo, RpcError> {
        self.ask(context, &id, Order::Retry).await?;
        self.jobs.row(&id).map(|row| row.info.clone())
    }

    async fn remove(&self, context: &CallContext, id: JobId) -> Result<(), RpcError> {
        self.ask(context, &id, Order::Remove).await
    }
}

fn gone() -> RpcError {
    RpcError::cancelled("the caller went away")
}

fn removed(id: &JobId) -> RpcError {
    RpcError::not_found(format!("job {id} was removed"))
}

/// Waits until a job has ended, or is no more.
async fn ended(follower: &mut Follower) {
    while follower.next().await.is_some_and(|row| !row.info.state.is_final()) {}
}

/// Every row, a part at a time: what was there before is forgotten by the first of them.
async fn send_all(jobs: &JobsHandle, items: &Items<JobDelta>) -> Result<(), RpcError> {
    let rows = jobs.table().all();
    let mut parts = rows.chunks(ROWS_MAX).peekable();
    let mut full = true;
    loop {
        let part: &[Arc<Row>] = parts.next().unwrap_or_default();
        let changed = part.iter().map(|row| row.info.clone()).collect();
        let more = parts.peek().is_some();
        let counts = jobs.table().counts();
        items.send(&JobDelta { full, more, changed, removed: Vec::new(), counts }).await?;
        full = false;
        if !more {
            return Ok(());
        }
    }
}

async fn send_changed(
    jobs: &JobsHandle,
    ids: BTreeSet<JobId>,
    items: &Items<JobDelta>,
) -> Result<(), RpcError> {
    let mut ids = ids.into_iter().peekable();
    while ids.peek().is_some() {
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        for id in ids.by_ref().take(ROWS_MAX) {
            match jobs.table().get(&id) {
                Some(row) => changed.push(row.info.clone()),
                None => removed.push(id),
            }
        }
        let (more, counts) = (ids.peek().is_some(), jobs.table().counts());
        items.send(&JobDelta { full: false, more, changed, removed, counts }).await?;
    }
    Ok(())
}

/// Both streams of a job.
struct Both {
    out: Followed,
    err: Followed,
    open: [bool; 2],
}

impl Both {
    /// The next text of either; `None` once both have ended. May be dropped and called again.
    async fn next(&mut self) -> Option<LogChunk> {
        while self.open != [false, false] {
            let (chunk, which) = tokio::select! {
                chunk = self.out.next(), if self.open[0] => (chunk, 0),
                chunk = self.err.next(), if self.open[1] => (chunk, 1),
            };
            match chunk {
                Some(chunk) => return Some(chunk),
                None => self.open[which] = false,
            }
        }
        None
    }
}
