//! What a terminal has to be sent so that it shows what a shell has shown so far.
//!
//! The tail of a ring enters and is played to a terminal without a screen; the lines that scrolled out of it leave,
//! then the screen with its modes and its cursor. Only text and its looks get through: a question to the terminal
//! (DA, DSR, OSC) that a program once asked would be answered by the operator's own, into the shell. This computes
//! for some ten milliseconds: never on the runtime of the mesh.

use std::panic::{AssertUnwindSafe, catch_unwind};

use p2p_shared::services::shell::ShellSize;
use vt100::{Cell, Color, Parser, Screen};

use super::ring::Tail;

/// Lines that are shown beyond the screen.
const LINES_MAX: usize = 10_000;
/// Characters of all of them, of 32 bytes each while they are made.
const CELLS_MAX: usize = 1 << 20;
/// A wide character needs this much room, or the parser fails.
const COLUMNS_MIN: u16 = 2;
/// The same for lines that wrap.
const ROWS_MIN: u16 = 2;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether a program draws on all of the screen: it knows better what stands there.
    pub is_full_screen: bool,
}

/// Makes the bytes for a terminal whose cursor is at the start of a line, and whose size is that of the shell's.
///
/// What is played is whatever a program wrote: where the parser fails over it all the same, the screen is empty.
pub fn rendered(tail: &Tail) -> Rendered {
    catch_unwind(AssertUnwindSafe(|| shown(tail))).unwrap_or_else(|_| {
        tracing::warn!("the screen of a shell cannot be made of what it wrote");
        blank(tail)
    })
}

fn shown(tail: &Tail) -> Rendered {
    let mut parser = played(tail);
    let is_full_screen = parser.screen().alternate_screen();
    let mut bytes = Vec::new();
    if is_full_screen {
        let drawn = parser.screen().state_formatted();
        // Below it lies what the shell showed before, which comes back when the program ends.
        parser.process(b"\x1b[?47l");
        history(parser.screen_mut(), &mut bytes);
        bytes.extend(parser.screen().contents_formatted());
        bytes.extend(b"\x1b[?1049h");
        bytes.extend(drawn);
    } else {
        history(parser.screen_mut(), &mut bytes);
        bytes.extend(parser.screen().state_formatted());
    }
    bytes.extend(tail.modes_now.beside_the_screen());
    Rendered { bytes, is_full_screen }
}

/// What is sent where nothing can be made of the tail: an empty screen.
fn blank(tail: &Tail) -> Rendered {
    let mut bytes = b"\x1b[m\x1b[H\x1b[J".to_vec();
    bytes.extend(tail.modes_now.sequence());
    Rendered { bytes, is_full_screen: true }
}

fn played(tail: &Tail) -> Parser {
    let widest = tail.sizes.iter().map(|resize| usize::from(resize.size.columns)).max().unwrap_or(1);
    let lines = LINES_MAX.min(CELLS_MAX / widest.max(1));
    let mut sizes = tail.sizes.iter().copied().peekable();
    let mut size = ShellSize::default();
    while let Some(resize) = sizes.next_if(|resize| resize.at <= tail.begin) {
        size = resize.size;
    }
    let mut parser = Parser::new(size.rows.max(ROWS_MIN), size.columns.max(COLUMNS_MIN), lines);
    parser.process(&tail.modes.sequence());
    let mut done = 0;
    for resize in sizes {
        let at = usize::try_from(resize.at - tail.begin).unwrap_or(usize::MAX).min(tail.bytes.len());
        parser.process(&tail.bytes[done..at]);
        done = at;
        resized(&mut parser, resize.size);
    }
    parser.process(&tail.bytes[done..]);
    parser
}

/// Another size, as terminals take it, on both screens.
fn resized(parser: &mut Parser, size: ShellSize) {
    let size = ShellSize { rows: size.rows.max(ROWS_MIN), columns: size.columns.max(COLUMNS_MIN) };
    prepare(parser, size);
    if parser.screen().alternate_screen() {
        parser.process(b"\x1b[?47l");
        prepare(parser, size);
        parser.process(b"\x1b[?47h");
    }
    parser.screen_mut().set_size(size.rows, size.columns);
}

/// A terminal that gets lower loses lines at its top, where the parser would lose them at its bottom; and a wide
/// character that loses its right half has to go, or the parser fails at the next one there.
fn prepare(parser: &mut Parser, size: ShellSize) {
    let (row, column) = parser.screen().cursor_position();
    let screen = parser.screen();
    let is_cut = |row: &u16| screen.cell(*row, size.columns - 1).is_some_and(Cell::is_wide);
    let cut: Vec<u16> = (0..screen.size().0).filter(is_cut).collect();
    for row in &cut {
        parser.process(format!("\x1b[{};{}H\x1b[2X", row + 1, size.columns).as_bytes());
    }
    if !cut.is_empty() {
        parser.process(format!("\x1b[{};{}H", row + 1, column + 1).as_bytes());
    }
    if let Some(surplus) = (row + 1).checked_sub(size.rows).filter(|surplus| *surplus > 0) {
        parser.process(format!("\x1b[{surplus}S\x1b[{surplus}A").as_bytes());
    }
}

/// The lines that scrolled out, pushed out of sight in the terminal that gets them too.
fn history(screen: &mut Screen, bytes: &mut Vec<u8>) {
    let (rows, columns) = screen.size();
    screen.set_scrollback(usize::MAX);
    let mut left = screen.scrollback();
    if left == 0 {
        return;
    }
    bytes.extend(b"\x1b[m");
    while left > 0 {
        screen.set_scrollback(left);
        let count = left.min(usize::from(rows));
        for row in 0..u16::try_from(count).unwrap_or(rows) {
            line(screen, (row, columns), bytes);
        }
        left -= count;
    }
    screen.set_scrollback(0);
    for _ in 1..rows {
        bytes.extend(b"\r\n");
    }
}

/// One line, without what is blank at its end; one that went on in the next row does so again.
fn line(screen: &Screen, (row, columns): (u16, u16), bytes: &mut Vec<u8>) {
    let cells = || (0..columns).filter_map(|column| screen.cell(row, column));
    let is_seen = |cell: &Cell| cell.has_contents() || cell.bgcolor() != Color::Default || cell.inverse();
    let length = cells().enumerate().filter(|(_, cell)| is_seen(cell)).map(|(at, _)| at + 1).last();
    let mut looks = Looks::default();
    for cell in cells().take(length.unwrap_or(0)).filter(|cell| !cell.is_wide_continuation()) {
        let own = Looks::of(cell);
        if own != looks {
            bytes.extend(own.sequence().bytes());
            looks = own;
        }
        let text = cell.contents();
        bytes.extend(if text.is_empty() { " " } else { text }.bytes());
    }
    if looks != Looks::default() {
        bytes.extend(b"\x1b[m");
    }
    if !(screen.row_wrapped(row) && length == Some(usize::from(columns))) {
        bytes.extend(b"\r\n");
    }
}

/// How a character looks.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Looks {
    foreground: Color,
    background: Color,
    /// Bold, dim, italic, underlined, inverse: their numbers in a sequence, 0 for not.
    marks: [u8; 5],
}

impl Looks {
    fn of(cell: &Cell) -> Self {
        let mark = |is_so: bool, number: u8| if is_so { number } else { 0 };
        let marks = [
            mark(cell.bold(), 1),
            mark(cell.dim(), 2),
            mark(cell.italic(), 3),
            mark(cell.underline(), 4),
            mark(cell.inverse(), 7),
        ];
        Self { foreground: cell.fgcolor(), background: cell.bgcolor(), marks }
    }

    fn sequence(&self) -> String {
        let mut text = "\x1b[0".to_owned();
        for mark in self.marks.into_iter().filter(|mark| *mark != 0) {
            text.push_str(&format!(";{mark}"));
        }
        for (base, colour) in [(30_u16, self.foreground), (40, self.background)] {
            match colour {
                Color::Default => {}
                Color::Idx(index @ 0..=7) => text.push_str(&format!(";{}", base + u16::from(index))),
                Color::Idx(index @ 8..=15) => text.push_str(&format!(";{}", base + 52 + u16::from(index))),
                Color::Idx(index) => text.push_str(&format!(";{};5;{index}", base + 8)),
                Color::Rgb(red, green, blue) => {
                    text.push_str(&format!(";{};2;{red};{green};{blue}", base + 8));
                }
            }
        }
        text.push('m');
        text
    }
}

#[cfg(test)]
mod tests;
