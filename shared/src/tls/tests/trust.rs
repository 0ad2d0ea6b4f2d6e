use std::collections::HashSet;

use rcgen::{BasicConstraints, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints};

use super::super::profile::{ProfileRule, identity, node_id};
use super::super::refusal::{Refusal, RefusalReason};
use super::super::testing::{DAY, MESH, NOW, TestCa, ago, mesh_key, node_params, set_dates, uri};
use super::super::trust::{Signed, Trust, TrustError};
use crate::time::{Millis, UnixMillis};

const MINUTE: Millis = Millis::from_secs(60);

fn reason(result: Result<super::super::profile::PeerIdentity, Refusal>) -> RefusalReason {
    result.unwrap_err().reason()
}

#[test]
fn members_are_let_in() {
    let ca = TestCa::new();
    assert!(ca.trust().verify(&ca.node(|_| ()), &[], NOW).is_ok());
    assert!(ca.trust().verify(&ca.operator(|_| ()), &[], NOW).is_ok());
    assert!(ca.trust().verify(&ca.node(|_| ()), &[ca.der()], NOW).is_ok(), "a root in the chain is ignored");
}

#[test]
fn another_ca_is_refused_also_under_our_name() {
    let trust = TestCa::new().trust();
    for other in [TestCa::named("other"), TestCa::new()] {
        assert_eq!(reason(trust.verify(&other.node(|_| ()), &[], NOW)), RefusalReason::WrongCa);
        assert_eq!(reason(trust.verify(&other.node(|_| ()), &[other.der()], NOW)), RefusalReason::WrongCa);
    }
}

#[test]
fn dates_are_kept_to_the_second() {
    let ca = TestCa::new();
    let (from, until) = (ago(MINUTE), NOW.plus(MINUTE));
    let leaf = ca.node(|leaf| set_dates(leaf, from, until));
    let second = Millis::from_secs(1);
    let trust = ca.trust();
    assert!(trust.verify(&leaf, &[], from).is_ok() && trust.verify(&leaf, &[], until).is_ok());
    let (early, late) = (UnixMillis(from.0 - second.0), until.plus(second));
    assert_eq!(trust.verify(&leaf, &[], early), Err(Refusal::NotYetValid { from, now: early }));
    assert_eq!(trust.verify(&leaf, &[], late), Err(Refusal::Expired { until, now: late }));
}

#[test]
fn the_cas_own_dates_count_too() {
    let (from, until) = (ago(DAY), NOW.plus(DAY));
    let ca = TestCa::with("short", |ca| set_dates(ca, from, until));
    let long = ca.node(|leaf| set_dates(leaf, ago(Millis(2 * DAY.0)), NOW.plus(Millis(3 * DAY.0))));
    let trust = ca.trust();
    let late = until.plus(MINUTE);
    let early = UnixMillis(from.0 - MINUTE.0);
    assert_eq!(trust.verify(&long, &[], late), Err(Refusal::CaExpired { until, now: late }));
    assert_eq!(trust.verify(&long, &[], early), Err(Refusal::CaNotYetValid { from, now: early }));
    assert_eq!(trust.verify(&long, &[], NOW), Err(Refusal::Profile(ProfileRule::OutlivesCa)));
}

#[test]
fn another_mesh_of_the_same_ca_is_refused() {
    let ca = TestCa::new();
    let other = ca.node(|leaf| leaf.subject_alt_names = vec![uri("spiffe://mesh-2/node/web-1")]);
    assert_eq!(reason(ca.trust().verify(&other, &[], NOW)), RefusalReason::WrongMesh);
}

#[test]
fn a_revoked_key_stays_out_in_every_certificate() {
    let ca = TestCa::new();
    let key = mesh_key();
    let leaf = ca.leaf(&key, node_params(), |_| ());
    let trust = ca.trust();
    let id = identity(&leaf).unwrap().id;
    trust.replace_revoked(HashSet::from([id]));
    assert_eq!(trust.verify(&leaf, &[], NOW), Err(Refusal::Revoked { id }));
    let renewed = ca.leaf(&key, node_params(), |leaf| leaf.serial_number = None);
    assert_eq!(reason(trust.verify(&renewed, &[], NOW)), RefusalReason::Revoked);
    let replacement = ca.node(|_| ());
    assert!(trust.verify(&replacement, &[], NOW).is_ok(), "the name may come back with another key");
    trust.replace_revoked(HashSet::new());
    assert!(trust.verify(&leaf, &[], NOW).is_ok());
}

#[test]
fn an_intermediate_may_issue_and_is_bound_by_its_limits() {
    let ca = TestCa::new();
    let trust = ca.trust();
    let middle = ca.intermediate(|_| ());
    let leaf = middle.node(|_| ());
    assert!(trust.verify(&leaf, &[middle.der()], NOW).is_ok());
    assert_eq!(reason(trust.verify(&leaf, &[], NOW)), RefusalReason::WrongCa, "it must be sent along");

    let below = middle.intermediate(|_| ());
    let chain = [below.der(), middle.der()];
    assert_eq!(reason(trust.verify(&below.node(|_| ()), &chain, NOW)), RefusalReason::WrongCa);

    let powerless = ca.intermediate(|issuer| issuer.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert_eq!(
        trust.verify(&powerless.node(|_| ()), &[powerless.der()], NOW),
        Err(Refusal::Profile(ProfileRule::IssuerKeyUsage))
    );

    let no_ca = ca.intermediate(|issuer| issuer.is_ca = IsCa::ExplicitNoCa);
    assert_eq!(reason(trust.verify(&no_ca.node(|_| ()), &[no_ca.der()], NOW)), RefusalReason::WrongCa);
}

#[test]
fn what_a_revoked_intermediate_issued_is_refused() {
    let ca = TestCa::new();
    let trust = ca.trust();
    let middle = ca.intermediate(|_| ());
    let (_, parsed) = x509_parser::parse_x509_certificate(middle.issuer.der()).unwrap();
    let id = node_id(parsed.tbs_certificate.subject_pki.raw);
    trust.replace_revoked(HashSet::from([id]));
    assert_eq!(trust.verify(&middle.node(|_| ()), &[middle.der()], NOW), Err(Refusal::Revoked { id }));
}

#[test]
fn junk_beside_a_good_leaf_does_no_harm() {
    let ca = TestCa::new();
    let junk = vec![vec![0x30; 16_000].into(); 4];
    assert!(ca.trust().verify(&ca.node(|_| ()), &junk, NOW).is_ok());
    assert!(ca.trust().verify(&junk[0], &junk, NOW).is_err());
}

#[test]
fn a_ca_that_could_verify_nothing_is_no_ca() {
    let mesh = || MESH.parse().unwrap();
    let make = |der| Trust::new(mesh(), &[der]).map(|_| ()).unwrap_err();
    let uris = TestCa::with("uris", |ca| {
        ca.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![],
            excluded_subtrees: vec![GeneralSubtree::DirectoryName(rcgen::DistinguishedName::new())],
        });
    });
    assert!(Trust::new(mesh(), &[uris.der()]).is_ok(), "other kinds of names may be constrained");
    let content = [&[0x30, 0x0c, 0xa1, 0x0a, 0x30, 0x08, 0x86, 0x06][..], b".x.org"].concat();
    let uris = TestCa::with("uris", |ca| {
        ca.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 30], content)];
    });
    assert_eq!(make(uris.der()), TrustError::UriConstraints);
    assert_eq!(make(TestCa::new().node(|_| ())), TrustError::NotACa);
    assert_eq!(make(vec![1, 2, 3].into()), TrustError::Malformed);
    assert_eq!(Trust::new(mesh(), &[]).map(|_| ()).unwrap_err(), TrustError::NoRoot);
    let signs_nothing = TestCa::with("idle", |ca| {
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    assert_eq!(make(signs_nothing.der()), TrustError::NotACa);
}

#[test]
fn roots_change_while_the_process_runs() {
    let (old, new) = (TestCa::named("old"), TestCa::named("new"));
    let trust = old.trust();
    trust.replace_roots(&[old.der(), new.der()]).unwrap();
    let (from_old, from_new) = (old.node(|_| ()), new.node(|_| ()));
    assert!(trust.verify(&from_old, &[], NOW).is_ok() && trust.verify(&from_new, &[], NOW).is_ok());
    trust.replace_roots(&[new.der()]).unwrap();
    assert_eq!(reason(trust.verify(&from_old, &[], NOW)), RefusalReason::WrongCa);
    assert!(trust.replace_roots(&[]).is_err());
    assert!(trust.verify(&from_new, &[], NOW).is_ok(), "an error changed nothing");
}

#[test]
fn signed_bytes_are_bound_to_key_domain_and_content() {
    let ca = TestCa::new();
    let pair = mesh_key();
    let leaf = ca.leaf(&pair, node_params(), |_| ());
    let key = super::super::key::MeshKey::from_pkcs8(pair.serialized_der()).unwrap();
    let signature = key.sign("facts/v1", b"payload");
    let good = Signed { leaf: &leaf, domain: "facts/v1", bytes: b"payload", signature: &signature };
    let trust = ca.trust();
    assert!(trust.verify_signed(&good, NOW).is_ok());
    let stranger = ca.node(|_| ());
    for bad in [
        Signed { domain: "facts/v2", ..good },
        Signed { bytes: b"payloae", ..good },
        Signed { signature: &signature[..63], ..good },
        Signed { leaf: &stranger, ..good },
    ] {
        assert_eq!(trust.verify_signed(&bad, NOW), Err(Refusal::BadSignature));
    }
    let foreign = TestCa::new().leaf(&pair, node_params(), |_| ());
    let foreign = Signed { leaf: &foreign, ..good };
    assert_eq!(reason(trust.verify_signed(&foreign, NOW)), RefusalReason::WrongCa);
}
