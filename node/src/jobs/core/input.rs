//! What enters the queue and what leaves it. Data only.

use p2p_shared::services::exec::NOT_RUNNABLE;
use p2p_shared::services::job::{JobExit, JobId, JobOwner, JobProgress, JobRequest, JobState};
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::time::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

/// Both clocks: the one that only goes forward, for spans, and the wall's, for what outlives the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since a zero that the driver chose.
    pub at: Millis,
    /// What the clock on the wall says.
    pub wall: UnixMillis,
}

impl Now {
    /// When the wall's clock will show `wall`, by the one that only goes forward.
    pub fn when(self, wall: UnixMillis) -> Millis {
        self.at + wall.since(self.wall)
    }
}

/// One attempt at one job, never given twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// Which job.
    pub id: JobId,
    /// The how-manieth, from 1.
    pub number: u32,
}

/// Who asks for a job, and how long that authority lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// Who.
    pub owner: JobOwner,
    /// When it ends; `None` if it does not end by itself.
    pub until: Option<UnixMillis>,
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Not to be done, or not to the end.
    Cancel,
    /// To be done once more.
    Retry,
    /// To be forgotten.
    Remove,
}

/// How an attempt ended, as the runner saw it. All `None` if nobody did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was killed for want of memory, if that is known.
    pub out_of_memory: Option<bool>,
}

/// Why an attempt did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It cannot be run; the exit code that says so, as shells have it.
    CannotRun(i32, String),
    /// It is not allowed any more.
    Refused(String),
}

impl Problem {
    /// The node itself is short of something.
    pub const fn failed(why: String) -> Self {
        Self::CannotRun(NOT_RUNNABLE, why)
    }
}

/// What enters.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Somebody submits a job.
    Submit {
        /// What.
        request: Box<JobRequest>,
        /// Who.
        author: Author,
    },
    /// Somebody asks for something.
    Ask {
        /// Of which job.
        id: JobId,
        /// For what.
        order: Order,
        /// Who.
        by: String,
    },
    /// An attempt has begun.
    Started {
        /// Which.
        attempt: Attempt,
        /// Its process, if it has one that is known.
        process: Option<ProcessRef>,
    },
    /// An attempt did not begin.
    NotStarted {
        /// Which.
        attempt: Attempt,
        /// Why.
        problem: Problem,
    },
    /// An attempt tells how far it is.
    Progress {
        /// Which.
        attempt: Attempt,
        /// How far.
        progress: JobProgress,
    },
    /// An attempt ended, and all that it wrote is on disk.
    Exited {
        /// Which.
        attempt: Attempt,
        /// How.
        ended: Ended,
        /// What the job has written, in bytes on disk.
        output_bytes: u64,
    },
    /// Another number of attempts may go on at the same time.
    Limit {
        /// So many.
        running: usize,
    },
    /// Time went by.
    Tick,
}

/// What the driver is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Keep what [`saved`](super::Queue::saved) says of it, before anything that follows.
    Keep(JobId),
    /// Forget it, its record and its output.
    Forget(JobId),
    /// Throw its output away.
    DropOutput(JobId),
    /// Begin; answered by exactly one `Started` or `NotStarted`, and after `Started` by one `Exited`.
    Launch(Attempt),
    /// Send a signal to all processes of an attempt.
    Signal(Attempt, Signal),
    /// What is known of its end is kept: let go of it.
    Release(Attempt),
    /// What is told of it changed.
    Changed(JobId),
}

/// Why something was not done. Nothing changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such job.
    #[error("there is no job {0} on this node; `p2p-tui jobs` lists those there are")]
    Unknown(JobId),
    /// A request that makes no sense.
    #[error("{0}")]
    Bad(String),
    /// It does not go together with what is there.
    #[error("{0}")]
    Conflict(String),
    /// There is no room.
    #[error("{0}")]
    Full(String),
}

/// Why an attempt was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Somebody called the job off.
    Cancelled,
    /// Its time had run out.
    TimedOut,
}

/// The attempt of a job that may be going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRun {
    /// Its process, as far as that is known.
    pub process: Option<ProcessRef>,
    /// When it began.
    pub started: UnixMillis,
    /// Why it was told to end, if it was.
    pub stopping: Option<Why>,
}

/// What must survive of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Which one.
    pub id: JobId,
    /// What was asked for.
    pub request: JobRequest,
    /// By whom.
    pub author: Author,
    /// When.
    pub submitted: UnixMillis,
    /// When it has to have begun.
    pub start_by: Option<UnixMillis>,
    /// When it is tried again.
    pub again_at: Option<UnixMillis>,
    /// What became of it so far.
    pub state: JobState,
    /// Since when.
    pub since: UnixMillis,
    /// Why.
    pub detail: String,
    /// How often it was begun; the last of them may be going on.
    pub attempts: u32,
    /// How often it is begun at most.
    pub attempts_max: u32,
    /// The attempt that may be going on.
    pub run: Option<SavedRun>,
    /// How its attempts ended, the latest first.
    pub exits: Vec<JobExit>,
    /// Who asked last for its end or another attempt.
    pub asked_by: Option<String>,
    /// Its output on disk.
    pub output_bytes: u64,
    /// Whether that was thrown away.
    pub output_dropped: bool,
}

/// What became of an attempt of an earlier life of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on, or its end is yet to be told.
    Runs(Option<ProcessRef>),
    /// It is gone, and nobody knows how it ended.
    Gone,
}
