//! A terminal that is attached to a shell: whose keys are whose, and what goes to the node.

use p2p_shared::id::NodeId;

use super::State;
use crate::command::{Command, ShellOrder, TerminalId};
use crate::event::{Code, Key, MouseKind, ShellSaid};
use crate::views::ViewId;
use crate::views::shell::{Direction, Stage, Terminal, size_of};

/// Lines of one notch of the wheel.
const WHEEL_LINES: usize = 3;

impl State {
    /// Whether keys belong to a terminal.
    pub fn is_typing(&self) -> bool {
        self.current == ViewId::Shell && self.views.shell.open.is_some()
    }

    /// Whether the terminal has nothing more to show, so that its keys lead back.
    pub fn is_shell_over(&self) -> bool {
        self.views.shell.open.as_ref().is_some_and(|terminal| matches!(terminal.stage, Stage::Over(_)))
    }

    /// Where the cursor of a terminal stands.
    pub(crate) fn terminal_cursor(&self) -> Option<(u16, u16)> {
        let terminal = self.views.shell.open.as_ref().filter(|_| self.is_typing())?;
        terminal.cursor(self.areas().body)
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
        let size = self.begin_terminal(node);
        let Some(terminal) = self.views.shell.open.as_ref().map(|terminal| terminal.id) else { return };
        self.out.push(Command::Shell { terminal, order: ShellOrder::Open { node, size } });
    }

    /// Attaches to a shell that lives.
    pub(super) fn attach(&mut self, node: NodeId, id: String) {
        let size = self.begin_terminal(node);
        let Some(terminal) = self.views.shell.open.as_ref().map(|terminal| terminal.id) else { return };
        self.out.push(Command::Shell { terminal, order: ShellOrder::Attach { node, id, size } });
    }

    fn begin_terminal(&mut self, node: NodeId) -> p2p_shared::services::shell::ShellSize {
        self.detach();
        if self.current == ViewId::Shell {
            // The way back leads to the list.
            self.leave_place();
        }
        self.show(ViewId::Shell, None);
        self.terminals += 1;
        let size = size_of(self.areas().body);
        self.views.shell.open = Some(Terminal::new(TerminalId(self.terminals), node, size));
        size
    }

    /// Lets go of the terminal; its shell lives on.
    fn detach(&mut self) -> Option<Terminal> {
        let terminal = self.views.shell.open.take()?;
        self.out.push(Command::Shell { terminal: terminal.id, order: ShellOrder::Leave });
        Some(terminal)
    }

    /// A key while a terminal is there: ^] leaves it, everything else is its shell's.
    pub(super) fn type_key(&mut self, key: Key) {
        let leaves = key.ctrl && matches!(key.code, Code::Char(']' | '5'));
        let Some(terminal) = &mut self.views.shell.open else { return };
        let over = matches!(terminal.stage, Stage::Over(_));
        match key.code {
            _ if leaves => self.leave_shell(),
            Code::Enter | Code::Esc | Code::Char('q') if over => self.leave_shell(),
            Code::PageUp if over => terminal.scroll(usize::from(terminal.size.rows), Direction::Back),
            Code::PageDown if over => terminal.scroll(usize::from(terminal.size.rows), Direction::Forth),
            _ if terminal.stage == Stage::Attached => {
                let (terminal, bytes) = (terminal.id, terminal.type_key(key));
                self.type_bytes(terminal, bytes);
            }
            // ^C gives up the wait for a node that does not answer.
            Code::Char('c') if key.ctrl => self.leave_shell(),
            _ => {}
        }
    }

    pub(super) fn type_paste(&mut self, text: &str) {
        let Some(terminal) = &mut self.views.shell.open else { return };
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

    fn leave_shell(&mut self) {
        let Some(terminal) = self.detach() else { return };
        let node = self.world.fleet.name_of(terminal.node);
        match (&terminal.stage, terminal.shell_id()) {
            (Stage::Attached | Stage::Broken(_), Some(id)) => {
                self.say(format!("detached: {id} lives on at {node}; :shells lists it"));
            }
            _ => self.message = None,
        }
        self.return_from();
    }

    pub(super) fn scroll_terminal(&mut self, kind: MouseKind) {
        let Some(terminal) = &mut self.views.shell.open else { return };
        match kind {
            MouseKind::WheelUp => terminal.scroll(WHEEL_LINES, Direction::Back),
            MouseKind::WheelDown => terminal.scroll(WHEEL_LINES, Direction::Forth),
            MouseKind::Press => {}
        }
    }

    /// What a shell says to its terminal; one that was left is not listened to any more.
    pub(super) fn on_shell(&mut self, id: TerminalId, said: ShellSaid) {
        let Some(terminal) = self.views.shell.open.as_mut().filter(|terminal| terminal.id == id) else {
            return;
        };
        let reaction = terminal.hear(said);
        self.type_bytes(id, reaction.answer);
        if let Some(seen) = reaction.seen {
            self.out.push(Command::Shell { terminal: id, order: ShellOrder::Seen(seen) });
        }
        self.dirty |= self.current == ViewId::Shell;
    }

    /// A terminal fills the body, whatever that is now.
    pub(super) fn fit_terminal(&mut self) {
        if !self.is_typing() {
            return;
        }
        let body = self.areas().body;
        let Some(terminal) = &mut self.views.shell.open else { return };
        if terminal.fit(body) {
            let (terminal, size) = (terminal.id, terminal.size);
            self.out.push(Command::Shell { terminal, order: ShellOrder::Resize(size) });
        }
    }
}
