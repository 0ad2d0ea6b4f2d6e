//! Who this process is: its certificate, its key and its CA, from one directory of PEM files.
//!
//! A directory as `ca.sh issue` writes it enters; credentials that hold together leave, or an error that
//! names the file and what to do. Nothing half-loaded comes out: the own certificate is judged as a peer
//! would judge it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use zeroize::Zeroizing;

use super::bundle::BundleKind;
use super::key::{KeyFile, MeshKey, PassphraseError, read_file};
use super::profile::{self, PeerIdentity, PeerKind};
use super::refusal::{Refusal, RefusalReason};
use super::revoked::RevokedError;
use super::trust::{Trust, TrustError};
use crate::error::Exit;
use crate::time::UnixMillis;

/// Why the files of a directory are no credentials. Says which file and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", .file.display())]
pub struct CredentialsError {
    /// The file that is wrong.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: CredentialsProblem,
}

/// What can be wrong with a file of a certificate directory.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsProblem {
    /// Not there.
    #[error(
        "there is no such file; `ca.sh issue` makes it, `ca.sh bundle` packs it, `import` of p2p-node or p2p-tui puts it in place, and --certs names its directory"
    )]
    Missing,
    /// There, and the system does not give it.
    #[error("it cannot be read: {0}; run as the user who owns it")]
    Unreadable(io::Error),
    /// Too large for what it should be.
    #[error("it is too large to be a key or a certificate")]
    TooLarge,
    /// Others on this machine can read the key.
    #[error(
        "others can read this key (mode {mode:04o}): chmod 600 it, and issue it anew if others use this machine"
    )]
    OthersCanRead {
        /// The rights it has.
        mode: u32,
    },
    /// No certificate in PEM.
    #[error("it is not a PEM file of certificates: copy the bundle again")]
    NotACertificate,
    /// A secret where everybody may read.
    #[error("it holds something other than certificates ({0}): keys belong in a file of their own")]
    ForeignSection(String),
    /// No private key in PKCS#8.
    #[error("it is not a PEM file of a PKCS#8 private key: copy the bundle again")]
    NotAKey,
    /// A key of another kind.
    #[error("its key is not Ed25519: issue it anew")]
    KeyType,
    /// Opening it would take an unreasonable amount of memory or time.
    #[error("it is encrypted in a way that costs too much to open, or that this version does not know")]
    KeyTooCostly,
    /// No passphrase to open it with.
    #[error("its key is encrypted: {0}")]
    Passphrase(PassphraseError),
    /// The passphrase does not open it.
    #[error("the passphrase does not open it")]
    WrongPassphrase,
    /// Key and certificate are of different holders.
    #[error("it is not the key of the certificate beside it: copy the bundle again")]
    KeyMismatch,
    /// A node's where an operator's belongs, or the other way round.
    #[error("it is the certificate of {found}, and {wanted} is needed here")]
    WrongKind {
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// Peers would refuse it.
    #[error("every peer would refuse it: {0}; {advice}", advice = .0.reason().own_advice())]
    Refused(Refusal),
    /// The list of revoked keys is none.
    #[error("{0}: copy the bundle again")]
    RevokedList(RevokedError),
    /// The CA's certificate is none.
    #[error("{0}")]
    Ca(TrustError),
}

impl CredentialsError {
    pub(super) fn new(file: &Path, problem: CredentialsProblem) -> Self {
        Self { file: file.to_owned(), problem }
    }

    /// How a program that needs these files exits.
    pub const fn exit(&self) -> Exit {
        match self.problem {
            CredentialsProblem::WrongPassphrase => Exit::Permission,
            _ => Exit::Config,
        }
    }
}

impl RefusalReason {
    /// What to do when it is the own certificate that has this fault.
    const fn own_advice(self) -> &'static str {
        match self {
            Self::WrongCa => "ca.crt and the certificate are of different CAs: copy the bundle again",
            Self::Expired => "`ca.sh renew` it, or set this machine's clock",
            Self::NotYetValid => "set this machine's clock",
            _ => "issue it anew with `ca.sh issue`",
        }
    }
}

/// The certificate, the key and the CA of this process. The key does not show itself.
#[derive(Debug)]
pub struct Credentials {
    identity: PeerIdentity,
    chain: Vec<CertificateDer<'static>>,
    key: MeshKey,
    trust: Arc<Trust>,
}

impl Credentials {
    /// A node's, from `ca.crt`, `node.crt` and `node.key`, as good at `now`. Its key is not encrypted: a
    /// machine starts with nobody there.
    pub fn load_node(directory: &Path, now: UnixMillis) -> Result<Self, CredentialsError> {
        let loaded = Self::load(directory, "node", now, nobody_asks)?;
        check_kind(&loaded.identity, BundleKind::Node, directory)?;
        Ok(loaded)
    }

    /// An operator's, from `ca.crt`, `operator.crt` and `operator.key`, as good at `now`. `ask` is called
    /// with the key's path if it is encrypted.
    pub fn load_operator(
        directory: &Path,
        now: UnixMillis,
        ask: impl FnOnce(&Path) -> Result<Zeroizing<String>, PassphraseError>,
    ) -> Result<Self, CredentialsError> {
        let loaded = Self::load(directory, "operator", now, ask)?;
        check_kind(&loaded.identity, BundleKind::Operator, directory)?;
        Ok(loaded)
    }

    /// From a chain, its CAs and a key (DER of PKCS#8) that never were on disk.
    pub fn from_parts(
        chain: Vec<CertificateDer<'static>>,
        roots: &[CertificateDer<'_>],
        pkcs8: &[u8],
        now: UnixMillis,
    ) -> Result<Self, CredentialsProblem> {
        let judged = judge(&chain, roots, now)?;
        Self::with_key(chain, judged, pkcs8)
    }

    /// Who this process is.
    pub const fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// The own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// What this process believes about others: the CA beside its own certificate.
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust)
    }

    /// Signs `bytes` for one purpose; `Trust::verify_signed` judges it. `domain` contains no zero byte.
    pub fn sign(&self, domain: &str, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(domain, bytes)
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The key as PKCS#8, for what signs tokens; `None` if it cannot be written so.
    pub(super) fn token_key(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.key.to_pkcs8()
    }

    pub(super) fn resolver(&self) -> Arc<SingleCertAndKey> {
        let certified = CertifiedKey::new(self.chain.clone(), self.key.for_tls());
        Arc::new(SingleCertAndKey::from(certified))
    }

    fn load(
        directory: &Path,
        stem: &str,
        now: UnixMillis,
        ask: impl FnOnce(&Path) -> Result<Zeroizing<String>, PassphraseError>,
    ) -> Result<Self, CredentialsError> {
        let (ca_file, certificate_file, key_file) = (
            directory.join("ca.crt"),
            directory.join(format!("{stem}.crt")),
            directory.join(format!("{stem}.key")),
        );
        let chain = certificates_file(&certificate_file)?;
        let roots = certificates_file(&ca_file)?;
        let judged = judge(&chain, &roots, now).map_err(|problem| match problem {
            CredentialsProblem::Ca(_) => CredentialsError::new(&ca_file, problem),
            _ => CredentialsError::new(&certificate_file, problem),
        })?;
        let key = KeyFile::read(&key_file)?.open(ask)?;
        Self::with_key(chain, judged, &key).map_err(|problem| CredentialsError::new(&key_file, problem))
    }

    fn with_key(
        chain: Vec<CertificateDer<'static>>,
        (identity, trust): (PeerIdentity, Trust),
        pkcs8: &[u8],
    ) -> Result<Self, CredentialsProblem> {
        let key = MeshKey::from_pkcs8(pkcs8).ok_or(CredentialsProblem::KeyType)?;
        let expected = profile::public_key(&chain[0]).map_err(CredentialsProblem::Refused)?;
        if key.public_key() != expected {
            return Err(CredentialsProblem::KeyMismatch);
        }
        Ok(Self { identity, key, trust: Arc::new(trust), chain })
    }
}

/// Who the certificate is of, and the trust that its CA gives, if that trust lets itself in.
pub(super) fn judge(
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    now: UnixMillis,
) -> Result<(PeerIdentity, Trust), CredentialsProblem> {
    let (leaf, intermediates) = chain.split_first().ok_or(CredentialsProblem::NotACertificate)?;
    let mesh = profile::identity(leaf).map_err(CredentialsProblem::Refused)?.mesh;
    let trust = Trust::new(mesh, roots).map_err(CredentialsProblem::Ca)?;
    let identity = trust.verify(leaf, intermediates, now).map_err(CredentialsProblem::Refused)?;
    Ok((identity, trust))
}

/// Every certificate of a PEM file, in its order; at least one, and nothing else.
pub fn certificates_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let anyone = |_: &Path, _: &File| Ok(());
    certificates_pem(file, &read_file(file, anyone)?)
}

/// The same of its content.
pub(super) fn certificates_pem(
    file: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let failed = |problem| CredentialsError::new(file, problem);
    let sections = pem::parse_many(bytes).map_err(|_| failed(CredentialsProblem::NotACertificate))?;
    if let Some(foreign) = sections.iter().find(|section| section.tag() != "CERTIFICATE") {
        let tag = super::refusal::clean_text(foreign.tag().as_bytes());
        return Err(failed(CredentialsProblem::ForeignSection(tag)));
    }
    if sections.is_empty() {
        return Err(failed(CredentialsProblem::NotACertificate));
    }
    Ok(sections.into_iter().map(|section| CertificateDer::from(section.into_contents())).collect())
}

/// Refuses the certificate of `directory` if it is of the other kind.
pub(super) fn check_kind(
    identity: &PeerIdentity,
    kind: BundleKind,
    directory: &Path,
) -> Result<(), CredentialsError> {
    let (found, wanted) = match (identity.kind, kind) {
        (PeerKind::Operator(_), BundleKind::Node) => ("an operator", "a node's"),
        (PeerKind::Node, BundleKind::Operator) => ("a node", "an operator's"),
        (PeerKind::Node, BundleKind::Node) | (PeerKind::Operator(_), BundleKind::Operator) => return Ok(()),
    };
    let file = directory.join(format!("{}.crt", kind.stem()));
    Err(CredentialsError::new(&file, CredentialsProblem::WrongKind { found, wanted }))
}

/// Where a key has to open by itself.
pub(super) fn nobody_asks(_: &Path) -> Result<Zeroizing<String>, PassphraseError> {
    let why = "a node's key must not be, because nobody is there to ask when it starts";
    Err(PassphraseError::Unavailable(why.to_owned()))
}
