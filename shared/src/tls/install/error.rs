//! Why a bundle is not in place, and how a program exits for it.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::Exit;
use crate::tls::credentials::CredentialsError;

/// Why a bundle is not in place. Nothing was changed unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Its own files do not hold together.
    #[error("its {}: {}", .0.file.display(), .0.problem)]
    Bundle(CredentialsError),
    /// Files of somebody else stand there.
    #[error("{} is of {standing}, and the bundle of {bundle}: --replace gives up what stands there", .directory.display())]
    Taken {
        /// Where.
        directory: PathBuf,
        /// Whose files stand there.
        standing: String,
        /// Whose the bundle is.
        bundle: String,
    },
    /// The same holder's, issued later.
    #[error(
        "the certificate of {standing} in {} was issued later than the bundle's: make the bundle again with `ca.sh bundle`, or take the older one with --replace",
        .directory.display()
    )]
    Older {
        /// Where.
        directory: PathBuf,
        /// Whose files.
        standing: String,
    },
    /// Files of a bundle stand there, and do not say whose they are.
    #[error("{} holds files whose owner cannot be told ({problem}): --replace gives them up", .directory.display())]
    Unknown {
        /// Where.
        directory: PathBuf,
        /// What is wrong with them.
        problem: String,
    },
    /// Something that no bundle brought.
    #[error("{} holds {name}, which is of no bundle: move it away, or name another directory with --certs", .directory.display())]
    Foreign {
        /// Where.
        directory: PathBuf,
        /// What.
        name: String,
    },
    /// The place is not a directory's.
    #[error("{} is not a directory that can be replaced: name one with --certs", .0.display())]
    NotADirectory(PathBuf),
    /// Another process does the same right now.
    #[error("another import into {} is at work: wait for it to end", .0.display())]
    Busy(PathBuf),
    /// The system does not do it.
    #[error("{}: {error}{}", .path.display(), advice(error))]
    File {
        /// On what.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// In place as long as the machine runs.
    #[error("the bundle is in place, but the disk did not confirm it: {}: {error}: import it again", .path.display())]
    Unconfirmed {
        /// The directory above.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// In place, and the files before it are still there.
    #[error("the bundle is in place, but what stood there before is still in {} and cannot be removed: {error}", .path.display())]
    Leftover {
        /// Where the older files are.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl InstallError {
    pub(super) fn file(path: &Path, error: impl Into<io::Error>) -> Self {
        Self::File { path: path.to_owned(), error: error.into() }
    }

    /// How a program that needs the bundle in place exits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => Exit::Permission,
            Self::File { .. } | Self::Unconfirmed { .. } | Self::Leftover { .. } | Self::Busy(_) => {
                Exit::Failed
            }
            _ => Exit::Data,
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ": run this as the user to whom the directory belongs (root for /etc), or name another with --certs"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": make room, and import it again",
        io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices => {
            ": it is a mount or part of an image, and cannot be replaced whole: import into a directory in it, and name that with --certs"
        }
        _ => "",
    }
}
