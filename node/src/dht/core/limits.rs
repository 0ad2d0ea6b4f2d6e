//! How often one peer may ask: a token bucket for lookups and one for stores.
//!
//! Peers and times enter; yes or no leaves. It must never grow with the number of peers that ever asked.

use std::collections::BTreeMap;

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

/// Lookups and pings a peer may send us in a second, and at once after a pause.
pub const FINDS_PER_SECOND: u64 = 100;
/// Stores a peer may send us in a second, and at once after a pause.
pub const STORES_PER_SECOND: u64 = 20;
/// Peers whose use is remembered. Over it, those who have been quiet are forgotten, which costs nothing.
const PEERS_MAX: usize = 1_024;

/// What a request is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// PING, FIND_NODE, FIND_VALUE.
    Find,
    /// STORE.
    Store,
}

/// The budgets of all peers.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    peers: BTreeMap<NodeId, Budget>,
}

#[derive(Clone, Debug)]
struct Budget {
    finds: Tokens,
    stores: Tokens,
}

/// Thousandths of a token, so that a millisecond adds a whole number of them.
#[derive(Clone, Debug)]
struct Tokens {
    per_second: u64,
    level_milli: u64,
    filled_at: Millis,
}

impl Limits {
    /// Takes one token of `peer`; false if there is none.
    pub fn allow(&mut self, now: Millis, peer: NodeId, charge: Charge) -> bool {
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS_MAX {
            self.forget_quiet(now);
        }
        let budget = self.peers.entry(peer).or_insert_with(|| Budget::new(now));
        match charge {
            Charge::Find => budget.finds.take(now),
            Charge::Store => budget.stores.take(now),
        }
    }

    fn forget_quiet(&mut self, now: Millis) {
        self.peers.retain(|_, budget| !budget.is_full(now));
        if self.peers.len() >= PEERS_MAX {
            let longest_ago = self.peers.iter().min_by_key(|(_, budget)| budget.used_at());
            if let Some(peer) = longest_ago.map(|(peer, _)| *peer) {
                self.peers.remove(&peer);
            }
        }
    }
}

impl Budget {
    const fn new(now: Millis) -> Self {
        Self { finds: Tokens::new(now, FINDS_PER_SECOND), stores: Tokens::new(now, STORES_PER_SECOND) }
    }

    const fn is_full(&self, now: Millis) -> bool {
        self.finds.level(now) == self.finds.capacity() && self.stores.level(now) == self.stores.capacity()
    }

    fn used_at(&self) -> Millis {
        self.finds.filled_at.max(self.stores.filled_at)
    }
}

impl Tokens {
    const ONE_MILLI: u64 = 1_000;

    const fn new(now: Millis, per_second: u64) -> Self {
        Self { per_second, level_milli: per_second * Self::ONE_MILLI, filled_at: now }
    }

    const fn capacity(&self) -> u64 {
        self.per_second * Self::ONE_MILLI
    }

    const fn level(&self, now: Millis) -> u64 {
        let gained = now.since(self.filled_at).0.saturating_mul(self.per_second);
        let level = self.level_milli.saturating_add(gained);
        if level > self.capacity() { self.capacity() } else { level }
    }

    const fn take(&mut self, now: Millis) -> bool {
        self.level_milli = self.level(now);
        self.filled_at = now;
        let enough = self.level_milli >= Self::ONE_MILLI;
        if enough {
            self.level_milli -= Self::ONE_MILLI;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u64) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        NodeId::new(bytes)
    }

    #[test]
    fn a_flood_of_stores_is_held_to_twenty_a_second() {
        let mut limits = Limits::default();
        let ten_seconds = 0..10_000;
        let granted = ten_seconds
            .flat_map(|ms| [Millis(ms); 10])
            .filter(|&now| limits.allow(now, peer(1), Charge::Store))
            .count();
        assert!((200..=220).contains(&granted), "{granted}");
    }

    #[test]
    fn peers_and_kinds_do_not_share_a_budget() {
        let mut limits = Limits::default();
        while limits.allow(Millis(0), peer(1), Charge::Store) {}
        assert!(limits.allow(Millis(0), peer(1), Charge::Find));
        assert!(limits.allow(Millis(0), peer(2), Charge::Store));
    }

    #[test]
    fn the_number_of_remembered_peers_is_bounded_and_busy_ones_stay() {
        let mut limits = Limits::default();
        while limits.allow(Millis(0), peer(0), Charge::Store) {}
        for number in 1..5_000 {
            limits.allow(Millis(number / 10), peer(number), Charge::Find);
        }
        assert!(limits.peers.len() <= PEERS_MAX);
        let mut limits = Limits::default();
        for number in 0..PEERS_MAX as u64 {
            limits.allow(Millis(0), peer(number), Charge::Find);
        }
        while limits.allow(Millis(500), peer(7), Charge::Store) {}
        limits.allow(Millis(500), peer(9_999), Charge::Find);
        assert!(!limits.allow(Millis(500), peer(7), Charge::Store), "a flooder is not forgiven");
    }
}
