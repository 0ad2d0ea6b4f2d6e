//! Contacts of the routing table, bucket after bucket.

use p2p_shared::services::node::{RoutingBucket, RoutingContact};

use super::*;
use crate::filter::Kind;

/// One contact, and its bucket.
#[derive(Clone, Copy)]
pub(in super::super) struct ContactRow<'a> {
    bucket: &'a RoutingBucket,
    contact: &'a RoutingContact,
    since: Millis,
    /// What the directory thinks of it; `None` if it does not know it.
    state: Option<MemberState>,
}

impl ContactRow<'_> {
    fn seen_ms(&self) -> Option<u64> {
        self.contact.seen_ms.map(|seen| seen.saturating_add(self.since.0))
    }

    /// Its name, or the short id of one that the directory does not know.
    fn name(&self) -> Cow<'_, str> {
        self.contact.name.as_ref().map_or_else(|| self.contact.id.short().into(), |name| name.as_str().into())
    }

    fn address(&self) -> String {
        let first = self.contact.addresses.first().map_or_else(|| "-".to_owned(), ToString::to_string);
        match self.contact.addresses.len() {
            0 | 1 => first,
            many => format!("{first} +{}", many - 1),
        }
    }
}

impl Record for ContactRow<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match field {
            0 => self.name(),
            1 => state_word(self.state).into(),
            2 => self.address().into(),
            3 => self.contact.id.to_string().into(),
            _ => number_text(self.number(field)),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match field {
            4 => Some(f64::from(self.bucket.shared_bits)),
            5 => seconds(self.seen_ms()?),
            6 => Some(f64::from(self.bucket.waiting)),
            _ => None,
        }
    }
}

impl<'a> Row<'a> for ContactRow<'a> {
    type Key = (u16, NodeId);

    const COLUMNS: &'static [Column] = &[
        Column::number("BITS", 5, 0, Some(SortKey::Node)),
        Column::text("NAME", 22, 0, Some(SortKey::Name)),
        Column::text("STATE", 9, 2, Some(SortKey::State)),
        Column::number("SEEN", 6, 0, Some(SortKey::Age)),
        Column::text("ID", 8, 4, None),
        Column::number("WAITING", 7, 5, None),
        Column::rest("ADDRESS", 21, 1, None),
    ];
    const FIELDS: &'static [Field] = &[
        Field::word("name"),
        Field::word("state"),
        Field::word("address"),
        Field::word("id"),
        Field::of("bits", Kind::Number),
        Field::of("seen", Kind::Span),
        Field::of("waiting", Kind::Number),
    ];
    /// The nearest first.
    const ORDER: Order = Order { key: SortKey::Node, descending: true };
    const NONE: &'static str = "the routing table is empty";

    fn all(node: &'a Node, around: Around<'a>) -> Option<Vec<Self>> {
        let buckets = node.routing.value.as_ref()?;
        let rows = buckets.iter().flat_map(|bucket| {
            bucket.contacts.iter().map(move |contact| {
                let state = around.fleet.get(contact.id).map(|node| node.member.state);
                Self { bucket, contact, since: around.since, state }
            })
        });
        Some(rows.collect())
    }

    fn key(&self) -> Self::Key {
        (self.bucket.shared_bits, self.contact.id)
    }

    fn compare(&self, other: &Self, by: SortKey) -> Ordering {
        match by {
            SortKey::Name => self.name().cmp(&other.name()),
            SortKey::State => self.state.cmp(&other.state),
            // Who never answered is older than everybody.
            SortKey::Age => {
                let seen = |row: &Self| row.seen_ms().unwrap_or(u64::MAX);
                seen(self).cmp(&seen(other))
            }
            _ => self.bucket.shared_bits.cmp(&other.bucket.shared_bits),
        }
    }

    fn cell(&self, column: usize, glyphs: &Glyphs) -> Cell {
        match column {
            0 => Cell::plain(self.bucket.shared_bits.to_string()),
            1 => Cell::plain(self.name()),
            2 => state_cell(self.state, glyphs),
            3 => self.seen_ms().map_or_else(|| Cell::of("never", Role::Warn), ago),
            4 => Cell::of(self.contact.id.short(), Role::Dim),
            5 => Cell::plain(self.bucket.waiting.to_string()),
            6 => Cell::plain(self.address()),
            _ => Cell::default(),
        }
    }

    fn subject(&self) -> Option<NodeId> {
        self.state.map(|_| self.contact.id)
    }

    fn field(&self) -> String {
        self.contact.id.to_string()
    }

    fn sentence(&self) -> String {
        let addresses: Vec<String> = self.contact.addresses.iter().map(ToString::to_string).collect();
        format!("{} at {}, id {}", self.name(), addresses.join(", "), self.contact.id)
    }
}
