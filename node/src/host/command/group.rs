//! The runner for machines without systemd: a child of this node that leads a session and a process group.
//!
//! All of the group is killed with it. What moves to a session of its own is out of reach, and so is everything
//! if this node is killed with SIGKILL: only a unit of systemd holds those.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use futures::FutureExt;
use futures::future::BoxFuture;
use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessSession};
use rustix::io::Errno;
use rustix::process::{Gid, Pid, PidfdFlags, Signal, Uid, kill_process_group, pidfd_open};
use rustix::thread::{
    clear_ambient_capability_set, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::account::Account;
use super::{Command, CommandError, Kill, Pipes, Runner, Running, Started, pipes};

/// Runs commands as process groups.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupRunner;

impl Runner for GroupRunner {
    fn start(&self, command: Command) -> BoxFuture<'_, Result<Running, CommandError>> {
        async move {
            let (own, theirs) = pipes()?;
            let child = spawn(command, theirs).await?;
            Ok(Running { started: Box::new(Group::new(child)?), pipes: own })
        }
        .boxed()
    }
}

/// Forks on a thread of its own: who runs as another user gets that user's rights from the thread that forks,
/// and a thread that gave up its rights is of no more use to anybody.
async fn spawn(command: Command, ends: Pipes) -> Result<Box<dyn ChildWrapper>, CommandError> {
    let (spawned_tx, spawned) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        let _runtime = runtime.enter();
        // Who asked has given up: the child is killed as it is dropped.
        let _ = spawned_tx.send(fork(&command, ends));
    };
    let thread = std::thread::Builder::new().name("exec".into()).spawn(work);
    thread.map_err(|error| CommandError::Failed(format!("no thread: {error}")))?;
    spawned.await.unwrap_or_else(|_| Err(CommandError::Failed("the thread that forks is gone".into())))
}

fn fork(command: &Command, ends: Pipes) -> Result<Box<dyn ChildWrapper>, CommandError> {
    if let Some(account) = &command.account {
        become_user(account).map_err(|errno| match errno {
            Errno::PERM => CommandError::Denied { user: account.name.clone() },
            errno => CommandError::Failed(format!("as user {}: {errno}", account.name)),
        })?;
    }
    check_directory(command)?;
    let mut wrapped = CommandWrap::with_new(&command.program, |inner| {
        inner.args(&command.arguments).current_dir(&command.directory);
        inner.env_clear().envs(command.environment.iter().map(|(name, value)| (name, value)));
        inner
            .stdin(Stdio::from(ends.stdin))
            .stdout(Stdio::from(ends.stdout))
            .stderr(Stdio::from(ends.stderr));
        inner.kill_on_drop(true);
    });
    wrapped.wrap(ProcessSession);
    let spawned = wrapped.spawn().map_err(|error| refused(command, &error))?;
    // The wrapper would block a thread of the pool while others of the group live; we watch the leader ourselves.
    Ok(spawned.into_inner())
}

/// The kernel says "no such file" for a missing directory too.
pub(in crate::host) fn check_directory(command: &Command) -> Result<(), CommandError> {
    let path = &command.directory;
    let refuse = |why: String| {
        let why = format!("working directory {}: {why}", path.display());
        Err(CommandError::NotRunnable { program: command.program.clone(), why })
    };
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => refuse("it is no directory".into()),
        Err(error) => refuse(words(&error)),
    }
}

pub(in crate::host) fn refused(command: &Command, error: &io::Error) -> CommandError {
    let program = command.program.clone();
    let is_there = || program.contains('/') && Path::new(&program).exists();
    match error.kind() {
        io::ErrorKind::NotFound if !is_there() => CommandError::NotFound { program },
        io::ErrorKind::NotFound => {
            CommandError::NotRunnable { program, why: "the interpreter that it names is missing".into() }
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => CommandError::Failed(words(error)),
        _ => CommandError::NotRunnable { program, why: words(error) },
    }
}

/// What the kernel says, without the number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Changes this thread alone, for good.
pub(in crate::host) fn become_user(account: &Account) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let groups: Vec<Gid> = account.groups.iter().map(|&group| Gid::from_raw(group)).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    // A node that is not root keeps its capabilities over this, and would hand them on.
    clear_ambient_capability_set()
}

/// A leader of a process group, not reaped: its number, and so the group's, is nobody else's.
#[derive(Debug)]
struct Group {
    // `None` once it is reaped.
    child: Option<Box<dyn ChildWrapper>>,
    leader: Pid,
    exit: AsyncFd<OwnedFd>,
}

impl Group {
    fn new(child: Box<dyn ChildWrapper>) -> Result<Self, CommandError> {
        let failed = |what: &str| CommandError::Failed(format!("{what} of the new process is not to be had"));
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let leader = leader.ok_or_else(|| failed("the number"))?;
        let handle = pidfd_open(leader, PidfdFlags::NONBLOCK).map_err(|_| failed("a handle"))?;
        #[expect(deprecated, reason = "its successor is unsafe; what it asks for holds of every OwnedFd")]
        let exit = AsyncFd::with_interest(handle, Interest::READABLE).map_err(|_| failed("the end"))?;
        Ok(Self { child: Some(child), leader, exit })
    }
}

impl Started for Group {
    fn ended(&mut self) -> BoxFuture<'_, ()> {
        async {
            // Readable once it has ended, and for ever; an error means that the runtime is ending.
            let _ = self.exit.readable().await;
        }
        .boxed()
    }

    fn kill(&self, kill: Kill) {
        if self.child.is_none() {
            return;
        }
        let signal = match kill {
            Kill::Politely => Signal::TERM,
            Kill::AtOnce => Signal::KILL,
        };
        // The whole group may be gone but for its leader's remains.
        let _ = kill_process_group(self.leader, signal);
        if kill == Kill::Politely {
            // What is stopped takes no other signal.
            let _ = kill_process_group(self.leader, Signal::CONT);
        }
    }

    fn reap(mut self: Box<Self>) -> BoxFuture<'static, io::Result<ExitStatus>> {
        async move {
            match self.child.take() {
                Some(mut child) => child.wait().await,
                None => Err(io::Error::other("it was reaped already")),
            }
        }
        .boxed()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill(Kill::AtOnce);
    }
}
