//! What is wanted of the sampling thread, as its handles say it and as the thread reads it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use p2p_shared::time::Millis;

use super::plan::{self, Clock, Due};
use crate::host::moment::Moment;

/// What is wanted of the thread. A lock and not a queue, because giving up a place must neither wait nor fail;
/// it is held for a few instructions.
#[derive(Debug, Default)]
pub(super) struct Demand {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// How many watch at each interval.
    pub(super) watchers: BTreeMap<Millis, usize>,
    /// Counts the requests.
    pub(super) asked: u64,
    /// The last request that a scan has answered.
    pub(super) answered: u64,
    pub(super) stop: bool,
}

impl Wanted {
    /// The smallest interval of those who watch.
    pub(super) fn interval(&self) -> Option<Millis> {
        self.watchers.keys().next().copied()
    }
}

impl Demand {
    pub(super) fn lock(&self) -> MutexGuard<'_, Wanted> {
        // Nothing that holds it can panic half way.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ask(&self) -> u64 {
        let mut wanted = self.lock();
        wanted.asked += 1;
        self.changed.notify_one();
        wanted.asked
    }

    /// The last request so far, and the smallest interval.
    pub(super) fn asked(&self) -> (u64, Option<Millis>) {
        let wanted = self.lock();
        (wanted.asked, wanted.interval())
    }

    pub(super) fn enter(&self, interval: Millis) {
        *self.lock().watchers.entry(interval).or_default() += 1;
        self.changed.notify_one();
    }

    pub(super) fn leave(&self, interval: Millis) {
        let mut wanted = self.lock();
        if let Some(count) = wanted.watchers.get_mut(&interval) {
            *count -= 1;
            if *count == 0 {
                wanted.watchers.remove(&interval);
            }
        }
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_one();
    }

    /// Sleeps until something is due; `None` at the end.
    pub(super) fn next(&self, clock: &Clock) -> Option<Due> {
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
