//! Points to rows of characters: each dot column of a chart gets the highest value that fell into it. Pure.

use ratatui::layout::Rect;

use super::{Point, Window};
use crate::theme::{Glyphs, Theme};

/// Dots of a braille cell, down.
const DOTS_DOWN: usize = 4;
/// Bits of a braille cell's left and right dots, from the top.
const BITS: [[u32; DOTS_DOWN]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const BRAILLE: u32 = 0x2800;

/// From which edge an area is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grow {
    Up,
    Down,
}

/// One series, ready to be drawn.
pub(super) struct Plot<'a> {
    points: &'a [Point],
    window: Window,
    ceiling: f64,
    glyphs: Glyphs,
}

impl<'a> Plot<'a> {
    pub(super) fn new(points: &'a [Point], window: Window, ceiling: f64, theme: &Theme) -> Self {
        Self { points, window, ceiling, glyphs: theme.glyphs }
    }

    /// Whether the terminal draws no more than ASCII.
    fn is_ascii(&self) -> bool {
        self.glyphs.bars[8].is_ascii()
    }

    /// All rows of an area from its top, each with the share of the ceiling at which it ends.
    pub(super) fn rows(&self, area: Rect, grow: Grow) -> Vec<(String, f32)> {
        let ascii = self.is_ascii();
        let (across, down) = if ascii { (1, 8) } else { (2, DOTS_DOWN) };
        let values = columns(self.points, self.window, usize::from(area.width) * across);
        let tall = usize::from(area.height) * down;
        let heights: Vec<Option<usize>> = values.into_iter().map(|value| self.height(value?, tall)).collect();
        let rows = 0..usize::from(area.height);
        rows.map(|row| {
            // Counted from the edge that the area grows from.
            let from_edge = match grow {
                Grow::Up => usize::from(area.height) - 1 - row,
                Grow::Down => row,
            };
            let text = heights.chunks(across).map(|cell| {
                let filled = |column: usize| {
                    let height = cell.get(column).copied().flatten().unwrap_or(0);
                    height.saturating_sub(from_edge * down).min(down)
                };
                if ascii {
                    self.glyphs.bars[filled(0)].to_owned()
                } else {
                    braille([filled(0), filled(1)], grow)
                }
            });
            (text.collect(), (from_edge + 1) as f32 / f32::from(area.height))
        })
        .collect()
    }

    /// In dots; a measured nothing is one dot, for it is no gap.
    fn height(&self, value: f64, tall: usize) -> Option<usize> {
        let share = (value / self.ceiling).clamp(0.0, 1.0);
        value.is_finite().then(|| ((share * tall as f64).round() as usize).max(1))
    }
}

fn braille(filled: [usize; 2], grow: Grow) -> String {
    let mut bits = 0;
    for (column, count) in filled.into_iter().enumerate() {
        for dot in 0..count {
            let down = match grow {
                Grow::Up => DOTS_DOWN - 1 - dot,
                Grow::Down => dot,
            };
            bits |= BITS[column][down];
        }
    }
    let cell = if bits == 0 { ' ' } else { char::from_u32(BRAILLE + bits).unwrap_or(' ') };
    cell.to_string()
}

/// The highest value in each of `count` equal pieces of the window; a value is held until the next one, but not
/// across a gap.
pub(super) fn columns(points: &[Point], window: Window, count: usize) -> Vec<Option<f64>> {
    let mut out = vec![None; count];
    let (end, span) = (i128::from(window.end.0), i128::from(window.span.0.max(1)));
    // The clock may be younger than the window is long: its left edge then lies before zero.
    let place = |at: i128| ((at + span - end).max(0) * count as i128 / span) as usize;
    for (index, (at, value)) in points.iter().enumerate() {
        let begins = i128::from(at.0);
        let next = points.get(index + 1).map_or(end + 1, |(next, _)| i128::from(next.0));
        let ends = next.min(begins + i128::from(window.gap.0)).min(end + 1);
        if !value.is_finite() || ends <= end - span || begins > end {
            continue;
        }
        let first = place(begins).min(count.saturating_sub(1));
        // At least its own column, and those until the next value begins its own.
        let last = place(ends).clamp(first + 1, count.max(first + 1));
        for slot in out.iter_mut().take(last).skip(first) {
            *slot = Some(slot.map_or(*value, |other: f64| other.max(*value)));
        }
    }
    out
}
