//! The console of P2P Admin as a library: a pure core and the thin loop around it.
//!
//! Keys, ticks and the mesh's messages enter as [`event::Event`] and answers are [`command::Command`]s, which
//! [`effects`] carries out. [`cli`] holds the commands for scripts. Only those two reach the network.

pub mod cli;
pub mod command;
pub mod effects;
pub mod event;
pub mod format;
pub mod selector;
