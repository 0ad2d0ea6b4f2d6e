//! What can be wrong with the database, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use p2p_shared::error::Exit;

/// Why the database cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the file is not there for us.
    #[error("cannot open {}: {source}; check that the directory exists and belongs to the node's user", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use: another p2p-node runs with this data directory; stop it, or give --data another directory", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// Its checksums or its structure do not hold.
    #[error(
        "{} is damaged ({detail}); move it away and start again: the node learns the mesh anew, its labels are lost",
        path.display()
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What does not hold.
        detail: String,
    },
    /// Written by another version of this program.
    #[error("{} has layout {found}, this program reads {ours}; install the version that wrote it", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its layout.
        found: u64,
        /// Ours.
        ours: u64,
    },
    /// A value that is not what its name says.
    #[error("{}: the value of {name} is malformed; move the file away and start again", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which value.
        name: String,
    },
    /// It could not be read or written: a full or failing disk.
    #[error("cannot use {}: {source}", path.display())]
    Use {
        /// Which file.
        path: PathBuf,
        /// What failed.
        source: Box<redb::Error>,
    },
}

impl StoreError {
    pub(super) fn opening(path: &Path, source: redb::Error) -> Self {
        let path = path.to_owned();
        match source {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path },
            redb::Error::Io(source) if source.kind() != io::ErrorKind::InvalidData => {
                Self::File { path, source }
            }
            source => Self::Corrupt { path, detail: source.to_string() },
        }
    }

    pub(super) fn using(path: &Path, source: redb::Error) -> Self {
        let path = path.to_owned();
        match source {
            redb::Error::Corrupted(detail) => Self::Corrupt { path, detail },
            source => Self::Use { path, source: Box::new(source) },
        }
    }

    /// How a program that cannot go on without it exits.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::File { .. } | Self::Use { .. } => Exit::Unavailable,
            Self::InUse { .. } | Self::Corrupt { .. } | Self::Version { .. } | Self::Malformed { .. } => {
                Exit::Config
            }
        }
    }
}
