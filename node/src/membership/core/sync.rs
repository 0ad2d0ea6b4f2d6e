//! Comparing directories, so that what news missed is found: pages of ids, sequences and losses.
//!
//! Pages of a peer enter; what it lacks leaves as notices, what this node lacks as requests. A directory
//! whose fingerprint is equal is not compared.

use std::collections::BTreeMap;

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::config::SYNC_PEERS;
use super::directory::State;
use super::io::{Output, ReplyToken};
use super::limits::Favour;
use super::message::{
    Body, CLAIM_BYTES, Claim, Doubt, Entry, Gossip, NEWS_BYTES_MAX, PAGE_ENTRIES, View, WANTED_MAX,
    facts_bytes,
};
use super::{Membership, Purpose, REPLY_TIMEOUT};

/// Messages of facts that one page is answered with; the rest waits for the next comparison.
const OWED_MESSAGES_MAX: usize = 8;

/// What a peer lacks, cut into messages.
#[derive(Default)]
struct Owed {
    messages: Vec<Gossip>,
}

impl Owed {
    fn last(&mut self, size: usize) -> Option<&mut Gossip> {
        let has_room = self.messages.last().is_some_and(|last| last.size_bytes() + size <= NEWS_BYTES_MAX);
        if !has_room {
            if self.messages.len() >= OWED_MESSAGES_MAX {
                return None;
            }
            self.messages.push(Gossip::default());
        }
        self.messages.last_mut()
    }
}

impl Membership {
    /// Compares this directory with a peer's.
    pub(super) fn begin_sync(&mut self, peer: NodeId) {
        if self.limits.allow(self.now, peer, Favour::Sync) {
            self.ask(peer, Body::Digest { after: None }, Purpose::Digest { after: None }, REPLY_TIMEOUT);
        }
    }

    /// Now and then with some whose directory, as far as seen, is another one.
    pub(super) fn sync_some(&mut self) {
        if self.now < self.sync_at {
            return;
        }
        let every = self.config.sync_every.0;
        self.sync_at = self.now + Millis(every - every / 10 + self.rng.below(every / 5 + 1));
        let ours = self.directory.fingerprint();
        let equal = self.directory.iter().filter(|(_, member)| member.fingerprint == Some(ours));
        let equal: Vec<NodeId> = equal.map(|(id, _)| *id).collect();
        for peer in self.some_present(SYNC_PEERS, &equal) {
            self.begin_sync(peer);
        }
    }

    pub(super) fn on_digest(&mut self, from: NodeId, token: ReplyToken, after: Option<NodeId>, view: View) {
        if after.is_none() && view.fingerprint == self.directory.fingerprint() {
            self.reply(from, token, Body::Taken);
            return;
        }
        if self.limited(from, Favour::Page) {
            self.reply(from, token, Body::Busy);
            return;
        }
        let entries = self.directory.behind(after).take(PAGE_ENTRIES).map(|(id, member)| Entry {
            id: *id,
            sequence: member.sequence(),
            lost: member.state == State::Lost,
        });
        let entries: Vec<Entry> = entries.collect();
        let more = self.directory.behind(after).nth(PAGE_ENTRIES).is_some();
        let message = self.message(from, Body::Page { entries, more }, 0);
        self.outputs.push_back(Output::Reply { to: from, token, message });
    }

    pub(super) fn on_equal(&mut self) {
        self.synced = true;
        let unsure = self.directory.iter().filter(|(_, member)| member.restored && member.is_present());
        for id in unsure.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.confirm_restored(&id);
        }
    }

    pub(super) fn on_page(&mut self, from: NodeId, after: Option<NodeId>, entries: &[Entry], more: bool) {
        let in_order = entries.windows(2).all(|pair| pair[0].id < pair[1].id);
        let behind = entries.first().is_none_or(|first| after.is_none_or(|after| after < first.id));
        let last = entries.last().map(|entry| entry.id);
        if !in_order || !behind || entries.len() > PAGE_ENTRIES || (more && last.is_none()) {
            self.counts.refused += 1;
            return;
        }
        self.synced = true;
        let end = last.filter(|_| more);
        self.settle_debts(from, after, end, entries);
        self.compare(from, entries);
        if more {
            self.ask(from, Body::Digest { after: last }, Purpose::Digest { after: last }, REPLY_TIMEOUT);
        }
    }

    /// Sends what the peer lacks, or has in an older state, between `after` and `end`.
    fn settle_debts(&mut self, to: NodeId, after: Option<NodeId>, end: Option<NodeId>, entries: &[Entry]) {
        let theirs: BTreeMap<NodeId, &Entry> = entries.iter().map(|entry| (entry.id, entry)).collect();
        let mut owed = Owed::default();
        for (id, member) in self.directory.behind(after) {
            if end.is_some_and(|end| *id > end) {
                break;
            }
            let entry = theirs.get(id);
            if entry.is_none_or(|entry| entry.sequence < member.sequence())
                && let Some(gossip) = owed.last(facts_bytes(&member.facts.signed))
            {
                gossip.facts.push(member.facts.signed.clone());
            }
            let unaware = entry.is_none_or(|entry| !entry.lost && entry.sequence <= member.sequence());
            if member.state == State::Lost
                && unaware
                && !member.restored
                && let Some(gossip) = owed.last(CLAIM_BYTES)
            {
                gossip.claims.push(self.loss_of(*id, member.sequence()));
            }
        }
        for entry in entries {
            if self.tombstones.covers(&entry.id, entry.sequence)
                && let Some(stone) = self.tombstones.of(&entry.id)
                && let Some(gossip) = owed.last(CLAIM_BYTES)
            {
                gossip.forgotten.push(stone);
            }
        }
        for gossip in owed.messages {
            self.notice_of(to, gossip);
        }
    }

    /// Takes what the peer's states say, and asks for facts that are missing here.
    fn compare(&mut self, from: NodeId, entries: &[Entry]) {
        let mut wanted = Vec::new();
        for entry in entries {
            let known = self.directory.get(&entry.id).map(|member| (member.sequence(), member.state));
            match known {
                Some((sequence, _)) if sequence > entry.sequence => {}
                Some((sequence, state)) if sequence == entry.sequence => {
                    self.compare_state(from, entry, state);
                }
                None if self.is_out(&entry.id) || self.tombstones.covers(&entry.id, entry.sequence) => {}
                _ => wanted.push(entry.id),
            }
        }
        self.want(from, wanted);
    }

    fn compare_state(&mut self, from: NodeId, entry: &Entry, state: State) {
        if entry.lost {
            let claim =
                Claim { subject: entry.id, sequence: entry.sequence, doubt: Doubt::Lost, accuser: from };
            self.on_claim(&claim, from, false);
            return;
        }
        self.confirm_restored(&entry.id);
        if state == State::Lost {
            // The peer sees it alive: try it at once.
            let now = self.now;
            self.directory.note(&entry.id, |member| member.retry_at = now);
        }
    }

    fn loss_of(&self, id: NodeId, sequence: u64) -> Claim {
        Claim { subject: id, sequence, doubt: Doubt::Lost, accuser: self.own }
    }

    /// Asks for facts; of many, in several requests one after the other.
    pub(super) fn want(&mut self, from: NodeId, ids: Vec<NodeId>) {
        if !ids.is_empty() && self.limits.allow(self.now, from, Favour::Ask) {
            self.ask_for(from, ids);
        }
    }

    fn ask_for(&mut self, from: NodeId, ids: Vec<NodeId>) {
        let now_wanted = ids.iter().take(WANTED_MAX).copied().collect();
        self.ask(from, Body::Want { ids: now_wanted }, Purpose::Want { ids }, REPLY_TIMEOUT);
    }

    pub(super) fn on_want(&mut self, from: NodeId, token: ReplyToken, ids: &[NodeId]) {
        if ids.len() > WANTED_MAX || self.limited(from, Favour::Want) {
            self.reply(from, token, Body::Busy);
            return;
        }
        let mut gossip = Gossip::default();
        for id in ids {
            let Some(member) = self.directory.get(id) else { continue };
            let size = facts_bytes(&member.facts.signed) + CLAIM_BYTES;
            if gossip.size_bytes() + size > NEWS_BYTES_MAX {
                break;
            }
            gossip.facts.push(member.facts.signed.clone());
            if member.state == State::Lost && !member.restored {
                gossip.claims.push(self.loss_of(*id, member.sequence()));
            }
        }
        self.reply_with(from, token, gossip);
    }

    /// Some facts came: asks for the rest as long as that helps.
    pub(super) fn on_wanted(&mut self, from: NodeId, ids: Vec<NodeId>) {
        let before = ids.len();
        let missing: Vec<NodeId> = ids.into_iter().filter(|id| self.directory.get(id).is_none()).collect();
        if !missing.is_empty() && missing.len() < before {
            self.ask_for(from, missing);
        }
    }
}
