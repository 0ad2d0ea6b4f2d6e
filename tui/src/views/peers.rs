//! Peers: the mesh, and how one node sees it. Five sub-tabs: all pairs as a grid; of one node its connections, its
//! routing table, what a look-up of it does, and whom it refused.
//!
//! It reads the lists in the fleet; it keeps which node, which sub-tab, and the order of each list by ids.

mod grid;
mod listing;
mod lists;
mod look_up;
mod menu;
mod rows;
mod tabs;

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::grid::Grid;
use self::lists::{Lists, Place};
use self::rows::Around;
use self::tabs::Tab;
use super::observed::{self, Observed};
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::Action;
use crate::command::{Subscription, Topic};
use crate::event::{Mouse, MouseKind};
use crate::filter::{Field, Filter};
use crate::fleet::Node;
use crate::format::{count, plural, width};
use crate::theme::{Role, Theme};
use crate::widgets::paint::Painter;
use crate::widgets::table::sort_at;
use crate::widgets::tabs::{self as tabs_line, SubTab};

/// Rows that one step of the wheel moves.
const WHEEL_ROWS: usize = 3;

/// The view.
#[derive(Clone, Debug, Default)]
pub struct PeersView {
    observed: Observed,
    tab: Tab,
    grid: Grid,
    lists: Lists,
}

impl PeersView {
    /// Shows what a look-up by this node does.
    pub(crate) fn show_look_up(&mut self, scene: &Scene<'_>, asker: NodeId) {
        self.tab = Tab::LookUp;
        self.observed.look_at(asker);
        self.rebuild(scene);
    }

    /// The node that the lists are of.
    pub(crate) fn asker(&self, scene: &Scene<'_>) -> Option<NodeId> {
        self.observed.current(scene.fleet)
    }

    fn node<'a>(&self, scene: &Scene<'a>) -> Option<(NodeId, &'a Node)> {
        let id = self.observed.current(scene.fleet)?;
        Some((id, scene.fleet.get(id)?))
    }

    /// The node of the lists, with what their rows need to know.
    fn place<'a>(&self, scene: &Scene<'a>, tab: Tab) -> Option<Place<'a>> {
        let (_, node) = self.node(scene)?;
        Some((node, around(scene, node, tab)))
    }

    /// Rows of the shown list that fit into a body.
    fn height(&self, body: Rect) -> usize {
        usize::from(body.height.saturating_sub(self.tab.head_row() + 1))
    }

    /// Orders everything anew: short lists, and only when something came.
    fn rebuild(&mut self, scene: &Scene<'_>) {
        self.grid.rebuild(scene, self.observed.scope(), self.observed.current(scene.fleet));
        let height = self.height(scene.body);
        for tab in Tab::ALL {
            match self.place(scene, tab) {
                Some(place) => self.lists.rebuild(tab, place, height),
                None => self.lists = Lists::default(),
            }
        }
    }

    /// Takes an action of the grid: other sub-tabs look at the node of its row.
    fn on_grid(&mut self, scene: &Scene<'_>, action: Action) {
        if self.grid.on_action(scene, action) {
            self.look_at_row();
        }
    }

    fn look_at_row(&mut self) {
        if let Some((from, _)) = self.grid.cursor() {
            self.observed.look_at(from);
        }
    }

    /// The node that the row or the cell under the cursor is about, and what is to be said of it.
    fn under_cursor(&self, scene: &Scene<'_>) -> Option<lists::Under> {
        self.lists.under_cursor(self.tab, self.place(scene, self.tab)?)
    }

    /// Shows what the row under the cursor is about, or says all of it; in the grid, the connection under the cursor.
    fn open(&mut self, scene: &Scene<'_>) -> Option<Request> {
        if self.tab == Tab::Grid {
            let (from, to) = self.grid.cursor()?;
            let address = grid::address_of(scene, from, to);
            self.tab = Tab::Peers;
            self.observed.look_at(from);
            self.rebuild(scene);
            if let Some(address) = address {
                self.lists.peers.table.select((to, address));
            }
            return None;
        }
        let under = self.under_cursor(scene)?;
        let show = |id| Request::Show(ViewId::Resources, Scope::one(id));
        Some(under.subject.map_or(Request::Say(under.sentence), show))
    }

    fn describe(&self, scene: &Scene<'_>) -> Option<Request> {
        if self.tab == Tab::Grid {
            let (title, lines) = self.grid.facts(scene)?;
            return Some(Request::Read { title, lines });
        }
        Some(Request::Say(self.under_cursor(scene)?.sentence))
    }

    fn menu(&self, scene: &Scene<'_>) -> Option<Request> {
        let asker = self.observed.current(scene.fleet)?;
        let subject = match self.tab {
            Tab::Grid => self.grid.cursor().map(|(_, to)| to),
            _ => self.under_cursor(scene).and_then(|under| under.subject),
        };
        let again = if self.tab == Tab::LookUp { self.again(scene) } else { None };
        Some(Request::Menu(menu::menu(scene, asker, subject, again)))
    }

    /// What was looked up last, by the node that is looked at now.
    fn again(&self, scene: &Scene<'_>) -> Option<Request> {
        let node = self.observed.current(scene.fleet)?;
        Some(Request::LookUp { node, name: scene.fleet.looked_up()?.name.clone() })
    }

    fn subjects(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        if self.tab == Tab::Grid {
            return self.grid.cursor().map(|(from, _)| from).into_iter().collect();
        }
        self.place(scene, self.tab).map(|place| self.lists.subjects(self.tab, place)).unwrap_or_default()
    }

    /// The sub-tabs with their counts.
    fn sub_tabs(&self, scene: &Scene<'_>) -> [SubTab; 5] {
        let node = self.node(scene).map(|(_, node)| node);
        let is_known = |tab| match tab {
            Tab::Grid => true,
            Tab::LookUp => false,
            Tab::Peers => node.is_some_and(|node| node.peers.value.is_some()),
            Tab::Routing => node.is_some_and(|node| node.routing.value.is_some()),
            Tab::Refused => node.is_some_and(|node| node.refused.value.is_some()),
        };
        Tab::ALL.map(|tab| {
            let counts = if tab == Tab::Grid { self.grid.counts() } else { self.lists.counts(tab) };
            SubTab { name: tab.name(), counts: is_known(tab).then_some(counts), open: tab == self.tab }
        })
    }

    fn draw_head(&self, scene: &Scene<'_>, area: Rect, painter: &mut Painter<'_>) {
        let left = tabs_line::draw(&self.sub_tabs(scene), Rect { height: 1, ..area }, painter);
        if let Some((texts, role)) = self.caption(scene, painter.theme) {
            let fitting = texts.iter().find(|text| width(text) <= usize::from(left.width));
            let text = fitting.or(texts.last()).map(String::as_str).unwrap_or_default();
            painter.right((left.x, left.y), left.width, text, role);
        }
    }

    /// What stands at the right of the sub-tabs, the longest first.
    fn caption(&self, scene: &Scene<'_>, theme: &Theme) -> Option<([String; 2], Role)> {
        if self.tab == Tab::Grid {
            return Some((self.grid.caption(scene), Role::Text));
        }
        let (_, node) = self.node(scene)?;
        let Some(topic) = self.tab.topic() else {
            return Some(([format!("from {}", node.name()), node.name().to_string()], Role::Dim));
        };
        node.age(topic, scene.now)?;
        let standing = observed::standing(node, topic, scene.now);
        let long = format!("as {} sees it {} {}", node.name(), theme.glyphs.dot, standing.text);
        Some(([long, standing.text], standing.role))
    }

    /// What is said above the hops; whether there are any to be shown below.
    fn draw_look_up(
        &self,
        scene: &Scene<'_>,
        (id, node): (NodeId, &Node),
        area: Rect,
        painter: &mut Painter<'_>,
    ) -> bool {
        let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let Some(looked) = scene.fleet.look_up(id) else {
            observed::say(painter, body, &look_up::invitation(node), Role::Dim);
            return false;
        };
        let (text, role) = look_up::verdict(node, looked, &painter.theme.glyphs);
        painter.text((area.x, area.y + 1), area.width, &text, role);
        painter.text((area.x, area.y + 2), area.width, &look_up::place(node, looked), Role::Dim);
        matches!(looked.told, Some(Ok(_)))
    }

    fn step(&mut self, scene: &Scene<'_>, forward: bool) -> Option<Request> {
        self.observed.step(scene.fleet, forward);
        self.rebuild(scene);
        if let Some(node) = self.observed.current(scene.fleet) {
            self.grid.select(scene, node);
        }
        if self.tab == Tab::LookUp { self.again(scene) } else { None }
    }

    /// A click on a line of the body.
    fn press(&mut self, scene: &Scene<'_>, (x, y): (u16, u16)) {
        if y == 0 {
            self.tab = tabs_line::at(&self.sub_tabs(scene), x).map_or(self.tab, |at| Tab::ALL[at]);
            return;
        }
        if self.tab == Tab::Grid {
            self.grid.press(scene, (x, y));
            return self.look_at_row();
        }
        let head = self.tab.head_row();
        if y == head {
            if let Some(key) = sort_at(self.tab.columns(), scene.body.width, x) {
                self.on_action(scene, Action::Sort(key));
            }
        } else if y > head {
            self.lists.press(self.tab, usize::from(y - head - 1));
        }
    }
}

fn around<'a>(scene: &Scene<'a>, node: &Node, tab: Tab) -> Around<'a> {
    let since = |topic: Topic| {
        // What a silent node said grows old with it, but the ages in it stay what they were.
        let fresh = !node.is_stale(topic, scene.now);
        node.age(topic, scene.now).filter(|_| fresh).unwrap_or(Millis::ZERO)
    };
    Around { fleet: scene.fleet, wall: scene.wall, since: tab.topic().map_or(Millis::ZERO, since) }
}

impl View for PeersView {
    fn id(&self) -> ViewId {
        ViewId::Peers
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        let what = self.tab.noun();
        match (self.tab, self.node(scene)) {
            (Tab::Grid, _) => {
                let (shown, all) = self.grid.counts();
                let of = if shown < all { format!("{} of ", count(shown)) } else { String::new() };
                format!("{what} of {of}{}", plural(all, "node"))
            }
            (_, Some((_, node))) => format!("{what} of {}", node.name()),
            (_, None) => what.to_owned(),
        }
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        // Several nodes are a grid; one node is seen in every sub-tab.
        if !matches!(&scope, Scope::Nodes(nodes) if nodes.len() == 1) {
            self.tab = Tab::Grid;
        }
        self.observed.set_scope(scene.fleet, scope);
        self.rebuild(scene);
        if let Some(node) = self.observed.current(scene.fleet) {
            self.grid.select(scene, node);
        }
    }

    fn scope(&self) -> Option<Scope> {
        match self.tab {
            // The grid is of all of its scope, not of the node under the cursor.
            Tab::Grid => Some(self.observed.scope().clone()),
            _ => self.observed.chosen().map(Scope::one),
        }
    }

    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription> {
        let node = self.observed.current(scene.fleet);
        if self.tab == Tab::Grid {
            let subscription = |node| Subscription { node, topic: Topic::Peers };
            return self.grid.asked(scene.fleet).map(subscription).collect();
        }
        let one = node.zip(self.tab.topic());
        one.map(|(node, topic)| Subscription { node, topic }).into_iter().collect()
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
                self.rebuild(scene);
                None
            }
            Action::PaneNext | Action::PanePrevious => self.step(scene, action == Action::PaneNext),
            Action::Open => self.open(scene),
            Action::Describe => self.describe(scene),
            Action::Menu => self.menu(scene),
            Action::Sort(key) if self.tab == Tab::Grid => {
                if self.grid.sort_by(key) {
                    self.rebuild(scene);
                }
                None
            }
            _ if self.tab == Tab::Grid => {
                self.on_grid(scene, action);
                None
            }
            _ => {
                if self.lists.on_action(self.tab, action, self.height(scene.body)) {
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
        match wheel {
            Some(action) => {
                for _ in 0..WHEEL_ROWS {
                    self.on_action(scene, action);
                }
            }
            None => self.press(scene, (x, y)),
        }
        Vec::new()
    }

    fn fields(&self) -> &'static [Field] {
        self.tab.fields()
    }

    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>) {
        match self.tab {
            Tab::Grid => self.grid.filter = filter,
            tab => self.lists.set_filter(tab, filter),
        }
        self.rebuild(scene);
    }

    fn filter(&self) -> Option<&Filter> {
        match self.tab {
            Tab::Grid => self.grid.filter.as_ref(),
            tab => self.lists.filter(tab),
        }
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        let subjects = self.subjects(scene);
        if subjects.is_empty() { self.observed.current(scene.fleet).into_iter().collect() } else { subjects }
    }

    fn status(&self, _: &Scene<'_>) -> String {
        match self.lists.marks(self.tab) {
            0 => String::new(),
            marks => format!("{} marked", count(marks)),
        }
    }

    fn clear_marks(&mut self) -> bool {
        self.lists.clear_marks(self.tab)
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        if self.tab == Tab::Grid {
            let found = self.grid.seek(scene, forward, search);
            self.look_at_row();
            return found;
        }
        let Some(place) = self.place(scene, self.tab) else { return false };
        self.lists.seek(self.tab, place, (forward, search), self.height(scene.body))
    }

    fn copy(&self, scene: &Scene<'_>, row: bool) -> Option<String> {
        match self.tab {
            Tab::Grid => self.grid.copied(scene, row),
            tab => self.lists.copied(tab, self.place(scene, tab)?, row),
        }
    }

    fn hints(&self) -> &'static [Action] {
        match self.tab {
            Tab::Grid => &[Action::TabNext, Action::Tree, Action::Open, Action::Describe, Action::Menu],
            _ => &[Action::TabNext, Action::PaneNext, Action::Open, Action::Menu, Action::Describe],
        }
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let mut painter = Painter { buf, theme };
        let Some((id, node)) = self.node(scene) else {
            return observed::say(&mut painter, area, "no node is known yet", Role::Dim);
        };
        self.draw_head(scene, area, &mut painter);
        if self.tab == Tab::Grid {
            return self.grid.draw(scene, area, &mut painter);
        }
        let head = self.tab.head_row();
        let body = Rect { y: area.y + head, height: area.height.saturating_sub(head), ..area };
        let mut dimmed = false;
        if let Some(topic) = self.tab.topic() {
            if node.age(topic, scene.now).is_none() {
                let (text, role) = observed::absence(node, topic);
                return observed::say(&mut painter, body, &text, role);
            }
            dimmed = observed::standing(node, topic, scene.now).dimmed;
        } else if !self.draw_look_up(scene, (id, node), area, &mut painter) {
            return;
        }
        let place = (node, around(scene, node, self.tab));
        self.lists.draw(self.tab, (place, dimmed), (body, theme), painter.buf);
    }
}

#[cfg(test)]
mod tests;
