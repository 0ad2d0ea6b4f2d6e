//! The way into the mesh: from the addresses that the operator gave to handles of nodes.
//!
//! All given nodes are tried side by side and the first that answers is the entrance; what it knows of the
//! fleet leads to the others. The console and the headless commands both enter here.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::endpoint::ClientEndpoint;
use p2p_shared::mesh::failure::DialFailure;
use p2p_shared::mesh::link::{CONNECT_TIMEOUT, Link, Local};
use p2p_shared::mesh::{Mesh, NodeHandle};
use p2p_shared::tls::{Credentials, Trust};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::address::NodeAddress;
use super::directory::{Directory, Turn};
use super::door::{Console, Door};
use super::uses::Uses;
use crate::event::MeshEvent;

/// How long the other sides get to hear that the console leaves.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(900);
/// How much longer than one handshake an entrance may take: several addresses are tried in turn.
const ENTER_TIMEOUT: Duration = CONNECT_TIMEOUT.saturating_add(Duration::from_millis(300));

/// Connections, what is known of the fleet, and the mesh over both. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Way {
    /// Where nodes are.
    pub directory: Directory,
    /// The connections; `None` where the one node is reached by its socket.
    pub door: Option<Door>,
    /// Nodes by name.
    pub mesh: Mesh,
    /// Who works with which of them.
    pub uses: Uses,
    /// Whose signatures are believed; `None` without a certificate, which names the CA.
    pub trust: Option<Arc<Trust>>,
}

impl Way {
    /// A way on the current runtime; nothing is dialled yet. Tells `reports` how links fare, if there is one.
    pub fn new(
        credentials: &Credentials,
        reports: Option<mpsc::Sender<MeshEvent>>,
        tasks: TaskTracker,
    ) -> io::Result<Self> {
        let local = Local::new(credentials.identity().mesh.clone());
        let endpoint = ClientEndpoint::new(credentials, local, Handle::current())?;
        let uses = Uses::default();
        let console = reports.map(|reports| Console { reports, uses: uses.clone() });
        let door = Door::new(endpoint, console, tasks);
        let directory = Directory::default();
        let mesh = Mesh::new(directory.clone(), door.clone());
        Ok(Self { directory, door: Some(door), mesh, uses, trust: Some(credentials.trust()) })
    }

    /// A way to the node of this machine alone, by its socket: with nobody's key, and without a network.
    pub fn local(socket: PathBuf) -> Self {
        let (directory, mesh, uses) = (Directory::default(), Mesh::of_socket(socket), Uses::default());
        Self { directory, door: None, mesh, uses, trust: None }
    }

    /// Connects to the first of the given nodes that answers. The node is known by name from then on.
    pub async fn enter(&self, given: &[NodeAddress]) -> Result<Link, EnterError> {
        let mut trying: FuturesUnordered<_> = given.iter().map(|address| self.try_one(address)).collect();
        let mut attempts = Vec::new();
        while let Some(tried) = trying.next().await {
            match tried {
                Ok(link) => {
                    self.met(&link);
                    return Ok(link);
                }
                Err(attempt) => attempts.push(attempt),
            }
        }
        Err(EnterError { attempts })
    }

    /// Remembers where the node of a link was found; calls to it use this link from now on.
    pub fn met(&self, link: &Link) {
        let peer = link.peer();
        self.directory.met(peer.id, peer.name.clone(), link.address());
        // An earlier failure of that name does not count any more.
        self.mesh.forget(&peer.name);
    }

    /// A handle to exactly the node of this id, connected.
    pub async fn node(&self, id: NodeId) -> Result<NodeHandle, RpcError> {
        let unknown = || RpcError::not_found(format!("node {} is no member any more", id.short()));
        let name = self.directory.name(id).ok_or_else(unknown)?;
        let handle = self.mesh.node(&name);
        if self.door.is_none() {
            return Ok(handle);
        }
        let found = handle.link().await?.peer().id;
        if found != id {
            let text = format!("{name} has another key now ({} and not {})", found.short(), id.short());
            return Err(RpcError::not_found(text));
        }
        Ok(handle)
    }

    /// Draws the consequences of what the directory says about a node: connections that are of no use end
    /// now, instead of when their silence is noticed.
    pub fn turned(&self, (id, name, turn): (NodeId, NodeName, Turn)) {
        self.hang_up(id);
        if turn == Turn::Renewed {
            self.mesh.forget(&name);
        }
    }

    /// Ends the connection to a node, if there is one.
    pub fn hang_up(&self, id: NodeId) {
        if let Some(door) = &self.door {
            door.hang_up(id);
        }
    }

    /// Ends all connections, within a second.
    pub async fn close(&self) {
        if let Some(door) = &self.door {
            let _ = timeout(CLOSE_TIMEOUT, door.close()).await;
        }
    }

    async fn try_one(&self, given: &NodeAddress) -> Result<Link, Attempt> {
        let whole = async {
            let addresses = given.resolve().await.map_err(Reason::Unresolved)?;
            let door = self.door.as_ref().ok_or_else(|| Reason::Failed(Vec::new()))?;
            door.enter(addresses).await.map_err(|error| Reason::Failed(error.failures))
        };
        let tried = timeout(ENTER_TIMEOUT, whole).await.unwrap_or(Err(Reason::TimedOut));
        tried.map_err(|reason| Attempt { given: given.clone(), reason })
    }
}

/// No given node could be entered by.
#[derive(Debug)]
pub struct EnterError {
    attempts: Vec<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    given: NodeAddress,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Unresolved(io::Error),
    Failed(Vec<DialFailure>),
    TimedOut,
}

impl Reason {
    /// Whether somebody answered and one side refused the other: trying again changes nothing.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed(failures) if failures.iter().any(|failure| failure.error.refusal().is_some()))
    }
}

impl EnterError {
    /// How a command that ends in it exits: a refusal is a matter of permission, all else of connection.
    pub fn exit(&self) -> Exit {
        let refused = self.attempts.iter().any(|attempt| attempt.reason.is_refusal());
        if refused { Exit::Permission } else { Exit::Unavailable }
    }
}

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}cannot connect to {}: {}", attempt.given, attempt.reason)?;
        }
        if self.exit() == Exit::Unavailable {
            f.write_str("; is p2p-node running there? --node HOST:PORT names another")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(error) => write!(f, "{error}"),
            Self::TimedOut => write!(f, "no answer within {} s", CONNECT_TIMEOUT.as_secs()),
            Self::Failed(failures) => {
                let mut told: Vec<String> = Vec::new();
                for failure in failures {
                    let text = failure.error.to_string();
                    if !told.contains(&text) {
                        told.push(text);
                    }
                }
                f.write_str(&told.join(", "))
            }
        }
    }
}
