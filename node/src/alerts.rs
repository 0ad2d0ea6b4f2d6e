//! Alerts: rules over figures, and what becomes of them.
//!
//! [`core`] decides, as pure functions; [`driver`] gives it the figures of each second and carries out what operators
//! order; [`notify`] tells people. What rules look at beside the samples, [`probes`] look at. Nothing here acts on the
//! machine.

pub mod core;
pub mod deaths;
pub mod driver;
mod figures;
pub mod handle;
pub mod keeping;
mod notices;
pub mod notify;
mod orders;
pub mod probes;
pub mod view;
