//! One pane: a directory of one node. It keeps the rows that came, by number, and says which directory it lacks.

use std::collections::BTreeMap;

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::file::{FileKind, FilePage, FilePath, FileRow};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::columns::{COLUMNS, Row, compare, facts};
use crate::action::{Action, SortKey};
use crate::command::FilesOrder;
use crate::event::{Mouse, MouseKind};
use crate::filter::Filter;
use crate::format::count;
use crate::paths;
use crate::theme::{Role, Theme};
use crate::views::observed::{Observed, say};
use crate::views::{Request, Scene};
use crate::widgets::paint::Painter;
use crate::widgets::table::{self, Look, Order, Table, sort_at};

/// Lines above the rows: the path and the heading.
const HEAD_ROWS: u16 = 2;
/// Rows that one step of the wheel moves.
const WHEEL_ROWS: usize = 3;

/// Rows by a number that stays theirs while the directory is shown.
type Rows = BTreeMap<u32, FileRow>;

/// A pane.
#[derive(Clone, Debug)]
pub(super) struct Pane {
    pub(super) observed: Observed,
    /// Of which node what follows is.
    pub(super) of: Option<NodeId>,
    pub(super) path: FilePath,
    /// What was asked for and has not come.
    asked: Option<FilePath>,
    listed: Option<Result<Rows, RpcError>>,
    /// What is listed is old; it is shown until the new comes.
    stale: bool,
    /// There are more than came.
    has_more: bool,
    /// On which name the cursor is put once the rows are there.
    sought: Option<FilePath>,
    pub(super) table: Table<u32>,
    pub(super) filter: Option<Filter>,
}

impl Default for Pane {
    fn default() -> Self {
        Self {
            observed: Observed::default(),
            of: None,
            path: paths::root(),
            asked: None,
            listed: None,
            stale: false,
            has_more: false,
            sought: None,
            table: Table::new(Order { key: SortKey::Name, descending: false }),
            filter: None,
        }
    }
}

impl Pane {
    /// The directory that is to be asked for, if what is shown is not here; it counts as asked from then on.
    pub(super) fn wanted(&mut self, scene: &Scene<'_>) -> Option<(NodeId, FilePath)> {
        let node = self.observed.current(scene.fleet)?;
        if self.of != Some(node) {
            // A place that was never looked at is kept: it was chosen with the node.
            if self.of.is_some() {
                self.leave(paths::root());
            }
            self.of = Some(node);
        }
        if (self.listed.is_some() && !self.stale) || self.asked.as_ref() == Some(&self.path) {
            return None;
        }
        self.asked = Some(self.path.clone());
        Some((node, self.path.clone()))
    }

    /// A directory came.
    pub(super) fn on_listed(
        &mut self,
        scene: &Scene<'_>,
        (node, path): (NodeId, &FilePath),
        result: &Result<FilePage, RpcError>,
    ) {
        if self.of != Some(node) || self.path != *path {
            return;
        }
        (self.asked, self.stale) = (None, false);
        self.has_more = result.as_ref().is_ok_and(|page| page.next.is_some());
        let listed: Result<Rows, RpcError> = result.clone().map(|page| (0..).zip(page.rows).collect());
        self.renumber(listed.as_ref().ok());
        self.listed = Some(listed);
        self.rebuild(scene);
        let sought = self.sought.take();
        if let (Some(sought), Some(Ok(rows))) = (sought, &self.listed)
            && let Some((id, _)) = rows.iter().find(|(_, row)| row.name == sought)
        {
            self.table.select(*id);
            self.table.follow(visible(scene.body));
        }
    }

    /// What was asked for is no directory: the one in which it stands is shown, with the cursor on it.
    pub(super) fn on_file(&mut self, node: NodeId, path: &FilePath) {
        if self.of == Some(node) && self.path == *path {
            self.go_up();
        }
    }

    /// Other rows come: cursor and marks stay on their names.
    fn renumber(&mut self, new: Option<&Rows>) {
        let ids: BTreeMap<&FilePath, u32> =
            new.into_iter().flatten().map(|(id, row)| (&row.name, *id)).collect();
        let old = self.listed.as_ref().and_then(|listed| listed.as_ref().ok());
        self.table.rename(|id| ids.get(&old?.get(&id)?.name).copied());
    }

    /// Something was changed there: what is shown is asked for anew.
    pub(super) fn on_changed(&mut self) {
        (self.stale, self.asked) = (true, None);
    }

    /// Shows another directory of the node.
    pub(super) fn leave(&mut self, to: FilePath) {
        let order = self.table.order;
        self.path = to;
        (self.listed, self.asked, self.has_more, self.stale) = (None, None, false, false);
        // What it let through was of the directory that is left.
        self.filter = None;
        self.table = Table::new(order);
    }

    /// Shows a directory of a node, with the cursor on a name if one is given.
    pub(super) fn go(&mut self, node: NodeId, path: FilePath, name: Option<FilePath>) {
        self.observed.choose(node);
        self.of = Some(node);
        self.leave(path);
        self.sought = name;
    }

    fn rows(&self) -> Option<&Rows> {
        self.listed.as_ref()?.as_ref().ok()
    }

    /// The row under the cursor.
    pub(super) fn row(&self) -> Option<&FileRow> {
        self.rows()?.get(&self.table.cursor()?)
    }

    /// The rows that an action is about.
    pub(super) fn targets(&self) -> Vec<&FileRow> {
        let Some(rows) = self.rows() else { return Vec::new() };
        self.table.targets().iter().filter_map(|id| rows.get(id)).collect()
    }

    pub(super) fn rebuild(&mut self, scene: &Scene<'_>) {
        let Some(Ok(rows)) = &self.listed else { return };
        let (filter, order) = (self.filter.as_ref(), self.table.order);
        let mut shown: Vec<(u32, Row<'_>)> =
            rows.iter().map(|(id, row)| (*id, Row { row, wall: scene.wall })).collect();
        shown.retain(|(_, row)| filter.is_none_or(|filter| filter.matches(row)));
        shown.sort_by(|(_, one), (_, other)| {
            let names = || one.row.name.cmp(&other.row.name);
            order.direct(compare(order.key, one, other)).then_with(names)
        });
        let (ids, total) = (shown.into_iter().map(|(id, _)| id).collect(), rows.len());
        self.table.set_rows(ids, total);
        self.table.follow(visible(scene.body));
    }

    /// To the directory above, with the cursor on this one.
    pub(super) fn go_up(&mut self) {
        let Some((above, name)) = paths::split(&self.path) else { return };
        self.leave(above);
        self.sought = Some(name);
    }

    /// The path of a name in the directory that is shown.
    pub(super) fn below(&self, name: &FilePath) -> FilePath {
        paths::below(&self.path, name.as_bytes()).unwrap_or_default()
    }

    /// Goes into a directory, or shows what is in a file.
    pub(super) fn open(&mut self) -> Vec<Request> {
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

    /// Has the file edited; of a link that to which it leads.
    pub(super) fn edit(&self) -> Vec<Request> {
        let (Some(node), Some(row)) = (self.of, self.row()) else { return Vec::new() };
        vec![match row.kind {
            FileKind::File | FileKind::Symlink => {
                Request::Files(node, FilesOrder::Edit(self.below(&row.name)))
            }
            _ => Request::Say("only regular files can be edited".into()),
        }]
    }

    pub(super) fn describe(&self) -> Vec<Request> {
        let Some(row) = self.row() else { return Vec::new() };
        let title = self.below(&row.name).to_string();
        vec![Request::Read { title, lines: facts(row) }]
    }

    /// Actions of one pane alone.
    pub(super) fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        match action {
            Action::Open => return self.open(),
            Action::Describe => return self.describe(),
            Action::Edit => return self.edit(),
            Action::Left => self.go_up(),
            Action::Right if self.row().is_some_and(|row| row.kind == FileKind::Directory) => {
                return self.open();
            }
            Action::TabNext | Action::TabPrevious => {
                self.observed.step(scene.fleet, action == Action::TabNext);
            }
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

    /// A click or the wheel, with its place in the pane's area.
    pub(super) fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse, area: Rect) {
        let (x, y) = (mouse.column.saturating_sub(area.x), mouse.row.saturating_sub(area.y));
        let height = visible(area);
        match mouse.kind {
            MouseKind::WheelDown | MouseKind::WheelUp => {
                let action = if mouse.kind == MouseKind::WheelDown { Action::Down } else { Action::Up };
                for _ in 0..WHEEL_ROWS {
                    self.table.on_action(action, height);
                }
            }
            MouseKind::Press if y == 0 => self.go_up(),
            MouseKind::Press if y == 1 => {
                if let Some(key) = sort_at(&COLUMNS, area.width, x) {
                    self.table.sort_by(key);
                    self.rebuild(scene);
                }
            }
            MouseKind::Press => {
                self.table.press(usize::from(y - HEAD_ROWS));
            }
        }
    }

    pub(super) fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        let Some(Ok(rows)) = &self.listed else { return false };
        let hit = |id: &u32| rows.get(id).is_some_and(|row| search.matches(&Row { row, wall: scene.wall }));
        let found = self.table.seek(forward, hit);
        self.table.follow(visible(scene.body));
        found
    }

    /// How many rows there are, and how many are marked.
    pub(super) fn status(&self) -> String {
        let Some(rows) = self.rows() else { return String::new() };
        let (shown, total) = (self.table.rows().len(), rows.len());
        let more = if self.has_more { "+" } else { "" };
        let shown = if shown == total { String::new() } else { format!("{} of ", count(shown)) };
        let marked = match self.table.marks().len() {
            0 => String::new(),
            marked => format!(", {} marked", count(marked)),
        };
        let names = if total == 1 { "name" } else { "names" };
        format!("{shown}{}{more} {names}{marked}", count(total))
    }

    /// Where it is: `web-1:/etc`.
    pub(super) fn heading(&self, scene: &Scene<'_>) -> String {
        let node = self.observed.current(scene.fleet).map(|node| scene.fleet.name_of(node));
        format!("{}:{}", node.unwrap_or_default(), self.path)
    }

    /// Draws it; the one that keys go to has a mark before its path and a bar on its row.
    pub(super) fn draw(
        &self,
        scene: &Scene<'_>,
        (area, theme): (Rect, &Theme),
        is_active: bool,
        buf: &mut Buffer,
    ) {
        let mut painter = Painter { buf, theme };
        if area.height == 0 {
            return;
        }
        let (mark, role) = if is_active { (theme.glyphs.tree[0], Role::Accent) } else { (" ", Role::Dim) };
        let filter = self.filter.as_ref().map(|filter| format!("  filter: {}", filter.text()));
        let pieces = [
            (mark, role),
            (" ", role),
            (&self.heading(scene), role),
            (filter.as_deref().unwrap_or_default(), Role::Warn),
        ];
        painter.line((area.x, area.y), area.width, &pieces);
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
        if is_active {
            table::draw(&self.table, &look, cell, (below, theme), buf);
        } else {
            table::draw_beside(&self.table, &look, cell, (below, theme), buf);
        }
    }
}

/// Rows of the table that fit into a body.
fn visible(body: Rect) -> usize {
    usize::from(body.height.saturating_sub(HEAD_ROWS))
}
