//! The queue's clock and loop: inputs to the core, its outputs to the hands, what changed to everybody.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use p2p_shared::services::job::JobId;
use p2p_shared::time::Millis;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::{Attempt, Fate, Input, Limits, Now, Output, Queue, Saved};
use super::handle::{Asked, JobsHandle, ORDERS_QUEUE};
use super::hands::{Batch, Deed, Hands, Leashes, SharedRules};
use super::keeping;
use super::output::Outputs;
use super::scan::Scans;
use super::table::{Change, Row, Table};
use crate::clock;
use crate::host::run::Runner;
use crate::store::{Store, StoreError};

/// What attempts tell, and waits.
const EVENTS_QUEUE: usize = 256;
/// Batches that wait for the disk; beyond, the queue waits.
const BATCHES_QUEUE: usize = 256;
/// The directory of all jobs in the data directory.
const DIRECTORY: &str = "jobs";

/// What the queue is given.
pub struct Wiring {
    /// Where jobs are kept.
    pub store: Store,
    /// What runs them.
    pub runner: Arc<dyn Runner>,
    /// What is allowed, and what is run.
    pub rules: SharedRules,
    /// Places of all scans of the node, also of those that are no jobs.
    pub scans: Arc<Semaphore>,
    /// What bounds it.
    pub limits: Limits,
    /// Of its random choices.
    pub seed: u64,
    /// Its tasks.
    pub tasks: TaskTracker,
    /// When they end.
    pub stopping: CancellationToken,
}

/// Takes up what an earlier life of the node left, and starts the queue. Output of jobs lies under `data`.
///
/// # Errors
/// If the store cannot be read.
pub async fn start(data: &Path, wiring: Wiring) -> Result<JobsHandle, StoreError> {
    let Wiring { store, runner, rules, scans, limits, seed, tasks, stopping } = wiring;
    let records = store.jobs()?;
    let table = Arc::new(Table::default());
    let outputs = Outputs::new(&data.join(DIRECTORY));
    let (events_tx, events) = mpsc::channel(EVENTS_QUEUE);
    let (batches_tx, batches) = mpsc::channel(BATCHES_QUEUE);
    let (asked_tx, asked) = mpsc::channel(ORDERS_QUEUE);
    let hands = Hands {
        store,
        runner,
        rules,
        outputs: outputs.clone(),
        scans: Scans {
            places: scans,
            events: events_tx.clone(),
            tasks: tasks.clone(),
            stopping: stopping.clone(),
        },
        leashes: Leashes::default(),
        table: Arc::clone(&table),
        events: events_tx,
        tasks: tasks.clone(),
        stopping: stopping.clone(),
    };
    let queue = Queue::new(limits, seed);
    let mut driver = Driver { queue, zero: Instant::now(), asked, events, batches: batches_tx, stopping };
    let mut known = BTreeSet::new();
    for (id, bytes) in records {
        match keeping::from_bytes(&bytes) {
            Ok(saved) => {
                known.insert(saved.id.clone());
                driver.restore(saved, &hands).await;
            }
            Err(error) => tracing::error!(id, %error, "a job that was kept cannot be read: left alone"),
        }
    }
    hands.let_go_of_strangers().await;
    sweep(&outputs, &known);
    // As it was kept: nobody has to wait for the first commit to see it.
    table.show(driver.change(known));
    tasks.spawn(hands.run(batches));
    driver.on_input(Input::Tick).await;
    tasks.spawn(driver.run());
    Ok(JobsHandle::new(asked_tx, table, outputs))
}

/// Removes output of jobs that nobody knows: the node was killed between forgetting one and that.
fn sweep(outputs: &Outputs, known: &BTreeSet<JobId>) {
    let (outputs, known) = (outputs.clone(), known.clone());
    drop(spawn_blocking(move || {
        for stranger in outputs.on_disk().into_iter().filter(|id| !known.contains(id)) {
            outputs.remove(&stranger);
        }
    }));
}

struct Driver {
    queue: Queue,
    zero: Instant,
    asked: mpsc::Receiver<Asked>,
    events: mpsc::Receiver<Input>,
    batches: mpsc::Sender<Batch>,
    stopping: CancellationToken,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let due = self.queue.poll_timeout().map(|at| self.zero + at.to_duration());
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

    /// Finds out what became of a job, and takes it up.
    async fn restore(&mut self, saved: Saved, hands: &Hands) {
        let fate = match &saved.run {
            None => Fate::Gone,
            Some(run) => {
                let attempt = Attempt { id: saved.id.clone(), number: saved.attempts };
                match hands.take_up(attempt, run.process.clone()).await {
                    Some(process) => Fate::Runs(process),
                    None => Fate::Gone,
                }
            }
        };
        let now = self.now();
        self.queue.restore(saved, fate, now);
    }

    async fn on_asked(&mut self, asked: Asked) {
        match asked {
            Asked::Status { id, answer } => {
                // Who asked may have gone away.
                let _ = answer.send(self.queue.status(&id));
            }
            Asked::Order { input, answer } => match self.queue.handle(self.now(), input) {
                Ok(id) => self.settle(Batch { answer: Some((answer, id)), ..Batch::default() }).await,
                Err(refusal) => {
                    let _ = answer.send(Err(refusal.into()));
                    self.settle(Batch::default()).await;
                }
            },
        }
    }

    async fn on_input(&mut self, input: Input) {
        if let Err(refusal) = self.queue.handle(self.now(), input) {
            tracing::error!(%refusal, "the queue refused what happened");
        }
        self.settle(Batch::default()).await;
    }

    /// Hands on what came out of the core.
    async fn settle(&mut self, mut batch: Batch) {
        let (mut kept, mut changed) = (BTreeSet::new(), BTreeSet::new());
        while let Some(output) = self.queue.poll_output() {
            match output {
                Output::Keep(id) => drop(kept.insert(id)),
                Output::Changed(id) => drop(changed.insert(id)),
                Output::Forget(id) => {
                    kept.insert(id.clone());
                    batch.deeds.push(Deed::Forget(id));
                }
                Output::DropOutput(id) => batch.deeds.push(Deed::DropOutput(id)),
                Output::Launch(attempt) => batch.deeds.extend(self.launch(attempt)),
                Output::Signal(attempt, signal) => batch.deeds.push(Deed::Signal(attempt, signal)),
                Output::Release(attempt) => batch.deeds.push(Deed::Release(attempt)),
            }
        }
        // As it is by now: all of a batch is on disk before any of its deeds.
        batch.records = kept
            .into_iter()
            .map(|id| {
                let saved = self.queue.saved(&id);
                (id, saved)
            })
            .collect();
        if !changed.is_empty() {
            batch.change = Some(self.change(changed));
        }
        // The hands outlive this task.
        if !batch.is_empty() && self.batches.send(batch).await.is_err() {
            tracing::error!("nobody carries out what the queue decides");
        }
    }

    fn change(&self, changed: BTreeSet<JobId>) -> Change {
        let row = |id: JobId| {
            let row = self.queue.row(&id).map(|(info, key)| Row { info, key });
            (id, row)
        };
        Change { rows: changed.into_iter().map(row).collect(), counts: self.queue.counts() }
    }

    fn launch(&self, attempt: Attempt) -> Option<Deed> {
        let (request, author) = self.queue.request(&attempt.id)?;
        Some(Deed::Launch { request: Box::new(request.clone()), author: author.clone(), attempt })
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
