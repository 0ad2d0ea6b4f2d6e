//! The last handshakes that were refused, for those who wonder why a node does not join.

use std::collections::VecDeque;
use std::net::SocketAddr;

use p2p_shared::services::node::{Direction, RefusedHandshake};
use p2p_shared::tls::RefusalReason;

/// How many are kept; the oldest is dropped.
const ENTRIES_MAX: usize = 64;

/// A short memory of refusals. The same one again only counts up.
#[derive(Debug, Default)]
pub struct RefusedLog {
    entries: VecDeque<RefusedHandshake>,
    total: u64,
}

impl RefusedLog {
    /// Notes a refusal; answers how often this one came (same host, same reason).
    pub fn note(
        &mut self,
        address: SocketAddr,
        direction: Direction,
        reason: RefusalReason,
        detail: String,
    ) -> u32 {
        self.total += 1;
        let at = crate::clock::wall();
        let same = |entry: &&mut RefusedHandshake| {
            entry.address.ip() == address.ip()
                && entry.direction == direction
                && entry.reason == reason.as_str()
        };
        if let Some(entry) = self.entries.iter_mut().find(same) {
            entry.count = entry.count.saturating_add(1);
            (entry.at, entry.address, entry.detail) = (at, address, detail);
            return entry.count;
        }
        self.entries.truncate(ENTRIES_MAX - 1);
        let reason = reason.as_str().to_owned();
        self.entries.push_front(RefusedHandshake { at, address, direction, reason, detail, count: 1 });
        1
    }

    /// Newest first.
    pub fn entries(&self) -> Vec<RefusedHandshake> {
        let mut entries: Vec<_> = self.entries.iter().cloned().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries
    }

    /// All there ever were.
    pub const fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(log: &mut RefusedLog, host: u8, reason: RefusalReason) -> u32 {
        log.note(([10, 0, 0, host], 5_678).into(), Direction::Inbound, reason, "why".into())
    }

    #[test]
    fn the_same_refusal_counts_up() {
        let mut log = RefusedLog::default();
        assert_eq!(note(&mut log, 1, RefusalReason::WrongCa), 1);
        assert_eq!(note(&mut log, 2, RefusalReason::WrongCa), 1);
        assert_eq!(note(&mut log, 1, RefusalReason::WrongCa), 2);
        assert_eq!(note(&mut log, 1, RefusalReason::Expired), 1);
        assert_eq!(log.entries().len(), 3);
        assert_eq!(log.total(), 4);
    }

    #[test]
    fn the_memory_is_short() {
        let mut log = RefusedLog::default();
        for host in 0..200 {
            note(&mut log, host, RefusalReason::WrongCa);
        }
        assert_eq!(log.entries().len(), ENTRIES_MAX);
        assert_eq!(log.total(), 200);
    }
}
