//! What the console wants done: plain data, made by `app`, carried out by `effects`.
//!
//! A command never holds a handle or a closure, so that a test compares lists of them. Every target of an
//! action is a command of its own and ends in exactly one `Outcome` event.

mod copy;
mod probe;
mod search;
mod seek;

pub use copy::{After, Below, CopyId, CopyOrder, CopyPlan, CopyStep, Spot};
pub use probe::{Probe, ProbeKind};
pub use search::{SearchFor, SearchId, SearchOrder};
pub use seek::Sought;

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::exec::ExecRequest;
use p2p_shared::services::file::FilePath;
use p2p_shared::services::job::JobId;
use p2p_shared::services::node::Label;
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::services::program::ProgramDefinition;
use p2p_shared::services::shell::ShellSize;
use p2p_shared::time::{Millis, UnixMillis};

use crate::edit::{Draft, Edited};

/// One action over its targets, as the screen of outcomes accounts for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// One target of one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errand {
    /// The action.
    pub run: RunId,
    /// Its target, counted from 0.
    pub target: u32,
}

/// A kind of live data of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The figures of the host, by `monitor.watch`.
    Sample,
    /// Its processes as differences, by `process.watch`.
    Processes,
    /// Its connections; asked for every [`Topic::interval_ms`], for there is no watch.
    Peers,
    /// Its routing table; asked for likewise.
    Routing,
    /// The handshakes that it refused; asked for likewise.
    Refused,
    /// The programs that it keeps running; asked for likewise.
    Programs,
    /// Its units of systemd as differences, by `unit.watch`.
    Units,
    /// Its jobs as differences, by `job.watch`.
    Jobs,
    /// Its alerts and silences as differences, by `alert.watch`.
    Alerts,
    /// Its alert rules; asked for likewise.
    Rules,
    /// The shells that live there; asked for likewise.
    Shells,
    /// What was recorded of shells there; asked for likewise.
    Recordings,
    /// Its interfaces, sockets, routes and neighbours; asked for likewise.
    Network,
    /// Who did what there, and whether the record is whole; new entries are asked for likewise.
    Audit,
}

impl Topic {
    /// How often new data is due.
    pub const fn interval_ms(self) -> u32 {
        match self {
            Self::Sample | Self::Processes | Self::Units | Self::Jobs | Self::Alerts => 1_000,
            Self::Peers | Self::Programs | Self::Shells | Self::Network | Self::Audit => 2_000,
            Self::Routing | Self::Refused => 5_000,
            Self::Rules | Self::Recordings => 10_000,
        }
    }

    /// What messages call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "figures",
            Self::Processes => "processes",
            Self::Peers => "peers",
            Self::Routing => "routing table",
            Self::Refused => "refused handshakes",
            Self::Programs => "programs",
            Self::Units => "units",
            Self::Jobs => "jobs",
            Self::Alerts => "alerts",
            Self::Rules => "alert rules",
            Self::Shells => "shells",
            Self::Recordings => "recordings",
            Self::Network => "network",
            Self::Audit => "audit record",
        }
    }

    /// Whether a node is silent about it while nothing changes.
    pub const fn is_silent(self) -> bool {
        matches!(self, Self::Processes | Self::Units | Self::Jobs | Self::Alerts | Self::Audit)
    }
}

/// One topic of one node. What is subscribed is what the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscription {
    /// Whose data.
    pub node: NodeId,
    /// Which data.
    pub topic: Topic,
}

/// What keeps a service running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKind {
    /// The node itself: a supervised program.
    Program,
    /// systemd.
    Unit,
}

/// A program or a unit of one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// Which of the two.
    pub kind: ServiceKind,
    /// Its name on its node.
    pub name: String,
}

/// What is done with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Start,
    Stop,
    Restart,
    /// Units only.
    Reload,
    /// Units only: start it at boot.
    Enable,
    /// Units only: do not.
    Disable,
    /// Programs only: stop it, and forget it and its logs.
    Remove,
}

impl Verb {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Stop => "Stop",
            Self::Restart => "Restart",
            Self::Reload => "Reload",
            Self::Enable => "Enable",
            Self::Disable => "Disable",
            Self::Remove => "Remove",
        }
    }
}

/// What is done with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobVerb {
    /// Call it off.
    Cancel,
    /// Have it done once more.
    Retry,
    /// Forget it and its output.
    Remove,
}

impl JobVerb {
    /// In words, for a dialog.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Cancel => "Cancel",
            Self::Retry => "Run once more",
            Self::Remove => "Remove with its output",
        }
    }
}

/// What is done with an alert or a silence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertVerb {
    /// Say that the operator looks after the alert of this id.
    Acknowledge(String),
    /// Keep alerts that fit from being told.
    Silence {
        /// What their labels have to be.
        matchers: String,
        /// Why.
        reason: String,
        /// For how many seconds.
        span_s: u32,
    },
    /// End the silence of this number.
    Unsilence(u64),
}

/// A program, and whether it may take the place of one of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined {
    /// What it is.
    pub definition: ProgramDefinition,
    /// Else one of that name is left alone, and the answer is a conflict.
    pub replace: bool,
}

/// What is asked of the files of a node. Each is answered by one `FilesSaid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesOrder {
    /// The names of a directory.
    List(FilePath),
    /// The beginning of a file.
    View(FilePath),
    /// What is under the cursor, once that has stood there for a moment; takes the place of the one before.
    Preview(FilePath),
    /// The end of a file.
    Tail(FilePath),
    /// What a link leads to: a directory is listed, of a file the beginning is shown.
    Follow(FilePath),
    /// The whole of a file, to be edited here.
    Edit(FilePath),
    /// What stands where something is to be copied to. The node is the receiving one.
    Plan(Box<CopyPlan>),
}

/// What is done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileDeed {
    /// Remove it; a directory only if it is empty.
    Remove(FilePath),
    /// Bring back the version before the last change.
    Undo(FilePath),
    /// Make a text the whole of it, unless somebody else changed it.
    Write(Box<Edited>),
}

/// A terminal on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalId(pub u64);

/// What a terminal wants of its shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellOrder {
    /// Open one there, and attach to it.
    Open { node: NodeId, size: ShellSize },
    /// Attach to one that lives.
    Attach { node: NodeId, id: String, size: ShellSize },
    /// What was typed.
    Type(Vec<u8>),
    /// The terminal has another size.
    Resize(ShellSize),
    /// So many bytes of output were shown, in all since it was attached to.
    Seen(u64),
    /// Detach; it lives on.
    Leave,
}

/// What a player wants of the recording that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayOrder {
    /// Play this one of this node from its beginning.
    Play { node: NodeId, id: String },
    /// Stand still.
    Pause,
    /// Go on.
    Go,
    /// So fast, in hundredths.
    Speed(u32),
    /// Go on from so long after the beginning.
    Seek(Millis),
    /// Nobody looks any more.
    Leave,
}

/// Which span of a node's past is asked for. Times are by the node's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PastOrder {
    /// Where it ends.
    pub at: UnixMillis,
    /// How long before that it begins.
    pub span: Millis,
}

/// Whose lines a log shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The journal: what its node lets through.
    Journal(JournalQuestion),
    /// Both outputs of a program.
    Program(String),
    /// Both outputs of a job.
    Job(JobId),
}

impl Default for Source {
    fn default() -> Self {
        Self::Journal(JournalQuestion::default())
    }
}

/// What is asked of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalQuestion {
    /// Of this unit alone.
    pub unit: Option<String>,
    /// Of this priority (0 to 7) or graver.
    pub priority: Option<u8>,
    /// Whose message contains this.
    pub text: Option<String>,
}

/// One node's lines of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Follow {
    /// Whose.
    pub node: NodeId,
    /// Which.
    pub source: Source,
}

/// What a description is asked of, besides a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A program or a unit.
    Service(ServiceKey),
    /// A job.
    Job(JobId),
}

/// An order to the world outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin to deliver a topic; begins anew with full data.
    Subscribe(Subscription),
    /// Stop to deliver it.
    Unsubscribe(Subscription),
    /// Send a signal; answered by one `Outcome`.
    Signal { errand: Errand, node: NodeId, target: ProcessRef, signal: Signal },
    /// Set a nice value; answered by one `Outcome`.
    Renice { errand: Errand, node: NodeId, target: ProcessRef, nice: i32 },
    /// Set and remove labels; answered by one `Outcome`.
    SetLabels { errand: Errand, node: NodeId, set: Vec<Label>, remove: Vec<String> },
    /// Forget a lost member everywhere; answered by one `Outcome`.
    Forget { errand: Errand, node: NodeId },
    /// Do something with a service; answered by one `Outcome`.
    Control { errand: Errand, node: NodeId, service: ServiceKey, verb: Verb },
    /// Define a program; answered by one `Outcome`.
    Define { errand: Errand, node: NodeId, defined: Box<Defined> },
    /// Do something with a job; answered by one `Outcome`.
    Job { errand: Errand, node: NodeId, id: JobId, verb: JobVerb },
    /// Do something with an alert or a silence; answered by one `Outcome`.
    Alert { errand: Errand, node: NodeId, verb: AlertVerb },
    /// Look at files; answered by one `Files`.
    Files { node: NodeId, order: FilesOrder },
    /// Begin a copy; how far it is comes as `Copy`.
    BeginCopy { copy: CopyId, order: Box<CopyOrder> },
    /// Stop it; what is there stays.
    EndCopy(CopyId),
    /// Search files; what is found comes as `Found`.
    Search { search: SearchId, order: Box<SearchOrder> },
    /// Stop to search.
    EndSearch(SearchId),
    /// Ask for the process that something leads to; answered by one `Sought`.
    Seek(Box<Sought>),
    /// Have a node look a name up in the DHT; answered by one `LookedUp`.
    LookUp { node: NodeId, name: NodeName },
    /// Do something with a file; answered by one `Outcome`.
    File { errand: Errand, node: NodeId, deed: FileDeed },
    /// Run a command; what it wrote comes as `Answer`, and then one `Outcome`.
    Exec { errand: Errand, node: NodeId, request: Box<ExecRequest> },
    /// Send a probe; its answers come as `Probe`, and then one `Outcome`.
    Probe { errand: Errand, node: NodeId, probe: Probe },
    /// End a shell and all that runs in it; answered by one `Outcome`.
    EndShell { errand: Errand, node: NodeId, id: String },
    /// What a terminal wants; what comes of it is told as it comes.
    Shell { terminal: TerminalId, order: ShellOrder },
    /// What a player wants; what comes of it is told as it comes.
    Replay { player: TerminalId, order: ReplayOrder },
    /// Begin to deliver lines: the last ones, and then what comes.
    Follow(Follow),
    /// Stop to deliver them.
    Unfollow(Follow),
    /// Ask for what was; answered by one `Past`.
    Past { node: NodeId, order: PastOrder },
    /// Ask for everything about something; answered by one `Described`.
    Describe { node: NodeId, subject: Subject },
    /// Ask for the whole definition of a program; answered by one `Definition`.
    Definition { node: NodeId, name: String },
    /// Ask for everything about one process; answered by one `Inspected`.
    Inspect { node: NodeId, target: ProcessRef },
    /// Give up what an action still waits for; its open targets end as cancelled.
    Cancel(RunId),
    /// Put a text on the operator's clipboard (OSC 52).
    Copy(String),
    /// Let the terminal report the mouse, or leave it to the terminal's own selection.
    Mouse(bool),
    /// Draw everything anew.
    Redraw,
    /// Lend the terminal to the user's editor; answered by one `Edited`.
    Edit(Box<Draft>),
    /// Write a file of the user's own, whole or not at all.
    Keep { file: std::path::PathBuf, text: String },
    /// Remove the private file of an edited text: it was taken.
    Discard(std::path::PathBuf),
    /// Stop as ^Z does; the screen comes back on SIGCONT.
    Suspend,
    /// End the console.
    Quit,
}
