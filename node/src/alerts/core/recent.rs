//! What happened within the last ten minutes: restarts of units and programs, and steps of the clock.

use std::collections::{BTreeMap, VecDeque};

use p2p_shared::time::Millis;

/// How long something counts.
pub const SPAN: Millis = Millis(600_000);
/// Names that are kept; beyond, new ones are not counted.
const NAMES_MAX: usize = 4_096;
/// Times of one name that are kept; the oldest goes.
const TIMES_MAX: usize = 256;

/// Counts, by name, how much a total has grown lately.
#[derive(Debug, Default)]
pub struct Recent {
    names: BTreeMap<String, Counted>,
}

#[derive(Debug)]
struct Counted {
    total: u64,
    grown: VecDeque<(Millis, u64)>,
}

impl Recent {
    /// Notes the total of a name. The first is where counting begins; a lower one is one of a new count.
    pub fn note(&mut self, now: Millis, name: &str, total: u64) {
        let room = self.names.len() < NAMES_MAX;
        let Some(counted) = self.names.get_mut(name) else {
            if room {
                self.names.insert(name.to_owned(), Counted { total, grown: VecDeque::new() });
            }
            return;
        };
        let before = std::mem::replace(&mut counted.total, total);
        let grown = if total < before { total } else { total - before };
        if grown > 0 {
            if counted.grown.len() >= TIMES_MAX {
                counted.grown.pop_front();
            }
            counted.grown.push_back((now, grown));
        }
    }

    /// Forgets a name.
    pub fn forget(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// How much each has grown within the span; also what has not.
    pub fn counts(&mut self, now: Millis) -> impl Iterator<Item = (&str, u64)> {
        for counted in self.names.values_mut() {
            while counted.grown.front().is_some_and(|(at, _)| now.since(*at) >= SPAN) {
                counted.grown.pop_front();
            }
        }
        self.names
            .iter()
            .map(|(name, counted)| (name.as_str(), counted.grown.iter().map(|(_, grown)| grown).sum()))
    }
}

/// Steps of a clock against one that never steps.
#[derive(Debug, Default)]
pub struct Steps {
    /// What the one was ahead of the other.
    offset: Option<i128>,
    steps: VecDeque<(Millis, u64)>,
}

impl Steps {
    /// Notes both clocks; the greatest step within the span. Less than `least` is the clock being kept right.
    pub fn note(&mut self, steady: Millis, wall_ms: u64, least: Millis) -> Millis {
        let offset = i128::from(wall_ms) - i128::from(steady.0);
        let before = self.offset.replace(offset).unwrap_or(offset);
        let step = u64::try_from((offset - before).unsigned_abs()).unwrap_or(u64::MAX);
        if step >= least.0 {
            if self.steps.len() >= TIMES_MAX {
                self.steps.pop_front();
            }
            self.steps.push_back((steady, step));
        }
        while self.steps.front().is_some_and(|(at, _)| steady.since(*at) >= SPAN) {
            self.steps.pop_front();
        }
        Millis(self.steps.iter().map(|(_, step)| *step).max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_lately_counts_and_ends_counting() {
        let mut recent = Recent::default();
        let at = |seconds| Millis::from_secs(seconds);
        recent.note(at(0), "a", 7);
        recent.note(at(10), "a", 9);
        recent.note(at(20), "a", 1);
        let count = |recent: &mut Recent, now| recent.counts(now).map(|(_, count)| count).sum::<u64>();
        assert_eq!(count(&mut recent, at(30)), 3, "two more, and one of a new count");
        assert_eq!(count(&mut recent, at(615)), 1);
        assert_eq!(count(&mut recent, at(620)), 0);
        recent.forget("a");
        assert_eq!(recent.counts(at(620)).count(), 0);
    }

    #[test]
    fn a_step_of_the_clock_counts_for_ten_minutes_and_drift_does_not() {
        let (mut steps, least) = (Steps::default(), Millis(1_000));
        assert_eq!(steps.note(Millis(0), 1_000_000, least), Millis(0));
        assert_eq!(steps.note(Millis(1_000), 1_001_500, least), Millis(0));
        assert_eq!(steps.note(Millis(2_000), 1_002_500 - 900_000, least), Millis(900_000));
        assert_eq!(steps.note(Millis(601_000), 701_500, least), Millis(900_000));
        assert_eq!(steps.note(Millis(602_000), 702_500, least), Millis(0));
    }
}
