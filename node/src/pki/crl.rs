//! The list of revoked keys as other tools know it: an X.509 CRL.
//!
//! The list and the certificates of the CA's directory enter; `crl.der` and `crl.pem` leave. A CRL names
//! serial numbers, so it holds the latest certificate of each revoked key, and that of its HTTP face. Nothing of
//! this program reads it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{RevokedKey, RevokedReason, SignedRevoked, certificates_file};
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::authority::Authority;
use super::error::PkiError;
use super::files;
use super::issue::public;
use super::record;
use super::revoke;

/// How long tools may use a CRL before they ask for a new one.
pub const CRL_DAYS_DEFAULT: u64 = 30;
/// The file for `openssl crl -inform DER`.
pub const CRL_DER: &str = "crl.der";
/// The same for nginx and others.
pub const CRL_PEM: &str = "crl.pem";

const DAY: Millis = Millis::from_secs(86_400);
/// Certificates of a holder, whichever it has.
const CERTIFICATES: [&str; 3] = ["node.crt", "http.crt", "operator.crt"];

/// A CRL that was written.
#[derive(Clone, Debug)]
pub struct Crl {
    /// Certificates on it.
    pub certificates: usize,
    /// RFC 3339: when tools ask for the next one.
    pub next: String,
}

impl Authority {
    /// Writes `crl.der` and `crl.pem` from the list of revoked keys.
    pub fn write_crl(&self, days: u64, now: UnixMillis) -> Result<Crl, PkiError> {
        let ca = self.certificate();
        let mut certificates = Vec::new();
        if let Some(list) = ca.revoked()? {
            for directory in holders(ca.directory(), &list)? {
                certificates.extend(entries(&directory)?);
            }
        }
        let count = certificates.len();
        let next = now.plus(Millis(days.saturating_mul(DAY.0)));
        let date = |at: UnixMillis| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(at.0);
        let params = CertificateRevocationListParams {
            this_update: date(now),
            next_update: date(next),
            // Seconds only rise, as a number of a CRL has to.
            crl_number: SerialNumber::from((now.0 / 1_000).max(1)),
            issuing_distribution_point: None,
            revoked_certs: certificates,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let crl = params.signed_by(self.issuer()).map_err(PkiError::internal)?;
        let pem = crl.pem().map_err(PkiError::internal)?.replace("\r\n", "\n");
        files::replace(ca.directory(), &public(CRL_DER, crl.der()))?;
        files::replace(ca.directory(), &public(CRL_PEM, pem.as_bytes()))?;
        Ok(Crl { certificates: count, next: record::rfc3339(next) })
    }
}

/// The directories of the revoked keys that are known here, with what the list says of each.
fn holders(ca: &Path, list: &SignedRevoked) -> Result<Vec<(PathBuf, RevokedKey)>, PkiError> {
    let mut found = Vec::new();
    let current = record::directories(ca)?.into_iter().map(|(directory, kind)| {
        let read = record::read_identity(&directory, kind);
        (directory, read)
    });
    let archived = revoke::archived(ca)?.into_iter().map(|directory| {
        let read = record::read_archived(&directory);
        (directory, read)
    });
    for (directory, read) in current.chain(archived) {
        // One that cannot be read keeps nobody else off the CRL; `list` names it.
        if let Ok((peer, _, _)) = read
            && let Some(key) = list.list.get(&peer.id)
        {
            found.push((directory, *key));
        }
    }
    Ok(found)
}

fn entries((directory, key): &(PathBuf, RevokedKey)) -> Result<Vec<RevokedCertParams>, PkiError> {
    let files = CERTIFICATES.map(|name| directory.join(name));
    files.iter().filter(|file| file.exists()).map(|file| entry(file, key)).collect()
}

fn entry(file: &Path, key: &RevokedKey) -> Result<RevokedCertParams, PkiError> {
    let der = certificates_file(file)?.swap_remove(0);
    let (_, parsed) = X509Certificate::from_der(&der).map_err(PkiError::internal)?;
    Ok(RevokedCertParams {
        serial_number: SerialNumber::from_slice(parsed.raw_serial()),
        revocation_time: rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(key.at.0),
        reason_code: reason(key.reason),
        invalidity_date: None,
    })
}

/// RFC 5280 wants no code where nothing was said.
const fn reason(reason: RevokedReason) -> Option<RevocationReason> {
    match reason {
        RevokedReason::Unspecified => None,
        RevokedReason::KeyCompromise => Some(RevocationReason::KeyCompromise),
        RevokedReason::AffiliationChanged => Some(RevocationReason::AffiliationChanged),
        RevokedReason::Superseded => Some(RevocationReason::Superseded),
        RevokedReason::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
        RevokedReason::PrivilegeWithdrawn => Some(RevocationReason::PrivilegeWithdrawn),
    }
}
