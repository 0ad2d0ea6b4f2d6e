//! A screen as text: what a snapshot holds. The rows, and one hash over how they are styled.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::app::State;
use crate::view;

/// Draws the state and writes the screen as text: its rows without trailing blanks, then `style HASH`.
pub fn screen(state: &State, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    view::draw(state, area, &mut buffer);
    painted(&buffer)
}

/// A buffer as text, likewise.
pub fn painted(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area().width);
    let mut text = String::new();
    for row in buffer.content().chunks(width.max(1)) {
        text.push_str(row_text(row).trim_end());
        text.push('\n');
    }
    text.push_str(&format!("style {:016x}\n", fnv1a(style_runs(buffer.content()).as_bytes())));
    text
}

/// The symbols of a row; the cells that a wide one covers are left out.
fn row_text(row: &[Cell]) -> String {
    let mut text = String::new();
    let mut column = 0;
    while let Some(cell) = row.get(column) {
        text.push_str(cell.symbol());
        column += cell.symbol().width().max(1);
    }
    text
}

/// Runs of equally styled cells, in the order of reading.
fn style_runs(cells: &[Cell]) -> String {
    let same =
        |one: &Cell, other: &Cell| (one.fg, one.bg, one.modifier) == (other.fg, other.bg, other.modifier);
    let runs = cells.chunk_by(same).map(|run| {
        let cell = &run[0];
        format!("{}/{}/{:x}*{};", cell.fg, cell.bg, cell.modifier.bits(), run.len())
    });
    runs.collect()
}

/// FNV-1a over 64 bits.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
