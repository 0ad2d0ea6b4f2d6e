//! What happens to the console: keys, the terminal, time, and what the mesh says. Data only.
//!
//! The runtime translates crossterm's events into these and the effects send [`MeshEvent`]s. A tick comes before
//! every batch of events, so that nothing else here has to carry a time.

use p2p_shared::error::RpcError;
use p2p_shared::id::{MeshName, NodeId, NodeName};
use p2p_shared::services::alert::{AlertDelta, AlertRules};
use p2p_shared::services::file::{FileChunk, FileFound, FilePage, FilePath};
use p2p_shared::services::job::{JobDelta, JobStatus};
use p2p_shared::services::journal::JournalBatch;
use p2p_shared::services::monitor::HostSample;
use p2p_shared::services::network::{PingReply, ScanFound, TraceStep};
use p2p_shared::services::node::{FleetDelta, LookUp, Peer, RefusedHandshake, RoutingBucket};
use p2p_shared::services::process::{ProcessDelta, ProcessDetails, ProcessInfo, ProcessRef};
use p2p_shared::services::program::{LogChunk, ProgramDefinition, ProgramInfo, ProgramLog, ProgramStatus};
use p2p_shared::services::shell::{ShellInfo, ShellItem, ShellRecording, ShellSize};
use p2p_shared::services::transfer::{TransferProgress, TransferSummary};
use p2p_shared::services::unit::{UnitDelta, UnitStatus};
use p2p_shared::time::{Millis, UnixMillis};

use crate::command::{
    CopyId, CopyPlan, CopyStep, Errand, Follow, PastOrder, RunId, SearchId, Sought, Subject, Subscription,
    TerminalId,
};
use crate::edit::{Conflict, Draft, Ended};
use crate::fleet::{AuditNews, NetTables, PastAnswer};

/// A key without its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A character, with shift already in it.
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Insert,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    /// A function key.
    F(u8),
}

/// A key as it was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which.
    pub code: Code,
    /// With control.
    pub ctrl: bool,
    /// With alt.
    pub alt: bool,
}

impl Key {
    /// The key without modifiers.
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false }
    }

    /// The character with control.
    pub const fn ctrl(letter: char) -> Self {
        Self { code: Code::Char(letter), ctrl: true, alt: false }
    }
}

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseKind {
    /// The left button went down.
    Press,
    WheelUp,
    WheelDown,
}

/// A mouse event with its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mouse {
    pub kind: MouseKind,
    pub column: u16,
    pub row: u16,
}

/// The connection through which the console entered the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Trying this address.
    Connecting { address: String },
    /// Through this node.
    Connected { id: NodeId, name: NodeName, mesh: MeshName },
    /// Through nobody; the next address is tried.
    Lost { reason: String },
}

/// The console's own connection to one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Nothing was asked of it yet.
    #[default]
    Idle,
    Connecting,
    Connected,
    /// The last attempt failed; another follows.
    Failed {
        reason: String,
    },
}

/// What is said of a log that is followed.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Its lines begin anew: those known before come again.
    Began,
    /// Entries of a journal, or a sign of life.
    Journal(JournalBatch),
    /// A piece of output.
    Output(LogChunk),
    /// There is no more: what wrote it has ended.
    Over,
    /// Nothing comes any more, or not for a while.
    Failed(RpcError),
}

/// What is said to a terminal.
#[derive(Clone, Debug, PartialEq)]
pub enum ShellSaid {
    /// By its shell.
    Item(ShellItem),
    /// It is not attached any more; it is attached again by itself where that can help.
    Lost {
        /// Why.
        error: RpcError,
        /// Whether it is tried again.
        again: bool,
    },
}

/// What is said to a player.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplaySaid {
    /// It is played from the beginning, on a cleared terminal.
    Began,
    /// The terminal has this size.
    Size(ShellSize),
    /// It is so far after the beginning, and this was written up to there.
    Shown {
        /// How far.
        at: Millis,
        /// What; may be nothing.
        bytes: Vec<u8>,
    },
    /// There is no more, and so long it is.
    Over(Millis),
    /// Nothing comes any more.
    Failed(RpcError),
}

/// What a node says of its files.
#[derive(Clone, Debug, PartialEq)]
pub enum FilesSaid {
    /// The names of a directory.
    Listed(FilePath, Result<FilePage, RpcError>),
    /// That is no directory: the one in which it stands is meant.
    Beside(FilePath),
    /// A part of a file.
    Viewed(FilePath, Result<FileChunk, RpcError>),
    /// What is under the cursor.
    Previewed(FilePath, Result<Previewed, RpcError>),
    /// The whole of a file that is to be edited, if it is small enough.
    ToEdit(FilePath, Result<FileChunk, RpcError>),
    /// A text was not written: somebody else changed the file.
    Conflict(Box<Conflict>),
    /// A link leads to this directory.
    Leads(FilePath),
    /// What a plan comes to.
    Planned(Box<CopyPlan>, Result<Vec<CopyStep>, RpcError>),
    /// Something was done there: what is shown may differ now.
    Changed,
}

/// What is shown of what is under the cursor.
#[derive(Clone, Debug, PartialEq)]
pub enum Previewed {
    /// The first names of a directory.
    Names(FilePage),
    /// The beginning of a file.
    Part(FileChunk),
}

/// What there is to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyTotal {
    /// Names, itself included.
    pub entries: u64,
    /// Lengths of its files.
    pub size_bytes: u64,
}

/// What is said of a copy.
#[derive(Clone, Debug, PartialEq)]
pub enum CopySaid {
    /// The sending node has counted it.
    Total(CopyTotal),
    /// How far it is.
    Progress(TransferProgress),
    /// It ended. Comes exactly once, unless it was stopped.
    Ended(Result<Box<TransferSummary>, RpcError>),
}

/// What a command wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its output, as far as it travels.
    pub text: String,
    /// It wrote more.
    pub is_cut: bool,
}

/// What a node says of a probe that it sends.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeSaid {
    /// What became of one echo request.
    Ping(PingReply),
    /// A hop.
    Trace(TraceStep),
    /// What a scan found, and how far it is.
    Scan(ScanFound),
}

/// Everything about something, as its node tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Description {
    /// A unit, with its last lines.
    Unit(UnitStatus),
    /// A program, with its last lines.
    Program(ProgramStatus, ProgramLog),
    /// A job.
    Job(JobStatus),
}

/// What the mesh says, by way of the effects.
#[derive(Clone, Debug, PartialEq)]
pub enum MeshEvent {
    Entry(Entry),
    /// From the entry node's directory.
    Fleet(FleetDelta),
    Link {
        node: NodeId,
        link: Link,
    },
    Sample {
        node: NodeId,
        sample: Box<HostSample>,
    },
    Processes {
        node: NodeId,
        delta: ProcessDelta,
    },
    Peers {
        node: NodeId,
        peers: Vec<Peer>,
    },
    Routing {
        node: NodeId,
        buckets: Vec<RoutingBucket>,
    },
    Refused {
        node: NodeId,
        handshakes: Vec<RefusedHandshake>,
    },
    Programs {
        node: NodeId,
        programs: Vec<ProgramInfo>,
    },
    Units {
        node: NodeId,
        delta: UnitDelta,
    },
    Jobs {
        node: NodeId,
        delta: JobDelta,
    },
    Alerts {
        node: NodeId,
        delta: AlertDelta,
    },
    Rules {
        node: NodeId,
        rules: Box<AlertRules>,
    },
    Shells {
        node: NodeId,
        shells: Vec<ShellInfo>,
    },
    Recordings {
        node: NodeId,
        recordings: Vec<ShellRecording>,
    },
    Network {
        node: NodeId,
        tables: Box<NetTables>,
    },
    Audit {
        node: NodeId,
        news: Box<AuditNews>,
    },
    Shell {
        terminal: TerminalId,
        said: ShellSaid,
    },
    Replay {
        player: TerminalId,
        said: ReplaySaid,
    },
    Log {
        follow: Follow,
        said: Said,
    },
    Files {
        node: NodeId,
        said: FilesSaid,
    },
    Copy {
        copy: CopyId,
        said: CopySaid,
    },
    /// Hits of a search; after an error, or once its end is told, nothing more comes.
    Found {
        search: SearchId,
        found: Result<FileFound, RpcError>,
    },
    /// What a look-up of a node did.
    LookedUp {
        node: NodeId,
        name: NodeName,
        result: Result<Box<LookUp>, RpcError>,
    },
    Sought {
        sought: Box<Sought>,
        result: Result<Option<(NodeId, Box<ProcessInfo>)>, RpcError>,
    },
    Probe {
        run: RunId,
        said: ProbeSaid,
    },
    Past {
        node: NodeId,
        order: PastOrder,
        result: Result<Box<PastAnswer>, RpcError>,
    },
    Described {
        node: NodeId,
        subject: Subject,
        result: Result<Box<Description>, RpcError>,
    },
    /// The whole definition of a program, with its environment.
    Definition {
        node: NodeId,
        name: String,
        result: Result<Box<ProgramDefinition>, RpcError>,
    },
    /// A subscription ended: denied, not supported, or the node went away. The effects try again by themselves
    /// where that can help.
    Failed {
        subscription: Subscription,
        error: RpcError,
    },
    Inspected {
        node: NodeId,
        target: ProcessRef,
        result: Result<Box<ProcessDetails>, RpcError>,
    },
    /// What the command of one target wrote; its outcome follows.
    Answer {
        errand: Errand,
        answer: Box<Answer>,
    },
    /// How one target of an action ended. Comes exactly once for each.
    Outcome {
        errand: Errand,
        result: Result<(), RpcError>,
    },
    /// A line for the operator, such as why a copy failed.
    Notice(String),
}

/// Anything that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Key(Key),
    Mouse(Mouse),
    Paste(String),
    Resize {
        width: u16,
        height: u16,
    },
    /// The time now, on the console's monotonic clock and on the wall's.
    Tick {
        now: Millis,
        wall: UnixMillis,
    },
    Mesh(MeshEvent),
    /// The user's editor ended, and the screen is back.
    Edited {
        draft: Box<Draft>,
        ended: Ended,
    },
}
