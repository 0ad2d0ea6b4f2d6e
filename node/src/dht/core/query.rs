//! A query: a lookup with a purpose.
//!
//! Answers enter through the core; the next thing to do and in the end an [`Outcome`] leave. A read takes
//! the newest of several replicas, since one of them may be old; a write ends when everybody to whom the
//! record was offered has been heard or has failed.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::K;
use super::input::QueryId;
use super::key::{Distance, Key};
use super::lookup::Lookup;
use super::message::{Contact, Record, Refusal, Request};
use super::output::{Outcome, QueryStats};
use super::trace::{Question, Trace};

/// Replicas that a read compares before it believes that it has the newest record.
pub const READ_QUORUM: usize = 3;
/// A query that takes longer ends with what it has.
pub const QUERY_DEADLINE: Millis = Millis::from_secs(30);

/// Who wanted a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The node, which is told the result.
    Caller(QueryId),
    /// The core itself.
    Upkeep,
}

/// What a query is for.
#[derive(Clone, Debug)]
pub enum Goal {
    /// Our own neighbourhood; then the whole table is filled.
    Join,
    /// The closest nodes.
    Nodes,
    /// A record.
    Read(Reading),
    /// To have a record kept.
    Write(Writing),
}

/// The state of a read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    best: Option<Record>,
    answers: Vec<Answer>,
    own_replica: bool,
}

#[derive(Clone, Debug)]
struct Answer {
    distance: Distance,
    contact: Contact,
    /// The sequence it holds; `None` if it has no record.
    seq: Option<u64>,
}

/// The state of a write.
#[derive(Clone, Debug)]
pub struct Writing {
    record: Record,
    /// `None` while the closest nodes are looked for; then those to whom the record is still to be offered.
    targets: Option<Vec<Contact>>,
    keep_here: bool,
    open: u32,
    offered: u32,
    kept_here: bool,
    replicas_elsewhere: u32,
    failed: u32,
    refused: Option<Refusal>,
}

/// The next thing to do for a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask a contact about the target.
    Ask(Contact, Request),
    /// Offer the record to a contact.
    Offer(Contact, Record),
    /// We are one of the closest: keep the record here, and say whether it worked.
    KeepHere(Record),
    /// Nothing until something is heard.
    Wait,
    /// It is over.
    Done,
}

/// A query under way.
#[derive(Clone, Debug)]
pub struct Query {
    origin: Origin,
    goal: Goal,
    lookup: Lookup,
    asked_at: Millis,
    deadline: Millis,
    /// Kept only if somebody wants to see it.
    trace: Option<Trace>,
}

/// How a query ended, and what is to be done besides.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Who wanted it.
    pub origin: Origin,
    /// The result.
    pub outcome: Outcome,
    /// What it cost.
    pub stats: QueryStats,
    /// What was asked, if that was to be kept.
    pub questions: Vec<Question>,
    /// Contacts that should hold the record that was read, and do not.
    pub repairs: Vec<Contact>,
}

impl Query {
    /// A query that begins `now`.
    pub fn new(now: Millis, origin: Origin, goal: Goal, lookup: Lookup) -> Self {
        Self { origin, goal, lookup, asked_at: now, deadline: now + QUERY_DEADLINE, trace: None }
    }

    /// The same, wanted since `asked_at`.
    #[must_use]
    pub const fn asked_at(mut self, asked_at: Millis) -> Self {
        self.asked_at = asked_at;
        self
    }

    /// The same, and what it asks is kept until its end.
    #[must_use]
    pub fn traced(self) -> Self {
        Self { trace: Some(Trace::new(self.target())), ..self }
    }

    /// Who wanted it.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// What it is for.
    pub const fn goal(&self) -> &Goal {
        &self.goal
    }

    /// What it looks for.
    pub const fn target(&self) -> Key {
        self.lookup.target()
    }

    /// When [`Query::poll`] is to be called although nothing was heard.
    pub fn wake_at(&self) -> Millis {
        if matches!(self.goal, Goal::Write(Writing { targets: Some(_), .. })) {
            return self.deadline;
        }
        self.lookup.wake_at().map_or(self.deadline, |wake_at| wake_at.min(self.deadline))
    }

    /// What to do next; to be called again until there is nothing.
    pub fn poll(&mut self, now: Millis) -> Step {
        if now >= self.deadline {
            return Step::Done;
        }
        match &mut self.goal {
            Goal::Read(reading) if reading.replicas() >= READ_QUORUM => return Step::Done,
            Goal::Write(Writing { targets: Some(_), .. }) => return self.poll_write(),
            _ => {}
        }
        if let Some(contact) = self.lookup.next(now) {
            if let Some(trace) = &mut self.trace {
                trace.asked(now, &contact, self.lookup.hops_to(contact.id));
            }
            return Step::Ask(contact, self.question());
        }
        if !self.lookup.is_done() {
            return Step::Wait;
        }
        self.poll_write()
    }

    /// A contact answered our question with contacts.
    pub fn on_nodes(&mut self, now: Millis, from: &Contact, contacts: Vec<Contact>) {
        if let Some(trace) = &mut self.trace {
            trace.answered(now, from.id, &contacts, false);
        }
        if self.lookup.answered(from.id, contacts)
            && let Goal::Read(reading) = &mut self.goal
        {
            let distance = self.lookup.target().distance(from.id.into());
            reading.answers.push(Answer { distance, contact: from.clone(), seq: None });
        }
    }

    /// A contact answered our question with a record and contacts.
    pub fn on_value(&mut self, now: Millis, from: &Contact, record: Record, contacts: Vec<Contact>) {
        if let Some(trace) = &mut self.trace {
            trace.answered(now, from.id, &contacts, true);
        }
        if self.lookup.answered(from.id, contacts)
            && let Goal::Read(reading) = &mut self.goal
        {
            let distance = self.lookup.target().distance(from.id.into());
            reading.answers.push(Answer { distance, contact: from.clone(), seq: Some(record.seq) });
            reading.weigh(record);
        }
    }

    /// A contact will not answer our question, or not in a way that helps.
    pub fn on_no_answer(&mut self, now: Millis, peer: NodeId) {
        if let Some(trace) = &mut self.trace {
            trace.failed(now, peer);
        }
        self.lookup.failed(peer);
    }

    /// The record was kept by one to whom it was offered.
    pub const fn on_kept(&mut self) {
        if let Goal::Write(writing) = &mut self.goal {
            writing.open = writing.open.saturating_sub(1);
            writing.replicas_elsewhere += 1;
        }
    }

    /// The record is kept by ourselves.
    pub const fn on_kept_here(&mut self) {
        if let Goal::Write(writing) = &mut self.goal {
            writing.open = writing.open.saturating_sub(1);
            writing.kept_here = true;
        }
    }

    /// The record was refused.
    pub fn on_refused(&mut self, refusal: Refusal) {
        if let Goal::Write(writing) = &mut self.goal {
            writing.open = writing.open.saturating_sub(1);
            if refusal != Refusal::NotResponsible {
                writing.refused = Some(refusal);
            }
        }
    }

    /// One to whom the record was offered did not answer.
    pub const fn on_offer_lost(&mut self) {
        if let Goal::Write(writing) = &mut self.goal {
            writing.open = writing.open.saturating_sub(1);
            writing.failed += 1;
        }
    }

    /// The end.
    pub fn end(self, now: Millis) -> Ending {
        let mut stats = QueryStats {
            messages: self.lookup.asked(),
            failures: self.lookup.failures(),
            hops: self.lookup.hops(),
            elapsed: now.since(self.asked_at),
        };
        let mut repairs = Vec::new();
        let outcome = match self.goal {
            Goal::Join | Goal::Nodes => Outcome::Nodes(self.lookup.closest().cloned().collect()),
            Goal::Read(reading) => {
                repairs = reading.repairs();
                reading.outcome()
            }
            Goal::Write(writing) => {
                stats.messages += writing.offered - u32::from(writing.keep_here);
                stats.failures += writing.failed;
                writing.outcome()
            }
        };
        let questions = self.trace.map(Trace::into_questions).unwrap_or_default();
        Ending { origin: self.origin, outcome, stats, questions, repairs }
    }

    fn question(&self) -> Request {
        let target = self.lookup.target();
        match self.goal {
            Goal::Read(_) => Request::FindValue { key: target },
            Goal::Join | Goal::Nodes | Goal::Write(_) => Request::FindNode { target },
        }
    }

    fn poll_write(&mut self) -> Step {
        let Goal::Write(writing) = &mut self.goal else { return Step::Done };
        let lookup = &self.lookup;
        let targets = writing.targets.get_or_insert_with(|| {
            let mut closest: Vec<Contact> = lookup.closest().cloned().collect();
            let ours = lookup.target().distance(lookup.own());
            let farther = |contact: &Contact| lookup.target().distance(contact.id.into()) > ours;
            writing.keep_here = closest.len() < K || closest.last().is_some_and(farther);
            closest.truncate(K - usize::from(writing.keep_here));
            closest.reverse();
            closest
        });
        if writing.keep_here && writing.offered == 0 {
            writing.offered = 1;
            writing.open = 1;
            return Step::KeepHere(writing.record.clone());
        }
        match targets.pop() {
            Some(contact) => {
                writing.offered += 1;
                writing.open += 1;
                Step::Offer(contact, writing.record.clone())
            }
            None if writing.open > 0 => Step::Wait,
            None => Step::Done,
        }
    }
}

impl Reading {
    /// A read that counts `own`, what we hold ourselves, as a replica.
    pub fn new(own: Option<Record>) -> Self {
        Self { own_replica: own.is_some(), best: own, answers: Vec::new() }
    }

    fn replicas(&self) -> usize {
        usize::from(self.own_replica) + self.answers.iter().filter(|answer| answer.seq.is_some()).count()
    }

    /// The higher sequence wins; of two that a publisher signed with one sequence everybody takes the same.
    fn weigh(&mut self, record: Record) {
        let rank = |record: &Record| (record.seq, record.publisher, record.value.clone());
        if self.best.as_ref().is_none_or(|best| rank(&record) > rank(best)) {
            self.best = Some(record);
        }
    }

    /// Whoever holds an older record; and the closest that has none, if a farther one has it.
    fn repairs(&self) -> Vec<Contact> {
        let Some(best) = &self.best else { return Vec::new() };
        let farthest_holder =
            self.answers.iter().filter(|answer| answer.seq.is_some()).map(|it| it.distance).max();
        let lacking = self.answers.iter().filter(|answer| answer.seq.is_none());
        let closest_lacking = lacking.min_by_key(|answer| answer.distance);
        let closest_lacking = closest_lacking.filter(|answer| Some(answer.distance) < farthest_holder);
        let stale = self.answers.iter().filter(|answer| answer.seq.is_some_and(|seq| seq < best.seq));
        stale.chain(closest_lacking).map(|answer| answer.contact.clone()).collect()
    }

    fn outcome(self) -> Outcome {
        let replicas = u32::try_from(self.replicas()).unwrap_or(u32::MAX);
        self.best.map_or(Outcome::NotFound, |record| Outcome::Found { record, replicas })
    }
}

impl Writing {
    /// A write of `record`.
    pub const fn new(record: Record) -> Self {
        Self {
            record,
            targets: None,
            keep_here: false,
            open: 0,
            offered: 0,
            kept_here: false,
            replicas_elsewhere: 0,
            failed: 0,
            refused: None,
        }
    }

    /// Whether we are one of the closest to the record.
    pub const fn keeps_here(&self) -> bool {
        self.keep_here
    }

    /// How many others keep it.
    pub const fn replicas_elsewhere(&self) -> usize {
        self.replicas_elsewhere as usize
    }

    fn outcome(self) -> Outcome {
        let replicas = self.replicas_elsewhere + u32::from(self.kept_here);
        Outcome::Placed { replicas, offered: self.offered, refused: self.refused }
    }
}
