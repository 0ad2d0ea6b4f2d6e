//! What members say to each other. Every message carries the sender's view in short and some news.
//!
//! The order of variants and fields is the wire. [`Body`] grows at its end, and a change of anything else
//! takes a new version byte in `membership::wire`.

use p2p_shared::id::NodeId;
use p2p_shared::witness::Statement;
use serde::{Deserialize, Serialize};

use super::record::SignedFacts;

/// Most bytes of an encoded message.
pub const MESSAGE_BYTES_MAX: usize = 60 << 10;
/// Most bytes of news in one message, which leaves room for the body and the framing.
pub const NEWS_BYTES_MAX: usize = 52 << 10;
/// Most bytes of news that ride on a ping or an answer.
pub const PIGGYBACK_BYTES_MAX: usize = 8 << 10;
/// Entries on one page of a digest; a page stays under [`NEWS_BYTES_MAX`].
pub const PAGE_ENTRIES: usize = 1_000;
/// Ids that one message asks facts of.
pub const WANTED_MAX: usize = 256;

/// One message of a member to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What the sender knows, in short.
    pub view: View,
    /// What it is about.
    pub body: Body,
    /// What else the sender thinks the receiver has not heard.
    pub gossip: Gossip,
}

/// A directory in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Sequence of the sender's own facts.
    pub sequence: u64,
    /// Equal for two directories that hold the same members, sequences and losses.
    pub fingerprint: u64,
    /// Epoch of the sender's list of revoked keys; 0 for none.
    pub revoked: u64,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Request: are you there? Answered by [`Body::Taken`].
    Ping,
    /// Request: is that one there? Answered by [`Body::Reached`].
    PingOther {
        /// Who does not answer the sender.
        target: NodeId,
    },
    /// Answer: whether the target of a [`Body::PingOther`] answered.
    Reached {
        /// True if it did.
        reached: bool,
    },
    /// Request: what do you have behind this id (`None`: from the first)? Answered by a page or
    /// [`Body::Taken`] if the fingerprints are equal.
    Digest {
        /// The last id of the page before.
        after: Option<NodeId>,
    },
    /// Answer: one page of a directory, by id.
    Page {
        /// Members, in ascending order of their ids.
        entries: Vec<Entry>,
        /// Whether members follow behind the last entry.
        more: bool,
    },
    /// Request: the facts of these members, please. Answered by [`Body::Taken`] with the facts as gossip.
    Want {
        /// At most [`WANTED_MAX`].
        ids: Vec<NodeId>,
    },
    /// Request or notice: only the gossip matters. A request is answered by [`Body::Taken`].
    News,
    /// Answer: understood.
    Taken,
    /// Answer: not now, or not for you.
    Busy,
    /// Request: your list of revoked keys, please. Answered by [`Body::Revoked`].
    WantRevoked,
    /// Answer or notice: the list of revoked keys, to be verified before anything is believed.
    Revoked {
        /// As the CA signed it; at most `REVOKED_BYTES_MAX`.
        list: Vec<u8>,
    },
    /// Request: hold the head of my audit record, please. The driver has it judged and answered by
    /// [`Body::Countersigned`], [`Body::Contradicted`] or [`Body::Busy`]; the core never sees it.
    AuditHead {
        /// As the sender signed it.
        head: Statement,
    },
    /// Answer: the head is on my disk.
    Countersigned {
        /// A [`Receipt`](p2p_shared::witness::Receipt), as the answering node signed it.
        receipt: Statement,
    },
    /// Answer: I hold a head of you that yours cannot follow.
    Contradicted {
        /// As you signed it.
        head: Statement,
    },
}

/// One member on a page of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The member.
    pub id: NodeId,
    /// Sequence of its facts.
    pub sequence: u64,
    /// Whether the sender thinks that it is lost.
    pub lost: bool,
}

/// News of members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gossip {
    /// Facts, to be verified before anything is believed.
    pub facts: Vec<SignedFacts>,
    /// What members think of others.
    pub claims: Vec<Claim>,
    /// Members that an operator had forgotten.
    pub forgotten: Vec<Tombstone>,
}

/// What a member thinks of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who is doubted.
    pub subject: NodeId,
    /// By which facts of it: newer ones refute the claim.
    pub sequence: u64,
    /// How far the doubt goes.
    pub doubt: Doubt,
    /// Who found it silent.
    pub accuser: NodeId,
}

/// How far a doubt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Doubt {
    /// It did not answer.
    Suspect,
    /// It did not answer for so long that it counts as lost.
    Lost,
    /// A doubt of a newer version: ignored.
    #[serde(other)]
    Unknown,
}

/// A member that was forgotten; its facts are news again from the next sequence on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Who.
    pub id: NodeId,
    /// The highest sequence that is forgotten.
    pub sequence: u64,
}

/// Bytes that a claim or a tombstone takes at most.
pub(super) const CLAIM_BYTES: usize = 80;

impl Gossip {
    /// An upper bound of its encoded size.
    pub(super) fn size_bytes(&self) -> usize {
        let facts: usize = self.facts.iter().map(facts_bytes).sum();
        facts + (self.claims.len() + self.forgotten.len()) * CLAIM_BYTES
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.claims.is_empty() && self.forgotten.is_empty()
    }
}

/// An upper bound of the encoded size of one member's facts.
pub(super) fn facts_bytes(signed: &SignedFacts) -> usize {
    signed.size_bytes() + 3 * 5
}
