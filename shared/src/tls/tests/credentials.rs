use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pkcs8::PrivateKeyInfo;
use pkcs8::pkcs5::pbes2;
use rcgen::KeyPair;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::super::credentials::{Credentials, CredentialsProblem};
use super::super::key::{PassphraseError, passphrase_file};
use super::super::profile::PeerKind;
use super::super::refusal::RefusalReason;
use super::super::testing::{DAY, NOW, TestCa, mesh_key, node_params, operator_params};
use super::super::trust::Signed;
use crate::access::Role;
use crate::error::Exit;
use crate::time::Millis;

const PASSPHRASE: &str = "correct horse battery";

fn write(directory: &Path, name: &str, text: &str, mode: u32) {
    let file = directory.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn certificate_pem(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

pub(super) fn sealed_pem(key: &KeyPair) -> String {
    let parameters = pbes2::Parameters::pbkdf2_sha256_aes256cbc(100, b"saltsalt", &[7; 16]).unwrap();
    let sealed = PrivateKeyInfo::try_from(key.serialized_der())
        .unwrap()
        .encrypt_with_params(parameters, PASSPHRASE)
        .unwrap();
    sealed.to_pem("ENCRYPTED PRIVATE KEY", pkcs8::LineEnding::LF).unwrap().to_string()
}

/// A directory of a node as the CA writes it.
fn node_directory(ca: &TestCa, key: &KeyPair) -> TempDir {
    let directory = TempDir::new().unwrap();
    let leaf = ca.leaf(key, node_params(), |_| ());
    write(directory.path(), "ca.crt", &ca.issuer.pem(), 0o644);
    write(directory.path(), "node.crt", &certificate_pem(&leaf), 0o644);
    write(directory.path(), "node.key", &key.serialize_pem(), 0o600);
    directory
}

fn operator_directory(ca: &TestCa) -> TempDir {
    let directory = TempDir::new().unwrap();
    let key = mesh_key();
    let leaf = ca.leaf(&key, operator_params("operator"), |_| ());
    write(directory.path(), "ca.crt", &ca.issuer.pem(), 0o644);
    write(directory.path(), "operator.crt", &certificate_pem(&leaf), 0o644);
    write(directory.path(), "operator.key", &sealed_pem(&key), 0o600);
    directory
}

/// Why the directory is refused, with the file that the message names.
fn node_problem(directory: &TempDir) -> (String, CredentialsProblem) {
    let error = Credentials::load_node(directory.path(), NOW).unwrap_err();
    assert_eq!(error.exit(), Exit::Config);
    let name = error.file.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(error.to_string().starts_with(error.file.to_str().unwrap()), "{error}");
    (name, error.problem)
}

#[test]
fn a_nodes_directory_gives_its_identity_and_signs_for_it() {
    let ca = TestCa::new();
    let directory = node_directory(&ca, &mesh_key());
    let node = Credentials::load_node(directory.path(), NOW).unwrap();
    assert_eq!(node.identity().name.as_str(), "web-1");
    assert_eq!(node.trust().mesh().as_str(), "mesh-1");
    let signature = node.sign("facts/v1", b"payload");
    let signed =
        Signed { leaf: node.certificate(), domain: "facts/v1", bytes: b"payload", signature: &signature };
    assert_eq!(node.trust().verify_signed(&signed, NOW).as_ref(), Ok(node.identity()));
}

#[test]
fn an_operators_key_opens_with_its_passphrase_alone() {
    let directory = operator_directory(&TestCa::new());
    let load = |passphrase: &str| {
        let passphrase = Zeroizing::new(passphrase.to_owned());
        Credentials::load_operator(directory.path(), NOW, |_| Ok(passphrase))
    };
    assert_eq!(load(PASSPHRASE).unwrap().identity().kind, PeerKind::Operator(Role::Operator));
    let wrong = load("wrong").unwrap_err();
    assert!(matches!(wrong.problem, CredentialsProblem::WrongPassphrase), "{wrong}");
    assert_eq!(wrong.exit(), Exit::Permission);

    let nobody = |_: &Path| Err(PassphraseError::Unavailable("nobody is there".to_owned()));
    let unasked = Credentials::load_operator(directory.path(), NOW, nobody).unwrap_err();
    assert!(unasked.to_string().ends_with("its key is encrypted: nobody is there"), "{unasked}");
}

#[test]
fn nobody_is_asked_about_a_plain_key() {
    let ca = TestCa::new();
    let directory = operator_directory(&ca);
    let key = mesh_key();
    let leaf = ca.leaf(&key, operator_params("viewer"), |_| ());
    write(directory.path(), "operator.crt", &certificate_pem(&leaf), 0o644);
    write(directory.path(), "operator.key", &key.serialize_pem(), 0o600);
    let asked = Cell::new(false);
    let loaded = Credentials::load_operator(directory.path(), NOW, |_| {
        asked.set(true);
        Ok(Zeroizing::default())
    });
    assert!(loaded.is_ok() && !asked.get());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let directory = node_directory(&TestCa::new(), &mesh_key());
    for mode in [0o640, 0o604, 0o660, 0o601] {
        fs::set_permissions(directory.path().join("node.key"), fs::Permissions::from_mode(mode)).unwrap();
        let (file, problem) = node_problem(&directory);
        assert_eq!(file, "node.key");
        assert!(matches!(problem, CredentialsProblem::OthersCanRead { mode: found } if found == mode));
    }
}

#[test]
fn each_broken_file_has_its_own_message() {
    let ca = TestCa::new();
    let key = mesh_key();
    let fresh = || node_directory(&ca, &key);

    let missing = fresh();
    fs::remove_file(missing.path().join("node.crt")).unwrap();
    assert!(matches!(node_problem(&missing), (file, CredentialsProblem::Missing) if file == "node.crt"));

    let garbage = fresh();
    write(garbage.path(), "node.crt", "hello", 0o644);
    assert!(matches!(node_problem(&garbage), (_, CredentialsProblem::NotACertificate)));

    let mixed = fresh();
    let leaf = fs::read_to_string(mixed.path().join("node.crt")).unwrap();
    write(mixed.path(), "node.crt", &(leaf + &key.serialize_pem()), 0o644);
    assert!(
        matches!(node_problem(&mixed), (_, CredentialsProblem::ForeignSection(tag)) if tag == "PRIVATE KEY")
    );

    let no_key = fresh();
    write(no_key.path(), "node.key", &ca.issuer.pem(), 0o600);
    assert!(matches!(node_problem(&no_key), (file, CredentialsProblem::NotAKey) if file == "node.key"));

    let other_key = fresh();
    write(other_key.path(), "node.key", &mesh_key().serialize_pem(), 0o600);
    assert!(matches!(node_problem(&other_key), (_, CredentialsProblem::KeyMismatch)));

    let ecdsa_key = fresh();
    write(ecdsa_key.path(), "node.key", &super::super::testing::ca_key().serialize_pem(), 0o600);
    assert!(matches!(node_problem(&ecdsa_key), (_, CredentialsProblem::KeyType)));

    let sealed = fresh();
    write(sealed.path(), "node.key", &sealed_pem(&key), 0o600);
    assert!(matches!(node_problem(&sealed), (_, CredentialsProblem::Passphrase(_))));

    let not_a_ca = fresh();
    fs::copy(not_a_ca.path().join("node.crt"), not_a_ca.path().join("ca.crt")).unwrap();
    assert!(matches!(node_problem(&not_a_ca), (file, CredentialsProblem::Ca(_)) if file == "ca.crt"));

    let huge = fresh();
    write(huge.path(), "node.crt", &"x".repeat(300_000), 0o644);
    assert!(matches!(node_problem(&huge), (_, CredentialsProblem::TooLarge)));
}

#[test]
fn a_certificate_that_peers_would_refuse_is_refused_at_home() {
    let (ca, key) = (TestCa::new(), mesh_key());
    let directory = node_directory(&ca, &key);
    let late = NOW.plus(Millis(91 * DAY.0));
    let error = Credentials::load_node(directory.path(), late).unwrap_err();
    let CredentialsProblem::Refused(refusal) = &error.problem else { panic!("{error}") };
    assert_eq!(refusal.reason(), RefusalReason::Expired);
    assert!(error.to_string().contains("renew"), "{error}");

    write(directory.path(), "ca.crt", &TestCa::new().issuer.pem(), 0o644);
    let (_, problem) = node_problem(&directory);
    assert!(
        matches!(problem, CredentialsProblem::Refused(refusal) if refusal.reason() == RefusalReason::WrongCa)
    );
}

#[test]
fn an_operators_certificate_makes_no_node() {
    let ca = TestCa::new();
    let key = mesh_key();
    let directory = node_directory(&ca, &key);
    let leaf = ca.leaf(&key, operator_params("admin"), |_| ());
    write(directory.path(), "node.crt", &certificate_pem(&leaf), 0o644);
    assert!(matches!(node_problem(&directory), (_, CredentialsProblem::WrongKind { .. })));
}

#[test]
fn nothing_secret_shows_in_debug_output() {
    let key = mesh_key();
    let directory = node_directory(&TestCa::new(), &key);
    let shown = format!("{:?}", Credentials::load_node(directory.path(), NOW).unwrap());
    assert!(shown.contains("MeshKey") && !shown.contains("seed"), "{shown}");
}

#[test]
fn one_trailing_newline_is_no_part_of_a_passphrase() {
    let directory = TempDir::new().unwrap();
    for (content, passphrase) in [("a b\n", "a b"), ("a b", "a b"), ("a b\n\n", "a b\n"), ("a\r\n", "a")] {
        write(directory.path(), "passphrase", content, 0o600);
        assert_eq!(passphrase_file(&directory.path().join("passphrase")).unwrap().as_str(), passphrase);
    }
    assert!(matches!(
        passphrase_file(&directory.path().join("none")),
        Err(PassphraseError::Unreadable { .. })
    ));
}
