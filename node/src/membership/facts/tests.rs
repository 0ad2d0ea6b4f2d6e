use aws_lc_rs::signature::Ed25519KeyPair;
use p2p_shared::time::Millis;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType,
};

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_404_123_000);
const DAY: Millis = Millis::from_secs(86_400);

struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
struct Holder {
    certificate: Vec<u8>,
    key: KeyPair,
}

fn dates(params: &mut CertificateParams, days: i64) {
    let now = std::time::Duration::from_millis(NOW.0);
    let day = std::time::Duration::from_millis(DAY.0);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now - day;
    params.not_after = epoch + now + day * u32::try_from(days).unwrap();
}

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        dates(&mut params, 365);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn trust(&self) -> Trust {
        Trust::new("mesh-1".parse().unwrap(), &[self.issuer.der().clone()]).unwrap()
    }

    fn issue(&self, name: &str) -> Holder {
        let mut params = CertificateParams::default();
        let uri = format!("spiffe://mesh-1/node/{name}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        dates(&mut params, 30);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Holder { certificate, key }
    }
}

impl Holder {
    fn key(&self, domain: &str, bytes: &[u8]) -> [u8; 64] {
        let pair = Ed25519KeyPair::from_pkcs8(&self.key.serialize_der()).unwrap();
        let input = [domain.as_bytes(), &[0], bytes].concat();
        pair.sign(&input).as_ref().try_into().unwrap()
    }

    fn sign(&self, facts: Facts) -> Result<VerifiedFacts, FactsError> {
        sign(&self.certificate, |domain, bytes| self.key(domain, bytes), facts)
    }
}

fn label(key: &str, value: &str) -> Label {
    Label { key: key.into(), value: value.into() }
}

fn facts() -> Facts {
    Facts {
        name: "web-1".parse().unwrap(),
        addresses: vec!["10.0.0.1:5678".parse().unwrap(), "[fd00::1]:5678".parse().unwrap()],
        labels: vec![label("role", "web"), label("site", "")],
        version: "0.1.0".into(),
        started: NOW,
        expires: Some(NOW.plus(DAY)),
        sequence: 7,
        left: false,
    }
}

#[test]
fn signed_facts_are_believed_by_who_trusts_the_ca() {
    let ca = Ca::new();
    let signed = ca.issue("web-1").sign(facts()).unwrap();
    let verified = verify(&ca.trust(), NOW, &signed.signed).unwrap();
    assert_eq!(verified, signed);
    assert_eq!(verified.facts, facts());
    assert!(matches!(verify(&Ca::new().trust(), NOW, &signed.signed), Err(FactsError::Refused(_))));
}

#[test]
fn every_changed_byte_is_noticed() {
    let ca = Ca::new();
    let trust = ca.trust();
    let signed = ca.issue("web-1").sign(facts()).unwrap().signed;
    for index in 0..signed.payload.len() {
        let mut changed = signed.clone();
        changed.payload[index] ^= 1;
        assert!(verify(&trust, NOW, &changed).is_err(), "byte {index} of the payload");
    }
    for index in 0..signed.signature.len() {
        let mut changed = signed.clone();
        changed.signature[index] ^= 1;
        assert!(verify(&trust, NOW, &changed).is_err(), "byte {index} of the signature");
    }
}

#[test]
fn nobody_signs_for_another_name_or_another_purpose() {
    let ca = Ca::new();
    let (web, db) = (ca.issue("web-1"), ca.issue("db-1"));
    assert!(matches!(db.sign(facts()), Err(FactsError::WrongName { .. })));
    let mut stolen = web.sign(facts()).unwrap().signed;
    stolen.certificate = db.certificate.clone();
    assert!(verify(&ca.trust(), NOW, &stolen).is_err());
    let mut other = web.sign(facts()).unwrap().signed;
    other.signature = web.key("p2p-admin/hello/v1", &other.payload).to_vec();
    assert!(matches!(verify(&ca.trust(), NOW, &other), Err(FactsError::Refused(Refusal::BadSignature))));
}

#[test]
fn an_ended_certificate_is_believed_from_our_own_store_only() {
    let ca = Ca::new();
    let signed = ca.issue("web-1").sign(facts()).unwrap().signed;
    let later = NOW.plus(Millis(DAY.0 * 60));
    assert!(matches!(verify(&ca.trust(), later, &signed), Err(FactsError::Refused(Refusal::Expired { .. }))));
    assert!(verify_stored(&ca.trust(), later, &signed).is_ok());
}

#[test]
fn a_revoked_key_says_nothing() {
    let ca = Ca::new();
    let signed = ca.issue("web-1").sign(facts()).unwrap();
    let trust = ca.trust();
    trust.replace_revoked([signed.id].into());
    assert!(verify(&trust, NOW, &signed.signed).is_err());
    assert!(verify_stored(&trust, NOW, &signed.signed).is_err());
}

#[test]
fn limits_hold_when_signing_and_when_verifying() {
    let holder = Ca::new().issue("web-1");
    let with = |change: fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        holder.sign(facts)
    };
    let refused: [fn(&mut Facts); 8] = [
        |facts| facts.addresses = vec![SocketAddr::from(([10, 0, 0, 1], 1)); ADDRESSES_MAX + 1],
        |facts| facts.addresses = vec![SocketAddr::from(([0, 0, 0, 0], 1))],
        |facts| facts.addresses = vec![SocketAddr::from(([10, 0, 0, 1], 0))],
        |facts| facts.labels = vec![label("b", ""), label("a", "")],
        |facts| facts.labels = vec![label("a", "two words")],
        |facts| facts.labels = vec![label("A", "")],
        |facts| facts.version = "x".repeat(VERSION_BYTES_MAX + 1),
        |facts| facts.sequence = 0,
    ];
    for (index, change) in refused.into_iter().enumerate() {
        assert!(matches!(with(change), Err(FactsError::Rule(_))), "rule {index}");
    }
    let large = with(|facts| {
        let key = |index| format!("{index:02}{}", "k".repeat(61));
        facts.labels = (0..LABELS_MAX).map(|index| label(&key(index), &"v".repeat(63))).collect();
    });
    assert!(matches!(large, Err(FactsError::TooLarge(_))));
}

#[test]
fn odd_fields_of_a_newer_program_are_skipped_and_even_ones_refused() {
    let payload = encode(&facts()).unwrap();
    let with = |kind: u8| [payload.as_slice(), &[kind, 0, 1, 9]].concat();
    assert_eq!(decode(&with(17)).unwrap(), facts());
    assert!(matches!(decode(&with(18)), Err(FactsError::Malformed(TlvError::Unknown(18)))));
}

proptest! {
    #[test]
    fn any_bytes_end_in_facts_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
        bytes[0] = RECORD_VERSION;
        if let Ok(facts) = decode(&bytes) {
            prop_assert_eq!(decode(&encode(&facts).unwrap()).unwrap(), facts);
        }
    }
}
