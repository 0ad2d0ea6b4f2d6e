//! The history's way to the disk: a commit a minute, and the oldest records summed up when there are enough.

use std::ops::ControlFlow;
use std::sync::Arc;

use p2p_shared::services::monitor::Busiest;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use super::core::SeriesId;
use super::core::block;
use super::core::minute::Minute;
use super::core::recorder::Commit;
use super::core::{BLOCKS_BYTES_MAX, RECORDS_KEPT, SEALED_AT_ONCE, SEALS_MAX};
use super::keeping;
use crate::store::{HistoryStore, KeepMinute, StoreError};

/// Seconds of an hour.
const HOUR_S: u64 = 3_600;

/// A minute on its way to the disk.
#[derive(Debug)]
pub(super) struct Keep {
    pub(super) commit: Commit,
    pub(super) busiest: Vec<Busiest>,
}

/// The only writer of the history's database. It ends when nobody gives it minutes any more and all are written.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) store: HistoryStore,
    pub(super) keeps: mpsc::Receiver<Keep>,
    /// The number of the newest record that is done with.
    pub(super) told: watch::Sender<Option<u64>>,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        // Names that a commit that failed should have kept.
        let mut owed = Owed::default();
        while let Some(mut keep) = self.keeps.recv().await {
            let (store, seq) = (self.store.clone(), keep.commit.seq);
            owed.pay(&mut keep.commit);
            let names = Owed::of(&keep.commit);
            match spawn_blocking(move || write(&store, keep)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "a minute of the history is not kept");
                    owed = names;
                }
                // The runtime is shutting down.
                Err(_) => return,
            }
            self.told.send_replace(Some(seq));
        }
    }
}

/// Changes of the catalogue that are not on disk.
#[derive(Debug, Default)]
pub(super) struct Owed {
    added: Vec<(SeriesId, Arc<str>)>,
    evicted: Vec<SeriesId>,
}

impl Owed {
    pub(super) fn of(commit: &Commit) -> Self {
        Self { added: commit.added.clone(), evicted: commit.evicted.clone() }
    }

    /// Puts them before those of the next commit. The store adds first and removes then.
    pub(super) fn pay(&mut self, commit: &mut Commit) {
        let owed = std::mem::take(self);
        commit.added.splice(..0, owed.added);
        commit.evicted.splice(..0, owed.evicted);
    }
}

fn write(store: &HistoryStore, Keep { commit, busiest }: Keep) -> Result<(), StoreError> {
    keep(store, commit, keeping::to_bytes(&busiest))
}

/// Keeps a minute, and sums the oldest up when there are enough.
///
/// # Errors
/// If it cannot be written.
pub fn keep(store: &HistoryStore, commit: Commit, busiest: Vec<u8>) -> Result<(), StoreError> {
    store.keep(&KeepMinute {
        seq: commit.seq,
        start: commit.minute.start,
        record: commit.minute.to_bytes(),
        busiest,
        added: commit.added.into_iter().map(|(id, name)| (id.0, name.as_ref().into())).collect(),
        evicted: commit.evicted.into_iter().map(|id| id.0).collect(),
        next_series: commit.next_series,
    })?;
    while let Some((first, last)) = store.records()?
        && last - first >= RECORDS_KEPT + SEALED_AT_ONCE
    {
        seal(store, whole_hour(&store.starts(first + SEALED_AT_ONCE)?))?;
    }
    Ok(())
}

/// Behind which number the oldest hour ends: what is summed up together lies in one hour, so that a question in
/// steps of hours needs the sums alone.
fn whole_hour(starts: &[(u64, u64)]) -> u64 {
    let hour = |start: u64| start / HOUR_S;
    let first = starts.first().map_or(0, |(_, start)| hour(*start));
    let next = starts.iter().find(|(_, start)| hour(*start) != first);
    next.or(starts.last()).map_or(0, |(seq, _)| *seq + u64::from(next.is_none()))
}

/// Sums up the records before number `before`.
fn seal(store: &HistoryStore, before: u64) -> Result<(), StoreError> {
    let mut minutes = Vec::new();
    store.read_records(before, |seq, bytes| {
        match Minute::from_bytes(bytes) {
            Some(minute) => minutes.push(minute),
            None => tracing::error!(seq, "a record of the history cannot be read: it is lost"),
        }
        ControlFlow::Continue(())
    })?;
    let blocks: Vec<(u32, Vec<u8>)> =
        block::seal(&minutes).into_iter().map(|(id, block)| (id.0, block)).collect();
    store.seal(before - 1, &blocks, (SEALS_MAX, BLOCKS_BYTES_MAX))
}
