//! Running anything, whoever asks: supervised programs, commands, jobs and shells.
//!
//! A [`Work`] enters a [`Runner`]; a [`Running`] leaves, with this node's ends of its streams and the [`Leash`] by
//! which it gets signals and its end is learnt. There are two runners: [`units`] of systemd,
//! which the end of this node never ends, and [`group`]s of processes of this node's; [`choice`] takes the one that
//! fits the machine. Nothing here decides when something runs, and no word is ever given to a shell that nobody
//! asked for; neither the node's descriptors nor its environment reach what runs.
//!
//! What the local policy judged is what runs: who judges puts the file of [`really_run`] into [`Work::file`], and
//! a runner refuses if that is no longer the same place. What remains: a file that somebody who may write to it
//! changes in between, as with every list of paths.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::services::program::{Limit, ProgramLimits};

use super::Roots;
use super::error::HostError;
use super::processes::boot_id;
use super::source::{open_dir, read_at};
use super::stat::{STAT_BYTES, Stat};
use account::Account;

pub mod account;
pub mod choice;
pub mod group;
pub mod units;

mod error;
mod find;
mod fork;
mod kept;
mod leash;
mod pipes;

pub use error::RunError;

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The one locale that every machine has and that is UTF-8.
const LANG: &str = "C.UTF-8";

/// What kind of thing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A supervised program.
    Program,
    /// A command that a caller waits for.
    Exec,
    /// A job of the queue.
    Job,
    /// A shell on a terminal.
    Shell,
}

impl Kind {
    /// The word for it in names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Exec => "exec",
            Self::Job => "job",
            Self::Shell => "shell",
        }
    }
}

/// One run. It is shown as `p2p-KIND-ID`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// Of what kind.
    pub kind: Kind,
    /// Letters, digits, `_`, `.` and `-`, at most 100; never used for two runs.
    pub id: String,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p2p-{}-{}", self.kind.as_str(), self.id)
    }
}

/// What it may use; `None` sets no limit.
pub type Limits = ProgramLimits;

/// How it is asked to end, where the machine ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// By which signal.
    pub signal: Signal,
    /// How long it has for that; then all of it is killed.
    pub timeout: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: Signal::Term, timeout: Duration::from_secs(10) }
    }
}

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// What standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// A pipe that the node writes to. It ends with the node.
    Pipe,
}

/// Where its streams lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Nowhere.
    Null,
    /// Output and errors into a pipe each.
    Pipes {
        /// And the input.
        stdin: Stdin,
    },
    /// To a terminal of its own, which controls its session.
    Terminal(Size),
}

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct Work {
    /// Which run it is.
    pub id: RunId,
    /// One line for people.
    pub description: String,
    /// The program: looked for in the `PATH` of `environment` unless it holds a slash; its first argument too.
    pub program: String,
    /// The file that was judged, symbolic links resolved; looked for if `None`.
    pub file: Option<PathBuf>,
    /// Its arguments, taken as they are.
    pub arguments: Vec<String>,
    /// Where it runs: an absolute path.
    pub directory: PathBuf,
    /// As whom; the node's own user if `None`.
    pub account: Option<Account>,
    /// All of its environment, later ones over earlier; [`base_environment`] begins it.
    pub environment: Vec<(String, String)>,
    /// Bounds.
    pub limits: Limits,
    /// How it is asked to end.
    pub stop: Stop,
    /// Its streams.
    pub streams: Streams,
}

impl Work {
    /// The file to run: the one that was judged if there is one, else the one that is found.
    ///
    /// # Errors
    /// [`RunError`] if there is none, or the way to the judged one leads elsewhere now.
    pub fn resolved(&self) -> Result<PathBuf, RunError> {
        let Some(judged) = &self.file else {
            return find_program(&self.program, &self.directory, path_of(&self.environment));
        };
        let not_runnable = |why| RunError::NotRunnable { program: self.program.clone(), why };
        match fs::canonicalize(judged) {
            Ok(now) if now == *judged => executable(&self.program, now),
            Ok(_) => Err(not_runnable("the way to it has changed since it was judged".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(RunError::NotFound { program: self.program.clone() })
            }
            Err(error) => Err(not_runnable(error::words(&error))),
        }
    }
}

/// The node's ends of the streams; `None` where they cannot be had (any more).
#[derive(Debug)]
pub enum Ends {
    /// Of pipes.
    Pipes {
        /// To write to.
        stdin: Option<OwnedFd>,
        /// To read, without blocking.
        stdout: Option<OwnedFd>,
        /// To read, without blocking.
        stderr: Option<OwnedFd>,
    },
    /// The master of a terminal, without blocking. Reading it fails once nobody has the terminal any more.
    Terminal(OwnedFd),
}

impl Ends {
    /// None at all.
    pub const NONE: Self = Self::Pipes { stdin: None, stdout: None, stderr: None };
}

/// What runs, or has just ended.
#[derive(Debug)]
pub struct Running {
    /// Its first process; it may have ended.
    pub process: Option<ProcessRef>,
    /// Its streams.
    pub ends: Ends,
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
    /// Whether it was killed for want of memory, if that is known.
    pub out_of_memory: Option<bool>,
}

/// The hold on a run. Dropping it changes nothing for the run.
pub trait Leash: fmt::Debug + Send + Sync + 'static {
    /// Sends a signal to all of its processes, also to those that are left after its end and until
    /// [`Self::release`]. None there is no error.
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), RunError>>;

    /// Resolves once its first process has ended. Of a program, what that left behind was killed then. May be
    /// dropped and awaited again.
    fn ended(&self) -> BoxFuture<'_, End>;

    /// Gives back what still stands for it; to be called once its end is on record. What is left of it is killed,
    /// but for that of a command that ran as a group, which lives on.
    fn release(&self) -> BoxFuture<'_, ()>;
}

/// A way to run things.
pub trait Runner: fmt::Debug + Send + Sync + 'static {
    /// Starts a run. Must be awaited on a runtime with timers and sockets.
    fn start(&self, work: Work) -> BoxFuture<'static, Result<Running, RunError>>;

    /// Takes up a run of an earlier life of the node: that of `known`, or whatever a start that was not answered
    /// left behind. One that ended meanwhile tells how, where the machine kept it. `None` if nothing is known.
    fn take_up(&self, id: &RunId, known: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>>;

    /// What an earlier life of the node left, running or ended and not released, as far as the machine knows it.
    fn left(&self, kind: Kind) -> BoxFuture<'static, Vec<RunId>>;

    /// Whether runs go on when the node ends; if not, only programs do.
    fn outlives(&self) -> bool;

    /// The limits that it cannot hold.
    fn unenforced(&self, limits: &Limits, account: Option<&Account>) -> Vec<Limit>;

    /// Has the service manager keep a descriptor for the next life of the node; nothing happens where it cannot.
    fn keep(&self, name: &str, fd: BorrowedFd<'_>);

    /// One that an earlier life had kept.
    fn kept(&self, name: &str) -> Option<OwnedFd>;

    /// Gives it up.
    fn unkeep(&self, name: &str);
}

/// What everything that runs finds in its environment. `account` is whom it runs as.
pub fn base_environment(account: Option<&Account>) -> Vec<(String, String)> {
    let mut environment = vec![("PATH".to_owned(), PATH.to_owned()), ("LANG".to_owned(), LANG.to_owned())];
    if let Some(account) = account {
        environment.extend([
            ("HOME".to_owned(), account.home.to_string_lossy().into_owned()),
            ("USER".to_owned(), account.name.clone()),
            ("LOGNAME".to_owned(), account.name.clone()),
            ("SHELL".to_owned(), account.shell.clone()),
        ]);
    }
    environment
}

/// The name of the user as whom the node itself runs things.
pub fn own_user() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    Account::find(&Roots::default(), &uid).map_or(uid, |account| account.name)
}

fn path_of(environment: &[(String, String)]) -> &str {
    environment.iter().rfind(|(name, _)| name == "PATH").map_or(PATH, |(_, path)| path)
}

/// The file that is run for `program` in a directory and an environment, symbolic links resolved; the word itself
/// where there is none.
pub fn really_run(program: &str, directory: &Path, environment: &[(String, String)]) -> PathBuf {
    find_program(program, directory, path_of(environment)).unwrap_or_else(|_| program.into())
}

/// Looks as execvp(3) does: what cannot be executed is passed over. A relative place is one below the directory,
/// and never where the node itself stands.
fn find_program(program: &str, directory: &Path, path: &str) -> Result<PathBuf, RunError> {
    let not_found = || RunError::NotFound { program: program.to_owned() };
    if program.contains('/') {
        return match fs::canonicalize(directory.join(program)) {
            Ok(file) if directory.is_absolute() => executable(program, file),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RunError::NotRunnable { program: program.to_owned(), why: error::words(&error) })
            }
            _ => Err(not_found()),
        };
    }
    let places = path.split(':').map(|place| directory.join(place).join(program));
    let mut files = places.filter(|file| file.is_absolute() && is_executable(file));
    files.find_map(|file| fs::canonicalize(file).ok()).ok_or_else(not_found)
}

fn executable(program: &str, file: PathBuf) -> Result<PathBuf, RunError> {
    if is_executable(&file) {
        return Ok(file);
    }
    Err(RunError::NotRunnable { program: program.to_owned(), why: "it is not executable".into() })
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
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
fn start_ticks(roots: &Roots, pid: u32) -> Option<u64> {
    let dir = open_dir(rustix::fs::CWD, roots.proc.join(pid.to_string())).ok()?;
    let mut line = Vec::new();
    read_at(dir, "stat", &mut line, STAT_BYTES).ok()?;
    Stat::parse(&line).map(|stat| stat.start_ticks)
}

/// What identifies a process that is there now.
fn identify(roots: &Roots, pid: u32) -> Option<ProcessRef> {
    let boot_id = boot_id(roots).ok()?;
    Some(ProcessRef { boot_id: boot_id.as_ref().into(), pid, start_ticks: start_ticks(roots, pid)? })
}

#[cfg(test)]
mod tests;
