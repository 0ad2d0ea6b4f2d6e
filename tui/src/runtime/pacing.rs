//! When to draw and when to wake: at most thirty frames a second in the long run, a tick at the beat after something
//! happened, and fewer and fewer while nothing does. Ticks are at the beats of the connections: both wake it once.
//!
//! After a rest some frames follow each other at once: a key and the answer to it are two changes, and whoever waits
//! for the answer does not wait for the next thirtieth of a second besides.
//!
//! Pure: the runtime tells the time.

use p2p_shared::time::Millis;

use crate::effects::beat::{BEAT, beats, next};

/// The time between two frames in the long run.
const FRAME: Millis = Millis(34);
/// The least time between two frames: what comes together is drawn together.
const GAP: Millis = Millis(5);
/// Frames that a rest saves up.
const SAVED: u64 = 5;
/// The time to the next tick after something happened.
const TICK: Millis = BEAT;
/// The most time between two ticks.
const TICK_MAX: Millis = beats(8);

/// What was drawn and told when.
#[derive(Debug)]
pub struct Pacing {
    /// Whether what is on the screen is out of date.
    stale: bool,
    drawn: Option<Millis>,
    /// Up to when the frames that were drawn last, each for [`FRAME`].
    spent: Millis,
    ticked: Millis,
    /// The next tick is at a multiple of it.
    rest: Millis,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { stale: false, drawn: None, spent: Millis::ZERO, ticked: Millis::ZERO, rest: TICK }
    }
}

impl Pacing {
    /// The screen is out of date.
    pub const fn mark_stale(&mut self) {
        (self.stale, self.rest) = (true, TICK);
    }

    /// The wait is over, and nothing had happened.
    pub fn mark_idle(&mut self) {
        self.rest = (self.rest + self.rest).min(TICK_MAX);
    }

    /// Something happened.
    pub const fn mark_busy(&mut self) {
        self.rest = TICK;
    }

    /// A tick was told.
    pub const fn mark_tick(&mut self, now: Millis) {
        self.ticked = now;
    }

    /// A frame was drawn.
    pub fn mark_frame(&mut self, now: Millis) {
        self.stale = false;
        self.drawn = Some(now);
        self.spent = self.spent.max(now) + FRAME;
    }

    /// When the next frame may be drawn.
    fn frame_at(&self) -> Millis {
        let Some(drawn) = self.drawn else { return Millis::ZERO };
        (drawn + GAP).max(self.spent.since(Millis(FRAME.0 * SAVED)))
    }

    /// Whether to draw now.
    pub fn is_frame_due(&self, now: Millis) -> bool {
        self.stale && now >= self.frame_at()
    }

    /// When to wake if nothing happens before.
    pub fn wake_at(&self) -> Millis {
        let tick = next(self.ticked, self.rest);
        if self.stale { tick.min(self.frame_at()) } else { tick }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_console_wakes_less_and_less_and_draws_nothing() {
        let mut pacing = Pacing::default();
        pacing.mark_stale();
        pacing.mark_frame(Millis(10));
        pacing.mark_tick(Millis(10));
        let mut wakes = Vec::new();
        for _ in 0..5 {
            wakes.push(pacing.wake_at().0);
            assert!(!pacing.is_frame_due(pacing.wake_at()));
            pacing.mark_tick(pacing.wake_at());
            pacing.mark_idle();
        }
        assert_eq!(wakes, [1, 2, 4, 8, 16].map(|count| beats(count).0));
        pacing.mark_busy();
        assert_eq!(pacing.wake_at(), beats(17));
    }

    #[test]
    fn the_first_change_after_a_rest_is_drawn_at_once() {
        let mut pacing = Pacing::default();
        assert!(!pacing.is_frame_due(Millis(0)));
        pacing.mark_stale();
        assert!(pacing.is_frame_due(Millis(0)));
        pacing.mark_frame(Millis(0));
        pacing.mark_stale();
        assert!(pacing.is_frame_due(Millis(5_000)));
    }

    #[test]
    fn a_flood_of_changes_is_drawn_thirty_times_a_second() {
        let mut pacing = Pacing::default();
        let mut frames = 0;
        for now in 0..10_000 {
            pacing.mark_stale();
            if pacing.is_frame_due(Millis(now)) {
                pacing.mark_frame(Millis(now));
                frames += 1;
            }
        }
        assert!((290..=300).contains(&frames), "{frames}");
    }

    #[test]
    fn a_key_after_a_rest_and_the_answer_to_it_are_drawn_at_once() {
        let mut pacing = Pacing::default();
        let mut drawn = Vec::new();
        for now in (0..30).chain(5_000..5_060) {
            pacing.mark_stale();
            if pacing.is_frame_due(Millis(now)) {
                pacing.mark_frame(Millis(now));
                drawn.push(now);
            }
        }
        assert_eq!(drawn, [0, 5, 10, 15, 20, 25, 5_000, 5_005, 5_010, 5_015, 5_020, 5_025, 5_034]);
    }

    #[test]
    fn a_change_soon_after_a_frame_wakes_when_the_next_is_due() {
        let mut pacing = Pacing::default();
        pacing.mark_tick(Millis(100));
        pacing.mark_frame(Millis(100));
        pacing.mark_stale();
        assert!(!pacing.is_frame_due(Millis(104)));
        assert_eq!(pacing.wake_at(), Millis(105));
        assert!(pacing.is_frame_due(Millis(105)));
    }

    #[test]
    fn a_clock_that_stands_still_does_no_harm() {
        let mut pacing = Pacing::default();
        pacing.mark_frame(Millis(50));
        pacing.mark_stale();
        assert!(!pacing.is_frame_due(Millis(20)));
    }
}
