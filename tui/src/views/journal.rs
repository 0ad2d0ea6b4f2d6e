//! Journal: lines of the journals of nodes in one order of time, or what one program wrote; followed as they come.
//!
//! It reads the lines that the scene holds; it keeps which of them are shown, and what is asked of the nodes.

mod columns;

use std::collections::BTreeSet;

use p2p_shared::error::Code;
use p2p_shared::id::NodeId;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fleet::{clear_marks, on_mouse};
use super::list::{beside, height};
use super::related::Thing;
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::{Action, SortKey};
use crate::app::menu::{Choice, Item, JournalPart, Menu, Question};
use crate::command::{Follow, JournalQuestion, Source, Subscription};
use crate::event::Mouse;
use crate::filter::{Field, Filter};
use crate::fleet::Node;
use crate::format::{count, plural};
use crate::log::{Place, Sort};
use crate::theme::{Role, Theme};
use crate::widgets::table::{self, Cell, Column, Look, Order, Table};

use columns::{FIELDS, Row};
pub(crate) use columns::{PRIORITIES, priority};

/// Nodes that are followed at the same time; beyond, the scope has to be narrowed.
const NODES_FOLLOWED_MAX: usize = 128;

/// The view.
#[derive(Debug)]
pub struct JournalView {
    scope: Scope,
    narrow: Option<Scope>,
    source: Source,
    table: Table<Place>,
    filter: Option<Filter>,
    /// The cursor goes with the newest line.
    following: bool,
    stale: bool,
}

impl Default for JournalView {
    fn default() -> Self {
        Self {
            scope: Scope::All,
            narrow: None,
            source: Source::default(),
            table: Table::new(Order { key: SortKey::Age, descending: false }),
            filter: None,
            following: true,
            stale: false,
        }
    }
}

impl JournalView {
    /// Shows other lines from now on.
    pub fn set_source(&mut self, source: Source) {
        if self.source != source {
            self.source = source;
            self.filter = None;
            self.table = Table::new(self.table.order);
        }
        self.following = true;
    }

    /// Changes a part of what is asked of the nodes; what is wrong with the text, if it is.
    pub fn ask(&mut self, part: JournalPart, text: &str) -> Result<(), String> {
        let Source::Journal(question) = &self.source else {
            return Err("this is what one program wrote, and no journal".to_owned());
        };
        let mut question = question.clone();
        let given = Some(text.trim()).filter(|text| !text.is_empty());
        match part {
            JournalPart::Unit => question.unit = given.map(ToOwned::to_owned),
            JournalPart::Text => question.text = given.map(ToOwned::to_owned),
            JournalPart::Priority => question.priority = given.map(priority).transpose()?,
        }
        self.set_source(Source::Journal(question));
        Ok(())
    }

    fn in_scope<'a>(&'a self, scene: &Scene<'a>) -> impl Iterator<Item = (NodeId, &'a Node)> {
        scene.fleet.iter().filter(|(id, _)| self.scope.has(*id))
    }

    fn is_single(&self) -> bool {
        matches!(&self.scope, Scope::Nodes(nodes) if nodes.len() == 1)
    }

    fn columns(&self) -> &'static [Column] {
        columns::columns(self.is_single())
    }

    fn row<'a>(scene: &Scene<'a>, place: Place) -> Option<Row<'a>> {
        let line = scene.log.get(place)?;
        Some(Row { line, node: scene.fleet.get(line.node)?.name(), wall: scene.wall })
    }

    fn rebuild(&mut self, scene: &Scene<'_>) {
        self.stale = false;
        let mut total = 0;
        let mut rows = Vec::new();
        if *scene.log.source() == self.source {
            for (place, line) in scene.log.lines().filter(|(_, line)| self.scope.has(line.node)) {
                total += 1;
                let passes = |filter: &Filter| {
                    let node = scene.fleet.get(line.node);
                    node.is_some_and(|node| {
                        filter.matches(&Row { line, node: node.name(), wall: scene.wall })
                    })
                };
                if self.filter.as_ref().is_none_or(passes) {
                    rows.push(place);
                }
            }
        }
        self.table.set_rows(rows, total);
        self.table.retain_marks(|place| scene.log.get(*place).is_some());
        if self.following {
            self.table.on_action(Action::Bottom, height(scene.body));
        }
        self.table.follow(height(scene.body));
    }

    /// After a movement: at the end it follows, elsewhere it stays.
    fn moved(&mut self) {
        self.following = self.table.position() + 1 >= self.table.rows().len();
    }

    fn describe(&self, scene: &Scene<'_>) -> Option<Request> {
        let row = self.table.cursor().and_then(|place| Self::row(scene, place))?;
        Some(Request::Read { title: format!("{} on {}", row.line.who, row.node), lines: row.facts() })
    }

    fn menu(&self) -> Menu {
        let Source::Journal(question) = &self.source else {
            let whole = Source::default();
            let show = Choice::Do(Box::new(Request::Logs(whole, self.scope.clone())));
            let item = Item { key: 'a', label: "the whole journal instead".to_owned(), choice: Ok(show) };
            return Menu::new("output".to_owned(), vec![item]);
        };
        let ask = |key, label: &str, part| Item {
            key,
            label: label.to_owned(),
            choice: Ok(Choice::Ask(Question::Journal(part))),
        };
        let all = Request::Logs(Source::default(), self.scope.clone());
        let priority = |key, label: &str, priority| {
            let question = JournalQuestion { priority, ..question.clone() };
            let request = Request::Logs(Source::Journal(question), self.scope.clone());
            Item { key, label: label.to_owned(), choice: Ok(Choice::Do(Box::new(request))) }
        };
        let items = vec![
            ask('u', "of one unit", JournalPart::Unit),
            ask('p', "of a priority or graver", JournalPart::Priority),
            priority('e', "errors and graver", Some(3)),
            priority('w', "warnings and graver", Some(4)),
            ask('t', "that contain a text, asked of the nodes", JournalPart::Text),
            Item { key: 'a', label: "everything".to_owned(), choice: Ok(Choice::Do(Box::new(all))) },
        ];
        Menu::new("show lines".to_owned(), items)
    }

    /// What is shown, in words: `journal`, `journal of nginx.service, err and graver`.
    fn subject(&self) -> String {
        match &self.source {
            Source::Program(name) => format!("output of {name}"),
            Source::Job(id) => format!("output of job {id}"),
            Source::Journal(question) => {
                let mut text = "journal".to_owned();
                if let Some(unit) = &question.unit {
                    text.push_str(&format!(" of {unit}"));
                }
                if let Some(word) = question.priority.and_then(|at| PRIORITIES.get(usize::from(at))) {
                    text.push_str(&format!(", {word} and graver"));
                }
                if let Some(wanted) = &question.text {
                    text.push_str(&format!(", with {wanted:?}"));
                }
                text
            }
        }
    }

    /// Who lags, refuses, or has no journal.
    fn troubles(&self, scene: &Scene<'_>) -> String {
        let mut text = String::new();
        let mut tell = |names: Vec<&str>, what: &str| match names.as_slice() {
            [] => {}
            [one] => text.push_str(&format!(", {one} {what}")),
            many => text.push_str(&format!(", {} {what}", plural(many.len(), "node"))),
        };
        let names = |test: &dyn Fn(NodeId, &Node) -> bool| -> Vec<&str> {
            let such = self.in_scope(scene).filter(|(id, node)| test(*id, node));
            such.map(|(_, node)| node.name().as_str()).collect()
        };
        let code = |id| scene.log.error(id).map(|error| error.code);
        tell(names(&|id, _| scene.log.lags(id)), "lags");
        tell(names(&|id, _| code(id) == Some(Code::Unsupported)), "without systemd");
        tell(names(&|id, _| code(id).is_some_and(|code| code != Code::Unsupported)), "does not tell");
        tell(names(&|_, node| !node.is_there()), "gone");
        text
    }

    fn emptiness(&self, scene: &Scene<'_>) -> String {
        if self.filter.is_some() && self.table.total() > 0 {
            return "no line matches the filter".to_owned();
        }
        let nodes: Vec<(NodeId, &Node)> = self.in_scope(scene).collect();
        let error = nodes.iter().find_map(|(id, node)| Some((node, scene.log.error(*id)?)));
        match error {
            Some((_, error)) if error.code == Code::Unsupported => format!("no journal: {}", error.message),
            Some((node, error)) => format!("{}: {}", node.name(), error.message),
            None if nodes.iter().any(|(id, _)| scene.log.is_heard(*id)) => {
                format!("no line yet: {} on {}", self.subject(), self.scope.title(scene.fleet))
            }
            None => format!("waiting for the {} on {}", self.subject(), self.scope.title(scene.fleet)),
        }
    }
}

impl View for JournalView {
    fn id(&self) -> ViewId {
        ViewId::Journal
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        format!("{} on {}{}", self.subject(), self.scope.title(scene.fleet), self.troubles(scene))
    }

    fn status(&self, scene: &Scene<'_>) -> String {
        let mut parts = Vec::new();
        if self.filter.is_some() {
            parts.push(format!("{} of {} shown", count(self.table.rows().len()), count(self.table.total())));
        }
        if !self.table.marks().is_empty() {
            parts.push(format!("{} marked", self.table.marks().len()));
        }
        if scene.log.let_go() > 0 && *scene.log.source() == self.source {
            let gone = usize::try_from(scene.log.let_go()).unwrap_or(usize::MAX);
            parts.push(format!("{} let go", plural(gone, "older line")));
        }
        if !self.following {
            parts.push("paused".to_owned());
        }
        parts.join(", ")
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        self.narrow = None;
        self.scope = scope;
        self.following = true;
        self.rebuild(scene);
    }

    fn scope(&self) -> Option<Scope> {
        Some(self.scope.clone())
    }

    fn topics(&self, _: &Scene<'_>) -> BTreeSet<Subscription> {
        BTreeSet::new()
    }

    fn follows(&self, scene: &Scene<'_>) -> BTreeSet<Follow> {
        let there = self.in_scope(scene).filter(|(_, node)| node.is_there()).take(NODES_FOLLOWED_MAX);
        there.map(|(node, _)| Follow { node, source: self.source.clone() }).collect()
    }

    fn on_change(&mut self, _: &Scene<'_>, change: Change) {
        self.stale |= matches!(change, Change::Log | Change::Nodes);
    }

    fn settle(&mut self, scene: &Scene<'_>) {
        if self.stale {
            self.rebuild(scene);
        }
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        match action {
            Action::Follow => {
                self.following = !self.following;
                self.rebuild(scene);
            }
            Action::AllNodes => {
                let under = self.nodes(scene).first().copied();
                match self.scope {
                    Scope::All => {
                        let narrow = self.narrow.take().or_else(|| under.map(Scope::one));
                        self.scope = narrow.unwrap_or_default();
                    }
                    Scope::Nodes(_) => self.narrow = Some(std::mem::take(&mut self.scope)),
                }
                self.rebuild(scene);
            }
            Action::PaneNext | Action::PanePrevious => {
                if let Some(scope) = beside(&self.scope, scene, action == Action::PaneNext) {
                    self.scope = scope;
                    self.rebuild(scene);
                }
            }
            Action::Open | Action::Describe => return self.describe(scene).into_iter().collect(),
            Action::Menu => return vec![Request::Menu(self.menu())],
            Action::Left | Action::Right => {
                self.table.on_action(action, height(scene.body));
            }
            other => {
                if self.table.on_action(other, height(scene.body)) {
                    self.moved();
                }
            }
        }
        Vec::new()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        let columns = self.columns();
        on_mouse(&mut self.table, columns, scene.body, mouse);
        self.moved();
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
        let under = self.table.cursor().and_then(|place| scene.log.get(place)).map(|line| line.node);
        match (&self.scope, under) {
            (_, Some(node)) => vec![node],
            (Scope::Nodes(nodes), None) => nodes.iter().copied().collect(),
            (Scope::All, None) => Vec::new(),
        }
    }

    fn clear_marks(&mut self) -> bool {
        clear_marks(&mut self.table)
    }

    fn seek(&mut self, scene: &Scene<'_>, forward: bool, search: &Filter) -> bool {
        let hit = |place: &Place| Self::row(scene, *place).is_some_and(|row| search.matches(&row));
        let found = self.table.seek(forward, hit);
        self.table.follow(height(scene.body));
        self.moved();
        found
    }

    fn thing(&self, scene: &Scene<'_>) -> Option<Thing> {
        let line = scene.log.get(self.table.cursor()?)?;
        let is_of_a_node = line.sort != Sort::Remark;
        is_of_a_node.then(|| Thing::Line(self.source.clone(), Box::new(line.clone())))
    }

    /// The message under the cursor, or the marked lines whole.
    fn copy(&self, scene: &Scene<'_>, whole: bool) -> Option<String> {
        let rows: Vec<Row<'_>> =
            self.table.targets().into_iter().filter_map(|place| Self::row(scene, place)).collect();
        let line = |row: &Row<'_>| if whole { row.whole() } else { row.line.text.clone() };
        let lines: Vec<String> = rows.iter().map(line).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::Follow, Action::Describe, Action::Menu, Action::Related, Action::AllNodes, Action::Right]
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let columns = self.columns();
        let empty = self.emptiness(scene);
        let look = Look { columns, empty: &empty, dimmed: false };
        let cell = |place: Place, column: usize| match Self::row(scene, place) {
            Some(row) => row.cell(columns[column].title),
            None => Cell::of("", Role::Dim),
        };
        table::draw(&self.table, &look, cell, (area, theme), buf);
    }
}
