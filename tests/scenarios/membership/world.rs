//! A world of directories: one heap of events, a wire that delays and loses, nodes that stop and restart.
//!
//! The same seed gives the same history. A lost request or reply is a request that fails at its timeout,
//! which is far worse than QUIC: that sends again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use p2p_node::membership::core::Membership;
use p2p_node::membership::core::config::Config;
use p2p_node::membership::core::directory::State;
use p2p_node::membership::core::io::{Adoption, Input, Output, Received, ReplyToken, RequestId, Start};
use p2p_node::membership::core::message::{Body, MESSAGE_BYTES_MAX, Message};
use p2p_node::membership::core::record::{Facts, SharedFacts, SharedRevoked, SignedFacts, VerifiedFacts};
use p2p_shared::id::NodeId;
use p2p_shared::rng::Rng;
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{RevokedKey, RevokedList, RevokedReason, SignedRevoked};

/// A change of one node's opinion of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: Millis,
    pub observer: usize,
    pub subject: usize,
    pub state: Option<State>,
}

pub struct World {
    pub now: Millis,
    pub seed: u64,
    pub loss_percent: u64,
    /// Nodes of different sides do not reach each other.
    pub sides: Vec<usize>,
    pub changes: Vec<Change>,
    pub messages: u64,
    pub bytes: u64,
    pub twins: u64,
    pub forks: u64,
    /// When which node put which epoch in force.
    pub in_force: Vec<(Millis, usize, u64)>,
    rng: Rng,
    nodes: Vec<Machine>,
    heap: BinaryHeap<Reverse<(Millis, u64, Slot)>>,
    events: BTreeMap<u64, Event>,
    counter: u64,
    facts: BTreeMap<Vec<u8>, SharedFacts>,
    lists: BTreeMap<Vec<u8>, SharedRevoked>,
}

type Slot = usize;

struct Machine {
    id: NodeId,
    core: Option<Membership>,
    /// Raised by each start: what was on its way to an earlier run is not delivered.
    run: u32,
    sequence: u64,
    stopped_until: Millis,
    armed: Option<Millis>,
    parted: bool,
    stored: BTreeMap<NodeId, SharedFacts>,
    revoked: Option<SharedRevoked>,
}

enum Event {
    Timer,
    Request { from: usize, run: u32, request: RequestId, message: Message },
    Notice { from: usize, message: Message },
    Reply { from: usize, run: u32, request: RequestId, message: Message },
    Failed { run: u32, request: RequestId },
    Signed { run: u32, above: u64, left: bool },
    Connected { peer: usize },
}

impl Machine {
    fn new(rng: &mut Rng) -> Self {
        let mut bytes = [0; 32];
        rng.fill(&mut bytes);
        Self {
            id: NodeId::new(bytes),
            core: None,
            run: 0,
            sequence: 0,
            stopped_until: Millis::ZERO,
            armed: None,
            parted: false,
            stored: BTreeMap::new(),
            revoked: None,
        }
    }
}

impl World {
    pub fn new(count: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let nodes = (0..count).map(|_| Machine::new(&mut rng)).collect();
        Self {
            now: Millis::from_secs(1_000),
            seed,
            loss_percent: 0,
            sides: vec![0; count],
            changes: Vec::new(),
            messages: 0,
            bytes: 0,
            twins: 0,
            forks: 0,
            in_force: Vec::new(),
            lists: BTreeMap::new(),
            nodes,
            rng,
            heap: BinaryHeap::new(),
            events: BTreeMap::new(),
            counter: 0,
            facts: BTreeMap::new(),
        }
    }

    /// A world in which everybody knows everybody.
    pub fn settled(count: usize, seed: u64) -> Self {
        let mut world = Self::new(count, seed);
        for node in 0..count {
            world.start(node);
            if node > 0 {
                world.connect(node, 0);
            }
        }
        world.run_for(Millis(5_000));
        for observer in 0..count {
            assert!(world.all(observer, State::Alive), "seed {seed}: {observer} does not know everybody");
        }
        world.changes.clear();
        world
    }

    /// A machine on which nothing runs yet.
    pub fn add_node(&mut self) {
        let machine = Machine::new(&mut self.rng);
        self.nodes.push(machine);
        self.sides.push(0);
    }

    /// Starts a node with what its store remembers.
    pub fn start(&mut self, node: usize) {
        let own = self.sign(node, 0, false);
        let known: Vec<SharedFacts> = self.nodes[node].stored.values().cloned().collect();
        let revoked = self.nodes[node].revoked.clone();
        let seed = self.rng.next_u64();
        let machine = &mut self.nodes[node];
        machine.run += 1;
        machine.parted = false;
        machine.armed = None;
        machine.core = Some(Membership::new(Start {
            config: Config::default(),
            seed,
            now: self.now,
            own,
            known,
            revoked,
        }));
        self.settle(node);
    }

    /// The process is gone, without a word.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].core = None;
    }

    /// The process gets no processor for `span`; everything for it waits.
    pub fn stop(&mut self, node: usize, span: Millis) {
        self.nodes[node].stopped_until = self.now + span;
    }

    /// The store of a node is gone.
    pub fn wipe(&mut self, node: usize) {
        self.nodes[node].sequence = 0;
        self.nodes[node].stored.clear();
    }

    pub fn connect(&mut self, node: usize, peer: usize) {
        self.put(self.now + Millis(2), node, Event::Connected { peer });
        self.put(self.now + Millis(2), peer, Event::Connected { peer: node });
    }

    /// The node says good-bye; the test kills it when it has parted.
    pub fn leave(&mut self, node: usize) {
        let run = self.nodes[node].run;
        self.put(self.now + Millis(1), node, Event::Signed { run, above: 0, left: true });
    }

    pub fn forget(&mut self, node: usize, subject: usize) -> bool {
        let (now, id) = (self.now, self.id(subject));
        let done = self.nodes[node].core.as_mut().is_some_and(|core| core.forget(now, &id).is_ok());
        self.settle(node);
        done
    }

    /// Hands a list to one node, as `ca.sh revoke --push` does. `mark` tells two lists of one epoch apart.
    pub fn revoke(&mut self, node: usize, epoch: u64, subjects: &[usize], mark: u8) -> Adoption {
        let revoked = |&subject: &usize| RevokedKey {
            id: self.id(subject),
            at: UnixMillis(self.now.0),
            reason: RevokedReason::KeyCompromise,
        };
        let mut keys: Vec<RevokedKey> = subjects.iter().map(revoked).collect();
        keys.sort_by_key(|key| key.id);
        let mesh = "prod".parse().expect("a name");
        let list = RevokedList { mesh, epoch, issued: UnixMillis(self.now.0), previous: [0; 32], keys };
        let bytes = format!("list {epoch} {mark} {subjects:?}").into_bytes();
        let digest = [mark; 32];
        let list = self.lists.entry(bytes.clone()).or_insert(Arc::new(SignedRevoked { list, bytes, digest }));
        let (list, now) = (list.clone(), self.now);
        let core = self.nodes[node].core.as_mut().expect("a running node");
        let adoption = core.adopt_revoked(now, list);
        self.settle(node);
        adoption
    }

    /// The epoch in force on a running node.
    pub fn epoch(&self, node: usize) -> u64 {
        self.core(node).revoked().map_or(0, |signed| signed.list.epoch)
    }

    pub fn has_parted(&self, node: usize) -> bool {
        self.nodes[node].parted
    }

    pub fn id(&self, node: usize) -> NodeId {
        self.nodes[node].id
    }

    pub fn core(&self, node: usize) -> &Membership {
        self.nodes[node].core.as_ref().expect("a running node")
    }

    /// What a running node thinks of another; `None` if it is not in the directory.
    pub fn state(&self, observer: usize, subject: usize) -> Option<State> {
        self.core(observer).member(&self.id(subject)).map(|member| member.state)
    }

    /// Whether this node thinks so of every node.
    pub fn all(&self, observer: usize, state: State) -> bool {
        (0..self.nodes.len()).all(|subject| self.state(observer, subject) == Some(state))
    }

    /// Whether every running node thinks so of `subject`, itself left out.
    pub fn agreed(&self, subject: usize, state: Option<State>) -> bool {
        let running = (0..self.nodes.len()).filter(|&node| self.nodes[node].core.is_some());
        running.filter(|&node| node != subject).all(|node| self.state(node, subject) == state)
    }

    /// Whether these nodes think so of `subject`.
    pub fn agreed_among(&self, mut nodes: impl Iterator<Item = usize>, subject: usize, state: State) -> bool {
        nodes.all(|node| self.state(node, subject) == Some(state))
    }

    /// Whether none of these nodes knows `subject`.
    pub fn agreed_none(&self, nodes: &[usize], subject: usize) -> bool {
        nodes.iter().all(|&node| self.state(node, subject).is_none())
    }

    pub fn run_for(&mut self, span: Millis) {
        let end = self.now + span;
        self.run_until(end, |_| false);
    }

    /// Runs until `done` or the end; the time that passed if it is done.
    pub fn run_until(&mut self, end: Millis, done: impl Fn(&Self) -> bool) -> Option<Millis> {
        let began = self.now;
        let mut looked_at = usize::MAX;
        loop {
            // Looking at all opinions after every event would be most of the work.
            if self.changes.len() != looked_at && done(self) {
                return Some(self.now.since(began));
            }
            looked_at = self.changes.len();
            match self.heap.peek() {
                Some(Reverse((at, _, _))) if *at <= end => self.step(),
                _ => {
                    self.now = end;
                    return None;
                }
            }
        }
    }

    /// The first time within `span` that `done` holds, or a failure that names the seed.
    pub fn expect_within(&mut self, span: Millis, what: &str, done: impl Fn(&Self) -> bool) -> Millis {
        let (end, seed) = (self.now + span, self.seed);
        self.run_until(end, done).unwrap_or_else(|| panic!("seed {seed}: not within {span:?}: {what}"))
    }

    fn step(&mut self) {
        let Some(Reverse((at, key, node))) = self.heap.pop() else { return };
        self.now = at;
        let Some(event) = self.events.remove(&key) else { return };
        let machine = &mut self.nodes[node];
        if machine.core.is_none() {
            return;
        }
        if machine.stopped_until > at {
            let until = machine.stopped_until;
            self.put(until, node, event);
            return;
        }
        if let Some(input) = self.input(node, event) {
            let now = self.now;
            if let Some(core) = self.nodes[node].core.as_mut() {
                core.handle(now, input);
            }
        }
        self.settle(node);
    }

    fn input(&mut self, node: usize, event: Event) -> Option<Input> {
        let run = self.nodes[node].run;
        Some(match event {
            Event::Timer if self.nodes[node].armed.is_some_and(|armed| armed <= self.now) => {
                self.nodes[node].armed = None;
                Input::Timer
            }
            Event::Timer => return None,
            Event::Request { from, run, request, message } => Input::Request {
                from: self.id(from),
                token: ReplyToken((from as u64) << 48 | u64::from(run) << 36 | request.0),
                received: self.receive(node, message),
            },
            Event::Notice { from, message } => {
                Input::Notice { from: self.id(from), received: self.receive(node, message) }
            }
            Event::Reply { from, run: of, request, message } if of == run => {
                Input::Reply { from: self.id(from), request, received: self.receive(node, message) }
            }
            Event::Failed { run: of, request } if of == run => Input::Failed(request),
            Event::Signed { run: of, above, left } if of == run => {
                Input::OwnFacts(self.sign(node, above, left))
            }
            Event::Connected { peer } => Input::Connected(self.id(peer)),
            Event::Reply { .. } | Event::Failed { .. } | Event::Signed { .. } => return None,
        })
    }

    /// What the driver does: verify what is not known.
    fn receive(&self, node: usize, message: Message) -> Received {
        let core = self.core(node);
        let news = message.gossip.facts.iter().filter(|signed| !core.knows(signed));
        let facts = news.filter_map(|signed| self.facts.get(&signed.payload).cloned()).collect();
        let revoked = match &message.body {
            Body::Revoked { list } => self.lists.get(list).cloned(),
            _ => None,
        };
        Received { message, facts, revoked }
    }

    /// Carries out the outputs of a node and arms its timer.
    fn settle(&mut self, node: usize) {
        loop {
            let Some(core) = self.nodes[node].core.as_mut() else { return };
            let Some(output) = core.poll_output() else { break };
            self.carry_out(node, output);
        }
        let Some(due) = self.nodes[node].core.as_ref().and_then(Membership::poll_timeout) else { return };
        let due = due.max(self.now);
        if self.nodes[node].armed.is_none_or(|armed| due < armed) {
            self.nodes[node].armed = Some(due);
            self.put(due, node, Event::Timer);
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) {
        let run = self.nodes[node].run;
        match output {
            Output::Request { to, request, message, timeout } => {
                self.put(self.now + timeout, node, Event::Failed { run, request });
                self.send(node, to, Event::Request { from: node, run, request, message });
            }
            Output::Notice { to, message } => self.send(node, to, Event::Notice { from: node, message }),
            Output::Reply { to, token, message } => {
                let run = (token.0 >> 36 & 0xfff) as u32;
                let request = RequestId(token.0 & ((1 << 36) - 1));
                self.send(node, to, Event::Reply { from: node, run, request, message });
            }
            Output::Resign { above } => {
                self.put(self.now + Millis(5), node, Event::Signed { run, above, left: false });
            }
            Output::Changed(id) => self.note(node, id),
            Output::Forgotten(id) => {
                self.nodes[node].stored.remove(&id);
                self.note(node, id);
            }
            Output::Persist(facts) => {
                self.nodes[node].stored.insert(facts.id, facts);
            }
            Output::Twin => self.twins += 1,
            Output::Revoked(list) => {
                let before = self.nodes[node].revoked.as_ref().map_or(0, |old| old.list.epoch);
                assert!(list.list.epoch > before, "seed {}: node {node} rolled back", self.seed);
                self.in_force.push((self.now, node, list.list.epoch));
                self.nodes[node].revoked = Some(list);
            }
            Output::RevokedFork(_) => self.forks += 1,
            Output::Parted => {
                self.nodes[node].parted = true;
                self.note(node, self.id(node));
            }
        }
    }

    fn note(&mut self, observer: usize, id: NodeId) {
        let subject = self.index(id).expect("a node of this world");
        let state = self.core(observer).member(&id).map(|member| member.state);
        self.changes.push(Change { at: self.now, observer, subject, state });
    }

    fn index(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|machine| machine.id == id)
    }

    fn send(&mut self, from: usize, to: NodeId, event: Event) {
        let (Event::Request { message, .. } | Event::Notice { message, .. } | Event::Reply { message, .. }) =
            &event
        else {
            return;
        };
        self.messages += 1;
        let size = size_bytes(message);
        assert!(size < MESSAGE_BYTES_MAX as u64, "seed {}: a message of {size} bytes", self.seed);
        self.bytes += size;
        let latency = Millis(1 + self.rng.below(4));
        let is_lost = self.rng.below(100) < self.loss_percent;
        if let Some(to) = self.index(to)
            && !is_lost
            && self.sides[from] == self.sides[to]
        {
            self.put(self.now + latency, to, event);
        }
    }

    fn put(&mut self, at: Millis, node: usize, event: Event) {
        self.counter += 1;
        self.heap.push(Reverse((at, self.counter, node)));
        self.events.insert(self.counter, event);
    }

    fn sign(&mut self, node: usize, above: u64, left: bool) -> SharedFacts {
        let machine = &mut self.nodes[node];
        machine.sequence = machine.sequence.max(above) + 1;
        let (id, sequence) = (machine.id, machine.sequence);
        let name = format!("node-{node}").parse().expect("a name");
        let facts = Facts {
            name,
            addresses: vec![([127, 0, 0, 1], 4_000 + node as u16).into()],
            labels: Vec::new(),
            version: "0.1.0".into(),
            started: UnixMillis(self.now.0),
            expires: None,
            sequence,
            left,
            http: None,
        };
        let mut payload = format!("{id} {sequence} {left} {}", self.now.0).into_bytes();
        payload.resize(200, b' ');
        let mut signature = [sequence.to_le_bytes(), self.now.0.to_le_bytes()].concat();
        signature.extend_from_slice(id.as_bytes());
        let signed = SignedFacts { certificate: vec![0; 450], payload: payload.clone(), signature };
        let facts = Arc::new(VerifiedFacts { id, facts, signed });
        self.facts.insert(payload, facts.clone());
        facts
    }
}

/// About what a message takes: encoding each one would be most of the work of a world.
fn size_bytes(message: &Message) -> u64 {
    let gossip = &message.gossip;
    let facts: usize = gossip.facts.iter().map(SignedFacts::size_bytes).sum();
    let entries = match &message.body {
        Body::Page { entries, .. } => entries.len(),
        Body::Want { ids } => ids.len(),
        Body::Revoked { list } => list.len(),
        _ => 0,
    };
    (16 + facts + 80 * (gossip.claims.len() + gossip.forgotten.len()) + 42 * entries) as u64
}
