//! What the core wants done, and what it found.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::input::{QueryId, ReplyToken};
use super::key::Key;
use super::message::{Contact, Record, Refusal, Reply, Request, RequestId};
use super::trace::Question;

/// Something to do or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask a peer. The driver answers with exactly one [`Input::Reply`](super::input::Input::Reply) or
    /// [`Input::Failed`](super::input::Input::Failed), after 2 s at the latest.
    Request {
        /// Whom, and where to dial if no connection stands.
        to: Contact,
        /// To be given back with the outcome.
        request: RequestId,
        /// What to ask.
        message: Request,
    },
    /// Answer a peer.
    Reply {
        /// Who asked.
        to: NodeId,
        /// On which stream.
        token: ReplyToken,
        /// The answer.
        message: Reply,
    },
    /// A query ended.
    Finished {
        /// As the caller named it.
        query: QueryId,
        /// How.
        outcome: Outcome,
        /// What it cost.
        stats: QueryStats,
        /// What was asked, in that order, if that was wanted; else nothing.
        questions: Vec<Question>,
    },
    /// A record was kept, or a newer one in its place: worth writing to disk.
    Stored(Record),
    /// The record at this key is no longer kept.
    Removed(Key),
    /// This contact lives at these addresses: worth remembering for the next start.
    Verified(Contact),
    /// A verified contact left the table. It may be back later, so the last remembered ones are better
    /// kept than none.
    Lost(NodeId),
    /// Nobody in the table answers any more, or all are lost: dial the bootstrap addresses again.
    Isolated,
    /// A peer broke the protocol.
    Strike {
        /// Who.
        peer: NodeId,
        /// How.
        offence: Offence,
    },
}

/// How a query ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The closest live nodes, nearest first, without ourselves. After a join they are our neighbours; if
    /// there are none, nobody answered.
    Nodes(Vec<Contact>),
    /// The newest record that was found.
    Found {
        /// As its publisher signed it.
        record: Record,
        /// How many nodes had it, or an older one, ourselves included.
        replicas: u32,
    },
    /// Nobody who was asked has a record there.
    NotFound,
    /// The record was offered to the closest nodes.
    Placed {
        /// Nodes that keep it now, ourselves included if we are one of the closest.
        replicas: u32,
        /// Nodes to whom it was offered, ourselves included.
        offered: u32,
        /// Why one of them refused it, if for a reason other than its distance.
        refused: Option<Refusal>,
    },
    /// The record itself is not fit, and was not offered to anybody.
    Unfit(Refusal),
    /// Too many queries wait already.
    Busy,
}

/// What a query cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Requests sent.
    pub messages: u32,
    /// Requests that were not answered.
    pub failures: u32,
    /// Answers that led to the closest node found: 0 if it stood in our table.
    pub hops: u32,
    /// From the command to the end, time in the queue included.
    pub elapsed: Millis,
}

/// What an honest peer does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// It answered a request of somebody else.
    NotAsked,
    /// Its answer is of another kind than the request.
    WrongKind,
    /// It named more contacts than `K`.
    TooManyContacts,
    /// It answered with a record of another key, expired or over a limit.
    BadRecord,
}
