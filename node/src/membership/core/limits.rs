//! How often a peer may cause something: one token bucket for each peer and kind of favour.

use std::collections::BTreeMap;

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

/// Buckets at most; a full bucket is dropped, because it says no more than none.
const BUCKETS_MAX: usize = 16_384;

/// What a peer can cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Favour {
    /// A page of our directory.
    Page,
    /// Facts that it asks for.
    Want,
    /// A ping of ours to another member.
    Help,
    /// Our own facts, because it doubts us by older ones.
    Refresh,
    /// A tombstone, because it spreads what is forgotten.
    Tombstone,
    /// Facts that we ask for.
    Ask,
    /// A comparison of directories that we begin.
    Sync,
    /// A ping of ours, because it was heard although it is lost.
    Look,
    /// New facts of ours, because somebody doubts us.
    Resign,
    /// A list of revoked keys that we ask for, because it names a higher epoch.
    Revoked,
    /// Our list of revoked keys.
    RevokedList,
}

impl Favour {
    /// How many at once, and the time that one more takes.
    const fn rate(self) -> (u64, u64) {
        match self {
            Self::Page => (8, 400),
            Self::Want => (32, 100),
            Self::Help => (16, 100),
            Self::Refresh => (3, 500),
            Self::Tombstone => (4, 500),
            Self::Ask => (8, 250),
            Self::Sync => (2, 1_000),
            Self::Look => (2, 1_000),
            Self::Resign => (5, 1_000),
            Self::Revoked => (2, 500),
            Self::RevokedList => (4, 500),
        }
    }
}

/// What peers have used up.
#[derive(Debug, Default)]
pub(super) struct Limits {
    buckets: BTreeMap<(NodeId, Favour), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// In milliseconds of refill.
    used: u64,
    at: Millis,
}

impl Limits {
    /// Whether `peer` may have one more, which is then counted.
    pub(super) fn allow(&mut self, now: Millis, peer: NodeId, favour: Favour) -> bool {
        let (burst, refill) = favour.rate();
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&(peer, favour)) {
            return false;
        }
        let bucket = self.buckets.entry((peer, favour)).or_insert(Bucket { used: 0, at: now });
        bucket.used = bucket.used.saturating_sub(now.since(bucket.at).0);
        bucket.at = now;
        if bucket.used + refill > burst * refill {
            return false;
        }
        bucket.used += refill;
        true
    }

    /// Drops what is full again.
    pub(super) fn prune(&mut self, now: Millis) {
        self.buckets.retain(|_, bucket| bucket.used > now.since(bucket.at).0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let peer = NodeId::new([1; 32]);
        let mut limits = Limits::default();
        let now = Millis::from_secs(100);
        assert!(limits.allow(now, peer, Favour::Sync));
        assert!(limits.allow(now, peer, Favour::Sync));
        assert!(!limits.allow(now, peer, Favour::Sync));
        assert!(limits.allow(now + Millis(1_000), peer, Favour::Sync));
        assert!(!limits.allow(now + Millis(1_500), peer, Favour::Sync));
        assert!(limits.allow(now, NodeId::new([2; 32]), Favour::Sync));
        limits.prune(now + Millis(10_000));
        assert!(limits.buckets.is_empty());
    }
}
