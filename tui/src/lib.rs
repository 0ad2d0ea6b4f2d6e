//! The console of P2P Admin as a library.

pub mod cli;
pub mod command;
pub mod effects;
pub mod event;
pub mod format;
pub mod selector;
