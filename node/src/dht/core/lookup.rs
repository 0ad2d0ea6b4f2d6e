//! One iterative lookup: whom to ask next about a key, and when enough have answered.
//!
//! Contacts and answers enter; the next contact to ask leaves, and in the end the closest that live. It
//! asks nobody twice, keeps `ALPHA` questions under way, and ends whatever the answers say: what it holds
//! and whom it asks are bounded.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::key::{Distance, Key};
use super::message::Contact;
use super::{ALPHA, K};

/// A question older than this leaves its place among the `ALPHA` to another. Its answer still counts.
pub const SLOW_AFTER: Millis = Millis(500);
/// Questions under way at once, slow ones included.
const WAITING_MAX: usize = 3 * ALPHA;
/// Questions of one lookup: many times what an honest network needs.
const ASKED_MAX: u32 = 150;
/// Contacts of our own on whom a distrustful lookup relies.
const WITNESSES: usize = 8;
/// Questions that each of them leads to at least, itself included.
const TRAIL_MIN: u8 = 4;
/// Contacts remembered of what was learned.
const CANDIDATES_MAX: usize = 4 * K;

/// The state of one lookup.
#[derive(Clone, Debug)]
pub struct Lookup {
    own: Key,
    target: Key,
    /// Nearest first, each once.
    candidates: Vec<Candidate>,
    waiting: Vec<Waiting>,
    asked: u32,
    failed: u32,
    /// What was asked on the trail of each witness; none if they are not needed.
    trails: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Candidate {
    distance: Distance,
    contact: Contact,
    /// Answers that led to it: 0 if we knew it ourselves.
    hops: u32,
    /// Which of our witnesses are or named it, or those whom they named: a bit each.
    witnesses: u8,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Heard of, not asked.
    New,
    /// Asked not long ago.
    Asked,
    /// Asked so long ago that others are asked in its place.
    Slow,
    /// It answered.
    Answered,
    /// It did not answer, or not in a way that helps.
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    distance: Distance,
    slow_at: Millis,
    slow: bool,
}

impl Lookup {
    /// A lookup of `target` by the node `own`, beginning with contacts that we know ourselves.
    pub fn new(own: Key, target: Key, seeds: impl IntoIterator<Item = Contact>) -> Self {
        let mut lookup = Self {
            own,
            target,
            candidates: Vec::new(),
            waiting: Vec::new(),
            asked: 0,
            failed: 0,
            trails: Vec::new(),
        };
        for seed in seeds {
            lookup.learn(seed, 0, 0);
        }
        lookup
    }

    /// Follows what each of the closest contacts of our own says to its end, whatever closer ones others
    /// name. Without it a few colluding nodes that are asked first lead the whole lookup to none but theirs.
    #[must_use]
    pub fn with_witnesses(mut self) -> Self {
        for (number, candidate) in self.candidates.iter_mut().take(WITNESSES).enumerate() {
            candidate.witnesses = 1 << number;
        }
        self.trails = vec![0; WITNESSES];
        self
    }

    /// What is looked for.
    pub const fn target(&self) -> Key {
        self.target
    }

    /// Who looks.
    pub const fn own(&self) -> Key {
        self.own
    }

    /// The next contact to ask, if it is time to ask one. It counts as asked from now on.
    pub fn next(&mut self, now: Millis) -> Option<Contact> {
        self.mark_slow(now);
        let prompt = self.waiting.iter().filter(|waiting| !waiting.slow).count();
        if prompt >= ALPHA || self.waiting.len() >= WAITING_MAX || self.asked >= ASKED_MAX {
            return None;
        }
        let at = match self.next_in_window() {
            Some(at) => at,
            None => {
                let (at, trail) = self.next_witness()?;
                self.trails[trail] += 1;
                at
            }
        };
        let candidate = &mut self.candidates[at];
        candidate.state = State::Asked;
        self.asked += 1;
        self.waiting.push(Waiting { distance: candidate.distance, slow_at: now + SLOW_AFTER, slow: false });
        Some(candidate.contact.clone())
    }

    /// Takes note that `peer` answered, naming `contacts`. False if it was not asked or had answered.
    pub fn answered(&mut self, peer: NodeId, contacts: impl IntoIterator<Item = Contact>) -> bool {
        let Some(candidate) = self.settle(peer, State::Answered) else { return false };
        let (hops, witnesses) = (candidate.hops + 1, candidate.witnesses);
        for contact in contacts {
            self.learn(contact, hops, witnesses);
        }
        true
    }

    /// Takes note that `peer` will not answer.
    pub fn failed(&mut self, peer: NodeId) {
        if self.settle(peer, State::Failed).is_some() {
            self.failed += 1;
        }
    }

    /// Whether there is nobody left to ask: the `K` closest that live have answered, or all did who could.
    pub fn is_done(&self) -> bool {
        if self.waiting.is_empty() && self.asked >= ASKED_MAX {
            return true;
        }
        if !self.trails.is_empty() && (self.wake_at().is_some() || self.next_witness().is_some()) {
            return false;
        }
        let (mut answered, mut open) = (0, 0);
        for (_, candidate) in self.window() {
            if candidate.state == State::Answered { answered += 1 } else { open += 1 }
        }
        open == 0 && (answered >= K || self.waiting.is_empty())
    }

    /// When [`Lookup::next`] may have another contact although nothing was answered.
    pub fn wake_at(&self) -> Option<Millis> {
        self.waiting.iter().filter(|waiting| !waiting.slow).map(|waiting| waiting.slow_at).min()
    }

    /// The closest contacts that answered, nearest first, at most `K`.
    pub fn closest(&self) -> impl Iterator<Item = &Contact> {
        let answered = self.candidates.iter().filter(|candidate| candidate.state == State::Answered);
        answered.take(K).map(|candidate| &candidate.contact)
    }

    /// Questions asked.
    pub const fn asked(&self) -> u32 {
        self.asked
    }

    /// Questions that were not answered.
    pub const fn failures(&self) -> u32 {
        self.failed
    }

    /// How many answers led to the closest contact that lives.
    pub fn hops(&self) -> u32 {
        let closest = self.candidates.iter().find(|candidate| candidate.state == State::Answered);
        closest.map_or(0, |candidate| candidate.hops)
    }

    /// How many answers led to a contact: 0 if we knew it ourselves.
    pub fn hops_to(&self, peer: NodeId) -> u32 {
        let distance = self.target.distance(peer.into());
        let found = self.candidates.binary_search_by(|candidate| candidate.distance.cmp(&distance));
        found.map_or(0, |at| self.candidates[at].hops)
    }

    /// The `K` nearest on whom the lookup counts: neither failed nor slow.
    fn window(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.state.counts()).take(K)
    }

    fn next_in_window(&self) -> Option<usize> {
        self.window().find(|(_, candidate)| candidate.state == State::New).map(|(at, _)| at)
    }

    /// A contact to be asked although closer ones are known: the next on the trail of a witness. Each trail
    /// asks a few of its own, since those that others asked before may all be of one gang.
    fn next_witness(&self) -> Option<(usize, usize)> {
        self.trails.iter().enumerate().find_map(|(trail, asked)| {
            let on_trail = |candidate: &Candidate| candidate.is_on(trail) && candidate.state.counts();
            let named = self.candidates.iter().enumerate().filter(|(_, candidate)| on_trail(candidate));
            let allowed = if *asked < TRAIL_MIN { usize::MAX } else { K };
            let next = named.take(allowed).find(|(_, candidate)| candidate.state == State::New);
            next.map(|(at, _)| (at, trail))
        })
    }

    fn learn(&mut self, contact: Contact, hops: u32, witnesses: u8) {
        let distance = self.target.distance(contact.id.into());
        if distance == self.target.distance(self.own) || contact.addresses.is_empty() {
            return;
        }
        match self.candidates.binary_search_by(|candidate| candidate.distance.cmp(&distance)) {
            Ok(at) => {
                let known = &mut self.candidates[at];
                known.witnesses |= witnesses;
                if known.state == State::New {
                    known.contact.addresses = known.contact.addresses.before(&contact.addresses);
                }
            }
            Err(at) if at >= CANDIDATES_MAX => {}
            Err(at) => {
                self.candidates
                    .insert(at, Candidate { distance, contact, hops, witnesses, state: State::New });
                if self.candidates.len() > CANDIDATES_MAX {
                    self.drop_farthest();
                }
            }
        }
    }

    /// Of what was heard and not asked; what we know ourselves may be a witness.
    fn drop_farthest(&mut self) {
        let heard = |candidate: &Candidate| candidate.state == State::New && candidate.hops > 0;
        if let Some(at) = self.candidates.iter().rposition(heard) {
            self.candidates.remove(at);
        }
    }

    fn settle(&mut self, peer: NodeId, state: State) -> Option<&Candidate> {
        let distance = self.target.distance(peer.into());
        let at = self.waiting.iter().position(|waiting| waiting.distance == distance)?;
        self.waiting.swap_remove(at);
        let found = self.candidates.binary_search_by(|candidate| candidate.distance.cmp(&distance)).ok()?;
        let candidate = &mut self.candidates[found];
        candidate.state = state;
        Some(candidate)
    }

    fn mark_slow(&mut self, now: Millis) {
        let overdue = |waiting: &&mut Waiting| !waiting.slow && waiting.slow_at <= now;
        for waiting in self.waiting.iter_mut().filter(overdue) {
            waiting.slow = true;
            let found =
                self.candidates.binary_search_by(|candidate| candidate.distance.cmp(&waiting.distance));
            if let Some(candidate) = found.ok().and_then(|at| self.candidates.get_mut(at)) {
                candidate.state = State::Slow;
            }
        }
    }
}

impl Candidate {
    /// Whether it is on the trail of this witness.
    const fn is_on(&self, trail: usize) -> bool {
        self.witnesses >> trail & 1 == 1
    }
}

impl State {
    /// Whether the lookup counts on it as one of the `K` nearest.
    const fn counts(self) -> bool {
        matches!(self, Self::New | Self::Asked | Self::Answered)
    }
}

#[cfg(test)]
mod tests;
