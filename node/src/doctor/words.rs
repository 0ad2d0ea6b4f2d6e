//! Times and sizes as the report says them.

use p2p_shared::time::{Millis, UnixMillis};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// RFC 3339, to the second.
pub(super) fn utc(at: UnixMillis) -> String {
    at.to_the_second().to_string()
}

/// A span in the largest unit that gives at least two.
pub(super) fn span(span: Millis) -> String {
    let units = [(DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (1_000, "seconds")];
    let fits = units.into_iter().find(|(unit, _)| span.0 >= 2 * unit).unwrap_or((1_000, "seconds"));
    format!("{} {}", span.0 / fits.0, fits.1)
}

/// A size in MiB or GiB.
pub(super) fn size(bytes: u64) -> String {
    if bytes >= 10 << 30 { format!("{} GiB", bytes >> 30) } else { format!("{} MiB", bytes >> 20) }
}

/// A number of things, one of which is a `noun`.
pub(super) fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_sizes_and_times_are_read_at_a_glance() {
        assert_eq!(span(Millis(83 * DAY + HOUR)), "83 days");
        assert_eq!(span(Millis(DAY)), "24 hours");
        assert_eq!(span(Millis(90_000)), "90 seconds");
        assert_eq!(span(Millis::ZERO), "0 seconds");
        assert_eq!((size(63 << 20), size(20 << 30)), ("63 MiB".into(), "20 GiB".into()));
        assert_eq!((count(1_u64, "peer"), count(0_u64, "peer")), ("1 peer".into(), "0 peers".into()));
        assert_eq!(utc(UnixMillis(1_795_404_123_456)), "2026-11-23T03:22:03Z");
    }
}
