//! One process that leads a session, or at least a group, from a thread that may wait for it.
//!
//! Who runs as another user gets that user's rights from the thread that forks, and a thread that gave up its
//! rights is of no more use to anybody: one is made for it. What runs with the node's own rights is forked in the pool.
//! To make a session in the child takes a copy of the node's memory, some milliseconds, and the node pays for every
//! page that it touches afterwards; a group can be asked of the kernel without. So a session is made for what needs
//! one: programs, which outlive the node, and shells. Limits are set by prlimit(1), which then becomes the program:
//! after the change of the user, so that no right is needed for it, and before the program's first step.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessSession};
use rustix::fs::{Mode, OFlags, fchown, open};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    clear_ambient_capability_set, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::account::Account;
use super::error::words;
use super::{Ends, Kind, PATH, RunError, Size, Stdin, Streams, Work, find, find_program, pipes};

/// What sets limits, of util-linux.
const LIMITER: &str = "prlimit";

/// A child that was not reaped, and the node's ends of its streams.
pub(super) type Forked = (Box<dyn ChildWrapper>, Ends);

/// Forks; the pipes of a program are made in `directory`.
pub(super) async fn fork(work: Work, directory: PathBuf) -> Result<Forked, RunError> {
    let (forked_tx, forked) = oneshot::channel();
    let runtime = Handle::current();
    let is_pooled = other(&work).is_none();
    let forking = move || {
        let _runtime = runtime.enter();
        if let Err(Ok((mut child, _))) = forked_tx.send(forked_now(&work, &directory)) {
            // Who asked has given up.
            let _ = child.start_kill();
        }
    };
    if is_pooled {
        drop(spawn_blocking(forking));
    } else {
        let thread = std::thread::Builder::new().name("run".into()).spawn(forking);
        thread.map_err(|error| RunError::Failed(format!("no thread: {error}")))?;
    }
    forked.await.unwrap_or_else(|_| Err(RunError::Failed("the thread that forks is gone".into())))
}

fn forked_now(work: &Work, directory: &Path) -> Result<Forked, RunError> {
    let streams = streams(work, directory)?;
    if let Some(account) = other(work) {
        become_user(account).map_err(|errno| match errno {
            Errno::PERM => RunError::Denied { user: account.name.clone() },
            errno => RunError::Failed(format!("as user {}: {errno}", account.name)),
        })?;
    }
    check_directory(work)?;
    let mut command = limited(work)?;
    command.args(&work.arguments).current_dir(&work.directory).env_clear();
    command.envs(work.environment.iter().map(|(name, value)| (name, value)));
    command.env(find::MARK, find::mark(&work.id));
    let refused = |error: io::Error| refused(&work.program, &error);
    match streams {
        Theirs::Terminal(pty, pts) => {
            let child = pty_process::Command::from(command).spawn(pts);
            let child = child.map_err(|error| refused(io_of(error)))?;
            Ok((Box::new(child), Ends::Terminal(pty)))
        }
        Theirs::Pipes([stdin, stdout, stderr], ends) => {
            command.stdin(stdin).stdout(stdout).stderr(stderr);
            if is_grouped(work) {
                command.process_group(0);
                return Ok((Box::new(command.spawn().map_err(refused)?), ends));
            }
            let mut wrapped = CommandWrap::from(command);
            wrapped.wrap(ProcessSession);
            // The wrapper would block a thread of the pool while others of the group live.
            Ok((wrapped.spawn().map_err(refused)?.into_inner(), ends))
        }
    }
}

/// Whom it runs as, if that is not the node's own user.
fn other(work: &Work) -> Option<&Account> {
    work.account.as_ref().filter(|account| !account.is_own())
}

/// Whether a group of its own is enough: it ends with the node and runs with the node's rights, and there is no
/// terminal of the node's that it could open.
fn is_grouped(work: &Work) -> bool {
    let ends_with_node = matches!(work.id.kind, Kind::Exec | Kind::Job);
    ends_with_node && other(work).is_none() && has_no_terminal()
}

fn has_no_terminal() -> bool {
    let opened = open("/dev/tty", OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
    matches!(opened, Err(Errno::NXIO))
}

enum Theirs {
    Terminal(OwnedFd, pty_process::Pts),
    Pipes([Stdio; 3], Ends),
}

/// Both ends of its streams, made while the thread still has the node's rights.
fn streams(work: &Work, directory: &Path) -> Result<Theirs, RunError> {
    let failed = |error: io::Error| RunError::Failed(format!("its streams: {error}"));
    let Streams::Pipes { stdin } = work.streams else {
        let Streams::Terminal(size) = work.streams else {
            return Ok(Theirs::Pipes([Stdio::null(), Stdio::null(), Stdio::null()], Ends::NONE));
        };
        let (pty, pts) = terminal(size, work.account.as_ref()).map_err(failed)?;
        return Ok(Theirs::Terminal(pty, pts));
    };
    let [out, err] = match work.id.kind {
        Kind::Program => pipes::make(directory, work.account.as_ref())?,
        _ => [pipes::plain().map_err(failed)?, pipes::plain().map_err(failed)?],
    };
    let (theirs, own) = match stdin {
        Stdin::Null => (Stdio::null(), None),
        Stdin::Pipe => {
            let (theirs, own) = pipes::input().map_err(failed)?;
            (theirs.into(), Some(own))
        }
    };
    let ends = Ends::Pipes { stdin: own, stdout: Some(out.read), stderr: Some(err.read) };
    Ok(Theirs::Pipes([theirs, out.write.into(), err.write.into()], ends))
}

/// A terminal that belongs to whoever works at it.
pub(super) fn terminal(size: Size, owner: Option<&Account>) -> io::Result<(OwnedFd, pty_process::Pts)> {
    let (pty, pts) = pty_process::open().map_err(io_of)?;
    pty.resize(pty_process::Size::new(size.rows, size.columns)).map_err(io_of)?;
    if let Some(owner) = owner.filter(|owner| !owner.is_own()) {
        // The kernel may refuse: then it works at it all the same, and cannot open it anew.
        let _ = fchown(&pts, Some(Uid::from_raw(owner.uid)), None);
    }
    Ok((pty.into(), pts))
}

fn io_of(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(errno) => errno.into(),
        other => io::Error::other(other.to_string()),
    }
}

/// The program by the name that it was called, under its limits.
fn limited(work: &Work) -> Result<Command, RunError> {
    let file = work.resolved()?;
    let limits = work.limits;
    let limits = [("data", limits.memory_bytes), ("nofile", limits.files), ("nproc", limits.tasks)];
    if limits.iter().all(|(_, most)| most.is_none()) {
        let mut command = Command::new(file);
        command.arg0(&work.program);
        return Ok(command);
    }
    let missing =
        |_| RunError::Failed("its limits cannot be set: prlimit(1) of util-linux is not here".into());
    let mut command = Command::new(find_program(LIMITER, Path::new("/"), PATH).map_err(missing)?);
    for (name, most) in limits {
        command.args(most.map(|most| format!("--{name}={most}")));
    }
    // The limiter gives a program no name but its path: one of many that share a file goes by that of its link.
    let called = work.program.rsplit('/').next().map(OsStr::new);
    let link = Path::new(&work.program);
    let by_link = link.is_absolute() && file.file_name() != called;
    command.arg("--").arg(if by_link { link } else { &file });
    Ok(command)
}

/// The kernel says "no such file" for a missing directory too.
pub(super) fn check_directory(work: &Work) -> Result<(), RunError> {
    let path = &work.directory;
    let refuse = |why: &str| {
        let why = format!("working directory {}: {why}", path.display());
        Err(RunError::NotRunnable { program: work.program.clone(), why })
    };
    match fs::metadata(path) {
        _ if !path.is_absolute() => refuse("it is no absolute path"),
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => refuse("it is no directory"),
        Err(error) => refuse(&words(&error)),
    }
}

fn refused(program: &str, error: &io::Error) -> RunError {
    let program = program.to_owned();
    match error.kind() {
        // The file itself was found just now.
        io::ErrorKind::NotFound => {
            RunError::NotRunnable { program, why: "the interpreter that it names is missing".into() }
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => RunError::Failed(words(error)),
        _ => RunError::NotRunnable { program, why: words(error) },
    }
}

/// Changes this thread alone, for good.
fn become_user(account: &Account) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let groups: Vec<Gid> = account.groups.iter().map(|&group| Gid::from_raw(group)).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    // A node that is not root keeps its capabilities over this, and would hand them on.
    clear_ambient_capability_set()
}
