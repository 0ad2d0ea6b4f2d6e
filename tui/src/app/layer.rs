//! What lies over the view: help, palette, menu, questions, dialogs, outcomes, details.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::process::{ProcessDetails, ProcessRef};

use super::confirm::Confirm;
use super::defining::Defining;
use super::menu::{Menu, Question};
use super::palette::Palette;
use super::probe::Probing;
use super::search::Searching;
use crate::command::{CopyId, RunId, Subject};
use crate::edit::Conflict;
use crate::event::Description;
use crate::widgets::field::Field;

/// One layer.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Every key.
    Help {
        /// First line shown.
        scroll: usize,
    },
    /// The `:` line.
    Palette(Palette),
    /// A choice of actions.
    Menu(Menu),
    /// A value is asked for.
    Ask {
        /// What for.
        question: Question,
        /// What is written.
        field: Field,
        /// What was wrong with it.
        mistake: Option<String>,
    },
    /// Acting or not.
    Confirm(Confirm),
    /// What became of an action.
    Outcomes {
        /// Which.
        run: RunId,
        /// First line shown.
        scroll: usize,
    },
    /// Everything about one process.
    Details(Box<Details>),
    /// Everything about something else.
    Described(Box<Described>),
    /// A program that is defined.
    Form(Box<Defining>),
    /// A probe and what comes of it.
    Probe(Box<Probing>),
    /// Copies that go on, and the last ones.
    Copies {
        /// The one under the cursor.
        at: CopyId,
    },
    /// A search and what it found.
    Search(Box<Searching>),
    /// A file that somebody else changed while it was edited here.
    Conflict(Box<Clash>),
    /// Facts that were here already.
    Facts {
        /// The title.
        title: String,
        /// Names and values; a name may be empty.
        lines: Vec<(String, String)>,
        /// First line shown.
        scroll: usize,
    },
}

/// Everything about something besides a process, or the wait for it.
#[derive(Clone, Debug)]
pub struct Described {
    /// For the title.
    pub name: String,
    /// Whose.
    pub node: NodeId,
    /// What.
    pub subject: Subject,
    /// What the node answered; `None` until it did.
    pub result: Option<Result<Box<Description>, RpcError>>,
    /// First line shown.
    pub scroll: usize,
}

/// A file that somebody else changed, and what is to become of the text that was written here.
#[derive(Clone, Debug)]
pub struct Clash {
    /// On which node.
    pub node: NodeId,
    /// The two texts.
    pub conflict: Conflict,
    /// First line shown.
    pub scroll: usize,
}

/// Everything about one process, or the wait for it.
#[derive(Clone, Debug)]
pub struct Details {
    /// For the title.
    pub name: String,
    /// Whose.
    pub node: NodeId,
    /// Which.
    pub target: ProcessRef,
    /// What the node answered; `None` until it did.
    pub result: Option<Result<Box<ProcessDetails>, RpcError>>,
    /// First line shown.
    pub scroll: usize,
}

impl Layer {
    /// Where it is scrolled to, if it scrolls.
    pub const fn scroll_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Help { scroll } | Self::Outcomes { scroll, .. } | Self::Facts { scroll, .. } => {
                Some(scroll)
            }
            Self::Described(described) => Some(&mut described.scroll),
            Self::Details(details) => Some(&mut details.scroll),
            Self::Conflict(clash) => Some(&mut clash.scroll),
            Self::Palette(_)
            | Self::Menu(_)
            | Self::Ask { .. }
            | Self::Confirm(_)
            | Self::Form(_)
            | Self::Probe(_)
            | Self::Copies { .. }
            | Self::Search(_) => None,
        }
    }
}
