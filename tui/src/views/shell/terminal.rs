//! The screen of a remote shell: bytes enter, cells and answers leave. Pure; a vt100 holds the screen.

use std::fmt;

use p2p_shared::id::NodeId;
use p2p_shared::services::shell::{SEEN_BYTES, ShellExit, ShellInfo, ShellItem, ShellSize};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use tui_term::widget::{Cursor, PseudoTerminal};
use vt100::{Callbacks, Cell, Parser, Screen};

use super::keys;
use crate::command::TerminalId;
use crate::event::{Key, ShellSaid};
use crate::fleet::Fleet;
use crate::format::{clean, head, is_hostile, width};
use crate::theme::{Role, Theme};
use crate::views::observed::say;
use crate::widgets::paint::Painter;

/// Lines that a notice over the screen takes at most.
const NOTICE_LINES_MAX: usize = 4;
/// Columns of what the line of terminals says of one.
const NAME_COLUMNS: usize = 16;
/// Lines that can be scrolled back to.
const SCROLLBACK_LINES: usize = 1_000;
/// Answers to a program's questions that are kept at a time.
const ANSWER_BYTES_MAX: usize = 1_024;
/// The least of a terminal: less makes no sense to any program.
const SIDE_MIN: u16 = 2;

/// How far it is with its shell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// It is opened, or attached to.
    Waiting,
    /// It shows what the shell shows, and keys go there.
    Attached,
    /// The line broke, for this reason; it is taken up again.
    Broken(String),
    /// There is no more; why.
    Over(String),
}

/// A terminal on the screen.
pub(crate) struct Terminal {
    pub(crate) id: TerminalId,
    pub(crate) node: NodeId,
    pub(crate) stage: Stage,
    pub(crate) size: ShellSize,
    /// It wrote something while another one was shown.
    pub(crate) unseen: bool,
    shell: Option<ShellInfo>,
    parser: Parser<Answers>,
    /// Bytes of output that were shown since it was attached to, and how many of them the node knows of.
    shown: u64,
    told: u64,
    scrolled: usize,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("id", &self.id).field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// What comes of what a shell says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reaction {
    /// Answers to questions that a program asked its terminal.
    pub(crate) answer: Vec<u8>,
    /// The node should know that so many bytes were shown.
    pub(crate) seen: Option<u64>,
}

/// Answers what a terminal is asked: who it is, whether it is well, where its cursor is. Nothing else of it is told,
/// and the clipboard, the title and the size of the window are not for a remote program.
#[derive(Debug, Default)]
struct Answers(Vec<u8>);

impl Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut Screen,
        first: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        last: char,
    ) {
        let asked = params.first().and_then(|param| param.first()).copied().unwrap_or(0);
        let answer = match (first, asked, last) {
            (None, 0, 'c') => "\u{1b}[?62;22c".to_owned(),
            (Some(b'>'), 0, 'c') => "\u{1b}[>0;0;0c".to_owned(),
            (None, 5, 'n') => "\u{1b}[0n".to_owned(),
            (None, 6, 'n') => {
                let (row, column) = screen.cursor_position();
                format!("\u{1b}[{};{}R", row.saturating_add(1), column.saturating_add(1))
            }
            _ => return,
        };
        if self.0.len() + answer.len() <= ANSWER_BYTES_MAX {
            self.0.extend_from_slice(answer.as_bytes());
        }
    }
}

/// The size of a terminal that fills an area.
pub(crate) fn size_of(area: Rect) -> ShellSize {
    ShellSize { rows: area.height.max(SIDE_MIN), columns: area.width.max(SIDE_MIN) }.clamped()
}

fn parser(size: ShellSize) -> Parser<Answers> {
    Parser::new_with_callbacks(size.rows, size.columns, SCROLLBACK_LINES, Answers::default())
}

/// Another size, as terminals take it, on both screens.
fn resize(parser: &mut Parser<Answers>, size: ShellSize) {
    prepare(parser, size);
    if parser.screen().alternate_screen() {
        parser.process(b"\x1b[?47l");
        prepare(parser, size);
        parser.process(b"\x1b[?47h");
    }
    parser.screen_mut().set_size(size.rows, size.columns);
}

/// A terminal that gets lower loses lines at its top, where the parser would lose them at its bottom; and a wide
/// character that would lose its right half has to go, or the parser fails at the next one there.
fn prepare(parser: &mut Parser<Answers>, size: ShellSize) {
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

impl Terminal {
    pub(crate) fn new(id: TerminalId, node: NodeId, size: ShellSize) -> Self {
        Self {
            id,
            node,
            stage: Stage::Waiting,
            size,
            unseen: false,
            shell: None,
            parser: parser(size),
            shown: 0,
            told: 0,
            scrolled: 0,
        }
    }

    /// What its shell said, or the line to it.
    pub(crate) fn hear(&mut self, said: ShellSaid) -> Reaction {
        match said {
            ShellSaid::Item(item) => self.item(item),
            ShellSaid::Lost { error, again } => {
                let text = error.message;
                self.stage = if again { Stage::Broken(text) } else { Stage::Over(text) };
                Reaction::default()
            }
        }
    }

    fn item(&mut self, item: ShellItem) -> Reaction {
        match item {
            ShellItem::Attached(info) => {
                // What comes now is for a terminal that was cleared.
                self.parser = parser(self.size);
                (self.shown, self.told, self.scrolled) = (0, 0, 0);
                self.shell = Some(*info);
                self.stage = Stage::Attached;
            }
            ShellItem::Scrollback(bytes) => {
                self.parser.process(&bytes);
                self.parser.callbacks_mut().0.clear();
            }
            ShellItem::Output(bytes) => return self.output(&bytes),
            // The screen here stays as large as it is: what another one's draws wider is cut.
            ShellItem::Resized(_) => {}
            ShellItem::Exit(exit) => self.stage = Stage::Over(ended(&exit)),
            ShellItem::Lagged => self.stage = Stage::Broken("it wrote faster than was read".to_owned()),
        }
        Reaction::default()
    }

    fn output(&mut self, bytes: &[u8]) -> Reaction {
        self.parser.process(bytes);
        self.shown += bytes.len() as u64;
        let seen = (self.shown - self.told >= SEEN_BYTES).then_some(self.shown);
        self.told = seen.unwrap_or(self.told);
        Reaction { answer: std::mem::take(&mut self.parser.callbacks_mut().0), seen }
    }

    /// Whether it fills another area now.
    pub(crate) fn fit(&mut self, area: Rect) -> bool {
        let size = size_of(area);
        if size == self.size {
            return false;
        }
        self.size = size;
        self.scroll_to(0);
        resize(&mut self.parser, size);
        true
    }

    /// The bytes of a key; the screen goes back to where things happen.
    pub(crate) fn type_key(&mut self, key: Key) -> Vec<u8> {
        self.scroll_to(0);
        keys::bytes(key, self.parser.screen().application_cursor())
    }

    /// The bytes of a paste: in brackets where the program asked for them, and then without any that end them.
    pub(crate) fn type_paste(&mut self, text: &str) -> Vec<u8> {
        self.scroll_to(0);
        if !self.parser.screen().bracketed_paste() {
            return text.replace("\r\n", "\r").replace('\n', "\r").into_bytes();
        }
        let text = text.replace('\u{1b}', "");
        format!("\u{1b}[200~{text}\u{1b}[201~").into_bytes()
    }

    /// Scrolls back by lines, or forth.
    pub(crate) fn scroll(&mut self, lines: usize, back: Direction) {
        let to = match back {
            Direction::Back => self.scrolled.saturating_add(lines),
            Direction::Forth => self.scrolled.saturating_sub(lines),
        };
        self.scroll_to(to);
    }

    fn scroll_to(&mut self, lines: usize) {
        self.parser.screen_mut().set_scrollback(lines);
        self.scrolled = self.parser.screen().scrollback();
    }

    /// What it is called on its node, once that is known.
    pub(crate) fn shell_id(&self) -> Option<&str> {
        self.shell.as_ref().map(|shell| shell.id.as_str())
    }

    /// Whether nothing more comes of it.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// What runs in it, or how it ended, in a word or two.
    pub(super) fn what(&self) -> String {
        let command = self.shell.as_ref().and_then(|shell| shell.command.first());
        let program = command
            .map_or("shell", |command| command.rsplit('/').next().unwrap_or(command).trim_start_matches('-'));
        let program = head(program, NAME_COLUMNS);
        match &self.stage {
            Stage::Waiting => format!("{program}: waiting"),
            Stage::Attached => program.to_owned(),
            Stage::Broken(_) => format!("{program}: cut off"),
            Stage::Over(why) => {
                // `exit 3` and the like; the rest is said over its screen.
                let how = why.split(',').next().filter(|how| width(how) <= NAME_COLUMNS);
                format!("{program}: {}", how.unwrap_or("over"))
            }
        }
    }

    pub(super) fn title(&self, fleet: &Fleet) -> String {
        let node = fleet.name_of(self.node);
        match &self.shell {
            Some(shell) => format!("{} of {} on {node}", shell.id, shell.user),
            None => format!("shell on {node}"),
        }
    }

    pub(super) fn status(&self) -> String {
        let recorded = self.shell.as_ref().is_some_and(|shell| shell.is_recorded);
        let mut parts = Vec::new();
        if recorded {
            parts.push("recorded".to_owned());
        }
        if self.scrolled > 0 {
            parts.push(format!("{} lines back", self.scrolled));
        }
        parts.join(", ")
    }

    /// Where its cursor stands in an area; `None` while there is none to be seen.
    pub(crate) fn cursor(&self, area: Rect) -> Option<(u16, u16)> {
        let screen = self.parser.screen();
        if self.stage != Stage::Attached || self.scrolled > 0 || screen.hide_cursor() {
            return None;
        }
        let (row, column) = screen.cursor_position();
        let at =
            (area.x.saturating_add(column.min(area.width.saturating_sub(1))), area.y.saturating_add(row));
        (row < area.height).then_some(at)
    }

    pub(super) fn draw(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        paint(self.parser.screen(), theme, area, buf);
        let mut painter = Painter { buf, theme };
        match &self.stage {
            Stage::Waiting => say(&mut painter, area, "opening the shell", Role::Dim),
            Stage::Attached => {}
            Stage::Broken(why) => {
                notice(&mut painter, area, &format!("the line broke: {why}; it is taken up again"));
            }
            Stage::Over(why) => notice(&mut painter, area, &format!("the shell is over: {why}")),
        }
    }
}

/// Draws the cells of a screen into an area, and nothing of it that could be a sequence of control characters.
pub(super) fn paint(screen: &Screen, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    let shown = PseudoTerminal::new(screen).cursor(Cursor::default().visibility(false));
    shown.render(area, buf);
    let plain = theme.style(Role::Text);
    for position in area.positions() {
        let cell = &mut buf[position];
        if cell.symbol().chars().any(is_hostile) {
            cell.set_symbol(" ");
        }
        if theme.is_colourless() {
            let modifier = cell.modifier;
            cell.set_style(plain);
            cell.modifier = modifier;
        }
    }
}

/// Says something over the last lines of an area, in as many as it takes.
fn notice(painter: &mut Painter<'_>, area: Rect, text: &str) {
    let text = clean(text);
    let columns = usize::from(area.width.saturating_sub(1)).max(1);
    let mut lines: Vec<&str> = Vec::new();
    let mut rest = text.as_ref();
    while !rest.is_empty() && lines.len() < NOTICE_LINES_MAX {
        let part = head(rest, columns);
        let whole = part.len() == rest.len() || part.is_empty();
        let end = if whole { rest.len() } else { part.rfind(' ').map_or(part.len(), |at| at + 1) };
        lines.push(&rest[..end]);
        rest = &rest[end..];
    }
    let top = area.bottom().saturating_sub(lines.len() as u16).max(area.y);
    for (line, y) in lines.iter().zip(top..area.bottom()) {
        painter.tint(Rect { y, height: 1, ..area }, Role::Banner);
        painter.text((area.x, y), area.width, &format!("{line:<columns$}"), Role::Banner);
    }
}

/// Which way a screen is scrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To what was before.
    Back,
    /// To what is now.
    Forth,
}

fn ended(exit: &ShellExit) -> String {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "nobody saw how it ended".to_owned(),
    };
    match &exit.why {
        Some(why) => format!("{how}, {why}"),
        None => how,
    }
}

#[cfg(test)]
mod tests;
