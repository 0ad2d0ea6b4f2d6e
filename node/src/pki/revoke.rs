//! Revoking: from a name to a list that the whole mesh believes, because the CA signed it.
//!
//! Names enter, `revoked.bin` leaves, whole and never with a lower epoch than before. A key is revoked for
//! good; the name is free for a new key. Of a replaced holder the certificates stay in `revoked/ID/`, its keys
//! do not.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{
    REVOKED_BYTES_MAX, REVOKED_FILE, REVOKED_KEYS_MAX, RevokedKey, RevokedList, RevokedReason, SignedRevoked,
};
use rustix::fs::{FlockOperation, flock};

use super::authority::{Authority, CaCertificate};
use super::error::PkiError;
use super::files;
use super::issue::public;
use super::record::{self, Kind};

/// The list, in the CA's directory.
pub const REVOKED: &str = REVOKED_FILE;
/// Below the CA's directory: what is left of keys that were replaced, by id.
const ARCHIVE: &str = "revoked";
/// What a holder's private keys are called.
const KEY_EXTENSION: &str = "key";

/// A key that is to be thrown out.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// Its holder.
    pub name: NodeName,
    /// Why, for people to read.
    pub reason: RevokedReason,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// What the holder is.
    pub kind: Kind,
    /// The key.
    pub id: NodeId,
    /// RFC 3339: since when it is revoked.
    pub at: String,
    /// Whether it was revoked before, and so nothing changed.
    pub before: bool,
    /// The list that says so.
    pub list: SignedRevoked,
}

impl Authority {
    /// Puts the key of a holder on the list. One that is there already stays as it is.
    pub fn revoke(&self, revocation: &Revocation, now: UnixMillis) -> Result<Revoked, PkiError> {
        let directory = self.certificate().directory();
        let _locked = lock(directory)?;
        let kind = record::find(directory, &revocation.name)?;
        let id = record::read_identity(&kind.path(directory, &revocation.name), kind)?.0.id;
        let known = self.certificate().revoked()?;
        if let Some(list) = &known
            && let Some(key) = list.list.get(&id)
        {
            let at = record::rfc3339(key.at);
            return Ok(Revoked { kind, id, at, before: true, list: list.clone() });
        }
        let key = RevokedKey { id, at: now, reason: revocation.reason };
        let list = self.write_list(known, key, now)?;
        Ok(Revoked { kind, id, at: record::rfc3339(now), before: false, list })
    }

    fn write_list(
        &self,
        known: Option<SignedRevoked>,
        key: RevokedKey,
        now: UnixMillis,
    ) -> Result<SignedRevoked, PkiError> {
        let ca = self.certificate();
        let (epoch, previous, mut keys) = known
            .map_or((0, [0; 32], Vec::new()), |signed| (signed.list.epoch, signed.digest, signed.list.keys));
        if keys.len() >= REVOKED_KEYS_MAX {
            return Err(PkiError::ListFull);
        }
        let place = keys.partition_point(|other| other.id < key.id);
        keys.insert(place, key);
        let list = RevokedList { mesh: ca.mesh().clone(), epoch: epoch + 1, issued: now, previous, keys };
        let mut bytes = list.payload().map_err(PkiError::internal)?;
        let signature = self.sign_bytes(&RevokedList::signing_input(&bytes))?;
        bytes.extend_from_slice(&signature);
        // Judged as every member will judge it, before it takes the place of one that is good.
        let signed = ca.trust()?.verify_revoked(&bytes).map_err(PkiError::internal)?;
        files::replace(ca.directory(), &public(REVOKED, &bytes))?;
        Ok(signed)
    }

    /// Makes room for a new key under a name whose key is revoked.
    pub(super) fn archive(&self, name: &NodeName) -> Result<(), PkiError> {
        let ca = self.certificate().directory();
        let Ok(kind) = record::find(ca, name) else { return Ok(()) };
        let directory = kind.path(ca, name);
        record::refuse_taken(ca, name)?;
        let id = record::read_identity(&directory, kind)?.0.id;
        files::make_directory(&ca.join(ARCHIVE))?;
        let archived = ca.join(ARCHIVE).join(id.to_string());
        fs::rename(&directory, &archived).map_err(|error| PkiError::file(&directory, error))?;
        remove_keys(&archived).map_err(|error| PkiError::file(&archived, error))
    }
}

impl CaCertificate {
    /// The list of revoked keys; `None` if nothing was ever revoked.
    pub fn revoked(&self) -> Result<Option<SignedRevoked>, PkiError> {
        let file = self.directory().join(REVOKED);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PkiError::file(&file, error)),
        };
        let judged = self.trust()?.verify_revoked(&bytes[..bytes.len().min(REVOKED_BYTES_MAX + 1)]);
        judged.map(Some).map_err(|error| PkiError::BadList { file, error })
    }
}

/// The list of the CA in a directory.
pub(super) fn read_list(ca: &Path) -> Result<Option<SignedRevoked>, PkiError> {
    CaCertificate::read(ca)?.revoked()
}

/// What is left of replaced keys.
pub(super) fn archived(ca: &Path) -> Result<Vec<PathBuf>, PkiError> {
    let archive = ca.join(ARCHIVE);
    let failed = |error| PkiError::file(&archive, error);
    let entries = match fs::read_dir(&archive) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut directories = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // Hidden and foreign ones are none of ours.
        if entry.file_name().to_str().is_some_and(|name| name.parse::<NodeId>().is_ok()) {
            directories.push(entry.path());
        }
    }
    directories.sort_unstable();
    Ok(directories)
}

/// Two who revoke at once would sign two lists of one epoch.
fn lock(directory: &Path) -> Result<File, PkiError> {
    let failed = |error| PkiError::file(directory, error);
    let file = File::open(directory).map_err(failed)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    Ok(file)
}

fn remove_keys(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == KEY_EXTENSION) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
