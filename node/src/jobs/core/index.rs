//! Where each job stands in every order that the queue needs, so that no step walks all of them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use p2p_shared::services::job::{JobCounts, JobId, JobPriority, JobState};
use p2p_shared::time::{Millis, UnixMillis};

/// What of a job decides where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub state: JobState,
    pub priority: JobPriority,
    /// Queued, and not before then.
    pub again_at: Option<Millis>,
    /// Queued, and not after then.
    pub start_by: Option<UnixMillis>,
    /// Running, and then something is to be done about it.
    pub due: Option<Millis>,
    pub since: UnixMillis,
    pub output_bytes: u64,
    pub request_bytes: u64,
}

/// All the orders.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// What may begin, the first one first.
    pub ready: BTreeSet<(Reverse<JobPriority>, JobId)>,
    /// What may begin later.
    pub delayed: BTreeSet<(Millis, JobId)>,
    /// What has to begin before then.
    pub expiring: BTreeSet<(UnixMillis, JobId)>,
    /// What runs and is to be looked after then.
    pub due: BTreeSet<(Millis, JobId)>,
    /// What has ended, the oldest end first.
    pub finished: BTreeSet<(UnixMillis, JobId)>,
    /// What does not run and has output on disk, the oldest first.
    pub stored: BTreeSet<(UnixMillis, JobId)>,
    /// How many there are.
    pub counts: JobCounts,
    /// Output of all of them.
    pub output_bytes: u64,
    /// Requests of those that are queued.
    pub queued_bytes: u64,
}

impl Index {
    pub(super) fn insert(&mut self, id: &JobId, place: Place) {
        let id = || id.clone();
        if let Some(count) = self.counts.get_mut(place.state) {
            *count += 1;
        }
        self.output_bytes += place.output_bytes;
        if place.state == JobState::Queued {
            self.queued_bytes += place.request_bytes;
            match place.again_at {
                Some(at) => self.delayed.insert((at, id())),
                None => self.ready.insert((Reverse(place.priority), id())),
            };
            self.expiring.extend(place.start_by.map(|at| (at, id())));
        }
        self.due.extend(place.due.map(|at| (at, id())));
        if place.state.is_final() {
            self.finished.insert((place.since, id()));
        }
        if place.state != JobState::Running && place.output_bytes > 0 {
            self.stored.insert((place.since, id()));
        }
    }

    pub(super) fn remove(&mut self, id: &JobId, place: Place) {
        let id = || id.clone();
        if let Some(count) = self.counts.get_mut(place.state) {
            *count = count.saturating_sub(1);
        }
        self.output_bytes = self.output_bytes.saturating_sub(place.output_bytes);
        if place.state == JobState::Queued {
            self.queued_bytes = self.queued_bytes.saturating_sub(place.request_bytes);
            match place.again_at {
                Some(at) => self.delayed.remove(&(at, id())),
                None => self.ready.remove(&(Reverse(place.priority), id())),
            };
            if let Some(at) = place.start_by {
                self.expiring.remove(&(at, id()));
            }
        }
        if let Some(at) = place.due {
            self.due.remove(&(at, id()));
        }
        self.finished.remove(&(place.since, id()));
        self.stored.remove(&(place.since, id()));
    }
}
