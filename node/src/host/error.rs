//! How looking at the host, or acting on it, can fail, and what a caller is told.

use std::fmt;
use std::path::PathBuf;

use p2p_shared::error::RpcError;
use rustix::io::Errno;

use super::Roots;
use super::abilities::{Capability, Rights};

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sending it a signal.
    Signal,
    /// Setting its nice value.
    Renice,
    /// Finding out whether it is the one that was seen.
    Identify,
    /// Reading everything about it.
    Inspect,
}

impl Action {
    /// What it takes when the process is somebody else's.
    const fn needs(self) -> Option<Capability> {
        match self {
            Self::Signal => Some(Capability::Kill),
            Self::Renice => Some(Capability::SysNice),
            Self::Inspect => Some(Capability::SysPtrace),
            Self::Identify => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Signal => "signal",
            Self::Renice => "nice value",
            Self::Identify => "identity",
            Self::Inspect => "inspection",
        })
    }
}

/// Why the host cannot be read or acted upon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// A file on which everything else rests is not there, as when `/proc` is not mounted.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: Errno,
    },
    /// What was asked for makes no sense for any process.
    #[error("{0}")]
    Invalid(String),
    /// The host has started anew since the process was seen.
    #[error("process {pid} was seen in an earlier boot of this host; it is gone")]
    OtherBoot {
        /// Its process id then.
        pid: u32,
    },
    /// It has ended, and its pid may by now be somebody else's.
    #[error("process {pid} is no longer the one that was seen: it has ended")]
    OtherProcess {
        /// Its process id then.
        pid: u32,
    },
    /// The node will not do that to its own process.
    #[error(
        "denied: node: {0} would end or stop this node itself without its leaving the mesh; SIGTERM does"
    )]
    OwnProcess(&'static str),
    /// The kernel will not let the node do that.
    #[error("denied: operating system: {action} of process {pid}: {}", why(*missing, *source))]
    Denied {
        /// What was tried.
        action: Action,
        /// On whom.
        pid: u32,
        /// What the node would need for it; `None` if it has that.
        missing: Option<Capability>,
        /// What the kernel said.
        source: Errno,
    },
    /// The kernel failed otherwise.
    #[error("{action} of process {pid} failed: {source}")]
    Failed {
        /// What was tried.
        action: Action,
        /// On whom.
        pid: u32,
        /// What the kernel said.
        source: Errno,
    },
    /// The node is shutting down.
    #[error("this node no longer samples its host")]
    Stopped,
    /// The sampling thread could not be started.
    #[error("cannot start a thread that samples the host: {0}")]
    NoThread(String),
}

impl HostError {
    /// What an errno of `action` on `pid` means. "No longer there" is a conflict, not "not found": the caller
    /// named a process that was there when it looked.
    pub(crate) fn of(action: Action, pid: u32, source: Errno) -> Self {
        match source {
            Errno::SRCH | Errno::NOENT => Self::OtherProcess { pid },
            Errno::PERM | Errno::ACCESS => {
                let rights = Rights::own(&Roots::default());
                let missing = action.needs().filter(|&capability| !rights.has(capability));
                Self::Denied { action, pid, missing, source }
            }
            _ => Self::Failed { action, pid, source },
        }
    }
}

/// The missing right, or what the kernel says although none is missing.
fn why(missing: Option<Capability>, source: Errno) -> String {
    match missing {
        Some(capability) => {
            let also = if capability == Capability::SysNice { " or a lower value" } else { "" };
            let takes = format!("which it takes for another user's process{also}");
            format!("this node lacks {capability}, {takes}: see `p2p-node doctor` there")
        }
        None => format!("{source}: no capability is missing; a security module or a namespace forbids it"),
    }
}

impl From<HostError> for RpcError {
    fn from(error: HostError) -> Self {
        let message = error.to_string();
        match error {
            HostError::Invalid(_) => Self::bad_request(message),
            HostError::OtherBoot { .. } | HostError::OtherProcess { .. } => Self::conflict(message),
            HostError::OwnProcess(_) | HostError::Denied { .. } => Self::forbidden(message),
            HostError::Unreadable { .. }
            | HostError::Failed { .. }
            | HostError::Stopped
            | HostError::NoThread(_) => Self::unavailable(message),
        }
    }
}
