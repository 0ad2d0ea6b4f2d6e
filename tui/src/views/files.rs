//! Files: two panes, each a directory of some node, side by side or, where there is no room, one at a time.
//!
//! It asks for a directory when it is shown one that it does not have. What is in a file is shown over it; what is
//! copied goes from the pane that keys go to into the other one, and is asked about first, as removals are.

mod columns;
mod menu;
mod pane;
mod preview;
pub(crate) mod text;

use std::collections::BTreeSet;

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::file::{FileKind, FilePage, FilePath};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::Action;
use crate::command::{After, Below, CopyPlan, FilesOrder, Spot, Subscription};
use crate::event::{Mouse, MouseKind, Previewed};
use crate::filter::{Field, Filter};
use crate::theme::{Role, Theme};
use crate::widgets::paint::Painter;

use columns::FIELDS;
use pane::Pane;
use preview::Preview;

/// From this width on both panes are shown.
const BOTH_WIDTH_MIN: u16 = 76;
/// Most names of one copy; a directory counts as one.
const NAMES_MAX: usize = 500;

/// The view.
#[derive(Clone, Debug, Default)]
pub struct FilesView {
    panes: [Pane; 2],
    /// The one that keys go to.
    active: usize,
    preview: Preview,
}

impl FilesView {
    fn pane(&self) -> &Pane {
        &self.panes[self.active]
    }

    fn pane_mut(&mut self) -> &mut Pane {
        &mut self.panes[self.active]
    }

    fn other(&self) -> &Pane {
        &self.panes[1 - self.active]
    }

    /// Where each pane stands; one that is not shown has no place.
    fn places(&self, body: Rect) -> [Option<Rect>; 2] {
        let (body, _) = self.preview.divide(body);
        if body.width < BOTH_WIDTH_MIN {
            let mut places = [None, None];
            places[self.active] = Some(body);
            return places;
        }
        let left = (body.width - 1) / 2;
        let right = Rect { x: body.x + left + 1, width: body.width - left - 1, ..body };
        [Some(Rect { width: left, ..body }), Some(right)]
    }

    /// What is to be asked for, if what is shown is not here; it counts as asked from then on.
    pub fn wanted(&mut self, scene: &Scene<'_>) -> Vec<(NodeId, FilesOrder)> {
        let places = self.places(scene.body);
        let shown = self.panes.iter_mut().zip(places).filter(|(_, place)| place.is_some());
        let mut wanted: Vec<(NodeId, FilePath)> = shown.filter_map(|(pane, _)| pane.wanted(scene)).collect();
        // One answer is for both.
        wanted.dedup();
        let mut orders: Vec<_> =
            wanted.into_iter().map(|(node, path)| (node, FilesOrder::List(path))).collect();
        if self.preview.divide(scene.body).1.is_some() {
            let pane = &self.panes[self.active];
            let under = pane.of.zip(pane.row()).map(|(node, row)| (node, pane.below(&row.name), row));
            let wanted = self.preview.wanted(under);
            orders.extend(wanted.map(|(node, path)| (node, FilesOrder::Preview(path))));
        }
        orders
    }

    /// What is under the cursor came.
    pub fn on_previewed(&mut self, node: NodeId, path: &FilePath, result: Result<Previewed, RpcError>) {
        self.preview.on_previewed(node, path, result);
    }

    /// A directory came.
    pub fn on_listed(
        &mut self,
        scene: &Scene<'_>,
        place: (NodeId, &FilePath),
        result: &Result<FilePage, RpcError>,
    ) {
        for pane in &mut self.panes {
            pane.on_listed(scene, place, result);
        }
    }

    /// What was asked for is no directory.
    pub fn on_file(&mut self, node: NodeId, path: &FilePath) {
        self.panes.iter_mut().for_each(|pane| pane.on_file(node, path));
    }

    /// Asks for what is shown anew.
    pub fn refresh(&mut self) {
        self.panes.iter_mut().for_each(Pane::on_changed);
        self.preview.refresh();
    }

    /// Something was changed there: what is shown of it is asked for anew.
    pub fn on_changed(&mut self, node: NodeId) {
        self.panes.iter_mut().filter(|pane| pane.of == Some(node)).for_each(Pane::on_changed);
        self.preview.refresh();
    }

    /// Follows a link to a directory.
    pub fn enter(&mut self, node: NodeId, path: FilePath) {
        if self.pane().of == Some(node) {
            self.pane_mut().leave(path);
        }
    }

    /// Shows a directory in the pane that keys go to, with the cursor on a name if one is given.
    pub fn go(&mut self, spot: Spot, name: Option<FilePath>) {
        self.pane_mut().go(spot.node, spot.path, name);
    }

    /// Where the pane that keys go to is.
    pub fn spot(&self, scene: &Scene<'_>) -> Option<Spot> {
        let node = self.pane().observed.current(scene.fleet)?;
        Some(Spot { node, path: self.pane().path.clone() })
    }

    /// The other pane looks where this one does.
    fn follow(&mut self, scene: &Scene<'_>) -> Option<Request> {
        let Spot { node, path } = self.spot(scene)?;
        self.panes[1 - self.active].go(node, path, None);
        None
    }

    /// What is marked, or under the cursor, goes to the directory of the other pane.
    fn copy_over(&self, scene: &Scene<'_>, after: After) -> Request {
        let (Some(from), Some(to)) = (self.pane().of, self.other().observed.current(scene.fleet)) else {
            return Request::Say("there is no node to copy to".into());
        };
        let rows = self.pane().targets();
        let copied = rows
            .iter()
            .filter(|row| matches!(row.kind, FileKind::File | FileKind::Directory | FileKind::Symlink));
        let paths: Vec<FilePath> = copied.map(|row| self.pane().below(&row.name)).collect();
        if paths.is_empty() {
            return Request::Say("only files, directories and links are copied".into());
        }
        if paths.len() > NAMES_MAX {
            return Request::Say(format!("at most {NAMES_MAX} names at a time: copy the directory itself"));
        }
        let to = Spot { node: to, path: self.other().path.clone() };
        Request::Files(
            to.node,
            FilesOrder::Plan(Box::new(CopyPlan { from, paths, to, below: Below::Always, after })),
        )
    }

    /// The second pane begins on another node than the first, if there is one.
    fn settle_panes(&mut self, scene: &Scene<'_>) {
        let beside = self.panes[1].observed.chosen().is_none();
        self.panes[0].observed.settle(scene.fleet);
        if beside && let Some(first) = self.panes[0].observed.chosen() {
            self.panes[1].observed.choose(first);
            self.panes[1].observed.step(scene.fleet, true);
        }
        self.panes[1].observed.settle(scene.fleet);
    }
}

impl View for FilesView {
    fn id(&self) -> ViewId {
        ViewId::Files
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        let node = self.pane().observed.current(scene.fleet);
        let name =
            node.map_or_else(|| "files".to_owned(), |node| format!("files of {}", scene.fleet.name_of(node)));
        let hidden = self.places(scene.body).iter().any(Option::is_none);
        if hidden { format!("{name}, pane {}/2", self.active + 1) } else { name }
    }

    /// Two nodes are for the two panes.
    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        if let Scope::Nodes(nodes) = &scope
            && let [first, second] = nodes.iter().copied().collect::<Vec<_>>()[..]
        {
            self.panes[0].observed.set_scope(scene.fleet, Scope::one(first));
            self.panes[1].observed.set_scope(scene.fleet, Scope::one(second));
            return;
        }
        self.pane_mut().observed.set_scope(scene.fleet, scope);
        self.settle_panes(scene);
    }

    fn topics(&self, _: &Scene<'_>) -> BTreeSet<Subscription> {
        BTreeSet::new()
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        match change {
            Change::Nodes => self.settle_panes(scene),
            Change::Time => self.panes.iter_mut().for_each(|pane| pane.rebuild(scene)),
            _ => {}
        }
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        match action {
            Action::PaneNext | Action::PanePrevious => self.active = 1 - self.active,
            Action::SamePlace => return self.follow(scene).into_iter().collect(),
            Action::SwapPanes => self.panes.swap(0, 1),
            Action::Preview if scene.body.width < preview::WIDTH_MIN => {
                let least = preview::WIDTH_MIN;
                return vec![Request::Say(format!(
                    "a preview has room from {least} columns on: Enter shows it"
                ))];
            }
            Action::Preview => self.preview.off = !self.preview.off,
            Action::CopyOver => return vec![self.copy_over(scene, After::Keep)],
            Action::MoveOver => return vec![self.copy_over(scene, After::Remove)],
            Action::Menu => return vec![Request::Menu(menu::menu(self, scene))],
            Action::Find => return vec![Request::Menu(menu::find(self, scene))],
            Action::Kill => return menu::remove(self.pane()).into_iter().collect(),
            action => return self.pane_mut().on_action(scene, action),
        }
        Vec::new()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        let at = |place: &Option<Rect>| {
            place.is_some_and(|place| place.contains((mouse.column, mouse.row).into()))
        };
        if self.preview.divide(scene.body).1.is_some_and(|place| at(&Some(place))) {
            self.preview.on_mouse(mouse);
            return Vec::new();
        }
        let places = self.places(scene.body);
        let Some(pane) = places.iter().position(at) else { return Vec::new() };
        if mouse.kind == MouseKind::Press {
            // The first click on the other pane goes to it, as Tab does.
            self.active = pane;
        }
        if let Some(place) = places[pane] {
            self.panes[pane].on_mouse(scene, mouse, place);
        }
        Vec::new()
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>) {
        self.pane_mut().filter = filter;
        self.pane_mut().rebuild(scene);
    }

    fn filter(&self) -> Option<&Filter> {
        self.pane().filter.as_ref()
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        self.pane().observed.current(scene.fleet).into_iter().collect()
    }

    fn status(&self, _: &Scene<'_>) -> String {
        self.pane().status()
    }

    fn clear_marks(&mut self) -> bool {
        let table = &mut self.pane_mut().table;
        let had = !table.marks().is_empty();
        table.clear_marks();
        had
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        self.pane_mut().seek(scene, forward, search)
    }

    fn copy(&self, _: &Scene<'_>, _row: bool) -> Option<String> {
        let pane = self.pane();
        let paths: Vec<String> = pane.targets().iter().map(|row| pane.below(&row.name).to_text()).collect();
        (!paths.is_empty()).then(|| paths.join("\n"))
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Left,
            Action::CopyOver,
            Action::PaneNext,
            Action::TabNext,
            Action::Edit,
            Action::Find,
            Action::Menu,
            Action::Mark,
        ]
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let places = self.places(area);
        for (index, (pane, place)) in self.panes.iter().zip(places).enumerate() {
            if let Some(place) = place {
                pane.draw(scene, (place, theme), index == self.active, buf);
            }
        }
        let beside = self.preview.divide(area).1;
        if let Some(beside) = beside {
            self.preview.draw(theme, beside, buf);
        }
        let mut painter = Painter { buf, theme };
        let edges = [places[1].and(places[0]).map(|left| left.right()), beside.map(|place| place.x - 1)];
        for x in edges.into_iter().flatten() {
            for y in area.top()..area.bottom() {
                painter.text((x, y), 1, theme.glyphs.frame[5], Role::Border);
            }
        }
    }
}
