//! The supervisor's clock and loop: inputs to the core, its outputs to the hands, what changed to everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use p2p_shared::services::program::{Limit, ProgramDefinition, ProgramName, ProgramStatus};
use p2p_shared::time::Millis;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::{Fate, Input, Now, Output, Supervisor};
use super::handle::{Asked, ORDERS_QUEUE, Programs, SupervisorHandle};
use super::hands::{self, Batch, Deed, Hands};
use super::keeping::Record;
use super::output::Outputs;
use crate::clock;
use crate::host::Roots;
use crate::host::error::HostError;
use crate::host::programs;
use crate::host::run::{self, Kind, Runner};
use crate::store::{Store, StoreError};

/// What runs and probes tell, and waits.
const EVENTS_QUEUE: usize = 256;
/// Batches that wait for the disk; beyond, the supervisor waits.
const BATCHES_QUEUE: usize = 256;
/// The directory of all programs in the data directory.
const DIRECTORY: &str = "programs";
/// What stands for a value of an environment.
const MASK: &str = "***";

/// Whether something may run here, asked before every start: a policy may have changed since it was defined.
#[derive(Clone)]
pub struct Judge(pub Arc<JudgeFn>);

/// Nothing, or what stands against it.
pub type JudgeFn = dyn Fn(&ProgramDefinition) -> Result<(), String> + Send + Sync;

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

/// What the supervisor is given.
#[derive(Debug)]
pub struct Wiring {
    /// Where programs are kept.
    pub store: Store,
    /// What runs them.
    pub runner: Arc<dyn Runner>,
    /// What may run.
    pub judge: Judge,
    /// The machine.
    pub roots: Roots,
    /// Of its random choices.
    pub seed: u64,
    /// Its tasks.
    pub tasks: TaskTracker,
    /// When they end. Programs go on.
    pub stopping: CancellationToken,
}

/// Why programs cannot be supervised.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// What was kept cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine cannot be looked at.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Takes up what an earlier life of the node left, and starts the supervisor. Logs and pipes of programs lie
/// under `data`.
///
/// # Errors
/// [`SuperviseError`] if the store or `/proc` cannot be read.
pub async fn start(data: &Path, wiring: Wiring) -> Result<SupervisorHandle, SuperviseError> {
    let Wiring { store, runner, judge, roots, seed, tasks, stopping } = wiring;
    let boot = run::boot(&roots)?;
    let records = store.programs()?;
    let outputs = Outputs::new(&data.join(DIRECTORY));
    let (events_tx, events) = mpsc::channel(EVENTS_QUEUE);
    let (batches_tx, batches) = mpsc::channel(BATCHES_QUEUE);
    let (asked_tx, asked) = mpsc::channel(ORDERS_QUEUE);
    let (told, programs) = watch::channel(Programs::default());
    let hands = Hands {
        store,
        runner: Arc::clone(&runner),
        judge,
        roots: roots.clone(),
        outputs: outputs.clone(),
        leashes: Arc::default(),
        told,
        events: events_tx,
        tasks: tasks.clone(),
        stopping: stopping.clone(),
    };
    let mut driver = Driver {
        core: Supervisor::new(seed),
        runner,
        roots,
        boot,
        zero: Instant::now(),
        asked,
        events,
        batches: batches_tx,
        latest: Programs::default(),
        stopping,
    };
    let mut strange = driver.runner.left(Kind::Program).await;
    for (name, bytes) in records {
        match Record::from_bytes(&bytes) {
            Ok(record) => {
                if let Some(kept) = &record.saved.run {
                    let known = programs::run_id(&record.saved.definition, kept.run.0);
                    strange.retain(|left| *left != known);
                }
                driver.restore(record, &hands).await;
            }
            Err(error) => tracing::error!(name, %error, "a program that was kept cannot be read: left alone"),
        }
    }
    tasks.spawn(hands::end_strangers(Arc::clone(&driver.runner), strange));
    driver.on_input(Input::Tick).await;
    // As it was kept: nobody has to wait for the first commit to see it.
    hands.told.send_replace(Arc::clone(&driver.latest));
    tasks.spawn(hands.run(batches));
    tasks.spawn(driver.run());
    Ok(SupervisorHandle::new(asked_tx, programs, outputs))
}

struct Driver {
    core: Supervisor,
    runner: Arc<dyn Runner>,
    roots: Roots,
    boot: String,
    zero: Instant,
    asked: mpsc::Receiver<Asked>,
    events: mpsc::Receiver<Input>,
    batches: mpsc::Sender<Batch>,
    /// What everybody sees once it is kept.
    latest: Programs,
    stopping: CancellationToken,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let due = self.core.poll_timeout().map(|at| self.zero + at.to_duration());
            tokio::select! {
                () = self.stopping.cancelled() => return,
                Some(asked) = self.asked.recv() => self.on_asked(asked).await,
                Some(input) = self.events.recv() => self.on_input(input).await,
                () = until(due) => self.on_input(Input::Tick).await,
            }
        }
    }

    fn now(&self) -> Now {
        Now { at: Millis::from(self.zero.elapsed()), wall: clock::wall() }
    }

    /// Finds out what became of a program, and takes it up.
    async fn restore(&mut self, record: Record, hands: &Hands) {
        let Record { boot, saved } = record;
        let name = saved.definition.name.clone();
        let fate = match &saved.run {
            _ if boot != self.boot => Fate::Rebooted,
            None => Fate::Gone,
            Some(kept) => {
                let id = programs::run_id(&saved.definition, kept.run.0);
                match self.runner.take_up(&id, kept.process.clone()).await {
                    Some(running) => {
                        let process = running.process.clone();
                        hands.take_up(&name, kept.run, running);
                        Fate::Runs(process)
                    }
                    None => Fate::Gone,
                }
            }
        };
        let now = self.now();
        self.core.restore(saved, fate, now);
    }

    async fn on_asked(&mut self, asked: Asked) {
        match asked {
            Asked::Definition { name, answer } => {
                // Who asked may have gone away.
                let _ = answer.send(self.core.definition(&name).cloned());
            }
            Asked::Order { input, answer } => match self.core.handle(self.now(), input) {
                Ok(()) => self.settle(Batch { answer: Some(answer), ..Batch::default() }).await,
                Err(refusal) => {
                    let _ = answer.send(Err(refusal.into()));
                    self.settle(Batch::default()).await;
                }
            },
        }
    }

    async fn on_input(&mut self, input: Input) {
        let ended = match &input {
            Input::Exited { run, .. } => Some(*run),
            _ => None,
        };
        if let Err(refusal) = self.core.handle(self.now(), input) {
            tracing::error!(%refusal, "the supervisor refused what happened");
        }
        self.settle(Batch { ended, ..Batch::default() }).await;
    }

    /// Hands on what came out of the core.
    async fn settle(&mut self, mut batch: Batch) {
        let mut changed = BTreeSet::new();
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Keep(name) => {
                    let record = |saved| Record { boot: self.boot.clone(), saved };
                    if let Some(saved) = self.core.saved(&name) {
                        batch.records.push((name, Some(record(saved))));
                    }
                }
                Output::Forget(name) => {
                    batch.records.push((name.clone(), None));
                    batch.deeds.push(Deed::Forget(name));
                }
                Output::Changed(name) => {
                    changed.insert(name);
                }
                other => batch.deeds.extend(self.deed(other)),
            }
        }
        batch.told = self.see(changed);
        // The hands outlive this task.
        if !batch.is_empty() && self.batches.send(batch).await.is_err() {
            tracing::error!("nobody carries out what the supervisor decides");
        }
    }

    fn deed(&self, output: Output) -> Option<Deed> {
        let definition = |name: &ProgramName| self.core.definition(name).cloned().map(Box::new);
        Some(match output {
            Output::Launch { name, run } => Deed::Launch { definition: definition(&name)?, run },
            Output::Signal { name, run, signal } => Deed::Signal { name, run, signal },
            Output::Probe { name, run, check, timeout } => {
                Deed::Probe { definition: definition(&name)?, run, check, within: timeout.to_duration() }
            }
            Output::Keep(_) | Output::Forget(_) | Output::Changed(_) => return None,
        })
    }

    /// What everybody is to see now, if it is news.
    fn see(&mut self, changed: BTreeSet<ProgramName>) -> Option<Programs> {
        if changed.is_empty() {
            return None;
        }
        let mut programs: BTreeMap<ProgramName, Arc<ProgramStatus>> = self.latest.as_ref().clone();
        for name in changed {
            match self.status(&name) {
                Some(status) => programs.insert(name, Arc::new(status)),
                None => programs.remove(&name),
            };
        }
        self.latest = Arc::new(programs);
        Some(Arc::clone(&self.latest))
    }

    fn status(&self, name: &ProgramName) -> Option<ProgramStatus> {
        let definition = self.core.definition(name)?;
        Some(ProgramStatus {
            info: self.core.info(name)?,
            unenforced: self.unenforced(definition),
            definition: masked(definition),
            exits: self.core.exits(name),
            lost_bytes: 0,
        })
    }
}

impl Driver {
    /// The limits that nobody holds it to.
    fn unenforced(&self, definition: &ProgramDefinition) -> Vec<Limit> {
        let account =
            definition.user.as_ref().and_then(|_| programs::account_of(&self.roots, definition).ok());
        self.runner.unenforced(&definition.limits, account.as_ref())
    }
}

fn masked(definition: &ProgramDefinition) -> ProgramDefinition {
    let mut masked = definition.clone();
    masked.environment.values_mut().for_each(|value| MASK.clone_into(value));
    masked
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
