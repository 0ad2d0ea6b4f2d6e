//! R34: the real program is killed (-9) 200 times in the middle of starts, stops and restarts of its programs. No
//! program ever runs twice, and nothing is left that the node does not know.
//!
//! Every program is `sleep` with a number of its own, looked for in `/proc` all the time; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use p2p_shared::access::Role;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rng::Rng;
use p2p_shared::services::Services;
use p2p_shared::services::program::{ProgramDefinition, ProgramState, RestartMode, RestartPolicy};
use p2p_shared::tls::Credentials;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use ca::TestCa;
use support::{Program, at_least, at_most, handle};

const KILLS: u64 = 200;
const PROGRAMS: u64 = 5;
/// The node lives for so long at most before it is killed, in milliseconds.
const LIFE_MS: u64 = 150;
/// How long a program has to be where it should be at the end.
const SETTLE: Duration = Duration::from_secs(30);
/// The same for every run, so that a failure comes again.
const SEED: u64 = 34;

/// The number that tells the process of a program from all others.
fn mark(program: u64) -> String {
    format!("{}", 86_400_000 + u64::from(std::process::id()) * 100 + program)
}

/// Processes of each program, by its mark.
fn running() -> BTreeMap<u64, Vec<u32>> {
    let mut found: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let mut words = line.split(|&byte| byte == 0);
        let is_sleep = words.next().is_some_and(|program| program.ends_with(b"sleep"));
        let argument = words.next().unwrap_or_default();
        let of = (0..PROGRAMS).find(|&program| argument == mark(program).as_bytes());
        if let (true, Some(program)) = (is_sleep, of) {
            found.entry(program).or_default().push(pid);
        }
    }
    found
}

/// Looks for a program that runs twice, all the time.
struct Watch {
    over: Arc<AtomicBool>,
    double: Arc<AtomicU64>,
    looks: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start() -> Self {
        let (over, double, looks) = (Arc::<AtomicBool>::default(), Arc::default(), Arc::default());
        let parts: (Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>) =
            (Arc::clone(&over), Arc::clone(&double), Arc::clone(&looks));
        let thread = std::thread::spawn(move || {
            let (over, double, looks) = parts;
            while !over.load(Ordering::Relaxed) {
                for (program, pids) in running().into_iter().filter(|(_, pids)| pids.len() > 1) {
                    // A list is no moment: an old one may have been read, and then its successor.
                    let again = running().remove(&program).unwrap_or_default();
                    if pids.iter().filter(|pid| again.contains(pid)).count() > 1 {
                        eprintln!("program {program} runs twice: {pids:?}");
                        double.fetch_add(1, Ordering::Relaxed);
                    }
                }
                looks.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { over, double, looks, thread }
    }

    /// How often something ran twice, and how often it was looked for.
    fn end(self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        (self.double.load(Ordering::Relaxed), self.looks.load(Ordering::Relaxed))
    }
}

fn name(program: u64) -> String {
    format!("p{program}")
}

fn definition(program: u64) -> anyhow::Result<ProgramDefinition> {
    let restart = RestartPolicy {
        mode: RestartMode::Always,
        delay_ms: 50,
        delay_max_ms: 50,
        burst: 0,
        ..RestartPolicy::default()
    };
    let new = ProgramDefinition::new(name(program).parse()?, "sleep");
    Ok(ProgramDefinition { arguments: vec![mark(program)], restart, ..new })
}

/// Orders without pause, until the node is gone.
async fn orders(node: &NodeHandle, program: u64, mut rng: Rng) -> u64 {
    let mut given = 0;
    loop {
        let ordered = match rng.below(3) {
            0 => node.program().start(name(program), None).await,
            1 => node.program().stop(name(program)).await,
            _ => node.program().restart(name(program)).await,
        };
        given += 1;
        if ordered.is_err() {
            return given;
        }
    }
}

/// One life of the node, and its end in the middle of what was ordered.
async fn life(
    (program, operator): (&mut Program, &Credentials),
    (round, rng): (u64, &mut Rng),
) -> anyhow::Result<()> {
    let node = handle(operator, "web-1", program.quic)?;
    if round == 0 {
        for program in 0..PROGRAMS {
            node.program().define(definition(program)?, false).await?;
        }
    }
    let seeds: Vec<u64> = (0..PROGRAMS).map(|_| rng.below(u64::MAX)).collect();
    let ordering = seeds.iter().zip(0..).map(|(&seed, program)| orders(&node, program, Rng::new(seed)));
    let span = Duration::from_millis(20 + rng.below(LIFE_MS));
    // Nobody ends in this time: the node is killed in the middle of their orders.
    let _ = timeout(span, futures::future::join_all(ordering)).await;
    program.kill()
}

async fn settled(node: &NodeHandle, wanted: ProgramState) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let programs = node.program().list().await?;
        if programs.iter().all(|program| program.state == wanted) {
            return Ok(());
        }
        ensure!(began.elapsed() < SETTLE, "not {wanted:?}: {programs:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// How many processes of programs there are that should not, or are not, at the end.
async fn at_last(node: &NodeHandle) -> anyhow::Result<(usize, usize)> {
    for program in 0..PROGRAMS {
        node.program().start(name(program), None).await?;
    }
    settled(node, ProgramState::Running).await?;
    let known: Vec<u32> =
        node.program().list().await?.iter().filter_map(|one| Some(one.process.as_ref()?.pid)).collect();
    let there: Vec<u32> = running().into_values().flatten().collect();
    let strangers = there.iter().filter(|pid| !known.contains(pid)).count();
    for program in 0..PROGRAMS {
        node.program().stop(name(program)).await?;
    }
    settled(node, ProgramState::Stopped).await?;
    Ok((strangers, running().into_values().flatten().count()))
}

fn main() -> anyhow::Result<()> {
    let (ca, data) = (TestCa::new("bench"), TempDir::new()?);
    // A node begins again only on data that is its own.
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700))?;
    let (certs, operator) = (ca.node_files("web-1"), ca.operator("ann", Role::Admin));
    let mut rng = Rng::new(SEED);
    let watch = Watch::start();
    let began = Instant::now();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        for round in 0..KILLS {
            let started = Program::start_on(data.path(), &certs);
            let mut program = started.with_context(|| format!("after {round} kills"))?;
            life((&mut program, &operator), (round, &mut rng)).await?;
        }
        let program = Program::start_on(data.path(), &certs)?;
        let node = handle(&operator, "web-1", program.quic)?;
        at_last(&node).await
    });
    let (double, looks) = watch.end();
    let (strangers, orphans) = ended?;
    println!("# {KILLS} kills in {:.0} s, {looks} looks, seed {SEED}", began.elapsed().as_secs_f64());
    at_least("R34 kills", KILLS as f64, 200.0);
    at_most("R34 double_starts", (double + strangers as u64) as f64, 0.0);
    at_most("R34 orphans", orphans as f64, 0.0);
    Ok(())
}
