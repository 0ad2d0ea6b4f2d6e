//! The beat: all that is done each now and then is done at one, so that the console wakes once for all of it.
//!
//! A beat is not a second, because the runtime keeps its timers in slots of 64 and of 4,096 ms and wakes also where a
//! slot begins that holds a later one. A time at which a slot begins wakes it once. They count from its start.

use std::sync::LazyLock;
use std::time::Instant;

use p2p_shared::time::Millis;
use tokio::time::sleep_until;

/// The time between two of them.
pub const BEAT: Millis = Millis(1_024);

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When they began: at the first call, which is made right before the runtime is.
pub fn begin() -> Instant {
    *BEGIN
}

/// So many.
pub const fn beats(count: u64) -> Millis {
    Millis(BEAT.0 * count)
}

/// The first multiple of `span` after `now`.
pub const fn next(now: Millis, span: Millis) -> Millis {
    Millis((now.0 / span.0 + 1) * span.0)
}

/// The first multiple of `span` that is at least half of it away.
const fn due(now: Millis, span: Millis) -> Millis {
    next(Millis(now.0 + span.0 / 2), span)
}

/// Waits until something is due that is done each `span`. Whoever was stopped meanwhile wakes once, and not as often
/// as it missed.
pub async fn wait(span: Millis) {
    let begin = tokio::time::Instant::from_std(begin());
    let now = Millis::from(tokio::time::Instant::now().saturating_duration_since(begin));
    sleep_until(begin + due(now, span).to_duration()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_all_lengths_end_at_common_beats() {
        for now in [0, 1, 1_023, 1_024, 5_000] {
            let (short, long) = (next(Millis(now), beats(1)), next(Millis(now), beats(4)));
            assert!(short.0 > now && short.0 - now <= BEAT.0 && long >= short);
            assert_eq!((short.0 % BEAT.0, long.0 % beats(4).0), (0, 0));
        }
    }

    #[test]
    fn what_is_due_is_neither_much_sooner_nor_much_later_than_it_says() {
        let span = beats(4);
        for now in (0..10_000).map(Millis) {
            let wait = due(now, span).since(now);
            assert!(wait.0 > span.0 / 2 && wait.0 <= span.0 * 3 / 2, "{now:?}");
        }
    }
}
