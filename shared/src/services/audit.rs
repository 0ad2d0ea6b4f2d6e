//! The contract of `audit`: who did what on a node, and who was refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::time::UnixMillis;

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

crate::service! {
    /// Who did what on a node: every call that changes something, and every refusal.
    service Audit = "audit" {
        /// The newest entries first, at most `limit` (1 to 1000). `filter` is terms with spaces between them,
        /// all of which have to fit: `who:NAME`, `method:SERVICE.METHOD` or `method:SERVICE.*`, and `since:` and
        /// `until:` with milliseconds since 1970.
        get list(filter: Option<String>, limit: u32) -> Vec<AuditEntry>, needs AuditRead;
    }
}
