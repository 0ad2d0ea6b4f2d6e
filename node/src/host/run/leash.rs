//! The hold on a process group: signals to all of it, and its end.
//!
//! A group is only ever signalled while its first process is known to be the one that was started: a child
//! that was not reaped keeps its number, and one of an earlier life is verified first. A child is reaped when it
//! is released, not when it ends.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::services::process::{ProcessRef, Signal};
use process_wrap::tokio::ChildWrapper;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal as Number, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{End, Kind, Leash, RunError, start_ticks};
use crate::host::Roots;
use crate::host::control::number_of;
use crate::host::error::{Action, HostError};

/// A handle on a process that becomes readable when it ends.
#[expect(deprecated, reason = "unsound only for what gives its descriptor away, which an OwnedFd does not")]
pub(super) fn watch(pid: Pid) -> std::io::Result<AsyncFd<OwnedFd>> {
    let handle = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    AsyncFd::with_interest(handle, Interest::READABLE)
}

fn send(group: Pid, signal: Number) -> Result<(), RunError> {
    match kill_process_group(group, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => {
            let pid = group.as_raw_nonzero().get().unsigned_abs();
            Err(RunError::Failed(HostError::of(Action::Signal, pid, errno).to_string()))
        }
    }
}

fn kill_rest(group: Pid) {
    if let Err(error) = send(group, Number::KILL) {
        tracing::warn!(%error, "what a run left behind cannot be killed");
    }
}

fn number(signal: Signal) -> Result<Number, RunError> {
    number_of(signal).ok_or_else(|| RunError::Failed("this node does not know that signal".into()))
}

/// The hold on a child. Anything but a program is killed when it is dropped before it was released.
#[derive(Debug)]
pub(super) struct ChildLeash {
    kind: Kind,
    group: Pid,
    // `None` once it is reaped. Held while a signal is sent, so that its number is not free in the middle of it.
    child: Mutex<Option<Box<dyn ChildWrapper>>>,
    handle: AsyncFd<OwnedFd>,
    // Of its pipes, if they have names.
    directory: Option<PathBuf>,
}

impl ChildLeash {
    pub(super) const fn new(
        (kind, group): (Kind, Pid),
        child: Box<dyn ChildWrapper>,
        handle: AsyncFd<OwnedFd>,
        directory: Option<PathBuf>,
    ) -> Self {
        Self { kind, group, child: Mutex::new(Some(child)), handle, directory }
    }

    /// How it ended; it stays a zombie, so that its number stays its own.
    fn end(&self) -> End {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.is_none() {
            return End::default();
        }
        if self.kind == Kind::Program {
            kill_rest(self.group);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::PidFd(self.handle.get_ref().as_fd()), options) {
            Ok(Some(status)) => {
                End { code: status.exit_status(), signal: status.terminating_signal(), out_of_memory: None }
            }
            Ok(None) => End::default(),
            Err(error) => {
                tracing::error!(%error, "the end of a child cannot be learnt");
                End::default()
            }
        }
    }

    fn reap(&self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut child) = child else { return };
        if self.kind != Kind::Exec {
            kill_rest(self.group);
        }
        if let Err(error) = child.try_wait() {
            tracing::error!(%error, "a child cannot be reaped");
        }
    }
}

impl Drop for ChildLeash {
    /// Only a program goes on without anybody who holds it; it is taken up again.
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        if child.is_some() && self.kind != Kind::Program {
            kill_rest(self.group);
        }
    }
}

impl Leash for ChildLeash {
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), RunError>> {
        async move {
            let number = number(signal)?;
            let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            if child.is_some() { send(self.group, number) } else { Ok(()) }
        }
        .boxed()
    }

    fn ended(&self) -> BoxFuture<'_, End> {
        async {
            // Readable once it has ended, and for ever; an error means that the runtime is ending.
            match self.handle.readable().await {
                Ok(_) => self.end(),
                Err(_) => End::default(),
            }
        }
        .boxed()
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        async {
            self.reap();
            if let Some(directory) = &self.directory {
                remove(directory).await;
            }
        }
        .boxed()
    }
}

/// Removes the pipes of a run.
pub(super) async fn remove(directory: &std::path::Path) {
    match tokio::fs::remove_dir_all(directory).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(directory = %directory.display(), %error, "the pipes of a run are left");
        }
        _ => {}
    }
}

/// The hold on a process that an earlier life of the node started: its end is seen, not how.
#[derive(Debug)]
pub(super) struct FoundLeash {
    pub(super) roots: Roots,
    pub(super) process: ProcessRef,
    pub(super) group: Pid,
    pub(super) handle: AsyncFd<OwnedFd>,
    pub(super) directory: PathBuf,
}

impl Leash for FoundLeash {
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), RunError>> {
        async move {
            let number = number(signal)?;
            if start_ticks(&self.roots, self.process.pid) != Some(self.process.start_ticks) {
                return Ok(());
            }
            send(self.group, number)
        }
        .boxed()
    }

    fn ended(&self) -> BoxFuture<'_, End> {
        async {
            let _ = self.handle.readable().await;
            // While there is no process of this number, a group of it can only be what is left of this one.
            let now = start_ticks(&self.roots, self.process.pid);
            if now.is_none_or(|ticks| ticks == self.process.start_ticks) {
                kill_rest(self.group);
            }
            End::default()
        }
        .boxed()
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        remove(&self.directory).boxed()
    }
}
