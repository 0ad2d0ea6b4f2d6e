//! Interfaces and their addresses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use p2p_shared::services::monitor::Interface;
use p2p_shared::services::network::{LinkState, NetAddress, NetCounters, NetInterface};

use super::error::NetworkError;
use super::names::names;
use super::netlink::{Message, TableKind, address, attributes, dump, hardware, text, word};
use crate::host::Roots;
use crate::host::source::read_at;

const LOOPBACK: u16 = 772;
const ETHERNET: u16 = 1;
const ENABLED: u32 = 1;
/// A file of one number.
const SPEED_BYTES_MAX: usize = 32;

/// All of them, by number; rates are those of `sampled`. Blocks.
pub fn interfaces(roots: &Roots, sampled: &[Interface]) -> Result<Vec<NetInterface>, NetworkError> {
    let (links, names, mut addresses) = (dump(TableKind::Links)?, names()?, addresses()?);
    let rates: HashMap<&str, &Interface> =
        sampled.iter().map(|interface| (interface.name.as_str(), interface)).collect();
    let mut found: Vec<NetInterface> = links.iter().map(|link| interface(link, &names)).collect();
    for interface in &mut found {
        interface.addresses = addresses.remove(&interface.index).unwrap_or_default();
        interface.speed_mbit = speed(&roots.sys, &interface.name);
        if let Some(rates) = rates.get(interface.name.as_str()) {
            interface.received.bytes_per_s = Some(rates.received_bytes_per_s);
            interface.sent.bytes_per_s = Some(rates.sent_bytes_per_s);
        }
    }
    found.sort_unstable_by_key(|interface| interface.index);
    Ok(found)
}

/// Every address of this host. Blocks.
pub fn own_addresses() -> Result<Vec<IpAddr>, NetworkError> {
    Ok(addresses()?.into_values().flatten().map(|own| own.address).collect())
}

/// Every address of this host, by the number of its interface.
fn addresses() -> Result<HashMap<u32, Vec<NetAddress>>, NetworkError> {
    let mut found: HashMap<u32, Vec<NetAddress>> = HashMap::new();
    for message in dump(TableKind::Addresses)? {
        if let Some(address) = own_address(&message) {
            found.entry(message.word(4)).or_default().push(address);
        }
    }
    Ok(found)
}

/// On a link between two the kernel names the own address apart from the other one.
fn own_address(message: &Message) -> Option<NetAddress> {
    let of = |wanted: u16| {
        message.attributes().find(|(kind, _)| *kind == wanted).and_then(|(_, bytes)| address(bytes))
    };
    Some(NetAddress { address: of(2).or_else(|| of(1))?, prefix: message.byte(1) })
}

fn interface(link: &Message, names: &HashMap<u32, String>) -> NetInterface {
    let hardware_kind = link.short(2);
    let mut found = NetInterface {
        index: link.word(4),
        name: String::new(),
        kind: match hardware_kind {
            LOOPBACK => "loopback".into(),
            ETHERNET => "ethernet".into(),
            other => format!("type {other}"),
        },
        enabled: link.word(8) & ENABLED != 0,
        state: LinkState::Unknown,
        mac: None,
        mtu: 0,
        speed_mbit: None,
        master: None,
        addresses: Vec::new(),
        received: NetCounters::default(),
        sent: NetCounters::default(),
    };
    for (kind, bytes) in link.attributes() {
        match kind {
            1 => found.mac = hardware(bytes),
            3 => found.name = text(bytes),
            4 => found.mtu = word(bytes).unwrap_or_default(),
            10 => found.master = word(bytes).and_then(|index| names.get(&index).cloned()),
            16 => found.state = state(bytes.first().copied().unwrap_or_default()),
            18 => {
                if let Some((_, sort)) = attributes(bytes).find(|(kind, _)| *kind == 1) {
                    found.kind = text(sort);
                }
            }
            23 => (found.received, found.sent) = counters(bytes),
            _ => {}
        }
    }
    found
}

const fn state(number: u8) -> LinkState {
    match number {
        1 => LinkState::NotPresent,
        2 => LinkState::Down,
        3 => LinkState::LowerLayerDown,
        4 => LinkState::Testing,
        5 => LinkState::Dormant,
        6 => LinkState::Up,
        _ => LinkState::Unknown,
    }
}

/// Packets, bytes, errors and drops, each received and sent, as eight numbers of eight bytes.
fn counters(bytes: &[u8]) -> (NetCounters, NetCounters) {
    let at = |index: usize| {
        let number = bytes.get(index * 8..index * 8 + 8).and_then(|bytes| bytes.try_into().ok());
        number.map(u64::from_ne_bytes).unwrap_or_default()
    };
    let of = |side: usize| NetCounters {
        packets: at(side),
        bytes: at(2 + side),
        errors: at(4 + side),
        dropped: at(6 + side),
        bytes_per_s: None,
    };
    (of(0), of(1))
}

/// In megabits a second, where the driver says so.
fn speed(sys: &Path, name: &str) -> Option<u32> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return None;
    }
    let mut buffer = Vec::new();
    let path = sys.join("class/net").join(name).join("speed");
    read_at(rustix::fs::CWD, path, &mut buffer, SPEED_BYTES_MAX).ok()?;
    // A link that is down has speed -1.
    str::from_utf8(&buffer).ok()?.trim().parse().ok().filter(|speed| *speed > 0 && *speed < u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_loopback_is_there_with_its_addresses() {
        let found = interfaces(&Roots::default(), &[]).unwrap();
        let loopback = found.iter().find(|interface| interface.kind == "loopback").unwrap();
        assert_eq!((loopback.mac.as_deref(), loopback.speed_mbit), (None, None));
        assert!(loopback.mtu > 0);
        let has =
            |text: &str| loopback.addresses.iter().any(|own| own.address == text.parse::<IpAddr>().unwrap());
        assert!(!loopback.enabled || has("127.0.0.1"), "{loopback:?}");
    }

    proptest! {
        #[test]
        fn any_row_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = own_address(&Message::of(bytes.clone(), TableKind::Addresses));
            let _ = interface(&Message::of(bytes, TableKind::Links), &HashMap::new());
        }
    }
}
