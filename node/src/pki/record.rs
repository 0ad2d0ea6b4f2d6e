//! Who has a certificate: what lies in the CA's directory, read back and judged by nobody.
//!
//! A directory enters, records for people and scripts leave. The files are the register: there is no second
//! list that could disagree with them.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use p2p_shared::access::Role;
use p2p_shared::id::{NodeId, NodeName, hex};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{PeerIdentity, PeerKind, RevokedKey, SignedRevoked, certificates_file, identity};
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::address::Address;
use super::error::PkiError;
use super::revoke;

const MILLIS_A_DAY: i64 = 86_400_000;

/// Whether a certificate is a machine's or a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A machine.
    Node,
    /// A person or a script.
    Operator,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Node, Self::Operator];

    /// The directory below the CA's, and so the word in its files.
    pub(super) const fn directory(self) -> &'static str {
        match self {
            Self::Node => "nodes",
            Self::Operator => "operators",
        }
    }

    const fn of(peer: &PeerIdentity) -> Self {
        match peer.kind {
            PeerKind::Node => Self::Node,
            PeerKind::Operator(_) => Self::Operator,
        }
    }

    pub(super) const fn with_article(self) -> &'static str {
        match self {
            Self::Node => "a node",
            Self::Operator => "an operator",
        }
    }

    /// The word in names of files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Operator => "operator",
        }
    }

    pub(super) fn path(self, ca: &Path, name: &NodeName) -> PathBuf {
        ca.join(self.directory()).join(name.as_str())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One holder of a certificate. The JSON of it is stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    pub name: NodeName,
    pub kind: Kind,
    /// An operator's; none for a node.
    pub role: Option<Role>,
    pub id: NodeId,
    /// RFC 3339, UTC.
    pub not_before: String,
    /// RFC 3339, UTC.
    pub not_after: String,
    /// Whole days until the end; negative once it is over.
    pub days_left: i64,
    /// Hexadecimal.
    pub serial: String,
    /// Whom `http.crt` vouches for; empty for an operator.
    pub addresses: Vec<String>,
    /// Of a key that is revoked: since when and why.
    pub revoked: Option<RevokedRecord>,
}

/// The revocation of a key. The JSON of it is stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevokedRecord {
    /// RFC 3339, UTC.
    pub at: String,
    /// The word, such as `key-compromise`.
    pub reason: &'static str,
}

impl Record {
    /// Reads the holder in `directory` (`nodes/NAME` or `operators/NAME`).
    pub(super) fn read(directory: &Path, kind: Kind, now: UnixMillis) -> Result<Self, PkiError> {
        Self::of(directory, read_identity(directory, kind)?, now)
    }

    fn of(directory: &Path, (peer, der, file): Identified, now: UnixMillis) -> Result<Self, PkiError> {
        let kind = Kind::of(&peer);
        let damaged = |what| PkiError::Damaged { file: file.clone(), what };
        let parsed = X509Certificate::from_der(&der).map_err(|_| damaged("it is not a certificate"))?.1;
        let addresses = match kind {
            Kind::Node => read_addresses(directory)?,
            Kind::Operator => Vec::new(),
        };
        let from = u64::try_from(parsed.validity().not_before.timestamp()).unwrap_or_default();
        Ok(Self {
            name: peer.name,
            kind,
            role: match peer.kind {
                PeerKind::Node => None,
                PeerKind::Operator(role) => Some(role),
            },
            id: peer.id,
            not_before: rfc3339(UnixMillis(from.saturating_mul(1_000))),
            not_after: rfc3339(peer.not_after),
            days_left: days_between(now, peer.not_after),
            serial: hex(parsed.raw_serial()),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            revoked: None,
        })
    }

    fn marked(self, list: Option<&SignedRevoked>) -> Self {
        let key = list.and_then(|signed| signed.list.get(&self.id));
        let revoked = key.map(|key| RevokedRecord { at: rfc3339(key.at), reason: key.reason.as_str() });
        Self { revoked, ..self }
    }
}

/// Everybody, nodes first, by name, and then whose keys were replaced. What cannot be read is an error in its
/// place.
pub fn list(ca: &Path, now: UnixMillis) -> Result<Vec<Result<Record, PkiError>>, PkiError> {
    let revoked = revoke::read_list(ca)?;
    let current = directories(ca)?.into_iter();
    let mut all: Vec<_> = current.map(|(directory, kind)| Record::read(&directory, kind, now)).collect();
    for directory in revoke::archived(ca)? {
        all.push(read_archived(&directory).and_then(|found| Record::of(&directory, found, now)));
    }
    Ok(all.into_iter().map(|record| record.map(|record| record.marked(revoked.as_ref()))).collect())
}

/// The directory of everybody, nodes first, by name.
pub(super) fn directories(ca: &Path) -> Result<Vec<(PathBuf, Kind)>, PkiError> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let names = names(&ca.join(kind.directory()))?;
        all.extend(names.iter().map(|name| (kind.path(ca, name), kind)));
    }
    Ok(all)
}

/// What `name` is here; names are unique over both kinds.
pub fn find(ca: &Path, name: &NodeName) -> Result<Kind, PkiError> {
    Kind::ALL
        .into_iter()
        .find(|kind| kind.path(ca, name).exists())
        .ok_or_else(|| PkiError::UnknownName { name: name.clone(), directory: ca.to_owned() })
}

/// One holder.
pub fn show(ca: &Path, name: &NodeName, now: UnixMillis) -> Result<Record, PkiError> {
    let kind = find(ca, name)?;
    let record = Record::read(&kind.path(ca, name), kind, now)?;
    Ok(record.marked(revoke::read_list(ca)?.as_ref()))
}

/// Refuses a name that somebody has, unless that key is revoked. Asked before anybody is asked for a passphrase, too.
pub fn refuse_taken(ca: &Path, name: &NodeName) -> Result<(), PkiError> {
    let Ok(kind) = find(ca, name) else { return Ok(()) };
    match revocation(ca, kind, name)? {
        Some(_) => Ok(()),
        None => Err(PkiError::NameTaken { name: name.clone(), kind }),
    }
}

/// Refuses a holder whose key is revoked: it is neither renewed nor carried anywhere.
pub(super) fn refuse_revoked(ca: &Path, kind: Kind, name: &NodeName) -> Result<(), PkiError> {
    match revocation(ca, kind, name)? {
        Some(key) => {
            let (at, reason) = (rfc3339(key.at), key.reason);
            Err(PkiError::IsRevoked { name: name.clone(), kind, at, reason })
        }
        None => Ok(()),
    }
}

/// What the list says of the key that a holder has.
fn revocation(ca: &Path, kind: Kind, name: &NodeName) -> Result<Option<RevokedKey>, PkiError> {
    let Some(signed) = revoke::read_list(ca)? else { return Ok(None) };
    let (peer, _, _) = read_identity(&kind.path(ca, name), kind)?;
    Ok(signed.list.get(&peer.id).copied())
}

/// Whose a certificate is, with its DER and its path.
pub(super) type Identified = (PeerIdentity, CertificateDer<'static>, PathBuf);

/// Who the certificate in `directory`, which is called after its holder, is of.
pub(super) fn read_identity(directory: &Path, kind: Kind) -> Result<Identified, PkiError> {
    let (peer, der, file) = identify(directory, kind)?;
    if directory.file_name().is_none_or(|name| name != peer.name.as_str()) {
        return Err(PkiError::Damaged { file, what: "its name is not that of its directory" });
    }
    Ok((peer, der, file))
}

/// The same of a directory that is called after the key.
pub(super) fn read_archived(directory: &Path) -> Result<Identified, PkiError> {
    let is_node = directory.join("node.crt").exists();
    identify(directory, if is_node { Kind::Node } else { Kind::Operator })
}

fn identify(directory: &Path, kind: Kind) -> Result<Identified, PkiError> {
    let file = directory.join(format!("{kind}.crt"));
    let der = certificates_file(&file)?.swap_remove(0);
    let peer = identity(&der).map_err(|refusal| PkiError::NotOurs { file: file.clone(), refusal })?;
    let found = Kind::of(&peer);
    if found != kind {
        return Err(PkiError::OtherKind { name: peer.name, found, asked: kind });
    }
    Ok((peer, der, file))
}

/// Whom the HTTP certificate of a node vouches for.
pub(super) fn read_addresses(directory: &Path) -> Result<Vec<Address>, PkiError> {
    let file = directory.join("http.crt");
    let der = certificates_file(&file)?.swap_remove(0);
    let damaged = || PkiError::Damaged { file: file.clone(), what: "its alternative names cannot be read" };
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| damaged())?;
    let names = parsed.subject_alternative_name().ok().flatten().ok_or_else(damaged)?;
    names.value.general_names.iter().map(|name| read_address(name).ok_or_else(damaged)).collect()
}

/// A point in time for people and scripts.
pub(super) fn rfc3339(at: UnixMillis) -> String {
    at.to_the_second().to_string()
}

fn read_address(name: &GeneralName<'_>) -> Option<Address> {
    match name {
        GeneralName::DNSName(name) => name.parse().ok(),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
            let v6 = <[u8; 16]>::try_from(*bytes).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
            v4.or(v6).ok().map(Address::Ip)
        }
        _ => None,
    }
}

/// The names in a directory, in order; hidden and foreign ones are none of ours.
fn names(directory: &Path) -> Result<Vec<NodeName>, PkiError> {
    let failed = |error| PkiError::file(directory, error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.to_str().and_then(|name| name.parse::<NodeName>().ok()));
    }
    names.sort_unstable();
    Ok(names)
}

fn days_between(now: UnixMillis, until: UnixMillis) -> i64 {
    let signed = |at: UnixMillis| i64::try_from(at.0).unwrap_or(i64::MAX);
    (signed(until) - signed(now)).div_euclid(MILLIS_A_DAY)
}
