//! What a set of nodes says of each other, as a square of pairs. Pure: nodes and their last answers enter, plain
//! figures leave; what a node does not say is not made up.

use std::collections::BTreeMap;

use p2p_shared::id::NodeId;
use p2p_shared::services::node::{MemberState, Peer, PeerRole};
use p2p_shared::time::Millis;

use crate::command::Topic;
use crate::event::Link;
use crate::fleet::Node;
use crate::views::Scene;

/// Fewer packets than this are no measure of loss.
pub(super) const JUDGED_PACKETS: u64 = 50;
/// A connection younger than this may be missing at the other end only because that was asked before.
const SETTLED_MS: u64 = 10_000;
/// A silence that is not usual: connections say every 5 s that they live.
const SILENT_MS: u64 = 10_000;

/// How a node answers, when it is asked whom it sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its answer is new.
    #[default]
    Fresh,
    /// Nothing came of it yet, and nothing speaks against it.
    Waiting,
    /// Its last answer is old.
    Late,
    /// It refuses, or cannot be reached.
    Mute,
    /// The directory doubts it.
    Suspect,
    /// The directory has given it up.
    Lost,
}

/// What one node says of its connection to another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pair {
    /// Round trip.
    pub(super) rtt_ms: f64,
    /// Packets sent to the other of late, or since the connection stands; 0 if it does not tell.
    pub(super) sent: u64,
    /// Those of them that were lost.
    pub(super) lost: u64,
    /// For how long they were counted; `None`: since it stands.
    pub(super) counted: Option<Millis>,
    /// How far the other's clock is ahead of its own.
    pub(super) ahead_ms: Option<i64>,
    /// How long the connection stands.
    pub(super) age_ms: u64,
    /// How long nothing came over it.
    pub(super) silent_ms: u64,
}

impl Pair {
    /// The share of packets that were lost; `None` if none are told of.
    pub(super) fn loss(&self) -> Option<f64> {
        (self.sent > 0).then(|| (self.lost as f64 / self.sent as f64).clamp(0.0, 1.0))
    }

    /// Whether nothing came over it for longer than is usual.
    pub(super) const fn is_silent(&self) -> bool {
        self.silent_ms >= SILENT_MS
    }

    /// The same, if there were enough of them to mean something.
    pub(super) fn judged_loss(&self) -> Option<f64> {
        self.loss().filter(|_| self.sent >= JUDGED_PACKETS)
    }
}

/// What stands between two nodes, as the first one has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Between {
    /// They are one.
    Same,
    /// The first one has told nothing.
    Untold,
    /// It holds no connection to the other, which is nothing bad.
    Nothing,
    /// It holds none, but the other one says that there is one.
    OneSided,
    /// It holds one.
    Seen(Pair),
}

/// Nodes, and what they say of each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    /// Who looks, and is looked at.
    pub(super) ids: Vec<NodeId>,
    /// What they are called.
    pub(super) names: Vec<String>,
    /// How they answer.
    pub(super) standings: Vec<Standing>,
    /// Row after row; `None` where no connection is told of.
    pub(super) pairs: Vec<Option<Pair>>,
}

impl Sight {
    /// What these nodes of the fleet said last.
    pub(super) fn of(scene: &Scene<'_>, nodes: &[NodeId]) -> Self {
        let known: Vec<(NodeId, &Node)> =
            nodes.iter().filter_map(|id| Some((*id, scene.fleet.get(*id)?))).collect();
        let places: BTreeMap<NodeId, usize> =
            known.iter().enumerate().map(|(at, (id, _))| (*id, at)).collect();
        let mut pairs = vec![None; known.len() * known.len()];
        for (row, (_, node)) in known.iter().enumerate() {
            for peer in peers_of(node) {
                if let Some(column) = places.get(&peer.id) {
                    pairs[row * known.len() + column] = Some(pair(node, peer));
                }
            }
        }
        Self {
            ids: known.iter().map(|(id, _)| *id).collect(),
            names: known.iter().map(|(_, node)| node.name().to_string()).collect(),
            standings: known.iter().map(|(_, node)| standing(node, scene)).collect(),
            pairs,
        }
    }

    /// How many nodes there are.
    pub(super) const fn len(&self) -> usize {
        self.ids.len()
    }

    /// What a node says of its connection to another.
    pub(super) fn pair(&self, from: usize, to: usize) -> Option<&Pair> {
        self.pairs.get(from * self.len() + to)?.as_ref().filter(|_| from != to)
    }

    /// Whether what a node says is of now.
    pub(super) fn is_fresh(&self, node: usize) -> bool {
        matches!(self.standings.get(node), Some(Standing::Fresh))
    }

    /// What stands between two nodes.
    pub(super) fn between(&self, from: usize, to: usize) -> Between {
        if from == to {
            return Between::Same;
        }
        if let Some(pair) = self.pair(from, to) {
            return Between::Seen(*pair);
        }
        let told = (0..self.len()).any(|other| self.pair(from, other).is_some());
        match self.standings.get(from) {
            Some(Standing::Fresh) => {}
            // The last word of one that is silent now holds as long as there is no other.
            Some(Standing::Late | Standing::Suspect) if told => return Between::Nothing,
            _ => return Between::Untold,
        }
        let back = self.pair(to, from).filter(|_| self.is_fresh(to));
        match back {
            Some(pair) if pair.age_ms >= SETTLED_MS => Between::OneSided,
            _ => Between::Nothing,
        }
    }

    /// All pairs that are told of: from, to, and what is said.
    pub(super) fn told(&self) -> impl Iterator<Item = (usize, usize, &Pair)> {
        let count = self.len();
        let square = (0..count).flat_map(move |from| (0..count).map(move |to| (from, to)));
        square.filter_map(|(from, to)| Some((from, to, self.pair(from, to)?)))
    }
}

/// The nodes to which a node holds a connection.
pub(super) fn peers_of(node: &Node) -> impl Iterator<Item = &Peer> {
    let peers = node.peers.value.iter().flatten();
    peers.filter(|peer| peer.role == PeerRole::Node)
}

fn pair(node: &Node, peer: &Peer) -> Pair {
    let recent = node.losses.of(peer, node.peers.at).filter(|recent| recent.sent >= JUDGED_PACKETS);
    let (sent, lost) =
        recent.map_or((peer.sent_packets, peer.lost_packets), |recent| (recent.sent, recent.lost));
    Pair {
        rtt_ms: f64::from(peer.rtt_ms),
        sent,
        lost,
        counted: recent.map(|recent| recent.span),
        // It tells how far its own clock is ahead.
        ahead_ms: peer.clock_ahead_ms.map(i64::saturating_neg),
        age_ms: peer.age_ms,
        silent_ms: peer.silent_ms,
    }
}

fn standing(node: &Node, scene: &Scene<'_>) -> Standing {
    match node.member.state {
        MemberState::Lost | MemberState::Left => return Standing::Lost,
        MemberState::Suspect => return Standing::Suspect,
        MemberState::Alive | MemberState::Unknown => {}
    }
    let stale = node.is_stale(Topic::Peers, scene.now);
    let untold = node.peers.value.is_none();
    if node.error(Topic::Peers).is_some() || ((stale || untold) && matches!(node.link, Link::Failed { .. })) {
        return Standing::Mute;
    }
    match (untold, stale) {
        (true, _) => Standing::Waiting,
        (false, true) => Standing::Late,
        (false, false) => Standing::Fresh,
    }
}
