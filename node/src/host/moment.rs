//! One reading of the clocks that figures need: taken once a sample, handed down as a value.

use p2p_shared::time::{Millis, UnixMillis};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A moment on three clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Never jumps; for intervals.
    pub monotonic: Millis,
    /// Since boot, sleep included: the clock of start times in `/proc/PID/stat`.
    pub since_boot: Millis,
    /// The wall clock.
    pub wall: UnixMillis,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self {
            monotonic: millis(clock_gettime(ClockId::Monotonic)),
            since_boot: millis(clock_gettime(ClockId::Boottime)),
            wall: UnixMillis(millis(clock_gettime(ClockId::Realtime)).0),
        }
    }

    /// When the host booted, by the wall clock of this moment.
    pub fn boot(self) -> UnixMillis {
        UnixMillis(self.wall.0.saturating_sub(self.since_boot.0))
    }
}

fn millis(time: Timespec) -> Millis {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Millis(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000))
}
