//! Asking peers: the queries under way, and the requests that belong to them.
//!
//! Commands, replies and failures enter; requests and results leave. A request that the driver never
//! settles is given up here, so that nothing waits for ever.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::bucket::{Entry, Evidence};
use super::input::QueryId;
use super::key::Key;
use super::lookup::Lookup;
use super::message::{Contact, Record, Refusal, Reply, Request, RequestId};
use super::output::{Offence, Outcome, Output, QueryStats};
use super::query::{Ending, Goal, Origin, Query, Reading, Step, Writing};
use super::store;
use super::trace::Question;
use super::{Dht, K, QUERIES_MAX, QUEUE_MAX};

/// The driver settles a request long before. This only guards against one that was forgotten.
pub const REQUEST_DEADLINE: Millis = Millis::from_secs(10);

/// Names a query under way, in the order in which they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u64);

/// A request that is not settled.
#[derive(Clone, Debug)]
pub struct Pending {
    to: Contact,
    sent_at: Millis,
    purpose: Purpose,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A question of a lookup.
    Question(Slot),
    /// A record offered by a write.
    Offer(Slot),
    /// To see whether a contact lives.
    Probe,
    /// A record sent to a replica that has none or an old one.
    Repair,
}

/// A query of the caller that waits for its turn.
#[derive(Clone, Debug)]
pub struct Waiting {
    query: QueryId,
    asked_at: Millis,
    target: Key,
    goal: Goal,
    /// Whether what it asks is to be kept.
    traced: bool,
}

impl Dht {
    pub(super) fn join(&mut self, now: Millis, query: QueryId, contacts: Vec<Contact>) {
        self.upkeep.on_join(now, &mut self.rng);
        let target = self.own.into();
        let seeds = self.seeds(target).into_iter().chain(contacts.into_iter().take(K));
        let lookup = Lookup::new(target, target, seeds);
        self.start(now, Query::new(now, Origin::Caller(query), Goal::Join, lookup));
    }

    pub(super) fn find_node(&mut self, now: Millis, query: QueryId, target: Key) {
        self.enqueue(Waiting { query, asked_at: now, target, goal: Goal::Nodes, traced: false });
    }

    pub(super) fn get(&mut self, now: Millis, query: QueryId, key: Key) {
        let goal = self.reading(now, key);
        self.enqueue(Waiting { query, asked_at: now, target: key, goal, traced: false });
    }

    pub(super) fn trace(&mut self, now: Millis, query: QueryId, key: Key) {
        let goal = self.reading(now, key);
        self.enqueue(Waiting { query, asked_at: now, target: key, goal, traced: true });
    }

    fn reading(&self, now: Millis, key: Key) -> Goal {
        Goal::Read(Reading::new(self.record(now, key).cloned()))
    }

    pub(super) fn put(&mut self, now: Millis, query: QueryId, record: Record) {
        let fit = if record.publisher == self.own {
            self.keep(now, record.clone())
        } else {
            store::check(self.wall(now), &record)
        };
        if let Err(refusal) = fit {
            return self.report(query, Outcome::Unfit(refusal), QueryStats::default(), Vec::new());
        }
        let target = record.key;
        let goal = Goal::Write(Writing::new(record));
        self.enqueue(Waiting { query, asked_at: now, target, goal, traced: false });
    }

    pub(super) fn cancel(&mut self, query: QueryId) {
        self.waiting.retain(|waiting| waiting.query != query);
        self.queries.retain(|_, running| running.origin() != Origin::Caller(query));
    }

    /// Starts a query of the core itself.
    pub(super) fn start_upkeep(&mut self, now: Millis, target: Key, goal: Goal) {
        let query = self.query(now, target, Origin::Upkeep, goal);
        self.start(now, query);
    }

    pub(super) fn on_reply(&mut self, now: Millis, from: NodeId, request: RequestId, message: Reply) {
        match self.pending.get(&request) {
            None => return,
            Some(pending) if pending.to.id != from => return self.strike(from, Offence::NotAsked),
            Some(_) => {}
        }
        let Some(Pending { to, purpose, .. }) = self.pending.remove(&request) else { return };
        self.heard(now, to.clone(), Evidence::Answered);
        match purpose {
            Purpose::Question(slot) => self.on_answer(now, slot, &to, message),
            Purpose::Offer(slot) => self.on_offer_settled(now, slot, from, message),
            Purpose::Probe if message != Reply::Pong => self.strike(from, Offence::WrongKind),
            Purpose::Probe | Purpose::Repair => {}
        }
    }

    pub(super) fn on_failed(&mut self, now: Millis, request: RequestId) {
        let Some(pending) = self.pending.remove(&request) else { return };
        self.counters.requests_failed += 1;
        let peer = pending.to.id;
        self.missed(now, peer);
        match pending.purpose {
            Purpose::Question(slot) => self.update(now, slot, |query| query.on_no_answer(now, peer)),
            Purpose::Offer(slot) => self.update(now, slot, Query::on_offer_lost),
            Purpose::Probe | Purpose::Repair => {}
        }
    }

    /// When the oldest request is given up.
    pub(super) fn request_deadline(&self) -> Option<Millis> {
        self.pending.first_key_value().map(|(_, pending)| pending.sent_at + REQUEST_DEADLINE)
    }

    /// Gives up requests that are too old, and wakes the queries whose time has come.
    pub(super) fn ask_on_time(&mut self, now: Millis) {
        while let Some((&request, pending)) = self.pending.first_key_value()
            && pending.sent_at + REQUEST_DEADLINE <= now
        {
            self.on_failed(now, request);
        }
        let woken = self.queries.iter().filter(|(_, query)| query.wake_at() <= now);
        for slot in woken.map(|(slot, _)| *slot).collect::<Vec<_>>() {
            self.advance(now, slot);
        }
    }

    pub(super) fn send(&mut self, now: Millis, to: Contact, message: Request, purpose: Purpose) {
        let request = self.next_request;
        self.next_request = RequestId(request.0 + 1);
        self.counters.requests_sent += 1;
        self.pending.insert(request, Pending { to: to.clone(), sent_at: now, purpose });
        self.outputs.push_back(Output::Request { to, request, message });
    }

    fn enqueue(&mut self, waiting: Waiting) {
        if self.waiting.len() >= QUEUE_MAX {
            return self.report(waiting.query, Outcome::Busy, QueryStats::default(), Vec::new());
        }
        self.waiting.push_back(waiting);
    }

    /// Starts queries of the caller as far as there is room.
    pub(super) fn start_waiting(&mut self, now: Millis) {
        while self.callers_queries() < QUERIES_MAX
            && let Some(Waiting { query, asked_at, target, goal, traced }) = self.waiting.pop_front()
        {
            self.upkeep.on_lookup(now, Key::from(self.own).distance(target).bucket(), &mut self.rng);
            let query = self.query(now, target, Origin::Caller(query), goal);
            let query = if traced { query.traced() } else { query };
            self.start(now, query.asked_at(asked_at));
        }
    }

    fn callers_queries(&self) -> usize {
        self.queries.len() - self.upkeep_queries()
    }

    /// How many queries of the core itself are under way.
    pub(super) fn upkeep_queries(&self) -> usize {
        self.queries.values().filter(|query| query.origin() == Origin::Upkeep).count()
    }

    /// Whom to ask first: contacts that answer, or anybody if there are none.
    fn seeds(&self, target: Key) -> Vec<Contact> {
        let mut closest = self.table.closest(target, K, |entry| !entry.is_suspect());
        if closest.is_empty() {
            closest = self.table.closest(target, K, |_: &Entry| true);
        }
        closest.into_iter().map(|entry| entry.contact.clone()).collect()
    }

    fn query(&self, now: Millis, target: Key, origin: Origin, goal: Goal) -> Query {
        let lookup = Lookup::new(self.own.into(), target, self.seeds(target));
        let lookup = match goal {
            Goal::Read(_) | Goal::Write(_) => lookup.with_witnesses(),
            Goal::Join | Goal::Nodes => lookup,
        };
        Query::new(now, origin, goal, lookup)
    }

    fn start(&mut self, now: Millis, query: Query) {
        let slot = self.next_slot;
        self.next_slot = Slot(slot.0 + 1);
        self.queries.insert(slot, query);
        self.advance(now, slot);
    }

    fn update(&mut self, now: Millis, slot: Slot, change: impl FnOnce(&mut Query)) {
        if let Some(query) = self.queries.get_mut(&slot) {
            change(query);
            self.advance(now, slot);
        }
    }

    fn advance(&mut self, now: Millis, slot: Slot) {
        while let Some(query) = self.queries.get_mut(&slot) {
            match query.poll(now) {
                Step::Ask(to, message) => {
                    let to = self.with_known_addresses(to);
                    self.send(now, to, message, Purpose::Question(slot));
                }
                Step::Offer(to, record) => self.send(now, to, Request::Store(record), Purpose::Offer(slot)),
                Step::KeepHere(record) => self.keep_here(now, slot, record),
                Step::Wait => return,
                Step::Done => self.finish(now, slot),
            }
        }
    }

    /// Addresses that we know ourselves go before those that a peer named.
    fn with_known_addresses(&self, contact: Contact) -> Contact {
        match self.table.get(contact.id) {
            Some(known) => {
                let addresses = known.contact.addresses.before(&contact.addresses);
                Contact { id: contact.id, addresses }
            }
            None => contact,
        }
    }

    fn keep_here(&mut self, now: Millis, slot: Slot, record: Record) {
        let kept = self.keep(now, record);
        if let Some(query) = self.queries.get_mut(&slot) {
            match kept {
                Ok(()) => query.on_kept_here(),
                Err(refusal) => query.on_refused(refusal),
            }
        }
    }

    fn on_answer(&mut self, now: Millis, slot: Slot, from: &Contact, message: Reply) {
        let wall = self.wall(now);
        let Some(query) = self.queries.get_mut(&slot) else { return };
        let offence = match message {
            Reply::Nodes(contacts) => {
                let too_many = contacts.len() > K;
                query.on_nodes(now, from, first(contacts));
                too_many.then_some(Offence::TooManyContacts)
            }
            Reply::Value { record, closest } if is_answer(query, &record) => {
                let too_many = closest.len() > K;
                match store::check(wall, &record) {
                    Ok(()) => query.on_value(now, from, record, first(closest)),
                    Err(_) => query.on_nodes(now, from, first(closest)),
                }
                too_many.then_some(Offence::TooManyContacts)
            }
            Reply::Value { .. } => {
                query.on_no_answer(now, from.id);
                Some(Offence::BadRecord)
            }
            Reply::Refused(_) => {
                query.on_no_answer(now, from.id);
                None
            }
            Reply::Pong | Reply::Stored => {
                query.on_no_answer(now, from.id);
                Some(Offence::WrongKind)
            }
        };
        if let Some(offence) = offence {
            self.strike(from.id, offence);
        }
        self.advance(now, slot);
    }

    fn on_offer_settled(&mut self, now: Millis, slot: Slot, from: NodeId, message: Reply) {
        match message {
            Reply::Stored => self.update(now, slot, Query::on_kept),
            Reply::Refused(refusal) => self.update(now, slot, |query| query.on_refused(refusal)),
            Reply::Pong | Reply::Nodes(_) | Reply::Value { .. } => {
                self.strike(from, Offence::WrongKind);
                self.update(now, slot, |query| query.on_refused(Refusal::Unknown));
            }
        }
    }

    fn finish(&mut self, now: Millis, slot: Slot) {
        let Some(query) = self.queries.remove(&slot) else { return };
        self.upkeep_after(now, &query);
        let Ending { origin, outcome, stats, questions, repairs } = query.end(now);
        if let Outcome::Found { record, .. } = &outcome {
            self.repair(now, record, repairs);
        }
        if let Origin::Caller(id) = origin {
            self.report(id, outcome, stats, questions);
        }
    }

    fn repair(&mut self, now: Millis, record: &Record, lacking: Vec<Contact>) {
        for contact in lacking {
            self.counters.repairs += 1;
            self.send(now, contact, Request::Store(record.clone()), Purpose::Repair);
        }
    }

    fn report(&mut self, query: QueryId, outcome: Outcome, stats: QueryStats, questions: Vec<Question>) {
        self.outputs.push_back(Output::Finished { query, outcome, stats, questions });
    }
}

/// A read must be answered with a record of the key it asked for; anything else asked for no record.
fn is_answer(query: &Query, record: &Record) -> bool {
    matches!(query.goal(), Goal::Read(_)) && record.key == query.target()
}

fn first(mut contacts: Vec<Contact>) -> Vec<Contact> {
    contacts.truncate(K);
    contacts
}
