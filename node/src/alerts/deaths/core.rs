//! Who died, by whose word, and who tells it: a pure core over what the membership says.
//!
//! Every member watches, one of them tells: the one with the greatest hash of all that live. When it is lost
//! itself, the next one tells what was lost in the last two minutes, so that no death goes unsaid because its
//! messenger died. Deaths that come close together are one incident and are told together.
//!
//! A death needs witnesses: this node, which looked for the member itself, and others that are asked to look
//! now. Three of them, or all there are. One that reaches the member puts the death off. Of very many deaths at
//! once some are witnessed and the rest believed with them. No clock, no socket, no task.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::time::{Millis, UnixMillis};

/// Witnesses of a death, if there are so many members.
pub const WITNESSES: usize = 3;
/// Deaths belong together while no more lies between them.
pub const SETTLE: Millis = Millis(5_000);
/// But an incident is told after this at the latest, as far as it goes then.
pub const SETTLE_MAX: Millis = Millis(20_000);
/// A member that is asked has so long to look.
pub const ASK_TIMEOUT: Millis = Millis(4_000);
/// Members that are asked of one death before those that do not answer count as not there.
const ASKED_MAX: usize = 8;
/// Deaths of one incident that are witnessed.
const WITNESSED_MAX: usize = 12;
/// After somebody reached a dead member, others are asked again.
const AGAIN: Millis = Millis(10_000);
/// Who was alive for so long is known to live: after a start the membership shows members that it remembers and
/// that may be long dead.
pub const PROOF: Millis = Millis(10_000);
/// How long a death is remembered in case its messenger dies.
pub const OPEN: Millis = Millis(120_000);

/// What the membership says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// What it is doing.
    pub life: Life,
    /// Since when.
    pub since: UnixMillis,
}

/// Whether a member lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It answers.
    Lives,
    /// It may be there.
    Suspect,
    /// It does not answer.
    Lost,
    /// It said good-bye.
    Left,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Input {
    /// Every member but this one, as they are now.
    Members(Vec<Seen>),
    /// What a member that was asked says; `None` if it says nothing.
    Heard {
        /// Of whom it was asked.
        about: NodeId,
        /// Who.
        from: NodeId,
        /// Whether it reached that one.
        reached: Option<bool>,
    },
    /// Nothing; time passed.
    Time,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask a member to look for another one; the answer is an [`Input::Heard`].
    Ask {
        /// For whom.
        about: NodeId,
        /// Whom.
        whom: NodeId,
    },
    /// Tell that a member is lost.
    Tell(Death),
    /// A member is not lost, or no longer: whoever told that it is tells this.
    Lives(NodeId, NodeName),
}

/// A member that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Who.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Since when, by this node's clock.
    pub since: UnixMillis,
    /// Who does not reach it, this node aside.
    pub witnesses: Vec<NodeName>,
}

/// What is known of a member.
#[derive(Clone, Debug)]
struct Known {
    seen: Seen,
    /// Since when it answers without a doubt.
    lives: Option<Millis>,
    /// Whether it did for long enough: only who lived can die.
    is_proved: bool,
}

/// A death that is not told yet, or not for long.
#[derive(Clone, Debug)]
struct Open {
    death: Death,
    began: Millis,
    asked: BTreeMap<NodeId, Millis>,
    silent: BTreeSet<NodeId>,
    witnesses: BTreeSet<NodeId>,
    /// Somebody reached it: nobody is asked before this.
    not_before: Millis,
    told: bool,
}

/// The deaths that one node knows of.
#[derive(Debug)]
pub struct Deaths {
    own: NodeId,
    members: BTreeMap<NodeId, Known>,
    open: BTreeMap<NodeId, Open>,
    outputs: VecDeque<Output>,
}

impl Deaths {
    /// Of node `own`, which knows nobody yet.
    pub const fn new(own: NodeId) -> Self {
        Self { own, members: BTreeMap::new(), open: BTreeMap::new(), outputs: VecDeque::new() }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::Members(members) => self.on_members(now, members),
            Input::Heard { about, from, reached } => self.on_heard(now, about, from, reached),
            Input::Time => {}
        }
        self.prove(now);
        self.open.retain(|_, open| now.since(open.began) < OPEN || open.is_doubted());
        if self.tells() && self.settled().is_some_and(|settled| settled <= now) {
            self.ask(now);
            self.tell(now);
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Time`] has something to do, at the latest.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let unproved = self.members.values().filter(|known| !known.is_proved);
        let proofs = unproved.filter_map(|known| Some(known.lives? + PROOF));
        proofs.chain(self.next_telling()).min()
    }

    fn next_telling(&self) -> Option<Millis> {
        let waits = || self.open.values().filter(|open| !open.told);
        let settled = self.settled().filter(|_| self.tells())?;
        let answered = waits().flat_map(|open| open.asked.values()).map(|asked| *asked + ASK_TIMEOUT).min();
        let next = || waits().map(|open| open.not_before).min().map(|next| settled.max(next));
        answered.or_else(next)
    }

    /// A member that is lost when it is seen first, as after a start, is no death: somebody else told it.
    fn on_members(&mut self, now: Millis, members: Vec<Seen>) {
        let gone: Vec<NodeId> = {
            let there: BTreeSet<NodeId> = members.iter().map(|seen| seen.id).collect();
            self.members.keys().filter(|id| !there.contains(*id)).copied().collect()
        };
        for id in gone {
            self.open.remove(&id);
            if let Some(known) = self.members.remove(&id) {
                self.outputs.push_back(Output::Lives(id, known.seen.name));
            }
        }
        for seen in members {
            self.on_member(now, seen);
        }
    }

    fn on_member(&mut self, now: Millis, seen: Seen) {
        let new = || Known { seen: seen.clone(), lives: None, is_proved: false };
        let known = self.members.entry(seen.id).or_insert_with(new);
        known.seen = seen.clone();
        match seen.life {
            Life::Lives => {
                known.lives.get_or_insert(now);
                self.open.remove(&seen.id);
            }
            Life::Suspect if known.is_proved => {}
            Life::Suspect => known.lives = None,
            Life::Lost | Life::Left => {
                known.lives = None;
                let lived = std::mem::take(&mut known.is_proved);
                if seen.life == Life::Left {
                    self.open.remove(&seen.id);
                    self.outputs.push_back(Output::Lives(seen.id, seen.name));
                } else if lived {
                    self.open.insert(seen.id, Open::new(now, seen));
                }
            }
        }
    }

    /// Whoever answered for long enough lives, whatever was told of it.
    fn prove(&mut self, now: Millis) {
        for (id, known) in &mut self.members {
            if !known.is_proved && known.lives.is_some_and(|since| since + PROOF <= now) {
                known.is_proved = true;
                self.outputs.push_back(Output::Lives(*id, known.seen.name.clone()));
            }
        }
    }

    fn on_heard(&mut self, now: Millis, about: NodeId, from: NodeId, reached: Option<bool>) {
        let Some(open) = self.open.get_mut(&about) else { return };
        if open.asked.remove(&from).is_none() {
            return;
        }
        match reached {
            Some(false) => drop(open.witnesses.insert(from)),
            None => drop(open.silent.insert(from)),
            Some(true) => {
                open.witnesses.clear();
                open.silent.clear();
                open.not_before = now + AGAIN;
            }
        }
    }

    fn living(&self) -> impl Iterator<Item = NodeId> {
        let is_there = |known: &&Known| matches!(known.seen.life, Life::Lives | Life::Suspect);
        self.members.values().filter(is_there).map(|known| known.seen.id)
    }

    /// Whether this node is the one of all that live that tells.
    fn tells(&self) -> bool {
        let own = weight(&self.own);
        self.living().all(|other| weight(&other) < own)
    }

    /// When the incident of what is not told has settled.
    fn settled(&self) -> Option<Millis> {
        let began = || self.open.values().filter(|open| !open.told).map(|open| open.began);
        Some((began().max()? + SETTLE).min(began().min()? + SETTLE_MAX))
    }

    /// Asks as many as are wanting, those with the greatest hash of the pair first.
    fn ask(&mut self, now: Millis) {
        let living: Vec<NodeId> = self.living().collect();
        let waits = self.open.iter_mut().filter(|(_, open)| !open.told && open.not_before <= now);
        for (about, open) in waits.take(WITNESSED_MAX) {
            let late: Vec<NodeId> = open
                .asked
                .iter()
                .filter(|(_, asked)| **asked + ASK_TIMEOUT <= now)
                .map(|(id, _)| *id)
                .collect();
            for id in late {
                open.asked.remove(&id);
                open.silent.insert(id);
            }
            let wanting = (WITNESSES - 1).saturating_sub(open.witnesses.len() + open.asked.len());
            let room = ASKED_MAX.saturating_sub(open.silent.len());
            let mut others: Vec<NodeId> = living.iter().filter(|id| open.may_ask(id)).copied().collect();
            others.sort_by_cached_key(|id| std::cmp::Reverse(weight_of(about, id)));
            for whom in others.into_iter().take(wanting.min(room)) {
                open.asked.insert(whom, now);
                self.outputs.push_back(Output::Ask { about: *about, whom });
            }
        }
    }

    /// Tells what is witnessed, once nothing is left that somebody still looks for.
    fn tell(&mut self, now: Millis) {
        let waits = |open: &&Open| !open.told && open.not_before <= now;
        if self.open.values().filter(waits).any(|open| !open.asked.is_empty()) {
            return;
        }
        let names = &self.members;
        let due = self.open.values_mut().filter(|open| !open.told && open.not_before <= now);
        for open in due {
            open.told = true;
            let name = |id: &NodeId| names.get(id).map(|known| known.seen.name.clone());
            open.death.witnesses = open.witnesses.iter().filter_map(name).collect();
            self.outputs.push_back(Output::Tell(open.death.clone()));
        }
    }
}

impl Open {
    fn new(now: Millis, seen: Seen) -> Self {
        let Seen { id, name, since, .. } = seen;
        Self {
            death: Death { id, name, since, witnesses: Vec::new() },
            began: now,
            asked: BTreeMap::new(),
            silent: BTreeSet::new(),
            witnesses: BTreeSet::new(),
            not_before: Millis::ZERO,
            told: false,
        }
    }

    /// Whether somebody reached it: it is neither told nor forgotten.
    fn is_doubted(&self) -> bool {
        !self.told && self.not_before > Millis::ZERO
    }

    fn may_ask(&self, id: &NodeId) -> bool {
        !self.asked.contains_key(id) && !self.silent.contains(id) && !self.witnesses.contains(id)
    }
}

/// Of all that live the one with the greatest tells.
fn weight(id: &NodeId) -> [u8; 32] {
    *blake3::hash(&[b"p2p-admin/deaths/v1".as_slice(), id.as_bytes()].concat()).as_bytes()
}

fn weight_of(about: &NodeId, id: &NodeId) -> [u8; 32] {
    *blake3::hash(&[about.as_bytes().as_slice(), id.as_bytes()].concat()).as_bytes()
}

#[cfg(test)]
mod tests;
