//! P11: a full snapshot of the processes, against sysinfo and `ps aux` in the same run; and what sampling costs
//! a node that nobody asks anything (a part of P21), and one that somebody watches.
//!
//! Prints one line a goal and ends; it never fails because of a slow machine. Sleepers are started to measure
//! what one more process costs, and are killed and reaped before it ends.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use p2p_node::host::Roots;
use p2p_node::host::delta::Sent;
use p2p_node::host::moment::Moment;
use p2p_node::host::processes::ProcessTable;
use p2p_node::host::sampler::Sampler;
use p2p_shared::rpc::codec::{Encoding, encode};
use p2p_shared::time::Millis;
use rustix::time::{ClockId, clock_gettime};
use sysinfo::{ProcessesToUpdate, System};

const ROUNDS: usize = 25;
const SLEEPERS: usize = 500;
/// How long sampling is watched.
const SPAN: Duration = Duration::from_secs(10);

struct Sleepers(Vec<Child>);

impl Sleepers {
    fn start() -> std::io::Result<Self> {
        let mut sleepers = Self(Vec::with_capacity(SLEEPERS));
        for _ in 0..SLEEPERS {
            sleepers.0.push(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn()?);
        }
        Ok(sleepers)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that is gone already needs no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What is measured, each with what it keeps between rounds.
struct Bench {
    table: ProcessTable,
    system: System,
}

#[derive(Clone, Copy)]
struct Medians {
    ours: Duration,
    sysinfo: Duration,
    ps: Duration,
    processes: usize,
}

impl Bench {
    /// Medians of rounds in turn, the first of which only warms up.
    fn run(&mut self) -> anyhow::Result<Medians> {
        let (mut ours, mut sysinfo, mut ps) = (Vec::new(), Vec::new(), Vec::new());
        let mut processes = 0;
        for _ in 0..=ROUNDS {
            let started = Instant::now();
            processes = self.table.scan(Moment::now())?.rows.len();
            ours.push(started.elapsed());
            let started = Instant::now();
            self.system.refresh_processes(ProcessesToUpdate::All, true);
            sysinfo.push(started.elapsed());
            let started = Instant::now();
            Command::new("ps").arg("aux").stdout(Stdio::null()).status()?;
            ps.push(started.elapsed());
        }
        Ok(Medians { ours: median(ours), sysinfo: median(sysinfo), ps: median(ps), processes })
    }
}

fn median(mut rounds: Vec<Duration>) -> Duration {
    rounds.remove(0);
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

fn report(name: &str, value: f64, goal: f64) {
    let verdict = if value <= goal { "PASS" } else { "FAIL" };
    println!("{name}={value:.4} goal<={goal} {verdict}");
}

/// Processor time of this process while `SPAN` passes.
fn share_of_a_core() -> f64 {
    let used = || {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.unsigned_abs() as u32)
    };
    let before = used();
    std::thread::sleep(SPAN);
    (used() - before).as_secs_f64() / SPAN.as_secs_f64()
}

/// Encoded bytes of the differences that a watch of one second sends, a second.
async fn watched_bytes(sampler: &Sampler) -> anyhow::Result<f64> {
    let mut watch = sampler.watch_processes(Millis(1_000));
    let mut sent = Sent::default();
    sent.advance(&*watch.next().await?);
    // The first shares are over the whole life of each process: only from here on is it a watch that goes on.
    sent.advance(&*watch.next().await?);
    let mut bytes = 0;
    for _ in 0..SPAN.as_secs() {
        for message in sent.advance(&*watch.next().await?) {
            bytes += encode(&message, Encoding::Bincode)?.len();
        }
    }
    Ok(bytes as f64 / SPAN.as_secs_f64())
}

fn sampling() -> anyhow::Result<()> {
    let sampler = Sampler::start(Roots::default())?;
    report("P21 idle_sampling_share_of_a_core", share_of_a_core(), 0.005);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    println!(
        "# watch of this machine at 1 s: {:.0} bytes a second",
        runtime.block_on(watched_bytes(&sampler))?
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    sampling()?;
    let mut bench = Bench { table: ProcessTable::open(&Roots::default())?, system: System::new()? };
    let few = bench.run()?;
    let sleepers = Sleepers::start()?;
    let many = bench.run()?;
    drop(sleepers);
    for medians in [few, many] {
        let Medians { ours, sysinfo, ps, processes } = medians;
        println!("# {processes} processes: ours {ours:?}, sysinfo {sysinfo:?}, ps aux {ps:?}");
    }
    let ours = many.ours.as_secs_f64();
    report("P11 snapshot_vs_sysinfo", ours / many.sysinfo.as_secs_f64(), 0.35);
    report("P11 snapshot_vs_ps", ours / many.ps.as_secs_f64(), 0.25);
    let added = many.processes.saturating_sub(few.processes).max(1);
    let slope = (ours - few.ours.as_secs_f64()) / added as f64;
    report("P11 snapshot_us_per_process", slope * 1e6, 20.0);
    Ok(())
}
