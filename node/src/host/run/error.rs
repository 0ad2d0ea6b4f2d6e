//! Why something was not run.

use std::io;

use p2p_shared::error::RpcError;

use super::PATH;

/// Why something was not started, or did not get a signal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// No such program.
    #[error("cannot run {program:?}: {}", not_found(program))]
    NotFound {
        /// As it was named.
        program: String,
    },
    /// It is there, or its directory is not, and it cannot be run.
    #[error("cannot run {program:?}: {why}")]
    NotRunnable {
        /// As it was named.
        program: String,
        /// What stands against it.
        why: String,
    },
    /// Nobody is called so.
    #[error("this machine knows no {what} {name:?}: it is in no line of /etc/passwd or /etc/group")]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// Who was named.
        name: String,
    },
    /// The node may not become that user.
    #[error("denied: operating system: cannot run as user {user}: this node lacks CAP_SETUID or CAP_SETGID")]
    Denied {
        /// As whom.
        user: String,
    },
    /// The node itself is short of something.
    #[error("cannot run it: {0}")]
    Failed(String),
}

impl From<RunError> for RpcError {
    fn from(error: RunError) -> Self {
        let message = error.to_string();
        match error {
            RunError::NotFound { .. } | RunError::Unknown { .. } => Self::not_found(message),
            RunError::NotRunnable { .. } => Self::conflict(message),
            RunError::Denied { .. } => Self::forbidden(message),
            RunError::Failed(_) => Self::unavailable(message),
        }
    }
}

fn not_found(program: &str) -> String {
    if program.contains('/') { "no such file".into() } else { format!("no such program in {PATH}") }
}

/// What the kernel says, without the number.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
