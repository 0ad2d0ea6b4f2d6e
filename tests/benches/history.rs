//! The history of 30 days of the standard set: what it takes on disk, and how long its questions take.
//!
//! The figures are made up, in the way of those of a machine: some rest, some wander, some are noise. They go
//! through the product's own recorder and keeper; only the file system is one in memory, because 43,200 times
//! `fsync` is not what is measured. Prints one line a goal.

#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use p2p_node::history::core::recorder::{Recorder, Saved};
use p2p_node::history::keeper;
use p2p_node::history::question::{Look, Question};
use p2p_node::store::HistoryStore;
use p2p_shared::rng::Rng;
use p2p_shared::time::{Millis, UnixMillis};

use support::{at_most, median};

const START: u64 = 1_795_404_123;
const DAYS: u64 = 30;
const DAY_S: u64 = 86_400;
/// Series of each kind: about what a host with eight cores, three disks and two interfaces has.
const KINDS: [(&str, usize); 3] = [("rests", 16), ("wanders", 24), ("noise", 16)];
const ROUNDS: usize = 15;
const MIB: f64 = 1_048_576.0;
/// What is kept of the busiest processes of a minute, about.
const BUSIEST_BYTES: usize = 6_000;

/// A machine that is made up.
struct Figures {
    rng: Rng,
    values: Vec<(String, f32)>,
}

impl Figures {
    fn new() -> Self {
        let name = |kind: &str, number| format!("{kind}_bytes_per_second{{interface=\"eth{number}\"}}");
        let names = KINDS.iter().flat_map(|(kind, count)| (0..*count).map(move |number| name(kind, number)));
        Self { rng: Rng::new(7), values: names.map(|name| (name, 1_000.0)).collect() }
    }

    fn next(&mut self) -> impl Iterator<Item = (&str, f32)> {
        for (index, (_, value)) in self.values.iter_mut().enumerate() {
            let dice = self.rng.next_u64();
            if index < KINDS[0].1 {
                *value += if dice.is_multiple_of(300) { 4_096.0 } else { 0.0 };
            } else if index < KINDS[0].1 + KINDS[1].1 {
                *value = (*value + (dice % 9) as f32 - 4.0).max(0.0);
            } else {
                *value = (dice % 10_000) as f32 / 10_000.0;
            }
        }
        self.values.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

fn fill(store: &HistoryStore) -> anyhow::Result<Look> {
    let (mut recorder, mut figures) = (Recorder::restore(Saved::default()), Figures::new());
    for second in 0..DAYS * DAY_S {
        let now = (Millis(second * 1_000), UnixMillis((START + second) * 1_000));
        if let Some(commit) = recorder.record(now, figures.next()) {
            keeper::keep(store, commit, vec![b'x'; BUSIEST_BYTES])?;
        }
    }
    let (seq, minute) = recorder.open();
    let open = vec![(seq, Arc::new(minute.clone()))];
    Ok(Look { store: store.clone(), series: recorder.series(), open, busiest: Vec::new() })
}

/// Milliseconds and points of a question, the middle of some rounds.
fn ask(look: &Look, series: &str, days: f64, step_s: Option<u32>) -> anyhow::Result<(f64, usize)> {
    let to = (START + DAYS * DAY_S) * 1_000;
    let from = to - (days * DAY_S as f64 * 1_000.0) as u64;
    let question = Question::new(series, (UnixMillis(from), UnixMillis(to)), step_s)?;
    let mut points = 0;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let answer = look.history(&question)?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
        points = answer.series.iter().map(|series| series.points.len()).sum();
    }
    Ok((median(times), points))
}

fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1_024.0)
}

fn main() -> anyhow::Result<()> {
    let shared = Path::new("/dev/shm");
    let directory = if shared.is_dir() { tempfile::tempdir_in(shared)? } else { tempfile::tempdir()? };
    let store = HistoryStore::open(directory.path())?;
    let before = resident()?;
    let began = Instant::now();
    let look = fill(&store)?;
    println!("{DAYS} days were recorded in {:.0} s", began.elapsed().as_secs_f64());
    at_most("history_memory_mib", resident()? - before, 8.0);
    let bytes = std::fs::metadata(directory.path().join("history.redb"))?.len();
    at_most("history_disk_mib", bytes as f64 / MIB, 64.0);
    let one = "noise_bytes_per_second{interface=\"eth0\"}";
    let eight: Vec<String> = (0..8).map(|number| one.replace("eth0", &format!("eth{number}"))).collect();
    let eight = eight.join(" ");
    for (name, series, days, step_s) in [
        ("history_30d_ms", one, 30.0, None),
        ("history_30d_8_series_ms", eight.as_str(), 30.0, None),
        ("history_30d_by_300_s_ms", one, 30.0, Some(300)),
        ("history_6h_8_series_ms", eight.as_str(), 0.25, None),
        ("history_10m_all_ms", "*", 10.0 / 1_440.0, Some(1)),
    ] {
        let (ms, points) = ask(&look, series, days, step_s)?;
        println!("{name}: {points} points");
        at_most(name, ms, 20.0);
    }
    Ok(())
}
