//! The routing table: k-buckets made on first use, over the whole key space seen from our own key.
//!
//! Signs of life and misses enter; the contacts closest to a key, those due for a ping, and changes worth
//! keeping on disk leave. It must not forget a contact for one miss, nor forget everybody because our own
//! network is down: a silent contact goes only once somebody else was heard since it fell silent.

use std::collections::BTreeMap;

use p2p_shared::id::NodeId;
use p2p_shared::rng::Rng;
use p2p_shared::time::Millis;

use super::K;
use super::bucket::{Bucket, Change, Entry, Evidence, REPLACE_MISSES};
use super::key::{BucketIndex, Distance, Key};
use super::message::Contact;

/// The first pause before a contact that did not answer is pinged again; it doubles with each miss.
const PROBE_RETRY: Millis = Millis::from_secs(5);
/// The longest time before an unverified newcomer is pinged, so that many at once are spread.
const VERIFY_WITHIN_MS: u64 = 1_000;

/// All buckets of one node.
#[derive(Clone, Debug)]
pub struct Table {
    own: Key,
    peer_timeout: Millis,
    buckets: BTreeMap<BucketIndex, Bucket>,
    heard_at: Option<Millis>,
    /// No probe is due earlier; it may be that none is due then.
    probe_from: Millis,
}

impl Table {
    /// An empty table. A peer silent for `peer_timeout` is dropped.
    pub const fn new(own: Key, peer_timeout: Millis) -> Self {
        Self { own, peer_timeout, buckets: BTreeMap::new(), heard_at: None, probe_from: Millis::MAX }
    }

    /// Takes note of a sign of life of an authenticated peer.
    pub fn heard(&mut self, now: Millis, contact: Contact, evidence: Evidence, rng: &mut Rng) -> Vec<Change> {
        let Some(index) = self.bucket_of(contact.id) else { return Vec::new() };
        if contact.addresses.is_empty() {
            return Vec::new();
        }
        self.heard_at = Some(now);
        let bucket = self.buckets.entry(index).or_default();
        let verified = evidence == Evidence::Answered
            || bucket.entries().iter().any(|entry| entry.verified && entry.contact.id == contact.id);
        let half = self.peer_timeout.0 / 2;
        let pause =
            if verified { half - half / 5 + rng.below(half / 5 + 1) } else { rng.below(VERIFY_WITHIN_MS) };
        let probe_at = now + Millis(pause);
        self.probe_from = self.probe_from.min(probe_at);
        bucket.heard(now, contact, evidence, probe_at)
    }

    /// Takes note of a request that `id` did not answer.
    pub fn missed(&mut self, now: Millis, id: NodeId) -> Vec<Change> {
        let misses = self.get(id).map_or(0, |entry| entry.misses);
        let pause = PROBE_RETRY.0.saturating_mul(1 << misses.min(16)).min(self.peer_timeout.0 / 2);
        let retry_at = now + Millis(pause);
        let (heard_at, peer_timeout) = (self.heard_at, self.peer_timeout);
        let Some(bucket) = self.bucket_mut(id) else { return Vec::new() };
        let changes = bucket.missed(now, id, retry_at, |entry, replaceable| {
            let silent = now.since(entry.seen_at) >= peer_timeout;
            let others_are_heard = heard_at > Some(entry.missing_since);
            others_are_heard && (silent || (replaceable && entry.misses >= REPLACE_MISSES))
        });
        self.probe_from = self.probe_from.min(if changes.is_empty() { retry_at } else { now });
        changes
    }

    /// Drops `id` for good, as when its key is revoked.
    pub fn forget(&mut self, now: Millis, id: NodeId) -> Vec<Change> {
        let changes = self.bucket_mut(id).map_or_else(Vec::new, |bucket| bucket.remove(now, id));
        self.probe_from = self.probe_from.min(now);
        changes
    }

    /// A connection to `id` stands or ended. While it stands there is nothing to ping; after it, soon.
    pub fn set_connected(&mut self, now: Millis, id: NodeId, connected: bool) {
        let Some(entry) = self.bucket_mut(id).and_then(|bucket| bucket.entry_mut(id)) else { return };
        entry.connected = connected;
        if !connected {
            entry.probe_at = now;
            self.probe_from = self.probe_from.min(now);
        }
    }

    /// When [`Table::take_due`] is to be called next.
    pub const fn probe_from(&self) -> Millis {
        self.probe_from
    }

    /// At most `count` contacts to ping now, the one longest due first; they are not due again until
    /// `again_at`, unless they are missed or heard before, and the others not before `rest_at`.
    pub fn take_due(&mut self, now: Millis, count: usize, again_at: Millis, rest_at: Millis) -> Vec<Contact> {
        let mut due: Vec<&mut Entry> = self
            .buckets
            .values_mut()
            .flat_map(Bucket::entries_mut)
            .filter(|entry| entry.probe_at <= now && !entry.rests())
            .collect();
        due.sort_by_key(|entry| entry.probe_at);
        let mut contacts = Vec::new();
        for entry in due.into_iter().take(count) {
            entry.probe_at = again_at;
            contacts.push(entry.contact.clone());
        }
        let waiting = self.entries().filter(|entry| !entry.rests());
        self.probe_from = waiting.map(|entry| entry.probe_at.max(rest_at)).min().unwrap_or(Millis::MAX);
        contacts
    }

    /// The `count` contacts closest to `target` that are `wanted`, nearest first.
    pub fn closest(&self, target: Key, count: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        let from_own = self.own.distance(target);
        // Seen from the target, buckets whose bit is set come first, the far ones before the near ones, and
        // the others after them the other way round; so most buckets need not be looked at.
        let nearer = self.buckets.iter().filter(|(index, _)| from_own.has_bit(**index));
        let farther = self.buckets.iter().rev().filter(|(index, _)| !from_own.has_bit(**index));
        let mut found: Vec<(Distance, &Entry)> = Vec::with_capacity(count + K);
        for (_, bucket) in nearer.chain(farther) {
            if found.len() >= count {
                break;
            }
            let start = found.len();
            let entries = bucket.entries().iter().filter(|entry| wanted(entry));
            found.extend(entries.map(|entry| (target.distance(entry.key), entry)));
            found[start..].sort_unstable_by_key(|(distance, _)| *distance);
        }
        found.truncate(count);
        found.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Whether `K` good contacts are closer to `key` than we are, so that it is for them to keep records.
    pub fn is_responsible(&self, key: Key) -> bool {
        let ours = self.own.distance(key);
        let closest = self.closest(key, K, Entry::is_good);
        closest.len() < K || closest.last().is_none_or(|entry| key.distance(entry.key) > ours)
    }

    /// Contacts that wait to take the place of one that fails.
    pub fn spares(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.values().flat_map(Bucket::spares)
    }

    /// All contacts, far buckets first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.values().flat_map(Bucket::entries)
    }

    /// The contact of `id`, if it is in a bucket.
    pub fn get(&self, id: NodeId) -> Option<&Entry> {
        let bucket = self.buckets.get(&self.bucket_of(id)?)?;
        bucket.entries().iter().find(|entry| entry.contact.id == id)
    }

    /// Whether anybody is known who answers.
    pub fn has_good(&self) -> bool {
        self.entries().any(Entry::is_good)
    }

    /// How many contacts the bucket has.
    pub fn bucket_len(&self, index: BucketIndex) -> usize {
        self.buckets.get(&index).map_or(0, |bucket| bucket.entries().len())
    }

    /// The bucket of our nearest neighbour.
    pub fn deepest(&self) -> Option<BucketIndex> {
        self.buckets.iter().rev().find(|(_, bucket)| !bucket.entries().is_empty()).map(|(index, _)| *index)
    }

    fn bucket_of(&self, id: NodeId) -> Option<BucketIndex> {
        self.own.distance(id.into()).bucket()
    }

    fn bucket_mut(&mut self, id: NodeId) -> Option<&mut Bucket> {
        let index = self.bucket_of(id)?;
        self.buckets.get_mut(&index)
    }
}

#[cfg(test)]
mod tests;
