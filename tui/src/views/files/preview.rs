//! What is under the cursor, beside the panes: the beginning of a file, or the first names of a directory.
//!
//! It keeps what came of one path, and says which one it lacks. Whoever is asked waits a moment first, so that a
//! cursor that moves on reads nothing.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::file::{FileKind, FilePage, FilePath, FileRow};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text;
use crate::event::{Mouse, MouseKind, Previewed};
use crate::format::{bytes, plural};
use crate::theme::{Role, Theme};
use crate::views::observed::say;
use crate::widgets::paint::Painter;

/// From this width of the view on there is room for it.
pub(super) const WIDTH_MIN: u16 = 120;
/// Columns that stay with the panes at least.
const PANES_WIDTH: u16 = 78;
/// Lines that one step of the wheel moves.
const WHEEL_LINES: usize = 3;

/// Title and lines, ready to be drawn, or why there are none.
type Shown = Result<(String, Vec<(String, String)>), String>;

/// The pane.
#[derive(Clone, Debug, Default)]
pub(super) struct Preview {
    /// The operator wants none.
    pub(super) off: bool,
    of: Option<(NodeId, FilePath)>,
    shown: Option<Shown>,
    scroll: usize,
}

impl Preview {
    /// Its part of the body and what is left of that, if it is shown.
    pub(super) fn divide(&self, body: Rect) -> (Rect, Option<Rect>) {
        if self.off || body.width < WIDTH_MIN {
            return (body, None);
        }
        let width = (body.width - PANES_WIDTH - 1).min(body.width * 2 / 5);
        let panes = Rect { width: body.width - width - 1, ..body };
        (panes, Some(Rect { x: panes.right() + 1, width, ..body }))
    }

    /// What is to be asked for to show a row; it counts as asked from then on.
    pub(super) fn wanted(
        &mut self,
        under: Option<(NodeId, FilePath, &FileRow)>,
    ) -> Option<(NodeId, FilePath)> {
        let Some((node, path, row)) = under else {
            (self.of, self.shown) = (None, None);
            return None;
        };
        let of = (node, path);
        if self.of.as_ref() == Some(&of) {
            return None;
        }
        (self.of, self.shown, self.scroll) = (Some(of.clone()), None, 0);
        if matches!(row.kind, FileKind::File | FileKind::Directory | FileKind::Symlink) {
            return Some(of);
        }
        self.shown = Some(Err("neither a file nor a directory".to_owned()));
        None
    }

    /// It is asked for anew.
    pub(super) fn refresh(&mut self) {
        self.of = None;
    }

    /// It came.
    pub(super) fn on_previewed(
        &mut self,
        node: NodeId,
        path: &FilePath,
        result: Result<Previewed, RpcError>,
    ) {
        if self.of.as_ref().is_some_and(|(of, asked)| *of == node && asked == path) {
            self.shown = Some(match result {
                Ok(Previewed::Names(page)) => Ok(names(&page)),
                Ok(Previewed::Part(chunk)) => {
                    let (_, lines) = text::shown(path, &chunk);
                    let is_text = !chunk.content.0.contains(&0);
                    let what = if is_text { "text" } else { "no text" };
                    let part = match (chunk.content.0.len(), chunk.is_end) {
                        (0, _) => String::new(),
                        (_, true) => format!(", {what}"),
                        (read, false) => format!(", {what}, the first {}", bytes(read as u64)),
                    };
                    Ok((format!("{}{part}", bytes(chunk.version.size_bytes)), lines))
                }
                Err(error) => Err(error.message),
            });
        }
    }

    /// The wheel over it.
    pub(super) fn on_mouse(&mut self, mouse: Mouse) {
        let most = match &self.shown {
            Some(Ok((_, lines))) => lines.len().saturating_sub(1),
            _ => 0,
        };
        self.scroll = match mouse.kind {
            MouseKind::WheelDown => (self.scroll + WHEEL_LINES).min(most),
            MouseKind::WheelUp => self.scroll.saturating_sub(WHEEL_LINES),
            MouseKind::Press => self.scroll,
        };
    }

    pub(super) fn draw(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let mut painter = Painter { buf, theme };
        if area.height == 0 {
            return;
        }
        let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
        let name = self.of.as_ref().map(|(_, path)| {
            crate::paths::split(path).map_or_else(|| path.to_string(), |(_, name)| name.to_string())
        });
        let head = |painter: &mut Painter<'_>, what: &str| {
            let name = name.as_deref().unwrap_or("nothing");
            let pieces = [(name, Role::Head), ("  ", Role::Dim), (what, Role::Dim)];
            painter.line((area.x + 1, area.y), area.width.saturating_sub(1), &pieces);
        };
        match (&self.shown, &self.of) {
            (Some(Ok((title, lines))), _) => {
                head(&mut painter, title);
                for ((label, text), y) in lines.iter().skip(self.scroll).zip(below.top()..below.bottom()) {
                    let gap = if label.is_empty() { "" } else { " " };
                    let pieces = [(label.as_str(), Role::Dim), (gap, Role::Dim), (text.as_str(), Role::Text)];
                    painter.line((below.x + 1, y), below.width.saturating_sub(1), &pieces);
                }
            }
            (Some(Err(why)), _) => {
                head(&mut painter, "");
                say(&mut painter, below, why, Role::Dim);
            }
            (None, Some(_)) => {
                head(&mut painter, "");
                say(&mut painter, below, "reading", Role::Dim);
            }
            (None, None) => {}
        }
    }
}

fn names(page: &FilePage) -> (String, Vec<(String, String)>) {
    let more = if page.next.is_some() { "the first " } else { "" };
    let title = format!("directory, {more}{}", plural(page.rows.len(), "name"));
    let line = |row: &FileRow| {
        let mark = if row.kind == FileKind::Directory { "/" } else { "" };
        (String::new(), format!("{}{mark}", row.name))
    };
    (title, page.rows.iter().map(line).collect())
}
