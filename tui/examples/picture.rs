//! Draws a screen of a terminal as SVG: what `tmux capture-pane -e -p` prints goes in, a picture comes out.
//!
//! `picture COLUMNS ROWS < screen > picture.svg`. Used by `scripts/pictures.sh` for the pictures of README.

use std::fmt::Write as _;
use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;

use vt100::{Cell, Color, Parser, Screen};

/// A cell, in pixels, and the room around the screen.
const WIDTH: f32 = 8.4;
const HEIGHT: f32 = 18.0;
const MARGIN: f32 = 12.0;
const BASELINE: f32 = 13.5;
const FOREGROUND: &str = "#d8dee9";
const BACKGROUND: &str = "#14171c";
/// The sixteen colours of a terminal.
const PALETTE: [&str; 16] = [
    "#3b4252", "#bf616a", "#a3be8c", "#ebcb8b", "#81a1c1", "#b48ead", "#88c0d0", "#d8dee9", "#616e88",
    "#d08770", "#b9d29f", "#f2d9a0", "#9ab8d6", "#c7a3c4", "#a3d6e0", "#eceff4",
];

fn main() -> ExitCode {
    let sizes: Vec<u16> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [columns, rows] = sizes[..] else {
        eprintln!("usage: picture COLUMNS ROWS < screen > picture.svg");
        return ExitCode::from(2);
    };
    let mut bytes = Vec::new();
    let mut parser = Parser::new(rows, columns, 0);
    let done = stdin().read_to_end(&mut bytes).and_then(|_| {
        // A capture ends its lines as a file does.
        for line in bytes.split(|byte| *byte == b'\n').take(usize::from(rows)).enumerate() {
            let (at, text) = line;
            parser.process(format!("\x1b[{};1H", at + 1).as_bytes());
            parser.process(text);
        }
        stdout().write_all(svg(parser.screen()).as_bytes())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("picture: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The screen: first the grounds of all cells that have one, then the texts.
fn svg(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (width, height) =
        (f32::from(columns).mul_add(WIDTH, 2.0 * MARGIN), f32::from(rows).mul_add(HEIGHT, 2.0 * MARGIN));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-size=\"14\" \
         font-family=\"'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for row in 0..rows {
        let runs = runs(screen, row);
        for run in &runs {
            let (x, y) = place(row, run.column);
            let wide = run.width * WIDTH;
            if run.style.ground != BACKGROUND {
                let ground = &run.style.ground;
                let _ = writeln!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{HEIGHT}\" fill=\"{ground}\"/>"
                );
            }
        }
        for run in runs.iter().filter(|run| !run.text.trim().is_empty()) {
            let (x, y) = place(row, run.column);
            let wide = run.width * WIDTH;
            let Style { ink, bold, underlined, dim, .. } = &run.style;
            let weight = if *bold { " font-weight=\"bold\"" } else { "" };
            let line = if *underlined { " text-decoration=\"underline\"" } else { "" };
            let faint = if *dim { " opacity=\"0.6\"" } else { "" };
            let text = escaped(&run.text);
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" fill=\"{ink}\"{weight}{line}{faint}>{text}</text>",
                y + BASELINE
            );
        }
    }
    out + "</svg>\n"
}

fn place(row: u16, column: u16) -> (f32, f32) {
    (f32::from(column).mul_add(WIDTH, MARGIN), f32::from(row).mul_add(HEIGHT, MARGIN))
}

#[derive(Clone, PartialEq, Eq)]
struct Style {
    ink: String,
    ground: String,
    bold: bool,
    dim: bool,
    underlined: bool,
}

/// Cells beside each other that look alike.
struct Run {
    column: u16,
    width: f32,
    style: Style,
    text: String,
}

fn runs(screen: &Screen, row: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..screen.size().1 {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        let (style, width) = (style(cell), if cell.is_wide() { 2.0 } else { 1.0 });
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some(last) if last.style == style => {
                last.text += text;
                last.width += width;
            }
            _ => runs.push(Run { column, width, style, text: text.to_owned() }),
        }
    }
    runs
}

fn style(cell: &Cell) -> Style {
    let (ink, ground) = (colour(cell.fgcolor(), FOREGROUND), colour(cell.bgcolor(), BACKGROUND));
    let (ink, ground) = if cell.inverse() { (ground, ink) } else { (ink, ground) };
    Style { ink, ground, bold: cell.bold(), dim: cell.dim(), underlined: cell.underline() }
}

fn colour(colour: Color, usual: &str) -> String {
    match colour {
        Color::Default => usual.to_owned(),
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        Color::Idx(index) => match PALETTE.get(usize::from(index)) {
            Some(colour) => (*colour).to_owned(),
            None => indexed(index),
        },
    }
}

/// The 6 by 6 by 6 cube and the greys of xterm's 256 colours.
fn indexed(index: u8) -> String {
    if let Some(grey) = index.checked_sub(232) {
        let level = 8 + 10 * grey;
        return format!("#{level:02x}{level:02x}{level:02x}");
    }
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    let cube = index.saturating_sub(16);
    format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6))
}

fn escaped(text: &str) -> String {
    // Spaces at the ends and beside each other would be lost.
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}
