//! The questions of a look-up, in the order in which they were asked.

use p2p_shared::services::node::{LookUpQuestion, QuestionEnd};

use super::*;
use crate::filter::Kind;
use crate::format::plural;

/// One question.
#[derive(Clone, Copy)]
pub(in super::super) struct HopRow<'a> {
    question: &'a LookUpQuestion,
    /// Its place among them.
    nth: usize,
    /// Whether the directory knows whom it went to.
    known: bool,
}

impl HopRow<'_> {
    /// Its name, or the short id of one that the directory does not know.
    fn name(&self) -> Cow<'_, str> {
        let name = self.question.name.as_ref();
        name.map_or_else(|| self.question.id.short().into(), |name| name.as_str().into())
    }

    const fn end(&self) -> &'static str {
        match self.question.end {
            QuestionEnd::Answered if self.question.slow => "late answer",
            QuestionEnd::Answered => "answered",
            QuestionEnd::Failed => "no answer",
            QuestionEnd::Open => "not awaited",
            QuestionEnd::Unknown => "unknown",
        }
    }

    const fn record(&self) -> &'static str {
        match (self.question.end, self.question.had_record) {
            (QuestionEnd::Answered, true) => "yes",
            (QuestionEnd::Answered, false) => "no",
            _ => "-",
        }
    }

    fn address(&self) -> String {
        self.question.address.map_or_else(|| "-".to_owned(), |address| address.to_string())
    }
}

impl Record for HopRow<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match field {
            0 => self.name(),
            1 => self.end().into(),
            2 => self.record().into(),
            3 => self.address().into(),
            4 => self.question.id.to_string().into(),
            _ => number_text(self.number(field)),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        let question = self.question;
        match field {
            5 => Some(f64::from(question.hop)),
            6 => Some(f64::from(question.shared_bits)),
            7 => question.took_ms.map(|ms| ms as f64),
            8 => Some(f64::from(question.nearer)),
            _ => None,
        }
    }
}

impl<'a> Row<'a> for HopRow<'a> {
    /// Nobody is asked twice.
    type Key = NodeId;

    const COLUMNS: &'static [Column] = &[
        Column::number("HOP", 3, 0, None),
        Column::text("ASKED", 22, 0, Some(SortKey::Name)),
        Column::number("BITS", 5, 0, Some(SortKey::Node)),
        Column::number("AT MS", 6, 1, Some(SortKey::Age)),
        Column::number("TOOK MS", 8, 0, Some(SortKey::Rtt)),
        Column::text("ANSWER", 11, 0, Some(SortKey::State)),
        Column::number("NEARER", 7, 2, None),
        Column::text("RECORD", 6, 0, None),
        Column::text("ID", 8, 5, None),
        Column::rest("ADDRESS", 21, 4, None),
    ];
    const FIELDS: &'static [Field] = &[
        Field::word("name"),
        Field::word("answer"),
        Field::of("record", Kind::Text),
        Field::word("address"),
        Field::word("id"),
        Field::of("hop", Kind::Number),
        Field::of("bits", Kind::Number),
        Field::of("took", Kind::Number),
        Field::of("nearer", Kind::Number),
    ];
    /// In the order in which they were asked.
    const ORDER: Order = Order { key: SortKey::Age, descending: false };
    const NONE: &'static str = "nobody had to be asked";

    fn all(node: &'a Node, around: Around<'a>) -> Option<Vec<Self>> {
        let told = around.fleet.look_up(node.member.id)?.told.as_ref()?.as_ref().ok()?;
        let row = |(nth, question): (usize, &'a LookUpQuestion)| {
            let known = around.fleet.get(question.id).is_some();
            Self { question, nth, known }
        };
        Some(told.questions.iter().enumerate().map(row).collect())
    }

    fn key(&self) -> Self::Key {
        self.question.id
    }

    fn compare(&self, other: &Self, by: SortKey) -> Ordering {
        let (one, two) = (self.question, other.question);
        match by {
            SortKey::Name => self.name().cmp(&other.name()),
            SortKey::Node => one.shared_bits.cmp(&two.shared_bits),
            // What was never answered took longest.
            SortKey::Rtt => one.took_ms.unwrap_or(u64::MAX).cmp(&two.took_ms.unwrap_or(u64::MAX)),
            SortKey::State => self.end().cmp(other.end()),
            _ => self.nth.cmp(&other.nth),
        }
    }

    fn cell(&self, column: usize, _: &Glyphs) -> Cell {
        let question = self.question;
        match column {
            0 => Cell::plain(question.hop.to_string()),
            1 => Cell::plain(self.name()),
            2 => Cell::plain(question.shared_bits.to_string()),
            3 => Cell::plain(question.asked_ms.to_string()),
            4 => Cell::plain(question.took_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string())),
            5 => {
                let role = match question.end {
                    QuestionEnd::Answered if !question.slow => Role::Text,
                    QuestionEnd::Answered => Role::Warn,
                    QuestionEnd::Failed => Role::Bad,
                    QuestionEnd::Open | QuestionEnd::Unknown => Role::Dim,
                };
                Cell::of(self.end(), role)
            }
            6 if question.end != QuestionEnd::Answered => Cell::of("-", Role::Dim),
            6 => Cell::plain(format!("{}/{}", question.nearer, question.named)),
            7 => Cell::of(self.record(), if question.had_record { Role::Good } else { Role::Dim }),
            8 => Cell::of(question.id.short(), Role::Dim),
            9 => Cell::plain(self.address()),
            _ => Cell::default(),
        }
    }

    fn subject(&self) -> Option<NodeId> {
        self.known.then_some(self.question.id)
    }

    fn field(&self) -> String {
        self.question.id.to_string()
    }

    fn sentence(&self) -> String {
        let LookUpQuestion { id, nearer, named, shared_bits, .. } = self.question;
        let (name, end, at) = (self.name(), self.end(), self.address());
        let bits = plural((*shared_bits).into(), "bit");
        match self.question.end {
            QuestionEnd::Answered => format!(
                "{name} at {at}: {end}, naming {named}, of whom {nearer} nearer; shares {bits}; id {id}"
            ),
            _ => format!("{name} at {at}: {end}; shares {bits} with the key; id {id}"),
        }
    }
}
