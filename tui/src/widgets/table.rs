//! The table of every view: sort, marks, a cursor that stays on its object, 150,000 rows.
//!
//! One that [leads](Table::leading) has its cursor on the first row, whichever that is, until it is moved.
//! The owner hands in ordered ids by [`Table::set_rows`]; the table keeps cursor, marks and scroll offset by
//! identity. Drawing formats the visible rows alone, through a callback for one cell. Pure.

mod cells;
pub mod slots;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint::Painter;
use crate::action::{Action, SortKey};
use crate::format::width;
use crate::theme::{Role, Theme};

use cells::{draw_cell, draw_head};
use slots::slots;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub title: &'static str,
    /// Columns of the screen; the flexible ones share what is left.
    pub width: u16,
    /// It grows up to this where there is room.
    pub most: u16,
    /// Takes what is left.
    pub flexible: bool,
    /// Numbers stand at the right.
    pub right: bool,
    /// The lowest has room first; those of one rank are shown together or not at all; 0 always.
    pub rank: u8,
    /// What sorts by it.
    pub sort: Option<SortKey>,
}

impl Column {
    /// Text at the left.
    pub const fn text(title: &'static str, width: u16, rank: u8, sort: Option<SortKey>) -> Self {
        Self { title, width, most: width, flexible: false, right: false, rank, sort }
    }

    /// The columns of rows that stand beside their node: without the first, that of the node, if there is one node.
    pub const fn beside(all: &'static [Self], single: bool) -> &'static [Self] {
        match all {
            [_, rest @ ..] if single => rest,
            _ => all,
        }
    }

    /// A number at the right.
    pub const fn number(title: &'static str, width: u16, rank: u8, sort: Option<SortKey>) -> Self {
        Self { title, width, most: width, flexible: false, right: true, rank, sort }
    }

    /// The same, but wider where there is room.
    #[must_use]
    pub const fn up_to(self, most: u16) -> Self {
        Self { most, ..self }
    }

    /// Text that takes what is left, at least `width`.
    pub const fn rest(title: &'static str, width: u16, rank: u8, sort: Option<SortKey>) -> Self {
        Self { title, width, most: width, flexible: true, right: false, rank, sort }
    }
}

/// How the rows are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub key: SortKey,
    /// The greatest first.
    pub descending: bool,
}

impl Order {
    /// Applies the direction.
    pub const fn direct(self, ordering: Ordering) -> Ordering {
        if self.descending { ordering.reverse() } else { ordering }
    }
}

/// Rows, cursor, marks and scroll of one table of objects named by `I`.
#[derive(Clone, Debug)]
pub struct Table<I> {
    rows: Vec<I>,
    total: usize,
    cursor: Option<I>,
    at: usize,
    offset: usize,
    marks: BTreeSet<I>,
    range_from: Option<I>,
    /// The cursor goes with the first row: it was not moved yet.
    leads: bool,
    /// The present order.
    pub order: Order,
    /// Columns of the screen that flexible text is scrolled by.
    pub shift: usize,
}

impl<I: Copy + Ord> Table<I> {
    /// An empty table.
    pub fn new(order: Order) -> Self {
        Self {
            rows: Vec::new(),
            total: 0,
            cursor: None,
            at: 0,
            offset: 0,
            marks: BTreeSet::new(),
            range_from: None,
            leads: false,
            order,
            shift: 0,
        }
    }

    /// An empty one whose cursor goes with the first row until it is moved.
    pub fn leading(order: Order) -> Self {
        Self { leads: true, ..Self::new(order) }
    }

    /// From the next rows on the cursor goes with the first one again.
    pub const fn lead(&mut self) {
        self.leads = true;
    }

    /// Has the cursor go with the first row, or stay where it is; answers what it does now.
    pub fn toggle_lead(&mut self) -> &'static str {
        self.leads = !self.leads;
        if !self.leads {
            return "stays on this row";
        }
        self.go_first();
        "goes with the first row"
    }

    /// Takes the rows in their new order, of `total` before the filter. The cursor stays on its object; if that
    /// is gone, on its place.
    pub fn set_rows(&mut self, rows: Vec<I>, total: usize) {
        let kept = self.cursor.and_then(|cursor| self.find(&rows, cursor));
        self.rows = rows;
        self.total = total;
        self.at = kept.unwrap_or(self.at).min(self.rows.len().saturating_sub(1));
        self.cursor = self.rows.get(self.at).copied();
        if self.leads {
            self.go_first();
        }
    }

    fn go_first(&mut self) {
        (self.at, self.cursor) = (0, self.rows.first().copied());
    }

    /// Most reorderings move a row little: look near its old place first.
    fn find(&self, rows: &[I], wanted: I) -> Option<usize> {
        if rows.get(self.at) == Some(&wanted) {
            return Some(self.at);
        }
        rows.iter().position(|row| *row == wanted)
    }

    /// The objects have other names from now on: cursor and marks go with them, and off those that are no more.
    pub fn rename(&mut self, new: impl Fn(I) -> Option<I>) {
        self.cursor = self.cursor.and_then(&new);
        self.range_from = self.range_from.and_then(&new);
        self.marks = self.marks.iter().filter_map(|mark| new(*mark)).collect();
    }

    /// Drops the marks of objects that are no more.
    pub fn retain_marks(&mut self, exists: impl Fn(&I) -> bool) {
        self.marks.retain(|mark| exists(mark));
    }

    /// The rows, in order.
    pub fn rows(&self) -> &[I] {
        &self.rows
    }

    /// How many there are without the filter.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// The object under the cursor.
    pub const fn cursor(&self) -> Option<I> {
        self.cursor
    }

    /// Its place, from 0.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// The marked objects.
    pub const fn marks(&self) -> &BTreeSet<I> {
        &self.marks
    }

    /// What an action is about: the marked objects, or the one under the cursor.
    pub fn targets(&self) -> Vec<I> {
        if self.marks.is_empty() {
            self.cursor.into_iter().collect()
        } else {
            self.marks.iter().copied().collect()
        }
    }

    /// Puts the cursor on an object, if it is shown.
    pub fn select(&mut self, object: I) {
        if let Some(at) = self.find(&self.rows, object) {
            self.go(at);
        }
    }

    /// Moves to the next row (or the previous one) that `hit` accepts, around the end.
    pub fn seek(&mut self, forward: bool, hit: impl Fn(&I) -> bool) -> bool {
        let count = self.rows.len();
        let found = (1..=count).find_map(|step| {
            let at =
                if forward { (self.at + step) % count } else { (self.at + count - step % count) % count };
            hit(&self.rows[at]).then_some(at)
        });
        if let Some(at) = found {
            self.go(at);
        }
        found.is_some()
    }

    /// Moves the cursor by so many rows.
    pub fn step(&mut self, by: isize) {
        self.go(self.at.saturating_add_signed(by));
    }

    fn go(&mut self, at: usize) {
        self.leads = false;
        self.at = at.min(self.rows.len().saturating_sub(1));
        self.cursor = self.rows.get(self.at).copied();
    }

    /// Takes an action of tables; false if it is none of them. `height` rows are visible.
    pub fn on_action(&mut self, action: Action, height: usize) -> bool {
        let (page, half) = (height.max(1), (height / 2).max(1));
        match action {
            Action::Down => self.go(self.at.saturating_add(1)),
            Action::Up => self.go(self.at.saturating_sub(1)),
            Action::PageDown => self.go(self.at.saturating_add(page)),
            Action::PageUp => self.go(self.at.saturating_sub(page)),
            Action::HalfDown => self.go(self.at.saturating_add(half)),
            Action::HalfUp => self.go(self.at.saturating_sub(half)),
            Action::Top => self.go(0),
            Action::Bottom => self.go(usize::MAX),
            Action::Left => self.shift = self.shift.saturating_sub(8),
            Action::Right => self.shift = (self.shift + 8).min(4_096),
            Action::Mark => self.mark(),
            Action::MarkRange => self.mark_range(),
            Action::MarkAll => self.marks.extend(self.rows.iter().copied()),
            Action::ClearMarks => self.clear_marks(),
            _ => return false,
        }
        self.leads = false;
        self.follow(height);
        true
    }

    /// Sorts by a key; by the same one again in the other direction.
    pub fn sort_by(&mut self, key: SortKey) {
        let numeric = !matches!(key, SortKey::Name | SortKey::User | SortKey::Node | SortKey::State);
        self.order = match self.order {
            Order { key: same, descending } if same == key => Order { key, descending: !descending },
            _ => Order { key, descending: numeric && !matches!(key, SortKey::Pid | SortKey::Rtt) },
        };
    }

    fn mark(&mut self) {
        if let Some(cursor) = self.cursor {
            if !self.marks.remove(&cursor) {
                self.marks.insert(cursor);
            }
            self.go(self.at.saturating_add(1));
        }
    }

    /// The first press notes where the range begins, the second marks up to the cursor.
    fn mark_range(&mut self) {
        let Some(from) = self.range_from.take().and_then(|from| self.find(&self.rows, from)) else {
            self.range_from = self.cursor;
            return;
        };
        let (low, high) = (from.min(self.at), from.max(self.at));
        self.marks.extend(self.rows[low..=high.min(self.rows.len() - 1)].iter().copied());
    }

    /// Whether a range was begun.
    pub const fn is_ranging(&self) -> bool {
        self.range_from.is_some()
    }

    /// Takes every mark off.
    pub fn clear_marks(&mut self) {
        self.marks.clear();
        self.range_from = None;
    }

    /// Scrolls so that the cursor is among the `height` visible rows.
    pub fn follow(&mut self, height: usize) {
        let height = height.max(1);
        if self.at < self.offset {
            self.offset = self.at;
        } else if self.at >= self.offset + height {
            self.offset = self.at + 1 - height;
        }
        self.offset = self.offset.min(self.rows.len().saturating_sub(height));
    }

    /// Puts the cursor on the row that is drawn `line` lines below the heading; whether there is one.
    pub fn press(&mut self, line: usize) -> bool {
        let at = self.offset + line;
        let there = at < self.rows.len();
        if there {
            self.go(at);
        }
        there
    }

    /// The rows that are on the screen, with their places.
    pub fn visible(&self, height: usize) -> impl Iterator<Item = (usize, I)> {
        let end = (self.offset + height).min(self.rows.len());
        (self.offset..end).map(|at| (at, self.rows[at]))
    }
}

/// The text of one cell, and what it is for the eye.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The text, not yet cleaned.
    pub text: String,
    /// Its role.
    pub role: Role,
}

impl Cell {
    /// Ordinary text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Text }
    }

    /// Text in a role.
    pub fn of(text: impl Into<String>, role: Role) -> Self {
        Self { text: text.into(), role }
    }
}

/// What a table looks like besides its rows.
pub struct Look<'a> {
    /// The columns.
    pub columns: &'a [Column],
    /// Said in the middle of an empty table.
    pub empty: &'a str,
    /// Old data: everything is dimmed.
    pub dimmed: bool,
}

/// Draws heading and visible rows.
pub fn draw<I: Copy + Ord>(
    table: &Table<I>,
    look: &Look<'_>,
    cell: impl Fn(I, usize) -> Cell,
    place: (Rect, &Theme),
    buf: &mut Buffer,
) {
    draw_rows(table, look, (cell, Role::Cursor), place, buf);
}

/// The same of a table that keys do not go to: its cursor is a mark alone.
pub fn draw_beside<I: Copy + Ord>(
    table: &Table<I>,
    look: &Look<'_>,
    cell: impl Fn(I, usize) -> Cell,
    place: (Rect, &Theme),
    buf: &mut Buffer,
) {
    draw_rows(table, look, (cell, Role::Dim), place, buf);
}

fn draw_rows<I: Copy + Ord>(
    table: &Table<I>,
    look: &Look<'_>,
    (cell, cursor): (impl Fn(I, usize) -> Cell, Role),
    (area, theme): (Rect, &Theme),
    buf: &mut Buffer,
) {
    let mut painter = Painter { buf, theme };
    if area.height == 0 || area.width == 0 {
        return;
    }
    let slots = slots(look.columns, area.width);
    draw_head(table, look, &slots, area, &mut painter);
    let height = usize::from(area.height - 1);
    if table.rows.is_empty() {
        let x = area.x + area.width.saturating_sub(width(look.empty) as u16) / 2;
        painter.text((x, area.y + 1 + area.height / 3), area.width, look.empty, Role::Dim);
        return;
    }
    for (line, (_, row)) in table.visible(height).enumerate() {
        let y = area.y + 1 + line as u16;
        let marked = table.marks.contains(&row);
        let under = table.cursor == Some(row);
        for slot in &slots {
            let Cell { text, role } = cell(row, slot.column);
            let role = match role {
                _ if look.dimmed => Role::Dim,
                Role::Text if marked => Role::Marked,
                role => role,
            };
            draw_cell(
                &mut painter,
                look.columns[slot.column],
                (area.x + slot.x, y, slot.width),
                (&text, role),
                table.shift,
            );
        }
        if marked {
            painter.text((area.x + 1, y), 1, theme.glyphs.mark, Role::Marked);
        }
        if under {
            let line = Rect { x: area.x, y, width: area.width, height: 1 };
            if cursor == Role::Cursor {
                painter.tint(line, cursor);
            }
            painter.text((area.x, y), 1, theme.glyphs.cursor, cursor);
        }
    }
}

/// The sort key of the heading at column `x` of the table.
pub fn sort_at(columns: &[Column], total: u16, x: u16) -> Option<SortKey> {
    let slot = slots(columns, total).into_iter().find(|slot| (slot.x..slot.x + slot.width).contains(&x))?;
    columns[slot.column].sort
}

#[cfg(test)]
mod tests;
