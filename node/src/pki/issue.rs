//! Issuing and renewing: from a request to a directory that a machine or a person can use as it is.
//!
//! Requests enter, files leave, all of a directory or nothing. Each certificate is judged as a peer would
//! judge it before it is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use p2p_shared::access::Role;
use p2p_shared::id::NodeName;
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{PeerKind, certificates_file};
use rcgen::SubjectPublicKeyInfo;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::address::Address;
use super::authority::{Authority, certificate_pem};
use super::error::PkiError;
use super::files::{self, NewFile};
use super::key::{NewKey, Sealing};
use super::leaf::{self, Validity};
use super::record::{self, Kind, Record};

/// How long a node's certificate lives unless told otherwise.
pub const NODE_DAYS_DEFAULT: u64 = 90;
/// How long an operator's certificate lives unless told otherwise.
pub const OPERATOR_DAYS_DEFAULT: u64 = 30;

/// A machine that is to join.
#[derive(Clone, Debug)]
pub struct NodeRequest {
    pub name: NodeName,
    /// Where browsers reach it, besides its name and the loopback addresses.
    pub addresses: Vec<Address>,
    pub days: u64,
}

/// A person who is to work with the mesh.
#[derive(Clone, Debug)]
pub struct OperatorRequest {
    pub name: NodeName,
    pub role: Role,
    pub days: u64,
}

/// A certificate that is to last longer, with the key it has.
#[derive(Clone, Debug)]
pub struct Renewal {
    pub name: NodeName,
    /// `None`: as long as that kind lives by default.
    pub days: Option<u64>,
    /// Of a node: what its HTTP certificate vouches for from now on; empty keeps what it does.
    pub addresses: Vec<Address>,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Issued {
    pub record: Record,
    /// Where its files are.
    pub directory: PathBuf,
    /// Whether it ends earlier than asked, with the CA.
    pub shortened: bool,
}

impl Authority {
    /// Makes a node's key and certificate, and those of its HTTP face.
    pub fn issue_node(&self, request: &NodeRequest, now: UnixMillis) -> Result<Issued, PkiError> {
        self.refuse_taken(&request.name)?;
        let validity = self.validity(request.days, now)?;
        let mesh = self.certificate().mesh();
        let (key, http_key) = (NewKey::ed25519()?, NewKey::p256()?);
        let leaf = self.sign(&leaf::node(mesh, &request.name, validity)?, &key.public)?;
        self.check(&leaf, now)?;
        let addresses = with_own(&request.name, &request.addresses);
        let http = self.sign(&leaf::http(&request.name, &addresses, validity)?, &http_key.public)?;
        let (key, http_key) = (Sealing::Plain.write(&key.pkcs8)?, Sealing::Plain.write(&http_key.pkcs8)?);
        self.place(
            Kind::Node,
            &request.name,
            &[
                public("ca.crt", self.certificate().pem().as_bytes()),
                public("node.crt", certificate_pem(&leaf).as_bytes()),
                secret("node.key", key.as_bytes()),
                public("http.crt", certificate_pem(&http).as_bytes()),
                secret("http.key", http_key.as_bytes()),
            ],
        )?;
        self.issued(Kind::Node, &request.name, validity, now)
    }

    /// Makes an operator's key and certificate.
    pub fn issue_operator(
        &self,
        request: &OperatorRequest,
        sealing: &Sealing,
        now: UnixMillis,
    ) -> Result<Issued, PkiError> {
        self.refuse_taken(&request.name)?;
        let validity = self.validity(request.days, now)?;
        let mesh = self.certificate().mesh();
        let key = NewKey::ed25519()?;
        let params = leaf::operator(mesh, &request.name, request.role, validity)?;
        let leaf = self.sign(&params, &key.public)?;
        self.check(&leaf, now)?;
        let key = sealing.write(&key.pkcs8)?;
        self.place(
            Kind::Operator,
            &request.name,
            &[
                public("ca.crt", self.certificate().pem().as_bytes()),
                public("operator.crt", certificate_pem(&leaf).as_bytes()),
                secret("operator.key", key.as_bytes()),
            ],
        )?;
        self.issued(Kind::Operator, &request.name, validity, now)
    }

    /// Gives the same key a new certificate, so that the id stays; also the HTTP face of a node. The keys
    /// themselves are not needed for it.
    pub fn renew(&self, renewal: &Renewal, now: UnixMillis) -> Result<Issued, PkiError> {
        let (ca, name) = (self.certificate(), &renewal.name);
        let kind = record::find(ca.directory(), name)?;
        let directory = kind.path(ca.directory(), name);
        let (peer, old, file) = record::read_identity(&directory, kind)?;
        record::refuse_revoked(ca.directory(), kind, name)?;
        // An expired one may be renewed; one that this CA never signed may not.
        ca.trust()?
            .verify(&old, &[], now.min(peer.not_after))
            .map_err(|refusal| PkiError::NotOurs { file, refusal })?;
        let default = match kind {
            Kind::Node => NODE_DAYS_DEFAULT,
            Kind::Operator => OPERATOR_DAYS_DEFAULT,
        };
        let validity = self.validity(renewal.days.unwrap_or(default), now)?;
        let params = match peer.kind {
            PeerKind::Node => leaf::node(ca.mesh(), name, validity)?,
            PeerKind::Operator(role) => leaf::operator(ca.mesh(), name, role, validity)?,
        };
        let leaf = self.sign(&params, &public_key(&old)?)?;
        self.check(&leaf, now)?;
        if kind == Kind::Node {
            self.renew_http(&directory, renewal, validity)?;
        }
        files::replace(&directory, &public("ca.crt", ca.pem().as_bytes()))?;
        files::replace(&directory, &public(&format!("{kind}.crt"), certificate_pem(&leaf).as_bytes()))?;
        self.issued(kind, name, validity, now)
    }

    fn renew_http(&self, directory: &Path, renewal: &Renewal, validity: Validity) -> Result<(), PkiError> {
        let file = directory.join("http.crt");
        let old = certificates_file(&file)?.swap_remove(0);
        let addresses = if renewal.addresses.is_empty() {
            record::read_addresses(directory)?
        } else {
            with_own(&renewal.name, &renewal.addresses)
        };
        let params = leaf::http(&renewal.name, &addresses, validity)?;
        let renewed = self.sign(&params, &public_key(&old)?)?;
        files::replace(directory, &public("http.crt", certificate_pem(&renewed).as_bytes()))
    }

    fn validity(&self, days: u64, now: UnixMillis) -> Result<Validity, PkiError> {
        Validity::of_leaf(now, days, self.certificate().until())
    }

    fn refuse_taken(&self, name: &NodeName) -> Result<(), PkiError> {
        record::refuse_taken(self.certificate().directory(), name)
    }

    /// What a peer would say of it.
    pub(super) fn check(&self, leaf: &CertificateDer<'_>, now: UnixMillis) -> Result<(), PkiError> {
        let judged = self.certificate().trust()?.verify(leaf, &[], now);
        judged.map(|_| ()).map_err(PkiError::internal)
    }

    /// Writes the directory of a new holder, all of it or nothing.
    fn place(&self, kind: Kind, name: &NodeName, files: &[NewFile<'_>]) -> Result<(), PkiError> {
        self.archive(name)?;
        if files::new_directory(&kind.path(self.certificate().directory(), name), files)? {
            Ok(())
        } else {
            Err(PkiError::NameTaken { name: name.clone(), kind })
        }
    }

    fn issued(
        &self,
        kind: Kind,
        name: &NodeName,
        validity: Validity,
        now: UnixMillis,
    ) -> Result<Issued, PkiError> {
        let directory = kind.path(self.certificate().directory(), name);
        let record = Record::read(&directory, kind, now)?;
        Ok(Issued { record, directory, shortened: validity.shortened })
    }
}

/// The addresses that were given, after those that every node has.
fn with_own(name: &NodeName, addresses: &[Address]) -> Vec<Address> {
    let mut all: Vec<Address> =
        [name.as_str(), "localhost"].iter().filter_map(|host| host.parse().ok()).collect();
    all.push(Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    all.push(Address::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    for address in addresses {
        if !all.contains(address) {
            all.push(address.clone());
        }
    }
    all
}

fn public_key(certificate: &[u8]) -> Result<SubjectPublicKeyInfo, PkiError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(PkiError::internal)?;
    SubjectPublicKeyInfo::from_der(parsed.tbs_certificate.subject_pki.raw).map_err(PkiError::internal)
}

pub(super) const fn public<'a>(name: &'a str, content: &'a [u8]) -> NewFile<'a> {
    NewFile { name, content, mode: files::PUBLIC }
}

const fn secret<'a>(name: &'a str, content: &'a [u8]) -> NewFile<'a> {
    NewFile { name, content, mode: files::SECRET }
}
