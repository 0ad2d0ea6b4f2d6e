//! Rows of the kernel's tables.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a link can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// It carries packets.
    Up,
    /// It was switched off, or has no cable.
    Down,
    /// A link below it is down.
    LowerLayerDown,
    /// It waits for something, such as authentication.
    Dormant,
    /// It is in a test mode.
    Testing,
    /// Its hardware is missing.
    NotPresent,
    /// The driver does not say; of the loopback and of tunnels that is usual while they are up.
    #[serde(other)]
    Unknown,
}

impl LinkState {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::LowerLayerDown => "lower_layer_down",
            Self::Dormant => "dormant",
            Self::Testing => "testing",
            Self::NotPresent => "not_present",
            Self::Unknown => "unknown",
        }
    }
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NetAddress {
    /// The address.
    pub address: IpAddr,
    /// Bits of its network: 0 to 32, or to 128.
    pub prefix: u8,
}

/// What went one way over an interface since it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetCounters {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were bad.
    pub errors: u64,
    /// Packets that were thrown away.
    pub dropped: u64,
    /// Bytes a second, over the last sample; `None` of an interface that was not sampled yet.
    pub bytes_per_s: Option<u64>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetInterface {
    /// Its number; routes and neighbours name it by its name.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is: `ethernet`, `loopback`, or what the kernel calls its sort (`bridge`, `veth`, `wireguard`, ...).
    pub kind: String,
    /// Whether it was switched on.
    pub enabled: bool,
    /// What the link can do.
    pub state: LinkState,
    /// Its hardware address; `None` if it has none.
    pub mac: Option<String>,
    /// Longest packet in bytes.
    pub mtu: u32,
    /// Speed in megabits a second; `None` where the driver does not say.
    pub speed_mbit: Option<u32>,
    /// The interface (bridge, bond) that it is part of.
    pub master: Option<String>,
    /// Its addresses.
    pub addresses: Vec<NetAddress>,
    /// What came in.
    pub received: NetCounters,
    /// What went out.
    pub sent: NetCounters,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetRoute {
    /// Where to; the unspecified address with prefix 0 is the default route.
    pub destination: NetAddress,
    /// Over which router; `None` if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Over which interface; `None` of a route that leads nowhere.
    pub interface: Option<String>,
    /// Which own address is used.
    pub source: Option<IpAddr>,
    /// Of several the one with the lowest is taken; 0 if none was given.
    pub metric: u32,
    /// Number of its table; 254 is the main one, 255 that of own addresses.
    pub table: u32,
    /// What happens to packets: `unicast`, `local`, `broadcast`, `blackhole`, `unreachable`, ...
    pub kind: String,
    /// Who made it: `kernel`, `boot`, `static`, `dhcp`, `ra`, or the number.
    pub protocol: String,
}

/// Somebody seen on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetNeighbour {
    /// The address.
    pub address: IpAddr,
    /// On which interface.
    pub interface: String,
    /// The hardware address; `None` if nobody answered.
    pub mac: Option<String>,
    /// What the kernel knows: `reachable`, `stale`, `delay`, `probe`, `failed`, `permanent`, `incomplete`, `noarp`.
    pub state: String,
    /// Whether it is a router.
    pub router: bool,
}

/// A socket of TCP or UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetSocket {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The own side.
    pub local: SocketAddr,
    /// The other side; `None` if it is not connected.
    pub remote: Option<SocketAddr>,
    /// State of TCP: `listen`, `established`, ...; empty of UDP.
    pub state: String,
    /// Number of the user that made it.
    pub uid: u32,
    /// A process that holds it; `None` if none does any more, or the node may not see whose it is.
    pub pid: Option<u32>,
    /// Name of that process.
    pub process: Option<String>,
}

/// Sockets of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetSocketList {
    /// Those that listen first, then by address.
    pub sockets: Vec<NetSocket>,
    /// How many there are; more than rows if the list was cut.
    pub total: u64,
    /// Whether the node may see the sockets of other users' processes.
    pub sees_all: bool,
}
