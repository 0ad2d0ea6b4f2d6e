//! The node of P2P Admin: what runs on each machine, and together is the mesh.
//!
//! See README for the map. Only `host` touches the operating system, only `transport` a socket of the mesh.

pub mod cli;
pub mod dht;
pub mod host;
pub mod membership;
pub mod pki;
pub mod services;
pub mod transport;
