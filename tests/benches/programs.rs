//! What supervised programs cost the real program: 200 that idle, how soon a crash is followed by a restart, and
//! what a thousand starts and stops leave behind.
//!
//! Takes about two minutes; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::stream::{self, StreamExt, TryStreamExt};
use p2p_shared::access::Role;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::program::{ProgramDefinition, ProgramInfo, RestartMode, RestartPolicy};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Builder;
use tokio::time::sleep;

use ca::TestCa;
use support::{Program, at_most, handle, median};

/// Programs that run and do nothing.
const IDLE: usize = 200;
/// How long they are watched.
const SPAN: Duration = Duration::from_secs(20);
/// Before that, what their starts cost is over, and threads for what blocks, which take their time with them, ended.
const SETTLE: Duration = Duration::from_secs(12);
const CRASHES: usize = 50;
const ROUNDS: usize = 1_000;
/// Calls at a time.
const AT_ONCE: usize = 8;

fn sleeper(name: &str) -> anyhow::Result<ProgramDefinition> {
    let restart = RestartPolicy {
        mode: RestartMode::Always,
        delay_ms: 50,
        delay_max_ms: 50,
        burst: 0,
        ..RestartPolicy::default()
    };
    let arguments = vec!["600".to_owned()];
    Ok(ProgramDefinition { arguments, restart, ..ProgramDefinition::new(name.parse()?, "sleep") })
}

async fn idle(program: &Program, node: &NodeHandle) -> anyhow::Result<()> {
    sleep(SETTLE).await;
    let (alone, began) = (program.cpu_s()?, Instant::now());
    sleep(SPAN).await;
    let alone = (program.cpu_s()? - alone) / began.elapsed().as_secs_f64();
    let names: Vec<String> = (0..IDLE).map(|index| format!("idle-{index}")).collect();
    let began = Instant::now();
    let begin = |name: &String| {
        let (node, name) = (node.clone(), name.clone());
        async move {
            node.program().define(sleeper(&name)?, false).await?;
            node.program().start(name, None).await?;
            anyhow::Ok(())
        }
    };
    stream::iter(&names).map(begin).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    println!("# {IDLE} programs defined and started in {:.2} s", began.elapsed().as_secs_f64());
    sleep(SETTLE).await;
    let (before, began) = (program.cpu_s()?, Instant::now());
    sleep(SPAN).await;
    let share = (program.cpu_s()? - before) / began.elapsed().as_secs_f64();
    println!(
        "# share of a core without them {alone:.4}, RSS {:.1} MiB",
        program.status_kib("VmRSS")? / 1_024.0
    );
    at_most("programs_200_idle_share_of_a_core", share, 0.01);
    let stop = |name: &String| {
        let (node, name) = (node.clone(), name.clone());
        async move { node.program().remove(name).await }
    };
    stream::iter(&names).map(stop).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(())
}

async fn once_started(node: &NodeHandle, starts: u64) -> anyhow::Result<ProgramInfo> {
    loop {
        let info = node.program().status("crash".into()).await?.info;
        if info.starts >= starts && info.process.is_some() {
            return Ok(info);
        }
        sleep(Duration::from_millis(1)).await;
    }
}

async fn crashes(node: &NodeHandle) -> anyhow::Result<()> {
    node.program().define(sleeper("crash")?, false).await?;
    node.program().start("crash".into(), None).await?;
    let mut late = Vec::new();
    for round in 1..=CRASHES {
        let info = once_started(node, round as u64).await?;
        let pid = info.process.and_then(|process| Pid::from_raw(process.pid.cast_signed()));
        let began = Instant::now();
        kill_process(pid.context("no process")?, Signal::KILL)?;
        once_started(node, round as u64 + 1).await?;
        // The back-off is 25 to 50 ms: the least of it counts against us.
        late.push((began.elapsed().as_secs_f64() * 1e3 - 25.0).max(0.0));
    }
    let worst = late.iter().copied().fold(0.0, f64::max);
    println!("# crash to restart beyond the least back-off, median {:.1} ms", median(late));
    at_most("crash_to_restart_beyond_back_off_worst_ms", worst, 100.0);
    node.program().remove("crash".into()).await?;
    Ok(())
}

/// Descriptors, threads and ended children that were not reaped.
fn left(program: &Program) -> anyhow::Result<(usize, usize, usize)> {
    let pid = program.pid();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?.count();
    let stats = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let zombies = stats.filter(|stat| stat.contains(&format!(") Z {pid} "))).count();
    Ok((descriptors, threads, zombies))
}

async fn rounds(program: &Program, node: &NodeHandle) -> anyhow::Result<()> {
    node.program().define(sleeper("round")?, false).await?;
    let round = async || {
        node.program().start("round".into(), None).await?;
        node.program().stop("round".into()).await
    };
    for _ in 0..10 {
        round().await?;
    }
    sleep(SETTLE).await;
    let before = left(program)?;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        round().await?;
    }
    println!("# a start and a stop take {:.2} ms", began.elapsed().as_secs_f64() * 1e3 / ROUNDS as f64);
    sleep(SETTLE).await;
    let after = left(program)?;
    println!("# descriptors, threads, zombies: {before:?} before, {after:?} after");
    at_most("descriptors_left_by_1000_starts_and_stops", after.0 as f64 - before.0 as f64, 0.0);
    at_most("threads_left_by_1000_starts_and_stops", after.1 as f64 - before.1 as f64, 0.0);
    at_most("zombies_left_by_1000_starts_and_stops", after.2 as f64, 0.0);
    node.program().remove("round".into()).await?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("bench");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let program = Program::start(&ca.node_files("web-1"), &[])?;
        let node = handle(&ca.operator("ann", Role::Admin), "web-1", program.quic)?;
        idle(&program, &node).await?;
        crashes(&node).await?;
        rounds(&program, &node).await
    })
}
