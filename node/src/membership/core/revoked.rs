//! The list of revoked keys as it travels: pushed to everybody connected, and fetched by whoever hears of a
//! higher epoch, since every message names the sender's.
//!
//! Lists enter whose signatures are checked; the one with the highest epoch stays, and its keys leave the
//! directory. A lower epoch never comes back into force, whoever hands it over.

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::config::FAN_OUT;
use super::io::{Adoption, Input, Output, ReplyToken};
use super::limits::Favour;
use super::message::{Body, Gossip, Message, View};
use super::record::SharedRevoked;
use super::{Membership, Purpose, REPLY_TIMEOUT};

/// The list in force, and those who are told of a new one at once.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    list: Option<SharedRevoked>,
    /// Nodes with which a connection stands; the transport bounds them.
    connected: BTreeSet<NodeId>,
    /// The last list that was another one of our epoch: each is reported once.
    fork: Option<[u8; 32]>,
}

impl Revoked {
    pub(super) fn of(list: Option<SharedRevoked>) -> Self {
        Self { list, ..Self::default() }
    }

    /// Zero before the first list.
    pub(super) fn epoch(&self) -> u64 {
        self.list.as_ref().map_or(0, |signed| signed.list.epoch)
    }

    pub(super) fn covers(&self, id: &NodeId) -> bool {
        self.list.as_ref().is_some_and(|signed| signed.list.get(id).is_some())
    }
}

impl Membership {
    /// Takes in a list that the CA signed, from a person or a file; what came of it.
    pub fn adopt_revoked(&mut self, now: Millis, list: SharedRevoked) -> Adoption {
        self.advance(now);
        let adoption = self.on_revoked(list);
        self.due = self.next_due();
        adoption
    }

    /// The list in force.
    pub const fn revoked(&self) -> Option<&SharedRevoked> {
        self.revoked.list.as_ref()
    }

    pub(super) fn on_revoked(&mut self, list: SharedRevoked) -> Adoption {
        let ours = self.revoked.list.as_ref().map(|signed| (signed.list.epoch, signed.digest));
        match ours {
            Some((epoch, _)) if list.list.epoch < epoch => Adoption::Older,
            Some((epoch, digest)) if list.list.epoch == epoch && list.digest != digest => {
                if self.revoked.fork.replace(list.digest) != Some(list.digest) {
                    self.counts.forks += 1;
                    self.outputs.push_back(Output::RevokedFork(list));
                }
                Adoption::Fork
            }
            Some((epoch, _)) if list.list.epoch == epoch => Adoption::Known,
            _ => {
                self.put_in_force(list);
                Adoption::Adopted
            }
        }
    }

    fn put_in_force(&mut self, list: SharedRevoked) {
        self.revoked.list = Some(list.clone());
        let revoked = self.directory.iter().map(|(id, _)| *id).filter(|id| self.is_out(id));
        for id in revoked.collect::<Vec<_>>() {
            self.directory.remove(&id);
            self.suspects.remove(&id);
            self.probes.remove(&id);
            self.broadcast.drop_subject(id);
            self.outputs.push_back(Output::Forgotten(id));
        }
        self.outputs.push_back(Output::Revoked(list.clone()));
        let mut told: BTreeSet<NodeId> = self.revoked.connected.clone();
        told.extend(self.some_present(FAN_OUT, &[]));
        for to in told.into_iter().filter(|id| !self.revoked.covers(id)) {
            let body = Body::Revoked { list: list.bytes.clone() };
            let message = Message { view: self.view(), body, gossip: Gossip::default() };
            self.outputs.push_back(Output::Notice { to, message });
        }
    }

    /// A revoked key that is not this node's own: who is out keeps its own directory.
    pub(super) fn is_out(&self, id: &NodeId) -> bool {
        *id != self.own && self.revoked.covers(id)
    }

    /// Turns away what comes of a revoked key; `None` if nothing is left of it.
    pub(super) fn turn_away(&mut self, input: Input) -> Option<Input> {
        match &input {
            Input::Connected(id) => {
                self.revoked.connected.insert(*id);
                (!self.is_out(id)).then_some(input)
            }
            Input::Disconnected { id, .. } => {
                self.revoked.connected.remove(id);
                Some(input)
            }
            Input::Request { from, token, .. } if self.is_out(from) => {
                let (to, token): (NodeId, ReplyToken) = (*from, *token);
                let message = Message { view: self.view(), body: Body::Busy, gossip: Gossip::default() };
                self.outputs.push_back(Output::Reply { to, token, message });
                None
            }
            Input::Notice { from, .. } if self.is_out(from) => None,
            Input::Reply { from, request, .. } if self.is_out(from) => Some(Input::Failed(*request)),
            _ => Some(input),
        }
    }

    /// Fetches the list of a peer that names a higher epoch.
    pub(super) fn on_revoked_view(&mut self, from: NodeId, view: View) {
        if view.revoked > self.revoked.epoch() && self.limits.allow(self.now, from, Favour::Revoked) {
            self.ask(from, Body::WantRevoked, Purpose::WantRevoked, REPLY_TIMEOUT);
        }
    }

    pub(super) fn on_want_revoked(&mut self, from: NodeId, token: ReplyToken) {
        let list = self.revoked.list.as_ref().map(|signed| signed.bytes.clone());
        let body = match list {
            Some(_) if self.limited(from, Favour::RevokedList) => Body::Busy,
            Some(list) => Body::Revoked { list },
            None => Body::Taken,
        };
        let message = Message { view: self.view(), body, gossip: Gossip::default() };
        self.outputs.push_back(Output::Reply { to: from, token, message });
    }
}
