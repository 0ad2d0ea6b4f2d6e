//! A fleet that does not exist, for tests, benches and looking at the console without a mesh; and a screen as text.
//!
//! [`Simulated`] answers what nodes would answer. It has no clock: [`Simulated::step`] is one second, and the same
//! calls give the same answers on every machine. Nothing here reaches a network or an operating system.

mod alerts;
mod audit;
mod host;
mod jobs;
mod network;
mod past;
mod processes;
mod screen;
mod services;
mod world;

use p2p_shared::error::RpcError;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::rng::Rng;
use p2p_shared::services::alert::{AlertDelta, AlertRules};
use p2p_shared::services::job::JobDelta;
use p2p_shared::services::journal::JournalBatch;
use p2p_shared::services::monitor::HostSample;
use p2p_shared::services::node::{FleetDelta, Label, LookUp, Member, MemberState};
use p2p_shared::services::node::{Peer, RefusedHandshake, RoutingBucket};
use p2p_shared::services::process::{ProcessDelta, ProcessDetails, ProcessRef, Signal};
use p2p_shared::services::program::ProgramInfo;
use p2p_shared::services::shell::{ShellInfo, ShellRecording};
use p2p_shared::services::unit::UnitDelta;
use p2p_shared::time::{Millis, UnixMillis};

pub use screen::{fnv1a, painted, screen};

use crate::command::{PastOrder, ServiceKey, ServiceKind, Subject};
use crate::event::{Description, Event};
use crate::fleet::{AuditNews, PastAnswer};
use processes::Table;

/// When a simulation begins: 2026-11-23 04:00:00 UTC.
const BEGIN: UnixMillis = UnixMillis(1_795_406_400_000);
const ROLES: [&str; 6] = ["web", "db", "cache", "queue", "build", "edge"];
const REGIONS: [&str; 3] = ["eu-central", "us-east", "ap-south"];

/// Nodes with figures, processes and neighbours.
#[derive(Clone, Debug)]
pub struct Simulated {
    members: Vec<Member>,
    tables: Vec<Table>,
    begin: UnixMillis,
    step: u64,
    hostile: bool,
}

impl Simulated {
    /// `nodes` machines, each with `processes_per_node` processes at first. All are alive.
    pub fn new(nodes: usize, processes_per_node: usize) -> Self {
        Self::beginning(BEGIN, nodes, processes_per_node)
    }

    /// The same, beginning at another time than always the same.
    pub fn beginning(begin: UnixMillis, nodes: usize, processes_per_node: usize) -> Self {
        let members: Vec<Member> = (0..nodes).map(|index| member(index, begin)).collect();
        let tables = (0..nodes).map(|node| Table::new(node, processes_per_node, begin)).collect();
        Self { members, tables, begin, step: 0, hostile: false }
    }

    /// The same with texts that try to take over the terminal: escapes, bidi overrides, wide and invisible
    /// characters, a line of 64 KiB. They are at the end of the first node's processes, among its disks and
    /// interfaces, and among the handshakes that nodes refused.
    #[must_use]
    pub fn with_hostile_names(mut self) -> Self {
        self.hostile = true;
        if let Some(table) = self.tables.first_mut() {
            table.name_hostile();
        }
        self
    }

    /// One second passes.
    pub const fn step(&mut self) {
        self.step += 1;
    }

    /// The time, as the runtime would tell it.
    pub const fn tick(&self) -> Event {
        Event::Tick { now: Millis::from_secs(self.step), wall: self.wall() }
    }

    /// The wall clock of every node.
    pub const fn wall(&self) -> UnixMillis {
        self.begin.plus(Millis::from_secs(self.step))
    }

    /// How many nodes there are.
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The id of node `index`, counted from 0.
    ///
    /// # Panics
    /// If there is no such node, as every method here that takes an index.
    pub fn id(&self, index: usize) -> NodeId {
        self.members[index].id
    }

    /// The index of a node.
    pub fn index_of(&self, id: NodeId) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    /// The whole directory.
    pub fn fleet(&self) -> FleetDelta {
        FleetDelta { seq: 0, full: true, changed: self.members.clone(), forgotten: Vec::new() }
    }

    /// What the directory says of one node, as a change.
    pub fn fleet_change(&self, index: usize) -> FleetDelta {
        FleetDelta {
            seq: self.step + 1,
            full: false,
            changed: vec![self.members[index].clone()],
            forgotten: Vec::new(),
        }
    }

    /// The directory thinks otherwise of a node from now on.
    pub fn set_state(&mut self, index: usize, state: MemberState) {
        self.members[index].state = state;
        self.members[index].state_since = self.wall();
    }

    /// Sets and removes labels of a node.
    pub fn set_labels(&mut self, index: usize, set: Vec<Label>, remove: &[String]) {
        let labels = &mut self.members[index].labels;
        labels.retain(|label| !remove.contains(&label.key) && !set.iter().any(|new| new.key == label.key));
        labels.extend(set);
        labels.sort();
    }

    /// The figures of a node now.
    pub fn sample(&self, index: usize) -> HostSample {
        let processes = self.tables[index].len();
        let mut sample = host::sample(index, self.step, self.wall(), processes);
        if self.hostile && index == 0 {
            host::name_hostile(&mut sample);
        }
        sample
    }

    /// The processes of a node as a watch tells them: the first message is full, and after each step comes what
    /// changed. Asked again within one step, the watch begins anew.
    pub fn processes(&mut self, index: usize) -> ProcessDelta {
        let wall = self.wall();
        self.tables[index].delta(self.step, wall)
    }

    /// The watch of a node's processes begins anew with the next answer.
    pub fn restart_watch(&mut self, index: usize) {
        self.tables[index].restart_watch();
    }

    /// Everything about one process, or `conflict` if it is gone.
    pub fn details(&self, index: usize, target: &ProcessRef) -> Result<ProcessDetails, RpcError> {
        self.tables[index].details(target)
    }

    /// A signal does to a process what it does by default, or `conflict` if it is gone.
    pub fn signal(&mut self, index: usize, target: &ProcessRef, signal: Signal) -> Result<(), RpcError> {
        self.tables[index].signal(target, signal)
    }

    /// Sets a nice value, or `conflict` if the process is gone.
    pub fn renice(&mut self, index: usize, target: &ProcessRef, nice: i32) -> Result<(), RpcError> {
        self.tables[index].renice(target, nice)
    }

    /// What a node remembers of a span.
    pub fn past(&self, index: usize, order: PastOrder) -> PastAnswer {
        // Long before the simulation began, the figures are those of another time of its waves.
        let sample = |at: UnixMillis| {
            let step = at.0.saturating_sub(self.begin.0) / 1_000;
            host::sample(index, step, at, self.tables[index].len())
        };
        past::answer(order, sample, self.tables[index].rows())
    }

    /// The programs of a node.
    pub fn programs(&self, index: usize) -> Vec<ProgramInfo> {
        services::programs(index, self.begin, self.hostile && index == 0)
    }

    /// The units of a node, as a watch begins.
    pub fn units(&self, index: usize) -> UnitDelta {
        services::units((index, self.step), self.begin, self.hostile && index == 0)
    }

    /// The jobs of a node, as a watch begins.
    pub fn jobs(&self, index: usize) -> JobDelta {
        jobs::delta(index, self.begin, self.hostile && index == 0)
    }

    /// The alerts and silences of a node, as a watch begins.
    pub fn alerts(&self, index: usize) -> AlertDelta {
        alerts::delta(index, self.begin, self.hostile && index == 0)
    }

    /// What a node recorded of who did what.
    pub fn audit(&self, index: usize) -> AuditNews {
        audit::news(index, self.begin, self.hostile && index == 0)
    }

    /// The rules of a node.
    pub fn rules(&self) -> AlertRules {
        alerts::rules()
    }

    /// The shells that live on a node.
    pub fn shells(&self, index: usize) -> Vec<ShellInfo> {
        jobs::shells(index, self.begin, self.hostile && index == 0)
    }

    /// What was recorded of shells on a node.
    pub fn recordings(&self, index: usize) -> Vec<ShellRecording> {
        jobs::recordings(index, self.begin, self.hostile && index == 0)
    }

    /// What a node has of the network.
    pub fn network(&self, index: usize) -> crate::fleet::NetTables {
        network::tables(index, self.hostile && index == 0)
    }

    /// What a node's journal said in the last second.
    pub fn journal(&self, index: usize) -> JournalBatch {
        services::journal((index, self.step), self.begin, self.hostile && index == 0)
    }

    /// Everything about something of a node.
    pub fn described(&self, index: usize, subject: &Subject) -> Result<Description, RpcError> {
        match subject {
            Subject::Job(id) => jobs::status(index, id, self.begin).map(Description::Job),
            Subject::Service(ServiceKey { kind: ServiceKind::Unit, name }) => {
                services::unit_status(index, name, self.begin).map(Description::Unit)
            }
            Subject::Service(ServiceKey { kind: ServiceKind::Program, name }) => {
                let (status, log) = services::status(index, name, self.begin)?;
                Ok(Description::Program(status, log))
            }
        }
    }

    /// The connections of a node: to every other one, and two operators.
    pub fn peers(&self, index: usize) -> Vec<Peer> {
        world::peers(&self.members, index, self.step)
    }

    /// The routing table of a node, nearest bucket first.
    pub fn routing(&self, index: usize) -> Vec<RoutingBucket> {
        world::routing(&self.members, index, self.step)
    }

    /// What a look-up of a name does on a node.
    pub fn look_up(&self, index: usize, name: &NodeName) -> LookUp {
        world::look_up(&self.members, index, name)
    }

    /// The handshakes that a node refused, newest first.
    pub fn refused(&self, index: usize) -> Vec<RefusedHandshake> {
        world::refused(index, self.wall(), self.hostile)
    }
}

fn member(index: usize, begin: UnixMillis) -> Member {
    let role = ROLES[index % ROLES.len()];
    let name = format!("{role}-{}", index / ROLES.len() + 1);
    let label = |key: &str, value: &str| Label { key: key.to_owned(), value: value.to_owned() };
    let mut labels = vec![
        label("env", if index % 5 == 4 { "staging" } else { "prod" }),
        label("region", REGIONS[index % REGIONS.len()]),
        label("role", role),
    ];
    if index.is_multiple_of(7) {
        labels.push(label("rack", &format!("r{}", index % 40)));
    }
    labels.sort();
    let started = begin.0 - (index as u64 % 9 + 1) * 7_300_000;
    Member {
        name: node_name(&name),
        id: node_id(index),
        state: MemberState::Alive,
        state_since: UnixMillis(started + 900),
        addresses: vec![world::address(index)],
        version: if index % 11 == 10 { "0.0.9" } else { "0.1.0" }.to_owned(),
        labels,
        started: UnixMillis(started),
        sequence: 3 + index as u64 % 4,
        http: None,
    }
}

fn node_name(text: &str) -> NodeName {
    text.parse().expect("the names here are made of letters, digits and hyphens")
}

fn node_id(index: usize) -> NodeId {
    let mut bytes = [0; 32];
    Rng::new(index as u64 ^ 0x00f1_ee75).fill(&mut bytes);
    NodeId::new(bytes)
}

/// Sixty-four bits that depend on all three numbers and look random.
fn noise(node: usize, what: u64, when: u64) -> u64 {
    Rng::new((node as u64) << 40 ^ what << 20 ^ when).next_u64()
}

/// 0 to 1, the same for the same numbers.
fn unit(node: usize, what: u64, when: u64) -> f32 {
    (noise(node, what, when) % 10_000) as f32 / 10_000.0
}

/// 0 to 1, up and down over `period` steps with some restlessness; nodes are out of step with each other.
fn wave(node: usize, what: u64, step: u64, period: u64) -> f32 {
    let phase = (step + noise(node, what, 0) % period) % period;
    let slope = (2.0 * phase as f32 / period as f32 - 1.0).abs();
    (slope * 0.85 + unit(node, what, step + 1) * 0.15).clamp(0.0, 1.0)
}

/// Texts that a machine may name things by to harm who looks at them.
const HOSTILE: [&str; 8] = [
    "\u{1b}[2J\u{1b}[H\u{1b}[31mowned",
    "\u{1b}]0;owned\u{7}\u{1b}]52;c;cm0gLXJmIC8=\u{7}",
    "invoice\u{202e}gpj.exe",
    "日本語のプロセス名前です",
    "👩\u{200d}👩\u{200d}👧 e\u{301}\u{200b}\u{feff}x",
    "one\r\ntwo\tthree\u{0}four",
    "\u{9b}2J\u{85}\u{2028}\u{2066}iso\u{2069}",
    "a̸̢̛͎̰̩̮̍̇͑̆͘͝b̷̡̗͙̖̳̌̂͜c",
];

#[cfg(test)]
mod tests;
