//! Every node: state, processor, memory, load, disk, uptime, version, labels, age.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use p2p_shared::error::Code;
use p2p_shared::id::NodeId;
use p2p_shared::services::monitor::HostSample;
use p2p_shared::services::node::MemberState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::{Action, SortKey};
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Item, Menu, Question};
use crate::command::{Subscription, Topic};
use crate::event::{Link, Mouse, MouseKind};
use crate::filter::{Field, Filter, Kind, Record};
use crate::fleet::{Fleet, Node};
use crate::format::{bytes, percent, plural, rate, span_ms};
use crate::theme::{Glyphs, Role, Theme};
use crate::view::state_of;
use crate::widgets::paint::Painter;
use crate::widgets::table::{self, Cell, Column, Look, Order, Table};

const COLUMNS: &[Column] = &[
    Column::text("NAME", 14, 0, Some(SortKey::Name)).up_to(32),
    Column::text("STATE", 9, 0, Some(SortKey::State)),
    Column::number("CPU", 5, 1, Some(SortKey::Cpu)),
    Column::text("HISTORY", 8, 6, None).up_to(30),
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
const SPARK: usize = 3;
const MEM: usize = 4;
const MEM_TOTAL: usize = 5;
const LOAD: usize = 6;
const DISK: usize = 7;
const FULLEST: usize = 8;
const IN: usize = 9;
const OUT: usize = 10;
const PROCS: usize = 11;
const UPTIME: usize = 12;
const VERSION: usize = 13;
const LABELS: usize = 14;
const SEEN: usize = 15;

const FIELDS: &[Field] = &[
    Field::word("name"),
    Field::word("label"),
    Field::of("state", Kind::Text),
    Field::of("version", Kind::Text),
    Field::of("cpu", Kind::Percent),
    Field::of("mem", Kind::Percent),
    Field::of("load", Kind::Number),
    Field::of("disk", Kind::Percent),
    Field::of("node", Kind::Text),
];

/// A node as the filter sees it.
struct Row<'a>(&'a Node);

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

/// The view.
#[derive(Debug)]
pub struct FleetView {
    table: Table<NodeId>,
    filter: Option<Filter>,
}

impl Default for FleetView {
    fn default() -> Self {
        Self::new()
    }
}

impl FleetView {
    /// By name.
    pub fn new() -> Self {
        Self { table: Table::new(Order { key: SortKey::Name, descending: false }), filter: None }
    }

    fn rebuild(&mut self, scene: &Scene<'_>) {
        let passes = |node: &Node| self.filter.as_ref().is_none_or(|filter| filter.matches(&Row(node)));
        let mut rows: Vec<(NodeId, &Node)> = scene.fleet.iter().filter(|(_, node)| passes(node)).collect();
        let order = self.table.order;
        rows.sort_by(|(a, one), (b, other)| {
            order
                .direct(compare(order.key, one, other))
                .then_with(|| one.name().cmp(other.name()))
                .then(a.cmp(b))
        });
        self.table.set_rows(rows.into_iter().map(|(id, _)| id).collect(), scene.fleet.len());
        self.table.retain_marks(|id| scene.fleet.get(*id).is_some());
        self.table.follow(height(scene.body));
    }

    fn menu(&self, scene: &Scene<'_>) -> Vec<Request> {
        let targets: Vec<(NodeId, String)> =
            self.table.targets().into_iter().map(|id| (id, scene.fleet.name_of(id))).collect();
        if targets.is_empty() {
            return Vec::new();
        }
        let title = match targets.as_slice() {
            [(_, name)] => name.clone(),
            many => plural(many.len(), "node"),
        };
        let scope = Scope::Nodes(targets.iter().map(|(id, _)| *id).collect());
        let show = |view| Ok(Choice::Do(Box::new(Request::Show(view, scope.clone()))));
        let item = |key, label: &str, choice| Item { key, label: label.to_owned(), choice };
        let items = vec![
            item('p', "processes", show(ViewId::Processes)),
            item('r', "resources", show(ViewId::Resources)),
            item('m', "the mesh as it sees it", show(ViewId::Peers)),
            item('l', "set or remove labels", Ok(Choice::Ask(Question::Labels(targets.clone())))),
            item('f', "forget, if lost or left", forget(scene.fleet, &targets)),
        ];
        vec![Request::Menu(Menu::new(title, items))]
    }
}

fn forget(fleet: &Fleet, targets: &[(NodeId, String)]) -> Result<Choice, String> {
    let gone = |id: NodeId| {
        let state = fleet.get(id).map(|node| node.member.state);
        matches!(state, Some(MemberState::Lost | MemberState::Left))
    };
    if !targets.iter().all(|(id, _)| gone(*id)) {
        return Err("only nodes that are lost or have left can be forgotten".into());
    }
    let target =
        |(node, name): &(NodeId, String)| Target { node: *node, name: name.clone(), deed: Deed::Forget };
    let proposal = Proposal { verb: "Forget".into(), targets: targets.iter().map(target).collect() };
    Ok(Choice::Do(Box::new(Request::Propose(proposal))))
}

fn height(body: Rect) -> usize {
    usize::from(body.height.saturating_sub(1))
}

fn compare(key: SortKey, one: &Node, other: &Node) -> Ordering {
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

fn memory_ratio(sample: &HostSample) -> f32 {
    let memory = sample.memory;
    crate::fleet::share(memory.total_bytes.saturating_sub(memory.available_bytes), memory.total_bytes)
}

fn fullest(sample: &HostSample) -> Option<(&str, f32)> {
    let used = |disk: &p2p_shared::services::monitor::Disk| {
        crate::fleet::share(disk.total_bytes.saturating_sub(disk.available_bytes), disk.total_bytes)
    };
    let disks = sample.disks.iter().filter(|disk| !disk.read_only);
    disks.map(|disk| (disk.mountpoint.as_str(), used(disk))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The nodes that can be asked, taken as one machine.
fn totals(scene: &Scene<'_>) -> String {
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
    format!(
        "{} of {} busy, {} of {} used, {}",
        percent(busy / cores as f32),
        plural(cores, "core"),
        bytes(used),
        bytes(total),
        plural(processes, "process"),
    )
}

fn labels(node: &Node) -> String {
    let texts = node.member.labels.iter().map(|label| format!("{}={}", label.key, label.value));
    texts.collect::<Vec<_>>().join(" ")
}

fn word_of(state: MemberState) -> &'static str {
    state_of(state, [""; 5]).1
}

impl View for FleetView {
    fn id(&self) -> ViewId {
        ViewId::Fleet
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        plural(scene.fleet.len(), "node")
    }

    fn status(&self, _: &Scene<'_>) -> String {
        status(&self.table, self.filter.is_some())
    }

    fn summary(&self, scene: &Scene<'_>) -> String {
        totals(scene)
    }

    fn set_scope(&mut self, _: &Scene<'_>, scope: Scope) {
        if let Scope::Nodes(nodes) = scope
            && let Some(first) = nodes.first()
        {
            self.table.select(*first);
        }
    }

    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription> {
        let visible = self.table.visible(height(scene.body)).map(|(_, id)| id);
        let there = visible.filter(|id| scene.fleet.get(*id).is_some_and(Node::is_there));
        there.map(|node| Subscription { node, topic: Topic::Sample }).collect()
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        if change == Change::Nodes {
            self.rebuild(scene);
        }
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        let chosen = self.table.cursor();
        match action {
            Action::Sort(key) => {
                self.table.sort_by(key);
                self.rebuild(scene);
            }
            Action::Open => {
                let nodes: BTreeSet<NodeId> = self.table.targets().into_iter().collect();
                if !nodes.is_empty() {
                    return vec![Request::Show(ViewId::Processes, Scope::Nodes(nodes))];
                }
            }
            Action::Describe => {
                return chosen
                    .map(|id| Request::Show(ViewId::Resources, Scope::one(id)))
                    .into_iter()
                    .collect();
            }
            Action::AllNodes => return vec![Request::Show(ViewId::Processes, Scope::All)],
            Action::Menu => return self.menu(scene),
            Action::Kill => {
                return vec![Request::Say("processes are stopped in their view: Enter opens it".into())];
            }
            other => {
                self.table.on_action(other, height(scene.body));
            }
        }
        Vec::new()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        on_mouse(&mut self.table, COLUMNS, scene.body, mouse);
        self.rebuild(scene);
        Vec::new()
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>) {
        self.filter = filter;
        self.rebuild(scene);
    }

    fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    fn clear_marks(&mut self) -> bool {
        clear_marks(&mut self.table)
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        let found = self
            .table
            .seek(forward, |id| scene.fleet.get(*id).is_some_and(|node| search.matches(&Row(node))));
        self.table.follow(height(scene.body));
        found
    }

    fn copy(&self, scene: &Scene<'_>, row: bool) -> Option<String> {
        let node = scene.fleet.get(self.table.cursor()?)?;
        let name = node.name().to_string();
        let addresses = node.member.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        Some(if row {
            format!("{name}\t{}\t{addresses}\t{}", word_of(node.member.state), labels(node))
        } else {
            name
        })
    }

    fn nodes(&self, _: &Scene<'_>) -> Vec<NodeId> {
        self.table.targets()
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::Open, Action::Describe, Action::Menu, Action::AllNodes, Action::Mark]
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let empty =
            if self.filter.is_some() { "no node matches the filter" } else { "waiting for the first node" };
        let look = Look { columns: COLUMNS, empty, dimmed: false };
        let cell = |id: NodeId, column: usize| match scene.fleet.get(id) {
            Some(node) => cell(node, column, scene, theme.glyphs),
            None => Cell::default(),
        };
        table::draw(&self.table, &look, cell, (area, theme), buf);
        self.sparks(scene, theme, area, buf);
    }
}

impl FleetView {
    /// The last values of the processors, drawn over their column.
    fn sparks(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let slots = table::slots(COLUMNS, area.width);
        let Some(slot) = slots.iter().find(|slot| slot.column == SPARK) else { return };
        let mut painter = Painter { buf, theme };
        for (line, (_, id)) in self.table.visible(height(area)).enumerate() {
            let Some(node) = scene.fleet.get(id) else { continue };
            let points = node.history.points();
            let skip = points.len().saturating_sub(usize::from(slot.width));
            let values: Vec<f32> = points.skip(skip).map(|point| point.cpu).collect();
            let role = if !node.is_there() {
                Role::Dim
            } else if self.table.cursor() == Some(id) {
                Role::Cursor
            } else {
                Role::First
            };
            painter.spark((area.x + slot.x, area.y + 1 + line as u16), slot.width, &values, role);
        }
    }
}

fn cell(node: &Node, column: usize, scene: &Scene<'_>, glyphs: Glyphs) -> Cell {
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
    let (mark, word, role) = state_of(node.member.state, glyphs.states);
    Cell::of(format!("{mark} {word}"), role)
}

/// How old the figures are, or why there are none.
fn seen(node: &Node, scene: &Scene<'_>) -> Cell {
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

/// Rows, marks and filter of a table for the title line.
pub(super) fn status<I: Copy + Ord>(table: &Table<I>, filtered: bool) -> String {
    let mut parts = Vec::new();
    if filtered {
        parts.push(format!("{} of {} shown", table.rows().len(), table.total()));
    }
    if !table.marks().is_empty() {
        parts.push(format!("{} marked", table.marks().len()));
    }
    if table.is_ranging() {
        parts.push("range begun".into());
    }
    parts.join(", ")
}

/// Whether there were marks to take off.
pub(super) fn clear_marks<I: Copy + Ord>(table: &mut Table<I>) -> bool {
    let any = !table.marks().is_empty() || table.is_ranging();
    table.clear_marks();
    any
}

/// Wheel and clicks on a table: rows are chosen, headings sort.
pub(super) fn on_mouse<I: Copy + Ord>(table: &mut Table<I>, columns: &[Column], body: Rect, mouse: Mouse) {
    match mouse.kind {
        MouseKind::WheelDown => wheel(table, Action::Down, body),
        MouseKind::WheelUp => wheel(table, Action::Up, body),
        MouseKind::Press if mouse.row == body.y => {
            if let Some(key) = table::sort_at(columns, body.width, mouse.column.saturating_sub(body.x)) {
                table.sort_by(key);
            }
        }
        MouseKind::Press => {
            table.press(usize::from(mouse.row.saturating_sub(body.y + 1)));
        }
    }
}

/// One notch of the wheel is three rows.
fn wheel<I: Copy + Ord>(table: &mut Table<I>, action: Action, body: Rect) {
    for _ in 0..3 {
        table.on_action(action, height(body));
    }
}
