//! Network: interfaces, sockets, routes and neighbours of nodes, a table at a time; a row opens to all that is known
//! of it. Its menu sends probes from the node under the cursor.

mod columns;
mod menu;

use std::cmp::Ordering;

use p2p_shared::id::NodeId;

use super::list::{Done, ListView, Listed, Listing};
use super::related::Thing;
use super::{Request, Scene, ViewId};
use crate::action::{Action, SortKey};
use crate::command::Topic;
use crate::filter::Field;
use crate::fleet::{Fleet, ItemId, NetItem, NetTable};
use crate::widgets::table::{Cell, Column, Order};
use crate::widgets::tabs::SubTab;

use columns::{FIELDS, Row};

/// The view.
pub(crate) type NetworkView = ListView<Network>;

/// Which table is listed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Network {
    table: NetTable,
}

impl Network {
    /// Lists sockets from now on.
    pub(crate) const fn show_sockets(&mut self) {
        self.table = NetTable::Sockets;
    }

    fn turn(&mut self, forward: bool) {
        let count = NetTable::ALL.len();
        let at = place(self.table).unwrap_or(0);
        self.table = NetTable::ALL[(at + if forward { 1 } else { count - 1 }) % count];
    }
}

fn place(table: NetTable) -> Option<usize> {
    NetTable::ALL.iter().position(|known| *known == table)
}

/// The name of a sub-tab.
const fn title(table: NetTable) -> &'static str {
    match table {
        NetTable::Interfaces => "Interfaces",
        NetTable::Sockets => "Sockets",
        NetTable::Routes => "Routes",
        NetTable::Neighbours => "Neighbours",
    }
}

impl Listed for Network {
    type Row<'a> = Row<'a>;
    const VIEW: ViewId = ViewId::Network;
    const NOUN: &'static str = "row";
    const TOPICS: &'static [Topic] = &[Topic::Network];
    const FIELDS: &'static [Field] = FIELDS;
    const HINTS: &'static [Action] =
        &[Action::TabNext, Action::Describe, Action::Menu, Action::AllNodes, Action::CopyField];
    const ORDER: Order = Order { key: SortKey::State, descending: false };

    fn of(&self, fleet: &Fleet, node: NodeId) -> Vec<ItemId> {
        let network = &fleet.network;
        let is_listed = |id: &ItemId| network.get(*id).is_some_and(|item| item.key.table == self.table);
        network.of(node).filter(is_listed).collect()
    }

    fn row<'a>(scene: &Scene<'a>, id: ItemId) -> Option<Row<'a>> {
        let item = scene.fleet.network.get(id)?;
        Some(Row { item, node: scene.fleet.get(item.node)? })
    }

    fn node(row: &Row<'_>) -> NodeId {
        row.item.node
    }

    fn name(row: &Row<'_>) -> String {
        row.what()
    }

    const COLUMNS: &'static [Column] = columns::INTERFACES;

    fn columns(&self) -> &'static [Column] {
        match self.table {
            NetTable::Interfaces => columns::INTERFACES,
            NetTable::Sockets => columns::SOCKETS,
            NetTable::Routes => columns::ROUTES,
            NetTable::Neighbours => columns::NEIGHBOURS,
        }
    }

    fn cell(row: &Row<'_>, column: &str) -> Cell {
        row.cell(column)
    }

    fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        columns::compare(key, one, other)
    }

    fn thing(row: &Row<'_>) -> Option<Thing> {
        match &row.item.value {
            NetItem::Socket(socket) => Some(Thing::Socket(row.item.node, Box::new(socket.clone()))),
            NetItem::Interface(_) | NetItem::Route(_) | NetItem::Neighbour(_) => None,
        }
    }

    const IS_TABBED: bool = true;

    fn count(scene: &Scene<'_>, nodes: &[NodeId]) -> Vec<usize> {
        let mut counts = NetTable::ALL.map(|_| 0);
        for id in nodes.iter().flat_map(|id| scene.fleet.network.of(*id)) {
            if let Some(at) = scene.fleet.network.get(id).and_then(|item| place(item.key.table)) {
                counts[at] += 1;
            }
        }
        counts.to_vec()
    }

    fn tabs(&self, list: &Listing, scene: &Scene<'_>) -> Vec<SubTab> {
        let known = list.in_scope(scene).any(|(_, node)| node.age(Topic::Network, scene.now).is_some());
        let tab = |(table, total): (NetTable, &usize)| {
            let shown = if table == self.table { list.table.rows().len() } else { *total };
            SubTab { name: title(table), counts: known.then_some((shown, *total)), open: table == self.table }
        };
        NetTable::ALL.into_iter().zip(&list.counts).map(tab).collect()
    }

    fn open_tab(&mut self, at: usize) {
        self.table = NetTable::ALL[at];
    }

    fn noun(&self) -> &'static str {
        match self.table {
            NetTable::Interfaces => "interface",
            NetTable::Sockets => "socket",
            NetTable::Routes => "route",
            NetTable::Neighbours => "neighbour",
        }
    }

    fn nothing(&self, scope: &str) -> String {
        format!("no {} on {scope}", self.table.as_str())
    }

    fn on_action(&mut self, list: &Listing, scene: &Scene<'_>, action: Action) -> Done {
        match action {
            Action::TabNext | Action::TabPrevious => {
                self.turn(action == Action::TabNext);
                Done::Rebuild
            }
            Action::Open | Action::Describe => {
                let row = list.table.cursor().and_then(|id| Self::row(scene, id));
                let read = |row: Row<'_>| Request::Read {
                    title: format!("{} on {}", row.what(), row.node.name()),
                    lines: row.facts(),
                };
                Done::Requests(row.map(read).into_iter().collect())
            }
            Action::Menu => Done::Requests(vec![Request::Menu(menu::menu(list, scene))]),
            _ => Done::Unknown,
        }
    }
}
