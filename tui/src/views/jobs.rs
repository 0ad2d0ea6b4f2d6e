//! Jobs: the task queues of nodes in one table; what a job wrote is read in the journal's view.

mod columns;

use std::cmp::Ordering;

use p2p_shared::id::NodeId;

use super::list::{Done, ListView, Listed, Listing};
use super::{Request, Scene, Scope, ViewId};
use crate::action::{Action, SortKey};
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Item, Menu};
use crate::command::{JobVerb, Source, Subject, Topic};
use crate::filter::Field;
use crate::fleet::{Fleet, ItemId};
use crate::format::{fit, plural};
use crate::widgets::table::{Cell, Column, Order};

use columns::{FIELDS, Row};

/// Of what a job does so much is said where it is asked about.
const LABEL_COLUMNS: usize = 40;

/// The view.
pub(crate) type JobsView = ListView<Jobs>;

/// The task queues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Jobs;

impl Listed for Jobs {
    type Row<'a> = Row<'a>;
    const VIEW: ViewId = ViewId::Jobs;
    const NOUN: &'static str = "job";
    const TOPICS: &'static [Topic] = &[Topic::Jobs];
    const FIELDS: &'static [Field] = FIELDS;
    const HINTS: &'static [Action] =
        &[Action::Open, Action::Describe, Action::Menu, Action::AllNodes, Action::Mark];
    const ORDER: Order = Order { key: SortKey::State, descending: false };

    fn of(&self, fleet: &Fleet, node: NodeId) -> Vec<ItemId> {
        fleet.jobs.of(node).collect()
    }

    fn row<'a>(scene: &Scene<'a>, id: ItemId) -> Option<Row<'a>> {
        let item = scene.fleet.jobs.get(id)?;
        Some(Row { item, node: scene.fleet.get(item.node)?, wall: scene.wall })
    }

    fn node(row: &Row<'_>) -> NodeId {
        row.item.node
    }

    fn name(row: &Row<'_>) -> String {
        row.item.key.to_string()
    }

    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn cell(row: &Row<'_>, column: &str) -> Cell {
        row.cell(column)
    }

    fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        columns::compare(key, one, other)
    }

    fn remark(&self, list: &Listing, scene: &Scene<'_>) -> String {
        let jobs = list.in_scope(scene).flat_map(|(id, _)| scene.fleet.jobs.of(id));
        let states: Vec<_> = jobs.filter_map(|id| Some(scene.fleet.jobs.get(id)?.value.state)).collect();
        columns::tally(&states)
    }

    fn nothing(&self, scope: &str) -> String {
        format!("no jobs on {scope}: p2p-tui exec --detach makes them")
    }

    fn on_action(&mut self, list: &Listing, scene: &Scene<'_>, action: Action) -> Done {
        let cursor = || list.table.cursor().and_then(|id| Self::row(scene, id));
        match action {
            Action::Open | Action::Logs => {
                let show = |row: Row<'_>| {
                    Request::Logs(Source::Job(row.item.key.clone()), Scope::one(row.item.node))
                };
                Done::Requests(cursor().map(show).into_iter().collect())
            }
            Action::Describe => {
                let describe = |row: Row<'_>| Request::Describe {
                    node: row.item.node,
                    subject: Subject::Job(row.item.key.clone()),
                    name: format!("job {}", row.item.key),
                };
                Done::Requests(cursor().map(describe).into_iter().collect())
            }
            Action::Menu => Done::Requests(vec![Request::Menu(menu(list, scene))]),
            Action::Kill => Done::Requests(vec![change(&rows(list, scene), JobVerb::Cancel)]),
            _ => Done::Unknown,
        }
    }
}

/// The rows that an action is about.
fn rows<'a>(list: &Listing, scene: &Scene<'a>) -> Vec<Row<'a>> {
    list.chosen().into_iter().filter_map(|id| Jobs::row(scene, id)).collect()
}

/// `1kd3f9x2 (rsync -a /srv /mnt) on web-1`.
fn label(row: &Row<'_>) -> String {
    let what = if row.item.value.label.is_empty() { &row.item.value.work } else { &row.item.value.label };
    format!("{} ({}) on {}", row.item.key, fit(what, LABEL_COLUMNS, "..."), row.node.name())
}

fn change(rows: &[Row<'_>], verb: JobVerb) -> Request {
    let target = |row: &Row<'_>| Target {
        node: row.item.node,
        name: label(row),
        deed: Deed::Job(row.item.key.clone(), verb),
    };
    let targets = rows.iter().map(target).collect();
    Request::Propose(Proposal { verb: verb.words().to_owned(), targets })
}

fn menu(list: &Listing, scene: &Scene<'_>) -> Menu {
    let rows = rows(list, scene);
    let title = match rows.as_slice() {
        [] => "jobs".to_owned(),
        [one] => label(one),
        many => plural(many.len(), "job"),
    };
    let acting = |fits: &dyn Fn(&Row<'_>) -> bool, verb: JobVerb, why: &str| match () {
        () if scene.readonly => Err("read-only: start without --readonly to act".to_owned()),
        () if rows.is_empty() => Err("there is no job under the cursor".to_owned()),
        () if !rows.iter().all(fits) => Err(why.to_owned()),
        () => Ok(Choice::Do(Box::new(change(&rows, verb)))),
    };
    let output = match rows.as_slice() {
        [row] => {
            let show = Request::Logs(Source::Job(row.item.key.clone()), Scope::one(row.item.node));
            Ok(Choice::Do(Box::new(show)))
        }
        _ => Err("output is read of one job at a time".to_owned()),
    };
    let is_over = |row: &Row<'_>| row.item.value.state.is_final();
    let item = |key, text: &str, choice| Item { key, label: text.to_owned(), choice };
    let items = vec![
        item('o', "what it wrote", output),
        item('c', "cancel", acting(&|row| !is_over(row), JobVerb::Cancel, "there is one that has ended")),
        item('r', "retry: once more", acting(&is_over, JobVerb::Retry, "there is one that has not ended")),
        item(
            'D',
            "remove it and its output",
            acting(&is_over, JobVerb::Remove, "there is one that has not ended"),
        ),
    ];
    Menu::new(title, items)
}
