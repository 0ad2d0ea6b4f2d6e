//! New private keys, and how they are written down: PKCS#8 as PEM, encrypted where a person holds them.
//!
//! Randomness and passphrases enter; PEM text and public keys leave. No key of a leaf is ever read back.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{LineEnding, PrivateKeyInfo, SecretDocument};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey, SubjectPublicKeyInfo};
use zeroize::Zeroizing;

use super::error::PkiError;

/// The shortest passphrase, in characters.
pub const PASSPHRASE_CHARS_MIN: usize = 12;
/// scrypt with 16 MiB, five times over: as costly as OWASP asks, and what openssl opens without being told
/// to allow more memory (its limit is 32 MiB).
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_BLOCK: u32 = 8;
const SCRYPT_PARALLEL: u32 = 5;
const SCRYPT_KEY_BYTES: usize = 32;

/// A fresh key: the secret half as DER, the public half for the certificate.
pub(super) struct NewKey {
    pub(super) pkcs8: Zeroizing<Vec<u8>>,
    pub(super) public: SubjectPublicKeyInfo,
}

impl NewKey {
    /// For the mesh.
    pub(super) fn ed25519() -> Result<Self, PkiError> {
        let key = Ed25519KeyPair::generate().map_err(PkiError::internal)?;
        // Version 1: openssl does not read the public half that version 2 adds.
        let pkcs8 = key.to_pkcs8v1().map_err(PkiError::internal)?;
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(PkiError::internal)?;
        Self::new(pkcs8.as_ref(), public.as_ref())
    }

    /// For the CA and for browsers.
    pub(super) fn p256() -> Result<Self, PkiError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(PkiError::internal)?;
        let pkcs8 = key.to_pkcs8v1().map_err(PkiError::internal)?;
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(PkiError::internal)?;
        Self::new(pkcs8.as_ref(), public.as_ref())
    }

    fn new(pkcs8: &[u8], public: &[u8]) -> Result<Self, PkiError> {
        let public = SubjectPublicKeyInfo::from_der(public).map_err(PkiError::internal)?;
        Ok(Self { pkcs8: Zeroizing::new(pkcs8.to_vec()), public })
    }
}

/// An opened key of a CA. aws-lc wipes it; rcgen's own type would not.
pub(super) struct CaKey {
    pair: EcdsaKeyPair,
    public: SubjectPublicKeyInfo,
}

impl CaKey {
    /// From DER of PKCS#8; `None` if it is not an ECDSA P-256 key.
    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).ok()?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let public = SubjectPublicKeyInfo::from_der(public.as_ref()).ok()?;
        Some(Self { pair, public })
    }
}

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        self.public.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.public.algorithm()
    }
}

impl SigningKey for CaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.pair.sign(&rand::SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// Whether a key is written encrypted.
pub enum Sealing {
    /// As it is: on machines that start with nobody there, in demonstrations and tests.
    Plain,
    /// With a passphrase that is long enough.
    Passphrase(Zeroizing<String>),
}

impl Sealing {
    /// With `passphrase`, unless it is too short.
    pub fn with(passphrase: Zeroizing<String>) -> Result<Self, PkiError> {
        let chars = passphrase.chars().count();
        if chars < PASSPHRASE_CHARS_MIN {
            return Err(PkiError::ShortPassphrase { chars });
        }
        Ok(Self::Passphrase(passphrase))
    }

    /// The PEM text of a key.
    pub(super) fn write(&self, pkcs8: &[u8]) -> Result<Zeroizing<String>, PkiError> {
        match self {
            Self::Plain => SecretDocument::try_from(pkcs8)
                .and_then(|document| document.to_pem("PRIVATE KEY", LineEnding::LF))
                .map_err(PkiError::internal),
            Self::Passphrase(passphrase) => encrypt(pkcs8, passphrase)?
                .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
                .map_err(PkiError::internal),
        }
    }
}

fn encrypt(pkcs8: &[u8], passphrase: &str) -> Result<SecretDocument, PkiError> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rand::fill(&mut salt).and_then(|()| rand::fill(&mut iv)).map_err(PkiError::internal)?;
    let cost = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_BLOCK, SCRYPT_PARALLEL, SCRYPT_KEY_BYTES)
        .map_err(PkiError::internal)?;
    let parameters = pbes2::Parameters::scrypt_aes256cbc(cost, &salt, &iv).map_err(PkiError::internal)?;
    PrivateKeyInfo::try_from(pkcs8)
        .and_then(|key| key.encrypt_with_params(parameters, passphrase))
        .map_err(PkiError::internal)
}
