//! The console's connections: dials for the mesh, holds what stands, and tells how each link fares.
//!
//! A dial that has begun always ends in a report, even if the call that wanted it was given up. Reports go to
//! a bounded channel; while it is full, dialling waits. One timer serves all connections: a silent one is given up,
//! and one that nobody uses is hung up.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p2p_shared::id::NodeId;
use p2p_shared::mesh::endpoint::ClientEndpoint;
use p2p_shared::mesh::failure::{CloseCode, DialError, LinkError};
use p2p_shared::mesh::link::Link;
use p2p_shared::mesh::{Dial, Target};
use p2p_shared::time::Millis;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::beat;
use super::looks::{Counters, LOOK, LOOK_AT_REST, Look, Looks};
use super::uses::Uses;
use crate::event::{Link as LinkState, MeshEvent};

/// Most handshakes at a time.
const DIALS_MAX: usize = 64;

/// Opens and keeps connections; clones are the same one.
#[derive(Clone, Debug)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    endpoint: ClientEndpoint,
    // Short look-ups by tasks of any node, never held across an await.
    open: Mutex<Open>,
    dials: Semaphore,
    console: Option<Console>,
    tasks: TaskTracker,
}

/// What a console has to do with its connections; a command has none.
#[derive(Clone, Debug)]
pub struct Console {
    /// Hears how each link fares.
    pub reports: mpsc::Sender<MeshEvent>,
    /// The nodes that are worked with; connections to others are ended after a while.
    pub uses: Uses,
}

#[derive(Debug, Default)]
struct Open {
    links: HashMap<NodeId, (Link, Looks)>,
    /// By whom the console is in: that connection is not hung up.
    entrance: Option<NodeId>,
    /// Whether a task looks at them.
    looking: bool,
}

impl Door {
    /// A door over `endpoint`, whose tasks `tasks` tracks. Without a console it keeps quiet and all connections.
    pub fn new(endpoint: ClientEndpoint, console: Option<Console>, tasks: TaskTracker) -> Self {
        let (open, dials) = (Mutex::default(), Semaphore::new(DIALS_MAX));
        Self(Arc::new(Inner { endpoint, open, dials, console, tasks }))
    }

    /// The connection by which the console is in.
    pub fn came_by(&self, link: &Link) {
        self.open().entrance = Some(link.peer().id);
    }

    /// How often to look after connections now.
    pub(super) fn look_every(&self) -> Millis {
        let rests = self.0.console.as_ref().is_some_and(|console| console.uses.is_empty());
        if rests { LOOK_AT_REST } else { LOOK }
    }

    /// Connects to whoever answers first at these addresses, and keeps the connection.
    ///
    /// # Errors
    /// What happened at each address.
    pub async fn enter(&self, addresses: Vec<SocketAddr>) -> Result<Link, DialError> {
        let link = self.0.endpoint.dial(Target { addresses, ..Target::default() }).await?;
        self.keep(&link);
        Ok(link)
    }

    /// Ends the connection to a node, if there is one.
    pub fn hang_up(&self, id: NodeId) {
        if let Some((link, _)) = self.open().links.remove(&id) {
            link.close(CloseCode::Done, "");
        }
    }

    /// Ends all connections, and waits until the other sides were told.
    pub async fn close(&self) {
        self.0.endpoint.close().await;
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self, id: NodeId) -> Option<Link> {
        self.open().links.get(&id).map(|(link, _)| link.clone()).filter(Link::is_open)
    }

    /// Keeps a link until it ends, and tells of both.
    fn keep(&self, link: &Link) {
        let id = link.peer().id;
        let (before, looking) = {
            let mut open = self.open();
            let before = open.links.insert(id, (link.clone(), Looks::default()));
            (before, std::mem::replace(&mut open.looking, true))
        };
        if let Some((before, _)) = before.filter(|(before, _)| !before.is(link)) {
            before.close(CloseCode::Replaced, "");
        }
        if !looking {
            self.0.tasks.spawn(self.clone().look());
        }
        let (door, link) = (self.clone(), link.clone());
        self.0.tasks.spawn(async move {
            door.report(id, LinkState::Connected).await;
            let reason = link.why(link.connection().closed().await.into());
            let was_current = {
                let mut open = door.open();
                let current = open.links.get(&id).is_none_or(|(current, _)| current.is(&link));
                if current {
                    open.links.remove(&id);
                }
                current
            };
            if was_current {
                door.report(id, ended(&reason)).await;
            }
        });
    }

    /// Looks at all connections, until there is none.
    async fn look(self) {
        loop {
            let every = self.look_every();
            beat::wait(every).await;
            if !self.look_at_all(every) {
                return;
            }
        }
    }

    /// Whether there are any left.
    fn look_at_all(&self, after: Millis) -> bool {
        let mut open = self.open();
        let Open { links, entrance, looking } = &mut *open;
        links.retain(|id, (link, looks)| {
            let is_used = self.0.console.as_ref().is_none_or(|console| console.uses.is_used(*id));
            match looks.look(Counters::of(link), after, is_used || *entrance == Some(*id)) {
                Look::Fine => true,
                Look::Dead => {
                    link.give_up();
                    // The task that waits for its end takes it away.
                    true
                }
                Look::Unused => {
                    link.close(CloseCode::Done, "");
                    false
                }
            }
        });
        *looking = !links.is_empty();
        *looking
    }

    async fn connect(self, target: Target) -> Result<Link, DialError> {
        let id = target.id;
        // The semaphore is never closed; without a permit the dial is only less well paced.
        let _permit = self.0.dials.acquire().await.ok();
        if let Some(id) = id {
            self.report(id, LinkState::Connecting).await;
        }
        let dialled = self.0.endpoint.dial(target).await;
        match (&dialled, id) {
            (Ok(link), _) => self.keep(link),
            (Err(error), Some(id)) => {
                self.report(id, LinkState::Failed { reason: error.to_string() }).await;
            }
            (Err(_), None) => {}
        }
        dialled
    }

    async fn report(&self, node: NodeId, link: LinkState) {
        if let Some(console) = &self.0.console {
            // Who does not listen any more is leaving.
            let _ = console.reports.send(MeshEvent::Link { node, link }).await;
        }
    }
}

/// What the end of a connection means: one that was closed here is not a failure.
fn ended(reason: &LinkError) -> LinkState {
    match reason {
        LinkError::Local => LinkState::Idle,
        other => LinkState::Failed { reason: other.to_string() },
    }
}

impl Dial for Door {
    async fn dial(&self, target: Target) -> Result<Link, DialError> {
        if let Some(link) = target.id.and_then(|id| self.standing(id)) {
            return Ok(link);
        }
        let whom = target.to_string();
        let dialling = self.0.tasks.spawn(self.clone().connect(target));
        dialling.await.unwrap_or_else(|_| Err(DialError { target: whom, failures: Vec::new() }))
    }
}
