//! The contract of `job`: the task queue of one node, for whatever takes long and must outlive its caller.
//!
//! A [`JobRequest`] says what is done and how much patience there is; the node's queue alone decides when. A job
//! is on disk before its submission is answered, and ends in exactly one of the states that are final.

mod terms;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::ProcessRef;
use super::program::LogChunk;
use crate::time::UnixMillis;

pub use terms::{
    ATTEMPTS_MAX, JobKind, JobOwner, JobPriority, JobRequest, JobRetry, JobWork, KEY_BYTES_MAX,
    LABEL_BYTES_MAX, START_WITHIN_DEFAULT, START_WITHIN_MAX,
};

/// Longest name of a job.
pub const ID_BYTES_MAX: usize = 40;
/// Most rows of one answer.
pub const LIST_MAX: u32 = 500;
/// Rows of an answer whose caller does not say.
pub const LIST_DEFAULT: u32 = 100;

/// Name of a job on its node, never given twice. Names in the order of the alphabet are in the order of their
/// submission, and end in a part that cannot be guessed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct JobId(String);

impl JobId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl TryFrom<String> for JobId {
    type Error = BadJobId;

    fn try_from(text: String) -> Result<Self, BadJobId> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if text.is_empty() || text.len() > ID_BYTES_MAX || !text.bytes().all(good) {
            return Err(BadJobId);
        }
        Ok(Self(text))
    }
}

impl FromStr for JobId {
    type Err = BadJobId;

    fn from_str(text: &str) -> Result<Self, BadJobId> {
        Self::try_from(text.to_owned())
    }
}

/// A text that names no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a job is 1 to 40 of a-z and 0-9, as `p2p-tui jobs` shows it")]
pub struct BadJobId;

/// What became of a job so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its turn, or to be tried again.
    Queued,
    /// It runs.
    Running,
    /// It ended well. Final.
    Succeeded,
    /// It ended, and not well. Final.
    Failed,
    /// It was called off, or its time to begin was over. Final.
    Cancelled,
    /// It was running, and is gone without anybody having seen its end. Final.
    Interrupted,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl JobState {
    /// Every state but the unknown, in the order of a life.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Interrupted];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing happens with it any more until somebody asks for something.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Interrupted)
    }
}

/// How far a job is. Either may be missing: not all work can tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobProgress {
    /// From 0 to 1.
    pub ratio: Option<f64>,
    /// In words.
    pub words: Option<String>,
}

/// How one attempt ended. With neither code, signal nor problem nobody saw its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobExit {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it began.
    pub started: UnixMillis,
    /// When its end was seen.
    pub ended: UnixMillis,
    /// Its exit code; 126 and 127 with a `problem` if it never ran.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for want of memory; `None` if that cannot be known.
    pub out_of_memory: Option<bool>,
    /// Whether it was killed because its time had run out.
    pub timed_out: bool,
    /// Why it never ran; `None` if it did.
    pub problem: Option<String>,
}

impl JobExit {
    /// Whether it ended well.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0) && !self.timed_out
    }
}

impl fmt::Display for JobExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.problem, self.code, self.signal) {
            (Some(problem), ..) => write!(f, "not run: {problem}")?,
            (None, Some(code), _) => write!(f, "exit {code}")?,
            (None, None, Some(signal)) => write!(f, "signal {signal}")?,
            (None, None, None) => f.write_str("exit unknown")?,
        }
        if self.timed_out {
            f.write_str(", timed out")?;
        }
        if self.out_of_memory == Some(true) {
            f.write_str(", out of memory")?;
        }
        Ok(())
    }
}

/// A job as a row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobInfo {
    /// Which one.
    pub id: JobId,
    /// What became of it so far.
    pub state: JobState,
    /// Since when.
    pub since: UnixMillis,
    /// Why it is in that state, in words; empty if there is nothing to say.
    pub detail: String,
    /// What kind of work it is.
    pub kind: JobKind,
    /// The work in one line, such as a command and its arguments; without its secrets, cut to 256 bytes.
    pub work: String,
    /// What its author calls it; empty if nothing.
    pub label: String,
    /// Who asked for it.
    pub owner: JobOwner,
    /// When.
    pub submitted: UnixMillis,
    /// Before whom it comes.
    pub priority: JobPriority,
    /// When it has to have begun, or is cancelled; `None` once it has.
    pub start_by: Option<UnixMillis>,
    /// When it is tried again; `None` if it does not wait for that.
    pub again_at: Option<UnixMillis>,
    /// When its last attempt began; `None` if there was none.
    pub started: Option<UnixMillis>,
    /// When it came to its final state; `None` if it has not.
    pub ended: Option<UnixMillis>,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it is begun at most, unless somebody asks for more.
    pub attempts_max: u32,
    /// How far it is; `None` if its work does not tell.
    pub progress: Option<JobProgress>,
    /// How its last attempt ended.
    pub exit: Option<JobExit>,
}

/// Everything about one job but its output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobStatus {
    /// The row.
    pub info: JobInfo,
    /// What was asked for; the values of its environment are `***`, and so are words that are named as secret.
    pub request: JobRequest,
    /// Its process, while it runs and has one.
    pub process: Option<ProcessRef>,
    /// How its attempts ended, the latest first; at most 20.
    pub exits: Vec<JobExit>,
    /// Who asked last for its end or another attempt; `None` if nobody did.
    pub asked_by: Option<String>,
    /// Output that is on disk, in bytes, as of its last end.
    pub output_bytes: u64,
    /// Whether its output was thrown away, to make room.
    pub output_dropped: bool,
}

/// The last lines of both outputs of a job. What is not UTF-8 is replaced; the files hold it as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobOutput {
    /// Of standard output.
    pub stdout: String,
    /// Of standard error.
    pub stderr: String,
    /// Output that could not be written since the node started, in bytes.
    pub lost_bytes: u64,
    /// Whether it was thrown away, to make room for that of later jobs.
    pub dropped: bool,
}

/// How many jobs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct JobCounts {
    /// [`JobState::Queued`]: the depth of the queue.
    pub queued: u64,
    /// [`JobState::Running`].
    pub running: u64,
    /// [`JobState::Succeeded`].
    pub succeeded: u64,
    /// [`JobState::Failed`].
    pub failed: u64,
    /// [`JobState::Cancelled`].
    pub cancelled: u64,
    /// [`JobState::Interrupted`].
    pub interrupted: u64,
}

impl JobCounts {
    /// One of them.
    pub const fn get(&self, state: JobState) -> u64 {
        match state {
            JobState::Queued => self.queued,
            JobState::Running => self.running,
            JobState::Succeeded => self.succeeded,
            JobState::Failed => self.failed,
            JobState::Cancelled => self.cancelled,
            JobState::Interrupted => self.interrupted,
            JobState::Unknown => 0,
        }
    }

    /// One of them, to change it; `None` for a state that is not counted.
    pub const fn get_mut(&mut self, state: JobState) -> Option<&mut u64> {
        Some(match state {
            JobState::Queued => &mut self.queued,
            JobState::Running => &mut self.running,
            JobState::Succeeded => &mut self.succeeded,
            JobState::Failed => &mut self.failed,
            JobState::Cancelled => &mut self.cancelled,
            JobState::Interrupted => &mut self.interrupted,
            JobState::Unknown => return None,
        })
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        JobState::ALL.iter().map(|&state| self.get(state)).sum()
    }
}

/// Some of the jobs, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobPage {
    /// They.
    pub jobs: Vec<JobInfo>,
    /// What to give as `before` for those that follow; `None` if these are the last ones.
    pub next: Option<JobId>,
    /// All jobs of the node by state, whatever was asked for.
    pub counts: JobCounts,
}

/// What changed among the jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobDelta {
    /// Whether what was told before is to be forgotten: a list begins anew with this.
    pub full: bool,
    /// Whether more of the same comes at once: what was told so far is not all yet.
    pub more: bool,
    /// Jobs that are new or have changed, in no order.
    pub changed: Vec<JobInfo>,
    /// Jobs that are no more.
    pub removed: Vec<JobId>,
    /// All jobs of the node by state.
    pub counts: JobCounts,
}

crate::service! {
    /// The task queue of a node: work that outlives its caller, and the node.
    service Job = "job" {
        /// The newest jobs first, at most `limit` (1 to 500; 100 if not given), those after `before` in that
        /// order. `filter` is terms with spaces between them, all of which have to fit: `state:failed`,
        /// `by:NAME`, `priority:high`, `label:TEXT`, `key:KEY`; any other word is looked for in work and label.
        get list(filter: Option<String>, before: Option<JobId>, limit: Option<u32>) -> JobPage, needs JobRead;
        /// Everything about one job but its output and the values of its environment.
        get inspect(id: JobId) -> JobStatus, needs JobRead;
        /// All jobs, and then what changes, as differences.
        watch watch() -> JobDelta, needs JobRead;
        /// One job now and whenever it changes, until it has come to its end.
        watch track(id: JobId) -> JobInfo, needs JobRead;
        /// The last `lines` (1 to 10,000) of what it wrote.
        get output(id: JobId, lines: u32) -> JobOutput, needs JobControl;
        /// The last `lines` (0 to 10,000) of what it wrote, and then what comes until its end.
        watch follow(id: JobId, lines: u32) -> LogChunk, needs JobControl;
        /// Takes a job on, and answers once it is on disk. The same `key` of the same caller with the same
        /// request answers with the job that there is; with another request it is a `conflict`.
        post submit(request: JobRequest) -> JobInfo, needs Exec;
        /// Calls a job off, and answers once it has ended. `conflict` if it had ended by itself.
        post cancel(id: JobId) -> JobInfo, needs JobControl;
        /// Has a job that failed, was cancelled or was interrupted done once more, in the name of who submitted it.
        post retry(id: JobId) -> JobInfo, needs JobControl;
        /// Forgets a job that has ended, and its output. `conflict` if it has not.
        post remove(id: JobId) -> (), needs JobControl;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_nowhere_else() {
        for good in ["a", "1kd3f9x2a7mq4zt", "0", &"x".repeat(40)] {
            assert!(good.parse::<JobId>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a/b", "A", "a-b", "a b", "é", &"x".repeat(41)] {
            assert_eq!(bad.parse::<JobId>(), Err(BadJobId), "{bad}");
        }
    }

    #[test]
    fn a_command_alone_is_a_request() {
        let text =
            br#"{"work": {"command": {"command": {"program": {"program": "true", "arguments": []}}}}}"#;
        let read: JobRequest = crate::rpc::codec::decode(text, crate::rpc::codec::Encoding::Json).unwrap();
        assert_eq!((read.priority, read.retry, read.key), (JobPriority::Normal, None, None));
    }

    #[test]
    fn an_end_is_said_in_words() {
        let mut exit = JobExit {
            attempt: 1,
            started: UnixMillis(1),
            ended: UnixMillis(2),
            code: None,
            signal: None,
            out_of_memory: None,
            timed_out: false,
            problem: None,
        };
        assert_eq!(exit.to_string(), "exit unknown");
        exit.signal = Some(9);
        exit.timed_out = true;
        assert_eq!(exit.to_string(), "signal 9, timed out");
    }

    #[test]
    fn every_known_state_is_counted() {
        let mut counts = JobCounts::default();
        for state in JobState::ALL {
            *counts.get_mut(state).unwrap() += 1;
            assert_eq!(counts.get(state), 1, "{state:?}");
        }
        assert_eq!(counts.total(), 6);
        assert!(counts.get_mut(JobState::Unknown).is_none());
    }
}
