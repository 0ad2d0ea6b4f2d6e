//! The list of revoked keys: what the CA signs, and what everybody checks before believing it.
//!
//! Bytes that a peer, a file or the CA hands over enter [`Trust::verify_revoked`]; a list that one of the own
//! CAs signed for the own mesh leaves, or the reason why not. A list names keys, never names and never
//! certificates. Which of two lists is in force is not decided here: the one with the higher epoch is.
//!
//! On the wire: a version byte, the mesh (a length byte and text), epoch and time of issue (eight bytes each,
//! big-endian), the SHA-256 of the list before, a count (two bytes), that many keys (id, eight bytes of time,
//! one byte of reason) in ascending order, and the rest is the CA's signature over all before it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};

use super::trust::{Trust, signing_input};
use crate::id::{MeshName, NodeId};
use crate::time::UnixMillis;

/// Keys that fit into one list, which fits into one message of the membership.
pub const REVOKED_KEYS_MAX: usize = 1_024;
/// No list is longer.
pub const REVOKED_BYTES_MAX: usize = 44 << 10;

const DOMAIN: &str = "p2p-admin/revoked/v1";
const VERSION: u8 = 1;
/// A DER signature of ECDSA P-256.
const SIGNATURE_BYTES_MAX: usize = 72;

/// Why a key was revoked: what the CA was told, for people to read. Numbers are those of RFC 5280.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RevokedReason {
    /// Nobody said.
    #[default]
    Unspecified,
    /// Somebody else may have the key.
    KeyCompromise,
    /// The holder changed sides.
    AffiliationChanged,
    /// A new key took its place.
    Superseded,
    /// The machine or the person is gone.
    CessationOfOperation,
    /// The holder is no longer trusted with it.
    PrivilegeWithdrawn,
}

impl RevokedReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }

    /// A code of a newer CA is a key that is revoked all the same.
    fn from_code(code: u8) -> Self {
        Self::ALL.into_iter().find(|reason| reason.code() == code).unwrap_or_default()
    }
}

impl fmt::Display for RevokedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a reason is one of unspecified, key-compromise, affiliation-changed, superseded, \
     cessation-of-operation, privilege-withdrawn"
)]
pub struct UnknownReason;

impl FromStr for RevokedReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownReason)
    }
}

/// One revoked key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    /// Hash of the key.
    pub id: NodeId,
    /// When the CA revoked it.
    pub at: UnixMillis,
    /// Why.
    pub reason: RevokedReason,
}

/// What a list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedList {
    /// Whose members it is about.
    pub mesh: MeshName,
    /// Counts the lists of this mesh from 1; the highest is in force.
    pub epoch: u64,
    /// When the CA signed it.
    pub issued: UnixMillis,
    /// [`SignedRevoked::digest`] of the list before; zeros for the first.
    pub previous: [u8; 32],
    /// The keys, in ascending order of their ids, each one once.
    pub keys: Vec<RevokedKey>,
}

/// A list whose signature was checked, with the bytes to pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRevoked {
    /// What it says.
    pub list: RevokedList,
    /// As it was signed and sent.
    pub bytes: Vec<u8>,
    /// SHA-256 of what was signed. The signature is not in it: ECDSA has two for every list.
    pub digest: [u8; 32],
}

/// Why bytes are no list to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevokedError {
    /// Longer than a list can be.
    #[error("a revocation list of {0} bytes; the most is {REVOKED_BYTES_MAX}")]
    TooLarge(usize),
    /// More keys than fit.
    #[error("a revocation list holds at most {REVOKED_KEYS_MAX} keys")]
    TooMany,
    /// Cut off, of another version, or not in order.
    #[error("not a revocation list: {0}")]
    Malformed(&'static str),
    /// Of another mesh.
    #[error("a revocation list of mesh {theirs}, not {ours}")]
    WrongMesh {
        /// The list's.
        theirs: MeshName,
        /// The own.
        ours: MeshName,
    },
    /// No CA of ours signed these bytes.
    #[error("the revocation list is not signed by this mesh's CA")]
    BadSignature,
}

impl RevokedList {
    /// The revoked key of this id.
    pub fn get(&self, id: &NodeId) -> Option<&RevokedKey> {
        self.keys.binary_search_by(|key| key.id.cmp(id)).ok().and_then(|index| self.keys.get(index))
    }

    /// What the CA signs of a payload, by ECDSA P-256 with SHA-256; payload and DER signature are the list.
    pub fn signing_input(payload: &[u8]) -> Vec<u8> {
        signing_input(DOMAIN, payload)
    }

    /// Its bytes, without the signature.
    ///
    /// # Errors
    /// [`RevokedError::TooMany`].
    pub fn payload(&self) -> Result<Vec<u8>, RevokedError> {
        if self.keys.len() > REVOKED_KEYS_MAX {
            return Err(RevokedError::TooMany);
        }
        let (mesh, count) = (self.mesh.as_str().as_bytes(), self.keys.len() as u16);
        let mut bytes = vec![VERSION, mesh.len() as u8];
        bytes.extend_from_slice(mesh);
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.issued.0.to_be_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&count.to_be_bytes());
        for key in &self.keys {
            bytes.extend_from_slice(key.id.as_bytes());
            bytes.extend_from_slice(&key.at.0.to_be_bytes());
            bytes.push(key.reason.code());
        }
        Ok(bytes)
    }
}

impl Trust {
    /// Judges a list: its form, its mesh, and that a CA of ours signed exactly these bytes.
    ///
    /// # Errors
    /// As [`RevokedError`] says.
    pub fn verify_revoked(&self, bytes: &[u8]) -> Result<SignedRevoked, RevokedError> {
        if bytes.len() > REVOKED_BYTES_MAX {
            return Err(RevokedError::TooLarge(bytes.len()));
        }
        let mut reader = Reader { rest: bytes };
        let list = reader.list()?;
        let signature = reader.rest;
        let signed = &bytes[..bytes.len() - signature.len()];
        if signature.len() > SIGNATURE_BYTES_MAX
            || !self.is_signed_by_ca(&signing_input(DOMAIN, signed), signature)
        {
            return Err(RevokedError::BadSignature);
        }
        if list.mesh != *self.mesh() {
            return Err(RevokedError::WrongMesh { theirs: list.mesh, ours: self.mesh().clone() });
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, signed).as_ref());
        Ok(SignedRevoked { list, bytes: bytes.to_vec(), digest: hash })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn list(&mut self) -> Result<RevokedList, RevokedError> {
        if self.take()? != [VERSION] {
            return Err(RevokedError::Malformed("of another version"));
        }
        let [length] = self.take()?;
        let mesh = self.slice(length.into())?;
        let mesh = std::str::from_utf8(mesh).ok().and_then(|text| text.parse().ok());
        let mesh = mesh.ok_or(RevokedError::Malformed("its mesh has no name"))?;
        let (epoch, issued) =
            (u64::from_be_bytes(self.take()?), UnixMillis(u64::from_be_bytes(self.take()?)));
        let previous = self.take()?;
        let count = usize::from(u16::from_be_bytes(self.take()?));
        if count > REVOKED_KEYS_MAX {
            return Err(RevokedError::TooMany);
        }
        let keys = (0..count).map(|_| self.key()).collect::<Result<Vec<_>, _>>()?;
        if epoch == 0 {
            return Err(RevokedError::Malformed("its epoch is zero"));
        }
        if !keys.is_sorted_by(|one, next| one.id < next.id) {
            return Err(RevokedError::Malformed("its keys are not in order"));
        }
        Ok(RevokedList { mesh, epoch, issued, previous, keys })
    }

    fn key(&mut self) -> Result<RevokedKey, RevokedError> {
        let id = NodeId::new(self.take()?);
        let at = UnixMillis(u64::from_be_bytes(self.take()?));
        let [code] = self.take()?;
        Ok(RevokedKey { id, at, reason: RevokedReason::from_code(code) })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], RevokedError> {
        let (first, rest) = self.rest.split_first_chunk().ok_or(RevokedError::Malformed("cut off"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], RevokedError> {
        let (first, rest) = self.rest.split_at_checked(length).ok_or(RevokedError::Malformed("cut off"))?;
        self.rest = rest;
        Ok(first)
    }
}
