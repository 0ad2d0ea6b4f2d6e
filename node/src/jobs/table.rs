//! What everybody sees of the jobs: rows that are on disk, and which of them change.
//!
//! Rows enter from the driver's hands, once they are kept; pages, single rows and the names of those that
//! changed leave. It is shared and locked, because ten thousand rows cannot be copied at every change; nobody
//! holds the lock for longer than one page takes.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use p2p_shared::services::job::{JobCounts, JobId, JobInfo, JobPage};
use tokio::sync::broadcast;

use super::filter::Filter;

/// Changes that a watcher may be behind; one that is further begins anew.
const CHANGES_MAX: usize = 1_024;

/// A job as it is seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What is told of it.
    pub info: JobInfo,
    /// What its author knows it by.
    pub key: Option<String>,
}

/// What one step of the queue changed; `None` for a job that is no more.
#[derive(Debug, Default)]
pub struct Change {
    /// The rows.
    pub rows: Vec<(JobId, Option<Row>)>,
    /// How many there are then.
    pub counts: JobCounts,
}

#[derive(Debug, Default)]
struct Seen {
    rows: BTreeMap<JobId, Arc<Row>>,
    counts: JobCounts,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    seen: RwLock<Seen>,
    changes: broadcast::Sender<Arc<[JobId]>>,
}

impl Default for Table {
    fn default() -> Self {
        Self { seen: RwLock::default(), changes: broadcast::Sender::new(CHANGES_MAX) }
    }
}

impl Table {
    /// Shows what changed.
    pub fn show(&self, change: Change) {
        let ids: Arc<[JobId]> = change.rows.iter().map(|(id, _)| id.clone()).collect();
        {
            let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
            seen.counts = change.counts;
            for (id, row) in change.rows {
                match row {
                    Some(row) => seen.rows.insert(id, Arc::new(row)),
                    None => seen.rows.remove(&id),
                };
            }
        }
        // Nobody watches most of the time.
        let _ = self.changes.send(ids);
    }

    /// One job.
    pub fn get(&self, id: &JobId) -> Option<Arc<Row>> {
        self.seen().rows.get(id).cloned()
    }

    /// How many there are.
    pub fn counts(&self) -> JobCounts {
        self.seen().counts
    }

    /// The newest first: `limit` of those that fit, after `before` in that order.
    pub fn page(&self, filter: &Filter, before: Option<&JobId>, limit: usize) -> JobPage {
        let (mut jobs, mut next) = (Vec::new(), None);
        let seen = self.seen();
        let upper = before.map_or(Unbounded, Excluded);
        for row in seen.rows.range::<JobId, _>((Unbounded, upper)).rev().map(|(_, row)| row) {
            if !filter.fits(row) {
                continue;
            }
            if jobs.len() == limit {
                next = jobs.last().map(|last: &JobInfo| last.id.clone());
                break;
            }
            jobs.push(row.info.clone());
        }
        JobPage { jobs, next, counts: seen.counts }
    }

    /// Every row, by id. It is a copy of names and pointers alone.
    pub fn all(&self) -> Vec<Arc<Row>> {
        self.seen().rows.values().cloned().collect()
    }

    /// Names of jobs that change from now on.
    pub fn changes(&self) -> broadcast::Receiver<Arc<[JobId]>> {
        self.changes.subscribe()
    }

    fn seen(&self) -> RwLockReadGuard<'_, Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::job::JobState;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn pages_come_newest_first_and_meet_without_a_gap() {
        let table = Table::default();
        let states = [JobState::Succeeded, JobState::Failed];
        let rows = (0..7).map(|index| row(&format!("a{index}"), states[index % 2]));
        let rows = rows.map(|row| (row.info.id.clone(), Some(row))).collect();
        table.show(Change { rows, counts: JobCounts { failed: 3, succeeded: 4, ..JobCounts::default() } });
        let gather = |filter: &str, limit| {
            let filter = Filter::parse(filter).unwrap();
            let (mut ids, mut before) = (Vec::new(), None);
            loop {
                let page = table.page(&filter, before.as_ref(), limit);
                assert_eq!(page.counts.total(), 7);
                ids.extend(page.jobs.into_iter().map(|job| job.id.to_string()));
                before = page.next;
                if before.is_none() {
                    return ids.join(" ");
                }
            }
        };
        for limit in 1..9 {
            assert_eq!(gather("", limit), "a6 a5 a4 a3 a2 a1 a0", "{limit}");
            assert_eq!(gather("state:failed", limit), "a5 a3 a1", "{limit}");
        }
        assert_eq!(gather("nothing", 3), "");
    }
}
