//! The supervisor: programs that a node keeps running.
//!
//! [`core`] decides, as a pure state machine; [`driver`] gives it the clock and publishes what became of every
//! program; [`hands`] keeps, starts, signals and probes; [`output`] carries what programs write. The
//! supervisor alone restarts; while the node is down nothing is.

pub mod core;
pub mod driver;
pub mod handle;
pub mod hands;
pub mod keeping;
pub mod output;
