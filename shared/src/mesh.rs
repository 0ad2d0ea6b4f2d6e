//! The way to other nodes over QUIC: one connection a pair, one bidirectional stream a call. To the node of this
//! machine also over its Unix socket ([`Mesh::of_socket`]), one connection a call.
//!
//! [`Mesh::node`] gives a handle that is a [`Call`](crate::rpc::client::Call); what resolves names and what
//! dials are given to it ([`Resolve`], [`Dial`]), so that the node's transport and the console's endpoint
//! serve alike. Frames leave and come here; nothing here knows a service or decides who may do what.

pub mod backoff;
mod cid;
pub mod endpoint;
pub mod ends;
pub mod failure;
pub mod hello;
pub mod link;
mod path;
mod pool;
pub mod runtime;
pub mod silence;
pub mod socket;
pub mod stream;

pub use pool::{Dial, Mesh, NodeHandle, Resolve, Target, new_request_id};
