//! What was recorded of shells on nodes, to be played.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::id::NodeId;
use p2p_shared::services::shell::ShellRecording;
use p2p_shared::time::UnixMillis;

use super::FIELDS;
use crate::action::{Action, SortKey};
use crate::app::menu::{Choice, Item as Line, Menu};
use crate::command::Topic;
use crate::filter::{Field, Record};
use crate::fleet::{Fleet, Item, ItemId, Node};
use crate::format::{bytes, date, span_ms};
use crate::theme::Role;
use crate::views::list::{Done, Listed, Listing};
use crate::views::{Request, Scene, ViewId};
use crate::widgets::table::{Cell, Column, Order};
use crate::widgets::tabs::SubTab;

const NODE: &str = "NODE";
const ID: &str = "SHELL";
const USER: &str = "USER";
const OPENED: &str = "OPENED";
const LENGTH: &str = "LENGTH";
const SIZE: &str = "SIZE";
const BY: &str = "OPENED BY";
const COMMAND: &str = "COMMAND";

const COLUMNS: &[Column] = &[
    Column::text(NODE, 8, 0, Some(SortKey::Node)).up_to(24),
    Column::text(ID, 8, 1, Some(SortKey::Name)).up_to(20),
    Column::text(USER, 8, 4, Some(SortKey::User)).up_to(16),
    Column::text(OPENED, 19, 0, Some(SortKey::Age)),
    Column::number(LENGTH, 6, 0, None),
    Column::number(SIZE, 6, 2, Some(SortKey::Disk)),
    Column::text(BY, 12, 0, None).up_to(24),
    Column::rest(COMMAND, 10, 3, None),
];

/// A recording beside its node.
pub(crate) struct Row<'a> {
    item: &'a Item<String, ShellRecording>,
    node: &'a Node,
    wall: UnixMillis,
}

impl Row<'_> {
    const fn recording(&self) -> &ShellRecording {
        &self.item.value
    }

    fn length_ms(&self) -> u64 {
        self.recording().written.since(self.recording().opened).0
    }
}

impl Record for Row<'_> {
    fn text(&self, field: usize) -> Cow<'_, str> {
        let recording = self.recording();
        match FIELDS[field].name {
            "id" => Cow::Borrowed(&recording.id),
            "user" => Cow::Borrowed(&recording.user),
            "command" => recording.command.join(" ").into(),
            "node" => Cow::Borrowed(self.node.name().as_str()),
            "by" => Cow::Borrowed(&recording.opened_by),
            _ => Cow::Borrowed(""),
        }
    }

    fn number(&self, field: usize) -> Option<f64> {
        match FIELDS[field].name {
            "length" => Some(self.length_ms() as f64 / 1e3),
            "age" => Some(self.wall.since(self.recording().opened).0 as f64 / 1e3),
            _ => None,
        }
    }
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recordings;

impl Listed for Recordings {
    type Row<'a> = Row<'a>;
    const VIEW: ViewId = ViewId::Shell;
    const NOUN: &'static str = "recording";
    const TOPICS: &'static [Topic] = &[Topic::Recordings];
    const FIELDS: &'static [Field] = FIELDS;
    const HINTS: &'static [Action] = &[Action::Open, Action::TabNext, Action::AllNodes, Action::Menu];
    const ORDER: Order = Order { key: SortKey::Age, descending: false };

    fn of(&self, fleet: &Fleet, node: NodeId) -> Vec<ItemId> {
        fleet.recordings.of(node).collect()
    }

    fn row<'a>(scene: &Scene<'a>, id: ItemId) -> Option<Row<'a>> {
        let item = scene.fleet.recordings.get(id)?;
        Some(Row { item, node: scene.fleet.get(item.node)?, wall: scene.wall })
    }

    fn node(row: &Row<'_>) -> NodeId {
        row.item.node
    }

    fn name(row: &Row<'_>) -> String {
        row.item.key.clone()
    }

    const COLUMNS: &'static [Column] = COLUMNS;

    fn cell(row: &Row<'_>, column: &str) -> Cell {
        let recording = row.recording();
        match column {
            NODE => Cell::of(row.node.name().as_str(), Role::Accent),
            ID => Cell::plain(&recording.id),
            USER => Cell::plain(&recording.user),
            OPENED => Cell::plain(date(recording.opened)),
            LENGTH => Cell::plain(span_ms(row.length_ms())),
            SIZE => Cell::plain(bytes(recording.size_bytes)),
            BY => Cell::plain(&recording.opened_by),
            COMMAND => Cell::of(recording.command.join(" "), Role::Dim),
            _ => Cell::default(),
        }
    }

    fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        let (a, b) = (one.recording(), other.recording());
        match key {
            // The youngest first.
            SortKey::Age => b.opened.cmp(&a.opened),
            SortKey::User => a.user.cmp(&b.user),
            SortKey::Disk => a.size_bytes.cmp(&b.size_bytes),
            _ => Ordering::Equal,
        }
    }

    const IS_TABBED: bool = true;

    fn tabs(&self, list: &Listing, _: &Scene<'_>) -> Vec<SubTab> {
        super::sub_tabs(true, list)
    }

    fn nothing(&self, scope: &str) -> String {
        format!("no shell was recorded on {scope}: shell_record = true in its policy.toml does that")
    }

    fn on_action(&mut self, list: &Listing, scene: &Scene<'_>, action: Action) -> Done {
        match action {
            Action::Open => Done::Requests(vec![play(list, scene)]),
            Action::Menu => {
                let title = list.table.cursor().and_then(|id| Self::row(scene, id)).map_or_else(
                    || "recordings".to_owned(),
                    |row| format!("recording of {} on {}", row.item.key, row.node.name()),
                );
                let choice = Ok(Choice::Do(Box::new(play(list, scene))));
                let items = vec![Line { key: 'p', label: "play it".to_owned(), choice }];
                Done::Requests(vec![Request::Menu(Menu::new(title, items))])
            }
            _ => Done::Unknown,
        }
    }
}

fn play(list: &Listing, scene: &Scene<'_>) -> Request {
    match list.table.cursor().and_then(|id| Recordings::row(scene, id)) {
        Some(row) => Request::Play(row.item.node, Box::new(row.recording().clone())),
        None => Request::Say("there is no recording under the cursor".into()),
    }
}
