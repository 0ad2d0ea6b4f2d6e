//! `packaging/docker` without an engine: that its files agree with the configuration, with one another and with
//! `.env.example`, and that its two scripts do what the containers count on.
//!
//! With an engine it is tested in `tests/lab/docker.rs`.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure is the test's")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use p2p_node::config::Settings;
use p2p_shared::config as layers;
use tempfile::TempDir;

const DOCKERFILE: &str = include_str!("../packaging/docker/Dockerfile");
const COMPOSE: &str = include_str!("../packaging/docker/compose.yaml");
const METRICS: &str = include_str!("../packaging/docker/compose.metrics.yaml");
const IGNORED: &str = include_str!("../../.dockerignore");
const EXAMPLE: &str = include_str!("../../.env.example");
/// Our names that a container does not take from .env, for they would only disturb it.
const FIXED_INSIDE: [&str; 5] = ["AUTH_SECRET_FILE", "BOOTSTRAP_NODES", "DHT_PORT", "NODE_HOST", "NODE_PORT"];
/// Names that only the compose files read: what the image is made of, and the console's terminal.
const COMPOSE_ONLY: [&str; 8] = [
    "COLORTERM",
    "NO_COLOR",
    "P2P_BASE_IMAGE",
    "P2P_BINARIES",
    "P2P_GRAFANA_IMAGE",
    "P2P_PROMETHEUS_IMAGE",
    "P2P_RUST_IMAGE",
    "TERM",
];

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/docker").join(file)
}

/// The words between `start` and the first character that no name has.
fn names_after<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    let name =
        |rest: &'a str| rest.split(|letter: char| !letter.is_alphanumeric() && !"_-".contains(letter)).next();
    text.split(start).skip(1).filter_map(name)
}

#[test]
fn every_variable_counts_or_is_said_not_to() {
    let ours: BTreeSet<&str> = layers::env_names::<Settings>().into_iter().collect();
    let read: BTreeSet<&str> = names_after(COMPOSE, "${").chain(names_after(METRICS, "${")).collect();
    let expected = ours.iter().copied().filter(|name| !FIXED_INSIDE.contains(name)).chain(COMPOSE_ONLY);
    assert_eq!(read, expected.collect());
    for name in ours {
        match FIXED_INSIDE.contains(&name) {
            false => {
                assert!(COMPOSE.contains(&format!("\n  {name}: ${{{name}:-}}\n")), "{name} is not passed on")
            }
            true => {
                assert!(COMPOSE.lines().any(|line| line.starts_with("# ") && line.contains(name)), "{name}")
            }
        }
    }
}

#[test]
fn the_example_names_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = EXAMPLE.lines().find_map(|line| line.strip_prefix("COMPOSE_FILE=")).unwrap();
    assert!(root.join(files).is_file(), "{files}");
    let more: Vec<_> = EXAMPLE.split_whitespace().filter_map(|word| word.strip_prefix(':')).collect();
    assert_eq!(more.len(), 1);
    assert!(root.join(more[0]).is_file(), "{}", more[0]);
    for mounted in METRICS.lines().filter_map(|line| line.trim().strip_prefix("- ./")) {
        let file = mounted.split(':').next().unwrap();
        assert!(packaging(file).is_file(), "{file}");
    }
}

#[test]
fn who_is_issued_to_has_a_directory_and_the_group_is_one() {
    let both = format!("{COMPOSE}{METRICS}");
    let made = DOCKERFILE.lines().find(|line| line.contains("for who in")).unwrap();
    let roles = ["\"node:", "\"admin:", "\"viewer:"];
    let owners: BTreeSet<&str> = roles.into_iter().flat_map(|role| names_after(&both, role)).collect();
    assert_eq!(owners.len(), 5);
    for owner in owners {
        assert!(made.contains(&format!(" {owner}")), "{owner} has no directory in the image");
        assert!(both.contains(&format!(":/var/lib/p2p-issued/{owner}")), "{owner} has no volume");
    }
    assert!(DOCKERFILE.contains("--gid 5678 ") && METRICS.contains("group_add: [\"5678\"]"));
}

#[test]
fn the_engine_is_sent_what_the_image_is_made_of_and_no_secret() {
    let rules: Vec<&str> = IGNORED.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules[0], "*", "only what is named is sent");
    for line in DOCKERFILE.lines().filter(|line| line.starts_with("COPY ") && !line.contains('$')) {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.starts_with("--")).collect();
        for source in words[1..words.len() - 1].iter().filter(|source| !source.starts_with('/')) {
            let top = source.split('/').next().unwrap();
            assert!(rules.contains(&format!("!{top}").as_str()), "{source} is not sent");
        }
    }
    for secret in ["!.env", "!certs", "!target", "!."] {
        assert!(!rules.contains(&secret), "{secret}");
    }
}

struct Issuer(TempDir);

impl Issuer {
    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Runs `issue` for two nodes and a viewer, with the built program on its path.
    fn issue(&self) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_p2p-node")).parent().unwrap().display();
        let output = Command::new(packaging("issue"))
            .args(["node:node-1", "node:node-2", "viewer:prometheus"])
            .env_clear()
            .env("PATH", format!("{program}:/usr/bin:/bin"))
            .env("P2P_CA_DIR", self.path("ca"))
            .env("P2P_ISSUED_DIR", self.path("issued"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn ca(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_p2p-node"));
        let output = command.arg("ca").args(arguments).env("P2P_CA_DIR", self.path("ca")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn issued(&self, file: &str) -> Vec<u8> {
        fs::read(self.path("issued").join(file)).unwrap()
    }

    fn mode(&self, file: &str) -> u32 {
        fs::metadata(self.path("issued").join(file)).unwrap().permissions().mode() & 0o777
    }
}

#[test]
fn certificates_are_made_once_and_renewed_in_time() {
    let issuer = Issuer(TempDir::new().unwrap());
    for owner in ["node-1", "node-2", "prometheus"] {
        fs::create_dir_all(issuer.path("issued").join(owner)).unwrap();
    }
    issuer.ca(&["init", "--no-passphrase"]);
    issuer.ca(&["issue", "node", "node-2", "--days", "3"]);
    let old = fs::read(issuer.path("ca/nodes/node-2/node.crt")).unwrap();
    let said = issuer.issue();
    assert!(said.contains("Issued node node-1, ") && said.contains("Renewed node node-2, "), "{said}");
    assert_eq!((issuer.mode("node-1/node.key"), issuer.mode("prometheus/operator.key")), (0o600, 0o640));
    assert!(issuer.issued("node-2/node.crt") != old, "node-2 has its old certificate");
    let names = fs::read_dir(issuer.path("issued/node-1")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<BTreeSet<_>>().len(), 5, "the files of one node and nothing else");

    // Again: one line, and every file as it was.
    let before = ["node-1/node.crt", "node-2/node.key", "node-2/node.crt"].map(|file| issuer.issued(file));
    assert_eq!(issuer.issue(), "The CA and the certificates of 3 owners are in place.\n");
    assert_eq!(
        before,
        ["node-1/node.crt", "node-2/node.key", "node-2/node.crt"].map(|file| issuer.issued(file))
    );
}

/// The health check against a server that says `answer` and closes.
fn health(answer: &'static [u8]) -> Output {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let asked = thread::spawn(move || {
        let (mut client, _) = server.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        client.write_all(answer).unwrap();
        String::from_utf8(request).unwrap()
    });
    let output = Command::new(packaging("health")).env("NODE_PORT", port.to_string()).output().unwrap();
    assert!(asked.join().unwrap().starts_with("GET /health HTTP/1.1\r\nHost: localhost\r\n"));
    output
}

#[test]
fn healthy_is_who_answers_200_or_speaks_tls() {
    let ok = health(b"HTTP/1.1 200 OK\r\n\r\n{}");
    assert_eq!((ok.status.code(), ok.stdout.as_slice()), (Some(0), b"GET /health: 200\n".as_slice()));
    assert_eq!(health(b"\x15\x03\x03\x00\x02\x02\x32").status.code(), Some(0));
    let ill = health(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
    assert_eq!(ill.status.code(), Some(1));
    assert!(ill.stdout.ends_with(b"HTTP/1.1\\ 503\n"), "{}", String::from_utf8_lossy(&ill.stdout));
    let silent = health(b"");
    assert_eq!(silent.status.code(), Some(1));
    assert!(silent.stdout.ends_with(b"no answer\n"), "{}", String::from_utf8_lossy(&silent.stdout));
}
