//! Kademlia as a plain state machine.
//!
//! [`Input`]s enter by [`Dht::handle`], [`Output`]s leave by [`Dht::poll_output`]. There is no clock, no
//! socket, no task and no randomness of its own in here: time is an argument, the seed too, and addresses
//! are passed on without being looked at. After *every* input the driver calls `poll_output` until there is
//! nothing, then [`Dht::poll_timeout`], and arms its timer with that; a driver that re-arms only when
//! something was sent lets lookups stall.
//!
//! What it holds is bounded, whatever peers send: contacts by `K` a bucket, records by
//! [`RECORDS_MAX`], queries by [`QUERIES_MAX`] and [`QUEUE_MAX`], questions a query, and what a peer
//! may ask a second by `limits`. It must never believe a message about its sender, and never hands on a
//! contact that has not answered us.

mod ask;
pub mod bucket;
pub mod input;
pub mod key;
mod limits;
mod lookup;
pub mod message;
pub mod output;
mod query;
mod serve;
mod store;
mod table;
pub mod trace;
mod upkeep;

use std::collections::{BTreeMap, VecDeque};

use p2p_shared::id::NodeId;
use p2p_shared::rng::Rng;
use p2p_shared::time::{Millis, UnixMillis};

use self::ask::{Pending, Slot, Waiting};
use self::bucket::{Change, Entry, Evidence};
use self::input::{Command, Input, Opened};
use self::key::Key;
use self::limits::Limits;
use self::message::{Contact, Record, RequestId};
use self::output::{Offence, Output};
use self::query::Query;
use self::store::Store;
use self::table::Table;
use self::upkeep::Upkeep;

/// Contacts of a bucket, replicas of a record, contacts of an answer.
pub const K: usize = 20;
/// Questions of a lookup under way at once.
pub const ALPHA: usize = 3;
/// Queries of the caller under way at once.
pub const QUERIES_MAX: usize = 64;
/// Queries of the caller that wait for their turn; beyond, they end as busy.
pub const QUEUE_MAX: usize = 256;

/// Records held, our own and those of others.
pub const RECORDS_MAX: usize = 10_000;
/// Bytes of the value of a record: a leaf certificate of some 600, a payload and a signature.
pub const VALUE_BYTES_MAX: usize = 4_096;
/// A record that claims to be true for longer is refused: clamping would break its signature.
pub const EXPIRY_MAX: Millis = Millis::from_secs(48 * 3_600);

/// What a node decides about its table.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are.
    pub own: NodeId,
    /// Fixes every random choice: targets of refreshes and jitter, nothing that must be secret.
    pub seed: u64,
    /// What the wall clock showed when the clock of the core was at zero.
    pub unix_zero: UnixMillis,
    /// A contact silent for so long is dropped, if others are heard.
    pub peer_timeout: Millis,
}

/// The distributed hash table of one node.
#[derive(Clone, Debug)]
pub struct Dht {
    own: NodeId,
    unix_zero: UnixMillis,
    rng: Rng,
    table: Table,
    store: Store,
    limits: Limits,
    upkeep: Upkeep,
    queries: BTreeMap<Slot, Query>,
    waiting: VecDeque<Waiting>,
    next_slot: Slot,
    pending: BTreeMap<RequestId, Pending>,
    next_request: RequestId,
    outputs: VecDeque<Output>,
    isolated: bool,
    timeout: Option<Millis>,
    counters: Counters,
}

/// What happened since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests sent.
    pub requests_sent: u64,
    /// Requests of ours that were not answered.
    pub requests_failed: u64,
    /// Requests of peers answered.
    pub requests_served: u64,
    /// Requests of peers refused because they came too fast.
    pub requests_limited: u64,
    /// Records sent to replicas that had none or an old one.
    pub repairs: u64,
    /// Offences of peers.
    pub strikes: u64,
    /// Publishers seen to sign two records with one sequence.
    pub conflicts: u64,
}

impl Dht {
    /// A node that knows nobody.
    pub fn new(config: Config) -> Self {
        Self {
            own: config.own,
            unix_zero: config.unix_zero,
            rng: Rng::new(config.seed),
            table: Table::new(config.own.into(), config.peer_timeout),
            store: Store::new(config.own, RECORDS_MAX),
            limits: Limits::default(),
            upkeep: Upkeep::default(),
            queries: BTreeMap::new(),
            waiting: VecDeque::new(),
            next_slot: Slot::default(),
            pending: BTreeMap::new(),
            next_request: RequestId(0),
            outputs: VecDeque::new(),
            isolated: true,
            timeout: None,
            counters: Counters::default(),
        }
    }

    /// Takes note of what happened at `now`, which never goes back.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::Request { from, token, message } => self.on_request(now, from, token, message),
            Input::Reply { from, request, message } => self.on_reply(now, from, request, message),
            Input::Failed(request) => self.on_failed(now, request),
            Input::Connected { peer, opened } => self.on_connected(now, peer, opened),
            Input::Disconnected(peer) => self.table.set_connected(now, peer, false),
            Input::Timer => {}
            Input::WallClock(unix) => self.unix_zero = UnixMillis(unix.0.saturating_sub(now.0)),
            Input::Command(command) => self.on_command(now, command),
        }
        if self.timeout.is_some_and(|at| at <= now) {
            self.on_time(now);
        }
        self.start_waiting(now);
        self.timeout = self.next_timeout();
    }

    /// The next thing to do or to know; to be called until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timer`] is due. A time that has passed means at once.
    pub const fn poll_timeout(&self) -> Option<Millis> {
        self.timeout
    }

    /// The routing table, far contacts first.
    pub fn contacts(&self) -> impl Iterator<Item = &Entry> {
        self.table.entries()
    }

    /// Contacts that wait to take the place of one that fails.
    pub fn spares(&self) -> impl Iterator<Item = &Entry> {
        self.table.spares()
    }

    /// The record held here at `key`, unless it has expired.
    pub fn record(&self, now: Millis, key: Key) -> Option<&Record> {
        self.store.get(self.wall(now), key)
    }

    /// How many records are held here.
    pub fn record_count(&self) -> usize {
        self.store.count()
    }

    /// What happened since the start.
    pub const fn counters(&self) -> Counters {
        Counters { conflicts: self.store.conflicts(), ..self.counters }
    }

    fn next_timeout(&self) -> Option<Millis> {
        let queries = self.queries.values().map(Query::wake_at).min();
        let probe = Some(self.table.probe_from()).filter(|at| *at < Millis::MAX);
        [queries, probe, self.request_deadline(), self.upkeep_at()].into_iter().flatten().min()
    }

    fn on_command(&mut self, now: Millis, command: Command) {
        match command {
            Command::Join { query, contacts } => self.join(now, query, contacts),
            Command::FindNode { query, target } => self.find_node(now, query, target),
            Command::Get { query, key } => self.get(now, query, key),
            Command::Trace { query, key } => self.trace(now, query, key),
            Command::Put { query, record } => self.put(now, query, record),
            Command::Cancel(query) => self.cancel(query),
            Command::Withdraw(key) => self.withdraw(now, key),
            Command::Restore(records) => self.restore(now, records),
            Command::Forget(node) => self.forget(now, node),
        }
    }

    fn on_connected(&mut self, now: Millis, peer: Contact, opened: Opened) {
        let id = peer.id;
        let evidence = match opened {
            Opened::ByUs => Evidence::Answered,
            Opened::ByPeer => Evidence::Asked,
        };
        self.heard(now, peer, evidence);
        self.table.set_connected(now, id, true);
    }

    fn heard(&mut self, now: Millis, peer: Contact, evidence: Evidence) {
        let changes = self.table.heard(now, peer, evidence, &mut self.rng);
        if evidence == Evidence::Answered && self.isolated {
            self.isolated = false;
            self.upkeep.look_around(now, &mut self.rng);
        }
        self.note(changes);
    }

    fn missed(&mut self, now: Millis, peer: NodeId) {
        let changes = self.table.missed(now, peer);
        self.note(changes);
        self.check_isolation();
    }

    fn forget(&mut self, now: Millis, node: NodeId) {
        let changes = self.table.forget(now, node);
        self.note(changes);
        self.check_isolation();
        for key in self.store.keys_of(node) {
            self.drop_record(key);
        }
    }

    fn check_isolation(&mut self) {
        if !self.isolated && !self.table.has_good() {
            self.isolated = true;
            self.upkeep.on_isolation();
            self.outputs.push_back(Output::Isolated);
        }
    }

    fn note(&mut self, changes: Vec<Change>) {
        self.outputs.extend(changes.into_iter().map(|change| match change {
            Change::Verified(contact) => Output::Verified(contact),
            Change::Lost(node) => Output::Lost(node),
        }));
    }

    fn drop_record(&mut self, key: Key) {
        if self.store.remove(key).is_some() {
            self.outputs.push_back(Output::Removed(key));
        }
    }

    fn strike(&mut self, peer: NodeId, offence: Offence) {
        self.counters.strikes += 1;
        self.outputs.push_back(Output::Strike { peer, offence });
    }

    const fn wall(&self, now: Millis) -> UnixMillis {
        self.unix_zero.plus(now)
    }
}

#[cfg(test)]
mod tests;
