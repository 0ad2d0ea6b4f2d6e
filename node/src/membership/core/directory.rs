//! Every member that is known, and what is thought of it.
//!
//! Verified facts and states enter, members leave. The fingerprint and the set of known signatures follow
//! every change, which is why members are changed here only. It decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use p2p_shared::id::NodeId;
use p2p_shared::services::node::MemberState;
use p2p_shared::time::Millis;

use super::config::{MEMBERS_MAX, TOMBSTONE_LIFE, TOMBSTONES_MAX};
use super::message::{Claim, Tombstone};
use super::record::{SharedFacts, SignedFacts};

/// What this node thinks of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It answers, or others say so.
    Alive,
    /// It did not answer this node; it has a few seconds to say otherwise.
    Suspect,
    /// It did not answer; its facts are kept.
    Lost,
    /// It said good-bye.
    Left,
}

impl From<State> for MemberState {
    fn from(state: State) -> Self {
        match state {
            State::Alive => Self::Alive,
            State::Suspect => Self::Suspect,
            State::Lost => Self::Lost,
            State::Left => Self::Left,
        }
    }
}

/// One member.
#[derive(Clone, Debug)]
pub struct Member {
    /// What it says of itself.
    pub facts: SharedFacts,
    /// What this node thinks of it.
    pub state: State,
    /// Since when it does.
    pub since: Millis,
    /// When anything came from it directly; `None` if nothing did since the start.
    pub heard: Option<Millis>,
    /// Smoothed round trip of its pings; `None` before the first.
    pub rtt: Option<Millis>,
    /// Known from the disk only: nobody has confirmed since the start that it lives.
    pub(super) restored: bool,
    /// When it is tried again while lost.
    pub(super) retry_at: Millis,
    /// What members claim of it, by its present facts: so that each claim is passed on once.
    pub(super) claims: Vec<Claim>,
    /// The fingerprint that it showed last.
    pub(super) fingerprint: Option<u64>,
}

impl Member {
    /// Sequence of its facts.
    pub fn sequence(&self) -> u64 {
        self.facts.facts.sequence
    }

    /// Whether it takes part: alive, or merely suspect.
    pub fn is_present(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }
}

/// All members, by id.
#[derive(Debug, Default)]
pub(super) struct Directory {
    members: BTreeMap<NodeId, Member>,
    signatures: BTreeSet<[u8; 32]>,
    fingerprint: u64,
    present: usize,
}

impl Directory {
    pub(super) fn get(&self, id: &NodeId) -> Option<&Member> {
        self.members.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.members.iter()
    }

    /// Members behind `after`, from the first for `None`.
    pub(super) fn behind(&self, after: Option<NodeId>) -> impl Iterator<Item = (&NodeId, &Member)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.members.range((from, Bound::Unbounded))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Members that are alive or suspect.
    pub(super) const fn present(&self) -> usize {
        self.present
    }

    pub(super) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether exactly these facts are here already, so that they need not be verified again.
    pub(super) fn knows(&self, signed: &SignedFacts) -> bool {
        signature_key(signed).is_some_and(|key| self.signatures.contains(&key))
    }

    /// Takes in facts in the place of older ones. What was measured of the member is kept.
    pub(super) fn put(&mut self, now: Millis, facts: SharedFacts, state: State) {
        let before = self.remove(&facts.id);
        let since = before.as_ref().filter(|old| old.state == state).map_or(now, |old| old.since);
        let member = Member {
            state,
            since,
            heard: before.as_ref().and_then(|old| old.heard),
            rtt: before.as_ref().and_then(|old| old.rtt),
            restored: false,
            fingerprint: before.as_ref().and_then(|old| old.fingerprint),
            retry_at: now,
            claims: Vec::new(),
            facts,
        };
        self.insert(member);
    }

    /// Takes in facts from the disk: suspect until somebody confirms that the member lives.
    pub(super) fn restore(&mut self, now: Millis, facts: SharedFacts) {
        let state = if facts.facts.left { State::Left } else { State::Suspect };
        self.put(now, facts.clone(), state);
        self.change(&facts.id, |member| member.restored = state == State::Suspect);
    }

    /// Changes the state; false if it was that already or the member is unknown.
    pub(super) fn set_state(&mut self, now: Millis, id: &NodeId, state: State) -> bool {
        if self.members.get(id).is_none_or(|member| member.state == state) {
            return false;
        }
        self.change(id, |member| {
            member.state = state;
            member.since = now;
            member.restored = false;
            member.retry_at = now;
        });
        true
    }

    /// Changes what neither the state nor the facts are.
    pub(super) fn note(&mut self, id: &NodeId, edit: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(id) {
            edit(member);
        }
    }

    pub(super) fn remove(&mut self, id: &NodeId) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.account(&member);
        self.present -= usize::from(member.is_present());
        if let Some(key) = signature_key(&member.facts.signed) {
            self.signatures.remove(&key);
        }
        Some(member)
    }

    /// Who has to go so that another one can come: whoever left or is lost for longest.
    pub(super) fn to_evict(&self) -> Option<NodeId> {
        if self.members.len() < MEMBERS_MAX {
            return None;
        }
        let gone = self.members.iter().filter(|(_, member)| !member.is_present());
        gone.min_by_key(|(_, member)| (member.state != State::Left, member.since)).map(|(id, _)| *id)
    }

    pub(super) fn is_full(&self) -> bool {
        self.members.len() >= MEMBERS_MAX
    }

    fn insert(&mut self, member: Member) {
        if let Some(key) = signature_key(&member.facts.signed) {
            self.signatures.insert(key);
        }
        self.account(&member);
        self.present += usize::from(member.is_present());
        self.members.insert(member.facts.id, member);
    }

    fn change(&mut self, id: &NodeId, edit: impl FnOnce(&mut Member)) {
        if let Some(mut member) = self.remove(id) {
            edit(&mut member);
            self.insert(member);
        }
    }

    /// Puts a member in or takes it out of the fingerprint.
    fn account(&mut self, member: &Member) {
        let lost = u64::from(member.state == State::Lost);
        let words = member.facts.id.as_bytes().chunks_exact(8).map(|chunk| {
            u64::from_le_bytes(std::array::from_fn(|index| chunk.get(index).copied().unwrap_or_default()))
        });
        let mark = words.chain([member.sequence(), lost]).fold(0, mix);
        self.fingerprint ^= mark;
    }
}

/// The finishing steps of `SplitMix64`: equal on every machine and in every version.
fn mix(state: u64, word: u64) -> u64 {
    let mut mixed = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The first half of an Ed25519 signature differs for every message and key.
fn signature_key(signed: &SignedFacts) -> Option<[u8; 32]> {
    signed.signature.first_chunk::<32>().copied()
}

/// Members that were forgotten, so that a node that was away does not bring them back.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    stones: BTreeMap<NodeId, (u64, Millis)>,
}

impl Tombstones {
    /// The sequence up to which `id` is forgotten.
    pub(super) fn of(&self, id: &NodeId) -> Option<Tombstone> {
        self.stones.get(id).map(|&(sequence, _)| Tombstone { id: *id, sequence })
    }

    /// Whether these facts are forgotten ones.
    pub(super) fn covers(&self, id: &NodeId, sequence: u64) -> bool {
        self.stones.get(id).is_some_and(|&(forgotten, _)| sequence <= forgotten)
    }

    /// Over the limit the oldest one goes.
    pub(super) fn put(&mut self, now: Millis, stone: Tombstone) {
        self.stones.insert(stone.id, (stone.sequence, now));
        if self.stones.len() > TOMBSTONES_MAX {
            let oldest = self.stones.iter().min_by_key(|(_, (_, since))| *since).map(|(id, _)| *id);
            oldest.map(|id| self.stones.remove(&id));
        }
    }

    pub(super) fn remove(&mut self, id: &NodeId) {
        self.stones.remove(id);
    }

    pub(super) fn prune(&mut self, now: Millis) {
        self.stones.retain(|_, (_, since)| now.since(*since) < TOMBSTONE_LIFE);
    }
}
