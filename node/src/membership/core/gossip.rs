//! What peers say: their views in short, facts, doubts and who is forgotten.
//!
//! Messages enter whose facts are verified already; changes of the directory leave, and what is to be
//! passed on. A doubt never changes a state by itself: it makes this node look, or confirms what it saw.

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::Membership;
use super::broadcast::News;
use super::config::{CONFIRMATIONS, SEQUENCE_JUMP_MAX};
use super::directory::State;
use super::io::{Output, Received};
use super::limits::Favour;
use super::message::{Claim, Doubt, Gossip, Tombstone, View};
use super::record::SharedFacts;

/// With more news of members in one message it is a whole directory, which nobody has to be told of anew.
const FEW_FACTS: usize = 32;
/// Others who doubt a member are remembered up to this many, and one who says that it is lost.
const CLAIMS_MAX: usize = CONFIRMATIONS + 1;
/// Within this time of the start, facts of ours that we do not know stem from a run whose store is gone.
const STORE_LOST: Millis = Millis::from_secs(10);
/// Members that doubt us and are told first when we refute it.
const ACCUSERS_MAX: usize = 8;
/// Looks that claims cause are spread over this, and over a little more for each member.
const LOOK_SPREAD: u64 = 300;
/// With more members not each of them looks after a suspect.
const LOOKERS: u64 = 64;

impl Membership {
    /// Takes in what rides on every message.
    pub(super) fn on_news(&mut self, from: NodeId, received: &Received) {
        self.on_heard(from);
        if let Some(list) = &received.revoked {
            self.on_revoked(list.clone());
        }
        let spread = received.facts.len() <= FEW_FACTS;
        let mut fresh = BTreeSet::new();
        for facts in &received.facts {
            let is_new = self.directory.get(&facts.id).is_none();
            if self.on_facts(facts, from, spread) && is_new {
                fresh.insert(facts.id);
            }
        }
        for claim in &received.message.gossip.claims {
            self.on_claim(claim, from, fresh.contains(&claim.subject));
        }
        for stone in &received.message.gossip.forgotten {
            self.on_tombstone(*stone, from);
        }
        self.on_view(from, received.message.view);
    }

    /// Takes in facts that the disk remembers.
    pub(super) fn restore(&mut self, facts: SharedFacts) {
        if self.is_out(&facts.id)
            || facts.id == self.own
            || self.directory.get(&facts.id).is_some()
            || self.directory.is_full()
        {
            return;
        }
        let id = facts.id;
        self.directory.restore(self.now, facts);
        self.suspect_restored(id);
    }

    fn on_view(&mut self, from: NodeId, view: View) {
        self.on_revoked_view(from, view);
        self.directory.note(&from, |member| member.fingerprint = Some(view.fingerprint));
        if self.tombstones.covers(&from, view.sequence) {
            self.tell_forgotten(&from, from);
            return;
        }
        let known = self.directory.get(&from).map(|member| (member.sequence(), member.facts.clone()));
        match known {
            Some((sequence, facts)) if view.sequence < sequence => self.tell_facts(from, &facts),
            Some((sequence, _)) if view.sequence == sequence => {}
            _ => self.want(from, vec![from]),
        }
    }

    /// True if they are news.
    fn on_facts(&mut self, facts: &SharedFacts, from: NodeId, spread: bool) -> bool {
        let (id, sequence) = (facts.id, facts.facts.sequence);
        if id == self.own {
            self.on_foreign_own_facts(facts);
            return false;
        }
        if self.is_out(&id) {
            return false;
        }
        if self.tombstones.covers(&id, sequence) {
            self.tell_forgotten(&id, from);
            return false;
        }
        if !self.is_newer(facts) || !self.make_room(&id) {
            return false;
        }
        self.tombstones.remove(&id);
        self.suspects.remove(&id);
        self.probes.remove(&id);
        self.directory.put(
            self.now,
            facts.clone(),
            if facts.facts.left { State::Left } else { State::Alive },
        );
        self.broadcast.drop_subject(id);
        if spread {
            self.announce(News::Facts(facts.clone()), Some(from));
        }
        self.outputs.push_back(Output::Persist(facts.clone()));
        self.outputs.push_back(Output::Changed(id));
        true
    }

    fn is_newer(&mut self, facts: &SharedFacts) -> bool {
        let Some(member) = self.directory.get(&facts.id) else { return true };
        let (known, sequence) = (member.sequence(), facts.facts.sequence);
        if sequence == known {
            self.counts.forks += u64::from(member.facts.signed.payload != facts.signed.payload);
            return false;
        }
        let jumps = sequence.saturating_sub(known) > SEQUENCE_JUMP_MAX;
        self.counts.refused += u64::from(jumps);
        sequence > known && !jumps
    }

    fn make_room(&mut self, id: &NodeId) -> bool {
        if self.directory.get(id).is_some() || !self.directory.is_full() {
            return true;
        }
        let Some(gone) = self.directory.to_evict() else {
            self.counts.refused += 1;
            return false;
        };
        self.directory.remove(&gone);
        self.outputs.push_back(Output::Forgotten(gone));
        true
    }

    /// Somebody holds facts of this node that this process did not sign: its store was lost, or there are
    /// two of it.
    fn on_foreign_own_facts(&mut self, facts: &SharedFacts) {
        let Some(own) = self.directory.get(&self.own) else { return };
        let (known, sequence) = (own.sequence(), facts.facts.sequence);
        let is_fork = sequence == known && own.facts.signed.payload != facts.signed.payload;
        if sequence < known || (sequence == known && !is_fork) {
            return;
        }
        if is_fork || self.now.since(self.started) > STORE_LOST {
            self.counts.forks += 1;
            self.outputs.push_back(Output::Twin);
        }
        self.require_above(sequence);
    }

    pub(super) fn on_claim(&mut self, claim: &Claim, from: NodeId, fresh: bool) {
        if claim.subject == self.own {
            self.on_accused(claim, from);
            return;
        }
        let Some(member) = self.directory.get(&claim.subject) else {
            self.counts.refused += 1;
            return;
        };
        if claim.doubt == Doubt::Unknown || claim.sequence < member.sequence() {
            return;
        }
        if claim.sequence > member.sequence() {
            self.want(from, vec![claim.subject]);
            return;
        }
        let blindly = fresh || member.restored;
        match (claim.doubt, member.state) {
            (Doubt::Lost, State::Alive | State::Suspect) if blindly => self.lose(*claim, Some(from)),
            (Doubt::Lost, State::Suspect) if !self.is_held(&claim.subject) => self.lose(*claim, Some(from)),
            (_, State::Suspect) => self.on_confirmation(claim, from),
            (_, State::Alive) => self.on_hearsay(claim, from),
            (_, State::Lost | State::Left) => {}
        }
    }

    fn is_held(&self, id: &NodeId) -> bool {
        self.suspects.get(id).is_some_and(|suspicion| suspicion.is_held())
    }

    fn on_confirmation(&mut self, claim: &Claim, from: NodeId) {
        if let Some(suspicion) = self.suspects.get_mut(&claim.subject)
            && claim.accuser != self.own
        {
            suspicion.confirm(claim.accuser);
        }
        self.pass_on(claim, from);
    }

    /// Somebody doubts a member that looks well from here: look again, and tell it when we do.
    fn on_hearsay(&mut self, claim: &Claim, from: NodeId) {
        if !self.pass_on(claim, from) {
            return;
        }
        let members = self.directory.present() as u64;
        let looks = claim.doubt == Doubt::Lost || self.rng.below(members.max(1)) < LOOKERS;
        if looks {
            let spread = LOOK_SPREAD + if claim.doubt == Doubt::Lost { members * 10 } else { 0 };
            let delay = Millis(self.rng.below(spread));
            self.look(claim.subject, delay);
        }
    }

    /// Remembers and passes on a claim that is news; at most a few of each member and sequence are.
    fn pass_on(&mut self, claim: &Claim, from: NodeId) -> bool {
        let Some(member) = self.directory.get(&claim.subject) else { return false };
        let alike = |other: &&Claim| other.doubt == claim.doubt;
        let limit = if claim.doubt == Doubt::Lost { 1 } else { CLAIMS_MAX };
        let is_known =
            member.claims.iter().any(|other| other.doubt == claim.doubt && other.accuser == claim.accuser);
        if is_known || member.claims.iter().filter(alike).count() >= limit {
            return false;
        }
        self.spread_claim(*claim, Some(from));
        true
    }

    pub(super) fn spread_claim(&mut self, claim: Claim, source: Option<NodeId>) {
        self.directory.note(&claim.subject, |member| member.claims.push(claim));
        self.announce(News::Claim(claim), source);
    }

    /// What this node has to say against a member, for that member to refute.
    pub(super) fn doubt_about(&self, id: &NodeId) -> Option<Claim> {
        let member = self.directory.get(id)?;
        let own = |doubt| Claim { subject: *id, sequence: member.sequence(), doubt, accuser: self.own };
        match member.state {
            State::Suspect if member.restored => None,
            State::Suspect => Some(own(Doubt::Suspect)),
            State::Lost => Some(own(Doubt::Lost)),
            State::Alive => member.claims.iter().max_by_key(|claim| claim.doubt).copied(),
            State::Left => None,
        }
    }

    fn on_accused(&mut self, claim: &Claim, from: NodeId) {
        let known = self.own_sequence();
        if self.has_left() || claim.doubt == Doubt::Unknown {
            return;
        }
        if claim.sequence > known {
            self.counts.refused += 1;
        } else if claim.sequence == known {
            if self.resign.accusers.len() < ACCUSERS_MAX && !self.resign.accusers.contains(&from) {
                self.resign.accusers.push(from);
            }
            self.refute(claim.sequence);
        } else if let Some(own) = self.directory.get(&self.own) {
            let facts = own.facts.clone();
            self.tell_facts(from, &facts);
        }
    }

    fn on_tombstone(&mut self, stone: Tombstone, from: NodeId) {
        if stone.id == self.own {
            let known = self.own_sequence();
            if stone.sequence >= known && stone.sequence - known <= SEQUENCE_JUMP_MAX {
                self.refute(stone.sequence);
            }
            return;
        }
        let Some(member) = self.directory.get(&stone.id) else { return };
        let known = member.sequence();
        let is_plausible = stone.sequence >= known && stone.sequence - known <= SEQUENCE_JUMP_MAX;
        if is_plausible && (!member.is_present() || member.restored) {
            self.bury(stone, Some(from));
        }
    }

    /// Removes a member that was forgotten and tells the others.
    pub(super) fn bury(&mut self, stone: Tombstone, source: Option<NodeId>) {
        self.directory.remove(&stone.id);
        self.suspects.remove(&stone.id);
        self.probes.remove(&stone.id);
        self.tombstones.put(self.now, stone);
        self.announce(News::Tombstone(stone), source);
        self.outputs.push_back(Output::Forgotten(stone.id));
    }

    fn refute(&mut self, doubted: u64) {
        if self.resign.above.is_none() {
            self.counts.refuted += 1;
            self.health.worse(1);
        }
        self.require_above(doubted);
    }

    fn require_above(&mut self, sequence: u64) {
        self.resign.above = Some(self.resign.above.map_or(sequence, |above| above.max(sequence)));
        self.try_resign();
    }

    /// Asks for new facts of this node, once at a time and not too often.
    pub(super) fn try_resign(&mut self) {
        let Some(above) = self.resign.above else { return };
        let is_under_way = self.resign.asked.is_some_and(|asked| self.now.since(asked) < Millis(3_000));
        if is_under_way || self.has_left() || !self.limits.allow(self.now, self.own, Favour::Resign) {
            return;
        }
        self.resign.asked = Some(self.now);
        self.outputs.push_back(Output::Resign { above });
    }

    fn tell_facts(&mut self, to: NodeId, facts: &SharedFacts) {
        if !self.limited(to, Favour::Refresh) {
            let gossip = Gossip { facts: vec![facts.signed.clone()], ..Gossip::default() };
            self.notice_of(to, gossip);
        }
    }

    fn tell_forgotten(&mut self, id: &NodeId, to: NodeId) {
        if let Some(stone) = self.tombstones.of(id)
            && !self.limited(to, Favour::Tombstone)
        {
            self.notice_of(to, Gossip { forgotten: vec![stone], ..Gossip::default() });
        }
    }
}
