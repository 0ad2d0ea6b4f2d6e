//! Whether the files of a bundle hold together, before any of them is written.
//!
//! The rules are those of `Credentials`, and so are the sentences; the file in an error is the bundle's own
//! name for it. Nobody is asked for a passphrase: of an encrypted key only its form is judged.

use std::path::Path;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::{Bundle, BundleKind, REVOKED_FILE};
use crate::time::UnixMillis;
use crate::tls::credentials::{
    self, Credentials, CredentialsError, CredentialsProblem, certificates_pem, judge, nobody_asks,
};
use crate::tls::key::KeyFile;
use crate::tls::profile::{self, PeerIdentity};
use crate::tls::refusal::Refusal;
use crate::tls::trust::Trust;

/// Who a bundle is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tls) struct Holder {
    pub(in crate::tls) identity: PeerIdentity,
    /// When its certificate was issued.
    pub(in crate::tls) not_before: UnixMillis,
}

impl Bundle {
    /// Who its holder is, if every peer would accept it at `now`.
    pub(in crate::tls) fn judge(&self, now: UnixMillis) -> Result<Holder, CredentialsError> {
        let stem = self.kind.stem();
        let (certificate_name, key_name) = (format!("{stem}.crt"), format!("{stem}.key"));
        let at = |problem: CredentialsProblem| {
            let file = match problem {
                CredentialsProblem::Ca(_) => "ca.crt",
                CredentialsProblem::KeyType | CredentialsProblem::KeyMismatch => &key_name,
                _ => &certificate_name,
            };
            CredentialsError::new(Path::new(file), problem)
        };
        let chain = self.certificates(&certificate_name)?;
        let roots = self.certificates("ca.crt")?;
        let (identity, trust) = judge(&chain, &roots, now).map_err(at)?;
        credentials::check_kind(&identity, self.kind, Path::new(""))?;
        let holder = holder(identity, &chain[0]).map_err(at)?;
        let key = self.key(&key_name)?;
        if self.kind == BundleKind::Operator && key.is_sealed() {
            key.check_sealed()?;
        } else {
            Credentials::from_parts(chain, &roots, &key.open(nobody_asks)?, now).map_err(at)?;
        }
        if self.kind == BundleKind::Node {
            let chain = self.certificates("http.crt")?;
            let refused =
                |refusal| CredentialsError::new(Path::new("http.crt"), CredentialsProblem::Refused(refusal));
            trust.verify_server(&chain, now).map_err(refused)?;
            self.check_http_key(chain)?;
            self.check_revoked(&trust, &holder)?;
        }
        Ok(holder)
    }

    /// A list that came along is the CA's, and its holder is not on it.
    fn check_revoked(&self, trust: &Trust, holder: &Holder) -> Result<(), CredentialsError> {
        let Some(bytes) = self.optional(REVOKED_FILE) else { return Ok(()) };
        let at = |problem| CredentialsError::new(Path::new(REVOKED_FILE), problem);
        let signed =
            trust.verify_revoked(bytes).map_err(|error| at(CredentialsProblem::RevokedList(error)))?;
        let id = holder.identity.id;
        match signed.list.get(&id) {
            Some(_) => Err(at(CredentialsProblem::Refused(Refusal::Revoked { id }))),
            None => Ok(()),
        }
    }

    fn check_http_key(&self, chain: Vec<CertificateDer<'static>>) -> Result<(), CredentialsError> {
        let name = "http.key";
        let at = |problem| CredentialsError::new(Path::new(name), problem);
        let der = self.key(name)?.open(nobody_asks)?;
        let key = PrivatePkcs8KeyDer::from(der.as_slice());
        let key = any_supported_type(&key.into()).map_err(|_| at(CredentialsProblem::NotAKey))?;
        CertifiedKey::new(chain, key).keys_match().map_err(|_| at(CredentialsProblem::KeyMismatch))
    }

    fn certificates(&self, name: &str) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
        certificates_pem(Path::new(name), self.content(name))
    }

    fn key(&self, name: &str) -> Result<KeyFile, CredentialsError> {
        KeyFile::parse(Path::new(name), self.content(name))
    }
}

/// Who a certificate is of, whoever issued it and whenever it ends.
pub(in crate::tls) fn holder(
    identity: PeerIdentity,
    certificate: &[u8],
) -> Result<Holder, CredentialsProblem> {
    let dates = profile::parse(certificate).and_then(|parsed| profile::validity(&parsed));
    let (not_before, _) = dates.map_err(|rule| CredentialsProblem::Refused(Refusal::Profile(rule)))?;
    Ok(Holder { identity, not_before })
}
