//! One stay in the mesh: connect, learn the members, ask those that are meant, leave.
//!
//! Every target that was selected ends in exactly one answer; what the text named and nobody bears is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use futures::stream;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::{FleetDelta, Member, MemberState};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{Credentials, Trust};
use tokio_util::task::TaskTracker;

use super::Entrance;
use super::failure::{CliError, words};
use super::output::Streams;
use crate::effects::address::NodeAddress;
use crate::effects::directory::preference;
use crate::effects::local;
use crate::effects::settings::Surroundings;
use crate::effects::way::Way;
use crate::selector::Selector;

/// Nodes that are asked at a time.
const ASKED_AT_ONCE: usize = 64;

/// The wall clock.
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A connected command.
#[derive(Debug)]
pub struct Session {
    way: Way,
    /// `None` for who came by the socket of this machine.
    credentials: Option<Arc<Credentials>>,
    entry: NodeName,
    members: Vec<Member>,
}

/// The members that a command is about.
#[derive(Debug)]
pub struct Targets {
    /// They, by name.
    pub members: Vec<Member>,
    /// How many names nobody bears.
    pub unknown: usize,
}

impl Session {
    /// Finds the credentials, connects, and learns who is in the mesh.
    pub async fn open(entrance: &Entrance, surroundings: &Surroundings) -> Result<Self, CliError> {
        if let Some(socket) = entrance.socket(surroundings)? {
            return Self::local(socket).await;
        }
        let given = surroundings.entrances(
            &entrance.node,
            &surroundings.console_file()?,
            entrance.certs.as_deref(),
        )?;
        let credentials = surroundings.credentials(entrance.certs.as_deref(), now())?;
        let way = Way::new(&credentials, None, TaskTracker::new()).map_err(|error| {
            CliError::new(Exit::Unavailable, format!("cannot open a UDP socket: {error}"))
        })?;
        Self::enter(way, Arc::new(credentials), &given).await
    }

    /// By the socket of this machine: its node is the only member there is.
    async fn local(socket: PathBuf) -> Result<Self, CliError> {
        let way = Way::local(socket);
        let info = local::enter(&way).await?;
        let members = way.directory.members();
        Ok(Self { way, credentials: None, entry: info.name, members })
    }

    async fn enter(way: Way, credentials: Arc<Credentials>, given: &[NodeAddress]) -> Result<Self, CliError> {
        let entry = match way.enter(given).await {
            Ok(link) => link.peer().name.clone(),
            Err(error) => {
                way.close().await;
                return Err(error.into());
            }
        };
        let mut members = match way.mesh.node(&entry).node().members().await {
            Ok(members) => members,
            Err(error) => {
                way.close().await;
                return Err(error.into());
            }
        };
        members.sort_by(|a, b| (&a.name, preference(a)).cmp(&(&b.name, preference(b))));
        way.directory.apply(&FleetDelta {
            seq: 0,
            full: true,
            changed: members.clone(),
            forgotten: Vec::new(),
        });
        Ok(Self { way, credentials: Some(credentials), entry, members })
    }

    /// Every member, by name, of one name the likeliest to answer first.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whom this operator believes.
    pub fn trust(&self) -> Result<&Trust, CliError> {
        self.way.trust.as_deref().ok_or_else(|| {
            let text = "that takes the CA's certificate, to see whose signatures are good: with --local there is none";
            CliError::new(Exit::Permission, text)
        })
    }

    /// With what this operator signs; `None` with `--local`.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_deref()
    }

    /// The node by which this came in.
    pub fn entry(&self) -> NodeHandle {
        self.way.mesh.node(&self.entry)
    }

    /// The members that a selector means, to read from. Names that nobody bears are told and counted.
    pub fn readable(&self, on: &Selector, streams: &mut Streams<'_>) -> Result<Targets, CliError> {
        let selection = on.select(&self.members);
        for name in &selection.unknown {
            streams.say(&format!("{name}: no node is called so; `p2p-tui nodes` lists all"));
        }
        let mut members: Vec<Member> = selection.members.into_iter().cloned().collect();
        // Of a name only the likeliest is asked: the others are keys that it replaced.
        members.dedup_by(|later, earlier| later.name == earlier.name);
        if members.is_empty() && selection.unknown.is_empty() {
            return Err(CliError::new(Exit::Failed, "the selector fits no node; `p2p-tui nodes` lists all"));
        }
        Ok(Targets { members, unknown: selection.unknown.len() })
    }

    /// The members that a selector means, to change something: a name that nobody bears spoils it all.
    pub fn writable(&self, on: &Selector, streams: &mut Streams<'_>) -> Result<Vec<Member>, CliError> {
        let targets = self.readable(on, streams)?;
        if targets.unknown > 0 {
            return Err(CliError::new(
                Exit::Failed,
                "nothing was changed, because the selector names such nodes",
            ));
        }
        Ok(targets.members)
    }

    /// Asks all targets side by side and hands on each answer as it comes.
    pub async fn ask<T, Fut>(
        &self,
        targets: &[Member],
        question: impl Fn(NodeHandle) -> Fut,
        mut answered: impl FnMut(&Member, Result<T, RpcError>) -> Result<(), CliError>,
    ) -> Result<(), CliError>
    where
        Fut: Future<Output = Result<T, RpcError>>,
    {
        let one = |target| {
            let question = &question;
            async move {
                let answer = match self.reach(target).await {
                    Ok(node) => question(node).await,
                    Err(error) => Err(error),
                };
                (target, answer)
            }
        };
        let mut answers = stream::iter(targets).map(one).buffer_unordered(ASKED_AT_ONCE);
        while let Some((target, answer)) = answers.next().await {
            answered(target, answer)?;
        }
        Ok(())
    }

    /// A connected handle to exactly this member.
    pub async fn reach(&self, target: &Member) -> Result<NodeHandle, RpcError> {
        if target.state == MemberState::Left {
            return Err(RpcError::unavailable("it said good-bye and has not come back"));
        }
        self.way.node(target.id).await
    }

    /// Leaves, within a second.
    pub async fn close(self) {
        self.way.close().await;
    }
}

/// Counts the targets that failed, with a line each.
#[derive(Debug, Default)]
pub struct Account {
    failed: usize,
    last: Option<Exit>,
}

impl Account {
    /// Names that nobody bears were told already.
    pub fn new(unknown: usize) -> Self {
        Self { failed: unknown, last: None }
    }

    /// One target failed.
    pub fn failed(&mut self, target: &Member, error: &RpcError, streams: &mut Streams<'_>) {
        self.failed += 1;
        self.last = Some(error.code.exit());
        let line = words(error);
        let is_named = error.node.as_ref() == Some(&target.name)
            || line.starts_with(&format!("cannot connect to {}:", target.name));
        streams.say(&if is_named { line } else { format!("{}: {line}", target.name) });
    }

    /// The exit code of a command over any number of targets.
    pub const fn exit(&self) -> Exit {
        if self.failed == 0 { Exit::Ok } else { Exit::Failed }
    }

    /// The exit code of a command whose one target was `targets`' only one: that of its failure.
    pub fn exit_of(&self, targets: &[Member]) -> Exit {
        match (targets, self.last) {
            ([_], Some(exit)) => exit,
            _ => self.exit(),
        }
    }
}
