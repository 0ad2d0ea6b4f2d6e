//! Peers: the mesh as one node sees it. Three sub-tabs: its connections, its routing table, whom it refused.
//!
//! It reads the lists in the fleet; it keeps which node, which sub-tab, and the order of each list by ids.

mod listing;
mod rows;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use p2p_shared::id::NodeId;
use p2p_shared::time::{Millis, UnixMillis};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::listing::Listing;
use self::rows::{Around, ContactRow, PeerRow, RefusedRow, Row};
use super::observed::{self, Observed};
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::Action;
use crate::command::{Subscription, Topic};
use crate::event::{Mouse, MouseKind};
use crate::filter::{Field, Filter};
use crate::fleet::Node;
use crate::format::{count, width};
use crate::theme::{Glyphs, Role, Theme};
use crate::widgets::paint::Painter;
use crate::widgets::table::{Column, sort_at};

/// Lines above the rows: the sub-tabs and the heading.
const HEAD_ROWS: u16 = 2;
/// Rows that one step of the wheel moves.
const WHEEL_ROWS: usize = 3;

/// The sub-tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    Peers,
    Routing,
    Refused,
}

impl Tab {
    const ALL: [Self; 3] = [Self::Peers, Self::Routing, Self::Refused];

    const fn name(self) -> &'static str {
        match self {
            Self::Peers => "Peers",
            Self::Routing => "Routing",
            Self::Refused => "Refused",
        }
    }

    const fn topic(self) -> Topic {
        match self {
            Self::Peers => PeerRow::TOPIC,
            Self::Routing => ContactRow::TOPIC,
            Self::Refused => RefusedRow::TOPIC,
        }
    }

    const fn columns(self) -> &'static [Column] {
        match self {
            Self::Peers => PeerRow::COLUMNS,
            Self::Routing => ContactRow::COLUMNS,
            Self::Refused => RefusedRow::COLUMNS,
        }
    }

    /// The sub-tab beside it, around the end.
    const fn beside(self, forward: bool) -> Self {
        let step = if forward { 1 } else { Self::ALL.len() - 1 };
        Self::ALL[(self as usize + step) % Self::ALL.len()]
    }
}

/// The view.
#[derive(Clone, Debug)]
pub struct PeersView {
    observed: Observed,
    tab: Tab,
    peers: Listing<(NodeId, SocketAddr)>,
    routing: Listing<(u16, NodeId)>,
    refused: Listing<(UnixMillis, SocketAddr, u32)>,
}

/// Evaluates an expression with `$listing` and `$row` standing for the shown list and its type of row.
macro_rules! with_listing {
    ($view:expr, |$listing:ident, $row:ident| $body:expr) => {
        match $view.tab {
            Tab::Peers => {
                let $listing = &$view.peers;
                type $row<'a> = PeerRow<'a>;
                $body
            }
            Tab::Routing => {
                let $listing = &$view.routing;
                type $row<'a> = ContactRow<'a>;
                $body
            }
            Tab::Refused => {
                let $listing = &$view.refused;
                type $row<'a> = RefusedRow<'a>;
                $body
            }
        }
    };
}

impl Default for PeersView {
    fn default() -> Self {
        Self::new()
    }
}

impl PeersView {
    /// A view of the first node's connections.
    pub fn new() -> Self {
        Self {
            observed: Observed::default(),
            tab: Tab::default(),
            peers: Listing::new(PeerRow::ORDER),
            routing: Listing::new(ContactRow::ORDER),
            refused: Listing::new(RefusedRow::ORDER),
        }
    }

    fn node<'a>(&self, scene: &Scene<'a>) -> Option<(NodeId, &'a Node)> {
        let id = self.observed.current(scene.fleet)?;
        Some((id, scene.fleet.get(id)?))
    }

    /// Orders all lists anew: three short ones, and only when something came.
    fn rebuild(&mut self, scene: &Scene<'_>) {
        let Some((_, node)) = self.node(scene) else {
            *self = Self { observed: self.observed.clone(), tab: self.tab, ..Self::new() };
            return;
        };
        let height = visible(scene.body);
        self.peers.rebuild::<PeerRow<'_>>(node, around(scene, node, Topic::Peers), height);
        self.routing.rebuild::<ContactRow<'_>>(node, around(scene, node, Topic::Routing), height);
        self.refused.rebuild::<RefusedRow<'_>>(node, around(scene, node, Topic::Refused), height);
    }

    fn on_table(&mut self, action: Action, height: usize) -> bool {
        let columns = self.tab.columns();
        match self.tab {
            Tab::Peers => self.peers.on_action(action, columns, height),
            Tab::Routing => self.routing.on_action(action, columns, height),
            Tab::Refused => self.refused.on_action(action, columns, height),
        }
    }

    fn press(&mut self, line: usize) {
        match self.tab {
            Tab::Peers => self.peers.table.press(line),
            Tab::Routing => self.routing.table.press(line),
            Tab::Refused => self.refused.table.press(line),
        };
    }

    /// Shows what the row under the cursor is about, or says all of it.
    fn open(&self, scene: &Scene<'_>) -> Option<Request> {
        let (_, node) = self.node(scene)?;
        let around = around(scene, node, self.tab.topic());
        with_listing!(self, |listing, R| {
            let row: R<'_> = listing.under_cursor(node, around)?;
            let show = |id| Request::Show(ViewId::Resources, Scope::one(id));
            Some(row.subject().map_or_else(|| Request::Say(row.sentence()), show))
        })
    }

    fn describe(&self, scene: &Scene<'_>) -> Option<Request> {
        let (_, node) = self.node(scene)?;
        let around = around(scene, node, self.tab.topic());
        with_listing!(self, |listing, R| {
            let row: R<'_> = listing.under_cursor(node, around)?;
            Some(Request::Say(row.sentence()))
        })
    }

    /// The rows that an action is about, as text for the clipboard: a field each, or all columns.
    fn copied(&self, scene: &Scene<'_>, whole: bool) -> Option<String> {
        let (_, node) = self.node(scene)?;
        let around = around(scene, node, self.tab.topic());
        // The mark of a state is for the eye: a file wants the word.
        let glyphs = Glyphs { states: [""; 5], ..Theme::default().glyphs };
        let lines: Vec<String> = with_listing!(self, |listing, R| {
            let rows: Vec<R<'_>> = listing.targets(node, around);
            let line = |row: &R<'_>| {
                if !whole {
                    return row.field();
                }
                let cells =
                    (0..R::COLUMNS.len()).map(|column| row.cell(column, &glyphs).text.trim().to_owned());
                cells.collect::<Vec<_>>().join("\t")
            };
            rows.iter().map(line).collect()
        });
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn subjects(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        let Some((_, node)) = self.node(scene) else { return Vec::new() };
        let around = around(scene, node, self.tab.topic());
        with_listing!(self, |listing, R| {
            let rows: Vec<R<'_>> = listing.targets(node, around);
            let mut ids: Vec<NodeId> = rows.iter().filter_map(Row::subject).collect();
            ids.dedup();
            ids
        })
    }

    /// The sub-tabs with their counts, from the left edge.
    fn tab_texts(&self, node: &Node) -> [(Tab, String); 3] {
        Tab::ALL.map(|tab| {
            let (known, shown, total) = match tab {
                Tab::Peers => {
                    (node.peers.value.is_some(), self.peers.table.rows().len(), self.peers.table.total())
                }
                Tab::Routing => (
                    node.routing.value.is_some(),
                    self.routing.table.rows().len(),
                    self.routing.table.total(),
                ),
                Tab::Refused => (
                    node.refused.value.is_some(),
                    self.refused.table.rows().len(),
                    self.refused.table.total(),
                ),
            };
            let number = match () {
                () if !known => String::new(),
                () if shown == total => format!(" {}", count(total)),
                () => format!(" {}/{}", count(shown), count(total)),
            };
            let [open, close] = if tab == self.tab { ["[", "]"] } else { [" ", " "] };
            (tab, format!("{open}{}{number}{close}", tab.name()))
        })
    }

    fn draw_head(&self, scene: &Scene<'_>, node: &Node, area: Rect, painter: &mut Painter<'_>) {
        let mut x = area.x;
        for (tab, text) in self.tab_texts(node) {
            let role = if tab == self.tab { Role::Title } else { Role::Dim };
            let left = area.right().saturating_sub(x);
            x += painter.text((x, area.y), left, &text, role) + 1;
        }
        let left = area.right().saturating_sub(x + 1);
        let topic = self.tab.topic();
        if node.age(topic, scene.now).is_none() || left == 0 {
            return;
        }
        let standing = observed::standing(node, topic, scene.now);
        let long = format!("as {} sees it {} {}", node.name(), painter.theme.glyphs.dot, standing.text);
        let text = if width(&long) <= usize::from(left) { &long } else { &standing.text };
        painter.right((x + 1, area.y), left, text, standing.role);
    }

    fn step(&mut self, scene: &Scene<'_>, forward: bool) {
        self.observed.step(scene.fleet, forward);
        self.rebuild(scene);
    }
}

/// Rows of the table that fit into a body.
fn visible(body: Rect) -> usize {
    usize::from(body.height.saturating_sub(HEAD_ROWS))
}

fn around<'a>(scene: &Scene<'a>, node: &Node, topic: Topic) -> Around<'a> {
    // What a silent node said grows old with it, but the ages in it stay what they were.
    let fresh = !node.is_stale(topic, scene.now);
    let since = node.age(topic, scene.now).filter(|_| fresh).unwrap_or(Millis::ZERO);
    Around { fleet: scene.fleet, wall: scene.wall, since }
}

impl View for PeersView {
    fn id(&self) -> ViewId {
        ViewId::Peers
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        let what = self.tab.topic().as_str();
        self.node(scene).map_or_else(|| what.to_owned(), |(_, node)| format!("{what} of {}", node.name()))
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        self.observed.set_scope(scene.fleet, scope);
        self.rebuild(scene);
    }

    fn scope(&self) -> Option<Scope> {
        self.observed.chosen().map(Scope::one)
    }

    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription> {
        let node = self.observed.current(scene.fleet);
        node.map(|node| Subscription { node, topic: self.tab.topic() }).into_iter().collect()
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        let filtered = self.filter().is_some();
        match change {
            Change::Nodes => self.observed.settle(scene.fleet),
            Change::Peers(node) if Some(node) == self.observed.current(scene.fleet) => {}
            // Ages may pass a filter.
            Change::Time if filtered => {}
            _ => return,
        }
        self.rebuild(scene);
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        let request = match action {
            Action::TabNext | Action::TabPrevious => {
                self.tab = self.tab.beside(action == Action::TabNext);
                None
            }
            Action::PaneNext | Action::PanePrevious => {
                self.step(scene, action == Action::PaneNext);
                None
            }
            Action::Open => self.open(scene),
            Action::Describe => self.describe(scene),
            _ => {
                if self.on_table(action, visible(scene.body)) {
                    self.rebuild(scene);
                }
                None
            }
        };
        request.into_iter().collect()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        let (x, y) = (mouse.column.saturating_sub(scene.body.x), mouse.row.saturating_sub(scene.body.y));
        let wheel = match mouse.kind {
            MouseKind::WheelDown => Some(Action::Down),
            MouseKind::WheelUp => Some(Action::Up),
            MouseKind::Press => None,
        };
        if let Some(action) = wheel {
            for _ in 0..WHEEL_ROWS {
                self.on_table(action, visible(scene.body));
            }
            return Vec::new();
        }
        match y {
            0 => {
                let Some((_, node)) = self.node(scene) else { return Vec::new() };
                let mut left = 0;
                for (tab, text) in self.tab_texts(node) {
                    let right = left + width(&text) as u16;
                    if (left..right).contains(&x) {
                        self.tab = tab;
                    }
                    left = right + 1;
                }
            }
            1 => {
                if let Some(key) = sort_at(self.tab.columns(), scene.body.width, x) {
                    self.on_action(scene, Action::Sort(key));
                }
            }
            _ => self.press(usize::from(y - HEAD_ROWS)),
        }
        Vec::new()
    }

    fn fields(&self) -> &'static [Field] {
        match self.tab {
            Tab::Peers => PeerRow::FIELDS,
            Tab::Routing => ContactRow::FIELDS,
            Tab::Refused => RefusedRow::FIELDS,
        }
    }

    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>) {
        match self.tab {
            Tab::Peers => self.peers.filter = filter,
            Tab::Routing => self.routing.filter = filter,
            Tab::Refused => self.refused.filter = filter,
        }
        self.rebuild(scene);
    }

    fn filter(&self) -> Option<&Filter> {
        with_listing!(self, |listing, _R| listing.filter.as_ref())
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        let subjects = self.subjects(scene);
        if subjects.is_empty() { self.observed.current(scene.fleet).into_iter().collect() } else { subjects }
    }

    fn status(&self, _: &Scene<'_>) -> String {
        let marks = with_listing!(self, |listing, _R| listing.table.marks().len());
        if marks == 0 { String::new() } else { format!("{} marked", count(marks)) }
    }

    fn clear_marks(&mut self) -> bool {
        match self.tab {
            Tab::Peers => self.peers.clear_marks(),
            Tab::Routing => self.routing.clear_marks(),
            Tab::Refused => self.refused.clear_marks(),
        }
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        let Some((_, node)) = self.node(scene) else { return false };
        let (place, wanted) = ((node, around(scene, node, self.tab.topic())), (forward, search));
        let height = visible(scene.body);
        match self.tab {
            Tab::Peers => self.peers.seek::<PeerRow<'_>>(place, wanted, height),
            Tab::Routing => self.routing.seek::<ContactRow<'_>>(place, wanted, height),
            Tab::Refused => self.refused.seek::<RefusedRow<'_>>(place, wanted, height),
        }
    }

    fn copy(&self, scene: &Scene<'_>, row: bool) -> Option<String> {
        self.copied(scene, row)
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::TabNext, Action::PaneNext, Action::Open, Action::Describe]
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let mut painter = Painter { buf, theme };
        let Some((_, node)) = self.node(scene) else {
            return observed::say(&mut painter, area, "no node is known yet", Role::Dim);
        };
        self.draw_head(scene, node, area, &mut painter);
        let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
        let topic = self.tab.topic();
        if node.age(topic, scene.now).is_none() {
            let (text, role) = observed::absence(node, topic);
            return observed::say(&mut painter, body, &text, role);
        }
        let dimmed = observed::standing(node, topic, scene.now).dimmed;
        let around = around(scene, node, topic);
        with_listing!(self, |listing, R| listing.draw::<R<'_>>(
            (node, around, dimmed),
            (body, theme),
            painter.buf
        ));
    }
}

#[cfg(test)]
mod tests;
