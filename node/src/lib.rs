//! The node of P2P Admin: what runs on each machine, and together is the mesh.
//!
//! See README for the map. Nothing below `host` touches the operating system, nothing below `transport` a socket.

pub mod transport;
