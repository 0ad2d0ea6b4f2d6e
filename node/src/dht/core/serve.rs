//! Answering peers.
//!
//! A request of an authenticated peer enters; exactly one reply leaves. It must never hand on a contact that
//! was not verified, nor keep a record that others are closer to.

use p2p_shared::time::Millis;

use super::bucket::{Entry, Evidence};
use super::input::ReplyToken;
use super::key::Key;
use super::limits::Charge;
use super::message::{Contact, Record, Refusal, Reply, Request};
use super::output::Output;
use super::store::Kept;
use super::{Dht, K};

impl Dht {
    pub(super) fn on_request(&mut self, now: Millis, from: Contact, token: ReplyToken, message: Request) {
        let to = from.id;
        let charge = if matches!(message, Request::Store(_)) { Charge::Store } else { Charge::Find };
        let reply = if self.limits.allow(now, to, charge) {
            self.counters.requests_served += 1;
            self.answer(now, &from, message)
        } else {
            self.counters.requests_limited += 1;
            Reply::Refused(Refusal::RateLimited)
        };
        self.outputs.push_back(Output::Reply { to, token, message: reply });
        self.heard(now, from, Evidence::Asked);
    }

    fn answer(&mut self, now: Millis, from: &Contact, message: Request) -> Reply {
        match message {
            Request::Ping => Reply::Pong,
            Request::FindNode { target } => Reply::Nodes(self.contacts_for(from, target)),
            Request::FindValue { key } => {
                let closest = self.contacts_for(from, key);
                match self.store.get(self.wall(now), key) {
                    Some(record) => Reply::Value { record: record.clone(), closest },
                    None => Reply::Nodes(closest),
                }
            }
            Request::Store(record) => self.keep_for_peer(now, record),
        }
    }

    fn contacts_for(&self, asker: &Contact, target: Key) -> Vec<Contact> {
        let wanted = |entry: &Entry| entry.is_good() && entry.contact.id != asker.id;
        self.table.closest(target, K, wanted).into_iter().map(|entry| entry.contact.clone()).collect()
    }

    fn keep_for_peer(&mut self, now: Millis, record: Record) -> Reply {
        if !self.table.is_responsible(record.key) {
            return Reply::Refused(Refusal::NotResponsible);
        }
        match self.keep(now, record) {
            Ok(()) => Reply::Stored,
            Err(refusal) => Reply::Refused(refusal),
        }
    }

    /// Keeps a record here and reports what changed.
    pub(super) fn keep(&mut self, now: Millis, record: Record) -> Result<(), Refusal> {
        let due_at = self.next_publish(now, &record);
        let (kept, evicted) = self.store.insert(self.wall(now), due_at, record.clone())?;
        self.outputs.extend(evicted.map(Output::Removed));
        if kept == Kept::Changed {
            self.outputs.push_back(Output::Stored(record));
        }
        Ok(())
    }
}
