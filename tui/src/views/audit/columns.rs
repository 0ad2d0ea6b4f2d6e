//! What the table of records shows, and what its filter may ask for.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::services::audit::{AuditEntry, AuditKind};
use p2p_shared::time::UnixMillis;

use crate::action::SortKey;
use crate::filter::{Field, Kind, Record};
use crate::fleet::{Item, Node, Verified};
use crate::format::{date, span_ms};
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

const NODE: &str = "NODE";
const TIME: &str = "TIME";
const WHO: &str = "WHO";
const WHAT: &str = "WHAT";
const OUTCOME: &str = "OUTCOME";
const TOOK: &str = "TOOK";
const VERIFIED: &str = "VERIFIED";
const FROM: &str = "FROM";
const DETAIL: &str = "DETAIL";

pub(super) const COLUMNS: &[Column] = &[
    Column::text(NODE, 8, 0, Some(SortKey::Node)).up_to(24),
    Column::text(TIME, 14, 1, Some(SortKey::Age)),
    Column::text(WHO, 10, 0, Some(SortKey::User)).up_to(28),
    Column::text(WHAT, 16, 0, Some(SortKey::Name)).up_to(30),
    Column::text(OUTCOME, 9, 0, Some(SortKey::State)).up_to(18),
    Column::number(TOOK, 6, 6, None),
    Column::text(VERIFIED, 8, 2, None),
    Column::text(FROM, 16, 5, None).up_to(28),
    Column::rest(DETAIL, 14, 4, None),
];

/// What a filter may name.
pub(super) const FIELDS: &[Field] = &[
    Field::word("who"),
    Field::word("what"),
    Field::word("outcome"),
    Field::word("detail"),
    Field::of("node", Kind::Text),
    Field::of("from", Kind::Text),
    Field::of("role", Kind::Text),
    Field::of("verified", Kind::Text),
    Field::of("took", Kind::Span),
    Field::of("age", Kind::Span),
];

/// An entry beside its node.
pub(crate) struct Row<'a> {
    pub(super) item: &'a Item<u64, AuditEntry>,
    pub(super) node: &'a Node,
    pub(super) wall: UnixMillis,
}

impl Row<'_> {
    const fn entry(&self) -> &AuditEntry {
        &self.item.value
    }

    /// The method, or that it is a note.
    pub(super) fn what(&self) -> &str {
        if self.entry().method.is_empty() { "note" } else { &self.entry().method }
    }

    fn who(&self) -> String {
        let entry = self.entry();
        match entry.caller.as_str() {
            "operator" | "" => entry.who.clone(),
            kind => format!("{kind} {}", entry.who),
        }
    }

    fn role_name(&self) -> &'static str {
        self.entry().role.map_or("", p2p_shared::access::Role::as_str)
    }

    fn outcome(&self) -> &str {
        match (self.entry().kind, &self.entry().code) {
            (AuditKind::Refused, _) => "refused",
            (AuditKind::Note, _) => "-",
            (_, Some(code)) => code,
            (_, None) => "unknown",
        }
    }

    fn outcome_role(&self) -> Role {
        match self.outcome() {
            "ok" => Role::Good,
            "-" => Role::Dim,
            "refused" => Role::Bad,
            _ => Role::Warn,
        }
    }

    fn verified(&self) -> Option<Verified> {
        self.node.seal.as_ref().map(|seal| seal.of(self.item.key))
    }

    fn detail(&self) -> String {
        let entry = self.entry();
        match (entry.message.as_str(), entry.arguments.as_str()) {
            ("", "{}") => String::new(),
            ("", arguments) => arguments.to_owned(),
            (message, "" | "{}") => message.to_owned(),
            (message, arguments) => format!("{message} {arguments}"),
        }
    }

    /// The cell of a column.
    pub(super) fn cell(&self, column: &str) -> Cell {
        let entry = self.entry();
        match column {
            NODE => Cell::of(self.node.name().as_str(), Role::Accent),
            TIME => Cell::of(date(entry.at).get(5..).unwrap_or("-"), Role::Dim),
            WHO => Cell::plain(self.who()),
            WHAT => Cell::plain(self.what()),
            OUTCOME => Cell::of(self.outcome(), self.outcome_role()),
            TOOK => Cell::of(entry.duration_ms.map(took).unwrap_or_default(), Role::Dim),
            VERIFIED => match self.verified() {
                Some(Verified::Broken) => Cell::of(Verified::Broken.as_str(), Role::Bad),
                Some(verified) => Cell::of(verified.as_str(), Role::Dim),
                None => Cell::default(),
            },
            FROM => Cell::of(entry.from.as_deref().unwrap_or(""), Role::Dim),
            DETAIL => Cell::plain(self.detail()),
            _ => Cell::default(),
        }
    }

    /// Everything that is known of it.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let entry = self.entry();
        let seal = self.node.seal.as_ref();
        let verified = match (self.verified(), seal) {
            (Some(Verified::Yes), Some(seal)) => {
                let by = seal.by.as_ref().map_or("another node", |name| name.as_str());
                format!("yes: {by} countersigned this record up to number {}", seal.held)
            }
            (Some(Verified::NotYet), _) => "not yet: no other node has countersigned so far".to_owned(),
            (Some(Verified::Broken), Some(seal)) => {
                format!("NO, the record is broken: {}", seal.broken.as_deref().unwrap_or_default())
            }
            _ => "not known".to_owned(),
        };
        let fact = |name: &str, value: String| (name.to_owned(), value);
        let mut facts = vec![
            fact("time", format!("{} UTC", date(entry.at))),
            fact("who", self.who()),
            fact("role", self.role_name().to_owned()),
            fact("key", entry.id.clone().unwrap_or_default()),
            fact("from", entry.from.clone().unwrap_or_default()),
            fact("what", self.what().to_owned()),
            fact("with", entry.arguments.clone()),
            fact("outcome", self.outcome().to_owned()),
            fact("message", entry.message.clone()),
            fact("took", entry.duration_ms.map(took).unwrap_or_default()),
            fact("request", entry.request_id.clone()),
            fact("verified", verified),
        ];
        facts.retain(|(_, value)| !value.is_empty());
        facts
    }

    fn age_ms(&self) -> u64 {
        self.wall.since(self.entry().at).0
    }
}

fn took(ms: u64) -> String {
    if ms < 1_000 { format!("{ms}ms") } else { span_ms(ms) }
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match FIELDS[field].name {
            "who" => self.who().into(),
            "what" => Cow::Borrowed(self.what()),
            "outcome" => Cow::Borrowed(self.outcome()),
            "detail" => self.detail().into(),
            "node" => Cow::Borrowed(self.node.name().as_str()),
            "from" => Cow::Borrowed(self.entry().from.as_deref().unwrap_or("")),
            "role" => Cow::Borrowed(self.role_name()),
            "verified" => Cow::Borrowed(self.verified().map_or("", Verified::as_str)),
            _ => Cow::Borrowed(""),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match FIELDS[field].name {
            "took" => self.entry().duration_ms.map(|ms| ms as f64 / 1e3),
            "age" => Some(self.age_ms() as f64 / 1e3),
            _ => None,
        }
    }
}

/// By a key; by age the newest comes first.
pub(super) fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
    match key {
        SortKey::User => one.who().cmp(&other.who()),
        SortKey::State => one.outcome().cmp(other.outcome()),
        SortKey::Name => one.what().cmp(other.what()),
        // Of one moment the higher number is the newer one.
        SortKey::Age => (other.entry().at, other.item.key).cmp(&(one.entry().at, one.item.key)),
        _ => Ordering::Equal,
    }
}
