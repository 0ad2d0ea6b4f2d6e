//! Transfers from and to this machine, and from node to node under a grant of this operator.
//!
//! Two ends enter, progress is told on the way, and a summary leaves. Files of this machine are touched here
//! alone, on the blocking pool. What a node says is checked by `p2p_shared::transfer`. Dropping the future ends
//! the transfer; what is in place stays.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use p2p_shared::error::{Code, RpcError};
use p2p_shared::grant::{self, Grant};
use p2p_shared::id::NodeId;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::client::{Call, Inlet, Subscription};
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::rpc::service::MethodSpec;
use p2p_shared::services::Services;
use p2p_shared::services::file::{FileContent, FileKind, FilePath};
use p2p_shared::services::transfer::{
    self, TransferAsk, TransferFrom, TransferItem, TransferOrder, TransferProgress, TransferSource,
    TransferSummary, TransferTell,
};
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::Credentials;
use p2p_shared::transfer::Exchange;
use p2p_shared::transfer::receive::Receiver;
use p2p_shared::transfer::send::Sender;
use p2p_shared::transfer::tree::Tree;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::paths;

/// Questions of a node that wait to be answered.
const ASKS_QUEUE: usize = 16;
/// How long a grant is good for beginning with it.
const GRANT_LIFE: Millis = Millis::from_secs(600);

/// One end of a transfer.
#[derive(Clone, Debug)]
pub enum End {
    /// A path of this machine.
    Here(PathBuf),
    /// A path of a node.
    There(There),
}

/// A path of a node.
#[derive(Clone, Debug)]
pub struct There {
    /// Its key.
    pub id: NodeId,
    /// The way to it.
    pub node: NodeHandle,
    /// Absolute.
    pub path: FilePath,
}

/// What is to be moved.
#[derive(Clone, Debug)]
pub struct Move {
    /// From where.
    pub from: End,
    /// To which name: itself, not below it.
    pub to: End,
    /// Whether it may be a directory.
    pub tree: bool,
    /// Most bytes a second.
    pub bytes_per_second_max: Option<u64>,
}

/// Who does it: whose word it is, and what time it is.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// Signs grants; `None` for who came without a key.
    pub credentials: Option<&'a Credentials>,
    /// The wall clock.
    pub now: UnixMillis,
}

/// Moves a file or a tree; `told` holds how far it is.
///
/// # Errors
/// Why it cannot go on. What is in place stays, and the same again takes it up.
pub async fn run(
    what: Move,
    operator: Operator<'_>,
    told: &watch::Sender<TransferProgress>,
) -> Result<TransferSummary, RpcError> {
    let Move { from, to, tree, bytes_per_second_max } = what;
    match (from, to) {
        (End::Here(_), End::Here(_)) => {
            Err(RpcError::bad_request("both are on this machine: use cp, or name a node as NODE:/path"))
        }
        (End::Here(from), End::There(to)) => {
            let from = here(&from, tree)?;
            let order = TransferOrder { to: to.path, bytes_per_second_max, from: None };
            push(from, to.node.transfer().receive(order).await?.split(), told).await
        }
        (End::There(from), End::Here(to)) => {
            let to = place(&to)?;
            let source = TransferSource { path: from.path, tree };
            let (answers, asks) = from.node.transfer().send(source).await?.split();
            pull(Pull { answers, asks, told: told.clone() }, to, bytes_per_second_max).await
        }
        (End::There(from), End::There(to)) if from.id == to.id => {
            let count = to.node.file().copy(from.path, to.path, Some(tree)).await?;
            let progress = TransferProgress {
                entries: count.entries,
                done_bytes: count.size_bytes,
                ..TransferProgress::default()
            };
            Ok(TransferSummary { progress, ..TransferSummary::default() })
        }
        (End::There(from), End::There(to)) => {
            let source = TransferSource { path: from.path.clone(), tree };
            let arguments = transfer::send::Args { source: source.clone() };
            let grant = granted(operator, (from.id, to.id), &transfer::send::METHOD, &arguments)?;
            let from = TransferFrom { node: from.node.name().clone(), id: from.id, source, grant };
            let order = TransferOrder { to: to.path, bytes_per_second_max, from: Some(from) };
            let (mut items, _asks) = to.node.transfer().receive(order).await?.split();
            loop {
                match items.next().await?.ok_or_else(cut)? {
                    TransferItem::Progress(progress) => drop(told.send_replace(progress)),
                    TransferItem::Done(summary) => return Ok(summary),
                    TransferItem::Ask(_) => return Err(nonsense()),
                }
            }
        }
    }
}

/// The operator's word that `holder` may ask `target` for just this.
pub(super) fn granted<A: Serialize>(
    operator: Operator<'_>,
    (target, holder): (NodeId, NodeId),
    method: &MethodSpec,
    arguments: &A,
) -> Result<FileContent, RpcError> {
    let grant = Grant {
        holder,
        targets: vec![target],
        method: method.name.into(),
        arguments: grant::arguments_hash(&codec::encode(arguments, Encoding::Json)?),
        issued: operator.now,
        expires: operator.now.plus(GRANT_LIFE),
    };
    let credentials = operator.credentials.ok_or_else(|| {
        RpcError::unauthenticated("that takes a grant, which an operator signs: with --local there is no key")
    })?;
    let signed = grant::sign(credentials, &grant);
    Ok(FileContent(signed.map_err(|error| RpcError::internal(error.to_string()))?))
}

/// What is to be sent from here: links are followed at its top alone.
fn here(path: &Path, tree: bool) -> Result<Tree, RpcError> {
    let refused = |error: std::io::Error| failed(path, &error);
    let real = std::fs::canonicalize(path).map_err(refused)?;
    let kind = std::fs::metadata(&real).map_err(refused)?.file_type();
    if kind.is_dir() && !tree {
        return Err(RpcError::bad_request(format!("{} is a directory: copy it with -r", path.display())));
    }
    if !kind.is_dir() && !kind.is_file() {
        return Err(RpcError::bad_request(format!("{} is neither a file nor a directory", path.display())));
    }
    place(&real)
}

/// A name of this machine, by its directory.
fn place(path: &Path) -> Result<Tree, RpcError> {
    let name = path.file_name().ok_or_else(|| {
        RpcError::bad_request(format!("{} has no name of its own: name what is in it", path.display()))
    })?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = std::fs::File::open(parent).map_err(|error| failed(parent, &error))?;
    Ok(Tree::new(directory.into(), name.as_bytes().to_vec()))
}

/// What stands at an end: whether it is a directory, links followed. `None` if nothing does.
///
/// # Errors
/// If that cannot be told.
pub async fn is_directory(end: &End) -> Result<Option<bool>, RpcError> {
    match end {
        End::Here(path) => match std::fs::metadata(path) {
            Ok(found) => Ok(Some(found.is_dir())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, &error)),
        },
        End::There(there) => match there.node.file().stat(there.path.clone(), Some(true)).await {
            Ok(row) => Ok(Some(row.kind == FileKind::Directory)),
            Err(error) if error.code == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        },
    }
}

/// The name that `path` has, below `directory`.
///
/// # Errors
/// If it has no name of its own.
pub fn below(directory: &FilePath, path: &FilePath) -> Result<FilePath, RpcError> {
    let name = paths::last(path).ok_or_else(nameless)?;
    paths::below(directory, name).map_err(|error| RpcError::bad_request(error.to_string()))
}

/// What is copied below something goes by its own name.
pub fn nameless() -> RpcError {
    RpcError::bad_request("what is copied has no name of its own: name what is in it")
}

fn failed(path: &Path, error: &std::io::Error) -> RpcError {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => Code::NotFound,
        std::io::ErrorKind::PermissionDenied => Code::Forbidden,
        _ => Code::Unavailable,
    };
    RpcError::new(code, format!("{}: {error}", path.display()))
}

type Items = Subscription<TransferItem, <NodeHandle as Call>::Source>;
type Tells = Inlet<TransferTell, <NodeHandle as Call>::Sink>;

/// Answers what a node asks, until it says that it is done.
async fn push(
    from: Tree,
    (mut items, mut tells): (Items, Tells),
    told: &watch::Sender<TransferProgress>,
) -> Result<TransferSummary, RpcError> {
    let gone = CancellationToken::new();
    let _guard = gone.clone().drop_guard();
    let (asks_tx, mut asks) = mpsc::channel(ASKS_QUEUE);
    let runtime = Handle::current();
    let mut answering = spawn_blocking(move || {
        let mut sender = Sender::new(from, Box::new(|_| Ok(())), gone).speaking(tells.encoding());
        while let Some(ask) = asks.blocking_recv() {
            sender.answer(ask, &mut |tell| runtime.block_on(tells.send(&tell)))?;
        }
        Ok::<(), RpcError>(())
    });
    let mut is_answering = true;
    loop {
        let item = tokio::select! {
            item = items.next() => item?.ok_or_else(cut)?,
            ended = &mut answering, if is_answering => {
                is_answering = false;
                // If the node took no more it says itself why.
                match ended {
                    Ok(Err(error)) if error.code != Code::Cancelled => return Err(error),
                    _ => continue,
                }
            }
        };
        match item {
            TransferItem::Ask(ask) => {
                // It ended with an error, of which the node is to tell.
                let _ = asks_tx.send(ask).await;
            }
            TransferItem::Progress(progress) => drop(told.send_replace(progress)),
            TransferItem::Done(summary) => return Ok(summary),
        }
    }
}

/// The way of a receiving console.
struct Pull {
    answers: Subscription<TransferTell, <NodeHandle as Call>::Source>,
    asks: Inlet<TransferAsk, <NodeHandle as Call>::Sink>,
    told: watch::Sender<TransferProgress>,
}

async fn pull(way: Pull, to: Tree, bytes_per_second_max: Option<u64>) -> Result<TransferSummary, RpcError> {
    let gone = CancellationToken::new();
    let _guard = gone.clone().drop_guard();
    let runtime = Handle::current();
    let ended = spawn_blocking(move || {
        let mut wire = Wire { runtime, way, gone: gone.clone() };
        Receiver::new(&mut wire, to, bytes_per_second_max, gone).run()
    });
    ended.await.map_err(|error| RpcError::internal(format!("a transfer failed: {error}")))?
}

struct Wire {
    runtime: Handle,
    way: Pull,
    gone: CancellationToken,
}

impl Exchange for Wire {
    fn ask(&mut self, ask: TransferAsk) -> Result<(), RpcError> {
        self.runtime.block_on(async {
            let Err(error) = self.way.asks.send(&ask).await else { return Ok(()) };
            Err(self.way.answers.reason(error).await)
        })
    }

    fn answer(&mut self) -> Result<TransferTell, RpcError> {
        let answer = self.gone.run_until_cancelled(self.way.answers.next());
        let answer = self.runtime.block_on(answer);
        answer.ok_or_else(|| RpcError::cancelled("nobody waits for it any more"))??.ok_or_else(cut)
    }

    fn progress(&mut self, now: &TransferProgress) -> Result<(), RpcError> {
        self.way.told.send_replace(now.clone());
        Ok(())
    }
}

fn cut() -> RpcError {
    RpcError::unavailable("the node ended the transfer")
}

fn nonsense() -> RpcError {
    RpcError::internal("the node asks for what it gets from another one")
}
