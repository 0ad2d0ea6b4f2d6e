//! A throw-away CA for tests: certificates in the mesh's profile, and every way out of it.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;

use super::profile::ROLE_EXTENSION_OID;
use super::trust::Trust;
use crate::time::{Millis, UnixMillis};

/// When the tests take place: 2026-11-23T03:22:03Z.
pub(crate) const NOW: UnixMillis = UnixMillis(1_795_404_123_000);
pub(crate) const DAY: Millis = Millis::from_secs(86_400);
pub(crate) const MESH: &str = "mesh-1";

/// A CA of mesh `mesh-1` whose certificate is good from a day before to a year after [`NOW`].
pub(crate) struct TestCa {
    pub(crate) issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestCa {
    pub(crate) fn new() -> Self {
        Self::named("test CA")
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::with(name, |_| ())
    }

    pub(crate) fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        Self { issuer: CertifiedIssuer::self_signed(params, ca_key()).unwrap() }
    }

    /// A CA below this one.
    pub(crate) fn intermediate(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params("test intermediate");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        change(&mut params);
        Self { issuer: CertifiedIssuer::signed_by(params, ca_key(), &self.issuer).unwrap() }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::new(MESH.parse().unwrap(), &[self.der()]).unwrap()
    }

    /// A node's certificate in the profile, after `change`.
    pub(crate) fn node(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        self.leaf(&mesh_key(), node_params(), change)
    }

    /// An operator's certificate in the profile, after `change`.
    pub(crate) fn operator(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        self.leaf(&mesh_key(), operator_params("admin"), change)
    }

    pub(crate) fn leaf(
        &self,
        key: &KeyPair,
        mut params: CertificateParams,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        change(&mut params);
        params.signed_by(key, &self.issuer).unwrap().der().clone()
    }
}

pub(crate) fn mesh_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).unwrap()
}

pub(crate) fn ca_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

pub(crate) fn node_params() -> CertificateParams {
    let mut params = leaf_params("spiffe://mesh-1/node/web-1");
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

pub(crate) fn operator_params(role: &str) -> CertificateParams {
    let mut params = leaf_params("spiffe://mesh-1/operator/anna");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.custom_extensions = vec![role_extension(role.as_bytes())];
    params
}

pub(crate) fn role_extension(text: &[u8]) -> CustomExtension {
    let value = [&[0x0c, text.len() as u8], text].concat();
    CustomExtension::from_oid_content(&role_oid(), value)
}

pub(crate) fn role_oid() -> Vec<u64> {
    ROLE_EXTENSION_OID.split('.').map(|arc| arc.parse().unwrap()).collect()
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// Sets the dates of a certificate.
pub(crate) fn set_dates(params: &mut CertificateParams, from: UnixMillis, until: UnixMillis) {
    let date = |at: UnixMillis| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(at.0);
    (params.not_before, params.not_after) = (date(from), date(until));
}

/// `days` before [`NOW`].
pub(crate) fn ago(span: Millis) -> UnixMillis {
    UnixMillis(NOW.0 - span.0)
}

fn leaf_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    set_dates(&mut params, ago(Millis::from_secs(300)), NOW.plus(Millis(90 * DAY.0)));
    params.distinguished_name.push(DnType::CommonName, "leaf");
    params.subject_alt_names = vec![uri(name)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.serial_number = Some(SerialNumber::from_slice(&[0x40; 16]));
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    set_dates(&mut params, ago(DAY), NOW.plus(Millis(365 * DAY.0)));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
