//! The one table of actions, from which the keys, the `:` line and the help are made.

use crate::views::ViewId;

/// By what a table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SortKey {
    Cpu,
    Memory,
    Pid,
    Name,
    Age,
    Load,
    State,
    User,
    Disk,
    Node,
    Rtt,
}

/// Everything that a key, the `:` line or a menu can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    HalfUp,
    HalfDown,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Close,
    Back,
    Forward,
    Interrupt,
    Quit,
    Palette,
    Filter,
    Search,
    NextHit,
    PreviousHit,
    Help,
    Mark,
    MarkRange,
    MarkAll,
    ClearMarks,
    Describe,
    Menu,
    Edit,
    Kill,
    Logs,
    Follow,
    Shell,
    LastShell,
    Outcomes,
    Tree,
    AllNodes,
    CopyField,
    CopyMenu,
    Show(ViewId),
    PaneNext,
    PanePrevious,
    TabNext,
    TabPrevious,
    Freeze,
    Refresh,
    ZoomIn,
    ZoomOut,
    Earlier,
    Later,
    NewTab,
    CloseTab,
    TabRight,
    TabLeft,
    Mouse,
    Suspend,
    SamePlace,
    SwapPanes,
    Preview,
    CopyOver,
    MoveOver,
    Copies,
    Find,
    Related,
    Sort(SortKey),
}

/// Where an action is listed in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    Move,
    Look,
    Select,
    Act,
    Go,
    Sort,
    Console,
}

impl Group {
    /// All, in the order of the help.
    pub const ALL: [Self; 7] =
        [Self::Move, Self::Look, Self::Select, Self::Act, Self::Go, Self::Sort, Self::Console];

    /// The heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Look => "Look",
            Self::Select => "Select",
            Self::Act => "Act",
            Self::Go => "Go to",
            Self::Sort => "Sort (again reverses)",
            Self::Console => "Console",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// What it does.
    pub action: Action,
    /// What keys.toml and the `:` line call it.
    pub name: &'static str,
    /// Where the help lists it.
    pub group: Group,
    /// What the help says.
    pub doc: &'static str,
    /// Whether it can change something on a node: dimmed and refused when read-only.
    pub acts: bool,
}

const fn spec(action: Action, name: &'static str, group: Group, doc: &'static str) -> Spec {
    Spec { action, name, group, doc, acts: false }
}

const fn acting(action: Action, name: &'static str, doc: &'static str) -> Spec {
    Spec { action, name, group: Group::Act, doc, acts: true }
}

/// Every action.
pub const TABLE: &[Spec] = &[
    spec(Action::Down, "down", Group::Move, "next row"),
    spec(Action::Up, "up", Group::Move, "previous row"),
    spec(Action::Left, "left", Group::Move, "fold, or scroll columns left"),
    spec(Action::Right, "right", Group::Move, "unfold, or scroll columns right"),
    spec(Action::HalfDown, "half_down", Group::Move, "half a page down"),
    spec(Action::HalfUp, "half_up", Group::Move, "half a page up"),
    spec(Action::PageDown, "page_down", Group::Move, "a page down"),
    spec(Action::PageUp, "page_up", Group::Move, "a page up"),
    spec(Action::Top, "top", Group::Move, "first row"),
    spec(Action::Bottom, "bottom", Group::Move, "last row"),
    spec(Action::Open, "open", Group::Look, "open what is under the cursor"),
    spec(Action::Describe, "describe", Group::Look, "everything about it"),
    spec(Action::Filter, "filter", Group::Look, "show only what matches: nginx  cpu>50  user:root  !idle"),
    spec(Action::Search, "search", Group::Look, "find without hiding the rest"),
    spec(Action::NextHit, "next_hit", Group::Look, "next hit of the search"),
    spec(Action::PreviousHit, "previous_hit", Group::Look, "previous hit of the search"),
    spec(Action::Tree, "tree", Group::Look, "processes as a tree; peers: round trip, loss or clock"),
    spec(Action::Logs, "logs", Group::Look, "journal of the node, or what the service says"),
    spec(Action::Follow, "follow", Group::Look, "go with the newest line, or stay"),
    spec(Action::AllNodes, "all_nodes", Group::Look, "this node, or all nodes in one table"),
    spec(
        Action::TabNext,
        "tab_next",
        Group::Look,
        "next list of the view; files: next node; fleet: cards or a table",
    ),
    spec(Action::TabPrevious, "tab_previous", Group::Look, "previous list of the view; files: previous node"),
    spec(Action::PaneNext, "pane_next", Group::Look, "next pane, or next node"),
    spec(Action::PanePrevious, "pane_previous", Group::Look, "previous pane, or previous node"),
    spec(Action::SamePlace, "same_place", Group::Look, "files: the other pane shows this directory too"),
    spec(Action::SwapPanes, "swap_panes", Group::Look, "files: the panes change sides"),
    spec(Action::Preview, "preview", Group::Look, "files: beside them what is under the cursor, or not"),
    spec(Action::Find, "find", Group::Look, "files: search names or contents below the directory"),
    spec(Action::ZoomIn, "zoom_in", Group::Look, "charts: a shorter time"),
    spec(Action::ZoomOut, "zoom_out", Group::Look, "charts: a longer time"),
    spec(Action::Earlier, "earlier", Group::Look, "charts: back in history; Esc returns to now"),
    spec(Action::Later, "later", Group::Look, "charts: forward in history"),
    spec(Action::Freeze, "freeze", Group::Look, "freeze the screen, or let it go on"),
    spec(Action::Refresh, "refresh", Group::Look, "ask for everything anew"),
    spec(Action::Mark, "mark", Group::Select, "mark the row, or take the mark off"),
    spec(Action::MarkRange, "mark_range", Group::Select, "mark from here to the cursor"),
    spec(Action::MarkAll, "mark_all", Group::Select, "mark everything shown"),
    spec(Action::ClearMarks, "clear_marks", Group::Select, "take all marks off"),
    spec(Action::Menu, "menu", Group::Act, "actions on the row or the marked rows"),
    acting(Action::Edit, "edit", "edit: a file in $VISUAL or $EDITOR, a program in a form"),
    acting(Action::CopyOver, "copy_over", "files: copy the file or the marked ones to the other pane (asks)"),
    acting(Action::MoveOver, "move_over", "files: the same, and the source goes once all of it is there"),
    acting(Action::Kill, "kill", "stop the process or service, or the marked ones (always asks)"),
    acting(Action::Shell, "open_shell", "a shell on the node; ^] leaves it, and it stays open"),
    spec(
        Action::Outcomes,
        "outcomes",
        Group::Act,
        "what became of the last action; r runs it again on what failed",
    ),
    spec(
        Action::Copies,
        "copies",
        Group::Act,
        "copies that go on, and the last ones: ^C stops one, r takes it up again",
    ),
    spec(Action::CopyField, "copy_field", Group::Act, "copy the name to the clipboard"),
    spec(Action::CopyMenu, "copy_menu", Group::Act, "copy the name, the row or the node: a menu"),
    spec(Action::Show(ViewId::Fleet), "fleet", Group::Go, "every node"),
    spec(
        Action::Show(ViewId::Processes),
        "processes",
        Group::Go,
        "processes of the node or the marked nodes",
    ),
    spec(
        Action::Show(ViewId::Services),
        "services",
        Group::Go,
        "programs and units of the node or the marked nodes",
    ),
    spec(Action::Show(ViewId::Journal), "journal", Group::Go, "journal of the node or the marked nodes"),
    spec(
        Action::Show(ViewId::Network),
        "network",
        Group::Go,
        "interfaces, sockets, routes and neighbours of the node or the marked nodes",
    ),
    spec(Action::Show(ViewId::Files), "files", Group::Go, "directories of the node"),
    spec(Action::Show(ViewId::Resources), "resources", Group::Go, "charts of the node"),
    spec(
        Action::Show(ViewId::Alerts),
        "alerts",
        Group::Go,
        "alerts, silences and rules of the node or the marked nodes",
    ),
    spec(Action::Show(ViewId::Jobs), "jobs", Group::Go, "task queues of the node or the marked nodes"),
    spec(
        Action::Show(ViewId::Shell),
        "shell",
        Group::Go,
        "shells that live on nodes: attach again, end; recordings",
    ),
    spec(Action::LastShell, "last_shell", Group::Go, "into the shell that was left last"),
    spec(Action::Show(ViewId::Audit), "audit", Group::Go, "who did what on the node or the marked nodes"),
    spec(Action::Show(ViewId::Peers), "peers", Group::Go, "the mesh as the node sees it"),
    spec(
        Action::Related,
        "related",
        Group::Go,
        "what is related: its process, socket, other end, unit, file, time",
    ),
    spec(Action::Palette, "palette", Group::Go, "any view, action or node by name"),
    spec(Action::Back, "back", Group::Go, "back; at the top, leave"),
    spec(Action::Forward, "forward", Group::Go, "forward again, after back"),
    spec(
        Action::NewTab,
        "new_tab",
        Group::Go,
        "another tab on the same view, which goes its own way; up to nine",
    ),
    spec(Action::CloseTab, "close_tab", Group::Go, "close the tab"),
    spec(Action::TabRight, "tab_right", Group::Go, "the tab to the right"),
    spec(Action::TabLeft, "tab_left", Group::Go, "the tab to the left"),
    spec(Action::Close, "close", Group::Go, "close one layer: popup, filter, marks"),
    spec(Action::Sort(SortKey::Cpu), "sort_cpu", Group::Sort, "processor"),
    spec(Action::Sort(SortKey::Memory), "sort_memory", Group::Sort, "memory"),
    spec(Action::Sort(SortKey::Pid), "sort_pid", Group::Sort, "process id"),
    spec(Action::Sort(SortKey::Name), "sort_name", Group::Sort, "name"),
    spec(Action::Sort(SortKey::Age), "sort_age", Group::Sort, "age, uptime"),
    spec(Action::Sort(SortKey::Load), "sort_load", Group::Sort, "load"),
    spec(Action::Sort(SortKey::State), "sort_state", Group::Sort, "state"),
    spec(Action::Sort(SortKey::User), "sort_user", Group::Sort, "user"),
    spec(Action::Sort(SortKey::Disk), "sort_disk", Group::Sort, "disk"),
    spec(Action::Sort(SortKey::Node), "sort_node", Group::Sort, "node"),
    spec(Action::Sort(SortKey::Rtt), "sort_rtt", Group::Sort, "round trip"),
    spec(Action::Help, "help", Group::Console, "this help"),
    spec(Action::Interrupt, "interrupt", Group::Console, "cancel what runs; twice leaves"),
    spec(Action::Mouse, "mouse", Group::Console, "mouse for the console, or for the terminal"),
    spec(Action::Suspend, "suspend", Group::Console, "stop, as the shell's job control does"),
    spec(Action::Quit, "quit", Group::Console, "leave"),
];

impl Action {
    /// Its line of the table.
    pub fn spec(self) -> &'static Spec {
        TABLE.iter().find(|spec| spec.action == self).expect("every action stands in the table")
    }

    /// The action of a name in keys.toml.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|spec| spec.name == name).map(|spec| spec.action)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_actions_stand_once() {
        let names: BTreeSet<_> = TABLE.iter().map(|spec| spec.name).collect();
        let actions: BTreeSet<_> = TABLE.iter().map(|spec| spec.action).collect();
        assert_eq!((names.len(), actions.len()), (TABLE.len(), TABLE.len()));
        for view in ViewId::ALL {
            assert_eq!(Action::Show(view).spec().name, view.name());
        }
    }
}
