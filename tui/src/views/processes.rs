//! Processes of one node, of marked nodes, or of all nodes in one table; as a list or as a tree.

mod columns;
mod ranking;
mod tree;

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use p2p_shared::services::process::Signal;
use p2p_shared::time::UnixMillis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fleet::{clear_marks, on_mouse, status};
use super::related::Thing;
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::{Action, SortKey};
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Item, Menu, Question};
use crate::command::{Subscription, Topic};
use crate::event::Mouse;
use crate::filter::{Field, Filter};
use crate::fleet::{Node, Process, RowId};
use crate::format::plural;
use crate::theme::{Role, Theme};
use crate::widgets::table::{self, Cell, Column, Look, Order, Table};

use columns::{FIELDS, Row};
use ranking::Ranking;
use tree::Tree;

/// Nodes whose processes are followed at the same time; beyond, the scope has to be narrowed.
const NODES_FOLLOWED_MAX: usize = 512;

/// The view.
#[derive(Debug)]
pub struct ProcessesView {
    scope: Scope,
    /// The scope to return to from all nodes.
    narrow: Option<Scope>,
    table: Table<RowId>,
    filter: Option<Filter>,
    tree: Option<Tree>,
    ranking: Ranking,
    /// Rows came, changed or went since the table was built.
    stale: bool,
}

impl Default for ProcessesView {
    fn default() -> Self {
        Self::new()
    }
}

impl ProcessesView {
    /// Of all nodes, the busiest first.
    pub fn new() -> Self {
        let order = Order { key: SortKey::Cpu, descending: true };
        Self {
            scope: Scope::All,
            narrow: None,
            table: Table::leading(order),
            filter: None,
            tree: None,
            ranking: Ranking::default(),
            stale: false,
        }
    }

    /// The nodes in scope.
    fn in_scope<'a>(&'a self, scene: &Scene<'a>) -> impl Iterator<Item = (NodeId, &'a Node)> {
        scene.fleet.iter().filter(|(id, _)| self.scope.has(*id))
    }

    /// Whether there is one node only, which needs no column.
    fn is_single(&self) -> bool {
        matches!(&self.scope, Scope::Nodes(nodes) if nodes.len() == 1)
    }

    fn columns(&self) -> &'static [Column] {
        columns::columns(self.is_single(), self.tree.is_some())
    }

    /// Everything anew.
    fn rebuild(&mut self, scene: &Scene<'_>) {
        let processes = &scene.fleet.processes;
        let mut ranking = std::mem::take(&mut self.ranking);
        let view: &Self = self;
        let rows = view.in_scope(scene).flat_map(|(id, node)| {
            let rows = processes.of(id).filter_map(|row| Some((row, processes.get(row)?)));
            rows.filter(move |(_, process)| view.lets_in(process, node, scene.wall))
        });
        ranking.begin(scene, self.table.order, rows);
        self.ranking = ranking;
        self.show(scene);
    }

    /// What was touched since the last look.
    fn go_on(&mut self, scene: &Scene<'_>) {
        let mut ranking = std::mem::take(&mut self.ranking);
        ranking.go_on(scene, self.table.order, |process| {
            let node = scene.fleet.get(process.node).filter(|_| self.scope.has(process.node));
            node.is_some_and(|node| self.lets_in(process, node, scene.wall))
        });
        self.ranking = ranking;
        self.show(scene);
    }

    fn lets_in(&self, process: &Process, node: &Node, wall: UnixMillis) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(&Row { process, node, wall }))
    }

    fn show(&mut self, scene: &Scene<'_>) {
        self.stale = false;
        let processes = &scene.fleet.processes;
        let total = self.in_scope(scene).map(|(id, _)| processes.count_of(id)).sum();
        let mut rows = self.ranking.ids();
        if let Some(tree) = &mut self.tree {
            rows = tree.arrange(rows, scene);
        }
        self.table.set_rows(rows, total);
        self.table.retain_marks(|id| processes.get(*id).is_some());
        self.table.follow(height(scene.body));
    }

    /// The processes that an action is about, as targets.
    fn targets(
        &self,
        scene: &Scene<'_>,
        deed: impl Fn(p2p_shared::services::process::ProcessRef) -> Deed,
    ) -> Vec<Target> {
        let target = |id: RowId| {
            let (node, reference) = scene.fleet.processes.reference(id)?;
            Some(Target { node, name: self.label(scene, id), deed: deed(reference) })
        };
        self.table.targets().into_iter().filter_map(target).collect()
    }

    /// `nginx (1234) on web-1`.
    fn label(&self, scene: &Scene<'_>, id: RowId) -> String {
        let Some(process) = scene.fleet.processes.get(id) else { return String::new() };
        let node = scene.fleet.name_of(process.node);
        format!("{} ({}) on {node}", process.info.name, process.info.key.pid)
    }

    fn signal(&self, scene: &Scene<'_>, signal: Signal) -> Request {
        let targets = self.targets(scene, |process| Deed::Signal(process, signal));
        Request::Propose(Proposal { verb: format!("Send {} to", signal.as_str()), targets })
    }

    fn menu(&self, scene: &Scene<'_>) -> Vec<Request> {
        let targets = self.table.targets();
        let title = match targets.as_slice() {
            [] => return Vec::new(),
            [one] => self.label(scene, *one),
            many => plural(many.len(), "process"),
        };
        let signal = |signal| Ok(Choice::Do(Box::new(self.signal(scene, signal))));
        let nice = || {
            let of = |id: &RowId| {
                let (node, reference) = scene.fleet.processes.reference(*id)?;
                Some((node, self.label(scene, *id), reference))
            };
            Ok(Choice::Ask(Question::Nice(targets.iter().filter_map(of).collect())))
        };
        let acting = |choice: Result<Choice, String>| {
            if scene.readonly { Err("read-only: start without --readonly to act".into()) } else { choice }
        };
        let item = |key, label: &str, choice| Item { key, label: label.to_owned(), choice };
        let items = vec![
            item('t', "SIGTERM: ask it to end", acting(signal(Signal::Term))),
            item('9', "SIGKILL: end it at once", acting(signal(Signal::Kill))),
            item('h', "SIGHUP: many daemons reload", acting(signal(Signal::Hup))),
            item('i', "SIGINT: as ^C", acting(signal(Signal::Int))),
            item('s', "SIGSTOP: stop it", acting(signal(Signal::Stop))),
            item('c', "SIGCONT: let it go on", acting(signal(Signal::Cont))),
            item('1', "SIGUSR1", acting(signal(Signal::Usr1))),
            item('2', "SIGUSR2", acting(signal(Signal::Usr2))),
            item('n', "nice value", acting(nice())),
        ];
        vec![Request::Menu(Menu::new(title, items))]
    }

    fn describe(&self, scene: &Scene<'_>) -> Vec<Request> {
        let Some(id) = self.table.cursor() else { return Vec::new() };
        let Some((node, target)) = scene.fleet.processes.reference(id) else { return Vec::new() };
        let name = scene.fleet.processes.get(id).map(|process| process.info.name.clone()).unwrap_or_default();
        vec![Request::Inspect { node, target, name: format!("{name} ({})", self.pid(scene, id)) }]
    }

    fn pid(&self, scene: &Scene<'_>, id: RowId) -> u32 {
        scene.fleet.processes.get(id).map_or(0, |process| process.info.key.pid)
    }

    /// All nodes, or back to those before.
    fn toggle_scope(&mut self, scene: &Scene<'_>) {
        let under =
            self.table.cursor().and_then(|id| scene.fleet.processes.get(id)).map(|process| process.node);
        match self.scope {
            Scope::All => {
                let narrow = self.narrow.take().or_else(|| under.map(Scope::one));
                self.scope = narrow.unwrap_or_default();
            }
            Scope::Nodes(_) => self.narrow = Some(std::mem::take(&mut self.scope)),
        }
        self.rebuild(scene);
    }

    /// The next node by name (or the previous one).
    fn turn(&mut self, scene: &Scene<'_>, forward: bool) {
        let mut nodes: Vec<(NodeId, &Node)> =
            scene.fleet.iter().filter(|(_, node)| node.is_there()).collect();
        nodes.sort_by_key(|(_, node)| node.name().clone());
        let Scope::Nodes(present) = &self.scope else { return };
        let at = nodes.iter().position(|(id, _)| present.contains(id)).unwrap_or(0);
        let count = nodes.len().max(1);
        let next = if forward { (at + 1) % count } else { (at + count - 1) % count };
        if let Some((id, _)) = nodes.get(next) {
            self.scope = Scope::one(*id);
            self.rebuild(scene);
        }
    }

    /// Said in an empty table: what is awaited, or why there is nothing.
    fn emptiness(&self, scene: &Scene<'_>) -> String {
        if self.filter.is_some() && self.table.total() > 0 {
            return "no process matches the filter".into();
        }
        let errors = self.in_scope(scene).filter_map(|(_, node)| node.error(Topic::Processes));
        match errors.into_iter().next() {
            Some(error) => error.message.clone(),
            None => format!("waiting for the processes of {}", self.scope.title(scene.fleet)),
        }
    }
}

fn height(body: Rect) -> usize {
    usize::from(body.height.saturating_sub(1))
}

/// A process with the name of its node, as filter and cells see it.
fn row<'a>(scene: &Scene<'a>, id: RowId) -> Option<Row<'a>> {
    let process = scene.fleet.processes.get(id)?;
    let node = scene.fleet.get(process.node)?;
    Some(Row { process, node, wall: scene.wall })
}

impl View for ProcessesView {
    fn id(&self) -> ViewId {
        ViewId::Processes
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        let count = match self.table.total() {
            0 => "processes".to_owned(),
            total => plural(total, "process"),
        };
        let stale: Vec<&str> = self
            .in_scope(scene)
            .filter(|(_, node)| !node.is_there() || node.is_stale(Topic::Processes, scene.now))
            .map(|(_, node)| node.name().as_str())
            .collect();
        let old = match stale.as_slice() {
            [] => String::new(),
            [_] if self.is_single() => ", old data".to_owned(),
            [one] => format!(", {one}: old data"),
            many => format!(", {} nodes: old data", many.len()),
        };
        format!("{count} of {}{old}", self.scope.title(scene.fleet))
    }

    fn status(&self, _: &Scene<'_>) -> String {
        let status = status(&self.table, self.filter.is_some());
        if self.tree.is_some() && status.is_empty() {
            return "tree".into();
        }
        status
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        self.narrow = None;
        self.scope = scope;
        self.table.lead();
        self.rebuild(scene);
    }

    fn scope(&self) -> Option<Scope> {
        Some(self.scope.clone())
    }

    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription> {
        let there = self.in_scope(scene).filter(|(_, node)| node.is_there()).take(NODES_FOLLOWED_MAX);
        there.map(|(node, _)| Subscription { node, topic: Topic::Processes }).collect()
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        match change {
            Change::Processes(node) if self.scope.has(node) => self.stale = true,
            Change::Nodes => self.table.follow(height(scene.body)),
            Change::Processes(_) | Change::Peers(_) | Change::List(_) | Change::Log | Change::Time => {}
        }
    }

    fn thing(&self, scene: &Scene<'_>) -> Option<Thing> {
        let id = self.table.cursor()?;
        let (node, target) = scene.fleet.processes.reference(id)?;
        let name = scene.fleet.processes.get(id)?.info.name.clone();
        Some(Thing::Process { node, target, name })
    }

    fn is_sorted_by(&self, key: SortKey) -> bool {
        self.table.order.key == key
    }

    fn settle(&mut self, scene: &Scene<'_>) {
        match &self.filter {
            _ if !self.stale => {}
            // An age passes a threshold without being told.
            Some(filter) if filter.is_of_time() => self.rebuild(scene),
            Some(_) | None => self.go_on(scene),
        }
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        match action {
            Action::Sort(key) => {
                self.table.sort_by(key);
                self.rebuild(scene);
            }
            Action::Tree => {
                self.tree = if self.tree.is_some() { None } else { Some(Tree::default()) };
                self.rebuild(scene);
            }
            Action::Left | Action::Right if self.tree.is_some() => {
                if let (Some(tree), Some(cursor)) = (&mut self.tree, self.table.cursor()) {
                    tree.fold(cursor, action == Action::Left);
                }
                self.rebuild(scene);
            }
            Action::AllNodes => self.toggle_scope(scene),
            Action::PaneNext => self.turn(scene, true),
            Action::PanePrevious => self.turn(scene, false),
            Action::Open | Action::Describe => return self.describe(scene),
            Action::Menu => return self.menu(scene),
            Action::Kill => return vec![self.signal(scene, Signal::Term)],
            // With the first row, whichever it becomes, or on the row that is there now.
            Action::Follow => {
                let said = self.table.toggle_lead();
                self.show(scene);
                return vec![Request::Say(said.into())];
            }
            other => {
                self.table.on_action(other, height(scene.body));
            }
        }
        Vec::new()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        let columns = self.columns();
        on_mouse(&mut self.table, columns, scene.body, mouse);
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
        let found = self.table.seek(forward, |id| row(scene, *id).is_some_and(|row| search.matches(&row)));
        self.table.follow(height(scene.body));
        found
    }

    fn copy(&self, scene: &Scene<'_>, whole: bool) -> Option<String> {
        let id = self.table.cursor()?;
        let row = row(scene, id)?;
        if !whole {
            return Some(row.process.info.name.clone());
        }
        let shown = (0..self.columns().len()).map(|column| row.cell(self.columns()[column].title, "").text);
        Some(shown.collect::<Vec<_>>().join("\t"))
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        let process = self.table.cursor().and_then(|id| scene.fleet.processes.get(id));
        process.map(|process| process.node).into_iter().collect()
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::Describe, Action::Kill, Action::Menu, Action::Tree, Action::AllNodes, Action::Mark]
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let columns = self.columns();
        let empty = self.emptiness(scene);
        let lost = self.is_single() && self.in_scope(scene).any(|(_, node)| !node.is_there());
        let look = Look { columns, empty: &empty, dimmed: lost };
        let cell = |id: RowId, column: usize| match row(scene, id) {
            Some(row) => {
                let prefix =
                    self.tree.as_ref().map(|tree| tree.prefix(id, theme.glyphs.tree)).unwrap_or_default();
                let cell = row.cell(columns[column].title, &prefix);
                if row.is_old(scene.now) { Cell { role: Role::Dim, ..cell } } else { cell }
            }
            None => Cell::default(),
        };
        table::draw(&self.table, &look, cell, (area, theme), buf);
    }
}
