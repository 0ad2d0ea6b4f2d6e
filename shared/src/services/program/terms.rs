//! What is said of a program before it runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProgramName;
use crate::services::process::Signal;

/// Everything that is said of a program before it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramDefinition {
    /// What it is called.
    pub name: ProgramName,
    /// An absolute path, or a name that is looked for in the usual directories.
    pub command: String,
    /// Its arguments, each as it is; at most 1,024 of them.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Where it starts, an absolute path; `None` for `/`.
    #[serde(default)]
    pub working_directory: Option<String>,
    /// As whom it runs, a name or a number; `None` for the node's own user.
    #[serde(default)]
    pub user: Option<String>,
    /// With which group; `None` for the user's own.
    #[serde(default)]
    pub group: Option<String>,
    /// Its environment, besides `PATH`, `LANG`, `HOME`, `USER`, `LOGNAME` and `SHELL`. Nothing of the node's
    /// own environment is in it.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What it may use.
    #[serde(default)]
    pub limits: ProgramLimits,
    /// What happens when it ends by itself.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// How it is asked to end.
    #[serde(default)]
    pub stop: StopPolicy,
    /// What must be so before it starts. Whoever starts it starts these too.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    /// How its health is found out; `None` to go by its process alone.
    #[serde(default)]
    pub probe: Option<Probe>,
    /// Whether it is started when the machine starts.
    #[serde(default)]
    pub at_boot: bool,
}

impl ProgramDefinition {
    /// A definition of nothing but a command.
    pub fn new(name: ProgramName, command: impl Into<String>) -> Self {
        Self {
            name,
            command: command.into(),
            arguments: Vec::new(),
            working_directory: None,
            user: None,
            group: None,
            environment: BTreeMap::new(),
            limits: ProgramLimits::default(),
            restart: RestartPolicy::default(),
            stop: StopPolicy::default(),
            dependencies: Vec::new(),
            probe: None,
            at_boot: false,
        }
    }
}

/// What a program may use; `None` is no limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProgramLimits {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time as a share of one core in percent: 150 is one and a half cores.
    pub cpu_percent: Option<u32>,
    /// Open files of one process.
    pub files: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
}

/// A limit, for a node that says which it cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Memory.
    Memory,
    /// Processor time.
    Cpu,
    /// Open files.
    Files,
    /// Processes and threads.
    Tasks,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl Limit {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Files => "files",
            Self::Tasks => "tasks",
            Self::Unknown => "unknown",
        }
    }
}

/// When a program that ended by itself is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartMode {
    /// Not at all.
    Never,
    /// Unless it exited with 0.
    #[default]
    OnFailure,
    /// However it ended.
    Always,
    /// One of a newer version: refused.
    #[serde(other)]
    Unknown,
}

/// What happens when a program ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RestartPolicy {
    /// Whether it is started again.
    pub mode: RestartMode,
    /// The first wait; the n-th lies in the upper half of this times 2^n, up to `delay_max_ms`.
    pub delay_ms: u64,
    /// The longest wait.
    pub delay_max_ms: u64,
    /// After so many restarts within `burst_window_ms` it has failed; 0 for no such limit.
    pub burst: u32,
    /// How far back restarts count.
    pub burst_window_ms: u64,
    /// Having run for so long, it has recovered: the next wait is a first one.
    pub stable_ms: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            mode: RestartMode::default(),
            delay_ms: 500,
            delay_max_ms: 60_000,
            burst: 10,
            burst_window_ms: 600_000,
            stable_ms: 10_000,
        }
    }
}

/// How a program is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StopPolicy {
    /// The signal that all of its processes get.
    pub signal: Signal,
    /// What is left after so long is killed.
    pub timeout_ms: u64,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self { signal: Signal::Term, timeout_ms: 5_000 }
    }
}

/// What another program must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It runs.
    Started,
    /// Its probe says that it is healthy.
    Healthy,
    /// It ended with 0.
    Completed,
    /// One of a newer version: refused.
    #[serde(other)]
    Unknown,
}

impl Condition {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
            Self::Unknown => "unknown",
        }
    }
}

/// Another program, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dependency {
    /// Which one.
    pub program: ProgramName,
    /// What it must be.
    pub condition: Condition,
}

/// How the health of a program is found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// What is tried.
    pub check: Check,
    /// How often, in milliseconds; at least 100.
    pub interval_ms: u64,
    /// How long one try may take.
    pub timeout_ms: u64,
    /// So many failures in a row make it unhealthy.
    pub threshold: u32,
    /// What follows.
    #[serde(default)]
    pub unhealthy: UnhealthyAction,
}

/// What a probe tries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A connection to `HOST:PORT` opens.
    Tcp(String),
    /// `http://HOST[:PORT]/PATH` answers with 200 to 399.
    Http(String),
    /// This command, with its arguments, exits with 0; run as the program itself is.
    Command(Vec<String>),
}

/// What is done with a program that is unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnhealthyAction {
    /// It is said.
    #[default]
    Report,
    /// It is stopped, and started again as after a failure.
    Restart,
    /// One of a newer version: refused.
    #[serde(other)]
    Unknown,
}
