//! The directory of the mesh: every member, alive or not, with the facts that it signed of itself.
//!
//! Bytes of peers enter through [`wire`] and [`facts`], which verifies them, and reach the pure [`core`] as
//! values; members, changes of them and messages to peers leave. Nothing here grants authority: a member
//! may be listed, pinged and forgotten, and no more follows from it. Facts that were not verified under the
//! key of the member that they are about never reach the core.

pub mod core;
pub mod driver;
pub mod facts;
pub mod handle;
pub mod revoked;
pub mod wire;
