//! The views: one file each, with its model, its update, its drawing and its tests.
//!
//! A view reads the [`Scene`], keeps ids and orders of its own, and asks for things by [`Request`]. It never
//! holds data of a node, blocks, or knows a clock or a colour.

use std::collections::BTreeSet;

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::file::FilePath;
use p2p_shared::services::shell::ShellRecording;
use p2p_shared::time::{Millis, UnixMillis};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::action::{Action, SortKey};
use crate::app::confirm::Proposal;
use crate::app::menu::Menu;
use crate::command::{Command, FilesOrder, Follow, Sought, Source, Spot, Subject, Subscription};
use crate::event::Mouse;
use crate::filter::{Field, Filter};
use crate::fleet::Fleet;
use crate::log::Log;
use crate::theme::Theme;

pub mod alerts;
pub mod audit;
pub mod files;
pub mod fleet;
pub mod jobs;
pub mod journal;
mod list;
pub mod network;
mod observed;
pub mod peers;
pub mod processes;
pub mod related;
pub mod resources;
pub mod services;
pub mod shell;
#[cfg(test)]
mod stage;

use related::Thing;
use shell::Shells;

/// The views, in the order of their number keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewId {
    /// Every node.
    #[default]
    Fleet,
    /// Processes of some nodes or of all.
    Processes,
    /// Programs and units of some nodes or of all.
    Services,
    /// Lines of their journals, or of one program.
    Journal,
    /// Interfaces, sockets, routes and neighbours of some nodes or of all.
    Network,
    /// Directories of one node.
    Files,
    /// Charts of one node.
    Resources,
    /// Alerts, silences and rules of some nodes or of all.
    Alerts,
    /// Task queues of some nodes or of all.
    Jobs,
    /// The mesh as one node sees it.
    Peers,
    /// Who did what on some nodes or on all. It has no number.
    Audit,
    /// A shell on a node, or the list of those that live. It has no number.
    Shell,
}

impl ViewId {
    /// All of them, 0 first.
    pub const ALL: [Self; 12] = [
        Self::Fleet,
        Self::Processes,
        Self::Services,
        Self::Journal,
        Self::Files,
        Self::Network,
        Self::Resources,
        Self::Alerts,
        Self::Jobs,
        Self::Peers,
        Self::Audit,
        Self::Shell,
    ];

    /// The name in tabs, `:` and help.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Processes => "processes",
            Self::Services => "services",
            Self::Journal => "journal",
            Self::Network => "network",
            Self::Resources => "resources",
            Self::Alerts => "alerts",
            Self::Jobs => "jobs",
            Self::Peers => "peers",
            Self::Files => "files",
            Self::Audit => "audit",
            Self::Shell => "shell",
        }
    }

    /// The same where there is little room.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Processes => "procs",
            Self::Services => "svcs",
            Self::Journal => "log",
            Self::Network => "net",
            Self::Resources => "res",
            other => other.name(),
        }
    }
}

/// What a view may look at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Everything that is known of the nodes.
    pub fleet: &'a Fleet,
    /// The lines of the log that is followed, or was last.
    pub log: &'a Log,
    /// The shells that are attached to, and the recording that is played.
    pub shells: &'a Shells,
    /// The console's monotonic clock.
    pub now: Millis,
    /// The wall's.
    pub wall: UnixMillis,
    /// Where the view is drawn.
    pub body: Rect,
    /// Acting is refused.
    pub readonly: bool,
}

/// Over which nodes a view looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them, also those that come.
    #[default]
    All,
    /// These.
    Nodes(BTreeSet<NodeId>),
}

impl Scope {
    /// One node.
    pub fn one(node: NodeId) -> Self {
        Self::Nodes(BTreeSet::from([node]))
    }

    /// Whether a node is in it.
    pub fn has(&self, node: NodeId) -> bool {
        match self {
            Self::All => true,
            Self::Nodes(nodes) => nodes.contains(&node),
        }
    }

    /// For a title: `all nodes`, `web-1`, `3 nodes`.
    pub fn title(&self, fleet: &Fleet) -> String {
        match self {
            Self::All => "all nodes".into(),
            Self::Nodes(nodes) => match (nodes.first(), nodes.len()) {
                (Some(first), 1) => fleet.name_of(*first),
                (_, count) => format!("{count} nodes"),
            },
        }
    }
}

/// What of the world changed, for those who keep an order of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The directory, links or figures of nodes.
    Nodes,
    /// Processes of one node.
    Processes(NodeId),
    /// Connections, routing table or refusals of one node.
    Peers(NodeId),
    /// Another list of one node: services, jobs, shells.
    List(NodeId),
    /// Lines of the log.
    Log,
    /// Time went on: ages changed.
    Time,
}

/// What a view asks of the console.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Show another view, over these nodes.
    Show(ViewId, Scope),
    /// Show what of a view matches a filter, on this node.
    Find(ViewId, NodeId, String),
    /// Ask before acting.
    Propose(Proposal),
    /// Offer a choice of actions.
    Menu(Menu),
    /// Something for the world outside.
    Order(Command),
    /// A line for the operator.
    Say(String),
    /// A text for the operator's clipboard.
    Copy(String),
    /// Show these lines of these nodes.
    Logs(Source, Scope),
    /// Show everything about something besides a process.
    Describe {
        /// Whose.
        node: NodeId,
        /// What.
        subject: Subject,
        /// For the title.
        name: String,
    },
    /// Attach to a shell that lives.
    Attach {
        /// Where.
        node: NodeId,
        /// Which.
        id: String,
    },
    /// Let go of a shell that is attached to; it lives on.
    Detach {
        /// Where.
        node: NodeId,
        /// Which.
        id: String,
    },
    /// Play a recording of a node.
    Play(NodeId, Box<ShellRecording>),
    /// Look at files of a node.
    Files(NodeId, FilesOrder),
    /// Show the sockets of a node that match a filter.
    Sockets(NodeId, String),
    /// Show the processes of a node in an order.
    Sorted(NodeId, SortKey),
    /// Show the charts of a node at a time.
    Moment(NodeId, UnixMillis),
    /// Show a directory, with the cursor on a name.
    Browse(Spot, Option<FilePath>),
    /// Show a process, once it is known which.
    Seek(Sought),
    /// Offer what is related to what is under the cursor.
    Related,
    /// Define a program on these nodes.
    Define(Vec<(NodeId, String)>),
    /// Edit the program of this name, as the first of these nodes has it, on all of them.
    EditProgram(String, Vec<(NodeId, String)>),
    /// Have a node look a name up in the DHT, and show what it does.
    LookUp {
        /// Who looks.
        node: NodeId,
        /// For what.
        name: NodeName,
    },
    /// Open a shell there.
    OpenShell(NodeId),
    /// Show facts that are here already: names and values.
    Read {
        /// For the title.
        title: String,
        /// A name may be empty.
        lines: Vec<(String, String)>,
    },
    /// Show everything about the process that the view names.
    Inspect {
        /// Whose.
        node: NodeId,
        /// Which.
        target: p2p_shared::services::process::ProcessRef,
        /// For the title.
        name: String,
    },
}

/// A view.
pub trait View {
    /// Which one.
    fn id(&self) -> ViewId;
    /// What stands in the title, such as `processes of web-1`.
    fn title(&self, scene: &Scene<'_>) -> String;
    /// The scope that it was asked to show.
    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope);
    /// The nodes that it looks at, if that is part of the way back.
    fn scope(&self) -> Option<Scope> {
        None
    }
    /// The live data that it needs while it is shown.
    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription>;
    /// The lines that it needs while it is shown; all of one source.
    fn follows(&self, _scene: &Scene<'_>) -> BTreeSet<Follow> {
        BTreeSet::new()
    }
    /// The world changed; called before it is drawn again, at most once a frame for each change.
    fn on_change(&mut self, scene: &Scene<'_>, change: Change);
    /// All changes of a frame were told: where one brings as much work as many, it is done here.
    fn settle(&mut self, _scene: &Scene<'_>) {}
    /// An action of the table, or of the view.
    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request>;
    /// A click or the wheel inside of the body.
    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request>;
    /// The fields that its filter offers; none if it has no filter.
    fn fields(&self) -> &'static [Field];
    /// Shows only what passes; `None` shows all.
    fn set_filter(&mut self, scene: &Scene<'_>, filter: Option<Filter>);
    /// The filter in force.
    fn filter(&self) -> Option<&Filter>;
    /// The nodes that other views would follow from here: the one under the cursor, or the marked ones.
    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId>;
    /// What stands at the right of the title: rows, marks, order.
    fn status(&self, _scene: &Scene<'_>) -> String {
        String::new()
    }
    /// The view in one line of figures, shown beside the title where there is room.
    fn summary(&self, _scene: &Scene<'_>) -> String {
        String::new()
    }
    /// Takes every mark off; whether there were any.
    fn clear_marks(&mut self) -> bool {
        false
    }
    /// The time of the past that it shows, if it does.
    fn past(&self) -> Option<UnixMillis> {
        None
    }
    /// Returns to now; whether it showed the past.
    fn leave_past(&mut self) -> bool {
        false
    }
    /// Moves the cursor to the next row (or the previous one) that a search hits.
    fn seek(&mut self, _scene: &Scene<'_>, _forward: bool, _search: &Filter) -> bool {
        false
    }
    /// The name under the cursor, or its whole row, for the clipboard.
    fn copy(&self, _scene: &Scene<'_>, _row: bool) -> Option<String> {
        None
    }
    /// What is under the cursor, for those who jump to what is related.
    fn thing(&self, _scene: &Scene<'_>) -> Option<Thing> {
        None
    }
    /// Whether its rows are in the order of this key.
    fn is_sorted_by(&self, _key: SortKey) -> bool {
        false
    }
    /// The most useful actions here, for the last line.
    fn hints(&self) -> &'static [Action];
    /// Draws it into the body.
    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer);
}
