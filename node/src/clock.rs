//! The wall clock of this machine, where something outside of it must understand a time.

use std::time::SystemTime;

use p2p_shared::time::{Millis, UnixMillis};

use crate::host::moment::Moment;

/// What the wall clock gains or loses at once by less than this is its being kept right.
pub const STEP_LEAST_MS: u64 = 1_000;

/// Now. A clock before 1970 counts as 1970.
pub fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(Millis::from(since).0)
}

/// By how much the wall clock is ahead of the clock since boot, in milliseconds: another number only after the wall
/// clock was set.
pub fn offset_ms() -> i64 {
    let Moment { since_boot, wall, .. } = Moment::now();
    i64::try_from(wall.0).unwrap_or(i64::MAX).saturating_sub(i64::try_from(since_boot.0).unwrap_or(i64::MAX))
}
