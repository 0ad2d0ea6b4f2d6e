//! The mesh as a grid: nodes that look in rows, nodes looked at in columns, one figure a cell, and above it what ails
//! the mesh in a line.
//!
//! It keeps which nodes stand in it, in which order, and the pair under the cursor, by ids; what it shows it reads in
//! the fleet. Figures and verdict are pure; nothing here asks a node.

mod doctor;
mod figure;
mod paint;
mod sight;
mod words;

use std::cmp::Ordering;
use std::net::SocketAddr;

use p2p_shared::id::NodeId;
use p2p_shared::services::node::{MemberState, Peer};
use ratatui::layout::Rect;

use self::figure::Figure;
use self::paint::Plan;
use self::sight::Sight;
use crate::action::{Action, SortKey};
use crate::filter::{Field, Filter, Record};
use crate::fleet::{Fleet, Node};
use crate::views::{Scene, Scope};
use crate::widgets::table::Order;

/// Nodes that the grid asks at once: more are no picture, and each of them is asked every two seconds.
pub(super) const NODES_MAX: usize = 64;

/// What a filter can ask for.
pub(super) const FIELDS: &[Field] = &[Field::word("name"), Field::word("state"), Field::word("label")];

/// Nodes, figure and cursor.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    figure: Figure,
    order: Order,
    pub(super) filter: Option<Filter>,
    /// Those that are shown, in order.
    nodes: Vec<NodeId>,
    /// The same before the filter: those that are asked.
    members: Vec<NodeId>,
    /// How many of the scope found no place.
    left_out: usize,
    /// Who looks, and who is looked at.
    cursor: Option<(NodeId, NodeId)>,
    /// Where they stand: row and column.
    at: (usize, usize),
    /// The first row and column that are shown.
    top: usize,
    left: usize,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            figure: Figure::default(),
            order: Order { key: SortKey::Name, descending: false },
            filter: None,
            nodes: Vec::new(),
            members: Vec::new(),
            left_out: 0,
            cursor: None,
            at: (0, 0),
            top: 0,
            left: 0,
        }
    }
}

/// A node, as a filter sees it.
struct Named<'a>(&'a Node);

impl Record for Named<'_> {
    fn text(&self, field: usize) -> std::borrow::Cow<'_, str> {
        let member = &self.0.member;
        match field {
            0 => member.name.as_str().into(),
            1 => member.state.as_str().into(),
            _ => {
                let labels = member.labels.iter().map(|label| format!("{}={}", label.key, label.value));
                labels.collect::<Vec<_>>().join(" ").into()
            }
        }
    }

    fn number(&self, _: usize) -> Option<f64> {
        None
    }
}

/// By name, or those that ail first and then by name.
fn compare(order: Order, (a, one): &(NodeId, &Node), (b, other): &(NodeId, &Node)) -> Ordering {
    // Lost ones and those in doubt, and then those which live.
    let rank = |node: &Node| match node.member.state {
        MemberState::Lost => 0,
        MemberState::Suspect | MemberState::Unknown => 1,
        MemberState::Alive | MemberState::Left => 2,
    };
    let by = match order.key {
        SortKey::State => rank(one).cmp(&rank(other)),
        _ => one.name().cmp(other.name()),
    };
    order.direct(by).then_with(|| one.name().cmp(other.name())).then(a.cmp(b))
}

/// The nodes that stand in a grid of this scope, in order: all for a scope of one node, for that one alone is no grid.
/// Who has left is not among them. If there are too many, the first ones, and `chosen`.
fn members(fleet: &Fleet, scope: &Scope, order: Order, chosen: Option<NodeId>) -> (Vec<NodeId>, usize) {
    let one = matches!(scope, Scope::Nodes(nodes) if nodes.len() == 1);
    let within =
        fleet.iter().filter(|(id, node)| (one || scope.has(*id)) && node.member.state != MemberState::Left);
    let mut nodes: Vec<(NodeId, &Node)> = within.collect();
    nodes.sort_by(|one, other| compare(order, one, other));
    let left_out = nodes.len().saturating_sub(NODES_MAX);
    if let Some(at) = nodes.iter().position(|(id, _)| Some(*id) == chosen)
        && at >= NODES_MAX
    {
        nodes.swap(NODES_MAX - 1, at);
    }
    nodes.truncate(NODES_MAX);
    (nodes.into_iter().map(|(id, _)| id).collect(), left_out)
}

impl Grid {
    /// Takes the nodes anew: those of the scope that pass the filter. The cursor stays on its pair; if one of the two is
    /// gone, on its place. `chosen` is the node that other sub-tabs look at.
    pub(super) fn rebuild(&mut self, scene: &Scene<'_>, scope: &Scope, chosen: Option<NodeId>) {
        let (nodes, left_out) = members(scene.fleet, scope, self.order, chosen);
        self.left_out = left_out;
        let passes = |id: &NodeId| match (&self.filter, scene.fleet.get(*id)) {
            (Some(filter), Some(node)) => filter.matches(&Named(node)),
            _ => true,
        };
        self.nodes = nodes.iter().copied().filter(passes).collect();
        self.members = nodes;
        let place = |id: NodeId| self.nodes.iter().position(|node| *node == id);
        let last = self.nodes.len().saturating_sub(1);
        self.at = match self.cursor {
            Some((from, to)) => {
                (place(from).unwrap_or(self.at.0.min(last)), place(to).unwrap_or(self.at.1.min(last)))
            }
            None => {
                let row = chosen.and_then(place).unwrap_or(0);
                // What a node says of itself is nothing: begin with what it says of another.
                (row, usize::from(row == 0).min(last))
            }
        };
        self.settle(scene);
    }

    /// The row under the cursor becomes that of a node, if it is shown.
    pub(super) fn select(&mut self, scene: &Scene<'_>, node: NodeId) {
        if let Some(row) = self.nodes.iter().position(|known| *known == node) {
            self.at.0 = row;
            self.settle(scene);
        }
    }

    /// The cursor is on what stands at its place, and that is shown.
    fn settle(&mut self, scene: &Scene<'_>) {
        let id = |at: usize| self.nodes.get(at).copied();
        self.cursor = id(self.at.0).zip(id(self.at.1));
        let plan = self.plan(scene.fleet, scene.body);
        let follow = |first: usize, at: usize, room: usize, count: usize| {
            let room = room.max(1);
            let first = first.min(count.saturating_sub(room));
            first.clamp((at + 1).saturating_sub(room), at)
        };
        self.top = follow(self.top, self.at.0, plan.rows, self.nodes.len());
        self.left = follow(self.left, self.at.1, plan.columns, self.nodes.len());
    }

    /// Where everything stands in a body.
    fn plan(&self, fleet: &Fleet, body: Rect) -> Plan {
        let names = self.nodes.iter().map(|id| fleet.get(*id).map_or(0, |node| node.name().as_str().len()));
        Plan::of(self.nodes.len(), names.max().unwrap_or(0), body)
    }

    /// The nodes that have to be asked.
    pub(super) fn asked(&self, fleet: &Fleet) -> impl Iterator<Item = NodeId> {
        let there = |id: &NodeId| fleet.get(*id).is_some_and(Node::is_there);
        self.members.iter().copied().filter(there)
    }

    /// Who looks and who is looked at under the cursor.
    pub(super) const fn cursor(&self) -> Option<(NodeId, NodeId)> {
        self.cursor
    }

    /// How many nodes are shown, and how many there are without the filter and with those that found no place.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.nodes.len(), self.members.len() + self.left_out)
    }

    /// Orders rows and columns by a key, by the same one again the other way round; false if they have no such.
    pub(super) fn sort_by(&mut self, key: SortKey) -> bool {
        // The node of a row is its name.
        let key = if key == SortKey::Node { SortKey::Name } else { key };
        if !matches!(key, SortKey::Name | SortKey::State) {
            return false;
        }
        let descending = self.order.key == key && !self.order.descending;
        self.order = Order { key, descending };
        true
    }

    /// Takes an action; false if it is none of a grid.
    pub(super) fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> bool {
        let plan = self.plan(scene.fleet, scene.body);
        let last = self.nodes.len().saturating_sub(1);
        let (page, half) = (plan.rows.max(1), (plan.rows / 2).max(1));
        let (row, column) = self.at;
        self.at = match action {
            Action::Up => (row.saturating_sub(1), column),
            Action::Down => ((row + 1).min(last), column),
            Action::PageUp => (row.saturating_sub(page), column),
            Action::PageDown => ((row + page).min(last), column),
            Action::HalfUp => (row.saturating_sub(half), column),
            Action::HalfDown => ((row + half).min(last), column),
            Action::Top => (0, column),
            Action::Bottom => (last, column),
            Action::Left => (row, column.saturating_sub(1)),
            Action::Right => (row, (column + 1).min(last)),
            Action::Tree => {
                self.figure = self.figure.next();
                self.at
            }
            _ => return false,
        };
        self.settle(scene);
        true
    }

    /// A click at a place of the body.
    pub(super) fn press(&mut self, scene: &Scene<'_>, (x, y): (u16, u16)) {
        let plan = self.plan(scene.fleet, scene.body);
        if y == paint::HEAD_ROW && x < plan.label {
            self.figure = self.figure.next();
            return;
        }
        let Some(row) = plan.row_at(y) else { return };
        let row = self.top + row;
        let column = plan.column_at(x).map_or(self.at.1, |column| self.left + column);
        if row < self.nodes.len() && column < self.nodes.len() {
            self.at = (row, column);
            self.settle(scene);
        }
    }

    /// Moves the cursor to the next row (or the previous one) that a search hits, around the end.
    pub(super) fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        let count = self.nodes.len();
        let hit = (1..=count).map(|step| {
            if forward { (self.at.0 + step) % count } else { (self.at.0 + count - step % count) % count }
        });
        let matches =
            |row: &usize| scene.fleet.get(self.nodes[*row]).is_some_and(|node| search.matches(&Named(node)));
        let Some(row) = hit.into_iter().find(matches) else { return false };
        self.at.0 = row;
        self.settle(scene);
        true
    }

    /// Everything about the pair under the cursor, and all that was found.
    pub(super) fn facts(&self, scene: &Scene<'_>) -> Option<(String, Vec<(String, String)>)> {
        let sight = Sight::of(scene, &self.nodes);
        (sight.len() > 0).then(|| words::facts(scene, &sight, self.at))
    }

    /// The pair under the cursor in one line of fields, or its figure alone.
    pub(super) fn copied(&self, scene: &Scene<'_>, whole: bool) -> Option<String> {
        let sight = Sight::of(scene, &self.nodes);
        (sight.len() > 0).then(|| match whole {
            true => words::fields(scene, &sight, self.at),
            false => figure::shown(&sight, self.at, self.figure, (None, "")).text,
        })
    }
}

/// Where a node has its connection to another.
pub(super) fn address_of(scene: &Scene<'_>, from: NodeId, to: NodeId) -> Option<SocketAddr> {
    peer_of(scene, from, to).map(|peer| peer.address)
}

/// What a node says of its connection to another.
fn peer_of<'a>(scene: &Scene<'a>, from: NodeId, to: NodeId) -> Option<&'a Peer> {
    sight::peers_of(scene.fleet.get(from)?).find(|peer| peer.id == to)
}

#[cfg(test)]
mod tests;
