//! The node of P2P Admin, as a library: everything that the program `p2p-node` is made of.

pub mod host;
pub mod services;
