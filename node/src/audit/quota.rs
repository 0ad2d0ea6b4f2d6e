//! How many refusals are recorded: a caller without rights must not push out the records of others. Pure.

use std::time::{Duration, Instant};

/// How many come at once.
const BURST: u32 = 1_000;
/// How long until there is room for another.
const EVERY: Duration = Duration::from_millis(100);

/// Room for refusals.
#[derive(Debug)]
pub(super) struct Quota {
    room: u32,
    since: Instant,
    omitted: u64,
}

impl Quota {
    pub(super) const fn new(now: Instant) -> Self {
        Self { room: BURST, since: now, omitted: 0 }
    }

    /// Takes room for one; `None` if there is none, else how many found none before it.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        let gained = now.saturating_duration_since(self.since).as_millis() / EVERY.as_millis();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        if gained > 0 {
            self.room = self.room.saturating_add(gained).min(BURST);
            self.since = now;
        }
        if self.room == 0 {
            self.omitted += 1;
            return None;
        }
        self.room -= 1;
        Some(std::mem::take(&mut self.omitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_a_trickle_is_recorded() {
        let start = Instant::now();
        let mut quota = Quota::new(start);
        let recorded = (0..5_000).filter(|_| quota.take(start).is_some()).count();
        assert_eq!(recorded, BURST as usize);
        assert_eq!(quota.take(start + EVERY), Some(4_000));
        assert_eq!(quota.take(start + EVERY), None);
        assert_eq!(quota.take(start + EVERY * 2), Some(1));
    }
}
