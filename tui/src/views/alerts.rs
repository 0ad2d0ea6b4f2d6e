//! Alerts of nodes, a table at a time: what fires, may fire or is silenced, with the silences; what is over; the rules.

mod columns;

use std::cmp::Ordering;

use p2p_shared::id::NodeId;
use p2p_shared::services::alert::{AlertInfo, AlertState};

use super::list::{Done, ListView, Listed, Listing};
use super::related::Thing;
use super::{Request, Scene, ViewId};
use crate::action::{Action, SortKey};
use crate::app::confirm::{Deed, Proposal, Target};
use crate::app::menu::{Choice, Item, Menu, Question};
use crate::command::{AlertVerb, Topic};
use crate::filter::Field;
use crate::fleet::{AlertItem, Fleet, ItemId};
use crate::format::{date, fit, plural, span_ms};
use crate::widgets::table::{Cell, Column, Order};
use crate::widgets::tabs::SubTab;

use columns::{FIELDS, Row};

/// Of what an alert says so much stands where it is asked about.
const SUMMARY_COLUMNS: usize = 40;

/// The view.
pub(crate) type AlertsView = ListView<Alerts>;

/// Alerts, silences and rules.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alerts {
    part: Part,
}

/// Which of them are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// What needs somebody or may soon, and the silences.
    #[default]
    Now,
    /// What is over.
    Over,
    /// The rules in force.
    Rules,
}

impl Part {
    const ALL: [Self; 3] = [Self::Now, Self::Over, Self::Rules];

    /// What one row of it is.
    const fn noun(self) -> &'static str {
        match self {
            Self::Now => "alert",
            Self::Over => "past alert",
            Self::Rules => "rule",
        }
    }

    /// The name of its sub-tab.
    const fn title(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::Over => "Over",
            Self::Rules => "Rules",
        }
    }

    const fn of(item: &AlertItem) -> Self {
        match item {
            AlertItem::Alert(alert) if matches!(alert.state, AlertState::Resolved) => Self::Over,
            AlertItem::Alert(_) | AlertItem::Silence(_) => Self::Now,
            AlertItem::Rule(_) => Self::Rules,
        }
    }

    fn place(self) -> usize {
        Self::ALL.iter().position(|part| *part == self).unwrap_or(0)
    }

    fn beside(self, forward: bool) -> Self {
        let count = Self::ALL.len();
        Self::ALL[(self.place() + if forward { 1 } else { count - 1 }) % count]
    }
}

impl Listed for Alerts {
    type Row<'a> = Row<'a>;
    const VIEW: ViewId = ViewId::Alerts;
    const NOUN: &'static str = "row";
    const TOPICS: &'static [Topic] = &[Topic::Alerts, Topic::Rules];
    const FIELDS: &'static [Field] = FIELDS;
    const HINTS: &'static [Action] =
        &[Action::Open, Action::Menu, Action::Related, Action::TabNext, Action::AllNodes, Action::Mark];
    const ORDER: Order = Order { key: SortKey::State, descending: false };

    fn of(&self, fleet: &Fleet, node: NodeId) -> Vec<ItemId> {
        let is_listed =
            |id: &ItemId| fleet.alerts.get(*id).is_some_and(|item| Part::of(&item.value) == self.part);
        fleet.alerts.of(node).filter(is_listed).collect()
    }

    fn row<'a>(scene: &Scene<'a>, id: ItemId) -> Option<Row<'a>> {
        let item = scene.fleet.alerts.get(id)?;
        Some(Row { item, node: scene.fleet.get(item.node)?, wall: scene.wall })
    }

    fn node(row: &Row<'_>) -> NodeId {
        row.item.node
    }

    fn name(row: &Row<'_>) -> String {
        row.name()
    }

    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn columns(&self) -> &'static [Column] {
        if self.part == Part::Rules { columns::RULE_COLUMNS } else { columns::COLUMNS }
    }

    fn cell(row: &Row<'_>, column: &str) -> Cell {
        row.cell(column)
    }

    fn compare(key: SortKey, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        columns::compare(key, one, other)
    }

    fn has_ages() -> bool {
        true
    }

    fn thing(row: &Row<'_>) -> Option<Thing> {
        match &row.item.value {
            AlertItem::Alert(alert) => Some(Thing::Alert(row.item.node, Box::new(alert.clone()))),
            AlertItem::Silence(_) | AlertItem::Rule(_) => None,
        }
    }

    fn noun(&self) -> &'static str {
        self.part.noun()
    }

    fn remark(&self, list: &Listing, scene: &Scene<'_>) -> String {
        let ids = list.in_scope(scene).flat_map(|(id, _)| scene.fleet.alerts.of(id));
        let alerts = ids.filter_map(|id| match &scene.fleet.alerts.get(id)?.value {
            AlertItem::Alert(alert) => Some(alert),
            AlertItem::Silence(_) | AlertItem::Rule(_) => None,
        });
        columns::tally(alerts)
    }

    const IS_TABBED: bool = true;

    fn count(scene: &Scene<'_>, nodes: &[NodeId]) -> Vec<usize> {
        let mut counts = Part::ALL.map(|_| 0);
        for id in nodes.iter().flat_map(|id| scene.fleet.alerts.of(*id)) {
            if let Some(item) = scene.fleet.alerts.get(id) {
                counts[Part::of(&item.value).place()] += 1;
            }
        }
        counts.to_vec()
    }

    fn tabs(&self, list: &Listing, scene: &Scene<'_>) -> Vec<SubTab> {
        let known = |topic| list.in_scope(scene).any(|(_, node)| node.age(topic, scene.now).is_some());
        let tab = |(part, total): (Part, &usize)| {
            let shown = if part == self.part { list.table.rows().len() } else { *total };
            let topic = if part == Part::Rules { Topic::Rules } else { Topic::Alerts };
            let counts = known(topic).then_some((shown, *total));
            SubTab { name: part.title(), counts, open: part == self.part }
        };
        Part::ALL.into_iter().zip(&list.counts).map(tab).collect()
    }

    fn open_tab(&mut self, at: usize) {
        self.part = Part::ALL[at];
    }

    fn nothing(&self, scope: &str) -> String {
        match self.part {
            Part::Now => format!("nothing fires on {scope}"),
            Part::Over => format!("no alert was resolved lately on {scope}"),
            Part::Rules => format!("no rules on {scope}"),
        }
    }

    fn on_action(&mut self, list: &Listing, scene: &Scene<'_>, action: Action) -> Done {
        match action {
            Action::TabNext | Action::TabPrevious => {
                self.part = self.part.beside(action == Action::TabNext);
                Done::Rebuild
            }
            Action::Open | Action::Describe => {
                let row = list.table.cursor().and_then(|id| Self::row(scene, id));
                Done::Requests(row.map(|row| read(&row)).into_iter().collect())
            }
            Action::Menu => Done::Requests(vec![Request::Menu(menu(list, scene))]),
            _ => Done::Unknown,
        }
    }
}

/// Everything about a row: it is here already.
fn read(row: &Row<'_>) -> Request {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| lines.push((name.to_owned(), value));
    let ago =
        |at: p2p_shared::time::UnixMillis| format!("{} ({} ago)", date(at), span_ms(row.wall.since(at).0));
    match &row.item.value {
        AlertItem::Alert(alert) => {
            add("alert", format!("{} ({})", alert.rule, alert.id));
            add("says", alert.summary.clone());
            add("state", format!("{}, {}", alert.state.as_str(), alert.severity.as_str()));
            add("since", ago(alert.since));
            alert.fired.into_iter().for_each(|at| add("fired", ago(at)));
            add("figure", format!("{} = {}", alert.metric, alert.value));
            alert.labels.iter().for_each(|(name, value)| add("label", format!("{name}={value:?}")));
            if let Some(who) = &alert.acknowledged {
                add("looked after", format!("by {}, {}", who.by, ago(who.at)));
                add("note", who.note.clone());
            }
            alert.silenced.into_iter().for_each(|id| add("silenced", format!("by silence {id}")));
            if !alert.notify {
                add("told", "to nobody: its rule only shows it".to_owned());
            }
        }
        AlertItem::Silence(silence) => {
            add("silence", silence.id.to_string());
            add("matchers", silence.matchers.clone());
            add("why", silence.reason.clone());
            add("by", silence.by.clone());
            add("since", ago(silence.starts));
            let left = span_ms(silence.ends.since(row.wall).0);
            add("ends", format!("{} (in {left})", date(silence.ends)));
            add("silences", plural(silence.alerts as usize, "alert"));
        }
        AlertItem::Rule(rule) => {
            add("rule", format!("{} ({})", rule.name, rule.source.as_str()));
            add("when", rule.when.clone());
            add("severity", rule.severity.as_str().to_owned());
            add("says", rule.summary.clone());
            rule.labels.iter().for_each(|(name, value)| add("label", format!("{name}={value:?}")));
            rule.exceptions.iter().for_each(|one| add("except", one.clone()));
            add("looks at", plural(rule.figures as usize, "figure"));
            add("told", if rule.notify { "yes" } else { "to nobody: it is only shown" }.to_owned());
        }
    }
    Request::Read { title: format!("{} on {}", row.name(), row.node.name()), lines }
}

/// The rows that an action is about.
fn rows<'a>(list: &Listing, scene: &Scene<'a>) -> Vec<Row<'a>> {
    list.chosen().into_iter().filter_map(|id| Alerts::row(scene, id)).collect()
}

/// `disk_full (/ is 97% full) on web-1`.
fn label(row: &Row<'_>) -> String {
    let what = fit(row.what(), SUMMARY_COLUMNS, "...").into_owned();
    format!("{} ({what}) on {}", row.name(), row.node.name())
}

fn firing<'r>(row: &'r Row<'_>) -> Option<&'r AlertInfo> {
    match &row.item.value {
        AlertItem::Alert(alert) if alert.state == AlertState::Firing => Some(alert),
        AlertItem::Alert(_) | AlertItem::Silence(_) | AlertItem::Rule(_) => None,
    }
}

/// What silences just this alert, or all of a rule.
fn matchers(row: &Row<'_>) -> Option<String> {
    match &row.item.value {
        AlertItem::Alert(alert) => {
            let labels = alert.labels.iter().map(|(name, value)| {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                format!("{name}=\"{value}\"")
            });
            Some(labels.collect::<Vec<_>>().join(", "))
        }
        AlertItem::Rule(rule) => Some(format!("alertname=\"{}\"", rule.name)),
        AlertItem::Silence(_) => None,
    }
}

fn menu(list: &Listing, scene: &Scene<'_>) -> Menu {
    let rows = rows(list, scene);
    let title = match rows.as_slice() {
        [] => "alerts".to_owned(),
        [one] => label(one),
        many => plural(many.len(), "row"),
    };
    // All of the rows have to be of the sort that a choice is about.
    let acting = |choice: Option<Choice>, why: &str| match () {
        () if scene.readonly => Err("read-only: start without --readonly to act".to_owned()),
        () if rows.is_empty() => Err("there is nothing under the cursor".to_owned()),
        () => choice.ok_or_else(|| why.to_owned()),
    };
    let propose = |verb: &str, of: &dyn Fn(&Row<'_>) -> Option<AlertVerb>| {
        let target = |row: &Row<'_>| {
            Some(Target { node: row.item.node, name: label(row), deed: Deed::Alert(of(row)?) })
        };
        let targets: Option<Vec<Target>> = rows.iter().map(target).collect();
        let proposal = Proposal { verb: verb.to_owned(), targets: targets? };
        Some(Choice::Do(Box::new(Request::Propose(proposal))))
    };
    let acknowledge = propose("Look after", &|row| Some(AlertVerb::Acknowledge(firing(row)?.id.clone())));
    let unsilence = propose("End", &|row| match &row.item.value {
        AlertItem::Silence(silence) => Some(AlertVerb::Unsilence(silence.id)),
        AlertItem::Alert(_) | AlertItem::Rule(_) => None,
    });
    let silenced: Option<Vec<_>> =
        rows.iter().map(|row| Some((row.item.node, label(row), matchers(row)?))).collect();
    let silence = silenced.map(|targets| Choice::Ask(Question::Silence(targets)));
    let item = |key, text: &str, choice| Item { key, label: text.to_owned(), choice };
    let items = vec![
        item('a', "acknowledge: I look after it", acting(acknowledge, "it does not fire")),
        item('s', "silence it for a while", acting(silence, "it is a silence")),
        item('u', "end the silence", acting(unsilence, "it is no silence")),
    ];
    Menu::new(title, items)
}
