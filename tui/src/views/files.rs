//! Files: the directories of one node, one at a time, and what is in a file.
//!
//! It asks for a directory when it is shown one that it does not have, and keeps the rows that came, by name. What
//! is in a file is shown over it, copies and removals are asked about first.

mod columns;
mod menu;
pub(crate) mod text;

use std::collections::{BTreeMap, BTreeSet};

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::file::{FileKind, FilePage, FilePath, FileRow};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::observed::{Observed, say};
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::{Action, SortKey};
use crate::command::{FilesOrder, Subscription};
use crate::event::{Mouse, MouseKind};
use crate::filter::{Field, Filter};
use crate::format::count;
use crate::theme::{Role, Theme};
use crate::widgets::paint::Painter;
use crate::widgets::table::{self, Look, Order, Table, sort_at};

use columns::{COLUMNS, FIELDS, Row};

/// Lines above the rows: the path and the heading.
const HEAD_ROWS: u16 = 2;
/// Rows that one step of the wheel moves.
const WHEEL_ROWS: usize = 3;

/// Rows by a number that stays theirs while the directory is shown.
type Rows = BTreeMap<u32, FileRow>;

/// The view.
#[derive(Clone, Debug)]
pub struct FilesView {
    observed: Observed,
    /// Of which node what follows is.
    of: Option<NodeId>,
    path: FilePath,
    /// What was asked for and has not come.
    asked: Option<FilePath>,
    listed: Option<Result<Rows, RpcError>>,
    /// There are more than came.
    has_more: bool,
    /// On which name the cursor is put once the rows are there.
    sought: Option<FilePath>,
    table: Table<u32>,
    filter: Option<Filter>,
}

impl Default for FilesView {
    fn default() -> Self {
        Self {
            observed: Observed::default(),
            of: None,
            path: root(),
            asked: None,
            listed: None,
            has_more: false,
            sought: None,
            table: Table::new(Order { key: SortKey::Name, descending: false }),
            filter: None,
        }
    }
}

fn root() -> FilePath {
    FilePath::new(&b"/"[..]).unwrap_or_default()
}

impl FilesView {
    /// What is to be asked for, if what is shown is not here; it counts as asked from then on.
    pub fn wanted(&mut self, scene: &Scene<'_>) -> Option<(NodeId, FilesOrder)> {
        let node = self.observed.current(scene.fleet)?;
        if self.of != Some(node) {
            self.leave(root());
            self.of = Some(node);
        }
        if self.listed.is_some() || self.asked.as_ref() == Some(&self.path) {
            return None;
        }
        self.asked = Some(self.path.clone());
        Some((node, FilesOrder::List(self.path.clone())))
    }

    /// A directory came.
    pub fn on_listed(
        &mut self,
        scene: &Scene<'_>,
        (node, path): (NodeId, &FilePath),
        result: Result<FilePage, RpcError>,
    ) {
        if self.of != Some(node) || self.path != *path {
            return;
        }
        self.asked = None;
        self.has_more = result.as_ref().is_ok_and(|page| page.next.is_some());
        self.listed = Some(result.map(|page| (0..).zip(page.rows).collect()));
        self.rebuild(scene);
        let sought = self.sought.take();
        if let (Some(sought), Some(Ok(rows))) = (sought, &self.listed)
            && let Some((id, _)) = rows.iter().find(|(_, row)| row.name == sought)
        {
            self.table.select(*id);
            self.table.follow(visible(scene.body));
        }
    }

    /// Asks for what is shown anew.
    pub fn refresh(&mut self) {
        if let Some(node) = self.of {
            self.on_changed(node);
        }
    }

    /// Something was changed there: what is shown is asked for anew.
    pub fn on_changed(&mut self, node: NodeId) {
        if self.of == Some(node) {
            self.sought = self.row().map(|row| row.name.clone());
            self.listed = None;
            self.asked = None;
        }
    }

    fn leave(&mut self, to: FilePath) {
        let order = self.table.order;
        self.path = to;
        (self.listed, self.asked, self.has_more) = (None, None, false);
        // What it let through was of the directory that is left.
        self.filter = None;
        self.table = Table::new(order);
    }

    fn rows(&self) -> Option<&Rows> {
        self.listed.as_ref()?.as_ref().ok()
    }

    /// The row under the cursor.
    fn row(&self) -> Option<&FileRow> {
        self.rows()?.get(&self.table.cursor()?)
    }

    /// The rows that an action is about.
    fn targets(&self) -> Vec<&FileRow> {
        let Some(rows) = self.rows() else { return Vec::new() };
        self.table.targets().iter().filter_map(|id| rows.get(id)).collect()
    }

    fn rebuild(&mut self, scene: &Scene<'_>) {
        let Some(Ok(rows)) = &self.listed else { return };
        let (filter, order) = (self.filter.as_ref(), self.table.order);
        let mut shown: Vec<(u32, Row<'_>)> =
            rows.iter().map(|(id, row)| (*id, Row { row, wall: scene.wall })).collect();
        shown.retain(|(_, row)| filter.is_none_or(|filter| filter.matches(row)));
        shown.sort_by(|(_, one), (_, other)| {
            let names = || one.row.name.cmp(&other.row.name);
            order.direct(columns::compare(order.key, one, other)).then_with(names)
        });
        let (ids, total) = (shown.into_iter().map(|(id, _)| id).collect(), rows.len());
        self.table.set_rows(ids, total);
        self.table.follow(visible(scene.body));
    }

    fn go_up(&mut self) {
        let bytes = self.path.as_bytes();
        let Some(at) = bytes.iter().rposition(|&byte| byte == b'/').filter(|_| bytes.len() > 1) else {
            return;
        };
        let (above, name) = (bytes[..at.max(1)].to_vec(), bytes[at + 1..].to_vec());
        self.sought = FilePath::new(name).ok();
        self.leave(FilePath::new(above).unwrap_or_default());
    }

    /// The path of a name in the directory that is shown.
    fn below(&self, name: &FilePath) -> FilePath {
        let mut path = self.path.as_bytes().to_vec();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend(name.as_bytes());
        FilePath::new(path).unwrap_or_default()
    }

    /// Goes into a directory, or shows what is in a file.
    fn open(&mut self) -> Vec<Request> {
        let (Some(node), Some(row)) = (self.of, self.row()) else { return Vec::new() };
        let (kind, path) = (row.kind, self.below(&row.name));
        match kind {
            FileKind::Directory => {
                self.leave(path);
                Vec::new()
            }
            FileKind::File => vec![Request::Files(node, FilesOrder::View(path))],
            FileKind::Symlink => vec![Request::Files(node, FilesOrder::Follow(path))],
            _ => vec![Request::Say("only directories and regular files can be looked into".into())],
        }
    }

    /// Follows a link to a directory.
    pub fn enter(&mut self, node: NodeId, path: FilePath) {
        if self.of == Some(node) {
            self.leave(path);
        }
    }

    /// Has the file edited; of a link that to which it leads.
    fn edit(&self) -> Vec<Request> {
        let (Some(node), Some(row)) = (self.of, self.row()) else { return Vec::new() };
        vec![match row.kind {
            FileKind::File | FileKind::Symlink => {
                Request::Files(node, FilesOrder::Edit(self.below(&row.name)))
            }
            _ => Request::Say("only regular files can be edited".into()),
        }]
    }

    fn describe(&self) -> Vec<Request> {
        let Some(row) = self.row() else { return Vec::new() };
        let title = self.below(&row.name).to_string();
        vec![Request::Read { title, lines: columns::facts(row) }]
    }
}

/// Rows of the table that fit into a body.
fn visible(body: Rect) -> usize {
    usize::from(body.height.saturating_sub(HEAD_ROWS))
}

impl View for FilesView {
    fn id(&self) -> ViewId {
        ViewId::Files
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        let node = self.observed.current(scene.fleet);
        node.map_or_else(|| "files".to_owned(), |node| format!("files of {}", scene.fleet.name_of(node)))
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        self.observed.set_scope(scene.fleet, scope);
    }

    fn topics(&self, _: &Scene<'_>) -> BTreeSet<Subscription> {
        BTreeSet::new()
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        match change {
            Change::Nodes => self.observed.settle(scene.fleet),
            Change::Time => self.rebuild(scene),
            _ => {}
        }
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        match action {
            Action::Open => return self.open(),
            Action::Describe => return self.describe(),
            Action::Edit => return self.edit(),
            Action::Left => self.go_up(),
            Action::Right if self.row().is_some_and(|row| row.kind == FileKind::Directory) => {
                return self.open();
            }
            Action::PaneNext | Action::PanePrevious => {
                self.observed.step(scene.fleet, action == Action::PaneNext);
            }
            Action::Menu => return vec![Request::Menu(menu::menu(self, scene))],
            Action::Kill => return menu::remove(self).into_iter().collect(),
            Action::Sort(key) if COLUMNS.iter().any(|column| column.sort == Some(key)) => {
                self.table.sort_by(key);
                self.rebuild(scene);
            }
            action => {
                self.table.on_action(action, visible(scene.body));
            }
        }
        Vec::new()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        let (x, y) = (mouse.column.saturating_sub(scene.body.x), mouse.row.saturating_sub(scene.body.y));
        let height = visible(scene.body);
        match mouse.kind {
            MouseKind::WheelDown | MouseKind::WheelUp => {
                let action = if mouse.kind == MouseKind::WheelDown { Action::Down } else { Action::Up };
                for _ in 0..WHEEL_ROWS {
                    self.table.on_action(action, height);
                }
            }
            MouseKind::Press if y == 0 => self.go_up(),
            MouseKind::Press if y == 1 => {
                if let Some(key) = sort_at(&COLUMNS, scene.body.width, x) {
                    self.table.sort_by(key);
                    self.rebuild(scene);
                }
            }
            MouseKind::Press => {
                self.table.press(usize::from(y - HEAD_ROWS));
            }
        }
        Vec::new()
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>) {
        self.filter = filter;
        self.rebuild(scene);
    }

    fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        self.observed.current(scene.fleet).into_iter().collect()
    }

    fn status(&self, _: &Scene<'_>) -> String {
        let Some(rows) = self.rows() else { return String::new() };
        let (shown, total) = (self.table.rows().len(), rows.len());
        let more = if self.has_more { "+" } else { "" };
        let shown = if shown == total { String::new() } else { format!("{} of ", count(shown)) };
        format!("{shown}{}{more}", count(total))
    }

    fn clear_marks(&mut self) -> bool {
        let had = !self.table.marks().is_empty();
        self.table.clear_marks();
        had
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        let Some(Ok(rows)) = &self.listed else { return false };
        let hit = |id: &u32| rows.get(id).is_some_and(|row| search.matches(&Row { row, wall: scene.wall }));
        let found = self.table.seek(forward, hit);
        self.table.follow(visible(scene.body));
        found
    }

    fn copy(&self, _: &Scene<'_>, _row: bool) -> Option<String> {
        let paths: Vec<String> = self.targets().iter().map(|row| self.below(&row.name).to_text()).collect();
        (!paths.is_empty()).then(|| paths.join("\n"))
    }

    fn hints(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Left,
            Action::Edit,
            Action::Describe,
            Action::Menu,
            Action::PaneNext,
            Action::Mark,
        ]
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let mut painter = Painter { buf, theme };
        if area.height == 0 {
            return;
        }
        painter.text((area.x, area.y), area.width, &self.path.to_string(), Role::Accent);
        let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
        let rows = match &self.listed {
            Some(Ok(rows)) => rows,
            Some(Err(error)) => return say(&mut painter, below, &error.message, Role::Bad),
            None if self.observed.current(scene.fleet).is_none() => {
                return say(&mut painter, below, "no node is known", Role::Dim);
            }
            None => return say(&mut painter, below, "waiting for the directory", Role::Dim),
        };
        let empty =
            if rows.is_empty() { "the directory is empty" } else { "the filter lets nothing through" };
        let look = Look { columns: &COLUMNS, empty, dimmed: false };
        let cell = |id: u32, column: usize| {
            rows.get(&id).map_or_else(Default::default, |row| {
                Row { row, wall: scene.wall }.cell(COLUMNS[column].title)
            })
        };
        table::draw(&self.table, &look, cell, (below, theme), buf);
    }
}
