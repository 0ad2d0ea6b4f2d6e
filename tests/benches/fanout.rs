//! P20: `exec hostname` on 16 nodes over connections that stand (warm), over new ones (cold), and on 64, beside
//! `parallel-ssh` to as many names of one local `sshd`, started here on a port and with keys of its own.
//!
//! The nodes are release programs on this one machine, so all of them share its cores with the caller, and so do
//! the processes of ssh. Rounds in turn, medians; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "scp and ssh need more of it")]
mod sshd;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use p2p_shared::access::Role;
use p2p_shared::error::RpcError;
use p2p_shared::fanout::drive::drive;
use p2p_shared::fanout::{Outcome, Plan};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::endpoint::ClientEndpoint;
use p2p_shared::mesh::link::Local;
use p2p_shared::mesh::{Mesh, NodeHandle, Resolve, Target};
use p2p_shared::services::Services;
use p2p_shared::services::exec::{CommandLine, ExecItem, ExecRequest};
use p2p_shared::tls::Credentials;
use tokio::runtime::{Builder, Handle};

use ca::TestCa;
use sshd::Sshd;
use support::{Program, at_most, median};

const FEW: usize = 16;
const MANY: usize = 64;
const ROUNDS: usize = 9;
const ROUNDS_PSSH: usize = 3;

struct Known(HashMap<NodeName, SocketAddr>);

impl Resolve for Known {
    async fn resolve(&self, name: &NodeName) -> Option<Target> {
        let address = self.0.get(name).copied()?;
        Some(Target { name: Some(name.clone()), id: None, addresses: vec![address] })
    }
}

struct Fleet {
    names: Vec<NodeName>,
    addresses: HashMap<NodeName, SocketAddr>,
    _programs: Vec<Program>,
}

impl Fleet {
    fn start(ca: &TestCa, count: usize) -> anyhow::Result<Self> {
        let mut fleet = Self { names: Vec::new(), addresses: HashMap::new(), _programs: Vec::new() };
        let mut first: Option<String> = None;
        for index in 0..count {
            let name = format!("web-{index}");
            let bootstrap = first.clone();
            let more: Vec<&str> = bootstrap.iter().flat_map(|first| ["--bootstrap", first]).collect();
            let program = Program::start(&ca.node_files(&name), &more)?;
            first.get_or_insert(program.quic.to_string());
            fleet.addresses.insert(name.parse()?, program.quic);
            fleet.names.push(name.parse()?);
            fleet._programs.push(program);
        }
        Ok(fleet)
    }

    /// A way to all of them, on which no connection stands.
    fn mesh(&self, operator: &Credentials) -> anyhow::Result<Mesh> {
        let local = Local::new(operator.identity().mesh.clone());
        let dial = ClientEndpoint::new(operator, local, Handle::current())?;
        Ok(Mesh::new(Known(self.addresses.clone()), dial))
    }
}

async fn hostname(node: &NodeHandle) -> Result<Outcome, RpcError> {
    let request = ExecRequest {
        command: CommandLine::Program { program: "hostname".into(), arguments: Vec::new() },
        directory: None,
        user: None,
        environment: Vec::new(),
        timeout_ms: None,
        output_bytes_max: None,
    };
    let mut call = node.exec().run(request).await?;
    call.finish().await?;
    let mut said = 0;
    while let Some(item) = call.output.next().await? {
        match item {
            ExecItem::Stdout(bytes) => said += bytes.len(),
            ExecItem::Exit(exit) if exit.code == Some(0) && said > 0 => return Ok(Outcome::Ok),
            ExecItem::Stderr(_) | ExecItem::Exit(_) => {}
        }
    }
    Ok(Outcome::Failed)
}

/// Seconds that it took on the first `count` nodes.
async fn exec(mesh: &Mesh, names: &[NodeName]) -> anyhow::Result<f64> {
    let nodes: Vec<NodeHandle> = names.iter().map(|name| mesh.node(name)).collect();
    let began = Instant::now();
    let begin = |index: usize| {
        let node = &nodes[index];
        async move { hostname(node).await.unwrap_or_else(|error| Outcome::of(&error)) }
    };
    let counts =
        drive(Plan::default(), names.len(), begin, std::future::pending(), |_, _| Ok::<_, Infallible>(()));
    let counts = counts.await?;
    let took = began.elapsed().as_secs_f64();
    ensure!(counts.ok == names.len(), "not every node ended well: {counts}");
    Ok(took)
}

/// Seconds that `parallel-ssh` took for as many sessions.
fn parallel_ssh(sshd: &Sshd, count: usize) -> anyhow::Result<f64> {
    let hosts = sshd.directory().join("hosts");
    let lines: String = (1..=count).map(|_| format!("127.0.0.1:{}\n", sshd.port())).collect();
    fs::write(&hosts, lines)?;
    let identity = format!("IdentityFile={}", sshd.key().display());
    let mut command = Command::new("parallel-ssh");
    command.arg("-h").arg(&hosts).args(["-p", "64", "-t", "60", "-l", &user()?]);
    for option in
        [identity.as_str(), "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"]
    {
        command.args(["-O", option]);
    }
    let began = Instant::now();
    let output = command.arg("hostname").stdin(Stdio::null()).output()?;
    let took = began.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stdout);
    let well = said.matches("[SUCCESS]").count();
    ensure!(output.status.success() && well == count, "{well} of {count} sessions of ssh ended well: {said}");
    Ok(took)
}

fn user() -> anyhow::Result<String> {
    let output = Command::new("id").arg("-un").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

async fn measure(ca: &TestCa) -> anyhow::Result<()> {
    let fleet = Fleet::start(ca, MANY)?;
    // The mesh of so many programs has settled when nobody joins any more.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let operator = ca.operator("bench", Role::Admin);
    let (few, many) = (&fleet.names[..FEW], &fleet.names[..]);
    let (mut warm, mut cold, mut growth) = (Vec::new(), Vec::new(), Vec::new());
    let mesh = fleet.mesh(&operator)?;
    exec(&mesh, many).await?;
    for _ in 0..ROUNDS {
        warm.push(exec(&mesh, few).await?);
        growth.push(exec(&mesh, many).await?);
        cold.push(exec(&fleet.mesh(&operator)?, few).await?);
    }
    drop(fleet);
    let (warm, cold, growth) = (median(warm), median(cold), median(growth));
    let pssh = match Path::new("/usr/bin/parallel-ssh").exists() && Path::new("/usr/sbin/sshd").exists() {
        true => {
            let sshd = Sshd::start()?;
            median((0..ROUNDS_PSSH).map(|_| parallel_ssh(&sshd, FEW)).collect::<anyhow::Result<_>>()?)
        }
        false => {
            println!("# skipped: parallel-ssh or sshd is not installed");
            return Ok(());
        }
    };
    println!(
        "# {FEW} nodes: warm {:.1} ms, cold {:.1} ms, pssh {:.0} ms; {MANY}: {:.1} ms",
        warm * 1e3,
        cold * 1e3,
        pssh * 1e3,
        growth * 1e3
    );
    at_most("P20 exec_vs_pssh", warm / pssh, 0.02);
    at_most("P20 cold", cold / pssh, 0.05);
    at_most("P20 growth", growth / warm, 4.5);
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("bench");
    Builder::new_current_thread().enable_all().build()?.block_on(measure(&ca))
}
