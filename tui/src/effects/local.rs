//! The way in for whoever stands in front of a machine: the Unix socket of its node, and that node alone.
//!
//! No network, no certificate and no key are needed or used; the kernel tells the node who calls, and root and
//! the node's own user are administrators there, whatever has expired or been revoked. What an operator signs
//! (grants, tokens) cannot be had this way, and without the CA's certificate no signature of others is judged.
//!
//! Who answers is not proven either: it is whoever may write to the directory of the socket, and that is the
//! node's own user and root. A path that is given by hand is trusted as it is.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::backoff::Backoff;
use p2p_shared::mesh::socket::FILE;
use p2p_shared::services::Services;
use p2p_shared::services::node::{FleetDelta, NodeInfo};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::settings::{SettingsError, Surroundings};
use super::way::Way;
use crate::event::{Entry as State, Link, MeshEvent};

/// Where the package has a node keep its data.
const SYSTEM: &str = "/var/lib/p2p-admin";
/// The longest wait between two tries: a person is looking.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The socket to enter by: what was asked for, else the only one where nodes of this machine keep theirs.
///
/// # Errors
/// If there is none, or there are several.
pub fn socket(asked: Option<&Path>, surroundings: &Surroundings) -> Result<PathBuf, SettingsError> {
    match asked {
        Some(given) => Ok(surroundings.here.join(given)),
        None => only(Path::new(SYSTEM), surroundings.state.as_deref()),
    }
}

fn only(system: &Path, state: Option<&Path>) -> Result<PathBuf, SettingsError> {
    let nodes = state.and_then(|state| fs::read_dir(state).ok()).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = nodes.map(|entry| entry.path().join(FILE)).collect();
    found.sort();
    found.insert(0, system.join(FILE));
    let is_hidden = |path: &&PathBuf| {
        fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    let hidden = found.iter().find(is_hidden).cloned();
    found.retain(|path| fs::metadata(path).is_ok());
    if found.len() > 1 {
        // A node that was killed leaves its socket.
        found.retain(|path| UnixStream::connect(path).is_ok());
    }
    let looked = [system.to_owned()].into_iter().chain(state.map(|state| state.join("*")));
    let looked = looked.map(|directory| directory.join(FILE)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            found.push(last);
            Err(SettingsError::SeveralSockets(found))
        }
        (None, _) => Err(hidden.map_or(SettingsError::NoSocket(looked), SettingsError::HiddenSocket)),
    }
}

/// Asks who answers, and knows that node by its name from then on.
///
/// # Errors
/// As the node answers, or if nobody does.
pub async fn enter(way: &Way) -> Result<NodeInfo, RpcError> {
    // Whatever it is called: there is no other.
    let info = way.mesh.node(&anybody()).node().info().await.map_err(unnamed)?;
    let mine = way.mesh.node(&info.name).node().members().await?;
    let changed = mine.into_iter().filter(|member| member.id == info.id).collect();
    way.directory.apply(&FleetDelta { seq: 0, full: true, changed, forgotten: Vec::new() });
    Ok(info)
}

/// The name of a node that has not said its own yet.
fn anybody() -> NodeName {
    "local".parse().expect("a good name")
}

/// An error without the name that stood for nobody.
fn unnamed(error: RpcError) -> RpcError {
    RpcError { node: None, ..error }
}

/// What of a node's directory is about itself: nobody else can be reached by its socket.
fn own(id: NodeId, mut delta: FleetDelta) -> FleetDelta {
    delta.changed.retain(|member| member.id == id);
    delta.forgotten.retain(|forgotten| *forgotten == id);
    delta
}

/// The task that keeps the console at the node of this machine.
#[derive(Debug)]
pub struct Local {
    /// How it calls.
    pub way: Way,
    /// The socket, for the screen.
    pub socket: PathBuf,
    /// Where it tells what happens. While it is full, the directory waits.
    pub events: mpsc::Sender<MeshEvent>,
    /// The node by which the console is in now.
    pub current: watch::Sender<Option<NodeName>>,
}

impl Local {
    /// Runs for ever; ends when it is dropped.
    pub async fn run(self) {
        let mut backoff = Backoff::new(u64::from(std::process::id()));
        loop {
            self.tell(MeshEvent::Entry(State::Connecting { address: self.socket.display().to_string() }))
                .await;
            let reason = match enter(&self.way).await {
                Ok(info) => {
                    backoff.succeeded();
                    let error = self.follow(&info).await;
                    self.current.send_replace(None);
                    let reason = error.message.clone();
                    let link = Link::Failed { reason: error.message };
                    self.tell(MeshEvent::Link { node: info.id, link }).await;
                    reason
                }
                Err(error) => error.message,
            };
            tracing::info!(%reason, "the socket is lost");
            self.tell(MeshEvent::Entry(State::Lost { reason })).await;
            sleep(backoff.failed().to_duration().min(WAIT_MAX)).await;
        }
    }

    /// Follows what the node says of itself until that ends; why it ended.
    async fn follow(&self, info: &NodeInfo) -> RpcError {
        let (id, name, mesh) = (info.id, info.name.clone(), info.mesh.clone());
        self.tell(MeshEvent::Entry(State::Connected { id, name: name.clone(), mesh })).await;
        self.tell(MeshEvent::Link { node: id, link: Link::Connected }).await;
        self.current.send_replace(Some(name.clone()));
        let ended = self.deliver(id, &self.way.mesh.node(&name)).await;
        ended.err().unwrap_or_else(|| RpcError::unavailable("it ended the watch"))
    }

    async fn deliver(&self, id: NodeId, handle: &NodeHandle) -> Result<(), RpcError> {
        let mut fleet = handle.node().fleet().await?;
        while let Some(delta) = fleet.next().await? {
            let delta = own(id, delta);
            self.way.directory.apply(&delta);
            if !delta.changed.is_empty() || delta.full {
                self.tell(MeshEvent::Fleet(delta)).await;
            }
        }
        Ok(())
    }

    async fn tell(&self, event: MeshEvent) {
        // Who does not listen any more is leaving, and drops this task.
        let _ = self.events.send(event).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_only_node_that_answers_is_meant_and_of_several_none() {
        let root = tempfile::tempdir().unwrap();
        let (system, state) = (root.path().join("var"), root.path().join("state"));
        let none = only(&system, Some(&state)).unwrap_err().to_string();
        assert!(none.contains("var/node.sock") && none.contains("state/*/node.sock"), "{none}");
        let bound = |directory: PathBuf| {
            fs::create_dir_all(&directory).unwrap();
            let path = directory.join(FILE);
            (UnixListener::bind(&path).unwrap(), path)
        };
        let (_one, path) = bound(state.join("web-1"));
        assert_eq!(only(&system, Some(&state)).unwrap(), path);
        let (two, _) = bound(system.clone());
        let several = only(&system, Some(&state)).unwrap_err().to_string();
        assert!(several.contains("--local=") && several.contains("web-1"), "{several}");
        drop(two);
        assert_eq!(only(&system, Some(&state)).unwrap(), path);
    }
}
