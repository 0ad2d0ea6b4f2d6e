//! How far the clocks of nodes are from this machine's, so that lines of several nodes can be put in order.
//!
//! A node's clock is read a few times over the connection that is there anyway; the quickest answer counts, and
//! half of its round trip is how well the offset is known.

use std::time::Instant;

use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::time::UnixMillis;

use super::super::session::now;

/// How often each clock is read.
const READINGS: usize = 3;
/// An offset of this much is told.
const TOLD_MS: u64 = 1_000;

/// How far a clock is ahead of this machine's; negative for one that is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offset {
    pub ms: i64,
}

/// One look at a clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    asked: UnixMillis,
    answered: UnixMillis,
    shown: UnixMillis,
}

impl Offset {
    /// Reads the clock of a node. One that does not show it is taken to be right.
    pub async fn of(node: &NodeHandle) -> Self {
        let mut readings = Vec::new();
        for _ in 0..READINGS {
            let (asked, began) = (now(), Instant::now());
            let Ok(info) = node.node().info().await else { break };
            // By the monotonic clock: the other one may be set meanwhile.
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            readings.push(Reading {
                asked,
                answered: UnixMillis(asked.0.saturating_add(took)),
                shown: info.now,
            });
        }
        Self::best(&readings)
    }

    fn best(readings: &[Reading]) -> Self {
        let quickest = readings.iter().filter(|reading| reading.shown.0 > 0).min_by_key(|one| one.trip_ms());
        quickest.map_or_else(Self::default, |reading| {
            let trip = reading.trip_ms();
            let middle = reading.asked.0.saturating_add(trip / 2);
            let ms = i64::try_from(i128::from(reading.shown.0) - i128::from(middle)).unwrap_or_default();
            // What is no more than the answer took may be nothing at all.
            Self { ms: if ms.unsigned_abs() <= trip / 2 + 1 { 0 } else { ms } }
        })
    }

    /// When something was by this machine's clock, of a time by the node's, in microseconds.
    pub const fn corrected_us(self, time_us: u64) -> u64 {
        time_us.saturating_add_signed(self.ms.saturating_mul(-1_000))
    }

    /// What the node's clock showed, of a time by this machine's.
    pub const fn shown(self, at: UnixMillis) -> UnixMillis {
        UnixMillis(at.0.saturating_add_signed(self.ms))
    }

    /// Words for people, if it is far enough to be surprised by.
    pub fn words(self) -> Option<String> {
        let side = if self.ms > 0 { "ahead of" } else { "behind" };
        let seconds = self.ms.unsigned_abs() as f64 / 1e3;
        (self.ms.unsigned_abs() >= TOLD_MS).then(|| {
            format!("its clock is {seconds:.1} s {side} this machine's; its lines stand where they belong by this one")
        })
    }
}

impl Reading {
    const fn trip_ms(&self) -> u64 {
        self.answered.0.saturating_sub(self.asked.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(asked: u64, answered: u64, shown: u64) -> Reading {
        Reading { asked: UnixMillis(asked), answered: UnixMillis(answered), shown: UnixMillis(shown) }
    }

    #[test]
    fn the_quickest_answer_counts_and_half_of_its_way_is_taken_off() {
        let readings = [reading(10_000, 10_400, 15_390), reading(10_400, 10_420, 15_410)];
        let offset = Offset::best(&readings);
        assert_eq!(offset, Offset { ms: 5_000 });
        assert_eq!(offset.corrected_us(15_410_000), 10_410_000);
        assert_eq!(offset.shown(UnixMillis(10_410)), UnixMillis(15_410));
        assert!(offset.words().unwrap().starts_with("its clock is 5.0 s ahead of"));
        let behind = Offset::best(&[reading(10_000, 10_000, 8_000)]);
        assert_eq!((behind.ms, behind.corrected_us(8_000_000)), (-2_000, 10_000_000));
    }

    #[test]
    fn what_cannot_be_told_from_the_way_is_nothing() {
        assert_eq!(Offset::best(&[reading(10_000, 10_020, 10_021)]), Offset::default());
        assert_eq!(Offset::best(&[reading(10_000, 10_001, 0)]), Offset::default(), "it shows no clock");
        assert_eq!(Offset::best(&[]), Offset::default());
        assert_eq!(Offset { ms: 999 }.words(), None);
    }
}
