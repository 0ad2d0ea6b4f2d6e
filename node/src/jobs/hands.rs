//! What does the queue's bidding: records go to disk, and only then jobs begin and are told to end.
//!
//! Batches enter in order; records of all that wait go to disk in one commit. What becomes of attempts goes back
//! as inputs. A job that cannot be kept is not taken on; what became of one that runs is told even where the disk
//! takes no record of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::services::exec::{ExecExit, NOT_FOUND, NOT_RUNNABLE};
use p2p_shared::services::job::{JobId, JobRequest};
use p2p_shared::services::process::{ProcessRef, Signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::core::{Attempt, Author, Ended, Input, Problem, Saved};
use super::keeping;
use super::output::{Outputs, pump};
use super::scan::Scans;
use super::table::{Change, Table};
use crate::host::network::scan::Plan;
use crate::host::run::{End, Ends, Kind, Leash, RunError, RunId, Runner, Running, Stdin, Streams, Work};
use crate::store::Store;

/// Batches of one commit.
const BATCH_MAX: usize = 256;
/// How long output is awaited after an end from those that were left behind, who hold the pipes.
const LINGER: Duration = Duration::from_millis(500);

/// How long a job may take to end after SIGTERM while the node stops, which has ten seconds in all.
const GRACE_STOPPING: Duration = Duration::from_secs(1);
/// How long the kernel may take to end what SIGKILL was sent to; beyond, it is left to the kernel.
const KILLED: Duration = Duration::from_secs(2);

/// What a job comes to once it was judged.
#[derive(Debug)]
pub enum Errand {
    /// A command, for the runner.
    Command(Box<Work>),
    /// A scan by this node, of addresses that are all allowed.
    Scan(Plan),
}

/// What is allowed as of now, and what is run.
pub trait Rules: Send + Sync {
    /// What is run, if somebody may have this done here. The inner error is how it ends if it cannot be run. It
    /// blocks.
    ///
    /// # Errors
    /// `forbidden`, with the layer that refuses; `bad_request` for what can never be run.
    fn judge(&self, request: &JobRequest, author: &Author) -> Result<Result<Errand, ExecExit>, RpcError>;
}

/// The rules, shared by who submits and who begins.
pub type SharedRules = Arc<dyn Rules>;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Deed {
    Launch { attempt: Attempt, request: Box<JobRequest>, author: Author },
    Signal(Attempt, Signal),
    Release(Attempt),
    Forget(JobId),
    DropOutput(JobId),
}

/// Where an answer goes, and which job it names.
pub(super) type Answer = (oneshot::Sender<Result<Option<JobId>, RpcError>>, Option<JobId>);

/// What one input led to: first the records, then what everybody sees, then the deeds, then the answer. What was
/// seen once is still true after the node was killed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<(JobId, Option<Saved>)>,
    pub(super) change: Option<Change>,
    pub(super) deeds: Vec<Deed>,
    pub(super) answer: Option<Answer>,
}

impl Batch {
    pub(super) const fn is_empty(&self) -> bool {
        self.records.is_empty() && self.change.is_none() && self.deeds.is_empty() && self.answer.is_none()
    }
}

/// The leashes of what runs: put in and taken out by the tasks of the attempts.
pub(super) type Leashes = Arc<Mutex<HashMap<Attempt, Arc<dyn Leash>>>>;

#[derive(Clone)]
pub(super) struct Hands {
    pub(super) store: Store,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) rules: SharedRules,
    pub(super) outputs: Outputs,
    pub(super) scans: Scans,
    pub(super) leashes: Leashes,
    pub(super) table: Arc<Table>,
    pub(super) events: mpsc::Sender<Input>,
    pub(super) tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
}

impl Hands {
    pub(super) async fn run(self, mut batches: mpsc::Receiver<Batch>) {
        let mut waiting = Vec::new();
        while batches.recv_many(&mut waiting, BATCH_MAX).await > 0 {
            self.carry_out(std::mem::take(&mut waiting)).await;
        }
    }

    async fn carry_out(&self, mut batches: Vec<Batch>) {
        let records: Vec<_> =
            batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.records)).collect();
        let ended: Vec<JobId> =
            records.iter().filter(|(_, saved)| has_ended(saved)).map(|(id, _)| id.clone()).collect();
        let kept = self.keep(records).await;
        if let Err(error) = &kept {
            tracing::error!(%error, "what became of jobs is not kept");
        }
        // Who follows one of these has all that it wrote.
        ended.iter().for_each(|id| self.outputs.close(id));
        for batch in batches {
            if let Some(change) = batch.change {
                self.table.show(change);
            }
            batch.deeds.into_iter().for_each(|deed| self.act(deed));
            if let Some((answer, id)) = batch.answer {
                let unkept = |error| RpcError::unavailable(format!("it holds until the node ends: {error}"));
                // Who asked may have gone away.
                let _ = answer.send(kept.clone().map(|()| id).map_err(unkept));
            }
        }
    }

    async fn keep(&self, records: Vec<(JobId, Option<Saved>)>) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        let store = self.store.clone();
        let keeping = move || {
            let mut encoded = Vec::with_capacity(records.len());
            for (id, saved) in &records {
                let bytes = saved.as_ref().map(keeping::to_bytes).transpose();
                encoded.push((id.as_str(), bytes.map_err(|error| error.to_string())?));
            }
            let writes = encoded.iter().map(|(id, bytes)| (*id, bytes.as_deref()));
            store.put_jobs(writes).map_err(|error| error.to_string())
        };
        spawn_blocking(keeping).await.map_err(|error| error.to_string())?
    }

    fn act(&self, deed: Deed) {
        match deed {
            Deed::Launch { attempt, request, author } => {
                self.spawn(Self::launch(self.clone(), attempt, request, author));
            }
            Deed::Signal(attempt, signal) => {
                if let Some(leash) = self.leash(&attempt) {
                    self.spawn(async move { send(leash.as_ref(), signal).await });
                }
            }
            Deed::Release(attempt) => {
                if let Some(leash) = self.leashes().remove(&attempt) {
                    self.spawn(async move { leash.release().await });
                }
            }
            Deed::Forget(id) | Deed::DropOutput(id) => {
                let outputs = self.outputs.clone();
                self.tasks.spawn_blocking(move || outputs.remove(&id));
            }
        }
    }

    /// Runs a task until it ends or the node stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            stopping.run_until_cancelled_owned(task).await;
        });
    }

    fn leashes(&self) -> std::sync::MutexGuard<'_, HashMap<Attempt, Arc<dyn Leash>>> {
        self.leashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leash(&self, attempt: &Attempt) -> Option<Arc<dyn Leash>> {
        self.leashes().get(attempt).cloned()
    }

    async fn launch(self, attempt: Attempt, request: Box<JobRequest>, author: Author) {
        let begun = match self.permitted(&attempt, request, author).await {
            Ok(Errand::Command(work)) => self.runner.start(*work).await.map_err(problem),
            Ok(Errand::Scan(plan)) => {
                let begun = self.scans.begin(&attempt, plan);
                begun.map_err(|error| Problem::failed(format!("a scan cannot begin: {error}")))
            }
            Err(problem) => Err(problem),
        };
        match begun {
            Ok(running) => {
                let process = running.process.clone();
                tracing::info!(id = %attempt.id, attempt = attempt.number, "job started");
                let tended = self.hold(&attempt, running);
                self.tell(Input::Started { attempt: attempt.clone(), process }).await;
                self.see_off(attempt, tended).await;
            }
            Err(problem) => {
                tracing::warn!(id = %attempt.id, ?problem, "job not started");
                self.tell(Input::NotStarted { attempt, problem }).await;
            }
        }
    }

    /// What is to be run, if that is still allowed: who asked may have been thrown out since, and the local policy
    /// may be another one.
    async fn permitted(
        &self,
        attempt: &Attempt,
        request: Box<JobRequest>,
        author: Author,
    ) -> Result<Errand, Problem> {
        let (rules, outputs, attempt) = (Arc::clone(&self.rules), self.outputs.clone(), attempt.clone());
        let judging = move || {
            let judged = rules.judge(&request, &author);
            let errand = judged.map_err(|error| Problem::Refused(error.message))?.map_err(cannot_run)?;
            let placed = outputs.prepare(&attempt.id);
            placed.map_err(|error| Problem::failed(format!("its output has no place: {error}")))?;
            Ok(match errand {
                Errand::Command(work) => Errand::Command(Box::new(Work {
                    id: run_id(&attempt),
                    description: format!("P2P Admin: job {}", attempt.id),
                    streams: Streams::Pipes { stdin: Stdin::Null },
                    ..*work
                })),
                scan @ Errand::Scan(_) => scan,
            })
        };
        spawn_blocking(judging).await.unwrap_or_else(|error| Err(Problem::failed(error.to_string())))
    }

    /// Keeps the leash at hand, and reads what the attempt writes.
    fn hold(&self, attempt: &Attempt, running: Running) -> Tended {
        let Running { ends, leash, .. } = running;
        self.leashes().insert(attempt.clone(), Arc::clone(&leash));
        let (over, done) = (self.stopping.child_token(), CancellationToken::new());
        if !self.runner.outlives() {
            self.tasks.spawn(end_with_node(Arc::clone(&leash), self.stopping.clone(), done.clone()));
        }
        let outputs = match ends {
            Ends::Pipes { stdout, stderr, .. } => [stdout, stderr],
            Ends::Terminal(_) => [None, None],
        };
        let mut pumps = JoinSet::new();
        let streams = self.outputs.held(&attempt.id);
        for (stream, pipe) in streams.into_iter().zip(outputs) {
            if let Some(pipe) = pipe {
                pumps.spawn(self.tasks.track_future(pump(pipe, stream, over.clone())));
            }
        }
        Tended { leash, pumps, over, _done: done.drop_guard() }
    }

    /// Takes up an attempt of an earlier life of the node; its process, or nothing if it is gone.
    pub(super) async fn take_up(
        &self,
        attempt: Attempt,
        known: Option<ProcessRef>,
    ) -> Option<Option<ProcessRef>> {
        let running = self.runner.take_up(&run_id(&attempt), known).await?;
        if !self.runner.outlives() {
            // Its streams ended with the node, and so does it: it is not to meet another attempt of its own.
            finish(running.leash.as_ref()).await;
            return None;
        }
        tracing::info!(id = %attempt.id, attempt = attempt.number, "job goes on");
        let process = running.process.clone();
        let tended = self.hold(&attempt, running);
        self.spawn(Self::see_off(self.clone(), attempt, tended));
        Some(process)
    }

    /// Ends what an earlier life of the node started and nobody knows any more.
    pub(super) async fn let_go_of_strangers(&self) {
        let known: HashSet<RunId> = self.leashes().keys().map(run_id).collect();
        for id in self.runner.left(Kind::Job).await.into_iter().filter(|id| !known.contains(id)) {
            tracing::warn!(%id, "a job that nobody knows any more is ended");
            if let Some(running) = self.runner.take_up(&id, None).await {
                self.spawn(async move { finish(running.leash.as_ref()).await });
            }
        }
    }

    async fn see_off(self, attempt: Attempt, tended: Tended) {
        let Tended { leash, mut pumps, over, _done } = tended;
        let End { code, signal, out_of_memory } = leash.ended().await;
        let ended = Ended { code, signal, out_of_memory };
        let read = async { while pumps.join_next().await.is_some() {} };
        if timeout(LINGER, read).await.is_err() {
            // Who still holds a pipe then was left behind on purpose.
            over.cancel();
            while pumps.join_next().await.is_some() {}
        }
        let (outputs, id) = (self.outputs.clone(), attempt.id.clone());
        let output_bytes = spawn_blocking(move || outputs.size(&id)).await.unwrap_or_default();
        tracing::info!(id = %attempt.id, code, signal, "job ended");
        self.tell(Input::Exited { attempt, ended, output_bytes }).await;
    }

    async fn tell(&self, input: Input) {
        // Nobody listens any more when the node stops.
        let _ = self.events.send(input).await;
    }
}

fn has_ended(saved: &Option<Saved>) -> bool {
    saved.as_ref().is_none_or(|saved| saved.state.is_final())
}

/// What an attempt is to a runner.
fn run_id(attempt: &Attempt) -> RunId {
    RunId { kind: Kind::Job, id: format!("{}.{}", attempt.id, attempt.number) }
}

fn cannot_run(exit: ExecExit) -> Problem {
    Problem::CannotRun(exit.code.unwrap_or(NOT_RUNNABLE), exit.problem.unwrap_or_default())
}

fn problem(error: RunError) -> Problem {
    let code = if matches!(error, RunError::NotFound { .. }) { NOT_FOUND } else { NOT_RUNNABLE };
    Problem::CannotRun(code, error.to_string())
}

async fn send(leash: &dyn Leash, signal: Signal) {
    if let Err(error) = leash.signal(signal).await {
        tracing::error!(signal = signal.as_str(), %error, "a job cannot be signalled");
    }
}

/// Ends whatever is left of a run, for good.
async fn finish(leash: &dyn Leash) {
    send(leash, Signal::Kill).await;
    if timeout(KILLED, leash.ended()).await.is_err() {
        tracing::error!("a job does not end even on SIGKILL");
    }
    leash.release().await;
}

/// Ends an attempt with the node; the next life of the node finds it interrupted.
async fn end_with_node(leash: Arc<dyn Leash>, stopping: CancellationToken, done: CancellationToken) {
    tokio::select! {
        biased;
        () = stopping.cancelled() => {}
        () = done.cancelled() => return,
    }
    send(leash.as_ref(), Signal::Term).await;
    // What is stopped takes no other signal.
    send(leash.as_ref(), Signal::Cont).await;
    let _ = timeout(GRACE_STOPPING, leash.ended()).await;
    finish(leash.as_ref()).await;
}

/// An attempt that is seen to its end.
struct Tended {
    leash: Arc<dyn Leash>,
    pumps: JoinSet<()>,
    over: CancellationToken,
    _done: DropGuard,
}
