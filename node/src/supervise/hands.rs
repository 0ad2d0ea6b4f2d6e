//! What does the supervisor's bidding: records go to disk, and only then programs start, stop and are probed.
//!
//! Batches enter in order; records of all that wait go to disk in one commit. What becomes of launches, runs
//! and probes goes back as inputs. A disk that takes no record is told and stops no program.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::services::process::Signal;
use p2p_shared::services::program::{Check, ProgramDefinition, ProgramName};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::{Ended, Input, RunId};
use super::driver::Judge;
use super::handle::Programs;
use super::keeping::Record;
use super::output::Outputs;
use crate::host::Roots;
use crate::host::programs::{self, check};
use crate::host::run::{self, End, Ends, Leash, RunError, Runner, Running};
use crate::store::Store;

/// Batches of one commit.
const BATCH_MAX: usize = 64;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Deed {
    Launch { definition: Box<ProgramDefinition>, run: RunId },
    Signal { name: ProgramName, run: RunId, signal: Signal },
    Probe { definition: Box<ProgramDefinition>, run: RunId, check: Check, within: Duration },
    Forget(ProgramName),
}

/// What one input led to: first the records, then what everybody sees, then the deeds, then the answer. What was
/// seen once is still true after the node was killed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<(ProgramName, Option<Record>)>,
    pub(super) told: Option<Programs>,
    pub(super) deeds: Vec<Deed>,
    pub(super) answer: Option<oneshot::Sender<Result<(), RpcError>>>,
    /// A run whose end is in the records.
    pub(super) ended: Option<RunId>,
}

impl Batch {
    pub(super) const fn is_empty(&self) -> bool {
        let says_nothing = self.told.is_none() && self.answer.is_none() && self.ended.is_none();
        self.records.is_empty() && self.deeds.is_empty() && says_nothing
    }
}

#[derive(Clone, Debug)]
pub(super) struct Hands {
    pub(super) store: Store,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) judge: Judge,
    pub(super) roots: Roots,
    pub(super) outputs: Outputs,
    // Shared with the tasks of the runs, which put their leash in; it is taken out once their end is on record.
    pub(super) leashes: Arc<Mutex<HashMap<RunId, Arc<dyn Leash>>>>,
    pub(super) told: watch::Sender<Programs>,
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
        let records = batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.records)).collect();
        let kept = self.keep(records).await;
        if let Err(error) = &kept {
            tracing::error!(%error, "what became of programs is not kept");
        }
        for batch in batches {
            if let Some(programs) = batch.told {
                self.told.send_replace(programs);
            }
            batch.deeds.into_iter().for_each(|deed| self.act(deed));
            if let Some(run) = batch.ended {
                self.release(run);
            }
            if let Some(answer) = batch.answer {
                let unkept = |error| RpcError::unavailable(format!("it holds until the node ends: {error}"));
                // Who asked may have gone away.
                let _ = answer.send(kept.clone().map_err(unkept));
            }
        }
    }

    async fn keep(&self, records: Vec<(ProgramName, Option<Record>)>) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        let store = self.store.clone();
        let keeping = move || {
            let mut encoded = Vec::with_capacity(records.len());
            for (name, record) in &records {
                let bytes = record.as_ref().map(Record::to_bytes).transpose();
                encoded.push((name.as_str(), bytes.map_err(|error| error.to_string())?));
            }
            let writes = encoded.iter().map(|(name, bytes)| (*name, bytes.as_deref()));
            store.put_programs(writes).map_err(|error| error.to_string())
        };
        spawn_blocking(keeping).await.map_err(|error| error.to_string())?
    }

    fn act(&self, deed: Deed) {
        match deed {
            Deed::Launch { definition, run } => self.spawn(Self::launch(self.clone(), *definition, run)),
            Deed::Signal { name, run, signal } => self.signal(&name, run, signal),
            Deed::Probe { definition, run, check, within } => {
                let hands = self.clone();
                self.spawn(async move {
                    let result = check::run(&hands.roots, &definition, &check, within).await;
                    hands.tell(Input::Probed { name: definition.name, run, result }).await;
                });
            }
            Deed::Forget(name) => {
                let outputs = self.outputs.clone();
                self.spawn(async move {
                    let removing = name.clone();
                    let removed = spawn_blocking(move || outputs.remove(&removing)).await;
                    if let Ok(Err(error)) = removed {
                        tracing::warn!(%name, %error, "the logs of a removed program are left");
                    }
                });
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

    fn signal(&self, name: &ProgramName, run: RunId, signal: Signal) {
        let leash = self.leashes.lock().unwrap_or_else(PoisonError::into_inner).get(&run).cloned();
        let Some(leash) = leash else { return };
        let name = name.clone();
        self.spawn(async move {
            if let Err(error) = leash.signal(signal).await {
                tracing::error!(%name, signal = signal.as_str(), %error, "a program cannot be signalled");
            }
        });
    }

    async fn begin(&self, definition: ProgramDefinition, run: RunId) -> Result<Running, RunError> {
        let (roots, id) = (self.roots.clone(), programs::run_id(&definition, run.0));
        let Judge(judge) = self.judge.clone();
        let logs = self.outputs.directory(&definition.name);
        let looking = move || {
            let failed = |error| RunError::Failed(format!("its logs: {}: {error}", logs.display()));
            std::fs::create_dir_all(&logs).map_err(failed)?;
            let refused = |why| RunError::NotRunnable { program: definition.command.clone(), why };
            judge(&definition).map_err(refused)?;
            let words = (definition.command.as_str(), definition.arguments.as_slice());
            programs::work(&roots, &definition, id, words)
        };
        let stopping = |_| RunError::Failed("this node is shutting down".into());
        let work = spawn_blocking(looking).await.map_err(stopping)??;
        self.runner.start(work).await
    }

    async fn launch(self, definition: ProgramDefinition, run: RunId) {
        let name = definition.name.clone();
        let begun = self.begin(definition, run).await;
        match begun {
            Ok(running) => {
                let process = running.process.clone();
                let leash = self.hold(&name, run, running);
                tracing::info!(%name, pid = process.as_ref().map(|process| process.pid), "program started");
                self.tell(Input::Started { name: name.clone(), run, process }).await;
                self.see_off(name, run, leash).await;
            }
            Err(error) => {
                tracing::warn!(%name, %error, "program not started");
                self.tell(Input::NotStarted { name, run, error: error.to_string() }).await;
            }
        }
    }

    /// Keeps the leash at hand, and reads what the run writes.
    fn hold(&self, name: &ProgramName, run: RunId, running: Running) -> Arc<dyn Leash> {
        let Running { ends, leash, .. } = running;
        let outputs = match ends {
            Ends::Pipes { stdout, stderr, .. } => [stdout, stderr],
            Ends::Terminal(_) => [None, None],
        };
        self.leashes.lock().unwrap_or_else(PoisonError::into_inner).insert(run, Arc::clone(&leash));
        self.outputs.pump(name, outputs, &self.tasks, &self.stopping);
        leash
    }

    /// Takes up a run of an earlier life of the node.
    pub(super) fn take_up(&self, name: &ProgramName, run: RunId, running: Running) {
        tracing::info!(%name, pid = running.process.as_ref().map(|process| process.pid), "program goes on");
        let leash = self.hold(name, run, running);
        self.spawn(Self::see_off(self.clone(), name.clone(), run, leash));
    }

    async fn see_off(self, name: ProgramName, run: RunId, leash: Arc<dyn Leash>) {
        let End { code, signal, out_of_memory } = leash.ended().await;
        tracing::info!(%name, code, signal, "program ended");
        let ended = Ended { code, signal, out_of_memory };
        self.tell(Input::Exited { name, run, ended }).await;
    }

    /// Its end is on record: the machine may forget it.
    fn release(&self, run: RunId) {
        let leash = self.leashes.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
        if let Some(leash) = leash {
            self.spawn(async move { leash.release().await });
        }
    }

    async fn tell(&self, input: Input) {
        // Nobody listens any more when the node stops.
        let _ = self.events.send(input).await;
    }
}

/// Ends what runs, or is left, of programs that nothing is known of.
pub(super) async fn end_strangers(runner: Arc<dyn Runner>, strange: Vec<run::RunId>) {
    for id in strange {
        if let Some(Running { leash, .. }) = runner.take_up(&id, None).await {
            tracing::warn!(run = %id, "a program of which nothing is known is ended");
            if let Err(error) = leash.signal(Signal::Kill).await {
                tracing::warn!(run = %id, %error, "it cannot be killed");
            }
            leash.release().await;
        }
    }
}
