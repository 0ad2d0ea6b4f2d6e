//! What nodes have of the network: interfaces, routes, neighbours and sockets, in one list.

use std::net::IpAddr;

use p2p_shared::services::network::{NetInterface, NetNeighbour, NetRoute, NetSocket};
use p2p_shared::services::node::Member;

/// Whether a member is reached at an address.
pub fn bears(member: &Member, address: IpAddr) -> bool {
    let address = address.to_canonical();
    member.addresses.iter().any(|known| known.ip().to_canonical() == address)
}

/// Which of the kernel's tables a row is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetTable {
    /// Interfaces.
    #[default]
    Interfaces,
    /// Sockets of TCP and UDP.
    Sockets,
    /// Routes.
    Routes,
    /// Who was seen on the links.
    Neighbours,
}

impl NetTable {
    /// All of them, in the order of the tabs.
    pub const ALL: [Self; 4] = [Self::Interfaces, Self::Sockets, Self::Routes, Self::Neighbours];

    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interfaces => "interfaces",
            Self::Sockets => "sockets",
            Self::Routes => "routes",
            Self::Neighbours => "neighbours",
        }
    }
}

/// What tells a row from all others of its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetKey {
    /// Of which table.
    pub table: NetTable,
    /// Which of them.
    pub name: String,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub enum NetItem {
    /// An interface.
    Interface(NetInterface),
    /// A socket.
    Socket(NetSocket),
    /// A route.
    Route(NetRoute),
    /// A neighbour.
    Neighbour(NetNeighbour),
}

impl NetItem {
    /// What tells it from all others of its node.
    pub fn key(&self) -> NetKey {
        let (table, name) = match self {
            Self::Interface(interface) => (NetTable::Interfaces, interface.name.clone()),
            Self::Socket(socket) => {
                let NetSocket { protocol, local, remote, pid, .. } = socket;
                let remote = remote.map(|remote| format!(" {remote}")).unwrap_or_default();
                (NetTable::Sockets, format!("{protocol} {local}{remote} {}", pid.unwrap_or(0)))
            }
            Self::Route(route) => {
                let NetRoute { destination, gateway, interface, metric, table, .. } = route;
                let way = gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
                let interface = interface.as_deref().unwrap_or_default();
                let (address, prefix) = (destination.address, destination.prefix);
                (NetTable::Routes, format!("{address}/{prefix} {way} {interface} {metric} {table}"))
            }
            Self::Neighbour(seen) => (NetTable::Neighbours, format!("{} {}", seen.address, seen.interface)),
        };
        NetKey { table, name }
    }
}

/// Everything of one node, as it answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetTables {
    /// Its interfaces.
    pub interfaces: Vec<NetInterface>,
    /// Its sockets.
    pub sockets: Vec<NetSocket>,
    /// Its routes.
    pub routes: Vec<NetRoute>,
    /// Its neighbours.
    pub neighbours: Vec<NetNeighbour>,
}

impl NetTables {
    /// All rows with their keys.
    pub fn into_rows(self) -> Vec<(NetKey, NetItem)> {
        let rows = self.interfaces.into_iter().map(NetItem::Interface);
        let rows = rows.chain(self.sockets.into_iter().map(NetItem::Socket));
        let rows = rows.chain(self.routes.into_iter().map(NetItem::Route));
        let rows = rows.chain(self.neighbours.into_iter().map(NetItem::Neighbour));
        rows.map(|row| (row.key(), row)).collect()
    }
}
