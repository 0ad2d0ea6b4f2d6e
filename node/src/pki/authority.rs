//! The CA itself: its certificate, which everybody may read, and its key, which signs.
//!
//! A directory and a passphrase enter; an opened CA leaves, which `issue` works with. The key stays inside.

use std::path::{Path, PathBuf};

use p2p_shared::id::{MeshName, NodeName};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{CredentialsProblem, KeyFile, PassphraseError, Trust, certificates_file, node_id};
use rcgen::{CertificateParams, Issuer, PublicKeyData, SigningKey};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use super::error::PkiError;
use super::files::{self, NewFile};
use super::key::{CaKey, NewKey, Sealing};
use super::leaf::{self, Validity};
use super::record;

/// How long a CA lives unless told otherwise.
pub const CA_DAYS_DEFAULT: u64 = 3_650;

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";

/// What a new CA is to be.
#[derive(Clone, Debug)]
pub struct NewCa {
    /// The mesh it vouches for.
    pub mesh: MeshName,
    /// How long it lives.
    pub days: u64,
}

/// The public half of a CA, as it lies in its directory.
#[derive(Clone, Debug)]
pub struct CaCertificate {
    directory: PathBuf,
    der: CertificateDer<'static>,
    mesh: MeshName,
    until: UnixMillis,
}

/// A CA whose key is open.
pub struct Authority {
    certificate: CaCertificate,
    issuer: Issuer<'static, CaKey>,
}

impl CaCertificate {
    /// Reads `ca.crt` of a directory.
    pub fn read(directory: &Path) -> Result<Self, PkiError> {
        let file = directory.join(CERTIFICATE);
        let der = match certificates_file(&file) {
            Ok(mut all) => all.swap_remove(0),
            Err(error) if matches!(error.problem, CredentialsProblem::Missing) => {
                return Err(PkiError::NoCa(directory.to_owned()));
            }
            Err(error) => return Err(error.into()),
        };
        let damaged = |what| PkiError::Damaged { file: file.clone(), what };
        let (mesh, until) =
            read_mesh(&der).ok_or_else(|| damaged("it is not the certificate of a mesh's CA"))?;
        Ok(Self { directory: directory.to_owned(), der, mesh, until })
    }

    /// The directory it was read from.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The mesh it vouches for.
    pub const fn mesh(&self) -> &MeshName {
        &self.mesh
    }

    /// Its last moment, RFC 3339.
    pub fn ends(&self) -> String {
        record::rfc3339(self.until)
    }

    pub(super) const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(super) const fn until(&self) -> UnixMillis {
        self.until
    }

    /// What a member of the mesh would believe.
    pub(super) fn trust(&self) -> Result<Trust, PkiError> {
        Trust::new(self.mesh.clone(), std::slice::from_ref(&self.der)).map_err(PkiError::internal)
    }

    pub(super) fn pem(&self) -> String {
        certificate_pem(&self.der)
    }
}

impl Authority {
    /// Makes a CA in `directory`, which has none yet.
    pub fn init(directory: &Path, new: &NewCa, sealing: &Sealing, now: UnixMillis) -> Result<Self, PkiError> {
        if new.days == 0 {
            return Err(PkiError::Lifetime { days: 0 });
        }
        Self::refuse_existing(directory)?;
        let key = NewKey::p256()?;
        let pair =
            CaKey::from_pkcs8(&key.pkcs8).ok_or_else(|| PkiError::internal("the new key does not load"))?;
        let params = leaf::ca(&new.mesh, Validity::of_ca(now, new.days))?;
        let certificate = params.self_signed(&pair).map_err(PkiError::internal)?;
        files::make_directory(directory)?;
        // The key first: a certificate without its key would look like a CA and be none.
        write_once(directory, KEY, sealing.write(&key.pkcs8)?.as_bytes(), files::SECRET)?;
        write_once(directory, CERTIFICATE, certificate.pem().as_bytes(), files::PUBLIC)?;
        Self::with_key(CaCertificate::read(directory)?, pair)
    }

    /// Opens the CA of `directory`; `ask` is called with the key's path if it is encrypted.
    pub fn open(
        directory: &Path,
        ask: impl FnOnce(&Path) -> Result<Zeroizing<String>, PassphraseError>,
    ) -> Result<Self, PkiError> {
        let certificate = CaCertificate::read(directory)?;
        let file = directory.join(KEY);
        let damaged = |what| PkiError::Damaged { file: file.clone(), what };
        if !file.exists() {
            return Err(damaged("the CA's key is not here, and only with it can anything be issued"));
        }
        let der = KeyFile::read(&file)?.open(ask)?;
        let pair = CaKey::from_pkcs8(&der).ok_or_else(|| damaged("it is not an ECDSA P-256 key"))?;
        let spki = pair.subject_public_key_info();
        let matches = X509Certificate::from_der(&certificate.der)
            .is_ok_and(|(_, parsed)| node_id(parsed.tbs_certificate.subject_pki.raw) == node_id(&spki));
        if !matches {
            return Err(damaged("it is not the key of the ca.crt beside it"));
        }
        Self::with_key(certificate, pair)
    }

    /// Refuses a directory that has a CA. Asked before anybody is asked for a passphrase, too.
    pub fn refuse_existing(directory: &Path) -> Result<(), PkiError> {
        let files = [CERTIFICATE, KEY].map(|name| directory.join(name));
        files.into_iter().find(|file| file.exists()).map_or(Ok(()), |file| Err(PkiError::CaExists(file)))
    }

    /// The public half.
    pub const fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    pub(super) fn sign(
        &self,
        params: &CertificateParams,
        public: &impl PublicKeyData,
    ) -> Result<CertificateDer<'static>, PkiError> {
        let signed = params.signed_by(public, &self.issuer).map_err(PkiError::internal)?;
        Ok(signed.der().clone())
    }

    /// Signs bytes that are no certificate; DER of ECDSA P-256 with SHA-256.
    pub(super) fn sign_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>, PkiError> {
        self.issuer.key().sign(bytes).map_err(PkiError::internal)
    }

    pub(super) const fn issuer(&self) -> &Issuer<'static, CaKey> {
        &self.issuer
    }

    fn with_key(certificate: CaCertificate, pair: CaKey) -> Result<Self, PkiError> {
        let issuer = Issuer::from_ca_cert_der(&certificate.der, pair).map_err(PkiError::internal)?;
        Ok(Self { certificate, issuer })
    }
}

pub(super) fn certificate_pem(der: &CertificateDer<'_>) -> String {
    let section = pem::Pem::new("CERTIFICATE", der.as_ref());
    pem::encode_config(&section, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
}

fn write_once(directory: &Path, name: &str, content: &[u8], mode: u32) -> Result<(), PkiError> {
    if files::write_new(directory, &NewFile { name, content, mode })? {
        Ok(())
    } else {
        Err(PkiError::CaExists(directory.join(name)))
    }
}

/// The mesh and the end of a CA's certificate: its one name is `spiffe://MESH`.
fn read_mesh(der: &[u8]) -> Option<(MeshName, UnixMillis)> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let names = parsed.subject_alternative_name().ok().flatten()?;
    let [GeneralName::URI(uri)] = names.value.general_names[..] else {
        return None;
    };
    let mesh: NodeName = uri.strip_prefix("spiffe://")?.parse().ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    Some((mesh, UnixMillis(seconds.saturating_mul(1_000))))
}
