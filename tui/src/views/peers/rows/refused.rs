//! Handshakes that were refused.

use std::net::SocketAddr;

use p2p_shared::services::node::RefusedHandshake;

use super::*;
use crate::filter::Kind;
use crate::format::{count, date};

/// One refusal, or several of the same kind in a row.
#[derive(Clone, Copy)]
pub(in super::super) struct RefusedRow<'a> {
    handshake: &'a RefusedHandshake,
    /// Tells refusals of the same moment apart.
    ordinal: u32,
    ago: Millis,
}

impl Record for RefusedRow<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match field {
            0 => self.handshake.address.to_string().into(),
            1 => self.handshake.reason.as_str().into(),
            2 => self.handshake.detail.as_str().into(),
            3 => direction(self.handshake.direction).into(),
            _ => number_text(self.number(field)),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match field {
            4 => seconds(self.ago.0),
            5 => Some(f64::from(self.handshake.count)),
            _ => None,
        }
    }
}

impl<'a> Row<'a> for RefusedRow<'a> {
    type Key = (UnixMillis, SocketAddr, u32);

    const COLUMNS: &'static [Column] = &[
        Column::number("AGO", 6, 0, Some(SortKey::Age)),
        Column::text("ADDRESS", 21, 0, Some(SortKey::Name)),
        Column::text("DIR", 3, 4, None),
        Column::text("REASON", 14, 0, Some(SortKey::State)),
        Column::number("TIMES", 5, 3, None),
        Column::rest("DETAIL", 20, 2, None),
    ];
    const FIELDS: &'static [Field] = &[
        Field::word("address"),
        Field::word("reason"),
        Field::word("detail"),
        Field::of("dir", Kind::Text),
        Field::of("age", Kind::Span),
        Field::of("times", Kind::Number),
    ];
    /// The newest first.
    const ORDER: Order = Order { key: SortKey::Age, descending: false };
    const NONE: &'static str = "nobody was refused";

    fn all(node: &'a Node, around: Around<'a>) -> Option<Vec<Self>> {
        let handshakes = node.refused.value.as_ref()?;
        let mut before: Option<((UnixMillis, SocketAddr), u32)> = None;
        let row = |handshake: &'a RefusedHandshake| {
            let moment = (handshake.at, handshake.address);
            let ordinal = before.filter(|(last, _)| *last == moment).map_or(0, |(_, ordinal)| ordinal + 1);
            before = Some((moment, ordinal));
            Self { handshake, ordinal, ago: around.wall.since(handshake.at) }
        };
        Some(handshakes.iter().map(row).collect())
    }

    fn key(&self) -> Self::Key {
        (self.handshake.at, self.handshake.address, self.ordinal)
    }

    fn compare(&self, other: &Self, by: SortKey) -> Ordering {
        let (one, two) = (self.handshake, other.handshake);
        match by {
            SortKey::Name => one.address.cmp(&two.address),
            SortKey::State => one.reason.cmp(&two.reason),
            _ => two.at.cmp(&one.at),
        }
    }

    fn cell(&self, column: usize, _: &Glyphs) -> Cell {
        let handshake = self.handshake;
        match column {
            0 => ago(self.ago.0),
            1 => Cell::plain(handshake.address.to_string()),
            2 => Cell::plain(direction(handshake.direction)),
            3 => Cell::of(handshake.reason.as_str(), Role::Bad),
            4 => Cell::plain(count(handshake.count as usize)),
            5 => Cell::plain(handshake.detail.as_str()),
            _ => Cell::default(),
        }
    }

    fn subject(&self) -> Option<NodeId> {
        None
    }

    fn field(&self) -> String {
        self.handshake.address.to_string()
    }

    fn sentence(&self) -> String {
        let RefusedHandshake { at, address, reason, detail, .. } = self.handshake;
        format!("{} UTC {address}: {detail} ({reason})", date(*at))
    }
}
