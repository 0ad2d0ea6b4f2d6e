//! When to draw and when to wake: at most thirty frames a second, a tick a second after something happened, and
//! fewer and fewer while nothing does.
//!
//! Pure: the runtime tells the time.

use p2p_shared::time::Millis;

/// The least time between two frames.
const FRAME: Millis = Millis(34);
/// The time to the next tick after something happened.
const TICK: Millis = Millis::from_secs(1);
/// The most time between two ticks.
const TICK_MAX: Millis = Millis::from_secs(4);

/// What was drawn and told when.
#[derive(Debug)]
pub struct Pacing {
    /// Whether what is on the screen is out of date.
    stale: bool,
    drawn: Option<Millis>,
    ticked: Millis,
    /// How long after the last tick the next one comes.
    rest: Millis,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { stale: false, drawn: None, ticked: Millis::ZERO, rest: TICK }
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
        let tick = self.ticked + self.rest;
        if self.stale { tick.min(self.drawn.map_or(Millis::ZERO, |drawn| drawn + FRAME)) } else { tick }
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
        assert_eq!(wakes, [1_010, 3_010, 7_010, 11_010, 15_010]);
        pacing.mark_busy();
        assert_eq!(pacing.wake_at(), Millis(16_010));
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
