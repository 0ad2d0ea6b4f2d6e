//! A table of things that nodes list (services, jobs, shells): of one node, of marked nodes, or of all in one.
//!
//! What is common to all of them: scope, order, filter, marks, cursor. What a list is about says its [`Listed`].

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;

use p2p_shared::error::Code;
use p2p_shared::id::NodeId;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fleet::{clear_marks, on_mouse, status};
use super::related::Thing;
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::{Action, SortKey};
use crate::command::{Subscription, Topic};
use crate::event::{Mouse, MouseKind};
use crate::filter::{Field, Filter, Record};
use crate::fleet::{Fleet, ItemId, Node};
use crate::format::plural;
use crate::theme::{Role, Theme};
use crate::widgets::paint::Painter;
use crate::widgets::table::{self, Cell, Column, Look, Order, Table};
use crate::widgets::tabs::{self, SubTab};

/// Nodes that are followed at the same time; beyond, the scope has to be narrowed.
const NODES_FOLLOWED_MAX: usize = 512;

/// What a list is about.
pub(crate) trait Listed: Debug + Default {
    /// A row beside its node.
    type Row<'a>: Record;
    /// Which view it is.
    const VIEW: ViewId;
    /// What one of them is called.
    const NOUN: &'static str;
    /// Where the rows come from; the first is the one without which there is nothing.
    const TOPICS: &'static [Topic];
    /// What a filter may name.
    const FIELDS: &'static [Field];
    /// The most useful actions, for the last line.
    const HINTS: &'static [Action];
    /// The order at first.
    const ORDER: Order;

    /// The rows of a node.
    fn of(&self, fleet: &Fleet, node: NodeId) -> Vec<ItemId>;
    /// A row.
    fn row<'a>(scene: &Scene<'a>, id: ItemId) -> Option<Self::Row<'a>>;
    /// Whose it is.
    fn node(row: &Self::Row<'_>) -> NodeId;
    /// What dialogs call it, without its node.
    fn name(row: &Self::Row<'_>) -> String;
    /// The columns; the first is that of the node, shown only where there are several.
    const COLUMNS: &'static [Column];
    /// Those that are shown now.
    fn columns(&self) -> &'static [Column] {
        Self::COLUMNS
    }
    /// A cell by the title of its column.
    fn cell(row: &Self::Row<'_>, column: &str) -> Cell;
    /// Rows by a key; equal ones are ordered by name and node.
    fn compare(key: SortKey, one: &Self::Row<'_>, other: &Self::Row<'_>) -> Ordering;
    /// Whether ages are shown that grow.
    fn has_ages() -> bool {
        false
    }
    /// What it is, for those who jump to what is related.
    fn thing(_row: &Self::Row<'_>) -> Option<Thing> {
        None
    }
    /// Whether it has sub-tabs.
    const IS_TABBED: bool = false;
    /// How many rows there are in each of them on these nodes.
    fn count(_scene: &Scene<'_>, _nodes: &[NodeId]) -> Vec<usize> {
        Vec::new()
    }
    /// They.
    fn tabs(&self, _list: &Listing, _scene: &Scene<'_>) -> Vec<SubTab> {
        Vec::new()
    }
    /// Shows the sub-tab at this place.
    fn open_tab(&mut self, _at: usize) {}
    /// What one row is now.
    fn noun(&self) -> &'static str {
        Self::NOUN
    }
    /// Something more about the scope for the title.
    fn remark(&self, _list: &Listing, _scene: &Scene<'_>) -> String {
        String::new()
    }
    /// Said in an empty table when its data has come and nothing is hidden.
    fn nothing(&self, scope: &str) -> String {
        format!("no {} on {scope}", Self::NOUN)
    }
    /// An action that this list alone knows; the rows must be built anew if it answers so.
    fn on_action(&mut self, list: &Listing, scene: &Scene<'_>, action: Action) -> Done;
}

/// What became of an action.
pub(crate) enum Done {
    /// It is none of the list's own.
    Unknown,
    /// These are asked for.
    Requests(Vec<Request>),
    /// Other rows are shown now.
    Rebuild,
}

/// Scope, table and filter of a list.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(super) scope: Scope,
    /// The scope to return to from all nodes.
    narrow: Option<Scope>,
    pub(super) table: Table<ItemId>,
    filter: Option<Filter>,
    /// Rows of each sub-tab.
    pub(super) counts: Vec<usize>,
}

impl Listing {
    /// The nodes in scope.
    pub(super) fn in_scope<'a>(&'a self, scene: &Scene<'a>) -> impl Iterator<Item = (NodeId, &'a Node)> {
        scene.fleet.iter().filter(|(id, _)| self.scope.has(*id))
    }

    /// The rows that an action is about: the marked ones in the order of the table, or the one under the cursor.
    pub(super) fn chosen(&self) -> Vec<ItemId> {
        let mut chosen = self.table.targets();
        if chosen.len() > 1 {
            let places: HashMap<ItemId, usize> =
                self.table.rows().iter().enumerate().map(|(at, id)| (*id, at)).collect();
            chosen.sort_by_key(|id| places.get(id).copied().unwrap_or(usize::MAX));
        }
        chosen
    }

    /// Whether there is one node only, which needs no column.
    pub(super) fn is_single(&self) -> bool {
        matches!(&self.scope, Scope::Nodes(nodes) if nodes.len() == 1)
    }

    /// The nodes in scope that can be asked, by name.
    pub(super) fn nodes_there(&self, scene: &Scene<'_>) -> Vec<(NodeId, String)> {
        let there = self.in_scope(scene).filter(|(_, node)| node.is_there());
        let mut nodes: Vec<_> = there.map(|(id, node)| (id, node.name().to_string())).collect();
        nodes.sort_by(|one, other| one.1.cmp(&other.1));
        nodes
    }

    /// All nodes, or back to those before; `under` is the node under the cursor.
    fn toggle_scope(&mut self, under: Option<NodeId>) {
        match self.scope {
            Scope::All => {
                let narrow = self.narrow.take().or_else(|| under.map(Scope::one));
                self.scope = narrow.unwrap_or_default();
            }
            Scope::Nodes(_) => self.narrow = Some(std::mem::take(&mut self.scope)),
        }
    }

    /// The next node by name (or the previous one).
    fn turn(&mut self, scene: &Scene<'_>, forward: bool) {
        if let Some(scope) = beside(&self.scope, scene, forward) {
            self.scope = scope;
        }
    }
}

/// The scope of the next node by name (or the previous one); `None` where all are shown.
pub(super) fn beside(scope: &Scope, scene: &Scene<'_>, forward: bool) -> Option<Scope> {
    let Scope::Nodes(present) = scope else { return None };
    let mut nodes: Vec<(NodeId, &Node)> = scene.fleet.iter().filter(|(_, node)| node.is_there()).collect();
    nodes.sort_by_key(|(_, node)| node.name().clone());
    let at = nodes.iter().position(|(id, _)| present.contains(id)).unwrap_or(0);
    let count = nodes.len().max(1);
    let next = if forward { (at + 1) % count } else { (at + count - 1) % count };
    nodes.get(next).map(|(id, _)| Scope::one(*id))
}

/// The nodes of which nothing new comes on a topic, for a title: `, web-1: old data`.
pub(super) fn old_data<'a>(
    nodes: impl Iterator<Item = (NodeId, &'a Node)>,
    topic: Topic,
    scene: &Scene<'_>,
) -> String {
    let old = |node: &&Node| !node.is_there() || node.is_stale(topic, scene.now);
    let stale: Vec<&str> = nodes.map(|(_, node)| node).filter(old).map(|node| node.name().as_str()).collect();
    match stale.as_slice() {
        [] => String::new(),
        [one] => format!(", {one}: old data"),
        many => format!(", {} nodes: old data", many.len()),
    }
}

/// An area without its first lines.
fn below(area: Rect, lines: u16) -> Rect {
    let lines = lines.min(area.height);
    Rect { y: area.y + lines, height: area.height - lines, ..area }
}

pub(super) fn height(body: Rect) -> usize {
    usize::from(body.height.saturating_sub(1))
}

/// The view of a list.
#[derive(Debug)]
pub(crate) struct ListView<L> {
    pub(crate) about: L,
    pub(super) list: Listing,
    /// Rows came, changed or went since the table was built.
    stale: bool,
}

impl<L: Listed> Default for ListView<L> {
    fn default() -> Self {
        let table = Table::leading(L::ORDER);
        let list = Listing { scope: Scope::All, narrow: None, table, filter: None, counts: Vec::new() };
        Self { about: L::default(), list, stale: false }
    }
}

impl<L: Listed> ListView<L> {
    /// The cursor goes to the first row again, whichever that is, at the next change.
    pub(super) const fn begin(&mut self) {
        self.list.table.lead();
        self.stale = true;
    }

    /// Where the table is drawn: below the sub-tabs, if there are any.
    fn body(&self, scene: &Scene<'_>) -> Rect {
        below(scene.body, u16::from(L::IS_TABBED))
    }

    fn rebuild(&mut self, scene: &Scene<'_>) {
        self.stale = false;
        let height = height(self.body(scene));
        let list = &mut self.list;
        let nodes: Vec<NodeId> =
            scene.fleet.iter().map(|(id, _)| id).filter(|id| list.scope.has(*id)).collect();
        list.counts = L::count(scene, &nodes);
        let ids: Vec<ItemId> = nodes.iter().flat_map(|node| self.about.of(scene.fleet, *node)).collect();
        let total = ids.len();
        let rows = ids.into_iter().filter_map(|id| Some((id, L::row(scene, id)?)));
        let passes = |row: &L::Row<'_>| list.filter.as_ref().is_none_or(|filter| filter.matches(row));
        let mut rows: Vec<(ItemId, L::Row<'_>)> = rows.filter(|(_, row)| passes(row)).collect();
        let order = list.table.order;
        rows.sort_by(|(a, one), (b, other)| {
            let by = if order.key == SortKey::Node {
                by_node(scene, L::node(one), L::node(other))
            } else {
                L::compare(order.key, one, other)
            };
            order
                .direct(by)
                .then_with(|| L::name(one).cmp(&L::name(other)))
                .then_with(|| by_node(scene, L::node(one), L::node(other)))
                .then(a.cmp(b))
        });
        list.table.set_rows(rows.into_iter().map(|(id, _)| id).collect(), total);
        list.table.retain_marks(|id| L::row(scene, *id).is_some());
        list.table.follow(height);
    }

    /// Said in an empty table: what is awaited, or why there is nothing.
    fn emptiness(&self, scene: &Scene<'_>) -> String {
        if self.list.filter.is_some() && self.list.table.total() > 0 {
            return format!("no {} matches the filter", self.about.noun());
        }
        let scope = self.list.scope.title(scene.fleet);
        let anywhere = if self.list.scope == Scope::All { "any node" } else { &scope };
        let nodes: Vec<&Node> = self.list.in_scope(scene).map(|(_, node)| node).collect();
        let error = |node: &&Node| {
            node.error(L::TOPICS[0]).map(|error| format!("{}: {}", node.name(), error.message))
        };
        let heard = |node: &Node| node.age(L::TOPICS[0], scene.now).is_some();
        match nodes.iter().find_map(error) {
            Some(error) => error,
            None if nodes.iter().any(|node| heard(node)) => self.about.nothing(anywhere),
            None => match nodes.as_slice() {
                [node] => super::observed::absence(node, L::TOPICS[0]).0,
                _ => format!("waiting for the {} of {scope}", L::TOPICS[0].as_str()),
            },
        }
    }
}

fn by_node(scene: &Scene<'_>, one: NodeId, other: NodeId) -> Ordering {
    if one == other { Ordering::Equal } else { scene.fleet.name_of(one).cmp(&scene.fleet.name_of(other)) }
}

/// Nodes that refuse a topic, for a title: `, web-1: denied`. What a node has not is no refusal.
fn refusals(list: &Listing, scene: &Scene<'_>, topics: &[Topic]) -> String {
    let failed = |node: &Node| {
        let errors = topics.iter().filter_map(|topic| node.error(*topic));
        errors.map(|error| error.code).find(|code| *code != Code::Unsupported)
    };
    let failed: Vec<(&str, Code)> = list
        .in_scope(scene)
        .filter(|(_, node)| node.is_there())
        .filter_map(|(_, node)| Some((node.name().as_str(), failed(node)?)))
        .collect();
    match failed.as_slice() {
        [] => String::new(),
        [(name, code)] => format!(", {name}: {code}"),
        many => format!(", {} nodes do not tell", many.len()),
    }
}

impl<L: Listed> View for ListView<L> {
    fn id(&self) -> ViewId {
        L::VIEW
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        let list = &self.list;
        let count = match list.table.total() {
            0 => format!("{}s", self.about.noun()),
            total => plural(total, self.about.noun()),
        };
        let remark = self.about.remark(list, scene);
        let old = old_data(list.in_scope(scene), L::TOPICS[0], scene);
        let refused = refusals(list, scene, L::TOPICS);
        format!("{count} of {}{refused}{remark}{old}", list.scope.title(scene.fleet))
    }

    fn status(&self, _: &Scene<'_>) -> String {
        status(&self.list.table, self.list.filter.is_some())
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        self.list.narrow = None;
        self.list.scope = scope;
        self.list.table.lead();
        self.rebuild(scene);
    }

    fn scope(&self) -> Option<Scope> {
        Some(self.list.scope.clone())
    }

    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription> {
        let there = self.list.in_scope(scene).filter(|(_, node)| node.is_there()).take(NODES_FOLLOWED_MAX);
        let topics = |(node, _)| L::TOPICS.iter().map(move |topic| Subscription { node, topic: *topic });
        there.flat_map(topics).collect()
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        match change {
            Change::List(node) => self.stale |= self.list.scope.has(node),
            Change::Nodes => self.list.table.follow(height(self.body(scene))),
            Change::Time => self.stale |= L::has_ages() && self.list.filter.is_some(),
            Change::Processes(_) | Change::Peers(_) | Change::Log => {}
        }
    }

    fn settle(&mut self, scene: &Scene<'_>) {
        if self.stale {
            self.rebuild(scene);
        }
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        match self.about.on_action(&self.list, scene, action) {
            Done::Requests(requests) => return requests,
            Done::Rebuild => {
                self.rebuild(scene);
                return Vec::new();
            }
            Done::Unknown => {}
        }
        match action {
            Action::Sort(key) => self.list.table.sort_by(key),
            Action::AllNodes => {
                let under = self.nodes(scene).first().copied();
                self.list.toggle_scope(under);
            }
            // With the first row, whichever it becomes, or on the row that is there now.
            Action::Follow => {
                let said = self.list.table.toggle_lead();
                self.rebuild(scene);
                return vec![Request::Say(said.into())];
            }
            Action::PaneNext => self.list.turn(scene, true),
            Action::PanePrevious => self.list.turn(scene, false),
            other => {
                self.list.table.on_action(other, height(self.body(scene)));
                return Vec::new();
            }
        }
        self.rebuild(scene);
        Vec::new()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        let columns = Column::beside(self.about.columns(), self.list.is_single());
        let body = self.body(scene);
        if mouse.row < body.y && mouse.kind == MouseKind::Press {
            let tabs = self.about.tabs(&self.list, scene);
            if let Some(at) = tabs::at(&tabs, mouse.column.saturating_sub(body.x)) {
                self.about.open_tab(at);
            }
        } else {
            on_mouse(&mut self.list.table, columns, body, mouse);
        }
        self.rebuild(scene);
        Vec::new()
    }

    fn fields(&self) -> &'static [Field] {
        L::FIELDS
    }

    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>) {
        self.list.filter = filter;
        self.rebuild(scene);
    }

    fn filter(&self) -> Option<&Filter> {
        self.list.filter.as_ref()
    }

    fn clear_marks(&mut self) -> bool {
        clear_marks(&mut self.list.table)
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        let hit = |id: &ItemId| L::row(scene, *id).is_some_and(|row| search.matches(&row));
        let found = self.list.table.seek(forward, hit);
        self.list.table.follow(height(self.body(scene)));
        found
    }

    fn copy(&self, scene: &Scene<'_>, whole: bool) -> Option<String> {
        let row = L::row(scene, self.list.table.cursor()?)?;
        if !whole {
            return Some(L::name(&row));
        }
        let columns = Column::beside(self.about.columns(), self.list.is_single());
        let cells = columns.iter().map(|column| L::cell(&row, column.title).text);
        Some(cells.collect::<Vec<_>>().join("\t"))
    }

    fn thing(&self, scene: &Scene<'_>) -> Option<Thing> {
        L::thing(&L::row(scene, self.list.table.cursor()?)?)
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        let row = self.list.table.cursor().and_then(|id| L::row(scene, id));
        match (&self.list.scope, row) {
            (_, Some(row)) => vec![L::node(&row)],
            (Scope::Nodes(nodes), None) => nodes.iter().copied().collect(),
            (Scope::All, None) => Vec::new(),
        }
    }

    fn hints(&self) -> &'static [Action] {
        L::HINTS
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let columns = Column::beside(self.about.columns(), self.list.is_single());
        let empty = self.emptiness(scene);
        let lost = self.list.is_single() && self.list.in_scope(scene).any(|(_, node)| !node.is_there());
        let look = Look { columns, empty: &empty, dimmed: lost };
        let is_old = |node: NodeId| {
            scene.fleet.get(node).is_none_or(|node| {
                L::TOPICS.iter().all(|topic| node.is_stale(*topic, scene.now) || node.error(*topic).is_some())
            })
        };
        let cell = |id: ItemId, column: usize| match L::row(scene, id) {
            Some(row) => {
                let cell = L::cell(&row, columns[column].title);
                if is_old(L::node(&row)) { Cell { role: Role::Dim, ..cell } } else { cell }
            }
            None => Cell::default(),
        };
        if L::IS_TABBED {
            let line = Rect { height: area.height.min(1), ..area };
            tabs::draw(&self.about.tabs(&self.list, scene), line, &mut Painter { buf, theme });
        }
        table::draw(&self.list.table, &look, cell, (below(area, u16::from(L::IS_TABBED)), theme), buf);
    }
}
