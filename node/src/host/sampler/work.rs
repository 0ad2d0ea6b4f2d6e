//! The sampling thread: sleeps until something is due, reads it, publishes it.

use std::sync::Arc;

use p2p_shared::services::monitor::HostSample;
use p2p_shared::time::Millis;
use tokio::sync::watch;

use super::demand::Demand;
use super::plan::{self, Clock};
use super::{COUNT_PERIOD, HOST_PERIOD, Scan, TABLE_KEPT};
use crate::host::Roots;
use crate::host::error::HostError;
use crate::host::figures::HostFigures;
use crate::host::figures::slow::SlowProbe;
use crate::host::moment::Moment;
use crate::host::processes::{self, ProcessTable};
use crate::host::snapshot::ProcessSnapshot;

/// Where the results can be read.
pub(super) struct Published {
    pub(super) host: watch::Receiver<Arc<HostSample>>,
    pub(super) scans: watch::Receiver<Arc<Scan>>,
}

/// What the thread owns.
pub(super) struct Work {
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
    /// Takes the first sample; gives the work and where its results can be read.
    pub(super) fn begin(roots: Roots, demand: Arc<Demand>, slow: SlowProbe) -> (Self, Published) {
        let mut figures = HostFigures::new(&roots);
        let count = count(&roots);
        let now = Moment::now();
        let (host, host_rx) = watch::channel(Arc::new(figures.sample(now, &slow.latest(), count)));
        let (scans, scans_rx) = watch::channel(Arc::default());
        let clock = Clock { host_due: now.monotonic + HOST_PERIOD, last_scan: None, last_watched: None };
        let counted = now.monotonic;
        let work = Self { roots, demand, host, scans, slow, figures, table: None, clock, count, counted };
        (work, Published { host: host_rx, scans: scans_rx })
    }

    pub(super) fn run(mut self) {
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
        let (answers, interval) = self.demand.asked();
        let outcome = self.scan_table();
        self.clock.scanned(interval, Moment::now().monotonic);
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
