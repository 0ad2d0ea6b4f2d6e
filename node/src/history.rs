//! The history of figures: what the host and the mesh looked like, second by second for hours and minute by
//! minute for a month, and which processes were the busiest.
//!
//! Samples enter from the sampler's `watch`; answers leave through [`handle`]. [`core`] decides what is kept,
//! as pure functions; [`figures`] names the standard set; [`driver`] has the clock, [`keeper`] the disk;
//! [`question`] reads both what is kept and what is still open. Nothing here samples anything itself but the
//! list of processes every ten seconds.

pub mod core;
pub mod driver;
pub mod figures;
pub mod handle;
pub mod keeper;
mod keeping;
pub mod question;
