//! The QUIC endpoint of a node: one ALPN, one connection a pair of nodes, and all dialling.
//!
//! Connections and streams of peers enter; calls go to the registry, messages of DHT and membership to the
//! bounded queues of their drivers, and what happens to connections to whoever watches [`LinkEvent`]s.
//! Calls of this machine's root come by a Unix socket ([`socket`]).
//! Everything of it runs on the runtime that it was bound with. It decides who is connected, never who may
//! do what: that is the registry's.

mod accept;
mod refused;
mod rpc;
pub mod socket;
mod streams;
mod table;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use p2p_shared::counters::Counter;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::failure::{CloseCode, DialError, DialFailure, LinkError};
use p2p_shared::mesh::link::{Expected, Link, Local};
use p2p_shared::mesh::silence::LOOK_EVERY;
use p2p_shared::mesh::stream::StreamError;
use p2p_shared::mesh::{Dial, Target, endpoint};
use p2p_shared::rpc::frame::StreamKind;
use p2p_shared::rpc::registry::Registry;
use p2p_shared::services::node::{Direction, RefusedHandshake};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{Credentials, PeerIdentity, PeerKind, RefusalReason, Trust};
use quinn::{ClientConfig, Endpoint, ServerConfig};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use accept::Admission;
use refused::RefusedLog;
pub use table::{PeerStatus, Traffic};
use table::{Placed, Table};

/// Events that a slow watcher may fall behind by; then it reads the table anew.
const EVENTS_QUEUE: usize = 1_024;
/// How long a graceful close waits for the other sides.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What happens to connections with other nodes (operators come and go without notice).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// A node is connected.
    Up(NodeId),
    /// It no longer is, and why.
    Down(NodeId, LinkError),
}

/// One message of another node, and where its answer goes. Dropping the sender gives the stream up.
#[derive(Debug)]
pub struct Inbound {
    /// Who sent it, by its connection.
    pub from: PeerIdentity,
    /// Its address.
    pub address: SocketAddr,
    /// The message, with its own version byte.
    pub message: Bytes,
    /// Takes the answer.
    pub answer: oneshot::Sender<Vec<u8>>,
}

/// Where streams go.
#[derive(Debug)]
pub struct Routes {
    /// Calls.
    pub registry: Arc<Registry>,
    /// Messages of the DHT; a full queue gives the stream up, which the sender sees as a failure.
    pub dht: mpsc::Sender<Inbound>,
    /// Messages of the membership; the same.
    pub membership: mpsc::Sender<Inbound>,
}

/// Why a message to another node brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no connection, and none could be made.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection or the stream failed.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
}

/// How an endpoint is bound.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// Most connections with other nodes; the one that was silent longest makes room.
    pub peers_max: usize,
}

/// Handle to the endpoint. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Transport(Arc<Inner>);

type Dialling = Shared<BoxFuture<'static, Result<Link, DialError>>>;

#[derive(Debug)]
struct Inner {
    endpoint: Endpoint,
    client: ClientConfig,
    server: ServerConfig,
    local: Local,
    own: PeerIdentity,
    trust: Arc<Trust>,
    /// Owned by the task that accepts: the registry's services hold this transport.
    routes: OnceLock<Weak<Routes>>,
    // Three short look-ups from any thread, never held across an await.
    table: Mutex<Table>,
    dialling: Mutex<HashMap<NodeId, Dialling>>,
    refused: Mutex<RefusedLog>,
    dropped: Counter,
    admission: Admission,
    events: broadcast::Sender<LinkEvent>,
    handle: Handle,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Transport {
    /// Binds the socket. Nothing is accepted before [`Transport::serve`]. Everything runs on `handle`.
    ///
    /// # Errors
    /// If the address is not there or taken.
    pub fn bind(settings: &Settings, credentials: &Credentials, handle: Handle) -> io::Result<Self> {
        let socket = bind_socket(settings.listen)?;
        let server = endpoint::server_config(credentials, credentials.trust());
        let endpoint = endpoint::endpoint(socket, Some(server.clone()), handle.clone())?;
        let own = credentials.identity().clone();
        Ok(Self(Arc::new(Inner {
            endpoint,
            client: endpoint::client_config(credentials, credentials.trust()),
            server,
            local: Local::new(own.mesh.clone()),
            routes: OnceLock::new(),
            table: Mutex::new(Table::new(own.id, settings.peers_max)),
            dialling: Mutex::default(),
            refused: Mutex::default(),
            dropped: Counter::new(),
            admission: Admission::default(),
            events: broadcast::Sender::new(EVENTS_QUEUE),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            own,
            trust: credentials.trust(),
            handle,
        })))
    }

    /// Begins to accept and to serve.
    ///
    /// # Panics
    /// If called twice: the composition root calls it once.
    pub fn serve(&self, routes: Routes) {
        let routes = Arc::new(routes);
        self.0.routes.set(Arc::downgrade(&routes)).expect("served once");
        let inner = Arc::clone(&self.0);
        self.0.tasks.spawn_on(accept::run(inner, routes), &self.0.handle);
        let inner = Arc::clone(&self.0);
        self.0.tasks.spawn_on(note_heard(inner), &self.0.handle);
    }

    /// Where the socket is bound.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.endpoint.local_addr()
    }

    /// Learns of connections from now on.
    pub fn events(&self) -> broadcast::Receiver<LinkEvent> {
        self.0.events.subscribe()
    }

    /// The standing connection with a node.
    pub fn link(&self, id: &NodeId) -> Option<Link> {
        lock(&self.0.table).node(id)
    }

    /// Everybody connected, by name.
    pub fn peers(&self) -> Vec<PeerStatus> {
        lock(&self.0.table).peers()
    }

    /// Notes what the clock of a node said, which was `heard` here.
    pub fn note_clock(&self, id: &NodeId, told: UnixMillis, heard: UnixMillis) {
        lock(&self.0.table).note_clock(id, told, heard);
    }

    /// Addresses at which peers see this node, the most often told first.
    pub fn observed(&self) -> Vec<SocketAddr> {
        lock(&self.0.table).observed()
    }

    /// The last refused handshakes, newest first.
    pub fn refused(&self) -> Vec<RefusedHandshake> {
        lock(&self.0.refused).entries()
    }

    /// How many handshakes were refused, either side.
    pub fn refused_total(&self) -> u64 {
        lock(&self.0.refused).total()
    }

    /// How many messages of members were given up because their driver's queue was full.
    pub fn dropped_total(&self) -> u64 {
        self.0.dropped.get()
    }

    /// Bytes over all connections that there are and were, to a second.
    pub fn traffic(&self) -> Traffic {
        lock(&self.0.table).traffic()
    }

    /// Closes the connections of operators whose key is revoked, and answers those of nodes: nothing is served
    /// over them any more, and whoever asked tells them why and closes them by [`close_revoked`].
    pub fn close_revoked(&self) -> Vec<Link> {
        let out = |link: &&Link| self.0.is_out(link.peer());
        let links: Vec<Link> = lock(&self.0.table).links().filter(out).cloned().collect();
        let (nodes, operators): (Vec<Link>, _) =
            links.into_iter().partition(|link| link.peer().kind == PeerKind::Node);
        operators.iter().for_each(close_revoked);
        nodes
    }

    /// Sends one message of the DHT or the membership to a node, over the standing connection or a new one,
    /// and waits for its answer.
    ///
    /// # Errors
    /// As [`AskError`] says.
    pub async fn ask(
        &self,
        kind: StreamKind,
        target: Target,
        message: &[u8],
        within: Duration,
    ) -> Result<Bytes, AskError> {
        let asked = async {
            let link = self.dial(target).await?;
            Ok(link.ask(kind, message).await?)
        };
        timeout(within, asked).await.unwrap_or(Err(AskError::TimedOut))
    }

    /// Takes no more, tells everybody, and waits a little for them to have heard it.
    pub async fn close(&self) {
        self.0.stopping.cancel();
        self.0.endpoint.close(CloseCode::Leaving.to_wire(), b"");
        self.0.tasks.close();
        let _ = timeout(CLOSE_TIMEOUT, async {
            self.0.tasks.wait().await;
            self.0.endpoint.wait_idle().await;
        })
        .await;
    }
}

impl Dial for Transport {
    /// The standing connection with the target, or a new one. All who want the same node at the same time
    /// share one attempt.
    async fn dial(&self, target: Target) -> Result<Link, DialError> {
        let Some(id) = target.id else { return self.0.clone().connect(target).await };
        if let Some(link) = self.link(&id) {
            return Ok(link);
        }
        let attempt = {
            let mut dialling = lock(&self.0.dialling);
            let start = || {
                let (inner, whom) = (Arc::clone(&self.0), target.to_string());
                let task = self.0.tasks.spawn_on(inner.connect_once(id, target), &self.0.handle);
                // It ends without a result only with its runtime.
                let gone = DialError { target: whom, failures: Vec::new() };
                task.map(move |ended| ended.unwrap_or(Err(gone))).boxed().shared()
            };
            dialling.entry(id).or_insert_with(start).clone()
        };
        attempt.await
    }
}

impl Inner {
    async fn connect_once(self: Arc<Self>, id: NodeId, target: Target) -> Result<Link, DialError> {
        let result = Arc::clone(&self).connect(target).await;
        lock(&self.dialling).remove(&id);
        result
    }

    async fn connect(self: Arc<Self>, target: Target) -> Result<Link, DialError> {
        // Who is revoked itself would be refused everywhere.
        if target.id == Some(self.own.id) || self.is_out(&self.own) {
            return Err(DialError { target: target.to_string(), failures: Vec::new() });
        }
        let expected = Expected::from(&target);
        let connect =
            |address| Link::dial(&self.endpoint, self.client.clone(), address, &expected, &self.local);
        match endpoint::dial_any(&target, connect).await {
            Ok(link) => self.adopt(link, &target),
            Err(error) => self.standing_instead(&target, &error).ok_or_else(|| {
                self.note_failures(&error);
                error
            }),
        }
    }

    /// Of crossed dials this may be the one that the peer gave up: then the other one stands, from the socket
    /// that was dialled.
    fn standing_instead(&self, target: &Target, error: &DialError) -> Option<Link> {
        let replaced = |failure: &&DialFailure| {
            matches!(failure.error, LinkError::Closed { code: Some(CloseCode::Replaced), .. })
        };
        let given_up = error.failures.iter().find(replaced)?.address;
        let table = lock(&self.table);
        let stands = table
            .links()
            .find(|link| link.is_open() && (Some(link.peer().id) == target.id || link.address() == given_up));
        stands.cloned()
    }

    /// Puts a new connection in its place, and serves it unless another one stays instead.
    fn adopt(self: &Arc<Self>, link: Link, target: &Target) -> Result<Link, DialError> {
        if link.peer().id == self.own.id {
            link.close(CloseCode::Oneself, "");
            let error = LinkError::Closed { code: Some(CloseCode::Oneself), detail: String::new() };
            let failures = vec![DialFailure { address: link.address(), error }];
            return Err(DialError { target: target.to_string(), failures });
        }
        let placed = lock(&self.table).place(link.clone());
        match placed {
            Placed::Kept { closed } => {
                for (old, code) in closed {
                    old.close(code, "");
                }
                if link.peer().kind == PeerKind::Node {
                    let _ = self.events.send(LinkEvent::Up(link.peer().id));
                }
                tracing::debug!(peer = %link.peer().name, address = %link.address(), "connected");
                self.tasks.spawn_on(streams::run(Arc::clone(self), link.clone()), &self.handle);
                if self.is_out(link.peer()) {
                    // The list came between the handshake and the table, whose sweep did not see it.
                    close_revoked(&link);
                }
                Ok(link)
            }
            Placed::Superseded(standing) => {
                link.close(CloseCode::Replaced, "");
                Ok(standing)
            }
        }
    }

    /// The connection is gone: takes it out of the table and says so, unless another one took its place.
    fn retire(&self, link: &Link, error: LinkError) {
        if lock(&self.table).remove(link) && link.peer().kind == PeerKind::Node {
            tracing::debug!(peer = %link.peer().name, %error, "disconnected");
            let _ = self.events.send(LinkEvent::Down(link.peer().id, error));
        }
    }

    /// Whether a key was revoked since its handshake.
    fn is_out(&self, peer: &PeerIdentity) -> bool {
        self.trust.is_revoked(&peer.id)
    }

    fn note_failures(&self, error: &DialError) {
        for failure in &error.failures {
            if let LinkError::Refused { reason, .. } = failure.error {
                self.note_refused(failure.address, Direction::Outbound, reason, &failure.error);
            }
        }
    }

    fn note_refused(
        &self,
        address: SocketAddr,
        direction: Direction,
        reason: RefusalReason,
        error: &LinkError,
    ) {
        let repeated = lock(&self.refused).note(address, direction, reason, error.to_string());
        // A peer that knocks all night gets a line at 1, 2, 4, 8 .. knocks.
        if repeated.is_power_of_two() {
            tracing::warn!(%address, ?direction, reason = reason.as_str(), repeated, "handshake refused: {error}");
        }
    }
}

/// Closes a connection, and says that its peer is revoked.
pub fn close_revoked(link: &Link) {
    link.close(CloseCode::Revoked, "revoked: this key is revoked in this mesh");
}

async fn note_heard(inner: Arc<Inner>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    // A process that was stopped looks once, and not as often as it missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let dead = lock(&inner.table).note_heard();
                dead.iter().for_each(Link::give_up);
            }
            () = inner.stopping.cancelled() => return,
        }
    }
}

/// A socket of both families where the address is the unspecified one of IPv6.
fn bind_socket(listen: SocketAddr) -> io::Result<UdpSocket> {
    use socket2::{Domain, Protocol, Socket, Type};

    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    if listen.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    Ok(socket.into())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
