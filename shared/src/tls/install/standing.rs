//! What stands where a bundle is to go, and what it allows.
//!
//! A directory is read; whether a bundle may take its place leaves. Nothing is written. An ended certificate
//! is as good as any other to tell whose files they are.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Change, InstallError, OthersFiles, named};
use crate::tls::bundle::judge::{Holder, holder};
use crate::tls::bundle::{Bundle, BundleKind, known_name};
use crate::tls::credentials::{CredentialsError, CredentialsProblem, certificates_file};
use crate::tls::profile;
use crate::tls::refusal::clean_text;

/// What is found.
pub(super) enum Standing {
    /// No directory, or an empty one.
    Nothing,
    /// Somebody's files.
    Of(Holder),
    /// Files of a bundle that do not say whose.
    Unknown(String),
}

impl Standing {
    /// Looks at `directory`; where it holds certificates of both kinds, that of `kind` counts.
    pub(super) fn read(directory: &Path, kind: BundleKind) -> Result<Self, InstallError> {
        let names = match names(directory)? {
            Some(names) if !names.is_empty() => names,
            _ => return Ok(Self::Nothing),
        };
        let mut kinds = BundleKind::ALL;
        kinds.sort_by_key(|other| *other != kind);
        let certificate = |kind: &BundleKind| format!("{}.crt", kind.stem());
        let found = kinds.iter().map(certificate).find(|file| names.contains(&file.as_str()));
        let Some(file) = found else {
            return Ok(Self::Unknown("there is no certificate".to_owned()));
        };
        match read_holder(&directory.join(file)) {
            Ok(holder) => Ok(Self::Of(holder)),
            Err(CredentialsError { file, problem: CredentialsProblem::Unreadable(error) }) => {
                Err(InstallError::file(&file, error))
            }
            Err(error) => Ok(Self::Unknown(error.to_string())),
        }
    }

    /// Whether the files are of this holder, by this very key; a role may have changed.
    pub(super) fn is_of(&self, holder: &Holder) -> bool {
        let Self::Of(standing) = self else { return false };
        let (one, other) = (&standing.identity, &holder.identity);
        (one.id, &one.mesh, &one.name) == (other.id, &other.mesh, &other.name)
            && BundleKind::of(one.kind) == BundleKind::of(other.kind)
    }

    /// What putting a bundle of `holder` there comes to, or why it must not be.
    pub(super) fn allows(
        self,
        directory: &Path,
        holder: &Holder,
        others: OthersFiles,
    ) -> Result<Change, InstallError> {
        let (directory, is_own) = (directory.to_owned(), self.is_of(holder));
        let refusal = match self {
            Self::Nothing => return Ok(Change::New),
            Self::Of(standing) if !is_own => InstallError::Taken {
                directory,
                standing: named(&standing.identity),
                bundle: named(&holder.identity),
            },
            Self::Of(standing) if standing.not_before > holder.not_before => {
                InstallError::Older { directory, standing: named(&standing.identity) }
            }
            Self::Of(_) => return Ok(Change::Renewed),
            Self::Unknown(problem) => InstallError::Unknown { directory, problem },
        };
        match others {
            OthersFiles::Keep => Err(refusal),
            OthersFiles::Replace => Ok(Change::Replaced),
        }
    }
}

/// The files of bundles in `directory`; `None` if there is none. Anything else there is not ours to replace.
fn names(directory: &Path) -> Result<Option<Vec<&'static str>>, InstallError> {
    let failed = |error| InstallError::file(directory, error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(InstallError::NotADirectory(directory.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let kind = entry.file_type().map_err(failed)?;
        match known_name(name.as_encoded_bytes()).filter(|_| kind.is_file() || kind.is_symlink()) {
            Some(known) => names.push(known),
            None => {
                let name = clean_text(name.as_encoded_bytes());
                return Err(InstallError::Foreign { directory: directory.to_owned(), name });
            }
        }
    }
    Ok(Some(names))
}

/// Whether exactly the files of `bundle` stand in `directory`, with keys that nobody else can read.
pub(super) fn is_same(directory: &Path, bundle: &Bundle) -> Result<bool, InstallError> {
    if names(directory)?.is_none_or(|names| names.len() != bundle.files().count()) {
        return Ok(false);
    }
    for (name, content) in bundle.files() {
        let path = directory.join(name);
        let mut open = match File::open(&path) {
            Ok(open) => open,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(InstallError::file(&path, error)),
        };
        let metadata = open.metadata().map_err(|error| InstallError::file(&path, error))?;
        let is_closed = !is_key(name) || metadata.permissions().mode() & 0o077 == 0;
        if !metadata.is_file() || metadata.len() != content.len() as u64 || !is_closed {
            return Ok(false);
        }
        let mut bytes = Zeroizing::new(vec![0; content.len()]);
        match open.read_exact(&mut bytes) {
            Ok(()) if bytes.as_slice() == content => {}
            Ok(()) => return Ok(false),
            Err(error) => return Err(InstallError::file(&path, error)),
        }
    }
    Ok(true)
}

/// Whether a file of a bundle is a private key.
pub(super) fn is_key(name: &str) -> bool {
    name.ends_with(".key")
}

fn read_holder(file: &Path) -> Result<Holder, CredentialsError> {
    let failed = |problem| CredentialsError::new(file, problem);
    let certificate = certificates_file(file)?.swap_remove(0);
    let identity =
        profile::identity(&certificate).map_err(|refusal| failed(CredentialsProblem::Refused(refusal)))?;
    holder(identity, &certificate).map_err(failed)
}
