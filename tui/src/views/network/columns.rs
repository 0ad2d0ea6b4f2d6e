//! What the tables of the network show, and what their filter may ask for.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::services::network::{
    LinkState, NetAddress, NetCounters, NetInterface, NetNeighbour, NetRoute, NetSocket,
};

use crate::action::SortKey;
use crate::filter::{Field, Kind, Record};
use crate::fleet::{Item, NetItem, NetKey, Node};
use crate::format::{bytes, rate};
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

const NODE: &str = "NODE";
const NAME: &str = "NAME";
const STATE: &str = "STATE";
const RECEIVED: &str = "IN/s";
const SENT: &str = "OUT/s";
const ERRORS: &str = "ERRORS";
const ADDRESSES: &str = "ADDRESSES";
const MTU: &str = "MTU";
const SPEED: &str = "SPEED";
const PROTOCOL: &str = "PROTO";
const LOCAL: &str = "LOCAL";
const REMOTE: &str = "REMOTE";
const PROCESS: &str = "PROCESS";
const DESTINATION: &str = "DESTINATION";
const KIND: &str = "KIND";
const VIA: &str = "VIA";
const DEVICE: &str = "DEVICE";
const METRIC: &str = "METRIC";
const SOURCE: &str = "SOURCE";
const BY: &str = "BY";
const ADDRESS: &str = "ADDRESS";
const HARDWARE: &str = "HARDWARE";
const ROUTER: &str = "ROUTER";

const OF_NODE: Column = Column::text(NODE, 8, 0, Some(SortKey::Node)).up_to(24);

pub(super) const INTERFACES: &[Column] = &[
    OF_NODE,
    Column::text(NAME, 10, 0, Some(SortKey::Name)).up_to(16),
    Column::text(STATE, 6, 0, Some(SortKey::State)).up_to(16),
    Column::number(RECEIVED, 6, 0, None).up_to(8),
    Column::number(SENT, 6, 0, None).up_to(8),
    Column::number(ERRORS, 6, 1, None),
    Column::number(MTU, 6, 4, None),
    Column::number(SPEED, 6, 3, None),
    Column::rest(ADDRESSES, 18, 2, None),
];

pub(super) const SOCKETS: &[Column] = &[
    OF_NODE,
    Column::text(PROTOCOL, 5, 0, None),
    Column::text(LOCAL, 19, 0, Some(SortKey::Name)).up_to(40),
    Column::text(REMOTE, 19, 0, None).up_to(40),
    Column::text(STATE, 7, 1, Some(SortKey::State)).up_to(12),
    Column::rest(PROCESS, 12, 0, None),
];

pub(super) const ROUTES: &[Column] = &[
    OF_NODE,
    Column::text(DESTINATION, 18, 0, Some(SortKey::Name)).up_to(40),
    Column::text(VIA, 15, 0, None).up_to(32),
    Column::text(DEVICE, 10, 0, None).up_to(16),
    Column::number(METRIC, 6, 1, None),
    Column::text(KIND, 9, 2, Some(SortKey::State)).up_to(12),
    Column::text(SOURCE, 15, 4, None).up_to(32),
    Column::rest(BY, 6, 3, None),
];

pub(super) const NEIGHBOURS: &[Column] = &[
    OF_NODE,
    Column::text(ADDRESS, 16, 0, Some(SortKey::Name)).up_to(40),
    Column::text(HARDWARE, 17, 0, None),
    Column::text(STATE, 10, 0, Some(SortKey::State)),
    Column::text(DEVICE, 10, 0, None).up_to(16),
    Column::rest(ROUTER, 6, 0, None),
];

/// What a filter may name.
pub(super) const FIELDS: &[Field] = &[
    Field::word("what"),
    Field::word("with"),
    Field::word("more"),
    Field::word("state"),
    Field::of("node", Kind::Text),
    Field::of("local", Kind::Text),
    Field::of("remote", Kind::Text),
    Field::of("process", Kind::Text),
    Field::of("device", Kind::Text),
    Field::of("port", Kind::Number),
    Field::of("pid", Kind::Number),
];

/// A row beside its node.
pub(crate) struct Row<'a> {
    pub(super) item: &'a Item<NetKey, NetItem>,
    pub(super) node: &'a Node,
}

impl Row<'_> {
    /// The cell of a column.
    pub(super) fn cell(&self, column: &str) -> Cell {
        match (column, &self.item.value) {
            (NODE, _) => Cell::of(self.node.name().as_str(), Role::Accent),
            (STATE | KIND, _) => Cell::of(self.state(), self.role()),
            (column, NetItem::Interface(interface)) => of_interface(interface, column),
            (column, NetItem::Socket(socket)) => of_socket(socket, column),
            (column, NetItem::Route(route)) => of_route(route, column),
            (column, NetItem::Neighbour(seen)) => of_neighbour(seen, column),
        }
    }

    /// The name of an interface, the own side of a socket, the destination of a route, an address.
    pub(super) fn what(&self) -> String {
        match &self.item.value {
            NetItem::Interface(interface) => interface.name.clone(),
            NetItem::Socket(socket) => format!("{} {}", socket.protocol, socket.local),
            NetItem::Route(route) => destination(route),
            NetItem::Neighbour(seen) => seen.address.to_string(),
        }
    }

    fn state(&self) -> &str {
        match &self.item.value {
            NetItem::Interface(interface) => link(interface),
            NetItem::Socket(socket) if socket.state.is_empty() => "-",
            NetItem::Socket(socket) => &socket.state,
            NetItem::Route(route) => &route.kind,
            NetItem::Neighbour(seen) => &seen.state,
        }
    }

    fn role(&self) -> Role {
        match self.state() {
            "up" | "on" | "listen" | "reachable" => Role::Good,
            "down" | "failed" | "lower_layer_down" | "blackhole" | "unreachable" => Role::Bad,
            "close_wait" | "dormant" | "prohibit" => Role::Warn,
            "off" | "stale" | "time_wait" => Role::Dim,
            _ => Role::Text,
        }
    }

    fn with(&self) -> String {
        match &self.item.value {
            NetItem::Interface(interface) => {
                interface.addresses.iter().map(network).collect::<Vec<_>>().join(" ")
            }
            NetItem::Socket(socket) => or_dash(socket.remote),
            NetItem::Route(route) => {
                let interface = or_dash(route.interface.as_ref());
                route.gateway.map_or(interface.clone(), |gateway| format!("{gateway} {interface}"))
            }
            NetItem::Neighbour(seen) => or_dash(seen.mac.as_ref()),
        }
    }

    fn more(&self) -> String {
        match &self.item.value {
            NetItem::Interface(NetInterface { received, sent, .. }) => {
                format!("in {} out {}", speed(received), speed(sent))
            }
            NetItem::Socket(socket) => holder(socket),
            NetItem::Route(route) => format!("metric {}, by {}", route.metric, route.protocol),
            NetItem::Neighbour(seen) => {
                format!("{}{}", seen.interface, if seen.router { ", a router" } else { "" })
            }
        }
    }

    /// All that is known of it.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let facts: Vec<(&str, String)> = match &self.item.value {
            NetItem::Interface(interface) => interface_facts(interface),
            NetItem::Socket(socket) => vec![
                ("protocol", socket.protocol.clone()),
                ("own side", socket.local.to_string()),
                ("other side", or_dash(socket.remote)),
                ("state", self.state().to_owned()),
                ("process", holder(socket)),
                ("made by user", socket.uid.to_string()),
            ],
            NetItem::Route(route) => vec![
                ("to", destination(route)),
                ("over", or_dash(route.gateway)),
                ("interface", or_dash(route.interface.as_ref())),
                ("own address", or_dash(route.source)),
                ("metric", route.metric.to_string()),
                ("table", route.table.to_string()),
                ("kind", route.kind.clone()),
                ("made by", route.protocol.clone()),
            ],
            NetItem::Neighbour(seen) => vec![
                ("address", seen.address.to_string()),
                ("interface", seen.interface.clone()),
                ("hardware", or_dash(seen.mac.as_ref())),
                ("state", seen.state.clone()),
                ("router", if seen.router { "yes" } else { "no" }.to_owned()),
            ],
        };
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A figure that is nothing is there, and does not catch the eye.
fn figure(text: String, is_nothing: bool) -> Cell {
    Cell::of(text, if is_nothing { Role::Dim } else { Role::Text })
}

fn of_interface(interface: &NetInterface, column: &str) -> Cell {
    let flow = |counters: &NetCounters| {
        let now = counters.bytes_per_s;
        figure(now.map_or_else(|| "-".into(), bytes), now.unwrap_or(0) == 0)
    };
    match column {
        NAME => Cell::plain(&interface.name),
        RECEIVED => flow(&interface.received),
        SENT => flow(&interface.sent),
        ERRORS => {
            let of = |counters: &NetCounters| counters.errors + counters.dropped;
            let errors = of(&interface.received) + of(&interface.sent);
            Cell::of(errors.to_string(), if errors == 0 { Role::Dim } else { Role::Warn })
        }
        MTU => Cell::of(interface.mtu.to_string(), Role::Dim),
        SPEED => {
            let speed = interface.speed_mbit.map_or_else(|| "-".into(), |speed| format!("{speed}M"));
            Cell::of(speed, Role::Dim)
        }
        ADDRESSES => Cell::plain(interface.addresses.iter().map(network).collect::<Vec<_>>().join(" ")),
        _ => Cell::default(),
    }
}

fn of_socket(socket: &NetSocket, column: &str) -> Cell {
    match column {
        PROTOCOL => Cell::of(&*socket.protocol, Role::Dim),
        LOCAL => Cell::plain(socket.local.to_string()),
        REMOTE => figure(or_dash(socket.remote), socket.remote.is_none()),
        PROCESS => Cell::plain(holder(socket)),
        _ => Cell::default(),
    }
}

fn of_route(route: &NetRoute, column: &str) -> Cell {
    match column {
        DESTINATION => Cell::plain(destination(route)),
        VIA => figure(or_dash(route.gateway), route.gateway.is_none()),
        DEVICE => Cell::plain(or_dash(route.interface.as_ref())),
        METRIC => figure(route.metric.to_string(), route.metric == 0),
        SOURCE => figure(or_dash(route.source), route.source.is_none()),
        BY => Cell::of(&*route.protocol, Role::Dim),
        _ => Cell::default(),
    }
}

fn of_neighbour(seen: &NetNeighbour, column: &str) -> Cell {
    match column {
        ADDRESS => Cell::plain(seen.address.to_string()),
        HARDWARE => figure(or_dash(seen.mac.as_ref()), seen.mac.is_none()),
        DEVICE => Cell::plain(&seen.interface),
        ROUTER => Cell::plain(if seen.router { "router" } else { "" }),
        _ => Cell::default(),
    }
}

fn interface_facts(interface: &NetInterface) -> Vec<(&'static str, String)> {
    let counted = |counters: &NetCounters| {
        let NetCounters { packets, errors, dropped, .. } = counters;
        format!(
            "{} ({packets} packets, {errors} bad, {dropped} dropped), now {}",
            bytes(counters.bytes),
            speed(counters)
        )
    };
    let mut facts = vec![
        ("kind", interface.kind.clone()),
        ("state", link(interface).to_owned()),
        ("hardware", or_dash(interface.mac.as_ref())),
        ("mtu", interface.mtu.to_string()),
        ("speed", interface.speed_mbit.map_or_else(|| "-".into(), |speed| format!("{speed} Mbit/s"))),
        ("part of", or_dash(interface.master.as_ref())),
        ("received", counted(&interface.received)),
        ("sent", counted(&interface.sent)),
    ];
    facts.extend(interface.addresses.iter().map(|address| ("address", network(address))));
    facts
}

/// What has no link to speak of is on or off.
const fn link(interface: &NetInterface) -> &'static str {
    match (interface.enabled, interface.state) {
        (false, _) => "off",
        (true, LinkState::Unknown) => "on",
        (true, state) => state.as_str(),
    }
}

fn speed(counters: &NetCounters) -> String {
    counters.bytes_per_s.map_or_else(|| "-".into(), rate)
}

fn network(address: &NetAddress) -> String {
    format!("{}/{}", address.address, address.prefix)
}

fn destination(route: &NetRoute) -> String {
    if route.destination.prefix == 0 { "default".into() } else { network(&route.destination) }
}

fn holder(socket: &NetSocket) -> String {
    match (socket.pid, &socket.process) {
        (Some(pid), Some(name)) => format!("{name} ({pid})"),
        (Some(pid), None) => pid.to_string(),
        (None, _) => "-".into(),
    }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match FIELDS[field].name {
            "what" => self.what().into(),
            "with" => self.with().into(),
            "more" => self.more().into(),
            "state" => self.state().into(),
            "node" => Cow::Borrowed(self.node.name().as_str()),
            "local" | "remote" | "process" => match &self.item.value {
                NetItem::Socket(socket) => of_socket(socket, &FIELDS[field].name.to_uppercase()).text.into(),
                _ => Cow::Borrowed(""),
            },
            "device" => match &self.item.value {
                NetItem::Interface(interface) => Cow::Borrowed(interface.name.as_str()),
                NetItem::Socket(_) => Cow::Borrowed(""),
                NetItem::Route(route) => Cow::Borrowed(route.interface.as_deref().unwrap_or_default()),
                NetItem::Neighbour(seen) => Cow::Borrowed(seen.interface.as_str()),
            },
            _ => self.number(field).map_or(Cow::Borrowed(""), |number| number.to_string().into()),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        let NetItem::Socket(socket) = &self.item.value else { return None };
        match FIELDS[field].name {
            "port" => Some(socket.local.port().into()),
            "pid" => socket.pid.map(f64::from),
            _ => None,
        }
    }
}

/// By a key. In the order of states sockets that listen come first, and each table keeps its own order behind.
pub(super) fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
    match (key, &one.item.value, &other.item.value) {
        (SortKey::State, NetItem::Socket(one), NetItem::Socket(other)) => {
            let place = |socket: &NetSocket| (socket.remote.is_some(), socket.local.port());
            place(one).cmp(&place(other)).then_with(|| one.remote.cmp(&other.remote))
        }
        (SortKey::State, NetItem::Interface(one), NetItem::Interface(other)) => one.index.cmp(&other.index),
        (SortKey::State, NetItem::Route(one), NetItem::Route(other)) => {
            let place =
                |route: &NetRoute| (route.destination.address.is_ipv6(), route.destination, route.metric);
            place(one).cmp(&place(other))
        }
        _ => Ordering::Equal,
    }
}
