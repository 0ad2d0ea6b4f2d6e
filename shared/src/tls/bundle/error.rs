//! Why a tar is no bundle, or a line of it no address, and how a program exits for it.

use std::io;

use super::{BOOTSTRAP_FILE, BUNDLE_BYTES_MAX};
use crate::error::Exit;

/// Why a tar is no bundle. Says what to do; names in it are made harmless.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The system does not give it.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// Somebody at a keyboard, where a bundle was to come from.
    #[error("a bundle does not come from a terminal: name its file, or pipe it in")]
    Terminal,
    /// More bytes than a bundle ever has.
    #[error("it is larger than {} KiB, and no bundle is: `ca.sh bundle` makes one", BUNDLE_BYTES_MAX / 1024)]
    TooLarge,
    /// Something else, or not all of it.
    #[error("it is no tar, or was damaged or cut off: make it with `ca.sh bundle`, and copy it again")]
    NotATar,
    /// A name that no bundle has: also any with a path.
    #[error("it holds {0}, and no bundle does: unpack nothing of it, and make one with `ca.sh bundle`")]
    UnknownFile(String),
    /// A link, a directory, a device, a sparse file.
    #[error("its {0} is not a plain file: unpack nothing of it, and make one with `ca.sh bundle`")]
    NotAFile(&'static str),
    /// The same name again.
    #[error("it holds {0} twice: unpack nothing of it, and make one with `ca.sh bundle`")]
    Twice(&'static str),
    /// A file that is too large to be what its name says.
    #[error("its {0} is too large to be a key or a certificate: make it with `ca.sh bundle`")]
    FileTooLarge(&'static str),
    /// Not all that its holder needs.
    #[error("it lacks {0}: it was cut off, or is no bundle; `ca.sh bundle` makes one")]
    Missing(&'static str),
    /// An address that is none.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
}

impl BundleError {
    /// How a program that cannot do without it exits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied => Exit::Permission,
            Self::Terminal => Exit::Usage,
            _ => Exit::Data,
        }
    }
}

/// A line of a bootstrap file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{BOOTSTRAP_FILE}:{line}: {message}")]
pub struct BootstrapError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}
