//! What a node does unasked: it pings whom it has not heard, looks into buckets that nobody looked into for
//! an hour, and publishes records again.
//!
//! Times enter; probes and queries of our own leave. It must not come in waves: every pause has jitter, and
//! only a few queries of the core run at once, beside those of the caller.

use std::collections::BTreeMap;

use p2p_shared::rng::Rng;
use p2p_shared::time::Millis;

use super::ask::{Purpose, REQUEST_DEADLINE};
use super::key::{BucketIndex, Key};
use super::message::{Record, Request};
use super::output::Output;
use super::query::{Goal, Query, Writing};
use super::table::Table;
use super::{Dht, K};

/// A bucket into which nobody looked for so long is refreshed.
const REFRESH: Millis = Millis::from_secs(3_600);
/// Neighbours who joined at the same time as we did know us by then, and others know them.
const SETTLE: Millis = Millis::from_secs(5);
/// Our own records are published again after so long, less a little jitter.
const REPUBLISH: Millis = Millis::from_secs(3_600);
/// Records of others are, if nobody else did it; so usually their publisher does it for all.
const REPLICATE: Millis = Millis::from_secs(3_900);
/// The pause before our own record that nobody took is offered again.
const RETRY: Millis = Millis::from_secs(10);
/// Queries of the core under way at once.
const UPKEEP_MAX: usize = 3;
/// Contacts pinged at once, and the pause before the next ones.
const PROBES_AT_ONCE: usize = 4;
const PROBE_PAUSE: Millis = Millis(100);

/// When each part of the key space is looked into next.
#[derive(Clone, Debug, Default)]
pub struct Upkeep {
    due: BTreeMap<Region, Millis>,
}

/// A part of the key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Region {
    /// Around our own key.
    Neighbours,
    /// That of one bucket.
    Bucket(BucketIndex),
}

impl Upkeep {
    /// A join looks at our neighbours now; and soon again, for those who joined at the same time.
    pub fn on_join(&mut self, now: Millis, rng: &mut Rng) {
        self.due.insert(Region::Neighbours, now + jittered(SETTLE, rng));
    }

    /// Somebody was found after there was nobody: soon see who else is there, unless that is under way.
    pub fn look_around(&mut self, now: Millis, rng: &mut Rng) {
        self.due.entry(Region::Neighbours).or_insert_with(|| now + Millis(rng.below(1_000)));
    }

    /// There is nobody: whoever comes next is to be asked about the others.
    pub fn on_isolation(&mut self) {
        self.due.remove(&Region::Neighbours);
    }

    /// A lookup into a bucket is as good as its refresh.
    pub fn on_lookup(&mut self, now: Millis, bucket: Option<BucketIndex>, rng: &mut Rng) {
        if let Some(at) = bucket.and_then(|index| self.due.get_mut(&Region::Bucket(index))) {
            *at = now + jittered(REFRESH, rng);
        }
    }

    /// Plans every bucket that has no plan. Where somebody may be missing it is refreshed at once: beyond
    /// the `K` closest, whom a lookup of our own key finds all.
    fn cover(&mut self, now: Millis, table: &Table, own: Key, rng: &mut Rng) {
        let closest = table.closest(own, K, |_| true);
        let known_all = closest.last().filter(|_| closest.len() == K);
        let frontier = known_all.and_then(|entry| own.distance(entry.key).bucket());
        let deepest = table.deepest().map_or(0, |index| index.0 + 1);
        for index in (0..deepest).map(BucketIndex) {
            let may_lack = table.bucket_len(index) < K && frontier.is_some_and(|frontier| index <= frontier);
            let at = if may_lack { now } else { now + jittered(REFRESH, rng) };
            self.due.entry(Region::Bucket(index)).or_insert(at);
        }
    }

    fn next_due(&self) -> Option<Millis> {
        self.due.values().min().copied()
    }

    /// Something to look into now, planned again for later.
    fn take_due(&mut self, now: Millis, rng: &mut Rng) -> Option<Region> {
        let (&region, at) = self.due.iter_mut().find(|(_, at)| **at <= now)?;
        *at = now + jittered(REFRESH, rng);
        Some(region)
    }
}

impl Dht {
    /// When there is upkeep to do, and room to do it.
    pub(super) fn upkeep_at(&self) -> Option<Millis> {
        if self.upkeep_queries() >= UPKEEP_MAX {
            return None;
        }
        [self.store.next_due(), self.upkeep.next_due()].into_iter().flatten().min()
    }

    pub(super) fn on_time(&mut self, now: Millis) {
        self.ask_on_time(now);
        self.probe(now);
        self.publish_due(now);
        self.refresh_due(now);
    }

    /// When a record that is kept from now on is published again, or expires.
    pub(super) fn next_publish(&mut self, now: Millis, record: &Record) -> Millis {
        let pause = if record.publisher == self.own { REPUBLISH } else { REPLICATE };
        let ends = now + record.expires.since(self.wall(now));
        (now + jittered(pause, &mut self.rng)).min(ends)
    }

    /// Plans what follows from the end of a query.
    pub(super) fn upkeep_after(&mut self, now: Millis, query: &Query) {
        match query.goal() {
            Goal::Join if self.table.has_good() => {
                self.upkeep.cover(now, &self.table, self.own.into(), &mut self.rng);
            }
            Goal::Join => self.upkeep.on_isolation(),
            Goal::Write(writing) => self.after_write(now, query.target(), writing),
            Goal::Nodes | Goal::Read(_) => {}
        }
    }

    /// Takes back what an earlier run kept.
    pub(super) fn restore(&mut self, now: Millis, records: Vec<Record>) {
        let wall = self.wall(now);
        for record in records {
            let key = record.key;
            let longest = if record.publisher == self.own { RETRY } else { REPLICATE };
            let due_at = now + Millis(self.rng.below(longest.0));
            let gone = match self.store.insert(wall, due_at, record) {
                Ok((_, evicted)) => evicted,
                Err(_) => Some(key),
            };
            self.outputs.extend(gone.map(Output::Removed));
        }
    }

    pub(super) fn withdraw(&mut self, now: Millis, key: Key) {
        if self.record(now, key).is_some_and(|record| record.publisher == self.own) {
            self.drop_record(key);
        }
    }

    fn after_write(&mut self, now: Millis, key: Key, writing: &Writing) {
        let Some(held) = self.record(now, key) else { return };
        let ours = held.publisher == self.own;
        let elsewhere = writing.replicas_elsewhere();
        if ours && elsewhere == 0 {
            let retry_at = now + jittered(RETRY, &mut self.rng);
            self.store.set_due(key, retry_at);
        }
        // Newcomers are closer to it than we are by now, and have it.
        if !ours && !writing.keeps_here() && elsewhere >= K / 2 {
            self.drop_record(key);
        }
    }

    fn probe(&mut self, now: Millis) {
        if self.table.probe_from() > now {
            return;
        }
        for contact in self.table.take_due(now, PROBES_AT_ONCE, now + REQUEST_DEADLINE, now + PROBE_PAUSE) {
            self.send(now, contact, Request::Ping, Purpose::Probe);
        }
    }

    fn publish_due(&mut self, now: Millis) {
        while self.upkeep_queries() < UPKEEP_MAX
            && let Some(key) = self.store.due(now)
        {
            let Some(record) = self.record(now, key).cloned() else {
                self.drop_record(key);
                continue;
            };
            let due_at = self.next_publish(now, &record);
            self.store.set_due(key, due_at);
            self.start_upkeep(now, key, Goal::Write(Writing::new(record)));
        }
    }

    fn refresh_due(&mut self, now: Millis) {
        while self.upkeep_queries() < UPKEEP_MAX
            && let Some(region) = self.upkeep.take_due(now, &mut self.rng)
        {
            let own = Key::from(self.own);
            match region {
                Region::Neighbours => self.start_upkeep(now, own, Goal::Join),
                Region::Bucket(index) => {
                    let target = own.random_in(index, &mut self.rng);
                    self.start_upkeep(now, target, Goal::Nodes);
                }
            }
        }
    }
}

/// The span, less up to a tenth.
fn jittered(span: Millis, rng: &mut Rng) -> Millis {
    span - Millis(rng.below(span.0 / 10 + 1))
}
