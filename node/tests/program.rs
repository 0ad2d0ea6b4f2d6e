//! The life of the program, seen from outside: a process of its own, signals, and a service manager that listens.
//!
//! The test binary starts itself again as the program, with a node that only waits; so nothing here needs a
//! mesh, root or systemd.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure is the test's")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use p2p_node::config::{Config, Given};
use p2p_node::policy::Policy;
use p2p_node::program::{self, Listening, RunningNode, Runtimes, Start, StartError};
use p2p_shared::config::Flag;
use p2p_shared::error::Exit;
use rustix::process::{Pid, Signal, kill_process};

/// What the child is told to be.
const ROLE: &str = "P2P_TEST_ROLE";
/// Longer than anything here takes; a test that waits for it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

struct Waiting {
    role: String,
    config: Config,
}

struct Starter(String);

impl Start for Starter {
    type Node = Waiting;

    async fn start(self, config: Config, runtimes: Runtimes) -> Result<Waiting, StartError> {
        let Self(role) = self;
        match role.as_str() {
            "slow-start" => {
                println!("starting");
                std::future::pending().await
            }
            "no-port" => Err(StartError::new(Exit::Unavailable, "HTTP: 127.0.0.1:80: is in use")),
            "stuck-mesh" => {
                let tracker = tokio_util::task::TaskTracker::new();
                tracker.spawn_on(async { std::thread::park() }, &runtimes.mesh);
                Ok(Waiting { role, config })
            }
            _ => Ok(Waiting { role, config }),
        }
    }
}

impl RunningNode for Waiting {
    fn listening(&self) -> Listening {
        Listening {
            name: self.config.name.clone(),
            quic_address: self.config.quic_address,
            http_address: None,
        }
    }

    fn reload(&self, config: Config) -> Result<(), String> {
        if config.max_peers == 7 { Err("the node says no".to_owned()) } else { Ok(()) }
    }

    fn restrict(&self, _policy: Policy) {}

    fn status(&self) -> String {
        "1 member".to_owned()
    }

    fn alive(&self) -> bool {
        self.role != "dead"
    }

    async fn shutdown(self) {
        if self.role == "slow-stop" {
            std::future::pending().await
        }
    }
}

/// Not a test of its own: the program, when the test binary is started as one.
#[test]
fn program_under_test() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let flag = |key, name, variable| Flag { key, name, text: std::env::var(variable).unwrap() };
    let flags = vec![flag("certs", "--certs", "P2P_TEST_CERTS"), flag("data", "--data", "P2P_TEST_DATA")];
    let config = std::env::var_os("P2P_TEST_CONFIG").map(PathBuf::from);
    let exit = program::run(Starter(role), &Given { config, env_file: None, flags });
    std::process::exit(exit.code().into());
}

struct World {
    root: tempfile::TempDir,
    manager: UnixDatagram,
}

struct Program {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.subject_alt_names = vec![rcgen::SanType::URI("spiffe://mesh/node/web-1".try_into().unwrap())];
        let certificate = params.self_signed(&key).unwrap().pem();
        for (file, text) in
            [("ca.crt", &certificate), ("node.crt", &certificate), ("node.key", &key.serialize_pem())]
        {
            fs::write(root.path().join(file), text).unwrap();
        }
        fs::write(root.path().join("node.toml"), "").unwrap();
        let manager = UnixDatagram::bind(root.path().join("notify")).unwrap();
        manager.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { root, manager }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.path().join(file)
    }

    fn start(&self, role: &str) -> Program {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "program_under_test", "--nocapture"])
            .env_clear()
            .env(ROLE, role)
            .env("P2P_TEST_CERTS", self.root.path())
            .env("P2P_TEST_DATA", self.path("data"))
            .env("P2P_TEST_CONFIG", self.path("node.toml"))
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env("WATCHDOG_USEC", "200000")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Program { child, stderr }
    }

    /// Waits until the manager was told `state`, and returns that message.
    fn told(&self, state: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.manager.recv(&mut buffer).unwrap();
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|line| line.starts_with(state)) {
                return message;
            }
        }
    }
}

impl Program {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line on stderr that holds `text`.
    fn said(&mut self, text: &str) -> String {
        for line in self.stderr.by_ref().lines() {
            let line = line.unwrap();
            if line.contains(text) {
                return line;
            }
        }
        panic!("it never said {text}");
    }

    fn ended(mut self) -> (i32, String) {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_says_ready_reloads_and_leaves() {
    let world = World::new();
    let mut program = world.start("plain");
    assert!(world.told("READY=1").contains("STATUS=1 member"));
    world.told("WATCHDOG=1");
    let run = fs::read_to_string(world.path("data/run.json")).unwrap();
    assert!(
        run.contains("\"name\":\"web-1\"") && run.contains(&format!("\"pid\":{}", program.child.id())),
        "{run}"
    );
    assert_eq!((mode(&world.path("data")), mode(&world.path("data/run.json"))), (0o700, 0o600));
    let limits = fs::read_to_string(format!("/proc/{}/limits", program.child.id())).unwrap_or_default();
    assert!(
        limits.is_empty() || limits.lines().any(|line| line.starts_with("Max core file size        0 ")),
        "{limits}"
    );

    program.signal(Signal::HUP);
    assert!(world.told("RELOADING=1").contains("MONOTONIC_USEC="));
    world.told("READY=1");
    for (file, expected) in
        [("max_pears = 1", "node.toml:1:1: max_pears"), ("max_peers = 7", "the node says no")]
    {
        fs::write(world.path("node.toml"), file).unwrap();
        program.signal(Signal::HUP);
        world.told("RELOADING=1");
        world.told("READY=1");
        assert!(program.said("the old one stays").contains(expected));
    }

    program.signal(Signal::TERM);
    assert!(world.told("STOPPING=1").contains("EXTEND_TIMEOUT_USEC="));
    assert_eq!(program.ended().0, 0);
    assert!(!world.path("data/run.json").exists());
}

#[test]
fn a_second_signal_ends_a_drain_that_hangs() {
    let world = World::new();
    let program = world.start("slow-stop");
    world.told("READY=1");
    program.signal(Signal::INT);
    world.told("STOPPING=1");
    program.signal(Signal::INT);
    assert_eq!(program.ended().0, 1);
}

#[test]
fn a_signal_during_the_start_ends_it() {
    let world = World::new();
    let mut program = world.start("slow-start");
    let stdout = BufReader::new(program.child.stdout.take().unwrap());
    assert!(stdout.lines().map_while(Result::ok).any(|line| line.contains("starting")));
    program.signal(Signal::TERM);
    assert_eq!(program.ended().0, 0);
}

#[test]
fn a_node_that_makes_no_progress_is_not_reported_alive() {
    for role in ["dead", "stuck-mesh"] {
        let world = World::new();
        let mut program = world.start(role);
        world.told("READY=1");
        program.said("makes no progress");
        program.said("makes no progress");
        world.manager.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4096];
        while let Ok(length) = world.manager.recv(&mut buffer) {
            assert!(!buffer[..length].starts_with(b"WATCHDOG=1"), "{role}");
        }
        program.signal(Signal::TERM);
        assert_eq!(program.ended().0, 0);
    }
}

#[test]
fn failures_to_start_have_one_line_and_their_code() {
    let world = World::new();
    let (code, said) = world.start("no-port").ended();
    assert_eq!((code, said.as_str()), (69, "p2p-node: HTTP: 127.0.0.1:80: is in use\n"));
    let first = world.start("plain");
    world.told("READY=1");
    let (code, said) = world.start("plain").ended();
    assert!(code == 78 && said.contains("another p2p-node runs on it"), "{code} {said}");
    drop(first);
    fs::write(world.path("node.toml"), "a = 1\nb = 2\n").unwrap();
    let (code, said) = world.start("plain").ended();
    assert_eq!((code, said.lines().count()), (78, 2), "{said}");
    assert!(said.lines().all(|line| line.starts_with("p2p-node: configuration: ")), "{said}");
}

/// The program `p2p-node` itself, for what needs no node.
fn p2p_node(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_p2p-node"));
    command.args(args).stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

#[test]
fn a_full_disk_under_stdout_is_told_and_a_closed_pipe_is_not() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = p2p_node(&["config", "template"]).stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("p2p-node: stdout: ") && said.lines().count() == 1, "{said}");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = p2p_node(&["completions", "bash"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn usage_is_2_and_help_goes_to_stdout() {
    let output = p2p_node(&[]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let output = p2p_node(&["run", "--daemon"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
    let output = p2p_node(&["--version"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        concat!("p2p-node ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
