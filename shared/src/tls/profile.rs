//! The one form of certificate that a mesh issues, checked rule by rule on top of webpki, which is laxer.
//!
//! DER of a leaf enters, a [`PeerIdentity`] or the first broken rule leaves. This judges form alone: who
//! signed it and whether it is revoked is `Trust`'s question.

use aws_lc_rs::digest;
use x509_parser::prelude::{
    FromDer, GeneralName, ParsedExtension, X509Certificate, X509Extension, X509Version,
};

use super::refusal::Refusal;
use crate::access::Role;
use crate::id::{MeshName, NodeId, NodeName};
use crate::time::{Millis, UnixMillis};

/// The longest life of a leaf: 398 days.
pub const CERT_LIFE_MAX: Millis = Millis::from_secs(398 * 86_400);
/// Where an operator's certificate carries the role: a non-critical extension, DER UTF8String.
pub const ROLE_EXTENSION_OID: &str = "1.3.6.1.3.25270.1";
/// The longest serial number, in octets of its DER (RFC 5280).
const SERIAL_BYTES_MAX: usize = 20;
/// Separates this hash from every other use of SHA-256 over a public key.
const NODE_ID_DOMAIN: &[u8] = b"p2p-admin/node-id/v1";
/// DER of an Ed25519 SubjectPublicKeyInfo up to the key: there is exactly one encoding.
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const ED25519_KEY_BYTES: usize = 32;
/// Tag of a DER UTF8String.
const UTF8_STRING_TAG: u8 = 0x0c;

/// Whether a certificate is a machine's or a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerKind {
    /// A node: no authority beyond the mesh's own protocols.
    Node,
    /// An operator, with the role that the CA gave.
    Operator(Role),
}

/// Who a certificate says its holder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Hash of the public key.
    pub id: NodeId,
    /// The mesh that the certificate is good in.
    pub mesh: MeshName,
    /// Name within the mesh.
    pub name: NodeName,
    /// Machine or person.
    pub kind: PeerKind,
    /// The last moment that the certificate is good for.
    pub not_after: UnixMillis,
}

/// The rules of the profile, as what is wrong when one is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProfileRule {
    /// Not a DER certificate, or bytes follow it.
    #[error("the certificate is not well-formed DER")]
    Encoding,
    /// Not X.509 version 3.
    #[error("the certificate is not X.509 version 3")]
    Version,
    /// The serial is zero, negative or too long.
    #[error("the serial number is not a positive number of at most 20 octets")]
    Serial,
    /// The key is of another algorithm, or written in another way.
    #[error("the key is not Ed25519")]
    KeyType,
    /// It ends before it begins, or lies outside the calendar.
    #[error("the validity dates make no sense")]
    Dates,
    /// It lives too long.
    #[error("the certificate lives longer than 398 days")]
    Lifetime,
    /// It outlives the CA.
    #[error("the certificate ends later than its CA")]
    OutlivesCa,
    /// An extension occurs twice.
    #[error("an extension occurs twice")]
    DuplicateExtension,
    /// An extension that must be understood is not.
    #[error("a critical extension is unknown")]
    CriticalExtension,
    /// Basic constraints say CA.
    #[error("a CA certificate was presented as a leaf")]
    IsCa,
    /// Key usage is absent or not digitalSignature alone.
    #[error("the key usage is not exactly digitalSignature")]
    KeyUsage,
    /// Extended key usage is absent or not exactly what its kind has.
    #[error("the extended key usage is not exactly server and client (of a node) or client (of an operator)")]
    ExtendedKeyUsage,
    /// Not exactly one URI among the subject's alternative names.
    #[error("the subject alternative names are not exactly one URI")]
    SubjectAltName,
    /// The URI is not of the form that names a peer.
    #[error("the URI is not spiffe://MESH/node/NAME or spiffe://MESH/operator/NAME")]
    Uri,
    /// An operator without a readable role.
    #[error("the operator's role is missing or is not viewer, operator or admin as DER UTF8String")]
    Role,
    /// A role where none belongs.
    #[error("a node's certificate carries an operator's role")]
    RoleOfNode,
    /// The role extension is marked critical.
    #[error("the role extension is critical")]
    RoleCritical,
    /// An issuer on the way to the root may not sign certificates.
    #[error("an intermediate certificate lacks the key usage keyCertSign")]
    IssuerKeyUsage,
}

/// Reads who the holder of `certificate` (DER) is, if it keeps to the profile in every rule.
pub fn identity(certificate: &[u8]) -> Result<PeerIdentity, Refusal> {
    read(certificate).map_err(Refusal::Profile)
}

/// The identity that belongs to a public key (DER of its SubjectPublicKeyInfo).
pub fn node_id(spki: &[u8]) -> NodeId {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(NODE_ID_DOMAIN);
    hash.update(spki);
    let mut id = [0; 32];
    id.copy_from_slice(hash.finish().as_ref());
    NodeId::new(id)
}

/// The raw Ed25519 key of a certificate that keeps to the profile.
pub(super) fn public_key(certificate: &[u8]) -> Result<[u8; ED25519_KEY_BYTES], Refusal> {
    parse(certificate)
        .and_then(|parsed| ed25519_key(parsed.tbs_certificate.subject_pki.raw))
        .map_err(Refusal::Profile)
}

/// Whether an issuer's certificate says that it may sign certificates.
pub(super) fn may_sign_certificates(certificate: &[u8]) -> bool {
    parse(certificate).is_ok_and(|parsed| {
        parsed.key_usage().ok().flatten().is_some_and(|usage| usage.value.key_cert_sign())
    })
}

pub(super) fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, ProfileRule> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(ProfileRule::Encoding),
    }
}

/// First and last moment of a certificate.
pub(super) fn validity(parsed: &X509Certificate<'_>) -> Result<(UnixMillis, UnixMillis), ProfileRule> {
    let millis =
        |seconds: i64| u64::try_from(seconds).map(|seconds| UnixMillis(seconds.saturating_mul(1_000))).ok();
    let validity = parsed.validity();
    let dates = millis(validity.not_before.timestamp()).zip(millis(validity.not_after.timestamp()));
    dates.filter(|(from, until)| from <= until).ok_or(ProfileRule::Dates)
}

fn read(certificate: &[u8]) -> Result<PeerIdentity, ProfileRule> {
    let parsed = parse(certificate)?;
    if parsed.version() != X509Version::V3 {
        return Err(ProfileRule::Version);
    }
    check_serial(parsed.raw_serial())?;
    let spki = parsed.tbs_certificate.subject_pki.raw;
    ed25519_key(spki)?;
    let (from, not_after) = validity(&parsed)?;
    if not_after.since(from) > CERT_LIFE_MAX {
        return Err(ProfileRule::Lifetime);
    }
    let extensions = Extensions::read(parsed.extensions())?;
    let (mesh, name, kind) = extensions.subject()?;
    Ok(PeerIdentity { id: node_id(spki), mesh, name, kind, not_after })
}

fn check_serial(octets: &[u8]) -> Result<(), ProfileRule> {
    let positive =
        octets.first().is_some_and(|first| first & 0x80 == 0) && octets.iter().any(|&byte| byte != 0);
    if positive && octets.len() <= SERIAL_BYTES_MAX { Ok(()) } else { Err(ProfileRule::Serial) }
}

fn ed25519_key(spki: &[u8]) -> Result<[u8; ED25519_KEY_BYTES], ProfileRule> {
    spki.strip_prefix(&ED25519_SPKI_PREFIX).and_then(|key| key.try_into().ok()).ok_or(ProfileRule::KeyType)
}

/// What the extensions say, each read once.
#[derive(Default)]
struct Extensions<'a> {
    uri: Option<&'a str>,
    usage: Option<Usage>,
    digital_signature_only: bool,
    role: Option<Role>,
}

/// The two sets of purposes that the profile knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Usage {
    ServerAndClient,
    Client,
}

impl<'a> Extensions<'a> {
    fn read(all: &'a [X509Extension<'a>]) -> Result<Self, ProfileRule> {
        let mut read = Self::default();
        for (index, extension) in all.iter().enumerate() {
            if all[..index].iter().any(|earlier| earlier.oid == extension.oid) {
                return Err(ProfileRule::DuplicateExtension);
            }
            read.take(extension)?;
        }
        Ok(read)
    }

    fn take(&mut self, extension: &'a X509Extension<'a>) -> Result<(), ProfileRule> {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                let [GeneralName::URI(uri)] = names.general_names[..] else {
                    return Err(ProfileRule::SubjectAltName);
                };
                self.uri = Some(uri);
            }
            ParsedExtension::KeyUsage(usage) => {
                const DIGITAL_SIGNATURE: u16 = 1;
                self.digital_signature_only = usage.flags == DIGITAL_SIGNATURE;
            }
            ParsedExtension::ExtendedKeyUsage(usage) => self.usage = Some(purposes(usage)?),
            ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
                return Err(ProfileRule::IsCa);
            }
            ParsedExtension::BasicConstraints(_) => {}
            ParsedExtension::ParseError { .. } => return Err(ProfileRule::Encoding),
            _ if extension.oid.to_id_string() == ROLE_EXTENSION_OID => {
                if extension.critical {
                    return Err(ProfileRule::RoleCritical);
                }
                self.role = Some(role(extension.value)?);
            }
            _ if extension.critical => return Err(ProfileRule::CriticalExtension),
            _ => {}
        }
        Ok(())
    }

    /// The name and kind, once everything that they call for is there.
    fn subject(&self) -> Result<(MeshName, NodeName, PeerKind), ProfileRule> {
        if !self.digital_signature_only {
            return Err(ProfileRule::KeyUsage);
        }
        let usage = self.usage.ok_or(ProfileRule::ExtendedKeyUsage)?;
        let (mesh, word, name) = self.uri.ok_or(ProfileRule::SubjectAltName).and_then(split_uri)?;
        let (kind, expected) = match (word, self.role) {
            ("node", None) => (PeerKind::Node, Usage::ServerAndClient),
            ("node", Some(_)) => return Err(ProfileRule::RoleOfNode),
            ("operator", Some(role)) => (PeerKind::Operator(role), Usage::Client),
            ("operator", None) => return Err(ProfileRule::Role),
            _ => return Err(ProfileRule::Uri),
        };
        if usage != expected {
            return Err(ProfileRule::ExtendedKeyUsage);
        }
        Ok((mesh, name, kind))
    }
}

fn purposes(usage: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Result<Usage, ProfileRule> {
    let foreign = usage.any
        || usage.code_signing
        || usage.email_protection
        || usage.time_stamping
        || usage.ocsp_signing
        || !usage.other.is_empty();
    match (usage.server_auth, usage.client_auth) {
        (true, true) if !foreign => Ok(Usage::ServerAndClient),
        (false, true) if !foreign => Ok(Usage::Client),
        _ => Err(ProfileRule::ExtendedKeyUsage),
    }
}

fn split_uri(uri: &str) -> Result<(MeshName, &str, NodeName), ProfileRule> {
    let mut parts = uri.strip_prefix("spiffe://").ok_or(ProfileRule::Uri)?.splitn(3, '/');
    let (Some(mesh), Some(word), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(ProfileRule::Uri);
    };
    let mesh = mesh.parse().map_err(|_| ProfileRule::Uri)?;
    let name = name.parse().map_err(|_| ProfileRule::Uri)?;
    Ok((mesh, word, name))
}

fn role(value: &[u8]) -> Result<Role, ProfileRule> {
    let [UTF8_STRING_TAG, length, text @ ..] = value else {
        return Err(ProfileRule::Role);
    };
    if usize::from(*length) != text.len() {
        return Err(ProfileRule::Role);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(ProfileRule::Role)
}
