//! The terminals that are open in this console, side by side: which one is shown, and the line that lists them.
//!
//! They belong to the console and not to a tab of it. One that is not shown goes on reading, so that its shell never
//! waits for a look; how many there are, and how far each is scrolled back, is bounded.

use p2p_shared::id::NodeId;
use p2p_shared::services::shell::ShellSize;
use ratatui::layout::Rect;

use super::terminal::{Stage, Terminal, size_of};
use crate::command::TerminalId;
use crate::event::ShellSaid;
use crate::fleet::Fleet;
use crate::format::{clean, width};
use crate::theme::Role;
use crate::views::shell::terminal::Reaction;
use crate::widgets::paint::Painter;

/// Most that are open at a time.
pub(crate) const TERMINALS_MAX: usize = 8;
/// Stands before them where there is room.
const LABEL: &str = " shells ";

/// Those that are open.
#[derive(Debug, Default)]
pub struct Terminals {
    open: Vec<Terminal>,
    /// The one that fills the view, and has the keys.
    shown: Option<usize>,
    /// The one that was shown last.
    last: usize,
    /// A key more is waited for that may name another one: the last one left a terminal.
    pub(crate) just_left: bool,
    /// Whether the one that is shown was entered from the list, so that its end leads there.
    pub(crate) from_list: bool,
}

impl Terminals {
    /// Room for one more, for which an ended one has to go if there is none; whether there is.
    pub(crate) fn make_room(&mut self) -> bool {
        if self.open.len() < TERMINALS_MAX {
            return true;
        }
        match self.open.iter().position(Terminal::is_over) {
            Some(ended) => {
                self.close(ended);
                true
            }
            None => false,
        }
    }

    /// Adds one behind the others and shows it in a body; answers its size.
    pub(crate) fn begin(&mut self, id: TerminalId, node: NodeId, body: Rect) -> ShellSize {
        self.open.push(Terminal::new(id, node, size_of(body)));
        self.show(self.open.len() - 1);
        let area = self.area(body);
        let Some(terminal) = self.open.last_mut() else { return size_of(area) };
        terminal.fit(area);
        terminal.size
    }

    /// Those that are open, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Terminal> {
        self.open.iter()
    }

    /// How many there are.
    pub(crate) const fn count(&self) -> usize {
        self.open.len()
    }

    /// The one that is shown.
    pub(crate) fn shown(&self) -> Option<&Terminal> {
        self.open.get(self.shown?)
    }

    /// The same, to be changed.
    pub(crate) fn shown_mut(&mut self) -> Option<&mut Terminal> {
        self.open.get_mut(self.shown?)
    }

    /// The place of the one that was shown last, if there is any.
    pub(crate) fn last(&self) -> Option<usize> {
        self.open.len().checked_sub(1).map(|most| self.last.min(most))
    }

    /// The place of the one that shows a shell.
    pub(crate) fn place_of(&self, node: NodeId, id: &str) -> Option<usize> {
        self.open.iter().position(|terminal| terminal.node == node && terminal.shell_id() == Some(id))
    }

    /// Shows one.
    pub(crate) fn show(&mut self, place: usize) {
        self.just_left = false;
        if let Some(terminal) = self.open.get_mut(place) {
            terminal.unseen = false;
            (self.shown, self.last) = (Some(place), place);
        }
    }

    /// Shows none; they stay.
    pub(crate) const fn hide(&mut self) {
        self.shown = None;
    }

    /// The place of the next one (or the previous one), around the end.
    pub(crate) fn beside(&self, forward: bool) -> Option<usize> {
        let count = self.open.len();
        self.last().map(|last| if forward { last + 1 } else { last + count - 1 } % count)
    }

    /// Takes one away; none is shown then if it was.
    pub(crate) fn close(&mut self, place: usize) -> Option<Terminal> {
        if place >= self.open.len() {
            return None;
        }
        let terminal = self.open.remove(place);
        let moved = |at: usize| if at > place { at - 1 } else { at };
        self.shown = self.shown.filter(|at| *at != place).map(moved);
        self.last = moved(self.last);
        Some(terminal)
    }

    /// What a shell says to its terminal, and whether the line that lists them is another one by it; `None` if the
    /// terminal is not there any more.
    pub(crate) fn hear(&mut self, id: TerminalId, said: ShellSaid) -> Option<(Reaction, bool)> {
        let place = self.open.iter().position(|terminal| terminal.id == id)?;
        let is_shown = self.shown == Some(place);
        let terminal = &mut self.open[place];
        let before = (terminal.unseen, std::mem::discriminant(&terminal.stage));
        let reaction = terminal.hear(said);
        terminal.unseen = !is_shown;
        let changed = before != (terminal.unseen, std::mem::discriminant(&terminal.stage));
        Some((reaction, is_shown || changed))
    }

    /// Whether the line that lists them is there: not where the only one is shown.
    const fn has_line(&self) -> bool {
        match self.open.len() {
            0 => false,
            1 => self.shown.is_none(),
            _ => true,
        }
    }

    /// What is left of the body below the line.
    pub(crate) const fn area(&self, body: Rect) -> Rect {
        if !self.has_line() || body.height < 2 {
            return body;
        }
        Rect { y: body.y + 1, height: body.height - 1, ..body }
    }

    /// Draws the line that lists them, if it is there.
    pub(super) fn draw_line(&self, fleet: &Fleet, body: Rect, painter: &mut Painter<'_>) {
        if self.area(body) == body {
            return;
        }
        let (label, slots) = self.slots(fleet, body.width);
        painter.text((body.x, body.y), body.width, label, Role::Dim);
        for (place, (x, text)) in slots.iter().enumerate() {
            let role = match &self.open[place] {
                _ if self.shown == Some(place) => Role::Cursor,
                terminal if terminal.unseen => Role::Warn,
                terminal if terminal.is_over() => Role::Dim,
                _ => Role::Text,
            };
            painter.text((body.x + x, body.y), body.width.saturating_sub(*x), text, role);
        }
    }

    /// The place of the one whose name stands at a cell of the body.
    pub(crate) fn at(&self, fleet: &Fleet, body: Rect, (column, row): (u16, u16)) -> Option<usize> {
        if self.area(body) == body || row != body.y {
            return None;
        }
        let (_, slots) = self.slots(fleet, body.width);
        slots.iter().position(|(x, text)| (body.x + x..body.x + x + width(text) as u16).contains(&column))
    }

    /// What stands before them, and each with its left edge: whole, by its node alone, or as a number but for the
    /// one that is shown.
    fn slots(&self, fleet: &Fleet, columns: u16) -> (&'static str, Vec<(u16, String)>) {
        let named = |whole: bool| {
            let name = |(place, terminal): (usize, &Terminal)| name(place, terminal, fleet, whole);
            self.open.iter().enumerate().map(name).collect::<Vec<_>>()
        };
        let whole = named(true);
        let numbers = (0..whole.len()).map(|place| match self.shown == Some(place) {
            true => whole[place].clone(),
            false => format!(" {}{} ", place + 1, mark(&self.open[place])),
        });
        let columns = usize::from(columns);
        let used = |names: &[String]| LABEL.len() + names.iter().map(|name| width(name)).sum::<usize>();
        let numbers: Vec<String> = numbers.collect();
        let short = named(false);
        let names = [whole, short].into_iter().find(|names| used(names) <= columns).unwrap_or(numbers);
        let label = if used(&names) <= columns { LABEL } else { "" };
        let mut x = label.len() as u16;
        let place = |text: String| {
            let slot = (x, text);
            x += width(&slot.1) as u16;
            slot
        };
        (label, names.into_iter().map(place).collect())
    }
}

/// What is new of one that is not shown.
const fn mark(terminal: &Terminal) -> &'static str {
    match (&terminal.stage, terminal.unseen) {
        (Stage::Broken(_), _) => "!",
        (_, true) => "*",
        _ => "",
    }
}

/// ` 2* web-1 vim ` ` 3 web-2 bash: exit 0 `.
fn name(place: usize, terminal: &Terminal, fleet: &Fleet, whole: bool) -> String {
    let node = fleet.name_of(terminal.node);
    let what = match whole {
        true => format!(" {}", terminal.what()),
        false => String::new(),
    };
    format!(" {}{} {}{} ", place + 1, mark(terminal), clean(&node), clean(&what))
}
