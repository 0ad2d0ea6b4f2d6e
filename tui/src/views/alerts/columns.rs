//! What the table of alerts shows, and what its filter may ask for.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};

use p2p_shared::services::alert::{AlertInfo, AlertSeverity, AlertState};
use p2p_shared::time::UnixMillis;

use crate::action::SortKey;
use crate::filter::{Field, Kind, Record};
use crate::fleet::{AlertItem, AlertKey, Item, Node};
use crate::format::{count, span_ms};
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

const NODE: &str = "NODE";
const STATE: &str = "STATE";
const SEVERITY: &str = "SEVERITY";
const AGE: &str = "AGE";
const RULE: &str = "RULE";
const BY: &str = "BY";
const WHAT: &str = "WHAT";
const WHEN: &str = "WHEN";

pub(super) const COLUMNS: &[Column] = &[
    Column::text(NODE, 8, 0, Some(SortKey::Node)).up_to(24),
    Column::text(STATE, 9, 0, Some(SortKey::State)),
    Column::text(SEVERITY, 8, 2, None),
    Column::number(AGE, 6, 3, Some(SortKey::Age)),
    Column::text(RULE, 12, 0, Some(SortKey::Name)).up_to(28),
    Column::text(BY, 8, 4, Some(SortKey::User)).up_to(24),
    Column::rest(WHAT, 26, 0, None),
];

/// Those of rules.
pub(super) const RULE_COLUMNS: &[Column] = &[
    Column::text(NODE, 8, 0, Some(SortKey::Node)).up_to(24),
    Column::text(SEVERITY, 8, 0, None),
    Column::text(RULE, 16, 0, Some(SortKey::Name)).up_to(32),
    Column::text(BY, 8, 4, Some(SortKey::User)).up_to(24),
    Column::rest(WHEN, 26, 0, None),
];

/// What a filter may name.
pub(super) const FIELDS: &[Field] = &[
    Field::word("rule"),
    Field::word("what"),
    Field::word("state"),
    Field::word("severity"),
    Field::of("node", Kind::Text),
    Field::of("by", Kind::Text),
    Field::of("label", Kind::Text),
    Field::of("age", Kind::Span),
];

/// An alert, a silence or a rule beside its node.
pub(crate) struct Row<'a> {
    pub(super) item: &'a Item<AlertKey, AlertItem>,
    pub(super) node: &'a Node,
    pub(super) wall: UnixMillis,
}

impl Row<'_> {
    /// What dialogs call it.
    pub(super) fn name(&self) -> String {
        match &self.item.value {
            AlertItem::Alert(alert) => alert.rule.clone(),
            AlertItem::Silence(silence) => format!("silence {}", silence.id),
            AlertItem::Rule(rule) => rule.name.clone(),
        }
    }

    /// What it says.
    pub(super) fn what(&self) -> &str {
        match &self.item.value {
            AlertItem::Alert(alert) => &alert.summary,
            AlertItem::Silence(silence) => &silence.matchers,
            AlertItem::Rule(rule) => &rule.when,
        }
    }

    fn state(&self) -> &'static str {
        match &self.item.value {
            AlertItem::Alert(alert) if alert.silenced.is_some() => "silenced",
            AlertItem::Alert(alert) if alert.acknowledged.is_some() => "acked",
            AlertItem::Alert(alert) => alert.state.as_str(),
            AlertItem::Silence(_) => "silence",
            AlertItem::Rule(_) => "rule",
        }
    }

    const fn severity(&self) -> Option<AlertSeverity> {
        match &self.item.value {
            AlertItem::Alert(alert) => Some(alert.severity),
            AlertItem::Silence(_) => None,
            AlertItem::Rule(rule) => Some(rule.severity),
        }
    }

    fn by(&self) -> &str {
        match &self.item.value {
            AlertItem::Alert(alert) => alert.acknowledged.as_ref().map_or("", |who| who.by.as_str()),
            AlertItem::Silence(silence) => &silence.by,
            AlertItem::Rule(rule) => rule.source.as_str(),
        }
    }

    fn age_ms(&self) -> Option<u64> {
        let since = match &self.item.value {
            AlertItem::Alert(alert) => alert.since,
            AlertItem::Silence(silence) => silence.starts,
            AlertItem::Rule(_) => return None,
        };
        Some(self.wall.since(since).0)
    }

    fn labels(&self) -> String {
        let (AlertItem::Alert(AlertInfo { labels, .. }), ..) = (&self.item.value,) else {
            return String::new();
        };
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    /// What needs somebody first, then what may soon, what is over, and what only is.
    const fn rank(&self) -> u8 {
        match &self.item.value {
            AlertItem::Alert(alert) => match alert.state {
                AlertState::Firing | AlertState::Unknown => {
                    if alert.silenced.is_some() || alert.acknowledged.is_some() { 1 } else { 0 }
                }
                AlertState::Pending => 2,
                AlertState::Resolved => 3,
            },
            AlertItem::Silence(_) => 4,
            AlertItem::Rule(_) => 5,
        }
    }

    /// The cell of a column.
    pub(super) fn cell(&self, column: &str) -> Cell {
        match column {
            NODE => Cell::of(self.node.name().as_str(), Role::Accent),
            STATE => Cell::of(self.state(), self.role()),
            SEVERITY => match self.severity() {
                Some(severity) => Cell::of(severity.as_str(), self.role()),
                None => Cell::of("-", Role::Dim),
            },
            AGE => Cell::of(self.age_ms().map_or_else(|| "-".to_owned(), span_ms), Role::Dim),
            RULE => Cell::plain(self.name()),
            BY => Cell::of(self.by(), Role::Dim),
            WHAT | WHEN => match &self.item.value {
                AlertItem::Silence(silence) => {
                    Cell::plain(format!("{}: {}", silence.matchers, silence.reason))
                }
                AlertItem::Rule(rule) => Cell::of(rule.when.as_str(), Role::Dim),
                AlertItem::Alert(alert) => Cell::plain(&alert.summary),
            },
            _ => Cell::default(),
        }
    }

    const fn role(&self) -> Role {
        match (self.rank(), self.severity()) {
            (0, Some(AlertSeverity::Info)) => Role::Accent,
            (0, Some(AlertSeverity::Warning)) => Role::Warn,
            (0, _) => Role::Bad,
            (2, _) => Role::Text,
            (3, _) => Role::Good,
            _ => Role::Dim,
        }
    }
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match FIELDS[field].name {
            "rule" => self.name().into(),
            "what" => Cow::Borrowed(self.what()),
            "state" => Cow::Borrowed(self.state()),
            "severity" => Cow::Borrowed(self.severity().map_or("", AlertSeverity::as_str)),
            "node" => Cow::Borrowed(self.node.name().as_str()),
            "by" => Cow::Borrowed(self.by()),
            "label" => self.labels().into(),
            _ => self.number(field).map_or(Cow::Borrowed(""), |number| number.to_string().into()),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match FIELDS[field].name {
            "age" => Some(self.age_ms()? as f64 / 1e3),
            _ => None,
        }
    }
}

/// By a key; of one state the graver and the newer first.
pub(super) fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
    match key {
        SortKey::State => {
            // Of rules and silences the name alone counts.
            let severity = |row: &Row<'_>| Reverse(if row.rank() < 4 { row.severity() } else { None });
            let of = |row: &Row<'_>| (row.rank(), severity(row), row.age_ms());
            of(one).cmp(&of(other))
        }
        SortKey::User => one.by().cmp(other.by()),
        SortKey::Age => one.age_ms().cmp(&other.age_ms()),
        _ => Ordering::Equal,
    }
}

/// How many fire, are silenced and pending, for the title.
pub(super) fn tally<'a>(alerts: impl Iterator<Item = &'a AlertInfo>) -> String {
    let mut counts = p2p_shared::services::alert::AlertCounts::default();
    alerts.for_each(|alert| counts.count(alert));
    let parts = [(counts.firing, "firing"), (counts.silenced, "silenced"), (counts.pending, "pending")];
    let named = parts.into_iter().filter(|(number, _)| *number > 0);
    named.map(|(number, word)| format!(", {} {word}", count(number as usize))).collect()
}
