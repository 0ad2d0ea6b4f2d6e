//! Why the CA did not do what was asked, and how the program exits for it.

use std::io;
use std::path::{Path, PathBuf};

use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;
use p2p_shared::tls::{
    CredentialsError, CredentialsProblem, REVOKED_KEYS_MAX, Refusal, RevokedError, RevokedReason,
};

use super::record::Kind;

/// Why a command of the CA failed. The text says what to do; nothing was changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("{} exists: this directory has a CA already, which is kept; --dir names another directory", .0.display())]
    CaExists(PathBuf),
    #[error("there is no CA in {}: `ca.sh init` makes one; --dir or P2P_CA_DIR names another directory", .0.display())]
    NoCa(PathBuf),
    #[error(
        "{name} is taken by {} of this mesh: `ca.sh renew {name}` prolongs its certificate, --replace revokes its key and issues a new one",
        .kind.with_article()
    )]
    NameTaken { name: NodeName, kind: Kind },
    #[error("nobody is called {name} in {}: `ca.sh list` shows who is", .directory.display())]
    UnknownName { name: NodeName, directory: PathBuf },
    #[error("{name} is {}, not {}", .found.with_article(), .asked.with_article())]
    OtherKind { name: NodeName, found: Kind, asked: Kind },
    #[error("a certificate lives 1 to 398 days, and {days} were asked for")]
    Lifetime { days: u64 },
    #[error("the CA's own certificate ended at {until}: nothing can be issued under it any more")]
    CaEnded { until: String },
    #[error(
        "a passphrase has at least {} characters, and this one has {chars}",
        super::key::PASSPHRASE_CHARS_MIN
    )]
    ShortPassphrase { chars: usize },
    #[error("{}: this CA did not issue it: {refusal}", .file.display())]
    NotOurs { file: PathBuf, refusal: Refusal },
    #[error(
        "a bundle names at most {} addresses to dial first: a few are enough, the others are found",
        p2p_shared::tls::BOOTSTRAP_MAX
    )]
    TooManyEndpoints,
    #[error("the key of {name} is revoked since {at} ({reason}): `ca.sh issue {}` gives it a new one", .kind)]
    IsRevoked { name: NodeName, kind: Kind, at: String, reason: RevokedReason },
    #[error(
        "the list of revoked keys is full ({REVOKED_KEYS_MAX}): this mesh needs a new CA, which begins a new list"
    )]
    ListFull,
    #[error("{}: {error}; put it back from a backup, the newest one: members refuse an older list", .file.display())]
    BadList { file: PathBuf, error: RevokedError },
    #[error("{}: {what}", .file.display())]
    Damaged { file: PathBuf, what: &'static str },
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("{}: {error}", .file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("a certificate could not be made: {0}")]
    Internal(String),
}

impl PkiError {
    pub(super) fn file(file: &Path, error: io::Error) -> Self {
        Self::File { file: file.to_owned(), error }
    }

    pub(super) fn internal(error: impl ToString) -> Self {
        Self::Internal(error.to_string())
    }

    /// Whether a passphrase was wrong (or the key damaged: one does not tell).
    pub const fn is_wrong_passphrase(&self) -> bool {
        matches!(
            self,
            Self::Credentials(CredentialsError { problem: CredentialsProblem::WrongPassphrase, .. })
        )
    }

    /// How a program that ends in it exits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Credentials(error) => error.exit(),
            Self::File { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => Exit::Permission,
            Self::File { .. } => Exit::Failed,
            Self::Internal(_) => Exit::Internal,
            _ => Exit::Data,
        }
    }
}
