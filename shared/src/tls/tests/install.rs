//! A bundle takes its place whole or not at all, and only where it may.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcgen::{ExtendedKeyUsagePurpose, KeyPair, SanType};
use tempfile::TempDir;

use super::super::bundle::{Bundle, BundleKind};
use super::super::credentials::{Credentials, CredentialsProblem};
use super::super::install::{Change, InstallError, Installed, OthersFiles};
use super::super::testing::{
    DAY, NOW, TestCa, ca_key, mesh_key, node_params, operator_params, set_dates, uri,
};
use super::credentials::{certificate_pem, sealed_pem};
use crate::error::Exit;
use crate::time::{Millis, UnixMillis};

const BOOTSTRAP: &str = "192.0.2.1:5678\n";

/// The files of a bundle, to be changed before they are packed.
#[derive(Clone)]
struct Files(BTreeMap<&'static str, String>);

impl Files {
    /// A node's, issued `days` after now.
    fn node(ca: &TestCa, key: &KeyPair, name: &str, days: u64) -> Self {
        let from = NOW.plus(Millis(days * DAY.0));
        let until = from.plus(Millis(90 * DAY.0));
        let leaf = ca.leaf(key, node_params(), |params| {
            set_dates(params, from, until);
            params.subject_alt_names = vec![uri(&format!("spiffe://mesh-1/node/{name}"))];
        });
        let http_key = ca_key();
        let http = ca.leaf(&http_key, node_params(), |params| {
            set_dates(params, from, until);
            params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        Self(BTreeMap::from([
            ("ca.crt", ca.issuer.pem()),
            ("node.crt", certificate_pem(&leaf)),
            ("node.key", key.serialize_pem()),
            ("http.crt", certificate_pem(&http)),
            ("http.key", http_key.serialize_pem()),
            ("bootstrap", BOOTSTRAP.to_owned()),
        ]))
    }

    fn operator(ca: &TestCa) -> Self {
        let key = mesh_key();
        let leaf = ca.leaf(&key, operator_params("admin"), |_| ());
        Self(BTreeMap::from([
            ("ca.crt", ca.issuer.pem()),
            ("operator.crt", certificate_pem(&leaf)),
            ("operator.key", sealed_pem(&key)),
            ("bootstrap", BOOTSTRAP.to_owned()),
        ]))
    }

    fn set(mut self, name: &'static str, text: &str) -> Self {
        self.0.insert(name, text.to_owned());
        self
    }

    fn bundle(&self) -> Bundle {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in &self.0 {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        Bundle::read(tar.into_inner().unwrap().as_slice()).unwrap()
    }

    fn write(&self, directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        for (name, text) in &self.0 {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// Whether exactly these stand in `directory`.
    fn stand(&self, directory: &Path) -> bool {
        listed(directory).len() == self.0.len()
            && self.0.iter().all(|(name, text)| fs::read_to_string(directory.join(name)).unwrap() == *text)
    }
}

/// A machine with a place for certificates.
struct Machine {
    root: TempDir,
    ca: TestCa,
    key: KeyPair,
}

impl Machine {
    fn new() -> Self {
        Self { root: TempDir::new().unwrap(), ca: TestCa::new(), key: mesh_key() }
    }

    fn place(&self) -> PathBuf {
        self.root.path().join("etc/pki")
    }

    /// The bundle of this machine, issued `days` after now.
    fn files(&self, days: u64) -> Files {
        Files::node(&self.ca, &self.key, "web-1", days)
    }

    fn import(&self, files: &Files, others: OthersFiles) -> Result<Installed, InstallError> {
        let outcome = files.bundle().install(&self.place(), others, later());
        if outcome.is_ok() {
            assert!(files.stand(&self.place()));
            assert_eq!(listed(self.place().parent().unwrap()), ["pki"], "nothing is left beside it");
        }
        outcome
    }

    fn change(&self, files: &Files) -> Change {
        self.import(files, OthersFiles::Keep).unwrap().change
    }
}

/// When bundles are imported: some of them are renewals.
fn later() -> UnixMillis {
    NOW.plus(Millis(20 * DAY.0))
}

fn listed(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_put_in_place_is_what_a_node_loads() {
    let machine = Machine::new();
    let files = machine.files(0);
    let installed = machine.import(&files, OthersFiles::Keep).unwrap();
    assert_eq!(installed.change, Change::New);
    let loaded = Credentials::load_node(&machine.place(), later()).unwrap();
    assert_eq!(*loaded.identity(), installed.identity);
    let said = installed.sentence();
    assert!(
        said.contains("node web-1 of mesh mesh-1, id ") && said.contains("2027-02-21T03:22:03Z"),
        "{said}"
    );

    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(machine.place()), 0o700);
    assert_eq!(mode(machine.root.path().join("etc")), 0o755, "others pass through it");
    for (name, expected) in [("node.key", 0o600), ("http.key", 0o600), ("node.crt", 0o644), ("ca.crt", 0o644)]
    {
        assert_eq!(mode(machine.place().join(name)), expected, "{name}");
    }
}

#[test]
fn an_operators_key_stays_locked_and_his_directory_closed() {
    let machine = Machine::new();
    let files = Files::operator(&machine.ca);
    assert_eq!(files.bundle().kind(), BundleKind::Operator);
    assert_eq!(machine.change(&files), Change::New);
    assert_eq!(fs::metadata(machine.root.path().join("etc")).unwrap().mode() & 0o777, 0o700);
    assert_eq!(machine.change(&files), Change::Nothing);
}

#[test]
fn the_same_bundle_again_writes_nothing() {
    let machine = Machine::new();
    let files = machine.files(0);
    machine.change(&files);
    let seen = |name: &str| {
        let found = fs::metadata(machine.place().join(name)).unwrap();
        (found.ino(), found.mtime_nsec())
    };
    let before = (seen("."), seen("node.key"));
    assert_eq!(machine.change(&files), Change::Nothing);
    assert_eq!((seen("."), seen("node.key")), before);

    // A key that others can read is not as it should be.
    fs::set_permissions(machine.place().join("node.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(machine.change(&files), Change::Renewed);
    assert_eq!(fs::metadata(machine.place().join("node.key")).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_renewal_replaces_what_it_renews_and_never_the_other_way_round() {
    let machine = Machine::new();
    let (first, renewed) = (machine.files(0), machine.files(10));
    machine.change(&first);
    assert_eq!(machine.change(&renewed), Change::Renewed);
    let older = machine.import(&first, OthersFiles::Keep).unwrap_err();
    assert!(matches!(older, InstallError::Older { .. }) && older.exit() == Exit::Data, "{older}");
    assert!(renewed.stand(&machine.place()));
    assert_eq!(machine.import(&first, OthersFiles::Replace).unwrap().change, Change::Replaced);
    // Another address to join through, by the same certificate.
    assert_eq!(machine.change(&first.clone().set("bootstrap", "192.0.2.2:1\n")), Change::Renewed);
}

#[test]
fn a_renewal_that_names_no_address_keeps_those_that_stand_there() {
    let machine = Machine::new();
    machine.change(&machine.files(0));
    let silent = |days| machine.files(days).set("bootstrap", "\n").bundle();
    let renewed = silent(1).install(&machine.place(), OthersFiles::Keep, later()).unwrap();
    assert_eq!(
        (renewed.change, renewed.addresses.as_slice()),
        (Change::Renewed, &["192.0.2.1:5678".to_owned()][..])
    );
    assert_eq!(fs::read_to_string(machine.place().join("bootstrap")).unwrap(), BOOTSTRAP);

    let other = Files::node(&machine.ca, &mesh_key(), "web-2", 0).set("bootstrap", "");
    let installed = other.bundle().install(&machine.place(), OthersFiles::Replace, later()).unwrap();
    assert!(installed.addresses.is_empty(), "another holder begins anew");
}

#[test]
fn an_ended_certificate_is_renewed_like_any_other() {
    let machine = Machine::new();
    let leaf = machine.ca.leaf(&machine.key, node_params(), |params| {
        set_dates(params, UnixMillis(NOW.0 - 40 * DAY.0), UnixMillis(NOW.0 - DAY.0));
    });
    machine.files(0).set("node.crt", &certificate_pem(&leaf)).write(&machine.place());
    assert_eq!(machine.change(&machine.files(0)), Change::Renewed);
}

#[test]
fn another_holders_files_stay_unless_they_are_given_up() {
    let machine = Machine::new();
    let standing = machine.files(0);
    machine.change(&standing);
    let others = [
        Files::node(&machine.ca, &mesh_key(), "web-1", 0),
        Files::node(&machine.ca, &machine.key, "web-2", 0),
        Files::node(&TestCa::named("another"), &mesh_key(), "web-1", 0),
        Files::operator(&machine.ca),
    ];
    for other in others {
        let error = machine.import(&other, OthersFiles::Keep).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, InstallError::Taken { .. }) && error.exit() == Exit::Data, "{said}");
        assert!(said.contains("node web-1 of") && said.matches(", id ").count() == 2, "{said}");
        assert!(standing.stand(&machine.place()));
        assert_eq!(machine.import(&other, OthersFiles::Replace).unwrap().change, Change::Replaced);
        assert_eq!(machine.import(&standing, OthersFiles::Replace).unwrap().change, Change::Replaced);
    }
}

#[test]
fn files_that_do_not_say_whose_they_are_are_given_up_only_when_asked() {
    let machine = Machine::new();
    for (name, text) in [("node.crt", Some("garbage")), ("node.crt", None)] {
        let half = machine.files(0).set(name, text.unwrap_or_default());
        half.write(&machine.place());
        if text.is_none() {
            fs::remove_file(machine.place().join(name)).unwrap();
        }
        let error = machine.import(&machine.files(1), OthersFiles::Keep).unwrap_err();
        assert!(matches!(error, InstallError::Unknown { .. }), "{error}");
        machine.import(&machine.files(1), OthersFiles::Replace).unwrap();
    }
}

#[test]
fn nothing_that_no_bundle_brought_is_ever_removed() {
    let machine = Machine::new();
    let home = machine.files(0);
    home.write(&machine.place());
    for name in ["thesis.txt", ".ssh"] {
        let path = machine.place().join(name);
        if name.starts_with('.') { fs::create_dir(&path) } else { fs::write(&path, "") }.unwrap();
        for others in [OthersFiles::Keep, OthersFiles::Replace] {
            let error = machine.import(&machine.files(1), others).unwrap_err();
            assert!(matches!(&error, InstallError::Foreign { name: found, .. } if found == name), "{error}");
        }
        assert!(path.exists());
        if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) }.unwrap();
    }
    assert_eq!(machine.change(&machine.files(1)), Change::Renewed);

    fs::remove_file(machine.place().join("bootstrap")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(machine.place().join("bootstrap")).unwrap();
    let error = machine.import(&machine.files(1), OthersFiles::Replace).unwrap_err();
    assert!(matches!(error, InstallError::Foreign { .. }), "{error}");

    let file = machine.root.path().join("file");
    fs::write(&file, "kept").unwrap();
    for place in [file.clone(), file.join("below"), PathBuf::from("/")] {
        let bundle = machine.files(0).bundle();
        assert!(bundle.install(&place, OthersFiles::Replace, later()).is_err(), "{}", place.display());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
}

#[test]
fn a_link_to_the_directory_stays_a_link() {
    let machine = Machine::new();
    let elsewhere = machine.root.path().join("elsewhere");
    machine.files(0).write(&elsewhere);
    fs::create_dir(machine.root.path().join("etc")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, machine.place()).unwrap();
    let renewed = machine.files(1);
    assert_eq!(machine.change(&renewed), Change::Renewed);
    assert!(machine.place().is_symlink() && renewed.stand(&elsewhere));
    assert_eq!(listed(machine.root.path()), ["elsewhere", "etc"]);
}

#[test]
fn a_bundle_that_does_not_hold_together_changes_nothing() {
    let machine = Machine::new();
    let standing = machine.files(0);
    machine.change(&standing);
    let good = machine.files(1);
    let stranger = TestCa::named("another");
    let with_key = |name| good.clone().set(name, &mesh_key().serialize_pem());
    let sealed = good.clone().set("node.key", &sealed_pem(&machine.key));
    let operators = certificate_pem(&machine.ca.leaf(&machine.key, operator_params("admin"), |_| ()));
    let foreign_http = Files::node(&stranger, &machine.key, "web-1", 0).0["http.crt"].clone();
    for (files, file, words) in [
        (with_key("node.key"), "node.key", "it is not the key of the certificate beside it"),
        (with_key("http.key"), "http.key", "it is not the key of the certificate beside it"),
        (good.clone().set("ca.crt", &stranger.issuer.pem()), "node.crt", "wrong_ca: "),
        (machine.files(400), "node.crt", "not_yet_valid: "),
        (good.clone().set("node.crt", &operators), "node.crt", "the certificate of an operator"),
        (good.clone().set("http.crt", &foreign_http), "http.crt", "wrong_ca: "),
        (good.clone().set("node.key", "x"), "node.key", "it is not a PEM file"),
        (good.clone().set("ca.crt", ""), "ca.crt", "it is not a PEM file"),
        (sealed, "node.key", "its key is encrypted"),
    ] {
        let error = machine.import(&files, OthersFiles::Replace).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, InstallError::Bundle(_)) && error.exit() == Exit::Data, "{said}");
        assert!(said.starts_with(&format!("its {file}: ")) && said.contains(words), "{words}: {said}");
        assert!(standing.stand(&machine.place()));
    }
    let late = NOW.plus(Millis(91 * DAY.0));
    let error = standing.bundle().install(&machine.place(), OthersFiles::Keep, late).unwrap_err();
    assert!(error.to_string().contains("expired: ") && error.to_string().contains("renew"), "{error}");

    let empty = Machine::new();
    assert!(empty.import(&with_key("node.key"), OthersFiles::Keep).is_err());
    assert_eq!(listed(empty.root.path()), [""; 0], "not even a directory was made");
}

#[test]
fn an_operators_key_is_judged_as_far_as_it_can_be() {
    let machine = Machine::new();
    let files = Files::operator(&machine.ca);
    for (key, expected) in [
        (mesh_key().serialize_pem(), "its operator.key: it is not the key"),
        (
            pem::encode(&pem::Pem::new("ENCRYPTED PRIVATE KEY", [1, 2, 3])),
            "its operator.key: it is not a PEM",
        ),
    ] {
        let error = machine.import(&files.clone().set("operator.key", &key), OthersFiles::Keep).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let InstallError::Bundle(error) = machine
        .import(&files.set("operator.crt", &machine.files(0).0["node.crt"]), OthersFiles::Keep)
        .unwrap_err()
    else {
        panic!("it was judged")
    };
    assert!(matches!(error.problem, CredentialsProblem::WrongKind { .. }), "{error}");
}

/// The directories that a run leaves when the machine stops in the middle of it, at each of its steps.
#[test]
fn a_run_that_was_broken_off_is_finished_by_the_next() {
    let (half, whole) = (|files: Files| Files(files.0.into_iter().take(2).collect()), |files: Files| files);
    type Left<'a> = &'a [(&'a str, &'a dyn Fn(Files) -> Files, u64)];
    let moments: [(&str, Left<'_>); 6] = [
        ("nothing yet, and half of the new", &[(".pki.import", &half, 1)]),
        ("half of the new", &[("pki", &whole, 0), (".pki.import", &half, 1)]),
        ("all of the new", &[("pki", &whole, 0), (".pki.import", &whole, 1)]),
        ("exchanged", &[("pki", &whole, 1), (".pki.import", &whole, 0)]),
        ("exchanged, half removed", &[("pki", &whole, 1), (".pki.import", &half, 0)]),
        ("stepped aside and arrived", &[("pki", &whole, 1), (".pki.import-old", &whole, 0)]),
    ];
    for (moment, left) in moments {
        let machine = Machine::new();
        for (name, part, days) in left {
            part(machine.files(*days)).write(&machine.root.path().join("etc").join(name));
        }
        machine
            .import(&machine.files(2), OthersFiles::Keep)
            .unwrap_or_else(|error| panic!("{moment}: {error}"));
    }
}

#[test]
fn what_had_stepped_aside_comes_back_before_anything_else() {
    let machine = Machine::new();
    let old = machine.files(0);
    old.write(&machine.root.path().join("etc/.pki.import-old"));
    machine.files(1).write(&machine.root.path().join("etc/.pki.import"));
    // Refused, because what came back is of somebody else: so it did come back.
    let other = Files::node(&machine.ca, &mesh_key(), "web-2", 0);
    assert!(matches!(machine.import(&other, OthersFiles::Keep), Err(InstallError::Taken { .. })));
    assert!(old.stand(&machine.place()));
    assert_eq!(listed(&machine.root.path().join("etc")), ["pki"]);
}

#[test]
fn two_imports_at_a_time_do_not_mix() {
    let machine = Machine::new();
    let at_work = machine.root.path().join("etc/.pki.import");
    machine.files(0).write(&at_work);
    let held = fs::File::open(&at_work).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let busy = machine.import(&machine.files(1), OthersFiles::Replace).unwrap_err();
    assert!(matches!(busy, InstallError::Busy(_)), "{busy}");
    drop(held);
    assert_eq!(machine.change(&machine.files(1)), Change::New);
}

#[test]
fn the_user_of_the_service_keeps_the_directory() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let machine = Machine::new();
    machine.files(0).write(&machine.place());
    let service = 64_000;
    std::os::unix::fs::chown(machine.place(), Some(service), Some(service + 1)).unwrap();
    machine.change(&machine.files(1));
    for name in [".", "node.key", "node.crt", "bootstrap"] {
        let found = fs::metadata(machine.place().join(name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (service, service + 1), "{name}");
    }
    assert_eq!(fs::metadata(machine.root.path().join("etc")).unwrap().uid(), 0);
}
