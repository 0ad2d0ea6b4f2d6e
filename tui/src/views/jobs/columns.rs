//! What the table of jobs shows, and what its filter may ask for.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::services::job::{JobId, JobInfo, JobState};
use p2p_shared::time::UnixMillis;

use crate::action::SortKey;
use crate::filter::{Field, Kind, Record};
use crate::fleet::{Item, Node};
use crate::format::{count, percent, span_ms};
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

const NODE: &str = "NODE";
const ID: &str = "JOB";
const STATE: &str = "STATE";
const PROGRESS: &str = "DONE";
const TRIES: &str = "TRY";
const EXIT: &str = "EXIT";
const BY: &str = "BY";
const PRIORITY: &str = "PRIO";
const AGE: &str = "AGE";
const WORK: &str = "WORK";

pub(super) const COLUMNS: &[Column] = &[
    Column::text(NODE, 8, 0, Some(SortKey::Node)).up_to(24),
    Column::text(ID, 15, 8, Some(SortKey::Name)).up_to(20),
    Column::text(STATE, 11, 0, Some(SortKey::State)),
    Column::number(PROGRESS, 4, 4, None),
    Column::text(EXIT, 9, 3, None).up_to(24),
    Column::number(TRIES, 3, 6, None),
    Column::text(PRIORITY, 6, 7, None),
    Column::text(BY, 8, 5, Some(SortKey::User)).up_to(20),
    Column::number(AGE, 6, 2, Some(SortKey::Age)),
    Column::rest(WORK, 24, 0, None),
];

/// What a filter may name.
pub(super) const FIELDS: &[Field] = &[
    Field::word("id"),
    Field::word("work"),
    Field::word("label"),
    Field::word("state"),
    Field::of("node", Kind::Text),
    Field::of("by", Kind::Text),
    Field::of("prio", Kind::Text),
    Field::of("tries", Kind::Number),
    Field::of("age", Kind::Span),
];

/// A job beside its node.
pub(crate) struct Row<'a> {
    pub(super) item: &'a Item<JobId, JobInfo>,
    pub(super) node: &'a Node,
    pub(super) wall: UnixMillis,
}

impl Row<'_> {
    const fn job(&self) -> &JobInfo {
        &self.item.value
    }

    /// The cell of a column.
    pub(super) fn cell(&self, column: &str) -> Cell {
        let job = self.job();
        match column {
            NODE => Cell::of(self.node.name().as_str(), Role::Accent),
            ID => Cell::plain(job.id.as_str()),
            STATE => Cell::of(job.state.as_str(), role(job.state)),
            PROGRESS => {
                let ratio = job.progress.as_ref().and_then(|progress| progress.ratio);
                ratio.map_or(Cell::of("-", Role::Dim), |ratio| Cell::plain(percent(ratio as f32)))
            }
            EXIT => match &job.exit {
                Some(exit) => {
                    Cell::of(exit.to_string(), if exit.succeeded() { Role::Dim } else { Role::Warn })
                }
                None => Cell::of("-", Role::Dim),
            },
            TRIES => Cell::of(job.attempts.to_string(), Role::Dim),
            PRIORITY => Cell::of(job.priority.as_str(), Role::Dim),
            BY => Cell::plain(&job.owner.name),
            AGE => Cell::of(span_ms(self.age_ms()), Role::Dim),
            WORK => Cell::plain(self.work()),
            _ => Cell::default(),
        }
    }

    /// What its author calls it, and what it does; why it waits or failed where that is known.
    fn work(&self) -> String {
        let job = self.job();
        let words = job.progress.as_ref().and_then(|progress| progress.words.clone());
        let what =
            if job.label.is_empty() { job.work.clone() } else { format!("{}: {}", job.label, job.work) };
        match words.or_else(|| Some(job.detail.clone()).filter(|detail| !detail.is_empty())) {
            Some(more) => format!("{what} ({more})"),
            None => what,
        }
    }

    fn age_ms(&self) -> u64 {
        self.wall.since(self.job().submitted).0
    }
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        let job = self.job();
        match FIELDS[field].name {
            "id" => Cow::Borrowed(job.id.as_str()),
            "work" => Cow::Borrowed(&job.work),
            "label" => Cow::Borrowed(&job.label),
            "state" => Cow::Borrowed(job.state.as_str()),
            "node" => Cow::Borrowed(self.node.name().as_str()),
            "by" => Cow::Borrowed(&job.owner.name),
            "prio" => Cow::Borrowed(job.priority.as_str()),
            _ => self.number(field).map_or(Cow::Borrowed(""), |number| number.to_string().into()),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        Some(match FIELDS[field].name {
            "tries" => f64::from(self.job().attempts),
            "age" => self.age_ms() as f64 / 1e3,
            _ => return None,
        })
    }
}

const fn role(state: JobState) -> Role {
    match state {
        JobState::Running => Role::Accent,
        JobState::Succeeded => Role::Good,
        JobState::Failed => Role::Bad,
        JobState::Interrupted | JobState::Unknown => Role::Warn,
        JobState::Queued => Role::Text,
        JobState::Cancelled => Role::Dim,
    }
}

/// What goes on first, then what needs somebody, then what is over.
const fn rank(state: JobState) -> u8 {
    match state {
        JobState::Running => 0,
        JobState::Queued => 1,
        JobState::Failed | JobState::Interrupted | JobState::Unknown => 2,
        JobState::Succeeded | JobState::Cancelled => 3,
    }
}

/// By a key; of one state the newest first.
pub(super) fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
    match key {
        SortKey::State => {
            let of = |row: &Row<'_>| (rank(row.job().state), u64::MAX - row.job().submitted.0);
            of(one).cmp(&of(other))
        }
        SortKey::User => one.job().owner.name.cmp(&other.job().owner.name),
        SortKey::Age => one.age_ms().cmp(&other.age_ms()),
        _ => Ordering::Equal,
    }
}

/// How many wait, run and failed, for the title.
pub(super) fn tally(states: &[JobState]) -> String {
    let mut text = String::new();
    for state in [JobState::Running, JobState::Queued, JobState::Failed, JobState::Interrupted] {
        let number = states.iter().filter(|known| **known == state).count();
        if number > 0 {
            text.push_str(&format!(", {} {}", count(number), state.as_str()));
        }
    }
    text
}
