//! Plain counters that anyone may raise and the metric set reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows, from zero at the start of the process.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What [`Durations`] tells apart: how many took at most so long.
pub const DURATION_BOUNDS: [Duration; 9] = [
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2_500),
    Duration::from_secs(10),
];

/// How long things took, by [`DURATION_BOUNDS`], and all of them together.
#[derive(Debug, Default)]
pub struct Durations {
    within: [Counter; DURATION_BOUNDS.len() + 1],
    sum_us: Counter,
}

/// What [`Durations`] stood at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationsSeen {
    /// How many took at most as long as the bound of the same place; the last one counts all.
    pub within: [u64; DURATION_BOUNDS.len() + 1],
    /// All together.
    pub sum: Duration,
}

impl Durations {
    /// One more, which took so long.
    pub fn note(&self, took: Duration) {
        let place = DURATION_BOUNDS.iter().position(|&bound| took <= bound);
        self.within[place.unwrap_or(DURATION_BOUNDS.len())].increment();
        self.sum_us.add(took.as_micros() as u64);
    }

    /// What they stand at.
    pub fn seen(&self) -> DurationsSeen {
        let mut within = [0; DURATION_BOUNDS.len() + 1];
        let mut all = 0;
        for (seen, counter) in within.iter_mut().zip(&self.within) {
            all += counter.get();
            *seen = all;
        }
        DurationsSeen { within, sum: Duration::from_micros(self.sum_us.get()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_count_up_to_each_bound() {
        let durations = Durations::default();
        for micros in [50, 100, 101, 3_000_000, 60_000_000] {
            durations.note(Duration::from_micros(micros));
        }
        let seen = durations.seen();
        assert_eq!(seen.within, [2, 3, 3, 3, 3, 3, 3, 3, 4, 5]);
        assert_eq!(seen.sum, Duration::from_micros(63_000_251));
    }
}
