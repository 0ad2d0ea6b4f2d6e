use proptest::prelude::*;
use rcgen::{
    CertificateParams, CustomExtension, ExtendedKeyUsagePurpose as Purpose, IsCa, KeyUsagePurpose as Usage,
    SanType, SerialNumber,
};

use super::super::profile::{CERT_LIFE_MAX, PeerKind, ProfileRule, identity, node_id};
use super::super::refusal::Refusal;
use super::super::testing::{
    DAY, NOW, TestCa, ago, ca_key, mesh_key, node_params, operator_params, role_extension, role_oid,
    set_dates, uri,
};
use crate::access::Role;
use crate::time::{Millis, UnixMillis};

/// A node's certificate so changed breaks exactly `rule`.
fn node_breaks(rule: ProfileRule, change: impl FnOnce(&mut CertificateParams)) {
    let leaf = TestCa::new().node(change);
    assert_eq!(identity(&leaf), Err(Refusal::Profile(rule)));
}

fn operator_breaks(rule: ProfileRule, change: impl FnOnce(&mut CertificateParams)) {
    let leaf = TestCa::new().operator(change);
    assert_eq!(identity(&leaf), Err(Refusal::Profile(rule)));
}

#[test]
fn a_node_is_who_its_certificate_says() {
    let key = mesh_key();
    let leaf = TestCa::new().leaf(&key, node_params(), |_| ());
    let peer = identity(&leaf).unwrap();
    assert_eq!((peer.mesh.as_str(), peer.name.as_str(), peer.kind), ("mesh-1", "web-1", PeerKind::Node));
    assert_eq!(peer.not_after, UnixMillis(NOW.plus(Millis(90 * DAY.0)).0));
    let again = TestCa::named("another").leaf(&key, node_params(), |_| ());
    assert_eq!(identity(&again).unwrap().id, peer.id, "the id hangs on the key alone");
}

#[test]
fn an_operator_has_the_role_that_the_ca_gave() {
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let leaf = TestCa::new().leaf(&mesh_key(), operator_params(role.as_str()), |_| ());
        assert_eq!(identity(&leaf).unwrap().kind, PeerKind::Operator(role));
    }
}

#[test]
fn ids_are_the_hash_of_domain_and_key() {
    let expected = "da015438cbfa060a4cd5265444598f8d4b6651e368b52a4e90b129a0afb66d36";
    assert_eq!(node_id(b"spki").to_string(), expected);
}

#[test]
fn key_usage_is_digital_signature_alone() {
    node_breaks(ProfileRule::KeyUsage, |leaf| leaf.key_usages = vec![]);
    node_breaks(ProfileRule::KeyUsage, |leaf| leaf.key_usages = vec![Usage::DataEncipherment]);
    node_breaks(ProfileRule::KeyUsage, |leaf| {
        leaf.key_usages = vec![Usage::DigitalSignature, Usage::KeyCertSign];
    });
}

#[test]
fn extended_key_usage_is_exactly_that_of_its_kind() {
    let lists = [
        vec![],
        vec![Purpose::ServerAuth],
        vec![Purpose::ClientAuth],
        vec![Purpose::CodeSigning],
        vec![Purpose::ServerAuth, Purpose::ClientAuth, Purpose::CodeSigning],
        vec![Purpose::ServerAuth, Purpose::ClientAuth, Purpose::Any],
        vec![Purpose::ServerAuth, Purpose::ClientAuth, Purpose::Other(vec![1, 2, 3])],
    ];
    for purposes in lists {
        node_breaks(ProfileRule::ExtendedKeyUsage, |leaf| leaf.extended_key_usages = purposes);
    }
    operator_breaks(ProfileRule::ExtendedKeyUsage, |leaf| {
        leaf.extended_key_usages = vec![Purpose::ServerAuth, Purpose::ClientAuth];
    });
}

#[test]
fn there_is_one_uri_and_no_other_name() {
    let node = || uri("spiffe://mesh-1/node/web-1");
    let lists = [
        vec![],
        vec![node(), uri("spiffe://mesh-1/node/web-2")],
        vec![node(), SanType::IpAddress([127, 0, 0, 1].into())],
        vec![node(), SanType::DnsName("web-1".try_into().unwrap())],
        vec![SanType::DnsName("web-1".try_into().unwrap())],
    ];
    for names in lists {
        node_breaks(ProfileRule::SubjectAltName, |leaf| leaf.subject_alt_names = names);
    }
}

#[test]
fn the_uri_names_a_mesh_a_kind_and_a_peer() {
    let long = format!("spiffe://mesh-1/node/{}", "x".repeat(4_096));
    for text in [
        "spiffe://mesh-1/",
        "spiffe://mesh-1/node/",
        "spiffe://mesh-1/node/a/b",
        "spiffe://mesh-1/node/Web",
        "spiffe://mesh-1/node/..",
        "spiffe://mesh-1/node/all",
        "spiffe://mesh-1/robot/web-1",
        "spiffe://mesh_1/node/web-1",
        "spiffe:///node/web-1",
        "spiffe://mesh-1:80/node/web-1",
        "https://mesh-1/node/web-1",
        "SPIFFE://mesh-1/node/web-1",
        "spiffe://mesh-1/node/web-1?x",
        &long,
    ] {
        node_breaks(ProfileRule::Uri, |leaf| leaf.subject_alt_names = vec![uri(text)]);
    }
}

#[test]
fn a_leaf_is_no_ca() {
    let leaf = TestCa::new().node(|leaf| {
        leaf.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    assert_eq!(identity(&leaf), Err(Refusal::Profile(ProfileRule::IsCa)));
    let explicit = TestCa::new().node(|leaf| leaf.is_ca = IsCa::ExplicitNoCa);
    assert!(identity(&explicit).is_ok());
}

#[test]
fn a_leaf_lives_at_most_398_days() {
    let from = ago(Millis::from_secs(300));
    let until = |span: Millis| move |leaf: &mut CertificateParams| set_dates(leaf, from, from.plus(span));
    assert!(identity(&TestCa::new().node(until(CERT_LIFE_MAX))).is_ok());
    node_breaks(ProfileRule::Lifetime, until(CERT_LIFE_MAX + Millis::from_secs(1)));
    node_breaks(ProfileRule::Lifetime, until(Millis(50 * 365 * DAY.0)));
    node_breaks(ProfileRule::Lifetime, |leaf| leaf.not_after = rcgen::date_time_ymd(9999, 12, 31));
    node_breaks(ProfileRule::Dates, |leaf| set_dates(leaf, NOW, from));
}

#[test]
fn the_serial_is_positive_and_at_most_20_octets() {
    let serial = |octets: &[u8]| Some(SerialNumber::from_slice(octets));
    node_breaks(ProfileRule::Serial, |leaf| leaf.serial_number = serial(&[0]));
    node_breaks(ProfileRule::Serial, |leaf| leaf.serial_number = serial(&[0x40; 21]));
    assert!(identity(&TestCa::new().node(|leaf| leaf.serial_number = serial(&[0x40; 20]))).is_ok());

    let mut negative = TestCa::new().node(|leaf| leaf.serial_number = serial(&[0x41; 16])).to_vec();
    let at = negative.windows(16).position(|window| window == [0x41; 16]).unwrap();
    negative[at] = 0xc1;
    assert_eq!(identity(&negative), Err(Refusal::Profile(ProfileRule::Serial)));
}

#[test]
fn the_key_is_ed25519() {
    let leaf = TestCa::new().leaf(&ca_key(), node_params(), |_| ());
    assert_eq!(identity(&leaf), Err(Refusal::Profile(ProfileRule::KeyType)));
}

#[test]
fn an_operators_role_is_there_once_readable_and_not_critical() {
    let raw = |value: &[u8]| CustomExtension::from_oid_content(&role_oid(), value.to_vec());
    operator_breaks(ProfileRule::Role, |leaf| leaf.custom_extensions = vec![]);
    for bad in [
        role_extension(b"root"),
        role_extension(b""),
        role_extension(b"Admin"),
        raw(b"admin"),
        raw(b"\x13\x05admin"),
        raw(b"\x0c\x05admin\x00"),
        raw(b"\x0c\x06admin"),
        raw(b""),
    ] {
        operator_breaks(ProfileRule::Role, |leaf| leaf.custom_extensions = vec![bad]);
    }
    operator_breaks(ProfileRule::DuplicateExtension, |leaf| {
        leaf.custom_extensions = vec![role_extension(b"viewer"), role_extension(b"admin")];
    });
    operator_breaks(ProfileRule::RoleCritical, |leaf| leaf.custom_extensions[0].set_criticality(true));
}

#[test]
fn a_node_has_no_role() {
    node_breaks(ProfileRule::RoleOfNode, |leaf| leaf.custom_extensions = vec![role_extension(b"admin")]);
}

#[test]
fn unknown_extensions_matter_only_if_critical() {
    let unknown = || CustomExtension::from_oid_content(&[1, 3, 6, 1, 3, 25270, 99], vec![5, 0]);
    node_breaks(ProfileRule::CriticalExtension, |leaf| {
        let mut critical = unknown();
        critical.set_criticality(true);
        leaf.custom_extensions = vec![critical];
    });
    assert!(identity(&TestCa::new().node(|leaf| leaf.custom_extensions = vec![unknown()])).is_ok());
}

#[test]
fn bytes_after_the_certificate_spoil_it() {
    let mut leaf = TestCa::new().node(|_| ()).to_vec();
    leaf.push(0);
    assert_eq!(identity(&leaf), Err(Refusal::Profile(ProfileRule::Encoding)));
}

proptest! {
    #[test]
    fn random_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(identity(&bytes).is_err());
    }
}

#[test]
fn a_damaged_certificate_never_panics() {
    let leaf = TestCa::new().operator(|_| ());
    let trust = TestCa::new().trust();
    for at in 0..leaf.len() {
        for damage in [0x01, 0x80, 0xff] {
            let mut damaged = leaf.to_vec();
            damaged[at] ^= damage;
            let _ = identity(&damaged);
            let _ = identity(&leaf[..at]);
            assert!(trust.verify(&damaged.into(), &[], NOW).is_err());
        }
    }
}
