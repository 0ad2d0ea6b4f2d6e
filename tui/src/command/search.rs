//! A search among the files of a node.

use p2p_shared::id::NodeId;
use p2p_shared::services::file::FilePath;

/// One search of this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SearchId(pub u64);

/// What is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchFor {
    /// Names that fit this glob.
    Names(String),
    /// Lines that fit this regular expression.
    Lines(String),
}

impl SearchFor {
    /// Names that contain what was written, or fit it if it is a glob.
    pub fn names(text: &str) -> Self {
        let is_glob = text.contains(['*', '?', '[', '{', '/']);
        Self::Names(if is_glob { text.to_owned() } else { format!("*{text}*") })
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Names(glob) => format!("names like {glob}"),
            Self::Lines(regex) => format!("lines with {regex}"),
        }
    }
}

/// A search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchOrder {
    /// On which node.
    pub node: NodeId,
    /// Below which directory.
    pub path: FilePath,
    /// For what.
    pub what: SearchFor,
}
