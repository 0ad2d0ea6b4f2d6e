//! The CA of a mesh: makes it, issues and renews certificates, lists them, packs them for their machines.
//!
//! Requests of the person who holds the CA enter, files of one directory leave (CONVENTIONS section 1). The
//! CA works offline: nothing here opens a socket, asks a clock (`now` is an argument) or asks a person
//! (passphrases are arguments). Keys are written for their owner alone and never shown.

mod address;
mod authority;
mod bundle;
mod courier;
mod crl;
mod error;
mod files;
mod issue;
mod key;
mod leaf;
mod record;
mod revoke;

#[cfg(test)]
mod tests;

pub use address::{Address, Endpoint};
pub use authority::{Authority, CA_DAYS_DEFAULT, CaCertificate, NewCa};
pub use bundle::bundle;
pub use crl::{CRL_DAYS_DEFAULT, CRL_DER, CRL_PEM, Crl};
pub use error::PkiError;
pub use issue::{Issued, NODE_DAYS_DEFAULT, NodeRequest, OPERATOR_DAYS_DEFAULT, OperatorRequest, Renewal};
pub use key::{PASSPHRASE_CHARS_MIN, Sealing};
pub use leaf::LEAF_DAYS_MAX;
pub use record::{Kind, Record, RevokedRecord, find, list, refuse_taken, show};
pub use revoke::{REVOKED, Revocation, Revoked};
