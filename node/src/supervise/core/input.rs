//! What enters the supervisor and what leaves it. Data only.

use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::services::program::{Check, ProgramDefinition, ProgramExit, ProgramName, ProgramState};
use p2p_shared::time::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

/// Both clocks: the one that only goes forward, for spans, and the wall's, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since a zero that the driver chose.
    pub at: Millis,
    /// What the clock on the wall says.
    pub wall: UnixMillis,
}

/// One run of one program, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Run, with everything it depends on.
    Start,
    /// End.
    Stop,
    /// End, and run again.
    Restart,
    /// End, and be forgotten.
    Remove,
}

/// Whether a definition may take the place of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// No: one of that name is a conflict.
    No,
    /// Yes.
    Yes,
}

/// How a process ended, as the runner saw it. All `None` if it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was killed for want of memory, if that is known.
    pub out_of_memory: Option<bool>,
}

/// What enters.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Somebody defines a program.
    Define {
        /// What it is.
        definition: Box<ProgramDefinition>,
        /// Whether it may take another one's place.
        replace: Replace,
    },
    /// Somebody asks for something.
    Ask {
        /// Of which program.
        name: ProgramName,
        /// For what.
        order: Order,
        /// Who.
        by: String,
    },
    /// A launch succeeded.
    Started {
        /// Of which program.
        name: ProgramName,
        /// Which launch.
        run: RunId,
        /// Its process; `None` if it has ended already.
        process: Option<ProcessRef>,
    },
    /// A launch failed: there is no process.
    NotStarted {
        /// Of which program.
        name: ProgramName,
        /// Which launch.
        run: RunId,
        /// Why.
        error: String,
    },
    /// A process ended.
    Exited {
        /// Of which program.
        name: ProgramName,
        /// Which run.
        run: RunId,
        /// How.
        ended: Ended,
    },
    /// A probe ended.
    Probed {
        /// Of which program.
        name: ProgramName,
        /// Of which run.
        run: RunId,
        /// Healthy, or why not.
        result: Result<(), String>,
    },
    /// Time went by.
    Tick,
}

/// What the driver is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Keep what [`saved`](super::Supervisor::saved) says of it, before anything that follows.
    Keep(ProgramName),
    /// Forget it, its record and its logs.
    Forget(ProgramName),
    /// Start a process; answered by exactly one `Started` or `NotStarted`, and after `Started` by one `Exited`.
    Launch {
        /// Of which program.
        name: ProgramName,
        /// As which run.
        run: RunId,
    },
    /// Send a signal to all processes of a run.
    Signal {
        /// Of which program.
        name: ProgramName,
        /// Which run.
        run: RunId,
        /// Which signal.
        signal: Signal,
    },
    /// Try its health; answered by one `Probed`.
    Probe {
        /// Of which program.
        name: ProgramName,
        /// Of which run.
        run: RunId,
        /// What to try.
        check: Check,
        /// For how long.
        timeout: Millis,
    },
    /// What is told of it changed.
    Changed(ProgramName),
}

/// Why something was not done. Nothing changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such program.
    #[error("there is no program {0:?} on this node; `p2p-tui programs` lists those there are")]
    Unknown(String),
    /// A definition that makes no sense.
    #[error("{0}")]
    Bad(String),
    /// It does not go together with what is there.
    #[error("{0}")]
    Conflict(String),
}

/// The run of a program that may be going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRun {
    /// Which run.
    pub run: RunId,
    /// Its process; `None` while it is being launched.
    pub process: Option<ProcessRef>,
    /// When it began.
    pub started: Option<UnixMillis>,
}

/// What must survive of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// What it is.
    pub definition: ProgramDefinition,
    /// Whether it is to run.
    pub wanted: bool,
    /// The state in which it rests; meaningless while it runs.
    pub rest: ProgramState,
    /// Since when.
    pub since: UnixMillis,
    /// Why.
    pub detail: String,
    /// The run that may be going on.
    pub run: Option<SavedRun>,
    /// Who asked for the end of that run.
    pub asked_by: Option<String>,
    /// How often it was started.
    pub starts: u64,
    /// How its last runs ended, the latest first.
    pub exits: Vec<ProgramExit>,
}

/// What became of a saved program while the supervisor was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on, or its end is there to be learnt: then without a process.
    Runs(Option<ProcessRef>),
    /// There is no process of it.
    Gone,
    /// There is none, because the machine was started anew.
    Rebooted,
}
