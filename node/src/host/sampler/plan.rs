//! When what is due: pure functions of the demand and the time.

use p2p_shared::time::Millis;

use super::demand::Wanted;
use super::{HOST_PERIOD, SCAN_GAP};

/// When the thread did what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) host_due: Millis,
    pub(super) last_scan: Option<Millis>,
    /// The last scan that counted as one for those who watch: one that was asked for in between does not put
    /// theirs off.
    pub(super) last_watched: Option<Millis>,
}

impl Clock {
    /// Notes a scan.
    pub(super) fn scanned(&mut self, interval: Option<Millis>, now: Millis) {
        self.last_scan = Some(now);
        let interval = interval.unwrap_or(Millis::ZERO);
        if self.last_watched.is_none_or(|last| is_due(last, interval, now)) {
            self.last_watched = Some(now);
        }
    }
}

/// Whether somebody who wants something every `interval`, and had it at `last`, wants what is of `now`. What
/// comes a little early counts: waiting for the next would double the interval.
pub(crate) fn is_due(last: Millis, interval: Millis, now: Millis) -> bool {
    now.since(last) + slack(interval) >= interval
}

/// What to do now; `sleep` if that is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) host: bool,
    pub(super) processes: bool,
    pub(super) sleep: Millis,
}

/// What is due at `now`.
pub(super) fn due(clock: &Clock, wanted: &Wanted, now: Millis) -> Due {
    let scan_due = scan_due(clock, wanted);
    let interval = wanted.interval().unwrap_or(HOST_PERIOD);
    // Whoever is awake anyway does what would be due in a moment, rather than wake up twice.
    let host = clock.host_due <= now;
    let early = if host { slack(interval) } else { Millis::ZERO };
    let processes = scan_due.is_some_and(|due| due <= now + early);
    let next = scan_due.unwrap_or(Millis::MAX).min(clock.host_due);
    Due { host, processes, sleep: next.since(now) }
}

fn scan_due(clock: &Clock, wanted: &Wanted) -> Option<Millis> {
    let after = |last: Option<Millis>, span| last.map_or(Millis::ZERO, |last| last + span);
    let asked = (wanted.asked > wanted.answered).then(|| after(clock.last_scan, SCAN_GAP));
    let watched = wanted.interval().map(|interval| after(clock.last_watched, interval));
    asked.into_iter().chain(watched).min()
}

/// By how much something may come early.
const fn slack(interval: Millis) -> Millis {
    Millis(interval.0 / 8)
}

/// The next of times that are `period` apart; those that were missed are passed over.
pub(super) fn after(due: Millis, period: Millis, now: Millis) -> Millis {
    let next = due + period;
    if next > now { next } else { now + period }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(watchers: &[u64], asked: u64) -> Wanted {
        let watchers = watchers.iter().map(|&interval| (Millis(interval), 1)).collect();
        Wanted { watchers, asked, answered: 0, stop: false }
    }

    const fn clock(last_scan: Option<u64>) -> Clock {
        let last_scan = match last_scan {
            Some(at) => Some(Millis(at)),
            None => None,
        };
        Clock { host_due: Millis(5_000), last_scan, last_watched: last_scan }
    }

    #[test]
    fn a_scan_that_was_asked_for_does_not_put_off_those_who_watch() {
        let mut clock = clock(Some(1_000));
        clock.scanned(Some(Millis(1_000)), Millis(1_700));
        assert!(due(&clock, &wanted(&[1_000], 0), Millis(2_000)).processes);
        clock.scanned(Some(Millis(1_000)), Millis(1_900));
        assert!(!due(&clock, &wanted(&[1_000], 0), Millis(2_000)).processes);
    }

    #[test]
    fn nobody_wants_processes_and_none_are_scanned() {
        let idle = due(&clock(Some(0)), &wanted(&[], 0), Millis(4_000));
        assert_eq!(idle, Due { host: false, processes: false, sleep: Millis(1_000) });
        let host = due(&clock(None), &wanted(&[], 0), Millis(5_000));
        assert_eq!((host.host, host.processes), (true, false));
    }

    #[test]
    fn the_smallest_interval_decides() {
        let both = wanted(&[10_000, 500], 0);
        assert_eq!(due(&clock(Some(4_000)), &both, Millis(4_499)).sleep, Millis(1));
        assert!(due(&clock(Some(4_000)), &both, Millis(4_500)).processes);
        assert!(due(&clock(None), &both, Millis(0)).processes);
    }

    #[test]
    fn requests_close_together_wait_for_the_next_scan() {
        let asked = wanted(&[], 1);
        assert!(due(&clock(None), &asked, Millis(1)).processes);
        let soon = due(&clock(Some(100)), &asked, Millis(101));
        assert_eq!((soon.processes, soon.sleep), (false, Millis(19)));
    }

    #[test]
    fn a_scan_that_is_almost_due_shares_the_wake_up_of_the_host() {
        let watched = wanted(&[1_000], 0);
        assert!(due(&clock(Some(4_050)), &watched, Millis(5_000)).processes);
        assert!(!due(&clock(Some(4_500)), &watched, Millis(5_000)).processes);
    }

    #[test]
    fn missed_times_are_passed_over() {
        assert_eq!(after(Millis(1_000), Millis(1_000), Millis(1_001)), Millis(2_000));
        assert_eq!(after(Millis(1_000), Millis(1_000), Millis(9_500)), Millis(10_500));
    }
}
