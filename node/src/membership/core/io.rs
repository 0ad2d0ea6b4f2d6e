//! What the driver tells the core, and what the core wants done.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

use super::config::Config;
use super::message::Message;
use super::record::{SharedFacts, SharedRevoked};

/// Names a request of ours until its answer or its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names the stream on which a peer waits for an answer; the core only gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// What a core begins with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Times; [`Config::default`] outside of tests.
    pub config: Config,
    /// Of the random choices.
    pub seed: u64,
    /// The clock of the driver when it starts.
    pub now: Millis,
    /// The facts of this node, signed anew.
    pub own: SharedFacts,
    /// The members that the store remembers, verified.
    pub known: Vec<SharedFacts>,
    /// The list of revoked keys that the store kept, verified.
    pub revoked: Option<SharedRevoked>,
}

/// A message of a peer with those of its facts that could be verified.
#[derive(Clone, Debug)]
pub struct Received {
    /// As it came.
    pub message: Message,
    /// Of `message.gossip.facts` those that [`Membership::knows`](super::Membership::knows) did not know
    /// already and that stood the test of `facts::verify`.
    pub facts: Vec<SharedFacts>,
    /// The list of a [`Body::Revoked`] that stood the test of `Trust::verify_revoked`.
    ///
    /// [`Body::Revoked`]: super::message::Body::Revoked
    pub revoked: Option<SharedRevoked>,
}

/// Something happened. Who a peer is comes from its connection, never from a message.
#[derive(Clone, Debug)]
pub enum Input {
    /// The time that [`Membership::poll_timeout`](super::Membership::poll_timeout) named has come.
    Timer,
    /// A connection to a node stands, whoever dialled.
    Connected(NodeId),
    /// It stands no longer.
    Disconnected {
        /// To whom.
        id: NodeId,
        /// Why.
        reason: Disconnect,
    },
    /// A peer asks. Exactly one [`Output::Reply`] follows, for [`Body::PingOther`] a little later.
    ///
    /// [`Body::PingOther`]: super::message::Body::PingOther
    Request {
        /// The authenticated peer.
        from: NodeId,
        /// Where the answer goes.
        token: ReplyToken,
        /// What it asks.
        received: Received,
    },
    /// A peer tells something and waits for no answer.
    Notice {
        /// The authenticated peer.
        from: NodeId,
        /// What it tells.
        received: Received,
    },
    /// A peer answers. What nobody asked for is ignored.
    Reply {
        /// The authenticated peer.
        from: NodeId,
        /// The request that it answers.
        request: RequestId,
        /// The answer.
        received: Received,
    },
    /// A request has no answer: no connection, a broken stream, or the time ran out.
    Failed(RequestId),
    /// The facts of this node, signed with a higher sequence: asked for by [`Output::Resign`], or because
    /// something in them changed, or with `left` set because it goes.
    OwnFacts(SharedFacts),
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// This side closed it, to save a connection or because another one took its place.
    Ours,
    /// The peer closed it and said that it leaves.
    Leaving,
    /// The peer closed or reset it for another reason, or nothing came for too long.
    Broken,
}

/// Something to do or to know.
#[derive(Clone, Debug)]
pub enum Output {
    /// Ask a member, dialling if no connection stands. One [`Input::Reply`] or [`Input::Failed`] is
    /// expected; after `timeout` a reply is worth nothing.
    Request {
        /// Whom.
        to: NodeId,
        /// To be given back with the answer.
        request: RequestId,
        /// What.
        message: Message,
        /// When to give up.
        timeout: Millis,
    },
    /// Tell a member something; nobody waits for it.
    Notice {
        /// Whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Answer a peer.
    Reply {
        /// Who asked.
        to: NodeId,
        /// On which stream.
        token: ReplyToken,
        /// The answer.
        message: Message,
    },
    /// Take the next sequence above this one, sign the own facts anew, and give them back as
    /// [`Input::OwnFacts`]. Asked again after some seconds if they do not come.
    Resign {
        /// The sequence that has to be passed.
        above: u64,
    },
    /// Facts or state of a member changed: for those who watch.
    Changed(NodeId),
    /// A member is gone from the directory: for those who watch, and for the store.
    Forgotten(NodeId),
    /// New facts to keep over a restart.
    Persist(SharedFacts),
    /// Another process signs with the key of this node, as the copy of a disk does: an alarm.
    Twin,
    /// This list of revoked keys is in force from now on: to be enforced and kept.
    Revoked(SharedRevoked),
    /// The CA signed two lists of one epoch, of which this is the one not in force: an alarm.
    RevokedFork(SharedRevoked),
    /// The good-bye has reached some members, or there is nobody to tell: connections may be closed.
    Parted,
}

/// What came of a list of revoked keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// It is in force.
    Adopted,
    /// It was in force already.
    Known,
    /// A higher epoch is in force, and stays.
    Older,
    /// Another list of the same epoch is in force, and stays.
    Fork,
}

/// Why a member cannot be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgetError {
    /// No such member.
    #[error("the directory knows no such member")]
    Unknown,
    /// It takes part.
    #[error("the member is not lost and has not left")]
    Present,
}

/// What happened how often since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Members whom this node found lost, or believed it of them.
    pub lost: u64,
    /// Doubts about this node that it refuted.
    pub refuted: u64,
    /// Two different facts of one member with one sequence.
    pub forks: u64,
    /// Facts and claims that were refused: a sequence too far ahead, no room, about nobody we know.
    pub refused: u64,
    /// Requests that peers made too often.
    pub limited: u64,
    /// Timers so late that this process must have been stopped.
    pub stalls: u64,
}
