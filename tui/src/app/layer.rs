//! What lies over the view: help, palette, menu, questions, dialogs, outcomes, details.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::process::{ProcessDetails, ProcessRef};

use super::confirm::Confirm;
use super::menu::{Menu, Question};
use super::palette::Palette;
use crate::command::RunId;
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
            Self::Help { scroll } | Self::Outcomes { scroll, .. } => Some(scroll),
            Self::Details(details) => Some(&mut details.scroll),
            Self::Palette(_) | Self::Menu(_) | Self::Ask { .. } | Self::Confirm(_) => None,
        }
    }
}
