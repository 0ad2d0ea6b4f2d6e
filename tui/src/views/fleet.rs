//! Every node: state, processor, memory, load, disk, uptime, version, labels, age; as a table, or as cards.

mod cards;
mod columns;

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use p2p_shared::services::node::MemberState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::{Action, SortKey};
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Item, Menu, Question};
use crate::command::{Subscription, Topic};
use crate::event::{Mouse, MouseKind};
use crate::filter::{Field, Filter};
use crate::fleet::{Fleet, Node};
use crate::format::plural;
use crate::theme::{Role, Theme};
use crate::widgets::paint::Painter;
use crate::widgets::table::{self, Cell, Column, Look, Order, Table};

use cards::{Grid, Stand};
use columns::{COLUMNS, FIELDS, Row, SPARK, cell, compare, labels, totals, word_of};

/// In a fleet of up to so many nodes the alerts of all are followed while it is shown.
const ALERTS_FOLLOWED_MAX: usize = 64;

/// The view.
#[derive(Debug)]
pub struct FleetView {
    table: Table<NodeId>,
    filter: Option<Filter>,
    /// Cards or not, if the operator chose; else the width decides.
    cards: Option<bool>,
    /// The first row of cards that is seen.
    first: usize,
}

impl Default for FleetView {
    fn default() -> Self {
        Self::new()
    }
}

impl FleetView {
    /// By name.
    pub fn new() -> Self {
        let table = Table::new(Order { key: SortKey::Name, descending: false });
        Self { table, filter: None, cards: None, first: 0 }
    }

    /// How the cards stand, if there are cards.
    fn grid(&self, body: Rect) -> Option<Grid> {
        self.cards.unwrap_or(body.width >= cards::WIDTH_FROM).then(|| Grid::of(body, self.table.rows().len()))
    }

    /// Scrolls so that the cursor is seen.
    fn follow(&mut self, body: Rect) {
        self.table.follow(height(body));
        if let Some(grid) = self.grid(body) {
            let row = self.table.position() / grid.columns;
            let last = self.table.rows().len().div_ceil(grid.columns).saturating_sub(grid.rows);
            self.first = self.first.clamp((row + 1).saturating_sub(grid.rows), row).min(last);
        }
    }

    /// The nodes on the screen.
    fn visible(&self, body: Rect) -> Vec<NodeId> {
        match self.grid(body) {
            None => self.table.visible(height(body)).map(|(_, id)| id).collect(),
            Some(grid) => {
                let skip = self.first * grid.columns;
                self.table.rows().iter().skip(skip).take(grid.rows * grid.columns).copied().collect()
            }
        }
    }

    /// The keys of a table as they move among cards; `None` leaves them to the table.
    fn step(&self, grid: Grid, action: Action) -> Option<isize> {
        let (columns, page) = (grid.columns, grid.rows * grid.columns);
        let (at, count) = (self.table.position(), self.table.rows().len());
        // A row below that is shorter takes the cursor to its last card.
        let below = if at / columns < count.saturating_sub(1) / columns { columns } else { 0 };
        let above = if at < columns { 0 } else { columns };
        let (forward, by) = match action {
            Action::Right => (true, 1),
            Action::Left => (false, 1),
            Action::Down => (true, below),
            Action::Up => (false, above),
            Action::PageDown => (true, page),
            Action::PageUp => (false, page),
            Action::HalfDown => (true, (page / 2).max(1)),
            Action::HalfUp => (false, (page / 2).max(1)),
            _ => return None,
        };
        let by = by.cast_signed();
        Some(if forward { by } else { -by })
    }

    fn rebuild(&mut self, scene: &Scene<'_>) {
        let passes = |id: NodeId, node: &Node| match &self.filter {
            None => true,
            Some(filter) => filter.matches(&Row::of(scene.fleet, id, node)),
        };
        let mut rows: Vec<(NodeId, &Node)> =
            scene.fleet.iter().filter(|(id, node)| passes(*id, node)).collect();
        let order = self.table.order;
        rows.sort_by(|(a, one), (b, other)| {
            order
                .direct(compare(order.key, one, other))
                .then_with(|| one.name().cmp(other.name()))
                .then(a.cmp(b))
        });
        self.table.set_rows(rows.into_iter().map(|(id, _)| id).collect(), scene.fleet.len());
        self.table.retain_marks(|id| scene.fleet.get(*id).is_some());
        self.follow(scene.body);
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
            item('s', "services", show(ViewId::Services)),
            item('g', "journal", show(ViewId::Journal)),
            item('w', "alerts", show(ViewId::Alerts)),
            item('b', "jobs", show(ViewId::Jobs)),
            item('a', "audit", show(ViewId::Audit)),
            item('n', "network", show(ViewId::Network)),
            item('r', "resources", show(ViewId::Resources)),
            item('m', "the mesh as it sees it", show(ViewId::Peers)),
            item('h', "shell", shell(&targets, scene.readonly)),
            item('c', "run a command", Ok(Choice::Ask(Question::Exec(targets.clone())))),
            item('l', "set or remove labels", Ok(Choice::Ask(Question::Labels(targets.clone())))),
            item('f', "forget, if lost or left", forget(scene.fleet, &targets)),
        ];
        vec![Request::Menu(Menu::new(title, items))]
    }
}

/// A shell opens on one node.
fn shell(targets: &[(NodeId, String)], readonly: bool) -> Result<Choice, String> {
    match targets {
        _ if readonly => Err("read-only: start without --readonly to act".into()),
        [(node, _)] => Ok(Choice::Do(Box::new(Request::OpenShell(*node)))),
        _ => Err("a shell opens on one node".into()),
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
        let visible = self.visible(scene.body);
        // Alerts of a small fleet are followed beyond the screen, so that a filter and the totals know them.
        let few = scene.fleet.len() <= ALERTS_FOLLOWED_MAX;
        let all = scene.fleet.iter().map(|(id, _)| id).filter(|_| few);
        let topics = |topic| move |node| Subscription { node, topic };
        let figures = visible.iter().copied().map(topics(Topic::Sample));
        let alerts = visible.iter().copied().chain(all).map(topics(Topic::Alerts));
        let wanted = figures.chain(alerts);
        wanted.filter(|one| scene.fleet.get(one.node).is_some_and(Node::is_there)).collect()
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        let alerts = matches!(change, Change::List(_)) && self.filter.is_some();
        if change == Change::Nodes || alerts {
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
            Action::TabNext | Action::TabPrevious => {
                self.cards = Some(self.grid(scene.body).is_none());
                self.follow(scene.body);
            }
            other => match self.grid(scene.body).and_then(|grid| self.step(grid, other)) {
                Some(by) => {
                    self.table.step(by);
                    self.follow(scene.body);
                }
                None => {
                    self.table.on_action(other, height(scene.body));
                    self.follow(scene.body);
                }
            },
        }
        Vec::new()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        match self.grid(scene.body) {
            None => on_mouse(&mut self.table, COLUMNS, scene.body, mouse),
            Some(grid) => {
                let wheel = match mouse.kind {
                    MouseKind::WheelDown => Action::Down,
                    MouseKind::WheelUp => Action::Up,
                    MouseKind::Press => {
                        let nth = grid.at(scene.body, (mouse.column, mouse.row));
                        let at = nth.map(|nth| self.first * grid.columns + nth);
                        if let Some(node) = at.and_then(|at| self.table.rows().get(at).copied()) {
                            self.table.select(node);
                        }
                        return Vec::new();
                    }
                };
                self.table.step(self.step(grid, wheel).unwrap_or(0));
            }
        }
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
        let hit = |id: &NodeId| {
            scene.fleet.get(*id).is_some_and(|node| search.matches(&Row::of(scene.fleet, *id, node)))
        };
        let found = self.table.seek(forward, hit);
        self.follow(scene.body);
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
        &[Action::Open, Action::Describe, Action::Menu, Action::AllNodes, Action::TabNext, Action::Mark]
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let empty =
            if self.filter.is_some() { "no node matches the filter" } else { "waiting for the first node" };
        if let Some(grid) = self.grid(area).filter(|_| !self.table.rows().is_empty()) {
            return self.draw_cards(grid, scene, (area, theme), buf);
        }
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
    fn draw_cards(&self, grid: Grid, scene: &Scene<'_>, (area, theme): (Rect, &Theme), buf: &mut Buffer) {
        let mut painter = Painter { buf, theme };
        let marks = self.table.marks();
        for (nth, id) in self.visible(area).into_iter().enumerate() {
            let Some(node) = scene.fleet.get(id) else { continue };
            let stand = Stand { here: self.table.cursor() == Some(id), marked: marks.contains(&id) };
            cards::draw(node, stand, scene, grid.place(area, nth), &mut painter);
        }
    }

    /// The last values of the processors, drawn over their column.
    fn sparks(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let slots = table::slots::slots(COLUMNS, area.width);
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
