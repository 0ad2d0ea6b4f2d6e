//! Shells: interactive terminals that live on this node, whoever is attached to them.
//!
//! Requests enter through [`Shells`]; what a shell writes goes into its ring and from there to everybody attached.
//! A pure core (the ring, the modes of a terminal, what a screen is made of, the limits, the recording) and a thin
//! driver around it: each shell is a few tasks on the runtime of the mesh, so that a key is echoed without a change
//! of threads. Only a [`Runner`] starts and ends processes. What is known of a shell is on disk before it runs, and
//! until its end is seen.

pub mod facts;
pub mod limits;
pub mod modes;
pub mod recording;
pub mod render;
pub mod request;
pub mod ring;

mod attach;
mod keep;
mod life;
mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::id::NodeId;
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::shell::{
    SHELLS_MAX, SHELLS_OF_CALLER_MAX, ShellAttach, ShellInfo, ShellInput, ShellItem,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::host::run::Runner;
use crate::policy::Fuse;
use crate::store::Store;
use attach::Attachment;
use facts::{Facts, Opener};
use request::Wanted;
use session::Session;

/// Screens that are made at the same time, of some ten megabytes each.
const SCREENS_MAX: usize = 2;
/// How long a shell that has ended can still be read.
const ENDED_KEPT: Duration = Duration::from_secs(600);
/// How many of them; the one that ended first makes room.
const ENDED_MAX: usize = 16;

/// What shells need of the node.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// What may be done here.
    pub fuse: Fuse,
    /// What starts them.
    pub runner: Arc<dyn Runner>,
    /// Where is kept what is known of them.
    pub store: Store,
    /// The data directory, for recordings.
    pub data: PathBuf,
    /// Where their tasks run.
    pub handle: Handle,
    /// Who waits for their tasks.
    pub tasks: TaskTracker,
    /// Cancelled when the node stops.
    pub stopping: CancellationToken,
}

/// All shells of a node. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct Shells(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wiring: Wiring,
    screens: Arc<Semaphore>,
    // Held to look up and to count, never over an await; calls and the ends of shells are many tasks.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    sessions: BTreeMap<String, Arc<Session>>,
    /// Whose shells are being opened: their places are taken.
    opening: Vec<(String, Opener)>,
}

impl Table {
    fn running(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions.values().filter(|session| session.is_running())
    }
}

impl Shells {
    /// None yet.
    pub fn new(wiring: Wiring) -> Self {
        let screens = Arc::new(Semaphore::new(SCREENS_MAX));
        Self(Arc::new(Inner { wiring, screens, table: Mutex::default() }))
    }

    /// Opens one. It lives on also if the caller is gone before this returns.
    ///
    /// # Errors
    /// If there are too many, the local policy is against it, it cannot be recorded though it has to be, or what
    /// is asked for cannot be run.
    pub async fn open(&self, opener: Opener, wanted: Wanted) -> Result<ShellInfo, RpcError> {
        let id = self.place(&opener)?;
        let this = self.clone();
        let opening = async move {
            let opened = this.begin(id.clone(), opener.clone(), wanted).await;
            this.table().opening.retain(|(opening, _)| *opening != id);
            opened.map(|session| session.info(Some(&opener)))
        };
        let Wiring { tasks, handle, .. } = &self.0.wiring;
        let opened = tasks.spawn_on(opening, handle).await;
        opened.unwrap_or_else(|error| Err(RpcError::internal(format!("opening a shell failed: {error}"))))
    }

    /// Those that run and those that ended a short while ago, by when they were opened.
    pub fn list(&self, asker: Option<&Opener>) -> Vec<ShellInfo> {
        let sessions: Vec<_> = self.table().sessions.values().cloned().collect();
        let mut shells: Vec<_> = sessions.iter().map(|session| session.info(asker)).collect();
        shells.sort_by(|one, other| (one.opened, &one.id).cmp(&(other.opened, &other.id)));
        shells
    }

    /// Attaches somebody, until one side has had enough.
    ///
    /// # Errors
    /// If there is no such shell, or too many are attached; else as the streams fail.
    pub async fn attach(
        &self,
        asker: Option<Opener>,
        to: ShellAttach,
        (inputs, items): (Inputs<ShellInput>, Items<ShellItem>),
    ) -> Result<(), RpcError> {
        let session = self.session(&to.id)?;
        let attachment = Attachment { session, asker, size: to.size, screens: Arc::clone(&self.0.screens) };
        attachment.run(inputs, items).await
    }

    /// Ends one and waits for that.
    ///
    /// # Errors
    /// If there is none of that id.
    pub async fn end(&self, id: &str, by: &str) -> Result<(), RpcError> {
        let session = self.session(id)?;
        session.end(format!("by {by}"));
        // The sender is in the session that is held here.
        let _ = session.over.subscribe().wait_for(Option::is_some).await;
        Ok(())
    }

    /// Ends all that were opened with a key of which `is_revoked` says so.
    pub fn end_revoked(&self, is_revoked: impl Fn(&NodeId) -> bool) {
        for session in self.table().running() {
            if session.facts.opener.key().is_some_and(|key| is_revoked(&key)) {
                session.end(format!("the key of {} was revoked", session.facts.opener.words()));
            }
        }
    }

    fn session(&self, id: &str) -> Result<Arc<Session>, RpcError> {
        let none = || RpcError::not_found(format!("there is no shell {id:?} here"));
        self.table().sessions.get(id).cloned().ok_or_else(none)
    }

    /// A place among those that may run, and an id.
    fn place(&self, opener: &Opener) -> Result<String, RpcError> {
        let full = |most: usize, whose: &str| {
            let text = format!("{whose} {most} shells on this node already: end one (p2p-tui shell --list)");
            Err(RpcError::new(Code::RateLimited, text))
        };
        let mut table = self.table();
        if table.running().count() + table.opening.len() >= SHELLS_MAX {
            return full(SHELLS_MAX, "there are");
        }
        let own = table.running().filter(|session| session.facts.opener == *opener).count()
            + table.opening.iter().filter(|(_, other)| other == opener).count();
        if own >= SHELLS_OF_CALLER_MAX {
            return full(SHELLS_OF_CALLER_MAX, "you have");
        }
        let id = std::iter::repeat_with(facts::new_id)
            .find(|id| !table.sessions.contains_key(id) && table.opening.iter().all(|(other, _)| other != id))
            .expect("an endless iterator");
        table.opening.push((id.clone(), opener.clone()));
        Ok(id)
    }

    /// Takes a session in; after its end it can be read for a while.
    fn admit(&self, session: Arc<Session>, living: impl Future<Output = ()> + Send + 'static) {
        let (this, id) = (self.clone(), session.facts.id.clone());
        self.table().sessions.insert(id.clone(), Arc::clone(&session));
        let life = async move {
            living.await;
            if session.is_running() {
                tracing::info!(shell = id, "a shell goes on without this node");
            } else {
                tracing::info!(shell = id, "a shell is over");
            }
            this.make_room();
            let stopping = this.0.wiring.stopping.clone();
            stopping.run_until_cancelled(tokio::time::sleep(ENDED_KEPT)).await;
            this.table().sessions.remove(&id);
        };
        let Wiring { tasks, handle, .. } = &self.0.wiring;
        tasks.spawn_on(life, handle);
    }

    fn make_room(&self) {
        let mut table = self.table();
        let ended = table.sessions.values().filter(|session| !session.is_running());
        let mut ended: Vec<_> =
            ended.map(|session| (session.info(None).active, session.facts.id.clone())).collect();
        ended.sort();
        let surplus = ended.len().saturating_sub(ENDED_MAX);
        ended.into_iter().take(surplus).for_each(|(_, id)| drop(table.sessions.remove(&id)));
    }

    /// Keeps what is known of a shell, or forgets it.
    async fn keep(&self, id: String, facts: Option<Facts>) -> Result<(), RpcError> {
        let store = self.0.wiring.store.clone();
        let record = facts.map(|facts| serde_json::to_vec(&facts)).transpose();
        let record = record.map_err(|error| RpcError::internal(error.to_string()))?;
        let kept = spawn_blocking(move || store.put_shell(&id, record.as_deref())).await;
        kept.map_err(|error| RpcError::internal(error.to_string()))?.map_err(|error| {
            RpcError::unavailable(format!("what is known of a shell cannot be kept: {error}"))
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
