//! What is said of a job before it runs: by its author, and by the node of its author.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Caller, Role};
use crate::id::NodeId;
use crate::services::exec::ExecRequest;
use crate::services::network::ScanRequest;
use crate::time::Millis;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest label, in bytes.
pub const LABEL_BYTES_MAX: usize = 200;
/// Most attempts that an author may ask for.
pub const ATTEMPTS_MAX: u32 = 100;
/// How long a job may wait to begin if its author does not say: nobody's authority lies in wait for ever.
pub const START_WITHIN_DEFAULT: Millis = Millis::from_secs(7 * 86_400);
/// The longest that an author may ask for.
pub const START_WITHIN_MAX: Millis = Millis::from_secs(30 * 86_400);

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobWork {
    /// A command, with nothing on its stdin. Of its output the end is kept, bounded; its `output_bytes_max` is
    /// passed over.
    Command(ExecRequest),
    /// A scan of ports by the node itself, as `network.scan` does it, and with the right to that. What is open is
    /// written to standard output, a JSON object a line; how far it was to standard error. It ends with the node.
    Scan(ScanRequest),
}

impl JobWork {
    /// What kind it is.
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Command(_) => JobKind::Command,
            Self::Scan(_) => JobKind::Scan,
        }
    }
}

/// What kind of work a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// [`JobWork::Command`].
    Command,
    /// [`JobWork::Scan`].
    Scan,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl JobKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Scan => "scan",
            Self::Unknown => "unknown",
        }
    }
}

/// Before whom a job comes; among equals the older one is first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JobPriority {
    /// After all others.
    Low,
    /// As most are.
    #[default]
    Normal,
    /// Before all others.
    High,
    /// One of a newer version: refused.
    #[serde(other)]
    Unknown,
}

impl JobPriority {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Unknown => "unknown",
        }
    }
}

/// When a job that failed is tried again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct JobRetry {
    /// Attempts in all, the first among them; 1 to 100.
    pub attempts: u32,
    /// The first wait; the n-th lies in the upper half of this times 2^n, up to `delay_max_ms`.
    pub delay_ms: u64,
    /// The longest wait.
    pub delay_max_ms: u64,
}

impl Default for JobRetry {
    fn default() -> Self {
        Self { attempts: 3, delay_ms: 1_000, delay_max_ms: 300_000 }
    }
}

/// One job, as its author asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRequest {
    /// What is done.
    pub work: JobWork,
    /// What to call it; at most 200 bytes.
    #[serde(default)]
    pub label: Option<String>,
    /// Before whom it comes.
    #[serde(default)]
    pub priority: JobPriority,
    /// When it is tried again if it fails; `None` for never.
    #[serde(default)]
    pub retry: Option<JobRetry>,
    /// Whether it does no harm to begin it again after nobody saw how it ended: only then that is done, and only
    /// as often as `retry` allows (once, without it).
    #[serde(default)]
    pub may_run_twice: bool,
    /// What makes it one job however often its author sends it, at most 128 bytes; forgotten with the job.
    #[serde(default)]
    pub key: Option<String>,
    /// Cancelled if it has not begun after so many milliseconds; `None` for a week, the most is 30 days.
    #[serde(default)]
    pub start_within_ms: Option<u64>,
}

impl JobRequest {
    /// A request for nothing but this.
    pub const fn new(work: JobWork) -> Self {
        Self {
            work,
            label: None,
            priority: JobPriority::Normal,
            retry: None,
            may_run_twice: false,
            key: None,
            start_within_ms: None,
        }
    }
}

/// Who asked for a job: in this name it runs, whenever that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobOwner {
    /// Of an operator or a user the name, of somebody over the Unix socket `local:` and the user's name.
    pub name: String,
    /// Identity of an operator's key; `None` for whoever has none.
    pub id: Option<NodeId>,
    /// With which role; `None` for whoever has no authority.
    pub role: Option<Role>,
}

impl JobOwner {
    /// Who calls.
    pub fn new(caller: &Caller) -> Self {
        let (name, id) = match caller {
            Caller::Node { id, name } | Caller::Operator { id, name, .. } => (name.to_string(), Some(*id)),
            Caller::User { name, .. } => (name.clone(), None),
            Caller::Unix { name, .. } => (name.clone(), None),
        };
        Self { name, id, role: caller.role() }
    }
}

impl fmt::Display for JobOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
