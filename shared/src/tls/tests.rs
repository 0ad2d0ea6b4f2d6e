//! The rules of identity, each with the reason that a refused peer is told.

mod credentials;
mod handshake;
mod profile;
mod trust;
