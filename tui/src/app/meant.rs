//! The nodes that a pattern of the `:` line means, and what is done with them.

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;

use super::State;
use super::menu::{Choice, Question};
use crate::selector::Selector;
use crate::views::{Scope, ViewId};

impl State {
    /// `:ps web-*`, `:services role=web`: a view of every node that a selector means.
    pub(super) fn show_matching(&mut self, view: ViewId, text: &str) {
        if let Some(scope) = self.meant(text) {
            self.show(view, Some(scope));
        }
    }

    /// The nodes that a selector means; says what is wrong if it means none.
    pub(super) fn meant(&mut self, text: &str) -> Option<Scope> {
        let selector: Selector = match text.parse() {
            Ok(selector) => selector,
            Err(mistake) => {
                self.say(format!("{text}: {mistake}"));
                return None;
            }
        };
        let fits = self.world.fleet.iter().filter(|(_, node)| selector.fits(&node.member));
        let nodes: BTreeSet<NodeId> = fits.map(|(id, _)| id).collect();
        if nodes.is_empty() {
            self.say(format!("no node matches {text}"));
            None
        } else if nodes.len() == self.world.fleet.len() {
            Some(Scope::All)
        } else {
            Some(Scope::Nodes(nodes))
        }
    }

    /// The nodes that a pattern means, with their names.
    pub(super) fn nodes_meant(&mut self, pattern: &str) -> Option<Vec<(NodeId, String)>> {
        let scope = self.meant(pattern)?;
        let fleet = &self.world.fleet;
        let nodes = fleet.iter().filter(|(id, _)| scope.has(*id));
        let mut nodes: Vec<_> = nodes.map(|(id, _)| (id, fleet.name_of(id))).collect();
        nodes.sort_by(|one, other| one.1.cmp(&other.1));
        Some(nodes)
    }

    /// `:exec web-* df -h /`.
    pub(super) fn exec(&mut self, pattern: &str, text: &str) {
        let Some(nodes) = self.nodes_meant(pattern) else { return };
        let question = Question::Exec(nodes);
        if text.is_empty() {
            self.choose(Choice::Ask(question));
        } else if let Err(what) = self.answer(&question, text) {
            self.say(what);
        }
    }
}
