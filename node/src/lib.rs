//! The node of P2P Admin: what runs on each machine, and together is the mesh.
//!
//! See README for the map. Only `host` touches the operating system, only `transport` a socket of the mesh.

pub mod alerts;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod dht;
pub mod doctor;
pub mod gate;
pub mod history;
pub mod host;
pub mod http;
pub mod jobs;
pub mod labels;
pub mod logging;
pub mod membership;
pub mod metrics;
pub mod naming;
pub mod node;
pub mod pki;
pub mod policy;
pub mod portrait;
pub mod program;
pub mod service_manager;
pub mod services;
pub mod shells;
pub mod store;
pub mod supervise;
pub mod transport;
