//! The distributed hash table: who is near which key, and who holds which record.
//!
//! Messages enter from the transport through the driver and leave the same way; everything that is decided
//! is decided in [`core`]. Nothing here grants authority: what the table holds is a hint until a signature
//! or a live connection proves it.

pub mod core;
pub mod driver;
pub mod handle;
