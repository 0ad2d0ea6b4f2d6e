//! Handles to nodes by name, each over one shared connection that is dialled when it is needed.
//!
//! A handle holds no connection itself: it takes the one that stands, or waits for the one being dialled.
//! After a failure, calls fail at once with its reason until the back-off has passed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use super::backoff::Backoff;
use super::ends::{Receiving, Sending};
use super::failure::DialError;
use super::link::Link;
use super::socket;
use super::stream::{FrameReader, StreamError, write_frame};
use crate::access::Proof;
use crate::error::{Code, RpcError};
use crate::id::{NodeId, NodeName};
use crate::rpc::client::{Answer, Call, EncodeArgs, ItemSink, ItemSource, MethodRef, Opened};
use crate::rpc::codec::{self, Encoding, VALUE_BYTES_MAX};
use crate::rpc::frame::{Frame, FrameKind, RequestHead, RequestId, StreamKind};
use crate::rpc::registry::DEADLINE_DEFAULT;
use crate::rpc::service::Verb;

/// How much longer than its deadline a caller waits for the answer that says so.
const GRACE: Duration = Duration::from_millis(500);

/// Whom to dial, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The name that must be in the certificate; `None` for whoever answers there.
    pub name: Option<NodeName>,
    /// The id that its key must have; `None` if it is not known.
    pub id: Option<NodeId>,
    /// Where to try, the best first.
    pub addresses: Vec<SocketAddr>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.id, self.addresses.first()) {
            (Some(name), _, _) => write!(f, "{name}"),
            (None, Some(id), _) => f.write_str(&id.short()),
            (None, None, Some(address)) => write!(f, "{address}"),
            (None, None, None) => f.write_str("nobody"),
        }
    }
}

/// Finds where a node is: the directory of a node, or what a console knows of the fleet.
pub trait Resolve: Send + Sync + 'static {
    /// Where `name` is, or `None` if nobody knows it.
    fn resolve(&self, name: &NodeName) -> impl Future<Output = Option<Target>> + Send;
}

/// Opens connections: the node's transport, or the console's endpoint.
pub trait Dial: Send + Sync + 'static {
    /// A connection to the target; one that stands already will do.
    fn dial(&self, target: Target) -> impl Future<Output = Result<Link, DialError>> + Send;
}

/// All nodes, by name.
#[derive(Clone)]
pub struct Mesh(Arc<Pool>);

struct Pool {
    /// The socket of the one node that there is, in place of connections.
    socket: Option<PathBuf>,
    connect: Box<dyn Fn(NodeName) -> BoxFuture<'static, Result<Link, RpcError>> + Send + Sync>,
    // Short look-ups from any thread, never held across an await.
    slots: Mutex<HashMap<NodeName, Arc<Slot>>>,
}

/// What stands between a name and its connection. The lock is held while dialling, so that all who want the
/// same node wait for one attempt; a connection that stands is had without it.
#[derive(Debug)]
struct Slot {
    standing: ArcSwapOption<Link>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
struct State {
    backoff: Backoff,
    failed: Option<(Instant, RpcError)>,
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh").finish_non_exhaustive()
    }
}

impl Mesh {
    /// A mesh whose names `resolve` finds and whose connections `dial` opens.
    pub fn new<R: Resolve, D: Dial>(resolve: R, dial: D) -> Self {
        let both = Arc::new((resolve, dial));
        let connect = move |name: NodeName| -> BoxFuture<'static, Result<Link, RpcError>> {
            let both = Arc::clone(&both);
            Box::pin(async move {
                let unknown = || RpcError::not_found(format!("no node is called {name}"));
                let target = both.0.resolve(&name).await.ok_or_else(unknown)?;
                Ok(both.1.dial(target).await?)
            })
        };
        Self(Arc::new(Pool { socket: None, connect: Box::new(connect), slots: Mutex::default() }))
    }

    /// A mesh of one node, which answers at a Unix socket of this machine, whatever it is called. Each call is a
    /// connection of its own; there is no link, and nobody is dialled.
    pub fn of_socket(socket: PathBuf) -> Self {
        let connect = |name: NodeName| -> BoxFuture<'static, Result<Link, RpcError>> {
            let text = format!("{name} is reached by its socket on this machine, not over the mesh");
            Box::pin(async move { Err(RpcError::unsupported(text)) })
        };
        let (socket, slots) = (Some(socket), Mutex::default());
        Self(Arc::new(Pool { socket, connect: Box::new(connect), slots }))
    }

    /// The node of a name. Nothing is dialled yet, and the name need not exist.
    pub fn node(&self, name: &NodeName) -> NodeHandle {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(name.clone()).or_insert_with(|| Arc::new(Slot::new(name)));
        NodeHandle {
            pool: Arc::clone(&self.0),
            name: name.clone(),
            slot: Arc::clone(slot),
            deadline: None,
            proof: Proof::Connection,
        }
    }

    /// Forgets failures and connections of a name that left the fleet.
    pub fn forget(&self, name: &NodeName) {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

impl Slot {
    fn new(name: &NodeName) -> Self {
        // The jitter need only differ between nodes, not be secret.
        let seed = name.as_str().bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        let state = State { backoff: Backoff::new(seed), failed: None };
        Self { standing: ArcSwapOption::empty(), state: tokio::sync::Mutex::new(state) }
    }

    /// The connection, if one stands.
    fn link(&self) -> Option<Link> {
        self.standing.load().as_ref().filter(|link| link.is_open()).map(|link| Link::clone(link))
    }
}

/// One node: a way to call it.
#[derive(Clone)]
pub struct NodeHandle {
    pool: Arc<Pool>,
    name: NodeName,
    slot: Arc<Slot>,
    deadline: Option<Duration>,
    proof: Proof,
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeHandle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl NodeHandle {
    /// Its name.
    pub const fn name(&self) -> &NodeName {
        &self.name
    }

    /// The same node, whose calls wait for `deadline` instead of ten seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// The same node, whose calls rest on `proof` besides the connection.
    #[must_use]
    pub fn with_proof(self, proof: Proof) -> Self {
        Self { proof, ..self }
    }

    /// The connection, dialled if there is none.
    ///
    /// # Errors
    /// Why there is none; at once, with the last reason, while the back-off runs.
    pub async fn link(&self) -> Result<Link, RpcError> {
        if let Some(link) = self.slot.link() {
            return Ok(link);
        }
        let mut state = self.slot.state.lock().await;
        if let Some(link) = self.slot.link() {
            return Ok(link);
        }
        if let Some((until, error)) = state.failed.as_ref().filter(|(until, _)| *until > Instant::now()) {
            tracing::trace!(node = %self.name, wait = ?until.duration_since(Instant::now()), "backing off");
            return Err(error.clone());
        }
        match (self.pool.connect)(self.name.clone()).await {
            Ok(link) => {
                state.backoff.succeeded();
                state.failed = None;
                self.slot.standing.store(Some(Arc::new(link.clone())));
                Ok(link)
            }
            Err(error) => {
                let wait = state.backoff.failed().to_duration();
                self.slot.standing.store(None);
                state.failed = Some((Instant::now() + wait, error.clone()));
                Err(error)
            }
        }
    }

    /// Opens a call: the head and the arguments are on their way when it returns.
    async fn begin(&self, method: MethodRef<'_>, args: &dyn EncodeArgs) -> Result<Begun, RpcError> {
        let (link, agreed) = match &self.pool.socket {
            // Written so that versions may differ: no hello says what both sides know.
            Some(_) => (None, Encoding::Json),
            None => {
                let link = self.link().await?;
                let agreed = link.agreement().encoding(method.name);
                (Some(link), agreed)
            }
        };
        let encoding = method.encoding.unwrap_or(agreed);
        let args = args.encode_args(encoding)?;
        let head = RequestHead {
            method: method.name.to_owned(),
            request_id: new_request_id(),
            deadline: if method.verb.streams() { self.deadline } else { Some(self.wait()) },
            encoding,
            trace_id: None,
            proof: self.proof.clone(),
        };
        let head = head.to_bytes();
        let frames = [(FrameKind::Head, head.as_slice()), (FrameKind::Args, args.as_ref())];
        let (send, receive): (Sending, Receiving) = match (&link, &self.pool.socket) {
            (Some(link), _) => {
                let (send, receive) = link.open(StreamKind::Rpc, &frames).await?;
                (send.into(), receive.into())
            }
            (None, Some(socket)) => socket::open(socket, &frames).await?,
            (None, None) => return Err(RpcError::internal("a call without a way")),
        };
        let changes = method.verb.is_audited();
        let source = Source { reader: FrameReader::new(receive), name: self.name.clone(), link, changes };
        Ok(Begun { send, source, encoding })
    }

    fn wait(&self) -> Duration {
        self.deadline.unwrap_or(DEADLINE_DEFAULT)
    }
}

struct Begun {
    send: Sending,
    source: Source,
    encoding: Encoding,
}

/// Request ids that are drawn at a time: asking for randomness costs more than taking it.
const IDS_DRAWN: usize = 32;

thread_local! {
    static DRAWN: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// A request id that nobody can guess.
pub fn new_request_id() -> RequestId {
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.is_empty() {
            let mut ids = [0; 16 * IDS_DRAWN];
            aws_lc_rs::rand::fill(&mut ids).expect("the system has randomness");
            drawn.extend_from_slice(ids.as_chunks().0);
        }
        RequestId(drawn.pop().expect("just drawn"))
    })
}

impl Call for NodeHandle {
    type Source = Source;
    type Sink = Sink;

    async fn exchange(&self, method: MethodRef<'_>, args: &dyn EncodeArgs) -> Result<Answer, RpcError> {
        let whole = async {
            let mut begun = self.begin(method, args).await?;
            begun.send.finish();
            let result = begun.source.result().await;
            begun.source.reader.take_end();
            let bytes = result?;
            Ok(Answer { bytes, encoding: begun.encoding })
        };
        let late = || {
            let text =
                format!("no answer from {} to {} in time; it may still happen", self.name, method.name);
            RpcError::new(Code::Deadline, text)
        };
        timeout(self.wait() + GRACE, whole).await.unwrap_or_else(|_| Err(late()))
    }

    async fn open(&self, method: MethodRef<'_>, args: &dyn EncodeArgs) -> Result<Opened<Self>, RpcError> {
        let mut begun = self.begin(method, args).await?;
        if method.verb != Verb::Duplex {
            begun.send.finish();
        }
        Ok(Opened { source: begun.source, sink: Sink(begun.send), encoding: begun.encoding })
    }
}

/// What comes back of a call. Dropping it tells the node to stop.
#[derive(Debug)]
pub struct Source {
    reader: FrameReader,
    name: NodeName,
    link: Option<Link>,
    /// Whether the call is of a kind that changes something there.
    changes: bool,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.reader.hang_up();
    }
}

impl Source {
    const fn name(&self) -> &NodeName {
        &self.name
    }

    /// The one result, which may come in parts.
    async fn result(&mut self) -> Result<Bytes, RpcError> {
        let mut whole = BytesMut::new();
        loop {
            let frame = self.frame().await?;
            match frame.kind {
                FrameKind::Result if whole.is_empty() => return Ok(frame.payload),
                FrameKind::Result | FrameKind::Part => whole.extend_from_slice(&frame.payload),
                FrameKind::Error => return Err(self.error(&frame.payload)),
                _ => return Err(self.nonsense()),
            }
            if whole.len() > VALUE_BYTES_MAX {
                return Err(RpcError::too_large(format!("{} answers more than fits", self.name())));
            }
            if frame.kind == FrameKind::Result {
                return Ok(whole.freeze());
            }
        }
    }

    fn error(&self, payload: &[u8]) -> RpcError {
        let error: RpcError = codec::decode(payload, Encoding::Json)
            .unwrap_or_else(|_| RpcError::internal("an error that cannot be read"));
        // Cut anew: the limit on the message is ours, not the peer's to keep.
        RpcError::new(error.code, error.message).from_node(self.name().clone())
    }

    async fn frame(&mut self) -> Result<Frame, RpcError> {
        match self.reader.next_frame().await {
            Ok(frame) => frame.ok_or_else(|| self.cut_short()),
            Err(StreamError::Link(told)) => {
                let why = self.link.as_ref().map_or(told.clone(), |link| link.why(told));
                let done = if self.changes { "; what was asked for may be done all the same" } else { "" };
                Err(RpcError::unavailable(format!("the connection with {} ended: {why}{done}", self.name())))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn cut_short(&self) -> RpcError {
        RpcError::unavailable(format!("{} ended the call without an answer", self.name()))
    }

    fn nonsense(&self) -> RpcError {
        RpcError::internal(format!("{} answers with a frame that does not belong there", self.name()))
    }
}

impl ItemSource for Source {
    async fn next_item(&mut self) -> Result<Option<Bytes>, RpcError> {
        let frame = self.frame().await?;
        match frame.kind {
            FrameKind::Item => Ok(Some(frame.payload)),
            FrameKind::End => Ok(None),
            FrameKind::Error => Err(self.error(&frame.payload)),
            _ => Err(self.nonsense()),
        }
    }
}

/// Where the items of a duplex call go.
#[derive(Debug)]
pub struct Sink(Sending);

impl ItemSink for Sink {
    async fn send_item(&mut self, item: Bytes) -> Result<(), RpcError> {
        Ok(write_frame(&mut self.0, FrameKind::Item, item).await?)
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        write_frame(&mut self.0, FrameKind::End, Bytes::new()).await?;
        self.0.finish();
        Ok(())
    }
}
