//! The task queue: work that outlives its caller, and the node.
//!
//! [`core`] decides, as a pure state machine; [`table`] shows what became of every job. While the node is down
//! nothing is begun.

pub mod core;
pub mod filter;
pub mod keeping;
pub mod table;
#[cfg(test)]
mod testing;
