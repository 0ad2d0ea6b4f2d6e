//! Peers of one node.

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::Action;
use crate::command::Subscription;
use crate::event::Mouse;
use crate::filter::{Field, Filter};
use crate::theme::Theme;

/// The view.
#[derive(Debug, Default)]
pub struct PeersView;

impl PeersView {
    /// Of nobody yet.
    pub fn new() -> Self {
        Self
    }
}

impl View for PeersView {
    fn id(&self) -> ViewId {
        ViewId::Peers
    }
    fn title(&self, _: &Scene<'_>) -> String {
        String::new()
    }
    fn set_scope(&mut self, _: &Scene<'_>, _: Scope) {}
    fn topics(&self, _: &Scene<'_>) -> BTreeSet<Subscription> {
        BTreeSet::new()
    }
    fn on_change(&mut self, _: &Scene<'_>, _: Change) {}
    fn on_action(&mut self, _: &Scene<'_>, _: Action) -> Vec<Request> {
        Vec::new()
    }
    fn on_mouse(&mut self, _: &Scene<'_>, _: Mouse) -> Vec<Request> {
        Vec::new()
    }
    fn fields(&self) -> &'static [Field] {
        &[]
    }
    fn set_filter(&mut self, _: &Scene<'_>, _: Option<Filter>) {}
    fn filter(&self) -> Option<&Filter> {
        None
    }
    fn nodes(&self, _: &Scene<'_>) -> Vec<NodeId> {
        Vec::new()
    }
    fn hints(&self) -> &'static [Action] {
        &[]
    }
    fn draw(&self, _: &Scene<'_>, _: &Theme, _: Rect, _: &mut Buffer) {}
}
