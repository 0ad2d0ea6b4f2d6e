//! Open connections.

use std::net::SocketAddr;

use p2p_shared::services::node::{Peer, PeerRole};

use super::*;
use crate::filter::Kind;
use crate::format::{bytes, count};

/// Silence that is worth a look, and silence after which the directory gives a node up.
const QUIET_MS: u64 = 5_000;
const MUTE_MS: u64 = 10_000;

/// One connection.
#[derive(Clone, Copy)]
pub(in super::super) struct PeerRow<'a> {
    peer: &'a Peer,
    since: Millis,
    known: bool,
}

impl PeerRow<'_> {
    fn age_ms(&self) -> u64 {
        self.peer.age_ms.saturating_add(self.since.0)
    }

    fn silent_ms(&self) -> u64 {
        self.peer.silent_ms.saturating_add(self.since.0)
    }

    const fn role(&self) -> &'static str {
        match self.peer.role {
            PeerRole::Node => "node",
            PeerRole::Operator => "operator",
            PeerRole::Unknown => "unknown",
        }
    }
}

fn rtt(ms: f32) -> String {
    match ms {
        _ if !ms.is_finite() => "-".to_owned(),
        _ if ms < 10.0 => format!("{ms:.2}"),
        _ if ms < 100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

impl Record for PeerRow<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match field {
            0 => self.peer.name.as_str().into(),
            1 => self.role().into(),
            2 => state_word(self.peer.state).into(),
            3 => self.peer.address.to_string().into(),
            4 => self.peer.version.as_str().into(),
            5 => direction(self.peer.direction).into(),
            6 => self.peer.id.to_string().into(),
            _ => number_text(self.number(field)),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match field {
            7 => Some(f64::from(self.peer.rtt_ms)),
            8 => seconds(self.age_ms()),
            9 => seconds(self.silent_ms()),
            10 => Some(self.peer.sent_bytes as f64),
            11 => Some(self.peer.received_bytes as f64),
            12 => Some(self.peer.lost_packets as f64),
            _ => None,
        }
    }
}

impl<'a> Row<'a> for PeerRow<'a> {
    /// An operator may have several consoles open: the id alone names no connection.
    type Key = (NodeId, SocketAddr);

    const COLUMNS: &'static [Column] = &[
        Column::text("NAME", 22, 0, Some(SortKey::Name)),
        Column::text("STATE", 9, 0, Some(SortKey::State)),
        Column::number("RTT MS", 6, 0, Some(SortKey::Rtt)),
        Column::number("AGE", 6, 2, Some(SortKey::Age)),
        Column::number("SILENT", 6, 3, None),
        Column::text("ROLE", 8, 5, None),
        Column::text("DIR", 3, 8, None),
        Column::number("SENT", 5, 6, None),
        Column::number("RECVD", 5, 6, None),
        Column::number("LOST", 6, 7, None),
        Column::text("VERSION", 8, 9, None),
        Column::rest("ADDRESS", 21, 4, None),
    ];
    const FIELDS: &'static [Field] = &[
        Field::word("name"),
        Field::word("role"),
        Field::word("state"),
        Field::word("address"),
        Field::of("version", Kind::Text),
        Field::of("dir", Kind::Text),
        Field::of("id", Kind::Text),
        Field::of("rtt", Kind::Number),
        Field::of("age", Kind::Span),
        Field::of("silent", Kind::Span),
        Field::of("sent", Kind::Bytes),
        Field::of("received", Kind::Bytes),
        Field::of("lost", Kind::Number),
    ];
    const ORDER: Order = Order { key: SortKey::Name, descending: false };
    const NONE: &'static str = "no connection is open";

    fn all(node: &'a Node, around: Around<'a>) -> Option<Vec<Self>> {
        let peers = node.peers.value.as_ref()?;
        let row = |peer: &'a Peer| {
            let known = peer.role == PeerRole::Node && around.fleet.get(peer.id).is_some();
            Self { peer, since: around.since, known }
        };
        Some(peers.iter().map(row).collect())
    }

    fn key(&self) -> Self::Key {
        (self.peer.id, self.peer.address)
    }

    fn compare(&self, other: &Self, by: SortKey) -> Ordering {
        let (one, two) = (self.peer, other.peer);
        match by {
            SortKey::Rtt => one.rtt_ms.total_cmp(&two.rtt_ms),
            SortKey::Age => one.age_ms.cmp(&two.age_ms),
            SortKey::State => one.state.cmp(&two.state),
            _ => one.name.cmp(&two.name),
        }
    }

    fn cell(&self, column: usize, glyphs: &Glyphs) -> Cell {
        let peer = self.peer;
        match column {
            0 => Cell::of(peer.name.as_str(), Role::Text),
            // An operator is no member: the directory thinks nothing of it.
            1 if peer.role == PeerRole::Operator => Cell::of(self.role(), Role::Dim),
            1 => state_cell(peer.state, glyphs),
            2 => Cell::plain(rtt(peer.rtt_ms)),
            3 => ago(self.age_ms()),
            4 => {
                let role = match self.silent_ms() {
                    MUTE_MS.. => Role::Bad,
                    QUIET_MS.. => Role::Warn,
                    _ => Role::Text,
                };
                Cell::of(span_ms(self.silent_ms()), role)
            }
            5 => Cell::plain(self.role()),
            6 => Cell::plain(direction(peer.direction)),
            7 => Cell::plain(bytes(peer.sent_bytes)),
            8 => Cell::plain(bytes(peer.received_bytes)),
            9 => Cell::plain(count(usize::try_from(peer.lost_packets).unwrap_or(usize::MAX))),
            10 => Cell::of(peer.version.as_str(), Role::Dim),
            11 => Cell::plain(peer.address.to_string()),
            _ => Cell::default(),
        }
    }

    fn subject(&self) -> Option<NodeId> {
        self.known.then_some(self.peer.id)
    }

    fn field(&self) -> String {
        self.peer.id.to_string()
    }

    fn sentence(&self) -> String {
        let Peer { name, id, address, version, .. } = self.peer;
        format!("{name}: {} at {address}, version {version}, id {id}", self.role())
    }
}
