//! Calls: one definition of a service, and everything that follows from it.
//!
//! A contract in `services/` goes through [`service!`](crate::service) and comes out as a trait, a typed
//! client, an erased dispatcher and a [`service::ServiceSpec`]. Bytes come from a transport through
//! [`frame`] and [`codec`] into [`registry::Registry::call`], the only permission gate. Nothing here knows
//! a socket or a concrete service.

pub mod client;
pub mod codec;
pub mod frame;
pub mod registry;
pub mod service;
pub mod tlv;
