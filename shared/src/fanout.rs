//! One thing done on many nodes, each of which ends in exactly one [`Outcome`].
//!
//! [`Mesh::select`](crate::mesh::Mesh::select) turns a selector into targets, a [`Plan`] says how many at a time
//! and when to stop, [`core::Fanout`] decides (pure, with time as a parameter), and [`drive`](drive::drive)
//! carries out what it decides. Nothing here knows what is done on a node.

pub mod core;
pub mod drive;
pub mod group;
pub mod normal;
pub mod plan;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Code, RpcError};
use crate::mesh::{Mesh, NodeHandle};
use crate::selector::Selector;
use crate::services::node::Member;

pub use plan::{Plan, Share};

/// How one target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Ok,
    /// It answered, and not well.
    Failed,
    /// Its time ran out, or that of all.
    TimedOut,
    /// There is no way to it, or the way broke.
    Unreachable,
    /// It refused.
    Denied,
    /// It, or its version, cannot do that.
    Unsupported,
    /// It was running when all was called off.
    Cancelled,
    /// It was never begun.
    Skipped,
}

impl Outcome {
    /// Every outcome, the best first.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Failed,
        Self::TimedOut,
        Self::Unreachable,
        Self::Denied,
        Self::Unsupported,
        Self::Cancelled,
        Self::Skipped,
    ];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// The word in a sentence.
    pub const fn words(self) -> &'static str {
        if matches!(self, Self::TimedOut) { "timed out" } else { self.as_str() }
    }

    /// What a call that failed so came to.
    pub const fn of(error: &RpcError) -> Self {
        match error.code {
            Code::Unauthenticated | Code::Forbidden => Self::Denied,
            Code::Unavailable => Self::Unreachable,
            Code::Unsupported => Self::Unsupported,
            Code::Deadline => Self::TimedOut,
            Code::Cancelled => Self::Cancelled,
            _ => Self::Failed,
        }
    }

    /// Whether it counts against [`Plan::fail_max`].
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Cancelled | Self::Skipped)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many targets ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// [`Outcome::Ok`].
    pub ok: usize,
    /// [`Outcome::Failed`].
    pub failed: usize,
    /// [`Outcome::TimedOut`].
    pub timed_out: usize,
    /// [`Outcome::Unreachable`].
    pub unreachable: usize,
    /// [`Outcome::Denied`].
    pub denied: usize,
    /// [`Outcome::Unsupported`].
    pub unsupported: usize,
    /// [`Outcome::Cancelled`].
    pub cancelled: usize,
    /// [`Outcome::Skipped`].
    pub skipped: usize,
}

impl Counts {
    /// One of them.
    pub const fn get(&self, outcome: Outcome) -> usize {
        match outcome {
            Outcome::Ok => self.ok,
            Outcome::Failed => self.failed,
            Outcome::TimedOut => self.timed_out,
            Outcome::Unreachable => self.unreachable,
            Outcome::Denied => self.denied,
            Outcome::Unsupported => self.unsupported,
            Outcome::Cancelled => self.cancelled,
            Outcome::Skipped => self.skipped,
        }
    }

    /// One more.
    pub const fn add(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Ok => &mut self.ok,
            Outcome::Failed => &mut self.failed,
            Outcome::TimedOut => &mut self.timed_out,
            Outcome::Unreachable => &mut self.unreachable,
            Outcome::Denied => &mut self.denied,
            Outcome::Unsupported => &mut self.unsupported,
            Outcome::Cancelled => &mut self.cancelled,
            Outcome::Skipped => &mut self.skipped,
        };
        *count += 1;
    }

    /// All of them.
    pub fn total(&self) -> usize {
        Outcome::ALL.iter().map(|&outcome| self.get(outcome)).sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = Outcome::ALL.into_iter().filter(|&outcome| self.get(outcome) > 0);
        let words: Vec<String> =
            some.map(|outcome| format!("{} {}", self.get(outcome), outcome.words())).collect();
        f.write_str(&words.join(", "))
    }
}

/// Why a selector gave no targets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// It fits nobody.
    #[error("the selector fits no node")]
    Nobody,
    /// It names whom nobody knows.
    #[error("no node is called {}", .0.join(", "))]
    Unknown(Vec<String>),
}

impl Mesh {
    /// Handles to the members that a selector means, of one name only one. An empty selector is no [`Selector`],
    /// one that fits nobody is an error, and so is a name that nobody bears.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn select(&self, selector: &Selector, members: &[Member]) -> Result<Vec<NodeHandle>, SelectError> {
        let selection = selector.select(members);
        if !selection.unknown.is_empty() {
            return Err(SelectError::Unknown(selection.unknown.into_iter().map(Into::into).collect()));
        }
        let mut names: Vec<_> = selection.members.iter().map(|member| &member.name).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Err(SelectError::Nobody);
        }
        Ok(names.into_iter().map(|name| self.node(name)).collect())
    }
}
