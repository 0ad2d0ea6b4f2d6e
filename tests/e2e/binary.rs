//! The program as a process of its own: its command line, its exit codes, signals, `run.json`, HTTP.
//!
//! This test binary starts itself again as the program: it has the very `main` of `p2p-node` inside, so what
//! runs is never an older build, and nothing has to be built for it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use p2p_node::daemon::Daemon;
use p2p_shared::access::Role;
use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;
use p2p_shared::mesh::endpoint::ClientEndpoint;
use p2p_shared::mesh::link::Local;
use p2p_shared::mesh::{Mesh, NodeHandle, Resolve, Target};
use p2p_shared::services::Services;
use p2p_shared::services::node::MemberState;
use p2p_shared::tls::Credentials;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::ca::TestCa;
use crate::cluster::{LONG, alive, eventually, state};
use crate::echo::loopback;

/// The arguments of the program under test, one a line.
const ARGS: &str = "P2P_E2E_ARGS";
/// SIGTERM ends a node within this: it leaves, and waits for nobody.
const STOPPED: Duration = Duration::from_secs(2);
const VISIBLE: Duration = Duration::from_secs(2);
pub const LOST: Duration = Duration::from_secs(10);

/// Not a test of its own: the program, when this binary is started as one.
#[test]
fn program_under_test() {
    let Ok(args) = std::env::var(ARGS) else { return };
    let args = std::iter::once("p2p-node").chain(args.lines()).map(OsString::from);
    std::process::exit(p2p_node::cli::main(args, Daemon).code().into());
}

/// A mesh on disk: a CA, and a directory for every node.
pub struct World {
    pub ca: TestCa,
    root: TempDir,
}

/// A started program; killed if the test ends before it.
pub struct Program {
    pub child: Child,
    data: PathBuf,
    log: PathBuf,
}

impl World {
    pub fn new() -> Self {
        Self { ca: TestCa::new("home"), root: TempDir::new().unwrap() }
    }

    pub fn data(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The program with these arguments, and nothing of our own environment.
    pub fn program(&self, data: &Path, args: &[&str]) -> Program {
        self.program_with(data, args, &[])
    }

    /// The same, with these variables.
    pub fn program_with(&self, data: &Path, args: &[&str], env: &[(&str, &str)]) -> Program {
        let log = data.with_extension("log");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "binary::program_under_test", "--nocapture"])
            .env_clear()
            .env(ARGS, args.join("\n"))
            .envs(env.iter().copied())
            .current_dir(self.root.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Program { child, data: data.to_owned(), log }
    }

    /// `p2p-node run` on any ports, and more arguments.
    pub fn run(&self, name: &str, certs: &Path, more: &[&str]) -> Program {
        self.run_with(name, certs, more, &[])
    }

    /// The same, with these variables.
    pub fn run_with(&self, name: &str, certs: &Path, more: &[&str], env: &[(&str, &str)]) -> Program {
        let data = self.data(name);
        let (certs, path) = (certs.to_str().unwrap(), data.to_str().unwrap());
        let run = [
            "run",
            "--certs",
            certs,
            "--data",
            path,
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--dht-port",
            "0",
        ];
        self.program_with(&data, &[&run, more].concat(), env)
    }

    /// `p2p-node doctor` for a node that was started by [`World::run`]: its code and its report.
    pub async fn doctor(&self, name: &str, certs: &Path, more: &[&str]) -> (Option<i32>, Value) {
        let data = self.data(name);
        let (certs, data) = (certs.to_str().unwrap(), data.to_str().unwrap());
        let doctor = ["doctor", "-o", "json", "--certs", certs, "--data", data, "--host", "127.0.0.1"];
        let args = [&doctor, ["--port", "0", "--dht-port", "0"].as_slice(), more].concat();
        let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "binary::program_under_test", "--nocapture"]);
        command.env_clear().env(ARGS, args.join("\n")).current_dir(self.root.path()).stdin(Stdio::null());
        let output = timeout(LONG, command.kill_on_drop(true).output()).await.expect("its end").unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // Before it stands what every test binary prints.
        let json = text.find('{').map_or("", |start| &text[start..]);
        let report = serde_json::from_str(json);
        (output.status.code(), report.unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// An operator's handle to a node.
    pub fn call(&self, name: &str, address: SocketAddr, role: Role) -> NodeHandle {
        self.call_as(&self.ca.operator(&format!("{}-{name}", role.as_str()), role), name, address)
    }

    /// This operator's handle to a node.
    pub fn call_as(&self, operator: &Credentials, name: &str, address: SocketAddr) -> NodeHandle {
        let local = Local::new(operator.identity().mesh.clone());
        let dial = ClientEndpoint::new(operator, local, Handle::current()).unwrap();
        let name: NodeName = name.parse().unwrap();
        Mesh::new(At([(name.clone(), address)].into()), dial).node(&name)
    }
}

struct At(HashMap<NodeName, SocketAddr>);

impl Resolve for At {
    async fn resolve(&self, name: &NodeName) -> Option<Target> {
        Some(Target { name: Some(name.clone()), id: None, addresses: vec![*self.0.get(name)?] })
    }
}

impl Program {
    /// What `run.json` says, once the program is ready.
    pub async fn ready(&mut self) -> (SocketAddr, SocketAddr) {
        let path = self.data.join("run.json");
        let run = eventually("run.json", LONG, async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it did not start: {status}: {}", fs::read_to_string(&self.log).unwrap());
            }
            let run: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
            // After a kill the note of the run before lies there until the new one is written.
            (run["pid"] == self.child.id()).then_some(run)
        })
        .await;
        let address = |key: &str| run[key].as_str().unwrap().parse().unwrap();
        (address("quic_address"), address("http_address"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("its end", LONG, async || self.child.try_wait().unwrap()).await
    }

    /// All that it said to people.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to stop, and holds it to its time.
    pub async fn stop(&mut self) {
        let began = Instant::now();
        self.signal(Signal::TERM);
        let status = self.ended().await;
        let took = began.elapsed();
        assert_eq!(status.code(), Some(0), "{}", fs::read_to_string(&self.log).unwrap());
        assert!(took < STOPPED, "it took {took:?}: {}", fs::read_to_string(&self.log).unwrap());
        assert!(!self.data.join("run.json").exists(), "it is not there any more");
    }

    /// That it ends by itself with this code, and says one line that has these words.
    async fn refuses(mut self, exit: Exit, words: &[&str]) {
        let status = self.ended().await;
        let said = fs::read_to_string(&self.log).unwrap();
        assert_eq!(status.code(), Some(exit.code().into()), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("p2p-node: "), "{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in: {said}");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request over a connection of its own: the status and the body.
fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn two_programs_meet_and_one_that_is_killed_is_lost_and_comes_back() {
    let world = World::new();
    let (one, two) = (world.ca.node_files("web-1"), world.ca.node_files("web-2"));
    let mut first = world.run("web-1", &one, &[]);
    let (quic, http) = first.ready().await;
    let mut second = world.run("web-2", &two, &["--bootstrap", &quic.to_string()]);
    let (second_quic, _) = second.ready().await;

    let node = world.call("web-1", quic, Role::Viewer).node();
    eventually("both alive", VISIBLE, async || (alive(&node.members().await.unwrap()) == 2).then_some(()))
        .await;
    assert_eq!(get(http, "/health"), (200, serde_json::json!({ "status": "ok" })));
    let (status, ready) = get(http, "/ready");
    assert_eq!((status, &ready["ready"]), (200, &Value::Bool(true)));
    let (status, info) = get(http, "/api/info");
    assert_eq!((status, &info["name"]), (200, &Value::from("web-1")));
    let (status, stats) = get(http, "/api/stats");
    assert_eq!((status, &stats["members_alive"]), (200, &Value::from(2)));
    assert!(stats["rss_bytes"].as_u64().unwrap() > 0);

    // What it remembers of the mesh is on disk by then.
    let other = world.call("web-2", second_quic, Role::Viewer).node();
    eventually("a second of life", LONG, async || (other.stats().await.unwrap().uptime_s >= 1).then_some(()))
        .await;
    second.signal(Signal::KILL);
    assert_eq!(second.ended().await.code(), None);
    let name = "web-2".parse().unwrap();
    eventually("web-2 is lost", LOST, async || {
        let members = node.members().await.unwrap();
        (state(&members, &name) == Some(MemberState::Lost)).then_some(())
    })
    .await;

    // On the same data, which was never closed, and with nobody named.
    let mut second = world.run("web-2", &two, &[]);
    second.ready().await;
    eventually("web-2 is back", LONG, async || (alive(&node.members().await.unwrap()) == 2).then_some(()))
        .await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn a_program_alone_stops_at_once_whoever_is_connected() {
    let world = World::new();
    let certs = world.ca.node_files("web-1");
    let mut program = world.run("web-1", &certs, &[]);
    let (quic, http) = program.ready().await;
    let mut waiting = TcpStream::connect(http).unwrap();
    write!(waiting, "GET /health HTTP/1.1\r\nHost: {http}\r\n\r\n").unwrap();
    assert!(waiting.read(&mut [0; 1_024]).unwrap() > 0);
    let _silent = TcpStream::connect(http).unwrap();
    let mut watch = world.call("web-1", quic, Role::Viewer).process().watch(250).await.unwrap();
    watch.next().await.unwrap();
    program.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_said_in_one_line() {
    let world = World::new();
    let certs = world.ca.node_files("web-1");
    let taken = UdpSocket::bind(loopback()).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (data, certs) = (world.data("web-1"), certs.to_str().unwrap());
    let run = ["run", "--certs", certs, "--data", data.to_str().unwrap(), "--host", "127.0.0.1"];
    let quic = world.program(&data, &[&run[..], &["--port", "0", "--dht-port", &port]].concat());
    quic.refuses(Exit::Unavailable, &[&port, "another program has this port"]).await;

    let taken = std::net::TcpListener::bind(loopback()).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let http = world.program(&data, &[&run[..], &["--port", &port, "--dht-port", "0"]].concat());
    http.refuses(Exit::Unavailable, &[&port, "is in use"]).await;

    let nowhere = ["run", "--certs", certs, "--data", data.to_str().unwrap(), "--host", "192.0.2.1"];
    let nowhere = world.program(&data, &[&nowhere[..], &["--port", "0", "--dht-port", "0"]].concat());
    nowhere.refuses(Exit::Unavailable, &["192.0.2.1"]).await;
}

#[tokio::test]
async fn a_broken_configuration_is_said_in_one_line() {
    let world = World::new();
    let certs = world.ca.node_files("web-1");
    let file = world.root.path().join("node.toml");
    for (text, word) in
        [("max_peers = 0\n", "max_peers"), ("colour = 3\n", "colour"), ("name =", "node.toml")]
    {
        fs::write(&file, text).unwrap();
        let program = world.run("web-1", &certs, &["--config", file.to_str().unwrap()]);
        program.refuses(Exit::Config, &[word]).await;
    }
    let usage = world.program(&world.data("web-1"), &["run", "--colour"]);
    usage.refuses(Exit::Usage, &["--colour"]).await;
}

#[tokio::test]
async fn wrong_certificates_are_said_in_one_line() {
    let world = World::new();
    let certs = world.ca.node_files("web-1");
    world.run("web-1", &certs, &["--name", "web-2"]).refuses(Exit::Config, &["web-1", "web-2"]).await;

    let other = TestCa::new("home");
    fs::copy(other.node_files("web-1").join("ca.crt"), certs.join("ca.crt")).unwrap();
    world.run("web-1", &certs, &[]).refuses(Exit::Config, &["CA"]).await;

    fs::remove_file(certs.join("node.key")).unwrap();
    world.run("web-1", &certs, &[]).refuses(Exit::Config, &["node.key"]).await;
}

#[tokio::test]
async fn a_node_of_another_ca_is_told_why_and_so_is_its_log() {
    let (world, strangers) = (World::new(), World::new());
    let mut first = world.run("web-1", &world.ca.node_files("web-1"), &[]);
    let (quic, _) = first.ready().await;
    let certs = strangers.ca.node_files("web-2");
    let mut second = strangers.run("web-2", &certs, &["--bootstrap", &quic.to_string()]);
    second.ready().await;
    for log in [&first.log, &second.log] {
        eventually("the reason", LONG, async || {
            fs::read_to_string(log).unwrap().lines().any(|line| line.contains("wrong_ca")).then_some(())
        })
        .await;
    }
    assert!(second.child.try_wait().unwrap().is_none(), "it goes on");
}
