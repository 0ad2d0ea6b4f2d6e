//! Between the core and the mesh: the one owner of the [`Dht`], as a task.
//!
//! Messages of peers, answers, connections and commands enter; requests leave through the transport, what
//! is worth remembering through a bounded queue. Every record of a peer is judged before the core sees it.
//! Nothing else may touch the core.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::Target;
use p2p_shared::mesh::link::Side;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::rpc::frame::StreamKind;
use p2p_shared::time::Millis;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::core::Dht;
use super::core::input::{Command, Input, Opened, QueryId, ReplyToken};
use super::core::message::{Contact, Envelope, Record, Refusal, Reply, Request, RequestId};
use super::core::output::Output;
use super::handle::{DhtCounts, DhtEvent, Ended, Order, Overview, Waiter};
use crate::membership::revoked::InForce;
use crate::transport::{Inbound, LinkEvent, Transport};

/// Version byte before every message.
const WIRE_VERSION: u8 = 1;
/// How long a peer has for its answer; dialling included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the core is told what the wall clock shows: it may be set at any time.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);
/// Later than anything that the core waits for: the timer of a core that waits for nothing.
const IDLE: Duration = Duration::from_secs(3_600);

/// Whether a record of a peer may be believed: its signature, its key, its publisher.
pub type Judge = Arc<dyn Fn(&Record) -> Result<(), String> + Send + Sync>;

/// Where the driver's inputs come from, and where its findings go.
pub struct Wiring {
    /// Sends requests.
    pub transport: Transport,
    /// Requests of peers.
    pub inbound: mpsc::Receiver<Inbound>,
    /// Orders of this node.
    pub orders: mpsc::Receiver<Order>,
    /// Findings; one that does not fit is dropped, the core will find it again.
    pub findings: mpsc::Sender<DhtEvent>,
    /// Takes the size of what is here.
    pub counts: Arc<DhtCounts>,
    /// Judges records.
    pub judge: Judge,
    /// The revocation list in force, whose keys are forgotten.
    pub revoked: watch::Receiver<InForce>,
    /// Ends the driver.
    pub stopping: CancellationToken,
}

type Asked = (RequestId, NodeId, Option<Bytes>);

/// The task that owns the core.
pub struct Driver {
    core: Dht,
    wiring: Wiring,
    /// The zero of the core's clock.
    start: Instant,
    next: u64,
    waiters: HashMap<QueryId, Waiter>,
    answers: HashMap<ReplyToken, oneshot::Sender<Vec<u8>>>,
    requests: HashMap<ReplyToken, RequestId>,
    asking: JoinSet<Asked>,
}

impl Driver {
    /// A driver of `core`, whose clock is at zero now.
    pub fn new(core: Dht, wiring: Wiring) -> Self {
        Self {
            core,
            wiring,
            start: Instant::now(),
            next: 0,
            waiters: HashMap::new(),
            answers: HashMap::new(),
            requests: HashMap::new(),
            asking: JoinSet::new(),
        }
    }

    /// Runs until it is stopped.
    pub async fn run(mut self) {
        let mut links = self.wiring.transport.events();
        let mut clock = interval(CLOCK_INTERVAL);
        loop {
            let due = self.due();
            tokio::select! {
                () = self.wiring.stopping.cancelled() => return,
                Some(inbound) = self.wiring.inbound.recv() => self.on_inbound(inbound),
                Some(Ok(asked)) = self.asking.join_next() => self.on_asked(asked),
                Some(order) = self.wiring.orders.recv() => self.on_order(order),
                event = links.recv() => self.on_link(event),
                Ok(()) = self.wiring.revoked.changed() => self.on_revoked(),
                _ = clock.tick() => self.handle(Input::WallClock(crate::clock::wall())),
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
        self.start.elapsed().into()
    }

    fn handle(&mut self, input: Input) {
        let now = self.now();
        self.core.handle(now, input);
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn on_inbound(&mut self, inbound: Inbound) {
        // Dropping the sender gives the stream up: the peer sees that it was not understood.
        let Some(Envelope { request, message }) = read::<Request>(&inbound.message) else { return };
        if let Request::Store(record) = &message
            && let Err(why) = (self.wiring.judge)(record)
        {
            tracing::debug!(peer = %inbound.from.name, %why, "record refused");
            answer(inbound.answer, request, Reply::Refused(Refusal::Unknown));
            return;
        }
        let token = ReplyToken(self.fresh());
        self.answers.insert(token, inbound.answer);
        self.requests.insert(token, request);
        let from = Contact::new(inbound.from.id, [inbound.address]);
        self.handle(Input::Request { from, token, message });
    }

    fn on_asked(&mut self, (request, from, answer): Asked) {
        let reply = answer.and_then(|bytes| read::<Reply>(&bytes)).map(|envelope| envelope.message);
        let input = match reply {
            Some(Reply::Value { ref record, .. }) if (self.wiring.judge)(record).is_err() => {
                Input::Failed(request)
            }
            Some(message) => Input::Reply { from, request, message },
            None => Input::Failed(request),
        };
        let counts = &self.wiring.counts;
        let failed = matches!(input, Input::Failed(_));
        if failed { &counts.failed } else { &counts.answered }.increment();
        self.handle(input);
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::Join(contacts, waiter) => {
                let query = self.query(waiter);
                self.handle(Input::Command(Command::Join { query, contacts }));
            }
            Order::Get(key, waiter) => {
                let query = self.query(waiter);
                self.handle(Input::Command(Command::Get { query, key }));
            }
            Order::Trace(key, waiter) => {
                let query = self.query(waiter);
                self.handle(Input::Command(Command::Trace { query, key }));
            }
            Order::Put(record, waiter) => {
                let query = self.query(waiter);
                self.handle(Input::Command(Command::Put { query, record }));
            }
            Order::Overview(answer) => {
                let overview = Overview {
                    contacts: self.core.contacts().cloned().collect(),
                    spares: self.core.spares().map(|entry| entry.contact.id).collect(),
                    records: self.core.record_count(),
                    now: self.now(),
                };
                // Whoever asked may have gone away.
                let _ = answer.send(overview);
            }
        }
    }

    /// Drops contacts and records of revoked keys.
    fn on_revoked(&mut self) {
        let list = self.wiring.revoked.borrow_and_update().clone();
        for key in list.iter().flat_map(|signed| &signed.list.keys) {
            self.handle(Input::Command(Command::Forget(key.id)));
        }
    }

    fn query(&mut self, waiter: Waiter) -> QueryId {
        let query = QueryId(self.fresh());
        self.waiters.insert(query, waiter);
        query
    }

    fn on_link(&mut self, event: Result<LinkEvent, broadcast::error::RecvError>) {
        match event {
            Ok(LinkEvent::Up(id)) => self.on_connected(id),
            Ok(LinkEvent::Down(id, _)) => self.handle(Input::Disconnected(id)),
            // Behind: whoever stands is connected, whoever fell silent will be pinged.
            Err(_) => {
                let ids: Vec<_> =
                    self.wiring.transport.peers().iter().map(|peer| peer.link.peer().id).collect();
                ids.into_iter().for_each(|id| self.on_connected(id));
            }
        }
    }

    fn on_connected(&mut self, id: NodeId) {
        let Some(link) = self.wiring.transport.link(&id) else { return };
        let opened = match link.side() {
            Side::Dialler => Opened::ByUs,
            Side::Listener => Opened::ByPeer,
        };
        self.handle(Input::Connected { peer: Contact::new(id, [link.address()]), opened });
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Request { to, request, message } => self.ask(&to, request, message),
                Output::Reply { token, message, .. } => {
                    let waiting = self.answers.remove(&token).zip(self.requests.remove(&token));
                    if let Some((sender, request)) = waiting {
                        answer(sender, request, message);
                    }
                }
                Output::Finished { query, outcome, stats, questions } => {
                    if let Some(waiter) = self.waiters.remove(&query) {
                        // Whoever asked may have gone away.
                        let _ = waiter.send(Ended { outcome, stats, questions, at: self.now() });
                    }
                }
                Output::Verified(contact) => self.report(DhtEvent::Verified(contact)),
                Output::Lost(id) => self.report(DhtEvent::Lost(id)),
                Output::Isolated => self.report(DhtEvent::Isolated),
                Output::Strike { peer, offence } => {
                    tracing::warn!(peer = %peer.short(), ?offence, "a peer broke the DHT's protocol");
                }
                // Records come back from their publishers within the hour.
                Output::Stored(_) | Output::Removed(_) => {}
            }
        }
        self.wiring.counts.set(self.core.contacts().count(), self.core.record_count());
    }

    fn report(&self, event: DhtEvent) {
        let _ = self.wiring.findings.try_send(event);
    }

    fn ask(&mut self, to: &Contact, request: RequestId, message: Request) {
        let transport = self.wiring.transport.clone();
        let id = to.id;
        let target = Target { name: None, id: Some(id), addresses: to.addresses.as_slice().to_vec() };
        let wire = write(&Envelope { request, message });
        self.asking.spawn(async move {
            let Some(wire) = wire else { return (request, id, None) };
            let asked = transport.ask(StreamKind::Dht, target, &wire, ANSWER_TIMEOUT).await;
            if let Err(error) = &asked {
                tracing::trace!(peer = %id.short(), %error, "no answer in the DHT");
            }
            (request, id, asked.ok())
        });
    }
}

fn answer(sender: oneshot::Sender<Vec<u8>>, request: RequestId, message: Reply) {
    if let Some(wire) = write(&Envelope { request, message }) {
        // The stream may be gone.
        let _ = sender.send(wire);
    }
}

/// `None` for a message of ours over the limits: the core keeps them.
fn write<M: Serialize>(envelope: &Envelope<M>) -> Option<Vec<u8>> {
    let body = codec::encode(envelope, Encoding::Bincode).ok()?;
    Some([&[WIRE_VERSION], body.as_ref()].concat())
}

/// `None` for what is no message of this version.
fn read<M: DeserializeOwned>(wire: &[u8]) -> Option<Envelope<M>> {
    match wire.split_first() {
        Some((&WIRE_VERSION, body)) => codec::decode(body, Encoding::Bincode).ok(),
        _ => None,
    }
}
