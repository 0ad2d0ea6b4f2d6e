//! A copy of a file or a tree from one place to another, and what is looked at before it begins.

use p2p_shared::id::NodeId;
use p2p_shared::services::file::{FilePath, FileRow};

/// One copy of this session; what is begun again has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyId(pub u64);

/// A path of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Whose.
    pub node: NodeId,
    /// Absolute.
    pub path: FilePath,
}

/// What is copied, with all that is in it, and to which name: itself, not below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOrder {
    /// From where.
    pub from: Spot,
    /// To where.
    pub to: Spot,
    /// What becomes of the source.
    pub after: After,
}

/// What becomes of a source once all of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Keep,
    /// It is removed, if it is still what was copied.
    Remove,
}

/// Whether what is copied goes below the place that was named, under its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// It does.
    Always,
    /// If that is a directory; else it becomes what was named.
    Directory,
}

/// What somebody wants to copy, before it is known what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    /// From which node.
    pub from: NodeId,
    /// Which of its paths.
    pub paths: Vec<FilePath>,
    /// To where.
    pub to: Spot,
    /// Under which name.
    pub below: Below,
    /// What becomes of the sources.
    pub after: After,
}

/// One copy of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyStep {
    /// What it would be.
    pub order: CopyOrder,
    /// What stands there already.
    pub there: Option<FileRow>,
}
