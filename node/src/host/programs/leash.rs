//! The hold on a process group: signals to all of it, and its end.
//!
//! A group is only ever signalled while its first process is known to be the one that was started: a child
//! that was not reaped keeps its number, and one of an earlier life is verified first.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::services::process::{ProcessRef, Signal};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal as Number, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{End, Leash, start_ticks};
use crate::host::Roots;
use crate::host::control::number_of;
use crate::host::error::{Action, HostError};

/// A handle on a process that becomes readable when it ends.
#[expect(deprecated, reason = "unsound only for what gives its descriptor away, which an OwnedFd does not")]
pub(super) fn watch(pid: Pid) -> std::io::Result<AsyncFd<OwnedFd>> {
    let handle = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    AsyncFd::with_interest(handle, Interest::READABLE)
}

fn send(group: Pid, signal: Number) -> Result<(), HostError> {
    match kill_process_group(group, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(HostError::of(Action::Signal, group.as_raw_nonzero().get().unsigned_abs(), errno)),
    }
}

fn number(signal: Signal) -> Result<Number, HostError> {
    number_of(signal).ok_or_else(|| HostError::Invalid("this node does not know that signal".into()))
}

/// The hold on a child.
#[derive(Debug)]
pub(super) struct ChildLeash {
    group: Pid,
    // Held while a signal is sent, so that the child is not reaped, and its number free, in the middle of it.
    child: Mutex<Option<Child>>,
    handle: AsyncFd<OwnedFd>,
}

impl ChildLeash {
    pub(super) const fn new(group: Pid, child: Child, handle: AsyncFd<OwnedFd>) -> Self {
        Self { group, child: Mutex::new(Some(child)), handle }
    }

    /// Kills what is left of the group, and only then reaps its first process.
    fn reap(&self) -> Option<End> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = child.as_mut() else { return Some(End::default()) };
        let left = send(self.group, Number::KILL);
        if let Err(error) = left {
            tracing::warn!(%error, "what a program left behind cannot be killed");
        }
        match waiting.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                *child = None;
                Some(end_of(status))
            }
            Err(error) => {
                tracing::error!(%error, "the end of a child cannot be learnt");
                *child = None;
                Some(End::default())
            }
        }
    }
}

fn end_of(status: ExitStatus) -> End {
    End { code: status.code(), signal: status.signal(), out_of_memory: None }
}

impl Leash for ChildLeash {
    fn signal(&self, signal: Signal) -> Result<(), HostError> {
        let number = number(signal)?;
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.is_some() { send(self.group, number) } else { Ok(()) }
    }

    fn ended(&self) -> BoxFuture<'_, End> {
        async {
            loop {
                // A handle that cannot be waited for has nothing to wait for.
                let Ok(mut ready) = self.handle.readable().await else { return End::default() };
                if let Some(end) = self.reap() {
                    return end;
                }
                ready.clear_ready();
            }
        }
        .boxed()
    }
}

/// The hold on a process that an earlier life of the node started: its end is seen, not how.
#[derive(Debug)]
pub(super) struct FoundLeash {
    pub(super) roots: Roots,
    pub(super) process: ProcessRef,
    pub(super) group: Pid,
    pub(super) handle: AsyncFd<OwnedFd>,
}

impl Leash for FoundLeash {
    fn signal(&self, signal: Signal) -> Result<(), HostError> {
        let number = number(signal)?;
        if start_ticks(&self.roots, self.process.pid) != Some(self.process.start_ticks) {
            return Ok(());
        }
        send(self.group, number)
    }

    fn ended(&self) -> BoxFuture<'_, End> {
        async {
            let _ = self.handle.readable().await;
            // While there is no process of this number, a group of it can only be what is left of this one.
            let now = start_ticks(&self.roots, self.process.pid);
            if now.is_none_or(|ticks| ticks == self.process.start_ticks)
                && let Err(error) = send(self.group, Number::KILL)
            {
                tracing::warn!(%error, "what a program left behind cannot be killed");
            }
            End::default()
        }
        .boxed()
    }
}
