//! What the real release program costs while nothing happens, and how soon the mesh tells what does: P21 for a
//! node alone and for one with 1,000 connections, the bytes of a process watch over idle processes, visible after start, lost after SIGKILL.
//!
//! Takes some two minutes; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use p2p_shared::access::Role;
use p2p_shared::mesh::{Dial, Target};
use p2p_shared::rpc::client::{ItemSource, Subscription};
use p2p_shared::services::Services;
use p2p_shared::services::node::{FleetDelta, Member, MemberState};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use ca::TestCa;
use support::{Program, at_most, dialler, handle};

/// How long a node is watched doing nothing.
const SPAN: Duration = Duration::from_secs(20);
/// Before that, what a start costs is over.
const SETTLE: Duration = Duration::from_secs(3);
/// How long the bytes of a watch are counted.
const WATCHED: Duration = Duration::from_secs(10);
/// Nodes that are connected and say nothing.
const CROWD: u32 = 1_000;
/// How long after the last one came what they cost at first is over.
const CROWD_SETTLE: Duration = Duration::from_secs(20);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A namespace of processes of its own, with 200 that sleep, and then the node.
const QUIET: [&str; 8] = [
    "unshare",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "sh",
    "-c",
    "for _ in $(seq 200); do sleep 600 & done; exec \"$0\" \"$@\"",
];

async fn idle(ca: &TestCa) -> anyhow::Result<()> {
    let node = Program::start(&ca.node_files("alone"), &[])?;
    sleep(SETTLE).await;
    let (began, before) = (Instant::now(), node.cpu_s()?);
    sleep(SPAN).await;
    let share = (node.cpu_s()? - before) / began.elapsed().as_secs_f64();
    at_most("P21 idle_rss_mib", node.status_kib("VmRSS")? / 1_024.0, 26.0);
    println!("# of it anonymous {:.1} MiB", node.status_kib("RssAnon")? / 1_024.0);
    at_most("P21 idle_share_of_a_core", share, 0.005);
    Ok(())
}

/// A node to which many others are connected that say nothing.
async fn crowd(ca: &TestCa) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("node.toml");
    fs::write(&config, format!("max_peers = {}\n", CROWD + 100))?;
    let config = config.to_str().context("a path that is no text")?;
    let node = Program::start(&ca.node_files("busy"), &["--config", config])?;
    sleep(SETTLE).await;
    let rss = || node.status_kib("RssAnon");
    let (alone, name) = (rss()?, "busy".parse()?);
    let target = Target { id: None, name: Some(name), addresses: vec![node.quic] };
    let mut links = Vec::new();
    for nth in 0..CROWD {
        let dialled = dialler(&ca.node(&format!("n-{nth}")))?.dial(target.clone()).await;
        links.push(dialled.with_context(|| format!("connection {nth}"))?);
    }
    sleep(CROWD_SETTLE).await;
    let (began, before) = (Instant::now(), node.cpu_s()?);
    sleep(SPAN).await;
    let share = (node.cpu_s()? - before) / began.elapsed().as_secs_f64();
    let open = links.iter().filter(|link| link.is_open()).count();
    anyhow::ensure!(open == CROWD as usize, "only {open} are still connected");
    at_most("P21 kib_a_connection", (rss()? - alone) / f64::from(CROWD), 49.0);
    at_most("P21 crowd_share_of_a_core", share, 0.025);
    Ok(())
}

/// Payload of UDP from a node, acknowledgements and keep-alives included, while a watch of one second over
/// processes that sleep is open.
async fn watch(ca: &TestCa) -> anyhow::Result<()> {
    let mut probe = Command::new(QUIET[0]);
    probe.args(["--pid", "--fork", "--mount-proc", "true"]).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        println!("# skipped: the bytes of an idle watch need root and unshare(1)");
        return Ok(());
    }
    let node = Program::start_under(&QUIET, &ca.node_files("quiet"), &[])?;
    let node_handle = handle(&ca.operator("watcher", Role::Viewer), "quiet", node.quic)?;
    let mut watch = node_handle.process().watch(1_000).await?;
    let first = watch.next().await?.context("a watch has no end")?;
    let link = node_handle.link().await?;
    let received = || link.connection().stats().udp_rx.bytes;
    // The first shares are over the whole life of each process.
    watch.next().await?;
    let (began, before) = (Instant::now(), received());
    while let Ok(next) = timeout(WATCHED.saturating_sub(began.elapsed()), watch.next()).await {
        next?.context("a watch has no end")?;
    }
    let rate = (received() - before) as f64 / began.elapsed().as_secs_f64();
    println!("# {} processes, all asleep but the node itself", first.appeared.len());
    at_most("watch_of_idle_processes_bytes_per_s", rate, 1_024.0);
    Ok(())
}

/// Waits until the fleet watch of a node tells of a member in this state.
async fn told<S: ItemSource>(
    fleet: &mut Subscription<FleetDelta, S>,
    name: &str,
    state: MemberState,
) -> anyhow::Result<()> {
    let is = |member: &Member| member.name.as_str() == name && member.state == state;
    timeout(WAIT_MAX, async {
        while !fleet.next().await?.context("a watch has no end")?.changed.iter().any(is) {}
        anyhow::Ok(())
    })
    .await?
}

async fn mesh(ca: &TestCa) -> anyhow::Result<()> {
    let first = Program::start(&ca.node_files("web-1"), &[])?;
    let bootstrap = first.quic.to_string();
    let bootstrap = ["--bootstrap", bootstrap.as_str()];
    let second = Program::start(&ca.node_files("web-2"), &bootstrap)?;
    let viewer = ca.operator("viewer", Role::Viewer);
    let (one, two) = (handle(&viewer, "web-1", first.quic)?, handle(&viewer, "web-2", second.quic)?);
    let mut fleets = [one.node().fleet().await?, two.node().fleet().await?];
    let certs = ca.node_files("web-3");
    let began = Instant::now();
    let mut third = Program::start(&certs, &bootstrap)?;
    for fleet in &mut fleets {
        told(fleet, "web-3", MemberState::Alive).await?;
    }
    at_most("start_to_visible_everywhere_s", began.elapsed().as_secs_f64(), 2.0);
    sleep(SETTLE).await;
    println!("# RSS of a node of three: {:.1} MiB", first.status_kib("VmRSS")? / 1_024.0);
    third.kill()?;
    let began = Instant::now();
    for fleet in &mut fleets {
        told(fleet, "web-3", MemberState::Lost).await?;
    }
    at_most("kill_to_lost_everywhere_s", began.elapsed().as_secs_f64(), 10.0);
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("bench");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        idle(&ca).await?;
        crowd(&ca).await?;
        watch(&ca).await?;
        mesh(&ca).await
    })
}
