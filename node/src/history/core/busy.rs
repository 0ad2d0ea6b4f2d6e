//! Who uses most: of the processes at two times, those with most processor time in between and most memory.

use std::collections::HashMap;

use p2p_shared::time::Millis;

/// Of each kind, the busiest, at most.
pub const BUSIEST: usize = 5;

/// What is looked at of a process. `K` says which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use<K> {
    /// Which one.
    pub key: K,
    /// Processor time since its start.
    pub cpu_time: Millis,
    /// Resident memory.
    pub rss_bytes: u64,
}

/// Remembers the processor time of every process until the next look.
#[derive(Debug)]
pub struct Busy<K> {
    before: Option<(Millis, HashMap<K, Millis>)>,
}

/// One of the busiest: its place among those that were handed in, and its share of one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busiest {
    /// Which of those handed in.
    pub index: usize,
    /// Processor time over the span as a share of one core.
    pub cpu_ratio: f32,
}

impl<K> Default for Busy<K> {
    fn default() -> Self {
        Self { before: None }
    }
}

impl<K: Copy + Eq + std::hash::Hash> Busy<K> {
    /// The busiest since the look before and over how long that was, the busiest processor first; `None` at the
    /// first look, or when no time has passed. A process that is new has used all its time since.
    pub fn look(&mut self, at: Millis, processes: &[Use<K>]) -> Option<(Millis, Vec<Busiest>)> {
        let now = processes.iter().map(|process| (process.key, process.cpu_time)).collect();
        let (then, before) = self.before.replace((at, now))?;
        let span = at.since(then);
        (span > Millis::ZERO).then_some(())?;
        let used = |process: &Use<K>| {
            process.cpu_time.since(before.get(&process.key).copied().unwrap_or(Millis::ZERO))
        };
        let mut by_cpu: Vec<(Millis, usize)> =
            processes.iter().enumerate().map(|(index, process)| (used(process), index)).collect();
        keep_greatest(&mut by_cpu, |(used, _)| *used > Millis::ZERO);
        let mut by_memory: Vec<(u64, usize)> =
            processes.iter().enumerate().map(|(index, process)| (process.rss_bytes, index)).collect();
        keep_greatest(&mut by_memory, |(bytes, _)| *bytes > 0);
        let mut chosen: Vec<usize> =
            by_cpu.iter().map(|(_, index)| *index).chain(by_memory.iter().map(|(_, index)| *index)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        let ratio = |index: usize| used(&processes[index]).0 as f32 / span.0 as f32;
        let mut busiest: Vec<Busiest> =
            chosen.into_iter().map(|index| Busiest { index, cpu_ratio: ratio(index) }).collect();
        busiest.sort_by(|one, other| other.cpu_ratio.total_cmp(&one.cpu_ratio));
        Some((span, busiest))
    }
}

/// Leaves the greatest of those that count, in no order.
fn keep_greatest<T: Ord>(all: &mut Vec<T>, counts: impl Fn(&T) -> bool) {
    all.retain(counts);
    if all.len() > BUSIEST {
        all.select_nth_unstable_by(BUSIEST - 1, |one, other| other.cmp(one));
        all.truncate(BUSIEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(key: u32, cpu_ms: u64, rss_bytes: u64) -> Use<u32> {
        Use { key, cpu_time: Millis(cpu_ms), rss_bytes }
    }

    #[test]
    fn who_used_most_since_the_last_look_comes_first() {
        let mut busy = Busy::default();
        let first = [process(1, 90_000, 10), process(2, 0, 0), process(3, 0, 0)];
        assert_eq!(busy.look(Millis(0), &first), None);
        let second = [process(1, 90_100, 10), process(2, 5_000, 0), process(3, 0, 0), process(4, 1_000, 0)];
        let (span, busiest) = busy.look(Millis(10_000), &second).unwrap();
        assert_eq!(span, Millis(10_000));
        let rows: Vec<(u32, f32)> =
            busiest.iter().map(|row| (second[row.index].key, row.cpu_ratio)).collect();
        assert_eq!(rows, [(2, 0.5), (4, 0.1), (1, 0.01)]);
    }

    #[test]
    fn of_many_a_few_are_kept() {
        let mut busy = Busy::default();
        busy.look(Millis(0), &[]);
        let many: Vec<Use<u32>> =
            (0..1_000).map(|key| process(key, u64::from(key), u64::from(1_000 - key))).collect();
        let (_, busiest) = busy.look(Millis(1_000), &many).unwrap();
        let keys: Vec<u32> = busiest.iter().map(|row| many[row.index].key).collect();
        assert_eq!(keys, [999, 998, 997, 996, 995, 4, 3, 2, 1, 0]);
    }
}
