//! The routing table of the DHT as rows for people.

use std::collections::BTreeMap;

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::node::{RoutingBucket, RoutingContact};

use crate::dht::handle::Overview;
use crate::membership::handle::Directory;

/// The buckets, nearest first.
pub(super) fn buckets(overview: &Overview, own: NodeId, members: &Directory) -> Vec<RoutingBucket> {
    let names: BTreeMap<NodeId, &NodeName> = members.iter().map(|member| (member.id, &member.name)).collect();
    let mut buckets: BTreeMap<u16, RoutingBucket> = BTreeMap::new();
    for entry in &overview.contacts {
        let shared_bits = shared_bits(own, entry.contact.id);
        let empty = || RoutingBucket { shared_bits, contacts: Vec::new(), waiting: 0 };
        let bucket = buckets.entry(shared_bits).or_insert_with(empty);
        bucket.contacts.push(RoutingContact {
            id: entry.contact.id,
            name: names.get(&entry.contact.id).map(|name| (*name).clone()),
            addresses: entry.contact.addresses.as_slice().to_vec(),
            seen_ms: entry.verified.then(|| overview.now.since(entry.seen_at).0),
        });
    }
    for spare in &overview.spares {
        if let Some(bucket) = buckets.get_mut(&shared_bits(own, *spare)) {
            bucket.waiting = bucket.waiting.saturating_add(1);
        }
    }
    buckets.into_values().rev().collect()
}

/// How many leading bits two ids share.
fn shared_bits(one: NodeId, other: NodeId) -> u16 {
    let mut bits = 0;
    for (a, b) in one.as_bytes().iter().zip(other.as_bytes()) {
        let differing = a ^ b;
        bits += differing.leading_zeros() as u16;
        if differing != 0 {
            break;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bits_are_counted_from_the_top() {
        let id = |first: u8| {
            let mut bytes = [0; 32];
            bytes[0] = first;
            NodeId::new(bytes)
        };
        assert_eq!(shared_bits(id(0), id(0x80)), 0);
        assert_eq!(shared_bits(id(0), id(1)), 7);
        assert_eq!(shared_bits(id(0), id(0)), 256);
    }
}
