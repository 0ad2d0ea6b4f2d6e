//! The rules of identity, each with the reason that a refused peer is told.

mod bundle;
mod credentials;
mod handshake;
mod install;
mod profile;
mod revoked;
mod trust;
