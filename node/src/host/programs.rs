//! Running programs: what starts them, what is known of them while they run, and their output.
//!
//! A [`Launch`] enters a [`Runner`]; a [`Running`] leaves, by which its processes get signals and its end is
//! learnt. There is one runner now, [`group`]: child processes in a process group of their own. Nothing here
//! decides when something runs, and no argument is ever given to a shell.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::services::program::{Limit, ProgramDefinition};

use super::Roots;
use super::error::HostError;
use super::processes::boot_id;
use super::source::{open_dir, read_at};
use super::stat::{STAT_BYTES, Stat};

pub mod account;
pub mod check;
pub mod command;
pub mod group;
pub mod leash;
pub mod log;

mod find;
mod pipes;

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What it is.
    pub definition: ProgramDefinition,
    /// Which run of it; never the same number twice.
    pub run: u64,
    /// A directory of its own, for what belongs to its runs.
    pub directory: PathBuf,
}

/// How a run ended; all `None` if nobody saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was killed for want of memory, if that is known.
    pub out_of_memory: Option<bool>,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Running {
    /// Its first process.
    pub process: ProcessRef,
    /// The read ends of its standard output and error; `None` where they cannot be had any more.
    pub outputs: [Option<OwnedFd>; 2],
    /// The hold on it.
    pub leash: Arc<dyn Leash>,
}

/// The hold on a run. Dropping it changes nothing for the run.
pub trait Leash: fmt::Debug + Send + Sync + 'static {
    /// Sends a signal to all of its processes. One that ended is no error.
    ///
    /// # Errors
    /// If the kernel refuses.
    fn signal(&self, signal: Signal) -> Result<(), HostError>;

    /// Resolves once its first process ended and all that is left of it was killed. To be awaited once.
    fn ended(&self) -> BoxFuture<'_, End>;
}

/// A way to run programs.
pub trait Runner: fmt::Debug + Send + Sync + 'static {
    /// Starts a run.
    fn start(&self, launch: Launch) -> BoxFuture<'static, Result<Running, LaunchError>>;

    /// Takes up a run of an earlier life of the node: that of `known`, or whatever a launch that was not
    /// answered left behind. `None` if it is no more.
    fn take_up(&self, launch: Launch, known: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>>;

    /// The limits of a definition that it cannot hold.
    fn unenforced(&self, definition: &ProgramDefinition) -> Vec<Limit>;
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no such command.
    #[error("there is no command {0}")]
    NoCommand(String),
    /// It is there, and cannot be run.
    #[error("{0} is not executable")]
    NotExecutable(String),
    /// The working directory is not there, or none.
    #[error("there is no directory {0} to work in")]
    NoDirectory(String),
    /// Nobody is called so.
    #[error("this machine knows no {what} {name}")]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// Who was named.
        name: String,
    },
    /// Only root may run a program as somebody else.
    #[error("this node may not run a program as {0}: it is not root; see `p2p-node doctor` there")]
    OtherUser(String),
    /// What sets limits is not there.
    #[error("its limits cannot be set: prlimit(1) of util-linux is not on this machine")]
    NoLimiter,
    /// Its pipes cannot be made.
    #[error("its output cannot be taken: {}: {source}", path.display())]
    Output {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The kernel refused otherwise.
    #[error("{command}: {source}")]
    Spawn {
        /// What was to run.
        command: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The node is shutting down.
    #[error("this node is shutting down")]
    Stopping,
}

/// The time from which on no process of before lives: that of the machine, or of the container of this node.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn boot(roots: &Roots) -> Result<String, HostError> {
    let boot_id = boot_id(roots)?;
    let first = start_ticks(roots, 1).unwrap_or(0);
    Ok(format!("{boot_id}:{first}"))
}

/// When a process started, if there is one; it tells a pid that is used again from the one before.
pub(crate) fn start_ticks(roots: &Roots, pid: u32) -> Option<u64> {
    let dir = open_dir(rustix::fs::CWD, roots.proc.join(pid.to_string())).ok()?;
    let mut line = Vec::new();
    read_at(dir, "stat", &mut line, STAT_BYTES).ok()?;
    Stat::parse(&line).map(|stat| stat.start_ticks)
}

/// What identifies a process that is there now.
pub(crate) fn identify(roots: &Roots, pid: u32) -> Option<ProcessRef> {
    let boot_id = boot_id(roots).ok()?;
    Some(ProcessRef { boot_id: boot_id.as_ref().into(), pid, start_ticks: start_ticks(roots, pid)? })
}
