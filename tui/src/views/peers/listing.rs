//! One sub-tab: a table over rows that stay in the fleet, with the filter that hides some of them.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::{Around, Row};
use crate::action::{Action, SortKey};
use crate::filter::Filter;
use crate::fleet::Node;
use crate::theme::Theme;
use crate::widgets::table::{self, Column, Look, Order, Table};

/// Order, cursor and marks of one list; where each of its rows stands in the node's own list.
#[derive(Clone, Debug)]
pub(super) struct Listing<K> {
    pub(super) table: Table<K>,
    pub(super) filter: Option<Filter>,
    places: BTreeMap<K, usize>,
}

impl<K: Copy + Ord> Listing<K> {
    pub(super) fn new(order: Order) -> Self {
        Self { table: Table::new(order), filter: None, places: BTreeMap::new() }
    }

    /// Filters and sorts anew; `height` rows are visible.
    pub(super) fn rebuild<'a, R: Row<'a, Key = K>>(
        &mut self,
        node: &'a Node,
        around: Around<'a>,
        height: usize,
    ) {
        let rows = R::all(node, around).unwrap_or_default();
        self.places = rows.iter().enumerate().map(|(at, row)| (row.key(), at)).collect();
        let passes = |row: &R| self.filter.as_ref().is_none_or(|filter| filter.matches(row));
        let mut shown: Vec<R> = rows.iter().copied().filter(passes).collect();
        let order = self.table.order;
        // Equals stand in the order of their keys, so that rows do not dance.
        shown.sort_by(|one, other| {
            order.direct(one.compare(other, order.key)).then_with(|| one.key().cmp(&other.key()))
        });
        self.table.retain_marks(|key| self.places.contains_key(key));
        self.table.set_rows(shown.iter().map(R::key).collect(), rows.len());
        self.table.follow(height);
    }

    /// Finds a row again by its key.
    fn find<'a, R: Row<'a, Key = K>>(&self, rows: &[R], key: K) -> Option<R> {
        let row = rows.get(*self.places.get(&key)?)?;
        (row.key() == key).then_some(*row)
    }

    /// Moves the cursor to the next row (or the previous one) that a search hits.
    pub(super) fn seek<'a, R: Row<'a, Key = K>>(
        &mut self,
        (node, around): (&'a Node, Around<'a>),
        (forward, search): (bool, &Filter),
        height: usize,
    ) -> bool {
        let rows: Vec<R> = R::all(node, around).unwrap_or_default();
        let places = &self.places;
        let found = self.table.seek(forward, |key| {
            places.get(key).and_then(|at| rows.get(*at)).is_some_and(|row| search.matches(row))
        });
        self.table.follow(height);
        found
    }

    /// Takes every mark off; whether there were any.
    pub(super) fn clear_marks(&mut self) -> bool {
        let any = !self.table.marks().is_empty() || self.table.is_ranging();
        self.table.clear_marks();
        any
    }

    /// The rows that an action is about.
    pub(super) fn targets<'a, R: Row<'a, Key = K>>(&self, node: &'a Node, around: Around<'a>) -> Vec<R> {
        let rows = R::all(node, around).unwrap_or_default();
        self.table.targets().into_iter().filter_map(|key| self.find(&rows, key)).collect()
    }

    /// The row under the cursor.
    pub(super) fn under_cursor<'a, R: Row<'a, Key = K>>(
        &self,
        node: &'a Node,
        around: Around<'a>,
    ) -> Option<R> {
        let rows = R::all(node, around)?;
        self.find(&rows, self.table.cursor()?)
    }

    /// Takes an action of tables; whether the rows have to be ordered anew.
    pub(super) fn on_action(&mut self, action: Action, columns: &[Column], height: usize) -> bool {
        if let Action::Sort(key) = action {
            return self.sort_by(key, columns);
        }
        self.table.on_action(action, height);
        false
    }

    /// Sorts by a key that a column has.
    fn sort_by(&mut self, key: SortKey, columns: &[Column]) -> bool {
        let known = columns.iter().any(|column| column.sort == Some(key));
        if known {
            self.table.sort_by(key);
        }
        known
    }

    pub(super) fn draw<'a, R: Row<'a, Key = K>>(
        &self,
        (node, around, dimmed): (&'a Node, Around<'a>, bool),
        (area, theme): (Rect, &Theme),
        buf: &mut Buffer,
    ) {
        let rows: Vec<R> = R::all(node, around).unwrap_or_default();
        let empty = if self.filter.is_some() { "nothing passes the filter" } else { R::NONE };
        let look = Look { columns: R::COLUMNS, empty, dimmed };
        let cell = |key, column| {
            self.find(&rows, key).map(|row| row.cell(column, &theme.glyphs)).unwrap_or_default()
        };
        table::draw(&self.table, &look, cell, (area, theme), buf);
    }
}
