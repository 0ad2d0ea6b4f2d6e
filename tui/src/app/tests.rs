//! The console as its user meets it: keys and messages enter, commands and a screen come out.

mod acting;
mod alerts;
mod audit;
pub(crate) mod copies;
mod cursor;
mod feeds;
pub(crate) mod files;
mod fleet;
mod form;
mod jumps;
mod look_up;
mod looking;
pub(crate) mod network;
pub(crate) mod preview;
mod random;
mod replay;
mod services;
mod shell;
mod tabs;
mod themes;

use p2p_shared::id::NodeId;
use p2p_shared::services::node::MemberState;
use p2p_shared::services::process::ProcessRef;

use super::*;
use crate::command::Topic;
use crate::event::{Code, Link, Mouse, MouseKind, Said};
use crate::testing::{Simulated, screen};

/// A console over a simulated fleet.
pub(crate) struct Console {
    pub(crate) state: State,
    pub(crate) simulated: Simulated,
}

/// A console that has everything from every node.
pub(crate) fn console(nodes: usize, processes: usize) -> Console {
    let mut console = Console::over(Simulated::new(nodes, processes), options());
    console.enter();
    console.connect();
    console.feed();
    console
}

/// The options of the tests: the keys that ship.
pub(crate) fn options() -> Options {
    Options { keys: Keymap::standard(), ..Options::default() }
}

/// Presses keys: characters, `^k` for control, `<enter>` and the like by name.
pub(crate) fn press(state: &mut State, keys: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut rest = keys;
    while let Some((key, length)) = next_key(rest) {
        rest = &rest[length..];
        commands.extend(state.update(Event::Key(key)));
    }
    commands
}

const NAMED: [(&str, Code); 14] = [
    ("<enter>", Code::Enter),
    ("<esc>", Code::Esc),
    ("<tab>", Code::Tab),
    ("<backtab>", Code::BackTab),
    ("<bs>", Code::Backspace),
    ("<del>", Code::Delete),
    ("<up>", Code::Up),
    ("<down>", Code::Down),
    ("<left>", Code::Left),
    ("<right>", Code::Right),
    ("<home>", Code::Home),
    ("<end>", Code::End),
    ("<pgup>", Code::PageUp),
    ("<pgdn>", Code::PageDown),
];

fn next_key(text: &str) -> Option<(Key, usize)> {
    if let Some((name, code)) = NAMED.iter().find(|(name, _)| text.starts_with(name)) {
        return Some((Key::plain(*code), name.len()));
    }
    let mut letters = text.chars();
    match (letters.next()?, letters.next()) {
        ('^', Some(letter)) => Some((Key::ctrl(letter), 1 + letter.len_utf8())),
        (letter, _) => Some((Key::plain(Code::Char(letter)), letter.len_utf8())),
    }
}

impl Console {
    /// A console that has seen nothing yet but the time and its screen.
    pub(crate) fn over(simulated: Simulated, options: Options) -> Self {
        let mut console = Self { state: State::new(options), simulated };
        console.state.update(console.simulated.tick());
        console.resize(120, 40);
        console
    }

    /// It enters by the first node and learns the directory.
    pub(crate) fn enter(&mut self) -> Vec<Command> {
        self.mesh(MeshEvent::Entry(self.entry(0)));
        self.mesh(MeshEvent::Fleet(self.simulated.fleet()))
    }

    pub(crate) fn entry(&self, index: usize) -> Entry {
        let name = self.simulated.fleet().changed[index].name.clone();
        Entry::Connected { id: self.simulated.id(index), name, mesh: "prod".parse().unwrap() }
    }

    /// It has a connection to every node.
    pub(crate) fn connect(&mut self) {
        for index in 0..self.simulated.len() {
            let node = self.simulated.id(index);
            self.mesh(MeshEvent::Link { node, link: Link::Connected });
        }
    }

    /// Figures and processes from every node that is there.
    pub(crate) fn feed(&mut self) {
        for index in 0..self.simulated.len() {
            let node = self.simulated.id(index);
            if self.state.world.fleet.get(node).is_some_and(crate::fleet::Node::is_there) {
                let sample = Box::new(self.simulated.sample(index));
                self.mesh(MeshEvent::Sample { node, sample });
                let delta = self.simulated.processes(index);
                self.mesh(MeshEvent::Processes { node, delta });
                self.feed_services(index);
            }
        }
        self.state.wants_frame();
    }

    /// Programs, units and lines of one node.
    fn feed_services(&mut self, index: usize) {
        let node = self.simulated.id(index);
        self.mesh(MeshEvent::Programs { node, programs: self.simulated.programs(index) });
        self.mesh(MeshEvent::Units { node, delta: self.simulated.units(index) });
        self.mesh(MeshEvent::Jobs { node, delta: self.simulated.jobs(index) });
        self.mesh(MeshEvent::Alerts { node, delta: self.simulated.alerts(index) });
        self.mesh(MeshEvent::Audit { node, news: Box::new(self.simulated.audit(index)) });
        self.mesh(MeshEvent::Rules { node, rules: Box::new(self.simulated.rules()) });
        self.mesh(MeshEvent::Shells { node, shells: self.simulated.shells(index) });
        self.mesh(MeshEvent::Recordings { node, recordings: self.simulated.recordings(index) });
        self.mesh(MeshEvent::Network { node, tables: Box::new(self.simulated.network(index)) });
        let source = self.state.world.log.source().clone();
        let said = Said::Journal(self.simulated.journal(index));
        self.mesh(MeshEvent::Log { follow: Follow { node, source }, said });
    }

    /// Seconds pass, with news from every node in each.
    pub(crate) fn live(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.wait(1);
            self.feed();
        }
    }

    /// Seconds pass without news; what the time alone makes the console order.
    pub(crate) fn wait(&mut self, seconds: u64) -> Vec<Command> {
        for _ in 0..seconds {
            self.simulated.step();
        }
        let commands = self.state.update(self.simulated.tick());
        self.state.wants_frame();
        commands
    }

    pub(crate) fn mesh(&mut self, event: MeshEvent) -> Vec<Command> {
        self.state.update(Event::Mesh(event))
    }

    pub(crate) fn press(&mut self, keys: &str) -> Vec<Command> {
        press(&mut self.state, keys)
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        self.state.update(Event::Resize { width, height });
        self.state.wants_frame();
    }

    /// The directory thinks otherwise of a node.
    pub(crate) fn set_state(&mut self, index: usize, state: MemberState) -> Vec<Command> {
        self.simulated.set_state(index, state);
        let delta = self.simulated.fleet_change(index);
        let commands = self.mesh(MeshEvent::Fleet(delta));
        self.state.wants_frame();
        commands
    }

    /// The screen at its present size.
    pub(crate) fn screen(&mut self) -> String {
        self.state.wants_frame();
        let Rect { width, height, .. } = self.state.world.screen;
        screen(&self.state, width, height)
    }

    /// Whether the screen shows a text.
    pub(crate) fn shows(&mut self, text: &str) -> bool {
        self.screen().contains(text)
    }

    /// The process under the cursor, as the console itself names it to a node.
    fn process_under_cursor(&mut self) -> Option<(NodeId, ProcessRef)> {
        match self.press("d").pop() {
            Some(Command::Inspect { node, target }) => {
                self.press("<esc>");
                Some((node, target))
            }
            _ => None,
        }
    }

    /// The name under the cursor, by way of the clipboard.
    pub(crate) fn name_under_cursor(&mut self) -> String {
        match self.press("y").as_slice() {
            [Command::Copy(name)] => name.clone(),
            other => panic!("nothing was copied: {other:?}"),
        }
    }

    fn click(&mut self, column: u16, row: u16) -> Vec<Command> {
        self.state.update(Event::Mouse(Mouse { kind: MouseKind::Press, column, row }))
    }
}
