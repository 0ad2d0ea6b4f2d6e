//! The console's connections: dials for the mesh, holds what stands, and tells how each link fares.
//!
//! A dial that has begun always ends in a report, even if the call that wanted it was given up. Reports go to
//! a bounded channel; while it is full, dialling waits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p2p_shared::id::NodeId;
use p2p_shared::mesh::endpoint::ClientEndpoint;
use p2p_shared::mesh::failure::{CloseCode, DialError, LinkError};
use p2p_shared::mesh::link::Link;
use p2p_shared::mesh::silence::{LOOK_EVERY, Look, Silence};
use p2p_shared::mesh::{Dial, Target};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

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
    open: Mutex<HashMap<NodeId, Link>>,
    dials: Semaphore,
    reports: Option<mpsc::Sender<MeshEvent>>,
    tasks: TaskTracker,
}

impl Door {
    /// A door over `endpoint`, whose tasks `tasks` tracks. Without `reports` it keeps quiet.
    pub fn new(
        endpoint: ClientEndpoint,
        reports: Option<mpsc::Sender<MeshEvent>>,
        tasks: TaskTracker,
    ) -> Self {
        let (open, dials) = (Mutex::default(), Semaphore::new(DIALS_MAX));
        Self(Arc::new(Inner { endpoint, open, dials, reports, tasks }))
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
        if let Some(link) = self.open().remove(&id) {
            link.close(CloseCode::Done, "");
        }
    }

    /// Ends all connections, and waits until the other sides were told.
    pub async fn close(&self) {
        self.0.endpoint.close().await;
    }

    fn open(&self) -> MutexGuard<'_, HashMap<NodeId, Link>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self, id: NodeId) -> Option<Link> {
        self.open().get(&id).filter(|link| link.is_open()).cloned()
    }

    /// Keeps a link until it ends, and tells of both.
    fn keep(&self, link: &Link) {
        let id = link.peer().id;
        let before = self.open().insert(id, link.clone());
        if let Some(before) = before.filter(|before| !before.is(link)) {
            before.close(CloseCode::Replaced, "");
        }
        let (door, link) = (self.clone(), link.clone());
        self.0.tasks.spawn(async move {
            door.report(id, LinkState::Connected).await;
            let reason = closed(&link).await;
            let was_current = {
                let mut open = door.open();
                let current = open.get(&id).is_none_or(|current| current.is(&link));
                if current {
                    open.remove(&id);
                }
                current
            };
            if was_current {
                door.report(id, ended(&reason)).await;
            }
        });
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
        if let Some(reports) = &self.0.reports {
            // Who does not listen any more is leaving.
            let _ = reports.send(MeshEvent::Link { node, link }).await;
        }
    }
}

/// Waits until a link has ended, and ends it if nothing is heard of the node any more.
async fn closed(link: &Link) -> LinkError {
    let mut looks = interval(LOOK_EVERY);
    // A console that was stopped looks once, and not as often as it missed.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silence = Silence::default();
    let mut closed = std::pin::pin!(link.connection().closed());
    loop {
        tokio::select! {
            told = &mut closed => return link.why(told.into()),
            _ = looks.tick() => if silence.look(link.connection().stats().udp_rx.datagrams) == Look::Dead {
                link.give_up();
            }
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
