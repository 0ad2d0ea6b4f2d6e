//! Shell: the shells that live on nodes as a list, and the one that is attached to, over the whole body.
//!
//! While a shell is attached to, keys belong to it, but for ^]; the console's state sees to that (`app::shell`).

mod keys;
mod list;
mod terminal;

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::list::ListView;
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::Action;
use crate::command::Subscription;
use crate::event::Mouse;
use crate::filter::{Field, Filter};
use crate::theme::Theme;

use list::Shells;
pub(crate) use terminal::{Direction, Stage, Terminal, size_of};

/// The view.
#[derive(Debug, Default)]
pub struct ShellView {
    list: ListView<Shells>,
    /// The terminal that is attached to a shell, or shows how it ended.
    pub(crate) open: Option<Terminal>,
}

impl View for ShellView {
    fn id(&self) -> ViewId {
        ViewId::Shell
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        match &self.open {
            Some(terminal) => terminal.title(scene.fleet),
            None => self.list.title(scene),
        }
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        self.list.set_scope(scene, scope);
    }

    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription> {
        if self.open.is_some() { BTreeSet::new() } else { self.list.topics(scene) }
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        self.list.on_change(scene, change);
    }

    fn settle(&mut self, scene: &Scene<'_>) {
        self.list.settle(scene);
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        if self.open.is_some() { Vec::new() } else { self.list.on_action(scene, action) }
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        if self.open.is_some() { Vec::new() } else { self.list.on_mouse(scene, mouse) }
    }

    fn fields(&self) -> &'static [Field] {
        if self.open.is_some() { &[] } else { self.list.fields() }
    }

    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>) {
        self.list.set_filter(scene, filter);
    }

    fn filter(&self) -> Option<&Filter> {
        if self.open.is_some() { None } else { self.list.filter() }
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        match &self.open {
            Some(terminal) => vec![terminal.node],
            None => self.list.nodes(scene),
        }
    }

    fn status(&self, scene: &Scene<'_>) -> String {
        match &self.open {
            Some(terminal) => terminal.status(),
            None => self.list.status(scene),
        }
    }

    fn clear_marks(&mut self) -> bool {
        self.list.clear_marks()
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        self.open.is_none() && self.list.seek(scene, forward, search)
    }

    fn copy(&self, scene: &Scene<'_>, row: bool) -> Option<String> {
        if self.open.is_some() { None } else { self.list.copy(scene, row) }
    }

    fn hints(&self) -> &'static [Action] {
        self.list.hints()
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        match &self.open {
            Some(terminal) => terminal.draw(theme, area, buf),
            None => self.list.draw(scene, theme, area, buf),
        }
    }
}
