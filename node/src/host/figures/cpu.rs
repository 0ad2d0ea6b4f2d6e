//! Processors, from `/proc/stat`.

use std::os::fd::AsFd;

use p2p_shared::services::monitor::CpuSample;

use crate::host::rates::share;
use crate::host::source::{FILE_BYTES_MAX, read_at};

/// Most cores that are told apart.
const CORES_MAX: usize = 4_096;

/// Ticks since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuTicks {
    all: Ticks,
    /// By the number of the core.
    cores: Vec<(u32, Ticks)>,
}

/// User, nice, system, idle, iowait, irq, softirq, steal. (Guest time is in user time already.)
type Ticks = [u64; 8];

const IDLE: usize = 3;
const IOWAIT: usize = 4;
const STEAL: usize = 7;

impl CpuTicks {
    /// Reads the lines `cpu` and `cpuN`; what is none of them, or makes no sense, is passed over.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines().take_while(|line| line.starts_with("cpu")) {
            let mut fields = line.split_ascii_whitespace();
            let Some(name) = fields.next() else { continue };
            let mut ticks = Ticks::default();
            for (slot, field) in ticks.iter_mut().zip(fields) {
                *slot = field.parse().unwrap_or(0);
            }
            match name["cpu".len()..].parse() {
                Ok(core) if found.cores.len() < CORES_MAX => found.cores.push((core, ticks)),
                Err(_) if name == "cpu" => found.all = ticks,
                _ => {}
            }
        }
        found.cores.sort_unstable_by_key(|&(core, _)| core);
        found
    }

    /// The shares since `before`. A core that was plugged in meanwhile counts as idle.
    pub fn since(&self, before: &Self) -> CpuSample {
        let all = gained(&before.all, &self.all);
        let whole = total(&all);
        let core = |(number, ticks): &(u32, Ticks)| {
            let index = before.cores.binary_search_by_key(number, |&(core, _)| core).ok();
            let known = index.and_then(|index| before.cores.get(index));
            known.map_or(0.0, |(_, known)| busy(&gained(known, ticks)))
        };
        CpuSample {
            ratio: busy(&all),
            iowait_ratio: share(all[IOWAIT], whole),
            steal_ratio: share(all[STEAL], whole),
            cores: self.cores.iter().map(core).collect(),
        }
    }

    /// The shares before anything is known.
    pub fn idle_sample(&self) -> CpuSample {
        self.since(self)
    }
}

/// What each counter gained. Each on its own: the kernel lets iowait go backwards.
fn gained(before: &Ticks, after: &Ticks) -> Ticks {
    std::array::from_fn(|index| after[index].saturating_sub(before[index]))
}

fn busy(gained: &Ticks) -> f32 {
    let whole = total(gained);
    let others = [IDLE, IOWAIT, STEAL].map(|field| gained[field]);
    share(others.into_iter().fold(whole, u64::saturating_sub), whole)
}

fn total(ticks: &Ticks) -> u64 {
    ticks.iter().copied().fold(0, u64::saturating_add)
}

/// How many cores there are; 1 if the kernel does not tell.
pub(crate) fn count_cores(proc_dir: impl AsFd) -> u32 {
    let mut buffer = Vec::new();
    if read_at(proc_dir, "stat", &mut buffer, FILE_BYTES_MAX).is_err() {
        return 1;
    }
    let cores = CpuTicks::parse(&String::from_utf8_lossy(&buffer)).cores.len();
    u32::try_from(cores).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 50 0 50 400 0 0 0 0\ncpu1 50 0 50 400 0 0 0 0\nintr 1";

    #[test]
    fn shares_are_of_what_was_gained() {
        let after = "cpu  150 0 120 860 50 0 0 20 9 9\ncpu0 150 0 50 400 0 0 0 0\ncpu1 50 0 50 500 0 0 0 0\n";
        let sample = CpuTicks::parse(after).since(&CpuTicks::parse(BEFORE));
        assert_eq!((sample.ratio, sample.iowait_ratio, sample.steal_ratio), (0.35, 0.25, 0.1));
        assert_eq!(sample.cores, [1.0, 0.0]);
    }

    #[test]
    fn cores_that_come_go_or_run_backwards_are_idle() {
        let after = "cpu  90 0 90 700 0 0 0 0\ncpu1 40 0 40 300 0 0 0 0\ncpu7 50 0 50 400 0 0 0 0\n";
        let sample = CpuTicks::parse(after).since(&CpuTicks::parse(BEFORE));
        assert_eq!((sample.ratio, sample.cores), (0.0, vec![0.0, 0.0]));
    }

    #[test]
    fn garbage_gives_an_empty_sample() {
        for text in ["", "x", "cpu", "cpu a b c", "cpux 1 2 3", "cpu99999999999 1", "cpu\u{fffd} 1\n"] {
            let sample = CpuTicks::parse(text).idle_sample();
            assert!(sample.cores.iter().chain([&sample.ratio]).all(|ratio| *ratio == 0.0), "{text}");
        }
    }
}
