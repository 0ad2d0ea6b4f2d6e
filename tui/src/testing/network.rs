//! What simulated nodes have of the network.

use p2p_shared::services::network::{
    LinkState, NetAddress, NetCounters, NetInterface, NetNeighbour, NetRoute, NetSocket,
};

use super::HOSTILE;
use crate::fleet::NetTables;

fn interface(index: u32, name: &str, address: String) -> NetInterface {
    let is_loopback = index == 1;
    let counters = NetCounters {
        bytes: 7_340_032,
        packets: 5_120,
        errors: 0,
        dropped: 3,
        bytes_per_s: Some(if is_loopback { 0 } else { 1_536 }),
    };
    NetInterface {
        index,
        name: name.to_owned(),
        kind: if is_loopback { "loopback" } else { "ethernet" }.to_owned(),
        enabled: true,
        state: if is_loopback { LinkState::Unknown } else { LinkState::Up },
        mac: (!is_loopback).then(|| "02:42:ac:11:00:02".to_owned()),
        mtu: if is_loopback { 65_536 } else { 1_500 },
        speed_mbit: (!is_loopback).then_some(10_000),
        master: None,
        addresses: address.parse().map(|address| NetAddress { address, prefix: 24 }).into_iter().collect(),
        received: counters,
        sent: counters,
    }
}

fn socket(protocol: &str, local: &str, remote: Option<&str>, state: &str) -> NetSocket {
    let parsed = |text: &str| text.parse().ok();
    NetSocket {
        protocol: protocol.to_owned(),
        local: parsed(local).unwrap_or_else(|| ([0, 0, 0, 0], 0).into()),
        remote: remote.and_then(parsed),
        state: state.to_owned(),
        uid: 33,
        pid: (state != "time_wait").then_some(812),
        process: (state != "time_wait").then(|| "nginx".to_owned()),
    }
}

/// The tables of one node.
pub fn tables(node: usize, hostile: bool) -> NetTables {
    let own = format!("10.0.0.{}", node + 1);
    let network = |text: &str, prefix| {
        text.parse().ok().map(|address| NetAddress { address, prefix }).into_iter().collect::<Vec<_>>()
    };
    let route = |destination: NetAddress, gateway: Option<&str>| NetRoute {
        destination,
        gateway: gateway.and_then(|gateway| gateway.parse().ok()),
        interface: Some("eth0".into()),
        source: own.parse().ok(),
        metric: 100,
        table: 254,
        kind: "unicast".into(),
        protocol: if gateway.is_some() { "dhcp" } else { "kernel" }.into(),
    };
    let mut tables = NetTables {
        interfaces: vec![interface(1, "lo", "127.0.0.1".into()), interface(2, "eth0", own.clone())],
        sockets: vec![
            socket("tcp", "0.0.0.0:443", None, "listen"),
            socket("tcp", &format!("{own}:443"), Some("203.0.113.9:50122"), "established"),
            socket("tcp", &format!("{own}:443"), Some("203.0.113.9:50123"), "time_wait"),
            socket("udp", "[::]:5678", None, ""),
        ],
        routes: network("0.0.0.0", 0)
            .into_iter()
            .map(|everywhere| route(everywhere, Some("10.0.0.254")))
            .chain(network("10.0.0.0", 24).into_iter().map(|link| route(link, None)))
            .collect(),
        neighbours: Vec::new(),
    };
    tables.neighbours.extend("10.0.0.254".parse().ok().map(|address| NetNeighbour {
        address,
        interface: "eth0".into(),
        mac: Some("02:42:ac:11:00:fe".into()),
        state: "reachable".into(),
        router: false,
    }));
    if hostile {
        tables.interfaces[1].name = HOSTILE[0].to_owned();
        tables.sockets[0].process = Some(HOSTILE[1].to_owned());
    }
    tables
}
