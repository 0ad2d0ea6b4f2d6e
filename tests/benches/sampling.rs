//! What sampling a host each second costs, beside netdata over the same processes in the same run: P12, with 85 and
//! with 2,000 processes that sleep.
//!
//! The node keeps its history, evaluates its rules and has somebody who watches processes and figures each second,
//! as netdata keeps its own of both. Runs itself again in a namespace of processes; needs root and netdata.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use p2p_shared::access::Role;
use p2p_shared::services::Services;
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use ca::TestCa;
use support::{OWN_PROCESSES, Program, Sleepers, again, at_most, cpu_s, figure, handle, median, status_kib};

/// Processes, and the most that ours may cost of netdata's.
const RUNS: [(usize, f64); 2] = [(85, 0.7), (2_000, 0.3)];
/// Turns of each, and how long a turn is.
const TURNS: usize = 3;
const SPAN: Duration = Duration::from_secs(20);
/// Before that, what a start costs is over.
const SETTLE: Duration = Duration::from_secs(8);
const EACH_MS: u32 = 1_000;

fn main() -> anyhow::Result<()> {
    if let Some(count) = support::inside() {
        return inside(count.parse()?);
    }
    for (count, _) in RUNS {
        let status = again(&OWN_PROCESSES, &count.to_string())?.status()?;
        ensure!(status.success(), "a run in a namespace of processes failed: it needs root");
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn inside(count: usize) -> anyhow::Result<()> {
    let _sleepers = Sleepers::start(count)?;
    sleep(SETTLE).await;
    let ca = TestCa::new("home");
    let (certs, reader) = (ca.node_files("web-1"), ca.operator("reader", Role::Viewer));
    let (mut ours, mut alone, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut resident = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let node = Program::start(&certs, &[])?;
        alone.push(share_of(|| node.cpu_s()).await?);
        let reader = handle(&reader, "web-1", node.quic)?;
        let mut processes = reader.process().watch(EACH_MS).await?;
        let mut figures = reader.monitor().watch(EACH_MS).await?;
        let reading = TaskTracker::new().spawn(async move {
            loop {
                let more = tokio::select! {
                    next = processes.next() => next.is_ok_and(|next| next.is_some()),
                    next = figures.next() => next.is_ok_and(|next| next.is_some()),
                };
                if !more {
                    return;
                }
            }
        });
        ours.push(share_of(|| node.cpu_s()).await?);
        resident.0.push(node.status_kib("VmRSS")? / 1_024.0);
        ensure!(!reading.is_finished(), "a watch of the node ended");
        reading.abort();
        drop(node);
        let rival = Netdata::start()?;
        theirs.push(share_of(|| rival.sum(cpu_s)).await?);
        resident.1.push(rival.sum(|pid| status_kib(pid, "VmRSS"))? / 1_024.0);
    }
    let goal = RUNS.iter().find(|run| run.0 == count).map_or(f64::NAN, |run| run.1);
    let (ours, theirs, alone) = (median(ours), median(theirs), median(alone));
    println!("# {count} processes: ours {ours:.4} of a core watched, {alone:.4} alone, netdata {theirs:.4}");
    at_most(&format!("P12 sampling_{count}_cpu_vs_netdata"), ours / theirs, goal);
    let (ours, theirs) = (median(resident.0), median(resident.1));
    println!("# resident: ours {ours:.1} MiB, netdata {theirs:.1}");
    at_most(&format!("P12 sampling_{count}_rss_vs_netdata"), ours / theirs, 0.35);
    Ok(())
}

/// The share of a core that was used over the span, once a start is over.
async fn share_of(used: impl Fn() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    sleep(SETTLE).await;
    let (began, before) = (Instant::now(), used()?);
    sleep(SPAN).await;
    Ok((used()? - before) / began.elapsed().as_secs_f64())
}

/// netdata with what it collects of a host and its processes, and nothing of the network's.
struct Netdata {
    child: Child,
    _home: TempDir,
}

impl Netdata {
    fn start() -> anyhow::Result<Self> {
        let home = TempDir::new()?;
        for name in ["cache", "lib", "log", "conf"] {
            fs::create_dir(home.path().join(name))?;
        }
        fs::write(home.path().join("netdata.conf"), settings(home.path()))?;
        let mut command = Command::new("netdata");
        command.arg("-D").arg("-c").arg(home.path().join("netdata.conf")).env("DISABLE_TELEMETRY", "1");
        let log = fs::File::create(home.path().join("said"))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Self { child, _home: home })
    }

    /// A figure of it and of all that it started, together.
    fn sum(&self, of: impl Fn(u32) -> anyhow::Result<f64>) -> anyhow::Result<f64> {
        let family = family(self.child.id())?;
        ensure!(family.len() > 1, "netdata has no collector of processes: is netdata-core whole?");
        family.into_iter().map(of).sum()
    }
}

impl Drop for Netdata {
    fn drop(&mut self) {
        for pid in family(self.child.id()).unwrap_or_default().into_iter().rev() {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
            // It may have ended.
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        }
        let _ = self.child.wait();
    }
}

fn settings(home: &Path) -> String {
    let home = home.display();
    format!(
        "[global]\n run as user = root\n\
         [directories]\n cache = {home}/cache\n lib = {home}/lib\n log = {home}/log\n home = {home}\n config = {home}/conf\n\
         [logs]\n access = none\n\
         [web]\n bind to = 127.0.0.1:19997\n\
         [cloud]\n enabled = no\n\
         [ml]\n enabled = no\n\
         [statsd]\n enabled = no\n\
         [plugins]\n proc = yes\n apps = yes\n diskspace = yes\n go.d = no\n python.d = no\n charts.d = no\n \
         node.d = no\n fping = no\n ebpf = no\n tc = no\n perf = no\n slabinfo = no\n nfacct = no\n cgroups = no\n \
         idlejitter = no\n timex = no\n"
    )
}

/// A process and all below it.
fn family(top: u32) -> anyhow::Result<Vec<u32>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // One that ended meanwhile is nobody's child.
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        parents.insert(pid, figure(&status, "PPid").context("no parent")? as u32);
    }
    let mut family = vec![top];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    Ok(family)
}
