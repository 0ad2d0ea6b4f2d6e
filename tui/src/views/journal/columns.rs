//! What a line of a journal shows, and what its filter may ask for.

use std::borrow::Cow;

use p2p_shared::id::NodeName;
use p2p_shared::time::UnixMillis;

use crate::filter::{Field, Kind, Record};
use crate::format::{date, span_ms};
use crate::log::{Line, Sort};
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

/// systemd's words for priorities, gravest first.
pub(crate) const PRIORITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// A priority by its word or its number.
pub(crate) fn priority(text: &str) -> Result<u8, String> {
    let text = text.to_ascii_lowercase();
    let named = PRIORITIES.iter().position(|word| *word == text).or_else(|| match text.as_str() {
        "error" => Some(3),
        "warn" => Some(4),
        _ => text.parse().ok().filter(|number| *number < PRIORITIES.len()),
    });
    let number = named.and_then(|number| u8::try_from(number).ok());
    number.ok_or_else(|| format!("one of {}, or 0 to 7", PRIORITIES.join(" ")))
}

const TIME: &str = "TIME";
const NODE: &str = "NODE";
const WHO: &str = "FROM";
const PRIORITY: &str = "PRIO";
const MESSAGE: &str = "MESSAGE";

const COLUMNS: [Column; 5] = [
    Column::text(TIME, 12, 0, None),
    Column::text(NODE, 8, 0, None).up_to(20),
    Column::text(WHO, 12, 0, None).up_to(32),
    Column::text(PRIORITY, 7, 3, None),
    Column::rest(MESSAGE, 16, 0, None),
];

pub(super) const fn columns(single: bool) -> &'static [Column] {
    const ALL: &[Column] = &COLUMNS;
    const ONE: &[Column] = {
        let [time, _, who, priority, message] = COLUMNS;
        &[time, who, priority, message]
    };
    if single { ONE } else { ALL }
}

/// What a filter may name.
pub(super) const FIELDS: &[Field] = &[
    Field::word("message"),
    Field::word("from"),
    Field::of("unit", Kind::Text),
    Field::of("node", Kind::Text),
    Field::of("prio", Kind::Text),
    Field::of("level", Kind::Number),
    Field::of("pid", Kind::Number),
    Field::of("age", Kind::Span),
];

/// A line beside the name of its node.
pub(super) struct Row<'a> {
    pub(super) line: &'a Line,
    pub(super) node: &'a NodeName,
    pub(super) wall: UnixMillis,
}

impl Row<'_> {
    pub(super) fn cell(&self, column: &str) -> Cell {
        match column {
            TIME => Cell::of(self.time(), Role::Dim),
            NODE => Cell::of(self.node.as_str(), Role::Accent),
            WHO => Cell::of(self.who(), Role::Dim),
            PRIORITY => Cell::of(self.word(), self.role()),
            MESSAGE => Cell::of(&self.line.text, self.role()),
            _ => Cell::default(),
        }
    }

    /// The time of day; of another day the date.
    fn time(&self) -> String {
        let whole = date(self.line.at);
        let (day, time) = whole.split_once(' ').unwrap_or(("-", "-"));
        let today = date(self.wall);
        if today.starts_with(day) {
            format!("{time}.{:03}", self.line.at.0 % 1_000)
        } else {
            format!("{} {}", day.get(5..).unwrap_or(day), time.get(..5).unwrap_or(time))
        }
    }

    fn who(&self) -> String {
        match self.line.pid {
            Some(pid) => format!("{}[{pid}]", self.line.who),
            None => self.line.who.clone(),
        }
    }

    fn word(&self) -> &'static str {
        match self.line.sort {
            Sort::Entry => PRIORITIES.get(usize::from(self.line.priority)).copied().unwrap_or("?"),
            Sort::Stdout | Sort::Stderr | Sort::Remark => "",
        }
    }

    const fn role(&self) -> Role {
        match (self.line.sort, self.line.priority) {
            (Sort::Remark, _) => Role::Accent,
            (Sort::Stderr, _) => Role::Warn,
            (_, 0..=3) => Role::Bad,
            (_, 4) => Role::Warn,
            (_, 7..) => Role::Dim,
            (_, 5 | 6) => Role::Text,
        }
    }

    /// The line as journalctl(1) writes it, with its node.
    pub(super) fn whole(&self) -> String {
        format!("{} {} {}: {}", date(self.line.at), self.node, self.who(), self.line.text)
    }

    /// What is wrong with the clock of its node; nothing if it is right.
    fn clock(&self) -> String {
        let off = span_ms(self.line.ahead_ms.unsigned_abs());
        match self.line.ahead_ms {
            0 => String::new(),
            1.. => format!("{off} ahead of this one; the time above is corrected"),
            _ => format!("{off} behind this one; the time above is corrected"),
        }
    }

    /// Everything about it, for reading.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        // Output bears no time of its own.
        let time = if self.line.sort == Sort::Entry { "time" } else { "came" };
        let mut facts = vec![
            (time.to_owned(), format!("{}.{:03} UTC", date(self.line.at), self.line.at.0 % 1_000)),
            ("node".to_owned(), self.node.to_string()),
            ("clock".to_owned(), self.clock()),
            ("from".to_owned(), self.who()),
        ];
        facts.retain(|(name, value)| name != "clock" || !value.is_empty());
        facts.extend(self.line.unit.iter().map(|unit| ("unit".to_owned(), unit.clone())));
        if self.line.sort == Sort::Entry {
            facts.push(("priority".to_owned(), format!("{} ({})", self.word(), self.line.priority)));
        }
        facts.push((String::new(), String::new()));
        facts.extend(self.line.text.split('\n').map(|part| (String::new(), part.to_owned())));
        facts
    }
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match FIELDS[field].name {
            "message" => Cow::Borrowed(&self.line.text),
            "from" => Cow::Borrowed(&self.line.who),
            "unit" => Cow::Borrowed(self.line.unit.as_deref().unwrap_or_default()),
            "node" => Cow::Borrowed(self.node.as_str()),
            "prio" => Cow::Borrowed(self.word()),
            _ => self.number(field).map_or(Cow::Borrowed(""), |number| number.to_string().into()),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        Some(match FIELDS[field].name {
            "level" => f64::from(self.line.priority),
            "pid" => f64::from(self.line.pid?),
            "age" => self.wall.since(self.line.at).0 as f64 / 1e3,
            _ => return None,
        })
    }
}
