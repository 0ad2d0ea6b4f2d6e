//! The task queue: work that outlives its caller, and the node.
//!
//! [`core`] decides, as a pure state machine; [`driver`] gives it the clock; [`hands`] keep, begin and end;
//! [`output`] carries what jobs write; `scan` is the one kind of
//! work that the node does itself; [`table`] shows what became of every job. While the node is down nothing is
//! begun.

pub mod core;
pub mod driver;
pub mod filter;
pub mod handle;
pub mod hands;
pub mod keeping;
pub mod output;
mod scan;
pub mod table;
#[cfg(test)]
mod testing;
