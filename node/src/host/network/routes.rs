//! Routes and neighbours.

use std::collections::HashMap;
use std::net::IpAddr;

use p2p_shared::services::network::{NetAddress, NetNeighbour, NetRoute};

use super::error::NetworkError;
use super::names::names;
use super::netlink::{Message, TableKind, address, aligned, attributes, dump, hardware, unspecified, word};

/// Tables that a route is usually looked for in.
const MAIN_TABLES: [u32; 2] = [253, 254];
/// A copy that the kernel made for one connection.
const CLONED: u32 = 0x200;
const NOARP: u16 = 0x40;
const ROUTER: u8 = 0x80;

/// Which routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// Those that packets to others take.
    Main,
    /// Every one, with those to own addresses.
    All,
}

/// Routes, IPv4 first. Blocks.
pub fn routes(tables: Tables) -> Result<Vec<NetRoute>, NetworkError> {
    let (messages, names) = (dump(TableKind::Routes)?, names()?);
    let mut found: Vec<NetRoute> = messages.iter().flat_map(|message| routes_of(message, &names)).collect();
    if tables == Tables::Main {
        found.retain(|route| MAIN_TABLES.contains(&route.table));
    }
    found.sort_by_key(|route| {
        (route.destination.address.is_ipv6(), route.table, route.destination, route.metric)
    });
    Ok(found)
}

/// One row for each router that it may take.
fn routes_of(message: &Message, names: &HashMap<u32, String>) -> Vec<NetRoute> {
    let Some(anywhere) = unspecified(message.byte(0)) else { return Vec::new() };
    if message.word(8) & CLONED != 0 {
        return Vec::new();
    }
    let mut route = NetRoute {
        destination: NetAddress { address: anywhere, prefix: message.byte(1) },
        gateway: None,
        interface: None,
        source: None,
        metric: 0,
        table: message.byte(4).into(),
        kind: kind(message.byte(7)),
        protocol: protocol(message.byte(5)),
    };
    let mut ways = Vec::new();
    for (attribute, bytes) in message.attributes() {
        match attribute {
            1 => route.destination.address = address(bytes).unwrap_or(anywhere),
            6 => route.metric = word(bytes).unwrap_or_default(),
            7 => route.source = address(bytes),
            9 => ways = hops(bytes, names),
            15 => route.table = word(bytes).unwrap_or(route.table),
            _ => note_way(&mut route, names, (attribute, bytes)),
        }
    }
    if ways.is_empty() {
        return vec![route];
    }
    let with = |(gateway, interface)| NetRoute { gateway, interface, ..route.clone() };
    ways.into_iter().map(with).collect()
}

/// Interface and router: of the route itself, or of one of several ways.
fn note_way(route: &mut NetRoute, names: &HashMap<u32, String>, (attribute, bytes): (u16, &[u8])) {
    match attribute {
        4 => route.interface = word(bytes).and_then(|index| names.get(&index).cloned()),
        5 => route.gateway = address(bytes),
        // A router of the other family, behind the number of that family.
        18 => route.gateway = bytes.get(2..).and_then(address),
        _ => {}
    }
}

/// The ways of a route over several routers.
fn hops(mut bytes: &[u8], names: &HashMap<u32, String>) -> Vec<(Option<IpAddr>, Option<String>)> {
    let mut found = Vec::new();
    while let Some(length) = bytes.get(..2).map(|pair| usize::from(u16::from_ne_bytes([pair[0], pair[1]]))) {
        let Some(hop) = bytes.get(..length).filter(|_| length >= 8) else { break };
        let interface = word(&hop[4..8]).and_then(|index| names.get(&index).cloned());
        let gateway = attributes(&hop[8..]).find_map(|(kind, bytes)| match kind {
            5 => address(bytes),
            18 => bytes.get(2..).and_then(address),
            _ => None,
        });
        found.push((gateway, interface));
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    found
}

fn kind(number: u8) -> String {
    let names = [
        "unspecified",
        "unicast",
        "local",
        "broadcast",
        "anycast",
        "multicast",
        "blackhole",
        "unreachable",
        "prohibit",
        "throw",
        "nat",
    ];
    names.get(usize::from(number)).map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

fn protocol(number: u8) -> String {
    match number {
        1 => "redirect".into(),
        2 => "kernel".into(),
        3 => "boot".into(),
        4 => "static".into(),
        9 => "ra".into(),
        16 => "dhcp".into(),
        11 | 186 => "zebra_bgp".into(),
        12 => "bird".into(),
        188 => "ospf".into(),
        other => other.to_string(),
    }
}

/// Who was seen on the links; those that need no asking (multicast) are left out. Blocks.
pub fn neighbours() -> Result<Vec<NetNeighbour>, NetworkError> {
    let (messages, names) = (dump(TableKind::Neighbours)?, names()?);
    let mut found: Vec<NetNeighbour> =
        messages.iter().filter_map(|message| neighbour(message, &names)).collect();
    found.sort_by(|one, other| (&one.interface, one.address).cmp(&(&other.interface, other.address)));
    Ok(found)
}

fn neighbour(message: &Message, names: &HashMap<u32, String>) -> Option<NetNeighbour> {
    unspecified(message.byte(0))?;
    let (index, state) = (message.word(4), message.short(8));
    if state == 0 || state & NOARP != 0 {
        return None;
    }
    let of = |wanted: u16| message.attributes().find(|(kind, _)| *kind == wanted).map(|(_, bytes)| bytes);
    Some(NetNeighbour {
        address: address(of(1)?)?,
        interface: names.get(&index).cloned().unwrap_or_else(|| index.to_string()),
        mac: of(2).and_then(hardware),
        state: neighbour_state(state).into(),
        router: message.byte(10) & ROUTER != 0,
    })
}

const fn neighbour_state(bits: u16) -> &'static str {
    match bits {
        0x01 => "incomplete",
        0x02 => "reachable",
        0x04 => "stale",
        0x08 => "delay",
        0x10 => "probe",
        0x20 => "failed",
        0x80 => "permanent",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    #[test]
    fn a_route_over_two_routers_is_two_rows() {
        let mut bytes = vec![2, 8, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
        bytes.extend(attribute(1, &[10, 0, 0, 0]));
        bytes.extend(attribute(6, &100_u32.to_ne_bytes()));
        let mut ways = Vec::new();
        for last in [1, 2] {
            let gateway = attribute(5, &[192, 168, 0, last]);
            ways.extend(u16::try_from(8 + gateway.len()).unwrap().to_ne_bytes());
            ways.extend([0, 0]);
            ways.extend(7_u32.to_ne_bytes());
            ways.extend(gateway);
        }
        bytes.extend(attribute(9, &ways));
        let names = HashMap::from([(7, "eth7".to_owned())]);
        let found = routes_of(&Message::of(bytes, TableKind::Routes), &names);
        let gateways: Vec<_> = found.iter().filter_map(|route| route.gateway).collect();
        assert_eq!(gateways, ["192.168.0.1".parse::<IpAddr>().unwrap(), "192.168.0.2".parse().unwrap()]);
        let first = &found[0];
        assert_eq!(
            (first.metric, first.interface.as_deref(), first.kind.as_str()),
            (100, Some("eth7"), "unicast")
        );
        assert_eq!(first.destination, NetAddress { address: "10.0.0.0".parse().unwrap(), prefix: 8 });
    }

    #[test]
    fn own_addresses_are_routed_to_in_a_table_of_their_own() {
        assert!(routes(Tables::Main).unwrap().iter().all(|route| MAIN_TABLES.contains(&route.table)));
        assert!(routes(Tables::All).unwrap().len() >= routes(Tables::Main).unwrap().len());
    }

    proptest! {
        #[test]
        fn any_row_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = neighbour(&Message::of(bytes.clone(), TableKind::Neighbours), &HashMap::new());
            let _ = routes_of(&Message::of(bytes, TableKind::Routes), &HashMap::new());
        }
    }
}
