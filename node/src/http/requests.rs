//! How many requests there were, by route and status, and how long they took.
//!
//! The guard notes each one; `/metrics` reads. A route is the pattern that the router matched, never a path.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use p2p_shared::counters::{Durations, DurationsSeen};

/// What a request counts under that no route took.
pub(super) const NO_ROUTE: &str = "none";

/// The counts of one face. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    // A mutex: it is held for one look-up among some twenty routes.
    ended: Mutex<BTreeMap<Box<str>, BTreeMap<u16, u64>>>,
    took: Durations,
}

impl Requests {
    /// One more.
    pub(super) fn note(&self, route: &str, status: StatusCode, took: Duration) {
        self.0.took.note(took);
        let mut ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match ended.get_mut(route) {
            Some(statuses) => *statuses.entry(status.as_u16()).or_default() += 1,
            None => drop(ended.insert(route.into(), BTreeMap::from([(status.as_u16(), 1)]))),
        }
    }

    /// Every route and status that there was.
    pub(super) fn each(&self, mut told: impl FnMut(&str, u16, u64)) {
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        for (route, statuses) in ended.iter() {
            statuses.iter().for_each(|(status, count)| told(route, *status, *count));
        }
    }

    /// How long they took until their response began.
    pub(super) fn took(&self) -> DurationsSeen {
        self.0.took.seen()
    }
}
