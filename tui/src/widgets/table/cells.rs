//! Cells and headings of a table, drawn at their places.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::slots::{GAP, GUTTER, Slot};
use super::{Column, Look, Table};
use crate::format::width;
use crate::theme::Role;
use crate::widgets::paint::Painter;

/// One cell.
pub(super) fn draw_cell(
    painter: &mut Painter<'_>,
    column: Column,
    (x, y, columns): (u16, u16, u16),
    (text, role): (&str, Role),
    shift: usize,
) {
    if column.right {
        painter.right((x, y), columns, text, role);
    } else if column.flexible && shift > 0 {
        let text = crate::format::clean(text);
        painter.text((x, y), columns, crate::format::tail_from(&text, shift), role);
    } else {
        painter.text((x, y), columns, text, role);
    }
}

/// The headings, with a mark on the one that sorts.
pub(super) fn draw_head<I: Copy + Ord>(
    table: &Table<I>,
    look: &Look<'_>,
    slots: &[Slot],
    area: Rect,
    painter: &mut Painter<'_>,
) {
    for slot in slots {
        let column = look.columns[slot.column];
        let sorted = column.sort == Some(table.order.key);
        let role = if sorted { Role::Sorted } else { Role::Head };
        let mark = painter.theme.glyphs.sort[usize::from(table.order.descending)];
        let title = if sorted { format!("{}{mark}", column.title) } else { column.title.to_owned() };
        let at = (area.x + slot.x, area.y);
        // A heading may lean into the gap on its left rather than lose its mark.
        match (column.right, width(&title) as u16 > slot.width && slot.x > GUTTER) {
            (true, true) => painter.right((at.0 - GAP, at.1), slot.width + GAP, &title, role),
            (true, false) => painter.right(at, slot.width, &title, role),
            (false, _) => {
                painter.text(at, slot.width, &title, role);
            }
        }
    }
    let style = painter.theme.style(Role::Head).add_modifier(Modifier::empty());
    painter.buf.set_style(Rect { height: 1, ..area }, style);
    for slot in slots.iter().filter(|slot| look.columns[slot.column].sort == Some(table.order.key)) {
        let area = Rect { x: area.x + slot.x, y: area.y, width: slot.width, height: 1 };
        painter.tint(area, Role::Sorted);
    }
}
