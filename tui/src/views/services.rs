//! Services: the programs that nodes keep running and the units of their systemd, in one table.

mod columns;

use std::cmp::Ordering;

use p2p_shared::error::Code;
use p2p_shared::id::NodeId;

use super::list::{Done, ListView, Listed, Listing};
use super::related::Thing;
use super::{Request, Scene, Scope, ViewId};
use crate::action::{Action, SortKey};
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Item, Menu};
use crate::command::{JournalQuestion, ServiceKind, Source, Subject, Topic, Verb};
use crate::filter::Field;
use crate::fleet::{Fleet, ItemId, Node, Service};
use crate::format::plural;
use crate::widgets::table::{Cell, Column, Order};

use columns::{FIELDS, Row};

/// The view.
pub(crate) type ServicesView = ListView<Services>;

/// Which of them are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Services {
    /// Devices, mounts, slices and targets too.
    all_units: bool,
}

impl Listed for Services {
    type Row<'a> = Row<'a>;
    const VIEW: ViewId = ViewId::Services;
    const NOUN: &'static str = "service";
    const TOPICS: &'static [Topic] = &[Topic::Programs, Topic::Units];
    const FIELDS: &'static [Field] = FIELDS;
    const HINTS: &'static [Action] =
        &[Action::Describe, Action::Logs, Action::Menu, Action::AllNodes, Action::TabNext, Action::Mark];
    const ORDER: Order = Order { key: SortKey::State, descending: false };

    fn of(&self, fleet: &Fleet, node: NodeId) -> Vec<ItemId> {
        let services = &fleet.services;
        let listed = |id: &ItemId| {
            let item = services.get(*id);
            item.is_some_and(|item| self.all_units || item.value.is_service() || item.value.is_failed())
        };
        services.of(node).filter(listed).collect()
    }

    fn row<'a>(scene: &Scene<'a>, id: ItemId) -> Option<Row<'a>> {
        let item = scene.fleet.services.get(id)?;
        Some(Row { item, node: scene.fleet.get(item.node)?, wall: scene.wall })
    }

    fn node(row: &Row<'_>) -> NodeId {
        row.item.node
    }

    fn name(row: &Row<'_>) -> String {
        row.item.key.name.clone()
    }

    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn cell(row: &Row<'_>, column: &str) -> Cell {
        row.cell(column)
    }

    fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        columns::compare(key, one, other)
    }

    fn thing(row: &Row<'_>) -> Option<Thing> {
        let pid = match &row.item.value {
            Service::Unit(unit) => unit.main_pid,
            Service::Program(_) => None,
        };
        Some(Thing::Service(row.item.node, row.item.key.clone(), pid))
    }

    /// What failed, and who has no systemd: said once.
    fn remark(&self, list: &Listing, scene: &Scene<'_>) -> String {
        let mut remark = String::new();
        let services = &scene.fleet.services;
        let ids = list.in_scope(scene).flat_map(|(id, _)| services.of(id));
        let failed = ids.filter(|id| services.get(*id).is_some_and(|item| item.value.is_failed())).count();
        if failed > 0 {
            remark.push_str(&format!(", {failed} failed"));
        }
        let lacks =
            |node: &Node| node.error(Topic::Units).is_some_and(|error| error.code == Code::Unsupported);
        let without: Vec<&Node> =
            list.in_scope(scene).map(|(_, node)| node).filter(|node| lacks(node)).collect();
        match without.as_slice() {
            [] => {}
            some if some.len() == list.in_scope(scene).count() => remark.push_str(", no systemd"),
            [one] => remark.push_str(&format!(", no systemd on {}", one.name())),
            some => remark.push_str(&format!(", no systemd on {}", plural(some.len(), "node"))),
        }
        if self.all_units {
            remark.push_str(", every unit");
        }
        remark
    }

    fn nothing(&self, scope: &str) -> String {
        format!("no services on {scope}: x n defines a program")
    }

    fn on_action(&mut self, list: &Listing, scene: &Scene<'_>, action: Action) -> Done {
        match action {
            Action::TabNext | Action::TabPrevious => {
                self.all_units = !self.all_units;
                Done::Rebuild
            }
            Action::Open | Action::Describe => Done::Requests(describe(list, scene)),
            Action::Logs => Done::Requests(vec![logs(list, scene)]),
            Action::Menu => Done::Requests(vec![Request::Menu(menu(list, scene))]),
            Action::Edit => Done::Requests(vec![edit(&rows(list, scene)).unwrap_or_else(Request::Say)]),
            Action::Kill => Done::Requests(vec![control(&rows(list, scene), Verb::Stop)]),
            _ => Done::Unknown,
        }
    }
}

/// The rows that an action is about.
fn rows<'a>(list: &Listing, scene: &Scene<'a>) -> Vec<Row<'a>> {
    list.chosen().into_iter().filter_map(|id| Services::row(scene, id)).collect()
}

/// `nginx.service on web-1`.
fn label(row: &Row<'_>) -> String {
    format!("{} on {}", row.item.key.name, row.node.name())
}

fn describe(list: &Listing, scene: &Scene<'_>) -> Vec<Request> {
    let row = list.table.cursor().and_then(|id| Services::row(scene, id));
    row.map(|row| Request::Describe {
        node: row.item.node,
        subject: Subject::Service(row.item.key.clone()),
        name: row.item.key.name.clone(),
    })
    .into_iter()
    .collect()
}

/// The logs of one service, or of the same one on several nodes.
fn logs(list: &Listing, scene: &Scene<'_>) -> Request {
    let rows = rows(list, scene);
    let Some(first) = rows.first().map(|row| row.item.key.clone()) else {
        return Request::Say("there is no service under the cursor".into());
    };
    if rows.iter().any(|row| row.item.key != first) {
        return Request::Say(
            "logs are shown of one service at a time, or of the same one on several nodes".into(),
        );
    }
    let scope = Scope::Nodes(rows.iter().map(|row| row.item.node).collect());
    let source = match first.kind {
        ServiceKind::Program => Source::Program(first.name),
        ServiceKind::Unit => {
            Source::Journal(JournalQuestion { unit: Some(first.name), ..JournalQuestion::default() })
        }
    };
    Request::Logs(source, scope)
}

fn control(rows: &[Row<'_>], verb: Verb) -> Request {
    let target = |row: &Row<'_>| Target {
        node: row.item.node,
        name: label(row),
        deed: Deed::Control(row.item.key.clone(), verb),
    };
    Request::Propose(Proposal { verb: verb.as_str().to_owned(), targets: rows.iter().map(target).collect() })
}

fn menu(list: &Listing, scene: &Scene<'_>) -> Menu {
    let rows = rows(list, scene);
    let title = match rows.as_slice() {
        [] => "services".to_owned(),
        [one] => label(one),
        many => plural(many.len(), "service"),
    };
    let item = |key, text: &str, choice| Item { key, label: text.to_owned(), choice };
    let acting = |kinds: &[ServiceKind], verb: Verb| match () {
        () if scene.readonly => Err("read-only: start without --readonly to act".to_owned()),
        () if rows.is_empty() => Err("there is no service under the cursor".to_owned()),
        () if rows.iter().any(|row| !kinds.contains(&row.item.key.kind)) => Err(not_for(verb)),
        () => Ok(Choice::Do(Box::new(control(&rows, verb)))),
    };
    let (both, units, programs) =
        ([ServiceKind::Program, ServiceKind::Unit], [ServiceKind::Unit], [ServiceKind::Program]);
    let define = || {
        let nodes = match rows.as_slice() {
            [] => list.nodes_there(scene),
            rows => nodes_of(rows),
        };
        if nodes.is_empty() {
            Err("no node can be asked".to_owned())
        } else {
            Ok(Choice::Do(Box::new(Request::Define(nodes))))
        }
    };
    let mut items = vec![
        item('s', "start", acting(&both, Verb::Start)),
        item('t', "stop", acting(&both, Verb::Stop)),
        item('r', "restart", acting(&both, Verb::Restart)),
        item('l', "logs", Ok(Choice::Do(Box::new(logs(list, scene))))),
        item(
            'n',
            "new program: define one",
            if scene.readonly { Err("read-only: start without --readonly to act".into()) } else { define() },
        ),
    ];
    if rows.iter().any(|row| row.item.key.kind == ServiceKind::Unit) {
        items.push(item('o', "reload its configuration", acting(&units, Verb::Reload)));
        items.push(item('e', "enable: start it at boot", acting(&units, Verb::Enable)));
        items.push(item('d', "disable: do not", acting(&units, Verb::Disable)));
    }
    if rows.iter().any(|row| row.item.key.kind == ServiceKind::Program) {
        let edit = if scene.readonly {
            Err("read-only: start without --readonly to act".into())
        } else {
            edit(&rows)
        };
        items.push(item(
            'p',
            "edit the program's definition",
            edit.map(|request| Choice::Do(Box::new(request))),
        ));
        items.push(item('D', "remove the program and its logs", acting(&programs, Verb::Remove)));
    }
    Menu::new(title, items)
}

/// Edits one program, or the same one on several nodes.
fn edit(rows: &[Row<'_>]) -> Result<Request, String> {
    let Some(first) = rows.first().map(|row| row.item.key.clone()) else {
        return Err("there is no service under the cursor".into());
    };
    if first.kind != ServiceKind::Program {
        return Err("only programs are edited here; the file of a unit is edited in Files".into());
    }
    if rows.iter().any(|row| row.item.key != first) {
        return Err("one program is edited at a time, or the same one on several nodes".into());
    }
    Ok(Request::EditProgram(first.name, nodes_of(rows)))
}

fn not_for(verb: Verb) -> String {
    match verb {
        Verb::Remove => "only programs can be removed, and there is a unit among these".into(),
        _ => format!("{}: only for units, and there is a program among these", verb.as_str().to_lowercase()),
    }
}

fn nodes_of(rows: &[Row<'_>]) -> Vec<(NodeId, String)> {
    let mut nodes: Vec<(NodeId, String)> =
        rows.iter().map(|row| (row.item.node, row.node.name().to_string())).collect();
    nodes.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
    nodes.dedup();
    nodes
}
