//! Alert rules as a pure core: rules, figures and the operator's word in, what became of alerts out.
//!
//! [`rule`] is what a rule is, [`text`] and `file` how it is written, [`engine`] what it does, [`words`] what is
//! said; [`book`] is all rules of a node, and [`catalogue`] what they can be about. All durations are by the
//! monotonic clock: a wall clock that jumps only changes what is shown. No clock, no disk, no task.

pub mod alert;
pub mod book;
pub mod catalogue;
pub mod engine;
pub mod file;
pub mod recent;
pub mod rule;
pub mod silence;
pub mod text;
pub mod wanted;
pub mod words;
