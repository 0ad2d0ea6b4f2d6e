//! Facts to signed bytes and back: what a node says of itself, and whether to believe it.
//!
//! Own facts enter and leave signed; bytes of others enter and leave as [`VerifiedFacts`], or not at all. The
//! payload is a version byte and JSON, so that a newer node may say more than an older one reads; it is
//! signed as it is sent and never encoded again.

use std::net::SocketAddr;

use p2p_shared::id::NodeName;
use p2p_shared::rpc::codec::{self, CodecError, Encoding};
use p2p_shared::services::node::Label;
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{self, Credentials, PeerKind, Refusal, Signed, Trust};
use serde::{Deserialize, Serialize};

use super::core::record::{Facts, SignedFacts, VerifiedFacts};
use crate::labels;

/// Most bytes of certificate, payload and signature together; a record of the DHT holds them all.
pub const SIGNED_BYTES_MAX: usize = 4_000;
/// Most addresses of one node.
pub const ADDRESSES_MAX: usize = 16;
/// Longest program version.
const VERSION_BYTES_MAX: usize = 64;

/// What the signature is for.
const DOMAIN: &str = "p2p-admin/facts/v1";
/// Version of the payload.
const PAYLOAD_VERSION: u8 = 1;

/// Why facts cannot be signed, or are not believed.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// Over [`SIGNED_BYTES_MAX`].
    #[error("signed facts of {0} bytes, of at most {SIGNED_BYTES_MAX}: fewer or shorter labels")]
    TooLarge(usize),
    /// Of a version that this program does not read.
    #[error("facts of version {0}")]
    Version(u8),
    /// Not such facts.
    #[error(transparent)]
    Malformed(#[from] CodecError),
    /// The signer is not to be trusted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// An operator signed them.
    #[error("facts signed by an operator")]
    NotANode,
    /// They are about somebody else than the signer.
    #[error("facts of {said} signed by {signer}")]
    WrongName {
        /// Whom they are about.
        said: NodeName,
        /// Who signed.
        signer: NodeName,
    },
    /// A field is over its limit.
    #[error("facts with {0}")]
    Limit(&'static str),
}

/// Facts as they are written: fields may be added, with a default.
#[derive(Serialize, Deserialize)]
struct Payload {
    name: NodeName,
    addresses: Vec<SocketAddr>,
    labels: Vec<Label>,
    version: String,
    started: UnixMillis,
    expires: Option<UnixMillis>,
    sequence: u64,
    #[serde(default)]
    left: bool,
    #[serde(default)]
    http: Option<SocketAddr>,
}

/// Signs what this node says of itself.
///
/// # Errors
/// If it is too much.
pub fn sign(credentials: &Credentials, facts: Facts) -> Result<VerifiedFacts, FactsError> {
    check(&facts)?;
    let payload = [&[PAYLOAD_VERSION], codec::encode(&to_payload(&facts), Encoding::Json)?.as_ref()].concat();
    let signature = credentials.sign(DOMAIN, &payload).to_vec();
    let signed = SignedFacts { certificate: credentials.certificate().to_vec(), payload, signature };
    let size = signed.size_bytes();
    if size > SIGNED_BYTES_MAX {
        return Err(FactsError::TooLarge(size));
    }
    Ok(VerifiedFacts { id: credentials.identity().id, facts, signed })
}

/// Believes facts, or says why not.
///
/// # Errors
/// As [`FactsError`] says.
pub fn verify(trust: &Trust, now: UnixMillis, signed: &SignedFacts) -> Result<VerifiedFacts, FactsError> {
    let size = signed.size_bytes();
    if size > SIGNED_BYTES_MAX {
        return Err(FactsError::TooLarge(size));
    }
    let (leaf, bytes, signature) = (&signed.certificate, &signed.payload, &signed.signature);
    let signer = trust.verify_signed(&Signed { leaf, domain: DOMAIN, bytes, signature }, now)?;
    if signer.kind != PeerKind::Node {
        return Err(FactsError::NotANode);
    }
    let facts = read(&signed.payload)?;
    if facts.name != signer.name {
        return Err(FactsError::WrongName { said: facts.name, signer: signer.name });
    }
    check(&facts)?;
    Ok(VerifiedFacts { id: signer.id, facts, signed: signed.clone() })
}

/// Believes facts of our own store: a lost member stays listed although its certificate has ended meanwhile.
///
/// # Errors
/// As [`verify`].
pub fn verify_kept(
    trust: &Trust,
    now: UnixMillis,
    signed: &SignedFacts,
) -> Result<VerifiedFacts, FactsError> {
    let ends = tls::identity(&signed.certificate)?.not_after;
    verify(trust, now.min(ends), signed)
}

fn read(payload: &[u8]) -> Result<Facts, FactsError> {
    match payload.split_first() {
        Some((&PAYLOAD_VERSION, json)) => Ok(from_payload(codec::decode(json, Encoding::Json)?)),
        found => Err(FactsError::Version(found.map_or(0, |(&version, _)| version))),
    }
}

fn check(facts: &Facts) -> Result<(), FactsError> {
    if facts.addresses.len() > ADDRESSES_MAX {
        return Err(FactsError::Limit("too many addresses"));
    }
    if facts.labels.len() > labels::LABELS_MAX {
        return Err(FactsError::Limit("too many labels"));
    }
    if facts.labels.iter().any(|label| labels::check(&label.key, &label.value).is_err()) {
        return Err(FactsError::Limit("a label out of its alphabet"));
    }
    let plain = facts.version.bytes().all(|byte| byte.is_ascii_graphic());
    if facts.version.len() > VERSION_BYTES_MAX || !plain {
        return Err(FactsError::Limit("a version that is none"));
    }
    Ok(())
}

fn to_payload(facts: &Facts) -> Payload {
    let Facts { name, addresses, labels, version, started, expires, sequence, left, http } = facts.clone();
    Payload { name, addresses, labels, version, started, expires, sequence, left, http }
}

fn from_payload(payload: Payload) -> Facts {
    let Payload { name, addresses, labels, version, started, expires, sequence, left, http } = payload;
    Facts { name, addresses, labels, version, started, expires, sequence, left, http }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use p2p_shared::access::Role;
    use tempfile::TempDir;

    use super::*;
    use crate::clock;
    use crate::pki::{Authority, NewCa, NodeRequest, OperatorRequest, Sealing};

    struct World {
        authority: Authority,
        _directory: TempDir,
    }

    impl World {
        fn new() -> Self {
            let directory = TempDir::new().unwrap();
            let new = NewCa { mesh: "home".parse().unwrap(), days: 30 };
            let authority = Authority::init(directory.path(), &new, &Sealing::Plain, clock::wall()).unwrap();
            Self { authority, _directory: directory }
        }

        fn node(&self, name: &str) -> Credentials {
            let request = NodeRequest { name: name.parse().unwrap(), addresses: Vec::new(), days: 10 };
            let issued = self.authority.issue_node(&request, clock::wall()).unwrap();
            Credentials::load_node(&issued.directory, clock::wall()).unwrap()
        }

        fn operator(&self) -> Credentials {
            let request = OperatorRequest { name: "ann".parse().unwrap(), role: Role::Admin, days: 10 };
            let issued = self.authority.issue_operator(&request, &Sealing::Plain, clock::wall()).unwrap();
            Credentials::load_operator(&issued.directory, clock::wall(), |_| unreachable!()).unwrap()
        }
    }

    fn facts(name: &str) -> Facts {
        Facts {
            name: name.parse().unwrap(),
            addresses: vec!["[::1]:5678".parse().unwrap()],
            labels: vec![Label { key: "role".into(), value: "web".into() }],
            version: "0.1.0".into(),
            started: UnixMillis(5),
            expires: Some(UnixMillis(9)),
            sequence: 7,
            left: false,
            http: Some("[::]:8000".parse().unwrap()),
        }
    }

    #[test]
    fn signed_facts_are_believed_under_the_signers_id() {
        let world = World::new();
        let node = world.node("web-1");
        let signed = sign(&node, facts("web-1")).unwrap().signed;
        let believed = verify(&node.trust(), clock::wall(), &signed).unwrap();
        assert_eq!((believed.id, believed.facts), (node.identity().id, facts("web-1")));
    }

    #[test]
    fn nobody_speaks_for_another() {
        let world = World::new();
        let (node, operator) = (world.node("web-1"), world.operator());
        let trust: Arc<Trust> = node.trust();
        let wrong_name = sign(&node, facts("web-2")).unwrap().signed;
        assert!(matches!(verify(&trust, clock::wall(), &wrong_name), Err(FactsError::WrongName { .. })));
        let by_operator = sign(&operator, facts("ann")).unwrap().signed;
        assert!(matches!(verify(&trust, clock::wall(), &by_operator), Err(FactsError::NotANode)));
        let stranger = World::new().node("web-1");
        let foreign = sign(&stranger, facts("web-1")).unwrap().signed;
        assert!(matches!(verify(&trust, clock::wall(), &foreign), Err(FactsError::Refused(_))));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let world = World::new();
        let node = world.node("web-1");
        let signed = sign(&node, facts("web-1")).unwrap().signed;
        for index in 0..signed.payload.len() {
            let mut forged = signed.clone();
            forged.payload[index] ^= 1;
            assert!(verify(&node.trust(), clock::wall(), &forged).is_err(), "byte {index}");
        }
    }

    #[test]
    fn limits_hold_on_both_sides() {
        let node = World::new().node("web-1");
        let address: SocketAddr = "[::1]:5678".parse().unwrap();
        let many = Facts { addresses: vec![address; ADDRESSES_MAX + 1], ..facts("web-1") };
        assert!(matches!(sign(&node, many), Err(FactsError::Limit(_))));
        let long = |index: usize| Label { key: format!("{}{index}", "k".repeat(60)), value: "v".repeat(63) };
        let large = Facts { labels: (0..32).map(long).collect(), ..facts("web-1") };
        assert!(matches!(sign(&node, large), Err(FactsError::TooLarge(_))));
    }

    #[test]
    fn facts_of_a_newer_node_are_read_as_far_as_they_are_known() {
        let http: Vec<_> = ["[::]:8000", "0.0.0.0:8000", "10.0.0.9:1"]
            .map(|http| Facts { http: Some(http.parse().unwrap()), ..facts("web-1") }.http_face())
            .into();
        assert_eq!(http, [Some("[::1]:8000".parse().unwrap()), None, Some("10.0.0.9:1".parse().unwrap())]);
        let json = br#"{"name":"web-1","addresses":[],"labels":[],"version":"9.0.0","started":1,"expires":null,"sequence":1,"colour":"red"}"#;
        let read = read(&[&[PAYLOAD_VERSION], json.as_slice()].concat()).unwrap();
        assert_eq!((read.version.as_str(), read.left, read.http), ("9.0.0", false, None));
        assert!(matches!(self::read(&[2]), Err(FactsError::Version(2))));
    }
}
