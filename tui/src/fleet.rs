//! What is known of each node, held once: its place in the directory, the console's link to it, its latest figures,
//! their history, and its processes. Views keep ids and orders of their own, never data.
//!
//! Data enters by the mesh's messages and is never trusted: every list has a limit. No clock: the caller says when.

mod alerts;
mod audit;
mod history;
mod items;
mod look_up;
mod losses;
mod network;
mod past;
mod peers;
mod processes;
mod services;

use std::collections::{BTreeMap, BTreeSet};

use p2p_shared::error::RpcError;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::alert::{AlertDelta, AlertRules};
use p2p_shared::services::audit::AuditEntry;
use p2p_shared::services::job::{JobDelta, JobId, JobInfo};
use p2p_shared::services::monitor::HostSample;
use p2p_shared::services::node::{FleetDelta, Member, MemberState, Peer, RefusedHandshake, RoutingBucket};
use p2p_shared::services::program::ProgramInfo;
use p2p_shared::services::shell::{ShellInfo, ShellRecording};
use p2p_shared::services::unit::UnitDelta;
use p2p_shared::time::Millis;

pub use alerts::{AlertItem, AlertKey, Firing};
pub use audit::{AuditNews, Seal, Verified};
pub(crate) use history::share;
pub use history::{History, POINTS_MAX, Point};
pub use items::{Item, ItemId, Items};
pub use look_up::LookedUp;
pub use losses::{Losses, Recent};
pub use network::{NetItem, NetKey, NetTable, NetTables, bears};
pub use past::{Past, PastAnswer, Told};
pub use processes::{Census, Process, Processes, RowId};
pub use services::Service;

use crate::command::{PastOrder, ServiceKey, ServiceKind, Subscription, Topic};
use crate::event::Link;

/// Members beyond this many are not shown; a mesh is far smaller.
pub const NODES_MAX: usize = 20_000;
/// Data is stale after this many intervals without a new message.
const STALE_INTERVALS: u64 = 3;

/// A value, when it came, and what went wrong since.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed<T> {
    /// The latest value.
    pub value: Option<T>,
    /// When it came.
    pub at: Millis,
    /// Why nothing newer comes, if the node said so.
    pub error: Option<RpcError>,
}

impl<T> Default for Feed<T> {
    fn default() -> Self {
        Self { value: None, at: Millis::ZERO, error: None }
    }
}

impl<T> Feed<T> {
    fn set(&mut self, value: T, now: Millis) {
        *self = Self { value: Some(value), at: now, error: None };
    }
}

/// One node.
#[derive(Debug)]
pub struct Node {
    /// What the directory says.
    pub member: Member,
    /// The console's own connection.
    pub link: Link,
    /// Its latest figures.
    pub sample: Feed<HostSample>,
    /// Earlier figures.
    pub history: History,
    /// When its processes were last heard of, and which boot they belong to.
    pub census: Feed<Census>,
    /// Its connections.
    pub peers: Feed<Vec<Peer>>,
    /// What they lost of late.
    pub losses: Losses,
    /// Its routing table.
    pub routing: Feed<Vec<RoutingBucket>>,
    /// The handshakes that it refused.
    pub refused: Feed<Vec<RefusedHandshake>>,
    /// How much of its audit record can be believed.
    pub seal: Option<Seal>,
    /// When its other lists were last heard of; their rows are in the fleet.
    lists: BTreeMap<Topic, Feed<()>>,
}

impl Node {
    fn new(member: Member) -> Self {
        Self {
            member,
            link: Link::default(),
            sample: Feed::default(),
            history: History::default(),
            census: Feed::default(),
            peers: Feed::default(),
            losses: Losses::default(),
            routing: Feed::default(),
            refused: Feed::default(),
            seal: None,
            lists: BTreeMap::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.member.name
    }

    /// Whether it can be asked anything.
    pub fn is_there(&self) -> bool {
        !matches!(self.member.state, MemberState::Lost | MemberState::Left)
    }

    /// How old the last value of a topic is; `None` if there never was one.
    pub fn age(&self, topic: Topic, now: Millis) -> Option<Millis> {
        let (there, at) = match topic {
            Topic::Sample => (self.sample.value.is_some(), self.sample.at),
            Topic::Processes => (self.census.value.is_some(), self.census.at),
            Topic::Peers => (self.peers.value.is_some(), self.peers.at),
            Topic::Routing => (self.routing.value.is_some(), self.routing.at),
            Topic::Refused => (self.refused.value.is_some(), self.refused.at),
            list => self.lists.get(&list).map_or((false, now), |feed| (feed.value.is_some(), feed.at)),
        };
        there.then(|| now.since(at))
    }

    /// Whether the last value of a topic is older than three intervals. A watch that is silent while nothing
    /// changes is stale only when the link is down.
    pub fn is_stale(&self, topic: Topic, now: Millis) -> bool {
        let Some(age) = self.age(topic, now) else { return false };
        let late = age.0 > STALE_INTERVALS * u64::from(topic.interval_ms());
        let cut = matches!(self.link, Link::Failed { .. } | Link::Connecting);
        !self.is_there() || (late && (!topic.is_silent() || cut))
    }

    /// The error that a topic ended in.
    pub fn error(&self, topic: Topic) -> Option<&RpcError> {
        match topic {
            Topic::Sample => self.sample.error.as_ref(),
            Topic::Processes => self.census.error.as_ref(),
            Topic::Peers => self.peers.error.as_ref(),
            Topic::Routing => self.routing.error.as_ref(),
            Topic::Refused => self.refused.error.as_ref(),
            list => self.lists.get(&list).and_then(|feed| feed.error.as_ref()),
        }
    }

    fn heard(&mut self, list: Topic, now: Millis) {
        self.lists.entry(list).or_default().set((), now);
    }
}

/// How many members are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub alive: usize,
    pub suspect: usize,
    pub lost: usize,
    pub left: usize,
    pub unknown: usize,
}

impl Health {
    /// All of them.
    pub const fn total(self) -> usize {
        self.alive + self.suspect + self.lost + self.left + self.unknown
    }
}

/// All nodes.
#[derive(Debug, Default)]
pub struct Fleet {
    nodes: BTreeMap<NodeId, Node>,
    /// The processes of all nodes.
    pub processes: Processes,
    /// The programs and units of all nodes.
    pub services: Items<ServiceKey, Service>,
    /// Alerts, silences and rules of all nodes.
    pub alerts: Items<AlertKey, AlertItem>,
    /// The jobs of all nodes.
    pub jobs: Items<JobId, JobInfo>,
    /// The shells that live on them.
    pub shells: Items<String, ShellInfo>,
    /// What was recorded of shells.
    pub recordings: Items<String, ShellRecording>,
    /// What they have of the network.
    pub network: Items<NetKey, NetItem>,
    /// Who did what on them.
    pub audit: Items<u64, AuditEntry>,
    /// The span of a node's past that was asked for last.
    past: Option<Past>,
    looked_up: Option<LookedUp>,
    health: Health,
}

impl Fleet {
    /// A node by its id.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// A node by its name.
    pub fn named(&self, name: &str) -> Option<(NodeId, &Node)> {
        self.iter().find(|(_, node)| node.name().as_str() == name)
    }

    /// Its name as text; the short id for one that is not known.
    pub fn name_of(&self, id: NodeId) -> String {
        self.get(id).map_or_else(|| id.short(), |node| node.name().to_string())
    }

    /// Every node, by id.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many are in which state.
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Takes in what the directory says; answers the nodes of which anything changed, gone ones too, and
    /// the rows of processes that went with them.
    pub fn apply(&mut self, delta: FleetDelta) -> (Vec<NodeId>, Vec<RowId>) {
        let mut touched = Vec::new();
        let mut gone: BTreeSet<NodeId> = delta.forgotten.into_iter().collect();
        if delta.full {
            let named: BTreeSet<NodeId> = delta.changed.iter().map(|member| member.id).collect();
            gone.extend(self.nodes.keys().filter(|id| !named.contains(id)));
        }
        for member in delta.changed {
            let id = member.id;
            gone.remove(&id);
            touched.push(id);
            let room = self.nodes.len() < NODES_MAX;
            match self.nodes.get_mut(&id) {
                Some(node) => node.member = member,
                None if room => {
                    self.nodes.insert(id, Node::new(member));
                }
                None => {}
            }
        }
        let mut rows = Vec::new();
        for id in gone {
            if self.nodes.remove(&id).is_some() {
                rows.extend(self.processes.forget(id));
                self.services.forget(id);
                self.jobs.forget(id);
                self.alerts.forget(id);
                self.shells.forget(id);
                self.recordings.forget(id);
                self.network.forget(id);
                self.audit.forget(id);
                touched.push(id);
            }
        }
        self.health = self.count();
        (touched, rows)
    }

    fn count(&self) -> Health {
        let mut health = Health::default();
        for node in self.nodes.values() {
            *match node.member.state {
                MemberState::Alive => &mut health.alive,
                MemberState::Suspect => &mut health.suspect,
                MemberState::Lost => &mut health.lost,
                MemberState::Left => &mut health.left,
                MemberState::Unknown => &mut health.unknown,
            } += 1;
        }
        health
    }

    /// The console's own connection to a node changed.
    pub fn set_link(&mut self, id: NodeId, link: Link) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.link = link;
        }
    }

    /// New figures.
    pub fn set_sample(&mut self, id: NodeId, sample: HostSample, now: Millis) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.history.push(now, &sample);
            node.sample.set(sample, now);
        }
    }

    /// What a node told of its past.
    pub fn set_past(&mut self, id: NodeId, order: PastOrder, result: Result<PastAnswer, RpcError>) {
        let latest = self.get(id).and_then(|node| node.sample.value.as_ref());
        let told = result.map(|answer| Told::new(answer, order, latest));
        self.past = Some(Past { node: id, order, told });
    }

    /// What a node told of its past, if it was asked last.
    pub fn past(&self, id: NodeId) -> Option<&Past> {
        self.past.as_ref().filter(|past| past.node == id)
    }

    /// New differences of processes.
    pub fn set_processes(
        &mut self,
        id: NodeId,
        delta: p2p_shared::services::process::ProcessDelta,
        now: Millis,
    ) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let census = Census { at: delta.at, boot_id: delta.boot_id.clone() };
        node.census.set(census, now);
        self.processes.apply(id, delta, now);
    }

    /// All its programs.
    pub fn set_programs(&mut self, id: NodeId, programs: Vec<ProgramInfo>, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Programs, now);
        let keyed = programs.into_iter().map(Service::Program).map(|service| (service.key(), service));
        self.services.replace(id, |key| key.kind == ServiceKind::Program, keyed.collect());
    }

    /// New differences of its units.
    pub fn set_units(&mut self, id: NodeId, delta: UnitDelta, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Units, now);
        if delta.full {
            self.services.begin_anew(id, |key| key.kind == ServiceKind::Unit, now);
        }
        for unit in delta.changed {
            let service = Service::Unit(unit);
            self.services.put(id, service.key(), service);
        }
        for name in delta.gone {
            self.services.remove(id, &ServiceKey { kind: ServiceKind::Unit, name });
        }
    }

    /// New differences of its jobs.
    pub fn set_jobs(&mut self, id: NodeId, delta: JobDelta, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Jobs, now);
        if delta.full {
            self.jobs.begin_anew(id, |_| true, now);
        }
        for job in delta.changed {
            self.jobs.put(id, job.id.clone(), job);
        }
        delta.removed.iter().for_each(|job| self.jobs.remove(id, job));
    }

    /// New differences of its alerts; silences come whole.
    pub fn set_alerts(&mut self, id: NodeId, delta: AlertDelta, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Alerts, now);
        if delta.full {
            self.alerts.begin_anew(id, AlertKey::is_alert, now);
        }
        for alert in delta.changed {
            self.alerts.put(id, AlertKey::Alert(alert.id.clone()), AlertItem::Alert(alert));
        }
        delta.removed.into_iter().for_each(|alert| self.alerts.remove(id, &AlertKey::Alert(alert)));
        let silences = delta.silences.into_iter();
        let silences = silences.map(|one| (AlertKey::Silence(one.id), AlertItem::Silence(one)));
        self.alerts.replace(id, AlertKey::is_silence, silences.collect());
    }

    /// All its alert rules.
    pub fn set_rules(&mut self, id: NodeId, rules: AlertRules, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Rules, now);
        let rules = rules.rules.into_iter();
        let rules = rules.map(|rule| (AlertKey::Rule(rule.name.clone()), AlertItem::Rule(rule)));
        self.alerts.replace(id, AlertKey::is_rule, rules.collect());
    }

    /// All its shells.
    pub fn set_shells(&mut self, id: NodeId, shells: Vec<ShellInfo>, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Shells, now);
        let keyed = shells.into_iter().map(|shell| (shell.id.clone(), shell)).collect();
        self.shells.replace(id, |_| true, keyed);
    }

    /// All its recordings of shells.
    pub fn set_recordings(&mut self, id: NodeId, recordings: Vec<ShellRecording>, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Recordings, now);
        let keyed = recordings.into_iter().map(|one| (one.id.clone(), one)).collect();
        self.recordings.replace(id, |_| true, keyed);
    }

    /// All that it has of the network.
    pub fn set_network(&mut self, id: NodeId, tables: NetTables, now: Millis) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.heard(Topic::Network, now);
        self.network.replace(id, |_| true, tables.into_rows());
    }

    /// Rows that lists which began anew did not name in time are gone; answers their nodes.
    pub fn sweep(&mut self, now: Millis) -> Vec<NodeId> {
        let mut nodes = self.services.sweep(now);
        nodes.extend(self.jobs.sweep(now));
        nodes.extend(self.alerts.sweep(now));
        nodes
    }

    /// A topic ended in an error; its last value stays.
    pub fn set_error(&mut self, subscription: Subscription, error: RpcError) {
        let Some(node) = self.nodes.get_mut(&subscription.node) else { return };
        *match subscription.topic {
            Topic::Sample => &mut node.sample.error,
            Topic::Processes => &mut node.census.error,
            Topic::Peers => &mut node.peers.error,
            Topic::Routing => &mut node.routing.error,
            Topic::Refused => &mut node.refused.error,
            list => &mut node.lists.entry(list).or_default().error,
        } = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Simulated;

    #[test]
    fn a_full_list_forgets_who_is_not_in_it() {
        let mut simulated = Simulated::new(3, 2);
        let mut fleet = Fleet::default();
        fleet.apply(simulated.fleet());
        assert_eq!(fleet.health(), Health { alive: 3, ..Health::default() });
        let first = simulated.id(0);
        fleet.set_processes(first, simulated.processes(0), Millis(5));
        assert_eq!(fleet.processes.len(), 2);
        let mut delta = simulated.fleet();
        delta.changed.retain(|member| member.id != first);
        let (touched, rows) = fleet.apply(delta);
        assert!(touched.contains(&first));
        assert_eq!((rows.len(), fleet.processes.len(), fleet.len()), (2, 0, 2));
    }

    #[test]
    fn data_is_stale_after_three_intervals() {
        let simulated = Simulated::new(1, 2);
        let mut fleet = Fleet::default();
        fleet.apply(simulated.fleet());
        let id = simulated.id(0);
        fleet.set_sample(id, simulated.sample(0), Millis(1_000));
        let node = fleet.get(id).unwrap();
        assert!(!node.is_stale(Topic::Sample, Millis(4_000)));
        assert!(node.is_stale(Topic::Sample, Millis(4_001)));
    }
}
