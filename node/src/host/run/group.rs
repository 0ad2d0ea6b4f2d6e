//! The runner for machines without systemd: a child of this node that leads a session on a terminal.
//!
//! All of the session is killed with it, also what an interactive shell has put into groups of their own. What moves
//! to another session is out of reach, and so is everything if this node is killed with SIGKILL: the kernel hangs up
//! the terminal then, and what does not heed that lives on.

use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::services::process::{ProcessRef, Signal};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::{End, Kind, Leash, RunError, RunId, Runner, Running, Work};
use crate::host::Roots;
use crate::host::command::Command;
use crate::host::command::group::{become_user, check_directory, refused};
use crate::host::control::number_of;
use crate::host::programs::identify;

/// How often a session is looked through that goes on forking while it is killed.
const SWEEPS_MAX: usize = 8;

/// Runs things as sessions of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupRunner;

impl Runner for GroupRunner {
    fn start(&self, work: Work) -> BoxFuture<'static, Result<Running, RunError>> {
        async move {
            let (child, terminal) = spawn(work).await?;
            let leash = Session::new(child)?;
            let process = identify(&Roots::default(), leash.leader.as_raw_pid().unsigned_abs());
            Ok(Running { process, terminal, leash: Arc::new(leash) })
        }
        .boxed()
    }

    fn take_up(&self, _: &RunId, _: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>> {
        // Its terminal ended with the node that held it.
        std::future::ready(None).boxed()
    }

    fn left(&self, _: Kind) -> BoxFuture<'static, Vec<RunId>> {
        std::future::ready(Vec::new()).boxed()
    }

    fn outlives(&self) -> bool {
        false
    }

    fn keep(&self, _: &str, _: BorrowedFd<'_>) {}

    fn kept(&self, _: &str) -> Option<OwnedFd> {
        None
    }

    fn unkeep(&self, _: &str) {}
}

/// Forks on a thread of its own: who runs as another user gets that user's rights from the thread that forks.
async fn spawn(work: Work) -> Result<(Child, OwnedFd), RunError> {
    let (spawned_tx, spawned) = oneshot::channel();
    let runtime = Handle::current();
    let forking = move || {
        let _runtime = runtime.enter();
        // Who asked has given up: the terminal is hung up as it is dropped.
        let _ = spawned_tx.send(fork(work));
    };
    let thread = std::thread::Builder::new().name("shell".into()).spawn(forking);
    thread.map_err(|error| RunError::Failed(format!("no thread: {error}")))?;
    spawned.await.unwrap_or_else(|_| Err(RunError::Failed("the thread that forks is gone".into())))
}

fn fork(work: Work) -> Result<(Child, OwnedFd), RunError> {
    let none = |error: pty_process::Error| RunError::Failed(format!("no terminal: {error}"));
    // As the node's own user: others may not be let to make one.
    let (pty, pts) = pty_process::open().map_err(none)?;
    pty.resize(pty_process::Size::new(work.size.rows, work.size.columns)).map_err(none)?;
    let Work { program, arguments, directory, account, environment, .. } = work;
    let command = Command { program, arguments, directory, account, environment };
    if let Some(account) = &command.account {
        own(&pty, account.uid).map_err(|errno| RunError::Failed(format!("its terminal: {errno}")))?;
        become_user(account).map_err(|errno| match errno {
            Errno::PERM => RunError::Denied { user: account.name.clone() },
            errno => RunError::Failed(format!("as user {}: {errno}", account.name)),
        })?;
    }
    check_directory(&command)?;
    let variables = command.environment.iter().map(|(name, value)| (name, value));
    let started = pty_process::Command::new(&command.program)
        .args(&command.arguments)
        .current_dir(&command.directory)
        .env_clear()
        .envs(variables)
        .spawn(pts);
    match started {
        Ok(child) => Ok((child, pty.into())),
        Err(pty_process::Error::Io(error)) => Err(refused(&command, &error)),
        Err(error) => Err(none(error)),
    }
}

/// Gives a terminal to the user who works on it, as login(1) does; where that is not allowed, so is the user.
fn own(pty: &pty_process::Pty, uid: u32) -> Result<(), Errno> {
    let name = rustix::pty::ptsname(pty, Vec::new())?;
    match rustix::fs::chown(name.as_c_str(), Some(rustix::process::Uid::from_raw(uid)), None) {
        Err(Errno::PERM) | Ok(()) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The leader of a session and all that is in it.
#[derive(Debug)]
struct Session {
    leader: Pid,
    handle: AsyncFd<OwnedFd>,
    // Held while it is reaped, by whoever waits for it.
    child: Mutex<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    For(Child),
    Over(End),
}

impl Session {
    fn new(child: Child) -> Result<Self, RunError> {
        let failed = |what: &str| RunError::Failed(format!("{what} of the new process is not to be had"));
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let leader = leader.ok_or_else(|| failed("the number"))?;
        let handle = pidfd_open(leader, PidfdFlags::NONBLOCK).map_err(|_| failed("a handle"))?;
        #[expect(deprecated, reason = "its successor is unsafe; what it asks for holds of every OwnedFd")]
        let handle = AsyncFd::with_interest(handle, Interest::READABLE).map_err(|_| failed("the end"))?;
        Ok(Self { leader, handle, child: Mutex::new(Waiting::For(child)) })
    }

    /// How it ended, if it has.
    fn reap(&self) -> Option<End> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let end = match &mut *child {
            Waiting::Over(end) => return Some(*end),
            Waiting::For(child) => match child.try_wait() {
                Ok(None) => return None,
                Ok(Some(status)) => End { code: status.code(), signal: status.signal() },
                Err(error) => {
                    tracing::error!(%error, "the end of a child cannot be learnt");
                    End::default()
                }
            },
        };
        *child = Waiting::Over(end);
        Some(end)
    }

    fn is_over(&self) -> bool {
        matches!(*self.child.lock().unwrap_or_else(PoisonError::into_inner), Waiting::Over(_))
    }
}

impl Leash for Session {
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), RunError>> {
        async move {
            let Some(number) = number_of(signal) else {
                return Err(RunError::Failed("this node does not know that signal".into()));
            };
            // While its leader is not reaped, the number of a session is nobody else's.
            if !self.is_over() {
                let leader = self.leader;
                let _ = spawn_blocking(move || send(leader, number)).await;
            }
            Ok(())
        }
        .boxed()
    }

    fn ended(&self) -> BoxFuture<'_, End> {
        async {
            loop {
                if let Some(end) = self.is_over().then(|| self.reap()).flatten() {
                    return end;
                }
                // A handle that cannot be waited for has nothing to wait for.
                let Ok(mut ready) = self.handle.readable().await else { return End::default() };
                let leader = self.leader;
                let _ = spawn_blocking(move || kill_all(leader)).await;
                if let Some(end) = self.reap() {
                    return end;
                }
                ready.clear_ready();
            }
        }
        .boxed()
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// Kills all that is left of a session, however fast it forks.
fn kill_all(leader: Pid) {
    for _ in 0..SWEEPS_MAX {
        if send(leader, Number::KILL) == 0 {
            return;
        }
    }
}

/// Sends a signal to every process of a session; to how many beside its leader.
fn send(leader: Pid, signal: Number) -> usize {
    let roots = Roots::default();
    let Ok(entries) = fs::read_dir(&roots.proc) else { return 0 };
    let pids =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    let is_in = |pid: Pid| session(&roots, pid) == Some(leader.as_raw_pid());
    let mut others = 0;
    for pid in pids.filter(|pid| is_in(*pid)) {
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        // Looked at again behind the handle: a number that was given anew in between is not taken.
        if is_in(pid) && pidfd_send_signal(&handle, signal).is_ok() && pid != leader {
            others += 1;
        }
    }
    others
}

/// The session of a process: the fourth word behind its name, which may hold anything.
fn session(roots: &Roots, pid: Pid) -> Option<i32> {
    let line = fs::read(roots.proc.join(pid.as_raw_pid().to_string()).join("stat")).ok()?;
    let end = line.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(line.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(3)?.parse().ok()
}
