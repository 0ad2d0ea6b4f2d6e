//! Both sides of a transfer, as `services::transfer` has them: [`send::Sender`] answers, [`receive::Receiver`] asks.
//!
//! Descriptors of a directory enter, which whoever calls has judged; below them everything is done one name at a
//! time and without following links, so that nothing leads out of the tree. What a peer says enters through
//! [`Exchange`] and is checked: paths, order, sizes and hashes. All of it blocks: callers run it on a pool.
//! [`plan`] decides and knows no file. Contents are never logged.

pub mod plan;
pub mod receive;
pub mod send;
pub mod tree;

mod partial;
mod small;
mod walk;

use rustix::io::Errno;

use crate::error::{Code, RpcError};
use crate::services::transfer::{CHUNK_HASH_BYTES, TransferAsk, TransferProgress, TransferTell};

/// The way from the receiving side to the sending one, and to whoever watches.
pub trait Exchange {
    /// Asks; the answer comes later.
    ///
    /// # Errors
    /// If the way fails: the transfer ends.
    fn ask(&mut self, ask: TransferAsk) -> Result<(), RpcError>;
    /// The next answer.
    ///
    /// # Errors
    /// The same.
    fn answer(&mut self) -> Result<TransferTell, RpcError>;
    /// Says how far it is.
    ///
    /// # Errors
    /// If nobody wants to know any more: the transfer ends.
    fn progress(&mut self, now: &TransferProgress) -> Result<(), RpcError>;
}

/// What identifies a chunk.
pub(crate) fn hash(bytes: &[u8]) -> [u8; CHUNK_HASH_BYTES] {
    let mut short = [0; CHUNK_HASH_BYTES];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHUNK_HASH_BYTES]);
    short
}

/// For people.
pub(crate) fn words(source: Errno) -> String {
    match source {
        Errno::NOENT => "it is gone".into(),
        Errno::LOOP => "a symbolic link is in its place".into(),
        Errno::NOTDIR => "what is above it is no directory".into(),
        Errno::ISDIR => "a directory has that name".into(),
        Errno::PERM | Errno::ACCESS => format!("denied: operating system: {source}"),
        Errno::NAMETOOLONG => "a name in it is longer than 255 bytes".into(),
        Errno::NOSPC => "no space is left on its file system: free some, and do the same again".into(),
        Errno::DQUOT => "the quota of its owner is used up".into(),
        Errno::ROFS => "its file system is read-only".into(),
        _ => source.to_string(),
    }
}

/// Whether nothing else of the same tree would fare better.
pub(crate) const fn is_fatal(source: Errno) -> bool {
    matches!(source, Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO | Errno::MFILE | Errno::NFILE)
}

/// The end of a transfer that cannot go on.
pub(crate) fn fatal(path: &impl std::fmt::Display, source: Errno) -> RpcError {
    let code = match source {
        Errno::ROFS | Errno::PERM | Errno::ACCESS => Code::Forbidden,
        Errno::NOENT => Code::NotFound,
        Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NAMETOOLONG => Code::BadRequest,
        _ => Code::Unavailable,
    };
    let path = path.to_string();
    // The top of it has no path of its own.
    let path = if path.is_empty() { "the target" } else { &path };
    RpcError::new(code, format!("{path}: {}", words(source)))
}

#[cfg(test)]
mod tests;
