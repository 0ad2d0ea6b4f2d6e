//! The contract of `unit`: what systemd runs on one node. Where there is no systemd every call answers
//! `unsupported`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::journal::JournalRow;
use crate::time::UnixMillis;

/// What systemd knows of the file of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadState {
    /// Read and understood.
    Loaded,
    /// Something names it, and there is no such file.
    NotFound,
    /// Its file makes no sense.
    BadSetting,
    /// Its file cannot be read.
    Error,
    /// Masked: nothing can start it.
    Masked,
    /// Another name of a unit.
    Merged,
    /// Its file lies on the disk; systemd has not needed it yet.
    Unloaded,
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

/// What a unit is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActiveState {
    /// It runs, listens, is mounted, waits for its time: whatever its kind does.
    Active,
    /// It reads its configuration again.
    Reloading,
    /// It does nothing.
    Inactive,
    /// It ended badly.
    Failed,
    /// On its way to active.
    Activating,
    /// On its way to inactive.
    Deactivating,
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

impl ActiveState {
    /// systemd's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reloading => "reloading",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
            Self::Unknown => "unknown",
        }
    }
}

/// A unit as a row of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitInfo {
    /// Its full name: `nginx.service`.
    pub name: String,
    /// One line for people; empty for a file that is not loaded.
    pub description: String,
    /// What is known of its file.
    pub load: LoadState,
    /// What it is doing.
    pub active: ActiveState,
    /// The same in the words of its kind: `running`, `exited`, `listening`, `waiting`, `mounted`, ...
    pub sub: String,
    /// `enabled`, `disabled`, `static`, `masked`, ...; `None` for one without a file.
    pub file_state: Option<String>,
    /// The main process of a service that runs.
    pub main_pid: Option<u32>,
    /// Memory of all its processes, in bytes; `None` where nobody counts.
    pub memory_bytes: Option<u64>,
    /// Processor time of all its processes, in milliseconds; `None` where nobody counts.
    pub cpu_time_ms: Option<u64>,
    /// When it came to its state; `None` if it never left the first one.
    pub since: Option<UnixMillis>,
}

/// The loaded units of a node in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitSummary {
    /// When the node looked.
    pub at: UnixMillis,
    /// Do what they are for, or read their configuration again.
    pub active: u32,
    /// Do nothing.
    pub inactive: u32,
    /// On their way to active or inactive.
    pub changing: u32,
    /// Ended badly.
    pub failed: u32,
    /// Which those are, by name; the first 100.
    pub failed_units: Vec<String>,
}

/// The answer of `list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitList {
    /// When the node looked.
    pub at: UnixMillis,
    /// Units that failed, whether listed here or not.
    pub failed: u32,
    /// Units that fit and are not listed, because they are more than 4,096.
    pub left_out: u32,
    /// By name.
    pub units: Vec<UnitInfo>,
}

/// What an administrator looks at first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitStatus {
    /// The row.
    pub info: UnitInfo,
    /// The file that it comes from.
    pub fragment_path: Option<String>,
    /// Files that change it, in the order in which they count.
    pub drop_ins: Vec<String>,
    /// Its file has changed since it was read: `systemctl daemon-reload`.
    pub needs_reload: bool,
    /// Units that it starts (a timer its service).
    pub triggers: Vec<String>,
    /// Units that start it.
    pub triggered_by: Vec<String>,
    /// How it ended last: `success`, `exit-code`, `signal`, `oom-kill`, `timeout`, ...; `None` where its kind
    /// has no such thing.
    pub result: Option<String>,
    /// Exit code or signal of the main process that ended last; `None` if none did.
    pub exit: Option<UnitExit>,
    /// What the service says of itself.
    pub status_text: Option<String>,
    /// Its cgroup.
    pub control_group: Option<String>,
    /// Processes and threads in it.
    pub tasks: Option<u64>,
    /// How often systemd started it anew by itself.
    pub restarts: Option<u32>,
    /// Where to read about it.
    pub documentation: Vec<String>,
    /// Its last lines, oldest first; empty if the node may not read the journal.
    pub log: Vec<JournalRow>,
    /// Why `log` is empty, if for a reason.
    pub log_missing: Option<String>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitExit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// By this signal, and left a core dump.
    Dumped(i32),
    /// Of something of a newer version.
    #[serde(other)]
    Unknown,
}

/// How a job of systemd ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobResult {
    /// As asked.
    Done,
    /// Another job took its place, or somebody cancelled it.
    Canceled,
    /// It took too long.
    Timeout,
    /// It failed.
    Failed,
    /// A unit that it needs failed.
    Dependency,
    /// There was nothing to do.
    Skipped,
    /// It still runs: the caller's time ended first.
    Running,
    /// In a way of a newer version.
    #[serde(other)]
    Unknown,
}

impl JobResult {
    /// systemd's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::Dependency => "dependency",
            Self::Skipped => "skipped",
            Self::Running => "running",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of a start, stop, restart or reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobReport {
    /// The unit.
    pub unit: String,
    /// How the job ended. A job that systemd accepted and that did not end well is no error of the call.
    pub result: JobResult,
    /// What the unit was doing right after it.
    pub active: ActiveState,
    /// The same in the words of its kind.
    pub sub: String,
    /// Why it did not end well, in systemd's words, as far as it says.
    pub reason: Option<String>,
}

/// What became of an enable, disable, mask or unmask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileReport {
    /// The unit.
    pub unit: String,
    /// Its file's state now: `enabled`, `disabled`, `masked`, `static`, ...
    pub file_state: String,
    /// Links made and removed; none if it was so already.
    pub changes: Vec<String>,
}

/// A timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimerInfo {
    /// Its name.
    pub name: String,
    /// What it starts.
    pub activates: String,
    /// Whether it waits.
    pub active: ActiveState,
    /// When it runs next; `None` if nothing is planned.
    pub next: Option<UnixMillis>,
    /// When it ran last; `None` if never.
    pub last: Option<UnixMillis>,
}

/// The text of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitFile {
    /// The unit.
    pub unit: String,
    /// Its file, then its drop-ins in the order in which they count; at most 64.
    pub parts: Vec<UnitFilePart>,
}

/// One file of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitFilePart {
    /// Where it lies.
    pub path: String,
    /// What it says, at most 64 KiB.
    pub text: String,
    /// It says more than that.
    pub is_cut: bool,
    /// Why there is no text: it cannot be read, or not by everybody on that machine.
    pub missing: Option<String>,
}

/// One message of a watch: what is new since the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitDelta {
    /// Counts the messages of this watch from 0.
    pub seq: u64,
    /// When the node looked.
    pub at: UnixMillis,
    /// Forget everything known before: this message begins the list anew.
    pub full: bool,
    /// New units, and those of which something changed. Only loaded ones.
    pub changed: Vec<UnitInfo>,
    /// Units that systemd has unloaded.
    pub gone: Vec<String>,
}

crate::service! {
    /// Look at and control what systemd runs on one node.
    service Unit = "unit" {
        /// The units whose name or description contains `filter` (case folded), of `kind` (`service`, `timer`,
        /// ...), in `state` (`failed`, `running`, `enabled`, ...); files that are not loaded too.
        get list(filter: Option<String>, kind: Option<String>, state: Option<String>) -> UnitList,
            needs UnitRead;
        /// One unit, with its last `lines` (10, at most 500) of the journal.
        get status(unit: String, lines: Option<u32>) -> UnitStatus, needs UnitRead;
        /// Every timer, the next one first.
        get timers() -> Vec<TimerInfo>, needs UnitRead;
        /// The text of a unit's file and drop-ins, as far as everybody on that machine may read them.
        get file(unit: String) -> UnitFile, needs UnitRead;
        /// The loaded units, and then what systemd says has changed, at most twice a second. A long list comes
        /// in several messages, of which the first is `full`.
        watch watch() -> UnitDelta, needs UnitRead;
        /// How many of the loaded units are in which state, and again whenever that changes.
        watch summary() -> UnitSummary, needs UnitRead;
        /// Starts a unit and waits for it.
        post start(unit: String) -> JobReport, needs UnitControl;
        /// Stops a unit and waits for it. The node's own only with `force`.
        post stop(unit: String, force: Option<bool>) -> JobReport, needs UnitControl;
        /// Restarts a unit and waits for it; for the node's own the answer comes before it goes.
        post restart(unit: String) -> JobReport, needs UnitControl;
        /// Lets a unit read its configuration again and waits for it.
        post reload(unit: String) -> JobReport, needs UnitControl;
        /// Lets a unit start at boot, by its `[Install]` section.
        post enable(unit: String) -> FileReport, needs UnitControl;
        /// Takes that back. The node's own only with `force`.
        post disable(unit: String, force: Option<bool>) -> FileReport, needs UnitControl;
        /// Makes a unit impossible to start. The node's own only with `force`.
        post mask(unit: String, force: Option<bool>) -> FileReport, needs UnitControl;
        /// Takes that back.
        post unmask(unit: String) -> FileReport, needs UnitControl;
    }
}
