//! Running one command, whoever does it: a process group of this node's, or (where systemd is there) a unit.
//!
//! A [`Command`] enters; what [`Runner::start`] gives back holds this node's ends of its pipes and the means to
//! see its end and to kill all of it. Nothing is ever given to a shell that did not ask for one, and neither the
//! node's descriptors nor its environment reach a command.

pub mod account;
pub mod group;

use std::fmt;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use futures::future::BoxFuture;
use rustix::pipe::{PipeFlags, pipe_with};

use super::Roots;
use account::Account;

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The one locale that every machine has and that is UTF-8.
const LANG: &str = "C.UTF-8";

/// The file that is run for `program` in a directory and under a `PATH`, symbolic links resolved; the word itself
/// where there is none. It looks as execvp(3) does: what cannot be executed is passed over.
pub fn really_run(program: &str, directory: &Path, path: &str) -> String {
    let found = if program.contains('/') {
        fs::canonicalize(directory.join(program)).ok()
    } else {
        // A relative place is one below the directory of the command.
        let places = path.split(':').map(|place| directory.join(place).join(program));
        places.filter(|file| is_executable(file)).find_map(|file| fs::canonicalize(file).ok())
    };
    found.map_or_else(|| program.to_owned(), |file| file.to_string_lossy().into_owned())
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The name of the user as whom the node itself runs things.
pub fn own_user() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    Account::find(&Roots::default(), &uid).map_or(uid, |account| account.name)
}

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program; looked for in [`PATH`] unless it holds a slash.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it is run.
    pub directory: PathBuf,
    /// As whom, if not as the node's own user.
    pub account: Option<Account>,
    /// All of its environment, later ones over earlier.
    pub environment: Vec<(String, String)>,
}

impl Command {
    /// The file that is really run.
    pub fn file(&self) -> String {
        let path = self.environment.iter().rfind(|(name, _)| name == "PATH").map_or(PATH, |(_, path)| path);
        really_run(&self.program, &self.directory, path)
    }

    /// What every command finds in its environment. `account` is whom it runs as.
    pub fn base_environment(account: Option<&Account>) -> Vec<(String, String)> {
        let mut environment =
            vec![("PATH".to_owned(), PATH.to_owned()), ("LANG".to_owned(), LANG.to_owned())];
        if let Some(account) = account {
            let home = account.home.to_string_lossy().into_owned();
            environment.extend([
                ("HOME".to_owned(), home),
                ("USER".to_owned(), account.name.clone()),
                ("LOGNAME".to_owned(), account.name.clone()),
                ("SHELL".to_owned(), account.shell.clone()),
            ]);
        }
        environment
    }
}

/// Why a command could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such program.
    #[error("cannot run {program:?}: {}", not_found(program))]
    NotFound {
        /// As it was named.
        program: String,
    },
    /// It is there, or its directory or user is not, and the kernel will not run it.
    #[error("cannot run {program:?}: {why}")]
    NotRunnable {
        /// As it was named.
        program: String,
        /// What stands against it.
        why: String,
    },
    /// The node may not become that user.
    #[error("denied: operating system: cannot run as user {user}: this node lacks CAP_SETUID or CAP_SETGID")]
    Denied {
        /// As whom.
        user: String,
    },
    /// The node itself is short of something.
    #[error("cannot start a command: {0}")]
    Failed(String),
}

fn not_found(program: &str) -> String {
    if program.contains('/') { "no such file".into() } else { format!("no such program in {PATH}") }
}

/// How hard a command is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// SIGTERM, which it may handle.
    Politely,
    /// SIGKILL.
    AtOnce,
}

/// A command that was started. Dropped before its end, all of it is killed at once.
pub trait Started: fmt::Debug + Send {
    /// Resolves once its main process has ended. May be dropped and called again.
    fn ended(&mut self) -> BoxFuture<'_, ()>;
    /// Sends a signal to all of its processes, also after the main one has ended and until [`Self::reap`].
    fn kill(&self, kill: Kill);
    /// Takes it away and tells how its main process ended. What that one left behind lives on.
    fn reap(self: Box<Self>) -> BoxFuture<'static, std::io::Result<ExitStatus>>;
}

/// A started command and this node's ends of its pipes.
#[derive(Debug)]
pub struct Running {
    /// The means to see its end.
    pub started: Box<dyn Started>,
    /// Its pipes.
    pub pipes: Pipes,
}

/// What starts commands.
pub trait Runner: fmt::Debug + Send + Sync {
    /// Starts one. Must be awaited on a runtime with timers and sockets.
    fn start(&self, command: Command) -> BoxFuture<'_, Result<Running, CommandError>>;
}

/// Three ends of three pipes: the node's, or the command's.
#[derive(Debug)]
pub struct Pipes {
    /// The node writes what the command reads.
    pub stdin: OwnedFd,
    /// The command writes what the node reads.
    pub stdout: OwnedFd,
    /// The same for errors.
    pub stderr: OwnedFd,
}

/// New pipes: the node's ends, and the command's.
///
/// # Errors
/// If there are no descriptors left.
pub fn pipes() -> Result<(Pipes, Pipes), CommandError> {
    let pipe =
        || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| CommandError::Failed(format!("pipe: {errno}")));
    let ((stdin, stdin_write), (stdout_read, stdout), (stderr_read, stderr)) = (pipe()?, pipe()?, pipe()?);
    let own = Pipes { stdin: stdin_write, stdout: stdout_read, stderr: stderr_read };
    Ok((own, Pipes { stdin, stdout, stderr }))
}
