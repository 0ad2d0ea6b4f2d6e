//! What the driver tells the core.

use p2p_shared::id::NodeId;
use p2p_shared::time::UnixMillis;

use super::key::Key;
use super::message::{Contact, Record, Reply, Request, RequestId};

/// Names a query of the caller, who chooses it and finds it again in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// Names the stream on which a peer waits for its reply; the core only gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// Something happened.
///
/// Who a peer is comes from the transport, never from a message. Of every record in a message the driver
/// has checked the signature, that its publisher may write its key, and that nobody in it is revoked; of
/// every contact that its addresses are in a range the mesh allows. It passes on nothing that failed: a bad
/// STORE it refuses itself, a reply with a bad record it reports as [`Input::Failed`].
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer asks. Exactly one [`Output::Reply`](super::output::Output::Reply) follows at once.
    Request {
        /// The authenticated peer and where it can be reached.
        from: Contact,
        /// Where the reply goes.
        token: ReplyToken,
        /// What it asks.
        message: Request,
    },
    /// A peer answers. What nobody asked for, or answers too late, is ignored.
    Reply {
        /// The authenticated peer.
        from: NodeId,
        /// Which of our requests it answers.
        request: RequestId,
        /// Its answer.
        message: Reply,
    },
    /// A request got no answer: dialling failed, the stream broke, the answer was invalid, or time ran out.
    Failed(RequestId),
    /// A connection stands. While it does, the peer is not pinged.
    Connected {
        /// The authenticated peer; if we dialled it, first the address that worked.
        peer: Contact,
        /// Who opened it.
        opened: Opened,
    },
    /// The connection to a peer ended: it is pinged soon.
    Disconnected(NodeId),
    /// The time that [`Dht::poll_timeout`](super::Dht::poll_timeout) named has come.
    Timer,
    /// What the wall clock shows now. Records expire by it; given again when it was set.
    WallClock(UnixMillis),
    /// The node wants something.
    Command(Command),
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// We dialled: the peer can be reached at its address.
    ByUs,
    /// The peer dialled: perhaps nobody can reach it.
    ByPeer,
}

/// What the node wants. Each with a query id ends in exactly one
/// [`Output::Finished`](super::output::Output::Finished), unless it is cancelled.
#[derive(Clone, Debug)]
pub enum Command {
    /// Enter the mesh through these contacts: the remembered ones and those that `--bootstrap` led to.
    Join {
        /// Named in the result.
        query: QueryId,
        /// Asked first, beside whom the table knows.
        contacts: Vec<Contact>,
    },
    /// Find the live nodes closest to a key.
    FindNode {
        /// Named in the result.
        query: QueryId,
        /// Where to look.
        target: Key,
    },
    /// Find the record at a key.
    Get {
        /// Named in the result.
        query: QueryId,
        /// Where it is kept.
        key: Key,
    },
    /// The same, and every question of it is told in the result.
    Trace {
        /// Named in the result.
        query: QueryId,
        /// Where it is kept.
        key: Key,
    },
    /// Have a record kept by the nodes closest to its key. Our own is kept here too, and published again
    /// every hour until it expires, a newer one replaces it, or it is withdrawn.
    Put {
        /// Named in the result.
        query: QueryId,
        /// Signed, and with a higher sequence than before.
        record: Record,
    },
    /// Nobody waits for this query any more.
    Cancel(QueryId),
    /// Stop publishing our own record at a key. Elsewhere it ends with its expiry.
    Withdraw(Key),
    /// Take back the records that an earlier run kept, checked again; nothing is reported as stored.
    Restore(Vec<Record>),
    /// Drop a node and its records, as when its key is revoked.
    Forget(NodeId),
}
