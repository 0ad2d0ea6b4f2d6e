//! The records this node keeps: its own, and those whose keys it is close to.
//!
//! Records whose signature the driver has checked enter; records, refusals, and keys that are due to be
//! published again leave. Of one key the highest sequence wins, whatever the order of arrival. What it
//! holds is bounded, and no publisher can fill it: when it is full, the publisher with the most records
//! pays with the one farthest from us.

use std::collections::{BTreeMap, BTreeSet};

use p2p_shared::id::NodeId;
use p2p_shared::time::{Millis, UnixMillis};

use super::key::{Distance, Key};
use super::message::{Record, Refusal};
use super::{EXPIRY_MAX, VALUE_BYTES_MAX};

/// How far the clock of a publisher may be ahead of ours before its expiry counts as too far.
const CLOCK_SKEW: Millis = Millis::from_secs(600);
/// A larger step would let one bad record burn all sequences that its publisher has left.
pub const SEQUENCE_STEP_MAX: u64 = 1 << 32;

/// What became of a record that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is new, or newer than what was held.
    Changed,
    /// It was held already.
    Same,
}

/// The records of one node.
#[derive(Clone, Debug)]
pub struct Store {
    own: NodeId,
    capacity: usize,
    records: BTreeMap<Key, Held>,
    /// The keys of each publisher by their distance from us.
    publishers: BTreeMap<NodeId, BTreeSet<(Distance, Key)>>,
    due: BTreeSet<(Millis, Key)>,
    conflicts: u64,
}

#[derive(Clone, Debug)]
struct Held {
    record: Record,
    due_at: Millis,
}

impl Store {
    /// An empty store of the node `own` for at most `capacity` records.
    pub const fn new(own: NodeId, capacity: usize) -> Self {
        Self {
            own,
            capacity,
            records: BTreeMap::new(),
            publishers: BTreeMap::new(),
            due: BTreeSet::new(),
            conflicts: 0,
        }
    }

    /// Keeps `record` if it is sound and newer than what is held, and makes it due at `due_at`.
    ///
    /// The second part of the answer is what had to go for it.
    ///
    /// # Errors
    /// Says why it is refused; what is held is then unchanged.
    pub fn insert(
        &mut self,
        wall: UnixMillis,
        due_at: Millis,
        record: Record,
    ) -> Result<(Kept, Option<Key>), Refusal> {
        check(wall, &record)?;
        match self.get(wall, record.key) {
            Some(held) if *held == record => {
                self.set_due(record.key, due_at);
                return Ok((Kept::Same, None));
            }
            Some(held) => {
                let refused = outranked(held, &record);
                self.conflicts += u64::from(refused == Err(Refusal::Conflict));
                refused?;
            }
            None => {}
        }
        let evicted = self.make_room(&record)?;
        self.remove(record.key);
        let place = (Key::from(self.own).distance(record.key), record.key);
        self.publishers.entry(record.publisher).or_default().insert(place);
        self.due.insert((due_at, record.key));
        self.records.insert(record.key, Held { record, due_at });
        Ok((Kept::Changed, evicted))
    }

    /// The record at `key`, unless it has expired.
    pub fn get(&self, wall: UnixMillis, key: Key) -> Option<&Record> {
        self.records.get(&key).map(|held| &held.record).filter(|record| record.expires > wall)
    }

    /// Drops the record at `key`.
    pub fn remove(&mut self, key: Key) -> Option<Record> {
        let held = self.records.remove(&key)?;
        self.due.remove(&(held.due_at, key));
        if let Some(keys) = self.publishers.get_mut(&held.record.publisher) {
            keys.remove(&(Key::from(self.own).distance(key), key));
            if keys.is_empty() {
                self.publishers.remove(&held.record.publisher);
            }
        }
        Some(held.record)
    }

    /// The keys of all records that `publisher` signed.
    pub fn keys_of(&self, publisher: NodeId) -> Vec<Key> {
        self.publishers.get(&publisher).into_iter().flatten().map(|(_, key)| *key).collect()
    }

    /// When the next record is due.
    pub fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(due_at, _)| *due_at)
    }

    /// The key of a record that is due.
    pub fn due(&self, now: Millis) -> Option<Key> {
        self.due.first().filter(|(due_at, _)| *due_at <= now).map(|(_, key)| *key)
    }

    /// Puts the record at `key` off until `due_at`.
    pub fn set_due(&mut self, key: Key, due_at: Millis) {
        if let Some(held) = self.records.get_mut(&key) {
            self.due.remove(&(held.due_at, key));
            held.due_at = due_at;
            self.due.insert((due_at, key));
        }
    }

    /// How many records are held.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// How often a publisher was seen to have signed two records with one sequence.
    pub const fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Evicts a record if `record` needs its place: the farthest of whoever would hold the most, which may
    /// be `record` itself. Our own never go.
    fn make_room(&mut self, record: &Record) -> Result<Option<Key>, Refusal> {
        if self.records.len() < self.capacity || self.records.contains_key(&record.key) {
            return Ok(None);
        }
        let newcomer = (Key::from(self.own).distance(record.key), record.key);
        let offers = self.publishers.iter().filter_map(|(publisher, keys)| {
            let last = *keys.last()?;
            let grows = *publisher == record.publisher;
            let offer = if grows { (keys.len() + 1, last.max(newcomer)) } else { (keys.len(), last) };
            (*publisher != self.own).then_some(offer)
        });
        let own = record.publisher == self.own;
        let known = self.publishers.contains_key(&record.publisher);
        let first_of_its_publisher = (!own && !known).then_some((1, newcomer));
        let (_, victim) = offers.chain(first_of_its_publisher).max().ok_or(Refusal::Full)?;
        if victim == newcomer {
            return Err(Refusal::Full);
        }
        self.remove(victim.1);
        Ok(Some(victim.1))
    }
}

/// Whether `held` stands in the way of `record`, and how.
fn outranked(held: &Record, record: &Record) -> Result<(), Refusal> {
    if record.seq < held.seq {
        return Err(Refusal::Stale);
    }
    if record.seq == held.seq {
        return Err(Refusal::Conflict);
    }
    let leaps = record.seq - held.seq > SEQUENCE_STEP_MAX;
    if leaps && record.publisher == held.publisher { Err(Refusal::SequenceLeap) } else { Ok(()) }
}

/// Whether `record` may be kept or believed, leaving aside what else is held.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(wall: UnixMillis, record: &Record) -> Result<(), Refusal> {
    match record.value.len() {
        0 => return Err(Refusal::Empty),
        1..=VALUE_BYTES_MAX => {}
        _ => return Err(Refusal::TooLarge),
    }
    if record.expires <= wall {
        return Err(Refusal::Expired);
    }
    if record.expires.since(wall) > EXPIRY_MAX + CLOCK_SKEW {
        return Err(Refusal::ExpiryTooFar);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
