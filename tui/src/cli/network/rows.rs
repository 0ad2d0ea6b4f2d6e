//! The rows of `network`: what one reads of each node, and the shape for scripts, which is stable.

use std::net::IpAddr;

use p2p_shared::id::NodeName;
use p2p_shared::services::network::{
    NameAnswer, NetAddress, NetCounters, NetInterface, NetNeighbour, NetRoute, NetSocket, NetSocketList,
};
use p2p_shared::services::node::Peer;
use serde::Serialize;

use super::super::output::Row;
use crate::format;

/// A value, or a dash.
fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// An interface of a node.
#[derive(Debug, Serialize)]
pub(super) struct InterfaceRow {
    node: NodeName,
    name: String,
    kind: String,
    enabled: bool,
    state: &'static str,
    mac: Option<String>,
    mtu: u32,
    speed_mbit: Option<u32>,
    master: Option<String>,
    addresses: Vec<String>,
    received: NetCounters,
    sent: NetCounters,
}

impl InterfaceRow {
    pub(super) fn all(node: &NodeName, interfaces: Vec<NetInterface>) -> Vec<Self> {
        let row = |interface: NetInterface| Self {
            node: node.clone(),
            name: interface.name,
            kind: interface.kind,
            enabled: interface.enabled,
            state: interface.state.as_str(),
            mac: interface.mac,
            mtu: interface.mtu,
            speed_mbit: interface.speed_mbit,
            master: interface.master,
            addresses: interface.addresses.iter().map(network).collect(),
            received: interface.received,
            sent: interface.sent,
        };
        interfaces.into_iter().map(row).collect()
    }
}

impl Row for InterfaceRow {
    const TITLES: &'static [&'static str] =
        &["NODE", "NAME", "KIND", "STATE", ">MTU", ">SPEED", ">IN/s", ">OUT/s", ">ERRORS", "ADDRESSES"];

    fn cells(&self) -> Vec<String> {
        let errors = |counters: &NetCounters| counters.errors + counters.dropped;
        let rate = |counters: &NetCounters| or_dash(counters.bytes_per_s.map(format::bytes));
        let state = match (self.enabled, self.state) {
            (false, _) => "off",
            // What has no link to speak of is on.
            (true, "unknown") => "on",
            (true, state) => state,
        };
        vec![
            self.node.to_string(),
            self.name.clone(),
            self.kind.clone(),
            state.to_owned(),
            self.mtu.to_string(),
            self.speed_mbit.map_or_else(|| "-".into(), |speed| format!("{speed}M")),
            rate(&self.received),
            rate(&self.sent),
            (errors(&self.received) + errors(&self.sent)).to_string(),
            self.addresses.join(" "),
        ]
    }
}

fn network(address: &NetAddress) -> String {
    format!("{}/{}", address.address, address.prefix)
}

/// A route of a node.
#[derive(Debug, Serialize)]
pub(super) struct RouteRow {
    node: NodeName,
    destination: String,
    gateway: Option<IpAddr>,
    interface: Option<String>,
    source: Option<IpAddr>,
    metric: u32,
    table: u32,
    kind: String,
    protocol: String,
}

impl RouteRow {
    pub(super) fn all(node: &NodeName, routes: Vec<NetRoute>) -> Vec<Self> {
        let row = |route: NetRoute| Self {
            node: node.clone(),
            destination: network(&route.destination),
            gateway: route.gateway,
            interface: route.interface,
            source: route.source,
            metric: route.metric,
            table: route.table,
            kind: route.kind,
            protocol: route.protocol,
        };
        routes.into_iter().map(row).collect()
    }
}

impl Row for RouteRow {
    const TITLES: &'static [&'static str] =
        &["NODE", "DESTINATION", "GATEWAY", "INTERFACE", "SOURCE", ">METRIC", ">TABLE", "KIND", "BY"];

    fn cells(&self) -> Vec<String> {
        let is_default = matches!(self.destination.as_str(), "0.0.0.0/0" | "::/0");
        vec![
            self.node.to_string(),
            if is_default { "default".into() } else { self.destination.clone() },
            or_dash(self.gateway),
            or_dash(self.interface.clone()),
            or_dash(self.source),
            self.metric.to_string(),
            self.table.to_string(),
            self.kind.clone(),
            self.protocol.clone(),
        ]
    }
}

/// Somebody seen on a link of a node.
#[derive(Debug, Serialize)]
pub(super) struct NeighbourRow {
    node: NodeName,
    address: IpAddr,
    interface: String,
    mac: Option<String>,
    state: String,
    router: bool,
}

impl NeighbourRow {
    pub(super) fn all(node: &NodeName, neighbours: Vec<NetNeighbour>) -> Vec<Self> {
        let row = |seen: NetNeighbour| Self {
            node: node.clone(),
            address: seen.address,
            interface: seen.interface,
            mac: seen.mac,
            state: seen.state,
            router: seen.router,
        };
        neighbours.into_iter().map(row).collect()
    }
}

impl Row for NeighbourRow {
    const TITLES: &'static [&'static str] = &["NODE", "ADDRESS", "INTERFACE", "MAC", "STATE", "ROUTER"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            self.address.to_string(),
            self.interface.clone(),
            or_dash(self.mac.clone()),
            self.state.clone(),
            if self.router { "yes".into() } else { "-".into() },
        ]
    }
}

/// A socket of a node.
#[derive(Debug, Serialize)]
pub(super) struct SocketRow {
    node: NodeName,
    protocol: String,
    local: String,
    remote: Option<String>,
    state: String,
    uid: u32,
    pid: Option<u32>,
    process: Option<String>,
}

impl SocketRow {
    pub(super) fn all(node: &NodeName, list: NetSocketList) -> Vec<Self> {
        let row = |socket: NetSocket| Self {
            node: node.clone(),
            protocol: socket.protocol,
            local: socket.local.to_string(),
            remote: socket.remote.map(|remote| remote.to_string()),
            state: socket.state,
            uid: socket.uid,
            pid: socket.pid,
            process: socket.process,
        };
        list.sockets.into_iter().map(row).collect()
    }
}

impl Row for SocketRow {
    const TITLES: &'static [&'static str] =
        &["NODE", "PROTO", "LOCAL", "REMOTE", "STATE", ">UID", ">PID", "PROCESS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            self.protocol.clone(),
            self.local.clone(),
            or_dash(self.remote.clone()),
            if self.state.is_empty() { "-".into() } else { self.state.clone() },
            self.uid.to_string(),
            or_dash(self.pid),
            or_dash(self.process.clone()),
        ]
    }
}

/// A connection between two nodes.
#[derive(Debug, Serialize)]
pub(super) struct PeerRow {
    node: NodeName,
    peer: NodeName,
    address: String,
    rtt_ms: f32,
    clock_ahead_ms: Option<i64>,
    sent_packets: u64,
    lost_packets: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

impl PeerRow {
    pub(super) fn all(node: &NodeName, mut peers: Vec<Peer>) -> Vec<Self> {
        peers.sort_by(|one, other| one.name.cmp(&other.name));
        let row = |peer: Peer| Self {
            node: node.clone(),
            peer: peer.name,
            address: peer.address.to_string(),
            rtt_ms: peer.rtt_ms,
            clock_ahead_ms: peer.clock_ahead_ms,
            sent_packets: peer.sent_packets,
            lost_packets: peer.lost_packets,
            sent_bytes: peer.sent_bytes,
            received_bytes: peer.received_bytes,
        };
        peers.into_iter().map(row).collect()
    }
}

impl Row for PeerRow {
    const TITLES: &'static [&'static str] =
        &["NODE", "PEER", ">RTT", ">CLOCK", ">LOST", ">SENT", ">RECEIVED", "ADDRESS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            self.peer.to_string(),
            format!("{:.2} ms", self.rtt_ms),
            self.clock_ahead_ms.map_or_else(|| "-".to_owned(), ahead),
            self.lost_packets.to_string(),
            format::bytes(self.sent_bytes),
            format::bytes(self.received_bytes),
            self.address.clone(),
        ]
    }
}

/// By how much a clock is ahead of another, or behind.
fn ahead(ms: i64) -> String {
    if ms.unsigned_abs() < 1_000 { format!("{ms:+} ms") } else { format!("{:+.1} s", ms as f64 / 1e3) }
}

/// What a node's resolver said.
#[derive(Debug, Serialize)]
pub(super) struct NameRow {
    node: NodeName,
    name: String,
    addresses: Vec<IpAddr>,
    elapsed_ms: f32,
}

impl NameRow {
    pub(super) fn all(node: &NodeName, answer: NameAnswer) -> Vec<Self> {
        let NameAnswer { name, addresses, elapsed_ms } = answer;
        vec![Self { node: node.clone(), name, addresses, elapsed_ms }]
    }
}

impl Row for NameRow {
    const TITLES: &'static [&'static str] = &["NODE", "NAME", ">TOOK", "ADDRESSES"];

    fn cells(&self) -> Vec<String> {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        vec![
            self.node.to_string(),
            self.name.clone(),
            format!("{:.1} ms", self.elapsed_ms),
            addresses.join(" "),
        ]
    }
}
