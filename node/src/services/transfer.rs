//! The service `transfer`: opens the jail for both sides of a transfer, and carries what they say.
//!
//! The work itself is `p2p_shared::transfer`'s, on the blocking pool: it is given the directory that the jail
//! resolved, and what may not be read in it. Only so many run at a time. A transfer ends when its caller goes
//! away, or when the operator is revoked whose grant it rests on.

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::access::{Caller, Proof};
use p2p_shared::error::{Code, RpcError};
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::{Mesh, NodeHandle};
use p2p_shared::rpc::client::{Call, Inlet, Subscription};
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::Services;
use p2p_shared::services::file::{FileKind, FilePath};
use p2p_shared::services::transfer::{
    Transfer as Contract, TransferAsk, TransferFrom, TransferItem, TransferOrder, TransferProgress,
    TransferSource, TransferTell,
};
use p2p_shared::tls::Trust;
use p2p_shared::transfer::Exchange;
use p2p_shared::transfer::receive::Receiver;
use p2p_shared::transfer::send::Sender;
use p2p_shared::transfer::tree::Tree;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::host::files::error::FileError;
use crate::host::files::jail::{Jail, Place};
use crate::host::files::reserved::{Reserved, Use, is_kernels};
use crate::policy::Fuse;

/// Transfers of a node at the same time, both sides together.
const RUNNING_MAX: usize = 16;
/// Answers that are taken from the connection while others are written. One that is large fills the window of its
/// stream alone.
const AHEAD: usize = 2;
/// How long a node that takes no more asks has to say why.
const REASON_MAX: Duration = Duration::from_secs(2);
/// Least bytes a second that may be asked for: below, nothing would be heard in a second.
const PACE_MIN: u64 = 1_024;

/// The implementation. Clones are the same one.
#[derive(Clone, Debug)]
pub struct TransferService {
    fuse: Fuse,
    reserved: Arc<Reserved>,
    mesh: Mesh,
    trust: Arc<Trust>,
    runtime: Handle,
    links: Handle,
    reading: TaskTracker,
    places: Arc<Semaphore>,
}

/// What a running transfer holds until it ends.
struct Run {
    _place: OwnedSemaphorePermit,
    _guard: DropGuard,
    gone: CancellationToken,
    jail: Jail,
}

impl TransferService {
    /// A service of the files under the roots of `fuse` but the node's own, that reaches others by `mesh`, whose
    /// connections live on `links`, and works on the blocking pool of `runtime`.
    pub fn new(
        (fuse, reserved): (Fuse, Arc<Reserved>),
        (mesh, trust): (Mesh, Arc<Trust>),
        (runtime, links): (Handle, Handle),
    ) -> Self {
        let reading = TaskTracker::new();
        let places = Arc::new(Semaphore::new(RUNNING_MAX));
        Self { fuse, reserved, mesh, trust, runtime, links, reading, places }
    }

    fn run(&self) -> Result<Run, RpcError> {
        let full = |_| {
            let text =
                format!("{RUNNING_MAX} transfers run on this node already: try again when some have ended");
            RpcError::new(Code::RateLimited, text)
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(full)?;
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        let jail = Jail::new(self.fuse.policy().file_roots(), Arc::clone(&self.reserved));
        Ok(Run { _place: place, _guard: guard, gone, jail })
    }

    /// Does blocking work, and tells it when nobody waits for it any more.
    async fn work(
        &self,
        gone: CancellationToken,
        work: impl FnOnce() -> Result<(), RpcError> + Send + 'static,
    ) -> Result<(), RpcError> {
        let _guard = gone.drop_guard();
        let ended = self.runtime.spawn_blocking(work).await;
        ended.map_err(|error| RpcError::internal(format!("a transfer failed: {error}")))?
    }

    /// Connects with the sending node, and asks it under the operator's grant.
    async fn reach(&self, from: TransferFrom) -> Result<Remote, RpcError> {
        let node = self.mesh.node(&from.node).with_proof(Proof::Grant(from.grant.0));
        let id = node.link().await?.peer().id;
        if id != from.id {
            return Err(RpcError::conflict(format!(
                "{} has another key here than where the transfer was asked for: forget the one that it replaced",
                from.node
            )));
        }
        let (source, asks) = node.transfer().send(from.source).await?.split();
        let (told, answers) = mpsc::channel(AHEAD);
        let reading = AbortOnDropHandle::new(self.reading.spawn_on(read_ahead(source, told), &self.links));
        Ok(Remote { name: from.node, answers, asks, _reading: reading })
    }
}

impl Contract for TransferService {
    async fn send(
        &self,
        context: &CallContext,
        source: TransferSource,
        mut inputs: Inputs<TransferAsk>,
        items: Items<TransferTell>,
    ) -> Result<(), RpcError> {
        let (run, runtime, trust) = (self.run()?, self.runtime.clone(), Arc::clone(&self.trust));
        let operator = operator(&context.caller);
        self.work(run.gone.clone(), move || {
            let mut sender = sender(&run, &source)?.speaking(items.encoding());
            let mut tell = |tell| {
                if operator.is_some_and(|id| trust.is_revoked(&id)) {
                    return Err(RpcError::forbidden("the operator is revoked"));
                }
                runtime.block_on(items.send(&tell))
            };
            while let Some(ask) = runtime.block_on(inputs.next())? {
                sender.answer(ask, &mut tell)?;
            }
            Ok(())
        })
        .await
    }

    async fn receive(
        &self,
        _: &CallContext,
        order: TransferOrder,
        inputs: Inputs<TransferTell>,
        items: Items<TransferItem>,
    ) -> Result<(), RpcError> {
        let TransferOrder { to, bytes_per_second_max, from } = order;
        if bytes_per_second_max.is_some_and(|pace| pace < PACE_MIN) {
            return Err(RpcError::bad_request(format!("bytes_per_second_max is at least {PACE_MIN}")));
        }
        let (run, runtime) = (self.run()?, self.runtime.clone());
        let remote = match from {
            Some(from) => Some(self.reach(from).await?),
            None => None,
        };
        self.work(run.gone.clone(), move || {
            let tree = target(&run, &to)?;
            let mut wire =
                Wire { runtime, items, source: remote.map_or(Source::Caller(inputs), Source::Node) };
            let summary = Receiver::new(&mut wire, tree, bytes_per_second_max, run.gone.clone()).run()?;
            wire.runtime.block_on(wire.items.send(&TransferItem::Done(summary)))
        })
        .await
    }
}

const fn operator(caller: &Caller) -> Option<NodeId> {
    match caller {
        Caller::Operator { id, .. } => Some(*id),
        Caller::Node { .. } | Caller::User { .. } | Caller::Unix { .. } => None,
    }
}

fn sender(run: &Run, source: &TransferSource) -> Result<Sender, RpcError> {
    let TransferSource { path, tree: is_tree } = source;
    let place = run.jail.target(path)?;
    run.jail.judge(&place, Use::Read)?;
    match place.kind().map_err(FileError::os("sending", path))? {
        FileKind::File => {}
        FileKind::Directory if *is_tree => {}
        FileKind::Directory => {
            return Err(RpcError::bad_request(format!("{path} is a directory: say tree (-r) to send it")));
        }
        kind => return Err(FileError::Kind { path: path.clone(), kind, wanted: "file or directory" }.into()),
    }
    let (jail, top) = (run.jail.clone(), path.clone());
    let judge = move |directory: &_| {
        if is_kernels(directory) {
            return Err("left out: it is a door to the kernel".into());
        }
        jail.judge_directory(directory, &top).map_err(|error| error.to_string())
    };
    Ok(Sender::new(tree(place), Box::new(judge), run.gone.clone()))
}

fn target(run: &Run, path: &FilePath) -> Result<Tree, RpcError> {
    let place = run.jail.target(path)?;
    run.jail.judge(&place, Use::Write)?;
    Ok(tree(place))
}

fn tree(place: Place) -> Tree {
    Tree::new(place.parent, place.name)
}

type Answers = Subscription<TransferTell, <NodeHandle as Call>::Source>;

/// Takes answers from the connection on its own thread, until they end or nobody wants them.
async fn read_ahead(mut answers: Answers, told: mpsc::Sender<Result<TransferTell, RpcError>>) {
    while let Some(answer) = answers.next().await.transpose() {
        let is_last = answer.is_err();
        if told.send(answer).await.is_err() || is_last {
            return;
        }
    }
}

/// A node that is asked.
struct Remote {
    name: NodeName,
    answers: mpsc::Receiver<Result<TransferTell, RpcError>>,
    asks: Inlet<TransferAsk, <NodeHandle as Call>::Sink>,
    _reading: AbortOnDropHandle<()>,
}

impl Remote {
    async fn ask(&mut self, ask: &TransferAsk) -> Result<(), RpcError> {
        let Err(error) = self.asks.send(ask).await else { return Ok(()) };
        let reason = self.reason(error).await;
        Err(self.named(reason))
    }

    /// Why it takes no more asks, of which `error` tells only that: what it ended the answers with.
    async fn reason(&mut self, error: RpcError) -> RpcError {
        if error.code != Code::Cancelled {
            return error;
        }
        let said = timeout(REASON_MAX, async {
            while let Some(answer) = self.answers.recv().await {
                if let Err(said) = answer {
                    return Some(said);
                }
            }
            None
        });
        said.await.ok().flatten().unwrap_or(error)
    }

    /// The caller is told by this node, about the other one.
    fn named(&self, error: RpcError) -> RpcError {
        RpcError::new(error.code, format!("{}: {}", self.name, error.message))
    }
}

/// Where it comes from.
enum Source {
    Caller(Inputs<TransferTell>),
    Node(Remote),
}

/// The way of a receiving node to the sending side, and to the caller.
struct Wire {
    runtime: Handle,
    items: Items<TransferItem>,
    source: Source,
}

impl Exchange for Wire {
    fn ask(&mut self, ask: TransferAsk) -> Result<(), RpcError> {
        match &mut self.source {
            Source::Caller(_) => self.runtime.block_on(self.items.send(&TransferItem::Ask(ask))),
            Source::Node(remote) => self.runtime.block_on(remote.ask(&ask)),
        }
    }

    fn answer(&mut self) -> Result<TransferTell, RpcError> {
        let ended = || RpcError::unavailable("the sending side ended the transfer");
        match &mut self.source {
            Source::Caller(inputs) => self.runtime.block_on(inputs.next())?.ok_or_else(ended),
            Source::Node(remote) => {
                let answer = self.runtime.block_on(async {
                    tokio::select! {
                        () = self.items.closed() => Err(RpcError::cancelled("the caller went away")),
                        answer = remote.answers.recv() => answer.unwrap_or_else(|| Err(ended())),
                    }
                });
                answer.map_err(|error| remote.named(error))
            }
        }
    }

    fn progress(&mut self, now: &TransferProgress) -> Result<(), RpcError> {
        self.runtime.block_on(self.items.send(&TransferItem::Progress(now.clone())))
    }
}
