//! Putting text on the screen: clipped, cleaned, and in the style of a role.
//!
//! Every text that a remote machine named comes through here, and so through `format::clean`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::format::{clean, fit, width};
use crate::theme::{Role, Theme};

/// A buffer, and the theme to draw with.
pub struct Painter<'a> {
    /// The cells.
    pub buf: &'a mut Buffer,
    /// Styles and characters.
    pub theme: &'a Theme,
}

impl Painter<'_> {
    /// Writes text at a place, in at most `columns`; what does not fit is cut with a mark. Answers the columns
    /// used.
    pub fn text(&mut self, at: (u16, u16), columns: u16, text: &str, role: Role) -> u16 {
        let style = self.theme.style(role);
        self.styled(at, columns, text, style)
    }

    /// The same in a style that is put together.
    pub fn styled(&mut self, (x, y): (u16, u16), columns: u16, text: &str, style: Style) -> u16 {
        let area = self.buf.area;
        if y < area.top() || y >= area.bottom() || x >= area.right() {
            return 0;
        }
        let columns = columns.min(area.right() - x);
        let text = clean(text);
        let shown = fit(&text, usize::from(columns), self.theme.glyphs.ellipsis);
        self.buf.set_stringn(x, y, &shown, usize::from(columns), style);
        width(&shown) as u16
    }

    /// Writes text so that it ends at the right edge of `columns`.
    pub fn right(&mut self, (x, y): (u16, u16), columns: u16, text: &str, role: Role) {
        let text = clean(text);
        let taken = (width(&text) as u16).min(columns);
        self.text((x + (columns - taken), y), taken, &text, role);
    }

    /// Pieces of text one after the other on one line; stops at the right edge.
    pub fn line(&mut self, (x, y): (u16, u16), columns: u16, pieces: &[(&str, Role)]) -> u16 {
        let mut used = 0;
        for (text, role) in pieces {
            if used >= columns {
                break;
            }
            used += self.text((x + used, y), columns - used, text, *role);
        }
        used
    }

    /// Gives all cells of an area the style of a role.
    pub fn tint(&mut self, area: Rect, role: Role) {
        let area = area.intersection(self.buf.area);
        self.buf.set_style(area, self.theme.style(role));
    }

    /// Empties an area, in the style of ordinary text.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buf.area);
        let style = self.theme.style(Role::Text);
        for position in area.positions() {
            self.buf[position].reset();
            self.buf[position].set_style(style);
        }
    }

    /// A box with a title; answers its inside. Too small an area gets no box and no inside.
    pub fn frame(&mut self, area: Rect, title: &str) -> Rect {
        self.clear(area);
        if area.width < 4 || area.height < 3 {
            return Rect { width: 0, height: 0, ..area };
        }
        let [top_left, top_right, bottom_left, bottom_right, across, down] = self.theme.glyphs.frame;
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        for x in area.left() + 1..right {
            self.text((x, area.top()), 1, across, Role::Border);
            self.text((x, bottom), 1, across, Role::Border);
        }
        for y in area.top() + 1..bottom {
            self.text((area.left(), y), 1, down, Role::Border);
            self.text((right, y), 1, down, Role::Border);
        }
        for (glyph, at) in [
            (top_left, (area.left(), area.top())),
            (top_right, (right, area.top())),
            (bottom_left, (area.left(), bottom)),
            (bottom_right, (right, bottom)),
        ] {
            self.text(at, 1, glyph, Role::Border);
        }
        if !title.is_empty() {
            self.text((area.left() + 2, area.top()), area.width - 4, &format!(" {title} "), Role::Title);
        }
        Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 }
    }

    /// A gauge of `columns` cells for a share of 0 to 1.
    pub fn gauge(&mut self, at: (u16, u16), columns: u16, ratio: f32, role: Role) {
        let [full, empty] = self.theme.glyphs.gauge;
        let share = if ratio.is_finite() { ratio.clamp(0.0, 1.0) } else { 0.0 };
        let filled = (f32::from(columns) * share).round() as u16;
        for cell in 0..columns {
            let (glyph, role) = if cell < filled { (full, role) } else { (empty, Role::Dim) };
            self.text((at.0 + cell, at.1), 1, glyph, role);
        }
    }

    /// The last values as a line of bars, the newest at the right; `values` are shares of 0 to 1, oldest first.
    pub fn spark(&mut self, (x, y): (u16, u16), columns: u16, values: &[f32], role: Role) {
        let shown = &values[values.len().saturating_sub(usize::from(columns))..];
        let start = columns - shown.len() as u16;
        for (index, value) in shown.iter().enumerate() {
            let share = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
            // The lowest bar, not a blank, stands for nothing: one sees that there was a sample.
            let height = ((share * 8.0).ceil() as usize).clamp(1, 8);
            self.text((x + start + index as u16, y), 1, self.theme.glyphs.bars[height], role);
        }
    }
}
