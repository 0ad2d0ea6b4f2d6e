//! How many connections may begin: a bucket that fills with time. Pure.

use std::time::Duration;

/// What may begin at once after a while without any, as a part of a second.
const BURST_PER_S: u32 = 50;

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// A second's; `None` for no bound.
    rate: Option<u32>,
    left: f64,
    filled: Duration,
}

impl Pace {
    pub(super) const fn new(rate: Option<u32>) -> Self {
        Self { rate, left: 1.0, filled: Duration::ZERO }
    }

    /// How long to wait before the next may begin; `None` for not at all. `now` is since the begin.
    pub(super) fn wait(&mut self, now: Duration) -> Option<Duration> {
        let rate = f64::from(self.rate?.max(1));
        let burst = (rate / f64::from(BURST_PER_S)).max(1.0);
        let gained = now.saturating_sub(self.filled).as_secs_f64() * rate;
        self.filled = now.max(self.filled);
        self.left = (self.left + gained).min(burst);
        let missing = 1.0 - self.left;
        // Below a microsecond it is a matter of rounding.
        (missing > 1e-6).then(|| Duration::from_secs_f64(missing / rate).max(Duration::from_micros(1)))
    }

    /// One began.
    pub(super) fn spend(&mut self) {
        self.left -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_second_sees_more_than_the_rate_and_a_burst(
            rate in 1_u32..100_000, pauses in proptest::collection::vec(0_u64..400_000, 1..60),
        ) {
            let mut pace = Pace::new(Some(rate));
            let (mut now, mut begun) = (Duration::ZERO, Vec::new());
            for pause in pauses {
                now += Duration::from_micros(pause);
                for _ in 0..100 {
                    if pace.wait(now).is_some() {
                        break;
                    }
                    pace.spend();
                    begun.push(now);
                }
            }
            let most = f64::from(rate) * 1.02 + 2.0;
            let mut first = 0;
            for (at, time) in begun.iter().enumerate() {
                while *time - begun[first] >= Duration::from_secs(1) {
                    first += 1;
                }
                prop_assert!((at - first + 1) as f64 <= most, "{} of {most}", at - first + 1);
            }
        }

        #[test]
        fn who_waits_as_told_may_begin(rate in 1_u32..1_000_000) {
            let (mut pace, mut now) = (Pace::new(Some(rate)), Duration::ZERO);
            for _ in 0..20 {
                while let Some(wait) = pace.wait(now) {
                    now += wait;
                }
                pace.spend();
            }
            prop_assert!(now.as_secs_f64() >= 18.0 / f64::from(rate) - 0.03);
        }
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let mut pace = Pace::new(None);
        assert!((0..1_000).all(|_| {
            pace.spend();
            pace.wait(Duration::ZERO).is_none()
        }));
    }
}
