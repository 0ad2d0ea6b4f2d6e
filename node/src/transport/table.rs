//! Who is connected: which connection of a pair stays, and who makes room at the limits.
//!
//! New links enter, verdicts leave; the caller closes what the verdict says. No socket, no task.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use p2p_shared::counters::Counter;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::failure::CloseCode;
use p2p_shared::mesh::link::{Link, Side, ahead_ms};
use p2p_shared::mesh::silence::{Look, Silence};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{PeerIdentity, PeerKind};
use tokio::time::Instant;

use crate::clock;

/// Most connections of one operator; the oldest makes room.
const OPERATOR_LINKS_MAX: usize = 16;
/// Most connections of operators in all.
const OPERATORS_LINKS_MAX: usize = 256;

/// One open connection, as others see it.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// The connection.
    pub link: Link,
    /// When something was last heard over it, to a second.
    pub heard: Instant,
    /// How far the clock of this machine is ahead of the peer's, by what it said last; `None` if it said nothing since
    /// the clock here was set.
    pub clock_ahead_ms: Option<i64>,
}

/// What became of a new link.
#[derive(Debug)]
pub enum Placed {
    /// It is in the table; these others are to be closed.
    Kept {
        /// What it replaced, or what made room, and the code to close it with.
        closed: Vec<(Link, CloseCode)>,
    },
    /// Another connection of the same pair stays; the new one is to be closed.
    Superseded(Link),
}

/// Bytes that went over connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the other sides.
    pub received_bytes: u64,
    /// To them.
    pub sent_bytes: u64,
}

/// The same of all connections, those included that are gone.
#[derive(Debug, Default)]
struct Tally {
    received: Counter,
    sent: Counter,
}

#[derive(Debug)]
struct Entry {
    link: Link,
    silence: Silence,
    heard: Instant,
    clock: Option<Compared>,
    tally: Arc<Tally>,
    counted: Traffic,
}

/// What was found when the peer told its clock.
#[derive(Clone, Copy, Debug)]
struct Compared {
    ahead_ms: i64,
    /// [`clock::offset_ms`] then.
    offset_ms: i64,
}

/// The open connections.
#[derive(Debug)]
pub struct Table {
    own: NodeId,
    nodes_max: usize,
    nodes: HashMap<NodeId, Entry>,
    operators: Vec<Entry>,
    tally: Arc<Tally>,
}

impl Table {
    pub fn new(own: NodeId, nodes_max: usize) -> Self {
        Self { own, nodes_max, nodes: HashMap::new(), operators: Vec::new(), tally: Arc::default() }
    }

    pub fn place(&mut self, link: Link) -> Placed {
        match link.peer().kind {
            PeerKind::Node => self.place_node(link),
            PeerKind::Operator(_) => self.place_operator(link),
        }
    }

    fn place_node(&mut self, link: Link) -> Placed {
        let id = link.peer().id;
        let mut closed = Vec::new();
        if let Some(standing) = self.nodes.get(&id).map(|entry| &entry.link) {
            let pair = Pair { own: self.own, peer: id };
            if standing.is_open() && pair.keeps_standing(&Candidate::of(standing), &Candidate::of(&link)) {
                return Placed::Superseded(standing.clone());
            }
            closed.push((standing.clone(), CloseCode::Replaced));
        } else if self.nodes.len() >= self.nodes_max {
            let silent = self.nodes.iter().min_by_key(|(_, entry)| entry.heard).map(|(&id, _)| id);
            let entry = silent.and_then(|id| self.nodes.remove(&id));
            closed.extend(entry.map(|entry| (entry.link.clone(), CloseCode::Limit)));
        }
        self.nodes.insert(id, Entry::new(link, &self.tally));
        Placed::Kept { closed }
    }

    fn place_operator(&mut self, link: Link) -> Placed {
        let of_same = |entry: &&Entry| entry.link.peer().id == link.peer().id;
        let mut closed = Vec::new();
        let crowded = self.operators.iter().filter(of_same).count() >= OPERATOR_LINKS_MAX;
        let oldest = if crowded { self.operators.iter().position(|entry| of_same(&entry)) } else { None };
        let full = self.operators.len() >= OPERATORS_LINKS_MAX;
        if let Some(index) = oldest.or(full.then_some(0)) {
            closed.push((self.operators.remove(index).link.clone(), CloseCode::Limit));
        }
        self.operators.push(Entry::new(link, &self.tally));
        Placed::Kept { closed }
    }

    /// Takes a link out; false if it was replaced before, and so is nobody's loss.
    pub fn remove(&mut self, link: &Link) -> bool {
        if self.nodes.get(&link.peer().id).is_some_and(|entry| entry.link.is(link)) {
            return self.nodes.remove(&link.peer().id).is_some();
        }
        let before = self.operators.len();
        self.operators.retain(|entry| !entry.link.is(link));
        self.operators.len() < before
    }

    pub fn node(&self, id: &NodeId) -> Option<Link> {
        self.nodes.get(id).map(|entry| &entry.link).filter(|link| link.is_open()).cloned()
    }

    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.entries().map(|entry| &entry.link)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.nodes.values().chain(&self.operators)
    }

    pub fn peers(&self) -> Vec<PeerStatus> {
        let offset_ms = clock::offset_ms();
        let status = |entry: &Entry| PeerStatus {
            link: entry.link.clone(),
            heard: entry.heard,
            clock_ahead_ms: entry.clock.and_then(|then| then.still(offset_ms)),
        };
        let mut peers: Vec<PeerStatus> = self.entries().map(status).collect();
        peers.sort_by(|a, b| order(a.link.peer()).cmp(&order(b.link.peer())));
        peers
    }

    pub fn observed(&self) -> Vec<SocketAddr> {
        let mut votes: HashMap<SocketAddr, usize> = HashMap::new();
        // The socket that dials is the one that listens, so the port is right whoever dialled.
        for link in self.links() {
            if let Some(address) = link.observed() {
                *votes.entry(address).or_default() += 1;
            }
        }
        let mut observed: Vec<_> = votes.into_iter().collect();
        observed.sort_by_key(|&(address, votes)| (std::cmp::Reverse(votes), address));
        observed.into_iter().map(|(address, _)| address).collect()
    }

    /// Notes what a node's clock said half a round trip before it was `heard` here.
    pub fn note_clock(&mut self, id: &NodeId, told: UnixMillis, heard: UnixMillis) {
        if let Some(entry) = self.nodes.get_mut(id) {
            let rtt = entry.link.connection().rtt();
            entry.clock = Some(Compared::now(ahead_ms(heard, told, rtt)));
        }
    }

    /// Notes over which connections something came since the last time; nodes leave of which nothing was heard for
    /// too long. Operators are left to QUIC: a console may stand still for a while.
    pub fn note_heard(&mut self) -> Vec<Link> {
        let now = Instant::now();
        let looked = self.nodes.values_mut().filter_map(|entry| entry.look(now));
        let dead = looked.collect();
        self.operators.iter_mut().for_each(|entry| drop(entry.look(now)));
        dead
    }

    /// Bytes over all connections that there are and were, as of the last [`Self::note_heard`].
    pub fn traffic(&self) -> Traffic {
        Traffic { received_bytes: self.tally.received.get(), sent_bytes: self.tally.sent.get() }
    }
}

impl Entry {
    fn new(link: Link, tally: &Arc<Tally>) -> Self {
        let clock = link.clock_ahead_ms().map(Compared::now);
        let (heard, tally) = (link.since(), Arc::clone(tally));
        Self { heard, silence: Silence::default(), clock, link, tally, counted: Traffic::default() }
    }

    /// Notes whether something came since the last time; the connection leaves if it is dead.
    fn look(&mut self, now: Instant) -> Option<Link> {
        let datagrams = self.count();
        match self.silence.look(datagrams) {
            Look::Heard => self.heard = now,
            Look::Silent => {}
            Look::Dead => return Some(self.link.clone()),
        }
        None
    }

    /// Counts the bytes that went over it since the last time; how many datagrams have come.
    fn count(&mut self) -> u64 {
        let stats = self.link.connection().stats();
        let now = Traffic { received_bytes: stats.udp_rx.bytes, sent_bytes: stats.udp_tx.bytes };
        self.tally.received.add(now.received_bytes.saturating_sub(self.counted.received_bytes));
        self.tally.sent.add(now.sent_bytes.saturating_sub(self.counted.sent_bytes));
        self.counted = now;
        stats.udp_rx.datagrams
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.count();
    }
}

impl Compared {
    fn now(ahead_ms: i64) -> Self {
        Self { ahead_ms, offset_ms: clock::offset_ms() }
    }

    /// What was found, unless the clock here was set since: then the peer's may have been set with it.
    const fn still(self, offset_ms: i64) -> Option<i64> {
        if offset_ms.abs_diff(self.offset_ms) < clock::STEP_LEAST_MS { Some(self.ahead_ms) } else { None }
    }
}

fn order(peer: &PeerIdentity) -> (&str, NodeId) {
    (peer.name.as_str(), peer.id)
}

/// The two ends of a connection.
#[derive(Clone, Copy)]
struct Pair {
    own: NodeId,
    peer: NodeId,
}

/// What matters of a connection when there are two of a pair.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Candidate {
    side: Side,
    instance: u64,
}

impl Candidate {
    fn of(link: &Link) -> Self {
        Self { side: link.side(), instance: link.instance() }
    }
}

impl Pair {
    /// Of crossed dials of the same two runs, the one from the lower id stays, which both ends see alike.
    /// Otherwise the newer wins: the standing one belongs to a run of the peer that is over, or the peer
    /// would not have dialled again.
    fn keeps_standing(self, standing: &Candidate, new: &Candidate) -> bool {
        if standing.instance != new.instance || standing.side == new.side {
            return false;
        }
        let dialler = |side| if side == Side::Dialler { self.own } else { self.peer };
        dialler(standing.side) < dialler(new.side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: NodeId = NodeId::new([1; 32]);
    const HIGH: NodeId = NodeId::new([2; 32]);

    fn candidate(side: Side, instance: u64) -> Candidate {
        Candidate { side, instance }
    }

    #[test]
    fn of_crossed_dials_both_ends_keep_the_one_from_the_lower_id() {
        let low_end = Pair { own: LOW, peer: HIGH };
        let high_end = Pair { own: HIGH, peer: LOW };
        // The lower end dialled first; at the other end the same connection was listened for.
        let (ours, theirs) = (candidate(Side::Dialler, 5), candidate(Side::Listener, 5));
        assert!(low_end.keeps_standing(&ours, &theirs));
        assert!(!low_end.keeps_standing(&theirs, &ours));
        assert!(high_end.keeps_standing(&theirs, &ours));
        assert!(!high_end.keeps_standing(&ours, &theirs));
    }

    #[test]
    fn a_restarted_peer_takes_the_place_of_its_ghost() {
        let pair = Pair { own: LOW, peer: HIGH };
        assert!(!pair.keeps_standing(&candidate(Side::Dialler, 5), &candidate(Side::Listener, 6)));
    }

    #[test]
    fn a_peer_that_dials_again_has_lost_the_first_connection() {
        let pair = Pair { own: LOW, peer: HIGH };
        assert!(!pair.keeps_standing(&candidate(Side::Listener, 5), &candidate(Side::Listener, 5)));
    }

    #[test]
    fn what_a_peers_clock_said_counts_until_the_clock_here_is_set() {
        let then = Compared { ahead_ms: 12, offset_ms: 1_000_000 };
        assert_eq!(then.still(1_000_300), Some(12));
        assert_eq!(then.still(1_000_000 + 3_600_000), None);
        assert_eq!(then.still(1_000_000 - 3_600_000), None);
    }
}
