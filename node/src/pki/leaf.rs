//! What stands in each kind of certificate: the profile of SECURITY section 2, as rcgen writes it.
//!
//! Names and dates enter, parameters to be signed leave. `p2p_shared::tls` checks the same profile from the
//! other side; what is made here is judged there before it is written.

use std::time::Duration;

use aws_lc_rs::rand;
use p2p_shared::access::Role;
use p2p_shared::id::{MeshName, NodeName};
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{CERT_LIFE_MAX, ROLE_EXTENSION_OID};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose as Purpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};

use super::address::Address;
use super::error::PkiError;

/// The longest life of a leaf, in days.
pub const LEAF_DAYS_MAX: u64 = 398;
/// How far certificates are back-dated, for clocks that lag.
const BACK_DATED: Millis = Millis::from_secs(300);
/// How long a leaf for one errand lives.
const COURIER_LIFE: Millis = Millis::from_secs(300);
const DAY: Millis = Millis::from_secs(86_400);
const SERIAL_BYTES: usize = 16;
/// Tag of a DER UTF8String.
const UTF8_STRING_TAG: u8 = 0x0c;

/// First and last moment of a certificate, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: UnixMillis,
    pub(super) until: UnixMillis,
    /// Whether it ends earlier than asked, with the CA.
    pub(super) shortened: bool,
}

impl Validity {
    /// Of the CA itself.
    pub(super) fn of_ca(now: UnixMillis, days: u64) -> Self {
        let now = whole_seconds(now);
        Self { from: back_dated(now), until: now.plus(days_long(days)), shortened: false }
    }

    /// Of a leaf for one errand.
    pub(super) fn of_courier(now: UnixMillis, ca_until: UnixMillis) -> Result<Self, PkiError> {
        let errand = Self::of_leaf(now, 1, ca_until)?;
        Ok(Self { until: errand.until.min(whole_seconds(now).plus(COURIER_LIFE)), ..errand })
    }

    /// Of a leaf, which never outlives its CA.
    pub(super) fn of_leaf(now: UnixMillis, days: u64, ca_until: UnixMillis) -> Result<Self, PkiError> {
        if days == 0 || days > LEAF_DAYS_MAX {
            return Err(PkiError::Lifetime { days });
        }
        let now = whole_seconds(now);
        if now >= ca_until {
            return Err(PkiError::CaEnded { until: super::record::rfc3339(ca_until) });
        }
        let from = back_dated(now);
        // The back-dating counts: 398 days from now would be five minutes too long.
        let asked = now.plus(days_long(days)).min(from.plus(CERT_LIFE_MAX));
        Ok(Self { from, until: asked.min(ca_until), shortened: asked > ca_until })
    }
}

/// The CA of `mesh`.
pub(super) fn ca(mesh: &MeshName, validity: Validity) -> Result<CertificateParams, PkiError> {
    let mut params = common(&format!("{mesh} CA"), validity)?;
    params.distinguished_name.push(DnType::OrganizationName, "P2P Admin");
    // One level of issuers may stand between the root and the leaves.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.subject_alt_names = vec![uri(&format!("spiffe://{mesh}"))?];
    params.use_authority_key_identifier_extension = false;
    Ok(params)
}

/// A node of `mesh`.
pub(super) fn node(
    mesh: &MeshName,
    name: &NodeName,
    validity: Validity,
) -> Result<CertificateParams, PkiError> {
    let mut params = common(name.as_str(), validity)?;
    params.subject_alt_names = vec![uri(&format!("spiffe://{mesh}/node/{name}"))?];
    params.extended_key_usages = vec![Purpose::ServerAuth, Purpose::ClientAuth];
    Ok(params)
}

/// An operator of `mesh`.
pub(super) fn operator(
    mesh: &MeshName,
    name: &NodeName,
    role: Role,
    validity: Validity,
) -> Result<CertificateParams, PkiError> {
    let mut params = common(name.as_str(), validity)?;
    params.subject_alt_names = vec![uri(&format!("spiffe://{mesh}/operator/{name}"))?];
    params.extended_key_usages = vec![Purpose::ClientAuth];
    params.custom_extensions = vec![role_extension(role)];
    Ok(params)
}

/// The HTTP face of a node, for browsers.
pub(super) fn http(
    name: &NodeName,
    addresses: &[Address],
    validity: Validity,
) -> Result<CertificateParams, PkiError> {
    let mut params = common(name.as_str(), validity)?;
    params.subject_alt_names = addresses.iter().map(alt_name).collect::<Result<_, _>>()?;
    params.extended_key_usages = vec![Purpose::ServerAuth];
    Ok(params)
}

fn common(subject: &str, validity: Validity) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_millis(validity.from.0);
    params.not_after = epoch + Duration::from_millis(validity.until.0);
    params.serial_number = Some(serial()?);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Sixteen random bytes, the first of them such that DER neither pads nor shortens them.
fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; SERIAL_BYTES];
    rand::fill(&mut bytes).map_err(PkiError::internal)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn role_extension(role: Role) -> CustomExtension {
    let text = role.as_str().as_bytes();
    let arcs: Vec<u64> = ROLE_EXTENSION_OID.split('.').filter_map(|arc| arc.parse().ok()).collect();
    let length = u8::try_from(text.len()).expect("the name of a role is short");
    CustomExtension::from_oid_content(&arcs, [&[UTF8_STRING_TAG, length], text].concat())
}

fn alt_name(address: &Address) -> Result<SanType, PkiError> {
    Ok(match address {
        Address::Ip(ip) => SanType::IpAddress(*ip),
        Address::Dns(name) => SanType::DnsName(ia5(name)?),
    })
}

fn uri(text: &str) -> Result<SanType, PkiError> {
    Ok(SanType::URI(ia5(text)?))
}

fn ia5(text: &str) -> Result<Ia5String, PkiError> {
    text.try_into().map_err(PkiError::internal)
}

const fn days_long(days: u64) -> Millis {
    Millis(days.saturating_mul(DAY.0))
}

const fn whole_seconds(at: UnixMillis) -> UnixMillis {
    UnixMillis(at.0 / 1_000 * 1_000)
}

const fn back_dated(at: UnixMillis) -> UnixMillis {
    UnixMillis(at.0.saturating_sub(BACK_DATED.0))
}
