//! When to draw and when to wake: at most thirty frames a second, and one tick a second when nothing happens.
//!
//! Pure: the runtime tells the time.

use p2p_shared::time::Millis;

/// The least time between two frames.
const FRAME: Millis = Millis(34);
/// The most time between two ticks.
const TICK: Millis = Millis::from_secs(1);

/// What was drawn and told when.
#[derive(Debug, Default)]
pub struct Pacing {
    /// Whether what is on the screen is out of date.
    stale: bool,
    drawn: Option<Millis>,
    ticked: Millis,
}

impl Pacing {
    /// The screen is out of date.
    pub const fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// A tick was told.
    pub const fn mark_tick(&mut self, now: Millis) {
        self.ticked = now;
    }

    /// A frame was drawn.
    pub const fn mark_frame(&mut self, now: Millis) {
        self.stale = false;
        self.drawn = Some(now);
    }

    /// Whether to draw now.
    pub fn is_frame_due(&self, now: Millis) -> bool {
        self.stale && self.drawn.is_none_or(|drawn| now.since(drawn) >= FRAME)
    }

    /// When to wake if nothing happens before.
    pub fn wake_at(&self) -> Millis {
        let tick = self.ticked + TICK;
        if self.stale { tick.min(self.drawn.map_or(Millis::ZERO, |drawn| drawn + FRAME)) } else { tick }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_console_wakes_once_a_second_and_draws_nothing() {
        let mut pacing = Pacing::default();
        pacing.mark_stale();
        pacing.mark_frame(Millis(10));
        pacing.mark_tick(Millis(10));
        assert_eq!(pacing.wake_at(), Millis(1_010));
        assert!(!pacing.is_frame_due(Millis(1_010)));
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
    fn a_change_soon_after_a_frame_wakes_when_the_next_is_due() {
        let mut pacing = Pacing::default();
        pacing.mark_tick(Millis(100));
        pacing.mark_frame(Millis(100));
        pacing.mark_stale();
        assert!(!pacing.is_frame_due(Millis(120)));
        assert_eq!(pacing.wake_at(), Millis(134));
        assert!(pacing.is_frame_due(Millis(134)));
    }

    #[test]
    fn a_clock_that_stands_still_does_no_harm() {
        let mut pacing = Pacing::default();
        pacing.mark_frame(Millis(50));
        pacing.mark_stale();
        assert!(!pacing.is_frame_due(Millis(20)));
    }
}
