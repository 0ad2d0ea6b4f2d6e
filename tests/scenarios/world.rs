//! A network of DHT cores: one heap of events, seeded latency and loss.
//!
//! It plays the driver: it carries requests and replies, reports the ones that were lost when the driver
//! would (2 s), re-arms timers after every input, and routes by address, so that a core which mixed up
//! contacts would be noticed. Lost packets are sent again after a while, as QUIC does.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;

use p2p_node::dht::core::input::{Command, Input, QueryId, ReplyToken};
use p2p_node::dht::core::key::Key;
use p2p_node::dht::core::message::{Contact, Record, Reply, Request, RequestId};
use p2p_node::dht::core::output::{Outcome, Output, QueryStats};
use p2p_node::dht::core::{Config, Dht};
use p2p_shared::id::NodeId;
use p2p_shared::rng::Rng;
use p2p_shared::time::{Millis, UnixMillis};

/// When the driver gives a request up.
const REQUEST_TIMEOUT: Millis = Millis(2_000);
/// The pause before a lost packet is sent again; it doubles.
const RESEND_AFTER: Millis = Millis(200);
/// The wall clock at the beginning of the world.
const UNIX_ZERO: UnixMillis = UnixMillis(1_800_000_000_000);
const PEER_TIMEOUT: Millis = Millis::from_secs(120);

/// What the world is like.
#[derive(Clone, Debug)]
pub struct Settings {
    pub latency_ms: std::ops::Range<u64>,
    /// Packets lost, of a thousand, each way.
    pub loss_permille: u64,
    /// How often a lost packet is sent again.
    pub resends: u32,
}

/// How a node behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Honest,
    /// It answers nothing, nor asks.
    Dead,
    /// It takes requests and never answers.
    Silent,
    /// It names only its accomplices, and claims to keep what it throws away.
    Colluding,
}

/// A query that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    pub outcome: Outcome,
    pub stats: QueryStats,
}

#[derive(Clone)]
pub struct World {
    pub settings: Settings,
    pub now: Millis,
    pub rng: Rng,
    pub nodes: Vec<Node>,
    pub finished: BTreeMap<QueryId, Finished>,
    pub requests: u64,
    pub isolated: u64,
    seed: u64,
    events: BinaryHeap<Event>,
    next_event: u64,
    next_query: u64,
    open_replies: BTreeMap<ReplyToken, Sent>,
    trace: u64,
}

#[derive(Clone)]
pub struct Node {
    pub id: NodeId,
    pub contact: Contact,
    pub dht: Dht,
    pub nature: Nature,
    timer_at: Option<Millis>,
}

/// Who sent a request, and when.
#[derive(Clone, Copy, Debug)]
struct Sent {
    from: usize,
    request: RequestId,
    at: Millis,
}

#[derive(Clone, Debug)]
struct Event {
    at: Millis,
    number: u64,
    node: usize,
    what: Box<What>,
}

#[derive(Clone, Debug)]
enum What {
    Request(Sent, Request),
    Reply(NodeId, RequestId, Reply),
    Failed(RequestId),
    Command(Command),
    Timer,
}

impl Settings {
    pub fn calm() -> Self {
        Self { latency_ms: 5..40, loss_permille: 0, resends: 0 }
    }
}

impl World {
    pub fn new(settings: Settings) -> Self {
        let seed = std::env::var("P2P_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_123);
        Self::with_seed(settings, seed)
    }

    pub fn with_seed(settings: Settings, seed: u64) -> Self {
        println!("world of seed {seed}: run again with P2P_SEED={seed}");
        Self {
            settings,
            now: Millis::ZERO,
            rng: Rng::new(seed),
            nodes: Vec::new(),
            finished: BTreeMap::new(),
            requests: 0,
            isolated: 0,
            seed,
            events: BinaryHeap::new(),
            next_event: 0,
            next_query: 0,
            open_replies: BTreeMap::new(),
            trace: 0,
        }
    }

    /// Adds a node that knows nobody.
    pub fn add_node(&mut self) -> usize {
        let mut bytes = [0; 32];
        self.rng.fill(&mut bytes);
        let id = NodeId::new(bytes);
        let seed = self.rng.next_u64();
        let config = Config { own: id, seed, unix_zero: UNIX_ZERO, peer_timeout: PEER_TIMEOUT };
        let contact = Contact::new(id, [address(self.nodes.len())]);
        self.nodes.push(Node { id, contact, dht: Dht::new(config), nature: Nature::Honest, timer_at: None });
        self.nodes.len() - 1
    }

    /// Adds `count` nodes, one every `pause`, each joining through one that was there before, and lets
    /// them settle.
    pub fn grow(&mut self, count: usize, pause: Millis) {
        let start = self.now;
        for number in 0..count {
            let node = self.add_node();
            if node > 0 {
                let entry = self.rng.below(node as u64) as usize;
                let at = Millis(start.0 + pause.0 * number as u64);
                self.join_at(at, node, entry);
            }
        }
        self.run_for(Millis(pause.0 * count as u64 + 8_000));
    }

    pub fn join_at(&mut self, at: Millis, node: usize, entry: usize) -> QueryId {
        let query = self.query();
        let command = Command::Join { query, contacts: vec![self.contact(entry)] };
        self.schedule(at, node, What::Command(command));
        query
    }

    /// Gives a command at once.
    pub fn command(&mut self, node: usize, command: Command) {
        self.schedule(self.now, node, What::Command(command));
    }

    pub fn query(&mut self) -> QueryId {
        self.next_query += 1;
        QueryId(self.next_query)
    }

    /// A query made of a fresh id.
    pub fn ask(&mut self, node: usize, command: impl FnOnce(QueryId) -> Command) -> QueryId {
        let query = self.query();
        self.command(node, command(query));
        query
    }

    /// A record of `node`, valid for a day.
    pub fn record(&self, node: usize, key: Key, seq: u64) -> Record {
        let expires = UNIX_ZERO.plus(self.now).plus(Millis::from_secs(24 * 3_600));
        let publisher = self.nodes[node].id;
        Record { key, publisher, seq, expires, value: format!("{seq} of {publisher}").into_bytes() }
    }

    pub fn random_key(&mut self) -> Key {
        let mut bytes = [0; 32];
        self.rng.fill(&mut bytes);
        Key::from(bytes)
    }

    /// A random honest node.
    pub fn anybody(&mut self) -> usize {
        loop {
            let node = self.rng.below(self.nodes.len() as u64) as usize;
            if self.nodes[node].nature == Nature::Honest {
                return node;
            }
        }
    }

    /// Gives `count` random honest nodes another nature.
    pub fn turn(&mut self, count: usize, nature: Nature) {
        for _ in 0..count {
            let node = self.anybody();
            self.nodes[node].nature = nature;
        }
    }

    /// The nodes other than `but` that are closest to `target`, by brute force over all that live.
    pub fn true_closest(&self, target: Key, but: usize, count: usize) -> Vec<NodeId> {
        let others = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(index, node)| *index != but && node.nature != Nature::Dead);
        let mut ids: Vec<_> = others.map(|(_, node)| (target.distance(node.id.into()), node.id)).collect();
        ids.sort_unstable();
        ids.into_iter().take(count).map(|(_, id)| id).collect()
    }

    pub fn run_for(&mut self, span: Millis) {
        let end = self.now + span;
        while self.events.peek().is_some_and(|event| event.at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Runs until all of `queries` have ended, and takes their results in that order.
    pub fn results(&mut self, queries: &[QueryId]) -> Vec<Finished> {
        let deadline = self.now + Millis::from_secs(120);
        while queries.iter().any(|query| !self.finished.contains_key(query)) {
            assert!(
                self.now < deadline && !self.events.is_empty(),
                "a query never ends (seed {})",
                self.seed
            );
            for _ in 0..64 {
                self.step();
            }
        }
        queries.iter().map(|query| self.finished.remove(query).expect("awaited above")).collect()
    }

    /// A number that two worlds share only if the same happened in both, in the same order.
    pub const fn trace(&self) -> u64 {
        self.trace
    }

    pub fn contact(&self, node: usize) -> Contact {
        self.nodes[node].contact.clone()
    }

    fn step(&mut self) {
        let Some(Event { at, node, what, .. }) = self.events.pop() else { return };
        let what = *what;
        self.now = self.now.max(at);
        if self.nodes[node].nature == Nature::Dead {
            return self.on_dead(node, what);
        }
        let input = match what {
            What::Request(sent, message) => match self.nodes[node].nature {
                Nature::Silent => return self.fail(sent),
                Nature::Colluding => return self.collude(node, sent, &message),
                Nature::Honest | Nature::Dead => self.incoming(sent, message),
            },
            What::Reply(from, request, message) => Input::Reply { from, request, message },
            What::Failed(request) => Input::Failed(request),
            What::Command(command) => Input::Command(command),
            What::Timer => match self.timer_input(node) {
                Some(input) => input,
                None => return self.arm(node),
            },
        };
        self.nodes[node].dht.handle(at, input);
        self.drain(node);
        self.arm(node);
    }

    fn on_dead(&mut self, node: usize, what: What) {
        match what {
            What::Request(sent, _) => self.fail(sent),
            What::Timer => self.nodes[node].timer_at = None,
            What::Reply(..) | What::Failed(_) | What::Command(_) => {}
        }
    }

    fn incoming(&mut self, sent: Sent, message: Request) -> Input {
        let token = ReplyToken(self.next_event);
        self.open_replies.insert(token, sent);
        Input::Request { from: self.contact(sent.from), token, message }
    }

    fn timer_input(&mut self, node: usize) -> Option<Input> {
        let node = &mut self.nodes[node];
        if node.timer_at.is_some_and(|at| at <= self.now) {
            node.timer_at = None;
        }
        node.dht.poll_timeout().filter(|at| *at <= self.now).map(|_| Input::Timer)
    }

    /// As a driver must: after every input, not only after those that sent something.
    fn arm(&mut self, node: usize) {
        let Some(at) = self.nodes[node].dht.poll_timeout() else { return };
        let at = at.max(self.now);
        if self.nodes[node].timer_at.is_none_or(|armed| at < armed) {
            self.nodes[node].timer_at = Some(at);
            self.schedule(at, node, What::Timer);
        }
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].dht.poll_output() {
            match output {
                Output::Request { to, request, message } => self.send(node, &to, request, message),
                Output::Reply { token, message, .. } => {
                    let sent = self.open_replies.remove(&token).expect("one reply a request");
                    self.reply(node, sent, message);
                }
                Output::Finished { query, outcome, stats, .. } => {
                    self.mix(query.0 ^ u64::from(stats.messages) << 32);
                    self.finished.insert(query, Finished { outcome, stats });
                }
                Output::Isolated => self.isolated += 1,
                Output::Stored(_)
                | Output::Removed(_)
                | Output::Verified(_)
                | Output::Lost(_)
                | Output::Strike { .. } => {}
            }
        }
    }

    fn send(&mut self, from: usize, to: &Contact, request: RequestId, message: Request) {
        self.requests += 1;
        self.mix((from as u64) << 40 ^ request.0);
        let sent = Sent { from, request, at: self.now };
        let there = to.addresses.as_slice().iter().map(node_at).find(|node| self.nodes[*node].id == to.id);
        match (there, self.flight()) {
            (Some(node), Some(flight)) => {
                self.schedule(self.now + flight, node, What::Request(sent, message))
            }
            _ => self.fail(sent),
        }
    }

    fn reply(&mut self, from: usize, sent: Sent, message: Reply) {
        let arrives = self.flight().map(|flight| self.now + flight);
        match arrives.filter(|at| at.since(sent.at) < REQUEST_TIMEOUT) {
            Some(at) => {
                let id = self.nodes[from].id;
                self.schedule(at, sent.from, What::Reply(id, sent.request, message));
            }
            None => self.fail(sent),
        }
    }

    fn fail(&mut self, sent: Sent) {
        let at = (sent.at + REQUEST_TIMEOUT).max(self.now);
        self.schedule(at, sent.from, What::Failed(sent.request));
    }

    fn collude(&mut self, node: usize, sent: Sent, message: &Request) {
        let accomplices = |target: Key| {
            let others = self.nodes.iter().enumerate().filter(|(_, other)| other.nature == Nature::Colluding);
            let mut near: Vec<_> =
                others.map(|(index, other)| (target.distance(other.id.into()), index)).collect();
            near.sort_unstable();
            near.into_iter().take(20).map(|(_, index)| self.contact(index)).collect()
        };
        let reply = match message {
            Request::Ping => Reply::Pong,
            Request::Store(_) => Reply::Stored,
            Request::FindNode { target } => Reply::Nodes(accomplices(*target)),
            Request::FindValue { key } => Reply::Nodes(accomplices(*key)),
        };
        self.reply(node, sent, reply);
    }

    /// How long a message takes, with what is lost on the way sent again; `None` if it never arrives.
    fn flight(&mut self) -> Option<Millis> {
        let latency = &self.settings.latency_ms;
        let mut flight = latency.start + self.rng.below(latency.end - latency.start);
        for attempt in 0..=self.settings.resends {
            if self.settings.loss_permille == 0 || self.rng.below(1_000) >= self.settings.loss_permille {
                return Some(Millis(flight));
            }
            flight += RESEND_AFTER.0 << attempt;
        }
        None
    }

    fn schedule(&mut self, at: Millis, node: usize, what: What) {
        self.next_event += 1;
        self.events.push(Event { at, number: self.next_event, node, what: Box::new(what) });
    }

    fn mix(&mut self, word: u64) {
        self.trace = (self.trace ^ word ^ self.now.0 << 20).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
    }
}

fn address(node: usize) -> SocketAddr {
    let [_, a, b, c] = (node as u32).to_be_bytes();
    SocketAddr::from(([10, a, b, c], 5678))
}

fn node_at(address: &SocketAddr) -> usize {
    let SocketAddr::V4(address) = address else { panic!("all addresses here are IPv4") };
    let [_, a, b, c] = address.ip().octets();
    u32::from_be_bytes([0, a, b, c]) as usize
}

/// The earliest is the greatest, as the heap wants it; of two at once the one scheduled first.
impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}
