//! What the table of nodes shows, by what it sorts, and what its filter may ask for.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::error::Code;
use p2p_shared::id::NodeId;
use p2p_shared::services::monitor::HostSample;
use p2p_shared::services::node::MemberState;
use p2p_shared::time::Millis;

use crate::action::SortKey;
use crate::command::Topic;
use crate::event::Link;
use crate::filter::{Field, Kind, Record};
use crate::fleet::{Firing, Fleet, Node};
use crate::format::{bytes, percent, plural, rate, span_ms};
use crate::theme::{Glyphs, Role};
use crate::views::Scene;
use crate::views::observed;
use crate::widgets::table::{Cell, Column};

pub(super) const COLUMNS: &[Column] = &[
    Column::text("NAME", 14, 0, Some(SortKey::Name)).up_to(32),
    Column::text("STATE", 9, 0, Some(SortKey::State)),
    Column::number("CPU", 5, 1, Some(SortKey::Cpu)),
    Column::text("ALERTS", 6, 1, None).up_to(16),
    Column::text("HISTORY", 6, 6, None).up_to(30),
    Column::number("MEM", 5, 1, Some(SortKey::Memory)),
    Column::number("OF", 5, 9, None),
    Column::number("LOAD", 6, 3, Some(SortKey::Load)),
    Column::number("DISK", 5, 2, Some(SortKey::Disk)),
    Column::text("FULLEST", 10, 10, None).up_to(24),
    Column::number("IN", 7, 7, None),
    Column::number("OUT", 7, 7, None),
    Column::number("PROCS", 5, 8, None),
    Column::number("UPTIME", 6, 4, Some(SortKey::Age)),
    Column::text("VERSION", 7, 11, None).up_to(12),
    Column::rest("LABELS", 22, 5, None),
    Column::number("SEEN", 9, 4, None),
];

const NAME: usize = 0;
const STATE: usize = 1;
const CPU: usize = 2;
const ALERTS: usize = 3;
pub(super) const SPARK: usize = 4;
const MEM: usize = 5;
const MEM_TOTAL: usize = 6;
const LOAD: usize = 7;
const DISK: usize = 8;
const FULLEST: usize = 9;
const IN: usize = 10;
const OUT: usize = 11;
const PROCS: usize = 12;
const UPTIME: usize = 13;
const VERSION: usize = 14;
const LABELS: usize = 15;
const SEEN: usize = 16;

pub(super) const FIELDS: &[Field] = &[
    Field::word("name"),
    Field::word("label"),
    Field::of("state", Kind::Text),
    Field::of("version", Kind::Text),
    Field::of("cpu", Kind::Percent),
    Field::of("mem", Kind::Percent),
    Field::of("load", Kind::Number),
    Field::of("disk", Kind::Percent),
    Field::of("alerts", Kind::Number),
    Field::of("node", Kind::Text),
];

/// A node as the filter sees it, and how many of its alerts fire.
pub(super) struct Row<'a>(pub(super) &'a Node, pub(super) Option<Firing>);

impl<'a> Row<'a> {
    pub(super) fn of(fleet: &Fleet, id: NodeId, node: &'a Node) -> Self {
        Self(node, firing(fleet, id, node))
    }
}

/// The alerts of a node that fire; `None` while it has told of none.
fn firing(fleet: &Fleet, id: NodeId, node: &Node) -> Option<Firing> {
    node.age(Topic::Alerts, Millis::ZERO).map(|_| Firing::of(&fleet.alerts, id))
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        let node = self.0;
        match FIELDS[field].name {
            "label" => labels(node).into(),
            "state" => word_of(node.member.state).into(),
            "version" => Cow::Borrowed(&node.member.version),
            _ => Cow::Borrowed(node.name().as_str()),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        if FIELDS[field].name == "alerts" {
            return self.1.map(|firing| firing.total() as f64);
        }
        let sample = self.0.sample.value.as_ref()?;
        let in_percent = |ratio: f32| f64::from(ratio) * 100.0;
        match FIELDS[field].name {
            "cpu" => Some(in_percent(sample.cpu.ratio)),
            "mem" => Some(in_percent(memory_ratio(sample))),
            "load" => Some(f64::from(sample.load[0])),
            "disk" => fullest(sample).map(|(_, ratio)| in_percent(ratio)),
            _ => None,
        }
    }
}

pub(super) fn compare(key: SortKey, one: &Node, other: &Node) -> Ordering {
    let figure = |node: &Node, of: fn(&HostSample) -> f32| {
        node.sample.value.as_ref().filter(|_| node.is_there()).map_or(-1.0, of)
    };
    let by = |of: fn(&HostSample) -> f32| figure(one, of).total_cmp(&figure(other, of));
    match key {
        SortKey::Cpu => by(|sample| sample.cpu.ratio),
        SortKey::Memory => by(memory_ratio),
        SortKey::Load => by(|sample| sample.load[0]),
        SortKey::Disk => by(|sample| fullest(sample).map_or(-1.0, |(_, ratio)| ratio)),
        SortKey::Age => by(|sample| sample.uptime_s as f32),
        SortKey::State => one.member.state.cmp(&other.member.state),
        _ => one.name().cmp(other.name()),
    }
}

pub(super) fn memory_ratio(sample: &HostSample) -> f32 {
    let memory = sample.memory;
    crate::fleet::share(memory.total_bytes.saturating_sub(memory.available_bytes), memory.total_bytes)
}

pub(super) fn fullest(sample: &HostSample) -> Option<(&str, f32)> {
    let used = |disk: &p2p_shared::services::monitor::Disk| {
        crate::fleet::share(disk.total_bytes.saturating_sub(disk.available_bytes), disk.total_bytes)
    };
    let disks = sample.disks.iter().filter(|disk| !disk.read_only);
    disks.map(|disk| (disk.mountpoint.as_str(), used(disk))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The nodes that can be asked, taken as one machine.
pub(super) fn totals(scene: &Scene<'_>) -> String {
    let there = scene.fleet.iter().filter(|(_, node)| node.is_there());
    let samples: Vec<&HostSample> = there.filter_map(|(_, node)| node.sample.value.as_ref()).collect();
    let cores: usize = samples.iter().map(|sample| sample.cpu.cores.len()).sum();
    if cores == 0 {
        return String::new();
    }
    let busy: f32 = samples.iter().map(|sample| sample.cpu.ratio * sample.cpu.cores.len() as f32).sum();
    let memory =
        |of: fn(&HostSample) -> u64| samples.iter().map(|sample| of(sample)).fold(0, u64::saturating_add);
    let total = memory(|sample| sample.memory.total_bytes);
    let used = total.saturating_sub(memory(|sample| sample.memory.available_bytes));
    let processes: usize = samples.iter().map(|sample| sample.processes as usize).sum();
    let alerts = alerts_of(scene).map_or_else(String::new, |alerts| format!("{alerts}, "));
    format!(
        "{alerts}{} of {} busy, {} of {} used, {}",
        percent(busy / cores as f32),
        plural(cores, "core"),
        bytes(used),
        bytes(total),
        plural(processes, "process"),
    )
}

pub(super) fn labels(node: &Node) -> String {
    let texts = node.member.labels.iter().map(|label| format!("{}={}", label.key, label.value));
    texts.collect::<Vec<_>>().join(" ")
}

pub(super) fn word_of(state: MemberState) -> &'static str {
    state.as_str()
}

pub(super) fn cell(node: &Node, column: usize, scene: &Scene<'_>, glyphs: Glyphs) -> Cell {
    let old = !node.is_there() || node.is_stale(Topic::Sample, scene.now);
    let dim = |cell: Cell| if old { Cell { role: Role::Dim, ..cell } } else { cell };
    match column {
        NAME => {
            let role = if node.is_there() { Role::Text } else { Role::Dim };
            return Cell::of(node.name().as_str(), role);
        }
        STATE => return state_cell(node, glyphs),
        VERSION => return Cell::of(&node.member.version, Role::Dim),
        LABELS => return Cell::of(labels(node), Role::Dim),
        SEEN => return seen(node, scene),
        ALERTS => return alerts_cell(node, scene),
        _ => {}
    }
    let Some(sample) = &node.sample.value else { return Cell::of(unknown(column), Role::Dim) };
    dim(figure(sample, column))
}

fn figure(sample: &HostSample, column: usize) -> Cell {
    let shared = |ratio: f32| Cell::of(percent(ratio), Role::of_share(ratio));
    let outside = || sample.interfaces.iter().filter(|interface| interface.name != "lo");
    match column {
        CPU => shared(sample.cpu.ratio),
        MEM => shared(memory_ratio(sample)),
        MEM_TOTAL => Cell::of(bytes(sample.memory.total_bytes), Role::Dim),
        LOAD => {
            let cores = sample.cpu.cores.len().max(1) as f32;
            Cell::of(format!("{:.2}", sample.load[0]), Role::of_share(sample.load[0] / cores / 1.5))
        }
        DISK => fullest(sample).map_or_else(Cell::default, |(_, ratio)| shared(ratio)),
        FULLEST => Cell::of(fullest(sample).map_or("", |(mountpoint, _)| mountpoint), Role::Dim),
        IN => Cell::plain(rate(outside().map(|interface| interface.received_bytes_per_s).sum())),
        OUT => Cell::plain(rate(outside().map(|interface| interface.sent_bytes_per_s).sum())),
        PROCS => Cell::plain(sample.processes.to_string()),
        UPTIME => Cell::plain(span_ms(sample.uptime_s.saturating_mul(1_000))),
        _ => Cell::default(),
    }
}

/// Before the first figures: a sign that they are awaited.
const fn unknown(column: usize) -> &'static str {
    match column {
        CPU | MEM | LOAD | DISK | UPTIME => "-",
        _ => "",
    }
}

fn state_cell(node: &Node, glyphs: Glyphs) -> Cell {
    let (mark, word, role) = observed::state(node.member.state, &glyphs);
    Cell::of(format!("{mark} {word}"), role)
}

/// What fires, in words: `1 crit`, `2 warn`, `1c 2w` of both kinds.
pub(super) fn alerts_cell(node: &Node, scene: &Scene<'_>) -> Cell {
    let Some(firing) = firing(scene.fleet, node.member.id, node) else { return Cell::default() };
    let (text, role) = match (firing.critical, firing.warning, firing.other) {
        (0, 0, 0) => ("0".to_owned(), Role::Dim),
        (0, 0, other) => (format!("{other} info"), Role::Text),
        (0, warning, _) => (format!("{warning} warn"), Role::Warn),
        (critical, 0, _) => (format!("{critical} crit"), Role::Bad),
        (critical, warning, _) => (format!("{critical}c {warning}w"), Role::Bad),
    };
    let old = !node.is_there() || node.is_stale(Topic::Alerts, scene.now);
    Cell::of(text, if old { Role::Dim } else { role })
}

/// The alerts that fire on nodes that are there, for the line of totals.
fn alerts_of(scene: &Scene<'_>) -> Option<String> {
    let there = scene.fleet.iter().filter(|(_, node)| node.is_there());
    let firing: usize = there.filter_map(|(id, node)| firing(scene.fleet, id, node)).map(Firing::total).sum();
    (firing > 0).then(|| plural(firing, "alert"))
}

/// How old the figures are, or why there are none.
pub(super) fn seen(node: &Node, scene: &Scene<'_>) -> Cell {
    if !node.is_there() {
        // Who never had figures of it knows at least since when it is lost.
        let heard = node
            .age(Topic::Sample, scene.now)
            .map_or(scene.wall.since(node.member.state_since).0, |age| age.0);
        return Cell::of(format!("{} ago", span_ms(heard)), Role::Dim);
    }
    match node.age(Topic::Sample, scene.now) {
        Some(age) if node.is_stale(Topic::Sample, scene.now) => {
            Cell::of(format!("{} ago", span_ms(age.0)), Role::Warn)
        }
        Some(_) => Cell::of("now", Role::Dim),
        None => match (&node.sample.error, &node.link) {
            (Some(error), _) => {
                Cell::of(if error.code == Code::Forbidden { "denied" } else { "error" }, Role::Warn)
            }
            (None, Link::Failed { .. }) => Cell::of("no link", Role::Warn),
            (None, _) => Cell::of("waiting", Role::Dim),
        },
    }
}
