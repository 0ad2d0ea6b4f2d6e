//! Identity: from a peer's certificate to who it is, or to the reason why it is refused.
//!
//! Certificates, keys and the CA enter as DER, from a directory of PEM files, or in a bundle that is put in
//! place; rustls configurations, identities and signatures leave. Nothing here trusts a name that is not in a verified certificate, asks
//! a clock (rustls does, or the caller), or prints a secret.
//!
//! The order of judgement is fixed: webpki (chain, signatures, dates), the root's own dates, which webpki
//! does not look at, the profile of `identity`, the mesh, the revoked ids.

mod bundle;
mod config;
mod credentials;
mod envelope;
mod install;
mod key;
mod profile;
mod refusal;
mod remembered;
mod revoked;
mod token;
mod trust;
mod verifier;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use bundle::{
    BOOTSTRAP_FILE, BOOTSTRAP_MAX, BootstrapError, Bundle, BundleError, BundleKind, REVOKED_FILE,
    bootstrap_addresses,
};
pub use config::{client_config, server_config};
pub use credentials::{Credentials, CredentialsError, CredentialsProblem, certificates_file};
pub use envelope::{
    AGE_MAX as MESSAGE_AGE_MAX, AHEAD_MAX as MESSAGE_AHEAD_MAX, Envelope, EnvelopeError, Message, Received,
};
pub use install::{Change, InstallError, Installed, OthersFiles};
pub use key::{KeyFile, MeshKey, PassphraseError, passphrase_file};
pub use profile::{
    CERT_LIFE_MAX, PeerIdentity, PeerKind, ProfileRule, ROLE_EXTENSION_OID, identity, node_id,
};
pub use refusal::{Refusal, RefusalReason, TEXT_BYTES_MAX, clean_text};
pub use revoked::{
    REVOKED_BYTES_MAX, REVOKED_KEYS_MAX, RevokedError, RevokedKey, RevokedList, RevokedReason, SignedRevoked,
};
pub use token::{TOKEN_BYTES_MAX, TOKEN_LIFE_MAX, TokenError, TokenHolder, mint_token, verify_token};
pub use trust::{Signed, Trust, TrustError};
pub use verifier::Verifier;
