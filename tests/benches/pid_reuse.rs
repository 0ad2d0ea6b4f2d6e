//! A pid that is used again between list and signal: 100,000 trials, and none of them hits a wrong process.
//!
//! In a pid namespace of its own the kernel is told which pid comes next, so that processes are listed, ended, and
//! their pids really given to others; the rest of the trials is of a living process whose start time is told
//! otherwise. Each is refused, and whoever has the pid now lives. Needs root; prints one line a goal.

#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use p2p_node::host::error::HostError;
use p2p_node::host::moment::Moment;
use p2p_node::host::processes::ProcessTable;
use p2p_node::host::{Roots, control};
use p2p_shared::services::process::{ProcessRef, Signal};
use rustix::process::geteuid;

use support::{at_least, at_most};

const TRIALS: u32 = 100_000;
/// Real trials are made for this long.
const REAL: Duration = Duration::from_secs(40);
/// Processes that are listed and ended together.
const BATCH: usize = 50;
/// Start times count in ticks of this: a process that came in the same tick could not be told apart.
const TICK: Duration = Duration::from_millis(20);
/// Says to this program that it is in its namespace.
const INSIDE: &str = "P2P_PID_NAMESPACE";

#[derive(Debug, Default)]
struct Count {
    refused: u32,
    wrong: u32,
    missed: u32,
}

fn sleeper() -> anyhow::Result<Child> {
    Ok(Command::new("sleep").arg("600").stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
}

fn end(mut child: Child) -> anyhow::Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The processes of these children, as a list tells them.
fn listed(children: &[Child]) -> anyhow::Result<Vec<ProcessRef>> {
    let snapshot = ProcessTable::open(&Roots::default())?.scan(Moment::now())?;
    let of = |child: &Child| {
        let row = snapshot.rows.iter().find(|row| row.identity.key.pid == child.id());
        let key = row.context("a child that is not listed")?.identity.key;
        let boot_id = snapshot.boot_id.as_ref().into();
        Ok(ProcessRef { boot_id, pid: key.pid, start_ticks: key.start_ticks })
    };
    children.iter().map(of).collect()
}

/// Some processes are listed and end; their pids go to others, and the signal comes then.
fn really(count: &mut Count) -> anyhow::Result<()> {
    let children = (0..BATCH).map(|_| sleeper()).collect::<anyhow::Result<Vec<_>>>()?;
    let targets = listed(&children)?;
    children.into_iter().try_for_each(end)?;
    std::thread::sleep(TICK);
    for target in targets {
        fs::write("/proc/sys/kernel/ns_last_pid", (target.pid - 1).to_string())?;
        let mut other = sleeper()?;
        if other.id() != target.pid {
            count.missed += 1;
            end(other)?;
            continue;
        }
        judge(count, control::signal(&Roots::default(), &target, Signal::Kill), &mut other)?;
        end(other)?;
    }
    Ok(())
}

fn judge(count: &mut Count, sent: Result<(), HostError>, other: &mut Child) -> anyhow::Result<()> {
    let is_refused = matches!(sent, Err(HostError::OtherProcess { .. }));
    let lives = other.try_wait()?.is_none();
    match is_refused && lives {
        true => count.refused += 1,
        false => count.wrong += 1,
    }
    Ok(())
}

/// A living process, of which every trial believes that it began at another time.
fn told(count: &mut Count, trials: u32) -> anyhow::Result<()> {
    let mut other = sleeper()?;
    let target = listed(std::slice::from_ref(&other))?.pop().context("no process")?;
    for trial in 0..trials {
        // Both sides of it, near and far.
        let away = u64::from(trial / 2 + 1);
        let start_ticks = match trial % 2 {
            0 => target.start_ticks + away,
            _ => target.start_ticks.wrapping_sub(away),
        };
        let believed = ProcessRef { start_ticks, ..target.clone() };
        judge(count, control::signal(&Roots::default(), &believed, Signal::Kill), &mut other)?;
    }
    end(other)
}

fn inside() -> anyhow::Result<()> {
    let (mut real, began) = (Count::default(), Instant::now());
    while began.elapsed() < REAL && real.refused + real.wrong < TRIALS {
        really(&mut real)?;
    }
    let made = real.refused + real.wrong;
    let mut rest = Count::default();
    told(&mut rest, TRIALS.saturating_sub(made))?;
    println!(
        "# {made} pids really used again in {:.0} s ({} more went to somebody else), {} told otherwise",
        began.elapsed().as_secs_f64(),
        real.missed,
        rest.refused + rest.wrong
    );
    at_least("pid_reuse_trials", f64::from(made + rest.refused + rest.wrong), f64::from(TRIALS));
    at_least("pid_reuse_refused", f64::from(real.refused + rest.refused), f64::from(TRIALS));
    at_most("pid_reuse_wrong_targets", f64::from(real.wrong + rest.wrong), 0.0);
    Ok(())
}

fn main() -> anyhow::Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    if !geteuid().is_root() {
        println!("# skipped: a pid namespace needs root");
        return Ok(());
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(std::env::current_exe()?);
    ensure!(command.env(INSIDE, "1").status()?.success(), "the trials ended badly");
    Ok(())
}
