//! How many packets of a connection were lost of late: what a node tells counts since the connection stands, which says
//! little of now on one that stands for a month.

use std::collections::BTreeMap;

use p2p_shared::id::NodeId;
use p2p_shared::services::node::{Peer, PeerRole};
use p2p_shared::time::Millis;

/// What is of late: between this and twice as long, if the connection was looked at for so long.
const SPAN: Millis = Millis::from_secs(60);

/// The counts of a connection at one time.
#[derive(Clone, Copy, Debug)]
struct Count {
    at: Millis,
    sent: u64,
    lost: u64,
}

/// Earlier counts of the connections of one node.
#[derive(Clone, Debug, Default)]
pub struct Losses(BTreeMap<NodeId, [Count; 2]>);

/// Packets of late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// For how long they were counted.
    pub span: Millis,
    /// Those that were sent.
    pub sent: u64,
    /// Those of them that were lost.
    pub lost: u64,
}

impl Losses {
    /// The node tells its connections.
    pub(super) fn heard(&mut self, peers: &[Peer], now: Millis) {
        let mut earlier = std::mem::take(&mut self.0);
        for peer in peers.iter().filter(|peer| peer.role == PeerRole::Node) {
            let count = Count { at: now, sent: peer.sent_packets, lost: peer.lost_packets };
            // Fewer than before are those of another connection.
            let same = |[_, latest]: &[Count; 2]| latest.sent <= count.sent && latest.lost <= count.lost;
            let counts = match earlier.remove(&peer.id).filter(same) {
                None => [count, count],
                Some([_, latest]) if now.since(latest.at) >= SPAN => [latest, count],
                Some(kept) => kept,
            };
            self.0.insert(peer.id, counts);
        }
    }

    /// What was sent to a peer and lost of late, up to its present counts.
    pub fn of(&self, peer: &Peer, now: Millis) -> Option<Recent> {
        let [first, _] = self.0.get(&peer.id)?;
        Some(Recent {
            span: now.since(first.at),
            sent: peer.sent_packets.checked_sub(first.sent)?,
            lost: peer.lost_packets.checked_sub(first.lost)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Simulated;

    fn peer(sent: u64, lost: u64) -> Peer {
        let peers = Simulated::new(2, 1).peers(0);
        let peer = peers.into_iter().find(|peer| peer.role == PeerRole::Node).unwrap();
        Peer { sent_packets: sent, lost_packets: lost, ..peer }
    }

    #[test]
    fn what_was_lost_long_ago_is_not_of_late() {
        let mut losses = Losses::default();
        for second in 0..300 {
            // Ten packets a second; all were lost in the first minute.
            let told = peer(10 * second, 10 * second.min(60));
            losses.heard(std::slice::from_ref(&told), Millis::from_secs(second));
            let recent = losses.of(&told, Millis::from_secs(second)).unwrap();
            assert!(
                recent.span <= Millis::from_secs(120) && recent.sent == recent.span.0 / 100,
                "{recent:?}"
            );
            if second > 180 {
                assert_eq!(recent.lost, 0);
                assert!(recent.span >= Millis::from_secs(60));
            }
        }
    }

    #[test]
    fn another_connection_counts_anew() {
        let mut losses = Losses::default();
        losses.heard(&[peer(1_000, 10)], Millis::from_secs(1));
        let new = peer(30, 1);
        assert_eq!(losses.of(&new, Millis::from_secs(2)), None, "not told yet");
        losses.heard(std::slice::from_ref(&new), Millis::from_secs(2));
        assert_eq!(
            losses.of(&peer(50, 3), Millis::from_secs(4)),
            Some(Recent { span: Millis::from_secs(2), sent: 20, lost: 2 })
        );
        losses.heard(&[], Millis::from_secs(5));
        assert_eq!(losses.of(&new, Millis::from_secs(6)), None, "what is gone is forgotten");
    }
}
