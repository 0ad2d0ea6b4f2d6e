//! P19: every port of the loopback, scanned by a node beside `nmap -sT`, one after the other in turns; and what a
//! call of somebody else takes meanwhile.
//!
//! The open set is nmap's in every run. Sockets of others come and go on this host between two runs: what the
//! two differ in is looked at once more, and counts only if it is still there and open, or not.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use p2p_shared::access::Role;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::network::ScanRequest;
use tokio::runtime::Builder;

use ca::TestCa;
use support::{Program, at_most, beside, handle, median};

const RUNS: usize = 5;
const LISTENERS: usize = 20;

type Ports = BTreeSet<u16>;

async fn ours(node: &NodeHandle) -> anyhow::Result<(f64, Ports)> {
    let request = ScanRequest {
        targets: vec!["127.0.0.1".into()],
        ports: Some("1-65535".into()),
        ..ScanRequest::default()
    };
    let began = Instant::now();
    let mut scan = node.network().scan(request).await?;
    let mut open = Ports::new();
    while let Some(found) = scan.output.next().await? {
        open.extend(found.open.iter().map(|open| open.port));
    }
    Ok((began.elapsed().as_secs_f64(), open))
}

fn nmap() -> anyhow::Result<(f64, Ports)> {
    let began = Instant::now();
    let run = Command::new("nmap").args(["-sT", "-n", "-Pn", "-p1-65535", "-oG", "-", "127.0.0.1"]).output();
    let run = run.context("nmap is missing: apt-get install nmap")?;
    let took = began.elapsed().as_secs_f64();
    ensure!(run.status.success(), "nmap: {}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let ports = text.split("Ports: ").nth(1).unwrap_or_default().split(", ");
    let open = ports.filter_map(|port| port.split_once("/open/")?.0.trim().parse().ok());
    Ok((took, open.collect()))
}

/// Whether somebody listens there, now.
fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .is_ok_and(|socket| socket.local_addr().ok() != socket.peer_addr().ok())
}

/// Ports that one of them got wrong.
fn wrong(ours: &Ports, nmaps: &Ports) -> usize {
    let missed = nmaps.difference(ours).filter(|port| listens(**port)).count();
    let made_up = ours.difference(nmaps).filter(|port| !listens(**port)).count();
    missed + made_up
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("bench");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let program = Program::start(&ca.node_files("web-1"), &[])?;
        let node = handle(&ca.operator("ann", Role::Admin), "web-1", program.quic)?;
        let looker = handle(&ca.operator("bob", Role::Viewer), "web-1", program.quic)?;
        let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listeners: Vec<TcpListener> = (0..LISTENERS).map(bind).collect::<Result<_, _>>()?;
        let (mut own, mut peer, mut differ) = (Vec::new(), Vec::new(), 0);
        for _ in 0..RUNS {
            let (took, open) = ours(&node).await?;
            let (nmap_took, nmap_open) = nmap()?;
            for listener in &listeners {
                let port = listener.local_addr()?.port();
                differ += usize::from(!open.contains(&port)) + usize::from(!nmap_open.contains(&port));
            }
            differ += wrong(&open, &nmap_open);
            own.push(took);
            peer.push(nmap_took);
        }
        let (own, peer) = (median(own), median(peer));
        println!("# 65,535 ports: ours {own:.2} s, nmap -sT {peer:.2} s");
        at_most("P19 scan_vs_nmap", own / peer, 0.6);
        at_most("P19 open_set_differs", differ as f64, 0.0);
        at_most("P19 p99_ms_of_calls_beside", beside(&looker, ours(&node)).await?, 20.0);
        Ok(())
    })
}
