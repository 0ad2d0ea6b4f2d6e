//! What is begun when, and how each target ends: the pure core of a fan-out.
//!
//! Ends of targets and a call-off enter with the time; orders to begin and to stop leave. A target that is told
//! to stop has ended there and then: what it says later counts no more. At every moment each target is either
//! waiting, running or ended, and ends only once.

use std::collections::VecDeque;

use super::plan::{AT_ONCE_MAX, Plan};
use super::{Counts, Outcome};
use crate::time::Millis;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A target ended by itself.
    Ended(usize, Outcome),
    /// Somebody calls it all off.
    Cancel,
    /// Time went by.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Begin with this target.
    Begin(usize),
    /// Stop what runs on it.
    Stop(usize),
    /// It has ended, so.
    Ended(usize, Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// Since then.
    Running(Millis),
    Ended(Outcome),
}

/// A fan-out over targets that are known by their place.
#[derive(Debug)]
pub struct Fanout {
    plan: Plan,
    targets: Vec<State>,
    begun_at: Millis,
    /// The next that is to begin.
    next: usize,
    /// Where the present batch ends.
    batch_end: usize,
    running: usize,
    failures: usize,
    counts: Counts,
    /// The next batch begins then.
    resume: Option<Millis>,
    output: VecDeque<Output>,
}

impl Fanout {
    /// Begins at `now`.
    pub fn new(now: Millis, plan: Plan, targets: usize) -> Self {
        let mut fanout = Self {
            plan,
            targets: vec![State::Waiting; targets],
            begun_at: now,
            next: 0,
            batch_end: 0,
            running: 0,
            failures: 0,
            counts: Counts::default(),
            resume: None,
            output: VecDeque::new(),
        };
        fanout.batch_end = fanout.batch();
        fanout.proceed(now);
        fanout
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::Ended(index, outcome) => {
                if matches!(self.targets.get(index), Some(State::Running(_))) {
                    self.running -= 1;
                    self.end(index, outcome);
                }
            }
            Input::Cancel => self.call_off(Outcome::Cancelled),
            Input::Tick => {}
        }
        self.expire(now);
        self.proceed(now);
    }

    /// The next order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When time itself brings something about.
    pub fn poll_timeout(&self) -> Option<Millis> {
        if self.is_done() {
            return None;
        }
        let total = self.plan.total_time.map(|time| self.begun_at + time);
        let ends = self.targets.iter().filter_map(|state| match state {
            State::Running(since) => self.plan.target_time.map(|time| *since + time),
            _ => None,
        });
        ends.chain(total).chain(self.resume).min()
    }

    /// Whether every target has ended.
    pub fn is_done(&self) -> bool {
        self.counts.total() == self.targets.len()
    }

    /// How those that have ended did.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn batch(&self) -> usize {
        let total = self.targets.len();
        self.plan.batch.map_or(total, |batch| batch.at_least_one(total))
    }

    fn end(&mut self, index: usize, outcome: Outcome) {
        self.targets[index] = State::Ended(outcome);
        self.counts.add(outcome);
        self.failures += usize::from(outcome.is_failure());
        self.output.push_back(Output::Ended(index, outcome));
        let borne = self.plan.fail_max.map(|share| share.at_most(self.targets.len()));
        if borne.is_some_and(|borne| self.failures > borne) {
            self.skip();
        }
    }

    /// What has not begun never will.
    fn skip(&mut self) {
        let waiting = self.next..self.targets.len();
        self.next = self.targets.len();
        self.resume = None;
        for index in waiting {
            self.end(index, Outcome::Skipped);
        }
    }

    fn call_off(&mut self, outcome: Outcome) {
        self.skip();
        for index in 0..self.targets.len() {
            self.stop(index, outcome);
        }
    }

    fn stop(&mut self, index: usize, outcome: Outcome) {
        if matches!(self.targets[index], State::Running(_)) {
            self.running -= 1;
            self.output.push_back(Output::Stop(index));
            self.end(index, outcome);
        }
    }

    fn expire(&mut self, now: Millis) {
        if self.plan.total_time.is_some_and(|time| self.begun_at + time <= now) {
            self.call_off(Outcome::TimedOut);
        }
        let Some(time) = self.plan.target_time else { return };
        for index in 0..self.targets.len() {
            if matches!(self.targets[index], State::Running(since) if since + time <= now) {
                self.stop(index, Outcome::TimedOut);
            }
        }
    }

    fn proceed(&mut self, now: Millis) {
        if self.next == self.batch_end && self.running == 0 && self.next < self.targets.len() {
            let resume = *self.resume.get_or_insert(now + self.plan.pause);
            if resume > now {
                return;
            }
            self.resume = None;
            self.batch_end = (self.next + self.batch()).min(self.targets.len());
        }
        while self.next < self.batch_end.min(self.targets.len()) && self.running < AT_ONCE_MAX {
            self.targets[self.next] = State::Running(now);
            self.running += 1;
            self.output.push_back(Output::Begin(self.next));
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests;
