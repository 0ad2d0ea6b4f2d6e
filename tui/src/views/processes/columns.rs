//! What the table of processes shows, and what its filter may ask for.

use std::borrow::Cow;

use p2p_shared::services::process::ProcessState;
use p2p_shared::time::{Millis, UnixMillis};

use crate::action::SortKey;
use crate::command::Topic;
use crate::filter::{Field, Kind, Record};
use crate::fleet::{Node, Process};
use crate::format::{bytes, cpu, cpu_time, process_state, span_ms};
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

const NODE: &str = "NODE";
const PID: &str = "PID";
const USER: &str = "USER";
const STATE: &str = "S";
const CPU: &str = "CPU%";
const MEM: &str = "MEM";
const TIME: &str = "TIME";
const THREADS: &str = "THR";
const NICE: &str = "NI";
const AGE: &str = "AGE";
const NAME: &str = "NAME";
const COMMAND: &str = "COMMAND";

const NODE_COLUMN: Column = Column::text(NODE, 12, 0, Some(SortKey::Node)).up_to(24);
const PID_COLUMN: Column = Column::number(PID, 7, 0, Some(SortKey::Pid));
const FIGURES: [Column; 8] = [
    Column::text(USER, 9, 4, Some(SortKey::User)).up_to(16),
    Column::text(STATE, 1, 5, Some(SortKey::State)),
    Column::number(CPU, 6, 0, Some(SortKey::Cpu)),
    Column::number(MEM, 5, 0, Some(SortKey::Memory)),
    Column::number(TIME, 9, 6, None),
    Column::number(THREADS, 4, 8, None),
    Column::number(NICE, 3, 9, None),
    Column::number(AGE, 6, 7, Some(SortKey::Age)),
];
const NAME_COLUMN: Column = Column::text(NAME, 15, 0, Some(SortKey::Name)).up_to(32);
/// A tree is drawn before the names: they need room even where the columns are few.
const BRANCH_COLUMN: Column = Column::text(NAME, 30, 0, Some(SortKey::Name)).up_to(60);
const COMMAND_COLUMN: Column = Column::rest(COMMAND, 18, 3, None);

const fn one_node(name: Column) -> [Column; 11] {
    let [a, b, c, d, e, f, g, h] = FIGURES;
    [PID_COLUMN, a, b, c, d, e, f, g, h, name, COMMAND_COLUMN]
}

const fn all_nodes(name: Column) -> [Column; 12] {
    let [a, b, c, d, e, f, g, h] = FIGURES;
    [NODE_COLUMN, PID_COLUMN, a, b, c, d, e, f, g, h, name, COMMAND_COLUMN]
}

/// The columns: that of the node only where there are several, that of the name wider in a tree.
pub(super) const fn columns(single: bool, tree: bool) -> &'static [Column] {
    const LIST: &[Column] = &one_node(NAME_COLUMN);
    const TREE: &[Column] = &one_node(BRANCH_COLUMN);
    const LIST_OF_ALL: &[Column] = &all_nodes(NAME_COLUMN);
    const TREE_OF_ALL: &[Column] = &all_nodes(BRANCH_COLUMN);
    match (single, tree) {
        (true, false) => LIST,
        (true, true) => TREE,
        (false, false) => LIST_OF_ALL,
        (false, true) => TREE_OF_ALL,
    }
}

/// What a filter may name.
pub(super) const FIELDS: &[Field] = &[
    Field::word("name"),
    Field::word("command"),
    Field::word("user"),
    Field::of("node", Kind::Text),
    Field::of("state", Kind::Text),
    Field::of("pid", Kind::Number),
    Field::of("ppid", Kind::Number),
    Field::of("cpu", Kind::Percent),
    Field::of("mem", Kind::Bytes),
    Field::of("threads", Kind::Number),
    Field::of("nice", Kind::Number),
    Field::of("age", Kind::Span),
];

/// A process beside its node.
pub(super) struct Row<'a> {
    pub(super) process: &'a Process,
    pub(super) node: &'a Node,
    pub(super) wall: UnixMillis,
}

impl Row<'_> {
    /// Whether nothing new comes of it: the node is gone, silent, or refuses.
    pub(super) fn is_old(&self, now: Millis) -> bool {
        self.node.is_stale(Topic::Processes, now) || self.node.error(Topic::Processes).is_some()
    }

    /// The cell of a column. `prefix` is what a tree draws before the name.
    pub(super) fn cell(&self, column: &str, prefix: &str) -> Cell {
        let info = &self.process.info;
        let usage = &info.usage;
        match column {
            NODE => Cell::of(self.node.name().as_str(), Role::Accent),
            PID => Cell::plain(info.key.pid.to_string()),
            USER => Cell::of(&info.user, if info.uid == 0 { Role::Dim } else { Role::Text }),
            STATE => state(usage.state),
            CPU => Cell::of(cpu(usage.cpu_ratio), cpu_role(usage.cpu_ratio)),
            MEM if usage.rss_bytes == 0 => Cell::of("-", Role::Dim),
            MEM => Cell::plain(bytes(usage.rss_bytes)),
            TIME => Cell::of(cpu_time(usage.cpu_time_ms), Role::Dim),
            THREADS => Cell::of(usage.threads.to_string(), Role::Dim),
            NICE => Cell::of(usage.nice.to_string(), if usage.nice == 0 { Role::Dim } else { Role::Text }),
            AGE => Cell::of(span_ms(self.age_ms()), Role::Dim),
            NAME => Cell::plain(format!("{prefix}{}", info.name)),
            COMMAND if info.command.is_empty() => Cell::of(format!("[{}]", info.name), Role::Dim),
            COMMAND => Cell::of(&info.command, Role::Dim),
            _ => Cell::default(),
        }
    }

    fn age_ms(&self) -> u64 {
        self.wall.since(self.process.info.started).0
    }
}

/// The fields by their places in [`FIELDS`]: a filter looks at 150,000 rows with each key.
mod field {
    pub(super) const NAME: usize = 0;
    pub(super) const COMMAND: usize = 1;
    pub(super) const USER: usize = 2;
    pub(super) const NODE: usize = 3;
    pub(super) const STATE: usize = 4;
    pub(super) const PID: usize = 5;
    pub(super) const PPID: usize = 6;
    pub(super) const CPU: usize = 7;
    pub(super) const MEM: usize = 8;
    pub(super) const THREADS: usize = 9;
    pub(super) const NICE: usize = 10;
    pub(super) const AGE: usize = 11;
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        let info = &self.process.info;
        match field {
            field::NAME => Cow::Borrowed(&info.name),
            field::COMMAND => Cow::Borrowed(&info.command),
            field::USER => Cow::Borrowed(&info.user),
            field::NODE => Cow::Borrowed(self.node.name().as_str()),
            field::STATE => Cow::Borrowed(process_state(info.usage.state)),
            field::PID => info.key.pid.to_string().into(),
            field::PPID => info.ppid.to_string().into(),
            _ => Cow::Borrowed(""),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        let info = &self.process.info;
        Some(match field {
            field::PID => f64::from(info.key.pid),
            field::PPID => f64::from(info.ppid),
            field::CPU => f64::from(info.usage.cpu_ratio) * 100.0,
            field::MEM => info.usage.rss_bytes as f64,
            field::THREADS => f64::from(info.usage.threads),
            field::NICE => f64::from(info.usage.nice),
            field::AGE => self.age_ms() as f64 / 1e3,
            _ => return None,
        })
    }
}

/// One letter, as ps(1) writes it.
fn state(state: ProcessState) -> Cell {
    match state {
        ProcessState::Running => Cell::of("R", Role::Good),
        ProcessState::Sleeping => Cell::of("S", Role::Dim),
        ProcessState::Uninterruptible => Cell::of("D", Role::Warn),
        ProcessState::Stopped => Cell::of("T", Role::Warn),
        ProcessState::Zombie => Cell::of("Z", Role::Bad),
        ProcessState::Idle => Cell::of("I", Role::Dim),
        ProcessState::Unknown => Cell::of("?", Role::Warn),
    }
}

/// A process that takes a core or more stands out; one that does nothing steps back.
fn cpu_role(ratio: f32) -> Role {
    match ratio {
        _ if ratio >= 0.9 => Role::Bad,
        _ if ratio >= 0.5 => Role::Warn,
        _ if ratio < 0.000_5 => Role::Dim,
        _ => Role::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_by_their_places() {
        let named = [
            ("name", field::NAME),
            ("command", field::COMMAND),
            ("user", field::USER),
            ("node", field::NODE),
            ("state", field::STATE),
            ("pid", field::PID),
            ("ppid", field::PPID),
            ("cpu", field::CPU),
            ("mem", field::MEM),
            ("threads", field::THREADS),
            ("nice", field::NICE),
            ("age", field::AGE),
        ];
        assert_eq!(named.len(), FIELDS.len());
        for (name, place) in named {
            assert_eq!(FIELDS[place].name, name);
        }
    }
}
