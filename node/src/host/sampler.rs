//! The owner of all sampling: one thread that reads the host when somebody wants to know.
//!
//! Figures of the host are read each second and leave through a `watch`. Processes are read only on demand: at
//! the smallest interval of those who watch, and at once for those who ask. Work on `/proc` blocks, so it is on
//! a thread of its own and never on a runtime. It must not be asked to do more than it can: requests that come
//! close together share a scan, and scans keep [`SCAN_GAP`] apart.

use std::sync::Arc;

use p2p_shared::services::monitor::HostSample;
use p2p_shared::time::Millis;
use tokio::sync::watch;

use super::Roots;
use super::error::HostError;
use super::figures::slow::SlowProbe;
use super::snapshot::ProcessSnapshot;
use demand::Demand;
use work::{Published, Work};

mod demand;
pub(crate) mod plan;
mod work;

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
        let (work, Published { host, scans }) = Work::begin(roots.clone(), Arc::clone(&demand), slow);
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
            if plan::is_due(last, self.lease.interval, snapshot.at.monotonic) {
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

#[cfg(test)]
mod tests;
