//! Messages on their way to one receiver: in their order, one at a time, not too many a minute, and again after
//! a failure, each time later.

use std::collections::VecDeque;

use p2p_shared::rng::Rng;
use p2p_shared::time::Millis;

use super::notice::Message;

/// Messages that wait for a receiver; while there are so many, groups gather what comes.
pub const WAITING_MAX: usize = 100;
/// Messages that go at once after some quiet.
const BURST: u64 = 10;
/// After a burst, between two messages.
const SPACING: Millis = Millis(2_000);
/// After the first failure, about; twice as long after each further one.
const RETRY_FIRST: Millis = Millis(1_000);
/// At most so long. A receiver that comes back is found within a minute.
const RETRY_MAX: Millis = Millis(60_000);
/// What a receiver may ask for with `Retry-After`.
const RETRY_ASKED_MAX: Millis = Millis(3_600_000);

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It will never take it: it is given up.
    Refused,
    /// It may take it later; not before the time that it asked for.
    Failed(Option<Millis>),
}

/// The messages of one receiver, by the number under which they are kept.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    messages: VecDeque<(u64, Message)>,
    is_under_way: bool,
    failures: u32,
    not_before: Millis,
    /// When all that was sent is worked off, at one message each [`SPACING`].
    paid_until: Millis,
}

impl Queue {
    /// Whether it takes another message.
    pub fn has_room(&self) -> bool {
        self.messages.len() < WAITING_MAX
    }

    /// How many messages wait.
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    /// The numbers of all that wait.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.messages.iter().map(|(number, _)| *number)
    }

    /// Appends a message.
    pub fn push(&mut self, number: u64, message: Message) {
        self.messages.push_back((number, message));
    }

    /// When the next attempt is due; `None` while there is nothing to send, or it is under way.
    pub fn due(&self) -> Option<Millis> {
        let waits = !self.is_under_way && !self.messages.is_empty();
        let allowance = Millis(SPACING.0 * (BURST - 1));
        waits.then(|| self.not_before.max(self.paid_until.since(allowance)))
    }

    /// The message to be sent now, if one is.
    pub fn poll(&mut self, now: Millis) -> Option<&(u64, Message)> {
        if self.due()? > now {
            return None;
        }
        self.is_under_way = true;
        self.paid_until = self.paid_until.max(now) + SPACING;
        self.messages.front()
    }

    /// Takes what became of the attempt that was under way; the number of the message if it is done with.
    pub fn on_outcome(&mut self, now: Millis, outcome: Outcome, rng: &mut Rng) -> Option<u64> {
        if !std::mem::take(&mut self.is_under_way) {
            // Of a receiver that was taken away and came back meanwhile.
            return None;
        }
        match outcome {
            Outcome::Delivered | Outcome::Refused => {
                self.failures = 0;
                self.not_before = now;
                self.messages.pop_front().map(|(number, _)| number)
            }
            Outcome::Failed(asked) => {
                let asked = asked.unwrap_or(Millis::ZERO).min(RETRY_ASKED_MAX);
                self.not_before = now + self.back_off(rng).max(asked);
                self.failures = self.failures.saturating_add(1);
                None
            }
        }
    }

    /// Doubled with each failure, and up to a quarter less, so that a fleet does not come back in step.
    fn back_off(&self, rng: &mut Rng) -> Millis {
        let full = (RETRY_FIRST.0 << self.failures.min(16)).min(RETRY_MAX.0);
        Millis(full - rng.below(full / 4))
    }
}
