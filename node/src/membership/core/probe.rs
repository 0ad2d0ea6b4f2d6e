//! The steps of looking after one member, the own health, and whose turn it is.
//!
//! Times and answers enter; what to send next leaves. Nothing here knows of messages or states.

use std::collections::VecDeque;

use p2p_shared::id::NodeId;
use p2p_shared::rng::Rng;
use p2p_shared::time::Millis;

use super::config::ATTEMPTS;

/// Worst score of the own health: times are at most this many plus one as long.
const HEALTH_WORST: u64 = 4;

/// A look at one member: a ping, two more with the help of others, a verdict.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) step_at: Millis,
    attempt: u8,
    /// Members that were asked to help.
    pub(super) helpers: Vec<NodeId>,
    /// Whether any of them answered, if only that it has no luck either: then the own link works.
    pub(super) nacked: bool,
}

/// What a probe does at one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ping it.
    Ping,
    /// Ping it, and ask others to.
    PingWithHelp,
    /// It did not answer.
    Verdict,
}

impl Probe {
    pub(super) const fn new(step_at: Millis) -> Self {
        Self { step_at, attempt: 0, helpers: Vec::new(), nacked: false }
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.attempt > 0
    }

    /// The step that is due, after which it waits for `wait`.
    pub(super) fn step(&mut self, now: Millis, wait: Millis) -> Step {
        self.attempt += 1;
        self.step_at = now + wait;
        match self.attempt {
            1 => Step::Ping,
            attempt if attempt <= ATTEMPTS => Step::PingWithHelp,
            _ => Step::Verdict,
        }
    }
}

/// How far this node trusts its own judgement (the local health multiplier of the Lifeguard paper).
#[derive(Debug, Default)]
pub(super) struct Health {
    score: u64,
}

impl Health {
    pub(super) fn worse(&mut self, by: u64) {
        self.score = (self.score + by).min(HEALTH_WORST);
    }

    pub(super) fn better(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// A span, longer the worse the health.
    pub(super) const fn scale(&self, span: Millis) -> Millis {
        Millis(span.0.saturating_mul(self.score + 1))
    }
}

/// Members in shuffled rounds: everyone's turn comes once a round.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    order: VecDeque<NodeId>,
}

impl Rounds {
    /// The next one that `wanted` accepts; a new round is drawn of `members` when one ends.
    pub(super) fn next(
        &mut self,
        rng: &mut Rng,
        members: impl Fn() -> Vec<NodeId>,
        wanted: impl Fn(&NodeId) -> bool,
    ) -> Option<NodeId> {
        while let Some(id) = self.order.pop_front() {
            if wanted(&id) {
                return Some(id);
            }
        }
        let mut round = members();
        rng.shuffle(&mut round);
        self.order = round.into();
        let first = self.order.pop_front()?;
        wanted(&first).then_some(first)
    }
}
