//! What the console knows of where nodes are: the entry node's directory, and where it met nodes itself.
//!
//! Differences of a fleet watch enter; names resolve to addresses for the mesh, and whoever waits for a node
//! learns when it is worth trying again. One value, changed by the entry task alone, seen by all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::{Resolve, Target};
use p2p_shared::services::node::{FleetDelta, Member, MemberState};
use tokio::sync::watch;

/// Members beyond this many are not kept; a mesh is far smaller.
const MEMBERS_MAX: usize = 20_000;
/// Most addresses of one node that are tried.
const ADDRESSES_MAX: usize = 16;

/// The shared directory; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Directory(Arc<watch::Sender<Roll>>);

#[derive(Debug, Default)]
struct Roll {
    members: BTreeMap<NodeId, Known>,
    /// Where the console itself found a node: what it advertises may not be reachable from here.
    met: BTreeMap<NodeId, Met>,
}

#[derive(Debug)]
struct Known {
    member: Member,
    /// Counts how often it became worth trying again.
    epoch: u64,
}

#[derive(Debug)]
struct Met {
    name: NodeName,
    address: SocketAddr,
}

/// What became of a member, as far as connections to it are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It does not answer, or left: a connection to it is dead, or soon will be.
    Gone,
    /// It came back, was restarted or moved: try again at once.
    Renewed,
}

impl Directory {
    /// Takes in what the entry node says; answers whose connections are of no use any more, and why.
    pub fn apply(&self, delta: &FleetDelta) -> Vec<(NodeId, NodeName, Turn)> {
        let mut turns = Vec::new();
        self.0.send_modify(|roll| turns = roll.apply(delta));
        turns
    }

    /// Remembers that a node answered at an address.
    pub fn met(&self, id: NodeId, name: NodeName, address: SocketAddr) {
        self.0.send_modify(|roll| {
            roll.met.insert(id, Met { name, address });
        });
    }

    /// The name of a member.
    pub fn name(&self, id: NodeId) -> Option<NodeName> {
        let roll = self.0.borrow();
        let member = roll.members.get(&id).map(|known| &known.member.name);
        member.or_else(|| roll.met.get(&id).map(|met| &met.name)).cloned()
    }

    /// Names of the members, those that can be expected to answer first.
    pub fn names(&self) -> Vec<NodeName> {
        let roll = self.0.borrow();
        let mut known: Vec<&Member> = roll.members.values().map(|known| &known.member).collect();
        known.sort_by_key(|member| preference(member));
        let mut seen = BTreeSet::new();
        known.into_iter().map(|member| member.name.clone()).filter(|name| seen.insert(name.clone())).collect()
    }

    /// All members.
    pub fn members(&self) -> Vec<Member> {
        self.0.borrow().members.values().map(|known| known.member.clone()).collect()
    }

    /// How often a member became worth trying again; `None` for one that is not known.
    pub fn epoch(&self, id: NodeId) -> Option<u64> {
        self.0.borrow().members.get(&id).map(|known| known.epoch)
    }

    /// Waits until the epoch of a member is another than `seen`.
    pub async fn renewed(&self, id: NodeId, seen: Option<u64>) {
        let mut changes = self.0.subscribe();
        let other = |roll: &Roll| roll.members.get(&id).map(|known| known.epoch) != seen;
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = changes.wait_for(other).await;
    }
}

impl Resolve for Directory {
    async fn resolve(&self, name: &NodeName) -> Option<Target> {
        self.0.borrow().resolve(name)
    }
}

impl Roll {
    fn apply(&mut self, delta: &FleetDelta) -> Vec<(NodeId, NodeName, Turn)> {
        let mut turns = Vec::new();
        if delta.full {
            let kept: BTreeSet<NodeId> = delta.changed.iter().map(|member| member.id).collect();
            let gone: Vec<NodeId> = self.members.keys().filter(|id| !kept.contains(id)).copied().collect();
            gone.iter().for_each(|id| self.forget(id, &mut turns));
        }
        delta.forgotten.iter().for_each(|id| self.forget(id, &mut turns));
        for member in &delta.changed {
            turns.extend(self.change(member).map(|turn| (member.id, member.name.clone(), turn)));
        }
        turns
    }

    fn forget(&mut self, id: &NodeId, turns: &mut Vec<(NodeId, NodeName, Turn)>) {
        if let Some(known) = self.members.remove(id) {
            turns.push((*id, known.member.name, Turn::Gone));
        }
    }

    fn change(&mut self, member: &Member) -> Option<Turn> {
        if let Some(known) = self.members.get_mut(&member.id) {
            let turn = turn(&known.member, member);
            known.member = member.clone();
            known.epoch += u64::from(turn == Some(Turn::Renewed));
            return turn;
        }
        if self.members.len() < MEMBERS_MAX {
            self.members.insert(member.id, Known { member: member.clone(), epoch: 0 });
        }
        None
    }

    fn resolve(&self, name: &NodeName) -> Option<Target> {
        let named = self.members.values().map(|known| &known.member).filter(|member| member.name == *name);
        let best = named.min_by_key(|member| preference(member));
        let id = match best {
            Some(member) => member.id,
            None => *self.met.iter().find(|(_, met)| met.name == *name)?.0,
        };
        let mut addresses: Vec<SocketAddr> = self.met.get(&id).map(|met| met.address).into_iter().collect();
        for address in best.iter().flat_map(|member| &member.addresses) {
            if !addresses.contains(address) && addresses.len() < ADDRESSES_MAX {
                addresses.push(*address);
            }
        }
        Some(Target { name: Some(name.clone()), id: Some(id), addresses })
    }
}

/// Whether a member can be expected to answer.
pub const fn is_there(state: MemberState) -> bool {
    !matches!(state, MemberState::Lost | MemberState::Left)
}

/// Of members of one name the first is meant: alive before lost, and the younger before the one it replaced.
pub fn preference(member: &Member) -> (u8, Reverse<u64>) {
    let rank = match member.state {
        MemberState::Alive => 0,
        MemberState::Suspect | MemberState::Unknown => 1,
        MemberState::Lost => 2,
        MemberState::Left => 3,
    };
    (rank, Reverse(member.started.0))
}

fn turn(old: &Member, new: &Member) -> Option<Turn> {
    match (is_there(old.state), is_there(new.state)) {
        (true, false) => Some(Turn::Gone),
        (false, true) => Some(Turn::Renewed),
        (_, true) if old.started != new.started || old.addresses != new.addresses => Some(Turn::Renewed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::time::UnixMillis;

    use super::*;

    fn member(id: u8, name: &str, state: MemberState, started: u64) -> Member {
        Member {
            name: name.parse().unwrap(),
            id: NodeId::new([id; 32]),
            state,
            state_since: UnixMillis(0),
            addresses: vec![([10, 0, 0, id], 5678).into()],
            version: String::new(),
            labels: Vec::new(),
            started: UnixMillis(started),
            sequence: 1,
            http: None,
        }
    }

    fn delta(full: bool, changed: Vec<Member>) -> FleetDelta {
        FleetDelta { seq: 0, full, changed, forgotten: Vec::new() }
    }

    #[tokio::test]
    async fn a_name_leads_to_the_member_that_is_alive() {
        let directory = Directory::default();
        let name: NodeName = "web-1".parse().unwrap();
        assert_eq!(directory.resolve(&name).await, None);
        let old = member(1, "web-1", MemberState::Lost, 9);
        let new = member(2, "web-1", MemberState::Alive, 5);
        directory.apply(&delta(true, vec![old, new.clone()]));
        let target = directory.resolve(&name).await.unwrap();
        assert_eq!((target.id, target.addresses), (Some(new.id), new.addresses));
    }

    #[tokio::test]
    async fn where_a_node_was_met_is_tried_first() {
        let directory = Directory::default();
        let node = member(1, "web-1", MemberState::Alive, 1);
        let here: SocketAddr = ([127, 0, 0, 1], 7).into();
        directory.met(node.id, node.name.clone(), here);
        let before = directory.resolve(&node.name).await.unwrap();
        assert_eq!((before.id, before.addresses), (Some(node.id), vec![here]));
        directory.apply(&delta(true, vec![node.clone()]));
        let after = directory.resolve(&node.name).await.unwrap();
        assert_eq!(after.addresses, [here, node.addresses[0]]);
    }

    #[test]
    fn lost_returned_and_restarted_members_take_a_turn() {
        let directory = Directory::default();
        let turn = |state, started| {
            let turns = directory.apply(&delta(false, vec![member(1, "a", state, started)]));
            turns.first().map(|(_, _, turn)| *turn)
        };
        assert_eq!(turn(MemberState::Alive, 1), None);
        assert_eq!(turn(MemberState::Suspect, 1), None);
        assert_eq!(turn(MemberState::Lost, 1), Some(Turn::Gone));
        assert_eq!(turn(MemberState::Left, 1), None);
        assert_eq!(turn(MemberState::Alive, 1), Some(Turn::Renewed));
        assert_eq!(turn(MemberState::Alive, 2), Some(Turn::Renewed));
        assert_eq!(directory.epoch(NodeId::new([1; 32])), Some(2));
        let turns = directory.apply(&delta(true, Vec::new()));
        assert_eq!(turns.len(), 1);
        assert_eq!(directory.epoch(NodeId::new([1; 32])), None);
    }

    #[tokio::test]
    async fn who_waits_for_a_node_learns_of_its_return() {
        let directory = Directory::default();
        let id = NodeId::new([1; 32]);
        let waiting = directory.renewed(id, None);
        directory.apply(&delta(false, vec![member(1, "a", MemberState::Alive, 1)]));
        waiting.await;
        assert_eq!(directory.epoch(id), Some(0));
    }
}
