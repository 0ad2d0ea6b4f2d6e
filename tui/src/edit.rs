//! A file of a node on its way through an editor here, and how two texts differ.
//!
//! A part of a file enters, and a draft, a finding in words or the lines of a difference leave. The draft lies in a
//! private file meanwhile (`scratch`), which goes only once its text is on the node: no text of the user's is lost.

mod difference;
pub mod scratch;

use std::path::PathBuf;

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::file::{
    CONTENT_BYTES_MAX, FileChunk, FileContent, FileExpect, FilePath, FileRow, FileVersion,
};
use p2p_shared::time::UnixMillis;

use crate::format::bytes;

pub use difference::difference;

/// A file as it was read, to be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Of which node.
    pub node: NodeId,
    /// Which.
    pub path: FilePath,
    /// The state that was read.
    pub version: FileVersion,
    /// All of it.
    pub content: FileContent,
}

/// A text that is to take the place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Which file.
    pub path: FilePath,
    /// What has to be there for it.
    pub expect: FileExpect,
    /// The text.
    pub content: FileContent,
    /// The private file that holds it until it is written.
    pub kept: PathBuf,
}

/// How an editor ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The text is as it was; nothing is kept of it.
    Unchanged,
    /// The text is another one.
    Changed {
        /// The text.
        content: FileContent,
        /// The private file that holds it.
        kept: PathBuf,
    },
    /// It did not run, or failed; nothing is to be written.
    Failed {
        /// Why.
        why: String,
        /// The private file that holds what was written in it, if anything was.
        kept: Option<PathBuf>,
    },
}

/// Somebody else changed the file that was edited.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// What was to be written.
    pub edited: Edited,
    /// What is there now.
    pub theirs: Result<FileChunk, RpcError>,
    /// What is known of that.
    pub row: Option<FileRow>,
    /// Who wrote it, and when, where the node's audit record tells.
    pub by: Option<(String, UnixMillis)>,
}

impl Conflict {
    /// What has to be there for the text to be written all the same: exactly what was shown here.
    ///
    /// # Errors
    /// If nobody knows what is there.
    pub fn expect(&self) -> Result<FileExpect, String> {
        match &self.theirs {
            Ok(chunk) => Ok(FileExpect::Version(chunk.version)),
            Err(error) if error.code == p2p_shared::error::Code::NotFound => Ok(FileExpect::Absent),
            Err(error) => Err(format!("what is there now cannot be read: {}", error.message)),
        }
    }
}

/// The draft of a file, if it is a text that can be written back at once.
///
/// # Errors
/// Says what it is instead.
pub fn draft(node: NodeId, path: FilePath, chunk: FileChunk) -> Result<Draft, String> {
    if !chunk.is_end {
        let (size, most) = (bytes(chunk.version.size_bytes), bytes(CONTENT_BYTES_MAX.into()));
        return Err(format!("too large to be edited here: {size}, at most {most}; p2p cp copies it"));
    }
    if chunk.content.0.contains(&0) || std::str::from_utf8(&chunk.content.0).is_err() {
        return Err("no text in UTF-8: an editor might spoil it".to_owned());
    }
    Ok(Draft { node, path, version: chunk.version, content: chunk.content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(content: &[u8], is_end: bool) -> FileChunk {
        let version = FileVersion { inode: 1, size_bytes: 3 << 20, modified_ns: 0 };
        FileChunk { offset: 0, content: FileContent(content.to_vec()), is_end, version }
    }

    #[test]
    fn only_a_small_text_is_edited() {
        let draft = |content: &[u8], is_end| {
            draft(NodeId::new([1; 32]), "/etc/x".parse().unwrap(), chunk(content, is_end))
        };
        assert_eq!(draft("naïve\n".as_bytes(), true).unwrap().content.0, "naïve\n".as_bytes());
        assert!(draft(b"", true).is_ok());
        let large = draft(b"a", false).unwrap_err();
        assert!(large.contains("3.0M, at most 256K") && large.contains("p2p cp"), "{large}");
        for binary in [&b"\x7fELF\0"[..], b"caf\xe9"] {
            assert!(draft(binary, true).unwrap_err().contains("no text"));
        }
    }
}
