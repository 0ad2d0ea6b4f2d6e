//! A recording on the screen: what was written enters in time, cells leave. Pure; a vt100 holds the screen.
//!
//! It keeps the screen of the moment and nothing before it. Questions that a program asked its terminal then are
//! answered by nobody.

use std::fmt;

use p2p_shared::id::NodeId;
use p2p_shared::services::shell::{ShellRecording, ShellSize};
use p2p_shared::time::Millis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use vt100::Parser;

use super::terminal::paint;
use crate::command::TerminalId;
use crate::event::ReplaySaid;
use crate::fleet::Fleet;
use crate::format::{clean, width};
use crate::theme::{Role, Theme};
use crate::widgets::paint::Painter;

/// The least of a terminal that the parser bears.
const SIDE_MIN: u16 = 2;
/// The most of a recorded terminal that is played; one that was larger is cut.
const SIZE_MAX: ShellSize = ShellSize { rows: 200, columns: 500 };
/// How fast it may go, in hundredths.
const SPEEDS: [u32; 7] = [25, 50, 100, 200, 400, 800, 1_600];
const NORMAL: usize = 2;
/// How far one key leads back or forth.
const STEP: Millis = Millis(10_000);
/// The least columns of the bar that shows how far it is.
const BAR_MIN: u16 = 10;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Playing {
    /// The node was asked for it.
    Waiting,
    /// It goes on.
    On,
    /// It stands still.
    Paused,
    /// There is no more.
    Over,
    /// Nothing comes any more; why.
    Failed(String),
}

/// A recording that is played.
pub struct Player {
    pub(crate) id: TerminalId,
    pub(crate) node: NodeId,
    pub(crate) stage: Playing,
    recording: ShellRecording,
    /// So long after the beginning.
    pub(crate) at: Millis,
    /// Where a step leads, until it is there.
    goal: Option<Millis>,
    /// It is to be played from the beginning: what comes before that is no more.
    anew: bool,
    length: Millis,
    speed: usize,
    parser: Parser,
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").field("id", &self.id).field("stage", &self.stage).finish_non_exhaustive()
    }
}

fn parser(size: ShellSize) -> Parser {
    let size = ShellSize {
        rows: size.rows.clamp(SIDE_MIN, SIZE_MAX.rows),
        columns: size.columns.clamp(SIDE_MIN, SIZE_MAX.columns),
    };
    Parser::new(size.rows, size.columns, 0)
}

impl Player {
    /// One that waits for its node.
    pub(crate) fn new(id: TerminalId, node: NodeId, recording: ShellRecording) -> Self {
        let length = recording.written.since(recording.opened);
        Self {
            id,
            node,
            stage: Playing::Waiting,
            recording,
            at: Millis::ZERO,
            goal: None,
            anew: false,
            length,
            speed: NORMAL,
            parser: parser(ShellSize::default()),
        }
    }

    /// What its node sent of it.
    pub(crate) fn hear(&mut self, said: ReplaySaid) {
        match said {
            ReplaySaid::Began => {
                let (rows, columns) = self.parser.screen().size();
                self.parser = parser(ShellSize { rows, columns });
                (self.at, self.anew) = (Millis::ZERO, false);
                self.goal = self.goal.filter(|goal| *goal > Millis::ZERO);
                if self.stage != Playing::Paused {
                    self.stage = Playing::On;
                }
            }
            ReplaySaid::Size(size) => {
                let mut other = parser(size);
                // What is there goes on on the terminal of another size.
                other.process(&self.parser.screen().state_formatted());
                self.parser = other;
            }
            ReplaySaid::Shown { .. } | ReplaySaid::Over(_) if self.anew => {}
            ReplaySaid::Shown { at, bytes } => {
                self.parser.process(&bytes);
                self.at = at;
                self.length = self.length.max(at);
                self.goal = self.goal.filter(|goal| at < *goal);
            }
            ReplaySaid::Over(at) => {
                (self.at, self.length, self.stage, self.goal) = (at, at, Playing::Over, None);
            }
            ReplaySaid::Failed(error) => self.stage = Playing::Failed(error.message),
        }
    }

    /// Faster or slower; how fast that is in hundredths, if it can be.
    pub(crate) fn turn(&mut self, faster: bool) -> Option<u32> {
        let speed = if faster { self.speed + 1 } else { self.speed.checked_sub(1)? };
        let percent = *SPEEDS.get(speed)?;
        self.speed = speed;
        Some(percent)
    }

    /// A step forth or back: where that leads.
    pub(crate) fn step(&mut self, forth: bool) -> Millis {
        let from = self.goal.unwrap_or(self.at);
        let to = if forth {
            Millis(from.0.saturating_add(STEP.0).min(self.length.0.max(from.0)))
        } else {
            Millis(from.0.saturating_sub(STEP.0))
        };
        self.go(to);
        to
    }

    /// It is on its way to there.
    pub(crate) fn go(&mut self, to: Millis) {
        self.goal = Some(to);
        self.anew |= to < self.at;
    }

    pub(super) fn title(&self, fleet: &Fleet) -> String {
        let node = fleet.name_of(self.node);
        format!("recording of {} by {} on {node}", self.recording.id, self.recording.opened_by)
    }

    pub(super) fn draw(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let screen = Rect { height: area.height.saturating_sub(1), ..area };
        self.draw_screen(theme, screen, buf);
        let line = Rect { y: screen.bottom(), height: area.height - screen.height, ..area };
        self.draw_line(&mut Painter { buf, theme }, line);
    }

    /// The part of the recorded terminal that has room: the one around its cursor.
    fn draw_screen(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let screen = self.parser.screen();
        let (rows, columns) = screen.size();
        if rows <= area.height && columns <= area.width {
            return paint(screen, theme, Rect { width: columns, height: rows, ..area }, buf);
        }
        let whole = Rect::new(0, 0, columns, rows);
        let mut other = Buffer::empty(whole);
        paint(screen, theme, whole, &mut other);
        let (row, column) = screen.cursor_position();
        let top = (row + 1).saturating_sub(area.height);
        let left = (column + 1).saturating_sub(area.width);
        for y in 0..area.height.min(rows - top) {
            for x in 0..area.width.min(columns - left) {
                if let Some(cell) = buf.cell_mut((area.x + x, area.y + y)) {
                    *cell = other[(left + x, top + y)].clone();
                }
            }
            // A wide character that begins in the last column would reach over the edge.
            let last = area.x + area.width.min(columns - left).saturating_sub(1);
            if let Some(cell) = buf.cell_mut((last, area.y + y))
                && width(cell.symbol()) > 1
            {
                cell.set_symbol(" ");
            }
        }
    }

    fn draw_line(&self, painter: &mut Painter<'_>, area: Rect) {
        if area.height == 0 {
            return;
        }
        let role = if matches!(self.stage, Playing::Failed(_)) { Role::Bad } else { Role::Banner };
        painter.tint(area, role);
        let how = match &self.stage {
            Playing::On | Playing::Paused if self.goal.is_some() => {
                format!("going to {}", clock(self.goal.unwrap_or_default()))
            }
            Playing::Waiting => "waiting".to_owned(),
            Playing::On => "playing".to_owned(),
            Playing::Paused => "paused".to_owned(),
            Playing::Over => "the end".to_owned(),
            Playing::Failed(why) => format!("it cannot be played: {}", clean(why)),
        };
        let speed = match SPEEDS[self.speed] {
            100 => String::new(),
            percent if percent < 100 => format!("  1/{} speed", 100 / percent),
            percent => format!("  {}x speed", percent / 100),
        };
        let text = format!("{how}  {} / {}{speed}  ", clock(self.at), clock(self.length));
        let used = painter.text((area.x + 1, area.y), area.width.saturating_sub(2), &text, role);
        let room = area.width.saturating_sub(used + 2);
        if room >= BAR_MIN && self.length > Millis::ZERO {
            let ratio = (self.at.0 as f64 / self.length.0 as f64) as f32;
            painter.gauge((area.x + 1 + used, area.y), room, ratio, role);
        }
    }
}

/// `3:07`, `1:02:03`.
fn clock(time: Millis) -> String {
    let seconds = time.0 / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests;
