//! The node of P2P Admin: what runs on each machine, and is the mesh.

pub mod cli;
pub mod config;
pub mod http;
pub mod logging;
pub mod program;
pub mod service_manager;
