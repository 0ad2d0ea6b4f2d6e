//! What the table of services shows, and what its filter may ask for.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::services::program::{ProgramExit, ProgramInfo, ProgramState};
use p2p_shared::services::unit::{ActiveState, LoadState, UnitInfo};
use p2p_shared::time::UnixMillis;

use crate::action::SortKey;
use crate::command::{ServiceKey, ServiceKind};
use crate::filter::{Field, Kind, Record};
use crate::fleet::{Item, Node, Service};
use crate::format::{bytes, cpu_time, span_ms};
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

const NODE: &str = "NODE";
const KIND: &str = "KIND";
const NAME: &str = "NAME";
const STATE: &str = "STATE";
const BOOT: &str = "BOOT";
const MEM: &str = "MEM";
const CPU: &str = "CPU";
const RESTARTS: &str = "RST";
const PID: &str = "PID";
const AGE: &str = "SINCE";
const ABOUT: &str = "DESCRIPTION";

pub(super) const COLUMNS: &[Column] = &[
    Column::text(NODE, 8, 0, Some(SortKey::Node)).up_to(24),
    Column::text(NAME, 22, 0, Some(SortKey::Name)).up_to(48),
    Column::text(STATE, 16, 0, Some(SortKey::State)).up_to(24),
    Column::text(KIND, 7, 5, None),
    Column::text(BOOT, 8, 7, None),
    Column::number(PID, 7, 1, Some(SortKey::Pid)),
    Column::number(MEM, 5, 2, Some(SortKey::Memory)),
    Column::number(CPU, 9, 6, Some(SortKey::Cpu)),
    Column::number(RESTARTS, 3, 4, None),
    Column::number(AGE, 6, 3, Some(SortKey::Age)),
    Column::rest(ABOUT, 16, 8, None),
];

/// What a filter may name.
pub(super) const FIELDS: &[Field] = &[
    Field::word("name"),
    Field::word("description"),
    Field::of("node", Kind::Text),
    Field::of("kind", Kind::Text),
    Field::word("state"),
    Field::of("boot", Kind::Text),
    Field::of("pid", Kind::Number),
    Field::of("mem", Kind::Bytes),
    Field::of("cpu", Kind::Span),
    Field::of("restarts", Kind::Number),
    Field::of("since", Kind::Span),
];

/// A service beside its node.
pub(crate) struct Row<'a> {
    pub(super) item: &'a Item<ServiceKey, Service>,
    pub(super) node: &'a Node,
    pub(super) wall: UnixMillis,
}

impl Row<'_> {
    /// The cell of a column.
    pub(super) fn cell(&self, column: &str) -> Cell {
        let number = |number: Option<u64>| match number {
            Some(number) => Cell::plain(number.to_string()),
            None => Cell::of("-", Role::Dim),
        };
        match column {
            NODE => Cell::of(self.node.name().as_str(), Role::Accent),
            KIND => Cell::of(self.kind(), Role::Dim),
            NAME => Cell::plain(&self.item.key.name),
            STATE => Cell::of(self.state(), self.role()),
            BOOT => Cell::of(self.boot(), Role::Dim),
            PID => number(self.pid().map(u64::from)),
            MEM => self.memory().map_or(Cell::of("-", Role::Dim), |memory| Cell::plain(bytes(memory))),
            CPU => Cell::of(self.cpu_ms().map_or_else(|| "-".to_owned(), cpu_time), Role::Dim),
            RESTARTS => match self.restarts() {
                Some(0) => Cell::of("0", Role::Dim),
                Some(many) => Cell::of(many.to_string(), Role::Warn),
                None => Cell::of("-", Role::Dim),
            },
            AGE => Cell::of(self.age_ms().map_or_else(|| "-".to_owned(), span_ms), Role::Dim),
            ABOUT => Cell::of(self.about(), Role::Dim),
            _ => Cell::default(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self.item.key.kind {
            ServiceKind::Program => "program",
            ServiceKind::Unit => "unit",
        }
    }

    fn state(&self) -> String {
        match &self.item.value {
            Service::Program(program) => match &program.last_exit {
                Some(exit) if program.state == ProgramState::Failed => failed(exit),
                _ => program.state.as_str().to_owned(),
            },
            Service::Unit(unit) if unit.load == LoadState::Masked => "masked".to_owned(),
            Service::Unit(unit) if unit.load == LoadState::NotFound => "not found".to_owned(),
            Service::Unit(unit) if unit.sub == unit.active.as_str() => unit.sub.clone(),
            Service::Unit(unit) if unit.active == ActiveState::Inactive && unit.sub == "dead" => {
                "inactive".to_owned()
            }
            Service::Unit(unit) => format!("{} {}", unit.active.as_str(), unit.sub),
        }
    }

    fn role(&self) -> Role {
        match rank(&self.item.value) {
            0 => Role::Bad,
            1 | 2 => Role::Warn,
            3 => Role::Good,
            _ => Role::Dim,
        }
    }

    fn boot(&self) -> &str {
        match &self.item.value {
            Service::Program(program) if program.at_boot => "enabled",
            Service::Program(_) => "-",
            Service::Unit(unit) => unit.file_state.as_deref().unwrap_or("-"),
        }
    }

    fn pid(&self) -> Option<u32> {
        match &self.item.value {
            Service::Program(program) => program.process.as_ref().map(|process| process.pid),
            Service::Unit(unit) => unit.main_pid,
        }
    }

    const fn memory(&self) -> Option<u64> {
        match &self.item.value {
            Service::Program(_) => None,
            Service::Unit(unit) => unit.memory_bytes,
        }
    }

    const fn cpu_ms(&self) -> Option<u64> {
        match &self.item.value {
            Service::Program(_) => None,
            Service::Unit(unit) => unit.cpu_time_ms,
        }
    }

    const fn restarts(&self) -> Option<u64> {
        match &self.item.value {
            Service::Program(program) => Some(program.restarts),
            Service::Unit(_) => None,
        }
    }

    fn age_ms(&self) -> Option<u64> {
        let since = match &self.item.value {
            Service::Program(program) => Some(program.since),
            Service::Unit(unit) => unit.since,
        };
        since.map(|since| self.wall.since(since).0)
    }

    fn about(&self) -> &str {
        match &self.item.value {
            Service::Program(ProgramInfo { detail, command, .. }) if detail.is_empty() => command,
            Service::Program(program) => &program.detail,
            Service::Unit(UnitInfo { description, .. }) => description,
        }
    }
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match FIELDS[field].name {
            "name" => Cow::Borrowed(&self.item.key.name),
            "description" => Cow::Borrowed(self.about()),
            "node" => Cow::Borrowed(self.node.name().as_str()),
            "kind" => Cow::Borrowed(self.kind()),
            "state" => self.state().into(),
            "boot" => Cow::Borrowed(self.boot()),
            _ => self.number(field).map_or(Cow::Borrowed(""), |number| number.to_string().into()),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        Some(match FIELDS[field].name {
            "pid" => f64::from(self.pid()?),
            "mem" => self.memory()? as f64,
            "cpu" => self.cpu_ms()? as f64 / 1e3,
            "restarts" => self.restarts()? as f64,
            "since" => self.age_ms()? as f64 / 1e3,
            _ => return None,
        })
    }
}

/// Why it failed, in few letters.
fn failed(exit: &ProgramExit) -> String {
    match (exit.out_of_memory, exit.code, exit.signal) {
        (Some(true), ..) => "failed, oom".to_owned(),
        (_, Some(code), _) => format!("failed, exit {code}"),
        (_, None, Some(signal)) => format!("failed, signal {signal}"),
        _ => "failed".to_owned(),
    }
}

/// What needs somebody first: failed, in trouble, on the way, running, at rest.
const fn rank(service: &Service) -> u8 {
    match service {
        Service::Program(program) => match program.state {
            ProgramState::Failed => 0,
            ProgramState::BackingOff | ProgramState::Unhealthy => 1,
            ProgramState::Waiting
            | ProgramState::Starting
            | ProgramState::Stopping
            | ProgramState::Unknown => 2,
            ProgramState::Running | ProgramState::Healthy => 3,
            ProgramState::Completed | ProgramState::Stopped => 4,
        },
        Service::Unit(unit) => match unit.active {
            ActiveState::Failed => 0,
            ActiveState::Reloading
            | ActiveState::Activating
            | ActiveState::Deactivating
            | ActiveState::Unknown => 2,
            ActiveState::Active => 3,
            ActiveState::Inactive => 4,
        },
    }
}

/// By a key; programs stand before units where the state is the same.
pub(super) fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
    match key {
        SortKey::State => {
            let of = |row: &Row<'_>| (rank(&row.item.value), row.item.key.kind);
            of(one).cmp(&of(other))
        }
        SortKey::Memory => one.memory().cmp(&other.memory()),
        SortKey::Cpu => one.cpu_ms().cmp(&other.cpu_ms()),
        SortKey::Pid => one.pid().cmp(&other.pid()),
        SortKey::Age => one.age_ms().cmp(&other.age_ms()),
        _ => Ordering::Equal,
    }
}
