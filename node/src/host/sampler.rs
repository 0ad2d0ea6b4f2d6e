//! The owner of all sampling: one thread that reads the host when somebody wants to know.
//!
//! Figures of the host are read each second and leave through a `watch`. Processes are read only on demand: at
//! the smallest interval of those who watch, and at once for those who ask. Work on `/proc` blocks, so it is on
//! a thread of its own and never on a runtime. It must not be asked to do more than it can: requests that come
//! close together share a scan, and scans keep [`SCAN_GAP`] apart.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use p2p_shared::services::monitor::HostSample;
use p2p_shared::time::Millis;
use tokio::sync::watch;

use super::Roots;
use super::error::HostError;
use super::figures::HostFigures;
use super::figures::slow::SlowProbe;
use super::moment::Moment;
use super::processes::{self, ProcessSnapshot, ProcessTable};
use plan::{Clock, Due};

mod plan;

/// How often the figures of the host are read.
pub const HOST_PERIOD: Millis = Millis(1_000);
/// Scans for those who ask are at least so far apart.
pub const SCAN_GAP: Millis = Millis(20);
/// Without demand for so long, the process table and its descriptors are given up.
pub const TABLE_KEPT: Millis = Millis(30_000);
/// How often processes are counted while nobody wants to see them.
pub const COUNT_PERIOD: Millis = Millis(5_000);

/// A handle on the sampling thread, which ends with the last handle.
#[derive(Clone, Debug)]
pub struct Sampler {
    roots: Arc<Roots>,
    demand: Arc<Lifeline>,
    host: watch::Receiver<Arc<HostSample>>,
    scans: watch::Receiver<Arc<Scan>>,
}

/// One look at the processes.
#[derive(Debug, Default)]
struct Scan {
    /// The last request that had been made when it began.
    answers: u64,
    /// `None` if there was no scan yet, or long ago.
    outcome: Option<Result<Arc<ProcessSnapshot>, HostError>>,
}

impl Sampler {
    /// Starts sampling. Takes the first sample itself: a few milliseconds, a quarter of a second at worst.
    ///
    /// # Errors
    /// [`HostError::NoThread`] if the system gives no thread. A host without `/proc` is no error: its figures
    /// are empty, and asking for processes fails.
    pub fn start(roots: Roots) -> Result<Self, HostError> {
        let slow = SlowProbe::start(roots.clone())?;
        let demand = Arc::new(Demand::default());
        let (scans_tx, scans) = watch::channel(Arc::default());
        let mut figures = HostFigures::new(&roots);
        let count = count(&roots);
        let now = Moment::now();
        let (host_tx, host) = watch::channel(Arc::new(figures.sample(now, &slow.latest(), count)));
        let clock = Clock { host_due: now.monotonic + HOST_PERIOD, last_scan: None };
        let work = Work {
            roots: roots.clone(),
            demand: Arc::clone(&demand),
            host: host_tx,
            scans: scans_tx,
            slow,
            figures,
            table: None,
            clock,
            count,
            counted: now.monotonic,
        };
        let thread = std::thread::Builder::new().name("host-sampler".into()).spawn(move || work.run());
        thread.map_err(|error| HostError::NoThread(error.to_string()))?;
        Ok(Self { roots: Arc::new(roots), demand: Arc::new(Lifeline(demand)), host, scans })
    }

    /// Where the host's files are.
    pub fn roots(&self) -> Arc<Roots> {
        Arc::clone(&self.roots)
    }

    /// The figures of the host, new each second.
    pub fn host(&self) -> watch::Receiver<Arc<HostSample>> {
        self.host.clone()
    }

    /// The processes, as seen by a scan that begins after this call.
    ///
    /// # Errors
    /// [`HostError::Unreadable`] without `/proc`; [`HostError::Stopped`] if the thread has ended.
    pub async fn processes(&self) -> Result<Arc<ProcessSnapshot>, HostError> {
        let mut scans = self.scans.clone();
        loop {
            let request = self.demand.0.ask();
            let scan = scans.wait_for(|scan| scan.answers >= request).await;
            let scan = Arc::clone(&*scan.map_err(|_| HostError::Stopped)?);
            // Given up already, if whoever asked was not run for long: ask again.
            if let Some(outcome) = &scan.outcome {
                return outcome.clone();
            }
        }
    }

    /// The processes as last seen, if that is not long ago.
    pub fn latest_processes(&self) -> Option<Arc<ProcessSnapshot>> {
        self.scans.borrow().outcome.clone()?.ok()
    }

    /// The processes, again and again, `interval` apart, for as long as the watch lives.
    pub fn watch_processes(&self, interval: Millis) -> ProcessWatch {
        self.demand.0.enter(interval);
        let lease = Lease { demand: Arc::clone(&self.demand), interval };
        ProcessWatch { sampler: self.clone(), lease, last: None }
    }

    /// Ends sampling for every handle.
    pub fn stop(&self) {
        self.demand.0.stop();
    }
}

/// Somebody who watches the processes.
#[derive(Debug)]
pub struct ProcessWatch {
    sampler: Sampler,
    lease: Lease,
    last: Option<Millis>,
}

impl ProcessWatch {
    /// The first snapshot at once, every other about an interval after the one before. Snapshots that nobody
    /// waited for are passed over.
    ///
    /// # Errors
    /// As of [`Sampler::processes`].
    pub async fn next(&mut self) -> Result<Arc<ProcessSnapshot>, HostError> {
        let Some(last) = self.last else {
            let snapshot = self.sampler.processes().await?;
            self.sampler.scans.mark_unchanged();
            self.last = Some(snapshot.at.monotonic);
            return Ok(snapshot);
        };
        loop {
            self.sampler.scans.changed().await.map_err(|_| HostError::Stopped)?;
            let scan = Arc::clone(&self.sampler.scans.borrow_and_update());
            let Some(outcome) = &scan.outcome else { continue };
            let snapshot = Arc::clone(outcome.as_ref().map_err(Clone::clone)?);
            if is_due(last, self.lease.interval, snapshot.at.monotonic) {
                self.last = Some(snapshot.at.monotonic);
                return Ok(snapshot);
            }
        }
    }
}

/// A place among those who watch, given up when dropped.
#[derive(Debug)]
struct Lease {
    demand: Arc<Lifeline>,
    interval: Millis,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.demand.0.leave(self.interval);
    }
}

/// Ends the thread when the last handle goes.
#[derive(Debug)]
struct Lifeline(Arc<Demand>);

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Whether somebody who wants something every `interval`, and had it at `last`, wants what is of `now`. What
/// comes a little early counts: waiting for the next would double the interval.
pub(crate) fn is_due(last: Millis, interval: Millis, now: Millis) -> bool {
    now.since(last) + plan::slack(interval) >= interval
}

/// What is wanted of the thread. A lock and not a queue, because giving up a place must neither wait nor fail;
/// it is held for a few instructions.
#[derive(Debug, Default)]
struct Demand {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    /// How many watch at each interval.
    watchers: BTreeMap<Millis, usize>,
    /// Counts the requests.
    asked: u64,
    /// The last request that a scan has answered.
    answered: u64,
    stop: bool,
}

impl Demand {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        // Nothing that holds it can panic half way.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) -> u64 {
        let mut wanted = self.lock();
        wanted.asked += 1;
        self.changed.notify_one();
        wanted.asked
    }

    fn enter(&self, interval: Millis) {
        *self.lock().watchers.entry(interval).or_default() += 1;
        self.changed.notify_one();
    }

    fn leave(&self, interval: Millis) {
        let mut wanted = self.lock();
        if let Some(count) = wanted.watchers.get_mut(&interval) {
            *count -= 1;
            if *count == 0 {
                wanted.watchers.remove(&interval);
            }
        }
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_one();
    }

    /// Sleeps until something is due; `None` at the end.
    fn next(&self, clock: &Clock) -> Option<Due> {
        let mut wanted = self.lock();
        loop {
            if wanted.stop {
                return None;
            }
            let due = plan::due(clock, &wanted, Moment::now().monotonic);
            if due.host || due.processes {
                return Some(due);
            }
            let slept = self.changed.wait_timeout(wanted, due.sleep.to_duration());
            wanted = slept.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What the thread owns.
struct Work {
    roots: Roots,
    demand: Arc<Demand>,
    host: watch::Sender<Arc<HostSample>>,
    scans: watch::Sender<Arc<Scan>>,
    slow: SlowProbe,
    figures: HostFigures,
    table: Option<ProcessTable>,
    clock: Clock,
    count: u32,
    counted: Millis,
}

impl Work {
    fn run(mut self) {
        while let Some(due) = self.demand.next(&self.clock) {
            if due.processes {
                self.scan();
            }
            if due.host {
                self.sample();
            }
        }
    }

    fn scan(&mut self) {
        let answers = self.demand.lock().asked;
        let outcome = self.scan_table();
        self.clock.last_scan = Some(Moment::now().monotonic);
        if let Ok(snapshot) = &outcome {
            self.count = u32::try_from(snapshot.rows.len()).unwrap_or(u32::MAX);
            self.counted = snapshot.at.monotonic;
        }
        self.demand.lock().answered = answers;
        self.scans.send_replace(Arc::new(Scan { answers, outcome: Some(outcome.map(Arc::new)) }));
    }

    fn scan_table(&mut self) -> Result<ProcessSnapshot, HostError> {
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(ProcessTable::open(&self.roots)?),
        };
        table.scan(Moment::now())
    }

    fn sample(&mut self) {
        let now = Moment::now();
        self.clock.host_due = plan::after(self.clock.host_due, HOST_PERIOD, now.monotonic);
        if now.monotonic.since(self.counted) >= COUNT_PERIOD {
            self.count = count(&self.roots);
            self.counted = now.monotonic;
        }
        let sample = self.figures.sample(now, &self.slow.latest(), self.count);
        self.host.send_replace(Arc::new(sample));
        self.give_up_table(now.monotonic);
    }

    fn give_up_table(&mut self, now: Millis) {
        let unused = self.clock.last_scan.is_some_and(|last| now.since(last) >= TABLE_KEPT);
        if self.table.is_some() && unused {
            self.table = None;
            let answers = self.demand.lock().answered;
            self.scans.send_replace(Arc::new(Scan { answers, outcome: None }));
        }
    }
}

fn count(roots: &Roots) -> u32 {
    processes::count(roots).map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
