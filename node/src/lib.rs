//! The node of P2P Admin as a library: the composition root and everything below it.

pub mod cli;
pub mod pki;
