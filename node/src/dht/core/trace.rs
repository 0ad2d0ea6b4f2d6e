//! What one look-up asked, question by question: kept only for a query that somebody wants to see.
//!
//! Questions and what became of them enter; the list leaves with the end of the query. As long as a look-up has
//! questions: the lookup bounds them.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::key::Key;
use super::lookup::SLOW_AFTER;
use super::message::Contact;

/// One question of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who was asked.
    pub contact: Contact,
    /// Answers that led to it: 0 if it stood in our own table.
    pub hop: u32,
    /// How many leading bits it shares with what is looked for.
    pub shared_bits: u16,
    /// When, on the core's clock.
    pub asked_at: Millis,
    /// What became of it.
    pub end: End,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The look-up ended first.
    Open,
    /// It was answered.
    Answered {
        /// When.
        at: Millis,
        /// Contacts in the answer.
        named: u32,
        /// Those of them that are nearer to what is looked for than whoever answered.
        nearer: u32,
        /// Whether the record was in it.
        had_record: bool,
    },
    /// It was not answered, or not in a way that helps.
    Failed {
        /// When that was known.
        at: Millis,
    },
}

/// The questions of one look-up so far.
#[derive(Clone, Debug)]
pub struct Trace {
    target: Key,
    questions: Vec<Question>,
}

impl Trace {
    /// Of a look-up that has asked nobody yet.
    pub const fn new(target: Key) -> Self {
        Self { target, questions: Vec::new() }
    }

    /// Somebody is asked.
    pub fn asked(&mut self, now: Millis, contact: &Contact, hop: u32) {
        let shared = self.target.distance(contact.id.into()).bucket();
        self.questions.push(Question {
            contact: contact.clone(),
            hop,
            // Who sits on the target itself shares all of it.
            shared_bits: shared.map_or(256, |bucket| u16::from(bucket.0)),
            asked_at: now,
            end: End::Open,
        });
    }

    /// Somebody answered, naming these.
    pub fn answered(&mut self, now: Millis, from: NodeId, contacts: &[Contact], had_record: bool) {
        let own = self.target.distance(from.into());
        let is_nearer = |contact: &&Contact| self.target.distance(contact.id.into()) < own;
        let nearer = contacts.iter().filter(is_nearer).count() as u32;
        self.settle(from, End::Answered { at: now, named: contacts.len() as u32, nearer, had_record });
    }

    /// Somebody will not answer.
    pub fn failed(&mut self, now: Millis, peer: NodeId) {
        self.settle(peer, End::Failed { at: now });
    }

    /// The questions, in the order in which they were asked.
    pub fn into_questions(self) -> Vec<Question> {
        self.questions
    }

    /// Nobody is asked twice, and the first word counts.
    fn settle(&mut self, peer: NodeId, end: End) {
        let open = |question: &&mut Question| question.contact.id == peer && question.end == End::Open;
        if let Some(question) = self.questions.iter_mut().find(open) {
            question.end = end;
        }
    }
}

impl Question {
    /// How long it took, or has been waited for until `now`.
    pub const fn took(&self, now: Millis) -> Millis {
        match self.end {
            End::Open => now.since(self.asked_at),
            End::Answered { at, .. } | End::Failed { at } => at.since(self.asked_at),
        }
    }

    /// Whether it took so long that others were asked in its place.
    pub const fn is_slow(&self, now: Millis) -> bool {
        self.took(now).0 >= SLOW_AFTER.0
    }
}
