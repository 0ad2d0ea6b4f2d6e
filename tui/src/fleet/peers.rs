//! What a node says of the mesh: its connections, its routing table, whom it refused.

use p2p_shared::id::NodeId;
use p2p_shared::services::node::{Peer, RefusedHandshake, RoutingBucket};
use p2p_shared::time::Millis;

use super::Fleet;

/// Longest list of peers, contacts or handshakes that is kept of one answer.
const LIST_MAX: usize = 20_000;

impl Fleet {
    /// Its connections.
    pub fn set_peers(&mut self, id: NodeId, mut peers: Vec<Peer>, now: Millis) {
        peers.truncate(LIST_MAX);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.losses.heard(&peers, now);
            node.peers.set(peers, now);
        }
    }

    /// Its routing table.
    pub fn set_routing(&mut self, id: NodeId, mut buckets: Vec<RoutingBucket>, now: Millis) {
        buckets.truncate(257);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.routing.set(buckets, now);
        }
    }

    /// The handshakes that it refused.
    pub fn set_refused(&mut self, id: NodeId, mut handshakes: Vec<RefusedHandshake>, now: Millis) {
        handshakes.truncate(LIST_MAX);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.refused.set(handshakes, now);
        }
    }
}
