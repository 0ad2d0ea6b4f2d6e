//! The console's entrance: one node whose directory it follows, and another one when that goes away.
//!
//! Runs as one task. The fleet watch of the entry node enters; what it says goes to the shared directory and
//! to the console. An entrance that falls silent is noticed within five seconds, long before QUIC gives up; within six
//! while the console waits for nothing else.

use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::backoff::Backoff;
use p2p_shared::mesh::link::Link;
use p2p_shared::services::Services;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::address::NodeAddress;
use super::beat;
use super::door::Door;
use super::looks::{Counters, Entrance, LOOK};
use super::way::{EnterError, Way};
use crate::event::{Entry as State, MeshEvent};

/// The longest wait between two rounds of trying everybody: a person is looking.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Known members that are tried at a time.
const MEMBERS_AT_ONCE: usize = 8;
/// How long the entry node has to answer when it is asked whether it lives.
const ANSWER: Duration = Duration::from_millis(1_500);

/// The task that keeps the console in the mesh.
#[derive(Debug)]
pub struct Entry {
    /// How it connects.
    pub way: Way,
    /// The nodes that the operator gave.
    pub given: Vec<NodeAddress>,
    /// Where it tells what happens. While it is full, the directory waits.
    pub events: mpsc::Sender<MeshEvent>,
    /// The node by which the console is in now.
    pub current: watch::Sender<Option<NodeName>>,
}

impl Entry {
    /// Runs for ever; ends when it is dropped.
    pub async fn run(self) {
        let mut backoff = Backoff::new(u64::from(std::process::id()));
        loop {
            let reason = match self.enter().await {
                Ok(link) => {
                    backoff.succeeded();
                    let error = self.follow(&link).await;
                    self.current.send_replace(None);
                    // What fell silent would only be found again.
                    self.way.hang_up(link.peer().id);
                    format!("{}: {}", link.peer().name, error.message)
                }
                Err(reason) => reason,
            };
            tracing::info!(%reason, "the entrance is lost");
            self.tell(MeshEvent::Entry(State::Lost { reason })).await;
            sleep(backoff.failed().to_duration().min(WAIT_MAX)).await;
        }
    }

    /// The first of all nodes given and known that answers.
    async fn enter(&self) -> Result<Link, String> {
        let address = self.given.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        self.tell(MeshEvent::Entry(State::Connecting { address })).await;
        let given = Box::pin(self.way.enter(&self.given));
        let known = Box::pin(self.enter_by_member());
        match select(given, known).await {
            Either::Left((Ok(link), _)) | Either::Right((Some(link), _)) => Ok(link),
            Either::Left((Err(error), known)) => known.await.ok_or_else(|| self.nobody(&error)),
            Either::Right((None, given)) => given.await.map_err(|error| self.nobody(&error)),
        }
    }

    async fn enter_by_member(&self) -> Option<Link> {
        let names = self.way.directory.names();
        let dial = |name: NodeName| async move { self.way.mesh.node(&name).link().await };
        let mut links = stream::iter(names).map(dial).buffer_unordered(MEMBERS_AT_ONCE);
        while let Some(tried) = links.next().await {
            if let Ok(link) = tried {
                return Some(link);
            }
        }
        None
    }

    fn nobody(&self, error: &EnterError) -> String {
        match self.way.directory.names().len() {
            0 => error.to_string(),
            members => format!("{error}; none of {members} known nodes answers either"),
        }
    }

    /// Follows the directory of the entry node until that ends; why it ended.
    async fn follow(&self, link: &Link) -> RpcError {
        let peer = link.peer();
        self.way.met(link);
        if let Some(door) = &self.way.door {
            door.came_by(link);
        }
        let (id, name, mesh) = (peer.id, peer.name.clone(), peer.mesh.clone());
        self.tell(MeshEvent::Entry(State::Connected { id, name: name.clone(), mesh })).await;
        self.current.send_replace(Some(name.clone()));
        let handle = self.way.mesh.node(&name);
        tokio::select! {
            ended = self.deliver(&handle) => ended.err().unwrap_or_else(|| RpcError::unavailable("it ended the watch")),
            silent = silence(&self.way, &handle) => silent,
        }
    }

    async fn deliver(&self, handle: &NodeHandle) -> Result<(), RpcError> {
        let mut fleet = handle.node().fleet().await?;
        while let Some(delta) = fleet.next().await? {
            self.way.directory.apply(&delta).into_iter().for_each(|turn| self.way.turned(turn));
            self.tell(MeshEvent::Fleet(delta)).await;
        }
        Ok(())
    }

    async fn tell(&self, event: MeshEvent) {
        // Who does not listen any more is leaving, and drops this task.
        let _ = self.events.send(event).await;
    }
}

/// Resolves once a node does not answer any more. Costs nothing while it talks anyway.
async fn silence(way: &Way, handle: &NodeHandle) -> RpcError {
    let link = match handle.link().await {
        Ok(link) => link,
        Err(error) => return error,
    };
    let asking = handle.clone().with_deadline(ANSWER);
    let mut entrance = Entrance::default();
    loop {
        let every = way.door.as_ref().map_or(LOOK, Door::look_every);
        beat::wait(every).await;
        if !entrance.look(Counters::of(&link), every) {
            continue;
        }
        match asking.node().labels().await {
            Err(error) if matches!(error.code, Code::Deadline | Code::Unavailable) => {
                return RpcError::unavailable("it does not answer any more");
            }
            // Any other answer is one.
            _ => entrance.answered(Counters::of(&link)),
        }
    }
}
