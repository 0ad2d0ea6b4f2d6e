//! Private keys on disk and in memory.
//!
//! PEM files and passphrases enter; an opened key that signs leaves. A key is refused when others can read
//! its file; no secret is printed, and what is read of one is wiped.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use super::credentials::{CredentialsError, CredentialsProblem};
use super::trust::signing_input;

/// No key, certificate or passphrase file of ours is larger.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// More memory or work than this to open a key is an attack and not a key.
const SCRYPT_BYTES_MAX: u64 = 256 * 1024 * 1024;
const SCRYPT_PARALLEL_MAX: u16 = 64;
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;
/// Rights of the group and of others.
const FOREIGN_RIGHTS: u32 = 0o077;
/// Rights of others alone.
const OTHERS_RIGHTS: u32 = 0o007;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The file that was named cannot be read.
    #[error("the passphrase file {} cannot be read: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file holds no text.
    #[error("the passphrase file {} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// Nobody can be asked; the text says what to do.
    #[error("{0}")]
    Unavailable(String),
}

/// Reads a passphrase from a file; one trailing newline is not part of it.
pub fn passphrase_file(file: &Path) -> Result<Zeroizing<String>, PassphraseError> {
    let unreadable = |error| PassphraseError::Unreadable { file: file.to_owned(), error };
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(file)
        .and_then(|open| open.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| PassphraseError::NotText(file.to_owned()))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Zeroizing::new(text.to_owned()))
}

/// A private key as it lies in a file: PKCS#8 as PEM, plain or encrypted.
pub struct KeyFile {
    path: PathBuf,
    is_sealed: bool,
    der: SecretDocument,
}

impl KeyFile {
    /// Reads the file, if nobody else can.
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        Self::parse(path, &read_file(path, check_private)?)
    }

    /// The same of its content, wherever that comes from.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, CredentialsError> {
        let failed = |problem| CredentialsError::new(path, problem);
        let text = std::str::from_utf8(bytes).map_err(|_| failed(CredentialsProblem::NotAKey))?;
        let (label, der) = SecretDocument::from_pem(text).map_err(|_| failed(CredentialsProblem::NotAKey))?;
        let is_sealed = match label {
            "PRIVATE KEY" => false,
            "ENCRYPTED PRIVATE KEY" => true,
            _ => return Err(failed(CredentialsProblem::NotAKey)),
        };
        Ok(Self { path: path.to_owned(), is_sealed, der })
    }

    /// Whether a passphrase is needed to open it.
    pub const fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// The key as DER of PKCS#8. `ask` is called, with the path, only if the key is encrypted. A wrong
    /// passphrase and a damaged key are one and the same error.
    pub fn open(
        self,
        ask: impl FnOnce(&Path) -> Result<Zeroizing<String>, PassphraseError>,
    ) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
        if !self.is_sealed {
            return Ok(Zeroizing::new(self.der.as_bytes().to_vec()));
        }
        let failed = |problem| CredentialsError::new(&self.path, problem);
        let sealed = self.sealed()?;
        let passphrase = ask(&self.path).map_err(|error| failed(CredentialsProblem::Passphrase(error)))?;
        let opened =
            sealed.decrypt(passphrase.as_bytes()).map_err(|_| failed(CredentialsProblem::WrongPassphrase))?;
        Ok(Zeroizing::new(opened.as_bytes().to_vec()))
    }

    /// What can be told of an encrypted key without its passphrase: whether one could open it at all.
    pub(super) fn check_sealed(&self) -> Result<(), CredentialsError> {
        self.sealed().map(|_| ())
    }

    fn sealed(&self) -> Result<EncryptedPrivateKeyInfo<'_>, CredentialsError> {
        let failed = |problem| CredentialsError::new(&self.path, problem);
        let sealed = EncryptedPrivateKeyInfo::try_from(self.der.as_bytes())
            .map_err(|_| failed(CredentialsProblem::NotAKey))?;
        if is_affordable(&sealed) { Ok(sealed) } else { Err(failed(CredentialsProblem::KeyTooCostly)) }
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).field("is_sealed", &self.is_sealed).finish()
    }
}

/// An opened Ed25519 key, which never shows itself.
pub struct MeshKey {
    pair: Ed25519KeyPair,
    tls: Arc<dyn SigningKey>,
}

impl MeshKey {
    /// From DER of PKCS#8; `None` if it is not an Ed25519 key.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
        let tls = any_eddsa_type(&PrivatePkcs8KeyDer::from(der)).ok()?;
        Some(Self { pair, tls })
    }

    /// The raw public key.
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// Ed25519 over the domain, a zero byte and `bytes`.
    pub fn sign(&self, domain: &str, bytes: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(&signing_input(domain, bytes));
        let mut raw = [0; 64];
        raw.copy_from_slice(signature.as_ref());
        raw
    }

    pub(super) fn to_pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.pair.to_pkcs8().ok().map(|document| Zeroizing::new(document.as_ref().to_vec()))
    }

    pub(super) fn for_tls(&self) -> Arc<dyn SigningKey> {
        Arc::clone(&self.tls)
    }
}

impl fmt::Debug for MeshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeshKey")
    }
}

/// Reads a small file whole; `check` looks at the open file first, so that no other can slip in between.
pub(super) fn read_file(
    path: &Path,
    check: impl FnOnce(&Path, &File) -> Result<(), CredentialsProblem>,
) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    let failed = |problem| CredentialsError::new(path, problem);
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => failed(CredentialsProblem::Missing),
        _ => failed(CredentialsProblem::Unreadable(source)),
    };
    let file = File::open(path).map_err(unreadable)?;
    check(path, &file).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(CredentialsProblem::TooLarge));
    }
    Ok(bytes)
}

#[cfg(unix)]
fn check_private(path: &Path, file: &File) -> Result<(), CredentialsProblem> {
    use std::os::unix::fs::PermissionsExt;

    let mode = file.metadata().map_err(CredentialsProblem::Unreadable)?.permissions().mode() & 0o7777;
    // systemd gives a service of another user its credentials by an ACL, whose mask shows as the group's
    // rights; the directory itself is closed to everybody else.
    let from_systemd =
        std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|directory| path.starts_with(directory));
    let foreign = if from_systemd { OTHERS_RIGHTS } else { FOREIGN_RIGHTS };
    if mode & foreign == 0 { Ok(()) } else { Err(CredentialsProblem::OthersCanRead { mode }) }
}

#[cfg(not(unix))]
fn check_private(_path: &Path, _file: &File) -> Result<(), CredentialsProblem> {
    Ok(())
}

fn is_affordable(sealed: &EncryptedPrivateKeyInfo<'_>) -> bool {
    let Some(scheme) = sealed.encryption_algorithm.pbes2() else {
        return false;
    };
    if let Some(scrypt) = scheme.kdf.scrypt() {
        let bytes = scrypt.cost_parameter.saturating_mul(u64::from(scrypt.block_size)).saturating_mul(128);
        return bytes <= SCRYPT_BYTES_MAX && scrypt.parallelization <= SCRYPT_PARALLEL_MAX;
    }
    scheme.kdf.pbkdf2().is_some_and(|pbkdf2| pbkdf2.iteration_count <= PBKDF2_ROUNDS_MAX)
}
