//! Why a file cannot be seen or changed.

use p2p_shared::error::RpcError;
use p2p_shared::services::file::{FileKind, FilePath};
use rustix::io::Errno;

/// Longest path that is repeated in a message, in bytes.
const SHOWN_BYTES_MAX: usize = 200;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// An argument is out of its range.
    #[error("{0}")]
    Invalid(String),
    /// No version is kept under that id.
    #[error("no version is kept as {0:?}: file.undos lists those that are")]
    NotKept(String),
    /// The path leads out of what may be reached here.
    #[error(
        "denied: file roots: {} does not lead to anything under {roots} (file_roots of policy.toml)",
        shown(path)
    )]
    Outside {
        /// What was asked for.
        path: FilePath,
        /// What may be reached.
        roots: String,
    },
    /// The node keeps its hands off that.
    #[error("denied: node: {} is {what}: no call touches it", shown(path))]
    Reserved {
        /// What was asked for.
        path: FilePath,
        /// Why.
        what: &'static str,
    },
    /// It is not the kind of thing that this can be done to.
    #[error("{} is {}: only a {wanted} can be used so", shown(path), words(*kind))]
    Kind {
        /// What was asked for.
        path: FilePath,
        /// What it is.
        kind: FileKind,
        /// What it should be.
        wanted: &'static str,
    },
    /// It is not what the caller saw or expects.
    #[error("{}: {why}", shown(path))]
    Changed {
        /// Which.
        path: FilePath,
        /// What differs.
        why: String,
    },
    /// The kernel will not.
    #[error("{action} of {}: {}", shown(path), reason(*source))]
    Os {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: FilePath,
        /// What the kernel said.
        source: Errno,
    },
    /// The caller went away.
    #[error("the caller went away")]
    Cancelled,
}

impl FileError {
    /// The kernel's refusal of `action` on `path`.
    pub fn os(action: &'static str, path: &FilePath) -> impl FnOnce(Errno) -> Self {
        let path = path.clone();
        move |source| Self::Os { action, path, source }
    }

    /// The same of an error of the standard library.
    pub fn io(action: &'static str, path: &FilePath) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.clone();
        move |error| Self::Os { action, path, source: Errno::from_io_error(&error).unwrap_or(Errno::IO) }
    }

    /// What is no longer as it was.
    pub fn changed(path: &FilePath, why: impl Into<String>) -> Self {
        Self::Changed { path: path.clone(), why: why.into() }
    }

    /// What the kernel said, if it was the kernel.
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Os { source, .. } => Some(*source),
            _ => None,
        }
    }
}

/// A path on one line, cut where it is long.
fn shown(path: &FilePath) -> String {
    let mut text = path.to_string();
    if text.len() > SHOWN_BYTES_MAX {
        text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
        text.push_str("...");
    }
    text
}

const fn words(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Fifo => "a named pipe",
        FileKind::Socket => "a socket",
        FileKind::CharDevice => "a character device",
        FileKind::BlockDevice => "a block device",
        FileKind::Unknown => "of a kind that this version does not know",
    }
}

fn reason(source: Errno) -> String {
    let words = match source {
        Errno::NOSPC => "no space is left on its file system; nothing was changed: free some, and try again",
        Errno::DQUOT => "the quota of its owner is used up; nothing was changed",
        Errno::ROFS => "its file system is read-only",
        Errno::NOENT => "there is no such file or directory",
        Errno::EXIST => "that name is taken already",
        Errno::NOTEMPTY => {
            "the directory is not empty: file.usage counts it, and file.remove takes that count as entries"
        }
        Errno::XDEV => "the two are on different file systems: copy, and remove the first",
        Errno::BUSY => "something is mounted there, or uses it",
        Errno::LOOP => "too many symbolic links, or one of the kernel's own",
        Errno::NAMETOOLONG => "a name in it is longer than 255 bytes",
        Errno::PERM | Errno::ACCESS => {
            return format!(
                "denied: operating system: {source}: see `p2p-node doctor` there for what the node may"
            );
        }
        _ => return source.to_string(),
    };
    words.to_owned()
}

impl From<FileError> for RpcError {
    fn from(error: FileError) -> Self {
        let message = error.to_string();
        match error {
            FileError::Invalid(_) | FileError::Kind { .. } => Self::bad_request(message),
            FileError::Outside { .. } | FileError::Reserved { .. } => Self::forbidden(message),
            FileError::Changed { .. } => Self::conflict(message),
            FileError::NotKept(_) => Self::not_found(message),
            FileError::Cancelled => Self::cancelled(message),
            FileError::Os { source, .. } => match source {
                Errno::NOENT => Self::not_found(message),
                Errno::PERM | Errno::ACCESS | Errno::ROFS => Self::forbidden(message),
                Errno::EXIST | Errno::NOTEMPTY | Errno::BUSY | Errno::TXTBSY => Self::conflict(message),
                Errno::FBIG => Self::too_large(message),
                Errno::NOTSUP | Errno::NOSYS => Self::unsupported(message),
                Errno::NOTDIR
                | Errno::ISDIR
                | Errno::INVAL
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::XDEV => Self::bad_request(message),
                _ => Self::unavailable(message),
            },
        }
    }
}
