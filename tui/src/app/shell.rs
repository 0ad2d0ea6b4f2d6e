//! Terminals that are attached to shells: whose keys are whose, and what goes to the nodes.
//!
//! Every key is the shell's but ^], which leads to the list; the shell stays attached to. The one key behind it may
//! name another shell, let go of this one, or be typed into it as ^] itself.

use p2p_shared::id::NodeId;
use p2p_shared::services::shell::ShellSize;

use super::State;
use crate::command::{Command, ShellOrder, TerminalId};
use crate::event::{Code, Key, Mouse, MouseKind, ShellSaid};
use crate::views::ViewId;
use crate::views::shell::{Direction, Stage, TERMINALS_MAX, Terminal};

/// Lines of one notch of the wheel.
const WHEEL_LINES: usize = 3;
/// The key that leaves.
const ESCAPE: Key = Key::ctrl(']');

/// Whether a key leaves a terminal, and leads back into it. Terminals cannot tell it from ^5.
pub(super) const fn is_escape(key: Key) -> bool {
    key.ctrl && matches!(key.code, Code::Char(']' | '5'))
}

impl State {
    /// Whether keys belong to a terminal.
    pub fn is_typing(&self) -> bool {
        let shells = &self.world.shells;
        self.current == ViewId::Shell && shells.player.is_none() && shells.terminals.shown().is_some()
    }

    /// Whether the terminal has nothing more to show, so that its keys lead back.
    pub fn is_shell_over(&self) -> bool {
        self.world.shells.terminals.shown().is_some_and(Terminal::is_over)
    }

    /// Whether a terminal was left by the last key, so that the next one may name another.
    pub fn has_just_left(&self) -> bool {
        let terminals = &self.world.shells.terminals;
        self.current == ViewId::Shell && terminals.just_left && terminals.count() > 0
    }

    /// How many shells are attached to here.
    pub fn shells_open(&self) -> usize {
        self.world.shells.terminals.count()
    }

    /// Where the cursor of a terminal stands.
    pub(crate) fn terminal_cursor(&self) -> Option<(u16, u16)> {
        let terminals = &self.world.shells.terminals;
        let terminal = terminals.shown().filter(|_| self.is_typing())?;
        terminal.cursor(terminals.area(self.areas().body))
    }

    /// Opens a shell on the one node that is meant here.
    pub(super) fn open_shell_here(&mut self) {
        match self.view().nodes(&self.scene()).as_slice() {
            [node] => self.open_shell(*node),
            [] => self.say("no node is under the cursor: a shell opens on one"),
            _ => self.say("a shell opens on one node: take the marks off first"),
        }
    }

    /// Opens a shell on a node.
    pub(super) fn open_shell(&mut self, node: NodeId) {
        if let Some((terminal, size)) = self.begin_terminal(node) {
            self.out.push(Command::Shell { terminal, order: ShellOrder::Open { node, size } });
        }
    }

    /// Attaches to a shell that lives; shows the terminal that does so already.
    pub(super) fn attach(&mut self, node: NodeId, id: String) {
        let terminals = &self.world.shells.terminals;
        let there = terminals.place_of(node, &id);
        let is_over = |place| terminals.iter().nth(place).is_some_and(Terminal::is_over);
        match there {
            Some(place) if !is_over(place) => return self.enter_shell(place),
            Some(place) => drop(self.let_go(place)),
            None => {}
        }
        if let Some((terminal, size)) = self.begin_terminal(node) {
            self.out.push(Command::Shell { terminal, order: ShellOrder::Attach { node, id, size } });
        }
    }

    fn begin_terminal(&mut self, node: NodeId) -> Option<(TerminalId, ShellSize)> {
        if !self.world.shells.terminals.make_room() {
            self.say(format!("{TERMINALS_MAX} shells are open here: ^] d lets go of one, which lives on"));
            return None;
        }
        self.show_shells();
        self.terminals += 1;
        let id = TerminalId(self.terminals);
        let body = self.areas().body;
        Some((id, self.world.shells.terminals.begin(id, node, body)))
    }

    /// The view of shells, for a terminal to be shown in it.
    fn show_shells(&mut self) {
        self.end_replay();
        self.world.shells.terminals.from_list = self.current == ViewId::Shell;
        self.show(ViewId::Shell, None);
        self.message = None;
    }

    /// Shows a terminal that is open.
    pub(super) fn enter_shell(&mut self, place: usize) {
        if place >= self.shells_open() {
            let open = self.shells_open();
            return self.say(format!("there is no shell {}: {open} are open here", place + 1));
        }
        self.show_shells();
        self.world.shells.terminals.show(place);
    }

    /// Shows the terminal that was left last.
    pub(super) fn enter_last_shell(&mut self) {
        match self.world.shells.terminals.last() {
            Some(place) => self.enter_shell(place),
            None => self.say("no shell is open here: s on a node opens one, and Enter attaches to one"),
        }
    }

    /// Takes a terminal away; its shell lives on.
    fn let_go(&mut self, place: usize) -> Option<Terminal> {
        let terminal = self.world.shells.terminals.close(place)?;
        self.out.push(Command::Shell { terminal: terminal.id, order: ShellOrder::Leave });
        Some(terminal)
    }

    /// Lets go of a shell that is attached to here.
    pub(super) fn detach(&mut self, node: NodeId, id: &str) {
        if let Some(place) = self.world.shells.terminals.place_of(node, id) {
            self.detach_at(place);
        }
    }

    fn detach_at(&mut self, place: usize) {
        let Some(terminal) = self.let_go(place) else { return };
        let node = self.world.fleet.name_of(terminal.node);
        match (terminal.is_over(), terminal.shell_id()) {
            (false, Some(id)) => {
                self.say(format!("detached: {id} lives on at {node}; Enter attaches to it again"));
            }
            _ => self.message = None,
        }
        self.refresh_view();
    }

    /// A key while a terminal is there: ^] leaves it, everything else is its shell's.
    pub(super) fn type_key(&mut self, key: Key) {
        let Some(terminal) = self.world.shells.terminals.shown_mut() else { return };
        match key.code {
            _ if is_escape(key) => self.leave_shell(),
            Code::Enter | Code::Esc | Code::Char('q') if terminal.is_over() => self.close_shell(),
            Code::PageUp if terminal.is_over() => {
                terminal.scroll(usize::from(terminal.size.rows), Direction::Back);
            }
            Code::PageDown if terminal.is_over() => {
                terminal.scroll(usize::from(terminal.size.rows), Direction::Forth);
            }
            _ if terminal.stage == Stage::Attached => {
                let (terminal, bytes) = (terminal.id, terminal.type_key(key));
                self.type_bytes(terminal, bytes);
            }
            // ^C gives up the wait for a node that does not answer.
            Code::Char('c') if key.ctrl => self.close_shell(),
            _ => {}
        }
    }

    /// The key behind the one that left a terminal; whether it means something here.
    pub(super) fn on_left_key(&mut self, key: Key) -> bool {
        let had_left = self.has_just_left();
        self.world.shells.terminals.just_left = false;
        if !had_left {
            return false;
        }
        let terminals = &self.world.shells.terminals;
        match (key.code, terminals.last()) {
            (Code::Enter, Some(last)) => self.enter_shell(last),
            (Code::Char(digit @ '1'..='8'), _) if !key.ctrl => {
                self.enter_shell(digit as usize - '1' as usize);
            }
            (Code::Char(letter @ ('n' | 'p' | 'т' | 'з')), _) if !key.ctrl => {
                let place = terminals.beside(matches!(letter, 'n' | 'т'));
                place.into_iter().for_each(|place| self.enter_shell(place));
            }
            (Code::Char('d' | 'в'), Some(last)) if !key.ctrl => self.detach_at(last),
            (Code::Char(']' | 'ъ'), Some(last)) if !key.ctrl => {
                self.enter_shell(last);
                self.type_key_itself(ESCAPE);
            }
            _ => return false,
        }
        true
    }

    fn type_key_itself(&mut self, key: Key) {
        let Some(terminal) = self.world.shells.terminals.shown_mut() else { return };
        if terminal.stage == Stage::Attached {
            let (terminal, bytes) = (terminal.id, terminal.type_key(key));
            self.type_bytes(terminal, bytes);
        }
    }

    pub(super) fn type_paste(&mut self, text: &str) {
        let Some(terminal) = self.world.shells.terminals.shown_mut() else { return };
        if terminal.stage == Stage::Attached {
            let (terminal, bytes) = (terminal.id, terminal.type_paste(text));
            self.type_bytes(terminal, bytes);
        }
    }

    fn type_bytes(&mut self, terminal: TerminalId, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.out.push(Command::Shell { terminal, order: ShellOrder::Type(bytes) });
        }
    }

    /// To the list; the terminal stays, unless there is nothing more in it.
    fn leave_shell(&mut self) {
        if self.is_shell_over() {
            return self.close_shell();
        }
        self.world.shells.terminals.hide();
        self.world.shells.terminals.just_left = true;
        self.message = None;
        self.views.shell.return_to_list();
        self.refresh_view();
    }

    /// Takes the terminal that is shown away, and returns to where it was entered from.
    fn close_shell(&mut self) {
        let from_list = self.world.shells.terminals.from_list;
        let Some(place) = self.world.shells.terminals.last() else { return };
        self.let_go(place);
        self.message = None;
        if from_list {
            self.views.shell.return_to_list();
            self.refresh_view();
        } else {
            self.return_from();
        }
    }

    /// The mouse over the view of shells; whether it means something there.
    pub(super) fn on_shell_mouse(&mut self, mouse: Mouse) -> bool {
        if self.current != ViewId::Shell {
            return false;
        }
        if self.is_replaying() {
            return true;
        }
        let at = (mouse.column, mouse.row);
        let shells = &self.world.shells;
        if mouse.kind == MouseKind::Press
            && let Some(place) = shells.terminals.at(&self.world.fleet, self.areas().body, at)
        {
            self.enter_shell(place);
            return true;
        }
        let Some(terminal) = self.world.shells.terminals.shown_mut() else { return false };
        match mouse.kind {
            MouseKind::WheelUp => terminal.scroll(WHEEL_LINES, Direction::Back),
            MouseKind::WheelDown => terminal.scroll(WHEEL_LINES, Direction::Forth),
            MouseKind::Press => {}
        }
        true
    }

    /// What a shell says to its terminal; one that was let go of is not listened to any more.
    pub(super) fn on_shell(&mut self, id: TerminalId, said: ShellSaid) {
        let Some((reaction, seen)) = self.world.shells.terminals.hear(id, said) else { return };
        self.type_bytes(id, reaction.answer);
        if let Some(seen) = reaction.seen {
            self.out.push(Command::Shell { terminal: id, order: ShellOrder::Seen(seen) });
        }
        self.dirty |= self.current == ViewId::Shell && seen;
    }

    /// The terminal that is shown fills the body, whatever that is now.
    pub(super) fn fit_terminal(&mut self) {
        if !self.is_typing() {
            return;
        }
        let body = self.areas().body;
        let terminals = &mut self.world.shells.terminals;
        let area = terminals.area(body);
        let Some(terminal) = terminals.shown_mut() else { return };
        if terminal.fit(area) {
            let (terminal, size) = (terminal.id, terminal.size);
            self.out.push(Command::Shell { terminal, order: ShellOrder::Resize(size) });
        }
    }
}
