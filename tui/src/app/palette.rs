//! The `:` line and palette in one: fuzzy over views, actions and nodes, with a history.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::action::{Action, Group, TABLE};
use crate::command::ProbeKind;
use crate::fleet::Fleet;
use crate::views::ViewId;
use crate::widgets::field::Field;

/// Most choices that are shown.
pub const SHOWN_MAX: usize = 12;
const HISTORY_MAX: usize = 100;

/// What a line leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// An action of the table.
    Act(Action),
    /// A view of the nodes that match a pattern, or of all.
    On(ViewId, String),
    /// Journals of the nodes that match a pattern, of one unit if it is given.
    Lines {
        /// Which nodes.
        pattern: String,
        /// Which unit.
        unit: Option<String>,
    },
    /// A directory: `NODE:/path`, or a part of that.
    Files(String),
    /// A shell on this node.
    Shell(String),
    /// A probe from this node.
    Probe {
        /// How.
        kind: ProbeKind,
        /// From where.
        node: String,
        /// Of what; asked for if nothing is written.
        text: String,
    },
    /// A command for the nodes that match a pattern; asked for if nothing is written.
    Exec {
        /// Which nodes.
        pattern: String,
        /// A line for the shell.
        text: String,
    },
    /// A program for the nodes that match a pattern.
    Define {
        /// Which nodes.
        pattern: String,
        /// What it is.
        text: String,
    },
    /// What a look-up of this name does: `NAME`, or `NAME NODE` for the node that looks.
    LookUp(String),
    /// This node's resources.
    Node(String),
    /// Labels for the nodes under the cursor or marked.
    Label(String),
    /// The mouse is the console's, or the terminal's.
    Mouse(bool),
    /// The charts at this time.
    At(String),
    /// What is opened in a tab, or done with tabs.
    Tab(String),
    /// A saved filter of this view.
    Filter(String),
    /// Save the filter in force under this name.
    SaveFilter(String),
    /// Forget a saved filter of this view.
    DeleteFilter(String),
    /// Another theme.
    Theme(String),
}

/// One line of the palette.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is matched and shown.
    pub text: String,
    /// What it is, beside it.
    pub hint: String,
    /// Where it leads.
    pub goal: Goal,
}

/// The open palette.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What is written.
    pub field: Field,
    /// The choice under the cursor.
    pub at: usize,
    /// The best choices, the best first.
    pub choices: Vec<Choice>,
    /// What there is besides actions and nodes: saved filters, themes.
    more: Vec<Choice>,
    back: usize,
}

/// The lines that were run.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<String>);

impl History {
    /// Notes a line.
    pub fn push(&mut self, line: &str) {
        self.0.retain(|known| known != line);
        self.0.push(line.to_owned());
        if self.0.len() > HISTORY_MAX {
            self.0.remove(0);
        }
    }
}

impl Palette {
    /// Opens it with every choice, among them `more`.
    pub fn open(fleet: &Fleet, more: Vec<Choice>) -> Self {
        let mut palette = Self { more, ..Self::default() };
        palette.match_again(fleet);
        palette
    }

    /// The choices for what is written now.
    pub fn match_again(&mut self, fleet: &Fleet) {
        let text = self.field.text().trim();
        // What goes on as what is written completes it.
        let written = self.field.text().trim_start();
        let begins = |choice: &&Choice| written.contains(' ') && choice.text.starts_with(written);
        let mut completed: Vec<Choice> = self.more.iter().filter(begins).take(SHOWN_MAX).cloned().collect();
        self.choices = match spoken(text) {
            Some(choice) => {
                if !completed.iter().any(|known| known.goal == choice.goal) {
                    completed.truncate(SHOWN_MAX - 1);
                    completed.push(choice);
                }
                completed
            }
            None if !completed.is_empty() => completed,
            None => ranked(text, all(fleet).into_iter().chain(self.more.iter().cloned()).collect()),
        };
        self.at = 0;
    }

    /// Goes to an earlier line (or a later one).
    pub fn recall(&mut self, history: &History, earlier: bool, fleet: &Fleet) {
        let count = history.0.len();
        self.back = if earlier { (self.back + 1).min(count) } else { self.back.saturating_sub(1) };
        let line = if self.back == 0 { "" } else { &history.0[count - self.back] };
        self.field = Field::new(line);
        self.match_again(fleet);
    }

    /// The choice under the cursor.
    pub fn chosen(&self) -> Option<&Choice> {
        self.choices.get(self.at)
    }
}

/// Where a line leads by itself.
pub(super) fn goal_of(text: &str, fleet: &Fleet) -> Option<Goal> {
    let choice = spoken(text).or_else(|| ranked(text, all(fleet)).into_iter().next());
    choice.map(|choice| choice.goal)
}

/// Commands with an argument: `ps web-*`, `node web-1`, `label role=web`, `q`.
fn spoken(text: &str) -> Option<Choice> {
    let goal = goal_with_argument(text)?;
    Some(Choice { text: text.to_owned(), hint: hint_of(&goal).to_owned(), goal })
}

fn goal_with_argument(text: &str) -> Option<Goal> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    Some(match (verb, rest) {
        ("q" | "quit" | "exit", "") => Goal::Act(Action::Quit),
        ("mouse", "on") => Goal::Mouse(true),
        ("mouse", "off") => Goal::Mouse(false),
        ("ps", rest) => Goal::On(ViewId::Processes, or_all(rest)),
        ("services" | "units" | "programs", rest) if !rest.is_empty() => {
            Goal::On(ViewId::Services, rest.to_owned())
        }
        ("logs" | "journal", rest) if !rest.is_empty() => match rest.rsplit_once(' ') {
            Some((pattern, unit)) if unit.contains('.') => {
                Goal::Lines { pattern: pattern.trim().to_owned(), unit: Some(unit.to_owned()) }
            }
            _ => Goal::Lines { pattern: rest.to_owned(), unit: None },
        },
        ("alerts", rest) if !rest.is_empty() => Goal::On(ViewId::Alerts, rest.to_owned()),
        ("audit", rest) if !rest.is_empty() => Goal::On(ViewId::Audit, rest.to_owned()),
        ("jobs", rest) if !rest.is_empty() => Goal::On(ViewId::Jobs, rest.to_owned()),
        ("peers", rest) if !rest.is_empty() => Goal::On(ViewId::Peers, rest.to_owned()),
        ("lookup" | "look_up", rest) if !rest.is_empty() => Goal::LookUp(rest.to_owned()),
        ("network", rest) if !rest.is_empty() => Goal::On(ViewId::Network, rest.to_owned()),
        ("files", rest) if !rest.is_empty() => Goal::Files(rest.to_owned()),
        ("shells", rest) => Goal::On(ViewId::Shell, or_all(rest)),
        ("shell", rest) if !rest.is_empty() => Goal::Shell(rest.to_owned()),
        ("ping", rest) if !rest.is_empty() => probe(ProbeKind::Ping, rest),
        ("trace", rest) if !rest.is_empty() => probe(ProbeKind::Trace, rest),
        ("scan", rest) if !rest.is_empty() => probe(ProbeKind::Scan, rest),
        ("exec" | "run", rest) if !rest.is_empty() => {
            let (pattern, text) = rest.split_once(' ').unwrap_or((rest, ""));
            Goal::Exec { pattern: pattern.to_owned(), text: text.trim().to_owned() }
        }
        ("define", rest) => match rest.split_once(' ') {
            Some((pattern, text)) => {
                Goal::Define { pattern: pattern.to_owned(), text: text.trim().to_owned() }
            }
            None => Goal::Define { pattern: rest.to_owned(), text: String::new() },
        },
        ("at", rest) => Goal::At(rest.to_owned()),
        ("tab", rest) => Goal::Tab(rest.to_owned()),
        ("theme", rest) if !rest.is_empty() => Goal::Theme(rest.to_owned()),
        ("filter", rest) if !rest.is_empty() => match rest.split_once(' ') {
            Some(("save", name)) => Goal::SaveFilter(name.trim().to_owned()),
            Some(("delete", name)) => Goal::DeleteFilter(name.trim().to_owned()),
            _ => Goal::Filter(rest.to_owned()),
        },
        ("node", rest) if !rest.is_empty() => Goal::Node(rest.to_owned()),
        ("label", rest) if !rest.is_empty() => Goal::Label(rest.to_owned()),
        _ => return None,
    })
}

const fn hint_of(goal: &Goal) -> &'static str {
    match goal {
        Goal::Act(_) => "leave",
        Goal::On(ViewId::Services, _) => "services of the nodes that match",
        Goal::On(ViewId::Shell, _) => "shells that live on the nodes that match",
        Goal::On(ViewId::Alerts, _) => "alerts of the nodes that match",
        Goal::On(ViewId::Audit, _) => "who did what on the nodes that match",
        Goal::On(ViewId::Jobs, _) => "jobs of the nodes that match",
        Goal::On(ViewId::Peers, _) => "who sees whom of the nodes that match, and how well",
        Goal::LookUp(_) => "NAME [NODE]: how a node finds that name in the DHT, hop by hop",
        Goal::On(ViewId::Network, _) => "network of the nodes that match",
        Goal::On(..) => "processes of the nodes that match",
        Goal::Lines { unit: None, .. } => "journal of the nodes that match",
        Goal::Lines { unit: Some(_), .. } => "journal of the unit on the nodes that match",
        Goal::Files(_) => "NODE:/path: that directory in this pane of files",
        Goal::Shell(_) => "opens a shell on this node",
        Goal::Mouse(true) => "the mouse chooses rows, tabs and the order",
        Goal::Mouse(false) => "the mouse selects text in the terminal",
        Goal::Probe { kind: ProbeKind::Scan, .. } => {
            "NODE TARGET PORTS [RATE]: open ports, seen from the node"
        }
        Goal::Probe { .. } => "NODE TARGET: sent from the node",
        Goal::Exec { .. } => "NODES LINE: run by /bin/sh -c on the nodes that match",
        Goal::Define { .. } => "NODES: a program there, in a form; or NODES NAME COMMAND ARG...",
        Goal::At(_) => "charts at: 02:30, yesterday 14:00, -3h, now, a date",
        Goal::Tab(_) => "a tab with what follows; close, next, previous, 3",
        Goal::Filter(_) => "a saved filter; save NAME keeps the one in force",
        Goal::SaveFilter(_) => "keeps the filter in force under this name",
        Goal::DeleteFilter(_) => "forgets the saved filter",
        Goal::Theme(_) => "another theme",
        Goal::Node(_) => "resources of this node",
        Goal::Label(_) => "labels of the node or the marked nodes: k=v sets, k- removes",
    }
}

fn probe(kind: ProbeKind, rest: &str) -> Goal {
    let (node, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Goal::Probe { kind, node: node.to_owned(), text: text.trim().to_owned() }
}

fn or_all(text: &str) -> String {
    if text.is_empty() { "all".to_owned() } else { text.to_owned() }
}

fn all(fleet: &Fleet) -> Vec<Choice> {
    let actions = TABLE.iter().map(|spec| Choice {
        text: spec.name.replace('_', " "),
        hint: spec.doc.to_owned(),
        goal: Goal::Act(spec.action),
    });
    let nodes = fleet.iter().map(|(_, node)| Choice {
        text: node.name().to_string(),
        hint: "node".to_owned(),
        goal: Goal::Node(node.name().to_string()),
    });
    actions.chain(nodes).collect()
}

fn ranked(text: &str, choices: Vec<Choice>) -> Vec<Choice> {
    if text.is_empty() {
        let mut choices = choices;
        choices.sort_by_key(|choice| match choice.goal {
            Goal::Act(Action::Show(_)) => 0,
            Goal::Act(action) if action.spec().group == Group::Act => 1,
            Goal::Act(action) if action.spec().group == Group::Look => 2,
            Goal::Act(_) => 4,
            _ => 3,
        });
        choices.truncate(SHOWN_MAX);
        return choices;
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::new(text, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, Choice)> = choices
        .into_iter()
        .filter_map(|choice| {
            let score = pattern.score(Utf32Str::new(&choice.text, &mut buffer), &mut matcher)?;
            Some((score, choice))
        })
        .collect();
    scored.sort_by(|(one, a), (other, b)| (other, a.text.len(), &a.text).cmp(&(one, b.text.len(), &b.text)));
    scored.into_iter().map(|(_, choice)| choice).take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(text: &str) -> Option<Goal> {
        let mut palette = Palette { field: Field::new(text), ..Palette::default() };
        palette.match_again(&Fleet::default());
        palette.chosen().map(|choice| choice.goal.clone())
    }

    #[test]
    fn a_few_letters_find_a_view_or_an_action() {
        assert_eq!(best("proc"), Some(Goal::Act(Action::Show(ViewId::Processes))));
        assert_eq!(best("frz"), Some(Goal::Act(Action::Freeze)));
        assert_eq!(best("zzzz"), None);
    }

    #[test]
    fn commands_take_arguments() {
        assert_eq!(best("q"), Some(Goal::Act(Action::Quit)));
        assert_eq!(best("ps web-*"), Some(Goal::On(ViewId::Processes, "web-*".into())));
        let lines = |pattern: &str, unit: Option<&str>| {
            Some(Goal::Lines { pattern: pattern.into(), unit: unit.map(Into::into) })
        };
        assert_eq!(best("logs all"), lines("all", None));
        assert_eq!(best("logs role=web and not web-2"), lines("role=web and not web-2", None));
        assert_eq!(best("logs web-* ssh.service"), lines("web-*", Some("ssh.service")));
        let define = Goal::Define { pattern: "web-2".into(), text: "a /bin/b -c".into() };
        assert_eq!(best("define web-2 a /bin/b -c"), Some(define));
        let scan =
            Goal::Probe { kind: ProbeKind::Scan, node: "web-1".into(), text: "10.0.0.7 1-1024".into() };
        assert_eq!(best("scan web-1 10.0.0.7 1-1024"), Some(scan));
        assert_eq!(best("files web-1:/etc"), Some(Goal::Files("web-1:/etc".into())));
        assert_eq!(best("files"), Some(Goal::Act(Action::Show(ViewId::Files))));
        let exec = Goal::Exec { pattern: "web-*".into(), text: "df -h | tail".into() };
        assert_eq!(best("exec web-* df -h | tail"), Some(exec));
        assert_eq!(best("node web-1"), Some(Goal::Node("web-1".into())));
        assert_eq!(best("lookup web-1 db-2"), Some(Goal::LookUp("web-1 db-2".into())));
        assert_eq!(best("peers role=web"), Some(Goal::On(ViewId::Peers, "role=web".into())));
        assert_eq!(best("label role=web"), Some(Goal::Label("role=web".into())));
    }

    #[test]
    fn earlier_lines_come_back() {
        let mut history = History::default();
        history.push("ps all");
        history.push("freeze");
        let fleet = Fleet::default();
        let mut palette = Palette::open(&fleet, Vec::new());
        palette.recall(&history, true, &fleet);
        assert_eq!(palette.field.text(), "freeze");
        palette.recall(&history, true, &fleet);
        palette.recall(&history, true, &fleet);
        assert_eq!(palette.field.text(), "ps all");
        palette.recall(&history, false, &fleet);
        palette.recall(&history, false, &fleet);
        assert_eq!(palette.field.text(), "");
    }
}
