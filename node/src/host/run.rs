//! Running what has a terminal of its own: a [`Runner`] starts it and finds it again, a [`Leash`] signals and awaits
//! it.
//!
//! [`Work`] enters, and the node's end of the terminal leaves. A run is known by a [`RunId`] that no other one ever
//! has. Nothing is ever given to a shell that did not ask for one, and neither the node's descriptors nor its
//! environment reach what runs.

pub mod group;

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::services::shell::ShellSize;

pub use super::command::CommandError as RunError;
use super::command::account::Account;
use super::command::{Command, PATH, really_run};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An interactive shell.
    Shell,
}

/// The name of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunId {
    /// What for.
    pub kind: Kind,
    /// Letters and digits; never used for two runs.
    pub id: String,
}

/// What is run in a terminal.
#[derive(Clone, Debug)]
pub struct Work {
    /// Its name.
    pub id: RunId,
    /// One line for people.
    pub description: String,
    /// The program; looked for on the `PATH` of its environment unless it holds a slash.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it is run.
    pub directory: PathBuf,
    /// As whom, if not as the node's own user.
    pub account: Option<Account>,
    /// All of its environment, later ones over earlier.
    pub environment: Vec<(String, String)>,
    /// Of its terminal.
    pub size: ShellSize,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Running {
    /// Its first process, where it is known.
    pub process: Option<ProcessRef>,
    /// The node's end of its terminal.
    pub terminal: OwnedFd,
    /// The hold on it.
    pub leash: Arc<dyn Leash>,
}

/// How a run ended; all `None` if nobody saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// The hold on a run. Dropping it changes nothing for the run.
pub trait Leash: fmt::Debug + Send + Sync + 'static {
    /// Sends a signal to all of its processes. One that has ended is no error.
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), RunError>>;

    /// Resolves once its first process has ended and all that is left of it was killed. May be awaited again.
    fn ended(&self) -> BoxFuture<'_, End>;

    /// Forgets a run whose end is on record.
    fn release(&self) -> BoxFuture<'_, ()>;
}

/// A way to run things.
pub trait Runner: fmt::Debug + Send + Sync + 'static {
    /// Starts a run. Must be awaited on a runtime that waits for descriptors.
    fn start(&self, work: Work) -> BoxFuture<'static, Result<Running, RunError>>;

    /// Takes up a run of an earlier life of the node; `None` if it is no more.
    fn take_up(&self, id: &RunId, known: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>>;

    /// What runs, or ended and was not released, from an earlier life of the node.
    fn left(&self, kind: Kind) -> BoxFuture<'static, Vec<RunId>>;

    /// Whether runs go on when the node ends.
    fn outlives(&self) -> bool;

    /// Keeps a descriptor for the next life of the node, where somebody can.
    fn keep(&self, name: &str, descriptor: BorrowedFd<'_>);

    /// What an earlier life has kept under that name.
    fn kept(&self, name: &str) -> Option<OwnedFd>;

    /// Keeps it no longer.
    fn unkeep(&self, name: &str);
}

/// What every run finds in its environment. `account` is whom it runs as.
pub fn base_environment(account: Option<&Account>) -> Vec<(String, String)> {
    Command::base_environment(account)
}

/// The file that is run for a program in a directory and an environment, symbolic links resolved.
pub fn file(program: &str, directory: &Path, environment: &[(String, String)]) -> String {
    let path = environment.iter().rfind(|(name, _)| name == "PATH").map_or(PATH, |(_, path)| path);
    really_run(program, directory, path)
}
