//! How long to wait before the next try. Pure: a seeded generator gives the jitter.

use crate::rng::Rng;
use crate::time::Millis;

/// The first wait, before jitter.
pub const BASE: Millis = Millis(250);
/// The longest wait, before jitter.
pub const CEILING: Millis = Millis(30_000);

/// Exponential back-off with jitter over the upper half: the n-th wait lies in [d/2, d], d = base * 2^n.
#[derive(Clone, Debug)]
pub struct Backoff {
    rng: Rng,
    failures: u32,
}

impl Backoff {
    /// Nothing has failed yet.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), failures: 0 }
    }

    /// Counts a failure and says how long to wait.
    pub fn failed(&mut self) -> Millis {
        let doubled = BASE.0.saturating_mul(1u64 << self.failures.min(20));
        let span = doubled.min(CEILING.0);
        self.failures = self.failures.saturating_add(1);
        Millis(span / 2 + self.rng.below(span / 2 + 1))
    }

    /// It worked: the next failure waits as the first one.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_ceiling_and_start_anew() {
        let mut backoff = Backoff::new(1);
        let waits: Vec<u64> = (0..12).map(|_| backoff.failed().0).collect();
        assert!((125..=250).contains(&waits[0]), "{waits:?}");
        assert!((500..=1_000).contains(&waits[2]), "{waits:?}");
        assert!(waits[8..].iter().all(|wait| (15_000..=30_000).contains(wait)), "{waits:?}");
        backoff.succeeded();
        assert!(backoff.failed().0 <= 250);
    }
}
