//! The CA against the rules of identity: what it writes is what nodes and consoles load.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use p2p_shared::access::Role;
use p2p_shared::error::Exit;
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{Credentials, PassphraseError, PeerKind, RevokedReason};
use tempfile::TempDir;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::*;

/// 2026-11-23T03:22:03Z and a bit.
const NOW: UnixMillis = UnixMillis(1_795_404_123_456);
const DAY: Millis = Millis::from_secs(86_400);
const PASSPHRASE: &str = "correct horse battery";

fn days(count: u64) -> Millis {
    Millis(count * DAY.0)
}

fn sealed() -> Sealing {
    Sealing::with(Zeroizing::new(PASSPHRASE.to_owned())).unwrap()
}

fn new_ca(directory: &Path, days: u64) -> Authority {
    let new = NewCa { mesh: "prod".parse().unwrap(), days };
    Authority::init(directory, &new, &Sealing::Plain, NOW).unwrap()
}

fn node(name: &str) -> NodeRequest {
    NodeRequest { name: name.parse().unwrap(), addresses: vec!["10.0.0.1".parse().unwrap()], days: 90 }
}

fn operator(name: &str, role: Role) -> OperatorRequest {
    OperatorRequest { name: name.parse().unwrap(), role, days: 30 }
}

fn renewal(name: &str) -> Renewal {
    Renewal { name: name.parse().unwrap(), days: None, addresses: vec![] }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn say(passphrase: &str) -> impl FnOnce(&Path) -> Result<Zeroizing<String>, PassphraseError> {
    let passphrase = Zeroizing::new(passphrase.to_owned());
    move |_| Ok(passphrase)
}

#[test]
fn a_node_starts_with_what_was_issued() {
    let ca = TempDir::new().unwrap();
    let issued = new_ca(ca.path(), 3_650).issue_node(&node("web-1"), NOW).unwrap();
    assert_eq!(issued.directory, ca.path().join("nodes/web-1"));
    let loaded = Credentials::load_node(&issued.directory, NOW).unwrap();
    assert_eq!(loaded.identity().id, issued.record.id);
    assert_eq!((loaded.identity().mesh.as_str(), loaded.identity().kind), ("prod", PeerKind::Node));
    assert_eq!(issued.record.not_before, "2026-11-23T03:17:03Z", "five minutes back, to the second");
    assert_eq!((issued.record.days_left, issued.shortened), (89, false));
    assert_eq!(issued.record.addresses, ["web-1", "localhost", "127.0.0.1", "::1", "10.0.0.1"]);
}

#[test]
fn an_operators_key_needs_the_passphrase() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    let issued = authority.issue_operator(&operator("anna", Role::Operator), &sealed(), NOW).unwrap();
    let load = |passphrase| Credentials::load_operator(&issued.directory, NOW, say(passphrase));
    assert_eq!(load(PASSPHRASE).unwrap().identity().kind, PeerKind::Operator(Role::Operator));
    assert_eq!(load("wrong horse battery").unwrap_err().exit(), Exit::Permission);
    let pem = fs::read_to_string(issued.directory.join("operator.key")).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
}

#[test]
fn the_cas_key_needs_the_passphrase() {
    let ca = TempDir::new().unwrap();
    let new = NewCa { mesh: "prod".parse().unwrap(), days: 3_650 };
    Authority::init(ca.path(), &new, &sealed(), NOW).unwrap();
    assert!(Authority::open(ca.path(), say(PASSPHRASE)).is_ok());
    let wrong = Authority::open(ca.path(), say("wrong horse battery")).map(|_| ()).unwrap_err();
    assert!(wrong.is_wrong_passphrase());
    assert_eq!(wrong.exit(), Exit::Permission);
}

#[test]
fn a_short_passphrase_is_refused() {
    let short = |text: &str| Sealing::with(Zeroizing::new(text.to_owned())).is_err();
    assert!(short("") && short("elevenchars") && !short("twelve-chars") && !short("zwölf Zeichä"));
}

#[test]
fn keys_are_for_their_owner_alone() {
    let ca = TempDir::new().unwrap();
    let top = ca.path().join("deep/certs");
    let authority = new_ca(&top, 3_650);
    authority.issue_node(&node("web-1"), NOW).unwrap();
    authority.issue_operator(&operator("anna", Role::Admin), &Sealing::Plain, NOW).unwrap();
    for directory in ["", "nodes", "nodes/web-1", "operators", "operators/anna"] {
        assert_eq!(mode(&top.join(directory)), 0o700, "{directory}");
    }
    for key in ["ca.key", "nodes/web-1/node.key", "nodes/web-1/http.key", "operators/anna/operator.key"] {
        assert_eq!(mode(&top.join(key)), 0o600, "{key}");
    }
    for certificate in ["ca.crt", "nodes/web-1/node.crt", "nodes/web-1/ca.crt", "operators/anna/ca.crt"] {
        assert_eq!(mode(&top.join(certificate)), 0o644, "{certificate}");
    }
    let left_over = fs::read_dir(top.join("nodes")).unwrap().count();
    assert_eq!(left_over, 1, "nothing temporary stays");
}

#[test]
fn a_ca_that_exists_is_kept() {
    let ca = TempDir::new().unwrap();
    new_ca(ca.path(), 3_650);
    let key = fs::read(ca.path().join("ca.key")).unwrap();
    let new = NewCa { mesh: "other".parse().unwrap(), days: 1 };
    let again = Authority::init(ca.path(), &new, &Sealing::Plain, NOW).map(|_| ()).unwrap_err();
    assert!(matches!(again, PkiError::CaExists(_)));
    assert_eq!(again.exit(), Exit::Data);
    assert_eq!(fs::read(ca.path().join("ca.key")).unwrap(), key);
}

#[test]
fn a_name_is_given_once_over_both_kinds() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    authority.issue_node(&node("web-1"), NOW).unwrap();
    let key = fs::read(ca.path().join("nodes/web-1/node.key")).unwrap();
    let node_again = authority.issue_node(&node("web-1"), NOW).unwrap_err();
    let as_operator =
        authority.issue_operator(&operator("web-1", Role::Viewer), &Sealing::Plain, NOW).unwrap_err();
    for error in [node_again, as_operator] {
        assert!(matches!(error, PkiError::NameTaken { kind: Kind::Node, .. }), "{error}");
        assert!(error.to_string().contains("ca.sh renew web-1"), "{error}");
    }
    assert_eq!(fs::read(ca.path().join("nodes/web-1/node.key")).unwrap(), key);
}

#[test]
fn renewal_keeps_key_id_role_and_addresses() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    let node = authority.issue_node(&node("web-1"), NOW).unwrap();
    let anna = authority.issue_operator(&operator("anna", Role::Admin), &sealed(), NOW).unwrap();
    let late = NOW.plus(days(100));
    for before in [node, anna] {
        let after = authority.renew(&renewal(before.record.name.as_str()), late).unwrap();
        let (old, new) = (&before.record, &after.record);
        assert_eq!((old.id, old.role, &old.addresses), (new.id, new.role, &new.addresses));
        assert_ne!(old.serial, new.serial);
        assert!(new.days_left > 28);
    }
    assert!(Credentials::load_node(&ca.path().join("nodes/web-1"), late).is_ok());
    let moved = Renewal { addresses: vec!["web.example".parse().unwrap()], ..renewal("web-1") };
    let moved = authority.renew(&moved, late).unwrap().record;
    assert_eq!(moved.addresses, ["web-1", "localhost", "127.0.0.1", "::1", "web.example"]);
}

#[test]
fn renewal_does_without_the_key_of_the_holder() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    let issued = authority.issue_node(&node("web-1"), NOW).unwrap();
    fs::remove_file(issued.directory.join("node.key")).unwrap();
    assert_eq!(authority.renew(&renewal("web-1"), NOW).unwrap().record.id, issued.record.id);
}

#[test]
fn what_another_ca_issued_is_not_renewed() {
    let (ours, theirs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let authority = new_ca(ours.path(), 3_650);
    let foreign = new_ca(theirs.path(), 3_650).issue_node(&node("web-1"), NOW).unwrap();
    fs::create_dir_all(ours.path().join("nodes")).unwrap();
    fs::rename(foreign.directory, ours.path().join("nodes/web-1")).unwrap();
    assert!(matches!(authority.renew(&renewal("web-1"), NOW), Err(PkiError::NotOurs { .. })));
}

#[test]
fn a_certificate_under_another_name_is_noticed() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    let issued = authority.issue_node(&node("web-1"), NOW).unwrap();
    fs::rename(issued.directory, ca.path().join("nodes/web-2")).unwrap();
    assert!(matches!(authority.renew(&renewal("web-2"), NOW), Err(PkiError::Damaged { .. })));
}

#[test]
fn no_leaf_outlives_its_ca() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 20);
    let issued = authority.issue_node(&node("web-1"), NOW).unwrap();
    assert!(issued.shortened);
    assert!(Credentials::load_node(&issued.directory, NOW).is_ok());
    assert!(issued.record.not_after.starts_with("2026-12-13T03:22:03"));
    let ended = authority.issue_node(&node("web-2"), NOW.plus(days(20))).unwrap_err();
    assert!(matches!(ended, PkiError::CaEnded { .. }), "{ended}");
}

#[test]
fn a_leaf_lives_1_to_398_days() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    for days in [0, 399, 3_650, u64::MAX] {
        let request = NodeRequest { days, ..node("web-1") };
        assert!(matches!(authority.issue_node(&request, NOW), Err(PkiError::Lifetime { .. })));
    }
    let longest = NodeRequest { days: 398, ..node("web-1") };
    assert!(authority.issue_node(&longest, NOW).is_ok(), "with the back-dating, too");
    assert!(matches!(find(ca.path(), &"web-2".parse().unwrap()), Err(PkiError::UnknownName { .. })));
}

#[test]
fn the_http_face_has_a_p256_certificate_for_servers() {
    let ca = TempDir::new().unwrap();
    let issued = new_ca(ca.path(), 3_650).issue_node(&node("web-1"), NOW).unwrap();
    let pem = fs::read(issued.directory.join("http.crt")).unwrap();
    let section = pem::parse(pem).unwrap();
    let (_, parsed) = X509Certificate::from_der(section.contents()).unwrap();
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth);
    assert_eq!(parsed.public_key().algorithm.algorithm.to_id_string(), "1.2.840.10045.2.1");
    assert!(p2p_shared::tls::identity(section.contents()).is_err(), "the mesh takes it from nobody");
}

#[test]
fn a_key_of_another_ca_is_noticed() {
    let (ca, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    new_ca(ca.path(), 3_650);
    new_ca(other.path(), 3_650);
    fs::copy(other.path().join("ca.key"), ca.path().join("ca.key")).unwrap();
    let open = |path: &Path| Authority::open(path, say("")).map(|_| ()).unwrap_err();
    assert!(matches!(open(ca.path()), PkiError::Damaged { .. }));
    fs::remove_file(ca.path().join("ca.key")).unwrap();
    assert!(open(ca.path()).to_string().contains("the CA's key is not here"));
    fs::remove_file(ca.path().join("ca.crt")).unwrap();
    assert!(matches!(open(ca.path()), PkiError::NoCa(_)));
}

#[test]
fn the_list_holds_everybody_and_names_what_is_broken() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    assert!(list(ca.path(), NOW).unwrap().is_empty());
    for name in ["web-2", "web-1"] {
        authority.issue_node(&node(name), NOW).unwrap();
    }
    authority.issue_operator(&operator("anna", Role::Viewer), &Sealing::Plain, NOW).unwrap();
    fs::create_dir(ca.path().join("nodes/.web-3.0123")).unwrap();
    fs::write(ca.path().join("nodes/web-2/node.crt"), "junk").unwrap();
    let all = list(ca.path(), NOW).unwrap();
    let names: Vec<_> =
        all.iter().map(|row| row.as_ref().map(|record| record.name.to_string()).ok()).collect();
    assert_eq!(names, [Some("web-1".to_owned()), None, Some("anna".to_owned())]);
}

#[test]
fn records_in_json_are_stable() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    authority.issue_operator(&operator("anna", Role::Viewer), &Sealing::Plain, NOW).unwrap();
    let record = show(ca.path(), &"anna".parse().unwrap(), NOW.plus(days(31))).unwrap();
    let expected = format!(
        r#"{{"name":"anna","kind":"operator","role":"viewer","id":"{}","not_before":"2026-11-23T03:17:03Z","not_after":"2026-12-23T03:22:03Z","days_left":-2,"serial":"{}","addresses":[],"revoked":null}}"#,
        record.id, record.serial
    );
    assert_eq!(serde_json::to_string(&record).unwrap(), expected);
}

#[test]
fn a_bundle_is_the_same_bytes_each_time_and_loads_where_it_is_unpacked() {
    let ca = TempDir::new().unwrap();
    new_ca(ca.path(), 3_650).issue_node(&node("web-1"), NOW).unwrap();
    let name = "web-1".parse().unwrap();
    let endpoints = ["10.0.0.1:5678".parse().unwrap(), "[::1]:5678".parse().unwrap()];
    let pack = || {
        let mut bytes = Vec::new();
        bundle(ca.path(), (Kind::Node, &name), &endpoints, &mut bytes).unwrap();
        bytes
    };
    let packed = pack();
    assert_eq!(packed, pack());

    let target = TempDir::new().unwrap();
    tar::Archive::new(packed.as_slice()).unpack(target.path()).unwrap();
    assert!(Credentials::load_node(target.path(), NOW).is_ok());
    assert_eq!(fs::read_to_string(target.path().join("bootstrap")).unwrap(), "10.0.0.1:5678\n[::1]:5678\n");
    let mut archive = tar::Archive::new(packed.as_slice());
    let headers = archive.entries().unwrap().map(|entry| entry.unwrap().header().mode().unwrap());
    assert!(headers.into_iter().all(|mode| mode == 0o600));
}

#[test]
fn a_bundle_is_of_the_kind_that_was_asked_for_and_whole() {
    let ca = TempDir::new().unwrap();
    let issued = new_ca(ca.path(), 3_650).issue_node(&node("web-1"), NOW).unwrap();
    let name = "web-1".parse().unwrap();
    let mut bytes = Vec::new();
    let other = bundle(ca.path(), (Kind::Operator, &name), &[], &mut bytes).unwrap_err();
    assert!(matches!(other, PkiError::OtherKind { .. }));
    fs::remove_file(issued.directory.join("http.key")).unwrap();
    let missing = bundle(ca.path(), (Kind::Node, &name), &[], &mut bytes).unwrap_err();
    assert!(missing.to_string().contains("http.key"), "{missing}");
    assert!(bytes.is_empty(), "not even half of it was written");
}

fn revocation(name: &str) -> Revocation {
    Revocation { name: name.parse().unwrap(), reason: RevokedReason::KeyCompromise }
}

#[test]
fn a_revoked_name_is_on_the_list_once_and_gets_nothing_more() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    let issued = authority.issue_node(&node("web-1"), NOW).unwrap();
    let first = authority.revoke(&revocation("web-1"), NOW).unwrap();
    assert_eq!((first.id, first.before, first.list.list.epoch), (issued.record.id, false, 1));
    let again = authority.revoke(&revocation("web-1"), NOW.plus(DAY)).unwrap();
    assert!(again.before, "and says since when: {}", again.at);
    assert_eq!(again.list.bytes, fs::read(ca.path().join(REVOKED)).unwrap());

    let unknown = authority.revoke(&revocation("web-9"), NOW).unwrap_err();
    assert!(matches!(unknown, PkiError::UnknownName { .. }));
    let renewed = authority.renew(&renewal("web-1"), NOW).unwrap_err();
    assert!(matches!(renewed, PkiError::IsRevoked { .. }), "{renewed}");
    let packed = bundle(ca.path(), (Kind::Node, &"web-1".parse().unwrap()), &[], Vec::new()).unwrap_err();
    assert!(matches!(packed, PkiError::IsRevoked { .. }), "{packed}");
    let shown = show(ca.path(), &"web-1".parse().unwrap(), NOW).unwrap();
    assert_eq!(shown.revoked.map(|revoked| revoked.reason), Some("key-compromise"));
}

#[test]
fn lists_follow_each_other_by_epoch_and_hash() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    let mut previous = [0; 32];
    for epoch in 1..=5 {
        let name = format!("web-{epoch}");
        authority.issue_node(&node(&name), NOW).unwrap();
        let list = authority.revoke(&revocation(&name), NOW).unwrap().list;
        assert_eq!(
            (list.list.epoch, list.list.previous, list.list.keys.len()),
            (epoch, previous, epoch as usize)
        );
        previous = list.digest;
    }
}

#[test]
fn a_revoked_name_is_free_for_a_new_key_and_the_old_private_key_is_gone() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    let old = authority.issue_node(&node("web-1"), NOW).unwrap().record;
    assert!(matches!(authority.issue_node(&node("web-1"), NOW).unwrap_err(), PkiError::NameTaken { .. }));
    authority.revoke(&revocation("web-1"), NOW).unwrap();
    let new = authority.issue_node(&node("web-1"), NOW).unwrap().record;
    assert_ne!(new.id, old.id);
    assert_eq!(show(ca.path(), &new.name, NOW).unwrap().revoked, None);
    let listed: Vec<_> = list(ca.path(), NOW).unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(listed.iter().map(|record| record.id).collect::<Vec<_>>(), [new.id, old.id]);
    assert!(listed[1].revoked.is_some());
    let archive = ca.path().join("revoked").join(old.id.to_string());
    assert!(archive.join("node.crt").exists());
    assert!(!archive.join("node.key").exists() && !archive.join("http.key").exists());
    // The new key of the name can be revoked like any other.
    assert_eq!(authority.revoke(&revocation("web-1"), NOW).unwrap().list.list.keys.len(), 2);
}

#[test]
fn a_damaged_list_stops_the_ca_and_is_not_written_over() {
    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    authority.issue_node(&node("web-1"), NOW).unwrap();
    authority.revoke(&revocation("web-1"), NOW).unwrap();
    let file = ca.path().join(REVOKED);
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let taken = authority.issue_node(&node("web-1"), NOW).unwrap_err();
    assert!(matches!(taken, PkiError::BadList { .. }), "{taken}");
    let refused = authority.revoke(&revocation("web-1"), NOW).unwrap_err();
    assert!(matches!(refused, PkiError::BadList { .. }), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn the_crl_holds_the_certificates_of_revoked_keys_and_the_ca_signed_it() {
    use x509_parser::prelude::CertificateRevocationList;

    let ca = TempDir::new().unwrap();
    let authority = new_ca(ca.path(), 3_650);
    assert_eq!(authority.write_crl(30, NOW).unwrap().certificates, 0);
    let old = authority.issue_node(&node("web-1"), NOW).unwrap().record;
    authority.issue_operator(&operator("anna", Role::Admin), &Sealing::Plain, NOW).unwrap();
    authority.issue_node(&node("web-2"), NOW).unwrap();
    authority.revoke(&revocation("web-1"), NOW).unwrap();
    authority.revoke(&revocation("anna"), NOW).unwrap();
    authority.issue_node(&node("web-1"), NOW).unwrap();
    assert_eq!(
        authority.write_crl(30, NOW.plus(DAY)).unwrap().certificates,
        3,
        "node, its HTTP face, operator"
    );
    let der = fs::read(ca.path().join(CRL_DER)).unwrap();
    let (_, crl) = CertificateRevocationList::from_der(&der).unwrap();
    let certificate = fs::read(ca.path().join("ca.crt")).unwrap();
    let issuer = pem::parse(certificate).unwrap().into_contents();
    let (_, issuer) = X509Certificate::from_der(&issuer).unwrap();
    crl.verify_signature(issuer.public_key()).unwrap();
    let serials = crl.iter_revoked_certificates().map(|entry| p2p_shared::id::hex(entry.raw_serial()));
    assert!(serials.into_iter().any(|serial| serial == old.serial));
}

#[test]
fn the_courier_is_a_viewer_for_five_minutes() {
    let ca = TempDir::new().unwrap();
    let courier = new_ca(ca.path(), 3_650).courier(NOW).unwrap();
    let identity = courier.identity();
    assert_eq!(identity.kind, PeerKind::Operator(Role::Viewer));
    assert_eq!(identity.not_after, UnixMillis(NOW.0 / 1_000 * 1_000 + 300_000));
}
