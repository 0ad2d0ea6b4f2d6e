//! The wall clock of this machine, where something outside of it must understand a time.

use std::time::SystemTime;

use p2p_shared::time::{Millis, UnixMillis};

/// Now. A clock before 1970 counts as 1970.
pub fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(Millis::from(since).0)
}
