//! The contract of `audit`: who did what on a node, and who was refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::id::{NodeId, NodeName};
use crate::time::UnixMillis;
use crate::witness::Statement;

/// Most entries of one answer.
pub const ENTRIES_MAX: u32 = 1_000;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// Something that was done, or tried.
    Call,
    /// Something that was not allowed.
    Refused,
    /// Something about the record itself: a start of the node, what was found wrong.
    Note,
    /// A kind of a newer version.
    #[serde(other)]
    Unknown,
}

/// One entry of the record, with its outcome if that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its number, which no other entry of this node has.
    pub seq: u64,
    /// When, by the node's clock.
    pub at: UnixMillis,
    /// What it is about.
    pub kind: AuditKind,
    /// `operator`, `user`, `node` or `unix`; empty for a note.
    pub caller: String,
    /// Name of who asked.
    pub who: String,
    /// Identity of the key, in hexadecimal; `None` for whoever has none.
    pub id: Option<String>,
    /// With which role; `None` for whoever has no authority.
    pub role: Option<Role>,
    /// The address that it came from; `None` if there was none.
    pub from: Option<String>,
    /// `service.method`; empty for a note.
    pub method: String,
    /// JSON, cut where it is long, and masked where it is secret.
    pub arguments: String,
    /// The caller's identity of the request, in hexadecimal.
    pub request_id: String,
    /// `ok`, or the stable name of the code; `None`: it began, and how it ended is not known (yet).
    pub code: Option<String>,
    /// Why it was refused or failed, or the words of a note; empty if it ended well.
    pub message: String,
    /// How long it took, in milliseconds; `None` if that is not known.
    pub duration_ms: Option<u64>,
}

/// Part of a list of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// Where to go on; `None` if there is nothing more.
    pub next: Option<String>,
}

/// A head of an audit record, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldHead {
    /// The last record that it is about.
    pub seq: u64,
    /// What binds that one and all before it, in hexadecimal.
    pub link: String,
    /// When it was signed, by the clock of the node whose record it is.
    pub at: UnixMillis,
    /// As it was signed.
    pub proof: Statement,
}

/// What a node holds of the audit record of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldRecord {
    /// Whose record.
    pub id: NodeId,
    /// Its name when it was taken.
    pub name: NodeName,
    /// Heads that followed each other, the newest last; each signed by that node.
    pub heads: Vec<HeldHead>,
    /// The last head that cannot follow them, signed by that node too: its record was cut or written anew.
    pub contradiction: Option<HeldHead>,
}

/// A head of a node's own record that another one countersigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Countersignature {
    /// Who holds the head.
    pub by: NodeName,
    /// Its identity.
    pub id: NodeId,
    /// The head; its proof is the countersignature.
    pub head: HeldHead,
}

/// The link of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordLink {
    /// Its number.
    pub seq: u64,
    /// What it is bound by, in hexadecimal; `None` if it is not there.
    pub link: Option<String>,
}

/// Whether a node's own record is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordCheck {
    /// Where it is broken first, in words; `None` if it is whole by all that the node knows itself.
    pub broken: Option<String>,
    /// The first record that is kept; 0 if there is none.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// The links that were asked for, as far as the record is whole.
    pub links: Vec<RecordLink>,
    /// Who countersigned it, as far as the node remembers.
    pub countersigned: Vec<Countersignature>,
}

crate::service! {
    /// Who did what on a node: every call that changes something, and every refusal.
    service Audit = "audit" {
        /// The newest entries first, at most `limit` (100, at most 1,000) past `cursor`. `filter` is terms with
        /// spaces between them, all of which have to fit: `who:NAME`, `method:SERVICE.METHOD` or
        /// `method:SERVICE.*`, and `since:` and `until:` with a point in time (RFC 3339, or milliseconds since
        /// 1970).
        get list(filter: Option<String>, cursor: Option<String>, limit: Option<u32>) -> AuditPage, needs AuditRead;
        /// What this node holds of the records of others, which shows when one of them was cut or written anew.
        get heads() -> Vec<HeldRecord>, needs AuditRead;
        /// Reads the whole record of this node: whether it is whole, and the links of the records `at`
        /// (numbers with commas between them, at most 256).
        get check(at: String) -> RecordCheck, needs AuditRead;
        /// Lets go of all that this node holds of the record of a member, which began a new one: its data
        /// directory was lost. Answers whether anything was held.
        post accept(id: NodeId) -> bool, needs AuditRead;
    }
}
