//! The contract of `process`: the processes of one node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// Exactly one process, for ever: a pid alone is used again, with boot and start time it is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ProcessRef {
    /// `/proc/sys/kernel/random/boot_id` of the boot in which it runs.
    pub boot_id: String,
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
}

/// A process among those of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ProcessKey {
    /// Its process id.
    pub pid: u32,
    /// As in [`ProcessRef`].
    pub start_ticks: u64,
}

/// What a process is doing (field 3 of `/proc/PID/stat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// `R`: running, or ready to.
    Running,
    /// `S`: waiting, interruptible.
    Sleeping,
    /// `D`: waiting for the kernel; takes no signal.
    Uninterruptible,
    /// `T` or `t`: stopped by a signal or a debugger.
    Stopped,
    /// `Z` or `X`: ended, not yet reaped.
    Zombie,
    /// `I`: an idle kernel thread.
    Idle,
    /// A state of a newer kernel or version.
    #[serde(other)]
    Unknown,
}

/// What of a process changes all the time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessUsage {
    /// What it is doing.
    pub state: ProcessState,
    /// Processor time over the last interval as a share of one core: 0 up to the number of cores.
    pub cpu_ratio: f32,
    /// Processor time since its start, user and system, in milliseconds.
    pub cpu_time_ms: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Number of threads.
    pub threads: u32,
    /// Nice value, -20 to 19.
    pub nice: i32,
}

/// A process as a row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessInfo {
    /// Which one.
    pub key: ProcessKey,
    /// Its parent's pid; 0 if it has none.
    pub ppid: u32,
    /// The kernel's short name (`comm`), at most 15 bytes, as the process set it; may hold any character.
    pub name: String,
    /// The command line, arguments separated by blanks, cut to 1,024 bytes; empty for kernel threads.
    pub command: String,
    /// Its user's name, or the number if the machine knows none.
    pub user: String,
    /// Its effective user id.
    pub uid: u32,
    /// When it started, by the node's wall clock.
    pub started: UnixMillis,
    /// What changes.
    pub usage: ProcessUsage,
}

/// One message of a watch: what is new since the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessDelta {
    /// Counts the messages of this watch from 0.
    pub seq: u64,
    /// When the node looked.
    pub at: UnixMillis,
    /// The boot to which every key here belongs.
    pub boot_id: String,
    /// Forget everything known before: this message begins the list anew.
    pub full: bool,
    /// New processes, and those whose name, command or user changed.
    pub appeared: Vec<ProcessInfo>,
    /// Known processes whose usage changed.
    pub changed: Vec<ProcessChange>,
    /// Processes that are no more.
    pub gone: Vec<ProcessKey>,
}

/// A known process and its new usage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessChange {
    /// Which one.
    pub key: ProcessKey,
    /// The new figures.
    pub usage: ProcessUsage,
}

/// The answer of `list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessList {
    /// When the node looked.
    pub at: UnixMillis,
    /// The boot to which every key here belongs.
    pub boot_id: String,
    /// By pid.
    pub processes: Vec<ProcessInfo>,
}

/// Everything about one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessDetails {
    /// The row.
    pub info: ProcessInfo,
    /// The arguments, each on its own, at most 4,096 of them and 64 KiB in all.
    pub arguments: Vec<String>,
    /// Names of its environment variables; never their values. `None` if the node may not read them.
    pub environment_names: Option<Vec<String>>,
    /// The program file, if it can be read.
    pub executable: Option<String>,
    /// The working directory, if it can be read.
    pub working_directory: Option<String>,
    /// Its cgroup: the path of version 2, else that of systemd's own hierarchy.
    pub cgroup: Option<String>,
    /// Open files, at most 1,024; `None` if the node may not read them.
    pub files: Option<Vec<OpenFile>>,
    /// Sockets among the open files, with their addresses, at most 1,024.
    pub sockets: Vec<ProcessSocket>,
    /// Its threads, at most 1,024.
    pub threads: Vec<Thread>,
    /// Its ancestors, the parent first.
    pub ancestors: Vec<Ancestor>,
    /// Bytes it had read from storage, if the node may know.
    pub read_bytes: Option<u64>,
    /// Bytes it had written to storage, if the node may know.
    pub written_bytes: Option<u64>,
    /// What it belongs to; `None` from a node that is older than the question.
    #[serde(default)]
    pub origin: Option<Origin>,
}

/// What a process belongs to, and so what started it in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// What kind of thing.
    pub kind: OriginKind,
    /// The unit, the session's scope, the container's name or short id, or the shell and its pid; empty for the
    /// kernel, and where nothing is known.
    pub name: String,
}

/// Kinds of origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// A unit of systemd, of the system or of a user.
    Unit,
    /// A container.
    Container,
    /// Somebody who logged in over SSH.
    Ssh,
    /// Somebody who logged in on this machine.
    Session,
    /// A shell, where there is no session to name.
    Shell,
    /// The kernel itself.
    Kernel,
    /// Nothing tells, or a kind of a newer version.
    #[serde(other)]
    Unknown,
}

impl Origin {
    /// As people say it.
    pub fn sentence(&self) -> String {
        let name = &self.name;
        match self.kind {
            OriginKind::Unit => format!("unit {name}"),
            OriginKind::Container => format!("container {name}"),
            OriginKind::Ssh => format!("SSH login, {name}"),
            OriginKind::Session => format!("login on the machine, {name}"),
            OriginKind::Shell => format!("shell {name}"),
            OriginKind::Kernel => "the kernel".to_owned(),
            OriginKind::Unknown => "not known".to_owned(),
        }
    }
}

/// One open descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenFile {
    /// Its number.
    pub descriptor: u32,
    /// What it leads to, as the kernel says it: a path, `pipe:[..]`, `socket:[..]`, ...
    pub target: String,
}

/// One socket of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessSocket {
    /// Its descriptor.
    pub descriptor: u32,
    /// `tcp`, `tcp6`, `udp`, `udp6` or `unix`.
    pub protocol: String,
    /// Own address; the path of a Unix socket.
    pub local: String,
    /// The other side, if connected.
    pub remote: Option<String>,
    /// `listen`, `established`, ...; empty where there is no such state.
    pub state: String,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Thread {
    /// Its id.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: ProcessState,
    /// Processor time since its start, in milliseconds.
    pub cpu_time_ms: u64,
}

/// One ancestor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ancestor {
    /// Which one.
    pub key: ProcessKey,
    /// Its name.
    pub name: String,
}

/// Signals that may be sent, by their POSIX or Linux names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Hang up; many daemons reload.
    Hup,
    /// Interrupt, as ^C.
    Int,
    /// Quit, with a core dump.
    Quit,
    /// Abort, with a core dump.
    Abrt,
    /// Ends it at once; cannot be caught.
    Kill,
    /// User-defined 1.
    Usr1,
    /// User-defined 2.
    Usr2,
    /// Broken pipe.
    Pipe,
    /// Alarm clock.
    Alrm,
    /// Asks it to end.
    Term,
    /// Continue after a stop.
    Cont,
    /// Stops it; cannot be caught.
    Stop,
    /// Stop from a terminal.
    Tstp,
    /// Window size changed.
    Winch,
    /// A signal of a newer version: refused.
    #[serde(other)]
    Unknown,
}

impl Signal {
    /// Every signal that can be sent.
    pub const ALL: [Self; 14] = [
        Self::Term,
        Self::Kill,
        Self::Hup,
        Self::Int,
        Self::Quit,
        Self::Usr1,
        Self::Usr2,
        Self::Stop,
        Self::Cont,
        Self::Tstp,
        Self::Abrt,
        Self::Pipe,
        Self::Alrm,
        Self::Winch,
    ];

    /// The name with which manuals write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hup => "SIGHUP",
            Self::Int => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Abrt => "SIGABRT",
            Self::Kill => "SIGKILL",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
            Self::Pipe => "SIGPIPE",
            Self::Alrm => "SIGALRM",
            Self::Term => "SIGTERM",
            Self::Cont => "SIGCONT",
            Self::Stop => "SIGSTOP",
            Self::Tstp => "SIGTSTP",
            Self::Winch => "SIGWINCH",
            Self::Unknown => "unknown signal",
        }
    }
}

crate::service! {
    /// Inspect and control the processes of one node.
    service Process = "process" {
        /// Every process visible to the node, or those whose name, command line or user contains `filter`
        /// (case folded).
        get list(filter: Option<String>) -> ProcessList, needs ProcessRead;
        /// Everything about one process; `conflict` if it is no longer that process.
        get inspect(boot_id: String, pid: u32, start_ticks: u64) -> ProcessDetails, needs ProcessRead;
        /// The processes that hold the connection from `local` to `remote` (`ADDRESS:PORT`) of `protocol` (`tcp`
        /// or `udp`), in the network namespace of the node; none if nobody is seen to.
        get holders(protocol: String, local: String, remote: String) -> ProcessList, needs ProcessRead;
        /// Delivers a signal to exactly the process that was seen; `conflict` if it is no longer that one.
        post signal(target: ProcessRef, signal: Signal) -> (), needs ProcessControl;
        /// Sets the nice value (-20 to 19) of exactly the process that was seen.
        post renice(target: ProcessRef, nice: i32) -> (), needs ProcessControl;
        /// The list, and then what changed in it, every `interval_ms` (250 to 60,000) in which something
        /// did. A long list comes in several messages, of which the first is `full`.
        watch watch(interval_ms: u32) -> ProcessDelta, needs ProcessRead;
    }
}
