//! The shells that live on nodes: one's own and those of others, to attach to or to end.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::id::NodeId;
use p2p_shared::services::shell::{ShellInfo, ShellState};
use p2p_shared::time::UnixMillis;

use super::FIELDS;
use crate::action::{Action, SortKey};
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Item as Line, Menu};
use crate::command::Topic;
use crate::filter::{Field, Record};
use crate::fleet::{Fleet, Item, ItemId, Node};
use crate::format::{plural, span_ms};
use crate::theme::Role;
use crate::views::list::{Done, Listed, Listing};
use crate::views::{Request, Scene, ViewId};
use crate::widgets::table::{Cell, Column, Order};
use crate::widgets::tabs::SubTab;

const HERE: &str = "#";
const NODE: &str = "NODE";
const ID: &str = "SHELL";
const USER: &str = "USER";
const STATE: &str = "STATE";
const ATTACHED: &str = "ATT";
const IDLE: &str = "IDLE";
const AGE: &str = "AGE";
const BY: &str = "OPENED BY";
const COMMAND: &str = "COMMAND";

const COLUMNS: &[Column] = &[
    Column::text(NODE, 8, 0, Some(SortKey::Node)).up_to(24),
    Column::number(HERE, 2, 0, None),
    Column::text(ID, 8, 0, Some(SortKey::Name)).up_to(20),
    Column::text(USER, 8, 3, Some(SortKey::User)).up_to(16),
    Column::text(STATE, 8, 0, Some(SortKey::State)).up_to(16),
    Column::number(ATTACHED, 3, 2, None),
    Column::number(IDLE, 6, 1, None),
    Column::number(AGE, 6, 4, Some(SortKey::Age)),
    Column::text(BY, 12, 1, None).up_to(24),
    Column::rest(COMMAND, 10, 5, None),
];

/// A shell beside its node.
pub(crate) struct Row<'a> {
    item: &'a Item<String, ShellInfo>,
    node: &'a Node,
    wall: UnixMillis,
    /// The place of the terminal that shows it here.
    here: Option<usize>,
    /// That one was shown last.
    is_last: bool,
}

impl Row<'_> {
    const fn shell(&self) -> &ShellInfo {
        &self.item.value
    }

    fn idle_ms(&self) -> u64 {
        self.wall.since(self.shell().active).0
    }

    fn age_ms(&self) -> u64 {
        self.wall.since(self.shell().opened).0
    }

    fn state(&self) -> String {
        let exit = self.shell().exit.as_ref();
        match (self.shell().state, exit.and_then(|exit| exit.code), exit.and_then(|exit| exit.signal)) {
            (ShellState::Running, ..) => "running".to_owned(),
            (_, Some(code), _) => format!("exit {code}"),
            (_, None, Some(signal)) => format!("signal {signal}"),
            (ShellState::Ended, ..) => "ended".to_owned(),
            (ShellState::Unknown, ..) => "unknown".to_owned(),
        }
    }

    fn by(&self) -> String {
        let own = if self.shell().is_own { " (you)" } else { "" };
        format!("{}{own}", self.shell().opened_by)
    }
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        match FIELDS[field].name {
            "id" => Cow::Borrowed(&self.shell().id),
            "user" => Cow::Borrowed(&self.shell().user),
            "command" => self.shell().command.join(" ").into(),
            "node" => Cow::Borrowed(self.node.name().as_str()),
            "state" => self.state().into(),
            "by" => self.by().into(),
            _ => Cow::Borrowed(""),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match FIELDS[field].name {
            "idle" => Some(self.idle_ms() as f64 / 1e3),
            "age" => Some(self.age_ms() as f64 / 1e3),
            _ => None,
        }
    }
}

/// The shells that live on nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Living;

impl Listed for Living {
    type Row<'a> = Row<'a>;
    const VIEW: ViewId = ViewId::Shell;
    const NOUN: &'static str = "shell";
    const TOPICS: &'static [Topic] = &[Topic::Shells];
    const FIELDS: &'static [Field] = FIELDS;
    const HINTS: &'static [Action] =
        &[Action::Open, Action::Shell, Action::Kill, Action::Menu, Action::TabNext, Action::AllNodes];
    const ORDER: Order = Order { key: SortKey::State, descending: false };

    fn of(&self, fleet: &Fleet, node: NodeId) -> Vec<ItemId> {
        fleet.shells.of(node).collect()
    }

    fn row<'a>(scene: &Scene<'a>, id: ItemId) -> Option<Row<'a>> {
        let item = scene.fleet.shells.get(id)?;
        let terminals = &scene.shells.terminals;
        let here = terminals.place_of(item.node, &item.key);
        let is_last = here.is_some() && here == terminals.last();
        Some(Row { item, node: scene.fleet.get(item.node)?, wall: scene.wall, here, is_last })
    }

    fn node(row: &Row<'_>) -> NodeId {
        row.item.node
    }

    fn name(row: &Row<'_>) -> String {
        row.item.key.clone()
    }

    const COLUMNS: &'static [Column] = COLUMNS;

    fn cell(row: &Row<'_>, column: &str) -> Cell {
        let shell = row.shell();
        match column {
            NODE => Cell::of(row.node.name().as_str(), Role::Accent),
            HERE => Cell::of(row.here.map_or_else(String::new, |at| (at + 1).to_string()), Role::Key),
            ID => Cell::plain(&shell.id),
            USER => Cell::plain(&shell.user),
            STATE => {
                let role = if shell.state == ShellState::Running { Role::Good } else { Role::Dim };
                Cell::of(row.state(), role)
            }
            ATTACHED => Cell::plain(shell.attached.to_string()),
            IDLE => Cell::of(span_ms(row.idle_ms()), Role::Dim),
            AGE => Cell::of(span_ms(row.age_ms()), Role::Dim),
            BY => Cell::plain(row.by()),
            COMMAND => Cell::of(shell.command.join(" "), Role::Dim),
            _ => Cell::default(),
        }
    }

    fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        match key {
            SortKey::State => {
                // Those that are attached to here stand first, and the one that was left last before them.
                let of = |row: &Row<'_>| {
                    let here = row.here.unwrap_or(usize::MAX);
                    (!row.is_last, here, row.shell().state, !row.shell().is_own, row.idle_ms())
                };
                of(one).cmp(&of(other))
            }
            SortKey::User => one.shell().user.cmp(&other.shell().user),
            SortKey::Age => one.age_ms().cmp(&other.age_ms()),
            _ => Ordering::Equal,
        }
    }

    const IS_TABBED: bool = true;

    fn tabs(&self, list: &Listing, _: &Scene<'_>) -> Vec<SubTab> {
        super::sub_tabs(false, list)
    }

    fn nothing(&self, scope: &str) -> String {
        format!("no shell lives on {scope}: s on a node opens one")
    }

    fn on_action(&mut self, list: &Listing, scene: &Scene<'_>, action: Action) -> Done {
        match action {
            Action::Open => Done::Requests(vec![attach(list, scene)]),
            Action::Menu => Done::Requests(vec![Request::Menu(menu(list, scene))]),
            Action::Kill => Done::Requests(vec![end(list, scene)]),
            _ => Done::Unknown,
        }
    }
}

fn attach(list: &Listing, scene: &Scene<'_>) -> Request {
    match list.table.cursor().and_then(|id| Living::row(scene, id)) {
        _ if scene.readonly => Request::Say("read-only: start without --readonly to act".into()),
        Some(row) => Request::Attach { node: row.item.node, id: row.item.key.clone() },
        None => Request::Say("there is no shell under the cursor".into()),
    }
}

fn end(list: &Listing, scene: &Scene<'_>) -> Request {
    let rows = list.chosen().into_iter().filter_map(|id| Living::row(scene, id));
    let target = |row: Row<'_>| Target {
        node: row.item.node,
        name: format!("{} of {} on {}", row.item.key, row.by(), row.node.name()),
        deed: Deed::EndShell(row.item.key.clone()),
    };
    Request::Propose(Proposal {
        verb: "End the shell and all in it:".into(),
        targets: rows.map(target).collect(),
    })
}

fn menu(list: &Listing, scene: &Scene<'_>) -> Menu {
    let targets = list.chosen();
    let title = plural(targets.len(), "shell");
    let acting = |request: Request| match () {
        () if scene.readonly => Err("read-only: start without --readonly to act".to_owned()),
        () if targets.is_empty() => Err("there is no shell under the cursor".to_owned()),
        () => Ok(Choice::Do(Box::new(request))),
    };
    let item = |key, text: &str, choice| Line { key, label: text.to_owned(), choice };
    let row = list.table.cursor().and_then(|id| Living::row(scene, id));
    let detach = match row.filter(|row| row.here.is_some()) {
        Some(row) => acting(Request::Detach { node: row.item.node, id: row.item.key.clone() }),
        None => Err("it is not attached to here".to_owned()),
    };
    let items = vec![
        item('a', "attach to it", acting(attach(list, scene))),
        item('d', "detach: it lives on", detach),
        item('e', "end it and all that runs in it", acting(end(list, scene))),
    ];
    Menu::new(title, items)
}
