//! Deaths of members, told by those that survive: `NodeLost`.
//!
//! The directory of members enters; notices leave to the delivery. [`core`] decides who tells what, as a pure
//! function; whether another member is reached is asked over the membership's streams, where a node may ask
//! that of any other. Every node needs the receivers, because any of them may be the one that tells.

pub mod core;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::time::Millis;
use tokio::time::{Instant, sleep_until, timeout};

use self::core::{ASK_TIMEOUT, Death, Deaths, Input, Life, Output, Seen};
use super::notify::core::notice::Notice;
use super::notify::handle::Notifier;
use crate::clock;
use crate::membership::handle::MembershipHandle;

/// The name of the alert.
pub const ALERT: &str = "NodeLost";
/// When nothing is due.
const FAR: Duration = Duration::from_secs(3_600);

/// Watches over the members of a mesh, until the membership ends.
#[derive(Debug)]
pub struct Watch {
    /// This node.
    pub own: NodeId,
    /// Its name.
    pub name: NodeName,
    /// What the members do, and the way to ask them.
    pub membership: MembershipHandle,
    /// Where deaths are told.
    pub notifier: Notifier,
}

impl Watch {
    /// Runs until the membership ends or the caller stops it.
    pub async fn run(self) {
        let (mut deaths, began) = (Deaths::new(self.own), Instant::now());
        let mut directory = self.membership.watch();
        let mut looking = FuturesUnordered::new();
        let mut input = Input::Members(self.seen(&directory.borrow_and_update()));
        loop {
            deaths.handle(Millis::from(began.elapsed()), input);
            while let Some(output) = deaths.poll_output() {
                match output {
                    Output::Ask { about, whom } => looking.push(self.ask(about, whom)),
                    Output::Tell(death) => self.offer(self.lost(death)).await,
                    Output::Lives(id, name) => self.offer(lives(id, &name)).await,
                }
            }
            let due = deaths.poll_timeout().map(|due| began + due.to_duration());
            input = tokio::select! {
                changed = directory.changed() => match changed {
                    Ok(()) => Input::Members(self.seen(&directory.borrow_and_update())),
                    Err(_) => return,
                },
                Some(heard) = looking.next() => heard,
                () = sleep_until(due.unwrap_or_else(|| Instant::now() + FAR)) => Input::Time,
            };
        }
    }

    fn seen(&self, members: &[Member]) -> Vec<Seen> {
        let life = |state: MemberState| match state {
            MemberState::Lost => Life::Lost,
            MemberState::Left => Life::Left,
            MemberState::Alive => Life::Lives,
            MemberState::Suspect | MemberState::Unknown => Life::Suspect,
        };
        let seen = |member: &Member| Seen {
            id: member.id,
            name: member.name.clone(),
            life: life(member.state),
            since: member.state_since,
        };
        members.iter().filter(|member| member.id != self.own).map(seen).collect()
    }

    async fn ask(&self, about: NodeId, whom: NodeId) -> Input {
        let asking = self.membership.ask_about(whom, about);
        let reached = timeout(ASK_TIMEOUT.to_duration(), asking).await.ok().flatten();
        Input::Heard { about, from: whom, reached }
    }

    async fn offer(&self, notice: Notice) {
        if let Err(error) = self.notifier.offer(notice).await {
            tracing::error!(%error, "what became of a member is not told");
        }
    }

    fn lost(&self, death: Death) -> Notice {
        let Death { id, name, since, witnesses } = death;
        let mut by: Vec<String> = witnesses.iter().map(ToString::to_string).collect();
        by.insert(0, self.name.to_string());
        tracing::warn!(node = %name, witnesses = by.join(", "), "a member is lost");
        let mut notice = Notice { starts_at: since, ends_at: None, ..lives(id, &name) };
        let summary = format!("{name} answers neither {}", by.join(" nor "));
        notice.annotations = [("summary", summary), ("witnesses", by.join(", "))]
            .map(|(key, value)| (key.to_owned(), value))
            .into();
        notice
    }
}

/// What is told of a member that lives: nothing, unless it was told that it does not.
fn lives(id: NodeId, name: &NodeName) -> Notice {
    let labels = [("alertname", ALERT), ("node", name.as_str()), ("severity", "critical")];
    Notice {
        fingerprint: format!("{ALERT}:{id}"),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        annotations: BTreeMap::new(),
        starts_at: clock::wall(),
        ends_at: Some(clock::wall()),
    }
}
