//! Between the core and the mesh: the one owner of the [`Membership`], as a task.
//!
//! Messages of members, connections and orders enter; messages leave through the transport, the directory
//! through a `watch`, facts to be kept and own facts to be published through bounded queues. Facts of others
//! are verified here, before the core sees them. Nothing else may touch the core.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::Target;
use p2p_shared::mesh::failure::{CloseCode, LinkError};
use p2p_shared::rpc::frame::StreamKind;
use p2p_shared::services::node::{Label, Member};
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::PeerIdentity;
use p2p_shared::witness::Statement;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::core::Membership;
use super::core::io::{Disconnect, Input, Output, Received, ReplyToken, RequestId, Start};
use super::core::message::{Body, Gossip, Message};
use super::core::record::{SharedFacts, SharedRevoked, SignedFacts};
use super::handle::{Directory, ForgetError, Order};
use super::revoked::Revocations;
use super::wire;
use crate::transport::{Inbound, LinkEvent, Transport, close_revoked};

/// Later than anything that the core waits for.
const IDLE: Duration = Duration::from_secs(3_600);
/// A notice that was not delivered by then is news no more.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a member has to keep a head and to countersign it.
const HAND_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a node that is revoked has to take the list that says so, before its connection is closed.
const LAST_WORD_TIMEOUT: Duration = Duration::from_millis(300);

/// What this node says of itself, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portrayal {
    /// Where it is reached, best first.
    pub addresses: Vec<SocketAddr>,
    /// Its labels, by key.
    pub labels: Vec<Label>,
    /// Whether it says good-bye.
    pub left: bool,
}

/// Signs what this node says of itself, with the next sequence above one; the sequence is durable first.
pub type Sign = Arc<dyn Fn(Portrayal, u64) -> BoxFuture<'static, Option<SharedFacts>> + Send + Sync>;

/// Verifies the facts of another member; `None` if they are not to be believed.
pub type Verify = Arc<dyn Fn(&SignedFacts) -> Option<SharedFacts> + Send + Sync>;

/// Judges and keeps the head of a member's audit record; the answer to it.
pub type Hold = Arc<dyn Fn(PeerIdentity, Statement) -> BoxFuture<'static, Body> + Send + Sync>;

/// What the driver found, for those who keep or publish it.
#[derive(Clone, Debug)]
pub enum MembershipEvent {
    /// Facts to keep over a restart.
    Persist(SharedFacts),
    /// A member was forgotten.
    Forgotten(NodeId),
}

/// Where the driver's inputs come from, and where its findings go.
pub struct Wiring {
    /// Sends messages.
    pub transport: Transport,
    /// Messages of members.
    pub inbound: mpsc::Receiver<Inbound>,
    /// Orders of this node.
    pub orders: mpsc::Receiver<Order>,
    /// Takes the directory.
    pub directory: watch::Sender<Directory>,
    /// Takes the own facts whenever they are signed anew.
    pub own: watch::Sender<SharedFacts>,
    /// Findings; one that does not fit is dropped: directories are compared again and again.
    pub findings: mpsc::Sender<MembershipEvent>,
    /// Signs.
    pub sign: Sign,
    /// Verifies.
    pub verify: Verify,
    /// Keeps heads of audit records.
    pub hold: Hold,
    /// Judges lists of revoked keys, and puts them in force.
    pub revocations: Arc<Revocations>,
    /// Ends the driver.
    pub stopping: CancellationToken,
}

enum Done {
    Asked(RequestId, NodeId, Option<Bytes>),
    Told,
    Held(ReplyToken, Body),
    Handed(NodeId, oneshot::Sender<Body>, Option<Bytes>),
    Signed(Option<SharedFacts>),
}

/// The task that owns the core.
pub struct Driver {
    core: Membership,
    wiring: Wiring,
    portrayal: Portrayal,
    /// The zero of the core's clock, and what the wall clock showed then.
    start: (Instant, UnixMillis),
    next_token: u64,
    answers: HashMap<ReplyToken, oneshot::Sender<Vec<u8>>>,
    doing: JoinSet<Done>,
    parting: Vec<oneshot::Sender<()>>,
    signing: Signing,
    stale: bool,
}

/// One signature at a time: of two side by side the older portrayal could take the higher sequence.
#[derive(Default)]
struct Signing {
    under_way: bool,
    /// Sign once more, above this sequence: the portrayal changed meanwhile.
    again: Option<u64>,
}

impl Driver {
    /// A driver of a new core that begins with the own facts and those that the store remembers.
    pub fn new(own: SharedFacts, known: Vec<SharedFacts>, seed: u64, wiring: Wiring) -> Self {
        let portrayal = Portrayal {
            addresses: own.facts.addresses.clone(),
            labels: own.facts.labels.clone(),
            left: false,
        };
        let revoked = wiring.revocations.in_force();
        let start = Start { config: Default::default(), seed, now: Millis::ZERO, own, known, revoked };
        let mut driver = Self {
            core: Membership::new(start),
            wiring,
            portrayal,
            start: (Instant::now(), crate::clock::wall()),
            next_token: 0,
            answers: HashMap::new(),
            doing: JoinSet::new(),
            parting: Vec::new(),
            signing: Signing::default(),
            stale: true,
        };
        driver.publish();
        driver
    }

    /// Runs until it is stopped.
    pub async fn run(mut self) {
        let mut links = self.wiring.transport.events();
        self.carry_out();
        loop {
            let due = self.due();
            tokio::select! {
                () = self.wiring.stopping.cancelled() => return,
                Some(inbound) = self.wiring.inbound.recv() => self.on_inbound(inbound),
                Some(Ok(done)) = self.doing.join_next() => self.on_done(done),
                Some(order) = self.wiring.orders.recv() => self.on_order(order),
                event = links.recv() => self.on_link(event),
                () = sleep_until(due) => self.handle(Input::Timer),
            }
            self.carry_out();
        }
    }

    fn due(&self) -> Instant {
        let wait = self.core.poll_timeout().map_or(IDLE, |at| at.since(self.now()).to_duration());
        Instant::now() + wait.min(IDLE)
    }

    fn now(&self) -> Millis {
        self.start.0.elapsed().into()
    }

    fn handle(&mut self, input: Input) {
        let now = self.now();
        self.core.handle(now, input);
    }

    /// The message with those of its facts that are news and true.
    fn received(&self, message: Message) -> Received {
        let news = message.gossip.facts.iter().filter(|signed| !self.core.knows(signed));
        let facts = news.filter_map(|signed| (self.wiring.verify)(signed)).collect();
        let revoked = match &message.body {
            Body::Revoked { list } => self.wiring.revocations.verify_news(list),
            _ => None,
        };
        Received { message, facts, revoked }
    }

    /// A peer that knows no higher epoch confirms ours.
    fn note_heard(&self, epoch: u64) {
        if self.core.revoked().map_or(0, |signed| signed.list.epoch) >= epoch {
            self.wiring.revocations.note_heard();
        }
    }

    fn on_inbound(&mut self, inbound: Inbound) {
        let message = match wire::decode(&inbound.message) {
            Ok(message) => message,
            Err(error) => {
                // Dropping the sender gives the stream up: the peer sees that it was not understood.
                tracing::debug!(peer = %inbound.from.name, %error, "message refused");
                return;
            }
        };
        self.next_token += 1;
        let token = ReplyToken(self.next_token);
        self.answers.insert(token, inbound.answer);
        let epoch = message.view.revoked;
        let held = match &message.body {
            Body::AuditHead { head } => Some((self.wiring.hold)(inbound.from.clone(), head.clone())),
            _ => None,
        };
        let (from, received) = (inbound.from.id, self.received(message));
        match held {
            // The core takes the news that came with it; the answer waits for the disk.
            Some(held) => {
                self.doing.spawn(async move { Done::Held(token, held.await) });
                self.handle(Input::Notice { from, received });
            }
            None => self.handle(Input::Request { from, token, received }),
        }
        self.note_heard(epoch);
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Asked(request, from, answer) => match answer.and_then(|bytes| wire::decode(&bytes).ok()) {
                Some(message) => {
                    let epoch = message.view.revoked;
                    let received = self.received(message);
                    self.handle(Input::Reply { from, request, received });
                    self.note_heard(epoch);
                }
                None => self.handle(Input::Failed(request)),
            },
            Done::Signed(facts) => self.on_signed(facts),
            Done::Held(token, body) => {
                let message = Message { view: self.core.view(), body, gossip: Gossip::default() };
                self.answer(token, &message);
            }
            Done::Handed(to, answer, bytes) => self.on_handed(to, answer, bytes),
            Done::Told => {}
        }
    }

    fn on_handed(&mut self, from: NodeId, answer: oneshot::Sender<Body>, bytes: Option<Bytes>) {
        let Some(message) = bytes.and_then(|bytes| wire::decode(&bytes).ok()) else { return };
        // Whoever handed it over may be gone.
        let _ = answer.send(message.body.clone());
        let received = self.received(message);
        self.handle(Input::Notice { from, received });
    }

    fn on_signed(&mut self, facts: Option<SharedFacts>) {
        self.signing.under_way = false;
        // The core asks again for a signature that does not come.
        if let Some(facts) = facts {
            self.wiring.own.send_replace(Arc::clone(&facts));
            self.handle(Input::OwnFacts(facts));
        }
        if let Some(above) = self.signing.again.take() {
            self.sign(above);
        }
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::SetLabels(labels) => {
                let changed = labels != self.portrayal.labels;
                self.portrayal.labels = labels;
                self.sign_if(changed);
            }
            Order::SetAddresses(addresses) => {
                let changed = addresses != self.portrayal.addresses;
                self.portrayal.addresses = addresses;
                self.sign_if(changed);
            }
            Order::Refresh => self.sign_if(true),
            Order::Forget(id, answer) => {
                let now = self.now();
                // Whoever asked may have gone away.
                let _ = answer.send(self.core.forget(now, &id).map_err(ForgetError::from));
            }
            Order::AdoptRevoked(list, answer) => {
                let now = self.now();
                let adopted = self.core.adopt_revoked(now, list);
                // Whoever asked may have gone away.
                let _ = answer.send(adopted);
            }
            Order::HandHead(to, head, answer) => self.ask_aside(to, Body::AuditHead { head }, answer),
            Order::AskAbout(whom, target, answer) => {
                self.ask_aside(whom, Body::PingOther { target }, answer);
            }
            Order::Leave(answer) => {
                self.parting.push(answer);
                self.portrayal.left = true;
                self.sign_if(true);
            }
        }
    }

    fn sign_if(&mut self, changed: bool) {
        if changed {
            self.sign(0);
        }
    }

    fn sign(&mut self, above: u64) {
        if self.signing.under_way {
            self.signing.again = Some(self.signing.again.unwrap_or(0).max(above));
            return;
        }
        self.signing.under_way = true;
        let signing = (self.wiring.sign)(self.portrayal.clone(), above);
        self.doing.spawn(async move { Done::Signed(signing.await) });
    }

    fn on_link(&mut self, event: Result<LinkEvent, broadcast::error::RecvError>) {
        match event {
            Ok(LinkEvent::Up(id)) => self.handle(Input::Connected(id)),
            Ok(LinkEvent::Down(id, error)) => {
                self.handle(Input::Disconnected { id, reason: disconnect(&error) });
            }
            // Behind: whoever stands is connected; who is not will be found out by a ping.
            Err(_) => {
                let ids: Vec<NodeId> =
                    self.wiring.transport.peers().iter().map(|peer| peer.link.peer().id).collect();
                ids.into_iter().for_each(|id| self.handle(Input::Connected(id)));
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Request { to, request, message, timeout } => {
                    self.ask(to, request, &message, timeout);
                }
                Output::Notice { to, message } => self.tell(to, &message),
                Output::Reply { token, message, .. } => self.answer(token, &message),
                Output::Resign { above } => self.sign(above),
                Output::Changed(_) => self.stale = true,
                Output::Forgotten(id) => {
                    self.stale = true;
                    self.report(MembershipEvent::Forgotten(id));
                }
                Output::Persist(facts) => self.report(MembershipEvent::Persist(facts)),
                Output::Twin => tracing::error!(
                    "another process signs with this node's key: a copied disk, or a stolen key"
                ),
                Output::Revoked(list) => self.enforce(&list),
                Output::RevokedFork(list) => tracing::error!(
                    epoch = list.list.epoch,
                    "ALARM: the CA signed two different revocation lists of one epoch; this one is not in force"
                ),
                Output::Parted => {
                    for waiting in self.parting.drain(..) {
                        // Whoever asked may have gone away.
                        let _ = waiting.send(());
                    }
                }
            }
        }
        if self.stale {
            self.publish();
        }
    }

    /// Puts a list in force: from here on nothing of a revoked key is served. Its connections are closed, of
    /// nodes after they were told by the list itself.
    fn enforce(&mut self, list: &SharedRevoked) {
        self.wiring.revocations.enforce(list);
        let view = self.core.view();
        let body = Body::Revoked { list: list.bytes.clone() };
        let wire = encode(&Message { view, body, gossip: Gossip::default() });
        for link in self.wiring.transport.close_revoked() {
            let wire = wire.clone();
            self.doing.spawn(async move {
                if let Some(wire) = wire {
                    let _ = timeout(LAST_WORD_TIMEOUT, link.ask(StreamKind::Membership, &wire)).await;
                }
                close_revoked(&link);
                Done::Told
            });
        }
    }

    fn report(&self, event: MembershipEvent) {
        let _ = self.wiring.findings.try_send(event);
    }

    fn target(&self, id: NodeId) -> Target {
        let addresses = self.core.member(&id).map(|member| member.facts.facts.addresses.clone());
        Target { name: None, id: Some(id), addresses: addresses.unwrap_or_default() }
    }

    fn ask(&mut self, to: NodeId, request: RequestId, message: &Message, within: Millis) {
        let (transport, target, wire) = (self.wiring.transport.clone(), self.target(to), encode(message));
        self.doing.spawn(async move {
            let Some(wire) = wire else { return Done::Asked(request, to, None) };
            let asked = transport.ask(StreamKind::Membership, target, &wire, within.to_duration()).await;
            Done::Asked(request, to, asked.ok())
        });
    }

    fn tell(&mut self, to: NodeId, message: &Message) {
        let (transport, target, wire) = (self.wiring.transport.clone(), self.target(to), encode(message));
        self.doing.spawn(async move {
            if let Some(wire) = wire {
                // Nobody waits for the answer; what was lost is found by comparing directories.
                let _ = transport.ask(StreamKind::Membership, target, &wire, NOTICE_TIMEOUT).await;
            }
            Done::Told
        });
    }

    /// Asks what the core knows nothing of.
    fn ask_aside(&mut self, to: NodeId, body: Body, answer: oneshot::Sender<Body>) {
        let message = Message { view: self.core.view(), body, gossip: Gossip::default() };
        let (transport, target, wire) = (self.wiring.transport.clone(), self.target(to), encode(&message));
        self.doing.spawn(async move {
            let Some(wire) = wire else { return Done::Told };
            let asked = transport.ask(StreamKind::Membership, target, &wire, HAND_TIMEOUT).await;
            Done::Handed(to, answer, asked.ok())
        });
    }

    fn answer(&mut self, token: ReplyToken, message: &Message) {
        if let (Some(sender), Some(wire)) = (self.answers.remove(&token), encode(message)) {
            // The stream may be gone.
            let _ = sender.send(wire);
        }
    }

    fn publish(&mut self) {
        self.stale = false;
        let mut members: Vec<Member> = self
            .core
            .members()
            .map(|(&id, member)| {
                let facts = &member.facts.facts;
                Member {
                    name: facts.name.clone(),
                    id,
                    state: member.state.into(),
                    state_since: self.start.1.plus(member.since),
                    addresses: facts.addresses.clone(),
                    version: facts.version.clone(),
                    labels: facts.labels.clone(),
                    started: facts.started,
                    sequence: facts.sequence,
                    http: facts.http_face(),
                }
            })
            .collect();
        members.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        self.wiring.directory.send_replace(members.into());
    }
}

fn disconnect(error: &LinkError) -> Disconnect {
    match error {
        LinkError::Closed { code: Some(CloseCode::Leaving), .. } => Disconnect::Leaving,
        LinkError::Local | LinkError::Closed { code: Some(CloseCode::Replaced), .. } => Disconnect::Ours,
        _ => Disconnect::Broken,
    }
}

/// `None` for a message of ours over the limits, which the core keeps to.
fn encode(message: &Message) -> Option<Vec<u8>> {
    wire::encode(message).inspect_err(|error| tracing::error!(%error, "own message")).ok()
}
