//! `p2p-node ca` as a script runs it: exit codes, streams, rights.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn ca(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_p2p-node"));
    command.arg("ca").args(arguments).stdin(Stdio::null()).env_clear().env("P2P_CA_DIR", directory);
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    ca(directory, arguments).output().expect("p2p-node starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("errors are text")
}

#[test]
fn a_mesh_is_set_up_by_a_script() {
    let top = TempDir::new().unwrap();
    let certs = top.path().join("certs");
    let done = |arguments: &[&str]| {
        let output = run(&certs, arguments);
        assert_eq!(code(&output), 0, "{}", errors(&output));
        output
    };
    assert!(done(&["init", "--no-passphrase"]).stdout.is_empty(), "words for people go to standard error");
    done(&["issue", "node", "web-1", "--address", "10.0.0.1"]);
    done(&["issue", "operator", "anna", "--role", "admin", "--no-passphrase"]);
    done(&["renew", "web-1"]);
    let rows: serde_json::Value = serde_json::from_slice(&done(&["list", "--json"]).stdout).unwrap();
    assert_eq!((&rows[0]["name"], &rows[1]["role"]), (&"web-1".into(), &"admin".into()));
    assert!(done(&["show", "anna"]).stdout.starts_with(b"name        anna\n"));
}

#[test]
fn a_bundle_in_a_file_is_for_its_owner_alone() {
    let top = TempDir::new().unwrap();
    let certs = top.path().join("certs");
    run(&certs, &["init", "--no-passphrase"]);
    run(&certs, &["issue", "node", "web-1"]);
    let file = top.path().join("web-1.tar");
    let open = File::create(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = ca(&certs, &["bundle", "node", "web-1"]).stdout(open).output().unwrap();
    assert_eq!(code(&output), 0, "{}", errors(&output));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn with_nobody_to_ask_it_says_what_to_do() {
    let top = TempDir::new().unwrap();
    let refused = run(&top.path().join("certs"), &["init"]);
    assert_eq!(code(&refused), 78);
    let said = errors(&refused);
    assert!(said.contains("P2P_CA_PASSPHRASE_FILE") && said.contains("--no-passphrase"), "{said}");
    assert_eq!(said.lines().count(), 1);
    assert!(!top.path().join("certs").exists(), "nothing was written");
}

#[test]
fn exit_codes_tell_what_kind_of_failure() {
    let top = TempDir::new().unwrap();
    let certs = top.path().join("certs");
    let exit = |arguments: &[&str]| code(&run(&certs, arguments));
    assert_eq!(exit(&[]), 2);
    assert_eq!(exit(&["--help"]), 0);
    assert_eq!(exit(&["list"]), 65, "no CA yet");
    assert_eq!(exit(&["init", "--no-passphrase"]), 0);
    assert_eq!(exit(&["init", "--no-passphrase"]), 65);
    assert_eq!(exit(&["issue", "node", "web-1", "--days", "3650"]), 2);
    assert_eq!(exit(&["issue", "node", "Web_1"]), 2);
    assert_eq!(exit(&["issue", "operator", "anna", "--role", "root"]), 2);
    assert_eq!(exit(&["issue", "operator", "anna", "--role", "admin"]), 78, "nobody to ask");
    assert_eq!(exit(&["renew", "nobody"]), 65);
}

#[test]
fn a_full_disk_is_one_line_and_a_closed_pipe_none() {
    let top = TempDir::new().unwrap();
    run(top.path(), &["init", "--no-passphrase"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = ca(top.path(), &["list", "--json"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(code(&output), 1);
    assert_eq!(errors(&output).lines().count(), 1);

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = ca(top.path(), &["list", "--json"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((code(&output), errors(&output).as_str()), (0, ""));
}
