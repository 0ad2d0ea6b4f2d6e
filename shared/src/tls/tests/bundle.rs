//! Hostile and broken tars: none is taken, none is a panic, none is unpacked by a path.

use std::path::Path;

use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use super::super::bundle::{BOOTSTRAP_MAX, Bundle, BundleError, BundleKind, bootstrap_addresses};
use crate::error::Exit;

const NODE: [&str; 6] = ["ca.crt", "node.crt", "node.key", "http.crt", "http.key", "bootstrap"];

/// One entry as it is, whatever the name: `append_data` would refuse some.
fn entry(tar: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, content: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

fn tar_of(names: &[&str]) -> Vec<u8> {
    with(names, |_| ())
}

/// Plain files of these names, and whatever `more` adds.
fn with(names: &[&str], more: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for name in names {
        entry(&mut tar, name.as_bytes(), EntryType::Regular, b"x");
    }
    more(&mut tar);
    tar.into_inner().unwrap()
}

fn refused(bytes: &[u8]) -> BundleError {
    let error = Bundle::read(bytes).unwrap_err();
    assert_eq!(error.exit(), Exit::Data, "{error}");
    assert!(error.to_string().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{error}");
    error
}

#[test]
fn the_kind_is_what_is_inside() {
    assert_eq!(Bundle::read(tar_of(&NODE).as_slice()).unwrap().kind(), BundleKind::Node);
    let mut operator = ["bootstrap", "operator.key", "operator.crt", "ca.crt"];
    assert_eq!(Bundle::read(tar_of(&operator).as_slice()).unwrap().kind(), BundleKind::Operator);
    operator.reverse();
    assert!(Bundle::read(tar_of(&operator).as_slice()).is_ok(), "the order does not matter");
}

#[test]
fn a_list_of_revoked_keys_may_be_in_a_nodes_bundle_alone() {
    let with_list = [&NODE[..], &["revoked.bin"]].concat();
    assert_eq!(Bundle::read(tar_of(&with_list).as_slice()).unwrap().kind(), BundleKind::Node);
    let operator = tar_of(&["bootstrap", "operator.key", "operator.crt", "ca.crt", "revoked.bin"]);
    assert!(matches!(refused(&operator), BundleError::UnknownFile(_)));
}

#[test]
fn padding_behind_the_end_is_no_fault_and_anything_else_is() {
    let mut bytes = tar_of(&NODE);
    bytes.resize(20 * 512, 0);
    assert!(Bundle::read(bytes.as_slice()).is_ok());
    bytes.extend(tar_of(&NODE));
    assert!(matches!(refused(&bytes), BundleError::NotATar));
}

#[test]
fn only_plain_files_of_known_names_are_taken() {
    for name in [
        "../node.key",
        "/etc/passwd",
        "./node.crt",
        "pki/node.crt",
        "node.crt/",
        "Node.crt",
        "",
        "evil",
        "node.crt\x1b[2J",
        ".node.key",
    ] {
        let bytes = with(&NODE, |tar| entry(tar, name.as_bytes(), EntryType::Regular, b"x"));
        assert!(matches!(refused(&bytes), BundleError::UnknownFile(_)), "{name}");
    }
    for kind in [
        EntryType::Link,
        EntryType::Symlink,
        EntryType::Char,
        EntryType::Block,
        EntryType::Directory,
        EntryType::Fifo,
        EntryType::Continuous,
        EntryType::GNUSparse,
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
        EntryType::new(b'?'),
    ] {
        let bytes = with(&NODE[..5], |tar| entry(tar, b"bootstrap", kind, b""));
        assert!(matches!(refused(&bytes), BundleError::NotAFile("bootstrap")), "{kind:?}");
    }
}

#[test]
fn an_extension_changes_no_other_entry() {
    // To other readers the first entry renames the second, or gives it another size.
    for (kind, name, content) in [
        (EntryType::GNULongName, &b"././@LongLink"[..], &b"node.key\0"[..]),
        (EntryType::XHeader, b"PaxHeaders/x", b"17 path=node.key\n"),
        (EntryType::XGlobalHeader, b"pax_global_header", b"13 size=9000\n"),
    ] {
        let bytes = with(&[], |tar| {
            entry(tar, name, kind, content);
            entry(tar, b"ca.crt", EntryType::Regular, b"x");
        });
        assert!(matches!(refused(&bytes), BundleError::UnknownFile(_)), "{kind:?}");
    }
}

#[test]
fn each_file_comes_once_and_all_of_them_do() {
    for name in NODE {
        let rest: Vec<&str> = NODE.into_iter().filter(|other| *other != name).collect();
        assert!(matches!(refused(&tar_of(&rest)), BundleError::Missing(missing) if missing == name));
        let twice = with(&NODE, |tar| entry(tar, name.as_bytes(), EntryType::Regular, b"y"));
        assert!(matches!(refused(&twice), BundleError::Twice(found) if found == name));
    }
    let both = with(&NODE, |tar| {
        entry(tar, b"operator.crt", EntryType::Regular, b"x");
        entry(tar, b"operator.key", EntryType::Regular, b"x");
    });
    let said = refused(&both).to_string();
    assert!(said.contains("of a node"), "{said}");
}

#[test]
fn sizes_are_limited_and_not_believed() {
    let large = with(&NODE[..5], |tar| entry(tar, b"bootstrap", EntryType::Regular, &[b'x'; 64 * 1024 + 1]));
    assert!(matches!(refused(&large), BundleError::FileTooLarge("bootstrap")));
    let endless = std::io::repeat(0);
    assert!(matches!(Bundle::read(endless), Err(BundleError::TooLarge)));

    for (size, what) in [(u64::MAX, "more than there can be"), (60_000, "more than there is")] {
        let mut header = Header::new_gnu();
        header.set_path("ca.crt").unwrap();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_cksum();
        refused(&[&header.as_bytes()[..], &[0; 512], &tar_of(&NODE[1..])].concat());
        let cut = [&header.as_bytes()[..], &[0; 512]].concat();
        assert!(Bundle::read(cut.as_slice()).is_err(), "{what}");
    }
}

#[test]
fn what_is_cut_off_is_refused_wherever_that_happens() {
    let whole = tar_of(&NODE);
    // The last file is one block of header and one of content; then the end is marked twice.
    let content_ends = whole.len() - 1_024 - 511;
    for length in 0..content_ends {
        assert!(Bundle::read(&whole[..length]).is_err(), "{length} of {}", whole.len());
    }
}

#[test]
fn other_formats_are_refused_in_a_sentence() {
    for bytes in [&b""[..], b"\x1f\x8b\x08\0", b"-----BEGIN CERTIFICATE-----\n", &[0; 10_240]] {
        let said = refused(bytes).to_string();
        assert!(said.contains("`ca.sh bundle`"), "{said}");
    }
    let missing = Bundle::open(Path::new("/nowhere/web-1.tar")).unwrap_err();
    assert!(matches!(missing, BundleError::Unreadable(_)) && missing.exit() == Exit::Data);
}

#[test]
fn bootstrap_lines_are_counted_and_limited() {
    let read = bootstrap_addresses::<std::net::SocketAddr>;
    let found = read("127.0.0.1:1\r\n\n  [::1]:2  \n").unwrap();
    assert_eq!(found, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    assert_eq!(read("").unwrap(), []);
    assert_eq!(read("127.0.0.1:1\n\nx\n").unwrap_err().line, 3);
    let many = "127.0.0.1:1\n".repeat(BOOTSTRAP_MAX + 1);
    assert_eq!(read(&many).unwrap_err().line, BOOTSTRAP_MAX + 1);

    let bytes = with(&NODE[..5], |tar| entry(tar, b"bootstrap", EntryType::Regular, b"127.0.0.1:1\n\xff"));
    let error = Bundle::read(bytes.as_slice()).unwrap().bootstrap::<std::net::SocketAddr>().unwrap_err();
    assert_eq!(error.to_string(), "bootstrap:2: it is not UTF-8 text");
}

#[test]
fn nothing_secret_shows_in_debug_output() {
    let bytes = with(&NODE[..5], |tar| entry(tar, b"bootstrap", EntryType::Regular, b"canary"));
    let shown = format!("{:?}", Bundle::read(bytes.as_slice()).unwrap());
    assert!(!shown.contains("canary") && shown.len() < 60, "{shown}");
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4_096)) {
        prop_assert!(Bundle::read(bytes.as_slice()).is_err());
    }

    #[test]
    fn a_changed_tar_is_taken_whole_or_refused(
        changes in proptest::collection::vec((0..8_192_usize, any::<u8>()), 1..8),
        fix in any::<bool>(),
    ) {
        let mut bytes = tar_of(&NODE);
        let length = bytes.len();
        for (at, value) in changes {
            bytes[at % length] = value;
        }
        if fix {
            // A check sum that fits lets the change of a header through to what reads it.
            let mut header = Header::new_old();
            header.as_mut_bytes().copy_from_slice(&bytes[..512]);
            header.set_cksum();
            bytes[..512].copy_from_slice(header.as_bytes());
        }
        if let Ok(bundle) = Bundle::read(bytes.as_slice()) {
            let names: Vec<&str> = bundle.files().map(|(name, _)| name).collect();
            prop_assert_eq!(names, NODE);
            let _ = bundle.bootstrap::<std::net::SocketAddr>();
        }
    }
}
