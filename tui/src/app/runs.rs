//! What became of every target of every action: each waits its turn or for an answer, is done, failed with a reason,
//! or was not tried. With a pace only so many are under way at a time, and the first failure may end it.

use std::collections::BTreeMap;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::time::UnixMillis;

use super::confirm::{Proposal, Target};
use crate::command::{Command, Errand, RunId};
use crate::event::Answer;

/// Actions that are remembered; the oldest is forgotten.
const RUNS_MAX: usize = 100;
/// How many targets can be under way at a time; `None` is all.
const STEPS: [Option<usize>; 5] = [None, Some(1), Some(2), Some(5), Some(10)];

/// How an action goes over its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// So many at a time; `None` is all at once.
    pub at_once: Option<usize>,
    /// The first failure ends it: what has not begun is not tried.
    pub stops: bool,
}

impl Pace {
    /// Fewer at a time, and after all of them one.
    pub fn turn(&mut self) {
        let at = STEPS.iter().position(|step| *step == self.at_once).unwrap_or(0);
        self.at_once = STEPS[(at + 1) % STEPS.len()];
    }

    /// In words, for a dialog: how many, and what a failure does.
    pub fn words(self) -> [String; 2] {
        let many = match self.at_once {
            None => "all at once".to_owned(),
            Some(1) => "one at a time".to_owned(),
            Some(many) => format!("{many} at a time"),
        };
        let failure = if self.stops { "the first failure ends it" } else { "goes on if one fails" };
        [many, failure.to_owned()]
    }
}

/// How far one target is.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It has not begun.
    Pending,
    /// No answer yet.
    Waiting,
    /// It is done.
    Done,
    /// It is not, or nobody knows.
    Failed(RpcError),
    /// It was not tried, for another one failed or it was given up.
    Skipped,
}

impl Progress {
    /// In words: `done`, `unreachable`, `failed (conflict)`.
    pub fn word(&self) -> String {
        match self {
            Self::Pending => "not begun".to_owned(),
            Self::Waiting => "waiting".to_owned(),
            Self::Done => "done".to_owned(),
            Self::Skipped => "not tried".to_owned(),
            Self::Failed(error) => match error.code {
                Code::Unavailable => "unreachable".to_owned(),
                Code::Deadline => "no answer in time".to_owned(),
                Code::Cancelled => "given up".to_owned(),
                code => format!("failed ({code})"),
            },
        }
    }

    const fn is_open(&self) -> bool {
        matches!(self, Self::Pending | Self::Waiting)
    }
}

/// One target of an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// What it is called.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
    /// What its command wrote, if it was one and has ended.
    pub answer: Option<Answer>,
    /// To try it again; gone once it is done.
    target: Option<Target>,
}

/// One action and its targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was asked.
    pub verb: String,
    /// When.
    pub at: UnixMillis,
    /// How it goes over them.
    pub pace: Pace,
    /// Its targets.
    pub attempts: Vec<Attempt>,
}

/// How many targets ended how. They add up to all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub pending: usize,
    pub waiting: usize,
    pub done: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Tally {
    /// Those that did not end well, and can be tried again.
    pub const fn to_try_again(self) -> usize {
        if self.pending + self.waiting > 0 { 0 } else { self.failed + self.skipped }
    }
}

impl Run {
    /// Counts.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for attempt in &self.attempts {
            *match attempt.progress {
                Progress::Pending => &mut tally.pending,
                Progress::Waiting => &mut tally.waiting,
                Progress::Done => &mut tally.done,
                Progress::Failed(_) => &mut tally.failed,
                Progress::Skipped => &mut tally.skipped,
            } += 1;
        }
        tally
    }

    /// The same on those that failed or were not tried, once all have ended.
    pub fn again(&self) -> Option<Proposal> {
        if self.tally().to_try_again() == 0 {
            return None;
        }
        let targets: Vec<Target> =
            self.attempts.iter().filter_map(|attempt| attempt.target.clone()).collect();
        Some(Proposal { verb: self.verb.clone(), targets })
    }

    /// Begins as many as the pace allows; answers the orders for it.
    fn go_on(&mut self, id: RunId) -> Vec<Command> {
        let under_way = self.tally().waiting;
        let room = self.pace.at_once.map_or(usize::MAX, |many| many.saturating_sub(under_way));
        let pending = self.attempts.iter_mut().enumerate();
        let pending = pending.filter(|(_, attempt)| attempt.progress == Progress::Pending).take(room);
        let begin = |(index, attempt): (usize, &mut Attempt)| {
            attempt.progress = Progress::Waiting;
            attempt.target.as_ref().and_then(|target| target.command(id, index))
        };
        pending.filter_map(begin).collect()
    }

    /// What has not begun is not tried any more.
    fn skip(&mut self) {
        for attempt in &mut self.attempts {
            if attempt.progress == Progress::Pending {
                attempt.progress = Progress::Skipped;
            }
        }
    }
}

/// The actions of this session.
#[derive(Debug, Default)]
pub struct Runs {
    runs: BTreeMap<RunId, Run>,
    last: u64,
}

impl Runs {
    /// Begins one; answers its id and the orders for the effects.
    pub fn begin(&mut self, proposal: Proposal, pace: Pace, at: UnixMillis) -> (RunId, Vec<Command>) {
        self.last += 1;
        let id = RunId(self.last);
        let attempt = |target: Target| Attempt {
            name: target.name.clone(),
            progress: Progress::Pending,
            answer: None,
            target: Some(target),
        };
        let attempts = proposal.targets.into_iter().map(attempt).collect();
        let mut run = Run { verb: proposal.verb, at, pace, attempts };
        let commands = run.go_on(id);
        self.runs.insert(id, run);
        while self.runs.len() > RUNS_MAX {
            self.runs.pop_first();
        }
        (id, commands)
    }

    /// Notes what the command of a target wrote.
    pub fn answer(&mut self, errand: Errand, answer: Answer) {
        let run = self.runs.get_mut(&errand.run);
        let attempt = run.and_then(|run| run.attempts.get_mut(errand.target as usize));
        if let Some(attempt) = attempt.filter(|attempt| attempt.progress == Progress::Waiting) {
            attempt.answer = Some(answer);
        }
    }

    /// Notes how a target ended, of which the first word counts; answers the orders for those whose turn it is.
    pub fn outcome(&mut self, errand: Errand, result: Result<(), RpcError>) -> Vec<Command> {
        let Some(run) = self.runs.get_mut(&errand.run) else { return Vec::new() };
        let attempt = run.attempts.get_mut(errand.target as usize);
        let Some(attempt) = attempt.filter(|attempt| attempt.progress == Progress::Waiting) else {
            return Vec::new();
        };
        let failed = result.is_err();
        if !failed {
            attempt.target = None;
        }
        attempt.progress = result.map_or_else(Progress::Failed, |()| Progress::Done);
        if failed && run.pace.stops {
            run.skip();
        }
        run.go_on(errand.run)
    }

    /// Gives up what has not begun.
    pub fn give_up(&mut self, id: RunId) {
        if let Some(run) = self.runs.get_mut(&id) {
            run.skip();
        }
    }

    /// One of them.
    pub fn get(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// The latest of all.
    pub fn latest(&self) -> Option<RunId> {
        self.runs.last_key_value().map(|(id, _)| *id)
    }

    /// The latest that still waits for somebody.
    pub fn waiting(&self) -> Option<RunId> {
        let open = |run: &Run| run.attempts.iter().any(|attempt| attempt.progress.is_open());
        self.runs.iter().rev().find(|(_, run)| open(run)).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::id::NodeId;

    use super::super::confirm::Deed;
    use super::*;

    fn proposal(count: u8) -> Proposal {
        let target = |index: u8| Target {
            node: NodeId::new([index; 32]),
            name: format!("node-{index}"),
            deed: Deed::Forget,
        };
        Proposal { verb: "Forget".into(), targets: (0..count).map(target).collect() }
    }

    fn gone() -> Result<(), RpcError> {
        Err(RpcError::unavailable("gone"))
    }

    #[test]
    fn every_target_is_accounted_for_once() {
        let mut runs = Runs::default();
        let (run, commands) = runs.begin(proposal(3), Pace::default(), UnixMillis(0));
        assert_eq!(commands.len(), 3);
        runs.outcome(Errand { run, target: 1 }, Ok(()));
        runs.outcome(Errand { run, target: 2 }, gone());
        runs.outcome(Errand { run, target: 2 }, Ok(()));
        runs.outcome(Errand { run, target: 9 }, Ok(()));
        let tally = Tally { waiting: 1, done: 1, failed: 1, ..Tally::default() };
        assert_eq!(runs.get(run).unwrap().tally(), tally);
        assert_eq!(runs.waiting(), Some(run));
        assert_eq!(runs.get(run).unwrap().again(), None, "one has not answered yet");
        runs.outcome(Errand { run, target: 0 }, Ok(()));
        let again = runs.get(run).unwrap().again().unwrap();
        assert_eq!(again.targets, proposal(3).targets[2..]);
    }

    #[test]
    fn never_more_are_under_way_than_the_pace_allows() {
        let mut runs = Runs::default();
        let pace = Pace { at_once: Some(2), stops: false };
        let (run, commands) = runs.begin(proposal(5), pace, UnixMillis(0));
        assert_eq!(commands.len(), 2);
        for (target, next) in [(0, 1), (1, 1), (3, 1), (2, 0), (4, 0)] {
            let result = if target == 1 { gone() } else { Ok(()) };
            assert_eq!(runs.outcome(Errand { run, target }, result).len(), next, "{target}");
            assert!(runs.get(run).unwrap().tally().waiting <= 2);
        }
        let tally = Tally { done: 4, failed: 1, ..Tally::default() };
        assert_eq!(runs.get(run).unwrap().tally(), tally);
    }

    #[test]
    fn the_first_failure_ends_it_if_that_is_the_rule() {
        let mut runs = Runs::default();
        let pace = Pace { at_once: Some(1), stops: true };
        let (run, _) = runs.begin(proposal(4), pace, UnixMillis(0));
        assert_eq!(runs.outcome(Errand { run, target: 0 }, Ok(())).len(), 1);
        assert_eq!(runs.outcome(Errand { run, target: 1 }, gone()), []);
        let tally = Tally { done: 1, failed: 1, skipped: 2, ..Tally::default() };
        assert_eq!((runs.get(run).unwrap().tally(), runs.waiting()), (tally, None));
        assert_eq!(runs.get(run).unwrap().again().unwrap().targets.len(), 3);
    }

    #[test]
    fn what_has_not_begun_is_given_up() {
        let mut runs = Runs::default();
        let (run, _) = runs.begin(proposal(4), Pace { at_once: Some(1), stops: false }, UnixMillis(0));
        runs.give_up(run);
        assert_eq!(runs.outcome(Errand { run, target: 0 }, Ok(())), []);
        assert_eq!(runs.get(run).unwrap().tally(), Tally { done: 1, skipped: 3, ..Tally::default() });
    }
}
