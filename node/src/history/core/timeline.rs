//! Which second of the history a sample belongs to: the wall clock says where the line begins, the monotonic
//! clock carries it on.
//!
//! The wall clock alone would lose and double seconds when samples come a little early or late around the
//! turn of a second. The monotonic clock alone would go on beside the time that everybody else sees once the
//! wall clock was set. So seconds are counted by the monotonic clock for as long as both agree to
//! `DRIFT_MAX` seconds, and begin anew at the wall clock when they do not: it jumped, or the machine slept.
//! What comes of a jump is for the record: forward leaves a gap, backward gives seconds that were there before,
//! and the record keeps both (see [`super::recorder`]).

use p2p_shared::time::{Millis, UnixMillis};

/// By how many seconds the clocks may differ before the wall clock is believed.
const DRIFT_MAX: u64 = 1;

/// The line of seconds of one run of the node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeline {
    /// When on the monotonic clock the line began, and in which second since 1970.
    anchor: Option<(Millis, u64)>,
}

impl Timeline {
    /// The second, since 1970, of a sample that was taken at this point of both clocks.
    pub fn second(&mut self, monotonic: Millis, wall: UnixMillis) -> u64 {
        let wall = wall.0 / 1_000;
        if let Some((began, first)) = self.anchor {
            let second = first.saturating_add(monotonic.since(began).0.saturating_add(500) / 1_000);
            if second.abs_diff(wall) <= DRIFT_MAX {
                return second;
            }
        }
        self.anchor = Some((monotonic, wall));
        wall
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WALL: u64 = 1_795_404_123_000;
    const HOUR: u64 = 3_600_000;

    proptest! {
        #[test]
        fn a_steady_sampler_loses_and_doubles_nothing(
            phase in 0u64..1_000,
            late in prop::collection::vec(0u64..240, 2..200),
        ) {
            let mut timeline = Timeline::default();
            let seconds: Vec<u64> = (0u64..)
                .zip(&late)
                .map(|(count, late)| phase + count * 1_000 + late)
                .map(|at| timeline.second(Millis(at), UnixMillis(WALL + at)))
                .collect();
            prop_assert!(seconds.windows(2).all(|pair| pair[1] == pair[0] + 1), "{:?}", seconds);
        }
    }

    #[test]
    fn a_clock_that_jumps_is_followed_at_once() {
        let mut timeline = Timeline::default();
        let first = timeline.second(Millis(0), UnixMillis(WALL));
        assert_eq!(timeline.second(Millis(1_000), UnixMillis(WALL + 1_000 + HOUR)), first + 3_601);
        assert_eq!(timeline.second(Millis(2_000), UnixMillis(WALL + 2_000)), first + 2);
        assert_eq!(timeline.second(Millis(3_000), UnixMillis(WALL + 3_000)), first + 3);
    }

    #[test]
    fn a_machine_that_slept_goes_on_at_the_wall_clock() {
        let mut timeline = Timeline::default();
        let first = timeline.second(Millis(0), UnixMillis(WALL));
        assert_eq!(timeline.second(Millis(1_000), UnixMillis(WALL + 1_000 + 8 * HOUR)), first + 28_801);
    }
}
