//! Files of this machine, through one door: the [`jail`].
//!
//! Paths of callers enter, rows, bytes and what was done leave. Every path is resolved by [`jail::Jail`], under
//! the directories that the local policy allows; everything else works relative to the descriptors that it
//! gives, one name at a time and without following links. All of it blocks: callers run it on a pool. Contents
//! are never logged.

pub mod change;
pub mod error;
pub mod follow;
pub mod jail;
pub mod list;
pub mod read;
pub mod reserved;
pub mod search;
pub mod tree;
pub mod undo;
pub mod write;

mod draft;
mod names;
mod row;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
