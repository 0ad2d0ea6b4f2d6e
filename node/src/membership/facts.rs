//! Facts of a member as bytes, signed and verified.
//!
//! The facts of this node enter [`sign`], those of others [`verify`]; what leaves is verified. The signed
//! bytes are a record of tagged fields: a newer program adds fields with odd tags, which older ones skip, and
//! nobody ever encodes again what another one signed. Nothing about a member is believed that its own key
//! did not sign, and a name only if its certificate bears it.

use std::fmt::Write as _;
use std::net::SocketAddr;

use p2p_shared::id::NodeName;
use p2p_shared::rpc::tlv::{self, TlvError, TlvReader, TlvWriter};
use p2p_shared::services::node::Label;
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{self, PeerKind, Refusal, Signed, Trust};

use super::core::record::{Facts, SignedFacts, VerifiedFacts};

/// What the signature of facts is for.
pub const DOMAIN: &str = "p2p-admin/facts/v1";
/// Most bytes of a certificate, facts and signature together.
pub const SIGNED_BYTES_MAX: usize = 4_096;
/// Addresses of a member.
pub const ADDRESSES_MAX: usize = 16;
/// Labels of a member.
pub const LABELS_MAX: usize = 32;
/// Bytes of a label's key, and of its value.
pub const LABEL_BYTES_MAX: usize = 63;
/// Bytes of a version.
pub const VERSION_BYTES_MAX: usize = 64;

const RECORD_VERSION: u8 = 1;
const NAME: u8 = 2;
const SEQUENCE: u8 = 4;
const STARTED: u8 = 6;
const LEFT: u8 = 8;
const VERSION: u8 = 9;
const ADDRESSES: u8 = 11;
const LABELS: u8 = 13;
const EXPIRES: u8 = 15;

/// Why facts are not believed, or cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The certificate or the signature is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Longer than [`SIGNED_BYTES_MAX`].
    #[error("signed facts of {0} bytes, the most is {SIGNED_BYTES_MAX}")]
    TooLarge(usize),
    /// Not a record.
    #[error("facts are malformed: {0}")]
    Malformed(#[from] TlvError),
    /// A field that must be there is not.
    #[error("facts lack field {0}")]
    Missing(u8),
    /// A rule is broken.
    #[error("facts break a rule: {0}")]
    Rule(&'static str),
    /// The certificate is an operator's.
    #[error("the certificate of the facts is an operator's")]
    NotANode,
    /// The name is not the certificate's.
    #[error("the facts say {claimed}, the certificate says {certified}")]
    WrongName {
        /// In the facts.
        claimed: NodeName,
        /// In the certificate.
        certified: NodeName,
    },
}

/// Signs `facts` of this node with `key` (domain and bytes to signature), whose certificate (DER) goes along.
///
/// # Errors
/// [`FactsError::Rule`] and [`FactsError::TooLarge`] if they pass a limit: fewer labels or addresses help.
pub fn sign(
    certificate: &[u8],
    key: impl FnOnce(&str, &[u8]) -> [u8; 64],
    facts: Facts,
) -> Result<VerifiedFacts, FactsError> {
    let identity = tls::identity(certificate)?;
    check_holder(&identity, &facts)?;
    let payload = encode(&facts)?;
    let signature = key(DOMAIN, &payload).to_vec();
    let signed = SignedFacts { certificate: certificate.to_vec(), payload, signature };
    check_size(&signed)?;
    Ok(VerifiedFacts { id: identity.id, facts, signed })
}

/// Judges facts that a peer passed on.
///
/// # Errors
/// As [`FactsError`] says; the cheap checks come before the signatures.
pub fn verify(trust: &Trust, now: UnixMillis, signed: &SignedFacts) -> Result<VerifiedFacts, FactsError> {
    check_size(signed)?;
    let facts = decode(&signed.payload)?;
    let input = Signed {
        leaf: &signed.certificate,
        domain: DOMAIN,
        bytes: &signed.payload,
        signature: &signed.signature,
    };
    let identity = trust.verify_signed(&input, now)?;
    check_holder(&identity, &facts)?;
    Ok(VerifiedFacts { id: identity.id, facts, signed: signed.clone() })
}

/// Judges facts of our own store: a lost member stays listed although its certificate has ended meanwhile.
///
/// # Errors
/// As [`verify`].
pub fn verify_stored(
    trust: &Trust,
    now: UnixMillis,
    signed: &SignedFacts,
) -> Result<VerifiedFacts, FactsError> {
    let ends = tls::identity(&signed.certificate)?.not_after;
    verify(trust, now.min(ends), signed)
}

/// Whether a label keeps to the alphabet and the lengths.
pub fn is_label(label: &Label) -> bool {
    let key = label.key.as_bytes();
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: &u8| edge(byte) || b"._/-".contains(byte);
    let value = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    key.first().is_some_and(edge)
        && key.last().is_some_and(edge)
        && key.iter().all(inner)
        && key.len() <= LABEL_BYTES_MAX
        && label.value.len() <= LABEL_BYTES_MAX
        && label.value.bytes().all(value)
}

fn check_size(signed: &SignedFacts) -> Result<(), FactsError> {
    match signed.size_bytes() {
        size if size > SIGNED_BYTES_MAX => Err(FactsError::TooLarge(size)),
        _ => Ok(()),
    }
}

fn check_holder(identity: &tls::PeerIdentity, facts: &Facts) -> Result<(), FactsError> {
    if identity.kind != PeerKind::Node {
        return Err(FactsError::NotANode);
    }
    if identity.name != facts.name {
        let (claimed, certified) = (facts.name.clone(), identity.name.clone());
        return Err(FactsError::WrongName { claimed, certified });
    }
    Ok(())
}

/// What always holds of facts, whoever made them.
fn check_rules(facts: &Facts) -> Result<(), FactsError> {
    let rule = |holds: bool, rule| if holds { Ok(()) } else { Err(FactsError::Rule(rule)) };
    rule(facts.addresses.len() <= ADDRESSES_MAX, "at most 16 addresses")?;
    let is_reachable = |address: &SocketAddr| {
        address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
    };
    rule(facts.addresses.iter().all(is_reachable), "every address names one host and a port")?;
    rule(facts.labels.len() <= LABELS_MAX, "at most 32 labels")?;
    rule(facts.labels.iter().all(is_label), "labels keep to their alphabet and to 63 bytes")?;
    let in_order = facts.labels.windows(2).all(|pair| pair[0].key < pair[1].key);
    rule(in_order, "labels are in order and each key occurs once")?;
    let version = &facts.version;
    rule(version.len() <= VERSION_BYTES_MAX, "the version has at most 64 bytes")?;
    rule(version.bytes().all(|byte| byte.is_ascii_graphic()), "the version is printable ASCII")?;
    rule(facts.sequence > 0, "sequences count from 1")
}

fn encode(facts: &Facts) -> Result<Vec<u8>, FactsError> {
    check_rules(facts)?;
    let addresses = facts.addresses.iter().fold(String::new(), |mut text, address| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{address}");
        text
    });
    let labels = facts.labels.iter().fold(String::new(), |mut text, label| {
        let _ = writeln!(text, "{}={}", label.key, label.value);
        text
    });
    let mut record = TlvWriter::new(RECORD_VERSION);
    record
        .field(NAME, facts.name.as_str().as_bytes())
        .field(SEQUENCE, &facts.sequence.to_be_bytes())
        .field(STARTED, &facts.started.0.to_be_bytes())
        .field(LEFT, &[u8::from(facts.left)])
        .field(VERSION, facts.version.as_bytes())
        .field(ADDRESSES, addresses.as_bytes())
        .field(LABELS, labels.as_bytes());
    if let Some(expires) = facts.expires {
        record.field(EXPIRES, &expires.0.to_be_bytes());
    }
    Ok(record.finish())
}

fn decode(payload: &[u8]) -> Result<Facts, FactsError> {
    let mut record = TlvReader::new(payload, RECORD_VERSION)?;
    let (mut name, mut sequence, mut started, mut left) = (None, None, None, None);
    let (mut version, mut expires) = (String::new(), None);
    let (mut addresses, mut labels) = (Vec::new(), Vec::new());
    while let Some((kind, value)) = record.next_field()? {
        match kind {
            NAME => name = Some(tlv::text(kind, value)?.parse().map_err(|_| TlvError::Value(kind))?),
            SEQUENCE => sequence = Some(number(kind, value)?),
            STARTED => started = Some(UnixMillis(number(kind, value)?)),
            LEFT => left = Some(flag(kind, value)?),
            VERSION => version = tlv::text(kind, value)?.to_owned(),
            ADDRESSES => addresses = lines(kind, value, |line| line.parse().ok())?,
            LABELS => labels = lines(kind, value, label)?,
            EXPIRES => expires = Some(UnixMillis(number(kind, value)?)),
            _ => TlvReader::unknown(kind)?,
        }
    }
    let facts = Facts {
        name: name.ok_or(FactsError::Missing(NAME))?,
        addresses,
        labels,
        version,
        started: started.ok_or(FactsError::Missing(STARTED))?,
        expires,
        sequence: sequence.ok_or(FactsError::Missing(SEQUENCE))?,
        left: left.ok_or(FactsError::Missing(LEFT))?,
    };
    check_rules(&facts)?;
    Ok(facts)
}

fn number(kind: u8, value: &[u8]) -> Result<u64, TlvError> {
    tlv::fixed(kind, value).map(u64::from_be_bytes)
}

fn flag(kind: u8, value: &[u8]) -> Result<bool, TlvError> {
    match value {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(TlvError::Value(kind)),
    }
}

fn lines<T>(kind: u8, value: &[u8], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, TlvError> {
    tlv::text(kind, value)?.lines().map(|line| read(line).ok_or(TlvError::Value(kind))).collect()
}

fn label(line: &str) -> Option<Label> {
    let (key, value) = line.split_once('=')?;
    Some(Label { key: key.to_owned(), value: value.to_owned() })
}

#[cfg(test)]
mod tests;
