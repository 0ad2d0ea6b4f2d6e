//! The menu of actions on what is under the cursor, or marked.

use crate::command::ProbeKind;
use crate::event::{Code, Key};
use crate::views::Request;

/// One choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The letter that chooses it.
    pub key: char,
    /// What it does.
    pub label: String,
    /// What it asks of the console; `Err` says why it cannot be had now.
    pub choice: Result<Choice, String>,
}

/// What a choice leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// Straight to a request.
    Do(Box<Request>),
    /// A value is asked for first, and made into a request.
    Ask(Question),
}

/// A value that an action needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Nice value for these targets: (node, name, process).
    Nice(Vec<(p2p_shared::id::NodeId, String, p2p_shared::services::process::ProcessRef)>),
    /// Labels for these nodes: `k=v` sets, `k-` removes.
    Labels(Vec<(p2p_shared::id::NodeId, String)>),
    /// For how long and why these are silenced: (node, name, matchers).
    Silence(Vec<(p2p_shared::id::NodeId, String, String)>),
    /// A command for these nodes: a line for `/bin/sh -c`.
    Exec(Vec<(p2p_shared::id::NodeId, String)>),
    /// What is asked of journals.
    Journal(JournalPart),
    /// Where this file of this node is copied to: `NODE` or `NODE:/path`.
    CopyFile(p2p_shared::id::NodeId, p2p_shared::services::file::FilePath),
    /// What is searched for below this directory of this node.
    Find {
        /// Where.
        node: p2p_shared::id::NodeId,
        /// Below which directory.
        path: p2p_shared::services::file::FilePath,
        /// What kind of thing.
        what: Found,
    },
    /// What is pinged, traced or scanned from this node.
    Probe {
        /// From where.
        node: (p2p_shared::id::NodeId, String),
        /// How.
        kind: ProbeKind,
        /// What the cursor is on; may be empty.
        target: String,
    },
}

impl Question {
    /// What stands in the line at first.
    pub fn line(&self) -> String {
        match self {
            Self::Probe { kind, target, .. } => kind.line(target),
            _ => String::new(),
        }
    }

    /// What it leads to changes nothing, and is no burden to others.
    pub const fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::Journal(_)
                | Self::Find { .. }
                | Self::Probe { kind: ProbeKind::Ping | ProbeKind::Trace, .. }
        )
    }
}

/// A part of what is asked of journals; nothing written takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalPart {
    /// Of which unit.
    Unit,
    /// Of which priority or graver.
    Priority,
    /// That contain what.
    Text,
}

/// What a search finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Names.
    Names,
    /// Lines of files.
    Lines,
}

/// An open menu.
#[derive(Clone, Debug, PartialEq)]
pub struct Menu {
    /// What it is about.
    pub title: String,
    /// The choices.
    pub items: Vec<Item>,
    /// The one under the cursor.
    pub at: usize,
}

/// What came of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Picked {
    /// Still open.
    Open,
    /// Closed without a choice.
    Closed,
    /// This one.
    Choice(Choice),
    /// It cannot be had; why.
    Refused(String),
}

impl Menu {
    /// A menu with the cursor on its first line.
    pub const fn new(title: String, items: Vec<Item>) -> Self {
        Self { title, items, at: 0 }
    }

    /// Takes a key.
    pub fn on_key(&mut self, key: Key) -> Picked {
        match key.code {
            Code::Esc | Code::Char('q') => return Picked::Closed,
            Code::Char('c') if key.ctrl => return Picked::Closed,
            Code::Down | Code::Char('j') => self.at = (self.at + 1).min(self.items.len().saturating_sub(1)),
            Code::Up | Code::Char('k') => self.at = self.at.saturating_sub(1),
            Code::Enter => return self.pick(self.at),
            // What has no letter has a blank.
            Code::Char(letter) if letter != ' ' => {
                if let Some(at) = self.items.iter().position(|item| item.key == letter) {
                    return self.pick(at);
                }
            }
            _ => {}
        }
        Picked::Open
    }

    fn pick(&self, at: usize) -> Picked {
        match self.items.get(at).map(|item| item.choice.clone()) {
            Some(Ok(choice)) => Picked::Choice(choice),
            Some(Err(why)) => Picked::Refused(why),
            None => Picked::Closed,
        }
    }
}
