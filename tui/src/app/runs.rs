//! What became of every target of every action: each is waiting, done, or failed with a reason.

use std::collections::BTreeMap;

use p2p_shared::error::RpcError;
use p2p_shared::time::UnixMillis;

use super::confirm::Proposal;
use crate::command::{Command, Errand, RunId};

/// Actions that are remembered; the oldest is forgotten.
const RUNS_MAX: usize = 100;

/// How far one target is.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// No answer yet.
    Waiting,
    /// It is done.
    Done,
    /// It is not, or nobody knows.
    Failed(RpcError),
}

/// One action and its targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was asked.
    pub verb: String,
    /// When.
    pub at: UnixMillis,
    /// Name and progress of each target.
    pub targets: Vec<(String, Progress)>,
}

/// How many targets ended how. The three add up to all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub waiting: usize,
    pub done: usize,
    pub failed: usize,
}

impl Run {
    /// Counts.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (_, progress) in &self.targets {
            *match progress {
                Progress::Waiting => &mut tally.waiting,
                Progress::Done => &mut tally.done,
                Progress::Failed(_) => &mut tally.failed,
            } += 1;
        }
        tally
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
    pub fn begin(&mut self, proposal: Proposal, at: UnixMillis) -> (RunId, Vec<Command>) {
        self.last += 1;
        let id = RunId(self.last);
        let commands =
            proposal.targets.iter().enumerate().map(|(index, target)| target.command(id, index)).collect();
        let targets = proposal.targets.into_iter().map(|target| (target.name, Progress::Waiting)).collect();
        self.runs.insert(id, Run { verb: proposal.verb, at, targets });
        while self.runs.len() > RUNS_MAX {
            self.runs.pop_first();
        }
        (id, commands)
    }

    /// Notes how a target ended; the first word counts.
    pub fn outcome(&mut self, errand: Errand, result: Result<(), RpcError>) {
        let run = self.runs.get_mut(&errand.run);
        let target = run.and_then(|run| run.targets.get_mut(errand.target as usize));
        if let Some((_, progress @ Progress::Waiting)) = target {
            *progress = result.map_or_else(Progress::Failed, |()| Progress::Done);
        }
    }

    /// One of them.
    pub fn get(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// The latest that still waits for somebody.
    pub fn waiting(&self) -> Option<RunId> {
        self.runs.iter().rev().find(|(_, run)| run.tally().waiting > 0).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::id::NodeId;

    use super::super::confirm::{Deed, Target};
    use super::*;

    #[test]
    fn every_target_is_accounted_for_once() {
        let target =
            |name: &str| Target { node: NodeId::new([1; 32]), name: name.into(), deed: Deed::Forget };
        let proposal =
            Proposal { verb: "Forget".into(), targets: vec![target("a"), target("b"), target("c")] };
        let mut runs = Runs::default();
        let (run, commands) = runs.begin(proposal, UnixMillis(0));
        assert_eq!(commands.len(), 3);
        runs.outcome(Errand { run, target: 1 }, Ok(()));
        runs.outcome(Errand { run, target: 2 }, Err(RpcError::unavailable("gone")));
        runs.outcome(Errand { run, target: 2 }, Ok(()));
        runs.outcome(Errand { run, target: 9 }, Ok(()));
        assert_eq!(runs.get(run).unwrap().tally(), Tally { waiting: 1, done: 1, failed: 1 });
        assert_eq!(runs.waiting(), Some(run));
    }
}
