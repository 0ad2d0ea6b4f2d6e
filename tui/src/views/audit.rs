//! Audit: who did what on nodes, where from, with what outcome, and whether others vouch for the record; the newest
//! first, and with it as long as the cursor is not moved.

mod columns;

use std::cmp::Ordering;

use p2p_shared::id::NodeId;

use super::list::{Done, ListView, Listed, Listing};
use super::related::Thing;
use super::{Request, Scene, ViewId};
use crate::action::{Action, SortKey};
use crate::command::Topic;
use crate::filter::Field;
use crate::fleet::{Fleet, ItemId};
use crate::widgets::table::{Cell, Column, Order};

use columns::{FIELDS, Row};

/// The view.
pub(crate) type AuditView = ListView<Audit>;

/// The records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Audit;

impl Listed for Audit {
    type Row<'a> = Row<'a>;
    const VIEW: ViewId = ViewId::Audit;
    const NOUN: &'static str = "audit record";
    const TOPICS: &'static [Topic] = &[Topic::Audit];
    const FIELDS: &'static [Field] = FIELDS;
    const HINTS: &'static [Action] = &[Action::Open, Action::Related, Action::Follow, Action::AllNodes];
    const ORDER: Order = Order { key: SortKey::Age, descending: false };

    fn of(&self, fleet: &Fleet, node: NodeId) -> Vec<ItemId> {
        fleet.audit.of(node).collect()
    }

    fn row<'a>(scene: &Scene<'a>, id: ItemId) -> Option<Row<'a>> {
        let item = scene.fleet.audit.get(id)?;
        Some(Row { item, node: scene.fleet.get(item.node)?, wall: scene.wall })
    }

    fn node(row: &Row<'_>) -> NodeId {
        row.item.node
    }

    fn name(row: &Row<'_>) -> String {
        row.what().to_owned()
    }

    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn cell(row: &Row<'_>, column: &str) -> Cell {
        row.cell(column)
    }

    fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        columns::compare(key, one, other)
    }

    fn thing(row: &Row<'_>) -> Option<Thing> {
        Some(Thing::Record(row.item.node, Box::new(row.item.value.clone())))
    }

    /// A record that cannot be believed is worth more than its rows.
    fn remark(&self, list: &Listing, scene: &Scene<'_>) -> String {
        let seals = list.in_scope(scene).filter_map(|(_, node)| Some((node.name(), node.seal.as_ref()?)));
        let broken: Vec<&str> =
            seals.filter(|(_, seal)| seal.broken.is_some()).map(|(name, _)| name.as_str()).collect();
        match broken.as_slice() {
            [] => String::new(),
            [name] => format!(", the record of {name} is BROKEN"),
            many => format!(", {} records are BROKEN", many.len()),
        }
    }

    fn nothing(&self, scope: &str) -> String {
        format!("nothing was done on {scope} yet, and nobody was refused")
    }

    fn on_action(&mut self, list: &Listing, scene: &Scene<'_>, action: Action) -> Done {
        match action {
            Action::Open | Action::Describe => {
                let row = list.table.cursor().and_then(|id| Self::row(scene, id));
                let read = |row: Row<'_>| Request::Read {
                    title: format!("record {} of {}", row.item.key, row.node.name()),
                    lines: row.facts(),
                };
                Done::Requests(row.map(read).into_iter().collect())
            }
            Action::Kill | Action::Menu => Done::Requests(vec![Request::Say(
                "what was done stays on the record: nothing acts here".into(),
            )]),
            _ => Done::Unknown,
        }
    }
}
