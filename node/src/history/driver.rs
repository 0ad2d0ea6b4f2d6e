//! The history's loop: samples into the core, minutes to the disk, looks to those who ask.
//!
//! The disk is written by a task of its own, so a slow one delays no sample; while it is behind, minutes wait in
//! memory, and beyond `BEHIND_MAX` they are lost, which the log says. A power cut takes the open minute.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::services::monitor::{Busiest, BusyProcess, HostSample};
use p2p_shared::services::process::ProcessKey;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::SeriesId;
use super::core::busy::{Busy, Use};
use super::core::minute::Minute;
use super::core::recorder::{Commit, Recorder, Saved};
use super::figures::{Figures, MeshSample};
use super::handle::{Asked, HistoryHandle};
use super::keeper::{Keep, Keeper, Owed};
use super::keeping;
use super::question::{HistoryError, Look};
use crate::host::error::HostError;
use crate::host::moment::Moment;
use crate::host::sampler::Sampler;
use crate::host::snapshot::ProcessSnapshot;
use crate::store::{HistoryStore, StoreError};

/// Minutes that wait for the disk.
const BEHIND_MAX: usize = 10;
/// How often the processes are looked at.
const BUSIEST_PERIOD: Duration = Duration::from_secs(10);
/// Looks at the processes that wait; while it is full nobody looks.
const BUSIEST_QUEUE: usize = 2;

/// What the history is given.
pub struct Wiring {
    /// The data directory.
    pub data: PathBuf,
    /// Where samples come from.
    pub sampler: Sampler,
    /// What the node counts of the mesh, now.
    pub mesh: Box<dyn Fn() -> MeshSample + Send>,
    /// Its tasks.
    pub tasks: TaskTracker,
    /// When they end.
    pub stopping: CancellationToken,
}

/// Starts the history. Nobody waits for it: a database that cannot be opened is told to those who ask.
pub fn start(wiring: Wiring) -> HistoryHandle {
    let (handle, asked) = HistoryHandle::new();
    let tasks = wiring.tasks.clone();
    tasks.spawn(run(wiring, asked));
    handle
}

async fn run(wiring: Wiring, asked: mpsc::Receiver<Asked>) {
    let data = wiring.data.clone();
    let opening = spawn_blocking(move || {
        let store = HistoryStore::open(&data)?;
        let kept = restore(&store)?;
        Ok::<_, StoreError>((store, kept))
    });
    match opening.await {
        Ok(Ok((store, kept))) => Driver::new(wiring, store, kept, asked).run().await,
        Ok(Err(error)) => {
            tracing::error!(%error, "there is no history");
            refuse(asked, &error.to_string(), &wiring.stopping).await;
        }
        // The runtime is shutting down.
        Err(_) => {}
    }
}

/// What an earlier run kept, and the looks at the processes of its last minute.
fn restore(store: &HistoryStore) -> Result<(Saved, Vec<Busiest>), StoreError> {
    let kept = store.kept()?;
    let last = kept.last.map(|(seq, record, busiest)| {
        // After one that cannot be read the next begins.
        let minute = Minute::from_bytes(&record).map_or((seq + 1, Minute::around(0)), |minute| (seq, minute));
        (minute, keeping::from_bytes(&busiest, (0, u64::MAX)))
    });
    let (last, busiest) = last.unzip();
    let series = kept.series.into_iter().map(|(id, name)| (SeriesId(id), name.into())).collect();
    Ok((Saved { series, next_series: kept.next_series, last }, busiest.unwrap_or_default()))
}

async fn refuse(mut asked: mpsc::Receiver<Asked>, why: &str, stopping: &CancellationToken) {
    let why: Arc<str> = why.into();
    while let Some(Some(asked)) = stopping.run_until_cancelled(asked.recv()).await {
        // Whoever went away needs no answer.
        let _ = asked.send(Err(HistoryError::None(Arc::clone(&why))));
    }
}

struct Driver {
    recorder: Recorder,
    figures: Figures,
    store: HistoryStore,
    /// Looks at the processes in the open minute.
    busiest: Vec<Busiest>,
    /// What may not be on disk yet.
    behind: VecDeque<(u64, Arc<Minute>, Vec<Busiest>)>,
    /// Names in minutes that were lost.
    owed: Owed,
    keep: mpsc::Sender<Keep>,
    kept: watch::Receiver<Option<u64>>,
    host: watch::Receiver<Arc<HostSample>>,
    looks: mpsc::Receiver<Busiest>,
    asked: mpsc::Receiver<Asked>,
    mesh: Box<dyn Fn() -> MeshSample + Send>,
    stopping: CancellationToken,
}

impl Driver {
    fn new(
        wiring: Wiring,
        store: HistoryStore,
        (saved, busiest): (Saved, Vec<Busiest>),
        asked: mpsc::Receiver<Asked>,
    ) -> Self {
        let Wiring { sampler, mesh, tasks, stopping, .. } = wiring;
        let (keep, keeps) = mpsc::channel(BEHIND_MAX);
        let (told, kept) = watch::channel(None);
        let (looks_tx, looks) = mpsc::channel(BUSIEST_QUEUE);
        tasks.spawn(Keeper { store: store.clone(), keeps, told }.run());
        let host = sampler.host();
        tasks.spawn(stopping.clone().run_until_cancelled_owned(look_again_and_again(sampler, looks_tx)));
        Self {
            recorder: Recorder::restore(saved),
            figures: Figures::default(),
            store,
            busiest,
            behind: VecDeque::new(),
            owed: Owed::default(),
            keep,
            kept,
            host,
            looks,
            asked,
            mesh,
            stopping,
        }
    }

    async fn run(mut self) {
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => break,
                changed = self.host.changed() => match changed {
                    Ok(()) => self.on_sample(),
                    Err(_) => break,
                },
                Some(look) = self.looks.recv() => self.busiest.push(look),
                Some(asked) = self.asked.recv() => self.on_asked(asked),
            }
        }
        if let Some(commit) = self.recorder.close() {
            self.on_commit(commit);
        }
    }

    fn on_sample(&mut self) {
        let sample = Arc::clone(&self.host.borrow_and_update());
        let monotonic = Moment::now().monotonic;
        let figures = self.figures.of(monotonic, &sample, (self.mesh)());
        let figures = figures.iter().map(|(name, value)| (name, *value));
        if let Some(commit) = self.recorder.record((monotonic, sample.at), figures) {
            self.on_commit(commit);
        }
    }

    fn on_commit(&mut self, mut commit: Commit) {
        let busiest = std::mem::take(&mut self.busiest);
        self.forget_kept();
        self.owed.pay(&mut commit);
        let seq = commit.seq;
        let minute = Arc::new(commit.minute.clone());
        let keep = Keep { busiest: busiest.clone(), commit };
        match self.keep.try_send(keep) {
            Ok(()) => self.behind.push_back((seq, minute, busiest)),
            Err(refused) => {
                tracing::error!("the disk is behind: a minute of the history is lost");
                self.owed = Owed::of(&refused.into_inner().commit);
            }
        }
    }

    fn forget_kept(&mut self) {
        if let Some(kept) = *self.kept.borrow() {
            self.behind.retain(|(seq, ..)| *seq > kept);
        }
    }

    fn on_asked(&mut self, asked: Asked) {
        self.forget_kept();
        let (seq, minute) = self.recorder.open();
        let open = self.behind.iter().map(|(seq, minute, _)| (*seq, Arc::clone(minute)));
        let open = open.chain([(seq, Arc::new(minute.clone()))]).collect();
        let behind = self.behind.iter().flat_map(|(.., busiest)| busiest);
        let look = Look {
            store: self.store.clone(),
            series: self.recorder.series(),
            open,
            busiest: behind.chain(&self.busiest).cloned().collect(),
        };
        // Whoever went away needs no answer.
        let _ = asked.send(Ok(look));
    }
}

/// Looks at the processes every ten seconds, for as long as somebody takes what it finds.
async fn look_again_and_again(sampler: Sampler, looks: mpsc::Sender<Busiest>) {
    let mut busy = Busy::default();
    let mut ticks = interval_at(Instant::now() + BUSIEST_PERIOD, BUSIEST_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let found = match sampler.processes().await {
            Ok(snapshot) => busiest(&mut busy, &snapshot),
            Err(HostError::Stopped) => return,
            // A host without /proc: it may come.
            Err(_) => None,
        };
        if let Some(found) = found
            && looks.send(found).await.is_err()
        {
            return;
        }
    }
}

fn busiest(busy: &mut Busy<ProcessKey>, snapshot: &ProcessSnapshot) -> Option<Busiest> {
    let uses = snapshot.rows.iter().map(|row| Use {
        key: row.identity.key,
        cpu_time: p2p_shared::time::Millis(row.usage.cpu_time_ms),
        rss_bytes: row.usage.rss_bytes,
    });
    let (span, rows) = busy.look(snapshot.at.monotonic, &uses.collect::<Vec<_>>())?;
    let processes = rows.iter().filter_map(|found| {
        let row = snapshot.rows.get(found.index)?;
        Some(BusyProcess {
            key: row.identity.key,
            name: row.identity.name.clone(),
            user: row.identity.user.as_ref().into(),
            cpu_ratio: found.cpu_ratio,
            rss_bytes: row.usage.rss_bytes,
        })
    });
    Some(Busiest { at: snapshot.at.wall, span_ms: span.0, processes: processes.collect() })
}
