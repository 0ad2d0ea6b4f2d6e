//! What travels between two nodes of the table.
//!
//! The driver reads and writes [`Envelope`]s, each after a version byte, one request and its reply on a
//! stream of their own. The sender is whoever the transport authenticated: no message says who sent it.
//! Records are opaque here; the driver checks their signatures before the core sees them.

use std::net::SocketAddr;
use std::sync::Arc;

use p2p_shared::id::NodeId;
use p2p_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::key::Key;

/// The most addresses of one contact; what comes beyond is cut off.
pub const ADDRESSES_MAX: usize = 8;

/// Names one request of ours, and travels with it and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// One message on the wire, after the version byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<M> {
    /// The request, or the one that is answered.
    pub request: RequestId,
    /// A [`Request`] or a [`Reply`].
    pub message: M,
}

/// Where a node may be reached: at most [`ADDRESSES_MAX`], the most promising first. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<SocketAddr>", into = "Vec<SocketAddr>")]
pub struct Addresses(Arc<[SocketAddr]>);

/// A node and where it may be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Who must answer there: the dial fails if another key does.
    pub id: NodeId,
    /// Where to dial.
    pub addresses: Addresses,
}

/// A signed statement of one node, kept by the nodes whose keys are closest to its key.
///
/// The signature is part of `value`, and covers the other fields; only the driver can check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it is kept.
    pub key: Key,
    /// Who signed it.
    pub publisher: NodeId,
    /// The highest one wins. Publishers start at their wall clock, so that a reinstalled one is ahead.
    pub seq: u64,
    /// When it ceases to be true: at most 48 hours ahead.
    pub expires: UnixMillis,
    /// 1 to 4,096 bytes.
    pub value: Vec<u8>,
}

/// What one node asks of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Are you there?
    Ping,
    /// Which live nodes do you know that are closest to `target`?
    FindNode {
        /// The point in the key space.
        target: Key,
    },
    /// The record at `key` if you hold it, and the nodes closest to it.
    FindValue {
        /// The key of the record.
        key: Key,
    },
    /// Keep this record.
    Store(Record),
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To a ping.
    Pong,
    /// The closest nodes known to be alive, at most `K`, nearest first.
    Nodes(Vec<Contact>),
    /// The record, and the closest nodes as above.
    Value {
        /// As its publisher signed it.
        record: Record,
        /// Where other replicas may be.
        closest: Vec<Contact>,
    },
    /// The record is kept.
    Stored,
    /// Nothing was done.
    Refused(Refusal),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The sender asks too often.
    RateLimited,
    /// The value is over the size limit.
    TooLarge,
    /// The value is empty.
    Empty,
    /// The record has expired.
    Expired,
    /// The expiry lies further ahead than 48 hours.
    ExpiryTooFar,
    /// A newer record is held.
    Stale,
    /// Another record with the same sequence is held: its publisher signed two.
    Conflict,
    /// The sequence leaps ahead further than any honest publisher's would.
    SequenceLeap,
    /// Enough nodes are closer to the key.
    NotResponsible,
    /// The store is full of records that matter more here.
    Full,
    /// A reason of a newer version.
    #[serde(other)]
    Unknown,
}

impl Addresses {
    /// The addresses as a slice.
    pub fn as_slice(&self) -> &[SocketAddr] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These, then those of `older` that are not among them, as far as the limit allows.
    #[must_use]
    pub fn before(&self, older: &Self) -> Self {
        if Arc::ptr_eq(&self.0, &older.0) || older.0.iter().all(|address| self.0.contains(address)) {
            return self.clone();
        }
        let others = older.0.iter().filter(|address| !self.0.contains(address));
        self.0.iter().chain(others).copied().take(ADDRESSES_MAX).collect()
    }
}

impl FromIterator<SocketAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = SocketAddr>>(addresses: I) -> Self {
        Self(addresses.into_iter().take(ADDRESSES_MAX).collect())
    }
}

impl From<Vec<SocketAddr>> for Addresses {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        addresses.into_iter().collect()
    }
}

impl From<Addresses> for Vec<SocketAddr> {
    fn from(addresses: Addresses) -> Self {
        addresses.0.to_vec()
    }
}

impl Contact {
    /// A contact; of the addresses the first [`ADDRESSES_MAX`] are kept.
    pub fn new(id: NodeId, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { id, addresses: addresses.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn a_contact_keeps_eight_addresses() {
        let contact = Contact::new(NodeId::new([1; 32]), (1..=100).map(at));
        assert_eq!(contact.addresses.as_slice(), (1..=8).map(at).collect::<Vec<_>>());
    }

    #[test]
    fn newer_addresses_come_first_and_none_comes_twice() {
        let newer: Addresses = [at(1), at(2)].into_iter().collect();
        let older: Addresses = [at(2), at(3)].into_iter().collect();
        assert_eq!(newer.before(&older).as_slice(), [at(1), at(2), at(3)]);
        assert_eq!(newer.before(&newer), newer);
    }

    #[test]
    fn addresses_over_the_limit_are_cut_when_read() {
        let many: Vec<SocketAddr> = (1..=20).map(at).collect();
        let text = serde_json::to_string(&many).unwrap();
        let read: Addresses = serde_json::from_str(&text).unwrap();
        assert_eq!(read.as_slice().len(), ADDRESSES_MAX);
    }
}
