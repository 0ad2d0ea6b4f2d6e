//! What two processes of P2P Admin must agree on: identities, the wire, the service contracts.
//!
//! Data enters as bytes from a peer (`rpc::frame`, `rpc::codec`, `tls`) and leaves as typed values, or
//! the other way round. Nothing here touches the operating system's processes or a terminal: that is the
//! node's and the console's. Of files only `transfer` knows, whose two sides are a node or a console alike.
#![warn(missing_docs)]

pub mod access;
pub mod config;
pub mod counters;
pub mod error;
pub mod fanout;
pub mod glob;
pub mod grant;
pub mod id;
pub mod load;
pub mod mesh;
pub mod rng;
pub mod rpc;
pub mod selector;
pub mod services;
pub mod time;
pub mod tls;
pub mod transfer;
pub mod witness;
