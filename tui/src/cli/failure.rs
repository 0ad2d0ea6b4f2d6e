//! How a headless command fails: an exit code, and words for people.

use std::io;

use p2p_shared::error::{Exit, RpcError};

use crate::effects::settings::SettingsError;
use crate::effects::way::EnterError;
use crate::selector::SelectorError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Anything with one line of words.
    #[error("{message}")]
    Failed {
        /// How the program exits.
        exit: Exit,
        /// What failed, on what, and what to do.
        message: String,
    },
    /// There is no certificate to work with: the reader is new here.
    #[error("{0}")]
    FirstRun(SettingsError),
    /// Standard output took no more.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

impl CliError {
    /// A failure that exits with `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Failed { exit, message: message.into() }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// How the program exits. A reader that went away (`| head -1`) is no failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Failed { exit, .. } => *exit,
            Self::FirstRun(_) => Exit::Config,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Output(_) => Exit::Failed,
        }
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::NoCertificates(_) => Self::FirstRun(error),
            other => Self::new(other.exit(), other.to_string()),
        }
    }
}

impl From<EnterError> for CliError {
    fn from(error: EnterError) -> Self {
        Self::new(error.exit(), error.to_string())
    }
}

impl From<SelectorError> for CliError {
    fn from(error: SelectorError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<RpcError> for CliError {
    fn from(error: RpcError) -> Self {
        Self::new(error.code.exit(), words(&error))
    }
}

/// An error of a call as one line: who answered so, and what.
pub fn words(error: &RpcError) -> String {
    match &error.node {
        Some(node) => format!("{node} answers: {} ({})", error.message, error.code),
        None => error.message.clone(),
    }
}
