//! Shell: the shells that live on nodes and what was recorded of others, each as a list; and what is attached to or
//! played, over the whole body.
//!
//! While a shell is shown, keys belong to it, but for ^]; the console's state sees to that (`app::shell`). What is
//! attached to belongs to the console, not to this view: its lists alone are kept by every tab.

mod keys;
mod list;
mod player;
mod recordings;
mod terminal;
mod terminals;

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::list::{ListView, Listing};
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::Action;
use crate::command::Subscription;
use crate::event::{Mouse, MouseKind};
use crate::filter::{Field, Filter, Kind};
use crate::theme::Theme;
use crate::widgets::paint::Painter;
use crate::widgets::tabs::{self, SubTab};

use list::Living;
use recordings::Recordings;

pub(crate) use player::{Player, Playing};
pub(crate) use terminal::{Direction, Stage, Terminal};
pub(crate) use terminals::{TERMINALS_MAX, Terminals};

/// What filters of both lists may name: one that was written over the one holds over the other too.
const FIELDS: &[Field] = &[
    Field::word("id"),
    Field::word("user"),
    Field::word("command"),
    Field::of("node", Kind::Text),
    Field::of("state", Kind::Text),
    Field::of("by", Kind::Text),
    Field::of("idle", Kind::Span),
    Field::of("length", Kind::Span),
    Field::of("age", Kind::Span),
];

/// What fills the view: the console's own, whichever tab is shown.
#[derive(Debug, Default)]
pub struct Shells {
    /// The shells that are attached to.
    pub(crate) terminals: Terminals,
    /// The recording that is played.
    pub(crate) player: Option<Player>,
}

/// The view.
#[derive(Debug, Default)]
pub struct ShellView {
    living: ListView<Living>,
    recordings: ListView<Recordings>,
    /// The recordings are listed, and not the shells that live.
    recorded: bool,
}

/// The list that is shown.
macro_rules! list {
    ($view:expr, |$list:ident| $body:expr) => {
        if $view.recorded {
            let $list = &$view.recordings;
            $body
        } else {
            let $list = &$view.living;
            $body
        }
    };
    (mut $view:expr, |$list:ident| $body:expr) => {
        if $view.recorded {
            let $list = &mut $view.recordings;
            $body
        } else {
            let $list = &mut $view.living;
            $body
        }
    };
}

/// The two lists as sub-tabs; how much is in the one that is not shown nobody has asked.
fn sub_tabs(recorded: bool, list: &Listing) -> Vec<SubTab> {
    let tab = |(name, open): (&'static str, bool)| {
        let counts = open.then(|| (list.table.rows().len(), list.table.total()));
        SubTab { name, counts, open }
    };
    [("Shells", !recorded), ("Recordings", recorded)].map(tab).to_vec()
}

impl ShellView {
    /// The list of what lives begins with what was left last.
    pub(crate) fn return_to_list(&mut self) {
        self.recorded = false;
        self.living.begin();
    }

    /// What lists look at: their part of the body.
    fn below<'a>(scene: &Scene<'a>) -> Scene<'a> {
        Scene { body: scene.shells.terminals.area(scene.body), ..*scene }
    }
}

impl View for ShellView {
    fn id(&self) -> ViewId {
        ViewId::Shell
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        if let Some(player) = &scene.shells.player {
            return player.title(scene.fleet);
        }
        match scene.shells.terminals.shown() {
            Some(terminal) => terminal.title(scene.fleet),
            None => list!(self, |list| list.title(scene)),
        }
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        let scene = Self::below(scene);
        self.living.set_scope(&scene, scope.clone());
        self.recordings.set_scope(&scene, scope);
    }

    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription> {
        if scene.shells.player.is_some() || scene.shells.terminals.shown().is_some() {
            return BTreeSet::new();
        }
        list!(self, |list| list.topics(scene))
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        let scene = Self::below(scene);
        self.living.on_change(&scene, change);
        self.recordings.on_change(&scene, change);
    }

    fn settle(&mut self, scene: &Scene<'_>) {
        let scene = Self::below(scene);
        self.living.settle(&scene);
        self.recordings.settle(&scene);
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        if matches!(action, Action::TabNext | Action::TabPrevious) {
            self.recorded = !self.recorded;
            return Vec::new();
        }
        list!(mut self, |list| list.on_action(&Self::below(scene), action))
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        let scene = Self::below(scene);
        if mouse.kind == MouseKind::Press && mouse.row == scene.body.y {
            let tabs = list!(self, |list| sub_tabs(self.recorded, &list.list));
            let at = tabs::at(&tabs, mouse.column.saturating_sub(scene.body.x));
            self.recorded = at.map_or(self.recorded, |at| at == 1);
            return Vec::new();
        }
        list!(mut self, |list| list.on_mouse(&scene, mouse))
    }

    fn fields(&self) -> &'static [Field] {
        list!(self, |list| list.fields())
    }

    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>) {
        list!(mut self, |list| list.set_filter(&Self::below(scene), filter));
    }

    fn filter(&self) -> Option<&Filter> {
        list!(self, |list| list.filter())
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        match scene.shells.terminals.shown() {
            Some(terminal) => vec![terminal.node],
            None => list!(self, |list| list.nodes(scene)),
        }
    }

    fn status(&self, scene: &Scene<'_>) -> String {
        match (&scene.shells.player, scene.shells.terminals.shown()) {
            (Some(_), _) => String::new(),
            (None, Some(terminal)) => terminal.status(),
            (None, None) => list!(self, |list| list.status(scene)),
        }
    }

    fn clear_marks(&mut self) -> bool {
        list!(mut self, |list| list.clear_marks())
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        list!(mut self, |list| list.seek(&Self::below(scene), forward, search))
    }

    fn copy(&self, scene: &Scene<'_>, row: bool) -> Option<String> {
        list!(self, |list| list.copy(scene, row))
    }

    fn hints(&self) -> &'static [Action] {
        list!(self, |list| list.hints())
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        if let Some(player) = &scene.shells.player {
            return player.draw(theme, area, buf);
        }
        let terminals = &scene.shells.terminals;
        terminals.draw_line(scene.fleet, area, &mut Painter { buf, theme });
        let below = terminals.area(area);
        match terminals.shown() {
            Some(terminal) => terminal.draw(theme, below, buf),
            None => list!(self, |list| list.draw(&Self::below(scene), theme, below, buf)),
        }
    }
}
